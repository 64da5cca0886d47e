// SPDX-License-Identifier: MIT
/*
 * Every status code of the header is provoked, most of them in several ways: a
 * legal command is spoiled in one or two fields, and the completion and the
 * error latch must name code, index and tag.
 */
#include "rig.h"

#include <stddef.h>

#define TAG 0x1a4e5
#define FAR (UINT64_C(1) << VGG_VA_BITS)

struct field {
	size_t offset, size;
	uint64_t value;
};

struct spoil {
	int status;
	int opcode;
	struct field set[4];
};

#define AT(type, member, value)                                                \
	{                                                                      \
		offsetof(struct vgg_hw_cmd_##type, member),                    \
			sizeof(((struct vgg_hw_cmd_##type *)0)->member), value \
	}
#define FLAGS(value) AT(plain, head.flags, value)
#define CONV(status, ...)                          \
	{                                          \
		VGG_STATUS_##status, VGG_CMD_CONV, \
		{                                  \
			__VA_ARGS__                \
		}                                  \
	}
#define POOL(status, ...)                          \
	{                                          \
		VGG_STATUS_##status, VGG_CMD_POOL, \
		{                                  \
			__VA_ARGS__                \
		}                                  \
	}
#define COPY(status, ...)                          \
	{                                          \
		VGG_STATUS_##status, VGG_CMD_COPY, \
		{                                  \
			__VA_ARGS__                \
		}                                  \
	}
#define FILL(status, ...)                          \
	{                                          \
		VGG_STATUS_##status, VGG_CMD_FILL, \
		{                                  \
			__VA_ARGS__                \
		}                                  \
	}
#define TIME(status, ...)                               \
	{                                               \
		VGG_STATUS_##status, VGG_CMD_TIMESTAMP, \
		{                                       \
			__VA_ARGS__                     \
		}                                       \
	}
#define PLAIN(status, opcode, ...)           \
	{                                    \
		VGG_STATUS_##status, opcode, \
		{                            \
			__VA_ARGS__          \
		}                            \
	}

/* The legal CONV is 4x4x4 to 4x4x4 with a 3x3 kernel, POOL is 2x2 on 4x4x4. */
static const struct spoil spoils[] = {
	PLAIN(OPCODE, VGG_CMD_NOP, AT(plain, head.opcode, 8)),
	PLAIN(OPCODE, VGG_CMD_NOP, AT(plain, head.opcode, 0xffff)),
	PLAIN(OPCODE, VGG_CMD_NOP, AT(plain, head.opcode, 0x100)),
	PLAIN(RESERVED, VGG_CMD_NOP, FLAGS(1)),
	PLAIN(RESERVED, VGG_CMD_FENCE, AT(plain, reserved[0], 1)),
	PLAIN(RESERVED, VGG_CMD_END, AT(plain, reserved[14], 1)),
	FILL(RESERVED, FLAGS(0x8000)),
	FILL(RESERVED, AT(fill, reserved0[2], 1)),
	FILL(RESERVED, AT(fill, reserved[11], 1)),
	FILL(SHAPE, AT(fill, width, 0)),
	FILL(SHAPE, AT(fill, height, 0)),
	FILL(SHAPE, AT(fill, width, VGG_EXTENT_MAX + 1)),
	FILL(SHAPE, AT(fill, height, 0xffffffff)),
	FILL(PITCH, AT(fill, height, 2), AT(fill, dst_pitch, 15)),
	FILL(PITCH, AT(fill, dst_pitch, VGG_PITCH_MAX + 1)),
	FILL(RANGE, AT(fill, dst, FAR)),
	FILL(RANGE, AT(fill, dst, FAR - 15)),
	FILL(RANGE, AT(fill, dst, ~UINT64_C(0))),
	FILL(RANGE, AT(fill, height, VGG_EXTENT_MAX),
	     AT(fill, dst_pitch, VGG_PITCH_MAX)),
	FILL(UNMAPPED, AT(fill, dst, FAR - 16)),
	FILL(UNMAPPED, AT(fill, dst, 0)),
	COPY(RESERVED, FLAGS(1)),
	COPY(RESERVED, AT(copy, reserved[10], 1)),
	COPY(SHAPE, AT(copy, width, 0)),
	COPY(SHAPE, AT(copy, height, VGG_EXTENT_MAX + 1)),
	COPY(PITCH, AT(copy, height, 2), AT(copy, src_pitch, 15),
	     AT(copy, dst_pitch, 16)),
	COPY(PITCH, AT(copy, height, 2), AT(copy, src_pitch, 16),
	     AT(copy, dst_pitch, 15)),
	COPY(PITCH, AT(copy, src_pitch, 0xffffffff)),
	COPY(RANGE, AT(copy, src, FAR - 1)),
	COPY(RANGE, AT(copy, dst, FAR - 1)),
	COPY(UNMAPPED, AT(copy, src, FAR - 16)),
	COPY(UNMAPPED, AT(copy, dst, FAR / 2)),
	TIME(RESERVED, FLAGS(1)),
	TIME(RESERVED, AT(timestamp, reserved[13], 1)),
	TIME(ALIGN, AT(timestamp, dst, 4)),
	TIME(RANGE, AT(timestamp, dst, FAR)),
	TIME(UNMAPPED, AT(timestamp, dst, FAR - 8)),
	CONV(RESERVED, FLAGS(8)),
	CONV(RESERVED, AT(conv, reserved0[0], 1)),
	CONV(RESERVED, AT(conv, reserved[3], 1)),
	CONV(RESERVED, AT(conv, pool.kernel_h, 1)),
	CONV(RESERVED, FLAGS(VGG_CONV_OUT32)), /* lo and hi are set */
	CONV(KERNEL, AT(conv, win.kernel_h, 0)),
	CONV(KERNEL, AT(conv, win.kernel_w, 12)),
	CONV(STRIDE, AT(conv, win.stride_h, 0)),
	CONV(STRIDE, AT(conv, win.stride_w, 5)),
	CONV(PAD, AT(conv, win.pad_top, 3)),
	CONV(PAD, AT(conv, win.pad_left, 3)),
	CONV(PAD, AT(conv, win.pad_bottom, 255)),
	CONV(PAD, AT(conv, win.pad_right, 3)),
	CONV(SHAPE, AT(conv, in_h, 0)),
	CONV(SHAPE, AT(conv, in_w, 0)),
	CONV(SHAPE, AT(conv, in_h, VGG_DIM_MAX + 1)),
	CONV(SHAPE, AT(conv, in_c, 0)),
	CONV(SHAPE, AT(conv, out_c, 0)),
	CONV(SHAPE, AT(conv, out_c, VGG_CHANNELS_MAX + 1)),
	CONV(SHAPE, AT(conv, in_c, 0xffffffff)),
	CONV(SHAPE, AT(conv, in_c, VGG_TAPS_MAX / 9 + 1)),
	CONV(SHAPE, AT(conv, win.kernel_h, 7)),
	CONV(PITCH, AT(conv, src_pixel, 3)),
	CONV(PITCH, AT(conv, src_pitch, 15)),
	CONV(PITCH, AT(conv, src_pixel, 0xffffffff)),
	CONV(PITCH, AT(conv, dst_pixel, 3)),
	CONV(PITCH, AT(conv, dst_pitch, 15)),
	CONV(PITCH, AT(conv, dst_pitch, VGG_PITCH_MAX + 1)),
	CONV(PITCH, AT(conv, weight_pitch, 35)),
	CONV(PITCH, AT(conv, weight_pitch, 0xffffffff)),
	CONV(CLAMP, AT(conv, lo, 5), AT(conv, hi, 4)),
	CONV(PARAM, AT(conv, params, 0)), /* the test makes it a bad table */
	CONV(ALIGN, AT(conv, params, 8)),
	CONV(ALIGN, FLAGS(VGG_CONV_OUT32), AT(conv, lo, 0x0000),
	     AT(conv, dst_pixel, 18), AT(conv, dst_pitch, 72)),
	CONV(FUSION, FLAGS(VGG_CONV_POOL | VGG_CONV_OUT32),
	     AT(conv, lo, 0x0000)),
	CONV(FUSION, FLAGS(VGG_CONV_POOL)), /* an empty window */
	CONV(FUSION, FLAGS(VGG_CONV_POOL),
	     AT(conv, pool, UINT64_C(0x01010808))), /* beyond 4x4 */
	CONV(RANGE, AT(conv, src, FAR - 63)),
	CONV(RANGE, AT(conv, dst, FAR - 63)),
	CONV(RANGE, AT(conv, weights, FAR - 143)),
	CONV(RANGE, AT(conv, params, FAR - 48)),
	CONV(RANGE, AT(conv, weights, ~UINT64_C(0))),
	CONV(RANGE, AT(conv, out_c, VGG_CHANNELS_MAX),
	     AT(conv, weight_pitch, VGG_PITCH_MAX),
	     AT(conv, dst_pixel, VGG_CHANNELS_MAX),
	     AT(conv, dst_pitch, 4 * VGG_CHANNELS_MAX)),
	CONV(UNMAPPED, AT(conv, src, FAR - 64)),
	CONV(UNMAPPED, AT(conv, dst, FAR - 64)),
	CONV(UNMAPPED, AT(conv, weights, FAR - 144)),
	CONV(UNMAPPED, AT(conv, params, FAR - 64)),
	POOL(RESERVED, FLAGS(4)),
	POOL(RESERVED, FLAGS(VGG_POOL_EXCLUDE_PAD)),
	POOL(RESERVED, AT(pool, reserved0[4], 1)),
	POOL(RESERVED, AT(pool, reserved[6], 1)),
	POOL(RESERVED, AT(pool, params, 16)),
	POOL(RESERVED, AT(pool, lo, 0xff)),
	POOL(RESERVED, AT(pool, pad_value, 1)),
	POOL(RESERVED, FLAGS(VGG_POOL_FLAGS), AT(pool, pad_value, 1)),
	POOL(KERNEL, AT(pool, win.kernel_w, 65)),
	POOL(STRIDE, AT(pool, win.stride_h, 65)),
	POOL(STRIDE, AT(pool, win.stride_w, 0)),
	POOL(PAD, AT(pool, win.pad_left, 2)),
	POOL(SHAPE, AT(pool, channels, 0)),
	POOL(SHAPE, AT(pool, in_w, 1)),
	POOL(PITCH, AT(pool, src_pixel, 3)),
	POOL(PITCH, AT(pool, dst_pitch, 7)),
	POOL(CLAMP, FLAGS(VGG_POOL_AVG), AT(pool, lo, 1)),
	POOL(ALIGN, FLAGS(VGG_POOL_AVG), AT(pool, params, 15)),
	POOL(RANGE, FLAGS(VGG_POOL_AVG), AT(pool, params, FAR - 48)),
	POOL(RANGE, AT(pool, src, FAR)),
	POOL(UNMAPPED, FLAGS(VGG_POOL_AVG), AT(pool, params, 0)),
	POOL(UNMAPPED, AT(pool, dst, FAR - 32)),
};

#define SPOILS (sizeof(spoils) / sizeof(spoils[0]))

static bool seen[256];

static void saw(int status)
{
	seen[status & 0xff] = true;
}

struct legal {
	uint8_t bytes[VGG_CMD_SIZE];
	uint64_t mem, good, bad, local;
};

static void put_command(struct legal *legal, const void *command)
{
	memcpy(legal->bytes, command, VGG_CMD_SIZE);
}

static void make_conv(struct legal *l)
{
	struct vgg_hw_cmd_conv conv = {
		.head = { VGG_CMD_CONV, 0, TAG },
		.src = l->mem,
		.dst = l->mem + 1024,
		.weights = l->mem + 256,
		.params = l->good,
		.in_h = 4,
		.in_w = 4,
		.in_c = 4,
		.out_c = 4,
		.src_pitch = 16,
		.src_pixel = 4,
		.dst_pitch = 16,
		.dst_pixel = 4,
		.weight_pitch = 36,
		.win = { 3, 3, 1, 1, 1, 1, 1, 1 },
		.lo = -128,
		.hi = 127,
	};

	put_command(l, &conv);
}

static void make_pool(struct legal *l)
{
	struct vgg_hw_cmd_pool pool = {
		.head = { VGG_CMD_POOL, 0, TAG },
		.src = l->mem,
		.dst = l->mem + 1024,
		.in_h = 4,
		.in_w = 4,
		.channels = 4,
		.src_pitch = 16,
		.src_pixel = 4,
		.dst_pitch = 8,
		.dst_pixel = 4,
		.win = { 2, 2, 2, 2, 0, 0, 0, 0 },
	};

	put_command(l, &pool);
}

static void make_legal(struct legal *l, int opcode)
{
	struct vgg_hw_cmd_copy copy = rig_copy(l->mem, l->mem + 1024, 16);
	struct vgg_hw_cmd_fill fill = rig_fill(l->mem, 16, 1);
	struct vgg_hw_cmd_timestamp stamp = { .head.opcode = VGG_CMD_TIMESTAMP,
					      .dst = l->mem };
	struct vgg_hw_cmd_plain plain = { .head.opcode = (uint16_t)opcode };

	if (opcode == VGG_CMD_CONV)
		make_conv(l);
	else if (opcode == VGG_CMD_POOL)
		make_pool(l);
	else if (opcode == VGG_CMD_COPY)
		put_command(l, &copy);
	else if (opcode == VGG_CMD_FILL)
		put_command(l, &fill);
	else if (opcode == VGG_CMD_TIMESTAMP)
		put_command(l, &stamp);
	else
		put_command(l, &plain);
	((struct vgg_hw_cmd_head *)(void *)l->bytes)->tag = TAG;
}

static struct legal prepare(struct rig *rig)
{
	struct legal l = { .mem = rig_alloc(rig, 8192, RIG_HOST) };
	struct vgg_hw_qparam q = { .mult = 1, .shift = 1 };
	int i;

	l.good = l.mem + 4096;
	l.bad = l.mem + 4096 + 64;
	for (i = 0; i < 4; i++)
		rig_put(rig, l.good + (uint64_t)i * 16, &q, 16);
	for (i = 0; i < 3; i++)
		rig_put(rig, l.bad + (uint64_t)i * 16, &q, 16);
	return l;
}

/* Behind two NOPs, so that the index shows. */
static struct vgg_hw_cqe run_third(struct rig *rig, const void *command)
{
	rig_add_plain(rig, VGG_CMD_NOP);
	rig_add_plain(rig, VGG_CMD_NOP);
	rig_add(rig, command);
	return rig_execute(rig);
}

static void expect_failure(struct rig *rig, struct vgg_hw_cqe cqe, int status,
			   const char *what, size_t n)
{
	if (cqe.status != status)
		test_fail(__FILE__, __LINE__, "%s %zu: %s, not %s", what, n,
			  vgg_sim_status_name(cqe.status),
			  vgg_sim_status_name((unsigned int)status));
	EXPECT_EQ(rig_read(rig, VGG_REG_ERR_INDEX), cqe.index);
	EXPECT_EQ(rig_read(rig, VGG_REG_ERR_TAG), cqe.tag);
	EXPECT_EQ(rig_read(rig, VGG_REG_ERR_SEQ), cqe.seq);
	EXPECT_EQ(rig_take_error(rig), (int)cqe.status);
	saw(cqe.status);
}

static void spoil_one(struct rig *rig, struct legal *l, size_t n)
{
	const struct spoil *s = &spoils[n];
	struct vgg_hw_cqe cqe;
	size_t i;

	make_legal(l, s->opcode);
	for (i = 0; i < 4; i++)
		if (s->set[i].size)
			memcpy(l->bytes + s->set[i].offset, &s->set[i].value,
			       s->set[i].size);
	/* lo 0 means hi 0 too: they stand side by side */
	if (s->opcode == VGG_CMD_CONV &&
	    (s->status == VGG_STATUS_ALIGN || s->status == VGG_STATUS_FUSION) &&
	    (l->bytes[2] & VGG_CONV_OUT32))
		((struct vgg_hw_cmd_conv *)(void *)l->bytes)->hi = 0;
	if (s->status == VGG_STATUS_PARAM)
		((struct vgg_hw_cmd_conv *)(void *)l->bytes)->params = l->bad;
	cqe = run_third(rig, l->bytes);
	expect_failure(rig, cqe, s->status, "spoil", n);
	EXPECT_EQ(cqe.index, 2u);
	EXPECT_EQ(cqe.tag, (uint32_t)TAG);
}

static void commands(struct rig *rig)
{
	static const int opcodes[] = {
		VGG_CMD_NOP,  VGG_CMD_FILL,  VGG_CMD_COPY,	VGG_CMD_CONV,
		VGG_CMD_POOL, VGG_CMD_FENCE, VGG_CMD_TIMESTAMP,
	};
	struct legal l = prepare(rig);
	size_t i;

	for (i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		make_legal(&l, opcodes[i]);
		EXPECT_EQ(run_third(rig, l.bytes).status, VGG_STATUS_OK);
	}
	saw(VGG_STATUS_OK);
	for (i = 0; i < SPOILS; i++)
		spoil_one(rig, &l, i);
}

/* Submission entries. */
static void submissions(struct rig *rig)
{
	struct vgg_hw_sqe good, sqe;
	int i;

	rig_add_plain(rig, VGG_CMD_END);
	good = rig_sqe(rig);
	for (i = 0; i < 13; i++) {
		static const int want[] = {
			VGG_STATUS_SQE,		 VGG_STATUS_SQE,
			VGG_STATUS_SQE,		 VGG_STATUS_CONTEXT,
			VGG_STATUS_LENGTH,	 VGG_STATUS_LENGTH,
			VGG_STATUS_LENGTH,	 VGG_STATUS_STREAM_ALIGN,
			VGG_STATUS_STREAM_ALIGN, VGG_STATUS_RANGE,
			VGG_STATUS_DMA,		 VGG_STATUS_UNMAPPED,
			VGG_STATUS_RANGE,
		};

		sqe = good;
		sqe.flags = i == 0;
		sqe.reserved[0] = i == 1;
		sqe.reserved[5] = i == 2 ? 0x80000000 : 0;
		sqe.context = i == 3 ? 64 : 0;
		sqe.stream_bytes = i == 4 ? 0 :
				   i == 5 ? 64 :
				   i == 6 ? VGG_STREAM_MAX + 128 :
					    good.stream_bytes;
		sqe.stream += i == 7 ? 64 : 0;
		sqe.root += i == 8 ? 2048 : 0;
		sqe.stream = i == 9 ? FAR : i == 11 ? 0 : sqe.stream;
		sqe.stream = i == 12 ? ~UINT64_C(127) : sqe.stream;
		sqe.root = i == 10 ? 0xffffffff000 : sqe.root;
		expect_failure(rig, rig_execute_sqe(rig, &sqe), want[i],
			       "submission", (size_t)i);
	}
}

static void no_end(struct rig *rig)
{
	struct vgg_hw_sqe sqe;
	struct vgg_hw_cqe cqe;

	rig_add_plain(rig, VGG_CMD_NOP);
	rig_add_plain(rig, VGG_CMD_FENCE);
	sqe = rig_sqe(rig);
	cqe = rig_execute_sqe(rig, &sqe);
	expect_failure(rig, cqe, VGG_STATUS_NO_END, "stream", 0);
	EXPECT_EQ(cqe.index, 2u);
	EXPECT_EQ(cqe.tag, sqe.tag);
}

/* Page-table entries and what they point to. */
static void pages(struct rig *rig)
{
	static const struct {
		uint64_t pte;
		int status;
	} bad[] = {
		{ VGG_PTE_VALID | VGG_PTE_LEAF | RIG_BUS, VGG_STATUS_WRITE },
		{ VGG_PTE_VALID | RIG_BUS, VGG_STATUS_PTE },
		{ VGG_PTE_VALID | VGG_PTE_LEAF | VGG_PTE_WRITE | VGG_PTE_LOCAL |
			  512u << 20,
		  VGG_STATUS_LOCAL },
		{ VGG_PTE_VALID | VGG_PTE_LEAF | VGG_PTE_WRITE,
		  VGG_STATUS_DMA },
	};
	uint64_t va = rig_alloc(rig, 4096, RIG_HOST);
	struct vgg_hw_cmd_fill fill = rig_fill(va + 8, 16, 1);
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_set_leaf(rig, rig->root, va, 3, bad[i].pte);
		expect_failure(rig, run_third(rig, &fill), bad[i].status,
			       "page", i);
	}
}

static void ends(struct rig *rig)
{
	struct vgg_hw_sqe sqe;

	rig_add_plain(rig, VGG_CMD_END);
	sqe = rig_sqe(rig);
	sqe.timeout_us = 1;
	expect_failure(rig, rig_execute_sqe(rig, &sqe), VGG_STATUS_TIMEOUT,
		       "end", 0);
	rig_write(rig, VGG_REG_INJECT_FAULT, VGG_FAULT_ECC);
	rig_write(rig, VGG_REG_INJECT_COUNT, 1);
	sqe.timeout_us = 0;
	expect_failure(rig, rig_execute_sqe(rig, &sqe), VGG_STATUS_ECC, "end",
		       1);
	EXPECT_EQ(rig_read(rig, VGG_REG_ECC_ERRORS), 1u);
	/* a slow job can be aborted before it starts */
	rig_write(rig, VGG_REG_INJECT_FAULT, VGG_FAULT_SLOW);
	rig_write(rig, VGG_REG_INJECT_COUNT, 1);
	rig_write(rig, VGG_REG_INJECT_ARG, 60000000);
	rig_push(rig, &sqe);
	EXPECT_GT(vgg_sim_run(rig->sim), 1000000);
	rig_write(rig, VGG_REG_ABORT, VGG_ABORT_GO);
	EXPECT_EQ(vgg_sim_run(rig->sim), -1);
	EXPECT_EQ(rig_take_error(rig), VGG_STATUS_ABORTED);
	saw(VGG_STATUS_ABORTED);
}

static void take(struct rig *rig, int want)
{
	EXPECT_EQ(rig_take_error(rig), want);
	saw(want);
}

static void registers(struct rig *rig)
{
	rig_write(rig, VGG_BAR0_SIZE - 4, 0);
	take(rig, VGG_STATUS_REG_OFFSET);
	vgg_sim_reg_read(rig->sim, 0, 2);
	take(rig, VGG_STATUS_REG_WIDTH);
	rig_write(rig, VGG_REG_MAGIC, 0);
	take(rig, VGG_STATUS_REG_READONLY);
	rig_write(rig, VGG_REG_IRQ_COUNT, 0);
	take(rig, VGG_STATUS_REG_VALUE);
	rig_write(rig, VGG_REG_SQ_SIZE, 1);
	take(rig, VGG_STATUS_REG_STATE);
	rig_write(rig, VGG_REG_DB_SQ_TAIL, 99);
	take(rig, VGG_STATUS_DOORBELL);
}

static void halts(struct rig *rig)
{
	struct vgg_hw_sqe sqe = { 0 };

	rig_reset(rig);
	rig_enable(rig);
	vgg_sim_set_bus_master(rig->sim, false);
	rig_push(rig, &sqe);
	rig_run(rig);
	take(rig, VGG_STATUS_BUS_MASTER);
	vgg_sim_set_bus_master(rig->sim, true);
	rig_reset(rig);
	rig->sq = 0x1000;
	rig_enable(rig);
	rig_write(rig, VGG_REG_DB_SQ_TAIL, 1);
	rig_run(rig);
	take(rig, VGG_STATUS_RING);
}

/* In one test, so that none can be forgotten: the header's list is the plan. */
TEST(every_status_is_reached)
{
	static const struct {
		const char *name;
		int code;
	} all[] = {
#define STATUS(name, code, text) { #name, code },
		VGG_HW_STATUSES(STATUS)
#undef STATUS
	};
	struct rig_options options = { 0 };
	struct rig *rig = rig_create(&options);
	size_t i;

	commands(rig);
	submissions(rig);
	no_end(rig);
	pages(rig);
	ends(rig);
	registers(rig);
	halts(rig);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		EXPECT_STREQ(vgg_sim_status_name((unsigned int)all[i].code),
			     all[i].name);
		if (!seen[all[i].code])
			test_fail(__FILE__, __LINE__, "%s was not provoked",
				  all[i].name);
	}
	EXPECT_STREQ(vgg_sim_status_name(0xff), "undefined status");
	rig_destroy(rig);
}

/* What follows END is nobody's business, be it mapped or not. */
TEST(nothing_behind_end_counts)
{
	struct rig_options options = { 0 };
	struct rig *rig = rig_create(&options);
	uint8_t garbage[VGG_CMD_SIZE];
	struct vgg_hw_sqe sqe;

	memset(garbage, 0xa5, sizeof(garbage));
	rig_add_plain(rig, VGG_CMD_END);
	rig_add(rig, garbage);
	sqe = rig_sqe(rig);
	sqe.stream_bytes = VGG_STREAM_MAX;
	EXPECT_EQ(rig_execute_sqe(rig, &sqe).status, VGG_STATUS_OK);
	rig_destroy(rig);
}

TEST_HARNESS_MAIN
