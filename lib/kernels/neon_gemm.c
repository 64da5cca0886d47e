// SPDX-License-Identifier: MIT
/*
 * The product of Winograd's int16 engine on Arm: 8 filters of U at a time
 * against up to 7 tiles of V, a channel after the other,
 *
 *   acc[tile][0..7] += U[channel][0..7] * V[tile][channel]
 *
 * as smlal by lane. It is written in assembly, as a compiler neither keeps all
 * 32 registers busy without spilling nor pairs the loads:
 *
 *   v0..v13	V, two registers for each tile (lanes of h are in v0..v15 only)
 *   v14, v15, v30, v31  U
 *   v16..v29	accumulators, two for each tile
 *
 * Seven tiles leave room for 16 channels of each, so that every load is a pair:
 * 224 multiplies in 239 instructions. Eight tiles would have room for 8 channels
 * and take more instructions for each multiply.
 */
#ifdef __aarch64__
#include "kernels/neon.h"

#define GROUP_MAX 7

/* clang-format off */
/* For each tile: X(accumulators, V's registers, the address of the V before and
 * its own, M's place, more) */
#define TILE0(X, ...) X(16, 17, 0, 1, x9, x9, 0, __VA_ARGS__)
#define TILE1(X, ...) X(18, 19, 2, 3, x9, x10, 32, __VA_ARGS__)
#define TILE2(X, ...) X(20, 21, 4, 5, x10, x11, 64, __VA_ARGS__)
#define TILE3(X, ...) X(22, 23, 6, 7, x11, x12, 96, __VA_ARGS__)
#define TILE4(X, ...) X(24, 25, 8, 9, x12, x13, 128, __VA_ARGS__)
#define TILE5(X, ...) X(26, 27, 10, 11, x13, x14, 160, __VA_ARGS__)
#define TILE6(X, ...) X(28, 29, 12, 13, x14, x15, 192, __VA_ARGS__)
#define TILES1(X, ...) TILE0(X, __VA_ARGS__)
#define TILES2(X, ...) TILES1(X, __VA_ARGS__) TILE1(X, __VA_ARGS__)
#define TILES3(X, ...) TILES2(X, __VA_ARGS__) TILE2(X, __VA_ARGS__)
#define TILES4(X, ...) TILES3(X, __VA_ARGS__) TILE3(X, __VA_ARGS__)
#define TILES5(X, ...) TILES4(X, __VA_ARGS__) TILE4(X, __VA_ARGS__)
#define TILES6(X, ...) TILES5(X, __VA_ARGS__) TILE5(X, __VA_ARGS__)
#define TILES7(X, ...) TILES6(X, __VA_ARGS__) TILE6(X, __VA_ARGS__)

#define ZERO(lo, hi, a, b, prev, at, m, ...) \
	"movi	v" #lo ".4s, #0\n"           \
	"movi	v" #hi ".4s, #0\n"
#define STORE(lo, hi, a, b, prev, at, m, ...) \
	"stp	q" #lo ", q" #hi ", [%[m], #" #m "]\n"
#define STORE_NEXT(lo, hi, a, b, prev, at, m, ...) \
	"stp	q" #lo ", q" #hi ", [%[m]], #32\n"
#define POINT(lo, hi, a, b, prev, at, m, ...) \
	"add	" #at ", " #prev ", %[pitch]\n"
#define LOAD_PAIR(lo, hi, a, b, prev, at, m, ...) \
	"ldp	q" #a ", q" #b ", [" #at "], #32\n"
/* The last of a row; then to that of the next group. */
#define LOAD_END(lo, hi, a, b, prev, at, m, ...) \
	"ld1	{v" #a ".8h, v" #b ".8h}, [" #at "], %[leap]\n"
#define LOAD_Q(lo, hi, a, b, prev, at, m, ...) \
	"ldr	q" #a ", [" #at "], #16\n"
#define LOAD_D(lo, hi, a, b, prev, at, m, ...) \
	"ldr	d" #a ", [" #at "], #8\n"
#define LOAD_LAST(lo, hi, a, b, prev, at, m, ...) "ldr	d" #a ", [" #at "]\n"
/* One channel: lane of the tile's first register, or of its second. */
#define MUL_A(lo, hi, a, b, prev, at, m, u, lane)                \
	"smlal	v" #lo ".4s, v" #u ".4h, v" #a ".h[" #lane "]\n" \
	"smlal2	v" #hi ".4s, v" #u ".8h, v" #a ".h[" #lane "]\n"
#define MUL_B(lo, hi, a, b, prev, at, m, u, lane) \
	MUL_A(lo, hi, b, a, prev, at, m, u, lane)
/* The very first one. */
#define MUL_0(lo, hi, a, b, prev, at, m, u, lane)                \
	"smull	v" #lo ".4s, v" #u ".4h, v" #a ".h[" #lane "]\n" \
	"smull2	v" #hi ".4s, v" #u ".8h, v" #a ".h[" #lane "]\n"

#define U_PAIR(a, b) "ldp	q" #a ", q" #b ", [%[u]], #32\n"
#define U_ONE(a) "ldr	q" #a ", [%[u]], #16\n"
/* Four channels. */
#define FOUR_FROM(tiles, MUL_1, MUL, a, b, c, d)                              \
	U_PAIR(14, 15) tiles(MUL_1, 14, a)                                    \
	U_PAIR(30, 31) tiles(MUL, 15, b) tiles(MUL, 30, c) tiles(MUL, 31, d)
#define FOUR(tiles, MUL, a, b, c, d) FOUR_FROM(tiles, MUL, MUL, a, b, c, d)

/* What 16 or 8 channels leave. An image of 3 channels comes in at 7. */
#define TAIL(tiles)                                                           \
	"tbz	%w[k], #2, 1f\n"                                              \
	tiles(LOAD_D) FOUR(tiles, MUL_A, 0, 1, 2, 3)                          \
	"1:	tst	%w[k], #3\n"                                          \
	"b.eq	2f\n"                                                         \
	tiles(LOAD_LAST) U_ONE(14) tiles(MUL_A, 14, 0)                        \
	"b	8f\n"                                                         \
	"7:\n"                                                                \
	tiles(LOAD_LAST) U_ONE(14) tiles(MUL_0, 14, 0)                        \
	"8:	tbz	%w[k], #1, 2f\n"                                      \
	U_ONE(14) tiles(MUL_A, 14, 1)                                         \
	"tbz	%w[k], #0, 2f\n"                                              \
	U_ONE(14) tiles(MUL_A, 14, 2)                                         \
	"2:\n"

/* 16 channels; the last four leave flags alone that `between` sets. */
#define SIXTEEN_FROM(tiles, LOAD, MUL_1, between)                             \
	tiles(LOAD) FOUR_FROM(tiles, MUL_1, MUL_A, 0, 1, 2, 3)                \
	FOUR(tiles, MUL_A, 4, 5, 6, 7)                                        \
	FOUR(tiles, MUL_B, 0, 1, 2, 3)                                        \
	between                                                               \
	FOUR(tiles, MUL_B, 4, 5, 6, 7)
#define SIXTEEN(tiles, between) SIXTEEN_FROM(tiles, LOAD_PAIR, MUL_A, between)

/* Any number of channels. */
#define LOOP_A72(tiles)                                                       \
	"lsr	%w[n], %w[k], #2\n"                                           \
	"cbz	%w[n], 7f\n"                                                  \
	tiles(ZERO)                                                           \
	"lsr	%w[n], %w[k], #4\n"                                           \
	"cbz	%w[n], 5f\n"                                                  \
	".p2align 5\n"                                                        \
	"4:\n"                                                                \
	SIXTEEN(tiles, "subs	%w[n], %w[n], #1\n")                          \
	"b.ne	4b\n"                                                         \
	"5:	tst	%w[k], #15\n"                                         \
	"b.eq	2f\n"                                                         \
	"tbz	%w[k], #3, 6f\n"                                              \
	tiles(LOAD_Q) FOUR(tiles, MUL_A, 0, 1, 2, 3)                          \
	FOUR(tiles, MUL_A, 4, 5, 6, 7)                                        \
	"6:\n"

/*
 * What networks are made of: 16 channels several times. The first 16 need no
 * zeros, the last take the pointers to the next group, and those between come by
 * four times 16; `rest`, what isn't a multiple of four, says where to begin.
 */
#define WHOLE(tiles)                                                          \
	"sub	x9, %[v], %[pitch]\n"                                         \
	tiles(POINT)                                                          \
	"0:	mov	%[u], %[u0]\n"                                        \
	"mov	%w[n], %w[turns]\n"                                           \
	SIXTEEN_FROM(tiles, LOAD_PAIR, MUL_0, )                               \
	"tbz	%w[rest], #1, 5f\n"                                           \
	"tbz	%w[rest], #0, 3f\n"                                           \
	"b	2f\n"                                                         \
	"5:	tbnz	%w[rest], #0, 4f\n"                                   \
	"cbz	%w[n], 6f\n"                                                  \
	"1:\n"	SIXTEEN(tiles, )                                              \
	"2:\n"	SIXTEEN(tiles, )                                              \
	"3:\n"	SIXTEEN(tiles, )                                              \
	"4:\n"	SIXTEEN(tiles, "subs	%w[n], %w[n], #1\n")                  \
	"b.ne	1b\n"                                                         \
	"6:\n"                                                                \
	SIXTEEN_FROM(tiles, LOAD_END, MUL_A,                                  \
		     "subs	%[groups], %[groups], #1\n")                  \
	tiles(STORE_NEXT)                                                     \
	"b.ne	0b\n"

/* The image: 3 channels, rows of V side by side; U stays where it is. */
#define ROWS1 "ldr	q0, [%[v]], #16\n"
#define ROWS2 "ldp	q0, q2, [%[v]], #32\n"
#define ROWS3 ROWS2 "ldr	q4, [%[v]], #16\n"
#define ROWS4 ROWS2 "ldp	q4, q6, [%[v]], #32\n"
#define ROWS5 ROWS4 "ldr	q8, [%[v]], #16\n"
#define ROWS6 ROWS4 "ldp	q8, q10, [%[v]], #32\n"
#define ROWS7 ROWS6 "ldr	q12, [%[v]], #16\n"
#define THREE(tiles, rows)                                                    \
	U_PAIR(14, 15) U_ONE(30)                                              \
	"0:\n" rows                                                           \
	"subs	%[groups], %[groups], #1\n"                                   \
	tiles(MUL_0, 14, 0) tiles(MUL_A, 15, 1) tiles(MUL_A, 30, 2)           \
	tiles(STORE_NEXT)                                                     \
	"b.ne	0b\n"

/*
 * In order, a load of 64 bits goes beside a multiply, one of 128 bits doesn't.
 * So U's 8 filters are two registers of 4, and V comes by 4 channels, into a
 * tile's registers in turn. A load is always about one channel, 14 multiplies,
 * ahead of its use.
 */
#define MUL_D(lo, hi, v, ulo, uhi, lane, between)                             \
	"smlal	v" #lo ".4s, v" #ulo ".4h, v" #v ".h[" #lane "]\n"            \
	between                                                               \
	"smlal	v" #hi ".4s, v" #uhi ".4h, v" #v ".h[" #lane "]\n"
#define D_A(lo, hi, a, b, prev, at, m, ulo, uhi, lane)                        \
	MUL_D(lo, hi, a, ulo, uhi, lane, )
#define D_B(lo, hi, a, b, prev, at, m, ulo, uhi, lane)                        \
	MUL_D(lo, hi, b, ulo, uhi, lane, )
/* With a load of the tile's other register. */
#define D_A_LOAD(lo, hi, a, b, prev, at, m, ulo, uhi, lane)                   \
	MUL_D(lo, hi, a, ulo, uhi, lane, "ldr	d" #b ", [" #at "], #8\n")
#define D_B_LOAD(lo, hi, a, b, prev, at, m, ulo, uhi, lane)                   \
	MUL_D(lo, hi, b, ulo, uhi, lane, "ldr	d" #a ", [" #at "], #8\n")
#define U_D(lo, hi, at)                                                       \
	"ldr	d" #lo ", [%[u], #" #at "]\n"                                 \
	"ldr	d" #hi ", [%[u], #" #at " + 8]\n"
/* Four channels whose first has its U in v14 and v15; U of the next four may
 * be loaded in the end. */
#define FOUR_D(tiles, MUL, MUL_LOAD, at, NEXT)                                \
	U_D(30, 31, at + 16) tiles(MUL, 14, 15, 0)                            \
	U_D(14, 15, at + 32) tiles(MUL_LOAD, 30, 31, 1)                       \
	U_D(30, 31, at + 48) tiles(MUL, 14, 15, 2)                            \
	NEXT tiles(MUL, 30, 31, 3)

#define LOOP_A53(tiles)                                                       \
	"lsr	%w[n], %w[k], #2\n"                                           \
	"cbz	%w[n], 7f\n"                                                  \
	tiles(ZERO)                                                           \
	"lsr	%w[n], %w[n], #1\n"                                           \
	"cbz	%w[n], 5f\n"                                                  \
	tiles(LOAD_D) U_D(14, 15, 0)                                          \
	"subs	%w[n], %w[n], #1\n"                                           \
	"b.eq	4f\n"                                                         \
	".p2align 3\n"                                                        \
	"3:\n"                                                                \
	FOUR_D(tiles, D_A, D_A_LOAD, 0, U_D(14, 15, 64))                      \
	"add	%[u], %[u], #128\n"                                           \
	"subs	%w[n], %w[n], #1\n"                                           \
	FOUR_D(tiles, D_B, D_B_LOAD, -64, U_D(14, 15, 0))                     \
	"b.ne	3b\n"                                                         \
	"4:\n"                                                                \
	FOUR_D(tiles, D_A, D_A_LOAD, 0, U_D(14, 15, 64))                      \
	"add	%[u], %[u], #128\n"                                           \
	FOUR_D(tiles, D_B, D_B, -64, )                                        \
	"5:\n"

/* Groups of tiles at one position, one after the other. */
struct groups {
	const char *u, *v;
	char *m;
	size_t pitch;
	int k, count;
};

#define GROUPS(core, tiles_n)                                                \
	static void groups_##core##_##tiles_n(const struct groups *g)        \
	{                                                                    \
		const char *u, *v = g->v;                                    \
		char *m = g->m;                                              \
		size_t pitch = g->pitch;                                     \
		int i, n, k = g->k;                                          \
                                                                             \
		for (i = g->count; i > 0; i--, m += tiles_n * 32) {          \
			u = g->u;                                            \
			asm volatile("sub	x9, %[v], %[pitch]\n"        \
				     TILES##tiles_n(POINT)                   \
				     LOOP_##core(TILES##tiles_n)             \
				     TAIL(TILES##tiles_n)                    \
				     TILES##tiles_n(STORE)                   \
				     : [u] "+&r"(u), [n] "=&r"(n)            \
				     : [v] "r"(v), [m] "r"(m), [k] "r"(k),   \
				       [pitch] "r"(pitch)                    \
				     : CLOBBERED);                           \
			v += tiles_n * pitch;                                \
		}                                                            \
	}

/* Channels: 32 or more, a multiple of 16. */
#define GROUPS_WHOLE(tiles_n)                                                \
	static void groups_whole_##tiles_n(const struct groups *g)           \
	{                                                                    \
		const char *u;                                               \
		char *m = g->m;                                              \
		long groups = g->count, between = g->k / 16 - 2, n;          \
		size_t leap = tiles_n * g->pitch - 2 * (size_t)g->k + 32;    \
                                                                             \
		asm volatile(WHOLE(TILES##tiles_n)                           \
			     : [u] "=&r"(u), [n] "=&r"(n), [m] "+&r"(m),     \
			       [groups] "+&r"(groups)                        \
			     : [u0] "r"(g->u), [v] "r"(g->v),                \
			       [pitch] "r"(g->pitch), [leap] "r"(leap),      \
			       [turns] "r"((between + 3) / 4),               \
			       [rest] "r"(between)                           \
			     : CLOBBERED);                                   \
	}

/* See is_image(). */
#define GROUPS_THREE(tiles_n)                                                \
	static void groups_three_##tiles_n(const struct groups *g)           \
	{                                                                    \
		const char *u = g->u, *v = g->v;                             \
		char *m = g->m;                                              \
		long groups = g->count;                                      \
                                                                             \
		asm volatile(THREE(TILES##tiles_n, ROWS##tiles_n)            \
			     : [u] "+&r"(u), [v] "+&r"(v), [m] "+&r"(m),     \
			       [groups] "+&r"(groups)                        \
			     :                                               \
			     : CLOBBERED);                                   \
	}

/* clang-format on */

#define CLOBBERED                                                              \
	"x9", "x10", "x11", "x12", "x13", "x14", "x15", "v0", "v1", "v2",      \
		"v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", \
		"v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", \
		"v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", \
		"v31", "cc", "memory"

#define SIZES(name)                                                     \
	static void (*const groups_##name[])(const struct groups *) = { \
		NULL,                                                   \
		groups_##name##_1,                                      \
		groups_##name##_2,                                      \
		groups_##name##_3,                                      \
		groups_##name##_4,                                      \
		groups_##name##_5,                                      \
		groups_##name##_6,                                      \
		groups_##name##_7,                                      \
	}
#define CORE(core)      \
	GROUPS(core, 1) \
	GROUPS(core, 2) \
	GROUPS(core, 3) \
	GROUPS(core, 4) \
	GROUPS(core, 5) \
	GROUPS(core, 6) \
	GROUPS(core, 7) \
	SIZES(core)
CORE(A72);
CORE(A53);

GROUPS_WHOLE(1)
GROUPS_WHOLE(2)
GROUPS_WHOLE(3)
GROUPS_WHOLE(4)
GROUPS_WHOLE(5)
GROUPS_WHOLE(6)
GROUPS_WHOLE(7)
SIZES(whole);

GROUPS_THREE(1)
GROUPS_THREE(2)
GROUPS_THREE(3)
GROUPS_THREE(4)
GROUPS_THREE(5)
GROUPS_THREE(6)
GROUPS_THREE(7)
SIZES(three);

/* All tiles at position p in groups of equal sizes, or one more. */
static inline void multiply_at(const struct vgg_gemm *g, int p,
			       void (*const groups[])(const struct groups *))
{
	int count = (g->tiles + GROUP_MAX - 1) / GROUP_MAX;
	int size = g->tiles / count, larger = g->tiles % count;
	struct groups one = { .u = g->u + (size_t)p * g->u_step,
			      .v = g->v + (size_t)p * g->v_step,
			      .m = g->m + (size_t)p * g->m_step,
			      .pitch = g->v_pitch,
			      .k = g->k,
			      .count = larger };

	if (larger) {
		groups[size + 1](&one);
		one.v += (size_t)(larger * (size + 1)) * g->v_pitch;
		one.m += larger * (size + 1) * 32;
	}
	one.count = count - larger;
	groups[size](&one);
}

/* 3 channels, each row of V 16 bytes, all of which may be read: they are not a
 * part of more channels (conv_care.c), which would begin within a row. */
static bool is_image(const struct vgg_gemm *g)
{
	return g->k == 3 && g->v_pitch == 16 && !((uintptr_t)g->v & 15);
}

static void multiply(const struct vgg_gemm *g,
		     void (*const groups[])(const struct groups *))
{
	int p;

	if (is_image(g))
		groups = groups_three;
	for (p = 0; p < g->positions; p++)
		multiply_at(g, p, groups);
}

void vgg_neon_multiply(const struct vgg_gemm *g)
{
	multiply(g, g->k >= 32 && g->k % 16 == 0 ? groups_whole : groups_A72);
}

void vgg_neon_multiply_in_order(const struct vgg_gemm *g)
{
	multiply(g, groups_A53);
}
#endif
