// SPDX-License-Identifier: MIT
/*
 * int8 convolutions of every set of kernels against the scalar reference, byte
 * for byte, on random shapes and extreme values. The reference itself is tested
 * against the simulated card in tests/lib/test_run.c, and so against its
 * independent tests. Winograd has tests of its own in test_winograd.c.
 */
#include "conv_case.h"

/* The set's own choice of a way. */
static bool check_ready(const struct conv_case *c, uint64_t *seed)
{
	const struct vgg_kernels *v;
	bool good = true;
	unsigned int i;

	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		struct conv_how how = { .name = v->name, .kernels = v };

		if (v->usable())
			good &= conv_case_check(c, &how, seed);
	}
	return good;
}

static void check_rounds(enum shape_kind kind, uint64_t seed, int n)
{
	struct conv_case c;
	bool good = true;
	int i;

	for (i = 0; i < n && good; i++) {
		conv_case_new(&c, kind, &seed);
		good = check_ready(&c, &seed);
		conv_case_free(&c);
		if (!good)
			TH_LOG("in round %d", i);
	}
}

TEST_TIMEOUT(convolutions_equal_the_reference, 120)
{
	check_rounds(ANY, test_seed(), rounds(600));
}

TEST_TIMEOUT(winograd_convolutions_equal_the_reference, 120)
{
	check_rounds(WINOGRAD, test_seed() + 1, rounds(600));
}

TEST_TIMEOUT(products_equal_the_reference, 120)
{
	check_rounds(PRODUCT, test_seed() + 2, rounds(1200));
}

/* Which way a shape takes, where a set has all. */
TEST(shapes_take_the_way_that_suits_them)
{
	const struct vgg_kernels *v;
	struct conv_case c;
	struct vgg_ready_s8 r;
	uint64_t seed = test_seed() + 3;
	unsigned int i;
	int round;

	for (round = 0; round < rounds(300); round++) {
		enum shape_kind kind = test_random(&seed) % 3;

		conv_case_shape(&c, kind, &seed);
		c.k.in.pixel = (size_t)c.k.in.c;
		c.k.in.pitch = c.k.in.pixel * (size_t)c.k.in.w;
		for (i = 0; (v = vgg_kernels_get(i)); i++) {
			vgg_ready_s8_init(&r, v, &c.k,
					  (struct vgg_l2){ 1 << 20, 1 });
			if (!v->direct_s8)
				EXPECT_TRUE(r.way == VGG_WAY_SCALAR);
			else if (kind == PRODUCT)
				EXPECT_TRUE(r.way == VGG_WAY_DOT);
			else if (kind == WINOGRAD && v->winograd_s8 &&
				 c.h * c.w > 1)
				EXPECT_TRUE(r.way == VGG_WAY_WINOGRAD);
		}
	}
}

/* The direct engine takes every shape, also where another way is faster. */
static bool check_direct(struct conv_case *c, uint64_t *seed)
{
	const struct vgg_kernels *v;
	bool good = true;
	unsigned int i;

	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		struct conv_how how = { .name = v->name,
					.engine = v->direct_s8 };

		if (!v->usable() || !v->direct_s8)
			continue;
		for (how.gemm = 0; how.gemm < 2; how.gemm++)
			good &= conv_case_check(c, &how, seed);
	}
	return good;
}

TEST_TIMEOUT(direct_engines_equal_the_reference, 120)
{
	uint64_t seed = test_seed() + 4;
	struct conv_case c;
	bool good = true;
	int i;

	for (i = 0; i < rounds(1000) && good; i++) {
		conv_case_shape(&c, test_random(&seed) % 3, &seed);
		c.k.has_pool = false; /* is another kernel's */
		c.k.out.h = c.h;
		c.k.out.w = c.w;
		c.range = (struct vgg_conv_range){ 0, c.h, 0, c.k.out.c };
		c.k.in.pixel = test_random(&seed) & 1;
		conv_case_fill(&c, &seed);
		if (test_random(&seed) & 1)
			conv_case_focus(&c, &seed);
		conv_case_want(&c);
		good = check_direct(&c, &seed);
		conv_case_free(&c);
	}
}

/*
 * What follows the accumulators, for one pixel and many filters: every bias,
 * multiplier, offset and shift that the specification knows.
 */
static void check_parameters(uint64_t *seed)
{
	struct conv_case c = { .h = 1, .w = 1 };
	struct vgg_conv_s8 *k = &c.k;

	k->in.h = k->in.w = (int)test_random_in(seed, 1, 2);
	k->in.c = (int)test_random_in(seed, 1, 3);
	k->out.h = k->out.w = 1;
	k->out.c = (int)test_random_in(seed, 1, 100);
	/* Winograd and direct: one pixel each, and not all of the input */
	k->win = k->in.h == 1 ? (struct vgg_window){ 3, 3, 1, 1, 1, 1, 1, 1 } :
				(struct vgg_window){ 1, 1, 2, 2, 0, 0, 0, 0 };
	k->pad_value = (int)test_random_in(seed, -128, 127);
	k->relu = test_random(seed) & 1;
	k->lo = (int)test_random_in(seed, -128, 127);
	k->hi = (int)test_random_in(seed, k->lo, 127);
	if (test_random(seed) & 1) {
		k->lo = -128;
		k->hi = 127;
	}
	c.range = (struct vgg_conv_range){ 0, 1, 0, k->out.c };
	conv_case_fill(&c, seed);
	fill_params_extreme((struct vgg_qparam *)k->param, k->out.c, seed);
	conv_case_want(&c);
	check_ready(&c, seed);
	conv_case_free(&c);
}

TEST_TIMEOUT(all_parameters_give_the_same_results, 120)
{
	uint64_t seed = test_seed() + 5;
	int i;

	for (i = 0; i < rounds(2000) && !test_state.failed; i++)
		check_parameters(&seed);
}

/* Offsets that saturating 16-bit sums would get wrong, right beside those that
 * they don't. */
TEST(offsets_beyond_16_bits_are_exact)
{
	static const int32_t offset[] = {
		31999, 32000, 32001,	 32767,	   32768,  32895,
		32896, 40000, -32000,	 -32001,   -32768, -32896,
		65535, 65536, INT32_MAX, INT32_MIN
	};
	uint64_t seed = test_seed() + 6;
	size_t i, k;

	for (i = 0; i < 2 * sizeof(offset) / sizeof(*offset); i++) {
		int32_t o = offset[i / 2];
		struct vgg_qparam *p;
		struct conv_case c;

		conv_case_shape(&c, i & 1 ? WINOGRAD : ANY, &seed);
		conv_case_fill(&c, &seed);
		p = (struct vgg_qparam *)c.k.param;
		/* acc * 2^16 + 2^15 >> 16 is acc: around the offset's opposite */
		for (k = 0; k < (size_t)c.k.out.c; k++)
			p[k] = (struct vgg_qparam){
				.bias = (int32_t)(0u - (uint32_t)o -
						  conv_case_sum(&c, 0, 0,
								(int)k)),
				.mult = 1 << 16,
				.offset = o,
				.shift = 16
			};
		conv_case_want(&c);
		check_ready(&c, &seed);
		conv_case_free(&c);
	}
}

/* Sums beyond 32 bits wrap, as the specification says, in every variant. */
static void check_wrapping(const struct conv_how *how, int8_t *x, int8_t *w,
			   int n, int pixels)
{
	const int out_w = pixels == 1 ? 1 : 2;
	/* 2^20 * 128 * 127 = 0x3f8000000; plus the bias, modulo 2^32, over 2^24
	 * rounded: 0xf8000000 + 0x7ffffffa = 0x77fffffa -> 120 */
	struct vgg_qparam p = { .bias = INT32_MAX - 5,
				.mult = 1 << 30,
				.shift = 54 };
	int8_t y[2] = { 0, 0 };
	struct conv_case c = {
		.k = { .in = { x, (size_t)n, (size_t)n, 1, pixels, n },
		       .out = { y, 2, 1, 1, out_w, 1 },
		       .win = { 1, 1, 1, 1, 0, 0, 0, 0 },
		       .weight = w,
		       .param = &p,
		       .lo = -128,
		       .hi = 127 },
		.h = 1,
		.w = out_w,
		.range = { 0, 1, 0, 1 },
	};
	uint64_t seed = test_seed() + 7;

	conv_case_run(&c, how, y, &seed);
	EXPECT_EQ(120, y[0]);
	if (pixels > 1)
		EXPECT_EQ(120, y[1]);
}

TEST(accumulators_wrap_modulo_2_to_the_32)
{
	const struct vgg_kernels *v;
	unsigned int i;
	int n = 1 << 20;
	int8_t *x = malloc(2u << 20), *w = malloc(1u << 20);

	ASSERT_TRUE(x && w);
	memset(x, -128, 2u << 20);
	memset(w, -127, 1u << 20);
	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		struct conv_how how = { .name = v->name, .kernels = v };

		if (!v->usable())
			continue;
		check_wrapping(&how, x, w, n, 1);
		if (test_emulated()) /* packing takes its time */
			continue;
		check_wrapping(&how, x, w, n, 2);
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

TEST_HARNESS_MAIN
