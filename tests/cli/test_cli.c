// SPDX-License-Identifier: MIT
/*
 * What vggctl prints and writes. Golden outputs lie in golden/; after a change
 * that is meant, VGG_GOLDEN_UPDATE=1 writes them anew.
 */
#include <locale.h>

#include "cli_support.h"

/*
 * Golden outputs. What differs from run to run, or between ways to sum floats,
 * is masked: numbers with a decimal point and times become '#' with the spaces
 * before them, the test's folder becomes TMP.
 */
static size_t number_length(const char *s)
{
	return strspn(s, "0123456789.");
}

static bool is_masked(const char *s, size_t n)
{
	return memchr(s, '.', n) || !strncmp(s + n, " ms", 3) ||
	       !strncmp(s + n, " cycles", 7) || !strncmp(s + n, " kB", 3) ||
	       !strncmp(s + n, " MB", 3) || !strncmp(s + n, " images/s", 9);
}

static char *mask(const char *s)
{
	char *masked = malloc(2 * strlen(s) + 1), *to = masked;
	size_t tmp = strlen(test_tmpdir()), n;

	while (*s) {
		n = number_length(s);
		/* A line about this machine. */
		if (!strncmp(s, "CPU   ", 6) &&
		    (to == masked || to[-1] == '\n')) {
			to = stpcpy(to, "CPU           THIS");
			s += strcspn(s, "\n");
		} else if (!strncmp(s, test_tmpdir(), tmp)) {
			to = stpcpy(to, "TMP");
			s += tmp;
		} else if (n && s[0] != '.' && s[n - 1] != '.' &&
			   is_masked(s, n)) {
			while (to - masked > 2 && to[-1] == ' ' &&
			       to[-2] == ' ' && to[-3] == ' ')
				to--;
			*to++ = '#';
			s += n;
		} else {
			n += !n;
			to = mempcpy(to, s, n);
			s += n;
		}
	}
	*to = 0;
	return masked;
}

static void golden(const char *name, const char *args)
{
	struct ran r = vggctl(args);
	char relative[128], *masked, *want;
	FILE *to;

	EXPECT_EQ(0, r.status);
	EXPECT_STREQ("", r.err);
	masked = mask(r.out);
	snprintf(relative, sizeof(relative), "cli/golden/%s.txt", name);
	if (getenv("VGG_GOLDEN_UPDATE")) {
		to = fopen(test_data(relative), "w");
		ASSERT_TRUE(to != NULL);
		fputs(masked, to);
		ASSERT_EQ(0, fclose(to));
	}
	want = slurp(test_data(relative));
	EXPECT_STREQ(want, masked);
	free(want);
	free(masked);
	ran_free(&r);
}

TEST(golden_help)
{
	make_files();
	golden("help", "--help");
	golden("help", "help");
	golden("help-run", "run --help");
	golden("help-run", "run -h");
	golden("help-run", "help run");
	golden("help-info", "info --help");
	golden("help-show", "show --help");
	golden("help-import", "import --help");
	golden("help-quantize", "quantize --help");
	golden("help-verify", "verify --help");
	golden("help-eval", "eval --help");
	golden("help-bench", "bench --help");
	golden("help-trace", "trace --help");
	golden("help-plan", "plan --help");
}

TEST(golden_info)
{
	make_files();
	golden("info-device", "info");
	golden("info-cpu", "info --device cpu");
	golden("info-model", "info -m @mini.st");
	golden("show", "show @mini.st");
	golden("show-arch", "show minivgg_cifar10_wide");
}

TEST(golden_run)
{
	make_files();
	golden("run-one", "run -m @mini.st @a.png --top 3");
	golden("run-many", "run -m @mini.st @a.png @img");
	golden("run-fp32", "run -m @mini.st --precision fp32 @img");
}

TEST(golden_import)
{
	make_files();
	golden("import", "import --arch minivgg_cifar10 --random-weights 7 "
			 "--calib @img -o @again.st");
	golden("archs", "import --list-archs");
}

TEST(golden_verify_bench)
{
	make_files();
	golden("verify", "verify -m @mini.st");
	golden("verify-layers", "verify --layers -m @mini.st @img");
	golden("verify-cpu", "verify -m @mini.st --device cpu @a.png");
	golden("bench", "bench -m @mini.st -i 3 -w 1");
}

/* Of a machine that is the same everywhere. */
TEST(golden_plan)
{
	make_files();
	golden("plan", "plan --device sim --machine rk3399 -m @mini.st");
}

/*
 * JSON: keys and types.
 */
static void expect_model(json_t *doc)
{
	const char *kind, *name, *s;
	int classes, layers;
	double macs;

	EXPECT_EQ(0, json_unpack(doc, "{s:{s:s, s:s}, s:{s:s, s:i, s:i, s:F}}",
				 "device", "kind", &kind, "name", &name,
				 "model", "name", &s, "classes", &classes,
				 "layer_count", &layers, "macs", &macs));
	EXPECT_EQ(10, classes);
}

TEST(json_run)
{
	const char *placement, *file, *label, *sha;
	json_t *doc, *top, *entry;
	double ms, p, sum = 0;
	size_t i;
	int class_;

	make_files();
	doc = vggctl_json("--json run -m @mini.st --top 10 @a.png", 0);
	expect_model(doc);
	ASSERT_EQ(0,
		  json_unpack(doc, "{s:s, s:[{s:s, s:o, s:F, s:s}!]}",
			      "placement", &placement, "results", "file", &file,
			      "top", &top, "ms", &ms, "output_sha256", &sha));
	EXPECT_STREQ(in_tmp("a.png"), file);
	EXPECT_CONTAINS(placement, "on the card");
	EXPECT_EQ(64u, strlen(sha));
	EXPECT_TRUE(ms > 0);
	ASSERT_EQ(10u, json_array_size(top));
	json_array_foreach(top, i, entry)
	{
		ASSERT_EQ(0, json_unpack(entry, "{s:i, s:s, s:F !}", "class",
					 &class_, "label", &label,
					 "probability", &p));
		sum += p;
	}
	EXPECT_NEAR(1, sum, 1e-4);
	json_decref(doc);
}

TEST(json_run_many)
{
	json_t *doc, *results;

	make_files();
	doc = vggctl_json("run --json -m @mini.st @a.png @img", 0);
	results = json_object_get(doc, "results");
	EXPECT_EQ(4u, json_array_size(results));
	EXPECT_TRUE(!json_object_get(doc, "error"));
	json_decref(doc);
}

TEST(json_info)
{
	json_t *doc, *layers, *labels, *clusters;
	const char *name, *reason, *kernels;
	int rows, count, l2, in_order;

	make_files();
	doc = vggctl_json("info --json -m @mini.st", 0);
	expect_model(doc);
	ASSERT_EQ(0, json_unpack(doc, "{s:{s:i}, s:{s:o, s:o}, s:{s:s, s:o}}",
				 "device", "mac_rows", &rows, "model", "layers",
				 &layers, "labels", &labels, "cpu", "kernels",
				 &kernels, "clusters", &clusters));
	EXPECT_LT(0, rows);
	EXPECT_STRNE("", kernels);
	EXPECT_TRUE(json_array_size(clusters) > 0);
	EXPECT_EQ(0, json_unpack(json_array_get(clusters, 0), "{s:i, s:i, s:b}",
				 "count", &count, "l2_kib", &l2, "in_order",
				 &in_order));
	EXPECT_TRUE(count > 0 && l2 > 0);
	EXPECT_EQ(10u, json_array_size(labels));
	EXPECT_EQ(0, json_unpack(json_array_get(layers, 0), "{s:s, s:s}",
				 "name", &name, "reason", &reason));
	json_decref(doc);
}

TEST(json_import)
{
	json_t *doc, *refused;
	double bytes;

	make_files();
	doc = vggctl_json("import --json --arch minivgg_cifar10 "
			  "--random-weights 7 --calib @img -o @again.st "
			  "--name mine --keep none",
			  0);
	ASSERT_EQ(0, json_unpack(doc, "{s:{s:F}, s:o}", "output", "bytes",
				 &bytes, "not_on_card", &refused));
	EXPECT_TRUE(bytes > 100000);
	EXPECT_TRUE(json_is_false(
		json_object_get(json_object_get(doc, "model"), "fp32")));
	EXPECT_STREQ("mine", json_string_value(json_object_get(
				     json_object_get(doc, "model"), "name")));
	json_decref(doc);
}

TEST(json_verify)
{
	json_t *doc, *layers, *equal, *cosine;
	const char *name;
	size_t i;
	json_t *l;

	make_files();
	doc = vggctl_json("verify --json -m @mini.st", 0);
	expect_model(doc);
	EXPECT_TRUE(json_is_true(json_object_get(doc, "equal")));
	layers = json_object_get(doc, "layers");
	EXPECT_LT(4u, json_array_size(layers));
	json_array_foreach(layers, i, l)
	{
		ASSERT_EQ(0, json_unpack(l, "{s:s, s:o, s:o}", "name", &name,
					 "equal", &equal, "cosine", &cosine));
		EXPECT_FALSE(json_is_false(equal));
		EXPECT_TRUE(json_number_value(cosine) > 0.9);
	}
	json_decref(doc);
}

TEST(json_bench)
{
	double min, median, p99, mean, rate;
	int iterations, warmup;
	json_t *doc;

	make_files();
	doc = vggctl_json("bench --model @mini.st --iterations 3 --warmup 1 "
			  "--threads 1 --json",
			  0);
	expect_model(doc);
	ASSERT_EQ(0,
		  json_unpack(doc, "{s:i, s:i, s:{s:F, s:F, s:F, s:F}, s:F}",
			      "iterations", &iterations, "warmup", &warmup,
			      "ms", "min", &min, "median", &median, "p99", &p99,
			      "mean", &mean, "images_per_second", &rate));
	EXPECT_EQ(3, iterations);
	EXPECT_EQ(1, warmup);
	EXPECT_TRUE(min > 0 && min <= median && median <= p99);
	EXPECT_TRUE(min <= mean && mean <= p99);
	EXPECT_NEAR(1000 / mean, rate, rate * 1e-6);
	json_decref(doc);
}

/* As many in flight as asked for, with the result of one after the other. */
TEST(stream_bench)
{
	static const char *const how[] = { "", "--pace", "--split cpu" };
	const char *sha, *one_sha;
	unsigned int i;
	double rate;
	int n;

	make_files();
	for (i = 0; i < 3; i++) {
		char line[160];
		json_t *doc, *one;

		snprintf(line, sizeof(line),
			 "bench --model @mini.st -i 20 --in-flight %u %s "
			 "--device sim --json",
			 i ? 2 : 0, how[i]);
		doc = vggctl_json(line, 0);
		ASSERT_EQ(0, json_unpack(doc, "{s:i, s:F, s:s}", "in_flight",
					 &n, "images_per_second", &rate,
					 "output_sha256", &sha));
		one = vggctl_json("bench --model @mini.st -i 1 --json", 0);
		ASSERT_EQ(0,
			  json_unpack(one, "{s:s}", "output_sha256", &one_sha));
		EXPECT_STREQ(one_sha, sha);
		EXPECT_TRUE(i ? n == 2 : n > 1);
		EXPECT_TRUE(rate > 0);
		EXPECT_TRUE(!json_object_get(one, "in_flight"));
		json_decref(doc);
		json_decref(one);
	}
}

/* No inference is faster than the card that is modelled. */
TEST(paced_bench)
{
	double paced, cycles, khz;
	json_t *doc, *info;

	make_files();
	doc = vggctl_json("bench --model @mini.st --iterations 5 --split card "
			  "--device sim --pace --json",
			  0);
	ASSERT_EQ(0, json_unpack(doc, "{s:{s:F}, s:F}", "ms", "min", &paced,
				 "card_cycles", &cycles));
	info = vggctl_json("info --device sim --pace --json", 0);
	ASSERT_EQ(0,
		  json_unpack(info, "{s:{s:F}}", "device", "clock_khz", &khz));
	TH_LOG("%g ms for %g ms of the card", paced, cycles / khz);
	EXPECT_TRUE(paced >= cycles / khz);
	EXPECT_TRUE(
		json_object_get(json_object_get(info, "device"), "late_jobs"));
	json_decref(doc);
	json_decref(info);
}

TEST(disabled_kernels_are_told)
{
	struct ran r;

	setenv("VGG_DISABLE", " winograd , winogard", 1);
	r = vggctl("info --device cpu");
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, ", without winograd\n");
	EXPECT_CONTAINS(r.err, "note: VGG_DISABLE has 'winogard', which is "
			       "the name of nothing; there are generic, ");
	ran_free(&r);
	unsetenv("VGG_DISABLE");
	r = vggctl("info --device cpu");
	EXPECT_STREQ("", r.err);
	EXPECT_TRUE(!strstr(r.out, "without"));
	ran_free(&r);
}

TEST(info_tells_of_pace)
{
	struct ran r = vggctl("info --device sim --pace");

	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, "as the modelled card");
	ran_free(&r);
	r = vggctl("info --device sim");
	EXPECT_TRUE(!strstr(r.out, "as the modelled card"));
	ran_free(&r);
}

/*
 * Bytes.
 */
static void sha_of(const char *args, char sha[65])
{
	json_t *doc = vggctl_json(args, 0);
	const char *s = NULL;

	json_unpack(doc, "{s:[{s:s}]}", "results", "output_sha256", &s);
	snprintf(sha, 65, "%s", s ? s : "");
	json_decref(doc);
	EXPECT_EQ(64u, strlen(sha));
}

TEST(same_bytes_everywhere)
{
	static const char *const ways[] = {
		"run --json --device cpu -m @mini.st @a.png",
		"run --json --device sim --split cpu -m @mini.st @a.png",
		"run --json --device sim --threads 1 -m @mini.st @a.png",
	};
	char want[65], got[65];
	size_t i;

	make_files();
	sha_of("run --json --device sim -m @mini.st @a.png", want);
	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		sha_of(ways[i], got);
		EXPECT_STREQ(want, got);
	}
}

TEST(same_bytes_of_built_in_model)
{
	char sim[65], cpu[65];

	make_files();
	sha_of("run --json --device sim @a.png", sim);
	sha_of("run --json --device cpu @a.png", cpu);
	EXPECT_STREQ(sim, cpu);
}

TEST(input_and_output)
{
	float pixels[3 * 32 * 32];
	struct vgg_array in = { 4, { 1, 3, 32, 32 }, pixels }, y;
	char array[65], again[65];
	size_t i;
	double sum = 0;

	make_files();
	for (i = 0; i < 3 * 32 * 32; i++)
		pixels[i] = (float)(i * 7 % 256) / 255;
	ASSERT_EQ(0, vgg_array_save(in_tmp("x.npy"), &in));
	sha_of("run --json -m @mini.st --input @x.npy --output @y.npy", array);
	in.rank = 3;
	memmove(in.shape, in.shape + 1, 3 * sizeof(*in.shape));
	ASSERT_EQ(0, vgg_array_save(in_tmp("x3.npy"), &in));
	sha_of("run --json -m @mini.st --input @x3.npy --device cpu", again);
	EXPECT_STREQ(array, again);
	ASSERT_EQ(0, vgg_array_load(in_tmp("y.npy"), &y));
	EXPECT_EQ(2, y.rank);
	EXPECT_EQ(1, y.shape[0]);
	EXPECT_EQ(10, y.shape[1]);
	for (i = 0; i < 10; i++)
		sum += (double)y.data[i];
	EXPECT_NEAR(1, sum, 1e-4);
	vgg_array_free(&y);
}

/* Each of a stack of inputs gives what it gives alone. */
TEST(stacked_input)
{
	static float pixels[2 * 3 * 32 * 32];
	struct vgg_array in = { 4, { 2, 3, 32, 32 }, pixels }, all, one;
	size_t i;

	make_files();
	for (i = 0; i < 2 * 3 * 32 * 32; i++)
		pixels[i] = (float)(i * i % 251) / 255;
	ASSERT_EQ(0, vgg_array_save(in_tmp("two.npy"), &in));
	in.shape[0] = 1;
	in.data += 3 * 32 * 32;
	ASSERT_EQ(0, vgg_array_save(in_tmp("second.npy"), &in));
	vggctl_ok("run -m @mini.st --input @two.npy -o @all.npy");
	vggctl_ok("run -m @mini.st --input @second.npy -o @one.npy");
	ASSERT_EQ(0, vgg_array_load(in_tmp("all.npy"), &all));
	ASSERT_EQ(0, vgg_array_load(in_tmp("one.npy"), &one));
	ASSERT_EQ(3, all.rank);
	EXPECT_EQ(2, all.shape[0]);
	EXPECT_EQ(0, memcmp(all.data + 10, one.data, 10 * sizeof(float)));
	EXPECT_NE(0, memcmp(all.data, one.data, 10 * sizeof(float)));
	vgg_array_free(&all);
	vgg_array_free(&one);
}

TEST(stacked_output)
{
	struct vgg_array all, one;

	make_files();
	vggctl_ok("run -m @mini.st @img -o @all.npy");
	vggctl_ok("run -m @mini.st @img/three.png -o @one.npy");
	ASSERT_EQ(0, vgg_array_load(in_tmp("all.npy"), &all));
	ASSERT_EQ(0, vgg_array_load(in_tmp("one.npy"), &one));
	EXPECT_EQ(3, all.rank);
	EXPECT_EQ(3, all.shape[0]);
	EXPECT_EQ(1, all.shape[1]);
	EXPECT_EQ(10, all.shape[2]);
	/* one.png, three.png, two.PNG: sorted by bytes */
	EXPECT_EQ(0, memcmp(all.data + 10, one.data, 10 * sizeof(float)));
	vgg_array_free(&all);
	vgg_array_free(&one);
}

/* An image and its preprocessed array are the same input. */
TEST(preprocessing_matches_input)
{
	struct vgg_device *device;
	struct vgg_model *model;
	struct vgg_session *session;
	struct vgg_image *image;
	float pixels[3 * 32 * 32];
	struct vgg_array x = { 4, { 1, 3, 32, 32 }, pixels };
	char from_image[65], from_array[65];

	make_files();
	ASSERT_EQ(0, vgg_device_open("cpu", NULL, &device));
	ASSERT_EQ(0, vgg_model_load(in_tmp("mini.st"), &model));
	ASSERT_EQ(0, vgg_session_create(device, model, NULL, &session));
	ASSERT_EQ(0, vgg_image_load(in_tmp("a.png"), &image));
	ASSERT_EQ(0,
		  vgg_session_preprocess(session, image, pixels, 3 * 32 * 32));
	ASSERT_EQ(0, vgg_array_save(in_tmp("a.npy"), &x));
	sha_of("run --json -m @mini.st @a.png", from_image);
	sha_of("run --json -m @mini.st --input @a.npy", from_array);
	EXPECT_STREQ(from_image, from_array);
	vgg_image_free(image);
	vgg_session_free(session);
	vgg_model_free(model);
	vgg_device_close(device);
}

/* The samples' names start with their class. */
TEST(samples)
{
	const char *folder = test_data("../samples"), *label, *file, *name;
	json_t *doc, *results, *r;
	char args[600];
	size_t i;

	make_files();
	if (!exists(folder))
		SKIP("the samples aren't there");
	snprintf(args, sizeof(args), "run --json %s", folder);
	doc = vggctl_json(args, 0);
	results = json_object_get(doc, "results");
	EXPECT_LE(5u, json_array_size(results));
	json_array_foreach(results, i, r)
	{
		ASSERT_EQ(0, json_unpack(r, "{s:s, s:[{s:s}]}", "file", &file,
					 "top", "label", &label));
		name = strrchr(file, '/') + 1;
		TH_LOG("%s: %s", name, label);
		EXPECT_EQ(0, strncmp(name, label, strlen(label)));
	}
	json_decref(doc);
}

/*
 * Terminals.
 */
static void expect_line(const char *out, const char *start, const char *end)
{
	char path[600];

	snprintf(path, sizeof(path), "%s%s", in_tmp(start), end);
	EXPECT_CONTAINS(out, path);
}

/* Names are aligned by what they take on the screen. */
TEST(alignment)
{
	struct ran r;

	make_files();
	mkdir(in_tmp("names"), 0777);
	draw_png("names/abcd.png", 32, 32, 1);
	draw_png("names/\xc3\xa9.png", 32, 32, 1);     /* e acute */
	draw_png("names/e\xcc\x81.png", 32, 32, 1);    /* combining */
	draw_png("names/\xe6\x97\xa5.png", 32, 32, 1); /* wide */
	r = vggctl("run -m @mini.st @names");
	EXPECT_EQ(0, r.status);
	expect_line(r.out, "names/abcd.png", "   ");
	expect_line(r.out, "names/\xc3\xa9.png", "      ");
	expect_line(r.out, "names/e\xcc\x81.png", "      ");
	expect_line(r.out, "names/\xe6\x97\xa5.png", "     ");
	ran_free(&r);
}

static void write_labels(const char *first)
{
	char text[256];

	snprintf(text, sizeof(text), "%s\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", first);
	write_text("labels.txt", text);
}

TEST(labels)
{
	struct ran r;

	make_files();
	write_labels("\xe7\x8c\xab \xf0\x9f\x90\x88");
	vggctl_ok("import --arch minivgg_cifar10 --random-weights 7 --calib "
		  "@img --labels @labels.txt -o @labelled.st");
	r = vggctl("run -m @labelled.st --top 10 @a.png");
	EXPECT_CONTAINS(r.out, "  \xe7\x8c\xab \xf0\x9f\x90\x88\n");
	ran_free(&r);
	r = vggctl("info -m @labelled.st");
	EXPECT_CONTAINS(r.out, "\xe7\x8c\xab \xf0\x9f\x90\x88, b, c, d");
	ran_free(&r);
}

static int open_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	bool works = master >= 0 && !grantpt(master) && !unlockpt(master);

	if (!works)
		SKIP("no pseudo-terminals here (an emulator, a bare chroot)");
	return master;
}

/* Runs it with stdout on a terminal; returns what appears there. */
static char *on_terminal(const char *args)
{
	int master = open_terminal(), n, at = 0;
	char *text = calloc(1, 65536);
	pid_t pid;

	pid = fork();
	if (!pid) {
		redirect(STDOUT_FILENO, ptsname(master));
		redirect(STDERR_FILENO, "/dev/null");
		close(master);
		exec_vggctl(args);
	}
	/* Ends with EIO when the last user has closed it. */
	do {
		n = (int)read(master, text + at, (size_t)(65535 - at));
		at += n > 0 ? n : 0;
		if (n < 0 && errno == EIO && !waitpid(pid, NULL, WNOHANG)) {
			usleep(10000); /* it has not opened it yet */
			n = 1;
		}
	} while (n > 0);
	close(master);
	return text;
}

TEST(colours)
{
	const char *args = "run -m @mini.st @a.png";
	char *text;

	make_files();
	setenv("TERM", "xterm", 1);
	text = on_terminal(args);
	EXPECT_CONTAINS(text, "\033[1m");
	EXPECT_CONTAINS(text, "on the card");
	free(text);
	setenv("NO_COLOR", "1", 1);
	text = on_terminal(args);
	EXPECT_CONTAINS(text, "on the card");
	EXPECT_TRUE(!strchr(text, '\033'));
	free(text);
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	text = on_terminal(args);
	EXPECT_TRUE(!strchr(text, '\033'));
	free(text);
}

TEST(bars)
{
	struct ran r;

	make_files();
	r = vggctl("run @a.png");
	EXPECT_CONTAINS(r.out, "###");
	ran_free(&r);
	if (!setlocale(LC_ALL, "C.UTF-8"))
		SKIP("there is no UTF-8 locale");
	setenv("LC_ALL", "C.UTF-8", 1);
	r = vggctl("run @a.png");
	if (test_emulated() && strstr(r.out, "###"))
		SKIP("the emulated system has no UTF-8 locale");
	EXPECT_CONTAINS(r.out, "\xe2\x96\x88\xe2\x96\x88");
	ran_free(&r);
}

TEST(verbose)
{
	struct ran r;

	make_files();
	r = vggctl("-v run -m @mini.st @a.png @img");
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, "sha256 ");
	EXPECT_CONTAINS(r.out, "features.0 on the card: ");
	ran_free(&r);
	r = vggctl("bench -v -m @mini.st -i 1 -w 0");
	EXPECT_CONTAINS(r.out, "sha256 ");
	ran_free(&r);
}

TEST(version)
{
	char want[64];
	struct ran r;

	make_files();
	r = vggctl("--version");
	snprintf(want, sizeof(want), "vggctl %s\n", vgg_version());
	EXPECT_EQ(0, r.status);
	EXPECT_STREQ(want, r.out);
	ran_free(&r);
}

/* The script that bash is to read, read by it. */
TEST(completion)
{
	struct ran r;

	make_files();
	r = vggctl_to(in_tmp("complete.sh"), "completion bash");
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, "[import]='--output --arch");
	ran_free(&r);
	if (access("/bin/bash", X_OK))
		SKIP("there is no bash");
	setenv("SCRIPT", in_tmp("complete.sh"), 1);
	EXPECT_EQ(0, system("bash -c '. \"$SCRIPT\"; COMP_CWORD=2; "
			    "COMP_WORDS=(vggctl bench --iter); _vggctl; "
			    "test \"${COMPREPLY[*]}\" = --iterations'"));
	/* What import takes, by its endings; the name has a blank. */
	EXPECT_EQ(0, system("bash -c 'd=$(mktemp -d) && . \"$SCRIPT\" && cd "
			    "$d && touch \"my net.pth\" my.jpg && COMP_CWORD=2 "
			    "&& COMP_WORDS=(vggctl import my) && _vggctl && "
			    "rm -r $d && test \"${COMPREPLY[*]}\" = "
			    "\"my net.pth\"'"));
}

/*
 * Manual pages.
 */
static char *page(const char *name)
{
	char relative[128], *text;

	snprintf(relative, sizeof(relative), "../lib/man/%s.scd", name);
	text = slurp(test_data(relative));
	ASSERT_TRUE(text != NULL);
	return text;
}

/* Each option that --help tells is in the page of the verb or of vggctl. */
static void expect_options(const char *verb, const char *common)
{
	char args[32], name[32], option[40], *own, *at;
	struct ran r;

	snprintf(args, sizeof(args), "%s --help", verb);
	snprintf(name, sizeof(name), "vggctl-%s.1", verb);
	own = page(name);
	r = vggctl(args);
	for (at = strstr(r.out, " --"); at; at = strstr(at + 1, " --")) {
		size_t n = strspn(at + 3, "abcdefghijklmnopqrstuvwxyz-");

		snprintf(option, sizeof(option), "--%.*s*", (int)n, at + 3);
		if (n && !strstr(own, option) && !strstr(common, option))
			test_fail(__FILE__, __LINE__, "%s lacks %s", name,
				  option);
	}
	free(own);
	ran_free(&r);
}

TEST(manual_pages)
{
	static const char *const names[] = { "run",    "info",	   "show",
					     "import", "quantize", "verify",
					     "bench",  "trace" };
	char *common, *map, *library, *at, call[80], *to;
	size_t i;

	make_files();
	common = page("vggctl.1");
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		expect_options(names[i], common);
	library = page("libvggaccel.3");
	map = slurp(test_data("../lib/libvggaccel.map"));
	ASSERT_TRUE(map != NULL);
	for (at = strtok(map, " \t\n;"); at; at = strtok(NULL, " \t\n;")) {
		if (strncmp(at, "vgg_", 4))
			continue;
		for (to = call; *at && to < call + 70; *to++ = *at++)
			if (*at == '_')
				*to++ = '\\';
		strcpy(to, "*()");
		EXPECT_CONTAINS(library, call);
	}
	free(common);
	free(library);
	free(map);
}

TEST_HARNESS_MAIN
