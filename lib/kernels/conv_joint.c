// SPDX-License-Identifier: MIT
/*
 * Floats: tiles of all classes at once, position by position. The weights of
 * smaller tiles are some of those of the largest (conv.h), so each position's are
 * read once and meet the tiles that have it, whatever their class. Or weights are
 * transformed on the way, and M of as many filters as stay in the cache is
 * finished before the next ones' begins.
 */
#include "kernels/conv_job.h"

/* Neighbouring tiles of one or more classes, and the positions at which just
 * these go together. */
struct span {
	int first, tiles, count;
	uint64_t has; /* the same positions, as bits */
	unsigned char place[(VGG_TILE_MAX + 2) * (VGG_TILE_MAX + 2)];
};

#define SPANS_MAX (VGG_CLASSES_MAX * (VGG_CLASSES_MAX + 1) / 2)

/* Tiles of all classes, one class behind the other in V and M. */
struct joint {
	struct vgg_conv_job *job;
	int count, tiles, positions, parts;
	struct span span[SPANS_MAX];
	int spans;
	/* Fresh weights: where each worker has them; the first channel of a
	 * pass. */
	char *fresh;
	size_t fresh_worker;
	int k;
};

/* Whether tiles of a class have position p of the largest tiles. */
static bool has_position(const struct vgg_class *t, int p)
{
	int y = p / t->across, x = p % t->across;

	return (y <= t->mh || y == t->last_row) &&
	       (x <= t->mw || x == t->last_col);
}

static void add_to_span(struct joint *all, int first, int tiles, int p)
{
	struct span *s = all->span, *end = s + all->spans;

	while (s < end && (s->first != first || s->tiles != tiles))
		s++;
	if (s == end) {
		all->spans++;
		*s = (struct span){ .first = first, .tiles = tiles };
	}
	s->has |= (uint64_t)1 << p;
	s->place[s->count++] = (unsigned char)p;
}

static void find_spans(struct joint *all)
{
	const struct vgg_conv_job *j, *end = all->job + all->count;
	int p, before, tiles;

	for (p = 0; p < all->positions; p++)
		for (j = all->job, before = 0; j < end; before += tiles) {
			for (tiles = 0; j < end && has_position(&j->t, p); j++)
				tiles += j->tiles;
			if (tiles) {
				add_to_span(all, before, tiles, p);
			} else {
				tiles = j->tiles;
				j++;
			}
		}
}

/* Channels from k on, at most so many, of block b and the tiles of a span. */
static struct vgg_gemm span_gemm(const struct joint *all, const struct span *s,
				 int b, int k, int most)
{
	const struct vgg_conv_job *j = all->job;
	const struct vgg_conv *c = j->c;
	struct vgg_gemm g = vgg_job_gemm(j, b, vgg_job_m(j, b));

	g.m += (size_t)(s->first * c->e->block) * 4;
	g.v += (size_t)s->first * j->t.v_pitch +
	       (size_t)(k / c->e->chunk) * j->t.v_chunk;
	g.tiles = s->tiles;
	g.positions = s->count;
	g.place = s->place;
	g.k = c->k - k < most ? c->k - k : most;
	g.add = k > 0;
	return g;
}

/* Some channels of one block of filters, whose weights are fresh. */
static void multiply_joint_fresh(void *ctx, int worker, size_t task)
{
	const struct joint *all = ctx;
	const struct vgg_conv_job *j = all->job;
	const struct vgg_conv *c = j->c;
	char *u = all->fresh + (size_t)worker * all->fresh_worker;
	int b = j->block0 + (int)task, i;
	struct vgg_gemm g;

	for (i = 0; i < all->spans; i++) {
		g = span_gemm(all, &all->span[i], b, all->k, VGG_FRESH_JOINT);
		if (!i)
			vgg_conv_fresh(c)((const float *)g.u +
						  all->k * 9 * c->e->block,
					  g.k, u);
		g.u = u;
		c->e->gemm[vgg_in_order()](&g);
	}
}

/* One position of all blocks of filters, or of a part of them. */
static void multiply_joint(void *ctx, int worker, size_t task)
{
	const struct joint *all = ctx;
	const struct vgg_conv_job *j = all->job;
	unsigned char p = (unsigned char)((int)task / all->parts);
	int part = (int)task % all->parts,
	    piece = vgg_conv_piece(j->c, all->tiles);
	int end = vgg_part_start(j->blocks, all->parts, part + 1), b, k, i;

	(void)worker;
	for (k = 0; k < j->c->k; k += piece)
		for (b = vgg_part_start(j->blocks, all->parts, part); b < end;
		     b++)
			for (i = 0; i < all->spans; i++) {
				struct vgg_gemm g;

				if (!(all->span[i].has >> p & 1))
					continue;
				g = span_gemm(all, &all->span[i], j->block0 + b,
					      k, piece);
				g.u += (size_t)(k * j->c->e->block) * 4;
				g.place = &p;
				g.positions = 1;
				j->c->e->gemm[vgg_in_order()](&g);
			}
}

static void multiply_all(struct joint *all, const struct vgg_team *team)
{
	int p = all->positions, i;

	all->parts = (4 * team->workers + p - 1) / p;
	if (all->parts > all->job->blocks)
		all->parts = all->job->blocks;
	team->each(team->threads, (size_t)(p * all->parts), multiply_joint,
		   all);
	for (i = 0; i < all->count; i++)
		vgg_job_store(&all->job[i], team);
}

/* With fresh weights: as many filters as M has room for, then the next ones. */
static void multiply_all_fresh(struct joint *all, const struct vgg_team *team)
{
	const struct vgg_conv *c = all->job->c;
	int b = all->job->block0, end = b + all->job->blocks, n, i;

	for (; b < end; b += n) {
		n = end - b < c->together ? end - b : c->together;
		for (i = 0; i < all->count; i++) {
			all->job[i].block0 = b;
			all->job[i].blocks = n;
		}
		for (all->k = 0; all->k < c->k; all->k += VGG_FRESH_JOINT)
			team->each(team->threads, (size_t)n,
				   multiply_joint_fresh, all);
		for (i = 0; i < all->count; i++)
			vgg_job_store(&all->job[i], team);
	}
}

/* Where the tiles of each class lie. */
static void place(struct joint *all, char *workspace)
{
	struct vgg_conv_job *j = all->job, *end = j + all->count;
	const struct vgg_conv *c = j->c;
	char *m;
	int before = 0;

	vgg_size_joint(c, &j->t, all->tiles);
	all->positions = j->t.positions;
	m = workspace + vgg_v_bytes(&j->t);
	all->fresh = m + vgg_m_bytes(&j->t);
	all->fresh_worker = vgg_fresh_bytes(c);
	for (; j < end; j++) {
		vgg_size_joint(c, &j->t, all->tiles);
		j->v = workspace + (size_t)before * j->t.v_pitch;
		j->m = m + (size_t)(before * c->e->block) * 4;
		before += j->tiles;
	}
}

void vgg_conv_run_joint(struct vgg_conv_job *jobs, int count,
			const struct vgg_team *team, char *workspace)
{
	struct joint all = { .job = jobs, .count = count };
	struct vgg_conv_job *j;

	for (j = jobs; j < jobs + count; j++) {
		j->first = 0;
		j->end = j->tiles;
		all.tiles += j->tiles;
	}
	place(&all, workspace);
	for (j = jobs; j < jobs + count; j++) {
		j->loads = j->end / (8 * team->workers) + 1;
		team->each(team->threads, (size_t)((j->end - 1) / j->loads + 1),
			   vgg_job_load, j);
	}
	find_spans(&all);
	if (jobs->c->fresh)
		multiply_all_fresh(&all, team);
	else
		multiply_all(&all, team);
}
