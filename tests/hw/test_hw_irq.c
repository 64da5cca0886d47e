// SPDX-License-Identifier: MIT
/* Interrupts: messages and the line, mask, software, errors, coalescing. */
#include "sim/rig.h"

#include <time.h>

FIXTURE(msi)
{
	struct rig *rig;
};
FIXTURE_VARIANT(msi)
{
	int vectors;
};
FIXTURE_VARIANT_ADD(msi, one){ 1 };
FIXTURE_VARIANT_ADD(msi, two){ 2 };
FIXTURE_VARIANT_ADD(msi, four){ 4 };
FIXTURE_SETUP(msi)
{
	struct rig_options options = { .msi_vectors = variant->vectors };

	self->rig = rig_create(&options);
}
FIXTURE_TEARDOWN(msi)
{
	rig_destroy(self->rig);
}

FIXTURE(intx)
{
	struct rig *rig;
};
FIXTURE_SETUP(intx)
{
	struct rig_options options = { 0 };

	self->rig = rig_create(&options);
}
FIXTURE_TEARDOWN(intx)
{
	rig_destroy(self->rig);
}

static int vector_of(int cause, int vectors)
{
	return cause < vectors ? cause : vectors - 1;
}

/* Submits n empty jobs and runs them; takes the completions. */
static void run_jobs(struct rig *rig, int n)
{
	struct vgg_hw_sqe sqe;
	struct vgg_hw_cqe cqe;
	int i;

	for (i = 0; i < n; i++) {
		rig_add_plain(rig, VGG_CMD_END);
		sqe = rig_sqe(rig);
		rig_place(rig, &sqe);
	}
	rig_ring(rig);
	rig_run(rig);
	for (i = 0; i < n; i++)
		EXPECT_TRUE(rig_pop(rig, &cqe));
}

/* No register access is needed between two of them. */
TEST_F(msi, every_completion_sends_a_message)
{
	run_jobs(self->rig, 5);
	EXPECT_EQ(self->rig->messages[0], 5);
	run_jobs(self->rig, 5);
	EXPECT_EQ(self->rig->messages[0], 10);
	EXPECT_EQ(rig_read(self->rig, VGG_REG_IRQ_STATUS), VGG_IRQ_CQ);
	EXPECT_EQ(self->rig->line, 0);
}

TEST_F(msi, causes_have_vectors)
{
	int *messages = self->rig->messages, v = variant->vectors;

	rig_write(self->rig, VGG_REG_MAGIC, 0);
	EXPECT_EQ(messages[vector_of(1, v)], 1);
	memset(messages, 0, sizeof(self->rig->messages));
	rig_write(self->rig, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	EXPECT_EQ(messages[vector_of(2, v)], 1);
	EXPECT_EQ(messages[3], 0);
}

TEST_F(msi, masked_causes_wait)
{
	struct rig *rig = self->rig;

	rig_write(rig, VGG_REG_IRQ_MASK, VGG_IRQ_CQ);
	run_jobs(rig, 3);
	EXPECT_EQ(rig->messages[0], 0);
	EXPECT_EQ(rig_read(rig, VGG_REG_IRQ_STATUS), VGG_IRQ_CQ);
	rig_write(rig, VGG_REG_IRQ_MASK, 0);
	EXPECT_EQ(rig->messages[0], 1);
	rig_write(rig, VGG_REG_IRQ_MASK, VGG_IRQ_ALL);
	rig_write(rig, VGG_REG_IRQ_STATUS, VGG_IRQ_ALL);
	rig_write(rig, VGG_REG_IRQ_MASK, 0);
	EXPECT_EQ(rig->messages[0], 1);
}

/* A message is a DMA write. */
TEST_F(msi, messages_need_bus_mastering)
{
	vgg_sim_set_bus_master(self->rig->sim, false);
	rig_write(self->rig, VGG_REG_IRQ_SET, VGG_IRQ_CQ);
	EXPECT_EQ(self->rig->messages[0], 0);
	vgg_sim_set_bus_master(self->rig->sim, true);
	EXPECT_EQ(self->rig->messages[0], 1);
}

TEST_F(msi, coalescing_by_count)
{
	struct rig *rig = self->rig;

	rig_write(rig, VGG_REG_IRQ_COUNT, 4);
	rig_write(rig, VGG_REG_IRQ_TIME, 65535);
	run_jobs(rig, 8);
	EXPECT_EQ(rig->messages[0], 2);
	/* no time, no coalescing: an interrupt can't be lost that way */
	rig_write(rig, VGG_REG_IRQ_TIME, 0);
	run_jobs(rig, 3);
	EXPECT_EQ(rig->messages[0], 5);
}

TEST_F(msi, coalescing_by_time)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe;
	int64_t wait;

	rig_write(rig, VGG_REG_IRQ_COUNT, 100);
	rig_write(rig, VGG_REG_IRQ_TIME, 20000);
	rig_add_plain(rig, VGG_CMD_END);
	sqe = rig_sqe(rig);
	rig_push(rig, &sqe);
	wait = vgg_sim_run(rig->sim);
	EXPECT_GT(wait, 0);
	EXPECT_LE(wait, 20000000);
	EXPECT_EQ(rig->messages[0], 0);
	EXPECT_EQ(rig_read(rig, VGG_REG_IRQ_STATUS), 0u);
	rig_run(rig);
	EXPECT_EQ(rig->messages[0], 1);
	EXPECT_EQ(vgg_sim_run(rig->sim), -1);
}

TEST_F(msi, coalescing_ends_with_the_last_job)
{
	struct rig *rig = self->rig;

	rig_write(rig, VGG_REG_IRQ_COUNT, VGG_IRQ_IDLE | 4);
	rig_write(rig, VGG_REG_IRQ_TIME, 65535);
	EXPECT_EQ(rig_read(rig, VGG_REG_IRQ_COUNT), VGG_IRQ_IDLE | 4u);
	run_jobs(rig, 1);
	EXPECT_EQ(rig->messages[0], 1);
	/* after the fourth, and after the last */
	run_jobs(rig, 6);
	EXPECT_EQ(rig->messages[0], 3);
	rig_write(rig, VGG_REG_ERR_STATUS, VGG_ERR_VALID);
	rig_write(rig, VGG_REG_IRQ_COUNT, VGG_IRQ_IDLE);
	EXPECT_EQ(rig_read(rig, VGG_REG_ERR_CODE),
		  (uint32_t)VGG_STATUS_REG_VALUE);
}

TEST_F(intx, the_line_follows_status_and_mask)
{
	struct rig *rig = self->rig;

	run_jobs(rig, 2);
	EXPECT_EQ(rig->line, 1);
	EXPECT_EQ(rig->pulses, 1);
	rig_write(rig, VGG_REG_IRQ_MASK, VGG_IRQ_CQ);
	EXPECT_EQ(rig->line, 0);
	rig_write(rig, VGG_REG_IRQ_MASK, 0);
	EXPECT_EQ(rig->line, 1);
	rig_write(rig, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	rig_write(rig, VGG_REG_IRQ_STATUS, VGG_IRQ_CQ);
	EXPECT_EQ(rig->line, 1);
	rig_write(rig, VGG_REG_IRQ_STATUS, VGG_IRQ_SW);
	EXPECT_EQ(rig->line, 0);
	EXPECT_EQ(rig->messages[0], 0);
}

TEST_F(intx, an_error_raises_it_once)
{
	struct rig *rig = self->rig;

	rig_write(rig, VGG_REG_MAGIC, 0);
	EXPECT_EQ(rig->line, 1);
	rig_write(rig, VGG_REG_IRQ_STATUS, VGG_IRQ_ERR);
	rig_write(rig, VGG_REG_MAGIC, 0);
	EXPECT_EQ(rig->line, 0);
	rig_take_error(rig);
	rig_write(rig, VGG_REG_MAGIC, 0);
	EXPECT_EQ(rig->line, 1);
}

TEST_F(intx, switching_to_msi_lowers_the_line)
{
	rig_write(self->rig, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	EXPECT_EQ(self->rig->line, 1);
	vgg_sim_set_msi(self->rig->sim, 1);
	EXPECT_EQ(self->rig->line, 0);
	vgg_sim_set_msi(self->rig->sim, 0);
	EXPECT_EQ(self->rig->line, 1);
}

TEST_F(intx, a_reset_lowers_the_line)
{
	rig_write(self->rig, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	EXPECT_EQ(self->rig->line, 1);
	rig_write(self->rig, VGG_REG_CTRL, VGG_CTRL_RESET);
	EXPECT_EQ(self->rig->line, 0);
}

TEST_HARNESS_MAIN
