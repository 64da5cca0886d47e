// SPDX-License-Identifier: MIT
/* The ONNX importer on quantised models: QDQ graphs, QLinear operators and
 * integer products. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_support.h"

/* x -> QuantizeLinear -> DequantizeLinear */
static void qdq(struct onnx_build *b, const char *in, const char *out,
		const char *scale, const char *zero)
{
	char inputs[96], middle[32], next[96];

	snprintf(inputs, sizeof(inputs), "%s,%s,%s", in, scale, zero);
	snprintf(middle, sizeof(middle), "%s_q", out);
	snprintf(next, sizeof(next), "%s,%s,%s", middle, scale, zero);
	onnx_build_node(b, "QuantizeLinear", "q", inputs, middle);
	onnx_build_node(b, "DequantizeLinear", "dq", next, out);
}

TEST(qdq_graph)
{
	struct onnx_build *b = image(13);
	const int8_t w[6] = { 1, -2, 3, -128, 127, 5 };
	const float scales[2] = { 0.5f, 0.25f };
	const struct vgg_layer *l;
	struct vgg_model *m;
	Onnx__NodeProto *n;
	int i;

	onnx_build_float(b, "s", 0.125f);
	onnx_build_byte(b, "z", ONNX_TEST_UINT8, 128);
	onnx_build_tensor(b, "wq", ONNX_TEST_INT8, 4, DIMS(2, 3, 1, 1), w);
	onnx_build_tensor(b, "ws", ONNX_TEST_FLOAT, 1, DIMS(2), scales);
	qdq(b, "x", "a", "s", "z");
	n = onnx_build_node(b, "DequantizeLinear", "dqw", "wq,ws", "w");
	onnx_build_int(n, "axis", 0);
	onnx_build_node(b, "Conv", "c", "a,w", "b");
	qdq(b, "b", "y", "s", "z");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("quantize dequantize conv quantize dequantize", ops(m));
	l = &m->layers[0];
	EXPECT_NEAR(0.125, l->q_scale, 0);
	EXPECT_EQ(128, l->q_zero);
	EXPECT_EQ(0, l->q_min);
	EXPECT_EQ(255, l->q_max);
	l = &m->layers[2];
	ASSERT_EQ(2u, l->weight_scale.count);
	for (i = 0; i < 6; i++)
		EXPECT_NEAR(w[i] * scales[i / 3], vgg_blob_f32(&l->weight)[i],
			    0);
	EXPECT_NEAR(0.25, vgg_blob_f32(&l->weight_scale)[1], 0);
	vgg_model_free(m);
}

/* Weights with one scale, in the layout of MatMul; the scale of uint8 weights
 * is known only if they are int8 ones in disguise. */
static void check_weight_scale(int type, int zero, const char *trans,
			       bool known)
{
	struct onnx_build *b = onnx_build_new(13);
	const uint8_t w[6] = { 1, 2, 3, 4, 5, 250 };
	struct vgg_model *m;

	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 2, DIMS(1, 3));
	onnx_build_tensor(b, "wq", type, 2, DIMS(3, 2), w);
	onnx_build_float(b, "ws", 0.5f);
	onnx_build_byte(b, "wz", type, zero);
	onnx_build_node(b, "DequantizeLinear", "dqw", "wq,ws,wz", "w0");
	onnx_build_node(b, trans, "t", "w0", "w");
	onnx_build_node(b, "MatMul", "m", "x,w", "y");
	onnx_build_output(b, "y");
	if (!strcmp(trans, "Transpose")) {
		b->graph->initializer[0]->dims[0] = 2;
		b->graph->initializer[0]->dims[1] = 3;
	}
	m = import(b);
	EXPECT_EQ(known ? 2u : 0u, m->layers[0].weight_scale.count);
	vgg_model_free(m);
}

TEST(scales_of_weights)
{
	check_weight_scale(ONNX_TEST_INT8, 0, "Identity", true);
	check_weight_scale(ONNX_TEST_INT8, 0, "Transpose", true);
	check_weight_scale(ONNX_TEST_INT8, 1, "Identity", false);
	check_weight_scale(ONNX_TEST_UINT8, 128, "Identity", true);
	check_weight_scale(ONNX_TEST_UINT8, 0, "Identity", false);
}

/* Weights that are floats in the file, quantised and dequantised by nodes. */
TEST(fake_quantised_weights)
{
	struct onnx_build *b = onnx_build_new(13);
	const float w[6] = { 0.6f, -0.3f, 1000, 10, -2.5f, 0 };
	const float expect[6] = { 0.5f, -0.5f, 63.5f, 10, -2, 0 };
	const float scales[2] = { 0.5f, 2 };
	const int8_t zeros[2] = { 0, 0 };
	struct vgg_model *m;
	Onnx__NodeProto *n;
	int i;

	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 2, DIMS(1, 3));
	onnx_build_tensor(b, "w", ONNX_TEST_FLOAT, 2, DIMS(2, 3), w);
	onnx_build_tensor(b, "ws", ONNX_TEST_FLOAT, 1, DIMS(2), scales);
	onnx_build_tensor(b, "wz", ONNX_TEST_INT8, 1, DIMS(2), zeros);
	n = onnx_build_node(b, "QuantizeLinear", "q", "w,ws,wz", "wq");
	onnx_build_int(n, "axis", 0);
	n = onnx_build_node(b, "DequantizeLinear", "dq", "wq,ws,wz", "wf");
	onnx_build_int(n, "axis", -2);
	n = onnx_build_node(b, "Gemm", "g", "x,wf", "y");
	onnx_build_int(n, "transB", 1);
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("conv", ops(m));
	EXPECT_EQ(2u, m->layers[0].weight_scale.count);
	for (i = 0; i < 6; i++)
		EXPECT_NEAR(expect[i], vgg_blob_f32(&m->layers[0].weight)[i],
			    0);
	vgg_model_free(m);
}

/* Per-channel scales follow a transposition. */
TEST(transposed_scales)
{
	struct onnx_build *b = onnx_build_new(13);
	const int8_t w[6] = { 1, 2, 3, 4, 5, 6 };
	const float scales[2] = { 0.5f, 2 };
	const struct vgg_layer *l;
	struct vgg_model *m;
	Onnx__NodeProto *n;
	int i;

	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 2, DIMS(1, 3));
	onnx_build_tensor(b, "wq", ONNX_TEST_INT8, 2, DIMS(2, 3), w);
	onnx_build_tensor(b, "ws", ONNX_TEST_FLOAT, 1, DIMS(2), scales);
	n = onnx_build_node(b, "DequantizeLinear", "dqw", "wq,ws", "w0");
	onnx_build_int(n, "axis", 0);
	onnx_build_node(b, "Transpose", "t", "w0", "w");
	n = onnx_build_node(b, "Gemm", "g", "x,w", "y");
	onnx_build_real(n, "alpha", 2);
	onnx_build_output(b, "y");
	m = import(b);
	l = &m->layers[0];
	ASSERT_EQ(2u, l->weight_scale.count);
	EXPECT_NEAR(1, vgg_blob_f32(&l->weight_scale)[0], 0);
	EXPECT_NEAR(4, vgg_blob_f32(&l->weight_scale)[1], 0);
	for (i = 0; i < 6; i++)
		EXPECT_NEAR(w[i] * (i < 3 ? 1 : 4), vgg_blob_f32(&l->weight)[i],
			    0);
	vgg_model_free(m);
}

/* The integer arithmetic of QLinearConv with a 1x1 kernel, in exact numbers:
 * all scales are powers of two. */
static int qlinear_conv(const uint8_t *x, const int8_t *w, int bias)
{
	int c, acc = bias;
	double y;

	for (c = 0; c < 3; c++)
		acc += (x[c] - 100) * w[c];
	y = nearbyint(acc * 0.125 * 0.5 / 4) + 120;
	return (int)(y < 0 ? 0 : y > 255 ? 255 : y);
}

TEST(qlinear_graph)
{
	struct onnx_build *b = onnx_build_new(13);
	const int8_t w[6] = { 100, -20, 3, -128, 127, 5 };
	const int32_t bias[2] = { 70, -300 };
	const float x[3] = { 7, 250, 130 };
	const uint8_t q[3] = { 7, 250, 130 };
	struct vgg_model *m;
	float *y;

	onnx_build_input(b, "x", ONNX_TEST_UINT8, 4, DIMS(1, 3, 1, 1));
	onnx_build_float(b, "xs", 0.125f);
	onnx_build_byte(b, "xz", ONNX_TEST_UINT8, 100);
	onnx_build_tensor(b, "w", ONNX_TEST_INT8, 4, DIMS(2, 3, 1, 1), w);
	onnx_build_float(b, "ws", 0.5f);
	onnx_build_byte(b, "wz", ONNX_TEST_INT8, 0);
	onnx_build_float(b, "ys", 4);
	onnx_build_byte(b, "yz", ONNX_TEST_UINT8, 120);
	onnx_build_tensor(b, "b", ONNX_TEST_INT32, 1, DIMS(2), bias);
	onnx_build_node(b, "QLinearConv", "c", "x,xs,xz,w,ws,wz,ys,yz,b", "t");
	pool(b, "t", "u");
	onnx_build_ints(b->graph->node[1], "pads", LIST(0, 0, 1, 1));
	onnx_build_node(b, "DequantizeLinear", "dq", "u,ys,yz", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("dequantize conv quantize maxpool dequantize", ops(m));
	EXPECT_EQ(2u, m->layers[1].weight_scale.count);
	ASSERT_EQ(0, onnx_run(m, x, &y));
	EXPECT_NEAR((qlinear_conv(q, w, 70) - 120) * 4, y[0], 0);
	EXPECT_NEAR((qlinear_conv(q, w + 3, -300) - 120) * 4, y[1], 0);
	free(y);
	vgg_model_free(m);
}

/* Dynamic quantisation's pieces: integer product, Cast, scale, bias. */
TEST(integer_product_and_scale)
{
	struct onnx_build *b = onnx_build_new(13);
	const uint8_t w[6] = { 1, 2, 3, 4, 5, 6 };
	const float x[3] = { 200, 3, 4 };
	struct vgg_model *m;
	Onnx__NodeProto *n;
	float *y;

	onnx_build_input(b, "x", ONNX_TEST_UINT8, 2, DIMS(1, 3));
	onnx_build_tensor(b, "w", ONNX_TEST_UINT8, 2, DIMS(3, 2), w);
	onnx_build_byte(b, "xz", ONNX_TEST_UINT8, 1);
	onnx_build_byte(b, "wz", ONNX_TEST_UINT8, 2);
	onnx_build_node(b, "MatMulInteger", "m", "x,w,xz,wz", "t");
	n = onnx_build_node(b, "Cast", "cast", "t", "u");
	onnx_build_int(n, "to", ONNX_TEST_FLOAT);
	onnx_build_float(b, "s", 0.5f);
	onnx_build_node(b, "Mul", "scale", "u,s", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("dequantize conv affine", ops(m));
	ASSERT_EQ(0, onnx_run(m, x, &y));
	EXPECT_NEAR(0.5 * (199 * -1 + 2 * 1 + 3 * 3), y[0], 0);
	EXPECT_NEAR(0.5 * (199 * 0 + 2 * 2 + 3 * 4), y[1], 0);
	free(y);
	vgg_model_free(m);
}

/* A Flatten between product and scale, and scales that change on the way: all
 * of it has an integer form. */
TEST(requantised_between)
{
	struct onnx_build *b = image(13);
	const int8_t w[6] = { 1, -2, 3, -128, 127, 5 };
	struct vgg_model *m;
	int i;

	onnx_build_float(b, "s", 0.125f);
	onnx_build_float(b, "t", 0.25f);
	onnx_build_byte(b, "z", ONNX_TEST_UINT8, 128);
	onnx_build_tensor(b, "wq", ONNX_TEST_INT8, 4, DIMS(2, 3, 1, 1), w);
	onnx_build_node(b, "DequantizeLinear", "dqw", "wq,s", "w");
	qdq(b, "x", "a", "s", "z");
	onnx_build_node(b, "Conv", "c", "a,w", "b");
	onnx_build_node(b, "Flatten", "f", "b", "d");
	qdq(b, "d", "e", "t", "z");
	qdq(b, "e", "g", "s", "z");
	onnx_build_node(b, "Relu", "r", "g", "h");
	qdq(b, "h", "y", "t", "z");
	onnx_build_output(b, "y");
	m = import(b);
	ASSERT_EQ(0, vgg_model_fold(m));
	EXPECT_STREQ("conv reshape affine affine", ops(m));
	EXPECT_NEAR(0.25, m->layers[0].out_q.scale, 0);
	EXPECT_NEAR(0.125, m->layers[2].out_q.scale, 0);
	EXPECT_NEAR(0.25, m->layers[3].out_q.scale, 0);
	EXPECT_NEAR(0, m->layers[3].lo, 0);
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(i == 1 || m->layers[i].out_q.pinned);
	vgg_model_free(m);
}

static Onnx__NodeProto *microsoft(struct onnx_build *b, const char *op,
				  const char *inputs, const char *out)
{
	Onnx__NodeProto *n = onnx_build_node(b, op, "ms", inputs, out);

	free(n->domain);
	n->domain = onnx_build_string("com.microsoft");
	return n;
}

/* x: 3 bytes with scale 0.125 and zero point 100. */
static struct onnx_build *bytes(void)
{
	struct onnx_build *b = onnx_build_new(13);

	onnx_build_input(b, "x", ONNX_TEST_UINT8, 2, DIMS(1, 3));
	onnx_build_float(b, "xs", 0.125f);
	onnx_build_byte(b, "xz", ONNX_TEST_UINT8, 100);
	onnx_build_float(b, "ys", 2);
	onnx_build_byte(b, "yz", ONNX_TEST_UINT8, 120);
	return b;
}

/* 2 * (sum + bias) with weights' scales 0.5 and 0.25, transposed or not. */
static void check_qgemm(bool trans, bool quantized)
{
	struct onnx_build *b = bytes();
	const int8_t w[6] = { 10, -20, 3, -128, 12, 5 };
	const int8_t turned[6] = { 10, -128, -20, 12, 3, 5 };
	const float scales[2] = { 0.5f, 0.25f }, x[3] = { 7, 250, 130 };
	const int32_t bias[2] = { 70, -300 };
	const int sum[2] = { -93 * 10 + 150 * -20 + 30 * 3 + 70,
			     -93 * -128 + 150 * 12 + 30 * 5 - 300 };
	struct vgg_model *m;
	Onnx__NodeProto *n;
	float *y;

	onnx_build_tensor(b, "w", ONNX_TEST_INT8, 2,
			  trans ? DIMS(2, 3) : DIMS(3, 2), trans ? w : turned);
	onnx_build_tensor(b, "ws", ONNX_TEST_FLOAT, 1, DIMS(2), scales);
	onnx_build_tensor(b, "wz", ONNX_TEST_INT8, 1, DIMS(2), "\0\0");
	onnx_build_tensor(b, "b", ONNX_TEST_INT32, 1, DIMS(2), bias);
	n = microsoft(b, "QGemm",
		      quantized ? "x,xs,xz,w,ws,wz,b,ys,yz" :
				  "x,xs,xz,w,ws,wz,b",
		      quantized ? "t" : "y");
	onnx_build_real(n, "alpha", 2);
	onnx_build_int(n, "transB", trans);
	if (quantized)
		onnx_build_node(b, "DequantizeLinear", "dq", "t,ys,yz", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ(quantized ? "dequantize conv quantize dequantize" :
				 "dequantize conv",
		     ops(m));
	EXPECT_EQ(2u, m->layers[1].weight_scale.count);
	EXPECT_NEAR(0.5, vgg_blob_f32(&m->layers[1].weight_scale)[1], 0);
	ASSERT_EQ(0, onnx_run(m, x, &y));
	/* -480.5 and 851.5, in steps of 2 from -240 to 270. */
	EXPECT_NEAR(quantized ? -240 : sum[0] * 0.125, y[0], 0);
	EXPECT_NEAR(quantized ? 270 : sum[1] * 0.0625, y[1], 0);
	free(y);
	vgg_model_free(m);
}

TEST(qgemm)
{
	check_qgemm(false, false);
	check_qgemm(true, false);
	check_qgemm(false, true);
	check_qgemm(true, true);
}

/* The constant may be either side. */
static void check_qlinear_add(const char *inputs)
{
	struct onnx_build *b = bytes();
	const uint8_t c[3] = { 10, 20, 250 };
	const float x[3] = { 108, 116, 100 };
	struct vgg_model *m;
	float *y;

	onnx_build_tensor(b, "c", ONNX_TEST_UINT8, 1, DIMS(3), c);
	onnx_build_float(b, "cs", 4);
	onnx_build_byte(b, "cz", ONNX_TEST_UINT8, 20);
	microsoft(b, "QLinearAdd", inputs, "t");
	onnx_build_node(b, "DequantizeLinear", "dq", "t,ys,yz", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("dequantize affine quantize dequantize", ops(m));
	ASSERT_EQ(0, onnx_run(m, x, &y));
	/* 1 - 40, 2 + 0, 0 + 920 in steps of 2, half to even, up to 270 */
	EXPECT_NEAR(-40, y[0], 0);
	EXPECT_NEAR(2, y[1], 0);
	EXPECT_NEAR(270, y[2], 0);
	free(y);
	vgg_model_free(m);
}

TEST(qlinear_add)
{
	check_qlinear_add("x,xs,xz,c,cs,cz,ys,yz");
	check_qlinear_add("c,cs,cz,x,xs,xz,ys,yz");
}

static void check_qlinear_average(const char *op)
{
	struct onnx_build *b = onnx_build_new(13);
	const float x[4] = { 100, 104, 108, 120 };
	struct vgg_model *m;
	Onnx__NodeProto *n;
	float *y;

	onnx_build_input(b, "x", ONNX_TEST_UINT8, 4, DIMS(1, 1, 2, 2));
	onnx_build_float(b, "xs", 0.5f);
	onnx_build_byte(b, "xz", ONNX_TEST_UINT8, 100);
	onnx_build_float(b, "ys", 1);
	onnx_build_byte(b, "yz", ONNX_TEST_UINT8, 7);
	n = microsoft(b, op, "x,xs,xz,ys,yz", "t");
	if (!strcmp(op, "QLinearAveragePool"))
		onnx_build_ints(n, "kernel_shape", LIST(2, 2));
	onnx_build_int(n, "channels_last", 0);
	onnx_build_node(b, "DequantizeLinear", "dq", "t,ys,yz", "y");
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("dequantize avgpool quantize dequantize", ops(m));
	ASSERT_EQ(0, onnx_run(m, x, &y));
	EXPECT_NEAR(4, y[0], 0);
	free(y);
	vgg_model_free(m);
}

TEST(qlinear_average)
{
	check_qlinear_average("QLinearAveragePool");
	check_qlinear_average("QLinearGlobalAveragePool");
}

TEST_HARNESS_MAIN
