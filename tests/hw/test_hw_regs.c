// SPDX-License-Identifier: MIT
/*
 * The register table itself and each register against it. The header comes
 * first here, so that this also shows that it compiles alone.
 */
#include "vggaccel_hw.h"

#include "sim/rig.h"

struct row {
	const char *name;
	uint32_t offset, reset, ro, w1c;
};

#define ROW(name, offset, reset, ro, w1c, text) \
	{ #name, offset, reset, ro, w1c },
static const struct row table[] = { VGG_HW_REGS(ROW) };
#undef ROW
#define ROWS (sizeof(table) / sizeof(table[0]))

FIXTURE(regs)
{
	struct rig *rig;
};

FIXTURE_SETUP(regs)
{
	struct rig_options options = { .no_setup = true };

	self->rig = rig_create(&options);
}

FIXTURE_TEARDOWN(regs)
{
	rig_destroy(self->rig);
}

/* These run on by themselves. */
static bool is_clock(uint32_t offset)
{
	return offset == VGG_REG_CYCLES_LO || offset == VGG_REG_CYCLES_HI;
}

TEST(table_is_sane)
{
	size_t i, j;

	for (i = 0; i < ROWS; i++) {
		EXPECT_EQ(table[i].offset % 4, 0u);
		EXPECT_LT(table[i].offset, (uint32_t)VGG_BAR0_SIZE);
		EXPECT_EQ(table[i].ro & table[i].w1c, 0u);
		EXPECT_EQ(table[i].reset & table[i].w1c, 0u);
		for (j = 0; j < i; j++)
			if (table[i].offset == table[j].offset)
				test_fail(__FILE__, __LINE__, "%s is at %s",
					  table[i].name, table[j].name);
	}
}

TEST(doorbells_have_a_page)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		EXPECT_EQ(!strncmp(table[i].name, "DB_", 3),
			  table[i].offset / 4096 == VGG_REG_DB_SQ_TAIL / 4096);
}

TEST(codes_are_distinct)
{
#define CODE(name, code, text) code,
	static const int codes[] = { VGG_HW_STATUSES(CODE) };
	static const int faults[] = { VGG_HW_FAULTS(CODE) };
#undef CODE
	size_t i, j;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		for (j = 0; j < i; j++)
			EXPECT_NE(codes[i], codes[j]);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		EXPECT_EQ(faults[i], (int)i);
}

TEST_F(regs, reset_values)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		if (!is_clock(table[i].offset) &&
		    table[i].offset != VGG_REG_BUILD_HASH &&
		    rig_read(self->rig, table[i].offset) != table[i].reset)
			test_fail(__FILE__, __LINE__, "%s is 0x%x, not 0x%x",
				  table[i].name,
				  rig_read(self->rig, table[i].offset),
				  table[i].reset);
	EXPECT_EQ(rig_take_error(self->rig), VGG_STATUS_OK);
}

static void expect_error(struct rig *rig, const struct row *row, int want)
{
	uint32_t addr = rig_read(rig, VGG_REG_ERR_ADDR_LO);
	int got = rig_take_error(rig);

	if (got != want)
		test_fail(__FILE__, __LINE__, "%s: %s, not %s", row->name,
			  vgg_sim_status_name((unsigned int)got),
			  vgg_sim_status_name((unsigned int)want));
	else if (want && addr != row->offset)
		test_fail(__FILE__, __LINE__, "%s: error at 0x%x", row->name,
			  addr);
}

/* Each read-only bit for itself: refused by name, and nothing changes. */
TEST_F(regs, read_only_bits)
{
	struct rig *rig = self->rig;
	uint32_t bit, before;
	size_t i;

	for (i = 0; i < ROWS; i++) {
		if (is_clock(table[i].offset))
			continue;
		for (bit = 1; bit; bit <<= 1) {
			if (!(table[i].ro & bit))
				continue;
			before = rig_read(rig, table[i].offset);
			rig_write(rig, table[i].offset, before ^ bit);
			/* the ERR block itself is changed by the error */
			if (table[i].offset < VGG_REG_ERR_STATUS ||
			    table[i].offset > VGG_REG_ERR_ADDR_HI)
				EXPECT_EQ(rig_read(rig, table[i].offset) &
						  ~VGG_IRQ_ERR,
					  before & ~VGG_IRQ_ERR);
			expect_error(rig, &table[i], VGG_STATUS_REG_READONLY);
		}
	}
}

/* What was read may be written back, whatever the register. */
TEST_F(regs, write_back)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		/* 0 is no ring size, and no doorbell works before ENABLE */
		if (is_clock(table[i].offset) ||
		    table[i].offset == VGG_REG_SQ_SIZE ||
		    table[i].offset == VGG_REG_CQ_SIZE ||
		    table[i].offset >= VGG_REG_DB_SQ_TAIL)
			continue;
		rig_write(self->rig, table[i].offset,
			  rig_read(self->rig, table[i].offset));
		expect_error(self->rig, &table[i], VGG_STATUS_OK);
	}
}

/* Plain registers hold every writable bit; a soft reset clears them, but for
 * SCRATCH, which only a function-level reset does. */
TEST_F(regs, writable_bits_and_reset)
{
	static const uint32_t plain[] = {
		VGG_REG_SCRATCH,    VGG_REG_WATCHDOG,	VGG_REG_IRQ_MASK,
		VGG_REG_IRQ_TIME,   VGG_REG_SQ_BASE_LO, VGG_REG_SQ_BASE_HI,
		VGG_REG_CQ_BASE_LO, VGG_REG_CQ_BASE_HI, VGG_REG_INJECT_AFTER,
		VGG_REG_INJECT_ARG,
	};
	size_t i, j;

	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		for (j = 0; j < ROWS; j++)
			if (table[j].offset == plain[i]) {
				rig_write(self->rig, plain[i], ~table[j].ro);
				EXPECT_EQ(rig_read(self->rig, plain[i]),
					  ~table[j].ro);
			}
	rig_write(self->rig, VGG_REG_CTRL, VGG_CTRL_RESET);
	rig_run(self->rig);
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		for (j = 0; j < ROWS; j++)
			if (table[j].offset == plain[i])
				EXPECT_EQ(rig_read(self->rig, plain[i]),
					  plain[i] == VGG_REG_SCRATCH ?
						  0xffffffff :
						  table[j].reset);
	vgg_sim_flr(self->rig->sim);
	rig_run(self->rig);
	EXPECT_EQ(rig_read(self->rig, VGG_REG_SCRATCH), 0u);
}

TEST_F(regs, write_one_to_clear)
{
	struct rig *rig = self->rig;

	rig_write(rig, VGG_REG_IRQ_SET, VGG_IRQ_ALL);
	EXPECT_EQ(rig_read(rig, VGG_REG_IRQ_SET), 0u);
	EXPECT_EQ(rig_read(rig, VGG_REG_IRQ_STATUS), VGG_IRQ_ALL);
	rig_write(rig, VGG_REG_IRQ_STATUS, 0);
	EXPECT_EQ(rig_read(rig, VGG_REG_IRQ_STATUS), VGG_IRQ_ALL);
	rig_write(rig, VGG_REG_IRQ_STATUS, VGG_IRQ_SW);
	EXPECT_EQ(rig_read(rig, VGG_REG_IRQ_STATUS), VGG_IRQ_ALL & ~VGG_IRQ_SW);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_OK);
}

/* Every offset and width that is no register access. */
TEST_F(regs, odd_accesses)
{
	static const size_t sizes[] = { 1, 2, 8 };
	struct rig *rig = self->rig;
	bool known[VGG_BAR0_SIZE / 4 + 16] = { false };
	uint32_t offset;
	size_t i;

	for (i = 0; i < ROWS; i++)
		known[table[i].offset / 4] = true;
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(vgg_sim_reg_read(rig->sim, 0, sizes[i]), 0xffffffffu);
		EXPECT_EQ(rig_take_error(rig), VGG_STATUS_REG_WIDTH);
		vgg_sim_reg_write(rig->sim, VGG_REG_SCRATCH, sizes[i], 1);
		EXPECT_EQ(rig_take_error(rig), VGG_STATUS_REG_WIDTH);
	}
	for (offset = 1; offset < 4; offset++) {
		EXPECT_EQ(rig_read(rig, offset), 0xffffffffu);
		EXPECT_EQ(rig_take_error(rig), VGG_STATUS_REG_WIDTH);
	}
	for (offset = 0; offset < VGG_BAR0_SIZE + 64; offset += 4) {
		if (known[offset / 4])
			continue;
		EXPECT_EQ(rig_read(rig, offset), 0xffffffffu);
		EXPECT_EQ(rig_take_error(rig), VGG_STATUS_REG_OFFSET);
		rig_write(rig, offset, 0);
		EXPECT_EQ(rig_take_error(rig), VGG_STATUS_REG_OFFSET);
	}
	EXPECT_EQ(rig_read(rig, VGG_REG_SCRATCH), 0u);
	EXPECT_GT(rig->logs, 0);
	EXPECT_CONTAINS(rig->log, "REG_OFFSET");
}

TEST_F(regs, the_first_error_stays)
{
	struct rig *rig = self->rig;

	rig_write(rig, VGG_REG_MAGIC, 1);
	EXPECT_EQ(rig_read(rig, VGG_REG_ERR_STATUS), VGG_ERR_VALID);
	rig_write(rig, VGG_BAR0_SIZE - 4, 1);
	EXPECT_EQ(rig_read(rig, VGG_REG_ERR_STATUS),
		  VGG_ERR_VALID | VGG_ERR_MORE);
	EXPECT_EQ((int)rig_read(rig, VGG_REG_ERR_CODE),
		  VGG_STATUS_REG_READONLY);
	EXPECT_EQ((int)rig_read(rig, VGG_REG_ERR_ADDR_LO), VGG_REG_MAGIC);
	EXPECT_EQ(rig_read(rig, VGG_REG_IRQ_STATUS), VGG_IRQ_ERR);
	rig_write(rig, VGG_REG_ERR_STATUS, VGG_ERR_VALID);
	EXPECT_EQ(rig_read(rig, VGG_REG_ERR_STATUS), VGG_ERR_MORE);
	rig_write(rig, VGG_BAR0_SIZE - 4, 1);
	EXPECT_EQ((int)rig_read(rig, VGG_REG_ERR_CODE), VGG_STATUS_REG_OFFSET);
}

TEST_F(regs, illegal_values)
{
	static const struct {
		uint32_t reg, value;
	} bad[] = {
		{ VGG_REG_IRQ_COUNT, 0 },
		{ VGG_REG_SQ_SIZE, 0 },
		{ VGG_REG_CQ_SIZE, 0 },
		{ VGG_REG_SQ_SIZE, 13 },
		{ VGG_REG_CQ_SIZE, 31 },
		{ VGG_REG_ABORT, 1 },
		{ VGG_REG_ABORT, VGG_ABORT_GO | 64 },
		{ VGG_REG_INJECT_FAULT, VGG_FAULT_SLOW + 1 },
		{ VGG_REG_CTRL, VGG_CTRL_ENABLE }, /* no rings yet */
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_write(self->rig, bad[i].reg, bad[i].value);
		EXPECT_EQ(rig_read(self->rig, VGG_REG_ERR_ADDR_LO), bad[i].reg);
		EXPECT_EQ(rig_take_error(self->rig), VGG_STATUS_REG_VALUE);
	}
	EXPECT_EQ(rig_read(self->rig, VGG_REG_CTRL), 0u);
}

TEST_F(regs, rings_beyond_the_bus)
{
	rig_write(self->rig, VGG_REG_SQ_SIZE, 12);
	rig_write(self->rig, VGG_REG_CQ_SIZE, 12);
	rig_write(self->rig, VGG_REG_CQ_BASE_HI, 0xffff);
	rig_write(self->rig, VGG_REG_CQ_BASE_LO, 0xfffff000);
	EXPECT_EQ(rig_take_error(self->rig), VGG_STATUS_OK);
	rig_write(self->rig, VGG_REG_CTRL, VGG_CTRL_ENABLE);
	EXPECT_EQ(rig_take_error(self->rig), VGG_STATUS_REG_VALUE);
}

TEST_F(regs, state_rules)
{
	static const uint32_t ring[] = {
		VGG_REG_SQ_BASE_LO, VGG_REG_SQ_BASE_HI, VGG_REG_SQ_SIZE,
		VGG_REG_CQ_BASE_LO, VGG_REG_CQ_BASE_HI, VGG_REG_CQ_SIZE,
	};
	struct rig *rig = self->rig;
	size_t i;

	rig_enable(rig);
	for (i = 0; i < sizeof(ring) / sizeof(ring[0]); i++) {
		uint32_t old = rig_read(rig, ring[i]);

		rig_write(rig, ring[i], 0x2000);
		EXPECT_EQ(rig_read(rig, ring[i]), old);
		EXPECT_NE(rig_take_error(rig), VGG_STATUS_OK);
		rig_write(rig, ring[i], old);
		EXPECT_EQ(rig_take_error(rig), VGG_STATUS_REG_STATE);
	}
	rig_write(rig, VGG_REG_CTRL, 0);
	rig_write(rig, VGG_REG_SQ_SIZE, 3);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_OK);
	/* until the reset is over there is no enabling */
	rig_write(rig, VGG_REG_CTRL, VGG_CTRL_RESET);
	rig_write(rig, VGG_REG_CTRL, VGG_CTRL_ENABLE);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_REG_STATE);
}

TEST_F(regs, doorbells)
{
	struct rig *rig = self->rig;

	rig_write(rig, VGG_REG_DB_SQ_TAIL, 0);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_DOORBELL);
	rig_enable(rig);
	rig_write(rig, VGG_REG_DB_SQ_TAIL, rig->sq_entries);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_DOORBELL);
	rig_write(rig, VGG_REG_DB_CQ_HEAD, 0xffffffff);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_DOORBELL);
	rig_write(rig, VGG_REG_DB_CQ_HEAD, 0);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_OK);
	EXPECT_EQ(rig_read(rig, VGG_REG_DB_SQ_TAIL), 0u);
	EXPECT_GT(rig->kicks, 0);
}

TEST(no_injection_without_the_capability)
{
	struct vgg_card card;
	struct rig_options options = { .card = &card, .no_setup = true };
	struct rig *rig;

	vgg_card_default(&card);
	card.inject = false;
	card.local_mib = 0;
	card.contexts = 3;
	rig = rig_create(&options);
	EXPECT_EQ(rig_read(rig, VGG_REG_CAPS),
		  VGG_CAP_MSI | VGG_CAP_INTX | VGG_CAP_SIMULATED);
	EXPECT_EQ(rig_read(rig, VGG_REG_CAP_LIMITS), 12u << 16 | 3);
	rig_write(rig, VGG_REG_INJECT_FAULT, VGG_FAULT_HANG);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_REG_READONLY);
	rig_write(rig, VGG_REG_ABORT, VGG_ABORT_GO | 3);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_REG_VALUE);
	rig_destroy(rig);
}

/* Reading LO freezes HI until HI is read. */
TEST_F(regs, counters_are_read_in_one_piece)
{
	struct rig *rig = self->rig;
	uint64_t a, b;
	int i;

	for (i = 0; i < 100; i++) {
		a = rig_read64(rig, VGG_REG_CYCLES_LO);
		b = rig_read64(rig, VGG_REG_CYCLES_LO);
		EXPECT_LE(a, b);
	}
}

TEST_HARNESS_MAIN
