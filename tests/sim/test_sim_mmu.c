// SPDX-License-Identifier: MIT
/* The page-table walk: levels, sizes, rights, malformed entries, edges. */
#include "rig.h"

#define LEAF (VGG_PTE_VALID | VGG_PTE_LEAF)
#define RW (LEAF | VGG_PTE_WRITE)
#define HUGE_SIZE (UINT64_C(1) << VGG_HUGE_SHIFT)
#define TOP (UINT64_C(1) << VGG_VA_BITS)

FIXTURE(walk)
{
	struct rig *rig;
};
FIXTURE_VARIANT(walk)
{
	bool no_map;
};
FIXTURE_VARIANT_ADD(walk, direct){ false };
FIXTURE_VARIANT_ADD(walk, by_calls){ true };

FIXTURE_SETUP(walk)
{
	struct rig_options options = { .no_map = variant->no_map,
				       .memory = 32u << 20 };

	self->rig = rig_create(&options);
}

FIXTURE_TEARDOWN(walk)
{
	rig_destroy(self->rig);
}

static int fill(struct rig *rig, uint64_t va, uint32_t bytes)
{
	struct vgg_hw_cmd_fill cmd = rig_fill(va, bytes, 0x77);
	struct vgg_hw_cqe cqe;

	rig_add(rig, &cmd);
	cqe = rig_execute(rig);
	return cqe.status;
}

static uint64_t fault(struct rig *rig)
{
	return rig_read(rig, VGG_REG_ERR_ADDR_LO) |
	       (uint64_t)rig_read(rig, VGG_REG_ERR_ADDR_HI) << 32;
}

/* Checks status and faulting address, and rearms the latch. */
static void expect_fault(struct rig *rig, int status, int want, uint64_t addr)
{
	EXPECT_EQ(status, want);
	EXPECT_EQ(fault(rig), addr);
	EXPECT_EQ(rig_take_error(rig), want);
}

TEST_F(walk, small_pages_at_every_level_index)
{
	static const uint64_t vas[] = {
		0,
		0x1000,
		0x1ff000,
		0x3fe00000 + 0x1000,
		0x40000000,
		0x7fc0000000 - 0x1000,
		TOP - 0x1000,
	};
	uint64_t page;
	size_t i;

	for (i = 0; i < sizeof(vas) / sizeof(vas[0]); i++) {
		uint8_t *mem;

		page = rig_pages(self->rig, 4096);
		mem = rig_at(self->rig, page);
		rig_set_leaf(self->rig, self->rig->root, vas[i], 3, page | RW);
		EXPECT_EQ(fill(self->rig, vas[i] + 5, 4091), VGG_STATUS_OK);
		EXPECT_EQ(mem[4], 0);
		EXPECT_EQ(mem[5], 0x77);
		EXPECT_EQ(mem[4095], 0x77);
	}
	EXPECT_EQ(self->rig->refused, 0u);
}

TEST_F(walk, huge_page)
{
	struct rig *rig = self->rig;
	uint64_t va = UINT64_C(5) << 30;
	uint64_t bus = (rig_pages(rig, 2 * HUGE_SIZE) + HUGE_SIZE - 1) &
		       ~(HUGE_SIZE - 1);
	uint8_t *mem = rig_at(rig, bus);

	rig_set_leaf(rig, rig->root, va, 2, bus | RW);
	EXPECT_EQ(fill(rig, va + 100, HUGE_SIZE - 200), VGG_STATUS_OK);
	EXPECT_EQ(mem[99], 0);
	EXPECT_EQ(mem[100], 0x77);
	EXPECT_EQ(mem[HUGE_SIZE - 101], 0x77);
	EXPECT_EQ(mem[HUGE_SIZE - 100], 0);
	expect_fault(rig, fill(rig, va + HUGE_SIZE - 1, 2), VGG_STATUS_UNMAPPED,
		     va + HUGE_SIZE);
}

TEST_F(walk, local_memory)
{
	struct rig *rig = self->rig;
	uint64_t va = UINT64_C(6) << 30, end = (uint64_t)512 << 20;
	uint64_t out = rig_alloc(rig, 8192, RIG_HOST);
	struct vgg_hw_cmd_copy copy;
	uint8_t got[2];

	rig_set_leaf(rig, rig->root, va, 3, (end - 4096) | RW | VGG_PTE_LOCAL);
	rig_set_leaf(rig, rig->root, va + 0x1000, 3, end | RW | VGG_PTE_LOCAL);
	EXPECT_EQ(fill(rig, va, 4096), VGG_STATUS_OK);
	copy = rig_copy(va + 4095, out, 1);
	rig_add(rig, &copy);
	EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
	rig_get(rig, out, got, 2);
	EXPECT_EQ(got[0], 0x77);
	EXPECT_EQ(got[1], 0);
	expect_fault(rig, fill(rig, va + 4095, 2), VGG_STATUS_LOCAL, va + 4096);
	/* huge ones: the last that fits, and one that reaches beyond */
	rig_set_leaf(rig, rig->root, va + HUGE_SIZE, 2,
		     (end - HUGE_SIZE) | RW | VGG_PTE_LOCAL);
	EXPECT_EQ(fill(rig, va + HUGE_SIZE, 4096), VGG_STATUS_OK);
	rig_set_leaf(rig, rig->root, va + HUGE_SIZE, 2,
		     end | RW | VGG_PTE_LOCAL);
	EXPECT_EQ(fill(rig, va + HUGE_SIZE, 4096), VGG_STATUS_LOCAL);
	rig_set_leaf(rig, rig->root, va + HUGE_SIZE, 2,
		     (VGG_PTE_ADDR & ~(HUGE_SIZE - 1)) | RW | VGG_PTE_LOCAL);
	EXPECT_EQ(fill(rig, va + HUGE_SIZE, 4096), VGG_STATUS_LOCAL);
}

TEST_F(walk, read_only_pages)
{
	struct rig *rig = self->rig;
	uint64_t ro = rig_alloc(rig, 4096, RIG_READONLY);
	uint64_t rw = rig_alloc(rig, 4096, RIG_HOST);
	struct vgg_hw_cmd_copy copy = rig_copy(ro, rw, 4096);

	rig_add(rig, &copy);
	EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
	expect_fault(rig, fill(rig, ro + 3, 4), VGG_STATUS_WRITE, ro + 3);
	/* read first, then write: the cached translation knows it too */
	copy.dst = ro + 2048;
	copy.width = 16;
	rig_add(rig, &copy);
	expect_fault(rig, rig_execute(rig).status, VGG_STATUS_WRITE, ro + 2048);
}

TEST_F(walk, crossing_into_nothing)
{
	struct rig *rig = self->rig;
	uint64_t va = rig_alloc(rig, 4096, RIG_HOST);

	EXPECT_EQ(fill(rig, va + 4000, 96), VGG_STATUS_OK);
	expect_fault(rig, fill(rig, va + 4000, 97), VGG_STATUS_UNMAPPED,
		     va + 4096);
	expect_fault(rig, fill(rig, va - 1, 2), VGG_STATUS_UNMAPPED, va - 1);
}

/* The first and last byte of the address space, and one more. */
TEST_F(walk, top_of_the_address_space)
{
	struct rig *rig = self->rig;
	uint64_t page = rig_pages(rig, 4096);

	rig_set_leaf(rig, rig->root, TOP - 4096, 3, page | RW);
	EXPECT_EQ(fill(rig, TOP - 16, 16), VGG_STATUS_OK);
	expect_fault(rig, fill(rig, TOP - 16, 17), VGG_STATUS_RANGE, TOP - 16);
}

static void expect_entry(struct rig *rig, int level, uint64_t pte, int want)
{
	uint64_t va = UINT64_C(9) << 30;

	rig_set_leaf(rig, rig->root, va, level, pte);
	expect_fault(rig, fill(rig, va + 7, 8), want, va + 7);
	rig_set_leaf(rig, rig->root, va, level, 0);
}

TEST_F(walk, malformed_entries)
{
	struct rig *rig = self->rig;
	uint64_t table = rig_new_table(rig), page = rig_pages(rig, 4096), bit;
	int level;

	/* Bits that mean nothing, one by one, on each level. */
	for (level = 1; level <= 3; level++)
		for (bit = 16; bit; bit <<= 1)
			if (!(bit & VGG_PTE_ADDR))
				expect_entry(
					rig, level,
					table | VGG_PTE_VALID | bit |
						(level == 3 ? VGG_PTE_LEAF : 0),
					VGG_STATUS_PTE);
	for (level = 1; level <= 2; level++) {
		expect_entry(rig, level, table | VGG_PTE_VALID | VGG_PTE_WRITE,
			     VGG_STATUS_PTE);
		expect_entry(rig, level, table | VGG_PTE_VALID | VGG_PTE_LOCAL,
			     VGG_STATUS_PTE);
	}
	expect_entry(rig, 1, table | LEAF, VGG_STATUS_PTE);
	expect_entry(rig, 2, RIG_BUS | 0x1000 | RW, VGG_STATUS_PTE);
	expect_entry(rig, 3, page | VGG_PTE_VALID | VGG_PTE_WRITE,
		     VGG_STATUS_PTE);
	/* Without VALID nothing else matters; tables that are not there. */
	expect_entry(rig, 3, ~VGG_PTE_VALID, VGG_STATUS_UNMAPPED);
	expect_entry(rig, 1, ~VGG_PTE_VALID, VGG_STATUS_UNMAPPED);
	expect_entry(rig, 1, 0x1000 | VGG_PTE_VALID, VGG_STATUS_DMA);
	expect_entry(rig, 2, VGG_PTE_ADDR | VGG_PTE_VALID, VGG_STATUS_DMA);
	expect_entry(rig, 3, 0x1000 | RW, VGG_STATUS_DMA);
}

/* Tables are read anew by each job. */
TEST_F(walk, tables_change_between_jobs)
{
	struct rig *rig = self->rig;
	uint64_t va = rig_alloc(rig, 4096, RIG_HOST);
	uint64_t other = rig_pages(rig, 4096);

	EXPECT_EQ(fill(rig, va, 8), VGG_STATUS_OK);
	rig_set_leaf(rig, rig->root, va, 3, other | RW);
	EXPECT_EQ(fill(rig, va, 8), VGG_STATUS_OK);
	EXPECT_EQ(*(uint8_t *)rig_at(rig, other), 0x77);
	rig_set_leaf(rig, rig->root, va, 3, 0);
	EXPECT_EQ(fill(rig, va, 8), VGG_STATUS_UNMAPPED);
}

/* Two contexts, the same address, different pages. */
TEST_F(walk, contexts_are_apart)
{
	struct rig *rig = self->rig;
	uint64_t va = rig_alloc(rig, 4096, RIG_HOST);
	uint64_t other = rig_new_table(rig), page = rig_pages(rig, 4096);
	struct vgg_hw_cmd_fill cmd = rig_fill(va, 16, 0x55);
	struct vgg_hw_sqe sqe;
	uint8_t byte;
	size_t i;

	for (i = 0; i < RIG_COMMANDS * VGG_CMD_SIZE; i += 4096)
		rig_set_leaf(rig, other, rig->stream_va + i, 3,
			     (rig->stream_bus + i) | LEAF);
	rig_set_leaf(rig, other, va, 3, page | RW);
	rig_add(rig, &cmd);
	rig_add_plain(rig, VGG_CMD_END);
	sqe = rig_sqe(rig);
	sqe.root = other;
	sqe.context = 1;
	EXPECT_EQ(rig_execute_sqe(rig, &sqe).status, VGG_STATUS_OK);
	EXPECT_EQ(*(uint8_t *)rig_at(rig, page), 0x55);
	rig_get(rig, va, &byte, 1);
	EXPECT_EQ(byte, 0);
}

/* More pages than the card caches, all on the same lines of its cache. */
TEST_F(walk, many_pages)
{
	struct rig *rig = self->rig;
	uint64_t pages[16], va = UINT64_C(16) << 30;
	struct vgg_hw_cmd_fill cmd;
	int i, round;

	for (i = 0; i < 16; i++) {
		pages[i] = rig_pages(rig, 4096);
		rig_set_leaf(rig, rig->root, va + (uint64_t)i * 2048 * 4096, 3,
			     pages[i] | RW);
	}
	for (round = 0; round < 3; round++)
		for (i = 0; i < 16; i++) {
			cmd = rig_fill(va + (uint64_t)i * 2048 * 4096 +
					       (uint64_t)round,
				       1, (uint8_t)(16 * round + i + 1));
			rig_add(rig, &cmd);
		}
	EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
	for (i = 0; i < 16; i++)
		for (round = 0; round < 3; round++)
			EXPECT_EQ(((uint8_t *)rig_at(rig, pages[i]))[round],
				  16 * round + i + 1);
}

TEST_HARNESS_MAIN
