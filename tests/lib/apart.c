// SPDX-License-Identifier: MIT
/* See apart.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "apart.h"
#include "device/backend.h"
#include "util/error.h"

#define PAGE 4096ul

struct apart {
	struct vgg_backend base;
	struct vgg_backend *inner;
};

struct apart_buffer {
	struct vgg_buffer base;
	struct vgg_buffer *inner; /* its map is the card's copy */
	size_t pages;
};

struct apart_counts apart_counts;

static struct vgg_backend *inner(struct vgg_backend *b)
{
	return ((struct apart *)b)->inner;
}

/* Whole pages around a range of the CPU's copy. */
static void protect(struct apart_buffer *b, uint64_t offset, uint64_t bytes,
		    int prot)
{
	uint64_t begin = offset & ~(PAGE - 1);
	uint64_t end = (offset + bytes + PAGE - 1) & ~(PAGE - 1);

	if (mprotect((char *)b->base.map + begin, end - begin, prot))
		abort();
}

static int buffer_create(struct vgg_backend *a, uint64_t bytes,
			 enum vgg_buffer_place place,
			 struct vgg_buffer **buffer)
{
	struct apart_buffer *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		abort();
	err = inner(a)->ops->buffer_create(inner(a), bytes, place, &b->inner);
	if (err) {
		free(b);
		return err;
	}
	b->inner->place = place;
	b->inner->bytes = bytes;
	b->base.address = b->inner->address;
	b->pages = (bytes + PAGE - 1) & ~(PAGE - 1);
	if (place == VGG_BUFFER_HOST) {
		b->base.map = mmap(NULL, b->pages, PROT_READ,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (b->base.map == MAP_FAILED)
			abort();
	}
	*buffer = &b->base;
	return 0;
}

static void buffer_destroy(struct vgg_backend *a, struct vgg_buffer *buffer)
{
	struct apart_buffer *b = (struct apart_buffer *)buffer;

	if (b->base.map)
		munmap(b->base.map, b->pages);
	inner(a)->ops->buffer_destroy(inner(a), b->inner);
	free(b);
}

static int buffer_prepare(struct vgg_backend *a, struct vgg_buffer *buffer,
			  unsigned int access, uint64_t offset, uint64_t bytes)
{
	struct apart_buffer *b = (struct apart_buffer *)buffer;
	char *cpu = (char *)b->base.map + offset;

	(void)a;
	apart_counts.prepares++;
	protect(b, offset, bytes, PROT_READ | PROT_WRITE);
	if (access & VGG_ACCESS_READ) {
		memcpy(cpu, (char *)b->inner->map + offset, bytes);
		apart_counts.read += bytes;
	} else {
		memset(cpu, 0xa5, bytes);
	}
	if (!(access & VGG_ACCESS_WRITE))
		protect(b, offset, bytes, PROT_READ);
	return 0;
}

static int buffer_finish(struct vgg_backend *a, struct vgg_buffer *buffer,
			 unsigned int access, uint64_t offset, uint64_t bytes)
{
	struct apart_buffer *b = (struct apart_buffer *)buffer;

	(void)a;
	apart_counts.finishes++;
	if (access & VGG_ACCESS_WRITE) {
		memcpy((char *)b->inner->map + offset,
		       (char *)b->base.map + offset, bytes);
		apart_counts.written += bytes;
	}
	protect(b, offset, bytes, PROT_READ);
	return 0;
}

static int submit(struct vgg_backend *a, const struct vgg_job *job,
		  uint32_t timeout_ms, uint64_t *ticket)
{
	unsigned int ahead = ++apart_counts.jobs - apart_counts.waits;

	if (ahead > apart_counts.ahead)
		apart_counts.ahead = ahead;
	return inner(a)->ops->submit(inner(a), job, timeout_ms, ticket);
}

static int wait(struct vgg_backend *a, uint64_t ticket, uint32_t timeout_ms,
		struct vgg_completion *c)
{
	apart_counts.waits++;
	return inner(a)->ops->wait(inner(a), ticket, timeout_ms, c);
}

static int info(struct vgg_backend *a, struct vgg_device_info *i)
{
	return inner(a)->ops->info(inner(a), i);
}

static void close_both(struct vgg_backend *a)
{
	inner(a)->ops->close(inner(a));
	free(a);
}

static const struct vgg_backend_ops ops = {
	.buffer_create = buffer_create,
	.buffer_destroy = buffer_destroy,
	.buffer_prepare = buffer_prepare,
	.buffer_finish = buffer_finish,
	.submit = submit,
	.wait = wait,
	.info = info,
	.close = close_both,
};

int apart_open(const struct vgg_device_options *options,
	       struct vgg_device **device)
{
	struct vgg_device_options o = VGG_INIT(o);
	struct apart *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		abort();
	if (options)
		o = *options;
	a->base.ops = &ops;
	err = vgg_sim_backend_open(&o, &a->inner);
	if (!err)
		err = vgg_device_wrap(&a->base, VGG_DEVICE_SIM,
				      o.timeout_ms ? o.timeout_ms : 120000,
				      device);
	if (err)
		free(a);
	return err;
}
