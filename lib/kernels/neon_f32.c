// SPDX-License-Identifier: MIT
/* The fp32 engines in NEON: products by lane, so that one load of V serves four
 * channels. */
#ifdef __aarch64__
#include <arm_neon.h>
#include <stdint.h>

#define LANES 4
#define BLOCK 8
#define TILES 10
#define BYTE_COST 1.4 /* two A72 of 14.4 G products/s, 10.4 GB/s */

typedef float32x4_t vec;

/* These give NaN if one operand is NaN. */
static inline vec at_least(vec v, vec lo)
{
	return vmaxq_f32(v, lo);
}

static inline vec at_most(vec v, vec hi)
{
	return vminq_f32(v, hi);
}

static inline vec larger(vec a, vec b)
{
	return vmaxq_f32(a, b);
}

static inline vec widen_half(const uint16_t *h)
{
	return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(h)));
}

static inline vec load_some(const float *p, int n)
{
	return (vec){ p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, 0 };
}

/*
 * multiply_N(u, v, v_chunk, m, chunks, add): N tiles times BLOCK filters. The
 * sums take 2 N registers, V of four channels N, weights of a channel two: no
 * register is left for 10 tiles, and compilers then spill. Per channel and
 * tile there are two products; the rest is (N / 2 + 4 + 1.5) / 8 N of that.
 */
asm(R"(
	.altmacro
	.macro vgg_load_pair reg0, reg1, at
	ldp	q\reg0, q\reg1, [x1, #\at]
	.endm
	.macro vgg_load_one reg0, at
	ldr	q\reg0, [x1, #\at]
	.endm
	.macro vgg_products sum0, sum1, tile, low, high, lane
	fmla	v\sum0\().4s, v\low\().4s, v\tile\().s[\lane]
	fmla	v\sum1\().4s, v\high\().4s, v\tile\().s[\lane]
	.endm
	// Four channels; two pairs of registers for weights where there are so many.
	.macro vgg_four count
	.set	vgg_t, 0
	.rept	\count / 2
	vgg_load_pair %(20 + vgg_t), %(21 + vgg_t), %(16 * vgg_t)
	.set	vgg_t, vgg_t + 2
	.endr
	.if	\count & 1
	vgg_load_one %(20 + vgg_t), %(16 * vgg_t)
	.endif
	add	x1, x1, x2
	.set	vgg_u, 30
	.irp	k, 0, 1, 2, 3
	vgg_weights %vgg_u, %(vgg_u + 1)
	.set	vgg_t, 0
	.rept	\count
	vgg_products %(2 * vgg_t), %(2 * vgg_t + 1), %(20 + vgg_t), %vgg_u, %(vgg_u + 1), \k
	.set	vgg_t, vgg_t + 1
	.endr
	.if	\count <= 8
	.set	vgg_u, 58 - vgg_u
	.endif
	.endr
	.endm
	.macro vgg_weights reg0, reg1
	ldp	q\reg0, q\reg1, [x0], #32
	.endm
	.macro vgg_sums op, count
	.set	vgg_t, 0
	.rept	\count
	vgg_sum	\op, %(2 * vgg_t), %(2 * vgg_t + 1), %(32 * vgg_t)
	.set	vgg_t, vgg_t + 1
	.endr
	.endm
	.macro vgg_sum op, reg0, reg1, at
	.ifc	\op, zero
	movi	v\reg0\().4s, #0
	movi	v\reg1\().4s, #0
	.else
	\op	q\reg0, q\reg1, [x3, #\at]
	.endif
	.endm
	.macro vgg_multiply count
	.hidden	vgg_neon_f32_multiply_\count
	.global	vgg_neon_f32_multiply_\count
	.type	vgg_neon_f32_multiply_\count, %function
	.p2align 4
vgg_neon_f32_multiply_\count:
	.if	\count > 4
	stp	d8, d9, [sp, #-64]!
	stp	d10, d11, [sp, #16]
	stp	d12, d13, [sp, #32]
	stp	d14, d15, [sp, #48]
	.endif
	vgg_sums zero, \count
	cbz	w5, 1f
	vgg_sums ldp, \count
1:	subs	x4, x4, #4
	b.lt	3f
	.p2align 4
2:	.rept	4
	vgg_four \count
	.endr
	subs	x4, x4, #4
	b.ge	2b
3:	adds	x4, x4, #4
	b.eq	5f
4:	vgg_four \count
	subs	x4, x4, #1
	b.ne	4b
5:	vgg_sums stp, \count
	.if	\count > 4
	ldp	d10, d11, [sp, #16]
	ldp	d12, d13, [sp, #32]
	ldp	d14, d15, [sp, #48]
	ldp	d8, d9, [sp], #64
	.endif
	ret
	.size	vgg_neon_f32_multiply_\count, . - vgg_neon_f32_multiply_\count
	.endm
	.text
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
	vgg_multiply \n
	.endr
	.noaltmacro
)");
#define OWN_MULTIPLY
#include "kernels/f32_tiles.h"

#define MULTIPLY(n) multiply_fn vgg_neon_f32_multiply_##n;
MULTIPLY(1)
MULTIPLY(2)
MULTIPLY(3)
MULTIPLY(4)
MULTIPLY(5)
MULTIPLY(6)
MULTIPLY(7)
MULTIPLY(8)
MULTIPLY(9)
MULTIPLY(10)
#undef MULTIPLY

static multiply_fn *const multiplies[TILES + 1] = {
	NULL,
	vgg_neon_f32_multiply_1,
	vgg_neon_f32_multiply_2,
	vgg_neon_f32_multiply_3,
	vgg_neon_f32_multiply_4,
	vgg_neon_f32_multiply_5,
	vgg_neon_f32_multiply_6,
	vgg_neon_f32_multiply_7,
	vgg_neon_f32_multiply_8,
	vgg_neon_f32_multiply_9,
	vgg_neon_f32_multiply_10,
};

const struct vgg_engine vgg_winograd_f32_neon = winograd_engine;
const struct vgg_engine vgg_direct_f32_neon = direct_engine;
#endif
