/* SPDX-License-Identifier: MIT */
/* Real factors as an integer and a shift; see section 5 of vggaccel_hw.h. */
#ifndef VGG_MULTIPLIER_H
#define VGG_MULTIPLIER_H

#include "model/graph.h"

/* mult / 2^shift nearest to `real`; |mult| < 2^31, 1 <= shift <= 62. Sets only
 * these two. */
void vgg_multiplier(double real, struct vgg_qparam *p);

/* One near factor / divisor (both > 0) with which each accumulator gives the
 * int8 value that it gives in single precision, zero + rint(acc * factor /
 * divisor); if there is none, the nearest. */
void vgg_multiplier_like(float factor, float divisor, int zero,
			 struct vgg_qparam *p);

#endif
