// SPDX-License-Identifier: MIT
/* Measured times: where they lie, who uses them, and what a damaged file does. */
#include <errno.h>
#include <glob.h>

#include "net.h"
#include "plan/costs_file.h"
#include "plan/plan.h"
#include "run/int8.h"

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
		ms += vgg_curve_at(&cost.rows, h);
		vgg_machine_cost(&machine, l, 1, &cost);
		EXPECT_FALSE(cost.guessed);
	}
	EXPECT_NEAR(info.ms, ms, 1e-3 * ms);
	vgg_machine_clear(&machine);
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
	};
	struct vgg_model *m = begin();
	struct vgg_calibrate_info info = VGG_INIT(info);
	struct vgg_machine machine;
	size_t i;

	OK(calibrate(m, 1, &info));
	for (i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		overwrite(info.path, damaged[i]);
		EXPECT_TRUE(is_guessed(m, 1));
		vgg_machine_here(&machine, 1);
		EXPECT_EQ(0u, machine.n_measured);
		EXPECT_TRUE(machine.job_ms > 0);
		vgg_machine_clear(&machine);
	}
	/* And is replaced by the next. */
	OK(calibrate(m, 1, &info));
	EXPECT_FALSE(is_guessed(m, 1));
	setenv("VGG_COSTS", "", 1);
	EXPECT_TRUE(is_guessed(m, 1));
	vgg_model_free(m);
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
