/* SPDX-License-Identifier: MIT */
/* The worker threads of a session: a thin cover over pthreadpool. */
#ifndef VGG_THREADS_H
#define VGG_THREADS_H

#include <stddef.h>

struct vgg_threads;

/* count 0: as many as the CPUs this process may run on. */
int vgg_threads_create(int count, struct vgg_threads **threads);
void vgg_threads_free(struct vgg_threads *t);
int vgg_threads_count(const struct vgg_threads *t);

/* Calls fn(ctx, i) for 0 <= i < n in any order on all threads; returns when
 * all are done. */
void vgg_parallel(struct vgg_threads *t, size_t n, void (*fn)(void *, size_t),
		  void *ctx);

#endif
