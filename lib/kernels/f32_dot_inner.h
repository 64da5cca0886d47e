/* SPDX-License-Identifier: MIT */
/*
 * Fully connected fp32 of one instruction set, a part of f32_inner.h: weights are
 * read where they lie, once, as floats or halves.
 */

/* Fully connected: rows at a time, so that x is read less often, and sums for
 * each, as an addition takes longer than its issue. */
#define VGG_DOT_ROWS 4
#define VGG_DOT_SUMS 2

INLINE vec weights_f32(const void *w, size_t i)
{
	return load_vec((const float *)w + i);
}

INLINE vec weights_f16(const void *w, size_t i)
{
	return widen_half((const uint16_t *)w + i);
}

INLINE float one_f32(const void *w, size_t i)
{
	return ((const float *)w)[i];
}

INLINE float one_f16(const void *w, size_t i)
{
	return vgg_half_to_float(((const uint16_t *)w)[i]);
}

INLINE float sum_of(vec v)
{
	float sum = 0;
	int i;

	for (i = 0; i < LANES; i++)
		sum += v[i];
	return sum;
}

#define ROWS VGG_DOT_ROWS
#define SUMS VGG_DOT_SUMS

/* How many of n products of ROWS rows an instruction set adds to `part` in its
 * own way; the others follow here. */
#ifndef OWN_DOT
INLINE size_t own_dot_f32(const float *x, const float *w, size_t n,
			  vec part[ROWS][SUMS])
{
	(void)x;
	(void)w;
	(void)n;
	(void)part;
	return 0;
}
#endif

INLINE size_t own_dot_f16(const float *x, const uint16_t *w, size_t n,
			  vec part[ROWS][SUMS])
{
	(void)x;
	(void)w;
	(void)n;
	(void)part;
	return 0;
}

#define DOT(type, w_type)                                                      \
	INLINE void dot_rows_##type(const float *x, const w_type *w, size_t n, \
				    int rows, float *acc)                      \
	{                                                                      \
		vec part[ROWS][SUMS] = { { { 0 } } };                          \
		size_t i = 0, r;                                               \
		int s;                                                         \
                                                                               \
		if (rows == ROWS)                                              \
			i = own_dot_##type(x, w, n, part);                     \
		for (; i + SUMS * LANES <= n; i += SUMS * LANES)               \
			_Pragma("GCC unroll 4") for (s = 0; s < SUMS; s++)     \
			{                                                      \
				vec a = load_vec(x + i + s * LANES);           \
                                                                               \
				_Pragma("GCC unroll 8") for (r = 0;            \
							     r < (size_t)rows; \
							     r++)              \
					part[r][s] +=                          \
					a *                                    \
					weights_##type(w + r * n,              \
						       i + (size_t)s * LANES); \
			}                                                      \
		for (r = 0; r < (size_t)rows; r++)                             \
			acc[r] = sum_of(part[r][0] + part[r][1]);              \
		for (; i < n; i++)                                             \
			for (r = 0; r < (size_t)rows; r++)                     \
				acc[r] += x[i] * one_##type(w + r * n, i);     \
	}                                                                      \
                                                                               \
	static void dot_##type(const float *x, const w_type *w, size_t n,      \
			       int rows, float *acc)                           \
	{                                                                      \
		for (; rows >= ROWS; rows -= ROWS, w += ROWS * n, acc += ROWS) \
			dot_rows_##type(x, w, n, ROWS, acc);                   \
		for (; rows > 0; rows--, w += n, acc++)                        \
			dot_rows_##type(x, w, n, 1, acc);                      \
	}
DOT(f32, float)
DOT(f16, uint16_t)
#undef DOT
