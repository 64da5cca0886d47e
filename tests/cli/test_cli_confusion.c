// SPDX-License-Identifier: MIT
/*
 * What vggctl eval tells of many classes: networks that know 3 to 1000, and
 * answers that are made up in a file for --resume, so that what must be told is
 * known.
 */
#include "../lib/onnx_build.h"
#include "cli_support.h"

#define EACH 3 /* images of a class */
#define EVAL                                                                   \
	"eval --device cpu --precision int8 --model @net.model --data @set%u " \
	"--svg @c.svg "

/* "class 7", but for class 1: longer than any column. */
static void name_of(unsigned int i, char name[64])
{
	if (i == 1)
		strcpy(name, "an extraordinarily long name of a class, really");
	else
		snprintf(name, 64, "kind%04u", i);
}

static void make_labels(unsigned int n)
{
	FILE *f = fopen(in_tmp("labels.txt"), "w");
	unsigned int i;
	char name[64];

	ASSERT_TRUE(f != NULL);
	for (i = 0; i < n; i++) {
		name_of(i, name);
		fprintf(f, "%s\n", name);
	}
	ASSERT_EQ(0, fclose(f));
}

/* Tests share a folder: each set of images has its own. */
static const char *set_of(unsigned int with)
{
	char name[16];

	snprintf(name, sizeof(name), "set%u", with);
	return in_tmp(name);
}

/* Any network: the first image's result is all that is asked of it. */
static void make_network(unsigned int n)
{
	struct onnx_build *b = onnx_build_new(13);
	Onnx__NodeProto *node;
	char args[128];

	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 4,
			 (int64_t[]){ 1, 3, 32, 32 });
	onnx_build_node(b, "GlobalAveragePool", "gap", "x", "p");
	onnx_build_node(b, "Flatten", "flat", "p", "f");
	onnx_build_random(b, "w", 2, (int64_t[]){ n, 3 });
	onnx_build_random(b, "b", 1, (int64_t[]){ n });
	node = onnx_build_node(b, "Gemm", "fc", "f,w,b", "y");
	onnx_build_int(node, "transB", 1);
	onnx_build_output(b, "y");
	onnx_build_save(b, in_tmp("net.onnx"));
	onnx_build_free(b);
	make_labels(n);
	snprintf(args, sizeof(args),
		 "import @net.onnx --labels @labels.txt -o @net.model");
	vggctl_ok(args);
}

/* The first `with` of the network's classes have images. */
static void make_images(unsigned int with)
{
	char path[512], name[64];
	unsigned int i, k;

	draw_png("one.png", 32, 32, 1);
	if (mkdir(set_of(with), 0777))
		return; /* it is there */
	for (i = 0; i < with; i++) {
		name_of(i, name);
		snprintf(path, sizeof(path), "%s/%s", set_of(with), name);
		ASSERT_EQ(0, mkdir(path, 0777));
		for (k = 0; k < EACH; k++) {
			snprintf(path, sizeof(path), "%s/%s/%u.png",
				 set_of(with), name, k);
			ASSERT_EQ(0, link(in_tmp("one.png"), path));
		}
	}
}

/* Folders are in the order of their names, so class 1 comes first. */
static unsigned int class_of(size_t image)
{
	unsigned int folder = (unsigned int)(image / EACH);

	return folder == 0 ? 1 : folder == 1 ? 0 : folder;
}

/* What each image of a class is taken for: the last one of every third class for
 * the class behind it; all of class 2, for class 0. */
static unsigned int said(unsigned int class_, size_t image, unsigned int n)
{
	if (class_ == 2)
		return 0;
	if (class_ % 3 == 0 && image % EACH == EACH - 1)
		return (class_ + 1) % n;
	return class_;
}

/* Keeps the head and the first line, which has the result's hash. */
static void make_answers(unsigned int n, unsigned int with)
{
	char *text, *sha, *end, args[256];
	unsigned int c;
	size_t i;
	FILE *f;

	unlink(in_tmp("state"));
	snprintf(args, sizeof(args), EVAL "--resume @state", with);
	vggctl_ok(args);
	text = slurp(in_tmp("state"));
	end = strchr(text, '\n') + 1;
	sha = end;
	for (i = 0; i < 5; i++)
		sha = strchr(sha, ' ') + 1;
	f = fopen(in_tmp("state"), "w");
	ASSERT_TRUE(f != NULL);
	fwrite(text, 1, (size_t)(end - text), f);
	for (i = 0; i < (size_t)with * EACH; i++) {
		c = class_of(i);
		fprintf(f, "int8 %zu %u %u 1", i, c, said(c, i, n));
		if (i)
			fputc('\n', f);
		else
			fprintf(f, " %.64s\n", sha);
	}
	ASSERT_EQ(0, fclose(f));
	free(text);
}

static char *eval(unsigned int n, unsigned int with)
{
	char args[256];
	struct ran r;

	make_files();
	make_network(n);
	make_images(with);
	make_answers(n, with);
	snprintf(args, sizeof(args), EVAL "--resume @state --confusion", with);
	r = vggctl(args);
	if (r.status)
		TH_LOG("%s", r.err);
	ASSERT_EQ(0, r.status);
	free(r.err);
	return r.out;
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static size_t longest_line(const char *text)
{
	size_t most = 0, n;

	for (; *text; text += n + (text[n] != 0)) {
		n = strcspn(text, "\n");
		most = n > most ? n : most;
	}
	return most;
}

/* All sizes of what is drawn are positive, and it is no larger than a page. */
static char *picture(size_t most)
{
	char *svg = slurp(in_tmp("c.svg")), *at;

	ASSERT_TRUE(svg != NULL);
	EXPECT_TRUE(strlen(svg) < most);
	for (at = svg; (at = strstr(at, "<rect ")) != NULL; at++) {
		double width, height, x, y;

		if (sscanf(at, "<rect x='%lf' y='%lf' width='%lf' height='%lf'",
			   &x, &y, &width, &height) != 4)
			continue; /* the page */
		EXPECT_TRUE(width > 0 && height > 0 && x > 0 && y > 0);
	}
	EXPECT_CONTAINS(svg, "</svg>\n");
	return svg;
}

TEST(few)
{
	char *out = eval(3, 3), *svg = picture(10000);

	/* All of three classes are among the first five. */
	EXPECT_CONTAINS(out, "55.56 %      -");
	EXPECT_CONTAINS(out, "rows: the images' classes");
	EXPECT_CONTAINS(out, "    0 kind0000         2 1 .\n");
	EXPECT_CONTAINS(out, "    1 an extraordina.. . 3 .\n");
	EXPECT_CONTAINS(out, "    2 kind0002         3 . .\n");
	/* Four cells that aren't 0, the square behind them, the page. */
	EXPECT_EQ(6, count(svg, "<rect "));
	EXPECT_EQ(2, count(svg, ">kind0000</text>"));
	EXPECT_EQ(2, count(svg, ">an extraordinarily long name o..</text>"));
	free(svg);
	free(out);
}

/* Only what occurs: 4 of 1000, and what one of them is taken for. */
TEST(few_of_many)
{
	char *out = eval(1000, 4), *svg = picture(10000);

	EXPECT_TRUE(longest_line(out) < 100);
	EXPECT_CONTAINS(out, "kind0003            .    .    .    2    1\n");
	EXPECT_CONTAINS(out, "    4 kind0004: no images\n");
	EXPECT_EQ(1, count(svg, ">kind0004</text>"));
	EXPECT_EQ(0, count(svg, ">kind0005</text>"));
	free(svg);
	free(out);
}

/* A matrix that a page has room for, though a line of text hasn't. */
TEST(some)
{
	char *out = eval(50, 50), *svg = picture(50000);

	EXPECT_TRUE(longest_line(out) < 120);
	EXPECT_CONTAINS(out, "the mistakes made most often (int8), 18 of 18");
	EXPECT_EQ(2, count(svg, ">kind0049</text>"));
	EXPECT_EQ(50 + 17 + 2, count(svg, "<rect "));
	free(svg);
	free(out);
}

static void expect_list(unsigned int n)
{
	char *out = eval(n, n), *svg = picture(20000), text[96];

	EXPECT_TRUE(longest_line(out) < 120);
	snprintf(text, sizeof(text), "the 20 classes of %u with most mistakes",
		 n);
	EXPECT_CONTAINS(out, text);
	/* The worst one is first in both. */
	EXPECT_CONTAINS(out, "times\nkind0002       3   0.0 %");
	EXPECT_CONTAINS(out, "share\nkind0002       3  kind0000");
	snprintf(text, sizeof(text), "(int8), 30 of %u;", (n + 2) / 3 + 1);
	EXPECT_CONTAINS(out, text);
	EXPECT_CONTAINS(svg, ">3 of 3</text>");
	/* n / 3 bars at most, 40 in all; the page. */
	EXPECT_EQ(n == 100 ? 36 : 41, count(svg, "<rect "));
	snprintf(text, sizeof(text), "%u images are wrong, of %u classes",
		 (n + 2) / 3 + 3, n);
	EXPECT_CONTAINS(svg, text);
	free(svg);
	free(out);
}

TEST(hundred)
{
	expect_list(100);
}

TEST(thousand)
{
	expect_list(1000);
}

/* Without labels each class still has a name of its own. */
TEST(no_labels)
{
	char *svg, args[256];

	make_files();
	make_network(3);
	make_images(3);
	vggctl_ok("import @net.onnx -o @bare.model");
	ASSERT_EQ(0, rename(in_tmp("bare.model"), in_tmp("net.model")));
	snprintf(args, sizeof(args), EVAL, 3);
	vggctl_ok(args);
	svg = picture(10000);
	EXPECT_EQ(2, count(svg, ">class 0</text>"));
	EXPECT_EQ(2, count(svg, ">class 2</text>"));
	free(svg);
}

TEST_HARNESS_MAIN
