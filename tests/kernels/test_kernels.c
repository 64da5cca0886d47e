// SPDX-License-Identifier: MIT
/*
 * Every kernel variant against the scalar reference, byte for byte, on random
 * shapes and extreme values. Buffers end at guard pages: what reads or writes
 * one byte too far dies. The scalar reference itself is tested against the
 * simulated card in tests/lib/test_run.c, and so against its independent tests.
 */
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/kernels.h"
#include "vgg_harness.h"

#define ROUNDS (test_emulated() ? 60 : 600)

/* Memory that ends where nothing is mapped. */
static void *guarded(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t pages = (bytes + page - 1) / page + 1;
	char *base = mmap(NULL, (pages + 1) * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		abort();
	mprotect(base + pages * page, page, PROT_NONE);
	return base + pages * page - bytes;
}

static void release(void *p, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t pages = (bytes + page - 1) / page + 1;

	munmap((char *)p + bytes - pages * page, (pages + 1) * page);
}

enum values { RANDOM, LOWEST, HIGHEST, MIXED, KINDS };

static void fill(int8_t *to, size_t n, enum values kind, uint64_t *seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		to[i] = (int8_t)(kind == LOWEST ?
					 -128 :
				 kind == HIGHEST ?
					 127 :
				 kind == MIXED ?
					 (test_random(seed) & 1 ? 127 : -128) :
					 test_random_in(seed, -128, 127));
}

static void fill_params(struct vgg_qparam *p, int n, uint64_t *seed)
{
	int i;

	for (i = 0; i < n; i++) {
		p[i].shift = (int)test_random_in(seed, 20, 45);
		p[i].mult =
			(int32_t)test_random_in(seed, -INT32_MAX, INT32_MAX);
		p[i].bias = (int32_t)test_random_in(seed, -100000, 100000);
		p[i].offset = (int32_t)test_random_in(seed, -200, 200);
		if (test_random(seed) % 8 == 0)
			p[i].bias = (int32_t)test_random(seed);
	}
}

static struct vgg_window random_window(uint64_t *seed, int most)
{
	struct vgg_window w;

	w.kernel_h = (int)test_random_in(seed, 1, most);
	w.kernel_w = (int)test_random_in(seed, 1, most);
	w.stride_h = (int)test_random_in(seed, 1, 4);
	w.stride_w = (int)test_random_in(seed, 1, 4);
	w.pad_top = (int)test_random_in(seed, 0, w.kernel_h - 1);
	w.pad_bottom = (int)test_random_in(seed, 0, w.kernel_h - 1);
	w.pad_left = (int)test_random_in(seed, 0, w.kernel_w - 1);
	w.pad_right = (int)test_random_in(seed, 0, w.kernel_w - 1);
	return w;
}

static int extent(int in, int kernel, int stride, int before, int after)
{
	return in + before + after < kernel ?
		       0 :
		       (in + before + after - kernel) / stride + 1;
}

/* Sizes of an image with its own pitches, and bytes up to its last value. */
static size_t lay_out(struct vgg_image_s8 *m, uint64_t *seed)
{
	m->pixel = (size_t)m->c + test_random(seed) % 3;
	m->pitch = m->pixel * (size_t)m->w + test_random(seed) % 5;
	return (size_t)(m->h - 1) * m->pitch + (size_t)(m->w - 1) * m->pixel +
	       (size_t)m->c;
}

struct conv_case {
	struct vgg_conv_s8 k;
	size_t in_bytes, out_bytes, weight_bytes;
	int conv_h, conv_w;
};

static bool random_shape(struct conv_case *c, uint64_t *seed)
{
	struct vgg_conv_s8 *k = &c->k;

	memset(c, 0, sizeof(*c));
	k->in.h = (int)test_random_in(seed, 1, 19);
	k->in.w = (int)test_random_in(seed, 1, 19);
	k->in.c = (int)test_random_in(seed, 1, 40);
	k->out.c = (int)test_random_in(seed, 1, 37);
	k->win = random_window(seed, test_random(seed) % 8 ? 3 : 11);
	k->out.h = extent(k->in.h, k->win.kernel_h, k->win.stride_h,
			  k->win.pad_top, k->win.pad_bottom);
	k->out.w = extent(k->in.w, k->win.kernel_w, k->win.stride_w,
			  k->win.pad_left, k->win.pad_right);
	c->conv_h = k->out.h;
	c->conv_w = k->out.w;
	k->has_pool = test_random(seed) & 1;
	if (k->has_pool && k->out.h && k->out.w) {
		k->pool = random_window(seed, 3);
		k->out.h = extent(k->out.h, k->pool.kernel_h, k->pool.stride_h,
				  k->pool.pad_top, k->pool.pad_bottom);
		k->out.w = extent(k->out.w, k->pool.kernel_w, k->pool.stride_w,
				  k->pool.pad_left, k->pool.pad_right);
	}
	return k->out.h > 0 && k->out.w > 0;
}

static void random_conv(struct conv_case *c, uint64_t *seed)
{
	struct vgg_conv_s8 *k = &c->k;
	struct vgg_qparam *p;
	int8_t *w;

	while (!random_shape(c, seed))
		;
	c->in_bytes = lay_out(&k->in, seed);
	c->out_bytes = lay_out(&k->out, seed);
	c->weight_bytes = (size_t)(k->win.kernel_h * k->win.kernel_w * k->in.c *
				   k->out.c);
	k->in.data = guarded(c->in_bytes);
	fill(k->in.data, c->in_bytes, test_random(seed) % KINDS, seed);
	w = guarded(c->weight_bytes);
	fill(w, c->weight_bytes, test_random(seed) % KINDS, seed);
	k->weight = w;
	p = guarded((size_t)k->out.c * sizeof(*p));
	fill_params(p, k->out.c, seed);
	k->param = p;
	k->relu = test_random(seed) & 1;
	k->pad_value = (int)test_random_in(seed, -128, 127);
	k->lo = (int)test_random_in(seed, -128, 0);
	k->hi = (int)test_random_in(seed, k->lo, 127);
}

static void free_conv(struct conv_case *c)
{
	release(c->k.in.data, c->in_bytes);
	release((void *)c->k.weight, c->weight_bytes);
	release((void *)c->k.param,
		(size_t)c->k.out.c * sizeof(struct vgg_qparam));
}

static void run_conv(const struct vgg_kernels *v, const struct conv_case *c,
		     int8_t *out, const int range[4])
{
	struct vgg_conv_s8 k = c->k;
	size_t bytes = v->conv_scratch(&k);
	void *scratch = guarded(bytes ? (bytes + 63) & ~(size_t)63 : 64);

	k.out.data = out;
	v->conv(&k, range[0], range[1], range[2], range[3], scratch);
	release(scratch, bytes ? (bytes + 63) & ~(size_t)63 : 64);
}

static bool same(const int8_t *a, const int8_t *b, size_t n, size_t *at)
{
	for (*at = 0; *at < n; ++*at)
		if (a[*at] != b[*at])
			return false;
	return true;
}

static void describe_conv(const struct conv_case *c, const char *name)
{
	const struct vgg_conv_s8 *k = &c->k;

	TH_LOG("%s: %dx%dx%d -> %dx%dx%d, kernel %dx%d stride %dx%d pads "
	       "%d,%d,%d,%d pool %d (%dx%d)",
	       name, k->in.h, k->in.w, k->in.c, k->out.h, k->out.w, k->out.c,
	       k->win.kernel_h, k->win.kernel_w, k->win.stride_h,
	       k->win.stride_w, k->win.pad_top, k->win.pad_left,
	       k->win.pad_bottom, k->win.pad_right, k->has_pool,
	       k->pool.kernel_h, k->pool.kernel_w);
}

/* One case: each variant over a random range; outside it nothing changes. */
static void check_conv(uint64_t *seed)
{
	const struct vgg_kernels *v;
	struct conv_case c;
	int8_t *want, *got;
	int range[4];
	unsigned int i;
	size_t at;

	random_conv(&c, seed);
	range[0] = (int)test_random_in(seed, 0, c.k.out.h - 1);
	range[1] = (int)test_random_in(seed, range[0] + 1, c.k.out.h);
	range[2] = (int)test_random_in(seed, 0, c.k.out.c - 1);
	range[3] = (int)test_random_in(seed, range[2] + 1, c.k.out.c);
	want = guarded(c.out_bytes);
	memset(want, 0x5a, c.out_bytes);
	run_conv(&vgg_kernels_scalar, &c, want, range);
	for (i = 1; (v = vgg_kernels_get(i)); i++) {
		got = guarded(c.out_bytes);
		memset(got, 0x5a, c.out_bytes);
		if (v->usable())
			run_conv(v, &c, got, range);
		if (v->usable() && !same(want, got, c.out_bytes, &at)) {
			describe_conv(&c, v->name);
			EXPECT_EQ(want[at], got[at]);
		}
		release(got, c.out_bytes);
	}
	release(want, c.out_bytes);
	free_conv(&c);
}

TEST_TIMEOUT(convolutions_equal_the_scalar_reference, 120)
{
	uint64_t seed = test_seed();
	int i;

	for (i = 0; i < ROUNDS; i++)
		check_conv(&seed);
}

static bool random_pool(struct vgg_pool_s8 *k, uint64_t *seed)
{
	memset(k, 0, sizeof(*k));
	k->in.h = (int)test_random_in(seed, 1, 19);
	k->in.w = (int)test_random_in(seed, 1, 19);
	k->in.c = k->out.c = (int)test_random_in(seed, 1, 150);
	k->win = random_window(seed, 7);
	k->average = test_random(seed) & 1;
	k->exclude_pad = k->average && test_random(seed) & 1;
	k->pad_value = (int)test_random_in(seed, -128, 127);
	k->lo = (int)test_random_in(seed, -128, 0);
	k->hi = (int)test_random_in(seed, k->lo, 127);
	k->out.h = extent(k->in.h, k->win.kernel_h, k->win.stride_h,
			  k->win.pad_top, k->win.pad_bottom);
	k->out.w = extent(k->in.w, k->win.kernel_w, k->win.stride_w,
			  k->win.pad_left, k->win.pad_right);
	return k->out.h > 0 && k->out.w > 0;
}

/* A window may lie in the padding as a whole only if it has no taps to divide
 * by: such shapes don't pass vgg_layer_infer() with these pads and strides. */
static bool sensible(const struct vgg_pool_s8 *k)
{
	const struct vgg_window *w = &k->win;

	return (k->out.h - 1) * w->stride_h - w->pad_top < k->in.h &&
	       (k->out.w - 1) * w->stride_w - w->pad_left < k->in.w;
}

static void check_pool(uint64_t *seed)
{
	const struct vgg_kernels *v;
	struct vgg_qparam *p;
	struct vgg_pool_s8 k;
	size_t in, out, at;
	int8_t *want, *got;
	unsigned int i;
	int taps;

	do {
		while (!random_pool(&k, seed))
			;
	} while (!sensible(&k));
	in = lay_out(&k.in, seed);
	out = lay_out(&k.out, seed);
	taps = k.win.kernel_h * k.win.kernel_w;
	k.in.data = guarded(in);
	fill(k.in.data, in, test_random(seed) % KINDS, seed);
	p = guarded((size_t)taps * sizeof(*p));
	fill_params(p, taps, seed);
	k.param = p;
	want = guarded(out);
	memset(want, 0x5a, out);
	k.out.data = want;
	vgg_kernels_scalar.pool(&k, 0, k.out.h, 0, k.out.c);
	for (i = 1; (v = vgg_kernels_get(i)); i++) {
		got = guarded(out);
		memset(got, 0x5a, out);
		k.out.data = got;
		if (v->usable())
			v->pool(&k, 0, k.out.h, 0, k.out.c);
		if (v->usable() && !same(want, got, out, &at)) {
			TH_LOG("%s pool", v->name);
			EXPECT_EQ(want[at], got[at]);
		}
		release(got, out);
	}
	release(want, out);
	release(k.in.data, in);
	release(p, (size_t)taps * sizeof(*p));
}

TEST_TIMEOUT(pools_equal_the_scalar_reference, 120)
{
	uint64_t seed = test_seed() + 1;
	int i;

	for (i = 0; i < ROUNDS; i++)
		check_pool(&seed);
}

/* Sums beyond 32 bits wrap, as the specification says, in every variant. */
TEST(accumulators_wrap_modulo_2_to_the_32)
{
	const struct vgg_kernels *v;
	unsigned int i;
	size_t n = 1 << 20;
	int8_t *x = malloc(n), *w = malloc(n);
	struct vgg_qparam p = { .bias = INT32_MAX - 5,
				.mult = 1 << 30,
				.shift = 54 };

	ASSERT_TRUE(x && w);
	memset(x, -128, n);
	memset(w, -127, n);
	/* 2^20 * 128 * 127 = 0x3f8000000; plus the bias, modulo 2^32, over 2^24
	 * rounded: 0xf8000000 + 0x7ffffffa = 0x77fffffa -> 120 */
	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		int8_t y = 0;
		struct vgg_conv_s8 k = {
			.in = { x, n, n, 1, 1, (int)n },
			.out = { &y, 1, 1, 1, 1, 1 },
			.win = { 1, 1, 1, 1, 0, 0, 0, 0 },
			.weight = w,
			.param = &p,
			.lo = -128,
			.hi = 127,
		};
		void *scratch = malloc(v->conv_scratch(&k) + 1);

		v->conv(&k, 0, 1, 0, 1, scratch);
		EXPECT_EQ(120, y);
		free(scratch);
	}
	free(x);
	free(w);
}

TEST(requantisation_rounds_half_up)
{
	struct vgg_qparam p = { .mult = 1, .shift = 1 };

	EXPECT_EQ(1, vgg_requantize(1, &p, -128, 127));
	EXPECT_EQ(0, vgg_requantize(-1, &p, -128, 127));
	EXPECT_EQ(-1, vgg_requantize(-3, &p, -128, 127));
	EXPECT_EQ(2, vgg_requantize(3, &p, -128, 127));
	p.mult = INT32_MIN;
	p.shift = 62;
	EXPECT_EQ(1, vgg_requantize(INT32_MIN, &p, -128, 127));
	p.shift = 1;
	EXPECT_EQ(127, vgg_requantize(INT32_MIN, &p, -128, 127));
	EXPECT_EQ(-128, vgg_requantize(INT32_MAX, &p, -128, 127));
	p.offset = INT32_MIN;
	EXPECT_EQ(127, vgg_requantize(INT32_MIN, &p, -128, 127));
}

TEST(half_precision_is_exact)
{
	unsigned int h;

	for (h = 0; h < 65536; h++) {
		float f = vgg_half_to_float((uint16_t)h);

		if ((h & 0x7fff) > 0x7c00)
			EXPECT_TRUE(isnan(f));
		else if (vgg_float_to_half(f) != h)
			EXPECT_EQ(h, (unsigned int)vgg_float_to_half(f));
	}
	EXPECT_EQ(0x3c00, vgg_float_to_half(1.0f));
	EXPECT_EQ(0x3c00, vgg_float_to_half(1.0f + 0x1p-11f)); /* tie: even */
	EXPECT_EQ(0x3c02, vgg_float_to_half(1.0f + 0x1.8p-10f));
	EXPECT_EQ(0x7bff, vgg_float_to_half(65519.0f));
	EXPECT_EQ(0x7c00, vgg_float_to_half(65520.0f));
	EXPECT_EQ(0x0001, vgg_float_to_half(0x1p-24f));
	EXPECT_EQ(0x0000, vgg_float_to_half(0x1p-25f));
	EXPECT_EQ(0x8001, vgg_float_to_half(-0x1.8p-25f));
	EXPECT_EQ(0x0400, vgg_float_to_half(0x1.ffcp-15f + 0x1p-25f));
}

TEST(variants_can_be_switched_off)
{
	unsetenv("VGG_DISABLE");
	EXPECT_STRNE("scalar", vgg_kernels_best()->name);
	setenv("VGG_DISABLE", "avx2,vector,vectors", 1);
	EXPECT_STREQ("scalar", vgg_kernels_best()->name);
	setenv("VGG_DISABLE", "vectors,scalar", 1);
	EXPECT_STREQ("vector", vgg_kernels_best()->name);
}

/* A naive convolution in double against the packed fp32 one. */
TEST(fp32_convolution_is_right)
{
	uint64_t seed = test_seed() + 2;
	int round;

	for (round = 0; round < ROUNDS / 10; round++) {
		struct conv_case c;
		struct vgg_conv_f32 k = { 0 };
		size_t taps, i, n_in, n_out;
		float *in, *w, *packed, *out, *scratch;
		int y, x, o, a, b, ch;

		while (!random_shape(&c, &seed) || c.k.has_pool)
			;
		k.in_h = c.k.in.h, k.in_w = c.k.in.w, k.in_c = c.k.in.c;
		k.out_h = c.k.out.h, k.out_w = c.k.out.w, k.out_c = c.k.out.c;
		k.win = c.k.win;
		taps = (size_t)(k.win.kernel_h * k.win.kernel_w * k.in_c);
		n_in = (size_t)(k.in_h * k.in_w * k.in_c);
		n_out = (size_t)(k.out_h * k.out_w * k.out_c);
		in = guarded(n_in * 4);
		w = guarded(taps * (size_t)k.out_c * 4);
		packed = guarded(vgg_pack_f32_count((size_t)k.out_c, taps) * 4);
		out = guarded(n_out * 4);
		scratch = guarded(vgg_conv_f32_scratch(&k) * 4);
		for (i = 0; i < n_in; i++)
			in[i] = (float)test_random_in(&seed, -1000, 1000) /
				1000;
		for (i = 0; i < taps * (size_t)k.out_c; i++)
			w[i] = (float)test_random_in(&seed, -1000, 1000) / 1000;
		for (i = 0; i < ((size_t)k.out_c + 15) / 16; i++)
			vgg_pack_f32(w, (size_t)k.out_c, taps, packed, i);
		k.in = in, k.out = out, k.packed = packed;
		vgg_conv_f32_rows(&k, 0, k.out_h, scratch);
		for (y = 0; y < k.out_h; y++)
			for (x = 0; x < k.out_w; x++)
				for (o = 0; o < k.out_c; o++) {
					double sum = 0;
					float *f = w + (size_t)o * taps;

					for (a = 0; a < k.win.kernel_h; a++)
						for (b = 0; b < k.win.kernel_w;
						     b++)
							for (ch = 0;
							     ch < k.in_c;
							     ch++, f++) {
								int iy =
									y * k.win.stride_h -
									k.win.pad_top +
									a;
								int ix =
									x * k.win.stride_w -
									k.win.pad_left +
									b;

								if (iy >= 0 &&
								    iy < k.in_h &&
								    ix >= 0 &&
								    ix < k.in_w)
									sum += (double)*f *
									       (double)in
										       [(iy * k.in_w +
											 ix) *
												k.in_c +
											ch];
							}
					EXPECT_NEAR(sum,
						    (double)out[(y * k.out_w +
								 x) * k.out_c +
								o],
						    1e-3);
				}
		release(in, n_in * 4);
		release(w, taps * (size_t)k.out_c * 4);
		release(packed, vgg_pack_f32_count((size_t)k.out_c, taps) * 4);
		release(out, n_out * 4);
		release(scratch, vgg_conv_f32_scratch(&k) * 4);
	}
}

TEST_HARNESS_MAIN
