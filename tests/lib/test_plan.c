// SPDX-License-Identifier: MIT
/* Plans as the library's callers see them. */
#include <errno.h>
#include <stddef.h>

#include "net.h"
#include "plan_support.h"
#include "vgg_harness.h"

static struct vgg_device *open_device(const char *name)
{
	struct vgg_device *d = NULL;

	OK(vgg_device_open(name, NULL, &d));
	return d;
}

TEST(options_have_defaults)
{
	struct vgg_device *d = open_device("sim");
	struct vgg_model *m = plan_vgg16();
	struct vgg_plan_info i = VGG_INIT(i);
	struct vgg_plan *plan = NULL;

	OK(vgg_plan_create(d, m, NULL, &plan));
	OK(vgg_plan_info(plan, &i));
	EXPECT_CONTAINS(i.machine, "this machine: ");
	EXPECT_CONTAINS(i.card, "64 x 32 MACs at 200 MHz, 512 MiB");
	EXPECT_TRUE(i.guessed);
	EXPECT_TRUE(i.ms > 0 && i.ms <= i.all_card_ms && i.ms <= i.all_cpu_ms);
	EXPECT_TRUE(i.stages_rate > 0 && i.stages_rate <= i.bound);
	vgg_plan_free(plan);
	vgg_plan_free(NULL);
	/* Nor does a device have to be there. */
	OK(vgg_plan_create(NULL, m, NULL, &plan));
	OK(vgg_plan_info(plan, &i));
	EXPECT_TRUE(i.card == NULL);
	EXPECT_NEAR(i.ms, i.all_cpu_ms, 1e-9);
	EXPECT_NEAR(0, i.all_card_ms, 0);
	vgg_plan_free(plan);
	vgg_device_close(d);
	plan_net_free(m);
}

TEST(layers_are_described)
{
	struct vgg_plan_options o = VGG_INIT(o);
	struct vgg_model *m = plan_vgg16();
	struct vgg_plan_layer_info l = VGG_INIT(l);
	struct vgg_plan *plan = NULL;
	unsigned int i, cut = 0;

	o.machine = "rk3399";
	o.card = test_data("../firmware-sim/cards/default.card");
	OK(vgg_plan_create(NULL, m, &o, &plan));
	for (i = 0; i < m->count; i++) {
		OK(vgg_plan_layer(plan, i, &l));
		EXPECT_TRUE(l.reason && *l.reason);
		if (!l.cut)
			continue;
		cut++;
		EXPECT_TRUE(l.cut > 0 && l.cut < l.all);
		EXPECT_TRUE(l.card_ms > 0 && l.cpu_ms > 0);
		EXPECT_CONTAINS(l.reason, " on the card");
		EXPECT_CONTAINS(l.reason, ", alone ");
	}
	EXPECT_LT(5u, cut);
	EXPECT_EQ(-EINVAL, vgg_plan_layer(plan, m->count, &l));
	l.size = 0;
	EXPECT_EQ(-EINVAL, vgg_plan_layer(plan, 0, &l));
	vgg_plan_free(plan);
	plan_net_free(m);
}

TEST(structs_may_be_shorter)
{
	struct vgg_model *m = plan_vgg16();
	struct vgg_plan_options o = { .size = offsetof(struct vgg_plan_options,
						       file) };
	struct vgg_plan_info i = { .size = offsetof(struct vgg_plan_info,
						    bound) };
	struct vgg_plan *plan = NULL;

	o.file = "not read";
	i.bound = -1;
	OK(vgg_plan_create(NULL, m, &o, &plan));
	OK(vgg_plan_info(plan, &i));
	EXPECT_NEAR(-1, i.bound, 0);
	vgg_plan_free(plan);
	plan_net_free(m);
}

TEST(bad_options_are_named)
{
	struct vgg_device *d = open_device("cpu");
	struct vgg_model *m = plan_vgg16();
	struct vgg_plan_options o = VGG_INIT(o);
	struct vgg_plan *plan = NULL;

	o.machine = "abacus";
	EXPECT_EQ(-EINVAL, vgg_plan_create(d, m, &o, &plan));
	EXPECT_STREQ("abacus", vgg_error_last()->where);
	o.machine = NULL;
	o.threads = -1;
	EXPECT_EQ(-EINVAL, vgg_plan_create(d, m, &o, &plan));
	o.threads = 0;
	o.split = VGG_SPLIT_CARD;
	EXPECT_EQ(-ENODEV, vgg_plan_create(d, m, &o, &plan));
	o.card = "/nonexistent.card";
	EXPECT_EQ(-EINVAL, vgg_plan_create(d, m, &o, &plan));
	m->integer_layers = 0;
	EXPECT_EQ(-ENODATA, vgg_plan_create(d, m, NULL, &plan));
	o.size = 0;
	EXPECT_EQ(-EINVAL, vgg_plan_create(d, m, &o, &plan));
	EXPECT_TRUE(plan == NULL);
	vgg_device_close(d);
	plan_net_free(m);
}

/* A plan in a file may ask for more memory than there is: then it is the one that
 * --split card has there. */
TEST(a_files_plan_streams_what_does_not_fit)
{
	struct vgg_plan_info file = VGG_INIT(file), rule = VGG_INIT(rule);
	struct vgg_plan_layer_info l = VGG_INIT(l);

	static char path[512];
	struct vgg_model *m = plan_vgg16();
	struct vgg_plan_options o = VGG_INIT(o);
	struct vgg_plan *plan = NULL;

	snprintf(path, sizeof(path), "%s/plan.json", test_tmpdir());
	o.what_if = "memory=512";
	o.split = VGG_SPLIT_CARD;
	OK(vgg_plan_create(NULL, m, &o, &plan));
	OK(vgg_plan_save(plan, path));
	vgg_plan_free(plan);
	o.file = path;
	o.what_if = "memory=100";
	OK(vgg_plan_create(NULL, m, &o, &plan));
	OK(vgg_plan_info(plan, &file));
	OK(vgg_plan_layer(plan, m->count - 3, &l));
	EXPECT_TRUE(l.streamed);
	EXPECT_CONTAINS(l.reason, "weights over the link");
	vgg_plan_free(plan);
	o.file = NULL;
	OK(vgg_plan_create(NULL, m, &o, &plan));
	OK(vgg_plan_info(plan, &rule));
	vgg_plan_free(plan);
	EXPECT_NEAR(rule.ms, file.ms, 1e-9);
	EXPECT_EQ(rule.link_bytes, file.link_bytes);
	EXPECT_EQ(rule.local_used, file.local_used);
	plan_net_free(m);
}

/* What each choice means, on a card with room for some layers only. */
TEST(choices_mean_what_they_say)
{
	struct vgg_model *m = plan_net(64, 8, 8,
				       "conv 64 k3 p1\ncpu\n"
				       "conv 64 k3 p1\nflat\n"
				       "fc 1024");
	struct vgg_plan_choice choice = { .split = VGG_SPLIT_OFFLOAD };
	struct vgg_machine machine;
	struct vgg_plan plan;

	plan_machine(&machine, 1000);
	machine.card.local_free = 1 << 20;
	OK(vgg_plan_choose(&machine, m, &choice, &plan));
	EXPECT_STREQ("2 layers on the card, 2 on the CPU", plan.summary);
	EXPECT_TRUE(plan.layers[4].where == VGG_ON_CPU);
	EXPECT_CONTAINS(plan.layers[4].reason, "don't fit the card's memory");
	vgg_plan_clear(&plan);
	choice.split = VGG_SPLIT_CPU;
	OK(vgg_plan_choose(&machine, m, &choice, &plan));
	EXPECT_STREQ("4 layers on the CPU", plan.summary);
	vgg_plan_clear(&plan);
	choice.split = VGG_SPLIT_CARD;
	EXPECT_EQ(-EOPNOTSUPP, vgg_plan_choose(&machine, m, &choice, &plan));
	vgg_plan_clear(&plan);
	m->layers[1].cpu_reason = NULL;
	OK(vgg_plan_choose(&machine, m, &choice, &plan));
	EXPECT_STREQ("4 layers on the card, 0 on the CPU", plan.summary);
	EXPECT_TRUE(plan.layers[4].streamed);
	EXPECT_FALSE(plan.layers[0].streamed);
	vgg_plan_clear(&plan);
	/* A fast CPU is left alone. */
	choice.split = VGG_SPLIT_AUTO;
	OK(vgg_plan_choose(&machine, m, &choice, &plan));
	EXPECT_STREQ("4 layers on the CPU", plan.summary);
	vgg_plan_clear(&plan);
	plan_net_free(m);
}

TEST_HARNESS_MAIN
