// SPDX-License-Identifier: MIT
/* Operators that rename, move or surround elements. ONNX counts them in NCHW
 * order; run-time memory order is the business of the RESHAPE layer. */
#include <string.h>

#include "model/onnx_internal.h"

#define ASK_CHECKER "check the file with onnx.checker"

int vgg_onnx_reshape_to(struct vgg_onnx *x, const struct vgg_shape *to)
{
	struct vgg_layer *l;

	if (vgg_shape_equal(vgg_onnx_shape(x), to))
		return 0;
	l = vgg_onnx_layer(x, VGG_OP_RESHAPE);
	if (!l)
		return -ENOMEM;
	l->out = *to;
	return vgg_layer_infer(l);
}

/* The same for dimensions as the functions below make them. */
static int reshape_to(struct vgg_onnx *x, const int64_t *dim, int rank)
{
	struct vgg_shape to = { .rank = rank };

	if (rank < 1 || rank > VGG_RANK_MAX)
		return onnx_refuse(x, "use tensors of 1 to 4 dimensions",
				   "makes a tensor of rank %d", rank);
	memcpy(to.dim, dim, (size_t)rank * sizeof(*dim));
	return vgg_onnx_reshape_to(x, &to);
}

/* The -1 of a Reshape; *unknown is its place. */
static int infer_unknown(struct vgg_onnx *x, const int64_t *in, int rank,
			 int64_t *out, int out_rank, int unknown)
{
	int64_t have = 1, known = 1;
	int i;

	for (i = 0; i < rank; i++)
		have *= in[i];
	for (i = 0; i < out_rank; i++)
		if (i != unknown &&
		    __builtin_mul_overflow(known, out[i], &known))
			known = 0;
	if (known < 1 || have % known)
		return onnx_fail(
			x, MODEL_SHAPE, "check the network's input size",
			"%lld elements do not divide into the new shape",
			(long long)have);
	out[unknown] = have / known;
	return 0;
}

int vgg_onnx_reshape_dims(struct vgg_onnx *x, const int64_t *in, int rank,
			  int64_t out[ONNX_RANK_MAX], int *out_rank)
{
	int i, unknown = -1, err;
	unsigned int n = 0;
	bool zero;

	err = vgg_onnx_attr_bool(x, "allowzero", false, &zero);
	if (!err && x->opset < 5)
		err = vgg_onnx_attr_ints(x, "shape", ONNX_RANK_MAX, out, &n);
	else if (!err)
		err = vgg_onnx_list(x, 1, ONNX_RANK_MAX, out, &n);
	*out_rank = (int)n;
	for (i = 0; !err && i < (int)n; i++) {
		if (out[i] == -1 && unknown < 0)
			unknown = i;
		else if (out[i] == 0 && !zero && i < rank)
			out[i] = in[i];
		else if (out[i] < 1)
			err = onnx_fail(x, MODEL_SHAPE, ASK_CHECKER,
					"dimension %d of the new shape is %lld",
					i, (long long)out[i]);
	}
	if (!err && unknown >= 0)
		err = infer_unknown(x, in, rank, out, *out_rank, unknown);
	return err;
}

int vgg_onnx_reshape(struct vgg_onnx *x)
{
	const struct vgg_shape *in = vgg_onnx_shape(x);
	int64_t dim[ONNX_RANK_MAX];
	int rank, err;

	err = vgg_onnx_reshape_dims(x, in->dim, in->rank, dim, &rank);
	return err ? err : reshape_to(x, dim, rank);
}

int vgg_onnx_flatten_dims(struct vgg_onnx *x, const int64_t *in, int rank,
			  int64_t out[2])
{
	int64_t axis;
	int i, err = vgg_onnx_attr_int(x, "axis", 1, &axis);

	if (err)
		return err;
	if (axis < -rank || axis > rank)
		return onnx_fail(x, MODEL_SHAPE, ASK_CHECKER,
				 "axis %lld of a tensor of rank %d",
				 (long long)axis, rank);
	if (axis < 0)
		axis += rank;
	out[0] = out[1] = 1;
	for (i = 0; i < rank; i++)
		out[i >= axis] *= in[i];
	return 0;
}

int vgg_onnx_flatten(struct vgg_onnx *x)
{
	const struct vgg_shape *in = vgg_onnx_shape(x);
	int64_t dim[2];
	int err = vgg_onnx_flatten_dims(x, in->dim, in->rank, dim);

	return err ? err : reshape_to(x, dim, 2);
}

/* Opset 13 made an input of the attribute; *n is 0 if there is neither. */
static int read_axes(struct vgg_onnx *x, int64_t axes[ONNX_RANK_MAX],
		     unsigned int *n)
{
	*n = 0;
	if (x->opset < 13)
		return vgg_onnx_attr_ints(x, "axes", ONNX_RANK_MAX, axes, n);
	if (vgg_onnx_has(x, 1))
		return vgg_onnx_list(x, 1, ONNX_RANK_MAX, axes, n);
	return 0;
}

/* As a set, for a tensor of this rank. */
static int mark_axes(struct vgg_onnx *x, const int64_t *axes, unsigned int n,
		     int rank, bool set[ONNX_RANK_MAX])
{
	unsigned int i;
	int at, err = 0;

	memset(set, 0, ONNX_RANK_MAX * sizeof(*set));
	for (i = 0; !err && i < n; i++) {
		err = vgg_onnx_axis(x, axes[i], rank, &at);
		if (!err && set[at])
			err = onnx_fail(x, MODEL_FORMAT, ASK_CHECKER,
					"axis %d is named twice", at);
		if (!err)
			set[at] = true;
	}
	return err;
}

/* Without axes all of size 1 go. */
static int squeeze_dims(struct vgg_onnx *x, const int64_t *in, int rank,
			int64_t *out, int *out_rank)
{
	int64_t axes[ONNX_RANK_MAX];
	bool set[ONNX_RANK_MAX];
	unsigned int n;
	int i, err = read_axes(x, axes, &n);

	if (!err)
		err = mark_axes(x, axes, n, rank, set);
	*out_rank = 0;
	for (i = 0; !err && i < rank; i++) {
		bool drop = n ? set[i] : in[i] == 1;

		if (drop && in[i] != 1)
			err = onnx_fail(x, MODEL_SHAPE,
					"check the network's input size",
					"axis %d has the size %lld, not 1", i,
					(long long)in[i]);
		else if (!drop)
			out[(*out_rank)++] = in[i];
	}
	return err;
}

/* Axes count in the new shape. */
static int unsqueeze_dims(struct vgg_onnx *x, const int64_t *in, int rank,
			  int64_t *out, int *out_rank)
{
	int64_t axes[ONNX_RANK_MAX];
	bool set[ONNX_RANK_MAX];
	unsigned int n;
	int i, from = 0, err = read_axes(x, axes, &n);

	if (!err && n > (unsigned int)(ONNX_RANK_MAX - rank))
		err = onnx_refuse(x, NULL, "makes a tensor of rank %u",
				  n + (unsigned int)rank);
	if (err)
		return err;
	*out_rank = rank + (int)n;
	err = mark_axes(x, axes, n, *out_rank, set);
	for (i = 0; !err && i < *out_rank; i++)
		out[i] = set[i] ? 1 : in[from++];
	return err;
}

int vgg_onnx_squeeze_dims(struct vgg_onnx *x, const int64_t *in, int rank,
			  int64_t out[ONNX_RANK_MAX], int *out_rank)
{
	if (!strcmp(x->at.node->op_type, "Unsqueeze"))
		return unsqueeze_dims(x, in, rank, out, out_rank);
	return squeeze_dims(x, in, rank, out, out_rank);
}

int vgg_onnx_squeeze(struct vgg_onnx *x)
{
	const struct vgg_shape *in = vgg_onnx_shape(x);
	int64_t dim[ONNX_RANK_MAX];
	int rank, err;

	err = vgg_onnx_squeeze_dims(x, in->dim, in->rank, dim, &rank);
	return err ? err : reshape_to(x, dim, rank);
}

int vgg_onnx_perm(struct vgg_onnx *x, int rank, int perm[ONNX_RANK_MAX])
{
	bool seen[ONNX_RANK_MAX] = { false };
	int64_t list[ONNX_RANK_MAX];
	unsigned int n;
	int i, err = vgg_onnx_attr_ints(x, "perm", ONNX_RANK_MAX, list, &n);

	if (err)
		return err;
	for (i = 0; !n && i < rank; i++)
		list[i] = rank - 1 - i;
	for (i = 0; i < rank; i++) {
		if ((n && n != (unsigned int)rank) || list[i] < 0 ||
		    list[i] >= rank || seen[list[i]])
			return onnx_fail(x, MODEL_FORMAT, ASK_CHECKER,
					 "perm is no permutation of %d axes",
					 rank);
		seen[list[i]] = true;
		perm[i] = (int)list[i];
	}
	return 0;
}

/* Where only sizes of 1 change places, no element does. */
int vgg_onnx_transpose(struct vgg_onnx *x)
{
	const struct vgg_shape *in = vgg_onnx_shape(x);
	int perm[ONNX_RANK_MAX], i, last = -1;
	int64_t dim[VGG_RANK_MAX];
	int err = vgg_onnx_perm(x, in->rank, perm);

	if (err)
		return err;
	for (i = 0; i < in->rank; i++) {
		dim[i] = in->dim[perm[i]];
		if (dim[i] == 1)
			continue;
		if (perm[i] < last)
			return onnx_refuse(
				x,
				"export the network with NCHW "
				"activations (tf2onnx: "
				"--inputs-as-nchw)",
				"it reorders activations, which stay "
				"N x C x H x W here");
		last = perm[i];
	}
	return reshape_to(x, dim, in->rank);
}

/*
 * Pad. Up to opset 10 its parameters are attributes, then inputs; opset 18
 * added a list of the axes that the pads are for.
 */
#define PADS_MAX (2 * VGG_RANK_MAX)

static int spread_pads(struct vgg_onnx *x, const int64_t *given,
		       unsigned int count, int64_t pads[PADS_MAX])
{
	int rank = vgg_onnx_shape(x)->rank, at, err = 0;
	int64_t axis[VGG_RANK_MAX] = { 0, 1, 2, 3 };
	unsigned int i, n = (unsigned int)rank;

	if (vgg_onnx_has(x, 3))
		err = vgg_onnx_list(x, 3, VGG_RANK_MAX, axis, &n);
	if (!err && count != 2 * n)
		err = onnx_fail(x, MODEL_SHAPE, ASK_CHECKER,
				"%u pads for %u axes", count, n);
	for (i = 0; !err && i < n; i++) {
		err = vgg_onnx_axis(x, axis[i], rank, &at);
		if (err)
			break;
		pads[at] = given[i];
		pads[rank + at] = given[n + i];
	}
	return err;
}

static int read_pads(struct vgg_onnx *x, int64_t pads[PADS_MAX], double *value)
{
	int64_t given[PADS_MAX];
	unsigned int n;
	float v;
	int err;

	*value = 0;
	if (x->opset < 11) {
		err = vgg_onnx_attr_float(x, "value", 0, &v);
		*value = (double)v;
		if (!err)
			err = vgg_onnx_attr_ints(x, "pads", PADS_MAX, given,
						 &n);
	} else {
		err = vgg_onnx_list(x, 1, PADS_MAX, given, &n);
		if (!err && vgg_onnx_has(x, 2))
			err = vgg_onnx_scalar(x, 2, value);
	}
	return err ? err : spread_pads(x, given, n, pads);
}

/* Which of the pads are in use; only those of H and W may be. */
static int check_pads(struct vgg_onnx *x, const int64_t *pads, bool *any)
{
	int rank = vgg_onnx_shape(x)->rank, i;

	*any = false;
	for (i = 0; i < 2 * rank; i++) {
		if (!pads[i])
			continue;
		*any = true;
		if (pads[i] < 0 || pads[i] > 65535)
			return onnx_refuse(x, "pad by 0 to 65535",
					   "pads of %lld; only 0 to 65535 are "
					   "supported",
					   (long long)pads[i]);
		if (rank != 4 || i % rank < 2)
			return onnx_refuse(x, "pad height and width only",
					   "pads axis %d of a rank-%d tensor; "
					   "only H and W are supported",
					   i % rank, rank);
	}
	return 0;
}

int vgg_onnx_pad(struct vgg_onnx *x)
{
	int64_t pads[PADS_MAX] = { 0 };
	char mode[ONNX_NAME];
	struct vgg_layer *l;
	double value;
	bool any;
	int err;

	err = vgg_onnx_attr_text(x, "mode", mode);
	if (!err && *mode && strcmp(mode, "constant"))
		err = onnx_refuse(x, "pad with a constant",
				  "mode '%s'; only "
				  "'constant' is supported",
				  mode);
	if (!err)
		err = read_pads(x, pads, &value);
	if (!err)
		err = check_pads(x, pads, &any);
	if (err || !any)
		return err;
	l = vgg_onnx_layer(x, VGG_OP_PAD);
	if (!l)
		return -ENOMEM;
	l->win.pad_top = (int)pads[2];
	l->win.pad_left = (int)pads[3];
	l->win.pad_bottom = (int)pads[6];
	l->win.pad_right = (int)pads[7];
	l->pad_value = (float)value;
	return vgg_layer_infer(l);
}
