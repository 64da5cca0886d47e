// SPDX-License-Identifier: MIT
/*
 * The driver of conv.h: goes over the blocks of tiles that conv_cut.c chose and
 * calls an engine's load, gemm and store for them.
 */
#include <string.h>

#include "kernels/conv_job.h"
#include "util/cpu.h"

/* Floats by position: bytes of V that stay in the first-level cache, and the
 * least channels. */
#define PIECE (24 << 10)
#define PIECE_LEAST 128

/* An in-order core wants its instructions in another order. */
int vgg_in_order(void)
{
	return vgg_cpus()->cluster[vgg_cluster_here()].uarch == VGG_UARCH_A53;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

struct spot {
	int y, x; /* of a tile's first output, before a pool */
};

static struct spot spot_of(const struct vgg_conv_job *j, int tile)
{
	return (struct spot){ j->y0 + tile / j->across * j->t.mh,
			      j->x0 + tile % j->across * j->t.mw };
}

static const void *pixel(const struct vgg_conv_job *j, int y, int x)
{
	const struct vgg_conv_shape *s = &j->c->s;

	if (y < 0 || y >= s->in_h || x < 0 || x >= s->in_w)
		return j->pad;
	return (const char *)j->io->in + (size_t)y * j->io->in_pitch +
	       (size_t)x * j->io->in_pixel;
}

/* The pixels of a tile whose first is (y0, x0). */
static void pixels_of(const struct vgg_conv_job *j, int y0, int x0,
		      const void **to)
{
	const struct vgg_conv_shape *s = &j->c->s;
	int ph = vgg_positions_of(j->t.mh), pw = vgg_positions_of(j->t.mw), y,
	    x;
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

static void load_tile(const struct vgg_conv_job *j, struct spot at, char *v)
{
	const struct vgg_conv_shape *s = &j->c->s;
	const void *from[(VGG_TILE_MAX + 2) * (VGG_TILE_MAX + 2)];
	size_t row = (size_t)j->t.across * j->t.v_step;

	pixels_of(j, at.y - s->win.pad_top, at.x - s->win.pad_left, from);
	if (j->c->e->is_float)
		j->c->e->load_f32[j->t.mh / 2][j->t.mw / 2](&(struct vgg_load){
			.at = from,
			.channels = s->in_c,
			.v = v,
			.v_step = j->t.v_step,
			.v_row = row,
			.v_last_col = (size_t)j->t.last_col * j->t.v_step,
			.v_last_row = (size_t)j->t.last_row * row,
			.v_chunk = j->t.v_chunk });
	else
		j->c->e->load[j->t.mh / 2][j->t.mw / 2](from, s->in_c, v,
							j->t.v_step);
}

/* n values to V from its channel k on: n bytes as the engine wants them, or
 * floats to the chunks that they belong to. */
static void gather(const struct vgg_conv_job *j, const void *from, size_t n,
		   char *v, size_t k)
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
		for (; some >= VGG_FLOATS;
		     some -= VGG_FLOATS, x += VGG_FLOATS, to += VGG_FLOATS)
			memcpy(to, x, VGG_FLOATS * sizeof(*x));
		for (i = 0; i < some; i++)
			*to++ = *x++;
	}
}

/* The values under the kernel, row by row; a row of neighbouring pixels at once
 * where it has no padding. */
static void gather_tile(const struct vgg_conv_job *j, struct spot at, char *v)
{
	const struct vgg_conv_shape *s = &j->c->s;
	const struct vgg_window *w = &s->win;
	size_t c = (size_t)s->in_c, k = 0;
	bool dense =
		j->io->in_pixel == c * (j->c->e->is_float ? sizeof(float) : 1);
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
static void fill_up(const struct vgg_conv_job *j, char *v)
{
	const struct vgg_conv *c = j->c;
	size_t used =
		(size_t)(c->s.in_c * c->s.win.kernel_h * c->s.win.kernel_w);
	size_t n = (size_t)c->v_row - used, chunk = (size_t)c->e->chunk;

	if (c->e->is_float)
		memset(v + used / chunk * j->t.v_chunk + used % chunk * 4, 0,
		       n * 4);
	else
		memset(v + used * (size_t)c->e->elem, 0,
		       n * (size_t)c->e->elem);
}

static void load_one(const struct vgg_conv_job *j, int tile)
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

void vgg_job_load(void *ctx, int worker, size_t i)
{
	const struct vgg_conv_job *j = ctx;
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
static void set_spot(const struct vgg_conv_job *j, int tile,
		     struct vgg_store *s)
{
	struct spot at = spot_of(j, tile);
	bool pool = s->pool;

	s->out = (char *)j->io->out + (size_t)(at.y >> pool) * s->pitch +
		 (size_t)(at.x >> pool) * s->pixel + s->first;
	s->rows = within(at.y, j->t.mh, j->h, pool);
	s->cols = within(at.x, j->t.mw, j->w, pool);
}

static struct vgg_store store_of(const struct vgg_conv_job *j, int b, int tile)
{
	const struct vgg_conv *c = j->c;
	int c0 = b * c->e->block;
	size_t row = (size_t)j->t.across * j->t.m_step;
	struct vgg_store s = {
		.finish = j->finish + (size_t)b * c->finish_bytes,
		.m_step = j->t.m_step,
		.m_row = row,
		.m_last_col = (size_t)j->t.last_col * j->t.m_step,
		.m_last_row = (size_t)j->t.last_row * row,
		.pitch = j->io->out_pitch,
		.pixel = j->io->out_pixel,
		.first = (size_t)c0 * (c->e->is_float ? sizeof(float) : 1),
		.channels =
			j->last - c0 < c->e->block ? j->last - c0 : c->e->block,
		.pool = c->s.pool,
	};

	set_spot(j, tile, &s);
	return s;
}

struct vgg_gemm vgg_job_gemm(const struct vgg_conv_job *j, int b, char *m)
{
	return (struct vgg_gemm){
		.u = j->t.u + (size_t)b * j->t.u_block,
		.v = j->v,
		.m = m,
		.u_step = j->t.u_step,
		.v_step = j->t.v_step,
		.v_pitch = j->t.v_pitch,
		.v_chunk = j->t.v_chunk,
		.m_step = j->t.m_step,
		.positions = vgg_positions(&j->t),
		.tiles = j->end - j->first,
		.place = j->c->e->is_float ? j->t.place : NULL,
		.k = j->c->k,
	};
}

/* Tiles first..end-1 of block b, whose sums begin at m. */
static void store(const struct vgg_conv_job *j, int b, int first, int end,
		  const char *m, int parts, size_t part_step)
{
	const struct vgg_engine *e = j->c->e;
	void (*tile)(const struct vgg_store *) =
		e->store[j->t.mh / 2][j->t.mw / 2];
	struct vgg_store s = store_of(j, b, first);
	const struct vgg_finish_s8 *f = s.finish;
	bool far = !e->is_float && !f->near;

	s.parts = parts;
	s.part_step = part_step;
	for (; first < end; first++, m += e->block * 4) {
		set_spot(j, first, &s);
		s.m = m;
		if (far)
			vgg_conv_store_far(&j->t, &s);
		else
			tile(&s);
	}
}

static int parts_of(const struct vgg_conv_job *j, int b)
{
	const struct vgg_finish_s8 *f = vgg_conv_finish(j->c, b);

	return j->c->e->is_float ? 1 : f->parts;
}

vgg_fresh_fn *vgg_conv_fresh(const struct vgg_conv *c)
{
	return c->e->fresh_f32[vgg_largest(c->sizes_h) / 2]
			      [vgg_largest(c->sizes_w) / 2];
}

/* Products of g with weights that are transformed for them, into `u`. */
static void multiply_fresh(const struct vgg_conv *c, const float *raw,
			   const struct vgg_class *t, struct vgg_gemm g,
			   char *u)
{
	int k;

	g.u = u;
	for (k = 0; k < c->k; k += VGG_FRESH) {
		g.k = c->k - k < VGG_FRESH ? c->k - k : VGG_FRESH;
		g.add = k > 0;
		vgg_conv_fresh(c)(raw + (size_t)(k * 9 * c->e->block), g.k, u);
		c->e->gemm[vgg_in_order()](&g);
		g.v += VGG_FRESH / c->e->chunk * (ptrdiff_t)t->v_chunk;
	}
}

/* Tiles first..end-1 of block b, `g` at the first of them. M has room for some
 * of them in parts. */
static void multiply_parts(const struct vgg_conv_job *j, int b, int first,
			   int end, struct vgg_gemm g)
{
	int parts = parts_of(j, b), most = j->t.m_tiles / parts, i;
	size_t step = (size_t)(most * j->c->e->block * 4);

	for (; first < end; first += most) {
		g.tiles = end - first < most ? end - first : most;
		for (i = 0; i < parts; i++) {
			struct vgg_gemm part =
				vgg_conv_part(j->c, &g, parts, i, step);

			if (j->c->fresh)
				multiply_fresh(j->c, (const float *)g.u, &j->t,
					       part, g.m + j->t.fresh_at);
			else
				j->c->e->gemm[vgg_in_order()](&part);
		}
		store(j, b, first, first + g.tiles, g.m, parts, step);
		g.v += (size_t)g.tiles * j->t.v_pitch;
	}
}

/* All positions of one block of filters, or of a part of its tiles. */
static void multiply(void *ctx, int worker, size_t i)
{
	const struct vgg_conv_job *j = ctx;
	char *m = j->m + (size_t)worker * j->m_worker;
	int b = j->block0 + (int)i / j->parts, part = (int)i % j->parts;
	int tiles = j->end - j->first;
	int first = j->first + vgg_part_start(tiles, j->parts, part);
	int end = j->first + vgg_part_start(tiles, j->parts, part + 1);
	struct vgg_gemm g = vgg_job_gemm(j, b, m);

	g.v += (size_t)(first - j->first) * j->t.v_pitch;
	multiply_parts(j, b, first, end, g);
}

static void multiply_step(struct vgg_conv_job *j, const struct vgg_team *team)
{
	int tasks = 2 * team->workers, most = (j->end - j->first) / 8;

	/* More tasks than blocks, where these are few. */
	j->parts = j->blocks < tasks ? (tasks + j->blocks - 1) / j->blocks : 1;
	if (j->parts > most)
		j->parts = most ? most : 1;
	team->each(team->threads, (size_t)(j->blocks * j->parts), multiply, j);
}

char *vgg_job_m(const struct vgg_conv_job *j, int b)
{
	return j->m + (size_t)(b - j->block0) * (size_t)j->t.m_tiles *
			      (size_t)j->c->e->block * 4;
}

/* Channels at once. Floats: V of a piece stays in the first-level cache from
 * block to block. */
int vgg_conv_piece(const struct vgg_conv *c, int tiles)
{
	int piece = PIECE / 4 / tiles / c->e->chunk * c->e->chunk;

	if (!c->e->is_float)
		return c->k;
	return piece < PIECE_LEAST ? PIECE_LEAST : piece;
}

/* One position of all blocks of filters, or of a part of them. */
static void multiply_position(void *ctx, int worker, size_t i)
{
	const struct vgg_conv_job *j = ctx;
	size_t p = i / (size_t)j->parts, elem = (size_t)j->c->e->elem, at;
	int part = (int)i % j->parts, chunk = j->c->e->chunk, b, k;
	int end = vgg_part_start(j->blocks, j->parts, part + 1);
	int piece = vgg_conv_piece(j->c, j->end - j->first);

	(void)worker;
	for (k = 0; k < j->c->k; k += piece)
		for (b = vgg_part_start(j->blocks, j->parts, part); b < end;
		     b++) {
			struct vgg_gemm g = vgg_job_gemm(
				j, j->block0 + b, vgg_job_m(j, j->block0 + b));

			at = g.place ? g.place[p] : p;
			g.u += at * j->t.u_step +
			       (size_t)(k * j->c->e->block) * elem;
			g.v += at * j->t.v_step +
			       (size_t)(k / chunk) * j->t.v_chunk;
			g.m += at * j->t.m_step;
			g.positions = 1;
			g.place = NULL;
			g.k = j->c->k - k < piece ? j->c->k - k : piece;
			g.add = k > 0;
			j->c->e->gemm[vgg_in_order()](&g);
		}
}

/* Some blocks of filters: as many as fill a cache line of the output. A block
 * that is summed in parts, which is rare, is multiplied again in parts: M by
 * position holds the whole sums. */
static void store_blocks(void *ctx, int worker, size_t i)
{
	const struct vgg_conv_job *j = ctx;
	int b = j->block0 + (int)i * j->together, end = b + j->together;

	(void)worker;
	for (; b < end && b < j->block0 + j->blocks; b++)
		if (parts_of(j, b) > 1)
			multiply_parts(j, b, j->first, j->end,
				       vgg_job_gemm(j, b, vgg_job_m(j, b)));
		else
			store(j, b, j->first, j->end, vgg_job_m(j, b), 1, 0);
}

void vgg_job_store(struct vgg_conv_job *j, const struct vgg_team *team)
{
	int line = 64;

	j->together = line / (j->c->e->block * (j->c->e->is_float ? 4 : 1));
	j->together = j->together ? j->together : 1;
	team->each(team->threads, (size_t)((j->blocks - 1) / j->together + 1),
		   store_blocks, j);
}

static void multiply_by_position(struct vgg_conv_job *j,
				 const struct vgg_team *team)
{
	int p = vgg_positions(&j->t);

	j->parts = (4 * team->workers + p - 1) / p;
	if (j->parts > j->blocks)
		j->parts = j->blocks;
	team->each(team->threads, (size_t)(p * j->parts), multiply_position, j);
	vgg_job_store(j, team);
}

/* Step i of j->t.steps. */
static void begin_step(struct vgg_conv_job *j, int i)
{
	j->first = i * j->t.tiles;
	j->end = j->first + j->t.tiles < j->tiles ? j->first + j->t.tiles :
						    j->tiles;
}

static void run_step(struct vgg_conv_job *j, const struct vgg_team *team)
{
	j->loads = (j->end - j->first) / (8 * team->workers) + 1;
	team->each(team->threads,
		   (size_t)((j->end - j->first - 1) / j->loads + 1),
		   vgg_job_load, j);
	if (j->t.order == VGG_BY_POSITION)
		multiply_by_position(j, team);
	else
		multiply_step(j, team);
}

/* One worker does a whole step. */
static void run_apart(void *ctx, int worker, size_t i)
{
	struct vgg_conv_job j = *(const struct vgg_conv_job *)ctx;
	char *m = j.m + (size_t)worker * j.m_worker;
	int tile, b;

	j.v += (size_t)worker * j.v_worker;
	begin_step(&j, (int)i);
	for (tile = j.first; tile < j.end; tile++)
		load_one(&j, tile);
	for (b = j.block0; b < j.block0 + j.blocks; b++)
		multiply_parts(&j, b, j.first, j.end, vgg_job_gemm(&j, b, m));
}

/* All tiles of one class. `workspace`: V's, then M's. */
static void run_class(struct vgg_conv_job *j, const struct vgg_team *team,
		      char *workspace)
{
	bool apart;
	int i;

	vgg_size_class(j->c, &j->t, j->tiles, team->workers);
	apart = j->t.order == VGG_APART;
	j->v_worker = vgg_v_bytes(&j->t);
	j->m_worker = vgg_m_bytes(&j->t) + vgg_fresh_bytes(j->c);
	j->v = workspace;
	j->m = workspace + j->v_worker * (apart ? (size_t)team->workers : 1);
	if (apart) {
		team->each(team->threads, (size_t)j->t.steps, run_apart, j);
		return;
	}
	for (i = 0; i < j->t.steps; i++) {
		begin_step(j, i);
		run_step(j, team);
	}
}

/* n outputs along one side before a pool, which drops an odd last one. */
static int pooled(const struct vgg_conv *c, int n)
{
	return c->s.pool ? n / 2 * 2 : n;
}

/* Which tile computes a float shows in its last bits: so all rows are cut,
 * whatever the range is, which takes the tiles that begin in it. */
static void cut_floats(const struct vgg_conv *c, int y0, int y1,
		       struct vgg_cut *y)
{
	int i;

	vgg_cut(y, pooled(c, c->s.h), c->sizes_h & ~2u);
	for (i = 0; i < y->runs; i++) {
		struct vgg_cut_run *r = &y->run[i];
		int end = r->first + r->m * r->count;

		while (r->first < end && r->first < y0)
			r->first += r->m;
		while (end > r->first && end - r->m >= y1)
			end -= r->m;
		r->count = (end - r->first) / r->m;
	}
}

/* Rows y0..y1-1 before a pool. */
static void cut_sides(const struct vgg_conv *c, int y0, int y1,
		      struct vgg_cut *y, struct vgg_cut *x)
{
	int i;

	vgg_cut(x, pooled(c, c->s.w), c->sizes_w & ~2u);
	if (c->e->is_float) {
		cut_floats(c, y0, y1, y);
		return;
	}
	vgg_cut(y, y1 - y0, c->sizes_h & ~2u);
	for (i = 0; i < y->runs; i++)
		y->run[i].first += y0;
}

int vgg_conv_row_start(const struct vgg_conv *c, int row)
{
	int shrink = c->s.pool ? 2 : 1, at = row * shrink, i;
	struct vgg_cut y;

	if (!c->e->is_float)
		return row;
	vgg_cut(&y, pooled(c, c->s.h), c->sizes_h & ~2u);
	for (i = 0; i < y.runs; i++) {
		const struct vgg_cut_run *r = &y.run[i];

		if (at < r->first + r->m * r->count)
			return (at - (at - r->first) % r->m) / shrink;
	}
	return row;
}

/* The job of tiles of run `h` of rows and run `w` of columns. */
static void set_class(struct vgg_conv_job *j, const struct vgg_cut_run *h,
		      const struct vgg_cut_run *w)
{
	j->t.mh = h->m;
	j->t.mw = w->m;
	j->y0 = h->first;
	j->x0 = w->first;
	j->across = w->count;
	j->tiles = h->count * w->count;
}

/* In an order in which the classes that have a position are neighbours, if there
 * are two sizes: the first two and the two in the middle have the same heights
 * and widths. */
static void run_together(const struct vgg_conv_job *j, const struct vgg_cut *y,
			 const struct vgg_cut *x, const struct vgg_team *team,
			 char *workspace)
{
	struct vgg_conv_job all[VGG_CLASSES_MAX];
	int i, k, count = 0;

	for (i = 0; i < y->runs; i++)
		for (k = 0; k < x->runs; k++) {
			all[count] = *j;
			set_class(&all[count], &y->run[i],
				  &x->run[i % 2 ? k : x->runs - 1 - k]);
			count += all[count].tiles > 0;
		}
	if (count)
		vgg_conv_run_joint(all, count, team, workspace);
}

void vgg_conv_run(const struct vgg_conv *c, const struct vgg_conv_io *io,
		  const struct vgg_conv_range *r, const struct vgg_team *team,
		  char *workspace)
{
	int shrink = c->s.pool ? 2 : 1;
	struct vgg_conv_job j = {
		.c = c, .io = io, .h = r->row1 * shrink, .w = c->s.w
	};
	struct vgg_cut y, x;
	int i, k;

	if (r->row0 >= r->row1 || r->c0 >= r->c1)
		return;
	j.block0 = r->c0 / c->e->block;
	j.blocks = (r->c1 + c->e->block - 1) / c->e->block - j.block0;
	j.last = r->c1;
	j.finish = vgg_conv_finish(c, 0);
	j.pad = vgg_conv_padding(c);
	cut_sides(c, r->row0 * shrink, j.h, &y, &x);
	if (c->joint) {
		run_together(&j, &y, &x, team, workspace);
		return;
	}
	for (i = 0; i < y.runs; i++)
		for (k = 0; k < x.runs; k++) {
			set_class(&j, &y.run[i], &x.run[k]);
			if (j.tiles)
				run_class(&j, team, workspace);
		}
}
