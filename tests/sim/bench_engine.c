// SPDX-License-Identifier: MIT
/*
 * How fast the simulated card computes: the layers of VGG16 at 224x224, each
 * as one job, with fused pooling where the network has it. Prints milliseconds
 * and 10^9 multiply-adds per second. Not a test.
 */
#include "rig.h"

#include <time.h>

struct layer {
	const char *name;
	unsigned int size, in_c, out_c, kernel;
	bool pool;
};

static const struct layer layers[] = {
	{ "conv1_1", 224, 3, 64, 3, false },
	{ "conv1_2", 224, 64, 64, 3, true },
	{ "conv2_1", 112, 64, 128, 3, false },
	{ "conv2_2", 112, 128, 128, 3, true },
	{ "conv3_1", 56, 128, 256, 3, false },
	{ "conv3_2", 56, 256, 256, 3, false },
	{ "conv3_3", 56, 256, 256, 3, true },
	{ "conv4_1", 28, 256, 512, 3, false },
	{ "conv4_2", 28, 512, 512, 3, false },
	{ "conv4_3", 28, 512, 512, 3, true },
	{ "conv5_1", 14, 512, 512, 3, false },
	{ "conv5_2", 14, 512, 512, 3, false },
	{ "conv5_3", 14, 512, 512, 3, true },
	{ "fc6", 1, 25088, 4096, 1, false },
	{ "fc7", 1, 4096, 4096, 1, false },
	{ "fc8", 1, 4096, 1000, 1, false },
};

/* CPU time, so that other work on the machine disturbs less. */
static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void fill_random(struct rig *rig, uint64_t va, size_t bytes)
{
	static uint8_t page[4096];
	uint64_t state = va;
	size_t i, at;

	for (i = 0; i < sizeof(page); i++)
		page[i] = (uint8_t)test_random(&state);
	for (at = 0; at < bytes; at += sizeof(page))
		rig_put(rig, va + at, page, sizeof(page));
}

static void put_params(struct rig *rig, uint64_t va, unsigned int n)
{
	struct vgg_hw_qparam param = { .mult = 1 << 30, .shift = 44 };
	unsigned int i;

	for (i = 0; i < n; i++)
		rig_put(rig, va + i * sizeof(param), &param, sizeof(param));
}

static struct vgg_hw_cmd_conv command(struct rig *rig, const struct layer *l)
{
	unsigned int pad = l->kernel / 2, out = l->pool ? l->size / 2 : l->size;
	uint32_t taps = l->kernel * l->kernel * l->in_c;
	struct vgg_hw_cmd_conv conv = {
		.head.opcode = VGG_CMD_CONV,
		.in_h = (uint16_t)l->size,
		.in_w = (uint16_t)l->size,
		.in_c = l->in_c,
		.out_c = l->out_c,
		.src_pitch = l->size * l->in_c,
		.src_pixel = l->in_c,
		.dst_pitch = out * l->out_c,
		.dst_pixel = l->out_c,
		.weight_pitch = taps,
		.lo = 0,
		.hi = 127,
	};

	conv.win = (struct vgg_hw_window){ (uint8_t)l->kernel,
					   (uint8_t)l->kernel,
					   1,
					   1,
					   (uint8_t)pad,
					   (uint8_t)pad,
					   (uint8_t)pad,
					   (uint8_t)pad };
	if (l->pool) {
		conv.head.flags = VGG_CONV_POOL;
		conv.pool = (struct vgg_hw_window){ 2, 2, 2, 2, 0, 0, 0, 0 };
	}
	conv.src = rig_alloc(rig, l->size * l->size * l->in_c, RIG_HOST);
	conv.dst = rig_alloc(rig, out * out * l->out_c, RIG_HOST);
	conv.weights = rig_alloc(rig, (size_t)taps * l->out_c, RIG_HOST);
	conv.params = rig_alloc(rig, l->out_c * 16, RIG_HOST);
	fill_random(rig, conv.src, l->size * l->size * l->in_c);
	fill_random(rig, conv.weights, (size_t)taps * l->out_c);
	put_params(rig, conv.params, l->out_c);
	return conv;
}

static double run(const struct layer *l, double *ms)
{
	struct rig_options options = { .memory = 256u << 20 };
	struct rig *rig = rig_create(&options);
	struct vgg_hw_cmd_conv conv = command(rig, l);
	double macs = (double)l->size * l->size * l->kernel * l->kernel *
		      l->in_c * l->out_c;
	struct vgg_hw_cqe cqe;
	double start;

	rig_add(rig, &conv);
	start = now_ms();
	cqe = rig_execute(rig);
	*ms = now_ms() - start;
	printf("%-8s %7.1f ms %6.1f GMAC/s  card %6.2f ms  status %d\n",
	       l->name, *ms, macs / *ms * 1e-6, (double)cqe.cycles / 200e3,
	       cqe.status);
	rig_destroy(rig);
	return macs;
}

int main(void)
{
	double total = 0, macs = 0, ms;
	size_t i;

	for (i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		macs += run(&layers[i], &ms);
		total += ms;
	}
	printf("VGG16    %7.1f ms %6.1f GMAC/s\n", total, macs / total * 1e-6);
	return 0;
}
