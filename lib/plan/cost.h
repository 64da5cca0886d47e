/* SPDX-License-Identifier: MIT */
/*
 * The time of a step, as plan.h says what a step is.
 *
 * The card's part is what the cycle model of firmware-sim/timing.h says, by the
 * same formulas: a command takes command_cycles + max(compute, local, host). A
 * job adds job_cycles, its commands one after the other (COPY and CONV are
 * ordered by a FENCE; FENCE and END cost command_cycles each), and job_ms on the
 * host, or submit_ms if the CPU works on its own part meanwhile. The link has a
 * speed of its own in each direction. The CPU's part comes from the machine's
 * curves.
 *
 * What is left out: page walks, conflicts over a memory between the card and the
 * CPU, and the upkeep of caches.
 */
#ifndef VGG_COST_H
#define VGG_COST_H

#include "plan/machine.h"
#include "plan/plan.h"

/* A model on a machine, for latency: what all plans have in common. */
struct vgg_costs {
	const struct vgg_machine *machine;
	const struct vgg_model *model;
	/* All activations fit on-board memory, so tensors may lie there; `room`
	 * is left for weights. */
	bool on_board;
	uint64_t room;
	struct vgg_cpu_cost *cpu; /* of layers, all threads together */
	unsigned int *steps;	  /* the layers that do work, in order */
	unsigned int count;	  /* of steps */
	bool guessed;		  /* one of the CPU's costs at least */
};

int vgg_costs_init(struct vgg_costs *c, const struct vgg_machine *machine,
		   const struct vgg_model *model);
void vgg_costs_clear(struct vgg_costs *c);

/* On board, all of them at the same time, in whole pages. */
uint64_t vgg_activation_bytes(const struct vgg_model *m);

/* Where a layer's output is computed. */
struct vgg_place_of {
	enum vgg_where where;
	int cut;
};

/* A step within a chain. */
struct vgg_step {
	unsigned int at; /* index of steps */
	struct vgg_place_of before,
		here;	/* of the previous step; the first's is
					   * the CPU */
	bool next_card; /* the next step's layer uses the card */
	bool streamed;	/* weights */
};

struct vgg_step_cost {
	double ms, card_ms, cpu_ms, gather_ms;
	uint64_t cycles, link_bytes;
	/* Of them: the jobs that gather, those behind the last layer included;
	 * the job's own; and what it copies on board before it computes. */
	uint64_t gather_cycles, gather_bytes, end_bytes;
	uint64_t job_cycles, copy_cycles, copy_bytes;
	uint64_t link_cycles; /* of the link, while it computes */
};

void vgg_step_cost(const struct vgg_costs *c, const struct vgg_step *s,
		   struct vgg_step_cost *cost);

/* The least that a whole layer can take the card, wherever its operands lie,
 * without what a job costs and what is copied. */
double vgg_card_least_ms(const struct vgg_costs *c, unsigned int at);

/* On-board bytes of the weights and parameters of the card's part. */
uint64_t vgg_weight_bytes(const struct vgg_layer *l, struct vgg_place_of here);

/*
 * Legal cuts of a layer are the multiples of a step below its rows or channels.
 * Returns the step; 0 if there is no legal cut. *all is the count of rows or
 * channels.
 */
int vgg_cut_step(const struct vgg_layer *l, enum vgg_where where, int *all);

/*
 * Walks a plan, whoever made it, and fills its predictions: each layer's and the
 * plan's. The error names the layer that the plan places where it can't be;
 * DEVICE_MEMORY if its weights don't fit on board.
 */
int vgg_plan_evaluate(const struct vgg_costs *c, struct vgg_plan *plan);
/* One step of such a walk. *before: where the step before runs (the first's is the
 * CPU); becomes where this one does. */
void vgg_plan_step_cost(const struct vgg_costs *c, const struct vgg_plan *plan,
			unsigned int at, struct vgg_place_of *before,
			struct vgg_step_cost *cost);
/* The same of any step. */
double vgg_plan_step_ms(const struct vgg_costs *c, const struct vgg_plan *plan,
			unsigned int at);

#endif
