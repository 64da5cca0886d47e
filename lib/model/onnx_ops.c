// SPDX-License-Identifier: MIT
/* The table of operators, and those that work on each element. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/onnx_internal.h"

#define ASK_CHECKER "check the file with onnx.checker"

const char *vgg_onnx_type_name(enum onnx_type type)
{
	return type == ONNX_F32 ? "float" :
	       type == ONNX_U8	? "uint8" :
	       type == ONNX_I8	? "int8" :
				  "int32";
}

const struct vgg_shape *vgg_onnx_shape(const struct vgg_onnx *x)
{
	return vgg_model_output(x->m);
}

struct vgg_layer *vgg_onnx_layer(struct vgg_onnx *x, enum vgg_op op)
{
	return vgg_model_add(x->m, op, x->at.name);
}

/*
 * Scale, shift and clip.
 */
static int clip_to(struct vgg_onnx *x, double lo, double hi)
{
	struct vgg_layer *l = vgg_onnx_layer(x, VGG_OP_AFFINE);

	if (!l)
		return -ENOMEM;
	l->lo = (float)lo;
	l->hi = (float)hi;
	return vgg_layer_infer(l);
}

static int relu(struct vgg_onnx *x)
{
	return clip_to(x, 0, INFINITY);
}

/* Limits were attributes up to opset 10. */
static int clip_attributes(struct vgg_onnx *x, double *lo, double *hi)
{
	float flo, fhi;
	int err = vgg_onnx_attr_float(x, "min", -INFINITY, &flo);

	if (!err)
		err = vgg_onnx_attr_float(x, "max", INFINITY, &fhi);
	if (err)
		return err;
	*lo = (double)flo;
	*hi = (double)fhi;
	return 0;
}

static int clip(struct vgg_onnx *x)
{
	double lo = -INFINITY, hi = INFINITY;
	int err = 0;

	if (x->opset < 11)
		err = clip_attributes(x, &lo, &hi);
	if (x->opset >= 11 && vgg_onnx_has(x, 1))
		err = vgg_onnx_scalar(x, 1, &lo);
	if (!err && x->opset >= 11 && vgg_onnx_has(x, 2))
		err = vgg_onnx_scalar(x, 2, &hi);
	if (!err && (isnan(lo) || isnan(hi)))
		err = onnx_fail(x, MODEL_FORMAT, "export the network again",
				"a limit is not a number");
	return err ? err : clip_to(x, lo, hi);
}

static int channel_axis(const struct vgg_shape *s)
{
	return s->rank > 1 ? 1 : 0;
}

/* A scalar becomes as many values as there are channels: a small file must not
 * make that gigabytes. */
#define CHANNELS_MAX ((int64_t)1 << 20)

/* An AFFINE layer with room for scale and shift. */
static int affine(struct vgg_onnx *x, struct vgg_layer **layer, float **scale,
		  float **shift, size_t *channels)
{
	struct vgg_layer *l = vgg_onnx_layer(x, VGG_OP_AFFINE);
	int64_t n;

	if (!l)
		return -ENOMEM;
	n = l->in.dim[channel_axis(&l->in)];
	if (n > CHANNELS_MAX)
		return onnx_refuse(x, "check the network's input size",
				   "%lld channels", (long long)n);
	*layer = l;
	*channels = (size_t)n;
	*scale = vgg_blob_alloc(&l->scale, VGG_F32, *channels);
	*shift = vgg_blob_alloc(&l->shift, VGG_F32, *channels);
	return *scale && *shift ? 0 : -ENOMEM;
}

/* Does c, broadcast to the activation, hold one value per channel? *step is how
 * far channels lie apart in it: 0 if all have the same. */
static int per_channel(struct vgg_onnx *x, const struct onnx_const *c,
		       size_t *step)
{
	const struct vgg_shape *in = vgg_onnx_shape(x);
	int axis = channel_axis(in), d, at;

	*step = 0;
	for (d = 0; d < c->rank; d++) {
		at = in->rank - c->rank + d;
		if (c->dim[d] == 1 && at >= 0)
			continue;
		if (at != axis || c->dim[d] != in->dim[axis])
			return onnx_refuse(x,
					   "use a constant with one value, "
					   "or one per channel",
					   "its constant is neither one value "
					   "nor one per channel (axis %d has "
					   "%lld)",
					   d, (long long)c->dim[d]);
		*step = 1;
	}
	return 0;
}

/* The constant operand of Add or Mul. */
static int operand(struct vgg_onnx *x, struct onnx_const *c, size_t *step)
{
	int err;

	if (x->at.data > 1)
		return onnx_fail(x, MODEL_FORMAT, ASK_CHECKER,
				 "has more than two inputs");
	err = vgg_onnx_input(x, !x->at.data, c);
	return err ? err : per_channel(x, c, step);
}

/* A sum behind a product without a bias is its bias. */
static struct vgg_layer *wants_bias(struct vgg_onnx *x)
{
	struct vgg_layer *l;

	if (!x->m->count)
		return NULL;
	l = &x->m->layers[x->m->count - 1];
	return l->op == VGG_OP_CONV && !l->bias.data ? l : NULL;
}

static int add_bias(struct vgg_layer *l, const struct onnx_const *c,
		    size_t step)
{
	size_t n = (size_t)vgg_channels(&l->out), i;
	float *bias = vgg_blob_alloc(&l->bias, VGG_F32, n);

	if (!bias)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		bias[i] = (float)vgg_onnx_number(c, i * step);
	return vgg_layer_infer(l);
}

static int add_affine(struct vgg_onnx *x, const struct onnx_const *c,
		      size_t step, bool add)
{
	float *scale, *shift;
	struct vgg_layer *l;
	size_t n, i;
	int err = affine(x, &l, &scale, &shift, &n);

	if (err)
		return err;
	for (i = 0; i < n; i++) {
		float v = (float)vgg_onnx_number(c, i * step);

		scale[i] = add ? 1 : v;
		shift[i] = add ? v : 0;
	}
	return vgg_layer_infer(l);
}

static int add_or_mul(struct vgg_onnx *x)
{
	bool add = !strcmp(x->at.node->op_type, "Add");
	struct vgg_layer *product = add ? wants_bias(x) : NULL;
	struct onnx_const c = { 0 };
	size_t step = 0;
	int err = operand(x, &c, &step);

	if (!err && product)
		err = add_bias(product, &c, step);
	else if (!err)
		err = add_affine(x, &c, step, add);
	vgg_onnx_const_free(&c);
	return err;
}

int vgg_onnx_add_constant(struct vgg_onnx *x, const struct onnx_const *c)
{
	size_t step;
	int err = per_channel(x, c, &step);

	return err ? err : add_affine(x, c, step, true);
}

/*
 * gamma, beta, mean, variance. Until opset 8 there was spatial 0: statistics of
 * each pixel. MXNet writes it with one value per channel and means that; so have
 * it the model zoo's vgg16-bn and vgg19-bn.
 */
static int batch_norm_inputs(struct vgg_onnx *x, size_t channels,
			     struct onnx_const c[4])
{
	bool spatial;
	unsigned int i;
	int err = vgg_onnx_attr_bool(x, "spatial", true, &spatial);

	for (i = 0; !err && i < 4; i++) {
		err = vgg_onnx_input(x, i + 1, &c[i]);
		if (!err && c[i].count != channels && !spatial)
			err = onnx_refuse(
				x, "normalise with statistics per channel",
				"spatial 0: statistics of each pixel");
		else if (!err && c[i].count != channels)
			err = onnx_fail(x, MODEL_SHAPE, ASK_CHECKER,
					"input %u has %zu values for %zu "
					"channels",
					i + 1, c[i].count, channels);
	}
	return err;
}

static int batch_norm_layer(struct vgg_onnx *x, const struct onnx_const c[4],
			    double epsilon)
{
	float *scale, *shift;
	struct vgg_layer *l;
	size_t n, i;
	int err = affine(x, &l, &scale, &shift, &n);

	if (err)
		return err;
	for (i = 0; i < n; i++) {
		double root = sqrt(vgg_onnx_number(&c[3], i) + epsilon), factor;

		if (!(root > 0))
			return onnx_fail(x, MODEL_FORMAT,
					 "export the network again",
					 "variance %zu is %g", i,
					 vgg_onnx_number(&c[3], i));
		factor = vgg_onnx_number(&c[0], i) / root;
		scale[i] = (float)factor;
		shift[i] = (float)(vgg_onnx_number(&c[1], i) -
				   vgg_onnx_number(&c[2], i) * factor);
	}
	return vgg_layer_infer(l);
}

static int fail_training(struct vgg_onnx *x)
{
	return onnx_refuse(
		x, "export the network in inference mode (model.eval())",
		"is in training mode");
}

/* Up to opset 6 training was what an attribute doesn't deny. */
static int is_test(struct vgg_onnx *x, bool *training)
{
	bool test;
	int err = vgg_onnx_attr_bool(x, "is_test", x->opset >= 7, &test);

	*training |= !test;
	return err;
}

/* Before opset 14 it is training that gives more than one output. */
static int batch_norm_mode(struct vgg_onnx *x)
{
	const Onnx__NodeProto *node = x->at.node;
	bool training;
	size_t i;
	int err = vgg_onnx_attr_bool(x, "training_mode", false, &training);

	if (!err)
		err = is_test(x, &training);
	for (i = 1; i < node->n_output; i++)
		training |= *node->output[i] != 0;
	if (!err && training)
		err = fail_training(x);
	return err;
}

static int batch_norm(struct vgg_onnx *x)
{
	const struct vgg_shape *in = vgg_onnx_shape(x);
	struct onnx_const c[4] = { 0 };
	float epsilon;
	int i, err = batch_norm_mode(x);

	if (!err)
		err = vgg_onnx_attr_float(x, "epsilon", 1e-5f, &epsilon);
	if (!err && in->rank < 2)
		err = onnx_refuse(x, NULL, "gets a tensor of rank 1");
	if (!err)
		err = batch_norm_inputs(x, (size_t)in->dim[1], c);
	if (!err)
		err = batch_norm_layer(x, c, (double)epsilon);
	for (i = 0; i < 4; i++)
		vgg_onnx_const_free(&c[i]);
	return err;
}

/*
 * Nothing at inference.
 */
static int identity(struct vgg_onnx *x)
{
	(void)x;
	return 0;
}

static int dropout(struct vgg_onnx *x)
{
	bool training = false;
	double mode = 0;
	int err = is_test(x, &training);

	if (!err && vgg_onnx_has(x, 2))
		err = vgg_onnx_scalar(x, 2, &mode);
	if (!err && (training || mode != 0))
		err = fail_training(x);
	return err;
}

/* Numbers stay the same: floats can be all that 8-bit integers can, and half
 * precision is computed in single. */
static int cast(struct vgg_onnx *x)
{
	int64_t to;
	int err = vgg_onnx_attr_int(x, "to", 0, &to);

	if (!err && to != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT &&
	    to != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16)
		err = onnx_refuse(
			x, "use QuantizeLinear",
			"casts activations to %s; only FLOAT is "
			"supported",
			vgg_onnx_dtype_name(to < 0 || to > 100 ? -1 : (int)to));
	if (!err)
		x->type = ONNX_F32;
	return err;
}

/*
 * Over several elements.
 */
static int softmax(struct vgg_onnx *x)
{
	bool logarithm = !strcmp(x->at.node->op_type, "LogSoftmax");
	int rank = vgg_onnx_shape(x)->rank, axis = 0, err;
	bool old = x->opset < 13;
	struct vgg_layer *l;
	int64_t given;

	err = vgg_onnx_attr_int(x, "axis", old ? 1 : -1, &given);
	if (!err)
		err = vgg_onnx_axis(x, given, rank, &axis);
	if (err)
		return err;
	l = vgg_onnx_layer(x, logarithm ? VGG_OP_LOGSOFTMAX : VGG_OP_SOFTMAX);
	if (!l)
		return -ENOMEM;
	l->axis = axis;
	l->flatten_from_axis = old;
	return vgg_layer_infer(l);
}

static int lrn(struct vgg_onnx *x)
{
	struct vgg_layer l = { 0 }, *layer;
	int64_t size;
	int err = vgg_onnx_attr_int(x, "size", 0, &size);

	if (!err && (size < 1 || size > 65535))
		err = onnx_refuse(x, NULL, "size %lld", (long long)size);
	if (!err)
		err = vgg_onnx_attr_float(x, "alpha", 1e-4f, &l.lrn_alpha);
	if (!err)
		err = vgg_onnx_attr_float(x, "beta", 0.75f, &l.lrn_beta);
	if (!err)
		err = vgg_onnx_attr_float(x, "bias", 1, &l.lrn_bias);
	if (err)
		return err;
	layer = vgg_onnx_layer(x, VGG_OP_LRN);
	if (!layer)
		return -ENOMEM;
	layer->lrn_size = (int)size;
	layer->lrn_alpha = l.lrn_alpha;
	layer->lrn_beta = l.lrn_beta;
	layer->lrn_bias = l.lrn_bias;
	return vgg_layer_infer(layer);
}

/*
 * The table. `any`: the activation may be any operand; else it is the first.
 */
struct op {
	const char *name;
	int (*run)(struct vgg_onnx *x);
	unsigned int types; /* of the activation */
	bool any;
	const char *attributes[10];
};

#define CONV_ATTRIBUTES \
	"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"
#define BYTES (ONNX_U8 | ONNX_I8)

/* clang-format off */
static const struct op ops[] = {
	{ "Conv", vgg_onnx_conv, ONNX_F32, false, { CONV_ATTRIBUTES } },
	{ "Gemm", vgg_onnx_gemm, ONNX_F32, false,
	  { "alpha", "beta", "broadcast", "transA", "transB" } },
	{ "MatMul", vgg_onnx_matmul, ONNX_F32, false, { NULL } },
	{ "Add", add_or_mul, ONNX_F32, true, { NULL } },
	{ "Mul", add_or_mul, ONNX_F32, true, { NULL } },
	{ "BatchNormalization", batch_norm, ONNX_F32, false,
	  { "epsilon", "is_test", "momentum", "spatial", "training_mode" } },
	{ "Relu", relu, ONNX_ANY, false, { NULL } },
	{ "Clip", clip, ONNX_ANY, false, { "min", "max" } },
	{ "MaxPool", vgg_onnx_pool, ONNX_F32 | BYTES, false,
	  { "auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads",
	    "storage_order", "strides" } },
	{ "AveragePool", vgg_onnx_pool, ONNX_F32, false,
	  { "auto_pad", "ceil_mode", "count_include_pad", "dilations",
	    "kernel_shape", "pads", "strides" } },
	{ "GlobalAveragePool", vgg_onnx_global_pool, ONNX_F32, false,
	  { NULL } },
	{ "GlobalMaxPool", vgg_onnx_global_pool, ONNX_F32, false, { NULL } },
	{ "Flatten", vgg_onnx_flatten, ONNX_ANY, false, { "axis" } },
	{ "Reshape", vgg_onnx_reshape, ONNX_ANY, false,
	  { "allowzero", "shape" } },
	{ "Squeeze", vgg_onnx_squeeze, ONNX_ANY, false, { "axes" } },
	{ "Unsqueeze", vgg_onnx_squeeze, ONNX_ANY, false, { "axes" } },
	{ "Transpose", vgg_onnx_transpose, ONNX_ANY, false, { "perm" } },
	{ "Pad", vgg_onnx_pad, ONNX_ANY, false, { "mode", "pads", "value" } },
	{ "Identity", identity, ONNX_ANY, false, { NULL } },
	{ "Dropout", dropout, ONNX_F32, false, { "is_test", "ratio", "seed" } },
	{ "Cast", cast, ONNX_ANY, false, { "to", "saturate" } },
	{ "Softmax", softmax, ONNX_F32, false, { "axis" } },
	{ "LogSoftmax", softmax, ONNX_F32, false, { "axis" } },
	{ "LRN", lrn, ONNX_F32, false, { "alpha", "beta", "bias", "size" } },
	{ "QuantizeLinear", vgg_onnx_quantize_linear, ONNX_F32, false,
	  { "axis", "block_size", "output_dtype", "saturate" } },
	{ "DequantizeLinear", vgg_onnx_dequantize_linear, BYTES | ONNX_I32,
	  false, { "axis", "block_size" } },
	{ "QLinearConv", vgg_onnx_qlinear_conv, BYTES, false,
	  { CONV_ATTRIBUTES } },
	{ "QLinearMatMul", vgg_onnx_qlinear_matmul, BYTES, false, { NULL } },
	{ "ConvInteger", vgg_onnx_conv_integer, BYTES, false,
	  { CONV_ATTRIBUTES } },
	{ "MatMulInteger", vgg_onnx_matmul_integer, BYTES, false, { NULL } },
};

/* Of the domain com.microsoft. */
static const struct op microsoft_ops[] = {
	{ "QGemm", vgg_onnx_qgemm, BYTES, false, { "alpha", "transA", "transB" } },
	{ "QLinearAdd", vgg_onnx_qlinear_add, BYTES, true, { NULL } },
	{ "QLinearAveragePool", vgg_onnx_qlinear_average, BYTES, false,
	  { "auto_pad", "ceil_mode", "channels_last", "count_include_pad",
	    "kernel_shape", "pads", "strides" } },
	{ "QLinearGlobalAveragePool", vgg_onnx_qlinear_global_average, BYTES,
	  false, { "channels_last" } },
};
/* clang-format on */

static bool default_domain(const Onnx__NodeProto *node)
{
	return !node->domain || !*node->domain ||
	       !strcmp(node->domain, "ai.onnx");
}

static const struct op *find_in(const struct op *table, size_t n,
				const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static const struct op *find(const Onnx__NodeProto *node)
{
	if (!node->op_type)
		return NULL;
	if (default_domain(node))
		return find_in(ops, COUNT(ops), node->op_type);
	if (strcmp(node->domain, "com.microsoft"))
		return NULL;
	return find_in(microsoft_ops, COUNT(microsoft_ops), node->op_type);
}

bool vgg_onnx_op_known(const Onnx__NodeProto *node, bool *any_operand)
{
	const struct op *op = find(node);

	*any_operand = op && op->any;
	return op;
}

static int fail_unknown(struct vgg_onnx *x)
{
	char domain[ONNX_NAME];

	if (default_domain(x->at.node))
		return onnx_refuse(x,
				   "see the README for the operators that are",
				   "this operator is not supported");
	return onnx_refuse(x,
			   "export the network with standard operators (for "
			   "a quantised one, in QDQ form)",
			   "this operator of the domain '%s' is not supported",
			   vgg_onnx_clean(domain, x->at.node->domain));
}

int vgg_onnx_op(struct vgg_onnx *x)
{
	const struct op *op = find(x->at.node);
	int err;

	if (!op)
		return fail_unknown(x);
	err = vgg_onnx_attrs_check(x, op->attributes);
	if (err)
		return err;
	if (x->at.data && !op->any)
		return onnx_refuse(x, "check how the network was exported",
				   "input %u comes from the network's input; "
				   "only input 0 may",
				   x->at.data);
	if (!(op->types & x->type))
		return onnx_refuse(x,
				   "put a QuantizeLinear, DequantizeLinear "
				   "or Cast in front of it",
				   "does not take %s values",
				   vgg_onnx_type_name(x->type));
	return op->run(x);
}
