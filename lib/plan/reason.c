// SPDX-License-Identifier: MIT
/* See reason.h. */
#include <stdio.h>

#include "plan/reason.h"

struct explain {
	const struct vgg_costs *c;
	struct vgg_plan *plan;
};

static struct vgg_plan_layer *layer_at(const struct explain *e, unsigned int at)
{
	return &e->plan->layers[e->c->steps[at]];
}

static double step_ms(const struct explain *e, unsigned int at)
{
	return vgg_plan_step_ms(e->c, e->plan, at);
}

/* The steps that depend on where one is computed. */
static double around_ms(const struct explain *e, unsigned int at)
{
	double ms = step_ms(e, at);

	if (at)
		ms += step_ms(e, at - 1);
	if (at + 1 < e->c->count)
		ms += step_ms(e, at + 1);
	return ms;
}

/* The step's time if its layer were whole somewhere else, with what that would
 * change for its neighbours. */
static double elsewhere_ms(const struct explain *e, unsigned int at,
			   enum vgg_where where)
{
	const struct vgg_layer *l = &e->c->model->layers[e->c->steps[at]];
	struct vgg_plan_layer *p = layer_at(e, at), kept = *p;
	struct vgg_place_of now = { p->where, p->cut }, then = { where, 0 };
	double before = around_ms(e, at), after;
	uint64_t used = e->plan->local_used;

	if (!p->streamed && e->c->on_board)
		used -= vgg_weight_bytes(l, now);
	p->where = where;
	p->streamed = used + vgg_weight_bytes(l, then) > e->c->room;
	after = around_ms(e, at);
	*p = kept;
	return kept.ms + after - before;
}

/* "2.13 ms" */
static const char *ms_text(double ms, char text[24])
{
	snprintf(text, 24, "%.*f ms",
		 ms >= 99.95 ? 0 :
		 ms >= 9.995 ? 1 :
			       2,
		 ms);
	return text;
}

static void explain_cut(const struct explain *e, unsigned int at)
{
	const struct vgg_layer *l = &e->c->model->layers[e->c->steps[at]];
	struct vgg_plan_layer *p = layer_at(e, at);
	char a[24], b[24], c[24];
	int all;

	vgg_cut_step(l, p->where, &all);
	snprintf(p->reason, sizeof(p->reason),
		 "%s 0..%d of %d on the card%s: %s, alone %s, CPU %s",
		 p->where == VGG_BY_ROWS ? "rows" : "channels", p->cut - 1, all,
		 p->streamed ? ", streamed" : "", ms_text(p->ms, a),
		 ms_text(elsewhere_ms(e, at, VGG_ON_CARD), b),
		 ms_text(elsewhere_ms(e, at, VGG_ON_CPU), c));
}

static void explain_whole(const struct explain *e, unsigned int at)
{
	const struct vgg_layer *l = &e->c->model->layers[e->c->steps[at]];
	struct vgg_plan_layer *p = layer_at(e, at);
	bool card = p->where == VGG_ON_CARD;
	char a[24], b[24];

	if (l->cpu_reason)
		snprintf(p->reason, sizeof(p->reason), "%s", l->cpu_reason);
	else if (!e->c->machine->has_card)
		snprintf(p->reason, sizeof(p->reason), "there is no card");
	else
		snprintf(p->reason, sizeof(p->reason), "%s%s %s, %s %s",
			 card ? "card" : "CPU",
			 p->streamed ? " with weights over the link" : "",
			 ms_text(p->ms, a), card ? "CPU" : "card",
			 ms_text(elsewhere_ms(e, at,
					      card ? VGG_ON_CPU : VGG_ON_CARD),
				 b));
}

void vgg_plan_explain(const struct vgg_costs *c, struct vgg_plan *plan)
{
	const struct explain e = { c, plan };
	unsigned int at;

	for (at = 0; at < c->count; at++)
		if (layer_at(&e, at)->where == VGG_BY_ROWS ||
		    layer_at(&e, at)->where == VGG_BY_CHANNELS)
			explain_cut(&e, at);
		else
			explain_whole(&e, at);
}
