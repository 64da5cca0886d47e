/* SPDX-License-Identifier: MIT */
/* Channels that are dead by their weights. */
#ifndef VGG_QUANT_DEAD_H
#define VGG_QUANT_DEAD_H

#include "model/graph.h"
#include "quant/calibrate.h"

/* How many of the layer's output channels have one value whatever its input is, as
 * long as each channel of that is between its extremes in `in`. */
unsigned int vgg_dead_channels(const struct vgg_layer *l,
			       const struct vgg_activation *in);

#endif
