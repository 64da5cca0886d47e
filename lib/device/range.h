/* SPDX-License-Identifier: MIT */
/* An allocator of address ranges (not of memory): first fit over a sorted list
 * of holes. For device-virtual addresses, bus addresses, on-board memory. */
#ifndef VGG_RANGE_H
#define VGG_RANGE_H

#include <stddef.h>
#include <stdint.h>

struct vgg_hole {
	uint64_t begin, end;
};

struct vgg_ranges {
	struct vgg_hole *holes; /* sorted, never touching */
	size_t count, room;
	uint64_t free; /* bytes */
};

/* -ENOMEM; no error text. */
int vgg_ranges_init(struct vgg_ranges *r, uint64_t begin, uint64_t end);
void vgg_ranges_clear(struct vgg_ranges *r);
/* align is a power of two. -ENOSPC if no hole fits. */
int vgg_ranges_take(struct vgg_ranges *r, uint64_t bytes, uint64_t align,
		    uint64_t *begin);
/* What was taken, with the same size. -ENOMEM loses the range, no more. */
int vgg_ranges_give(struct vgg_ranges *r, uint64_t begin, uint64_t bytes);

#endif
