// SPDX-License-Identifier: GPL-2.0
/*
 * Contexts: what an open file has of the card. See vgg.h for its parts.
 *
 * Closing a file ends its jobs: the one that runs is aborted, those behind it
 * find an empty address space, and the scheduler's don't start any more. The
 * context itself stays until the last of them has been retired, since the card
 * may use its page tables until then.
 */
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <drm/drm_file.h>

#include "vgg.h"

#define RESULT_BYTES (VGG_RESULTS * sizeof(struct drm_vggaccel_result))

struct vgg_ctx *vgg_ctx_create(struct vgg_device *v, u32 id, u32 depth)
{
	struct vgg_ctx *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);

	if (!ctx)
		return NULL;
	kref_init(&ctx->ref);
	ctx->v = v;
	ctx->id = id;
	ctx->depth = depth;
	ctx->pid = task_tgid_nr(current);
	get_task_comm(ctx->comm, current);
	mutex_init(&ctx->vm_lock);
	mutex_init(&ctx->submit_lock);
	init_waitqueue_head(&ctx->room);
	INIT_LIST_HEAD(&ctx->maps);
	INIT_LIST_HEAD(&ctx->zombies);
	INIT_LIST_HEAD(&ctx->jobs);
	ctx->fence_context = dma_fence_context_alloc(1);
	ctx->timeout_ms = clamp(vgg_timeout_ms, 1u, VGG_TIMEOUT_MAX_MS);
	ctx->results = vmalloc_user(RESULT_BYTES);
	if (!ctx->results)
		goto err_free;
	if (vgg_mmu_init(v, &ctx->mmu))
		goto err_results;
	drm_mm_init(&ctx->va, VGG_VA_BEGIN, VGG_VA_END - VGG_VA_BEGIN);
	/* It may outlive its file, by its jobs. */
	drm_dev_get(&v->drm);
	mutex_lock(&v->mem_lock);
	list_add_tail(&ctx->link, &v->ctxs);
	mutex_unlock(&v->mem_lock);
	return ctx;

err_results:
	vfree(ctx->results);
err_free:
	kfree(ctx);
	return NULL;
}

static void release_work(struct work_struct *work)
{
	struct vgg_ctx *ctx = container_of(work, struct vgg_ctx, release);
	struct vgg_device *v = ctx->v;

	vgg_ctx_collect(ctx);
	mutex_lock(&v->mem_lock);
	list_del(&ctx->link);
	/* Unless the unplug has taken it. */
	if (ctx->mmu.root)
		vgg_mmu_fini(&ctx->mmu);
	mutex_unlock(&v->mem_lock);
	if (ctx->id)
		ida_free(&v->ctx_ids, ctx->id);
	drm_mm_takedown(&ctx->va);
	vfree(ctx->results);
	mutex_destroy(&ctx->submit_lock);
	mutex_destroy(&ctx->vm_lock);
	kfree(ctx);
	drm_dev_put(&v->drm);
}

/* Not here: the last reference may be that of a job, put in work of the
 * scheduler, which the release of the device would wait for. */
static void release(struct kref *ref)
{
	struct vgg_ctx *ctx = container_of(ref, struct vgg_ctx, ref);

	INIT_WORK(&ctx->release, release_work);
	queue_work(vgg_wq, &ctx->release);
}

void vgg_ctx_put(struct vgg_ctx *ctx)
{
	kref_put(&ctx->ref, release);
}

int vgg_ctx_open(struct drm_device *drm, struct drm_file *file)
{
	struct vgg_device *v = to_vgg(drm);
	struct drm_gpu_scheduler *sched = &v->sched;
	struct vgg_ctx *ctx;
	int id, idx, err;

	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	id = ida_alloc_range(&v->ctx_ids, 1, v->contexts - 1, GFP_KERNEL);
	if (id < 0) {
		err = id == -ENOSPC ? -EBUSY : id;
		goto err_exit;
	}
	ctx = vgg_ctx_create(v, id, VGG_CTX_DEPTH);
	if (!ctx) {
		ida_free(&v->ctx_ids, id);
		err = -ENOMEM;
		goto err_exit;
	}
	err = drm_sched_entity_init(&ctx->entity, DRM_SCHED_PRIORITY_NORMAL,
				    &sched, 1, NULL);
	if (err)
		vgg_ctx_put(ctx);
	else
		file->driver_priv = ctx;
err_exit:
	drm_dev_exit(idx);
	return err;
}

/* (L) The scheduler would wait for what they depend on first. */
static void cancel_waiting(struct vgg_ctx *ctx)
{
	const struct vgg_outcome o = { .status = VGG_STATUS_ABORTED,
				       .error = -ECANCELED };
	struct vgg_job *job;

	list_for_each_entry(job, &ctx->jobs, link)
	{
		if (job->state != VGG_JOB_WAITING)
			continue;
		ctx->waiting--;
		vgg_job_end(job, &o);
	}
}

/* Ends what is in the ring, too: the job that runs, and soon those behind it. */
static void abort_jobs(struct vgg_ctx *ctx)
{
	struct vgg_device *v = ctx->v;
	bool any;

	spin_lock_irq(&v->lock);
	ctx->closing = true;
	cancel_waiting(ctx);
	any = !list_empty(&ctx->jobs);
	spin_unlock_irq(&v->lock);
	if (!any)
		return;
	mutex_lock(&v->mem_lock);
	vgg_mmu_blind(&ctx->mmu);
	mutex_unlock(&v->mem_lock);
	/* Not while somebody resets the card, who aborts it anyway. */
	if (mutex_trylock(&v->reset_lock)) {
		spin_lock_irq(&v->lock);
		if (v->ring.running)
			vgg_reg_write(v, VGG_REG_ABORT, VGG_ABORT_GO | ctx->id);
		spin_unlock_irq(&v->lock);
		mutex_unlock(&v->reset_lock);
	}
	wake_up_all(&ctx->room);
}

/*
 * The scheduler must have let go of an entity before it is taken away: one that
 * is killed while a job of it becomes ready may be left in the scheduler's tree.
 * A job that waits for a fence may keep it for a while, so nobody waits here.
 */
static void close_work(struct work_struct *work)
{
	struct vgg_ctx *ctx = container_of(work, struct vgg_ctx, close);

	drm_sched_entity_flush(&ctx->entity, MAX_SCHEDULE_TIMEOUT);
	drm_sched_entity_fini(&ctx->entity);
	vgg_ctx_put(ctx);
}

void vgg_ctx_close(struct drm_device *drm, struct drm_file *file)
{
	struct vgg_ctx *ctx = file->driver_priv;

	abort_jobs(ctx);
	INIT_WORK(&ctx->close, close_work);
	queue_work(vgg_wq, &ctx->close);
}

/* Buffers without a handle whose last job has been retired. */
void vgg_ctx_collect(struct vgg_ctx *ctx)
{
	struct vgg_device *v = ctx->v;
	struct vgg_map *map, *next;
	u64 oldest = U64_MAX;
	LIST_HEAD(free);

	if (list_empty_careful(&ctx->zombies))
		return;
	mutex_lock(&ctx->vm_lock);
	spin_lock_irq(&v->lock);
	if (!list_empty(&ctx->jobs))
		oldest =
			list_first_entry(&ctx->jobs, struct vgg_job, link)->seq;
	spin_unlock_irq(&v->lock);
	list_for_each_entry_safe(map, next, &ctx->zombies,
				 link) if (map->last_seq < oldest)
		list_move(&map->link, &free);
	list_for_each_entry_safe(map, next, &free, link) vgg_map_free(ctx, map);
	mutex_unlock(&ctx->vm_lock);
}

/* Page by page, since an unplug takes all mappings away; they come back. The
 * mapping holds the file, and the file the context. */
static vm_fault_t results_fault(struct vm_fault *vmf)
{
	struct vgg_ctx *ctx = vmf->vma->vm_private_data;
	unsigned long at = vmf->pgoff << PAGE_SHIFT;

	if (at >= RESULT_BYTES)
		return VM_FAULT_SIGBUS;
	vmf->page = vmalloc_to_page((void *)ctx->results + at);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct results_vm_ops = {
	.fault = results_fault,
};

int vgg_ctx_mmap_results(struct vgg_ctx *ctx, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	if (vma->vm_end - vma->vm_start > PAGE_ALIGN(RESULT_BYTES))
		return -EINVAL;
	vgg_vm_flags_clear(vma, VM_MAYWRITE);
	vgg_vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = ctx;
	vma->vm_ops = &results_vm_ops;
	return 0;
}
