// SPDX-License-Identifier: MIT
/* The fp32 engines in NEON: products by lane, so that one load of V serves four
 * channels. */
#ifdef __aarch64__
#include <arm_neon.h>
#include <stddef.h>
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

/* Four registers by one load. */
#define OWN_DOT
static inline size_t own_dot_f32(const float *x, const float *w, size_t n,
				 vec part[4][2])
{
	size_t i;
	int r;

	for (i = 0; i + 16 <= n; i += 16) {
		float32x4x4_t a = vld1q_f32_x4(x + i);

#pragma GCC unroll 4
		for (r = 0; r < 4; r++) {
			float32x4x4_t b = vld1q_f32_x4(w + (size_t)r * n + i);

			part[r][0] = vfmaq_f32(part[r][0], a.val[0], b.val[0]);
			part[r][1] = vfmaq_f32(part[r][1], a.val[1], b.val[1]);
			part[r][0] = vfmaq_f32(part[r][0], a.val[2], b.val[2]);
			part[r][1] = vfmaq_f32(part[r][1], a.val[3], b.val[3]);
		}
	}
	return i;
}

/*
 * multiply_N(u, v, v_chunk, m, chunks, add): N tiles times BLOCK filters. The
 * sums take 2 N registers, V of four channels N, weights of a channel two: no
 * register is left for 10 tiles, and compilers then spill. Per channel and
 * tile there are two products; the rest is (N / 2 + 4 + 1.5) / 8 N of that.
 */
/* clang-format off */
asm(
	"\t.altmacro\n"
	"\t.macro vgg_load_pair reg0, reg1, at\n"
	"\tldp\tq\\reg0, q\\reg1, [x1, #\\at]\n"
	"\t.endm\n"
	"\t.macro vgg_load_one reg0, at\n"
	"\tldr\tq\\reg0, [x1, #\\at]\n"
	"\t.endm\n"
	"\t.macro vgg_products sum0, sum1, tile, low, high, lane\n"
	"\tfmla\tv\\sum0\\().4s, v\\low\\().4s, v\\tile\\().s[\\lane]\n"
	"\tfmla\tv\\sum1\\().4s, v\\high\\().4s, v\\tile\\().s[\\lane]\n"
	"\t.endm\n"
	/* Four channels; two pairs of registers for weights where there are so many. */
	"\t.macro vgg_four count\n"
	"\t.set\tvgg_t, 0\n"
	"\t.rept\t\\count / 2\n"
	"\tvgg_load_pair %(20 + vgg_t), %(21 + vgg_t), %(16 * vgg_t)\n"
	"\t.set\tvgg_t, vgg_t + 2\n"
	"\t.endr\n"
	"\t.if\t\\count % 2\n"
	"\tvgg_load_one %(20 + vgg_t), %(16 * vgg_t)\n"
	"\t.endif\n"
	"\tadd\tx1, x1, x2\n"
	"\t.set\tvgg_u, 30\n"
	"\t.irp\tk, 0, 1, 2, 3\n"
	"\tvgg_weights %vgg_u, %(vgg_u + 1)\n"
	"\t.set\tvgg_t, 0\n"
	"\t.rept\t\\count\n"
	"\tvgg_products %(2 * vgg_t), %(2 * vgg_t + 1), %(20 + vgg_t), %vgg_u, %(vgg_u + 1), \\k\n"
	"\t.set\tvgg_t, vgg_t + 1\n"
	"\t.endr\n"
	"\t.if\t\\count <= 8\n"
	"\t.set\tvgg_u, 58 - vgg_u\n"
	"\t.endif\n"
	"\t.endr\n"
	"\t.endm\n"
	"\t.macro vgg_weights reg0, reg1\n"
	"\tldp\tq\\reg0, q\\reg1, [x0], #32\n"
	"\t.endm\n"
	"\t.macro vgg_sums op, count\n"
	"\t.set\tvgg_t, 0\n"
	"\t.rept\t\\count\n"
	"\tvgg_sum\t\\op, %(2 * vgg_t), %(2 * vgg_t + 1), %(32 * vgg_t)\n"
	"\t.set\tvgg_t, vgg_t + 1\n"
	"\t.endr\n"
	"\t.endm\n"
	"\t.macro vgg_sum op, reg0, reg1, at\n"
	"\t.ifc\t\\op, zero\n"
	"\tmovi\tv\\reg0\\().4s, #0\n"
	"\tmovi\tv\\reg1\\().4s, #0\n"
	"\t.else\n"
	"\t\\op\tq\\reg0, q\\reg1, [x3, #\\at]\n"
	"\t.endif\n"
	"\t.endm\n"
	"\t.macro vgg_multiply count\n"
	"\t.hidden\tvgg_neon_f32_multiply_\\count\n"
	"\t.global\tvgg_neon_f32_multiply_\\count\n"
	"\t.type\tvgg_neon_f32_multiply_\\count, %function\n"
	"\t.p2align 4\n"
	"vgg_neon_f32_multiply_\\count:\n"
	"\t.if\t\\count > 4\n"
	"\tstp\td8, d9, [sp, #-64]!\n"
	"\tstp\td10, d11, [sp, #16]\n"
	"\tstp\td12, d13, [sp, #32]\n"
	"\tstp\td14, d15, [sp, #48]\n"
	"\t.endif\n"
	"\tvgg_sums zero, \\count\n"
	"\tcbz\tw5, 1f\n"
	"\tvgg_sums ldp, \\count\n"
	"1:\tsubs\tx4, x4, #4\n"
	"\tb.lt\t3f\n"
	"\t.p2align 4\n"
	"2:\t.rept\t4\n"
	"\tvgg_four \\count\n"
	"\t.endr\n"
	"\tsubs\tx4, x4, #4\n"
	"\tb.ge\t2b\n"
	"3:\tadds\tx4, x4, #4\n"
	"\tb.eq\t5f\n"
	"4:\tvgg_four \\count\n"
	"\tsubs\tx4, x4, #1\n"
	"\tb.ne\t4b\n"
	"5:\tvgg_sums stp, \\count\n"
	"\t.if\t\\count > 4\n"
	"\tldp\td10, d11, [sp, #16]\n"
	"\tldp\td12, d13, [sp, #32]\n"
	"\tldp\td14, d15, [sp, #48]\n"
	"\tldp\td8, d9, [sp], #64\n"
	"\t.endif\n"
	"\tret\n"
	"\t.size\tvgg_neon_f32_multiply_\\count, . - vgg_neon_f32_multiply_\\count\n"
	"\t.endm\n"
	"\t.text\n"
	"\t.irp\tn, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10\n"
	"\tvgg_multiply \\n\n"
	"\t.endr\n"
	"\t.noaltmacro\n"
);
/* clang-format on */
#define OWN_MULTIPLY
#include "kernels/f32_inner.h"

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
