// SPDX-License-Identifier: MIT
/*
 * Four ways to a range, all from a histogram between a tensor's extremes.
 *
 * MINMAX takes the extremes. PERCENTILE cuts the same share of values off each
 * end. The other two search over symmetric fractions of the extremes: MSE for the
 * smallest expected squared error of rounding and clipping, ENTROPY for the
 * smallest divergence between the distribution with its tails folded into the
 * range and the one that 8 bits can tell apart.
 */
#include <math.h>

#include "quant/range.h"

#define BINS VGG_HISTOGRAM_BINS
#define LEVELS 256
#define FRACTIONS 64 /* of the extremes that are tried for the squared error */
#define WINDOW_STEP 16 /* bins, of the windows tried for the entropy */

static double edge(const struct vgg_histogram *h, int bin)
{
	return (double)h->lo +
	       ((double)h->hi - (double)h->lo) * bin / (double)BINS;
}

static struct vgg_range extremes(const struct vgg_histogram *h)
{
	return (struct vgg_range){ h->lo, h->hi };
}

static double total(const struct vgg_histogram *h)
{
	double sum = 0;
	int i;

	for (i = 0; i < BINS; i++)
		sum += (double)h->bin[i];
	return sum;
}

/* Bins that lie wholly in the share that is cut off are. */
static struct vgg_range percentile(const struct vgg_histogram *h, double p)
{
	double cut = total(h) * (100 - p) / 100, sum;
	struct vgg_range r;
	int from = 0, end = BINS;

	for (sum = 0; from < BINS; from++) {
		sum += (double)h->bin[from];
		if (sum > cut)
			break;
	}
	for (sum = 0; end > from + 1; end--) {
		sum += (double)h->bin[end - 1];
		if (sum > cut)
			break;
	}
	r.lo = (float)fmin(edge(h, from), 0);
	r.hi = (float)fmax(edge(h, end), 0);
	return r;
}

/* Expected squared error if only lo..hi is represented. */
static double error_of(const struct vgg_histogram *h, double lo, double hi)
{
	double width = ((double)h->hi - (double)h->lo) / BINS, error = 0, v;
	double step = (hi - lo) / (LEVELS - 1);
	int i;

	for (i = 0; i < BINS; i++) {
		v = (double)h->lo + (i + 0.5) * width;
		if (v < lo)
			error += (double)h->bin[i] * (lo - v) * (lo - v);
		else if (v > hi)
			error += (double)h->bin[i] * (v - hi) * (v - hi);
		else
			error += (double)h->bin[i] * step * step / 12;
	}
	return error;
}

static struct vgg_range least_error(const struct vgg_histogram *h)
{
	struct vgg_range best = extremes(h);
	double least = INFINITY, error, f;
	int i;

	for (i = FRACTIONS; i > FRACTIONS / 4; i--) {
		f = (double)i / FRACTIONS;
		error = error_of(h, (double)h->lo * f, (double)h->hi * f);
		if (error < least) {
			least = error;
			best.lo = (float)((double)h->lo * f);
			best.hi = (float)((double)h->hi * f);
		}
	}
	return best;
}

/*
 * The divergence of Kullback and Leibler, in the way that S. Migacz published in
 * "8-bit Inference with TensorRT" (NVIDIA, GPU Technology Conference 2017): P is
 * the histogram in a window, what lies outside of it added to the window's ends; Q
 * is the window alone, merged into as many levels as there are and spread evenly
 * again over those bins of each level that aren't empty. There the window is of
 * magnitudes and there are 128 levels; here it reaches from a fraction of the
 * lowest value to the same fraction of the highest, and there are 256.
 *
 * The bin of 0 counts as one of its neighbours at most: behind a rectifier it has
 * half of all values, which any scale represents exactly, and would hide what
 * happens to the others.
 */
struct window {
	int from, end;	  /* bins */
	double bin[BINS]; /* of the whole histogram */
	double below, above;
};

static double divergence(const struct window *w)
{
	int n = w->end - w->from, level, i;
	double p_sum = w->below + w->above, q_sum = 0, kl = 0;

	for (i = w->from; i < w->end; i++)
		q_sum += w->bin[i];
	p_sum += q_sum;
	if (!(q_sum > 0))
		return INFINITY;
	for (level = 0; level < LEVELS; level++) {
		int first = w->from + (int)((int64_t)n * level / LEVELS);
		int end = w->from + (int)((int64_t)n * (level + 1) / LEVELS);
		double sum = 0, used = 0;

		for (i = first; i < end; i++) {
			sum += w->bin[i];
			used += w->bin[i] > 0;
		}
		for (i = first; i < end; i++) {
			double p = w->bin[i], q = p > 0 ? sum / used : 0;

			p += i == w->from ? w->below : 0;
			p += i == w->end - 1 ? w->above : 0;
			/* Q has nothing where only the tail is: as little as a
			 * ten-thousandth of a value stands for it. */
			q = q > 0 ? q : 1e-4;
			if (p > 0)
				kl += p / p_sum * log(p / p_sum / (q / q_sum));
		}
	}
	return kl;
}

static void tame_zero(const struct vgg_histogram *h, struct window *w)
{
	int zero =
		(int)(-(double)h->lo / ((double)h->hi - (double)h->lo) * BINS);
	double most = 0;

	zero = zero < 0 ? 0 : zero >= BINS ? BINS - 1 : zero;
	if (zero > 0)
		most = w->bin[zero - 1];
	if (zero + 1 < BINS && w->bin[zero + 1] > most)
		most = w->bin[zero + 1];
	if (w->bin[zero] > most)
		w->bin[zero] = most;
}

static struct vgg_range least_divergence(const struct vgg_histogram *h)
{
	struct vgg_range best = extremes(h);
	struct window w = { .from = 0 };
	double least = INFINITY, kl, zero;
	int i, n;

	if (!(h->hi > h->lo))
		return best;
	for (i = 0; i < BINS; i++)
		w.bin[i] = (double)h->bin[i];
	tame_zero(h, &w);
	zero = -(double)h->lo / ((double)h->hi - (double)h->lo) * BINS;
	for (n = BINS; n >= LEVELS; n -= WINDOW_STEP) {
		w.from = (int)lround(zero - zero * n / BINS);
		w.end = w.from + n;
		for (w.below = 0, i = 0; i < w.from; i++)
			w.below += w.bin[i];
		for (w.above = 0, i = w.end; i < BINS; i++)
			w.above += w.bin[i];
		kl = divergence(&w);
		if (kl < least) {
			least = kl;
			best.lo = (float)((double)h->lo * n / BINS);
			best.hi = (float)((double)h->hi * n / BINS);
		}
	}
	return best;
}

struct vgg_range vgg_range_choose(const struct vgg_histogram *h,
				  enum vgg_quantize_method method, double p)
{
	switch (method) {
	case VGG_QUANTIZE_MINMAX:
		return extremes(h);
	case VGG_QUANTIZE_PERCENTILE:
		return percentile(h, p);
	case VGG_QUANTIZE_ENTROPY:
		return least_divergence(h);
	default:
		return least_error(h);
	}
}
