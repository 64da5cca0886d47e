/* SPDX-License-Identifier: MIT */
/* What the files of the neon kernels share: not for others. */
#if !defined(VGG_NEON_H) && defined(__aarch64__)
#define VGG_NEON_H

#include <arm_neon.h>

#include "kernels/engines.h"

#define VGG_NEON_BLOCK 8 /* filters of a packed block */

/* neon_gemm.c: Winograd's product, for out-of-order cores and for in-order
 * ones. */
void vgg_neon_multiply(const struct vgg_gemm *g);
void vgg_neon_multiply_in_order(const struct vgg_gemm *g);

/* neon_product.c */
void vgg_neon_dot_s8(const int8_t *x, const int8_t *w, size_t n, int rows,
		     int32_t *acc);
void vgg_neon_dot_s8_plain(const int8_t *x, const int8_t *w, size_t n, int rows,
			   int32_t *acc);

/*
 * Requantisation of 8 filters. All of vggaccel_hw.h's formula is exact here:
 * 64-bit products, rounding shifts of them, then saturation to 16 bits, which
 * doesn't matter to what follows as long as offsets are near (conv.h).
 */
struct vgg_neon_finish {
	int32x4_t bias[2], mult[2], shift[2]; /* shift: to the left */
	int16x8_t offset, lo, hi;
	bool relu;
};

static inline struct vgg_neon_finish
vgg_neon_finish_of(const struct vgg_finish_s8 *f)
{
	struct vgg_neon_finish n = { .relu = f->relu };
	int i;

	for (i = 0; i < 2; i++) {
		n.bias[i] = vld1q_s32(f->bias + 4 * i);
		n.mult[i] = vld1q_s32(f->mult + 4 * i);
		n.shift[i] = vnegq_s32(vld1q_s32(f->shift + 4 * i));
	}
	n.offset = vcombine_s16(vmovn_s32(vld1q_s32(f->offset)),
				vmovn_s32(vld1q_s32(f->offset + 4)));
	n.lo = vdupq_n_s16((int16_t)f->lo);
	n.hi = vdupq_n_s16((int16_t)f->hi);
	return n;
}

static inline int16x4_t vgg_neon_scale(const struct vgg_neon_finish *f, int i,
				       int32x4_t acc)
{
	int64x2_t a, b;

	acc = vaddq_s32(acc, f->bias[i]);
	if (f->relu)
		acc = vmaxq_s32(acc, vdupq_n_s32(0));
	a = vmull_s32(vget_low_s32(acc), vget_low_s32(f->mult[i]));
	b = vmull_high_s32(acc, f->mult[i]);
	a = vrshlq_s64(a, vmovl_s32(vget_low_s32(f->shift[i])));
	b = vrshlq_s64(b, vmovl_high_s32(f->shift[i]));
	return vqmovn_s32(vqmovn_high_s64(vqmovn_s64(a), b));
}

static inline int8x8_t vgg_neon_requantize(const struct vgg_neon_finish *f,
					   int32x4_t acc0, int32x4_t acc1)
{
	int16x8_t y = vcombine_s16(vgg_neon_scale(f, 0, acc0),
				   vgg_neon_scale(f, 1, acc1));

	y = vqaddq_s16(y, f->offset);
	y = vminq_s16(vmaxq_s16(y, f->lo), f->hi);
	return vmovn_s16(y);
}

#endif
