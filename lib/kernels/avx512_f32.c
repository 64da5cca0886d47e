// SPDX-License-Identifier: MIT
/* The fp32 engines in AVX-512. */
#ifdef __x86_64__
#include <immintrin.h>
#include <stdint.h>

#define LANES 16
#define BLOCK 32
#define TILES 12
#define BYTE_COST 3

typedef __m512 vec;

/* Of two numbers of which one is NaN, min and max give the second. */
static inline vec at_least(vec v, vec lo)
{
	return _mm512_max_ps(lo, v);
}

static inline vec at_most(vec v, vec hi)
{
	return _mm512_min_ps(hi, v);
}

static inline vec larger(vec a, vec b)
{
	return _mm512_mask_mov_ps(_mm512_max_ps(a, b),
				  _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}

static inline vec widen_half(const uint16_t *h)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)h));
}

static inline vec load_some(const float *p, int n)
{
	return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

#include "kernels/f32_inner.h"

const struct vgg_engine vgg_winograd_f32_avx512 = winograd_engine;
const struct vgg_engine vgg_direct_f32_avx512 = direct_engine;
#endif
