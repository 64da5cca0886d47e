// SPDX-License-Identifier: MIT
/*
 * Address translation: the three-level walk, and reads and writes of
 * device-virtual ranges, page by page.
 *
 * Every byte a command stream reaches goes through find_page(), so the checks
 * in it are the whole protection of the host's memory. Only the entries a job
 * uses are read, one by one: the driver may change their neighbours meanwhile.
 */
#include "sim_internal.h"

#include <endian.h>
#include <string.h>

#define VA_LIMIT (UINT64_C(1) << VGG_VA_BITS)
#define PTE_FLAGS (VGG_PTE_VALID | VGG_PTE_WRITE | VGG_PTE_LOCAL | VGG_PTE_LEAF)
#define HUGE_SIZE (UINT64_C(1) << VGG_HUGE_SHIFT)

struct leaf {
	uint64_t pte;
	uint64_t base; /* of the whole leaf */
	uint64_t size;
};

void vgg_sim_mmu_start(struct sim_mmu *mmu, struct vgg_sim *sim, uint64_t root)
{
	mmu->sim = sim;
	mmu->root = root;
	mmu->fault_addr = 0;
	memset(mmu->tlb, 0, sizeof(mmu->tlb));
}

static enum vgg_hw_status read_entry(struct sim_mmu *mmu, uint64_t table,
				     uint64_t va, int level, uint64_t *pte)
{
	int shift = VGG_PAGE_SHIFT + VGG_PT_BITS * (VGG_PT_LEVELS - level);
	uint64_t slot = (va >> shift) & (VGG_PT_ENTRIES - 1);
	enum vgg_hw_status status;

	status = vgg_sim_host_read(mmu->sim, table + slot * sizeof(*pte), pte,
				   sizeof(*pte));
	*pte = le64toh(*pte);
	return status;
}

/* level: 1 is the root. */
static enum vgg_hw_status check_entry(uint64_t pte, int level)
{
	bool is_leaf = pte & VGG_PTE_LEAF;

	if (!(pte & VGG_PTE_VALID))
		return VGG_STATUS_UNMAPPED;
	if (pte & ~(VGG_PTE_ADDR | PTE_FLAGS))
		return VGG_STATUS_PTE;
	if (is_leaf && level == 1)
		return VGG_STATUS_PTE;
	if (!is_leaf && level == VGG_PT_LEVELS)
		return VGG_STATUS_PTE;
	if (!is_leaf && (pte & (VGG_PTE_WRITE | VGG_PTE_LOCAL)))
		return VGG_STATUS_PTE;
	if (is_leaf && level == 2 && ((pte & VGG_PTE_ADDR) & (HUGE_SIZE - 1)))
		return VGG_STATUS_PTE;
	return VGG_STATUS_OK;
}

static enum vgg_hw_status walk(struct sim_mmu *mmu, uint64_t va,
			       struct leaf *leaf)
{
	uint64_t table = mmu->root;
	enum vgg_hw_status status;
	int level;

	for (level = 1; level <= VGG_PT_LEVELS; level++) {
		status = read_entry(mmu, table, va, level, &leaf->pte);
		if (!status)
			status = check_entry(leaf->pte, level);
		if (status)
			return status;
		table = leaf->pte & VGG_PTE_ADDR;
		if (leaf->pte & VGG_PTE_LEAF)
			break;
	}
	leaf->base = table;
	leaf->size = level == 2 ? HUGE_SIZE : VGG_PAGE_SIZE;
	return VGG_STATUS_OK;
}

/* Host pages are used in place where the bus allows it. */
static void attach_host(struct vgg_sim *sim, struct sim_page *page)
{
	const struct vgg_sim_bus *bus = &sim->bus;

	if (!bus->map)
		return;
	page->mem_writable = page->writable;
	page->mem =
		bus->map(bus->ctx, page->addr, VGG_PAGE_SIZE, page->writable);
	if (page->mem || !page->writable)
		return;
	page->mem_writable = false;
	page->mem = bus->map(bus->ctx, page->addr, VGG_PAGE_SIZE, false);
}

static bool beyond_local(const struct vgg_sim *sim, const struct leaf *leaf)
{
	return leaf->size > sim->local_size ||
	       leaf->base > sim->local_size - leaf->size;
}

static enum vgg_hw_status fill_page(struct sim_mmu *mmu, uint64_t va,
				    struct sim_page *page)
{
	struct vgg_sim *sim = mmu->sim;
	struct leaf leaf;
	enum vgg_hw_status status = walk(mmu, va, &leaf);

	if (status)
		return status;
	*page = (struct sim_page){ 0 };
	page->writable = leaf.pte & VGG_PTE_WRITE;
	page->local = leaf.pte & VGG_PTE_LOCAL;
	page->addr = leaf.base +
		     ((va & (leaf.size - 1)) & ~(uint64_t)(VGG_PAGE_SIZE - 1));
	if (!page->local) {
		attach_host(sim, page);
	} else if (beyond_local(sim, &leaf)) {
		return VGG_STATUS_LOCAL;
	} else {
		page->mem = sim->local + page->addr;
		page->mem_writable = page->writable;
	}
	page->tag = (va >> VGG_PAGE_SHIFT) + 1;
	return VGG_STATUS_OK;
}

static enum vgg_hw_status find_page(struct sim_mmu *mmu, uint64_t va,
				    bool write, struct sim_page **found)
{
	uint64_t number = va >> VGG_PAGE_SHIFT;
	struct sim_page *page = &mmu->tlb[number % SIM_TLB_ENTRIES];
	enum vgg_hw_status status = VGG_STATUS_OK;

	if (va >= VA_LIMIT) {
		status = VGG_STATUS_RANGE;
	} else if (page->tag != number + 1) {
		page->tag = 0;
		status = fill_page(mmu, va, page);
	}
	if (!status && write && !page->writable)
		status = VGG_STATUS_WRITE;
	if (status)
		mmu->fault_addr = va;
	*found = page;
	return status;
}

static uint64_t bytes_in_page(uint64_t va, uint64_t len)
{
	uint64_t rest = VGG_PAGE_SIZE - (va & (VGG_PAGE_SIZE - 1));

	return len < rest ? len : rest;
}

static enum vgg_hw_status read_page(struct sim_mmu *mmu, uint64_t va, void *to,
				    uint64_t len)
{
	uint64_t offset = va & (VGG_PAGE_SIZE - 1);
	struct sim_page *page;
	enum vgg_hw_status status = find_page(mmu, va, false, &page);

	if (status)
		return status;
	if (page->mem) {
		memcpy(to, page->mem + offset, len);
		return VGG_STATUS_OK;
	}
	status = vgg_sim_host_read(mmu->sim, page->addr + offset, to, len);
	if (status)
		mmu->fault_addr = va;
	return status;
}

static enum vgg_hw_status write_page(struct sim_mmu *mmu, uint64_t va,
				     const void *from, uint64_t len)
{
	uint64_t offset = va & (VGG_PAGE_SIZE - 1);
	struct sim_page *page;
	enum vgg_hw_status status = find_page(mmu, va, true, &page);

	if (status)
		return status;
	if (page->mem && page->mem_writable) {
		memcpy(page->mem + offset, from, len);
		if (page->local && mmu->sim->written)
			mmu->sim->written[page->addr / VGG_PAGE_SIZE] =
				mmu->sim->epoch;
		return VGG_STATUS_OK;
	}
	status = vgg_sim_host_write(mmu->sim, page->addr + offset, from, len);
	if (status)
		mmu->fault_addr = va;
	return status;
}

enum vgg_hw_status vgg_sim_mmu_read(struct sim_mmu *mmu, uint64_t va, void *to,
				    uint64_t len)
{
	enum vgg_hw_status status = VGG_STATUS_OK;
	uint8_t *bytes = to;

	while (len && !status) {
		uint64_t n = bytes_in_page(va, len);

		status = read_page(mmu, va, bytes, n);
		va += n;
		bytes += n;
		len -= n;
	}
	return status;
}

enum vgg_hw_status vgg_sim_mmu_write(struct sim_mmu *mmu, uint64_t va,
				     const void *from, uint64_t len)
{
	enum vgg_hw_status status = VGG_STATUS_OK;
	const uint8_t *bytes = from;

	while (len && !status) {
		uint64_t n = bytes_in_page(va, len);

		status = write_page(mmu, va, bytes, n);
		va += n;
		bytes += n;
		len -= n;
	}
	return status;
}

enum vgg_hw_status vgg_sim_mmu_view(struct sim_mmu *mmu, uint64_t va,
				    uint64_t len, void *room,
				    const uint8_t **at, size_t *n)
{
	uint64_t offset = va & (VGG_PAGE_SIZE - 1);
	struct sim_page *page;
	enum vgg_hw_status status = find_page(mmu, va, false, &page);

	*n = bytes_in_page(va, len);
	if (status)
		return status;
	if (page->mem) {
		*at = page->mem + offset;
		return VGG_STATUS_OK;
	}
	*at = room;
	return vgg_sim_host_read(mmu->sim, page->addr + offset, room, *n);
}

enum vgg_hw_status vgg_sim_mmu_span(struct sim_mmu *mmu, uint64_t va,
				    uint64_t len, bool write,
				    struct sim_span *span)
{
	struct leaf leaf;
	enum vgg_hw_status status;
	uint64_t offset;

	if (va >= VA_LIMIT)
		return VGG_STATUS_RANGE;
	status = walk(mmu, va, &leaf);
	if (status)
		return status;
	span->local = leaf.pte & VGG_PTE_LOCAL;
	if (span->local && beyond_local(mmu->sim, &leaf))
		return VGG_STATUS_LOCAL;
	if (write && !(leaf.pte & VGG_PTE_WRITE))
		return VGG_STATUS_WRITE;
	offset = va & (leaf.size - 1);
	span->addr = leaf.base + offset;
	span->len = len < leaf.size - offset ? len : leaf.size - offset;
	return VGG_STATUS_OK;
}

bool vgg_sim_mmu_is_local(struct sim_mmu *mmu, uint64_t va)
{
	struct sim_page *page;

	return !find_page(mmu, va, false, &page) && page->local;
}
