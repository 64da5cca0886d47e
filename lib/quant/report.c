// SPDX-License-Identifier: MIT
/*
 * The report and its warnings. Each warning names what is wrong, where, and the next
 * step; there is one of a kind at most, which tells of the worst layer.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"
#include "quant/dead.h"
#include "quant/equalize.h"
#include "quant/report.h"
#include "util/error.h"

/* A layer is worth a warning from so many on: */
#define DEAD_SHARE (1.0 / 16) /* of its channels */
#define CLIP_COST 2.0 /* times what rounding would cost without clipping */
/* So many images show what a channel is for, if it is for anything. */
#define MANY_IMAGES 1000
/* The output is far from fp32: */
#define FAR_COSINE 0.995
#define FAR_SNR 20.0 /* dB */
/* The median channel has 4 of 8 bits left. */
#define UNEQUAL 16.0

struct vgg_quantize_report *vgg_report_new(void)
{
	struct vgg_quantize_report *r = calloc(1, sizeof(*r));

	if (r)
		r->info.size = sizeof(r->info);
	else
		vgg_fail_memory("a report");
	return r;
}

void vgg_quantize_report_free(struct vgg_quantize_report *r)
{
	if (!r)
		return;
	free(r->layers);
	free(r->images);
	free(r);
}

__attribute__((format(printf, 5, 6))) static void
warn(struct vgg_quantize_report *r, const char *name, const char *where,
     const char *next_step, const char *format, ...)
{
	struct vgg_quantize_warning *w = &r->warnings[r->info.warnings];
	va_list args;

	if (r->info.warnings == VGG_WARNINGS_MAX)
		return;
	r->info.warnings++;
	w->size = sizeof(*w);
	w->name = name;
	snprintf(w->where, sizeof(w->where), "%s", where);
	snprintf(w->next_step, sizeof(w->next_step), "%s", next_step);
	va_start(args, format);
	vsnprintf(w->what, sizeof(w->what), format, args);
	va_end(args);
}

/*
 * Layers.
 */
static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static int count_channels(const struct vgg_activation *a,
			  struct vgg_quantize_layer *l)
{
	float *extent = malloc(a->channels * sizeof(*extent)), median;
	size_t c, n = 0;

	if (!extent)
		return vgg_fail_memory("a report");
	for (c = 0; c < a->channels; c++) {
		struct vgg_range r = a->channel[c];

		if (r.hi > r.lo)
			extent[n++] = fmaxf(r.hi, 0) - fminf(r.lo, 0);
	}
	l->channels = (unsigned int)a->channels;
	l->dead = (unsigned int)(a->channels - n);
	if (n)
		qsort(extent, n, sizeof(*extent), by_value);
	median = n ? extent[n / 2] : 0;
	l->spread = median > 0 ?
			    ((double)a->extremes.hi - (double)a->extremes.lo) /
				    (double)median :
			    1;
	free(extent);
	return 0;
}

static void describe(const struct vgg_model *m, unsigned int i,
		     struct vgg_quantize_layer *l)
{
	const struct vgg_quant *q = &m->layers[i].out_q;

	*l = (struct vgg_quantize_layer){
		.size = sizeof(*l),
		.layer = i,
		.name = m->layers[i].name,
		.lo = (-128 - q->zero) * (double)q->scale,
		.hi = (127 - q->zero) * (double)q->scale,
		.scale = q->scale,
		.zero = q->zero,
	};
}

/* Between extremes, a step is what they are apart by 255, and its square by 12 the
 * mean square of what rounding takes. Zeros are exact. */
static double cost_of_clipping(const struct vgg_quantize_layer *l,
			       const struct vgg_deviation *d)
{
	double step = (fmax(l->max, 0) - fmin(l->min, 0)) / 255;
	double rounding = (double)d->nonzero * step * step / 12;

	return rounding > 0 ? d->clip_noise / rounding : 0;
}

static int fill_layer(const struct vgg_model *m, unsigned int i,
		      const struct vgg_calibration *calibration,
		      const struct vgg_deviation *d,
		      struct vgg_quantize_layer *l)
{
	const struct vgg_activation *a = &calibration->tensors[i + 1];

	describe(m, i, l);
	l->min = (double)a->extremes.lo + 0.0; /* never -0 */
	l->max = (double)a->extremes.hi;
	l->clipped = d->count ? (double)d->clipped / (double)d->count : 0;
	l->clip_cost = cost_of_clipping(l, d);
	l->cosine = vgg_distance_cosine(&d->all[VGG_WAY_CPU]);
	l->cosine_alone = vgg_distance_cosine(&d->alone[VGG_WAY_CPU]);
	l->snr = vgg_distance_snr(&d->all[VGG_WAY_CPU]);
	l->snr_alone = vgg_distance_snr(&d->alone[VGG_WAY_CPU]);
	l->dead_proved = vgg_dead_channels(&m->layers[i], a - 1);
	return count_channels(a, l);
}

static int new_layers(struct vgg_quantize_report *r, const struct vgg_model *m)
{
	r->layers = calloc(m->integer_layers, sizeof(*r->layers));
	return r->layers ? 0 : vgg_fail_memory("a report");
}

/*
 * Warnings.
 */
static void warn_of_images(struct vgg_quantize_report *r,
			   const struct vgg_samples *s,
			   const struct vgg_look *look)
{
	const struct vgg_model *m = s->model;
	char what[384];

	if (!s->set) {
		warn(r, "SYNTHETIC_IMAGES", m->name ? m->name : "",
		     "name typical images with --calib",
		     "made-up images were used to calibrate with, which costs "
		     "accuracy");
		return;
	}
	if (vgg_look_few(look, what, sizeof(what)))
		warn(r, "FEW_IMAGES", "calibration images",
		     "take some tens of typical images, 64 or more", "%s",
		     what);
	if (vgg_look_alike(look, what, sizeof(what)))
		warn(r, "ALIKE_IMAGES", "calibration images",
		     "take images of all kinds that the network will see", "%s",
		     what);
	if (vgg_look_foreign(look, &m->preprocess, what, sizeof(what)))
		warn(r, "OUT_OF_DOMAIN", "calibration images",
		     "take images like those that the network was trained "
		     "with, and check mean and deviation of the preprocessing",
		     "%s", what);
}

/* What few images don't move may be moved by others, unless weights forbid it. */
static void warn_of_dead(struct vgg_quantize_report *r)
{
	bool many = r->info.distinct >= MANY_IMAGES;
	const struct vgg_quantize_layer *worst = NULL, *l;
	unsigned int i, layers = 0, n, most = 0;

	for (i = 0; i < r->info.layers; i++) {
		l = &r->layers[i];
		n = many ? l->dead : l->dead_proved;
		if (n < DEAD_SHARE * l->channels || !n)
			continue;
		layers++;
		if (worst &&
		    (double)n / l->channels <= (double)most / worst->channels)
			continue;
		worst = l;
		most = n;
	}
	if (worst)
		warn(r, "DEAD_CHANNELS", worst->name,
		     "nothing for int8; a narrower layer would do the same, or "
		     "training has something to gain here",
		     "%u of %u channels %s (layers with many such: %u)", most,
		     worst->channels,
		     many ? "have the same value for all images" :
			    "have weights with which they can't but have the "
			    "same value always",
		     layers);
}

static void warn_of_saturation(struct vgg_quantize_report *r)
{
	const struct vgg_quantize_layer *worst = NULL, *l;
	unsigned int i, layers = 0;

	for (i = 0; i < r->info.layers; i++) {
		l = &r->layers[i];
		if (l->clip_cost <= CLIP_COST)
			continue;
		layers++;
		if (!worst || l->clip_cost > worst->clip_cost)
			worst = l;
	}
	if (worst)
		warn(r, "SATURATION", worst->name,
		     "use another --method (minmax clips nothing)",
		     "%.2g %% of the values are beyond the range of int8, %g "
		     "to %g: an error %.2g times that of rounding to a range "
		     "with all of them (layers with that: %u)",
		     100 * worst->clipped, worst->lo, worst->hi,
		     worst->clip_cost, layers);
}

static void warn_of_unequal(struct vgg_quantize_report *r,
			    const struct vgg_model *m)
{
	const struct vgg_quantize_layer *worst = NULL, *l;
	unsigned int i;

	for (i = 0; i < r->info.layers; i++) {
		l = &r->layers[i];
		if (l->spread > UNEQUAL && vgg_equalize_partner(m, l->layer) &&
		    (!worst || l->spread > worst->spread))
			worst = l;
	}
	/* What equalisation couldn't or shouldn't change, it needs no advice on. */
	if (worst && !(r->info.equalized_snr || r->info.pairs))
		warn(r, "UNEQUAL_CHANNELS", worst->name, "add --equalize",
		     "channels differ so much that half of them use less than "
		     "one part in %.0f of the range",
		     floor(worst->spread));
}

static void warn_of_no_gain(struct vgg_quantize_report *r)
{
	const struct vgg_quantize_info *i = &r->info;

	if (i->pairs && !i->equalized)
		warn(r, "NO_GAIN", "equalisation", "leave out --equalize",
		     "it was taken back: the output's signal-to-noise ratio "
		     "would fall from %.1f to %.1f dB",
		     i->plain_snr, i->equalized_snr);
	if (i->corrected_snr != 0 && !i->corrected)
		warn(r, "NO_GAIN", "bias correction",
		     "leave out --bias-correction",
		     "it was taken back: in no layer did it bring the output "
		     "nearer to fp32");
}

static int list_images(struct vgg_quantize_report *r,
		       const struct vgg_samples *s)
{
	unsigned int i;

	r->info.images = s->count;
	r->info.synthetic = !s->set;
	if (!s->set)
		return 0;
	r->images = malloc(s->count * sizeof(*r->images));
	if (!r->images)
		return vgg_fail_memory("a report");
	for (i = 0; i < s->count; i++)
		r->images[i] = vgg_samples_place(vgg_dataset_count(s->set),
						 s->count, i);
	return 0;
}

static void warn_of_distance(struct vgg_quantize_report *r,
			     const struct vgg_model *m)
{
	const struct vgg_quantize_info *i = &r->info;

	if (i->images && (i->cosine < FAR_COSINE || i->snr < FAR_SNR))
		warn(r, "FAR_FROM_FP32", m->name ? m->name : "",
		     i->synthetic ?
			     "name typical images with --calib" :
			     "try more images, --equalize, --bias-correction "
			     "or "
			     "another --method; vggctl verify --layers tells "
			     "which layer it comes from",
		     "the output is far from fp32: cosine %.4f, SNR %.1f dB",
		     i->cosine, i->snr);
}

/* What was asked for couldn't be done, and what else would be said of images and
 * methods is about calibration. */
static void warn_of_given(struct vgg_quantize_report *r,
			  const struct vgg_model *m)
{
	warn(r, "SCALES_GIVEN", m->name ? m->name : "",
	     "to quantise it anew, import the floating-point graph that it was "
	     "made from",
	     "quantised already: its scales are kept, and method, equalisation "
	     "and bias correction change nothing; %s",
	     r->info.images ? "int8 was compared with floating point that "
			      "rounds where the file says so" :
			      "int8 wasn't compared with fp32, as no images "
			      "were named");
}

static void warn_of_all(struct vgg_quantize_report *r,
			const struct vgg_samples *s,
			const struct vgg_look *look)
{
	if (r->info.given) {
		warn_of_given(r, s->model);
	} else {
		warn_of_images(r, s, look);
		warn_of_dead(r);
		warn_of_saturation(r);
		warn_of_unequal(r, s->model);
		warn_of_no_gain(r);
	}
	warn_of_distance(r, s->model);
}

int vgg_report_fill(struct vgg_quantize_report *r, struct vgg_samples *s,
		    const struct vgg_calibration *c,
		    const struct vgg_measure *measure)
{
	const struct vgg_model *m = s->model;
	const struct vgg_distance *end;
	struct vgg_look look;
	unsigned int i;
	int err = new_layers(r, m);

	if (!err)
		err = list_images(r, s);
	if (!err)
		err = vgg_look_at(s, &look);
	for (i = 0; !err && i < m->integer_layers; i++)
		if (!vgg_layer_is_free(&m->layers[i]))
			err = fill_layer(m, i, c, vgg_measure_layer(measure, i),
					 &r->layers[r->info.layers++]);
	if (err)
		return err;
	r->info.distinct = look.distinct;
	end = &vgg_measure_layer(measure, m->integer_layers - 1)
		       ->all[VGG_WAY_CPU];
	r->info.cosine = vgg_distance_cosine(end);
	r->info.snr = vgg_distance_snr(end);
	warn_of_all(r, s, &look);
	return 0;
}

int vgg_report_fill_given(struct vgg_quantize_report *r,
			  const struct vgg_model *m)
{
	unsigned int i;
	int err = new_layers(r, m);

	for (i = 0; !err && i < m->integer_layers; i++)
		if (!vgg_layer_is_free(&m->layers[i]))
			describe(m, i, &r->layers[r->info.layers++]);
	if (!err)
		warn_of_given(r, m);
	return err;
}

/*
 * Asking. Callers compiled against an older, shorter struct get what fits it.
 */
static int give(void *to, const void *from, size_t bytes)
{
	size_t size;

	memcpy(&size, to, sizeof(size));
	if (vgg_check_struct(size, "report"))
		return -EINVAL;
	memcpy(to, from, size < bytes ? size : bytes);
	memcpy(to, &size, sizeof(size));
	return 0;
}

static int none(const char *what, unsigned int i, unsigned int of)
{
	return vgg_fail(BAD_ARGUMENT, "report", NULL, "%s %u of %u", what, i,
			of);
}

int vgg_quantize_report_info(const struct vgg_quantize_report *r,
			     struct vgg_quantize_info *info)
{
	return give(info, &r->info, sizeof(r->info));
}

int vgg_quantize_report_layer(const struct vgg_quantize_report *r,
			      unsigned int i, struct vgg_quantize_layer *layer)
{
	if (i >= r->info.layers)
		return none("layer", i, r->info.layers);
	return give(layer, &r->layers[i], sizeof(*r->layers));
}

int vgg_quantize_report_warning(const struct vgg_quantize_report *r,
				unsigned int i,
				struct vgg_quantize_warning *warning)
{
	if (i >= r->info.warnings)
		return none("warning", i, r->info.warnings);
	return give(warning, &r->warnings[i], sizeof(*r->warnings));
}

int vgg_quantize_report_image(const struct vgg_quantize_report *r,
			      unsigned int i, size_t *image)
{
	if (!r->images || i >= r->info.images)
		return none("image", i, r->images ? r->info.images : 0);
	*image = r->images[i];
	return 0;
}
