// SPDX-License-Identifier: MIT
/* See trace.h: traces, and what is written to them while sessions run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace/parts.h"
#include "util/error.h"

#define CAPACITY_DEFAULT ((size_t)1 << 16)
#define CAPACITY_MAX ((size_t)1 << 26)

_Thread_local struct vgg_trace_place vgg_trace_here;

int vgg_trace_create(size_t capacity, struct vgg_trace **trace)
{
	struct vgg_trace *t;

	if (capacity > CAPACITY_MAX)
		return vgg_fail(BAD_ARGUMENT, "trace",
				"ask for up to 67108864, or 0",
				"room for %zu events", capacity);
	t = calloc(1, sizeof(*t));
	if (!t)
		return vgg_fail_memory("a trace");
	t->capacity = capacity ? capacity : CAPACITY_DEFAULT;
	t->records = malloc(t->capacity * sizeof(*t->records));
	if (!t->records) {
		free(t);
		return vgg_fail_memory("a trace's events");
	}
	/* Touched now: a page that the system gives out later would be time of
	 * what is traced. */
	memset(t->records, 0, t->capacity * sizeof(*t->records));
	pthread_mutex_init(&t->lock, NULL);
	*trace = t;
	return 0;
}

void vgg_trace_free(struct vgg_trace *t)
{
	struct vgg_trace_source *s;

	if (!t)
		return;
	while ((s = t->sources)) {
		t->sources = s->next;
		vgg_trace_source_free(s);
	}
	pthread_mutex_destroy(&t->lock);
	free(t->records);
	free(t->events);
	free(t->rows);
	free(t->image_names);
	free(t);
}

void vgg_trace_clear(struct vgg_trace *t)
{
	atomic_store(&t->count, 0);
	atomic_store(&t->images, 0);
	t->read = false;
	vgg_trace_pace_clear(t);
}

/*
 * Writing.
 */
static void put(struct vgg_trace *t, const struct vgg_trace_record *r)
{
	size_t i =
		atomic_fetch_add_explicit(&t->count, 1, memory_order_relaxed);

	if (i < t->capacity)
		t->records[i] = *r;
}

static struct vgg_trace_record record_of(const struct vgg_trace_place *p)
{
	return (struct vgg_trace_record){
		.source = p->trace->source,
		.name = p->name,
		.begin = p->begin,
		.image = p->image,
		.first = p->first,
		.past = p->end,
		.lane = p->lane,
		.kind = p->kind,
	};
}

void vgg_trace_begin(struct vgg_trace_span *s, enum vgg_trace_kind kind,
		     const char *name, unsigned int first, unsigned int end)
{
	struct vgg_trace_place *here = &vgg_trace_here;

	s->outer = *here;
	here->kind = (uint16_t)kind;
	here->name = name;
	here->worked = false;
	if (!name) {
		here->first = first;
		here->end = end;
		here->fetch = kind == VGG_TRACE_FETCH;
	}
	here->begin = vgg_trace_now();
}

/* The CPU's own work, if no share of it is recorded: what no other thread is
 * asked to help with. */
static bool is_work(enum vgg_trace_kind kind)
{
	return kind == VGG_TRACE_INPUT || kind == VGG_TRACE_PART ||
	       kind == VGG_TRACE_FLOAT || kind == VGG_TRACE_OUTPUT;
}

void vgg_trace_end(const struct vgg_trace_span *s)
{
	struct vgg_trace_place *here = &vgg_trace_here;
	struct vgg_trace_record r = record_of(here);
	bool worked = here->worked;

	r.end = vgg_trace_now();
	put(here->trace, &r);
	if (!worked && is_work((enum vgg_trace_kind)r.kind)) {
		r.kind = VGG_TRACE_WORK;
		r.number = worked = true;
		put(here->trace, &r);
	}
	*here = s->outer;
	here->worked |= worked;
}

unsigned int vgg_trace_next_image(struct vgg_trace *trace)
{
	return trace ? atomic_fetch_add(&trace->images, 1) + 1 : 0;
}

struct vgg_trace_visit vgg_trace_enter(struct vgg_trace *trace,
				       unsigned int lane, unsigned int image)
{
	struct vgg_trace_place *here = &vgg_trace_here;
	struct vgg_trace_visit v = { .outer = *here };

	if (!trace || here->trace == trace)
		return v;
	if (!image)
		image = vgg_trace_next_image(trace);
	*here = (struct vgg_trace_place){ .trace = trace,
					  .image = image,
					  .lane = (uint16_t)lane,
					  .kind = VGG_TRACE_IMAGE,
					  .begin = vgg_trace_now() };
	v.entered = true;
	return v;
}

void vgg_trace_leave(const struct vgg_trace_visit *v)
{
	struct vgg_trace_record r;

	if (!v->entered)
		return;
	r = record_of(&vgg_trace_here);
	r.end = vgg_trace_now();
	put(vgg_trace_here.trace, &r);
	vgg_trace_here = v->outer;
}

void vgg_trace_work(const struct vgg_trace_place *at, unsigned int pool,
		    int worker, unsigned int tasks, uint64_t begin)
{
	struct vgg_trace_record r = record_of(at);

	r.kind = VGG_TRACE_WORK;
	r.worker = (uint16_t)worker;
	r.pool = (uint16_t)pool;
	r.number = tasks;
	r.begin = begin;
	r.end = vgg_trace_now();
	put(at->trace, &r);
	if (!worker)
		vgg_trace_here.worked = true;
}

/*
 * Jobs. When one was submitted is kept until it is waited for, which another
 * thread may do.
 */
void vgg_trace_submitted_(uint64_t ticket)
{
	struct vgg_trace_place *here = &vgg_trace_here;
	struct vgg_trace *t = here->trace;
	struct vgg_trace_record r = record_of(here);

	r.name = NULL;
	r.number = ticket;
	r.kind = VGG_TRACE_JOB;
	r.fetch = here->fetch;
	pthread_mutex_lock(&t->lock);
	t->jobs[ticket % VGG_TRACE_JOBS] = r;
	pthread_mutex_unlock(&t->lock);
}

void vgg_trace_completed_(uint64_t ticket, const struct vgg_completion *c)
{
	struct vgg_trace *t = vgg_trace_here.trace;
	struct vgg_trace_record r;

	pthread_mutex_lock(&t->lock);
	r = t->jobs[ticket % VGG_TRACE_JOBS];
	t->jobs[ticket % VGG_TRACE_JOBS].source = NULL;
	pthread_mutex_unlock(&t->lock);
	/* Not by this session's runs, or waited for twice. */
	if (!r.source || r.source != t->source || r.number != ticket)
		return;
	r.cycles = c->cycles;
	r.end = c->seen_ns;
	put(t, &r);
}
