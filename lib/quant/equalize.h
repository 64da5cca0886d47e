/* SPDX-License-Identifier: MIT */
/* Cross-layer equalisation; see equalize.c. */
#ifndef VGG_EQUALIZE_H
#define VGG_EQUALIZE_H

#include "quant/calibrate.h"

/* The layer that follows CONV i with nothing between that a factor per channel
 * couldn't pass through; 0: there is none. */
unsigned int vgg_equalize_partner(const struct vgg_model *m, unsigned int i);

/* What was done to the outputs of a CONV: each channel was divided by 2^exponent. */
struct vgg_equalized {
	int **exponent;	    /* per layer; NULL: nothing */
	unsigned int count; /* layers */
	unsigned int pairs; /* that changed */
};

/* c: of the network as it is. The fp32 network stays the same to the bit, as long
 * as no number leaves the range of normal floats. */
int vgg_equalize(struct vgg_model *m, const struct vgg_calibration *c,
		 struct vgg_equalized *e);
/* Takes it back. */
void vgg_equalize_undo(struct vgg_model *m, const struct vgg_equalized *e);
void vgg_equalized_clear(struct vgg_equalized *e);

#endif
