// SPDX-License-Identifier: MIT
/* vggctl verify --layers, on networks that are sound and on damaged ones; vggctl show. */
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

/*
 * show
 */
static double of(const json_t *layer, const char *key)
{
	return json_number_value(json_object_get(layer, key));
}

static const json_t *layers_of(const json_t *doc)
{
	return at(doc, "model", "layers");
}

TEST_TIMEOUT(a_network_is_shown, 60)
{
	int kernel[2], stride[2], pad[4];
	double macs = 0, bytes = 0;
	json_t *doc, *l, *scales;
	struct stat st;
	size_t i;

	make_files();
	doc = vggctl_json("show --json @mini.st", 0);
	EXPECT_EQ(8u, json_array_size(layers_of(doc)));
	EXPECT_TRUE(json_is_null(json_object_get(doc, "picture")));
	EXPECT_TRUE(of(json_object_get(doc, "model"), "input_scale") > 0);
	json_array_foreach((json_t *)layers_of(doc), i, l)
	{
		macs += of(l, "macs");
		bytes += of(l, "int8_bytes");
		EXPECT_NEAR(4 * of(l, "parameters"), of(l, "fp32_bytes"), 0);
		scales = json_object_get(l, "weight_scales");
		EXPECT_EQ(of(l, "int8_bytes") > 0, json_is_array(scales));
		if (scales)
			EXPECT_TRUE(
				0 < json_number_value(
					    json_array_get(scales, 0)) &&
				json_number_value(json_array_get(scales, 0)) <
					json_number_value(
						json_array_get(scales, 1)));
	}
	EXPECT_NEAR(of(json_object_get(doc, "model"), "macs"), macs, 0);
	/* The file holds these and fp32's. */
	ASSERT_EQ(0, stat(in_tmp("mini.st"), &st));
	EXPECT_TRUE(bytes > 2e6 && bytes < (double)st.st_size / 4);
	/* The second convolution has a pool in it. */
	l = json_array_get(layers_of(doc), 1);
	ASSERT_EQ(0, json_unpack(l, "{s:{s:[i,i], s:[i,i], s:[i,i,i,i]}}",
				 "window", "kernel", &kernel[0], &kernel[1],
				 "stride", &stride[0], &stride[1], "pad",
				 &pad[0], &pad[1], &pad[2], &pad[3]));
	EXPECT_EQ(33, 10 * kernel[0] + kernel[1]);
	EXPECT_EQ(11, 10 * stride[0] + stride[1]);
	EXPECT_EQ(4, pad[0] + pad[1] + pad[2] + pad[3]);
	ASSERT_EQ(0, json_unpack(l, "{s:{s:[i,i]}}", "pool", "stride",
				 &stride[0], &stride[1]));
	EXPECT_EQ(22, 10 * stride[0] + stride[1]);
	json_decref(doc);
}

static unsigned int count(const char *text, const char *what)
{
	unsigned int n = 0;

	for (text = strstr(text, what); text; text = strstr(text + 1, what))
		n++;
	return n;
}

TEST_TIMEOUT(a_network_is_drawn, 60)
{
	struct ran r;
	char *svg;

	make_files();
	r = vggctl("show @mini.st -o @net.svg");
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, "net.svg\n");
	ran_free(&r);
	svg = slurp(in_tmp("net.svg"));
	ASSERT_TRUE(svg != NULL);
	EXPECT_EQ(0, strncmp(svg, "<svg xmlns=", 11));
	EXPECT_STREQ("</svg>\n", svg + strlen(svg) - 7);
	/* All layers; blocks of 32, 16 and vectors; two pools that are part of
	 * a layer, and the legend's. */
	EXPECT_EQ(8u, count(svg, "<title>"));
	EXPECT_EQ(8u, count(svg, "<g>"));
	EXPECT_EQ(3u, count(svg, "class='block'"));
	EXPECT_EQ(3u, count(svg, "class='sub'"));
	EXPECT_CONTAINS(svg, ">features.11</text>");
	EXPECT_CONTAINS(svg, "32 × 32");
	EXPECT_CONTAINS(svg, "3x32x32 → 10");
	/* Nothing from elsewhere, and nothing that runs. */
	EXPECT_EQ(1u, count(svg, "http"));
	EXPECT_EQ(0u, count(svg, "<script"));
	free(svg);
	r = vggctl("show @mini.st -o /none/net.svg");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "/none/net.svg: it cannot be written");
	ran_free(&r);
}

TEST_TIMEOUT(networks_of_all_kinds, 60)
{
	static const struct {
		const char *args, *says;
	} wrong[] = {
		{ "show @none", "[NO_FILE]" },
		{ "show minivg", "minivgg_cifar10_wide" },
		{ "show @img/notes.txt", "[MODEL_FORMAT]" },
		{ "show @cut.st", "cut.st" },
		{ "show --arch minivgg_cifar10 @a.png", "leave out --arch" },
	};
	json_t *doc;
	struct ran r;
	char *model;
	size_t i;

	make_files();
	doc = vggctl_json("show --json", 0);
	EXPECT_STREQ("shapes10", json_string_value(at(doc, "model", "name")));
	json_decref(doc);
	doc = vggctl_json("show --json minivgg", 0);
	EXPECT_STREQ("minivgg_cifar10",
		     json_string_value(at(doc, "model", "arch")));
	json_decref(doc);
	doc = vggctl_json("show --json minivgg_cifar10", 0);
	EXPECT_EQ(8u, json_array_size(layers_of(doc)));
	EXPECT_TRUE(json_is_false(at(doc, "model", "int8")));
	json_decref(doc);
	model = slurp(in_tmp("mini.st"));
	ASSERT_TRUE(model != NULL);
	write_bytes("cut.st", model, 3000);
	free(model);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		r = vggctl(wrong[i].args);
		EXPECT_EQ(1, r.status);
		EXPECT_CONTAINS(r.err, wrong[i].says);
		EXPECT_CONTAINS(r.err, "  hint: ");
		ran_free(&r);
	}
}

/* A folder with a subfolder for each class, as eval and --calib take it. */
TEST(subfolders)
{
	json_t *doc;

	make_files();
	ASSERT_EQ(0, mkdir(in_tmp("classes"), 0777));
	ASSERT_EQ(0, mkdir(in_tmp("classes/b"), 0777));
	ASSERT_EQ(0, mkdir(in_tmp("classes/a"), 0777));
	ASSERT_EQ(0, mkdir(in_tmp("classes/.git"), 0777));
	draw_png("classes/b/1.png", 32, 32, 1);
	draw_png("classes/a/2.png", 32, 32, 2);
	draw_png("classes/.git/3.png", 32, 32, 3);
	doc = vggctl_json("verify --layers --json -m @mini.st @classes", 0);
	EXPECT_EQ(2, (int)json_integer_value(json_object_get(doc, "inputs")));
	json_decref(doc);
	doc = vggctl_json("run --json -m @mini.st @classes", 0);
	EXPECT_EQ(2, (int)json_array_size(json_object_get(doc, "results")));
	json_decref(doc);
}

TEST_HARNESS_MAIN
