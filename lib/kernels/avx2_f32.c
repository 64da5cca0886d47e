// SPDX-License-Identifier: MIT
/* The fp32 engines in AVX2 with FMA and F16C. */
#ifdef __x86_64__
#include <immintrin.h>
#include <stdint.h>

#define LANES 8
#define BLOCK 16
#define TILES 6
#define BYTE_COST 2

typedef __m256 vec;

/* Of two numbers of which one is NaN, min and max give the second. */
static inline vec at_least(vec v, vec lo)
{
	return _mm256_max_ps(lo, v);
}

static inline vec at_most(vec v, vec hi)
{
	return _mm256_min_ps(hi, v);
}

static inline vec larger(vec a, vec b)
{
	return _mm256_blendv_ps(_mm256_max_ps(a, b), a,
				_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}

static inline vec widen_half(const uint16_t *h)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)h));
}

static inline vec load_some(const float *p, int n)
{
	__m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

	return _mm256_maskload_ps(
		p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane));
}

#include "kernels/f32_inner.h"

const struct vgg_engine vgg_winograd_f32_avx2 = winograd_engine;
const struct vgg_engine vgg_direct_f32_avx2 = direct_engine;
#endif
