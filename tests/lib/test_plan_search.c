// SPDX-License-Identifier: MIT
/*
 * The search against all plans there are: random small networks on random
 * machines, with memory that is ample, scarce or missing. And VGG16: how long it
 * takes, and that its plan is none the worse than simple ones.
 */
#include <math.h>
#include <time.h>

#include "net.h"
#include "plan/search.h"
#include "plan_brute.h"
#include "vgg_harness.h"

#define PLANS_MAX 60000 /* of a network */

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void compare(uint64_t *seed, unsigned int layers, bool parts,
		    unsigned int *scarce)
{
	struct vgg_model *m = plan_random_net(seed, layers);
	struct vgg_plan found = { 0 };
	struct vgg_machine machine;
	struct vgg_costs c = { 0 };
	struct plan_all all;

	if (plan_count(m, parts) > PLANS_MAX) {
		plan_net_free(m);
		return;
	}
	plan_random_machine(seed, m, &machine);
	OK(vgg_costs_init(&c, &machine, m));
	OK(vgg_plan_alloc(&found, m));
	OK(vgg_plan_search(&c, parts, &found));
	OK(vgg_plan_evaluate(&c, &found));
	all = plan_try_all(&c, parts);
	EXPECT_NEAR(all.best, found.ms, 1e-9 * all.best);
	/* Never worse, legal, and it fits. */
	vgg_plan_refine(&c, &found);
	OK(vgg_plan_check(&found, m));
	OK(vgg_plan_evaluate(&c, &found));
	EXPECT_LE(found.ms, all.best * (1 + 1e-9));
	*scarce += all.fitting < all.plans && all.fitting > 1;
	vgg_plan_clear(&found);
	vgg_costs_clear(&c);
	vgg_machine_clear(&machine);
	plan_net_free(m);
}

TEST_TIMEOUT(no_plan_of_whole_layers_is_faster, 300)
{
	uint64_t seed = test_seed();
	unsigned int scarce = 0;
	int i;

	for (i = 0; i < (test_emulated() ? 20 : 500); i++)
		compare(&seed, (unsigned int)test_random_in(&seed, 1, 8), false,
			&scarce);
	TH_LOG("memory was scarce in %u", scarce);
	EXPECT_LT(0u, scarce);
}

TEST_TIMEOUT(no_plan_with_parts_is_faster, 300)
{
	uint64_t seed = test_seed();
	unsigned int scarce = 0;
	int i;

	for (i = 0; i < (test_emulated() ? 40 : 800); i++)
		compare(&seed, (unsigned int)test_random_in(&seed, 1, 6), true,
			&scarce);
	TH_LOG("memory was scarce in %u", scarce);
	EXPECT_LT(0u, scarce);
}

/*
 * VGG16.
 */
static double search_ms(const struct vgg_machine *machine,
			const struct vgg_model *m, struct vgg_plan *plan)
{
	const struct vgg_plan_choice choice = { VGG_SPLIT_AUTO, true };
	double start = now_ms();

	OK(vgg_plan_choose(machine, m, &choice, plan));
	return now_ms() - start;
}

TEST(vgg16_with_more_and_more_memory)
{
	static const uint64_t memory[] = { 0, 24, 40, 64, 100, 150, 512 };
	struct vgg_model *m = plan_vgg16();
	struct vgg_machine machine;
	double ms, before = INFINITY;
	unsigned int i;

	vgg_machine_rk3399(&machine);
	OK(vgg_machine_set_profile(&machine, NULL));
	for (i = 0; i < sizeof(memory) / sizeof(*memory); i++) {
		struct vgg_plan plan;

		machine.card.local_free = memory[i] << 20;
		ms = search_ms(&machine, m, &plan);
		TH_LOG("%3u MiB: planned in %.1f ms; %s: %.1f ms, %.1f MB used",
		       (unsigned int)memory[i], ms, plan.summary, plan.ms,
		       (double)plan.local_used / 1e6);
		EXPECT_LE(plan.local_used, machine.card.local_free);
		/* More memory is never worse. */
		EXPECT_TRUE(plan.ms <= before * (1 + 1e-9));
		before = plan.ms;
		vgg_plan_clear(&plan);
	}
	vgg_machine_clear(&machine);
	plan_net_free(m);
}

/* Cuts between those that the search tries are found, at the price of little
 * time. */
TEST(cuts_are_refined)
{
	static const char *const cards[] = { "artix7", "default", "kintexu",
					     "middle" };
	struct vgg_model *m = plan_vgg16();
	struct vgg_machine machine;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		struct vgg_plan plan;
		struct vgg_costs c;
		double coarse, start;
		char path[64];

		snprintf(path, sizeof(path), "../firmware-sim/cards/%s.card",
			 cards[i]);
		vgg_machine_rk3399(&machine);
		OK(vgg_machine_set_profile(&machine, test_data(path)));
		OK(vgg_costs_init(&c, &machine, m));
		OK(vgg_plan_alloc(&plan, m));
		OK(vgg_plan_search(&c, true, &plan));
		OK(vgg_plan_evaluate(&c, &plan));
		coarse = plan.ms;
		start = now_ms();
		vgg_plan_refine(&c, &plan);
		start = now_ms() - start;
		OK(vgg_plan_check(&plan, m));
		OK(vgg_plan_evaluate(&c, &plan));
		TH_LOG("%s: %.3f ms, refined in %.2f ms: %.3f ms, %.2f %% less",
		       cards[i], coarse, start, plan.ms,
		       100 * (1 - plan.ms / coarse));
		EXPECT_TRUE(plan.ms <= coarse);
		if (i < 2)
			EXPECT_TRUE(plan.ms < 0.995 * coarse);
		vgg_plan_clear(&plan);
		vgg_costs_clear(&c);
		vgg_machine_clear(&machine);
	}
	plan_net_free(m);
}

TEST(a_split_of_vgg16_beats_both_sides)
{
	static const enum vgg_split splits[] = { VGG_SPLIT_CARD, VGG_SPLIT_CPU,
						 VGG_SPLIT_OFFLOAD };
	struct vgg_model *m = plan_vgg16();
	struct vgg_plan_choice choice = { .split = VGG_SPLIT_AUTO };
	struct vgg_plan best, whole, other;
	struct vgg_machine machine;
	unsigned int i;

	vgg_machine_rk3399(&machine);
	OK(vgg_machine_what_if(&machine, "macs=512"));
	search_ms(&machine, m, &best);
	OK(vgg_plan_choose(&machine, m, &choice, &whole));
	EXPECT_TRUE(best.ms < whole.ms);
	for (i = 0; i < 3; i++) {
		choice.split = splits[i];
		OK(vgg_plan_choose(&machine, m, &choice, &other));
		TH_LOG("%s: %.1f ms; split %.1f ms", other.summary, other.ms,
		       best.ms);
		EXPECT_TRUE(whole.ms <= other.ms);
		vgg_plan_clear(&other);
	}
	vgg_plan_clear(&best);
	vgg_plan_clear(&whole);
	vgg_machine_clear(&machine);
	plan_net_free(m);
}

/* As long as a network can be. */
TEST(long_chains_are_planned)
{
	struct vgg_model *m = plan_net(64, 8, 8, "conv 64 k1");
	struct vgg_machine machine;
	struct vgg_plan plan;
	unsigned int i;

	for (i = 1; i < 2000; i++) {
		struct vgg_layer *l = vgg_model_add(m, VGG_OP_CONV, "more");

		ASSERT_TRUE(l != NULL);
		l->qweight = m->layers[0].qweight;
		l->qparam = m->layers[0].qparam;
		OK(vgg_layer_infer(l));
	}
	m->integer_layers = m->count;
	plan_machine(&machine, 5);
	TH_LOG("planned in %.1f ms", search_ms(&machine, m, &plan));
	EXPECT_LT(0, plan.ms);
	vgg_plan_clear(&plan);
	vgg_machine_clear(&machine);
	plan_net_free(m);
}

TEST(cuts_are_spread_evenly)
{
	struct vgg_model *m = plan_net(64, 112, 112, "conv 64 k1\nconv 4096");
	int cuts[VGG_CUTS_MAX], n, i;

	n = vgg_search_cuts(&m->layers[0], VGG_BY_ROWS, VGG_CUTS_MAX, cuts);
	ASSERT_EQ(16, n);
	EXPECT_EQ(7, cuts[0]);
	EXPECT_EQ(105, cuts[15]);
	for (i = 1; i < n; i++)
		EXPECT_TRUE(cuts[i] - cuts[i - 1] >= 6 &&
			    cuts[i] - cuts[i - 1] <= 7);
	n = vgg_search_cuts(&m->layers[1], VGG_BY_CHANNELS, 4, cuts);
	ASSERT_EQ(4, n);
	EXPECT_EQ(832, cuts[0]);
	EXPECT_EQ(0, cuts[3] % 64);
	plan_net_free(m);
}

TEST_HARNESS_MAIN
