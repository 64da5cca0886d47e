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
#include "plan_support.h"
#include "vgg_harness.h"

#define PLANS_MAX 60000 /* of a network */

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/*
 * Every plan, one after the other.
 */
struct all {
	const struct vgg_costs *c;
	bool parts;
	struct vgg_plan *plan;
	double best;
	unsigned int plans, fitting;
};

static void try_layer(struct all *a, unsigned int i);

static void try_place(struct all *a, unsigned int i, enum vgg_where where,
		      int cut)
{
	struct vgg_plan_layer *p = &a->plan->layers[i];
	int streamed;

	p->where = where;
	p->cut = cut;
	for (streamed = 0; streamed < (where == VGG_ON_CPU ? 1 : 2);
	     streamed++) {
		p->streamed = streamed;
		try_layer(a, i + 1);
	}
	p->streamed = false;
}

static void try_cuts(struct all *a, unsigned int i)
{
	const struct vgg_shape *out = &a->c->model->layers[i].out;
	int c = (int)vgg_channels(out), n;
	int h = out->rank == 4 ? (int)out->dim[2] : 1;
	int w = out->rank == 4 ? (int)out->dim[3] : 1;

	if (a->c->model->layers[i].op != VGG_OP_CONV)
		return;
	for (n = 1; n < h; n++)
		if (n * w * c % 64 == 0)
			try_place(a, i, VGG_BY_ROWS, n);
	for (n = 64; n < c; n += 64)
		if (c % 64 == 0 || h * w == 1)
			try_place(a, i, VGG_BY_CHANNELS, n);
}

static void try_layer(struct all *a, unsigned int i)
{
	const struct vgg_layer *l = &a->c->model->layers[i];

	if (i == a->plan->count) {
		a->plans++;
		if (vgg_plan_evaluate(a->c, a->plan))
			return;
		a->fitting++;
		a->best = fmin(a->best, a->plan->ms);
		return;
	}
	if (a->plan->layers[i].free) {
		try_layer(a, i + 1);
		return;
	}
	try_place(a, i, VGG_ON_CPU, 0);
	if (l->cpu_reason)
		return;
	try_place(a, i, VGG_ON_CARD, 0);
	if (a->parts)
		try_cuts(a, i);
	a->plan->layers[i].where = VGG_ON_CPU;
}

/* How many plans there are. */
static double count_plans(const struct vgg_model *m, bool parts)
{
	double n = 1;
	unsigned int i;
	int all, step;

	for (i = 0; i < m->count; i++) {
		const struct vgg_layer *l = &m->layers[i];
		double ways = 3;

		if (vgg_layer_is_free(l))
			continue;
		step = vgg_cut_step(l, VGG_BY_ROWS, &all);
		if (parts && step)
			ways += 2 * ((all - 1) / step);
		step = vgg_cut_step(l, VGG_BY_CHANNELS, &all);
		if (parts && step)
			ways += 2 * ((all - 1) / step);
		n *= l->cpu_reason ? 1 : ways;
	}
	return n;
}

static int in(uint64_t *seed, int lo, int hi)
{
	return (int)test_random_in(seed, lo, hi);
}

/* "conv 64 k3 p1", mostly in sizes that can be cut. */
static void random_line(uint64_t *seed, int size, char *line, size_t room)
{
	static const int channels[] = { 16, 32, 64, 64, 128, 192 };
	int c = channels[in(seed, 0, 5)];

	switch (in(seed, 0, 7)) {
	case 0:
		snprintf(line, room, "cpu\n");
		break;
	case 1:
		snprintf(line, room, size > 3 ? "max 2\n" : "conv %d\n", c);
		break;
	case 2:
		snprintf(line, room,
			 size > 3 ? "conv %d k3 p1 pool2\n" : "conv %d k3 p1\n",
			 c);
		break;
	case 3:
		snprintf(line, room,
			 size > 4 ? "conv %d k3 p1 pool3 q2\n" : "conv %d k1\n",
			 c);
		break;
	default:
		snprintf(line, room,
			 in(seed, 0, 2) ? "conv %d k3 p1\n" : "conv %d k1\n",
			 c);
	}
}

static struct vgg_model *random_net(uint64_t *seed, unsigned int layers)
{
	char text[512] = "", line[40];
	int h = in(seed, 1, 6), w = in(seed, 3, 8), fc = in(seed, 0, 3);
	struct vgg_model *m = NULL;
	unsigned int i;

	for (i = 0; i < layers; i++) {
		bool is_fc = (int)i + fc >= (int)layers;

		if (is_fc && (int)i + fc == (int)layers)
			strcat(text, "flat\n");
		if (is_fc)
			snprintf(line, sizeof(line), "fc %d\n",
				 in(seed, 0, 1) ? 100 : 128);
		else
			random_line(seed,
				    m	  ? (int)vgg_model_output(m)->dim[2] :
				    h < w ? h :
					    w,
				    line, sizeof(line));
		strcat(text, line);
		plan_net_free(m);
		m = plan_net(in(seed, 0, 1) ? 64 : 3, h, w, text);
	}
	return m;
}

static void random_curve(uint64_t *seed, int all, struct vgg_curve *c)
{
	double ms = 0;

	c->count = 0;
	while (c->count < 3 && (!c->count || c->n[c->count - 1] < all)) {
		ms += in(seed, 0, 1000) / 20000.0;
		c->n[c->count] =
			c->count == 2 ?
				all :
				in(seed, c->count ? c->n[c->count - 1] + 1 : 1,
				   all);
		c->ms[c->count++] = ms;
	}
	c->n[c->count - 1] = all;
}

/* Of numbers that make many plans near to each other. */
static void random_machine(uint64_t *seed, const struct vgg_model *m,
			   struct vgg_machine *machine)
{
	struct vgg_machine_card *c = &machine->card;
	uint64_t weights = 0, activations = 4096;
	unsigned int i;

	plan_machine(machine, in(seed, 1, 40));
	c->mac_rows = 1u << in(seed, 2, 6);
	c->mac_cols = 1u << in(seed, 2, 6);
	c->local_mbps = (uint32_t)in(seed, 100, 5000);
	c->link_mbps = (uint32_t)in(seed, 50, 3000);
	c->onchip_kib = 1u << in(seed, 0, 10);
	c->job_cycles = (uint32_t)in(seed, 0, 4000);
	c->command_cycles = (uint32_t)in(seed, 0, 1000);
	machine->job_ms = in(seed, 0, 50) / 1000.0;
	for (i = 0; i < m->count; i++) {
		const struct vgg_place_of card = { VGG_ON_CARD, 0 };
		const struct vgg_layer *l = &m->layers[i];
		struct vgg_extent out = vgg_extent_of(&l->out);
		struct vgg_cpu_cost cost = { .guessed = false };
		char key[VGG_KEY_SIZE];

		weights += vgg_weight_bytes(l, card);
		activations +=
			(uint64_t)vgg_shape_count(&l->out) / 4096 * 4096 + 4096;
		if (in(seed, 0, 1))
			continue;
		random_curve(seed, (int)out.h, &cost.rows);
		random_curve(seed, (int)out.c, &cost.channels);
		OK(vgg_machine_add(machine, vgg_layer_key(l, key), 0, &cost));
	}
	if (in(seed, 0, 3))
		c->local_free = activations + 4096 * (uint64_t)in(seed, 0, 2) +
				weights * (uint64_t)in(seed, 0, 10) / 10;
	else if (in(seed, 0, 1))
		c->local_free = activations / 3;
}

static void compare(uint64_t *seed, unsigned int layers, bool parts,
		    unsigned int *scarce)
{
	struct vgg_model *m = random_net(seed, layers);
	struct vgg_plan found = { 0 }, plan = { 0 };
	struct all all = { .parts = parts, .plan = &plan, .best = INFINITY };
	struct vgg_machine machine;
	struct vgg_costs c = { 0 };

	if (count_plans(m, parts) > PLANS_MAX) {
		plan_net_free(m);
		return;
	}
	random_machine(seed, m, &machine);
	OK(vgg_costs_init(&c, &machine, m));
	OK(vgg_plan_alloc(&found, m));
	OK(vgg_plan_alloc(&plan, m));
	OK(vgg_plan_search(&c, parts, &found));
	OK(vgg_plan_evaluate(&c, &found));
	all.c = &c;
	try_layer(&all, 0);
	EXPECT_NEAR(all.best, found.ms, 1e-9 * all.best);
	*scarce += all.fitting < all.plans && all.fitting > 1;
	vgg_plan_clear(&found);
	vgg_plan_clear(&plan);
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
		compare(&seed, (unsigned int)in(&seed, 1, 8), false, &scarce);
	TH_LOG("memory was scarce in %u", scarce);
	EXPECT_LT(0u, scarce);
}

TEST_TIMEOUT(no_plan_with_parts_is_faster, 300)
{
	uint64_t seed = test_seed();
	unsigned int scarce = 0;
	int i;

	for (i = 0; i < (test_emulated() ? 40 : 800); i++)
		compare(&seed, (unsigned int)in(&seed, 1, 6), true, &scarce);
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

TEST(vgg16_is_planned_in_50_ms)
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
		if (!test_emulated())
			EXPECT_TRUE(ms < 50);
		vgg_plan_clear(&plan);
	}
	vgg_machine_clear(&machine);
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
