// SPDX-License-Identifier: MIT
/*
 * See bench_layers.h. A layer that is a step by itself takes what the step takes.
 * Layers that are one job of the card share its step's time as the card's cycle
 * model says: nobody sees the border between them.
 */
#include <stdlib.h>
#include <string.h>

#include "bench_layers.h"
#include "text.h"

static void *zeroed(size_t bytes)
{
	return memset(cli_alloc(NULL, bytes), 0, bytes);
}

void layer_times_begin(struct layer_times *l, unsigned int count,
		       unsigned int runs)
{
	*l = (struct layer_times){ .layers = count, .runs = runs };
	l->ms = zeroed((size_t)(count + 1) * runs * sizeof(*l->ms));
	l->cycles = zeroed(count * sizeof(*l->cycles));
	l->of = zeroed((count + 1) * sizeof(*l->of));
	l->steps = zeroed((count + 1) * sizeof(*l->steps));
	l->of[count] = (struct out_step){ .name = "(the rest)", .where = "-" };
}

static double *ms_of(const struct layer_times *l, int layer)
{
	return &l->ms[(size_t)layer * l->runs + l->done];
}

/* What is kept of layers without a step of their own. */
static void add_modelled(struct layer_times *l, const struct vgg_trace_event *e)
{
	l->cycles[e->layer] = e->cycles;
	if (!l->of[e->layer].name)
		l->of[e->layer] = (struct out_step){ .name = e->name,
						     .where = "card",
						     .modelled = true };
}

static void add_step(struct layer_times *l, const struct vgg_trace_event *e)
{
	double ms = (double)(e->end - e->begin) / 1e6;
	uint64_t all = 0;
	int i;

	if (e->layers == 1) {
		*ms_of(l, e->layer) = ms;
		l->of[e->layer] = (struct out_step){ .name = e->name,
						     .where = e->where,
						     .cut = e->cut,
						     .all = e->all };
		return;
	}
	for (i = e->layer; i < e->layer + e->layers; i++)
		all += l->cycles[i];
	for (i = e->layer; all && i < e->layer + e->layers; i++)
		*ms_of(l, i) = ms * (double)l->cycles[i] / (double)all;
}

int layer_times_add(struct layer_times *l, struct vgg_trace *trace, double ms)
{
	struct vgg_trace_info info = VGG_INIT(info);
	struct vgg_trace_event e = VGG_INIT(e);
	int err = vgg_trace_info(trace, &info), pass;
	size_t i;

	memset(l->cycles, 0, l->layers * sizeof(*l->cycles));
	for (pass = 0; pass < 2; pass++)
		for (i = 0; !err && i < info.events; i++) {
			err = vgg_trace_event(trace, i, &e);
			if (!pass && e.kind == VGG_TRACE_LAYER)
				add_modelled(l, &e);
			if (pass && e.layers &&
			    (e.kind == VGG_TRACE_STEP ||
			     e.kind == VGG_TRACE_FLOAT))
				add_step(l, &e);
		}
	for (i = 0; i < l->layers; i++)
		ms -= *ms_of(l, (int)i);
	*ms_of(l, (int)l->layers) = ms;
	l->done++;
	vgg_trace_clear(trace);
	return err;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void sort_numbers(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), by_value);
}

double sorted_median(const double *values, unsigned int n)
{
	return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

void layer_times_end(struct layer_times *l)
{
	unsigned int i;

	for (i = 0; i <= l->layers; i++) {
		double *ms = &l->ms[(size_t)i * l->runs];

		if (!l->of[i].name)
			continue;
		sort_numbers(ms, l->done);
		l->of[i].ms = sorted_median(ms, l->done);
		l->all += l->of[i].ms;
		l->steps[l->n_steps++] = l->of[i];
	}
}

void layer_times_free(struct layer_times *l)
{
	free(l->steps);
	free(l->ms);
	free(l->cycles);
	free(l->of);
}
