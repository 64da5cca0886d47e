// SPDX-License-Identifier: MIT
/* What the ONNX importer refuses, in which words, and that no damaged file can
 * do more than make it fail. */
#include <stdlib.h>
#include <string.h>

#include "onnx_support.h"

static const char where[] = "folder/hostile.onnx";

/* Imports bytes from memory of exactly their size, so that reading beyond
 * shows. What succeeds is folded too. */
static int import_bytes(const uint8_t *data, size_t size)
{
	struct vgg_model *m = vgg_model_new();
	uint8_t *copy = malloc(size ? size : 1);
	struct vgg_file file = { .data = size ? copy : NULL, .size = size };
	int err;

	ASSERT_TRUE(m && copy);
	if (size)
		memcpy(copy, data, size);
	err = vgg_import_onnx(where, &file, m);
	free(copy);
	if (!err)
		vgg_model_fold(m);
	vgg_model_free(m);
	return err;
}

/* Ends b. The error must have the code, the text, the file and a next step. */
static void refuse(struct onnx_build *b, enum vgg_error_code code,
		   const char *text)
{
	const struct vgg_error *e = vgg_error_last();
	size_t size;
	uint8_t *data = onnx_build_pack(b, &size);

	EXPECT_NE(0, import_bytes(data, size));
	EXPECT_CONTAINS(e->what, text);
	EXPECT_STREQ(where, e->where);
	if (e->code != code)
		test_fail(__FILE__, __LINE__, "%s: %s", e->name, e->what);
	free(data);
	onnx_build_free(b);
}

static struct onnx_build *square(int opset)
{
	struct onnx_build *b = onnx_build_new(opset);

	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 4, DIMS(1, 3, 8, 8));
	onnx_build_output(b, "y");
	return b;
}

/* x -> conv5 -> y, to be changed. */
static struct onnx_build *one_conv(Onnx__NodeProto **node)
{
	struct onnx_build *b = square(13);

	onnx_build_random(b, "w", 4, DIMS(4, 3, 3, 3));
	*node = onnx_build_node(b, "Conv", "conv5", "x,w", "y");
	return b;
}

TEST(convolutions)
{
	struct onnx_build *b;
	Onnx__NodeProto *n;

	b = one_conv(&n);
	onnx_build_ints(n, "dilations", LIST(2, 2));
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "node 'conv5' (Conv): dilations 2x2; only 1x1 is supported");
	b = one_conv(&n);
	onnx_build_int(n, "group", 3);
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "node 'conv5' (Conv): group 3; only 1 is supported");
	b = one_conv(&n);
	onnx_build_int(n, "magic", 3);
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "node 'conv5' (Conv): attribute 'magic' is unknown");
	b = one_conv(&n);
	onnx_build_ints(n, "pads", LIST(1, -1, 1, 1));
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "pads of -1");
	b = one_conv(&n);
	onnx_build_ints(n, "pads", LIST(1, 1));
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "pads has 2 numbers");
	b = one_conv(&n);
	onnx_build_ints(n, "strides", LIST(0, 1));
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "strides 0x1");
	b = one_conv(&n);
	onnx_build_ints(n, "strides", LIST(1, 1, 1));
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "strides has 3 numbers; only 2-D windows are supported");
	b = one_conv(&n);
	onnx_build_ints(n, "kernel_shape", LIST(5, 3));
	refuse(b, VGG_ERROR_MODEL_SHAPE,
	       "kernel_shape 5x3, but weights of 3x3");
	b = one_conv(&n);
	onnx_build_text(n, "auto_pad", "SOMEHOW");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "auto_pad 'SOMEHOW' is unknown");
	b = one_conv(&n);
	onnx_build_int(n, "strides", 2);
	refuse(b, VGG_ERROR_MODEL_FORMAT,
	       "attribute 'strides' has the wrong type");
}

TEST(shapes)
{
	struct onnx_build *b;

	b = square(13);
	onnx_build_random(b, "w", 4, DIMS(4, 5, 3, 3));
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	refuse(b, VGG_ERROR_MODEL_SHAPE,
	       "node 'c' (Conv): weights for 5 channels, but the input has 3");
	b = square(13);
	onnx_build_random(b, "w", 4, DIMS(4, 3, 9, 9));
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	refuse(b, VGG_ERROR_MODEL_SHAPE, "does not fit a 8x8 input");
	b = square(13);
	onnx_build_random(b, "w", 5, DIMS(4, 3, 3, 3, 3));
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "weights of rank 5; only 2-D convolutions are supported");
	b = square(13);
	onnx_build_random(b, "w", 2, DIMS(192, 4));
	onnx_build_node(b, "MatMul", "fc", "x,w", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "node 'fc' (MatMul): gets a tensor of rank 4");
	b = square(13);
	onnx_build_list(b, "s", LIST(7, -1));
	onnx_build_node(b, "Reshape", "r", "x,s", "y");
	refuse(b, VGG_ERROR_MODEL_SHAPE, "192 elements do not divide");
	b = square(13);
	onnx_build_list(b, "s", LIST(2, 96, 2));
	onnx_build_node(b, "Reshape", "r", "x,s", "y");
	refuse(b, VGG_ERROR_MODEL_SHAPE, "cannot reshape");
	b = square(13);
	onnx_build_list(b, "s", LIST(1, 1, 1, 1, 192));
	onnx_build_node(b, "Reshape", "r", "x,s", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "makes a tensor of rank 5");
	b = square(13);
	onnx_build_random(b, "s", 4, DIMS(1, 3, 8, 1));
	onnx_build_node(b, "Add", "a", "x,s", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "neither one value nor one per channel");
}

TEST(graphs)
{
	struct onnx_build *b;

	b = square(13);
	onnx_build_node(b, "Relu", "r", "x", "t");
	onnx_build_node(b, "Add", "Add_12", "x,t", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "node 'Add_12' (Add) joins two branches; vggaccel runs chains "
	       "only");
	b = square(13);
	onnx_build_node(b, "Concat", "cat", "x,x", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "'cat' (Concat) joins two");
	b = square(13);
	onnx_build_node(b, "Tanh", "squash", "x", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "node 'squash' (Tanh): this operator is not supported");
	b = square(13);
	onnx_build_node(b, "FusedConv", "f", "x", "y");
	b->graph->node[0]->domain = onnx_build_string("com.microsoft");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "of the domain 'com.microsoft'");
	b = square(13);
	onnx_build_output(b, "x");
	onnx_build_node(b, "Relu", "r", "x", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "the graph has 2 outputs");
	b = square(13);
	onnx_build_input(b, "w", ONNX_TEST_FLOAT, 4, DIMS(4, 3, 3, 3));
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "input 1 ('w') is an input of the graph; it must be constant");
	b = square(13);
	onnx_build_node(b, "Relu", "r", "x", "w");
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "is computed while the network runs; it must be constant");
	b = square(13);
	onnx_build_random(b, "w", 4, DIMS(4, 3, 3, 3));
	onnx_build_node(b, "Conv", "c", "w,x", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "input 1 comes from the network's input; only input 0 may");
	b = square(13);
	onnx_build_node(b, "MaxPool", "p", "x", "t,y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "its output 1 is used");
	b = square(13);
	onnx_build_random(b, "w", 1, DIMS(3));
	onnx_build_node(b, "Relu", "r", "w", "y");
	refuse(b, VGG_ERROR_MODEL_FORMAT,
	       "does not depend on the network's input");
}

TEST(operators)
{
	struct onnx_build *b;
	Onnx__NodeProto *n;
	const uint8_t one = 1;

	b = square(13);
	onnx_build_float(b, "r", 0.5f);
	onnx_build_tensor(b, "t", ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, 0, NULL,
			  &one);
	onnx_build_node(b, "Dropout", "drop", "x,r,t", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "node 'drop' (Dropout): is in training mode");
	b = square(9);
	onnx_build_random(b, "g", 1, DIMS(3));
	n = onnx_build_node(b, "BatchNormalization", "bn", "x,g,g,g,g",
			    "y,m,v");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "is in training mode");
	b = square(13);
	onnx_build_list(b, "p", LIST(0, 0, 1, 1, 0, 0, 1, 1));
	n = onnx_build_node(b, "Pad", "pad", "x,p", "y");
	onnx_build_text(n, "mode", "reflect");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "mode 'reflect'; only 'constant' is supported");
	b = square(13);
	onnx_build_list(b, "p", LIST(0, 1, 0, 0, 0, 0, 0, 0));
	onnx_build_node(b, "Pad", "pad", "x,p", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "pads axis 1 of a rank-4");
	b = square(13);
	onnx_build_list(b, "p", LIST(0, 0, -1, 0, 0, 0, 0, 0));
	onnx_build_node(b, "Pad", "pad", "x,p", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "pads of -1");
	b = square(13);
	n = onnx_build_node(b, "Transpose", "t", "x", "y");
	onnx_build_ints(n, "perm", LIST(0, 2, 3, 1));
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "it reorders activations");
	b = square(13);
	n = onnx_build_node(b, "MaxPool", "p", "x", "y");
	onnx_build_ints(n, "kernel_shape", LIST(2, 2));
	onnx_build_int(n, "storage_order", 1);
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "storage_order 1");
	b = square(13);
	n = onnx_build_node(b, "AveragePool", "p", "x", "y");
	onnx_build_ints(n, "kernel_shape", LIST(3, 3));
	onnx_build_ints(n, "strides", LIST(2, 2));
	onnx_build_int(n, "ceil_mode", 1);
	onnx_build_int(n, "count_include_pad", 1);
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "ceil_mode with count_include_pad");
	b = square(13);
	onnx_build_node(b, "MaxPool", "p", "x", "y");
	refuse(b, VGG_ERROR_MODEL_FORMAT, "kernel_shape is missing");
	b = square(13);
	n = onnx_build_node(b, "Softmax", "s", "x", "y");
	onnx_build_int(n, "axis", 4);
	refuse(b, VGG_ERROR_MODEL_SHAPE, "axis 4 of a tensor of rank 4");
	b = square(13);
	n = onnx_build_node(b, "Cast", "cast", "x", "y");
	onnx_build_int(n, "to", ONNX_TEST_INT8);
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "casts activations to INT8");
}

TEST(files)
{
	struct onnx_build *b;
	Onnx__TensorProto *t;

	refuse(onnx_build_new(6), VGG_ERROR_MODEL_UNSUPPORTED, "0 outputs");
	refuse(square(2), VGG_ERROR_MODEL_UNSUPPORTED,
	       "uses operator set 2; 3 to 21 are supported");
	refuse(square(22), VGG_ERROR_MODEL_UNSUPPORTED, "uses operator set 22");
	b = square(13);
	free(b->model->opset_import[0]->domain);
	b->model->opset_import[0]->domain = onnx_build_string("other");
	refuse(b, VGG_ERROR_MODEL_FORMAT, "does not say its operator set");
	refuse(square(13), VGG_ERROR_MODEL_FORMAT,
	       "no node makes the graph's output");
	b = onnx_build_new(13);
	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 4, DIMS(1, 3, -1, 8));
	onnx_build_node(b, "Relu", "r", "x", "y");
	onnx_build_output(b, "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "the size of axis 2 of input 'x' is not fixed");
	b = onnx_build_new(13);
	onnx_build_input(b, "x", ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, 4,
			 DIMS(1, 3, 8, 8));
	onnx_build_node(b, "Relu", "r", "x", "y");
	onnx_build_output(b, "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "input 'x' is of type DOUBLE");
	b = onnx_build_new(13);
	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 4,
			 DIMS(1, INT64_MAX, INT64_MAX, 8));
	onnx_build_node(b, "Relu", "r", "x", "y");
	onnx_build_output(b, "y");
	refuse(b, VGG_ERROR_MODEL_SHAPE, "dimension 1 of a tensor");
	b = square(13);
	t = onnx_build_random(b, "w", 4, DIMS(4, 3, 3, 3));
	t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "'w' is of type STRING");
}

/* Wrong in themselves. */
TEST(damaged_tensors)
{
	struct onnx_build *b;
	Onnx__TensorProto *t;
	unsigned int i;
	static const struct {
		int64_t dim;
		const char *text;
	} cases[] = {
		{ -4, "dimension 0 of w is -4" },
		{ INT64_MIN, "dimension 0 of w is" },
		{ INT64_MAX, "w has more than 2^31 elements" },
		{ (int64_t)1 << 40, "w has more than 2^31 elements" },
		{ 5, "'w' has 432 bytes where its shape needs 540" },
		{ 0, "'w' has 432 bytes where its shape needs 0" },
	};

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		b = square(13);
		t = onnx_build_random(b, "w", 4, DIMS(4, 3, 3, 3));
		t->dims[0] = cases[i].dim;
		onnx_build_node(b, "Conv", "c", "x,w", "y");
		refuse(b, VGG_ERROR_MODEL_FORMAT, cases[i].text);
	}
	b = square(13);
	onnx_build_random(b, "w", 4, DIMS(0, 3, 3, 3));
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	refuse(b, VGG_ERROR_MODEL_SHAPE, "0 weights");
	b = square(13);
	onnx_build_random(b, "w", 9, DIMS(4, 3, 3, 3, 1, 1, 1, 1, 1));
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "w has 9 dimensions");
}

TEST(damaged_graphs)
{
	struct onnx_build *b;
	int i;

	b = square(13);
	onnx_build_node(b, "Relu", "r1", "b", "a");
	onnx_build_node(b, "Relu", "r2", "a", "b");
	onnx_build_node(b, "Relu", "r3", "b", "y");
	refuse(b, VGG_ERROR_MODEL_FORMAT,
	       "node 'r1' (Relu): reads what a later node makes");
	b = square(13);
	onnx_build_node(b, "Relu", "r", "y", "y");
	refuse(b, VGG_ERROR_MODEL_FORMAT, "reads what a later node makes");
	b = square(13);
	onnx_build_node(b, "Conv", "c", "x,w7", "y");
	refuse(b, VGG_ERROR_MODEL_FORMAT,
	       "node 'c' (Conv): reads 'w7', which nothing in the file "
	       "provides");
	b = square(13);
	onnx_build_node(b, "Relu", "r", "x", "y");
	onnx_build_node(b, "Relu", "r", "x", "y");
	refuse(b, VGG_ERROR_MODEL_FORMAT, "two things are named 'y'");
	b = square(13);
	onnx_build_node(b, "Conv", "c", "x,", "y");
	refuse(b, VGG_ERROR_MODEL_FORMAT, "input 1 is missing");
	b = square(13);
	onnx_build_random(b, "w0", 4, DIMS(3, 3, 1, 1));
	for (i = 0; i < 40; i++) {
		char in[16], out[16];

		snprintf(in, sizeof(in), "w%d", i);
		snprintf(out, sizeof(out), "w%d", i + 1);
		onnx_build_node(b, "Identity", "", in, out);
	}
	onnx_build_node(b, "Conv", "c", "x,w40", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "more than 32 nodes");
	/* Control characters don't reach the terminal. */
	b = square(13);
	onnx_build_node(b, "Tan\x1b[2J\xff", "bad\nname", "x", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "node 'bad?name' (Tan?[2J?)");
}

/* A small file must not become gigabytes. */
TEST(inflating_files)
{
	struct onnx_build *b;

	b = onnx_build_new(13);
	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 2, DIMS(1, 1 << 30));
	onnx_build_output(b, "y");
	onnx_build_float(b, "s", 1);
	onnx_build_node(b, "Mul", "m", "x,s", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "1073741824 channels");
	b = square(13);
	onnx_build_list(b, "s", LIST(1 << 30));
	onnx_build_node(b, "ConstantOfShape", "fill", "s", "w");
	onnx_build_node(b, "Conv", "c", "x,w", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "1073741824 elements from 1");
}

TEST(quantised)
{
	struct onnx_build *b;
	Onnx__NodeProto *n;
	int i;

	b = square(13);
	onnx_build_random(b, "s", 1, DIMS(3));
	n = onnx_build_node(b, "QuantizeLinear", "q", "x,s", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "3 scales for an activation");
	b = square(13);
	onnx_build_float(b, "s", -1);
	onnx_build_node(b, "QuantizeLinear", "q", "x,s", "y");
	refuse(b, VGG_ERROR_MODEL_FORMAT, "the scale -1");
	b = square(21);
	onnx_build_float(b, "s", 1);
	n = onnx_build_node(b, "QuantizeLinear", "q", "x,s", "y");
	onnx_build_int(n, "output_dtype", 5);
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "quantises to INT16");
	b = square(21);
	onnx_build_float(b, "s", 1);
	onnx_build_tensor(b, "z", ONNX__TENSOR_PROTO__DATA_TYPE__INT32, 0, NULL,
			  (int32_t[]){ 0 });
	onnx_build_node(b, "QuantizeLinear", "q", "x,s,z", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "quantises to int32");
	b = square(13);
	onnx_build_float(b, "s", 1);
	onnx_build_node(b, "DequantizeLinear", "d", "x,s", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "does not take float values");
	b = square(13);
	onnx_build_float(b, "s", 1);
	onnx_build_byte(b, "z", ONNX_TEST_INT8, 0);
	onnx_build_node(b, "QuantizeLinear", "q", "x,s", "t");
	onnx_build_node(b, "DequantizeLinear", "d", "t,s,z", "y");
	refuse(b, VGG_ERROR_MODEL_FORMAT,
	       "the zero point is int8, the activation uint8");
	b = square(13);
	onnx_build_float(b, "s", 1);
	onnx_build_random(b, "w", 4, DIMS(3, 3, 1, 1));
	onnx_build_node(b, "QuantizeLinear", "q", "x,s", "t");
	onnx_build_node(b, "Conv", "c", "t,w", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "node 'c' (Conv): does not take uint8 values");
	b = onnx_build_new(13);
	onnx_build_input(b, "x", ONNX_TEST_UINT8, 4, DIMS(1, 64, 8, 8));
	onnx_build_output(b, "y");
	onnx_build_random(b, "w", 4, DIMS(1, 16, 3, 3));
	b->graph->initializer[0]->data_type = ONNX_TEST_INT8;
	b->graph->initializer[0]->dims[1] = 64;
	onnx_build_node(b, "ConvInteger", "ci", "x,w", "y");
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "sums 576 products");
	for (i = 0; i < 2; i++) {
		b = square(13);
		onnx_build_random(b, "w", 4, DIMS(3, 3, 1, 1));
		b->graph->initializer[0]->dims[2] = 4;
		b->graph->initializer[0]->data_type = ONNX_TEST_INT8;
		onnx_build_random(b, "s", 1, DIMS(i ? 3 : 2));
		onnx_build_node(b, "DequantizeLinear", "dw", "w,s", "wf");
		onnx_build_node(b, "Conv", "c", "x,wf", "y");
		refuse(b,
		       i ? VGG_ERROR_MODEL_FORMAT : VGG_ERROR_MODEL_UNSUPPORTED,
		       i ? "scale " : "2 scales for 3 channels");
	}
}

/*
 * Damage. The model has one of everything.
 */
static struct onnx_build *everything(void)
{
	struct onnx_build *b = square(13);
	Onnx__NodeProto *n;
	const int8_t w[] = { 1, -2, 3, 4, 5, 6 };

	onnx_build_random(b, "w1", 4, DIMS(2, 3, 3, 3));
	onnx_build_random(b, "g", 1, DIMS(2));
	memset(b->graph->initializer[1]->raw_data.data, 0x3f, 8);
	n = onnx_build_node(b, "Conv", "c1", "x,w1,g", "a");
	onnx_build_text(n, "auto_pad", "SAME_UPPER");
	onnx_build_node(b, "BatchNormalization", "bn", "a,g,g,g,g", "b");
	onnx_build_float(b, "lo", 0);
	onnx_build_node(b, "Clip", "clip", "b,lo", "c");
	n = onnx_build_node(b, "LRN", "lrn", "c", "d");
	onnx_build_int(n, "size", 3);
	onnx_build_list(b, "p0", LIST(0, 0, 1, 1, 0, 0, 1, 1));
	onnx_build_list(b, "p1", LIST(8));
	onnx_build_node(b, "Reshape", "", "p0,p1", "p2");
	onnx_build_node(b, "Pad", "pad", "d,p2", "e");
	n = onnx_build_node(b, "AveragePool", "pool", "e", "f");
	onnx_build_ints(n, "kernel_shape", LIST(10, 10));
	onnx_build_node(b, "Shape", "", "f", "s0");
	onnx_build_list(b, "zero", LIST(0));
	onnx_build_list(b, "two", LIST(2));
	onnx_build_node(b, "Slice", "", "s0,zero,two", "s1");
	onnx_build_node(b, "Reshape", "view", "f,s1", "h");
	onnx_build_float(b, "s", 0.25f);
	onnx_build_node(b, "QuantizeLinear", "q", "h,s", "i");
	onnx_build_node(b, "DequantizeLinear", "dq", "i,s", "j");
	onnx_build_tensor(b, "wq", ONNX_TEST_INT8, 2, DIMS(3, 2), w);
	onnx_build_constant(b);
	onnx_build_node(b, "DequantizeLinear", "dw", "wq,s", "w2");
	n = onnx_build_node(b, "Transpose", "t", "w2", "w3");
	onnx_build_ints(n, "perm", LIST(1, 0));
	onnx_build_node(b, "MatMul", "m", "j,w3", "k");
	onnx_build_node(b, "Softmax", "prob", "k", "y");
	return b;
}

static uint8_t *everything_packed(size_t *size)
{
	struct onnx_build *b = everything();
	uint8_t *data = onnx_build_pack(b, size);

	onnx_build_free(b);
	if (import_bytes(data, *size))
		TH_LOG("%s", vgg_error_last()->what);
	return data;
}

/* Fails or not: never without a text and the file's name. */
static void survive(const uint8_t *data, size_t size)
{
	const struct vgg_error *e = vgg_error_last();

	if (!import_bytes(data, size))
		return;
	EXPECT_STREQ(where, e->where);
	EXPECT_TRUE(e->what[0]);
}

/* A byte tensor through an operator of ONNX Runtime's. */
static struct onnx_build *microsoft(const char *op, const char *inputs,
				    Onnx__NodeProto **node)
{
	struct onnx_build *b = onnx_build_new(13);

	onnx_build_input(b, "x", ONNX_TEST_UINT8, 4, DIMS(1, 3, 2, 2));
	onnx_build_float(b, "s", 0.5f);
	onnx_build_byte(b, "z", ONNX_TEST_UINT8, 1);
	onnx_build_tensor(b, "w", ONNX_TEST_UINT8, 2, DIMS(2, 2), "abcd");
	*node = onnx_build_node(b, op, "ms", inputs, "y");
	free((*node)->domain);
	(*node)->domain = onnx_build_string("com.microsoft");
	onnx_build_output(b, "y");
	return b;
}

TEST(operators_of_onnx_runtime)
{
	struct onnx_build *b;
	Onnx__NodeProto *n;

	b = microsoft("QGemm", "x,s,z,w,s,z", &n);
	onnx_build_int(n, "transA", 1);
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "node 'ms' (QGemm): transA 1; only 0 is supported");
	b = microsoft("QLinearAveragePool", "x,s,z,s,z", &n);
	onnx_build_int(n, "channels_last", 1);
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "channels_last 1");
	b = microsoft("QLinearAdd", "x,s,z,w,s,z,s,z", &n);
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "neither one value nor one per channel");
	b = microsoft("QLinearAdd", "w,x,z,w,s,z,s,z", &n);
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED, "only inputs 0 and 3 may");
	b = microsoft("QLinearMul", "x,s,z,w,s,z,s,z", &n);
	refuse(b, VGG_ERROR_MODEL_UNSUPPORTED,
	       "node 'ms' (QLinearMul): this operator of the domain "
	       "'com.microsoft' is not supported");
}

TEST(cut_anywhere)
{
	size_t size, i;
	uint8_t *data = everything_packed(&size);

	ASSERT_EQ(0, import_bytes(data, size));
	for (i = 0; i < size; i++) {
		if (!import_bytes(data, i))
			test_fail(__FILE__, __LINE__,
				  "the first %zu of %zu bytes are accepted", i,
				  size);
		EXPECT_STREQ(where, vgg_error_last()->where);
	}
	free(data);
}

TEST(any_byte_changed)
{
	static const uint8_t masks[] = { 0x01, 0x80, 0x7f, 0xff };
	size_t size, i, k;
	uint8_t *data = everything_packed(&size);

	for (i = 0; i < size; i++)
		for (k = 0; k < sizeof(masks); k++) {
			data[i] ^= masks[k];
			survive(data, size);
			data[i] ^= masks[k];
		}
	free(data);
}

TEST(random_damage)
{
	uint64_t state = test_seed();
	size_t size, at;
	uint8_t *good = everything_packed(&size), *bad = malloc(size);
	int i, k, rounds = test_emulated() ? 400 : 4000;

	ASSERT_TRUE(bad != NULL);
	for (i = 0; i < rounds; i++) {
		size_t n = size;

		memcpy(bad, good, size);
		for (k = (int)test_random_in(&state, 1, 6); k; k--) {
			at = (size_t)test_random_in(&state, 0, (int64_t)n - 1);
			bad[at] = (uint8_t)test_random(&state);
		}
		if (i % 4 == 0) { /* and a piece taken out */
			at = (size_t)test_random_in(&state, 0, (int64_t)n - 9);
			memmove(bad + at, bad + at + 8, n - at - 8);
			n -= 8;
		}
		survive(bad, n);
	}
	free(good);
	free(bad);
}

/* Puts a field's number and length before what lies at *at. */
static size_t wrap(uint8_t *data, size_t at, size_t end, uint8_t tag)
{
	size_t n = end - at, k = 0;
	uint8_t varint[8];

	for (; n > 0x7f; n >>= 7)
		varint[k++] = (uint8_t)(n | 0x80);
	varint[k++] = (uint8_t)n;
	at -= k;
	memcpy(data + at, varint, k);
	data[--at] = tag;
	return at;
}

/* A graph in an attribute of a node in a graph in an attribute ... */
TEST(nested_without_end)
{
	/* from the inside: attribute.g, node.attribute, graph.node */
	static const uint8_t tags[] = { 0x32, 0x2a, 0x0a };
	size_t size = 400000, at = size;
	uint8_t *data = calloc(1, size);
	int level;

	ASSERT_TRUE(data != NULL);
	for (level = 0; at > 32 || level % 3; level++)
		at = wrap(data, at, size, tags[level % 3]);
	at = wrap(data, at, size, 0x3a); /* model.graph */
	EXPECT_NE(0, import_bytes(data + at, size - at));
	EXPECT_CONTAINS(vgg_error_last()->what, "nested too deeply");
	free(data);
}

TEST(no_onnx_file)
{
	static const uint8_t png[] = "\x89PNG\r\n\x1a\n0123456789";
	uint8_t noise[512];
	uint64_t state = 1;
	size_t i;

	for (i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)test_random(&state);
	EXPECT_NE(0, import_bytes(NULL, 0));
	EXPECT_CONTAINS(vgg_error_last()->what, "has no graph");
	EXPECT_NE(0, import_bytes(png, sizeof(png)));
	EXPECT_CONTAINS(vgg_error_last()->what, "is no ONNX model");
	EXPECT_NE(0, import_bytes(noise, sizeof(noise)));
	EXPECT_CONTAINS(vgg_error_last()->what, "at byte");
}

TEST_HARNESS_MAIN
