// SPDX-License-Identifier: MIT
/* The cycle model on examples worked out by hand. */
#include "rig.h"
#include "timing.h"

TEST(links)
{
	EXPECT_EQ(vgg_timing_link_mbps(1, 4), 800u);
	EXPECT_EQ(vgg_timing_link_mbps(2, 1), 400u);
	EXPECT_EQ(vgg_timing_link_mbps(3, 16), 12608u);
	EXPECT_EQ(vgg_timing_link_mbps(6, 4), 0u);
}

TEST(transfers)
{
	/* 200 MHz, 800 MB/s: 4 bytes in a cycle, rounded up */
	EXPECT_EQ(vgg_timing_transfer(4, 200000, 800), 1u);
	EXPECT_EQ(vgg_timing_transfer(5, 200000, 800), 2u);
	EXPECT_EQ(vgg_timing_transfer(0, 200000, 800), 0u);
	EXPECT_EQ(vgg_timing_transfer(UINT64_C(1) << 60, 200000, 800),
		  VGG_TIMING_FOREVER);
}

TEST(times)
{
	EXPECT_EQ(vgg_timing_ns(1, 200000), 5u);
	EXPECT_EQ(vgg_timing_ns(1, 300000), 4u); /* rounded up */
	EXPECT_EQ(vgg_timing_ns(3, 300000), 10u);
	EXPECT_EQ(vgg_timing_ns(UINT64_C(200000) * 3600000, 200000),
		  UINT64_C(3600000000000));
	EXPECT_EQ(vgg_timing_ns(VGG_TIMING_FOREVER, 1000), VGG_TIMING_FOREVER);
	EXPECT_EQ(vgg_timing_cycles(5, 200000), 1u);
	EXPECT_EQ(vgg_timing_cycles(4, 200000), 0u); /* rounded down */
	EXPECT_EQ(vgg_timing_cycles(UINT64_C(3600000000000), 200000),
		  UINT64_C(200000) * 3600000);
	EXPECT_EQ(vgg_timing_cycles(UINT64_MAX, 10000000), VGG_TIMING_FOREVER);
}

TEST(multiply_adds)
{
	EXPECT_EQ(vgg_timing_mac(224 * 224, 64, 27, 64, 32), 224u * 224 * 2);
	EXPECT_EQ(vgg_timing_mac(1, 1, 65, 64, 32), 2u);
	EXPECT_EQ(vgg_timing_mac(1, 33, 64, 64, 32), 2u);
	EXPECT_EQ(vgg_timing_mac(UINT64_MAX, 64, 64, 1, 1), VGG_TIMING_FOREVER);
}

static void expect_traffic(uint64_t input, uint64_t weights, uint64_t want_in,
			   uint64_t want_weights)
{
	vgg_timing_conv_traffic(2000, &input, &weights);
	EXPECT_EQ(input, want_in);
	EXPECT_EQ(weights, want_weights);
}

TEST(conv_traffic)
{
	expect_traffic(1000, 999999, 1000, 999999);
	expect_traffic(999999, 1000, 999999, 1000);
	/* both beyond one half: 2500 * 2 + 1500 > 2500 + 1500 * 3 is false */
	expect_traffic(2500, 1500, 5000, 1500);
	expect_traffic(1001, 5000, 6006 - 1001, 5000);
	expect_traffic(9000, 1001, 9000, 9009);
	expect_traffic(VGG_TIMING_FOREVER, VGG_TIMING_FOREVER,
		       VGG_TIMING_FOREVER, VGG_TIMING_FOREVER);
}

FIXTURE(card)
{
	struct rig *rig;
	uint64_t host, local;
};

FIXTURE_SETUP(card)
{
	struct rig_options options = { 0 };

	self->rig = rig_create(&options);
	self->host = rig_alloc(self->rig, 65536, RIG_HOST);
	self->local = rig_alloc(self->rig, 65536, RIG_LOCAL);
}

FIXTURE_TEARDOWN(card)
{
	rig_destroy(self->rig);
}

/* The default card's overheads. */
#define JOB 512u
#define CMD 256u

TEST_F(card, copy_takes_the_slower_memory)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cmd_copy copy = rig_copy(self->host, self->local, 32768);

	rig_add(rig, &copy);
	/* 32768 bytes: 8192 cycles over PCIe, 512 to local memory */
	EXPECT_EQ(rig_execute(rig).cycles, JOB + CMD + 8192 + CMD);
	EXPECT_EQ(rig_read64(rig, VGG_REG_BYTES_LO), 32768u);
	EXPECT_EQ(rig_read64(rig, VGG_REG_DMA_BUSY_LO), CMD + 8192u);
	EXPECT_EQ(rig_read64(rig, VGG_REG_MAC_BUSY_LO), 0u);
	copy = rig_copy(self->local, self->local + 32768, 32768);
	rig_add(rig, &copy);
	EXPECT_EQ(rig_execute(rig).cycles, JOB + CMD + 1024 + CMD);
	EXPECT_EQ(rig_read64(rig, VGG_REG_BYTES_LO), 32768u);
}

static void add_pool(struct rig *rig, uint64_t src, uint64_t dst)
{
	struct vgg_hw_cmd_pool pool = {
		.head.opcode = VGG_CMD_POOL,
		.src = src,
		.dst = dst,
		.in_h = 16,
		.in_w = 16,
		.channels = 64,
		.src_pitch = 1024,
		.src_pixel = 64,
		.dst_pitch = 512,
		.dst_pixel = 64,
		.win = { 2, 2, 2, 2, 0, 0, 0, 0 },
	};

	rig_add(rig, &pool);
}

/* 16384 bytes in, 4096 out, local: 320 cycles; 64 outputs in 2 passes: 128 */
#define POOL_CYCLES (CMD + 320u)

TEST_F(card, engines_run_side_by_side)
{
	struct rig *rig = self->rig;
	struct vgg_hw_cmd_fill fill = rig_fill(self->host, 3200, 0);
	struct vgg_hw_cqe cqe;

	add_pool(rig, self->local, self->local + 32768);
	rig_add(rig, &fill); /* 800 cycles */
	cqe = rig_execute(rig);
	EXPECT_EQ(cqe.status, VGG_STATUS_OK);
	EXPECT_EQ(cqe.cycles, JOB + CMD + 800 + CMD);
	add_pool(rig, self->local, self->local + 32768);
	rig_add_plain(rig, VGG_CMD_FENCE);
	rig_add(rig, &fill);
	EXPECT_EQ(rig_execute(rig).cycles,
		  JOB + POOL_CYCLES + CMD + (CMD + 800) + CMD);
	EXPECT_EQ(rig_read64(rig, VGG_REG_MAC_BUSY_LO), 2 * POOL_CYCLES);
}

TEST_F(card, conv_by_hand)
{
	struct rig *rig = self->rig;
	struct vgg_hw_qparam q = { .mult = 1, .shift = 1 };
	struct vgg_hw_cmd_conv conv = {
		.head.opcode = VGG_CMD_CONV,
		.src = self->local,
		.dst = self->local + 32768,
		.weights = self->host,
		.params = self->host + 61440,
		.in_h = 8,
		.in_w = 8,
		.in_c = 16,
		.out_c = 40,
		.src_pitch = 128,
		.src_pixel = 16,
		.dst_pitch = 320,
		.dst_pixel = 40,
		.weight_pitch = 144,
		.win = { 3, 3, 1, 1, 1, 1, 1, 1 },
		.hi = 127,
	};
	int i;

	for (i = 0; i < 40; i++)
		rig_put(rig, conv.params + (uint64_t)i * 16, &q, 16);
	rig_add(rig, &conv);
	/* 64 pixels * ceil(40/32) * ceil(144/64) = 384; 5760 bytes of weights
	 * over PCIe = 1440; (1024 + 2560) bytes local = 56 */
	EXPECT_EQ(rig_execute(rig).cycles, JOB + CMD + 1440 + CMD);
	EXPECT_EQ(rig_read64(rig, VGG_REG_BYTES_LO), 5760u);
	/* weights in local memory: computation is what is left */
	conv.weights = self->local;
	rig_add(rig, &conv);
	EXPECT_EQ(rig_execute(rig).cycles,
		  JOB + CMD + (384 > 146 ? 384 : 146) + CMD);
}

TEST_F(card, cycles_go_on)
{
	struct rig *rig = self->rig;
	uint64_t before = rig_read64(rig, VGG_REG_CYCLES_LO), took;

	took = rig_execute(rig).cycles;
	EXPECT_GE(rig_read64(rig, VGG_REG_CYCLES_LO), before + took);
}

TEST_HARNESS_MAIN
