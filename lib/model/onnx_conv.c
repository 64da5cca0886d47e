// SPDX-License-Identifier: MIT
/*
 * Operators with a window or with weights. A matrix product is a convolution
 * with a 1x1 kernel over vectors.
 */
#include <string.h>

#include "model/onnx_internal.h"

#define SIDE_MAX 65535 /* of kernels, strides and pads */

/*
 * The window.
 */
/* An attribute of two numbers, one for H and one for W. */
static int pair(struct vgg_onnx *x, const char *name, int64_t lo, int *h,
		int *w)
{
	int64_t v[8];
	unsigned int n, i;
	int err = vgg_onnx_attr_ints(x, name, 8, v, &n);

	if (err || !n)
		return err;
	if (n != 2)
		return onnx_refuse(x, "use a 2-D (image) network",
				   "%s has %u numbers; only 2-D windows are "
				   "supported",
				   name, n);
	for (i = 0; i < 2; i++)
		if (v[i] < lo || v[i] > SIDE_MAX)
			return onnx_refuse(x, NULL,
					   "%s %lldx%lld; only %lld to "
					   "%d is supported",
					   name, (long long)v[0],
					   (long long)v[1], (long long)lo,
					   SIDE_MAX);
	*h = (int)v[0];
	*w = (int)v[1];
	return 0;
}

static int check_dilations(struct vgg_onnx *x)
{
	int h = 1, w = 1, err = pair(x, "dilations", 1, &h, &w);

	if (!err && (h != 1 || w != 1))
		err = onnx_refuse(x,
				  "export the network without dilation, or "
				  "run that part elsewhere",
				  "dilations %dx%d; only 1x1 is supported", h,
				  w);
	return err;
}

static int explicit_pads(struct vgg_onnx *x, struct vgg_window *w)
{
	int64_t v[8];
	unsigned int n, i;
	int err = vgg_onnx_attr_ints(x, "pads", 8, v, &n);

	if (err || !n)
		return err;
	if (n != 4)
		return onnx_refuse(x, "use a 2-D (image) network",
				   "pads has %u numbers; 2-D windows have 4",
				   n);
	for (i = 0; i < 4; i++)
		if (v[i] < 0 || v[i] > SIDE_MAX)
			return onnx_refuse(x, "use pads of 0 or more",
					   "pads of %lld; only 0 to %d are "
					   "supported",
					   (long long)v[i], SIDE_MAX);
	w->pad_top = (int)v[0];
	w->pad_left = (int)v[1];
	w->pad_bottom = (int)v[2];
	w->pad_right = (int)v[3];
	return 0;
}

/* Padding so that there is one output per stride; an odd one goes `upper`
 * (behind) or before. */
static void same(int64_t in, int kernel, int stride, bool upper, int *before,
		 int *after)
{
	int64_t out = (in + stride - 1) / stride;
	int64_t all = (out - 1) * stride + kernel - in;
	int small, large;

	if (all < 0)
		all = 0;
	small = (int)(all / 2);
	large = (int)(all - small);
	*before = upper ? small : large;
	*after = upper ? large : small;
}

static int pads(struct vgg_onnx *x, const struct vgg_shape *in,
		struct vgg_window *w)
{
	char mode[ONNX_NAME];
	bool upper;
	int err = vgg_onnx_attr_text(x, "auto_pad", mode);

	if (err)
		return err;
	if (!*mode || !strcmp(mode, "NOTSET"))
		return explicit_pads(x, w);
	if (!strcmp(mode, "VALID"))
		return 0;
	upper = !strcmp(mode, "SAME_UPPER");
	if (!upper && strcmp(mode, "SAME_LOWER"))
		return onnx_refuse(x, NULL, "auto_pad '%s' is unknown", mode);
	same(in->dim[2], w->kernel_h, w->stride_h, upper, &w->pad_top,
	     &w->pad_bottom);
	same(in->dim[3], w->kernel_w, w->stride_w, upper, &w->pad_left,
	     &w->pad_right);
	return 0;
}

static int need_image(struct vgg_onnx *x)
{
	int rank = vgg_onnx_shape(x)->rank;

	if (rank == 4)
		return 0;
	return onnx_refuse(x, "use a 2-D (image) network",
			   "gets a tensor of rank %d; only N x C x H x W is "
			   "supported",
			   rank);
}

/* All but the kernel, which is set. */
static int window(struct vgg_onnx *x, struct vgg_window *w)
{
	int err = check_dilations(x);

	w->stride_h = w->stride_w = 1;
	if (!err)
		err = pair(x, "strides", 1, &w->stride_h, &w->stride_w);
	if (!err)
		err = pads(x, vgg_onnx_shape(x), w);
	return err;
}

/*
 * Weights.
 */
/* A cache line of floats: matrices of 400 MB are read this much at a time. */
#define LINE 16

/* [a][b][inner] to [a][inner][b]: for a = O and b = I, OIHW becomes OHWI. */
static void turn(const float *from, size_t a, size_t b, size_t inner, float *to)
{
	size_t i, j, k, first;

	for (i = 0; i < a; i++, from += b * inner, to += b * inner)
		for (first = 0; first < inner; first += LINE)
			for (j = 0; j < b; j++)
				for (k = first; k < first + LINE && k < inner;
				     k++)
					to[k * b + j] = from[j * inner + k];
}

/* c's elements with the middle one of three axes last. Where that changes
 * nothing, the memory itself moves on. */
static int turn_blob(struct onnx_const *c, size_t a, size_t b, size_t inner,
		     struct vgg_blob *blob)
{
	float *to;
	int err;

	if (b == 1 || inner == 1)
		return vgg_onnx_to_f32(c, blob);
	err = vgg_onnx_as_f32(c);
	if (err)
		return err;
	to = vgg_blob_alloc(blob, VGG_F32, c->count);
	if (!to)
		return -ENOMEM;
	turn(c->data, a, b, inner, to);
	return 0;
}

static int take_weights(struct onnx_const *c, enum onnx_weights order,
			struct vgg_blob *blob)
{
	size_t d0 = (size_t)c->dim[0], d1 = (size_t)c->dim[1];

	if (order == ONNX_OIHW)
		return turn_blob(c, d0, d1, (size_t)(c->dim[2] * c->dim[3]),
				 blob);
	if (order == ONNX_MK)
		return vgg_onnx_to_f32(c, blob);
	return turn_blob(c, 1, d0, d1, blob);
}

/* The scales of int8 weights, one per output channel. */
static int weight_scale(const struct onnx_const *c, int axis, size_t channels,
			float factor, struct vgg_blob *blob)
{
	float *scale;
	size_t i;

	if (!c->scale || !c->centred || !(factor > 0) ||
	    (c->scales > 1 && c->scale_axis != axis))
		return 0;
	scale = vgg_blob_alloc(blob, VGG_F32, channels);
	if (!scale)
		return -ENOMEM;
	for (i = 0; i < channels; i++)
		scale[i] = c->scale[c->scales > 1 ? i : 0] * factor;
	return 0;
}

static int check_group(struct vgg_onnx *x)
{
	int64_t group;
	int err = vgg_onnx_attr_int(x, "group", 1, &group);

	if (!err && group != 1)
		err = onnx_refuse(x, "use a network with dense convolutions",
				  "group %lld; only 1 is supported",
				  (long long)group);
	return err;
}

/* kernel_shape may be left out; else it must be the weights'. */
static int conv_window(struct vgg_onnx *x, const struct onnx_const *c,
		       struct vgg_window *w)
{
	int h, kw, err;

	if (c->dim[2] < 1 || c->dim[2] > SIDE_MAX || c->dim[3] < 1 ||
	    c->dim[3] > SIDE_MAX)
		return onnx_refuse(x, NULL, "a kernel of %lldx%lld",
				   (long long)c->dim[2], (long long)c->dim[3]);
	w->kernel_h = h = (int)c->dim[2];
	w->kernel_w = kw = (int)c->dim[3];
	err = pair(x, "kernel_shape", 1, &h, &kw);
	if (!err && (h != w->kernel_h || kw != w->kernel_w))
		err = onnx_fail(x, MODEL_SHAPE,
				"check the file with onnx.checker",
				"kernel_shape %dx%d, but weights of %dx%d", h,
				kw, w->kernel_h, w->kernel_w);
	return err ? err : window(x, w);
}

static int check_channels(struct vgg_onnx *x, int64_t weights)
{
	int64_t have = vgg_channels(vgg_onnx_shape(x));

	if (weights == have)
		return 0;
	return onnx_fail(x, MODEL_SHAPE, "check the network's input size",
			 "weights for %lld channels, but the input has %lld",
			 (long long)weights, (long long)have);
}

static int check_conv(struct vgg_onnx *x, const struct onnx_const *c,
		      struct vgg_window *w)
{
	int err = need_image(x);

	if (!err && c->rank != 4)
		err = onnx_refuse(x, "use a 2-D (image) network",
				  "weights of rank %d; only 2-D convolutions "
				  "are supported",
				  c->rank);
	if (!err)
		err = check_group(x);
	if (!err)
		err = check_channels(x, c->dim[1]);
	return err ? err : conv_window(x, c, w);
}

static int check_product(struct vgg_onnx *x, const struct onnx_const *c, int k)
{
	int rank = vgg_onnx_shape(x)->rank;

	if (rank != 2)
		return onnx_refuse(x, "put a Flatten in front of it",
				   "gets a tensor of rank %d; only N x C is "
				   "supported",
				   rank);
	if (c->rank != 2)
		return onnx_refuse(x, NULL,
				   "weights of rank %d; only matrices "
				   "are supported",
				   c->rank);
	return check_channels(x, c->dim[k]);
}

int vgg_onnx_weighted(struct vgg_onnx *x, struct onnx_const *c,
		      enum onnx_weights order, struct vgg_blob *bias,
		      float factor)
{
	struct vgg_window w = {
		.kernel_h = 1, .kernel_w = 1, .stride_h = 1, .stride_w = 1
	};
	int axis = order == ONNX_KM, err;
	struct vgg_layer *l;
	size_t i;

	err = order == ONNX_OIHW ? check_conv(x, c, &w) :
				   check_product(x, c, !axis);
	if (err)
		return err;
	l = vgg_onnx_layer(x, VGG_OP_CONV);
	if (!l)
		return -ENOMEM;
	l->win = w;
	if (bias) {
		l->bias = *bias;
		*bias = (struct vgg_blob){ 0 };
	}
	err = weight_scale(c, axis, (size_t)c->dim[axis], factor,
			   &l->weight_scale);
	if (!err)
		err = take_weights(c, order, &l->weight);
	for (i = 0; !err && factor != 1 && i < l->weight.count; i++)
		((float *)l->weight.data)[i] *= factor;
	return err ? err : vgg_layer_infer(l);
}

int vgg_onnx_conv(struct vgg_onnx *x)
{
	struct onnx_const w = { 0 }, b = { 0 };
	struct vgg_blob bias = { 0 };
	int err = vgg_onnx_input(x, 1, &w);

	if (!err && vgg_onnx_has(x, 2)) {
		err = vgg_onnx_input(x, 2, &b);
		if (!err)
			err = vgg_onnx_to_f32(&b, &bias);
	}
	if (!err)
		err = vgg_onnx_weighted(x, &w, ONNX_OIHW, &bias, 1);
	vgg_onnx_const_free(&w);
	vgg_onnx_const_free(&b);
	vgg_blob_free(&bias);
	return err;
}

/* Gemm's third operand: anything that means one value per column. */
static int gemm_bias(struct vgg_onnx *x, int64_t columns, float beta,
		     struct vgg_blob *bias)
{
	struct onnx_const c;
	float *to = NULL;
	int64_t i;
	int err = vgg_onnx_input(x, 2, &c);

	if (!err && (c.rank > 2 || (c.rank == 2 && c.dim[0] != 1) ||
		     (c.count != 1 && c.count != (size_t)columns)))
		err = onnx_refuse(x, "give it one bias per column",
				  "a bias of %zu elements and rank %d for %lld "
				  "columns",
				  c.count, c.rank, (long long)columns);
	if (!err) {
		to = vgg_blob_alloc(bias, VGG_F32, (size_t)columns);
		err = to ? 0 : -ENOMEM;
	}
	for (i = 0; to && i < columns; i++)
		to[i] = beta * (float)vgg_onnx_number(
				       &c, c.count == 1 ? 0 : (size_t)i);
	vgg_onnx_const_free(&c);
	return err;
}

struct gemm {
	float alpha, beta;
	bool trans_a, trans_b;
};

static int gemm_attributes(struct vgg_onnx *x, struct gemm *g)
{
	bool broadcast;
	int err = vgg_onnx_attr_float(x, "alpha", 1, &g->alpha);

	if (!err)
		err = vgg_onnx_attr_float(x, "beta", 1, &g->beta);
	/* A bias of one row, as the shape tells by itself since opset 7. */
	if (!err)
		err = vgg_onnx_attr_bool(x, "broadcast", false, &broadcast);
	if (!err)
		err = vgg_onnx_attr_bool(x, "transA", false, &g->trans_a);
	if (!err)
		err = vgg_onnx_attr_bool(x, "transB", false, &g->trans_b);
	if (!err && g->trans_a)
		err = onnx_refuse(x,
				  "multiply with the weights transposed "
				  "instead",
				  "transA 1; only 0 is supported");
	return err;
}

/* Caffe2 and MXNet have written files that lack the Flatten: their own product
 * takes images, so that is what they mean. */
static int flatten_image(struct vgg_onnx *x)
{
	const struct vgg_shape *in = vgg_onnx_shape(x);
	struct vgg_shape flat = { .rank = 2, .dim = { in->dim[0] } };

	if (in->rank != 4)
		return 0;
	flat.dim[1] = in->dim[1] * in->dim[2] * in->dim[3];
	return vgg_onnx_reshape_to(x, &flat);
}

int vgg_onnx_gemm(struct vgg_onnx *x)
{
	struct onnx_const w = { 0 };
	struct vgg_blob bias = { 0 };
	struct gemm g;
	int err = gemm_attributes(x, &g);

	if (!err)
		err = flatten_image(x);
	if (!err)
		err = vgg_onnx_input(x, 1, &w);
	if (!err && w.rank != 2)
		err = onnx_refuse(x, NULL,
				  "weights of rank %d; only matrices "
				  "are supported",
				  w.rank);
	if (!err && vgg_onnx_has(x, 2))
		err = gemm_bias(x, w.dim[!g.trans_b], g.beta, &bias);
	if (!err)
		err = vgg_onnx_weighted(x, &w, g.trans_b ? ONNX_MK : ONNX_KM,
					&bias, g.alpha);
	vgg_onnx_const_free(&w);
	vgg_blob_free(&bias);
	return err;
}

int vgg_onnx_matmul(struct vgg_onnx *x)
{
	struct onnx_const w;
	int err = vgg_onnx_input(x, 1, &w);

	if (!err)
		err = vgg_onnx_weighted(x, &w, ONNX_KM, NULL, 1);
	vgg_onnx_const_free(&w);
	return err;
}

/*
 * Pools.
 */
/* ceil_mode asks for one more window where the last stride leaves a rest,
 * unless it would start behind the input: that is padding at the end. */
static bool extend(int64_t in, int kernel, int stride, int before, int *after)
{
	int64_t span = in + before + *after - kernel, start, need;

	if (span < 0)
		return false;
	start = (span + stride - 1) / stride * stride;
	if (start >= in + before)
		start -= stride;
	need = start + kernel - in - before;
	if (need <= *after)
		return false;
	*after = (int)need;
	return true;
}

static int ceil_mode(struct vgg_onnx *x, bool counts_pads, struct vgg_window *w)
{
	const struct vgg_shape *in = vgg_onnx_shape(x);
	bool ceiling, more;
	int err = vgg_onnx_attr_bool(x, "ceil_mode", false, &ceiling);

	if (err || !ceiling)
		return err;
	more = extend(in->dim[2], w->kernel_h, w->stride_h, w->pad_top,
		      &w->pad_bottom);
	more |= extend(in->dim[3], w->kernel_w, w->stride_w, w->pad_left,
		       &w->pad_right);
	/* The window would count its padding, but not what is beyond it. */
	if (more && counts_pads)
		err = onnx_refuse(x,
				  "use an input size that the stride divides",
				  "ceil_mode with count_include_pad adds a "
				  "window that is cut off");
	return err;
}

/* Padding behind the last window changes nothing; PyTorch writes it where an
 * old opset has no ceil_mode. */
static void trim(int64_t in, int kernel, int stride, int before, int *after)
{
	int64_t span = in + before + *after - kernel, need;

	if (span < 0)
		return;
	need = span / stride * stride + kernel - in - before;
	*after = need < 0 ? 0 : (int)need;
}

static int pool_window(struct vgg_onnx *x, bool counts_pads,
		       struct vgg_window *w)
{
	const struct vgg_shape *in = vgg_onnx_shape(x);
	int err = need_image(x);

	*w = (struct vgg_window){ 0 };
	if (!err)
		err = pair(x, "kernel_shape", 1, &w->kernel_h, &w->kernel_w);
	if (!err && !w->kernel_h)
		err = onnx_fail(x, MODEL_FORMAT,
				"check the file with onnx.checker",
				"kernel_shape is missing");
	if (!err)
		err = window(x, w);
	if (!err)
		err = ceil_mode(x, counts_pads, w);
	if (err)
		return err;
	trim(in->dim[2], w->kernel_h, w->stride_h, w->pad_top, &w->pad_bottom);
	trim(in->dim[3], w->kernel_w, w->stride_w, w->pad_left, &w->pad_right);
	return 0;
}

int vgg_onnx_pool(struct vgg_onnx *x)
{
	bool max = !strcmp(x->at.node->op_type, "MaxPool"), counts_pads, order;
	struct vgg_window w;
	struct vgg_layer *l;
	int err;

	err = vgg_onnx_attr_bool(x, "count_include_pad", false, &counts_pads);
	if (!err)
		err = vgg_onnx_attr_bool(x, "storage_order", false, &order);
	if (!err && order)
		err = onnx_refuse(x, NULL,
				  "storage_order 1; only 0 is "
				  "supported");
	if (!err)
		err = pool_window(x, counts_pads, &w);
	if (err)
		return err;
	l = vgg_onnx_layer(x, max ? VGG_OP_MAXPOOL : VGG_OP_AVGPOOL);
	if (!l)
		return -ENOMEM;
	l->win = w;
	l->exclude_pad = !max && !counts_pads;
	return vgg_layer_infer(l);
}

int vgg_onnx_global_pool(struct vgg_onnx *x)
{
	bool max = !strcmp(x->at.node->op_type, "GlobalMaxPool");
	const struct vgg_shape *in = vgg_onnx_shape(x);
	struct vgg_layer *l;
	int err = need_image(x);

	if (!err && (in->dim[2] > SIDE_MAX || in->dim[3] > SIDE_MAX))
		err = onnx_refuse(x, "use a smaller input",
				  "an input of more "
				  "than %d rows or columns",
				  SIDE_MAX);
	if (err)
		return err;
	l = vgg_onnx_layer(x, max ? VGG_OP_MAXPOOL : VGG_OP_AVGPOOL);
	if (!l)
		return -ENOMEM;
	l->win.kernel_h = (int)l->in.dim[2];
	l->win.kernel_w = (int)l->in.dim[3];
	return vgg_layer_infer(l);
}
