// SPDX-License-Identifier: GPL-2.0
/*
 * When the card doesn't do what it should.
 *
 * While jobs are in flight the watchdog looks after the card a few times a
 * second. It needs no register as long as jobs complete. If they don't, it looks
 * into the completion ring (an interrupt was lost), then at the card: gone,
 * halted, idle although a job has not ended, or at work for longer than the
 * job's limit. All but the first end in recover(): the card is reset, the oldest
 * job fails, the other jobs of its context are cancelled (they follow one that
 * never ended, so what they would compute is worth nothing), and the jobs of
 * other contexts are put into the ring again. A job has no effect that a second
 * run wouldn't have, as long as nobody else writes to its inputs.
 *
 * The scheduler's own timeout isn't used: this one covers jobs that don't go
 * through it as well, and works the same on all kernels.
 *
 * Suspend, function-level reset and AER recovery stop and start the card by the
 * same two functions, vgg_pause() and vgg_resume().
 */
#include <linux/pci.h>

#include "vgg.h"
#include "vgg_trace.h"

#define WATCH_MS 50
#define LOST_IRQS_MAX 10

/* (L) Somebody must look, as long as there are jobs in flight. */
void vgg_watch(struct vgg_device *v)
{
	if (v->watching)
		return;
	v->watching = true;
	v->watch_seen = v->ring.oldest;
	queue_delayed_work(vgg_watch_wq, &v->watchdog,
			   msecs_to_jiffies(WATCH_MS));
}

/* (L) Completions without an interrupt: the ring is looked at more often. */
static void lost_irq(struct vgg_device *v)
{
	v->stats.lost_irqs++;
	if (v->irq_mode == VGG_IRQ_POLL || ++v->watch_lost < LOST_IRQS_MAX)
		return;
	dev_err(&v->pdev->dev, "interrupts get lost: polling from now on\n");
	v->irq_mode = VGG_IRQ_POLL;
	vgg_poll_kick(v);
}

/* A job that has not ended since the last look, and what was known then. */
struct suspect {
	u32 place, told;
	unsigned long since, limit;
};

/* What is wrong with a card that has not completed the oldest job, if anything
 * is; NULL: nothing. */
static const char *diagnose(struct vgg_device *v, const struct suspect *s,
			    int *error)
{
	u32 mask = v->ring.entries - 1;
	/* In this order: a card that has fetched everything and isn't busy after
	 * that has ended everything. */
	u32 head = vgg_reg_read(v, VGG_REG_SQ_HEAD);
	u32 status = vgg_reg_read(v, VGG_REG_STATUS);

	*error = -EIO;
	if (status == ~0u)
		return "the card does not answer";
	if (status & VGG_DEV_HALTED)
		return "the card has halted";
	if (head > mask)
		return "the card's ring index is out of range";
	if (!(status & VGG_DEV_BUSY) && head == (s->told & mask))
		return "the card is idle, but a job has not ended";
	*error = -ETIMEDOUT;
	if (time_after(jiffies, s->since + s->limit))
		return "a job exceeds its time limit";
	return NULL;
}

/* (L) Whether there is a suspect. Nothing in flight and nothing that keeps the
 * card awake: no need to look again. */
static bool look(struct vgg_device *v, struct suspect *s)
{
	struct vgg_ring *r = &v->ring;
	bool moved = v->watch_seen != r->oldest;
	struct vgg_job *job;

	if (!moved && vgg_ring_reap_locked(v))
		lost_irq(v);
	else if (moved)
		v->watch_lost = 0;
	v->watching = vgg_ring_in_flight(v) || v->held;
	moved = v->watch_seen != r->oldest;
	v->watch_seen = r->oldest;
	job = r->slot[r->oldest & (r->entries - 1)];
	/* One that the card doesn't know of yet can't have ended. */
	if (moved || !r->running || !job || r->told == r->oldest)
		return false;
	*s = (struct suspect){ r->oldest, r->told, r->since, job->limit };
	return true;
}

/* It may have ended while the card was asked. */
static bool has_moved(struct vgg_device *v, const struct suspect *s)
{
	bool moved;

	spin_lock_irq(&v->lock);
	vgg_ring_reap_locked(v);
	moved = v->ring.oldest != s->place;
	spin_unlock_irq(&v->lock);
	return moved;
}

/* Jobs that wait find out by themselves when it is their turn. */
static void wake_all(struct vgg_device *v)
{
	struct vgg_ctx *ctx;

	mutex_lock(&v->mem_lock);
	list_for_each_entry(ctx, &v->ctxs, link) wake_up_all(&ctx->room);
	mutex_unlock(&v->mem_lock);
}

/* reset_lock is held. */
static void lose_locked(struct vgg_device *v, const char *reason)
{
	bool was = READ_ONCE(v->gone);

	/* A card that didn't hear of its reset must not reach memory any more
	 * that is given back now. */
	pci_clear_master(v->pdev);
	WRITE_ONCE(v->gone, true);
	vgg_hw_cut(v);
	vgg_ring_stop(v);
	spin_lock_irq(&v->lock);
	vgg_ring_fail(v, NULL, -ENODEV, -ENODEV);
	v->ring.oldest = v->ring.told = v->ring.next;
	v->ring.scheduled = 0;
	spin_unlock_irq(&v->lock);
	wake_all(v);
	if (was || !reason)
		return;
	dev_err(&v->pdev->dev, "%s: lost\n", reason);
	vgg_dump(v, reason);
	vgg_wedged_event(&v->drm);
}

void vgg_lose(struct vgg_device *v, const char *reason)
{
	mutex_lock(&v->reset_lock);
	lose_locked(v, reason);
	mutex_unlock(&v->reset_lock);
}

/* (L) The culprit and what hangs on it; unless it has ended meanwhile. */
static void condemn(struct vgg_device *v, u32 place, int error)
{
	struct vgg_ring *r = &v->ring;
	struct vgg_job *job = NULL;

	vgg_ring_reap_locked(v);
	if (vgg_ring_in_flight(v) && r->oldest == place)
		job = r->slot[r->oldest & (r->entries - 1)];
	if (!job)
		return;
	dev_err(&v->pdev->dev, "job %llu of context %u (%s[%d]) fails\n",
		job->seq, job->ctx->id, job->ctx->comm, job->ctx->pid);
	job->ctx->killed = job->ctx->seq;
	vgg_ring_fail(v, job->ctx, error, -ECANCELED);
}

/* reset_lock is held, the ring is stopped, the card not enabled. */
static void start_again(struct vgg_device *v)
{
	vgg_ring_rewind(v);
	if (vgg_hw_setup(v))
		lose_locked(v, "the card can't be started again");
	else
		vgg_ring_start(v);
}

/*
 * reset_lock is held. Nothing ends before the reset: until then the card may
 * write to what would be given back.
 */
static void recover(struct vgg_device *v, const char *reason, u32 place,
		    int error)
{
	int err;

	if (!vgg_hw_present(v)) {
		lose_locked(v, "the card has fallen off the bus");
		return;
	}
	dev_err(&v->pdev->dev, "%s: resetting it\n", reason);
	trace_vgg_reset(v, reason);
	vgg_ring_stop(v);
	vgg_dump(v, reason);
	err = vgg_hw_reset(v);
	spin_lock_irq(&v->lock);
	v->stats.resets++;
	if (!err)
		condemn(v, place, error);
	spin_unlock_irq(&v->lock);
	if (err)
		lose_locked(v, "the card can't be reset");
	else
		start_again(v);
}

/* reset_lock is held. */
bool vgg_reachable(const struct vgg_device *v)
{
	return !v->stopped && !READ_ONCE(v->cut);
}

static void examine(struct vgg_device *v, const struct suspect *s)
{
	const char *wrong = NULL;
	int error;

	mutex_lock(&v->reset_lock);
	if (vgg_reachable(v))
		wrong = diagnose(v, s, &error);
	if (wrong && !has_moved(v, s))
		recover(v, wrong, s->place, error);
	mutex_unlock(&v->reset_lock);
}

void vgg_watchdog(struct work_struct *work)
{
	struct vgg_device *v = container_of(to_delayed_work(work),
					    struct vgg_device, watchdog);
	bool found, again, sleepy;
	struct suspect s;

	spin_lock_irq(&v->lock);
	sleepy = vgg_hold_ends(v);
	found = look(v, &s);
	again = v->watching;
	spin_unlock_irq(&v->lock);
	if (sleepy)
		vgg_busy_put(v);
	if (found)
		examine(v, &s);
	if (again)
		queue_delayed_work(vgg_watch_wq, &v->watchdog,
				   msecs_to_jiffies(WATCH_MS));
}

/*
 * What the card reports besides completions. The latch holds the first error;
 * those of jobs have been told to their owners by completions.
 */
static void read_errors(struct vgg_device *v)
{
	u32 status = vgg_reg_read(v, VGG_REG_STATUS);
	u32 code = vgg_reg_read(v, VGG_REG_ERR_CODE);

	if (status == ~0u) {
		recover(v, "the card does not answer", v->ring.oldest, -EIO);
		return;
	}
	trace_vgg_error(v, code, vgg_reg_read(v, VGG_REG_ERR_CONTEXT),
			vgg_reg_read(v, VGG_REG_ERR_SEQ));
	if (code >= VGG_STATUS_REG_OFFSET && code < VGG_STATUS_ECC)
		dev_err_ratelimited(&v->pdev->dev,
				    "the card reports status %02x at %08x\n",
				    code, vgg_reg_read(v, VGG_REG_ERR_ADDR_LO));
	vgg_reg_write(v, VGG_REG_ERR_STATUS, VGG_ERR_VALID | VGG_ERR_MORE);
	if (status & VGG_DEV_HALTED)
		recover(v, "the card has halted", v->ring.oldest, -EIO);
}

void vgg_error_work(struct work_struct *work)
{
	struct vgg_device *v =
		container_of(work, struct vgg_device, error_work);

	mutex_lock(&v->reset_lock);
	if (vgg_reachable(v))
		read_errors(v);
	mutex_unlock(&v->reset_lock);
}

void vgg_pause(struct vgg_device *v)
{
	mutex_lock(&v->reset_lock);
	v->stopped++;
	vgg_ring_stop(v);
	mutex_unlock(&v->reset_lock);
}

void vgg_resume(struct vgg_device *v)
{
	mutex_lock(&v->reset_lock);
	if (!--v->stopped && !READ_ONCE(v->gone))
		start_again(v);
	mutex_unlock(&v->reset_lock);
}
