// SPDX-License-Identifier: MIT
/*
 * The object of a picture: which points of the plane it covers.
 *
 * Outlines (disc to crescent) are defined in a local frame where they touch the
 * unit circle. Textures (stripes, checkerboard, dots) are defined in a frame
 * whose unit is their period, and fill the picture or an irregular patch.
 */
#ifndef SHAPES_FIGURE_H
#define SHAPES_FIGURE_H

#include "rand.h"

enum shape_class {
	SHAPE_DISC,
	SHAPE_RING,
	SHAPE_TRIANGLE,
	SHAPE_SQUARE,
	SHAPE_STAR,
	SHAPE_CROSS,
	SHAPE_CRESCENT,
	SHAPE_STRIPES,
	SHAPE_CHECKERBOARD,
	SHAPE_DOTS,
};

#define FIGURE_CORNERS 12

/* Takes the plane to a local frame: m * (point - origin). */
struct frame {
	double origin[2];
	double m[2][2];
};

/* One side, with what the crossing test needs computed beforehand. */
struct polygon_side {
	double y0, y1;	  /* y0 < y1 */
	double x0, slope; /* x = x0 + (y - y0) * slope */
};

struct polygon {
	int sides;
	struct polygon_side side[FIGURE_CORNERS];
};

struct texture {
	double duty; /* covered share of a stripe's period */
	double wave, wave_rate, wave_phase;
	double dot_radius, dot_jitter;
	int staggered;
	uint64_t key;
	int patched; /* fills the patch only */
	struct frame patch;
	double wobble, wobble_phase[2];
};

struct figure {
	enum shape_class kind;
	struct frame frame;
	double hole_x, hole_radius; /* ring and crescent */
	struct polygon polygon;	    /* triangle to cross */
	struct texture texture;	    /* stripes to dots */
};

int figure_is_texture(const struct figure *f);
void figure_init(struct figure *f, enum shape_class kind,
		 struct rand_stream *rs);
int figure_covers(const struct figure *f, double u, double v);

#endif
