// SPDX-License-Identifier: MIT
/* See sim_mmu.h. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "device/sim_mmu.h"
#include "vggaccel_hw.h"

#define HUGE_BYTES ((uint64_t)1 << VGG_HUGE_SHIFT)

struct vgg_mmu_table {
	struct vgg_sim_memory memory;
	struct vgg_mmu_table *child[VGG_PT_ENTRIES];
};

int vgg_sim_memory_new(struct vgg_sim_inproc *card, struct vgg_ranges *bus,
		       uint64_t bytes, struct vgg_sim_memory *m)
{
	int err;

	m->bytes = (bytes + VGG_PAGE_SIZE - 1) & ~(uint64_t)(VGG_PAGE_SIZE - 1);
	err = vgg_ranges_take(
		bus, m->bytes,
		m->bytes >= HUGE_BYTES ? HUGE_BYTES : VGG_PAGE_SIZE, &m->bus);
	if (err)
		return err;
	m->map = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->map == MAP_FAILED) {
		err = -ENOMEM;
		goto err_bus;
	}
	err = vgg_sim_inproc_map(card, m->bus, m->map, m->bytes, true);
	if (err)
		goto err_map;
	return 0;

err_map:
	munmap(m->map, m->bytes);
err_bus:
	m->map = NULL;
	vgg_ranges_give(bus, m->bus, m->bytes);
	return err;
}

void vgg_sim_memory_free(struct vgg_sim_inproc *card, struct vgg_ranges *bus,
			 struct vgg_sim_memory *m)
{
	vgg_sim_inproc_unmap(card, m->bus);
	munmap(m->map, m->bytes);
	vgg_ranges_give(bus, m->bus, m->bytes);
}

static struct vgg_mmu_table *new_table(struct vgg_mmu *mmu)
{
	struct vgg_mmu_table *t = calloc(1, sizeof(*t));

	if (t && vgg_sim_memory_new(mmu->card, mmu->bus, VGG_PAGE_SIZE,
				    &t->memory)) {
		free(t);
		t = NULL;
	}
	return t;
}

static void free_table(struct vgg_mmu *mmu, struct vgg_mmu_table *t)
{
	unsigned int i;

	if (!t)
		return;
	for (i = 0; i < VGG_PT_ENTRIES; i++)
		free_table(mmu, t->child[i]);
	vgg_sim_memory_free(mmu->card, mmu->bus, &t->memory);
	free(t);
}

int vgg_mmu_init(struct vgg_mmu *mmu, struct vgg_sim_inproc *card,
		 struct vgg_ranges *bus)
{
	mmu->card = card;
	mmu->bus = bus;
	mmu->root = new_table(mmu);
	return mmu->root ? 0 : -ENOMEM;
}

void vgg_mmu_clear(struct vgg_mmu *mmu)
{
	free_table(mmu, mmu->root);
	mmu->root = NULL;
}

uint64_t vgg_mmu_root(const struct vgg_mmu *mmu)
{
	return mmu->root->memory.bus;
}

/* Level 0 is the root. */
static unsigned int index_at(uint64_t va, int level)
{
	return va >> (VGG_PAGE_SHIFT +
		      VGG_PT_BITS * (VGG_PT_LEVELS - 1 - level)) &
	       (VGG_PT_ENTRIES - 1);
}

/* The card may walk the tables meanwhile: an entry changes in one store. */
static void set_entry(struct vgg_mmu_table *t, unsigned int i, uint64_t value)
{
	__atomic_store_n((uint64_t *)t->memory.map + i, htole64(value),
			 __ATOMIC_RELEASE);
}

/* The table at `level` for va, made where missing. */
static struct vgg_mmu_table *walk(struct vgg_mmu *mmu, uint64_t va, int level,
				  bool create)
{
	struct vgg_mmu_table *t = mmu->root;
	int l;

	for (l = 0; t && l < level; l++) {
		unsigned int i = index_at(va, l);

		if (!t->child[i] && create) {
			t->child[i] = new_table(mmu);
			if (t->child[i])
				set_entry(t, i,
					  t->child[i]->memory.bus |
						  VGG_PTE_VALID);
		}
		t = t->child[i];
	}
	return t;
}

/* A 2 MiB leaf fits here, and no table of 4 KiB leaves is in its place. */
static bool huge_fits(struct vgg_mmu *mmu, uint64_t va, uint64_t to,
		      uint64_t bytes)
{
	struct vgg_mmu_table *t = walk(mmu, va, 1, false);

	return bytes >= HUGE_BYTES && !((va | to) & (HUGE_BYTES - 1)) &&
	       !(t && t->child[index_at(va, 1)]);
}

int vgg_mmu_map(struct vgg_mmu *mmu, uint64_t va, uint64_t to, uint64_t bytes,
		bool local)
{
	uint64_t flags = VGG_PTE_VALID | VGG_PTE_WRITE | VGG_PTE_LEAF |
			 (local ? VGG_PTE_LOCAL : 0);
	uint64_t done = 0;

	while (done < bytes) {
		bool huge = huge_fits(mmu, va + done, to + done, bytes - done);
		int level = huge ? 1 : 2;
		struct vgg_mmu_table *t = walk(mmu, va + done, level, true);

		if (!t) {
			vgg_mmu_unmap(mmu, va, done);
			return -ENOMEM;
		}
		set_entry(t, index_at(va + done, level), (to + done) | flags);
		done += huge ? HUGE_BYTES : VGG_PAGE_SIZE;
	}
	return 0;
}

void vgg_mmu_unmap(struct vgg_mmu *mmu, uint64_t va, uint64_t bytes)
{
	uint64_t done = 0;

	while (done < bytes) {
		struct vgg_mmu_table *t = walk(mmu, va + done, 2, false);
		int level = t ? 2 : 1;

		if (!t)
			t = walk(mmu, va + done, 1, false);
		if (t)
			set_entry(t, index_at(va + done, level), 0);
		done += level == 1 ? HUGE_BYTES : VGG_PAGE_SIZE;
	}
}
