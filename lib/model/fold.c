// SPDX-License-Identifier: MIT
/*
 * Merging neighbours: what a source writes as convolution, BatchNorm, ReLU and
 * pool becomes one layer, as the card executes it. Each rule keeps the function
 * that the chain computes (up to the rounding of folded weights) and makes the
 * chain shorter or moves a layer forward, so the rules are simply applied until
 * none fits.
 *
 * A rule looks at two neighbours a, b (b behind a) and returns 1 if it changed
 * something, 0 if it does not fit, or -errno.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/graph.h"
#include "util/error.h"

static bool has_clip(const struct vgg_layer *l)
{
	return l->lo > -INFINITY || l->hi < INFINITY;
}

static bool identity(const struct vgg_layer *l)
{
	switch (l->op) {
	case VGG_OP_AFFINE:
		return !l->relu && !l->scale.data && !has_clip(l) &&
		       !l->out_q.pinned;
	case VGG_OP_RESHAPE:
		return vgg_shape_equal(&l->in, &l->out);
	case VGG_OP_PAD:
		return !l->win.pad_top && !l->win.pad_left &&
		       !l->win.pad_bottom && !l->win.pad_right;
	default:
		return false;
	}
}

/*
 * Convolution, then scale and shift, nothing in between: into weights and bias.
 */
static int scale_weights(struct vgg_layer *conv, const struct vgg_layer *bn)
{
	size_t n = bn->scale.count, taps = conv->weight.count / n, c, t;
	const float *scale = vgg_blob_f32(&bn->scale);
	const float *shift = vgg_blob_f32(&bn->shift);
	float *w = vgg_blob_own_f32(&conv->weight), *bias, *ws = NULL;

	if (!conv->bias.data && !vgg_blob_alloc(&conv->bias, VGG_F32, n))
		return -ENOMEM;
	bias = vgg_blob_own_f32(&conv->bias);
	if (conv->weight_scale.data)
		ws = vgg_blob_own_f32(&conv->weight_scale);
	if (!w || !bias || (conv->weight_scale.data && !ws))
		return -ENOMEM;
	for (c = 0; c < n; c++) {
		for (t = 0; t < taps; t++)
			w[c * taps + t] *= scale[c];
		bias[c] = bias[c] * scale[c] + shift[c];
		if (ws)
			ws[c] *= fabsf(scale[c]);
	}
	return 1;
}

/* a has a scale already: scale[c] * (s x + t) + shift[c] */
static int scale_scale(struct vgg_layer *a, const struct vgg_layer *b)
{
	const float *scale = vgg_blob_f32(&b->scale);
	const float *shift = vgg_blob_f32(&b->shift);
	float *s = vgg_blob_own_f32(&a->scale),
	      *t = vgg_blob_own_f32(&a->shift);
	size_t c;

	if (!s || !t)
		return -ENOMEM;
	for (c = 0; c < b->scale.count; c++) {
		s[c] *= scale[c];
		t[c] = t[c] * scale[c] + shift[c];
	}
	return 1;
}

/* Max-pooling commutes with what doesn't reverse the order. */
static bool all_positive(const struct vgg_blob *scale)
{
	size_t c;

	for (c = 0; c < scale->count; c++)
		if (!(vgg_blob_f32(scale)[c] >= 0))
			return false;
	return true;
}

static int merge_scale(struct vgg_layer *a, struct vgg_layer *b)
{
	if (a->lo == 0 && a->hi == INFINITY && !a->scale.data) {
		/* The rectifier comes before the scale from now on. */
		a->relu = true;
		a->lo = -INFINITY;
	}
	if (has_clip(a) || (a->has_pool && !all_positive(&b->scale)))
		return 0;
	if (a->scale.data)
		return scale_scale(a, b);
	if (a->op == VGG_OP_CONV && !a->relu && a->weight.dtype == VGG_F32)
		return scale_weights(a, b);
	a->scale = b->scale;
	a->shift = b->shift;
	memset(&b->scale, 0, sizeof(b->scale));
	memset(&b->shift, 0, sizeof(b->shift));
	return 1;
}

static float clip(float v, float lo, float hi)
{
	v = v < lo ? lo : v;
	return v > hi ? hi : v;
}

/* CONV or AFFINE, then AFFINE: first the scale, then the clip of the second. */
static int fold_affine(struct vgg_layer *a, struct vgg_layer *b)
{
	bool rank3 = b->in.rank == 3; /* channels lie elsewhere there */
	float lo, hi;
	int done = 0;

	if ((a->op != VGG_OP_CONV && a->op != VGG_OP_AFFINE) ||
	    b->op != VGG_OP_AFFINE || a->out_q.pinned || rank3)
		return 0;
	if (b->relu) {
		/* Rectify, then scale: only behind nothing but an identity. */
		if (a->scale.data || has_clip(a) || a->has_pool)
			return 0;
		a->relu = true;
		b->relu = false;
	}
	if (b->scale.data) {
		done = merge_scale(a, b);
		if (done <= 0)
			return done;
	}
	lo = clip(a->lo, b->lo, b->hi);
	hi = clip(a->hi, b->lo, b->hi);
	a->lo = lo;
	a->hi = hi;
	a->out_q = b->out_q;
	return 1;
}

static bool zero_pad(const struct vgg_layer *l)
{
	return l->op == VGG_OP_PAD && l->pad_value == 0 && !l->out_q.pinned;
}

/* PAD, then CONV: the convolution pads. a's pads go to b, a becomes nothing. */
static int fold_pad(struct vgg_layer *a, struct vgg_layer *b)
{
	if (!zero_pad(a) || b->op != VGG_OP_CONV || b->in.rank != 4 ||
	    identity(a))
		return 0;
	b->win.pad_top += a->win.pad_top;
	b->win.pad_left += a->win.pad_left;
	b->win.pad_bottom += a->win.pad_bottom;
	b->win.pad_right += a->win.pad_right;
	a->win.pad_top = a->win.pad_left = 0;
	a->win.pad_bottom = a->win.pad_right = 0;
	return 1;
}

#define FUSED_KERNEL_MAX 8 /* as the card; a larger pool stays a layer */

static int fold_maxpool(struct vgg_layer *a, struct vgg_layer *b)
{
	const struct vgg_window *w = &b->win;

	if (a->op != VGG_OP_CONV || a->has_pool || b->op != VGG_OP_MAXPOOL ||
	    w->kernel_h > FUSED_KERNEL_MAX || w->kernel_w > FUSED_KERNEL_MAX ||
	    w->stride_h > FUSED_KERNEL_MAX || w->stride_w > FUSED_KERNEL_MAX)
		return 0;
	if (b->out_q.pinned) {
		if (a->out_q.pinned && (a->out_q.scale != b->out_q.scale ||
					a->out_q.zero != b->out_q.zero))
			return 0;
		a->out_q = b->out_q;
	}
	a->has_pool = true;
	a->pool = *w;
	return 1;
}

/*
 * RESHAPE of an image to a vector, then CONV: the filters take the values in
 * memory order (H, W, C) instead of (C, H, W), and the reshape costs nothing.
 */
static int fold_flatten(struct vgg_layer *a, struct vgg_layer *b)
{
	size_t c, pixels, n, taps, i, j, k;
	const float *from = b->weight.data;
	float *to;

	if (a->op != VGG_OP_RESHAPE || a->keep_order || a->in.rank != 4 ||
	    a->out.rank != 2 || a->in.dim[0] != a->out.dim[0] ||
	    b->op != VGG_OP_CONV || b->weight.dtype != VGG_F32)
		return 0;
	c = (size_t)a->in.dim[1];
	pixels = (size_t)(a->in.dim[2] * a->in.dim[3]);
	taps = c * pixels;
	n = b->weight.count / taps;
	to = malloc(b->weight.count * sizeof(*to));
	if (!to)
		return vgg_fail_memory("folded weights");
	for (i = 0; i < n; i++)
		for (j = 0; j < c; j++)
			for (k = 0; k < pixels; k++)
				to[i * taps + k * c + j] = *from++;
	n = b->weight.count;
	vgg_blob_free(&b->weight);
	b->weight = (struct vgg_blob){ to, n, VGG_F32, true };
	a->keep_order = true;
	return 1;
}

static int int8_zero(const struct vgg_layer *l)
{
	return l->q_min == 0 ? l->q_zero - 128 : l->q_zero;
}

static bool same_quant(const struct vgg_layer *a, const struct vgg_layer *b)
{
	return a->q_scale == b->q_scale && a->q_zero == b->q_zero &&
	       a->q_max - a->q_min == 255;
}

static void swap(struct vgg_layer *a, struct vgg_layer *b)
{
	struct vgg_layer t = *a;

	*a = *b;
	*b = t;
}

/* QUANTIZE, then what only moves values: the move first, so that QUANTIZE meets
 * its DEQUANTIZE. (The shapes are inferred anew by the caller.) */
static int sink_quantize(struct vgg_layer *a, struct vgg_layer *b)
{
	if (a->op != VGG_OP_QUANTIZE ||
	    (b->op != VGG_OP_MAXPOOL && b->op != VGG_OP_RESHAPE))
		return 0;
	swap(a, b);
	return 1;
}

typedef int (*rule)(struct vgg_layer *, struct vgg_layer *);

/* Rules after which b is gone. */
static const rule absorbing[] = { fold_affine, fold_maxpool };
/* Rules that change both in place. */
static const rule moving[] = { fold_pad, fold_flatten, sink_quantize };

static int try_rules(const rule *rules, size_t n, struct vgg_model *m,
		     unsigned int i)
{
	int done = 0;
	size_t r;

	for (r = 0; !done && r < n; r++)
		done = rules[r](&m->layers[i], &m->layers[i + 1]);
	return done;
}

/* The tensor in front of layer i, or of what only moves values before that. */
static struct vgg_quant *tensor_before(struct vgg_model *m, unsigned int i)
{
	while (i && (m->layers[i - 1].op == VGG_OP_MAXPOOL ||
		     m->layers[i - 1].op == VGG_OP_RESHAPE))
		i--;
	return i ? &m->layers[i - 1].out_q : &m->in_q;
}

/*
 * QUANTIZE + DEQUANTIZE at i, i + 1: the tensor before them is pinned. If it is
 * already, with another scale, an AFFINE that changes nothing else stays.
 */
static int pin_pair(struct vgg_model *m, unsigned int i)
{
	struct vgg_layer *q = &m->layers[i], *d = q + 1;
	struct vgg_quant *to = tensor_before(m, i), pin;

	if (q->op != VGG_OP_QUANTIZE || d->op != VGG_OP_DEQUANTIZE ||
	    !same_quant(q, d))
		return 0;
	pin = (struct vgg_quant){ .known = true,
				  .pinned = true,
				  .scale = q->q_scale,
				  .zero = int8_zero(q) };
	vgg_model_remove(m, i + 1);
	if (to->pinned && (to->scale != pin.scale || to->zero != pin.zero)) {
		q->op = VGG_OP_AFFINE;
		q->out_q = pin;
		return 1;
	}
	*to = pin;
	vgg_model_remove(m, i);
	return 1;
}

static int fold_at(struct vgg_model *m, unsigned int i)
{
	int done;

	if (identity(&m->layers[i])) {
		vgg_model_remove(m, i);
		return 1;
	}
	if (i + 1 >= m->count)
		return 0;
	done = try_rules(absorbing, sizeof(absorbing) / sizeof(rule), m, i);
	if (done > 0)
		vgg_model_remove(m, i + 1);
	if (!done)
		done = try_rules(moving, sizeof(moving) / sizeof(rule), m, i);
	return done ? done : pin_pair(m, i);
}

int vgg_model_fold(struct vgg_model *m)
{
	unsigned int i = 0;
	int done, err = vgg_model_infer(m);

	while (!err && i < m->count) {
		done = fold_at(m, i);
		if (done < 0)
			return done;
		if (!done) {
			i++;
			continue;
		}
		err = vgg_model_infer(m);
		i = i ? i - 1 : 0;
	}
	return err;
}
