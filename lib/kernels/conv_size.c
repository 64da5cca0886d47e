// SPDX-License-Identifier: MIT
/*
 * How a convolution is cut into tiles and blocks of tiles, and where everything
 * lies: chosen by what it costs, products and bytes from DRAM.
 *
 * Packed weights: one region per class of tiles (their height and width), in it
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

/* The class of two sizes, or of all: an index into packed weights. */
static size_t class_offset(const struct vgg_conv *c, int mh, int mw)
{
	size_t bytes = 0, filters = (size_t)(c->blocks * c->e->block);
	int h, w;

	for (h = 1; h <= VGG_TILE_MAX; h++)
		for (w = 1; w <= VGG_TILE_MAX; w++) {
			if (!(c->sizes_h & 1u << h) || !(c->sizes_w & 1u << w))
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

/* All filters' weights. */
static double u_bytes(const struct vgg_conv *c, const struct vgg_class *t)
{
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
	if (passing > room / 2)
		passing = room / 2;
	room -= passing;
	if (t->order == VGG_APART)
		room /= (size_t)sharers;
	else
		m *= (size_t)sharers;
	if (!c->e->is_float)
		return beside_output(c, t, room, v + m);
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

/* Blocks for each worker: several where that costs no weights, so that whoever
 * is faster takes more of them. */
static struct vgg_class apart(const struct vgg_conv *c, struct vgg_class t,
			      int tiles, int workers, int sharers)
{
	int most, steps;

	t.order = VGG_APART;
	most = most_tiles(c, &t, tiles, sharers);
	steps = (tiles + most - 1) / most;
	if (is_light(c, &t) && steps < BLOCKS_EACH * workers)
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
 * workers share a cache: its room would be divided.
 */
static bool is_better_apart(const struct vgg_conv *c, const struct vgg_class *a,
			    const struct vgg_class *t, int tiles, int workers,
			    int sharers)
{
	double u = u_bytes(c, t),
	       v = (double)vgg_positions(t) * c->v_row * c->e->elem * tiles;

	if (a->steps < workers)
		return false;
	if (is_light(c, t))
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
	if (!c->e->least_tiles &&
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

/* Where a block of t->tiles lies. */
static void lay_out(const struct vgg_conv *c, struct vgg_class *t)
{
	size_t elem = (size_t)c->e->elem, block = (size_t)c->e->block;
	size_t n = (size_t)t->tiles, m;
	int parts = vgg_conv_most_parts(c);

	t->m_tiles = t->tiles > parts ? t->tiles : parts;
	m = (size_t)t->m_tiles * block * 4;
	t->v_pitch = (size_t)(c->e->is_float ? c->e->chunk : c->v_row) * elem;
	t->v_chunk = n * t->v_pitch;
	t->v_step = round_up(n * (size_t)c->v_row * elem, SKEW) + SKEW;
	t->m_step = SKEW +
		    (t->order == VGG_BY_POSITION ? m * (size_t)c->blocks : m);
	t->u_step = (size_t)c->k * block * elem;
	t->u = c->packed + class_offset(c, t->mh, t->mw);
}

void vgg_size_class(const struct vgg_conv *c, struct vgg_class *t, int tiles,
		    int workers)
{
	size_steps(c, t, tiles, workers);
	lay_out(c, t);
}

/* Instructions of the transforms of n + 2 values, for floats. */
static int load_ops(int m)
{
	return m == 6 ? 24 : m == 4 ? 14 : m == 2 ? 4 : 0;
}

static int store_ops(int m)
{
	return m == 6 ? 20 : m == 4 ? 11 : m == 2 ? 4 : 0;
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

/*
 * Cost, in products of which a CPU does one per channel and cycle of its pipes:
 * those of the matrices, the transforms' instructions, and what might be done
 * while bytes come from DRAM.
 */
static double cost(const struct vgg_conv *c, unsigned int h, unsigned int w)
{
	double filters = (double)c->blocks * c->e->block, sum = 0, bytes;
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
		}
	return sum;
}

static void choose_sizes(struct vgg_conv *c)
{
	unsigned int h, w, all = c->e->sizes;
	double best = -1, now;

	for (h = (0 - all) & all; h; h = (h - all) & all)
		for (w = (0 - all) & all; w; w = (w - all) & all) {
			now = cost(c, h, w);
			if (best >= 0 && now >= best)
				continue;
			best = now;
			c->sizes_h = h;
			c->sizes_w = w;
		}
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

	for (h = 1; h <= VGG_TILE_MAX; h++)
		for (w = 1; w <= VGG_TILE_MAX; w++) {
			if (!(c->sizes_h & 1u << h) || !(c->sizes_w & 1u << w))
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
	return round_up(t->v_step * (size_t)vgg_positions(t), 64);
}

size_t vgg_m_bytes(const struct vgg_class *t)
{
	return round_up(t->m_step * (size_t)vgg_positions(t), 64) + SKEW;
}

static size_t class_bytes(const struct vgg_class *t, int workers)
{
	size_t v = t->order == VGG_APART ? (size_t)workers : 1;
	size_t m = t->order == VGG_BY_POSITION ? 1 : (size_t)workers;

	return v * vgg_v_bytes(t) + m * vgg_m_bytes(t);
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
		n = class_bytes(&t, workers);
		most = n > most ? n : most;
	}
	return most;
}

size_t vgg_conv_workspace(const struct vgg_conv *c, int workers)
{
	size_t most = 0, n;
	int h, w;

	for (h = 1; h <= VGG_TILE_MAX; h++)
		for (w = 1; w <= VGG_TILE_MAX; w++) {
			if (!(c->sizes_h & 1u << h) || !(c->sizes_w & 1u << w))
				continue;
			n = most_bytes(c, h, w, workers);
			most = n > most ? n : most;
		}
	return most;
}
