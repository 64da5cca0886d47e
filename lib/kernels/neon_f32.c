// SPDX-License-Identifier: MIT
/* The fp32 engines in NEON: products by lane, so that one load of V serves four
 * channels. */
#ifdef __aarch64__
#include <arm_neon.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 4
#define BLOCK 8
#define TILES 9
#define FRESH
#define BYTE_COST 1.4 /* two A72 of 14.4 G products/s, 10.4 GB/s */

typedef float32x4_t vec;

/* Compilers make a sum of each address that they could use as it is. */
#define STORE_AT store_at
static inline void store_at(char *base, size_t offset, vec v)
{
	asm("str\t%q2, [%0, %1]" : : "r"(base), "r"(offset), "w"(v) : "memory");
}

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

/* Four registers by one load, which moves on by itself: compilers add 64 to each
 * address. */
#define OWN_DOT
#define DOT_ROW(at, sum0, sum1)                      \
	"ld1\t{v20.4s-v23.4s}, [%[" at "]], #64\n\t" \
	"fmla\t%[" sum0 "].4s, v16.4s, v20.4s\n\t"   \
	"fmla\t%[" sum1 "].4s, v17.4s, v21.4s\n\t"   \
	"fmla\t%[" sum0 "].4s, v18.4s, v22.4s\n\t"   \
	"fmla\t%[" sum1 "].4s, v19.4s, v23.4s\n\t"
static inline size_t own_dot_f32(const float *x, const float *w, size_t n,
				 vec part[4][2])
{
	const float *w0 = w, *w1 = w + n, *w2 = w + 2 * n, *w3 = w + 3 * n;
	size_t left = n / 16;

	if (left)
		asm volatile(
			"1:\tld1\t{v16.4s-v19.4s}, [%[x]], #64\n\t" DOT_ROW(
				"w0", "a0", "b0") DOT_ROW("w1", "a1", "b1")
				DOT_ROW("w2", "a2", "b2") DOT_ROW(
					"w3", "a3",
					"b3") "subs\t%[left], %[left], #1\n\t"
					      "b.ne\t1b"
			: [x] "+r"(x), [w0] "+r"(w0), [w1] "+r"(w1),
			  [w2] "+r"(w2), [w3] "+r"(w3), [left] "+r"(left),
			  [a0] "+w"(part[0][0]), [b0] "+w"(part[0][1]),
			  [a1] "+w"(part[1][0]), [b1] "+w"(part[1][1]),
			  [a2] "+w"(part[2][0]), [b2] "+w"(part[2][1]),
			  [a3] "+w"(part[3][0]), [b3] "+w"(part[3][1])
			:
			: "cc", "memory", "v16", "v17", "v18", "v19", "v20",
			  "v21", "v22", "v23");
	return n / 16 * 16;
}
#undef DOT_ROW

/*
 * multiply_N(u, v, v_chunk, m, fours, add): N tiles times BLOCK filters. The
 * sums take 2 N registers, V of four channels N, weights of two channels four, of
 * four channels eight where that many are left: up to 8 tiles. One instruction
 * loads up to four registers, so that on 16 N products come 4 or 5 loads. The
 * first channel's products don't add to anything, and so need no zeros.
 *
 * No registers are saved, so that it takes multiply_tiles() to call one; m comes
 * back behind the last tile.
 */
/* clang-format off */
asm(
	"\t.altmacro\n"
	/* `count` registers from `first` on, from or to [xat], which then moves on. */
	"\t.macro vgg_move op, first, count, at, by\n"
	"\t.if\t\\count == 1\n"
	"\tvgg_move_1 \\op, \\first, \\at, \\by\n"
	"\t.elseif\t\\count == 2\n"
	"\tvgg_move_2 \\op, \\first, %(\\first + 1), \\at, \\by\n"
	"\t.elseif\t\\count == 3\n"
	"\tvgg_move_3 \\op, \\first, %(\\first + 1), %(\\first + 2), \\at, \\by\n"
	"\t.else\n"
	"\tvgg_move_4 \\op, \\first, %(\\first + 1), %(\\first + 2), %(\\first + 3), \\at, \\by\n"
	"\t.endif\n"
	"\t.endm\n"
	"\t.macro vgg_move_1 op, reg0, at, by\n"
	"\t\\op\t{v\\reg0\\().4s}, [x\\at], \\by\n"
	"\t.endm\n"
	"\t.macro vgg_move_2 op, reg0, reg1, at, by\n"
	"\t\\op\t{v\\reg0\\().4s, v\\reg1\\().4s}, [x\\at], \\by\n"
	"\t.endm\n"
	"\t.macro vgg_move_3 op, reg0, reg1, reg2, at, by\n"
	"\t\\op\t{v\\reg0\\().4s, v\\reg1\\().4s, v\\reg2\\().4s}, [x\\at], \\by\n"
	"\t.endm\n"
	"\t.macro vgg_move_4 op, reg0, reg1, reg2, reg3, at, by\n"
	"\t\\op\t{v\\reg0\\().4s, v\\reg1\\().4s, v\\reg2\\().4s, v\\reg3\\().4s}, [x\\at], \\by\n"
	"\t.endm\n"
	/* The sums of all tiles; x3 moves. */
	"\t.macro vgg_sums op, count\n"
	"\t.set\tvgg_t, 0\n"
	"\t.rept\t\\count / 2\n"
	"\tvgg_move \\op, %vgg_t, 4, 3, #64\n"
	"\t.set\tvgg_t, vgg_t + 4\n"
	"\t.endr\n"
	"\t.if\t\\count - \\count / 2 * 2\n"
	"\tvgg_move \\op, %vgg_t, 2, 3, #32\n"
	"\t.endif\n"
	"\t.endm\n"
	"\t.macro vgg_product op, sum0, sum1, tile, low, high, lane\n"
	"\t\\op\tv\\sum0\\().4s, v\\low\\().4s, v\\tile\\().s[\\lane]\n"
	"\t\\op\tv\\sum1\\().4s, v\\high\\().4s, v\\tile\\().s[\\lane]\n"
	"\t.endm\n"
	/* One channel, the weights in two registers from `low` on. */
	"\t.macro vgg_products op, count, low, lane\n"
	"\t.set\tvgg_t, 0\n"
	"\t.rept\t\\count\n"
	"\tvgg_product \\op, %(2 * vgg_t), %(2 * vgg_t + 1), %(vgg_v + vgg_t), \\low, %(\\low + 1), \\lane\n"
	"\t.set\tvgg_t, vgg_t + 1\n"
	"\t.endr\n"
	"\t.endm\n"
	/* Four channels, the first with `op`. */
	"\t.macro vgg_four op, count\n"
	"\tvgg_move ld1, %vgg_u, 4, 0, #64\n"
	"\t.set\tvgg_t, 0\n"
	"\t.rept\t(\\count - 1) / 4\n"
	"\tvgg_move ld1, %(vgg_v + vgg_t), 4, 1, #64\n"
	"\t.set\tvgg_t, vgg_t + 4\n"
	"\t.endr\n"
	"\tvgg_move ld1, %(vgg_v + vgg_t), %(\\count - vgg_t), 1, x2\n"
	"\t.if\tvgg_u2 > vgg_u\n"
	"\tvgg_move ld1, %vgg_u2, 4, 0, #64\n"
	"\t.endif\n"
	"\tvgg_products \\op, \\count, %vgg_u, 0\n"
	"\tvgg_products fmla, \\count, %(vgg_u + 2), 1\n"
	"\t.if\tvgg_u2 == vgg_u\n"
	"\tvgg_move ld1, %vgg_u2, 4, 0, #64\n"
	"\t.endif\n"
	"\tvgg_products fmla, \\count, %vgg_u2, 2\n"
	"\tvgg_products fmla, \\count, %(vgg_u2 + 2), 3\n"
	"\t.endm\n"
	"\t.macro vgg_multiply count\n"
	"\t.set\tvgg_v, 2 * \\count\n"
	"\t.set\tvgg_u, 3 * \\count\n"
	"\t.set\tvgg_u2, vgg_u\n"
	"\t.if\t\\count <= 8\n"
	"\t.set\tvgg_u2, vgg_u + 4\n"
	"\t.endif\n"
	"\t.hidden\tvgg_neon_f32_multiply_\\count\n"
	"\t.global\tvgg_neon_f32_multiply_\\count\n"
	"\t.type\tvgg_neon_f32_multiply_\\count, %function\n"
	"\t.p2align 4\n"
	"vgg_neon_f32_multiply_\\count:\n"
	/* From tile to tile V moves on while it is loaded. */
	"\t.if\t\\count > 4\n"
	"\tsub\tx2, x2, #((\\count - 1) / 4 * 64)\n"
	"\t.endif\n"
	"\tcbnz\tw5, 1f\n"
	"\tvgg_four fmul, \\count\n"
	"\tsubs\tx4, x4, #5\n"
	"\tb.ge\t2f\n"
	"\tb\t3f\n"
	"1:\tvgg_sums ld1, \\count\n"
	"\tsub\tx3, x3, #(32 * \\count)\n"
	"\tsubs\tx4, x4, #4\n"
	"\tb.lt\t3f\n"
	"\t.p2align 4\n"
	"2:\t.rept\t4\n"
	"\tvgg_four fmla, \\count\n"
	"\t.endr\n"
	"\tsubs\tx4, x4, #4\n"
	"\tb.ge\t2b\n"
	"3:\tadds\tx4, x4, #4\n"
	"\tb.eq\t5f\n"
	"4:\tvgg_four fmla, \\count\n"
	"\tsubs\tx4, x4, #1\n"
	"\tb.ne\t4b\n"
	"5:\tvgg_sums st1, \\count\n"
	"\tret\n"
	"\t.size\tvgg_neon_f32_multiply_\\count, . - vgg_neon_f32_multiply_\\count\n"
	"\t.endm\n"
	"\t.text\n"
	"\t.irp\tn, 1, 2, 3, 4, 5, 6, 7, 8, 9\n"
	"\tvgg_multiply \\n\n"
	"\t.endr\n"
	"\t.noaltmacro\n"
);
/* clang-format on */
typedef void multiply_fn(const char *u, const char *v, size_t v_chunk, char *m,
			 size_t fours, bool add);

static inline __attribute__((always_inline)) char *
multiply_tiles(multiply_fn *fn, const char *u, const char *v, size_t v_chunk,
	       char *m, size_t fours, bool add, int n)
{
	register const char *x0 asm("x0") = u;
	register const char *x1 asm("x1") = v;
	register size_t x2 asm("x2") = v_chunk;
	register char *x3 asm("x3") = m;
	register size_t x4 asm("x4") = fours;
	register long x5 asm("x5") = add;

	(void)n;
	asm volatile("blr\t%[fn]"
		     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4)
		     : [fn] "r"(fn), "r"(x5)
		     : "x30", "cc", "memory", "v0", "v1", "v2", "v3", "v4",
		       "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",
		       "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21",
		       "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",
		       "v30", "v31");
	return x3;
}

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
};

const struct vgg_engine vgg_winograd_f32_neon = winograd_engine;
const struct vgg_engine vgg_direct_f32_neon = direct_engine;
#endif
