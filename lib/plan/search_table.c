// SPDX-License-Identifier: MIT
/* The search's states and what each step costs between two of them. */
#include <math.h>
#include <stdlib.h>

#include "plan/search_parts.h"
#include "util/error.h"

int vgg_search_cut_limit(unsigned int steps)
{
	return steps <= 64 ? VGG_CUTS_MAX : steps <= 512 ? 4 : 1;
}

int vgg_search_cuts(const struct vgg_layer *l, enum vgg_where where, int limit,
		    int cuts[VGG_CUTS_MAX])
{
	int all, step = vgg_cut_step(l, where, &all), legal, i, n = 0;

	if (!step)
		return 0;
	legal = (all - 1) / step;
	limit = limit < VGG_CUTS_MAX ? limit : VGG_CUTS_MAX;
	if (legal <= limit) {
		for (i = 1; i <= legal; i++)
			cuts[n++] = i * step;
		return n;
	}
	/* The nearest legal ones to equal shares. */
	for (i = 1; i <= limit; i++)
		cuts[n++] = (int)(((int64_t)2 * i * (legal + 1) + limit + 1) /
				  (2 * (limit + 1))) *
			    step;
	return n;
}

struct maker {
	struct vgg_table *t;
	bool parts;
	bool ample; /* all weights fit on board */
	int limit;  /* of cuts */
};

/*
 * On-board weights and streamed ones differ by bytes and time; one of them can go
 * where the other is never worse: streaming if memory is ample and it is not
 * faster wherever input and output lie, being on board if it is not faster.
 */
static void find_use(const struct maker *m, unsigned int at,
		     struct vgg_place_of here, bool *on_board, bool *streamed)
{
	const struct vgg_costs *c = m->t->costs;
	bool has_weights =
		vgg_weight_bytes(&c->model->layers[c->steps[at]], here) > 0;
	bool faster = false, slower = false;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		struct vgg_step s = { .at = at, .here = here };
		struct vgg_step_cost there, streams;

		/* Before: the CPU, or the card with all there is to read. */
		s.before.where = at && i & 1 ? VGG_ON_CARD : VGG_ON_CPU;
		s.next_card = i & 2;
		vgg_step_cost(c, &s, &there);
		s.streamed = true;
		vgg_step_cost(c, &s, &streams);
		faster |= streams.card_ms < there.card_ms;
		slower |= streams.card_ms > there.card_ms;
	}
	*on_board = c->on_board && (!has_weights || slower || !faster);
	*streamed = !c->on_board ||
		    (has_weights && (faster || (slower && !m->ample)));
	if (c->on_board && has_weights && !slower && !m->ample) {
		*on_board = false; /* for nothing */
		*streamed = true;
	}
}

static void add_state(struct vgg_level *l, struct vgg_state s)
{
	l->states[l->count++] = s;
}

/* All states of a place. */
static void add_place(const struct maker *m, unsigned int at,
		      struct vgg_place_of here)
{
	const struct vgg_costs *c = m->t->costs;
	struct vgg_level *l = &m->t->levels[at];
	bool last = at + 1 == m->t->steps, use[2];
	struct vgg_state s = { .place = here };
	int streamed, next;

	if (here.where == VGG_ON_CPU) {
		add_state(l, s);
		return;
	}
	find_use(m, at, here, &use[0], &use[1]);
	for (streamed = 0; streamed < 2; streamed++)
		for (next = 0; next < 2 - last && use[streamed]; next++) {
			s.streamed = streamed;
			s.next_card = next;
			s.bytes =
				streamed ?
					0 :
					vgg_weight_bytes(
						&c->model->layers[c->steps[at]],
						here);
			add_state(l, s);
		}
}

static int add_level(const struct maker *m, unsigned int at)
{
	static const enum vgg_where kinds[] = { VGG_BY_ROWS, VGG_BY_CHANNELS };
	const struct vgg_costs *c = m->t->costs;
	const struct vgg_layer *l = &c->model->layers[c->steps[at]];
	struct vgg_level *level = &m->t->levels[at];
	int cuts[VGG_CUTS_MAX], kind, n, i;

	level->states = calloc(VGG_STATES_MAX, sizeof(*level->states));
	if (!level->states)
		return vgg_fail_memory("a search for a plan");
	add_place(m, at, (struct vgg_place_of){ VGG_ON_CPU, 0 });
	if (l->cpu_reason || !c->machine->has_card)
		return 0;
	add_place(m, at, (struct vgg_place_of){ VGG_ON_CARD, 0 });
	for (kind = 0; kind < 2 && m->parts; kind++) {
		/* Mixed pixels need on-board memory. */
		if (kinds[kind] == VGG_BY_CHANNELS && !c->on_board &&
		    vgg_shape_count(&l->out) != vgg_channels(&l->out))
			continue;
		n = vgg_search_cuts(l, kinds[kind], m->limit, cuts);
		for (i = 0; i < n; i++)
			add_place(
				m, at,
				(struct vgg_place_of){ kinds[kind], cuts[i] });
	}
	return 0;
}

static bool same_place(const struct vgg_place_of *a,
		       const struct vgg_place_of *b)
{
	return a->where == b->where && a->cut == b->cut;
}

/* What `from` expects of the next layer. */
static bool fits(const struct vgg_state *from, const struct vgg_state *to)
{
	return from->place.where == VGG_ON_CPU ||
	       from->next_card == (to->place.where != VGG_ON_CPU);
}

/* From one place of the level before: rows first..end-1 of the prices. */
static void price_rows(struct vgg_table *t, unsigned int at,
		       const struct vgg_state *from, unsigned int first,
		       unsigned int end)
{
	struct vgg_level *l = &t->levels[at];
	unsigned int k, i;

	for (k = 0; k < l->count; k++) {
		const struct vgg_state *to = &l->states[k];
		struct vgg_step s = { .at = at,
				      .before = from[first].place,
				      .here = to->place,
				      .next_card = to->next_card,
				      .streamed = to->streamed };
		struct vgg_step_cost cost;

		vgg_step_cost(t->costs, &s, &cost);
		for (i = first; i < end; i++)
			l->ms[i * l->count + k] =
				fits(&from[i], to) ? cost.ms : INFINITY;
	}
}

static int price_level(struct vgg_table *t, unsigned int at)
{
	static const struct vgg_state input = { .place = { VGG_ON_CPU, 0 } };
	struct vgg_level *l = &t->levels[at];
	const struct vgg_state *from = at ? l[-1].states : &input;
	unsigned int n = at ? l[-1].count : 1, first, end;

	l->ms = malloc((size_t)n * l->count * sizeof(*l->ms));
	if (!l->ms)
		return vgg_fail_memory("a search for a plan");
	for (first = 0; first < n; first = end) {
		for (end = first + 1; end < n; end++)
			if (!same_place(&from[first].place, &from[end].place))
				break;
		price_rows(t, at, from, first, end);
	}
	return 0;
}

static uint64_t all_weights(const struct vgg_costs *c)
{
	const struct vgg_place_of card = { VGG_ON_CARD, 0 };
	uint64_t bytes = 0;
	unsigned int i;

	for (i = 0; i < c->count; i++)
		bytes += vgg_weight_bytes(&c->model->layers[c->steps[i]], card);
	return bytes;
}

int vgg_table_make(struct vgg_table *t, const struct vgg_costs *c, bool parts)
{
	struct maker m = { .t = t, .parts = parts };
	unsigned int i;
	int err = 0;

	*t = (struct vgg_table){ .costs = c, .steps = c->count };
	m.ample = all_weights(c) <= c->room;
	m.limit = vgg_search_cut_limit(c->count);
	t->levels = calloc(t->steps + 1, sizeof(*t->levels));
	if (!t->levels)
		return vgg_fail_memory("a search for a plan");
	for (i = 0; !err && i < t->steps; i++)
		err = add_level(&m, i);
	for (i = 0; !err && i < t->steps; i++)
		err = price_level(t, i);
	return err;
}

void vgg_table_free(struct vgg_table *t)
{
	unsigned int i;

	for (i = 0; t->levels && i < t->steps; i++) {
		free(t->levels[i].states);
		free(t->levels[i].ms);
	}
	free(t->levels);
	t->levels = NULL;
}
