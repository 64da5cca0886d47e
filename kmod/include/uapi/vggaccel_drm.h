/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * vggaccel: the interface between the kernel module and its users.
 *
 *
 * 1. Files and contexts
 *
 * Each open file of a node (/dev/accel/accelN, or /dev/dri/renderDN where the
 * kernel has no accel nodes) is one context of the card: an address space of
 * its own, a queue of jobs executed in order, and a ring of results. A file
 * reaches no memory but its own buffers. Closing the last descriptor of a file
 * ends its jobs (their fences signal ECANCELED) and frees its buffers.
 *
 *
 * 2. How this interface grows
 *
 * Every struct starts with `size`, set by the caller to the size it knows. The
 * kernel takes shorter structs (missing fields count as 0) down to the size of
 * the first version, and longer ones if all that it doesn't know is 0 (else
 * E2BIG), and never writes beyond the caller's size. Reserved fields, unknown
 * flags and padding must be 0 (else EINVAL). New abilities have a bit in
 * `features`, so an older library works with a newer module and the other way
 * round; nothing is decided by version numbers. All structs have the same
 * layout for 32-bit and 64-bit processes.
 *
 *
 * 3. Errors
 *
 *   EINVAL     unknown flag, reserved field not 0, size or value out of range
 *   E2BIG      a struct longer than the kernel's with something in its tail;
 *              too many buffers or fences in one submission
 *   EFAULT     a pointer into nowhere
 *   ENOENT     no such buffer, or no such syncobj
 *   ENOMEM     no memory in the host
 *   ENOSPC     no room in on-board memory, in the address space, or (where DMA
 *              needs copies) for those
 *   EBUSY      open: all contexts of the card are in use; BO_PREP without
 *              waiting: a job still uses the buffer
 *   ETIMEDOUT  BO_PREP: a job still uses the buffer
 *   EAGAIN     SUBMIT without waiting: the queue is full
 *   EOPNOTSUPP the card has no on-board memory; mapping such memory
 *   ESTALE     the card lost its on-board memory with its power: open anew
 *   EIO        BO_CREATE: the card failed to clear on-board memory
 *   ENODEV     the card is gone; all ioctls of this header say so
 *
 * On-board memory is cleared by a job, so BO_CREATE may also fail as a fence
 * does. A fence carries the errno of a job that failed:
 *
 *   EINVAL     the card refused the stream or a command (status 0x10..0x2f)
 *   EFAULT     an address outside the context's buffers (0x30..0x3f)
 *   ETIMEDOUT  the job's own limit (0x40), or the context's: the card was reset
 *   ECANCELED  ended with its context, or behind a job that hung
 *   EIO        uncorrectable memory error, or a completion without sense
 *   ESTALE     the card lost its on-board memory with its power
 *   ENODEV     the card is gone
 *
 * The result of the job tells more: status, command and layer tag.
 */
#ifndef VGGACCEL_DRM_H
#define VGGACCEL_DRM_H

#ifdef __KERNEL__
#include <drm/drm.h>
#else
#include "drm.h" /* pkg-config --cflags libdrm */
#endif

#if defined(__cplusplus)
extern "C" {
#endif

#define DRM_VGGACCEL_NAME "vggaccel"

enum drm_vggaccel_ioctl_nr {
	DRM_VGGACCEL_INFO,
	DRM_VGGACCEL_SET,
	DRM_VGGACCEL_BO_CREATE,
	DRM_VGGACCEL_BO_INFO,
	DRM_VGGACCEL_BO_PREP,
	DRM_VGGACCEL_BO_FINI,
	DRM_VGGACCEL_SUBMIT,
};

/* drm_vggaccel_info.features */
#define DRM_VGGACCEL_FEATURE_LOCAL	(1ull << 0) /* on-board memory */
#define DRM_VGGACCEL_FEATURE_URING	(1ull << 1) /* DRM_VGGACCEL_URING_SUBMIT */
#define DRM_VGGACCEL_FEATURE_SIMULATED	(1ull << 2) /* the card is a simulator */
#define DRM_VGGACCEL_FEATURE_COHERENT	(1ull << 3) /* own buffers need no BO_PREP and BO_FINI but to wait */

/* drm_vggaccel_info.irq_mode */
#define DRM_VGGACCEL_IRQ_POLL	0
#define DRM_VGGACCEL_IRQ_INTX	1
#define DRM_VGGACCEL_IRQ_MSI	2

#define DRM_VGGACCEL_ID_WORDS	16

/* INFO: all output. */
struct drm_vggaccel_info {
	__u32 size;
	__u32 context;		/* the file's, as the card names it */
	__u64 features;
	__u64 va_begin, va_end;	/* device addresses of this file's buffers */
	__u64 local_bytes;	/* on-board memory */
	__u64 local_free;
	__u64 jobs;		/* counters of the card; 0 while it is being reset */
	__u64 cycles;
	__u64 mac_busy;
	__u64 dma_busy;
	__u64 link_bytes;
	__u64 saturations;
	__u32 temperature;	/* millidegrees Celsius */
	__u32 irq_mode;		/* DRM_VGGACCEL_IRQ_* */
	__u32 queue_depth;	/* jobs a file may have under way */
	__u32 result_entries;	/* of the ring of results, a power of two */
	__u32 timeout_ms;	/* the file's, see SET */
	__u32 resets;		/* of the card, since the module was bound */
	/* The registers 0x00..0x3c of the card, as read when it was found. */
	__u32 id[DRM_VGGACCEL_ID_WORDS];
};

/* SET: parameters of the file's context. */
#define DRM_VGGACCEL_SET_TIMEOUT_MS	1 /* wall-clock limit of each job, 1..600000 */

struct drm_vggaccel_set {
	__u32 size;
	__u32 param;		/* DRM_VGGACCEL_SET_* */
	__u64 value;
};

#define DRM_VGGACCEL_BO_LOCAL		(1u << 0) /* on-board memory; no mmap */
#define DRM_VGGACCEL_BO_READONLY	(1u << 1) /* the card may not write to it */

/*
 * BO_CREATE: a zeroed buffer, mapped into the file's address space until its
 * handle is closed. Buffers of 2 MiB and more are aligned to 2 MiB; a page
 * behind each buffer stays unmapped.
 */
struct drm_vggaccel_bo_create {
	__u32 size;
	__u32 flags;		/* DRM_VGGACCEL_BO_* */
	__u64 bytes;		/* in: at least 1; out: whole pages */
	__u32 handle;		/* out */
	__u32 reserved;
	__u64 address;		/* out: for command streams */
	__u64 mmap_offset;	/* out: for mmap(), MAP_SHARED; 0 for on-board memory */
};

/* BO_INFO: the same about any handle, also one imported by PRIME. */
struct drm_vggaccel_bo_info {
	__u32 size;
	__u32 handle;
	__u32 flags;		/* out */
	__u32 reserved;
	__u64 bytes;		/* out */
	__u64 address;		/* out */
	__u64 mmap_offset;	/* out */
};

#define DRM_VGGACCEL_ACCESS_READ	(1u << 0)
#define DRM_VGGACCEL_ACCESS_WRITE	(1u << 1)

/*
 * BO_PREP: the CPU is about to read or write. Waits for the jobs that named
 * the buffer in their list (to read: those that write it; to write: all) and
 * makes visible what the card wrote. BO_FINI: the CPU is done; makes visible to
 * the card what it wrote. `bytes` 0 means: to the end.
 */
struct drm_vggaccel_bo_prep {
	__u32 size;
	__u32 handle;
	__u32 access;		/* DRM_VGGACCEL_ACCESS_* */
	__u32 reserved;
	__u64 offset;
	__u64 bytes;
	__s64 timeout_ns;	/* absolute, CLOCK_MONOTONIC; 0: don't wait */
};

struct drm_vggaccel_bo_fini {
	__u32 size;
	__u32 handle;
	__u32 access;
	__u32 reserved;
	__u64 offset;
	__u64 bytes;
};

/* A buffer that a job uses, named once, for implicit synchronisation: BO_PREP
 * waits for the job, and jobs of other files and devices that share the buffer
 * are ordered. Buffers that are not shared need not be named. */
struct drm_vggaccel_bo_ref {
	__u32 handle;
	__u32 access;		/* the card's */
};

/* A fence: point 0 means a binary syncobj, else a point of a timeline. */
struct drm_vggaccel_sync {
	__u32 handle;
	__u32 reserved;
	__u64 point;
};

#define DRM_VGGACCEL_SUBMIT_NOWAIT	(1u << 0) /* EAGAIN instead of waiting for room */

#define DRM_VGGACCEL_MAX_BOS		1024
#define DRM_VGGACCEL_MAX_SYNCS		256

/*
 * SUBMIT: queues a job behind the earlier ones of this file. It starts when all
 * in-fences have signalled; an in-fence that failed does not stop it. The
 * out-fences are replaced by (timelines: get as a new point) the job's.
 */
struct drm_vggaccel_submit {
	__u32 size;
	__u32 flags;		/* DRM_VGGACCEL_SUBMIT_* */
	__u64 stream;		/* device address of the commands */
	__u32 stream_bytes;
	__u32 timeout_us;	/* limit in card time; 0: none but the file's */
	__u32 tag;		/* layer tag for errors outside any command */
	__u32 bo_count;
	__u32 in_count;
	__u32 out_count;
	__u64 bos;		/* pointer to struct drm_vggaccel_bo_ref[] */
	__u64 in_syncs;		/* pointer to struct drm_vggaccel_sync[] */
	__u64 out_syncs;
	__u64 seq;		/* out: number of the job in this file, from 1 */
};

/*
 * Results, one for each job of the file: mmap() the node with offset 0, read
 * only, result_entries * sizeof(struct drm_vggaccel_result) bytes. Job seq has
 * entry seq % result_entries; `seq` there is written last, before the fence
 * signals, so a job has ended once its entry holds its number. The entry is
 * overwritten by job seq + result_entries.
 */
struct drm_vggaccel_result {
	__u64 seq;
	__u64 cycles;		/* card time */
	__u32 status;		/* VGG_STATUS_* of vggaccel_hw.h */
	__u32 index;		/* first failing command; commands executed if OK */
	__u32 tag;		/* layer tag of the failing command, else the job's */
	__u32 saturations;
	__s32 error;		/* 0, or the fence's error */
	__u32 reserved;
	__u64 reserved1[3];
};

/*
 * io_uring: IORING_OP_URING_CMD on the node with cmd_op DRM_VGGACCEL_URING_SUBMIT
 * and this in the entry's command area. Queues a job without fences and buffer
 * list. The completion's res is negative if the job was refused; else the job has
 * ended, well or not, and res is its number modulo 2^30: see the results.
 *
 * io_uring may start commands that had to wait for room in any order: who depends
 * on an order has no more than queue_depth jobs under way.
 */
struct drm_vggaccel_uring_submit {
	__u64 stream;
	__u32 stream_bytes;
	__u32 tag;
};

#define DRM_IOCTL_VGGACCEL_INFO \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VGGACCEL_INFO, struct drm_vggaccel_info)
#define DRM_IOCTL_VGGACCEL_SET \
	DRM_IOW(DRM_COMMAND_BASE + DRM_VGGACCEL_SET, struct drm_vggaccel_set)
#define DRM_IOCTL_VGGACCEL_BO_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VGGACCEL_BO_CREATE, struct drm_vggaccel_bo_create)
#define DRM_IOCTL_VGGACCEL_BO_INFO \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VGGACCEL_BO_INFO, struct drm_vggaccel_bo_info)
#define DRM_IOCTL_VGGACCEL_BO_PREP \
	DRM_IOW(DRM_COMMAND_BASE + DRM_VGGACCEL_BO_PREP, struct drm_vggaccel_bo_prep)
#define DRM_IOCTL_VGGACCEL_BO_FINI \
	DRM_IOW(DRM_COMMAND_BASE + DRM_VGGACCEL_BO_FINI, struct drm_vggaccel_bo_fini)
#define DRM_IOCTL_VGGACCEL_SUBMIT \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_VGGACCEL_SUBMIT, struct drm_vggaccel_submit)

#define DRM_VGGACCEL_URING_SUBMIT \
	DRM_IOW(DRM_COMMAND_BASE + 0x20, struct drm_vggaccel_uring_submit)

#if defined(__cplusplus)
}
#endif

#define VGG_ABI_SIZE(type, bytes) \
	_Static_assert(sizeof(struct type) == (bytes), #type " has a wrong size")
#ifndef __cplusplus
VGG_ABI_SIZE(drm_vggaccel_info, 184);
VGG_ABI_SIZE(drm_vggaccel_set, 16);
VGG_ABI_SIZE(drm_vggaccel_bo_create, 40);
VGG_ABI_SIZE(drm_vggaccel_bo_info, 40);
VGG_ABI_SIZE(drm_vggaccel_bo_prep, 40);
VGG_ABI_SIZE(drm_vggaccel_bo_fini, 32);
VGG_ABI_SIZE(drm_vggaccel_bo_ref, 8);
VGG_ABI_SIZE(drm_vggaccel_sync, 16);
VGG_ABI_SIZE(drm_vggaccel_submit, 72);
VGG_ABI_SIZE(drm_vggaccel_result, 64);
VGG_ABI_SIZE(drm_vggaccel_uring_submit, 16);
#endif
#undef VGG_ABI_SIZE

#endif
