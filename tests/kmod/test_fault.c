// SPDX-License-Identifier: MIT
/*
 * The card misbehaves, provoked through debugfs: what happens to the job, to
 * the jobs of others, and to the next one. Each case ends with a job that must
 * give the exact bytes.
 */
#include "card.h"
#include "host.h"

#include <unistd.h>

/*
 * Of a job that hangs. Others are to be submitted meanwhile, which a machine
 * that stands still for a moment does late; all other jobs have time.
 */
#define LIMIT_MS 3000
#define DEFAULT_MS 10000 /* of the driver */

FIXTURE(fault)
{
	int fd, other;
	struct bo bo, other_bo;
	struct stream s, other_s;
	long long resets;
};

static void set_limit(int fd, uint64_t ms)
{
	struct drm_vggaccel_set a = {
		.size = sizeof(a),
		.param = DRM_VGGACCEL_SET_TIMEOUT_MS,
		.value = ms,
	};

	ASSERT_EQ(card_ioctl_(fd, DRM_IOCTL_VGGACCEL_SET, &a), 0);
}

/* A job that fills the buffer with 0x5a. */
static struct stream filler(int fd, const struct bo *bo)
{
	struct stream s = stream_begin(fd);

	stream_fill(&s, bo->address, (uint32_t)bo->bytes, 0x5a);
	stream_end(&s);
	return s;
}

FIXTURE_SETUP(fault)
{
	self->fd = card_open();
	self->other = card_open();
	self->bo = bo_create(self->fd, 4 * VGG_PAGE_SIZE, 0);
	self->other_bo = bo_create(self->other, 4 * VGG_PAGE_SIZE, 0);
	self->s = filler(self->fd, &self->bo);
	self->other_s = filler(self->other, &self->other_bo);
	set_limit(self->fd, SOON_MS);
	self->resets = card_stat("resets");
}

/* Whatever happened, both contexts go on. */
FIXTURE_TEARDOWN(fault)
{
	set_limit(self->fd, SOON_MS);
	run_known_job(self->fd);
	run_known_job(self->other);
	EXPECT_EQ(card_stat("gone"), 0);
	close(self->other);
	close(self->fd);
}

static void expect_resets(struct fixture_fault *self, long long n)
{
	EXPECT_EQ(card_stat("resets") - self->resets, n);
}

/* Fault 1: only the guilty context suffers. */
TEST_F(fault, hang)
{
	int64_t begin = now_ms();
	uint64_t bad, behind, innocent;

	set_limit(self->fd, LIMIT_MS);
	card_inject("HANG");
	bad = submit(self->fd, &self->s);
	innocent = submit(self->other, &self->other_s);
	behind = submit(self->fd, &self->s);
	EXPECT_EQ(result_wait(self->fd, bad, SOON_MS).error, -ETIMEDOUT);
	EXPECT_EQ(result_wait(self->fd, behind, SOON_MS).error, -ECANCELED);
	EXPECT_EQ(result_wait(self->other, innocent, SOON_MS).error, 0);
	EXPECT_TRUE(bo_is(&self->other_bo, 0x5a));
	expect_resets(self, 1);
	/* This limit, not that of all others. */
	EXPECT_GE(now_ms() - begin, LIMIT_MS);
	EXPECT_LT(now_ms() - begin, DEFAULT_MS);
}

/* Fault 28: a storm of hung jobs takes one reset, not one each. */
TEST_F(fault, hang_many)
{
	uint64_t seq[100];
	unsigned int i;

	set_limit(self->fd, LIMIT_MS);
	card_inject("HANG 0 1000");
	for (i = 0; i < 100; i++)
		seq[i] = submit(self->fd, &self->s);
	EXPECT_EQ(result_wait(self->fd, seq[0], SOON_MS).error, -ETIMEDOUT);
	for (i = 1; i < 100; i++)
		EXPECT_EQ(result_wait(self->fd, seq[i], SOON_MS).error,
			  -ECANCELED);
	expect_resets(self, 1);
}

/* The fence tells the same as the result. */
TEST_F(fault, hang_fence)
{
	uint32_t syncobj = syncobj_create(self->fd);
	int file;

	set_limit(self->fd, LIMIT_MS);
	card_inject("HANG");
	submit_out(self->fd, &self->s, syncobj);
	file = sync_file_of(self->fd, syncobj);
	EXPECT_EQ(sync_file_status(file), 0);
	EXPECT_EQ(syncobj_wait_(self->fd, syncobj, SOON_MS), 0);
	EXPECT_EQ(sync_file_status(file), -ETIMEDOUT);
	close(file);
	expect_resets(self, 1);
}

/* A job in time is left alone, however slow. */
TEST_F(fault, slow)
{
	card_inject("SLOW 0 1 150000");
	EXPECT_EQ(run(self->fd, &self->s).error, 0);
	EXPECT_TRUE(bo_is(&self->bo, 0x5a));
	expect_resets(self, 0);
}

/* Fault 2. */
TEST_F(fault, lost_interrupt)
{
	bool polls = !strcmp(card_irq_mode(), "poll");
	long long lost = card_stat("lost_irqs");
	int i = 0;

	/* The job's own limit is further away. The watchdog may see it end
	 * while it asks what is wrong, and doesn't count it then. */
	do {
		uint64_t seq;

		card_inject("LOST_IRQ");
		seq = submit(self->fd, &self->s);
		EXPECT_EQ(result_wait(self->fd, seq, SOON_MS / 2).error, 0);
	} while (!polls && card_stat("lost_irqs") == lost && ++i < 10);
	if (!polls)
		EXPECT_EQ(card_stat("lost_irqs"), lost + 1);
	expect_resets(self, 0);
}

/* Fault 3: what comes after the reset is of another generation. */
TEST_F(fault, late_completion)
{
	long long strays = card_stat("strays");

	card_inject("LATE_COMPLETION");
	EXPECT_EQ(run(self->fd, &self->s).error, -EIO);
	expect_resets(self, 1);
	EXPECT_EQ(run(self->other, &self->other_s).error, 0);
	EXPECT_EQ(card_stat("strays"), strays + 1);
}

/* Fault 4. */
TEST_F(fault, spurious_interrupt)
{
	card_inject("SPURIOUS_IRQ 0 5");
	EXPECT_EQ(run(self->fd, &self->s).error, 0);
	EXPECT_EQ(run(self->other, &self->other_s).error, 0);
	EXPECT_TRUE(bo_is(&self->bo, 0x5a));
	expect_resets(self, 0);
}

/* Fault 8. */
TEST_F(fault, wrong_sequence_number)
{
	uint64_t bad, innocent;

	card_inject("BAD_SEQ 0 1 12345");
	bad = submit(self->fd, &self->s);
	EXPECT_EQ(result_wait(self->fd, bad, SOON_MS).error, -EIO);
	innocent = submit(self->other, &self->other_s);
	EXPECT_EQ(result_wait(self->other, innocent, SOON_MS).error, 0);
	expect_resets(self, 1);
}

TEST_F(fault, undefined_status)
{
	struct drm_vggaccel_result r;

	card_inject("BAD_STATUS");
	r = run(self->fd, &self->s);
	EXPECT_EQ(r.error, -EIO);
	EXPECT_EQ(r.status, 0xffu);
	expect_resets(self, 0);
}

TEST_F(fault, second_completion)
{
	long long strays = card_stat("strays");

	card_inject("DUP_COMPLETION");
	EXPECT_EQ(run(self->fd, &self->s).error, 0);
	EXPECT_EQ(run(self->other, &self->other_s).error, 0);
	EXPECT_EQ(card_stat("strays"), strays + 1);
	expect_resets(self, 0);
}

/* Fault 9: looked at only when something else is wrong. */
TEST_F(fault, wild_ring_index)
{
	card_inject("WILD_HEAD");
	EXPECT_EQ(run(self->fd, &self->s).error, 0);
	card_inject("HANG");
	EXPECT_EQ(run(self->fd, &self->s).error, -EIO);
	expect_resets(self, 1);
}

/* Fault 10. */
TEST_F(fault, stray_dma)
{
	struct stream s = stream_begin(self->fd);
	struct drm_vggaccel_result r;

	stream_copy(&s, self->bo.address, self->bo.address + VGG_PAGE_SIZE,
		    VGG_PAGE_SIZE);
	stream_end(&s);
	card_inject("STRAY_DMA 0 1 4660");
	r = run(self->fd, &s);
	EXPECT_EQ(r.error, -EFAULT);
	EXPECT_EQ(r.status, (__u32)VGG_STATUS_UNMAPPED);
	EXPECT_EQ(r.index, 0u);
	expect_resets(self, 0);
}

/* Fault 12. */
TEST_F(fault, memory_error)
{
	struct drm_vggaccel_result r;

	card_inject("ECC");
	r = run(self->fd, &self->s);
	EXPECT_EQ(r.error, -EIO);
	EXPECT_EQ(r.status, (__u32)VGG_STATUS_ECC);
	expect_resets(self, 0);
}

/* On-board memory that could not be cleared is given to nobody. */
TEST_F(fault, memory_error_while_clearing)
{
	uint64_t free = card_info(self->fd).local_free;
	struct bo bo;

	card_inject("ECC");
	EXPECT_EQ(bo_create_(self->fd, 1 << 20, DRM_VGGACCEL_BO_LOCAL, &bo),
		  -EIO);
	EXPECT_EQ(card_info(self->fd).local_free, free);
	bo = bo_create(self->fd, 1 << 20, DRM_VGGACCEL_BO_LOCAL);
	bo_close(&bo);
	expect_resets(self, 0);
}

/* Register accesses that the card has seen since it fell off the bus. */
static long long dead_accesses(void)
{
	char answer[1024];

	if (!host_present())
		return 0;
	ASSERT_EQ(host_ask(answer, sizeof(answer), "card statistics"), 0);
	return host_number(answer, "dead_accesses");
}

/* Faults 6 and 7: fallen off the bus, and brought back by a function reset. */
TEST_F(fault, all_ones)
{
	uint64_t slow, bad, innocent;
	long long dead;

	/* Nothing is accepted any more once it is noticed: both are behind a
	 * job that gives them the time to get there. */
	card_inject("SLOW 0 1 3000000");
	slow = submit(self->other, &self->other_s);
	card_injected();
	card_inject("ALL_ONES");
	bad = submit(self->fd, &self->s);
	innocent = submit(self->other, &self->other_s);
	EXPECT_EQ(result_wait(self->other, slow, SOON_MS).error, 0);
	EXPECT_EQ(result_wait(self->fd, bad, SOON_MS).error, -ENODEV);
	EXPECT_EQ(result_wait(self->other, innocent, SOON_MS).error, -ENODEV);
	EXPECT_EQ(card_stat("gone"), 1);
	dead = dead_accesses();
	/* Nothing is accepted meanwhile, and nobody waits. */
	{
		struct drm_vggaccel_submit a = submit_args(&self->s);

		struct drm_vggaccel_info info = { .size = sizeof(info) };
		struct bo bo;

		EXPECT_EQ(submit_(self->fd, &a), -ENODEV);
		EXPECT_EQ(card_ioctl_(self->fd, DRM_IOCTL_VGGACCEL_INFO, &info),
			  -ENODEV);
		EXPECT_EQ(bo_create_(self->fd, 4096, 0, &bo), -ENODEV);
	}
	/* And no register is touched: that is an SError on some hosts. */
	EXPECT_EQ(dead_accesses(), dead);
	ASSERT_EQ(file_write_(card_sysfs("reset"), "1"), 0);
	EXPECT_EQ(card_stat("gone"), 0);
}

/* A function reset in mid-job, as an administrator may ask for: the job is run
 * again and nobody notices. */
TEST_F(fault, function_reset_in_flight)
{
	uint64_t a, b;

	card_inject("SLOW 0 1 8000000");
	a = submit(self->fd, &self->s);
	b = submit(self->other, &self->other_s);
	card_injected();
	ASSERT_EQ(file_write_(card_sysfs("reset"), "1"), 0);
	EXPECT_EQ(result_wait(self->fd, a, SOON_MS).error, 0);
	EXPECT_EQ(result_wait(self->other, b, SOON_MS).error, 0);
	EXPECT_TRUE(bo_is(&self->bo, 0x5a));
	EXPECT_TRUE(bo_is(&self->other_bo, 0x5a));
}

/* Giving a line up takes a thousand interrupts: how long that is, the machine
 * decides. The card must not fall asleep meanwhile, which lets go of the line. */
static void wait_for_mode(const char *mode)
{
	int64_t until = now_ms() + SOON_MS;

	while (strcmp(card_irq_mode(), mode) && now_ms() < until)
		usleep(10000);
	EXPECT_STREQ(card_irq_mode(), mode);
}

/* Fault 5: an interrupt line that is held. */
TEST_F(fault, stuck_interrupt)
{
	char mode[8];

	ASSERT_EQ(file_write_(card_sysfs("power/control"), "on"), 0);
	snprintf(mode, sizeof(mode), "%s", card_irq_mode());
	card_inject("STUCK_IRQ");
	EXPECT_EQ(run(self->fd, &self->s).error, 0);
	EXPECT_EQ(run(self->other, &self->other_s).error, 0);
	EXPECT_TRUE(bo_is(&self->other_bo, 0x5a));
	/* A line is given up; messages don't get stuck. */
	wait_for_mode(!strcmp(mode, "intx") ? "poll" : mode);
	expect_resets(self, 0);
	EXPECT_EQ(file_write_(card_sysfs("power/control"), "auto"), 0);
}

/* The first error leaves a dump that says why, and the jobs. */
TEST_F(fault, dump)
{
	char text[1 << 16];

	set_limit(self->fd, LIMIT_MS / 10);
	card_inject("HANG");
	EXPECT_EQ(run(self->fd, &self->s).error, -ETIMEDOUT);
	if (file_read_(card_sysfs("devcoredump/data"), text, sizeof(text)) < 0)
		SKIP("an earlier test's dump has been read and taken away");
	EXPECT_CONTAINS(text, "vggaccel ");
	EXPECT_CONTAINS(text, "job ctx=");
	EXPECT_CONTAINS(text, "SQ_HEAD");
	EXPECT_CONTAINS(text, "pid=");
}

TEST_HARNESS_MAIN
