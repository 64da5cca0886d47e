/* SPDX-License-Identifier: MIT */
/*
 * int8 convolutions made ready for this CPU: which way they are computed
 * (Winograd, direct, one product per filter, or the reference), with which
 * engine, and their packed weights. Which it is never shows in a result.
 */
#ifndef VGG_CONV_S8_H
#define VGG_CONV_S8_H

#include "kernels/conv.h"
#include "kernels/kernels.h"

enum vgg_way { VGG_WAY_SCALAR, VGG_WAY_DOT, VGG_WAY_DIRECT, VGG_WAY_WINOGRAD };

struct vgg_ready_s8 {
	struct vgg_conv_s8 k; /* in.data and out.data are set for each run */
	enum vgg_way way;
	const struct vgg_kernels *kernels;
	/* DIRECT and WINOGRAD. DOT: c.packed keeps what runs learn about the
	 * weights, so it is written to by them; nothing else is set. */
	struct vgg_conv c;
	bool pool_after; /* by the pool kernel, through the workspace */
};

/* `k` without data of in and out; its weights and parameters outlive `r`, if the
 * way is SCALAR or DOT, which use them where they are. `cache`: see conv.h.
 * The bytes to give to r->c.packed (aligned to 64) are in r->c.packed_bytes,
 * which may be 0. */
void vgg_ready_s8_init(struct vgg_ready_s8 *r,
		       const struct vgg_kernels *kernels,
		       const struct vgg_conv_s8 *k, struct vgg_l2 l2);
/* To be called for each b < vgg_ready_s8_blocks(), after c.packed is set; 0
 * before the others. */
int vgg_ready_s8_blocks(const struct vgg_ready_s8 *r);
void vgg_ready_s8_pack(const struct vgg_ready_s8 *r, int b);

/* Ranges are cut at multiples of this many channels. */
int vgg_ready_s8_grain(const struct vgg_ready_s8 *r);
size_t vgg_ready_s8_workspace(const struct vgg_ready_s8 *r, int workers);
/* The range of `out` from `in`, both laid out as k.in and k.out say. */
void vgg_ready_s8_run(const struct vgg_ready_s8 *r, const int8_t *in,
		      int8_t *out, const struct vgg_conv_range *range,
		      const struct vgg_team *team, char *workspace);

#endif
