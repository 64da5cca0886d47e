/* SPDX-License-Identifier: MIT */
/* Inside the library: turning inputs into tensors, and sessions that share. */
#ifndef VGG_SESSION_H
#define VGG_SESSION_H

#include "model/graph.h"
#include "plan/plan.h"
#include "run/threads.h"

/* NCHW floats to the int8 input tensor, in memory order. */
void vgg_quantize_input(const struct vgg_model *m, struct vgg_threads *threads,
			const float *nchw, int8_t *to);
/* MODEL_SHAPE unless count is what the network takes, NOT_FINITE if a value
 * isn't. */
int vgg_check_input(const struct vgg_model *m, const float *input,
		    size_t count);
int vgg_check_finite(const float *x, size_t count, const char *where,
		     const char *next_step);

int vgg_session_take_options(const struct vgg_session_options *from,
			     struct vgg_session_options *to);
/* MODEL_PRECISION. */
int vgg_session_check_integer(const struct vgg_model *m);
/* PLAN_FORMAT, PLAN_MISMATCH, NO_DEVICE. */
int vgg_session_read_plan(struct vgg_device *device, const struct vgg_model *m,
			  const char *path, struct vgg_plan *plan);
/*
 * With a plan and threads that are given: the plan is taken, in any case; the
 * threads outlive the session. `clusters` as in struct vgg_int8_options.
 */
int vgg_session_create_planned(struct vgg_device *device,
			       const struct vgg_model *model,
			       const struct vgg_session_options *options,
			       struct vgg_plan *plan,
			       struct vgg_threads *threads,
			       struct vgg_threads *const *clusters,
			       struct vgg_session **session);
/*
 * For one more image in flight, see vgg_int8_another(): uses the first one's
 * weights, plan and threads, and is freed before it. -ENOSPC, without an error's
 * text: there is no room, or the precision is fp32, which shares no weights.
 */
int vgg_session_another(const struct vgg_session *first,
			struct vgg_session **another);

/* Records in a trace that has another session's plan of the same model; before
 * vgg_session_another(). */
void vgg_session_set_trace(struct vgg_session *s, struct vgg_trace *trace);
/* What comes is the trace's next image, in this lane: trace/trace.h. */
void vgg_session_next_image(struct vgg_session *s, unsigned int lane);
/* Those of processor 0. */
int vgg_session_threads(const struct vgg_session *s);
/* The card's jobs for an image. */
unsigned int vgg_session_jobs(const struct vgg_session *s);

/* The two halves of vgg_session_run_...(): what the input's buffer holds is
 * run. */
int vgg_session_load_tensor(struct vgg_session *s, const float *input,
			    size_t count);
int vgg_session_load_image(struct vgg_session *s,
			   const struct vgg_image *image);
int vgg_session_load_file(struct vgg_session *s, const char *path);
int vgg_session_run_loaded(struct vgg_session *s, struct vgg_result *result);

#endif
