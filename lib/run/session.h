/* SPDX-License-Identifier: MIT */
/* Inside sessions: turning inputs into tensors. */
#ifndef VGG_SESSION_H
#define VGG_SESSION_H

#include "model/graph.h"
#include "run/threads.h"

/* NCHW floats to the int8 input tensor, in memory order. */
void vgg_quantize_input(const struct vgg_model *m, struct vgg_threads *threads,
			const float *nchw, int8_t *to);
/* MODEL_SHAPE unless count is what the network takes, NOT_FINITE if a value
 * isn't. */
int vgg_check_input(const struct vgg_model *m, const float *input,
		    size_t count);
int vgg_check_finite(const float *x, size_t count, const char *where,
		     const char *next_step);

#endif
