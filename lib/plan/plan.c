// SPDX-License-Identifier: MIT
/*
 * Placement of whole layers: the card takes every layer that it can run and
 * whose weights fit its on-board memory; the CPU takes the others.
 */
#include <stdio.h>
#include <stdlib.h>

#include "plan/plan.h"
#include "util/error.h"

/* Kept free of weights, for activations. */
static uint64_t activations(const struct vgg_model *m)
{
	uint64_t bytes = (uint64_t)vgg_shape_count(&m->input);
	unsigned int i;

	for (i = 0; i < m->integer_layers; i++)
		bytes += (uint64_t)vgg_shape_count(&m->layers[i].out);
	return bytes;
}

static uint64_t weights(const struct vgg_layer *l)
{
	return l->qweight.count + l->qparam.count * sizeof(int32_t);
}

static bool is_free(const struct vgg_layer *l)
{
	return l->op == VGG_OP_RESHAPE && l->keep_order;
}

static void place(const struct vgg_layer *l, uint64_t *room,
		  struct vgg_plan_layer *p)
{
	uint64_t bytes = weights(l);

	p->where = VGG_ON_CPU;
	if (l->cpu_reason) {
		snprintf(p->reason, sizeof(p->reason), "%s", l->cpu_reason);
	} else if (bytes > *room) {
		snprintf(p->reason, sizeof(p->reason),
			 "its %.1f MB of weights don't fit the card's memory",
			 (double)bytes / 1e6);
	} else {
		*room -= bytes;
		p->where = VGG_ON_CARD;
		snprintf(p->reason, sizeof(p->reason),
			 "the card can run it and holds its weights");
	}
}

/* One layer, if everything is decided by the caller. */
static int force(const struct vgg_layer *l, enum vgg_split split,
		 struct vgg_plan_layer *p)
{
	p->where = split == VGG_SPLIT_CARD ? VGG_ON_CARD : VGG_ON_CPU;
	snprintf(p->reason, sizeof(p->reason), "as asked");
	if (p->where == VGG_ON_CARD && l->cpu_reason)
		return vgg_fail(
			MODEL_UNSUPPORTED, l->name, "use --split auto, or cpu",
			"the card can't run this layer: %s", l->cpu_reason);
	return 0;
}

/* Counts what does any work; the floating-point tail is the CPU's. */
static void summarize(struct vgg_plan *plan, const struct vgg_model *m)
{
	unsigned int card = 0, cpu = m->count - plan->count, i;

	for (i = 0; i < plan->count; i++) {
		card += vgg_plan_uses_card(&plan->layers[i]);
		cpu += vgg_plan_uses_cpu(&plan->layers[i]);
	}
	if (!card)
		snprintf(plan->summary, sizeof(plan->summary),
			 "%u layer%s on the CPU", cpu, cpu == 1 ? "" : "s");
	else
		snprintf(plan->summary, sizeof(plan->summary),
			 "%u layer%s on the card, %u on the CPU", card,
			 card == 1 ? "" : "s", cpu);
}

int vgg_plan_make(struct vgg_device *device, const struct vgg_model *m,
		  enum vgg_split split, struct vgg_plan *plan)
{
	struct vgg_device_info d = VGG_INIT(d);
	uint64_t room, needed;
	unsigned int i;
	int err = vgg_device_info(device, &d);

	if (err)
		return err;
	if (d.kind == VGG_DEVICE_CPU && split == VGG_SPLIT_CARD)
		return vgg_fail(NO_DEVICE, "cpu", "use --device auto or sim",
				"--split card without a card");
	if (d.kind == VGG_DEVICE_CPU)
		split = VGG_SPLIT_CPU;
	plan->count = m->integer_layers;
	plan->layers = calloc(plan->count + 1, sizeof(*plan->layers));
	if (!plan->layers)
		return vgg_fail_memory("a plan");
	needed = activations(m);
	room = d.local_free > needed ? d.local_free - needed : 0;
	for (i = 0; !err && i < plan->count; i++) {
		const struct vgg_layer *l = &m->layers[i];
		struct vgg_plan_layer *p = &plan->layers[i];

		p->free = is_free(l);
		if (p->free)
			snprintf(p->reason, sizeof(p->reason), "costs nothing");
		else if (split == VGG_SPLIT_AUTO)
			place(l, &room, p);
		else
			err = force(l, split, p);
	}
	summarize(plan, m);
	return err;
}

#define LINE 64 /* bytes of a cache line, on any machine of ours */

int vgg_plan_grain(const struct vgg_layer *l, enum vgg_where where)
{
	int channels = (int)vgg_channels(&l->out), step = 1;
	int h = l->out.rank == 4 ? (int)l->out.dim[2] : 1;
	int w = l->out.rank == 4 ? (int)l->out.dim[3] : 1;

	if (l->op != VGG_OP_CONV || l->cpu_reason)
		return 0;
	if (where == VGG_BY_CHANNELS)
		return channels % LINE && h * w > 1 ? 0 : LINE;
	while ((int64_t)step * w * channels % LINE)
		step *= 2;
	return h > step ? step : 0;
}

static bool is_cut(const struct vgg_plan_layer *p, const struct vgg_layer *l)
{
	bool rows = p->where == VGG_BY_ROWS;
	int grain = vgg_plan_grain(l, p->where);
	int64_t all = !rows	       ? vgg_channels(&l->out) :
		      l->out.rank == 4 ? l->out.dim[2] :
					 1;

	return grain && p->cut > 0 && p->cut < all && p->cut % grain == 0;
}

int vgg_plan_check(const struct vgg_plan *plan, const struct vgg_model *m)
{
	unsigned int i;

	for (i = 0; i < plan->count; i++) {
		const struct vgg_plan_layer *p = &plan->layers[i];
		const struct vgg_layer *l = &m->layers[i];

		if (p->where != VGG_BY_ROWS && p->where != VGG_BY_CHANNELS)
			continue;
		if (!is_cut(p, l))
			return vgg_fail(
				BAD_ARGUMENT, l->name,
				"cut it elsewhere, or run it as a whole",
				"the layer can't be cut at %s %d",
				p->where == VGG_BY_ROWS ? "row" : "channel",
				p->cut);
	}
	return 0;
}

void vgg_plan_clear(struct vgg_plan *plan)
{
	free(plan->layers);
	plan->layers = NULL;
}
