// SPDX-License-Identifier: MIT
/*
 * Pipelines: several images in flight.
 *
 * Each image in flight is a session with tensors of its own, which shares weights
 * and threads with the others of its lane. A lane's runners, threads of the
 * pipeline, take its images through the plan in the order in which they came:
 * waiting for the card, or for their turn at the CPU. That is all that makes a
 * pipeline: while one waits for the card, another has the CPU, and the card's queue
 * holds the jobs of several. Stages are a plan like any other; whole images on each
 * processor are lanes with different plans (plan/lanes.h). Where nothing waits for
 * a card, one runner does it all: handing the CPU on to another would cost more
 * than a small network's image.
 *
 * Images are pushed to the lane that would be done with them first, and pulled in
 * the order in which they were pushed.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "run/pipeline.h"
#include "run/session.h"
#include "util/cpu.h"
#include "util/error.h"

#define IMAGES_MAX (VGG_LANES_MAX * VGG_IN_FLIGHT_MAX)

enum state {
	FREE,
	LOADED,
	RUNNING,
	DONE,
	SHOWN, /* the caller reads its result */
};

struct flight {
	struct vgg_session *session;
	unsigned int lane;
	enum state state;
	unsigned int number; /* of the image */
	int err;
	struct vgg_error error;
	struct vgg_result result;
};

struct runner {
	struct vgg_pipeline *all;
	unsigned int lane;
	pthread_t thread;
};

struct vgg_pipeline {
	struct vgg_lanes lanes;
	struct vgg_threads *threads;
	struct vgg_threads *clusters[VGG_PROCESSORS_MAX];
	struct vgg_threads *own[VGG_LANES_MAX]; /* of lanes */
	pthread_cond_t loaded[VGG_LANES_MAX];	/* an image is, or stop */
	struct flight flight[IMAGES_MAX];
	unsigned int flights;
	struct runner runner[IMAGES_MAX];
	unsigned int runners;
	unsigned int order[IMAGES_MAX]; /* of those pushed, a ring */
	unsigned int traced;		/* the lane whose plan the trace has */
	unsigned int oldest, pushed, images; /* images: of all time */
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool stop;
};

/*
 * Runners.
 */
static void run(struct flight *f)
{
	f->result = (struct vgg_result)VGG_INIT(f->result);
	f->err = vgg_session_run_loaded(f->session, &f->result);
	if (f->err)
		f->error = *vgg_error_last();
}

/* (lock) The lane's image that came first of those nobody has begun; NULL. */
static struct flight *next_loaded(struct vgg_pipeline *p, unsigned int lane)
{
	struct flight *next = NULL;
	unsigned int i;

	for (i = 0; i < p->flights; i++) {
		struct flight *f = &p->flight[i];

		if (f->lane == lane && f->state == LOADED &&
		    (!next || f->number < next->number))
			next = f;
	}
	return next;
}

/* What is loaded is run, also after stop. */
static void *work(void *arg)
{
	const struct runner *r = arg;
	struct vgg_pipeline *p = r->all;
	struct flight *f;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		f = next_loaded(p, r->lane);
		if (!f && p->stop)
			break;
		if (!f) {
			pthread_cond_wait(&p->loaded[r->lane], &p->lock);
			continue;
		}
		f->state = RUNNING;
		pthread_mutex_unlock(&p->lock);
		run(f);
		pthread_mutex_lock(&p->lock);
		f->state = DONE;
		pthread_cond_signal(&p->done);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* One for each image that may wait for the card. */
static unsigned int runners_of(const struct vgg_pipeline *p, unsigned int lane)
{
	const struct vgg_session *first = NULL;
	unsigned int n = 0, i;

	for (i = 0; i < p->flights; i++) {
		if (p->flight[i].lane != lane)
			continue;
		first = first ? first : p->flight[i].session;
		n++;
	}
	return first && !vgg_session_jobs(first) ? 1 : n;
}

static int start_runners(struct vgg_pipeline *p, unsigned int lane)
{
	unsigned int n = runners_of(p, lane);
	int err = 0;

	while (!err && n--) {
		struct runner *r = &p->runner[p->runners];

		*r = (struct runner){ .all = p, .lane = lane };
		err = pthread_create(&r->thread, NULL, work, r);
		p->runners += !err;
	}
	return err;
}

static int start_threads(struct vgg_pipeline *p)
{
	sigset_t all, before;
	unsigned int lane;
	int err = 0;

	/* The application's signals are for its own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (lane = 0; !err && lane < p->lanes.count; lane++)
		err = start_runners(p, lane);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !err ? 0 :
		      vgg_fail(THREADS, NULL, "have fewer images in flight",
			       "no more than %u threads can be started",
			       p->runners);
}

/*
 * Creation.
 */

/* A supposed machine may have clusters that this one hasn't. */
static int create_threads(unsigned int cluster, int count,
			  struct vgg_threads **threads)
{
	const struct vgg_cpus *cpus = vgg_cpus();

	return cluster < (unsigned int)cpus->count && cpus->count > 1 ?
		       vgg_threads_create_on(&cpus->cluster[cluster].cpus,
					     count, threads) :
		       vgg_threads_create(count, threads);
}

static int make_threads(struct vgg_pipeline *p, int count)
{
	int err = vgg_threads_create(count, &p->threads);
	unsigned int i;

	for (i = 0; !err && i < p->lanes.clusters; i++)
		err = create_threads(i, p->lanes.threads[i], &p->clusters[i]);
	for (i = 0; !err && i < p->lanes.count; i++)
		if (p->lanes.lane[i].threads)
			err = create_threads(p->lanes.lane[i].cluster,
					     p->lanes.lane[i].threads,
					     &p->own[i]);
	return err;
}

static int make_lanes(struct vgg_lanes *lanes, struct vgg_device *device,
		      const struct vgg_model *m,
		      const struct vgg_session_options *o)
{
	struct vgg_plan plan = { 0 };
	int err = 0;

	if (o->precision == VGG_PRECISION_INT8)
		err = vgg_session_check_integer(m);
	if (!err && o->precision == VGG_PRECISION_INT8 && !o->plan)
		return vgg_lanes_make(device, m, o->split, o->threads, lanes);
	if (!err && o->precision == VGG_PRECISION_INT8)
		err = vgg_session_read_plan(device, m, o->plan, &plan);
	if (!err)
		vgg_lanes_take(lanes, m, &plan);
	vgg_plan_clear(&plan);
	return err;
}

static void add_flight(struct vgg_pipeline *p, unsigned int lane,
		       struct vgg_session *session)
{
	struct flight *f = &p->flight[p->flights++];

	f->session = session;
	f->lane = lane;
}

/* A trace has one plan, by which it divides the card's jobs. */
static unsigned int lane_of_card(const struct vgg_pipeline *p)
{
	unsigned int lane, i;

	for (lane = 0; lane < p->lanes.count; lane++)
		for (i = 0; i < p->lanes.lane[lane].plan.count; i++)
			if (vgg_plan_uses_card(
				    &p->lanes.lane[lane].plan.layers[i]))
				return lane;
	return 0;
}

/* The lane's first image, and as many more as there is room for. */
static int fill_lane(struct vgg_pipeline *p, unsigned int lane,
		     struct vgg_device *device, const struct vgg_model *m,
		     const struct vgg_session_options *o, unsigned int most)
{
	struct vgg_lane *l = &p->lanes.lane[lane];
	struct vgg_session_options options = *o;
	struct vgg_session *first, *another;
	unsigned int n;
	int err;

	options.trace = lane == p->traced ? o->trace : NULL;
	err = vgg_session_create_planned(
		device, m, &options, &l->plan,
		l->threads ? p->own[lane] : p->threads,
		p->lanes.clusters && !l->threads ? p->clusters : NULL, &first);
	if (err)
		return err;
	vgg_session_set_trace(first, o->trace);
	add_flight(p, lane, first);
	for (n = 1; n < most; n++) {
		err = vgg_session_another(first, &another);
		if (err)
			break;
		add_flight(p, lane, another);
	}
	return err == -ENOSPC ? 0 : err;
}

/* So many in all, those of the fastest lanes first; at least one in each. */
static int fill_lanes(struct vgg_pipeline *p, struct vgg_device *device,
		      const struct vgg_model *m,
		      const struct vgg_session_options *o,
		      unsigned int in_flight)
{
	unsigned int lanes = p->lanes.count, i;
	int err = 0;

	p->traced = lane_of_card(p);
	for (i = 0; !err && i < lanes; i++) {
		unsigned int most = p->lanes.lane[i].in_flight;
		unsigned int left = in_flight - p->flights - (lanes - i - 1);

		/* What one plan does several images may follow. */
		if (in_flight && (most > left || lanes == 1))
			most = left;
		err = fill_lane(p, i, device, m, o, most);
	}
	return err;
}

static int create(struct vgg_pipeline *p, struct vgg_device *device,
		  const struct vgg_model *model,
		  const struct vgg_session_options *o, unsigned int in_flight)
{
	int err = make_threads(p, o->threads);

	if (!err)
		err = fill_lanes(p, device, model, o, in_flight);
	return err ? err : start_threads(p);
}

static struct vgg_pipeline *new_pipeline(void)
{
	struct vgg_pipeline *p = calloc(1, sizeof(*p));
	unsigned int i;

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->done, NULL);
	for (i = 0; i < VGG_LANES_MAX; i++)
		pthread_cond_init(&p->loaded[i], NULL);
	return p;
}

int vgg_pipeline_create_lanes(struct vgg_device *device,
			      const struct vgg_model *model,
			      const struct vgg_session_options *o,
			      struct vgg_lanes *lanes, unsigned int in_flight,
			      struct vgg_pipeline **pipeline)
{
	struct vgg_pipeline *p = new_pipeline();
	int err;

	if (!p) {
		vgg_lanes_clear(lanes);
		return vgg_fail_memory("a pipeline");
	}
	p->lanes = *lanes;
	*lanes = (struct vgg_lanes){ 0 };
	if (in_flight)
		vgg_lanes_limit(&p->lanes, in_flight);
	err = create(p, device, model, o, in_flight);
	if (err)
		vgg_pipeline_free(p);
	else
		*pipeline = p;
	return err;
}

int vgg_pipeline_create(struct vgg_device *device,
			const struct vgg_model *model,
			const struct vgg_session_options *options,
			unsigned int in_flight, struct vgg_pipeline **pipeline)
{
	struct vgg_session_options o;
	struct vgg_lanes lanes = { 0 };
	int err = vgg_session_take_options(options, &o);

	if (err)
		return err;
	if (in_flight > VGG_IN_FLIGHT_MAX)
		return vgg_fail(BAD_ARGUMENT, "images in flight",
				"use 1 to 16, or 0", "%u of them", in_flight);
	err = make_lanes(&lanes, device, model, &o);
	return err ? err :
		     vgg_pipeline_create_lanes(device, model, &o, &lanes,
					       in_flight, pipeline);
}

static void stop(struct vgg_pipeline *p)
{
	unsigned int i;

	pthread_mutex_lock(&p->lock);
	p->stop = true;
	for (i = 0; i < VGG_LANES_MAX; i++)
		pthread_cond_broadcast(&p->loaded[i]);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->runners; i++)
		pthread_join(p->runner[i].thread, NULL);
}

void vgg_pipeline_free(struct vgg_pipeline *p)
{
	unsigned int i;

	if (!p)
		return;
	stop(p);
	/* Each lane's first one, whose plan the others use, is the last. */
	while (p->flights)
		vgg_session_free(p->flight[--p->flights].session);
	for (i = 0; i < VGG_PROCESSORS_MAX; i++)
		vgg_threads_free(p->clusters[i]);
	for (i = 0; i < VGG_LANES_MAX; i++)
		vgg_threads_free(p->own[i]);
	vgg_threads_free(p->threads);
	vgg_lanes_clear(&p->lanes);
	for (i = 0; i < VGG_LANES_MAX; i++)
		pthread_cond_destroy(&p->loaded[i]);
	pthread_cond_destroy(&p->done);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/*
 * Pushing and pulling.
 */

/* (lock) Its result is not looked at any more. */
static void hide_shown(struct vgg_pipeline *p)
{
	unsigned int i;

	for (i = 0; i < p->flights; i++)
		if (p->flight[i].state == SHOWN)
			p->flight[i].state = FREE;
}

unsigned int vgg_pipeline_in_flight(const struct vgg_pipeline *p)
{
	return p->pushed;
}

unsigned int vgg_pipeline_capacity(const struct vgg_pipeline *p)
{
	return p->flights;
}

/* (lock) When a lane would be done with one more image, in its own time. */
static double done_at(const struct vgg_pipeline *p, unsigned int lane)
{
	double rate = p->lanes.lane[lane].rate;
	unsigned int i, queued = 1;

	for (i = 0; i < p->flights; i++)
		queued += p->flight[i].lane == lane &&
			  (p->flight[i].state == LOADED ||
			   p->flight[i].state == RUNNING);
	return rate > 0 ? queued / rate : 0;
}

/* (lock) Lanes that have flights are the first ones. */
static unsigned int best_lane(const struct vgg_pipeline *p)
{
	unsigned int lanes = p->flight[p->flights - 1].lane + 1, best = 0, i;

	for (i = 1; i < lanes; i++)
		if (done_at(p, i) < done_at(p, best))
			best = i;
	return best;
}

static bool is_free(const struct flight *f)
{
	return f->state == FREE || f->state == SHOWN;
}

/*
 * (lock) In the lane that would be done first. If that has none free, though
 * others have, it is better to wait: an image would be done later there than those
 * pushed after it, and hold them up, as results leave in order. That is advice
 * (vgg_pipeline_room()); which lane is the best may change at any time, and what is
 * pushed nevertheless goes where there is room.
 */
static struct flight *find_free(struct vgg_pipeline *p, bool only_best)
{
	unsigned int lane = best_lane(p), i;
	struct flight *other = NULL;

	for (i = 0; i < p->flights; i++) {
		struct flight *f = &p->flight[i];

		if (!is_free(f))
			continue;
		if (f->lane == lane)
			return f;
		other = f;
	}
	return only_best ? NULL : other;
}

bool vgg_pipeline_room(struct vgg_pipeline *p)
{
	bool room;

	pthread_mutex_lock(&p->lock);
	room = find_free(p, true) != NULL;
	pthread_mutex_unlock(&p->lock);
	return room;
}

/* Only the caller's thread takes what is free, so it stays so. */
static struct flight *take_free(struct vgg_pipeline *p)
{
	struct flight *f;

	pthread_mutex_lock(&p->lock);
	hide_shown(p);
	f = find_free(p, false);
	pthread_mutex_unlock(&p->lock);
	if (f)
		vgg_session_next_image(f->session,
				       (unsigned int)(f - p->flight));
	else
		vgg_fail(PIPELINE_FULL, NULL,
			 "pull the oldest result, then push again",
			 "%u images are in flight, no more can be for now",
			 p->pushed);
	return f;
}

static void launch(struct vgg_pipeline *p, struct flight *f)
{
	pthread_mutex_lock(&p->lock);
	f->state = LOADED;
	f->number = ++p->images;
	p->order[(p->oldest + p->pushed++) % IMAGES_MAX] =
		(unsigned int)(f - p->flight);
	pthread_cond_signal(&p->loaded[f->lane]);
	pthread_mutex_unlock(&p->lock);
}

int vgg_pipeline_push_tensor(struct vgg_pipeline *p, const float *input,
			     size_t count)
{
	struct flight *f = take_free(p);
	int err =
		f ? vgg_session_load_tensor(f->session, input, count) : -EBUSY;

	if (!err)
		launch(p, f);
	return err;
}

int vgg_pipeline_push_image(struct vgg_pipeline *p,
			    const struct vgg_image *image)
{
	struct flight *f = take_free(p);
	int err = f ? vgg_session_load_image(f->session, image) : -EBUSY;

	if (!err)
		launch(p, f);
	return err;
}

int vgg_pipeline_push_file(struct vgg_pipeline *p, const char *path)
{
	struct flight *f = take_free(p);
	int err = f ? vgg_session_load_file(f->session, path) : -EBUSY;

	if (!err)
		launch(p, f);
	return err;
}

static struct flight *wait_for_oldest(struct vgg_pipeline *p)
{
	struct flight *f = &p->flight[p->order[p->oldest]];

	pthread_mutex_lock(&p->lock);
	hide_shown(p);
	while (f->state != DONE)
		pthread_cond_wait(&p->done, &p->lock);
	f->state = f->err ? FREE : SHOWN;
	pthread_mutex_unlock(&p->lock);
	p->oldest = (p->oldest + 1) % IMAGES_MAX;
	p->pushed--;
	return f;
}

int vgg_pipeline_pull(struct vgg_pipeline *p, struct vgg_result *result)
{
	size_t size = result->size;
	struct flight *f;
	int err = vgg_check_struct(size, "result");

	if (err)
		return err;
	if (!p->pushed)
		return vgg_fail(PIPELINE_EMPTY, NULL, "push an image first",
				"every result has been pulled");
	f = wait_for_oldest(p);
	if (f->err) {
		vgg_fail_(f->error.code, f->error.where, f->error.next_step,
			  "%s", f->error.what);
		return f->err;
	}
	memcpy(result, &f->result,
	       size < sizeof(f->result) ? size : sizeof(f->result));
	result->size = size;
	return 0;
}

const char *vgg_pipeline_placement(const struct vgg_pipeline *p)
{
	return p->lanes.summary;
}

const struct vgg_session *vgg_pipeline_session(const struct vgg_pipeline *p)
{
	return p->flight[0].session;
}
