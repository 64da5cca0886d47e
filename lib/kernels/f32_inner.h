/* SPDX-License-Identifier: MIT */
/*
 * The fp32 engines of one instruction set: transforms of Winograd F(6,3), F(4,3)
 * and F(2,3), the product of matrices, what follows it, dot products. Before
 * it is included, a file defines
 *
 *   vec, LANES		a vector of float and its lanes, a multiple of 4
 *   BLOCK		filters of a packed block
 *   TILES		tiles whose accumulators fit the registers
 *   BYTE_COST		see struct vgg_engine
 *   vec at_least(vec v, vec lo)	v < lo ? lo : v
 *   vec at_most(vec v, vec hi)		v > hi ? hi : v
 *   vec larger(vec a, vec b)		NaN if one of them is
 *   vec widen_half(const uint16_t *)	LANES halves to floats
 *   vec load_some(const float *, int n)	n < LANES floats, and zeros
 *
 * if it transforms weights faster than they come from memory, FRESH,
 * and if it does better than a compiler, LOAD_AT(base, offset) with STORE_AT(base,
 * offset, v), OWN_OUT, OWN_MULTIPLY or OWN_DOT, see below.
 *
 * Behind it it has winograd_engine and direct_engine, initialisers of struct
 * vgg_engine. Such files are compiled with contraction: a * b + c is one
 * instruction where there is one, and the transforms are written for it.
 *
 * V is [channels / LANES][tiles][LANES] at each position, so that the tiles of
 * a group lie at constant distances.
 */
#include <math.h>

#include "kernels/engines.h"

#ifndef LOAD_AT
#define LOAD_AT(base, offset) load_vec((base) + (offset))
#define STORE_AT(base, offset, v) store_vec((base) + (offset), v)
#endif

#define VECTORS (BLOCK / LANES)
#define INLINE static inline __attribute__((always_inline))

INLINE vec load_vec(const void *from)
{
	vec v;

	memcpy(&v, from, sizeof(v));
	return v;
}

INLINE void store_vec(void *to, vec v)
{
	memcpy(to, &v, sizeof(v));
}

INLINE vec all(float x)
{
	return x - (vec){ 0 };
}

/* out_transform() for m = 6, and what it wants to keep in registers for it. */
#ifndef OWN_OUT
#define OWN_OUT 0
struct own_out {
	char none;
};

INLINE struct own_out own_out(void)
{
	return (struct own_out){ 0 };
}

INLINE void own_out_6(const struct own_out *own, const vec *d, vec *y)
{
	(void)own;
	(void)d;
	(void)y;
}
#endif

/*
 * Transforms, row by row and column by column through an array: a tile is more
 * than there are registers, so that to unroll the outer loops only costs more
 * addresses. Points 0, 1, -1; 2, -2; 1/2, -1/2; infinity: those of the matrix G
 * in conv_pack.c, whose rows have factors that are taken back on the way out:
 *
 *		0	1, -1	2, -2	1/2, -1/2	infinity
 *	m = 6	-9/2	1	-1/20	-4/5		-9/2
 *	m = 4	-9/2	3/4	-3/16			-9/2
 *	m = 2	-9/2	-9/4				-9/2
 *
 * for m = 4 after a quarter of 0 on the way in.
 */

/* B^T d */
INLINE void in_transform(int m, const vec *d, vec *v)
{
	vec even, odd;

	if (m == 6) {
		v[0] = (d[0] - d[6]) + (d[4] - d[2]) * 5.25f;
		v[7] = (d[7] - d[1]) + (d[3] - d[5]) * 5.25f;
		even = (d[2] + d[6]) - d[4] * 4.25f;
		odd = (d[1] + d[5]) - d[3] * 4.25f;
		v[1] = even + odd;
		v[2] = even - odd;
		even = (d[6] + d[2] * 0.25f) - d[4] * 1.25f;
		odd = d[5] * 2.0f - d[3] * 2.5f + d[1] * 0.5f;
		v[3] = even + odd;
		v[4] = even - odd;
		even = (d[6] + d[2] * 4.0f) - d[4] * 5.0f;
		odd = d[5] * 0.5f - d[3] * 2.5f + d[1] * 2.0f;
		v[5] = even + odd;
		v[6] = even - odd;
	} else if (m == 4) {
		v[0] = (d[0] + d[4] * 0.25f) - d[2] * 1.25f;
		v[5] = (d[5] - d[3] * 5.0f) + d[1] * 4.0f;
		even = d[4] - d[2] * 4.0f;
		odd = d[3] - d[1] * 4.0f;
		v[1] = even + odd;
		v[2] = even - odd;
		even = d[4] - d[2];
		odd = d[3] - d[1];
		v[3] = even + odd * 2.0f;
		v[4] = even - odd * 2.0f;
	} else {
		v[0] = d[0] - d[2];
		v[1] = d[1] + d[2];
		v[2] = d[2] - d[1];
		v[3] = d[1] - d[3];
	}
}

/* A^T m */
INLINE void out_transform(int m, const struct own_out *own, const vec *d,
			  vec *y)
{
	if (m == 6 && OWN_OUT) {
		own_out_6(own, d, y);
	} else if (m == 6) {
		vec s1 = d[1] + d[2], d1 = d[1] - d[2];
		vec s2 = d[3] + d[4], d2 = d[3] - d[4];
		vec s3 = d[5] + d[6], d3 = d[5] - d[6];

		y[0] = (s1 - d[0] * 4.5f) - s2 * 0.05f - s3 * 0.8f;
		y[1] = (d1 - d2 * 0.1f) - d3 * 0.4f;
		y[2] = (s1 - s2 * 0.2f) - s3 * 0.2f;
		y[3] = (d1 - d2 * 0.4f) - d3 * 0.1f;
		y[4] = (s1 - s2 * 0.8f) - s3 * 0.05f;
		y[5] = (d1 - d[7] * 4.5f) - d2 * 1.6f - d3 * 0.025f;
	} else if (m == 4) {
		vec s1 = d[1] + d[2], d1 = d[1] - d[2];
		vec s2 = d[3] + d[4], d2 = d[3] - d[4];

		y[0] = s1 * 0.75f - d[0] * 4.5f - s2 * 0.1875f;
		y[1] = d1 * 0.75f - d2 * 0.375f;
		y[2] = (s1 - s2) * 0.75f;
		y[3] = d1 * 0.75f - d[5] * 4.5f - d2 * 1.5f;
	} else {
		y[0] = ((d[1] + d[2]) + d[0] * 2.0f) * -2.25f;
		y[1] = ((d[2] - d[1]) + d[3] * 2.0f) * 2.25f;
	}
}

#ifdef FRESH
/* Where the results of a transform of weights go: to `half`, or to memory. */
struct weights_to {
	vec *half;
	char *u;
	const size_t *column;
};

INLINE void put_weight(const struct weights_to *to, int i, vec v)
{
	if (to->half)
		to->half[i] = v;
	else
		STORE_AT(to->u, to->column[i], v);
}

/* G g without its factor. Each sum takes the place of one that isn't needed any
 * more, as a multiplication with addition does. */
INLINE void weight_transform(int m, vec g0, vec g1, vec g2,
			     struct weights_to to)
{
	vec even = g0 + g2, twice = g1 + g1;

	put_weight(&to, 0, g0);
	put_weight(&to, m + 1, g2);
	put_weight(&to, 1, even + g1);
	put_weight(&to, 2, even - g1);
	if (m > 2) {
		even += g2 * 3.0f;
		put_weight(&to, 3, even + twice);
		put_weight(&to, 4, even - twice);
	}
	if (m > 4) {
		g2 += g0 * 4.0f;
		put_weight(&to, 5, g2 + twice);
		put_weight(&to, 6, g2 - twice);
	}
}

/* LANES filters of one channel. */
INLINE void fresh_vector(const float *w, char *u, const size_t *column, int mh,
			 int mw)
{
	vec half[3][8];
	int x, y;

#pragma GCC unroll 3
	for (x = 0; x < 3; x++)
		weight_transform(mh, load_vec(w + x * BLOCK),
				 load_vec(w + (3 + x) * BLOCK),
				 load_vec(w + (6 + x) * BLOCK),
				 (struct weights_to){ .half = half[x] });
#pragma GCC unroll 8
	for (y = 0; y < mh + 2; y++) {
		weight_transform(
			mw, half[0][y], half[1][y], half[2][y],
			(struct weights_to){ .u = u, .column = column });
		u += (size_t)(mw + 2) * VGG_FRESH_STEP(BLOCK);
	}
}

INLINE void fresh(const float *raw, int k, char *u, int mh, int mw)
{
	size_t column[8];
	int v;

#pragma GCC unroll 8
	for (v = 0; v < 8; v++)
		column[v] = (size_t)v * VGG_FRESH_STEP(BLOCK);
	for (; k; k--, raw += 8 * BLOCK)
#pragma GCC unroll 1
		for (v = 0; v < VECTORS; v++, raw += LANES, u += sizeof(vec))
			fresh_vector(raw, u, column, mh, mw);
}
#endif

/* LANES channels from c on of a tile, or the `n` that are left. */
INLINE void load_channels(const struct vgg_load *l, int c, int n, char *v,
			  const size_t *row, int mh, int mw)
{
	vec half[8][8], d[8], t[8];
	int ph = mh + 2, pw = mw + 2, y, x;
	char *to = v;

#pragma GCC unroll 1
	for (y = 0; y < ph; y++) {
#pragma GCC unroll 8
		for (x = 0; x < pw; x++) {
			const float *p = (const float *)l->at[y * pw + x] + c;

			d[x] = n < LANES ? load_some(p, n) : load_vec(p);
		}
		in_transform(mw, d, t);
#pragma GCC unroll 8
		for (x = 0; x < pw; x++)
			half[x][y] = t[x];
	}
#pragma GCC unroll 1
	for (x = 0; x < pw; x++, to += l->v_step) {
		if (x == pw - 1)
			to = v + l->v_last_col;
		in_transform(mh, half[x], t);
#pragma GCC unroll 8
		for (y = 0; y < ph; y++)
			STORE_AT(to, row[y], t[y]);
	}
}

/* Where the rows of a column of positions lie. */
INLINE void set_rows(size_t *at, int m, size_t row, size_t last)
{
	int y;

#pragma GCC unroll 8
	for (y = 0; y < m + 1; y++)
		at[y] = (size_t)y * row;
	at[y] = last;
}

INLINE void load_tile(const struct vgg_load *l, int mh, int mw)
{
	char *v = l->v;
	size_t row[8];
	int c;

	set_rows(row, mh, l->v_row, l->v_last_row);
	for (c = 0; c + LANES <= l->channels; c += LANES, v += l->v_chunk)
		load_channels(l, c, LANES, v, row, mh, mw);
	if (c < l->channels)
		load_channels(l, c, l->channels - c, v, row, mh, mw);
}

/*
 * Behind the sums: LANES filters of struct vgg_finish_f32.
 */
struct finish {
	vec bias, scale, shift, lo, hi;
	bool relu, affine;
};

INLINE struct finish finish_of(const struct vgg_finish_f32 *f, int v)
{
	return (struct finish){
		.bias = load_vec(f->bias + v * LANES),
		.scale = load_vec(f->scale + v * LANES),
		.shift = load_vec(f->shift + v * LANES),
		.lo = all(f->lo),
		.hi = all(f->hi),
		.relu = f->relu,
		.affine = f->affine,
	};
}

/* Of a sum that has its bias. */
INLINE vec finished(const struct finish *f, vec y)
{
	if (f->relu)
		y = at_least(y, all(0));
	if (f->affine)
		y = y * f->scale + f->shift;
	return at_most(at_least(y, f->lo), f->hi);
}

/* A scale may be negative; without one what follows never falls, so that a pool
 * may come first. */
INLINE vec pooled(const struct finish *f, const vec *above, const vec *below)
{
	if (f->affine)
		return larger(
			larger(finished(f, above[0]), finished(f, above[1])),
			larger(finished(f, below[0]), finished(f, below[1])));
	return finished(f, larger(larger(above[0], above[1]),
				  larger(below[0], below[1])));
}

INLINE void put(char *to, vec y, int n)
{
	if (n >= LANES) {
		store_vec(to, y);
		return;
	}
	memcpy(to, &y, (size_t)n * sizeof(float));
}

/* Rows of a tile whose columns are transformed, at the edges of the output. */
INLINE void put_rows(const struct vgg_store *s, const struct own_out *own,
		     vec half[6][8], int v, int mw)
{
	struct finish f = finish_of(s->finish, v);
	char *out = s->out + (size_t)v * sizeof(vec);
	int n = s->channels - v * LANES, y, x;
	vec z[2][6];

	for (y = 0; y < s->rows; y++, out += s->pitch) {
		if (s->pool) {
			out_transform(mw, own, half[2 * y], z[0]);
			out_transform(mw, own, half[2 * y + 1], z[1]);
		} else {
			out_transform(mw, own, half[y], z[0]);
		}
		for (x = 0; x < s->cols; x++)
			put(out + (size_t)x * s->pixel,
			    s->pool ? pooled(&f, z[0] + 2 * x, z[1] + 2 * x) :
				      finished(&f, z[0][x]),
			    n);
	}
}

/* The same for whole tiles with relu, or nothing: most of them. */
INLINE void put_whole(const struct vgg_store *s, const struct own_out *own,
		      vec half[6][8], int v, int mh, int mw)
{
	const struct vgg_finish_f32 *f = s->finish;
	char *out = s->out + (size_t)v * sizeof(vec);
	vec lo = all(f->lo);
	size_t pixel = s->pixel, pitch = s->pitch;
	vec z[2][6];
	int y, x;

	if (!s->pool) {
#pragma GCC unroll 1
		for (y = 0; y < mh; y++, out += pitch) {
			out_transform(mw, own, half[y], z[0]);
#pragma GCC unroll 6
			for (x = 0; x < mw; x++)
				store_vec(out + (size_t)x * pixel,
					  at_least(z[0][x], lo));
		}
		return;
	}
#pragma GCC unroll 1
	for (y = 0; y < mh; y += 2, out += pitch) {
		out_transform(mw, own, half[y], z[0]);
		out_transform(mw, own, half[y + 1], z[1]);
#pragma GCC unroll 3
		for (x = 0; x < mw; x += 2) {
			vec best = larger(larger(z[0][x], z[0][x + 1]),
					  larger(z[1][x], z[1][x + 1]));

			store_vec(out + (size_t)(x / 2) * pixel,
				  at_least(best, lo));
		}
	}
}

INLINE bool is_whole(const struct vgg_store *s, int mh, int mw)
{
	const struct vgg_finish_f32 *f = s->finish;
	int shrink = s->pool ? 2 : 1;

	return s->rows == mh / shrink && s->cols == mw / shrink &&
	       s->channels == BLOCK && !f->relu && !f->affine &&
	       f->hi == INFINITY;
}

/* What the sum at point 1 is to grow by so that all outputs grow by 1. */
INLINE float per_output(int m)
{
	return m == 6 ? 1 : m == 4 ? 4.0f / 3 : -4.0f / 9;
}

/* From row to row of positions, and to the last one. */
struct rows {
	size_t one, two, three, last;
};

INLINE struct rows rows_of(size_t row, size_t last)
{
	return (struct rows){ row, 2 * row, 3 * row, last };
}

/* A column of M, transformed; `extra` is added to the sum at point 1. */
INLINE void store_column(const char *m, const struct rows *row,
			 const vec *extra, const struct own_out *own, int mh,
			 vec *t)
{
	const char *more = m + 2 * row->two;
	vec d[8];

	d[0] = LOAD_AT(m, 0);
	d[1] = LOAD_AT(m, row->one);
	d[2] = LOAD_AT(m, row->two);
	if (mh > 2) {
		d[3] = LOAD_AT(m, row->three);
		d[4] = LOAD_AT(more, 0);
	}
	if (mh > 4) {
		d[5] = LOAD_AT(more, row->one);
		d[6] = LOAD_AT(more, row->two);
	}
	d[mh + 1] = LOAD_AT(m, row->last);
	if (extra)
		d[1] += *extra;
	out_transform(mh, own, d, t);
}

/* LANES filters: two columns at a time, which lie side by side in `half`. */
INLINE void store_columns(const struct vgg_store *s, const struct rows *row,
			  const struct own_out *own, int v, int mh, int mw,
			  vec half[6][8])
{
	const struct vgg_finish_f32 *f = s->finish;
	const char *m = s->m + (size_t)v * sizeof(vec), *from = m;
	vec extra = load_vec(f->bias + v * LANES) *
		    (per_output(mh) * per_output(mw));
	size_t step = s->m_step;
	vec t[2][6];
	int y, x;

#pragma GCC unroll 1
	for (x = 0; x < mw + 2; x += 2, from += 2 * step) {
		store_column(from, row, NULL, own, mh, t[0]);
		/* One addition instead of one for each output. */
		store_column(x < mw ? from + step : m + s->m_last_col, row,
			     &extra, own, mh, t[1]);
		extra = all(0);
#pragma GCC unroll 6
		for (y = 0; y < mh; y++) {
			half[y][x] = t[0][y];
			half[y][x + 1] = t[1][y];
		}
	}
}

INLINE void store_tile(const struct vgg_store *s, int mh, int mw)
{
	struct rows row = rows_of(s->m_row, s->m_last_row);
	bool whole = is_whole(s, mh, mw);
	struct own_out own = own_out();
	vec half[6][8];
	int v;

	for (v = 0; v < VECTORS && v * LANES < s->channels; v++) {
		store_columns(s, &row, &own, v, mh, mw, half);
		if (whole)
			put_whole(s, &own, half, v, mh, mw);
		else
			put_rows(s, &own, half, v, mw);
	}
}

#define TILE(mh, mw)                                             \
	static void load_##mh##x##mw(const struct vgg_load *l)   \
	{                                                        \
		load_tile(l, mh, mw);                            \
	}                                                        \
	static void store_##mh##x##mw(const struct vgg_store *s) \
	{                                                        \
		store_tile(s, mh, mw);                           \
	}                                                        \
	TILE_FRESH(mh, mw)
#ifdef FRESH
#define TILE_FRESH(mh, mw)                                              \
	static void fresh_##mh##x##mw(const float *raw, int k, char *u) \
	{                                                               \
		fresh(raw, k, u, mh, mw);                               \
	}
#define FRESH_TABLE .fresh_f32 = TABLE(fresh),
#else
#define TILE_FRESH(mh, mw)
#define FRESH_TABLE
#endif
TILE(6, 6)
TILE(6, 4)
TILE(6, 2)
TILE(4, 6)
TILE(4, 4)
TILE(4, 2)
TILE(2, 6)
TILE(2, 4)
TILE(2, 2)
#undef TILE

/* The tables of struct vgg_engine. */
#define ROW(f, mh)                                                         \
	{                                                                  \
		[1] = f##_##mh##x2, [2] = f##_##mh##x4, [3] = f##_##mh##x6 \
	}
#define TABLE(f)                                                  \
	{                                                         \
		[1] = ROW(f, 2), [2] = ROW(f, 4), [3] = ROW(f, 6) \
	}

/* A direct convolution's sums are what they are; `cols` pixels of them. */
static void store_direct(const struct vgg_store *s)
{
	const char *m = s->m;
	struct finish f;
	int v, x;

	for (v = 0; v < VECTORS && v * LANES < s->channels; v++) {
		f = finish_of(s->finish, v);
		m = s->m + (size_t)v * sizeof(vec);
		for (x = 0; x < s->cols; x++, m += BLOCK * sizeof(float))
			put(s->out + (size_t)x * s->pixel +
				    (size_t)v * sizeof(vec),
			    finished(&f, load_vec(m) + f.bias),
			    s->channels - v * LANES);
	}
}

/*
 * Products: `fours` times four channels of TILES tiles at one position, or of
 * fewer. Packed weights have a multiple of four channels.
 */
#ifdef OWN_MULTIPLY
static multiply_fn *const multiplies[TILES + 1];
#else
typedef void multiply_fn(const char *u, const char *v, size_t v_chunk, char *m,
			 size_t fours, bool add);

INLINE void four_channels(vec acc[TILES][VECTORS], const float *u,
			  const float *x, int tiles)
{
	vec w[VECTORS];
	int k, t, v;

#pragma GCC unroll 4
	for (k = 0; k < 4; k++, u += BLOCK) {
#pragma GCC unroll 4
		for (v = 0; v < VECTORS; v++)
			w[v] = load_vec(u + v * LANES);
#pragma GCC unroll 16
		for (t = 0; t < tiles; t++) {
			vec one = all(x[t * LANES + k]);

#pragma GCC unroll 4
			for (v = 0; v < VECTORS; v++)
				acc[t][v] += w[v] * one;
		}
	}
}

INLINE void multiply(const char *u, const char *v, size_t v_chunk, char *m,
		     size_t fours, bool add, int tiles)
{
	const float *w = (const float *)u;
	vec acc[TILES][VECTORS];
	int i, t;

#pragma GCC unroll 16
	for (t = 0; t < tiles; t++)
#pragma GCC unroll 4
		for (i = 0; i < VECTORS; i++)
			acc[t][i] = (vec){ 0 };
	if (add)
#pragma GCC unroll 16
		for (t = 0; t < tiles; t++)
#pragma GCC unroll 4
			for (i = 0; i < VECTORS; i++)
				acc[t][i] =
					load_vec(m + (t * VECTORS + i) *
							     (int)sizeof(vec));
	for (; fours >= LANES / 4; fours -= LANES / 4, v += v_chunk)
#pragma GCC unroll 4
		for (i = 0; i < LANES; i += 4, w += 4 * BLOCK)
			four_channels(acc, w, (const float *)v + i, tiles);
	for (i = 0; fours; fours--, i += 4, w += 4 * BLOCK)
		four_channels(acc, w, (const float *)v + i, tiles);
#pragma GCC unroll 16
	for (t = 0; t < tiles; t++)
#pragma GCC unroll 4
		for (i = 0; i < VECTORS; i++)
			store_vec(m + (t * VECTORS + i) * (int)sizeof(vec),
				  acc[t][i]);
}

/* One function for each number of tiles; the registers are what it is about. */
#define MULTIPLY(n)                                                            \
	static void multiply_##n(const char *u, const char *v, size_t v_chunk, \
				 char *m, size_t fours, bool add)              \
	{                                                                      \
		multiply(u, v, v_chunk, m, fours, add, n);                     \
	}
MULTIPLY(1)
MULTIPLY(2)
MULTIPLY(3)
MULTIPLY(4)
MULTIPLY(5)
MULTIPLY(6)
#if TILES > 6
MULTIPLY(7)
MULTIPLY(8)
MULTIPLY(9)
MULTIPLY(10)
MULTIPLY(11)
MULTIPLY(12)
#endif

static multiply_fn *const multiplies[TILES + 1] = {
	NULL,	     multiply_1,  multiply_2, multiply_3,
	multiply_4,  multiply_5,  multiply_6,
#if TILES > 6
	multiply_7,  multiply_8,  multiply_9, multiply_10,
	multiply_11, multiply_12,
#endif
};

/* Groups of n tiles each. Returns what lies behind the last one's sums. */
static inline char *multiply_groups(multiply_fn *fn, const char *u,
				    const char *v, size_t v_chunk, char *m,
				    size_t fours, bool add, int n, int groups)
{
	for (; groups; groups--) {
		fn(u, v, v_chunk, m, fours, add);
		v += (size_t)n * sizeof(vec);
		m += (size_t)n * BLOCK * sizeof(float);
	}
	return m;
}
#endif

/* In groups of equal sizes, more or less: a small one keeps few multipliers busy.
 * First those of one tile more. */
static void gemm(const struct vgg_gemm *g)
{
	int groups = (g->tiles + TILES - 1) / TILES;
	int tiles = g->tiles / groups, more = g->tiles % groups, p;
	size_t v_chunk = g->v_chunk, fours = (size_t)g->k / 4;
	bool add = g->add;

	for (p = 0; p < g->positions; p++) {
		size_t at = g->place ? g->place[p] : (size_t)p;
		const char *u = g->u + at * g->u_step;
		const char *v = g->v + at * g->v_step;
		char *m = g->m + at * g->m_step;

		if (more)
			m = multiply_groups(multiplies[tiles + 1], u, v,
					    v_chunk, m, fours, add, tiles + 1,
					    more);
		v += (size_t)(more * (tiles + 1)) * sizeof(vec);
		multiply_groups(multiplies[tiles], u, v, v_chunk, m, fours, add,
				tiles, groups - more);
	}
}

#include "kernels/f32_dot_inner.h"

#ifndef GEMM_IN_ORDER
#define GEMM_IN_ORDER gemm
#endif

#define winograd_engine                                                     \
	{                                                                   \
		.elem = sizeof(float), .step = 1, .chunk = LANES,           \
		.block = BLOCK, .is_float = true, .byte_cost = BYTE_COST,   \
		.sizes = 1 << 6 | 1 << 4 | 1 << 2, .load_f32 = TABLE(load), \
		FRESH_TABLE.gemm = { gemm, GEMM_IN_ORDER },                 \
		.store = TABLE(store),                                      \
	}
#define direct_engine                                                     \
	{                                                                 \
		.elem = sizeof(float), .step = 1, .chunk = LANES,         \
		.block = BLOCK, .is_float = true, .byte_cost = BYTE_COST, \
		.gemm = { gemm, GEMM_IN_ORDER },                          \
		.store = { { store_direct } }, .dot_f32 = dot_f32,        \
		.dot_f16 = dot_f16,                                       \
	}
