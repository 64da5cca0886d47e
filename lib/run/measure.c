// SPDX-License-Identifier: MIT
/*
 * Measuring what plans are made from. Layers run one after the other, as in an
 * inference, so that each finds the caches as the one before left them; in each
 * pass all of them as far as one share goes. Times are medians of the rounds. Where
 * more takes less time, other programs ran: noise only ever adds. The whole layer is
 * measured once among the shares of its rows and once among those of its channels.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/costs_file.h"
#include "plan/search.h"
#include "run/int8_parts.h"
#include "run/measure.h"
#include "util/error.h"

#define ROUNDS 5
#define ROUNDS_MAX 1000
/* Beyond this, what one round took says more of the machine than of the layer. */
#define SPREAD_WIDE 1.5
/* What cuts leave to the CPU, the least first, and all. */
#define SHARES (VGG_CUTS_MAX + 1)
enum { ROWS, CHANNELS, KINDS };

struct measuring {
	const struct vgg_model *model;
	const struct vgg_calibrate_options *o;
	struct vgg_machine *machine;
	unsigned int processor;
	struct vgg_plan plan;
	struct vgg_int8 *x;
	double *ms;	/* [layer][kind][share][round] */
	double *spread; /* [layer], the widest of all processors */
	int rounds, cut_limit;
	unsigned int done, total; /* rounds of all processors */
};

static double *at(const struct measuring *m, unsigned int layer, int kind,
		  int share)
{
	return m->ms + ((size_t)layer * KINDS * SHARES +
			(size_t)(kind * SHARES + share)) *
			       (size_t)m->rounds;
}

/*
 * The last rows or channels of a layer, as the CPU gets them: so many of all. For
 * the very cuts that the search tries: kernels work in tiles, so their times rise
 * in steps, and a search among times that were interpolated would end where they
 * are furthest below the truth.
 */
static struct vgg_conv_range range_of(const struct measuring *m,
				      const struct vgg_layer *l, int kind,
				      int share, int *n)
{
	struct vgg_extent e = vgg_extent_of(&l->out);
	struct vgg_conv_range r = { 0, (int)e.h, 0, (int)e.c };
	int cuts[VGG_CUTS_MAX], count, first = 0;

	count = vgg_search_cuts(l, kind == ROWS ? VGG_BY_ROWS : VGG_BY_CHANNELS,
				m->cut_limit, cuts);
	/* What is never cut is measured whole; some cuts more than once. */
	if (count && share < VGG_CUTS_MAX)
		first = cuts[count - 1 - share * count / VGG_CUTS_MAX];
	*n = (int)(kind == ROWS ? e.h : e.c) - first;
	*(kind == ROWS ? &r.row0 : &r.c0) = first;
	return r;
}

static void run_round(struct measuring *m, int kind, int share, int round)
{
	unsigned int i;
	int n;

	for (i = 0; i < m->model->integer_layers; i++) {
		const struct vgg_layer *l = &m->model->layers[i];
		struct vgg_conv_range r;
		double start;

		if (vgg_layer_is_free(l))
			continue;
		r = range_of(m, l, kind, share, &n);
		start = vgg_now_ms();
		vgg_int8_run_cpu(m->x, i, &r);
		at(m, i, kind, share)[round] = vgg_now_ms() - start;
	}
}

static int run_rounds(struct measuring *m)
{
	int round, kind, share;

	run_round(m, ROWS, SHARES - 1, 0); /* pages and caches */
	for (round = 0; round < m->rounds; round++, m->done++) {
		if (m->o->progress &&
		    m->o->progress(m->o->progress_ctx, "rounds", m->done,
				   m->total))
			return vgg_fail(INTERRUPTED, NULL, NULL,
					"calibration was stopped");
		for (kind = 0; kind < KINDS; kind++)
			for (share = 0; share < SHARES; share++)
				run_round(m, kind, share, round);
	}
	return 0;
}

static void make_curve(const struct measuring *m, unsigned int i, int kind,
		       struct vgg_curve *c)
{
	const struct vgg_layer *l = &m->model->layers[i];
	int share, n;
	double ms;

	c->count = 0;
	for (share = 0; share < SHARES; share++) {
		range_of(m, l, kind, share, &n);
		ms = vgg_median(at(m, i, kind, share), m->rounds);
		ms = ms > 1e-6 ? ms : 1e-6;
		if (c->count && n <= c->n[c->count - 1])
			continue;
		c->n[c->count] = n;
		c->ms[c->count++] = ms;
	}
}

static void make_rising(struct vgg_curve *c, double all)
{
	int i = c->count - 1;

	c->ms[i] = all;
	for (; i > 0; i--)
		if (c->ms[i - 1] > c->ms[i])
			c->ms[i - 1] = c->ms[i];
}

void vgg_settle_curves(struct vgg_curve *rows, struct vgg_curve *channels)
{
	double a = rows->ms[rows->count - 1];
	double b = channels->ms[channels->count - 1];

	make_rising(rows, a < b ? a : b);
	make_rising(channels, a < b ? a : b);
}

/* All rounds of the whole layer; that of the rows' last share lie apart from those
 * of the channels'. */
static void note_spread(struct measuring *m, unsigned int i)
{
	double all[2 * ROUNDS_MAX], spread;
	size_t bytes = (size_t)m->rounds * sizeof(*all);

	memcpy(all, at(m, i, ROWS, SHARES - 1), bytes);
	memcpy(all + m->rounds, at(m, i, CHANNELS, SHARES - 1), bytes);
	spread = vgg_spread(all, 2 * m->rounds);
	m->spread[i] = spread > m->spread[i] ? spread : m->spread[i];
}

static int keep_times(struct measuring *m)
{
	char key[VGG_KEY_SIZE];
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < m->model->integer_layers; i++) {
		const struct vgg_layer *l = &m->model->layers[i];
		struct vgg_cpu_cost cost = { .guessed = false };

		if (vgg_layer_is_free(l))
			continue;
		note_spread(m, i);
		make_curve(m, i, ROWS, &cost.rows);
		make_curve(m, i, CHANNELS, &cost.channels);
		vgg_settle_curves(&cost.rows, &cost.channels);
		err = vgg_machine_add(m->machine, vgg_layer_key(l, key),
				      m->processor, &cost);
	}
	return err;
}

/* Values of no meaning; kernels take the same time for all of them. */
static void fill_input(struct vgg_int8 *x)
{
	int8_t *to = vgg_int8_input(x);
	uint32_t state = 1;
	uint64_t i;

	for (i = 0; to && i < x->tensors[0].bytes; i++) {
		state = state * 1664525 + 1013904223;
		to[i] = (int8_t)(state >> 24);
	}
}

static int measure_processor(struct measuring *m, struct vgg_device *cpu)
{
	struct vgg_int8_options o = { .device = cpu,
				      .model = m->model,
				      .plan = &m->plan };
	int err = vgg_threads_create(
		m->machine->processor[m->processor].threads, &o.threads);

	if (!err)
		err = vgg_int8_create(&o, &m->x);
	if (!err) {
		fill_input(m->x);
		err = run_rounds(m);
	}
	if (!err)
		err = keep_times(m);
	vgg_int8_free(m->x);
	m->x = NULL;
	vgg_threads_free(o.threads);
	return err;
}

/* A cluster's threads inherit the mask of who makes them, and we are one. */
static int measure_cluster(struct measuring *m, struct vgg_device *cpu)
{
	const struct vgg_cluster *c = &vgg_cpus()->cluster[m->processor - 1];
	cpu_set_t before;
	int err;

	if (sched_getaffinity(0, sizeof(before), &before) ||
	    sched_setaffinity(0, sizeof(c->cpus), &c->cpus))
		return measure_processor(m, cpu);
	err = measure_processor(m, cpu);
	sched_setaffinity(0, sizeof(before), &before);
	return err;
}

/* With one cluster, it is all there is. */
static int copy_times(struct vgg_machine *machine)
{
	size_t n = machine->n_measured, i;
	int err = 0;

	for (i = 0; !err && i < n; i++) {
		const struct vgg_measured one = machine->measured[i];

		if (!one.processor)
			err = vgg_machine_add(machine, one.key, 1, &one.cost);
	}
	return err;
}

static int measure_cpu(struct measuring *m)
{
	size_t n = (size_t)m->model->integer_layers * KINDS * SHARES *
		   (size_t)m->rounds;
	unsigned int processors =
		m->machine->processors > 2 ? m->machine->processors : 1;
	struct vgg_device *cpu = NULL;
	int err = vgg_device_open("cpu", NULL, &cpu);

	m->total = processors * (unsigned int)m->rounds;
	m->ms = calloc(n + 1, sizeof(*m->ms));
	if (!err && (!m->ms || !m->spread))
		err = vgg_fail_memory("times");
	if (!err)
		err = vgg_plan_make(cpu, m->model, VGG_SPLIT_CPU, 0, &m->plan);
	for (; !err && m->processor < processors; m->processor++)
		err = m->processor ? measure_cluster(m, cpu) :
				     measure_processor(m, cpu);
	if (!err && processors == 1)
		err = copy_times(m->machine);
	vgg_plan_clear(&m->plan);
	free(m->ms);
	vgg_device_close(cpu);
	return err;
}

/*
 * All of it.
 */
static double sum_of(const struct vgg_machine *machine,
		     const struct vgg_model *model)
{
	double ms = 0;
	unsigned int i;

	for (i = 0; i < model->integer_layers; i++) {
		const struct vgg_layer *l = &model->layers[i];
		struct vgg_cpu_cost cost;

		if (vgg_layer_is_free(l))
			continue;
		vgg_machine_cost(machine, l, 0, &cost);
		ms += vgg_curve_at(&cost.rows, (int)vgg_extent_of(&l->out).h);
	}
	return ms;
}

static unsigned int count_shapes(const struct vgg_machine *m)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < m->n_measured; i++)
		n += !m->measured[i].processor;
	return n;
}

/* Layers of one shape have one time: the last one's, and its spread. */
static bool is_last_of_shape(const struct vgg_model *model, unsigned int i)
{
	char a[VGG_KEY_SIZE], b[VGG_KEY_SIZE];

	vgg_layer_key(&model->layers[i], a);
	for (i++; i < model->integer_layers; i++)
		if (!strcmp(a, vgg_layer_key(&model->layers[i], b)))
			return false;
	return true;
}

static void tell_shapes(const struct measuring *m,
			struct vgg_calibrate_info *info)
{
	unsigned int i;

	for (i = 0; i < m->model->integer_layers; i++) {
		if (vgg_layer_is_free(&m->model->layers[i]) ||
		    !is_last_of_shape(m->model, i))
			continue;
		info->shapes++;
		if (m->spread[i] <= SPREAD_WIDE)
			continue;
		info->unsteady++;
		if (m->spread[i] > info->spread)
			info->spread = m->spread[i];
	}
	info->kept = count_shapes(m->machine) - info->shapes;
	info->threads = m->machine->processor[0].threads;
}

static int measure_card(struct vgg_machine *machine, struct vgg_device *device,
			struct vgg_calibrate_info *info)
{
	struct vgg_card_times times = { 0 };
	struct vgg_device_info d = VGG_INIT(d);
	struct vgg_measured_card card = { 0 };
	int err = vgg_device_info(device, &d);

	if (!err)
		err = vgg_measure_card(device, &d, &times);
	if (err || d.kind == VGG_DEVICE_CPU)
		return err;
	if (*times.why_no_link)
		snprintf(info->link, sizeof(info->link), "not measured: %s",
			 times.why_no_link);
	else
		snprintf(info->link, sizeof(info->link),
			 "%u MB/s from the host, %u MB/s to it",
			 times.from_host_mbps, times.to_host_mbps);
	info->job_ms = card.job_ms = times.job_ms;
	info->submit_ms = card.submit_ms = times.submit_ms;
	info->from_host_mbps = card.link_mbps = times.from_host_mbps;
	info->to_host_mbps = card.back_mbps = times.to_host_mbps;
	vgg_card_key(&d, card.key);
	return times.none ? 0 : vgg_machine_add_card(machine, &card);
}

static int measure(struct measuring *m, struct vgg_device *device,
		   struct vgg_calibrate_info *info)
{
	struct vgg_machine guess = *m->machine;
	char *path = vgg_costs_path(m->machine);
	int err = 0;

	if (!path)
		return vgg_fail(FILE_IO, "the cache folder",
				"set HOME, XDG_CACHE_HOME or VGG_COSTS",
				"there is no place to keep the times");
	guess.n_measured = 0;
	info->guessed_ms = sum_of(&guess, m->model);
	err = measure_cpu(m);
	if (!err && device)
		err = measure_card(m->machine, device, info);
	if (!err)
		err = vgg_costs_write(m->machine, path);
	if (!err) {
		info->ms = sum_of(m->machine, m->model);
		tell_shapes(m, info);
	}
	snprintf(info->path, sizeof(info->path), "%s", path);
	free(path);
	return err;
}

static unsigned int count_steps(const struct vgg_model *model)
{
	unsigned int n = 0, i;

	for (i = 0; i < model->integer_layers; i++)
		n += !vgg_layer_is_free(&model->layers[i]);
	return n;
}

int vgg_calibrate(struct vgg_device *device, const struct vgg_model *model,
		  const struct vgg_calibrate_options *options,
		  struct vgg_calibrate_info *out)
{
	struct vgg_calibrate_options o = VGG_INIT(o);
	struct vgg_calibrate_info info = VGG_INIT(info);
	struct vgg_machine machine;
	struct measuring m = { .model = model, .o = &o, .machine = &machine };
	int err;

	if (options && vgg_check_struct(options->size, "calibrate options"))
		return -EINVAL;
	if (out && vgg_check_struct(out->size, "calibrate info"))
		return -EINVAL;
	if (options)
		memcpy(&o, options,
		       options->size < sizeof(o) ? options->size : sizeof(o));
	if (o.threads < 0 || o.rounds < 0 || o.rounds > ROUNDS_MAX)
		return vgg_fail(BAD_ARGUMENT, "calibrate",
				"use 0 or more threads, 0 to 1000 rounds",
				"%d threads, %d rounds", o.threads, o.rounds);
	if (!model->integer_layers)
		return vgg_fail(MODEL_PRECISION, model->name,
				"import it again with quantisation",
				"the model has no integer form");
	m.rounds = o.rounds ? o.rounds : ROUNDS;
	m.cut_limit = vgg_search_cut_limit(count_steps(model));
	m.spread = calloc(model->integer_layers + 1, sizeof(*m.spread));
	vgg_machine_here(&machine, o.threads);
	err = measure(&m, device, &info);
	free(m.spread);
	vgg_machine_clear(&machine);
	if (out) {
		info.size = out->size;
		memcpy(out, &info,
		       out->size < sizeof(info) ? out->size : sizeof(info));
	}
	return err;
}
