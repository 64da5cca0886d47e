// SPDX-License-Identifier: MIT
/*
 * From a scene to pixels: sample finely, filter, light, quantise.
 *
 * The filter is a tent of one pixel's radius, widened by the scene's blur. That
 * is the filter of an antialiased bilinear reduction, so a picture drawn at 32
 * pixels looks like a large one reduced to 32: a network trained on the former
 * meets the latter at run time.
 */
#include <errno.h>
#include <stdlib.h>

#include "scene.h"
#include "shapes.h"

_Static_assert(SHAPE_DOTS + 1 == SHAPES_CLASSES, "every class has a figure");

/* Samples per pixel and axis: four where pixels are scarce, else two. */
#define FINE_BELOW 128

struct raster {
	int width, height; /* pixels */
	int fine;	   /* samples per pixel and axis */
	int taps;
	double *tap;	/* filter, normalised, centred on the pixel */
	float *samples; /* (height * fine) x (width * fine) x 3 */
	float *narrow;	/* (height * fine) x width x 3 */
};

const char *shapes_class_name(int label)
{
	static const char *const name[SHAPES_CLASSES] = {
		"disc",	 "ring",     "triangle", "square",	 "star",
		"cross", "crescent", "stripes",	 "checkerboard", "dots",
	};

	return label >= 0 && label < SHAPES_CLASSES ? name[label] : NULL;
}

static int shorter(const struct raster *r)
{
	return r->width < r->height ? r->width : r->height;
}

static void raster_fini(struct raster *r)
{
	free(r->narrow);
	free(r->samples);
	free(r->tap);
}

/* Radius in samples; a sample lies half a sample off the pixel's centre line. */
static void fill_taps(struct raster *r, double radius)
{
	double sum = 0.0;
	int i;

	for (i = 0; i < r->taps; i++) {
		double d = i + 0.5 - 0.5 * r->taps;

		d = d < 0.0 ? -d : d;
		r->tap[i] = d < radius ? radius - d : 0.0;
		sum += r->tap[i];
	}
	for (i = 0; i < r->taps; i++)
		r->tap[i] /= sum;
}

static int raster_init(struct raster *r, int width, int height, double blur)
{
	double radius;
	size_t rows;

	r->width = width;
	r->height = height;
	r->fine = shorter(r) < FINE_BELOW ? 4 : 2;
	/* The plane is two units across the shorter side. */
	radius = r->fine * (1.0 + 0.5 * blur * shorter(r));
	/* An even number centres the taps, as r->fine is even too. */
	r->taps = 2 * ((int)radius + 1);
	rows = (size_t)height * (size_t)r->fine;
	r->tap = malloc((size_t)r->taps * sizeof(*r->tap));
	r->samples = malloc(rows * (size_t)(width * r->fine) * 3 *
			    sizeof(*r->samples));
	r->narrow = malloc(rows * (size_t)width * 3 * sizeof(*r->narrow));
	if (!r->tap || !r->samples || !r->narrow) {
		raster_fini(r);
		return -ENOMEM;
	}
	fill_taps(r, radius);
	return 0;
}

static void take_samples(struct raster *r, const struct scene *s)
{
	int columns = r->width * r->fine, rows = r->height * r->fine;
	double step = 2.0 / (shorter(r) * r->fine);
	float *out = r->samples;
	int x, y, i;

	for (y = 0; y < rows; y++)
		for (x = 0; x < columns; x++) {
			double u = (x + 0.5 - 0.5 * columns) * step;
			double v = (y + 0.5 - 0.5 * rows) * step;
			struct colour c = scene_at(s, u, v);

			for (i = 0; i < 3; i++)
				*out++ = (float)c.channel[i];
		}
}

/*
 * One output value: count samples in a line, stride floats apart, seen from
 * pixel at. Beyond the border there is nothing; the rest of the weights is
 * scaled up instead, as image libraries do.
 */
static double filter_line(const struct raster *r, const float *line, int count,
			  size_t stride, int at)
{
	int first = at * r->fine + r->fine / 2 - r->taps / 2;
	double sum = 0.0, weight = 0.0;
	int i;

	for (i = 0; i < r->taps; i++) {
		int j = first + i;

		if (j < 0 || j >= count)
			continue;
		sum += r->tap[i] * (double)line[(size_t)j * stride];
		weight += r->tap[i];
	}
	return sum / weight;
}

static void filter_rows(struct raster *r)
{
	int columns = r->width * r->fine, rows = r->height * r->fine;
	float *out = r->narrow;
	int x, y, i;

	for (y = 0; y < rows; y++) {
		const float *row = r->samples + (size_t)y * (size_t)columns * 3;

		for (x = 0; x < r->width; x++)
			for (i = 0; i < 3; i++)
				*out++ = (float)filter_line(r, row + i, columns,
							    3, x);
	}
}

/*
 * The sum of four uniforms is bell-shaped enough; sqrt(3) brings its standard
 * deviation, sqrt(4/12), to one.
 */
static double bell(uint64_t key, uint64_t at)
{
	uint64_t bits = rand_mix(rand_mix(key ^ at));
	double sum = 0.0;
	int i;

	for (i = 0; i < 4; i++)
		sum += (double)(bits >> (16 * i) & 0xffff) / 65536.0;
	return (sum - 2.0) * 1.7320508075688772;
}

static uint8_t expose(const struct light *l, double value, double u, double v,
		      uint64_t at)
{
	value *= l->gain * (1.0 + l->slope[0] * u + l->slope[1] * v);
	value = clamp_unit(value);
	value += l->curve * value * (1.0 - value);
	if (l->noise > 0.0)
		value += l->noise * bell(l->noise_key, at);
	return (uint8_t)(clamp_unit(value) * 255.0 + 0.5);
}

static void filter_columns(const struct raster *r, const struct light *l,
			   uint8_t *rgb)
{
	size_t stride = (size_t)r->width * 3;
	double step = 2.0 / shorter(r);
	uint64_t at = 0;
	int x, y, i;

	for (y = 0; y < r->height; y++)
		for (x = 0; x < r->width; x++) {
			double u = (x + 0.5 - 0.5 * r->width) * step;
			double v = (y + 0.5 - 0.5 * r->height) * step;

			for (i = 0; i < 3; i++, at++)
				rgb[at] = expose(
					l,
					filter_line(r, r->narrow + 3 * x + i,
						    r->height * r->fine, stride,
						    y),
					u, v, at);
		}
}

int shapes_draw(uint64_t seed, uint64_t index, int width, int height,
		uint8_t *rgb, int *label)
{
	struct scene s;
	struct raster r;
	int ret;

	if (width < 1 || width > SHAPES_SIDE_MAX || height < 1 ||
	    height > SHAPES_SIDE_MAX)
		return -EINVAL;
	scene_init(&s, seed, index);
	ret = raster_init(&r, width, height, s.blur);
	if (ret)
		return ret;
	take_samples(&r, &s);
	filter_rows(&r);
	filter_columns(&r, &s.light, rgb);
	raster_fini(&r);
	if (label)
		*label = (int)s.figure.kind;
	return 0;
}
