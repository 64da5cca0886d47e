// SPDX-License-Identifier: MIT
/*
 * Four ways to a range, all from a histogram between a tensor's extremes.
 *
 * MINMAX takes the extremes. PERCENTILE cuts the same share of values off each
 * end. The other two search, with a cost for each range: MSE for the smallest squared
 * error of rounding and clipping, ENTROPY for the smallest divergence between the
 * distribution with its tails folded into the range and the one that 8 bits can tell
 * apart.
 *
 * They search the two ends apart, each among fractions of its extreme, in turn until
 * neither moves. Behind ReLU and BatchNorm the lower end is not a tail but where most
 * values are: each channel's shift. One fraction for both ends would cut into those
 * wherever a few high values are worth cutting off.
 */
#include <math.h>
#include <stdlib.h>

#include "quant/calibrate.h"
#include "quant/range.h"

#define BINS VGG_HISTOGRAM_BINS
#define LEVELS 256
#define FRACTIONS 64 /* of an extreme */
#define ROUNDS 8     /* of the search; two or three do */
/* Sums may differ in their last bits between machines; choices shall not. */
#define BETTER (1 - 1e-9)

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

/*
 * The search. A range is two counts of fractions of the extremes.
 */
struct search {
	const struct vgg_histogram *h;
	double (*cost)(const struct search *s, const int part[2]);
	const double *bin; /* tamed, for the divergence */
};

static struct vgg_range part_of(const struct vgg_histogram *h,
				const int part[2])
{
	return (struct vgg_range){
		(float)((double)h->lo * part[0] / FRACTIONS),
		(float)((double)h->hi * part[1] / FRACTIONS),
	};
}

/* A histogram tells nothing of ranges whose steps are narrower than its bins. */
static bool is_wide(const struct vgg_histogram *h, const int part[2])
{
	struct vgg_range r = part_of(h, part);

	return ((double)r.hi - (double)r.lo) * BINS >=
	       ((double)h->hi - (double)h->lo) * LEVELS;
}

/* Puts `end` where it costs least, the other being where it is. */
static bool move_end(const struct search *s, int end, int part[2],
		     double *least)
{
	int try[2] = { part[0], part[1] }, from = part[end];
	double cost;

	for (try[end] = FRACTIONS; try[end] >= 0; try[end]--) {
		if (!is_wide(s->h, try))
			break;
		cost = s->cost(s, try);
		if (cost < *least * BETTER) {
			*least = cost;
			part[end] = try[end];
		}
	}
	return part[end] != from;
}

static struct vgg_range search(const struct search *s)
{
	int part[2] = { FRACTIONS, FRACTIONS }, round;
	double least;
	bool moved = s->h->hi > s->h->lo;

	least = moved ? s->cost(s, part) : 0;
	for (round = 0; moved && round < ROUNDS; round++) {
		moved = move_end(s, 1, part, &least);
		moved |= move_end(s, 0, part, &least);
	}
	return part_of(s->h, part);
}

/*
 * Squared error: of the middle of each bin, as int8 represents it. So values that are
 * all the same cost what rounding makes of just them, and zeros next to nothing:
 * their level is exact in each range.
 *
 * The next layer adds up. What rounding did to the values that it adds has either
 * sign and cancels; what is cut off lies together, as high values do, and is all of
 * one sign. In a window of 3x3, nine errors that are one have nine times the square
 * of nine that are not: that is what an error of clipping counts.
 */
#define TOGETHER 9

static double squared_error(const struct search *s, const int part[2])
{
	const struct vgg_histogram *h = s->h;
	double width = ((double)h->hi - (double)h->lo) / BINS, error = 0, v,
	       weight;
	struct vgg_quant q = vgg_quant_of(part_of(h, part));
	double step = (double)q.scale, lo = (-128 - q.zero) * step;
	int i, level;

	for (i = 0; i < BINS; i++) {
		if (!h->bin[i])
			continue;
		v = ((double)h->lo + (i + 0.5) * width - lo) / step;
		level = v < 0	       ? 0 :
			v > LEVELS - 1 ? LEVELS - 1 :
					 (int)(v + 0.5);
		weight = v < -0.5 || v > LEVELS - 0.5 ? TOGETHER : 1;
		v -= level;
		error += (double)h->bin[i] * weight * v * v;
	}
	return error * step * step;
}

/*
 * The divergence of Kullback and Leibler, in the way that S. Migacz published in
 * "8-bit Inference with TensorRT" (NVIDIA, GPU Technology Conference 2017): P is
 * the histogram in a window, what lies outside of it added to the window's ends; Q
 * is the window alone, merged into as many levels as there are and spread evenly
 * again over those bins of each level that aren't empty. There the window is of
 * magnitudes, and there are 128 levels; here it has two ends and 256 levels.
 *
 * What a rectifier or a clip has cut off (see range.h) is one constant per channel: 0,
 * or the shift of a BatchNorm behind it. Inside of a range that is represented as
 * well as all else, but merged with its neighbours it would look like the greatest
 * loss there is, and narrow windows, which merge less, would win. So inside it doesn't
 * count, and of any other bin far above its neighbours no more than twice what they
 * have. Outside everything counts: what is cut off is lost.
 */
#define AROUND 8 /* bins at each side; of the widest range, a level */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median: up to half of the neighbours may be such, too. */
static double neighbours(const double *bin, int of)
{
	double near[2 * AROUND] = { 0 };
	size_t n = 0;
	int i;

	for (i = of - AROUND; i <= of + AROUND; i++)
		if (i != of && i >= 0 && i < BINS)
			near[n++] = bin[i];
	qsort(near, n, sizeof(*near), by_value);
	return near[n / 2];
}

static void tame(const struct vgg_histogram *h, double *bin)
{
	double varied[BINS];
	int i;

	for (i = 0; i < BINS; i++)
		varied[i] = (double)(h->bin[i] - h->cut[i]);
	for (i = 0; i < BINS; i++)
		bin[i] = fmin(varied[i], fmax(2 * neighbours(varied, i), 1));
}

struct window {
	int from, end;		     /* bins */
	double below, above, inside; /* values */
};

static struct window window_of(const struct search *s, const int part[2])
{
	const struct vgg_histogram *h = s->h;
	double zero = -(double)h->lo / ((double)h->hi - (double)h->lo) * BINS;
	struct window w = {
		.from = (int)lround(zero - zero * part[0] / FRACTIONS),
		.end = (int)lround(zero + (BINS - zero) * part[1] / FRACTIONS),
	};
	int i;

	for (i = 0; i < BINS; i++)
		if (i < w.from)
			w.below += (double)h->bin[i];
		else if (i < w.end)
			w.inside += s->bin[i];
		else
			w.above += (double)h->bin[i];
	return w;
}

static double divergence(const struct search *s, const int part[2])
{
	struct window w = window_of(s, part);
	double p_sum = w.below + w.inside + w.above, kl = 0;
	int n = w.end - w.from, level, i;

	if (!(w.inside > 0))
		return INFINITY;
	for (level = 0; level < LEVELS; level++) {
		int first = w.from + (int)((int64_t)n * level / LEVELS);
		int end = w.from + (int)((int64_t)n * (level + 1) / LEVELS);
		double sum = 0, used = 0;

		for (i = first; i < end; i++) {
			sum += s->bin[i];
			used += s->bin[i] > 0;
		}
		for (i = first; i < end; i++) {
			double p = s->bin[i], q = p > 0 ? sum / used : 0;

			p += i == w.from ? w.below : 0;
			p += i == w.end - 1 ? w.above : 0;
			/* Q has nothing where only the tail is: as little as a
			 * ten-thousandth of a value stands for it. */
			q = q > 0 ? q : 1e-4;
			if (p > 0)
				kl += p / p_sum *
				      log(p / p_sum / (q / w.inside));
		}
	}
	return kl;
}

static struct vgg_range least_divergence(const struct vgg_histogram *h)
{
	double bin[BINS];

	tame(h, bin);
	return search(&(struct search){ h, divergence, bin });
}

static struct vgg_range least_error(const struct vgg_histogram *h)
{
	return search(&(struct search){ .h = h, .cost = squared_error });
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
