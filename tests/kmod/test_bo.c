// SPDX-License-Identifier: MIT
/*
 * Buffers: what one gets, where it lies for the card and for the CPU, what is
 * in it, who waits for whom, and that all of it comes back.
 */
#include "share.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u
#define HUGE_BYTES (2u << 20)
#define READ DRM_VGGACCEL_ACCESS_READ
#define WRITE DRM_VGGACCEL_ACCESS_WRITE

FIXTURE(bo)
{
	int fd;
};

FIXTURE_SETUP(bo)
{
	self->fd = card_open();
}

FIXTURE_TEARDOWN(bo)
{
	run_known_job(self->fd);
	close(self->fd);
}

/* A file without on-board memory to give has nothing to test. */
static void need_local(int fd)
{
	if (!(card_info(fd).features & DRM_VGGACCEL_FEATURE_LOCAL))
		SKIP("no on-board memory on this card");
}

TEST_F(bo, sizes_and_addresses)
{
	static const struct {
		uint64_t ask, get;
	} cases[] = {
		{ 1, PAGE },
		{ PAGE - 1, PAGE },
		{ PAGE, PAGE },
		{ PAGE + 1, 2 * PAGE },
		{ HUGE_BYTES - 1, HUGE_BYTES },
		{ HUGE_BYTES, HUGE_BYTES },
		{ HUGE_BYTES + 1, HUGE_BYTES + PAGE },
		{ 3 * HUGE_BYTES, 3 * HUGE_BYTES },
	};
	struct drm_vggaccel_info info = card_info(self->fd);
	struct bo bo[8], other;
	size_t i, j;

	for (i = 0; i < 8; i++) {
		bo[i] = bo_create(self->fd, cases[i].ask, 0);
		EXPECT_EQ(bo[i].bytes, cases[i].get);
		EXPECT_EQ(bo[i].address % (bo[i].bytes >= HUGE_BYTES ?
						   HUGE_BYTES :
						   PAGE),
			  0u);
		EXPECT_GE(bo[i].address, info.va_begin);
		EXPECT_LE(bo[i].address + bo[i].bytes, info.va_end);
		/* Apart, with a page between. */
		for (j = 0; j < i; j++)
			EXPECT_TRUE(bo[i].address >= bo[j].address +
							     bo[j].bytes +
							     PAGE ||
				    bo[j].address >=
					    bo[i].address + bo[i].bytes + PAGE);
	}
	EXPECT_EQ(
		bo_create_(self->fd, 1ull << 36, DRM_VGGACCEL_BO_LOCAL, &other),
		info.local_bytes ? -ENOSPC : -EOPNOTSUPP);
	EXPECT_EQ(bo_create_(self->fd, (1ull << 36) + 1, 0, &other), -EINVAL);
	EXPECT_EQ(bo_create_(self->fd, 0, 0, &other), -EINVAL);
	EXPECT_EQ(bo_create_(self->fd, UINT64_MAX, 0, &other), -EINVAL);
}

TEST_F(bo, info_says_the_same)
{
	struct bo bo = bo_create(self->fd, 5 * PAGE, DRM_VGGACCEL_BO_READONLY);
	struct drm_vggaccel_bo_info info = { .size = sizeof(info),
					     .handle = bo.handle };

	ASSERT_EQ(card_ioctl_(self->fd, DRM_IOCTL_VGGACCEL_BO_INFO, &info), 0);
	EXPECT_EQ(info.bytes, bo.bytes);
	EXPECT_EQ(info.address, bo.address);
	EXPECT_EQ(info.mmap_offset, bo.offset);
	EXPECT_EQ(info.flags, (__u32)DRM_VGGACCEL_BO_READONLY);
	bo_close(&bo);
	info.flags = 0;
	EXPECT_EQ(card_ioctl_(self->fd, DRM_IOCTL_VGGACCEL_BO_INFO, &info),
		  -ENOENT);
}

/*
 * What is in it.
 */
TEST_F(bo, new_memory_is_zero)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct bo bo = bo_create(self->fd, 64 * PAGE, 0);

		EXPECT_TRUE(bo_is(&bo, 0));
		bo_fill(&bo, 0xee);
		bo_close(&bo);
	}
}

/* The card reads of it what the CPU can't. */
static bool local_is(int fd, const struct bo *local, uint8_t value)
{
	struct bo look = bo_create(fd, local->bytes, 0);
	struct stream s = copier(fd, local, &look);
	bool is;

	bo_fill(&look, (uint8_t)~value);
	EXPECT_EQ(run(fd, &s).error, 0);
	is = bo_is(&look, value);
	bo_close(&s.bo);
	bo_close(&look);
	return is;
}

/* All of the on-board memory. */
static unsigned int local_take_all(int fd, struct bo *bo, unsigned int max,
				   uint64_t bytes)
{
	unsigned int n = 0;
	int err = 0;

	while (n < max) {
		err = bo_create_(fd, bytes, DRM_VGGACCEL_BO_LOCAL, &bo[n]);
		if (err)
			break;
		n++;
	}
	EXPECT_EQ(err, -ENOSPC);
	return n;
}

#define CHUNKS 64
#define LEFT 4
#define LEFT_BYTES (8u << 20)

static bool local_begin_is(int fd, const struct bo *local, uint8_t value)
{
	struct bo part = { .address = local->address, .bytes = 4 * PAGE };

	return local_is(fd, &part, value);
}

static bool local_end_is(int fd, const struct bo *local, uint8_t value)
{
	struct bo part = { .address = local->address + local->bytes - 4 * PAGE,
			   .bytes = 4 * PAGE };

	return local_is(fd, &part, value);
}

static void leave_pattern(void *unused)
{
	int fd = card_open(), i;

	(void)unused;
	for (i = 0; i < LEFT; i++) {
		struct bo bo = bo_create(fd, LEFT_BYTES, DRM_VGGACCEL_BO_LOCAL);
		struct stream s = filler(fd, &bo, 0xc3);

		EXPECT_EQ(run(fd, &s).error, 0);
		EXPECT_TRUE(local_begin_is(fd, &bo, 0xc3));
		EXPECT_TRUE(local_end_is(fd, &bo, 0xc3));
	}
}

/* It was another process's, which left something there. */
TEST_F(bo, local_memory_is_zero)
{
	int i;

	need_local(self->fd);
	child_end(child_start(leave_pattern, NULL));
	for (i = 0; i < 2 * LEFT; i++) {
		struct bo bo =
			bo_create(self->fd, LEFT_BYTES, DRM_VGGACCEL_BO_LOCAL);

		EXPECT_TRUE(local_begin_is(self->fd, &bo, 0));
		EXPECT_TRUE(local_end_is(self->fd, &bo, 0));
		if (!i)
			EXPECT_TRUE(local_is(self->fd, &bo, 0));
	}
}

TEST_F(bo, local_memory_is_given_back)
{
	static struct bo bo[CHUNKS];
	uint64_t before = card_info(self->fd).local_free;
	unsigned int n, again, i;

	need_local(self->fd);
	n = local_take_all(self->fd, bo, CHUNKS, 32 << 20);
	EXPECT_GT(n, 4u);
	EXPECT_LT(card_info(self->fd).local_free, (__u64)32 << 20);
	for (i = 0; i < n; i++)
		bo_close(&bo[i]);
	EXPECT_EQ(card_info(self->fd).local_free, before);
	again = local_take_all(self->fd, bo, CHUNKS, 32 << 20);
	EXPECT_EQ(again, n);
	for (i = 0; i < again; i++)
		bo_close(&bo[i]);
	/* Small ones, too, fill the gaps of others. */
	for (i = 0; i < CHUNKS; i++) {
		ASSERT_EQ(bo_create_(self->fd, PAGE * (1 + i % 5),
				     DRM_VGGACCEL_BO_LOCAL, &bo[i]),
			  0);
		if (i % 3 == 2)
			bo_close(&bo[i - 1]);
	}
}

TEST_F(bo, local_memory_can_not_be_mapped)
{
	struct drm_vggaccel_bo_info info = { .size = sizeof(info) };
	struct bo bo;

	need_local(self->fd);
	bo = bo_create(self->fd, PAGE, DRM_VGGACCEL_BO_LOCAL);
	EXPECT_EQ(bo.offset, 0u);
	info.handle = bo.handle;
	ASSERT_EQ(card_ioctl_(self->fd, DRM_IOCTL_VGGACCEL_BO_INFO, &info), 0);
	EXPECT_EQ(info.mmap_offset, 0u);
	EXPECT_EQ(bo_prep_(&bo, READ, 0), 0);
	bo_fini(&bo, WRITE);
}

/*
 * In the process.
 */
static void *map_(int fd, size_t bytes, int prot, int flags, uint64_t offset)
{
	void *p = mmap(NULL, bytes, prot, flags, fd, (off_t)offset);

	return p == MAP_FAILED ? NULL : p;
}

TEST_F(bo, mappings_that_are_refused)
{
	struct bo bo = bo_create(self->fd, 4 * PAGE, 0);
	int rw = PROT_READ | PROT_WRITE, other;

	EXPECT_FALSE(map_(self->fd, 4 * PAGE, rw, MAP_PRIVATE, bo.offset));
	EXPECT_EQ(errno, EINVAL);
	EXPECT_FALSE(map_(self->fd, 5 * PAGE, rw, MAP_SHARED, bo.offset));
	EXPECT_FALSE(
		map_(self->fd, PAGE, rw, MAP_SHARED, bo.offset + 4 * PAGE));
	EXPECT_FALSE(
		map_(self->fd, PAGE, rw, MAP_SHARED, bo.offset + (1ull << 40)));
	EXPECT_FALSE(map_(self->fd, PAGE, rw, MAP_SHARED, PAGE));
	/* Another file knows nothing of it. */
	other = card_open();
	EXPECT_FALSE(map_(other, 4 * PAGE, rw, MAP_SHARED, bo.offset));
	EXPECT_EQ(errno, EACCES);
	close(other);
	/* Nor does this one, later. */
	bo_close(&bo);
	EXPECT_FALSE(map_(self->fd, 4 * PAGE, rw, MAP_SHARED, bo.offset));
}

static sigjmp_buf trap;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(trap, 1);
}

static void catch_faults(void)
{
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
}

/* Whether this byte can be read. */
static bool readable(const volatile uint8_t *p)
{
	if (sigsetjmp(trap, 1))
		return false;
	(void)*p;
	return true;
}

/* A private mapping is a copy that the card never sees, also if it can't be
 * written to now: mprotect() may change that. */
TEST_F(bo, private_mapping_refused)
{
	struct bo bo = bo_create(self->fd, PAGE, 0);
	uint8_t *p = map_(self->fd, PAGE, PROT_READ, MAP_PRIVATE, bo.offset);

	EXPECT_FALSE(p);
	catch_faults();
	if (p)
		EXPECT_FALSE(readable(p));
}

TEST_F(bo, unmapped_in_part_and_mapped_again)
{
	struct bo bo = bo_create(self->fd, 4 * PAGE, 0);
	uint8_t *again;

	catch_faults();
	memset(bo.map, 0x11, bo.bytes);
	ASSERT_EQ(munmap(bo.map + PAGE, 2 * PAGE), 0);
	EXPECT_TRUE(readable(bo.map));
	EXPECT_FALSE(readable(bo.map + PAGE));
	EXPECT_FALSE(readable(bo.map + 3 * PAGE - 1));
	EXPECT_TRUE(readable(bo.map + 3 * PAGE));
	again = map_(self->fd, 2 * PAGE, PROT_READ, MAP_SHARED, bo.offset);
	ASSERT_TRUE(again);
	EXPECT_EQ(again[2 * PAGE - 1], 0x11);
	bo.map[0] = 0x22;
	EXPECT_EQ(again[0], 0x22);
}

static void write_from_child(void *arg)
{
	struct bo *bo = arg;

	EXPECT_EQ(bo->map[0], 0x31);
	memset(bo->map, 0x32, bo->bytes);
	bo_fini(bo, WRITE);
}

/* A child sees the same pages and may use the same file. */
TEST_F(bo, inherited_by_fork)
{
	struct bo bo = bo_create(self->fd, 2 * PAGE, 0);
	struct bo to = bo_create(self->fd, 2 * PAGE, 0);
	struct stream s = copier(self->fd, &bo, &to);

	bo.map[0] = 0x31;
	child_end(child_start(write_from_child, &bo));
	EXPECT_EQ(run(self->fd, &s).error, 0);
	EXPECT_TRUE(bo_is(&to, 0x32));
}

/*
 * In the card's address space.
 */
static void expect_fault(int fd, const struct stream *s, uint32_t status,
			 uint32_t index)
{
	struct drm_vggaccel_result r = run(fd, s);

	EXPECT_EQ(r.status, status);
	EXPECT_EQ(r.error, -EFAULT);
	EXPECT_EQ(r.index, index);
}

TEST_F(bo, readonly_for_the_card)
{
	struct bo ro = bo_create(self->fd, PAGE, DRM_VGGACCEL_BO_READONLY);
	struct bo to = bo_create(self->fd, PAGE, 0);
	struct stream write = filler(self->fd, &ro, 1);
	struct stream read = copier(self->fd, &ro, &to);

	bo_fill(&ro, 0x7d);
	expect_fault(self->fd, &write, VGG_STATUS_WRITE, 0);
	EXPECT_TRUE(bo_is(&ro, 0x7d));
	EXPECT_EQ(run(self->fd, &read).error, 0);
	EXPECT_TRUE(bo_is(&to, 0x7d));
}

FIXTURE(edge)
{
	int fd;
};
FIXTURE_VARIANT(edge)
{
	uint64_t bytes;
	uint32_t flags;
};
FIXTURE_VARIANT_ADD(edge, page){ PAGE, 0 };
FIXTURE_VARIANT_ADD(edge, pages){ 5 * PAGE, 0 };
FIXTURE_VARIANT_ADD(edge, huge){ HUGE_BYTES, 0 };
FIXTURE_VARIANT_ADD(edge, huge_and_page){ HUGE_BYTES + PAGE, 0 };
FIXTURE_VARIANT_ADD(edge, local){ 2 * HUGE_BYTES, DRM_VGGACCEL_BO_LOCAL };

FIXTURE_SETUP(edge)
{
	self->fd = card_open();
}

FIXTURE_TEARDOWN(edge)
{
	run_known_job(self->fd);
	close(self->fd);
}

/* Whatever lies next to it, a command that runs over its end hits nothing. */
TEST_F(edge, ends_where_it_ends)
{
	struct bo bo[3];
	unsigned int i;

	if (variant->flags & DRM_VGGACCEL_BO_LOCAL)
		need_local(self->fd);
	for (i = 0; i < 3; i++)
		bo[i] = bo_create(self->fd, variant->bytes, variant->flags);
	for (i = 0; i < 3; i++) {
		uint64_t end = bo[i].address + bo[i].bytes;
		struct stream fine = stream_begin(self->fd);
		struct stream s = stream_begin(self->fd);

		stream_fill(&fine, end - 1, 1, 9);
		stream_fill(&fine, bo[i].address, (uint32_t)bo[i].bytes, 9);
		stream_end(&fine);
		EXPECT_EQ(run(self->fd, &fine).error, 0);
		stream_fill(&s, bo[i].address, (uint32_t)bo[i].bytes + 1, 9);
		stream_end(&s);
		expect_fault(self->fd, &s, VGG_STATUS_UNMAPPED, 0);
		bo_close(&s.bo);
		s = stream_begin(self->fd);
		stream_op(&s, VGG_CMD_NOP);
		stream_fill(&s, bo[i].address - 1, 1, 9);
		stream_end(&s);
		expect_fault(self->fd, &s, VGG_STATUS_UNMAPPED, 1);
	}
}

/* Address space, page tables and memory are used again. */
TEST_F_TIMEOUT(bo, ten_thousand, 30)
{
	struct bo bo[8] = { { 0 } };
	uint64_t highest = 0, seed = test_seed();
	int i;

	for (i = 0; i < 10000; i++) {
		struct bo *b = &bo[i % 8];
		struct drm_vggaccel_bo_create a = {
			.size = sizeof(a),
			.bytes = (uint64_t)test_random_in(&seed, 1, 2 * PAGE),
		};

		if (b->handle)
			bo_close(b);
		/* Without the mapping: it takes longer than the buffer. */
		ASSERT_EQ(
			card_ioctl_(self->fd, DRM_IOCTL_VGGACCEL_BO_CREATE, &a),
			0);
		*b = (struct bo){ self->fd,  a.handle,	    a.bytes,
				  a.address, a.mmap_offset, NULL };
		if (a.address + a.bytes > highest)
			highest = a.address + a.bytes;
	}
	EXPECT_LT(highest, card_info(self->fd).va_begin + (16 << 20));
}

/* Huge and small leaves take each other's place. */
TEST_F(bo, huge_after_small_after_huge)
{
	struct bo mark = bo_create(self->fd, PAGE, 0);
	uint64_t address = 0;
	int i;

	for (i = 0; i < 6; i++) {
		bool huge = i % 2 == 0;
		struct bo bo = bo_create(
			self->fd, huge ? 2 * HUGE_BYTES : HUGE_BYTES - PAGE, 0);
		struct stream s = filler(self->fd, &bo, (uint8_t)(i + 1));

		EXPECT_EQ(run(self->fd, &s).error, 0);
		EXPECT_TRUE(bo_is(&bo, (uint8_t)(i + 1)));
		address = bo.address;
		bo_close(&bo);
		/* The stream's addresses lead nowhere now. */
		expect_fault(self->fd, &s, VGG_STATUS_UNMAPPED, 0);
		bo_close(&s.bo);
	}
	EXPECT_NE(address, mark.address);
	EXPECT_TRUE(bo_is(&mark, 0));
}

/*
 * A handle goes while jobs use the buffer: they may still reach its pages or
 * fault, but nobody gets these pages before they have ended.
 */
TEST_F(bo, closed_under_a_job)
{
	struct bo bystander[32];
	struct drm_vggaccel_result r;
	unsigned int i, k;
	uint64_t seq;

	for (k = 0; k < 8; k++) {
		struct bo bo = bo_create(self->fd, 64 * PAGE, 0);
		struct stream s = stream_begin(self->fd);

		/* Long enough to be closed in the middle. */
		for (i = 0; i < 500; i++)
			stream_fill(&s, bo.address, (uint32_t)bo.bytes, 0xbd);
		stream_end(&s);
		seq = submit(self->fd, &s);
		usleep(k * 1000);
		bo_close(&bo);
		/* Would like to have its pages, and its addresses. */
		for (i = 0; i < 32; i++)
			bystander[i] = bo_create(self->fd, 2 * PAGE, 0);
		r = result_wait(self->fd, seq, SOON_MS);
		EXPECT_TRUE(r.status == VGG_STATUS_OK ||
			    (r.status == VGG_STATUS_UNMAPPED &&
			     r.error == -EFAULT));
		for (i = 0; i < 32; i++) {
			EXPECT_TRUE(bo_is(&bystander[i], 0));
			bo_close(&bystander[i]);
		}
		/* Later jobs don't reach it. */
		expect_fault(self->fd, &s, VGG_STATUS_UNMAPPED, 0);
		bo_close(&s.bo);
	}
}

/* The same for on-board memory: the next owner's zeros stay zeros. */
TEST_F(bo, local_closed_under_a_job)
{
	struct bo all[CHUNKS], bo, next;
	unsigned int n = 0, i;
	uint64_t seq;
	struct stream s;
	int err;

	need_local(self->fd);
	bo = bo_create(self->fd, 32 << 20, DRM_VGGACCEL_BO_LOCAL);
	s = filler(self->fd, &bo, 0xbd);
	n = local_take_all(self->fd, all, CHUNKS, 32 << 20);
	card_slow(1, 100);
	seq = submit(self->fd, &s);
	bo_close(&bo);
	/* There is no other place for it than that one. */
	err = bo_create_(self->fd, 32 << 20, DRM_VGGACCEL_BO_LOCAL, &next);
	EXPECT_TRUE(!err || err == -ENOSPC);
	result_wait(self->fd, seq, SOON_MS);
	for (i = 0; err == -ENOSPC && i < SOON_MS / 10; i++) {
		usleep(10000);
		err = bo_create_(self->fd, 32 << 20, DRM_VGGACCEL_BO_LOCAL,
				 &next);
	}
	ASSERT_EQ(err, 0);
	EXPECT_TRUE(local_begin_is(self->fd, &next, 0));
	EXPECT_TRUE(local_end_is(self->fd, &next, 0));
	for (i = 0; i < n; i++)
		bo_close(&all[i]);
}

/*
 * PREP and FINI.
 */
static int range_(const struct bo *bo, uint64_t offset, uint64_t bytes)
{
	struct drm_vggaccel_bo_prep prep = {
		.size = sizeof(prep),
		.handle = bo->handle,
		.access = READ,
		.offset = offset,
		.bytes = bytes,
	};
	struct drm_vggaccel_bo_fini fini = {
		.size = sizeof(fini),
		.handle = bo->handle,
		.access = WRITE,
		.offset = offset,
		.bytes = bytes,
	};
	int err = card_ioctl_(bo->fd, DRM_IOCTL_VGGACCEL_BO_PREP, &prep);

	EXPECT_EQ(card_ioctl_(bo->fd, DRM_IOCTL_VGGACCEL_BO_FINI, &fini), err);
	return err;
}

TEST_F(bo, ranges)
{
	struct bo bo = bo_create(self->fd, 6 * PAGE, 0);
	uint64_t seed = test_seed();
	int i;

	EXPECT_EQ(range_(&bo, 0, 0), 0);
	EXPECT_EQ(range_(&bo, 0, bo.bytes), 0);
	EXPECT_EQ(range_(&bo, bo.bytes - 1, 1), 0);
	EXPECT_EQ(range_(&bo, bo.bytes - 1, 0), 0);
	EXPECT_EQ(range_(&bo, bo.bytes - 1, 2), -EINVAL);
	EXPECT_EQ(range_(&bo, bo.bytes, 0), -EINVAL);
	EXPECT_EQ(range_(&bo, 1, UINT64_MAX), -EINVAL);
	EXPECT_EQ(range_(&bo, PAGE, UINT64_MAX - PAGE + 1), -EINVAL);
	EXPECT_EQ(range_(&bo, UINT64_MAX, 1), -EINVAL);
	for (i = 0; i < 200; i++) {
		uint64_t at = (uint64_t)test_random_in(&seed, 0, 7 * PAGE);
		uint64_t n = (uint64_t)test_random_in(&seed, 1, 7 * PAGE);

		EXPECT_EQ(range_(&bo, at, n), at + n <= bo.bytes ? 0 : -EINVAL);
	}
}

/* Only what is passed on has to arrive; all of that must. */
TEST_F(bo, parts_are_passed_on)
{
	struct bo from = bo_create(self->fd, 8 * PAGE, 0);
	struct bo to = bo_create(self->fd, 8 * PAGE, 0);
	struct stream s = copier(self->fd, &from, &to);
	struct drm_vggaccel_bo_fini fini = { .size = sizeof(fini),
					     .handle = from.handle,
					     .access = WRITE };
	uint64_t seed = test_seed();
	int i;

	bo_fill(&from, 0);
	for (i = 0; i < 32; i++) {
		uint64_t at = (uint64_t)test_random_in(&seed, 0, 7 * PAGE);
		uint64_t n = (uint64_t)test_random_in(&seed, 1, PAGE), j;
		uint8_t value = (uint8_t)(i + 1);
		struct drm_vggaccel_bo_prep prep = { .size = sizeof(prep),
						     .handle = to.handle,
						     .access = READ,
						     .offset = at,
						     .bytes = n,
						     .timeout_ns = 1 };

		memset(from.map + at, value, n);
		fini.offset = at;
		fini.bytes = n;
		ASSERT_EQ(card_ioctl_(self->fd, DRM_IOCTL_VGGACCEL_BO_FINI,
				      &fini),
			  0);
		EXPECT_EQ(run(self->fd, &s).error, 0);
		ASSERT_EQ(card_ioctl_(self->fd, DRM_IOCTL_VGGACCEL_BO_PREP,
				      &prep),
			  0);
		for (j = 0; j < n; j++)
			ASSERT_EQ(to.map[at + j], value);
	}
}

TEST_F(bo, prep_waits_for_jobs)
{
	struct bo bo = bo_create(self->fd, PAGE, 0);
	struct bo other = bo_create(self->fd, PAGE, 0);
	struct stream s = filler(self->fd, &bo, 0x66);
	int64_t begin;

	card_slow(1, 3000);
	begin = now_ms();
	submit_bo(self->fd, &s, bo.handle, WRITE);
	EXPECT_EQ(bo_prep_(&bo, READ, 0), -EBUSY);
	EXPECT_EQ(bo_prep_(&bo, WRITE, 0), -EBUSY);
	EXPECT_EQ(bo_prep_(&bo, READ, 50), -ETIMEDOUT);
	EXPECT_EQ(bo_prep_(&other, WRITE, 0), 0);
	EXPECT_LT(now_ms() - begin, 2900);
	EXPECT_EQ(bo_prep_(&bo, READ, SOON_MS), 0);
	EXPECT_GE(now_ms() - begin, 2900);
	EXPECT_EQ(bo.map[PAGE - 1], 0x66);
	EXPECT_EQ(bo_prep_(&bo, WRITE, 0), 0);
}

TEST_F(bo, readers_do_not_wait_for_readers)
{
	struct bo bo = bo_create(self->fd, PAGE, 0);
	struct bo to = bo_create(self->fd, PAGE, 0);
	struct stream s = copier(self->fd, &bo, &to);
	int64_t begin = now_ms();

	card_slow(1, 3000);
	submit_bo(self->fd, &s, bo.handle, READ);
	EXPECT_EQ(bo_prep_(&bo, READ, 0), 0);
	EXPECT_EQ(bo_prep_(&bo, WRITE, 0), -EBUSY);
	EXPECT_LT(now_ms() - begin, 2900);
	EXPECT_EQ(bo_prep_(&bo, WRITE, SOON_MS), 0);
	EXPECT_GE(now_ms() - begin, 2900);
}

/* A job that failed doesn't hold its buffers. */
TEST_F(bo, prep_after_a_failed_job)
{
	struct bo bo = bo_create(self->fd, PAGE, 0);
	struct stream s = stream_begin(self->fd);

	stream_fill(&s, 64, 1, 0);
	stream_end(&s);
	submit_bo(self->fd, &s, bo.handle, WRITE);
	EXPECT_EQ(bo_prep_(&bo, WRITE, SOON_MS), 0);
}
TEST_HARNESS_MAIN
