/* SPDX-License-Identifier: MIT */
/* Whether images are fit to calibrate a network with. */
#ifndef VGG_LOOK_H
#define VGG_LOOK_H

#include "quant/samples.h"

struct vgg_look {
	unsigned int images, distinct;
	/* Of all pixels of each channel, as the network gets them. */
	int channels;
	double mean[4], std[4];
	double grey;	   /* deviation within images, in steps of 0..255 */
	double neighbours; /* correlation of pixels side by side; 1 if there are
			    * none that differ */
	double apart; /* how far images are from the mean of all, in steps of
		       * 0..255, over patches of an eighth of a side */
};

int vgg_look_at(struct vgg_samples *s, struct vgg_look *look);

/* What is wrong; each writes a sentence and returns true, or returns false. */
bool vgg_look_few(const struct vgg_look *l, char *what, size_t size);
bool vgg_look_alike(const struct vgg_look *l, char *what, size_t size);
/* p: of the network that the images are for. */
bool vgg_look_foreign(const struct vgg_look *l, const struct vgg_preprocess *p,
		      char *what, size_t size);

#endif
