/* SPDX-License-Identifier: MIT */
/* The time of each layer over many inferences, from their traces. */
#ifndef VGGCTL_BENCH_LAYERS_H
#define VGGCTL_BENCH_LAYERS_H

#include "out.h"

struct layer_times {
	struct out_step *steps; /* those layers that ran, and the rest */
	unsigned int n_steps;
	double all; /* sum of medians */

	unsigned int layers, runs, done;
	double *ms;	     /* (layers + 1) x runs */
	uint64_t *cycles;    /* of this run */
	struct out_step *of; /* all layers; the rest */
};

/* `count` layers, to be added `runs` times. */
void layer_times_begin(struct layer_times *l, unsigned int count,
		       unsigned int runs);
/* The events of an inference that took `ms`; the trace is empty then. */
int layer_times_add(struct layer_times *l, struct vgg_trace *trace, double ms);
/* Medians; names live as long as the trace. */
void layer_times_end(struct layer_times *l);
void layer_times_free(struct layer_times *l);

void sort_numbers(double *values, unsigned int n);
double sorted_median(const double *values, unsigned int n);

#endif
