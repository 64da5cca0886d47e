// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables of the card: three levels of 512 entries, see vggaccel_hw.h. They
 * are the isolation between contexts: a command stream holds device addresses
 * only, and reaches what its own tables map and nothing else.
 *
 * Tables are coherent memory, since the card reads them on its own. It caches
 * translations for the time of one job, so an entry may change at any time, but
 * what it led to must stay until the jobs that may have used it have ended; the
 * caller sees to that. Tables stay until the end of the address space.
 *
 * Callers hold vgg_ctx.vm_lock.
 */
#include <linux/dmapool.h>
#include <linux/slab.h>

#include "vgg.h"

struct vgg_pt {
	__le64 *entries;
	dma_addr_t dma;
	struct vgg_pt *child[VGG_PT_ENTRIES];
};

static struct vgg_pt *pt_create(struct vgg_device *v)
{
	struct vgg_pt *pt = kzalloc(sizeof(*pt), GFP_KERNEL);

	if (!pt)
		return NULL;
	pt->entries = dma_pool_zalloc(v->tables, GFP_KERNEL, &pt->dma);
	if (!pt->entries) {
		kfree(pt);
		return NULL;
	}
	return pt;
}

static void pt_free(struct vgg_device *v, struct vgg_pt *pt)
{
	unsigned int i;

	if (!pt)
		return;
	for (i = 0; i < VGG_PT_ENTRIES; i++)
		pt_free(v, pt->child[i]);
	dma_pool_free(v->tables, pt->entries, pt->dma);
	kfree(pt);
}

int vgg_mmu_init(struct vgg_device *v, struct vgg_mmu *mmu)
{
	mmu->v = v;
	mmu->root = pt_create(v);
	return mmu->root ? 0 : -ENOMEM;
}

void vgg_mmu_fini(struct vgg_mmu *mmu)
{
	pt_free(mmu->v, mmu->root);
	mmu->root = NULL;
}

dma_addr_t vgg_mmu_root(const struct vgg_mmu *mmu)
{
	return mmu->root ? mmu->root->dma : 0;
}

/* Level 0 is the root. */
static unsigned int index_at(u64 va, int level)
{
	return (va >>
		(VGG_PAGE_SHIFT + VGG_PT_BITS * (VGG_PT_LEVELS - 1 - level))) &
	       (VGG_PT_ENTRIES - 1);
}

/* In one store: the card may walk the table meanwhile. */
static void set_entry(struct vgg_pt *pt, unsigned int i, u64 value)
{
	WRITE_ONCE(pt->entries[i], cpu_to_le64(value));
}

/* The table at `level` for va, made where missing. */
static struct vgg_pt *walk(struct vgg_mmu *mmu, u64 va, int level, bool create)
{
	struct vgg_pt *pt = mmu->root;
	int l;

	for (l = 0; pt && l < level; l++) {
		unsigned int i = index_at(va, l);

		if (!pt->child[i] && create) {
			pt->child[i] = pt_create(mmu->v);
			if (!pt->child[i])
				return NULL;
			/* The table is zero before the card can find it. */
			dma_wmb();
			set_entry(pt, i, pt->child[i]->dma | VGG_PTE_VALID);
		}
		pt = pt->child[i];
	}
	return pt;
}

/* A 2 MiB leaf fits here, and no table of small ones is in its place. */
static bool huge_fits(struct vgg_mmu *mmu, u64 va, u64 to, u64 bytes)
{
	struct vgg_pt *pt;

	if (bytes < VGG_HUGE_SIZE || ((va | to) & (VGG_HUGE_SIZE - 1)))
		return false;
	pt = walk(mmu, va, 1, false);
	return !pt || !pt->child[index_at(va, 1)];
}

/* flags: VGG_PTE_WRITE, VGG_PTE_LOCAL */
int vgg_mmu_map(struct vgg_mmu *mmu, u64 va, u64 to, u64 bytes, u64 flags)
{
	u64 done = 0;

	flags |= VGG_PTE_VALID | VGG_PTE_LEAF;
	while (done < bytes) {
		bool huge = huge_fits(mmu, va + done, to + done, bytes - done);
		int level = huge ? 1 : 2;
		struct vgg_pt *pt = walk(mmu, va + done, level, true);

		if (!pt) {
			vgg_mmu_unmap(mmu, va, done);
			return -ENOMEM;
		}
		set_entry(pt, index_at(va + done, level), (to + done) | flags);
		done += huge ? VGG_HUGE_SIZE : VGG_PAGE_SIZE;
	}
	dma_wmb();
	return 0;
}

void vgg_mmu_unmap(struct vgg_mmu *mmu, u64 va, u64 bytes)
{
	u64 done = 0;

	while (done < bytes && mmu->root) {
		struct vgg_pt *pt = walk(mmu, va + done, 2, false);
		int level = pt ? 2 : 1;

		if (!pt)
			pt = walk(mmu, va + done, 1, false);
		if (pt)
			set_entry(pt, index_at(va + done, level), 0);
		done += level == 1 ? VGG_HUGE_SIZE : VGG_PAGE_SIZE;
	}
	dma_wmb();
}

void vgg_mmu_blind(struct vgg_mmu *mmu)
{
	unsigned int i;

	for (i = 0; mmu->root && i < VGG_PT_ENTRIES; i++)
		set_entry(mmu->root, i, 0);
	dma_wmb();
}
