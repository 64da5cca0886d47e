// SPDX-License-Identifier: MIT
/* Products of rows with a vector, int8, of every set of kernels against the
 * reference; and fp32's. */
#include <math.h>

#include "conv_case.h"

#define ROWS_MAX 16

typedef void (*dot)(const int8_t *x, const int8_t *w, size_t n, int rows,
		    int32_t *acc);

/* Behind acc[r] nothing changes. */
static void check_one(const char *name, dot f, const int8_t *x, const int8_t *w,
		      size_t n, int rows, const int32_t *want, uint64_t *seed)
{
	int32_t *got = guard_new((size_t)rows * sizeof(*got), seed);
	int r;

	f(x, w, n, rows, got);
	for (r = 0; r < rows && want[r] == got[r]; r++)
		;
	if (r < rows) {
		TH_LOG("%s: %zu values, row %d of %d", name, n, r, rows);
		EXPECT_EQ(want[r], got[r]);
	}
	guard_free(got);
}

/* acc[r] for all rows, by every set. */
static void check_dot(const int8_t *x, const int8_t *w, size_t n, int rows,
		      uint64_t *seed)
{
	bool plain = !memchr(w, 0x80, n * (size_t)rows);
	int32_t want[ROWS_MAX];
	const struct vgg_kernels *v;
	unsigned int i;

	vgg_dot_s8_scalar(x, w, n, rows, want);
	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		if (!v->usable())
			continue;
		check_one(v->name, v->dot_s8, x, w, n, rows, want, seed);
		if (plain && v->dot_s8_plain)
			check_one(v->name, v->dot_s8_plain, x, w, n, rows, want,
				  seed);
	}
}

/* -127 for -128. */
static void make_plain(int8_t *w, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		w[i] = w[i] == -128 ? -127 : w[i];
}

static void check_random(size_t n, int rows, uint64_t *seed)
{
	int8_t *x = guard_new(n, seed), *w = guard_new(n * (size_t)rows, seed);

	fill(x, n, test_random(seed) % KINDS, 1, seed);
	fill(w, n * (size_t)rows, test_random(seed) % KINDS, 1, seed);
	if (test_random(seed) & 1)
		make_plain(w, n * (size_t)rows);
	guard_seal(x);
	guard_seal(w);
	check_dot(x, w, n, rows, seed);
	guard_free(x);
	guard_free(w);
}

/* Guarded memory begins and ends anywhere: every alignment. */
TEST_TIMEOUT(dots_equal_the_reference, 120)
{
	uint64_t seed = test_seed();
	int i;

	for (i = 0; i < rounds(2000) && !test_state.failed; i++)
		check_random((size_t)random_size(&seed, 2000),
			     (int)test_random_in(&seed, 1, ROWS_MAX), &seed);
}

TEST(every_short_length_equals_the_reference)
{
	uint64_t seed = test_seed() + 1;
	size_t n;

	for (n = 1; n <= 300; n += test_emulated() ? 7 : 1)
		check_random(n, (int)(n % ROWS_MAX) + 1, &seed);
}

/* 2^17 products of -128 reach 2^31. */
TEST(long_sums_wrap)
{
	static const int8_t value[][2] = {
		{ -128, -128 }, { -128, 127 }, { -128, -127 }, { 127, 127 }
	};
	uint64_t seed = test_seed() + 2;
	size_t n = (1 << 17) + 77, i;
	int8_t *x, *w;

	for (i = 0; i < sizeof(value) / sizeof(*value); i++) {
		x = guard_new(n, &seed);
		w = guard_new(3 * n, &seed);
		memset(x, value[i][0], n);
		memset(w, value[i][1], 3 * n);
		check_dot(x, w, n, 3, &seed);
		guard_free(x);
		guard_free(w);
	}
}

/* Behind 2^18 products of -128 * -128 the sum is 2^32, and so 0 again. */
TEST(sums_are_taken_modulo_2_to_the_32)
{
	const struct vgg_kernels *v;
	size_t n = (1 << 18) + 1;
	int8_t *x = malloc(n);
	unsigned int i;

	ASSERT_TRUE(x != NULL);
	memset(x, -128, n);
	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		int32_t acc = -1;

		if (!v->usable())
			continue;
		v->dot_s8(x, x, n, 1, &acc);
		EXPECT_EQ(128 * 128, acc);
	}
	free(x);
}

/*
 * Weights that may hold -128 or not, by tasks of filters: what runs learn about
 * them must hold for the runs that follow, whatever their ranges. Inputs and
 * weights are the largest there are, so that the wrong kernel would show.
 */
static void spread_lowest(int8_t *w, size_t taps, int filters, uint64_t *seed)
{
	int f, i;

	make_plain(w, taps * (size_t)filters);
	for (f = 0; f < filters; f++, w += taps) {
		if (test_random(seed) % 4)
			memset(w, test_random(seed) & 1 ? 127 : -127, taps);
		/* In one filter of a task or in none, as a rule. */
		for (i = test_random(seed) % 24 ? 0 : 200; i > 0; i--)
			w[test_random(seed) % taps] = -128;
	}
}

/* Begins where a task does, ends anywhere. */
static struct vgg_conv_range some_filters(const struct vgg_ready_s8 *r,
					  uint64_t *seed)
{
	int grain = vgg_ready_s8_grain(r), n = r->k.out.c;
	int c0 = (int)test_random_in(seed, 0, (n - 1) / grain) * grain;

	return (struct vgg_conv_range){ 0, 1, c0,
					(int)test_random_in(seed, c0 + 1, n) };
}

static void check_runs(const struct conv_case *c, const struct vgg_kernels *v,
		       uint64_t *seed)
{
	int8_t *got = guard_new(c->out_bytes, seed);
	struct vgg_conv_range range;
	struct vgg_ready_s8 r;
	struct shuffle shuffle = { 3, test_random(seed) };
	const struct vgg_team team = team_shuffled(&shuffle);
	char *space;
	int i;

	vgg_ready_s8_init(&r, v, &c->k, (struct vgg_l2){ 0, 1 });
	EXPECT_TRUE(r.way == VGG_WAY_DOT || !v->direct_s8);
	r.c.packed = guard_new_aligned(r.c.packed_bytes, seed);
	for (i = 0; i < vgg_ready_s8_blocks(&r); i++)
		vgg_ready_s8_pack(&r, i);
	space = guard_new_aligned(vgg_ready_s8_workspace(&r, 3), seed);
	for (i = 0; i < 4; i++) {
		range = some_filters(&r, seed);
		vgg_ready_s8_run(&r, c->k.in.data, got, &range, &team, space);
	}
	/* Now the first learns the rest, and the second uses all. */
	for (i = 0; i < 2; i++) {
		memset(got, 0x5a, c->out_bytes); /* as conv_case_want() does */
		vgg_ready_s8_run(&r, c->k.in.data, got, &c->range, &team,
				 space);
		if (first_difference(c->k.out.data, got, c->out_bytes) <
		    c->out_bytes)
			test_fail(__FILE__, __LINE__, "%s: run %d differs",
				  v->name, i);
	}
	guard_free(space);
	guard_free(r.c.packed);
	guard_free(got);
}

TEST_TIMEOUT(what_runs_learn_about_weights_is_true, 120)
{
	uint64_t seed = test_seed() + 3;
	const struct vgg_kernels *v;
	struct conv_case c;
	unsigned int i;
	int round;

	for (round = 0; round < rounds(300) && !test_state.failed; round++) {
		size_t taps;

		conv_case_shape(&c, PRODUCT, &seed);
		c.k.in.pixel = 1;
		c.k.has_pool = false;
		c.k.out.h = c.k.out.w = 1;
		c.range = (struct vgg_conv_range){ 0, 1, 0, c.k.out.c };
		conv_case_fill(&c, &seed);
		taps = (size_t)c.k.in.h * (size_t)c.k.in.w * (size_t)c.k.in.c;
		spread_lowest((int8_t *)c.k.weight, taps, c.k.out.c, &seed);
		if (test_random(&seed) & 1)
			memset(c.k.in.data, -128, taps);
		conv_case_focus(&c, &seed);
		conv_case_want(&c);
		for (i = 0; (v = vgg_kernels_get(i)); i++)
			if (v->usable())
				check_runs(&c, v, &seed);
		conv_case_free(&c);
	}
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

TEST_HARNESS_MAIN
