// SPDX-License-Identifier: MIT
/*
 * AVX2: everything in int16 products of pairs. (Products of unsigned and signed
 * bytes exist, but their sums of two saturate.)
 *
 * In gemm a block of 16 filters is two registers; six tiles give 12
 * accumulators, which leaves of the 16 registers two of weights, one of values
 * and one of products.
 */
#include "kernels/engines.h"

#ifdef __x86_64__
#include <immintrin.h>

#define BLOCK 16
#define IN_LANES 16
#define OUT_LANES 8
#define TILES 6

typedef int16_t vec16 __attribute__((vector_size(32)));
typedef int32_t vec32 __attribute__((vector_size(32)));

static inline __m256i load256(const void *p)
{
	return _mm256_loadu_si256(p);
}

static inline vec16 widen(const int8_t *p)
{
	return (vec16)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}

static inline uint64_t bytes8(const int8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static inline uint32_t bytes4(const int8_t *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* n < 8 bytes, zeros behind them: two loads that overlap. */
static inline uint64_t few_bytes(const int8_t *p, int n)
{
	uint64_t x;

	if (n >= 4)
		return bytes4(p) | (uint64_t)bytes4(p + n - 4) << ((n - 4) * 8);
	if (!n)
		return 0;
	x = (uint64_t)(uint8_t)p[0];
	x |= (uint64_t)(uint8_t)p[n / 2] << (n / 2 * 8);
	return x | (uint64_t)(uint8_t)p[n - 1] << ((n - 1) * 8);
}

#define HAVE_WIDEN_SOME
static inline vec16 widen_some(const int8_t *p, int n)
{
	uint64_t low, high = 0;

	if (n >= 8) {
		low = bytes8(p);
		high = few_bytes(p + 8, n - 8);
	} else {
		low = few_bytes(p, n);
	}
	return (vec16)_mm256_cvtepi8_epi16(
		_mm_set_epi64x((long long)high, (long long)low));
}

static inline vec32 largest(vec32 a, vec32 b)
{
	return (vec32)_mm256_max_epi32((__m256i)a, (__m256i)b);
}

/* Accumulators of eight filters to the high halves of their products; shifts
 * beyond 32 (vgg_finish_s8.high). */
static inline __m256i high_half(__m256i a, const struct vgg_finish_s8 *f, int i)
{
	__m256i mult = load256(f->mult + i), even, odd;

	even = _mm256_mul_epi32(a, mult);
	odd = _mm256_mul_epi32(_mm256_srli_epi64(a, 32),
			       _mm256_srli_epi64(mult, 32));
	a = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
	a = _mm256_add_epi32(a, load256(f->half + i));
	return _mm256_srav_epi32(a, load256(f->down + i));
}

/*
 * Other shifts, for four filters: what fits 16 bits behind a shift of at most 32
 * is below 2^48 before it, so doubles hold it exactly, and what they round stays
 * beyond 16 bits. 2^-shift is made from its exponent.
 */
static inline __m128i by_doubles(__m128i acc, const int32_t *mult,
				 const int32_t *shift)
{
	__m256d m = _mm256_cvtepi32_pd(_mm_loadu_si128((const __m128i *)mult));
	__m256i down =
		_mm256_cvtepi32_epi64(_mm_loadu_si128((const __m128i *)shift));
	__m256d x;

	down = _mm256_sub_epi64(_mm256_set1_epi64x(1023), down);
	m = _mm256_mul_pd(m, _mm256_castsi256_pd(_mm256_slli_epi64(down, 52)));
	x = _mm256_mul_pd(_mm256_cvtepi32_pd(acc), m);
	x = _mm256_floor_pd(_mm256_add_pd(x, _mm256_set1_pd(0.5)));
	x = _mm256_min_pd(x, _mm256_set1_pd(INT16_MAX));
	x = _mm256_max_pd(x, _mm256_set1_pd(INT16_MIN));
	return _mm256_cvttpd_epi32(x);
}

/* Filters i..i+7, whatever their shifts. */
static inline __m256i scale_any(vec32 acc, const struct vgg_finish_s8 *f, int i)
{
	__m256i a = _mm256_add_epi32((__m256i)acc, load256(f->bias + i));
	__m256i high, low, large;

	a = _mm256_max_epi32(a, _mm256_set1_epi32(f->relu ? 0 : INT32_MIN));
	high = high_half(a, f, i);
	if (f->high)
		return high;
	low = _mm256_set_m128i(by_doubles(_mm256_extracti128_si256(a, 1),
					  f->mult + i + 4, f->shift + i + 4),
			       by_doubles(_mm256_castsi256_si128(a),
					  f->mult + i, f->shift + i));
	large = _mm256_cmpgt_epi32(load256(f->shift + i),
				   _mm256_set1_epi32(32));
	return _mm256_blendv_epi8(low, high, large);
}

/* Offset and clamp. Packs work in lanes of four filters of each half; the last
 * permutation gathers the first half's dwords, then the second's. */
static inline void put(const vec32 *acc, const struct vgg_finish_s8 *f,
		       int8_t *to)
{
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 0, 0, 0, 0);
	__m256i offset =
		_mm256_packs_epi32(load256(f->offset), load256(f->offset + 8));
	__m256i a = _mm256_packs_epi32(scale_any(acc[0], f, 0),
				       scale_any(acc[1], f, 8));

	a = _mm256_adds_epi16(a, offset);
	a = _mm256_max_epi16(a, _mm256_set1_epi16((short)f->lo));
	a = _mm256_min_epi16(a, _mm256_set1_epi16((short)f->hi));
	a = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, a), order);
	_mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(a));
}

#include "kernels/s8_inner.h"

/* Two values of V for all filters. */
INLINE __m256i spread(const char *v)
{
	int32_t x;

	memcpy(&x, v, sizeof(x));
	return _mm256_set1_epi32(x);
}

/* What the cache should have next: while a group is computed, every step asks
 * for a line of each. */
struct ahead {
	const char *u, *v;
};

/* Hides how pointers are related, so that each stays in its register. */
#define KEEP(p) __asm__("" : "+r"(p))

/* One position of up to TILES tiles: `steps` pairs of channels. */
INLINE void multiply(const char *u, const char *v, size_t pitch, int steps,
		     char *m, struct ahead next, int tiles)
{
	const char *w = v + 3 * pitch;
	__m256i acc[TILES][2];
	int t;

	KEEP(w);
#pragma GCC unroll 6
	for (t = 0; t < tiles; t++)
		acc[t][0] = acc[t][1] = _mm256_setzero_si256();
	for (; steps; steps--, u += 64, v += 4, w += 4) {
		__m256i u0 = load256(u), u1 = load256(u + 32);

		_mm_prefetch(next.u, _MM_HINT_T0);
		_mm_prefetch(next.v, _MM_HINT_T0);
		next.u += 64;
		next.v += 64;
#pragma GCC unroll 6
		for (t = 0; t < tiles; t++) {
			__m256i x = spread((t < 3 ? v : w) +
					   (size_t)(t % 3) * pitch);

			acc[t][0] = _mm256_add_epi32(acc[t][0],
						     _mm256_madd_epi16(u0, x));
			acc[t][1] = _mm256_add_epi32(acc[t][1],
						     _mm256_madd_epi16(u1, x));
		}
	}
#pragma GCC unroll 6
	for (t = 0; t < tiles; t++) {
		_mm256_storeu_si256((__m256i *)(m + t * 64), acc[t][0]);
		_mm256_storeu_si256((__m256i *)(m + t * 64 + 32), acc[t][1]);
	}
}

/* One group of tiles at one position. */
INLINE void group(const struct vgg_gemm *g, const char *u, const char *v,
		  char *m, struct ahead next, int tiles)
{
	switch (tiles) {
#define CASE(n)                                                   \
	case n:                                                   \
		multiply(u, v, g->v_pitch, g->k / 2, m, next, n); \
		break;
		CASE(1)
		CASE(2)
		CASE(3)
		CASE(4)
		CASE(5)
		CASE(6)
#undef CASE
	}
}

INLINE void position(const struct vgg_gemm *g, int p)
{
	int groups = (g->tiles + TILES - 1) / TILES, done = 0, end, i;
	const char *u = g->u + (size_t)p * g->u_step;
	const char *v = g->v + (size_t)p * g->v_step;
	char *m = g->m + (size_t)p * g->m_step;
	struct ahead next = { .u = u + g->u_step };

	for (i = 0; i < groups; i++, done = end) {
		end = (int)((int64_t)g->tiles * (i + 1) / groups);
		next.v = i + 1 < groups	      ? v + (size_t)end * g->v_pitch :
			 p + 1 < g->positions ? v + g->v_step :
						g->v;
		group(g, u, v + (size_t)done * g->v_pitch,
		      m + (size_t)done * BLOCK * 4, next, end - done);
		/* The next position's weights are asked for once. */
		next.u = u;
	}
}

static void gemm(const struct vgg_gemm *g)
{
	int p;

	for (p = 0; p < g->positions; p++)
		position(g, p);
}

static void gather(const void *from, size_t n, char *v)
{
	const int8_t *x = from;
	int16_t *to = (int16_t *)v;

	for (; n >= IN_LANES; n -= IN_LANES, x += IN_LANES, to += IN_LANES) {
		vec16 wide = widen(x);

		memcpy(to, &wide, sizeof(wide));
	}
	for (; n; n--)
		*to++ = *x++;
}

static const struct vgg_engine winograd_s8 = {
	.elem = 2,
	.step = 2,
	.chunk = IN_LANES,
	.block = BLOCK,
	.least_tiles = 18,
	.byte_cost = 3,
	.sizes = 1 << 4 | 1 << 2,
	.load = LOADS,
	.gemm = { gemm, gemm },
	.store = STORES,
};

static const struct vgg_engine direct_s8 = {
	.elem = 2,
	.step = 2,
	.chunk = IN_LANES,
	.block = BLOCK,
	.byte_cost = 3,
	.gather = gather,
	.gemm = { gemm, gemm },
	.store = { { store_direct } },
};

/* sum += x * w, 16 products */
static inline __m256i dot_step(__m256i sum, __m256i x, const int8_t *w)
{
	return _mm256_add_epi32(sum, _mm256_madd_epi16(x, (__m256i)widen(w)));
}

static inline int32_t total(__m256i sum)
{
	__m128i s = _mm_add_epi32(_mm256_castsi256_si128(sum),
				  _mm256_extracti128_si256(sum, 1));

	s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
	s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
	return _mm_cvtsi128_si32(s);
}

/* Rows share what is widened of x, and keep several of the CPU's prefetchers
 * busy. */
#define ROWS 4

INLINE void dot_rows(const int8_t *x, const int8_t *w, size_t n, int rows,
		     int32_t *acc)
{
	__m256i sum[ROWS][2];
	size_t i;
	int r;

#pragma GCC unroll 4
	for (r = 0; r < rows; r++)
		sum[r][0] = sum[r][1] = _mm256_setzero_si256();
	for (i = 0; n - i >= 32; i += 32) {
		__m256i x0 = (__m256i)widen(x + i);
		__m256i x1 = (__m256i)widen(x + i + 16);

#pragma GCC unroll 4
		for (r = 0; r < rows; r++) {
			const int8_t *from = w + (size_t)r * n + i;

			sum[r][0] = dot_step(sum[r][0], x0, from);
			sum[r][1] = dot_step(sum[r][1], x1, from + 16);
		}
	}
#pragma GCC unroll 4
	for (r = 0; r < rows; r++)
		acc[r] = total(_mm256_add_epi32(sum[r][0], sum[r][1]));
	for (; i < n; i++)
		for (r = 0; r < rows; r++)
			acc[r] += x[i] * w[(size_t)r * n + i];
}

static void dot_s8(const int8_t *x, const int8_t *w, size_t n, int rows,
		   int32_t *acc)
{
	for (; rows >= ROWS; rows -= ROWS, w += ROWS * n, acc += ROWS)
		dot_rows(x, w, n, ROWS, acc);
	for (; rows; rows--, w += n)
		dot_rows(x, w, n, 1, acc++);
}

static bool usable(void)
{
	return __builtin_cpu_supports("avx2") &&
	       __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

const struct vgg_kernels vgg_kernels_avx2 = {
	.name = "avx2",
	.usable = usable,
	.winograd_s8 = &winograd_s8,
	.direct_s8 = &direct_s8,
	.winograd_f32 = &vgg_winograd_f32_avx2,
	.direct_f32 = &vgg_direct_f32_avx2,
	.dot_s8 = dot_s8,
	.pool = vgg_pool_vector,
	.affine = vgg_affine_scalar,
	.lrn = vgg_lrn_scalar,
};
#endif
