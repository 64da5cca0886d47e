// SPDX-License-Identifier: MIT
/*
 * PNG by libpng. Its simplified interface corrects gamma where a file asks for
 * it; networks are trained on the values as they are, so this is the full
 * interface without any colour management. As PIL's convert("RGB") does it,
 * transparency is dropped, not blended. Of 16 bits the upper 8 are kept; PIL
 * does so for colour too, but clips 16-bit grey at 255, which makes nearly
 * everything white, and that is not imitated.
 */
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "util/error.h"

struct reader {
	png_structp png;
	png_infop info;
	const uint8_t *data;
	size_t size, at;
	const char *name;
	struct vgg_image *image;
	int orientation;
	int err;	/* of ours, if a step fails without libpng */
	char text[128]; /* libpng's last words */
};

static void on_error(png_structp png, const char *text)
{
	struct reader *r = png_get_error_ptr(png);

	snprintf(r->text, sizeof(r->text), "%s", text);
	png_longjmp(png, 1);
}

static void on_warning(png_structp png, const char *text)
{
	(void)png;
	(void)text;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
	struct reader *r = png_get_io_ptr(png);

	if (n > r->size - r->at)
		png_error(png, "the file ends early");
	memcpy(to, r->data + r->at, n);
	r->at += n;
}

/* libpng leaves by longjmp: a step runs below this frame, and all that it
 * changes lives in *r. */
static int guarded(struct reader *r, void (*step)(struct reader *r))
{
	if (setjmp(png_jmpbuf(r->png)))
		return vgg_fail(IMAGE_FORMAT, r->name,
				"copy or download it again",
				"the PNG data is damaged or cut off near byte "
				"%zu: %s",
				r->at, r->text);
	step(r);
	return r->err;
}

static void step_header(struct reader *r)
{
	/* The library's own limits would fail with less clear words. */
	png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
	png_set_read_fn(r->png, r, on_read);
	png_read_info(r->png, r->info);
	r->err =
		vgg_image_new(r->name, png_get_image_width(r->png, r->info),
			      png_get_image_height(r->png, r->info), &r->image);
}

/* Whatever it is, to 8-bit RGB. */
static void step_transforms(struct reader *r)
{
	png_byte type = png_get_color_type(r->png, r->info);

	if (type == PNG_COLOR_TYPE_PALETTE)
		png_set_palette_to_rgb(r->png);
	if (type == PNG_COLOR_TYPE_GRAY)
		png_set_expand_gray_1_2_4_to_8(r->png);
	if (!(type & PNG_COLOR_MASK_COLOR))
		png_set_gray_to_rgb(r->png);
	png_set_strip_16(r->png);
	png_set_strip_alpha(r->png);
}

/* Not png_read_image(): it wants a pointer for each row, which for a narrow
 * image of 2^27 rows is more than the pixels. */
static void step_rows(struct reader *r)
{
	size_t pitch = (size_t)r->image->width * 3;
	int pass, passes, y;

	passes = png_set_interlace_handling(r->png);
	png_read_update_info(r->png, r->info);
	if (png_get_rowbytes(r->png, r->info) != pitch)
		png_error(r->png, "the rows have an unexpected size");
	for (pass = 0; pass < passes; pass++)
		for (y = 0; y < r->image->height; y++)
			png_read_row(r->png, r->image->rgb + (size_t)y * pitch,
				     NULL);
}

static void step_end(struct reader *r)
{
	png_uint_32 size = 0;
	png_bytep exif = NULL;

	png_read_end(r->png, r->info);
#ifdef PNG_eXIf_SUPPORTED
	if (png_get_eXIf_1(r->png, r->info, &size, &exif) && exif)
		r->orientation = vgg_exif_orientation(exif, size);
#endif
}

static int read_all(struct reader *r)
{
	int err;

	err = guarded(r, step_header);
	if (!err)
		err = guarded(r, step_transforms);
	if (!err)
		err = guarded(r, step_rows);
	if (!err)
		err = guarded(r, step_end);
	return err;
}

int vgg_png_decode(const char *name, const uint8_t *data, size_t size,
		   struct vgg_image **image, int *orientation)
{
	struct reader r = {
		.data = data, .size = size, .name = name, .orientation = 1
	};
	int err;

	*image = NULL;
	r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error,
				       on_warning);
	if (r.png)
		r.info = png_create_info_struct(r.png);
	if (r.info)
		err = read_all(&r);
	else
		err = vgg_fail_memory("the PNG decoder");
	png_destroy_read_struct(&r.png, &r.info, NULL);
	if (err) {
		vgg_image_free(r.image);
		return err;
	}
	*image = r.image;
	*orientation = r.orientation;
	return 0;
}
