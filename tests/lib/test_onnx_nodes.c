// SPDX-License-Identifier: MIT
/*
 * The operator cases that the ONNX project publishes (tests/onnx/fetch brings
 * them; VGG_ONNX_TESTDATA is the folder): each case of an operator that is
 * imported gives the stored result, or is refused for a reason that
 * onnx_refused.inc lists. Neither more nor less may be refused.
 *
 * In the cases all operands are inputs of the graph. Here the first one is the
 * activation and the others are constants, as in a network: they are appended
 * to the model as initialisers.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_build.h"
#include "onnx_run.h"
#include "util/error.h"
#include "vgg_harness.h"

/* clang-format off */
static const char *const operators[] = {
	"Add",		 "AveragePool",	      "BatchNormalization",
	"Clip",		 "Conv",	      "ConvInteger",
	"DequantizeLinear", "Dropout",	      "Flatten",
	"Gemm",		 "GlobalAveragePool", "GlobalMaxPool",
	"Identity",	 "LRN",		      "LogSoftmax",
	"MatMul",	 "MatMulInteger",     "MaxPool",
	"Mul",		 "Pad",		      "QLinearConv",
	"QLinearMatMul", "QuantizeLinear",    "Relu",
	"Reshape",	 "Softmax",	      "Squeeze",
	"Transpose",	 "Unsqueeze",
};
/* clang-format on */

static const struct refused {
	const char *pattern, *text, *why;
} refused[] = {
#include "onnx_refused.inc"
};
#define N_REFUSED (sizeof(refused) / sizeof(*refused))

struct totals {
	unsigned int passed, refused, disputed, wrong;
	bool met[N_REFUSED];
};

static bool known(const char *op)
{
	size_t i;

	for (i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (!strcmp(operators[i], op))
			return true;
	return false;
}

static Onnx__ModelProto *load_model(const char *path)
{
	Onnx__ModelProto *m;
	struct vgg_file file;

	if (vgg_file_open(&file, path))
		return NULL;
	m = onnx__model_proto__unpack(NULL, file.size, file.data);
	vgg_file_close(&file);
	return m;
}

static bool ours(const Onnx__ModelProto *m)
{
	size_t i;

	for (i = 0; i < m->graph->n_node; i++)
		if (!known(m->graph->node[i]->op_type) ||
		    (m->graph->node[i]->domain && *m->graph->node[i]->domain))
			return false;
	return m->graph->n_node > 0;
}

static Onnx__TensorProto *stored(const char *folder, const char *kind, size_t i)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/test_data_set_0/%s_%zu.pb", folder,
		 kind, i);
	return onnx_load_tensor(path);
}

/* Operands become constants. Opset 22 only allowed more types for what is in
 * 21, so the cases that say 22 are valid there. */
static void adapt(Onnx__ModelProto *m, const char *folder)
{
	Onnx__TensorProto *t;
	size_t i;

	for (i = 1; i < m->graph->n_input; i++) {
		t = stored(folder, "input", i);
		if (!t)
			continue;
		free(t->name == protobuf_c_empty_string ? NULL : t->name);
		t->name = onnx_build_string(m->graph->input[i]->name);
		onnx_build_append(&m->graph->initializer,
				  &m->graph->n_initializer, t);
	}
	for (i = 0; i < m->n_opset_import; i++)
		if (m->opset_import[i]->version == 22)
			m->opset_import[i]->version = 21;
}

/* The stored first input and output, as numbers. */
struct expected {
	float *input;
	double *output;
	size_t n_in, n_out;
	int type;
};

static bool load_expected(const char *folder, struct expected *e)
{
	Onnx__TensorProto *in = stored(folder, "input", 0);
	Onnx__TensorProto *out = stored(folder, "output", 0);
	double *numbers = in ? onnx_numbers(in, &e->n_in) : NULL;
	size_t i;

	e->output = out ? onnx_numbers(out, &e->n_out) : NULL;
	e->type = out ? out->data_type : 0;
	e->input = numbers ? malloc(e->n_in * sizeof(float)) : NULL;
	for (i = 0; e->input && i < e->n_in; i++)
		e->input[i] = (float)numbers[i];
	free(numbers);
	if (in)
		onnx__tensor_proto__free_unpacked(in, NULL);
	if (out)
		onnx__tensor_proto__free_unpacked(out, NULL);
	return e->input && e->output;
}

/* Integers are exact, half floats as close as they can be. */
static double tolerance(int type)
{
	if (!onnx_is_float(type))
		return 0;
	return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ? 1e-3 : 1e-5;
}

/* NULL, or what is wrong. */
static const char *compare(const struct vgg_model *m, const struct expected *e)
{
	static char text[128];
	double rtol = tolerance(e->type);
	size_t differing = 0, i;
	float *output;

	if (e->n_in != (size_t)vgg_shape_count(&m->input) ||
	    e->n_out != (size_t)vgg_shape_count(vgg_model_output(m)))
		return "input or output has another size";
	if (onnx_run(m, e->input, &output))
		return vgg_error_last()->what;
	for (i = 0; i < e->n_out; i++)
		differing += onnx_distance(output + i, e->output + i, 1, rtol,
					   rtol ? 1e-6 : 1e-9) > 1;
	free(output);
	if (!differing)
		return NULL;
	snprintf(text, sizeof(text), "%zu of %zu values differ", differing,
		 e->n_out);
	return text;
}

static const struct refused *listed(const char *name)
{
	size_t i;

	for (i = 0; i < N_REFUSED; i++)
		if (!fnmatch(refused[i].pattern, name, 0))
			return &refused[i];
	return NULL;
}

static void check_refusal(const char *name, const struct refused *r,
			  struct totals *t)
{
	const struct vgg_error *e = vgg_error_last();

	if (r && strstr(e->what, r->text)) {
		t->met[r - refused] = true;
		t->refused++;
		return;
	}
	t->wrong++;
	test_fail(__FILE__, __LINE__, "%s is refused%s: %s", name,
		  r ? " for another reason than listed" : ", but not listed",
		  e->what);
}

/* As imported, and as it is executed. */
static const char *compare_both(struct vgg_model *m, const struct expected *e)
{
	const char *wrong = compare(m, e);

	if (!wrong && vgg_model_fold(m))
		wrong = vgg_error_last()->what;
	return wrong ? wrong : compare(m, e);
}

static void check_values(const char *name, const char *folder,
			 const struct refused *r, struct vgg_model *m,
			 struct totals *t)
{
	struct expected e = { 0 };
	const char *wrong = "stored values cannot be read";

	if (load_expected(folder, &e))
		wrong = compare_both(m, &e);
	free(e.input);
	free(e.output);
	if (!wrong && !r) {
		t->passed++;
		return;
	}
	if (wrong && r && strstr(wrong, r->text)) {
		t->met[r - refused] = true;
		t->disputed++;
		return;
	}
	t->wrong++;
	test_fail(__FILE__, __LINE__, "%s: %s", name,
		  wrong ? wrong : "is listed as refused, but passes");
}

static void run_case(const char *data, const char *name, struct totals *t)
{
	const struct refused *r = listed(name + strlen("test_"));
	char folder[384], path[512];
	struct onnx_build b = { 0 };
	struct vgg_model *m;

	snprintf(folder, sizeof(folder), "%s/node/%s", data, name);
	snprintf(path, sizeof(path), "%s/model.onnx", folder);
	b.model = load_model(path);
	if (!b.model)
		return;
	if (ours(b.model)) {
		adapt(b.model, folder);
		snprintf(path, sizeof(path), "%s/case.onnx", test_tmpdir());
		onnx_build_save(&b, path);
		if (onnx_import(path, &m))
			check_refusal(name, r, t);
		else
			check_values(name, folder, r, m, t);
		vgg_model_free(m);
	}
	onnx__model_proto__free_unpacked(b.model, NULL);
}

static int is_case(const struct dirent *d)
{
	return !strncmp(d->d_name, "test_", 5);
}

TEST_TIMEOUT(operator_cases, 300)
{
	const char *data = getenv("VGG_ONNX_TESTDATA");
	struct totals t = { 0 };
	struct dirent **list;
	char path[512];
	int i, n;

	if (!data || !*data)
		SKIP("VGG_ONNX_TESTDATA is not set; tests/onnx/fetch brings "
		     "it");
	snprintf(path, sizeof(path), "%s/node", data);
	n = scandir(path, &list, is_case, alphasort);
	if (n <= 0)
		SKIP("%s has no cases", path);
	for (i = 0; i < n; i++) {
		run_case(data, list[i]->d_name, &t);
		free(list[i]);
	}
	free(list);
	for (i = 0; i < (int)N_REFUSED; i++)
		if (!t.met[i])
			test_fail(__FILE__, __LINE__,
				  "no case is refused as \"%s\"",
				  refused[i].pattern);
	TH_LOG("%u passed, %u refused as listed, %u with a wrong stored "
	       "result, "
	       "%u failed; %d cases are of other operators",
	       t.passed, t.refused, t.disputed, t.wrong,
	       n - (int)(t.passed + t.refused + t.disputed + t.wrong));
	EXPECT_LT(150u, t.passed + t.refused);
}

/*
 * VGG-19 with its weights replaced by constants, as the ONNX project stores it.
 * Its input is the one that project's own test makes: 0, 1/n, 2/n, ...
 */
static float *ramp(size_t n)
{
	float *x = malloc(n * sizeof(*x));
	size_t i;

	for (i = 0; x && i < n; i++)
		x[i] = (float)((double)i / (double)n);
	return x;
}

/* All weights of a layer being the same, all classes are; so the values say
 * little, and are not worth a minute. */
static bool too_slow(void)
{
#ifdef __SANITIZE_ADDRESS__
	return true;
#else
	return test_emulated();
#endif
}

static void check_light(const struct vgg_model *m, const Onnx__TensorProto *t)
{
	size_t count = 0, n = (size_t)vgg_shape_count(&m->input);
	double *expected = onnx_numbers(t, &count);
	float *input = ramp(n), *output = NULL;

	ASSERT_TRUE(expected != NULL);
	ASSERT_TRUE(input != NULL);
	EXPECT_EQ(1000, vgg_shape_count(vgg_model_output(m)));
	EXPECT_EQ(1000u, count);
	ASSERT_EQ(0, onnx_run(m, input, &output));
	EXPECT_NEAR(0, onnx_distance(output, expected, count, 1e-4, 1e-9), 1);
	free(input);
	free(output);
	free(expected);
}

TEST_TIMEOUT(light_vgg19, 120)
{
	const char *data = getenv("VGG_ONNX_TESTDATA");
	unsigned int i, ops[VGG_OP_COUNT] = { 0 };
	char path[512], output[512];
	struct vgg_model *m;
	Onnx__TensorProto *t;

	snprintf(path, sizeof(path), "%s/light/light_vgg19.onnx",
		 data ? data : "");
	snprintf(output, sizeof(output), "%s/light/light_vgg19_output_0.pb",
		 data ? data : "");
	t = data ? onnx_load_tensor(output) : NULL;
	if (!t)
		SKIP("VGG_ONNX_TESTDATA has no light_vgg19");
	ASSERT_EQ(0, onnx_import(path, &m));
	for (i = 0; i < m->count; i++)
		ops[m->layers[i].op]++;
	EXPECT_EQ(16u + 3u, ops[VGG_OP_CONV]);
	EXPECT_EQ(5u, ops[VGG_OP_MAXPOOL]);
	EXPECT_EQ(18u, ops[VGG_OP_AFFINE]);
	EXPECT_EQ(1u, ops[VGG_OP_SOFTMAX]);
	if (too_slow())
		TH_LOG("20 GMAC would take too long here: structure only");
	else
		check_light(m, t);
	vgg_model_free(m);
	onnx__tensor_proto__free_unpacked(t, NULL);
}

TEST_HARNESS_MAIN
