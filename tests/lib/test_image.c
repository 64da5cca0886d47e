// SPDX-License-Identifier: MIT
/*
 * Decoding: every kind of JPEG and PNG against PIL, and what happens to files
 * that are something else, damaged, cut off or lying.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image.h"
#include "image_support.h"

static void check_decode(const char *words)
{
	int width, height;
	struct vgg_image *image;
	unsigned int want;
	char name[64];

	ASSERT_EQ(4,
		  sscanf(words, "%63s %d %d %x", name, &width, &height, &want));
	if (vgg_image_load(image_file(name), &image)) {
		TH_LOG("%s: %s", name, vgg_error_last()->what);
		EXPECT_STREQ(name, "decoded");
		return;
	}
	EXPECT_EQ(width, vgg_image_width(image));
	EXPECT_EQ(height, vgg_image_height(image));
	if (want !=
	    crc(vgg_image_pixels(image), 3 * (size_t)width * (size_t)height))
		EXPECT_STREQ(name, "the pixels of PIL");
	vgg_image_free(image);
}

TEST(decoded_as_by_pil)
{
	EXPECT_EQ(61, each_digest("decode", check_decode));
}

static void check_refused(const char *words)
{
	struct vgg_image *image;
	char name[64], error[64];

	ASSERT_EQ(2, sscanf(words, "%63s %63s", name, error));
	EXPECT_LT(vgg_image_load(image_file(name), &image), 0);
	EXPECT_TRUE(image == NULL);
	EXPECT_STREQ(error, vgg_error_last()->name);
	EXPECT_STREQ(image_file(name), vgg_error_last()->where);
	EXPECT_TRUE(vgg_error_last()->next_step[0] != 0);
}

TEST(refused_by_name)
{
	EXPECT_EQ(1, each_digest("refuse", check_refused));
}

/* Decodes bytes under the name "x"; an error must say so. */
static int decode(const void *data, size_t size)
{
	struct vgg_image *image;
	int err = vgg_image_decode("x", data, size, &image);

	if (err) {
		EXPECT_TRUE(image == NULL);
		EXPECT_STREQ("x", vgg_error_last()->where);
		EXPECT_TRUE(vgg_error_last()->what[0] != 0);
		return err;
	}
	EXPECT_TRUE(image->width > 0 && image->height > 0);
	/* The sanitizer sees a pixel that is missing. */
	crc(image->rgb, 3 * (size_t)image->width * (size_t)image->height);
	vgg_image_free(image);
	return 0;
}

static void expect_error(const char *error, const char *part, const void *data,
			 size_t size)
{
	EXPECT_LT(decode(data, size), 0);
	EXPECT_STREQ(error, vgg_error_last()->name);
	EXPECT_CONTAINS(vgg_error_last()->what, part);
}

TEST(other_formats)
{
	expect_error("IMAGE_FORMAT", "empty", "", 0);
	expect_error("IMAGE_FORMAT", "neither", "a", 1);
	expect_error("IMAGE_FORMAT", "neither", "just some text", 14);
	expect_error("IMAGE_UNSUPPORTED", "GIF", "GIF89a", 6);
	expect_error("IMAGE_UNSUPPORTED", "WebP", "RIFF\0\0\0\0WEBPVP8 ", 16);
	expect_error("IMAGE_UNSUPPORTED", "BMP", "BM\0\0", 4);
	expect_error("IMAGE_UNSUPPORTED", "TIFF", "II*\0\0\0", 6);
	expect_error("IMAGE_UNSUPPORTED", "TIFF", "MM\0*\0\0", 6);
	expect_error("IMAGE_UNSUPPORTED", "HEIF",
		     "\0\0\0\x18"
		     "ftypheic",
		     12);
	/* The start alone is no image. */
	expect_error("IMAGE_FORMAT", "damaged", "\xff\xd8\xff", 3);
	expect_error("IMAGE_FORMAT", "damaged", "\xff\xd8\xff\xd9", 4);
	expect_error("IMAGE_FORMAT", "early", "\x89PNG\r\n\x1a\n", 8);
}

TEST(files_that_cannot_be_read)
{
	struct vgg_image *image;
	const char *path;

	EXPECT_EQ(-ENOENT, vgg_image_load(temp_path("none.png"), &image));
	EXPECT_STREQ(temp_path("none.png"), vgg_error_last()->where);
	EXPECT_TRUE(image == NULL);
	EXPECT_EQ(-ENOENT, vgg_image_load(test_tmpdir(), &image));
	EXPECT_CONTAINS(vgg_error_last()->what, "folder");
	path = write_file("empty.jpg", "", 0);
	EXPECT_EQ(-EBADMSG, vgg_image_load(path, &image));
	EXPECT_CONTAINS(vgg_error_last()->what, "empty");
	EXPECT_STREQ(path, vgg_error_last()->where);
	EXPECT_EQ(-EINVAL, vgg_image_load(NULL, &image));
	EXPECT_EQ(-EINVAL, vgg_image_load(path, NULL));
}

/*
 * Bombs: a valid header that claims a size, with little behind it.
 */
static size_t png_chunk(uint8_t *to, const char *type, const void *data,
			uint32_t n)
{
	uint32_t word = htonl(n);

	memcpy(to, &word, 4);
	memcpy(to + 4, type, 4);
	if (n)
		memcpy(to + 8, data, n);
	word = htonl(crc(to + 4, n + 4));
	memcpy(to + 8 + n, &word, 4);
	return 12 + n;
}

static size_t make_png_bomb(uint8_t *to, uint32_t width, uint32_t height)
{
	uint8_t header[13] = { 0 };
	size_t n = 8;

	memcpy(to, "\x89PNG\r\n\x1a\n", 8);
	width = htonl(width);
	height = htonl(height);
	memcpy(header, &width, 4);
	memcpy(header + 4, &height, 4);
	header[8] = 8; /* bits; type 0 is grey */
	n += png_chunk(to + n, "IHDR", header, 13);
	n += png_chunk(to + n, "IDAT", "\x78\x9c\x03\x00\x00\x00\x00\x01", 8);
	return n + png_chunk(to + n, "IEND", NULL, 0);
}

TEST(png_bombs)
{
	uint8_t data[128];

	expect_error("IMAGE_SIZE", "65536 x 65536", data,
		     make_png_bomb(data, 65536, 65536));
	expect_error("IMAGE_SIZE", "2147483647 x 2147483647", data,
		     make_png_bomb(data, 0x7fffffff, 0x7fffffff));
	expect_error("IMAGE_SIZE", "limit", data,
		     make_png_bomb(data, (1 << 27) + 1, 1));
	expect_error("IMAGE_FORMAT", "damaged", data,
		     make_png_bomb(data, 0x80000000, 1));
	expect_error("IMAGE_FORMAT", "IHDR", data, make_png_bomb(data, 0, 5));
	/* Below the limit the missing data is what is wrong. */
	expect_error("IMAGE_FORMAT", "damaged", data,
		     make_png_bomb(data, 1, 1 << 27));
	expect_error("IMAGE_FORMAT", "damaged", data,
		     make_png_bomb(data, 4096, 4096));
}

/* Puts another size into the frame header of a JPEG. */
static void set_jpeg_size(uint8_t *jpeg, size_t size, uint16_t width,
			  uint16_t height)
{
	size_t i;

	for (i = 2; i + 9 < size; i++)
		if (jpeg[i] == 0xff &&
		    (jpeg[i + 1] == 0xc0 || jpeg[i + 1] == 0xc2))
			break;
	ASSERT_LT(i + 9, size);
	jpeg[i + 5] = (uint8_t)(height >> 8);
	jpeg[i + 6] = (uint8_t)height;
	jpeg[i + 7] = (uint8_t)(width >> 8);
	jpeg[i + 8] = (uint8_t)width;
}

TEST(jpeg_bombs)
{
	static const char *const names[] = { "rgb-420.jpg",
					     "rgb-progressive.jpg" };
	size_t size, i;
	uint8_t *data;

	for (i = 0; i < 2; i++) {
		data = read_file(image_file(names[i]), &size);
		set_jpeg_size(data, size, 65500, 65500);
		expect_error("IMAGE_SIZE", "65500 x 65500", data, size);
		/* Damage is noticed before the whole canvas is filled. */
		set_jpeg_size(data, size, 8000, 8000);
		expect_error("IMAGE_FORMAT", "remature end", data, size);
		set_jpeg_size(data, size, 8000, 0);
		EXPECT_LT(decode(data, size), 0);
		free(data);
	}
}

/* A JPEG whose frame header claims what this decoder doesn't do. */
TEST(jpeg_of_12_bits)
{
	size_t size, i;
	uint8_t *data = read_file(image_file("rgb-444.jpg"), &size);

	for (i = 2; i + 4 < size; i++)
		if (data[i] == 0xff && data[i + 1] == 0xc0)
			data[i + 4] = 12;
	expect_error("IMAGE_UNSUPPORTED", "precision 12", data, size);
	free(data);
}

/* Only the padding before the end marker is forgiven, not a cut behind it. */
TEST(padded_jpeg_must_end)
{
	size_t size;
	uint8_t *data = read_file(image_file("padded.jpg"), &size);

	EXPECT_EQ(0, decode(data, size));
	expect_error("IMAGE_FORMAT", "Premature end", data, size - 1);
	free(data);
}

/*
 * Damage: each file cut after every byte, and with every byte changed.
 */
static unsigned int stride(void)
{
	return test_emulated() ? 5 : 1;
}

static uint8_t *copy_of(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	ASSERT_TRUE(copy != NULL);
	memcpy(copy, data, n);
	return copy;
}

static void cut_everywhere(const char *words)
{
	size_t size, n;
	char name[64];
	uint8_t *data, *part;

	ASSERT_EQ(1, sscanf(words, "%63s", name));
	data = read_file(image_file(name), &size);
	for (n = 0; n < size; n += stride()) {
		part = copy_of(data, n);
		if (!decode(part, n)) {
			TH_LOG("%s is accepted with %zu of %zu bytes", name, n,
			       size);
			EXPECT_EQ(size, n);
		}
		free(part);
	}
	free(data);
}

TEST(cut_off_anywhere)
{
	EXPECT_EQ(61, each_digest("decode", cut_everywhere));
	EXPECT_EQ(1, each_digest("refuse", cut_everywhere));
}

static void flip_everywhere(const char *words)
{
	static const uint8_t flips[] = { 0xff, 0x01, 0x80 };
	size_t size, i;
	char name[64];
	uint8_t *data;

	ASSERT_EQ(1, sscanf(words, "%63s", name));
	data = read_file(image_file(name), &size);
	for (i = 0; i < size; i += stride()) {
		data[i] ^= flips[i % 3];
		decode(data, size);
		data[i] ^= flips[i % 3];
	}
	free(data);
}

TEST(any_byte_flipped)
{
	EXPECT_EQ(61, each_digest("decode", flip_everywhere));
	EXPECT_EQ(1, each_digest("refuse", flip_everywhere));
}

/* In PNG a flipped byte is caught by a checksum; give it a valid one, so that
 * the damage gets further. */
static void flip_under_checksum(const char *words)
{
	size_t size, at, i, n;
	uint8_t *data, *type;
	uint32_t word;
	char name[64];

	ASSERT_EQ(1, sscanf(words, "%63s", name));
	if (!strstr(name, ".png"))
		return;
	data = read_file(image_file(name), &size);
	for (at = 8; at < size; at += 12 + n) {
		n = (size_t)data[at + 2] << 8 | data[at + 3];
		type = data + at + 4;
		for (i = 0; i < n + 4; i += stride()) {
			type[i] ^= (uint8_t)(1 << i % 8);
			word = htonl(crc(type, n + 4));
			memcpy(type + n + 4, &word, 4);
			decode(data, size);
			type[i] ^= (uint8_t)(1 << i % 8);
		}
		word = htonl(crc(type, n + 4));
		memcpy(type + n + 4, &word, 4);
	}
	EXPECT_EQ(0, decode(data, size));
	free(data);
}

TEST(any_byte_flipped_under_a_valid_checksum)
{
	EXPECT_EQ(61, each_digest("decode", flip_under_checksum));
}

/*
 * Orientation.
 */
TEST(orientation_turns)
{
	/* 1 2 3
	 * 4 5 6 */
	static const uint8_t want[9][6] = {
		[1] = { 1, 2, 3, 4, 5, 6 }, [2] = { 3, 2, 1, 6, 5, 4 },
		[3] = { 6, 5, 4, 3, 2, 1 }, [4] = { 4, 5, 6, 1, 2, 3 },
		[5] = { 1, 4, 2, 5, 3, 6 }, [6] = { 4, 1, 5, 2, 6, 3 },
		[7] = { 6, 3, 5, 2, 4, 1 }, [8] = { 3, 6, 2, 5, 1, 4 },
	};
	struct vgg_image *image;
	uint8_t rgb[18];
	int o, i;

	for (i = 0; i < 18; i++)
		rgb[i] = (uint8_t)(i / 3 + 1 + 10 * (i % 3));
	for (o = 1; o <= 8; o++) {
		ASSERT_EQ(0, vgg_image_from_rgb(rgb, 3, 2, 9, &image));
		EXPECT_EQ(0, vgg_image_orient(image, o));
		EXPECT_EQ(o > 4 ? 2 : 3, image->width);
		EXPECT_EQ(o > 4 ? 3 : 2, image->height);
		for (i = 0; i < 18; i++)
			EXPECT_EQ(want[o][i / 3] + 10 * (i % 3), image->rgb[i]);
		vgg_image_free(image);
	}
}

static const uint8_t small_exif[] = {
	'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12,
	1,   3,	  0,  1, 0, 0, 0, 6, 0, 0, 0,
};

static int orientation_with(size_t at, uint8_t value)
{
	uint8_t exif[sizeof(small_exif)];

	memcpy(exif, small_exif, sizeof(exif));
	exif[at] = value;
	return vgg_exif_orientation(exif, sizeof(exif));
}

TEST(exif_doubts_mean_upright)
{
	EXPECT_EQ(6, vgg_exif_orientation(small_exif, sizeof(small_exif)));
	EXPECT_EQ(1, orientation_with(0, 'X')); /* byte order */
	EXPECT_EQ(1, orientation_with(0, 'M'));
	EXPECT_EQ(1, orientation_with(2, 43));	  /* no TIFF */
	EXPECT_EQ(1, orientation_with(7, 0xff));  /* directory far away */
	EXPECT_EQ(1, orientation_with(4, 21));	  /* ... half outside */
	EXPECT_EQ(1, orientation_with(8, 0));	  /* no entries */
	EXPECT_EQ(6, orientation_with(9, 0xff));  /* more than there are */
	EXPECT_EQ(1, orientation_with(10, 0x11)); /* another tag */
	EXPECT_EQ(1, orientation_with(12, 2));	  /* a text */
	EXPECT_EQ(6, orientation_with(12, 4));	  /* 32 bits */
	EXPECT_EQ(1, orientation_with(14, 2));	  /* two values */
	EXPECT_EQ(1, orientation_with(18, 0));
	EXPECT_EQ(1, orientation_with(18, 9));
	EXPECT_EQ(8, orientation_with(18, 8));
	EXPECT_EQ(1, orientation_with(19, 1)); /* 262 */
}

TEST(exif_cut_off_or_flipped)
{
	size_t n, i;
	uint8_t *part;
	int bit, o;

	for (n = 0; n < sizeof(small_exif); n++) {
		part = copy_of(small_exif, n);
		EXPECT_EQ(1, vgg_exif_orientation(part, n));
		for (i = 0; i < n; i++)
			for (bit = 0; bit < 8; bit++) {
				part[i] ^= (uint8_t)(1 << bit);
				o = vgg_exif_orientation(part, n);
				EXPECT_TRUE(o >= 1 && o <= 8);
				part[i] ^= (uint8_t)(1 << bit);
			}
		free(part);
	}
}

TEST(exif_segments)
{
	static const uint8_t start[] = { 0xff,
					 0xd8,
					 0xff,
					 0xe0,
					 0,
					 4,
					 1,
					 2,
					 0xff,
					 0xff,
					 0xe1,
					 0,
					 8 + sizeof(small_exif),
					 'E',
					 'x',
					 'i',
					 'f',
					 0,
					 0 };
	uint8_t jpeg[sizeof(start) + sizeof(small_exif)];
	size_t size = sizeof(jpeg), n;
	uint8_t *part;

	memcpy(jpeg, start, sizeof(start));
	memcpy(jpeg + sizeof(start), small_exif, sizeof(small_exif));
	EXPECT_EQ(6, vgg_exif_jpeg_orientation(jpeg, size));
	for (n = 0; n < size; n++) {
		part = copy_of(jpeg, n);
		EXPECT_EQ(1, vgg_exif_jpeg_orientation(part, n));
		free(part);
	}
	/* Behind the start of a scan it is something else. */
	jpeg[3] = 0xda;
	EXPECT_EQ(1, vgg_exif_jpeg_orientation(jpeg, size));
	jpeg[3] = 0xe0;
	jpeg[5] = 1; /* a length that doesn't reach behind itself */
	EXPECT_EQ(1, vgg_exif_jpeg_orientation(jpeg, size));
}

/*
 * Images from memory.
 */
TEST(image_from_rgb)
{
	static const uint8_t rgb[] = {
		1, 2, 3, 4, 5, 6, 99, 7, 8, 9, 10, 11, 12
	};
	static const uint8_t want[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
	struct vgg_image *image;

	ASSERT_EQ(0, vgg_image_from_rgb(rgb, 2, 2, 7, &image));
	EXPECT_EQ(2, vgg_image_width(image));
	EXPECT_EQ(2, vgg_image_height(image));
	EXPECT_EQ(0, memcmp(want, vgg_image_pixels(image), sizeof(want)));
	vgg_image_free(image);
	vgg_image_free(NULL);

	EXPECT_EQ(-EINVAL, vgg_image_from_rgb(NULL, 2, 2, 7, &image));
	EXPECT_EQ(-EINVAL, vgg_image_from_rgb(rgb, 0, 2, 7, &image));
	EXPECT_EQ(-EINVAL, vgg_image_from_rgb(rgb, 2, -1, 7, &image));
	EXPECT_EQ(-EINVAL, vgg_image_from_rgb(rgb, 2, 2, 5, &image));
	EXPECT_TRUE(image == NULL);
	EXPECT_EQ(-EFBIG, vgg_image_from_rgb(rgb, 1 << 14, (1 << 13) + 1,
					     1 << 16, &image));
	EXPECT_EQ(-EINVAL, vgg_image_from_rgb(rgb, 2, 2, 7, NULL));
}

TEST(image_from_a_pipe)
{
	const char *path = temp_path("pipe");
	struct vgg_image *image;
	uint8_t *data;
	size_t size;
	int fd;

	ASSERT_EQ(0, mkfifo(path, 0600));
	data = read_file(image_file("rgb-8.png"), &size);
	if (!fork()) {
		fd = open(path, O_WRONLY);
		_exit(write(fd, data, size) != (ssize_t)size);
	}
	EXPECT_EQ(0, vgg_image_load(path, &image));
	free(data);
	vgg_image_free(image);
}

TEST_HARNESS_MAIN
