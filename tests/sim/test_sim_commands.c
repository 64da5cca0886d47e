// SPDX-License-Identifier: MIT
/*
 * Every command against a second implementation, on random legal shapes and
 * extreme values: whole destination buffers are compared, so a byte written
 * beside the result shows, and so are the saturation counts.
 */
#include "naive.h"
#include "rig.h"

/* An operand: what the card has and what the naive implementation reads. */
struct operand {
	uint64_t va;
	uint8_t *bytes;
	size_t size;
};

struct draw {
	struct rig *rig;
	uint64_t random;
	struct operand used[8];
	unsigned int count;
};

static int64_t in(struct draw *d, int64_t lo, int64_t hi)
{
	return test_random_in(&d->random, lo, hi);
}

static bool one_in(struct draw *d, int n)
{
	return in(d, 1, n) == 1;
}

static void fill_bytes(struct draw *d, uint8_t *bytes, size_t size)
{
	int mode = (int)in(d, 0, 4);
	size_t i;

	for (i = 0; i < size; i++)
		bytes[i] = mode == 0 ? 0x80 :
			   mode == 1 ? (one_in(d, 2) ? 0x80 : 0x7f) :
				       (uint8_t)test_random(&d->random);
}

/* `align` says where in a page it may start. */
static struct operand *new_operand(struct draw *d, size_t size, size_t align,
				   const void *bytes)
{
	struct operand *o = &d->used[d->count++];
	unsigned int kind = one_in(d, 3) ? RIG_LOCAL : RIG_HOST;
	uint64_t offset = (uint64_t)in(d, 0, 4095) / align * align;

	o->size = size;
	o->bytes = malloc(size);
	if (bytes)
		memcpy(o->bytes, bytes, size);
	else
		fill_bytes(d, o->bytes, size);
	o->va = rig_alloc(d->rig, size + offset, kind | RIG_SCATTERED) + offset;
	rig_put(d->rig, o->va, o->bytes, size);
	return o;
}

static void free_operands(struct draw *d)
{
	while (d->count)
		free(d->used[--d->count].bytes);
}

/* What the naive implementation left in o->bytes against the card's memory. */
static void compare(struct draw *d, const struct operand *o, const char *what)
{
	uint8_t *got = malloc(o->size);
	size_t i;

	rig_get(d->rig, o->va, got, o->size);
	for (i = 0; i < o->size && got[i] == o->bytes[i]; i++)
		;
	if (i < o->size)
		test_fail(__FILE__, __LINE__,
			  "%s: byte %zu of %zu is %d, not %d", what, i, o->size,
			  (int8_t)got[i], (int8_t)o->bytes[i]);
	free(got);
}

static uint32_t draw_word(struct draw *d)
{
	switch (in(d, 0, 5)) {
	case 0:
		return 0x7fffffff;
	case 1:
		return 0x80000000;
	case 2:
		return (uint32_t)in(d, -3, 3);
	default:
		return (uint32_t)test_random(&d->random);
	}
}

/* Some of all kinds, and some that give results between lo and hi. */
static void draw_params(struct draw *d, struct vgg_hw_qparam *q, int n)
{
	bool sane = !one_in(d, 3);
	int i;

	for (i = 0; i < n; i++) {
		q[i] = (struct vgg_hw_qparam){
			.bias = sane ? (uint32_t)in(d, -9999, 9999) :
				       draw_word(d),
			.mult = sane ? (uint32_t)in(d, -(1 << 30), 1 << 30) :
				       draw_word(d),
			.offset =
				sane ? (uint32_t)in(d, -20, 20) : draw_word(d),
			.shift = (uint8_t)(sane ? in(d, 36, 42) :
						  in(d, VGG_SHIFT_MIN,
						     VGG_SHIFT_MAX)),
		};
	}
}

static void draw_clamp(struct draw *d, int8_t *lo, int8_t *hi)
{
	*lo = (int8_t)(one_in(d, 2) ? -128 : in(d, -128, 127));
	*hi = (int8_t)(one_in(d, 2) ? 127 : in(d, *lo, 127));
	if (*hi < *lo)
		*hi = *lo;
}

static void draw_window(struct draw *d, struct vgg_hw_window *win, int kernel,
			int stride)
{
	win->kernel_h = (uint8_t)in(d, 1, kernel);
	win->kernel_w = (uint8_t)in(d, 1, kernel);
	win->stride_h = (uint8_t)in(d, 1, stride);
	win->stride_w = (uint8_t)in(d, 1, stride);
	win->pad_top = (uint8_t)in(d, 0, win->kernel_h - 1);
	win->pad_bottom = (uint8_t)in(d, 0, win->kernel_h - 1);
	win->pad_left = (uint8_t)in(d, 0, win->kernel_w - 1);
	win->pad_right = (uint8_t)in(d, 0, win->kernel_w - 1);
}

static bool fits(const struct vgg_hw_window *win, int h, int w)
{
	return h + win->pad_top + win->pad_bottom >= win->kernel_h &&
	       w + win->pad_left + win->pad_right >= win->kernel_w;
}

/* Channels: few, many, and more than any block of the engine. */
static uint32_t draw_channels(struct draw *d)
{
	switch (in(d, 0, 5)) {
	case 0:
		return (uint32_t)in(d, 1, 3);
	case 1:
		return (uint32_t)in(d, 60, 140);
	case 2:
		return (uint32_t)in(d, 1000, 1100);
	case 3:
		return one_in(d, 6) ? 17000 : 64;
	default:
		return (uint32_t)in(d, 1, 40);
	}
}

static bool affordable(const struct vgg_hw_cmd_conv *c, struct naive_size conv)
{
	int64_t macs = (int64_t)conv.h * conv.w * c->out_c * c->win.kernel_h *
		       c->win.kernel_w * c->in_c;

	return macs < (test_emulated() ? 60000 : 400000);
}

static struct vgg_hw_cmd_conv draw_conv_shape(struct draw *d,
					      struct naive_size *out)
{
	struct vgg_hw_cmd_conv c;
	struct naive_size conv;

	do {
		conv.h = 0;
		c = (struct vgg_hw_cmd_conv){ .head.opcode = VGG_CMD_CONV };
		c.head.flags = (uint16_t)in(d, 0, VGG_CONV_FLAGS);
		if (c.head.flags & VGG_CONV_OUT32)
			c.head.flags &= (uint16_t)~VGG_CONV_POOL;
		c.in_h = (uint16_t)in(d, 1, 14);
		c.in_w = (uint16_t)in(d, 1, one_in(d, 4) ? 150 : 14);
		c.in_c = draw_channels(d);
		c.out_c = draw_channels(d);
		draw_window(d, &c.win, one_in(d, 2) ? 3 : 11, 4);
		if (c.head.flags & VGG_CONV_POOL)
			draw_window(d, &c.pool, 8, 8);
		if (!fits(&c.win, c.in_h, c.in_w))
			continue;
		conv = naive_windows(&c.win, c.in_h, c.in_w);
		*out = conv;
		if (c.head.flags & VGG_CONV_POOL) {
			*out = naive_windows(&c.pool, conv.h, conv.w);
			if (!fits(&c.pool, conv.h, conv.w))
				conv.h = 0;
		}
	} while (!conv.h || !affordable(&c, conv));
	return c;
}

static uint32_t slack(struct draw *d, int most)
{
	return one_in(d, 2) ? 0 : (uint32_t)in(d, 1, most);
}

static void draw_conv_layout(struct draw *d, struct vgg_hw_cmd_conv *c,
			     struct naive_size out)
{
	uint32_t taps = (uint32_t)c->win.kernel_h * c->win.kernel_w * c->in_c;
	uint32_t item = c->head.flags & VGG_CONV_OUT32 ? 4 : 1;

	c->src_pixel = c->in_c + slack(d, 9);
	c->src_pitch = c->in_w * c->src_pixel + slack(d, 50);
	c->dst_pixel = (c->out_c + slack(d, 9)) * item;
	c->dst_pitch = (uint32_t)out.w * c->dst_pixel + slack(d, 50) * item;
	c->weight_pitch = taps + slack(d, 20);
	c->pad_value = (int8_t)in(d, -128, 127);
	if (item == 1)
		draw_clamp(d, &c->lo, &c->hi);
}

static size_t image_size(uint32_t h, uint32_t pitch, uint32_t w, uint32_t pixel)
{
	return (size_t)(h - 1) * pitch + (size_t)w * pixel;
}

static void one_conv(struct draw *d)
{
	struct naive_size out;
	struct vgg_hw_cmd_conv c = draw_conv_shape(d, &out);
	struct vgg_hw_qparam *params = calloc(c.out_c, sizeof(*params));
	struct operand *src, *dst, *weights, *table;
	struct vgg_hw_cqe cqe;
	struct naive naive;

	draw_conv_layout(d, &c, out);
	draw_params(d, params, (int)c.out_c);
	src = new_operand(d,
			  image_size(c.in_h, c.src_pitch, c.in_w, c.src_pixel),
			  1, NULL);
	dst = new_operand(d,
			  image_size((uint32_t)out.h, c.dst_pitch,
				     (uint32_t)out.w, c.dst_pixel),
			  4, NULL);
	weights = new_operand(d, (size_t)c.out_c * c.weight_pitch, 1, NULL);
	table = new_operand(d, c.out_c * sizeof(*params), 16, params);
	c.src = src->va;
	c.dst = dst->va;
	c.weights = weights->va;
	c.params = table->va;
	naive = (struct naive){ (int8_t *)src->bytes, (int8_t *)weights->bytes,
				(void *)table->bytes, (void *)table->bytes,
				dst->bytes,	      0 };
	naive_conv(&naive, &c);
	rig_add(d->rig, &c);
	cqe = rig_execute(d->rig);
	EXPECT_EQ(cqe.status, VGG_STATUS_OK);
	EXPECT_EQ(cqe.saturations, naive.saturations);
	compare(d, dst, "CONV");
	if (test_state.failed)
		test_log("in %ux%ux%u out_c %u kernel %ux%u stride %u,%u pads "
			 "%u %u %u %u flags %u",
			 c.in_h, c.in_w, c.in_c, c.out_c, c.win.kernel_h,
			 c.win.kernel_w, c.win.stride_h, c.win.stride_w,
			 c.win.pad_top, c.win.pad_left, c.win.pad_bottom,
			 c.win.pad_right, c.head.flags);
	free(params);
	free_operands(d);
}

static void draw_pool(struct draw *d, struct vgg_hw_cmd_pool *c)
{
	static const uint16_t flags[] = { 0, VGG_POOL_AVG,
					  VGG_POOL_AVG | VGG_POOL_EXCLUDE_PAD };

	do {
		*c = (struct vgg_hw_cmd_pool){ .head.opcode = VGG_CMD_POOL };
		c->head.flags = flags[in(d, 0, 2)];
		c->in_h = (uint16_t)in(d, 1, 20);
		c->in_w = (uint16_t)in(d, 1, 20);
		c->channels = draw_channels(d);
		draw_window(d, &c->win, one_in(d, 5) ? 64 : 5,
			    one_in(d, 5) ? 64 : 3);
	} while (!fits(&c->win, c->in_h, c->in_w) ||
		 (c->win.kernel_h * c->win.kernel_w > 100 && c->channels > 4));
	if (c->head.flags)
		draw_clamp(d, &c->lo, &c->hi);
	if (c->head.flags == VGG_POOL_AVG)
		c->pad_value = (int8_t)in(d, -128, 127);
}

static void one_pool(struct draw *d)
{
	struct vgg_hw_cmd_pool c;
	struct operand *src, *dst, *table = NULL;
	struct vgg_hw_qparam *params;
	struct naive naive = { 0 };
	struct naive_size out;
	struct vgg_hw_cqe cqe;
	int entries;

	draw_pool(d, &c);
	out = naive_windows(&c.win, c.in_h, c.in_w);
	entries = c.win.kernel_h * c.win.kernel_w;
	params = calloc((size_t)entries, sizeof(*params));
	draw_params(d, params, entries);
	c.src_pixel = c.channels + slack(d, 9);
	c.src_pitch = c.in_w * c.src_pixel + slack(d, 50);
	c.dst_pixel = c.channels + slack(d, 9);
	c.dst_pitch = (uint32_t)out.w * c.dst_pixel + slack(d, 50);
	src = new_operand(d,
			  image_size(c.in_h, c.src_pitch, c.in_w, c.src_pixel),
			  1, NULL);
	dst = new_operand(d,
			  image_size((uint32_t)out.h, c.dst_pitch,
				     (uint32_t)out.w, c.dst_pixel),
			  1, NULL);
	c.src = src->va;
	c.dst = dst->va;
	if (c.head.flags) {
		table = new_operand(d, (size_t)entries * sizeof(*params), 16,
				    params);
		c.params = table->va;
		naive.params = (void *)table->bytes;
	}
	naive.src = (int8_t *)src->bytes;
	naive.dst = dst->bytes;
	naive_pool(&naive, &c);
	rig_add(d->rig, &c);
	cqe = rig_execute(d->rig);
	EXPECT_EQ(cqe.status, VGG_STATUS_OK);
	EXPECT_EQ(cqe.saturations, naive.saturations);
	compare(d, dst, "POOL");
	free(params);
	free_operands(d);
}

static void one_copy(struct draw *d)
{
	struct vgg_hw_cmd_copy c = { .head.opcode = VGG_CMD_COPY };
	struct operand *src, *dst;
	uint32_t y;

	c.width = (uint32_t)in(d, 1, one_in(d, 8) ? 150000 : 300);
	c.height = (uint32_t)in(d, 1, c.width > 300 ? 2 : 20);
	c.src_pitch = c.width + slack(d, 500);
	c.dst_pitch = c.width + slack(d, 500);
	if (c.height == 1 && one_in(d, 2))
		c.src_pitch = c.dst_pitch = 0;
	src = new_operand(d, image_size(c.height, c.src_pitch, 1, c.width), 1,
			  NULL);
	dst = new_operand(d, image_size(c.height, c.dst_pitch, 1, c.width), 1,
			  NULL);
	c.src = src->va;
	c.dst = dst->va;
	for (y = 0; y < c.height; y++)
		memcpy(dst->bytes + y * c.dst_pitch,
		       src->bytes + y * c.src_pitch, c.width);
	rig_add(d->rig, &c);
	EXPECT_EQ(rig_execute(d->rig).status, VGG_STATUS_OK);
	compare(d, dst, "COPY");
	free_operands(d);
}

static void one_fill(struct draw *d)
{
	struct vgg_hw_cmd_fill c = { .head.opcode = VGG_CMD_FILL };
	struct operand *dst;
	uint32_t y;

	c.width = (uint32_t)in(d, 1, one_in(d, 8) ? 150000 : 300);
	c.height = (uint32_t)in(d, 1, c.width > 300 ? 2 : 20);
	c.dst_pitch = c.width + slack(d, 500);
	c.value = (uint8_t)test_random(&d->random);
	dst = new_operand(d, image_size(c.height, c.dst_pitch, 1, c.width), 1,
			  NULL);
	c.dst = dst->va;
	for (y = 0; y < c.height; y++)
		memset(dst->bytes + y * c.dst_pitch, c.value, c.width);
	rig_add(d->rig, &c);
	EXPECT_EQ(rig_execute(d->rig).status, VGG_STATUS_OK);
	compare(d, dst, "FILL");
	free_operands(d);
}

/* A rig lasts for some rounds only: it never gives memory back. */
static void rounds(void (*one)(struct draw *d), int count, bool no_map)
{
	struct rig_options options = { .memory = 256u << 20, .no_map = no_map };
	struct draw d = { .random = test_seed() };
	int i;

	if (test_emulated())
		count /= 8;
	for (i = 0; i < count && !test_state.failed; i++) {
		if (i % 10 == 0) {
			rig_destroy(d.rig);
			d.rig = rig_create(&options);
		}
		one(&d);
	}
	if (test_state.failed)
		test_log("in round %d", i);
	rig_destroy(d.rig);
}

TEST(conv)
{
	rounds(one_conv, 400, false);
}

TEST(conv_without_direct_memory)
{
	rounds(one_conv, 60, true);
}

TEST(pool)
{
	rounds(one_pool, 200, false);
}

TEST(copy)
{
	rounds(one_copy, 120, false);
}

TEST(copy_without_direct_memory)
{
	rounds(one_copy, 30, true);
}

TEST(fill)
{
	rounds(one_fill, 120, false);
}

/* 2^31 wraps: 0x7fffffff + 1 rectifies to 0 and is the smallest as int32. */
TEST(accumulator_wraps)
{
	struct rig_options options = { 0 };
	struct rig *rig = rig_create(&options);
	uint64_t mem = rig_alloc(rig, 4096, RIG_HOST);
	struct vgg_hw_cmd_conv c = {
		.head = { VGG_CMD_CONV, VGG_CONV_OUT32, 0 },
		.src = mem,
		.weights = mem + 1,
		.params = mem + 16,
		.dst = mem + 32,
		.in_h = 1,
		.in_w = 1,
		.in_c = 1,
		.out_c = 1,
		.src_pitch = 1,
		.src_pixel = 1,
		.dst_pitch = 4,
		.dst_pixel = 4,
		.weight_pitch = 1,
		.win = { 1, 1, 1, 1, 0, 0, 0, 0 },
	};
	uint32_t bias = 0x7fffffff, got;

	rig_put(rig, mem, "\1\1", 2);
	rig_put(rig, mem + 16, &bias, 4);
	rig_add(rig, &c);
	EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
	rig_get(rig, mem + 32, &got, 4);
	EXPECT_EQ(got, 0x80000000u);
	c.head.flags |= VGG_CONV_RELU;
	rig_add(rig, &c);
	EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
	rig_get(rig, mem + 32, &got, 4);
	EXPECT_EQ(got, 0u);
	rig_destroy(rig);
}

TEST(nop_fence_and_timestamp)
{
	struct rig_options options = { 0 };
	struct rig *rig = rig_create(&options);
	uint64_t mem = rig_alloc(rig, 4096, RIG_HOST), times[2];
	struct vgg_hw_cmd_timestamp stamp = { .head.opcode = VGG_CMD_TIMESTAMP,
					      .dst = mem };
	struct vgg_hw_cqe cqe;

	rig_add(rig, &stamp);
	rig_add_plain(rig, VGG_CMD_NOP);
	rig_add_plain(rig, VGG_CMD_FENCE);
	stamp.dst = mem + 8;
	rig_add(rig, &stamp);
	cqe = rig_execute(rig);
	EXPECT_EQ(cqe.status, VGG_STATUS_OK);
	EXPECT_EQ(cqe.index, 5u);
	rig_get(rig, mem, times, sizeof(times));
	EXPECT_EQ(times[1] - times[0], 3 * rig->card.command_cycles);
	EXPECT_EQ(cqe.cycles,
		  rig->card.job_cycles + 5 * rig->card.command_cycles);
	EXPECT_LE(times[1], rig_read64(rig, VGG_REG_CYCLES_LO));
	rig_destroy(rig);
}

TEST_HARNESS_MAIN
