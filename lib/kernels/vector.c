// SPDX-License-Identifier: MIT
/*
 * The portable fast variant: plain C in shapes that compilers vectorise.
 *
 * Convolution: the rows under a kernel are widened to int16 with their padding,
 * so that each kernel row is one contiguous run of kernel_w * in_c values, as
 * it is in a filter. Then FILTERS filters meet PIXELS pixels, each product of
 * int16 values summed in 32 bits (a multiply-add instruction on most CPUs).
 * Sums wrap modulo 2^32, as the specification says; the file is compiled with
 * -fwrapv so that the signed sums may.
 *
 * Pooling and the rest take their channels as the inner loop.
 */
#include <string.h>

#include "kernels/clones.h"
#include "kernels/kernels.h"

#define FILTERS 4
#define PIXELS 2

static bool always(void)
{
	return true;
}

/* What a call needs, worked out once. */
struct shape {
	int conv_h, conv_w; /* before the pool */
	size_t run;	    /* kernel_w * in_c */
	size_t width;	    /* of a widened row, in values */
	size_t taps;
};

static void find_shape(const struct vgg_conv_s8 *k, struct shape *s)
{
	const struct vgg_window *w = &k->win;

	s->conv_h = (k->in.h + w->pad_top + w->pad_bottom - w->kernel_h) /
			    w->stride_h +
		    1;
	s->conv_w = (k->in.w + w->pad_left + w->pad_right - w->kernel_w) /
			    w->stride_w +
		    1;
	s->run = (size_t)w->kernel_w * (size_t)k->in.c;
	/* One pixel more: the last pair may read past an odd width. */
	s->width = (size_t)(s->conv_w * w->stride_w + w->kernel_w) *
		   (size_t)k->in.c;
	s->taps = s->run * (size_t)w->kernel_h;
}

/* Scratch: widened rows, widened filters, one row of results per pool row. */
struct scratch {
	int16_t *rows, *filters;
	int8_t *results;
};

static size_t round_up(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

/* Bytes of the three parts. */
static void measure(const struct vgg_conv_s8 *k, const struct shape *s,
		    size_t part[3])
{
	part[0] =
		round_up((size_t)k->win.kernel_h * s->width * sizeof(int16_t));
	part[1] = round_up(FILTERS * s->taps * sizeof(int16_t));
	part[2] = k->has_pool ? (size_t)k->pool.kernel_h * (size_t)s->conv_w *
					(size_t)k->out.c :
				0;
}

static size_t conv_scratch(const struct vgg_conv_s8 *k)
{
	struct shape s;
	size_t part[3];

	find_shape(k, &s);
	measure(k, &s, part);
	return part[0] + part[1] + part[2];
}

static struct scratch lay_out(const struct vgg_conv_s8 *k,
			      const struct shape *s, char *base)
{
	size_t part[3];

	measure(k, s, part);
	return (struct scratch){
		.rows = (int16_t *)base,
		.filters = (int16_t *)(base + part[0]),
		.results = (int8_t *)(base + part[0] + part[1]),
	};
}

static void fill_row(int16_t *to, int value, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		to[i] = (int16_t)value;
}

static void widen(int16_t *restrict to, const int8_t *restrict from, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		to[i] = from[i];
}

/* The rows under conv row y. */
static void load_rows(const struct vgg_conv_s8 *k, const struct shape *s, int y,
		      int16_t *to)
{
	size_t c = (size_t)k->in.c, left = (size_t)k->win.pad_left * c;
	int i, x, row;

	for (i = 0; i < k->win.kernel_h; i++, to += s->width) {
		const int8_t *from;

		row = y * k->win.stride_h - k->win.pad_top + i;
		fill_row(to, k->pad_value, s->width);
		if (row < 0 || row >= k->in.h)
			continue;
		from = k->in.data + (size_t)row * k->in.pitch;
		for (x = 0; x < k->in.w; x++, from += k->in.pixel) {
			if (left + ((size_t)x + 1) * c > s->width)
				break;
			widen(to + left + (size_t)x * c, from, c);
		}
	}
}

/* sum[f][p] += x[p * step + t] * w[f * taps + t] over one kernel row */
VGG_CLONES
static void multiply(int32_t sum[FILTERS][PIXELS], const int16_t *restrict x,
		     size_t step, const int16_t *restrict w, size_t taps,
		     size_t run)
{
	const int16_t *x1 = x + step, *w1 = w + taps, *w2 = w1 + taps,
		      *w3 = w2 + taps;
	int32_t a0 = 0, a1 = 0, b0 = 0, b1 = 0, c0 = 0, c1 = 0, d0 = 0, d1 = 0;
	size_t t;

	for (t = 0; t < run; t++) {
		a0 += x[t] * w[t];
		a1 += x1[t] * w[t];
		b0 += x[t] * w1[t];
		b1 += x1[t] * w1[t];
		c0 += x[t] * w2[t];
		c1 += x1[t] * w2[t];
		d0 += x[t] * w3[t];
		d1 += x1[t] * w3[t];
	}
	sum[0][0] += a0;
	sum[0][1] += a1;
	sum[1][0] += b0;
	sum[1][1] += b1;
	sum[2][0] += c0;
	sum[2][1] += c1;
	sum[3][0] += d0;
	sum[3][1] += d1;
}

/* One pixel, with filters as they lie: each weight is read once only, so
 * widening it ahead would cost more than it gains. */
VGG_CLONES
static int32_t dot(const int16_t *restrict x, const int8_t *restrict w,
		   size_t n)
{
	int32_t sum = 0;
	size_t t;

	for (t = 0; t < n; t++) {
		int16_t wide = w[t];

		sum += x[t] * wide;
	}
	return sum;
}

static int8_t finish(const struct vgg_conv_s8 *k, int32_t sum, int c)
{
	int32_t acc = sum + k->param[c].bias;

	if (k->relu && acc < 0)
		acc = 0;
	return (int8_t)vgg_requantize(acc, &k->param[c], k->lo, k->hi);
}

struct target {
	int8_t *data;
	size_t pixel;
};

/* FILTERS channels from c on, one conv row. */
static void conv_block(const struct vgg_conv_s8 *k, const struct shape *s,
		       const struct scratch *m, int c, int channels,
		       struct target to)
{
	size_t step = (size_t)(k->win.stride_w * k->in.c);
	int32_t sum[FILTERS][PIXELS];
	int x, i, f, p;

	for (x = 0; x < s->conv_w; x += PIXELS) {
		memset(sum, 0, sizeof(sum));
		for (i = 0; i < k->win.kernel_h; i++)
			multiply(sum,
				 m->rows + (size_t)i * s->width +
					 (size_t)x * step,
				 step, m->filters + (size_t)i * s->run, s->taps,
				 s->run);
		for (p = 0; p < PIXELS && x + p < s->conv_w; p++)
			for (f = 0; f < channels; f++)
				to.data[(size_t)(x + p) * to.pixel +
					(size_t)(c + f)] =
					finish(k, sum[f][p], c + f);
	}
}

static void load_filters(const struct vgg_conv_s8 *k, const struct shape *s,
			 int c, int channels, int16_t *to)
{
	memset(to, 0, FILTERS * s->taps * sizeof(*to));
	widen(to, k->weight + (size_t)c * s->taps, (size_t)channels * s->taps);
}

static void conv_row_of_one(const struct vgg_conv_s8 *k, const struct shape *s,
			    const struct scratch *m, int c0, int c1,
			    struct target to)
{
	int c, i;

	for (c = c0; c < c1; c++) {
		const int8_t *w = k->weight + (size_t)c * s->taps;
		int32_t sum = 0;

		for (i = 0; i < k->win.kernel_h; i++)
			sum += dot(m->rows + (size_t)i * s->width,
				   w + (size_t)i * s->run, s->run);
		to.data[c] = finish(k, sum, c);
	}
}

static void conv_row(const struct vgg_conv_s8 *k, const struct shape *s,
		     const struct scratch *m, int y, int c0, int c1,
		     struct target to)
{
	int c, channels;

	load_rows(k, s, y, m->rows);
	if (s->conv_w == 1) {
		conv_row_of_one(k, s, m, c0, c1, to);
		return;
	}
	for (c = c0; c < c1; c += FILTERS) {
		channels = c1 - c < FILTERS ? c1 - c : FILTERS;
		load_filters(k, s, c, channels, m->filters);
		conv_block(k, s, m, c, channels, to);
	}
}

static void max_into(int8_t *restrict best, const int8_t *restrict v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		best[i] = best[i] > v[i] ? best[i] : v[i];
}

/* Channels c0..c1-1 of the pooled row y from results of its conv rows. */
static void pool_results(const struct vgg_conv_s8 *k, const struct shape *s,
			 const int8_t *const rows[], int c0, int c1, int8_t *to)
{
	const struct vgg_window *p = &k->pool;
	size_t n = (size_t)(c1 - c0), pixel = (size_t)k->out.c;
	int x, i, j, cx;

	for (x = 0; x < k->out.w; x++, to += k->out.pixel) {
		memset(to + c0, -128, n);
		for (i = 0; i < p->kernel_h; i++)
			for (j = 0; rows[i] && j < p->kernel_w; j++) {
				cx = x * p->stride_w - p->pad_left + j;
				if (cx >= 0 && cx < s->conv_w)
					max_into(to + c0,
						 rows[i] + (size_t)cx * pixel +
							 c0,
						 n);
			}
	}
}

static void conv_pooled_row(const struct vgg_conv_s8 *k, const struct shape *s,
			    const struct scratch *m, int y, int c0, int c1)
{
	const int8_t *rows[VGG_POOL_ROWS_MAX];
	size_t pitch = (size_t)s->conv_w * (size_t)k->out.c;
	int i, cy;

	for (i = 0; i < k->pool.kernel_h; i++) {
		struct target to = { m->results + (size_t)i * pitch,
				     (size_t)k->out.c };

		cy = y * k->pool.stride_h - k->pool.pad_top + i;
		rows[i] = NULL;
		if (cy < 0 || cy >= s->conv_h)
			continue;
		conv_row(k, s, m, cy, c0, c1, to);
		rows[i] = to.data;
	}
	pool_results(k, s, rows, c0, c1,
		     k->out.data + (size_t)y * k->out.pitch);
}

static void conv(const struct vgg_conv_s8 *k, int row0, int row1, int c0,
		 int c1, void *at)
{
	struct scratch m;
	struct shape s;
	int y;

	find_shape(k, &s);
	m = lay_out(k, &s, at);
	for (y = row0; y < row1; y++) {
		struct target to = { k->out.data + (size_t)y * k->out.pitch,
				     k->out.pixel };

		if (k->has_pool)
			conv_pooled_row(k, &s, &m, y, c0, c1);
		else
			conv_row(k, &s, &m, y, c0, c1, to);
	}
}

static void add_into(int32_t *restrict sum, const int8_t *restrict v, int n)
{
	int i;

	for (i = 0; i < n; i++)
		sum[i] += v[i];
}

#define POOL_CHANNELS 64 /* sums that stay in registers or L1 */

static void average(const struct vgg_pool_s8 *k, int y, int x, int c0, int n)
{
	const struct vgg_window *w = &k->win;
	int8_t *to = k->out.data + (size_t)y * k->out.pitch +
		     (size_t)x * k->out.pixel + c0;
	int32_t sum[POOL_CHANNELS] = { 0 };
	int i, j, iy, ix, taps = 0, outside = 0;

	for (i = 0; i < w->kernel_h; i++)
		for (j = 0; j < w->kernel_w; j++) {
			iy = y * w->stride_h - w->pad_top + i;
			ix = x * w->stride_w - w->pad_left + j;
			if (iy < 0 || iy >= k->in.h || ix < 0 ||
			    ix >= k->in.w) {
				outside++;
				continue;
			}
			add_into(sum,
				 k->in.data + (size_t)iy * k->in.pitch +
					 (size_t)ix * k->in.pixel + c0,
				 n);
			taps++;
		}
	if (k->exclude_pad)
		outside = 0;
	taps += outside;
	for (i = 0; i < n; i++)
		to[i] = (int8_t)vgg_requantize(sum[i] + outside * k->pad_value +
						       k->param[taps - 1].bias,
					       &k->param[taps - 1], k->lo,
					       k->hi);
}

static void maximum(const struct vgg_pool_s8 *k, int y, int x, int c0, int n)
{
	const struct vgg_window *w = &k->win;
	int8_t *to = k->out.data + (size_t)y * k->out.pitch +
		     (size_t)x * k->out.pixel + c0;
	int i, j, iy, ix;

	memset(to, -128, (size_t)n);
	for (i = 0; i < w->kernel_h; i++)
		for (j = 0; j < w->kernel_w; j++) {
			iy = y * w->stride_h - w->pad_top + i;
			ix = x * w->stride_w - w->pad_left + j;
			if (iy < 0 || iy >= k->in.h || ix < 0 || ix >= k->in.w)
				continue;
			max_into(to,
				 k->in.data + (size_t)iy * k->in.pitch +
					 (size_t)ix * k->in.pixel + c0,
				 (size_t)n);
		}
}

static void pool(const struct vgg_pool_s8 *k, int row0, int row1, int c0,
		 int c1)
{
	int y, x, c, n;

	for (y = row0; y < row1; y++)
		for (x = 0; x < k->out.w; x++)
			for (c = c0; c < c1; c += n) {
				n = c1 - c < POOL_CHANNELS ? c1 - c :
							     POOL_CHANNELS;
				if (k->average)
					average(k, y, x, c, n);
				else
					maximum(k, y, x, c, n);
			}
}

const struct vgg_kernels vgg_kernels_vector = {
	.name = "vector",
	.usable = always,
	.conv_scratch = conv_scratch,
	.conv = conv,
	.pool = pool,
	.affine = vgg_affine_scalar,
	.lrn = vgg_lrn_scalar,
};
