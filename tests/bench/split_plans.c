// SPDX-License-Identifier: MIT
/*
 * The planner under tests/bench/split: how good its plans are, and how long one
 * takes. Prints JSON.
 *
 *   split_plans NETWORKS SEED
 *
 * Quality: random networks of up to 8 layers that have at most as many plans as 8
 * layers with 4 options each; all of them are tried. Time: of VGG16's plan, its
 * costs, explanation and check included, with as much on-board memory as makes
 * it slowest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/net.h"
#include "lib/plan_brute.h"
#include "plan/search.h"
#include "vgg_harness.h"

#define LAYERS 8
#define PLANS_MAX 65536 /* 4^8 */
#define ROUNDS 15

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

struct quality {
	unsigned int networks, scarce;
	double plans, worst, sum;
};

static void compare(struct quality *q, const struct vgg_model *m, bool parts,
		    uint64_t *seed)
{
	struct vgg_plan found = { 0 };
	struct vgg_machine machine;
	struct vgg_costs c = { 0 };
	struct plan_all all;
	double ratio;

	plan_random_machine(seed, m, &machine);
	OK(vgg_costs_init(&c, &machine, m));
	OK(vgg_plan_alloc(&found, m));
	OK(vgg_plan_search(&c, parts, &found));
	OK(vgg_plan_evaluate(&c, &found));
	all = plan_try_all(&c, parts);
	ratio = found.ms / all.best;
	q->networks++;
	q->scarce += all.fitting < all.plans;
	q->plans += all.plans;
	q->worst = ratio > q->worst ? ratio : q->worst;
	q->sum += ratio;
	vgg_plan_clear(&found);
	vgg_costs_clear(&c);
	vgg_machine_clear(&machine);
}

static void measure_quality(unsigned int networks, uint64_t seed)
{
	struct quality q = { 0 };

	while (q.networks < networks) {
		unsigned int layers =
			(unsigned int)test_random_in(&seed, 1, LAYERS);
		bool parts = test_random_in(&seed, 0, 3) > 0;
		struct vgg_model *m = plan_random_net(&seed, layers);

		if (plan_count(m, parts) <= PLANS_MAX)
			compare(&q, m, parts, &seed);
		plan_net_free(m);
	}
	printf(" \"networks\": %u, \"scarce\": %u, \"plans\": %.0f,\n"
	       " \"worst\": %.9f, \"mean\": %.9f,\n",
	       q.networks, q.scarce, q.plans, q.worst, q.sum / q.networks);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double plan_ms(const struct vgg_machine *machine,
		      const struct vgg_model *m)
{
	const struct vgg_plan_choice choice = { VGG_SPLIT_AUTO, true };
	double ms[ROUNDS], start;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		struct vgg_plan plan;

		start = now_ms();
		OK(vgg_plan_choose(machine, m, &choice, &plan));
		ms[i] = now_ms() - start;
		vgg_plan_clear(&plan);
	}
	qsort(ms, ROUNDS, sizeof(*ms), by_value);
	return ms[ROUNDS / 2];
}

static void measure_time(void)
{
	static const uint64_t memory[] = { 0, 24, 40, 64, 100, 150, 512 };
	struct vgg_model *m = plan_vgg16();
	struct vgg_machine machine;
	double ms = 0, one;
	unsigned int i;

	vgg_machine_rk3399(&machine);
	OK(vgg_machine_set_profile(&machine, NULL));
	for (i = 0; i < sizeof(memory) / sizeof(*memory); i++) {
		machine.card.local_free = memory[i] << 20;
		one = plan_ms(&machine, m);
		ms = one > ms ? one : ms;
	}
	printf(" \"vgg16_ms\": %.3f", ms);
	vgg_machine_clear(&machine);
	plan_net_free(m);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: split_plans NETWORKS SEED\n", stderr);
		return 2;
	}
	puts("{");
	measure_quality((unsigned int)atoi(argv[1]),
			strtoull(argv[2], NULL, 0));
	measure_time();
	puts("\n}");
	return 0;
}
