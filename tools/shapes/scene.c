// SPDX-License-Identifier: MIT
#include <string.h>

#include "scene.h"

/* Keeps the shuffling of classes apart from the streams of the pictures. */
#define CLASS_STREAM UINT64_C(0x636c6173736573)
#define CLASSES (SHAPE_DOTS + 1)

/* Classes come in shuffled blocks, so that any long enough set is balanced. */
static enum shape_class choose_class(uint64_t seed, uint64_t index)
{
	struct rand_stream rs = { rand_key(seed ^ CLASS_STREAM,
					   index / CLASSES) };
	int order[CLASSES] = { 0 };
	int i;

	for (i = 0; i < CLASSES; i++) {
		int j = rand_below(&rs, i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	return (enum shape_class)order[index % CLASSES];
}

/*
 * The ground behind a texture has no texture of its own, nor a split that
 * could be read as a stripe.
 */
static enum paint_kind choose_ground(const struct figure *f,
				     struct rand_stream *rs)
{
	int kinds = figure_is_texture(f) ? PAINT_MOTTLED + 1 : PAINT_KINDS;

	return (enum paint_kind)rand_below(rs, kinds);
}

/* The second colour of a surface; a weave is only ever faint. */
static void vary_paint(struct paint *p, struct rand_stream *rs)
{
	double spread = p->kind == PAINT_WOVEN ? 0.14 : 0.3;

	p->to = colour_near(&p->from, spread, rs);
}

static double contrast2(const struct paint *a, const struct paint *b)
{
	double least = colour_distance2(&a->from, &b->from);
	double d;

	d = colour_distance2(&a->from, &b->to);
	least = d < least ? d : least;
	d = colour_distance2(&a->to, &b->from);
	least = d < least ? d : least;
	d = colour_distance2(&a->to, &b->to);
	return d < least ? d : least;
}

/* Nothing random was far enough from the ground: black or white is. */
static void fill_extreme(struct scene *s)
{
	double v = colour_luma(&s->ground.from) > 0.5 ? 0.0 : 1.0;
	int i;

	for (i = 0; i < 3; i++)
		s->fill.from.channel[i] = v;
	s->fill.to = s->fill.from;
}

static void choose_colours(struct scene *s, struct rand_stream *rs)
{
	int grey = rand_chance(rs, 0.12);
	double wanted = rand_range(rs, 0.17, 0.4);
	int tries;

	s->ground.from = colour_random(rs, grey);
	vary_paint(&s->ground, rs);
	for (tries = 0; tries < 32; tries++) {
		s->fill.from = colour_random(rs, grey);
		vary_paint(&s->fill, rs);
		if (contrast2(&s->ground, &s->fill) >= wanted * wanted)
			return;
	}
	fill_extreme(s);
}

static void choose_surfaces(struct scene *s, struct rand_stream *rs)
{
	enum paint_kind ground = choose_ground(&s->figure, rs);

	paint_init(&s->ground, ground, rs);
	/* Plain, gradient or mottled: the object itself is never divided. */
	paint_init(&s->fill, (enum paint_kind)rand_below(rs, 3), rs);
	choose_colours(s, rs);
}

static void choose_shadow(struct scene *s, struct rand_stream *rs)
{
	if (figure_is_texture(&s->figure) || rand_chance(rs, 0.7))
		return;
	s->shadow[0] = rand_range(rs, -0.12, 0.12);
	s->shadow[1] = rand_range(rs, 0.04, 0.12);
	s->shadow_depth = rand_range(rs, 0.1, 0.35);
}

/* A speck or, more often behind the object than across it, a scratch. */
static void clutter_init(struct clutter *c, struct rand_stream *rs)
{
	double turn = rand_unit(rs);

	c->in_front = rand_chance(rs, 0.3);
	c->round = rand_chance(rs, 0.4);
	c->origin[0] = rand_range(rs, -1.1, 1.1);
	c->origin[1] = rand_range(rs, -1.1, 1.1);
	c->along[0] = cos_turn(turn);
	c->along[1] = sin_turn(turn);
	c->half_width = rand_range(rs, 0.03, 0.1);
	c->half_length = rand_range(rs, 0.05, 0.14);
	if (!c->round && rand_chance(rs, c->in_front ? 0.2 : 0.4)) {
		c->half_width = rand_range(rs, 0.015, 0.035);
		c->half_length = rand_range(rs, 0.3, 1.2);
	}
	c->colour = colour_random(rs, 0);
}

/* Many specks make dots, so textures get a few only. */
static void scatter_clutter(struct scene *s, struct rand_stream *rs)
{
	int most = figure_is_texture(&s->figure) ? 4 : SCENE_CLUTTER;
	int i;

	if (rand_chance(rs, 0.25))
		return;
	s->clutters = 1 + rand_below(rs, most);
	for (i = 0; i < s->clutters; i++)
		clutter_init(&s->clutter[i], rs);
}

static void light_init(struct light *l, struct rand_stream *rs)
{
	l->gain = rand_range(rs, 0.75, 1.15);
	l->slope[0] = rand_range(rs, -0.2, 0.2);
	l->slope[1] = rand_range(rs, -0.2, 0.2);
	l->curve = rand_range(rs, -0.45, 0.45);
	l->noise = rand_chance(rs, 0.25) ? 0.0 : rand_range(rs, 0.0, 0.08);
	l->noise_key = rand_next(rs);
}

void scene_init(struct scene *s, uint64_t seed, uint64_t index)
{
	struct rand_stream rs = { rand_key(seed, index) };

	memset(s, 0, sizeof(*s));
	figure_init(&s->figure, choose_class(seed, index), &rs);
	choose_surfaces(s, &rs);
	choose_shadow(s, &rs);
	scatter_clutter(s, &rs);
	light_init(&s->light, &rs);
	/* Up to 1.1 pixels of 32: beyond that a small star is a disc. */
	s->blur = rand_chance(&rs, 0.4) ? 0.0 : rand_range(&rs, 0.0, 0.07);
}

static int clutter_covers(const struct clutter *c, double u, double v)
{
	double x, y;

	u -= c->origin[0];
	v -= c->origin[1];
	x = c->along[0] * u + c->along[1] * v;
	y = c->along[0] * v - c->along[1] * u;
	if (c->round)
		return x * x + y * y <= c->half_width * c->half_width;
	return x >= -c->half_length && x <= c->half_length &&
	       y >= -c->half_width && y <= c->half_width;
}

static void lay_clutter(const struct scene *s, int in_front, double u, double v,
			struct colour *c)
{
	int i;

	for (i = 0; i < s->clutters; i++) {
		const struct clutter *bit = &s->clutter[i];

		if (bit->in_front == in_front && clutter_covers(bit, u, v))
			*c = bit->colour;
	}
}

struct colour scene_at(const struct scene *s, double u, double v)
{
	static const struct colour black;
	struct colour c;

	if (figure_covers(&s->figure, u, v)) {
		c = paint_at(&s->fill, u, v);
	} else {
		c = paint_at(&s->ground, u, v);
		lay_clutter(s, 0, u, v, &c);
		if (s->shadow_depth > 0.0 &&
		    figure_covers(&s->figure, u - s->shadow[0],
				  v - s->shadow[1]))
			colour_blend(&c, &black, s->shadow_depth);
	}
	lay_clutter(s, 1, u, v, &c);
	return c;
}
