// SPDX-License-Identifier: MIT
/* Ranges of activations, from histograms whose best ones are known. */
#include <math.h>
#include <stdlib.h>

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
