// SPDX-License-Identifier: GPL-2.0
/*
 * vggaccel: driver of a PCIe int8 convolution accelerator. The module, its
 * parameters, and how a card is bound and unbound; vgg.h has the rest of the
 * map.
 *
 * Unbinding has three parts. First nobody new comes in and those inside leave
 * (drm_dev_unplug() waits for them). Then the card stops, everything in flight
 * fails with ENODEV, and all that was mapped for it is unmapped. What files,
 * buffers and fences still hold is plain memory by then, and goes with them.
 */
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/swiotlb.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_managed.h>
#include <drm/drm_prime.h>

#include "vgg.h"

struct workqueue_struct *vgg_wq, *vgg_watch_wq;

char *vgg_irq_param = "auto";
module_param_named(irq, vgg_irq_param, charp, 0444);
MODULE_PARM_DESC(irq,
		 "how completions are told: auto (default), msi, intx, poll");

static char *node = "auto";
module_param(node, charp, 0444);
MODULE_PARM_DESC(node,
		 "kind of node: auto (accel where the kernel has it), render");

static unsigned int dma_bits = 32;
module_param(dma_bits, uint, 0444);
MODULE_PARM_DESC(dma_bits, "width of DMA addresses, 32 (default) to 48");

unsigned int vgg_timeout_ms = 10000;
module_param_named(timeout_ms, vgg_timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms,
		 "wall-clock limit of a job, unless its file sets one (10000)");

unsigned int vgg_coalesce_count = 32;
module_param_named(coalesce_count, vgg_coalesce_count, uint, 0444);
MODULE_PARM_DESC(
	coalesce_count,
	"completions per interrupt while the card has more to do (32)");

unsigned int vgg_coalesce_us = 200;
module_param_named(coalesce_us, vgg_coalesce_us, uint, 0444);
MODULE_PARM_DESC(
	coalesce_us,
	"longest delay of an interrupt, us; 0: one for each completion (200)");

unsigned int vgg_poll_us = 100;
module_param_named(poll_us, vgg_poll_us, uint, 0644);
MODULE_PARM_DESC(poll_us, "without interrupts: us between two looks (100)");

static int vgg_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct drm_file *priv = file->private_data;

	/* Buffers' offsets start far above. */
	if (!vma->vm_pgoff)
		return vgg_ctx_mmap_results(priv->driver_priv, vma);
	return drm_gem_mmap(file, vma);
}

#ifndef CONFIG_COMPAT
#define vgg_compat_ioctl NULL
#endif

#ifdef HAVE_DRM_SHOW_FDINFO
#define VGG_FDINFO_FOP .show_fdinfo = drm_show_fdinfo,
#define VGG_FDINFO_DRV .show_fdinfo = vgg_show_fdinfo,
#else
static void show_fdinfo(struct seq_file *m, struct file *file)
{
	struct drm_printer p = drm_seq_file_printer(m);

	drm_printf(&p, "drm-driver:\tvggaccel\n");
	vgg_show_fdinfo(&p, file->private_data);
}
#define VGG_FDINFO_FOP .show_fdinfo = show_fdinfo,
#define VGG_FDINFO_DRV
#endif

#define VGG_FOPS(open_)                                                \
	.owner = THIS_MODULE, .open = open_, .release = drm_release,   \
	.unlocked_ioctl = vgg_ioctl, .compat_ioctl = vgg_compat_ioctl, \
	.poll = drm_poll, .read = drm_read, .llseek = noop_llseek,     \
	.mmap = vgg_mmap, .uring_cmd = vgg_uring_cmd,                  \
	VGG_FOP_FLAGS VGG_FDINFO_FOP

#ifdef HAVE_DRM_DRIVER_DATE
#define VGG_DATE .date = "20261125",
#else
#define VGG_DATE
#endif

/*
 * Not DRM_GEM_SHMEM_DRIVER_OPS, nor what prime handlers default to: since 7.x an
 * import comes without the addresses that the page tables need.
 */
#define VGG_DRIVER(node_, fops_)                                               \
	.driver_features =                                                     \
		DRIVER_GEM | DRIVER_SYNCOBJ | DRIVER_SYNCOBJ_TIMELINE | node_, \
	.open = vgg_ctx_open, .postclose = vgg_ctx_close, .fops = &fops_,      \
	.prime_handle_to_fd = drm_gem_prime_handle_to_fd,                      \
	.prime_fd_to_handle = drm_gem_prime_fd_to_handle,                      \
	.gem_prime_import = vgg_prime_import,                                  \
	.gem_prime_import_sg_table = vgg_bo_import, .name = DRM_VGGACCEL_NAME, \
	.desc = "int8 convolution accelerator", .major = 1, .minor = 0,        \
	VGG_DATE VGG_FDINFO_DRV

static const struct file_operations render_fops = { VGG_FOPS(drm_open) };
static const struct drm_driver render_driver = { VGG_DRIVER(DRIVER_RENDER,
							    render_fops) };

#if VGG_HAS_ACCEL
static const struct file_operations accel_fops = { VGG_FOPS(accel_open) };
static const struct drm_driver accel_driver = { VGG_DRIVER(DRIVER_COMPUTE_ACCEL,
							   accel_fops) };
#endif

static const struct drm_driver *choose_driver(void)
{
#if VGG_HAS_ACCEL
	if (strcmp(node, "render"))
		return &accel_driver;
#endif
	return &render_driver;
}

static void final_release(struct drm_device *drm, void *unused)
{
	struct vgg_device *v = to_vgg(drm);

	if (drm_mm_initialized(&v->local))
		drm_mm_takedown(&v->local);
	ida_destroy(&v->ctx_ids);
	mutex_destroy(&v->mem_lock);
	mutex_destroy(&v->reset_lock);
}

static int init_software(struct vgg_device *v, struct pci_dev *pdev)
{
	v->pdev = pdev;
	spin_lock_init(&v->lock);
	mutex_init(&v->reset_lock);
	mutex_init(&v->mem_lock);
	init_rwsem(&v->bo_lock);
	INIT_LIST_HEAD(&v->ctxs);
	INIT_LIST_HEAD(&v->bos);
	ida_init(&v->ctx_ids);
	init_llist_head(&v->done);
	INIT_WORK(&v->retire_work, vgg_retire_work);
	INIT_DELAYED_WORK(&v->watchdog, vgg_watchdog);
	return drmm_add_action_or_reset(&v->drm, final_release, NULL);
}

static int enable_pci(struct vgg_device *v)
{
	struct pci_dev *pdev = v->pdev;
	int err = pci_enable_device(pdev);

	if (err)
		return err;
	err = pci_request_region(pdev, 0, "vggaccel");
	if (err)
		goto err_disable;
	if (pci_resource_len(pdev, 0) < VGG_BAR0_SIZE) {
		dev_err(&pdev->dev, "BAR0 is too small\n");
		err = -ENODEV;
		goto err_region;
	}
	v->bar = pci_iomap(pdev, 0, VGG_BAR0_SIZE);
	if (!v->bar) {
		err = -ENOMEM;
		goto err_region;
	}
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(dma_bits));
	if (err)
		goto err_unmap;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	/* No caches, and no copies either. */
	v->coherent =
		dev_is_dma_coherent(&pdev->dev) &&
		!is_swiotlb_force_bounce(&pdev->dev) &&
		dma_get_required_mask(&pdev->dev) <= dma_get_mask(&pdev->dev);
	pci_set_master(pdev);
	pci_save_state(pdev);
	return 0;

err_unmap:
	pci_iounmap(pdev, v->bar);
err_region:
	pci_release_region(pdev, 0);
err_disable:
	pci_disable_device(pdev);
	return err;
}

static void disable_pci(struct vgg_device *v)
{
	pci_clear_master(v->pdev);
	pci_iounmap(v->pdev, v->bar);
	pci_release_region(v->pdev, 0);
	pci_disable_device(v->pdev);
}

static int init_card(struct vgg_device *v)
{
	int err = vgg_hw_identify(v);

	if (!err)
		err = vgg_hw_reset(v);
	if (err)
		return err;
	if (v->contexts < 2) {
		dev_err(&v->pdev->dev, "a card with %u contexts\n",
			v->contexts);
		return -EPROTO;
	}
	v->tables = dma_pool_create("vggaccel tables", &v->pdev->dev,
				    VGG_PAGE_SIZE, VGG_PAGE_SIZE, 0);
	if (!v->tables)
		return -ENOMEM;
	err = vgg_ring_init(v);
	if (err)
		dma_pool_destroy(v->tables);
	return err;
}

/* Address spaces and on-board memory. Files that are open keep their context,
 * but its tables go with the card. */
static void revoke(struct vgg_device *v)
{
	struct vgg_ctx *ctx;

	vgg_scrub_fini(v);
	mutex_lock(&v->mem_lock);
	list_for_each_entry(ctx, &v->ctxs, link) vgg_mmu_fini(&ctx->mmu);
	mutex_unlock(&v->mem_lock);
	vgg_bo_revoke_all(v);
	dma_pool_destroy(v->tables);
}

static void stop_software(struct vgg_device *v)
{
	hrtimer_cancel(&v->poll);
	cancel_delayed_work_sync(&v->watchdog);
	cancel_work_sync(&v->error_work);
	vgg_lose(v, NULL);
	/* Ended jobs may have armed it again. */
	hrtimer_cancel(&v->poll);
	cancel_delayed_work_sync(&v->watchdog);
	flush_work(&v->retire_work);
	/* Which the watchdog would have given back. */
	if (v->held)
		vgg_busy_put(v);
	v->held = false;
}

static int start(struct vgg_device *v)
{
	int err;

	err = vgg_irq_init(v);
	if (err)
		return err;
	vgg_ring_rewind(v);
	err = vgg_hw_setup(v);
	if (err)
		goto err_irq;
	vgg_hw_mark(v);
	vgg_ring_start(v);
	if (v->local_bytes)
		drm_mm_init(&v->local, 0, v->local_bytes);
	err = vgg_scrub_init(v);
	if (!err)
		return 0;
	vgg_hw_disable(v, 0);
err_irq:
	vgg_irq_fini(v);
	cancel_work_sync(&v->error_work);
	return err;
}

static void say_hello(struct vgg_device *v)
{
	static const char *const modes[] = { "polling", "INTx", "MSI" };
	u32 mac = v->id[VGG_REG_CAP_MAC / 4];

	dev_info(&v->pdev->dev,
		 "%u x %u MACs at %u MHz, %llu MiB on board, %s, %scoherent "
		 "DMA\n",
		 mac & 0xffff, mac >> 16, v->clock_khz / 1000,
		 v->local_bytes >> 20, modes[v->irq_mode],
		 v->coherent ? "" : "non-");
}

static int vgg_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vgg_device *v;
	int err;

	v = devm_drm_dev_alloc(&pdev->dev, choose_driver(), struct vgg_device,
			       drm);
	if (IS_ERR(v))
		return PTR_ERR(v);
	pci_set_drvdata(pdev, v);
	err = init_software(v, pdev);
	if (!err)
		err = enable_pci(v);
	if (err)
		return err;
	err = init_card(v);
	if (err)
		goto err_pci;
	err = vgg_sched_create(v);
	if (err)
		goto err_card;
	err = start(v);
	if (err)
		goto err_card;
	err = drm_dev_register(&v->drm, 0);
	if (err)
		goto err_start;
	vgg_debugfs_add(v);
	say_hello(v);
	vgg_pm_init(v);
	return 0;

err_start:
	vgg_pause(v);
	vgg_hw_disable(v, 0);
	vgg_irq_fini(v);
	stop_software(v);
err_card:
	revoke(v);
	vgg_ring_fini(v);
err_pci:
	disable_pci(v);
	return err;
}

static void vgg_remove(struct pci_dev *pdev)
{
	struct vgg_device *v = pci_get_drvdata(pdev);

	vgg_debugfs_remove(v);
	/* Pulled out: nobody inside must wait for it. */
	if (pci_channel_offline(pdev))
		vgg_lose(v, "unplugged");
	drm_dev_unplug(&v->drm);
	vgg_pm_fini(v);
	vgg_pause(v);
	vgg_hw_disable(v, 0);
	vgg_irq_fini(v);
	stop_software(v);
	revoke(v);
	vgg_ring_fini(v);
	disable_pci(v);
}

static void vgg_shutdown(struct pci_dev *pdev)
{
	struct vgg_device *v = pci_get_drvdata(pdev);

	pm_runtime_get_sync(&pdev->dev);
	vgg_pause(v);
	vgg_hw_disable(v, 0);
}

static const struct pci_device_id ids[] = { { PCI_DEVICE(VGG_PCI_VENDOR_ID,
							 VGG_PCI_DEVICE_ID) },
					    {} };
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver vgg_pci_driver = {
	.name = "vggaccel",
	.id_table = ids,
	.probe = vgg_probe,
	.remove = vgg_remove,
	.shutdown = vgg_shutdown,
	.err_handler = &vgg_error_handlers,
	.driver.pm = pm_ptr(&vgg_pm_ops),
};

static bool known(const char *value, const char *const *values)
{
	for (; *values; values++)
		if (!strcmp(value, *values))
			return true;
	return false;
}

static int check_params(void)
{
	static const char *const irqs[] = { "auto", "msi", "intx", "poll",
					    NULL };
	static const char *const nodes[] = { "auto", "render", NULL };

	if (!known(vgg_irq_param, irqs)) {
		pr_err("vggaccel: irq=%s is not known; use auto, msi, intx or "
		       "poll\n",
		       vgg_irq_param);
		return -EINVAL;
	}
	if (!known(node, nodes)) {
		pr_err("vggaccel: node=%s is not known; use auto or render\n",
		       node);
		return -EINVAL;
	}
	if (dma_bits < 32 || dma_bits > 48) {
		pr_err("vggaccel: dma_bits=%u is not between 32 and 48\n",
		       dma_bits);
		return -EINVAL;
	}
	return 0;
}

static int __init vgg_init(void)
{
	int err = check_params();

	if (err)
		return err;

	vgg_wq = alloc_workqueue("vggaccel", WQ_UNBOUND, 0);
	if (!vgg_wq)
		return -ENOMEM;
	vgg_watch_wq = alloc_workqueue("vggaccel watch",
				       WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!vgg_watch_wq) {
		err = -ENOMEM;
		goto err_wq;
	}
	vgg_debugfs_init();
	err = pci_register_driver(&vgg_pci_driver);
	if (!err)
		return 0;
	vgg_debugfs_exit();
	destroy_workqueue(vgg_watch_wq);
err_wq:
	destroy_workqueue(vgg_wq);
	return err;
}

static void __exit vgg_exit(void)
{
	pci_unregister_driver(&vgg_pci_driver);
	vgg_debugfs_exit();
	destroy_workqueue(vgg_watch_wq);
	destroy_workqueue(vgg_wq);
	/* Fences free their memory after a grace period, by our code or not. */
	rcu_barrier();
}

module_init(vgg_init);
module_exit(vgg_exit);

MODULE_DESCRIPTION("PCIe int8 convolution accelerator");
MODULE_LICENSE("GPL");
VGG_IMPORT_NS_DMA_BUF
