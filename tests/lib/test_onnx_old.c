// SPDX-License-Identifier: MIT
/* The ONNX importer on what files of the first years have: operator sets 3 to 8,
 * from Caffe2 and MXNet. */
#include <stdlib.h>
#include <string.h>

#include "onnx_support.h"

/* Caffe2's head: a product that takes an image, or the old forms of Reshape. */
static void build_head(struct onnx_build *b, const char *reshape, int is_test)
{
	const char *flat = *reshape ? "flat" : "x";
	Onnx__NodeProto *n;

	onnx_build_random(b, "w", 2, DIMS(4, 192));
	onnx_build_random(b, "c", 1, DIMS(4));
	if (!strcmp(reshape, "input")) {
		onnx_build_list(b, "shape", LIST(1, 192));
		onnx_build_node(b, "Reshape", "r", "x,shape", flat);
	} else if (*reshape) {
		n = onnx_build_node(b, "Reshape", "r", "x", flat);
		onnx_build_ints(n, "shape", LIST(0, -1));
	}
	n = onnx_build_node(b, "Gemm", "fc", *reshape ? "flat,w,c" : "x,w,c",
			    "a");
	onnx_build_int(n, "broadcast", 1);
	onnx_build_int(n, "transB", 1);
	n = onnx_build_node(b, "Dropout", "d", "a", "y,mask");
	onnx_build_real(n, "ratio", 0.5f);
	if (is_test >= 0)
		onnx_build_int(n, "is_test", is_test);
	onnx_build_output(b, "y");
}

static float *run_head(int opset, const char *reshape)
{
	struct onnx_build *b = image(opset);
	struct vgg_model *m;
	float x[192], *y;
	int i;

	build_head(b, reshape, opset < 7 ? 1 : -1);
	m = import(b);
	EXPECT_STREQ("reshape conv", ops(m));
	for (i = 0; i < 192; i++)
		x[i] = (float)(i * 37 % 64) / 32 - 1;
	ASSERT_EQ(0, onnx_run(m, x, &y));
	vgg_model_free(m);
	return y;
}

TEST(heads_of_caffe2)
{
	float *now = run_head(9, "input"), *old;
	const struct {
		int opset;
		const char *reshape;
	} form[] = { { 3, "" },	     { 3, "attribute" }, { 4, "attribute" },
		     { 6, "input" }, { 8, "" },		 { 8, "input" } };
	size_t i;

	for (i = 0; i < sizeof(form) / sizeof(*form); i++) {
		old = run_head(form[i].opset, form[i].reshape);
		EXPECT_EQ(0, memcmp(now, old, 4 * sizeof(*now)));
		free(old);
	}
	free(now);
}

/* Ends b; its import must fail in these words. */
static void refuse(struct onnx_build *b, const char *text)
{
	char path[256];
	struct vgg_model *m;

	snprintf(path, sizeof(path), "%s/m.onnx", test_tmpdir());
	onnx_build_save(b, path);
	onnx_build_free(b);
	EXPECT_NE(0, onnx_import(path, &m));
	EXPECT_CONTAINS(vgg_error_last()->what, text);
}

TEST(training_was_the_default)
{
	struct onnx_build *b = image(6);

	build_head(b, "", -1);
	refuse(b, "node 'd' (Dropout): is in training mode");
	b = image(6);
	build_head(b, "", 0);
	refuse(b, "is in training mode");
	b = image(7);
	build_head(b, "", 0);
	refuse(b, "is in training mode");
}

static struct onnx_build *batch_norm(int opset, int64_t values,
				     Onnx__NodeProto **node)
{
	static const char *const names[] = { "g", "b", "m", "v" };
	struct onnx_build *b = image(opset);
	float ones[192];
	int i;

	for (i = 0; i < 192; i++)
		ones[i] = 1;
	for (i = 0; i < 4; i++)
		onnx_build_tensor(b, names[i], ONNX_TEST_FLOAT, 1, DIMS(values),
				  ones);
	*node = onnx_build_node(b, "BatchNormalization", "bn", "x,g,b,m,v",
				"y");
	onnx_build_real(*node, "epsilon", 3);
	onnx_build_output(b, "y");
	return b;
}

TEST(batch_norm_of_mxnet)
{
	Onnx__NodeProto *n;
	struct onnx_build *b = batch_norm(7, 3, &n);
	struct vgg_model *m;

	onnx_build_int(n, "spatial", 0);
	m = import(b);
	EXPECT_STREQ("affine", ops(m));
	EXPECT_NEAR(0.5, vgg_blob_f32(&m->layers[0].scale)[2], 0);
	EXPECT_NEAR(0.5, vgg_blob_f32(&m->layers[0].shift)[2], 0);
	vgg_model_free(m);
	b = batch_norm(7, 192, &n);
	onnx_build_int(n, "spatial", 0);
	refuse(b, "spatial 0: statistics of each pixel");
	b = batch_norm(6, 3, &n);
	refuse(b, "is in training mode");
	b = batch_norm(6, 3, &n);
	onnx_build_int(n, "is_test", 1);
	m = import(b);
	EXPECT_STREQ("affine", ops(m));
	vgg_model_free(m);
}

/* Where memory may be reused is no part of the function, while it is written. */
TEST(consumed_inputs)
{
	struct onnx_build *b = image(5);
	struct vgg_model *m;

	onnx_build_ints(onnx_build_node(b, "Relu", "r", "x", "y"),
			"consumed_inputs", LIST(0));
	onnx_build_output(b, "y");
	m = import(b);
	EXPECT_STREQ("affine", ops(m));
	vgg_model_free(m);
	b = image(6);
	onnx_build_ints(onnx_build_node(b, "Relu", "r", "x", "y"),
			"consumed_inputs", LIST(0));
	onnx_build_output(b, "y");
	refuse(b, "attribute 'consumed_inputs' is unknown");
}

TEST_HARNESS_MAIN
