// SPDX-License-Identifier: MIT
/*
 * The same input through card, CPU int8 and CPU fp32. The card runs each layer
 * as a job of its own with its output visible, so the first layer that differs
 * is the one to look at; later ones may differ because of it.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"
#include "run/f32.h"
#include "run/int8.h"
#include "run/session.h"
#include "util/error.h"

struct way {
	struct vgg_plan plan;
	struct vgg_int8 *x;
};

struct verify {
	const struct vgg_model *model;
	struct vgg_device *device;
	struct vgg_threads *threads;
	struct way card, cpu;
	struct vgg_f32 *f32;
	struct vgg_verify_layer *layers;
	uint64_t differing;
};

static int open_way(struct verify *v, enum vgg_split split, struct way *w)
{
	struct vgg_int8_options o = { .device = v->device,
				      .model = v->model,
				      .plan = &w->plan,
				      .threads = v->threads,
				      .visible = true };
	int err = vgg_plan_make(v->device, v->model, split, 0, &w->plan);

	return err ? err : vgg_int8_create(&o, &w->x);
}

static int run_way(struct verify *v, struct way *w, const float *input)
{
	struct vgg_int8_totals totals;
	int8_t *to = vgg_int8_input(w->x);

	if (!to)
		return -EIO;
	vgg_quantize_input(v->model, v->threads, input, to);
	return vgg_int8_run(w->x, &totals);
}

static void compare_bytes(struct verify *v, unsigned int i)
{
	struct vgg_verify_layer *l = &v->layers[i];
	const int8_t *a = vgg_int8_tensor(v->card.x, i + 1);
	const int8_t *b = vgg_int8_tensor(v->cpu.x, i + 1);
	uint64_t k;

	for (k = 0; k < l->elements; k++) {
		if (a[k] == b[k])
			continue;
		if (!l->differing++)
			l->first_differing = k;
	}
	v->differing += l->differing;
}

/* Called by the fp32 run with each layer's output. */
static void compare_floats(void *ctx, unsigned int i, const float *data,
			   int64_t count)
{
	struct verify *v = ctx;
	const struct vgg_quant *q = &v->model->layers[i].out_q;
	double dot = 0, aa = 0, bb = 0, worst = 0, lo, hi;
	struct vgg_verify_layer *l;
	uint64_t saturated = 0;
	const int8_t *b;
	int64_t k;

	if (i >= v->model->integer_layers)
		return;
	l = &v->layers[i];
	b = vgg_int8_tensor(v->cpu.x, i + 1);
	lo = (-128.5 - q->zero) * (double)q->scale;
	hi = (127.5 - q->zero) * (double)q->scale;
	for (k = 0; k < count; k++) {
		double x = (double)data[k],
		       y = (b[k] - q->zero) * (double)q->scale;

		dot += x * y;
		aa += x * x;
		bb += y * y;
		worst = fmax(worst, fabs(x - y));
		saturated += x < lo || x > hi;
	}
	l->has_fp32 = true;
	l->cosine = aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : aa == bb;
	l->max_error = worst;
	l->saturated = (double)saturated / (double)count;
}

static void describe(struct verify *v)
{
	unsigned int i;

	for (i = 0; i < v->model->integer_layers; i++)
		v->layers[i] = (struct vgg_verify_layer){
			.size = sizeof(*v->layers),
			.layer = i,
			.name = v->model->layers[i].name,
			.on_card = vgg_plan_uses_card(&v->card.plan.layers[i]),
			.elements = (uint64_t)vgg_shape_count(
				&v->model->layers[i].out),
		};
}

static int run_floats(struct verify *v, const float *input)
{
	size_t n = (size_t)vgg_shape_count(&v->model->input);
	float *nhwc;
	int err = vgg_f32_create(v->model, v->threads, &v->f32);

	if (err == -ENODATA) /* int8 only: compare what there is */
		return 0;
	if (err)
		return err;
	nhwc = malloc(n * sizeof(*nhwc));
	if (!nhwc)
		return vgg_fail_memory("an input");
	vgg_to_nhwc(&v->model->input, input, nhwc);
	vgg_f32_run(v->f32, nhwc, compare_floats, v);
	free(nhwc);
	return 0;
}

static int report(struct verify *v, vgg_verify_fn fn, void *ctx)
{
	unsigned int i;

	for (i = 0; i < v->model->integer_layers; i++)
		if (fn && fn(ctx, &v->layers[i]))
			return vgg_fail(INTERRUPTED, NULL, NULL,
					"verification was stopped");
	if (!v->differing)
		return 0;
	for (i = 0; !v->layers[i].differing; i++)
		;
	return vgg_fail(RESULT_MISMATCH, v->layers[i].name,
			"suspect the card's memory first, then report it",
			"card and CPU differ in %llu of %llu bytes, the first "
			"at %llu",
			(unsigned long long)v->layers[i].differing,
			(unsigned long long)v->layers[i].elements,
			(unsigned long long)v->layers[i].first_differing);
}

static int run_all(struct verify *v, const float *input)
{
	unsigned int i;
	int err = open_way(v, VGG_SPLIT_OFFLOAD, &v->card);

	if (!err)
		err = open_way(v, VGG_SPLIT_CPU, &v->cpu);
	if (err)
		return err;
	describe(v);
	err = run_way(v, &v->card, input);
	if (!err)
		err = run_way(v, &v->cpu, input);
	for (i = 0; !err && i < v->model->integer_layers; i++)
		compare_bytes(v, i);
	return err ? err : run_floats(v, input);
}

int vgg_verify(struct vgg_device *device, const struct vgg_model *m,
	       const float *input, size_t count, int threads, vgg_verify_fn fn,
	       void *ctx)
{
	struct verify v = { .model = m, .device = device };
	int err = vgg_check_input(m, input, count);

	if (!err && !m->integer_layers)
		err = vgg_fail(MODEL_PRECISION, m->name,
			       "import it again with quantisation",
			       "the model has no integer form to verify");
	if (err)
		return err;
	v.layers = calloc(m->integer_layers, sizeof(*v.layers));
	if (!v.layers)
		return vgg_fail_memory("verification");
	err = vgg_threads_create(threads, &v.threads);
	if (!err)
		err = run_all(&v, input);
	if (!err)
		err = report(&v, fn, ctx);
	vgg_int8_free(v.card.x);
	vgg_int8_free(v.cpu.x);
	vgg_plan_clear(&v.card.plan);
	vgg_plan_clear(&v.cpu.plan);
	vgg_f32_free(v.f32);
	vgg_threads_free(v.threads);
	free(v.layers);
	return err;
}
