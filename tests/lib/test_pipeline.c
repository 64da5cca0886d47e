// SPDX-License-Identifier: MIT
/*
 * Pipelines: whatever is in flight at the same time, every result is the one that
 * a session on the CPU alone gives, and in order.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "net.h"
#include "plan/lanes.h"
#include "plan/plan_json.h"
#include "plan_support.h"
#include "run/pipeline.h"
#include "run/session.h"

#define IMAGES 64
#define NETS (test_emulated() ? 1 : 4)
#define PLANS 20

/* Inputs, and what a session on the CPU says of them. */
struct stream {
	struct vgg_model *m;
	size_t count;
	float *in[IMAGES];
	char sha[IMAGES][65];
};

static void stream_init(struct stream *s, uint64_t *seed)
{
	struct vgg_result r = VGG_INIT(r);
	struct vgg_session *session;
	struct vgg_device *cpu;
	int i;

	s->m = net_wide(seed);
	net_quantize(s->m);
	s->count = (size_t)vgg_shape_count(&s->m->input);
	OK(vgg_device_open("cpu", NULL, &cpu));
	OK(vgg_session_create(cpu, s->m, NULL, &session));
	for (i = 0; i < IMAGES; i++) {
		s->in[i] = net_input(s->m, seed);
		OK(vgg_session_run_tensor(session, s->in[i], s->count, &r));
		memcpy(s->sha[i], r.sha256, sizeof(r.sha256));
	}
	vgg_session_free(session);
	vgg_device_close(cpu);
}

static void stream_clear(struct stream *s)
{
	int i;

	for (i = 0; i < IMAGES; i++)
		free(s->in[i]);
	vgg_model_free(s->m);
}

/* Pushes ahead by chance, so that from none to all are in flight. */
static void check_stream(const struct stream *s, struct vgg_pipeline *p,
			 uint64_t *seed)
{
	struct vgg_result r = VGG_INIT(r);
	int pushed = 0, pulled = 0;

	while (pulled < IMAGES) {
		bool more = pushed < IMAGES && vgg_pipeline_room(p);

		ASSERT_EQ((unsigned int)(pushed - pulled),
			  vgg_pipeline_in_flight(p));
		if (more && (pushed == pulled || test_random(seed) % 4)) {
			OK(vgg_pipeline_push_tensor(p, s->in[pushed++],
						    s->count));
			continue;
		}
		OK(vgg_pipeline_pull(p, &r));
		ASSERT_STREQ(s->sha[pulled], r.sha256);
		pulled++;
	}
}

static void check_options(const struct stream *s, struct vgg_device *d,
			  const struct vgg_session_options *o, unsigned int n,
			  uint64_t *seed)
{
	struct vgg_pipeline *p;

	OK(vgg_pipeline_create(d, s->m, o, n, &p));
	check_stream(s, p, seed);
	vgg_pipeline_free(p);
}

/* Also the session's own way through the same plan. */
static void check_session(const struct stream *s, struct vgg_device *d,
			  const struct vgg_session_options *o)
{
	struct vgg_result r = VGG_INIT(r);
	struct vgg_session *session;
	int i;

	OK(vgg_session_create(d, s->m, o, &session));
	for (i = 0; i < 2; i++) {
		OK(vgg_session_run_tensor(session, s->in[i], s->count, &r));
		EXPECT_STREQ(s->sha[i], r.sha256);
	}
	vgg_session_free(session);
}

TEST_TIMEOUT(streams_under_random_plans, 240)
{
	struct vgg_session_options o = VGG_INIT(o);
	uint64_t seed = test_seed();
	struct drawn drawn = { 0 };
	struct vgg_plan plan;
	struct stream s;
	char path[256];
	int net, i;

	snprintf(path, sizeof(path), "%s/plan", test_tmpdir());
	o.plan = path;
	for (net = 0; net < NETS && !test_state.failed; net++) {
		stream_init(&s, &seed);
		OK(vgg_plan_alloc(&plan, s.m));
		for (i = 0; i < PLANS && !test_state.failed; i++) {
			struct vgg_device *d = draw_card(i);

			draw_plan(&plan, s.m, &drawn, &seed);
			OK(vgg_plan_write(&plan, s.m, path));
			o.threads = test_random_in(&seed, 1, 2);
			check_session(&s, d, &o);
			check_options(&s, d, &o, (unsigned int)i % 6, &seed);
			vgg_device_close(d);
		}
		vgg_plan_clear(&plan);
		stream_clear(&s);
	}
	EXPECT_LT(NETS, drawn.rows);
	EXPECT_LT(NETS, drawn.channels);
}

TEST_TIMEOUT(streams_as_planned, 120)
{
	static const enum vgg_split splits[] = { VGG_SPLIT_AUTO,
						 VGG_SPLIT_OFFLOAD,
						 VGG_SPLIT_CPU };
	struct vgg_device_options how[] = { VGG_INIT(how[0]),
					    VGG_INIT(how[0]) };
	uint64_t seed = test_seed() + 1;
	struct stream s;
	unsigned int i, k;

	how[1].pace = true;
	stream_init(&s, &seed);
	for (k = 0; k < 2; k++) {
		struct vgg_device *d;

		OK(vgg_device_open("sim", &how[k], &d));
		for (i = 0; i < 3; i++) {
			struct vgg_session_options o = VGG_INIT(o);

			o.split = splits[i];
			check_options(&s, d, &o, 0, &seed);
		}
		vgg_device_close(d);
	}
	stream_clear(&s);
}

/* Stages on clusters, and whole images on each of them and on the card. */
static void lanes_of(struct vgg_lanes *lanes, const struct stream *s,
		     double card_speed)
{
	struct vgg_machine machine = { .processors = 3, .has_card = true };
	struct vgg_device_info d = VGG_INIT(d);
	struct vgg_device *sim;

	OK(vgg_device_open("sim", NULL, &sim));
	OK(vgg_device_info(sim, &d));
	vgg_machine_set_device(&machine, &d);
	vgg_device_close(sim);
	machine.card.clock_khz = (uint32_t)(card_speed * 200000);
	machine.processor[0] =
		(struct vgg_processor){ "all", 2, { 2, 2, 2, 1 << 20, 0.001 } };
	machine.processor[1] = machine.processor[2] = machine.processor[0];
	machine.processor[1].threads = machine.processor[2].threads = 1;
	OK(vgg_lanes_plan(lanes, &machine, s->m));
}

static void check_lanes(const struct stream *s, struct vgg_lanes *lanes,
			uint64_t *seed)
{
	struct vgg_session_options o = VGG_INIT(o);
	struct vgg_pipeline *p;
	struct vgg_device *d = draw_card(0);

	TH_LOG("%s", lanes->summary);
	EXPECT_EQ(2u, lanes->clusters);
	OK(vgg_pipeline_create_lanes(d, s->m, &o, lanes, 0, &p));
	check_stream(s, p, seed);
	vgg_pipeline_free(p);
	vgg_device_close(d);
}

TEST_TIMEOUT(streams_on_clusters, 120)
{
	uint64_t seed = test_seed() + 2;
	struct vgg_lanes lanes;
	struct stream s;
	unsigned int i, k, clusters = 0;

	for (k = 0; k < 6 && !test_state.failed; k++) {
		stream_init(&s, &seed);
		lanes_of(&lanes, &s, k % 2 ? 0.01 : 1);
		for (i = 0; i < lanes.lane[0].plan.count; i++)
			clusters |= 1u
				    << lanes.lane[0].plan.layers[i].processor;
		check_lanes(&s, &lanes, &seed);
		stream_clear(&s);
	}
	EXPECT_NE(0u, clusters & ~1u);
}

/* A small network's images are not shared by threads; a large one's are. */
TEST_TIMEOUT(small_networks_have_a_lane_per_cpu, 120)
{
	struct vgg_session_options o = VGG_INIT(o);
	uint64_t seed = test_seed() + 7;
	struct vgg_lanes lanes;
	struct vgg_pipeline *p;
	struct vgg_device *d;
	struct vgg_model *large;
	struct stream s;

	stream_init(&s, &seed);
	o.threads = 2;
	OK(vgg_device_open("cpu", NULL, &d));
	OK(vgg_lanes_make(d, s.m, VGG_SPLIT_AUTO, 2, &lanes));
	EXPECT_EQ(2u, lanes.count);
	EXPECT_TRUE(!strstr(lanes.summary, "1 of "));
	vgg_lanes_clear(&lanes);
	OK(vgg_pipeline_create(d, s.m, &o, 0, &p));
	EXPECT_EQ(1, vgg_session_threads(vgg_pipeline_session(p)));
	check_stream(&s, p, &seed);
	vgg_pipeline_free(p);
	/* What is told is what runs. */
	OK(vgg_pipeline_create(d, s.m, &o, 1, &p));
	EXPECT_CONTAINS(vgg_pipeline_placement(p), "/s predicted: 1 of ");
	vgg_pipeline_free(p);
	large = plan_vgg16();
	OK(vgg_lanes_make(d, large, VGG_SPLIT_AUTO, 2, &lanes));
	EXPECT_EQ(1u, lanes.count);
	vgg_lanes_clear(&lanes);
	plan_net_free(large);
	vgg_device_close(d);
	stream_clear(&s);
}

TEST(figures_are_plain)
{
	char text[VGG_FIGURE_SIZE];

	EXPECT_STREQ("0.0912", vgg_stream_figure(0.09123, text));
	EXPECT_STREQ("99.9", vgg_stream_figure(99.94, text));
	EXPECT_STREQ("100", vgg_stream_figure(99.96, text));
	EXPECT_STREQ("1234", vgg_stream_figure(1234.4, text));
	EXPECT_STREQ("11420", vgg_stream_figure(11420, text));
}

/* Half the lanes, half the rate; and stages that wait for one image. */
TEST(fewer_in_flight_are_predicted_so)
{
	struct vgg_lanes lanes = { .count = 3 };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct vgg_lane *l = &lanes.lane[i];

		l->rate = i ? 1500 : 12000;
		l->siblings = i ? 2 : 1;
		l->processor = i > 0;
		snprintf(l->name, sizeof(l->name), "%s", i ? "2 CPUs" : "card");
	}
	vgg_lanes_limit(&lanes, 3);
	EXPECT_STREQ("whole images, 15000/s predicted: card 12000, "
		     "2 CPUs 3000",
		     lanes.summary);
	vgg_lanes_limit(&lanes, 2);
	EXPECT_STREQ("whole images, 13500/s predicted: card 12000, 1 of "
		     "2 CPUs 1500",
		     lanes.summary);
	vgg_lanes_limit(&lanes, 1);
	EXPECT_STREQ("whole images, 12000/s predicted: card 12000",
		     lanes.summary);
	EXPECT_EQ(1u, lanes.count);
	lanes.stages = 2;
	lanes.lane[0].rate = 50;
	lanes.lane[0].ms = 32;
	vgg_lanes_limit(&lanes, 3);
	EXPECT_NEAR(50., lanes.lane[0].rate, 1e-9);
	EXPECT_CONTAINS(lanes.summary, "2 stages, 50 images/s predicted");
	vgg_lanes_limit(&lanes, 1);
	EXPECT_NEAR(31.25, lanes.lane[0].rate, 1e-9);
	EXPECT_CONTAINS(lanes.summary, "2 stages, 31.2 images/s predicted");
}

/*
 * What callers may do wrong, and what may go wrong.
 */
TEST(full_and_empty)
{
	struct vgg_session_options o = VGG_INIT(o);
	uint64_t seed = test_seed() + 3;
	struct vgg_result r = VGG_INIT(r);
	struct vgg_pipeline *p;
	struct vgg_device *d;
	struct stream s;
	unsigned int i;

	stream_init(&s, &seed);
	OK(vgg_device_open("sim", NULL, &d));
	OK(vgg_pipeline_create(d, s.m, &o, 3, &p));
	EXPECT_EQ(-ENOMSG, vgg_pipeline_pull(p, &r));
	EXPECT_STREQ("PIPELINE_EMPTY", vgg_error_last()->name);
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(vgg_pipeline_room(p));
		OK(vgg_pipeline_push_tensor(p, s.in[i], s.count));
	}
	EXPECT_EQ(3u, vgg_pipeline_capacity(p));
	EXPECT_FALSE(vgg_pipeline_room(p));
	EXPECT_EQ(-EBUSY, vgg_pipeline_push_tensor(p, s.in[3], s.count));
	EXPECT_STREQ("PIPELINE_FULL", vgg_error_last()->name);
	OK(vgg_pipeline_pull(p, &r));
	EXPECT_STREQ(s.sha[0], r.sha256);
	/* What is not taken leaves no gap. */
	s.in[3][1] = NAN;
	EXPECT_NE(0, vgg_pipeline_push_tensor(p, s.in[3], s.count));
	EXPECT_STREQ("NOT_FINITE", vgg_error_last()->name);
	EXPECT_EQ(2u, vgg_pipeline_in_flight(p));
	OK(vgg_pipeline_push_tensor(p, s.in[4], s.count));
	OK(vgg_pipeline_pull(p, &r));
	OK(vgg_pipeline_pull(p, &r));
	OK(vgg_pipeline_pull(p, &r));
	EXPECT_STREQ(s.sha[4], r.sha256);
	OK(vgg_pipeline_push_tensor(p, s.in[5], s.count));
	vgg_pipeline_free(p); /* with one in flight */
	EXPECT_EQ(-EINVAL, vgg_pipeline_create(d, s.m, &o, 17, &p));
	vgg_device_close(d);
	stream_clear(&s);
}

/* A fast lane is waited for, though a slow one has room; which is no must. */
TEST(room_is_where_it_is_done_first)
{
	struct vgg_session_options o = VGG_INIT(o);
	uint64_t seed = test_seed() + 6;
	struct vgg_result r = VGG_INIT(r);
	struct vgg_lanes lanes = { .count = 2 };
	struct vgg_pipeline *p;
	struct vgg_device *d;
	struct stream s;
	unsigned int i;

	stream_init(&s, &seed);
	OK(vgg_device_open("cpu", NULL, &d));
	for (i = 0; i < 2; i++) {
		OK(vgg_plan_alloc(&lanes.lane[i].plan, s.m));
		lanes.lane[i].rate = i ? 1 : 100;
		lanes.lane[i].in_flight = 2;
	}
	OK(vgg_pipeline_create_lanes(d, s.m, &o, &lanes, 0, &p));
	EXPECT_EQ(4u, vgg_pipeline_capacity(p));
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(vgg_pipeline_room(p));
		OK(vgg_pipeline_push_tensor(p, s.in[i], s.count));
	}
	EXPECT_FALSE(vgg_pipeline_room(p));
	OK(vgg_pipeline_push_tensor(p, s.in[2], s.count));
	for (i = 0; i < 3; i++) {
		OK(vgg_pipeline_pull(p, &r));
		EXPECT_STREQ(s.sha[i], r.sha256);
	}
	EXPECT_TRUE(vgg_pipeline_room(p));
	vgg_pipeline_free(p);
	vgg_device_close(d);
	stream_clear(&s);
}

/* One image meets a fault of the card; the others don't notice. */
TEST_TIMEOUT(a_fault_is_one_images, 60)
{
	struct vgg_device_options how = VGG_INIT(how);
	struct vgg_session_options o = VGG_INIT(o);
	uint64_t seed = test_seed() + 4;
	struct vgg_result r = VGG_INIT(r);
	struct vgg_pipeline *p;
	struct vgg_device *d;
	unsigned int i, failed = 0;
	struct stream s;

	stream_init(&s, &seed);
	how.inject = "ECC,after=60,count=1";
	o.split = VGG_SPLIT_OFFLOAD;
	OK(vgg_device_open("sim", &how, &d));
	OK(vgg_pipeline_create(d, s.m, &o, 4, &p));
	for (i = 0; i < IMAGES + 4; i++) {
		if (i >= 4 && vgg_pipeline_pull(p, &r)) {
			EXPECT_STREQ("DEVICE_FAULT", vgg_error_last()->name);
			failed++;
		} else if (i >= 4) {
			EXPECT_STREQ(s.sha[i - 4], r.sha256);
		}
		if (i < IMAGES)
			OK(vgg_pipeline_push_tensor(p, s.in[i], s.count));
	}
	EXPECT_EQ(1u, failed);
	vgg_pipeline_free(p);
	vgg_device_close(d);
	stream_clear(&s);
}

TEST(fp32_has_one_in_flight)
{
	struct vgg_session_options o = VGG_INIT(o);
	uint64_t seed = test_seed() + 5;
	struct vgg_result a = VGG_INIT(a), b = VGG_INIT(b);
	struct vgg_session *session;
	struct vgg_pipeline *p;
	struct vgg_device *d;
	struct stream s;

	stream_init(&s, &seed);
	o.precision = VGG_PRECISION_FP32;
	OK(vgg_device_open("cpu", NULL, &d));
	OK(vgg_session_create(d, s.m, &o, &session));
	OK(vgg_session_run_tensor(session, s.in[0], s.count, &a));
	OK(vgg_pipeline_create(d, s.m, &o, 0, &p));
	EXPECT_EQ(1u, vgg_pipeline_capacity(p));
	OK(vgg_pipeline_push_tensor(p, s.in[0], s.count));
	OK(vgg_pipeline_pull(p, &b));
	EXPECT_STREQ(a.sha256, b.sha256);
	vgg_pipeline_free(p);
	vgg_session_free(session);
	vgg_device_close(d);
	stream_clear(&s);
}

TEST_HARNESS_MAIN
