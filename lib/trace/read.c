// SPDX-License-Identifier: MIT
/*
 * Reading a trace: records become events, sorted by track and time. Jobs of the
 * card are put in the order in which it took them.
 */
#include <limits.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace/parts.h"
#include "util/error.h"

#define DEPTH_MAX 16

static const char *const kind_names[] = {
	[VGG_TRACE_IMAGE] = "inference", [VGG_TRACE_INPUT] = "input",
	[VGG_TRACE_STEP] = "step",	 [VGG_TRACE_FLOAT] = "floating point",
	[VGG_TRACE_OUTPUT] = "output",	 [VGG_TRACE_PART] = "CPU's part",
	[VGG_TRACE_FETCH] = "fetch",	 [VGG_TRACE_WORK] = "CPU work",
	[VGG_TRACE_CALL] = "call",	 [VGG_TRACE_JOB] = "job",
	[VGG_TRACE_LAYER] = "layer",	 [VGG_TRACE_DMA] = "DMA",
	[VGG_TRACE_WAIT] = "wait",
};

struct vgg_trace_event *vgg_trace_add(struct vgg_trace *t)
{
	struct vgg_trace_event *more;
	size_t room;

	if (t->n_events == t->room) {
		room = t->room ? 2 * t->room : 1024;
		more = realloc(t->events, room * sizeof(*more));
		if (!more)
			return NULL;
		t->events = more;
		t->room = room;
	}
	more = &t->events[t->n_events++];
	*more = (struct vgg_trace_event){ .size = sizeof(*more), .layer = -1 };
	return more;
}

/*
 * Records to events.
 */
static uint32_t key_of(const struct vgg_trace_record *r)
{
	switch (r->kind) {
	case VGG_TRACE_WORK:
		/* The callers of all lanes come first. */
		return vgg_trace_key(
			VGG_RANK_CPU,
			r->worker ?
				1u << 27 | (uint32_t)r->pool << 10 | r->worker :
				r->lane);
	case VGG_TRACE_CALL:
		return vgg_trace_key(VGG_RANK_CALL, r->lane);
	default:
		return vgg_trace_key(VGG_RANK_IMAGE, r->lane);
	}
}

static void set_layers(struct vgg_trace_event *e,
		       const struct vgg_trace_record *r)
{
	struct vgg_trace_source *s = (struct vgg_trace_source *)r->source;
	const struct vgg_trace_layer *l;

	if (r->first >= r->past || r->first >= s->count)
		return;
	l = &s->layers[r->first];
	e->layer = (int)r->first;
	e->layers = (int)(r->past - r->first);
	if (r->kind != VGG_TRACE_STEP && r->kind != VGG_TRACE_FLOAT)
		return;
	e->where = l->where;
	e->cut = l->cut;
	e->all = l->all;
}

static int add_record(struct vgg_trace *t, const struct vgg_trace_record *r)
{
	struct vgg_trace_source *s = (struct vgg_trace_source *)r->source;
	struct vgg_trace_event *e = vgg_trace_add(t);

	if (!e)
		return -1;
	e->kind = (enum vgg_trace_kind)r->kind;
	e->track = key_of(r);
	e->begin = r->begin;
	e->end = r->end;
	e->image = r->image;
	e->tasks = r->kind == VGG_TRACE_WORK ? (unsigned int)r->number : 0;
	e->name =
		r->name ? r->name : vgg_trace_range_name(s, r->first, r->past);
	set_layers(e, r);
	return 0;
}

/* In the order in which the card took them. Sessions of a trace follow each
 * other. */
static int by_ticket(const void *a, const void *b)
{
	const struct vgg_trace_record *x = *(struct vgg_trace_record *const *)a;
	const struct vgg_trace_record *y = *(struct vgg_trace_record *const *)b;

	if (x->source != y->source)
		return (x->begin > y->begin) - (x->begin < y->begin);
	return (x->number > y->number) - (x->number < y->number);
}

static int add_jobs(struct vgg_trace *t)
{
	const struct vgg_trace_record **jobs =
		malloc((t->seen + 1) * sizeof(*jobs));
	uint64_t from = 0;
	size_t n = 0, i;
	int err = 0;

	if (!jobs)
		return -1;
	for (i = 0; i < t->seen; i++)
		if (t->records[i].kind == VGG_TRACE_JOB)
			jobs[n++] = &t->records[i];
	qsort(jobs, n, sizeof(*jobs), by_ticket);
	for (i = 0; !err && i < n; i++)
		err = vgg_trace_add_job(t, jobs[i], &from);
	free(jobs);
	return err;
}

/*
 * Order. What contains others comes before them; kinds go from the outside to
 * the inside.
 */
static int by_time(const void *a, const void *b)
{
	const struct vgg_trace_event *x = a, *y = b;

	if (x->track != y->track)
		return x->track < y->track ? -1 : 1;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

static void set_depths(struct vgg_trace *t)
{
	uint64_t ends[DEPTH_MAX];
	unsigned int depth = 0;
	size_t i;

	for (i = 0; i < t->n_events; i++) {
		struct vgg_trace_event *e = &t->events[i];

		if (i && e->track != e[-1].track)
			depth = 0;
		while (depth && ends[depth - 1] <= e->begin &&
		       (ends[depth - 1] < e->end || e->begin < e->end))
			depth--;
		e->depth = depth;
		e->kind_name = kind_names[e->kind];
		ends[depth] = e->end;
		depth += depth + 1 < DEPTH_MAX;
	}
}

/* CPU threads are counted. */
static void name_row(struct vgg_trace *t, unsigned int row)
{
	static const char *const names[VGG_RANKS] = {
		[VGG_RANK_IMAGE] = "inferences",
		[VGG_RANK_CALL] = "system calls",
		[VGG_RANK_CARD] = "card",
		[VGG_RANK_LINK] = "DMA over PCIe",
	};
	struct vgg_trace_row *r = &t->rows[row];
	uint32_t rank = r->key >> VGG_RANK_SHIFT, first = row;
	uint32_t lane = r->key & ((1u << VGG_RANK_SHIFT) - 1);

	while (first && t->rows[first - 1].key >> VGG_RANK_SHIFT == rank)
		first--;
	if (rank == VGG_RANK_CPU)
		snprintf(r->name, sizeof(r->name), "CPU thread %u",
			 row - first + 1);
	else if (lane)
		snprintf(r->name, sizeof(r->name), "%s, lane %u", names[rank],
			 lane + 1);
	else
		snprintf(r->name, sizeof(r->name), "%s", names[rank]);
}

/* Numbers tracks in the place of their keys. */
static int find_rows(struct vgg_trace *t)
{
	uint32_t key = UINT32_MAX;
	struct vgg_trace_row *more;
	size_t i;

	t->n_rows = 0;
	for (i = 0; i < t->n_events; i++) {
		struct vgg_trace_event *e = &t->events[i];

		if (!i || e->track != key) {
			more = realloc(t->rows,
				       (t->n_rows + 1) * sizeof(*more));
			if (!more)
				return -1;
			t->rows = more;
			key = more[t->n_rows].key = e->track;
			name_row(t, t->n_rows++);
		}
		e->track = t->n_rows - 1;
	}
	return 0;
}

/*
 * How long card and CPU were busy: edges of all intervals, in time.
 */
struct edge {
	uint64_t at;
	int card, cpu; /* 1: begins, -1: ends */
};

static int by_edge(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

static void add_edges(struct edge *edges, size_t *n,
		      const struct vgg_trace_event *e)
{
	bool card = e->kind == VGG_TRACE_JOB;
	bool cpu = e->kind == VGG_TRACE_WORK;

	if (!card && !cpu)
		return;
	edges[(*n)++] = (struct edge){ e->begin, card, cpu };
	edges[(*n)++] = (struct edge){ e->end, -card, -cpu };
}

static int measure(struct vgg_trace *t)
{
	struct edge *edges = malloc((2 * t->n_events + 1) * sizeof(*edges));
	int card = 0, cpu = 0;
	size_t n = 0, i;

	if (!edges)
		return -1;
	t->begin = t->n_events ? UINT64_MAX : 0;
	t->end = t->card = t->cpu = t->both = t->threads = 0;
	for (i = 0; i < t->n_events; i++) {
		const struct vgg_trace_event *e = &t->events[i];

		t->begin = e->begin < t->begin ? e->begin : t->begin;
		t->end = e->end > t->end ? e->end : t->end;
		if (e->kind == VGG_TRACE_WORK && !e->depth)
			t->threads += e->end - e->begin;
		add_edges(edges, &n, e);
	}
	qsort(edges, n, sizeof(*edges), by_edge);
	for (i = 0; i < n; i++) {
		uint64_t passed = i ? edges[i].at - edges[i - 1].at : 0;

		t->card += card ? passed : 0;
		t->cpu += cpu ? passed : 0;
		t->both += card && cpu ? passed : 0;
		card += edges[i].card;
		cpu += edges[i].cpu;
	}
	free(edges);
	return 0;
}

/* Events of inferences are called after them. */
static int name_images(struct vgg_trace *t)
{
	size_t n = 0, i;

	for (i = 0; i < t->n_events; i++)
		n += t->events[i].kind == VGG_TRACE_IMAGE;
	free(t->image_names);
	t->image_names = malloc((n + 1) * sizeof(*t->image_names));
	if (!t->image_names)
		return -1;
	for (i = n = 0; i < t->n_events; i++)
		if (t->events[i].kind == VGG_TRACE_IMAGE) {
			snprintf(t->image_names[n], sizeof(t->image_names[n]),
				 "image %u", t->events[i].image);
			t->events[i].name = t->image_names[n++];
		}
	return 0;
}

static int read_all(struct vgg_trace *t)
{
	size_t i;

	t->n_events = 0;
	t->unpaced = false;
	for (i = 0; i < t->seen; i++)
		if (t->records[i].kind != VGG_TRACE_JOB &&
		    add_record(t, &t->records[i]))
			return -1;
	if (add_jobs(t))
		return -1;
	if (t->n_events)
		qsort(t->events, t->n_events, sizeof(*t->events), by_time);
	set_depths(t);
	return name_images(t) || find_rows(t) ? -1 : measure(t);
}

int vgg_trace_read(struct vgg_trace *t)
{
	size_t count = atomic_load(&t->count);

	count = count < t->capacity ? count : t->capacity;
	if (t->read && t->seen == count)
		return 0;
	t->seen = count;
	t->read = !read_all(t);
	return t->read ? 0 : vgg_fail_memory("a trace's events");
}

/*
 * What callers see.
 */
const char *vgg_trace_group(const struct vgg_trace *t, unsigned int track)
{
	static const char *const groups[VGG_RANKS] = {
		[VGG_RANK_IMAGE] = "images", [VGG_RANK_CPU] = "CPU",
		[VGG_RANK_CALL] = "system",  [VGG_RANK_CARD] = "card",
		[VGG_RANK_LINK] = "card",
	};

	return groups[t->rows[track].key >> VGG_RANK_SHIFT];
}

/* Their numbers follow each other. */
unsigned int vgg_trace_images(const struct vgg_trace *t)
{
	unsigned int least = UINT_MAX, most = 0;
	size_t i;

	for (i = 0; i < t->n_events; i++) {
		const struct vgg_trace_event *e = &t->events[i];

		if (e->kind != VGG_TRACE_IMAGE)
			continue;
		least = e->image < least ? e->image : least;
		most = e->image > most ? e->image : most;
	}
	return least > most ? 0 : most - least + 1;
}

int vgg_trace_info(struct vgg_trace *t, struct vgg_trace_info *info)
{
	struct vgg_trace_info i = { .size = info->size };
	int err = vgg_check_struct(info->size, "trace info");
	size_t count = atomic_load(&t->count);

	if (!err)
		err = vgg_trace_read(t);
	if (err)
		return err;
	vgg_trace_pace_look(t);
	i.events = t->n_events;
	i.dropped = count - t->seen;
	i.tracks = t->n_rows;
	i.images = vgg_trace_images(t);
	i.begin = t->begin;
	i.end = t->end;
	i.card_ns = t->card;
	i.cpu_ns = t->cpu;
	i.both_ns = t->both;
	i.threads_ns = t->threads;
	i.unpaced = t->unpaced;
	i.jobs = t->pace.jobs;
	i.late_jobs = t->pace.late;
	i.late_us = t->pace.late_us;
	memcpy(info, &i, i.size < sizeof(i) ? i.size : sizeof(i));
	return 0;
}

int vgg_trace_track(struct vgg_trace *t, unsigned int track,
		    struct vgg_trace_track *info)
{
	struct vgg_trace_track i = { .size = info->size };
	int err = vgg_check_struct(info->size, "trace track");

	if (!err)
		err = vgg_trace_read(t);
	if (!err && track >= t->n_rows)
		err = vgg_fail(BAD_ARGUMENT, "trace", NULL,
			       "there are %u tracks, no number %u", t->n_rows,
			       track);
	if (err)
		return err;
	i.name = t->rows[track].name;
	i.group = vgg_trace_group(t, track);
	memcpy(info, &i, i.size < sizeof(i) ? i.size : sizeof(i));
	return 0;
}

int vgg_trace_event(struct vgg_trace *t, size_t event,
		    struct vgg_trace_event *e)
{
	size_t size = e->size;
	int err = vgg_check_struct(size, "trace event");

	if (!err)
		err = vgg_trace_read(t);
	if (!err && event >= t->n_events)
		err = vgg_fail(BAD_ARGUMENT, "trace", NULL,
			       "there are %zu events, no number %zu",
			       t->n_events, event);
	if (err)
		return err;
	memcpy(e, &t->events[event], size < sizeof(*e) ? size : sizeof(*e));
	e->size = size;
	return 0;
}
