// SPDX-License-Identifier: MIT
/*
 * How a convolution is cut: outputs into tiles of some sizes, and tiles into blocks
 * that the caches hold, in the order that moves the fewest bytes.
 */
#include "kernels/conv_parts.h"

/* Blocks of tiles that a worker gets where more of them cost nothing. */
#define BLOCKS_EACH 4

/* How much slower than a weight's a byte is that another core wrote. */
#define FOREIGN_COST 4

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
		return (double)vgg_raw_bytes(c);
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
		passing = (vgg_fresh_bytes(c) + vgg_fresh_raw(c)) *
			  (size_t)sharers;
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
double vgg_bytes_by_block(const struct vgg_conv *c, const struct vgg_class *t)
{
	return is_light(c, t) ? u_bytes(c, t) : u_bytes(c, t) * t->steps;
}

/* Weights once; V and M are written (and, before, read) and read again, if
 * they don't stay. */
double vgg_bytes_by_position(const struct vgg_conv *c,
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
void vgg_size_steps(const struct vgg_conv *c, struct vgg_class *t, int tiles,
		    int workers)
{
	int sharers = workers < c->l2.sharers ? workers : c->l2.sharers;
	struct vgg_class a;
	int most;

	t->order = VGG_TOGETHER;
	most = most_tiles(c, t, tiles, sharers);
	set_steps(c, t, tiles, (tiles + most - 1) / most, most);
	if (!c->e->least_tiles && !c->fresh &&
	    vgg_bytes_by_position(c, t, tiles) < vgg_bytes_by_block(c, t)) {
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
