// SPDX-License-Identifier: MIT
/*
 * Reset, abort, bus mastering and time limits against a job that runs. The
 * rig has one thread; what happens in mid-job happens in a hook on the card's
 * reads of host memory.
 */
#include "sim/rig.h"

static struct vgg_hw_cmd_copy endless;
static int reads, act_after, reads_after;
static void (*act)(struct rig *rig);

static void on_read(struct rig *rig, uint64_t addr)
{
	(void)addr;
	if (reads++ == act_after)
		act(rig);
	else if (reads > act_after)
		reads_after++;
}

FIXTURE(running)
{
	struct rig *rig;
};

/* 2^60 bytes: whatever ends this job, it is not its end. */
FIXTURE_SETUP(running)
{
	struct rig_options options = { .no_map = true };
	struct rig *rig = rig_create(&options);
	uint64_t va, page = rig_pages(rig, 2u << 21);
	int i;

	page = (page + (1u << 21) - 1) & ~((UINT64_C(1) << 21) - 1);
	/* one page of tables lets 2 GiB of addresses all mean the same 2 MiB */
	for (i = 0; i < 1024; i++)
		rig_set_leaf(rig, rig->root,
			     (UINT64_C(1) << 32) + ((uint64_t)i << 21), 2,
			     page | VGG_PTE_VALID | VGG_PTE_LEAF |
				     VGG_PTE_WRITE);
	va = UINT64_C(1) << 32;
	endless = rig_copy(va, va + (UINT64_C(1) << 30), 1u << 20);
	endless.height = 1u << 10;
	endless.src_pitch = endless.dst_pitch = 1u << 20;
	self->rig = rig;
	reads = 0;
	reads_after = 0;
	act_after = 400;
}

FIXTURE_TEARDOWN(running)
{
	rig_destroy(self->rig);
}

static struct vgg_hw_sqe long_job(struct rig *rig)
{
	struct vgg_hw_sqe sqe;
	int i;

	for (i = 0; i < 500; i++)
		rig_add(rig, &endless);
	rig_add_plain(rig, VGG_CMD_END);
	sqe = rig_sqe(rig);
	sqe.context = 5;
	return sqe;
}

static void do_reset(struct rig *rig)
{
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS), VGG_DEV_READY | VGG_DEV_BUSY);
	rig_write(rig, VGG_REG_CTRL, VGG_CTRL_RESET);
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS), VGG_DEV_BUSY);
}

TEST_F(running, reset)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = long_job(rig);
	struct vgg_hw_cqe cqe;

	rig_write(rig, VGG_REG_SCRATCH, 0x1234);
	rig->on_read = on_read;
	act = do_reset;
	rig_push(rig, &sqe);
	rig_run(rig);
	/* no completion, all empty, and DMA has ended with the current row */
	EXPECT_FALSE(rig_pop(rig, &cqe));
	EXPECT_LT(reads_after, 100);
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS), VGG_DEV_READY);
	EXPECT_EQ(rig_read(rig, VGG_REG_CTRL), 0u);
	EXPECT_EQ(rig_read(rig, VGG_REG_JOBS), 0u);
	EXPECT_EQ(rig_read(rig, VGG_REG_SQ_HEAD), 0u);
	EXPECT_EQ(rig_read(rig, VGG_REG_SCRATCH), 0x1234u);
	EXPECT_EQ(rig_read64(rig, VGG_REG_BYTES_LO), 0u);
	rig->on_read = NULL;
	rig_reset(rig);
	rig_enable(rig);
	EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
}

static void do_flr(struct rig *rig)
{
	vgg_sim_flr(rig->sim);
}

TEST_F(running, function_level_reset)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = long_job(rig);
	struct vgg_hw_cqe cqe;

	rig->on_read = on_read;
	act = do_flr;
	rig_push(rig, &sqe);
	rig_run(rig);
	EXPECT_FALSE(rig_pop(rig, &cqe));
	EXPECT_LT(reads_after, 100);
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS), VGG_DEV_READY);
}

static void do_abort(struct rig *rig)
{
	rig_write(rig, VGG_REG_ABORT, VGG_ABORT_GO | 5);
}

TEST_F(running, abort)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = long_job(rig);
	struct vgg_hw_cqe cqe;

	rig->on_read = on_read;
	act = do_abort;
	cqe = rig_execute_sqe(rig, &sqe);
	EXPECT_EQ(cqe.status, VGG_STATUS_ABORTED);
	EXPECT_EQ(cqe.tag, 0u); /* of the command, which has none */
	EXPECT_LT(reads_after, 100);
	EXPECT_EQ(rig_read(rig, VGG_REG_ERR_CONTEXT), 5u);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_ABORTED);
	/* the next job of that context is not meant */
	rig->on_read = NULL;
	EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
}

static void do_abort_other(struct rig *rig)
{
	rig_write(rig, VGG_REG_ABORT, VGG_ABORT_GO | 6);
}

TEST_F(running, abort_of_another_context)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe;

	endless.height = 4;
	rig_add(rig, &endless);
	rig_add_plain(rig, VGG_CMD_END);
	sqe = rig_sqe(rig);
	sqe.context = 5;
	act_after = 40;
	rig->on_read = on_read;
	act = do_abort_other;
	EXPECT_EQ(rig_execute_sqe(rig, &sqe).status, VGG_STATUS_OK);
	EXPECT_GT(reads_after, 100);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_OK);
}

static void do_master_off(struct rig *rig)
{
	vgg_sim_set_bus_master(rig->sim, false);
}

TEST_F(running, bus_mastering_off)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = long_job(rig);
	struct vgg_hw_cqe cqe;

	rig->on_read = on_read;
	act = do_master_off;
	rig_push(rig, &sqe);
	rig_run(rig);
	EXPECT_EQ(reads_after, 0);
	EXPECT_FALSE(rig_pop(rig, &cqe));
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS),
		  VGG_DEV_READY | VGG_DEV_HALTED);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_BUS_MASTER);
}

/* Clearing ENABLE ends fetching, not the job; its rings stay as they are. */
static void do_disable(struct rig *rig)
{
	rig_write(rig, VGG_REG_CTRL, 0);
	rig_write(rig, VGG_REG_CQ_BASE_LO, 0);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_REG_STATE);
}

TEST_F(running, disable)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cqe cqe;
	struct vgg_hw_sqe sqe;

	endless.height = 4;
	rig_add(rig, &endless);
	rig_add_plain(rig, VGG_CMD_END);
	sqe = rig_sqe(rig);
	act_after = 40;
	rig->on_read = on_read;
	act = do_disable;
	rig_place(rig, &sqe);
	rig_place(rig, &sqe);
	rig_ring(rig);
	rig_run(rig);
	EXPECT_TRUE(rig_pop(rig, &cqe));
	EXPECT_EQ(cqe.status, VGG_STATUS_OK);
	EXPECT_FALSE(rig_pop(rig, &cqe));
}

/* 2^30 bytes by 500 take minutes of card time; none of it is executed. */
TEST_F(running, time_limit)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = long_job(rig);
	struct vgg_hw_cqe cqe;

	sqe.timeout_us = 1000;
	cqe = rig_execute_sqe(rig, &sqe);
	EXPECT_EQ(cqe.status, VGG_STATUS_TIMEOUT);
	EXPECT_EQ(cqe.index, 0u);
	EXPECT_EQ(cqe.cycles, 1000u * rig->card.clock_khz / 1000);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_TIMEOUT);
	/* the watchdog serves those that have no limit of their own */
	rig_write(rig, VGG_REG_WATCHDOG, 500);
	sqe.timeout_us = 0;
	cqe = rig_execute_sqe(rig, &sqe);
	EXPECT_EQ(cqe.status, VGG_STATUS_TIMEOUT);
	EXPECT_EQ(cqe.cycles, 500u * rig->card.clock_khz / 1000);
}

/* The limit is exact: the job's own time passes, a microsecond less does not. */
TEST_F(running, time_limit_is_exact)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe;
	uint64_t us;

	endless.height = 1;
	endless.width = 65536;
	rig_add(rig, &endless);
	rig_add_plain(rig, VGG_CMD_END);
	sqe = rig_sqe(rig);
	us = rig_execute_sqe(rig, &sqe).cycles * 1000 / rig->card.clock_khz;
	sqe.timeout_us = (uint32_t)us + 1;
	EXPECT_EQ(rig_execute_sqe(rig, &sqe).status, VGG_STATUS_OK);
	sqe.timeout_us = (uint32_t)us - 1;
	EXPECT_EQ(rig_execute_sqe(rig, &sqe).status, VGG_STATUS_TIMEOUT);
}

TEST(reset_without_work)
{
	struct rig_options options = { 0 };
	struct rig *rig = rig_create(&options);

	rig_write(rig, VGG_REG_CTRL, VGG_CTRL_RESET | VGG_CTRL_ENABLE);
	EXPECT_EQ(rig_read(rig, VGG_REG_CTRL), 0u);
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS), 0u);
	EXPECT_GT(rig->kicks, 0);
	rig_run(rig);
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS), VGG_DEV_READY);
	rig_destroy(rig);
}

TEST_HARNESS_MAIN
