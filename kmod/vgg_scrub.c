// SPDX-License-Identifier: GPL-2.0
/*
 * On-board memory is cleared before somebody gets it: what the last owner left
 * there is nobody else's business, and only the card can reach it. So the driver
 * has a context of its own, number 0, in which all of that memory is mapped, and
 * submits FILL commands like anybody else.
 */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "vgg.h"

#define STREAM_VA VGG_VA_BEGIN
#define LOCAL_VA (VGG_VA_END / 2)
#define STREAM_BYTES (2 * VGG_CMD_SIZE)

struct vgg_scrub {
	struct vgg_ctx *ctx;
	struct mutex lock; /* one job at a time */
	void *stream;
	dma_addr_t stream_dma;
};

int vgg_scrub_init(struct vgg_device *v)
{
	struct vgg_scrub *s;
	int err = -ENOMEM;

	if (!v->local_bytes)
		return 0;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock);
	s->stream = dma_alloc_coherent(&v->pdev->dev, VGG_PAGE_SIZE,
				       &s->stream_dma, GFP_KERNEL);
	if (!s->stream)
		goto err_free;
	s->ctx = vgg_ctx_create(v, 0, 1);
	if (!s->ctx)
		goto err_stream;
	/* Not of the process that happens to load the module. */
	s->ctx->pid = 0;
	strscpy(s->ctx->comm, "(driver)", sizeof(s->ctx->comm));
	err = vgg_mmu_map(&s->ctx->mmu, STREAM_VA, s->stream_dma, VGG_PAGE_SIZE,
			  0);
	if (!err)
		err = vgg_mmu_map(&s->ctx->mmu, LOCAL_VA, 0, v->local_bytes,
				  VGG_PTE_LOCAL | VGG_PTE_WRITE);
	if (err)
		goto err_ctx;
	v->scrub = s;
	return 0;

err_ctx:
	vgg_ctx_put(s->ctx);
err_stream:
	dma_free_coherent(&v->pdev->dev, VGG_PAGE_SIZE, s->stream,
			  s->stream_dma);
err_free:
	kfree(s);
	return err;
}

void vgg_scrub_fini(struct vgg_device *v)
{
	struct vgg_scrub *s = v->scrub;

	if (!s)
		return;
	v->scrub = NULL;
	vgg_ctx_put(s->ctx);
	dma_free_coherent(&v->pdev->dev, VGG_PAGE_SIZE, s->stream,
			  s->stream_dma);
	kfree(s);
}

static void write_stream(struct vgg_scrub *s, u64 at, u32 bytes)
{
	struct vgg_hw_cmd_fill *fill = s->stream;
	struct vgg_hw_cmd_plain *end = s->stream + VGG_CMD_SIZE;

	*fill = (struct vgg_hw_cmd_fill){
		.head.opcode = cpu_to_le16(VGG_CMD_FILL),
		.dst = cpu_to_le64(LOCAL_VA + at),
		.width = cpu_to_le32(bytes),
		.height = cpu_to_le32(1),
	};
	*end = (struct vgg_hw_cmd_plain){
		.head.opcode = cpu_to_le16(VGG_CMD_END),
	};
}

static int run(struct vgg_device *v, u64 at, u32 bytes)
{
	const struct vgg_job_args args = {
		.stream = STREAM_VA,
		.stream_bytes = STREAM_BYTES,
	};
	struct vgg_scrub *s = v->scrub;
	struct drm_vggaccel_result *r;
	struct vgg_job *job;
	u64 seq;
	int err;

	write_stream(s, at, bytes);
	job = vgg_job_create(s->ctx, &args, GFP_KERNEL);
	if (!job)
		return -ENOMEM;
	err = vgg_job_push_direct(job, false, &seq);
	if (err) {
		vgg_job_discard(job);
		return err;
	}
	spin_lock_irq(&v->lock);
	vgg_ring_tell(v);
	spin_unlock_irq(&v->lock);
	/* It will end, by a reset at worst; and the memory is in use until it
	 * does, so no signal ends this. */
	r = &s->ctx->results[seq % VGG_RESULTS];
	wait_event(s->ctx->room, smp_load_acquire(&r->seq) == seq);
	return r->error;
}

int vgg_scrub(struct vgg_device *v, u64 at, u64 bytes)
{
	u64 done = 0;
	int err;

	err = mutex_lock_interruptible(&v->scrub->lock);
	if (err)
		return err;
	while (!err && done < bytes) {
		u32 n = min_t(u64, bytes - done, VGG_EXTENT_MAX);

		err = run(v, at + done, n);
		done += n;
	}
	mutex_unlock(&v->scrub->lock);
	return err;
}
