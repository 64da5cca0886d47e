/* SPDX-License-Identifier: MIT */
/*
 * CONV and POOL once more, as slowly and as close to the words of section 5 of
 * vggaccel_hw.h as can be: one function gives one output, by definition. The
 * operands are flat arrays; the commands' addresses are not looked at.
 */
#ifndef VGG_NAIVE_H
#define VGG_NAIVE_H

#include "vgg_harness.h"
#include "vggaccel_hw.h"

struct naive {
	const int8_t *src;
	const int8_t *weights;
	const struct vgg_hw_qparam *params;
	const uint32_t *biases; /* in place of params with CONV_OUT32 */
	uint8_t *dst;
	uint64_t saturations;
};

struct naive_size {
	int h, w;
};

static inline struct naive_size naive_windows(const struct vgg_hw_window *win,
					      int h, int w)
{
	return (struct naive_size){
		(h + win->pad_top + win->pad_bottom - win->kernel_h) /
				win->stride_h +
			1,
		(w + win->pad_left + win->pad_right - win->kernel_w) /
				win->stride_w +
			1,
	};
}

/* acc to y; *saturated tells whether the clamp did something. */
static inline int naive_scale(uint32_t acc, const struct vgg_hw_qparam *q,
			      int lo, int hi, bool *saturated)
{
	int64_t t = (int64_t)(int32_t)acc * (int32_t)q->mult;

	t = (t + ((int64_t)1 << (q->shift - 1))) >> q->shift;
	t = t + (int32_t)q->offset;
	*saturated = t < lo || t > hi;
	return t < lo ? lo : t > hi ? hi : (int)t;
}

static inline uint32_t naive_acc(const struct naive *n,
				 const struct vgg_hw_cmd_conv *c, int k, int y,
				 int x)
{
	uint32_t acc = c->head.flags & VGG_CONV_OUT32 ? n->biases[k] :
							n->params[k].bias;
	int i, j, ch;

	for (i = 0; i < c->win.kernel_h; i++)
		for (j = 0; j < c->win.kernel_w; j++)
			for (ch = 0; ch < (int)c->in_c; ch++) {
				int iy = y * c->win.stride_h + i -
					 c->win.pad_top;
				int ix = x * c->win.stride_w + j -
					 c->win.pad_left;
				bool in = iy >= 0 && iy < c->in_h && ix >= 0 &&
					  ix < c->in_w;
				int v = in ? n->src[iy * (int)c->src_pitch +
						    ix * (int)c->src_pixel +
						    ch] :
					     c->pad_value;
				int w = n->weights[k * (int)c->weight_pitch +
						   (i * c->win.kernel_w + j) *
							   (int)c->in_c +
						   ch];

				acc += (uint32_t)(v * w);
			}
	if ((c->head.flags & VGG_CONV_RELU) && (int32_t)acc < 0)
		acc = 0;
	return acc;
}

static inline void naive_conv32(struct naive *n,
				const struct vgg_hw_cmd_conv *c)
{
	struct naive_size size = naive_windows(&c->win, c->in_h, c->in_w);
	int y, x, k;

	for (y = 0; y < size.h; y++)
		for (x = 0; x < size.w; x++)
			for (k = 0; k < (int)c->out_c; k++) {
				uint32_t acc = naive_acc(n, c, k, y, x);

				memcpy(n->dst + y * (int)c->dst_pitch +
					       x * (int)c->dst_pixel + k * 4,
				       &acc, 4);
			}
}

/* One filter: what every window that is asked for sees, then their maxima. */
static inline void naive_conv8(struct naive *n, const struct vgg_hw_cmd_conv *c,
			       int k)
{
	static const struct vgg_hw_window none = { 1, 1, 1, 1, 0, 0, 0, 0 };
	const struct vgg_hw_window *p =
		c->head.flags & VGG_CONV_POOL ? &c->pool : &none;
	struct naive_size conv = naive_windows(&c->win, c->in_h, c->in_w);
	struct naive_size out = naive_windows(p, conv.h, conv.w);
	int *seen = malloc((size_t)(conv.h * conv.w) * sizeof(*seen));
	int y, x, i, j;

	for (i = 0; i < conv.h * conv.w; i++)
		seen[i] = 999;
	for (y = 0; y < out.h; y++)
		for (x = 0; x < out.w; x++) {
			int best = -1000;

			for (i = 0; i < p->kernel_h; i++)
				for (j = 0; j < p->kernel_w; j++) {
					int cy = y * p->stride_h + i -
						 p->pad_top;
					int cx = x * p->stride_w + j -
						 p->pad_left;
					bool sat;
					int *v;

					if (cy < 0 || cy >= conv.h || cx < 0 ||
					    cx >= conv.w)
						continue;
					v = &seen[cy * conv.w + cx];
					if (*v == 999) {
						*v = naive_scale(
							naive_acc(n, c, k, cy,
								  cx),
							&n->params[k], c->lo,
							c->hi, &sat);
						n->saturations += sat;
					}
					if (*v > best)
						best = *v;
				}
			n->dst[y * (int)c->dst_pitch + x * (int)c->dst_pixel +
			       k] = (uint8_t)best;
		}
	free(seen);
}

static inline void naive_conv(struct naive *n, const struct vgg_hw_cmd_conv *c)
{
	int k;

	if (c->head.flags & VGG_CONV_OUT32) {
		naive_conv32(n, c);
		return;
	}
	for (k = 0; k < (int)c->out_c; k++)
		naive_conv8(n, c, k);
}

static inline int naive_pool_at(struct naive *n,
				const struct vgg_hw_cmd_pool *c, int ch, int y,
				int x)
{
	int i, j, count = 0, best = -1000;
	uint32_t sum = 0;
	bool saturated;

	for (i = 0; i < c->win.kernel_h; i++)
		for (j = 0; j < c->win.kernel_w; j++) {
			int iy = y * c->win.stride_h + i - c->win.pad_top;
			int ix = x * c->win.stride_w + j - c->win.pad_left;
			int v = c->pad_value;

			if (iy >= 0 && iy < c->in_h && ix >= 0 && ix < c->in_w)
				v = n->src[iy * (int)c->src_pitch +
					   ix * (int)c->src_pixel + ch];
			else if (c->head.flags != VGG_POOL_AVG)
				continue;
			count++;
			sum += (uint32_t)v;
			if (v > best)
				best = v;
		}
	if (!(c->head.flags & VGG_POOL_AVG))
		return best;
	best = naive_scale(n->params[count - 1].bias + sum,
			   &n->params[count - 1], c->lo, c->hi, &saturated);
	n->saturations += saturated;
	return best;
}

static inline void naive_pool(struct naive *n, const struct vgg_hw_cmd_pool *c)
{
	struct naive_size out = naive_windows(&c->win, c->in_h, c->in_w);
	int y, x, ch;

	for (y = 0; y < out.h; y++)
		for (x = 0; x < out.w; x++)
			for (ch = 0; ch < (int)c->channels; ch++)
				n->dst[y * (int)c->dst_pitch +
				       x * (int)c->dst_pixel + ch] =
					(uint8_t)naive_pool_at(n, c, ch, y, x);
}

#endif
