// SPDX-License-Identifier: MIT
/* What stands before the first layer: floats looked at, and quantised. */
#include <math.h>
#include <string.h>

#include "kernels/clones.h"
#include "kernels/kernels.h"

/* No exit within the loop, so that it runs in vectors. */
VGG_CLONES
bool vgg_all_finite(const float *x, size_t n)
{
	uint32_t bits, most = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		memcpy(&bits, &x[i], sizeof(bits));
		bits &= INT32_MAX;
		most = bits > most ? bits : most;
	}
	return most < 0x7f800000;
}

/* A part that stays in registers' reach; then spread out, as pixels have other
 * channels between. */
#define PART 256

VGG_CLONES
void vgg_quantize_plane(const float *from, size_t n, float scale, int zero,
			int8_t *to, size_t step)
{
	float shift = (float)zero;
	int8_t part[PART];
	size_t done, i, some;

	for (done = 0; done < n; done += some) {
		some = n - done < PART ? n - done : PART;
		for (i = 0; i < some; i++) {
			float r = rintf(from[done + i] / scale) + shift;

			/* NaN becomes the lowest value. */
			r = r > -128 ? r : -128;
			part[i] = (int8_t)(int)(r < 127 ? r : 127);
		}
		for (i = 0; i < some; i++)
			to[(done + i) * step] = part[i];
	}
}
