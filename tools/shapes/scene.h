// SPDX-License-Identifier: MIT
/* One picture before it is sampled: all that (seed, index) decides. */
#ifndef SHAPES_SCENE_H
#define SHAPES_SCENE_H

#include "figure.h"
#include "paint.h"

#define SCENE_CLUTTER 10

/* A small thing that means nothing. */
struct clutter {
	int round, in_front;
	double origin[2], along[2];
	double half_length, half_width;
	struct colour colour;
};

struct light {
	double gain, slope[2]; /* brightness, and how it falls off */
	double curve;	       /* tone curve: v + curve * v * (1 - v) */
	double noise;	       /* standard deviation, pixel by pixel */
	uint64_t noise_key;
};

struct scene {
	struct figure figure;
	struct paint ground, fill;
	double shadow[2], shadow_depth;
	int clutters;
	struct clutter clutter[SCENE_CLUTTER];
	struct light light;
	double blur; /* radius, in units of the plane */
};

void scene_init(struct scene *s, uint64_t seed, uint64_t index);
struct colour scene_at(const struct scene *s, double u, double v);

#endif
