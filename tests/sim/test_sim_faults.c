// SPDX-License-Identifier: MIT
/*
 * Fault injection: each fault of the header is provoked and seen from outside,
 * and after a reset the card works again.
 */
#include "rig.h"

#include <time.h>

FIXTURE(fault)
{
	struct rig *rig;
	uint64_t src, dst;
};
FIXTURE_VARIANT(fault)
{
	int msi_vectors;
};
FIXTURE_VARIANT_ADD(fault, msi){ 1 };
FIXTURE_VARIANT_ADD(fault, intx){ 0 };

FIXTURE_SETUP(fault)
{
	struct rig_options options = { .msi_vectors = variant->msi_vectors };

	self->rig = rig_create(&options);
	self->src = rig_alloc(self->rig, 4096, RIG_HOST);
	self->dst = rig_alloc(self->rig, 4096, RIG_HOST);
	rig_put(self->rig, self->src, "fault", 5);
}

/* Whatever happened, the next reset makes all well, and exactly so. */
FIXTURE_TEARDOWN(fault)
{
	struct rig *rig = self->rig;
	uint8_t got[5];
	struct vgg_hw_cmd_copy copy = rig_copy(self->src, self->dst, 5);

	if (rig_read(rig, VGG_REG_MAGIC) != VGG_REG_MAGIC_VALUE)
		vgg_sim_flr(rig->sim);
	rig->commands = 0;
	rig_reset(rig);
	rig_enable(rig);
	rig_add(rig, &copy);
	EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
	rig_get(rig, self->dst, got, 5);
	EXPECT_EQ(memcmp(got, "fault", 5), 0);
	rig_destroy(rig);
}

static void inject(struct rig *rig, int fault, uint32_t arg)
{
	rig_write(rig, VGG_REG_INJECT_ARG, arg);
	rig_write(rig, VGG_REG_INJECT_AFTER, 0);
	rig_write(rig, VGG_REG_INJECT_COUNT, 1);
	rig_write(rig, VGG_REG_INJECT_FAULT, (uint32_t)fault);
}

static struct vgg_hw_sqe empty_job(struct rig *rig)
{
	rig_add_plain(rig, VGG_CMD_END);
	return rig_sqe(rig);
}

static void submit(struct rig *rig)
{
	struct vgg_hw_sqe sqe = empty_job(rig);

	rig_push(rig, &sqe);
}

TEST_F(fault, hang)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cqe cqe;

	inject(rig, VGG_FAULT_HANG, 0);
	submit(rig);
	rig_run(rig);
	EXPECT_FALSE(rig_pop(rig, &cqe));
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS), VGG_DEV_READY | VGG_DEV_BUSY);
	rig_write(rig, VGG_REG_ABORT, VGG_ABORT_GO);
	rig_run(rig);
	EXPECT_FALSE(rig_pop(rig, &cqe));
}

TEST_F(fault, lost_irq)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cqe cqe;

	inject(rig, VGG_FAULT_LOST_IRQ, 0);
	submit(rig);
	rig_run(rig);
	EXPECT_TRUE(rig_pop(rig, &cqe));
	EXPECT_EQ(rig->messages[0], 0);
	EXPECT_EQ(rig->line, 0);
	EXPECT_EQ(rig_read(rig, VGG_REG_IRQ_STATUS), 0u);
	submit(rig);
	rig_run(rig);
	EXPECT_EQ(rig->messages[0] + rig->line, 1);
}

TEST_F(fault, late_completion)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cqe cqe;
	uint32_t seq;

	inject(rig, VGG_FAULT_LATE_COMPLETION, 0);
	submit(rig);
	seq = rig->seq;
	rig_run(rig);
	EXPECT_FALSE(rig_pop(rig, &cqe));
	submit(rig);
	rig_run(rig);
	EXPECT_TRUE(rig_pop(rig, &cqe));
	EXPECT_EQ(cqe.seq, seq + 1);
	rig_reset(rig);
	EXPECT_FALSE(rig_pop(rig, &cqe));
	rig_enable(rig);
	rig_run(rig);
	EXPECT_TRUE(rig_pop(rig, &cqe));
	EXPECT_EQ(cqe.seq, seq);
	EXPECT_EQ(cqe.generation, 0x6e000000 + seq);
}

TEST_F(fault, spurious_irq)
{
	struct rig *rig = self->rig;

	inject(rig, VGG_FAULT_SPURIOUS_IRQ, 0);
	submit(rig);
	rig_run(rig);
	EXPECT_EQ(rig->messages[0], variant->msi_vectors ? 2 : 0);
	EXPECT_EQ(rig->pulses, variant->msi_vectors ? 0 : 2);
}

TEST_F(fault, stuck_irq)
{
	struct rig *rig = self->rig;

	inject(rig, VGG_FAULT_STUCK_IRQ, 0);
	submit(rig);
	rig_run(rig);
	rig_write(rig, VGG_REG_IRQ_STATUS, VGG_IRQ_ALL);
	rig_write(rig, VGG_REG_IRQ_MASK, VGG_IRQ_ALL);
	EXPECT_EQ(rig->line, !variant->msi_vectors);
	rig_reset(rig);
	EXPECT_EQ(rig->line, 0);
}

TEST_F(fault, all_ones)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cqe cqe;

	inject(rig, VGG_FAULT_ALL_ONES, 0);
	submit(rig);
	rig_run(rig);
	EXPECT_EQ(rig_read(rig, VGG_REG_MAGIC), 0xffffffffu);
	rig_write(rig, VGG_REG_CTRL, VGG_CTRL_RESET);
	rig_write(rig, VGG_REG_IRQ_SET, VGG_IRQ_ALL);
	rig_run(rig);
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS), 0xffffffffu);
	EXPECT_FALSE(rig_pop(rig, &cqe));
	EXPECT_EQ(rig->messages[0] + rig->line, 0);
}

TEST_F(fault, bad_seq)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cqe cqe;

	inject(rig, VGG_FAULT_BAD_SEQ, 0x50);
	submit(rig);
	inject(rig, VGG_FAULT_BAD_SEQ, 0x50);
	rig_run(rig);
	ASSERT_TRUE(rig_pop(rig, &cqe));
	EXPECT_EQ(cqe.seq, rig->seq ^ 0x50);
	inject(rig, VGG_FAULT_BAD_SEQ, 0);
	submit(rig);
	rig_run(rig);
	ASSERT_TRUE(rig_pop(rig, &cqe));
	EXPECT_EQ(cqe.seq, rig->seq ^ 1);
}

TEST_F(fault, bad_status)
{
	struct vgg_hw_sqe sqe = empty_job(self->rig);

	inject(self->rig, VGG_FAULT_BAD_STATUS, 0);
	EXPECT_EQ(rig_execute_sqe(self->rig, &sqe).status, 0xff);
	EXPECT_EQ(rig_execute_sqe(self->rig, &sqe).status, VGG_STATUS_OK);
}

TEST_F(fault, dup_completion)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cqe a, b;

	inject(rig, VGG_FAULT_DUP_COMPLETION, 0);
	submit(rig);
	rig_run(rig);
	ASSERT_TRUE(rig_pop(rig, &a));
	ASSERT_TRUE(rig_pop(rig, &b));
	EXPECT_EQ(memcmp(&a, &b, sizeof(a)), 0);
	EXPECT_FALSE(rig_pop(rig, &a));
	EXPECT_EQ(rig_read(rig, VGG_REG_JOBS), 1u);
}

TEST_F(fault, wild_head)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cqe cqe;

	inject(rig, VGG_FAULT_WILD_HEAD, 0);
	submit(rig);
	rig_run(rig);
	EXPECT_TRUE(rig_pop(rig, &cqe));
	EXPECT_GE(rig_read(rig, VGG_REG_SQ_HEAD), rig->sq_entries);
	EXPECT_GE(rig_read(rig, VGG_REG_CQ_TAIL), rig->cq_entries);
}

TEST_F(fault, stray_dma)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cmd_copy copy = rig_copy(self->src, self->dst, 4);
	struct vgg_hw_cqe cqe;

	inject(rig, VGG_FAULT_STRAY_DMA, 0x12345);
	rig_add_plain(rig, VGG_CMD_NOP);
	rig_add(rig, &copy);
	cqe = rig_execute(rig);
	EXPECT_EQ(cqe.status, VGG_STATUS_UNMAPPED);
	EXPECT_EQ(cqe.index, 1u);
	EXPECT_EQ(rig_read(rig, VGG_REG_ERR_ADDR_LO), 0x12345000u);
	inject(rig, VGG_FAULT_STRAY_DMA, 0xffffffff);
	rig_add(rig, &copy);
	EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_RANGE);
	EXPECT_EQ(rig->refused, 0u);
}

TEST_F(fault, ecc)
{
	struct vgg_hw_sqe sqe = empty_job(self->rig);

	inject(self->rig, VGG_FAULT_ECC, 0);
	EXPECT_EQ(rig_execute_sqe(self->rig, &sqe).status, VGG_STATUS_ECC);
	EXPECT_EQ(rig_read(self->rig, VGG_REG_ECC_ERRORS), 1u);
	EXPECT_EQ(rig_take_error(self->rig), VGG_STATUS_ECC);
}

TEST_F(fault, hw_version)
{
	struct rig *rig = self->rig;

	inject(rig, VGG_FAULT_HW_VERSION, 0);
	EXPECT_NE(VGG_HW_VERSION_MAJOR(rig_read(rig, VGG_REG_HW_VERSION)),
		  VGG_HW_VERSION_MAJOR((uint32_t)VGG_HW_VERSION_VALUE));
	inject(rig, VGG_FAULT_NONE, 0);
	EXPECT_EQ(rig_read(rig, VGG_REG_HW_VERSION),
		  (uint32_t)VGG_HW_VERSION_VALUE);
}

/* A CONV of one output, whose value is known. */
static void add_conv(struct rig *rig, uint64_t src, uint64_t dst)
{
	struct vgg_hw_qparam q = { .bias = 5, .mult = 2, .shift = 1 };
	uint64_t params = rig_alloc(rig, 16, RIG_HOST);
	struct vgg_hw_cmd_conv conv = {
		.head.opcode = VGG_CMD_CONV,
		.src = src + 64,
		.dst = dst,
		.weights = src + 64,
		.params = params,
		.in_h = 1,
		.in_w = 1,
		.in_c = 1,
		.out_c = 1,
		.src_pitch = 1,
		.src_pixel = 1,
		.dst_pitch = 1,
		.dst_pixel = 1,
		.weight_pitch = 1,
		.win = { 1, 1, 1, 1, 0, 0, 0, 0 },
		.lo = -128,
		.hi = 127,
	};

	rig_put(rig, params, &q, sizeof(q));
	rig_add(rig, &conv);
}

TEST_F(fault, bit_flip)
{
	struct rig *rig = self->rig;
	uint8_t got[2];

	inject(rig, VGG_FAULT_BIT_FLIP, 8 + 6);
	add_conv(rig, self->src, self->dst);
	add_conv(rig, self->src, self->dst + 1);
	EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
	rig_get(rig, self->dst, got, 2);
	EXPECT_EQ(got[0], 5);
	EXPECT_EQ(got[1], 5 ^ 64);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

TEST_F(fault, slow)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = empty_job(rig);
	uint64_t start = now_us();
	struct vgg_hw_cqe cqe;

	inject(rig, VGG_FAULT_SLOW, 20000);
	cqe = rig_execute_sqe(rig, &sqe);
	EXPECT_EQ(cqe.status, VGG_STATUS_OK);
	EXPECT_GE(now_us() - start, 20000u);
	EXPECT_GE(cqe.cycles, 20000u * rig->card.clock_khz / 1000);
	/* its limit ends the waiting too */
	inject(rig, VGG_FAULT_SLOW, 100000000);
	sqe.timeout_us = 3000;
	cqe = rig_execute_sqe(rig, &sqe);
	EXPECT_EQ(cqe.status, VGG_STATUS_TIMEOUT);
	EXPECT_EQ(cqe.cycles, 3000u * rig->card.clock_khz / 1000);
}

TEST_F(fault, reset_ends_a_slow_job)
{
	struct rig *rig = self->rig;

	inject(rig, VGG_FAULT_SLOW, 100000000);
	submit(rig);
	EXPECT_GT(vgg_sim_run(rig->sim), 0);
	rig_write(rig, VGG_REG_CTRL, VGG_CTRL_RESET);
	EXPECT_EQ(vgg_sim_run(rig->sim), -1);
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS), VGG_DEV_READY);
}

TEST_F(fault, after_and_count)
{
	static const int want[] = { 0, 0, 0xff, 0xff, 0xff, 0, 0 };
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = empty_job(rig);
	size_t i;

	rig_write(rig, VGG_REG_INJECT_FAULT, VGG_FAULT_BAD_STATUS);
	rig_write(rig, VGG_REG_INJECT_AFTER, 2);
	rig_write(rig, VGG_REG_INJECT_COUNT, 3);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		EXPECT_EQ((int)rig_execute_sqe(rig, &sqe).status, want[i]);
	EXPECT_EQ(rig_read(rig, VGG_REG_INJECT_COUNT), 0u);
}

/* This file has a test for each: a new fault must get one. */
TEST(every_fault_has_a_name_and_a_test)
{
	static const char *const names[] = {
#define FAULT(name, id, text) #name,
		VGG_HW_FAULTS(FAULT)
#undef FAULT
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		EXPECT_STREQ(vgg_sim_fault_name(i), names[i]);
		EXPECT_EQ(vgg_sim_fault_by_name(names[i]), (int)i);
	}
	EXPECT_EQ(i, 16u);
	EXPECT_EQ(vgg_sim_fault_by_name("hang"), VGG_FAULT_HANG);
	EXPECT_EQ(vgg_sim_fault_by_name("no such fault"), -1);
	EXPECT_STREQ(vgg_sim_fault_name(16), "undefined fault");
}

TEST_HARNESS_MAIN
