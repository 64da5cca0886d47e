// SPDX-License-Identifier: MIT
/*
 * Quantised operators, as floating-point layers between DEQUANTIZE and
 * QUANTIZE. Weights are dequantised, which is exact, and their scales are kept,
 * so that the integer form gets the very numbers of the file back.
 */
#include <math.h>
#include <stdlib.h>

#include "model/onnx_internal.h"

#define NONE 1000 /* the number of an input that an operator hasn't */

struct params {
	float scale;
	int zero;
	enum onnx_type type;
};

static int type_of(const struct vgg_onnx *x, const struct onnx_const *c,
		   enum onnx_type *type)
{
	if (c->dtype == VGG_U8)
		*type = ONNX_U8;
	else if (c->dtype == VGG_I8)
		*type = ONNX_I8;
	else if (c->dtype == VGG_I32)
		*type = ONNX_I32;
	else
		return onnx_refuse(x, "quantise activations to INT8 or UINT8",
				   "a zero point that is no integer");
	return 0;
}

static int read_zero(struct vgg_onnx *x, unsigned int input, struct params *p)
{
	struct onnx_const c;
	int err;

	if (!vgg_onnx_has(x, input))
		return 0;
	err = vgg_onnx_input(x, input, &c);
	if (!err && c.count != 1)
		err = onnx_refuse(x, "quantise activations per tensor",
				  "%zu zero points for an activation; only one "
				  "is supported",
				  c.count);
	if (!err)
		err = type_of(x, &c, &p->type);
	if (!err)
		p->zero = (int)vgg_onnx_number(&c, 0);
	vgg_onnx_const_free(&c);
	return err;
}

static int read_scale(struct vgg_onnx *x, unsigned int input, float *scale)
{
	struct onnx_const c;
	int err;

	*scale = 1;
	if (input == NONE)
		return 0;
	err = vgg_onnx_input(x, input, &c);
	if (!err && c.count != 1)
		err = onnx_refuse(x, "quantise activations per tensor",
				  "%zu scales for an activation; only one is "
				  "supported",
				  c.count);
	if (!err)
		*scale = (float)vgg_onnx_number(&c, 0);
	vgg_onnx_const_free(&c);
	if (!err && (!(*scale > 0) || !isfinite(*scale)))
		err = onnx_fail(x, MODEL_FORMAT, "quantise the network again",
				"the scale %g", (double)*scale);
	return err;
}

/* Of an activation; p->type stays if there is no zero point. */
static int read_params(struct vgg_onnx *x, unsigned int scale,
		       unsigned int zero, struct params *p)
{
	int err = read_scale(x, scale, &p->scale);

	p->zero = 0;
	return err ? err : read_zero(x, zero, p);
}

static int check_type(struct vgg_onnx *x, const struct params *p)
{
	if (p->type == x->type)
		return 0;
	return onnx_fail(x, MODEL_FORMAT, "check the file with onnx.checker",
			 "the zero point is %s, the activation %s",
			 vgg_onnx_type_name(p->type),
			 vgg_onnx_type_name(x->type));
}

static int add_dequantize(struct vgg_onnx *x, const struct params *p)
{
	struct vgg_layer *l = vgg_onnx_layer(x, VGG_OP_DEQUANTIZE);

	if (!l)
		return -ENOMEM;
	l->q_scale = p->scale;
	l->q_zero = p->zero;
	x->type = ONNX_F32;
	return vgg_layer_infer(l);
}

static int add_quantize(struct vgg_onnx *x, const struct params *p)
{
	struct vgg_layer *l;

	if (p->type != ONNX_U8 && p->type != ONNX_I8)
		return onnx_refuse(x, "quantise activations to INT8 or UINT8",
				   "quantises to %s; only uint8 and int8 are "
				   "supported",
				   vgg_onnx_type_name(p->type));
	l = vgg_onnx_layer(x, VGG_OP_QUANTIZE);
	if (!l)
		return -ENOMEM;
	l->q_scale = p->scale;
	l->q_zero = p->zero;
	l->q_min = p->type == ONNX_U8 ? 0 : -128;
	l->q_max = l->q_min + 255;
	x->type = p->type;
	return vgg_layer_infer(l);
}

static int check_block(struct vgg_onnx *x)
{
	int64_t block;
	int err = vgg_onnx_attr_int(x, "block_size", 0, &block);

	if (!err && block)
		err = onnx_refuse(x, "quantise activations per tensor",
				  "quantised in blocks of %lld",
				  (long long)block);
	return err;
}

/* The type without a zero point: uint8, or what opset 21's attribute says. */
static int output_type(struct vgg_onnx *x, enum onnx_type *type)
{
	int64_t number;
	int err = vgg_onnx_attr_int(x, "output_dtype", 0, &number);

	*type = ONNX_U8;
	if (err || !number || number == ONNX__TENSOR_PROTO__DATA_TYPE__UINT8)
		return err;
	*type = ONNX_I8;
	if (number == ONNX__TENSOR_PROTO__DATA_TYPE__INT8)
		return 0;
	return onnx_refuse(x, "quantise activations to INT8 or UINT8",
			   "quantises to %s; only uint8 and int8 are supported",
			   vgg_onnx_dtype_name(number < 0 || number > 100 ?
						       -1 :
						       (int)number));
}

int vgg_onnx_quantize_linear(struct vgg_onnx *x)
{
	struct params p;
	int err = check_block(x);

	if (!err)
		err = output_type(x, &p.type);
	if (!err)
		err = read_params(x, 1, 2, &p);
	return err ? err : add_quantize(x, &p);
}

int vgg_onnx_dequantize_linear(struct vgg_onnx *x)
{
	struct params p = { .type = x->type };
	int err = check_block(x);

	if (!err)
		err = read_params(x, 1, 2, &p);
	if (!err)
		err = check_type(x, &p);
	return err ? err : add_dequantize(x, &p);
}

/*
 * Products of integers: which inputs are what. Without y_scale the result is
 * floating-point, but ConvInteger and MatMulInteger have no scales, theirs are
 * 1, and their result stays int32.
 */
struct product {
	unsigned int x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias;
	enum onnx_weights order;
	int axis; /* of w: output channels */
	float factor;
	bool integer;
};

/* As many scales of 1 as there are zero points. */
static int ones(size_t n, struct onnx_const *c)
{
	float *one = malloc((n + 1) * sizeof(*one));
	size_t i;

	if (!one)
		return vgg_fail_memory("scales");
	for (i = 0; i < n; i++)
		one[i] = 1;
	*c = (struct onnx_const){ .dtype = VGG_F32,
				  .rank = 1,
				  .dim = { (int64_t)n },
				  .count = n,
				  .data = one,
				  .owned = one };
	return 0;
}

static int weights(struct vgg_onnx *x, const struct product *p,
		   struct onnx_const *w)
{
	struct onnx_const scale = { 0 }, zero = { 0 };
	bool has_zero = vgg_onnx_has(x, p->w_zero);
	int err = vgg_onnx_input(x, p->w, w);

	if (!err && has_zero)
		err = vgg_onnx_input(x, p->w_zero, &zero);
	if (!err && p->w_scale == NONE)
		err = ones(has_zero ? zero.count : 1, &scale);
	else if (!err)
		err = vgg_onnx_input(x, p->w_scale, &scale);
	if (!err)
		err = vgg_onnx_dequantize(x, w, &scale, has_zero ? &zero : NULL,
					  p->axis);
	vgg_onnx_const_free(&scale);
	vgg_onnx_const_free(&zero);
	return err;
}

/* The bias has the scale of the products: real = B * x_scale * w_scale * factor. */
static int bias(struct vgg_onnx *x, const struct product *p, float x_scale,
		const struct onnx_const *w, struct vgg_blob *blob)
{
	struct onnx_const b;
	float *to = NULL;
	size_t i;
	int err;

	if (!vgg_onnx_has(x, p->bias))
		return 0;
	err = vgg_onnx_input(x, p->bias, &b);
	if (!err &&
	    (b.dtype != VGG_I32 || b.rank != 1 || b.dim[0] != w->dim[p->axis]))
		err = onnx_fail(x, MODEL_FORMAT,
				"check the file with onnx.checker",
				"its bias is not one INT32 per output channel");
	if (!err) {
		to = vgg_blob_alloc(blob, VGG_F32, b.count);
		err = to ? 0 : -ENOMEM;
	}
	for (i = 0; to && i < b.count; i++)
		to[i] = (float)(vgg_onnx_number(&b, i) * (double)x_scale *
				(double)w->scale[w->scales > 1 ? i : 0] *
				(double)p->factor);
	vgg_onnx_const_free(&b);
	return err;
}

/* Sums of products must be whole numbers in floating point: at most 2^24. */
static int check_exact(struct vgg_onnx *x, const struct product *p,
		       const struct onnx_const *w)
{
	size_t channels = (size_t)w->dim[p->axis];
	size_t taps = channels ? w->count / channels : 0;

	if (!p->integer || taps <= (1 << 24) / (255 * 255))
		return 0;
	return onnx_refuse(x, "quantise in QDQ form or with QLinearConv",
			   "sums %zu products; results of more than %d could "
			   "be inexact",
			   taps, (1 << 24) / (255 * 255));
}

static int finish(struct vgg_onnx *x, const struct product *p)
{
	struct params y = { .type = ONNX_F32 };
	int err;

	if (p->y_scale == NONE) {
		x->type = p->integer ? ONNX_I32 : ONNX_F32;
		return 0;
	}
	err = read_params(x, p->y_scale, p->y_zero, &y);
	return err ? err : add_quantize(x, &y);
}

static int product(struct vgg_onnx *x, const struct product *p)
{
	struct params in = { .type = x->type };
	struct onnx_const w = { 0 };
	struct vgg_blob b = { 0 };
	int err;

	err = read_params(x, p->x_scale, p->x_zero, &in);
	if (!err)
		err = check_type(x, &in);
	if (!err)
		err = weights(x, p, &w);
	if (!err && w.rank <= p->axis)
		err = onnx_refuse(x, NULL, "weights of rank %d", w.rank);
	if (!err)
		err = check_exact(x, p, &w);
	if (!err)
		err = bias(x, p, in.scale, &w, &b);
	if (!err)
		err = add_dequantize(x, &in);
	if (!err)
		err = vgg_onnx_weighted(x, &w, p->order, &b, p->factor);
	vgg_onnx_const_free(&w);
	vgg_blob_free(&b);
	return err ? err : finish(x, p);
}

int vgg_onnx_qlinear_conv(struct vgg_onnx *x)
{
	static const struct product p = {
		.x_scale = 1,
		.x_zero = 2,
		.w = 3,
		.w_scale = 4,
		.w_zero = 5,
		.y_scale = 6,
		.y_zero = 7,
		.bias = 8,
		.order = ONNX_OIHW,
		.axis = 0,
		.factor = 1,
	};

	return product(x, &p);
}

int vgg_onnx_qlinear_matmul(struct vgg_onnx *x)
{
	static const struct product p = {
		.x_scale = 1,
		.x_zero = 2,
		.w = 3,
		.w_scale = 4,
		.w_zero = 5,
		.y_scale = 6,
		.y_zero = 7,
		.bias = NONE,
		.order = ONNX_KM,
		.axis = 1,
		.factor = 1,
	};

	return product(x, &p);
}

int vgg_onnx_conv_integer(struct vgg_onnx *x)
{
	static const struct product p = {
		.x_scale = NONE,
		.x_zero = 2,
		.w = 1,
		.w_scale = NONE,
		.w_zero = 3,
		.y_scale = NONE,
		.y_zero = NONE,
		.bias = NONE,
		.order = ONNX_OIHW,
		.axis = 0,
		.factor = 1,
		.integer = true,
	};

	return product(x, &p);
}

int vgg_onnx_matmul_integer(struct vgg_onnx *x)
{
	static const struct product p = {
		.x_scale = NONE,
		.x_zero = 2,
		.w = 1,
		.w_scale = NONE,
		.w_zero = 3,
		.y_scale = NONE,
		.y_zero = NONE,
		.bias = NONE,
		.order = ONNX_KM,
		.axis = 1,
		.factor = 1,
		.integer = true,
	};

	return product(x, &p);
}

/*
 * Of ONNX Runtime's own operators those that its quantisers write for networks
 * like these.
 */
int vgg_onnx_qgemm(struct vgg_onnx *x)
{
	struct product p = {
		.x_scale = 1,
		.x_zero = 2,
		.w = 3,
		.w_scale = 4,
		.w_zero = 5,
		.bias = 6,
		.y_scale = 7,
		.y_zero = 8,
	};
	bool trans_a, trans_b;
	int err = vgg_onnx_attr_float(x, "alpha", 1, &p.factor);

	if (!err)
		err = vgg_onnx_attr_bool(x, "transA", false, &trans_a);
	if (!err)
		err = vgg_onnx_attr_bool(x, "transB", false, &trans_b);
	if (!err && trans_a)
		err = onnx_refuse(x,
				  "multiply with the weights transposed "
				  "instead",
				  "transA 1; only 0 is supported");
	if (err)
		return err;
	p.order = trans_b ? ONNX_MK : ONNX_KM;
	p.axis = !trans_b;
	if (!vgg_onnx_has(x, p.y_scale))
		p.y_scale = NONE;
	return product(x, &p);
}

/* A scale and a zero point for each of both inputs, then the output's. */
int vgg_onnx_qlinear_add(struct vgg_onnx *x)
{
	unsigned int data = x->at.data, other = data ? 0 : 3;
	struct params in = { .type = x->type }, out = { .type = x->type };
	struct onnx_const c = { 0 }, scale = { 0 }, zero = { 0 };
	int err;

	if (data != 0 && data != 3)
		return onnx_refuse(x, "check how the network was exported",
				   "input %u comes from the network's input; "
				   "only inputs 0 and 3 may",
				   data);
	err = read_params(x, data + 1, data + 2, &in);
	if (!err)
		err = check_type(x, &in);
	if (!err)
		err = read_params(x, 6, 7, &out);
	if (!err)
		err = vgg_onnx_input(x, other, &c);
	if (!err)
		err = vgg_onnx_input(x, other + 1, &scale);
	if (!err && vgg_onnx_has(x, other + 2))
		err = vgg_onnx_input(x, other + 2, &zero);
	if (!err)
		err = vgg_onnx_dequantize(x, &c, &scale,
					  zero.data ? &zero : NULL, 0);
	if (!err)
		err = add_dequantize(x, &in);
	if (!err)
		err = vgg_onnx_add_constant(x, &c);
	if (!err)
		err = add_quantize(x, &out);
	vgg_onnx_const_free(&c);
	vgg_onnx_const_free(&scale);
	vgg_onnx_const_free(&zero);
	return err;
}

static int qlinear_pool(struct vgg_onnx *x, int (*pool)(struct vgg_onnx *))
{
	struct params in = { .type = x->type }, out = { .type = x->type };
	bool last;
	int err = vgg_onnx_attr_bool(x, "channels_last", false, &last);

	if (!err && last)
		err = onnx_refuse(x, "export the network in the order NCHW",
				  "channels_last 1; only 0 is supported");
	if (!err)
		err = read_params(x, 1, 2, &in);
	if (!err)
		err = check_type(x, &in);
	if (!err)
		err = read_params(x, 3, 4, &out);
	if (!err)
		err = add_dequantize(x, &in);
	if (!err)
		err = pool(x);
	return err ? err : add_quantize(x, &out);
}

int vgg_onnx_qlinear_average(struct vgg_onnx *x)
{
	return qlinear_pool(x, vgg_onnx_pool);
}

int vgg_onnx_qlinear_global_average(struct vgg_onnx *x)
{
	return qlinear_pool(x, vgg_onnx_global_pool);
}
