/* SPDX-License-Identifier: MIT */
/*
 * Plans as files, to be kept, edited and used again. A JSON object:
 *
 *   $schema	optional: the name of plan.schema.json, which says all this to
 *		editors; not read
 *   vggaccel_plan	1, the version of this format
 *   network	the model's name
 *   layers	array, one object for each integer layer, in order:
 *     name	the layer's
 *     out	its output, "64x224x224"
 *     on		"card", "cpu", "rows" or "channels"; "none" for a reshape of
 *		nothing
 *     cut	rows, channels: how many of the first the card computes
 *     streamed	optional: the card's weights stay in the host's memory
 *     ms, why	optional, for readers; not read
 *   ms, guessed	optional, for readers; not read
 *
 * What isn't known is refused by name: a misspelt member would be ignored.
 */
#ifndef VGG_PLAN_JSON_H
#define VGG_PLAN_JSON_H

#include "plan/plan.h"

#define VGG_PLAN_VERSION 1
#define VGG_PLAN_SCHEMA "urn:vggaccel:plan:1"

/* Where it runs, as in the file: "card". */
const char *vgg_where_name(const struct vgg_plan_layer *p);

/* The file appears whole or not at all. */
int vgg_plan_write(const struct vgg_plan *plan, const struct vgg_model *m,
		   const char *path);
/* Checks that it is a plan for this model, and that its cuts are legal; without
 * predictions. PLAN_FORMAT, PLAN_MISMATCH; `plan` is to be cleared in any
 * case. */
int vgg_plan_read(struct vgg_plan *plan, const struct vgg_model *m,
		  const char *path);

#endif
