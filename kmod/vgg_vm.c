// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers in address spaces. A buffer is mapped for as long as the file has a
 * handle for it; that goes for created and for imported ones alike, since both
 * get their handles through the same two callbacks of GEM.
 *
 * When the last handle goes, the card's page-table entries go with it, so that
 * later jobs can't reach the buffer. Its memory, and its range of addresses,
 * are given back when those jobs have been retired that were submitted before:
 * the one that runs may have the translation cached.
 */
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "vgg.h"

static struct vgg_map *find(struct vgg_ctx *ctx, const struct vgg_bo *bo)
{
	struct vgg_map *map;

	list_for_each_entry(map, &ctx->maps,
			    link) if (map->bo == bo) return map;
	return NULL;
}

static int map_host(struct vgg_ctx *ctx, const struct vgg_bo *bo, u64 va,
		    u64 flags)
{
	struct scatterlist *sg;
	u64 done = 0;
	int i, err;

	for_each_sgtable_dma_sg(bo->sgt, sg, i)
	{
		u64 bytes = min_t(u64, sg_dma_len(sg), bo->base.size - done);

		err = vgg_mmu_map(&ctx->mmu, va + done, sg_dma_address(sg),
				  bytes, flags);
		if (err) {
			vgg_mmu_unmap(&ctx->mmu, va, done);
			return err;
		}
		done += bytes;
		if (done == bo->base.size)
			break;
	}
	return 0;
}

static int map_pages(struct vgg_ctx *ctx, const struct vgg_bo *bo, u64 va)
{
	u64 flags = bo->flags & DRM_VGGACCEL_BO_READONLY ? 0 : VGG_PTE_WRITE;

	if (bo->flags & DRM_VGGACCEL_BO_LOCAL)
		return vgg_mmu_map(&ctx->mmu, va, bo->local.start,
				   bo->base.size, flags | VGG_PTE_LOCAL);
	return map_host(ctx, bo, va, flags);
}

static int insert(struct vgg_ctx *ctx, struct vgg_bo *bo)
{
	u64 align = bo->base.size >= VGG_HUGE_SIZE ? VGG_HUGE_SIZE : 0;
	struct vgg_map *map = kzalloc(sizeof(*map), GFP_KERNEL);
	int err;

	if (!map)
		return -ENOMEM;
	/* The page behind it stays unmapped. */
	err = drm_mm_insert_node_generic(
		&ctx->va, &map->va, bo->base.size + VGG_PAGE_SIZE, align, 0, 0);
	if (err)
		goto err_map;
	err = map_pages(ctx, bo, map->va.start);
	if (err)
		goto err_va;
	drm_gem_object_get(&bo->base);
	map->bo = bo;
	map->handles = 1;
	if (bo->flags & DRM_VGGACCEL_BO_LOCAL)
		WRITE_ONCE(ctx->has_local, true);
	list_add(&map->link, &ctx->maps);
	return 0;

err_va:
	drm_mm_remove_node(&map->va);
err_map:
	kfree(map);
	return err;
}

/* GEM: the file gets a handle. */
int vgg_vm_open(struct drm_gem_object *obj, struct drm_file *file)
{
	struct vgg_ctx *ctx = file->driver_priv;
	struct vgg_bo *bo = to_bo(obj);
	struct vgg_map *map;
	int idx, err = 0;

	if (!drm_dev_enter(obj->dev, &idx))
		return -ENODEV;
	mutex_lock(&ctx->vm_lock);
	map = find(ctx, bo);
	if (map)
		map->handles++;
	else
		err = insert(ctx, bo);
	mutex_unlock(&ctx->vm_lock);
	drm_dev_exit(idx);
	return err;
}

/* vm_lock is held. */
void vgg_map_free(struct vgg_ctx *ctx, struct vgg_map *map)
{
	list_del(&map->link);
	drm_mm_remove_node(&map->va);
	drm_gem_object_put(&map->bo->base);
	kfree(map);
}

static bool has_jobs(struct vgg_ctx *ctx, u64 *last)
{
	struct vgg_device *v = ctx->v;
	bool any;

	spin_lock_irq(&v->lock);
	any = !list_empty(&ctx->jobs);
	*last = ctx->seq;
	spin_unlock_irq(&v->lock);
	return any;
}

/* GEM: a handle goes. */
void vgg_vm_close(struct drm_gem_object *obj, struct drm_file *file)
{
	struct vgg_ctx *ctx = file->driver_priv;
	struct vgg_device *v = ctx->v;
	struct vgg_map *map;
	u64 last;

	mutex_lock(&ctx->vm_lock);
	map = find(ctx, to_bo(obj));
	if (map && !--map->handles) {
		mutex_lock(&v->mem_lock);
		vgg_mmu_unmap(&ctx->mmu, map->va.start, obj->size);
		mutex_unlock(&v->mem_lock);
		/* Visible to vgg_ctx_collect() before the last look: one of
		 * the two frees it. */
		has_jobs(ctx, &map->last_seq);
		list_move_tail(&map->link, &ctx->zombies);
		if (!has_jobs(ctx, &last))
			vgg_map_free(ctx, map);
	}
	mutex_unlock(&ctx->vm_lock);
}

int vgg_vm_address(struct vgg_ctx *ctx, struct vgg_bo *bo, u64 *address)
{
	struct vgg_map *map;

	mutex_lock(&ctx->vm_lock);
	map = find(ctx, bo);
	if (map)
		*address = map->va.start;
	mutex_unlock(&ctx->vm_lock);
	return map ? 0 : -ENOENT;
}
