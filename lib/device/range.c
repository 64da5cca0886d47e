// SPDX-License-Identifier: MIT
/* See range.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/range.h"

static int insert(struct vgg_ranges *r, size_t at, uint64_t begin, uint64_t end)
{
	struct vgg_hole *holes;
	size_t room;

	if (r->count == r->room) {
		room = r->room ? 2 * r->room : 16;
		holes = realloc(r->holes, room * sizeof(*holes));
		if (!holes)
			return -ENOMEM;
		r->holes = holes;
		r->room = room;
	}
	memmove(&r->holes[at + 1], &r->holes[at],
		(r->count - at) * sizeof(*r->holes));
	r->holes[at] = (struct vgg_hole){ begin, end };
	r->count++;
	return 0;
}

static void drop(struct vgg_ranges *r, size_t at)
{
	memmove(&r->holes[at], &r->holes[at + 1],
		(r->count - at - 1) * sizeof(*r->holes));
	r->count--;
}

int vgg_ranges_init(struct vgg_ranges *r, uint64_t begin, uint64_t end)
{
	memset(r, 0, sizeof(*r));
	if (begin >= end)
		return 0;
	r->free = end - begin;
	return insert(r, 0, begin, end);
}

void vgg_ranges_clear(struct vgg_ranges *r)
{
	free(r->holes);
	memset(r, 0, sizeof(*r));
}

/* Cuts [begin, end) out of hole `at`. */
static int cut(struct vgg_ranges *r, size_t at, uint64_t begin, uint64_t end)
{
	struct vgg_hole *h = &r->holes[at];
	uint64_t old_begin = h->begin;
	int err;

	if (old_begin < begin && end < h->end) {
		err = insert(r, at, old_begin, begin);
		if (err)
			return err;
		r->holes[at + 1].begin = end;
	} else if (old_begin < begin) {
		h->end = begin;
	} else if (end < h->end) {
		h->begin = end;
	} else {
		drop(r, at);
	}
	r->free -= end - begin;
	return 0;
}

int vgg_ranges_take(struct vgg_ranges *r, uint64_t bytes, uint64_t align,
		    uint64_t *begin)
{
	uint64_t at;
	size_t i;
	int err;

	for (i = 0; i < r->count; i++) {
		at = (r->holes[i].begin + align - 1) & ~(align - 1);
		if (at < r->holes[i].begin || at > r->holes[i].end ||
		    r->holes[i].end - at < bytes)
			continue;
		err = cut(r, i, at, at + bytes);
		if (!err)
			*begin = at;
		return err;
	}
	return -ENOSPC;
}

int vgg_ranges_give(struct vgg_ranges *r, uint64_t begin, uint64_t bytes)
{
	uint64_t end = begin + bytes;
	size_t i = 0;

	while (i < r->count && r->holes[i].begin < begin)
		i++;
	r->free += bytes;
	if (i && r->holes[i - 1].end == begin) {
		r->holes[i - 1].end = end;
		if (i < r->count && r->holes[i].begin == end) {
			r->holes[i - 1].end = r->holes[i].end;
			drop(r, i);
		}
		return 0;
	}
	if (i < r->count && r->holes[i].begin == end) {
		r->holes[i].begin = begin;
		return 0;
	}
	return insert(r, i, begin, end);
}
