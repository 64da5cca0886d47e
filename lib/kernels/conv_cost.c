// SPDX-License-Identifier: MIT
/* Which sizes of tiles a convolution has: those of the least cost, products and
 * bytes from DRAM. */
#include "kernels/conv_parts.h"

/* Instructions of the transforms of n + 2 values, for floats. */
static int load_ops(int m)
{
	return m == 6 ? 24 : m == 4 ? 14 : m == 2 ? 4 : 0;
}

static int store_ops(int m)
{
	return m == 6 ? 20 : m == 4 ? 12 : m == 2 ? 4 : 0;
}

/* Of a tile: for all channels and all filters, a vector of them each. */
static double transforms(const struct vgg_conv *c, const struct vgg_class *t)
{
	int ph = vgg_positions_of(t->mh), pw = vgg_positions_of(t->mw);
	int in = pw * load_ops(t->mh) + ph * load_ops(t->mw) + 3 * ph * pw;
	int out = pw * store_ops(t->mh) + t->mh * store_ops(t->mw) +
		  2 * ph * pw + 4 * t->mh * t->mw;

	if (!c->e->is_float)
		return 0;
	return (double)in * c->s.in_c + (double)out * c->s.out_c;
}

/* Of all fresh weights, at the positions of the largest tiles: 4 instructions for
 * each pair of points, and one to store each result. */
static double fresh_ops(const struct vgg_conv *c)
{
	int mh = vgg_largest(c->sizes_h), mw = vgg_largest(c->sizes_w);
	int ph = vgg_positions_of(mh), pw = vgg_positions_of(mw);
	int ops = 3 * (mh / 2 * 4) + ph * (mw / 2 * 4) + ph * pw;

	return (double)ops * c->blocks * c->e->block * c->k;
}

/*
 * Cost, in products of which a CPU does one per channel and cycle of its pipes:
 * those of the matrices, the transforms' instructions, and what might be done
 * while bytes come from DRAM.
 */
static double cost(const struct vgg_conv *c, unsigned int h, unsigned int w)
{
	double filters = (double)c->blocks * c->e->block, sum = 0, bytes;
	double fresh = c->fresh ? fresh_ops(c) : 0;
	struct vgg_class t;
	struct vgg_cut y, x;
	int i, j;

	vgg_cut(&y, c->s.h, h);
	vgg_cut(&x, c->s.w, w);
	for (i = 0; i < y.runs; i++)
		for (j = 0; j < x.runs; j++) {
			int tiles = y.run[i].count * x.run[j].count;

			t.mh = y.run[i].m;
			t.mw = x.run[j].m;
			vgg_size_steps(c, &t, tiles, 1);
			bytes = t.order == VGG_BY_POSITION ?
					vgg_bytes_by_position(c, &t, tiles) :
					vgg_bytes_by_block(c, &t);
			sum += (filters * c->k * vgg_positions(&t) +
				transforms(c, &t)) *
				       tiles +
			       bytes * c->e->byte_cost;
			sum += fresh * t.steps;
		}
	return sum;
}

/* Fresh weights of all tiles at once: blocks of filters whose M stays in the
 * cache, beside V of the channels and the weights that it is multiplied by; raw
 * weights pass. In equal groups, each of which reads V once. */
static int blocks_together(const struct vgg_conv *c, size_t positions)
{
	size_t part = VGG_FRESH / VGG_FRESH_JOINT, n, groups;
	size_t m =
		positions * (size_t)c->e->block * 4 + vgg_fresh_raw(c) / part;
	size_t beside =
		positions * VGG_FRESH_JOINT * 4 + vgg_fresh_bytes(c) / part;
	size_t room = c->l2.bytes / 4 * 3;

	n = room > beside ? (room - beside) / m : 1;
	n = n ? n : 1;
	groups = ((size_t)c->blocks + n - 1) / n;
	return (int)(((size_t)c->blocks + groups - 1) / groups);
}

/* The same of all tiles at once; sets c->together. V is written (and, before,
 * read) and read again, if it doesn't stay; so is M, if not weights are
 * transformed for it. */
static double cost_joint(struct vgg_conv *c, unsigned int h, unsigned int w)
{
	double filters = (double)c->blocks * c->e->block, sum = 0,
	       positions = 0;
	struct vgg_class t = { .mh = vgg_largest(h), .mw = vgg_largest(w) };
	double bytes = filters * c->k * c->e->elem * vgg_positions(&t), v, m;
	struct vgg_cut y, x;
	int i, j, passes;

	if (c->fresh) {
		bytes = (double)vgg_raw_bytes(c);
		sum = fresh_ops(c);
	}
	vgg_cut(&y, c->s.h, h);
	vgg_cut(&x, c->s.w, w);
	for (i = 0; i < y.runs; i++)
		for (j = 0; j < x.runs; j++) {
			int tiles = y.run[i].count * x.run[j].count;

			t.mh = y.run[i].m;
			t.mw = x.run[j].m;
			sum += (filters * c->k * vgg_positions(&t) +
				transforms(c, &t)) *
			       tiles;
			positions += (double)vgg_positions(&t) * tiles;
		}
	v = positions * c->v_row * c->e->elem;
	m = positions * filters * 4;
	c->together = blocks_together(c, (size_t)positions);
	if (c->fresh) {
		passes = (c->blocks + c->together - 1) / c->together;
		bytes += v < (double)c->l2.bytes / 4 ? 0 : v * (2 + passes);
	} else {
		bytes += v + m < (double)c->l2.bytes / 2 ? 0 : 3 * (v + m);
	}
	return sum + bytes * c->e->byte_cost;
}

/* What to do for tiles of sizes h and w: all ways, to find the cheapest. */
static void try_sizes(struct vgg_conv *c, unsigned int h, unsigned int w,
		      struct vgg_conv *best, double *least)
{
	int fresh, joint;
	double now;

	for (fresh = 0; fresh < 1 + !!c->e->fresh_f32[1][1]; fresh++)
		for (joint = 0; joint < 1 + !!c->e->fresh_f32[1][1]; joint++) {
			c->fresh = fresh;
			c->sizes_h = h;
			c->sizes_w = w;
			now = joint ? cost_joint(c, h, w) : cost(c, h, w);
			if (*least >= 0 && now >= *least)
				continue;
			*least = now;
			*best = *c;
			best->joint = joint;
		}
}

void vgg_choose_sizes(struct vgg_conv *c)
{
	unsigned int h, w, all = c->e->sizes;
	struct vgg_conv best = *c;
	double least = -1;

	for (h = (0 - all) & all; h; h = (h - all) & all)
		for (w = (0 - all) & all; w; w = (w - all) & all)
			try_sizes(c, h, w, &best, &least);
	*c = best;
}
