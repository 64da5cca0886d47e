// SPDX-License-Identifier: MIT
/* What a trace keeps of a session: names, places, and the card's model. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "plan/cost.h"
#include "plan/plan_json.h"
#include "trace/parts.h"
#include "util/error.h"

void vgg_trace_source_free(struct vgg_trace_source *s)
{
	struct vgg_trace_range *r;
	unsigned int i;

	for (i = 0; s->layers && i < s->count; i++)
		free(s->layers[i].name);
	while ((r = s->ranges)) {
		s->ranges = r->next;
		free(r);
	}
	free(s->layers);
	free(s->model);
	free(s->placement);
	free(s->device);
	free(s);
}

const char *vgg_trace_range_name(struct vgg_trace_source *s, uint32_t first,
				 uint32_t past)
{
	const char *a, *b;
	struct vgg_trace_range *r;
	size_t size;

	if (first >= past || past > s->count)
		return "output";
	a = s->layers[first].name;
	b = s->layers[past - 1].name;
	if (first + 1 == past)
		return a;
	for (r = s->ranges; r; r = r->next)
		if (r->first == first && r->past == past)
			return r->name;
	size = strlen(a) + strlen(b) + 3;
	r = malloc(sizeof(*r) + size);
	if (!r)
		return "layers";
	r->first = first;
	r->past = past;
	snprintf(r->name, size, "%s..%s", a, b);
	r->next = s->ranges;
	s->ranges = r;
	return r->name;
}

/* A copy that may stand in any document: in UTF-8, without control characters. */
static char *clean(const char *text)
{
	char *copy = strdup(text ? text : ""), *c;
	json_t *valid = json_string(copy ? copy : "");

	for (c = copy; c && *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f ||
		    (!valid && (unsigned char)*c >= 0x80))
			*c = '?';
	json_decref(valid);
	return copy;
}

/*
 * The card.
 */
static void set_cost(struct vgg_trace_cost *to, const struct vgg_step_cost *c)
{
	to->job = c->job_cycles;
	to->copy = c->copy_cycles;
	to->copied = c->copy_bytes;
	to->fetched = c->gather_bytes - c->end_bytes;
	to->fetched_behind = c->end_bytes;
	to->link = c->link_cycles;
	to->work =
		c->cycles - c->gather_cycles - c->job_cycles - c->copy_cycles;
	to->moved = c->link_bytes - c->copy_bytes - c->gather_bytes;
}

/* Predicted step by step, as plans are, on this machine with its card. */
static int model_card(struct vgg_trace_source *s, const struct vgg_model *m,
		      const struct vgg_plan *plan,
		      const struct vgg_device_info *d)
{
	struct vgg_place_of before = { VGG_ON_CPU, 0 };
	struct vgg_step_cost cost;
	struct vgg_machine machine;
	struct vgg_costs costs = { 0 };
	unsigned int at;
	int err;

	vgg_machine_here(&machine, 1);
	vgg_machine_set_device(&machine, d);
	err = vgg_costs_init(&costs, &machine, m);
	for (at = 0; !err && machine.has_card && at < costs.count; at++) {
		vgg_plan_step_cost(&costs, plan, at, &before, &cost);
		set_cost(&s->layers[costs.steps[at]].cost, &cost);
	}
	vgg_costs_clear(&costs);
	vgg_machine_clear(&machine);
	return err;
}

/*
 * The network.
 */
static int copy_layers(struct vgg_trace_source *s, const struct vgg_model *m,
		       const struct vgg_plan *plan)
{
	unsigned int i;

	s->layers = calloc(m->count + 1, sizeof(*s->layers));
	if (!s->layers)
		return -ENOMEM;
	s->count = m->count;
	for (i = 0; i < m->count; i++) {
		struct vgg_trace_layer *l = &s->layers[i];

		l->name = clean(m->layers[i].name);
		if (!l->name)
			return -ENOMEM;
		l->where = "cpu";
		if (i >= plan->count)
			continue;
		l->where = vgg_where_name(&plan->layers[i]);
		l->cut = plan->layers[i].cut;
		if (l->cut)
			vgg_cut_step(&m->layers[i], plan->layers[i].where,
				     &l->all);
	}
	return 0;
}

static void describe_device(const struct vgg_device_info *d, char *text,
			    size_t size)
{
	if (d->kind == VGG_DEVICE_SIM)
		snprintf(text, size, "simulated card (profile %s)%s", d->name,
			 d->paced ? ", paced" : "");
	else if (d->kind == VGG_DEVICE_CARD)
		snprintf(text, size, "%scard at %s",
			 d->simulated ? "simulated " : "", d->name);
	else
		snprintf(text, size, "no card");
}

static int fill(struct vgg_trace_source *s, const struct vgg_model *m,
		const struct vgg_plan *plan, const struct vgg_device_info *d)
{
	char device[160];

	describe_device(d, device, sizeof(device));
	s->has_card = d->kind != VGG_DEVICE_CPU;
	s->simulated = d->kind == VGG_DEVICE_SIM || d->simulated;
	s->paced = d->paced;
	s->clock_khz = d->clock_khz;
	s->model = clean(m->name);
	s->placement = clean(plan->summary);
	s->device = clean(device);
	if (!s->model || !s->placement || !s->device || copy_layers(s, m, plan))
		return vgg_fail_memory("a trace of a session");
	return plan->count ? model_card(s, m, plan, d) : 0;
}

int vgg_trace_attach(struct vgg_trace *trace, struct vgg_device *device,
		     const struct vgg_model *model, const struct vgg_plan *plan)
{
	struct vgg_device_info d = VGG_INIT(d);
	struct vgg_trace_source *s;
	int err;

	if (!trace)
		return 0;
	if (trace->source)
		return vgg_fail(BAD_ARGUMENT, "trace",
				"free that session, or create another trace",
				"the trace is another session's");
	err = vgg_device_info(device, &d);
	if (err)
		return err;
	s = calloc(1, sizeof(*s));
	if (!s)
		return vgg_fail_memory("a trace of a session");
	err = fill(s, model, plan, &d);
	if (err) {
		vgg_trace_source_free(s);
		return err;
	}
	s->next = trace->sources;
	trace->source = trace->sources = s;
	vgg_trace_pace_begin(trace, device);
	return 0;
}

void vgg_trace_detach(struct vgg_trace *trace)
{
	if (!trace)
		return;
	trace->source = NULL;
	vgg_trace_pace_end(trace);
}
