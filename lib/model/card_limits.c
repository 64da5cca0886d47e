// SPDX-License-Identifier: MIT
/* See card_limits.h. */
#include "model/card_limits.h"

static bool within(const struct vgg_window *w, int kernel, int stride)
{
	return w->kernel_h <= kernel && w->kernel_w <= kernel &&
	       w->stride_h <= stride && w->stride_w <= stride &&
	       w->pad_top < w->kernel_h && w->pad_bottom < w->kernel_h &&
	       w->pad_left < w->kernel_w && w->pad_right < w->kernel_w;
}

static const char *refuse_conv(const struct vgg_layer *l)
{
	int64_t taps = vgg_channels(&l->in) * l->win.kernel_h * l->win.kernel_w;

	if (!within(&l->win, VGG_CONV_KERNEL_MAX, VGG_CONV_STRIDE_MAX))
		return "kernel, stride or padding beyond the card's limits";
	if (l->has_pool &&
	    !within(&l->pool, VGG_FUSED_KERNEL_MAX, VGG_FUSED_KERNEL_MAX))
		return "pooling window beyond the card's limits";
	if (taps > VGG_TAPS_MAX || vgg_channels(&l->out) > VGG_CHANNELS_MAX)
		return "more weights per output than the card can sum";
	return NULL;
}

static const char *refuse_size(const struct vgg_layer *l)
{
	if (l->in.rank == 4 &&
	    (l->in.dim[2] > VGG_DIM_MAX || l->in.dim[3] > VGG_DIM_MAX))
		return "image beyond the card's limits";
	if (vgg_channels(&l->in) > VGG_CHANNELS_MAX)
		return "more channels than the card can address";
	return NULL;
}

const char *vgg_card_refusal(const struct vgg_layer *l)
{
	const char *size = refuse_size(l);

	switch (l->op) {
	case VGG_OP_CONV:
		return size ? size : refuse_conv(l);
	case VGG_OP_MAXPOOL:
	case VGG_OP_AVGPOOL:
		if (size)
			return size;
		if (!within(&l->win, VGG_POOL_KERNEL_MAX, VGG_POOL_KERNEL_MAX))
			return "pooling window beyond the card's limits";
		return NULL;
	case VGG_OP_AFFINE:
		return "the card scales channels only behind a convolution";
	case VGG_OP_PAD:
		return "the card pads only inside a convolution or pool";
	case VGG_OP_RESHAPE:
		return l->keep_order ? NULL : "the card doesn't permute values";
	default:
		return "the card has no such command";
	}
}
