// SPDX-License-Identifier: MIT
/*
 * The engines in vector types of the compiler: fast wherever it knows vectors of
 * 16 bytes, and the model that the files for single instruction sets follow.
 */
#include "kernels/engines.h"

#define BLOCK 8
#define IN_LANES 8
#define OUT_LANES 4
#define TILES 4

typedef int8_t bytes8 __attribute__((vector_size(8)));
typedef int16_t half16 __attribute__((vector_size(8)));
typedef int16_t vec16 __attribute__((vector_size(16)));
typedef int32_t vec32 __attribute__((vector_size(16)));

static inline vec16 widen(const int8_t *p)
{
	bytes8 b;

	memcpy(&b, p, sizeof(b));
	return __builtin_convertvector(b, vec16);
}

static inline vec32 largest(vec32 a, vec32 b)
{
	vec32 more = a > b;

	return (a & more) | (b & ~more);
}

static inline void put(const vec32 *acc, const struct vgg_finish_s8 *f,
		       int8_t *to)
{
	int i;

	for (i = 0; i < BLOCK; i++)
		to[i] = vgg_finish_one(f, i, acc[i / OUT_LANES][i % OUT_LANES]);
}

#include "kernels/s8_inner.h"

/* Up to TILES tiles at one position. */
INLINE void multiply(const struct vgg_gemm *g, const char *u, const char *v,
		     char *m, int tiles)
{
	vec32 acc[TILES][2] = { { { 0 } } };
	int k, t;

	for (k = 0; k < g->k; k++, u += sizeof(vec16)) {
		half16 low, high;
		vec32 u0, u1;

		memcpy(&low, u, sizeof(low));
		memcpy(&high, u + sizeof(low), sizeof(high));
		u0 = __builtin_convertvector(low, vec32);
		u1 = __builtin_convertvector(high, vec32);
		for (t = 0; t < tiles; t++) {
			int32_t x =
				((const int16_t *)(v +
						   (size_t)t * g->v_pitch))[k];

			acc[t][0] += u0 * x;
			acc[t][1] += u1 * x;
		}
	}
	memcpy(m, acc, (size_t)tiles * sizeof(acc[0]));
}

static void gemm(const struct vgg_gemm *g)
{
	int p, t;

	for (p = 0; p < g->positions; p++)
		for (t = 0; t < g->tiles; t += TILES)
			multiply(g, g->u + (size_t)p * g->u_step,
				 g->v + (size_t)p * g->v_step +
					 (size_t)t * g->v_pitch,
				 g->m + (size_t)p * g->m_step +
					 (size_t)t * sizeof(vec32) * 2,
				 g->tiles - t < TILES ? g->tiles - t : TILES);
}

static void gather(const void *from, size_t n, char *v)
{
	const int8_t *x = from;
	size_t i;

	for (i = 0; i < n; i++)
		((int16_t *)v)[i] = x[i];
}

static const struct vgg_engine winograd_s8 = {
	.elem = 2,
	.step = 1,
	.chunk = IN_LANES,
	.block = BLOCK,
	.byte_cost = 1,
	.sizes = 1 << 4 | 1 << 2,
	.load = LOADS,
	.gemm = { gemm, gemm },
	.store = STORES,
};

static const struct vgg_engine direct_s8 = {
	.elem = 2,
	.step = 1,
	.chunk = IN_LANES,
	.block = BLOCK,
	.byte_cost = 1,
	.gather = gather,
	.gemm = { gemm, gemm },
	.store = { { store_direct } },
};

static bool always(void)
{
	return true;
}

const struct vgg_kernels vgg_kernels_generic = {
	.name = "generic",
	.usable = always,
	.winograd_s8 = &winograd_s8,
	.direct_s8 = &direct_s8,
	.dot_s8 = vgg_dot_s8_scalar,
	.pool = vgg_pool_vector,
	.affine = vgg_affine_scalar,
	.lrn = vgg_lrn_scalar,
};
