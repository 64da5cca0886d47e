// SPDX-License-Identifier: MIT
/* Measured times: where they lie, who uses them, and what a damaged file does. */
#include <errno.h>
#include <glob.h>
#include <math.h>

#include "net.h"
#include "plan/costs_file.h"
#include "plan/plan.h"
#include "plan/search.h"
#include "run/int8.h"
#include "run/measure.h"
#include "util/cpu.h"

static int calibrate(const struct vgg_model *m, int threads,
		     struct vgg_calibrate_info *info)
{
	struct vgg_calibrate_options o = VGG_INIT(o);

	o.threads = threads;
	o.rounds = 1;
	return vgg_calibrate(NULL, m, &o, info);
}

/* The times go below the test's folder. */
static struct vgg_model *begin(void)
{
	struct vgg_model *m;

	unsetenv("VGG_COSTS");
	setenv("XDG_CACHE_HOME", test_tmpdir(), 1);
	OK(vgg_model_load_default(&m));
	return m;
}

static bool is_guessed(const struct vgg_model *m, int threads)
{
	struct vgg_plan_options o = VGG_INIT(o);
	struct vgg_plan_info i = VGG_INIT(i);
	struct vgg_device *d;
	struct vgg_plan *plan;

	o.threads = threads;
	OK(vgg_device_open("cpu", NULL, &d));
	OK(vgg_plan_create(d, m, &o, &plan));
	OK(vgg_plan_info(plan, &i));
	EXPECT_TRUE(i.ms > 0);
	vgg_plan_free(plan);
	vgg_device_close(d);
	return i.guessed;
}

/* Every cut that the search tries was measured; times rise. */
static void expect_cuts(const struct vgg_layer *l, enum vgg_where where,
			int all, const struct vgg_curve *c)
{
	int cuts[VGG_CUTS_MAX];
	int n = vgg_search_cuts(l, where, VGG_CUTS_MAX, cuts), i;

	ASSERT_EQ(n + 1, c->count);
	for (i = 0; i < n; i++)
		EXPECT_EQ(all - cuts[n - 1 - i], c->n[i]);
	for (i = 0; i < n; i++)
		EXPECT_TRUE(c->ms[i] <= c->ms[i + 1]);
}

/* The whole has one time, the better of the two, and no part a longer one. */
TEST(curves_agree_on_the_whole)
{
	struct vgg_curve rows = { 3, { 1, 2, 4 }, { 7, 2, 9 } };
	struct vgg_curve channels = { 2, { 8, 16 }, { 1, 4 } };

	vgg_settle_curves(&rows, &channels);
	EXPECT_NEAR(2., rows.ms[0], 1e-12);
	EXPECT_NEAR(2., rows.ms[1], 1e-12);
	EXPECT_NEAR(4., rows.ms[2], 1e-12);
	EXPECT_NEAR(1., channels.ms[0], 1e-12);
	EXPECT_NEAR(4., channels.ms[1], 1e-12);
	rows = (struct vgg_curve){ 1, { 4 }, { 3 } };
	vgg_settle_curves(&channels, &rows);
	EXPECT_NEAR(3., channels.ms[1], 1e-12);
	EXPECT_NEAR(3., rows.ms[0], 1e-12);
}

TEST(a_busy_machine_shows)
{
	double even[] = { 1.1, 1.0, 1.2, 9.0 };
	double wide[] = { 4.0, 1.0, 3.0, 4.0, 8.0 };
	double short_[] = { 0.001, 0.004, 0.004 };
	double none[] = { 0, 0 };

	EXPECT_NEAR(1.15, vgg_spread(even, 4), 1e-9);
	EXPECT_NEAR(4.0, vgg_spread(wide, 5), 1e-9);
	EXPECT_NEAR(1.0, vgg_spread(short_, 3), 1e-9);
	EXPECT_NEAR(1.0, vgg_spread(none, 2), 1e-9);
}

/* The file's name is a hash of what it says of the machine. */
static void expect_model_in(const char *path)
{
	char model[VGG_CPU_MODEL_SIZE], text[512] = "";
	FILE *f = fopen(path, "r");

	ASSERT_TRUE(f && fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	EXPECT_CONTAINS(text, vgg_cpu_model_read("", model));
}

TEST_TIMEOUT(plans_use_what_was_measured, 120)
{
	struct vgg_model *m = begin();
	struct vgg_calibrate_info info = VGG_INIT(info);
	struct vgg_machine machine;
	struct vgg_cpu_cost cost;
	double ms = 0;
	unsigned int i;

	EXPECT_TRUE(is_guessed(m, 1));
	OK(calibrate(m, 1, &info));
	EXPECT_TRUE(!strncmp(test_tmpdir(), info.path, strlen(test_tmpdir())));
	EXPECT_LT(5u, info.shapes);
	EXPECT_TRUE(info.ms > 0 && info.guessed_ms > 0);
	EXPECT_TRUE(info.job_ms == 0);
	EXPECT_LE(info.unsteady, info.shapes);
	EXPECT_EQ(info.unsteady > 0, info.spread > 1.5);
	EXPECT_FALSE(is_guessed(m, 1));
	/* Another number of threads is another machine. */
	EXPECT_TRUE(is_guessed(m, 2));
	vgg_machine_here(&machine, 1);
	for (i = 0; i < m->integer_layers; i++) {
		const struct vgg_layer *l = &m->layers[i];
		int h = (int)vgg_extent_of(&l->out).h;

		if (vgg_layer_is_free(l))
			continue;
		vgg_machine_cost(&machine, l, 0, &cost);
		EXPECT_FALSE(cost.guessed);
		EXPECT_EQ(h, cost.rows.n[cost.rows.count - 1]);
		expect_cuts(l, VGG_BY_ROWS, h, &cost.rows);
		expect_cuts(l, VGG_BY_CHANNELS, (int)vgg_channels(&l->out),
			    &cost.channels);
		EXPECT_TRUE(cost.rows.ms[cost.rows.count - 1] ==
			    cost.channels.ms[cost.channels.count - 1]);
		ms += vgg_curve_at(&cost.rows, h);
		vgg_machine_cost(&machine, l, 1, &cost);
		EXPECT_FALSE(cost.guessed);
	}
	EXPECT_NEAR(info.ms, ms, 1e-3 * ms);
	vgg_machine_clear(&machine);
	vgg_model_free(m);
}

/* Now, and of models before; by as many threads as there are CPUs. */
TEST_TIMEOUT(shapes_are_counted, 120)
{
	struct vgg_calibrate_info first = VGG_INIT(first), again = first,
				  other = first;
	uint64_t seed = test_seed();
	struct vgg_model *m = begin(), *small = net_small(&seed);

	net_quantize(small);
	OK(calibrate(m, 1, &first));
	EXPECT_EQ(0u, first.kept);
	EXPECT_EQ(1, first.threads);
	OK(calibrate(m, 1, &again));
	EXPECT_EQ(first.shapes, again.shapes);
	EXPECT_EQ(0u, again.kept);
	OK(calibrate(small, 1, &other));
	EXPECT_LT(0u, other.shapes);
	EXPECT_LE(other.shapes, small->integer_layers);
	/* Those that both have were measured now. */
	EXPECT_LE(other.kept, first.shapes);
	EXPECT_LE(first.shapes, other.kept + other.shapes);
	EXPECT_LT(0u, other.kept);
	OK(calibrate(m, 256, &again));
	EXPECT_EQ(vgg_cpus()->total < 256 ? vgg_cpus()->total : 256,
		  again.threads);
	vgg_model_free(small);
	vgg_model_free(m);
}

static void overwrite(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ASSERT_TRUE(f && fputs(text, f) >= 0 && !fclose(f));
}

TEST_TIMEOUT(a_damaged_file_is_none, 120)
{
	static const char *const damaged[] = {
		"",
		"{",
		"[]",
		"{\"vggaccel_costs\": 2, \"processors\": []}",
		"{\"vggaccel_costs\": 1, \"processors\": 7, \"job_ms\": -1}",
		"{\"vggaccel_costs\": 1, \"processors\": [{\"conv 32x32x3 k3x3 "
		"s1x1 p1,1,1,1 -> 32\": {\"rows\": [[32, -1]], \"channels\": "
		"[[32, 1]]}}]}",
		"{\"vggaccel_costs\": 1, \"processors\": [{\"x\": {\"rows\": "
		"[[2, 1], [1, 1]], \"channels\": []}, \"y\": 3}, 4, 5, 6]}",
		"{\"vggaccel_costs\": 1, \"cards\": [1, 2]}",
		"{\"vggaccel_costs\": 1, \"cards\": {\"x\": 3, \"y\": "
		"{\"job_ms\": -1}, \"z\": {\"to_host_mbps\": 5}}}",
	};
	struct vgg_model *m = begin();
	struct vgg_calibrate_info info = VGG_INIT(info);
	struct vgg_machine machine;
	size_t i, k;

	OK(calibrate(m, 1, &info));
	for (i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		overwrite(info.path, damaged[i]);
		EXPECT_TRUE(is_guessed(m, 1));
		vgg_machine_here(&machine, 1);
		EXPECT_EQ(0u, machine.n_measured);
		EXPECT_TRUE(machine.job_ms > 0);
		for (k = 0; k < machine.n_cards; k++)
			EXPECT_FALSE(machine.cards[k].job_ms < 0 ||
				     machine.cards[k].link_mbps ||
				     machine.cards[k].back_mbps);
		vgg_machine_clear(&machine);
	}
	/* And is replaced by the next. */
	OK(calibrate(m, 1, &info));
	EXPECT_FALSE(is_guessed(m, 1));
	setenv("VGG_COSTS", "", 1);
	EXPECT_TRUE(is_guessed(m, 1));
	vgg_model_free(m);
}

/*
 * Cards. This one's link is slow, so that a busy host matters little.
 */
static struct vgg_device *open_card(const char *text, bool pace)
{
	struct vgg_device_options o = VGG_INIT(o);
	struct vgg_device *d;
	char path[300];

	snprintf(path, sizeof(path), "%s/test.card", test_tmpdir());
	overwrite(path, text);
	o.card = path;
	o.pace = pace;
	OK(vgg_device_open("sim", &o, &d));
	return d;
}

static void measure_card(const struct vgg_model *m, const char *text, bool pace,
			 struct vgg_calibrate_info *info)
{
	struct vgg_device *d = open_card(text, pace);
	struct vgg_calibrate_options o = VGG_INIT(o);

	o.threads = 1;
	o.rounds = 1;
	*info = (struct vgg_calibrate_info){ .size = sizeof(*info) };
	OK(vgg_calibrate(d, m, &o, info));
	vgg_device_close(d);
}

static void plan_info(const struct vgg_model *m, const char *text,
		      const char *what_if, struct vgg_plan_info *i)
{
	struct vgg_device *d = open_card(text, false);
	struct vgg_plan_options o = VGG_INIT(o);
	struct vgg_plan *plan;

	o.threads = 1;
	o.split = VGG_SPLIT_CARD;
	o.what_if = what_if;
	*i = (struct vgg_plan_info){ .size = sizeof(*i) };
	OK(vgg_plan_create(d, m, &o, &plan));
	OK(vgg_plan_info(plan, i));
	i->machine = i->card = i->summary = i->stages = NULL;
	/* Not a text of the plan's. */
	EXPECT_TRUE(i->link_source != NULL);
	EXPECT_CONTAINS(i->link, "MB/s");
	i->link = NULL;
	vgg_plan_free(plan);
	vgg_device_close(d);
}

static void expect_kept(const char *text, double job_ms, double submit_ms)
{
	struct vgg_device *d = open_card(text, false);
	struct vgg_device_info info = VGG_INIT(info);
	struct vgg_machine machine;

	OK(vgg_device_info(d, &info));
	vgg_machine_here(&machine, 1);
	vgg_machine_set_device(&machine, &info);
	EXPECT_NEAR(job_ms, machine.job_ms, 1e-4 * job_ms);
	EXPECT_NEAR(submit_ms, machine.submit_ms, 1e-4 * submit_ms);
	vgg_machine_clear(&machine);
	vgg_device_close(d);
}

TEST_TIMEOUT(the_link_is_measured_where_time_is_real, 120)
{
	struct vgg_model *m = begin();
	struct vgg_calibrate_info info, unpaced;
	struct vgg_plan_info i;

	measure_card(m, "name a\npcie_lanes 2\n", false, &info);
	EXPECT_EQ(0u, info.from_host_mbps);
	EXPECT_CONTAINS(info.link, "not measured: the card is simulated");
	plan_info(m, "name a\npcie_lanes 2\n", NULL, &i);
	EXPECT_STREQ("registers", i.link_source);
	measure_card(m, "name a\npcie_lanes 2\n", true, &info);
	EXPECT_CONTAINS(info.link, "MB/s from the host");
	EXPECT_TRUE(info.job_ms > 0 && info.submit_ms > 0);
	/* By the card's cycles; a host that is very late gives its own time. */
	if (!test_emulated()) {
		EXPECT_NEAR(400., info.from_host_mbps, 8.);
		EXPECT_NEAR(400., info.to_host_mbps, 8.);
	}
	plan_info(m, "name a\npcie_lanes 2\n", NULL, &i);
	EXPECT_STREQ("measured", i.link_source);
	EXPECT_EQ(info.from_host_mbps, i.from_host_mbps);
	EXPECT_EQ(info.to_host_mbps, i.to_host_mbps);
	/* Without pace nothing is measured, and nothing lost. */
	expect_kept("name a\npcie_lanes 2\n", info.job_ms, info.submit_ms);
	measure_card(m, "name a\npcie_lanes 2\n", false, &unpaced);
	EXPECT_TRUE(unpaced.job_ms == 0 && unpaced.submit_ms == 0);
	expect_kept("name a\npcie_lanes 2\n", info.job_ms, info.submit_ms);
	/* No memory of its own: within the host's, both ways at once. */
	measure_card(m, "name b\npcie_lanes 2\nlocal_mib 0\n", true, &info);
	if (!test_emulated())
		EXPECT_NEAR(400., info.from_host_mbps, 8.);
	/* Each to its own; another clock is another card. */
	plan_info(m, "name c\npcie_lanes 2\n", NULL, &i);
	EXPECT_STREQ("registers", i.link_source);
	plan_info(m, "name a\npcie_lanes 2\nclock_khz 1000\n", NULL, &i);
	EXPECT_STREQ("registers", i.link_source);
	plan_info(m, "name a\npcie_lanes 2\n", NULL, &i);
	EXPECT_STREQ("measured", i.link_source);
	vgg_model_free(m);
}

TEST_TIMEOUT(plans_use_the_measured_link, 60)
{
	static const char text[] = "name a\nlocal_mib 0\n";
	struct vgg_model *m = begin();
	struct vgg_measured_card card = {
		.job_ms = 2, .submit_ms = 2, .link_mbps = 80, .back_mbps = 8
	};
	struct vgg_device_info d = VGG_INIT(d);
	struct vgg_plan_info before, after, supposed;
	struct vgg_device *device = open_card(text, false);
	struct vgg_machine machine;
	char *path;

	OK(vgg_device_info(device, &d));
	vgg_device_close(device);
	plan_info(m, text, NULL, &before);
	EXPECT_EQ(800u, before.from_host_mbps);
	vgg_machine_here(&machine, 1);
	vgg_card_key(&d, card.key);
	OK(vgg_machine_add_card(&machine, &card));
	/* What can't be measured again stays. */
	card = (struct vgg_measured_card){ .job_ms = 1, .submit_ms = 0.5 };
	vgg_card_key(&d, card.key);
	OK(vgg_machine_add_card(&machine, &card));
	card.job_ms = NAN;
	EXPECT_EQ(-EINVAL, vgg_machine_add_card(&machine, &card));
	path = vgg_costs_path(&machine);
	OK(vgg_costs_write(&machine, path));
	expect_model_in(path);
	free(path);
	vgg_machine_clear(&machine);
	vgg_machine_here(&machine, 1);
	vgg_machine_set_device(&machine, &d);
	EXPECT_NEAR(1, machine.job_ms, 1e-9);
	EXPECT_NEAR(0.5, machine.submit_ms, 1e-9);
	vgg_machine_clear(&machine);
	plan_info(m, text, NULL, &after);
	EXPECT_STREQ("measured", after.link_source);
	EXPECT_EQ(80u, after.from_host_mbps);
	EXPECT_EQ(8u, after.to_host_mbps);
	/* All of it crosses the link at least so long. */
	EXPECT_EQ(before.link_bytes, after.link_bytes);
	EXPECT_TRUE(after.ms > before.ms + 0.9);
	EXPECT_TRUE(after.ms > 1 + (double)after.link_bytes / 80e3);
	EXPECT_TRUE(after.ms <
		    1.1 + before.ms + (double)after.link_bytes / 8e3);
	plan_info(m, text, "lanes=4", &supposed);
	EXPECT_STREQ("supposed", supposed.link_source);
	EXPECT_EQ(800u, supposed.to_host_mbps);
	EXPECT_TRUE(supposed.ms < after.ms);
	vgg_model_free(m);
}

/* Fixed times cancel; the card's clock counts, unless the host's contradicts. */
TEST(a_speed_is_a_slope)
{
	const struct vgg_copied small = { 1000000, 200000 + 500, 1.00 + 0.1 };
	struct vgg_copied large = { 5000000, 1000000 + 500, 5.00 + 0.1 };

	EXPECT_NEAR(1000., vgg_link_speed(&small, &large, 200000), 1e-6);
	large.ms = 5.5; /* noise */
	EXPECT_NEAR(1000., vgg_link_speed(&small, &large, 200000), 1e-6);
	large.ms = 9.1; /* half the clock that is told */
	EXPECT_NEAR(500., vgg_link_speed(&small, &large, 200000), 1e-6);
	large.ms = 3.1; /* twice of it */
	EXPECT_NEAR(2000., vgg_link_speed(&small, &large, 200000), 1e-6);
	large.ms = 1.0; /* a host that sleeps tells nothing */
	EXPECT_NEAR(1000., vgg_link_speed(&small, &large, 200000), 1e-6);
	large.cycles = 0;
	EXPECT_TRUE(vgg_link_speed(&small, &large, 200000) == 0);
	large.ms = 5.1; /* a card that counts nothing */
	EXPECT_NEAR(1000., vgg_link_speed(&small, &large, 200000), 1e-6);
}

static int stop(void *ctx, const char *what, unsigned int done,
		unsigned int total)
{
	(void)ctx;
	(void)what;
	EXPECT_LE(done, total);
	return 1;
}

TEST_TIMEOUT(mistakes_are_named, 60)
{
	struct vgg_calibrate_options o = VGG_INIT(o);
	struct vgg_model *m = begin(), *other;
	uint64_t seed = test_seed();
	char pattern[300];
	glob_t found;

	o.rounds = 1;
	o.progress = stop;
	snprintf(pattern, sizeof(pattern), "%s/stopped", test_tmpdir());
	setenv("XDG_CACHE_HOME", pattern, 1);
	EXPECT_EQ(-ECANCELED, vgg_calibrate(NULL, m, &o, NULL));
	EXPECT_EQ(GLOB_NOMATCH, glob(pattern, 0, NULL, &found));
	o.rounds = -1;
	EXPECT_EQ(-EINVAL, vgg_calibrate(NULL, m, &o, NULL));
	other = net_small(&seed);
	EXPECT_EQ(-ENODATA, calibrate(other, 1, NULL));
	EXPECT_STREQ("MODEL_PRECISION", vgg_error_last()->name);
	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	EXPECT_EQ(-EIO, calibrate(m, 1, NULL));
	EXPECT_CONTAINS(vgg_error_last()->next_step, "VGG_COSTS");
	setenv("VGG_COSTS", "/proc/nothing/here.json", 1);
	EXPECT_TRUE(calibrate(m, 1, NULL) < 0);
	vgg_model_free(other);
	vgg_model_free(m);
}

TEST_HARNESS_MAIN
