// SPDX-License-Identifier: MIT
/* Images for networks; see preprocess.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "image/preprocess.h"
#include "trace/trace.h"
#include "util/error.h"

const char *vgg_preprocess_problem(const struct vgg_preprocess *p)
{
	int c;

	if (p->channels != 1 && p->channels != 3)
		return "images have 1 or 3 channels";
	if (p->crop_w < 1 || p->crop_h < 1 || p->crop_w > VGG_CROP_MAX ||
	    p->crop_h > VGG_CROP_MAX ||
	    (int64_t)p->crop_w * p->crop_h > VGG_IMAGE_PIXELS_MAX)
		return "the crop's size is out of range";
	if (p->resize < 0 || p->resize > VGG_CROP_MAX)
		return "the size to resize to is out of range";
	if (!vgg_filter_name(p->interpolation))
		return "the interpolation is unknown";
	for (c = 0; c < p->channels; c++)
		if (!isfinite(p->mean[c]) || !isfinite(p->std[c]) ||
		    p->std[c] == 0.0f)
			return "mean and std must be finite, std not 0";
	return NULL;
}

/* The luma of ITU-R BT.601 in 16-bit fixed point, as convert("L") has it. */
static uint8_t *make_luma(const struct vgg_image *in)
{
	size_t n = (size_t)in->width * (size_t)in->height, i;
	uint8_t *luma = malloc(n);
	const uint8_t *p = in->rgb;

	for (i = 0; luma && i < n; i++, p += 3)
		luma[i] = (uint8_t)((19595u * p[0] + 38470u * p[1] +
				     7471u * p[2] + 0x8000u) >>
				    16);
	return luma;
}

/* Sizes of the whole resized image. The division truncates as Python's int() of
 * a true division does: for dividends below 2^53 the two never differ. */
static int resized_size(const struct vgg_preprocess *p,
			const struct vgg_image *in, struct vgg_resize *r)
{
	int64_t w = in->width, h = in->height, longer;

	r->out_w = in->width;
	r->out_h = in->height;
	if (!p->resize)
		return 0;
	longer = w <= h ? p->resize * h / w : p->resize * w / h;
	if (longer > VGG_IMAGE_PIXELS_MAX)
		return vgg_fail(IMAGE_SIZE, NULL, "crop it first",
				"with %lld x %lld pixels the image is too "
				"long and narrow to be resized",
				(long long)w, (long long)h);
	r->out_w = w <= h ? p->resize : (int)longer;
	r->out_h = w <= h ? (int)longer : p->resize;
	return 0;
}

/*
 * One direction of the crop: which part of `size` pixels is seen, and where it
 * lies in the `crop` pixels of the result. A border that is odd goes to the far
 * side when padding; when cropping, half pixels are rounded to even.
 */
static void centre(int size, int crop, int *from, int *length, int *at)
{
	int border = size - crop;

	if (border < 0) {
		*from = 0;
		*length = size;
		*at = -border / 2;
		return;
	}
	*from = border / 2;
	if (border % 2)
		*from += *from % 2;
	*length = crop;
	*at = 0;
}

int vgg_preprocess_image(const struct vgg_preprocess *p,
			 const struct vgg_image *in, uint8_t *out_hwc)
{
	VGG_TRACE_NAMED(INPUT, "resize");
	struct vgg_resize r = { .filter = p->interpolation,
				.channels = p->channels,
				.in_w = in->width,
				.in_h = in->height };
	size_t pixel = (size_t)p->channels, pitch = (size_t)p->crop_w * pixel;
	uint8_t *luma = NULL;
	int at_x, at_y, err;

	err = resized_size(p, in, &r);
	if (err)
		return err;
	centre(r.out_w, p->crop_w, &r.x, &r.w, &at_x);
	centre(r.out_h, p->crop_h, &r.y, &r.h, &at_y);
	if (r.w < p->crop_w || r.h < p->crop_h)
		memset(out_hwc, 0, (size_t)p->crop_h * pitch);
	if (p->channels == 1) {
		luma = make_luma(in);
		if (!luma)
			return vgg_fail_memory("a grey image");
	}
	err = vgg_resize(&r, luma ? luma : in->rgb,
			 out_hwc + (size_t)at_y * pitch + (size_t)at_x * pixel,
			 pitch);
	free(luma);
	return err;
}

void vgg_preprocess_table(const struct vgg_preprocess *p, float table[][256])
{
	int c, v;

	for (c = 0; c < p->channels; c++)
		for (v = 0; v < 256; v++)
			table[c][v] =
				((float)v / 255.0f - p->mean[c]) / p->std[c];
}

void vgg_preprocess_values(const struct vgg_preprocess *p,
			   const float table[][256], const uint8_t *hwc,
			   size_t n, float *to)
{
	int channels = p->channels, c = 0;
	size_t i;

	for (i = 0; i < n; i++, c = c + 1 < channels ? c + 1 : 0)
		to[i] = table[c][hwc[i]];
}
