// SPDX-License-Identifier: MIT
/*
 * Images where there are none to calibrate with: colour noise in octaves, each
 * with half the amplitude and twice the frequency of the one before, which gives
 * the 1/f spectrum of natural photographs, with random brightness and contrast.
 */
#include "quant/samples.h"
#include "util/hash.h"

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

void vgg_synthetic_draw(const struct vgg_preprocess *p, unsigned int image,
			uint8_t *hwc)
{
	int extent = p->crop_h > p->crop_w ? p->crop_h : p->crop_w;
	int y, x, ch;

	for (y = 0; y < p->crop_h; y++)
		for (x = 0; x < p->crop_w; x++)
			for (ch = 0; ch < p->channels; ch++)
				*hwc++ = synthetic_value(image, ch, y, x,
							 extent);
}
