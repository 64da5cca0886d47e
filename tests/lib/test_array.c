// SPDX-License-Identifier: MIT
/* .npy files: what NumPy writes is read, what is written NumPy reads, all else
 * is refused. */
#include "image_support.h"
#include "vggaccel.h"

/* As numpy.save() wrote it (1.24) for numpy.float32([[1.5, -2, 0.25]]). */
static const char numpy_file[] =
	"\x93NUMPY\1\0v\0{'descr': '<f4', 'fortran_order': False, "
	"'shape': (1, 3), }"
	"                                                          \n"
	"\0\0\xc0\x3f\0\0\0\xc0\0\0\x80\x3e";
#define NUMPY_BYTES (sizeof(numpy_file) - 1)

static int load(const void *data, size_t n, struct vgg_array *a)
{
	const char *path = write_file("a.npy", data, n);
	int err = vgg_array_load(path, a);

	if (err) {
		EXPECT_EQ(-EBADMSG, err);
		EXPECT_STREQ("ARRAY_FORMAT", vgg_error_last()->name);
		EXPECT_STREQ(path, vgg_error_last()->where);
		EXPECT_TRUE(vgg_error_last()->what[0] != 0);
		EXPECT_TRUE(vgg_error_last()->next_step[0] != 0);
		EXPECT_EQ(0, a->rank);
		EXPECT_TRUE(a->data == NULL);
	}
	return err;
}

TEST(reads_what_numpy_writes)
{
	struct vgg_array a;

	ASSERT_EQ(0, load(numpy_file, NUMPY_BYTES, &a));
	EXPECT_EQ(2, a.rank);
	EXPECT_EQ(1, a.shape[0]);
	EXPECT_EQ(3, a.shape[1]);
	EXPECT_TRUE(a.data[0] == 1.5f);
	EXPECT_TRUE(a.data[1] == -2.0f);
	EXPECT_TRUE(a.data[2] == 0.25f);
	vgg_array_free(&a);
	EXPECT_TRUE(a.data == NULL);
	vgg_array_free(&a);
	vgg_array_free(NULL);
}

/* A file of version `major` with this header and n bytes of data. */
static int load_header(int major, const char *header, size_t n,
		       struct vgg_array *a)
{
	size_t length = strlen(header), start = major == 1 ? 10 : 12, i;
	uint8_t data[2048] = "\x93NUMPY";

	data[6] = (uint8_t)major;
	data[8] = (uint8_t)length;
	data[9] = (uint8_t)(length >> 8);
	memcpy(data + start, header, length);
	for (i = 0; i < n; i++)
		data[start + length + i] = (uint8_t)i;
	return load(data, start + length + n, a);
}

#define HEADER(shape) \
	"{'descr': '<f4', 'fortran_order': False, 'shape': " shape ", }  \n"

static void accept(int major, const char *header, size_t n, int rank,
		   int64_t first)
{
	struct vgg_array a;

	if (load_header(major, header, n, &a)) {
		TH_LOG("%s", vgg_error_last()->what);
		EXPECT_STREQ(header, "accepted");
		return;
	}
	EXPECT_EQ(rank, a.rank);
	EXPECT_EQ(first, a.shape[0]);
	EXPECT_TRUE(a.data != NULL);
	vgg_array_free(&a);
}

TEST(headers_that_are_legal)
{
	accept(1, HEADER("(2, 1)"), 8, 2, 2);
	accept(2, HEADER("(2, 1)"), 8, 2, 2);
	accept(3, HEADER("(2, 1)"), 8, 2, 2);
	accept(1, HEADER("()"), 4, 0, 0);
	accept(1, HEADER("(3,)"), 12, 1, 3);
	accept(1, HEADER("(2,1,)"), 8, 2, 2);
	accept(1, HEADER("( 2 , 1 )"), 8, 2, 2);
	accept(1, HEADER("(1, 1, 1, 1, 1, 1, 1, 2)"), 8, 8, 1);
	accept(1, HEADER("(0,)"), 0, 1, 0);
	accept(1, HEADER("(5, 0, 7)"), 0, 3, 5);
	/* Keys in any order, either quote, no last comma. */
	accept(1,
	       "{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"<f4\"}\n",
	       8, 1, 2);
}

static void refuse(const char *part, const char *header, size_t n)
{
	struct vgg_array a;

	if (!load_header(1, header, n, &a)) {
		EXPECT_STREQ(header, "refused");
		vgg_array_free(&a);
		return;
	}
	EXPECT_CONTAINS(vgg_error_last()->what, part);
}

static void refuse_type(const char *descr)
{
	char header[256];

	snprintf(header, sizeof(header),
		 "{'descr': %s, 'fortran_order': False, 'shape': (2,), }\n",
		 descr);
	refuse("elements", header, 8);
}

TEST(other_types)
{
	refuse_type("'<f8'");
	EXPECT_CONTAINS(vgg_error_last()->what, "'<f8'");
	EXPECT_CONTAINS(vgg_error_last()->next_step,
			"array.astype(numpy.float32)");
	refuse_type("'>f4'");
	refuse_type("'|f4'");
	refuse_type("'<i4'");
	refuse_type("'|u1'");
	refuse_type("''");
	refuse_type("[('a', '<f4')]");
	refuse("Fortran",
	       "{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }\n", 8);
	EXPECT_CONTAINS(vgg_error_last()->next_step, "astype(numpy.float32)");
}

TEST(headers_that_are_damaged)
{
	refuse("size", HEADER("(2, 3"), 24);
	refuse("size", HEADER("(-2, 3)"), 24);
	refuse("','", HEADER("(2 3)"), 24);
	refuse("tuple", HEADER("(6)"), 24);
	refuse("size", HEADER("(,)"), 24);
	refuse("size", HEADER("(2,,3)"), 24);
	refuse("','", HEADER("(2L, 3)"), 24);
	refuse("','", HEADER("(0x2, 3)"), 24);
	refuse("'('", HEADER("[2, 3]"), 24);
	refuse("dimensions", HEADER("(1, 1, 1, 1, 1, 1, 1, 1, 1)"), 4);
	refuse("too large", HEADER("(9223372036854775808,)"), 4);
	refuse("too large", HEADER("(4294967296, 4294967296)"), 0);
	refuse("too large", HEADER("(9223372036854775807, 2)"), 0);
	refuse("too large", HEADER("(4611686018427387904, 8, 0)"), 0);
	refuse("early", HEADER("(1000000000000,)"), 4);
	refuse("'{'", "\n", 0);
	refuse("'{'", "", 0);
	refuse("lacks", "{}\n", 0);
	refuse("lacks", "{'descr': '<f4', 'shape': (2,), }\n", 8);
	refuse("unknown", "{'descr': '<f4', 'descr': '<f4', }\n", 8);
	refuse("unknown", "{'type': '<f4', }\n", 8);
	refuse("','", "{'descr': '<f4' 'shape': (2,), }\n", 8);
	refuse("':'", "{'descr' '<f4', 'shape': (2,), }\n", 8);
	refuse("string", "{descr: '<f4'}\n", 8);
	refuse("ended", "{'descr: <f4}\n", 8);
	refuse("ended", "{'de\\x73cr': '<f4'}\n", 8);
	refuse("ended", "{'descr\n': '<f4'}\n", 8);
	refuse("neither",
	       "{'fortran_order': 0, 'descr': '<f4', 'shape': (2,)}\n", 8);
	refuse("newline",
	       "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} ", 8);
	refuse("newline",
	       "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}}\n", 8);
	refuse("ended",
	       "{'a string that is far longer than any that a header "
	       "could have in it': 1}\n",
	       8);
}

TEST(data_must_fit)
{
	struct vgg_array a;

	refuse("23 of 24", HEADER("(2, 3)"), 23);
	refuse("0 of 24", HEADER("(2, 3)"), 0);
	refuse("1 bytes behind", HEADER("(2, 3)"), 25);
	refuse("4 bytes behind", HEADER("(0,)"), 4);
	EXPECT_LT(load("", 0, &a), 0);
	EXPECT_CONTAINS(vgg_error_last()->what, "empty");
	EXPECT_LT(load("\x93NUMPX\1\0\0\0", 10, &a), 0);
	EXPECT_CONTAINS(vgg_error_last()->what, "not a .npy");
	EXPECT_LT(load("\x93NUMPY\4\0\0\0", 10, &a), 0);
	EXPECT_CONTAINS(vgg_error_last()->what, "version 4.0");
	EXPECT_LT(load("\x93NUMPY\1\1\0\0", 10, &a), 0);
	EXPECT_LT(load("\x93NUMPY\2\0\xff\xff\xff\xff", 12, &a), 0);
	EXPECT_CONTAINS(vgg_error_last()->what, "4294967295");
}

TEST(cut_off_anywhere)
{
	struct vgg_array a;
	size_t n;

	for (n = 0; n < NUMPY_BYTES; n++)
		EXPECT_LT(load(numpy_file, n, &a), 0);
}

TEST(any_byte_flipped)
{
	uint8_t data[NUMPY_BYTES];
	struct vgg_array a;
	size_t i;
	int bit;

	memcpy(data, numpy_file, NUMPY_BYTES);
	for (i = 0; i < NUMPY_BYTES; i++)
		for (bit = 0; bit < 8; bit += test_emulated() ? 3 : 1) {
			data[i] ^= (uint8_t)(1 << bit);
			if (!load(data, NUMPY_BYTES, &a)) {
				/* The sum reads all that is claimed. */
				EXPECT_NE(a.data, NULL);
				crc(a.data, (size_t)(a.shape[0] * a.shape[1]) *
						    sizeof(float));
				vgg_array_free(&a);
			}
			data[i] ^= (uint8_t)(1 << bit);
		}
}

/* What NumPy was seen to load; its own writer pads the header differently. */
TEST(writes_what_numpy_reads)
{
	static const char want[] =
		"\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, "
		"'shape': (1, 2), }"
		"                                                          \n"
		"\0\0\x80\x3f\0\0\0\xc0";
	float values[] = { 1, -2 };
	struct vgg_array a = { .rank = 2, .shape = { 1, 2 }, .data = values };
	const char *path = temp_path("w.npy");
	uint8_t *got;
	size_t size;

	ASSERT_EQ(0, vgg_array_save(path, &a));
	got = read_file(path, &size);
	ASSERT_EQ(sizeof(want) - 1, size);
	EXPECT_EQ(0, memcmp(want, got, size));
	free(got);
}

static void check_round_trip(int rank, int64_t size)
{
	struct vgg_array a = { .rank = rank }, b;
	size_t n = 1;
	int i;

	for (i = 0; i < rank; i++) {
		a.shape[i] = i % 2 ? size : 2;
		n *= (size_t)a.shape[i];
	}
	a.data = malloc(n * sizeof(float) + 1);
	for (i = 0; i < (int)n; i++)
		a.data[i] = (float)i - 0.5f;
	ASSERT_EQ(0, vgg_array_save(temp_path("r.npy"), &a));
	ASSERT_EQ(0, vgg_array_load(temp_path("r.npy"), &b));
	EXPECT_EQ(rank, b.rank);
	EXPECT_EQ(0, memcmp(a.shape, b.shape, sizeof(a.shape)));
	EXPECT_EQ(0, memcmp(a.data, b.data, n * sizeof(float)));
	vgg_array_free(&a);
	vgg_array_free(&b);
}

TEST(what_is_saved_is_loaded)
{
	int rank;

	for (rank = 0; rank <= 8; rank++) {
		check_round_trip(rank, 3);
		check_round_trip(rank, 0);
	}
}

/* The longest header there is. */
TEST(large_shapes)
{
	struct vgg_array a = { .rank = 8 }, b;
	int i;

	for (i = 0; i < 7; i++)
		a.shape[i] = 100;
	ASSERT_EQ(0, vgg_array_save(temp_path("l.npy"), &a));
	ASSERT_EQ(0, vgg_array_load(temp_path("l.npy"), &b));
	EXPECT_EQ(100, b.shape[6]);
	vgg_array_free(&b);
	a.shape[0] = INT64_MAX;
	a.shape[1] = INT64_MAX;
	EXPECT_EQ(-EINVAL, vgg_array_save(temp_path("l.npy"), &a));
}

TEST(arrays_that_make_no_sense)
{
	float value = 1;
	struct vgg_array a = { .rank = 1, .shape = { 1 }, .data = &value };
	const char *path = temp_path("s.npy");

	EXPECT_EQ(-EINVAL, vgg_array_save(path, NULL));
	EXPECT_EQ(-EINVAL, vgg_array_save(NULL, &a));
	a.rank = 9;
	EXPECT_EQ(-EINVAL, vgg_array_save(path, &a));
	a.rank = -1;
	EXPECT_EQ(-EINVAL, vgg_array_save(path, &a));
	a.rank = 1;
	a.shape[0] = -1;
	EXPECT_EQ(-EINVAL, vgg_array_save(path, &a));
	a.shape[0] = 1;
	a.data = NULL;
	EXPECT_EQ(-EINVAL, vgg_array_save(path, &a));
	EXPECT_STREQ("BAD_ARGUMENT", vgg_error_last()->name);
	EXPECT_EQ(-EINVAL, vgg_array_load(path, NULL));
	EXPECT_EQ(-ENOENT, vgg_array_load(path, &a));
	EXPECT_STREQ(path, vgg_error_last()->where);
}

TEST_HARNESS_MAIN
