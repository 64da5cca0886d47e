/* SPDX-License-Identifier: MIT */
/* A part of vggaccel.h, which includes it: traces. */
#ifndef VGGACCEL_TRACE_H
#define VGGACCEL_TRACE_H

#include "vggaccel.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Traces: what runs of a session do, and when. A session that is given a trace
 * records into it: inferences and their steps, the shares of each thread, calls
 * into the device, jobs of the card. That costs about 0.1 us an event and never
 * allocates. The threads that run the session record at any time; who creates,
 * clears, reads, saves or frees the trace does so while none of its runs is under
 * way.
 */
struct vgg_trace;

/* Room for `capacity` events (0: 65536), 72 bytes each; what doesn't fit is counted
 * and dropped. Owned by the caller. BAD_ARGUMENT beyond 2^26, NO_MEMORY. */
int vgg_trace_create(size_t capacity, struct vgg_trace **trace);
/* The session first. NULL is allowed. */
void vgg_trace_free(struct vgg_trace *trace);
/* Forgets all events: after a warm-up. */
void vgg_trace_clear(struct vgg_trace *trace);

struct vgg_trace_info {
	size_t size;
	size_t events;
	size_t dropped;		/* for want of room */
	unsigned int tracks;
	unsigned int images;	/* inferences begun */
	uint64_t begin, end;	/* of all events; ns, CLOCK_MONOTONIC */
	/* Within that, in ns: the card was busy; at least one thread of the CPU
	 * was; both were; and all threads together. */
	uint64_t card_ns, cpu_ns, both_ns, threads_ns;
	bool unpaced;		/* a simulated card without pace: its jobs are as
				 * long as this machine took to simulate them */
	/* Of the device, since the trace was cleared or the session created: its
	 * jobs, and those that a paced card ended late; see vgg_device_info. */
	uint64_t jobs, late_jobs, late_us;
};
int vgg_trace_info(struct vgg_trace *trace, struct vgg_trace_info *info);

/* A line of a picture. Events of a track lie apart or within each other. */
struct vgg_trace_track {
	size_t size;
	const char *name;	/* "CPU thread 2"; as long as the events */
	const char *group;	/* "images", "CPU", "system", "card" */
};
int vgg_trace_track(struct vgg_trace *trace, unsigned int track,
		    struct vgg_trace_track *info);

enum vgg_trace_kind {
	VGG_TRACE_IMAGE,	/* an inference, from input to result */
	VGG_TRACE_INPUT,	/* within: decoding, resizing, quantising */
	VGG_TRACE_STEP,		/* integer layers, from one barrier between card
				 * and CPU to the next */
	VGG_TRACE_FLOAT,	/* a layer in floating point */
	VGG_TRACE_OUTPUT,	/* what is made of the output */
	VGG_TRACE_PART,		/* within a step: the CPU's part of it */
	VGG_TRACE_FETCH,	/* the card brings what the CPU lacks */
	VGG_TRACE_WORK,		/* of a thread: some tasks of something */
	VGG_TRACE_CALL,		/* a call into the device, and within it a system
				 * call, if there is one */
	VGG_TRACE_JOB,		/* of the card */
	VGG_TRACE_LAYER,	/* within a job; by the cycle model */
	VGG_TRACE_DMA,		/* bytes over the card's link; by the cycle model */
	VGG_TRACE_WAIT,		/* for the CPU's threads, which another image in
				 * flight has */
};

struct vgg_trace_event {
	size_t size;
	enum vgg_trace_kind kind;
	const char *kind_name;	/* "CPU work" */
	const char *name;	/* a layer's, or "submit"; valid until the trace is
				 * cleared, freed, or recorded into */
	unsigned int track;
	unsigned int depth;	/* in how many others of the track */
	uint64_t begin, end;	/* ns, CLOCK_MONOTONIC */
	unsigned int image;	/* number of the inference: from 1, since the
				 * trace was cleared */
	int layer, layers;	/* of the model: first and count; -1, 0: none */
	const char *where;	/* STEP, FLOAT: as of plans; else NULL */
	int cut, all;		/* STEP: the card has the first `cut` of `all` rows
				 * or channels; 0: it isn't cut */
	bool modelled;		/* begin and end are shares of the job's by the
				 * cycle model */
	uint64_t cycles;	/* JOB: as the card says; LAYER, DMA: modelled */
	double card_ms;		/* the same by the card's clock */
	uint64_t bytes;		/* DMA */
	unsigned int tasks;	/* WORK */
};
/* In the order of tracks; within one of begin, an event before those within it. */
int vgg_trace_event(struct vgg_trace *trace, size_t event,
		    struct vgg_trace_event *info);

/* Writes it: what ends in .json for Perfetto and chrome://tracing (Trace Event
 * Format), .svg and .html for people. The file appears whole or not at all.
 * BAD_ARGUMENT for other names, NO_FILE, FILE_IO. */
int vgg_trace_save(struct vgg_trace *trace, const char *path);

#ifdef __cplusplus
}
#endif
#endif
