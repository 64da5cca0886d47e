// SPDX-License-Identifier: MIT
/* Making plans: by search, or by the caller's rule. */
#include <stdio.h>
#include <stdlib.h>

#include "plan/cost.h"
#include "plan/plan.h"
#include "plan/reason.h"
#include "plan/search.h"
#include "util/error.h"

/*
 * The caller's rules.
 */
static const struct vgg_place_of card = { VGG_ON_CARD, 0 };

/* OFFLOAD: the card takes every layer that it can run and whose weights fit its
 * on-board memory. */
static void offload(const struct vgg_layer *l, uint64_t *room,
		    struct vgg_plan_layer *p)
{
	uint64_t bytes = vgg_weight_bytes(l, card);

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

/* CARD, CPU. */
static int force(const struct vgg_layer *l, bool on_card,
		 struct vgg_plan_layer *p)
{
	snprintf(p->reason, sizeof(p->reason), "as asked");
	if (!on_card)
		return 0;
	if (l->cpu_reason)
		return vgg_fail(
			MODEL_UNSUPPORTED, l->name, "use --split auto, or cpu",
			"the card can't run this layer: %s", l->cpu_reason);
	p->where = VGG_ON_CARD;
	return 0;
}

void vgg_plan_fit(struct vgg_plan *plan, const struct vgg_model *m,
		  uint64_t local_free)
{
	uint64_t needed = vgg_activation_bytes(m), bytes;
	uint64_t room = local_free < needed ? 0 : local_free - needed;
	unsigned int i;

	for (i = 0; i < plan->count; i++) {
		struct vgg_plan_layer *p = &plan->layers[i];

		if (p->streamed || !vgg_plan_uses_card(p))
			continue;
		bytes = vgg_weight_bytes(
			&m->layers[i],
			(struct vgg_place_of){ p->where, p->cut });
		p->streamed = bytes > room;
		room -= p->streamed ? 0 : bytes;
	}
}

static int by_rule(const struct vgg_costs *c, enum vgg_split split,
		   struct vgg_plan *plan)
{
	uint64_t room = c->room;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < c->count; i++) {
		const struct vgg_layer *l = &c->model->layers[c->steps[i]];
		struct vgg_plan_layer *p = &plan->layers[c->steps[i]];

		if (split == VGG_SPLIT_OFFLOAD)
			offload(l, &room, p);
		else
			err = force(l, split == VGG_SPLIT_CARD, p);
	}
	if (!err && split == VGG_SPLIT_CARD)
		vgg_plan_fit(plan, c->model, c->machine->card.local_free);
	return err;
}

/*
 * Any plan.
 */
int vgg_plan_alloc(struct vgg_plan *plan, const struct vgg_model *m)
{
	unsigned int i;

	*plan = (struct vgg_plan){ .count = m->integer_layers };
	plan->layers = calloc(plan->count + 1, sizeof(*plan->layers));
	if (!plan->layers)
		return vgg_fail_memory("a plan");
	for (i = 0; i < plan->count; i++) {
		struct vgg_plan_layer *p = &plan->layers[i];

		p->free = vgg_layer_is_free(&m->layers[i]);
		if (p->free)
			snprintf(p->reason, sizeof(p->reason), "costs nothing");
	}
	return 0;
}

/* "13 layers on the card, 2 on both, 3 on the CPU": counts what does any work;
 * the floating-point tail is the CPU's. */
void vgg_plan_summarize(struct vgg_plan *plan, const struct vgg_model *m)
{
	unsigned int on_card = 0, both = 0, cpu = m->count - plan->count, i;
	char shared[40] = "";

	for (i = 0; i < plan->count; i++) {
		const struct vgg_plan_layer *p = &plan->layers[i];
		bool a = vgg_plan_uses_card(p), b = vgg_plan_uses_cpu(p);

		both += a && b;
		on_card += a && !b;
		cpu += b && !a;
	}
	if (both)
		snprintf(shared, sizeof(shared), "%u on both, ", both);
	if (!on_card && !both)
		snprintf(plan->summary, sizeof(plan->summary),
			 "%u layer%s on the CPU", cpu, cpu == 1 ? "" : "s");
	else
		snprintf(plan->summary, sizeof(plan->summary),
			 "%u layer%s on the card, %s%u on the CPU", on_card,
			 on_card == 1 ? "" : "s", shared, cpu);
}

static int choose(const struct vgg_costs *c,
		  const struct vgg_plan_choice *choice, struct vgg_plan *plan)
{
	bool search = choice->split == VGG_SPLIT_AUTO;
	int err = search ? vgg_plan_search(c, choice->parts, plan) :
			   by_rule(c, choice->split, plan);

	if (!err && search)
		vgg_plan_refine(c, plan);
	if (!err)
		err = vgg_plan_evaluate(c, plan);
	if (err)
		return err;
	if (search) {
		plan->guessed = c->guessed;
		vgg_plan_explain(c, plan);
	}
	vgg_plan_summarize(plan, c->model);
	return 0;
}

int vgg_plan_choose(const struct vgg_machine *machine,
		    const struct vgg_model *m,
		    const struct vgg_plan_choice *choice, struct vgg_plan *plan)
{
	struct vgg_plan_choice rule = *choice;
	struct vgg_costs c = { 0 };
	int err = vgg_plan_alloc(plan, m);

	if (!err)
		err = vgg_costs_init(&c, machine, m);
	if (!err && !machine->has_card && rule.split == VGG_SPLIT_CARD)
		err = vgg_fail(NO_DEVICE, "cpu", "use --device auto or sim",
			       "--split card without a card");
	if (!machine->has_card)
		rule.split = VGG_SPLIT_CPU;
	if (!err)
		err = choose(&c, &rule, plan);
	vgg_costs_clear(&c);
	return err;
}

bool vgg_plan_wins_no_time(const struct vgg_device_info *d)
{
	return (d->kind == VGG_DEVICE_SIM || d->simulated) && !d->paced;
}

int vgg_plan_make(struct vgg_device *device, const struct vgg_model *m,
		  enum vgg_split split, int threads, struct vgg_plan *plan)
{
	struct vgg_plan_choice choice = { .split = split, .parts = true };
	struct vgg_device_info d = VGG_INIT(d);
	struct vgg_machine machine;
	int err = vgg_device_info(device, &d);

	if (err)
		return err;
	if (split == VGG_SPLIT_AUTO && vgg_plan_wins_no_time(&d))
		choice.split = VGG_SPLIT_OFFLOAD;
	vgg_machine_here(&machine, threads);
	vgg_machine_set_device(&machine, &d);
	err = vgg_plan_choose(&machine, m, &choice, plan);
	vgg_machine_clear(&machine);
	return err;
}

bool vgg_plan_mixes(const struct vgg_layer *l, enum vgg_where where)
{
	return where == VGG_BY_CHANNELS && l->out.rank == 4 &&
	       l->out.dim[2] * l->out.dim[3] > 1;
}

int vgg_plan_grain(const struct vgg_layer *l, enum vgg_where where)
{
	int channels = (int)vgg_channels(&l->out), step = 1;
	int h = l->out.rank == 4 ? (int)l->out.dim[2] : 1;
	int w = l->out.rank == 4 ? (int)l->out.dim[3] : 1;

	if (l->op != VGG_OP_CONV || l->cpu_reason)
		return 0;
	if (where == VGG_BY_CHANNELS)
		return channels % VGG_CUT_BYTES && h * w > 1 ? 0 :
							       VGG_CUT_BYTES;
	while ((int64_t)step * w * channels % VGG_CUT_BYTES)
		step *= 2;
	return h > step ? step : 0;
}

int vgg_plan_check(const struct vgg_plan *plan, const struct vgg_model *m)
{
	unsigned int i;
	int all, step;

	for (i = 0; i < plan->count; i++) {
		const struct vgg_plan_layer *p = &plan->layers[i];
		const struct vgg_layer *l = &m->layers[i];

		if (p->where != VGG_BY_ROWS && p->where != VGG_BY_CHANNELS)
			continue;
		step = vgg_cut_step(l, p->where, &all);
		if (!step || p->cut <= 0 || p->cut >= all || p->cut % step)
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
