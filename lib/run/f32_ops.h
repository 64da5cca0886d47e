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
	float *wide; /* room for what a fused pool reads, or a softmax sorts */
	float *scratch;	     /* VGG_F32_TASKS per thread */
	size_t scratch_task; /* floats of each */
};

#define VGG_F32_TASKS 4
/* Floats that a step needs as scratch_task, and as wide. */
size_t vgg_f32_scratch(const struct vgg_layer *l);
int64_t vgg_f32_wide(const struct vgg_layer *l);

/* A tensor whose scale the imported graph fixed is rounded to it in fp32 too. */
void vgg_f32_pin(const struct vgg_quant *q, float *x, int64_t n);
void vgg_f32_layer(const struct vgg_f32_step *s);

#endif
