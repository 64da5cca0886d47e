// SPDX-License-Identifier: GPL-2.0
/*
 * The way in for our own ioctls: a table with the smallest size each struct has
 * ever had, and the rules of growth in vggaccel_drm.h. DRM's own dispatcher
 * takes the size from the ioctl's number and drops what is beyond it without a
 * look; this one takes it from the struct and refuses what it doesn't know.
 * Everything else is DRM's.
 */
#include <linux/compat.h>
#include <linux/nospec.h>
#include <linux/pci.h>
#include <linux/uaccess.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_ioctl.h>

#include "vgg.h"

static void read_counters(struct vgg_device *v, struct drm_vggaccel_info *a)
{
	mutex_lock(&v->reset_lock);
	if (!vgg_reachable(v))
		goto out;
	a->jobs = vgg_reg_read(v, VGG_REG_JOBS);
	a->cycles = vgg_reg_read64(v, VGG_REG_CYCLES_LO);
	a->mac_busy = vgg_reg_read64(v, VGG_REG_MAC_BUSY_LO);
	a->dma_busy = vgg_reg_read64(v, VGG_REG_DMA_BUSY_LO);
	a->link_bytes = vgg_reg_read64(v, VGG_REG_BYTES_LO);
	a->saturations = vgg_reg_read64(v, VGG_REG_SAT_LO);
	a->temperature = vgg_reg_read(v, VGG_REG_TEMPERATURE);
out:
	mutex_unlock(&v->reset_lock);
}

static u64 local_free(struct vgg_device *v)
{
	u64 bytes = v->local_bytes;
	struct drm_mm_node *node;

	mutex_lock(&v->mem_lock);
	if (v->local_bytes)
		drm_mm_for_each_node(node, &v->local) bytes -= node->size;
	mutex_unlock(&v->mem_lock);
	return bytes;
}

static u64 features(const struct vgg_device *v)
{
	u32 caps = v->id[VGG_REG_CAPS / 4];

	return (v->local_bytes ? DRM_VGGACCEL_FEATURE_LOCAL : 0) |
	       (IS_ENABLED(CONFIG_IO_URING) ? DRM_VGGACCEL_FEATURE_URING : 0) |
	       (caps & VGG_CAP_SIMULATED ? DRM_VGGACCEL_FEATURE_SIMULATED : 0) |
	       (v->coherent ? DRM_VGGACCEL_FEATURE_COHERENT : 0);
}

static int ioctl_info(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct vgg_ctx *ctx = file->driver_priv;
	struct vgg_device *v = to_vgg(drm);
	struct drm_vggaccel_info *a = data;
	u32 size = a->size;
	int idx, err;

	*a = (struct drm_vggaccel_info){
		.size = size,
		.context = ctx->id,
		.features = features(v),
		.va_begin = VGG_VA_BEGIN,
		.va_end = VGG_VA_END,
		.local_bytes = v->local_bytes,
		.local_free = local_free(v),
		.irq_mode = v->irq_mode,
		.queue_depth = ctx->depth,
		.result_entries = VGG_RESULTS,
		.timeout_ms = ctx->timeout_ms,
		.resets = v->stats.resets,
	};
	memcpy(a->id, v->id, sizeof(a->id));
	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	err = vgg_busy_get(v, false);
	if (!err) {
		read_counters(v, a);
		vgg_busy_put(v);
	}
	drm_dev_exit(idx);
	return err;
}

static int ioctl_set(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct vgg_ctx *ctx = file->driver_priv;
	const struct drm_vggaccel_set *a = data;

	if (a->param != DRM_VGGACCEL_SET_TIMEOUT_MS || !a->value ||
	    a->value > VGG_TIMEOUT_MAX_MS)
		return -EINVAL;
	WRITE_ONCE(ctx->timeout_ms, a->value);
	return 0;
}

enum direction { IN, IN_OUT };

struct entry {
	drm_ioctl_t *fn;
	size_t size, least;	  /* of the struct: now, in its first version */
	enum direction direction; /* ours to say, not the caller's number's */
};

#define ENTRY(name, fn, type, last, direction)                           \
	[DRM_VGGACCEL_##                                                 \
		name] = { fn, sizeof(struct drm_vggaccel_##type),        \
			  offsetofend(struct drm_vggaccel_##type, last), \
			  direction }

static const struct entry entries[] = {
	ENTRY(INFO, ioctl_info, info, id, IN_OUT),
	ENTRY(SET, ioctl_set, set, value, IN),
	ENTRY(BO_CREATE, vgg_ioctl_bo_create, bo_create, mmap_offset, IN_OUT),
	ENTRY(BO_INFO, vgg_ioctl_bo_info, bo_info, mmap_offset, IN_OUT),
	ENTRY(BO_PREP, vgg_ioctl_bo_prep, bo_prep, timeout_ns, IN),
	ENTRY(BO_FINI, vgg_ioctl_bo_fini, bo_fini, bytes, IN),
	ENTRY(SUBMIT, vgg_ioctl_submit, submit, seq, IN_OUT),
};

union any {
	u32 size;
	struct drm_vggaccel_info info;
	struct drm_vggaccel_set set;
	struct drm_vggaccel_bo_create bo_create;
	struct drm_vggaccel_bo_info bo_info;
	struct drm_vggaccel_bo_prep bo_prep;
	struct drm_vggaccel_bo_fini bo_fini;
	struct drm_vggaccel_submit submit;
};

static long call(struct file *file, const struct entry *e, void __user *arg)
{
	const struct drm_file *priv = file->private_data;
	union any data;
	u32 size;
	long err;

	if (READ_ONCE(to_vgg(priv->minor->dev)->gone))
		return -ENODEV;
	if (get_user(size, (u32 __user *)arg))
		return -EFAULT;
	if (size < e->least || size > PAGE_SIZE)
		return size > PAGE_SIZE ? -E2BIG : -EINVAL;
	err = copy_struct_from_user(&data, e->size, arg, size);
	if (err)
		return err;
	err = drm_ioctl_kernel(file, e->fn, &data, DRM_RENDER_ALLOW);
	if (!err && e->direction == IN_OUT &&
	    copy_to_user(arg, &data, min_t(size_t, size, e->size)))
		err = -EFAULT;
	return err;
}

static const struct entry *find(unsigned int cmd)
{
	unsigned int nr = _IOC_NR(cmd) - DRM_COMMAND_BASE;

	if (_IOC_TYPE(cmd) != DRM_IOCTL_BASE || nr >= ARRAY_SIZE(entries))
		return NULL;
	return &entries[array_index_nospec(nr, ARRAY_SIZE(entries))];
}

long vgg_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct entry *e = find(cmd);

	return e ? call(file, e, (void __user *)arg) :
		   drm_ioctl(file, cmd, arg);
}

#ifdef CONFIG_COMPAT
long vgg_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct entry *e = find(cmd);

	return e ? call(file, e, compat_ptr(arg)) :
		   drm_compat_ioctl(file, cmd, arg);
}
#endif
