// SPDX-License-Identifier: MIT
/*
 * What a job did on the card. Known is when it was submitted, when it was seen to
 * have ended, and how many cycles it took; the card takes one job after the
 * other. So it began when it was submitted, or when the one before had ended; and
 * it ended
 *  - on a simulated card, when that was seen (in this process: when it raised its
 *    interrupt): paced or not, this is the clock on the wall. Without pace it says
 *    how fast the card is simulated; what it would have taken is told beside;
 *  - on a real card, so many cycles later, as the caller may have looked long
 *    after that; or when it was seen, if that was earlier.
 *
 * A layer's part within it, and what crosses the link, is what the cycle model
 * says (plan/cost.h), stretched to the job's length.
 */
#include "trace/parts.h"

static double card_ms(const struct vgg_trace_source *s, uint64_t cycles)
{
	return s->clock_khz ? (double)cycles / s->clock_khz : 0;
}

/* Cycles of the model from the job's begin on, to the event's time. */
struct scale {
	uint64_t begin, span, total;
};

static uint64_t at(const struct scale *s, uint64_t cycles)
{
	return s->begin +
	       (uint64_t)((double)s->span * (double)cycles / (double)s->total);
}

static struct vgg_trace_event *add(struct vgg_trace *t,
				   const struct vgg_trace_record *r,
				   enum vgg_trace_kind kind,
				   enum vgg_trace_rank rank)
{
	struct vgg_trace_event *e = vgg_trace_add(t);

	if (!e)
		return NULL;
	e->kind = kind;
	e->track = vgg_trace_key(rank, 0);
	e->image = r->image;
	e->modelled = kind != VGG_TRACE_JOB;
	return e;
}

static int add_dma(struct vgg_trace *t, const struct vgg_trace_record *r,
		   const struct scale *scale, uint64_t from, uint64_t cycles,
		   uint64_t bytes, uint32_t layer)
{
	struct vgg_trace_event *e;

	if (!bytes)
		return 0;
	e = add(t, r, VGG_TRACE_DMA, VGG_RANK_LINK);
	if (!e)
		return -1;
	e->name = r->source->layers[layer].name;
	e->layer = (int)layer;
	e->layers = 1;
	e->begin = at(scale, from);
	e->end = at(scale, from + cycles);
	e->cycles = cycles;
	e->card_ms = card_ms(r->source, cycles);
	e->bytes = bytes;
	return 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int add_layer(struct vgg_trace *t, const struct vgg_trace_record *r,
		     const struct scale *scale, uint64_t *from, uint32_t i)
{
	const struct vgg_trace_source *s = r->source;
	const struct vgg_trace_cost *c = &s->layers[i].cost;
	uint64_t begin = *from + c->job;
	struct vgg_trace_event *e;

	*from = begin + c->copy + c->work;
	if (*from == begin)
		return 0;
	e = add(t, r, VGG_TRACE_LAYER, VGG_RANK_CARD);
	if (!e)
		return -1;
	e->name = s->layers[i].name;
	e->layer = (int)i;
	e->layers = 1;
	e->begin = at(scale, begin);
	e->end = at(scale, *from);
	e->cycles = c->copy + c->work;
	e->card_ms = card_ms(s, e->cycles);
	if (add_dma(t, r, scale, begin, c->copy, c->copied, i))
		return -1;
	return add_dma(t, r, scale, begin + c->copy, least(c->link, c->work),
		       c->moved, i);
}

static int add_fetch(struct vgg_trace *t, const struct vgg_trace_record *r,
		     struct scale *scale)
{
	const struct vgg_trace_source *s = r->source;
	uint32_t last = s->count - 1;
	uint64_t bytes = r->first < r->past ?
				 s->layers[r->first].cost.fetched :
				 s->layers[last].cost.fetched_behind;

	scale->total = r->cycles ? r->cycles : 1;
	return add_dma(t, r, scale, 0, scale->total, bytes,
		       r->first < last ? r->first : last);
}

static int add_parts(struct vgg_trace *t, const struct vgg_trace_record *r,
		     struct scale *scale)
{
	const struct vgg_trace_source *s = r->source;
	uint64_t from = 0;
	uint32_t i;

	for (i = r->first; i < r->past; i++)
		scale->total += s->layers[i].cost.job + s->layers[i].cost.copy +
				s->layers[i].cost.work;
	for (i = r->first; scale->total && i < r->past; i++)
		if (add_layer(t, r, scale, &from, i))
			return -1;
	return 0;
}

int vgg_trace_add_job(struct vgg_trace *t, const struct vgg_trace_record *r,
		      uint64_t *from)
{
	struct vgg_trace_source *s = (struct vgg_trace_source *)r->source;
	struct vgg_trace_event *e = add(t, r, VGG_TRACE_JOB, VGG_RANK_CARD);
	struct scale scale = { 0 };

	if (!e)
		return -1;
	e->name = vgg_trace_range_name(s, r->first, r->past);
	e->layer = (int)r->first;
	e->layers = (int)(r->past - r->first);
	e->begin = r->begin > *from ? r->begin : *from;
	e->end = r->end;
	e->cycles = r->cycles;
	e->card_ms = card_ms(s, r->cycles);
	if (!s->simulated)
		e->end = least(e->end, e->begin + (uint64_t)(e->card_ms * 1e6));
	if (e->end < e->begin)
		e->end = e->begin;
	*from = e->end;
	t->unpaced |= s->simulated && !s->paced;
	scale.begin = e->begin;
	scale.span = e->end - e->begin;
	return r->fetch ? add_fetch(t, r, &scale) : add_parts(t, r, &scale);
}
