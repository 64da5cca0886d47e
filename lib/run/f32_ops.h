/* SPDX-License-Identifier: MIT */
/* One layer in floating point; internal to f32.c. */
#ifndef VGG_RUN_F32_OPS_H
#define VGG_RUN_F32_OPS_H

#include "model/graph.h"
#include "run/threads.h"

struct vgg_f32_weights {
	float *packed; /* convolutions over images */
};

struct vgg_f32_step {
	const struct vgg_layer *layer;
	const struct vgg_f32_weights *weights;
	struct vgg_threads *threads;
	const float *in;
	float *out;
	float *wide; /* room for what a fused pool reads */
};

/* A tensor whose scale the imported graph fixed is rounded to it in fp32 too. */
void vgg_f32_pin(const struct vgg_quant *q, float *x, int64_t n);
void vgg_f32_layer(const struct vgg_f32_step *s);

#endif
