// SPDX-License-Identifier: MIT
/*
 * Each sample runs in int8 and then in fp32, which shows every tensor on its way:
 * there it is compared with its int8 form. For the error of a layer alone, a second
 * set of int8 tensors follows fp32: a layer runs from the input that fp32 had,
 * rounded, is compared, and its output is replaced by fp32's.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/kernels.h"
#include "plan/machine.h"
#include "quant/measure.h"
#include "run/f32.h"
#include "run/int8_parts.h"
#include "util/error.h"

int vgg_bench_open(struct vgg_bench *b, const struct vgg_model *m,
		   struct vgg_threads *threads)
{
	struct vgg_int8_options o = { .model = m,
				      .plan = &b->plan,
				      .threads = threads,
				      .visible = true };
	int err;

	*b = (struct vgg_bench){ 0 };
	err = vgg_device_open("cpu", NULL, &b->cpu);
	if (!err)
		err = vgg_plan_make(b->cpu, m, VGG_SPLIT_CPU, 0, &b->plan);
	o.device = b->cpu;
	return err ? err : vgg_int8_create(&o, &b->x);
}

void vgg_bench_close(struct vgg_bench *b)
{
	vgg_int8_free(b->x);
	vgg_plan_clear(&b->plan);
	vgg_device_close(b->cpu);
	*b = (struct vgg_bench){ 0 };
}

void vgg_bench_run_layer(struct vgg_int8 *x, unsigned int i)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];
	struct vgg_extent e = vgg_extent_of(&l->out);
	struct vgg_conv_range whole = { 0, (int)e.h, 0, (int)e.c };

	if (!vgg_layer_is_free(l))
		vgg_int8_run_cpu(x, i, &whole);
}

int8_t *vgg_bench_tensor(struct vgg_int8 *x, unsigned int i)
{
	return x->tensors[i].cpu;
}

void vgg_bench_round(const struct vgg_quant *q, const float *from, size_t n,
		     int8_t *to)
{
	vgg_quantize_plane(from, n, q->scale, q->zero, to, 1);
}

double vgg_distance_snr(const struct vgg_distance *d)
{
	if (!(d->noise > 0))
		return INFINITY;
	return d->signal > 0 ? 10 * log10(d->signal / d->noise) : 0;
}

struct measuring {
	const struct vgg_model *model;
	struct vgg_samples *samples;
	struct vgg_bench bench;
	struct vgg_int8 *alone; /* NULL: not asked for */
	struct vgg_f32 *f32;
	float *input;
	struct vgg_deviation *d;
};

static void compare(struct vgg_distance *d, const struct vgg_quant *q,
		    const float *x, const int8_t *y, int64_t n)
{
	double dot = 0, aa = 0, bb = 0, noise = 0;
	int64_t i;

	for (i = 0; i < n; i++) {
		double a = (double)x[i],
		       b = (y[i] - q->zero) * (double)q->scale;

		dot += a * b;
		aa += a * a;
		bb += b * b;
		noise += (a - b) * (a - b);
	}
	d->signal += aa;
	d->noise += noise;
	d->cosine += aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : aa == bb;
}

static void count_clipped(struct vgg_deviation *d, const struct vgg_quant *q,
			  const float *x, int64_t n)
{
	double lo = (-128.5 - q->zero) * (double)q->scale;
	double hi = (127.5 - q->zero) * (double)q->scale;
	int64_t i;

	for (i = 0; i < n; i++)
		d->clipped += (double)x[i] < lo || (double)x[i] > hi;
	d->count += (uint64_t)n;
}

/* What the layer itself cuts off, as a ReLU6 does, isn't lost: fp32's output
 * doesn't have it either. */
static void seen(void *ctx, unsigned int i, const float *data, int64_t count)
{
	struct measuring *m = ctx;
	const struct vgg_quant *q = &m->model->layers[i].out_q;

	if (i >= m->model->integer_layers)
		return;
	compare(&m->d[i].all, q, data, vgg_bench_tensor(m->bench.x, i + 1),
		count);
	count_clipped(&m->d[i], q, data, count);
	if (!m->alone)
		return;
	vgg_bench_run_layer(m->alone, i);
	compare(&m->d[i].alone, q, data, vgg_bench_tensor(m->alone, i + 1),
		count);
	vgg_bench_round(q, data, (size_t)count,
			vgg_bench_tensor(m->alone, i + 1));
}

static int run(struct measuring *m, unsigned int i)
{
	struct vgg_int8_totals totals;
	struct vgg_int8 *x = m->bench.x;
	size_t n = m->samples->elements;
	int err = vgg_samples_read(m->samples, i, m->input);

	if (err)
		return err;
	vgg_bench_round(&m->model->in_q, m->input, n, vgg_bench_tensor(x, 0));
	if (m->alone)
		vgg_bench_round(&m->model->in_q, m->input, n,
				vgg_bench_tensor(m->alone, 0));
	err = vgg_int8_run(x, &totals);
	if (err)
		return err;
	vgg_f32_run(m->f32, m->input, seen, m);
	return vgg_samples_tell(m->samples, "comparing int8 with fp32", i + 1);
}

static int prepare(struct measuring *m, struct vgg_threads *threads, bool alone)
{
	int err = vgg_bench_open(&m->bench, m->model, threads);

	if (!err && alone)
		err = vgg_int8_another(m->bench.x, &m->alone);
	/* Only a card could lack room. */
	if (err == -ENOSPC)
		err = vgg_fail_memory("a comparison");
	if (!err)
		err = vgg_f32_create(m->model, threads, &m->f32);
	m->input = malloc(m->samples->elements * sizeof(*m->input));
	return err || m->input ? err : vgg_fail_memory("a comparison");
}

int vgg_deviation_measure(struct vgg_samples *s, struct vgg_threads *threads,
			  bool alone, struct vgg_deviation *d)
{
	struct measuring m = { .model = s->model, .samples = s, .d = d };
	unsigned int i;
	int err = prepare(&m, threads, alone);

	for (i = 0; i < s->model->integer_layers; i++)
		d[i] = (struct vgg_deviation){ .count = 0 };
	for (i = 0; !err && i < s->count; i++)
		err = run(&m, i);
	for (i = 0; i < s->model->integer_layers; i++) {
		d[i].all.cosine /= s->count;
		d[i].alone.cosine /= s->count;
	}
	vgg_int8_free(m.alone);
	vgg_bench_close(&m.bench);
	vgg_f32_free(m.f32);
	free(m.input);
	return err;
}
