/* SPDX-License-Identifier: MIT */
/* Inside trace/. */
#ifndef VGG_TRACE_PARTS_H
#define VGG_TRACE_PARTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "trace/trace.h"

/* As written while running. */
struct vgg_trace_record {
	const struct vgg_trace_source *source;
	const char *name;	     /* NULL: of the layers */
	uint64_t begin, end;	     /* JOB: submitted, seen to be done */
	uint64_t number;	     /* JOB: ticket; WORK: tasks */
	uint64_t cycles;	     /* JOB */
	uint32_t image, first, past; /* layers */
	uint16_t lane, pool, worker, kind;
	bool fetch; /* JOB: brings a tensor to the host */
};

/* What the cycle model says of a layer's part on the card. */
struct vgg_trace_cost {
	uint64_t job, copy, work; /* cycles, one after the other */
	uint64_t link;		  /* cycles of it, within work */
	uint64_t copied, moved;	  /* bytes over the link: of copy, of work */
	uint64_t fetched;	  /* bytes, by a job of their own before it */
	uint64_t fetched_behind;  /* the network's last: behind it */
};

struct vgg_trace_layer {
	char *name;
	const char *where; /* as of plans; "fp32" */
	int cut, all;
	struct vgg_trace_cost cost;
};

/* A name of several layers: "conv1..conv5". */
struct vgg_trace_range {
	struct vgg_trace_range *next;
	uint32_t first, past;
	char name[];
};

/* What a session's events are about. */
struct vgg_trace_source {
	struct vgg_trace_source *next;
	char *model, *placement, *device;
	bool has_card, simulated, paced;
	uint32_t clock_khz;
	unsigned int count; /* of layers */
	struct vgg_trace_layer *layers;
	struct vgg_trace_range *ranges;
};

/* Whose results a device keeps. */
#define VGG_TRACE_JOBS 64

/* A device's jobs, and how many of them a paced card ended late, by how much. */
struct vgg_trace_pace {
	uint64_t jobs, late, late_us;
};

struct vgg_trace_row {
	uint32_t key;
	char name[48];
};

struct vgg_trace {
	size_t capacity;
	struct vgg_trace_record *records;
	atomic_size_t count; /* what is beyond capacity was dropped */
	atomic_uint images;
	struct vgg_trace_source *source;  /* of the session; NULL: none */
	struct vgg_trace_source *sources; /* all, the last one first */
	pthread_mutex_t lock;		  /* of jobs */
	struct vgg_trace_record jobs[VGG_TRACE_JOBS];
	struct vgg_device *device; /* of the session; NULL: none */
	struct vgg_trace_pace pace_before, pace_gone; /* pace.c */

	/* read.c: made from `seen` records */
	size_t seen, n_events, room;
	struct vgg_trace_event *events;
	char (*image_names)[24];
	unsigned int n_rows;
	struct vgg_trace_row *rows; /* tracks */
	bool read;
	bool unpaced; /* jobs take what the simulation takes */
	uint64_t begin, end, card, cpu, both, threads;
	/* pace.c: as it was looked at last */
	struct vgg_trace_pace pace;
	char note[400]; /* what a reader should know about the card's times */
};

/* source.c */
/* Of layers first..past-1; of their number, if there is no memory. */
const char *vgg_trace_range_name(struct vgg_trace_source *s, uint32_t first,
				 uint32_t past);
void vgg_trace_source_free(struct vgg_trace_source *s);

/* read.c */
/* Makes events of the records, if there are new ones. */
int vgg_trace_read(struct vgg_trace *t);
/* How many there are of them, once it has been read. */
unsigned int vgg_trace_images(const struct vgg_trace *t);
/* jobs.c: adds a job and what the model says is in it, on the card from `from`
 * on; *from becomes its end. */
int vgg_trace_add_job(struct vgg_trace *t, const struct vgg_trace_record *r,
		      uint64_t *from);
/* An event at the end of the array, all 0; NULL without memory. */
struct vgg_trace_event *vgg_trace_add(struct vgg_trace *t);

/* Ranks of tracks, in the order in which they are told. */
enum vgg_trace_rank {
	VGG_RANK_IMAGE,
	VGG_RANK_CPU,
	VGG_RANK_CALL,
	VGG_RANK_CARD,
	VGG_RANK_LINK,
	VGG_RANKS
};
#define VGG_RANK_SHIFT 28
/* Until tracks are known, an event's track is this. */
static inline uint32_t vgg_trace_key(enum vgg_trace_rank rank, uint32_t index)
{
	return (uint32_t)rank << VGG_RANK_SHIFT | index;
}

/* Of a track. */
const char *vgg_trace_group(const struct vgg_trace *t, unsigned int track);

/* pace.c */
/* From now on this device's jobs count. */
void vgg_trace_pace_begin(struct vgg_trace *t, struct vgg_device *device);
void vgg_trace_pace_end(struct vgg_trace *t);
void vgg_trace_pace_clear(struct vgg_trace *t);
/* Fills t->pace and t->note; once it has been read. */
void vgg_trace_pace_look(struct vgg_trace *t);

/* Writers of a trace that has been read; -1 without memory. */
int vgg_trace_write_json(const struct vgg_trace *t, FILE *to);
int vgg_trace_write_svg(const struct vgg_trace *t, FILE *to);
int vgg_trace_write_html(const struct vgg_trace *t, FILE *to);

#endif
