/* SPDX-License-Identifier: MIT */
/* Page tables for the simulated card: written here as the kernel module writes
 * them for a real one. */
#ifndef VGG_SIM_MMU_H
#define VGG_SIM_MMU_H

#include <stdbool.h>
#include <stdint.h>

#include "device/range.h"
#include "vggsim.h"

struct vgg_mmu_table;

/* Host memory on the card's bus. */
struct vgg_sim_memory {
	void *map;
	uint64_t bus, bytes; /* whole pages */
};

struct vgg_mmu {
	struct vgg_sim_inproc *card;
	struct vgg_ranges *bus;
	struct vgg_mmu_table *root;
};

/* -ENOMEM or -ENOSPC, without an error text, as all functions here. Zeroed
 * memory; 2 MiB and more is aligned to 2 MiB. */
int vgg_sim_memory_new(struct vgg_sim_inproc *card, struct vgg_ranges *bus,
		       uint64_t bytes, struct vgg_sim_memory *m);
void vgg_sim_memory_free(struct vgg_sim_inproc *card, struct vgg_ranges *bus,
			 struct vgg_sim_memory *m);

int vgg_mmu_init(struct vgg_mmu *mmu, struct vgg_sim_inproc *card,
		 struct vgg_ranges *bus);
void vgg_mmu_clear(struct vgg_mmu *mmu);
/* Bus address of the root. */
uint64_t vgg_mmu_root(const struct vgg_mmu *mmu);
/* Maps whole pages, writable, with 2 MiB leaves where they fit; `to` is a bus
 * address, or one of on-board memory if `local`. */
int vgg_mmu_map(struct vgg_mmu *mmu, uint64_t va, uint64_t to, uint64_t bytes,
		bool local);
void vgg_mmu_unmap(struct vgg_mmu *mmu, uint64_t va, uint64_t bytes);

#endif
