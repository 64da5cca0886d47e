// SPDX-License-Identifier: GPL-2.0
/*
 * The card's registers and interrupts. No other file touches __iomem.
 *
 * A card that fell off the bus reads as ~0 here and raises SError on some Arm
 * hosts. So registers are never read to see whether a job has ended, only when
 * there is a reason to doubt the card, and from the moment it is known to be
 * gone (vgg_device.cut) no access is made at all.
 *
 * Interrupts: MSI needs no register access. INTx is level-triggered and may be
 * shared: new completions in memory prove that the card raised it, and only
 * without any is IRQ_STATUS read. An INTx that is held for no cause is switched
 * off at the card, and polling takes over. Each kind is tried by an interrupt
 * that software raises before it is relied on.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/pci.h>

#include "vgg.h"
#include "vgg_trace.h"

#define RESET_MS 10000
/* Only waited for where none comes. A virtual machine's host may be busy, and
 * whoever gives up too early polls from then on. */
#define IRQ_TEST_MS 3000
#define IDLE_IRQS_MAX 1000
#define POWER_MARK 0x70776f6b

u32 vgg_reg_read(struct vgg_device *v, u32 reg)
{
	if (READ_ONCE(v->cut))
		return ~0u;
	return readl(v->bar + reg);
}

void vgg_reg_write(struct vgg_device *v, u32 reg, u32 value)
{
	if (!READ_ONCE(v->cut))
		writel(value, v->bar + reg);
}

/* Reading LO freezes HI. */
u64 vgg_reg_read64(struct vgg_device *v, u32 lo)
{
	u64 low = vgg_reg_read(v, lo);

	return low | (u64)vgg_reg_read(v, lo + 4) << 32;
}

bool vgg_hw_present(struct vgg_device *v)
{
	return vgg_reg_read(v, VGG_REG_MAGIC) == VGG_REG_MAGIC_VALUE;
}

void vgg_hw_mark(struct vgg_device *v)
{
	vgg_reg_write(v, VGG_REG_SCRATCH, POWER_MARK);
}

bool vgg_hw_remembers(struct vgg_device *v)
{
	return vgg_reg_read(v, VGG_REG_SCRATCH) == POWER_MARK;
}

int vgg_hw_identify(struct vgg_device *v)
{
	struct device *dev = &v->pdev->dev;
	u32 magic, version, abi;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(v->id); i++)
		if (i * 4 <= VGG_REG_SCRATCH)
			v->id[i] = vgg_reg_read(v, i * 4);
	magic = v->id[VGG_REG_MAGIC / 4];
	version = v->id[VGG_REG_HW_VERSION / 4];
	abi = v->id[VGG_REG_FW_ABI / 4];
	if (magic != VGG_REG_MAGIC_VALUE) {
		dev_err(dev, "not a vggaccel card: magic %08x\n", magic);
		return -ENODEV;
	}
	if (VGG_HW_VERSION_MAJOR(version) !=
	    VGG_HW_VERSION_MAJOR(VGG_HW_VERSION_VALUE)) {
		dev_err(dev,
			"hardware version %u.%u, this driver knows %u.x; "
			"update one of them\n",
			version >> 16, version & 0xffff,
			VGG_HW_VERSION_VALUE >> 16);
		return -EPROTO;
	}
	if (abi != VGG_FW_ABI_VALUE) {
		dev_err(dev,
			"firmware with queue interface %u, this driver speaks "
			"%u; update one of them\n",
			abi, VGG_FW_ABI_VALUE);
		return -EPROTO;
	}
	v->clock_khz = max(v->id[VGG_REG_CAP_CLOCK / 4], 1u);
	v->contexts = v->id[VGG_REG_CAP_LIMITS / 4] & 0xffff;
	v->local_bytes = (u64)v->id[VGG_REG_CAP_LOCAL / 4] << 20;
	if (v->local_bytes > VGG_VA_END / 2) {
		dev_err(dev, "%llu MiB of on-board memory can't be true\n",
			v->local_bytes >> 20);
		return -EPROTO;
	}
	return 0;
}

/* After a reset of any kind the card lets go of its job first. */
static int wait_ready(struct vgg_device *v)
{
	unsigned long until = jiffies + msecs_to_jiffies(RESET_MS);
	u32 status;

	for (;;) {
		status = vgg_reg_read(v, VGG_REG_STATUS);
		if (status == ~0u)
			return -ENODEV;
		if (status & VGG_DEV_READY)
			return 0;
		if (time_after(jiffies, until))
			return -ETIMEDOUT;
		usleep_range(50, 200);
	}
}

/* A reset may have cured it. */
static void restart_intx(struct vgg_device *v)
{
	if (!v->intx_off)
		return;
	v->intx_off = false;
	v->irq_mode = VGG_IRQ_INTX;
	pci_intx(v->pdev, 1);
}

int vgg_hw_reset(struct vgg_device *v)
{
	int err;

	vgg_reg_write(v, VGG_REG_CTRL, VGG_CTRL_RESET);
	err = wait_ready(v);
	if (!err)
		restart_intx(v);
	return err;
}

int vgg_hw_setup(struct vgg_device *v)
{
	const struct vgg_ring *r = &v->ring;
	u32 log2 = ilog2(r->entries);
	int err = wait_ready(v);

	if (err)
		return err;
	vgg_reg_write(v, VGG_REG_SQ_BASE_LO, lower_32_bits(r->sq_dma));
	vgg_reg_write(v, VGG_REG_SQ_BASE_HI, upper_32_bits(r->sq_dma));
	vgg_reg_write(v, VGG_REG_SQ_SIZE, log2);
	vgg_reg_write(v, VGG_REG_CQ_BASE_LO, lower_32_bits(r->cq_dma));
	vgg_reg_write(v, VGG_REG_CQ_BASE_HI, upper_32_bits(r->cq_dma));
	vgg_reg_write(v, VGG_REG_CQ_SIZE, log2 + 1);
	vgg_reg_write(v, VGG_REG_IRQ_COUNT,
		      VGG_IRQ_IDLE | clamp(vgg_coalesce_count, 1u,
					   VGG_IRQ_COUNT_MASK));
	vgg_reg_write(v, VGG_REG_IRQ_TIME, min(vgg_coalesce_us, 65535u));
	vgg_reg_write(v, VGG_REG_CTRL, VGG_CTRL_ENABLE);
	if (!(vgg_reg_read(v, VGG_REG_CTRL) & VGG_CTRL_ENABLE)) {
		dev_err(&v->pdev->dev,
			"the card refuses its rings: status %02x\n",
			vgg_reg_read(v, VGG_REG_ERR_CODE));
		return -EIO;
	}
	vgg_reg_write(v, VGG_REG_IRQ_MASK,
		      v->irq_mode == VGG_IRQ_POLL ? VGG_IRQ_ALL : 0);
	return 0;
}

void vgg_hw_disable(struct vgg_device *v, unsigned int ms)
{
	unsigned long until = jiffies + msecs_to_jiffies(ms);
	u32 status;

	vgg_reg_write(v, VGG_REG_IRQ_MASK, VGG_IRQ_ALL);
	vgg_reg_write(v, VGG_REG_CTRL, 0);
	for (;;) {
		status = vgg_reg_read(v, VGG_REG_STATUS);
		if (!(status & VGG_DEV_BUSY) || status == ~0u)
			return;
		if (time_after(jiffies, until))
			break;
		usleep_range(50, 200);
	}
	vgg_hw_reset(v);
}

void vgg_hw_cut(struct vgg_device *v)
{
	int i;

	WRITE_ONCE(v->cut, true);
	for (i = 0; i < v->vectors; i++)
		synchronize_irq(pci_irq_vector(v->pdev, i));
}

static void handle_causes(struct vgg_device *v, u32 causes)
{
	if (causes & VGG_IRQ_ERR)
		queue_work(vgg_watch_wq, &v->error_work);
	if (causes & VGG_IRQ_SW)
		complete(&v->irq_test);
}

/* How many completions an interrupt found. */
static u32 reap(struct vgg_device *v)
{
	u32 n;

	spin_lock(&v->lock);
	n = vgg_ring_reap_locked(v);
	v->stats.irqs++;
	spin_unlock(&v->lock);
	trace_vgg_irq(v, n);
	return n;
}

static irqreturn_t msi_completion(int irq, void *data)
{
	reap(data);
	return IRQ_HANDLED;
}

static irqreturn_t msi_error(int irq, void *data)
{
	handle_causes(data, VGG_IRQ_ERR);
	return IRQ_HANDLED;
}

static irqreturn_t msi_test(int irq, void *data)
{
	handle_causes(data, VGG_IRQ_SW);
	return IRQ_HANDLED;
}

/* The only vector there is. */
static irqreturn_t msi_all(int irq, void *data)
{
	struct vgg_device *v = data;
	u32 causes;

	reap(v);
	causes = vgg_reg_read(v, VGG_REG_IRQ_STATUS);
	if (causes == ~0u)
		return IRQ_HANDLED;
	vgg_reg_write(v, VGG_REG_IRQ_STATUS, causes);
	handle_causes(v, causes);
	return IRQ_HANDLED;
}

/* (L) Held for no cause: the kernel would switch the line off for all its users.
 * A wake-up may restore the command register and switch it on again; then this
 * comes again. */
static void stop_intx(struct vgg_device *v)
{
	v->idle_irqs = 0;
	/* The status register tells whether it is us, or a neighbour. */
	if (!pci_check_and_mask_intx(v->pdev))
		return;
	if (v->irq_mode != VGG_IRQ_POLL)
		dev_err(&v->pdev->dev,
			"the interrupt line is held without a cause: switched "
			"off, polling instead\n");
	v->irq_mode = VGG_IRQ_POLL;
	v->intx_off = true;
	vgg_poll_kick(v);
}

static irqreturn_t not_ours(struct vgg_device *v)
{
	spin_lock(&v->lock);
	v->stats.spurious++;
	if (++v->idle_irqs == IDLE_IRQS_MAX)
		stop_intx(v);
	spin_unlock(&v->lock);
	return IRQ_NONE;
}

static irqreturn_t intx(int irq, void *data)
{
	struct vgg_device *v = data;
	u32 causes = VGG_IRQ_CQ;

	if (!reap(v)) {
		causes = vgg_reg_read(v, VGG_REG_IRQ_STATUS);
		if (!causes || causes == ~0u)
			return not_ours(v);
	}
	v->idle_irqs = 0;
	vgg_reg_write(v, VGG_REG_IRQ_STATUS, causes);
	/* What is completed before this write arrives, which reading waits for,
	 * raises no interrupt any more. */
	vgg_reg_read(v, VGG_REG_IRQ_STATUS);
	vgg_ring_reap(v);
	handle_causes(v, causes);
	return IRQ_HANDLED;
}

static ktime_t poll_time(void)
{
	return ns_to_ktime((u64)max(vgg_poll_us, 10u) * NSEC_PER_USEC);
}

static enum hrtimer_restart on_poll(struct hrtimer *timer)
{
	struct vgg_device *v = container_of(timer, struct vgg_device, poll);
	enum hrtimer_restart again = HRTIMER_NORESTART;
	unsigned long flags;

	spin_lock_irqsave(&v->lock, flags);
	vgg_ring_reap_locked(v);
	v->stats.polls++;
	v->polling = vgg_ring_in_flight(v);
	if (v->polling) {
		hrtimer_forward_now(timer, poll_time());
		again = HRTIMER_RESTART;
	}
	spin_unlock_irqrestore(&v->lock, flags);
	return again;
}

void vgg_poll_kick(struct vgg_device *v)
{
	if (v->irq_mode != VGG_IRQ_POLL || v->polling)
		return;
	v->polling = true;
	hrtimer_start(&v->poll, poll_time(), HRTIMER_MODE_REL);
}

/* One vector for each cause, or one for all: the card goes by how many there
 * are. */
static int request_msi(struct vgg_device *v)
{
	static const irq_handler_t handlers[] = { msi_completion, msi_error,
						  msi_test };
	int n = ARRAY_SIZE(handlers), i, err;

	if (pci_alloc_irq_vectors(v->pdev, VGG_MSI_VECTORS, VGG_MSI_VECTORS,
				  PCI_IRQ_MSI) < 0) {
		n = 1;
		err = pci_alloc_irq_vectors(v->pdev, 1, 1, PCI_IRQ_MSI);
		if (err < 0)
			return err;
	}
	for (i = 0; i < n; i++) {
		err = request_irq(pci_irq_vector(v->pdev, i),
				  n == 1 ? msi_all : handlers[i], 0, "vggaccel",
				  v);
		if (err)
			goto err_free;
	}
	v->vectors = n;
	return 0;

err_free:
	while (i--)
		free_irq(pci_irq_vector(v->pdev, i), v);
	pci_free_irq_vectors(v->pdev);
	return err;
}

static int request_intx(struct vgg_device *v)
{
	int err = pci_alloc_irq_vectors(v->pdev, 1, 1, PCI_IRQ_INTX);

	if (err < 0)
		return err;
	err = request_irq(pci_irq_vector(v->pdev, 0), intx, IRQF_SHARED,
			  "vggaccel", v);
	if (err)
		pci_free_irq_vectors(v->pdev);
	else
		v->vectors = 1;
	return err;
}

/* Whether an interrupt really arrives. */
static int test_mode(struct vgg_device *v)
{
	reinit_completion(&v->irq_test);
	vgg_reg_write(v, VGG_REG_IRQ_MASK, VGG_IRQ_ALL & ~VGG_IRQ_SW);
	vgg_reg_write(v, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	if (wait_for_completion_timeout(&v->irq_test,
					msecs_to_jiffies(IRQ_TEST_MS)))
		return 0;
	vgg_reg_write(v, VGG_REG_IRQ_MASK, VGG_IRQ_ALL);
	vgg_reg_write(v, VGG_REG_IRQ_STATUS, VGG_IRQ_ALL);
	return -ETIMEDOUT;
}

static int try_mode(struct vgg_device *v, enum vgg_irq_mode mode)
{
	static const char *const names[] = { "polling", "INTx", "MSI" };
	int err = mode == VGG_IRQ_MSI ? request_msi(v) : request_intx(v);

	if (!err) {
		v->irq_mode = mode;
		err = test_mode(v);
		if (!err)
			return 0;
		vgg_irq_fini(v);
	}
	dev_warn(&v->pdev->dev, "no interrupts by %s (error %d)\n", names[mode],
		 err);
	return err;
}

/* Ends in polling if nothing else works. */
int vgg_irq_init(struct vgg_device *v)
{
	bool any = !strcmp(vgg_irq_param, "auto");
	u32 caps = v->id[VGG_REG_CAPS / 4];

	init_completion(&v->irq_test);
	INIT_WORK(&v->error_work, vgg_error_work);
	vgg_hrtimer_setup(&v->poll, on_poll);
	v->irq_mode = VGG_IRQ_POLL;
	if ((any || !strcmp(vgg_irq_param, "msi")) && (caps & VGG_CAP_MSI) &&
	    !try_mode(v, VGG_IRQ_MSI))
		return 0;
	if ((any || strcmp(vgg_irq_param, "poll")) && (caps & VGG_CAP_INTX) &&
	    !try_mode(v, VGG_IRQ_INTX))
		return 0;
	if (strcmp(vgg_irq_param, "poll"))
		dev_warn(&v->pdev->dev, "polling for completions\n");
	return 0;
}

/* A line that is held stays so, and its neighbours would suffer once nobody is
 * there who knows it: it is off whenever there is no handler. */
void vgg_irq_fini(struct vgg_device *v)
{
	int i;

	if (!v->pdev->msi_enabled)
		pci_intx(v->pdev, 0);
	for (i = 0; i < v->vectors; i++)
		free_irq(pci_irq_vector(v->pdev, i), v);
	if (v->vectors)
		pci_free_irq_vectors(v->pdev);
	/* Giving messages back switches the line on. */
	pci_intx(v->pdev, 0);
	v->vectors = 0;
	v->irq_mode = VGG_IRQ_POLL;
}
