// SPDX-License-Identifier: MIT
/*
 * A channel that has one value on all images that were looked at need not be dead:
 * behind a rectifier, filters that answer to one of many things are silent on most
 * images. But weights can prove it: if the greatest sum that a filter can reach is
 * below what the rectifier lets through; if its weights are 0, as a pruned one's are;
 * or if the BatchNorm behind it multiplies by 0.
 */
#include <math.h>

#include "kernels/kernels.h"
#include "quant/dead.h"

static double weight_of(const struct vgg_layer *l, size_t i)
{
	const uint16_t *half = l->weight.data;

	return l->weight.dtype == VGG_F16 ? (double)vgg_half_to_float(half[i]) :
					    (double)vgg_blob_f32(&l->weight)[i];
}

/* lo and hi: the least and the greatest sum of filter k. */
static void bound(const struct vgg_layer *l, const struct vgg_activation *in,
		  size_t k, double *lo, double *hi)
{
	size_t taps = l->weight.count / (size_t)vgg_channels(&l->out), t;
	double bias = l->bias.data ? (double)vgg_blob_f32(&l->bias)[k] : 0;

	*lo = *hi = bias;
	for (t = 0; t < taps; t++) {
		const struct vgg_range *r = &in->channel[t % in->channels];
		double w = weight_of(l, k * taps + t);
		/* Padding is 0. */
		double a = w * fmin((double)r->lo, 0);
		double b = w * fmax((double)r->hi, 0);

		*lo += fmin(a, b);
		*hi += fmax(a, b);
	}
}

static double behind(const struct vgg_layer *l, size_t k, double sum)
{
	if (l->relu)
		sum = fmax(sum, 0);
	if (l->scale.data)
		sum = sum * (double)vgg_blob_f32(&l->scale)[k] +
		      (double)vgg_blob_f32(&l->shift)[k];
	return fmin(fmax(sum, (double)l->lo), (double)l->hi);
}

unsigned int vgg_dead_channels(const struct vgg_layer *l,
			       const struct vgg_activation *in)
{
	size_t n = (size_t)vgg_channels(&l->out), k;
	unsigned int dead = 0;
	double lo, hi;

	if (l->op != VGG_OP_CONV)
		return 0;
	for (k = 0; k < n; k++) {
		bound(l, in, k, &lo, &hi);
		dead += behind(l, k, lo) == behind(l, k, hi);
	}
	return dead;
}
