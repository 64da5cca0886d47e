// SPDX-License-Identifier: MIT
#include <string.h>

#include "figure.h"

/* The outermost the object gets: one pixel of 32 is 0.0625. */
#define FIGURE_EDGE 0.97

int figure_is_texture(const struct figure *f)
{
	return f->kind >= SHAPE_STRIPES;
}

static void frame_apply(const struct frame *f, double u, double v, double *x,
			double *y)
{
	u -= f->origin[0];
	v -= f->origin[1];
	*x = f->m[0][0] * u + f->m[0][1] * v;
	*y = f->m[1][0] * u + f->m[1][1] * v;
}

/*
 * Rotation, then a slight shear and stretch, then 1 / scale: the inverse of
 * what happens to the object. Returns how far beyond scale the unit circle's
 * image may reach, as a factor.
 */
static double frame_turn(struct frame *f, struct rand_stream *rs)
{
	double turn = rand_unit(rs);
	double shear = rand_range(rs, -0.22, 0.22);
	double stretch = rand_range(rs, 0.88, 1.14);
	double c = cos_turn(turn), s = sin_turn(turn);
	double longest = stretch > 1.0 ? stretch : 1.0 / stretch;

	f->m[0][0] = (c + shear * s) / stretch;
	f->m[0][1] = (s - shear * c) / stretch;
	f->m[1][0] = -s * stretch;
	f->m[1][1] = c * stretch;
	return longest * (1.0 + 0.6 * (shear < 0.0 ? -shear : shear));
}

static void frame_scale(struct frame *f, double scale)
{
	int i;

	for (i = 0; i < 4; i++)
		f->m[i / 2][i % 2] /= scale;
}

/* Puts the unit circle somewhere inside the central square. */
static void frame_place(struct frame *f, double reach, struct rand_stream *rs)
{
	double room = FIGURE_EDGE - reach;
	double beyond = frame_turn(f, rs);

	f->origin[0] = rand_range(rs, -room, room);
	f->origin[1] = rand_range(rs, -room, room);
	frame_scale(f, reach / beyond);
}

static void side_init(struct polygon_side *side, const double *from,
		      const double *to)
{
	const double *low = from[1] < to[1] ? from : to;
	const double *high = from[1] < to[1] ? to : from;

	side->y0 = low[1];
	side->y1 = high[1];
	side->x0 = low[0];
	/* A level side is never crossed, its slope never used. */
	side->slope = low[1] < high[1] ?
			      (high[0] - low[0]) / (high[1] - low[1]) :
			      0.0;
}

static void polygon_init(struct polygon *p, double corner[][2], int corners)
{
	int i;

	p->sides = corners;
	for (i = 0; i < corners; i++)
		side_init(&p->side[i], corner[i], corner[(i + 1) % corners]);
}

/* Even-odd rule along the ray towards negative x. */
static int polygon_covers(const struct polygon *p, double x, double y)
{
	int i, inside = 0;

	for (i = 0; i < p->sides; i++) {
		const struct polygon_side *s = &p->side[i];

		if (y >= s->y0 && y < s->y1)
			inside ^= s->x0 + (y - s->y0) * s->slope < x;
	}
	return inside;
}

static void triangle_init(struct polygon *p, struct rand_stream *rs)
{
	double corner[3][2];
	int i;

	for (i = 0; i < 3; i++) {
		double turn = i / 3.0 + rand_range(rs, -0.035, 0.035);

		corner[i][0] = cos_turn(turn);
		corner[i][1] = sin_turn(turn);
	}
	polygon_init(p, corner, 3);
}

static void square_init(struct polygon *p)
{
	/* Just inside sqrt(1/2), so that the corners stay in the circle. */
	const double h = 0.707;
	double corner[4][2] = { { -h, -h }, { h, -h }, { h, h }, { -h, h } };

	polygon_init(p, corner, 4);
}

static void star_init(struct polygon *p, struct rand_stream *rs)
{
	double corner[FIGURE_CORNERS][2];
	int points = 5 + rand_chance(rs, 0.35);
	double notch = rand_range(rs, 0.36, points == 5 ? 0.5 : 0.56);
	int i;

	for (i = 0; i < 2 * points; i++) {
		double radius = i % 2 ? notch : 1.0;

		corner[i][0] = radius * cos_turn(i / (2.0 * points));
		corner[i][1] = radius * sin_turn(i / (2.0 * points));
	}
	polygon_init(p, corner, 2 * points);
}

static void cross_init(struct polygon *p, struct rand_stream *rs)
{
	double w = rand_range(rs, 0.2, 0.33);
	const double e = 0.94; /* 0.94^2 + 0.33^2 < 1 */
	double corner[12][2] = {
		{ -w, -e }, { w, -e }, { w, -w },  { e, -w },
		{ e, w },   { w, w },  { w, e },   { -w, e },
		{ -w, w },  { -e, w }, { -e, -w }, { -w, -w },
	};

	polygon_init(p, corner, 12);
}

static void outline_init(struct figure *f, struct rand_stream *rs)
{
	switch (f->kind) {
	case SHAPE_RING:
		f->hole_radius = rand_range(rs, 0.45, 0.7);
		break;
	case SHAPE_CRESCENT:
		f->hole_radius = rand_range(rs, 0.74, 0.9);
		f->hole_x = rand_range(rs, 0.4, 0.55);
		break;
	case SHAPE_TRIANGLE:
		triangle_init(&f->polygon, rs);
		break;
	case SHAPE_SQUARE:
		square_init(&f->polygon);
		break;
	case SHAPE_STAR:
		star_init(&f->polygon, rs);
		break;
	case SHAPE_CROSS:
		cross_init(&f->polygon, rs);
		break;
	default:
		break;
	}
}

/* A patch is never round or square enough to be taken for the object itself. */
static void patch_init(struct texture *t, struct rand_stream *rs)
{
	frame_place(&t->patch, rand_range(rs, 0.82, 0.94), rs);
	t->wobble = rand_range(rs, 0.12, 0.22);
	t->wobble_phase[0] = rand_unit(rs);
	t->wobble_phase[1] = rand_unit(rs);
}

/* The shortest period leaves five pixels of 32, so that resizing keeps it. */
static double texture_period(enum shape_class kind, struct rand_stream *rs)
{
	if (kind == SHAPE_STRIPES)
		return rand_range(rs, 0.3, 0.6);
	if (kind == SHAPE_CHECKERBOARD)
		return rand_range(rs, 0.2, 0.38);
	return rand_range(rs, 0.34, 0.58);
}

static void texture_init(struct figure *f, struct rand_stream *rs)
{
	struct texture *t = &f->texture;

	f->frame.origin[0] = rand_unit(rs);
	f->frame.origin[1] = rand_unit(rs);
	frame_turn(&f->frame, rs);
	frame_scale(&f->frame, texture_period(f->kind, rs));

	t->duty = rand_range(rs, 0.38, 0.62);
	t->wave = rand_chance(rs, 0.5) ? rand_range(rs, 0.0, 0.3) : 0.0;
	t->wave_rate = rand_range(rs, 0.1, 0.22);
	t->wave_phase = rand_unit(rs);
	/* With the jitter at most 0.46: neighbouring dots never touch. */
	t->dot_radius = rand_range(rs, 0.24, 0.34);
	t->dot_jitter = rand_chance(rs, 0.5) ? 0.12 : 0.0;
	t->staggered = rand_chance(rs, 0.5);
	t->key = rand_next(rs);
	t->patched = rand_chance(rs, 0.5);
	if (t->patched)
		patch_init(t, rs);
}

void figure_init(struct figure *f, enum shape_class kind,
		 struct rand_stream *rs)
{
	memset(f, 0, sizeof(*f));
	f->kind = kind;
	if (figure_is_texture(f)) {
		texture_init(f, rs);
		return;
	}
	frame_place(&f->frame, rand_range(rs, 0.46, 0.95), rs);
	outline_init(f, rs);
}

static int patch_covers(const struct texture *t, double u, double v)
{
	double x, y, bent_x, bent_y;

	frame_apply(&t->patch, u, v, &x, &y);
	bent_x = x + t->wobble * sin_turn(0.55 * y + t->wobble_phase[0]);
	bent_y = y + t->wobble * sin_turn(0.55 * x + t->wobble_phase[1]);
	return bent_x * bent_x + bent_y * bent_y <= 1.0;
}

static int stripes_cover(const struct texture *t, double x, double y)
{
	if (t->wave > 0.0)
		x += t->wave * sin_turn(y * t->wave_rate + t->wave_phase);
	return x - (double)floor_int(x) < t->duty;
}

static int dots_cover(const struct texture *t, double x, double y)
{
	int64_t i, j = floor_int(y);

	if (t->staggered && (j & 1))
		x += 0.5;
	i = floor_int(x);
	x -= (double)i + 0.5;
	y -= (double)j + 0.5;
	if (t->dot_jitter > 0.0) {
		x += t->dot_jitter * (2.0 * rand_lattice(t->key, i, j) - 1.0);
		y += t->dot_jitter * (2.0 * rand_lattice(~t->key, i, j) - 1.0);
	}
	return x * x + y * y <= t->dot_radius * t->dot_radius;
}

static int texture_covers(const struct figure *f, double u, double v)
{
	const struct texture *t = &f->texture;
	double x, y;

	if (t->patched && !patch_covers(t, u, v))
		return 0;
	frame_apply(&f->frame, u, v, &x, &y);
	if (f->kind == SHAPE_STRIPES)
		return stripes_cover(t, x, y);
	if (f->kind == SHAPE_CHECKERBOARD)
		return (int)((floor_int(x) + floor_int(y)) & 1);
	return dots_cover(t, x, y);
}

static int outline_covers(const struct figure *f, double u, double v)
{
	double x, y, hole;

	frame_apply(&f->frame, u, v, &x, &y);
	if (x * x + y * y > 1.0)
		return 0;
	if (f->polygon.sides)
		return polygon_covers(&f->polygon, x, y);
	hole = (x - f->hole_x) * (x - f->hole_x) + y * y;
	return hole >= f->hole_radius * f->hole_radius;
}

int figure_covers(const struct figure *f, double u, double v)
{
	return figure_is_texture(f) ? texture_covers(f, u, v) :
				      outline_covers(f, u, v);
}
