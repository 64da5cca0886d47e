// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/vggaccel/PCI-ADDRESS/
 *
 *   registers  rings  contexts   as in a dump
 *   stats                        counters of the driver, "name=value"
 *   inject                       write "FAULT [after [count [arg]]]": a fault
 *                                that the card provokes on itself, by its name
 *                                in vggaccel_hw.h; only where the card can
 *
 * A folder of its own, since DRM's has moved and changed from kernel to kernel.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <drm/drm_drv.h>
#include <drm/drm_print.h>

#include "vgg.h"

static struct dentry *root;

static const char *const faults[] = {
#define NAME(name, id, text) [id] = #name,
	VGG_HW_FAULTS(NAME)
#undef NAME
};

/* Registers are only read from a card that is awake and there. */
static int with_card(struct seq_file *m,
		     void (*show)(struct vgg_device *, struct drm_printer *))
{
	struct drm_printer p = drm_seq_file_printer(m);
	struct vgg_device *v = m->private;
	int idx, err;

	if (!drm_dev_enter(&v->drm, &idx))
		return -ENODEV;
	err = vgg_busy_get(v, false);
	if (err)
		goto out;
	mutex_lock(&v->reset_lock);
	if (vgg_reachable(v))
		show(v, &p);
	else
		err = -EBUSY;
	mutex_unlock(&v->reset_lock);
	vgg_busy_put(v);
out:
	drm_dev_exit(idx);
	return err;
}

static int registers_show(struct seq_file *m, void *unused)
{
	return with_card(m, vgg_dump_registers);
}
DEFINE_SHOW_ATTRIBUTE(registers);

static int rings_show(struct seq_file *m, void *unused)
{
	return with_card(m, vgg_dump_ring);
}
DEFINE_SHOW_ATTRIBUTE(rings);

static int contexts_show(struct seq_file *m, void *unused)
{
	struct drm_printer p = drm_seq_file_printer(m);

	vgg_dump_contexts(m->private, &p);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(contexts);

static int stats_show(struct seq_file *m, void *unused)
{
	struct vgg_device *v = m->private;
	struct vgg_stats s;

	spin_lock_irq(&v->lock);
	s = v->stats;
	spin_unlock_irq(&v->lock);
#define SHOW(name) seq_printf(m, #name "=%llu\n", s.name);
	VGG_STATS(SHOW)
#undef SHOW
	seq_printf(m, "irq_mode=%s\n",
		   v->irq_mode == VGG_IRQ_MSI  ? "msi" :
		   v->irq_mode == VGG_IRQ_INTX ? "intx" :
						 "poll");
	seq_printf(m, "gone=%d\n", READ_ONCE(v->gone));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int inject(struct vgg_device *v, const char *name, u32 after, u32 count,
		  u32 arg)
{
	int fault = match_string(faults, ARRAY_SIZE(faults), name);
	int err;

	if (fault < 0)
		return -EINVAL;
	if (!(v->id[VGG_REG_CAPS / 4] & VGG_CAP_INJECT))
		return -EOPNOTSUPP;
	err = vgg_busy_get(v, false);
	if (err)
		return err;
	mutex_lock(&v->reset_lock);
	if (vgg_reachable(v)) {
		vgg_reg_write(v, VGG_REG_INJECT_FAULT, VGG_FAULT_NONE);
		vgg_reg_write(v, VGG_REG_INJECT_AFTER, after);
		vgg_reg_write(v, VGG_REG_INJECT_COUNT, count);
		vgg_reg_write(v, VGG_REG_INJECT_ARG, arg);
		vgg_reg_write(v, VGG_REG_INJECT_FAULT, fault);
	} else {
		err = -EBUSY;
	}
	mutex_unlock(&v->reset_lock);
	vgg_busy_put(v);
	return err;
}

static ssize_t inject_write(struct file *file, const char __user *from,
			    size_t bytes, loff_t *pos)
{
	struct vgg_device *v = file->private_data;
	u32 after = 0, count = 1, arg = 0;
	char text[80] = "", name[32];
	int idx, err;

	if (bytes >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, bytes))
		return -EFAULT;
	if (sscanf(text, "%31s %u %u %u", name, &after, &count, &arg) < 1)
		return -EINVAL;
	if (!drm_dev_enter(&v->drm, &idx))
		return -ENODEV;
	err = inject(v, name, after, count, arg);
	drm_dev_exit(idx);
	return err ? err : bytes;
}

static const struct file_operations inject_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = inject_write,
};

void vgg_debugfs_init(void)
{
	root = debugfs_create_dir("vggaccel", NULL);
}

void vgg_debugfs_exit(void)
{
	debugfs_remove(root);
}

void vgg_debugfs_add(struct vgg_device *v)
{
	struct dentry *dir = debugfs_create_dir(dev_name(&v->pdev->dev), root);

	v->debugfs = dir;
	debugfs_create_file("registers", 0400, dir, v, &registers_fops);
	debugfs_create_file("rings", 0400, dir, v, &rings_fops);
	debugfs_create_file("contexts", 0400, dir, v, &contexts_fops);
	debugfs_create_file("stats", 0400, dir, v, &stats_fops);
	debugfs_create_file("inject", 0200, dir, v, &inject_fops);
}

void vgg_debugfs_remove(struct vgg_device *v)
{
	debugfs_remove(v->debugfs);
}
