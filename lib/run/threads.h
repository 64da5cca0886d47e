/* SPDX-License-Identifier: MIT */
/* The worker threads of a session, for cores of unequal speed and machines that
 * have other work. */
#ifndef VGG_THREADS_H
#define VGG_THREADS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

struct vgg_cpus;
struct vgg_threads;

/* count 0: as many as the CPUs that the caller may run on, or fewer if its
 * cgroup grants less time. The caller counts as one of them. */
int vgg_threads_create(int count, struct vgg_threads **threads);
void vgg_threads_free(struct vgg_threads *t);
int vgg_threads_count(const struct vgg_threads *t);

/* On these CPUs alone, `count` threads or one for each of them (0); whoever
 * claims it works there, too, unless someone else has set that thread's mask since
 * the pool's creation. THREADS if none of them may be used. */
int vgg_threads_create_on(const cpu_set_t *cpus, int count,
			  struct vgg_threads **threads);

/*
 * For a row of regions that shares memory: nobody else is let in between claim
 * and unclaim who claims as well. First come, first served. Not by a thread that
 * has claimed it already.
 */
void vgg_threads_claim(struct vgg_threads *t);
void vgg_threads_unclaim(struct vgg_threads *t);

/*
 * Calls fn(ctx, worker, i) once for each 0 <= i < n < 2^32 on all threads;
 * returns when all are done. `worker` is less than the threads' number and never
 * at work on two indices at a time: memory may be its own. Each begins with the
 * same share of the indices in every region of equal n, takes them in order, and
 * then helps others from the far ends of theirs. A region costs 1 to 2 us where
 * CPUs are free, each i some 10 ns more: tasks of 5 to 100 us are right, and
 * several times as many as threads.
 *
 * Callers on several threads take turns. What has one index, or a pool of one
 * thread, is run at once by the caller as worker 0, without a turn; so is all
 * within a task of any pool, and all in a forked child, which has no workers.
 */
void vgg_parallel(struct vgg_threads *t, size_t n,
		  void (*fn)(void *, int worker, size_t), void *ctx);

/* The CPUs of allowed that count threads should run on. False: on any; *place
 * is allowed then. For vgg_threads_create() and tests. */
bool vgg_threads_place(const struct vgg_cpus *cpus, const cpu_set_t *allowed,
		       int count, cpu_set_t *place);

#endif
