// SPDX-License-Identifier: MIT
/*
 * Fences: what jobs wait for and who waits for jobs; by syncobjs, their
 * timelines, sync files, and by the buffers that jobs name.
 */
#include "share.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
#define READ DRM_VGGACCEL_ACCESS_READ
#define WRITE DRM_VGGACCEL_ACCESS_WRITE
#define NONE ((struct drm_vggaccel_sync){ 0 })
#define SYNC(handle_) ((struct drm_vggaccel_sync){ .handle = (handle_) })
#define POINT(handle_, point_) \
	((struct drm_vggaccel_sync){ .handle = (handle_), .point = (point_) })

FIXTURE(fence)
{
	int a, b;	  /* files */
	struct bo bo, to; /* of a */
};

FIXTURE_SETUP(fence)
{
	self->a = card_open();
	self->b = card_open();
	self->bo = bo_create(self->a, PAGE, 0);
	self->to = bo_create(self->a, PAGE, 0);
}

FIXTURE_TEARDOWN(fence)
{
	run_known_job(self->a);
	run_known_job(self->b);
	close(self->b);
	close(self->a);
}

static short polled(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	ASSERT_GE(poll(&p, 1, timeout_ms), 0);
	return p.revents;
}

TEST_F(fence, out_fence)
{
	struct stream s = filler(self->a, &self->bo, 0x11);
	uint32_t out = syncobj_create(self->a);
	int64_t begin = now_ms();
	int file;

	card_slow(1, 3000);
	submit_out(self->a, &s, out);
	file = sync_file_of(self->a, out);
	EXPECT_EQ(syncobj_wait_(self->a, out, 20), -ETIME);
	EXPECT_EQ(sync_file_status(file), 0);
	EXPECT_EQ(polled(file, POLLIN, 0), 0);
	EXPECT_EQ(syncobj_wait_(self->a, out, SOON_MS), 0);
	EXPECT_GE(now_ms() - begin, 2900);
	EXPECT_EQ(polled(file, POLLIN, 0), POLLIN);
	EXPECT_EQ(sync_file_status(file), 1);
	EXPECT_TRUE(bo_is(&self->bo, 0x11));
}

TEST_F(fence, poll_of_a_sync_file)
{
	struct stream s = filler(self->a, &self->bo, 0x12);
	uint32_t out = syncobj_create(self->a);
	int file;

	card_slow(1, SLOW_MS);
	submit_out(self->a, &s, out);
	file = sync_file_of(self->a, out);
	EXPECT_EQ(polled(file, POLLIN, 1), 0);
	card_hurry();
	EXPECT_EQ(polled(file, POLLIN, SOON_MS), POLLIN);
	EXPECT_EQ(sync_file_status(file), 1);
}

/* Points of a timeline, out and in. */
TEST_F(fence, timeline)
{
	struct stream fill = filler(self->a, &self->bo, 0x13);
	uint32_t line = syncobj_create(self->a);
	struct drm_syncobj_timeline_array query = { 0 };
	uint64_t seq, value = 0;

	card_slow(1, SLOW_MS);
	ASSERT_EQ(submit_fences_(self->a, &fill, NONE, POINT(line, 5), NULL),
		  0);
	ASSERT_EQ(submit_fences_(self->a, &fill, POINT(line, 5), POINT(line, 8),
				 &seq),
		  0);
	EXPECT_EQ(submit_fences_(self->a, &fill, POINT(line, 9), NONE, NULL),
		  -EINVAL);
	EXPECT_EQ(syncobj_wait_point_(self->a, line, 5, 20), -ETIME);
	card_hurry();
	EXPECT_EQ(syncobj_wait_point_(self->a, line, 8, SOON_MS), 0);
	EXPECT_EQ(syncobj_wait_point_(self->a, line, 5, 0), 0);
	EXPECT_EQ(syncobj_wait_point_(self->a, line, 9, 20), -ETIME);
	query.handles = (uintptr_t)&line;
	query.points = (uintptr_t)&value;
	query.count_handles = 1;
	ASSERT_EQ(card_ioctl_(self->a, DRM_IOCTL_SYNCOBJ_QUERY, &query), 0);
	EXPECT_EQ(value, 8u);
	EXPECT_EQ(result_wait(self->a, seq, SOON_MS).error, 0);
}

/* As many fences as there may be. */
TEST_F(fence, all_syncs)
{
	struct stream s = filler(self->a, &self->bo, 0x14);
	static struct drm_vggaccel_sync out[DRM_VGGACCEL_MAX_SYNCS],
		in[DRM_VGGACCEL_MAX_SYNCS];
	struct drm_vggaccel_submit a = submit_args(&s);
	uint32_t line = syncobj_create(self->a);
	unsigned int i;

	for (i = 0; i < DRM_VGGACCEL_MAX_SYNCS; i++) {
		out[i] = i % 2 ? POINT(line, i) : SYNC(syncobj_create(self->a));
		in[i] = out[i];
	}
	card_slow(1, 200);
	a.out_count = DRM_VGGACCEL_MAX_SYNCS;
	a.out_syncs = (uintptr_t)out;
	ASSERT_EQ(submit_(self->a, &a), 0);
	a.in_count = DRM_VGGACCEL_MAX_SYNCS;
	a.in_syncs = (uintptr_t)in;
	a.out_count = 0;
	ASSERT_EQ(submit_(self->a, &a), 0);
	EXPECT_EQ(result_wait(self->a, a.seq, SOON_MS).error, 0);
	for (i = 0; i < DRM_VGGACCEL_MAX_SYNCS; i += 2)
		ASSERT_EQ(syncobj_wait_(self->a, out[i].handle, 0), 0);
}

/* A chain from file to file, whose end is submitted while its begin is slow. */
TEST_F(fence, chain_of_files)
{
	struct bo theirs[2], x = self->bo, y = self->to;
	uint32_t in = 0, out;
	uint64_t seq = 0;
	int i, file = -1;

	theirs[0] = prime_import(self->b, prime_export(&x));
	theirs[1] = prime_import(self->b, prime_export(&y));
	card_slow(1, 200);
	for (i = 0; i < 20; i++) {
		/* a writes i to x; b copies x to y. */
		int fd = i % 2 ? self->b : self->a;
		struct stream s = i % 2 ? copier(fd, &theirs[0], &theirs[1]) :
					  filler(fd, &x, (uint8_t)(i + 1));

		in = file < 0 ? 0 : syncobj_of_file(fd, file);
		out = syncobj_create(fd);
		ASSERT_EQ(submit_fences_(fd, &s, SYNC(in), SYNC(out), &seq), 0);
		close(file);
		file = sync_file_of(fd, out);
		syncobj_destroy(fd, out);
	}
	EXPECT_EQ(polled(file, POLLIN, SOON_MS), POLLIN);
	EXPECT_EQ(sync_file_status(file), 1);
	EXPECT_TRUE(bo_is(&y, 19));
}

/*
 * What a fence says of a job that failed. One that waits for it runs anyway.
 */
FIXTURE(failed)
{
	int fd;
};
FIXTURE_VARIANT(failed)
{
	uint64_t address;
	uint16_t opcode;
	bool cut; /* before its END */
	uint32_t timeout_us;
	const char *inject;
	int error;
	uint32_t status;
};
FIXTURE_VARIANT_ADD(failed, opcode){ .opcode = 99,
				     .error = -EINVAL,
				     .status = VGG_STATUS_OPCODE };
FIXTURE_VARIANT_ADD(failed, no_end){ .cut = true,
				     .error = -EINVAL,
				     .status = VGG_STATUS_NO_END };
FIXTURE_VARIANT_ADD(failed, address){ .address = 64,
				      .error = -EFAULT,
				      .status = VGG_STATUS_UNMAPPED };
FIXTURE_VARIANT_ADD(failed, range){ .address = 1ull << VGG_VA_BITS,
				    .error = -EFAULT,
				    .status = VGG_STATUS_RANGE };
FIXTURE_VARIANT_ADD(failed, limit){ .timeout_us = 1000,
				    .inject = "SLOW 0 1 50000",
				    .error = -ETIMEDOUT,
				    .status = VGG_STATUS_TIMEOUT };
FIXTURE_VARIANT_ADD(failed, memory){ .inject = "ECC",
				     .error = -EIO,
				     .status = VGG_STATUS_ECC };

FIXTURE_SETUP(failed)
{
	self->fd = card_open();
}
FIXTURE_TEARDOWN(failed)
{
	run_known_job(self->fd);
	close(self->fd);
}

TEST_F(failed, fence_tells)
{
	struct stream s = stream_begin(self->fd);
	struct bo bo = bo_create(self->fd, PAGE, 0);
	uint32_t out = syncobj_create(self->fd);
	uint32_t next = syncobj_create(self->fd);
	struct drm_vggaccel_sync sync = SYNC(out);
	struct drm_vggaccel_submit a;
	struct drm_vggaccel_result r;
	struct stream after;
	uint64_t seq;

	stream_op(&s, VGG_CMD_NOP);
	if (variant->address)
		stream_fill(&s, variant->address, 1, 0);
	if (variant->opcode)
		stream_op(&s, variant->opcode);
	stream_end(&s);
	a = submit_args(&s);
	if (variant->cut)
		a.stream_bytes -= VGG_CMD_SIZE;
	a.timeout_us = variant->timeout_us;
	a.out_count = 1;
	a.out_syncs = (uintptr_t)&sync;
	if (variant->inject)
		card_inject(variant->inject);
	ASSERT_EQ(submit_(self->fd, &a), 0);
	after = filler(self->fd, &bo, 0x21);
	ASSERT_EQ(submit_fences_(self->fd, &after, SYNC(out), SYNC(next), &seq),
		  0);
	EXPECT_EQ(syncobj_wait_(self->fd, out, SOON_MS), 0);
	EXPECT_EQ(sync_file_status(sync_file_of(self->fd, out)),
		  variant->error);
	r = result_wait(self->fd, a.seq, SOON_MS);
	EXPECT_EQ(r.error, variant->error);
	EXPECT_EQ(r.status, variant->status);
	EXPECT_EQ(syncobj_wait_(self->fd, next, SOON_MS), 0);
	EXPECT_EQ(sync_file_status(sync_file_of(self->fd, next)), 1);
	EXPECT_TRUE(bo_is(&bo, 0x21));
}

/*
 * Waiting for several.
 */
static int wait_many_(int fd, const uint32_t *handles, uint32_t n,
		      uint32_t flags, int64_t timeout_ms, uint32_t *first)
{
	struct drm_syncobj_wait a = {
		.handles = (uintptr_t)handles,
		.count_handles = n,
		.flags = flags,
		.timeout_nsec = (now_ms() + timeout_ms) * 1000000,
	};
	int err = card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_WAIT, &a);

	*first = a.first_signaled;
	return err;
}

TEST_F(fence, wait_for_any_and_all)
{
	struct stream s = filler(self->a, &self->bo, 0x16);
	uint32_t out[3], first = 99;
	int i;

	for (i = 0; i < 3; i++)
		out[i] = syncobj_create(self->a);
	/* The fence of the first one is in out[2]. */
	submit_out(self->a, &s, out[2]);
	EXPECT_EQ(syncobj_wait_(self->a, out[2], SOON_MS), 0);
	card_slow(1, SLOW_MS);
	submit_out(self->a, &s, out[0]);
	submit_out(self->a, &s, out[1]);
	EXPECT_EQ(wait_many_(self->a, out, 3, 0, 20, &first), 0);
	EXPECT_EQ(first, 2u);
	EXPECT_EQ(wait_many_(self->a, out, 3, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL,
			     20, &first),
		  -ETIME);
	card_hurry();
	EXPECT_EQ(wait_many_(self->a, out, 3, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL,
			     SOON_MS, &first),
		  0);
}

/* Newer than the libdrm that we build with. */
struct syncobj_eventfd {
	uint32_t handle, flags;
	uint64_t point;
	int32_t fd;
	uint32_t pad;
};
#define SYNCOBJ_EVENTFD DRM_IOWR(0xCF, struct syncobj_eventfd)

TEST_F(fence, eventfd)
{
	struct stream s = filler(self->a, &self->bo, 0x17);
	struct syncobj_eventfd e = { .handle = syncobj_create(self->a),
				     .point = 3,
				     .fd = eventfd(0, EFD_CLOEXEC) };
	int err = card_ioctl_(self->a, SYNCOBJ_EVENTFD, &e);
	uint64_t value;

	if (err == -EINVAL || err == -ENOTTY)
		SKIP("this kernel has no eventfds for syncobjs");
	ASSERT_EQ(err, 0);
	EXPECT_EQ(polled(e.fd, POLLIN, 0), 0);
	card_slow(1, SLOW_MS);
	ASSERT_EQ(submit_fences_(self->a, &s, NONE, POINT(e.handle, 3), NULL),
		  0);
	EXPECT_EQ(polled(e.fd, POLLIN, 10), 0);
	card_hurry();
	EXPECT_EQ(polled(e.fd, POLLIN, SOON_MS), POLLIN);
	EXPECT_EQ(read(e.fd, &value, sizeof(value)), 8);
	EXPECT_TRUE(bo_is(&self->bo, 0x17));
}

/*
 * Nobody waits, or nobody is left.
 */
TEST_F(fence, never_waited_for)
{
	struct stream s = filler(self->a, &self->bo, 0x18);
	int files[64], fd = card_open(), i;
	struct bo bo = bo_create(fd, PAGE, 0);
	struct stream theirs = filler(fd, &bo, 1);

	for (i = 0; i < 64; i++) {
		uint32_t out = syncobj_create(self->a);

		submit_out(self->a, &s, out);
		files[i] = sync_file_of(self->a, out);
		syncobj_destroy(self->a, out);
		out = syncobj_create(fd);
		submit_out(fd, &theirs, out);
		close(i % 2 ? files[i] : sync_file_of(fd, out));
	}
	munmap(bo.map, bo.bytes);
	munmap(theirs.bo.map, theirs.bo.bytes);
	close(fd);
}

/* The file is closed while one of its jobs is at the card, one behind it, and
 * one waits for a fence of somebody else. */
TEST_F(fence, closed_file_signals)
{
	int fd = card_open(), files[3], i;
	struct bo bo = bo_create(fd, PAGE, 0);
	struct stream s = filler(fd, &bo, 1);
	struct stream far = filler(self->a, &self->bo, 1);
	uint32_t far_out = syncobj_create(self->a), in;
	struct drm_vggaccel_sync out[3];
	int64_t begin;

	for (i = 0; i < 3; i++)
		out[i] = SYNC(syncobj_create(fd));
	begin = now_ms();
	card_slow(1, SLOW_MS);
	submit_out(fd, &s, out[0].handle);
	submit_out(fd, &s, out[1].handle);
	card_injected();
	/* The first one runs. The second goes on as usual, then this: */
	card_inject("SLOW 1 1 8000000");
	submit_out(self->a, &far, far_out);
	in = syncobj_of_file(fd, sync_file_of(self->a, far_out));
	ASSERT_EQ(submit_fences_(fd, &s, SYNC(in), out[2], NULL), 0);
	for (i = 0; i < 3; i++)
		files[i] = sync_file_of(fd, out[i].handle);
	munmap(bo.map, bo.bytes);
	munmap(s.bo.map, s.bo.bytes);
	close(fd);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(polled(files[i], POLLIN, SOON_MS), POLLIN);
		EXPECT_EQ(sync_file_status(files[i]), -ECANCELED);
	}
	/* Not because the slow jobs came to their end. */
	EXPECT_LT(now_ms() - begin, SLOW_MS);
	card_hurry();
	EXPECT_EQ(syncobj_wait_(self->a, far_out, SOON_MS), 0);
	EXPECT_EQ(sync_file_status(sync_file_of(self->a, far_out)), 1);
}

/*
 * Buffers that jobs name order them, whatever file they come from. The first
 * job waits for a slow one of a third file, so without that order the second
 * would be first. Both are there before the slow one may end.
 */
struct pair {
	int slow_fd;
	uint32_t in; /* in the first file: the slow job's fence */
	struct bo theirs, to;
};

static struct pair behind_a_slow_job(struct fixture_fence *self)
{
	struct pair p = { .slow_fd = card_open() };
	struct bo bo = bo_create(p.slow_fd, PAGE, 0);
	struct stream slow = filler(p.slow_fd, &bo, 1);
	uint32_t out = syncobj_create(p.slow_fd);

	p.theirs = prime_import(self->b, prime_export(&self->bo));
	p.to = bo_create(self->b, PAGE, 0);
	card_slow(1, SLOW_MS);
	submit_out(p.slow_fd, &slow, out);
	p.in = syncobj_of_file(self->a, sync_file_of(p.slow_fd, out));
	return p;
}

static uint64_t submit_all(int fd, const struct stream *s, uint32_t in,
			   uint32_t bo, uint32_t access)
{
	struct drm_vggaccel_bo_ref ref = { bo, access };
	struct drm_vggaccel_sync sync = SYNC(in);
	struct drm_vggaccel_submit a = submit_args(s);

	a.bo_count = 1;
	a.bos = (uintptr_t)&ref;
	a.in_count = !!in;
	a.in_syncs = (uintptr_t)&sync;
	ASSERT_EQ(submit_(fd, &a), 0);
	return a.seq;
}

/*
 * A fence as a sync file, in another file of the card: the second job must not
 * begin before the first one has ended, which itself waits.
 */
TEST_F(fence, across_files)
{
	struct stream fill = filler(self->a, &self->bo, 0x15), copy;
	struct pair p = behind_a_slow_job(self);
	uint32_t out = syncobj_create(self->a), in;
	uint64_t seq;

	copy = copier(self->b, &p.theirs, &p.to);
	ASSERT_EQ(submit_fences_(self->a, &fill, SYNC(p.in), SYNC(out), NULL),
		  0);
	in = syncobj_of_file(self->b, sync_file_of(self->a, out));
	ASSERT_EQ(submit_fences_(self->b, &copy, SYNC(in), NONE, &seq), 0);
	card_hurry();
	EXPECT_EQ(result_wait(self->b, seq, SOON_MS).error, 0);
	EXPECT_TRUE(bo_is(&p.to, 0x15));
}

TEST_F(fence, reader_behind_writer)
{
	struct stream fill = filler(self->a, &self->bo, 0x31), copy;
	struct pair p = behind_a_slow_job(self);
	uint64_t seq;

	copy = copier(self->b, &p.theirs, &p.to);
	submit_all(self->a, &fill, p.in, self->bo.handle, WRITE);
	seq = submit_all(self->b, &copy, 0, p.theirs.handle, READ);
	card_hurry();
	EXPECT_EQ(result_wait(self->b, seq, SOON_MS).error, 0);
	EXPECT_TRUE(bo_is(&p.to, 0x31));
}

TEST_F(fence, writer_behind_reader)
{
	struct stream copy, fill;
	struct pair p;
	uint64_t seq;

	bo_fill(&self->bo, 0x32);
	copy = copier(self->a, &self->bo, &self->to);
	p = behind_a_slow_job(self);
	fill = filler(self->b, &p.theirs, 0x33);
	seq = submit_all(self->a, &copy, p.in, self->bo.handle, READ);
	submit_all(self->b, &fill, 0, p.theirs.handle, WRITE);
	card_hurry();
	EXPECT_EQ(result_wait(self->a, seq, SOON_MS).error, 0);
	EXPECT_TRUE(bo_is(&self->to, 0x32));
	EXPECT_EQ(bo_prep_(&self->bo, READ, SOON_MS), 0);
	EXPECT_TRUE(bo_is(&self->bo, 0x33));
}

TEST_F(fence, writer_behind_writer)
{
	struct stream first = filler(self->a, &self->bo, 0x34), second;
	struct pair p = behind_a_slow_job(self);
	uint64_t seq;

	second = filler(self->b, &p.theirs, 0x35);
	seq = submit_all(self->a, &first, p.in, self->bo.handle, WRITE);
	submit_all(self->b, &second, 0, p.theirs.handle, WRITE);
	card_hurry();
	EXPECT_EQ(result_wait(self->a, seq, SOON_MS).error, 0);
	EXPECT_EQ(bo_prep_(&self->bo, READ, SOON_MS), 0);
	EXPECT_TRUE(bo_is(&self->bo, 0x35));
}

/* Readers don't wait for each other: the second one is first, since the first
 * waits for a fence. */
TEST_F(fence, reader_passes_reader)
{
	struct bo times = bo_create(self->a, PAGE, 0), their_times;
	struct stream copy = stream_begin(self->a);
	struct stream theirs = stream_begin(self->b);
	struct pair p = behind_a_slow_job(self);
	uint64_t first, second;

	their_times = prime_import(self->b, prime_export(&times));
	stream_copy(&copy, self->bo.address, self->to.address, PAGE);
	stream_timestamp(&copy, times.address);
	stream_end(&copy);
	stream_copy(&theirs, p.theirs.address, p.to.address, PAGE);
	stream_timestamp(&theirs, their_times.address + 8);
	stream_end(&theirs);
	first = submit_all(self->a, &copy, p.in, self->bo.handle, READ);
	second = submit_all(self->b, &theirs, 0, p.theirs.handle, READ);
	card_hurry();
	EXPECT_EQ(result_wait(self->b, second, SOON_MS).error, 0);
	EXPECT_EQ(result_wait(self->a, first, SOON_MS).error, 0);
	bo_prep(&times, READ);
	EXPECT_GT(timestamp_at(&times, 0), timestamp_at(&times, 1));
}

/* As many buffers as there may be. */
TEST_F_TIMEOUT(fence, all_bos, 30)
{
	static struct drm_vggaccel_bo_ref refs[DRM_VGGACCEL_MAX_BOS];
	struct stream s = filler(self->a, &self->bo, 0x41);
	struct drm_vggaccel_submit a = submit_args(&s);
	unsigned int i;

	for (i = 0; i < DRM_VGGACCEL_MAX_BOS; i++) {
		struct drm_vggaccel_bo_create c = { .size = sizeof(c),
						    .bytes = 1 };

		ASSERT_EQ(
			card_ioctl_(self->a, DRM_IOCTL_VGGACCEL_BO_CREATE, &c),
			0);
		refs[i] = (struct drm_vggaccel_bo_ref){ c.handle, 1 + i % 3 };
	}
	a.bos = (uintptr_t)refs;
	a.bo_count = DRM_VGGACCEL_MAX_BOS;
	ASSERT_EQ(submit_(self->a, &a), 0);
	EXPECT_EQ(result_wait(self->a, a.seq, SOON_MS).error, 0);
	/* The last one doesn't exist: nothing is left locked or referred to. */
	refs[i - 1].handle += 1;
	EXPECT_EQ(submit_(self->a, &a), -ENOENT);
	refs[i - 1].handle -= 1;
	ASSERT_EQ(submit_(self->a, &a), 0);
	EXPECT_EQ(result_wait(self->a, a.seq, SOON_MS).error, 0);
}
TEST_HARNESS_MAIN
