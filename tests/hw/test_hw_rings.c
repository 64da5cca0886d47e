// SPDX-License-Identifier: MIT
/* The two rings at register level: order, wrapping, phase, a full one. */
#include "sim/rig.h"

FIXTURE(rings)
{
	struct rig *rig;
};
FIXTURE_VARIANT(rings)
{
	unsigned int sq_log2, cq_log2;
};
FIXTURE_VARIANT_ADD(rings, two_entries){ 1, 1 };
FIXTURE_VARIANT_ADD(rings, uneven){ 3, 2 };
FIXTURE_VARIANT_ADD(rings, uneven_too){ 2, 4 };
FIXTURE_VARIANT_ADD(rings, largest){ 12, 12 };

FIXTURE_SETUP(rings)
{
	struct rig_options options = { .sq_log2 = variant->sq_log2,
				       .cq_log2 = variant->cq_log2 };

	self->rig = rig_create(&options);
}

FIXTURE_TEARDOWN(rings)
{
	rig_destroy(self->rig);
}

/* A stream of END alone, which all jobs can share. */
static struct vgg_hw_sqe empty_job(struct rig *rig)
{
	rig_add_plain(rig, VGG_CMD_END);
	return rig_sqe(rig);
}

TEST_F(rings, one_by_one)
{
	struct rig *rig = self->rig;
	uint32_t rounds = 3 * rig->sq_entries * rig->cq_entries, i;
	struct vgg_hw_sqe sqe = empty_job(rig);

	rounds = rounds < 9000 ? rounds : 9000;
	for (i = 0; i < rounds && !test_state.failed; i++) {
		struct vgg_hw_cqe cqe;

		sqe.seq = i * 7;
		sqe.generation = ~i;
		cqe = rig_execute_sqe(rig, &sqe);
		EXPECT_EQ(cqe.status, VGG_STATUS_OK);
		EXPECT_EQ(cqe.index, 1u);
		EXPECT_EQ(cqe.tag, sqe.tag);
		EXPECT_EQ(cqe.phase & ~1, 0);
		EXPECT_EQ(cqe.cycles,
			  rig->card.job_cycles + rig->card.command_cycles);
	}
	EXPECT_EQ(rig_read(rig, VGG_REG_JOBS), rounds);
	EXPECT_EQ(rig_read(rig, VGG_REG_SQ_HEAD), rounds % rig->sq_entries);
	EXPECT_EQ(rig_read(rig, VGG_REG_CQ_TAIL), rounds % rig->cq_entries);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_OK);
}

/* As many as fit at once; the card stops before it overwrites a completion. */
TEST_F(rings, in_batches)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = empty_job(rig);
	uint32_t seq = 0, done = 0, got, i, round;
	struct vgg_hw_cqe cqe;

	for (round = 0; round < 12 && !test_state.failed; round++) {
		for (i = 0; i < rig->sq_entries - 1; i++) {
			sqe.seq = seq++;
			rig_place(rig, &sqe);
		}
		rig_ring(rig);
		while (done < seq && !test_state.failed) {
			rig_run(rig);
			for (got = 0; rig_pop(rig, &cqe); got++)
				EXPECT_EQ(cqe.seq, done++);
			EXPECT_GT(got, 0u);
			EXPECT_LT(got, rig->cq_entries);
		}
	}
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_OK);
}

TEST_F(rings, a_full_completion_ring_stalls)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = empty_job(rig);
	uint32_t room = rig->cq_entries - 1, jobs = rig->sq_entries - 1, i;
	uint32_t fit = jobs < room ? jobs : room;
	struct vgg_hw_cqe cqe;

	for (i = 0; i < jobs; i++)
		rig_place(rig, &sqe);
	rig_ring(rig);
	rig_run(rig);
	EXPECT_EQ(rig_read(rig, VGG_REG_JOBS), fit);
	EXPECT_EQ(rig_read(rig, VGG_REG_SQ_HEAD), fit);
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS), VGG_DEV_READY);
	for (i = 0; i < jobs; i++) {
		ASSERT_TRUE(rig_pop(rig, &cqe));
		rig_run(rig);
	}
	EXPECT_FALSE(rig_pop(rig, &cqe));
	EXPECT_EQ(rig_read(rig, VGG_REG_JOBS), jobs);
}

/* Disabling is a pause; changing a ring empties it; so does a reset. */
TEST_F(rings, disable_and_enable)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = empty_job(rig);
	struct vgg_hw_cqe cqe;

	rig_execute_sqe(rig, &sqe);
	rig_push(rig, &sqe);
	rig_write(rig, VGG_REG_CTRL, 0);
	rig_run(rig);
	EXPECT_FALSE(rig_pop(rig, &cqe));
	rig_ring(rig);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_DOORBELL);
	rig_write(rig, VGG_REG_CTRL, VGG_CTRL_ENABLE);
	rig_run(rig);
	EXPECT_TRUE(rig_pop(rig, &cqe));
	rig_write(rig, VGG_REG_CTRL, 0);
	rig_write(rig, VGG_REG_SQ_SIZE, rig_read(rig, VGG_REG_SQ_SIZE));
	rig_write(rig, VGG_REG_CQ_SIZE, rig_read(rig, VGG_REG_CQ_SIZE));
	EXPECT_EQ(rig_read(rig, VGG_REG_SQ_HEAD), 0u);
	EXPECT_EQ(rig_read(rig, VGG_REG_CQ_TAIL), 0u);
	rig_reset(rig);
	EXPECT_EQ(rig_read(rig, VGG_REG_CTRL), 0u);
	rig_enable(rig);
	EXPECT_EQ(rig_execute_sqe(rig, &sqe).status, VGG_STATUS_OK);
}

TEST_F(rings, that_do_not_answer_halt_the_card)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = empty_job(rig);
	struct vgg_hw_cqe cqe;

	rig_write(rig, VGG_REG_CTRL, 0);
	rig_write(rig, VGG_REG_CQ_BASE_HI, 0x7777);
	rig_write(rig, VGG_REG_CTRL, VGG_CTRL_ENABLE);
	rig_push(rig, &sqe);
	rig_run(rig);
	EXPECT_EQ(rig_read(rig, VGG_REG_STATUS),
		  VGG_DEV_READY | VGG_DEV_HALTED);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_RING);
	rig_push(rig, &sqe);
	rig_run(rig);
	EXPECT_FALSE(rig_pop(rig, &cqe));
	rig_write(rig, VGG_REG_CTRL, 0);
	rig_write(rig, VGG_REG_CTRL, VGG_CTRL_ENABLE);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_REG_STATE);
	rig_reset(rig);
	rig_enable(rig);
	EXPECT_EQ(rig_execute_sqe(rig, &sqe).status, VGG_STATUS_OK);
	/* and the submission ring */
	rig_reset(rig);
	rig->sq += UINT64_C(1) << 44;
	rig_enable(rig);
	rig_write(rig, VGG_REG_DB_SQ_TAIL, 1);
	rig_run(rig);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_RING);
	EXPECT_TRUE(rig_read(rig, VGG_REG_STATUS) & VGG_DEV_HALTED);
}

TEST_F(rings, without_bus_mastering)
{
	struct rig *rig = self->rig;
	struct vgg_hw_sqe sqe = empty_job(rig);

	vgg_sim_set_bus_master(rig->sim, false);
	rig_push(rig, &sqe);
	rig_run(rig);
	EXPECT_TRUE(rig_read(rig, VGG_REG_STATUS) & VGG_DEV_HALTED);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_BUS_MASTER);
	vgg_sim_set_bus_master(rig->sim, true);
	rig_reset(rig);
	rig_enable(rig);
	EXPECT_EQ(rig_execute_sqe(rig, &sqe).status, VGG_STATUS_OK);
}

TEST_HARNESS_MAIN
