/* SPDX-License-Identifier: MIT */
/* What the tests of the ONNX importer share. */
#ifndef ONNX_SUPPORT_H
#define ONNX_SUPPORT_H

#include "onnx_build.h"
#include "onnx_run.h"
#include "util/error.h"
#include "vgg_harness.h"

#define DIMS(...)           \
	(const int64_t[])   \
	{                   \
		__VA_ARGS__ \
	}
#define LIST(...) \
	(int)(sizeof(DIMS(__VA_ARGS__)) / sizeof(int64_t)), DIMS(__VA_ARGS__)

/* Ends b and imports it. */
static inline struct vgg_model *import(struct onnx_build *b)
{
	char path[256];
	struct vgg_model *m;
	int err;

	snprintf(path, sizeof(path), "%s/m.onnx", test_tmpdir());
	onnx_build_save(b, path);
	onnx_build_free(b);
	err = onnx_import(path, &m);
	if (err)
		TH_LOG("%s", vgg_error_last()->what);
	ASSERT_EQ(0, err);
	return m;
}

/* The operators in order, as one text. */
static inline const char *ops(const struct vgg_model *m)
{
	static char text[512];
	size_t used = 0;
	unsigned int i;

	*text = 0;
	for (i = 0; i < m->count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s%s", i ? " " : "",
					 vgg_op_name(m->layers[i].op));
	return text;
}

static inline const char *output(const struct vgg_model *m)
{
	static char text[64];

	return vgg_shape_text(vgg_model_output(m), text, sizeof(text));
}

/* A 1 x 3 x 8 x 8 input, the batch being a name. */
static inline struct onnx_build *image(int opset)
{
	struct onnx_build *b = onnx_build_new(opset);

	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 4, DIMS(-1, 3, 8, 8));
	return b;
}

static inline void pool(struct onnx_build *b, const char *in, const char *out)
{
	Onnx__NodeProto *n = onnx_build_node(b, "MaxPool", out, in, out);

	onnx_build_ints(n, "kernel_shape", LIST(2, 2));
	onnx_build_ints(n, "strides", LIST(2, 2));
}

#endif
