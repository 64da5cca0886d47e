/* SPDX-License-Identifier: MIT */
/*
 * What runs a stream of images here: lanes, each with a plan of its own, which
 * images take in turn. Stages are one lane, whose images are at different stages
 * at a time; whole images are one lane for each processor (stream.h).
 *
 * A small network's layers are too short to be shared by a cluster's threads: each
 * CPU is a lane then, with weights of its own.
 */
#ifndef VGG_LANES_H
#define VGG_LANES_H

#include "plan/stream.h"

#define VGG_IN_FLIGHT_MAX 16

struct vgg_lane {
	struct vgg_plan plan;
	double rate; /* images a second, predicted; 0: unknown */
	double ms;   /* of an image in all of its stages, predicted */
	/* Of whole images: the processor, its name, and how many lanes share
	 * it. */
	unsigned int processor;
	char name[32];
	unsigned int siblings;
	/* Images that keep it busy while others are pushed and pulled, in the
	 * order in which they came. */
	unsigned int in_flight;
	/* Of its own, on the CPUs of this cluster; 0: those of all lanes. */
	int threads;
	unsigned int cluster;
};

#define VGG_LANES_MAX 32

struct vgg_lanes {
	struct vgg_lane lane[VGG_LANES_MAX]; /* the fastest first */
	unsigned int count;
	unsigned int stages; /* of the one lane; 0: whole images, or no stream's
			      * plan */
	/* Threads of the processors 1 and up that plans name; 0: all threads
	 * together, whatever they name. */
	int threads[VGG_SHARERS_MAX];
	unsigned int clusters;
	char summary[256];
};

/*
 * For this machine and its device. AUTO, CPU: the better one of stages and whole
 * images, on what there is or on the CPU alone; on a simulated card that isn't
 * paced, and for other splits, the plan that latency would have. Errors are
 * vgg_plan_make()'s.
 */
int vgg_lanes_make(struct vgg_device *device, const struct vgg_model *m,
		   enum vgg_split split, int threads, struct vgg_lanes *lanes);
/* The better one of stages and whole images, for any machine. */
int vgg_lanes_plan(struct vgg_lanes *lanes, const struct vgg_machine *machine,
		   const struct vgg_model *m);
/* One lane with this plan, which is taken. */
void vgg_lanes_take(struct vgg_lanes *lanes, const struct vgg_model *m,
		    struct vgg_plan *plan);
/* Leaves the lanes, and predicts the rates, that so many images in flight can
 * have. */
void vgg_lanes_limit(struct vgg_lanes *lanes, unsigned int in_flight);
void vgg_lanes_clear(struct vgg_lanes *lanes);

#endif
