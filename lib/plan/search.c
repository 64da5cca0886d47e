// SPDX-License-Identifier: MIT
/* See search.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/search_parts.h"
#include "util/error.h"

#define BISECTIONS 24
#define BOUNDS_MAX 3

/*
 * At one price of memory: dynamic programming from the end.
 */
int vgg_bound_make(struct vgg_bound *b, const struct vgg_table *t, double price)
{
	unsigned int i, from, to;

	b->price = price;
	b->rest = calloc(t->steps + 1, sizeof(*b->rest));
	for (i = 0; b->rest && i < t->steps; i++) {
		b->rest[i] = calloc(t->levels[i].count, sizeof(double));
		if (!b->rest[i])
			break;
	}
	if (!b->rest || i < t->steps)
		return vgg_fail_memory("a search for a plan");
	for (i = t->steps; i-- > 0;) {
		const struct vgg_level *l = &t->levels[i];
		unsigned int n = i ? l[-1].count : 1;

		for (from = 0; from < n; from++) {
			const double *ms = l->ms + (size_t)from * l->count;
			double least = INFINITY, sum;

			for (to = 0; to < l->count; to++) {
				sum = ms[to] +
				      price * (double)l->states[to].bytes +
				      b->rest[i][to];
				least = sum < least ? sum : least;
			}
			*(i ? &b->rest[i - 1][from] : &b->least) = least;
		}
	}
	return 0;
}

void vgg_bound_free(struct vgg_bound *b, const struct vgg_table *t)
{
	unsigned int i;

	for (i = 0; b->rest && i < t->steps; i++)
		free(b->rest[i]);
	free(b->rest);
	b->rest = NULL;
}

/* The states of the cheapest plan; its time and bytes. Of equals the first, so
 * that a layer stays whole unless a cut wins time. */
static void follow(const struct vgg_table *t, const struct vgg_bound *b,
		   uint16_t *states, double *ms, uint64_t *bytes)
{
	unsigned int from = 0, to, i;

	*ms = 0;
	*bytes = 0;
	for (i = 0; i < t->steps; i++) {
		const struct vgg_level *l = &t->levels[i];
		const double *row = l->ms + (size_t)from * l->count;
		double least = INFINITY, sum;

		for (to = 0; to < l->count; to++) {
			sum = row[to] + b->price * (double)l->states[to].bytes +
			      b->rest[i][to];
			if (sum >= least)
				continue;
			least = sum;
			states[i] = (uint16_t)to;
		}
		from = states[i];
		*ms += row[from];
		*bytes += l->states[from].bytes;
	}
}

/*
 * Scarce memory: prices are raised until a plan fits, then halved towards the
 * lowest that does. The bounds that the label search uses are the last ones on
 * both sides, and that without a price.
 */
struct scarce {
	const struct vgg_table *t;
	uint64_t room;
	struct vgg_bound bounds[BOUNDS_MAX];
	unsigned int count;
	double ms; /* of the best plan that fits */
	uint16_t *best, *states;
};

static void keep_bound(struct scarce *s, unsigned int at, struct vgg_bound *b)
{
	if (at < s->count)
		vgg_bound_free(&s->bounds[at], s->t);
	else
		s->count = at + 1;
	s->bounds[at] = *b;
}

/* Whether the cheapest plan at a price fits; its bound is kept. */
static int try_price(struct scarce *s, double price, bool *fits)
{
	struct vgg_bound b = { 0 };
	uint64_t bytes;
	double ms;
	int err = vgg_bound_make(&b, s->t, price);

	if (err) {
		vgg_bound_free(&b, s->t);
		return err;
	}
	follow(s->t, &b, s->states, &ms, &bytes);
	*fits = bytes <= s->room;
	if (*fits && ms < s->ms) {
		s->ms = ms;
		memcpy(s->best, s->states, s->t->steps * sizeof(*s->best));
	}
	keep_bound(s, !price ? 0 : *fits ? 1 : 2, &b);
	return 0;
}

static int bisect(struct scarce *s)
{
	double low = 0, high = 1e-9; /* ms per byte: 1 s per GB */
	bool fits = false;
	int err = 0, i;

	/* Without on-board weights everything fits, so this ends. */
	while (!err && !fits) {
		high *= 8;
		err = try_price(s, high, &fits);
	}
	for (i = 0; !err && i < BISECTIONS; i++) {
		double price = (low + high) / 2;

		err = try_price(s, price, &fits);
		*(fits ? &high : &low) = price;
	}
	return err;
}

static int search_scarce(struct scarce *s)
{
	bool fits;
	int err = try_price(s, 0, &fits);

	if (err || fits)
		return err;
	err = bisect(s);
	return err ? err :
		     vgg_labels_search(s->t, s->bounds, s->count, s->ms,
				       s->best);
}

static bool has_weights(const struct vgg_costs *c, unsigned int at)
{
	return c->model->layers[c->steps[at]].qweight.count > 0;
}

static void apply(const struct vgg_table *t, const uint16_t *states,
		  struct vgg_plan *plan)
{
	unsigned int i;

	for (i = 0; i < t->steps; i++) {
		const struct vgg_state *s = &t->levels[i].states[states[i]];
		struct vgg_plan_layer *p = &plan->layers[t->costs->steps[i]];

		p->where = s->place.where;
		p->cut = s->place.cut;
		p->streamed = s->streamed && vgg_plan_uses_card(p) &&
			      has_weights(t->costs, i);
	}
}

int vgg_plan_search(const struct vgg_costs *c, bool parts,
		    struct vgg_plan *plan)
{
	struct vgg_table t;
	struct scarce s = { .t = &t, .room = c->room, .ms = INFINITY };
	int err = vgg_table_make(&t, c, parts);
	unsigned int i;

	s.best = calloc(c->count + 1, sizeof(*s.best));
	s.states = calloc(c->count + 1, sizeof(*s.states));
	if (!err && (!s.best || !s.states))
		err = vgg_fail_memory("a search for a plan");
	if (!err && c->count)
		err = search_scarce(&s);
	if (!err)
		apply(&t, s.best, plan);
	for (i = 0; i < s.count; i++)
		vgg_bound_free(&s.bounds[i], &t);
	free(s.best);
	free(s.states);
	vgg_table_free(&t);
	return err;
}
