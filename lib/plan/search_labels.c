// SPDX-License-Identifier: MIT
/*
 * The search with scarce memory: every state keeps its undominated pairs of time
 * and bytes, the labels.
 */
#include <stdlib.h>

#include "plan/search_parts.h"
#include "util/error.h"

struct label {
	double ms;
	uint64_t bytes;
	uint32_t before; /* index of a label of the level before */
	uint16_t state;
};

struct list {
	struct label *at;
	size_t count, room;
};

struct labels {
	const struct vgg_table *t;
	const struct vgg_bound *bounds;
	unsigned int n_bounds;
	double best; /* ms of a plan that fits */
	struct list all, candidates;
	size_t *first; /* of each level in all; steps + 1 */
};

static int push(struct list *l, const struct label *label)
{
	struct label *at;
	size_t room;

	if (l->count == l->room) {
		room = l->room ? 2 * l->room : 1024;
		at = realloc(l->at, room * sizeof(*at));
		if (!at || room > UINT32_MAX)
			return vgg_fail_memory("a search for a plan");
		l->at = at;
		l->room = room;
	}
	l->at[l->count++] = *label;
	return 0;
}

/* Whether a plan through this label may still beat the best one known. */
static bool is_hopeful(const struct labels *s, unsigned int level,
		       const struct label *l)
{
	uint64_t room = s->t->costs->room;
	unsigned int i;

	if (l->bytes > room)
		return false;
	for (i = 0; i < s->n_bounds; i++) {
		const struct vgg_bound *b = &s->bounds[i];
		double left = (double)(room - l->bytes);

		/* Its rest pays for what it takes; more than is left it can't
		 * take. */
		if (l->ms + b->rest[level][l->state] - b->price * left >=
		    s->best)
			return false;
	}
	return true;
}

static int by_bytes(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? -1 : 1;
	return (x->ms > y->ms) - (x->ms < y->ms);
}

/* Of a state's candidates those that no other one beats. */
static int keep_best(struct labels *s)
{
	struct list *c = &s->candidates;
	size_t i, last = 0;
	int err = 0;

	if (!c->count)
		return 0;
	qsort(c->at, c->count, sizeof(*c->at), by_bytes);
	for (i = 0; !err && i < c->count; i++) {
		if (i && c->at[i].ms >= c->at[last].ms)
			continue;
		last = i;
		err = push(&s->all, &c->at[i]);
	}
	c->count = 0;
	return err;
}

static int extend(struct labels *s, unsigned int level, unsigned int to)
{
	const struct vgg_level *l = &s->t->levels[level];
	size_t i;
	int err = 0;

	for (i = s->first[level]; !err && i < s->first[level + 1]; i++) {
		const struct label *from = &s->all.at[i];
		struct label next = { .before = (uint32_t)i,
				      .state = (uint16_t)to };

		next.ms = from->ms + l->ms[from->state * l->count + to];
		next.bytes = from->bytes + l->states[to].bytes;
		if (is_hopeful(s, level, &next))
			err = push(&s->candidates, &next);
	}
	return err ? err : keep_best(s);
}

/* first[level] are the labels that level starts from; the last ones are whole
 * plans. */
static int extend_all(struct labels *s)
{
	const struct label start = { 0 };
	unsigned int level, to;
	int err = push(&s->all, &start);

	s->first[1] = 1;
	for (level = 0; !err && level < s->t->steps; level++) {
		for (to = 0; !err && to < s->t->levels[level].count; to++)
			err = extend(s, level, to);
		s->first[level + 2] = s->all.count;
	}
	return err;
}

static void take_best(const struct labels *s, uint16_t *best)
{
	unsigned int level = s->t->steps;
	const struct label *found = NULL;
	size_t i;

	for (i = s->first[level]; i < s->first[level + 1]; i++)
		if (!found || s->all.at[i].ms < found->ms)
			found = &s->all.at[i];
	while (found && level--) {
		best[level] = found->state;
		found = &s->all.at[found->before];
	}
}

int vgg_labels_search(const struct vgg_table *t, const struct vgg_bound *bounds,
		      unsigned int n_bounds, double ms, uint16_t *best)
{
	struct labels s = {
		.t = t, .bounds = bounds, .n_bounds = n_bounds, .best = ms
	};
	int err = 0;

	s.first = calloc(t->steps + 2, sizeof(*s.first));
	if (!s.first)
		err = vgg_fail_memory("a search for a plan");
	if (!err)
		err = extend_all(&s);
	if (!err)
		take_best(&s, best);
	free(s.first);
	free(s.all.at);
	free(s.candidates.at);
	return err;
}
