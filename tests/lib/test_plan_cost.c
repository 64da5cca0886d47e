// SPDX-License-Identifier: MIT
/*
 * What the planner thinks a step costs: the card's part against the simulator,
 * cycle by cycle; parts of layers against numbers found by hand; curves, guesses,
 * what-if cards.
 */
#include <errno.h>
#include <math.h>

#include "net.h"
#include "plan_support.h"
#include "run/int8.h"
#include "util/file.h"
#include "vgg_harness.h"

static const char *const profiles[] = { "default",  "small",  "middle",
					"large",    "artix7", "kintexu",
					"alveo-u50" };
#define PROFILES (sizeof(profiles) / sizeof(*profiles))

/* The simulator computes all it counts: VGG16 takes a sanitizer half a minute and
 * an emulator much longer. */
#ifdef __SANITIZE_ADDRESS__
#define VGG16_PROFILES 1
#else
#define VGG16_PROFILES PROFILES
#endif

static struct vgg_device *open_sim(const char *profile)
{
	struct vgg_device_options o = VGG_INIT(o);
	struct vgg_device *d = NULL;
	char name[64];

	snprintf(name, sizeof(name), "../firmware-sim/cards/%s.card", profile);
	o.card = profile ? test_data(name) : NULL;
	OK(vgg_device_open("sim", &o, &d));
	return d;
}

/* Weights, parameters and scales with which a network of shapes runs; what it
 * computes doesn't matter. */
static void make_runnable(struct vgg_model *m)
{
	unsigned int i, k;

	m->in_q = (struct vgg_quant){ .known = true, .scale = 1 };
	for (i = 0; i < m->count; i++) {
		struct vgg_layer *l = &m->layers[i];
		struct vgg_qparam *p;

		l->quantized = true;
		l->out_q = m->in_q;
		l->qlo = -128;
		l->qhi = 127;
		if (!l->qweight.count)
			continue;
		l->qweight.data = calloc(l->qweight.count, 1);
		l->qparam.data = p = calloc(l->qparam.count, sizeof(int32_t));
		ASSERT_TRUE(l->qweight.data && p);
		l->qweight.owned = l->qparam.owned = true;
		for (k = 0; k < l->qparam.count / 4; k++)
			p[k] = (struct vgg_qparam){ .mult = 1, .shift = 1 };
	}
}

/* Cycles that the simulator counts for one inference, and what was predicted. */
static void count_cycles(struct vgg_device *d, const struct vgg_model *m,
			 enum vgg_split split, uint64_t *counted,
			 uint64_t *predicted)
{
	size_t n = (size_t)vgg_shape_count(&m->input);
	struct vgg_session_options so = VGG_INIT(so);
	struct vgg_result r = VGG_INIT(r);
	struct vgg_session *s = NULL;
	struct vgg_plan plan = { 0 };
	float *input = calloc(n, sizeof(*input));

	ASSERT_TRUE(input != NULL);
	OK(vgg_plan_make(d, m, split, 0, &plan));
	*predicted = plan.cycles;
	vgg_plan_clear(&plan);
	so.split = split;
	OK(vgg_session_create(d, m, &so, &s));
	OK(vgg_session_run_tensor(s, input, n, &r));
	*counted = r.card_cycles;
	vgg_session_free(s);
	free(input);
}

/*
 * Every layer of VGG16 by itself, and in a chain.
 */
TEST_TIMEOUT(each_layer_of_vgg16_takes_the_cycles_that_are_predicted, 300)
{
	struct vgg_model *vgg16;
	uint64_t counted, predicted;
	unsigned int i, k;

	if (test_emulated())
		SKIP("takes an emulator too long");
	vgg16 = plan_vgg16();
	for (k = 0; k < VGG16_PROFILES; k++) {
		struct vgg_device *d = open_sim(profiles[k]);

		for (i = 0; i < vgg16->count; i++) {
			struct vgg_shape *in = &vgg16->layers[i].in;
			bool image = in->rank == 4;
			struct vgg_model *m;

			if (vgg16->layers[i].op != VGG_OP_CONV)
				continue;
			m = plan_net((int)in->dim[1],
				     image ? (int)in->dim[2] : 1,
				     image ? (int)in->dim[3] : 1,
				     vgg16->layers[i].name);
			make_runnable(m);
			count_cycles(d, m, VGG_SPLIT_CARD, &counted,
				     &predicted);
			EXPECT_EQ(counted, predicted);
			EXPECT_LT(0u, counted);
			plan_net_free(m);
		}
		vgg_device_close(d);
	}
	plan_net_free(vgg16);
}

TEST_TIMEOUT(vgg16_takes_the_cycles_that_are_predicted, 300)
{
	struct vgg_model *m;
	uint64_t counted, predicted;
	unsigned int k;

	if (test_emulated())
		SKIP("takes an emulator too long");
	m = plan_vgg16();
	make_runnable(m);
	for (k = 0; k < VGG16_PROFILES; k++) {
		struct vgg_device *d = open_sim(profiles[k]);

		count_cycles(d, m, VGG_SPLIT_CARD, &counted, &predicted);
		TH_LOG("%s: %" PRIu64 " cycles counted, %" PRIu64 " predicted",
		       profiles[k], counted, predicted);
		EXPECT_EQ(counted, predicted);
		vgg_device_close(d);
	}
	plan_net_free(m);
}

TEST(the_built_in_network_takes_the_cycles_that_are_predicted)
{
	struct vgg_model *m;
	uint64_t counted, predicted;
	unsigned int k;

	OK(vgg_model_load_default(&m));
	for (k = 0; k < PROFILES; k++) {
		struct vgg_device *d = open_sim(profiles[k]);

		count_cycles(d, m, VGG_SPLIT_OFFLOAD, &counted, &predicted);
		EXPECT_EQ(counted, predicted);
		count_cycles(d, m, VGG_SPLIT_CARD, &counted, &predicted);
		TH_LOG("%s: %" PRIu64 " cycles counted, %" PRIu64 " predicted",
		       profiles[k], counted, predicted);
		EXPECT_EQ(counted, predicted);
		EXPECT_LT(0u, counted);
		vgg_device_close(d);
	}
	vgg_model_free(m);
}

/* The plan of a file, made for a card with more memory than this one. The last
 * layer's weights would just fit if only the tensors between the card's layers took room. */
TEST(a_files_plan_runs_as_it_is_predicted)
{
	struct vgg_plan_options po = VGG_INIT(po);
	struct vgg_session_options so = VGG_INIT(so);
	struct vgg_device_options dev = VGG_INIT(dev);
	struct vgg_result r = VGG_INIT(r);
	struct vgg_model *m = plan_net(64, 16, 16,
				       "conv 128 k3 p1\nconv 256 k3 p1\n"
				       "conv 224 k3 p1");
	float *input = calloc(64 * 16 * 16, sizeof(*input));
	char file[512], card[512];
	struct vgg_session *s;
	struct vgg_device *d;
	struct vgg_plan *plan;

	ASSERT_TRUE(input != NULL);
	make_runnable(m);
	snprintf(file, sizeof(file), "%s/plan.json", test_tmpdir());
	snprintf(card, sizeof(card), "%s/tiny.card", test_tmpdir());
	OK(vgg_write_text(card, "name tiny\nlocal_mib 1\n"));
	po.split = VGG_SPLIT_CARD;
	po.what_if = "memory=512";
	OK(vgg_plan_create(NULL, m, &po, &plan));
	EXPECT_TRUE(!plan->layers[2].streamed);
	OK(vgg_plan_save(plan, file));
	vgg_plan_free(plan);
	dev.card = card;
	OK(vgg_device_open("sim", &dev, &d));
	po.what_if = NULL;
	po.file = file;
	OK(vgg_plan_create(d, m, &po, &plan));
	EXPECT_TRUE(!plan->layers[1].streamed && plan->layers[2].streamed);
	so.plan = file;
	OK(vgg_session_create(d, m, &so, &s));
	OK(vgg_session_run_tensor(s, input, 64 * 16 * 16, &r));
	EXPECT_EQ(plan->cycles, r.card_cycles);
	vgg_plan_free(plan);
	vgg_session_free(s);
	vgg_device_close(d);
	plan_net_free(m);
	free(input);
}

/* Chains in which card and CPU take turns, with layers of every kind. */
TEST_TIMEOUT(random_networks_take_the_cycles_that_are_predicted, 120)
{
	uint64_t seed = test_seed(), counted, predicted;
	int i;

	for (i = 0; i < (test_emulated() ? 5 : 40); i++) {
		struct vgg_model *m = net_random(&seed);
		struct vgg_device *d = open_sim(profiles[i % PROFILES]);

		net_quantize(m);
		if (m->integer_layers) {
			count_cycles(d, m, VGG_SPLIT_OFFLOAD, &counted,
				     &predicted);
			EXPECT_EQ(counted, predicted);
		}
		vgg_device_close(d);
		vgg_model_free(m);
	}
}

/* Cycles of one run of a plan. */
static uint64_t run_plan(struct vgg_device *d, const struct vgg_model *m,
			 const struct vgg_plan *plan)
{
	struct vgg_int8_options o = { .device = d, .model = m, .plan = plan };
	struct vgg_int8_totals totals = { 0 };
	struct vgg_int8 *x = NULL;

	OK(vgg_threads_create(1, &o.threads));
	OK(vgg_int8_create(&o, &x));
	ASSERT_TRUE(vgg_int8_input(x) != NULL);
	OK(vgg_int8_run(x, &totals));
	vgg_int8_free(x);
	vgg_threads_free(o.threads);
	return totals.cycles;
}

static void draw_place(struct vgg_plan_layer *p, const struct vgg_layer *l,
		       uint64_t *seed)
{
	int all, step;

	if (p->free)
		return;
	p->where = (enum vgg_where)(test_random(seed) % 4);
	if (p->where < VGG_BY_ROWS)
		return;
	step = vgg_cut_step(l, p->where, &all);
	if (step)
		p->cut = step * (int)test_random_in(seed, 1, (all - 1) / step);
	else
		p->where = VGG_ON_CARD;
}

/* Leaves the card too little memory for all activations: somebody else has it. */
static struct vgg_buffer *take_memory(struct vgg_device *d,
				      const struct vgg_model *m, uint64_t *seed)
{
	uint64_t left = test_random(seed) % vgg_activation_bytes(m);
	struct vgg_device_info info = VGG_INIT(info);
	struct vgg_buffer *b = NULL;

	OK(vgg_device_info(d, &info));
	if (info.local_free > left)
		OK(vgg_buffer_create(d, info.local_free - left,
				     VGG_BUFFER_LOCAL, &b));
	return b;
}

/* Card, CPU and parts in any order, on cards of any size, with any room. */
TEST_TIMEOUT(random_placements_take_the_cycles_that_are_predicted, 120)
{
	uint64_t seed = test_seed();
	struct vgg_model *m = plan_net(16, 24, 24,
				       "conv 64 k3 p1\nconv 64 k3 p1 pool2\n"
				       "max 2\nconv 256 k3 p1\nconv 256 k3 p1\n"
				       "flat\nfc 512\nfc 10");
	int n;

	make_runnable(m);
	for (n = 0; n < (test_emulated() ? 8 : 80); n++) {
		struct vgg_device *d = open_sim(profiles[n % PROFILES]);
		struct vgg_buffer *taken =
			n % 4 == 3 ? take_memory(d, m, &seed) : NULL;
		struct vgg_device_info info = VGG_INIT(info);
		struct vgg_machine machine;
		struct vgg_plan plan;
		struct vgg_costs c;
		unsigned int i;

		OK(vgg_device_info(d, &info));
		vgg_machine_here(&machine, 1);
		vgg_machine_set_device(&machine, &info);
		OK(vgg_costs_init(&c, &machine, m));
		OK(vgg_plan_alloc(&plan, m));
		for (i = 0; i < plan.count; i++)
			draw_place(&plan.layers[i], &m->layers[i], &seed);
		OK(vgg_plan_evaluate(&c, &plan));
		EXPECT_EQ(run_plan(d, m, &plan), plan.cycles);
		vgg_buffer_destroy(taken);
		vgg_plan_clear(&plan);
		vgg_costs_clear(&c);
		vgg_machine_clear(&machine);
		vgg_device_close(d);
	}
	plan_net_free(m);
}

/*
 * Parts of layers, by hand. The default card: 64 x 32 products a cycle at 200
 * MHz, 12800 MB/s on board (64 bytes a cycle), 800 MB/s over the link (4 bytes a
 * cycle), 1 MiB of half its on-chip memory, 512 cycles a job, 256 a command.
 */
FIXTURE(part)
{
	struct vgg_machine machine;
	struct vgg_model *m;
	struct vgg_costs c;
	struct vgg_step_cost cost;
};

FIXTURE_SETUP(part)
{
	plan_machine(&self->machine, 10);
}

FIXTURE_TEARDOWN(part)
{
	vgg_costs_clear(&self->c);
	vgg_machine_clear(&self->machine);
	plan_net_free(self->m);
}

#define USE_NET(channels, size, layers)                                \
	do {                                                           \
		self->m = plan_net(channels, size, size, layers);      \
		OK(vgg_costs_init(&self->c, &self->machine, self->m)); \
	} while (0)

#define COST(...)                                           \
	do {                                                \
		const struct vgg_step s_ = { __VA_ARGS__ }; \
		vgg_step_cost(&self->c, &s_, &self->cost);  \
	} while (0)

#define EXPECT_SUM(a, b) EXPECT_EQ((uint64_t)(a), b)
#define ROWS(n)                \
	{                      \
		VGG_BY_ROWS, n \
	}
#define CHANNELS(n)                \
	{                          \
		VGG_BY_CHANNELS, n \
	}
#define CARD                   \
	{                      \
		VGG_ON_CARD, 0 \
	}
#define CPU                   \
	{                     \
		VGG_ON_CPU, 0 \
	}

TEST_F(part, rows_behind_rows)
{
	USE_NET(64, 56, "conv 64 k3 p1\nconv 64 k3 p1");
	/*
	 * 28 of 56 rows. The CPU lacks row 27, the card row 28: 3584 bytes each,
	 * 896 cycles over the link. CONV reads 29 rows: 29 * 56 * 64 = 103936
	 * bytes on board and 36864 of weights: 2200 cycles; writes 28 * 56 * 64
	 * = 100352 to the host: 25088 cycles; computes 28 * 56 pixels, 2 passes
	 * of channels, 9 of taps: 28224 cycles.
	 */
	COST(.at = 1, .before = ROWS(28), .here = ROWS(28));
	EXPECT_SUM(512 + 256 + 1152 + 512 + 256 + 1152 + 256 + 28480,
		   self->cost.cycles);
	EXPECT_SUM(2 * 3584 + 100352, self->cost.link_bytes);
	EXPECT_NEAR(1920 / 200e3 + 0.05, self->cost.gather_ms, 1e-9);
	/* In the queue behind the fetch: what a job costs the host is paid. */
	EXPECT_NEAR(30656 / 200e3, self->cost.card_ms, 1e-9);
	EXPECT_NEAR(vgg_curve_at(&self->c.cpu[1].rows, 28), self->cost.cpu_ms,
		    1e-12);
	EXPECT_NEAR(self->cost.gather_ms +
			    fmax(self->cost.card_ms, self->cost.cpu_ms),
		    self->cost.ms, 1e-12);
	/* The card has more rows than it reads now: nothing for it to fetch,
	 * rows 19..39 for the CPU. */
	COST(.at = 1, .before = ROWS(40), .here = ROWS(20));
	EXPECT_SUM(21 * 56 * 64 + 20 * 56 * 64, self->cost.link_bytes);
	/* And less: rows 20..40 for the card, nothing for the CPU. */
	COST(.at = 1, .before = ROWS(20), .here = ROWS(40));
	EXPECT_SUM(21 * 56 * 64 + 40 * 56 * 64, self->cost.link_bytes);
	EXPECT_NEAR(0, self->cost.gather_ms, 1e-12);
}

TEST_F(part, rows_behind_a_pool)
{
	USE_NET(64, 56, "conv 64 k3 p1\nconv 64 k3 p1 pool2");
	/* 14 of 28 rows are 28 of 56 before the pool, and read 29. */
	COST(.at = 1, .before = ROWS(28), .here = ROWS(14));
	EXPECT_SUM(512 + 256 + 1152 + 512 + 256 + 1152 + 256 + 28480,
		   self->cost.cycles);
	EXPECT_SUM(2 * 3584 + 14 * 28 * 64, self->cost.link_bytes);
}

TEST_F(part, rows_under_an_overlapping_pool)
{
	USE_NET(64, 56, "conv 64 k3 p1\nconv 64 k3 p1 pool3 q2");
	/* Row 9 needs rows 18..20 of the convolution, so the input's 0..21; the
	 * CPU's row 10 needs rows 20..22, so the input from 19 on. */
	COST(.at = 1, .before = ROWS(20), .here = ROWS(10));
	EXPECT_SUM((2 + 1) * 56 * 64 + 10 * 27 * 64, self->cost.link_bytes);
}

TEST_F(part, channels_send_the_whole_input)
{
	USE_NET(256, 14, "conv 512 k3 p1\nconv 512 k3 p1\nconv 64");
	/*
	 * 128 of 512 channels on both sides: of 196 pixels the CPU lacks 128
	 * channels, the card 384: 25088 bytes and 75264, 6272 and 18816 cycles.
	 * CONV: 196 pixels, 4 passes of channels, 72 of taps: 56448; on board
	 * 100352 of input and 589824 of weights: 10784; output 25088 to the
	 * card's own memory: 392 more.
	 */
	COST(.at = 1, .before = CHANNELS(128), .here = CHANNELS(128),
	     .next_card = true);
	EXPECT_SUM(512 + 256 + 6528 + 512 + 256 + 19072 + 256 + 56704,
		   self->cost.cycles);
	EXPECT_SUM(25088 + 75264, self->cost.link_bytes);
	EXPECT_NEAR(vgg_curve_at(&self->c.cpu[1].channels, 384),
		    self->cost.cpu_ms, 1e-12);
	/* The CPU alone fetches the card's channels of all pixels. */
	COST(.at = 1, .before = CHANNELS(128), .here = CPU);
	EXPECT_SUM(512 + 256 + 6528, self->cost.cycles);
	EXPECT_SUM(25088, self->cost.link_bytes);
	EXPECT_NEAR(7296 / 200e3 + 0.05 +
			    vgg_curve_at(&self->c.cpu[1].rows, 14),
		    self->cost.ms, 1e-9);
}

TEST_F(part, large_operands_are_copied_before_they_are_read_again)
{
	USE_NET(512, 56, "conv 512 k3 p1\nconv 64");
	/* 1.6 MB of input, 2.4 MB of weights: neither fits 1 MiB. */
	COST(.at = 0, .before = CPU, .here = CARD, .next_card = true);
	EXPECT_SUM(1605632, self->cost.link_bytes);
	/* 64 channels' weights do: the card reads the host's memory. */
	COST(.at = 0, .before = CPU, .here = CHANNELS(64), .next_card = true);
	EXPECT_SUM(1605632, self->cost.link_bytes);
	/* COPY and FENCE are gone. Compute 3136 * 2 * 72 cycles, link 401408. */
	EXPECT_SUM(512 + 256 + 256 + 451584, self->cost.cycles);
}

TEST_F(part, neighbours_on_the_card_share_a_job)
{
	USE_NET(64, 56, "conv 64 k3 p1\nconv 64 k3 p1");
	COST(.at = 1, .before = CARD, .here = CARD);
	EXPECT_SUM(256 + 56448u, self->cost.cycles);
	EXPECT_NEAR(self->cost.cycles / 200e3, self->cost.ms, 1e-9);
	COST(.at = 1, .before = ROWS(55), .here = CARD);
	EXPECT_SUM(512 + 256 + 256 + 896 + 256 + 256 + 56448u,
		   self->cost.cycles);
}

TEST_F(part, streamed_weights_cross_the_link)
{
	USE_NET(25088, 1, "fc 4096");
	COST(.at = 0, .before = CPU, .here = CARD, .streamed = true);
	EXPECT_SUM(25088 * 4096 + 25088 + 4096, self->cost.link_bytes);
	/* 4 bytes a cycle. */
	EXPECT_SUM(512 + 256 + 256 + (25088 * 4096 + 25088 + 4096) / 4,
		   self->cost.cycles);
}

TEST_F(part, without_memory_nothing_is_copied)
{
	self->machine.card.local_free = 0;
	USE_NET(64, 56, "conv 64 k3 p1\nconv 64 k3 p1");
	EXPECT_FALSE(self->c.on_board);
	COST(.at = 1, .before = ROWS(28), .here = ROWS(28), .streamed = true);
	EXPECT_NEAR(0, self->cost.gather_ms, 1e-12);
	EXPECT_SUM(103936 + 36864 + 100352, self->cost.link_bytes);
	EXPECT_SUM(512 + 256 + 256 + (103936 + 36864 + 100352) / 4,
		   self->cost.cycles);
}

/* The CPU submits a job before it begins with its own part. */
TEST_F(part, a_job_takes_time_from_the_cpus_part)
{
	self->machine.submit_ms = 0.5;
	USE_NET(64, 56, "conv 64 k3 p1\nconv 64 k3 p1");
	COST(.at = 0, .before = CPU, .here = ROWS(28), .next_card = true);
	EXPECT_NEAR(vgg_curve_at(&self->c.cpu[0].rows, 28) + 0.5,
		    self->cost.cpu_ms, 1e-12);
	EXPECT_TRUE(self->cost.ms >= self->cost.cpu_ms);
	COST(.at = 0, .before = CPU, .here = CARD);
	EXPECT_NEAR(0, self->cost.cpu_ms, 1e-12);
	COST(.at = 0, .before = CPU, .here = CPU);
	EXPECT_NEAR(vgg_curve_at(&self->c.cpu[0].rows, 56), self->cost.cpu_ms,
		    1e-12);
}

/* 4 bytes a cycle from the host, 1 to it. */
TEST_F(part, a_link_may_be_slower_one_way)
{
	vgg_machine_set_link(&self->machine, 800, 200, VGG_LINK_MEASURED);
	USE_NET(64, 56, "conv 64 k3 p1\nconv 64 k3 p1");
	COST(.at = 1, .before = ROWS(28), .here = ROWS(28));
	EXPECT_SUM(512 + 256 + 256 + 3584 + 512 + 256 + 256 + 896 + 256 + 256 +
			   100352,
		   self->cost.cycles);
	vgg_costs_clear(&self->c);
	plan_net_free(self->m);
	self->machine.card.local_free = 0;
	USE_NET(64, 56, "conv 64 k3 p1\nconv 64 k3 p1");
	COST(.at = 1, .before = ROWS(28), .here = ROWS(28), .streamed = true);
	EXPECT_SUM(512 + 256 + 256 + (103936 + 36864) / 4 + 100352,
		   self->cost.cycles);
	EXPECT_SUM(103936 + 36864 + 100352, self->cost.link_bytes);
}

TEST_F(part, a_layer_beyond_the_card_is_the_cpus)
{
	struct vgg_plan plan;

	USE_NET(64, 56, "conv 64 k3 p1\ncpu");
	OK(vgg_plan_alloc(&plan, self->m));
	plan.layers[1].where = VGG_ON_CARD;
	EXPECT_EQ(-EOPNOTSUPP, vgg_plan_evaluate(&self->c, &plan));
	EXPECT_CONTAINS(vgg_error_last()->where, "cpu");
	vgg_plan_clear(&plan);
}

TEST_F(part, cuts_must_be_legal)
{
	struct vgg_plan plan;
	int all;

	USE_NET(3, 7, "conv 32 k3 p1\nconv 96 k3 p1\nflat\nfc 1000\nfc 10");
	EXPECT_EQ(2, vgg_cut_step(&self->m->layers[0], VGG_BY_ROWS, &all));
	EXPECT_EQ(7, all);
	EXPECT_EQ(0, vgg_cut_step(&self->m->layers[0], VGG_BY_CHANNELS, &all));
	EXPECT_EQ(0, vgg_cut_step(&self->m->layers[1], VGG_BY_CHANNELS, &all));
	EXPECT_EQ(64, vgg_cut_step(&self->m->layers[3], VGG_BY_CHANNELS, &all));
	EXPECT_EQ(0, vgg_cut_step(&self->m->layers[3], VGG_BY_ROWS, &all));
	EXPECT_EQ(0, vgg_cut_step(&self->m->layers[4], VGG_BY_CHANNELS, &all));
	OK(vgg_plan_alloc(&plan, self->m));
	plan.layers[0].where = VGG_BY_ROWS;
	plan.layers[0].cut = 3;
	EXPECT_EQ(-EINVAL, vgg_plan_evaluate(&self->c, &plan));
	EXPECT_CONTAINS(vgg_error_last()->what, "multiples of 2");
	plan.layers[0].cut = 8;
	EXPECT_EQ(-EINVAL, vgg_plan_evaluate(&self->c, &plan));
	plan.layers[0].cut = 4;
	OK(vgg_plan_evaluate(&self->c, &plan));
	EXPECT_LT(0, plan.ms);
	vgg_plan_clear(&plan);
}

/*
 * Curves and guesses.
 */
TEST(curves_are_linear_between_points_and_beyond)
{
	const struct vgg_curve c = { 3, { 2, 4, 8 }, { 3, 5, 6 } };
	const struct vgg_curve one = { 1, { 8 }, { 4 } };

	EXPECT_NEAR(0, vgg_curve_at(&c, 0), 1e-12);
	EXPECT_NEAR(2, vgg_curve_at(&c, 1), 1e-12);
	EXPECT_NEAR(3, vgg_curve_at(&c, 2), 1e-12);
	EXPECT_NEAR(4, vgg_curve_at(&c, 3), 1e-12);
	EXPECT_NEAR(5.5, vgg_curve_at(&c, 6), 1e-12);
	EXPECT_NEAR(6.5, vgg_curve_at(&c, 10), 1e-12);
	EXPECT_NEAR(2, vgg_curve_at(&one, 4), 1e-12);
}

/* What facts say of two A72 with these kernels; and that parts add up to no less
 * than the whole. */
TEST(rk3399_takes_what_its_model_says)
{
	struct vgg_model *m = plan_vgg16();
	struct vgg_machine machine;
	double ms[3] = { 0 };
	unsigned int i, p;

	vgg_machine_rk3399(&machine);
	ASSERT_EQ(3u, machine.processors);
	for (i = 0; i < m->count; i++)
		for (p = 0; p < 3; p++) {
			struct vgg_extent out =
				vgg_extent_of(&m->layers[i].out);
			struct vgg_cpu_cost cost;

			if (vgg_layer_is_free(&m->layers[i]))
				continue;
			vgg_machine_cost(&machine, &m->layers[i], p, &cost);
			EXPECT_TRUE(cost.guessed);
			ms[p] += vgg_curve_at(&cost.rows, (int)out.h);
			EXPECT_NEAR(vgg_curve_at(&cost.rows, (int)out.h),
				    vgg_curve_at(&cost.channels, (int)out.c),
				    1e-9);
			EXPECT_LE(vgg_curve_at(&cost.rows, (int)out.h),
				  2 * vgg_curve_at(&cost.rows,
						   (int)(out.h + 1) / 2));
		}
	TH_LOG("VGG16: all %.0f ms, 2x A72 %.0f ms, 4x A53 %.0f ms", ms[0],
	       ms[1], ms[2]);
	/* Counted instruction by instruction: 326 ms. */
	EXPECT_NEAR(326, ms[1], 326 * 0.1);
	EXPECT_LT(ms[0], ms[1]);
	EXPECT_LT(ms[1], ms[0] + ms[2]);
	plan_net_free(m);
	vgg_machine_clear(&machine);
}

TEST(measured_times_go_before_guesses)
{
	struct vgg_model *m = plan_net(256, 56, 56, "conv 256 k3 p1 pool2");
	const struct vgg_cpu_cost told = { .rows = { 1, { 28 }, { 7 } },
					   .channels = { 1, { 256 }, { 7 } } };
	struct vgg_cpu_cost cost, bad = told;
	char key[VGG_KEY_SIZE];
	struct vgg_machine machine;

	plan_machine(&machine, 10);
	EXPECT_STREQ("conv 56x56x256 k3x3 s1x1 p1,1,1,1 pool2x2 s2x2 p0,0,0,0 "
		     "-> 256",
		     vgg_layer_key(&m->layers[0], key));
	OK(vgg_machine_add(&machine, key, 0, &told));
	vgg_machine_cost(&machine, &m->layers[0], 0, &cost);
	EXPECT_FALSE(cost.guessed);
	EXPECT_NEAR(3.5, vgg_curve_at(&cost.rows, 14), 1e-12);
	bad.rows.ms[0] = NAN;
	EXPECT_EQ(-EINVAL, vgg_machine_add(&machine, key, 0, &bad));
	EXPECT_EQ(-EINVAL, vgg_machine_add(&machine, key, 1, &told));
	bad = told;
	bad.channels.count = 0;
	EXPECT_EQ(-EINVAL, vgg_machine_add(&machine, key, 0, &bad));
	vgg_machine_clear(&machine);
	plan_net_free(m);
}

TEST(this_machine_is_made_of_its_threads)
{
	struct vgg_machine one, all;
	unsigned int i;
	int threads = 0;

	vgg_machine_here(&one, 1);
	EXPECT_EQ(2u, one.processors);
	EXPECT_EQ(1, one.processor[0].threads);
	EXPECT_FALSE(one.has_card);
	vgg_machine_here(&all, 0);
	for (i = 1; i < all.processors; i++)
		threads += all.processor[i].threads;
	EXPECT_EQ(threads, all.processor[0].threads);
	EXPECT_TRUE(one.processor[0].capacity.products8 > 0);
	EXPECT_TRUE(one.processor[0].capacity.products16 <=
		    all.processor[0].capacity.products16);
	vgg_machine_clear(&one);
	vgg_machine_clear(&all);
}

/*
 * Cards that one doesn't have.
 */
TEST(what_if_changes_the_card)
{
	struct vgg_machine m;

	vgg_machine_rk3399(&m);
	m.root_gen = 0;
	OK(vgg_machine_what_if(&m, "lanes=1,gen=2,macs=4096,clock=100,"
				   "memory=16,bandwidth=1000,onchip=256"));
	EXPECT_TRUE(m.has_card);
	EXPECT_EQ(400u, m.card.link_mbps);
	EXPECT_EQ(64u, m.card.mac_rows);
	EXPECT_EQ(64u, m.card.mac_cols);
	EXPECT_EQ(100000u, m.card.clock_khz);
	EXPECT_EQ(16u << 20, m.card.local_free);
	EXPECT_EQ(1000u, m.card.local_mbps);
	EXPECT_EQ(256u, m.card.onchip_kib);
	OK(vgg_machine_what_if(&m, "macs=16x8,link=570"));
	EXPECT_EQ(570u, m.card.link_mbps);
	EXPECT_EQ(16u, m.card.mac_rows);
	EXPECT_EQ(8u, m.card.mac_cols);
	vgg_machine_clear(&m);
}

TEST(what_if_refuses_what_makes_no_sense)
{
	static const char *const wrong[] = {
		"",
		"lanes",
		"lanes=",
		"lanes=3",
		"lanes=32",
		"gen=0",
		"gen=6",
		"gen=1,",
		"gen=1,,",
		"speed=1",
		"macs=0",
		"macs=1x",
		"macs=1x0",
		"macs=99999x1",
		"clock=x",
		"clock=-1",
		"macs=4294967291",
		"link=1e3",
		"memory=99999999999999999999",
		"gen=1 ,lanes=1",
	};
	struct vgg_machine m;
	size_t i;

	vgg_machine_rk3399(&m);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		int err = vgg_machine_what_if(&m, wrong[i]);

		if (err != -EINVAL)
			TH_LOG("'%s' passed", wrong[i]);
		EXPECT_EQ(-EINVAL, err);
		EXPECT_CONTAINS(vgg_error_last()->next_step, "macs");
	}
	vgg_machine_clear(&m);
}

TEST_HARNESS_MAIN
