// SPDX-License-Identifier: MIT
/*
 * Finer cuts. The search is exact for the cuts that it tries, 16 of a kind; a layer
 * of 224 rows has 223. Here each cut of its plan is moved to where the steps that
 * depend on it, its own and the next one, take the least together, in strides that
 * halve down to the hardware's; then those of two neighbours at once, as what one
 * has the other reads: either alone would pay for copies that both together don't.
 * That is repeated until nothing is gained. What runs where stays as it is, so this
 * is a local optimum, never worse than the plan it begins with.
 */
#include "plan/search.h"

#define TINY 1e-12 /* what is less of a whole is rounding */

struct refiner {
	const struct vgg_costs *c;
	struct vgg_plan *plan;
	uint64_t used; /* on-board bytes of weights */
};

static struct vgg_plan_layer *layer_at(const struct refiner *r, unsigned int at)
{
	return &r->plan->layers[r->c->steps[at]];
}

static bool is_cut(const struct refiner *r, unsigned int at)
{
	return at < r->c->count && layer_at(r, at)->cut;
}

static uint64_t bytes_at(const struct refiner *r, unsigned int at)
{
	const struct vgg_plan_layer *p = layer_at(r, at);

	return p->streamed || !r->c->on_board ?
		       0 :
		       vgg_weight_bytes(
			       &r->c->model->layers[r->c->steps[at]],
			       (struct vgg_place_of){ p->where, p->cut });
}

/* All that depends on the cuts of `n` steps. */
static double ms_of(const struct refiner *r, unsigned int at, unsigned int n)
{
	double ms = 0;
	unsigned int i;

	for (i = at; i <= at + n && i < r->c->count; i++)
		ms += vgg_plan_step_ms(r->c, r->plan, i);
	return ms;
}

/* By so many of the layer's steps. False: it would be no cut. */
static bool shift(struct refiner *r, unsigned int at, int by)
{
	struct vgg_plan_layer *p = layer_at(r, at);
	int all, step;

	step = vgg_cut_step(&r->c->model->layers[r->c->steps[at]], p->where,
			    &all);
	if (p->cut + by * step <= 0 || p->cut + by * step >= all)
		return false;
	r->used -= bytes_at(r, at);
	p->cut += by * step;
	r->used += bytes_at(r, at);
	return true;
}

/* Kept if it is faster and fits. */
static bool try_shift(struct refiner *r, unsigned int at, unsigned int n,
		      const int by[2])
{
	double before = ms_of(r, at, n);
	unsigned int i;

	for (i = 0; i < n && shift(r, at + i, by[i]); i++)
		;
	if (i == n && r->used <= r->c->room &&
	    ms_of(r, at, n) < before * (1 - TINY))
		return true;
	while (i--)
		shift(r, at + i, -by[i]);
	return false;
}

static int stride_of(const struct refiner *r, unsigned int at)
{
	const struct vgg_layer *l = &r->c->model->layers[r->c->steps[at]];
	int all, step = vgg_cut_step(l, layer_at(r, at)->where, &all);
	int stride = 1;

	while (stride * 4 * step < all)
		stride *= 2;
	return stride;
}

static bool refine_one(struct refiner *r, unsigned int at)
{
	bool better = false;
	int stride;

	for (stride = stride_of(r, at); stride; stride /= 2)
		while (try_shift(r, at, 1, (int[2]){ stride, 0 }) ||
		       try_shift(r, at, 1, (int[2]){ -stride, 0 }))
			better = true;
	return better;
}

/* A pool halves the rows behind it, so one of them may go twice as far. */
static bool refine_two(struct refiner *r, unsigned int at)
{
	static const int ways[][2] = { { 1, 1 },   { 2, 1 },   { 1, 2 },
				       { -1, -1 }, { -2, -1 }, { -1, -2 } };
	bool better = false;
	int stride, by[2];
	unsigned int i;

	for (stride = stride_of(r, at); stride; stride /= 2)
		for (i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
			by[0] = stride * ways[i][0];
			by[1] = stride * ways[i][1];
			while (try_shift(r, at, 2, by))
				better = true;
		}
	return better;
}

void vgg_plan_refine(const struct vgg_costs *c, struct vgg_plan *plan)
{
	struct refiner r = { .c = c, .plan = plan };
	bool better = true;
	unsigned int at;

	for (at = 0; at < c->count; at++)
		r.used += bytes_at(&r, at);
	while (better) {
		better = false;
		for (at = 0; at < c->count; at++) {
			better |= is_cut(&r, at) && refine_one(&r, at);
			better |= is_cut(&r, at) && is_cut(&r, at + 1) &&
				  refine_two(&r, at);
		}
	}
}
