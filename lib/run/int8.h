/* SPDX-License-Identifier: MIT */
/*
 * The integer form of a network on card and CPU, as a plan says. Tensor 0 is
 * the input, tensor i + 1 the output of layer i; all are int8 in memory order.
 *
 * A run is a list of steps with a barrier behind each: neighbouring layers of
 * the card, which are one job; a layer of the CPU; or a layer that both compute
 * at the same time, the card its first rows or channels, the CPU the others.
 *
 * A tensor lies where its neighbours work: in plain memory between CPU layers,
 * on board between card layers, in memory that both can reach between card and
 * CPU. If both work on both sides of it, each side's part lies in its own
 * memory, and what the other side reads of it is copied: behind a cut by rows
 * the rows at the cut, else all of it. So is an input that the card would read
 * over PCIe more than once. Nothing else is copied.
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
	/* Those of the plan's processors 1 and up; NULL: `threads` for all. */
	struct vgg_threads *const *clusters;
	bool visible; /* every tensor can be looked at (verification) */
	vgg_progress progress; /* of the upload; may be NULL */
	void *progress_ctx;
};

int vgg_int8_create(const struct vgg_int8_options *options,
		    struct vgg_int8 **x);
/*
 * For one more image in flight: shares weights and threads with x, has tensors
 * and jobs of its own, and may run at the same time on another thread. -ENOSPC,
 * without an error's text: the card has no room for it. Not to be called, nor
 * vgg_int8_free(), while another thread is in one of these two.
 */
int vgg_int8_another(const struct vgg_int8 *x, struct vgg_int8 **another);
void vgg_int8_free(struct vgg_int8 *x);

/* The input tensor, to be filled by the caller before run; NULL on failure. */
int8_t *vgg_int8_input(struct vgg_int8 *x);
struct vgg_int8_totals {
	uint64_t cycles, saturations;
};
int vgg_int8_run(struct vgg_int8 *x, struct vgg_int8_totals *totals);
/* Layer i by itself, if `visible`, from a tensor i of the caller's into a tensor
 * i + 1 of the caller's. What a run has left in x is lost. */
int vgg_int8_run_layer(struct vgg_int8 *x, unsigned int i, const int8_t *in,
		       int8_t *out);
/* So many the card gets in a run. */
unsigned int vgg_int8_jobs(const struct vgg_int8 *x);
/* A tensor after a run: the last one, or any if `visible`. */
const int8_t *vgg_int8_tensor(const struct vgg_int8 *x, unsigned int i);

#endif
