// SPDX-License-Identifier: MIT
/*
 * The Trace Event Format, as Perfetto and chrome://tracing load it: a group of
 * tracks is a process, a track a thread, an event is complete ("X"), and
 * begins `ts` microseconds after the first.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "trace/parts.h"

/* Nanoseconds stay exact up to a trace of days. */
#define DIGITS 15

static json_t *microseconds(uint64_t ns)
{
	return json_real((double)ns / 1e3);
}

static void set(json_t *args, const char *key, json_t *value)
{
	json_object_set_new(args, key, value);
}

static json_t *pack_args(const struct vgg_trace_event *e)
{
	json_t *args = json_object();

	set(args, "image", json_integer(e->image));
	if (e->layers) {
		set(args, "layer", json_integer(e->layer));
		set(args, "layers", json_integer(e->layers));
	}
	if (e->where)
		set(args, "where", json_string(e->where));
	if (e->cut) {
		set(args, "cut", json_integer(e->cut));
		set(args, "of", json_integer(e->all));
	}
	if (e->tasks)
		set(args, "tasks", json_integer(e->tasks));
	if (e->cycles) {
		set(args, "cycles", json_integer((json_int_t)e->cycles));
		set(args, "card_ms", json_real(e->card_ms));
	}
	if (e->bytes)
		set(args, "bytes", json_integer((json_int_t)e->bytes));
	if (e->modelled)
		set(args, "modelled", json_true());
	return args;
}

/* The number of a track's process: groups come in one piece each. */
static int process_of(const struct vgg_trace *t, unsigned int track)
{
	int pid = 1;
	unsigned int i;

	for (i = 1; i <= track; i++)
		pid += strcmp(vgg_trace_group(t, i - 1),
			      vgg_trace_group(t, i)) != 0;
	return pid;
}

static json_t *pack_event(const struct vgg_trace *t,
			  const struct vgg_trace_event *e, int pid)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o}", "name",
			 e->name, "cat", e->kind_name, "ph", "X", "pid", pid,
			 "tid", (int)e->track + 1, "ts",
			 microseconds(e->begin - t->begin), "dur",
			 microseconds(e->end - e->begin), "args", pack_args(e));
}

static json_t *pack_name(const char *what, int pid, int tid, const char *name)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:{s:s}}", "name", what, "ph",
			 "M", "pid", pid, "tid", tid, "args", "name", name);
}

static json_t *pack_order(const char *what, int pid, int tid, int order)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:{s:i}}", "name", what, "ph",
			 "M", "pid", pid, "tid", tid, "args", "sort_index",
			 order);
}

static void add_track(const struct vgg_trace *t, json_t *list, unsigned int i,
		      int pid)
{
	int tid = (int)i + 1;

	if (!i || pid != process_of(t, i - 1)) {
		json_array_append_new(list, pack_name("process_name", pid, tid,
						      vgg_trace_group(t, i)));
		json_array_append_new(
			list, pack_order("process_sort_index", pid, tid, pid));
	}
	json_array_append_new(
		list, pack_name("thread_name", pid, tid, t->rows[i].name));
	json_array_append_new(list,
			      pack_order("thread_sort_index", pid, tid, tid));
}

static json_t *pack_other(const struct vgg_trace *t)
{
	const struct vgg_trace_source *s = t->sources;
	json_t *o = json_object();
	char begin[24];

	snprintf(begin, sizeof(begin), "%llu", (unsigned long long)t->begin);
	set(o, "clock", json_string("CLOCK_MONOTONIC"));
	set(o, "begin_ns", json_string(begin));
	set(o, "dropped",
	    json_integer((json_int_t)(atomic_load(&t->count) - t->seen)));
	if (s) {
		set(o, "model", json_string(s->model));
		set(o, "placement", json_string(s->placement));
		set(o, "device", json_string(s->device));
	}
	if (*t->note)
		set(o, "note", json_string(t->note));
	return o;
}

int vgg_trace_write_json(const struct vgg_trace *t, FILE *to)
{
	json_t *list = json_array(), *doc;
	int pid = 0, err;
	unsigned int i;
	size_t k;

	for (i = 0; i < t->n_rows; i++)
		add_track(t, list, i, process_of(t, i));
	for (k = 0; k < t->n_events; k++) {
		const struct vgg_trace_event *e = &t->events[k];

		if (!k || e->track != e[-1].track)
			pid = process_of(t, e->track);
		json_array_append_new(list, pack_event(t, e, pid));
	}
	doc = json_pack("{s:s, s:o, s:o}", "displayTimeUnit", "ms", "otherData",
			pack_other(t), "traceEvents", list);
	err = !doc || json_array_size(list) < t->n_events ||
	      json_dumpf(doc, to, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
	json_decref(doc);
	return err ? -1 : 0;
}
