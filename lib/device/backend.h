/* SPDX-License-Identifier: MIT */
/*
 * What a way to a card must provide. device.c checks arguments and keeps the
 * error texts; a backend moves bytes: sim.c drives the simulated card in this
 * process by registers, rings and page tables, as the kernel module does with a
 * real one.
 */
#ifndef VGG_BACKEND_H
#define VGG_BACKEND_H

#include "vggaccel.h"
#include "vggaccel_hw.h"

struct vgg_backend;

/* Memory the card can reach; embedded in each backend's own struct. */
struct vgg_buffer {
	struct vgg_device *device;
	enum vgg_buffer_place place;
	uint64_t bytes, address; /* device-virtual */
	void *map;		 /* HOST only */
};

struct vgg_backend_ops {
	/* All return 0 or -errno with the error set. */
	int (*buffer_create)(struct vgg_backend *b, uint64_t bytes,
			     enum vgg_buffer_place place,
			     struct vgg_buffer **buffer);
	void (*buffer_destroy)(struct vgg_backend *b,
			       struct vgg_buffer *buffer);
	/* Cache maintenance; NULL where memory is coherent. */
	int (*buffer_prepare)(struct vgg_buffer *buffer, unsigned int access);
	int (*buffer_finish)(struct vgg_buffer *buffer, unsigned int access);
	/* May have to wait for room in the queue, at most timeout_ms. */
	int (*submit)(struct vgg_backend *b, const struct vgg_job *job,
		      uint32_t timeout_ms, uint64_t *ticket);
	/* Waits at most timeout_ms; -ETIMEDOUT by DEVICE_TIMEOUT. The status is
	 * in *c; a failed job is no failure here. */
	int (*wait)(struct vgg_backend *b, uint64_t ticket, uint32_t timeout_ms,
		    struct vgg_completion *c);
	int (*info)(struct vgg_backend *b, struct vgg_device_info *info);
	void (*close)(struct vgg_backend *b);
};

struct vgg_backend {
	const struct vgg_backend_ops *ops;
};

int vgg_sim_backend_open(const struct vgg_device_options *options,
			 struct vgg_backend **backend);

/* The identity and capability fields of *info, by 32-bit register reads. */
int vgg_read_capabilities(uint32_t (*read)(void *ctx, uint32_t offset),
			  void *ctx, struct vgg_device_info *info);

#endif
