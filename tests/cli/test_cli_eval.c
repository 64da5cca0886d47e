// SPDX-License-Identifier: MIT
/* vggctl eval: the built-in network on pictures whose classes are known. */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "cli_support.h"
#include "shapes.h"

#define IMAGES (test_emulated() ? 40u : 200u)

/* As test_batch.bin in the test's folder. */
static void draw(unsigned int wrong)
{
	FILE *f = fopen(in_tmp("test_batch.bin"), "wb");
	uint8_t rgb[3 * 1024];
	unsigned int i, c, p;
	int label;

	ASSERT_TRUE(f != NULL);
	for (i = 0; i < IMAGES; i++) {
		ASSERT_EQ(0, shapes_draw(4711, i, 32, 32, rgb, &label));
		/* What is said to be another class is always wrong. */
		fputc(i < wrong ? (label + 1) % 10 : label, f);
		for (c = 0; c < 3; c++)
			for (p = 0; p < 1024; p++)
				fputc(rgb[3 * p + c], f);
	}
	ASSERT_EQ(0, fclose(f));
	f = fopen(in_tmp("batches.meta.txt"), "w");
	ASSERT_TRUE(f != NULL);
	for (i = 0; i < 10; i++)
		fprintf(f, "%s\n", shapes_class_name((int)i));
	ASSERT_EQ(0, fclose(f));
}

static json_t *eval_json(const char *more)
{
	char command[900];
	struct ran r;
	json_t *doc;

	snprintf(command, sizeof(command), "eval --json --data cifar10:%s %s",
		 test_tmpdir(), more);
	r = vggctl(command);
	if (r.status)
		TH_LOG("%s: %s", command, r.err);
	ASSERT_EQ(0, r.status);
	doc = json_loads(r.out, 0, NULL);
	ASSERT_TRUE(doc != NULL);
	ran_free(&r);
	return doc;
}

static double score(const json_t *doc, const char *precision, const char *key)
{
	return json_number_value(
		json_object_get(json_object_get(doc, precision), key));
}

/* Of the answers. */
static void expect_sums(const json_t *doc, const char *precision, double top1)
{
	const json_t *m =
		json_object_get(json_object_get(doc, precision), "confusion");
	double all = 0, right = 0;
	const json_t *row, *n;
	size_t i, k;

	json_array_foreach(m, i, row) json_array_foreach(row, k, n)
	{
		all += json_number_value(n);
		right += i == k ? json_number_value(n) : 0;
	}
	EXPECT_EQ(IMAGES, all);
	EXPECT_NEAR(top1, right / all, 1e-9);
}

TEST(scores)
{
	double int8, fp32;
	json_t *doc;

	draw(0);
	doc = eval_json("--device sim --split offload");
	int8 = score(doc, "int8", "top1");
	fp32 = score(doc, "fp32", "top1");
	EXPECT_TRUE(int8 > 0.97 && fp32 > 0.97);
	EXPECT_TRUE(score(doc, "int8", "top5") >= int8);
	EXPECT_TRUE(score(doc, "int8", "images_per_second") > 0);
	EXPECT_STREQ("name",
		     json_string_value(json_object_get(doc, "classes_by")));
	expect_sums(doc, "int8", int8);
	expect_sums(doc, "fp32", fp32);
	json_decref(doc);
}

/* A quarter of the pictures with another class's name, whatever computes them. */
TEST(wrong_is_wrong)
{
	static const char *const how[] = {
		"--device cpu", "--device sim --split card --threads 1",
		"--device sim --pace"
	};
	double first = 0;
	unsigned int i;
	json_t *doc;

	draw(IMAGES / 4);
	for (i = 0; i < 3; i++) {
		char more[128];

		snprintf(more, sizeof(more), "%s --precision int8", how[i]);
		doc = eval_json(more);
		EXPECT_TRUE(!json_object_get(doc, "fp32"));
		first = i ? first : score(doc, "int8", "top1");
		EXPECT_NEAR(first, score(doc, "int8", "top1"), 1e-12);
		EXPECT_TRUE(first > 0.7 && first <= 0.75);
		json_decref(doc);
	}
}

static void append(const char *path, const char *text)
{
	FILE *f = fopen(path, "a");

	ASSERT_TRUE(f && fputs(text, f) >= 0 && !fclose(f));
}

/* The first n lines of a state stay. */
static void cut_lines(const char *path, int n)
{
	char *text = slurp(path), *at = text;

	while (n--)
		at = strchr(at, '\n') + 1;
	ASSERT_EQ(0, truncate(path, at - text));
	free(text);
}

TEST(goes_on)
{
	char more[600];
	double whole;
	json_t *doc;

	draw(10);
	snprintf(more, sizeof(more), "--device cpu --resume %s",
		 in_tmp("state"));
	doc = eval_json(more);
	whole = score(doc, "int8", "top1");
	EXPECT_EQ(0, score(doc, "int8", "resumed"));
	json_decref(doc);
	/* Interrupted within a line. */
	cut_lines(in_tmp("state"), 1 + 17);
	/* A class that the network hasn't ends it just so, and what follows. */
	append(in_tmp("state"),
	       "int8 17 3 4000000 1\nint8 17 3 3 1\nint8 18 3");
	doc = eval_json(more);
	EXPECT_EQ(17, score(doc, "int8", "resumed"));
	EXPECT_EQ(0, score(doc, "fp32", "resumed"));
	EXPECT_NEAR(whole, score(doc, "int8", "top1"), 1e-12);
	expect_sums(doc, "int8", whole);
	json_decref(doc);
	doc = eval_json(more);
	EXPECT_EQ(IMAGES, score(doc, "int8", "resumed"));
	EXPECT_EQ(IMAGES, score(doc, "fp32", "resumed"));
	expect_sums(doc, "int8", whole);
	json_decref(doc);
}

static void expect_refused(const char *args, const char *what,
			   const char *next_step)
{
	struct ran r = vggctl(args);

	EXPECT_NE(0, r.status);
	EXPECT_CONTAINS(r.err, what);
	EXPECT_CONTAINS(r.err, next_step);
	ran_free(&r);
}

TEST(mistakes)
{
	char args[900], what[64], line[128], *text;
	unsigned int class_;

	draw(0);
	expect_refused("eval", "images are missing", "--data");
	expect_refused("eval --data /nowhere", "/nowhere", "cifar10:FOLDER");
	expect_refused("eval x.png", "takes no argument 'x.png'", "--data");
	/* Another network's answers; another number of images. */
	append(in_tmp("other"), "");
	snprintf(args, sizeof(args),
		 "eval --data cifar10:%s --precision int8 --resume %s",
		 test_tmpdir(), in_tmp("other"));
	ran_free(&(struct ran[]){ vggctl(args) }[0]);
	text = slurp(in_tmp("other"));
	ASSERT_TRUE(strlen(text) > 200);
	ASSERT_EQ(1, sscanf(strstr(text, " 0 "), " 0 %u", &class_));
	*strstr(text, " 0 ") = 0;
	truncate(in_tmp("other"), (long)strlen(text));
	snprintf(line, sizeof(line), " 0 %u 1 1 %064d\n", class_, 7);
	append(in_tmp("other"), line);
	expect_refused(args, "another network", "another file by --resume");
	snprintf(args, sizeof(args),
		 "eval --data cifar10:%s --limit 7 --resume %s", test_tmpdir(),
		 in_tmp("other"));
	snprintf(what, sizeof(what), "something else: vggctl eval 1: %u images",
		 IMAGES);
	expect_refused(args, what, "another file by --resume");
	free(text);
	/* Classes of other names and of another number. */
	ASSERT_EQ(0, mkdir(in_tmp("folder"), 0777));
	ASSERT_EQ(0, mkdir(in_tmp("folder/cat"), 0777));
	ASSERT_EQ(0,
		  rename(in_tmp("test_batch.bin"), in_tmp("folder/cat/x.png")));
	snprintf(args, sizeof(args), "eval --data %s", in_tmp("folder"));
	expect_refused(args, "no class \"cat\" of the images' 1 classes",
		       "take a network that knows them");
	snprintf(args, sizeof(args), "eval --classes number --data %s",
		 in_tmp("folder"));
	expect_refused(args, "the images are of 1, the network knows 10",
		       "another network");
}

/* As batches.meta.txt: the network's names from the first on, or one behind. */
static void name_classes(unsigned int from, unsigned int own)
{
	FILE *f = fopen(in_tmp("batches.meta.txt"), "w");
	unsigned int i;

	ASSERT_TRUE(f != NULL);
	for (i = 0; i < 10; i++)
		if (i < own)
			fprintf(f, "%s\n",
				shapes_class_name((int)((i + from) % 10)));
		else
			fprintf(f, "my %u\n", i);
	ASSERT_EQ(0, fclose(f));
}

static struct ran eval_named(const char *more)
{
	char args[900];

	snprintf(args, sizeof(args),
		 "eval --device cpu --precision int8 --limit 40 --data "
		 "cifar10:%s %s",
		 test_tmpdir(), more);
	return vggctl(args);
}

static double top1_of(const char *more)
{
	char args[128];
	json_t *doc;
	double top1;

	snprintf(args, sizeof(args),
		 "--device cpu --precision int8 --limit 40 %s", more);
	doc = eval_json(args);
	top1 = score(doc, "int8", "top1");
	json_decref(doc);
	return top1;
}

/* Classes of which some have the network's names are never taken by number. */
TEST(classes)
{
	struct ran r;
	json_t *doc;

	draw(0);
	name_classes(1, 8);
	r = eval_named("");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "has no class \"my 8\", \"my 9\" of the images' "
			       "10 classes; the others it has");
	EXPECT_CONTAINS(r.err, "--classes number");
	EXPECT_CONTAINS(r.err, "[DATASET_FORMAT]");
	ran_free(&r);
	EXPECT_TRUE(top1_of("--classes number") > 0.95);
	/* Another order of the same names: they count, unless told else. */
	name_classes(1, 10);
	EXPECT_TRUE(top1_of("") < 0.05);
	EXPECT_TRUE(top1_of("--classes number") > 0.95);
	/* Not one name. */
	name_classes(0, 0);
	r = eval_named("");
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.err, "WARNING: cifar10:");
	EXPECT_CONTAINS(r.err, "by number: my 0 for ");
	EXPECT_CONTAINS(r.err, "[CLASSES_BY_NUMBER]");
	EXPECT_CONTAINS(r.out, "classes by number");
	EXPECT_CONTAINS(r.out, "CLASSES_BY_NUMBER\n");
	ran_free(&r);
	doc = eval_json("--device cpu --precision int8");
	EXPECT_STREQ(
		"CLASSES_BY_NUMBER",
		json_string_value(json_object_get(
			json_array_get(json_object_get(doc, "warnings"), 0),
			"name")));
	json_decref(doc);
	r = eval_named("--classes number");
	EXPECT_EQ(0, r.status);
	EXPECT_STREQ("", r.err);
	ran_free(&r);
	r = eval_named("--classes name");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "\"my 3\" and 6 more of the images' 10");
	ran_free(&r);
}

/* Answers kept with classes by name are not gone on with by number. */
TEST(classes_go_on)
{
	struct ran r;

	draw(0);
	name_classes(1, 10);
	r = eval_named("--resume @named");
	EXPECT_EQ(0, r.status);
	ran_free(&r);
	r = eval_named("--resume @named --classes number");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "image 0 was of class");
	ran_free(&r);
}

TEST(pictures)
{
	char args[900], *svg;
	struct ran r;

	draw(10);
	snprintf(args, sizeof(args),
		 "eval --data cifar10:%s --precision int8 --confusion --svg %s",
		 test_tmpdir(), in_tmp("c.svg"));
	r = vggctl(args);
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, " images of cifar10:");
	EXPECT_CONTAINS(r.out, "taken for");
	EXPECT_CONTAINS(r.out, "rows: the images' classes");
	svg = slurp(in_tmp("c.svg"));
	ASSERT_TRUE(svg != NULL);
	EXPECT_CONTAINS(svg, "<svg xmlns");
	EXPECT_CONTAINS(svg, ">checkerboard</text>");
	EXPECT_CONTAINS(svg, "</svg>\n");
	free(svg);
	ran_free(&r);
}

/* What can't be written is told before the work, not behind it. */
TEST(pictures_are_refused_first)
{
	struct ran r;
	char *kept;

	draw(0);
	name_classes(0, 10);
	r = eval_named("--svg /nowhere/x.svg");
	EXPECT_EQ(1, r.status);
	EXPECT_STREQ("", r.out);
	EXPECT_CONTAINS(r.err, "/nowhere/x.svg: it cannot be written");
	ran_free(&r);
	write_text("net.model", "a network");
	r = eval_named("--svg @net.model");
	EXPECT_EQ(2, r.status);
	EXPECT_CONTAINS(r.err, "--svg takes a file that ends in .svg");
	ran_free(&r);
	kept = slurp(in_tmp("net.model"));
	EXPECT_STREQ("a network", kept);
	free(kept);
	ASSERT_EQ(0, mkdir(in_tmp("folder.svg"), 0777));
	r = eval_named("--svg @folder.svg");
	EXPECT_STREQ("", r.out);
	EXPECT_CONTAINS(r.err, "folder.svg: it cannot be written");
	ran_free(&r);
}

/* The disk fills up while it is drawn: the result is there, and no picture. */
TEST(a_result_without_its_picture)
{
	struct rlimit small = { 2048, 2048 };
	struct ran r;

	draw(10);
	name_classes(0, 10);
	signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &small));
	r = eval_named("--svg @full.svg");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.out, "taken for");
	EXPECT_CONTAINS(r.err, "full.svg: it cannot be written");
	EXPECT_TRUE(!exists(in_tmp("full.svg")));
	EXPECT_TRUE(!exists(in_tmp("full.svg.new")));
	ran_free(&r);
}

TEST(names_the_device)
{
	char args[700];
	struct ran r;

	draw(0);
	name_classes(0, 10);
	r = eval_named("");
	EXPECT_TRUE(!strstr(r.out, "simulated") && !strstr(r.err, "simulated"));
	ran_free(&r);
	snprintf(args, sizeof(args),
		 "eval --device sim --precision int8 --limit 20 --data "
		 "cifar10:%s",
		 test_tmpdir());
	r = vggctl(args);
	EXPECT_CONTAINS(r.out, "\nsimulated card (profile ");
	EXPECT_CONTAINS(r.out, "--device cpu has the same answers");
	EXPECT_STREQ("", r.err);
	ran_free(&r);
}

/* What is the other way round than usual is told in these words. */
TEST(figures)
{
	char head[640], *state;
	struct ran r;
	json_t *doc;
	FILE *f;
	int i;

	draw(0);
	name_classes(0, 10);
	/* All from an earlier run, in which fp32 was wrong once. */
	r = eval_named("--precision both --resume @all");
	ASSERT_EQ(0, r.status);
	ran_free(&r);
	state = slurp(in_tmp("all"));
	snprintf(head, sizeof(head), "%s", strstr(state, "fp32 0 "));
	f = fopen(in_tmp("all"), "w");
	ASSERT_TRUE(f != NULL);
	fwrite(state, 1, (size_t)(strstr(state, "fp32 0 ") - state), f);
	fprintf(f, "%.*s\n", (int)strcspn(head, "\n"), head);
	for (i = 1; i < 40; i++) {
		unsigned int c, said;
		char line[32];

		snprintf(line, sizeof(line), "\nint8 %d ", i);
		ASSERT_EQ(2, sscanf(strstr(state, line) + strlen(line), "%u %u",
				    &c, &said));
		fprintf(f, "fp32 %d %u %u 1\n", i, c,
			i == 1 ? (said + 1) % 10 : said);
	}
	ASSERT_EQ(0, fclose(f));
	free(state);
	r = eval_named("--precision both --resume @all");
	EXPECT_CONTAINS(r.out, "int8 gains 2.50 points of top-1");
	ran_free(&r);
	snprintf(head, sizeof(head), "--device cpu --limit 40 --resume %s",
		 in_tmp("all"));
	doc = eval_json(head);
	EXPECT_TRUE(json_is_null(json_object_get(json_object_get(doc, "int8"),
						 "images_per_second")));
	EXPECT_TRUE(json_is_false(json_object_get(doc, "partial")));
	EXPECT_EQ(40, score(doc, "int8", "images"));
	json_decref(doc);
	r = vggctl("eval --data cifar10:");
	EXPECT_EQ(2, r.status);
	EXPECT_CONTAINS(r.err, "cifar10:: the data set's folder is missing");
	ran_free(&r);
}

/*
 * Signals.
 */
static void draw_many(void)
{
	char *all;
	FILE *f;
	int i;

	draw(0);
	name_classes(0, 10);
	all = slurp(in_tmp("test_batch.bin"));
	f = fopen(in_tmp("test_batch.bin"), "ab");
	ASSERT_TRUE(f != NULL);
	for (i = 0; i < 30; i++)
		fwrite(all, 3073, IMAGES, f);
	ASSERT_EQ(0, fclose(f));
	free(all);
}

static bool catches(pid_t pid)
{
	unsigned long long mask = 0;
	char path[64], *status, *at;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = slurp(path);
	at = status ? strstr(status, "SigCgt:") : NULL;
	if (at)
		sscanf(at, "SigCgt: %llx", &mask);
	free(status);
	return mask & 1ull << (SIGINT - 1);
}

/* In the midst of it: once signals are caught and, if there is a file of answers,
 * some are in it. */
static struct ran interrupt(const char *args, int number, const char *answers)
{
	struct ran r = { NULL, NULL, -1 };
	pid_t pid = fork();
	struct stat st;
	int status, i;

	ASSERT_TRUE(pid >= 0);
	if (!pid) {
		/* In the background a shell has it ignored, and so it stays. */
		signal(SIGINT, SIG_DFL);
		redirect(STDERR_FILENO, in_tmp("stderr"));
		redirect(STDOUT_FILENO, in_tmp("stdout"));
		exec_vggctl(args);
	}
	for (i = 0; i < 3000 && !catches(pid); i++)
		usleep(5000);
	for (; i < 3000 && answers && (stat(answers, &st) || st.st_size < 1000);
	     i++)
		usleep(5000);
	EXPECT_EQ(0, kill(pid, number));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	r.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
					 WEXITSTATUS(status);
	r.out = slurp(in_tmp("stdout"));
	r.err = slurp(in_tmp("stderr"));
	return r;
}

#define SLOW "eval --device sim --split card --data cifar10:%s "

TEST(interrupted)
{
	char args[900];
	double done;
	struct ran r;
	json_t *doc;

	if (test_emulated())
		SKIP("the emulator catches signals itself");
	draw_many();
	snprintf(args, sizeof(args), SLOW "--resume %s", test_tmpdir(),
		 in_tmp("half"));
	r = interrupt(args, SIGINT, in_tmp("half"));
	EXPECT_EQ(128 + SIGINT, r.status);
	EXPECT_CONTAINS(r.out, "PARTIAL, interrupted: figures are of ");
	EXPECT_CONTAINS(r.out, "taken for");
	EXPECT_CONTAINS(r.err, "[INTERRUPTED]");
	EXPECT_CONTAINS(r.err, "goes on from there: --resume ");
	ran_free(&r);
	/* It does, and what was done in the second half is there, too. */
	snprintf(args, sizeof(args), SLOW "--json --resume %s", test_tmpdir(),
		 in_tmp("half"));
	r = interrupt(args, SIGTERM, NULL);
	EXPECT_EQ(128 + SIGTERM, r.status);
	doc = json_loads(r.out, 0, NULL);
	ASSERT_TRUE(doc != NULL);
	EXPECT_TRUE(json_is_true(json_object_get(doc, "partial")));
	done = score(doc, "int8", "images");
	EXPECT_TRUE(done > 30 && done < 31 * IMAGES);
	EXPECT_TRUE(score(doc, "int8", "resumed") > 30);
	EXPECT_TRUE(score(doc, "int8", "top1") > 0.9);
	EXPECT_TRUE(!json_object_get(doc, "fp32"));
	json_decref(doc);
	ran_free(&r);
	snprintf(args, sizeof(args), SLOW, test_tmpdir());
	r = interrupt(args, SIGINT, NULL);
	EXPECT_EQ(128 + SIGINT, r.status);
	EXPECT_CONTAINS(r.out, "PARTIAL, interrupted: ");
	EXPECT_CONTAINS(r.err, "next time, --resume FILE keeps what is done");
	ran_free(&r);
}

/*
 * Images that can't be read.
 */
/* Of four classes, 5 images each; the first and the eighth are none. */
static void draw_folder(const char *name)
{
	char path[64], args[700];
	unsigned int i;

	ASSERT_EQ(0, mkdir(in_tmp(name), 0777));
	for (i = 0; i < 20; i++) {
		const char *class_ = shapes_class_name((int)(i / 5));

		snprintf(path, sizeof(path), "%.20s/%.20s", name, class_);
		mkdir(in_tmp(path), 0777);
		snprintf(path, sizeof(path), "%.20s/%.20s/%02u.png", name,
			 class_, i % 5);
		if (i % 7)
			draw_png(path, 32, 32, (int)i % 5);
		else
			write_text(path, i ? "GIF89a" : "");
	}
	snprintf(args, sizeof(args), "eval --device cpu --data %s",
		 in_tmp(name));
	expect_refused(args, "[IMAGE_", "hint:");
}

static json_t *eval_folder(const char *name, const char *more, int status)
{
	char args[900];

	snprintf(args, sizeof(args), "eval --json --device cpu --data %s %s",
		 in_tmp(name), more);
	return vggctl_json(args, status);
}

static void expect_skipped(json_t *doc, bool named)
{
	json_t *list = json_object_get(doc, "unreadable"), *one;
	int seen = 0;
	size_t i;

	EXPECT_EQ(3, (int)json_array_size(list));
	json_array_foreach(list, i, one)
	{
		seen += (int)json_integer_value(json_object_get(one, "image"));
		EXPECT_EQ(named, json_is_object(json_object_get(one, "error")));
	}
	EXPECT_EQ(17, score(doc, "int8", "images"));
	EXPECT_EQ(17, score(doc, "fp32", "images"));
	EXPECT_TRUE(seen > 0);
	json_decref(doc);
}

TEST(skips_what_is_unreadable)
{
	char args[900], *state;
	struct ran r;

	draw_folder("gaps");
	snprintf(args, sizeof(args),
		 "eval --device cpu --skip-unreadable --data %s",
		 in_tmp("gaps"));
	r = vggctl(args);
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, "3 of them can't be read and are left out");
	EXPECT_CONTAINS(r.err, "00.png: the file is empty [IMAGE_FORMAT]");
	EXPECT_CONTAINS(r.err, "is a GIF image [IMAGE_UNSUPPORTED]");
	ran_free(&r);
	expect_skipped(eval_folder("gaps", "--skip-unreadable", 0), true);
	/* Kept, too; and the first answer isn't of the first image. */
	expect_skipped(
		eval_folder("gaps", "--skip-unreadable --resume @gap", 0),
		true);
	state = slurp(in_tmp("gap"));
	EXPECT_CONTAINS(state, " unreadable\nint8 1 ");
	free(state);
	cut_lines(in_tmp("gap"), 12);
	expect_skipped(
		eval_folder("gaps", "--skip-unreadable --resume @gap", 0),
		true);
	expect_skipped(
		eval_folder("gaps", "--skip-unreadable --resume @gap", 0),
		false);
	json_decref(eval_folder("gaps", "--resume @gap", 1));
	/* None at all is no result. */
	json_decref(eval_folder("gaps", "--skip-unreadable --limit 1", 1));
}

/*
 * The progress line.
 */
/* What vggctl writes to a terminal of so many columns. */
static char *on_terminal(const char *args, unsigned short columns)
{
	struct winsize size = { .ws_row = 24, .ws_col = columns };
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	char *text = calloc(1, 1 << 20);
	size_t n = 0;
	ssize_t got = 1;
	pid_t pid;

	ASSERT_TRUE(master >= 0 && text && !grantpt(master) &&
		    !unlockpt(master));
	ASSERT_EQ(0, ioctl(master, TIOCSWINSZ, &size));
	pid = fork();
	ASSERT_TRUE(pid >= 0);
	if (!pid) {
		dup2(open(ptsname(master), O_RDWR | O_NOCTTY), STDERR_FILENO);
		close(master);
		redirect(STDOUT_FILENO, "/dev/null");
		setenv("TERM", "xterm", 1);
		exec_vggctl(args);
	}
	/* The terminal is there from the child's first line to its end. */
	while (n < (1 << 20) - 1 && (got > 0 || !waitpid(pid, NULL, WNOHANG))) {
		got = read(master, text + n, (1 << 20) - 1 - n);
		if (got > 0)
			n += (size_t)got;
		else
			usleep(10000);
	}
	close(master);
	return text;
}

/* Cells of a line without wide characters or colour. */
static unsigned int cells(const char *line)
{
	unsigned int n = 0;

	for (; *line; line++)
		n += (*line & 0xc0) != 0x80;
	return n;
}

/* Returns how many lines there were that have all of it. */
static unsigned int read_lines(char *text, unsigned int columns,
			       const char *bar, const char *pace)
{
	unsigned int whole = 0;
	char *save, *line = strtok_r(text, "\r", &save);
	static const char erase[] = "\033[K";

	for (; line; line = strtok_r(NULL, "\r", &save)) {
		if (strncmp(line, erase, strlen(erase)))
			continue; /* a line of its own */
		line += strlen(erase);
		if (cells(line) >= columns)
			test_fail(__FILE__, __LINE__, "%u columns: '%s'",
				  columns, line);
		whole += strstr(line, bar) && strstr(line, pace) &&
			 strstr(line, " %");
	}
	return whole;
}

TEST(progress)
{
	static const struct {
		unsigned short columns;
		const char *locale, *bar, *pace;
	} terminals[] = {
		{ 100, "C", "int8 images #", "of 80  " },
		{ 60, "C.UTF-8", "int8 images \xe2\x96\x88", "/s  0:0" },
		{ 14, "C", "int8", "" },
	};
	char args[700], *text;
	unsigned int i;
	FILE *f;

	if (test_emulated())
		SKIP("a terminal needs no emulator");
	draw_many();
	/* 23 ms an image, here as anywhere. */
	f = fopen(in_tmp("slow.card"), "w");
	ASSERT_TRUE(f != NULL);
	fputs("clock_khz 1000\n", f);
	ASSERT_EQ(0, fclose(f));
	snprintf(args, sizeof(args),
		 "eval --device sim --pace --card %s --split card "
		 "--precision int8 --limit 80 --data cifar10:%s",
		 in_tmp("slow.card"), test_tmpdir());
	for (i = 0; i < sizeof(terminals) / sizeof(*terminals); i++) {
		setenv("LC_ALL", terminals[i].locale, 1);
		text = on_terminal(args, terminals[i].columns);
		EXPECT_TRUE(!strcmp(text + strlen(text) - 4, "\r\033[K"));
		EXPECT_TRUE(read_lines(text, terminals[i].columns,
				       terminals[i].bar, terminals[i].pace));
		free(text);
	}
}

TEST_HARNESS_MAIN
