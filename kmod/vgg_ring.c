// SPDX-License-Identifier: GPL-2.0
/*
 * The two rings in host memory, and the jobs in flight.
 *
 * The card executes submissions one after the other, so completions arrive in
 * the order of the ring, and the next one can only be about the oldest job in
 * flight. Anything else is not believed: a wrong number, a generation from
 * before a reset, a second completion of the same job. It is counted, and if
 * the job it should have been about gets no other, the watchdog finds it.
 *
 * The completion ring is twice as large as the submission ring, and the card
 * hears of freed entries when it is told of new submissions. So it never runs
 * out of entries, and completion touches no register.
 *
 * After a reset the jobs still in the table are put into the ring again: see
 * vgg_recover.c. The submission ring starts at its beginning then; numbers go
 * on, so that their low bits remain the place in the ring.
 */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "vgg.h"
#include "vgg_trace.h"

#define RING_LOG2 9

static size_t sq_bytes(const struct vgg_ring *r)
{
	return r->entries * sizeof(*r->sq);
}

static size_t cq_bytes(const struct vgg_ring *r)
{
	return 2 * r->entries * sizeof(*r->cq);
}

int vgg_ring_init(struct vgg_device *v)
{
	u32 limit = v->id[VGG_REG_CAP_LIMITS / 4] >> 16;
	struct device *dev = &v->pdev->dev;
	struct vgg_ring *r = &v->ring;

	if (limit < 4 || limit > 31) {
		dev_err(dev, "a card with rings of at most 2^%u entries\n",
			limit);
		return -EPROTO;
	}
	r->entries = 1u << min_t(u32, RING_LOG2, limit - 1);
	r->slot = kcalloc(r->entries, sizeof(struct vgg_job *), GFP_KERNEL);
	r->spare = kcalloc(r->entries, sizeof(struct vgg_job *), GFP_KERNEL);
	r->sq = dma_alloc_coherent(dev, sq_bytes(r), &r->sq_dma, GFP_KERNEL);
	r->cq = dma_alloc_coherent(dev, cq_bytes(r), &r->cq_dma, GFP_KERNEL);
	if (r->slot && r->spare && r->sq && r->cq)
		return 0;
	vgg_ring_fini(v);
	return -ENOMEM;
}

void vgg_ring_fini(struct vgg_device *v)
{
	struct device *dev = &v->pdev->dev;
	struct vgg_ring *r = &v->ring;

	if (r->cq)
		dma_free_coherent(dev, cq_bytes(r), r->cq, r->cq_dma);
	if (r->sq)
		dma_free_coherent(dev, sq_bytes(r), r->sq, r->sq_dma);
	kfree(r->spare);
	kfree(r->slot);
	r->cq = NULL;
	r->sq = NULL;
	r->spare = NULL;
	r->slot = NULL;
}

u32 vgg_ring_in_flight(struct vgg_device *v)
{
	return v->ring.next - v->ring.oldest;
}

/* One entry stays free, so that full and empty differ. The scheduler's share is
 * kept free for it: it can't wait. */
bool vgg_ring_has_room(struct vgg_device *v, bool scheduled)
{
	const struct vgg_ring *r = &v->ring;
	u32 reserve = min_t(u32, VGG_SCHED_DEPTH, r->entries / 2);

	if (scheduled)
		return vgg_ring_in_flight(v) < r->entries - 1;
	return vgg_ring_in_flight(v) - r->scheduled < r->entries - 1 - reserve;
}

static void write_entry(struct vgg_device *v, const struct vgg_job *job,
			u32 seq)
{
	struct vgg_ring *r = &v->ring;

	r->sq[seq & (r->entries - 1)] = (struct vgg_hw_sqe){
		.seq = cpu_to_le32(seq),
		.context = cpu_to_le16(job->ctx->id),
		.root = cpu_to_le64(vgg_mmu_root(&job->ctx->mmu)),
		.stream = cpu_to_le64(job->stream),
		.stream_bytes = cpu_to_le32(job->stream_bytes),
		.timeout_us = cpu_to_le32(job->timeout_us),
		.tag = cpu_to_le32(job->tag),
		.generation = cpu_to_le32(r->generation),
	};
}

/* The card doesn't know of it until vgg_ring_tell(). */
void vgg_ring_put(struct vgg_device *v, struct vgg_job *job)
{
	struct vgg_ring *r = &v->ring;

	if (!vgg_ring_in_flight(v))
		r->since = jiffies;
	r->slot[r->next & (r->entries - 1)] = job;
	write_entry(v, job, r->next);
	r->next++;
	r->scheduled += !job->direct;
	job->state = VGG_JOB_RING;
	trace_vgg_start(v, job->ctx->id, job->seq, r->next - 1);
	vgg_watch(v);
}

void vgg_ring_tell(struct vgg_device *v)
{
	struct vgg_ring *r = &v->ring;

	if (!r->running || r->told == r->next)
		return;
	if (r->cq_head - r->cq_told >= r->entries / 2) {
		r->cq_told = r->cq_head;
		vgg_reg_write(v, VGG_REG_DB_CQ_HEAD,
			      r->cq_told & (2 * r->entries - 1));
	}
	r->told = r->next;
	v->stats.doorbells++;
	vgg_reg_write(v, VGG_REG_DB_SQ_TAIL, r->told & (r->entries - 1));
	vgg_poll_kick(v);
}

/* Takes the oldest job out of the table. */
static struct vgg_job *take_oldest(struct vgg_ring *r)
{
	struct vgg_job **slot = &r->slot[r->oldest & (r->entries - 1)];
	struct vgg_job *job = *slot;

	*slot = NULL;
	r->oldest++;
	r->since = jiffies;
	if (job)
		r->scheduled -= !job->direct;
	return job;
}

static void believe(struct vgg_device *v, const struct vgg_hw_cqe *cqe)
{
	struct vgg_ring *r = &v->ring;
	struct vgg_outcome o = {
		.status = le16_to_cpu(cqe->status),
		.index = le32_to_cpu(cqe->index),
		.tag = le32_to_cpu(cqe->tag),
		.saturations = le32_to_cpu(cqe->saturations),
		.cycles = le64_to_cpu(cqe->cycles),
	};
	struct vgg_job *job;

	if (le32_to_cpu(cqe->generation) != r->generation ||
	    !vgg_ring_in_flight(v) || le32_to_cpu(cqe->seq) != r->oldest ||
	    (s32)(r->told - r->oldest) <= 0) {
		v->stats.strays++;
		return;
	}
	o.error = vgg_status_errno(o.status);
	job = take_oldest(r);
	/* None: it has been condemned meanwhile. */
	if (job)
		vgg_job_end(job, &o);
}

u32 vgg_ring_reap_locked(struct vgg_device *v)
{
	struct vgg_ring *r = &v->ring;
	u32 mask = 2 * r->entries - 1, n = 0;

	/* Never more than there can be: the ring is the card's to write. */
	while (n <= mask) {
		struct vgg_hw_cqe *at = &r->cq[r->cq_head & mask], cqe;
		bool pass = r->cq_head & (mask + 1);
		u16 phase = le16_to_cpu(READ_ONCE(at->phase));

		/* 1 in the first pass over the ring, 0 in the second */
		if ((phase & 1) == pass)
			break;
		dma_rmb();
		cqe = *at;
		r->cq_head++;
		n++;
		believe(v, &cqe);
	}
	return n;
}

u32 vgg_ring_reap(struct vgg_device *v)
{
	unsigned long flags;
	u32 n;

	spin_lock_irqsave(&v->lock, flags);
	n = vgg_ring_reap_locked(v);
	spin_unlock_irqrestore(&v->lock, flags);
	return n;
}

void vgg_ring_stop(struct vgg_device *v)
{
	unsigned long flags;

	spin_lock_irqsave(&v->lock, flags);
	v->ring.running = false;
	vgg_ring_reap_locked(v);
	spin_unlock_irqrestore(&v->lock, flags);
}

/* Jobs in flight, in order, without the gaps of those that were taken out. */
static u32 collect(struct vgg_ring *r, u64 *replayed)
{
	u32 mask = r->entries - 1, n = 0, i;

	for (i = r->oldest; i != r->next; i++) {
		if (!r->slot[i & mask])
			continue;
		/* The others have only waited for the card. */
		*replayed += (s32)(r->told - i) > 0;
		r->spare[n++] = r->slot[i & mask];
		r->slot[i & mask] = NULL;
	}
	return n;
}

/* Before the card is enabled: a completion that it has kept from before must
 * find a ring that is ready, to be recognised by its generation. */
void vgg_ring_rewind(struct vgg_device *v)
{
	struct vgg_ring *r = &v->ring;
	unsigned long flags;
	u32 n, i;

	spin_lock_irqsave(&v->lock, flags);
	vgg_ring_reap_locked(v);
	n = collect(r, &v->stats.replayed);
	memset(r->cq, 0, cq_bytes(r));
	r->cq_head = r->cq_told = 0;
	r->next = round_up(r->next, r->entries);
	r->oldest = r->told = r->next;
	r->scheduled = 0;
	r->generation++;
	for (i = 0; i < n; i++)
		vgg_ring_put(v, r->spare[i]);
	spin_unlock_irqrestore(&v->lock, flags);
}

void vgg_ring_start(struct vgg_device *v)
{
	unsigned long flags;

	spin_lock_irqsave(&v->lock, flags);
	v->ring.running = true;
	vgg_ring_tell(v);
	spin_unlock_irqrestore(&v->lock, flags);
}

void vgg_ring_fail(struct vgg_device *v, struct vgg_ctx *ctx, int first,
		   int rest)
{
	struct vgg_ring *r = &v->ring;
	struct vgg_outcome o = { .error = first };
	u32 mask = r->entries - 1, i;

	for (i = r->oldest; i != r->next; i++) {
		struct vgg_job *job = r->slot[i & mask];

		if (!job || (ctx && job->ctx != ctx))
			continue;
		r->slot[i & mask] = NULL;
		r->scheduled -= !job->direct;
		o.status = o.error == -ETIMEDOUT ? VGG_STATUS_TIMEOUT :
						   VGG_STATUS_ABORTED;
		o.tag = job->tag;
		vgg_job_end(job, &o);
		o.error = rest;
	}
}
