// SPDX-License-Identifier: MIT
/*
 * Buffers of a real card.
 *
 * Jobs are submitted without a list of their buffers: these are shared with
 * nobody, and whoever wants to look into one has waited for its job. So prepare
 * and finish are about caches alone. The CPU that is going to write needs
 * nothing made visible, and one that has only read has nothing to show: both are
 * no system call, and where the card sees the CPU's caches none is.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xf86drm.h>

#include "device/drm.h"
#include "trace/trace.h"
#include "util/error.h"

struct drm_buffer {
	struct vgg_buffer base;
	uint32_t handle;
	uint64_t pages; /* bytes, whole pages */
};

static struct drm_buffer *to_buffer(struct vgg_buffer *b)
{
	return (struct drm_buffer *)b;
}

static int no_room(struct vgg_drm *d, uint64_t bytes,
		   enum vgg_buffer_place place)
{
	struct drm_vggaccel_info info = { 0 };

	if (place == VGG_BUFFER_HOST)
		return vgg_fail(DEVICE_MEMORY, d->node.path,
				"use smaller buffers",
				"no room for %llu bytes of host memory within "
				"the card's reach",
				(unsigned long long)bytes);
	if (vgg_drm_read_info(d, &info))
		info.local_free = 0;
	return vgg_fail(DEVICE_MEMORY, d->node.path, "use less, or host memory",
			"no room for %llu bytes of on-board memory, %llu are "
			"free",
			(unsigned long long)bytes,
			(unsigned long long)info.local_free);
}

static int create(struct vgg_drm *d, struct drm_buffer *b, uint64_t bytes,
		  enum vgg_buffer_place place, uint64_t *offset)
{
	struct drm_vggaccel_bo_create c = {
		.size = sizeof(c),
		.flags = place == VGG_BUFFER_LOCAL ? DRM_VGGACCEL_BO_LOCAL : 0,
		.bytes = bytes,
	};

	if (!drmIoctl(d->fd, DRM_IOCTL_VGGACCEL_BO_CREATE, &c)) {
		b->handle = c.handle;
		b->pages = c.bytes;
		b->base.address = c.address;
		*offset = c.mmap_offset;
		return 0;
	}
	/* No memory on board at all is memory that is full. */
	if (errno == ENOSPC ||
	    (errno == EOPNOTSUPP && place == VGG_BUFFER_LOCAL))
		return no_room(d, bytes, place);
	return vgg_drm_fail(d, errno, "a buffer was not created");
}

static int map(struct vgg_drm *d, struct drm_buffer *b, uint64_t offset)
{
	void *at = mmap(NULL, b->pages, PROT_READ | PROT_WRITE, MAP_SHARED,
			d->fd, (off_t)offset);

	if (at == MAP_FAILED)
		return vgg_drm_fail(d, errno, "a buffer was not mapped");
	b->base.map = at;
	return 0;
}

int vgg_drm_buffer_create(struct vgg_backend *backend, uint64_t bytes,
			  enum vgg_buffer_place place,
			  struct vgg_buffer **buffer)
{
	struct vgg_drm *d = vgg_to_drm(backend);
	struct drm_buffer *b = calloc(1, sizeof(*b));
	uint64_t offset = 0;
	int err;

	if (!b)
		return vgg_fail_memory("a buffer");
	err = create(d, b, bytes, place, &offset);
	if (err)
		goto err_free;
	if (place == VGG_BUFFER_HOST)
		err = map(d, b, offset);
	if (err)
		goto err_handle;
	*buffer = &b->base;
	return 0;

err_handle:
	drmCloseBufferHandle(d->fd, b->handle);
err_free:
	free(b);
	return err;
}

void vgg_drm_buffer_destroy(struct vgg_backend *backend,
			    struct vgg_buffer *buffer)
{
	struct drm_buffer *b = to_buffer(buffer);

	if (b->base.map)
		munmap(b->base.map, b->pages);
	drmCloseBufferHandle(vgg_to_drm(backend)->fd, b->handle);
	free(b);
}

static uint32_t kernel_access(unsigned int access)
{
	return (access & VGG_ACCESS_READ ? DRM_VGGACCEL_ACCESS_READ : 0) |
	       (access & VGG_ACCESS_WRITE ? DRM_VGGACCEL_ACCESS_WRITE : 0);
}

int vgg_drm_buffer_prepare(struct vgg_backend *backend,
			   struct vgg_buffer *buffer, unsigned int access,
			   uint64_t offset, uint64_t bytes)
{
	struct vgg_drm *d = vgg_to_drm(backend);
	struct drm_vggaccel_bo_prep p = {
		.size = sizeof(p),
		.handle = to_buffer(buffer)->handle,
		.access = kernel_access(access),
		.offset = offset,
		.bytes = bytes,
	};

	if (!(access & VGG_ACCESS_READ) ||
	    (d->features & DRM_VGGACCEL_FEATURE_COHERENT))
		return 0;
	VGG_TRACE_NAMED(CALL, "ioctl BO_PREP");
	if (!drmIoctl(d->fd, DRM_IOCTL_VGGACCEL_BO_PREP, &p))
		return 0;
	return vgg_drm_fail(d, errno, "a buffer was not made readable");
}

int vgg_drm_buffer_finish(struct vgg_backend *backend,
			  struct vgg_buffer *buffer, unsigned int access,
			  uint64_t offset, uint64_t bytes)
{
	struct vgg_drm *d = vgg_to_drm(backend);
	struct drm_vggaccel_bo_fini f = {
		.size = sizeof(f),
		.handle = to_buffer(buffer)->handle,
		.access = kernel_access(access),
		.offset = offset,
		.bytes = bytes,
	};

	if (!(access & VGG_ACCESS_WRITE) ||
	    (d->features & DRM_VGGACCEL_FEATURE_COHERENT))
		return 0;
	VGG_TRACE_NAMED(CALL, "ioctl BO_FINI");
	if (!drmIoctl(d->fd, DRM_IOCTL_VGGACCEL_BO_FINI, &f))
		return 0;
	return vgg_drm_fail(d, errno, "a buffer was not handed to the card");
}
