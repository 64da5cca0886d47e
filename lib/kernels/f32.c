// SPDX-License-Identifier: MIT
/*
 * fp32 kernels in vector types of the compiler: 4 pixels x 16 channels at a time,
 * with the 64 sums in registers. The rows a window covers are first laid into
 * scratch with their padding, so that the inner loop has no edges and one
 * contiguous run of kernel_w * in_c values per kernel row.
 */
#include <string.h>

#include "kernels/kernels.h"

#define BLOCK 16
#define PIXELS 4

size_t vgg_pack_f32_count(size_t out_c, size_t taps)
{
	return (out_c + BLOCK - 1) / BLOCK * BLOCK * taps;
}

void vgg_pack_f32(const float *weight, size_t out_c, size_t taps, float *packed,
		  size_t block)
{
	size_t c, t, first = block * BLOCK;
	float *to = packed + first * taps;

	for (c = 0; c < BLOCK; c++)
		for (t = 0; t < taps; t++)
			to[t * BLOCK + c] =
				first + c < out_c ?
					weight[(first + c) * taps + t] :
					0;
}

/* Columns of the padded rows: those the last, partial group of pixels reads
 * as well. */
static size_t padded_width(const struct vgg_conv_f32 *k)
{
	int groups = (k->out_w + PIXELS - 1) / PIXELS * PIXELS;

	return (size_t)((groups - 1) * k->win.stride_w + k->win.kernel_w);
}

size_t vgg_conv_f32_scratch(const struct vgg_conv_f32 *k)
{
	return (size_t)k->win.kernel_h * padded_width(k) * (size_t)k->in_c;
}

static void load_rows(const struct vgg_conv_f32 *k, int y, float *to)
{
	size_t c = (size_t)k->in_c, width = padded_width(k);
	size_t left = (size_t)k->win.pad_left, have = (size_t)k->in_w;
	int i, row;

	/* With a stride, the last pixels may not be needed, or none. */
	if (left >= width)
		have = 0;
	else if (have > width - left)
		have = width - left;
	for (i = 0; i < k->win.kernel_h; i++, to += width * c) {
		row = y * k->win.stride_h - k->win.pad_top + i;
		memset(to, 0, width * c * sizeof(*to));
		if (row < 0 || row >= k->in_h)
			continue;
		memcpy(to + left * c, k->in + (size_t)row * (size_t)k->in_w * c,
		       have * c * sizeof(*to));
	}
}

#define NAME(f) f##_generic
#define TARGET
#define LANES 4
#include "kernels/f32_inner.h"

/* Wider vectors where the CPU has them; the generic code in wide vectors would
 * be slower than scalar code on a CPU without. */
#ifdef __x86_64__
#define NAME(f) f##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#include "kernels/f32_inner.h"

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
#define multiply_avx2 multiply_generic
#define dot_avx2 dot_generic
static bool has_avx2(void)
{
	return false;
}
#endif

static void multiply(float acc[PIXELS][BLOCK], const float *x, size_t step,
		     const float *w, size_t run)
{
	(has_avx2() ? multiply_avx2 : multiply_generic)(acc, x, step, w, run);
}

static void pixels(const struct vgg_conv_f32 *k, const float *rows, int block,
		   int x, float *out)
{
	size_t run = (size_t)(k->win.kernel_w * k->in_c);
	size_t step = (size_t)(k->win.stride_w * k->in_c);
	size_t taps = (size_t)k->win.kernel_h * run;
	size_t pitch = padded_width(k) * (size_t)k->in_c;
	const float *w = k->packed + (size_t)block * BLOCK * taps;
	int c, channels = k->out_c - block * BLOCK, p, i;
	float acc[PIXELS][BLOCK];

	if (channels > BLOCK)
		channels = BLOCK;
	for (p = 0; p < PIXELS; p++)
		for (c = 0; c < BLOCK; c++)
			acc[p][c] = k->bias && c < channels ?
					    k->bias[block * BLOCK + c] :
					    0;
	for (i = 0; i < k->win.kernel_h; i++)
		multiply(acc, rows + (size_t)i * pitch + (size_t)x * step, step,
			 w + (size_t)i * run * BLOCK, run);
	for (p = 0; p < PIXELS && x + p < k->out_w; p++)
		memcpy(out + (size_t)(x + p) * (size_t)k->out_c +
			       (size_t)block * BLOCK,
		       acc[p], (size_t)channels * sizeof(float));
}

void vgg_conv_f32_rows(const struct vgg_conv_f32 *k, int row0, int row1,
		       float *scratch)
{
	int y, x, block, blocks = (k->out_c + BLOCK - 1) / BLOCK;

	for (y = row0; y < row1; y++) {
		load_rows(k, y, scratch);
		for (block = 0; block < blocks; block++)
			for (x = 0; x < k->out_w; x += PIXELS)
				pixels(k, scratch, block, x,
				       k->out + (size_t)y * (size_t)k->out_w *
							(size_t)k->out_c);
	}
}

float vgg_dot_f32(const float *a, const float *b, size_t n)
{
	return (has_avx2() ? dot_avx2 : dot_generic)(a, b, n);
}

float vgg_dot_f16(const float *a, const uint16_t *b, size_t n)
{
	float part[BLOCK] = { 0 }, sum = 0;
	size_t i;

	for (i = 0; i < n; i++)
		part[i % BLOCK] += a[i] * vgg_half_to_float(b[i]);
	for (i = 0; i < BLOCK; i++)
		sum += part[i];
	return sum;
}

static float float_from(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

float vgg_half_to_float(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16;
	uint32_t exponent = (h >> 10) & 31, mantissa = h & 0x3ff;

	if (exponent == 31) /* infinity, NaN */
		return float_from(sign | 0x7f800000 | mantissa << 13);
	if (exponent)
		return float_from(sign | (exponent + 112) << 23 |
				  mantissa << 13);
	/* zero and subnormals: mantissa * 2^-24 */
	return (sign ? -1.0f : 1.0f) * (float)mantissa * 0x1p-24f;
}

uint16_t vgg_float_to_half(float f)
{
	uint32_t bits, sign, rest, half;
	int shift;

	memcpy(&bits, &f, sizeof(bits));
	sign = bits >> 16 & 0x8000;
	bits &= 0x7fffffff;
	if (bits > 0x7f800000)
		return (uint16_t)(sign | 0x7e00);
	if (bits >= 0x477ff000) /* rounds to 2^16 or more */
		return (uint16_t)(sign | 0x7c00);
	if (bits >= 0x38800000) { /* normal: rebias, drop 13 bits */
		bits -= 112u << 23;
		shift = 13;
	} else if (bits > 0x33000000) { /* subnormal */
		shift = 126 - (int)(bits >> 23);
		bits = (bits & 0x7fffff) | 0x800000;
	} else {
		return (uint16_t)sign;
	}
	half = bits >> shift;
	rest = bits & ((1u << shift) - 1);
	/* A carry out of the mantissa correctly raises the exponent. */
	half += rest > 1u << (shift - 1) ||
		(rest == 1u << (shift - 1) && (half & 1));
	return (uint16_t)(sign | half);
}
