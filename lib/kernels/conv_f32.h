/* SPDX-License-Identifier: MIT */
/*
 * fp32 convolutions made ready for this CPU: with which engine, by Winograd or
 * directly, and their packed weights. Results depend on these, but never on the
 * number of threads.
 */
#ifndef VGG_CONV_F32_H
#define VGG_CONV_F32_H

#include "kernels/conv.h"
#include "kernels/kernels.h"

/* acc = bias + sum w * x; relu; scale and shift; clip to lo..hi; then the pool. */
struct vgg_conv_f32 {
	int in_h, in_w, in_c, out_c; /* NHWC without gaps */
	struct vgg_window win, pool;
	bool has_pool, relu;
	const float *bias, *scale, *shift; /* [out_c], or NULL */
	float lo, hi;			   /* -INFINITY, INFINITY: none */
};

struct vgg_ready_f32 {
	struct vgg_conv_f32 k;
	struct vgg_conv c;
	bool pool_after; /* k.pool is the caller's to do */
};

/* `cache`: see conv.h. Memory for r->c.packed: r->c.packed_bytes, aligned to 64
 * bytes. */
void vgg_ready_f32_init(struct vgg_ready_f32 *r,
			const struct vgg_kernels *kernels,
			const struct vgg_conv_f32 *k, struct vgg_l2 l2);
/* To be called for each b < r->c.blocks, 0 before the others, with
 * [out_c][kernel_h][kernel_w][in_c] weights; they and bias, scale and shift
 * are not needed afterwards. */
void vgg_ready_f32_pack(const struct vgg_ready_f32 *r, const float *weight,
			int b);
/* Bytes of workspace, aligned to 64. */
size_t vgg_ready_f32_workspace(const struct vgg_ready_f32 *r, int workers);
/* One image, or a range of its output (conv.h; NULL: all). `out` is the whole
 * output's, before the pool if that is the caller's. */
void vgg_ready_f32_run(const struct vgg_ready_f32 *r, const float *in,
		       float *out, const struct vgg_conv_range *range,
		       const struct vgg_team *team, char *workspace);

/* Engines of a variant; of the generic one if it has none. */
const struct vgg_engine *vgg_direct_f32(const struct vgg_kernels *kernels);
const struct vgg_engine *vgg_winograd_f32(const struct vgg_kernels *kernels);

#endif
