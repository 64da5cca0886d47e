// SPDX-License-Identifier: MIT
/* On which CPUs a few threads run, where CPUs differ. */
#include "run/threads.h"
#include "util/cpu.h"
#include "vgg_harness.h"

static uint64_t low(const cpu_set_t *set)
{
	uint64_t mask = 0;
	int i;

	for (i = 0; i < 64; i++)
		mask |= (uint64_t) !!CPU_ISSET(i, set) << i;
	return mask;
}

/* RK3399: A53 0..3, A72 4 and 5. */
static struct vgg_cpus rk3399(void)
{
	struct vgg_cpus c = { .count = 2, .total = 6 };
	int i;

	c.cluster[0].uarch = VGG_UARCH_A72;
	c.cluster[0].capacity = 1024;
	c.cluster[0].count = 2;
	c.cluster[1].uarch = VGG_UARCH_A53;
	c.cluster[1].capacity = 485;
	c.cluster[1].count = 4;
	for (i = 0; i < 6; i++) {
		CPU_SET(i, &c.cluster[i < 4].cpus);
		c.cluster_of[i] = i < 4;
	}
	return c;
}

static uint64_t place(const struct vgg_cpus *c, uint64_t allowed, int n)
{
	cpu_set_t set, out;
	bool narrowed;
	int i;

	CPU_ZERO(&set);
	for (i = 0; i < 64; i++)
		if (allowed >> i & 1)
			CPU_SET(i, &set);
	narrowed = vgg_threads_place(c, &set, n, &out);
	EXPECT_EQ(narrowed, low(&out) != allowed);
	EXPECT_EQ(0u, low(&out) & ~allowed);
	return low(&out);
}

TEST(few_threads_on_big_cores)
{
	struct vgg_cpus c = rk3399();

	EXPECT_EQ(0x30u, place(&c, 0x3f, 1));
	EXPECT_EQ(0x30u, place(&c, 0x3f, 2));
	EXPECT_EQ(0x3fu, place(&c, 0x3f, 3));
	EXPECT_EQ(0x3fu, place(&c, 0x3f, 6));
	EXPECT_EQ(0x3fu, place(&c, 0x3f, 100));
	/* The user keeps a big one free. */
	EXPECT_EQ(0x20u, place(&c, 0x2f, 1));
	EXPECT_EQ(0x2fu, place(&c, 0x2f, 2));
	/* Both; all little; more than threads, all little. */
	EXPECT_EQ(0x30u, place(&c, 0x30, 2));
	EXPECT_EQ(0x0fu, place(&c, 0x0f, 2));
	EXPECT_EQ(0x01u, place(&c, 0x01, 4));
	/* A CPU that came after the clusters were read. */
	EXPECT_EQ(0x7fu, place(&c, 0x7f, 2));
	/* Two shapes of the same size: none is left out. */
	c.cluster[1].capacity = 1024;
	c.cluster[1].uarch = VGG_UARCH_A72;
	EXPECT_EQ(0x3fu, place(&c, 0x3f, 2));
}

TEST_HARNESS_MAIN
