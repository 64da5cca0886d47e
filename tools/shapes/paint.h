// SPDX-License-Identifier: MIT
/* What a surface looks like: the colour of each of its points. */
#ifndef SHAPES_PAINT_H
#define SHAPES_PAINT_H

#include "rand.h"

struct colour {
	double channel[3];
};

enum paint_kind {
	PAINT_PLAIN,
	PAINT_GRADIENT,
	PAINT_MOTTLED, /* smooth noise */
	PAINT_SPLIT,   /* two halves along a line */
	PAINT_WOVEN,   /* a faint, fine weave */
	PAINT_KINDS
};

/* Every kind moves between two colours; it differs in where. */
struct paint {
	enum paint_kind kind;
	struct colour from, to;
	double direction[2], offset, rate;
	uint64_t key;
};

struct colour colour_random(struct rand_stream *rs, int grey);
struct colour colour_near(const struct colour *c, double spread,
			  struct rand_stream *rs);
double colour_luma(const struct colour *c);
double colour_distance2(const struct colour *a, const struct colour *b);
void colour_blend(struct colour *onto, const struct colour *c, double share);

/* Everything but the colours, which depend on those of the other surfaces. */
void paint_init(struct paint *p, enum paint_kind kind, struct rand_stream *rs);
struct colour paint_at(const struct paint *p, double u, double v);

#endif
