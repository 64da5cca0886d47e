// SPDX-License-Identifier: GPL-2.0
/*
 * Power, function-level reset and PCIe errors: all of them stop the card, and
 * start it again with the jobs that were in flight.
 *
 * A card without jobs goes to D3hot after a while. On-board memory keeps its
 * content there, and through all resets, but not without power, which system
 * sleep may take away. The card tells by its SCRATCH register, which goes with
 * it: then contexts that had buffers there can't go on.
 */
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "vgg.h"
#include "vgg_trace.h"

/* To a process a pause of a tenth of a second is the end of its work; waking
 * the card costs it about ten milliseconds (PCIe: D3hot to D0). */
#define IDLE_MS 100
#define FINISH_MS 2000

/* Keeps the card awake. nowait: it may wake up only later; jobs that are put into
 * the ring meanwhile are told to it then, in their order. */
int vgg_busy_get(struct vgg_device *v, bool nowait)
{
	struct device *dev = &v->pdev->dev;
	int err;

	if (READ_ONCE(v->gone))
		return -ENODEV;
	err = pm_runtime_get(dev);
	if (err == 1 || err == -EACCES)
		return 0;
	if (nowait && (err == 0 || err == -EINPROGRESS))
		return 0;
	if (nowait) {
		pm_runtime_put_noidle(dev);
		return -EAGAIN;
	}
	err = pm_runtime_get_sync(dev);
	pm_runtime_put_noidle(dev);
	if (err >= 0)
		return 0;
	pm_runtime_put_noidle(dev);
	return err;
}

void vgg_busy_put(struct vgg_device *v)
{
	struct device *dev = &v->pdev->dev;

	pm_runtime_mark_last_busy(dev);
	pm_runtime_put_autosuspend(dev);
}

/*
 * Jobs share one reference. The first of them takes it, and the watchdog gives it
 * back when it finds that there are none: asking the PM core twice for each job
 * would cost as much as the job.
 */
int vgg_hold(struct vgg_device *v, bool nowait)
{
	bool held;
	int err;

	spin_lock_irq(&v->lock);
	held = v->held && !READ_ONCE(v->gone);
	v->holders += held;
	spin_unlock_irq(&v->lock);
	if (held)
		return 0;
	err = vgg_busy_get(v, nowait);
	if (err)
		return err;
	spin_lock_irq(&v->lock);
	/* An unbind sets it before it takes the lock, and stops the watchdog
	 * after that. */
	if (READ_ONCE(v->gone)) {
		spin_unlock_irq(&v->lock);
		vgg_busy_put(v);
		return -ENODEV;
	}
	held = v->held;
	v->held = true;
	v->holders++;
	vgg_watch(v);
	spin_unlock_irq(&v->lock);
	if (held) /* by somebody else, meanwhile */
		vgg_busy_put(v);
	return 0;
}

void vgg_unhold(struct vgg_device *v)
{
	spin_lock_irq(&v->lock);
	v->holders--;
	spin_unlock_irq(&v->lock);
}

/* (L) If it returns true, vgg_busy_put() has to follow. */
bool vgg_hold_ends(struct vgg_device *v)
{
	bool ends = v->held && !v->holders;

	v->held &= !ends;
	return ends;
}

void vgg_pm_init(struct vgg_device *v)
{
	struct device *dev = &v->pdev->dev;

	pm_runtime_set_autosuspend_delay(dev, IDLE_MS);
	pm_runtime_use_autosuspend(dev);
	pm_runtime_mark_last_busy(dev);
	/* The PCI core took a reference and forbade it. */
	pm_runtime_allow(dev);
	pm_runtime_put_autosuspend(dev);
}

void vgg_pm_fini(struct vgg_device *v)
{
	struct device *dev = &v->pdev->dev;

	pm_runtime_get_sync(dev);
	pm_runtime_forbid(dev);
	pm_runtime_dont_use_autosuspend(dev);
}

/*
 * Sleep. The card is disabled and keeps its registers in D3hot, where it can't be
 * asked for them: not even by the handler of a line that it shares.
 */
static int suspend(struct device *dev)
{
	struct vgg_device *v = dev_get_drvdata(dev);

	vgg_pause(v);
	vgg_hw_disable(v, FINISH_MS);
	vgg_hw_cut(v);
	return 0;
}

/* What lay in on-board memory is gone, and with it the sense of jobs that were
 * under way: they must not be run again. The ring is stopped. */
static void lose_local(struct vgg_device *v)
{
	struct vgg_ctx *ctx;

	dev_warn(&v->pdev->dev,
		 "the card has lost its memory with its power\n");
	mutex_lock(&v->mem_lock);
	list_for_each_entry(ctx, &v->ctxs, link)
	{
		if (!READ_ONCE(ctx->has_local))
			continue;
		spin_lock_irq(&v->lock);
		vgg_ring_reap_locked(v);
		WRITE_ONCE(ctx->lost, true);
		vgg_ring_fail(v, ctx, -ESTALE, -ESTALE);
		spin_unlock_irq(&v->lock);
	}
	mutex_unlock(&v->mem_lock);
}

static int resume(struct device *dev)
{
	struct vgg_device *v = dev_get_drvdata(dev);

	WRITE_ONCE(v->cut, READ_ONCE(v->gone));
	if (vgg_hw_present(v) && !vgg_hw_remembers(v))
		lose_local(v);
	vgg_hw_mark(v);
	vgg_resume(v);
	return 0;
}

const struct dev_pm_ops vgg_pm_ops = { SYSTEM_SLEEP_PM_OPS(
	suspend, resume) RUNTIME_PM_OPS(suspend, resume, NULL) };

/*
 * Function-level reset, asked for through sysfs. It also brings back a card that
 * had fallen off the bus.
 */
static void reset_prepare(struct pci_dev *pdev)
{
	struct vgg_device *v = pci_get_drvdata(pdev);

	vgg_pause(v);
	vgg_hw_disable(v, 0);
	vgg_hw_cut(v);
}

static void come_back(struct vgg_device *v)
{
	bool was_gone = READ_ONCE(v->gone);

	WRITE_ONCE(v->cut, false);
	WRITE_ONCE(v->gone, false);
	if (!vgg_hw_present(v)) {
		vgg_lose(v, "no card after the reset");
		return;
	}
	/* vgg_lose() has taken it away, perhaps. */
	pci_set_master(v->pdev);
	vgg_hw_mark(v);
	if (was_gone)
		dev_info(&v->pdev->dev, "the card is back\n");
}

static void reset_done(struct pci_dev *pdev)
{
	struct vgg_device *v = pci_get_drvdata(pdev);

	trace_vgg_reset(v, "function-level reset");
	come_back(v);
	vgg_resume(v);
}

/*
 * AER. While the channel is frozen no register is touched. However often an
 * error is reported, the card is stopped once for it.
 */
static void aer_resume(struct vgg_device *v)
{
	if (!v->aer_paused)
		return;
	v->aer_paused = false;
	vgg_resume(v);
}

static pci_ers_result_t error_detected(struct pci_dev *pdev,
				       pci_channel_state_t state)
{
	struct vgg_device *v = pci_get_drvdata(pdev);

	dev_warn(&pdev->dev, "PCIe error, channel state %d\n", state);
	if (state == pci_channel_io_normal)
		return PCI_ERS_RESULT_CAN_RECOVER;
	if (!v->aer_paused)
		vgg_pause(v);
	v->aer_paused = true;
	vgg_hw_cut(v);
	if (state == pci_channel_io_frozen)
		return PCI_ERS_RESULT_NEED_RESET;
	vgg_lose(v, "PCIe gave the card up");
	aer_resume(v);
	return PCI_ERS_RESULT_DISCONNECT;
}

static pci_ers_result_t slot_reset(struct pci_dev *pdev)
{
	struct vgg_device *v = pci_get_drvdata(pdev);

	pci_restore_state(pdev);
	pci_save_state(pdev);
	trace_vgg_reset(v, "slot reset");
	come_back(v);
	if (!READ_ONCE(v->gone))
		return PCI_ERS_RESULT_RECOVERED;
	aer_resume(v);
	return PCI_ERS_RESULT_DISCONNECT;
}

static void error_resume(struct pci_dev *pdev)
{
	struct vgg_device *v = pci_get_drvdata(pdev);

	aer_resume(v);
}

const struct pci_error_handlers vgg_error_handlers = {
	.error_detected = error_detected,
	.slot_reset = slot_reset,
	.resume = error_resume,
	.reset_prepare = reset_prepare,
	.reset_done = reset_done,
};
