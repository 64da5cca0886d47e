// SPDX-License-Identifier: MIT
/*
 * How a convolution is cut into tiles and blocks of tiles, and where everything
 * lies: chosen by what it costs, products and bytes from DRAM.
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

/* Blocks of tiles that a worker gets where more of them cost nothing. */
#define BLOCKS_EACH 4

/* How much slower than a weight's a byte is that another core wrote. */
#define FOREIGN_COST 4

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

bool vgg_conv_is_winograd(const struct vgg_conv_shape *s)
{
	const struct vgg_window *w = &s->win;

	return w->kernel_h == 3 && w->kernel_w == 3 && w->stride_h == 1 &&
	       w->stride_w == 1;
}

bool vgg_conv_can_pool(const struct vgg_window *p)
{
	return p->kernel_h == 2 && p->kernel_w == 2 && p->stride_h == 2 &&
	       p->stride_w == 2 && !p->pad_top && !p->pad_left &&
	       !p->pad_bottom && !p->pad_right;
}

/* n outputs in runs of equal segments; the last may reach beyond. */
void vgg_cut(struct vgg_cut *c, int n, unsigned int sizes)
{
	int m, done = 0, smallest = sizes ? __builtin_ctz(sizes) : 1;

	c->runs = 0;
	if (!sizes) {
		c->run[c->runs++] = (struct vgg_cut_run){ 0, 1, n };
		return;
	}
	for (m = VGG_TILE_MAX; m >= smallest; m -= 2) {
		int count = (n - done) / m, rest = (n - done) % m;

		if (!(sizes & 1u << m))
			continue;
		/* What no smaller size covers by itself. */
		if (rest && !(sizes & ((1u << m) - 1) & ~((1u << rest) - 1)))
			count++;
		if (!count)
			continue;
		c->run[c->runs++] = (struct vgg_cut_run){ done, m, count };
		done += m * count;
		if (done >= n)
			break;
	}
}

int vgg_largest(unsigned int sizes)
{
	return 31 - __builtin_clz(sizes);
}

/* Raw weights of all blocks of filters. */
static size_t raw_bytes(const struct vgg_conv *c)
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
static size_t fresh_raw(const struct vgg_conv *c)
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
		return mh ? 0 : raw_bytes(c);

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

/*
 * Tiles of `tile` bytes each that fit `room` together with the lines of the
 * output that a block of filters touches, int8: one line of each pixel. Pixels
 * lie out_c bytes apart, and where that is a power of two, as it mostly is, their
 * lines crowd into every (out_c / 64)th set: they count as if they filled all.
 */
static int beside_output(const struct vgg_conv *c, const struct vgg_class *t,
			 size_t room, size_t tile)
{
	size_t line = c->s.out_c > 64 ? (size_t)c->s.out_c : 64;
	size_t out = (size_t)(t->mh * t->mw) * line, n;
	size_t all = (size_t)c->s.h * (size_t)c->s.w * line;

	if (c->s.pool) {
		out /= 4;
		all /= 4;
	}
	n = room / (tile + out);
	/* Tiles reach beyond the image. */
	if (room > all && (room - all) / tile > n)
		n = (room - all) / tile;
	return n < INT32_MAX ? (int)n : INT32_MAX;
}

/* All filters' weights, as they come from memory. */
static double u_bytes(const struct vgg_conv *c, const struct vgg_class *t)
{
	if (c->fresh)
		return (double)raw_bytes(c);
	return (double)vgg_positions(t) * c->k * c->blocks * c->e->block *
	       c->e->elem;
}

/* Light weights stay in the cache from block to block of tiles. */
static bool is_light(const struct vgg_conv *c, const struct vgg_class *t)
{
	return u_bytes(c, t) < (double)c->l2.bytes / 2;
}

/* What a block of tiles takes of the cache that `sharers` workers live on. V of
 * all its tiles is read once for each block of filters, and meanwhile one of
 * these passes by. */
static int tiles_in_cache(const struct vgg_conv *c, const struct vgg_class *t,
			  int sharers)
{
	size_t p = (size_t)vgg_positions(t), elem = (size_t)c->e->elem;
	size_t u = p * (size_t)c->k * (size_t)c->e->block * elem;
	size_t room =
		c->e->is_float ? c->l2.bytes / 8 * 7 : c->l2.bytes / 32 * 31;
	size_t v = p * (size_t)c->v_row * elem;
	size_t m = p * (size_t)c->e->block * 4, passing = u * (size_t)sharers;
	/* What a block of filters touches of the output is little, but all of
	 * it falls into the same sets of the cache: the rest is lost, too. */
	size_t out = (size_t)(t->mh * t->mw) * (size_t)c->s.out_c * 4;

	if (c->s.pool)
		out /= 4;
	if (is_light(c, t))
		passing = (size_t)u_bytes(c, t);
	if (c->fresh)
		passing = (vgg_fresh_bytes(c) + fresh_raw(c)) * (size_t)sharers;
	if (passing > room / 2)
		passing = room / 2;
	room -= passing;
	if (t->order == VGG_APART)
		room /= (size_t)sharers;
	else
		m *= (size_t)sharers;
	if (!c->e->is_float)
		return beside_output(c, t, room, v + m);
	if (c->fresh) {
		/* From when V is made until all of it is read, what it is made
		 * of comes by, too. */
		size_t in = (size_t)((t->mh + 2) * t->mw * c->s.in_c) * 4;
		size_t n = room / (v + m + out);
		size_t more = (c->l2.bytes - c->l2.bytes / 8) / (v + m + in);

		return (int)(n < more ? n : more);
	}
	return (int)(room / (v + m + out));
}

/* Bytes from DRAM: weights for each block of tiles, if they don't stay. */
static double bytes_by_block(const struct vgg_conv *c,
			     const struct vgg_class *t)
{
	return is_light(c, t) ? u_bytes(c, t) : u_bytes(c, t) * t->steps;
}

/* Weights once; V and M are written (and, before, read) and read again, if
 * they don't stay. */
static double bytes_by_position(const struct vgg_conv *c,
				const struct vgg_class *t, int tiles)
{
	double filters = (double)c->blocks * c->e->block;
	double vm = (double)vgg_positions(t) * tiles *
		    (c->v_row * c->e->elem + filters * 4);

	return u_bytes(c, t) + (vm < (double)c->l2.bytes / 2 ? 0 : 3 * vm);
}

static int most_tiles(const struct vgg_conv *c, const struct vgg_class *t,
		      int tiles, int sharers)
{
	int most = tiles_in_cache(c, t, sharers), least = c->e->least_tiles;

	if (most < least && !is_light(c, t))
		most = least;
	if (most < 1)
		return 1;
	return most < tiles ? most : tiles;
}

/* So many blocks of equal sizes or, if they don't get larger than `most`, of
 * whole groups and less in the last. */
static void set_steps(const struct vgg_conv *c, struct vgg_class *t, int tiles,
		      int steps, int most)
{
	int group = c->e->group, grouped;

	t->tiles = (tiles + steps - 1) / steps;
	grouped = group ? (t->tiles + group - 1) / group * group : t->tiles;
	if (grouped <= most)
		t->tiles = grouped;
	t->steps = (tiles + t->tiles - 1) / t->tiles;
}

/* Blocks for each worker: several where that costs neither weights nor their
 * transforms, so that whoever is faster takes more of them. */
static struct vgg_class apart(const struct vgg_conv *c, struct vgg_class t,
			      int tiles, int workers, int sharers)
{
	int most, steps;

	t.order = VGG_APART;
	most = most_tiles(c, &t, tiles, sharers);
	steps = (tiles + most - 1) / most;
	if (is_light(c, &t) && !c->fresh && steps < BLOCKS_EACH * workers)
		steps = BLOCKS_EACH * workers;
	steps = (steps + workers - 1) / workers * workers;
	if (!is_light(c, &t) && steps > workers &&
	    tiles / steps < c->e->least_tiles)
		steps -= workers;
	set_steps(c, &t, tiles, steps, most);
	return t;
}

/*
 * Heavy weights pass a worker once for each of its blocks, or a share of them
 * for each block of all; but what another core wrote comes slowly. Not where
 * workers share a cache: its room would be divided, and fresh weights be
 * transformed for more blocks.
 */
static bool is_better_apart(const struct vgg_conv *c, const struct vgg_class *a,
			    const struct vgg_class *t, int tiles, int workers,
			    int sharers)
{
	double u = u_bytes(c, t),
	       v = (double)vgg_positions(t) * c->v_row * c->e->elem * tiles;

	if (a->steps < workers)
		return false;
	if (is_light(c, t) && !c->fresh)
		return true;
	return sharers == 1 && a->tiles >= c->e->least_tiles &&
	       u * ((a->steps + workers - 1) / workers) <
		       u * t->steps / workers + FOREIGN_COST * v;
}

/*
 * How many tiles at once. Heavy weights and few tiles: all of them, position
 * after position, which reads weights once, though V and M don't stay in the
 * cache then. Not where an engine rather has V beyond L2: there is a third
 * cache then.
 */
static void size_steps(const struct vgg_conv *c, struct vgg_class *t, int tiles,
		       int workers)
{
	int sharers = workers < c->l2.sharers ? workers : c->l2.sharers;
	struct vgg_class a;
	int most;

	t->order = VGG_TOGETHER;
	most = most_tiles(c, t, tiles, sharers);
	set_steps(c, t, tiles, (tiles + most - 1) / most, most);
	if (!c->e->least_tiles && !c->fresh &&
	    bytes_by_position(c, t, tiles) < bytes_by_block(c, t)) {
		t->order = VGG_BY_POSITION;
		t->tiles = tiles;
		t->steps = 1;
		return;
	}
	if (workers == 1)
		return;
	a = apart(c, *t, tiles, workers, sharers);
	if (is_better_apart(c, &a, t, tiles, workers, sharers))
		*t = a;
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
	size_steps(c, t, tiles, workers);
	lay_out(c, t);
}

void vgg_size_joint(const struct vgg_conv *c, struct vgg_class *t, int tiles)
{
	t->steps = 1;
	t->order = VGG_BY_POSITION;
	t->tiles = tiles;
	lay_out(c, t);
}

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
			size_steps(c, &t, tiles, 1);
			bytes = t.order == VGG_BY_POSITION ?
					bytes_by_position(c, &t, tiles) :
					bytes_by_block(c, &t);
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
	size_t m = positions * (size_t)c->e->block * 4 + fresh_raw(c) / part;
	size_t beside =
		positions * VGG_FRESH_JOINT * 4 + vgg_fresh_bytes(c) / part;
	size_t room = c->l2.bytes / 4 * 3;

	n = room > beside ? (room - beside) / m : 1;
	n = n ? n : 1;
	groups = ((size_t)c->blocks + n - 1) / n;
	return (int)(((size_t)c->blocks + groups - 1) / groups);
}

/* The same of all tiles at once; sets c->together. V is written (and, before, read) and read again,
 * if it doesn't stay; so is M, if not weights are transformed for it. */
static double cost_joint(struct vgg_conv *c, unsigned int h, unsigned int w)
{
	double filters = (double)c->blocks * c->e->block, sum = 0,
	       positions = 0;
	struct vgg_class t = { .mh = vgg_largest(h), .mw = vgg_largest(w) };
	double bytes = filters * c->k * c->e->elem * vgg_positions(&t), v, m;
	struct vgg_cut y, x;
	int i, j, passes;

	if (c->fresh) {
		bytes = (double)raw_bytes(c);
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

static void choose_sizes(struct vgg_conv *c)
{
	unsigned int h, w, all = c->e->sizes;
	struct vgg_conv best = *c;
	double least = -1;

	for (h = (0 - all) & all; h; h = (h - all) & all)
		for (w = (0 - all) & all; w; w = (w - all) & all)
			try_sizes(c, h, w, &best, &least);
	*c = best;
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
		choose_sizes(c);
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
