// SPDX-License-Identifier: MIT
/* Data sets: every pixel and every class, as they were written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net.h"
#include "shapes.h"
#include "vggaccel.h"

#define SEED 7

/* A folder of its own for each test. */
static char folder[400];

static void enter(const char *name)
{
	snprintf(folder, sizeof(folder), "%s/%s", test_tmpdir(), name);
	ASSERT_EQ(0, mkdir(folder, 0777));
}

static const char *in_dir(const char *name)
{
	static char path[2][512];
	static int turn;

	turn ^= 1;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
	return path[turn];
}

static void write_file(const char *name, const void *data, size_t n)
{
	FILE *f = fopen(in_dir(name), "wb");

	ASSERT_TRUE(f && (!n || fwrite(data, n, 1, f) == 1) && !fclose(f));
}

/* Images first.. of our own drawing, in either format. */
static void draw_cifar10(const char *name, unsigned int first, unsigned int n)
{
	uint8_t rgb[3 * 32 * 32], *all = malloc(n * 3073), *to = all;
	unsigned int i, c, p;
	int label;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, shapes_draw(SEED, first + i, 32, 32, rgb, &label));
		*to++ = (uint8_t)label;
		for (c = 0; c < 3; c++)
			for (p = 0; p < 1024; p++)
				*to++ = rgb[3 * p + c];
	}
	write_file(name, all, n * 3073);
	free(all);
}

static void draw_stl10(const char *part, unsigned int n)
{
	uint8_t rgb[3 * 96 * 96], *all = malloc(n * 27648), *to = all;
	uint8_t classes[64];
	unsigned int i, c, x, y;
	char name[32];
	int label;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, shapes_draw(SEED, i, 96, 96, rgb, &label));
		classes[i] = (uint8_t)(label + 1);
		for (c = 0; c < 3; c++)
			for (x = 0; x < 96; x++)
				for (y = 0; y < 96; y++)
					*to++ = rgb[3 * (96 * y + x) + c];
	}
	snprintf(name, sizeof(name), "%s_X.bin", part);
	write_file(name, all, n * 27648);
	snprintf(name, sizeof(name), "%s_y.bin", part);
	write_file(name, classes, n);
	free(all);
}

static const char *spec_of(const char *format)
{
	static char spec[600];

	snprintf(spec, sizeof(spec), "%s:%s", format, folder);
	return spec;
}

static void expect_drawn(const struct vgg_dataset *d, size_t i, int side)
{
	uint8_t *rgb = malloc((size_t)side * (size_t)side * 3);
	struct vgg_image *image;
	unsigned int class_;
	int label;

	ASSERT_EQ(0, shapes_draw(SEED, i, side, side, rgb, &label));
	OK(vgg_dataset_read(d, i, &image, &class_));
	EXPECT_EQ((unsigned int)label, class_);
	ASSERT_EQ(side, vgg_image_width(image));
	ASSERT_EQ(side, vgg_image_height(image));
	EXPECT_EQ(0, memcmp(rgb, vgg_image_pixels(image),
			    (size_t)side * (size_t)side * 3));
	vgg_image_free(image);
	free(rgb);
}

TEST(cifar10)
{
	struct vgg_dataset *d;
	size_t i;

	enter("cifar10");
	draw_cifar10("data_batch_1.bin", 0, 30);
	draw_cifar10("data_batch_2.bin", 30, 7);
	draw_cifar10("test_batch.bin", 0, 12);
	OK(vgg_dataset_open(spec_of("cifar10"), VGG_DATASET_TRAIN, &d));
	ASSERT_EQ(37u, vgg_dataset_count(d));
	for (i = 0; i < 37; i++)
		expect_drawn(d, i, 32);
	EXPECT_EQ(10u, vgg_dataset_classes(d));
	EXPECT_STREQ("airplane", vgg_dataset_class(d, 0));
	EXPECT_TRUE(!vgg_dataset_class(d, 10));
	vgg_dataset_free(d);
	write_file("batches.meta.txt", "disc\r\nring\n\n", 12);
	OK(vgg_dataset_open(spec_of("cifar10"), VGG_DATASET_TEST, &d));
	EXPECT_EQ(12u, vgg_dataset_count(d));
	EXPECT_EQ(10u, vgg_dataset_classes(d));
	EXPECT_STREQ("disc", vgg_dataset_class(d, 0));
	EXPECT_STREQ("ring", vgg_dataset_class(d, 1));
	EXPECT_STREQ("bird", vgg_dataset_class(d, 2));
	vgg_dataset_free(d);
}

TEST(stl10)
{
	struct vgg_dataset *d;
	size_t i;

	enter("stl10");
	draw_stl10("train", 21);
	draw_stl10("test", 5);
	OK(vgg_dataset_open(spec_of("stl10"), VGG_DATASET_TRAIN, &d));
	ASSERT_EQ(21u, vgg_dataset_count(d));
	for (i = 0; i < 21; i++)
		expect_drawn(d, i, 96);
	EXPECT_STREQ("monkey", vgg_dataset_class(d, 7));
	vgg_dataset_free(d);
	OK(vgg_dataset_open(spec_of("stl10"), VGG_DATASET_TEST, &d));
	EXPECT_EQ(5u, vgg_dataset_count(d));
	vgg_dataset_free(d);
}

static void copy_sample(const char *sample, const char *to)
{
	char path[64], bytes[65536];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "../samples/%s", sample);
	f = fopen(test_data(path), "rb");
	ASSERT_TRUE(f != NULL);
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	write_file(to, bytes, n);
}

TEST(folders)
{
	struct vgg_image *image;
	struct vgg_dataset *d;
	unsigned int class_;

	enter("folders");
	ASSERT_EQ(0, mkdir(in_dir("zebra"), 0777));
	ASSERT_EQ(0, mkdir(in_dir("Ape"), 0777));
	ASSERT_EQ(0, mkdir(in_dir("none"), 0777));
	ASSERT_EQ(0, mkdir(in_dir(".hidden"), 0777));
	/* Without images below, those beside count, and folders are no classes. */
	copy_sample("star.jpg", "z.JPG");
	copy_sample("ring.png", "a.png");
	write_file("notes.txt", "x", 1);
	OK(vgg_dataset_open(folder, VGG_DATASET_TEST, &d));
	EXPECT_EQ(2u, vgg_dataset_count(d));
	EXPECT_EQ(0u, vgg_dataset_classes(d));
	vgg_dataset_free(d);
	copy_sample("star.jpg", "zebra/1.jpeg");
	copy_sample("ring.png", "Ape/2.png");
	write_file("Ape/3.png", "no image", 8);
	OK(vgg_dataset_open(folder, VGG_DATASET_TRAIN, &d));
	EXPECT_EQ(3u, vgg_dataset_count(d));
	ASSERT_EQ(3u, vgg_dataset_classes(d));
	EXPECT_STREQ("Ape", vgg_dataset_class(d, 0));
	EXPECT_STREQ("none", vgg_dataset_class(d, 1));
	OK(vgg_dataset_read(d, 2, &image, &class_));
	EXPECT_EQ(2u, class_);
	vgg_image_free(image);
	EXPECT_NE(0, vgg_dataset_read(d, 1, &image, NULL));
	EXPECT_STREQ("IMAGE_FORMAT", vgg_error_last()->name);
	EXPECT_CONTAINS(vgg_error_last()->where, "Ape/3.png");
	EXPECT_EQ(-EINVAL, vgg_dataset_read(d, 3, &image, NULL));
	vgg_dataset_free(d);
}

/* As ImageNet's: which part is meant must be said. */
TEST(folders_of_parts)
{
	struct vgg_dataset *d;

	enter("parts");
	ASSERT_EQ(0, mkdir(in_dir("train"), 0777));
	ASSERT_EQ(0, mkdir(in_dir("train/ape"), 0777));
	ASSERT_EQ(0, mkdir(in_dir("val"), 0777));
	ASSERT_EQ(0, mkdir(in_dir("val/ape"), 0777));
	EXPECT_NE(0, vgg_dataset_open(folder, VGG_DATASET_TEST, &d));
	EXPECT_CONTAINS(vgg_error_last()->what, "there are no images");
	EXPECT_TRUE(!strstr(vgg_error_last()->next_step, "/val"));
	copy_sample("star.jpg", "train/ape/1.jpg");
	copy_sample("ring.png", "val/ape/2.png");
	EXPECT_NE(0, vgg_dataset_open(folder, VGG_DATASET_TEST, &d));
	EXPECT_CONTAINS(vgg_error_last()->what, "but in theirs");
	EXPECT_CONTAINS(vgg_error_last()->next_step, "/parts/train or ");
	EXPECT_CONTAINS(vgg_error_last()->next_step, "/parts/val");
}

static void expect_refused(const char *format, enum vgg_dataset_part part,
			   const char *name, const char *where)
{
	struct vgg_dataset *d;

	EXPECT_NE(0, vgg_dataset_open(format ? spec_of(format) : folder, part,
				      &d));
	EXPECT_STREQ(name, vgg_error_last()->name);
	EXPECT_CONTAINS(vgg_error_last()->where, where);
	EXPECT_TRUE(*vgg_error_last()->next_step);
}

TEST(what_is_no_data_set)
{
	enter("what_is_no_data_set");
	expect_refused(NULL, VGG_DATASET_TEST, "DATASET_FORMAT", "/");
	expect_refused("cifar10", VGG_DATASET_TEST, "NO_FILE",
		       "test_batch.bin");
	expect_refused("cifar10", VGG_DATASET_TRAIN, "NO_FILE",
		       "data_batch_1.bin");
	expect_refused("stl10", VGG_DATASET_TRAIN, "NO_FILE", "train_y.bin");
	write_file("test_batch.bin", "", 0);
	expect_refused("cifar10", VGG_DATASET_TEST, "DATASET_FORMAT",
		       "cifar10:");
	draw_cifar10("test_batch.bin", 0, 3);
	ASSERT_EQ(0, truncate(in_dir("test_batch.bin"), 3073 * 3 - 1));
	expect_refused("cifar10", VGG_DATASET_TEST, "DATASET_FORMAT",
		       "test_batch.bin");
	draw_stl10("test", 4);
	write_file("test_y.bin", "\1\2\3\13", 4);
	expect_refused("stl10", VGG_DATASET_TEST, "DATASET_FORMAT",
		       "test_X.bin");
	write_file("test_y.bin", "\1\2\3", 3);
	expect_refused("stl10", VGG_DATASET_TEST, "DATASET_FORMAT",
		       "test_X.bin");
}

TEST_HARNESS_MAIN
