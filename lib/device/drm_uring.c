// SPDX-License-Identifier: MIT
/*
 * Jobs as io_uring commands: queued without an ioctl, and many of them waited
 * for with one sleep.
 *
 * The completions that io_uring writes are read without a system call, but only
 * by one thread at a time, and by none while a thread sleeps for more: it would
 * miss what was taken away after it looked. So the first one that has to wait
 * sleeps in the kernel, and those that come later sleep until it tells them.
 *
 * Jobs of one file end in order, so who waits for the fifth of five asks to be
 * woken by the fifth completion. Once several threads are seen to wait at the
 * same time, the sleeper asks for the next completion instead, which may be
 * another's.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "device/deadline.h"
#include "device/drm.h"
#include "util/disabled.h"
#include "trace/trace.h"

#define SEQ_MASK ((1u << 30) - 1) /* what a completion says of the number */

struct vgg_drm_uring {
	struct io_uring ring;
	uint32_t depth, under_way;
	bool sleeping; /* a thread is in the kernel, for all */
	bool shared;   /* another thread waited meanwhile */
};

/* The kernel may be too old, built without it, told not to (a sysctl, a
 * container's seccomp filter), or lack the command. */
static int open_ring(struct vgg_drm_uring *u)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CLAMP };
	struct io_uring_probe *probe;
	bool usable;

	if (io_uring_queue_init_params(u->depth, &u->ring, &params))
		return -1;
	probe = io_uring_get_probe_ring(&u->ring);
	/* Without EXT_ARG a sleep with a limit would need a submission. */
	usable = (params.features & IORING_FEAT_EXT_ARG) && probe &&
		 io_uring_opcode_supported(probe, IORING_OP_URING_CMD);
	io_uring_free_probe(probe);
	if (usable)
		return 0;
	io_uring_queue_exit(&u->ring);
	return -1;
}

struct vgg_drm_uring *vgg_drm_uring_create(struct vgg_drm *d)
{
	struct vgg_drm_uring *u;

	if (!(d->features & DRM_VGGACCEL_FEATURE_URING) ||
	    vgg_disabled("uring"))
		return NULL;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->depth = d->depth;
	if (open_ring(u)) {
		free(u);
		return NULL;
	}
	return u;
}

void vgg_drm_uring_destroy(struct vgg_drm_uring *u)
{
	if (!u)
		return;
	io_uring_queue_exit(&u->ring);
	free(u);
}

bool vgg_drm_uring_has_room(const struct vgg_drm_uring *u)
{
	return u->under_way < u->depth;
}

int vgg_drm_uring_start(struct vgg_drm *d, const struct vgg_job *job,
			struct vgg_drm_job *slot)
{
	const struct drm_vggaccel_uring_submit c = {
		.stream = job->stream,
		.stream_bytes = job->stream_bytes,
		.tag = job->tag,
	};
	struct vgg_drm_uring *u = d->uring;
	struct io_uring_sqe *e = io_uring_get_sqe(&u->ring);
	int n;

	_Static_assert(sizeof(c) <=
			       sizeof(*e) - offsetof(struct io_uring_sqe, cmd),
		       "the command fits a plain entry");
	if (!e)
		return -EBUSY;
	memset(e, 0, sizeof(*e));
	e->opcode = IORING_OP_URING_CMD;
	e->fd = d->fd;
	e->cmd_op = DRM_VGGACCEL_URING_SUBMIT;
	e->user_data = slot->ticket;
	memcpy(e->cmd, &c, sizeof(c));
	VGG_TRACE_NAMED(CALL, "io_uring_enter");
	n = io_uring_submit(&u->ring);
	if (n == 1) {
		u->under_way++;
		return 0;
	}
	/* The entry stays and goes in with the next one: as nothing. */
	io_uring_prep_nop(e);
	e->user_data = 0;
	return n < 0 ? n : -EBUSY;
}

static void end_job(struct vgg_drm *d, const struct io_uring_cqe *e)
{
	struct vgg_drm_job *j = &d->jobs[e->user_data % d->slots];
	uint64_t seq;

	if (!e->user_data)
		return;
	d->uring->under_way--;
	if (j->ticket != e->user_data)
		return; /* not waited for in time */
	j->done = true;
	if (e->res < 0) {
		j->refused = -e->res;
		return;
	}
	/* The entry holds the whole number. */
	seq = __atomic_load_n(&d->results[(uint32_t)e->res % d->entries].seq,
			      __ATOMIC_ACQUIRE);
	if ((seq & SEQ_MASK) == (uint32_t)e->res &&
	    vgg_drm_result(d, seq, &j->result))
		j->seq = seq;
	else
		j->refused = EIO;
}

void vgg_drm_uring_reap(struct vgg_drm *d)
{
	struct vgg_drm_uring *u = d->uring;
	struct io_uring_cqe *e;
	unsigned int head, n = 0;

	if (u->sleeping)
		return;
	io_uring_for_each_cqe(&u->ring, head, e)
	{
		end_job(d, e);
		n++;
	}
	io_uring_cq_advance(&u->ring, n);
}

/* How many completions there must be until that of `ticket` has come. */
static unsigned int completions_until(const struct vgg_drm *d, uint64_t ticket)
{
	uint32_t left = d->uring->under_way;
	unsigned int n = 0;

	for (; ticket && n < left; ticket--) {
		const struct vgg_drm_job *j = &d->jobs[ticket % d->slots];

		if (j->ticket != ticket)
			break;
		n += !j->point && !j->done;
	}
	return n ? n : 1;
}

static struct __kernel_timespec time_left(const struct timespec *until)
{
	struct timespec now;
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (int64_t)(until->tv_sec - now.tv_sec) * 1000000000 +
	     (until->tv_nsec - now.tv_nsec);
	ns = ns > 0 ? ns : 0;
	return (struct __kernel_timespec){ .tv_sec = ns / 1000000000,
					   .tv_nsec = ns % 1000000000 };
}

int vgg_drm_uring_sleep(struct vgg_drm *d, uint64_t ticket,
			const struct timespec *until)
{
	struct vgg_drm_uring *u = d->uring;
	struct __kernel_timespec left;
	struct io_uring_cqe *e;
	unsigned int n;
	int err;

	if (u->sleeping) {
		u->shared = true;
		vgg_deadline_wait(&d->event, &d->lock, until);
		return 0;
	}
	VGG_TRACE_NAMED(CALL, "io_uring_enter");
	n = u->shared ? 1 : completions_until(d, ticket);
	left = time_left(until);
	u->sleeping = true;
	pthread_mutex_unlock(&d->lock);
	err = io_uring_wait_cqes(&u->ring, &e, n, &left, NULL);
	pthread_mutex_lock(&d->lock);
	u->sleeping = false;
	vgg_drm_uring_reap(d);
	pthread_cond_broadcast(&d->event);
	return err == -ETIME || err == -EINTR || err == -EAGAIN ? 0 :
	       err < 0						? err :
								  0;
}
