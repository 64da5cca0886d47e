// SPDX-License-Identifier: MIT
/*
 * A context reaches its own buffers and nothing else, whatever addresses its
 * commands hold, while another one works and finds all its bytes as they should
 * be.
 */
#include "share.h"

#include <endian.h>
#include <pthread.h>
#include <unistd.h>

#define PAGE 4096u
#define SECRET 0x5e

/*
 * The victim: a process of its own, which computes all the time and looks at its
 * host and on-board memory.
 */
struct victim {
	uint32_t ready, stop, rounds;
	uint64_t address, local, stream; /* its addresses */
};

static void victim_round(int fd, const struct bo *from, const struct bo *to,
			 const struct stream *in, const struct stream *out,
			 uint8_t value)
{
	bo_fill(from, value);
	bo_fill(to, (uint8_t)~value);
	EXPECT_EQ(run(fd, in).error, 0);
	EXPECT_EQ(run(fd, out).error, 0);
	EXPECT_TRUE(bo_is(to, value));
	EXPECT_TRUE(bo_is(from, value));
}

static void victim_main(void *arg)
{
	struct victim *v = arg;
	int fd = card_open();
	bool has_local = card_info(fd).features & DRM_VGGACCEL_FEATURE_LOCAL;
	struct bo secret = bo_create(fd, 16 * PAGE, 0);
	struct bo from = bo_create(fd, 4 * PAGE, 0);
	struct bo to = bo_create(fd, 4 * PAGE, 0);
	struct bo middle =
		bo_create(fd, 4 * PAGE, has_local ? DRM_VGGACCEL_BO_LOCAL : 0);
	struct stream in = copier(fd, &from, &middle);
	struct stream out = copier(fd, &middle, &to);

	bo_fill(&secret, SECRET);
	v->address = secret.address;
	v->local = middle.address;
	v->stream = in.bo.address;
	shared_set(&v->ready, 1);
	while (!__atomic_load_n(&v->stop, __ATOMIC_ACQUIRE)) {
		victim_round(fd, &from, &to, &in, &out,
			     (uint8_t)(v->rounds % 255 + 1));
		__atomic_add_fetch(&v->rounds, 1, __ATOMIC_RELEASE);
	}
	EXPECT_TRUE(bo_is(&secret, SECRET));
}

FIXTURE(isolation)
{
	int fd;
	struct victim *victim;
	pid_t pid;
	struct bo own;
};

FIXTURE_SETUP(isolation)
{
	card_node(); /* skips, before anybody waits for a victim */
	self->victim = shared_alloc(sizeof(*self->victim));
	self->pid = child_start(victim_main, self->victim);
	shared_wait(&self->victim->ready, 1);
	self->fd = card_open();
	/* Whatever the victim's addresses are, they are not this one's. */
	set_limit(self->fd, SOON_MS);
}

FIXTURE_TEARDOWN(isolation)
{
	uint32_t rounds = self->victim->rounds;

	/* It still works. */
	shared_wait(&self->victim->rounds, rounds + 2);
	shared_set(&self->victim->stop, 1);
	child_end(self->pid);
	run_known_job(self->fd);
	close(self->fd);
}

/*
 * Ways to use an address.
 */
enum way {
	COPY_FROM,
	COPY_TO,
	FILL_TO,
	STAMP,
	CONV_SRC,
	CONV_DST,
	CONV_WEIGHTS,
	CONV_PARAMS,
	POOL_SRC,
	STREAM,
	WAYS
};

/* 16 channels of one pixel become one; operands are in the own buffer, but for
 * one of them. */
static void put_conv(struct stream *s, uint64_t own, enum way way, uint64_t at)
{
	struct vgg_hw_cmd_conv *c;

	stream_op(s, VGG_CMD_CONV);
	c = (struct vgg_hw_cmd_conv *)(void *)(s->bo.map +
					       (s->count - 1) * VGG_CMD_SIZE);
	c->src = htole64(way == CONV_SRC ? at : own);
	c->dst = htole64(way == CONV_DST ? at : own + 1024);
	c->weights = htole64(way == CONV_WEIGHTS ? at : own + 256);
	c->params = htole64(way == CONV_PARAMS ? at & ~15ull : own + 512);
	c->in_h = c->in_w = htole16(1);
	c->in_c = htole32(16);
	c->out_c = htole32(1);
	c->src_pitch = c->src_pixel = htole32(16);
	c->dst_pitch = c->dst_pixel = htole32(1);
	c->weight_pitch = htole32(16);
	c->win.kernel_h = c->win.kernel_w = 1;
	c->win.stride_h = c->win.stride_w = 1;
	c->lo = -128;
	c->hi = 127;
}

static void put_pool(struct stream *s, uint64_t own, uint64_t at)
{
	struct vgg_hw_cmd_pool *c;

	stream_op(s, VGG_CMD_POOL);
	c = (struct vgg_hw_cmd_pool *)(void *)(s->bo.map +
					       (s->count - 1) * VGG_CMD_SIZE);
	c->src = htole64(at);
	c->dst = htole64(own + 1024);
	c->in_h = c->in_w = htole16(2);
	c->channels = htole32(4);
	c->src_pitch = htole32(8);
	c->src_pixel = htole32(4);
	c->dst_pitch = c->dst_pixel = htole32(4);
	c->win.kernel_h = c->win.kernel_w = 2;
	c->win.stride_h = c->win.stride_w = 2;
}

static void put(struct stream *s, uint64_t own, enum way way, uint64_t at)
{
	switch (way) {
	case COPY_FROM:
		stream_copy(s, at, own, 64);
		break;
	case COPY_TO:
		stream_copy(s, own, at, 64);
		break;
	case FILL_TO:
		stream_fill(s, at, 64, 0xff);
		break;
	case STAMP:
		stream_timestamp(s, at & ~7ull);
		break;
	case POOL_SRC:
		put_pool(s, own, at);
		break;
	case STREAM:
		break;
	default:
		put_conv(s, own, way, at);
	}
}

/* Ends in an error that says what was tried, and in nothing else. */
static void attempt(struct fixture_isolation *self, struct stream *s,
		    enum way way, uint64_t at)
{
	struct drm_vggaccel_submit a;
	struct drm_vggaccel_result r;

	bo_prep(&s->bo, DRM_VGGACCEL_ACCESS_WRITE);
	s->count = 0;
	stream_op(s, VGG_CMD_NOP);
	put(s, self->own.address, way, at);
	stream_end(s);
	a = submit_args(s);
	if (way == STREAM)
		a.stream = at & ~(VGG_CMD_SIZE - 1ull);
	ASSERT_EQ(submit_(self->fd, &a), 0);
	r = result_wait(self->fd, a.seq, SOON_MS);
	if (r.error != -EFAULT)
		TH_LOG("way %d, address 0x%" PRIx64, (int)way, at);
	EXPECT_EQ(r.error, -EFAULT);
	EXPECT_TRUE(r.status == VGG_STATUS_UNMAPPED ||
		    r.status == VGG_STATUS_RANGE ||
		    r.status == VGG_STATUS_WRITE);
	if (way == STREAM)
		return;
	EXPECT_EQ(r.index, 1u);
	EXPECT_EQ(r.tag, 2u);
}

static void attempt_all_ways(struct fixture_isolation *self, struct stream *s,
			     uint64_t at)
{
	int way;

	for (way = 0; way < WAYS; way++)
		attempt(self, s, (enum way)way, at);
}

/* The victim's buffers lie at the same addresses as ours would: those first. */
static void make_own(struct fixture_isolation *self)
{
	struct bo pad[3];
	int i;

	self->own = bo_create(self->fd, PAGE, 0);
	for (i = 0; i < 3; i++)
		pad[i] = bo_create(self->fd, PAGE, 0);
	/* The second is a gap, the others are neighbours with one behind. */
	bo_close(&pad[1]);
	bo_prep(&self->own, DRM_VGGACCEL_ACCESS_WRITE);
	/* A parameter of CONV that is right. */
	self->own.map[512 + 12] = 1;
	bo_fini(&self->own, DRM_VGGACCEL_ACCESS_WRITE);
}

/* Moves the own buffers away from where the victim's are. */
static struct stream begin_far(struct fixture_isolation *self)
{
	struct drm_vggaccel_info info = card_info(self->fd);
	struct bo low[64];
	struct stream s;
	int i;

	for (i = 0; i < 64; i++)
		low[i] = bo_create(self->fd, 16 * PAGE, 0);
	EXPECT_LT(self->victim->address, low[63].address);
	EXPECT_LT(self->victim->local, low[63].address);
	make_own(self);
	s = stream_begin(self->fd);
	for (i = 0; i < 64; i++)
		bo_close(&low[i]);
	EXPECT_GT(self->own.address, info.va_begin + 64 * 16 * PAGE);
	return s;
}

TEST_F(isolation, addresses_of_others)
{
	struct stream s = begin_far(self);

	attempt_all_ways(self, &s, self->victim->address);
	attempt_all_ways(self, &s, self->victim->address + 15 * PAGE);
	attempt_all_ways(self, &s, self->victim->local);
	attempt_all_ways(self, &s, self->victim->stream);
}

TEST_F(isolation, addresses_of_nobody)
{
	static const uint64_t at[] = {
		0,
		128,
		PAGE,
		0xfff80,
		/* as physical addresses and registers look like */
		0x08000000,
		0x10000000,
		0x40000000,
		0x48000000,
		0x80000000,
		0xf8000000,
		0xfee00000,
		0x100000000,
		0x4000000000,
		/* the end of 39 bits */
		(1ull << 39) - PAGE,
		(1ull << 39) - 128,
		1ull << 39,
		(1ull << 39) + 0x100000,
		1ull << 40,
		1ull << 47,
		1ull << 63,
		UINT64_MAX - 127,
	};
	struct stream s = begin_far(self);
	size_t i;

	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		attempt_all_ways(self, &s, at[i]);
}

/* Next to the own ones, and where own ones were. */
TEST_F(isolation, addresses_that_were_mine)
{
	struct stream s = begin_far(self);
	struct bo closed = bo_create(self->fd, 2 * PAGE, 0);
	struct bo big = bo_create(self->fd, 4 << 20, 0);
	uint64_t at = closed.address, huge = big.address;
	struct stream use = filler(self->fd, &closed, 1);

	EXPECT_EQ(run(self->fd, &use).error, 0);
	bo_close(&closed);
	bo_close(&big);
	attempt_all_ways(self, &s, at);
	attempt_all_ways(self, &s, at + PAGE);
	attempt_all_ways(self, &s, huge);
	attempt_all_ways(self, &s, huge + (2 << 20));
	attempt_all_ways(self, &s, self->own.address + PAGE);
	attempt_all_ways(self, &s, self->own.address - PAGE);
	/* An extent that begins inside. */
	attempt(self, &s, COPY_FROM, self->own.address + PAGE - 32);
	attempt(self, &s, FILL_TO, self->own.address + PAGE - 63);
}

/* At random, all over the place. */
TEST_F(isolation, random_addresses)
{
	uint64_t seed = test_seed();
	struct stream s = begin_far(self);
	int i;

	for (i = 0; i < 150; i++) {
		uint64_t at =
			test_random(&seed) >> test_random_in(&seed, 0, 43);
		enum way way = (enum way)test_random_in(&seed, 0, WAYS - 1);

		/* Not what is its own: a handful of pages at the bottom. */
		if (at > card_info(self->fd).va_begin - PAGE &&
		    at < self->own.address + (4 << 20))
			continue;
		attempt(self, &s, way, at);
	}
}

/*
 * A stream that changes while the card reads it (fault 26). What becomes of the
 * job is its owner's affair, and nobody else's.
 */
#define STREAM_MAX 16384

struct flipper {
	struct stream *s;
	uint64_t seed;
	uint32_t stop;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;
	size_t bytes = f->s->count * VGG_CMD_SIZE;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
		uint64_t r = test_random(&f->seed);
		volatile uint8_t *at = f->s->bo.map + r % bytes;
		uint8_t was = *at;

		*at = (uint8_t)(r >> 32);
		/* Some stay, most are mended: or all would end at once. */
		if (r >> 40 & 7)
			*at = was;
		/* The other thread has its turn, too, where there is one
		 * processor. */
		if (r >> 43 & 63)
			continue;
		usleep(100);
	}
	return NULL;
}

static bool sensible(const struct drm_vggaccel_result *r)
{
	switch (r->error) {
	case 0:
		return r->status == VGG_STATUS_OK;
	case -EINVAL:
		return r->status >= VGG_STATUS_SQE &&
		       r->status < VGG_STATUS_RANGE;
	case -EFAULT:
		return r->status >= VGG_STATUS_RANGE &&
		       r->status < VGG_STATUS_TIMEOUT;
	case -ETIMEDOUT:
		return r->status == VGG_STATUS_TIMEOUT;
	default:
		return false;
	}
}

TEST_F(isolation, stream_that_changes)
{
	int64_t until = now_ms() + 1500, at_last = now_ms() + SOON_MS;
	static uint8_t saved[STREAM_MAX];
	struct stream s, good;
	struct flipper f = { .s = &s, .seed = test_seed() };
	int jobs = 0, failed = 0, i;
	pthread_t thread;

	make_own(self);
	s = stream_begin(self->fd);
	for (i = 0; i < 32; i++) {
		put(&s, self->own.address, COPY_TO, self->own.address + 2048);
		put_conv(&s, self->own.address, CONV_SRC, self->own.address);
	}
	stream_end(&s);
	good = s;
	ASSERT_LT(s.count * VGG_CMD_SIZE, sizeof(saved));
	memcpy(saved, s.bo.map, s.count * VGG_CMD_SIZE);
	ASSERT_EQ(pthread_create(&thread, NULL, flip, &f), 0);
	while (now_ms() < (failed ? until : at_last)) {
		struct drm_vggaccel_submit a = submit_args(&good);
		struct drm_vggaccel_result r;

		/* Each begins as a good one. */
		memcpy(s.bo.map, saved, s.count * VGG_CMD_SIZE);
		bo_fini(&s.bo, DRM_VGGACCEL_ACCESS_WRITE);
		/* In card time: what it has become may take for ever. The good
		 * one takes a hundredth of that. */
		a.timeout_us = 20000;
		ASSERT_EQ(submit_(self->fd, &a), 0);
		r = result_wait(self->fd, a.seq, SOON_MS);
		if (!sensible(&r))
			TH_LOG("error %d, status 0x%x", r.error, r.status);
		EXPECT_TRUE(sensible(&r));
		jobs++;
		failed += !!r.error;
	}
	__atomic_store_n(&f.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	TH_LOG("%d jobs, %d of them failed", jobs, failed);
	EXPECT_GT(failed, 0);
}
TEST_HARNESS_MAIN
