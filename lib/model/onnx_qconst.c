// SPDX-License-Identifier: MIT
/* QuantizeLinear and DequantizeLinear of constants: mostly weights, per tensor
 * or per channel. */
#include <math.h>
#include <stdlib.h>

#include "model/onnx_internal.h"

static int check_params(struct vgg_onnx *x, const struct onnx_const *c,
			const struct onnx_const *scale,
			const struct onnx_const *zero, int axis)
{
	size_t channels = c->rank ? (size_t)c->dim[axis] : 1, i;

	if (scale->count != 1 && (scale->rank > 1 || scale->count != channels))
		return onnx_refuse(x, "quantise per tensor or per channel",
				   "%zu scales for %zu channels", scale->count,
				   channels);
	if (zero && zero->count != scale->count)
		return onnx_refuse(x, "quantise per tensor or per channel",
				   "%zu zero points for %zu scales",
				   zero->count, scale->count);
	for (i = 0; i < scale->count; i++) {
		double s = vgg_onnx_number(scale, i);

		if (!(s > 0) || !isfinite(s))
			return onnx_fail(x, MODEL_FORMAT,
					 "quantise the network again",
					 "scale %zu is %g", i, s);
	}
	return 0;
}

/* The zero points with which weights are int8 numbers. */
static bool centred(const struct onnx_const *c, const struct onnx_const *zero)
{
	double middle = c->dtype == VGG_U8 ? 128 : 0;
	size_t i;

	if (c->dtype != VGG_I8 && c->dtype != VGG_U8)
		return false;
	if (!zero)
		return c->dtype == VGG_I8;
	for (i = 0; i < zero->count; i++)
		if (vgg_onnx_number(zero, i) != middle)
			return false;
	return true;
}

static void dequantize(const struct onnx_const *c, const float *scale,
		       size_t scales, const struct onnx_const *zero,
		       size_t inner, float *to)
{
	size_t i, k;

	for (i = 0; i < c->count; i++) {
		k = scales > 1 ? i / inner % scales : 0;
		/* The difference of integers first: exact, as ONNX says. */
		to[i] = (float)(vgg_onnx_number(c, i) -
				(zero ? vgg_onnx_number(zero, k) : 0)) *
			scale[k];
	}
}

static int fail_types(struct vgg_onnx *x)
{
	return onnx_refuse(x, "quantise it to INT8 or UINT8",
			   "constant, scale and zero point have types that are "
			   "not supported");
}

int vgg_onnx_dequantize(struct vgg_onnx *x, struct onnx_const *c,
			const struct onnx_const *scale,
			const struct onnx_const *zero, int64_t axis64)
{
	struct vgg_blob scales = { 0 };
	struct onnx_const copy = *scale;
	int axis = 0, err = 0;
	float *to;

	if ((c->dtype != VGG_I8 && c->dtype != VGG_U8 && c->dtype != VGG_I32) ||
	    (zero && zero->dtype != c->dtype))
		return fail_types(x);
	/* One scale needs no axis. */
	if (c->rank && scale->count != 1)
		err = vgg_onnx_axis(x, axis64, c->rank, &axis);
	if (!err)
		err = check_params(x, c, scale, zero, axis);
	if (err)
		return err;
	copy.owned = NULL; /* scale stays the caller's */
	err = vgg_onnx_to_f32(&copy, &scales);
	if (err)
		return err;
	to = vgg_onnx_renew(c, VGG_F32);
	if (!to) {
		vgg_blob_free(&scales);
		return -ENOMEM;
	}
	dequantize(c, scales.data, scales.count, zero, vgg_onnx_inner(c, axis),
		   to);
	c->centred = centred(c, zero);
	vgg_onnx_adopt(c, VGG_F32, to);
	free(c->scale);
	c->scale = (float *)scales.data;
	c->scales = scales.count;
	c->scale_axis = axis;
	return 0;
}

static void quantize(const struct onnx_const *c, const struct onnx_const *scale,
		     const struct onnx_const *zero, size_t inner,
		     enum vgg_dtype dtype, void *to)
{
	int lo = dtype == VGG_U8 ? 0 : -128, hi = lo + 255;
	size_t i, k;

	for (i = 0; i < c->count; i++) {
		float q;

		k = scale->count > 1 ? i / inner % scale->count : 0;
		q = rintf((float)vgg_onnx_number(c, i) /
			  (float)vgg_onnx_number(scale, k));
		q += zero ? (float)vgg_onnx_number(zero, k) : 0;
		/* Not a number becomes the lower end. */
		q = q > (float)lo ? q : (float)lo;
		q = q < (float)hi ? q : (float)hi;
		((uint8_t *)to)[i] = (uint8_t)(int)q;
	}
}

static int quantize_to(struct vgg_onnx *x, struct onnx_const *c,
		       const struct onnx_const *scale,
		       const struct onnx_const *zero, int64_t axis64)
{
	enum vgg_dtype dtype = zero ? zero->dtype : VGG_U8;
	int axis = 0, err = 0;
	void *to;

	if (c->dtype != VGG_F32 || (dtype != VGG_U8 && dtype != VGG_I8))
		return fail_types(x);
	if (c->rank && scale->count != 1)
		err = vgg_onnx_axis(x, axis64, c->rank, &axis);
	if (!err)
		err = check_params(x, c, scale, zero, axis);
	if (err)
		return err;
	to = vgg_onnx_renew(c, dtype);
	if (!to)
		return -ENOMEM;
	quantize(c, scale, zero, vgg_onnx_inner(c, axis), dtype, to);
	vgg_onnx_adopt(c, dtype, to);
	return 0;
}

/* Scale and, if there is one, zero point of the current node. */
static int params(struct vgg_onnx *x, struct onnx_const *scale,
		  struct onnx_const *zero, bool *has_zero)
{
	int64_t block;
	int err = vgg_onnx_attr_int(x, "block_size", 0, &block);

	if (!err && block)
		err = onnx_refuse(x, "quantise per tensor or per channel",
				  "quantised in blocks of %lld",
				  (long long)block);
	if (!err)
		err = vgg_onnx_input(x, 1, scale);
	*has_zero = vgg_onnx_has(x, 2);
	if (!err && *has_zero)
		err = vgg_onnx_input(x, 2, zero);
	return err;
}

/* The node's constant, by its scale and zero point. */
static int apply(struct vgg_onnx *x, struct onnx_const *c,
		 int (*to)(struct vgg_onnx *x, struct onnx_const *c,
			   const struct onnx_const *scale,
			   const struct onnx_const *zero, int64_t axis))
{
	struct onnx_const scale = { 0 }, zero = { 0 };
	bool has_zero;
	int64_t axis;
	int err = vgg_onnx_attr_int(x, "axis", 1, &axis);

	if (!err)
		err = vgg_onnx_input(x, 0, c);
	if (!err)
		err = params(x, &scale, &zero, &has_zero);
	if (!err)
		err = to(x, c, &scale, has_zero ? &zero : NULL, axis);
	vgg_onnx_const_free(&scale);
	vgg_onnx_const_free(&zero);
	return err;
}

int vgg_onnx_const_dequantize(struct vgg_onnx *x, struct onnx_const *c)
{
	return apply(x, c, vgg_onnx_dequantize);
}

int vgg_onnx_const_quantize(struct vgg_onnx *x, struct onnx_const *c)
{
	return apply(x, c, quantize_to);
}
