/* SPDX-License-Identifier: MIT */
/* Why a plan places a layer where it does: its time, and what the alternatives
 * would make of it, with all that changes for its neighbours. */
#ifndef VGG_REASON_H
#define VGG_REASON_H

#include "plan/cost.h"

/* For an evaluated plan; the reasons of layers that do work. */
void vgg_plan_explain(const struct vgg_costs *c, struct vgg_plan *plan);

#endif
