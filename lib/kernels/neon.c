// SPDX-License-Identifier: MIT
/*
 * The engines of ARMv8.0, for its out-of-order cores (Cortex-A72) and its
 * in-order ones (Cortex-A53).
 *
 * int16 products take as long as fp32 ones there, 4 a cycle; int8 products are
 * twice as fast, but Winograd saves three multiplications of four. So Winograd
 * computes in int16, everything else in int8.
 */
#ifdef __aarch64__
#include "kernels/neon.h"

#define BLOCK VGG_NEON_BLOCK
#define IN_LANES 8
#define OUT_LANES 4

typedef int16x8_t vec16;
typedef int32x4_t vec32;

static inline vec32 largest(vec32 a, vec32 b)
{
	return vmaxq_s32(a, b);
}

static inline void put(const vec32 *acc, const struct vgg_finish_s8 *f,
		       int8_t *to)
{
	struct vgg_neon_finish n = vgg_neon_finish_of(f);

	vst1_s8(to, vgg_neon_requantize(&n, acc[0], acc[1]));
}

#include "kernels/neon_inner.h"
#include "kernels/s8_inner.h"

static const struct vgg_engine winograd_s8 = {
	.elem = 2,
	.step = 1,
	.chunk = IN_LANES,
	.block = BLOCK,
	.group = 7,
	.byte_cost = 1,
	.sizes = 1 << 4 | 1 << 2,
	.load = LOADS,
	.gemm = { vgg_neon_multiply, vgg_neon_multiply_in_order },
	.store = STORES,
};

/*
 * Direct: packed weights hold 8 channels of a filter side by side. A product of
 * int8 fits int16, a sum of two of them doesn't always (-128 * -128 twice), so
 * each is added to 32 bits at once. That costs an A72 nothing: sadalp has a pipe
 * of its own beside the multiplier's.
 */
#define PAIR 2 /* tiles at once: 16 accumulators */

INLINE void multiply_direct(const struct vgg_gemm *g, const int8_t *v,
			    int32_t *m, int tiles)
{
	const int8_t *u = (const int8_t *)g->u;
	int32x4_t acc[PAIR][BLOCK], a, b;
	int8x16_t w[BLOCK / 2], x;
	int k, t, f;

	for (t = 0; t < tiles; t++)
		for (f = 0; f < BLOCK; f++)
			acc[t][f] = vdupq_n_s32(0);
	for (k = 0; k < g->k; k += 8, v += 8, u += 8 * BLOCK) {
		for (f = 0; f < BLOCK / 2; f++)
			w[f] = vld1q_s8(u + 16 * f);
		for (t = 0; t < tiles; t++) {
			x = vreinterpretq_s8_s64(vld1q_dup_s64(
				(const int64_t *)(v + (size_t)t * g->v_pitch)));
			for (f = 0; f < BLOCK; f += 2) {
				acc[t][f] = vpadalq_s16(
					acc[t][f],
					vmull_s8(vget_low_s8(w[f / 2]),
						 vget_low_s8(x)));
				acc[t][f + 1] =
					vpadalq_s16(acc[t][f + 1],
						    vmull_high_s8(w[f / 2], x));
			}
		}
	}
	for (t = 0; t < tiles; t++)
		for (f = 0; f < BLOCK; f += 4, m += 4) {
			a = vpaddq_s32(acc[t][f], acc[t][f + 1]);
			b = vpaddq_s32(acc[t][f + 2], acc[t][f + 3]);
			vst1q_s32(m, vpaddq_s32(a, b));
		}
}

static void gemm_direct(const struct vgg_gemm *g)
{
	const int8_t *v = (const int8_t *)g->v;
	int32_t *m = (int32_t *)g->m;
	int t;

	for (t = 0; t + PAIR <= g->tiles; t += PAIR) {
		multiply_direct(g, v, m, PAIR);
		v += PAIR * g->v_pitch;
		m += PAIR * BLOCK;
	}
	if (t < g->tiles)
		multiply_direct(g, v, m, 1);
}

static void gather(const void *from, size_t n, char *v)
{
	memcpy(v, from, n);
}

static const struct vgg_engine direct_s8 = {
	.elem = 1,
	.step = 8,
	.chunk = 8,
	.block = BLOCK,
	.group = PAIR,
	.byte_cost = 2,
	.gather = gather,
	.gemm = { gemm_direct, gemm_direct },
	.store = { { store_direct } },
};

static bool always(void)
{
	return true;
}

const struct vgg_kernels vgg_kernels_neon = {
	.name = "neon",
	.usable = always,
	.winograd_s8 = &winograd_s8,
	.direct_s8 = &direct_s8,
	.winograd_f32 = &vgg_winograd_f32_neon,
	.direct_f32 = &vgg_direct_f32_neon,
	.dot_s8 = vgg_neon_dot_s8,
	.dot_s8_plain = vgg_neon_dot_s8_plain,
	.pool = vgg_pool_vector,
	.affine = vgg_affine_scalar,
	.lrn = vgg_lrn_scalar,
};
#endif
