/* SPDX-License-Identifier: MIT */
/* Empirical bias correction; see correct.c. */
#ifndef VGG_CORRECT_H
#define VGG_CORRECT_H

#include "quant/samples.h"
#include "run/threads.h"

/* Of a model in integer form; *kept layers have other biases now. */
int vgg_bias_correct(struct vgg_model *m, struct vgg_samples *s,
		     struct vgg_threads *threads, unsigned int *kept);

#endif
