// SPDX-License-Identifier: MIT
/* Images: life, and decoding by content. */
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "trace/trace.h"
#include "util/error.h"
#include "util/file.h"

#define CONVERT "convert it to JPEG or PNG"

int vgg_image_new(const char *name, int64_t width, int64_t height,
		  struct vgg_image **image)
{
	struct vgg_image *new;

	*image = NULL;
	if (width < 1 || height < 1)
		return vgg_fail(IMAGE_FORMAT, name, NULL,
				"has no pixels (%lld x %lld)", (long long)width,
				(long long)height);
	if (width > VGG_IMAGE_PIXELS_MAX / height)
		return vgg_fail(IMAGE_SIZE, name, "scale it down first",
				"claims %lld x %lld pixels, more than the "
				"limit of %lld",
				(long long)width, (long long)height,
				(long long)VGG_IMAGE_PIXELS_MAX);
	new = calloc(1, sizeof(*new));
	if (!new)
		return vgg_fail_memory("an image");
	new->width = (int)width;
	new->height = (int)height;
	new->rgb = malloc((size_t)width * (size_t)height * 3);
	if (!new->rgb) {
		free(new);
		return vgg_fail_memory("an image's pixels");
	}
	*image = new;
	return 0;
}

/* Formats that are recognised only to be refused by name. */
static const struct {
	const char *name;
	unsigned int at, size;
	const char *magic;
} others[] = {
	{ "GIF", 0, 4, "GIF8" },	 { "WebP", 8, 4, "WEBP" },
	{ "BMP", 0, 2, "BM" },		 { "TIFF", 0, 4, "II*\0" },
	{ "TIFF", 0, 4, "MM\0*" },	 { "HEIF or AVIF", 4, 4, "ftyp" },
	{ "JPEG XL", 0, 2, "\xff\x0a" }, { "JPEG 2000", 4, 4, "jP  " },
};

static int fail_other(const char *name, const uint8_t *data, size_t size)
{
	size_t i;

	if (!size)
		return vgg_fail(IMAGE_FORMAT, name, "copy or download it again",
				"the file is empty");
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (size >= others[i].at + others[i].size &&
		    !memcmp(data + others[i].at, others[i].magic,
			    others[i].size))
			return vgg_fail(IMAGE_UNSUPPORTED, name, CONVERT,
					"is a %s image", others[i].name);
	return vgg_fail(IMAGE_FORMAT, name, CONVERT,
			"is neither a JPEG nor a PNG image");
}

int vgg_image_decode(const char *name, const uint8_t *data, size_t size,
		     struct vgg_image **image)
{
	int orientation = 1, err;

	*image = NULL;
	if (size >= 3 && !memcmp(data, "\xff\xd8\xff", 3))
		err = vgg_jpeg_decode(name, data, size, image, &orientation);
	else if (size >= 8 && !memcmp(data, "\x89PNG\r\n\x1a\n", 8))
		err = vgg_png_decode(name, data, size, image, &orientation);
	else
		err = fail_other(name, data, size);
	if (!err)
		err = vgg_image_orient(*image, orientation);
	if (err) {
		vgg_image_free(*image);
		*image = NULL;
	}
	return vgg_error_at(err, name);
}

int vgg_image_load(const char *path, struct vgg_image **image)
{
	VGG_TRACE_NAMED(INPUT, "decode");
	struct vgg_file file;
	int err;

	if (!image)
		return vgg_fail(BAD_ARGUMENT, path, NULL,
				"there is no image to load into");
	*image = NULL;
	err = vgg_file_open(&file, path);
	if (err)
		return err;
	err = vgg_image_decode(path, file.data, file.size, image);
	vgg_file_close(&file);
	return err;
}

int vgg_image_from_rgb(const uint8_t *rgb, int width, int height, size_t pitch,
		       struct vgg_image **image)
{
	size_t row = (size_t)width * 3;
	int y, err;

	if (!image)
		return vgg_fail(BAD_ARGUMENT, NULL, NULL,
				"there is no image to copy into");
	*image = NULL;
	if (!rgb || width < 1 || height < 1 || pitch < row)
		return vgg_fail(BAD_ARGUMENT, NULL, NULL,
				"pixels of %d x %d with %zu bytes a row make "
				"no image",
				width, height, pitch);
	err = vgg_image_new(NULL, width, height, image);
	if (err)
		return err;
	for (y = 0; y < height; y++)
		memcpy((*image)->rgb + (size_t)y * row, rgb + (size_t)y * pitch,
		       row);
	return 0;
}

void vgg_image_free(struct vgg_image *image)
{
	if (!image)
		return;
	free(image->rgb);
	free(image);
}

int vgg_image_width(const struct vgg_image *image)
{
	return image->width;
}

int vgg_image_height(const struct vgg_image *image)
{
	return image->height;
}

const uint8_t *vgg_image_pixels(const struct vgg_image *image)
{
	return image->rgb;
}
