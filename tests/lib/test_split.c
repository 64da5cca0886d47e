// SPDX-License-Identifier: MIT
/*
 * Promise two for layers that card and CPU share: wherever a layer is cut, the
 * bytes are the same. Random networks under random plans, on cards with much,
 * little and no memory, with memory that card and CPU see differently.
 */
#include <errno.h>
#include <math.h>

#include "apart.h"
#include "draw.h"
#include "net.h"
#include "plan/plan.h"
#include "run/int8.h"

#define NETS (test_emulated() ? 5 : 40)
#define PLANS 5

static void quantize(const struct vgg_model *m, const float *x, int8_t *to)
{
	int64_t pixels = m->input.dim[2] * m->input.dim[3], p;
	int64_t channels = m->input.dim[1], c;

	for (c = 0; c < channels; c++)
		for (p = 0; p < pixels; p++) {
			float r = rintf(x[c * pixels + p] / m->in_q.scale) +
				  (float)m->in_q.zero;

			r = r < -128 ? -128 : r > 127 ? 127 : r;
			to[p * channels + c] = (int8_t)r;
		}
}

/* The most jobs that the card had ahead of it in a run. */
static unsigned int drawn_ahead;

/* Runs it for each of two inputs in turns, so that no old bytes pass for new;
 * out[]: the last tensors. */
static void run(struct vgg_device *d, const struct vgg_model *m,
		const struct vgg_plan *plan, float *const in[2], bool visible,
		int8_t *out[2])
{
	struct vgg_int8_options o = {
		.device = d, .model = m, .plan = plan, .visible = visible
	};
	struct vgg_int8_totals totals;
	struct vgg_int8 *x;
	int turn;

	OK(vgg_threads_create(2, &o.threads));
	OK(vgg_int8_create(&o, &x));
	apart_counts.ahead = 0;
	for (turn = 0; turn < 4; turn++) {
		int8_t *to = vgg_int8_input(x);
		size_t n = (size_t)vgg_shape_count(
			&m->layers[m->integer_layers - 1].out);

		ASSERT_TRUE(to != NULL);
		quantize(m, in[turn & 1], to);
		OK(vgg_int8_run(x, &totals));
		free(out[turn & 1]);
		out[turn & 1] = malloc(n);
		ASSERT_TRUE(out[turn & 1] != NULL);
		memcpy(out[turn & 1], vgg_int8_tensor(x, m->integer_layers), n);
	}
	drawn_ahead = apart_counts.ahead > drawn_ahead ? apart_counts.ahead :
							 drawn_ahead;
	vgg_int8_free(x);
	vgg_threads_free(o.threads);
}

static void describe(const struct vgg_plan *plan, const struct vgg_model *m)
{
	static const char *const where[] = { "CPU", "card", "rows",
					     "channels" };
	char kind[48], in[32], out[32];
	unsigned int i;

	for (i = 0; i < plan->count; i++) {
		const struct vgg_plan_layer *p = &plan->layers[i];

		TH_LOG("%u %s %s -> %s: %s %d%s", i,
		       vgg_layer_kind(&m->layers[i], kind, sizeof(kind)),
		       vgg_shape_text(&m->layers[i].in, in, sizeof(in)),
		       vgg_shape_text(&m->layers[i].out, out, sizeof(out)),
		       p->free ? "free" : where[p->where], p->cut,
		       p->streamed ? ", streamed" : "");
	}
}

static void free_both(int8_t *b[2])
{
	free(b[0]);
	free(b[1]);
	b[0] = b[1] = NULL;
}

static void check_net(const struct vgg_model *m, struct drawn *drawn,
		      uint64_t *seed)
{
	float *in[2] = { net_input(m, seed), net_input(m, seed) };
	int8_t *want[2] = { 0 }, *got[2] = { 0 };
	struct vgg_device *d;
	struct vgg_plan plan;
	size_t n =
		(size_t)vgg_shape_count(&m->layers[m->integer_layers - 1].out);
	int i;

	OK(vgg_device_open("cpu", NULL, &d));
	OK(vgg_plan_make(d, m, VGG_SPLIT_CPU, 0, &plan));
	run(d, m, &plan, in, false, want);
	vgg_device_close(d);
	for (i = 0; i < PLANS; i++) {
		d = draw_card(i);
		draw_plan(&plan, m, drawn, seed);
		run(d, m, &plan, in, test_random(seed) % 5 == 0, got);
		EXPECT_EQ(0, memcmp(want[0], got[0], n));
		EXPECT_EQ(0, memcmp(want[1], got[1], n));
		if (test_state.failed)
			describe(&plan, m);
		free_both(got);
		vgg_device_close(d);
	}
	vgg_plan_clear(&plan);
	free_both(want);
	free(in[0]);
	free(in[1]);
}

TEST_TIMEOUT(random_splits_give_the_same_bytes, 240)
{
	uint64_t seed = test_seed();
	struct drawn drawn = { 0 };
	int i;

	for (i = 0; i < NETS && !test_state.failed; i++) {
		struct vgg_model *m = net_wide(&seed);

		net_quantize(m);
		check_net(m, &drawn, &seed);
		vgg_model_free(m);
	}
	TH_LOG("%d layers as a whole, %d by rows, %d by channels, %d streamed",
	       drawn.whole - drawn.rows - drawn.channels, drawn.rows,
	       drawn.channels, drawn.streamed);
	EXPECT_LT(NETS, drawn.rows);
	EXPECT_LT(NETS, drawn.channels);
	EXPECT_LT(0, drawn.streamed);
	/* What a step fetches and what it computes. */
	EXPECT_EQ(2u, drawn_ahead);
}

/* What a hand-made plan may get wrong. */
TEST(cuts_that_are_none_are_refused)
{
	uint64_t seed = test_seed() + 1;
	struct vgg_model *m = net_wide(&seed);
	struct vgg_int8_options o = { .model = m };
	struct vgg_plan plan;
	struct vgg_device *d;
	struct vgg_int8 *x;
	int cut;

	net_quantize(m);
	OK(vgg_device_open("sim", NULL, &d));
	OK(vgg_threads_create(1, &o.threads));
	OK(vgg_plan_make(d, m, VGG_SPLIT_CPU, 0, &plan));
	o.device = d;
	o.plan = &plan;
	for (cut = -1; cut < 200; cut += 7) {
		plan.layers[0].where = VGG_BY_CHANNELS;
		plan.layers[0].cut = cut % 64 ? cut : 1000000;
		EXPECT_EQ(-EINVAL, vgg_int8_create(&o, &x));
		EXPECT_STREQ("BAD_ARGUMENT", vgg_error_last()->name);
		EXPECT_STREQ(m->layers[0].name, vgg_error_last()->where);
	}
	plan.layers[0].where = VGG_BY_ROWS;
	plan.layers[0].cut = (int)m->layers[0].out.dim[2];
	EXPECT_EQ(-EINVAL, vgg_int8_create(&o, &x));
	vgg_plan_clear(&plan);
	vgg_threads_free(o.threads);
	vgg_device_close(d);
	vgg_model_free(m);
}

TEST_HARNESS_MAIN
