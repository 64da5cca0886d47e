// SPDX-License-Identifier: GPL-2.0
/*
 * dma-buf: buffers from and for other devices and processes.
 *
 * The helpers of DRM do all but three things. They leave out CPU access, which
 * matters where DMA is not coherent: whoever maps an exported buffer says by
 * DMA_BUF_IOCTL_SYNC what it is about to do. They know their own buffers
 * by their own table of operations, which ours isn't: without a look of our own
 * a second file would get a second mapping of the same pages. And on-board memory
 * can't be exported, since no other device can reach it.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <drm/drm_drv.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>

#include "vgg.h"

static int begin_cpu_access(struct dma_buf *dma_buf,
			    enum dma_data_direction dir)
{
	struct drm_gem_object *obj = dma_buf->priv;
	bool write = dir != DMA_FROM_DEVICE;
	long left;

	left = dma_resv_wait_timeout(obj->resv, dma_resv_usage_rw(write), true,
				     MAX_SCHEDULE_TIMEOUT);
	if (left < 0)
		return left;
	vgg_bo_sync_cpu(to_bo(obj), 0, obj->size);
	return 0;
}

static int end_cpu_access(struct dma_buf *dma_buf, enum dma_data_direction dir)
{
	struct drm_gem_object *obj = dma_buf->priv;

	if (dir != DMA_FROM_DEVICE)
		vgg_bo_sync_card(to_bo(obj), 0, obj->size);
	return 0;
}

static const struct dma_buf_ops export_ops = {
	.attach = drm_gem_map_attach,
	.detach = drm_gem_map_detach,
	.map_dma_buf = drm_gem_map_dma_buf,
	.unmap_dma_buf = drm_gem_unmap_dma_buf,
	.release = drm_gem_dmabuf_release,
	.mmap = drm_gem_dmabuf_mmap,
	.begin_cpu_access = begin_cpu_access,
	.end_cpu_access = end_cpu_access,
};

struct dma_buf *vgg_bo_export(struct drm_gem_object *obj, int flags)
{
	struct dma_buf_export_info info = {
		.exp_name = "vggaccel",
		.owner = obj->dev->driver->fops->owner,
		.ops = &export_ops,
		.size = obj->size,
		.flags = flags,
		.priv = obj,
		.resv = obj->resv,
	};

	if (to_bo(obj)->flags & DRM_VGGACCEL_BO_LOCAL)
		return ERR_PTR(-EOPNOTSUPP);
	return drm_gem_dmabuf_export(obj->dev, &info);
}

struct drm_gem_object *vgg_prime_import(struct drm_device *drm,
					struct dma_buf *dma_buf)
{
	struct drm_gem_object *obj = dma_buf->priv;
	int idx;

	if (dma_buf->ops == &export_ops && obj->dev == drm) {
		drm_gem_object_get(obj);
		return obj;
	}
	/* An unbind unmaps all buffers there are, and so waits for new ones. */
	if (!drm_dev_enter(drm, &idx))
		return ERR_PTR(-ENODEV);
	obj = drm_gem_prime_import(drm, dma_buf);
	drm_dev_exit(idx);
	return obj;
}

/* A page table maps whole pages. */
static bool whole_pages(const struct sg_table *sgt, u64 *bytes)
{
	struct scatterlist *sg;
	int i;

	*bytes = 0;
	for_each_sgtable_dma_sg(sgt, sg, i)
	{
		if ((sg_dma_address(sg) | sg_dma_len(sg)) & (VGG_PAGE_SIZE - 1))
			return false;
		*bytes += sg_dma_len(sg);
	}
	return true;
}

struct drm_gem_object *vgg_bo_import(struct drm_device *drm,
				     struct dma_buf_attachment *attach,
				     struct sg_table *sgt)
{
	size_t size = attach->dmabuf->size;
	struct vgg_bo *bo;
	u64 bytes;

	if (!whole_pages(sgt, &bytes) || bytes < size || !PAGE_ALIGNED(size)) {
		drm_dbg_prime(drm, "a dma-buf that isn't made of pages\n");
		return ERR_PTR(-EINVAL);
	}
	bo = vgg_bo_alloc(drm, size, false);
	if (IS_ERR(bo))
		return ERR_CAST(bo);
	bo->sgt = sgt;
	vgg_bo_track(bo);
	return &bo->base;
}
