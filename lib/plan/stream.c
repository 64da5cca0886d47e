// SPDX-License-Identifier: MIT
/* See stream.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "plan/stream.h"
#include "util/error.h"

const char *vgg_stream_figure(double value, char text[VGG_FIGURE_SIZE])
{
	snprintf(text, VGG_FIGURE_SIZE, value < 99.95 ? "%.3g" : "%.0f", value);
	return text;
}

const char *vgg_stage_processor(const struct vgg_machine *m,
				unsigned int processor)
{
	return processor ? m->processor[processor].name : "card";
}

static const struct vgg_layer *layer_at(const struct vgg_costs *c,
					unsigned int at)
{
	return &c->model->layers[c->steps[at]];
}

/*
 * The card's stages: one job.
 */
static const struct vgg_place_of card = { VGG_ON_CARD, 0 };

/* A step of a stage: between others, at its begin or its end. */
static double card_step_ms(const struct vgg_costs *c, unsigned int at,
			   bool begins, bool ends, bool streamed)
{
	const struct vgg_step s = {
		.at = at,
		.before = { begins ? VGG_ON_CPU : VGG_ON_CARD, 0 },
		.here = card,
		.next_card = !ends,
		.streamed = streamed,
	};
	struct vgg_step_cost cost;

	vgg_step_cost(c, &s, &cost);
	return cost.ms;
}

struct item {
	double loss; /* ms more if it is streamed */
	uint64_t bytes;
	unsigned int at; /* step */
};

/* What loses least per byte, first. */
static int by_loss(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	double l = x->loss * (double)y->bytes, r = y->loss * (double)x->bytes;

	return (l > r) - (l < r);
}

static void note_streamed(const struct vgg_costs *c, unsigned int at,
			  struct vgg_plan *plan)
{
	if (plan)
		plan->layers[c->steps[at]].streamed = true;
}

/* Which weights are streamed is noted in the plan, if there is one. */
static double card_stage_ms(const struct vgg_costs *c, unsigned int first,
			    unsigned int end, struct vgg_plan *plan)
{
	struct item items[VGG_STREAM_STEPS_MAX];
	uint64_t bytes = 0;
	unsigned int i, n = 0;
	double ms = 0;

	for (i = first; i < end; i++) {
		double kept, streamed;

		if (layer_at(c, i)->cpu_reason)
			return INFINITY;
		kept = card_step_ms(c, i, i == first, i + 1 == end, false);
		streamed = card_step_ms(c, i, i == first, i + 1 == end, true);
		if (!c->on_board || streamed <= kept) {
			ms += streamed;
			note_streamed(c, i, plan);
			continue;
		}
		ms += kept;
		items[n].at = i;
		items[n].loss = streamed - kept;
		items[n].bytes = vgg_weight_bytes(layer_at(c, i), card);
		bytes += items[n++].bytes;
	}
	if (bytes > c->room)
		qsort(items, n, sizeof(*items), by_loss);
	for (i = 0; bytes > c->room; i++) {
		bytes -= items[i].bytes;
		ms += items[i].loss;
		note_streamed(c, items[i].at, plan);
	}
	return ms;
}

static double cpu_step_ms(const struct vgg_costs *c, unsigned int processor,
			  unsigned int at, bool *guessed)
{
	const struct vgg_layer *l = layer_at(c, at);
	struct vgg_cpu_cost cost;

	vgg_machine_cost(c->machine, l, processor, &cost);
	*guessed |= cost.guessed;
	return vgg_curve_at(&cost.rows, (int)vgg_extent_of(&l->out).h);
}

double vgg_stage_ms(const struct vgg_costs *c, unsigned int processor,
		    unsigned int first, unsigned int end)
{
	bool guessed = false;
	double ms = 0;

	if (!processor)
		return c->machine->has_card ?
			       card_stage_ms(c, first, end, NULL) :
			       INFINITY;
	for (; first < end; first++)
		ms += cpu_step_ms(c, processor, first, &guessed);
	return ms;
}

/*
 * All stages, and the best way through them: slowest[set][end] is that of the
 * first `end` steps on exactly these processors.
 */
struct search {
	const struct vgg_costs *c;
	unsigned int steps, processors; /* with the card, number 0 */
	double *stage; /* [processor][first][end], 0 <= first < end <= steps */
	double *slowest;
	struct choice {
		uint8_t processor;
		uint16_t first;
	} * choice;
	bool guessed;
};

static double *stage_at(const struct search *s, unsigned int processor,
			unsigned int first, unsigned int end)
{
	size_t side = s->steps + 1;

	return &s->stage[((size_t)processor * side + first) * side + end];
}

static void fill_stages(struct search *s)
{
	unsigned int p, first, end;
	double ms;

	for (first = 0; first < s->steps; first++)
		for (end = first + 1; end <= s->steps; end++)
			*stage_at(s, 0, first, end) =
				vgg_stage_ms(s->c, 0, first, end);
	for (p = 1; p < s->processors; p++)
		for (end = 1; end <= s->steps; end++) {
			ms = 0;
			for (first = end; first-- > 0;) {
				ms += end - first == 1 ?
					      cpu_step_ms(s->c, p, first,
							  &s->guessed) :
					      *stage_at(s, p, first, first + 1);
				*stage_at(s, p, first, end) = ms;
			}
		}
}

static void extend(struct search *s, unsigned int set, unsigned int processor,
		   unsigned int end)
{
	size_t side = s->steps + 1;
	const double *before = &s->slowest[(set & ~(1u << processor)) * side];
	double *to = &s->slowest[set * side + end], ms;
	unsigned int first;

	for (first = 0; first < end; first++) {
		ms = fmax(before[first], *stage_at(s, processor, first, end));
		if (ms >= *to)
			continue;
		*to = ms;
		s->choice[set * side + end] =
			(struct choice){ (uint8_t)processor, (uint16_t)first };
	}
}

/* Returns the best set. */
static unsigned int search_sets(struct search *s)
{
	size_t side = s->steps + 1;
	unsigned int sets = 1u << s->processors, set, p, end, best = 0;

	for (set = 0; set < sets; set++)
		for (end = 0; end <= s->steps; end++)
			s->slowest[set * side + end] = INFINITY;
	s->slowest[0] = 0;
	for (set = 1; set < sets; set++) {
		for (p = 0; p < s->processors; p++)
			for (end = 1; set & 1u << p && end <= s->steps; end++)
				extend(s, set, p, end);
		if (s->slowest[set * side + s->steps] <
		    s->slowest[best * side + s->steps])
			best = set;
	}
	return best;
}

static void take_stages(const struct search *s, unsigned int set,
			struct vgg_stream_plan *plan)
{
	unsigned int end = s->steps, i, n = 0;

	for (i = set; i; i &= i - 1)
		n++;
	plan->stages = n;
	while (n--) {
		struct choice c = s->choice[set * (s->steps + 1) + end];

		plan->stage[n] = (struct vgg_stage){
			.processor = c.processor,
			.first = c.first,
			.end = end,
			.ms = *stage_at(s, c.processor, c.first, end),
		};
		set &= ~(1u << c.processor);
		end = c.first;
	}
}

static void add_images(const struct search *s, struct vgg_stream_plan *plan)
{
	unsigned int p;

	for (p = 0; p < s->processors; p++)
		plan->images_rate += 1e3 / *stage_at(s, p, 0, s->steps);
}

static int find_bound(const struct search *s, struct vgg_stream_plan *plan)
{
	double *t = calloc((size_t)s->processors * s->steps, sizeof(*t)), ms;
	unsigned int p, l;
	int err;

	if (!t)
		return vgg_fail_memory("a bound");
	for (l = 0; l < s->steps; l++) {
		t[l] = layer_at(s->c, l)->cpu_reason ||
				       !s->c->machine->has_card ?
			       INFINITY :
			       vgg_card_least_ms(s->c, l);
		for (p = 1; p < s->processors; p++)
			t[p * s->steps + l] = *stage_at(s, p, l, l + 1);
	}
	err = vgg_shares_solve(s->processors, s->steps, t, &ms);
	if (!err)
		plan->bound = 1e3 / ms;
	free(t);
	return err;
}

static int search(struct search *s, struct vgg_stream_plan *plan)
{
	size_t side = s->steps + 1, sets = (size_t)1 << s->processors;
	unsigned int best;
	int err;

	s->stage = calloc(s->processors * side * side, sizeof(*s->stage));
	s->slowest = calloc(sets * side, sizeof(*s->slowest));
	s->choice = calloc(sets * side, sizeof(*s->choice));
	if (!s->stage || !s->slowest || !s->choice)
		return vgg_fail_memory("a search for a stream's plan");
	fill_stages(s);
	best = search_sets(s);
	take_stages(s, best, plan);
	plan->stages_rate = 1e3 / s->slowest[best * side + s->steps];
	add_images(s, plan);
	err = find_bound(s, plan);
	plan->whole_images = plan->images_rate > plan->stages_rate;
	plan->guessed = s->guessed;
	return err;
}

int vgg_stream_search(const struct vgg_costs *c, struct vgg_stream_plan *plan)
{
	struct search s = { .c = c,
			    .steps = c->count,
			    .processors = c->machine->processors };
	int err = 0;

	*plan = (struct vgg_stream_plan){ 0 };
	if (c->count > VGG_STREAM_STEPS_MAX)
		return vgg_fail(BAD_ARGUMENT, c->model->name, NULL,
				"streams are planned for up to %d layers",
				VGG_STREAM_STEPS_MAX);
	if (c->count)
		err = search(&s, plan);
	free(s.stage);
	free(s.slowest);
	free(s.choice);
	return err;
}

/*
 * A stage as a part of a plan.
 */
void vgg_stage_place(const struct vgg_costs *c, const struct vgg_stage *stage,
		     struct vgg_plan *plan)
{
	char ms[VGG_FIGURE_SIZE];
	unsigned int i;

	vgg_stream_figure(stage->ms, ms);
	for (i = stage->first; i < stage->end; i++) {
		struct vgg_plan_layer *p = &plan->layers[c->steps[i]];

		p->where = stage->processor ? VGG_ON_CPU : VGG_ON_CARD;
		p->processor = stage->processor;
		snprintf(p->reason, sizeof(p->reason),
			 "the stage of the %s, %s ms",
			 vgg_stage_processor(c->machine, stage->processor), ms);
	}
	if (!stage->processor)
		card_stage_ms(c, stage->first, stage->end, plan);
}
