/* SPDX-License-Identifier: MIT */
/*
 * Winograd's int8 transforms for neon.c, by hand: what s8_inner.h says in
 * vectors of the compiler, in about half as many instructions.
 *
 * Both transforms go over the rows first, as a tile's row lies in consecutive
 * pixels and positions, then over the columns. Multiplications by 4 are mla: an
 * A72 takes as long for it as for shift and addition, but it is one instruction.
 */
#define OWN_LOAD
#define OWN_STORE
#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif

/* Post-indexed by a register, which compilers don't make use of. */
INLINE void store_16(char **to, int16x8_t v, size_t step)
{
	asm volatile("st1	{%1.8h}, [%0], %2"
		     : "+r"(*to)
		     : "w"(v), "r"(step)
		     : "memory");
}

INLINE int32x4_t load_32(const char **from, size_t step)
{
	int32x4_t v;

	asm volatile("ld1	{%0.4s}, [%1], %2"
		     : "=w"(v), "+r"(*from)
		     : "r"(step)
		     : "memory");
	return v;
}

/*
 * acc + x * y, acc - x * y, but not before `first` is there, which needs acc as it
 * was: a compiler that thinks otherwise has to copy acc.
 */
INLINE int16x8_t mls_behind(int16x8_t acc, int16x8_t x, int16x8_t y,
			    int16x8_t first)
{
	asm("mls	%0.8h, %1.8h, %2.8h"
	    : "+w"(acc)
	    : "w"(x), "w"(y), "w"(first));
	return acc;
}

INLINE int32x4_t mla_behind(int32x4_t acc, int32x4_t x, int32x4_t y,
			    int32x4_t first)
{
	asm("mla	%0.4s, %1.4s, %2.4s"
	    : "+w"(acc)
	    : "w"(x), "w"(y), "w"(first));
	return acc;
}

/*
 * B^T d: a row of pixels.
 */
INLINE void in_bytes(int m, const int8x8_t *d, int16x8_t *v)
{
	const int8x8_t four = vdup_n_s8(4);
	int16x8_t even, odd, twice, a, b;

	if (m == 2) {
		v[0] = vsubl_s8(d[0], d[2]);
		v[1] = vaddl_s8(d[1], d[2]);
		v[2] = vsubl_s8(d[2], d[1]);
		v[3] = vsubl_s8(d[1], d[3]);
		return;
	}
	even = vsubl_s8(d[4], d[2]);
	odd = vsubl_s8(d[3], d[1]);
	a = vmlsl_s8(vmovl_s8(d[4]), d[2], four);
	b = vmlsl_s8(vmovl_s8(d[3]), d[1], four);
	v[1] = vaddq_s16(a, b);
	v[2] = vsubq_s16(a, b);
	twice = vaddq_s16(odd, odd);
	v[3] = vaddq_s16(even, twice);
	v[4] = vsubq_s16(even, twice);
	v[0] = vmlal_s8(vsubw_s8(a, d[2]), d[0], four);
	v[5] = vmlsq_s16(vsubl_s8(d[5], d[3]), odd, vdupq_n_s16(4));
}

/* A column, after its rows. */
INLINE void in_column(int m, const int16x8_t *d, int16x8_t *v)
{
	const int16x8_t four = vdupq_n_s16(4);
	int16x8_t even, odd, twice, last, a, b;

	if (m == 2) {
		v[0] = vsubq_s16(d[0], d[2]);
		v[1] = vaddq_s16(d[1], d[2]);
		v[2] = vsubq_s16(d[2], d[1]);
		v[3] = vsubq_s16(d[1], d[3]);
		return;
	}
	even = vsubq_s16(d[4], d[2]);
	odd = vsubq_s16(d[3], d[1]);
	last = vsubq_s16(d[5], d[3]);
	a = mls_behind(d[4], d[2], four, even);
	b = mls_behind(d[3], d[1], four, odd);
	v[1] = vaddq_s16(a, b);
	v[2] = vsubq_s16(a, b);
	twice = vaddq_s16(odd, odd);
	v[3] = vaddq_s16(even, twice);
	v[4] = vsubq_s16(even, twice);
	v[0] = vmlaq_s16(vsubq_s16(a, d[2]), d[0], four);
	v[5] = vmlsq_s16(last, odd, four);
}

/* 8 channels from c on. */
INLINE void load_8(const void *const *at, size_t c, char *v, size_t v_step,
		   int mh, int mw)
{
	int ph = mh + 2, pw = mw + 2, y, x;
	int16x8_t half[6][6], d[6], t[6];
	int8x8_t b[6];

#pragma GCC unroll 6
	for (y = 0; y < ph; y++, at += pw) {
#pragma GCC unroll 6
		for (x = 0; x < pw; x++)
			b[x] = vld1_s8((const int8_t *)at[x] + c);
		in_bytes(mw, b, half[y]);
	}
#pragma GCC unroll 6
	for (x = 0; x < pw; x++) {
		char *to = v + (size_t)x * v_step;

#pragma GCC unroll 6
		for (y = 0; y < ph; y++)
			d[y] = half[y][x];
		in_column(mh, d, t);
#pragma GCC unroll 6
		for (y = 0; y < ph; y++)
			store_16(&to, t[y], v_step * (size_t)pw);
	}
}

/* The first n < 8 bytes, then zeros. */
static inline uint64_t some_bytes(const uint8_t *p, int n)
{
	uint64_t x = 0;
	uint32_t four;
	uint16_t two;

	if (n & 1)
		x = p[n - 1];
	if (n & 2) {
		memcpy(&two, p + (n & 4), sizeof(two));
		x = x << 16 | two;
	}
	if (n & 4) {
		memcpy(&four, p, sizeof(four));
		x = x << 32 | four;
	}
	return x;
}

/* The last `n` channels, from c on, with zeros to a whole vector: a copy. */
INLINE void load_rest(const void *const *at, int c, int n, char *v,
		      size_t v_step, int mh, int mw)
{
	const void *copy[36];
	uint64_t pixel[36];
	int i;

	for (i = 0; i < (mh + 2) * (mw + 2); i++) {
		pixel[i] = some_bytes((const uint8_t *)at[i] + c, n);
		copy[i] = &pixel[i];
	}
	asm volatile("" ::: "memory");
	load_8(copy, 0, v, v_step, mh, mw);
}

INLINE void load_tile(const void *const *at, int channels, char *v,
		      size_t v_step, int mh, int mw)
{
	int c;

	for (c = 0; c + 8 <= channels; c += 8)
		load_8(at, (size_t)c, v + c * 2, v_step, mh, mw);
	if (c < channels)
		load_rest(at, c, channels - c, v + c * 2, v_step, mh, mw);
}

/*
 * The output. Where finish says `high` and `early_bias` (conv.h), as it nearly always
 * does, the bias comes before the transform: position (1, 1) goes into every
 * output with the factor 1. And z = 2^d (acc + bias), which the transform gives,
 * is scaled as it is: sqdmulh is floor(z * mult / 2^31), of which a rounding
 * shift by shift + d - 31 is exact.
 *
 * Four filters go through all of it, then the other four: half a tile fits the
 * registers.
 */
struct quick {
	int32x4_t bias, mult, shift, inverse; /* shift: to the left */
	int16x8_t offset;		      /* of 4 filters, twice */
	int8x16_t lo, hi;		      /* and four times */
};

/* 2^d / factor of the accumulator is odd: its inverse modulo 2^32. */
INLINE int32_t inverse_of(int mh, int mw)
{
	return mh == 4 && mw == 4 ? 0x38e38e39 :
	       mh == 4 || mw == 4 ? (int32_t)0xaaaaaaab :
				    1;
}

INLINE struct quick quick_of(const struct vgg_finish_s8 *f, int first, int mh,
			     int mw)
{
	int d = 2 + 2 * (mh == 4) + 2 * (mw == 4);
	int32_t factor = (mh == 4 ? 24 : 2) * (mw == 4 ? 24 : 2);
	int16x4_t offset = vmovn_s32(vld1q_s32(f->offset + first));
	struct quick q;

	q.bias = vmulq_n_s32(vld1q_s32(f->bias + first), factor);
	q.mult = vld1q_s32(f->mult + first);
	q.shift = vsubq_s32(vdupq_n_s32(31 - d), vld1q_s32(f->shift + first));
	q.inverse = vdupq_n_s32(inverse_of(mh, mw));
	q.offset = vcombine_s16(offset, offset);
	q.lo = vdupq_n_s8((int8_t)f->lo);
	q.hi = vdupq_n_s8((int8_t)f->hi);
	/* Otherwise it is the accumulator's. Beyond 127 it is hi anyway. */
	if (f->relu && f->rising)
		q.lo = vmaxq_s8(q.lo, vcombine_s8(vqmovn_s16(q.offset),
						  vqmovn_s16(q.offset)));
	return q;
}

/* A^T m */
INLINE void out_4(int m, const int32x4_t *d, int32x4_t *y)
{
	int32x4_t s1, d1, s2, d2, twice;

	if (m == 2) {
		y[0] = vaddq_s32(vaddq_s32(d[0], d[1]), d[2]);
		y[1] = vsubq_s32(vsubq_s32(d[1], d[2]), d[3]);
		return;
	}
	s1 = vaddq_s32(d[1], d[2]);
	d1 = vsubq_s32(d[1], d[2]);
	s2 = vaddq_s32(d[3], d[4]);
	d2 = vsubq_s32(d[3], d[4]);
	twice = vaddq_s32(d2, d2);
	y[0] = vaddq_s32(vaddq_s32(d[0], s1), s2);
	y[1] = vaddq_s32(d1, twice);
	y[2] = mla_behind(s1, s2, vdupq_n_s32(4), y[0]);
	y[3] = mla_behind(d1, vaddq_s32(twice, d[5]), vdupq_n_s32(4), y[1]);
}

/* M to half[x][y]: rows transformed, for 4 filters. */
INLINE void out_rows(const char *m, size_t step, int32x4_t bias,
		     int32x4_t half[4][6], int mh, int mw)
{
	int ph = mh + 2, pw = mw + 2, y, x;
	int32x4_t d[6], t[4];

#pragma GCC unroll 6
	for (y = 0; y < ph; y++) {
#pragma GCC unroll 6
		for (x = 0; x < pw; x++)
			d[x] = load_32(&m, step);
		if (y == 1)
			d[1] = vaddq_s32(d[1], bias);
		out_4(mw, d, t);
#pragma GCC unroll 4
		for (x = 0; x < mw; x++)
			half[x][y] = t[x];
	}
}

INLINE int32x4_t scale(const struct quick *q, int32x4_t z, bool relu)
{
	if (relu)
		z = vmaxq_s32(z, vdupq_n_s32(0));
	return vrshlq_s32(vqdmulhq_s32(z, q->mult), q->shift);
}

/* Four pixels of 4 filters. */
INLINE int8x16_t finish_4(const struct quick *q, const int32x4_t *z, bool relu)
{
	int16x8_t a, b;

	a = vqmovn_high_s32(vqmovn_s32(scale(q, z[0], relu)),
			    scale(q, z[1], relu));
	b = vqmovn_high_s32(vqmovn_s32(scale(q, z[2], relu)),
			    scale(q, z[3], relu));
	a = vqaddq_s16(a, q->offset);
	b = vqaddq_s16(b, q->offset);
	return vminq_s8(vmaxq_s8(vqmovn_high_s16(vqmovn_s16(a), b), q->lo),
			q->hi);
}

/* Of 4 filters, the tile's results: pixel (y, x) is number x * rows + y. */
INLINE void finish_half(const struct vgg_store *s, int first, int8x16_t *to,
			int mh, int mw, bool pool, bool relu)
{
	struct quick q = quick_of(s->finish, first, mh, mw);
	int32x4_t half[4][6], z[16];
	int x, y;

	out_rows(s->m + first * 4, s->m_step, q.bias, half, mh, mw);
#pragma GCC unroll 4
	for (x = 0; x < mw; x++) {
		int32x4_t *at = z + x * mh;

		out_4(mh, half[x], at);
		if (mh == 4 || mw == 4)
#pragma GCC unroll 4
			for (y = 0; y < mh; y++)
				at[y] = vmulq_s32(at[y], q.inverse);
		if (!pool && (x + 1) * mh % 4 == 0) {
			at = z + (x + 1) * mh - 4;
			to[x * mh / 4] = finish_4(&q, at, relu);
		}
	}
	if (!pool)
		return;
#pragma GCC unroll 2
	for (x = 0; x < mw / 2; x++)
#pragma GCC unroll 2
		for (y = 0; y < mh / 2; y++) {
			int32x4_t *at = z + 2 * x * mh + 2 * y;

			z[x * mh / 2 + y] =
				vmaxq_s32(vmaxq_s32(at[0], at[1]),
					  vmaxq_s32(at[mh], at[mh + 1]));
		}
	for (x = mh * mw / 4; x < 4; x++)
		z[x] = z[0];
	*to = finish_4(&q, z, relu);
}

/* Those that exist of pixels in the order of finish_half(). */
static void copy_pixels(const struct vgg_store *s, const int8_t *pixels,
			int rows)
{
	int y, x;

	for (y = 0; y < s->rows; y++)
		for (x = 0; x < s->cols; x++)
			memcpy(s->out + (size_t)y * s->pitch +
				       (size_t)x * s->pixel,
			       pixels + (x * rows + y) * 8,
			       (size_t)s->channels);
}

/* Pixel p, which is one half of `two`, and p + 1, the other. */
INLINE void put_two(char **row, size_t pixel, int8x16_t two, int p, int rows,
		    int all)
{
	asm volatile("st1	{%1.d}[0], [%0], %2"
		     : "+r"(row[p % rows])
		     : "w"(two), "r"(pixel)
		     : "memory");
	if (p + 1 < all)
		asm volatile("st1	{%1.d}[1], [%0], %2"
			     : "+r"(row[(p + 1) % rows])
			     : "w"(two), "r"(pixel)
			     : "memory");
}

/* Results of 4 filters and of the other 4, to pixels of 8. */
INLINE void put_all(const struct vgg_store *s, const int8x16_t *a,
		    const int8x16_t *b, int rows, int all)
{
	size_t pixel = s->pixel, pitch = s->pitch;
	int i;
	char *row[4];

	row[0] = s->out;
	for (i = 1; i < rows; i++)
		row[i] = row[i - 1] + pitch;
#pragma GCC unroll 4
	for (i = 0; i < all; i += 4, a++, b++) {
		int32x4_t x = vreinterpretq_s32_s8(*a);
		int32x4_t y = vreinterpretq_s32_s8(*b);

		put_two(row, pixel, vreinterpretq_s8_s32(vzip1q_s32(x, y)), i,
			rows, all);
		if (i + 2 < all)
			put_two(row, pixel,
				vreinterpretq_s8_s32(vzip2q_s32(x, y)), i + 2,
				rows, all);
	}
}

INLINE void store_half_by_half(const struct vgg_store *s, int mh, int mw,
			       bool pool, bool relu)
{
	int rows = pool ? mh / 2 : mh, cols = pool ? mw / 2 : mw;
	int8x16_t part[2][4];
	int8_t pixels[16 * 8];
	struct vgg_store all;

	finish_half(s, 0, part[0], mh, mw, pool, relu);
	finish_half(s, 4, part[1], mh, mw, pool, relu);
	if (s->rows == rows && s->cols == cols && s->channels == 8) {
		put_all(s, part[0], part[1], rows, rows * cols);
		return;
	}
	/* A tile at the edge. */
	all = (struct vgg_store){ .out = (char *)pixels,
				  .pixel = (size_t)rows * 8,
				  .pitch = 8 };
	put_all(&all, part[0], part[1], rows, rows * cols);
	copy_pixels(s, pixels, rows);
}

/* False if it isn't for here. */
INLINE bool own_store(const struct vgg_store *s, int mh, int mw)
{
	const struct vgg_finish_s8 *f = s->finish;
	bool relu = f->relu && !f->rising;

	if (!f->high || !f->early_bias || (s->pool && !f->rising))
		return false;
	if (s->pool)
		store_half_by_half(s, mh, mw, true, false);
	else if (relu)
		store_half_by_half(s, mh, mw, false, true);
	else
		store_half_by_half(s, mh, mw, false, false);
	return true;
}
