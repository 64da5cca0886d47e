// SPDX-License-Identifier: MIT
/* Plans as callers of the library see them: made, described, saved. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan_json.h"
#include "plan/reason.h"
#include "plan/search.h"
#include "plan/stream.h"
#include "util/error.h"

/* What callers hold is the first member. */
struct planned {
	struct vgg_plan plan;
	const struct vgg_model *model;
	struct vgg_machine machine;
	double all_card_ms, all_cpu_ms;
	struct vgg_stream_plan stream;
	char machine_text[96], card_text[160], link_text[128];
	char *stages_text;
};

static const struct planned *of(const struct vgg_plan *plan)
{
	return (const struct planned *)plan;
}

/*
 * Machines.
 */
static int make_cpu(const struct vgg_plan_options *o, struct vgg_machine *m)
{
	if (!o->machine) {
		if (o->threads < 0)
			return vgg_fail(BAD_ARGUMENT, "threads",
					"give 0 for all", "%d threads",
					o->threads);
		vgg_machine_here(m, o->threads);
		return 0;
	}
	if (strcmp(o->machine, "rk3399"))
		return vgg_fail(BAD_ARGUMENT, o->machine,
				"leave it out for this machine, or give rk3399",
				"this machine is unknown");
	vgg_machine_rk3399(m);
	return 0;
}

static int make_machine(struct vgg_device *device,
			const struct vgg_plan_options *o, struct vgg_machine *m)
{
	struct vgg_device_info d = VGG_INIT(d);
	int err = make_cpu(o, m);

	if (!err && o->card)
		err = vgg_machine_set_profile(m, o->card);
	else if (!err && device)
		err = vgg_device_info(device, &d);
	if (!err && !o->card && device)
		vgg_machine_set_device(m, &d);
	if (!err && o->what_if)
		err = vgg_machine_what_if(m, o->what_if);
	return err;
}

/* Where the speed of a link is from. */
static const struct {
	const char *name, *text;
} sources[] = {
	[VGG_LINK_REGISTERS] = { "registers", "as the card says" },
	[VGG_LINK_SUPPOSED] = { "supposed", "supposed" },
	[VGG_LINK_MEASURED] = { "measured", "measured" },
	[VGG_LINK_MACHINE] = { "machine", "limited by the machine" },
};

static void describe_link(struct planned *p)
{
	const struct vgg_machine_card *c = &p->machine.card;
	const char *source = sources[c->link_source].text;
	char limited[64];

	if (c->link_source == VGG_LINK_MACHINE) {
		snprintf(limited, sizeof(limited), "%s to gen %u x%u", source,
			 c->train_gen, c->train_lanes);
		source = limited;
	}
	if (c->link_mbps == c->back_mbps)
		snprintf(p->link_text, sizeof(p->link_text), "%u MB/s, %s",
			 c->link_mbps, source);
	else
		snprintf(p->link_text, sizeof(p->link_text),
			 "%u MB/s from the host, %u MB/s to it, %s",
			 c->link_mbps, c->back_mbps, source);
}

static void describe_machine(struct planned *p)
{
	const struct vgg_machine *m = &p->machine;
	const struct vgg_machine_card *c = &m->card;
	char memory[48] = "no memory";
	unsigned int i, n = 0;

	n = (unsigned int)snprintf(p->machine_text, sizeof(p->machine_text),
				   "%s: ", m->name);
	for (i = 1; i < m->processors && n < sizeof(p->machine_text); i++)
		n += (unsigned int)snprintf(
			p->machine_text + n, sizeof(p->machine_text) - n,
			"%s%s", i > 1 ? " + " : "", m->processor[i].name);
	if (c->local_free)
		snprintf(memory, sizeof(memory), "%.0f MiB at %.1f GB/s",
			 (double)c->local_free / (1 << 20),
			 c->local_mbps / 1e3);
	snprintf(p->card_text, sizeof(p->card_text),
		 "%u x %u MACs at %u MHz, %s, %u KiB on chip", c->mac_rows,
		 c->mac_cols, c->clock_khz / 1000, memory, c->onchip_kib);
	if (m->has_card)
		describe_link(p);
}

/*
 * Making.
 */
static int make_plan(struct planned *p, const struct vgg_costs *c,
		     const struct vgg_plan_options *o)
{
	const struct vgg_plan_choice choice = { o->split, !o->whole };
	int err;

	if (!o->file)
		return vgg_plan_choose(&p->machine, p->model, &choice,
				       &p->plan);
	err = vgg_plan_read(&p->plan, p->model, o->file);
	if (!err)
		vgg_plan_fit(&p->plan, p->model, p->machine.card.local_free);
	if (!err)
		err = vgg_plan_evaluate(c, &p->plan);
	if (!err)
		vgg_plan_explain(c, &p->plan);
	return err;
}

/* With all layers in one place; 0 if they can't be there. */
static double all_ms(const struct vgg_costs *c, enum vgg_split split)
{
	const struct vgg_plan_choice choice = { .split = split };
	struct vgg_plan plan = { 0 };
	double ms = 0;
	unsigned int i;

	for (i = 0; i < c->count && split == VGG_SPLIT_CARD; i++)
		if (c->model->layers[c->steps[i]].cpu_reason ||
		    !c->machine->has_card)
			return 0;
	if (!vgg_plan_choose(c->machine, c->model, &choice, &plan))
		ms = plan.ms;
	vgg_plan_clear(&plan);
	return ms;
}

static const char *step_name(const struct vgg_costs *c, unsigned int at)
{
	return c->model->layers[c->steps[at]].name;
}

static int describe_stages(struct planned *p, const struct vgg_costs *c)
{
	size_t size;
	FILE *to = open_memstream(&p->stages_text, &size);
	char ms[VGG_FIGURE_SIZE];
	unsigned int i;

	if (!to)
		return vgg_fail_memory("a stream's plan");
	for (i = 0; i < p->stream.stages; i++) {
		const struct vgg_stage *s = &p->stream.stage[i];

		fprintf(to, "%s%s: %s", i ? "; " : "",
			vgg_stage_processor(&p->machine, s->processor),
			step_name(c, s->first));
		if (s->end - s->first > 1)
			fprintf(to, "..%s", step_name(c, s->end - 1));
		fprintf(to, ", %s ms", vgg_stream_figure(s->ms, ms));
	}
	return fclose(to) ? vgg_fail_memory("a stream's plan") : 0;
}

static int fill(struct planned *p, const struct vgg_plan_options *o)
{
	struct vgg_costs c = { 0 };
	int err = vgg_costs_init(&c, &p->machine, p->model);

	if (!err)
		err = make_plan(p, &c, o);
	if (!err && c.count <= VGG_STREAM_STEPS_MAX)
		err = vgg_stream_search(&c, &p->stream);
	if (!err)
		err = describe_stages(p, &c);
	if (!err) {
		p->all_card_ms = all_ms(&c, VGG_SPLIT_CARD);
		p->all_cpu_ms = all_ms(&c, VGG_SPLIT_CPU);
		describe_machine(p);
	}
	vgg_costs_clear(&c);
	return err;
}

int vgg_plan_create(struct vgg_device *device, const struct vgg_model *model,
		    const struct vgg_plan_options *options,
		    struct vgg_plan **plan)
{
	struct vgg_plan_options o = VGG_INIT(o);
	struct planned *p;
	int err;

	if (options && vgg_check_struct(options->size, "plan options"))
		return -EINVAL;
	if (options)
		memcpy(&o, options,
		       options->size < sizeof(o) ? options->size : sizeof(o));
	err = vgg_check_choice(o.split, VGG_SPLIT_OFFLOAD, "split");
	if (err)
		return err;
	if (!model->integer_layers)
		return vgg_fail(MODEL_PRECISION, model->name,
				"import it again with quantisation",
				"the model has no integer form to plan for");
	p = calloc(1, sizeof(*p));
	if (!p)
		return vgg_fail_memory("a plan");
	p->model = model;
	err = make_machine(device, &o, &p->machine);
	if (!err)
		err = fill(p, &o);
	if (err)
		vgg_plan_free(&p->plan);
	else
		*plan = &p->plan;
	return err;
}

void vgg_plan_free(struct vgg_plan *plan)
{
	struct planned *p = (struct planned *)plan;

	if (!p)
		return;
	vgg_plan_clear(&p->plan);
	vgg_machine_clear(&p->machine);
	free(p->stages_text);
	free(p);
}

int vgg_plan_save(const struct vgg_plan *plan, const char *path)
{
	return vgg_plan_write(plan, of(plan)->model, path);
}

/*
 * Describing.
 */
static void fill_link(const struct planned *p, struct vgg_plan_info *i)
{
	const struct vgg_machine_card *c = &p->machine.card;

	i->link = p->link_text;
	i->link_source = "";
	if (!p->machine.has_card)
		return;
	i->link_source = sources[c->link_source].name;
	i->from_host_mbps = c->link_mbps;
	i->to_host_mbps = c->back_mbps;
}

int vgg_plan_info(const struct vgg_plan *plan, struct vgg_plan_info *info)
{
	const struct planned *p = of(plan);
	struct vgg_plan_info i = { .size = info->size };
	int err = vgg_check_struct(info->size, "plan info");
	unsigned int k;

	if (err)
		return err;
	i.machine = p->machine_text;
	i.card = p->machine.has_card ? p->card_text : NULL;
	i.summary = plan->summary;
	i.guessed = plan->guessed;
	i.ms = plan->ms;
	/* Without what jobs cost the host. */
	if (p->machine.has_card)
		i.card_ms = (double)plan->cycles / p->machine.card.clock_khz;
	for (k = 0; k < plan->count; k++) {
		const struct vgg_plan_layer *l = &plan->layers[k];

		i.cpu_ms += l->cpu_ms;
		if (l->ms > plan->layers[i.slowest].ms)
			i.slowest = k;
	}
	i.all_card_ms = p->all_card_ms;
	i.all_cpu_ms = p->all_cpu_ms;
	i.link_bytes = plan->link_bytes;
	i.local_used = plan->local_used;
	i.local_free = plan->local_free;
	i.activation_bytes = vgg_activation_bytes(p->model);
	i.on_board = p->machine.has_card &&
		     p->machine.card.local_free >= i.activation_bytes;
	i.stages_rate = p->stream.stages_rate;
	i.images_rate = p->stream.images_rate;
	i.bound = isfinite(p->stream.bound) ? p->stream.bound : 0;
	i.stages = p->stages_text;
	fill_link(p, &i);
	memcpy(info, &i, i.size < sizeof(i) ? i.size : sizeof(i));
	return 0;
}

static void describe_layer(const struct vgg_plan *plan, unsigned int layer,
			   struct vgg_plan_layer_info *i)
{
	const struct vgg_plan_layer *l = &plan->layers[layer];

	i->where = vgg_where_name(l);
	i->cut = l->cut;
	if (l->cut)
		vgg_cut_step(&of(plan)->model->layers[layer], l->where,
			     &i->all);
	i->streamed = l->streamed;
	i->ms = l->ms;
	i->card_ms = l->card_ms;
	i->cpu_ms = l->cpu_ms;
	i->gather_ms = l->gather_ms;
	i->link_bytes = l->link_bytes;
	i->reason = l->reason;
}

int vgg_plan_layer(const struct vgg_plan *plan, unsigned int layer,
		   struct vgg_plan_layer_info *info)
{
	struct vgg_plan_layer_info i = { .size = info->size };
	int err = vgg_check_struct(info->size, "plan layer info");

	if (!err && layer >= of(plan)->model->count)
		err = vgg_fail(BAD_ARGUMENT, of(plan)->model->name, NULL,
			       "the network has %u layers, no number %u",
			       of(plan)->model->count, layer);
	if (err)
		return err;
	if (layer < plan->count) {
		describe_layer(plan, layer, &i);
	} else {
		i.where = "tail";
		i.reason = "floating point";
	}
	memcpy(info, &i, i.size < sizeof(i) ? i.size : sizeof(i));
	return 0;
}
