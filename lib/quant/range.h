/* SPDX-License-Identifier: MIT */
/* Which part of what a tensor takes on is worth representing in 8 bits. */
#ifndef VGG_RANGE_H
#define VGG_RANGE_H

#include "vggaccel.h"

#define VGG_HISTOGRAM_BINS 2048

struct vgg_range {
	float lo, hi; /* lo <= 0 <= hi */
};

struct vgg_histogram {
	float lo, hi; /* extremes, which the bins lie between */
	uint64_t bin[VGG_HISTOGRAM_BINS];
	/* Of them, those that are the least or the greatest of their channel, as
	 * half of all are behind a rectifier. */
	uint64_t cut[VGG_HISTOGRAM_BINS];
};

/* percentile: for that method, 50 to 100. */
struct vgg_range vgg_range_choose(const struct vgg_histogram *h,
				  enum vgg_quantize_method method,
				  double percentile);

#endif
