// SPDX-License-Identifier: MIT
/*
 * Jobs of a real card: tickets, results and waiting.
 *
 * A job goes in as an io_uring command where that works, else by the SUBMIT
 * ioctl with a point of one timeline syncobj as its fence (and always so if it
 * has a limit of its own, which a command has no room for).
 *
 * How long to wait: the module ends every job that takes too long, but the
 * clock of a job starts when the card does, behind the jobs of other programs.
 * So this side gives up only if the card makes no progress at all in the time
 * that one job may take, and some more for its reset.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xf86drm.h>

#include "device/deadline.h"
#include "device/drm.h"
#include "trace/trace.h"
#include "util/error.h"

#define DEPTH_MAX 128u
#define ENTRIES_MAX (1u << 20)
#define MARGIN_MS 10000 /* a reset, and a busy machine */

struct patience {
	uint32_t limit_ms;
	struct timespec until;
	uint64_t progress;
};

/*
 * Results.
 */
static size_t ring_bytes(uint32_t entries)
{
	return entries * sizeof(struct drm_vggaccel_result);
}

int vgg_drm_jobs_init(struct vgg_drm *d, uint32_t result_entries)
{
	void *at;

	if (!result_entries || result_entries & (result_entries - 1) ||
	    result_entries > ENTRIES_MAX)
		return vgg_fail(DEVICE_VERSION, d->node.path,
				"update the library or the kernel module",
				"a ring of %u results", result_entries);
	at = mmap(NULL, ring_bytes(result_entries), PROT_READ, MAP_SHARED,
		  d->fd, 0);
	if (at == MAP_FAILED)
		return vgg_drm_fail(d, errno, "results were not mapped");
	d->results = at;
	d->entries = result_entries;
	d->slots = VGG_TICKETS;
	if (!d->depth || d->depth > DEPTH_MAX)
		d->depth = DEPTH_MAX;
	if (d->depth > result_entries)
		d->depth = result_entries;
	d->jobs = calloc(d->slots, sizeof(*d->jobs));
	return d->jobs ? 0 : vgg_fail_memory("a list of jobs");
}

void vgg_drm_jobs_clear(struct vgg_drm *d)
{
	free(d->jobs);
	if (d->results)
		munmap((void *)(uintptr_t)d->results, ring_bytes(d->entries));
	d->jobs = NULL;
	d->results = NULL;
}

bool vgg_drm_result(const struct vgg_drm *d, uint64_t seq,
		    struct drm_vggaccel_result *to)
{
	const struct drm_vggaccel_result *r = &d->results[seq % d->entries];

	if (__atomic_load_n(&r->seq, __ATOMIC_ACQUIRE) != seq)
		return false;
	*to = *r;
	/* The entry may have become another job's while it was copied. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&r->seq, __ATOMIC_RELAXED) == seq;
}

/* What the completion can't say: the job never came to an end on the card. */
int vgg_drm_outcome(const struct drm_vggaccel_result *r, bool limited,
		    uint32_t timeout_ms, struct vgg_completion *c)
{
	c->status = r->status;
	c->index = r->index;
	c->tag = r->tag;
	c->cycles = r->cycles;
	c->saturations = r->saturations;
	switch (r->error < 0 ? -r->error : r->error) {
	case 0:
		return 0;
	case ENODEV:
		return vgg_fail(DEVICE_LOST, "card",
				"check its seat and power, and the kernel log",
				"the card no longer answers");
	case ESTALE:
		return vgg_fail(DEVICE_LOST, "card", "open the device again",
				"the card lost its on-board memory with its "
				"power");
	case ETIMEDOUT:
		if (limited && r->status == VGG_STATUS_TIMEOUT)
			return 0; /* its own, as far as one can tell */
		return vgg_fail(DEVICE_TIMEOUT, "card",
				"run again; the card has been reset",
				"job %llu did not finish within %u ms",
				(unsigned long long)r->seq, timeout_ms);
	case ECANCELED:
		return vgg_fail(DEVICE_TIMEOUT, "card",
				"run again; the card has been reset",
				"job %llu was ended behind one that did not "
				"finish",
				(unsigned long long)r->seq);
	default:
		if (r->status != VGG_STATUS_OK &&
		    r->status != VGG_STATUS_ABORTED)
			return 0;
		return vgg_fail(DEVICE_FAULT, "card",
				"run again; if it returns, the card is faulty",
				"job %llu ended without a sensible completion",
				(unsigned long long)r->seq);
	}
}

/*
 * Time.
 */
static void start_clock(struct patience *p)
{
	p->until = vgg_deadline_in((uint64_t)p->limit_ms + MARGIN_MS);
}

/* Jobs that the card has ended, of whatever program, and its resets. */
static int read_progress(struct vgg_drm *d, uint64_t *progress)
{
	struct drm_vggaccel_info info = { 0 };
	int err = vgg_drm_read_info(d, &info);

	*progress = info.jobs + info.resets;
	return err;
}

/* Called when the time is over: 0 if there is reason to wait on. */
static int still_alive(struct vgg_drm *d, struct patience *p, const char *what,
		       uint64_t number)
{
	uint64_t progress;
	int err = read_progress(d, &progress);

	if (err)
		return err;
	if (progress != p->progress) {
		p->progress = progress;
		start_clock(p);
		return 0;
	}
	return vgg_fail(DEVICE_TIMEOUT, d->node.path,
			"see the kernel log; unload and load the module",
			"%s %llu: nothing has moved for %u ms", what,
			(unsigned long long)number, p->limit_ms + MARGIN_MS);
}

static struct patience patience(uint32_t limit_ms)
{
	/* Progress counts from the first look, which makes that look a pass. */
	struct patience p = { .limit_ms = limit_ms, .progress = UINT64_MAX };

	start_clock(&p);
	return p;
}

/*
 * Looking at jobs, and sleeping until one has ended. With d->lock.
 */
/* Has it ended? Costs no system call. */
static bool look(struct vgg_drm *d, struct vgg_drm_job *j)
{
	if (!j->done && j->point)
		j->done = vgg_drm_result(d, j->seq, &j->result);
	else if (!j->done)
		vgg_drm_uring_reap(d);
	return j->done;
}

/* Sleeps until the fence of a job has signalled, without the lock. */
static int sleep_fence(struct vgg_drm *d, uint64_t point, uint64_t seq,
		       const struct timespec *until)
{
	VGG_TRACE_NAMED(CALL, "ioctl SYNCOBJ_TIMELINE_WAIT");
	int64_t ns = (int64_t)until->tv_sec * 1000000000 + until->tv_nsec;
	struct drm_vggaccel_result r;
	int err;

	pthread_mutex_unlock(&d->lock);
	err = drmSyncobjTimelineWait(d->fd, &d->timeline, &point, 1, ns, 0,
				     NULL);
	pthread_mutex_lock(&d->lock);
	if (err == -ETIME)
		return 0;
	if (err)
		return vgg_drm_fail(d, -err, "waiting for a job failed");
	/* The result comes before the signal; another job's is there only if
	 * this one is waited for too late. */
	if (vgg_drm_result(d, seq, &r))
		return 0;
	return vgg_fail(BAD_ARGUMENT, "ticket", VGG_TICKETS_HINT,
			"the result of job %llu is gone",
			(unsigned long long)seq);
}

static int await(struct vgg_drm *d, struct vgg_drm_job *j,
		 const struct timespec *until)
{
	int err;

	if (j->point)
		return sleep_fence(d, j->point, j->seq, until);
	err = vgg_drm_uring_sleep(d, j->ticket, until);
	return err ? vgg_drm_fail(d, -err, "io_uring failed") : 0;
}

/*
 * The module's ring has one place for each of the last jobs, whoever waits for
 * them or doesn't. So results are taken from it in the order of their jobs, and no
 * more jobs are under way than it has places.
 */
static struct vgg_drm_job *first_unkept(struct vgg_drm *d)
{
	struct vgg_drm_job *j;

	for (; d->kept < d->tickets; d->kept++) {
		j = &d->jobs[(d->kept + 1) % d->slots];
		if (!look(d, j))
			return j;
	}
	return NULL;
}

static int keep_results(struct vgg_drm *d, uint32_t timeout_ms)
{
	struct patience p = patience(timeout_ms);
	struct vgg_drm_job *j;
	int err = 0;

	pthread_mutex_lock(&d->lock);
	while (!err && (j = first_unkept(d)) &&
	       d->tickets - d->kept >= d->entries) {
		err = await(d, j, &p.until);
		if (!err && !look(d, j) && vgg_deadline_passed(&p.until))
			err = still_alive(d, &p, "job", d->kept + 1);
	}
	pthread_mutex_unlock(&d->lock);
	return err;
}

/*
 * Submitting. All with d->submit_lock held.
 */
static struct vgg_drm_job *new_job(struct vgg_drm *d)
{
	struct vgg_drm_job *j = &d->jobs[(d->tickets + 1) % d->slots];

	*j = (struct vgg_drm_job){ .ticket = d->tickets + 1 };
	return j;
}

/* The kernel waits for room in the queue; every job ends some time. */
static int submit_ioctl(struct vgg_drm *d, const struct vgg_job *job,
			uint64_t *ticket)
{
	struct drm_vggaccel_sync out = { .handle = d->timeline };
	struct drm_vggaccel_submit s = {
		.size = sizeof(s),
		.stream = job->stream,
		.stream_bytes = job->stream_bytes,
		.timeout_us = job->timeout_us,
		.tag = job->tag,
		.out_count = 1,
		.out_syncs = (uintptr_t)&out,
	};
	struct vgg_drm_job *j;

	VGG_TRACE_NAMED(CALL, "ioctl SUBMIT");
	/* Points need not be without gaps, only rising. */
	out.point = d->points + 1;
	if (drmIoctl(d->fd, DRM_IOCTL_VGGACCEL_SUBMIT, &s))
		return vgg_drm_fail(d, errno, "a job was not queued");
	pthread_mutex_lock(&d->lock);
	j = new_job(d);
	j->point = d->points = out.point;
	j->seq = s.seq;
	j->limited = job->timeout_us;
	*ticket = d->tickets = j->ticket;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

/* With d->lock, which it gives up meanwhile. */
static int wait_for_room(struct vgg_drm *d, uint32_t timeout_ms)
{
	struct patience p = patience(timeout_ms);
	int err = 0;

	vgg_drm_uring_reap(d);
	while (!err && !vgg_drm_uring_has_room(d->uring)) {
		err = vgg_drm_uring_sleep(d, 0, &p.until);
		if (err)
			return vgg_drm_fail(d, -err, "io_uring failed");
		if (!vgg_drm_uring_has_room(d->uring) &&
		    vgg_deadline_passed(&p.until))
			err = still_alive(d, &p, "room for job",
					  d->tickets + 1);
	}
	return err;
}

/* *again: this kernel doesn't know the command after all. */
static int submit_uring(struct vgg_drm *d, const struct vgg_job *job,
			uint32_t timeout_ms, uint64_t *ticket, bool *again)
{
	struct vgg_drm_job *j;
	int err;

	pthread_mutex_lock(&d->lock);
	err = wait_for_room(d, timeout_ms);
	if (err)
		goto out;
	j = new_job(d);
	err = vgg_drm_uring_start(d, job, j);
	if (!err)
		vgg_drm_uring_reap(d);
	/* A command that is refused at once has never been a job. */
	if (err || j->refused) {
		int number = err ? -err : j->refused;

		j->ticket = 0;
		*again = number == EOPNOTSUPP || number == ENOTTY;
		err = vgg_drm_fail(d, number, "a job was not queued");
		goto out;
	}
	*ticket = d->tickets = j->ticket;
out:
	pthread_mutex_unlock(&d->lock);
	return err;
}

int vgg_drm_submit(struct vgg_backend *b, const struct vgg_job *job,
		   uint32_t timeout_ms, uint64_t *ticket)
{
	struct vgg_drm *d = vgg_to_drm(b);
	bool again = true;
	int err = 0;

	pthread_mutex_lock(&d->submit_lock);
	err = keep_results(d, timeout_ms);
	if (err) {
		pthread_mutex_unlock(&d->submit_lock);
		return err;
	}
	if (d->uring && !d->refuses_commands && !job->timeout_us) {
		again = false;
		err = submit_uring(d, job, timeout_ms, ticket, &again);
		d->refuses_commands = again;
	}
	if (again)
		err = submit_ioctl(d, job, ticket);
	pthread_mutex_unlock(&d->submit_lock);
	return err;
}

/*
 * Waiting. With d->lock.
 */
static int find_job(struct vgg_drm *d, uint64_t ticket, struct vgg_drm_job **j)
{
	*j = &d->jobs[ticket % d->slots];
	if (ticket && (*j)->ticket == ticket)
		return 0;
	return vgg_fail(BAD_ARGUMENT, "ticket", VGG_TICKETS_HINT, "no job %llu",
			(unsigned long long)ticket);
}

int vgg_drm_wait(struct vgg_backend *b, uint64_t ticket, uint32_t timeout_ms,
		 struct vgg_completion *c)
{
	struct vgg_drm *d = vgg_to_drm(b);
	struct patience p = patience(timeout_ms);
	struct vgg_drm_job *j;
	int err;

	pthread_mutex_lock(&d->lock);
	err = find_job(d, ticket, &j);
	while (!err && !look(d, j)) {
		err = await(d, j, &p.until);
		/* Its slot may have become another's meanwhile. */
		if (!err)
			err = find_job(d, ticket, &j);
		if (!err && !look(d, j) && vgg_deadline_passed(&p.until))
			err = still_alive(d, &p, "job", ticket);
	}
	if (!err && j->refused)
		err = vgg_drm_fail(d, j->refused, "a job was not queued");
	else if (!err)
		err = vgg_drm_outcome(&j->result, j->limited, timeout_ms, c);
	pthread_mutex_unlock(&d->lock);
	return err;
}
