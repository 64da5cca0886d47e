// SPDX-License-Identifier: MIT
/*
 * Jobs by io_uring, by its system calls without a library: so that everything
 * that can be set is set here.
 */
#include "share.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096u
#define DEPTH 64u

struct ring {
	int fd;
	struct io_uring_params p;
	uint8_t *sq, *cq;
	size_t sq_bytes, cq_bytes;
	struct io_uring_sqe *sqes;
};

static uint32_t *word(uint8_t *ring, uint32_t offset)
{
	return (uint32_t *)(void *)(ring + offset);
}

static void *ring_map(int fd, size_t bytes, uint64_t offset)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 (off_t)offset);

	ASSERT_NE((intptr_t)map, (intptr_t)MAP_FAILED);
	return map;
}

static int ring_open_(struct ring *r, uint32_t entries, uint32_t flags)
{
	*r = (struct ring){ .p.flags = flags };
	r->p.sq_thread_idle = 500;
	r->fd = (int)syscall(__NR_io_uring_setup, entries, &r->p);
	return r->fd < 0 ? -errno : 0;
}

static struct ring ring_open(uint32_t entries, uint32_t flags)
{
	struct ring r;
	int err = ring_open_(&r, entries, flags);

	if (err == -ENOSYS || err == -EPERM)
		SKIP("no io_uring here");
	if (err == -EINVAL)
		SKIP("this kernel's io_uring doesn't know flags 0x%x", flags);
	ASSERT_EQ(err, 0);
	r.sq_bytes = r.p.sq_off.array + r.p.sq_entries * sizeof(uint32_t);
	r.cq_bytes =
		r.p.cq_off.cqes + r.p.cq_entries * sizeof(struct io_uring_cqe);
	r.sq = ring_map(r.fd, r.sq_bytes, IORING_OFF_SQ_RING);
	r.cq = ring_map(r.fd, r.cq_bytes, IORING_OFF_CQ_RING);
	r.sqes = ring_map(r.fd, r.p.sq_entries * sizeof(*r.sqes),
			  IORING_OFF_SQES);
	return r;
}

static void ring_close(struct ring *r)
{
	munmap(r->sqes, r->p.sq_entries * sizeof(*r->sqes));
	munmap(r->cq, r->cq_bytes);
	munmap(r->sq, r->sq_bytes);
	close(r->fd);
}

/* The next entry, not yet for the kernel. */
static struct io_uring_sqe *ring_next(struct ring *r)
{
	uint32_t tail = *word(r->sq, r->p.sq_off.tail);
	uint32_t i = tail & (r->p.sq_entries - 1);
	struct io_uring_sqe *e = &r->sqes[i];

	word(r->sq, r->p.sq_off.array)[i] = i;
	memset(e, 0, sizeof(*e));
	return e;
}

static void ring_push(struct ring *r)
{
	uint32_t *tail = word(r->sq, r->p.sq_off.tail);

	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
}

static void put_job(struct ring *r, int fd, const struct stream *s,
		    uint64_t user_data, uint8_t sqe_flags)
{
	struct io_uring_sqe *e = ring_next(r);
	struct drm_vggaccel_uring_submit job = {
		.stream = s->bo.address,
		.stream_bytes = s->count * VGG_CMD_SIZE,
		.tag = 78,
	};

	e->opcode = IORING_OP_URING_CMD;
	e->fd = fd;
	e->cmd_op = DRM_VGGACCEL_URING_SUBMIT;
	e->user_data = user_data;
	e->flags = sqe_flags;
	memcpy(e->cmd, &job, sizeof(job));
	ring_push(r);
}

static int ring_enter_(struct ring *r, uint32_t submit, uint32_t wait)
{
	uint32_t flags = wait ? IORING_ENTER_GETEVENTS : 0;
	long n;

	if (r->p.flags & IORING_SETUP_SQPOLL)
		flags |= IORING_ENTER_SQ_WAKEUP;
	do {
		n = syscall(__NR_io_uring_enter, r->fd, submit, wait, flags,
			    NULL, 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

struct ended {
	uint64_t user_data;
	int32_t res;
};

/* One completion; waits for it. */
static struct ended ring_take(struct ring *r)
{
	uint32_t *head = word(r->cq, r->p.cq_off.head);
	uint32_t mask = r->p.cq_entries - 1;
	const struct io_uring_cqe *at;
	struct ended cqe;

	if (*head ==
	    __atomic_load_n(word(r->cq, r->p.cq_off.tail), __ATOMIC_ACQUIRE))
		ASSERT_GE(ring_enter_(r, 0, 1), 0);
	ASSERT_NE(*head, __atomic_load_n(word(r->cq, r->p.cq_off.tail),
					 __ATOMIC_ACQUIRE));
	at = (const struct io_uring_cqe *)(void *)(r->cq + r->p.cq_off.cqes);
	cqe = (struct ended){ at[*head & mask].user_data,
			      at[*head & mask].res };
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return cqe;
}

FIXTURE(uring)
{
	int fd;
	struct bo bo;
	struct stream s;
};

FIXTURE_SETUP(uring)
{
	self->fd = card_open();
	if (!(card_info(self->fd).features & DRM_VGGACCEL_FEATURE_URING))
		SKIP("this kernel has no io_uring");
	self->bo = bo_create(self->fd, PAGE, 0);
	self->s = filler(self->fd, &self->bo, 0x71);
}

FIXTURE_TEARDOWN(uring)
{
	run_known_job(self->fd);
	close(self->fd);
}

/* The number that `res` is the low bits of. */
static void expect_ok(int fd, int32_t res)
{
	struct drm_vggaccel_result r;

	ASSERT_GT(res, 0);
	r = result_wait(fd, (uint64_t)res, 0);
	EXPECT_EQ(r.error, 0);
	EXPECT_EQ(r.tag, 78u);
}

TEST_F(uring, one)
{
	struct ring ring = ring_open(4, 0);
	struct ended cqe;

	put_job(&ring, self->fd, &self->s, 42, 0);
	EXPECT_EQ(ring_enter_(&ring, 1, 1), 1);
	cqe = ring_take(&ring);
	EXPECT_EQ(cqe.user_data, 42u);
	EXPECT_EQ(cqe.res, 1);
	expect_ok(self->fd, cqe.res);
	EXPECT_TRUE(bo_is(&self->bo, 0x71));
	ring_close(&ring);
}

/* Ten batches; `first` is the number of their first job. */
static void run_batches(struct fixture_uring *self, struct ring *ring,
			unsigned int first, long long *bells, long long *irqs)
{
	unsigned int i, round;

	*bells = card_stat("doorbells");
	*irqs = card_stat("irqs");
	for (round = 0; round < 10; round++) {
		for (i = 0; i < DEPTH; i++)
			put_job(ring, self->fd, &self->s, i, 0);
		ASSERT_EQ(ring_enter_(ring, DEPTH, DEPTH), (int)DEPTH);
		for (i = 0; i < DEPTH; i++) {
			struct ended cqe = ring_take(ring);

			ASSERT_EQ(cqe.user_data, (uint64_t)i);
			ASSERT_EQ(cqe.res, (int)(first + round * DEPTH + i));
		}
	}
	*bells = card_stat("doorbells") - *bells;
	*irqs = card_stat("irqs") - *irqs;
	TH_LOG("%u jobs: %lld doorbells, %lld interrupts", 10 * DEPTH, *bells,
	       *irqs);
}

/*
 * A batch costs one doorbell and hardly any interrupts. A simulated card that
 * has no processor for a while lets some time pass between two jobs, and
 * rightly tells of the first one then: that one was not undisturbed counts.
 */
TEST_F(uring, batch)
{
	struct ring ring = ring_open(DEPTH, 0);
	long long bells, irqs;
	unsigned int try, next = 2;

	/* It may sleep, and is woken now. */
	EXPECT_EQ(run(self->fd, &self->s).error, 0);
	for (try = 0; try < 20; try++) {
		run_batches(self, &ring, next, &bells, &irqs);
		next += 10 * DEPTH;
		if (bells <= 15 && irqs <= 10 * DEPTH / 10)
			break;
	}
	EXPECT_LE(bells, 15);
	EXPECT_LE(irqs, 10 * DEPTH / 10);
	expect_ok(self->fd, (int)next - 1);
	ring_close(&ring);
}

static void wait_until_asleep(void)
{
	int64_t until = now_ms() + SOON_MS;
	char text[64] = "";

	while (strncmp(text, "suspended", 9) && now_ms() < until) {
		ASSERT_GT(file_read_(card_sysfs("power/runtime_status"), text,
				     sizeof(text)),
			  0);
		usleep(10000);
	}
	ASSERT_LT(now_ms(), until);
}

/* Waking the card takes a while, in which no job overtakes another. */
TEST_F(uring, order_after_sleep)
{
	struct ring ring = ring_open(DEPTH, 0);
	struct stream s[16];
	unsigned int i, round;

	for (i = 0; i < 16; i++)
		s[i] = filler(self->fd, &self->bo, (uint8_t)(i + 1));
	for (round = 0; round < 3; round++) {
		wait_until_asleep();
		for (i = 0; i < 16; i++)
			put_job(&ring, self->fd, &s[i], i, 0);
		ASSERT_EQ(ring_enter_(&ring, 16, 16), 16);
		for (i = 0; i < 16; i++) {
			struct ended cqe = ring_take(&ring);

			ASSERT_EQ(cqe.res,
				  (int)(round * 16 + 1 + cqe.user_data));
		}
		EXPECT_TRUE(bo_is(&self->bo, 16));
	}
	ring_close(&ring);
}

/* SUBMIT and io_uring are two ways into one queue. */
TEST_F(uring, order_with_submit)
{
	struct ring ring = ring_open(DEPTH, 0);
	struct stream s[32];
	uint64_t seq = 0;
	unsigned int i;

	for (i = 0; i < 32; i++)
		s[i] = filler(self->fd, &self->bo, (uint8_t)(i + 1));
	card_slow(1, 100);
	for (i = 0; i < 32; i++) {
		uint64_t next = seq + 1;

		if (i % 3 == 0) {
			put_job(&ring, self->fd, &s[i], i, 0);
			ASSERT_EQ(ring_enter_(&ring, 1, 1), 1);
			next = (uint64_t)ring_take(&ring).res;
		} else {
			next = submit(self->fd, &s[i]);
		}
		EXPECT_EQ(next, seq + 1);
		seq = next;
	}
	EXPECT_EQ(result_wait(self->fd, seq, SOON_MS).error, 0);
	EXPECT_TRUE(bo_is(&self->bo, 32));
	ring_close(&ring);
}

/* Without a wait between them: jobs that are at the scheduler keep later ones of
 * io_uring behind them. */
TEST_F(uring, behind_waiting_jobs)
{
	struct ring ring = ring_open(DEPTH, 0);
	int other = card_open();
	struct bo bo = bo_create(other, PAGE, 0);
	struct stream slow = filler(other, &bo, 1);
	struct stream late = filler(self->fd, &self->bo, 0x72);
	uint32_t out = syncobj_create(other);
	struct drm_vggaccel_sync in = { 0 }, none = { 0 };
	uint64_t seq;

	card_slow(1, 300);
	submit_out(other, &slow, out);
	in.handle = syncobj_of_file(self->fd, sync_file_of(other, out));
	ASSERT_EQ(submit_fences_(self->fd, &self->s, in, none, &seq), 0);
	put_job(&ring, self->fd, &late, 7, 0);
	ASSERT_EQ(ring_enter_(&ring, 1, 1), 1);
	EXPECT_EQ(ring_take(&ring).res, (int)seq + 1);
	EXPECT_TRUE(bo_is(&self->bo, 0x72));
	ring_close(&ring);
	close(other);
}

/* The job failed: it has ended, and the results say how. */
TEST_F(uring, failing_job)
{
	struct ring ring = ring_open(4, 0);
	struct stream s = stream_begin(self->fd);
	struct drm_vggaccel_result r;
	struct ended cqe;

	stream_fill(&s, 64, 1, 0);
	stream_end(&s);
	put_job(&ring, self->fd, &s, 1, 0);
	put_job(&ring, self->fd, &self->s, 2, 0);
	EXPECT_EQ(ring_enter_(&ring, 2, 2), 2);
	cqe = ring_take(&ring);
	ASSERT_EQ(cqe.res, 1);
	r = result_wait(self->fd, 1, 0);
	EXPECT_EQ(r.error, -EFAULT);
	EXPECT_EQ(r.status, (__u32)VGG_STATUS_UNMAPPED);
	cqe = ring_take(&ring);
	ASSERT_EQ(cqe.res, 2);
	expect_ok(self->fd, cqe.res);
	ring_close(&ring);
}

TEST_F(uring, refused)
{
	struct ring ring = ring_open(4, 0);
	static const uint32_t ops[] = { 0, 1, DRM_VGGACCEL_URING_SUBMIT + 1,
					DRM_IOCTL_VGGACCEL_SUBMIT, UINT32_MAX };
	size_t i;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		struct io_uring_sqe *e = ring_next(&ring);

		e->opcode = IORING_OP_URING_CMD;
		e->fd = self->fd;
		e->cmd_op = ops[i];
		ring_push(&ring);
		EXPECT_EQ(ring_enter_(&ring, 1, 1), 1);
		EXPECT_EQ(ring_take(&ring).res, -ENOTTY);
	}
	ring_close(&ring);
}

/* More than the file's queue holds, and more than the card's. */
TEST_F(uring, back_pressure)
{
	struct ring ring = ring_open(1024, 0);
	uint32_t depth = card_info(self->fd).queue_depth, i, n = 4 * depth;
	static uint8_t seen[4096];

	card_slow(1, 200);
	ASSERT_LT(n, 1024u);
	for (i = 0; i < n; i++)
		put_job(&ring, self->fd, &self->s, i, 0);
	ASSERT_EQ(ring_enter_(&ring, n, 0), (int)n);
	for (i = 0; i < n; i++) {
		struct ended cqe = ring_take(&ring);

		ASSERT_GT(cqe.res, 0);
		ASSERT_LT(cqe.user_data, (uint64_t)n);
		/* Each once; those that had to wait may come in any order. */
		ASSERT_EQ(seen[cqe.user_data], 0);
		seen[cqe.user_data] = 1;
	}
	EXPECT_TRUE(bo_is(&self->bo, 0x71));
	ring_close(&ring);
}

/* The ring goes while its jobs are at the card, and others wait for room. */
TEST_F(uring, ring_closed_in_flight)
{
	struct ring ring;
	unsigned int i, k;

	for (k = 0; k < 4; k++) {
		ring = ring_open(256, 0);
		card_slow(1, 100);
		for (i = 0; i < (k % 2 ? 200u : 20u); i++)
			put_job(&ring, self->fd, &self->s, i, 0);
		ASSERT_GE(ring_enter_(&ring, i, 0), 1);
		ring_close(&ring);
	}
}

/* The descriptor goes: the jobs still hold the file, and end. */
TEST_F(uring, file_closed_in_flight)
{
	struct ring ring = ring_open(32, 0);
	int fd = card_open();
	struct bo bo = bo_create(fd, PAGE, 0);
	struct stream s = filler(fd, &bo, 1);
	unsigned int i;

	card_slow(1, 200);
	for (i = 0; i < 20; i++)
		put_job(&ring, fd, &s, i, 0);
	ASSERT_EQ(ring_enter_(&ring, 20, 0), 20);
	munmap(bo.map, bo.bytes);
	munmap(s.bo.map, s.bo.bytes);
	close(fd);
	for (i = 0; i < 20; i++)
		EXPECT_GT(ring_take(&ring).res, 0);
	ring_close(&ring);
}

/* The process goes with all of it. */
static void leave_in_flight(void *unused)
{
	struct ring ring = ring_open(256, 0);
	int fd = card_open();
	struct bo bo = bo_create(fd, PAGE, 0);
	struct stream s = filler(fd, &bo, 1);
	unsigned int i;

	(void)unused;
	card_slow(1, 100);
	for (i = 0; i < 200; i++)
		put_job(&ring, fd, &s, i, 0);
	ASSERT_GE(ring_enter_(&ring, 200, 0), 1);
}

TEST_F(uring, process_ends_in_flight)
{
	int i;

	for (i = 0; i < 3; i++)
		child_end(child_start(leave_in_flight, NULL));
}

/*
 * The ways a ring can be set up.
 */
FIXTURE(setup)
{
	int fd;
	struct bo bo;
};
FIXTURE_VARIANT(setup)
{
	uint32_t flags;
	uint8_t sqe_flags;
};
FIXTURE_VARIANT_ADD(setup, sqpoll){ .flags = IORING_SETUP_SQPOLL };
FIXTURE_VARIANT_ADD(setup, async){ .sqe_flags = IOSQE_ASYNC };
FIXTURE_VARIANT_ADD(setup, linked){ .sqe_flags = IOSQE_IO_LINK };
FIXTURE_VARIANT_ADD(setup, coop){ .flags = IORING_SETUP_COOP_TASKRUN };
FIXTURE_VARIANT_ADD(setup, deferred){ .flags = IORING_SETUP_DEFER_TASKRUN |
					       IORING_SETUP_SINGLE_ISSUER };

FIXTURE_SETUP(setup)
{
	self->fd = card_open();
	self->bo = bo_create(self->fd, PAGE, 0);
}
FIXTURE_TEARDOWN(setup)
{
	run_known_job(self->fd);
	close(self->fd);
}

TEST_F(setup, works)
{
	struct ring ring = ring_open(DEPTH, variant->flags);
	struct stream s = filler(self->fd, &self->bo, 0x75);
	uint64_t sum = 0;
	unsigned int i, round;

	for (round = 0; round < 4; round++) {
		for (i = 0; i < 32; i++) {
			bool last = i == 31;

			put_job(&ring, self->fd, &s, i,
				last ? variant->sqe_flags & ~IOSQE_IO_LINK :
				       variant->sqe_flags);
		}
		ASSERT_GE(ring_enter_(&ring, 32, 1), 0);
		for (i = 0; i < 32; i++) {
			struct ended cqe = ring_take(&ring);

			ASSERT_GT(cqe.res, 0);
			sum += (uint64_t)cqe.res;
		}
	}
	/* Numbers 1..128, each once. */
	EXPECT_EQ(sum, 128u * 129 / 2);
	EXPECT_TRUE(bo_is(&self->bo, 0x75));
	ring_close(&ring);
}

TEST_F(uring, two_rings_on_one_file)
{
	struct ring ring[2] = { ring_open(32, 0), ring_open(32, 0) };
	uint64_t sum = 0;
	unsigned int i, k;

	for (k = 0; k < 2; k++) {
		for (i = 0; i < 32; i++)
			put_job(&ring[k], self->fd, &self->s, i, 0);
		ASSERT_EQ(ring_enter_(&ring[k], 32, 0), 32);
	}
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 32; i++) {
			struct ended cqe = ring_take(&ring[k]);

			ASSERT_GT(cqe.res, 0);
			sum += (uint64_t)cqe.res;
		}
		ring_close(&ring[k]);
	}
	EXPECT_EQ(sum, 64u * 65 / 2);
}
TEST_HARNESS_MAIN
