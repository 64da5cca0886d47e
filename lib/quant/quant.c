// SPDX-License-Identifier: MIT
/*
 * The course of a quantisation: calibrate, round; if asked for, equalise, calibrate
 * and round again; correct biases. Both are heuristics that can make things worse (a
 * channel whose range is one outlier's; a mean that clipped values pull), so what
 * they do is measured on the samples and taken back where the output gets no nearer
 * to fp32.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/quantize.h"
#include "quant/correct.h"
#include "quant/equalize.h"
#include "quant/report.h"
#include "util/error.h"

#define PERCENTILE 99.99

struct quantisation {
	struct vgg_model *model;
	struct vgg_quantize_options o;
	struct vgg_samples samples;
	struct vgg_threads *threads;
	struct vgg_calibration calibration;
	struct vgg_quantize_info info;
};

static int calibrate(struct quantisation *q, struct vgg_calibration *c)
{
	return vgg_calibrate_tensors(&q->samples, q->threads, q->o.method,
				     q->o.percentile, c);
}

/* The output's signal-to-noise ratio. */
static int measure(struct quantisation *q, double *snr)
{
	const struct vgg_deviation *last;
	struct vgg_measure *m;
	int err = vgg_measure_samples(&q->samples, q->threads, false, &m);

	if (err)
		return err;
	last = vgg_measure_layer(m, q->model->integer_layers - 1);
	*snr = vgg_distance_snr(&last->all[VGG_WAY_CPU]);
	vgg_measure_free(m);
	return 0;
}

static int try_equalized(struct quantisation *q, struct vgg_calibration *c)
{
	int err = calibrate(q, c);

	if (!err)
		err = vgg_quantize_layers(q->model, c);
	return err ? err : measure(q, &q->info.equalized_snr);
}

/* Whatever fails, the network is as it was. */
static int equalize(struct quantisation *q)
{
	struct vgg_calibration other = { 0 }, old;
	struct vgg_equalized e = { 0 };
	int err = vgg_equalize(q->model, &q->calibration, &e);

	q->info.pairs = e.pairs;
	if (!err && e.pairs)
		err = try_equalized(q, &other);
	q->info.equalized =
		!err && e.pairs && q->info.equalized_snr > q->info.plain_snr;
	if (q->info.equalized) {
		old = q->calibration;
		q->calibration = other;
		other = old;
	} else {
		vgg_equalize_undo(q->model, &e);
		if (!err && e.pairs)
			err = vgg_quantize_layers(q->model, &q->calibration);
	}
	vgg_equalized_clear(&e);
	vgg_calibration_clear(&other);
	return err;
}

static int correct(struct quantisation *q)
{
	int err = vgg_bias_correct(q->model, &q->samples, q->threads,
				   &q->info.corrected);

	return err ? err : measure(q, &q->info.corrected_snr);
}

static int describe(struct quantisation *q)
{
	static const char *const methods[] = {
		[VGG_QUANTIZE_MSE] = "least squared error",
		[VGG_QUANTIZE_MINMAX] = "extremes",
		[VGG_QUANTIZE_PERCENTILE] = "percentile",
		[VGG_QUANTIZE_ENTROPY] = "least divergence",
	};
	const struct vgg_samples *s = &q->samples;
	char percentile[32] = "", text[256] = "given by the file";

	if (q->o.method == VGG_QUANTIZE_PERCENTILE)
		snprintf(percentile, sizeof(percentile), " %g",
			 q->o.percentile);
	if (!q->info.given)
		snprintf(text, sizeof(text), "%u %simage%s, %s%s%s%s", s->count,
			 s->set ? "" : "synthetic ", s->count == 1 ? "" : "s",
			 methods[q->o.method], percentile,
			 q->info.equalized ? ", equalised" : "",
			 q->info.corrected ? ", biases corrected" : "");
	free(q->model->calibration);
	q->model->calibration = strdup(text);
	return q->model->calibration ? 0 : vgg_fail_memory("a model");
}

static int report(struct quantisation *q)
{
	struct vgg_quantize_report *r = vgg_report_new();
	struct vgg_measure *m = NULL;
	int err;

	if (!r)
		return -ENOMEM;
	r->info = q->info;
	err = vgg_measure_samples(&q->samples, q->threads, true, &m);
	if (!err)
		err = vgg_report_fill(r, &q->samples, &q->calibration, m);
	vgg_measure_free(m);
	if (err)
		vgg_quantize_report_free(r);
	else
		*q->o.report = r;
	return err;
}

static int prepare(struct quantisation *q)
{
	int err = vgg_samples_open(&q->samples, q->model, q->o.images,
				   q->o.max_images);

	if (err)
		return err;
	q->samples.progress = q->o.progress;
	q->samples.progress_ctx = q->o.progress_ctx;
	return vgg_threads_create(q->o.threads, &q->threads);
}

static int run(struct quantisation *q)
{
	int err = prepare(q);

	if (!err)
		err = calibrate(q, &q->calibration);
	if (!err)
		err = vgg_quantize_layers(q->model, &q->calibration);
	if (!err && (q->o.equalize || q->o.correct_bias))
		err = measure(q, &q->info.plain_snr);
	if (!err && q->o.equalize)
		err = equalize(q);
	if (!err && q->o.correct_bias)
		err = correct(q);
	if (!err)
		err = describe(q);
	return !err && q->o.report ? report(q) : err;
}

static int report_unmeasured(struct quantisation *q)
{
	struct vgg_quantize_report *r = vgg_report_new();
	int err;

	if (!r)
		return -ENOMEM;
	r->info = q->info;
	err = vgg_report_fill_given(r, q->model);
	if (err)
		vgg_quantize_report_free(r);
	else
		*q->o.report = r;
	return err;
}

/* There is nothing to find out, but what the given scales cost. What each tensor
 * takes on is calibration's to tell; its ranges aren't used. */
static int run_given(struct quantisation *q)
{
	int err = vgg_quantize_layers(q->model, NULL);

	q->info.given = true;
	if (!err)
		err = describe(q);
	if (err || !q->o.report)
		return err;
	if (!q->o.images)
		return report_unmeasured(q);
	err = prepare(q);
	if (!err)
		err = calibrate(q, &q->calibration);
	return err ? err : report(q);
}

static int take_options(struct quantisation *q,
			const struct vgg_quantize_options *options)
{
	struct vgg_quantize_options *o = &q->o;

	o->size = sizeof(*o);
	if (options && vgg_check_struct(options->size, "quantize options"))
		return -EINVAL;
	if (options)
		memcpy(o, options,
		       options->size < sizeof(*o) ? options->size : sizeof(*o));
	if (o->percentile == 0)
		o->percentile = PERCENTILE;
	if (o->report)
		*o->report = NULL;
	if (vgg_check_choice(o->method, VGG_QUANTIZE_ENTROPY, "method"))
		return -EINVAL;
	if (!(o->percentile >= 50) || !(o->percentile <= 100))
		return vgg_fail(BAD_ARGUMENT, "percentile",
				"give a number from 50 to 100, e.g. 99.99",
				"a percentile of %g", o->percentile);
	return 0;
}

int vgg_model_quantize(struct vgg_model *m,
		       const struct vgg_quantize_options *options)
{
	struct quantisation q = { .model = m };
	int err = take_options(&q, options);

	q.info.size = sizeof(q.info);
	if (!err)
		err = vgg_quantize_check(m);
	if (err)
		return err;
	err = vgg_quantize_is_given(m) ? run_given(&q) : run(&q);
	if (err)
		vgg_quantize_forget(m);
	vgg_samples_close(&q.samples);
	vgg_threads_free(q.threads);
	vgg_calibration_clear(&q.calibration);
	return err;
}
