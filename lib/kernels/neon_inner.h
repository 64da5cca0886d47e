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

/* Three bytes, then zeros: compilers load two of them to another register. */
INLINE int8x8_t three_bytes(const int8_t *p)
{
	int8x8_t x;

	asm("ldr	%h0, %1" : "=w"(x) : "Q"(*(const int8_t(*)[2])p));
	return vld1_lane_s8(p + 2, x, 2);
}

/* at[i] and at[i + 1]: compilers don't pair these loads, so far apart are their
 * uses. `i` is a constant once loops are unrolled. */
INLINE void two_pixels(const void *const *at, size_t i, const int8_t **p)
{
	asm("ldp	%0, %1, [%2, %3]"
	    : "=r"(p[0]), "=r"(p[1])
	    : "r"(at), "i"(i * sizeof(*at)),
	      "m"(*(const void *const(*)[36])at));
}

/* 8 channels from c on, or three. */
INLINE void load_8(const void *const *at, size_t c, char *v, size_t v_step,
		   int mh, int mw, bool three)
{
	int ph = mh + 2, pw = mw + 2, y, x;
	/* Down a column, and from behind it to the head of the next. */
	size_t down = v_step * (size_t)pw, next = v_step - down * (size_t)ph;
	int16x8_t half[6][6], d[6], t[6];
	const int8_t *p[2];
	int8x8_t b[6];

#pragma GCC unroll 6
	for (y = 0; y < ph; y++) {
#pragma GCC unroll 6
		for (x = 0; x < pw; x += 2) {
			two_pixels(at, (size_t)(y * pw + x), p);
			b[x] = three ? three_bytes(p[0] + c) :
				       vld1_s8(p[0] + c);
			b[x + 1] = three ? three_bytes(p[1] + c) :
					   vld1_s8(p[1] + c);
		}
		in_bytes(mw, b, half[y]);
	}
#pragma GCC unroll 6
	for (x = 0; x < pw; x++, v += next) {
#pragma GCC unroll 6
		for (y = 0; y < ph; y++)
			d[y] = half[y][x];
		in_column(mh, d, t);
#pragma GCC unroll 6
		for (y = 0; y < ph; y++)
			store_16(&v, t[y], down);
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
INLINE void load_rest(const void *const *at, size_t c, int n, char *v,
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
	load_8(copy, 0, v, v_step, mh, mw, false);
}

INLINE void load_tile(const void *const *at, int channels, char *v,
		      size_t v_step, int mh, int mw)
{
	size_t c;

	for (c = 0; channels >= 8; c += 8, channels -= 8, v += 16)
		load_8(at, c, v, v_step, mh, mw, false);
	if (channels == 3) /* an image */
		load_8(at, c, v, v_step, mh, mw, true);
	else if (channels)
		load_rest(at, c, channels, v, v_step, mh, mw);
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
	return q;
}

/* What results are cut to: 8 filters, twice. */
struct bounds {
	int8x16_t lo, hi;
};

INLINE struct bounds bounds_of(const struct vgg_finish_s8 *f)
{
	struct bounds b = { vdupq_n_s8((int8_t)f->lo),
			    vdupq_n_s8((int8_t)f->hi) };
	int16x8_t offset;
	int8x8_t zero;

	/* Otherwise it is the accumulator's. Beyond 127 it is hi anyway. */
	if (f->relu && f->rising) {
		offset = vuzp1q_s16(
			vreinterpretq_s16_s32(vld1q_s32(f->offset)),
			vreinterpretq_s16_s32(vld1q_s32(f->offset + 4)));
		zero = vqmovn_s16(offset);
		b.lo = vmaxq_s8(b.lo, vcombine_s8(zero, zero));
	}
	return b;
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
	return vqmovn_high_s16(vqmovn_s16(a), b);
}

/* Of 4 filters, the tile's results, saturated: pixel (y, x) is number
 * x * rows + y. */
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

/*
 * The same for tiles of 4 x 4 in assembly: it needs all registers at once, of which
 * compilers spill some and copy others.
 *
 *   v0..v26	half[x][y], which takes 24, and what is free for a moment
 *   v27..v31	offset, shift, mult, the inverse, 4
 */
/* clang-format off */
/* out_4() of d0..d5: y0 is in d0, y1 in d3, y2 in t, y3 in d2. */
#define OUT_4(d0, d1, d2, d3, d4, d5, t)                   \
	"add	v" #t ".4s, v" #d1 ".4s, v" #d2 ".4s\n"    \
	"sub	v" #d2 ".4s, v" #d1 ".4s, v" #d2 ".4s\n"   \
	"add	v" #d1 ".4s, v" #d3 ".4s, v" #d4 ".4s\n"   \
	"sub	v" #d4 ".4s, v" #d3 ".4s, v" #d4 ".4s\n"   \
	"add	v" #d0 ".4s, v" #d0 ".4s, v" #t ".4s\n"    \
	"add	v" #d4 ".4s, v" #d4 ".4s, v" #d4 ".4s\n"   \
	"add	v" #d0 ".4s, v" #d0 ".4s, v" #d1 ".4s\n"   \
	"mla	v" #t ".4s, v" #d1 ".4s, v31.4s\n"         \
	"add	v" #d5 ".4s, v" #d5 ".4s, v" #d4 ".4s\n"   \
	"add	v" #d3 ".4s, v" #d2 ".4s, v" #d4 ".4s\n"   \
	"mla	v" #d2 ".4s, v" #d5 ".4s, v31.4s\n"
#define M(d) "ld1	{v" #d ".4s}, [%[m]], %[step]\n"
#define ROW(bias, d0, d1, d2, d3, d4, d5, t) \
	M(d0) M(d1) M(d2) M(d3) M(d4) M(d5) bias OUT_4(d0, d1, d2, d3, d4, d5, t)
#define BIAS "mla	v4.4s, v25.4s, v26.4s\n"
#define ROWS_4                                                        \
	"ldr	q25, [%[f], %[bias]]\n"                               \
	"ldr	q28, [%[f], %[shift]]\n"                              \
	"ldr	q27, [%[f], %[offset]]\n"                             \
	"ldr	q29, [%[f], %[mult]]\n"                               \
	"dup	v26.4s, %w[factor]\n"                                 \
	"movi	v24.4s, #25\n" /* 31 - d */                           \
	"movi	v31.4s, #4\n"                                         \
	"dup	v30.4s, %w[inverse]\n"                                \
	"sub	v28.4s, v24.4s, v28.4s\n"                             \
	"uzp1	v27.8h, v27.8h, v27.8h\n"                             \
	ROW(, 0, 1, 2, 3, 4, 5, 6)                                    \
	ROW(BIAS, 1, 4, 5, 7, 8, 9, 10)                               \
	ROW(, 4, 8, 9, 11, 12, 13, 14)                                \
	ROW(, 8, 12, 13, 15, 16, 17, 18)                              \
	ROW(, 12, 16, 17, 19, 20, 21, 22)                             \
	ROW(, 16, 20, 21, 23, 24, 25, 26)
/* Four vectors, one after the other in time for cores that don't reorder. */
#define EACH(op, by, a, b, c, d)                                 \
	op "	v" #a ".4s, v" #a ".4s, v" #by ".4s\n"           \
	op "	v" #b ".4s, v" #b ".4s, v" #by ".4s\n"           \
	op "	v" #c ".4s, v" #c ".4s, v" #by ".4s\n"           \
	op "	v" #d ".4s, v" #d ".4s, v" #by ".4s\n"
/* A column; its outputs are a, b, c, d. */
#define COLUMN(a, d1, d, b, d4, d5, c)                           \
	OUT_4(a, d1, d, b, d4, d5, c) EACH("mul", 30, a, b, c, d)
#define COLUMN0 COLUMN(0, 1, 4, 8, 12, 16, 20)
#define COLUMN1 COLUMN(3, 7, 11, 15, 19, 23, 24)
#define COLUMN2 COLUMN(6, 10, 14, 18, 22, 26, 25)
#define COLUMN3 COLUMN(2, 5, 9, 13, 17, 21, 1)
/* finish_4(), to a. */
#define FINISH(a, b, c, d)                                       \
	EACH("sqdmulh", 29, a, b, c, d)                          \
	EACH("srshl", 28, a, b, c, d)                            \
	"sqxtn	v" #a ".4h, v" #a ".4s\n"                        \
	"sqxtn	v" #c ".4h, v" #c ".4s\n"                        \
	"sqxtn2	v" #a ".8h, v" #b ".4s\n"                        \
	"sqxtn2	v" #c ".8h, v" #d ".4s\n"                        \
	"sqadd	v" #a ".8h, v" #a ".8h, v27.8h\n"                \
	"sqadd	v" #c ".8h, v" #c ".8h, v27.8h\n"                \
	"sqxtn	v" #a ".8b, v" #a ".8h\n"                        \
	"sqxtn2	v" #a ".16b, v" #c ".8h\n"
#define LARGEST(a, b) "smax	v" #a ".4s, v" #a ".4s, v" #b ".4s\n"

#define HALF_4X4(code, ...)                                                  \
	asm volatile(ROWS_4 code                                             \
		     : [m] "+&r"(m), __VA_ARGS__                             \
		     : [f] "r"(f), [step] "r"(s->m_step),                    \
		       [factor] "r"(24 * 24),                                \
		       [inverse] "r"(inverse_of(4, 4)),                      \
		       [bias] "i"(offsetof(struct vgg_finish_s8, bias)),     \
		       [mult] "i"(offsetof(struct vgg_finish_s8, mult)),     \
		       [offset] "i"(offsetof(struct vgg_finish_s8, offset)), \
		       [shift] "i"(offsetof(struct vgg_finish_s8, shift))    \
		     : "v1", "v4", "v5", "v7", "v8", "v9", "v10", "v11",     \
		       "v12", "v13", "v14", "v15", "v16", "v17", "v18",      \
		       "v19", "v20", "v21", "v22", "v23", "v24", "v25",      \
		       "v26", "v27", "v28", "v29", "v30", "v31", "memory")

INLINE void finish_half_4x4(const struct vgg_store *s, int first, int8x16_t *to,
			    bool pool)
{
	register int8x16_t x0 asm("v0"), x1 asm("v3"), x2 asm("v6"),
		x3 asm("v2");
	const char *m = s->m + first * 4;
	const char *f = (const char *)s->finish + first * 4;

	if (pool) {
		HALF_4X4(COLUMN0 LARGEST(0, 8) LARGEST(20, 4)
			 COLUMN1 LARGEST(3, 15) LARGEST(24, 11)
			 LARGEST(0, 3) LARGEST(20, 24)
			 COLUMN2 LARGEST(6, 18) LARGEST(25, 14)
			 COLUMN3 LARGEST(2, 13) LARGEST(1, 9)
			 LARGEST(6, 2) LARGEST(25, 1)
			 FINISH(0, 20, 6, 25),
			 "=&w"(x0), "=&w"(x1), "=&w"(x2), "=&w"(x3));
		to[0] = x0;
		return;
	}
	HALF_4X4(COLUMN0 FINISH(0, 8, 20, 4) COLUMN1 FINISH(3, 15, 24, 11)
		 COLUMN2 FINISH(6, 18, 25, 14) COLUMN3 FINISH(2, 13, 1, 9),
		 "=&w"(x0), "=&w"(x1), "=&w"(x2), "=&w"(x3));
	to[0] = x0;
	to[1] = x1;
	to[2] = x2;
	to[3] = x3;
}
/* clang-format on */

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

INLINE int8x16_t cut_to(const struct bounds *c, int32x4_t two)
{
	return vminq_s8(vmaxq_s8(vreinterpretq_s8_s32(two), c->lo), c->hi);
}

/* Results of 4 filters and of the other 4, to pixels of 8. */
INLINE void put_all(const struct vgg_store *s, const int8x16_t *a,
		    const int8x16_t *b, int rows, int all)
{
	const struct bounds cut = bounds_of(s->finish);
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

		put_two(row, pixel, cut_to(&cut, vzip1q_s32(x, y)), i, rows,
			all);
		if (i + 2 < all)
			put_two(row, pixel, cut_to(&cut, vzip2q_s32(x, y)),
				i + 2, rows, all);
	}
}

INLINE void store_half_by_half(const struct vgg_store *s, int mh, int mw,
			       bool pool, bool relu)
{
	int rows = pool ? mh / 2 : mh, cols = pool ? mw / 2 : mw;
	int8x16_t part[2][4];
	int8_t pixels[16 * 8];
	struct vgg_store all;

	if (mh == 4 && mw == 4 && !relu) {
		finish_half_4x4(s, 0, part[0], pool);
		finish_half_4x4(s, 4, part[1], pool);
	} else {
		finish_half(s, 0, part[0], mh, mw, pool, relu);
		finish_half(s, 4, part[1], mh, mw, pool, relu);
	}
	if (s->rows == rows && s->cols == cols && s->channels == 8) {
		put_all(s, part[0], part[1], rows, rows * cols);
		return;
	}
	/* A tile at the edge. */
	all = (struct vgg_store){ .finish = s->finish,
				  .out = (char *)pixels,
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
