/* SPDX-License-Identifier: MIT */
/*
 * The integer form of a network on card and CPU, as a plan says. Tensor 0 is
 * the input, tensor i + 1 the output of layer i; all are int8 in memory order.
 *
 * A tensor lies where its neighbours work: in on-board memory between two card
 * layers, in memory both can reach between card and CPU, in plain memory
 * between CPU layers. Nothing is copied from one place to another, except an
 * input that the card would read over PCIe more than once.
 */
#ifndef VGG_INT8_H
#define VGG_INT8_H

#include "model/graph.h"
#include "plan/plan.h"
#include "run/threads.h"

struct vgg_int8;

struct vgg_int8_options {
	struct vgg_device *device;
	const struct vgg_model *model;
	const struct vgg_plan *plan; /* all three outlive it */
	struct vgg_threads *threads;
	bool visible; /* every tensor can be looked at (verification) */
	vgg_progress progress; /* of the upload; may be NULL */
	void *progress_ctx;
};

int vgg_int8_create(const struct vgg_int8_options *options,
		    struct vgg_int8 **x);
void vgg_int8_free(struct vgg_int8 *x);

/* The input tensor, to be filled by the caller before run; NULL on failure. */
int8_t *vgg_int8_input(struct vgg_int8 *x);
struct vgg_int8_totals {
	uint64_t cycles, saturations;
};
int vgg_int8_run(struct vgg_int8 *x, struct vgg_int8_totals *totals);
/* A tensor after a run: the last one, or any if `visible`. */
const int8_t *vgg_int8_tensor(const struct vgg_int8 *x, unsigned int i);

#endif
