// SPDX-License-Identifier: MIT
/*
 * Two passes in fp32 over the calibration inputs: the first finds each tensor's
 * extremes, the second a histogram between them. From the histogram comes the
 * range with the smallest expected squared error of rounding and clipping,
 * searched over symmetric fractions of the extremes.
 *
 * Without images, the inputs are synthetic: colour noise in octaves, each with
 * half the amplitude and twice the frequency of the one before, which gives the
 * 1/f spectrum of natural photographs, with random brightness and contrast.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "image/preprocess.h"
#include "model/calibrate.h"
#include "run/f32.h"
#include "util/error.h"
#include "util/hash.h"

#define BINS 2048
#define IMAGES_DEFAULT 64
#define SYNTHETIC_IMAGES 8
#define FRACTIONS 64 /* of the extremes that are tried */

struct tensor {
	float lo, hi;
	uint64_t bin[BINS];
};

struct calibration {
	struct vgg_model *model;
	const struct vgg_quantize_options *options;
	struct tensor *tensors; /* 1 + layers */
	bool histogram;		/* second pass */
	struct vgg_threads *threads;
	struct vgg_f32 *f32;
	float *input;	 /* NHWC */
	uint8_t *pixels; /* preprocessed, 8 bits */
	float table[4][256];
	char **files; /* NULL: synthetic */
	unsigned int images;
};

static void observe(struct calibration *c, unsigned int index,
		    const float *data, int64_t count)
{
	struct tensor *t = &c->tensors[index];
	float width = t->hi - t->lo, scale = width > 0 ? BINS / width : 0;
	int64_t i;

	if (!c->histogram) {
		for (i = 0; i < count; i++) {
			t->lo = data[i] < t->lo ? data[i] : t->lo;
			t->hi = data[i] > t->hi ? data[i] : t->hi;
		}
		return;
	}
	for (i = 0; i < count; i++) {
		int bin = (int)((data[i] - t->lo) * scale);

		t->bin[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin]++;
	}
}

static void seen(void *ctx, unsigned int layer, const float *data,
		 int64_t count)
{
	observe(ctx, layer + 1, data, count);
}

/*
 * Synthetic images.
 */
#define LATTICE_SEED 0x76676763616c6962 /* "vggcalib" */

static int lattice(uint64_t image, int octave, int channel, int64_t y,
		   int64_t x)
{
	uint64_t key = image << 48 ^ (uint64_t)octave << 40 ^
		       (uint64_t)channel << 36 ^ (uint64_t)y << 18 ^
		       (uint64_t)x;

	return (int)(vgg_hash64(LATTICE_SEED, key) >> 56) - 128;
}

/* Bilinear between lattice points `cell` pixels apart; -128..127. */
static int octave_at(uint64_t image, int octave, int channel, int y, int x,
		     int cell)
{
	int64_t cy = y / cell, cx = x / cell;
	int fy = y % cell, fx = x % cell;
	int top = lattice(image, octave, channel, cy, cx) * (cell - fx) +
		  lattice(image, octave, channel, cy, cx + 1) * fx;
	int bottom = lattice(image, octave, channel, cy + 1, cx) * (cell - fx) +
		     lattice(image, octave, channel, cy + 1, cx + 1) * fx;

	return (top / cell * (cell - fy) + bottom / cell * fy) / cell;
}

static uint8_t synthetic_value(uint64_t image, int channel, int y, int x,
			       int extent)
{
	int contrast = 64 + (int)(vgg_hash64(image, 1) % 192); /* of 128 */
	int bright = 96 + (int)(vgg_hash64(image, 2) % 64);
	int octave, cell = extent / 2, sum = 0, v;

	for (octave = 0; octave < 8 && cell >= 1; octave++, cell /= 2) {
		/* Mostly grey, as the world is: colour is a third. */
		v = 2 * octave_at(image, octave, 3, y, x, cell) +
		    octave_at(image, octave, channel, y, x, cell);
		sum += v / 3 >> octave;
	}
	v = bright + sum * contrast / 128;
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void draw_synthetic(struct calibration *c, unsigned int image)
{
	const struct vgg_preprocess *p = &c->model->preprocess;
	int extent = p->crop_h > p->crop_w ? p->crop_h : p->crop_w;
	uint8_t *to = c->pixels;
	int y, x, ch;

	for (y = 0; y < p->crop_h; y++)
		for (x = 0; x < p->crop_w; x++)
			for (ch = 0; ch < p->channels; ch++)
				*to++ = synthetic_value(image, ch, y, x,
							extent);
}

/*
 * Calibration images.
 */
static int is_image(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return e->d_name[0] != '.' && dot &&
	       (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg") ||
		!strcasecmp(dot, ".png"));
}

static int list_folder(struct calibration *c, const char *folder)
{
	struct dirent **entries;
	unsigned int limit = c->options->max_images ? c->options->max_images :
						      IMAGES_DEFAULT;
	int n = scandir(folder, &entries, is_image, alphasort), i;
	char path[4096];

	if (n < 0)
		return vgg_fail(NO_FILE, folder,
				"name a folder with JPEG or PNG images", "%s",
				strerror(errno));
	c->files = calloc((size_t)n + 1, sizeof(*c->files));
	/* Spread over the folder, as names often go by class. */
	for (i = 0; c->files && i < n && c->images < limit; i++) {
		size_t at = (size_t)n <= limit ? (size_t)i :
						 (size_t)i * (size_t)n / limit;

		if (at >= (size_t)n)
			break;
		snprintf(path, sizeof(path), "%s/%s", folder,
			 entries[at]->d_name);
		c->files[c->images] = strdup(path);
		if (c->files[c->images])
			c->images++;
	}
	for (i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
	if (!c->files)
		return vgg_fail_memory("a list of files");
	if (!c->images)
		return vgg_fail(CALIBRATION, folder,
				"put JPEG or PNG images there",
				"the folder has no images");
	return 0;
}

static int load_image(struct calibration *c, unsigned int i)
{
	struct vgg_image *image;
	int err;

	if (!c->files) {
		draw_synthetic(c, i);
		return 0;
	}
	err = vgg_image_load(c->files[i], &image);
	if (err)
		return err;
	err = vgg_preprocess_image(&c->model->preprocess, image, c->pixels);
	vgg_image_free(image);
	return vgg_error_at(err, c->files[i]);
}

static int pass(struct calibration *c, const char *what)
{
	const struct vgg_quantize_options *o = c->options;
	int64_t n = vgg_shape_count(&c->model->input), k;
	int channels = c->model->preprocess.channels, err;
	unsigned int i;

	for (i = 0; i < c->images; i++) {
		err = load_image(c, i);
		if (err)
			return err;
		for (k = 0; k < n; k++)
			c->input[k] = c->table[k % channels][c->pixels[k]];
		observe(c, 0, c->input, n);
		vgg_f32_run(c->f32, c->input, seen, c);
		if (o->progress &&
		    o->progress(o->progress_ctx, what, i + 1, c->images))
			return vgg_fail(INTERRUPTED, NULL, NULL,
					"calibration was stopped");
	}
	return 0;
}

struct vgg_quant vgg_quant_of(struct vgg_range r)
{
	double scale, zero;

	/* 0 must be representable: it pads, and is what a ReLU leaves. */
	if (!(r.lo < 0))
		r.lo = 0;
	if (!(r.hi > 0))
		r.hi = 0;
	scale = ((double)r.hi - (double)r.lo) / 255;
	if (!(scale > 1e-30)) /* a dead tensor: any scale will do */
		scale = 1;
	zero = floor(-128 - (double)r.lo / scale + 0.5);
	return (struct vgg_quant){
		.known = true,
		.scale = (float)scale,
		.zero = zero < -128 ? -128 :
			zero > 127  ? 127 :
				      (int)zero,
	};
}

/* Expected squared error if only lo..hi is represented. */
static double error_of(const struct tensor *t, double lo, double hi)
{
	double width = ((double)t->hi - (double)t->lo) / BINS, error = 0, v;
	double step = (hi - lo) / 255;
	int i;

	for (i = 0; i < BINS; i++) {
		v = (double)t->lo + (i + 0.5) * width;
		if (v < lo)
			error += (double)t->bin[i] * (lo - v) * (lo - v);
		else if (v > hi)
			error += (double)t->bin[i] * (v - hi) * (v - hi);
		else
			error += (double)t->bin[i] * step * step / 12;
	}
	return error;
}

static struct vgg_range best_range(const struct tensor *t)
{
	struct vgg_range best = { t->lo, t->hi };
	double least = INFINITY, error, f;
	int i;

	for (i = FRACTIONS; i > FRACTIONS / 4; i--) {
		f = (double)i / FRACTIONS;
		error = error_of(t, t->lo * f, t->hi * f);
		if (error < least) {
			least = error;
			best.lo = (float)(t->lo * f);
			best.hi = (float)(t->hi * f);
		}
	}
	return best;
}

static int prepare(struct calibration *c)
{
	const struct vgg_model *m = c->model;
	size_t n = (size_t)vgg_shape_count(&m->input);
	int err;

	if (m->input.rank != 4 || m->input.dim[0] != 1 ||
	    m->input.dim[1] != m->preprocess.channels ||
	    m->input.dim[2] != m->preprocess.crop_h ||
	    m->input.dim[3] != m->preprocess.crop_w)
		return vgg_fail(CALIBRATION, m->source,
				"import the network with a batch of one image",
				"the network's input is not one image of the "
				"preprocessing's size");
	c->tensors = calloc(m->count + 1, sizeof(*c->tensors));
	c->input = malloc(n * sizeof(*c->input));
	c->pixels = malloc(n);
	if (!c->tensors || !c->input || !c->pixels)
		return vgg_fail_memory("calibration");
	vgg_preprocess_table(&m->preprocess, c->table);
	c->images = c->options->images ? 0 : SYNTHETIC_IMAGES;
	err = c->options->images ? list_folder(c, c->options->images) : 0;
	if (!err)
		err = vgg_threads_create(c->options->threads, &c->threads);
	return err ? err : vgg_f32_create(m, c->threads, &c->f32);
}

static int describe(struct calibration *c)
{
	char text[512];

	if (c->files)
		snprintf(text, sizeof(text), "%u images, least squared error",
			 c->images);
	else
		snprintf(text, sizeof(text),
			 "%u synthetic images, least squared error", c->images);
	free(c->model->calibration);
	c->model->calibration = strdup(text);
	return c->model->calibration ? 0 : vgg_fail_memory("a model");
}

static int check_finite(const struct calibration *c)
{
	unsigned int i;

	for (i = 0; i <= c->model->count; i++)
		if (!isfinite(c->tensors[i].lo) || !isfinite(c->tensors[i].hi))
			return vgg_fail(CALIBRATION,
					i ? c->model->layers[i - 1].name :
					    "input",
					"check the weights and preprocessing",
					"activations overflow in fp32");
	return 0;
}

int vgg_find_ranges(struct vgg_model *m, const struct vgg_quantize_options *o,
		    struct vgg_range *ranges)
{
	struct calibration c = { .model = m, .options = o };
	unsigned int i;
	int err;

	err = prepare(&c);
	if (!err)
		err = pass(&c, "calibration, extremes");
	if (!err)
		err = check_finite(&c);
	c.histogram = true;
	if (!err)
		err = pass(&c, "calibration, histograms");
	for (i = 0; !err && i <= m->count; i++)
		ranges[i] = i ? best_range(&c.tensors[i]) :
				(struct vgg_range){ c.tensors[0].lo,
						    c.tensors[0].hi };
	if (!err)
		err = describe(&c);
	for (i = 0; i < c.images && c.files; i++)
		free(c.files[i]);
	free(c.files);
	vgg_f32_free(c.f32);
	vgg_threads_free(c.threads);
	free(c.tensors);
	free(c.input);
	free(c.pixels);
	return err;
}
