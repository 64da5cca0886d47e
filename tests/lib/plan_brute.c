// SPDX-License-Identifier: MIT
/* See plan_brute.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "plan_brute.h"
#include "vgg_harness.h"

/*
 * Every plan, one after the other.
 */
struct all {
	const struct vgg_costs *c;
	bool parts;
	struct vgg_plan *plan;
	struct plan_all seen;
};

static void try_layer(struct all *a, unsigned int i);

static void try_place(struct all *a, unsigned int i, enum vgg_where where,
		      int cut)
{
	struct vgg_plan_layer *p = &a->plan->layers[i];
	int streamed;

	p->where = where;
	p->cut = cut;
	for (streamed = 0; streamed < (where == VGG_ON_CPU ? 1 : 2);
	     streamed++) {
		p->streamed = streamed;
		try_layer(a, i + 1);
	}
	p->streamed = false;
}

static void try_cuts(struct all *a, unsigned int i)
{
	const struct vgg_shape *out = &a->c->model->layers[i].out;
	int c = (int)vgg_channels(out), n;
	int h = out->rank == 4 ? (int)out->dim[2] : 1;
	int w = out->rank == 4 ? (int)out->dim[3] : 1;

	if (a->c->model->layers[i].op != VGG_OP_CONV)
		return;
	for (n = 1; n < h; n++)
		if (n * w * c % 64 == 0)
			try_place(a, i, VGG_BY_ROWS, n);
	for (n = 64; n < c; n += 64)
		if (c % 64 == 0 || h * w == 1)
			try_place(a, i, VGG_BY_CHANNELS, n);
}

static void try_layer(struct all *a, unsigned int i)
{
	const struct vgg_layer *l = &a->c->model->layers[i];

	if (i == a->plan->count) {
		a->seen.plans++;
		if (vgg_plan_evaluate(a->c, a->plan))
			return;
		a->seen.fitting++;
		a->seen.best = fmin(a->seen.best, a->plan->ms);
		return;
	}
	if (a->plan->layers[i].free) {
		try_layer(a, i + 1);
		return;
	}
	try_place(a, i, VGG_ON_CPU, 0);
	if (l->cpu_reason)
		return;
	try_place(a, i, VGG_ON_CARD, 0);
	if (a->parts)
		try_cuts(a, i);
	a->plan->layers[i].where = VGG_ON_CPU;
}

struct plan_all plan_try_all(const struct vgg_costs *c, bool parts)
{
	struct vgg_plan plan;
	struct all a = { c, parts, &plan, { .best = INFINITY } };

	OK(vgg_plan_alloc(&plan, c->model));
	try_layer(&a, 0);
	vgg_plan_clear(&plan);
	return a.seen;
}

double plan_count(const struct vgg_model *m, bool parts)
{
	double n = 1;
	unsigned int i;
	int all, step;

	for (i = 0; i < m->count; i++) {
		const struct vgg_layer *l = &m->layers[i];
		double ways = 3;

		if (vgg_layer_is_free(l))
			continue;
		step = vgg_cut_step(l, VGG_BY_ROWS, &all);
		if (parts && step)
			ways += 2 * ((all - 1) / step);
		step = vgg_cut_step(l, VGG_BY_CHANNELS, &all);
		if (parts && step)
			ways += 2 * ((all - 1) / step);
		n *= l->cpu_reason ? 1 : ways;
	}
	return n;
}

/*
 * Networks and machines.
 */
static int in(uint64_t *seed, int lo, int hi)
{
	return (int)test_random_in(seed, lo, hi);
}

/* "conv 64 k3 p1", mostly in sizes that can be cut. */
static void random_line(uint64_t *seed, int size, char *line, size_t room)
{
	static const int channels[] = { 16, 32, 64, 64, 128, 192 };
	int c = channels[in(seed, 0, 5)];

	switch (in(seed, 0, 7)) {
	case 0:
		snprintf(line, room, "cpu\n");
		break;
	case 1:
		snprintf(line, room, size > 3 ? "max 2\n" : "conv %d\n", c);
		break;
	case 2:
		snprintf(line, room,
			 size > 3 ? "conv %d k3 p1 pool2\n" : "conv %d k3 p1\n",
			 c);
		break;
	case 3:
		snprintf(line, room,
			 size > 4 ? "conv %d k3 p1 pool3 q2\n" : "conv %d k1\n",
			 c);
		break;
	default:
		snprintf(line, room,
			 in(seed, 0, 2) ? "conv %d k3 p1\n" : "conv %d k1\n",
			 c);
	}
}

struct vgg_model *plan_random_net(uint64_t *seed, unsigned int layers)
{
	char text[512] = "", line[40];
	int h = in(seed, 1, 6), w = in(seed, 3, 8), fc = in(seed, 0, 3);
	struct vgg_model *m = NULL;
	unsigned int i;

	for (i = 0; i < layers; i++) {
		bool is_fc = (int)i + fc >= (int)layers;

		if (is_fc && (int)i + fc == (int)layers)
			strcat(text, "flat\n");
		if (is_fc)
			snprintf(line, sizeof(line), "fc %d\n",
				 in(seed, 0, 1) ? 100 : 128);
		else
			random_line(seed,
				    m	  ? (int)vgg_model_output(m)->dim[2] :
				    h < w ? h :
					    w,
				    line, sizeof(line));
		strcat(text, line);
		plan_net_free(m);
		m = plan_net(in(seed, 0, 1) ? 64 : 3, h, w, text);
	}
	return m;
}

static void random_curve(uint64_t *seed, int all, struct vgg_curve *c)
{
	double ms = 0;

	c->count = 0;
	while (c->count < 3 && (!c->count || c->n[c->count - 1] < all)) {
		ms += in(seed, 0, 1000) / 20000.0;
		c->n[c->count] =
			c->count == 2 ?
				all :
				in(seed, c->count ? c->n[c->count - 1] + 1 : 1,
				   all);
		c->ms[c->count++] = ms;
	}
	c->n[c->count - 1] = all;
}

void plan_random_machine(uint64_t *seed, const struct vgg_model *m,
			 struct vgg_machine *machine)
{
	struct vgg_machine_card *c = &machine->card;
	uint64_t weights = 0, activations = 4096;
	unsigned int i;

	plan_machine(machine, in(seed, 1, 40));
	c->mac_rows = 1u << in(seed, 2, 6);
	c->mac_cols = 1u << in(seed, 2, 6);
	c->local_mbps = (uint32_t)in(seed, 100, 5000);
	c->link_mbps = (uint32_t)in(seed, 50, 3000);
	c->onchip_kib = 1u << in(seed, 0, 10);
	c->job_cycles = (uint32_t)in(seed, 0, 4000);
	c->command_cycles = (uint32_t)in(seed, 0, 1000);
	machine->job_ms = in(seed, 0, 50) / 1000.0;
	for (i = 0; i < m->count; i++) {
		const struct vgg_place_of card = { VGG_ON_CARD, 0 };
		const struct vgg_layer *l = &m->layers[i];
		struct vgg_extent out = vgg_extent_of(&l->out);
		struct vgg_cpu_cost cost = { .guessed = false };
		char key[VGG_KEY_SIZE];

		weights += vgg_weight_bytes(l, card);
		activations +=
			(uint64_t)vgg_shape_count(&l->out) / 4096 * 4096 + 4096;
		if (in(seed, 0, 1))
			continue;
		random_curve(seed, (int)out.h, &cost.rows);
		random_curve(seed, (int)out.c, &cost.channels);
		OK(vgg_machine_add(machine, vgg_layer_key(l, key), 0, &cost));
	}
	if (in(seed, 0, 3))
		c->local_free = activations + 4096 * (uint64_t)in(seed, 0, 2) +
				weights * (uint64_t)in(seed, 0, 10) / 10;
	else if (in(seed, 0, 1))
		c->local_free = activations / 3;
}
