/* SPDX-License-Identifier: MIT */
/* The integer form of a network whose activations' ranges are known. */
#ifndef VGG_QUANTIZE_H
#define VGG_QUANTIZE_H

#include "kernels/kernels.h"
#include "model/graph.h"

struct vgg_calibration;

/* The accumulator must not overflow: |bias| and the sum of |w| * 128 together
 * stay below 2^31. */
#define VGG_ACC_MAX 2147483647.0

/* What would fail later, before anything is changed. */
int vgg_quantize_check(struct vgg_model *m);
/* The imported graph fixes all scales: no calibration is needed. */
bool vgg_quantize_is_given(const struct vgg_model *m);
/* Instead of an integer form that is there. `calibration` may be NULL if scales
 * are given. After a failure there is no integer form. */
int vgg_quantize_layers(struct vgg_model *m,
			const struct vgg_calibration *calibration);
/* There is no integer form any more. */
void vgg_quantize_forget(struct vgg_model *m);

#endif
