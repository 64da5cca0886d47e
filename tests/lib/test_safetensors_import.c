// SPDX-License-Identifier: MIT
/* Weights from safetensors files with torchvision's and timm's names. The files
 * are made in memory, so that even large ones cost only what is touched. */
#include <math.h>

#include "model/graph.h"
#include "util/error.h"
#include "vgg_harness.h"

#define PATH "net.safetensors"

/* A file in the making: its header, and a value for each element. */
struct builder {
	char *header;
	size_t header_bytes, room;
	size_t data_bytes;
	const char *dtype;
	size_t each; /* bytes of an element */
	struct vgg_file file;
};

static size_t dtype_bytes(const char *dtype)
{
	if (!strcmp(dtype, "F64") || !strcmp(dtype, "I64"))
		return 8;
	return strcmp(dtype, "F32") ? 2 : 4;
}

static void begin(struct builder *b, const char *dtype)
{
	*b = (struct builder){ .room = 1 << 16,
			       .dtype = dtype,
			       .each = dtype_bytes(dtype) };
	b->header = calloc(1, b->room);
	b->header_bytes = (size_t)sprintf(b->header, "{");
}

static void add(struct builder *b, const char *name, const char *dtype,
		int rank, const int *shape)
{
	size_t from = b->data_bytes, count = 1;
	char *at = b->header + b->header_bytes;

	at += sprintf(at, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
		      b->header_bytes > 1 ? "," : "", name, dtype);
	for (int i = 0; i < rank; i++) {
		at += sprintf(at, "%s%d", i ? "," : "", shape[i]);
		count *= (size_t)shape[i];
	}
	b->data_bytes += count * dtype_bytes(dtype);
	at += sprintf(at, "],\"data_offsets\":[%zu,%zu]}", from, b->data_bytes);
	b->header_bytes = (size_t)(at - b->header);
}

static void add_pair(struct builder *b, const char *module, int out, int in,
		     int kernel)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.weight", module);
	add(b, name, b->dtype, kernel ? 4 : 2,
	    (int[]){ out, in, kernel, kernel });
	snprintf(name, sizeof(name), "%s.bias", module);
	add(b, name, b->dtype, 1, &out);
}

static void add_norm(struct builder *b, const char *module, int channels)
{
	static const char *const parts[] = { "weight", "bias", "running_mean",
					     "running_var" };
	char name[64];

	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s.%s", module, parts[i]);
		add(b, name, b->dtype, 1, &channels);
	}
	snprintf(name, sizeof(name), "%s.num_batches_tracked", module);
	add(b, name, "I64", 0, NULL);
}

/* Lays the file out, data all zero; returns the data. */
static uint8_t *end(struct builder *b)
{
	uint64_t length;
	uint8_t *bytes;

	b->header_bytes += (size_t)sprintf(b->header + b->header_bytes, "}");
	length = b->header_bytes;
	b->file.size = 8 + length + b->data_bytes;
	bytes = calloc(1, b->file.size);
	ASSERT_TRUE(bytes);
	memcpy(bytes, &length, 8);
	memcpy(bytes + 8, b->header, length);
	b->file.data = bytes;
	return bytes + 8 + length;
}

static void drop(struct builder *b)
{
	free(b->header);
	free((void *)b->file.data);
}

/* Small numbers that every type holds exactly; above 0, as for variances. */
static float value(size_t i)
{
	return (float)(i % 31 + 1) / 64;
}

static void put(uint8_t *at, const char *dtype, float x)
{
	double wide = x;
	_Float16 half = 0;
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	if (!strcmp(dtype, "F64")) {
		memcpy(at, &wide, sizeof(wide));
	} else if (!strcmp(dtype, "F32")) {
		memcpy(at, &x, sizeof(x));
	} else if (!strcmp(dtype, "F16")) {
		half = (_Float16)x;
		memcpy(at, &half, sizeof(half));
	} else {
		bits >>= 16;
		memcpy(at, &bits, 2);
	}
}

/* mini-VGG with torchvision's names. */
static void add_mini(struct builder *b, int classes, int side)
{
	static const struct {
		const char *conv, *norm;
		int in, out;
	} convs[] = {
		{ "features.0", "features.2", 3, 32 },
		{ "features.3", "features.5", 32, 32 },
		{ "features.8", "features.10", 32, 64 },
		{ "features.11", "features.13", 64, 64 },
	};

	for (int i = 0; i < 4; i++) {
		add_pair(b, convs[i].conv, convs[i].out, convs[i].in, 3);
		add_norm(b, convs[i].norm, convs[i].out);
	}
	add_pair(b, "classifier.0", 512, 64 * side * side, 0);
	add_norm(b, "classifier.2", 512);
	add_pair(b, "classifier.4", classes, 512, 0);
}

/* Every element gets value(its number in the file); counters of 8 bytes don't
 * fit that, so they come out as nonsense, which nobody may read. */
static void end_with_values(struct builder *b)
{
	uint8_t *data = end(b);

	for (size_t i = 0; (i + 1) * b->each <= b->data_bytes; i++)
		put(data + i * b->each, b->dtype, value(i));
}

FIXTURE(mini)
{
	struct builder b;
	struct vgg_model *m;
};

FIXTURE_VARIANT(mini)
{
	const char *dtype;
};

FIXTURE_VARIANT_ADD(mini, f32){ "F32" };
FIXTURE_VARIANT_ADD(mini, f16){ "F16" };
FIXTURE_VARIANT_ADD(mini, bf16){ "BF16" };
FIXTURE_VARIANT_ADD(mini, f64){ "F64" };

FIXTURE_SETUP(mini)
{
	self->m = vgg_model_new();
	begin(&self->b, variant->dtype);
	add_mini(&self->b, 10, 8);
	end_with_values(&self->b);
}

FIXTURE_TEARDOWN(mini)
{
	vgg_model_free(self->m);
	drop(&self->b);
}

static const struct vgg_layer *layer(const struct vgg_model *m,
				     const char *name)
{
	for (unsigned int i = 0; i < m->count; i++)
		if (!strcmp(m->layers[i].name, name))
			return &m->layers[i];
	test_fail(__FILE__, __LINE__, "no layer %s", name);
	longjmp(test_state.out, 1);
}

/* The number in the file of the first element of a tensor. */
static size_t number_of(const struct builder *b, const char *name)
{
	char key[80];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(b->header, key);
	ASSERT_TRUE(at);
	at = strstr(at, "data_offsets\":[");
	return strtoul(at + strlen("data_offsets\":["), NULL, 10) / b->each;
}

static void expect_whole(const struct builder *b, const char *name,
			 const struct vgg_blob *blob)
{
	size_t first = number_of(b, name), wrong = 0;

	for (size_t i = 0; i < blob->count; i++)
		wrong += !(vgg_blob_f32(blob)[i] == value(first + i));
	EXPECT_EQ(0u, wrong);
}

static void expect_kernel(const struct builder *b, const char *name,
			  const struct vgg_blob *blob, size_t in_c)
{
	size_t first = number_of(b, name), wrong = 0;

	for (size_t i = 0; i < blob->count; i++) {
		size_t c = i % in_c, tap = i / in_c % 9, o = i / in_c / 9;

		wrong += !(vgg_blob_f32(blob)[i] ==
			   value(first + (o * in_c + c) * 9 + tap));
	}
	EXPECT_EQ(0u, wrong);
}

static void expect_norm(const struct builder *b, const struct vgg_layer *l)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.weight", l->name);
	for (size_t i = number_of(b, name), c = 0; c < l->scale.count; c++) {
		size_t n = l->scale.count;
		double scale = value(i + c) / sqrt(value(i + 3 * n + c) + 1e-5);

		EXPECT_NEAR(scale, vgg_blob_f32(&l->scale)[c], 1e-6 * scale);
		EXPECT_NEAR(value(i + n + c) - value(i + 2 * n + c) * scale,
			    vgg_blob_f32(&l->shift)[c], 2e-6);
	}
}

/* The architecture is found by the tensors. */
TEST_F(mini, is_imported_with_every_weight_in_place)
{
	ASSERT_EQ(0,
		  vgg_import_safetensors(PATH, &self->b.file, NULL, self->m));
	EXPECT_STREQ("minivgg_cifar10", self->m->arch);
	EXPECT_EQ(0, vgg_model_infer(self->m));
	EXPECT_EQ(10, vgg_model_output(self->m)->dim[1]);
	expect_kernel(&self->b, "features.0.weight",
		      &layer(self->m, "features.0")->weight, 3);
	expect_kernel(&self->b, "features.11.weight",
		      &layer(self->m, "features.11")->weight, 64);
	expect_whole(&self->b, "features.8.bias",
		     &layer(self->m, "features.8")->bias);
	expect_whole(&self->b, "classifier.0.weight",
		     &layer(self->m, "classifier.0")->weight);
	expect_whole(&self->b, "classifier.4.bias",
		     &layer(self->m, "classifier.4")->bias);
	if (self->b.each < 8)
		return;
	/* Counters have the size of the elements, so numbers hold. */
	expect_norm(&self->b, layer(self->m, "features.13"));
	expect_norm(&self->b, layer(self->m, "classifier.2"));
}

TEST(norms_are_folded)
{
	struct vgg_model *m = vgg_model_new();
	struct builder b;

	begin(&b, "F32");
	add_mini(&b, 10, 8);
	end_with_values(&b);
	ASSERT_EQ(0, vgg_import_safetensors(PATH, &b.file, NULL, m));
	expect_norm(&b, layer(m, "features.2"));
	expect_norm(&b, layer(m, "classifier.2"));
	vgg_model_free(m);
	drop(&b);
}

/* Import what was built; the error's message must have the part. */
static void expect_refused(struct builder *b, const char *arch, int err,
			   const char *part)
{
	struct vgg_model *m = vgg_model_new();

	EXPECT_EQ(err, vgg_import_safetensors(PATH, &b->file, arch, m));
	EXPECT_CONTAINS(vgg_error_last()->where, PATH);
	EXPECT_CONTAINS(vgg_error_last()->what, part);
	vgg_model_free(m);
}

static void expect_shape(struct builder *b, const char *arch, int side,
			 int classes)
{
	struct vgg_model *m = vgg_model_new();

	EXPECT_EQ(0, vgg_import_safetensors(PATH, &b->file, arch, m));
	EXPECT_EQ(side, m->input.dim[2]);
	EXPECT_EQ(side, m->preprocess.crop_h);
	EXPECT_EQ(classes, vgg_model_output(m)->dim[1]);
	EXPECT_EQ(0, vgg_model_infer(m));
	vgg_model_free(m);
}

TEST(head_follows_the_file)
{
	struct builder b;

	begin(&b, "F32");
	add_mini(&b, 7, 12);
	end_with_values(&b);
	expect_shape(&b, "minivgg_cifar10", 48, 7);
	expect_shape(&b, NULL, 48, 7);
	drop(&b);
}

/* Each way to get one tensor wrong, by an edit of the header that keeps its
 * length and all offsets. */
static const struct {
	const char *from, *to;
	int err;
	const char *message;
} edits[] = {
	{ "features.3.bias", "features.3.bird", -EBADMSG,
	  "tensor \"features.3.bias\" is missing: expected [32]" },
	{ "classifier.4.weight", "classifier.5.weight", -EBADMSG,
	  "tensor \"classifier.4.weight\" is missing" },
	{ "features.10.running_var", "features.10.running_far", -EBADMSG,
	  "tensor \"features.10.running_var\" is missing: expected [64]" },
	{ "features.13.num_batches_tracked", "features.13.num_batches_cracked",
	  -EBADMSG, "tensor \"features.13.num_batches_cracked\" has no place" },
	{ "[32,3,3,3]", "[3,32,3,3]", -ERANGE,
	  "tensor \"features.0.weight\": expected [32, 3, 3, 3], found "
	  "[3, 32, 3, 3]" },
	{ "[64,64,3,3]", "[64,576,1] ", -ERANGE,
	  "\"features.11.weight\": expected [64, 64, 3, 3], found "
	  "[64, 576, 1]" },
	{ "[512,4096]", "[4096,512]", -ERANGE,
	  "tensor \"classifier.0.weight\": expected [512, " },
	{ "F32", "I32", -EOPNOTSUPP,
	  "\"features.0.weight\": expected F32, F16, BF16 or F64, found I32" },
	{ "F32", "U32", -EOPNOTSUPP, "found U32" },
};

TEST(wrong_tensors_are_refused)
{
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct builder b;
		char *at;

		begin(&b, "F32");
		add_mini(&b, 10, 8);
		at = strstr(b.header, edits[i].from);
		ASSERT_TRUE(at);
		memcpy(at, edits[i].to, strlen(edits[i].to));
		end_with_values(&b);
		expect_refused(&b, "minivgg_cifar10", edits[i].err,
			       edits[i].message);
		EXPECT_TRUE(vgg_error_last()->next_step[0]);
		drop(&b);
	}
}

static void expect_bad_value(const char *dtype, const char *tensor, size_t at,
			     uint64_t bits, const char *message)
{
	struct builder b;
	size_t offset;

	begin(&b, dtype);
	add_mini(&b, 10, 8);
	end_with_values(&b);
	offset = b.file.size - b.data_bytes;
	offset += (number_of(&b, tensor) + at) * b.each;
	memcpy((uint8_t *)b.file.data + offset, &bits, b.each);
	expect_refused(&b, NULL, -EBADMSG, message);
	drop(&b);
}

TEST(values_that_are_no_numbers_are_refused)
{
	expect_bad_value("F32", "features.3.weight", 17, 0x7fc00000,
			 "element 17 of tensor \"features.3.weight\" is not a "
			 "finite float");
	expect_bad_value("F32", "classifier.4.bias", 9, 0xff800000,
			 "element 9 of tensor \"classifier.4.bias\"");
	expect_bad_value("F16", "features.0.weight", 0, 0x7c00, "element 0 of");
	expect_bad_value("BF16", "classifier.0.weight", 512 * 4096 - 1, 0xffff,
			 "element 2097151 of tensor \"classifier.0.weight\"");
	/* 1e39 as a double */
	expect_bad_value("F64", "features.0.bias", 1, 0x48078287f49c4a1d,
			 "element 1 of tensor \"features.0.bias\"");
	expect_bad_value("F32", "features.2.running_var", 3, 0xbf800000,
			 "the variance of channel 3 of a BatchNorm is -1");
	EXPECT_STREQ(PATH ": features.2", vgg_error_last()->where);
}

TEST(halves_are_converted_exactly)
{
	static const struct {
		uint16_t bits;
		double x;
	} halves[] = {
		{ 0x0001, 0x1p-24 },	{ 0x83ff, -0x1.ff8p-15 },
		{ 0x0400, 0x1p-14 },	{ 0x3c00, 1 },
		{ 0xfbff, -65504 },	{ 0x8000, -0.0 },
		{ 0x3555, 0x1.554p-2 },
	};
	struct vgg_model *m = vgg_model_new();
	struct builder b;
	uint8_t *data;

	begin(&b, "F16");
	add_mini(&b, 10, 8);
	end_with_values(&b);
	data = (uint8_t *)b.file.data + b.file.size - b.data_bytes +
	       number_of(&b, "features.0.bias") * 2;
	for (size_t i = 0; i < 7; i++)
		memcpy(data + 2 * i, &halves[i].bits, 2);
	ASSERT_EQ(0, vgg_import_safetensors(PATH, &b.file, NULL, m));
	for (size_t i = 0; i < 7; i++) {
		float x = vgg_blob_f32(&layer(m, "features.0")->bias)[i];

		EXPECT_NEAR(halves[i].x, x, 0);
		EXPECT_EQ(!!signbit(halves[i].x), !!signbit(x));
	}
	vgg_model_free(m);
	drop(&b);
}

TEST(other_architectures_are_named)
{
	struct builder b;

	begin(&b, "F32");
	add_mini(&b, 10, 8);
	end_with_values(&b);
	expect_refused(&b, "vgg16", -ERANGE,
		       "\"features.0.weight\": expected "
		       "[64, 3, 3, 3]");
	EXPECT_STREQ("name what the tensors fit: minivgg_cifar10",
		     vgg_error_last()->next_step);
	drop(&b);
}

TEST(unknown_architectures_are_refused)
{
	struct vgg_model *m = vgg_model_new();
	struct builder b;

	begin(&b, "F32");
	add_pair(&b, "features.0", 5, 3, 3);
	end_with_values(&b);
	expect_refused(&b, NULL, -EOPNOTSUPP,
		       "the 2 tensors are those of no architecture");
	EXPECT_EQ(-EOPNOTSUPP,
		  vgg_import_safetensors(PATH, &b.file, "alexnet", m));
	EXPECT_CONTAINS(vgg_error_last()->what, "\"alexnet\"");
	EXPECT_STREQ(PATH, vgg_error_last()->where);
	EXPECT_CONTAINS(vgg_error_last()->next_step, "vgg16");
	vgg_model_free(m);
	drop(&b);
}

TEST(damaged_files_are_refused)
{
	struct vgg_file file = { .data = (const uint8_t *)"no", .size = 2 };
	struct vgg_model *m = vgg_model_new();

	EXPECT_EQ(-EBADMSG, vgg_import_safetensors(PATH, &file, "vgg16", m));
	EXPECT_STREQ(PATH, vgg_error_last()->where);
	vgg_model_free(m);
}

/* Configurations A and D; words as in arch.c. */
static void add_features(struct builder *b, const char *words)
{
	int index = 0, in = 3;

	while (*words) {
		char name[32];
		int out = (int)strtol(words, NULL, 10);

		if (out) {
			snprintf(name, sizeof(name), "features.%d", index);
			add_pair(b, name, out, in, 3);
			in = out;
		}
		index += out ? 2 : 1;
		words += strcspn(words, " ");
		words += strspn(words, " ");
	}
}

#define A "64 M 128 M 256 256 M 512 512 M 512 512 M"
#define D "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"

static void add_torchvision_head(struct builder *b, int in, int classes)
{
	add_pair(b, "classifier.0", 4096, in, 0);
	add_pair(b, "classifier.3", 4096, 4096, 0);
	add_pair(b, "classifier.6", classes, 4096, 0);
}

static void add_timm_head(struct builder *b, int side, int classes)
{
	add_pair(b, "pre_logits.fc1", 4096, 512, side);
	add_pair(b, "pre_logits.fc2", 4096, 4096, 1);
	add_pair(b, "head.fc", classes, 4096, 0);
}

/* fc1's kernel covers its whole input, so its order is that of a flattened
 * tensor. */
TEST(timm_s_names_are_known)
{
	struct vgg_model *m = vgg_model_new();
	struct builder b;
	uint8_t *data;
	size_t fc1, fc2, head;

	begin(&b, "BF16");
	add_features(&b, A);
	add_timm_head(&b, 2, 5);
	data = end(&b);
	fc1 = number_of(&b, "pre_logits.fc1.weight") + 2048 * 4095 + 77;
	fc2 = number_of(&b, "pre_logits.fc2.weight") + 4096 * 3 + 9;
	head = number_of(&b, "head.fc.bias") + 4;
	put(data + 2 * fc1, "BF16", 0.5f);
	put(data + 2 * fc2, "BF16", 0.25f);
	put(data + 2 * head, "BF16", 0.125f);
	ASSERT_EQ(0, vgg_import_safetensors(PATH, &b.file, NULL, m));
	EXPECT_STREQ("vgg11", m->arch);
	EXPECT_EQ(64, m->input.dim[3]);
	EXPECT_EQ(73, m->preprocess.resize);
	EXPECT_EQ(5, vgg_model_output(m)->dim[1]);
	EXPECT_NEAR(
		0.5,
		vgg_blob_f32(
			&layer(m, "classifier.0")->weight)[2048 * 4095 + 77],
		0);
	EXPECT_NEAR(
		0.25,
		vgg_blob_f32(&layer(m, "classifier.3")->weight)[4096 * 3 + 9],
		0);
	EXPECT_NEAR(0.125, vgg_blob_f32(&layer(m, "classifier.6")->bias)[4], 0);
	vgg_model_free(m);
	drop(&b);
}

TEST(timm_s_shapes_are_checked)
{
	struct builder b;

	begin(&b, "BF16");
	add_features(&b, A);
	add_pair(&b, "pre_logits.fc1", 4096, 512, 0);
	add_pair(&b, "pre_logits.fc2", 4096, 4096, 1);
	add_pair(&b, "head.fc", 10, 4096, 0);
	end(&b);
	expect_refused(&b, "vgg11", -ERANGE,
		       "\"pre_logits.fc1.weight\": expected [4096, 512, 1, 1], "
		       "found [4096, 512]");
	drop(&b);
}

/* vgg16 and vgg16_stl10 differ only in their usual head. */
static void expect_guess(int side, int classes, const char *arch)
{
	struct vgg_model *m = vgg_model_new();
	struct builder b;

	begin(&b, "BF16");
	add_features(&b, D);
	add_torchvision_head(&b, 512 * side * side, classes);
	end(&b);
	EXPECT_EQ(0, vgg_import_safetensors(PATH, &b.file, NULL, m));
	EXPECT_STREQ(arch, m->arch);
	vgg_model_free(m);
	drop(&b);
}

TEST(usual_heads_tell_architectures_apart)
{
	if (test_emulated())
		SKIP("270 million weights take too long under emulation");
	expect_guess(7, 1000, "vgg16");
	expect_guess(3, 10, "vgg16_stl10");
	expect_guess(3, 12, "vgg16_stl10");
}

TEST(ambiguous_files_are_refused_with_the_candidates)
{
	struct builder b;

	begin(&b, "BF16");
	add_features(&b, D);
	add_torchvision_head(&b, 512, 7);
	end(&b);
	expect_refused(&b, NULL, -EOPNOTSUPP,
		       "fit several architectures: vgg16, vgg16_stl10");
	EXPECT_STREQ("name the architecture (--arch)",
		     vgg_error_last()->next_step);
	expect_shape(&b, "vgg16", 32, 7);
	/* Never concluded, but taken if named: 48 46 24 22 12 10 6 4 3 1 1 */
	expect_shape(&b, "vgg16_oddpad", 48, 7);
	drop(&b);
}

TEST_HARNESS_MAIN
