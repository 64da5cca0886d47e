// SPDX-License-Identifier: MIT
/* What a given plan costs: it is walked and its steps are summed. */
#include "plan/cost.h"
#include "util/error.h"

static int check_cut(const struct vgg_layer *l, const struct vgg_plan_layer *p)
{
	const char *what = p->where == VGG_BY_ROWS ? "rows" : "channels";
	int all, step = vgg_cut_step(l, p->where, &all);

	if (!step)
		return vgg_fail(BAD_ARGUMENT, l->name,
				"place it on the card or on the CPU",
				"this layer can't be cut by %s", what);
	if (p->cut <= 0 || p->cut >= all || p->cut % step)
		return vgg_fail(BAD_ARGUMENT, l->name,
				"choose another cut, or place the layer whole",
				"it is cut at %d of %d %s; cuts are multiples "
				"of %d below that",
				p->cut, all, what, step);
	return 0;
}

static int check_layer(const struct vgg_costs *c, unsigned int i,
		       const struct vgg_plan_layer *p)
{
	const struct vgg_layer *l = &c->model->layers[i];

	if (p->where == VGG_ON_CPU)
		return 0;
	if (!c->machine->has_card)
		return vgg_fail(NO_DEVICE, l->name,
				"use a device with a card, or another plan",
				"the plan needs a card, and there is none");
	if (l->cpu_reason)
		return vgg_fail(
			MODEL_UNSUPPORTED, l->name, "place it on the CPU",
			"the card can't run this layer: %s", l->cpu_reason);
	return p->where == VGG_ON_CARD ? 0 : check_cut(l, p);
}

static void take(struct vgg_plan_layer *p, const struct vgg_step_cost *cost)
{
	p->ms = cost->ms;
	p->card_ms = cost->card_ms;
	p->cpu_ms = cost->cpu_ms;
	p->gather_ms = cost->gather_ms;
	p->cycles = cost->cycles;
	p->link_bytes = cost->link_bytes;
}

void vgg_plan_step_cost(const struct vgg_costs *c, const struct vgg_plan *plan,
			unsigned int at, struct vgg_place_of *before,
			struct vgg_step_cost *cost)
{
	const struct vgg_plan_layer *p = &plan->layers[c->steps[at]];
	const struct vgg_step s = {
		.at = at,
		.before = *before,
		.here = { p->where, p->cut },
		.streamed = p->streamed || !c->on_board,
		.next_card =
			at + 1 < c->count &&
			vgg_plan_uses_card(&plan->layers[c->steps[at + 1]]),
	};

	vgg_step_cost(c, &s, cost);
	*before = s.here;
}

double vgg_plan_step_ms(const struct vgg_costs *c, const struct vgg_plan *plan,
			unsigned int at)
{
	struct vgg_place_of before = { VGG_ON_CPU, 0 };
	struct vgg_step_cost cost;

	if (at) {
		before.where = plan->layers[c->steps[at - 1]].where;
		before.cut = plan->layers[c->steps[at - 1]].cut;
	}
	vgg_plan_step_cost(c, plan, at, &before, &cost);
	return cost.ms;
}

static void add_step(const struct vgg_costs *c, struct vgg_plan *plan,
		     unsigned int at, struct vgg_place_of *before)
{
	unsigned int i = c->steps[at];
	struct vgg_plan_layer *p = &plan->layers[i];
	struct vgg_step_cost cost;

	vgg_plan_step_cost(c, plan, at, before, &cost);
	take(p, &cost);
	plan->ms += cost.ms;
	plan->cycles += cost.cycles;
	plan->link_bytes += cost.link_bytes;
	plan->guessed |= vgg_plan_uses_cpu(p) && c->cpu[i].guessed;
	if (!p->streamed && c->on_board)
		plan->local_used +=
			vgg_weight_bytes(&c->model->layers[i], *before);
}

int vgg_plan_evaluate(const struct vgg_costs *c, struct vgg_plan *plan)
{
	struct vgg_place_of before = { VGG_ON_CPU, 0 };
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < c->count; i++)
		err = check_layer(c, c->steps[i], &plan->layers[c->steps[i]]);
	if (err)
		return err;
	plan->ms = 0;
	plan->cycles = plan->link_bytes = plan->local_used = 0;
	plan->guessed = false;
	for (i = 0; i < c->count; i++)
		add_step(c, plan, i, &before);
	if (plan->local_used > c->room)
		return vgg_fail(DEVICE_MEMORY, c->model->name,
				"let some layers stream their weights, or "
				"place them on the CPU",
				"the plan keeps %.1f MB of weights on board, "
				"where %.1f MB fit",
				(double)plan->local_used / 1e6,
				(double)c->room / 1e6);
	plan->local_free = c->room - plan->local_used;
	return 0;
}
