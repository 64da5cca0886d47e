// SPDX-License-Identifier: MIT
/*
 * The in-process transport and its threads: what a library does with it, from
 * several sides at once. Meant for ThreadSanitizer too.
 */
#include "rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define BUS UINT64_C(0x10000000)
#define ENTRIES 16u
#define WAIT_MS 60000 /* for what never happens; the rest takes a moment */

/* One mapping at BUS holds rings, tables, stream and data, page by page. */
enum { SQ, CQ, ROOT, DIRECTORY, TABLE, STREAM, DATA, PAGES = DATA + 4 };

struct host {
	struct vgg_sim_inproc *t;
	uint8_t *mem;
	atomic_int interrupts;
	atomic_int line;
	uint32_t tail, head, seq;
	uint16_t phase;
};

static void on_irq(void *ctx, int vector)
{
	struct host *h = ctx;

	if (vector >= 0)
		atomic_fetch_add(&h->interrupts, 1);
	else
		atomic_store(&h->line, vector == VGG_SIM_INTX_HIGH);
	/* may access registers */
	if (h->t)
		vgg_sim_inproc_read(h->t, VGG_REG_IRQ_STATUS);
}

static uint64_t *entry(struct host *h, int page, uint64_t slot)
{
	return (uint64_t *)(void *)(h->mem + page * PAGE) + slot;
}

/* Device address 0x1000 * n is page n of the block. */
static void make_tables(struct host *h)
{
	uint64_t i, flags = VGG_PTE_VALID | VGG_PTE_LEAF | VGG_PTE_WRITE;

	*entry(h, ROOT, 0) = (BUS + DIRECTORY * PAGE) | VGG_PTE_VALID;
	*entry(h, DIRECTORY, 0) = (BUS + TABLE * PAGE) | VGG_PTE_VALID;
	for (i = STREAM; i < PAGES; i++)
		*entry(h, TABLE, i) = (BUS + i * PAGE) | flags;
}

static void wr(struct host *h, uint32_t reg, uint32_t value)
{
	vgg_sim_inproc_write(h->t, reg, value);
}

static void enable(struct host *h)
{
	wr(h, VGG_REG_SQ_BASE_LO, BUS + SQ * PAGE);
	wr(h, VGG_REG_SQ_SIZE, 4);
	wr(h, VGG_REG_CQ_BASE_LO, BUS + CQ * PAGE);
	wr(h, VGG_REG_CQ_SIZE, 4);
	wr(h, VGG_REG_IRQ_MASK, 0);
	wr(h, VGG_REG_CTRL, VGG_CTRL_ENABLE);
	h->tail = h->head = 0;
	h->phase = 1;
	memset(h->mem + CQ * PAGE, 0, PAGE);
}

static void open_host(struct host *h, int msi_vectors)
{
	struct vgg_sim_options options = { .msi_vectors = msi_vectors,
					   .bus_master = true };
	struct vgg_card card;

	memset(h, 0, sizeof(*h));
	vgg_card_default(&card);
	h->mem = aligned_alloc(PAGE, PAGES * PAGE);
	memset(h->mem, 0, PAGES * PAGE);
	make_tables(h);
	h->t = vgg_sim_inproc_create(&card, &options, on_irq, h);
	ASSERT_TRUE(h->t);
	ASSERT_EQ(vgg_sim_inproc_map(h->t, BUS, h->mem, PAGES * PAGE, true), 0);
	enable(h);
}

static void close_host(struct host *h)
{
	vgg_sim_inproc_destroy(h->t);
	free(h->mem);
}

static void submit(struct host *h, uint32_t commands)
{
	struct vgg_hw_sqe *ring = (void *)(h->mem + SQ * PAGE);

	ring[h->tail] = (struct vgg_hw_sqe){
		.seq = ++h->seq,
		.root = BUS + ROOT * PAGE,
		.stream = STREAM * PAGE,
		.stream_bytes = commands * VGG_CMD_SIZE,
	};
	h->tail = (h->tail + 1) % ENTRIES;
	wr(h, VGG_REG_DB_SQ_TAIL, h->tail);
}

static void pause_us(unsigned int us)
{
	struct timespec t = { 0, us * 1000 };

	nanosleep(&t, NULL);
}

/* Polls for the next completion; -1 if there is none for a minute. */
static int wait_status(struct host *h)
{
	struct vgg_hw_cqe *cqe =
		(struct vgg_hw_cqe *)(void *)(h->mem + CQ * PAGE) + h->head;
	uint32_t *last = (uint32_t *)(void *)&cqe->status, word;
	int i;

	for (i = 0; i < WAIT_MS * 10; i++, pause_us(100)) {
		word = __atomic_load_n(last, __ATOMIC_ACQUIRE);
		if (word >> 16 == h->phase)
			break;
	}
	if (i == WAIT_MS * 10)
		return -1;
	EXPECT_EQ(cqe->seq, h->seq);
	h->head = (h->head + 1) % ENTRIES;
	h->phase ^= !h->head;
	wr(h, VGG_REG_DB_CQ_HEAD, h->head);
	return word & 0xffff;
}

static void put_stream(struct host *h, const void *command)
{
	uint8_t *at = h->mem + STREAM * PAGE;
	struct vgg_hw_cmd_plain end = { .head.opcode = VGG_CMD_END };

	memcpy(at, command, VGG_CMD_SIZE);
	memcpy(at + VGG_CMD_SIZE, &end, VGG_CMD_SIZE);
}

TEST(jobs_one_by_one)
{
	struct vgg_hw_cmd_fill fill = rig_fill(DATA * PAGE, PAGE, 0);
	struct host h;
	int i;

	open_host(&h, 1);
	for (i = 1; i <= 100; i++) {
		fill.value = (uint8_t)i;
		put_stream(&h, &fill);
		submit(&h, 2);
		ASSERT_EQ(wait_status(&h), VGG_STATUS_OK);
		EXPECT_EQ(h.mem[DATA * PAGE + 77], i);
	}
	/* the last message may still be on its way */
	for (i = 0; i < WAIT_MS && atomic_load(&h.interrupts) < 100; i++)
		pause_us(1000);
	EXPECT_EQ(atomic_load(&h.interrupts), 100);
	close_host(&h);
}

TEST(the_line)
{
	struct host h;
	int i;

	open_host(&h, 0);
	wr(&h, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	for (i = 0; i < WAIT_MS && !atomic_load(&h.line); i++)
		pause_us(1000);
	EXPECT_EQ(atomic_load(&h.line), 1);
	wr(&h, VGG_REG_IRQ_STATUS, VGG_IRQ_SW);
	for (i = 0; i < WAIT_MS && atomic_load(&h.line); i++)
		pause_us(1000);
	EXPECT_EQ(atomic_load(&h.line), 0);
	close_host(&h);
}

TEST(mappings)
{
	struct host h;
	uint8_t *mem = aligned_alloc(PAGE, 4 * PAGE);

	open_host(&h, 1);
	EXPECT_EQ(vgg_sim_inproc_map(h.t, BUS, mem, PAGE, true), -EEXIST);
	EXPECT_EQ(vgg_sim_inproc_map(h.t, BUS - PAGE, mem, 2 * PAGE, true),
		  -EEXIST);
	EXPECT_EQ(vgg_sim_inproc_map(h.t, BUS + (PAGES - 1) * PAGE, mem, PAGE,
				     true),
		  -EEXIST);
	EXPECT_EQ(vgg_sim_inproc_map(h.t, BUS - 2 * PAGE, mem, 4 * PAGE, true),
		  -EEXIST);
	EXPECT_EQ(vgg_sim_inproc_map(h.t, 0, mem, 0, true), -EINVAL);
	EXPECT_EQ(vgg_sim_inproc_map(h.t, 100, mem, PAGE, true), -EINVAL);
	EXPECT_EQ(vgg_sim_inproc_map(h.t, 0, mem, 100, true), -EINVAL);
	EXPECT_EQ(vgg_sim_inproc_map(h.t, ~(uint64_t)PAGE + 1, mem, 4 * PAGE,
				     true),
		  -EINVAL);
	EXPECT_EQ(vgg_sim_inproc_map(h.t, BUS - PAGE, mem, PAGE, true), 0);
	EXPECT_EQ(vgg_sim_inproc_map(h.t, BUS + PAGES * PAGE, mem, PAGE, true),
		  0);
	EXPECT_EQ(vgg_sim_inproc_unmap(h.t, BUS - 2 * PAGE), -ENOENT);
	EXPECT_EQ(vgg_sim_inproc_unmap(h.t, BUS + PAGE), -ENOENT);
	EXPECT_EQ(vgg_sim_inproc_unmap(h.t, BUS - PAGE), 0);
	EXPECT_EQ(vgg_sim_inproc_unmap(h.t, BUS - PAGE), -ENOENT);
	close_host(&h);
	free(mem);
}

/* A write to memory lent for reading, and to memory taken back. */
TEST(rights_and_taking_back)
{
	uint64_t bus = BUS + 100 * PAGE, flags;
	struct vgg_hw_cmd_fill fill = rig_fill(DATA * PAGE, 64, 9);
	struct vgg_hw_cmd_copy copy =
		rig_copy(DATA * PAGE, (DATA + 1) * PAGE, 64);
	uint8_t *mem = aligned_alloc(PAGE, PAGE);
	struct host h;

	open_host(&h, 1);
	memset(mem, 5, PAGE);
	flags = VGG_PTE_VALID | VGG_PTE_LEAF | VGG_PTE_WRITE;
	*entry(&h, TABLE, DATA) = bus | flags;
	EXPECT_EQ(vgg_sim_inproc_map(h.t, bus, mem, PAGE, false), 0);
	put_stream(&h, &copy);
	submit(&h, 2);
	EXPECT_EQ(wait_status(&h), VGG_STATUS_OK);
	EXPECT_EQ(h.mem[(DATA + 1) * PAGE], 5);
	put_stream(&h, &fill);
	submit(&h, 2);
	EXPECT_EQ(wait_status(&h), VGG_STATUS_DMA);
	EXPECT_EQ(vgg_sim_inproc_unmap(h.t, bus), 0);
	EXPECT_EQ(mem[0], 5);
	free(mem); /* a late access would be one after free */
	put_stream(&h, &copy);
	submit(&h, 2);
	EXPECT_EQ(wait_status(&h), VGG_STATUS_DMA);
	close_host(&h);
}

/* A job that waits for ten minutes before it starts. */
static void start_slow(struct host *h)
{
	struct vgg_hw_cmd_plain nop = { .head.opcode = VGG_CMD_NOP };

	put_stream(h, &nop);
	wr(h, VGG_REG_INJECT_ARG, 600000000);
	wr(h, VGG_REG_INJECT_COUNT, 1);
	wr(h, VGG_REG_INJECT_FAULT, VGG_FAULT_SLOW);
	submit(h, 2);
	while (!(vgg_sim_inproc_read(h->t, VGG_REG_STATUS) & VGG_DEV_BUSY))
		pause_us(100);
}

static void wait_ready(struct host *h)
{
	int i;

	for (i = 0; i < WAIT_MS * 10; i++, pause_us(100))
		if (vgg_sim_inproc_read(h->t, VGG_REG_STATUS) & VGG_DEV_READY)
			return;
	test_fail(__FILE__, __LINE__, "the reset does not end");
}

TEST(reset_and_abort_while_a_job_waits)
{
	struct host h;
	int i;

	open_host(&h, 1);
	for (i = 0; i < 20; i++) {
		start_slow(&h);
		if (i % 2) {
			wr(&h, VGG_REG_ABORT, VGG_ABORT_GO);
			ASSERT_EQ(wait_status(&h), VGG_STATUS_ABORTED);
			continue;
		}
		wr(&h, VGG_REG_CTRL, VGG_CTRL_RESET);
		wait_ready(&h);
		EXPECT_EQ(vgg_sim_inproc_read(h.t, VGG_REG_STATUS),
			  VGG_DEV_READY);
		enable(&h);
	}
	close_host(&h);
}

/* One page stands for 1 GiB; 31 copies of it are long work, all of it one
 * command after the other. */
static void start_huge(struct host *h)
{
	uint64_t flags = VGG_PTE_VALID | VGG_PTE_LEAF | VGG_PTE_WRITE, i;
	struct vgg_hw_cmd_copy copy = rig_copy(0, UINT64_C(1) << 30, 1u << 20);

	for (i = 0; i < 512; i++)
		*entry(h, DATA + 2, i) = (BUS + DATA * PAGE) | flags;
	for (i = 0; i < 512; i++)
		*entry(h, DATA + 3, i) =
			(BUS + (DATA + 2) * PAGE) | VGG_PTE_VALID;
	*entry(h, ROOT, 1) = (BUS + (DATA + 3) * PAGE) | VGG_PTE_VALID;
	copy.height = 1u << 10;
	copy.src_pitch = copy.dst_pitch = 1u << 20;
	copy.src = copy.dst;
	put_stream(h, &copy);
	for (i = 1; i < 31; i++)
		memcpy(h->mem + STREAM * PAGE + i * VGG_CMD_SIZE, &copy,
		       sizeof(copy));
	submit(h, 32);
	while (!(vgg_sim_inproc_read(h->t, VGG_REG_STATUS) & VGG_DEV_BUSY))
		pause_us(100);
}

/* Destroying doesn't wait for the job, and the memory is free afterwards. */
TEST(destroy_while_a_job_executes)
{
	struct host h;

	open_host(&h, 1);
	start_huge(&h);
	pause_us(5000);
	close_host(&h);
	open_host(&h, 1);
	start_huge(&h);
	wr(&h, VGG_REG_CTRL, VGG_CTRL_RESET);
	wait_ready(&h);
	memset(h.mem, 0xff, PAGES * PAGE); /* nobody else uses it now */
	close_host(&h);
}

/* Others read registers, map and unmap while jobs run. */
struct busybody {
	struct host *h;
	unsigned int number;
	atomic_bool *stop;
	atomic_int rounds;
};

static void *pester(void *arg)
{
	struct busybody *b = arg;
	uint64_t bus = BUS + (1000 + b->number) * PAGE;
	uint8_t *mem = aligned_alloc(PAGE, PAGE);

	while (!atomic_load(b->stop)) {
		if (vgg_sim_inproc_map(b->h->t, bus, mem, PAGE, true))
			break;
		vgg_sim_inproc_read(b->h->t, VGG_REG_CYCLES_LO);
		vgg_sim_inproc_read(b->h->t, VGG_REG_CYCLES_HI);
		vgg_sim_inproc_write(b->h->t, VGG_REG_IRQ_SET, VGG_IRQ_SW);
		vgg_sim_inproc_write(b->h->t, VGG_REG_IRQ_STATUS, VGG_IRQ_SW);
		if (vgg_sim_inproc_unmap(b->h->t, bus))
			break;
		memset(mem, 1, PAGE);
		atomic_fetch_add(&b->rounds, 1);
	}
	free(mem);
	return NULL;
}

TEST(several_threads)
{
	struct vgg_hw_cmd_fill fill = rig_fill(DATA * PAGE, 2 * PAGE, 7);
	struct busybody bodies[3];
	pthread_t threads[3];
	atomic_bool stop = false;
	struct host h;
	unsigned int i, n;

	open_host(&h, 2);
	put_stream(&h, &fill);
	for (i = 0; i < 3; i++) {
		bodies[i] = (struct busybody){ &h, i, &stop, 0 };
		pthread_create(&threads[i], NULL, pester, &bodies[i]);
	}
	for (i = 0; i < 300 && !test_state.failed; i++) {
		submit(&h, 2);
		EXPECT_EQ(wait_status(&h), VGG_STATUS_OK);
	}
	/* one that had no processor yet gets its turn */
	for (i = 0; i < 3; i++)
		for (n = 0; n < WAIT_MS && !atomic_load(&bodies[i].rounds); n++)
			pause_us(1000);
	atomic_store(&stop, true);
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_GT(atomic_load(&bodies[i].rounds), 0);
	}
	close_host(&h);
}

TEST(destroy_of_nothing)
{
	vgg_sim_inproc_destroy(NULL);
}

TEST_HARNESS_MAIN
