// SPDX-License-Identifier: MIT
/*
 * Resizing in two passes, first along rows, then along columns.
 *
 * An output pixel is a weighted mean of the input pixels around its centre. The
 * filter is stretched when the image shrinks, so that every input pixel counts
 * (antialiasing). What makes the result that of PIL to the byte:
 *
 *  - weights are computed and normalised in double, then rounded to 22 bits
 *    behind the point: 8 bits of pixel, 22 of weight, 2 spare ones (a bicubic
 *    sum may leave 0..255) fill an int32;
 *  - between the passes pixels are rounded and clipped to 8 bits;
 *  - a pass that keeps the size is left out.
 *
 * Only + - * / on doubles are used, so that any machine gives the same weights
 * as long as the compiler doesn't contract them (-ffp-contract=off).
 *
 * Each output pixel depends on its own weights only: computing a part gives the
 * bytes that the whole would have there.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "image/resize.h"
#include "util/error.h"

#define WEIGHT_BITS 22
#define HALF (1 << (WEIGHT_BITS - 1))

/* Weights of one pass: output pixel i is the sum of `count` input pixels from
 * `first` on. */
struct span {
	int first, count;
	const int32_t *weights;
};

struct pass {
	struct span *spans;
	int32_t *weights;
};

static const struct {
	const char *name;
	double support; /* half the filter's width, in pixels */
} filters[VGG_FILTER_COUNT] = {
	[VGG_FILTER_BILINEAR] = { "bilinear", 1.0 },
	[VGG_FILTER_BICUBIC] = { "bicubic", 2.0 },
};

const char *vgg_filter_name(int filter)
{
	return filter >= 0 && filter < VGG_FILTER_COUNT ? filters[filter].name :
							  NULL;
}

int vgg_filter_find(const char *name)
{
	int i;

	for (i = 0; i < VGG_FILTER_COUNT; i++)
		if (!strcmp(name, filters[i].name))
			return i;
	return -1;
}

/* Bicubic: Keys' convolution with a = -1/2, by Horner's rule. */
static double filter_at(enum vgg_filter filter, double x)
{
	const double a = -0.5;

	if (x < 0.0)
		x = -x;
	if (filter == VGG_FILTER_BILINEAR)
		return x < 1.0 ? 1.0 - x : 0.0;
	if (x < 1.0)
		return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
	if (x < 2.0)
		return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
	return 0.0;
}

/* Away from zero, as a cast truncates towards it. */
static int32_t fixed(double weight)
{
	double scaled = weight * (1 << WEIGHT_BITS);

	return (int32_t)(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
}

/* The span of output pixel i; real and weights have room for it. */
static struct span make_span(enum vgg_filter filter, int in, int out, int i,
			     double *real, int32_t *weights)
{
	double scale = (double)in / out, stretch = scale < 1.0 ? 1.0 : scale;
	double support = filters[filter].support * stretch;
	double centre = (i + 0.5) * scale, sum = 0.0;
	double lo = centre - support + 0.5, hi = centre + support + 0.5;
	int first = lo < 0.0 ? 0 : (int)lo, end = hi > in ? in : (int)hi, k;

	for (k = 0; k < end - first; k++) {
		real[k] = filter_at(filter, (k + first - centre + 0.5) *
						    (1.0 / stretch));
		sum += real[k];
	}
	for (k = 0; k < end - first; k++)
		weights[k] = fixed(sum != 0.0 ? real[k] / sum : real[k]);
	return (struct span){ first, end - first, weights };
}

static void pass_free(struct pass *p)
{
	free(p->spans);
	free(p->weights);
	*p = (struct pass){ 0 };
}

/* Spans of the n output pixels from `at` on. */
static int pass_build(struct pass *p, enum vgg_filter filter, int in, int out,
		      int at, int n)
{
	double scale = (double)in / out, stretch = scale < 1.0 ? 1.0 : scale;
	size_t room = (size_t)(2.0 * filters[filter].support * stretch) + 2;
	double *real = malloc(room * sizeof(*real));
	int i;

	p->spans = malloc((size_t)n * sizeof(*p->spans));
	p->weights = calloc((size_t)n, room * sizeof(*p->weights));
	if (!real || !p->spans || !p->weights) {
		free(real);
		pass_free(p);
		return vgg_fail_memory("resizing an image");
	}
	for (i = 0; i < n; i++)
		p->spans[i] = make_span(filter, in, out, at + i, real,
					p->weights + (size_t)i * room);
	free(real);
	return 0;
}

static uint8_t clip(int32_t sum)
{
	sum >>= WEIGHT_BITS;
	return sum < 0 ? 0 : sum > 255 ? 255 : (uint8_t)sum;
}

/* One row of the first pass; the channels have a loop of their own because they
 * share the weights. */
static void row_rgb(const struct span *spans, int n, const uint8_t *in,
		    uint8_t *out)
{
	int i, k;

	for (i = 0; i < n; i++, out += 3) {
		const uint8_t *from = in + (size_t)spans[i].first * 3;
		int32_t r = HALF, g = HALF, b = HALF;

		for (k = 0; k < spans[i].count; k++, from += 3) {
			r += from[0] * spans[i].weights[k];
			g += from[1] * spans[i].weights[k];
			b += from[2] * spans[i].weights[k];
		}
		out[0] = clip(r);
		out[1] = clip(g);
		out[2] = clip(b);
	}
}

static void row_grey(const struct span *spans, int n, const uint8_t *in,
		     uint8_t *out)
{
	int i, k;

	for (i = 0; i < n; i++) {
		int32_t sum = HALF;

		for (k = 0; k < spans[i].count; k++)
			sum += in[spans[i].first + k] * spans[i].weights[k];
		out[i] = clip(sum);
	}
}

/* One row of the second pass: n bytes, each from a column of rows `pitch`
 * apart. Row by row into sums, as the rows lie in memory. */
static void column(const struct span *span, size_t n, const uint8_t *in,
		   size_t pitch, int32_t *sums, uint8_t *out)
{
	size_t i;
	int k;

	for (i = 0; i < n; i++)
		sums[i] = HALF;
	for (k = 0; k < span->count; k++, in += pitch)
		for (i = 0; i < n; i++)
			sums[i] += in[i] * span->weights[k];
	for (i = 0; i < n; i++)
		out[i] = clip(sums[i]);
}

/* The first pass over input rows top..top + rows - 1, into rows of r->w. */
static int resize_rows(const struct vgg_resize *r, const uint8_t *in, int top,
		       int rows, uint8_t *out, size_t pitch)
{
	size_t in_pitch = (size_t)r->in_w * (size_t)r->channels;
	struct pass pass;
	int y, err;

	in += (size_t)top * in_pitch;
	if (r->in_w == r->out_w) {
		in += (size_t)r->x * (size_t)r->channels;
		for (y = 0; y < rows; y++)
			memcpy(out + (size_t)y * pitch,
			       in + (size_t)y * in_pitch,
			       (size_t)r->w * (size_t)r->channels);
		return 0;
	}
	err = pass_build(&pass, r->filter, r->in_w, r->out_w, r->x, r->w);
	if (err)
		return err;
	for (y = 0; y < rows; y++)
		(r->channels == 1 ? row_grey : row_rgb)(
			pass.spans, r->w, in + (size_t)y * in_pitch,
			out + (size_t)y * pitch);
	pass_free(&pass);
	return 0;
}

/* Both passes; `pass` is the second one's. Rows that no column needs are not
 * touched by the first. */
static int resize_both(const struct vgg_resize *r, const struct pass *pass,
		       const uint8_t *in, uint8_t *out, size_t pitch)
{
	const struct span *last = &pass->spans[r->h - 1];
	int top = pass->spans[0].first;
	int rows = last->first + last->count - top, y;
	size_t n = (size_t)r->w * (size_t)r->channels;
	uint8_t *between = malloc((size_t)rows * n);
	int32_t *sums = malloc(n * sizeof(*sums));
	int err = 0;

	if (!between || !sums)
		err = vgg_fail_memory("resizing an image");
	else
		err = resize_rows(r, in, top, rows, between, n);
	for (y = 0; !err && y < r->h; y++)
		column(&pass->spans[y], n,
		       between + (size_t)(pass->spans[y].first - top) * n, n,
		       sums, out + (size_t)y * pitch);
	free(between);
	free(sums);
	return err;
}

int vgg_resize(const struct vgg_resize *r, const uint8_t *in, uint8_t *out,
	       size_t pitch)
{
	struct pass pass;
	int err;

	if (r->in_h == r->out_h)
		return resize_rows(r, in, r->y, r->h, out, pitch);
	err = pass_build(&pass, r->filter, r->in_h, r->out_h, r->y, r->h);
	if (err)
		return err;
	err = resize_both(r, &pass, in, out, pitch);
	pass_free(&pass);
	return err;
}
