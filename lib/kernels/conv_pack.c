// SPDX-License-Identifier: MIT
/*
 * Weights in the order in which gemm reads them.
 *
 * Winograd's weight transform is G g G^T. For int8 it must be in integers: the
 * rows of G are scaled, by 24 (m = 4) or 2 (m = 2), so that a sum of products
 * is 576, 48 or 4 times the convolution. G's last row for m = 4 would leave 16
 * bits with 24; it has 6, and the output transform a factor of 4 more. Weights
 * of up to 128 then give at most 18432, inputs at most 12800.
 *
 * For floats, the points of m = 4 and m = 2 are the first of those of m = 6, and
 * infinity. A point's row of G may have any factor that the output transform
 * takes back. With these most of G is powers of two, times the factor of points 1
 * and -1 of m = 6, which that transform then has for nothing.
 */
#include <string.h>

#include "kernels/conv_parts.h"

#define PIXELS_MAX (VGG_TILE_MAX + 2)

/* Interpolation points 0, 1, -1 and infinity; 2, -2; 1/2, -1/2. */
#define G (-2.0f / 9)
static const float g[][3] = {
	{ G, 0, 0 },	      { G, G, G },	    { G, -G, G },
	{ G, 2 * G, 4 * G },  { G, -2 * G, 4 * G }, { 4 * G, 2 * G, G },
	{ 4 * G, -2 * G, G }, { 0, 0, G },
};
static const int16_t i2[][3] = { { 2, 0, 0 },
				 { 1, 1, 1 },
				 { 1, -1, 1 },
				 { 0, 0, 2 } };
static const int16_t i4[][3] = {
	{ 6, 0, 0 }, { -4, -4, -4 }, { -4, 4, -4 },
	{ 1, 2, 4 }, { 1, -2, 4 },   { 0, 0, 6 },
};

static const float *row_f32(int m, int point)
{
	return g[point <= m ? point : VGG_TILE_MAX + 1];
}

static const int16_t (*matrix_s8(int m))[3]
{
	return m == 2 ? i2 : i4;
}

/* Where value `k`, a multiple of the step, of filter `f` of position `p` lies in
 * a packed block. */
static size_t place(const struct vgg_conv *c, int p, int k, int f)
{
	return ((size_t)p * (size_t)c->k + (size_t)k) * (size_t)c->e->block +
	       (size_t)(f * c->e->step);
}

#define RUN 64 /* channels at once; a multiple of all steps */

/* `step` values side by side, the next ones behind the other filters'. */
static void put_s8(const struct vgg_conv *c, const int16_t *from, int n,
		   int16_t *to)
{
	int step = c->e->step, block = c->e->block, k, i;

	for (k = 0; k < n; k += step)
		for (i = 0; i < step && k + i < n; i++)
			to[k * block + i] = from[k + i];
}

static void put_f32(const struct vgg_conv *c, const float *from, int n,
		    float *to)
{
	int step = c->e->step, block = c->e->block, k, i;

	for (k = 0; k < n; k += step)
		for (i = 0; i < step && k + i < n; i++)
			to[k * block + i] = from[k + i];
}

/* One filter, channels k0..k0+n-1 of it: all positions. */
static void winograd_s8(const struct vgg_conv *c, const int8_t *w, int mh,
			int mw, int k0, int n, int f, int16_t *to)
{
	const int16_t(*gh)[3] = matrix_s8(mh), (*gw)[3] = matrix_s8(mw);
	int c_all = c->s.in_c, y, x, i, j, k;
	int16_t half[3][RUN], one[RUN];

	for (y = 0; y < mh + 2; y++) {
		memset(half, 0, sizeof(half));
		for (i = 0; i < 3; i++)
			for (j = 0; j < 3; j++)
				for (k = 0; k < n; k++)
					half[j][k] =
						(int16_t)(half[j][k] +
							  gh[y][i] *
								  w[(i * 3 +
								     j) * c_all +
								    k0 + k]);
		for (x = 0; x < mw + 2; x++) {
			memset(one, 0, sizeof(one));
			for (j = 0; j < 3; j++)
				for (k = 0; k < n; k++)
					one[k] = (int16_t)(one[k] +
							   gw[x][j] *
								   half[j][k]);
			put_s8(c, one, n,
			       to + place(c, y * (mw + 2) + x, k0, f));
		}
	}
}

static void winograd_f32(const struct vgg_conv *c, const float *w, int mh,
			 int mw, int k0, int n, int f, float *to)
{
	int c_all = c->s.in_c, y, x, i, j, k;
	float half[3][RUN], one[RUN];

	for (y = 0; y < mh + 2; y++) {
		memset(half, 0, sizeof(half));
		for (i = 0; i < 3; i++)
			for (j = 0; j < 3; j++)
				for (k = 0; k < n; k++)
					half[j][k] +=
						row_f32(mh, y)[i] *
						w[(i * 3 + j) * c_all + k0 + k];
		for (x = 0; x < mw + 2; x++) {
			memset(one, 0, sizeof(one));
			for (j = 0; j < 3; j++)
				for (k = 0; k < n; k++)
					one[k] +=
						row_f32(mw, x)[j] * half[j][k];
			put_f32(c, one, n,
				to + place(c, y * (mw + 2) + x, k0, f));
		}
	}
}

/* As it is: all values of one filter, widened if need be. */
static void plain(const struct vgg_conv *c, const char *w, int f, char *to)
{
	int n = c->s.in_c * c->s.win.kernel_h * c->s.win.kernel_w, k;

	for (k = 0; k < n; k++) {
		int step = c->e->step;
		size_t at =
			place(c, 0, k / step * step, f) + (size_t)(k % step);

		if (c->e->elem == 1)
			((int8_t *)to)[at] = ((const int8_t *)w)[k];
		else if (c->e->elem == 2)
			((int16_t *)to)[at] = ((const int8_t *)w)[k];
		else
			((float *)to)[at] = ((const float *)w)[k];
	}
}

void vgg_conv_pack_class(const struct vgg_conv *c, const void *weight, int b,
			 int mh, int mw, char *to)
{
	const struct vgg_engine *e = c->e;
	size_t filter =
		(size_t)(c->s.in_c * c->s.win.kernel_h * c->s.win.kernel_w) *
		(e->is_float ? sizeof(float) : 1);
	int positions = mh == 1 ? 1 : (mh + 2) * (mw + 2), f, k, n;

	memset(to, 0,
	       (size_t)positions * (size_t)c->k * (size_t)(e->block * e->elem));
	for (f = 0; f < e->block && b * e->block + f < c->s.out_c; f++) {
		const char *w = (const char *)weight +
				(size_t)(b * e->block + f) * filter;

		if (!e->sizes) {
			plain(c, w, f, to);
			continue;
		}
		for (k = 0; k < c->s.in_c; k += RUN) {
			n = c->s.in_c - k < RUN ? c->s.in_c - k : RUN;
			if (e->is_float)
				winograd_f32(c, (const float *)w, mh, mw, k, n,
					     f, (float *)to);
			else
				winograd_s8(c, (const int8_t *)w, mh, mw, k, n,
					    f, (int16_t *)to);
		}
	}
}

void vgg_conv_pack_raw(const struct vgg_conv *c, const float *weight, int b,
		       float *to)
{
	int block = c->e->block, n = c->s.in_c, f, i, k;

	memset(to, 0, (size_t)(9 * c->k * block) * sizeof(*to));
	for (f = 0; f < block && b * block + f < c->s.out_c; f++)
		for (i = 0; i < 9; i++)
			for (k = 0; k < n; k++)
				to[(k * 9 + i) * block + f] =
					weight[((size_t)(b * block + f) * 9 +
						(size_t)i) *
						       (size_t)n +
					       (size_t)k] *
					(G * G);
}
