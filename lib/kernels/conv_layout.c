// SPDX-License-Identifier: MIT
/*
 * Where everything of a convolution lies.
 *
 * Packed weights: one region per class of tiles (their height and width), or for
 * floats one of the largest class, in it
 * [block of filters][position][channels / step][filters][step]; behind them the
 * finish of every block, then one pixel of padding.
 */
#include <string.h>

#include "kernels/conv_parts.h"

/* Keeps rows that lie a power of two apart out of the same cache set. */
#define SKEW 64

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Raw weights of all blocks of filters. */
size_t vgg_raw_bytes(const struct vgg_conv *c)
{
	return (size_t)(c->blocks * c->e->block) * (size_t)c->k * 9 *
	       sizeof(float);
}

size_t vgg_fresh_bytes(const struct vgg_conv *c)
{
	return c->fresh ? (size_t)(vgg_positions_of(vgg_largest(c->sizes_h)) *
				   vgg_positions_of(vgg_largest(c->sizes_w))) *
				  VGG_FRESH_STEP(c->e->block) :
			  0;
}

/* Of what a block of filters gets transformed at once. */
size_t vgg_fresh_raw(const struct vgg_conv *c)
{
	return (size_t)(VGG_FRESH * c->e->block) * 9 * sizeof(float);
}

/* Whether tiles of mh x mw have weights of their own. */
static bool has_weights(const struct vgg_conv *c, int mh, int mw)
{
	if (c->e->is_float)
		return mh == vgg_largest(c->sizes_h) &&
		       mw == vgg_largest(c->sizes_w);
	return c->sizes_h & 1u << mh && c->sizes_w & 1u << mw;
}

/* The class of two sizes, or of all: an index into packed weights. */
static size_t class_offset(const struct vgg_conv *c, int mh, int mw)
{
	size_t bytes = 0, filters = (size_t)(c->blocks * c->e->block);
	int h, w;

	if (c->fresh)
		return mh ? 0 : vgg_raw_bytes(c);

	for (h = 1; h <= VGG_TILE_MAX; h++)
		for (w = 1; w <= VGG_TILE_MAX; w++) {
			if (!has_weights(c, h, w))
				continue;
			if (h == mh && w == mw)
				return bytes;
			bytes += (size_t)(vgg_positions_of(h) *
					  vgg_positions_of(w)) *
				 (size_t)c->k * filters * (size_t)c->e->elem;
		}
	return bytes;
}

/* The points of smaller tiles are the first of the largest, and its last. So V
 * and M have the positions of the largest, too; smaller ones leave gaps. */
static void set_places(const struct vgg_conv *c, struct vgg_class *t)
{
	int ph = vgg_positions_of(t->mh), pw = vgg_positions_of(t->mw), y, x;
	int all_h = vgg_positions_of(vgg_largest(c->sizes_h));
	int all_w = vgg_positions_of(vgg_largest(c->sizes_w));

	for (y = 0; y < ph; y++)
		for (x = 0; x < pw; x++)
			t->place[y * pw + x] =
				(unsigned char)((y < ph - 1 ? y : all_h - 1) *
							all_w +
						(x < pw - 1 ? x : all_w - 1));
	t->positions = all_h * all_w;
	t->u_block = t->u_step * (size_t)t->positions;
	if (c->fresh) {
		t->u_step = VGG_FRESH_STEP(c->e->block);
		t->u_block =
			(size_t)c->k * 9 * (size_t)c->e->block * sizeof(float);
	}
	t->across = all_w;
	t->last_col = all_w - 1;
	t->last_row = all_h - 1;
}

/* Where a block of t->tiles lies. */
static void lay_out(const struct vgg_conv *c, struct vgg_class *t)
{
	size_t elem = (size_t)c->e->elem, block = (size_t)c->e->block;
	size_t n = (size_t)t->tiles, m;
	int blocks = c->fresh ? c->together : c->blocks;
	int parts = vgg_conv_most_parts(c);

	t->m_tiles = t->tiles > parts ? t->tiles : parts;
	m = (size_t)t->m_tiles * block * 4;
	t->v_pitch = (size_t)(c->e->is_float ? c->e->chunk : c->v_row) * elem;
	t->v_chunk = n * t->v_pitch;
	t->v_step = round_up(n * (size_t)c->v_row * elem, SKEW) + SKEW;
	t->m_step =
		SKEW + (t->order == VGG_BY_POSITION ? m * (size_t)blocks : m);
	t->positions = vgg_positions(t);
	t->u_step = (size_t)c->k * block * elem;
	t->u_block = t->u_step * (size_t)vgg_positions(t);
	t->u = c->packed;
	if (c->e->is_float)
		set_places(c, t);
	else
		t->u += class_offset(c, t->mh, t->mw);
	t->fresh_at = round_up(t->m_step * (size_t)t->positions, 64) + SKEW;
}

void vgg_size_class(const struct vgg_conv *c, struct vgg_class *t, int tiles,
		    int workers)
{
	vgg_size_steps(c, t, tiles, workers);
	lay_out(c, t);
}

void vgg_size_joint(const struct vgg_conv *c, struct vgg_class *t, int tiles)
{
	t->steps = 1;
	t->order = VGG_BY_POSITION;
	t->tiles = tiles;
	lay_out(c, t);
}

void vgg_conv_init(struct vgg_conv *c, const struct vgg_engine *e,
		   const struct vgg_conv_shape *s, struct vgg_l2 l2)
{
	const struct vgg_window *w = &s->win;

	*c = (struct vgg_conv){ .s = *s, .e = e, .l2 = l2 };
	c->k = s->in_c;
	if (!e->sizes)
		c->k *= w->kernel_h * w->kernel_w;
	c->v_row = (int)round_up((size_t)c->k, (size_t)e->chunk);
	c->k = (int)round_up((size_t)c->k,
			     (size_t)(e->is_float ? VGG_FLOATS : e->step));
	c->blocks = (s->out_c + e->block - 1) / e->block;
	c->finish_bytes = round_up(e->is_float ? sizeof(struct vgg_finish_f32) :
						 sizeof(struct vgg_finish_s8),
				   64);
	if (e->sizes)
		vgg_choose_sizes(c);
	else
		c->sizes_h = c->sizes_w = 1u << 1;
	c->packed_bytes = round_up(class_offset(c, 0, 0), 64) +
			  (size_t)c->blocks * c->finish_bytes +
			  round_up((size_t)s->in_c * 4, 64);
}

void *vgg_conv_finish(const struct vgg_conv *c, int b)
{
	return c->packed + round_up(class_offset(c, 0, 0), 64) +
	       (size_t)b * c->finish_bytes;
}

char *vgg_conv_padding(const struct vgg_conv *c)
{
	return vgg_conv_finish(c, c->blocks);
}

void vgg_conv_pack_pad(const struct vgg_conv *c, int pad_value)
{
	if (c->e->is_float)
		memset(vgg_conv_padding(c), 0, (size_t)c->s.in_c * 4);
	else
		memset(vgg_conv_padding(c), pad_value, (size_t)c->s.in_c);
}

void vgg_conv_pack(const struct vgg_conv *c, const void *weight, int b)
{
	size_t block = (size_t)vgg_positions_of(1) * (size_t)c->e->block *
		       (size_t)c->k * (size_t)c->e->elem;
	int h, w;

	if (c->fresh) {
		block = (size_t)c->k * 9 * (size_t)c->e->block;
		vgg_conv_pack_raw(c, weight, b,
				  (float *)c->packed + (size_t)b * block);
		return;
	}
	for (h = 1; h <= VGG_TILE_MAX; h++)
		for (w = 1; w <= VGG_TILE_MAX; w++) {
			if (!has_weights(c, h, w))
				continue;
			vgg_conv_pack_class(
				c, weight, b, h, w,
				c->packed + class_offset(c, h, w) +
					(size_t)b * block *
						(size_t)(vgg_positions_of(h) *
							 vgg_positions_of(w)));
		}
}

int vgg_conv_grain(const struct vgg_conv *c)
{
	return c->e->block;
}

/* V of a step, M of a worker or of all. */
size_t vgg_v_bytes(const struct vgg_class *t)
{
	return round_up(t->v_step * (size_t)t->positions, 64);
}

size_t vgg_m_bytes(const struct vgg_class *t)
{
	return t->fresh_at;
}

static size_t class_bytes(const struct vgg_conv *c, const struct vgg_class *t,
			  int workers)
{
	size_t v = t->order == VGG_APART ? (size_t)workers : 1;
	size_t m = t->order == VGG_BY_POSITION ? 1 : (size_t)workers;

	return v * vgg_v_bytes(t) + m * vgg_m_bytes(t) +
	       (size_t)workers * vgg_fresh_bytes(c);
}

/* Any range may be asked for, and fewer tiles may come in larger blocks than
 * more do, or by position. */
static size_t most_bytes(const struct vgg_conv *c, int mh, int mw, int workers)
{
	int tiles = ((c->s.h + mh - 1) / mh) * ((c->s.w + mw - 1) / mw);
	struct vgg_class t = { .mh = mh, .mw = mw };
	size_t most = 0, n;

	for (; tiles; tiles--) {
		vgg_size_class(c, &t, tiles, workers);
		n = class_bytes(c, &t, workers);
		most = n > most ? n : most;
	}
	return most;
}

/* Tiles that n outputs take at most, or fewer of them: 5 may take two where 6 take
 * one. */
static int most_across(int n, unsigned int sizes)
{
	int most = 0, now, i;
	struct vgg_cut cut;

	for (; n; n--) {
		vgg_cut(&cut, n, sizes);
		for (i = now = 0; i < cut.runs; i++)
			now += cut.run[i].count;
		most = now > most ? now : most;
	}
	return most;
}

static size_t joint_bytes(const struct vgg_conv *c, int workers)
{
	struct vgg_class t = { .mh = vgg_largest(c->sizes_h),
			       .mw = vgg_largest(c->sizes_w) };

	vgg_size_joint(c, &t,
		       most_across(c->s.h, c->sizes_h) *
			       most_across(c->s.w, c->sizes_w));
	return class_bytes(c, &t, workers);
}

size_t vgg_conv_workspace(const struct vgg_conv *c, int workers)
{
	size_t most = 0, n;
	int h, w;

	if (c->joint)
		return joint_bytes(c, workers);
	for (h = 1; h <= VGG_TILE_MAX; h++)
		for (w = 1; w <= VGG_TILE_MAX; w++) {
			if (!(c->sizes_h & 1u << h) || !(c->sizes_w & 1u << w))
				continue;
			n = most_bytes(c, h, w, workers);
			most = n > most ? n : most;
		}
	return most;
}
