/* SPDX-License-Identifier: MIT */
/*
 * The inner loops of f32.c for one vector width; included once for each, with
 * NAME, TARGET and LANES defined. Vector types, because compilers left to
 * themselves find other, slower ways to vectorise these loops.
 */
#define VECTORS (BLOCK / LANES)
#define vec NAME(vec)
typedef float vec __attribute__((vector_size(LANES * 4), aligned(4)));

/* acc[p][c] += sum over t of x[p * step + t] * w[t][c], for one kernel row */
TARGET
static void NAME(multiply)(float acc[PIXELS][BLOCK], const float *restrict x,
			   size_t step, const float *restrict w, size_t run)
{
	vec a[PIXELS][VECTORS];
	size_t t;
	int p, v;

	memcpy(a, acc, sizeof(a));
	for (t = 0; t < run; t++, w += BLOCK)
#pragma GCC unroll 4
		for (p = 0; p < PIXELS; p++)
#pragma GCC unroll 4
			for (v = 0; v < VECTORS; v++)
				a[p][v] += x[(size_t)p * step + t] *
					   ((const vec *)w)[v];
	memcpy(acc, a, sizeof(a));
}

/* Four independent sums hide the latency of an addition. */
TARGET
static float NAME(dot)(const float *a, const float *b, size_t n)
{
	vec part[4] = { { 0 } };
	float sum = 0;
	size_t i;
	int v;

	for (i = 0; i + 4 * LANES <= n; i += 4 * LANES)
#pragma GCC unroll 4
		for (v = 0; v < 4; v++)
			part[v] += ((const vec *)(a + i))[v] *
				   ((const vec *)(b + i))[v];
	for (; i < n; i++)
		sum += a[i] * b[i];
	part[0] += part[1] + part[2] + part[3];
	for (v = 0; v < LANES; v++)
		sum += part[0][v];
	return sum;
}

#undef vec
#undef VECTORS
#undef NAME
#undef TARGET
#undef LANES
