/* SPDX-License-Identifier: MIT */
/*
 * A real card, through the kernel module: what the files drm*.c share.
 *
 *   drm.c		opening, identity, errors of the module
 *   drm_node.c		which cards there are
 *   drm_pci.c		what the PCI bus knows of one
 *   drm_buffer.c	buffers
 *   drm_job.c		jobs: tickets, results, waiting
 *   drm_uring.c	io_uring: jobs without an ioctl
 *
 * A job is known to callers by its ticket, counted here; to the module by its
 * number, which an io_uring command learns only when it ends. The module's ring
 * of results lies in memory that this process sees, so looking whether a job has
 * ended takes no system call; sleeping until it has takes one, however many
 * jobs end meanwhile.
 */
#ifndef VGG_DRM_H
#define VGG_DRM_H

#include <pthread.h>
#include <time.h>

#include "device/backend.h"
#include "device/drm_node.h"
#include "uapi/vggaccel_drm.h"

struct vgg_drm_uring;

/* What is known of a job; its slot is used again 2^k jobs later. */
struct vgg_drm_job {
	uint64_t ticket; /* 0: unused */
	uint64_t point;	 /* of the timeline; 0: an io_uring command */
	uint64_t seq;	 /* the module's number; 0: not known yet */
	bool done;
	bool limited; /* has a limit of its own, in card time */
	int refused;  /* errno of a command that never became a job */
	struct drm_vggaccel_result result; /* if done and not refused */
};

struct vgg_drm {
	struct vgg_backend base;
	struct vgg_node node;
	char version[48];
	int fd;
	uint64_t features;
	uint32_t id[DRM_VGGACCEL_ID_WORDS];
	uint32_t depth; /* jobs that may be under way */
	uint32_t timeline;
	const struct drm_vggaccel_result *results; /* mapped */
	uint32_t entries;

	pthread_mutex_t submit_lock; /* jobs get their tickets in order */
	pthread_mutex_t lock;	     /* all below */
	pthread_cond_t event;	     /* a command has ended, or none sleeps */
	uint64_t tickets, points;
	uint64_t
		kept; /* results up to this ticket's were taken from the ring */
	struct vgg_drm_job *jobs;
	uint32_t slots;		     /* a power of two */
	struct vgg_drm_uring *uring; /* NULL: ioctls only */
	bool refuses_commands;	     /* and so do this module and kernel */
};

static inline struct vgg_drm *vgg_to_drm(struct vgg_backend *b)
{
	return (struct vgg_drm *)b;
}

/*
 * name: "card" (the first that opens), "cardN", a PCI address or the path of a
 * node. options->timeout_ms is set.
 */
int vgg_drm_backend_open(const char *root, const char *name,
			 const struct vgg_device_options *options,
			 struct vgg_backend **backend);
/* How many cards there are, usable or not. */
size_t vgg_drm_count(const char *root);

/* INFO; -errno with the error set. */
int vgg_drm_read_info(struct vgg_drm *d, struct drm_vggaccel_info *info);
/* The library's error for an errno of the module; `what` was not done. */
int vgg_drm_fail(const struct vgg_drm *d, int number, const char *what);

/* drm_pci.c: the link, BAR and interrupt fields of *info, as far as this
 * process may know them. */
void vgg_pci_describe(const char *address, struct vgg_device_info *info);

/* drm_buffer.c */
int vgg_drm_buffer_create(struct vgg_backend *b, uint64_t bytes,
			  enum vgg_buffer_place place,
			  struct vgg_buffer **buffer);
void vgg_drm_buffer_destroy(struct vgg_backend *b, struct vgg_buffer *buffer);
int vgg_drm_buffer_prepare(struct vgg_backend *b, struct vgg_buffer *buffer,
			   unsigned int access, uint64_t offset,
			   uint64_t bytes);
int vgg_drm_buffer_finish(struct vgg_backend *b, struct vgg_buffer *buffer,
			  unsigned int access, uint64_t offset, uint64_t bytes);

/* drm_job.c */
int vgg_drm_jobs_init(struct vgg_drm *d, uint32_t result_entries);
void vgg_drm_jobs_clear(struct vgg_drm *d);
int vgg_drm_submit(struct vgg_backend *b, const struct vgg_job *job,
		   uint32_t timeout_ms, uint64_t *ticket);
int vgg_drm_wait(struct vgg_backend *b, uint64_t ticket, uint32_t timeout_ms,
		 struct vgg_completion *c);
/* Copies the result of job seq out of the ring; false if it isn't there. */
bool vgg_drm_result(const struct vgg_drm *d, uint64_t seq,
		    struct drm_vggaccel_result *to);
/* 0 if *c says all there is to say; else the error is set. `limited` jobs have
 * two limits that may end them. */
int vgg_drm_outcome(const struct drm_vggaccel_result *r, bool limited,
		    uint32_t timeout_ms, struct vgg_completion *c);

/*
 * drm_uring.c; all but create and destroy need d->lock. Commands are put in by
 * one thread at a time; one thread sleeps in the kernel for all.
 */
struct vgg_drm_uring *vgg_drm_uring_create(struct vgg_drm *d);
void vgg_drm_uring_destroy(struct vgg_drm_uring *u);
bool vgg_drm_uring_has_room(const struct vgg_drm_uring *u);
/* 0, or the errno of a command that could not be queued at all. */
int vgg_drm_uring_start(struct vgg_drm *d, const struct vgg_job *job,
			struct vgg_drm_job *slot);
/* Marks the jobs of commands that have ended as done; no system call. */
void vgg_drm_uring_reap(struct vgg_drm *d);
/* Sleeps until some command up to `ticket` has ended or `until` has passed,
 * without the lock. -errno if io_uring itself fails; no error text. */
int vgg_drm_uring_sleep(struct vgg_drm *d, uint64_t ticket,
			const struct timespec *until);

#endif
