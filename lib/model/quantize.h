/* SPDX-License-Identifier: MIT */
/* Internal parts of quantize.c that tests and others use. */
#ifndef VGG_QUANTIZE_H
#define VGG_QUANTIZE_H

#include "kernels/kernels.h"

/* mult / 2^shift nearest to `real`; |mult| < 2^31, 1 <= shift <= 62. Sets only
 * these two. */
void vgg_multiplier(double real, struct vgg_qparam *p);

#endif
