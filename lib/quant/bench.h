/* SPDX-License-Identifier: MIT */
/* The integer form of a network with every tensor in sight. */
#ifndef VGG_QUANT_BENCH_H
#define VGG_QUANT_BENCH_H

#include "run/int8.h"
#include "run/threads.h"

struct vgg_bench {
	struct vgg_device *cpu; /* its own; NULL if a card was given */
	struct vgg_plan plan;
	struct vgg_int8 *x;
};

/* card NULL: all layers on the CPU; else all that it can run there. Close it also
 * after a failure. */
int vgg_bench_open(struct vgg_bench *b, const struct vgg_model *m,
		   struct vgg_device *card, struct vgg_threads *threads);
void vgg_bench_close(struct vgg_bench *b);
/* On the CPU: all of layer i, from what is in tensor i. */
void vgg_bench_run_layer(struct vgg_int8 *x, unsigned int i);
/* On the CPU: a tensor to be written. */
int8_t *vgg_bench_tensor(struct vgg_int8 *x, unsigned int i);
/* Floats in memory order, rounded. */
void vgg_bench_round(const struct vgg_quant *q, const float *from, size_t n,
		     int8_t *to);

#endif
