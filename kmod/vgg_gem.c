// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers.
 *
 * One in host memory is a shmem file, as GEM makes it: its pages are allocated,
 * pinned and mapped for the card when it is made, and mapped cached into
 * processes page by page as they touch it. The card's DMA is not coherent with
 * the caches on RK3399, so ownership is passed explicitly by BO_PREP and BO_FINI.
 * After the card is gone the pages still belong to the buffer: a process that
 * has it mapped keeps its data until it lets go.
 *
 * One in on-board memory is a range of it, which no CPU can reach; it is
 * cleared by the card before its handle is given out.
 *
 * The mapping for the card ends with the buffer, or with the card: when that is
 * unbound, vgg_bo_revoke_all() unmaps whatever still exists.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_prime.h>
#include <drm/drm_utils.h>

#include "vgg.h"

/* bo_lock is held. */
static void unmap_for_card(struct vgg_bo *bo)
{
	struct drm_gem_object *obj = &bo->base;

	if (!bo->sgt)
		return;
	if (obj->import_attach) {
		dma_buf_unmap_attachment_unlocked(obj->import_attach, bo->sgt,
						  DMA_BIDIRECTIONAL);
	} else {
		dma_unmap_sgtable(obj->dev->dev, bo->sgt, DMA_BIDIRECTIONAL, 0);
		sg_free_table(bo->sgt);
		kfree(bo->sgt);
	}
	bo->sgt = NULL;
}

static int map_for_card(struct vgg_bo *bo)
{
	struct drm_gem_object *obj = &bo->base;
	struct sg_table *sgt;
	int err;

	sgt = drm_prime_pages_to_sg(obj->dev, bo->pages,
				    obj->size >> PAGE_SHIFT);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	err = dma_map_sgtable(obj->dev->dev, sgt, DMA_BIDIRECTIONAL, 0);
	if (err) {
		sg_free_table(sgt);
		kfree(sgt);
		/* No place for a copy that the card can reach. */
		return err == -EIO ? -ENOSPC : err;
	}
	bo->sgt = sgt;
	return 0;
}

static void bo_free(struct drm_gem_object *obj)
{
	struct vgg_device *v = to_vgg(obj->dev);
	struct vgg_bo *bo = to_bo(obj);

	down_write(&v->bo_lock);
	list_del(&bo->link);
	unmap_for_card(bo);
	up_write(&v->bo_lock);
	mutex_lock(&v->mem_lock);
	if (drm_mm_node_allocated(&bo->local))
		drm_mm_remove_node(&bo->local);
	mutex_unlock(&v->mem_lock);
	if (bo->pages)
		drm_gem_put_pages(obj, bo->pages, true, false);
	if (obj->import_attach)
		drm_prime_gem_destroy(obj, NULL);
	drm_gem_object_release(obj);
	kfree(bo);
}

static vm_fault_t bo_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct drm_gem_object *obj = vma->vm_private_data;
	struct vgg_bo *bo = to_bo(obj);
	pgoff_t page = vmf->pgoff - drm_vma_node_start(&obj->vma_node);

	if (page >= obj->size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	return vmf_insert_pfn(vma, vmf->address, page_to_pfn(bo->pages[page]));
}

static const struct vm_operations_struct bo_vm_ops = {
	.fault = bo_fault,
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
};

static int bo_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	struct vgg_bo *bo = to_bo(obj);
	int err;

	if (obj->import_attach) {
		/* All this is the dma-buf's affair from here on. */
		vma->vm_private_data = NULL;
		vma->vm_ops = NULL;
		err = dma_buf_mmap(obj->import_attach->dmabuf, vma, 0);
		if (!err)
			drm_gem_object_put(obj);
		return err;
	}
	if (bo->flags & DRM_VGGACCEL_BO_LOCAL)
		return -EOPNOTSUPP;
	/* A private copy would never reach the card. */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vgg_vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags);
	vma->vm_ops = &bo_vm_ops;
	return 0;
}

static struct sg_table *bo_get_sg_table(struct drm_gem_object *obj)
{
	struct vgg_bo *bo = to_bo(obj);

	return drm_prime_pages_to_sg(obj->dev, bo->pages,
				     obj->size >> PAGE_SHIFT);
}

static const struct drm_gem_object_funcs bo_funcs = {
	.free = bo_free,
	.open = vgg_vm_open,
	.close = vgg_vm_close,
	.export = vgg_bo_export,
	.get_sg_table = bo_get_sg_table,
	.mmap = bo_mmap,
	.vm_ops = &bo_vm_ops,
};

/* Without memory yet; with a shmem file for it if `shmem`. */
struct vgg_bo *vgg_bo_alloc(struct drm_device *drm, size_t bytes, bool shmem)
{
	struct vgg_bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL);
	int err = 0;

	if (!bo)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&bo->link);
	bo->base.funcs = &bo_funcs;
	if (shmem)
		err = drm_gem_object_init(drm, &bo->base, bytes);
	else
		drm_gem_private_object_init(drm, &bo->base, bytes);
	if (!err)
		return bo;
	drm_gem_object_put(&bo->base);
	return ERR_PTR(err);
}

void vgg_bo_track(struct vgg_bo *bo)
{
	struct vgg_device *v = to_vgg(bo->base.dev);

	down_write(&v->bo_lock);
	list_add_tail(&bo->link, &v->bos);
	up_write(&v->bo_lock);
}

static int make_host(struct vgg_bo *bo)
{
	struct drm_gem_object *obj = &bo->base;
	struct device *dev = obj->dev->dev;
	struct page **pages;
	int err;

	/* Pages that the card can reach need no copies. */
	if (IS_ENABLED(CONFIG_ZONE_DMA32) &&
	    dma_get_mask(dev) <= DMA_BIT_MASK(32))
		mapping_set_gfp_mask(obj->filp->f_mapping,
				     GFP_USER | GFP_DMA32 |
					     __GFP_RETRY_MAYFAIL |
					     __GFP_NOWARN);
	pages = drm_gem_get_pages(obj);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	bo->pages = pages;
	err = map_for_card(bo);
	return err ? err : drm_gem_create_mmap_offset(obj);
}

static int make_local(struct vgg_bo *bo)
{
	struct vgg_device *v = to_vgg(bo->base.dev);
	u64 align = bo->base.size >= VGG_HUGE_SIZE ? VGG_HUGE_SIZE : 0;
	int err;

	if (!v->local_bytes)
		return -EOPNOTSUPP;
	mutex_lock(&v->mem_lock);
	err = drm_mm_insert_node_generic(&v->local, &bo->local, bo->base.size,
					 align, 0, 0);
	mutex_unlock(&v->mem_lock);
	if (err)
		return err;
	return vgg_scrub(v, bo->local.start, bo->base.size);
}

static int create(struct vgg_device *v, struct drm_file *file,
		  struct drm_vggaccel_bo_create *a)
{
	bool local = a->flags & DRM_VGGACCEL_BO_LOCAL;
	struct vgg_bo *bo = vgg_bo_alloc(&v->drm, PAGE_ALIGN(a->bytes), !local);
	int err;

	if (IS_ERR(bo))
		return PTR_ERR(bo);
	bo->flags = a->flags;
	vgg_bo_track(bo);
	if (local)
		err = make_local(bo);
	else
		err = make_host(bo);
	if (!err)
		err = drm_gem_handle_create(file, &bo->base, &a->handle);
	if (!err)
		err = vgg_vm_address(file->driver_priv, bo, &a->address);
	a->bytes = bo->base.size;
	if (bo->pages)
		a->mmap_offset = drm_vma_node_offset_addr(&bo->base.vma_node);
	/* The handle has one, if there is one. */
	drm_gem_object_put(&bo->base);
	return err;
}

int vgg_ioctl_bo_create(struct drm_device *drm, void *data,
			struct drm_file *file)
{
	struct drm_vggaccel_bo_create *a = data;
	int idx, err;

	if (a->reserved || !a->bytes || a->bytes > VGG_BO_MAX ||
	    a->bytes > (u64)LONG_MAX ||
	    a->flags & ~(DRM_VGGACCEL_BO_LOCAL | DRM_VGGACCEL_BO_READONLY))
		return -EINVAL;
	a->handle = 0;
	a->address = 0;
	a->mmap_offset = 0;
	if (READ_ONCE(to_vgg(drm)->gone) || !drm_dev_enter(drm, &idx))
		return -ENODEV;
	err = create(to_vgg(drm), file, a);
	drm_dev_exit(idx);
	return err;
}

int vgg_ioctl_bo_info(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_vggaccel_bo_info *a = data;
	struct drm_gem_object *obj;
	int err = 0;

	if (a->reserved || a->flags)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, a->handle);
	if (!obj)
		return -ENOENT;
	a->flags = to_bo(obj)->flags;
	a->bytes = obj->size;
	a->mmap_offset = 0;
	if (!(a->flags & DRM_VGGACCEL_BO_LOCAL)) {
		err = drm_gem_create_mmap_offset(obj);
		a->mmap_offset = drm_vma_node_offset_addr(&obj->vma_node);
	}
	if (!err)
		err = vgg_vm_address(file->driver_priv, to_bo(obj),
				     &a->address);
	drm_gem_object_put(obj);
	return err;
}

static void sync_cpu(struct device *dev, dma_addr_t addr, size_t bytes,
		     enum dma_data_direction dir)
{
	dma_sync_single_for_cpu(dev, addr, bytes, dir);
}

static void sync_card(struct device *dev, dma_addr_t addr, size_t bytes,
		      enum dma_data_direction dir)
{
	dma_sync_single_for_device(dev, addr, bytes, dir);
}

/*
 * Passing a buffer between CPU and card. Only the lines and bounce buffers of
 * the range are touched. (Where an IOMMU has merged pages, which RK3399 has not,
 * a part of a segment need not be contiguous in memory: then it is all of it.)
 */
static void sync_range(struct vgg_bo *bo, u64 offset, u64 bytes,
		       void (*sync)(struct device *, dma_addr_t, size_t,
				    enum dma_data_direction),
		       enum dma_data_direction dir)
{
	struct device *dev = bo->base.dev->dev;
	u64 end = offset + bytes, at = 0;
	bool merged = bo->sgt->nents != bo->sgt->orig_nents;
	struct scatterlist *sg;
	int i;

	if (merged && !bo->base.import_attach) {
		if (sync == sync_cpu)
			dma_sync_sgtable_for_cpu(dev, bo->sgt, dir);
		else
			dma_sync_sgtable_for_device(dev, bo->sgt, dir);
		return;
	}
	for_each_sgtable_dma_sg(bo->sgt, sg, i)
	{
		u64 len = sg_dma_len(sg);
		u64 from = max(offset, at), to = min(end, at + len);

		if (from < to)
			sync(dev, sg_dma_address(sg) + (from - at), to - from,
			     dir);
		at += len;
	}
}

/* bo_lock keeps sgt; the device is there as long as it isn't NULL. */
void vgg_bo_sync_cpu(struct vgg_bo *bo, u64 offset, u64 bytes)
{
	struct vgg_device *v = to_vgg(bo->base.dev);

	down_read(&v->bo_lock);
	if (bo->sgt)
		sync_range(bo, offset, bytes, sync_cpu, DMA_FROM_DEVICE);
	up_read(&v->bo_lock);
}

void vgg_bo_sync_card(struct vgg_bo *bo, u64 offset, u64 bytes)
{
	struct vgg_device *v = to_vgg(bo->base.dev);

	down_read(&v->bo_lock);
	if (bo->sgt)
		sync_range(bo, offset, bytes, sync_card, DMA_TO_DEVICE);
	up_read(&v->bo_lock);
}

/* Fills in the length; -EINVAL if the range isn't one of the buffer. */
static int check_range(const struct drm_gem_object *obj, u64 offset, u64 *bytes)
{
	if (offset >= obj->size)
		return -EINVAL;
	if (!*bytes)
		*bytes = obj->size - offset;
	return *bytes > obj->size - offset ? -EINVAL : 0;
}

static bool access_ok_(u32 access)
{
	return access && !(access & ~(DRM_VGGACCEL_ACCESS_READ |
				      DRM_VGGACCEL_ACCESS_WRITE));
}

static int wait_for_jobs(struct drm_gem_object *obj, u32 access, s64 timeout_ns)
{
	bool write = access & DRM_VGGACCEL_ACCESS_WRITE;
	long left = drm_timeout_abs_to_jiffies(timeout_ns);

	left = dma_resv_wait_timeout(obj->resv, dma_resv_usage_rw(write), true,
				     timeout_ns ? left : 0);
	if (!left)
		return timeout_ns ? -ETIMEDOUT : -EBUSY;
	return left < 0 ? left : 0;
}

/* Of an import both know: its exporter, and our mapping of it, which may be a
 * copy that the exporter doesn't know of. */
static int begin_access(struct drm_gem_object *obj, u32 access, u64 offset,
			u64 bytes)
{
	bool write = access & DRM_VGGACCEL_ACCESS_WRITE;
	int err = 0;

	if (obj->import_attach)
		err = dma_buf_begin_cpu_access(obj->import_attach->dmabuf,
					       write ? DMA_BIDIRECTIONAL :
						       DMA_FROM_DEVICE);
	/* Also to write: what stays unwritten of a line must be true. */
	if (!err)
		vgg_bo_sync_cpu(to_bo(obj), offset, bytes);
	return err;
}

static int end_access(struct drm_gem_object *obj, u32 access, u64 offset,
		      u64 bytes)
{
	bool write = access & DRM_VGGACCEL_ACCESS_WRITE;

	if (write)
		vgg_bo_sync_card(to_bo(obj), offset, bytes);
	if (!obj->import_attach)
		return 0;
	return dma_buf_end_cpu_access(obj->import_attach->dmabuf,
				      write ? DMA_BIDIRECTIONAL :
					      DMA_FROM_DEVICE);
}

int vgg_ioctl_bo_prep(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_vggaccel_bo_prep *a = data;
	struct drm_gem_object *obj;
	int err;

	if (!access_ok_(a->access) || a->reserved)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, a->handle);
	if (!obj)
		return -ENOENT;
	err = check_range(obj, a->offset, &a->bytes);
	if (!err)
		err = wait_for_jobs(obj, a->access, a->timeout_ns);
	if (!err && !(to_bo(obj)->flags & DRM_VGGACCEL_BO_LOCAL))
		err = begin_access(obj, a->access, a->offset, a->bytes);
	drm_gem_object_put(obj);
	return err;
}

int vgg_ioctl_bo_fini(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_vggaccel_bo_fini *a = data;
	struct drm_gem_object *obj;
	int err;

	if (!access_ok_(a->access) || a->reserved)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, a->handle);
	if (!obj)
		return -ENOENT;
	err = check_range(obj, a->offset, &a->bytes);
	if (!err && !(to_bo(obj)->flags & DRM_VGGACCEL_BO_LOCAL))
		err = end_access(obj, a->access, a->offset, a->bytes);
	drm_gem_object_put(obj);
	return err;
}

void vgg_bo_revoke_all(struct vgg_device *v)
{
	struct vgg_bo *bo;

	down_write(&v->bo_lock);
	list_for_each_entry(bo, &v->bos, link) unmap_for_card(bo);
	up_write(&v->bo_lock);
}
