/* SPDX-License-Identifier: MIT */
/* Where each integer layer runs. */
#ifndef VGG_PLAN_H
#define VGG_PLAN_H

#include "model/graph.h"

struct vgg_plan_layer {
	bool on_card;
	bool free; /* a reshape of nothing: no one does any work */
	char reason[96];
};

struct vgg_plan {
	struct vgg_plan_layer *layers; /* model->integer_layers */
	unsigned int count;
	char summary[96]; /* "13 layers on the card, 3 on the CPU" */
};

/* `device` may be the CPU. MODEL_UNSUPPORTED if `split` asks for the card and a
 * layer can't run there. */
int vgg_plan_make(struct vgg_device *device, const struct vgg_model *m,
		  enum vgg_split split, struct vgg_plan *plan);
void vgg_plan_clear(struct vgg_plan *plan);

#endif
