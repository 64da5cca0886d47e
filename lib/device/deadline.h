/* SPDX-License-Identifier: MIT */
/*
 * Deadlines, by a clock that doesn't jump when somebody sets the time. Condition
 * variables take that clock at each wait (pthread_cond_clockwait()).
 */
#ifndef VGG_DEADLINE_H
#define VGG_DEADLINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define VGG_DEADLINE_CLOCK CLOCK_MONOTONIC

static inline struct timespec vgg_deadline_in(uint64_t ms)
{
	struct timespec at;

	clock_gettime(VGG_DEADLINE_CLOCK, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

static inline bool vgg_deadline_passed(const struct timespec *at)
{
	struct timespec now;

	clock_gettime(VGG_DEADLINE_CLOCK, &now);
	return now.tv_sec > at->tv_sec ||
	       (now.tv_sec == at->tv_sec && now.tv_nsec >= at->tv_nsec);
}

/* Until somebody signals or the deadline has passed, or for no reason. */
static inline void vgg_deadline_wait(pthread_cond_t *cond,
				     pthread_mutex_t *lock,
				     const struct timespec *at)
{
	pthread_cond_clockwait(cond, lock, VGG_DEADLINE_CLOCK, at);
}

#endif
