// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs: from submission to retirement.
 *
 * A job of the SUBMIT ioctl goes through the DRM scheduler, which waits for its
 * in-fences, is fair among contexts, and puts it into the ring. A job that has
 * nothing to wait for and that io_uring brings goes into the ring at once, if
 * none of its context waits at the scheduler (jobs of a context keep their
 * order). Both end in vgg_job_end(), called with the device's lock, mostly from
 * an interrupt.
 *
 * Each job has a fence of its own, made at submission; the scheduler's fences
 * are seen by nobody else. So a fence's error is the job's on every kernel, and
 * it is signalled also if the job never reaches the scheduler's run_job().
 * Fences may outlive everything else here, so they refer to nothing but this
 * module's code, which they hold.
 *
 * A job that has ended, and that the scheduler has let go of, is retired by work
 * of our own: that may have to wait for a lock under which memory is allocated,
 * which the scheduler must not. One of io_uring is retired by the task that
 * fetches its completion, which needs no other process to be woken.
 */
#include <linux/dma-fence-chain.h>
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <drm/drm_file.h>
#include <drm/drm_managed.h>
#include <drm/drm_syncobj.h>

#include "vgg.h"
#include "vgg_trace.h"

struct vgg_fence {
	struct dma_fence base;
	spinlock_t lock;
};

static const char *fence_name(struct dma_fence *fence)
{
	return "vggaccel";
}

static void fence_release(struct dma_fence *fence)
{
	kfree_rcu(container_of(fence, struct vgg_fence, base), base.rcu);
	/* The last thing our code does for this fence; to unload the module
	 * takes longer than to return from here. */
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
	.release = fence_release,
};

static struct vgg_fence *fence_alloc(gfp_t gfp)
{
	struct vgg_fence *f = kzalloc(sizeof(*f), gfp);

	if (f)
		spin_lock_init(&f->lock);
	return f;
}

int vgg_status_errno(u32 status)
{
	switch (status) {
	case VGG_STATUS_OK:
		return 0;
	case VGG_STATUS_TIMEOUT:
		return -ETIMEDOUT;
	case VGG_STATUS_ABORTED:
		return -ECANCELED;
	case VGG_STATUS_SQE ... VGG_STATUS_RANGE - 1:
		return -EINVAL;
	case VGG_STATUS_RANGE ... VGG_STATUS_TIMEOUT - 1:
		return -EFAULT;
	default:
		return -EIO;
	}
}

/* Gets its number and its fence's only when it is pushed. */
struct vgg_job *vgg_job_create(struct vgg_ctx *ctx,
			       const struct vgg_job_args *args, gfp_t gfp)
{
	struct vgg_job *job = kzalloc(sizeof(*job), gfp);

	if (!job)
		return NULL;
	kref_get(&ctx->ref);
	job->ctx = ctx;
	job->stream = args->stream;
	job->stream_bytes = args->stream_bytes;
	job->timeout_us = args->timeout_us;
	job->tag = args->tag;
	INIT_LIST_HEAD(&job->link);
	return job;
}

/* Of a job that was never pushed. */
void vgg_job_discard(struct vgg_job *job)
{
	vgg_ctx_put(job->ctx);
	kfree(job);
}

/* Room for one more job of this context; it takes it. */
static bool take_room(struct vgg_ctx *ctx)
{
	struct vgg_device *v = ctx->v;
	bool yes;

	spin_lock_irq(&v->lock);
	yes = ctx->under_way < ctx->depth || READ_ONCE(v->gone);
	ctx->under_way += yes;
	spin_unlock_irq(&v->lock);
	return yes;
}

static void give_room(struct vgg_ctx *ctx)
{
	struct vgg_device *v = ctx->v;

	spin_lock_irq(&v->lock);
	ctx->under_way--;
	spin_unlock_irq(&v->lock);
	wake_up(&ctx->room);
}

static int wait_for_room(struct vgg_ctx *ctx, bool nowait)
{
	if (take_room(ctx))
		return 0;
	if (nowait)
		return -EAGAIN;
	return wait_event_interruptible(ctx->room, take_room(ctx));
}

/* (L) From now on it will end. */
static void enlist(struct vgg_job *job)
{
	struct vgg_ctx *ctx = job->ctx;

	job->seq = ++ctx->seq;
	job->limit = msecs_to_jiffies(ctx->timeout_ms);
	list_add_tail(&job->link, &ctx->jobs);
	ctx->v->stats.jobs++;
	trace_vgg_submit(ctx->v, ctx->id, job->seq, job->stream,
			 job->stream_bytes, job->direct);
}

static void record(struct vgg_job *job, const struct vgg_outcome *o)
{
	struct vgg_ctx *ctx = job->ctx;
	struct drm_vggaccel_result *r;

	if (!ctx->results)
		return;
	r = &ctx->results[job->seq % VGG_RESULTS];
	/* Who reads meanwhile finds no number, or sees it change. */
	WRITE_ONCE(r->seq, 0);
	smp_wmb();
	r->cycles = o->cycles;
	r->status = o->status;
	r->index = o->index;
	r->tag = o->tag;
	r->saturations = o->saturations;
	r->error = o->error;
	smp_store_release(&r->seq, job->seq);
}

/* The job, and with it its reference, may go with the signal. */
static void signal(struct dma_fence *fence, int error)
{
	dma_fence_get(fence);
	if (error)
		dma_fence_set_error(fence, error);
	dma_fence_signal(fence);
	dma_fence_put(fence);
}

static void retire_later(struct vgg_job *job)
{
	struct vgg_device *v = job->ctx->v;

	if (llist_add(&job->done, &v->done))
		queue_work(vgg_wq, &v->retire_work);
}

/*
 * (L) The job is over. The caller must not touch it any more: it may be freed at
 * once.
 */
void vgg_job_end(struct vgg_job *job, const struct vgg_outcome *outcome)
{
	struct vgg_outcome o = *outcome;
	struct vgg_ctx *ctx = job->ctx;
	struct vgg_device *v = ctx->v;

	if (ctx->closing && o.error)
		o.error = -ECANCELED;
	trace_vgg_complete(v, ctx->id, job->seq, o.status, o.error, o.cycles);
	job->state = VGG_JOB_ENDED;
	ctx->busy_cycles += o.cycles;
	ctx->ended++;
	v->stats.failed += !!o.error;
	v->stats.cancelled += o.error == -ECANCELED;
	record(job, &o);
	ctx->under_way--;
	wake_up(&ctx->room);
	if (job->uring)
		vgg_uring_complete(job);
	else if (job->direct)
		retire_later(job);
	else
		signal(job->fence, o.error);
}

void vgg_job_retire(struct vgg_job *job)
{
	struct vgg_ctx *ctx = job->ctx;
	struct vgg_device *v = ctx->v;

	spin_lock_irq(&v->lock);
	list_del(&job->link);
	v->holders--;
	spin_unlock_irq(&v->lock);
	vgg_ctx_collect(ctx);
	dma_fence_put(job->fence);
	vgg_ctx_put(ctx);
	kfree(job);
}

void vgg_retire_work(struct work_struct *work)
{
	struct vgg_device *v =
		container_of(work, struct vgg_device, retire_work);
	struct llist_node *list = llist_del_all(&v->done);
	struct vgg_job *job, *next;

	llist_for_each_entry_safe(job, next, list, done) vgg_job_retire(job);
}

/*
 * The scheduler's side.
 */
static struct vgg_job *to_job(struct drm_sched_job *base)
{
	return container_of(base, struct vgg_job, base);
}

/* Why a job can't start any more. */
static int check_start(const struct vgg_job *job)
{
	if (READ_ONCE(job->ctx->v->gone))
		return -ENODEV;
	if (READ_ONCE(job->ctx->lost))
		return -ESTALE;
	if (job->ctx->closing || job->seq <= job->ctx->killed)
		return -ECANCELED;
	return 0;
}

static struct dma_fence *run_job(struct drm_sched_job *base)
{
	struct vgg_job *job = to_job(base);
	struct vgg_device *v = job->ctx->v;
	struct dma_fence *fence = dma_fence_get(job->fence);
	struct vgg_outcome o = { .status = VGG_STATUS_ABORTED };

	spin_lock_irq(&v->lock);
	o.error = check_start(job);
	/* Its file may have been closed, and it ended, already. */
	if (job->state == VGG_JOB_WAITING) {
		job->ctx->waiting--;
		if (o.error) {
			vgg_job_end(job, &o);
		} else {
			vgg_ring_put(v, job);
			vgg_ring_tell(v);
		}
	}
	spin_unlock_irq(&v->lock);
	if (!o.error)
		return fence;
	dma_fence_put(fence);
	return ERR_PTR(o.error);
}

static void free_job(struct drm_sched_job *base)
{
	struct vgg_job *job = to_job(base);
	struct vgg_device *v = job->ctx->v;
	struct vgg_outcome o = { .status = VGG_STATUS_ABORTED,
				 .error = -ECANCELED };

	/* The entity was killed before it came to run_job(). */
	spin_lock_irq(&v->lock);
	if (job->state == VGG_JOB_WAITING) {
		job->ctx->waiting--;
		vgg_job_end(job, &o);
	}
	spin_unlock_irq(&v->lock);
	drm_sched_job_cleanup(base);
	retire_later(job);
}

static const struct drm_sched_backend_ops sched_ops = {
	.run_job = run_job,
	.free_job = free_job,
};

/* Files that are still open after an unplug own entities, so the scheduler goes
 * with the last reference to the device. */
static void sched_release(struct drm_device *drm, void *sched)
{
	drm_sched_fini(sched);
}

int vgg_sched_create(struct vgg_device *v)
{
	u32 depth = min_t(u32, VGG_SCHED_DEPTH, v->ring.entries / 2);
	int err = vgg_sched_init(&v->sched, &sched_ops, depth, &v->pdev->dev);

	return err ? err :
		     drmm_add_action_or_reset(&v->drm, sched_release,
					      &v->sched);
}

/*
 * Past the scheduler.
 */
static int push_direct(struct vgg_job *job, u64 *seq)
{
	struct vgg_ctx *ctx = job->ctx;
	struct vgg_device *v = ctx->v;
	int err = 0;

	spin_lock_irq(&v->lock);
	if (READ_ONCE(v->gone))
		err = -ENODEV;
	else if (ctx->closing)
		err = -ECANCELED;
	else if (READ_ONCE(ctx->lost))
		err = -ESTALE;
	else if (ctx->waiting || !vgg_ring_has_room(v, false))
		err = -EAGAIN;
	if (!err) {
		job->direct = true;
		enlist(job);
		*seq = job->seq;
		vgg_ring_put(v, job);
	}
	spin_unlock_irq(&v->lock);
	return err;
}

/* Takes over the job if it returns 0. Doesn't tell the card. */
int vgg_job_push_direct(struct vgg_job *job, bool nowait, u64 *seq)
{
	struct vgg_ctx *ctx = job->ctx;
	int err;

	err = vgg_hold(ctx->v, nowait);
	if (err)
		return err;
	for (;;) {
		err = wait_for_room(ctx, nowait);
		if (err)
			goto err_hold;
		err = push_direct(job, seq);
		if (!err)
			return 0;
		give_room(ctx);
		if (err != -EAGAIN || nowait)
			goto err_hold;
		/* Others fill the ring, or jobs of its own wait for fences. */
		if (schedule_timeout_interruptible(1) &&
		    signal_pending(current)) {
			err = -ERESTARTSYS;
			goto err_hold;
		}
	}

err_hold:
	vgg_unhold(ctx->v);
	return err;
}

/*
 * SUBMIT.
 */
struct submission {
	struct drm_file *file;
	struct vgg_ctx *ctx;
	struct drm_vggaccel_submit *args;
	struct vgg_job *job;
	struct vgg_fence *fence;
	struct drm_vggaccel_bo_ref *refs;
	struct drm_gem_object **bos;
	struct drm_vggaccel_sync *outs;
	struct drm_syncobj **syncobjs;
	struct dma_fence_chain **chains;
	struct ww_acquire_ctx ticket;
};

static void *copy_array(u64 from, u32 count, u32 limit, size_t size)
{
	if (count > limit)
		return ERR_PTR(-E2BIG);
	if (!count)
		return NULL;
	return vmemdup_user(u64_to_user_ptr(from), array_size(count, size));
}

static int find_bos(struct submission *s)
{
	u32 n = s->args->bo_count, i;

	s->refs = copy_array(s->args->bos, n, DRM_VGGACCEL_MAX_BOS,
			     sizeof(*s->refs));
	if (IS_ERR_OR_NULL(s->refs))
		return PTR_ERR_OR_ZERO(s->refs);
	s->bos = kvcalloc(n, sizeof(*s->bos), GFP_KERNEL);
	if (!s->bos)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		u32 access = s->refs[i].access;

		if (!access || access & ~(DRM_VGGACCEL_ACCESS_READ |
					  DRM_VGGACCEL_ACCESS_WRITE))
			return -EINVAL;
		s->bos[i] = drm_gem_object_lookup(s->file, s->refs[i].handle);
		if (!s->bos[i])
			return -ENOENT;
	}
	return 0;
}

static int find_outs(struct submission *s)
{
	u32 n = s->args->out_count, i;

	s->outs = copy_array(s->args->out_syncs, n, DRM_VGGACCEL_MAX_SYNCS,
			     sizeof(*s->outs));
	if (IS_ERR_OR_NULL(s->outs))
		return PTR_ERR_OR_ZERO(s->outs);
	s->syncobjs = kcalloc(n, sizeof(*s->syncobjs), GFP_KERNEL);
	s->chains = kcalloc(n, sizeof(*s->chains), GFP_KERNEL);
	if (!s->syncobjs || !s->chains)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		if (s->outs[i].reserved)
			return -EINVAL;
		s->syncobjs[i] = drm_syncobj_find(s->file, s->outs[i].handle);
		if (!s->syncobjs[i])
			return -ENOENT;
		if (!s->outs[i].point)
			continue;
		s->chains[i] = dma_fence_chain_alloc();
		if (!s->chains[i])
			return -ENOMEM;
	}
	return 0;
}

static int add_ins(struct submission *s)
{
	u32 n = s->args->in_count, i;
	struct drm_vggaccel_sync *ins;
	int err = 0;

	ins = copy_array(s->args->in_syncs, n, DRM_VGGACCEL_MAX_SYNCS,
			 sizeof(*ins));
	if (IS_ERR_OR_NULL(ins))
		return PTR_ERR_OR_ZERO(ins);
	for (i = 0; i < n && !err; i++) {
		struct dma_fence *fence;

		if (ins[i].reserved) {
			err = -EINVAL;
			break;
		}
		err = drm_syncobj_find_fence(s->file, ins[i].handle,
					     ins[i].point, 0, &fence);
		/* Takes over the reference, also when it fails. */
		if (!err)
			err = drm_sched_job_add_dependency(&s->job->base,
							   fence);
	}
	kvfree(ins);
	return err;
}

/* A reader waits for writers, a writer for all; but not for jobs of its own
 * context, which run in their order anyway. */
static int add_implicit(struct submission *s, struct drm_gem_object *obj,
			bool write)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	int err = 0;

	dma_resv_for_each_fence(&cursor, obj->resv, dma_resv_usage_rw(write),
				fence)
	{
		if (fence->context == s->ctx->fence_context)
			continue;
		err = drm_sched_job_add_dependency(&s->job->base,
						   dma_fence_get(fence));
		if (err)
			break;
	}
	return err;
}

/* Buffers are locked from here on until push() has attached the fence. */
static int lock_bos(struct submission *s)
{
	u32 n = s->args->bo_count, i;
	int err = drm_gem_lock_reservations(s->bos, n, &s->ticket);

	if (err)
		return err == -EALREADY ? -EINVAL : err;
	for (i = 0; i < n && !err; i++) {
		bool write = s->refs[i].access & DRM_VGGACCEL_ACCESS_WRITE;

		err = dma_resv_reserve_fences(s->bos[i]->resv, 1);
		if (!err)
			err = add_implicit(s, s->bos[i], write);
	}
	if (err)
		drm_gem_unlock_reservations(s->bos, n, &s->ticket);
	return err;
}

static void attach(struct submission *s, struct dma_fence *fence)
{
	u32 i;

	for (i = 0; i < s->args->bo_count; i++)
		dma_resv_add_fence(s->bos[i]->resv, fence,
				   s->refs[i].access &
						   DRM_VGGACCEL_ACCESS_WRITE ?
					   DMA_RESV_USAGE_WRITE :
					   DMA_RESV_USAGE_READ);
	for (i = 0; i < s->args->out_count; i++) {
		if (s->chains[i])
			drm_syncobj_add_point(s->syncobjs[i], s->chains[i],
					      fence, s->outs[i].point);
		else
			drm_syncobj_replace_fence(s->syncobjs[i], fence);
		s->chains[i] = NULL;
	}
}

/* Nothing fails from here on: the job is the scheduler's. */
static void push(struct submission *s)
{
	struct vgg_ctx *ctx = s->ctx;
	struct vgg_job *job = s->job;
	struct vgg_device *v = ctx->v;

	drm_sched_job_arm(&job->base);
	spin_lock_irq(&v->lock);
	enlist(job);
	job->state = VGG_JOB_WAITING;
	ctx->waiting++;
	spin_unlock_irq(&v->lock);
	__module_get(THIS_MODULE);
	dma_fence_init(&s->fence->base, &fence_ops, &s->fence->lock,
		       ctx->fence_context, job->seq);
	job->fence = &s->fence->base;
	attach(s, job->fence);
	s->args->seq = job->seq;
	s->job = NULL;
	s->fence = NULL;
	drm_sched_entity_push_job(&job->base);
}

static int submit_locked(struct submission *s)
{
	int err = 0;

	if (s->args->bo_count)
		err = lock_bos(s);
	if (err)
		return err;
	push(s);
	if (s->args->bo_count)
		drm_gem_unlock_reservations(s->bos, s->args->bo_count,
					    &s->ticket);
	return 0;
}

static int prepare(struct submission *s)
{
	const struct vgg_job_args args = {
		.stream = s->args->stream,
		.stream_bytes = s->args->stream_bytes,
		.timeout_us = s->args->timeout_us,
		.tag = s->args->tag,
	};
	int err = find_bos(s);

	if (!err)
		err = find_outs(s);
	if (err)
		return err;
	s->fence = fence_alloc(GFP_KERNEL);
	if (!s->fence)
		return -ENOMEM;
	s->job = vgg_job_create(s->ctx, &args, GFP_KERNEL);
	if (!s->job)
		return -ENOMEM;
	err = vgg_sched_job_init(&s->job->base, &s->ctx->entity, s->file,
				 vgg_client_id(s->file));
	if (err) {
		vgg_job_discard(s->job);
		s->job = NULL;
		return err;
	}
	return add_ins(s);
}

static void clean_up(struct submission *s)
{
	u32 i;

	if (s->job) {
		drm_sched_job_cleanup(&s->job->base);
		vgg_job_discard(s->job);
	}
	kfree(s->fence);
	for (i = 0; s->bos && i < s->args->bo_count; i++)
		if (s->bos[i])
			drm_gem_object_put(s->bos[i]);
	for (i = 0; s->syncobjs && i < s->args->out_count; i++)
		if (s->syncobjs[i])
			drm_syncobj_put(s->syncobjs[i]);
	for (i = 0; s->chains && i < s->args->out_count; i++)
		dma_fence_chain_free(s->chains[i]);
	kvfree(s->bos);
	if (!IS_ERR(s->refs))
		kvfree(s->refs);
	if (!IS_ERR(s->outs))
		kvfree(s->outs);
	kfree(s->syncobjs);
	kfree(s->chains);
}

int vgg_ioctl_submit(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct vgg_device *v = to_vgg(drm);
	struct submission s = { .file = file,
				.ctx = file->driver_priv,
				.args = data };
	bool nowait = s.args->flags & DRM_VGGACCEL_SUBMIT_NOWAIT;
	int err;

	if (s.args->flags & ~DRM_VGGACCEL_SUBMIT_NOWAIT)
		return -EINVAL;
	if (READ_ONCE(s.ctx->lost))
		return -ESTALE;
	err = wait_for_room(s.ctx, nowait);
	if (err)
		return err;
	err = vgg_hold(v, false);
	if (err)
		goto err_room;
	err = prepare(&s);
	if (!err) {
		mutex_lock(&s.ctx->submit_lock);
		err = submit_locked(&s);
		mutex_unlock(&s.ctx->submit_lock);
	}
	clean_up(&s);
	if (!err)
		return 0;
	vgg_unhold(v);
err_room:
	give_room(s.ctx);
	return err;
}
