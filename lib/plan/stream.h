/* SPDX-License-Identifier: MIT */
/*
 * Placement for throughput: a stream of images on the card and the CPU's
 * clusters, each a processor of its own.
 *
 * Stages: the network is cut into contiguous stages, one for each processor or
 * for some of them, in whatever order; images pass through them one behind the
 * other, so the slowest stage, with what it moves over the link, sets the rate.
 * All orders and cuts are tried, by dynamic programming over sets of processors.
 *
 * Images: each processor takes whole images, so rates add up. A card that can't
 * run every layer takes none.
 *
 * The better one is taken; the bound (shares.h) says how far it is from the
 * best.
 *
 * On-board memory: where a stage's weights don't fit, those that lose the least
 * time per byte are streamed; here that is a rule of thumb, not an optimum.
 * Clusters are taken as independent: that they share the DRAM is left out.
 */
#ifndef VGG_STREAM_H
#define VGG_STREAM_H

#include "plan/cost.h"
#include "plan/shares.h"

/* The work grows with its cube; the plan of a longer network has no stream. */
#define VGG_STREAM_STEPS_MAX 128

struct vgg_stage {
	unsigned int processor;	 /* 0: the card; else the machine's */
	unsigned int first, end; /* of the costs' steps */
	double ms;
};

struct vgg_stream_plan {
	struct vgg_stage
		stage[VGG_SHARERS_MAX]; /* in the order of the layers */
	unsigned int stages;
	double stages_rate, images_rate, bound; /* images a second */
	bool whole_images;			/* is the better one */
	bool guessed;
};

/* Three digits or all before the point: "0.0912", "31.2", "11420". Returns text. */
#define VGG_FIGURE_SIZE 24
const char *vgg_stream_figure(double value, char text[VGG_FIGURE_SIZE]);
/* "card", or the processor's name. */
const char *vgg_stage_processor(const struct vgg_machine *m,
				unsigned int processor);

/* -ENOMEM; BAD_ARGUMENT if there are too many steps. */
int vgg_stream_search(const struct vgg_costs *c, struct vgg_stream_plan *plan);
/* The time of one stage; INFINITY if a layer can't run there. */
double vgg_stage_ms(const struct vgg_costs *c, unsigned int processor,
		    unsigned int first, unsigned int end);
/* Has the plan do these layers there. */
void vgg_stage_place(const struct vgg_costs *c, const struct vgg_stage *stage,
		     struct vgg_plan *plan);

#endif
