// SPDX-License-Identifier: MIT
/*
 * Constants: stored tensors, and what nodes make of them. Exporters leave such
 * nodes in: a Constant in place of an initialiser, DequantizeLinear behind int8
 * weights, Transpose in front of a Gemm. A node is computed when its value is
 * asked for, so its result lives no longer than it is needed.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "model/onnx_internal.h"

void vgg_onnx_const_free(struct onnx_const *c)
{
	free(c->owned);
	free(c->scale);
	*c = (struct onnx_const){ 0 };
}

bool vgg_onnx_has(const struct vgg_onnx *x, unsigned int input)
{
	const Onnx__NodeProto *node = x->at.node;

	return input < node->n_input && *node->input[input];
}

static float bf16_to_float(uint16_t b)
{
	uint32_t bits = (uint32_t)b << 16;
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

double vgg_onnx_number(const struct onnx_const *c, size_t i)
{
	switch (c->dtype) {
	case VGG_F32:
		return ((const float *)c->data)[i];
	case VGG_F64:
		return ((const double *)c->data)[i];
	case VGG_F16:
		return vgg_half_to_float(((const uint16_t *)c->data)[i]);
	case VGG_BF16:
		return bf16_to_float(((const uint16_t *)c->data)[i]);
	case VGG_I8:
		return ((const int8_t *)c->data)[i];
	case VGG_U8:
		return ((const uint8_t *)c->data)[i];
	case VGG_I32:
		return ((const int32_t *)c->data)[i];
	default:
		return (double)((const int64_t *)c->data)[i];
	}
}

void *vgg_onnx_renew(const struct onnx_const *c, enum vgg_dtype dtype)
{
	void *data = malloc(c->count * vgg_dtype_bytes(dtype) + 1);

	if (!data)
		vgg_fail_memory("a constant of an ONNX model");
	return data;
}

void vgg_onnx_adopt(struct onnx_const *c, enum vgg_dtype dtype, void *data)
{
	free(c->owned);
	c->dtype = dtype;
	c->data = c->owned = data;
}

/* Floats in memory of c's own. */
static int make_f32(struct onnx_const *c)
{
	float *to;
	size_t i;

	if (c->dtype == VGG_F32 && c->owned)
		return 0;
	to = vgg_onnx_renew(c, VGG_F32);
	if (!to)
		return -ENOMEM;
	if (c->dtype == VGG_F32 && c->count)
		memcpy(to, c->data, c->count * sizeof(*to));
	for (i = 0; c->dtype != VGG_F32 && i < c->count; i++)
		to[i] = (float)vgg_onnx_number(c, i);
	vgg_onnx_adopt(c, VGG_F32, to);
	return 0;
}

int vgg_onnx_as_f32(struct onnx_const *c)
{
	return c->dtype == VGG_F32 ? 0 : make_f32(c);
}

int vgg_onnx_to_f32(struct onnx_const *c, struct vgg_blob *b)
{
	int err = make_f32(c);

	if (err)
		return err;
	vgg_blob_free(b);
	*b = (struct vgg_blob){ c->data, c->count, VGG_F32, true };
	c->owned = NULL;
	return 0;
}

size_t vgg_onnx_inner(const struct onnx_const *c, int axis)
{
	size_t inner = 1;
	int d;

	for (d = axis + 1; d < c->rank; d++)
		inner *= (size_t)c->dim[d];
	return inner;
}

int vgg_onnx_axis(const struct vgg_onnx *x, int64_t axis, int rank, int *out)
{
	if (axis < -rank || axis >= rank)
		return onnx_fail(x, MODEL_SHAPE,
				 "check the file with onnx.checker",
				 "axis %lld of a tensor of rank %d",
				 (long long)axis, rank);
	*out = (int)(axis < 0 ? axis + rank : axis);
	return 0;
}

/*
 * Nodes over constants.
 */
static int const_list(struct onnx_const *c, enum vgg_dtype dtype, int rank,
		      size_t n, const void *data)
{
	static const double nothing;

	*c = (struct onnx_const){ .dtype = dtype,
				  .rank = rank,
				  .count = n,
				  .data = n ? data : &nothing };
	c->dim[0] = (int64_t)n;
	return 0;
}

/* The message outlives every constant, so its lists are used in place. */
static int constant(struct vgg_onnx *x, struct onnx_const *c)
{
	const Onnx__AttributeProto *a;

	if (x->at.node->n_attribute != 1)
		return onnx_fail(x, MODEL_FORMAT,
				 "check the file with onnx.checker",
				 "has %zu values", x->at.node->n_attribute);
	a = x->at.node->attribute[0];
	if (a->name && !strcmp(a->name, "value") && a->t)
		return vgg_onnx_tensor(x, a->t, x->at.last, c);
	if (a->name && !strcmp(a->name, "value_float"))
		return const_list(c, VGG_F32, 0, 1, &a->f);
	if (a->name && !strcmp(a->name, "value_floats"))
		return const_list(c, VGG_F32, 1, a->n_floats, a->floats);
	if (a->name && !strcmp(a->name, "value_int"))
		return const_list(c, VGG_I64, 0, 1, &a->i);
	if (a->name && !strcmp(a->name, "value_ints"))
		return const_list(c, VGG_I64, 1, a->n_ints, a->ints);
	return onnx_refuse(x, "export it as a dense tensor",
			   "its value is no dense tensor of numbers");
}

static int identity(struct vgg_onnx *x, struct onnx_const *c)
{
	return vgg_onnx_input(x, 0, c);
}

/* Used by models whose weights were taken out to make them small. The limit
 * keeps a tiny file from filling the memory. */
#define FILL_MAX ((size_t)1 << 28)

static int fill(struct vgg_onnx *x, struct onnx_const *c,
		const struct onnx_const *value)
{
	size_t size = vgg_dtype_bytes(value->dtype), i;
	char *data;

	if (value->count != 1 || c->count > FILL_MAX)
		return onnx_refuse(x, NULL, "%zu elements from %zu values",
				   c->count, value->count);
	data = vgg_onnx_renew(c, value->dtype);
	if (!data)
		return -ENOMEM;
	for (i = 0; i < c->count; i++)
		memcpy(data + i * size, value->data, size);
	vgg_onnx_adopt(c, value->dtype, data);
	return 0;
}

static int constant_of_shape(struct vgg_onnx *x, struct onnx_const *c)
{
	const Onnx__AttributeProto *a = vgg_onnx_attr(x, "value");
	static const float zero;
	struct onnx_const value;
	unsigned int rank;
	int err;

	*c = (struct onnx_const){ 0 };
	err = vgg_onnx_list(x, 0, ONNX_RANK_MAX, c->dim, &rank);
	if (!err)
		err = vgg_onnx_count(x, "the result", c->dim, rank, &c->count);
	if (err)
		return err;
	c->rank = (int)rank;
	if (a && a->t)
		err = vgg_onnx_tensor(x, a->t, false, &value);
	else
		err = const_list(&value, VGG_F32, 0, 1, &zero);
	if (err)
		return err;
	err = fill(x, c, &value);
	vgg_onnx_const_free(&value);
	return err;
}

/* Sizes are cast between types of integers. */
static int make_i64(struct onnx_const *c)
{
	int64_t *to;
	size_t i;

	if (c->dtype == VGG_I64)
		return 0;
	to = vgg_onnx_renew(c, VGG_I64);
	if (!to)
		return -ENOMEM;
	for (i = 0; i < c->count; i++)
		to[i] = ((const int32_t *)c->data)[i];
	vgg_onnx_adopt(c, VGG_I64, to);
	return 0;
}

static int cast(struct vgg_onnx *x, struct onnx_const *c)
{
	int64_t to;
	int err = vgg_onnx_attr_int(x, "to", 0, &to);

	if (!err)
		err = vgg_onnx_input(x, 0, c);
	if (err)
		return err;
	if (to == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)
		return make_f32(c);
	if (to == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 &&
	    (c->dtype == VGG_I64 || c->dtype == VGG_I32))
		return make_i64(c);
	return onnx_refuse(
		x, "store the constant in its final type",
		"constants can only be cast to FLOAT, and integers "
		"to INT64, not to %s",
		vgg_onnx_dtype_name(to < 0 || to > 100 ? -1 : (int)to));
}

/* New dimensions over the same data; a scale per channel loses its axis. */
static int redim(struct vgg_onnx *x, struct onnx_const *c, const int64_t *dim,
		 int rank)
{
	size_t count;
	int err = vgg_onnx_count(x, "the result", dim, (size_t)rank, &count);

	if (!err && count != c->count)
		err = onnx_fail(x, MODEL_SHAPE,
				"check the file with onnx.checker",
				"makes %zu elements from %zu", count, c->count);
	if (err)
		return err;
	memset(c->dim, 0, sizeof(c->dim));
	memcpy(c->dim, dim, (size_t)rank * sizeof(*dim));
	c->rank = rank;
	if (c->scales > 1) {
		free(c->scale);
		c->scale = NULL;
		c->scales = 0;
	}
	return 0;
}

static int reshape(struct vgg_onnx *x, struct onnx_const *c)
{
	int64_t dim[ONNX_RANK_MAX];
	int rank, err = vgg_onnx_input(x, 0, c);

	if (!err)
		err = vgg_onnx_reshape_dims(x, c->dim, c->rank, dim, &rank);
	return err ? err : redim(x, c, dim, rank);
}

static int squeeze(struct vgg_onnx *x, struct onnx_const *c)
{
	int64_t dim[ONNX_RANK_MAX];
	int rank, err = vgg_onnx_input(x, 0, c);

	if (!err)
		err = vgg_onnx_squeeze_dims(x, c->dim, c->rank, dim, &rank);
	return err ? err : redim(x, c, dim, rank);
}

static int flatten(struct vgg_onnx *x, struct onnx_const *c)
{
	int64_t dim[2];
	int err = vgg_onnx_input(x, 0, c);

	if (!err)
		err = vgg_onnx_flatten_dims(x, c->dim, c->rank, dim);
	return err ? err : redim(x, c, dim, 2);
}

/* to[...] in the order of the permuted dimensions, by a counter over them. */
static void permute(const struct onnx_const *c, const int *perm, char *to)
{
	size_t size = vgg_dtype_bytes(c->dtype), i, from = 0;
	int64_t at[ONNX_RANK_MAX] = { 0 }, step[ONNX_RANK_MAX];
	int d, rank = c->rank;

	for (d = 0; d < rank; d++) {
		int k;

		step[d] = 1;
		for (k = perm[d] + 1; k < rank; k++)
			step[d] *= c->dim[k];
	}
	for (i = 0; i < c->count; i++) {
		memcpy(to + i * size, (const char *)c->data + from * size,
		       size);
		for (d = rank - 1; d >= 0; d--) {
			from += (size_t)step[d];
			if (++at[d] < c->dim[perm[d]])
				break;
			from -= (size_t)(step[d] * at[d]);
			at[d] = 0;
		}
	}
}

static int transpose(struct vgg_onnx *x, struct onnx_const *c)
{
	int64_t dim[ONNX_RANK_MAX];
	int perm[ONNX_RANK_MAX], d, axis, err = vgg_onnx_input(x, 0, c);
	void *data;

	if (!err)
		err = vgg_onnx_perm(x, c->rank, perm);
	if (err)
		return err;
	data = vgg_onnx_renew(c, c->dtype);
	if (!data)
		return -ENOMEM;
	permute(c, perm, data);
	vgg_onnx_adopt(c, c->dtype, data);
	memcpy(dim, c->dim, sizeof(dim));
	axis = c->scale_axis;
	for (d = 0; d < c->rank; d++) {
		c->dim[d] = dim[perm[d]];
		if (perm[d] == axis)
			c->scale_axis = d;
	}
	return 0;
}

/*
 * The table, and the way from a name to a value.
 */
struct const_op {
	const char *name;
	int (*run)(struct vgg_onnx *x, struct onnx_const *c);
	const char *attributes[5];
};

/* clang-format off */
static const struct const_op const_ops[] = {
	{ "Constant", constant,
	  { "value", "value_float", "value_floats", "value_int" } },
	{ "ConstantOfShape", constant_of_shape, { "value" } },
	{ "Identity", identity, { NULL } },
	{ "Cast", cast, { "to", "saturate" } },
	{ "Reshape", reshape, { "allowzero" } },
	{ "Flatten", flatten, { "axis" } },
	{ "Squeeze", squeeze, { "axes" } },
	{ "Unsqueeze", squeeze, { "axes" } },
	{ "Transpose", transpose, { "perm" } },
	{ "Shape", vgg_onnx_list_shape, { "start", "end" } },
	{ "Gather", vgg_onnx_list_gather, { "axis" } },
	{ "Slice", vgg_onnx_list_slice, { "starts", "ends", "axes" } },
	{ "Concat", vgg_onnx_list_concat, { "axis" } },
	{ "Mul", vgg_onnx_list_mul, { NULL } },
	{ "QuantizeLinear", vgg_onnx_const_quantize,
	  { "axis", "block_size", "saturate" } },
	{ "DequantizeLinear", vgg_onnx_const_dequantize,
	  { "axis", "block_size" } },
};
/* clang-format on */

static const struct const_op *find(const Onnx__NodeProto *node)
{
	size_t i;

	if (!node->op_type ||
	    (node->domain && *node->domain && strcmp(node->domain, "ai.onnx")))
		return NULL;
	for (i = 0; i < sizeof(const_ops) / sizeof(*const_ops); i++)
		if (!strcmp(const_ops[i].name, node->op_type))
			return &const_ops[i];
	return NULL;
}

bool vgg_onnx_const_known(const Onnx__NodeProto *node, bool *by_shape)
{
	const struct const_op *op = find(node);

	*by_shape = op && op->run == vgg_onnx_list_shape;
	return op;
}

static int run_node(struct vgg_onnx *x, const struct onnx_value *v,
		    struct onnx_const *c)
{
	const Onnx__NodeProto *node = x->graph->node[v->node];
	const struct const_op *op = find(node);
	struct onnx_at outer = x->at;
	int err;

	if (x->depth == ONNX_CONST_DEPTH)
		return onnx_refuse(
			x, "export the network with constant folding",
			"its constants come through more than %d nodes",
			ONNX_CONST_DEPTH);
	vgg_onnx_enter(x, node);
	x->at.last = outer.last && v->uses == 1;
	x->depth++;
	/* Constant looks at its only attribute itself. */
	err = op->run == constant ? 0 : vgg_onnx_attrs_check(x, op->attributes);
	if (!err)
		err = op->run(x, c);
	if (err)
		vgg_onnx_const_free(c);
	x->depth--;
	x->at = outer;
	return err;
}

int vgg_onnx_input(struct vgg_onnx *x, unsigned int input, struct onnx_const *c)
{
	const struct onnx_value *v;
	char name[ONNX_NAME];

	*c = (struct onnx_const){ 0 };
	if (!vgg_onnx_has(x, input))
		return onnx_fail(x, MODEL_FORMAT,
				 "check the file with onnx.checker",
				 "input %u is missing", input);
	v = vgg_onnx_find(x, x->at.node->input[input]);
	if (!v || !v->constant)
		return onnx_refuse(
			x, "export the network with constant folding",
			"input %u ('%s') is not constant", input,
			vgg_onnx_clean(name, x->at.node->input[input]));
	if (v->tensor)
		return vgg_onnx_tensor(x, v->tensor, x->at.last && v->uses == 1,
				       c);
	return run_node(x, v, c);
}

/* For what is small: the data stays where it is and can be read again. */
static int peek(struct vgg_onnx *x, unsigned int input, struct onnx_const *c)
{
	bool last = x->at.last;
	int err;

	x->at.last = false;
	err = vgg_onnx_input(x, input, c);
	x->at.last = last;
	return err;
}

int vgg_onnx_scalar(struct vgg_onnx *x, unsigned int input, double *value)
{
	struct onnx_const c;
	int err = peek(x, input, &c);

	if (!err && c.count != 1)
		err = onnx_refuse(x, NULL, "input %u has %zu elements, not 1",
				  input, c.count);
	if (!err)
		*value = vgg_onnx_number(&c, 0);
	vgg_onnx_const_free(&c);
	return err;
}

int vgg_onnx_list(struct vgg_onnx *x, unsigned int input, unsigned int room,
		  int64_t *values, unsigned int *count)
{
	struct onnx_const c;
	size_t i;
	int err = peek(x, input, &c);

	if (!err && ((c.dtype != VGG_I64 && c.dtype != VGG_I32) || c.rank > 1 ||
		     c.count > room))
		err = onnx_refuse(x, "check the file with onnx.checker",
				  "input %u is no list of at most %u integers",
				  input, room);
	for (i = 0; !err && i < c.count; i++)
		values[i] = c.dtype == VGG_I64 ? ((const int64_t *)c.data)[i] :
						 ((const int32_t *)c.data)[i];
	if (!err)
		*count = (unsigned int)c.count;
	vgg_onnx_const_free(&c);
	return err;
}
