// SPDX-License-Identifier: MIT
/* Labels files: a list that is off by one looks right and is wrong. */
#include "image_support.h"
#include "util/labels.h"
#include "vggaccel.h"

static int parse(const char *text, size_t size, char ***labels, unsigned int *n)
{
	uint8_t *exact = malloc(size ? size : 1);
	int err;

	memcpy(exact, text, size);
	err = vgg_labels_parse("x", exact, size, labels, n);
	free(exact);
	if (err) {
		EXPECT_EQ(-EBADMSG, err);
		EXPECT_STREQ("LABELS_FORMAT", vgg_error_last()->name);
		EXPECT_EQ(0, strncmp("x:", vgg_error_last()->where, 2));
		EXPECT_TRUE(*labels == NULL);
		EXPECT_EQ(0u, *n);
	}
	return err;
}

/* Labels joined by '|'. */
static void accept_bytes(const char *text, size_t size, const char *want)
{
	unsigned int n, i;
	char got[4096] = "";
	char **labels;

	if (parse(text, size, &labels, &n)) {
		TH_LOG("%s: %s", vgg_error_last()->where,
		       vgg_error_last()->what);
		EXPECT_STREQ(want, "accepted");
		return;
	}
	for (i = 0; i < n; i++) {
		strcat(got, i ? "|" : "");
		strcat(got, labels[i]);
	}
	EXPECT_STREQ(want, got);
	vgg_labels_free(labels, n);
}

#define ACCEPT(text, want) accept_bytes(text, sizeof(text) - 1, want)

TEST(labels_that_are_fine)
{
	ACCEPT("cat\ndog\n", "cat|dog");
	ACCEPT("cat\ndog", "cat|dog");
	ACCEPT("cat\r\ndog\r\n", "cat|dog");
	ACCEPT("\xef\xbb\xbf"
	       "cat\ndog\n",
	       "cat|dog");
	ACCEPT("cat\ndog\n\n", "cat|dog");
	ACCEPT("cat\ndog\n\r\n \n\t\n", "cat|dog");
	ACCEPT("great white shark, man-eater\n",
	       "great white shark, man-eater");
	ACCEPT("a\tb\n", "a\tb");
	ACCEPT("x", "x");
	ACCEPT("K\xc3\xa4"
	       "fer\n\xe7\x8c\xab\n\xf0\x9f\x90\x88\n",
	       "K\xc3\xa4"
	       "fer|\xe7\x8c\xab|\xf0\x9f\x90\x88");
}

static void refuse_bytes(const char *text, size_t size, const char *where,
			 const char *part)
{
	char **labels;
	unsigned int n;

	if (!parse(text, size, &labels, &n)) {
		EXPECT_STREQ(part, "refused");
		vgg_labels_free(labels, n);
		return;
	}
	EXPECT_STREQ(where, vgg_error_last()->where);
	EXPECT_CONTAINS(vgg_error_last()->what, part);
}

#define REFUSE(text, where, part) \
	refuse_bytes(text, sizeof(text) - 1, where, part)

TEST(labels_that_are_damaged)
{
	REFUSE("", "x:1", "no labels");
	REFUSE("\n\n", "x:1", "no labels");
	REFUSE("\xef\xbb\xbf", "x:1", "no labels");
	REFUSE("cat\n\ndog\n", "x:2", "blank");
	REFUSE("\ncat\n", "x:1", "blank");
	REFUSE("cat\n \t\n\n\ndog", "x:2", "blank");
	REFUSE("cat\nd\0g\n", "x:2", "NUL");
	REFUSE("cat\rdog\r", "x:1", "control");
	REFUSE("cat\r\r\n", "x:1", "control");
	REFUSE("cat\n\x1b[2Jdog\n", "x:2", "control");
	REFUSE("cat\x7f\n", "x:1", "control");
	REFUSE("a\xef\xbb\xbf"
	       "\n\xff\n",
	       "x:2", "UTF-8");
}

TEST(utf8_is_strict)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc3",
		"\xc3(",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe2\x82",
		"\xe2(\xa1",
		"\xe2\x82(",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf0\x9f\x90",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
	};
	static const char *const good[] = {
		"\xc2\x80",	    "\xdf\xbf",		"\xe0\xa0\x80",
		"\xed\x9f\xbf",	    "\xee\x80\x80",	"\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse_bytes(bad[i], strlen(bad[i]), "x:1", "UTF-8");
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		accept_bytes(good[i], strlen(good[i]), good[i]);
}

TEST(lines_have_a_limit)
{
	char line[1026];

	memset(line, 'a', sizeof(line));
	line[1024] = 0;
	accept_bytes(line, 1024, line);
	line[1024] = 'a';
	refuse_bytes(line, 1025, "x:1", "1024");
}

TEST(number_of_lines_has_a_limit)
{
	size_t size = 2 * (size_t)VGG_LABELS_MAX, i;
	char *text = malloc(size + 2), **labels;
	unsigned int n;

	for (i = 0; i < size + 2; i++)
		text[i] = i % 2 ? '\n' : 'a';
	if (!test_emulated()) {
		ASSERT_EQ(0, parse(text, size, &labels, &n));
		EXPECT_EQ(VGG_LABELS_MAX, n);
		vgg_labels_free(labels, n);
	}
	refuse_bytes(text, size + 2, "x:1000001", "1000000");
	free(text);
}

static const char sample[] = "\xef\xbb\xbf"
			     "cat\r\nK\xc3\xa4"
			     "fer\n"
			     "\xe7\x8c\xab\n\xf0\x9f\x90\x88\nlast, one\n\n";

TEST(cut_off_anywhere)
{
	unsigned int n;
	char **labels;
	size_t size;

	for (size = 0; size < sizeof(sample); size++)
		if (!parse(sample, size, &labels, &n)) {
			EXPECT_TRUE(n >= 1 && n <= 5);
			vgg_labels_free(labels, n);
		}
}

TEST(any_byte_flipped)
{
	char text[sizeof(sample)];
	unsigned int n, bit;
	char **labels;
	size_t i;

	memcpy(text, sample, sizeof(text));
	for (i = 0; i < sizeof(text) - 1; i++)
		for (bit = 0; bit < 8; bit++) {
			text[i] ^= (char)(1 << bit);
			if (!parse(text, sizeof(text) - 1, &labels, &n))
				vgg_labels_free(labels, n);
			text[i] ^= (char)(1 << bit);
		}
}

TEST(files_that_cannot_be_read)
{
	const char *path = temp_path("none.txt");
	unsigned int n = 7;
	char **labels;

	EXPECT_EQ(-ENOENT, vgg_labels_load(path, &labels, &n));
	EXPECT_STREQ(path, vgg_error_last()->where);
	EXPECT_TRUE(labels == NULL);
	EXPECT_EQ(0u, n);
	path = write_file("labels.txt", "cat\n\ndog\n", 9);
	EXPECT_EQ(-EBADMSG, vgg_labels_load(path, &labels, &n));
	EXPECT_CONTAINS(vgg_error_last()->where, "labels.txt:2");
}

TEST(imagenet_is_complete)
{
	static const struct {
		unsigned int class_;
		const char *label;
	} known[] = {
		{ 0, "tench" },
		{ 1, "goldfish" },
		{ 2, "great white shark" },
		{ 65, "sea snake" },
		{ 134, "crane bird" },
		{ 151, "Chihuahua" },
		{ 207, "golden retriever" },
		{ 208, "Labrador retriever" },
		{ 235, "German shepherd" },
		{ 258, "Samoyed" },
		{ 281, "tabby" },
		{ 282, "tiger cat" },
		{ 283, "Persian cat" },
		{ 285, "Egyptian cat" },
		{ 291, "lion" },
		{ 292, "tiger" },
		{ 340, "zebra" },
		{ 386, "African elephant" },
		{ 388, "giant panda" },
		{ 401, "accordion" },
		{ 404, "airliner" },
		{ 417, "balloon" },
		{ 468, "cab" },
		{ 504, "coffee mug" },
		{ 517, "crane machine" },
		{ 530, "digital clock" },
		{ 620, "laptop" },
		{ 638, "maillot" },
		{ 639, "tank suit" },
		{ 654, "minibus" },
		{ 701, "parachute" },
		{ 717, "pickup" },
		{ 751, "racer" },
		{ 779, "school bus" },
		{ 817, "sports car" },
		{ 849, "teapot" },
		{ 900, "water tower" },
		{ 948, "Granny Smith" },
		{ 950, "orange" },
		{ 954, "banana" },
		{ 963, "pizza" },
		{ 970, "alp" },
		{ 980, "volcano" },
		{ 985, "daisy" },
		{ 999, "toilet tissue" },
	};
	char **labels;
	unsigned int n, i, j;

	ASSERT_EQ(0,
		  vgg_labels_load(test_data("../lib/model/imagenet_labels.txt"),
				  &labels, &n));
	ASSERT_EQ(1000u, n);
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		EXPECT_STREQ(known[i].label, labels[known[i].class_]);
	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			EXPECT_STRNE(labels[i], labels[j]);
	vgg_labels_free(labels, n);
}

TEST_HARNESS_MAIN
