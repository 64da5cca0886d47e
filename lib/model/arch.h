/* SPDX-License-Identifier: MIT */
/*
 * Architectures by name. A plan lists the steps of one for an input size and a
 * number of classes; vgg_plan_build() makes layers of it, weights.c compares it
 * with the tensors of a file.
 */
#ifndef VGG_ARCH_H
#define VGG_ARCH_H

#include "model/graph.h"

#define VGG_ARCH_STEPS 96
#define VGG_NORM_EPSILON 1e-5 /* PyTorch's default for BatchNorm */

struct vgg_arch;

enum vgg_arch_kind {
	VGG_STEP_CONV,
	VGG_STEP_RELU,
	VGG_STEP_NORM,
	VGG_STEP_LRN,
	VGG_STEP_POOL,
	VGG_STEP_FLATTEN,
	VGG_STEP_LINEAR,
	VGG_STEP_SOFTMAX,
	VGG_STEP_LOGSOFTMAX,
};

struct vgg_arch_step {
	enum vgg_arch_kind kind;
	char name[24];	 /* torchvision's, "features.0" */
	int in_c, out_c; /* channels; equal unless CONV, LINEAR or FLATTEN */
	int kernel, pad; /* CONV and POOL */
};

struct vgg_arch_plan {
	const struct vgg_arch *arch;
	const char *name;
	int input; /* height and width */
	int side;  /* height and width behind the last feature */
	int classes;
	unsigned int count;
	struct vgg_arch_step steps[VGG_ARCH_STEPS];
};

/* input and classes: 0 for the usual ones. MODEL_UNSUPPORTED if the name is
 * unknown, MODEL_SHAPE if the input is too small. */
int vgg_arch_plan(const char *name, int input, int classes,
		  struct vgg_arch_plan *plan);
/* The roundest input size for which the features end in side x side, 0 if there
 * is none. */
int vgg_arch_input_for(const char *name, int side);
/* False for an architecture whose tensors another one has, too: it is never
 * concluded from a file, only taken if named. */
bool vgg_arch_guessable(const char *name);
/* "conv, relu, bn": where the BatchNorms are; NULL if there are none. */
const char *vgg_plan_norm_order(const struct vgg_arch_plan *plan);
/* Channels of the last feature. */
int vgg_plan_channels(const struct vgg_arch_plan *plan);
/* Appends the plan's layers, weights zeroed, to an empty model and sets its
 * input, architecture and preprocessing. */
int vgg_plan_build(const struct vgg_arch_plan *plan, struct vgg_model *m);

/*
 * BatchNorm's inference form: scale = gamma / sqrt(var + epsilon), shift =
 * beta - mean * scale. MODEL_FORMAT if a variance isn't positive or a result
 * isn't finite; the place is left to the caller.
 */
struct vgg_norm {
	const float *gamma, *beta, *mean, *var;
	double epsilon; /* 0: PyTorch's default */
};
int vgg_norm_fold(const struct vgg_norm *norm, size_t n, float *scale,
		  float *shift);

#endif
