// SPDX-License-Identifier: MIT
/* The safetensors container: what is written is read, what is damaged is
 * refused with its place. */
#include "model/safetensors.h"
#include "util/error.h"
#include "vgg_harness.h"

/* A file in memory of exactly its size, so that ASan sees what reads beyond. */
static struct vgg_file file_of(const void *bytes, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, bytes, size);
	return (struct vgg_file){ .data = copy, .size = size };
}

static struct vgg_file file_with(const char *header, size_t data_bytes)
{
	uint64_t length = strlen(header);
	size_t size = 8 + length + data_bytes;
	uint8_t *bytes = malloc(size);

	memcpy(bytes, &length, 8);
	memcpy(bytes + 8, header, length);
	for (size_t i = 0; i < data_bytes; i++)
		bytes[8 + length + i] = (uint8_t)i;
	return (struct vgg_file){ .data = bytes, .size = size };
}

static int open_close(const struct vgg_file *file)
{
	struct vgg_st st;
	int err = vgg_st_open(&st, "t.safetensors", file);

	vgg_st_close(&st);
	return err;
}

/* What a reader could do with a file that opened. */
static unsigned int touch_all(const struct vgg_st *st)
{
	unsigned int sum = 0;
	char text[256];

	for (size_t i = 0; i < st->all.count; i++) {
		const struct vgg_tensor *t = &st->all.list[i];

		vgg_tensor_shape_text(t, text, sizeof(text));
		sum += (unsigned char)text[0];
		for (size_t j = 0; j < t->bytes; j++)
			sum += t->data[j];
		EXPECT_EQ(t, vgg_tensors_find(&st->all, t->name));
	}
	vgg_st_meta(st, "graph");
	return sum;
}

static const char sound[] =
	"{\"__metadata__\":{\"graph\":\"[]\"},"
	"\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
	"\"b\":{\"dtype\":\"I8\",\"shape\":[5],\"data_offsets\":[24,29]}}";

FIXTURE(sound)
{
	struct vgg_file file;
	struct vgg_st st;
};

FIXTURE_SETUP(sound)
{
	self->file = file_with(sound, 29);
	ASSERT_EQ(0, vgg_st_open(&self->st, "t.safetensors", &self->file));
}

FIXTURE_TEARDOWN(sound)
{
	vgg_st_close(&self->st);
	free((void *)self->file.data);
}

TEST_F(sound, lists_its_tensors)
{
	const struct vgg_tensor *a = vgg_tensors_find(&self->st.all, "a");
	char text[64];

	ASSERT_EQ(2u, self->st.all.count);
	ASSERT_TRUE(a);
	EXPECT_EQ(&self->st.all.list[0], a);
	EXPECT_STREQ("F32", a->type);
	EXPECT_EQ(2, a->rank);
	EXPECT_EQ(3, a->shape[1]);
	EXPECT_EQ(6u, a->count);
	EXPECT_EQ(24u, a->bytes);
	EXPECT_EQ(0, a->data[0]);
	EXPECT_EQ(24, vgg_tensors_find(&self->st.all, "b")->data[0]);
	EXPECT_STREQ("[2, 3]", vgg_tensor_shape_text(a, text, sizeof(text)));
	EXPECT_STREQ("[2, ", vgg_tensor_shape_text(a, text, 5));
	EXPECT_TRUE(vgg_st_probe(&self->file));
}

TEST_F(sound, has_metadata)
{
	EXPECT_STREQ("[]", vgg_st_meta(&self->st, "graph"));
	EXPECT_FALSE(vgg_st_meta(&self->st, "labels"));
}

TEST_F(sound, names_what_is_missing)
{
	const struct vgg_tensor *t;

	EXPECT_FALSE(vgg_tensors_find(&self->st.all, "c"));
	EXPECT_FALSE(vgg_tensors_find(&self->st.all, "__metadata__"));
	EXPECT_EQ(-EBADMSG, vgg_st_get(&self->st, "c", &t));
	EXPECT_STREQ("MODEL_FORMAT", vgg_error_last()->name);
	EXPECT_STREQ("t.safetensors", vgg_error_last()->where);
	EXPECT_STREQ("there is no tensor \"c\"", vgg_error_last()->what);
}

TEST_F(sound, gives_blobs_of_the_type_asked_for)
{
	struct vgg_blob blob;

	EXPECT_EQ(0, vgg_st_blob(&self->st, "b", VGG_I8, 5, &blob));
	EXPECT_EQ(5u, blob.count);
	EXPECT_FALSE(blob.owned);
	EXPECT_EQ(-EBADMSG, vgg_st_blob(&self->st, "b", VGG_U8, 5, &blob));
	EXPECT_STREQ("tensor \"b\" has 5 elements of type I8, expected 5 of U8",
		     vgg_error_last()->what);
	EXPECT_EQ(-EBADMSG, vgg_st_blob(&self->st, "b", VGG_I8, 6, &blob));
	EXPECT_EQ(-EBADMSG, vgg_st_blob(&self->st, "x", VGG_I8, 6, &blob));
}

TEST_F(sound, cut_anywhere_is_refused)
{
	for (size_t n = 0; n < self->file.size; n++) {
		struct vgg_file cut = file_of(self->file.data, n);

		EXPECT_EQ(-EBADMSG, open_close(&cut));
		EXPECT_STREQ("MODEL_FORMAT", vgg_error_last()->name);
		EXPECT_STREQ("t.safetensors", vgg_error_last()->where);
		EXPECT_TRUE(vgg_error_last()->next_step[0]);
		free((void *)cut.data);
	}
}

/* Every value of every byte: the file is refused or can be read. */
TEST_F(sound, any_byte_changed_is_harmless)
{
	size_t header = self->file.size - 29;
	struct vgg_file file = file_of(self->file.data, self->file.size);
	uint8_t *bytes = (uint8_t *)file.data;
	unsigned int opened = 0;

	for (size_t i = 0; i < 255 * file.size; i++) {
		struct vgg_st st;
		int err;

		bytes[i / 255] ^= (uint8_t)(i % 255 + 1);
		err = vgg_st_open(&st, "t.safetensors", &file);
		if (!err)
			touch_all(&st);
		else
			EXPECT_STREQ("MODEL_FORMAT", vgg_error_last()->name);
		opened += !err && i / 255 < header;
		/* The data means nothing to the container. */
		if (i / 255 >= header)
			EXPECT_EQ(0, err);
		vgg_st_close(&st);
		bytes[i / 255] ^= (uint8_t)(i % 255 + 1);
	}
	/* Other names and other metadata are sound. */
	EXPECT_GT(opened, 0u);
	EXPECT_LT(opened, 255 * header / 4);
	free(bytes);
}

TEST_F(sound, mutilated_at_random_is_harmless)
{
	unsigned int rounds = test_emulated() ? 2000 : 20000;
	uint64_t state = test_seed();

	for (unsigned int i = 0; i < rounds; i++) {
		struct vgg_file file =
			file_of(self->file.data, self->file.size);
		int64_t end = (int64_t)file.size - 1;
		struct vgg_st st;

		for (int64_t n = test_random_in(&state, 1, 4); n; n--)
			((uint8_t *)file.data)[test_random_in(&state, 0, end)] =
				(uint8_t)sound[test_random_in(
					&state, 0, sizeof(sound) - 2)];
		if (!vgg_st_open(&st, "t.safetensors", &file))
			touch_all(&st);
		vgg_st_close(&st);
		free((void *)file.data);
	}
}

/* Headers that are wrong, each with what the message must say. */
#define T(name, dtype, shape, begin, end)                        \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape \
	",\"data_offsets\":[" #begin "," #end "]}"

static const struct {
	const char *header;
	size_t data;
	const char *message;
} wrong[] = {
	{ "", 0, "does not begin with \"{\"" },
	{ " {}", 0, "does not begin with \"{\"" },
	{ "[]", 0, "does not begin with \"{\"" },
	{ "{", 0, "no sound JSON at offset 9" },
	{ "{}x", 0, "no sound JSON" },
	{ "{\"a\":1}", 0, "entry \"a\" is not an object" },
	{ "{" T("a", "U8", "[1]", 0, 1) "," T("a", "U8", "[1]", 1, 2) "}", 2,
	  "duplicate" },
	{ "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 0, "duplicate" },
	{ "{\"__metadata__\":1}", 0, "__metadata__ is not an object" },
	{ "{\"__metadata__\":{\"a\":1}}", 0, "metadata \"a\" is not a string" },
	{ "{\"a\\u0000b\":{}}", 0, "no sound JSON" },
	{ "{\"\xff\":{}}", 0, "no sound JSON" },
	{ "{\"a\":{}}", 0, "tensor \"a\" has no dtype" },
	{ "{\"a\":{\"dtype\":7}}", 0, "tensor \"a\" has no dtype" },
	{ "{" T("a", "F31", "[1]", 0, 4) "}", 4, "unknown dtype \"F31\"" },
	{ "{\"a\":{\"dtype\":\"U8\"}}", 0, "tensor \"a\" has no shape" },
	{ "{" T("a", "U8", "3", 0, 3) "}", 3, "tensor \"a\" has no shape" },
	{ "{" T("a", "U8", "[1.0]", 0, 1) "}", 1,
	  "size 0 of tensor \"a\" is not a number" },
	{ "{" T("a", "U8", "[1,-1]", 0, 1) "}", 1,
	  "size 1 of tensor \"a\" is not a number" },
	{ "{" T("a", "U8", "[\"1\"]", 0, 1) "}", 1, "is not a number" },
	{ "{" T("a", "U8", "[9223372036854775808]", 0, 1) "}", 1,
	  "no sound JSON" },
	{ "{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", 0, 1) "}", 1,
	  "9 dimensions, more than 8" },
	{ "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1,
	  "no pair of data_offsets" },
	{ "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1,
	  "no pair of data_offsets" },
	{ "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}",
	  1, "no pair of data_offsets" },
	{ "{" T("a", "U8", "[1]", 0.0, 1) "}", 1, "no pair of data_offsets" },
	{ "{" T("a", "U8", "[1]", -1, 0) "}", 1, "data_offsets -1 to 0" },
	{ "{" T("a", "U8", "[1]", 2, 1) "}", 2, "data_offsets 2 to 1" },
	{ "{" T("a", "U8", "[3]", 0, 3) "}", 2,
	  "tensor \"a\" ends at offset 3 of the data, which has 2 bytes" },
	{ "{" T("a", "U8", "[9]", 0, 9223372036854775807) "}", 2,
	  "ends at offset 9223372036854775807" },
	{ "{" T("a", "F32", "[2]", 0, 4) "}", 4,
	  "tensor \"a\" at offset 0 has 4 bytes, which are not [2] of F32" },
	{ "{" T("a", "U8", "[2,2]", 0, 3) "}", 3, "not [2, 2] of U8" },
	{ "{" T("a", "U8", "[0]", 0, 3) "}", 3, "not [0] of U8" },
	{ "{" T("a", "U8", "[]", 0, 0) "}", 0, "not [] of U8" },
	/* Products that wrap to 4, in elements and in bytes. */
	{ "{" T("a", "F32", "[4294967296,4294967296]", 0, 0) "}", 0,
	  "which are not [4294967296, 4294967296] of F32" },
	{ "{" T("a", "F32", "[4611686018427387905]", 0, 4) "}", 4,
	  "which are not [4611686018427387905] of F32" },
	{ "{" T("a", "U8", "[0,4294967296,4294967296]", 0, 0) "}", 0,
	  "which are not [0, 4294967296, 4294967296] of U8" },
	{ "{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 1, 3) "}", 3,
	  "tensor \"b\" at offset 1 overlaps \"a\"" },
	{ "{" T("b", "U8", "[2]", 0, 2) "," T("a", "U8", "[2]", 0, 2) "}", 2,
	  "tensor \"b\" at offset 0 overlaps \"a\"" },
	{ "{" T("a", "U8", "[1]", 0, 1) "," T("b", "U8", "[1]", 3, 4) "}", 4,
	  "2 bytes before tensor \"b\" at offset 3 belong to no tensor" },
	{ "{" T("a", "U8", "[1]", 1, 2) "}", 2,
	  "1 bytes before tensor \"a\" at offset 1" },
	{ "{" T("a", "U8", "[1]", 0, 1) "}", 3,
	  "the last 2 bytes, from offset 1 on, belong to no tensor" },
	{ "{}", 1, "the last 1 bytes, from offset 0 on" },
};

TEST(wrong_headers_are_refused)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct vgg_file file =
			file_with(wrong[i].header, wrong[i].data);

		if (open_close(&file) != -EBADMSG)
			test_fail(__FILE__, __LINE__, "%s passes",
				  wrong[i].header);
		EXPECT_STREQ("MODEL_FORMAT", vgg_error_last()->name);
		EXPECT_STREQ("t.safetensors", vgg_error_last()->where);
		EXPECT_CONTAINS(vgg_error_last()->what, wrong[i].message);
		free((void *)file.data);
	}
}

static const struct {
	const char *header;
	size_t data;
	size_t tensors;
} right[] = {
	{ "{}", 0, 0 },
	{ "{}      ", 0, 0 },
	{ "{\"__metadata__\":{}}", 0, 0 },
	{ "{" T("a", "F64", "[]", 0, 8) "}", 8, 1 },
	{ "{" T("a", "U8", "[0]", 0, 0) "}", 0, 1 },
	{ "{" T("b", "U8", "[2]", 0, 2) "," T("a", "U8", "[7,0]", 2, 2) "," T(
		  "c", "U8", "[0]", 0, 0) "}",
	  2, 3 },
	{ "{" T("z", "I16", "[1]", 0, 2) "," T("a", "BOOL", "[2]", 2, 4) "}", 4,
	  2 },
	{ "{" T("a", "BF16", "[1,1,1,1,1,1,1,1]", 0, 2) "}", 2, 1 },
};

TEST(unusual_headers_are_accepted)
{
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		struct vgg_file file =
			file_with(right[i].header, right[i].data);
		struct vgg_st st;
		int err = vgg_st_open(&st, "t.safetensors", &file);

		if (err)
			test_fail(__FILE__, __LINE__, "%s: %s", right[i].header,
				  vgg_error_last()->what);
		EXPECT_EQ(right[i].tensors, st.all.count);
		touch_all(&st);
		vgg_st_close(&st);
		free((void *)file.data);
	}
}

TEST(impossible_lengths_are_refused)
{
	static const uint64_t lengths[] = {
		3,	   100,	       (100 << 20) + 1,
		INT64_MAX, 1ULL << 63, UINT64_MAX - 7,
		UINT64_MAX
	};
	uint8_t bytes[10] = "........{}";

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct vgg_file file;

		memcpy(bytes, &lengths[i], 8);
		file = file_of(bytes, sizeof(bytes));
		EXPECT_FALSE(vgg_st_probe(&file));
		EXPECT_EQ(-EBADMSG, open_close(&file));
		EXPECT_CONTAINS(vgg_error_last()->what,
				"exceeds the file or the limit");
		free((void *)file.data);
	}
}

TEST(short_files_are_no_safetensors)
{
	struct vgg_file file = { .data = NULL };

	EXPECT_FALSE(vgg_st_probe(&file));
	EXPECT_EQ(-EBADMSG, open_close(&file));
	EXPECT_STREQ("0 bytes are too few for a safetensors file",
		     vgg_error_last()->what);
}

TEST(deep_nesting_is_refused)
{
	size_t n = 200000;
	char *text = calloc(1, n + 16);
	struct vgg_file file;

	memcpy(text, "{\"a\":", 5);
	memset(text + 5, '[', n);
	file = file_with(text, 0);
	EXPECT_EQ(-EBADMSG, open_close(&file));
	free((void *)file.data);
	free(text);
}

/* They pass as part of the file, but can't be used. */
TEST(types_without_use_are_refused_when_taken)
{
	struct vgg_file file = file_with("{" T("a", "BOOL", "[1]", 0, 1) "," T(
						 "b", "I16", "[1]", 1, 3) "}",
					 3);
	const struct vgg_tensor *t;
	struct vgg_blob blob;
	struct vgg_st st;

	ASSERT_EQ(0, vgg_st_open(&st, "t.safetensors", &file));
	EXPECT_EQ(-EOPNOTSUPP, vgg_st_get(&st, "a", &t));
	EXPECT_STREQ("tensor \"a\" is of type BOOL", vgg_error_last()->what);
	EXPECT_EQ(-EOPNOTSUPP, vgg_st_blob(&st, "b", VGG_I8, 1, &blob));
	vgg_st_close(&st);
	free((void *)file.data);
}

TEST(unaligned_blobs_are_refused)
{
	static const char header[] = "{" T("a", "U8", "[1]", 0, 1) "," T(
		"b", "F32", "[1]", 1, 5) "," T("c", "U8", "[3]", 5,
					       8) "," T("d", "F32", "[1]", 8,
							12) "}";
	struct vgg_file file = file_with(header, 12);
	bool b_aligned = !((uintptr_t)(file.data + 8 + strlen(header) + 1) % 4);
	struct vgg_blob blob;
	struct vgg_st st;

	ASSERT_EQ(0, vgg_st_open(&st, "t.safetensors", &file));
	/* At least one of b and d lies askew. */
	EXPECT_EQ(-EBADMSG,
		  vgg_st_blob(&st, b_aligned ? "d" : "b", VGG_F32, 1, &blob));
	EXPECT_CONTAINS(vgg_error_last()->what, "is not aligned");
	vgg_st_close(&st);
	free((void *)file.data);
}

/* Writing */

static const int64_t no_shape[1];

static const char *write_out(struct vgg_st_out *out, struct vgg_file *file)
{
	static char path[512];
	struct vgg_writer *writer;

	snprintf(path, sizeof(path), "%s/out.safetensors", test_tmpdir());
	ASSERT_EQ(0, vgg_writer_open(&writer, path));
	EXPECT_EQ(0, vgg_st_out_write(out, writer));
	ASSERT_EQ(0, vgg_writer_commit(writer));
	ASSERT_EQ(0, vgg_file_open(file, path));
	return path;
}

TEST(written_is_read)
{
	static const int64_t five[] = { 5 }, square[] = { 4, 8 };
	static const int64_t many[] = { 64 };
	static const struct {
		const char *name;
		enum vgg_dtype dtype;
		int rank;
		const int64_t *shape;
	} t[] = {
		{ "i8", VGG_I8, 1, five },
		{ "f16", VGG_F16, 1, five },
		{ "f32", VGG_F32, 1, five },
		{ "u8", VGG_U8, 1, five },
		{ "f64", VGG_F64, 1, five },
		{ "i64", VGG_I64, 0, no_shape },
		{ "bf16", VGG_BF16, 1, five },
		{ "i32", VGG_I32, 1, five },
		{ "weights", VGG_I8, 1, many },
		{ "square", VGG_F32, 2, square },
	};
	uint8_t data[128 + 10];
	struct vgg_st_out out = { 0 };
	struct vgg_file file;
	struct vgg_st st;
	const char *path;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < 10; i++)
		ASSERT_EQ(0, vgg_st_out_add(&out, t[i].name, t[i].dtype,
					    t[i].rank, t[i].shape, data + i));
	ASSERT_EQ(0, vgg_st_out_meta(&out, "graph", "\"quoted\" \xc3\xa9\n"));
	ASSERT_EQ(0, vgg_st_out_meta(&out, "graph", "{\"\xe2\x82\xac\":1}\n"));
	path = write_out(&out, &file);
	ASSERT_EQ(0, vgg_st_open(&st, path, &file));
	EXPECT_STREQ("{\"\xe2\x82\xac\":1}\n", vgg_st_meta(&st, "graph"));
	EXPECT_EQ(10u, st.all.count);
	/* Whole multiples of 64 bytes come first, in the order given. */
	EXPECT_STREQ("weights", st.all.list[0].name);
	EXPECT_STREQ("square", st.all.list[1].name);
	EXPECT_EQ(0, (st.all.list[0].data - file.data) % 64);
	for (size_t i = 0; i < 10; i++) {
		const struct vgg_tensor *f =
			vgg_tensors_find(&st.all, t[i].name);
		struct vgg_blob blob;

		ASSERT_TRUE(f);
		EXPECT_EQ(t[i].rank, f->rank);
		EXPECT_EQ(0, memcmp(f->data, data + i, f->bytes));
		EXPECT_EQ(0, vgg_st_blob(&st, t[i].name, t[i].dtype, f->count,
					 &blob));
	}
	vgg_st_close(&st);
	vgg_file_close(&file);
	vgg_st_out_clear(&out);
}

TEST(nothing_written_is_read)
{
	struct vgg_st_out out = { 0 };
	struct vgg_file file;

	write_out(&out, &file);
	EXPECT_EQ(64u, file.size);
	EXPECT_EQ(0, open_close(&file));
	vgg_file_close(&file);
	vgg_st_out_clear(&out);
}

static int write_nowhere(struct vgg_st_out *out)
{
	struct vgg_writer *writer;
	char path[512];
	int err;

	snprintf(path, sizeof(path), "%s/none.safetensors", test_tmpdir());
	ASSERT_EQ(0, vgg_writer_open(&writer, path));
	err = vgg_st_out_write(out, writer);
	vgg_writer_abort(writer);
	return err;
}

TEST(what_cannot_be_stored_is_refused)
{
	static const int64_t one[] = { 1 }, huge[] = { INT64_MAX, 4 };
	struct vgg_st_out out = { 0 };

	EXPECT_EQ(-EINVAL,
		  vgg_st_out_add(&out, "__metadata__", VGG_I8, 1, one, ""));
	EXPECT_EQ(-EINVAL, vgg_st_out_add(&out, "a", VGG_I8, 9, one, ""));
	EXPECT_EQ(-EINVAL, vgg_st_out_add(&out, "a", VGG_I8, 2, huge, ""));
	EXPECT_STREQ("tensor \"a\" cannot be stored", vgg_error_last()->what);
	EXPECT_EQ(-EINVAL, vgg_st_out_meta(&out, "k", "\xff"));
	EXPECT_STREQ("k", vgg_error_last()->where);
	ASSERT_EQ(0, vgg_st_out_add(&out, "a", VGG_I8, 1, one, ""));
	ASSERT_EQ(0, vgg_st_out_add(&out, "a", VGG_U8, 1, one, ""));
	EXPECT_EQ(-EINVAL, write_nowhere(&out));
	EXPECT_CONTAINS(vgg_error_last()->what, "not UTF-8 or not unique");
	vgg_st_out_clear(&out);
	ASSERT_EQ(0, vgg_st_out_add(&out, "\xff", VGG_I8, 1, one, ""));
	EXPECT_EQ(-EINVAL, write_nowhere(&out));
	vgg_st_out_clear(&out);
}

TEST(many_tensors_are_found)
{
	static const int64_t one[] = { 1 };
	static uint8_t data[3000];
	struct vgg_st_out out = { 0 };
	struct vgg_file file;
	struct vgg_st st;
	char name[32];

	for (int i = 0; i < 3000; i++) {
		data[i] = (uint8_t)(i * 31 >> 3);
		snprintf(name, sizeof(name), "t%d", i);
		ASSERT_EQ(0,
			  vgg_st_out_add(&out, name, VGG_U8, 1, one, &data[i]));
	}
	ASSERT_EQ(0, vgg_st_open(&st, write_out(&out, &file), &file));
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		ASSERT_TRUE(vgg_tensors_find(&st.all, name));
		EXPECT_EQ(data[i], vgg_tensors_find(&st.all, name)->data[0]);
		EXPECT_STREQ(name, st.all.list[i].name);
	}
	vgg_st_close(&st);
	vgg_file_close(&file);
	vgg_st_out_clear(&out);
}

TEST_HARNESS_MAIN
