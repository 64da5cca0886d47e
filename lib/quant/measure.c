// SPDX-License-Identifier: MIT
/*
 * Each input runs in int8 and then in fp32, which shows every tensor on its way:
 * there it is compared with its int8 form. For the error of a layer alone, it runs
 * by itself from the tensor that fp32 had before it, rounded to int8; its result is
 * compared, and fp32's own is rounded for the next layer.
 *
 * Both ways, CPU and card, get the same bytes as a layer's input. So a difference
 * alone is made by the layer on the card, while one in the run of all layers may
 * have come from before.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "plan/plan.h"
#include "quant/bench.h"
#include "quant/measure.h"
#include "run/f32.h"
#include "util/error.h"

struct vgg_measure {
	const struct vgg_model *model;
	bool alone;
	unsigned int ways, inputs;
	struct vgg_bench bench[VGG_WAYS];
	struct vgg_int8 *apart[VGG_WAYS]; /* for layers alone */
	struct vgg_f32 *f32;	  /* NULL: the model has no such weights */
	int8_t *rounded;	  /* fp32's tensor before a layer */
	int8_t *result[VGG_WAYS]; /* of a layer alone */
	struct vgg_deviation *d;  /* per integer layer */
	int err;		  /* of a layer alone */
};

double vgg_distance_cosine(const struct vgg_distance *d)
{
	return d->inputs ? d->cosine / d->inputs : 0;
}

double vgg_distance_snr(const struct vgg_distance *d)
{
	if (!(d->noise > 0))
		return INFINITY;
	return d->signal > 0 ? 10 * log10(d->signal / d->noise) : 0;
}

/*
 * One tensor.
 */
static void compare(struct vgg_distance *d, const struct vgg_quant *q,
		    const float *x, const int8_t *y, int64_t n)
{
	double dot = 0, aa = 0, bb = 0, noise = 0, worst = 0;
	int64_t i;

	for (i = 0; i < n; i++) {
		double a = (double)x[i],
		       b = (y[i] - q->zero) * (double)q->scale;

		dot += a * b;
		aa += a * a;
		bb += b * b;
		noise += (a - b) * (a - b);
		worst = fmax(worst, fabs(a - b));
	}
	d->inputs++;
	d->signal += aa;
	d->noise += noise;
	d->dot += dot;
	d->worst = fmax(d->worst, worst);
	d->cosine += aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : aa == bb;
}

static void compare_bytes(struct vgg_difference *d, const int8_t *a,
			  const int8_t *b, uint64_t n)
{
	uint64_t k;

	for (k = 0; k < n; k++) {
		if (a[k] == b[k])
			continue;
		if (!d->bytes++)
			d->first = k;
	}
}

static void look_at(struct vgg_deviation *d, const struct vgg_quant *q,
		    const float *x, int64_t n)
{
	double lo = (-128.5 - q->zero) * (double)q->scale;
	double hi = (127.5 - q->zero) * (double)q->scale;
	int64_t i;

	for (i = 0; i < n; i++) {
		double v = (double)x[i], beyond = fmax(v - hi, lo - v);

		d->nonzero += v != 0;
		if (!(beyond > 0))
			continue;
		d->clipped++;
		/* From the last level, half a step inside. */
		beyond += (double)q->scale / 2;
		d->clip_noise += beyond * beyond;
	}
	for (i = 0; i < n; i++) {
		d->min = d->count + (uint64_t)i ? fminf(d->min, x[i]) : x[i];
		d->max = d->count + (uint64_t)i ? fmaxf(d->max, x[i]) : x[i];
	}
	d->count += (uint64_t)n;
}

static void add_noise(double *noise, size_t channels, const struct vgg_quant *q,
		      const float *x, const int8_t *y, int64_t n)
{
	size_t c = 0;
	int64_t i;

	for (i = 0; i < n; i++, c = c + 1 < channels ? c + 1 : 0) {
		double e = (double)x[i] - (y[i] - q->zero) * (double)q->scale;

		noise[c] += e * e;
	}
}

/*
 * One input.
 */
static int compare_alone(struct vgg_measure *m, unsigned int i,
			 const float *data, int64_t count)
{
	const struct vgg_layer *l = &m->model->layers[i];
	struct vgg_deviation *d = &m->d[i];
	unsigned int w;
	int err = 0;

	for (w = 0; !err && w < m->ways; w++) {
		err = vgg_int8_run_layer(m->apart[w], i, m->rounded,
					 m->result[w]);
		if (!err)
			compare(&d->alone[w], &l->out_q, data, m->result[w],
				count);
	}
	if (err)
		return err;
	if (m->ways > VGG_WAY_CARD)
		compare_bytes(&d->alone_differ, m->result[0],
			      m->result[VGG_WAY_CARD], (uint64_t)count);
	add_noise(d->noise, (size_t)vgg_channels(&l->out), &l->out_q, data,
		  m->result[0], count);
	vgg_bench_round(&l->out_q, data, (size_t)count, m->rounded);
	compare(&d->rounded, &l->out_q, data, m->rounded, count);
	return 0;
}

/* What the layer itself cuts off, as a ReLU6 does, isn't lost: fp32's output
 * doesn't have it either. */
static void seen(void *ctx, unsigned int i, const float *data, int64_t count)
{
	struct vgg_measure *m = ctx;
	const struct vgg_quant *q = &m->model->layers[i].out_q;
	unsigned int w;

	if (i >= m->model->integer_layers)
		return;
	for (w = 0; w < m->ways; w++)
		compare(&m->d[i].all[w], q, data,
			vgg_int8_tensor(m->bench[w].x, i + 1), count);
	look_at(&m->d[i], q, data, count);
	if (m->alone && !m->err)
		m->err = compare_alone(m, i, data, count);
}

static int run_way(struct vgg_measure *m, struct vgg_int8 *x,
		   const float *input)
{
	size_t n = (size_t)vgg_shape_count(&m->model->input);
	struct vgg_int8_totals totals;
	int8_t *to = vgg_int8_input(x);

	if (!to)
		return -EIO;
	vgg_bench_round(&m->model->in_q, input, n, to);
	return vgg_int8_run(x, &totals);
}

static void compare_ways(struct vgg_measure *m)
{
	unsigned int i;

	for (i = 0; i < m->model->integer_layers; i++)
		compare_bytes(
			&m->d[i].all_differ,
			vgg_int8_tensor(m->bench[VGG_WAY_CARD].x, i + 1),
			vgg_int8_tensor(m->bench[VGG_WAY_CPU].x, i + 1),
			(uint64_t)vgg_shape_count(&m->model->layers[i].out));
}

int vgg_measure_add(struct vgg_measure *m, const float *input)
{
	size_t n = (size_t)vgg_shape_count(&m->model->input);
	unsigned int w;
	int err = 0;

	/* The card first: a fault that is told to come after so many jobs comes
	 * there, whatever the CPU does. */
	for (w = m->ways; !err && w--;)
		err = run_way(m, m->bench[w].x, input);
	if (err)
		return err;
	if (m->ways > VGG_WAY_CARD)
		compare_ways(m);
	if (m->f32) {
		if (m->alone)
			vgg_bench_round(&m->model->in_q, input, n, m->rounded);
		vgg_f32_run(m->f32, input, seen, m);
	}
	m->inputs++;
	return m->err;
}

/*
 * All of it.
 */
static bool has_card(struct vgg_device *device)
{
	struct vgg_device_info info = VGG_INIT(info);

	return device && !vgg_device_info(device, &info) &&
	       info.kind != VGG_DEVICE_CPU;
}

static int64_t largest_tensor(const struct vgg_model *m)
{
	int64_t most = vgg_shape_count(&m->input), n;
	unsigned int i;

	for (i = 0; i < m->integer_layers; i++) {
		n = vgg_shape_count(&m->layers[i].out);
		most = n > most ? n : most;
	}
	return most;
}

static int prepare_alone(struct vgg_measure *m)
{
	size_t bytes = (size_t)largest_tensor(m->model);
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < m->ways; i++) {
		err = vgg_int8_another(m->bench[i].x, &m->apart[i]);
		m->result[i] = malloc(bytes);
		if (!err && !m->result[i])
			err = vgg_fail_memory("a comparison");
	}
	if (err == -ENOSPC)
		err = vgg_fail(DEVICE_MEMORY, m->model->name,
			       "end other programs that use the card",
			       "the card has no room for a second set of "
			       "activations");
	if (err)
		return err;
	m->rounded = malloc(bytes);
	for (i = 0; i < m->model->integer_layers; i++) {
		size_t n = (size_t)vgg_channels(&m->model->layers[i].out);

		m->d[i].noise = calloc(n, sizeof(double));
		if (!m->rounded || !m->d[i].noise)
			return vgg_fail_memory("a comparison");
	}
	return 0;
}

static int prepare(struct vgg_measure *m, const struct vgg_measure_options *o)
{
	int err = 0, w;

	m->d = calloc(m->model->integer_layers + 1, sizeof(*m->d));
	if (!m->d)
		return vgg_fail_memory("a comparison");
	for (w = (int)m->ways; !err && w--;)
		err = vgg_bench_open(&m->bench[w], m->model,
				     w == VGG_WAY_CARD ? o->card : NULL,
				     o->threads);
	if (!err)
		err = vgg_f32_create(m->model, o->threads, &m->f32);
	if (err == -ENODATA) { /* int8 only: compare what there is */
		m->alone = false;
		return 0;
	}
	return !err && m->alone ? prepare_alone(m) : err;
}

int vgg_measure_create(const struct vgg_measure_options *o,
		       struct vgg_measure **out)
{
	struct vgg_measure *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return vgg_fail_memory("a comparison");
	m->model = o->model;
	m->alone = o->alone;
	m->ways = has_card(o->card) ? VGG_WAYS : 1;
	err = prepare(m, o);
	if (err)
		vgg_measure_free(m);
	else
		*out = m;
	return err;
}

void vgg_measure_free(struct vgg_measure *m)
{
	unsigned int i;

	if (!m)
		return;
	for (i = 0; i < VGG_WAYS; i++) {
		vgg_int8_free(m->apart[i]);
		vgg_bench_close(&m->bench[i]);
		free(m->result[i]);
	}
	for (i = 0; m->d && i < m->model->integer_layers; i++)
		free(m->d[i].noise);
	vgg_f32_free(m->f32);
	free(m->rounded);
	free(m->d);
	free(m);
}

const struct vgg_deviation *vgg_measure_layer(const struct vgg_measure *m,
					      unsigned int layer)
{
	return &m->d[layer];
}

bool vgg_measure_has_fp32(const struct vgg_measure *m)
{
	return m->f32;
}

bool vgg_measure_on_card(const struct vgg_measure *m, unsigned int layer)
{
	const struct vgg_plan *plan = &m->bench[VGG_WAY_CARD].plan;

	return m->ways > VGG_WAY_CARD &&
	       vgg_plan_uses_card(&plan->layers[layer]);
}

unsigned int vgg_measure_inputs(const struct vgg_measure *m)
{
	return m->inputs;
}

static int add_samples(struct vgg_measure *m, struct vgg_samples *s)
{
	float *input = malloc(s->elements * sizeof(*input));
	unsigned int i;
	int err = input ? 0 : vgg_fail_memory("a comparison");

	for (i = 0; !err && i < s->count; i++) {
		err = vgg_samples_read(s, i, input);
		if (!err)
			err = vgg_measure_add(m, input);
		if (!err)
			err = vgg_samples_tell(s, "comparing int8 with fp32",
					       i + 1);
	}
	free(input);
	return err;
}

int vgg_measure_samples(struct vgg_samples *s, struct vgg_threads *threads,
			bool alone, struct vgg_measure **out)
{
	struct vgg_measure_options o = { .model = s->model,
					 .threads = threads,
					 .alone = alone };
	int err = vgg_measure_create(&o, out);

	if (err)
		return err;
	err = add_samples(*out, s);
	if (!err)
		return 0;
	vgg_measure_free(*out);
	*out = NULL;
	return err;
}
