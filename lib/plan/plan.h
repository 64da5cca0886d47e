/* SPDX-License-Identifier: MIT */
/* Where each integer layer runs. */
#ifndef VGG_PLAN_H
#define VGG_PLAN_H

#include "model/graph.h"

enum vgg_where { VGG_ON_CPU, VGG_ON_CARD, VGG_BY_ROWS, VGG_BY_CHANNELS };

struct vgg_plan_layer {
	bool free; /* a reshape of nothing: no one does any work */
	enum vgg_where where;
	/* BY_ROWS, BY_CHANNELS: the card computes the first `cut` rows (behind
	 * a fused pool) or output channels, the CPU at the same time the
	 * others: a multiple of vgg_plan_grain(), less than all. */
	int cut;
	/* The card's weights stay in the host's memory, from where it reads
	 * them in every run. */
	bool streamed;
	char reason[96];
};

struct vgg_plan {
	struct vgg_plan_layer *layers; /* model->integer_layers */
	unsigned int count;
	char summary[96]; /* "13 layers on the card, 3 on the CPU" */
};

/* Whether the card, the CPU does any work of a layer. */
static inline bool vgg_plan_uses_card(const struct vgg_plan_layer *p)
{
	return !p->free && p->where != VGG_ON_CPU;
}

static inline bool vgg_plan_uses_cpu(const struct vgg_plan_layer *p)
{
	return !p->free && p->where != VGG_ON_CARD;
}

/*
 * A layer may be cut at multiples of so many rows (BY_ROWS) or channels
 * (BY_CHANNELS), so that no cache line of the output has two writers; 0: not at
 * all.
 */
int vgg_plan_grain(const struct vgg_layer *l, enum vgg_where where);

/* `device` may be the CPU. MODEL_UNSUPPORTED if `split` asks for the card and a
 * layer can't run there. */
int vgg_plan_make(struct vgg_device *device, const struct vgg_model *m,
		  enum vgg_split split, struct vgg_plan *plan);
/* BAD_ARGUMENT if a cut of the plan is none. */
int vgg_plan_check(const struct vgg_plan *plan, const struct vgg_model *m);
void vgg_plan_clear(struct vgg_plan *plan);

#endif
