/* SPDX-License-Identifier: MIT */
/*
 * The int8 transforms of Winograd F(4,3) and F(2,3) in vectors, for the file of
 * one instruction set. Before it is included, that file defines
 *
 *   vec16, IN_LANES     a vector of int16 and its lanes
 *   vec32, OUT_LANES    a vector of int32 and its lanes
 *   BLOCK		 filters of a packed block
 *   vec16 widen(const int8_t *)       IN_LANES bytes to int16
 *   vec16 widen_some(const int8_t *, int n)   so many, then zeros; together with
 *	HAVE_WIDEN_SOME, where there is a better way than the one below
 *   vec32 largest(vec32, vec32)
 *   void put(const vec32 acc[VECTORS], const struct vgg_finish_s8 *, int8_t *)
 *	the accumulators of one pixel, to BLOCK bytes: bias, relu, scaling.
 *	Offsets are `near` (conv.h).
 *
 * It may have transforms of its own, which it says by OWN_LOAD and OWN_STORE:
 *
 *   load_tile(), as below
 *   bool own_store(const struct vgg_store *, int mh, int mw), which returns
 *	false for what it leaves to store_tile()
 *
 * and behind it it has load_MxN() and store_MxN() for struct vgg_engine. All
 * sums are modulo 2^16 and 2^32 (-fwrapv); why that is exact stands in
 * conv_pack.c and conv_care.c.
 */
#include <string.h>

#define VECTORS (BLOCK / OUT_LANES)
#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif

#ifndef OWN_LOAD
/* B^T d */
INLINE void in_transform(int m, const vec16 *d, vec16 *v)
{
	if (m == 4) {
		vec16 even = d[4] - d[2], odd = d[3] - d[1];
		vec16 a = d[4] - (d[2] << 2), b = d[3] - (d[1] << 2);
		vec16 twice = odd << 1;

		v[0] = ((d[0] - d[2]) << 2) + even;
		v[1] = a + b;
		v[2] = a - b;
		v[3] = even + twice;
		v[4] = even - twice;
		v[5] = (d[5] - d[3]) - (twice << 1);
	} else {
		v[0] = d[0] - d[2];
		v[1] = d[1] + d[2];
		v[2] = d[2] - d[1];
		v[3] = d[1] - d[3];
	}
}

#ifndef HAVE_WIDEN_SOME
INLINE vec16 widen_some(const int8_t *p, int n)
{
	int8_t some[IN_LANES] = { 0 };

	memcpy(some, p, (size_t)n);
	return widen(some);
}
#endif

/* IN_LANES channels from c on of a tile, or the `n` that are left. */
INLINE void load_channels(const void *const *at, int c, int n, char *v,
			  size_t v_step, int mh, int mw)
{
	vec16 half[6][6], d[6], t[6];
	int ph = mh + 2, pw = mw + 2, y, x;

#pragma GCC unroll 6
	for (x = 0; x < pw; x++) {
#pragma GCC unroll 6
		for (y = 0; y < ph; y++) {
			const int8_t *p = (const int8_t *)at[y * pw + x] + c;

			d[y] = n < IN_LANES ? widen_some(p, n) : widen(p);
		}
		in_transform(mh, d, t);
#pragma GCC unroll 6
		for (y = 0; y < ph; y++)
			half[y][x] = t[y];
	}
#pragma GCC unroll 6
	for (y = 0; y < ph; y++) {
		in_transform(mw, half[y], t);
#pragma GCC unroll 6
		for (x = 0; x < pw; x++, v += v_step)
			memcpy(v, &t[x], sizeof(t[x]));
	}
}

INLINE void load_tile(const void *const *at, int channels, char *v,
		      size_t v_step, int mh, int mw)
{
	int c;

	for (c = 0; c + IN_LANES <= channels; c += IN_LANES)
		load_channels(at, c, IN_LANES, v + c * 2, v_step, mh, mw);
	if (c < channels)
		load_channels(at, c, channels - c, v + c * 2, v_step, mh, mw);
}
#endif

/* A^T m */
INLINE void out_transform(int m, const vec32 *d, vec32 *y)
{
	if (m == 4) {
		vec32 s1 = d[1] + d[2], d1 = d[1] - d[2];
		vec32 s2 = d[3] + d[4], d2 = d[3] - d[4];
		vec32 twice = d2 << 1;

		y[0] = d[0] + s1 + s2;
		y[1] = d1 + twice;
		y[2] = s1 + (s2 << 2);
		y[3] = d1 + ((twice + d[5]) << 2);
	} else {
		y[0] = d[0] + d[1] + d[2];
		y[1] = d[1] - d[2] - d[3];
	}
}

/* From 576, 48 or 4 times the accumulator to itself. */
INLINE vec32 divide(vec32 y, int mh, int mw)
{
	int fours = (mh == 4) + (mw == 4);
	const vec32 zero = { 0 };

	if (fours == 2)
		y *= zero + 0x38e38e39; /* 1/9 modulo 2^32 */
	else if (fours == 1)
		y *= zero + (int32_t)0xaaaaaaab; /* 1/3 */
	return y >> (2 + 2 * fours);
}

INLINE void put_some(const vec32 *acc, const struct vgg_store *s, char *out)
{
	int8_t some[BLOCK];

	if (s->channels == BLOCK) {
		put(acc, s->finish, (int8_t *)out);
		return;
	}
	put(acc, s->finish, some);
	memcpy(out, some, (size_t)s->channels);
}

/* Where a larger accumulator may give a smaller result: each by itself. */
INLINE void put_largest_result(const vec32 acc[4][VECTORS],
			       const struct vgg_store *s, char *out)
{
	int8_t one[BLOCK], best[BLOCK];
	int i, k;

	put(acc[0], s->finish, best);
	for (i = 1; i < 4; i++) {
		put(acc[i], s->finish, one);
		for (k = 0; k < BLOCK; k++)
			best[k] = best[k] > one[k] ? best[k] : one[k];
	}
	memcpy(out, best, (size_t)s->channels);
}

INLINE void put_pooled(const vec32 acc[4][VECTORS], const struct vgg_store *s,
		       char *out)
{
	const struct vgg_finish_s8 *f = s->finish;
	vec32 best[VECTORS];
	int v;

	if (!f->rising) {
		put_largest_result(acc, s, out);
		return;
	}
	for (v = 0; v < VECTORS; v++)
		best[v] = largest(largest(acc[0][v], acc[1][v]),
				  largest(acc[2][v], acc[3][v]));
	put_some(best, s, out);
}

/* Row y of a tile whose columns are transformed. */
INLINE void finish_row(const vec32 half[VECTORS][6], vec32 z[4][VECTORS],
		       int mh, int mw)
{
	vec32 t[4];
	int v, x;

	for (v = 0; v < VECTORS; v++) {
		out_transform(mw, half[v], t);
#pragma GCC unroll 4
		for (x = 0; x < mw; x++)
			z[x][v] = divide(t[x], mh, mw);
	}
}

#ifndef OWN_STORE
INLINE bool own_store(const struct vgg_store *s, int mh, int mw)
{
	(void)s;
	(void)mh;
	(void)mw;
	return false;
}
#endif

INLINE void transform_columns(const struct vgg_store *s,
			      vec32 half[4][VECTORS][6], int mh, int mw)
{
	int ph = mh + 2, pw = mw + 2, v, y, x;
	vec32 d[6], t[4];

	for (v = 0; v < VECTORS; v++)
#pragma GCC unroll 6
		for (x = 0; x < pw; x++) {
#pragma GCC unroll 6
			for (y = 0; y < ph; y++)
				memcpy(&d[y],
				       s->m + (size_t)(y * pw + x) * s->m_step +
					       (size_t)v * sizeof(vec32),
				       sizeof(vec32));
			out_transform(mh, d, t);
#pragma GCC unroll 4
			for (y = 0; y < mh; y++)
				half[y][v][x] = t[y];
		}
}

INLINE void store_tile(const struct vgg_store *s, int mh, int mw)
{
	vec32 half[4][VECTORS][6], z[2][4][VECTORS];
	char *out = s->out;
	int y, x;

	transform_columns(s, half, mh, mw);
	if (!s->pool) {
		for (y = 0; y < s->rows; y++, out += s->pitch) {
			finish_row(half[y], z[0], mh, mw);
			for (x = 0; x < s->cols; x++)
				put_some(z[0][x], s,
					 out + (size_t)x * s->pixel);
		}
		return;
	}
	for (y = 0; y < s->rows; y++, out += s->pitch) {
		finish_row(half[2 * y], z[0], mh, mw);
		finish_row(half[2 * y + 1], z[1], mh, mw);
		for (x = 0; x < s->cols; x++) {
			vec32 four[4][VECTORS];

			memcpy(four, z[0][2 * x], 2 * sizeof(four[0]));
			memcpy(four + 2, z[1][2 * x], 2 * sizeof(four[0]));
			put_pooled(four, s, out + (size_t)x * s->pixel);
		}
	}
}

/* The same of several parts, which are exact each by itself. */
INLINE void store_parts(const struct vgg_store *s, int mh, int mw)
{
	vec32 half[4][VECTORS][6], z[4][VECTORS], sum[4][4][VECTORS];
	struct vgg_store part = *s;
	int i, y, x, v;

	memset(sum, 0, sizeof(sum));
	for (i = 0; i < s->parts; i++, part.m += s->part_step) {
		transform_columns(&part, half, mh, mw);
		for (y = 0; y < mh; y++) {
			finish_row(half[y], z, mh, mw);
			for (x = 0; x < mw; x++)
				for (v = 0; v < VECTORS; v++)
					sum[y][x][v] += z[x][v];
		}
	}
	for (y = 0; y < s->rows; y++)
		for (x = 0; x < s->cols; x++) {
			char *out = s->out + (size_t)y * s->pitch +
				    (size_t)x * s->pixel;
			vec32 four[4][VECTORS];

			if (!s->pool) {
				put_some(sum[y][x], s, out);
				continue;
			}
			memcpy(four, sum[2 * y][2 * x], 2 * sizeof(four[0]));
			memcpy(four + 2, sum[2 * y + 1][2 * x],
			       2 * sizeof(four[0]));
			put_pooled(four, s, out);
		}
}

#define TILE(mh, mw)                                                      \
	static void load_##mh##x##mw(const void *const *at, int channels, \
				     char *v, size_t v_step)              \
	{                                                                 \
		load_tile(at, channels, v, v_step, mh, mw);               \
	}                                                                 \
	static __attribute__((noinline)) void parts_##mh##x##mw(          \
		const struct vgg_store *s)                                \
	{                                                                 \
		store_parts(s, mh, mw);                                   \
	}                                                                 \
	static void store_##mh##x##mw(const struct vgg_store *s)          \
	{                                                                 \
		if (s->parts > 1)                                         \
			parts_##mh##x##mw(s);                             \
		else if (!own_store(s, mh, mw))                           \
			store_tile(s, mh, mw);                            \
	}
TILE(4, 4)
TILE(4, 2)
TILE(2, 4)
TILE(2, 2)
#undef TILE

/* The tables of struct vgg_engine. */
#define LOADS                                                     \
	{                                                         \
		[1] = { [1] = load_2x2, [2] = load_2x4 }, [2] = { \
			[1] = load_4x2,                           \
			[2] = load_4x4                            \
		}                                                 \
	}
#define STORES                                                      \
	{                                                           \
		[1] = { [1] = store_2x2, [2] = store_2x4 }, [2] = { \
			[1] = store_4x2,                            \
			[2] = store_4x4                             \
		}                                                   \
	}

/* A direct convolution's accumulators are what they are. */
static void store_direct(const struct vgg_store *s)
{
	vec32 acc[VECTORS];

	memcpy(acc, s->m, sizeof(acc));
	put_some(acc, s, s->out);
}
