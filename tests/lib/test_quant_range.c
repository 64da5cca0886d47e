// SPDX-License-Identifier: MIT
/* Ranges of activations, from histograms whose best ones are known. */
#include <math.h>
#include <stdlib.h>

#include "quant/calibrate.h"
#include "quant/range.h"
#include "vgg_harness.h"

static struct vgg_histogram *histogram(float lo, float hi)
{
	struct vgg_histogram *h = calloc(1, sizeof(*h));

	ASSERT_TRUE(h != NULL);
	h->lo = lo;
	h->hi = hi;
	return h;
}

/* A bell between the extremes -8 and 8, with n values at 8. */
static struct vgg_histogram *bell(uint64_t outliers)
{
	struct vgg_histogram *h = histogram(-8, 8);
	double v;
	int i;

	for (i = 0; i < VGG_HISTOGRAM_BINS; i++) {
		v = -8 + (i + 0.5) * 16 / VGG_HISTOGRAM_BINS;
		h->bin[i] = (uint64_t)(1e5 * exp(-v * v / 2));
	}
	h->bin[VGG_HISTOGRAM_BINS - 1] = outliers;
	return h;
}

/* Share of the values outside of lo..hi. */
static double outside(const struct vgg_histogram *h, struct vgg_range r)
{
	double all = 0, out = 0, v;
	int i;

	for (i = 0; i < VGG_HISTOGRAM_BINS; i++) {
		v = (double)h->lo + (i + 0.5) *
					    ((double)h->hi - (double)h->lo) /
					    VGG_HISTOGRAM_BINS;
		all += (double)h->bin[i];
		if (v < (double)r.lo || v > (double)r.hi)
			out += (double)h->bin[i];
	}
	return out / all;
}

TEST(minmax_takes_the_extremes)
{
	struct vgg_histogram *h = bell(1);
	struct vgg_range r = vgg_range_choose(h, VGG_QUANTIZE_MINMAX, 0);

	EXPECT_EQ(0, memcmp(&r, &(struct vgg_range){ -8, 8 }, sizeof(r)));
	free(h);
}

TEST(percentile_cuts_off_its_share)
{
	static const double p[] = { 50, 90, 99, 99.9, 99.99, 100 };
	struct vgg_histogram *h = bell(3);
	struct vgg_range r;
	unsigned int i;

	for (i = 0; i < sizeof(p) / sizeof(*p); i++) {
		r = vgg_range_choose(h, VGG_QUANTIZE_PERCENTILE, p[i]);
		EXPECT_LE(outside(h, r), 2 * (100 - p[i]) / 100 + 1e-12);
		/* By a bin at each end, whose densest has 0.32 %. */
		EXPECT_GE(outside(h, r), 2 * (100 - p[i]) / 100 - 0.0065);
		EXPECT_LE((double)r.lo, 0);
		EXPECT_GE((double)r.hi, 0);
	}
	free(h);
}

/* Half of the values at 0, as behind a ReLU. */
TEST(percentile_keeps_zero_in_the_range)
{
	struct vgg_histogram *h = histogram(0, 10);
	struct vgg_range r;

	h->bin[0] = 1000;
	h->bin[1024] = 500;
	h->bin[1900] = 500;
	r = vgg_range_choose(h, VGG_QUANTIZE_PERCENTILE, 70);
	EXPECT_EQ(0, (double)r.lo != 0);
	EXPECT_NEAR(5, (double)r.hi, 0.01);
	free(h);
}

/* The few values far out cost less when they are clipped; the many don't. */
TEST(searches_clip_what_is_rare)
{
	static const enum vgg_quantize_method methods[] = {
		VGG_QUANTIZE_MSE, VGG_QUANTIZE_ENTROPY
	};
	struct vgg_histogram *rare = bell(2), *many = bell(5000000);
	struct vgg_range r;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		r = vgg_range_choose(rare, methods[i], 0);
		EXPECT_LE((double)r.hi, 6.5);
		EXPECT_GE((double)r.hi, 2.5);
		EXPECT_LE(outside(rare, r), 0.02);
		r = vgg_range_choose(many, methods[i], 0);
		EXPECT_GE((double)r.hi, 7.5);
	}
	free(rare);
	free(many);
}

/* As behind ReLU and BatchNorm: half of all values are their channel's shift, low
 * down, the others fall off above it up to a few high ones. */
static struct vgg_histogram *normed(void)
{
	struct vgg_histogram *h = histogram(-0.5f, 12);
	double v;
	int i;

	for (i = 0; i < VGG_HISTOGRAM_BINS; i++) {
		v = -0.5 + (i + 0.5) * 12.5 / VGG_HISTOGRAM_BINS;
		h->bin[i] = (uint64_t)(4e4 * exp(-(v + 0.5) / 0.9));
	}
	for (i = 1; i < 80; i += 9)
		h->bin[i] += 500000;
	h->bin[VGG_HISTOGRAM_BINS - 1] = 1;
	return h;
}

/* Nearly all are 0, the others below 1 but for a few. */
static struct vgg_histogram *rectified(void)
{
	struct vgg_histogram *h = histogram(0, 2);
	int i;

	h->bin[0] = 1000000;
	for (i = 0; i < VGG_HISTOGRAM_BINS / 2; i++)
		h->bin[i]++;
	h->bin[VGG_HISTOGRAM_BINS - 1] = 10;
	return h;
}

/* Sum of squares, of values in the middle of their bins. */
static double error_of(const struct vgg_histogram *h, struct vgg_range r)
{
	struct vgg_quant q = vgg_quant_of(r);
	double v, y, error = 0;
	int i;

	for (i = 0; i < VGG_HISTOGRAM_BINS; i++) {
		v = (double)h->lo + (i + 0.5) *
					    ((double)h->hi - (double)h->lo) /
					    VGG_HISTOGRAM_BINS;
		y = fmin(fmax(nearbyint(v / (double)q.scale) + q.zero, -128),
			 127);
		y = (y - q.zero) * (double)q.scale;
		error += (double)h->bin[i] * (v - y) * (v - y);
	}
	return error;
}

/* One end is worth cutting, the other is where the values are. */
TEST(searches_move_the_ends_apart)
{
	static const enum vgg_quantize_method methods[] = {
		VGG_QUANTIZE_MSE, VGG_QUANTIZE_ENTROPY
	};
	struct vgg_histogram *h = normed();
	struct vgg_range r;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		r = vgg_range_choose(h, methods[i], 0);
		TH_LOG("%g to %g", (double)r.lo, (double)r.hi);
		EXPECT_LE((double)r.lo, -0.49);
		EXPECT_LE((double)r.hi, 11);
		EXPECT_LE(outside(h, r), 0.001);
	}
	free(h);
}

/* Zeros are exact in each range: a finer one gains nothing for them. */
TEST(least_error_is_not_for_zeros)
{
	struct vgg_histogram *h = rectified();
	struct vgg_range r = vgg_range_choose(h, VGG_QUANTIZE_MSE, 0);

	EXPECT_TRUE(r.lo == 0);
	EXPECT_GE((double)r.hi, 1.98);
	free(h);
}

TEST(least_error_is_no_more_than_of_the_extremes)
{
	struct vgg_histogram *h[] = { bell(1), bell(50), bell(100000), normed(),
				      rectified() };
	struct vgg_range all, least;
	unsigned int i;

	for (i = 0; i < sizeof(h) / sizeof(*h); i++) {
		all = vgg_range_choose(h[i], VGG_QUANTIZE_MINMAX, 0);
		least = vgg_range_choose(h[i], VGG_QUANTIZE_MSE, 0);
		EXPECT_LE(error_of(h[i], least), error_of(h[i], all) * 1.0001);
		free(h[i]);
	}
}

/* As the same values without what the rectifier cut off, if that is known. */
TEST(divergence_is_not_of_what_was_cut_off)
{
	struct vgg_histogram *plain = bell(2), *much = bell(2);
	struct vgg_range want, got;
	uint64_t seed = 3;
	int i;

	for (i = 900; i < 1100; i++) {
		much->cut[i] = test_random_in(&seed, 0, 300000);
		much->bin[i] += much->cut[i];
	}
	want = vgg_range_choose(plain, VGG_QUANTIZE_ENTROPY, 0);
	got = vgg_range_choose(much, VGG_QUANTIZE_ENTROPY, 0);
	/* The tail is a smaller share of all. */
	EXPECT_LE((double)got.lo, (double)want.lo);
	EXPECT_GE((double)got.hi, (double)want.hi);
	EXPECT_NEAR(0, outside(much, got), 1e-3);
	free(plain);
	free(much);
}

TEST(dead_tensors_have_some_range)
{
	struct vgg_histogram *h = histogram(0, 0);
	struct vgg_range r;
	int method;

	h->bin[0] = 12345;
	for (method = 0; method <= VGG_QUANTIZE_ENTROPY; method++) {
		r = vgg_range_choose(h, (enum vgg_quantize_method)method,
				     99.99);
		EXPECT_TRUE(r.lo == 0 && r.hi == 0);
	}
	h->hi = 1; /* and one of which only the last bin is used */
	h->bin[0] = 0;
	h->bin[VGG_HISTOGRAM_BINS - 1] = 7;
	for (method = 0; method <= VGG_QUANTIZE_ENTROPY; method++) {
		r = vgg_range_choose(h, (enum vgg_quantize_method)method,
				     99.99);
		EXPECT_TRUE(r.lo <= 0 && r.hi > 0.2f);
	}
	free(h);
}

TEST_HARNESS_MAIN
