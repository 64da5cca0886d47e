// SPDX-License-Identifier: MIT
/*
 * The driver of conv.h: cuts an output into tiles, tiles into blocks, and calls
 * an engine's load, gemm and store for them.
 *
 * Packed weights: one region per class of tiles (their height and width), in it
 * [block of filters][position][channels / step][filters][step]; behind them the
 * finish of every block, then one pixel of padding.
 */
#include <string.h>

#include "kernels/conv.h"
#include "kernels/conv_parts.h"
#include "util/cpu.h"

/* Keeps rows that lie a power of two apart out of the same cache set. */
#define SKEW 64
/* Weights of floats have a multiple of so many channels. */
#define FLOATS 4
/* Bytes of V that stay in the first-level cache, and the least channels. */
#define PIECE (24 << 10)
#define PIECE_LEAST 128

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* An in-order core wants its instructions in another order. */
static int in_order(void)
{
	return vgg_cpus()->cluster[vgg_cluster_here()].uarch == VGG_UARCH_A53;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
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

/*
 * Tiles.
 */
static int positions_of(int m)
{
	return m == 1 ? 1 : m + 2;
}

static int positions(const struct vgg_class *t)
{
	return positions_of(t->mh) * positions_of(t->mw);
}

/* n outputs in runs of equal segments; the last may reach beyond. */
static void cut(struct vgg_cut *c, int n, unsigned int sizes)
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
			bytes += (size_t)(positions_of(h) * positions_of(w)) *
				 (size_t)c->k * filters * (size_t)c->e->elem;
		}
	return bytes;
}

/*
 * Cost, in products of which a CPU does one per channel and cycle of its pipes:
 * those of the matrices, the transforms' instructions, and what might be done
 * while bytes come from DRAM.
 */

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

/* What a block of tiles takes of the cache. V of all its tiles is read once for
 * each block of filters, and meanwhile one of these passes by. */
static int tiles_in_cache(const struct vgg_conv *c, const struct vgg_class *t,
			  int workers)
{
	size_t p = (size_t)positions(t), elem = (size_t)c->e->elem;
	size_t u = p * (size_t)c->k * (size_t)c->e->block * elem;
	size_t all = u * (size_t)c->blocks;
	size_t room = c->e->is_float ? c->cache / 8 * 7 : c->cache / 32 * 31;
	size_t v = p * (size_t)c->v_row * elem;
	size_t m = p * (size_t)c->e->block * 4 * (size_t)workers;
	size_t passing = u * (size_t)workers;
	/* What a block of filters touches of the output is little, but all of
	 * it falls into the same sets of the cache: the rest is lost, too. */
	size_t out = (size_t)(t->mh * t->mw) * (size_t)c->s.out_c * 4;

	if (c->s.pool)
		out /= 4;
	/* Light weights stay in the cache from block to block. */
	if (all < room / 2)
		passing = all;
	if (passing > room / 2)
		passing = room / 2;
	if (!c->e->is_float)
		return beside_output(c, t, room - passing, v + m);
	return (int)((room - passing) / (v + m + out));
}

/* Bytes from DRAM: weights for each block of tiles, if they don't stay. */
static double bytes_by_block(const struct vgg_conv *c,
			     const struct vgg_class *t)
{
	double u = (double)positions(t) * c->k * c->blocks * c->e->block *
		   c->e->elem;

	return u < (double)c->cache / 2 ? u : u * t->steps;
}

/* Weights once; V and M are written (and, before, read) and read again, if
 * they don't stay. */
static double bytes_by_position(const struct vgg_conv *c,
				const struct vgg_class *t, int tiles)
{
	double filters = (double)c->blocks * c->e->block;
	double p = positions(t), u = p * c->k * filters * c->e->elem;
	double vm = p * tiles * (c->v_row * c->e->elem + filters * 4);

	return u + (vm < (double)c->cache / 2 ? 0 : 3 * vm);
}

/*
 * How many tiles at once. Heavy weights and few tiles: all of them, position
 * after position, though V and M don't stay in the cache then. That V and M are
 * computed in whole before they are used also suits floats alone: integers have
 * conv_care.c.
 */
static int most_tiles(const struct vgg_conv *c, const struct vgg_class *t,
		      int tiles, int workers)
{
	int most = tiles_in_cache(c, t, workers), least = c->e->least_tiles;

	if (most < least)
		most = least;
	if (most < 1)
		return 1;
	return most < tiles ? most : tiles;
}

static void size_steps(const struct vgg_conv *c, struct vgg_class *t, int tiles,
		       int workers)
{
	int most = most_tiles(c, t, tiles, workers), group = c->e->group;

	t->steps = (tiles + most - 1) / most;
	t->by_position = c->e->is_float && bytes_by_position(c, t, tiles) <
						   bytes_by_block(c, t);
	if (t->by_position)
		t->steps = 1;
	/* Blocks of equal sizes. */
	t->tiles = (tiles + t->steps - 1) / t->steps;
	/* Or, if they fit, of whole groups and less in the last. */
	if (group && !t->by_position &&
	    (t->tiles + group - 1) / group * group <= most) {
		t->tiles = (t->tiles + group - 1) / group * group;
		t->steps = (tiles + t->tiles - 1) / t->tiles;
	}
}

/* Where a block of t->tiles lies. */
static void lay_out(const struct vgg_conv *c, struct vgg_class *t)
{
	size_t elem = (size_t)c->e->elem, block = (size_t)c->e->block;
	size_t n = (size_t)t->tiles;

	t->v_pitch = (size_t)(c->e->is_float ? c->e->chunk : c->v_row) * elem;
	t->v_chunk = n * t->v_pitch;
	t->v_step = round_up(n * (size_t)c->v_row * elem, SKEW) + SKEW;
	t->m_step = n * block * 4 + SKEW;
	if (t->by_position)
		t->m_step += n * block * 4 * (size_t)(c->blocks - 1);
	t->u_step = (size_t)c->k * block * elem;
	t->u = c->packed + class_offset(c, t->mh, t->mw);
}

static void size_class(const struct vgg_conv *c, struct vgg_class *t, int tiles,
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
	int ph = positions_of(t->mh), pw = positions_of(t->mw);
	int in = pw * load_ops(t->mh) + ph * load_ops(t->mw) + 3 * ph * pw;
	int out = pw * store_ops(t->mh) + t->mh * store_ops(t->mw) +
		  2 * ph * pw + 4 * t->mh * t->mw;

	if (!c->e->is_float)
		return 0;
	return (double)in * c->s.in_c + (double)out * c->s.out_c;
}

static double cost(const struct vgg_conv *c, unsigned int h, unsigned int w)
{
	double filters = (double)c->blocks * c->e->block, sum = 0, bytes;
	struct vgg_class t;
	struct vgg_cut y, x;
	int i, j;

	cut(&y, c->s.h, h);
	cut(&x, c->s.w, w);
	for (i = 0; i < y.runs; i++)
		for (j = 0; j < x.runs; j++) {
			int tiles = y.run[i].count * x.run[j].count;

			t.mh = y.run[i].m;
			t.mw = x.run[j].m;
			size_steps(c, &t, tiles, 1);
			bytes = t.by_position ?
					bytes_by_position(c, &t, tiles) :
					bytes_by_block(c, &t);
			sum += (filters * c->k * positions(&t) +
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
		   const struct vgg_conv_shape *s, size_t cache)
{
	const struct vgg_window *w = &s->win;

	*c = (struct vgg_conv){ .s = *s, .e = e, .cache = cache };
	c->k = s->in_c;
	if (!e->sizes)
		c->k *= w->kernel_h * w->kernel_w;
	c->v_row = (int)round_up((size_t)c->k, (size_t)e->chunk);
	c->k = (int)round_up((size_t)c->k,
			     (size_t)(e->is_float ? FLOATS : e->step));
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

static char *padding(const struct vgg_conv *c)
{
	return vgg_conv_finish(c, c->blocks);
}

void vgg_conv_pack_pad(const struct vgg_conv *c, int pad_value)
{
	if (c->e->is_float)
		memset(padding(c), 0, (size_t)c->s.in_c * 4);
	else
		memset(padding(c), pad_value, (size_t)c->s.in_c);
}

void vgg_conv_pack(const struct vgg_conv *c, const void *weight, int b)
{
	size_t block = (size_t)positions_of(1) * (size_t)c->e->block *
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
						(size_t)(positions_of(h) *
							 positions_of(w)));
		}
}

int vgg_conv_grain(const struct vgg_conv *c)
{
	return c->e->block;
}

/*
 * Running.
 */
struct job {
	const struct vgg_conv *c;
	const struct vgg_conv_io *io;
	struct vgg_class t;
	int y0, x0;	 /* of the class's first tile */
	int h, w;	 /* end of the range before a pool */
	int across;	 /* tiles side by side */
	int first, end;	 /* tiles of the step */
	int block0;	 /* first block of filters */
	int last;	 /* end of the range's channels */
	const char *finish; /* of block 0 */
	const void *pad;    /* the pixel outside */
	int blocks;	 /* of filters */
	int loads;	 /* tiles that a task loads */
	int parts;	 /* tasks to each block of filters, or position */
	char *v, *m;	 /* shared V, M of each worker or of all */
	size_t m_worker; /* bytes */
};

struct spot {
	int y, x; /* of a tile's first output, before a pool */
};

static struct spot spot_of(const struct job *j, int tile)
{
	return (struct spot){ j->y0 + tile / j->across * j->t.mh,
			      j->x0 + tile % j->across * j->t.mw };
}

static const void *pixel(const struct job *j, int y, int x)
{
	const struct vgg_conv_shape *s = &j->c->s;

	if (y < 0 || y >= s->in_h || x < 0 || x >= s->in_w)
		return j->pad;
	return (const char *)j->io->in + (size_t)y * j->io->in_pitch +
	       (size_t)x * j->io->in_pixel;
}

/* The pixels of a tile whose first is (y0, x0). */
static void pixels_of(const struct job *j, int y0, int x0, const void **to)
{
	const struct vgg_conv_shape *s = &j->c->s;
	int ph = positions_of(j->t.mh), pw = positions_of(j->t.mw), y, x;
	size_t step = j->io->in_pixel;
	const char *from;

	if (y0 < 0 || x0 < 0 || y0 + ph > s->in_h || x0 + pw > s->in_w) {
		for (y = y0; y < y0 + ph; y++)
			for (x = x0; x < x0 + pw; x++)
				*to++ = pixel(j, y, x);
		return;
	}
	for (y = y0; y < y0 + ph; y++) {
		from = pixel(j, y, x0);
		for (x = 0; x < pw; x++, from += step)
			*to++ = from;
	}
}

static void load_tile(const struct job *j, struct spot at, char *v)
{
	const struct vgg_conv_shape *s = &j->c->s;
	const void *from[(VGG_TILE_MAX + 2) * (VGG_TILE_MAX + 2)];

	pixels_of(j, at.y - s->win.pad_top, at.x - s->win.pad_left, from);
	if (j->c->e->is_float)
		j->c->e->load_f32[j->t.mh / 2][j->t.mw / 2](
			&(struct vgg_load){ .at = from,
					    .channels = s->in_c,
					    .v = v,
					    .v_step = j->t.v_step,
					    .v_chunk = j->t.v_chunk });
	else
		j->c->e->load[j->t.mh / 2][j->t.mw / 2](from, s->in_c, v,
							j->t.v_step);
}

/* n values to V from its channel k on: n bytes as the engine wants them, or
 * floats to the chunks that they belong to. */
static void gather(const struct job *j, const void *from, size_t n, char *v,
		   size_t k)
{
	size_t chunk = (size_t)j->c->e->chunk, i;
	const float *x = from;

	if (!j->c->e->is_float) {
		j->c->e->gather(from, n, v + k * (size_t)j->c->e->elem);
		return;
	}
	while (n) {
		size_t at = k % chunk, some = least(chunk - at, n);
		float *to = (float *)(v + k / chunk * j->t.v_chunk) + at;

		n -= some;
		k += some;
		for (; some >= FLOATS; some -= FLOATS, x += FLOATS, to += FLOATS)
			memcpy(to, x, FLOATS * sizeof(*x));
		for (i = 0; i < some; i++)
			*to++ = *x++;
	}
}

/* The values under the kernel, row by row; a row of neighbouring pixels at once
 * where it has no padding. */
static void gather_tile(const struct job *j, struct spot at, char *v)
{
	const struct vgg_conv_shape *s = &j->c->s;
	const struct vgg_window *w = &s->win;
	size_t c = (size_t)s->in_c, k = 0;
	bool dense = j->io->in_pixel ==
		     c * (j->c->e->is_float ? sizeof(float) : 1);
	int y0 = at.y * w->stride_h - w->pad_top;
	int x0 = at.x * w->stride_w - w->pad_left, y, x;

	dense = dense && x0 >= 0 && x0 + w->kernel_w <= s->in_w;
	for (y = y0; y < y0 + w->kernel_h; y++) {
		if (dense && y >= 0 && y < s->in_h) {
			gather(j, pixel(j, y, x0), c * (size_t)w->kernel_w, v,
			       k);
			k += c * (size_t)w->kernel_w;
			continue;
		}
		for (x = x0; x < x0 + w->kernel_w; x++, k += c)
			gather(j, pixel(j, y, x), c, v, k);
	}
}

/* What fills up a tile's row meets weights that are 0. */
static void fill_up(const struct job *j, char *v)
{
	const struct vgg_conv *c = j->c;
	size_t used = (size_t)(c->s.in_c * c->s.win.kernel_h *
			       c->s.win.kernel_w);
	size_t n = (size_t)c->v_row - used, chunk = (size_t)c->e->chunk;

	if (c->e->is_float)
		memset(v + used / chunk * j->t.v_chunk + used % chunk * 4, 0,
		       n * 4);
	else
		memset(v + used * (size_t)c->e->elem, 0,
		       n * (size_t)c->e->elem);
}

static void load_one(const struct job *j, int tile)
{
	char *v = j->v + (size_t)(tile - j->first) * j->t.v_pitch;
	struct spot at = spot_of(j, tile);

	if (j->c->e->sizes) {
		load_tile(j, at, v);
		return;
	}
	fill_up(j, v);
	gather_tile(j, at, v);
}

/* Some neighbours. */
static void load(void *ctx, int worker, size_t i)
{
	const struct job *j = ctx;
	int tile = j->first + (int)i * j->loads, end = tile + j->loads;

	(void)worker;
	for (; tile < end && tile < j->end; tile++)
		load_one(j, tile);
}

/* What of a tile exists: a pool drops an odd last row. */
static int within(int at, int m, int end, bool pool)
{
	int n = end - at < m ? end - at : m;

	return pool ? n / 2 : n;
}

/* Where the results of a tile go. */
static void set_spot(const struct job *j, int tile, struct vgg_store *s)
{
	struct spot at = spot_of(j, tile);
	bool pool = s->pool;

	s->out = (char *)j->io->out + (size_t)(at.y >> pool) * s->pitch +
		 (size_t)(at.x >> pool) * s->pixel + s->first;
	s->rows = within(at.y, j->t.mh, j->h, pool);
	s->cols = within(at.x, j->t.mw, j->w, pool);
}

static struct vgg_store store_of(const struct job *j, int b, int tile)
{
	const struct vgg_conv *c = j->c;
	int c0 = b * c->e->block;
	struct vgg_store s = {
		.finish = j->finish + (size_t)b * c->finish_bytes,
		.m_step = j->t.m_step,
		.pitch = j->io->out_pitch,
		.pixel = j->io->out_pixel,
		.first = (size_t)c0 * (c->e->is_float ? sizeof(float) : 1),
		.channels = j->last - c0 < c->e->block ? j->last - c0 :
							 c->e->block,
		.pool = c->s.pool,
	};

	set_spot(j, tile, &s);
	return s;
}

static struct vgg_gemm gemm_of(const struct job *j, int b, char *m)
{
	return (struct vgg_gemm){
		.u = j->t.u + (size_t)b * j->t.u_step *
				      (size_t)positions(&j->t),
		.v = j->v,
		.m = m,
		.u_step = j->t.u_step,
		.v_step = j->t.v_step,
		.v_pitch = j->t.v_pitch,
		.v_chunk = j->t.v_chunk,
		.m_step = j->t.m_step,
		.positions = positions(&j->t),
		.tiles = j->end - j->first,
		.k = j->c->k,
	};
}

/* Tiles first..end-1 of block b, whose sums begin at m. */
static void store(const struct job *j, int b, int first, int end,
		  const char *m)
{
	const struct vgg_engine *e = j->c->e;
	void (*tile)(const struct vgg_store *) =
		e->store[j->t.mh / 2][j->t.mw / 2];
	struct vgg_store s = store_of(j, b, first);

	for (; first < end; first++, m += e->block * 4) {
		set_spot(j, first, &s);
		s.m = m;
		tile(&s);
	}
}

static int part_start(int n, int parts, int i)
{
	return (int)((int64_t)n * i / parts);
}

/* All positions of one block of filters, or of a part of its tiles. */
static void multiply(void *ctx, int worker, size_t i)
{
	const struct job *j = ctx;
	const struct vgg_engine *e = j->c->e;
	char *m = j->m + (size_t)worker * j->m_worker;
	int b = j->block0 + (int)i / j->parts, part = (int)i % j->parts, t;
	int tiles = j->end - j->first;
	int first = j->first + part_start(tiles, j->parts, part);
	int end = j->first + part_start(tiles, j->parts, part + 1);
	struct vgg_gemm g = gemm_of(j, b, m);
	struct vgg_store s;

	g.v += (size_t)(first - j->first) * j->t.v_pitch;
	g.tiles = end - first;
	if (!e->is_float && vgg_conv_needs_care(j->c, b)) {
		for (t = first; t < end; t++, g.v += j->t.v_pitch) {
			s = store_of(j, b, t);
			vgg_conv_with_care(j->c, &j->t, &g, &s);
		}
		return;
	}
	e->gemm[in_order()](&g);
	store(j, b, first, end, m);
}

static void multiply_step(struct job *j, const struct vgg_team *team)
{
	int tasks = 2 * team->workers, most = (j->end - j->first) / 8;

	/* More tasks than blocks, where these are few. */
	j->parts = j->blocks < tasks ? (tasks + j->blocks - 1) / j->blocks : 1;
	if (j->parts > most)
		j->parts = most ? most : 1;
	team->each(team->threads, (size_t)(j->blocks * j->parts), multiply, j);
}

/* M of block b where all blocks have theirs. */
static char *m_of(const struct job *j, int b)
{
	return j->m + (size_t)(b - j->block0) * (size_t)(j->end - j->first) *
			      (size_t)j->c->e->block * 4;
}

/* One position of all blocks of filters, or of a part of them. Channels in
 * pieces: V of one stays in the first-level cache from block to block. */
static void multiply_position(void *ctx, int worker, size_t i)
{
	const struct job *j = ctx;
	size_t p = i / (size_t)j->parts;
	int part = (int)i % j->parts, chunk = j->c->e->chunk, b, k;
	int end = part_start(j->blocks, j->parts, part + 1);
	int piece = PIECE / 4 / (j->end - j->first) / chunk * chunk;

	(void)worker;
	piece = piece < PIECE_LEAST ? PIECE_LEAST : piece;
	for (k = 0; k < j->c->k; k += piece)
		for (b = part_start(j->blocks, j->parts, part); b < end; b++) {
			struct vgg_gemm g = gemm_of(j, j->block0 + b,
						    m_of(j, j->block0 + b));

			g.u += p * j->t.u_step +
			       (size_t)(k * j->c->e->block) * 4;
			g.v += p * j->t.v_step +
			       (size_t)(k / chunk) * j->t.v_chunk;
			g.m += p * j->t.m_step;
			g.positions = 1;
			g.k = j->c->k - k < piece ? j->c->k - k : piece;
			g.add = k > 0;
			j->c->e->gemm[in_order()](&g);
		}
}

/* Some blocks of filters: as many as fill a cache line of the output. */
static void store_blocks(void *ctx, int worker, size_t i)
{
	const struct job *j = ctx;
	int group = 64 / 4 / j->c->e->block > 1 ? 64 / 4 / j->c->e->block : 1;
	int b = (int)i * group, end = b + group;

	(void)worker;
	for (; b < end && b < j->blocks; b++)
		store(j, j->block0 + b, j->first, j->end,
		      m_of(j, j->block0 + b));
}

static void multiply_by_position(struct job *j, const struct vgg_team *team)
{
	int p = positions(&j->t);

	j->parts = (4 * team->workers + p - 1) / p;
	if (j->parts > j->blocks)
		j->parts = j->blocks;
	team->each(team->threads, (size_t)(p * j->parts), multiply_position, j);
	team->each(team->threads, (size_t)j->blocks, store_blocks, j);
}

/* One class of tiles: its steps one after the other. */
static void run_class(struct job *j, const struct vgg_team *team, int tiles)
{
	int i;

	for (i = 0; i < j->t.steps; i++) {
		j->first = i * j->t.tiles;
		j->end = (int)least((size_t)tiles,
				    (size_t)(j->first + j->t.tiles));
		j->loads = (j->end - j->first) / (8 * team->workers) + 1;
		team->each(team->threads,
			   (size_t)((j->end - j->first - 1) / j->loads + 1),
			   load, j);
		if (j->t.by_position)
			multiply_by_position(j, team);
		else
			multiply_step(j, team);
	}
}

/* V of a step, M of all workers. */
static size_t v_bytes(const struct vgg_class *t)
{
	return round_up(t->v_step * (size_t)positions(t), 64);
}

static size_t m_bytes(const struct vgg_class *t)
{
	return round_up(t->m_step * (size_t)positions(t), 64) + SKEW;
}

/* Of integers any range may be asked for: fewer tiles may come in larger blocks
 * than more, but never in larger ones than fit. */
static size_t class_bytes(const struct vgg_conv *c, int mh, int mw, int tiles,
			  int workers)
{
	struct vgg_class t = { .mh = mh, .mw = mw };

	size_class(c, &t, tiles, workers);
	if (!c->e->is_float) {
		t.tiles = most_tiles(c, &t, tiles, workers);
		lay_out(c, &t);
	}
	return v_bytes(&t) +
	       (t.by_position ? 1 : (size_t)workers) * m_bytes(&t);
}

/* h rows of the output before a pool, which drops an odd last row and column. */
static void cut_sides(const struct vgg_conv *c, int h, struct vgg_cut *y,
		      struct vgg_cut *x)
{
	cut(y, h, c->sizes_h & ~2u);
	cut(x, c->s.pool ? c->s.w / 2 * 2 : c->s.w, c->sizes_w & ~2u);
}

/* Floats: the tiles that there are. */
static size_t workspace_f32(const struct vgg_conv *c, int workers)
{
	struct vgg_cut y, x;
	size_t most = 0, n;
	int i, k;

	cut_sides(c, c->s.pool ? c->s.h / 2 * 2 : c->s.h, &y, &x);
	for (i = 0; i < y.runs; i++)
		for (k = 0; k < x.runs; k++) {
			n = class_bytes(c, y.run[i].m, x.run[k].m,
					y.run[i].count * x.run[k].count,
					workers);
			most = n > most ? n : most;
		}
	return most;
}

size_t vgg_conv_workspace(const struct vgg_conv *c, int workers)
{
	size_t most = 0, n;
	int i, k;

	if (c->e->is_float)
		return workspace_f32(c, workers);
	/* No range has more tiles of a class than would cover all. */
	for (i = 1; i <= VGG_TILE_MAX; i++)
		for (k = 1; k <= VGG_TILE_MAX; k++) {
			if (!(c->sizes_h & 1u << i) || !(c->sizes_w & 1u << k))
				continue;
			n = class_bytes(c, i, k,
					(c->s.h + i - 1) / i *
						((c->s.w + k - 1) / k),
					workers);
			most = n > most ? n : most;
		}
	return most;
}

void vgg_conv_run(const struct vgg_conv *c, const struct vgg_conv_io *io,
		  const struct vgg_conv_range *r, const struct vgg_team *team,
		  char *workspace)
{
	int shrink = c->s.pool ? 2 : 1, y0 = r->row0 * shrink;
	struct job j = { .c = c, .io = io, .h = r->row1 * shrink, .w = c->s.w };
	struct vgg_cut y, x;
	int i, k, tiles;

	j.block0 = r->c0 / c->e->block;
	j.blocks = (r->c1 + c->e->block - 1) / c->e->block - j.block0;
	j.last = r->c1;
	j.finish = vgg_conv_finish(c, 0);
	j.pad = padding(c);
	cut_sides(c, j.h - y0, &y, &x);
	for (i = 0; i < y.runs; i++)
		for (k = 0; k < x.runs; k++) {
			j.t.mh = y.run[i].m;
			j.t.mw = x.run[k].m;
			j.y0 = y0 + y.run[i].first;
			j.x0 = x.run[k].first;
			j.across = x.run[k].count;
			tiles = y.run[i].count * j.across;
			size_class(c, &j.t, tiles, team->workers);
			j.v = workspace;
			j.m = workspace + v_bytes(&j.t);
			j.m_worker = m_bytes(&j.t);
			run_class(&j, team, tiles);
		}
}
