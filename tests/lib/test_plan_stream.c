// SPDX-License-Identifier: MIT
/*
 * Streams: the stages against all there are, the bound against both ways to find
 * it and against a search by hand, and the two in order.
 */
#include <math.h>
#include <time.h>

#include "net.h"
#include "plan/lp.h"
#include "plan/stream.h"
#include "plan_support.h"
#include "vgg_harness.h"

static double uniform(uint64_t *seed, double lo, double hi)
{
	return lo + (hi - lo) * (double)(test_random(seed) >> 11) * 0x1p-53;
}

/*
 * Linear programs.
 */
TEST(small_programs_are_solved)
{
	/* 3x + 2y under x + y <= 4, x + 3y <= 6, x <= 3: at (3, 1). */
	const double a[] = { 1, 1, 1, 3, 1, 0 }, limit[] = { 4, 6, 3 };
	const double gain[] = { 3, 2 }, up[] = { -1, 1 }, one[] = { 1 };
	/* Beale's: the simplest rule goes in circles. */
	const double beale[] = { 0.25,	-60, -0.04, 9, 0.5, -90,
				 -0.02, 3,   0,	    0, 1,   0 };
	const double beale_limit[] = { 0, 0, 1 };
	const double beale_gain[] = { 0.75, -150, 0.02, -6 };
	double value;

	OK(vgg_lp_maximize(3, 2, a, limit, gain, &value));
	EXPECT_NEAR(11, value, 1e-9);
	OK(vgg_lp_maximize(1, 2, up, one, gain, &value));
	EXPECT_TRUE(isinf(value));
	OK(vgg_lp_maximize(3, 4, beale, beale_limit, beale_gain, &value));
	EXPECT_NEAR(0.05, value, 1e-9);
}

/* Times as the planner may meet them: equal ones, 0 and INFINITY among them. */
static void random_times(uint64_t *seed, unsigned int processors,
			 unsigned int layers, double *t)
{
	unsigned int p, l;

	for (p = 0; p < processors; p++)
		for (l = 0; l < layers; l++) {
			int kind = (int)test_random_in(seed, 0, 11);

			t[p * layers + l] = kind == 0		? 0 :
					    kind == 1 && p != 1 ? INFINITY :
					    kind < 4		? 3 :
						       uniform(seed, 0.1, 10);
		}
}

TEST(two_ways_to_the_bound_agree)
{
	uint64_t seed = test_seed();
	double t[2 * 30], a, b;
	int i;

	for (i = 0; i < 2000; i++) {
		unsigned int layers =
			(unsigned int)test_random_in(&seed, 1, 30);

		random_times(&seed, 2, layers, t);
		OK(vgg_shares_solve(2, layers, t, &a));
		OK(vgg_shares_solve_lp(2, layers, t, &b));
		EXPECT_NEAR(b, a, 1e-9 * (1 + b));
	}
}

/* The least over a fine grid of prices w in the dual; no less than the LP's. */
static double by_grid(unsigned int layers, const double *t)
{
	const int steps = 60;
	double best = 0;
	int i, k;
	unsigned int l, p;

	for (i = 0; i <= steps; i++)
		for (k = 0; k <= steps - i; k++) {
			double w[3] = { (double)i / steps, (double)k / steps,
					(double)(steps - i - k) / steps };
			double sum = 0;

			for (l = 0; l < layers; l++) {
				double u = INFINITY;

				for (p = 0; p < 3; p++)
					if (!isinf(t[p * layers + l]))
						u = fmin(u,
							 w[p] * t[p * layers +
								  l]);
				sum += u;
			}
			best = fmax(best, sum);
		}
	return best;
}

/* Any shares give an upper limit of M, any prices a lower one: what the program
 * finds lies between a grid's prices and whole layers' best places. */
static double by_whole_layers(unsigned int layers, const double *t)
{
	double best = INFINITY;
	unsigned int n = 1, code, l, p;

	for (l = 0; l < layers; l++)
		n *= 3;
	for (code = 0; code < n; code++) {
		double load[3] = { 0 };
		unsigned int rest = code;

		for (l = 0; l < layers; l++) {
			p = rest % 3;
			rest /= 3;
			load[p] += t[p * layers + l];
		}
		best = fmin(best, fmax(load[0], fmax(load[1], load[2])));
	}
	return best;
}

TEST(three_processors_share_what_prices_say)
{
	uint64_t seed = test_seed();
	double t[3 * 6], ms, low;
	int i;

	for (i = 0; i < 200; i++) {
		unsigned int layers = (unsigned int)test_random_in(&seed, 1, 6);

		random_times(&seed, 3, layers, t);
		OK(vgg_shares_solve(3, layers, t, &ms));
		low = by_grid(layers, t);
		EXPECT_TRUE(low <= ms + 1e-9);
		/* A step of the grid away at most. */
		EXPECT_TRUE(ms <= low * 1.1 + 0.5);
		EXPECT_TRUE(ms <= by_whole_layers(layers, t) + 1e-9);
	}
}

TEST(equal_processors_share_equally)
{
	double t[4 * 5], ms;
	int i;

	for (i = 0; i < 20; i++)
		t[i] = 2;
	OK(vgg_shares_solve(4, 5, t, &ms));
	EXPECT_NEAR(2.5, ms, 1e-9);
	OK(vgg_shares_solve(2, 10, t, &ms));
	EXPECT_NEAR(10, ms, 1e-9);
	OK(vgg_shares_solve(1, 20, t, &ms));
	EXPECT_NEAR(40, ms, 1e-9);
}

/*
 * Stages.
 */
struct all {
	const struct vgg_costs *c;
	double best;
};

/* All ways to go on from `first` with the processors that are left. */
static void try_stages(struct all *a, unsigned int first, unsigned int left,
		       double slowest)
{
	unsigned int p, end;

	if (first == a->c->count) {
		a->best = fmin(a->best, slowest);
		return;
	}
	for (p = 0; p < a->c->machine->processors; p++)
		for (end = first + 1; left & 1u << p && end <= a->c->count;
		     end++)
			try_stages(a, end, left & ~(1u << p),
				   fmax(slowest,
					vgg_stage_ms(a->c, p, first, end)));
}

static void random_machine(uint64_t *seed, struct vgg_machine *machine)
{
	unsigned int i;

	plan_machine(machine, 10);
	machine->processors = (unsigned int)test_random_in(seed, 2, 4);
	for (i = 1; i < machine->processors; i++) {
		machine->processor[i] = machine->processor[0];
		machine->processor[i].capacity.products16 =
			uniform(seed, 1, 40);
		machine->processor[i].capacity.products8 = uniform(seed, 1, 40);
		machine->processor[i].capacity.dram = uniform(seed, 1, 10);
	}
	machine->card.mac_cols = 1u << test_random_in(seed, 0, 5);
	machine->card.link_mbps = (uint32_t)test_random_in(seed, 50, 3000);
	machine->has_card = test_random_in(seed, 0, 4) > 0;
	if (test_random_in(seed, 0, 2) == 0)
		machine->card.local_free = (uint64_t)test_random_in(seed, 0, 4)
					   << 20;
}

TEST(no_stages_are_faster_and_nothing_beats_the_bound)
{
	static const char *const nets[] = {
		"conv 64 k3 p1\nconv 64 k3 p1 pool2\nmax 2\nconv 128 k3 p1\n"
		"flat\nfc 512\nfc 10",
		"conv 32 k3 p1\ncpu\nconv 64 k3 p1 pool2\nflat\nfc 2048\nfc 64",
		"conv 64 k3 p1",
	};
	uint64_t seed = test_seed();
	unsigned int pipelines = 0;
	int i;

	for (i = 0; i < 300; i++) {
		struct vgg_model *m = plan_net(3, 32, 32, nets[i % 3]);
		struct vgg_machine machine;
		struct vgg_stream_plan plan;
		struct vgg_costs c;
		struct all all = { &c, INFINITY };
		double slowest = 0;
		unsigned int k;

		random_machine(&seed, &machine);
		OK(vgg_costs_init(&c, &machine, m));
		OK(vgg_stream_search(&c, &plan));
		try_stages(&all, 0, (1u << machine.processors) - 1, 0);
		EXPECT_NEAR(1e3 / all.best, plan.stages_rate,
			    1e-9 * plan.stages_rate);
		EXPECT_TRUE(plan.stages_rate <= plan.bound * (1 + 1e-9));
		EXPECT_TRUE(plan.images_rate <= plan.bound * (1 + 1e-9));
		/* What is told is what was found. */
		for (k = 0; k < plan.stages; k++) {
			EXPECT_EQ(k ? plan.stage[k - 1].end : 0,
				  plan.stage[k].first);
			slowest = fmax(slowest, plan.stage[k].ms);
		}
		EXPECT_EQ(c.count, plan.stage[plan.stages - 1].end);
		EXPECT_NEAR(plan.stages_rate, 1e3 / slowest,
			    1e-9 * plan.stages_rate);
		pipelines += plan.stages > 1;
		vgg_costs_clear(&c);
		vgg_machine_clear(&machine);
		plan_net_free(m);
	}
	EXPECT_LT(20u, pipelines);
}

TEST(vgg16_streams_through_an_rk3399)
{
	struct vgg_model *m = plan_vgg16();
	struct vgg_machine machine;
	struct vgg_stream_plan plan;
	struct vgg_costs c;
	struct timespec a, b;
	unsigned int i;

	vgg_machine_rk3399(&machine);
	OK(vgg_machine_what_if(&machine, "macs=512"));
	OK(vgg_costs_init(&c, &machine, m));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	OK(vgg_stream_search(&c, &plan));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	for (i = 0; i < plan.stages; i++)
		TH_LOG("%s: steps %u..%u, %.1f ms",
		       vgg_stage_processor(&machine, plan.stage[i].processor),
		       plan.stage[i].first, plan.stage[i].end - 1,
		       plan.stage[i].ms);
	TH_LOG("stages %.2f images/s, whole images %.2f, bound %.2f; planned "
	       "in "
	       "%.1f ms",
	       plan.stages_rate, plan.images_rate, plan.bound,
	       (double)(b.tv_sec - a.tv_sec) * 1e3 +
		       (double)(b.tv_nsec - a.tv_nsec) / 1e6);
	EXPECT_TRUE(plan.stages_rate <= plan.bound);
	EXPECT_TRUE(plan.images_rate <= plan.bound);
	vgg_costs_clear(&c);
	vgg_machine_clear(&machine);
	plan_net_free(m);
}

TEST_HARNESS_MAIN
