// SPDX-License-Identifier: MIT
/*
 * The paced card: its time line, first in a time of the test's own, where each
 * nanosecond can be foretold, then by the clock on the wall, where nothing may
 * be early and what is late has to be counted.
 */
#include "rig.h"
#include "timing.h"

#include <stdatomic.h>
#include <time.h>

#define MS INT64_C(1000000)

/* The default card: 5 ns a cycle. */
#define JOB 512u
#define CMD 256u
#define NS(cycles) ((uint64_t)(cycles)*5)
/* A FILL of so many bytes of host memory: 4 of them in a cycle. */
#define FILL_CYCLES(bytes) (JOB + CMD + (bytes) / 4 + CMD)

/*
 * A time that passes where the test says so. Begin and end of each job are
 * noted.
 */
struct times {
	uint32_t seq;
	uint64_t begin, end;
};

static struct {
	uint64_t now;
	struct times jobs[16];
	unsigned int ended, waits;
} fake;

static uint64_t fake_now(void *ctx)
{
	(void)ctx;
	return fake.now;
}

static void fake_ended(void *ctx, uint32_t seq, uint64_t begin, uint64_t end)
{
	(void)ctx;
	fake.jobs[fake.ended++ % 16] = (struct times){ seq, begin, end };
}

static void fake_wait_until(void *ctx, uint64_t at)
{
	(void)ctx;
	(void)at;
	fake.waits++;
}

static void fake_sleep(struct rig *rig, int64_t ns)
{
	(void)rig;
	fake.now += (uint64_t)ns;
}

static const struct vgg_sim_clock stepped = { .now = fake_now,
					      .ended = fake_ended };
static const struct vgg_sim_clock virtual = { .now = fake_now,
					      .wait_until = fake_wait_until,
					      .ended = fake_ended };

FIXTURE(timeline)
{
	struct rig *rig;
	uint64_t mem;
};

FIXTURE_VARIANT(timeline)
{
	const struct vgg_sim_clock *clock;
};
/* vgg_sim_run() says how long to wait; or the clock does without. */
FIXTURE_VARIANT_ADD(timeline, stepped){ &stepped };
FIXTURE_VARIANT_ADD(timeline, virtual){ &virtual };

FIXTURE_SETUP(timeline)
{
	struct rig_options options = { .pace = true,
				       .clock = variant->clock,
				       .on_wait = fake_sleep };

	memset(&fake, 0, sizeof(fake));
	fake.now = 1000;
	self->rig = rig_create(&options);
	self->mem = rig_alloc(self->rig, 1 << 20, RIG_HOST);
}

FIXTURE_TEARDOWN(timeline)
{
	rig_destroy(self->rig);
}

/* FILL of `bytes`, submitted; each job has its own stream. */
static struct vgg_hw_sqe fill_job(struct rig *rig, uint64_t mem, uint32_t bytes)
{
	struct vgg_hw_cmd_fill fill = rig_fill(mem, bytes, 1);
	struct vgg_hw_cmd_plain end = { .head.opcode = VGG_CMD_END };
	uint64_t stream = rig_alloc(rig, 2 * VGG_CMD_SIZE, RIG_HOST);
	struct vgg_hw_sqe sqe;

	rig_put(rig, stream, &fill, VGG_CMD_SIZE);
	rig_put(rig, stream + VGG_CMD_SIZE, &end, VGG_CMD_SIZE);
	sqe = rig_sqe(rig);
	sqe.stream = stream;
	sqe.stream_bytes = 2 * VGG_CMD_SIZE;
	return sqe;
}

static void submit_fill(struct rig *rig, uint64_t mem, uint32_t bytes)
{
	struct vgg_hw_sqe sqe = fill_job(rig, mem, bytes);

	rig_push(rig, &sqe);
}

static void expect_job(unsigned int i, uint64_t begin, uint64_t end)
{
	EXPECT_EQ(fake.jobs[i].begin, begin);
	EXPECT_EQ(fake.jobs[i].end, end);
}

TEST_F(timeline, a_job_takes_its_cycles)
{
	submit_fill(self->rig, self->mem, 40000);
	rig_run(self->rig);
	ASSERT_EQ(fake.ended, 1u);
	expect_job(0, 1000, 1000 + NS(FILL_CYCLES(40000)));
}

TEST_F(timeline, jobs_in_the_ring_follow_each_other)
{
	uint64_t first = 1000 + NS(FILL_CYCLES(40000)), second, third;
	struct vgg_hw_cqe cqe;

	submit_fill(self->rig, self->mem, 40000);
	fake.now += 70; /* both wait for the first one */
	submit_fill(self->rig, self->mem, 8000);
	fake.now += 30;
	submit_fill(self->rig, self->mem, 400);
	rig_run(self->rig);
	second = first + NS(FILL_CYCLES(8000));
	third = second + NS(FILL_CYCLES(400));
	ASSERT_EQ(fake.ended, 3u);
	expect_job(0, 1000, first);
	expect_job(1, first, second);
	expect_job(2, second, third);
	/* The card is idle for a while; the next begins with its doorbell. */
	fake.now = third + 12345;
	submit_fill(self->rig, self->mem, 400);
	rig_run(self->rig);
	expect_job(3, third + 12345, third + 12345 + NS(FILL_CYCLES(400)));
	while (rig_pop(self->rig, &cqe))
		EXPECT_EQ(cqe.status, VGG_STATUS_OK);
}

/* Whoever is slow to look after the card doesn't make it slower. */
TEST_F(timeline, late_looks_do_not_add_up)
{
	uint64_t end = 1000 + NS(FILL_CYCLES(400));
	int i;

	for (i = 0; i < 6; i++)
		submit_fill(self->rig, self->mem, 400);
	for (i = 0; i < 6; i++, end += NS(FILL_CYCLES(400))) {
		while (fake.ended == (unsigned int)i) {
			int64_t ns = vgg_sim_run(self->rig->sim);

			fake.now += ns > 0 ? (uint64_t)ns + 700 : 0;
		}
		EXPECT_EQ(fake.jobs[i].end, end);
	}
}

/* TIMESTAMPs and CYCLES are the time line in cycles. */
TEST_F(timeline, timestamps_agree_with_it)
{
	struct vgg_hw_cmd_timestamp stamp = { .head.opcode = VGG_CMD_TIMESTAMP,
					      .dst = self->mem };
	struct rig *rig = self->rig;
	uint64_t at, zero = fake.now;
	int i;

	for (i = 0; i < 3; i++) {
		fake.now += 4321;
		rig_add(rig, &stamp);
		EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
		rig_get(rig, self->mem, &at, 8);
		EXPECT_NEAR((double)at,
			    (double)(fake.jobs[i].begin - zero) / 5 + JOB, 2);
		fake.now = fake.jobs[i].end;
		EXPECT_NEAR((double)rig_read64(rig, VGG_REG_CYCLES_LO),
			    (double)(fake.now - zero) / 5, 2);
	}
}

TEST_F(timeline, a_job_begins_when_there_is_room_for_its_completion)
{
	struct rig_options options = { .pace = true,
				       .clock = variant->clock,
				       .on_wait = fake_sleep,
				       .cq_log2 = 1 };
	struct vgg_hw_cqe cqe;
	struct rig *rig;
	uint64_t at;

	rig = rig_create(&options);
	submit_fill(rig, rig_alloc(rig, 4096, RIG_HOST), 400);
	submit_fill(rig, rig_alloc(rig, 4096, RIG_HOST), 400);
	rig_run(rig);
	ASSERT_EQ(fake.ended, 1u);
	at = fake.now = fake.jobs[0].end + 5000;
	ASSERT_TRUE(rig_pop(rig, &cqe));
	rig_run(rig);
	ASSERT_EQ(fake.ended, 2u);
	expect_job(1, at, at + NS(FILL_CYCLES(400)));
	rig_destroy(rig);
}

TEST_F(timeline, a_slow_job_takes_longer)
{
	rig_write(self->rig, VGG_REG_INJECT_ARG, 3000); /* us */
	rig_write(self->rig, VGG_REG_INJECT_COUNT, 1);
	rig_write(self->rig, VGG_REG_INJECT_FAULT, VGG_FAULT_SLOW);
	submit_fill(self->rig, self->mem, 400);
	rig_run(self->rig);
	ASSERT_EQ(fake.ended, 1u);
	expect_job(0, 1000, 1000 + 3 * MS + NS(FILL_CYCLES(400)));
}

TEST_F(timeline, a_timeout_comes_when_time_is_up)
{
	struct vgg_hw_sqe sqe = fill_job(self->rig, self->mem, 1 << 20);

	sqe.timeout_us = 100;
	EXPECT_EQ(rig_execute_sqe(self->rig, &sqe).status, VGG_STATUS_TIMEOUT);
	expect_job(0, 1000, 1000 + MS / 10);
}

TEST_F(timeline, nothing_is_late_in_it)
{
	struct vgg_sim_stats stats;
	int i;

	for (i = 0; i < 9; i++) {
		submit_fill(self->rig, self->mem, 4000);
		/* the CPU's own time may be far ahead of the card's */
		fake.now += variant->clock == &virtual ? 5 * MS : 0;
		rig_run(self->rig);
	}
	vgg_sim_get_stats(self->rig->sim, &stats);
	EXPECT_EQ(stats.late_jobs, 0u);
	EXPECT_EQ(stats.late_ns, 0u);
	EXPECT_EQ(fake.waits, variant->clock == &virtual ? 9u : 0u);
}

/*
 * In the middle of a job, with a clock that stands still.
 */
static void begin_a_job(struct rig *rig, uint64_t mem)
{
	int64_t ns;

	submit_fill(rig, mem, 1 << 20);
	ns = vgg_sim_run(rig->sim);
	EXPECT_EQ(ns, (int64_t)NS(FILL_CYCLES(1 << 20)));
	fake.now += 100000;
	EXPECT_EQ(vgg_sim_run(rig->sim), ns - 100000);
	EXPECT_EQ(fake.ended, 0u);
}

FIXTURE(held)
{
	struct rig *rig;
	uint64_t mem;
};

FIXTURE_SETUP(held)
{
	struct rig_options options = { .pace = true,
				       .clock = &stepped,
				       .on_wait = fake_sleep };

	memset(&fake, 0, sizeof(fake));
	fake.now = 1000;
	self->rig = rig_create(&options);
	self->mem = rig_alloc(self->rig, 1 << 20, RIG_HOST);
	begin_a_job(self->rig, self->mem);
}

FIXTURE_TEARDOWN(held)
{
	rig_destroy(self->rig);
}

TEST_F(held, nothing_of_its_end_can_be_seen)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cqe cqe;

	EXPECT_FALSE(rig_pop(rig, &cqe));
	EXPECT_EQ(rig->messages[0] + rig->pulses, 0);
	EXPECT_EQ(rig_read(rig, VGG_REG_JOBS), 0u);
	EXPECT_EQ(rig_read(rig, VGG_REG_CQ_TAIL), 0u);
	EXPECT_TRUE(rig_read(rig, VGG_REG_STATUS) & VGG_DEV_BUSY);
	/* 0.1 ms of it are over */
	EXPECT_EQ(rig_read64(rig, VGG_REG_CYCLES_LO), 20000u);
	rig_run(rig);
	EXPECT_TRUE(rig_pop(rig, &cqe));
	EXPECT_EQ(cqe.status, VGG_STATUS_OK);
	EXPECT_EQ(fake.now, 1000 + NS(FILL_CYCLES(1 << 20)));
}

TEST_F(held, an_abort_ends_it)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cqe cqe;

	rig_write(rig, VGG_REG_ABORT, VGG_ABORT_GO);
	rig_run(rig);
	ASSERT_TRUE(rig_pop(rig, &cqe));
	EXPECT_EQ(cqe.status, VGG_STATUS_ABORTED);
	EXPECT_EQ(cqe.index, 1u); /* END */
	EXPECT_EQ(cqe.cycles, 20000u);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_ABORTED);
	expect_job(0, 1000, 101000);
	/* and the next one begins at once */
	submit_fill(rig, self->mem, 400);
	rig_run(rig);
	expect_job(1, 101000, 101000 + NS(FILL_CYCLES(400)));
}

TEST_F(held, another_contexts_abort_does_not)
{
	struct vgg_hw_cqe cqe;

	rig_write(self->rig, VGG_REG_ABORT, VGG_ABORT_GO | 1);
	rig_run(self->rig);
	ASSERT_TRUE(rig_pop(self->rig, &cqe));
	EXPECT_EQ(cqe.status, VGG_STATUS_OK);
}

TEST_F(held, a_reset_forgets_it)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cqe cqe;

	rig_reset(rig);
	EXPECT_EQ(fake.now, 101000u);
	EXPECT_TRUE(rig_read(rig, VGG_REG_STATUS) & VGG_DEV_READY);
	EXPECT_FALSE(rig_pop(rig, &cqe));
	rig_enable(rig);
	submit_fill(rig, self->mem, 400);
	rig_run(rig);
	EXPECT_TRUE(rig_pop(rig, &cqe));
	EXPECT_EQ(fake.ended, 1u);
	expect_job(0, 101000, 101000 + NS(FILL_CYCLES(400)));
}

TEST_F(held, without_bus_mastering_it_fails)
{
	vgg_sim_set_bus_master(self->rig->sim, false);
	rig_run(self->rig);
	EXPECT_EQ(fake.now, 101000u);
	EXPECT_EQ(rig_take_error(self->rig), VGG_STATUS_BUS_MASTER);
	EXPECT_TRUE(rig_read(self->rig, VGG_REG_STATUS) & VGG_DEV_HALTED);
}

/*
 * By the clock on the wall.
 */
static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* FILLs that take 2 ms each; never early, seldom much late. */
TEST(completions_are_not_early)
{
	struct rig_options options = { .pace = true };
	struct rig *rig = rig_create(&options);
	uint64_t mem = rig_alloc(rig, 1 << 20, RIG_HOST);
	int64_t want = (int64_t)NS(FILL_CYCLES(1 << 20)), start, took;
	int64_t best = INT64_MAX;
	int i;

	for (i = 0; i < 20; i++) {
		struct vgg_hw_sqe sqe = fill_job(rig, mem, 1 << 20);

		start = now_ns(CLOCK_MONOTONIC);
		EXPECT_EQ(rig_execute_sqe(rig, &sqe).status, VGG_STATUS_OK);
		took = now_ns(CLOCK_MONOTONIC) - start;
		EXPECT_GE(took, want);
		best = took < best ? took : best;
	}
	TH_LOG("%.1f us late at best", (double)(best - want) / 1e3);
	EXPECT_LT(best - want, 10 * MS);
	rig_destroy(rig);
}

/* An engine that can't keep up is no secret. */
TEST(late_jobs_are_counted)
{
	struct vgg_card card;
	struct rig_options options = { .card = &card, .pace = true };
	struct vgg_hw_cmd_conv conv = {
		.head.opcode = VGG_CMD_CONV,
		.head.flags = VGG_CONV_OUT32,
		.in_h = 64,
		.in_w = 64,
		.in_c = 64,
		.out_c = 64,
		.src_pitch = 4096,
		.src_pixel = 64,
		.dst_pitch = 16384,
		.dst_pixel = 256,
		.weight_pitch = 576,
		.win = { 3, 3, 1, 1, 1, 1, 1, 1 },
	};
	struct vgg_sim_stats stats;
	struct rig *rig;
	int64_t start, took, model;
	int i;

	/* 151 M multiply-adds in 82 us */
	vgg_card_default(&card);
	card.mac_rows = card.mac_cols = 1024;
	card.clock_khz = 400000;
	card.local_mbps = 10000000;
	rig = rig_create(&options);
	conv.src = rig_alloc(rig, 1 << 18, RIG_LOCAL);
	conv.dst = rig_alloc(rig, 1 << 20, RIG_LOCAL);
	conv.weights = rig_alloc(rig, 64 * 576, RIG_LOCAL);
	conv.params = rig_alloc(rig, 4096, RIG_LOCAL);
	for (i = 0; i < 2; i++) {
		rig_add(rig, &conv);
		start = now_ns(CLOCK_MONOTONIC);
		model = (int64_t)rig_execute(rig).cycles * 5 / 2;
		took = now_ns(CLOCK_MONOTONIC) - start;
		EXPECT_GE(took, model);
		vgg_sim_get_stats(rig->sim, &stats);
		TH_LOG("%" PRId64 " us took %" PRId64 " us, %" PRIu64
		       " late by %" PRIu64 " us",
		       model / 1000, took / 1000, stats.late_jobs,
		       stats.late_ns / 1000);
		EXPECT_LE(stats.late_jobs, i + 1u);
		if (!i) {
			EXPECT_GE(stats.late_jobs, 1u);
			EXPECT_GT(stats.late_ns, 0u);
			EXPECT_LE(stats.latest_ns, stats.late_ns);
			EXPECT_LE((int64_t)stats.late_ns, took - model);
		}
	}
	EXPECT_EQ(stats.replayed, 1u);
	EXPECT_EQ(stats.computed, 1u);
	rig_destroy(rig);
}

/*
 * With a thread of its own: it sleeps while it holds a completion back.
 */
#define PAGE 4096u
#define BUS UINT64_C(0x10000000)
enum { SQ, CQ, ROOT, DIRECTORY, TABLE, STREAM, DATA, PAGES = DATA + 256 };

struct host {
	struct vgg_sim_inproc *t;
	uint8_t *mem;
	atomic_int interrupts;
	uint32_t tail;
};

static void on_irq(void *ctx, int vector)
{
	(void)vector;
	atomic_fetch_add(&((struct host *)ctx)->interrupts, 1);
}

static void make_tables(struct host *h)
{
	uint64_t i, flags = VGG_PTE_VALID | VGG_PTE_LEAF | VGG_PTE_WRITE;
	uint64_t *root = (void *)(h->mem + ROOT * PAGE);
	uint64_t *directory = (void *)(h->mem + DIRECTORY * PAGE);
	uint64_t *table = (void *)(h->mem + TABLE * PAGE);

	root[0] = (BUS + DIRECTORY * PAGE) | VGG_PTE_VALID;
	directory[0] = (BUS + TABLE * PAGE) | VGG_PTE_VALID;
	for (i = STREAM; i < PAGES; i++)
		table[i] = (BUS + i * PAGE) | flags;
}

static void open_host(struct host *h, const struct vgg_card *card)
{
	struct vgg_sim_options options = { .msi_vectors = 1,
					   .bus_master = true,
					   .pace = true };

	memset(h, 0, sizeof(*h));
	h->mem = aligned_alloc(PAGE, PAGES * PAGE);
	memset(h->mem, 0, PAGES * PAGE);
	make_tables(h);
	h->t = vgg_sim_inproc_create(card, &options, on_irq, h);
	ASSERT_TRUE(h->t);
	ASSERT_EQ(vgg_sim_inproc_map(h->t, BUS, h->mem, PAGES * PAGE, true), 0);
	vgg_sim_inproc_write(h->t, VGG_REG_SQ_BASE_LO, BUS + SQ * PAGE);
	vgg_sim_inproc_write(h->t, VGG_REG_SQ_SIZE, 4);
	vgg_sim_inproc_write(h->t, VGG_REG_CQ_BASE_LO, BUS + CQ * PAGE);
	vgg_sim_inproc_write(h->t, VGG_REG_CQ_SIZE, 4);
	vgg_sim_inproc_write(h->t, VGG_REG_IRQ_MASK, 0);
	vgg_sim_inproc_write(h->t, VGG_REG_CTRL, VGG_CTRL_ENABLE);
}

static void submit_fills(struct host *h, uint32_t count, uint32_t bytes)
{
	struct vgg_hw_cmd_fill *fill = (void *)(h->mem + STREAM * PAGE);
	struct vgg_hw_cmd_plain *end = (void *)(fill + count);
	struct vgg_hw_sqe *ring = (void *)(h->mem + SQ * PAGE);
	uint32_t i;

	for (i = 0; i < count; i++)
		fill[i] = rig_fill(DATA * PAGE, bytes, (uint8_t)i);
	*end = (struct vgg_hw_cmd_plain){ .head.opcode = VGG_CMD_END };
	ring[h->tail] = (struct vgg_hw_sqe){
		.seq = 1,
		.root = BUS + ROOT * PAGE,
		.stream = STREAM * PAGE,
		.stream_bytes = (count + 1) * VGG_CMD_SIZE,
	};
	vgg_sim_inproc_write(h->t, VGG_REG_DB_SQ_TAIL, ++h->tail);
}

TEST(a_paced_card_sleeps)
{
	int64_t start, cpu, took, want;
	const struct vgg_hw_cqe *cqe;
	struct vgg_card card;
	struct host h;

	/* a millisecond for a command of which little is to be computed */
	vgg_card_default(&card);
	card.clock_khz = 1000;
	card.command_cycles = 1000;
	open_host(&h, &card);
	start = now_ns(CLOCK_MONOTONIC);
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	submit_fills(&h, 30, PAGE);
	while (!atomic_load(&h.interrupts) &&
	       now_ns(CLOCK_MONOTONIC) < start + 20000 * MS)
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	took = now_ns(CLOCK_MONOTONIC) - start;
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	cqe = (const void *)(h.mem + CQ * PAGE);
	want = (int64_t)cqe->cycles * 1000;
	TH_LOG("%.3f ms for %.3f ms, %.3f ms of CPU time", (double)took / 1e6,
	       (double)want / 1e6, (double)cpu / 1e6);
	EXPECT_GE(want, 31 * MS);
	EXPECT_GE(took, want);
	EXPECT_EQ(atomic_load(&h.interrupts), 1);
	if (!test_emulated())
		EXPECT_LT(cpu, want / 3);
	vgg_sim_inproc_destroy(h.t);
	free(h.mem);
}

/* The host's memory is not in use while the card merely waits. */
TEST(memory_comes_back_while_a_job_is_held)
{
	struct vgg_card card;
	struct host h;
	int64_t start;
	struct vgg_hw_cqe *cqe;

	vgg_card_default(&card);
	open_host(&h, &card);
	cqe = (void *)(h.mem + CQ * PAGE);
	submit_fills(&h, 30, 1 << 20); /* 1.3 ms each */
	/* until all is computed */
	while (vgg_sim_inproc_read(h.t, VGG_REG_DMA_BUSY_LO) <
	       30 * (CMD + (1u << 18)))
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	start = now_ns(CLOCK_MONOTONIC);
	vgg_sim_inproc_write(h.t, VGG_REG_ABORT, VGG_ABORT_GO);
	while (!atomic_load(&h.interrupts))
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	TH_LOG("aborted within %" PRId64 " us",
	       (now_ns(CLOCK_MONOTONIC) - start) / 1000);
	EXPECT_EQ(cqe->status, VGG_STATUS_ABORTED);
	submit_fills(&h, 30, 1 << 20);
	while (!(vgg_sim_inproc_read(h.t, VGG_REG_STATUS) & VGG_DEV_BUSY))
		;
	EXPECT_EQ(vgg_sim_inproc_unmap(h.t, BUS), 0);
	vgg_sim_inproc_destroy(h.t);
	free(h.mem);
}

TEST_HARNESS_MAIN
