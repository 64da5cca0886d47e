// SPDX-License-Identifier: MIT
/* Analysis: inputs in, figures out; see vggaccel_analysis.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quant/analysis.h"
#include "run/f32.h"
#include "run/session.h"
#include "util/error.h"

static int prepare(struct vgg_analysis *a)
{
	const struct vgg_model *m = a->model;
	size_t n = (size_t)vgg_shape_count(&m->input);
	bool images = vgg_takes_images(m);

	a->input = malloc(n * sizeof(*a->input));
	if (images) {
		a->pixels = malloc(n);
		vgg_preprocess_table(&m->preprocess, a->table);
	}
	return a->input && (a->pixels || !images) ? 0 :
						    vgg_fail_memory("an input");
}

int vgg_analysis_make(struct vgg_device *device, const struct vgg_model *m,
		      int threads, bool alone, struct vgg_analysis **out)
{
	struct vgg_measure_options o = { .model = m,
					 .card = device,
					 .alone = alone };
	struct vgg_analysis *a;
	int err;

	if (!m->integer_layers)
		return vgg_fail(MODEL_PRECISION, m->name,
				"import it again with quantisation",
				"the model has no integer form to verify");
	a = calloc(1, sizeof(*a));
	if (!a)
		return vgg_fail_memory("verification");
	a->model = m;
	a->findings = alone;
	err = prepare(a);
	if (!err)
		err = vgg_threads_create(threads, &a->threads);
	o.threads = a->threads;
	if (!err)
		err = vgg_measure_create(&o, &a->measure);
	if (err)
		vgg_analysis_free(a);
	else
		*out = a;
	return err;
}

int vgg_analysis_create(struct vgg_device *device, const struct vgg_model *m,
			const struct vgg_analysis_options *options,
			struct vgg_analysis **out)
{
	struct vgg_analysis_options o = { .size = sizeof(o) };
	int err;

	if (options && vgg_check_struct(options->size, "analysis options"))
		return -EINVAL;
	if (options)
		memcpy(&o, options,
		       options->size < sizeof(o) ? options->size : sizeof(o));
	if (isnan(o.min_snr) || isnan(o.min_snr_alone))
		return vgg_fail(BAD_ARGUMENT, "analysis options",
				"give decibels, e.g. 20",
				"a ratio to keep that is no number");
	err = vgg_analysis_make(device, m, o.threads, true, out);
	if (err)
		return err;
	(*out)->min_snr_alone =
		o.min_snr_alone != 0 ? o.min_snr_alone : VGG_ANALYSIS_SNR_ALONE;
	(*out)->min_snr = o.min_snr != 0 ? o.min_snr : VGG_ANALYSIS_SNR;
	return 0;
}

void vgg_analysis_free(struct vgg_analysis *a)
{
	if (!a)
		return;
	vgg_measure_free(a->measure);
	vgg_threads_free(a->threads);
	free(a->input);
	free(a->pixels);
	free(a);
}

static int add(struct vgg_analysis *a)
{
	int err = vgg_measure_add(a->measure, a->input);

	if (!err && a->findings)
		vgg_findings_list(a);
	return err;
}

int vgg_analysis_add_tensor(struct vgg_analysis *a, const float *input,
			    size_t count)
{
	int err = vgg_check_input(a->model, input, count);

	if (err)
		return err;
	vgg_to_nhwc(&a->model->input, input, a->input);
	return add(a);
}

int vgg_analysis_add_image(struct vgg_analysis *a,
			   const struct vgg_image *image)
{
	const struct vgg_preprocess *p = &a->model->preprocess;
	int err;

	if (!a->pixels)
		return vgg_fail(MODEL_UNSUPPORTED, a->model->name,
				"use a tensor as input (--input X.npy)",
				"the network does not take images");
	err = vgg_preprocess_image(p, image, a->pixels);
	if (err)
		return err;
	vgg_preprocess_values(p, a->table, a->pixels,
			      (size_t)vgg_shape_count(&a->model->input),
			      a->input);
	return add(a);
}

static struct vgg_nearness nearness(const struct vgg_distance *d,
				    const struct vgg_quant *q)
{
	return (struct vgg_nearness){
		.cosine = vgg_distance_cosine(d),
		.snr = vgg_distance_snr(d),
		.max_error = d->worst,
		.max_steps = d->worst / (double)q->scale,
	};
}

static void add_channels(struct vgg_analysis_layer *l,
			 const struct vgg_deviation *d)
{
	double noise = 0;
	unsigned int c;

	for (c = 0; c < l->channels; c++) {
		noise += d->noise[c];
		if (d->noise[c] > d->noise[l->worst_channel])
			l->worst_channel = c;
	}
	l->worst_share = noise > 0 ? d->noise[l->worst_channel] / noise : 0;
}

static void add_fp32(const struct vgg_analysis *a, unsigned int i,
		     struct vgg_analysis_layer *l)
{
	const struct vgg_deviation *d = vgg_measure_layer(a->measure, i);
	const struct vgg_quant *q = &a->model->layers[i].out_q;

	l->alone = nearness(&d->alone[VGG_WAY_CPU], q);
	l->upto = nearness(&d->all[VGG_WAY_CPU], q);
	l->card_alone = nearness(&d->alone[VGG_WAY_CARD], q);
	l->card_upto = nearness(&d->all[VGG_WAY_CARD], q);
	l->rounded_snr = vgg_distance_snr(&d->rounded);
	l->clipped = d->count ? (double)d->clipped / (double)d->count : 0;
	l->min = (double)d->min;
	l->max = (double)d->max;
	l->lo = (-128 - q->zero) * (double)q->scale;
	l->hi = (127 - q->zero) * (double)q->scale;
	l->gain = d->alone[VGG_WAY_CPU].signal > 0 ?
			  d->alone[VGG_WAY_CPU].dot /
				  d->alone[VGG_WAY_CPU].signal :
			  1;
	add_channels(l, d);
}

int vgg_analysis_layer(const struct vgg_analysis *a, unsigned int i,
		       struct vgg_analysis_layer *layer)
{
	struct vgg_analysis_layer l = { .size = layer->size, .layer = i };
	const struct vgg_deviation *d;
	const struct vgg_layer *of;

	if (vgg_check_struct(layer->size, "layer of an analysis"))
		return -EINVAL;
	if (i >= a->model->integer_layers)
		return vgg_fail(BAD_ARGUMENT, a->model->name, NULL,
				"layer %u of %u", i, a->model->integer_layers);
	d = vgg_measure_layer(a->measure, i);
	of = &a->model->layers[i];
	l.name = of->name;
	l.on_card = vgg_measure_on_card(a->measure, i);
	l.elements = (uint64_t)vgg_shape_count(&of->out) *
		     vgg_measure_inputs(a->measure);
	l.differing = d->all_differ.bytes;
	l.first = d->all_differ.first;
	l.differing_alone = d->alone_differ.bytes;
	l.first_alone = d->alone_differ.first;
	l.has_fp32 = vgg_measure_has_fp32(a->measure) && l.elements;
	l.channels = (unsigned int)vgg_channels(&of->out);
	if (l.has_fp32)
		add_fp32(a, i, &l);
	l.wrong = vgg_finding_of(a, i);
	memcpy(layer, &l, l.size < sizeof(l) ? l.size : sizeof(l));
	return 0;
}
