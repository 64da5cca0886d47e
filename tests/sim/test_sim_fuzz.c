// SPDX-License-Identifier: MIT
/*
 * Garbage: streams, submissions, page tables and register accesses at random,
 * with legal values mixed in so that they get far. The card may refuse what it
 * likes; it must not touch memory that isn't its own (sanitizers and the
 * bus's guard see to that), must complete each job, and must work afterwards.
 */
#include "rig.h"

#define ARENA 65536u

struct fuzz {
	struct rig *rig;
	uint64_t random;
	uint64_t arena;	 /* writable */
	uint64_t canary; /* mapped read-only: nothing may change it */
	uint8_t before[4096];
};

static uint64_t draw(struct fuzz *f)
{
	return test_random(&f->random);
}

static bool one_in(struct fuzz *f, uint64_t n)
{
	return draw(f) % n == 0;
}

static uint64_t draw_address(struct fuzz *f)
{
	switch (draw(f) % 12) {
	case 0:
		return draw(f);
	case 1:
		return (UINT64_C(1) << VGG_VA_BITS) - draw(f) % 8192;
	case 2:
		return f->canary + draw(f) % 4096;
	default:
		return f->arena + draw(f) % ARENA / 16 * 16;
	}
}

static uint32_t draw_size(struct fuzz *f, uint32_t usual)
{
	static const uint32_t odd[] = { 0,	    1,		0x4000,
					0x4001,	    1u << 20,	1u << 30,
					0x7fffffff, 0x80000000, 0xffffffff };

	if (one_in(f, 40))
		return odd[draw(f) % 9];
	return (uint32_t)(1 + draw(f) % usual);
}

static void draw_window(struct fuzz *f, struct vgg_hw_window *win, uint8_t most)
{
	*win = (struct vgg_hw_window){
		.kernel_h = (uint8_t)(1 + draw(f) % most),
		.kernel_w = (uint8_t)(1 + draw(f) % most),
		.stride_h = (uint8_t)(1 + draw(f) % 4),
		.stride_w = (uint8_t)(1 + draw(f) % 4),
	};
	win->pad_top = (uint8_t)(draw(f) % win->kernel_h);
	win->pad_left = (uint8_t)(draw(f) % win->kernel_w);
	win->pad_bottom = (uint8_t)(draw(f) % win->kernel_h);
	win->pad_right = (uint8_t)(draw(f) % win->kernel_w);
}

static void draw_conv(struct fuzz *f, struct vgg_hw_cmd_conv *c)
{
	c->head.flags = (uint16_t)(draw(f) % 8);
	c->src = draw_address(f);
	c->dst = draw_address(f);
	c->weights = draw_address(f);
	c->params = draw_address(f);
	c->in_h = (uint16_t)draw_size(f, 12);
	c->in_w = (uint16_t)draw_size(f, 12);
	c->in_c = draw_size(f, 20);
	c->out_c = draw_size(f, 20);
	c->src_pixel = c->in_c + draw_size(f, 4) - 1;
	c->src_pitch = c->in_w * c->src_pixel;
	c->dst_pixel = 4 * (c->out_c + draw_size(f, 4));
	c->dst_pitch = c->in_w * c->dst_pixel * 4;
	draw_window(f, &c->win, 4);
	c->weight_pitch = (uint32_t)c->win.kernel_h * c->win.kernel_w * c->in_c;
	if (c->head.flags & VGG_CONV_POOL)
		draw_window(f, &c->pool, 3);
	if (!(c->head.flags & VGG_CONV_OUT32))
		c->hi = 100;
	c->pad_value = (int8_t)draw(f);
}

static void draw_pool(struct fuzz *f, struct vgg_hw_cmd_pool *c)
{
	c->head.flags = (uint16_t)(draw(f) % 4);
	c->src = draw_address(f);
	c->dst = draw_address(f);
	if (c->head.flags & VGG_POOL_AVG)
		c->params = draw_address(f);
	c->in_h = (uint16_t)draw_size(f, 12);
	c->in_w = (uint16_t)draw_size(f, 12);
	c->channels = draw_size(f, 30);
	c->src_pixel = c->channels;
	c->src_pitch = c->in_w * c->src_pixel;
	c->dst_pixel = c->channels;
	c->dst_pitch = c->in_w * c->dst_pixel * 4;
	draw_window(f, &c->win, 5);
}

static void draw_command(struct fuzz *f, uint8_t bytes[VGG_CMD_SIZE])
{
	union {
		uint8_t bytes[VGG_CMD_SIZE];
		struct vgg_hw_cmd_head head;
		struct vgg_hw_cmd_fill fill;
		struct vgg_hw_cmd_copy copy;
		struct vgg_hw_cmd_conv conv;
		struct vgg_hw_cmd_pool pool;
		struct vgg_hw_cmd_timestamp stamp;
	} c;
	int flips = one_in(f, 3) ? (int)(draw(f) % 4) : 0;

	memset(&c, 0, sizeof(c));
	c.head.opcode = (uint16_t)(draw(f) % 7);
	if (c.head.opcode == VGG_CMD_CONV)
		draw_conv(f, &c.conv);
	else if (c.head.opcode == VGG_CMD_POOL)
		draw_pool(f, &c.pool);
	else if (c.head.opcode == VGG_CMD_FILL)
		c.fill = rig_fill(draw_address(f), draw_size(f, 9999), 0xee);
	else if (c.head.opcode == VGG_CMD_COPY)
		c.copy = rig_copy(draw_address(f), draw_address(f),
				  draw_size(f, 9999));
	else if (c.head.opcode == VGG_CMD_TIMESTAMP)
		c.stamp.dst = draw_address(f);
	if (one_in(f, 8))
		c.copy.height = draw_size(f, 9);
	while (flips--)
		c.bytes[draw(f) % VGG_CMD_SIZE] ^= (uint8_t)(1u << draw(f) % 8);
	memcpy(bytes, &c, VGG_CMD_SIZE);
}

static void start(struct fuzz *f, enum vgg_sim_order order, bool no_map)
{
	struct rig_options options = { .order = order, .no_map = no_map };
	struct vgg_hw_qparam *table;
	uint8_t page[4096];
	int i;

	f->rig = rig_create(&options);
	f->arena = rig_alloc(f->rig, ARENA, RIG_HOST);
	f->canary = rig_alloc(f->rig, 4096, RIG_READONLY);
	/* Tables with legal parameters everywhere. */
	table = (void *)page;
	for (i = 0; i < 256; i++)
		table[i] = (struct vgg_hw_qparam){ .mult = 1, .shift = 1 };
	for (i = 0; i < (int)(ARENA / 4096); i++)
		rig_put(f->rig, f->arena + (uint64_t)i * 4096, page, 4096);
	rig_put(f->rig, f->canary, page, 4096);
	memcpy(f->before, page, 4096);
}

static void check(struct fuzz *f)
{
	uint8_t now[4096];

	rig_get(f->rig, f->canary, now, 4096);
	EXPECT_EQ(memcmp(now, f->before, 4096), 0);
	EXPECT_EQ(f->rig->refused, 0u);
	EXPECT_EQ(rig_execute(f->rig).status, VGG_STATUS_OK);
}

static void run_streams(enum vgg_sim_order order, bool no_map, int rounds)
{
	struct fuzz f = { .random = test_seed() };
	int i, j, n, ok = 0;

	start(&f, order, no_map);
	for (i = 0; i < rounds && !test_state.failed; i++) {
		struct vgg_hw_sqe sqe;

		n = (int)(draw(&f) % 5);
		for (j = 0; j <= n; j++) {
			uint8_t command[VGG_CMD_SIZE];

			draw_command(&f, command);
			rig_add(f.rig, command);
		}
		rig_add_plain(f.rig, VGG_CMD_END);
		sqe = rig_sqe(f.rig);
		sqe.timeout_us = 2000;
		ok += rig_execute_sqe(f.rig, &sqe).status == VGG_STATUS_OK;
	}
	check(&f);
	/* If almost nothing gets through, this tests almost nothing. */
	EXPECT_GT(ok, rounds / 20);
	rig_destroy(f.rig);
}

static int scaled(int rounds)
{
	return test_emulated() ? rounds / 10 : rounds;
}

TEST(streams)
{
	run_streams(VGG_SIM_PROGRAM_ORDER, false, scaled(6000));
}

TEST(streams_without_direct_memory)
{
	run_streams(VGG_SIM_PROGRAM_ORDER, true, scaled(1500));
}

TEST(streams_dma_late)
{
	run_streams(VGG_SIM_DMA_LATE, false, scaled(1500));
}

TEST(streams_mac_late)
{
	run_streams(VGG_SIM_MAC_LATE, false, scaled(1500));
}

/*
 * A zone of random entries that point into the zone, used as tables of all
 * levels and as data at once; the card walks it and writes all over it.
 */
#define ZONE (256u * 4096u)

static void draw_entries(struct fuzz *f, uint64_t zone, size_t count)
{
	uint64_t *entries = rig_at(f->rig, zone);

	while (count--) {
		uint64_t *entry = &entries[draw(f) % (ZONE / 8)];

		*entry = zone + draw(f) % ZONE / 4096 * 4096 + VGG_PTE_VALID;
		if (one_in(f, 2))
			*entry |= VGG_PTE_LEAF | VGG_PTE_WRITE;
		if (one_in(f, 20))
			*entry = draw(f) & draw(f);
		if (one_in(f, 20))
			*entry ^= UINT64_C(1) << draw(f) % 64;
	}
}

TEST(page_tables)
{
	struct fuzz f = { .random = test_seed() };
	int i, rounds = scaled(4000), ok = 0;
	struct vgg_hw_cmd_copy copy;
	struct vgg_hw_sqe sqe;
	uint64_t zone, root;

	start(&f, VGG_SIM_PROGRAM_ORDER, false);
	zone = rig_pages(f.rig, ZONE);
	root = rig_new_table(f.rig);
	draw_entries(&f, zone, ZONE / 8);
	for (i = 0; i < rounds && !test_state.failed; i++) {
		uint64_t *top = rig_at(f.rig, root);

		draw_entries(&f, zone, 512);
		memcpy(top, rig_at(f.rig, zone + draw(&f) % 256 * 4096), 4096);
		/* the stream stays where it is */
		top[0] = *rig_entry(f.rig, f.rig->root, 0, 1);
		copy = rig_copy(draw(&f) >> 25, draw(&f) >> 25, 1);
		copy.width = one_in(&f, 4) ? 3000 : 1;
		rig_add(f.rig, &copy);
		rig_add_plain(f.rig, VGG_CMD_END);
		sqe = rig_sqe(f.rig);
		sqe.root = root;
		ok += rig_execute_sqe(f.rig, &sqe).status == VGG_STATUS_OK;
	}
	/* About one in 150 tables maps what its command asks for. */
	if (rounds >= 4000)
		EXPECT_GT(ok, 0);
	f.rig->refused = 0; /* wild pointers are part of it */
	check(&f);
	rig_destroy(f.rig);
}

/* Submission entries at random. */
TEST(submissions)
{
	struct fuzz f = { .random = test_seed() };
	struct vgg_hw_sqe good, sqe;
	int i, j, rounds = scaled(5000);

	start(&f, VGG_SIM_PROGRAM_ORDER, false);
	rig_add_plain(f.rig, VGG_CMD_END);
	good = rig_sqe(f.rig);
	for (i = 0; i < rounds && !test_state.failed; i++) {
		sqe = good;
		for (j = (int)(draw(&f) % 3); j >= 0; j--)
			((uint8_t *)&sqe)[draw(&f) % sizeof(sqe)] ^=
				(uint8_t)(1u << draw(&f) % 8);
		rig_execute_sqe(f.rig, &sqe);
	}
	f.rig->refused = 0; /* wild roots */
	check(&f);
	rig_destroy(f.rig);
}

/* Any register, any value, any width, with the firmware in between. */
TEST(registers)
{
	struct fuzz f = { .random = test_seed() };
	static const uint32_t offsets[] = {
#define OFFSET(name, offset, reset, ro, w1c, text) offset,
		VGG_HW_REGS(OFFSET)
#undef OFFSET
	};
	int i, rounds = scaled(60000);

	start(&f, VGG_SIM_PROGRAM_ORDER, false);
	for (i = 0; i < rounds; i++) {
		uint32_t offset = offsets[draw(&f) % (sizeof(offsets) / 4)];
		uint32_t value = (uint32_t)(draw(&f) & draw(&f));
		size_t size = one_in(&f, 50) ? draw(&f) % 9 : 4;

		if (one_in(&f, 50))
			offset = (uint32_t)draw(&f);
		/* not for hours, and not gone for good */
		if (offset == VGG_REG_INJECT_ARG || offset == VGG_REG_IRQ_TIME)
			value %= 100;
		if (one_in(&f, 2))
			value %= 32;
		if (one_in(&f, 3))
			vgg_sim_reg_read(f.rig->sim, offset, size);
		else
			vgg_sim_reg_write(f.rig->sim, offset, size, value);
		if (one_in(&f, 10))
			vgg_sim_run(f.rig->sim);
		if (one_in(&f, 500))
			rig_enable(f.rig);
	}
	vgg_sim_flr(f.rig->sim);
	rig_reset(f.rig);
	rig_enable(f.rig);
	f.rig->refused = 0; /* wild rings */
	f.rig->seq = 0;
	rig_run(f.rig);
	rig_destroy(f.rig);
}

TEST_HARNESS_MAIN
