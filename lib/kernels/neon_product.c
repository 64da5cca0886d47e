// SPDX-License-Identifier: MIT
/*
 * A matrix of int8 times a vector on Arm: fully connected layers. Each weight is
 * used once, so memory is what they wait for; a few rows at a time keep x from
 * being loaded as often.
 *
 * 16 products are smull, smull2 and two sadalp: exact for all values. Where no
 * weight is -128 two products fit 16 bits, |2 * 128 * 127| = 32512: then they are
 * smull, smlal2 and one sadalp. The loop over whole lines of 64 bytes is in
 * assembly because compilers neither pair loads of 16 bytes that are post-indexed
 * nor leave the order alone.
 */
#ifdef __aarch64__
#include "kernels/neon.h"

#define ROWS 4
#define LINE 64

/* clang-format off */
#define LOAD(at)                              \
	"ldp	q4, q5, [" #at "], #32\n"     \
	"ldp	q6, q7, [" #at "], #32\n"
/* 16 products, and their sums: well apart, for cores that don't reorder. */
#define MULTIPLY(w, x, lo, hi)                         \
	"smull	v" #lo ".8h, v" #w ".8b, v" #x ".8b\n" \
	"smull2	v" #hi ".8h, v" #w ".16b, v" #x ".16b\n"
#define ADD(lo, hi, a, b)                  \
	"sadalp	v" #a ".4s, v" #lo ".8h\n" \
	"sadalp	v" #b ".4s, v" #hi ".8h\n"
/* 64 weights of one row. */
#define ROW(at, a, b)                                                   \
	LOAD(at) MULTIPLY(4, 0, 24, 25) MULTIPLY(5, 1, 26, 27)          \
		MULTIPLY(6, 2, 28, 29) ADD(24, 25, a, b)                \
			MULTIPLY(7, 3, 30, 31) ADD(26, 27, a, b)        \
				ADD(28, 29, a, b) ADD(30, 31, a, b)

#define LOW(w, x, p) "smull	v" #p ".8h, v" #w ".8b, v" #x ".8b\n"
#define HIGH(w, x, p) "smlal2	v" #p ".8h, v" #w ".16b, v" #x ".16b\n"
#define ROW_PLAIN(at, a, b)                                      \
	LOAD(at) LOW(4, 0, 24) LOW(5, 1, 25) LOW(6, 2, 26)       \
		LOW(7, 3, 27) HIGH(4, 0, 24) HIGH(5, 1, 25)      \
			HIGH(6, 2, 26) ADD(24, 25, a, b)         \
				HIGH(7, 3, 27) ADD(26, 27, a, b)

/* lines * 64 products of four rows, to sum[row]. */
#define FOUR_ROWS(name, ROW)						       \
	static void name(const int8_t *x, const int8_t *w, size_t n,	       \
			 size_t lines, int32_t *sum)			       \
	{								       \
		const int8_t *w1 = w + n, *w2 = w1 + n, *w3 = w2 + n;	       \
									       \
		asm volatile(						       \
			"movi	v16.4s, #0\n"				       \
			"movi	v17.4s, #0\n"				       \
			"movi	v18.4s, #0\n"				       \
			"movi	v19.4s, #0\n"				       \
			"movi	v20.4s, #0\n"				       \
			"movi	v21.4s, #0\n"				       \
			"movi	v22.4s, #0\n"				       \
			"movi	v23.4s, #0\n"				       \
			".p2align 5\n"					       \
			"1:\n"						       \
			"ldp	q0, q1, [%[x]], #32\n"			       \
			"ldp	q2, q3, [%[x]], #32\n"			       \
			ROW(%[w0], 16, 17)				       \
			ROW(%[w1], 18, 19)				       \
			"subs	%[lines], %[lines], #1\n"		       \
			ROW(%[w2], 20, 21)				       \
			ROW(%[w3], 22, 23)				       \
			"b.ne	1b\n"					       \
			"add	v16.4s, v16.4s, v17.4s\n"		       \
			"add	v18.4s, v18.4s, v19.4s\n"		       \
			"add	v20.4s, v20.4s, v21.4s\n"		       \
			"add	v22.4s, v22.4s, v23.4s\n"		       \
			"addp	v16.4s, v16.4s, v18.4s\n"		       \
			"addp	v20.4s, v20.4s, v22.4s\n"		       \
			"addp	v16.4s, v16.4s, v20.4s\n"		       \
			"str	q16, [%[sum]]\n"			       \
			: [x] "+&r"(x), [w0] "+&r"(w), [w1] "+&r"(w1),	       \
			  [w2] "+&r"(w2), [w3] "+&r"(w3),		       \
			  [lines] "+&r"(lines)				       \
			: [sum] "r"(sum)				       \
			: "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",      \
			  "v16", "v17", "v18", "v19", "v20", "v21", "v22",     \
			  "v23", "v24", "v25", "v26", "v27", "v28", "v29",     \
			  "v30", "v31", "cc", "memory");		       \
	}

FOUR_ROWS(four_rows, ROW)
FOUR_ROWS(four_rows_plain, ROW_PLAIN)

/* clang-format on */

static int32_t one_row(const int8_t *x, const int8_t *w, size_t n)
{
	int32x4_t sum = vdupq_n_s32(0);
	uint32_t rest = 0;
	size_t i;

	for (i = 0; i + 8 <= n; i += 8)
		sum = vpadalq_s16(sum,
				  vmull_s8(vld1_s8(x + i), vld1_s8(w + i)));
	for (; i < n; i++)
		rest += (uint32_t)(x[i] * w[i]);
	return (int32_t)((uint32_t)vaddvq_s32(sum) + rest);
}

static inline void dot(const int8_t *x, const int8_t *w, size_t n, int rows,
		       int32_t *acc,
		       void (*four)(const int8_t *x, const int8_t *w, size_t n,
				    size_t lines, int32_t *sum))
{
	size_t done = n / LINE * LINE;
	int i;

	for (; rows >= ROWS && done; rows -= ROWS, acc += ROWS, w += ROWS * n) {
		four(x, w, n, done / LINE, acc);
		for (i = 0; i < ROWS && done < n; i++)
			acc[i] += one_row(x + done, w + (size_t)i * n + done,
					  n - done);
	}
	for (; rows > 0; rows--, acc++, w += n)
		*acc = one_row(x, w, n);
}

void vgg_neon_dot_s8(const int8_t *x, const int8_t *w, size_t n, int rows,
		     int32_t *acc)
{
	dot(x, w, n, rows, acc, four_rows);
}

void vgg_neon_dot_s8_plain(const int8_t *x, const int8_t *w, size_t n, int rows,
			   int32_t *acc)
{
	dot(x, w, n, rows, acc, four_rows_plain);
}
#endif
