/* SPDX-License-Identifier: MIT */
/*
 * Recording what runs do, and when. What a thread does belongs to where it is: it
 * enters an inference, opens spans in it (layers, calls), and each is recorded
 * when it closes. The place is the thread's own variable, so neither devices nor
 * threads need to be told of a trace; without one, a span is one test of a
 * pointer.
 *
 *	int run_step(...)
 *	{
 *		VGG_TRACE(STEP, s->first, s->end);
 *		...			<- recorded at the end of the block
 *
 * An image has a number, and a lane: whoever runs several images at the same time
 * gives each of the threads that do so a lane of its own. Spans of one lane lie
 * within each other.
 *
 * Records go to an array that is there beforehand, by one atomic increment; what
 * doesn't fit is counted. They are read when no run is under way (read.c).
 */
#ifndef VGG_TRACE_H
#define VGG_TRACE_H

#include <stdint.h>
#include <time.h>

#include "vggaccel.h"

struct vgg_plan;

/* Where a thread is. */
struct vgg_trace_place {
	struct vgg_trace *trace;    /* NULL: nothing is recorded */
	uint64_t begin;		    /* of the innermost span */
	const char *name;	    /* of a call; NULL: of the layers */
	uint32_t image, first, end; /* layers; none: first == end */
	uint16_t lane, kind;
	bool fetch;  /* the card brings the CPU what it lacks */
	bool worked; /* a share of the CPU's work is recorded within it */
};
extern _Thread_local struct vgg_trace_place vgg_trace_here;

static inline uint64_t vgg_trace_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/*
 * Spans.
 */
struct vgg_trace_span {
	struct vgg_trace_place outer;
};

void vgg_trace_begin(struct vgg_trace_span *s, enum vgg_trace_kind kind,
		     const char *name, unsigned int first, unsigned int end);
void vgg_trace_end(const struct vgg_trace_span *s);

static inline struct vgg_trace_span vgg_trace_open(enum vgg_trace_kind kind,
						   const char *name,
						   unsigned int first,
						   unsigned int end)
{
	struct vgg_trace_span s;

	s.outer.trace = NULL;
	if (__builtin_expect(!!vgg_trace_here.trace, 0))
		vgg_trace_begin(&s, kind, name, first, end);
	return s;
}

static inline void vgg_trace_close(const struct vgg_trace_span *s)
{
	if (__builtin_expect(!!s->outer.trace, 0))
		vgg_trace_end(s);
}

#define VGG_TRACE_SPAN_(open)                             \
	__attribute__((cleanup(vgg_trace_close), unused)) \
	const struct vgg_trace_span                       \
	VGG_TRACE_VARIABLE_(__LINE__) = open
/* Of this line alone, as blocks may lie in each other. */
#define VGG_TRACE_VARIABLE_(line) VGG_TRACE_JOIN_(vgg_trace_, line)
#define VGG_TRACE_JOIN_(a, b) a##b
/* To the end of the block: layers `first` up to, not including, `end`. */
#define VGG_TRACE(kind, first, end) \
	VGG_TRACE_SPAN_(vgg_trace_open(VGG_TRACE_##kind, NULL, first, end))
/* The same of something with a name, which stays; about the same layers as what
 * it is within. */
#define VGG_TRACE_NAMED(kind, name) \
	VGG_TRACE_SPAN_(vgg_trace_open(VGG_TRACE_##kind, name, 0, 0))

/*
 * Inferences.
 */
struct vgg_trace_visit {
	struct vgg_trace_place outer;
	bool entered;
};

/* The next image's number, which is taken; 0 without a trace. */
unsigned int vgg_trace_next_image(struct vgg_trace *trace);
/* trace may be NULL. image 0: the next number. Nothing, if this thread is in an
 * inference of this trace already. */
struct vgg_trace_visit vgg_trace_enter(struct vgg_trace *trace,
				       unsigned int lane, unsigned int image);
void vgg_trace_leave(const struct vgg_trace_visit *v);
/* To the end of the block. */
#define VGG_TRACE_INFERENCE(trace, lane, image)           \
	__attribute__((cleanup(vgg_trace_leave), unused)) \
	const struct vgg_trace_visit                      \
	VGG_TRACE_VARIABLE_(__LINE__) = vgg_trace_enter(trace, lane, image)

/*
 * Threads that work on what another one is at: `at` is its place. Worker 0 of a
 * pool is that thread itself.
 */
void vgg_trace_work(const struct vgg_trace_place *at, unsigned int pool,
		    int worker, unsigned int tasks, uint64_t begin);

/*
 * Jobs: submitted within the span of a call, and completed whenever that is
 * seen.
 */
void vgg_trace_submitted_(uint64_t ticket);
void vgg_trace_completed_(uint64_t ticket, const struct vgg_completion *c);

static inline void vgg_trace_submitted(uint64_t ticket)
{
	if (__builtin_expect(!!vgg_trace_here.trace, 0))
		vgg_trace_submitted_(ticket);
}

static inline void vgg_trace_completed(uint64_t ticket,
				       const struct vgg_completion *c)
{
	if (__builtin_expect(!!vgg_trace_here.trace, 0))
		vgg_trace_completed_(ticket, c);
}

/*
 * Sessions. A trace has one at a time; what its layers are called, where they run
 * and what the card's model says of them is copied, so that the trace can be read
 * when the session is gone. Before anything is uploaded. trace may be NULL.
 * BAD_ARGUMENT if there is a session already.
 */
int vgg_trace_attach(struct vgg_trace *trace, struct vgg_device *device,
		     const struct vgg_model *model,
		     const struct vgg_plan *plan);
/* NULL is allowed. */
void vgg_trace_detach(struct vgg_trace *trace);

#endif
