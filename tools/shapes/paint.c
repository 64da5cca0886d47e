// SPDX-License-Identifier: MIT
#include "paint.h"

/* The share of each channel in what the eye takes for brightness. */
static const double luma_share[3] = { 0.3, 0.59, 0.11 };

struct colour colour_random(struct rand_stream *rs, int grey)
{
	struct colour c;
	int i;

	for (i = 0; i < 3; i++)
		c.channel[i] = rand_range(rs, 0.04, 0.96);
	if (grey)
		c.channel[1] = c.channel[2] = c.channel[0];
	return c;
}

struct colour colour_near(const struct colour *c, double spread,
			  struct rand_stream *rs)
{
	struct colour near;
	double shift = rand_range(rs, -spread, spread);
	int i;

	for (i = 0; i < 3; i++) {
		double own = rand_range(rs, -spread, spread);

		near.channel[i] = clamp_unit(c->channel[i] + shift + 0.4 * own);
	}
	return near;
}

double colour_luma(const struct colour *c)
{
	double luma = 0.0;
	int i;

	for (i = 0; i < 3; i++)
		luma += luma_share[i] * c->channel[i];
	return luma;
}

double colour_distance2(const struct colour *a, const struct colour *b)
{
	double sum = 0.0;
	int i;

	for (i = 0; i < 3; i++) {
		double d = a->channel[i] - b->channel[i];

		sum += luma_share[i] * d * d;
	}
	return sum;
}

void colour_blend(struct colour *onto, const struct colour *c, double share)
{
	int i;

	for (i = 0; i < 3; i++)
		onto->channel[i] += share * (c->channel[i] - onto->channel[i]);
}

void paint_init(struct paint *p, enum paint_kind kind, struct rand_stream *rs)
{
	double turn = rand_unit(rs);

	p->kind = kind;
	p->direction[0] = cos_turn(turn);
	p->direction[1] = sin_turn(turn);
	p->offset = rand_range(rs, -0.5, 0.5);
	p->rate = kind == PAINT_WOVEN ? rand_range(rs, 3.0, 6.0) :
					rand_range(rs, 1.5, 5.0);
	p->key = rand_next(rs);
}

static double smooth(double t)
{
	return t * t * (3.0 - 2.0 * t);
}

static double mottle(const struct paint *p, double u, double v)
{
	double x = u * p->rate, y = v * p->rate;
	int64_t i = floor_int(x), j = floor_int(y);
	double s = smooth(x - (double)i), t = smooth(y - (double)j);
	double top = rand_lattice(p->key, i, j) * (1.0 - s) +
		     rand_lattice(p->key, i + 1, j) * s;
	double bottom = rand_lattice(p->key, i, j + 1) * (1.0 - s) +
			rand_lattice(p->key, i + 1, j + 1) * s;

	return top * (1.0 - t) + bottom * t;
}

static double paint_share(const struct paint *p, double u, double v)
{
	double along = p->direction[0] * u + p->direction[1] * v;

	switch (p->kind) {
	case PAINT_GRADIENT:
		return clamp_unit(0.5 + 0.5 * along);
	case PAINT_MOTTLED:
		return mottle(p, u, v);
	case PAINT_SPLIT:
		return along > p->offset;
	case PAINT_WOVEN:
		return (double)(floor_int(along * p->rate) & 1);
	default:
		return 0.0;
	}
}

struct colour paint_at(const struct paint *p, double u, double v)
{
	struct colour c = p->from;

	if (p->kind != PAINT_PLAIN)
		colour_blend(&c, &p->to, paint_share(p, u, v));
	return c;
}
