// SPDX-License-Identifier: MIT
/* vggctl quantize: the built-in network on pictures whose classes are known. */
#include <math.h>

#include "cli_support.h"
#include "shapes.h"

#define IMAGES 120
#define MODEL "@shapes.st"

/* Pictures in set/CLASS/, as many as of each class; and the built-in network. */
static void make_set(void)
{
	char path[600], dir[500];
	png_image png = { .version = PNG_IMAGE_VERSION,
			  .width = 32,
			  .height = 32,
			  .format = PNG_FORMAT_RGB };
	uint8_t rgb[3 * 1024];
	char *model;
	FILE *f;
	long n;
	int i, label;

	make_files();
	if (mkdir(in_tmp("set"), 0777))
		return;
	for (i = 0; i < IMAGES; i++) {
		ASSERT_EQ(0,
			  shapes_draw(815, (uint64_t)i, 32, 32, rgb, &label));
		snprintf(dir, sizeof(dir), "%s/%s", in_tmp("set"),
			 shapes_class_name(label));
		mkdir(dir, 0777);
		snprintf(path, sizeof(path), "%s/%03d.png", dir, i);
		ASSERT_TRUE(
			png_image_write_to_file(&png, path, 0, rgb, 0, NULL));
	}
	f = fopen(test_data("../lib/model/shapes10.safetensors"), "rb");
	ASSERT_TRUE(f != NULL);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	model = malloc((size_t)n);
	ASSERT_EQ((size_t)n, fread(model, 1, (size_t)n, f));
	fclose(f);
	/* Its fp32 weights are kept as they were trained. */
	write_bytes("shapes.st", model, (size_t)n);
	free(model);
}

static const json_t *at(const json_t *doc, const char *a, const char *b)
{
	return json_object_get(json_object_get(doc, a), b);
}

static double number(const json_t *doc, const char *a, const char *b)
{
	return json_number_value(at(doc, a, b));
}

static bool warned(const json_t *doc, const char *name)
{
	json_t *w;
	size_t i;

	json_array_foreach(json_object_get(doc, "warnings"), i, w)
	{
		if (!strcmp(name,
			    json_string_value(json_object_get(w, "name"))))
			return true;
	}
	return false;
}

/* All methods with everything: as right as fp32, and near to it. */
TEST_TIMEOUT(methods_keep_accuracy, 120)
{
	static const char *const ways[] = {
		"--method mse",
		"--method minmax --equalize",
		"--method percentile --percentile 99.9 --bias-correction",
		"--method entropy",
		"--method entropy --equalize --bias-correction",
	};
	char args[300];
	json_t *doc, *l;
	unsigned int i;
	size_t k;

	make_set();
	/* One way tells what emulation can: they take minutes each there. */
	i = test_emulated() ? sizeof(ways) / sizeof(*ways) - 1 : 0;
	for (; i < sizeof(ways) / sizeof(*ways); i++) {
		snprintf(args, sizeof(args),
			 "quantize --json " MODEL " -o @q.st --calib @set "
			 "--max-drop 0.9 %s",
			 ways[i]);
		doc = vggctl_json(args, 0);
		EXPECT_TRUE(number(doc, "report", "cosine") >= 0.995);
		EXPECT_TRUE(number(doc, "accuracy", "drop_points") <= 0.9);
		EXPECT_TRUE(number(doc, "accuracy", "fp32") > 0.97);
		EXPECT_NEAR(64, number(doc, "report", "images"), 0);
		/* What was calibrated with is left out. */
		EXPECT_NEAR(IMAGES - 64, number(doc, "accuracy", "images"), 0);
		EXPECT_EQ(8u, json_array_size(at(doc, "report", "layers")));
		json_array_foreach(at(doc, "report", "layers"), k, l)
		{
			EXPECT_TRUE(json_number_value(json_object_get(
					    l, "cosine_alone")) > 0.95);
		}
		EXPECT_FALSE(warned(doc, "FEW_IMAGES"));
		EXPECT_FALSE(warned(doc, "DEAD_CHANNELS"));
		EXPECT_FALSE(warned(doc, "FAR_FROM_FP32"));
		/* One of 56 is more than 0.9 points. */
		EXPECT_TRUE(warned(doc, "FEW_TEST_IMAGES"));
		EXPECT_NEAR(number(doc, "accuracy", "drop_points") * 0.56,
			    number(doc, "accuracy", "lost") -
				    number(doc, "accuracy", "won"),
			    1e-6);
		EXPECT_FALSE(warned(doc, "OUT_OF_DOMAIN"));
		json_decref(doc);
		vggctl_ok("run -m @q.st @a.png");
		vggctl_ok("verify -m @q.st @a.png");
	}
}

TEST_TIMEOUT(text_tells_layers_and_warnings, 120)
{
	struct ran r;

	make_set();
	r = vggctl("quantize " MODEL " -o @t.st --calib @set --max-images 5 "
		   "--equalize --keep none");
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, "calibration   5 images, least squared error");
	EXPECT_CONTAINS(r.out, "equalised ");
	EXPECT_CONTAINS(r.out, "output        cosine 0.99");
	EXPECT_CONTAINS(r.out, "layer ");
	EXPECT_CONTAINS(r.out, "/dense2/Gemm");
	EXPECT_CONTAINS(r.out, "WARNINGS      FEW_IMAGES");
	EXPECT_CONTAINS(r.err, "vggctl: WARNING: calibration images: only 5 "
			       "images to calibrate with [FEW_IMAGES]\n"
			       "  hint: ");
	ran_free(&r);
	r = vggctl("quantize @t.st -o @u.st");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "[MODEL_PRECISION]");
	EXPECT_FALSE(exists(in_tmp("u.st")));
	ran_free(&r);
	r = vggctl("quantize " MODEL " -o @u.st");
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.err, "[SYNTHETIC_IMAGES]");
	ran_free(&r);
	r = vggctl("quantize @u.st -o @u.st");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "is the model to quantise itself");
	ran_free(&r);
}

/* Half of all values cut off costs more than nothing. */
TEST_TIMEOUT(a_drop_fails, 120)
{
	struct ran r;
	json_t *doc;
	double drop;

	make_set();
#define BAD                                                           \
	"quantize --json " MODEL " -o @bad.st --calib @set --method " \
	"percentile --percentile 55 --max-drop "
	doc = vggctl_json(BAD "0", 1);
	drop = number(doc, "accuracy", "drop_points");
	EXPECT_TRUE(drop > 5);
	EXPECT_STREQ("ACCURACY", json_string_value(at(doc, "error", "code")));
	EXPECT_TRUE(json_is_null(json_object_get(doc, "output")));
	EXPECT_TRUE(warned(doc, "SATURATION"));
	EXPECT_TRUE(warned(doc, "FAR_FROM_FP32"));
	/* Of any number, one is more than nothing. */
	EXPECT_FALSE(warned(doc, "FEW_TEST_IMAGES"));
	EXPECT_TRUE(number(doc, "accuracy", "lost") >= 3);
	json_decref(doc);
	EXPECT_FALSE(exists(in_tmp("bad.st")));
	if (test_emulated())
		return;
	r = vggctl(BAD "1");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "nothing was written [ACCURACY]\n  hint: ");
	EXPECT_CONTAINS(r.err, " images became wrong, ");
	EXPECT_CONTAINS(r.err, "one of 56 images is 1.79 points, more than "
			       "--max-drop 1 [FEW_TEST_IMAGES]\n"
			       "  hint: take 100 images or more ");
	ran_free(&r);
	doc = vggctl_json(BAD "100", 0);
	EXPECT_NEAR(drop, number(doc, "accuracy", "drop_points"), 1e-9);
	EXPECT_TRUE(exists(in_tmp("bad.st")));
	json_decref(doc);
}

TEST_TIMEOUT(images_that_cannot_tell, 120)
{
	struct ran r;

	make_set();
	r = vggctl("quantize " MODEL " -o @n.st --calib @set --max-images 120 "
		   "--max-drop 1");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "all 120 images were calibrated with");
	ran_free(&r);
	r = vggctl("quantize " MODEL " -o @n.st --calib @img --max-drop 1");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "the images have no classes");
	EXPECT_FALSE(exists(in_tmp("n.st")));
	ran_free(&r);
	r = vggctl("quantize " MODEL " -o @n.st --calib @none --max-drop 1");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "[NO_FILE]");
	ran_free(&r);
}

static int times(const char *text, const char *what)
{
	int n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* Two warnings that aren't the report's: each once, in each place. */
TEST_TIMEOUT(classes_without_names, 120)
{
	char class_[300], number[20];
	struct ran r;
	int i;

	if (test_emulated())
		SKIP("it takes minutes here, and nothing of it depends on the "
		     "processor");
	make_set();
	ASSERT_EQ(0, mkdir(in_tmp("odd"), 0777));
	for (i = 0; i < 10; i++) {
		snprintf(class_, sizeof(class_), "../set/%s",
			 shapes_class_name(i));
		snprintf(number, sizeof(number), "odd/%d", i);
		ASSERT_EQ(0, symlink(class_, in_tmp(number)));
	}
	r = vggctl("quantize " MODEL " -o @o.st --calib @set --max-images 4 "
		   "--data @odd --max-drop 0.8");
	EXPECT_EQ(1, times(r.err, "[CLASSES_BY_NUMBER]"));
	EXPECT_EQ(1, times(r.err, "[FEW_TEST_IMAGES]"));
	EXPECT_EQ(1, times(r.out, "CLASSES_BY_NUMBER"));
	EXPECT_EQ(1, times(r.out, "FEW_TEST_IMAGES"));
	ran_free(&r);
}

/* import quantises in the same ways, and warns in the same way. */
TEST_TIMEOUT(import_does_the_same, 120)
{
	struct ran r;

	make_set();
	vggctl_ok("import --arch minivgg_cifar10 --random-weights 7 --calib "
		  "@set --max-images 40 --method minmax --equalize "
		  "--bias-correction -o @i.st");
	r = vggctl("info -m @i.st");
	EXPECT_CONTAINS(r.out, "calibration   40 images, extremes");
	ran_free(&r);
}

TEST_HARNESS_MAIN
