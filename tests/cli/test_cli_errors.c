// SPDX-License-Identifier: MIT
/*
 * What goes wrong, and what vggctl says: every error tells what, where and
 * what to do, and ends with its exit status; with --json also as JSON.
 */
#include "cli_support.h"

struct mistake {
	const char *args;
	const char *what; /* parts of what is said */
	const char *where;
};

enum { USAGE = 2, NO_DEVICE = 3, DEVICE_LOST = 4 };

static const struct mistake usage[] = {
	{ "", "a verb is missing",
	  "run, info, show, import, quantize, verify, eval, bench, trace, plan "
	  "and "
	  "calibrate" },
	{ "frobnicate", "there is no verb 'frobnicate'", "run, info" },
	{ "--frob info", "unrecognized option", "--frob" },
	{ "info --frob", "unrecognized option", "--frob" },
	{ "run", "an image is missing", "vggctl run" },
	{ "run --top 0 x", "--top takes a whole number from 1 to 1000", "'0'" },
	{ "run --top 1001 x", "from 1 to 1000", "'1001'" },
	{ "run --top 5x x", "from 1 to 1000", "'5x'" },
	{ "run --top +5 x", "from 1 to 1000", "'+5'" },
	{ "run --top= x", "from 1 to 1000", "''" },
	{ "run --top 99999999999999999999 x", "from 1 to 1000", "--top" },
	{ "run --threads 257 x", "from 0 to 256", "--threads" },
	{ "run --threads -1 x", "from 0 to 256", "--threads" },
	{ "run --split gpu x", "neither auto, card, cpu or offload nor",
	  "--split" },
	{ "run --precision int4 x", "int8 or fp32", "--precision" },
	{ "run --input x.npy y.png", "leave out 'y.png'", "--input" },
	{ "run --split card --precision fp32 x", "needs --precision int8",
	  "--split card" },
	{ "info model.st", "takes no argument 'model.st'", "--model" },
	{ "show a.st b.st", "takes one network", "'b.st'" },
	{ "show -o net.png a.st", "ends in .svg", "'net.png'" },
	{ "show --arch vgg16", "a file, which is missing", "--arch" },
	{ "import x.onnx", "--output is missing", "vggctl import" },
	{ "import -o y", "a file to import is missing", "--random-weights" },
	{ "import a.onnx b.onnx -o y", "takes one file", "'b.onnx'" },
	{ "import --random-weights 1 -o y", "needs --arch",
	  "--random-weights" },
	{ "import --random-weights 1 --arch vgg16 x -o y", "leave out 'x'",
	  "--random-weights" },
	{ "import --random-weights -1 --arch vgg16 -o y",
	  "from 0 to 18446744073709551615", "--random-weights" },
	{ "import --random-weights 1e3 --arch vgg16 -o y", "'1e3'",
	  "--random-weights" },
	{ "import x -o y --no-quantize --keep none", "leave no weights",
	  "--keep none" },
	{ "import x -o y --no-quantize --calib z", "of no use", "--calib" },
	{ "import x -o y --no-quantize --equalize", "of no use", "--equalize" },
	{ "import x -o y --method best", "minmax, percentile or entropy",
	  "--method" },
	{ "quantize -o y", "compiled model is missing", "vggctl import" },
	{ "quantize x", "--output is missing", "name the file" },
	{ "quantize x z -o y", "takes one model", "'z'" },
	{ "quantize x -o y --percentile 99", "is for --method percentile",
	  "--percentile" },
	{ "quantize x -o y --method percentile --percentile 49",
	  "from 50 to 100", "'49'" },
	{ "quantize x -o y --max-images 0 --calib z", "from 1 to",
	  "--max-images" },
	{ "quantize x -o y --max-images 9", "images of --calib",
	  "--max-images" },
	{ "quantize x -o y --max-drop 1", "needs images with classes",
	  "--data" },
	{ "quantize x -o y --max-drop -1 --data z", "from 0 to 100", "'-1'" },
	{ "quantize x -o y --data z", "is for --max-drop", "--data" },
	{ "import x -o y --keep int4", "fp32, fp16 or none", "--keep" },
	{ "import x -o y --resize 0", "from 1 to 65535", "--resize" },
	{ "import x -o y --epsilon 1e-3x", "a number above 0, 1 at most",
	  "--epsilon" },
	{ "import x -o y --epsilon 0", "a number above 0, 1 at most",
	  "--epsilon" },
	{ "import x -o y --epsilon nan", "a number above 0, 1 at most",
	  "--epsilon" },
	{ "import x -o y --input-size 70000", "from 1 to 65535",
	  "--input-size" },
	{ "import x -o y --mean 1,,2", "1 to 4 numbers", "--mean" },
	{ "import x -o y --mean nan", "1 to 4 numbers", "--mean" },
	{ "import x -o y --std 1,2,3,4,5", "1 to 4 numbers", "--std" },
	{ "import x -o y --std 1,2,", "1 to 4 numbers", "--std" },
	{ "import x -o y --interpolation nearest", "bilinear or bicubic",
	  "--interpolation" },
	{ "bench --iterations 0", "from 1 to 1000000", "--iterations" },
	{ "bench --warmup -1", "from 0 to 1000000", "--warmup" },
	{ "bench --in-flight 17", "from 0 to 16", "--in-flight" },
	{ "bench --in-flight 2 --layers", "one image after the other",
	  "--layers" },
	{ "bench --in-flight 2 --warmup 0", "when it flows", "--warmup 1" },
	{ "plan model.st", "takes no argument 'model.st'", "--model" },
	{ "plan --machine pi", "--machine takes rk3399", "'pi'" },
	{ "plan --threads x", "from 0 to 256", "--threads" },
	{ "bench image.png", "takes no argument 'image.png'", "--model" },
	{ "trace", "a file is missing", "--output" },
	{ "trace -o t.png", "ends in .json, .svg or .html", "'t.png'" },
	{ "trace -o json", "ends in .json, .svg or .html", "'json'" },
	{ "trace -o t.svg a.png b.png", "takes one image", "'b.png'" },
	{ "verify a.png b.png", "takes one image", "'b.png'" },
	{ "verify --min-snr 5", "is for --layers", "--min-snr" },
	{ "verify --layers --min-snr x", "decibels from 0 to 200", "'x'" },
	{ "verify --layers --min-snr-alone 201", "from 0 to 200", "'201'" },
	{ "verify --layers --data x a.png", "place of other inputs",
	  "'a.png'" },
	{ "verify --layers --max-images 3", "images of --data",
	  "--max-images" },
	{ "verify --input x.npy a.png", "leave out 'a.png'", "--input" },
	{ "--device cpu --card x info", "--device sim", "--card" },
	{ "info --device cpu --inject HANG", "--device sim", "--inject" },
	{ "info --device card --pace", "--device sim", "--pace" },
	{ "--timeout 0 info", "from 1 to 86400", "--timeout" },
	{ "completion", "a shell is missing", "bash" },
	{ "completion fish", "none for 'fish'", "bash" },
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void expect_usage(const struct mistake *m)
{
	struct ran r = vggctl(m->args);

	TH_LOG("vggctl %s", m->args);
	EXPECT_EQ(USAGE, r.status);
	EXPECT_STREQ("", r.out);
	EXPECT_CONTAINS(r.err, m->what);
	EXPECT_CONTAINS(r.err, m->where);
	EXPECT_CONTAINS(r.err, "--help' ");
	ran_free(&r);
}

TEST(usage)
{
	size_t i;

	for (i = 0; i < COUNT(usage); i++)
		expect_usage(&usage[i]);
}

static void expect_error(const char *args, int status, const char *code)
{
	const char *got, *where, *what, *next;
	json_t *doc = vggctl_json(args, status);

	ASSERT_TRUE(doc != NULL);
	if (json_unpack(doc, "{s:{s:s, s:s, s:s, s:s}}", "error", "code", &got,
			"where", &where, "what", &what, "next_step", &next))
		test_fail(__FILE__, __LINE__, "vggctl %s: no error object",
			  args);
	else
		EXPECT_STREQ(code, got);
	json_decref(doc);
}

TEST(usage_in_json)
{
	expect_error("--json run", USAGE, "USAGE");
	expect_error("run --top 0 x --json", USAGE, "USAGE");
	expect_error("--frob --json", USAGE, "USAGE");
}

/* Runs it twice: as text and as JSON. */
static void expect_failure(const struct mistake *m, int status,
			   const char *code)
{
	char json[512], name[64];
	struct ran r = vggctl(m->args);

	TH_LOG("vggctl %s", m->args);
	snprintf(name, sizeof(name), "[%s]\n", code);
	EXPECT_EQ(status, r.status);
	EXPECT_STREQ("", r.out);
	EXPECT_CONTAINS(r.err, "vggctl: ");
	EXPECT_CONTAINS(r.err, name);
	EXPECT_CONTAINS(r.err, m->what);
	EXPECT_CONTAINS(r.err, m->where);
	EXPECT_CONTAINS(r.err, "\n  hint: ");
	ran_free(&r);
	snprintf(json, sizeof(json), "--json %s", m->args);
	expect_error(json, status, code);
}

static void make_bad_files(void)
{
	make_files();
	write_text("empty.png", "");
	write_text("text.jpg", "hello");
	write_bytes("cut.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);
	write_text("animated.gif", "GIF89a......");
	write_text("bad.npy", "\x93NUMPY\x01");
	write_text("bad.st", "this is no model");
	write_text("bad.onnx", "this is no model");
	write_text("bad.pt", "this is no model");
	write_text("bad.safetensors", "this is no model");
	write_text("two.txt", "one\ntwo\n");
}

TEST(images)
{
	static const struct {
		const char *code;
		struct mistake m;
	} cases[] = {
		{ "NO_FILE",
		  { "run -m @mini.st @none.png", "No such file",
		    "/none.png" } },
		{ "IMAGE_FORMAT",
		  { "run -m @mini.st @empty.png", "empty", "/empty.png" } },
		{ "IMAGE_FORMAT",
		  { "run -m @mini.st @text.jpg", "neither", "/text.jpg" } },
		{ "IMAGE_FORMAT",
		  { "run -m @mini.st @cut.png", "", "/cut.png" } },
		{ "IMAGE_UNSUPPORTED",
		  { "run -m @mini.st @animated.gif", "GIF", "/animated.gif" } },
		{ "NO_FILE",
		  { "run -m @mini.st @nothing", "no JPEG or PNG",
		    "/nothing" } },
		{ "NO_FILE",
		  { "verify -m @mini.st @none.png", "No such file",
		    "/none.png" } },
	};
	size_t i;

	make_bad_files();
	for (i = 0; i < COUNT(cases); i++)
		expect_failure(&cases[i].m, 1, cases[i].code);
}

TEST(arrays)
{
	float zeros[3 * 32 * 32] = { 0 };
	struct vgg_array nhwc = { 4, { 1, 32, 32, 3 }, zeros };
	struct vgg_array batch = { 4, { 3, 1, 32, 32 }, zeros };
	static const struct mistake none = {
		"run -m @mini.st --input @none.npy", "No such file", "/none.npy"
	};
	static const struct mistake bad = { "run -m @mini.st --input @bad.npy",
					    "", "/bad.npy" };
	static const struct mistake order = {
		"run -m @mini.st --input @nhwc.npy",
		"has the shape 1x32x32x3, the network takes 1x3x32x32",
		"/nhwc.npy"
	};
	static const struct mistake more = {
		"verify -m @mini.st --input @batch.npy",
		"has the shape 3x1x32x32", "/batch.npy"
	};

	make_bad_files();
	ASSERT_EQ(0, vgg_array_save(in_tmp("nhwc.npy"), &nhwc));
	ASSERT_EQ(0, vgg_array_save(in_tmp("batch.npy"), &batch));
	expect_failure(&none, 1, "NO_FILE");
	expect_failure(&bad, 1, "ARRAY_FORMAT");
	expect_failure(&order, 1, "MODEL_SHAPE");
	expect_failure(&more, 1, "MODEL_SHAPE");
}

TEST(models)
{
	static const struct mistake none = { "info -m @none.st", "No such file",
					     "/none.st" };
	static const struct mistake bad = { "run -m @bad.st @a.png", "",
					    "/bad.st" };
	static const struct mistake cut = { "bench -m @cut.st", "", "/cut.st" };
	static const struct mistake floats = { "run -m @floats.st @a.png",
					       "no integer form", "minivgg" };
	static const struct mistake ints = {
		"run --precision fp32 -m @ints.st @a.png", "", ""
	};
	char *model;

	make_bad_files();
	model = slurp(in_tmp("mini.st"));
	write_bytes("cut.st", model, 60000);
	free(model);
	vggctl_ok("import --arch minivgg_cifar10 --random-weights 1 -o "
		  "@floats.st --no-quantize");
	vggctl_ok("import --arch minivgg_cifar10 --random-weights 1 --calib "
		  "@img -o @ints.st --keep none");
	expect_failure(&none, 1, "NO_FILE");
	expect_failure(&bad, 1, "MODEL_FORMAT");
	expect_failure(&cut, 1, "MODEL_FORMAT");
	expect_failure(&floats, 1, "MODEL_PRECISION");
	expect_failure(&ints, 1, "MODEL_PRECISION");
	vggctl_ok("run -m @floats.st --precision fp32 @a.png");
	vggctl_ok("info -m @floats.st");
	vggctl_ok("run -m @ints.st @a.png");
	vggctl_ok("verify -m @ints.st");
}

#define RANDOM "import --arch minivgg_cifar10 --random-weights 1 "

TEST(imports)
{
	static const struct {
		const char *code;
		struct mistake m;
	} cases[] = {
		{ "NO_FILE",
		  { "import @none.onnx -o @o.st", "No such file",
		    "/none.onnx" } },
		{ "MODEL_FORMAT",
		  { "import @bad.onnx -o @o.st", "is no ONNX model",
		    "/bad.onnx" } },
		/* By what they are, else by what they are called. */
		{ "MODEL_FORMAT",
		  { "import @text.jpg -o @o.st",
		    "neither .pth, safetensors nor HDF5, and it is no ONNX "
		    "model",
		    "/text.jpg" } },
		{ "MODEL_FORMAT",
		  { "import @bad.npy -o @o.st", "neither .pth, ",
		    "/bad.npy" } },
		{ "MODEL_FORMAT",
		  { "import @bad.pt -o @o.st", "the pickle is damaged",
		    "/bad.pt" } },
		{ "MODEL_FORMAT",
		  { "import @bad.safetensors -o @o.st", "the header's length",
		    "/bad.safetensors" } },
		{ "MODEL_UNSUPPORTED",
		  { "import --arch vgg99 --random-weights 1 -o @o.st",
		    "\"vgg99\"", "vgg16" } },
		{ "BAD_ARGUMENT",
		  { "import @mini.st -o @mini.st",
		    "is the file to import itself", "/mini.st" } },
		{ "BAD_ARGUMENT",
		  { "import @mini.st -o @link.st",
		    "is the file to import itself", "/link.st" } },
		{ "BAD_ARGUMENT",
		  { "import @mini.st --input-size 64 -o @o.st",
		    "a file of weights only", "/mini.st" } },
		{ "BAD_ARGUMENT",
		  { RANDOM "--input-size 64 -o @o.st", "which says its own",
		    "import" } },
		{ "BAD_ARGUMENT",
		  { "import @mini.st -o @o.st", "compiled model already",
		    "/mini.st" } },
		{ "BAD_ARGUMENT",
		  { RANDOM "-o @o.st --mean 0.5,0.5", "has 2 numbers",
		    "--mean" } },
		{ "BAD_ARGUMENT",
		  { RANDOM "-o @o.st --std 0,1,1", "", "preprocessing" } },
		{ "NO_FILE",
		  { RANDOM "-o @o.st --labels @none.txt", "No such file",
		    "/none.txt" } },
		{ "LABELS_FORMAT",
		  { RANDOM "-o @o.st --labels @two.txt",
		    "2 labels for 10 classes", "/two.txt" } },
		{ "NO_FILE", { RANDOM "-o @o.st --calib @none", "", "/none" } },
		{ "DATASET_FORMAT",
		  { RANDOM "-o @o.st --calib @nothing", "", "/nothing" } },
		{ "NO_FILE",
		  { RANDOM "-o @none/o.st --calib @img", "No such file",
		    "/none/o.st" } },
	};
	size_t i;

	make_bad_files();
	ASSERT_EQ(0, link(in_tmp("mini.st"), in_tmp("link.st")));
	for (i = 0; i < COUNT(cases); i++)
		expect_failure(&cases[i].m, 1, cases[i].code);
	EXPECT_FALSE(exists(in_tmp("o.st")));
}

TEST(devices)
{
	static const struct mistake node = { "info --device /dev/none", "",
					     "/dev/none" };
	static const struct mistake card = { "info --device card9999",
					     "there is no card", "card" };
	static const struct mistake name = { "info --device simm",
					     "no card of this name", "simm" };
	static const struct mistake cpu = {
		"run -m @mini.st --device cpu --split card @a.png",
		"without a card", "cpu"
	};
	static const struct mistake profile = { "info --card @none.card", "",
						"/none.card" };
	static const struct mistake fault = { "info --inject SMOKE",
					      "\"SMOKE\" is no fault's name",
					      "inject" };
	static const struct mistake lost = {
		"run -m @mini.st --timeout 1 --inject ALL_ONES @a.png", "",
		"card"
	};
	static const struct mistake hang = {
		"bench -m @mini.st --timeout 1 --inject HANG", "1000 ms", "card"
	};

	make_files();
	expect_failure(&node, NO_DEVICE, "NO_DEVICE");
	expect_failure(&card, NO_DEVICE, "NO_DEVICE");
	expect_failure(&name, NO_DEVICE, "NO_DEVICE");
	expect_failure(&cpu, NO_DEVICE, "NO_DEVICE");
	expect_failure(&profile, 2, "BAD_ARGUMENT");
	expect_failure(&fault, 2, "BAD_ARGUMENT");
	expect_failure(&lost, DEVICE_LOST, "DEVICE_LOST");
	expect_failure(&hang, 1, "DEVICE_TIMEOUT");
}

/* One bad image doesn't keep the others from running. */
TEST(bad_image_among_good_ones)
{
	const char *args = "run -m @mini.st @a.png @empty.png @nothing @img";
	json_t *doc, *results, *errors;
	const char *code, *file;
	struct ran r;
	char json[256];

	make_bad_files();
	r = vggctl(args);
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.out, "/a.png");
	EXPECT_CONTAINS(r.out, "/img/two.PNG");
	EXPECT_CONTAINS(r.err, "/empty.png: the file is empty");
	EXPECT_CONTAINS(r.err, "/nothing: the folder has no JPEG");
	ran_free(&r);
	snprintf(json, sizeof(json), "%s --json", args);
	doc = vggctl_json(json, 1);
	ASSERT_EQ(0,
		  json_unpack(doc, "{s:o, s:o, s:{s:s}}", "results", &results,
			      "errors", &errors, "error", "code", &code));
	EXPECT_EQ(4u, json_array_size(results));
	ASSERT_EQ(2u, json_array_size(errors));
	ASSERT_EQ(0, json_unpack(json_array_get(errors, 1), "{s:s}", "file",
				 &file));
	EXPECT_CONTAINS(file, "empty.png");
	json_decref(doc);
}

/* An array with a gap would assign outputs to wrong inputs. */
TEST(output_needs_all_inputs)
{
	struct ran r;

	make_bad_files();
	r = vggctl("run -m @mini.st @a.png @empty.png -o @gap.npy");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "/gap.npy: is not written");
	EXPECT_FALSE(exists(in_tmp("gap.npy")));
	ran_free(&r);
	r = vggctl("run -m @mini.st @a.png -o @none/y.npy");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "/none/y.npy: cannot be created");
	ran_free(&r);
}

TEST(mismatch)
{
	const char *args = "verify -m @mini.st --inject BIT_FLIP,count=1000";
	json_t *doc;
	struct ran r;
	const char *code;
	char json[256];
	int equal = 1;

	make_files();
	r = vggctl(args);
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.out, "NO: ");
	EXPECT_CONTAINS(r.out, "\nMISMATCH: card and CPU disagree");
	EXPECT_CONTAINS(r.err, "[RESULT_MISMATCH]\n  hint: ");
	ran_free(&r);
	snprintf(json, sizeof(json), "%s --json", args);
	doc = vggctl_json(json, 1);
	ASSERT_EQ(0, json_unpack(doc, "{s:b, s:{s:s}}", "equal", &equal,
				 "error", "code", &code));
	EXPECT_FALSE(equal);
	EXPECT_STREQ("RESULT_MISMATCH", code);
	json_decref(doc);
}

/* Results that nobody got are a failure, whatever printed them. */
TEST(output_is_lost)
{
	static const char *const cases[] = {
		"info",
		"info --json",
		"--help",
		"run --help",
		"--version",
		"import --list-archs",
		"run -m @mini.st @a.png",
	};
	struct ran r;
	size_t i;

	make_files();
	for (i = 0; i < 2 * COUNT(cases); i++) {
		r = vggctl_to(i % 2 ? "/dev/full" : NULL, cases[i / 2]);
		TH_LOG("vggctl %s", cases[i / 2]);
		EXPECT_EQ(1, r.status);
		EXPECT_CONTAINS(r.err, "standard output: cannot be written");
		EXPECT_CONTAINS(r.err, i % 2 ? "No space left" : "Bad file");
		ran_free(&r);
	}
}

/* What stdout's number would be given to must not get its text. */
TEST(closed_stdout_spoils_no_file)
{
	struct vgg_array a;
	struct ran r;

	make_files();
	r = vggctl_to(NULL, "run -m @mini.st @a.png -o @y.npy");
	EXPECT_EQ(1, r.status);
	ran_free(&r);
	ASSERT_EQ(0, vgg_array_load(in_tmp("y.npy"), &a));
	vgg_array_free(&a);
}

/* Names from outside cannot steer the terminal. */
TEST(control_characters)
{
	struct ran r;

	make_files();
	r = vggctl("run -m @mini.st \033[31mred.png");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "?[31mred.png: ");
	EXPECT_TRUE(!strchr(r.err, '\033'));
	ran_free(&r);
	r = vggctl("run -m @mini.st --json \xff.png");
	EXPECT_CONTAINS(r.out, "\xef\xbf\xbd.png");
	ran_free(&r);
}

TEST_HARNESS_MAIN
