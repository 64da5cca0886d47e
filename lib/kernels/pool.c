// SPDX-License-Identifier: MIT
/*
 * Pools whose inner loop are the channels, in plain C that compilers vectorise.
 * Pooling reads each value once: memory is what limits it, not instructions.
 */
#include <string.h>

#include "kernels/clones.h"
#include "kernels/kernels.h"

VGG_CLONES
static void max_into(int8_t *restrict best, const int8_t *restrict v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		best[i] = best[i] > v[i] ? best[i] : v[i];
}

VGG_CLONES
static void add_into(int32_t *restrict sum, const int8_t *restrict v, int n)
{
	int i;

	for (i = 0; i < n; i++)
		sum[i] += v[i];
}

#define POOL_CHANNELS 64 /* sums that stay in registers or L1 */

static void average(const struct vgg_pool_s8 *k, int y, int x, int c0, int n)
{
	const struct vgg_window *w = &k->win;
	int8_t *to = k->out.data + (size_t)y * k->out.pitch +
		     (size_t)x * k->out.pixel + c0;
	int32_t sum[POOL_CHANNELS] = { 0 };
	int i, j, iy, ix, taps = 0, outside = 0;

	for (i = 0; i < w->kernel_h; i++)
		for (j = 0; j < w->kernel_w; j++) {
			iy = y * w->stride_h - w->pad_top + i;
			ix = x * w->stride_w - w->pad_left + j;
			if (iy < 0 || iy >= k->in.h || ix < 0 ||
			    ix >= k->in.w) {
				outside++;
				continue;
			}
			add_into(sum,
				 k->in.data + (size_t)iy * k->in.pitch +
					 (size_t)ix * k->in.pixel + c0,
				 n);
			taps++;
		}
	if (k->exclude_pad)
		outside = 0;
	taps += outside;
	for (i = 0; i < n; i++)
		to[i] = (int8_t)vgg_requantize(sum[i] + outside * k->pad_value +
						       k->param[taps - 1].bias,
					       &k->param[taps - 1], k->lo,
					       k->hi);
}

static void maximum(const struct vgg_pool_s8 *k, int y, int x, int c0, int n)
{
	const struct vgg_window *w = &k->win;
	int8_t *to = k->out.data + (size_t)y * k->out.pitch +
		     (size_t)x * k->out.pixel + c0;
	int i, j, iy, ix;

	memset(to, -128, (size_t)n);
	for (i = 0; i < w->kernel_h; i++)
		for (j = 0; j < w->kernel_w; j++) {
			iy = y * w->stride_h - w->pad_top + i;
			ix = x * w->stride_w - w->pad_left + j;
			if (iy < 0 || iy >= k->in.h || ix < 0 || ix >= k->in.w)
				continue;
			max_into(to,
				 k->in.data + (size_t)iy * k->in.pitch +
					 (size_t)ix * k->in.pixel + c0,
				 (size_t)n);
		}
}

void vgg_pool_vector(const struct vgg_pool_s8 *k, int row0, int row1, int c0,
		     int c1)
{
	int y, x, c, n;

	for (y = row0; y < row1; y++)
		for (x = 0; x < k->out.w; x++)
			for (c = c0; c < c1; c += n) {
				n = c1 - c < POOL_CHANNELS ? c1 - c :
							     POOL_CHANNELS;
				if (k->average)
					average(k, y, x, c, n);
				else
					maximum(k, y, x, c, n);
			}
}
