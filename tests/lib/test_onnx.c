// SPDX-License-Identifier: MIT
/* The ONNX importer on models that are built here: what becomes of them. See
 * test_onnx_quant.c for quantised ones, test_onnx_refuse.c for those that are
 * refused or damaged. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_support.h"

/* The output for an input of sin(0), sin(1), ...; free() it. */
static float *run(const struct vgg_model *m)
{
	size_t n = (size_t)vgg_shape_count(&m->input), i;
	float *input = malloc(n * sizeof(*input)), *result = NULL;

	ASSERT_TRUE(input != NULL);
	for (i = 0; i < n; i++)
		input[i] = sinf((float)i);
	ASSERT_EQ(0, onnx_run(m, input, &result));
	free(input);
	return result;
}

/* Conv with 3x3 kernels that keep the size. */
static void conv(struct onnx_build *b, const char *name, const char *in,
		 const char *out, int64_t from, int64_t to)
{
	char w[32], bias[32], inputs[96];
	Onnx__NodeProto *n;

	snprintf(w, sizeof(w), "%s.weight", name);
	snprintf(bias, sizeof(bias), "%s.bias", name);
	snprintf(inputs, sizeof(inputs), "%s,%s,%s", in, w, bias);
	onnx_build_random(b, w, 4, DIMS(to, from, 3, 3));
	onnx_build_random(b, bias, 1, DIMS(to));
	n = onnx_build_node(b, "Conv", name, inputs, out);
	onnx_build_ints(n, "kernel_shape", LIST(3, 3));
	onnx_build_ints(n, "pads", LIST(1, 1, 1, 1));
	onnx_build_ints(n, "strides", LIST(1, 1));
	onnx_build_ints(n, "dilations", LIST(1, 1));
	onnx_build_int(n, "group", 1);
}

/* As PyTorch exports a small VGG. */
TEST(pytorch_vgg)
{
	struct onnx_build *b = image(13);
	struct vgg_model *m;
	Onnx__NodeProto *n;

	conv(b, "features.0", "x", "a", 3, 4);
	onnx_build_node(b, "Relu", "relu1", "a", "b");
	conv(b, "features.2", "b", "c", 4, 6);
	onnx_build_node(b, "Relu", "relu2", "c", "d");
	pool(b, "d", "e");
	n = onnx_build_node(b, "Flatten", "flat", "e", "f");
	onnx_build_int(n, "axis", 1);
	onnx_build_random(b, "fc.weight", 2, DIMS(10, 96));
	onnx_build_random(b, "fc.bias", 1, DIMS(10));
	n = onnx_build_node(b, "Gemm", "fc", "f,fc.weight,fc.bias", "g");
	onnx_build_int(n, "transB", 1);
	onnx_build_node(b, "Dropout", "drop", "g", "h,mask");
	onnx_build_node(b, "Softmax", "prob", "h", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("conv affine conv affine maxpool reshape conv softmax",
		     ops(m));
	EXPECT_EQ(1, m->input.dim[0]); /* the batch has only a name */
	EXPECT_STREQ("10", output(m));
	EXPECT_STREQ("features.0", m->layers[0].name);
	EXPECT_TRUE(m->layers[1].lo == 0 && m->layers[1].hi == INFINITY);
	EXPECT_EQ(1, m->layers[7].axis);
	EXPECT_FALSE(m->layers[7].flatten_from_axis);
	vgg_model_free(m);
}

TEST(weights_become_ohwi)
{
	struct onnx_build *b = image(11);
	float w[2 * 3 * 2 * 2];
	const float *to;
	struct vgg_model *m;
	unsigned int o, i, p;

	for (i = 0; i < 24; i++)
		w[i] = (float)i;
	onnx_build_tensor(b, "w", ONNX_TEST_FLOAT, 4, DIMS(2, 3, 2, 2), w);
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("2x7x7", output(m));
	to = vgg_blob_f32(&m->layers[0].weight);
	for (o = 0; o < 2; o++)
		for (p = 0; p < 4; p++)
			for (i = 0; i < 3; i++)
				EXPECT_NEAR(w[(o * 3 + i) * 4 + p],
					    to[(o * 4 + p) * 3 + i], 0);
	EXPECT_TRUE(m->layers[0].bias.data == NULL);
	vgg_model_free(m);
}

/* alpha, beta, both layouts, and each way to write a bias. */
static struct vgg_model *gemm(int trans_b, const char *inputs, float alpha,
			      float beta)
{
	struct onnx_build *b = onnx_build_new(13);
	float w[] = { 1, 2, 3, 4, 5, 6 }, t[] = { 1, 4, 2, 5, 3, 6 };
	Onnx__NodeProto *n;

	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 2, DIMS(1, 2));
	onnx_build_tensor(b, "w", ONNX_TEST_FLOAT, 2,
			  trans_b ? DIMS(3, 2) : DIMS(2, 3), trans_b ? t : w);
	onnx_build_tensor(b, "b", ONNX_TEST_FLOAT, 2, DIMS(1, 3), w);
	onnx_build_float(b, "s", 7);
	n = onnx_build_node(b, "Gemm", "g", inputs, "y");
	onnx_build_int(n, "transB", trans_b);
	onnx_build_real(n, "alpha", alpha);
	onnx_build_real(n, "beta", beta);
	onnx_build_output(b, "y");
	return import(b);
}

static void check_gemm(struct vgg_model *m, float y0, float y1, float y2)
{
	const float input[] = { 10, 100 };
	float *y;

	ASSERT_EQ(0, onnx_run(m, input, &y));
	EXPECT_NEAR(y0, y[0], 1e-3);
	EXPECT_NEAR(y1, y[1], 1e-3);
	EXPECT_NEAR(y2, y[2], 1e-3);
	free(y);
	vgg_model_free(m);
}

TEST(gemm_forms)
{
	check_gemm(gemm(0, "x,w", 1, 1), 410, 520, 630);
	check_gemm(gemm(1, "x,w", 1, 1), 410, 520, 630);
	check_gemm(gemm(1, "x,w,b", 1, 1), 411, 522, 633);
	check_gemm(gemm(0, "x,w,b", 0.5f, 2), 207, 264, 321);
	check_gemm(gemm(0, "x,w,s", 1, 1), 417, 527, 637);
}

TEST(matmul_and_add_are_one_layer)
{
	struct onnx_build *b = onnx_build_new(13);
	struct vgg_model *m;

	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 2, DIMS(1, 4));
	onnx_build_random(b, "w", 2, DIMS(4, 3));
	onnx_build_random(b, "b", 1, DIMS(3));
	onnx_build_random(b, "c", 1, DIMS(3));
	onnx_build_node(b, "MatMul", "m", "x,w", "t");
	onnx_build_node(b, "Add", "a", "b,t", "u");
	onnx_build_node(b, "Add", "a2", "u,c", "v");
	onnx_build_float(b, "two", 2);
	onnx_build_node(b, "Mul", "m2", "two,v", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("conv affine affine", ops(m));
	EXPECT_EQ(3u, m->layers[0].bias.count);
	EXPECT_NEAR(2, vgg_blob_f32(&m->layers[2].scale)[2], 0);
	EXPECT_NEAR(0, vgg_blob_f32(&m->layers[2].shift)[2], 0);
	vgg_model_free(m);
}

TEST(batch_norm)
{
	struct onnx_build *b = image(14);
	const float gamma[] = { 2, 1, 1 }, beta[] = { 1, 0, 0 };
	const float mean[] = { 3, 0, 0 }, var[] = { 15, 1, 1 };
	struct vgg_model *m;
	Onnx__NodeProto *n;

	onnx_build_tensor(b, "g", ONNX_TEST_FLOAT, 1, DIMS(3), gamma);
	onnx_build_tensor(b, "b", ONNX_TEST_FLOAT, 1, DIMS(3), beta);
	onnx_build_tensor(b, "m", ONNX_TEST_FLOAT, 1, DIMS(3), mean);
	onnx_build_tensor(b, "v", ONNX_TEST_FLOAT, 1, DIMS(3), var);
	n = onnx_build_node(b, "BatchNormalization", "bn", "x,g,b,m,v", "y");
	onnx_build_real(n, "epsilon", 1);
	onnx_build_real(n, "momentum", 0.9f);
	onnx_build_int(n, "training_mode", 0);
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("affine", ops(m));
	EXPECT_NEAR(0.5, vgg_blob_f32(&m->layers[0].scale)[0], 0);
	EXPECT_NEAR(-0.5, vgg_blob_f32(&m->layers[0].shift)[0], 0);
	vgg_model_free(m);
}

/* Weights through Constant, Identity, Transpose and Reshape. */
TEST(constants_through_nodes)
{
	struct onnx_build *b = onnx_build_new(13);
	struct vgg_model *m;
	Onnx__NodeProto *n;
	float w[6] = { 1, 2, 3, 4, 5, 6 };
	int i;

	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 2, DIMS(1, 2));
	onnx_build_tensor(b, "w0", ONNX_TEST_FLOAT, 1, DIMS(6), w);
	onnx_build_constant(b);
	onnx_build_list(b, "shape", LIST(3, -1));
	onnx_build_node(b, "Reshape", "", "w0,shape", "w1");
	n = onnx_build_node(b, "Transpose", "", "w1", "w2");
	onnx_build_ints(n, "perm", LIST(1, 0));
	onnx_build_node(b, "Identity", "", "w2", "w3");
	onnx_build_node(b, "MatMul", "m", "x,w3", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("conv", ops(m));
	for (i = 0; i < 6; i++)
		EXPECT_NEAR(w[i], vgg_blob_f32(&m->layers[0].weight)[i], 0);
	vgg_model_free(m);
}

/* x.view(x.size(0), -1), as PyTorch writes it. */
TEST(pytorch_view)
{
	struct onnx_build *b = image(11);
	struct vgg_model *m;
	Onnx__NodeProto *n;
	const int64_t zero = 0, minus = -1;

	onnx_build_node(b, "Shape", "", "x", "s0");
	onnx_build_tensor(b, "i", ONNX_TEST_INT64, 0, NULL, &zero);
	n = onnx_build_node(b, "Gather", "", "s0,i", "s1");
	onnx_build_int(n, "axis", 0);
	n = onnx_build_node(b, "Unsqueeze", "", "s1", "s2");
	onnx_build_ints(n, "axes", LIST(0));
	onnx_build_tensor(b, "minus", ONNX_TEST_INT64, 1, DIMS(1), &minus);
	n = onnx_build_node(b, "Concat", "", "s2,minus", "s3");
	onnx_build_int(n, "axis", 0);
	onnx_build_node(b, "Reshape", "view", "x,s3", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("reshape", ops(m));
	EXPECT_EQ(2, vgg_model_output(m)->rank);
	EXPECT_STREQ("192", output(m));
	vgg_model_free(m);
}

/* The forms of Constant, and arithmetic with sizes: what gives 3 * 64. */
static void check_sizes(const char *value, int opset)
{
	struct onnx_build *b = image(opset);
	Onnx__NodeProto *n;
	struct vgg_model *m;

	n = onnx_build_node(b, "Shape", "", "x", "s");
	n = onnx_build_node(b, "Slice", "", "s", "hw");
	onnx_build_ints(n, "starts", LIST(-2));
	onnx_build_ints(n, "ends", LIST(INT64_MAX));
	onnx_build_list(b, "i01", LIST(0, -1));
	n = onnx_build_node(b, "Gather", "", "hw,i01", "hw2");
	onnx_build_list(b, "i0", LIST(0));
	n = onnx_build_node(b, "Gather", "", "hw2,i0", "h");
	onnx_build_list(b, "i1", LIST(1));
	n = onnx_build_node(b, "Gather", "", "hw2,i1", "w");
	onnx_build_node(b, "Mul", "", "h,w", "pixels");
	n = onnx_build_node(b, "Constant", "", "", "three");
	if (!strcmp(value, "value_int"))
		onnx_build_int(n, value, 3);
	else
		onnx_build_ints(n, value, LIST(3));
	onnx_build_node(b, "Mul", "", "three,pixels", "all");
	n = onnx_build_node(b, "Cast", "", "all", "all64");
	onnx_build_int(n, "to", ONNX_TEST_INT64);
	onnx_build_list(b, "one", LIST(1));
	n = onnx_build_node(b, "Concat", "", "one,all64", "shape");
	onnx_build_int(n, "axis", 0);
	onnx_build_node(b, "Reshape", "r", "x,shape", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("reshape", ops(m));
	EXPECT_STREQ("192", output(m));
	vgg_model_free(m);
}

TEST(computed_sizes)
{
	check_sizes("value_int", 9);
	check_sizes("value_ints", 9);
}

/* Ends of Shape and Slice that lie far outside. */
TEST(wild_ranges)
{
	static const int64_t ends[] = {
		INT64_MIN, -(1ll << 32) - 1, -9, 9, (1ll << 32) + 1, INT64_MAX
	};
	struct vgg_model *m;
	struct onnx_build *b;
	Onnx__NodeProto *n;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		b = image(15);
		n = onnx_build_node(b, "Shape", "", "x", "s0");
		onnx_build_int(n, "start", ends[5 - i]);
		onnx_build_int(n, "end", ends[i]);
		onnx_build_list(b, "at", LIST(0));
		onnx_build_list(b, "to", LIST(ends[i]));
		onnx_build_list(b, "step", LIST(ends[5 - i]));
		onnx_build_node(b, "Slice", "", "s0,at,to,at,step", "s1");
		onnx_build_list(b, "all", LIST(-1));
		n = onnx_build_node(b, "Concat", "", "s1,all", "s2");
		onnx_build_int(n, "axis", 0);
		onnx_build_node(b, "Reshape", "r", "x,s2", "y");
		onnx_build_output(b, "y");
		m = import(b);
		EXPECT_EQ(192, vgg_shape_count(vgg_model_output(m)));
		vgg_model_free(m);
	}
}

/* Pads as PyTorch writes them since opset 11: reversed by Slice. */
TEST(pytorch_pad)
{
	struct onnx_build *b = image(11);
	struct vgg_model *m;
	Onnx__NodeProto *n;

	onnx_build_list(b, "p0",
			LIST(1, 2, 3, 4)); /* left, right, top, bottom */
	onnx_build_list(b, "p1", LIST(0, 0, 0, 0));
	n = onnx_build_node(b, "Concat", "", "p0,p1", "p2");
	onnx_build_int(n, "axis", 0);
	onnx_build_list(b, "shape", LIST(-1, 2));
	onnx_build_node(b, "Reshape", "", "p2,shape", "p3");
	onnx_build_list(b, "from", LIST(-1));
	onnx_build_list(b, "to", LIST(INT64_MIN));
	onnx_build_list(b, "axis", LIST(0));
	onnx_build_node(b, "Slice", "", "p3,from,to,axis,from", "p4");
	n = onnx_build_node(b, "Transpose", "", "p4", "p5");
	onnx_build_ints(n, "perm", LIST(1, 0));
	onnx_build_list(b, "flat", LIST(-1));
	onnx_build_node(b, "Reshape", "", "p5,flat", "p6");
	onnx_build_node(b, "Pad", "pad", "x,p6", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("pad", ops(m));
	EXPECT_EQ(1, m->layers[0].win.pad_left);
	EXPECT_EQ(2, m->layers[0].win.pad_right);
	EXPECT_EQ(3, m->layers[0].win.pad_top);
	EXPECT_EQ(4, m->layers[0].win.pad_bottom);
	vgg_model_free(m);
}

TEST(transposes_that_move_nothing)
{
	struct onnx_build *b = image(13);
	struct vgg_model *m;
	Onnx__NodeProto *n;

	onnx_build_node(b, "GlobalAveragePool", "gap", "x", "a");
	n = onnx_build_node(b, "Transpose", "t", "a", "b");
	onnx_build_ints(n, "perm", LIST(0, 2, 3, 1));
	onnx_build_list(b, "axes", LIST(1, 2));
	onnx_build_node(b, "Squeeze", "s", "b,axes", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("avgpool reshape reshape", ops(m));
	EXPECT_STREQ("3", output(m));
	EXPECT_TRUE(m->layers[0].exclude_pad == false);
	vgg_model_free(m);
}

/* Pools: size of the output and padding behind the input. */
static void check_pool(const char *op, int64_t size, int64_t kernel,
		       int64_t stride, int64_t pad, bool ceil_mode, int64_t out,
		       int bottom)
{
	struct onnx_build *b = onnx_build_new(12);
	Onnx__NodeProto *n = onnx_build_node(b, op, "p", "x", "y");
	struct vgg_model *m;

	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 4, DIMS(1, 1, size, size));
	onnx_build_ints(n, "kernel_shape", LIST(kernel, kernel));
	onnx_build_ints(n, "strides", LIST(stride, stride));
	onnx_build_ints(n, "pads", LIST(pad, pad, pad, pad));
	onnx_build_int(n, "ceil_mode", ceil_mode);
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_EQ(out, vgg_model_output(m)->dim[2]);
	EXPECT_EQ(bottom, m->layers[0].win.pad_bottom);
	EXPECT_EQ(*op == 'A', m->layers[0].exclude_pad);
	vgg_model_free(m);
}

TEST(ceil_mode)
{
	check_pool("MaxPool", 8, 3, 2, 0, false, 3, 0);
	check_pool("MaxPool", 8, 3, 2, 0, true, 4, 1);
	check_pool("MaxPool", 7, 3, 2, 0, true, 3, 0);
	/* A fourth window would start in the padding at the end. */
	check_pool("MaxPool", 5, 2, 2, 1, true, 3, 0);
	check_pool("AveragePool", 8, 3, 2, 0, true, 4, 1);
	/* Padding behind the last window is dropped. */
	check_pool("MaxPool", 8, 2, 2, 1, false, 5, 1);
	check_pool("MaxPool", 8, 3, 2, 1, false, 4, 0);
}

static void check_same(const char *mode, int64_t size, int64_t kernel,
		       int64_t stride, int before, int after)
{
	struct onnx_build *b = onnx_build_new(12);
	Onnx__NodeProto *n = onnx_build_node(b, "Conv", "c", "x,w", "y");
	struct vgg_model *m;

	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 4, DIMS(1, 1, size, size));
	onnx_build_random(b, "w", 4, DIMS(1, 1, kernel, kernel));
	onnx_build_ints(n, "strides", LIST(stride, stride));
	onnx_build_text(n, "auto_pad", mode);
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_EQ(before, m->layers[0].win.pad_left);
	EXPECT_EQ(after, m->layers[0].win.pad_right);
	vgg_model_free(m);
}

TEST(auto_pad)
{
	check_same("SAME_UPPER", 8, 3, 1, 1, 1);
	check_same("SAME_UPPER", 8, 3, 2, 0, 1);
	check_same("SAME_LOWER", 8, 3, 2, 1, 0);
	check_same("SAME_LOWER", 8, 1, 2, 0, 0);
	check_same("VALID", 8, 3, 2, 0, 0);
	check_same("NOTSET", 8, 3, 2, 0, 0);
}

TEST(softmax_of_old_opsets_flattens)
{
	struct onnx_build *b = image(12);
	struct vgg_model *m;

	onnx_build_node(b, "Softmax", "s", "x", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_EQ(1, m->layers[0].axis);
	EXPECT_TRUE(m->layers[0].flatten_from_axis);
	vgg_model_free(m);
	b = image(13);
	onnx_build_node(b, "LogSoftmax", "s", "x", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("logsoftmax", ops(m));
	EXPECT_EQ(3, m->layers[0].axis);
	EXPECT_FALSE(m->layers[0].flatten_from_axis);
	vgg_model_free(m);
}

/* Attributes of old opsets, inputs of new ones, limits that are left out. */
TEST(clip_forms)
{
	struct onnx_build *b = image(9);
	struct vgg_model *m;
	Onnx__NodeProto *n = onnx_build_node(b, "Clip", "c", "x", "y");

	onnx_build_real(n, "max", 6);
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_TRUE(m->layers[0].lo == -INFINITY && m->layers[0].hi == 6);
	vgg_model_free(m);
	b = image(11);
	onnx_build_float(b, "lo", -1);
	onnx_build_node(b, "Clip", "c", "x,lo,", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_TRUE(m->layers[0].lo == -1 && m->layers[0].hi == INFINITY);
	vgg_model_free(m);
}

/* Nodes and inputs that don't lead to the output don't matter. */
TEST(unused_parts_are_ignored)
{
	struct onnx_build *b = image(13);
	struct vgg_model *m;

	onnx_build_input(b, "other", ONNX_TEST_FLOAT, 4, DIMS(1, 1, 1, 1));
	onnx_build_node(b, "Sin", "odd", "x", "z");
	onnx_build_node(b, "Relu", "r", "x", "y");
	onnx_build_node(b, "Add", "dead", "y,z", "q");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("affine", ops(m));
	vgg_model_free(m);
}

/* Initialisers that are listed as inputs too, as before IR version 4. */
TEST(initialisers_listed_as_inputs)
{
	struct onnx_build *b = image(9);
	struct vgg_model *m;

	onnx_build_input(b, "w", ONNX_TEST_FLOAT, 4, DIMS(2, 3, 1, 1));
	onnx_build_random(b, "w", 4, DIMS(2, 3, 1, 1));
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("conv", ops(m));
	vgg_model_free(m);
}

/* The same weights may serve twice. */
TEST(shared_weights)
{
	struct onnx_build *b = image(13);
	struct vgg_model *m;

	onnx_build_random(b, "w", 4, DIMS(3, 3, 1, 1));
	onnx_build_node(b, "Conv", "c1", "x,w", "t");
	onnx_build_node(b, "Conv", "c2", "t,w", "y");
	onnx_build_output(b, "y");
	m = import(b);
	ASSERT_EQ(2u, m->count);
	EXPECT_EQ(0, memcmp(m->layers[0].weight.data, m->layers[1].weight.data,
			    9 * sizeof(float)));
	EXPECT_TRUE(m->layers[0].weight.data != m->layers[1].weight.data);
	vgg_model_free(m);
}

/*
 * Types and places of data.
 */
static struct vgg_model *conv_1x1(struct onnx_build *b)
{
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	onnx_build_output(b, "y");
	return import(b);
}

static void check_weights(struct vgg_model *m, float w0, float w1, float w2)
{
	const float *w = vgg_blob_f32(&m->layers[0].weight);

	ASSERT_EQ(3u, m->layers[0].weight.count);
	EXPECT_NEAR(w0, w[0], 0);
	EXPECT_NEAR(w1, w[1], 0);
	EXPECT_NEAR(w2, w[2], 0);
	vgg_model_free(m);
}

TEST(types_of_weights)
{
	const uint16_t f16[] = { 0x3c00, 0xc000, 0x3800 };
	const uint16_t bf16[] = { 0x3f80, 0xc000, 0x3f00 };
	const double f64[] = { 1, -2, 0.5 };
	struct onnx_build *b = image(13);

	onnx_build_tensor(b, "w", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, 4,
			  DIMS(1, 3, 1, 1), f16);
	check_weights(conv_1x1(b), 1, -2, 0.5f);
	b = image(13);
	onnx_build_tensor(b, "w", ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, 4,
			  DIMS(1, 3, 1, 1), bf16);
	check_weights(conv_1x1(b), 1, -2, 0.5f);
	b = image(13);
	onnx_build_tensor(b, "w", ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, 4,
			  DIMS(1, 3, 1, 1), f64);
	check_weights(conv_1x1(b), 1, -2, 0.5f);
}

/* Data as a list of numbers in place of bytes. */
static Onnx__TensorProto *without_bytes(struct onnx_build *b, int type)
{
	const double nothing[3] = { 0 };
	Onnx__TensorProto *t =
		onnx_build_tensor(b, "w", type, 4, DIMS(1, 3, 1, 1), nothing);

	free(t->raw_data.data);
	t->raw_data = (ProtobufCBinaryData){ 0 };
	t->has_raw_data = false;
	return t;
}

TEST(typed_lists)
{
	struct onnx_build *b = image(13);
	Onnx__TensorProto *t = without_bytes(b, ONNX_TEST_FLOAT);
	int i;

	t->float_data = malloc(3 * sizeof(float));
	t->n_float_data = 3;
	for (i = 0; i < 3; i++)
		t->float_data[i] = (float)i;
	check_weights(conv_1x1(b), 0, 1, 2);
	b = image(13);
	t = without_bytes(b, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16);
	t->int32_data = malloc(3 * sizeof(int32_t));
	t->n_int32_data = 3;
	for (i = 0; i < 3; i++)
		t->int32_data[i] = 0x3c00 + i * 0x400;
	check_weights(conv_1x1(b), 1, 2, 4);
}

static Onnx__TensorProto *external(struct onnx_build *b, const char *location,
				   const char *offset, const char *length)
{
	const char *const keys[] = { "location", "offset", "length" };
	const char *const values[] = { location, offset, length };
	Onnx__TensorProto *t = without_bytes(b, ONNX_TEST_FLOAT);
	int i;

	t->has_data_location = true;
	t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
	for (i = 0; i < 3; i++) {
		Onnx__StringStringEntryProto *e = malloc(sizeof(*e));

		if (!values[i]) {
			free(e);
			continue;
		}
		onnx__string_string_entry_proto__init(e);
		e->key = onnx_build_string(keys[i]);
		e->value = onnx_build_string(values[i]);
		onnx_build_append(&t->external_data, &t->n_external_data, e);
	}
	return t;
}

TEST(external_data)
{
	const float data[] = { 9, 1, 2, 3 };
	char path[256], bytes[17];
	struct onnx_build *b;

	snprintf(path, sizeof(path), "%s/w.bin", test_tmpdir());
	onnx_build_write(path, data, sizeof(data));
	b = image(13);
	external(b, "w.bin", "4", "12");
	check_weights(conv_1x1(b), 1, 2, 3);
	b = image(13);
	external(b, "./w.bin", "4", NULL);
	check_weights(conv_1x1(b), 1, 2, 3);
	/* Nothing need be aligned there. */
	memcpy(bytes + 1, data, sizeof(data));
	onnx_build_write(path, bytes, sizeof(bytes));
	b = image(13);
	external(b, "w.bin", "5", "12");
	check_weights(conv_1x1(b), 1, 2, 3);
}

static void refuse_external(const char *location, const char *offset,
			    const char *length, const char *text)
{
	struct onnx_build *b = image(13);
	struct vgg_model *m;
	char path[256];

	snprintf(path, sizeof(path), "%s/m.onnx", test_tmpdir());
	external(b, location, offset, length);
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	onnx_build_output(b, "y");
	onnx_build_save(b, path);
	onnx_build_free(b);
	EXPECT_NE(0, onnx_import(path, &m));
	EXPECT_CONTAINS(vgg_error_last()->what, text);
	EXPECT_STREQ(path, vgg_error_last()->where);
}

TEST(external_data_refused)
{
	const float data[4] = { 0 };
	char path[256];

	snprintf(path, sizeof(path), "%s/w.bin", test_tmpdir());
	onnx_build_write(path, data, sizeof(data));
	refuse_external("/etc/passwd", "0", "12",
			"not below the model's folder");
	refuse_external("../w.bin", "0", "12", "not below the model's folder");
	refuse_external("a/../../w.bin", "0", "12", "not below");
	refuse_external("", "0", "12", "not below the model's folder");
	refuse_external(NULL, "0", "12", "not below the model's folder");
	refuse_external("none.bin", "0", "12", "none.bin: cannot be opened");
	refuse_external("w.bin", "8", "12", "at bytes 8 to 20 of a file of 16");
	refuse_external("w.bin", "18446744073709551615", "12", "of 16 bytes");
	refuse_external("w.bin", "-4", "12", "is no number");
	refuse_external("w.bin", "99999999999999999999", "12", "is no number");
	refuse_external("w.bin", "0", "12x", "is no number");
	refuse_external("w.bin", "0", "8", "8 bytes where its shape needs 12");
}

/* A folded chain computes what the imported one does. */
TEST(folding_changes_nothing)
{
	struct onnx_build *b = image(13);
	float *before, *after;
	struct vgg_model *m;
	int i;

	conv(b, "c1", "x", "a", 3, 5);
	onnx_build_node(b, "Relu", "r1", "a", "b");
	onnx_build_float(b, "s", 1.5f);
	onnx_build_node(b, "Mul", "scale", "b,s", "c");
	pool(b, "c", "d");
	conv(b, "c2", "d", "e", 5, 4);
	onnx_build_list(b, "shape", LIST(0, -1));
	onnx_build_node(b, "Reshape", "flat", "e,shape", "f");
	onnx_build_random(b, "w", 2, DIMS(64, 10));
	onnx_build_node(b, "MatMul", "fc", "f,w", "y");
	onnx_build_output(b, "y");
	m = import(b);
	before = run(m);
	ASSERT_EQ(0, vgg_model_fold(m));
	after = run(m);
	for (i = 0; i < 10; i++)
		EXPECT_NEAR(before[i], after[i], 1e-4);
	free(before);
	free(after);
	vgg_model_free(m);
}

TEST_HARNESS_MAIN
