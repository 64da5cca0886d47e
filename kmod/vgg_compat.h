/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that differs between the kernels this module builds for, and nowhere
 * else. HAVE_* come from conftest.sh. Each wrapper has the newest kernel's
 * meaning.
 */
#ifndef VGG_COMPAT_H
#define VGG_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/gpu_scheduler.h>

#ifdef HAVE_URING_CMD_H
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

/*
 * Accel nodes, where the kernel was configured for them.
 */
#ifdef HAVE_DRM_ACCEL
#include <drm/drm_accel.h>
#endif
#if defined(HAVE_DRM_ACCEL) && IS_ENABLED(CONFIG_DRM_ACCEL)
#define VGG_HAS_ACCEL 1
#else
#define VGG_HAS_ACCEL 0
#endif

#ifdef HAVE_FOP_UNSIGNED
#define VGG_FOP_FLAGS .fop_flags = FOP_UNSIGNED_OFFSET,
#else
#define VGG_FOP_FLAGS
#endif

/* The number in the node's name, -1 before there is one. */
static inline int vgg_drm_index(const struct drm_device *drm)
{
#if VGG_HAS_ACCEL
	if (drm->accel)
		return drm->accel->index;
#endif
	return drm->render ? drm->render->index : -1;
}

/*
 * PCI, timers, memory.
 */
#ifndef HAVE_PCI_IRQ_INTX
#define PCI_IRQ_INTX PCI_IRQ_LEGACY
#endif

static inline void
vgg_hrtimer_setup(struct hrtimer *timer,
		  enum hrtimer_restart (*fn)(struct hrtimer *))
{
#ifdef HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	timer->function = fn;
#endif
}

static inline void vgg_vm_flags_set(struct vm_area_struct *vma,
				    vm_flags_t flags)
{
#ifdef HAVE_VM_FLAGS_SET
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

static inline void vgg_vm_flags_clear(struct vm_area_struct *vma,
				      vm_flags_t flags)
{
#ifdef HAVE_VM_FLAGS_SET
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

#ifdef HAVE_IMPORT_NS_STRING
#define VGG_IMPORT_NS_DMA_BUF MODULE_IMPORT_NS("DMA_BUF");
#else
#define VGG_IMPORT_NS_DMA_BUF MODULE_IMPORT_NS(DMA_BUF);
#endif

/*
 * The scheduler. It never times out: see vgg_recover.c.
 */
static inline int vgg_sched_init(struct drm_gpu_scheduler *sched,
				 const struct drm_sched_backend_ops *ops,
				 u32 jobs, struct device *dev)
{
#ifdef HAVE_SCHED_INIT_ARGS
	const struct drm_sched_init_args args = {
		.ops = ops,
#ifdef HAVE_SCHED_NUM_RQS
		.num_rqs = DRM_SCHED_PRIORITY_COUNT,
#endif
		.credit_limit = jobs,
		.timeout = MAX_SCHEDULE_TIMEOUT,
		.name = "vggaccel",
		.dev = dev,
	};

	return drm_sched_init(sched, &args);
#elif defined(HAVE_SCHED_SUBMIT_WQ)
	return drm_sched_init(sched, ops, NULL, DRM_SCHED_PRIORITY_COUNT, jobs,
			      0, MAX_SCHEDULE_TIMEOUT, NULL, NULL, "vggaccel",
			      dev);
#else
	return drm_sched_init(sched, ops, jobs, 0, MAX_SCHEDULE_TIMEOUT, NULL,
			      NULL, "vggaccel", dev);
#endif
}

static inline int vgg_sched_job_init(struct drm_sched_job *job,
				     struct drm_sched_entity *entity,
				     void *owner, u64 client)
{
#if defined(HAVE_SCHED_CLIENT_ID)
	return drm_sched_job_init(job, entity, 1, owner, client);
#elif defined(HAVE_SCHED_CREDITS)
	return drm_sched_job_init(job, entity, 1, owner);
#else
	return drm_sched_job_init(job, entity, owner);
#endif
}

static inline u64 vgg_client_id(const struct drm_file *file)
{
#ifdef HAVE_DRM_SHOW_FDINFO
	return file->client_id;
#else
	return 0;
#endif
}

/*
 * The card can't be used any more, says the kernel to user space.
 */
static inline void vgg_wedged_event(struct drm_device *drm)
{
#if defined(HAVE_DRM_WEDGED)
	drm_dev_wedged_event(drm, DRM_WEDGE_RECOVERY_REBIND, NULL);
#elif defined(HAVE_DRM_WEDGED_PLAIN)
	drm_dev_wedged_event(drm, DRM_WEDGE_RECOVERY_REBIND);
#endif
}

/*
 * io_uring commands. A completion handed to the submitter's task is a function
 * made by VGG_URING_TASK_FN(), which calls its body with the command and flags.
 */
#if defined(HAVE_URING_SQE_TYPED)
#define vgg_uring_payload(cmd, type) io_uring_sqe_cmd((cmd)->sqe, type)
#elif defined(HAVE_URING_CMD_H)
#define vgg_uring_payload(cmd, type) \
	((const type *)io_uring_sqe_cmd((cmd)->sqe))
#else
#define vgg_uring_payload(cmd, type) ((const type *)(cmd)->cmd)
#endif

#ifdef HAVE_URING_DONE_32
#define vgg_uring_done(cmd, res, flags) io_uring_cmd_done(cmd, res, flags)
#else
#define vgg_uring_done(cmd, res, flags) io_uring_cmd_done(cmd, res, 0, flags)
#endif

#ifdef HAVE_URING_TW_REQ
#define VGG_URING_TASK_FN(name, body)                               \
	static void name(struct io_tw_req req, io_tw_token_t token) \
	{                                                           \
		body(io_uring_cmd_from_tw(req),                     \
		     IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);           \
	}
#else
#define VGG_URING_TASK_FN(name, body)                                  \
	static void name(struct io_uring_cmd *cmd, unsigned int flags) \
	{                                                              \
		body(cmd, flags);                                      \
	}
#endif

#endif
