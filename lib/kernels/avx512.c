// SPDX-License-Identifier: MIT
/*
 * AVX-512 with VNNI: int16 products in pairs for Winograd, int8 products in
 * fours elsewhere. These multiply unsigned by signed bytes, so one side is
 * taken 128 larger and what that adds is subtracted again.
 *
 * In gemm a block of 32 filters is two registers; up to 12 tiles give 24
 * accumulators, which leaves enough of the 32 registers for two of weights and
 * some of values. Eight sums in flight are what the latency of a product asks
 * for: groups of tiles are balanced, so that few are smaller than four.
 */
#include "kernels/engines.h"

#ifdef __x86_64__
#include <immintrin.h>

#define BLOCK 32
#define IN_LANES 32
#define OUT_LANES 16
#define TILES 12

typedef int16_t vec16 __attribute__((vector_size(64)));
typedef int32_t vec32 __attribute__((vector_size(64)));

static inline vec16 widen(const int8_t *p)
{
	return (vec16)_mm512_cvtepi8_epi16(
		_mm256_loadu_si256((const __m256i *)p));
}

#define HAVE_WIDEN_SOME
static inline vec16 widen_some(const int8_t *p, int n)
{
	return (vec16)_mm512_cvtepi8_epi16(
		_mm256_maskz_loadu_epi8((1u << n) - 1, p));
}

static inline vec32 largest(vec32 a, vec32 b)
{
	return (vec32)_mm512_max_epi32((__m512i)a, (__m512i)b);
}

static inline __m512i floor_of(const struct vgg_finish_s8 *f)
{
	return _mm512_set1_epi32(f->relu ? 0 : INT32_MIN);
}

/* Accumulators of 16 filters times their multipliers, which lie in the low
 * halves of `even` and `odd`; shifts beyond 32 (vgg_finish_s8.high). */
static inline __m512i high_half(__m512i a, __m512i even, __m512i odd,
				__m512i half, __m512i down)
{
	even = _mm512_mul_epi32(a, even);
	odd = _mm512_mul_epi32(_mm512_srli_epi64(a, 32), odd);
	a = _mm512_mask_shuffle_epi32(odd, 0x5555, even, 0xf5);
	return _mm512_srav_epi32(_mm512_add_epi32(a, half), down);
}

/*
 * Other shifts, for eight filters: what fits 16 bits behind a shift of at most
 * 32 is below 2^48 before it, so doubles hold it exactly, and what they round
 * stays beyond 16 bits.
 */
static inline __m256i by_doubles(__m256i acc, const int32_t *mult,
				 const int32_t *shift)
{
	__m512d m =
		_mm512_cvtepi32_pd(_mm256_loadu_si256((const __m256i *)mult));
	__m512d down =
		_mm512_cvtepi32_pd(_mm256_loadu_si256((const __m256i *)shift));
	__m512d x;

	m = _mm512_scalef_pd(m, _mm512_sub_pd(_mm512_setzero_pd(), down));
	x = _mm512_mul_pd(_mm512_cvtepi32_pd(acc), m);
	x = _mm512_roundscale_pd(_mm512_add_pd(x, _mm512_set1_pd(0.5)),
				 _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
	x = _mm512_min_pd(x, _mm512_set1_pd(INT16_MAX));
	x = _mm512_max_pd(x, _mm512_set1_pd(INT16_MIN));
	return _mm512_cvttpd_epi32(x);
}

/* Filters i..i+15, whatever their shifts. */
static inline __m512i scale_any(vec32 acc, const struct vgg_finish_s8 *f, int i)
{
	__m512i mult = _mm512_loadu_si512(f->mult + i), a, high, low;
	__mmask16 large = _mm512_cmpgt_epi32_mask(
		_mm512_loadu_si512(f->shift + i), _mm512_set1_epi32(32));

	a = _mm512_add_epi32((__m512i)acc, _mm512_loadu_si512(f->bias + i));
	a = _mm512_max_epi32(a, floor_of(f));
	high = high_half(a, mult, _mm512_srli_epi64(mult, 32),
			 _mm512_loadu_si512(f->half + i),
			 _mm512_loadu_si512(f->down + i));
	if (f->high)
		return high;
	low = _mm512_castsi256_si512(by_doubles(_mm512_castsi512_si256(a),
						f->mult + i, f->shift + i));
	low = _mm512_inserti64x4(low,
				 by_doubles(_mm512_extracti64x4_epi64(a, 1),
					    f->mult + i + 8, f->shift + i + 8),
				 1);
	return _mm512_mask_mov_epi32(low, large, high);
}

/* Offsets of 16 bits in the order of narrow(). */
static inline __m512i offsets(const struct vgg_finish_s8 *f)
{
	return _mm512_packs_epi32(_mm512_loadu_si512(f->offset),
				  _mm512_loadu_si512(f->offset + 16));
}

/* Offset and clamp. Packs work in lanes of four filters of each half; the last
 * permutation gathers the first half's dwords, then the second's. */
static inline void narrow(__m512i a, __m512i b, __m512i offset, __m512i lo,
			  __m512i hi, int8_t *to)
{
	const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0,
						0, 0, 0, 0, 0, 0);

	a = _mm512_adds_epi16(_mm512_packs_epi32(a, b), offset);
	a = _mm512_min_epi16(_mm512_max_epi16(a, lo), hi);
	a = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(a, a));
	_mm256_storeu_si256((__m256i *)to, _mm512_castsi512_si256(a));
}

static inline void put(const vec32 *acc, const struct vgg_finish_s8 *f,
		       int8_t *to)
{
	narrow(scale_any(acc[0], f, 0), scale_any(acc[1], f, 16), offsets(f),
	       _mm512_set1_epi16((short)f->lo), _mm512_set1_epi16((short)f->hi),
	       to);
}

#define OWN_STORE
static inline bool own_store(const struct vgg_store *s, int mh, int mw);

#include "kernels/s8_inner.h"

/*
 * What is common, with a block's finish in registers: put() would read it for
 * each pixel, and cost more than the transform.
 */
struct scale {
	__m512i bias[2], even[2], odd[2], half[2], down[2];
	__m512i offset, floor, lo, hi;
};

INLINE struct scale prepare(const struct vgg_finish_s8 *f)
{
	struct scale s = { .offset = offsets(f),
			   .floor = floor_of(f),
			   .lo = _mm512_set1_epi16((short)f->lo),
			   .hi = _mm512_set1_epi16((short)f->hi) };
	int v;

#pragma GCC unroll 2
	for (v = 0; v < 2; v++) {
		s.bias[v] = _mm512_loadu_si512(f->bias + v * 16);
		s.even[v] = _mm512_loadu_si512(f->mult + v * 16);
		s.odd[v] = _mm512_srli_epi64(s.even[v], 32);
		s.half[v] = _mm512_loadu_si512(f->half + v * 16);
		s.down[v] = _mm512_loadu_si512(f->down + v * 16);
	}
	return s;
}

INLINE __m512i scaled(vec32 acc, const struct scale *s, int v)
{
	__m512i a = _mm512_add_epi32((__m512i)acc, s->bias[v]);

	a = _mm512_max_epi32(a, s->floor);
	return high_half(a, s->even[v], s->odd[v], s->half[v], s->down[v]);
}

INLINE void put_fast(vec32 a, vec32 b, const struct scale *s, char *to)
{
	narrow(scaled(a, s, 0), scaled(b, s, 1), s->offset, s->lo, s->hi,
	       (int8_t *)to);
}

INLINE void row_fast(const struct vgg_store *s, const vec32 half[VECTORS][6],
		     const struct scale *f, char *out, int mh, int mw)
{
	vec32 z[4][VECTORS];
	int x;

	finish_row(half, z, mh, mw);
#pragma GCC unroll 4
	for (x = 0; x < mw; x++)
		if (x < s->cols)
			put_fast(z[x][0], z[x][1], f,
				 out + (size_t)x * s->pixel);
}

INLINE void pooled_row_fast(const struct vgg_store *s,
			    const vec32 half[2][VECTORS][6],
			    const struct scale *f, char *out, int mh, int mw)
{
	vec32 z[2][4][VECTORS], best[VECTORS];
	int x, v;

	finish_row(half[0], z[0], mh, mw);
	finish_row(half[1], z[1], mh, mw);
#pragma GCC unroll 2
	for (x = 0; x < mw / 2; x++) {
		if (x >= s->cols)
			break;
#pragma GCC unroll 2
		for (v = 0; v < VECTORS; v++)
			best[v] = largest(
				largest(z[0][2 * x][v], z[0][2 * x + 1][v]),
				largest(z[1][2 * x][v], z[1][2 * x + 1][v]));
		put_fast(best[0], best[1], f, out + (size_t)x * s->pixel);
	}
}

INLINE bool own_store(const struct vgg_store *s, int mh, int mw)
{
	const struct vgg_finish_s8 *f = s->finish;
	vec32 half[4][VECTORS][6];
	struct scale scale;
	char *out = s->out;
	int y;

	if (!f->high || s->channels != BLOCK || (s->pool && !f->rising))
		return false;
	transform_columns(s, half, mh, mw);
	scale = prepare(f);
	for (y = 0; y < s->rows; y++, out += s->pitch)
		if (s->pool)
			pooled_row_fast(s, &half[2 * y], &scale, out, mh, mw);
		else
			row_fast(s, half[y], &scale, out, mh, mw);
	return true;
}

/* Four bytes of V for all filters. */
INLINE __m512i spread(const char *v)
{
	int32_t x;

	memcpy(&x, v, sizeof(x));
	return _mm512_set1_epi32(x);
}

INLINE __m512i madd(__m512i acc, __m512i u, __m512i v, bool bytes)
{
	return bytes ? _mm512_dpbusd_epi32(acc, v, u) :
		       _mm512_dpwssd_epi32(acc, u, v);
}

/* What the cache should have next: while a group is computed, every step asks
 * for one line of V and one or two of U. */
struct ahead {
	const char *u, *v;
	ptrdiff_t other; /* from u to the second line */
};

/* Hides how pointers are related, so that each stays in its register. */
#define KEEP(p) __asm__("" : "+r"(p))

/* One position of up to TILES tiles: `steps` times four bytes of V. */
INLINE void multiply(const char *u, const char *v, size_t pitch, int steps,
		     char *m, struct ahead next, int tiles, bool bytes)
{
	const char *row[TILES / 3];
	__m512i acc[TILES][2];
	int t;

#pragma GCC unroll 4
	for (t = 0; t < TILES / 3; t++) {
		row[t] = v + (size_t)t * 3 * pitch;
		KEEP(row[t]);
	}
#pragma GCC unroll 12
	for (t = 0; t < tiles; t++)
		acc[t][0] = acc[t][1] = _mm512_setzero_si512();
	for (; steps; steps--, u += 128) {
		__m512i u0 = _mm512_loadu_si512(u);
		__m512i u1 = _mm512_loadu_si512(u + 64);

		_mm_prefetch(next.u, _MM_HINT_T0);
		_mm_prefetch(next.u + next.other, _MM_HINT_T0);
		_mm_prefetch(next.v, _MM_HINT_T0);
		next.u += 64;
		next.v += 64;
#pragma GCC unroll 12
		for (t = 0; t < tiles; t++) {
			__m512i x =
				spread(row[t / 3] + (size_t)(t % 3) * pitch);

			acc[t][0] = madd(acc[t][0], u0, x, bytes);
			acc[t][1] = madd(acc[t][1], u1, x, bytes);
		}
#pragma GCC unroll 4
		for (t = 0; t < (tiles + 2) / 3; t++) {
			row[t] += 4;
			KEEP(row[t]);
		}
	}
#pragma GCC unroll 12
	for (t = 0; t < tiles; t++) {
		_mm512_storeu_si512(m + t * 128, acc[t][0]);
		_mm512_storeu_si512(m + t * 128 + 64, acc[t][1]);
	}
}

/* One group of tiles at one position. */
INLINE void group(const struct vgg_gemm *g, const char *u, const char *v,
		  char *m, struct ahead next, int tiles, bool bytes)
{
	int steps = g->k / (bytes ? 4 : 2);

	switch (tiles) {
#define CASE(n)                                                       \
	case n:                                                       \
		multiply(u, v, g->v_pitch, steps, m, next, n, bytes); \
		break;
		CASE(1)
		CASE(2)
		CASE(3)
		CASE(4)
		CASE(5)
		CASE(6)
		CASE(7)
		CASE(8)
		CASE(9)
		CASE(10)
		CASE(11)
		CASE(12)
#undef CASE
	}
}

INLINE void position(const struct vgg_gemm *g, int p, bool bytes)
{
	int groups = (g->tiles + TILES - 1) / TILES, done = 0, end, i;
	const char *u = g->u + (size_t)p * g->u_step;
	const char *v = g->v + (size_t)p * g->v_step;
	char *m = g->m + (size_t)p * g->m_step;
	struct ahead next;

	for (i = 0; i < groups; i++, done = end) {
		end = (int)((int64_t)g->tiles * (i + 1) / groups);
		/* The two halves of the next position's weights. */
		next.u = u + g->u_step;
		next.other = groups == 1 ? (ptrdiff_t)(g->u_step / 2) : 0;
		if (i == 1)
			next.u += g->u_step / 2;
		if (i > 1)
			next.u = u;
		next.v = i + 1 < groups	      ? v + (size_t)end * g->v_pitch :
			 p + 1 < g->positions ? v + g->v_step :
						g->v;
		group(g, u, v + (size_t)done * g->v_pitch,
		      m + (size_t)done * BLOCK * 4, next, end - done, bytes);
	}
}

INLINE void gemm(const struct vgg_gemm *g, bool bytes)
{
	int p;

	for (p = 0; p < g->positions; p++)
		position(g, p, bytes);
}

static void gemm_pairs(const struct vgg_gemm *g)
{
	gemm(g, false);
}

static void gemm_fours(const struct vgg_gemm *g)
{
	gemm(g, true);
}

/* x + 128 */
static void gather(const void *from, size_t n, char *v)
{
	const __m512i flip = _mm512_set1_epi8(-128);
	const char *x = from;
	__mmask64 rest;

	for (; n > 64; n -= 64, x += 64, v += 64)
		_mm512_storeu_si512(
			v, _mm512_xor_si512(_mm512_loadu_si512(x), flip));
	rest = ~0ull >> (64 - n);
	_mm512_mask_storeu_epi8(
		v, rest,
		_mm512_xor_si512(_mm512_maskz_loadu_epi8(rest, x), flip));
}

static const struct vgg_engine winograd_s8 = {
	.elem = 2,
	.step = 2,
	.chunk = IN_LANES,
	.block = BLOCK,
	.least_tiles = 30,
	.byte_cost = 5,
	.sizes = 1 << 4 | 1 << 2,
	.load = LOADS,
	.gemm = { gemm_pairs, gemm_pairs },
	.store = STORES,
};

static const struct vgg_engine direct_s8 = {
	.elem = 1,
	.step = 4,
	.chunk = 64,
	.block = BLOCK,
	.unsigned_v = true,
	.byte_cost = 10,
	.gather = gather,
	.gemm = { gemm_fours, gemm_fours },
	.store = { { store_direct } },
};

/*
 * Bandwidth is the limit: weights are read once, where they lie. Eight rows at a
 * time keep more of the prefetchers busy than one (38 to 40 GB/s instead of 30
 * to 32 on a Zen 5 core; prefetch instructions made all of it slower). Weights
 * are taken 128 larger, which adds 128 times the sum of x to every row.
 */
#define ROWS 8
INLINE void dot_rows(const int8_t *x, const int8_t *w, size_t n, int rows,
		     int32_t extra, int32_t *acc)
{
	const __m512i flip = _mm512_set1_epi8(-128);
	__m512i sum[ROWS], some;
	__mmask64 rest;
	size_t i;
	int r;

#pragma GCC unroll 8
	for (r = 0; r < rows; r++)
		sum[r] = _mm512_setzero_si512();
	for (i = 0; n - i >= 64; i += 64) {
		some = _mm512_loadu_si512(x + i);
#pragma GCC unroll 8
		for (r = 0; r < rows; r++)
			sum[r] = _mm512_dpbusd_epi32(
				sum[r],
				_mm512_xor_si512(_mm512_loadu_si512(
							 w + (size_t)r * n + i),
						 flip),
				some);
	}
	rest = i < n ? ~0ull >> (64 - (n - i)) : 0;
	some = _mm512_maskz_loadu_epi8(rest, x + i);
#pragma GCC unroll 8
	for (r = 0; r < rows; r++) {
		/* Where x is 0, any weight is. */
		sum[r] = _mm512_dpbusd_epi32(
			sum[r],
			_mm512_xor_si512(_mm512_maskz_loadu_epi8(
						 rest, w + (size_t)r * n + i),
					 flip),
			some);
		acc[r] = _mm512_reduce_add_epi32(sum[r]) - extra;
	}
}

static int32_t sum_of(const int8_t *x, size_t n)
{
	const __m512i one = _mm512_set1_epi8(1);
	__m512i sum = _mm512_setzero_si512();
	size_t i;

	for (i = 0; n - i >= 64; i += 64)
		sum = _mm512_dpbusd_epi32(sum, one, _mm512_loadu_si512(x + i));
	if (i < n)
		sum = _mm512_dpbusd_epi32(
			sum, one,
			_mm512_maskz_loadu_epi8(~0ull >> (64 - (n - i)),
						x + i));
	return _mm512_reduce_add_epi32(sum);
}

static void dot_s8(const int8_t *x, const int8_t *w, size_t n, int rows,
		   int32_t *acc)
{
	int32_t extra = (int32_t)(128u * (uint32_t)sum_of(x, n));

	for (; rows >= ROWS; rows -= ROWS, w += ROWS * n, acc += ROWS)
		dot_rows(x, w, n, ROWS, extra, acc);
	for (; rows; rows--, w += n)
		dot_rows(x, w, n, 1, extra, acc++);
}

static bool usable(void)
{
	return __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vnni") &&
	       __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

const struct vgg_kernels vgg_kernels_avx512 = {
	.name = "avx512",
	.usable = usable,
	.winograd_s8 = &winograd_s8,
	.direct_s8 = &direct_s8,
	.winograd_f32 = &vgg_winograd_f32_avx512,
	.direct_f32 = &vgg_direct_f32_avx512,
	.dot_s8 = dot_s8,
	.pool = vgg_pool_vector,
	.affine = vgg_affine_scalar,
	.lrn = vgg_lrn_scalar,
};
#endif
