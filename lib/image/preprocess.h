/* SPDX-License-Identifier: MIT */
/*
 * From an image to what a network takes, exactly as torchvision does it for a
 * PIL image: Grayscale (for one channel; before resizing), Resize(resize),
 * CenterCrop((crop_h, crop_w)), ToTensor, Normalize(mean, std).
 *
 * The steps up to the crop are integer arithmetic; the last two depend on a
 * pixel's byte and its channel only, so they are a table of 256 floats.
 */
#ifndef VGG_PREPROCESS_H
#define VGG_PREPROCESS_H

#include "image/resize.h"
#include "vggaccel.h"

#define VGG_CROP_MAX 65536 /* pixels a side */

struct vgg_preprocess {
	int resize;	       /* shorter side; 0: as it is */
	int crop_w, crop_h;    /* of the result; smaller images are centred
				 * between zeros */
	int interpolation;     /* enum vgg_filter */
	float mean[4], std[4]; /* one per channel, of values in 0..1 */
	int channels;	       /* 3 (RGB) or 1 (luma) */
};

/* What is wrong with the numbers, as a sentence; NULL if nothing. They may come
 * from a file, and the functions below take only what passes this. */
const char *vgg_preprocess_problem(const struct vgg_preprocess *p);

/* The cropped image: crop_h rows of crop_w pixels of `channels` bytes. */
int vgg_preprocess_image(const struct vgg_preprocess *p,
			 const struct vgg_image *in, uint8_t *out_hwc);

/* table[c][v]: the number that byte v of channel c becomes, for each of
 * p->channels channels. */
void vgg_preprocess_table(const struct vgg_preprocess *p, float table[][256]);
/* n bytes of an image by that table. */
void vgg_preprocess_values(const struct vgg_preprocess *p,
			   const float table[][256], const uint8_t *hwc,
			   size_t n, float *to);

#endif
