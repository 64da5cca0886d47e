/* SPDX-License-Identifier: MIT */
/* How far the integer form of a network is from fp32, layer by layer, over the
 * samples. */
#ifndef VGG_QUANT_MEASURE_H
#define VGG_QUANT_MEASURE_H

#include "quant/samples.h"
#include "run/int8.h"
#include "run/threads.h"

/* int8 on the CPU, with every tensor in sight. */
struct vgg_bench {
	struct vgg_device *cpu;
	struct vgg_plan plan;
	struct vgg_int8 *x;
};

int vgg_bench_open(struct vgg_bench *b, const struct vgg_model *m,
		   struct vgg_threads *threads);
void vgg_bench_close(struct vgg_bench *b);
/* All of layer i, from what is in tensor i. */
void vgg_bench_run_layer(struct vgg_int8 *x, unsigned int i);
/* A tensor to be written. */
int8_t *vgg_bench_tensor(struct vgg_int8 *x, unsigned int i);
/* Floats in memory order, rounded. */
void vgg_bench_round(const struct vgg_quant *q, const float *from, size_t n,
		     int8_t *to);

struct vgg_distance {
	double cosine;	      /* mean over the samples */
	double signal, noise; /* sums of squares: of fp32, of the difference */
};

/* In dB; INFINITY without noise, 0 if there is nothing but. */
double vgg_distance_snr(const struct vgg_distance *d);

struct vgg_deviation {
	struct vgg_distance all;   /* with the layers before in int8 as well */
	struct vgg_distance alone; /* of this layer, from fp32's input */
	uint64_t clipped, count;   /* fp32's values beyond the range of int8 */
};

/* alone: that, too, which takes as long again. d has room for all integer layers
 * of samples->model. */
int vgg_deviation_measure(struct vgg_samples *s, struct vgg_threads *threads,
			  bool alone, struct vgg_deviation *d);

#endif
