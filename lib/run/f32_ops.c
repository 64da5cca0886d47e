// SPDX-License-Identifier: MIT
/* Each operator of graph.h in floating point, in memory order. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "run/f32.h"
#include "run/f32_ops.h"
#include "run/team.h"

/* What follows the accumulator: relu, scale and shift, clip. */
static void finish(const struct vgg_layer *l, float *x, int64_t pixels,
		   int64_t channels)
{
	const float *scale = vgg_blob_f32(&l->scale);
	const float *shift = vgg_blob_f32(&l->shift);
	int64_t p, c;

	if (!l->relu && !scale && l->lo == -INFINITY && l->hi == INFINITY)
		return;
	for (p = 0; p < pixels; p++, x += channels)
		for (c = 0; c < channels; c++) {
			float v = x[c];

			/* Written so that NaN stays NaN. */
			if (l->relu)
				v = v < 0 ? 0 : v;
			if (scale)
				v = v * scale[c] + shift[c];
			v = v < l->lo ? l->lo : v;
			x[c] = v > l->hi ? l->hi : v;
		}
}

struct vgg_conv_f32 vgg_f32_conv(const struct vgg_layer *l)
{
	return (struct vgg_conv_f32){
		.in_c = (int)l->in.dim[1],
		.in_h = (int)l->in.dim[2],
		.in_w = (int)l->in.dim[3],
		.out_c = (int)l->out.dim[1],
		.win = l->win,
		.pool = l->pool,
		.has_pool = l->has_pool,
		.relu = l->relu,
		.bias = vgg_blob_f32(&l->bias),
		.scale = vgg_blob_f32(&l->scale),
		.shift = vgg_blob_f32(&l->shift),
		.lo = l->lo,
		.hi = l->hi,
	};
}

int64_t vgg_f32_wide(const struct vgg_layer *l,
		     const struct vgg_ready_f32 *ready)
{
	int64_t h, w;

	if ((l->op == VGG_OP_SOFTMAX || l->op == VGG_OP_LOGSOFTMAX) &&
	    l->in.rank == 4)
		return vgg_shape_count(&l->in);
	if (!ready || !ready->pool_after)
		return 0;
	vgg_conv_size(l, &h, &w);
	return l->out.dim[1] * h * w;
}

static void pool_images(const struct vgg_f32_step *s,
			const struct vgg_window *w, const int64_t in[3],
			const float *from, float *to, int64_t images);

static void conv_images(const struct vgg_f32_step *s)
{
	const struct vgg_layer *l = s->layer;
	const struct vgg_ready_f32 *r = s->ready;
	int64_t n, batch = l->in.dim[0], h, w;
	int64_t in = vgg_shape_count(&l->in) / batch;
	int64_t out = vgg_shape_count(&l->out) / batch;
	struct vgg_team team = vgg_team_of(s->threads);

	vgg_conv_size(l, &h, &w);
	for (n = 0; n < batch; n++) {
		vgg_ready_f32_run(r, s->in + n * in,
				  r->pool_after ? s->wide : s->out + n * out,
				  NULL, &team, s->workspace);
		if (r->pool_after)
			pool_images(s, &l->pool,
				    (int64_t[]){ h, w, l->out.dim[1] }, s->wide,
				    s->out + n * out, 1);
	}
}

#define FC_CHANNELS 16 /* per task */

/* Some outputs of all vectors: weights are read once. */
static void fc_channels(void *ctx, int worker, size_t task)
{
	const struct vgg_f32_step *s = ctx;
	const struct vgg_layer *l = s->layer;
	const struct vgg_engine *e = s->dot;
	const float *bias = vgg_blob_f32(&l->bias);
	size_t out_c = (size_t)vgg_channels(&l->out);
	size_t taps = (size_t)vgg_channels(&l->in), n, i;
	size_t batch = (size_t)vgg_shape_count(&l->in) / taps;
	size_t first = task * FC_CHANNELS, rows = out_c - first;
	float sum[FC_CHANNELS];

	(void)worker;
	rows = rows < FC_CHANNELS ? rows : FC_CHANNELS;
	for (n = 0; n < batch; n++) {
		if (l->weight.dtype == VGG_F32)
			e->dot_f32(s->in + n * taps,
				   vgg_blob_f32(&l->weight) + first * taps,
				   taps, (int)rows, sum);
		else
			e->dot_f16(s->in + n * taps,
				   (const uint16_t *)l->weight.data +
					   first * taps,
				   taps, (int)rows, sum);
		for (i = 0; i < rows; i++)
			s->out[n * out_c + first + i] =
				sum[i] + (bias ? bias[first + i] : 0);
	}
}

static void conv_vectors(const struct vgg_f32_step *s)
{
	const struct vgg_layer *l = s->layer;
	int64_t out_c = vgg_channels(&l->out);

	vgg_parallel(s->threads,
		     (size_t)((out_c + FC_CHANNELS - 1) / FC_CHANNELS),
		     fc_channels, (void *)s);
	finish(l, s->out, vgg_shape_count(&l->out) / out_c, out_c);
}

/* One output pixel's window, cut to the image: rows y0..y1-1. */
static void cut(int64_t at, int stride, int pad, int kernel, int64_t size,
		int64_t *from, int64_t *to)
{
	*from = at * stride - pad;
	*to = *from + kernel;
	if (*from < 0)
		*from = 0;
	if (*to > size)
		*to = size;
}

static void pool_pixel(const struct vgg_layer *l, const struct vgg_window *w,
		       const int64_t in[3], int64_t y, int64_t x,
		       const float *from, float *to)
{
	bool average = l->op == VGG_OP_AVGPOOL;
	int64_t y0, y1, x0, x1, i, j, c, taps;

	cut(y, w->stride_h, w->pad_top, w->kernel_h, in[0], &y0, &y1);
	cut(x, w->stride_w, w->pad_left, w->kernel_w, in[1], &x0, &x1);
	for (c = 0; c < in[2]; c++)
		to[c] = average ? 0 : -INFINITY;
	for (i = y0; i < y1; i++)
		for (j = x0; j < x1; j++) {
			const float *p = from + (i * in[1] + j) * in[2];

			for (c = 0; c < in[2]; c++)
				if (average)
					to[c] += p[c];
				else if (p[c] > to[c] || isnan(p[c]))
					to[c] = p[c];
		}
	if (!average)
		return;
	taps = l->exclude_pad ? (y1 - y0) * (x1 - x0) :
				(int64_t)w->kernel_h * w->kernel_w;
	for (c = 0; c < in[2]; c++)
		to[c] /= (float)taps;
}

struct pool {
	const struct vgg_layer *layer;
	const struct vgg_window *win;
	int64_t in[3], out[3]; /* height, width, channels */
	const float *from;
	float *to;
};

static void pool_row(void *ctx, int worker, size_t row)
{
	const struct pool *p = ctx;
	int64_t image = (int64_t)row / p->out[0], y = (int64_t)row % p->out[0];
	const float *from = p->from + image * p->in[0] * p->in[1] * p->in[2];
	float *to = p->to + (int64_t)row * p->out[1] * p->out[2];
	int64_t x;

	(void)worker;
	for (x = 0; x < p->out[1]; x++)
		pool_pixel(p->layer, p->win, p->in, y, x, from,
			   to + x * p->out[2]);
}

static void pool_images(const struct vgg_f32_step *s,
			const struct vgg_window *w, const int64_t in[3],
			const float *from, float *to, int64_t images)
{
	const struct vgg_shape *out = &s->layer->out;
	struct pool p = { .layer = s->layer,
			  .win = w,
			  .in = { in[0], in[1], in[2] },
			  .out = { out->dim[2], out->dim[3], out->dim[1] },
			  .from = from,
			  .to = to };

	vgg_parallel(s->threads, (size_t)(images * p.out[0]), pool_row, &p);
}

static void pool(const struct vgg_f32_step *s)
{
	const struct vgg_layer *l = s->layer;

	pool_images(s, &l->win,
		    (int64_t[]){ l->in.dim[2], l->in.dim[3], l->in.dim[1] },
		    s->in, s->out, l->in.dim[0]);
}

/* Channels are innermost in memory, except in rank-3 tensors (N, C, L). */
static void affine(const struct vgg_f32_step *s)
{
	const struct vgg_layer *l = s->layer;
	int64_t n = vgg_shape_count(&l->in), c = vgg_channels(&l->in), i;
	struct vgg_layer one = *l;

	memcpy(s->out, s->in, (size_t)n * sizeof(float));
	if (l->in.rank != 3 || !l->scale.data) {
		finish(l, s->out, n / c, c);
		return;
	}
	c = l->in.dim[1];
	for (i = 0; i < l->in.dim[0] * c; i++) {
		one.scale.data = vgg_blob_f32(&l->scale) + i % c;
		one.shift.data = vgg_blob_f32(&l->shift) + i % c;
		finish(&one, s->out + i * l->in.dim[2], l->in.dim[2], 1);
	}
}

void vgg_to_nhwc(const struct vgg_shape *s, const float *nchw, float *nhwc)
{
	int64_t n, c, p, pixels;

	if (s->rank != 4) {
		memcpy(nhwc, nchw, (size_t)vgg_shape_count(s) * sizeof(float));
		return;
	}
	pixels = s->dim[2] * s->dim[3];
	for (n = 0; n < s->dim[0]; n++)
		for (c = 0; c < s->dim[1]; c++)
			for (p = 0; p < pixels; p++)
				nhwc[(n * pixels + p) * s->dim[1] + c] =
					*nchw++;
}

void vgg_to_nchw(const struct vgg_shape *s, const float *nhwc, float *nchw)
{
	int64_t n, c, p, pixels;

	if (s->rank != 4) {
		memcpy(nchw, nhwc, (size_t)vgg_shape_count(s) * sizeof(float));
		return;
	}
	pixels = s->dim[2] * s->dim[3];
	for (n = 0; n < s->dim[0]; n++)
		for (c = 0; c < s->dim[1]; c++)
			for (p = 0; p < pixels; p++)
				*nchw++ =
					nhwc[(n * pixels + p) * s->dim[1] + c];
}

/* Where element i (in logical order) of a tensor lies in memory. */
static int64_t place(const struct vgg_shape *s, int64_t i)
{
	int64_t pixels, p, c, n;

	if (s->rank != 4)
		return i;
	pixels = s->dim[2] * s->dim[3];
	p = i % pixels;
	c = i / pixels % s->dim[1];
	n = i / pixels / s->dim[1];
	return (n * pixels + p) * s->dim[1] + c;
}

static void reshape(const struct vgg_f32_step *s)
{
	const struct vgg_layer *l = s->layer;
	int64_t n = vgg_shape_count(&l->in), i;

	if (l->keep_order) {
		memcpy(s->out, s->in, (size_t)n * sizeof(float));
		return;
	}
	for (i = 0; i < n; i++)
		s->out[place(&l->out, i)] = s->in[place(&l->in, i)];
}

static void pad(const struct vgg_f32_step *s)
{
	const struct vgg_layer *l = s->layer;
	int64_t c = l->in.dim[1], h = l->in.dim[2], w = l->in.dim[3];
	int64_t n, y, i, count = vgg_shape_count(&l->out);
	int64_t wide = l->out.dim[3], high = l->out.dim[2];

	for (i = 0; i < count; i++)
		s->out[i] = l->pad_value;
	for (n = 0; n < l->in.dim[0]; n++)
		for (y = 0; y < h; y++)
			memcpy(s->out + (((n * high + y + l->win.pad_top) *
					  wide) +
					 l->win.pad_left) *
						c,
			       s->in + (n * h + y) * w * c,
			       (size_t)(w * c) * sizeof(float));
}

/* ONNX: the window of `size` channels has its larger half ahead. */
static void lrn(const struct vgg_f32_step *s)
{
	const struct vgg_layer *l = s->layer;
	int64_t c = l->in.dim[1], pixels = vgg_shape_count(&l->in) / c, p, i, j;
	int64_t behind = (l->lrn_size - 1) / 2, ahead = l->lrn_size / 2;

	for (p = 0; p < pixels; p++)
		for (i = 0; i < c; i++) {
			const float *x = s->in + p * c;
			float sum = 0;

			for (j = i < behind ? 0 : i - behind;
			     j <= i + ahead && j < c; j++)
				sum += x[j] * x[j];
			s->out[p * c + i] =
				x[i] /
				powf(l->lrn_bias + l->lrn_alpha /
							   (float)l->lrn_size *
							   sum,
				     l->lrn_beta);
		}
}

void vgg_softmax(float *x, int64_t count, int64_t stride, bool logarithm)
{
	float top = -INFINITY;
	double sum = 0;
	int64_t i;

	for (i = 0; i < count; i++)
		if (x[i * stride] > top)
			top = x[i * stride];
	for (i = 0; i < count; i++)
		sum += exp((double)(x[i * stride] - top));
	for (i = 0; i < count; i++) {
		double v = (double)(x[i * stride] - top);

		x[i * stride] =
			(float)(logarithm ? v - log(sum) : exp(v) / sum);
	}
}

/* In logical order, so that "all axes from `axis` on" are contiguous. */
static void softmax(const struct vgg_f32_step *s, float *logical)
{
	const struct vgg_layer *l = s->layer;
	int64_t outer = 1, count = l->in.dim[l->axis], inner = 1, i, j;
	int k;

	for (k = 0; k < l->in.rank; k++)
		if (k < l->axis)
			outer *= l->in.dim[k];
		else if (k > l->axis)
			inner *= l->in.dim[k];
	if (l->flatten_from_axis) {
		count *= inner;
		inner = 1;
	}
	for (i = 0; i < outer; i++)
		for (j = 0; j < inner; j++)
			vgg_softmax(logical + i * count * inner + j, count,
				    inner, l->op == VGG_OP_LOGSOFTMAX);
}

static void any_softmax(const struct vgg_f32_step *s)
{
	size_t bytes = (size_t)vgg_shape_count(&s->layer->in) * sizeof(float);

	if (s->layer->in.rank != 4) {
		memcpy(s->out, s->in, bytes);
		softmax(s, s->out);
		return;
	}
	vgg_to_nchw(&s->layer->in, s->in, s->wide);
	softmax(s, s->wide);
	vgg_to_nhwc(&s->layer->in, s->wide, s->out);
}

static void quantize(const struct vgg_f32_step *s)
{
	const struct vgg_layer *l = s->layer;
	int64_t n = vgg_shape_count(&l->in), i;

	for (i = 0; i < n; i++) {
		/* rintf(): ties to even, the default rounding mode */
		float v = rintf(s->in[i] / l->q_scale) + (float)l->q_zero;

		v = v < (float)l->q_min ? (float)l->q_min : v;
		s->out[i] = v > (float)l->q_max ? (float)l->q_max : v;
	}
}

static void dequantize(const struct vgg_f32_step *s)
{
	const struct vgg_layer *l = s->layer;
	int64_t n = vgg_shape_count(&l->in), i;

	for (i = 0; i < n; i++)
		s->out[i] = (s->in[i] - (float)l->q_zero) * l->q_scale;
}

void vgg_f32_pin(const struct vgg_quant *q, float *x, int64_t n)
{
	float lo = (float)(-128 - q->zero), hi = (float)(127 - q->zero);
	int64_t i;

	for (i = 0; i < n; i++) {
		float v = rintf(x[i] / q->scale);

		v = v < lo ? lo : v;
		x[i] = (v > hi ? hi : v) * q->scale;
	}
}

void vgg_f32_layer(const struct vgg_f32_step *s)
{
	const struct vgg_layer *l = s->layer;
	static void (*const run[VGG_OP_COUNT])(const struct vgg_f32_step *) = {
		[VGG_OP_MAXPOOL] = pool,
		[VGG_OP_AVGPOOL] = pool,
		[VGG_OP_AFFINE] = affine,
		[VGG_OP_RESHAPE] = reshape,
		[VGG_OP_PAD] = pad,
		[VGG_OP_LRN] = lrn,
		[VGG_OP_SOFTMAX] = any_softmax,
		[VGG_OP_LOGSOFTMAX] = any_softmax,
		[VGG_OP_QUANTIZE] = quantize,
		[VGG_OP_DEQUANTIZE] = dequantize,
	};

	if (l->op == VGG_OP_CONV && l->in.rank == 4)
		conv_images(s);
	else if (l->op == VGG_OP_CONV)
		conv_vectors(s);
	else
		run[l->op](s);
	if (l->out_q.pinned)
		vgg_f32_pin(&l->out_q, s->out, vgg_shape_count(&l->out));
}
