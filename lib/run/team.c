// SPDX-License-Identifier: MIT
/* See team.h. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "run/team.h"
#include "util/cpu.h"

static void each(void *threads, size_t n,
		 void (*fn)(void *ctx, int worker, size_t i), void *ctx)
{
	vgg_parallel(threads, n, fn, ctx);
}

struct vgg_team vgg_team_of(struct vgg_threads *threads)
{
	return (struct vgg_team){ .workers = vgg_threads_count(threads),
				  .each = each,
				  .threads = threads };
}

size_t vgg_team_cache(const struct vgg_team *team)
{
	const struct vgg_cpus *cpus = vgg_cpus();
	size_t least = cpus->cluster[0].l2_bytes;
	int used = cpus->cluster[0].count, i;

	for (i = 1; i < cpus->count && used < team->workers; i++) {
		used += cpus->cluster[i].count;
		if (cpus->cluster[i].l2_bytes < least)
			least = cpus->cluster[i].l2_bytes;
	}
	return least;
}

#define HUGE_PAGE ((size_t)2 << 20)

void *vgg_alloc_large(size_t bytes)
{
	size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
	size_t whole = (bytes + align - 1) / align * align;
	void *p = aligned_alloc(align, whole ? whole : align);

	/* What lies behind the last whole page stays small. */
	if (p && align == HUGE_PAGE)
		madvise(p, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
	return p;
}
