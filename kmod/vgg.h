/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vggaccel: the objects of the driver and who owns what.
 *
 *   vgg_device   one card; lives until the last file, buffer and unbind is gone
 *     vgg_ring   its two rings; who writes to the card holds vgg_device.lock
 *   vgg_ctx      one open file: address space, queue, ring of results; lives
 *                until the file is closed and its last job has been retired
 *   vgg_bo       a buffer; lives until its last handle, mapping, dma-buf and
 *                job is gone
 *   vgg_map      a buffer in an address space; outlives its handle until the
 *                jobs that may use it have ended
 *   vgg_job      from submission to retirement
 *
 * Locks, outermost first:
 *   vgg_device.reset_lock  mutex: whoever stops and starts the card
 *   vgg_ctx.submit_lock    mutex: jobs get their numbers and places in order
 *   (dma_resv of buffers)
 *   vgg_ctx.vm_lock        mutex: address space, page tables, maps
 *   vgg_device.mem_lock    mutex: list of contexts, on-board memory
 *   vgg_device.lock        spinlock, irqs off: ring, job lists, card's state
 *
 *   vgg_device.bo_lock     rwsem, innermost but for dma_resv: list of buffers and
 *                          their mappings. Others' fences may be waited for under
 *                          it, so who lets our fences signal never takes it.
 *
 * Completion needs no lock but the last, and no access to the card: jobs are
 * found ended in the completion ring, which lies in host memory.
 */
#ifndef VGG_H
#define VGG_H

#include <linux/completion.h>
#include <linux/dma-fence.h>
#include <linux/idr.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <drm/drm_device.h>
#include <drm/drm_gem.h>
#include <drm/drm_mm.h>

#include "vgg_compat.h"
#include "include/vggaccel_hw.h"
#include "include/uapi/vggaccel_drm.h"

#define VGG_VA_BEGIN	 0x100000ull /* address 0 stays a mistake */
#define VGG_VA_END	 (1ull << VGG_VA_BITS)
#define VGG_HUGE_SIZE	 (1ull << VGG_HUGE_SHIFT)
#define VGG_BO_MAX	 (1ull << 36)

#define VGG_TIMEOUT_MAX_MS 600000u
#define VGG_RESULTS	 256 /* entries of a context's ring of results */
#define VGG_CTX_DEPTH	 128 /* jobs of a context under way; half of them */
#define VGG_SCHED_DEPTH	 64  /* jobs the scheduler has in the ring */

/*
 * Page tables of one address space (vgg_mmu.c).
 */
struct vgg_pt;

struct vgg_mmu {
	struct vgg_device *v;
	struct vgg_pt *root;
};

/*
 * The rings. Jobs are numbered by `next`; the low bits are their place in the
 * submission ring. Those from `oldest` up to `next` are in flight; the card
 * completes them in order.
 */
struct vgg_ring {
	u32 entries; /* of the submission ring; the other has twice as many */
	struct vgg_hw_sqe *sq;
	struct vgg_hw_cqe *cq;
	dma_addr_t sq_dma, cq_dma;
	struct vgg_job **slot, **spare; /* spare: for putting them in order */
	u32 next, oldest, told; /* told: to the card, by its doorbell */
	u32 cq_head, cq_told;
	u32 generation;
	u32 scheduled;	      /* of those in flight, the scheduler's */
	unsigned long since;  /* jiffies: the oldest job is at the card */
	bool running;	      /* the card may be told of new entries */
};

enum vgg_irq_mode {
	VGG_IRQ_POLL = DRM_VGGACCEL_IRQ_POLL,
	VGG_IRQ_INTX = DRM_VGGACCEL_IRQ_INTX,
	VGG_IRQ_MSI = DRM_VGGACCEL_IRQ_MSI,
};

/* Counters for debugfs and tests; under vgg_device.lock. */
#define VGG_STATS(S)                                                     \
	S(jobs) S(failed) S(doorbells) S(irqs) S(spurious) S(polls)      \
	S(lost_irqs) S(strays) S(resets) S(replayed) S(cancelled)

struct vgg_stats {
#define VGG_STAT(name) u64 name;
	VGG_STATS(VGG_STAT)
#undef VGG_STAT
};

struct vgg_device {
	struct drm_device drm;
	struct pci_dev *pdev;
	void __iomem *bar;
	bool coherent;

	/* What the card says of itself; constant. */
	u32 id[DRM_VGGACCEL_ID_WORDS];
	u32 clock_khz, contexts;
	u64 local_bytes;

	/* vgg_hw.c */
	bool cut;	  /* no register access now; READ_ONCE() */
	bool gone;	  /* for good, and so cut; READ_ONCE() */
	u32 stopped;	  /* by suspend, reset or AER: how often; reset_lock */
	bool aer_paused;  /* once by AER; its callbacks don't overlap */
	enum vgg_irq_mode irq_mode;
	int vectors;
	struct completion irq_test;
	u32 idle_irqs;	  /* INTx without any cause, in a row */
	bool intx_off;	  /* given up because it was held */
	struct hrtimer poll;
	bool polling;	  /* it is armed; lock */
	struct work_struct error_work;

	/* vgg_ring.c, vgg_recover.c */
	spinlock_t lock;
	struct vgg_ring ring;
	struct vgg_stats stats;
	struct llist_head done; /* jobs to retire */
	struct work_struct retire_work;
	struct delayed_work watchdog;
	bool watching;	    /* the watchdog is armed; lock */
	u32 watch_seen;	    /* ring.oldest at its last look */
	u32 watch_lost;	    /* lost interrupts in a row */
	bool held;	    /* the jobs' reference to its power; lock */
	u32 holders;	    /* jobs that are not retired; lock */
	struct mutex reset_lock;
	bool dumped;	    /* the first error has been dumped; reset_lock */

	struct drm_gpu_scheduler sched;

	struct mutex mem_lock;
	struct rw_semaphore bo_lock;
	struct list_head ctxs, bos;
	struct drm_mm local;
	struct ida ctx_ids;
	struct dma_pool *tables;
	struct vgg_scrub *scrub;

	struct dentry *debugfs;
};

static inline struct vgg_device *to_vgg(struct drm_device *drm)
{
	return container_of(drm, struct vgg_device, drm);
}

static inline int vgg_minor(const struct vgg_device *v)
{
	return vgg_drm_index(&v->drm);
}

/* Context 0 is the driver's own, see vgg_scrub.c; it has no entity. */
struct vgg_ctx {
	struct kref ref; /* the file, and each job */
	struct work_struct close, release;
	struct vgg_device *v;
	struct list_head link; /* vgg_device.ctxs */
	u32 id;		       /* as the card names it */
	pid_t pid;
	char comm[TASK_COMM_LEN];

	struct mutex vm_lock;
	struct vgg_mmu mmu;
	struct drm_mm va;
	struct list_head maps, zombies;

	struct mutex submit_lock;
	struct drm_sched_entity entity;
	u64 fence_context;
	u64 seq; /* of the last job */
	wait_queue_head_t room;

	/* under vgg_device.lock */
	struct list_head jobs; /* not retired, in order */
	u32 depth, under_way;  /* jobs that have not ended: limit, number */
	u32 waiting;	       /* at the scheduler */
	u64 killed;	       /* jobs up to this number don't start any more */
	bool closing;
	bool has_local, lost;  /* buffers in on-board memory; whose content went */
	u64 busy_cycles, ended;
	u32 timeout_ms;

	struct drm_vggaccel_result *results; /* vmalloc_user() */
};

struct vgg_bo {
	struct drm_gem_object base;
	struct list_head link; /* vgg_device.bos */
	u32 flags;	       /* DRM_VGGACCEL_BO_* */
	struct page **pages;   /* own host memory */
	struct sg_table *sgt;  /* mapped for the card; NULL once it is gone */
	struct drm_mm_node local;
};

static inline struct vgg_bo *to_bo(struct drm_gem_object *obj)
{
	return container_of(obj, struct vgg_bo, base);
}

struct vgg_map {
	struct list_head link; /* vgg_ctx.maps or .zombies */
	struct vgg_bo *bo;     /* a reference */
	struct drm_mm_node va;
	unsigned int handles;  /* of the same buffer in the same file */
	u64 last_seq;	       /* zombies: the last job that may use it */
};

/* Where a job is. */
enum vgg_job_state {
	VGG_JOB_NEW,
	VGG_JOB_WAITING, /* at the scheduler */
	VGG_JOB_RING,
	VGG_JOB_ENDED,
};

struct vgg_job {
	struct drm_sched_job base; /* unless direct */
	struct vgg_ctx *ctx;	   /* a reference */
	struct list_head link;	   /* vgg_ctx.jobs */
	struct llist_node done;	   /* vgg_device.done */
	enum vgg_job_state state;
	bool direct;		   /* past the scheduler */
	u64 seq;
	u64 stream;
	u32 stream_bytes, timeout_us, tag;
	unsigned long limit;	   /* jiffies at the card */
	struct dma_fence *fence;   /* a reference; NULL if `uring` is told */
	struct io_uring_cmd *uring;
};

/* How a job ended. */
struct vgg_outcome {
	int error;
	u32 status, index, tag, saturations;
	u64 cycles;
};

/* vgg_drv.c */
/* The second one is for those who let fences signal: never behind work that waits
 * for fences or memory. */
extern struct workqueue_struct *vgg_wq, *vgg_watch_wq;
extern char *vgg_irq_param;
extern unsigned int vgg_timeout_ms, vgg_coalesce_count, vgg_coalesce_us,
	vgg_poll_us;

/* vgg_ioctl.c */
long vgg_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long vgg_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/*
 * vgg_hw.c: the only file that touches registers. Once the card is gone, reads
 * give ~0 and writes do nothing, without any access.
 */
u32 vgg_reg_read(struct vgg_device *v, u32 reg);
void vgg_reg_write(struct vgg_device *v, u32 reg, u32 value);
u64 vgg_reg_read64(struct vgg_device *v, u32 lo);
int vgg_hw_identify(struct vgg_device *v);
/* Soft reset; -ETIMEDOUT, -ENODEV. */
int vgg_hw_reset(struct vgg_device *v);
/* Rings, interrupts and coalescing of a card that is not enabled; enables it. */
int vgg_hw_setup(struct vgg_device *v);
/* Fetches nothing any more and finishes its job, in so many ms; else a reset. */
void vgg_hw_disable(struct vgg_device *v, unsigned int ms);
bool vgg_hw_present(struct vgg_device *v);
/* No register access from here on, by whoever is on its way to one. */
void vgg_hw_cut(struct vgg_device *v);
/* A mark that the card keeps until it loses its power. */
void vgg_hw_mark(struct vgg_device *v);
bool vgg_hw_remembers(struct vgg_device *v);
int vgg_irq_init(struct vgg_device *v);
void vgg_irq_fini(struct vgg_device *v);
/* Without interrupts somebody has to look. */
void vgg_poll_kick(struct vgg_device *v); /* L */

/* vgg_ring.c; those marked (L) need vgg_device.lock */
int vgg_ring_init(struct vgg_device *v);
void vgg_ring_fini(struct vgg_device *v);
u32 vgg_ring_in_flight(struct vgg_device *v);		     /* L */
bool vgg_ring_has_room(struct vgg_device *v, bool scheduled); /* L */
void vgg_ring_put(struct vgg_device *v, struct vgg_job *job); /* L */
void vgg_ring_tell(struct vgg_device *v);		     /* L */
/* Ends what the card has completed; returns how many entries were new. */
u32 vgg_ring_reap(struct vgg_device *v);
u32 vgg_ring_reap_locked(struct vgg_device *v); /* L */
/* The card is told nothing any more; what it completes still counts. */
void vgg_ring_stop(struct vgg_device *v);
/* Puts everything in flight into the ring anew, for a card that starts anew;
 * between the two: vgg_hw_setup(). */
void vgg_ring_rewind(struct vgg_device *v);
void vgg_ring_start(struct vgg_device *v);
/* Takes jobs out of the ring: those of ctx, or all if it is NULL. The oldest
 * one gets `first`, the others `rest`. */
void vgg_ring_fail(struct vgg_device *v, struct vgg_ctx *ctx, int first,
		   int rest); /* L */

/* vgg_job.c */
struct vgg_job_args {
	u64 stream;
	u32 stream_bytes, timeout_us, tag;
	bool nowait;
};
int vgg_sched_create(struct vgg_device *v);
int vgg_ioctl_submit(struct drm_device *drm, void *data, struct drm_file *file);
struct vgg_job *vgg_job_create(struct vgg_ctx *ctx,
			       const struct vgg_job_args *args, gfp_t gfp);
int vgg_job_push_direct(struct vgg_job *job, bool nowait, u64 *seq);
void vgg_job_discard(struct vgg_job *job);
void vgg_job_end(struct vgg_job *job, const struct vgg_outcome *o); /* L */
void vgg_job_retire(struct vgg_job *job);
void vgg_retire_work(struct work_struct *work);
int vgg_status_errno(u32 status);

/* vgg_uring.c */
#if IS_ENABLED(CONFIG_IO_URING)
int vgg_uring_cmd(struct io_uring_cmd *cmd, unsigned int flags);
void vgg_uring_complete(struct vgg_job *job);
#else
#define vgg_uring_cmd NULL
static inline void vgg_uring_complete(struct vgg_job *job) { }
#endif

/* vgg_ctx.c */
struct vgg_ctx *vgg_ctx_create(struct vgg_device *v, u32 id, u32 depth);
int vgg_ctx_open(struct drm_device *drm, struct drm_file *file);
void vgg_ctx_close(struct drm_device *drm, struct drm_file *file);
void vgg_ctx_put(struct vgg_ctx *ctx);
/* Gives back what the jobs that have been retired kept alive. */
void vgg_ctx_collect(struct vgg_ctx *ctx);
int vgg_ctx_mmap_results(struct vgg_ctx *ctx, struct vm_area_struct *vma);

/* vgg_mmu.c */
int vgg_mmu_init(struct vgg_device *v, struct vgg_mmu *mmu);
void vgg_mmu_fini(struct vgg_mmu *mmu);
dma_addr_t vgg_mmu_root(const struct vgg_mmu *mmu);
int vgg_mmu_map(struct vgg_mmu *mmu, u64 va, u64 to, u64 bytes, u64 flags);
void vgg_mmu_unmap(struct vgg_mmu *mmu, u64 va, u64 bytes);
/* Nothing is mapped any more; the tables stay for vgg_mmu_fini(). */
void vgg_mmu_blind(struct vgg_mmu *mmu);

/* vgg_gem.c */
int vgg_ioctl_bo_create(struct drm_device *drm, void *data,
			struct drm_file *file);
int vgg_ioctl_bo_info(struct drm_device *drm, void *data,
		      struct drm_file *file);
int vgg_ioctl_bo_prep(struct drm_device *drm, void *data,
		      struct drm_file *file);
int vgg_ioctl_bo_fini(struct drm_device *drm, void *data,
		      struct drm_file *file);
struct vgg_bo *vgg_bo_alloc(struct drm_device *drm, size_t bytes, bool shmem);
void vgg_bo_track(struct vgg_bo *bo);
void vgg_bo_sync_cpu(struct vgg_bo *bo, u64 offset, u64 bytes);
void vgg_bo_sync_card(struct vgg_bo *bo, u64 offset, u64 bytes);
/* The card is going: nothing is mapped for it any more. */
void vgg_bo_revoke_all(struct vgg_device *v);

/* vgg_prime.c */
struct dma_buf *vgg_bo_export(struct drm_gem_object *obj, int flags);
struct drm_gem_object *vgg_prime_import(struct drm_device *drm,
					struct dma_buf *dma_buf);
struct drm_gem_object *vgg_bo_import(struct drm_device *drm,
				     struct dma_buf_attachment *attach,
				     struct sg_table *sgt);

/* vgg_vm.c: buffers in an address space */
int vgg_vm_open(struct drm_gem_object *obj, struct drm_file *file);
void vgg_vm_close(struct drm_gem_object *obj, struct drm_file *file);
int vgg_vm_address(struct vgg_ctx *ctx, struct vgg_bo *bo, u64 *address);
void vgg_map_free(struct vgg_ctx *ctx, struct vgg_map *map);

/* vgg_scrub.c: on-board memory is cleared before somebody gets it */
int vgg_scrub_init(struct vgg_device *v);
void vgg_scrub_fini(struct vgg_device *v);
int vgg_scrub(struct vgg_device *v, u64 at, u64 bytes);

/* vgg_recover.c */
void vgg_watch(struct vgg_device *v); /* L */
void vgg_watchdog(struct work_struct *work);
/* Neither asleep, nor being reset by somebody else, nor gone; as long as reset_lock
 * is held. */
bool vgg_reachable(const struct vgg_device *v);
/* What the card reports besides completions. */
void vgg_error_work(struct work_struct *work);
/* The card is gone for good: everything in flight fails. */
void vgg_lose(struct vgg_device *v, const char *reason);
/* For whoever takes the card away for a while; to be called in pairs. */
void vgg_pause(struct vgg_device *v);
void vgg_resume(struct vgg_device *v);

/* vgg_pm.c */
extern const struct dev_pm_ops vgg_pm_ops;
extern const struct pci_error_handlers vgg_error_handlers;
void vgg_pm_init(struct vgg_device *v);
void vgg_pm_fini(struct vgg_device *v);
/* From here to vgg_busy_put() it is awake; nowait: or about to be. */
int vgg_busy_get(struct vgg_device *v, bool nowait);
void vgg_busy_put(struct vgg_device *v);
/* The same for jobs. */
int vgg_hold(struct vgg_device *v, bool nowait);
void vgg_unhold(struct vgg_device *v);
bool vgg_hold_ends(struct vgg_device *v); /* L */

/* vgg_dump.c */
void vgg_dump_registers(struct vgg_device *v, struct drm_printer *p);
void vgg_dump_ring(struct vgg_device *v, struct drm_printer *p);
void vgg_dump_contexts(struct vgg_device *v, struct drm_printer *p);
void vgg_dump(struct vgg_device *v, const char *reason);
void vgg_show_fdinfo(struct drm_printer *p, struct drm_file *file);
/* vgg_debugfs.c */
void vgg_debugfs_init(void);
void vgg_debugfs_exit(void);
void vgg_debugfs_add(struct vgg_device *v);
void vgg_debugfs_remove(struct vgg_device *v);

#endif
