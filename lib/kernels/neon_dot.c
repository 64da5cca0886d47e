// SPDX-License-Identifier: MIT
/*
 * The int8 engine of ARMv8.2's dot product. It has no Winograd: sdot does 16
 * products where Winograd's int16 does 4, which makes up for all that Winograd
 * saves, without transforms.
 */
#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "kernels/neon.h"

#define BLOCK VGG_NEON_BLOCK
#define GROUP 8 /* tiles at once: 16 accumulators */
#define INLINE static inline __attribute__((always_inline))

/* Four channels, those in `lane`, of all tiles. */
#define FOUR(lane)                                                          \
	do {                                                                \
		int8x16_t lo = vld1q_s8(u), hi = vld1q_s8(u + 16);          \
                                                                            \
		for (t = 0; t < tiles; t++) {                               \
			acc[t][0] =                                         \
				vdotq_laneq_s32(acc[t][0], lo, x[t], lane); \
			acc[t][1] =                                         \
				vdotq_laneq_s32(acc[t][1], hi, x[t], lane); \
		}                                                           \
		u += 4 * BLOCK;                                             \
	} while (0)

INLINE void multiply(const struct vgg_gemm *g, const int8_t *v, int32_t *m,
		     int tiles)
{
	const int8_t *u = (const int8_t *)g->u;
	int32x4_t acc[GROUP][2];
	int8x16_t x[GROUP];
	int k, t;

	for (t = 0; t < tiles; t++)
		acc[t][0] = acc[t][1] = vdupq_n_s32(0);
	for (k = 0; k < g->k; k += 16) {
		for (t = 0; t < tiles; t++)
			x[t] = vld1q_s8(v + (size_t)t * g->v_pitch + k);
		FOUR(0);
		if (k + 4 < g->k)
			FOUR(1);
		if (k + 8 < g->k)
			FOUR(2);
		if (k + 12 < g->k)
			FOUR(3);
	}
	for (t = 0; t < tiles; t++, m += BLOCK) {
		vst1q_s32(m, acc[t][0]);
		vst1q_s32(m + 4, acc[t][1]);
	}
}

static void gemm(const struct vgg_gemm *g)
{
	const int8_t *v = (const int8_t *)g->v;
	int32_t *m = (int32_t *)g->m;
	int t;

	for (t = 0; t + GROUP <= g->tiles; t += GROUP) {
		multiply(g, v, m, GROUP);
		v += GROUP * g->v_pitch;
		m += GROUP * BLOCK;
	}
	for (; t + 3 <= g->tiles; t += 3) {
		multiply(g, v, m, 3);
		v += 3 * g->v_pitch;
		m += 3 * BLOCK;
	}
	for (; t < g->tiles; t++) {
		multiply(g, v, m, 1);
		v += g->v_pitch;
		m += BLOCK;
	}
}

static void gather(const void *from, size_t n, char *v)
{
	memcpy(v, from, n);
}

static void store_direct(const struct vgg_store *s)
{
	struct vgg_neon_finish f = vgg_neon_finish_of(s->finish);
	const int32_t *m = (const int32_t *)s->m;
	int8_t some[BLOCK];
	int8x8_t y;

	y = vgg_neon_requantize(&f, vld1q_s32(m), vld1q_s32(m + 4));
	if (s->channels == BLOCK) {
		vst1_s8((int8_t *)s->out, y);
		return;
	}
	vst1_s8(some, y);
	memcpy(s->out, some, (size_t)s->channels);
}

static const struct vgg_engine direct_s8 = {
	.elem = 1,
	.step = 4,
	.chunk = 16,
	.block = BLOCK,
	.group = GROUP,
	.byte_cost = 8,
	.gather = gather,
	.gemm = { gemm, gemm },
	.store = { { store_direct } },
};

/* Rows of 16 products in one instruction. */
static int32_t one_row(const int8_t *x, const int8_t *w, size_t n)
{
	int32x4_t a = vdupq_n_s32(0), b = a;
	uint32_t rest = 0;
	size_t i;

	for (i = 0; i + 32 <= n; i += 32) {
		a = vdotq_s32(a, vld1q_s8(x + i), vld1q_s8(w + i));
		b = vdotq_s32(b, vld1q_s8(x + i + 16), vld1q_s8(w + i + 16));
	}
	for (; i < n; i++)
		rest += (uint32_t)(x[i] * w[i]);
	return (int32_t)((uint32_t)vaddvq_s32(vaddq_s32(a, b)) + rest);
}

static void dot_s8(const int8_t *x, const int8_t *w, size_t n, int rows,
		   int32_t *acc)
{
	for (; rows-- > 0; w += n)
		*acc++ = one_row(x, w, n);
}

static bool usable(void)
{
	return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
}

const struct vgg_kernels vgg_kernels_neon_dot = {
	.name = "neon-dot",
	.usable = usable,
	.direct_s8 = &direct_s8,
	.winograd_f32 = &vgg_winograd_f32_neon,
	.direct_f32 = &vgg_direct_f32_neon,
	.dot_s8 = dot_s8,
	.pool = vgg_pool_vector,
	.affine = vgg_affine_scalar,
	.lrn = vgg_lrn_scalar,
};
#endif
