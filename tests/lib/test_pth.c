// SPDX-License-Identifier: MIT
/* Files of torch.save(): both forms are read, what is damaged or asks for more
 * than tensors is refused and told. */
#include "model/pth.h"
#include "pth_build.h"
#include "util/error.h"
#include "vgg_harness.h"

#define PATH "net.pth"

/* a: 2x3 floats; b: its storage's second half, transposed; c: bytes; d: none. */
static const struct pth_tensor sound[] = {
	{ "a", "FloatStorage", "7", 12, 0, 2, { 2, 3 }, { 3, 1 } },
	{ "b", "FloatStorage", "7", 12, 6, 2, { 3, 2 }, { 1, 3 } },
	{ "c", "LongStorage", "12", 3, 2, 0, { 0 }, { 0 } },
	{ "e", "FloatStorage", "x", 0, 0, 1, { 0 }, { 1 } },
};

#define N_SOUND ((int)(sizeof(sound) / sizeof(sound[0])))

static int open_close(const struct vgg_file *file)
{
	struct vgg_pth pth;
	int err = vgg_pth_open(&pth, PATH, file);

	vgg_pth_close(&pth);
	return err;
}

static void drop(struct vgg_file *file)
{
	free((void *)file->data);
}

/* Reads all that a file which opened has. */
static void touch_all(const struct vgg_pth *pth)
{
	for (size_t i = 0; i < pth->all.count; i++) {
		const struct vgg_tensor *t = &pth->all.list[i];
		float *out = malloc((t->count + 1) * sizeof(*out));

		ASSERT_TRUE(out);
		EXPECT_EQ(t, vgg_tensors_find(&pth->all, t->name));
		if (vgg_tensor_is_float(t))
			vgg_tensor_read(&pth->all, t, 0, t->count, out);
		free(out);
	}
}

FIXTURE(file)
{
	struct vgg_file file;
	struct vgg_pth pth;
};

FIXTURE_VARIANT(file)
{
	struct vgg_file (*make)(const struct pth_tensor *t, int n,
				const struct pth_odd *odd);
	struct pth_odd odd;
};

FIXTURE_VARIANT_ADD(file, zip){ pth_zip, { 0 } };
FIXTURE_VARIANT_ADD(file, zip64){ pth_zip, { .wide = true } };
FIXTURE_VARIANT_ADD(file, zip_with_comment){ pth_zip,
					     { .comment = "PK\5\6 hello",
					       .prefix = "best" } };
FIXTURE_VARIANT_ADD(file, zip_with_order){ pth_zip,
					   { .extra = "byteorder",
					     .extra_text = "little" } };
FIXTURE_VARIANT_ADD(file, legacy){ pth_legacy, { 0 } };
FIXTURE_VARIANT_ADD(file, nested){ pth_zip,
				   { .nested = { "model", "state_dict" } } };
FIXTURE_VARIANT_ADD(file, nested_legacy){ pth_legacy, { .nested = { "net" } } };

FIXTURE_SETUP(file)
{
	self->file = variant->make(sound, N_SOUND, &variant->odd);
	ASSERT_TRUE(vgg_pth_probe(&self->file));
	if (vgg_pth_open(&self->pth, PATH, &self->file))
		test_fail(__FILE__, __LINE__, "%s", vgg_error_last()->what);
}

FIXTURE_TEARDOWN(file)
{
	vgg_pth_close(&self->pth);
	drop(&self->file);
}

/* The float whose bytes are i, i + 1, i + 2, i + 3. */
static float counted(unsigned int i)
{
	uint8_t bytes[4];
	float x;

	for (unsigned int b = 0; b < 4; b++)
		bytes[b] = (uint8_t)(i + b);
	memcpy(&x, bytes, 4);
	return x;
}

TEST_F(file, has_its_tensors)
{
	const struct vgg_tensor *a = vgg_tensors_find(&self->pth.all, "a");
	const struct vgg_tensor *b = vgg_tensors_find(&self->pth.all, "b");
	const struct vgg_tensor *c = vgg_tensors_find(&self->pth.all, "c");
	float out[6];

	ASSERT_EQ((size_t)N_SOUND, self->pth.all.count);
	EXPECT_TRUE(self->pth.all.ordered);
	ASSERT_TRUE(a && b && c);
	EXPECT_EQ(a, &self->pth.all.list[0]);
	EXPECT_STREQ("F32", a->type);
	EXPECT_EQ(2, a->rank);
	EXPECT_EQ(3, a->shape[1]);
	EXPECT_EQ(6u, a->count);
	EXPECT_FALSE(a->strided);
	EXPECT_EQ(0, memcmp(a->data, "\0\1\2\3\4", 5));
	EXPECT_TRUE(b->strided);
	ASSERT_EQ(0, vgg_tensor_read(&self->pth.all, b, 1, 5, out));
	for (unsigned int i = 1; i < 6; i++)
		EXPECT_EQ(counted(24 + 4 * (i / 2 + 3 * (i % 2))), out[i - 1]);
	EXPECT_STREQ("I64", c->type);
	EXPECT_EQ(0, c->rank);
	EXPECT_EQ(18, c->data[0]);
	EXPECT_EQ(0u, vgg_tensors_find(&self->pth.all, "e")->count);
}

/* One storage may be looked for beyond the end, all else is noticed. */
TEST_F(file, cut_anywhere_is_refused)
{
	for (size_t n = 0; n < self->file.size; n++) {
		struct bytes b = { 0 };
		struct vgg_file cut;

		bytes_put(&b, self->file.data, n);
		cut = bytes_file(&b);
		if (vgg_pth_probe(&cut)) {
			EXPECT_EQ(-EBADMSG, open_close(&cut));
			EXPECT_STREQ(PATH, vgg_error_last()->where);
			EXPECT_TRUE(vgg_error_last()->next_step[0]);
		}
		drop(&cut);
	}
}

TEST_F(file, any_bit_flipped_is_harmless)
{
	uint8_t *bytes = (uint8_t *)self->file.data;
	unsigned int refused = 0;

	vgg_pth_close(&self->pth);
	for (size_t i = 0; i < 8 * self->file.size; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		if (vgg_pth_probe(&self->file)) {
			if (vgg_pth_open(&self->pth, PATH, &self->file))
				refused++;
			else
				touch_all(&self->pth);
			vgg_pth_close(&self->pth);
		}
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	EXPECT_GT(refused, self->file.size);
}

TEST_F(file, mutilated_at_random_is_harmless)
{
	unsigned int rounds = test_emulated() ? 2000 : 20000;
	uint64_t state = test_seed();
	int64_t end = (int64_t)self->file.size - 1;

	vgg_pth_close(&self->pth);
	for (unsigned int i = 0; i < rounds; i++) {
		struct bytes b = { 0 };
		struct vgg_file file;

		bytes_put(&b, self->file.data, self->file.size);
		for (int64_t n = test_random_in(&state, 1, 4); n; n--)
			b.data[test_random_in(&state, 0, end)] =
				b.data[test_random_in(&state, 0, end)];
		file = bytes_file(&b);
		if (vgg_pth_probe(&file) &&
		    !vgg_pth_open(&self->pth, PATH, &file)) {
			touch_all(&self->pth);
			vgg_pth_close(&self->pth);
		} else if (vgg_pth_probe(&file)) {
			vgg_pth_close(&self->pth);
		}
		drop(&file);
	}
}

/* Tensors that don't fit their storages. */
#define BIG ((int64_t)1 << 62)

static const struct {
	struct pth_tensor t;
	int err;
	const char *message;
} views[] = {
	{ { "w", "FloatStorage", "0", 6, 1, 2, { 2, 3 }, { 3, 1 } },
	  -EBADMSG,
	  "tensor \"w\" of [2, 3] exceeds its storage" },
	{ { "w", "FloatStorage", "0", 6, 0, 2, { 2, 3 }, { 4, 1 } },
	  -EBADMSG,
	  "exceeds its storage" },
	{ { "w", "FloatStorage", "0", 6, -1, 1, { 2 }, { 1 } },
	  -EBADMSG,
	  "offset, shape and strides are no numbers from 0 on" },
	{ { "w", "FloatStorage", "0", 6, 0, 1, { -2 }, { 1 } },
	  -EBADMSG,
	  "are no numbers from 0 on" },
	{ { "w", "FloatStorage", "0", 6, 5, 1, { 2 }, { -1 } },
	  -EBADMSG,
	  "are no numbers from 0 on" },
	{ { "w", "FloatStorage", "0", 6, BIG, 1, { 2 }, { 1 } },
	  -EBADMSG,
	  "exceeds its storage" },
	{ { "w", "FloatStorage", "0", 6, 0, 2, { BIG, 4 }, { 1, 1 } },
	  -EBADMSG,
	  "is too large" },
	{ { "w", "DoubleStorage", "0", 6, 0, 1, { BIG }, { 0 } },
	  -EBADMSG,
	  "is too large" },
	{ { "w", "FloatStorage", "0", 6, 0, 2, { 5, 2 }, { BIG, 1 } },
	  -EBADMSG,
	  "is too large" },
	{ { "w", "FloatStorage", "0", 6, 7, 1, { 0 }, { 1 } },
	  -EBADMSG,
	  "exceeds its storage" },
	{ { "w", "FloatStorage", "0", 6, 0, 2, { 64, 6 }, { 0, 1 } },
	  -EOPNOTSUPP,
	  "elements of tensor \"w\" share their bytes" },
	{ { "w", "ByteStorage", "0", 1, 0, 1, { BIG }, { 0 } },
	  -EOPNOTSUPP,
	  "elements of tensor \"w\" share their bytes" },
	{ { "w", "FloatStorage", "0", 6, 0, 9, { 1 }, { 1 } },
	  -EBADMSG,
	  "are no numbers from 0 on" },
};

TEST(views_beyond_their_storage_are_refused)
{
	for (size_t i = 0; i < 2 * sizeof(views) / sizeof(views[0]); i++) {
		struct vgg_file file =
			i % 2 ? pth_zip(&views[i / 2].t, 1, NULL) :
				pth_legacy(&views[i / 2].t, 1, NULL);

		EXPECT_EQ(views[i / 2].err, open_close(&file));
		EXPECT_CONTAINS(vgg_error_last()->what, views[i / 2].message);
		drop(&file);
	}
}

/* Files that are no such file, or whose parts don't fit. */
static const struct {
	bool legacy;
	struct pth_odd odd;
	int err;
	const char *message;
} oddities[] = {
	{ false,
	  { .left_out = "12" },
	  -EBADMSG,
	  "storage \"12\" is not in the archive" },
	{ true,
	  { .left_out = "12" },
	  -EBADMSG,
	  "storage \"12\" is not in the file" },
	{ false,
	  { .storage_bytes = 47 },
	  -EBADMSG,
	  "storage \"7\" has fewer bytes than elements" },
	{ true, { .storage_bytes = 9 }, -EBADMSG, "storage" },
	{ false, { .method = 8 }, -EOPNOTSUPP, "compressed or encrypted" },
	{ false,
	  { .extra = "byteorder", .extra_text = "big" },
	  -EOPNOTSUPP,
	  "not little-endian" },
	{ true, { .big_endian = true }, -EOPNOTSUPP, "not little-endian" },
	{ false,
	  { .extra = "constants.pkl", .extra_text = "" },
	  -EOPNOTSUPP,
	  "a TorchScript program" },
	{ false,
	  { .prefix = "a/b" },
	  -EOPNOTSUPP,
	  "a zip archive without data.pkl" },
	{ false,
	  { .extra = "version", .extra_text = "" },
	  -EBADMSG,
	  "entry \"archive/version\" is there twice" },
	{ false,
	  { .nested = { "optimizer" } },
	  -EOPNOTSUPP,
	  "it has: epoch, loss, optimizer" },
	{ false,
	  { .nested = { "model", "model", "model" } },
	  -EOPNOTSUPP,
	  "no tensors are in the file's dictionary" },
};

TEST(odd_files_are_refused)
{
	for (size_t i = 0; i < sizeof(oddities) / sizeof(oddities[0]); i++) {
		struct vgg_file file =
			oddities[i].legacy ?
				pth_legacy(sound, N_SOUND, &oddities[i].odd) :
				pth_zip(sound, N_SOUND, &oddities[i].odd);

		EXPECT_EQ(oddities[i].err, open_close(&file));
		EXPECT_CONTAINS(vgg_error_last()->what, oddities[i].message);
		EXPECT_TRUE(vgg_error_last()->next_step[0]);
		drop(&file);
	}
}

TEST(a_name_that_is_there_twice_is_refused)
{
	struct pth_tensor two[] = { sound[0], sound[0] };
	struct vgg_file file = pth_zip(two, 2, NULL);

	EXPECT_EQ(-EBADMSG, open_close(&file));
	EXPECT_STREQ("tensor \"a\" is there twice", vgg_error_last()->what);
	drop(&file);
}

TEST(storages_of_two_types_are_refused)
{
	struct pth_tensor two[] = { sound[0], sound[1] };
	struct vgg_file file;

	two[1].storage = "IntStorage";
	file = pth_legacy(two, 2, NULL);
	EXPECT_EQ(-EBADMSG, open_close(&file));
	EXPECT_STREQ("storage \"7\" has two sizes or types",
		     vgg_error_last()->what);
	drop(&file);
}

TEST(every_type_is_known_by_its_name)
{
	static const struct {
		const char *torch, *name;
	} types[] = {
		{ "DoubleStorage", "F64" }, { "FloatStorage", "F32" },
		{ "HalfStorage", "F16" },   { "BFloat16Storage", "BF16" },
		{ "LongStorage", "I64" },   { "IntStorage", "I32" },
		{ "CharStorage", "I8" },    { "ByteStorage", "U8" },
		{ "BoolStorage", "BOOL" },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct pth_tensor t = sound[0];
		struct vgg_file file;
		struct vgg_pth pth;

		t.storage = types[i].torch;
		file = pth_zip(&t, 1, NULL);
		ASSERT_EQ(0, vgg_pth_open(&pth, PATH, &file));
		EXPECT_STREQ(types[i].name, pth.all.list[0].type);
		vgg_pth_close(&pth);
		drop(&file);
	}
}

#define CODE(text) bytes_put(&b, text, sizeof(text) - 1)

/* As the first versions wrote with Python 2: a dictionary of pairs, parameters
 * that are objects with a state, a part of a storage. */
TEST(the_oldest_form_is_read)
{
	static const int64_t shape[] = { 2, 3 }, stride[] = { 3, 1 };
	struct bytes b = { 0 };
	struct vgg_file file;
	struct vgg_pth pth;

	CODE("\x80\2");
	pickle_global(&b, "collections", "OrderedDict");
	CODE("(](](U\6weight");
	pickle_global(&b, "torch.nn.parameter", "Parameter");
	CODE("(");
	pickle_global(&b, "torch._utils", "_rebuild_tensor");
	CODE("((U\7storage");
	pickle_global(&b, "torch", "FloatStorage");
	CODE("U\0014U\3cpuK\x0e(U\0019K\4K\x08ttQK\2");
	pickle_sizes(&b, 2, shape);
	pickle_sizes(&b, 2, stride);
	CODE("tRt\x81(\x88\x89}tbeetR.");
	file = pth_stream(&b, "4", 14);
	if (vgg_pth_open(&pth, PATH, &file))
		test_fail(__FILE__, __LINE__, "%s", vgg_error_last()->what);
	ASSERT_EQ(1u, pth.all.count);
	EXPECT_STREQ("weight", pth.all.list[0].name);
	EXPECT_EQ(3, pth.all.list[0].shape[1]);
	EXPECT_EQ(4 * (4 + 2), pth.all.list[0].data[0]);
	vgg_pth_close(&pth);
	drop(&file);
	free(b.data);
}

/* Networks whose modules have other names. */

TEST(foreign_names_are_taken_by_order)
{
	/* mini-VGG of 4x4 pixels: dense layers of 64 inputs */
	static const struct {
		int rank;
		int64_t shape[4];
		const char *name;
	} mini[] = {
		{ 4, { 32, 3, 3, 3 }, "c1.weight" },
		{ 1, { 32 }, "c1.bias" },
		{ 1, { 32 }, "n1.weight" },
		{ 1, { 32 }, "n1.bias" },
		{ 1, { 32 }, "n1.running_mean" },
		{ 1, { 32 }, "n1.running_var" },
		{ 4, { 32, 32, 3, 3 }, "c2.weight" },
		{ 1, { 32 }, "c2.bias" },
	};
	struct pth_tensor t[8];
	struct vgg_model *m = vgg_model_new();
	struct vgg_file file;

	for (int i = 0; i < 8; i++) {
		int64_t step = 1;

		t[i] = (struct pth_tensor){ .name = mini[i].name,
					    .storage = "ByteStorage",
					    .key = mini[i].name,
					    .rank = mini[i].rank };
		for (int d = t[i].rank - 1; d >= 0; d--) {
			t[i].shape[d] = mini[i].shape[d];
			t[i].stride[d] = step;
			step *= t[i].shape[d];
		}
		t[i].count = step;
	}
	file = pth_zip(t, 8, NULL);
	EXPECT_EQ(-EOPNOTSUPP,
		  vgg_import_pth(PATH, &file, "minivgg_cifar10", m));
	EXPECT_CONTAINS(vgg_error_last()->what,
			"tensor \"c1.weight\": expected F32, F16");
	drop(&file);
	for (int i = 0; i < 8; i++)
		t[i].storage = "FloatStorage";
	file = pth_zip(t, 8, NULL);
	EXPECT_EQ(-EBADMSG, vgg_import_pth(PATH, &file, "minivgg_cifar10", m));
	EXPECT_CONTAINS(vgg_error_last()->what,
			"the file ends after 8 tensors, before the one for "
			"\"features.5.weight\": expected [32]");
	drop(&file);
	t[2].name = "n1.bias";
	t[3].name = "n1.weight";
	file = pth_zip(t, 8, NULL);
	EXPECT_EQ(-EBADMSG, vgg_import_pth(PATH, &file, "minivgg_cifar10", m));
	EXPECT_CONTAINS(vgg_error_last()->what,
			"tensor \"n1.bias\" is where features.2.weight is "
			"expected: the shape fits, what it is doesn't");
	drop(&file);
	vgg_model_free(m);
}

TEST_HARNESS_MAIN
