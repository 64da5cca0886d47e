/* SPDX-License-Identifier: MIT */
/*
 * Calibration: what range each activation takes on typical inputs, and which
 * part of it is worth representing in 8 bits.
 */
#ifndef VGG_CALIBRATE_H
#define VGG_CALIBRATE_H

#include "model/graph.h"

struct vgg_range {
	float lo, hi; /* lo <= 0 <= hi */
};

/* ranges[0]: the input, ranges[1 + i]: the output of layer i. Also sets
 * m->calibration. */
int vgg_find_ranges(struct vgg_model *m, const struct vgg_quantize_options *o,
		    struct vgg_range *ranges);

/* Scale and zero point for a range: 255 steps, 0 is represented exactly. */
struct vgg_quant vgg_quant_of(struct vgg_range r);

#endif
