// SPDX-License-Identifier: MIT
/*
 * What is wrong with a network, where, and what to do: the first layer of each kind.
 *
 * A layer that is wrong alone spoils those behind it, so being wrong together with
 * the layers before it means something only where none of them is wrong alone: then
 * small errors add up. Why a layer is wrong shows in its output. If fp32's own tensor,
 * rounded, is as far from fp32, the output's range is the cause: values are beyond it,
 * or they use so little of it that nothing but rounding is left. Else the layer
 * computes something else: a multiple of fp32, as with a wrong scale; or one channel
 * has most of the error.
 */
#include <math.h>
#include <stdio.h>

#include "quant/analysis.h"
#include "util/error.h"

/* A range is the cause if rounding alone comes so near to the layer's ratio, in dB:
 * it makes half the noise. */
#define NEAR 3.0
/* int8 points the same way as fp32, and is longer or shorter. */
#define SAME_COSINE 0.9
#define SAME_GAIN 0.1
#define MOST_SHARE 0.9 /* of the error, in one of at least so many channels */
#define MOST_OF 4

/* In a run of all layers, only what agrees in the tensor before is the layer's
 * own difference. */
static bool differs(const struct vgg_analysis *a, unsigned int i)
{
	const struct vgg_deviation *d = vgg_measure_layer(a->measure, i);

	if (d->alone_differ.bytes)
		return true;
	return d->all_differ.bytes &&
	       (!i || !vgg_measure_layer(a->measure, i - 1)->all_differ.bytes);
}

static bool wrong_alone(const struct vgg_analysis *a, unsigned int i)
{
	const struct vgg_deviation *d = vgg_measure_layer(a->measure, i);
	const struct vgg_distance *alone = &d->alone[VGG_WAY_CPU];

	/* Where fp32 is 0 there is no ratio; noise there is a step at most, or
	 * shows in the layers behind. */
	return alone->inputs && alone->signal > 0 &&
	       vgg_distance_snr(alone) < a->min_snr_alone;
}

static bool wrong_upto(const struct vgg_analysis *a, unsigned int i)
{
	const struct vgg_deviation *d = vgg_measure_layer(a->measure, i);
	const struct vgg_distance *all = &d->all[VGG_WAY_CPU];

	return all->inputs && all->signal > 0 &&
	       vgg_distance_snr(all) < a->min_snr;
}

enum vgg_error_code vgg_finding_of(const struct vgg_analysis *a, unsigned int i)
{
	if (differs(a, i))
		return VGG_ERROR_RESULT_MISMATCH;
	if (wrong_alone(a, i))
		return VGG_ERROR_LAYER_ERROR;
	return wrong_upto(a, i) ? VGG_ERROR_UPSTREAM_ERROR : VGG_ERROR_NONE;
}

/* Whether it is the layer's own and there each time. */
static bool stays(const struct vgg_deviation *d)
{
	return d->all_differ.bytes && d->alone_differ.bytes;
}

static const char *way_of(const struct vgg_deviation *d)
{
	if (!d->alone[VGG_WAY_CARD].inputs)
		return "";
	return stays(d) ? "; alone, from the same input, as well" :
	       d->all_differ.bytes ?
			  "; alone, from the same input, they agree" :
			  "; only alone, not when all layers run";
}

int vgg_fail_differing(const struct vgg_analysis *a, unsigned int i)
{
	const struct vgg_layer *l = &a->model->layers[i];
	const struct vgg_deviation *d = vgg_measure_layer(a->measure, i);
	const struct vgg_difference *f =
		d->all_differ.bytes ? &d->all_differ : &d->alone_differ;
	uint64_t n = (uint64_t)vgg_shape_count(&l->out) *
		     vgg_measure_inputs(a->measure);

	return vgg_fail(RESULT_MISMATCH, l->name,
			stays(d) ? "it stays, so report it with the model and "
				   "what vggctl info says; another card tells "
				   "whether this one is broken" :
				   "suspect the card's memory first, then "
				   "report it",
			"card and CPU differ in %llu of %llu bytes, the first "
			"at %llu%s",
			(unsigned long long)f->bytes, (unsigned long long)n,
			(unsigned long long)f->first, way_of(d));
}

#define AGAIN "compile the model again from its source"

#define CALIBRATE "quantise it with images like these (vggctl quantize --calib)"

/* The next step for a range that doesn't fit, which is put in words. */
static const char *blame_range(const struct vgg_analysis_layer *l,
			       char why[256])
{
	if (l->clipped > 0) {
		snprintf(why, 256,
			 "%.2g %% of fp32's values, %.3g to %.3g, are beyond "
			 "the range of int8, %.3g to %.3g",
			 100 * l->clipped, l->min, l->max, l->lo, l->hi);
		return CALIBRATE ", or with --method minmax";
	}
	snprintf(why, 256,
		 "fp32's values, %.3g to %.3g, use one part in %.0f of the "
		 "range of int8",
		 l->min, l->max,
		 (l->hi - l->lo) / fmax(l->max - l->min, 1e-30));
	return CALIBRATE;
}

static const char *blame_layer(const struct vgg_analysis_layer *l,
			       char why[256])
{
	bool one = l->worst_share > MOST_SHARE && l->channels >= MOST_OF;

	if (!one && l->alone.cosine > SAME_COSINE &&
	    fabs(l->gain - 1) > SAME_GAIN) {
		snprintf(why, 256,
			 "int8 comes out %.3g times as large as fp32: a scale "
			 "is wrong",
			 l->gain);
		return AGAIN;
	}
	if (one)
		snprintf(why, 256,
			 "channel %u has %.0f %% of the error: its scale or "
			 "its weights",
			 l->worst_channel, 100 * l->worst_share);
	else
		snprintf(why, 256, "its weights or scales are wrong");
	return AGAIN "; if it stays, try --equalize or another --method of "
		     "vggctl quantize";
}

static int fail_alone(const struct vgg_analysis_layer *l, unsigned int layers)
{
	bool range = l->rounded_snr < l->alone.snr + NEAR;
	char why[256];
	const char *next = range ? blame_range(l, why) : blame_layer(l, why);

	return vgg_fail(LAYER_ERROR, l->name, next,
			"alone, from fp32's input, it has %.1f dB; %s (layers "
			"with that: %u)",
			l->alone.snr, why, layers);
}

/* The layer at or before i that adds most. */
static unsigned int weakest(const struct vgg_analysis *a, unsigned int i)
{
	const struct vgg_deviation *d, *w;
	unsigned int k, worst = 0;

	for (k = 1; k <= i; k++) {
		d = vgg_measure_layer(a->measure, k);
		w = vgg_measure_layer(a->measure, worst);
		if (vgg_distance_snr(&d->alone[VGG_WAY_CPU]) <
		    vgg_distance_snr(&w->alone[VGG_WAY_CPU]))
			worst = k;
	}
	return worst;
}

static int fail_upto(const struct vgg_analysis *a,
		     const struct vgg_analysis_layer *l)
{
	struct vgg_analysis_layer w = VGG_INIT(w);
	char next[256];

	vgg_analysis_layer(a, weakest(a, l->layer), &w);
	snprintf(next, sizeof(next),
		 "begin with %.128s: vggctl quantize with images like these, "
		 "--equalize or --bias-correction",
		 w.name);
	return vgg_fail(UPSTREAM_ERROR, l->name, next,
			"with the layers before it, it has %.1f dB, alone "
			"%.1f: errors add up, most of them from %s (alone "
			"%.1f)",
			l->upto.snr, l->alone.snr, w.name, w.alone.snr);
}

static unsigned int count(const struct vgg_analysis *a,
			  bool (*is)(const struct vgg_analysis *, unsigned int))
{
	unsigned int i, n = 0;

	for (i = 0; i < a->model->integer_layers; i++)
		n += is(a, i);
	return n;
}

/* What has just failed is not a failure but a finding. */
static void keep(struct vgg_analysis *a)
{
	if (a->found < VGG_FINDINGS_MAX)
		a->finding[a->found++] = *vgg_error_last();
}

void vgg_findings_list(struct vgg_analysis *a)
{
	struct vgg_analysis_layer l = VGG_INIT(l);
	bool mismatch = false, alone = false, upto = false;
	unsigned int i;

	a->found = 0;
	for (i = 0; i < a->model->integer_layers; i++) {
		if (!mismatch && differs(a, i)) {
			vgg_fail_differing(a, i);
			keep(a);
			mismatch = true;
		}
		vgg_analysis_layer(a, i, &l);
		if (!alone && wrong_alone(a, i)) {
			fail_alone(&l, count(a, wrong_alone));
			keep(a);
			alone = true;
		} else if (!alone && !upto && wrong_upto(a, i)) {
			fail_upto(a, &l);
			keep(a);
			upto = true;
		}
	}
}

const struct vgg_error *vgg_analysis_finding(const struct vgg_analysis *a,
					     unsigned int i)
{
	return i < a->found ? &a->finding[i] : NULL;
}
