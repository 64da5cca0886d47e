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

#define LOAD_AT load_at
static inline vec load_at(const char *base, size_t offset)
{
	vec v;

	asm volatile("ldr\t%q0, [%1, %2]" : "=w"(v) : "r"(base), "r"(offset));
	return v;
}

/* What out_transform() does for m = 6; compilers copy more registers than these
 * four. */
#define OWN_OUT 1
struct own_out {
	vec f, g;
};

/* Compilers would load again and again what they know to be constant. */
static inline struct own_out own_out(void)
{
	static const float factors[8] = { 4.5f, 0.05f, 0.8f, 0.2f,
					  0.1f, 0.4f,  1.6f, 0.025f };
	struct own_out own = { vld1q_f32(factors), vld1q_f32(factors + 4) };

	asm("" : "+w"(own.f), "+w"(own.g));
	return own;
}

static inline void own_out_6(const struct own_out *own, const vec *d, vec *y)
{
	vec d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4], d5 = d[5],
	    d6 = d[6], d7 = d[7], s1, s2;

	asm("fadd\t%[s1].4s, %[d1].4s, %[d2].4s\n\t"
	    "fsub\t%[d1].4s, %[d1].4s, %[d2].4s\n\t"
	    "fadd\t%[s2].4s, %[d3].4s, %[d4].4s\n\t"
	    "fsub\t%[d3].4s, %[d3].4s, %[d4].4s\n\t"
	    "fadd\t%[d2].4s, %[d5].4s, %[d6].4s\n\t"
	    "fsub\t%[d5].4s, %[d5].4s, %[d6].4s\n\t"
	    "mov\t%[d4].16b, %[s1].16b\n\t"
	    "mov\t%[d6].16b, %[s1].16b\n\t"
	    "fmls\t%[s1].4s, %[d0].4s, %[f].s[0]\n\t"
	    "mov\t%[d0].16b, %[d1].16b\n\t"
	    "fmls\t%[d4].4s, %[s2].4s, %[f].s[3]\n\t"
	    "fmls\t%[d6].4s, %[s2].4s, %[f].s[2]\n\t"
	    "fmls\t%[d0].4s, %[d7].4s, %[f].s[0]\n\t"
	    "mov\t%[d7].16b, %[d1].16b\n\t"
	    "fmls\t%[s1].4s, %[s2].4s, %[f].s[1]\n\t"
	    "fmls\t%[d1].4s, %[d3].4s, %[g].s[0]\n\t"
	    "fmls\t%[d0].4s, %[d3].4s, %[g].s[2]\n\t"
	    "fmls\t%[d7].4s, %[d3].4s, %[g].s[1]\n\t"
	    "fmls\t%[s1].4s, %[d2].4s, %[f].s[2]\n\t"
	    "fmls\t%[d4].4s, %[d2].4s, %[f].s[3]\n\t"
	    "fmls\t%[d6].4s, %[d2].4s, %[f].s[1]\n\t"
	    "fmls\t%[d1].4s, %[d5].4s, %[g].s[1]\n\t"
	    "fmls\t%[d7].4s, %[d5].4s, %[g].s[0]\n\t"
	    "fmls\t%[d0].4s, %[d5].4s, %[g].s[3]"
	    : [d0] "+w"(d0), [d1] "+w"(d1), [d2] "+w"(d2), [d3] "+w"(d3),
	      [d4] "+w"(d4), [d5] "+w"(d5), [d6] "+w"(d6), [d7] "+w"(d7),
	      [s1] "=&w"(s1), [s2] "=&w"(s2)
	    : [f] "w"(own->f), [g] "w"(own->g));
	y[0] = s1;
	y[1] = d1;
	y[2] = d4;
	y[3] = d7;
	y[4] = d6;
	y[5] = d0;
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
 * multiply_N(u, v, v_chunk, m, fours, add, groups): groups of N tiles, one after
 * the other, times BLOCK filters. The sums take 2 N registers, V of four channels
 * N, weights of two channels four; of four channels, up to 8 tiles, eight. One
 * instruction loads up to four registers, so that on 16 N products come 4 or 5
 * loads. The first channel's products don't add to anything, and so need no zeros.
 *
 * No registers are saved, so that it takes multiply_groups() to call one; m comes
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
	"\tvgg_move ld1, %vgg_u, 4, 7, #64\n"
	"\t.set\tvgg_t, 0\n"
	"\t.rept\t(\\count - 1) / 4\n"
	"\tvgg_move ld1, %(vgg_v + vgg_t), 4, 8, #64\n"
	"\t.set\tvgg_t, vgg_t + 4\n"
	"\t.endr\n"
	"\tvgg_move ld1, %(vgg_v + vgg_t), %(\\count - vgg_t), 8, x2\n"
	"\t.if\tvgg_u2 > vgg_u\n"
	"\tvgg_move ld1, %vgg_u2, 4, 7, #64\n"
	"\t.endif\n"
	"\tvgg_products \\op, \\count, %vgg_u, 0\n"
	"\tvgg_products fmla, \\count, %(vgg_u + 2), 1\n"
	"\t.if\tvgg_u2 == vgg_u\n"
	"\tvgg_move ld1, %vgg_u2, 4, 7, #64\n"
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
	"0:\tmov\tx7, x0\n"
	"\tmov\tx8, x1\n"
	"\tmov\tx9, x4\n"
	"\tcbnz\tw5, 1f\n"
	"\tvgg_four fmul, \\count\n"
	"\tsubs\tx9, x9, #5\n"
	"\tb.ge\t2f\n"
	"\tb\t3f\n"
	"1:\tvgg_sums ld1, \\count\n"
	"\tsub\tx3, x3, #(32 * \\count)\n"
	"\tsubs\tx9, x9, #4\n"
	"\tb.lt\t3f\n"
	"\t.p2align 4\n"
	"2:\t.rept\t4\n"
	"\tvgg_four fmla, \\count\n"
	"\t.endr\n"
	"\tsubs\tx9, x9, #4\n"
	"\tb.ge\t2b\n"
	"3:\tadds\tx9, x9, #4\n"
	"\tb.eq\t5f\n"
	"4:\tvgg_four fmla, \\count\n"
	"\tsubs\tx9, x9, #1\n"
	"\tb.ne\t4b\n"
	"5:\tvgg_sums st1, \\count\n"
	"\tadd\tx1, x1, #(16 * \\count)\n"
	"\tsubs\tx6, x6, #1\n"
	"\tb.ne\t0b\n"
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
multiply_groups(multiply_fn *fn, const char *u, const char *v, size_t v_chunk,
		char *m, size_t fours, bool add, int n, int groups)
{
	register const char *x0 asm("x0") = u;
	register const char *x1 asm("x1") = v;
	/* From tile to tile V moves on while it is loaded. */
	register size_t x2 asm("x2") = v_chunk - (size_t)((n - 1) / 4 * 64);
	register char *x3 asm("x3") = m;
	register size_t x4 asm("x4") = fours;
	register long x5 asm("x5") = add;
	register long x6 asm("x6") = groups;

	asm volatile("blr\t%[fn]"
		     : "+r"(x1), "+r"(x3), "+r"(x6)
		     : [fn] "r"(fn), "r"(x0), "r"(x2), "r"(x4), "r"(x5)
		     : "x7", "x8", "x9", "x30", "cc", "memory", "v0", "v1",
		       "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10",
		       "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18",
		       "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26",
		       "v27", "v28", "v29", "v30", "v31");
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
