// SPDX-License-Identifier: MIT
/* See threads.h. */
#include <pthreadpool.h>
#include <sched.h>
#include <stdlib.h>

#include "run/threads.h"
#include "util/error.h"

#define THREADS_MAX 256

struct vgg_threads {
	pthreadpool_t pool; /* NULL: the calling thread alone */
	int count;
};

static int allowed_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return CPU_COUNT(&set);
}

int vgg_threads_create(int count, struct vgg_threads **threads)
{
	struct vgg_threads *t;

	if (count < 0 || count > THREADS_MAX)
		return vgg_fail(BAD_ARGUMENT, "threads", "use 1 to 256, or 0",
				"%d threads", count);
	t = calloc(1, sizeof(*t));
	if (!t)
		return vgg_fail_memory("threads");
	t->count = count ? count : allowed_cpus();
	if (t->count > 1) {
		t->pool = pthreadpool_create((size_t)t->count);
		if (!t->pool) {
			free(t);
			return vgg_fail(THREADS, NULL, "use fewer threads",
					"%d threads cannot be started", count);
		}
	}
	*threads = t;
	return 0;
}

void vgg_threads_free(struct vgg_threads *t)
{
	if (!t)
		return;
	if (t->pool)
		pthreadpool_destroy(t->pool);
	free(t);
}

int vgg_threads_count(const struct vgg_threads *t)
{
	return t->count;
}

void vgg_parallel(struct vgg_threads *t, size_t n, void (*fn)(void *, size_t),
		  void *ctx)
{
	size_t i;

	if (t->pool) {
		pthreadpool_parallelize_1d(t->pool, fn, ctx, n, 0);
		return;
	}
	for (i = 0; i < n; i++)
		fn(ctx, i);
}
