/* SPDX-License-Identifier: MIT */
/*
 * The images that a network is quantised with, as its input: of a data set's
 * training part, spread evenly over it as its order often goes by class; or
 * synthetic ones.
 */
#ifndef VGG_SAMPLES_H
#define VGG_SAMPLES_H

#include "model/graph.h"

struct vgg_samples {
	const struct vgg_model *model;
	struct vgg_dataset *set; /* NULL: synthetic */
	unsigned int count;
	size_t elements;  /* of an input */
	uint8_t **pixels; /* preprocessed; as far as memory for them is granted,
			   * the others are NULL */
	uint8_t *scratch;
	float table[4][256];
	vgg_progress progress;
	void *progress_ctx;
};

/* spec NULL: synthetic images. max 0: 64. CALIBRATION if the network takes no
 * images; errors of vgg_dataset_open(). Close it also after a failure. */
int vgg_samples_open(struct vgg_samples *s, const struct vgg_model *m,
		     const char *spec, unsigned int max);
void vgg_samples_close(struct vgg_samples *s);
/* Image i, preprocessed, as rows of pixels; valid until the next call. */
int vgg_samples_bytes(struct vgg_samples *s, unsigned int i,
		      const uint8_t **hwc);
/* The same as the network's input, in memory order. */
int vgg_samples_read(struct vgg_samples *s, unsigned int i, float *nhwc);
/* INTERRUPTED if the caller wants to stop. */
int vgg_samples_tell(const struct vgg_samples *s, const char *what,
		     unsigned int done);

/* Which of n images the i-th of `count` is. */
size_t vgg_samples_place(size_t n, unsigned int count, unsigned int i);

/* synthetic.c: fills crop_h rows of crop_w pixels. */
void vgg_synthetic_draw(const struct vgg_preprocess *p, unsigned int image,
			uint8_t *hwc);

#endif
