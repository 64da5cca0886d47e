// SPDX-License-Identifier: MIT
/*
 * Cross-layer equalisation, after M. Nagel, M. van Baalen, T. Blankevoort, M.
 * Welling, "Data-Free Quantization Through Weight Equalization and Bias
 * Correction" (ICCV 2019): a factor per channel passes through a rectifier, so what
 * a layer's output channel is divided by the next layer's weights can be multiplied
 * by, and the network computes the same. With r1 the range of the channel in the
 * first layer and r2 in the second, s = sqrt(r1 / r2) makes both sqrt(r1 r2).
 *
 * There both are ranges of weights, which had one scale for a whole layer. Here
 * weights have a scale per output channel: dividing a filter changes nothing of how
 * well it is rounded. What has one scale is the activation, so r1 is the range that
 * the channel's activation takes on over the samples. And r2 is how large the
 * channel's weights are among those of the same filter: the most of any filter.
 *
 * s is rounded to a power of two. A channel's range is then off by a factor of up to
 * sqrt(2), half a bit at worst; but no float is rounded: the network stays the same
 * to the bit, and all of it can be taken back.
 */
#include <math.h>
#include <stdlib.h>

#include "kernels/kernels.h"
#include "quant/equalize.h"
#include "util/error.h"

/* Channels that differ by more are as good as dead; and the floats' own range must
 * never come into play. */
#define EXPONENT_MAX 12

/* y(s x) = s y(x) for each s > 0: no clip but at 0. */
static bool scales_through(const struct vgg_layer *l)
{
	return (l->lo == 0 || l->lo == -INFINITY) && l->hi == INFINITY;
}

static bool passes(const struct vgg_layer *l)
{
	switch (l->op) {
	case VGG_OP_MAXPOOL:
	case VGG_OP_AVGPOOL:
		return true;
	case VGG_OP_PAD:
		return l->pad_value == 0;
	case VGG_OP_RESHAPE:
		return l->keep_order;
	case VGG_OP_AFFINE:
		return !l->scale.data && scales_through(l);
	default:
		return false;
	}
}

unsigned int vgg_equalize_partner(const struct vgg_model *m, unsigned int i)
{
	const struct vgg_layer *l = &m->layers[i];
	int64_t channels = vgg_channels(&l->out);
	bool pinned = l->out_q.pinned;
	unsigned int j;

	if (l->op != VGG_OP_CONV || l->weight_scale.data || !scales_through(l))
		return 0;
	for (j = i + 1; j < m->count && passes(&m->layers[j]); j++)
		pinned |= m->layers[j].out_q.pinned;
	/* Given scales are for the network as it was. */
	if (pinned || j == m->count || m->layers[j].op != VGG_OP_CONV ||
	    m->layers[j].weight_scale.data)
		return 0;
	/* Behind a flattening, the channels come once for each pixel. */
	return vgg_channels(&m->layers[j].in) % channels ? 0 : j;
}

/* r2 of each input channel. */
static void find_weights(const struct vgg_layer *l, size_t channels, float *r2)
{
	size_t filters = (size_t)vgg_channels(&l->out), k, t;
	size_t taps = l->weight.count / filters;
	const float *w = vgg_blob_f32(&l->weight);
	float top, v;

	for (k = 0; k < filters; k++, w += taps) {
		for (top = 0, t = 0; t < taps; t++)
			top = fmaxf(top, fabsf(w[t]));
		for (t = 0; top > 0 && t < taps; t++) {
			v = fabsf(w[t]) / top;
			if (v > r2[t % channels])
				r2[t % channels] = v;
		}
	}
}

static int by_value(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Only differences count, so the median stays where it is. Channels without a range
 * (INT32_MIN) are left alone. */
static void centre(int *exponent, size_t n)
{
	int *sorted = malloc(n * sizeof(*sorted)), median;
	size_t known = 0, i;

	for (i = 0; sorted && i < n; i++)
		if (exponent[i] != INT32_MIN)
			sorted[known++] = exponent[i];
	if (known)
		qsort(sorted, known, sizeof(*sorted), by_value);
	median = known ? sorted[known / 2] : 0;
	free(sorted);
	for (i = 0; i < n; i++) {
		int e = exponent[i] == INT32_MIN ? 0 : exponent[i] - median;

		exponent[i] = e > EXPONENT_MAX	? EXPONENT_MAX :
			      e < -EXPONENT_MAX ? -EXPONENT_MAX :
						  e;
	}
}

static int choose(const struct vgg_layer *next, const struct vgg_activation *a,
		  int *exponent)
{
	float *r2 = calloc(a->channels, sizeof(*r2));
	size_t c;

	if (!r2)
		return vgg_fail_memory("equalisation");
	find_weights(next, a->channels, r2);
	for (c = 0; c < a->channels; c++) {
		double r1 = fmax(-(double)a->channel[c].lo,
				 (double)a->channel[c].hi);

		exponent[c] =
			r1 > 0 && r2[c] > 0 ?
				(int)lround(log2(r1 / (double)r2[c]) / 2) :
				INT32_MIN;
	}
	centre(exponent, a->channels);
	free(r2);
	return 0;
}

/* Layer l's output channels are divided by 2^exponent. */
static void divide_outputs(struct vgg_layer *l, const int *exponent)
{
	size_t n = (size_t)vgg_channels(&l->out), k, t;
	size_t taps = l->weight.count / n;
	float *w = (float *)l->weight.data, *b = (float *)l->bias.data;
	float *shift = (float *)l->shift.data, f;

	for (k = 0; k < n; k++, w += taps) {
		f = ldexpf(1, -exponent[k]);
		for (t = 0; exponent[k] && t < taps; t++)
			w[t] *= f;
		if (b)
			b[k] *= f;
		if (shift)
			shift[k] *= f;
	}
}

static void multiply_inputs(struct vgg_layer *l, const int *exponent,
			    size_t channels)
{
	size_t i, c = 0;
	float *w = (float *)l->weight.data;

	for (i = 0; i < l->weight.count; i++) {
		if (exponent[c])
			w[i] *= ldexpf(1, exponent[c]);
		c = c + 1 < channels ? c + 1 : 0;
	}
}

/* The inverse, too: what is divided by 2^-e is multiplied by 2^e. */
static void apply(struct vgg_model *m, unsigned int i, const int *exponent)
{
	struct vgg_layer *l = &m->layers[i];

	divide_outputs(l, exponent);
	multiply_inputs(&m->layers[vgg_equalize_partner(m, i)], exponent,
			(size_t)vgg_channels(&l->out));
}

static int own(struct vgg_layer *l)
{
	if (!vgg_blob_own_f32(&l->weight) ||
	    (l->bias.data && !vgg_blob_own_f32(&l->bias)) ||
	    (l->shift.data && !vgg_blob_own_f32(&l->shift)))
		return vgg_fail_memory("equalised weights");
	return 0;
}

static int equalize_pair(struct vgg_model *m, unsigned int i, unsigned int j,
			 const struct vgg_activation *a,
			 struct vgg_equalized *e)
{
	int *exponent = malloc(a->channels * sizeof(*exponent)), err;
	bool changes = false;
	size_t c;

	if (!exponent)
		return vgg_fail_memory("equalisation");
	err = own(&m->layers[i]);
	if (!err)
		err = own(&m->layers[j]);
	if (!err)
		err = choose(&m->layers[j], a, exponent);
	for (c = 0; !err && c < a->channels; c++)
		changes |= exponent[c] != 0;
	if (!changes) {
		free(exponent);
		return err;
	}
	e->exponent[i] = exponent;
	e->pairs++;
	apply(m, i, exponent);
	return 0;
}

int vgg_equalize(struct vgg_model *m, const struct vgg_calibration *c,
		 struct vgg_equalized *e)
{
	unsigned int i, j;
	int err = 0;

	*e = (struct vgg_equalized){ .count = m->count };
	e->exponent = calloc(m->count + 1, sizeof(*e->exponent));
	if (!e->exponent)
		return vgg_fail_memory("equalisation");
	for (i = 0; !err && i < m->count; i++) {
		j = vgg_equalize_partner(m, i);
		if (j)
			err = equalize_pair(m, i, j, &c->tensors[i + 1], e);
	}
	return err;
}

void vgg_equalize_undo(struct vgg_model *m, const struct vgg_equalized *e)
{
	unsigned int i, k;

	for (i = 0; e->exponent && i < e->count; i++) {
		int n = (int)vgg_channels(&m->layers[i].out);

		if (!e->exponent[i])
			continue;
		for (k = 0; k < (unsigned int)n; k++)
			e->exponent[i][k] = -e->exponent[i][k];
		apply(m, i, e->exponent[i]);
	}
}

void vgg_equalized_clear(struct vgg_equalized *e)
{
	unsigned int i;

	for (i = 0; e->exponent && i < e->count; i++)
		free(e->exponent[i]);
	free(e->exponent);
	*e = (struct vgg_equalized){ 0 };
}
