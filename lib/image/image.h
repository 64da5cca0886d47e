/* SPDX-License-Identifier: MIT */
/*
 * Decoded images, inside the library. Decoders work on memory and take the
 * file's name for messages only.
 */
#ifndef VGG_IMAGE_H
#define VGG_IMAGE_H

#include "vggaccel.h"

/* 384 MiB of RGB. A file of a few hundred bytes can claim any size: this is
 * checked before anything is allocated for it. */
#define VGG_IMAGE_PIXELS_MAX ((int64_t)1 << 27)

struct vgg_image {
	int width, height;
	uint8_t *rgb; /* 3 * width bytes a row, no gaps */
};

/* Pixels are not initialised. IMAGE_SIZE beyond the limit. */
int vgg_image_new(const char *name, int64_t width, int64_t height,
		  struct vgg_image **image);
/* By content: JPEG or PNG. */
int vgg_image_decode(const char *name, const uint8_t *data, size_t size,
		     struct vgg_image **image);

/* The decoders report the orientation in 1..8 but don't apply it. */
int vgg_jpeg_decode(const char *name, const uint8_t *data, size_t size,
		    struct vgg_image **image, int *orientation);
int vgg_png_decode(const char *name, const uint8_t *data, size_t size,
		   struct vgg_image **image, int *orientation);

/* What the Exif block of a JPEG file says, or a bare one (a TIFF header and
 * what follows); 1, upright, unless it says otherwise without doubt. */
int vgg_exif_jpeg_orientation(const uint8_t *jpeg, size_t size);
int vgg_exif_orientation(const uint8_t *tiff, size_t size);
/* Turns the image upright. */
int vgg_image_orient(struct vgg_image *image, int orientation);

#endif
