// SPDX-License-Identifier: MIT
/* vggctl verify --layers, on networks that are sound and on damaged ones. */
#include <math.h>

#include "cli_support.h"

static const json_t *at(const json_t *doc, const char *a, const char *b)
{
	return json_object_get(json_object_get(doc, a), b);
}

static const char *word(const json_t *doc, const char *key)
{
	return json_string_value(json_object_get(doc, key));
}

static double number(const json_t *doc, const char *a, const char *b)
{
	return json_number_value(json_object_get(at(doc, a, "cpu"), b));
}

/* mini.st, where the shifts of a layer's parameters, which are the fourth number of
 * each channel's, make its output a quarter of what it is. */
static void damage(const char *name, const char *to)
{
	char *model, *header;
	json_t *meta, *offsets;
	uint64_t length, begin, end, i;
	FILE *f = fopen(in_tmp("mini.st"), "rb");
	size_t n;

	ASSERT_TRUE(f != NULL);
	fseek(f, 0, SEEK_END);
	n = (size_t)ftell(f);
	rewind(f);
	model = malloc(n);
	ASSERT_EQ(n, fread(model, 1, n, f));
	fclose(f);
	memcpy(&length, model, 8);
	header = strndup(model + 8, length);
	meta = json_loads(header, 0, NULL);
	ASSERT_TRUE(meta != NULL);
	offsets = json_object_get(json_object_get(meta, name), "data_offsets");
	ASSERT_TRUE(offsets != NULL);
	begin = (uint64_t)json_integer_value(json_array_get(offsets, 0));
	end = (uint64_t)json_integer_value(json_array_get(offsets, 1));
	for (i = begin; i < end; i += 16) {
		int32_t shift;

		memcpy(&shift, model + 8 + length + i + 12, 4);
		shift += 2;
		memcpy(model + 8 + length + i + 12, &shift, 4);
	}
	write_bytes(to, model, n);
	json_decref(meta);
	free(header);
	free(model);
}

TEST_TIMEOUT(figures_of_a_sound_network, 120)
{
	json_t *doc, *l;
	size_t i;

	make_files();
	doc = vggctl_json("verify --layers --json -m @mini.st @img", 0);
	EXPECT_NEAR(3, json_number_value(json_object_get(doc, "inputs")), 0);
	EXPECT_NEAR(20,
		    json_number_value(json_object_get(doc, "min_snr_alone")),
		    0);
	EXPECT_EQ(0u, json_array_size(json_object_get(doc, "findings")));
	EXPECT_EQ(7u, json_array_size(json_object_get(doc, "layers")));
	json_array_foreach(json_object_get(doc, "layers"), i, l)
	{
		bool card = !strcmp(word(l, "on"), "card");

		EXPECT_LT(25.0, number(l, "alone", "snr"));
		EXPECT_LT(0.99, number(l, "upto", "cosine"));
		EXPECT_TRUE(json_is_null(json_object_get(l, "wrong")));
		EXPECT_TRUE(
			card ? json_is_true(at(l, "alone", "equal")) &&
					json_is_true(at(l, "upto", "equal")) :
			       json_is_null(at(l, "alone", "equal")));
		if (card)
			EXPECT_TRUE(json_equal(at(l, "upto", "cpu"),
					       at(l, "upto", "card")));
	}
	json_decref(doc);
}

TEST_TIMEOUT(a_damaged_scale_is_named, 120)
{
	struct ran r;
	json_t *doc;

	make_files();
	damage("2.qparam", "bad.st");
	r = vggctl("verify --layers -m @bad.st @img/one.png @img/two.PNG");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.out, ", 2 inputs\n");
	EXPECT_CONTAINS(r.out, "\nWRONG, first in features.8 (LAYER_ERROR)");
	EXPECT_CONTAINS(r.err, "vggctl: features.8: alone, from fp32's input");
	EXPECT_CONTAINS(r.err, "(layers with that: 1) [LAYER_ERROR]\n"
			       "  hint: compile the model again");
	ran_free(&r);
	doc = vggctl_json("verify --layers --json -m @bad.st @img/one.png", 1);
	EXPECT_STREQ("LAYER_ERROR",
		     json_string_value(at(doc, "error", "code")));
	EXPECT_STREQ("features.8",
		     json_string_value(at(doc, "error", "where")));
	EXPECT_STREQ("alone",
		     word(json_array_get(json_object_get(doc, "layers"), 2),
			  "wrong"));
	json_decref(doc);
	/* As much is allowed. */
	vggctl_ok("verify --layers --min-snr-alone 0 --min-snr 0 -m @bad.st "
		  "@img");
	/* More than a sound network has. */
	doc = vggctl_json("verify --layers --json --min-snr-alone 60 -m "
			  "@mini.st @img",
			  1);
	EXPECT_STREQ("features.0",
		     json_string_value(at(doc, "error", "where")));
	json_decref(doc);
}

TEST_TIMEOUT(a_card_that_flips_bits_is_named, 120)
{
	struct ran r;

	make_files();
	r = vggctl("verify --layers -m @mini.st --inject BIT_FLIP,count=1000");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.out, "card differs");
	EXPECT_CONTAINS(r.out, "dB, 1 differ");
	EXPECT_CONTAINS(r.err, "vggctl: features.0: card and CPU differ in 1 "
			       "of 32768 bytes, the first at 0; alone, from "
			       "the same input, as well [RESULT_MISMATCH]");
	ran_free(&r);
}

TEST_TIMEOUT(inputs_of_all_kinds, 120)
{
	struct ran r;

	make_files();
	vggctl_ok("verify --layers --data @img --max-images 2 -m @mini.st "
		  "--device cpu");
	vggctl_ok("verify --layers -m @mini.st");
	r = vggctl("verify --layers --data @nothing -m @mini.st");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "  hint: ");
	ran_free(&r);
	r = vggctl("verify --layers @none.png -m @mini.st");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "[NO_FILE]");
	ran_free(&r);
	vggctl_ok("import --arch minivgg_cifar10 --random-weights 7 --calib "
		  "@img --keep none -o @ints.st");
	r = vggctl("verify --layers -m @ints.st");
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, "OK: without fp32 weights");
	ran_free(&r);
}

TEST_HARNESS_MAIN
