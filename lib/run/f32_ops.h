/* SPDX-License-Identifier: MIT */
/* One layer in floating point; internal to f32.c. */
#ifndef VGG_RUN_F32_OPS_H
#define VGG_RUN_F32_OPS_H

#include "kernels/conv_f32.h"
#include "model/graph.h"
#include "run/threads.h"

struct vgg_f32_step {
	const struct vgg_layer *layer;
	const struct vgg_ready_f32 *ready; /* convolutions over images */
	struct vgg_threads *threads;
	const struct vgg_engine *dot; /* for convolutions over vectors */
	const float *in;
	float *out;
	float *wide; /* room for what a fused pool reads, or a softmax sorts */
	char *workspace;
};

/* A convolution over images, as its kernel sees it. */
struct vgg_conv_f32 vgg_f32_conv(const struct vgg_layer *l);
/* Floats that a step needs as `wide`; ready may be NULL if the layer has none. */
int64_t vgg_f32_wide(const struct vgg_layer *l,
		     const struct vgg_ready_f32 *ready);

/* A tensor whose scale the imported graph fixed is rounded to it in fp32 too. */
void vgg_f32_pin(const struct vgg_quant *q, float *x, int64_t n);
void vgg_f32_layer(const struct vgg_f32_step *s);

#endif
