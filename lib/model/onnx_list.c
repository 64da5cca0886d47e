// SPDX-License-Identifier: MIT
/*
 * Constants that compute shapes. PyTorch writes x.view(x.size(0), -1) as Shape,
 * Gather, Unsqueeze, Concat and Reshape, and the pads of a Pad as Concat, Slice
 * and Transpose of a list. Every shape is known here, so all of it is constant.
 */
#include <stdlib.h>
#include <string.h>

#include "model/onnx_internal.h"

#define ASK_CHECKER "check the file with onnx.checker"
#define LIST_MAX ((size_t)1 << 20) /* elements that such a node may make */
#define PARTS_MAX 64

static int64_t clamp(int64_t i, int64_t lo, int64_t hi)
{
	return i < lo ? lo : i > hi ? hi : i;
}

/* Slice counts negative numbers from the end. */
static int64_t position(int64_t i, int64_t size, int64_t lo, int64_t hi)
{
	if (i < -size)
		return lo;
	return clamp(i < 0 ? i + size : i, lo, hi);
}

/* The shape of what a node of the chain has made. */
int vgg_onnx_list_shape(struct vgg_onnx *x, struct onnx_const *c)
{
	const Onnx__NodeProto *node = x->at.node;
	const struct onnx_value *v;
	int64_t first, last, *to;
	int rank, i, err;

	v = node->n_input ? vgg_onnx_find(x, node->input[0]) : NULL;
	rank = v ? v->shape.rank : 0;
	if (!rank)
		return onnx_refuse(
			x, "export the network with fixed input sizes",
			"asks for the shape of something that is not "
			"computed before it");
	err = vgg_onnx_attr_int(x, "start", 0, &first);
	if (!err)
		err = vgg_onnx_attr_int(x, "end", rank, &last);
	if (err)
		return err;
	first = position(first, rank, 0, rank);
	last = position(last, rank, 0, rank);
	to = malloc(VGG_RANK_MAX * sizeof(*to));
	if (!to)
		return vgg_fail_memory("a shape");
	*c = (struct onnx_const){
		.dtype = VGG_I64, .rank = 1, .data = to, .owned = to
	};
	for (i = (int)first; i < (int)last; i++)
		to[c->count++] = v->shape.dim[i];
	c->dim[0] = (int64_t)c->count;
	return 0;
}

/* c[..., index[i], ...] along an axis; the axis gets the size n. */
static int pick(struct vgg_onnx *x, struct onnx_const *c, int axis,
		const int64_t *index, size_t n)
{
	size_t have = (size_t)c->dim[axis], outer, inner, size, i, o;
	char *to;

	size = vgg_dtype_bytes(c->dtype);
	inner = vgg_onnx_inner(c, axis) * size;
	outer = have && inner ? c->count * size / (have * inner) : 0;
	if (n && outer * inner > LIST_MAX / n)
		return onnx_refuse(
			x, "export the network with constant folding",
			"computes a constant of more than %zu bytes", LIST_MAX);
	to = malloc(outer * inner * n + 1);
	if (!to)
		return vgg_fail_memory("a constant of an ONNX model");
	for (o = 0; o < outer; o++)
		for (i = 0; i < n; i++)
			memcpy(to + (o * n + i) * inner,
			       (const char *)c->data +
				       (o * have + (size_t)index[i]) * inner,
			       inner);
	free(c->owned);
	c->data = c->owned = to;
	c->dim[axis] = (int64_t)n;
	c->count = outer * n * (inner / size);
	free(c->scale); /* of which channels would be wrong now */
	c->scale = NULL;
	c->scales = 0;
	return 0;
}

/* One index in place of an axis, or a list of them. */
static int gather(struct vgg_onnx *x, struct onnx_const *c,
		  const struct onnx_const *index, int axis)
{
	int64_t at[ONNX_RANK_MAX], i;
	int d, err;

	if (index->rank > 1 || index->count > ONNX_RANK_MAX ||
	    (index->dtype != VGG_I64 && index->dtype != VGG_I32))
		return onnx_refuse(x,
				   "export the network with constant folding",
				   "indices are no short list of integers");
	for (i = 0; i < (int64_t)index->count; i++) {
		double n = vgg_onnx_number(index, (size_t)i);
		double have = (double)c->dim[axis];

		if (n < -have || n >= have)
			return onnx_fail(x, MODEL_FORMAT, ASK_CHECKER,
					 "index %g of %g", n, have);
		at[i] = (int64_t)(n < 0 ? n + have : n);
	}
	err = pick(x, c, axis, at, index->count);
	if (err || index->rank)
		return err;
	for (d = axis; d < c->rank - 1; d++)
		c->dim[d] = c->dim[d + 1];
	c->dim[--c->rank] = 0;
	return 0;
}

int vgg_onnx_list_gather(struct vgg_onnx *x, struct onnx_const *c)
{
	struct onnx_const index = { 0 };
	int64_t given;
	int axis, err = vgg_onnx_attr_int(x, "axis", 0, &given);

	if (!err)
		err = vgg_onnx_input(x, 0, c);
	if (!err)
		err = vgg_onnx_axis(x, given, c->rank, &axis);
	if (!err)
		err = vgg_onnx_input(x, 1, &index);
	if (!err)
		err = gather(x, c, &index, axis);
	vgg_onnx_const_free(&index);
	return err;
}

static int slice_axis(struct vgg_onnx *x, struct onnx_const *c, int axis,
		      int64_t from, int64_t to, int64_t step)
{
	int64_t size = c->dim[axis], *index, i;
	size_t n = 0;
	int err;

	if (!step || (size_t)size > LIST_MAX)
		return onnx_refuse(x,
				   "export the network with constant folding",
				   "step %lld over %lld elements",
				   (long long)step, (long long)size);
	index = malloc(((size_t)size + 1) * sizeof(*index));
	if (!index)
		return vgg_fail_memory("a constant of an ONNX model");
	from = position(from, size, 0, step > 0 ? size : size - 1);
	to = position(to, size, step > 0 ? 0 : -1, size);
	/* A huge step would overflow, and goes out of the list anyway. */
	step = clamp(step, -size - 1, size + 1);
	for (i = from; step > 0 ? i < to : i > to; i += step)
		index[n++] = i;
	err = pick(x, c, axis, index, n);
	free(index);
	return err;
}

/* starts, ends, axes, steps: attributes up to opset 9, then inputs. */
struct slice {
	int64_t v[4][ONNX_RANK_MAX];
	unsigned int n[4];
};

static int slice_params(struct vgg_onnx *x, struct slice *s)
{
	static const char *const names[4] = { "starts", "ends", "axes", NULL };
	unsigned int i, k;
	int err = 0;

	memset(s->n, 0, sizeof(s->n));
	for (i = 0; !err && i < 4; i++) {
		if (x->opset < 10 && names[i])
			err = vgg_onnx_attr_ints(x, names[i], ONNX_RANK_MAX,
						 s->v[i], &s->n[i]);
		else if (x->opset >= 10 && vgg_onnx_has(x, i + 1))
			err = vgg_onnx_list(x, i + 1, ONNX_RANK_MAX, s->v[i],
					    &s->n[i]);
		for (k = 0; i >= 2 && !s->n[i] && k < s->n[0]; k++)
			s->v[i][k] = i == 2 ? k : 1;
		if (!err && i && s->n[i] != s->n[0] && (i == 1 || s->n[i]))
			err = onnx_fail(x, MODEL_FORMAT, ASK_CHECKER,
					"%u starts, but %u of another input",
					s->n[0], s->n[i]);
	}
	return err;
}

int vgg_onnx_list_slice(struct vgg_onnx *x, struct onnx_const *c)
{
	struct slice s;
	unsigned int i;
	int axis, err = vgg_onnx_input(x, 0, c);

	if (!err)
		err = slice_params(x, &s);
	for (i = 0; !err && i < s.n[0]; i++) {
		err = vgg_onnx_axis(x, s.v[2][i], c->rank, &axis);
		if (!err)
			err = slice_axis(x, c, axis, s.v[0][i], s.v[1][i],
					 s.v[3][i]);
	}
	return err;
}

/* Lists only: shapes and pads are. */
static int append(struct vgg_onnx *x, struct onnx_const *c,
		  const struct onnx_const *part)
{
	size_t size = vgg_dtype_bytes(part->dtype);
	char *to;

	if (part->rank != 1 || part->count > LIST_MAX / 8 ||
	    (c->owned && c->dtype != part->dtype))
		return onnx_refuse(x,
				   "export the network with constant folding",
				   "joins constants that are no lists of one "
				   "type");
	to = realloc(c->owned, (c->count + part->count) * size + 1);
	if (!to)
		return vgg_fail_memory("a constant of an ONNX model");
	c->data = c->owned = to;
	if (part->count)
		memcpy(to + c->count * size, part->data, part->count * size);
	c->dtype = part->dtype;
	c->rank = 1;
	c->count += part->count;
	c->dim[0] = (int64_t)c->count;
	return 0;
}

int vgg_onnx_list_concat(struct vgg_onnx *x, struct onnx_const *c)
{
	struct onnx_const part;
	unsigned int i;
	int err = 0;

	*c = (struct onnx_const){ 0 };
	if (!x->at.node->n_input || x->at.node->n_input > PARTS_MAX)
		return onnx_refuse(x,
				   "export the network with constant folding",
				   "joins %zu constants", x->at.node->n_input);
	for (i = 0; !err && i < x->at.node->n_input; i++) {
		err = vgg_onnx_input(x, i, &part);
		if (!err)
			err = append(x, c, &part);
		vgg_onnx_const_free(&part);
	}
	return err;
}

/* Sizes multiplied: x.size(1) * x.size(2). */
int vgg_onnx_list_mul(struct vgg_onnx *x, struct onnx_const *c)
{
	struct onnx_const b = { 0 };
	int64_t *product = NULL;
	int err = vgg_onnx_input(x, 0, c);

	if (!err)
		err = vgg_onnx_input(x, 1, &b);
	if (!err && (c->dtype != VGG_I64 || b.dtype != VGG_I64 ||
		     c->count != 1 || b.count != 1))
		err = onnx_refuse(x, "export the network with constant folding",
				  "multiplies constants that are no sizes");
	if (!err) {
		product = malloc(sizeof(*product));
		err = product ? 0 : vgg_fail_memory("a size");
	}
	if (product &&
	    __builtin_mul_overflow(*(const int64_t *)c->data,
				   *(const int64_t *)b.data, product))
		*product = -2; /* which no shape may have */
	if (product) {
		free(c->owned);
		c->data = c->owned = product;
		if (b.rank > c->rank) {
			c->rank = b.rank;
			memcpy(c->dim, b.dim, sizeof(c->dim));
		}
	}
	vgg_onnx_const_free(&b);
	return err;
}
