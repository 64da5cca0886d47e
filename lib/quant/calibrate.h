/* SPDX-License-Identifier: MIT */
/*
 * Calibration: what each activation takes on over the samples, in fp32, and which
 * part of it is worth representing in 8 bits.
 */
#ifndef VGG_CALIBRATE_H
#define VGG_CALIBRATE_H

#include "quant/range.h"
#include "quant/samples.h"
#include "run/threads.h"

/* Of tensor 0, the input, and i + 1, the output of layer i. */
struct vgg_activation {
	struct vgg_range extremes, range;
	size_t channels;
	struct vgg_range *channel; /* extremes of each */
};

struct vgg_calibration {
	struct vgg_activation *tensors; /* 1 + layers */
	unsigned int count;
};

/* Two passes over the samples; see range.h for method and percentile. What it
 * finds is freed by vgg_calibration_clear(), also after a failure. CALIBRATION if
 * activations overflow. */
int vgg_calibrate_tensors(struct vgg_samples *s, struct vgg_threads *threads,
			  enum vgg_quantize_method method, double percentile,
			  struct vgg_calibration *c);
void vgg_calibration_clear(struct vgg_calibration *c);

/* Scale and zero point for a range: 255 steps, 0 is represented exactly. */
struct vgg_quant vgg_quant_of(struct vgg_range r);

#endif
