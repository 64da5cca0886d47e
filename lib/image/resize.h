/* SPDX-License-Identifier: MIT */
/*
 * Resizing with the very bytes of PIL's Image.resize(), which torchvision uses:
 * a network sees what it was trained on. The arithmetic is in resize.c.
 */
#ifndef VGG_RESIZE_H
#define VGG_RESIZE_H

#include <stddef.h>
#include <stdint.h>

enum vgg_filter { VGG_FILTER_BILINEAR, VGG_FILTER_BICUBIC, VGG_FILTER_COUNT };

/* "bilinear", "bicubic"; NULL for other values. */
const char *vgg_filter_name(int filter);
/* The filter of that name, -1 if there is none. */
int vgg_filter_find(const char *name);

struct vgg_resize {
	enum vgg_filter filter;
	int channels;	  /* 1 or 3, 8 bits each */
	int in_w, in_h;	  /* input; no gaps between rows */
	int out_w, out_h; /* of the whole result */
	int x, y, w, h;	  /* the part of the result that is computed */
};

/* out gets r->h rows of r->w pixels, `pitch` bytes apart. All sizes are >= 1,
 * the part lies inside the result. NO_MEMORY is the only failure. */
int vgg_resize(const struct vgg_resize *r, const uint8_t *in, uint8_t *out,
	       size_t pitch);

#endif
