// SPDX-License-Identifier: GPL-2.0
/*
 * What the driver knows, for people: a dump of the first error (devcoredump)
 * and the accounting of each file (fdinfo).
 *
 * The dump is text: the reason, the card's registers unless it is gone, the
 * rings, the jobs in flight, the contexts. It is made before the reset that
 * wipes all that out. Later errors follow from the first more often than not,
 * so there is one dump for each time the card is bound; reading it and writing
 * to it, as devcoredump has it, makes room for another.
 */
#include <linux/devcoredump.h>
#include <linux/vmalloc.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>

#include "vgg.h"

#define DUMP_BYTES (64 << 10)

static void dump_job(struct drm_printer *p, const struct vgg_job *job)
{
	drm_printf(p, "job ctx=%u seq=%llu stream=0x%llx bytes=%u tag=%u %s\n",
		   job->ctx->id, job->seq, job->stream, job->stream_bytes,
		   job->tag, job->direct ? "direct" : "scheduled");
}

/* Jobs in flight and the last completions; the lock keeps both. */
void vgg_dump_ring(struct vgg_device *v, struct drm_printer *p)
{
	struct vgg_ring *r = &v->ring;
	u32 mask = r->entries - 1, i;

	spin_lock_irq(&v->lock);
	drm_printf(p,
		   "ring entries=%u next=%u oldest=%u told=%u cq_head=%u "
		   "generation=%u running=%d\n",
		   r->entries, r->next, r->oldest, r->told, r->cq_head,
		   r->generation, r->running);
	for (i = r->oldest; i != r->next; i++)
		if (r->slot[i & mask])
			dump_job(p, r->slot[i & mask]);
	for (i = r->cq_head > 8 ? r->cq_head - 8 : 0; i != r->cq_head + 1;
	     i++) {
		const struct vgg_hw_cqe *e = &r->cq[i & (2 * r->entries - 1)];

		drm_printf(p,
			   "completion %u: seq=%u generation=%u status=0x%02x "
			   "index=%u tag=%u phase=%u\n",
			   i, le32_to_cpu(e->seq), le32_to_cpu(e->generation),
			   le16_to_cpu(e->status), le32_to_cpu(e->index),
			   le32_to_cpu(e->tag), le16_to_cpu(e->phase));
	}
	spin_unlock_irq(&v->lock);
}

void vgg_dump_registers(struct vgg_device *v, struct drm_printer *p)
{
	static const struct {
		const char *name;
		u32 offset;
	} regs[] = {
#define ROW(name, offset, reset, ro, w1c, text) { #name, offset },
		VGG_HW_REGS(ROW)
#undef ROW
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs) && !READ_ONCE(v->cut); i++)
		drm_printf(p, "0x%04x %-14s 0x%08x\n", regs[i].offset,
			   regs[i].name, vgg_reg_read(v, regs[i].offset));
}

void vgg_dump_contexts(struct vgg_device *v, struct drm_printer *p)
{
	struct vgg_ctx *ctx;

	mutex_lock(&v->mem_lock);
	list_for_each_entry(ctx, &v->ctxs, link) drm_printf(
		p,
		"ctx=%u pid=%d comm=%s submitted=%llu ended=%llu under_way=%u "
		"waiting=%u busy_cycles=%llu%s%s\n",
		ctx->id, ctx->pid, ctx->comm, ctx->seq, ctx->ended,
		ctx->under_way, ctx->waiting, ctx->busy_cycles,
		ctx->closing ? " closing" : "", ctx->lost ? " lost" : "");
	mutex_unlock(&v->mem_lock);
}

static size_t write_dump(struct vgg_device *v, const char *reason, char *to)
{
	struct drm_print_iterator it = { .data = to, .remain = DUMP_BYTES };
	struct drm_printer p = drm_coredump_printer(&it);

	drm_printf(&p, "vggaccel %s: %s\n", dev_name(&v->pdev->dev), reason);
	vgg_dump_registers(v, &p);
	vgg_dump_ring(v, &p);
	vgg_dump_contexts(v, &p);
	return DUMP_BYTES - it.remain;
}

/* reset_lock is held. */
void vgg_dump(struct vgg_device *v, const char *reason)
{
	size_t bytes;
	char *text;

	if (v->dumped)
		return;
	text = vzalloc(DUMP_BYTES);
	if (!text)
		return;
	bytes = write_dump(v, reason, text);
	v->dumped = true;
	/* It frees the text, now or when somebody has read it. */
	dev_coredumpv(&v->pdev->dev, text, bytes, GFP_KERNEL);
}

static u64 to_ns(const struct vgg_device *v, u64 cycles)
{
	return mul_u64_u32_div(cycles, NSEC_PER_MSEC, v->clock_khz);
}

void vgg_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	struct vgg_ctx *ctx = file->driver_priv;
	struct vgg_device *v = ctx->v;
	u64 cycles, ended, host = 0, local = 0;
	struct vgg_map *map;

	spin_lock_irq(&v->lock);
	cycles = ctx->busy_cycles;
	ended = ctx->ended;
	spin_unlock_irq(&v->lock);
	mutex_lock(&ctx->vm_lock);
	list_for_each_entry(map, &ctx->maps, link) *
		(map->bo->flags & DRM_VGGACCEL_BO_LOCAL ? &local : &host) +=
		map->bo->base.size;
	mutex_unlock(&ctx->vm_lock);
	drm_printf(p, "drm-engine-vgg:\t%llu ns\n", to_ns(v, cycles));
	drm_printf(p, "drm-cycles-vgg:\t%llu\n", cycles);
	drm_printf(p, "drm-maxfreq-vgg:\t%llu Hz\n", (u64)v->clock_khz * 1000);
	drm_printf(p, "drm-total-memory:\t%llu KiB\n", host >> 10);
	drm_printf(p, "drm-total-local:\t%llu KiB\n", local >> 10);
	drm_printf(p, "vggaccel-jobs:\t%llu\n", ended);
}
