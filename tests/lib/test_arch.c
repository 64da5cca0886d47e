// SPDX-License-Identifier: MIT
/* Named architectures: their tables, their random weights, and what they
 * compute in fp32 against PyTorch (tools/golden/logits.py). */
#include <math.h>

#include "model/arch.h"
#include "run/f32.h"
#include "util/error.h"
#include "vgg_harness.h"

#define SEED 1
#define INPUT_TENSOR 1000000 /* as in logits.py */

FIXTURE(arch)
{
	struct vgg_model *m;
};

/* Networks for 224x224 pixels take minutes where code runs slowly: there, the
 * small ones stand for most of them. */
enum where { EVERYWHERE, NOT_EMULATED, FAST_ONLY };

FIXTURE_VARIANT(arch)
{
	const char *golden;
	const char *arch;    /* NULL: as golden */
	uint64_t parameters; /* trainable ones, as PyTorch counts them */
	enum where where;
	int input, classes; /* 0: the usual ones */
};

FIXTURE_SETUP(arch)
{
	const char *arch = variant->arch ? variant->arch : variant->golden;
	struct vgg_arch_plan plan;

	self->m = vgg_model_new();
	ASSERT_TRUE(self->m);
	ASSERT_EQ(0,
		  vgg_arch_plan(arch, variant->input, variant->classes, &plan));
	ASSERT_EQ(0, vgg_plan_build(&plan, self->m));
	EXPECT_STREQ(arch, self->m->arch);
}

FIXTURE_TEARDOWN(arch)
{
	vgg_model_free(self->m);
}

#define ARCH(name, parameters, where)                \
	FIXTURE_VARIANT_ADD(arch, name)              \
	{                                            \
#name, NULL, parameters, where, 0, 0 \
	}
#define SMALL(name, side, parameters)                                    \
	FIXTURE_VARIANT_ADD(arch, name##_##side)                         \
	{                                                                \
#name "_" #side, #name, parameters, EVERYWHERE, side, 10 \
	}

ARCH(vgg11, 132863336, FAST_ONLY);
ARCH(vgg11_bn, 132868840, FAST_ONLY);
ARCH(vgg11_lrn, 132863336, FAST_ONLY);
ARCH(vgg13, 133047848, FAST_ONLY);
ARCH(vgg13_bn, 133053736, FAST_ONLY);
ARCH(vgg16, 138357544, EVERYWHERE);
ARCH(vgg16_bn, 138365992, FAST_ONLY);
ARCH(vgg16c, 133638952, FAST_ONLY);
ARCH(vgg16c_bn, 133647400, FAST_ONLY);
ARCH(vgg16_oddpad, 138357544, NOT_EMULATED);
ARCH(vgg16_stl10, 50415434, EVERYWHERE);
ARCH(vgg19, 143667240, FAST_ONLY);
ARCH(vgg19_bn, 143678248, FAST_ONLY);
ARCH(minivgg_cifar10, 2169770, EVERYWHERE);
ARCH(minivgg_cifar10_wide, 1165002, EVERYWHERE);
SMALL(vgg11_bn, 32, 28149514);
SMALL(vgg11_lrn, 32, 28144010);
SMALL(vgg16c, 32, 28919626);
SMALL(vgg16c_bn, 32, 28928074);
SMALL(vgg16_oddpad, 64, 39929674);
SMALL(vgg19, 32, 38947914);

static bool sanitized(void)
{
#ifdef __SANITIZE_ADDRESS__
	return true;
#else
	return false;
#endif
}

TEST_F(arch, has_the_right_parameters)
{
	uint64_t parameters = 0;

	for (unsigned int i = 0; i < self->m->count; i++)
		parameters += vgg_layer_parameters(&self->m->layers[i]);
	EXPECT_EQ(variant->parameters, parameters);
	EXPECT_EQ(0, vgg_model_infer(self->m));
}

TEST_F(arch, has_sound_preprocessing)
{
	const struct vgg_preprocess *p = &self->m->preprocess;

	EXPECT_EQ(self->m->input.dim[2], p->crop_h);
	EXPECT_EQ(self->m->input.dim[3], p->crop_w);
	EXPECT_GE(p->resize, p->crop_h);
	EXPECT_EQ(3, p->channels);
	for (int c = 0; c < 3; c++)
		EXPECT_GT(p->std[c], 0);
}

/*
 * The weights, bit by bit. The digest of an array is the sum of its floats' bit
 * patterns, the i-th times 2 i + 1; those of all arrays are chained.
 */
static uint64_t digest_blob(const struct vgg_blob *b, size_t channels,
			    size_t taps)
{
	const uint32_t *bits = b->data;
	uint64_t sum = 0, number;

	for (size_t i = 0; i < b->count; i++) {
		/* from out, row, column, in to out, in, row, column */
		size_t c = i % channels, t = i / channels % taps;
		size_t o = i / (channels * taps);

		number = (o * channels + c) * taps + t;
		sum += bits[i] * (2 * number + 1);
	}
	return sum;
}

static uint64_t digest_model(const struct vgg_model *m)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < m->count; i++) {
		const struct vgg_layer *l = &m->layers[i];
		size_t taps = (size_t)(l->win.kernel_h * l->win.kernel_w);

		if (l->op == VGG_OP_CONV) {
			sum = sum * 31 +
			      digest_blob(&l->weight,
					  (size_t)vgg_channels(&l->in), taps);
			sum = sum * 31 + digest_blob(&l->bias, 1, 1);
		} else if (l->scale.data) {
			sum = sum * 31 + digest_blob(&l->scale, 1, 1);
			sum = sum * 31 + digest_blob(&l->shift, 1, 1);
		}
	}
	return sum;
}

static uint64_t golden_digest(const char *arch)
{
	FILE *in = fopen(test_data("golden/logits/digests.txt"), "r");
	uint64_t value, found = 0;
	char name[64];

	ASSERT_TRUE(in);
	while (fscanf(in, "%63s %" SCNx64, name, &value) == 2)
		if (!strcmp(name, arch))
			found = value;
	fclose(in);
	return found;
}

/* The input: element i of a tensor as random.c numbers them, -2..2. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static float *seeded_input(const struct vgg_shape *s)
{
	const uint64_t step = 0x9e3779b97f4a7c15ULL;
	size_t count = (size_t)vgg_shape_count(s);
	uint64_t key = mix(SEED + (INPUT_TENSOR + 1ULL) * step);
	float *nchw = malloc(count * sizeof(*nchw));
	float *nhwc = malloc(count * sizeof(*nhwc));

	for (size_t i = 0; i < count; i++) {
		uint64_t bits = mix(key + (i + 1) * step) >> 40;

		nchw[i] = (float)(2 * (2 * ((double)bits * 0x1p-24) - 1));
	}
	vgg_to_nhwc(s, nchw, nhwc);
	free(nchw);
	return nhwc;
}

/* The largest difference, as a part of the largest output. */
static double relative_error(const float *out, const struct vgg_array *golden,
			     size_t count)
{
	double largest = 0, worst = 0;

	for (size_t i = 0; i < count; i++) {
		largest = fmax(largest, fabs((double)golden->data[i]));
		worst = fmax(worst, fabs((double)out[i] - golden->data[i]));
		if (isnan(out[i]))
			return INFINITY;
	}
	return worst / largest;
}

static double run_against(const struct vgg_model *m,
			  const struct vgg_array *golden)
{
	size_t count = (size_t)vgg_shape_count(vgg_model_output(m));
	struct vgg_threads *threads;
	float *input = seeded_input(&m->input);
	struct vgg_f32 *f32;
	double error;

	ASSERT_EQ((size_t)(golden->shape[0] * golden->shape[1]), count);
	ASSERT_EQ(0, vgg_threads_create(0, &threads));
	ASSERT_EQ(0, vgg_f32_create(m, threads, &f32));
	error = relative_error(vgg_f32_run(f32, input, NULL, NULL), golden,
			       count);
	vgg_f32_free(f32);
	vgg_threads_free(threads);
	free(input);
	return error;
}

/* The same weights to the bit, and the same output; before and after folding,
 * which must not change the function. */
TEST_F_TIMEOUT(arch, computes_what_pytorch_does, 120)
{
	bool slow = test_emulated() || sanitized();
	struct vgg_array golden;
	double plain = 0, folded;
	char path[64];

	if (test_emulated() && variant->where == NOT_EMULATED)
		SKIP("takes minutes under emulation; %s_64 stands for it",
		     variant->golden);
	if (slow && variant->where == FAST_ONLY)
		SKIP("takes minutes with sanitizers or under emulation");
	snprintf(path, sizeof(path), "golden/logits/%s.npy", variant->golden);
	ASSERT_EQ(0, vgg_array_load(test_data(path), &golden));
	ASSERT_EQ(2, golden.rank);
	ASSERT_EQ(0, vgg_random_weights(self->m, SEED));
	EXPECT_EQ((intmax_t)golden_digest(variant->golden),
		  (intmax_t)digest_model(self->m));
	if (!slow || self->m->input.dim[2] < 96) {
		plain = run_against(self->m, &golden);
		TH_LOG("%s: relative error %.2g", variant->golden, plain);
	}
	ASSERT_EQ(0, vgg_model_fold(self->m));
	folded = run_against(self->m, &golden);
	TH_LOG("%s: relative error %.2g when folded", variant->golden, folded);
	EXPECT_LE(plain, 1e-4);
	EXPECT_LE(folded, 1e-4);
	vgg_array_free(&golden);
}

/* Layer tables */

static const struct vgg_layer *layer(const struct vgg_model *m,
				     const char *name)
{
	for (unsigned int i = 0; i < m->count; i++)
		if (!strcmp(m->layers[i].name, name))
			return &m->layers[i];
	test_fail(__FILE__, __LINE__, "no layer %s", name);
	longjmp(test_state.out, 1);
}

/* The heights behind all convolutions and pools. */
static void heights(const struct vgg_model *m, char *text, size_t size)
{
	size_t used = 0;

	for (unsigned int i = 0; i < m->count; i++) {
		const struct vgg_layer *l = &m->layers[i];

		if (l->in.rank != 4 || l->out.rank != 4 ||
		    l->in.dim[2] == l->out.dim[2])
			continue;
		EXPECT_EQ(l->out.dim[2], l->out.dim[3]);
		used += (size_t)snprintf(text + used, size - used, " %d",
					 (int)l->out.dim[2]);
	}
}

static struct vgg_model *build(const char *arch)
{
	struct vgg_model *m = vgg_model_new();

	ASSERT_EQ(0, vgg_arch_build(arch, m));
	return m;
}

TEST(odd_padding_has_the_tutorial_s_sizes)
{
	struct vgg_model *m = build("vgg16_oddpad");
	char text[128];

	heights(m, text, sizeof(text));
	EXPECT_STREQ(" 222 112 110 56 54 28 26 14 12 7", text);
	EXPECT_EQ(25088, layer(m, "flatten")->out.dim[1]);
	EXPECT_EQ((int)VGG_OP_LOGSOFTMAX, (int)m->layers[m->count - 1].op);
	vgg_model_free(m);
}

TEST(vgg16_has_torchvision_s_layers)
{
	struct vgg_model *m = build("vgg16");
	const struct vgg_layer *l;
	char text[128];

	heights(m, text, sizeof(text));
	EXPECT_STREQ(" 112 56 28 14 7", text);
	l = layer(m, "features.28");
	EXPECT_EQ((int)VGG_OP_CONV, (int)l->op);
	EXPECT_EQ(512, l->out.dim[1]);
	EXPECT_EQ(1, l->win.pad_left);
	EXPECT_EQ((int)VGG_OP_AFFINE, (int)layer(m, "features.29")->op);
	EXPECT_NEAR(0, layer(m, "features.29")->lo, 0);
	EXPECT_GT(layer(m, "features.29")->hi, 3e38f);
	EXPECT_EQ((int)VGG_OP_MAXPOOL, (int)layer(m, "features.30")->op);
	EXPECT_EQ(4096, layer(m, "classifier.3")->out.dim[1]);
	EXPECT_STREQ("classifier.6", m->layers[m->count - 1].name);
	EXPECT_EQ(2, vgg_model_output(m)->rank);
	EXPECT_EQ(256, m->preprocess.resize);
	vgg_model_free(m);
}

TEST(batchnorm_stands_where_it_belongs)
{
	struct vgg_model *before = build("vgg11_bn");
	struct vgg_model *after = build("minivgg_cifar10");

	EXPECT_TRUE(layer(before, "features.1")->scale.data);
	EXPECT_FALSE(layer(before, "features.2")->scale.data);
	EXPECT_STREQ("features.25", layer(before, "features.25")->name);
	EXPECT_FALSE(layer(after, "features.1")->scale.data);
	EXPECT_TRUE(layer(after, "features.2")->scale.data);
	/* Dropout has a number, but no layer. */
	EXPECT_EQ((int)VGG_OP_CONV, (int)layer(after, "features.8")->op);
	EXPECT_TRUE(layer(after, "classifier.2")->scale.data);
	EXPECT_EQ(10, layer(after, "classifier.4")->out.dim[1]);
	EXPECT_EQ((int)VGG_OP_SOFTMAX, (int)after->layers[after->count - 1].op);
	vgg_model_free(before);
	vgg_model_free(after);
}

TEST(configurations_have_their_special_layers)
{
	struct vgg_model *c = build("vgg16c"), *lrn = build("vgg11_lrn");

	EXPECT_EQ(1, layer(c, "features.14")->win.kernel_h);
	EXPECT_EQ(0, layer(c, "features.14")->win.pad_top);
	EXPECT_EQ(3, layer(c, "features.12")->win.kernel_h);
	EXPECT_EQ((int)VGG_OP_LRN, (int)layer(lrn, "features.2")->op);
	EXPECT_EQ(5, layer(lrn, "features.2")->lrn_size);
	vgg_model_free(c);
	vgg_model_free(lrn);
}

TEST(seeds_make_different_weights)
{
	struct vgg_model *m = build("minivgg_cifar10");
	uint64_t first, other;

	ASSERT_EQ(0, vgg_random_weights(m, 1));
	first = digest_model(m);
	ASSERT_EQ(0, vgg_random_weights(m, 2));
	other = digest_model(m);
	EXPECT_NE((intmax_t)first, (intmax_t)other);
	ASSERT_EQ(0, vgg_random_weights(m, 1));
	EXPECT_EQ((intmax_t)first, (intmax_t)digest_model(m));
	vgg_model_free(m);
}

TEST(unknown_names_are_refused_with_the_known_ones)
{
	struct vgg_model *m = vgg_model_new();

	EXPECT_EQ(-EOPNOTSUPP, vgg_arch_build("resnet18", m));
	EXPECT_STREQ("MODEL_UNSUPPORTED", vgg_error_last()->name);
	EXPECT_STREQ("there is no architecture \"resnet18\"",
		     vgg_error_last()->what);
	for (unsigned int i = 0; vgg_arch_name(i); i++)
		EXPECT_CONTAINS(vgg_error_last()->next_step, vgg_arch_name(i));
	EXPECT_EQ(0u, m->count);
	vgg_model_free(m);
}

TEST(inputs_follow_the_flattened_size)
{
	struct vgg_arch_plan plan;

	for (unsigned int i = 0; vgg_arch_name(i); i++) {
		const char *name = vgg_arch_name(i);

		ASSERT_EQ(0, vgg_arch_plan(name, 0, 0, &plan));
		EXPECT_EQ(plan.input, vgg_arch_input_for(name, plan.side));
	}
	EXPECT_EQ(32, vgg_arch_input_for("vgg16", 1));
	EXPECT_EQ(192, vgg_arch_input_for("vgg16_oddpad", 6));
	EXPECT_EQ(48, vgg_arch_input_for("vgg16_oddpad", 1));
	EXPECT_EQ(-ERANGE, vgg_arch_plan("vgg16", 16, 0, &plan));
	EXPECT_CONTAINS(vgg_error_last()->what, "16x16 is too small for vgg16");
}

TEST(norms_fold_to_finite_numbers_only)
{
	float one[] = { 1, 1 }, bad[] = { 1, -1 }, zero[] = { 0, 0 };
	float huge[] = { 1, 3e38f }, scale[2], shift[2];
	struct vgg_norm norm = { one, one, one, zero, 0 };

	EXPECT_EQ(0, vgg_norm_fold(&norm, 2, scale, shift));
	EXPECT_NEAR(316.2278, scale[0], 1e-3);
	EXPECT_NEAR(1 - 316.2278, shift[0], 1e-3);
	norm.var = bad;
	EXPECT_EQ(-EBADMSG, vgg_norm_fold(&norm, 2, scale, shift));
	EXPECT_STREQ("the variance of channel 1 of a BatchNorm is -1",
		     vgg_error_last()->what);
	norm.var = zero;
	norm.gamma = huge;
	EXPECT_EQ(-EBADMSG, vgg_norm_fold(&norm, 2, scale, shift));
	EXPECT_CONTAINS(vgg_error_last()->what, "channel 1 of a BatchNorm is "
						"beyond the range of float");
}

TEST_HARNESS_MAIN
