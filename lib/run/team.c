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

struct vgg_l2 vgg_team_cache(const struct vgg_team *team)
{
	const struct vgg_cpus *cpus = vgg_cpus();
	struct vgg_l2 l2 = { .bytes = SIZE_MAX, .sharers = 1 };
	int used = 0, i;

	for (i = 0; i < cpus->count && (!i || used < team->workers); i++) {
		const struct vgg_cluster *k = &cpus->cluster[i];

		used += k->count;
		if (k->l2_bytes < l2.bytes)
			l2.bytes = k->l2_bytes;
		if (k->l2_sharers > l2.sharers)
			l2.sharers = k->l2_sharers;
	}
	return l2;
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
