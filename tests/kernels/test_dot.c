// SPDX-License-Identifier: MIT
/* Products of rows with a vector, int8, of every set of kernels against the
 * reference; and fp32's. */
#include <math.h>

#include "support.h"

#define ROWS_MAX 16

/* acc[r] for all rows, by every set, behind which nothing changes. */
static void check_dot(const int8_t *x, const int8_t *w, size_t n, int rows,
		      uint64_t *seed)
{
	int32_t want[ROWS_MAX], *got;
	const struct vgg_kernels *v;
	unsigned int i;
	int r;

	vgg_dot_s8_scalar(x, w, n, rows, want);
	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		if (!v->usable())
			continue;
		got = guard_new((size_t)rows * sizeof(*got), seed);
		v->dot_s8(x, w, n, rows, got);
		for (r = 0; r < rows && want[r] == got[r]; r++)
			;
		if (r < rows) {
			TH_LOG("%s: %zu values, row %d of %d", v->name, n, r,
			       rows);
			EXPECT_EQ(want[r], got[r]);
		}
		guard_free(got);
	}
}

static void check_random(size_t n, int rows, uint64_t *seed)
{
	int8_t *x = guard_new(n, seed), *w = guard_new(n * (size_t)rows, seed);

	fill(x, n, test_random(seed) % KINDS, 1, seed);
	fill(w, n * (size_t)rows, test_random(seed) % KINDS, 1, seed);
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
	static const int8_t value[][2] = { { -128, -128 },
					   { -128, 127 },
					   { 127, 127 } };
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
