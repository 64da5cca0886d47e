// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs by io_uring: IORING_OP_URING_CMD on the node, see vggaccel_drm.h.
 *
 * The entry holds the whole job, so nothing is copied from the process, nothing
 * is looked up, and the job goes into the ring in the submitter's context. Where
 * io_uring submits several entries at once, the card is told when the last one
 * is in the ring: io_uring plugs the block layer around such a batch, and we
 * hook into that plug. The completion is handed to the submitter's task, which
 * fetches many at a time.
 */
#include <linux/blkdev.h>
#include <linux/fs.h>

#include "vgg.h"

/* What a command remembers while it is the card's, and then the task's. */
struct pdu {
	struct vgg_job *job;
};

static void tell_locked(struct vgg_device *v)
{
	unsigned long flags;

	spin_lock_irqsave(&v->lock, flags);
	vgg_ring_tell(v);
	spin_unlock_irqrestore(&v->lock, flags);
}

#if defined(HAVE_BLK_PLUG_CB) && IS_ENABLED(CONFIG_BLOCK)
static void on_unplug(struct blk_plug_cb *cb, bool from_schedule)
{
	tell_locked(cb->data);
	kfree(cb);
}

static bool batched(struct vgg_device *v)
{
	return blk_check_plugged(on_unplug, v, sizeof(struct blk_plug_cb));
}
#else
static bool batched(struct vgg_device *v)
{
	return false;
}
#endif

static void finish(struct io_uring_cmd *cmd, unsigned int flags)
{
	struct vgg_job *job = ((struct pdu *)cmd->pdu)->job;
	s32 res = job->seq & GENMASK(29, 0);

	/* First: what the completion's reader does may need what it held. */
	vgg_job_retire(job);
	vgg_uring_done(cmd, res, flags);
}

VGG_URING_TASK_FN(finish_in_task, finish)

void vgg_uring_complete(struct vgg_job *job)
{
	struct io_uring_cmd *cmd = job->uring;

	((struct pdu *)cmd->pdu)->job = job;
	io_uring_cmd_complete_in_task(cmd, finish_in_task);
}

int vgg_uring_cmd(struct io_uring_cmd *cmd, unsigned int flags)
{
	const struct drm_vggaccel_uring_submit *from =
		vgg_uring_payload(cmd, struct drm_vggaccel_uring_submit);
	struct drm_file *file = cmd->file->private_data;
	struct vgg_ctx *ctx = file->driver_priv;
	bool nowait = flags & IO_URING_F_NONBLOCK;
	struct vgg_device *v = ctx->v;
	/* The ring is shared with the process: read once. */
	const struct vgg_job_args args = {
		.stream = READ_ONCE(from->stream),
		.stream_bytes = READ_ONCE(from->stream_bytes),
		.tag = READ_ONCE(from->tag),
	};
	struct vgg_job *job;
	u64 seq;
	int err;

	BUILD_BUG_ON(sizeof(struct pdu) > sizeof(cmd->pdu));
	if (cmd->cmd_op != DRM_VGGACCEL_URING_SUBMIT)
		return -ENOTTY;
	job = vgg_job_create(ctx, &args, GFP_KERNEL);
	if (!job)
		return -ENOMEM;
	job->uring = cmd;
	err = vgg_job_push_direct(job, nowait, &seq);
	if (err) {
		vgg_job_discard(job);
		return err == -ERESTARTSYS ? -EINTR : err;
	}
	if (!batched(v))
		tell_locked(v);
	return -EIOCBQUEUED;
}
