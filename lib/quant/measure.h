/* SPDX-License-Identifier: MIT */
/*
 * How far the integer form of a network is from fp32, layer by layer, over some
 * inputs: of all layers up to one, and of each layer alone. On the CPU, and on a
 * card beside it, whose bytes are compared with the CPU's. Reports of quantisation,
 * verification and analysis all come from here.
 */
#ifndef VGG_QUANT_MEASURE_H
#define VGG_QUANT_MEASURE_H

#include "quant/samples.h"
#include "run/int8.h"
#include "run/threads.h"

struct vgg_distance {
	unsigned int inputs;
	double cosine;	      /* sum over the inputs */
	double signal, noise; /* sums of squares: of fp32, of the difference */
	double dot;	      /* of fp32 and int8 */
	double worst;	      /* largest |difference| */
};

/* Mean over the inputs. */
double vgg_distance_cosine(const struct vgg_distance *d);
/* In dB; INFINITY without noise, 0 if there is nothing but. */
double vgg_distance_snr(const struct vgg_distance *d);

/* Bytes in which card and CPU differ: how many, and the first of them in the first
 * input that has some (NHWC). */
struct vgg_difference {
	uint64_t bytes, first;
};

enum vgg_way { VGG_WAY_CPU, VGG_WAY_CARD, VGG_WAYS };

struct vgg_deviation {
	/* With the layers before in int8 as well; of this layer, from fp32's
	 * input rounded. */
	struct vgg_distance all[VGG_WAYS], alone[VGG_WAYS];
	struct vgg_difference all_differ, alone_differ;
	/* fp32's tensor, rounded: as near as int8 with this scale can be. */
	struct vgg_distance rounded;
	uint64_t clipped, count; /* fp32's values beyond the range of int8 */
	uint64_t nonzero;	 /* fp32's values other than 0 */
	double clip_noise;	 /* sum of squares of how far beyond they are */
	float min, max;		 /* fp32's values */
	double *noise; /* per output channel, alone on the CPU; NULL: not asked
			* for */
};

struct vgg_measure;

struct vgg_measure_options {
	const struct vgg_model *model;
	struct vgg_device *card; /* NULL: the CPU only */
	struct vgg_threads *threads;
	bool alone; /* measure that, too, which takes as long again */
};

/* Model, card and threads outlive it. Without fp32 weights only bytes are
 * compared. */
int vgg_measure_create(const struct vgg_measure_options *options,
		       struct vgg_measure **measure);
void vgg_measure_free(struct vgg_measure *m);
/* One more input, in memory order. */
int vgg_measure_add(struct vgg_measure *m, const float *input);
const struct vgg_deviation *vgg_measure_layer(const struct vgg_measure *m,
					      unsigned int layer);
bool vgg_measure_has_fp32(const struct vgg_measure *m);
bool vgg_measure_on_card(const struct vgg_measure *m, unsigned int layer);
unsigned int vgg_measure_inputs(const struct vgg_measure *m);

/* All of the samples, on the CPU. */
int vgg_measure_samples(struct vgg_samples *s, struct vgg_threads *threads,
			bool alone, struct vgg_measure **measure);

#endif
