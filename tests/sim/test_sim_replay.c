// SPDX-License-Identifier: MIT
/*
 * Replay against the plain engine: two cards get the same jobs, one of them
 * remembers results. Memory, completions and counters must be the same, and
 * what must be computed anew has to be: the statistics tell.
 */
#include "rig.h"

#define SIZE 16u     /* of the images */
#define CHANNELS 32u /* in and out */
#define IMAGE (SIZE * SIZE * CHANNELS)
#define FILTERS (CHANNELS * 9 * CHANNELS)
#define OLD_OUTPUT 99 /* a seed of noise */

struct scene {
	struct rig *rig;
	uint64_t in, weights, params, out;
	struct vgg_hw_cmd_conv conv;
};

static struct vgg_hw_cmd_conv make_conv(const struct scene *s)
{
	return (struct vgg_hw_cmd_conv){
		.head.opcode = VGG_CMD_CONV,
		.src = s->in,
		.dst = s->out,
		.weights = s->weights,
		.params = s->params,
		.in_h = SIZE,
		.in_w = SIZE,
		.in_c = CHANNELS,
		.out_c = CHANNELS,
		.src_pitch = SIZE * CHANNELS,
		.src_pixel = CHANNELS,
		.dst_pitch = SIZE * CHANNELS,
		.dst_pixel = CHANNELS,
		.weight_pitch = 9 * CHANNELS,
		.win = { 3, 3, 1, 1, 1, 1, 1, 1 },
		.lo = -128,
		.hi = 127,
	};
}

static void put_noise(struct rig *rig, uint64_t va, size_t size, uint64_t seed)
{
	uint8_t *bytes = malloc(size);
	size_t i;

	for (i = 0; i < size; i++)
		bytes[i] = (uint8_t)test_random(&seed);
	rig_put(rig, va, bytes, size);
	free(bytes);
}

static void put_params(struct rig *rig, uint64_t va, unsigned int count)
{
	struct vgg_hw_qparam q = { .mult = 1 << 20, .shift = 31, .bias = 100 };

	for (; count--; va += sizeof(q))
		rig_put(rig, va, &q, sizeof(q));
}

static void open_scene(struct scene *s, unsigned int kind, uint32_t mib)
{
	struct rig_options options = { .replay_mib = mib };

	s->rig = rig_create(&options);
	s->in = rig_alloc(s->rig, IMAGE, kind);
	s->out = rig_alloc(s->rig, IMAGE, kind);
	s->weights = rig_alloc(s->rig, FILTERS, kind);
	s->params = rig_alloc(s->rig, CHANNELS * 16, kind);
	put_noise(s->rig, s->in, IMAGE, 1);
	put_noise(s->rig, s->weights, FILTERS, 2);
	put_params(s->rig, s->params, CHANNELS);
	s->conv = make_conv(s);
}

/* How many of the commands that ran were replayed. */
static uint64_t replayed(struct scene *s)
{
	struct vgg_sim_stats stats;

	vgg_sim_get_stats(s->rig->sim, &stats);
	return stats.replayed;
}

static uint64_t kept(struct scene *s)
{
	struct vgg_sim_stats stats;

	vgg_sim_get_stats(s->rig->sim, &stats);
	return stats.replay_bytes;
}

static struct vgg_hw_cqe run_conv(struct scene *s)
{
	struct vgg_hw_cqe cqe;

	rig_add(s->rig, &s->conv);
	cqe = rig_execute(s->rig);
	EXPECT_EQ(cqe.status, VGG_STATUS_OK);
	return cqe;
}

/* What a card without replay makes of the same memory and command. */
static void expect_plain(struct scene *s, const struct vgg_hw_cqe *got)
{
	static uint8_t bytes[FILTERS], a[IMAGE], b[IMAGE];
	struct scene plain;
	struct vgg_hw_cqe want;

	open_scene(&plain, RIG_HOST, 0);
	rig_get(s->rig, s->in, bytes, IMAGE);
	rig_put(plain.rig, plain.in, bytes, IMAGE);
	rig_get(s->rig, s->weights, bytes, FILTERS);
	rig_put(plain.rig, plain.weights, bytes, FILTERS);
	rig_get(s->rig, s->params, bytes, CHANNELS * 16);
	rig_put(plain.rig, plain.params, bytes, CHANNELS * 16);
	put_noise(plain.rig, plain.out, IMAGE, OLD_OUTPUT);
	plain.conv = s->conv;
	plain.conv.src = plain.in;
	plain.conv.dst = plain.out;
	plain.conv.weights = plain.weights;
	plain.conv.params = plain.params;
	want = run_conv(&plain);
	EXPECT_EQ(want.saturations, got->saturations);
	EXPECT_GT(want.saturations, 0u);
	rig_get(s->rig, s->out, a, IMAGE);
	rig_get(plain.rig, plain.out, b, IMAGE);
	EXPECT_EQ(memcmp(a, b, IMAGE), 0);
	rig_destroy(plain.rig);
}

static void expect_replayed(struct scene *s, bool want)
{
	uint64_t before = replayed(s);
	struct vgg_hw_cqe cqe;

	/* nothing is left of the last */
	put_noise(s->rig, s->out, IMAGE, OLD_OUTPUT);
	cqe = run_conv(s);
	EXPECT_EQ(replayed(s) - before, want ? 1u : 0u);
	expect_plain(s, &cqe);
}

FIXTURE(scene)
{
	struct scene s;
};

FIXTURE_VARIANT(scene)
{
	unsigned int kind;
};
FIXTURE_VARIANT_ADD(scene, host){ RIG_HOST };
FIXTURE_VARIANT_ADD(scene, scattered){ RIG_HOST | RIG_SCATTERED };
FIXTURE_VARIANT_ADD(scene, local){ RIG_LOCAL };
FIXTURE_VARIANT_ADD(scene, local_scattered){ RIG_LOCAL | RIG_SCATTERED };

FIXTURE_SETUP(scene)
{
	open_scene(&self->s, variant->kind, 16);
}

FIXTURE_TEARDOWN(scene)
{
	rig_destroy(self->s.rig);
}

TEST_F(scene, the_second_time_is_replayed)
{
	int i;

	expect_replayed(&self->s, false);
	for (i = 0; i < 3; i++)
		expect_replayed(&self->s, true);
}

/* One byte of any operand, wherever it is, and back again. */
static void change_byte(struct scene *s, uint64_t va, size_t size, bool back)
{
	size_t at[] = { 0, size / 2, size - 1 };
	unsigned int i;
	uint8_t byte;

	for (i = 0; i < 3; i++) {
		rig_get(s->rig, va + at[i], &byte, 1);
		byte ^= 1;
		rig_put(s->rig, va + at[i], &byte, 1);
		expect_replayed(s, false);
		expect_replayed(s, true);
		byte ^= 1;
		rig_put(s->rig, va + at[i], &byte, 1);
		expect_replayed(s, back);
	}
}

TEST_F(scene, another_input_byte)
{
	expect_replayed(&self->s, false);
	change_byte(&self->s, self->s.in, IMAGE, true);
}

/* On board it is the writing that counts. */
TEST_F(scene, another_weight)
{
	expect_replayed(&self->s, false);
	change_byte(&self->s, self->s.weights, FILTERS,
		    !(variant->kind & RIG_LOCAL));
}

TEST_F(scene, another_parameter)
{
	struct scene *s = &self->s;
	struct vgg_hw_qparam q;
	uint64_t last = s->params + (CHANNELS - 1) * sizeof(q);

	expect_replayed(s, false);
	rig_get(s->rig, last, &q, sizeof(q));
	q.bias += 1 << 12;
	rig_put(s->rig, last, &q, sizeof(q));
	expect_replayed(s, false);
	expect_replayed(s, true);
}

static void expect_other(struct scene *s)
{
	expect_replayed(s, false);
	expect_replayed(s, true);
}

TEST_F(scene, another_field)
{
	struct scene *s = &self->s;

	expect_other(s);
	s->conv.pad_value = 7;
	expect_other(s);
	s->conv.win.pad_top = 2;
	s->conv.win.pad_bottom = 0;
	expect_other(s);
	s->conv.win.pad_left = 0;
	s->conv.win.pad_right = 2;
	expect_other(s);
	/* with strides, pads may differ and the output's size not */
	s->conv.win.stride_h = 2;
	expect_other(s);
	s->conv.win.pad_top = 1;
	expect_other(s);
	s->conv.win.pad_bottom = 1;
	expect_other(s);
	s->conv.win.stride_w = 2;
	expect_other(s);
	s->conv.win.pad_right = 1;
	expect_other(s);
	s->conv.win.pad_left = 1;
	expect_other(s);
	s->conv.hi = 100;
	expect_other(s);
	s->conv.lo = -100;
	expect_other(s);
	s->conv.head.flags = VGG_CONV_RELU;
	expect_other(s);
	s->conv.head.flags |= VGG_CONV_POOL;
	s->conv.pool = (struct vgg_hw_window){ 2, 2, 1, 1, 0, 0, 0, 0 };
	expect_other(s);
	s->conv.pool.pad_right = 1;
	expect_other(s);
	s->conv.out_c--;
	s->conv.dst_pixel--;
	expect_other(s);
	/* all of them are still there */
	s->conv = make_conv(s);
	expect_replayed(s, true);
}

/* The same pages in another order hold another operand. */
static void swap_pages(struct scene *s, uint64_t va)
{
	uint64_t *a = rig_entry(s->rig, s->rig->root, va, 3);
	uint64_t *b = rig_entry(s->rig, s->rig->root, va + 4096, 3);
	uint64_t kept = *a;

	*a = *b;
	*b = kept;
}

TEST_F(scene, pages_in_another_order)
{
	struct scene *s = &self->s;

	expect_replayed(s, false);
	swap_pages(s, s->weights);
	expect_other(s);
	swap_pages(s, s->weights);
	expect_replayed(s, true);
	swap_pages(s, s->in);
	expect_other(s);
}

/* Several inputs in turn are all remembered; their weights only once. */
TEST_F(scene, inputs_take_turns)
{
	struct scene *s = &self->s;
	uint64_t one = 0, all = 0, i, round;

	for (round = 0; round < 2; round++)
		for (i = 0; i < 8; i++) {
			put_noise(s->rig, s->in, IMAGE, 50 + i);
			expect_replayed(s, round);
			if (!round && !i)
				one = kept(s);
			all = kept(s);
		}
	EXPECT_GE(one, 2 * IMAGE);
	EXPECT_LT(one, 2 * IMAGE + 2 * FILTERS);
	EXPECT_LE(all - one, 7 * (2 * IMAGE + 2048));
}

/* The least recently used one goes, and the bound holds. */
TEST(old_results_make_room)
{
	uint64_t most = 0, i;
	struct scene s;

	open_scene(&s, RIG_HOST, 1); /* 1 MiB: 60 results of 16 KiB */
	for (i = 0; i < 200; i++) {
		put_noise(s.rig, s.in, IMAGE, 1000 + i);
		run_conv(&s);
		EXPECT_LE(kept(&s), 1u << 20);
		most = kept(&s) > most ? kept(&s) : most;
		/* the first one is used all the time */
		put_noise(s.rig, s.in, IMAGE, 1000);
		if (i % 10 == 0)
			expect_replayed(&s, true);
	}
	EXPECT_GE(most, (1u << 20) - (1u << 16));
	put_noise(s.rig, s.in, IMAGE, 1199);
	expect_replayed(&s, true);
	put_noise(s.rig, s.in, IMAGE, 1001);
	expect_replayed(&s, false);
	rig_destroy(s.rig);
}

TEST(what_is_too_big_is_not_kept)
{
	struct rig_options options = { .replay_mib = 1, .memory = 32u << 20 };
	struct vgg_hw_cmd_pool pool = {
		.head.opcode = VGG_CMD_POOL,
		.in_h = 256,
		.in_w = 256,
		.channels = 16,
		.src_pitch = 4096,
		.src_pixel = 16,
		.dst_pitch = 4096,
		.dst_pixel = 16,
		.win = { 1, 1, 1, 1, 0, 0, 0, 0 },
	};
	struct vgg_sim_stats stats;
	struct rig *rig = rig_create(&options);
	int i;

	pool.src = rig_alloc(rig, 1 << 20, RIG_HOST);
	pool.dst = rig_alloc(rig, 1 << 20, RIG_HOST);
	for (i = 0; i < 2; i++) {
		rig_add(rig, &pool);
		EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
	}
	vgg_sim_get_stats(rig->sim, &stats);
	EXPECT_EQ(stats.computed, 2u);
	EXPECT_EQ(stats.replay_bytes, 0u);
	rig_destroy(rig);
}

/* Failures are what they were, and leave nothing behind. */
TEST(failures_are_not_replayed)
{
	struct vgg_hw_qparam bad = { .shift = 63 };
	struct scene s;
	int i;

	open_scene(&s, RIG_HOST, 16);
	run_conv(&s);
	for (i = 0; i < 2; i++) {
		rig_put(s.rig, s.params + 16 * 5, &bad, sizeof(bad));
		rig_add(s.rig, &s.conv);
		EXPECT_EQ(rig_execute(s.rig).status, VGG_STATUS_PARAM);
		EXPECT_EQ(rig_read(s.rig, VGG_REG_ERR_ADDR_LO),
			  s.params + 16 * 5);
		rig_take_error(s.rig);
	}
	put_params(s.rig, s.params, CHANNELS);
	expect_replayed(&s, true);
	/* a destination that can no longer be written */
	*rig_entry(s.rig, s.rig->root, s.out + 4096, 3) &= ~VGG_PTE_WRITE;
	rig_add(s.rig, &s.conv);
	EXPECT_EQ(rig_execute(s.rig).status, VGG_STATUS_WRITE);
	EXPECT_EQ(rig_read(s.rig, VGG_REG_ERR_ADDR_LO), s.out + 4096);
	rig_destroy(s.rig);
}

/* The tables say otherwise, but two pages are one. */
TEST(aliases_are_not_replayed)
{
	struct scene s;

	open_scene(&s, RIG_HOST, 16);
	*rig_entry(s.rig, s.rig->root, s.out, 3) =
		*rig_entry(s.rig, s.rig->root, s.in + 4096, 3);
	run_conv(&s);
	run_conv(&s);
	EXPECT_EQ(replayed(&s), 0u);
	EXPECT_EQ(kept(&s), 0u);
	rig_destroy(s.rig);
}

/*
 * Random jobs on two cards.
 */
#define ARENA 65536u
#define POOL_SIZE 24

struct pair {
	struct rig *rigs[2]; /* plain, with replay */
	uint64_t random;
	uint64_t host, local;
	union vgg_draw {
		struct vgg_hw_cmd_conv conv;
		struct vgg_hw_cmd_pool pool;
		struct vgg_hw_cmd_copy copy;
	} commands[POOL_SIZE];
	uint8_t a[ARENA], b[ARENA];
};

static int64_t in(struct pair *p, int64_t lo, int64_t hi)
{
	return test_random_in(&p->random, lo, hi);
}

static uint64_t draw_address(struct pair *p)
{
	return (in(p, 0, 1) ? p->host : p->local) +
	       (uint64_t)in(p, 0, 2 * ARENA / 4096) * 2048 +
	       (uint64_t)in(p, 0, 3) * 16;
}

static void draw_window(struct pair *p, struct vgg_hw_window *win)
{
	*win = (struct vgg_hw_window){
		(uint8_t)in(p, 1, 3),
		(uint8_t)in(p, 1, 3),
		(uint8_t)in(p, 1, 2),
		(uint8_t)in(p, 1, 2),
		0,
		0,
		0,
		0,
	};
	win->pad_top = (uint8_t)in(p, 0, win->kernel_h - 1);
	win->pad_right = (uint8_t)in(p, 0, win->kernel_w - 1);
}

static void draw_conv(struct pair *p, struct vgg_hw_cmd_conv *c)
{
	bool wide = in(p, 0, 3) == 0;

	*c = (struct vgg_hw_cmd_conv){ .head.opcode = VGG_CMD_CONV };
	c->head.flags = (uint16_t)in(p, 0, 3);
	c->src = draw_address(p);
	c->dst = draw_address(p);
	c->weights = draw_address(p);
	c->params = draw_address(p);
	c->in_h = (uint16_t)in(p, 3, 10);
	c->in_w = (uint16_t)in(p, 3, 10);
	c->in_c = (uint32_t)in(p, 1, wide ? 70 : 12);
	c->out_c = (uint32_t)in(p, 1, 12);
	c->src_pixel = c->in_c + (uint32_t)in(p, 0, 2);
	c->src_pitch = c->in_w * c->src_pixel + (uint32_t)in(p, 0, 1) * 5000;
	c->dst_pixel = c->out_c * 4 + (uint32_t)in(p, 0, 1) * 8;
	c->dst_pitch = 12 * c->dst_pixel;
	draw_window(p, &c->win);
	c->weight_pitch = c->win.kernel_h * c->win.kernel_w * c->in_c +
			  (uint32_t)in(p, 0, 2);
	if (c->head.flags & VGG_CONV_OUT32)
		return;
	c->lo = (int8_t)in(p, -128, 0);
	c->hi = (int8_t)in(p, 0, 127);
	if (in(p, 0, 2))
		return;
	c->head.flags |= VGG_CONV_POOL;
	draw_window(p, &c->pool);
}

static void draw_pool(struct pair *p, struct vgg_hw_cmd_pool *c)
{
	*c = (struct vgg_hw_cmd_pool){ .head.opcode = VGG_CMD_POOL };
	c->src = draw_address(p);
	c->dst = draw_address(p);
	c->in_h = (uint16_t)in(p, 3, 12);
	c->in_w = (uint16_t)in(p, 3, 12);
	c->channels = (uint32_t)in(p, 1, 40);
	c->src_pixel = c->channels + (uint32_t)in(p, 0, 1) * 3;
	c->src_pitch = 12 * c->src_pixel;
	c->dst_pixel = c->channels;
	c->dst_pitch = 12 * c->dst_pixel;
	draw_window(p, &c->win);
	if (in(p, 0, 1))
		return;
	c->head.flags = VGG_POOL_AVG;
	c->params = draw_address(p);
	c->lo = -128;
	c->hi = 127;
}

static void draw_command(struct pair *p, union vgg_draw *c)
{
	int kind = (int)in(p, 0, 9);

	memset(c, 0, sizeof(*c));
	if (kind < 6)
		draw_conv(p, &c->conv);
	else if (kind < 8)
		draw_pool(p, &c->pool);
	else
		c->copy = rig_copy(draw_address(p), draw_address(p),
				   (uint32_t)in(p, 1, 4096));
}

/* Parameters that are legal wherever a table of them may start. */
static void fill_arena(struct pair *p, struct rig *rig, uint64_t va,
		       uint64_t seed)
{
	struct vgg_hw_qparam *q = (void *)p->a;
	size_t i;

	for (i = 0; i < ARENA; i++)
		p->a[i] = (uint8_t)test_random(&seed);
	for (i = 0; i < ARENA / sizeof(*q); i++) {
		q[i].mult >>= 3;
		q[i].shift = (uint8_t)(30 + q[i].shift % 8);
		memset(q[i].reserved, 0, sizeof(q[i].reserved));
	}
	rig_put(rig, va, p->a, ARENA);
}

static void open_pair(struct pair *p, uint64_t seed)
{
	unsigned int i;

	p->random = seed;
	for (i = 0; i < 2; i++) {
		struct rig_options options = {
			.replay_mib = i ? (uint32_t)in(p, 1, 2) : 0,
			.no_map = seed % 3 == 0,
			.order = (enum vgg_sim_order)(seed % 3),
		};

		p->rigs[i] = rig_create(&options);
		p->host = rig_alloc(p->rigs[i], ARENA + 8192, RIG_HOST);
		p->local = rig_alloc(p->rigs[i], ARENA + 8192, RIG_LOCAL);
		fill_arena(p, p->rigs[i], p->host, seed);
		fill_arena(p, p->rigs[i], p->local, seed + 1);
	}
	for (i = 0; i < POOL_SIZE; i++)
		draw_command(p, &p->commands[i]);
}

/* The same on both cards. */
static void disturb(struct pair *p)
{
	uint64_t va = draw_address(p);
	int kind = (int)in(p, 0, 7), i, fault;
	uint8_t byte = (uint8_t)in(p, 0, 255);

	fault = in(p, 0, 1) ? VGG_FAULT_BIT_FLIP :
		in(p, 0, 1) ? VGG_FAULT_ECC :
			      VGG_FAULT_STRAY_DMA;
	if (kind == 5)
		draw_command(p, &p->commands[in(p, 0, POOL_SIZE - 1)]);
	for (i = 0; i < 2; i++) {
		struct rig *rig = p->rigs[i];

		if (kind == 6)
			rig_put(rig, va, &byte, 1);
		if (kind != 7)
			continue;
		rig_write(rig, VGG_REG_INJECT_ARG, byte);
		rig_write(rig, VGG_REG_INJECT_COUNT, 1);
		rig_write(rig, VGG_REG_INJECT_FAULT, (uint32_t)fault);
	}
}

static struct vgg_hw_cqe run_job(struct pair *p, struct rig *rig,
				 const int *which, int count,
				 uint32_t timeout_us)
{
	struct vgg_hw_sqe sqe;
	int i;

	for (i = 0; i < count; i++) {
		rig_add(rig, &p->commands[which[i]]);
		rig_add_plain(rig, VGG_CMD_FENCE);
	}
	rig_add_plain(rig, VGG_CMD_END);
	sqe = rig_sqe(rig);
	sqe.timeout_us = timeout_us;
	return rig_execute_sqe(rig, &sqe);
}

static void expect_same_memory(struct pair *p, uint64_t va)
{
	rig_get(p->rigs[0], va, p->a, ARENA);
	rig_get(p->rigs[1], va, p->b, ARENA);
	EXPECT_EQ(memcmp(p->a, p->b, ARENA), 0);
}

static void expect_same_registers(struct pair *p)
{
	static const uint32_t regs[] = {
		VGG_REG_ERR_STATUS,  VGG_REG_ERR_CODE,	  VGG_REG_ERR_INDEX,
		VGG_REG_ERR_ADDR_LO, VGG_REG_ERR_ADDR_HI, VGG_REG_MAC_BUSY_LO,
		VGG_REG_DMA_BUSY_LO, VGG_REG_BYTES_LO,	  VGG_REG_SAT_LO,
		VGG_REG_JOBS,	     VGG_REG_ECC_ERRORS,
	};
	size_t i;

	for (i = 0; i < sizeof(regs) / sizeof(*regs); i++)
		EXPECT_EQ(rig_read(p->rigs[0], regs[i]),
			  rig_read(p->rigs[1], regs[i]));
	rig_take_error(p->rigs[0]);
	rig_take_error(p->rigs[1]);
}

static void run_on_both(struct pair *p)
{
	int which[6], count = (int)in(p, 1, 6), i;
	uint32_t timeout_us = in(p, 0, 9) ? 0 : (uint32_t)in(p, 1, 30);
	struct vgg_hw_cqe a, b;

	for (i = 0; i < count; i++)
		which[i] = (int)in(p, 0, POOL_SIZE - 1);
	a = run_job(p, p->rigs[0], which, count, timeout_us);
	b = run_job(p, p->rigs[1], which, count, timeout_us);
	EXPECT_EQ(memcmp(&a, &b, sizeof(a)), 0);
	EXPECT_EQ(a.status, b.status);
	EXPECT_EQ(a.saturations, b.saturations);
	expect_same_registers(p);
}

TEST_TIMEOUT(random_jobs_are_the_same_on_both, 120)
{
	int rounds = test_emulated() ? 6 : 30, i, j;
	uint64_t seed = test_seed(), hits = 0, misses = 0;
	static struct pair p;
	struct vgg_sim_stats stats;

	for (i = 0; i < rounds; i++) {
		open_pair(&p, seed + (uint64_t)i);
		for (j = 0; j < 120 && !test_state.failed; j++) {
			disturb(&p);
			run_on_both(&p);
			if (j % 8 && j < 119)
				continue;
			expect_same_memory(&p, p.host);
			expect_same_memory(&p, p.local);
		}
		vgg_sim_get_stats(p.rigs[1]->sim, &stats);
		hits += stats.replayed;
		misses += stats.computed;
		rig_destroy(p.rigs[0]);
		rig_destroy(p.rigs[1]);
	}
	TH_LOG("%" PRIu64 " replayed, %" PRIu64 " computed", hits, misses);
	EXPECT_GT(hits, misses / 10);
}

TEST_HARNESS_MAIN
