// SPDX-License-Identifier: MIT
/*
 * Two passes in fp32 over the samples: the first finds the extremes of each
 * channel of each tensor, the second a histogram between those of the tensor, of
 * which its range is made.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "quant/calibrate.h"
#include "run/f32.h"
#include "util/error.h"

struct pass {
	struct vgg_samples *samples;
	struct vgg_calibration *c;
	struct vgg_histogram *histograms; /* NULL: the first pass */
	struct vgg_f32 *f32;
	float *input;
};

static void find_extremes(struct vgg_activation *a, const float *data,
			  int64_t count)
{
	size_t c, n = a->channels;
	int64_t i;

	for (i = 0; i < count; i += (int64_t)n)
		for (c = 0; c < n; c++) {
			struct vgg_range *r = &a->channel[c];
			float v = data[(size_t)i + c];

			r->lo = v < r->lo ? v : r->lo;
			r->hi = v > r->hi ? v : r->hi;
		}
}

static void count_values(struct vgg_histogram *h,
			 const struct vgg_activation *a, const float *data,
			 int64_t count)
{
	float width = h->hi - h->lo;
	float scale = width > 0 ? VGG_HISTOGRAM_BINS / width : 0;
	const struct vgg_range *r = a->channel;
	int64_t i;

	for (i = 0; i < count; i++) {
		int bin = (int)((data[i] - h->lo) * scale);

		bin = bin < 0			? 0 :
		      bin >= VGG_HISTOGRAM_BINS ? VGG_HISTOGRAM_BINS - 1 :
						  bin;
		h->bin[bin]++;
		h->cut[bin] += data[i] == r->lo || data[i] == r->hi;
		if (++r == a->channel + a->channels)
			r = a->channel;
	}
}

static void observe(struct pass *p, unsigned int tensor, const float *data,
		    int64_t count)
{
	struct vgg_activation *a = &p->c->tensors[tensor];

	if (p->histograms)
		count_values(&p->histograms[tensor], a, data, count);
	else
		find_extremes(a, data, count);
}

static void seen(void *ctx, unsigned int layer, const float *data,
		 int64_t count)
{
	observe(ctx, layer + 1, data, count);
}

static int run(struct pass *p, const char *what)
{
	struct vgg_samples *s = p->samples;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < s->count; i++) {
		err = vgg_samples_read(s, i, p->input);
		if (err)
			return err;
		observe(p, 0, p->input, (int64_t)s->elements);
		vgg_f32_run(p->f32, p->input, seen, p);
		err = vgg_samples_tell(s, what, i + 1);
	}
	return err;
}

struct vgg_quant vgg_quant_of(struct vgg_range r)
{
	double scale, zero;

	/* 0 must be representable: it pads, and is what a ReLU leaves. */
	if (!(r.lo < 0))
		r.lo = 0;
	if (!(r.hi > 0))
		r.hi = 0;
	scale = ((double)r.hi - (double)r.lo) / 255;
	if (!(scale > 1e-30)) /* a dead tensor: any scale will do */
		scale = 1;
	zero = floor(-128 - (double)r.lo / scale + 0.5);
	return (struct vgg_quant){
		.known = true,
		.scale = (float)scale,
		.zero = zero < -128 ? -128 :
			zero > 127  ? 127 :
				      (int)zero,
	};
}

static int make_tensors(const struct vgg_model *m, struct vgg_calibration *c)
{
	unsigned int i;
	size_t k;

	c->count = m->count + 1;
	c->tensors = calloc(c->count, sizeof(*c->tensors));
	if (!c->tensors)
		return vgg_fail_memory("calibration");
	for (i = 0; i < c->count; i++) {
		struct vgg_activation *a = &c->tensors[i];

		a->channels = (size_t)vgg_channels(i ? &m->layers[i - 1].out :
						       &m->input);
		a->channel = malloc(a->channels * sizeof(*a->channel));
		if (!a->channel)
			return vgg_fail_memory("calibration");
		for (k = 0; k < a->channels; k++)
			a->channel[k] =
				(struct vgg_range){ INFINITY, -INFINITY };
	}
	return 0;
}

void vgg_calibration_clear(struct vgg_calibration *c)
{
	unsigned int i;

	for (i = 0; c->tensors && i < c->count; i++)
		free(c->tensors[i].channel);
	free(c->tensors);
	*c = (struct vgg_calibration){ 0 };
}

/* Of the tensor, with 0 in it. A NaN is in no comparison, so a channel of nothing
 * else has no extremes; its weights are told of when they are rounded. */
static int join_channels(const struct vgg_model *m, struct vgg_calibration *c)
{
	unsigned int i;
	size_t k;

	for (i = 0; i < c->count; i++) {
		struct vgg_activation *a = &c->tensors[i];

		for (k = 0; k < a->channels; k++) {
			struct vgg_range r = a->channel[k];

			if (r.lo > r.hi)
				r = a->channel[k] = (struct vgg_range){ 0 };
			if (!isfinite(r.lo) || !isfinite(r.hi))
				return vgg_fail(
					CALIBRATION,
					i ? m->layers[i - 1].name : "input",
					"check the weights and preprocessing",
					"activations overflow in fp32");
			a->extremes.lo = fminf(a->extremes.lo, r.lo);
			a->extremes.hi = fmaxf(a->extremes.hi, r.hi);
		}
	}
	return 0;
}

static int second_pass(struct pass *p, enum vgg_quantize_method method,
		       double percentile)
{
	struct vgg_calibration *c = p->c;
	unsigned int i;
	int err;

	p->histograms = calloc(c->count, sizeof(*p->histograms));
	if (!p->histograms)
		return vgg_fail_memory("histograms");
	for (i = 0; i < c->count; i++) {
		p->histograms[i].lo = c->tensors[i].extremes.lo;
		p->histograms[i].hi = c->tensors[i].extremes.hi;
	}
	err = run(p, "calibration, histograms");
	for (i = 0; !err && i < c->count; i++)
		c->tensors[i].range =
			vgg_range_choose(&p->histograms[i], method, percentile);
	/* Its values come from bytes: none is an outlier. */
	c->tensors[0].range = c->tensors[0].extremes;
	return err;
}

int vgg_calibrate_tensors(struct vgg_samples *s, struct vgg_threads *threads,
			  enum vgg_quantize_method method, double percentile,
			  struct vgg_calibration *c)
{
	struct pass p = { .samples = s, .c = c };
	int err = make_tensors(s->model, c);

	p.input = malloc(s->elements * sizeof(*p.input));
	if (!err && !p.input)
		err = vgg_fail_memory("calibration");
	if (!err)
		err = vgg_f32_create(s->model, threads, &p.f32);
	if (!err)
		err = run(&p, "calibration, extremes");
	if (!err)
		err = join_channels(s->model, c);
	if (!err)
		err = second_pass(&p, method, percentile);
	vgg_f32_free(p.f32);
	free(p.histograms);
	free(p.input);
	return err;
}
