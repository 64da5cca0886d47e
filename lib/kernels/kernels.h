/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic on the CPU: pure functions over caller's memory, without
 * threads, allocation of results or errors. Every int8 kernel computes section
 * 5 of vggaccel_hw.h to the bit; which variant runs never shows in a result.
 *
 * Each computes a range of output rows, convolutions and pools also one of output
 * channels, into a shared tensor, so that a layer can be spread over threads and,
 * if it is a convolution, between CPU and card.
 */
#ifndef VGG_KERNELS_H
#define VGG_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/graph.h"

/* An NHWC image or a part of it: strides in elements. */
struct vgg_image_s8 {
	int8_t *data;
	size_t pitch, pixel; /* from row to row, from pixel to pixel */
	int h, w, c;
};

struct vgg_conv_s8 {
	struct vgg_image_s8 in, out; /* out: behind the pool, if there is one */
	struct vgg_window win, pool;
	bool has_pool, relu;
	const int8_t *weight;		/* [out.c][kernel_h][kernel_w][in.c] */
	const struct vgg_qparam *param; /* [out.c] */
	int pad_value, lo, hi;
};

struct vgg_pool_s8 {
	struct vgg_image_s8 in, out;
	struct vgg_window win;
	bool average, exclude_pad;
	const struct vgg_qparam *param; /* average: by number of taps - 1 */
	int pad_value, lo, hi;
};

/* Scale, shift and clip each channel: y = requantise(relu?(bias + x)). */
struct vgg_affine_s8 {
	struct vgg_image_s8 in, out;
	const struct vgg_qparam *param;
	bool relu;
	int lo, hi;
};

/*
 * Local response normalisation: with d = x - in_zero and s the sum of d * d
 * over `size` channels around c (those that exist),
 *   y = clamp(((d * f(s) + 2^23) >> 24) + out_zero, -128, 127)
 * f is read from a table of VGG_LRN_STEPS + 1 int32 by linear interpolation:
 * i = s >> shift, r = s - (i << shift),
 * f = table[i] + (((table[i + 1] - table[i]) * r) >> shift)    (64 bits)
 */
#define VGG_LRN_STEPS 1024
struct vgg_lrn_s8 {
	struct vgg_image_s8 in, out;
	const int32_t *table; /* [0]: shift; then VGG_LRN_STEPS + 1 entries */
	int size, in_zero, out_zero;
};

/* One set of kernels that fit together; the variants are in kernels.inc. */
struct vgg_kernels {
	const char *name;
	bool (*usable)(void);
	/* Convolutions by the driver of conv.h; NULL: another way is better, or
	 * none is there. */
	const struct vgg_engine *winograd_s8, *direct_s8;
	const struct vgg_engine *winograd_f32, *direct_f32;
	/* acc[r] = sum over i < n of x[i] * w[r * n + i], modulo 2^32 */
	void (*dot_s8)(const int8_t *x, const int8_t *w, size_t n, int rows,
		       int32_t *acc);
	/* The same where no w is -128, if that is faster: two products of such
	 * weights fit 16 bits, but -128 * -128 twice doesn't. Else NULL. */
	void (*dot_s8_plain)(const int8_t *x, const int8_t *w, size_t n,
			     int rows, int32_t *acc);
	/* Rows row0..row1-1 of the output, channels c0..c1-1. */
	void (*pool)(const struct vgg_pool_s8 *k, int row0, int row1, int c0,
		     int c1);
	void (*affine)(const struct vgg_affine_s8 *k, int row0, int row1);
	void (*lrn)(const struct vgg_lrn_s8 *k, int row0, int row1);
};

#define VGG_KERNELS(name) extern const struct vgg_kernels vgg_kernels_##name;
#include "kernels/kernels.inc"
#undef VGG_KERNELS
/* All variants, the slowest first; NULL behind the last. */
const struct vgg_kernels *vgg_kernels_get(unsigned int i);
/* The fastest that this CPU can run. VGG_DISABLE=name,name in the environment
 * switches variants off (not the scalar one). */
const struct vgg_kernels *vgg_kernels_best(void);

/* The reference of convolutions, with any pool behind them. */
void vgg_conv_scalar(const struct vgg_conv_s8 *k, int row0, int row1, int c0,
		     int c1);
/* What is no variant's own. */
void vgg_dot_s8_scalar(const int8_t *x, const int8_t *w, size_t n, int rows,
		       int32_t *acc);
void vgg_pool_scalar(const struct vgg_pool_s8 *k, int row0, int row1, int c0,
		     int c1);
void vgg_pool_vector(const struct vgg_pool_s8 *k, int row0, int row1, int c0,
		     int c1);
void vgg_affine_scalar(const struct vgg_affine_s8 *k, int row0, int row1);
void vgg_lrn_scalar(const struct vgg_lrn_s8 *k, int row0, int row1);

/* The requantisation of one accumulator; shared by the variants' tails. */
static inline int vgg_requantize(int32_t acc, const struct vgg_qparam *p,
				 int lo, int hi)
{
	int64_t t = (int64_t)acc * p->mult;

	t = ((t + ((int64_t)1 << (p->shift - 1))) >> p->shift) + p->offset;
	if (t < lo)
		return lo;
	return t > hi ? hi : (int)t;
}

/* IEEE half precision to single, exactly. */
float vgg_half_to_float(uint16_t h);
/* To the nearest, ties to even; overflow gives infinity. */
uint16_t vgg_float_to_half(float f);

/* input.c: false if any value is infinite or not a number. */
bool vgg_all_finite(const float *x, size_t n);
/* As QuantizeLinear does: ties to even, saturating; NaN becomes -128. */
void vgg_quantize_plane(const float *from, size_t n, float scale, int zero,
			int8_t *to, size_t step);

#endif
