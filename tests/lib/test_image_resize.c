// SPDX-License-Identifier: MIT
/* Resizing, cropping and normalising against PIL, torchvision and torch. */
#include "image/image.h"
#include "image/preprocess.h"
#include "image_support.h"

static void check_resize(const char *words)
{
	struct vgg_resize r = { 0 };
	unsigned int seed, want;
	uint8_t *in, *out;
	char filter[16];
	size_t pitch;
	int kind;

	ASSERT_EQ(9, sscanf(words, "%u %d %d %15s %d %d %d %d %x", &seed, &kind,
			    &r.channels, filter, &r.in_w, &r.in_h, &r.out_w,
			    &r.out_h, &want));
	ASSERT_LE(0, vgg_filter_find(filter));
	r.filter = (enum vgg_filter)vgg_filter_find(filter);
	r.w = r.out_w;
	r.h = r.out_h;
	in = draw(seed, kind, (size_t)(r.in_w * r.in_h * r.channels));
	pitch = (size_t)(r.out_w * r.channels);
	out = malloc(pitch * (size_t)r.out_h);
	ASSERT_EQ(0, vgg_resize(&r, in, out, pitch));
	if (crc(out, pitch * (size_t)r.out_h) != want)
		EXPECT_STREQ(words, "the pixels of PIL");
	free(in);
	free(out);
}

TEST(resized_as_by_pil)
{
	EXPECT_LE(200, each_digest("resize", check_resize));
}

/* Any part has the bytes of the whole. */
TEST(resized_parts)
{
	uint64_t seed = test_seed();
	struct vgg_resize r = { .filter = VGG_FILTER_BICUBIC,
				.channels = 3,
				.in_w = 61,
				.in_h = 47 };
	uint8_t *in = draw(1, 0, 61 * 47 * 3), *whole, *part;
	int i, y;

	for (i = 0; i < 200; i++) {
		r.filter = (enum vgg_filter)(i % 2);
		r.w = r.out_w = (int)test_random_in(&seed, 1, 90);
		r.h = r.out_h = (int)test_random_in(&seed, 1, 90);
		r.x = r.y = 0;
		whole = malloc((size_t)(r.w * r.h * 3));
		ASSERT_EQ(0, vgg_resize(&r, in, whole, (size_t)r.w * 3));
		r.x = (int)test_random_in(&seed, 0, r.out_w - 1);
		r.y = (int)test_random_in(&seed, 0, r.out_h - 1);
		r.w = (int)test_random_in(&seed, 1, r.out_w - r.x);
		r.h = (int)test_random_in(&seed, 1, r.out_h - r.y);
		part = malloc((size_t)(r.w * r.h * 3));
		ASSERT_EQ(0, vgg_resize(&r, in, part, (size_t)r.w * 3));
		for (y = 0; y < r.h; y++)
			ASSERT_EQ(0, memcmp(part + y * r.w * 3,
					    whole + ((r.y + y) * r.out_w +
						     r.x) * 3,
					    (size_t)r.w * 3));
		free(part);
		free(whole);
	}
	free(in);
}

TEST(filter_names)
{
	EXPECT_STREQ("bilinear", vgg_filter_name(VGG_FILTER_BILINEAR));
	EXPECT_STREQ("bicubic", vgg_filter_name(VGG_FILTER_BICUBIC));
	EXPECT_TRUE(vgg_filter_name(2) == NULL);
	EXPECT_TRUE(vgg_filter_name(-1) == NULL);
	EXPECT_EQ(VGG_FILTER_BICUBIC, vgg_filter_find("bicubic"));
	EXPECT_EQ(-1, vgg_filter_find("lanczos"));
}

static void check_preprocess(const char *words)
{
	struct vgg_preprocess p = { .std = { 1, 1, 1 } };
	struct vgg_image image;
	unsigned int seed, want;
	char filter[16];
	uint8_t *out;
	size_t n;

	ASSERT_EQ(9, sscanf(words, "%u %d %15s %d %d %d %d %d %x", &seed,
			    &p.channels, filter, &image.width, &image.height,
			    &p.resize, &p.crop_w, &p.crop_h, &want));
	p.interpolation = vgg_filter_find(filter);
	EXPECT_TRUE(vgg_preprocess_problem(&p) == NULL);
	image.rgb = draw(seed, 0, (size_t)(image.width * image.height * 3));
	n = (size_t)(p.crop_w * p.crop_h * p.channels);
	out = malloc(n);
	memset(out, 0xaa, n); /* borders must be cleared */
	ASSERT_EQ(0, vgg_preprocess_image(&p, &image, out));
	if (crc(out, n) != want)
		EXPECT_STREQ(words, "the pixels of torchvision");
	free(image.rgb);
	free(out);
}

TEST(preprocessed_as_by_torchvision)
{
	EXPECT_LE(60, each_digest("preprocess", check_preprocess));
}

static void check_table(const char *words)
{
	struct vgg_preprocess p = { .channels = 3 };
	float table[3][256];
	unsigned int want;

	ASSERT_EQ(7,
		  sscanf(words, "%f %f %f %f %f %f %x", &p.mean[0], &p.mean[1],
			 &p.mean[2], &p.std[0], &p.std[1], &p.std[2], &want));
	vgg_preprocess_table(&p, table);
	if (crc(table, sizeof(table)) != want)
		EXPECT_STREQ(words, "the numbers of torch");
}

TEST(normalised_as_by_torch)
{
	EXPECT_EQ(3, each_digest("table", check_table));
}

TEST(too_long_to_resize)
{
	struct vgg_preprocess p = { .resize = 256,
				    .crop_w = 8,
				    .crop_h = 8,
				    .channels = 3,
				    .std = { 1, 1, 1 } };
	struct vgg_image image = { .width = 1 << 20, .height = 1 };
	uint8_t out[8 * 8 * 3];

	image.rgb = calloc(3, 1 << 20);
	ASSERT_TRUE(image.rgb != NULL);
	EXPECT_EQ(-EFBIG, vgg_preprocess_image(&p, &image, out));
	EXPECT_CONTAINS(vgg_error_last()->what, "narrow");
	/* As large as it may get: only the crop is computed. */
	p.resize = 128;
	memset(image.rgb, 7, 3 << 20);
	EXPECT_EQ(0, vgg_preprocess_image(&p, &image, out));
	EXPECT_EQ(7, out[0]);
	EXPECT_EQ(7, out[sizeof(out) - 1]);
	free(image.rgb);
}

static const struct vgg_preprocess sane = {
	.resize = 256,
	.crop_w = 224,
	.crop_h = 224,
	.channels = 3,
	.mean = { 0.5f, 0.5f, 0.5f },
	.std = { 0.2f, 0.2f, 0.2f },
};

TEST(preprocessing_that_makes_no_sense)
{
	struct vgg_preprocess p = sane;

	EXPECT_TRUE(vgg_preprocess_problem(&p) == NULL);
	p.channels = 2;
	EXPECT_CONTAINS(vgg_preprocess_problem(&p), "channels");
	p = sane;
	p.crop_w = 0;
	EXPECT_CONTAINS(vgg_preprocess_problem(&p), "crop");
	p.crop_w = p.crop_h = 65536;
	EXPECT_CONTAINS(vgg_preprocess_problem(&p), "crop");
	p = sane;
	p.resize = -1;
	EXPECT_CONTAINS(vgg_preprocess_problem(&p), "resize");
	p = sane;
	p.interpolation = 2;
	EXPECT_CONTAINS(vgg_preprocess_problem(&p), "interpolation");
	p = sane;
	p.std[2] = 0;
	EXPECT_CONTAINS(vgg_preprocess_problem(&p), "std");
	p = sane;
	p.mean[1] = (float)(1e308 * 10);
	EXPECT_CONTAINS(vgg_preprocess_problem(&p), "mean");
	p.channels = 1; /* only its own numbers count */
	EXPECT_TRUE(vgg_preprocess_problem(&p) == NULL);
}

TEST_HARNESS_MAIN
