// SPDX-License-Identifier: MIT
/* See lanes.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/lanes.h"
#include "util/error.h"

/* Of a plan on card and CPU: one at each, and one on its way in or out. */
#define IN_FLIGHT 3

void vgg_lanes_take(struct vgg_lanes *lanes, const struct vgg_model *m,
		    struct vgg_plan *plan)
{
	*lanes = (struct vgg_lanes){ .count = 1 };
	lanes->lane[0].plan = *plan;
	lanes->lane[0].in_flight = IN_FLIGHT;
	*plan = (struct vgg_plan){ 0 };
	vgg_plan_summarize(&lanes->lane[0].plan, m);
	snprintf(lanes->summary, sizeof(lanes->summary), "%s",
		 lanes->lane[0].plan.summary);
}

void vgg_lanes_clear(struct vgg_lanes *lanes)
{
	unsigned int i;

	for (i = 0; i < lanes->count; i++)
		vgg_plan_clear(&lanes->lane[i].plan);
	lanes->count = 0;
}

/*
 * What they are called, by what they are predicted to do.
 */
static void say_stages(struct vgg_lanes *lanes)
{
	const struct vgg_lane *l = &lanes->lane[0];
	char rate[VGG_FIGURE_SIZE];

	snprintf(lanes->summary, sizeof(lanes->summary),
		 "%u stage%s, %s images/s predicted: %s", lanes->stages,
		 lanes->stages == 1 ? "" : "s",
		 vgg_stream_figure(l->rate, rate), l->plan.summary);
}

/* "card 120", "1 of 2 CPUs 35": what lane i begins, as far as its processor's
 * lanes are there. */
static int say_processor(const struct vgg_lanes *lanes, unsigned int i,
			 char *text, size_t size)
{
	const struct vgg_lane *l = &lanes->lane[i];
	char rate[VGG_FIGURE_SIZE], of[24] = "";
	unsigned int n = 0, k;
	double sum = 0;

	for (k = 0; k < lanes->count; k++) {
		if (lanes->lane[k].processor != l->processor)
			continue;
		if (k < i)
			return 0;
		sum += lanes->lane[k].rate;
		n++;
	}
	if (n < l->siblings)
		snprintf(of, sizeof(of), "%u of ", n);
	return snprintf(text, size, "%s %s%s %s", i ? "," : "", of, l->name,
			vgg_stream_figure(sum, rate));
}

static void say_whole(struct vgg_lanes *lanes)
{
	char *text = lanes->summary, rate[VGG_FIGURE_SIZE];
	size_t size = sizeof(lanes->summary), n;
	double all = 0;
	unsigned int i;

	for (i = 0; i < lanes->count; i++)
		all += lanes->lane[i].rate;
	n = (size_t)snprintf(text, size, "whole images, %s/s predicted:",
			     vgg_stream_figure(all, rate));
	for (i = 0; i < lanes->count && n < size; i++)
		n += (size_t)say_processor(lanes, i, text + n, size - n);
}

void vgg_lanes_limit(struct vgg_lanes *lanes, unsigned int in_flight)
{
	struct vgg_lane *first = &lanes->lane[0];

	while (lanes->count > in_flight)
		vgg_plan_clear(&lanes->lane[--lanes->count].plan);
	if (lanes->stages) {
		first->rate = fmin(first->rate, in_flight * 1e3 / first->ms);
		say_stages(lanes);
	} else if (*first->name) {
		say_whole(lanes);
	}
}

static struct vgg_lane *add_lane(struct vgg_lanes *lanes,
				 const struct vgg_costs *c,
				 const struct vgg_stage *stages, unsigned int n)
{
	struct vgg_lane *lane = &lanes->lane[lanes->count];
	double slowest = 0;
	unsigned int i;

	if (vgg_plan_alloc(&lane->plan, c->model))
		return NULL;
	lanes->count++;
	for (i = 0; i < n; i++) {
		vgg_stage_place(c, &stages[i], &lane->plan);
		slowest = fmax(slowest, stages[i].ms);
		lane->ms += stages[i].ms;
	}
	vgg_plan_summarize(&lane->plan, c->model);
	lane->rate = 1e3 / slowest;
	return lane;
}

static int make_stages(struct vgg_lanes *lanes, const struct vgg_costs *c,
		       const struct vgg_stream_plan *s)
{
	struct vgg_lane *lane = add_lane(lanes, c, s->stage, s->stages);

	if (!lane)
		return vgg_fail_memory("a plan");
	lane->in_flight = s->stages + 2;
	lanes->stages = s->stages;
	say_stages(lanes);
	return 0;
}

static int by_rate(const void *a, const void *b)
{
	const struct vgg_lane *x = a, *y = b;

	return (x->rate < y->rate) - (x->rate > y->rate);
}

/* Results leave in order, so while the slowest lane has an image the others must
 * have room for all that they do meanwhile. */
static void find_in_flight(struct vgg_lanes *lanes)
{
	double slowest = lanes->lane[lanes->count - 1].rate;
	unsigned int i;

	for (i = 0; i < lanes->count; i++) {
		struct vgg_lane *l = &lanes->lane[i];
		double n = ceil(l->rate / slowest) + 2;

		l->in_flight = n < VGG_IN_FLIGHT_MAX ? (unsigned int)n :
						       VGG_IN_FLIGHT_MAX;
	}
}

/* Copies of so many bytes of weights cost neither memory nor time that counts. */
#define SMALL_BYTES ((size_t)8 << 20)

static bool is_small(const struct vgg_model *m)
{
	size_t bytes = 0;
	unsigned int i;

	for (i = 0; i < m->integer_layers; i++)
		bytes += m->layers[i].qweight.count;
	return bytes <= SMALL_BYTES;
}

/* All of the network on one processor: a lane, or one for each of its CPUs. */
static int add_processor(struct vgg_lanes *lanes, const struct vgg_costs *c,
			 unsigned int processor)
{
	struct vgg_stage all = { .processor = processor,
				 .end = c->count,
				 .ms = vgg_stage_ms(c, processor, 0,
						    c->count) };
	int cpus = processor && is_small(c->model) ?
			   c->machine->processor[processor].threads :
			   1;
	int i;

	if (!isfinite(all.ms))
		return 0;
	for (i = 0; i < cpus && lanes->count < VGG_LANES_MAX; i++) {
		struct vgg_lane *l = add_lane(lanes, c, &all, 1);

		if (!l)
			return vgg_fail_memory("a plan");
		l->rate /= cpus;
		l->siblings = (unsigned int)cpus;
		l->processor = processor;
		snprintf(l->name, sizeof(l->name), "%s",
			 vgg_stage_processor(c->machine, processor));
		if (cpus == 1)
			continue;
		l->threads = 1;
		l->cluster = processor - 1;
	}
	return 0;
}

static int make_whole(struct vgg_lanes *lanes, const struct vgg_costs *c)
{
	unsigned int p;
	int err = 0;

	for (p = 0; !err && p < c->machine->processors; p++)
		err = add_processor(lanes, c, p);
	if (err)
		return err;
	qsort(lanes->lane, lanes->count, sizeof(*lanes->lane), by_rate);
	say_whole(lanes);
	find_in_flight(lanes);
	return 0;
}

/* Clusters get threads of their own where there are several. */
static void find_threads(struct vgg_lanes *lanes, const struct vgg_machine *m)
{
	unsigned int p;

	if (m->processors <= 2)
		return;
	lanes->clusters = m->processors - 1;
	for (p = 1; p < m->processors; p++)
		lanes->threads[p - 1] = m->processor[p].threads;
}

static int plan_stream(struct vgg_lanes *lanes, const struct vgg_costs *c)
{
	struct vgg_stream_plan s;
	int err = vgg_stream_search(c, &s);

	if (err)
		return err;
	find_threads(lanes, c->machine);
	/* A single stage is a processor that takes whole images. */
	return s.whole_images || s.stages == 1 ? make_whole(lanes, c) :
						 make_stages(lanes, c, &s);
}

int vgg_lanes_plan(struct vgg_lanes *lanes, const struct vgg_machine *machine,
		   const struct vgg_model *m)
{
	struct vgg_costs c = { 0 };
	int err = vgg_costs_init(&c, machine, m);

	*lanes = (struct vgg_lanes){ 0 };
	if (!err)
		err = plan_stream(lanes, &c);
	vgg_costs_clear(&c);
	if (err)
		vgg_lanes_clear(lanes);
	return err;
}

/* d NULL: the CPU alone. */
static int make_here(const struct vgg_device_info *d, const struct vgg_model *m,
		     int threads, struct vgg_lanes *lanes)
{
	struct vgg_machine machine;
	int err;

	vgg_machine_here(&machine, threads);
	if (d)
		vgg_machine_set_device(&machine, d);
	err = vgg_lanes_plan(lanes, &machine, m);
	vgg_machine_clear(&machine);
	return err;
}

int vgg_lanes_make(struct vgg_device *device, const struct vgg_model *m,
		   enum vgg_split split, int threads, struct vgg_lanes *lanes)
{
	struct vgg_device_info d = VGG_INIT(d);
	struct vgg_plan plan = { 0 };
	int err = vgg_device_info(device, &d);

	*lanes = (struct vgg_lanes){ 0 };
	if (err)
		return err;
	if (m->integer_layers <= VGG_STREAM_STEPS_MAX) {
		if (split == VGG_SPLIT_AUTO && !vgg_plan_wins_no_time(&d))
			return make_here(&d, m, threads, lanes);
		if (split == VGG_SPLIT_CPU)
			return make_here(NULL, m, threads, lanes);
	}
	err = vgg_plan_make(device, m, split, threads, &plan);
	if (!err)
		vgg_lanes_take(lanes, m, &plan);
	return err;
}
