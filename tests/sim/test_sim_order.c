// SPDX-License-Identifier: MIT
/*
 * The order options: a missing FENCE shows under them, a stream with its
 * fences gives the same bytes, cycles and errors under all three.
 */
#include "rig.h"

static const enum vgg_sim_order orders[] = { VGG_SIM_PROGRAM_ORDER,
					     VGG_SIM_DMA_LATE,
					     VGG_SIM_MAC_LATE };

#define BYTES 64

/* a: input, b: what COPY makes of it, c: what POOL makes of that */
struct scene {
	struct rig *rig;
	uint64_t a, b, c;
};

static void open_scene(struct scene *s, enum vgg_sim_order order)
{
	struct rig_options options = { .order = order };
	uint8_t bytes[BYTES];

	s->rig = rig_create(&options);
	s->a = rig_alloc(s->rig, 4096, RIG_HOST);
	s->b = rig_alloc(s->rig, 4096, RIG_LOCAL);
	s->c = rig_alloc(s->rig, 4096, RIG_HOST);
	memset(bytes, 0x11, BYTES);
	rig_put(s->rig, s->a, bytes, BYTES);
	memset(bytes, 0x22, BYTES);
	rig_put(s->rig, s->b, bytes, BYTES);
}

/* POOL with a 1x1 window: a copy by the other engine. */
static void add_pool(struct scene *s, uint64_t src, uint64_t dst)
{
	struct vgg_hw_cmd_pool pool = {
		.head.opcode = VGG_CMD_POOL,
		.src = src,
		.dst = dst,
		.in_h = 1,
		.in_w = 1,
		.channels = BYTES,
		.src_pitch = BYTES,
		.src_pixel = BYTES,
		.dst_pitch = BYTES,
		.dst_pixel = BYTES,
		.win = { 1, 1, 1, 1, 0, 0, 0, 0 },
	};

	rig_add(s->rig, &pool);
}

static void add_copy(struct scene *s, uint64_t src, uint64_t dst)
{
	struct vgg_hw_cmd_copy copy = rig_copy(src, dst, BYTES);

	rig_add(s->rig, &copy);
}

static int byte_at(struct scene *s, uint64_t va)
{
	uint8_t byte;

	rig_get(s->rig, va, &byte, 1);
	return byte;
}

TEST(a_missing_fence_shows)
{
	static const int want[] = { 0x11, 0x22, 0x11 };
	static const int back[] = { 0x11, 0x11, 0x22 };
	struct scene s;
	int i;

	for (i = 0; i < 3; i++) {
		open_scene(&s, orders[i]);
		add_copy(&s, s.a, s.b);
		add_pool(&s, s.b, s.c);
		EXPECT_EQ(rig_execute(s.rig).status, VGG_STATUS_OK);
		EXPECT_EQ(byte_at(&s, s.c), want[i]);
		rig_destroy(s.rig);
		open_scene(&s, orders[i]);
		add_pool(&s, s.a, s.b);
		add_copy(&s, s.b, s.c);
		EXPECT_EQ(rig_execute(s.rig).status, VGG_STATUS_OK);
		EXPECT_EQ(byte_at(&s, s.c), back[i]);
		rig_destroy(s.rig);
	}
}

static void add_join(struct scene *s, int how)
{
	struct vgg_hw_cmd_timestamp stamp = { .head.opcode = VGG_CMD_TIMESTAMP,
					      .dst = s->a + 1024 };

	if (how)
		rig_add(s->rig, &stamp);
	else
		rig_add_plain(s->rig, VGG_CMD_FENCE);
}

TEST(with_fences_all_orders_agree)
{
	uint64_t cycles[3];
	struct vgg_hw_cqe cqe;
	struct scene s;
	int i, how;

	for (how = 0; how < 2; how++) {
		for (i = 0; i < 3; i++) {
			open_scene(&s, orders[i]);
			add_copy(&s, s.a, s.b);
			add_join(&s, how);
			add_pool(&s, s.b, s.c);
			add_join(&s, how);
			add_copy(&s, s.c, s.a + BYTES);
			cqe = rig_execute(s.rig);
			EXPECT_EQ(cqe.status, VGG_STATUS_OK);
			EXPECT_EQ(byte_at(&s, s.c + BYTES - 1), 0x11);
			EXPECT_EQ(byte_at(&s, s.a + BYTES), 0x11);
			cycles[i] = cqe.cycles;
			rig_destroy(s.rig);
		}
		EXPECT_EQ(cycles[0], cycles[1]);
		EXPECT_EQ(cycles[0], cycles[2]);
	}
}

/* One engine's commands keep their own order: the last write stays. */
TEST(each_engine_is_in_order)
{
	struct vgg_hw_cmd_fill fill;
	struct scene s;
	int i, j;

	for (i = 0; i < 3; i++) {
		open_scene(&s, orders[i]);
		for (j = 1; j < 9; j++) {
			fill = rig_fill(s.b, BYTES, (uint8_t)j);
			rig_add(s.rig, &fill);
			add_pool(&s, s.a, s.c);
			add_pool(&s, s.c, s.a + 512);
		}
		add_copy(&s, s.b, s.b + 512);
		EXPECT_EQ(rig_execute(s.rig).status, VGG_STATUS_OK);
		EXPECT_EQ(byte_at(&s, s.b + 512), 8);
		EXPECT_EQ(byte_at(&s, s.a + 512), 0x11);
		rig_destroy(s.rig);
	}
}

/* Two commands fail; the one with the lower index is reported. */
static void expect_first(int first, int second)
{
	struct vgg_hw_cqe cqe;
	struct scene s;
	int i, j;

	for (i = 0; i < 3; i++) {
		open_scene(&s, orders[i]);
		rig_add_plain(s.rig, VGG_CMD_NOP);
		for (j = 0; j < 2; j++) {
			int kind = j ? second : first;

			if (kind == 0)
				add_copy(&s, 0, s.b);
			else if (kind == 1)
				add_pool(&s, 0, s.c);
			else
				rig_add_plain(s.rig, 99);
		}
		cqe = rig_execute(s.rig);
		EXPECT_EQ(cqe.status,
			  first == 2 ? VGG_STATUS_OPCODE : VGG_STATUS_UNMAPPED);
		EXPECT_EQ(cqe.index, 1u);
		EXPECT_EQ(rig_read(s.rig, VGG_REG_ERR_INDEX), 1u);
		rig_destroy(s.rig);
	}
}

TEST(the_lowest_failing_index_is_reported)
{
	int first, second;

	for (first = 0; first < 3; first++)
		for (second = 0; second < 3; second++)
			expect_first(first, second);
}

/* Without END nothing is left behind, neither undone nor for the next job. */
TEST(late_commands_of_a_failed_job_are_done)
{
	struct vgg_hw_sqe sqe;
	struct scene s;
	int i;

	for (i = 0; i < 3; i++) {
		open_scene(&s, orders[i]);
		add_copy(&s, s.a, s.b);
		add_pool(&s, s.a, s.c);
		sqe = rig_sqe(s.rig);
		EXPECT_EQ(rig_execute_sqe(s.rig, &sqe).status,
			  VGG_STATUS_NO_END);
		EXPECT_EQ(byte_at(&s, s.b), 0x11);
		EXPECT_EQ(byte_at(&s, s.c), 0x11);
		rig_destroy(s.rig);
	}
}

/* A stream as long as can be, with nothing but postponed commands. */
TEST(the_longest_stream)
{
	struct rig_options options = { .order = VGG_SIM_DMA_LATE,
				       .memory = 16u << 20 };
	struct rig *rig = rig_create(&options);
	uint64_t mem = rig_alloc(rig, 4096, RIG_HOST);
	uint64_t stream = rig_alloc(rig, VGG_STREAM_MAX, RIG_HOST);
	struct vgg_hw_cmd_fill fill = rig_fill(mem, 1, 3);
	struct vgg_hw_cmd_plain end = { .head.opcode = VGG_CMD_END };
	struct vgg_hw_sqe sqe = rig_sqe(rig);
	struct vgg_hw_cqe cqe;
	uint32_t at;

	for (at = 0; at < VGG_STREAM_MAX - VGG_CMD_SIZE; at += VGG_CMD_SIZE)
		rig_put(rig, stream + at, &fill, VGG_CMD_SIZE);
	rig_put(rig, stream + at, &end, VGG_CMD_SIZE);
	sqe.stream = stream;
	sqe.stream_bytes = VGG_STREAM_MAX;
	cqe = rig_execute_sqe(rig, &sqe);
	EXPECT_EQ(cqe.status, VGG_STATUS_OK);
	EXPECT_EQ(cqe.index, VGG_STREAM_MAX / VGG_CMD_SIZE);
	rig_destroy(rig);
}

TEST_HARNESS_MAIN
