// SPDX-License-Identifier: MIT
/*
 * Nobody can tell from images whether they are those that a network will see. But
 * the network's preprocessing says something of those it was trained with: if it
 * subtracts the mean and divides by the deviation of the training set, pixels like
 * those have a mean of 0 and a deviation of 1.
 *
 * How near to that must others come? Means of single photographs of a broad set
 * (ImageNet, CIFAR-10) lie about 0.6 deviations apart from each other, so the mean of
 * N of them is within three of its own deviations if it is below 1.8 / sqrt(N). A
 * narrower set of the same domain has a mean of its own; 0.75 more is granted. A
 * deviation of less than 0.4 or of more than 1.8 is far from any photograph: those
 * who have it are nearly blank, or black on white.
 *
 * Some networks (Keras' VGG16 is one) subtract the mean and leave pixels in steps of
 * 0..255: a deviation of 1/255 is a unit, not a statistic. There pixels are expected
 * to deviate as photographs do, by a quarter of the way from black to white.
 *
 * All of that says nothing where mean and deviation are conventions (0 and 1, a half
 * and a half): no values between 0 and 1 deviate by 0.4 unless most are at the ends.
 * There, as everywhere, images are foreign that are nearly blank, or whose
 * neighbouring pixels have nothing to do with each other: no lens makes such.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quant/look.h"
#include "util/error.h"
#include "util/hash.h"

#define ENOUGH 32
#define PATCHES 8 /* a side */
#define CELLS (PATCHES * PATCHES * 4)
#define ALIKE \
	4.0 /* steps of 0..255: what noise and compression make of one scene */
#define BLANK 8.0
#define NOISE 0.3
/* From here to there the preprocessing's deviation is a statistic; below, a unit. */
#define STD_LEAST 0.1
#define STD_MOST 0.4
#define STD_USUAL 0.25

struct looking {
	const struct vgg_preprocess *p;
	float (*table)[256];
	uint64_t *hashes; /* of the images */
	double *patches;  /* [image][CELLS] */
	double sum[4], squares[4];
	double within,
		steps; /* squares of differences: from an image's mean, from
			       * the pixel to the left */
	double pixels, pairs; /* how many of each */
};

static uint64_t hash(const uint8_t *bytes, size_t n)
{
	uint64_t h = n;
	size_t i;

	for (i = 0; i < n; i++)
		h = (h ^ bytes[i]) * 0x100000001b3;
	return vgg_mix64(h);
}

static void add_patches(struct looking *k, const uint8_t *hwc, double *cells)
{
	int w = k->p->crop_w, h = k->p->crop_h, n = k->p->channels, x, y, c;
	double count[CELLS] = { 0 };
	int at;

	for (y = 0; y < h; y++)
		for (x = 0; x < w; x++)
			for (c = 0; c < n; c++) {
				at = ((int)((int64_t)y * PATCHES / h) *
					      PATCHES +
				      (int)((int64_t)x * PATCHES / w)) *
					     4 +
				     c;
				cells[at] += *hwc++;
				count[at]++;
			}
	for (at = 0; at < CELLS; at++)
		cells[at] = count[at] > 0 ? cells[at] / count[at] : 0;
}

static void add_channel(struct looking *k, const uint8_t *hwc, int c)
{
	int w = k->p->crop_w, h = k->p->crop_h, n = k->p->channels, x, y;
	double sum = 0, squares = 0, pixels = (double)w * h, d;
	const uint8_t *p = hwc + c;

	for (y = 0; y < h; y++)
		for (x = 0; x < w; x++, p += n) {
			double v = (double)k->table[c][*p];

			k->sum[c] += v;
			k->squares[c] += v * v;
			sum += *p;
			squares += (double)*p * *p;
			if (!x)
				continue;
			d = (double)*p - *(p - n);
			k->steps += d * d;
			k->pairs++;
		}
	k->within += squares - sum * sum / pixels;
	k->pixels += pixels;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double distance(const struct looking *k, unsigned int images, int n)
{
	double mean, d, sum = 0, used = 0;
	unsigned int i;
	int at;

	for (at = 0; at < CELLS; at++) {
		if (at % 4 >= n)
			continue;
		for (mean = 0, i = 0; i < images; i++)
			mean += k->patches[(size_t)i * CELLS + at] / images;
		for (i = 0; i < images; i++) {
			d = k->patches[(size_t)i * CELLS + at] - mean;
			sum += d * d / images;
		}
		used++;
	}
	return sqrt(sum / used);
}

static void conclude(struct looking *k, struct vgg_look *l)
{
	double per_channel = k->pixels / l->channels, v;
	unsigned int i;
	int c;

	qsort(k->hashes, l->images, sizeof(*k->hashes), by_value);
	for (i = 0; i < l->images; i++)
		l->distinct += !i || k->hashes[i] != k->hashes[i - 1];
	for (c = 0; c < l->channels; c++) {
		l->mean[c] = k->sum[c] / per_channel;
		v = k->squares[c] / per_channel - l->mean[c] * l->mean[c];
		l->std[c] = sqrt(fmax(v, 0));
	}
	v = fmax(k->within / k->pixels, 0);
	l->grey = sqrt(v);
	l->neighbours =
		v > 0 && k->pairs > 0 ? 1 - k->steps / k->pairs / (2 * v) : 1;
	l->apart = distance(k, l->images, l->channels);
}

static int look_at_all(struct looking *k, struct vgg_samples *s)
{
	const uint8_t *hwc;
	unsigned int i;
	int err = 0, c;

	for (i = 0; !err && i < s->count; i++) {
		err = vgg_samples_bytes(s, i, &hwc);
		if (err)
			return err;
		k->hashes[i] = hash(hwc, s->elements);
		add_patches(k, hwc, k->patches + (size_t)i * CELLS);
		for (c = 0; c < k->p->channels; c++)
			add_channel(k, hwc, c);
		err = vgg_samples_tell(s, "looking at the images", i + 1);
	}
	return err;
}

int vgg_look_at(struct vgg_samples *s, struct vgg_look *look)
{
	struct looking k = { .p = &s->model->preprocess, .table = s->table };
	int err;

	*look = (struct vgg_look){ .images = s->count,
				   .channels = k.p->channels };
	k.hashes = malloc(s->count * sizeof(*k.hashes));
	k.patches = calloc((size_t)s->count * CELLS, sizeof(*k.patches));
	err = k.hashes && k.patches ? look_at_all(&k, s) :
				      vgg_fail_memory("calibration images");
	if (!err)
		conclude(&k, look);
	free(k.hashes);
	free(k.patches);
	return err;
}

bool vgg_look_few(const struct vgg_look *l, char *what, size_t size)
{
	if (l->distinct >= ENOUGH)
		return false;
	if (l->distinct < l->images)
		snprintf(what, size,
			 "only %u different images among %u to calibrate with",
			 l->distinct, l->images);
	else
		snprintf(what, size, "only %u image%s to calibrate with",
			 l->images, l->images == 1 ? "" : "s");
	return true;
}

bool vgg_look_alike(const struct vgg_look *l, char *what, size_t size)
{
	if (l->images < 2 || l->apart >= ALIKE)
		return false;
	snprintf(what, size,
		 "the images are all alike: they lie %.1f of 255 steps from "
		 "their mean",
		 l->apart);
	return true;
}

static bool is_unit(const struct vgg_preprocess *p, int c)
{
	return p->std[c] < (float)STD_LEAST;
}

/* The preprocessing's mean and deviation are those of images. */
static bool is_told(const struct vgg_preprocess *p)
{
	int c;

	for (c = 0; c < p->channels; c++)
		if (!(p->std[c] < (float)STD_MOST) || !(p->mean[c] > 0) ||
		    (is_unit(p, c) && fabsf(p->mean[c] - 0.5f) < 0.005f))
			return false;
	return true;
}

/* Mean and deviation of channel c, from black, 0, to white, 1: what they are, and
 * what is expected. */
struct pixels {
	double mean, std, usual_mean, usual_std;
};

static struct pixels pixels_of(const struct vgg_look *l,
			       const struct vgg_preprocess *p, int c)
{
	double mean = (double)p->mean[c], std = (double)p->std[c];

	return (struct pixels){
		.mean = l->mean[c] * std + mean,
		.std = l->std[c] * std,
		.usual_mean = mean,
		.usual_std = is_unit(p, c) ? STD_USUAL : std,
	};
}

static bool is_far(const struct pixels *x, unsigned int images)
{
	double most = 0.75 + 1.8 / sqrt(images);

	return fabs(x->mean - x->usual_mean) > most * x->usual_std ||
	       x->std < 0.4 * x->usual_std || x->std > 1.8 * x->usual_std;
}

bool vgg_look_foreign(const struct vgg_look *l, const struct vgg_preprocess *p,
		      char *what, size_t size)
{
	struct pixels x;
	int c;

	if (l->grey < BLANK) {
		snprintf(what, size,
			 "the images are nearly blank: their pixels deviate by "
			 "%.1f of 255 steps",
			 l->grey);
		return true;
	}
	if (l->neighbours < NOISE) {
		snprintf(what, size,
			 "the images look like noise: neighbouring pixels "
			 "correlate by %.2f only",
			 l->neighbours);
		return true;
	}
	for (c = 0; is_told(p) && c < l->channels; c++) {
		x = pixels_of(l, p, c);
		if (!is_far(&x, l->images))
			continue;
		snprintf(what, size,
			 "the images are not like those that the network's "
			 "preprocessing is for: channel %d has mean %.0f and "
			 "deviation %.0f of 255 steps, where about %.0f and "
			 "%.0f are expected",
			 c, 255 * x.mean, 255 * x.std, 255 * x.usual_mean,
			 255 * x.usual_std);
		return true;
	}
	return false;
}
