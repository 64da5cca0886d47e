/* SPDX-License-Identifier: MIT */
/*
 * What a way to a card must provide. device.c checks arguments and keeps the
 * error texts; a backend moves bytes: sim.c drives the simulated card in this
 * process by registers, rings and page tables, as the kernel module does with a
 * real one, to which drm.c leads.
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

/* So many of the last jobs are known by their tickets: more than all threads of a
 * process submit while one of them isn't scheduled. */
#define VGG_TICKETS (1u << 14)
#define VGG_TICKETS_HINT "wait for a job before so many others are submitted"

struct vgg_backend_ops {
	/* All return 0 or -errno with the error set. */
	int (*buffer_create)(struct vgg_backend *b, uint64_t bytes,
			     enum vgg_buffer_place place,
			     struct vgg_buffer **buffer);
	void (*buffer_destroy)(struct vgg_backend *b,
			       struct vgg_buffer *buffer);
	/* Cache maintenance of a part of a HOST buffer; NULL where memory is
	 * coherent. */
	int (*buffer_prepare)(struct vgg_backend *b, struct vgg_buffer *buffer,
			      unsigned int access, uint64_t offset,
			      uint64_t bytes);
	int (*buffer_finish)(struct vgg_backend *b, struct vgg_buffer *buffer,
			     unsigned int access, uint64_t offset,
			     uint64_t bytes);
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
	char note[512]; /* struct vgg_device_info has it */
};

/* Remembers what went wrong on the way to this device, and what was done. */
void vgg_backend_note(struct vgg_backend *b, const struct vgg_error *error,
		      const char *instead);

int vgg_sim_backend_open(const struct vgg_device_options *options,
			 struct vgg_backend **backend);
/* For tests of schedules: a card that lives in their time; see vggsim.h. */
struct vgg_sim_clock;
int vgg_sim_backend_open_clock(const struct vgg_device_options *options,
			       const struct vgg_sim_clock *clock,
			       struct vgg_backend **backend);

/* vgg_device_open() in a machine whose /sys and /dev are below root; "" but for
 * tests. */
int vgg_device_open_below(const char *root, const char *name,
			  const struct vgg_device_options *options,
			  struct vgg_device **device);

/* A device of its own backend, which it then owns; also for tests, which put
 * theirs in between. */
int vgg_device_wrap(struct vgg_backend *backend, enum vgg_device_kind kind,
		    uint32_t timeout_ms, struct vgg_device **device);

/* The identity and capability fields of *info, by 32-bit register reads. */
int vgg_read_capabilities(uint32_t (*read)(void *ctx, uint32_t offset),
			  void *ctx, struct vgg_device_info *info);

#endif
