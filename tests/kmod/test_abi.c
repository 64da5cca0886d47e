// SPDX-License-Identifier: MIT
/*
 * The rules of vggaccel_drm.h about the structs themselves, for every ioctl:
 * how long they may be, what must be 0, what happens with bad pointers. The
 * table in the middle says what each ioctl takes; the tests go through it.
 */
#include "share.h"

#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
#define BO_BYTES (4 * PAGE)
#define CANARY 0xa5

/*
 * The layout is the same for all kinds of processes if it needs no padding
 * where 64-bit numbers are aligned to 8, nor where they are aligned to 4. The
 * header checks the sizes; here is where each field lies.
 */
#define AT(type, field, offset)                                             \
	_Static_assert(                                                     \
		offsetof(struct drm_vggaccel_##type, field) == (offset) &&  \
			(offset) % sizeof(((struct drm_vggaccel_##type *)0) \
						  ->field) ==               \
				0,                                          \
		#type "." #field " is elsewhere")
AT(info, context, 4);
AT(info, features, 8);
AT(info, va_begin, 16);
AT(info, va_end, 24);
AT(info, local_bytes, 32);
AT(info, local_free, 40);
AT(info, jobs, 48);
AT(info, cycles, 56);
AT(info, mac_busy, 64);
AT(info, dma_busy, 72);
AT(info, link_bytes, 80);
AT(info, saturations, 88);
AT(info, temperature, 96);
AT(info, irq_mode, 100);
AT(info, queue_depth, 104);
AT(info, result_entries, 108);
AT(info, timeout_ms, 112);
AT(info, resets, 116);
_Static_assert(offsetof(struct drm_vggaccel_info, id) == 120, "info.id");
AT(set, param, 4);
AT(set, value, 8);
AT(bo_create, flags, 4);
AT(bo_create, bytes, 8);
AT(bo_create, handle, 16);
AT(bo_create, reserved, 20);
AT(bo_create, address, 24);
AT(bo_create, mmap_offset, 32);
AT(bo_info, handle, 4);
AT(bo_info, flags, 8);
AT(bo_info, reserved, 12);
AT(bo_info, bytes, 16);
AT(bo_info, address, 24);
AT(bo_info, mmap_offset, 32);
AT(bo_prep, handle, 4);
AT(bo_prep, access, 8);
AT(bo_prep, reserved, 12);
AT(bo_prep, offset, 16);
AT(bo_prep, bytes, 24);
AT(bo_prep, timeout_ns, 32);
AT(bo_fini, handle, 4);
AT(bo_fini, access, 8);
AT(bo_fini, reserved, 12);
AT(bo_fini, offset, 16);
AT(bo_fini, bytes, 24);
AT(submit, flags, 4);
AT(submit, stream, 8);
AT(submit, stream_bytes, 16);
AT(submit, timeout_us, 20);
AT(submit, tag, 24);
AT(submit, bo_count, 28);
AT(submit, in_count, 32);
AT(submit, out_count, 36);
AT(submit, bos, 40);
AT(submit, in_syncs, 48);
AT(submit, out_syncs, 56);
AT(submit, seq, 64);
AT(result, cycles, 8);
AT(result, status, 16);
AT(result, index, 20);
AT(result, tag, 24);
AT(result, saturations, 28);
AT(result, error, 32);
AT(result, reserved, 36);
AT(uring_submit, stream_bytes, 8);
AT(uring_submit, tag, 12);

union args {
	uint32_t size;
	struct drm_vggaccel_info info;
	struct drm_vggaccel_set set;
	struct drm_vggaccel_bo_create create;
	struct drm_vggaccel_bo_info bo_info;
	struct drm_vggaccel_bo_prep prep;
	struct drm_vggaccel_bo_fini fini;
	struct drm_vggaccel_submit submit;
	uint8_t bytes[256];
};

/* A field that must not have this value. */
struct bad {
	size_t at, bytes;
	uint64_t value;
	int error;
};
#define BAD(member, field, value, error)                                \
	{                                                               \
		offsetof(union args, member.field),                     \
			sizeof(((union args *)0)->member.field), value, \
			-(error)                                        \
	}

/* A field whose bits other than `known` must be 0. */
struct bits {
	size_t at;
	uint32_t known;
};
#define BITS(member, field, known)                        \
	{                                                 \
		offsetof(union args, member.field), known \
	}

FIXTURE(abi)
{
	int fd;
	struct bo bo;
	struct stream s;
	union args good;
};

FIXTURE_VARIANT(abi)
{
	unsigned long request;
	size_t size;
	bool in_only;	  /* the kernel has nothing to say */
	size_t handle_at; /* takes that of a buffer */
	bool stream;
	union args args;
	struct bits bits[2];
	struct bad bad[16];
};

#define NR(name, member)                      \
	.request = DRM_IOCTL_VGGACCEL_##name, \
	.size = sizeof(((union args *)0)->member)

FIXTURE_VARIANT_ADD(abi, info){ NR(INFO, info) };
FIXTURE_VARIANT_ADD(abi, set){
	NR(SET, set),
	.in_only = true,
	.args.set = { .param = DRM_VGGACCEL_SET_TIMEOUT_MS, .value = 10000 },
	.bad = { BAD(set, param, 0, EINVAL), BAD(set, param, 2, EINVAL),
		 BAD(set, param, 0x80000001, EINVAL),
		 BAD(set, value, 0, EINVAL), BAD(set, value, 600001, EINVAL),
		 BAD(set, value, 0x100000005, EINVAL),
		 BAD(set, value, UINT64_MAX, EINVAL) },
};
FIXTURE_VARIANT_ADD(abi, bo_create){
	NR(BO_CREATE, create),
	.args.create = { .bytes = PAGE },
	.bits = { BITS(create, flags,
		       DRM_VGGACCEL_BO_LOCAL | DRM_VGGACCEL_BO_READONLY),
		  BITS(create, reserved, 0) },
	.bad = { BAD(create, bytes, 0, EINVAL),
		 BAD(create, bytes, (1ull << 36) + 1, EINVAL),
		 BAD(create, bytes, 1ull << 63, EINVAL),
		 BAD(create, bytes, UINT64_MAX - PAGE + 1, EINVAL),
		 BAD(create, bytes, UINT64_MAX, EINVAL) },
};
FIXTURE_VARIANT_ADD(abi, bo_info){
	NR(BO_INFO, bo_info),
	.handle_at = offsetof(struct drm_vggaccel_bo_info, handle),
	.bits = { BITS(bo_info, flags, 0), BITS(bo_info, reserved, 0) },
	.bad = { BAD(bo_info, handle, 0, ENOENT),
		 BAD(bo_info, handle, 0x7fffffff, ENOENT),
		 BAD(bo_info, handle, UINT32_MAX, ENOENT) },
};
FIXTURE_VARIANT_ADD(abi, bo_prep){
	NR(BO_PREP, prep),
	.in_only = true,
	.handle_at = offsetof(struct drm_vggaccel_bo_prep, handle),
	.args.prep = { .access = DRM_VGGACCEL_ACCESS_READ },
	.bits = { BITS(prep, access,
		       DRM_VGGACCEL_ACCESS_READ | DRM_VGGACCEL_ACCESS_WRITE),
		  BITS(prep, reserved, 0) },
	.bad = { BAD(prep, handle, 0, ENOENT),
		 BAD(prep, handle, UINT32_MAX, ENOENT),
		 BAD(prep, access, 0, EINVAL),
		 BAD(prep, offset, BO_BYTES, EINVAL),
		 BAD(prep, offset, UINT64_MAX, EINVAL),
		 BAD(prep, bytes, BO_BYTES + 1, EINVAL),
		 BAD(prep, bytes, UINT64_MAX, EINVAL) },
};
FIXTURE_VARIANT_ADD(abi, bo_fini){
	NR(BO_FINI, fini),
	.in_only = true,
	.handle_at = offsetof(struct drm_vggaccel_bo_fini, handle),
	.args.fini = { .access = DRM_VGGACCEL_ACCESS_WRITE },
	.bits = { BITS(fini, access,
		       DRM_VGGACCEL_ACCESS_READ | DRM_VGGACCEL_ACCESS_WRITE),
		  BITS(fini, reserved, 0) },
	.bad = { BAD(fini, handle, 0, ENOENT),
		 BAD(fini, handle, UINT32_MAX, ENOENT),
		 BAD(fini, access, 0, EINVAL),
		 BAD(fini, offset, BO_BYTES, EINVAL),
		 BAD(fini, offset, UINT64_MAX, EINVAL),
		 BAD(fini, bytes, BO_BYTES + 1, EINVAL),
		 BAD(fini, bytes, UINT64_MAX, EINVAL) },
};
FIXTURE_VARIANT_ADD(abi, submit){
	NR(SUBMIT, submit),
	.stream = true,
	.bits = { BITS(submit, flags, DRM_VGGACCEL_SUBMIT_NOWAIT) },
	/* The pointers to the arrays are NULL. */
	.bad = { BAD(submit, bo_count, 1, EFAULT),
		 BAD(submit, bo_count, DRM_VGGACCEL_MAX_BOS, EFAULT),
		 BAD(submit, bo_count, DRM_VGGACCEL_MAX_BOS + 1, E2BIG),
		 BAD(submit, bo_count, UINT32_MAX, E2BIG),
		 BAD(submit, in_count, 1, EFAULT),
		 BAD(submit, in_count, DRM_VGGACCEL_MAX_SYNCS + 1, E2BIG),
		 BAD(submit, in_count, UINT32_MAX, E2BIG),
		 BAD(submit, out_count, 1, EFAULT),
		 BAD(submit, out_count, DRM_VGGACCEL_MAX_SYNCS + 1, E2BIG),
		 BAD(submit, out_count, UINT32_MAX, E2BIG) },
};

FIXTURE_SETUP(abi)
{
	self->fd = card_open();
	self->bo = bo_create(self->fd, BO_BYTES, 0);
	self->s = stream_begin(self->fd);
	stream_end(&self->s);
	self->good = variant->args;
	self->good.size = (uint32_t)variant->size;
	if (variant->handle_at)
		memcpy(&self->good.bytes[variant->handle_at], &self->bo.handle,
		       sizeof(self->bo.handle));
	if (variant->stream) {
		self->good.submit.stream = self->s.bo.address;
		self->good.submit.stream_bytes = VGG_CMD_SIZE;
	}
}

FIXTURE_TEARDOWN(abi)
{
	run_known_job(self->fd);
	close(self->fd);
}

/* Behind the returned place, `bytes` long, nothing can be accessed. */
static uint8_t *at_the_edge(size_t bytes)
{
	uint8_t *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE((intptr_t)map, (intptr_t)MAP_FAILED);
	ASSERT_EQ(mprotect(map + PAGE, PAGE, PROT_NONE), 0);
	return map + PAGE - bytes;
}

TEST_F(abi, exact_at_the_edge)
{
	uint8_t *p = at_the_edge(variant->size);

	memcpy(p, &self->good, variant->size);
	EXPECT_EQ(card_ioctl_(self->fd, variant->request, p), 0);
	EXPECT_EQ(*(uint32_t *)(void *)p, variant->size);
}

TEST_F(abi, shorter_than_the_first_version)
{
	const size_t sizes[] = {
		0, 1, 4, 8, variant->size - 8, variant->size - 1
	};
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		union args a = self->good;

		a.size = (uint32_t)sizes[i];
		EXPECT_EQ(card_ioctl_(self->fd, variant->request, &a), -EINVAL);
	}
}

/* What it doesn't know is 0: fine, and stays the caller's. */
TEST_F(abi, longer_with_zeros)
{
	const size_t more[] = { 1, 4, 8, 60, PAGE - variant->size };
	uint8_t *p = malloc(2 * PAGE);
	size_t i, j;

	ASSERT_TRUE(p);
	for (i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		uint32_t size = (uint32_t)(variant->size + more[i]);

		memset(p, CANARY, 2 * PAGE);
		memset(p, 0, size);
		memcpy(p, &self->good, variant->size);
		memcpy(p, &size, sizeof(size));
		EXPECT_EQ(card_ioctl_(self->fd, variant->request, p), 0);
		for (j = variant->size; j < size; j++)
			ASSERT_EQ(p[j], 0);
		for (; j < 2 * PAGE; j++)
			ASSERT_EQ(p[j], CANARY);
	}
	free(p);
}

TEST_F(abi, longer_with_something)
{
	uint8_t *p = calloc(1, 2 * PAGE);
	const size_t at[] = { 0, 7, 8, 100, PAGE - variant->size - 1 };
	size_t i;

	ASSERT_TRUE(p);
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		uint32_t size = PAGE;

		memset(p, 0, PAGE);
		memcpy(p, &self->good, variant->size);
		memcpy(p, &size, sizeof(size));
		p[variant->size + at[i]] = 1;
		EXPECT_EQ(card_ioctl_(self->fd, variant->request, p), -E2BIG);
	}
	free(p);
}

TEST_F(abi, huge_size)
{
	const uint32_t sizes[] = { PAGE + 1, 1 << 20, 0x80000000, UINT32_MAX };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		union args a = self->good;

		a.size = sizes[i];
		EXPECT_EQ(card_ioctl_(self->fd, variant->request, &a), -E2BIG);
	}
}

TEST_F(abi, unknown_bits)
{
	size_t i;
	uint32_t bit;

	for (i = 0; i < 2 && variant->bits[i].at; i++) {
		for (bit = 1; bit; bit <<= 1) {
			union args a = self->good;
			uint32_t word;

			if (variant->bits[i].known & bit)
				continue;
			memcpy(&word, &a.bytes[variant->bits[i].at], 4);
			word |= bit;
			memcpy(&a.bytes[variant->bits[i].at], &word, 4);
			EXPECT_EQ(card_ioctl_(self->fd, variant->request, &a),
				  -EINVAL);
		}
	}
}

TEST_F(abi, bad_values)
{
	const struct bad *bad;

	for (bad = variant->bad; bad->bytes; bad++) {
		union args a = self->good;
		int err;

		if (bad->bytes == 4) {
			uint32_t value = (uint32_t)bad->value;

			memcpy(&a.bytes[bad->at], &value, sizeof(value));
		} else {
			memcpy(&a.bytes[bad->at], &bad->value,
			       sizeof(bad->value));
		}
		err = card_ioctl_(self->fd, variant->request, &a);
		if (err != bad->error)
			TH_LOG("offset %zu, value 0x%" PRIx64, bad->at,
			       bad->value);
		EXPECT_EQ(err, bad->error);
	}
}

TEST_F(abi, bad_pointers)
{
	const size_t split[] = { 1, 4, 8, variant->size - 1 };
	uint32_t size = PAGE;
	uint8_t *p;
	size_t i;

	EXPECT_EQ(card_ioctl_(self->fd, variant->request, NULL), -EFAULT);
	EXPECT_EQ(
		card_ioctl_(self->fd, variant->request, (void *)(uintptr_t)-64),
		-EFAULT);
	EXPECT_EQ(card_ioctl_(self->fd, variant->request, at_the_edge(0)),
		  -EFAULT);
	for (i = 0; i < sizeof(split) / sizeof(split[0]); i++) {
		p = at_the_edge(split[i]);
		memcpy(p, &self->good, split[i]);
		EXPECT_EQ(card_ioctl_(self->fd, variant->request, p), -EFAULT);
	}
	/* All that is known is there, the rest isn't. */
	p = at_the_edge(variant->size);
	memcpy(p, &self->good, variant->size);
	memcpy(p, &size, sizeof(size));
	EXPECT_EQ(card_ioctl_(self->fd, variant->request, p), -EFAULT);
}

/* Arguments that only go in are never written: they may be constants, and may be
 * used again. The others have something to say, and nowhere to say it here. */
TEST_F(abi, input_stays)
{
	uint8_t *p = at_the_edge(variant->size);
	union args a = self->good;

	EXPECT_EQ(card_ioctl_(self->fd, variant->request, &a), 0);
	EXPECT_EQ(!memcmp(&a, &self->good, variant->size), variant->in_only);
	memcpy(p, &self->good, variant->size);
	ASSERT_EQ(mprotect(p + variant->size - PAGE, PAGE, PROT_READ), 0);
	EXPECT_EQ(card_ioctl_(self->fd, variant->request, p),
		  variant->in_only ? 0 : -EFAULT);
}

/* An ioctl's number holds the size of its struct, too; a library that was built
 * with another version of it says the size in the struct. */
TEST_F(abi, size_in_the_number_is_not_believed)
{
	const unsigned int sizes[] = { 0, 4, 8, 1000, _IOC_SIZEMASK };
	unsigned int nr = _IOC_NR(variant->request);
	uint8_t buffer[sizeof(union args)];
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(buffer, CANARY, sizeof(buffer));
		memcpy(buffer, &self->good, variant->size);
		EXPECT_EQ(card_ioctl_(self->fd,
				      _IOC(_IOC_READ | _IOC_WRITE, 'd', nr,
					   sizes[i]),
				      buffer),
			  0);
		EXPECT_EQ(buffer[variant->size], CANARY);
	}
}

/*
 * Things that are the same for all.
 */
TEST(unknown_ioctls)
{
	int fd = card_open();
	union args a = { .size = 72 };
	unsigned int nr;

	for (nr = DRM_VGGACCEL_SUBMIT + 1; nr < 0x60; nr++)
		EXPECT_EQ(card_ioctl_(fd,
				      DRM_IOWR(DRM_COMMAND_BASE + nr,
					       struct drm_vggaccel_submit),
				      &a),
			  -EINVAL);
	EXPECT_EQ(card_ioctl_(fd,
			      _IOWR('x', DRM_COMMAND_BASE,
				    struct drm_vggaccel_info),
			      &a),
		  -ENOTTY);
	run_known_job(fd);
}

/* The arrays of SUBMIT. */
TEST(array_elements)
{
	int fd = card_open();
	struct bo bo = bo_create(fd, PAGE, 0);
	struct stream s = filler(fd, &bo, 1);
	struct drm_vggaccel_bo_ref ref = { bo.handle, 1 };
	struct drm_vggaccel_sync sync = { .handle = syncobj_create(fd) };
	const struct drm_vggaccel_submit good = submit_args(&s);
	struct drm_vggaccel_submit a;
	struct drm_vggaccel_bo_ref twice[2] = { ref, ref };
	int err;

#define SUBMIT_WITH(field, count_field, array, n)                     \
	(a = good, a.field = (uintptr_t)(array), a.count_field = (n), \
	 submit_(fd, &a))
	EXPECT_EQ(SUBMIT_WITH(bos, bo_count, &ref, 1), 0);
	ref.access = 0;
	EXPECT_EQ(SUBMIT_WITH(bos, bo_count, &ref, 1), -EINVAL);
	ref.access = 4;
	EXPECT_EQ(SUBMIT_WITH(bos, bo_count, &ref, 1), -EINVAL);
	ref = (struct drm_vggaccel_bo_ref){ bo.handle + 1000, 1 };
	EXPECT_EQ(SUBMIT_WITH(bos, bo_count, &ref, 1), -ENOENT);
	/* A mistake, or harmless; nothing else. */
	err = SUBMIT_WITH(bos, bo_count, twice, 2);
	EXPECT_TRUE(!err || err == -EINVAL);

	EXPECT_EQ(SUBMIT_WITH(out_syncs, out_count, &sync, 1), 0);
	EXPECT_EQ(SUBMIT_WITH(in_syncs, in_count, &sync, 1), 0);
	sync.reserved = 1;
	EXPECT_EQ(SUBMIT_WITH(out_syncs, out_count, &sync, 1), -EINVAL);
	EXPECT_EQ(SUBMIT_WITH(in_syncs, in_count, &sync, 1), -EINVAL);
	sync = (struct drm_vggaccel_sync){ .handle = 1234 };
	EXPECT_EQ(SUBMIT_WITH(out_syncs, out_count, &sync, 1), -ENOENT);
	EXPECT_EQ(SUBMIT_WITH(in_syncs, in_count, &sync, 1), -ENOENT);
	/* One without a fence, or without that point, can't be waited for. */
	sync = (struct drm_vggaccel_sync){ .handle = syncobj_create(fd) };
	EXPECT_EQ(SUBMIT_WITH(in_syncs, in_count, &sync, 1), -EINVAL);
	sync.point = 7;
	EXPECT_EQ(SUBMIT_WITH(in_syncs, in_count, &sync, 1), -EINVAL);
#undef SUBMIT_WITH
	run_known_job(fd);
}

/* Arrays whose end nobody can read. */
TEST(array_at_the_edge)
{
	int fd = card_open();
	struct bo bo = bo_create(fd, PAGE, 0);
	struct stream s = filler(fd, &bo, 1);
	struct drm_vggaccel_submit a = submit_args(&s);
	struct drm_vggaccel_bo_ref ref = { bo.handle, 1 };
	uint8_t *p = at_the_edge(sizeof(ref));

	memcpy(p, &ref, sizeof(ref));
	a.bos = (uintptr_t)p;
	a.bo_count = 1;
	EXPECT_EQ(submit_(fd, &a), 0);
	a.bo_count = 2;
	EXPECT_EQ(submit_(fd, &a), -EFAULT);
	run_known_job(fd);
}

/* DRM's own ioctls, with handles of nothing. */
TEST(core_ioctls_with_nonsense)
{
	static const uint32_t handles[] = { 0, 77777, 0x7fffffff, UINT32_MAX };
	int fd = card_open();
	size_t i;

	for (i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		uint32_t h = handles[i];
		struct drm_gem_close close_ = { .handle = h };
		struct drm_prime_handle out = { .handle = h };
		struct drm_prime_handle in = { .fd = (int32_t)h };
		struct drm_syncobj_destroy destroy = { .handle = h };
		struct drm_syncobj_handle to = { .handle = h, .fd = -1 };
		struct drm_syncobj_handle from = { .fd = (int32_t)h };
		struct drm_syncobj_wait wait = { .handles = (uintptr_t)&h,
						 .count_handles = 1 };
		struct drm_syncobj_array reset = { .handles = (uintptr_t)&h,
						   .count_handles = 1 };

		EXPECT_EQ(card_ioctl_(fd, DRM_IOCTL_GEM_CLOSE, &close_),
			  -EINVAL);
		EXPECT_EQ(card_ioctl_(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &out),
			  -ENOENT);
		/* Descriptor 0 is something else. */
		EXPECT_LT(card_ioctl_(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &in),
			  0);
		EXPECT_EQ(card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_DESTROY, &destroy),
			  -EINVAL);
		EXPECT_EQ(card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &to),
			  -EINVAL);
		EXPECT_LT(
			card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &from),
			0);
		EXPECT_EQ(card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_WAIT, &wait),
			  -ENOENT);
		EXPECT_EQ(card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_RESET, &reset),
			  -ENOENT);
		EXPECT_EQ(card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_SIGNAL, &reset),
			  -ENOENT);
	}
	run_known_job(fd);
}

/*
 * Random arguments: nothing but the errors of the header's table comes back, and
 * the card and its driver work afterwards.
 */
static bool known_error(int err)
{
	static const int known[] = { EINVAL, E2BIG,  EFAULT,	 ENOENT,
				     ENOMEM, ENOSPC, EBUSY,	 ETIMEDOUT,
				     EAGAIN, EIO,    EOPNOTSUPP, ENODEV };
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (err == -known[i])
			return true;
	return err >= 0;
}

/* A struct of which some words are random, small or from a valid one. */
static void randomise(union args *a, const union args *good, uint64_t *seed)
{
	uint32_t *words = (uint32_t *)(void *)a->bytes;
	size_t i;

	*a = *good;
	for (i = 1; i < sizeof(*a) / 4; i++) {
		uint64_t r = test_random(seed);

		if (i * 4 >= good->size)
			words[i] = 0;
		else if (r % 4 == 0)
			words[i] = (uint32_t)(r >> 8) >> (r >> 40) % 32;
	}
	if (test_random(seed) % 8 == 0)
		a->size = (uint32_t)(test_random(seed) % 200);
}

/* Neither all memory of the machine, nor all day. */
static void moderate(unsigned int nr, union args *a)
{
	if (nr == DRM_VGGACCEL_BO_CREATE && a->create.bytes <= 1ull << 36)
		a->create.bytes %= 1 << 20;
	if (nr == DRM_VGGACCEL_SET)
		a->set.value |= 8192;
	if (nr == DRM_VGGACCEL_BO_PREP)
		a->prep.timeout_ns %= 1 << 20;
	if (nr == DRM_VGGACCEL_SUBMIT)
		a->submit.flags |= DRM_VGGACCEL_SUBMIT_NOWAIT;
}

static void close_some(int fd, uint64_t *seed)
{
	struct drm_gem_close a;
	int i;

	for (i = 0; i < 64; i++) {
		a = (struct drm_gem_close){
			.handle = (uint32_t)(test_random(seed) % 256),
		};
		card_ioctl_(fd, DRM_IOCTL_GEM_CLOSE, &a);
	}
}

TEST(random_arguments)
{
	int64_t until = now_ms() + 2000;
	uint64_t seed = test_seed();
	int fd = card_open(), calls = 0, accepted = 0;
	struct bo bo = bo_create(fd, BO_BYTES, 0);
	struct stream s = filler(fd, &bo, 1);
	const union args good[] = {
		[DRM_VGGACCEL_INFO].info = { .size = 184 },
		[DRM_VGGACCEL_SET].set = { .size = 16, .param = 1, .value = 1 },
		[DRM_VGGACCEL_BO_CREATE].create = { .size = 40, .bytes = 1 },
		[DRM_VGGACCEL_BO_INFO].bo_info = { .size = 40,
						   .handle = bo.handle },
		[DRM_VGGACCEL_BO_PREP].prep = { .size = 40,
						.handle = bo.handle,
						.access = 1 },
		[DRM_VGGACCEL_BO_FINI].fini = { .size = 32,
						.handle = bo.handle,
						.access = 2 },
		[DRM_VGGACCEL_SUBMIT].submit = submit_args(&s),
	};

	while (now_ms() < until) {
		unsigned int nr = (unsigned int)(test_random(&seed) %
						 (DRM_VGGACCEL_SUBMIT + 1));
		union args a;
		int err;

		randomise(&a, &good[nr], &seed);
		moderate(nr, &a);
		/* Not by card_ioctl_(), which repeats what must wait. */
		err = ioctl(fd, DRM_IOWR(DRM_COMMAND_BASE + nr, union args),
			    &a);
		err = err < 0 ? -errno : err;
		if (!known_error(err))
			TH_LOG("ioctl %u says %s", nr, strerror(-err));
		ASSERT_TRUE(known_error(err));
		accepted += !err;
		if (++calls % 256 == 0)
			close_some(fd, &seed);
	}
	TH_LOG("%d calls, %d accepted", calls, accepted);
	EXPECT_GT(accepted, calls / 100);
	close(fd);
	fd = card_open();
	run_known_job(fd);
}
TEST_HARNESS_MAIN
