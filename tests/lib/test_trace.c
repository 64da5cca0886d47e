// SPDX-License-Identifier: MIT
/*
 * Traces: what is recorded when, by how many threads, and that what is read of it
 * is in order, complete and agrees with what runs say of themselves.
 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "device/drm.h"
#include "fake_drm.h"
#include "net.h"
#include "plan/plan_json.h"
#include "run/threads.h"
#include "trace/trace.h"

#define NETS (test_emulated() ? 3 : 12)

static const char *in_tmp(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", test_tmpdir(), name);
	return path;
}

/*
 * Reading.
 */
static struct vgg_trace_info info_of(struct vgg_trace *t)
{
	struct vgg_trace_info info = VGG_INIT(info);

	OK(vgg_trace_info(t, &info));
	return info;
}

static struct vgg_trace_event event_of(struct vgg_trace *t, size_t i)
{
	struct vgg_trace_event e = VGG_INIT(e);

	OK(vgg_trace_event(t, i, &e));
	return e;
}

static unsigned int count_of(struct vgg_trace *t, enum vgg_trace_kind kind)
{
	size_t n = info_of(t).events, i;
	unsigned int count = 0;

	for (i = 0; i < n; i++)
		count += event_of(t, i).kind == kind;
	return count;
}

/* Tracks in order, in them time; events apart or within each other, as deep as
 * they say; all within the trace. */
static void expect_order(struct vgg_trace *t)
{
	struct vgg_trace_info info = info_of(t);
	struct vgg_trace_event open[16], e;
	unsigned int depth = 0;
	size_t i;

	for (i = 0; i < info.events; i++) {
		e = event_of(t, i);
		ASSERT_LE(e.begin, e.end);
		ASSERT_LE(info.begin, e.begin);
		ASSERT_LE(e.end, info.end);
		ASSERT_LT(e.track, info.tracks);
		ASSERT_LT(e.depth, 16u);
		ASSERT_LE(e.depth, i ? depth + 1 : 0);
		ASSERT_TRUE(*e.name && *e.kind_name);
		if (i && e.track == open[depth].track) {
			ASSERT_LE(open[depth].begin, e.begin);
			if (e.depth <= depth)
				ASSERT_LE(open[e.depth].end, e.begin);
		} else if (i) {
			ASSERT_LT(open[depth].track, e.track);
			ASSERT_EQ(0u, e.depth);
		}
		if (e.depth) {
			ASSERT_LE(open[e.depth - 1].begin, e.begin);
			ASSERT_LE(e.end, open[e.depth - 1].end);
		}
		depth = e.depth;
		open[depth] = e;
	}
	ASSERT_LE(info.both_ns, info.card_ns);
	ASSERT_LE(info.both_ns, info.cpu_ns);
	ASSERT_LE(info.cpu_ns, info.threads_ns);
	ASSERT_LE(info.card_ns, info.end - info.begin);
}

/*
 * Recording.
 */
TEST(room_that_ends_is_told)
{
	struct vgg_trace *t;
	int i;

	OK(vgg_trace_create(10, &t));
	{
		VGG_TRACE_INFERENCE(t, 0, 0);
		for (i = 0; i < 25; i++) {
			VGG_TRACE_NAMED(CALL, "call");
		}
	}
	EXPECT_EQ(10u, info_of(t).events);
	/* 15 calls, and the inference. */
	EXPECT_EQ(16u, info_of(t).dropped);
	EXPECT_EQ(0u, count_of(t, VGG_TRACE_IMAGE));
	vgg_trace_clear(t);
	EXPECT_EQ(0u,
		  info_of(t).events + info_of(t).dropped + info_of(t).images);
	{
		VGG_TRACE_INFERENCE(t, 0, 0);
	}
	EXPECT_EQ(1u, info_of(t).events);
	EXPECT_EQ(0u, info_of(t).dropped);
	EXPECT_STREQ("image 1", event_of(t, 0).name);
	vgg_trace_free(t);
	vgg_trace_free(NULL);
	EXPECT_EQ(-EINVAL, vgg_trace_create((size_t)1 << 40, &t));
	EXPECT_STREQ("BAD_ARGUMENT", vgg_error_last()->name);
}

#define LANES 6
#define RUNS 200

struct lane {
	pthread_t thread;
	struct vgg_trace *trace;
	unsigned int number;
};

static void *run_lane(void *arg)
{
	const struct lane *l = arg;
	int i;

	for (i = 0; i < RUNS; i++) {
		VGG_TRACE_INFERENCE(l->trace, l->number, 0);
		/* Of the same trace: still the one before. */
		VGG_TRACE_NAMED(INPUT, "input");
		{
			VGG_TRACE_INFERENCE(l->trace, l->number, 0);
			VGG_TRACE_NAMED(CALL, "submit");
		}
	}
	return vgg_trace_here.trace;
}

TEST(many_threads_record_at_once)
{
	bool seen[LANES * RUNS + 1] = { false };
	struct lane lanes[LANES];
	unsigned int lane = 0, i;
	struct vgg_trace_event e;
	struct vgg_trace *t;
	size_t k;

	OK(vgg_trace_create(0, &t));
	for (i = 0; i < LANES; i++) {
		lanes[i] = (struct lane){ .trace = t, .number = i };
		ASSERT_EQ(0, pthread_create(&lanes[i].thread, NULL, run_lane,
					    &lanes[i]));
	}
	for (i = 0; i < LANES; i++) {
		void *left = t;

		ASSERT_EQ(0, pthread_join(lanes[i].thread, &left));
		EXPECT_TRUE(!left);
	}
	expect_order(t);
	/* Each: inference, input, call; and the input is its thread's work. */
	EXPECT_EQ(4u * LANES * RUNS, info_of(t).events);
	EXPECT_EQ((unsigned int)LANES * RUNS, info_of(t).images);
	EXPECT_EQ(3u * LANES, info_of(t).tracks);
	for (k = 0; k < info_of(t).events; k++) {
		struct vgg_trace_track track = VGG_INIT(track);

		e = event_of(t, k);
		ASSERT_TRUE(e.image > 0 && e.image <= LANES * RUNS);
		if (e.kind != VGG_TRACE_IMAGE)
			continue;
		ASSERT_FALSE(seen[e.image]);
		seen[e.image] = true;
		OK(vgg_trace_track(t, e.track, &track));
		EXPECT_STREQ("images", track.group);
		lane += !k || strcmp(track.name, "inferences");
	}
	EXPECT_LT((unsigned int)(LANES - 1) * RUNS, lane);
	vgg_trace_free(t);
}

/* Each lane with threads of its own, and some that all have in turns. */
struct pooled {
	struct lane lane;
	struct vgg_threads *own, *shared;
	atomic_bool began;
};

/* Who finds the threads claimed waits, and that is told; who doesn't, doesn't. */
static void *run_claiming(void *arg)
{
	struct pooled *p = arg;
	int i;

	for (i = 0; i < 2; i++) {
		VGG_TRACE_INFERENCE(p->lane.trace, p->lane.number, 0);
		vgg_threads_claim(p->shared);
		{
			VGG_TRACE_NAMED(CALL, "the turn");
			p->began = true;
		}
		vgg_threads_unclaim(p->shared);
	}
	return NULL;
}

TEST(waiting_is_told)
{
	struct pooled p = { .began = false };
	struct vgg_trace_event e, turn = VGG_INIT(turn);
	struct timespec while_ = { .tv_nsec = 2000000 };
	unsigned int waits = 0, tries;
	size_t i;

	OK(vgg_trace_create(0, &p.lane.trace));
	OK(vgg_threads_create(1, &p.shared));
	/* A thread may start later than another one sleeps. */
	for (tries = 0; !waits && tries < 500; tries++) {
		p.began = false;
		vgg_trace_clear(p.lane.trace);
		vgg_threads_claim(p.shared);
		ASSERT_EQ(0, pthread_create(&p.lane.thread, NULL, run_claiming,
					    &p));
		nanosleep(&while_, NULL);
		EXPECT_FALSE(p.began);
		vgg_threads_unclaim(p.shared);
		ASSERT_EQ(0, pthread_join(p.lane.thread, NULL));
		waits = count_of(p.lane.trace, VGG_TRACE_WAIT);
	}
	ASSERT_EQ(1u, waits);
	EXPECT_EQ(2u, count_of(p.lane.trace, VGG_TRACE_CALL));
	expect_order(p.lane.trace);
	for (i = 0; i < info_of(p.lane.trace).events; i++) {
		e = event_of(p.lane.trace, i);
		if (e.kind == VGG_TRACE_CALL && e.image == 1)
			turn = e;
	}
	for (i = 0; i < info_of(p.lane.trace).events; i++) {
		e = event_of(p.lane.trace, i);
		if (e.kind != VGG_TRACE_WAIT)
			continue;
		EXPECT_STREQ("wait", e.kind_name);
		EXPECT_EQ(1u, e.image);
		EXPECT_LE(e.end, turn.begin);
	}
	vgg_threads_free(p.shared);
	vgg_trace_free(p.lane.trace);
}

#define POOLED_RUNS 40
#define TASKS 8

static void some_work(void *ctx, int worker, size_t i)
{
	uint64_t until = vgg_trace_now() + 2000 + 500 * i;

	(void)ctx;
	(void)worker;
	while (vgg_trace_now() < until)
		;
}

static void *run_pooled(void *arg)
{
	const struct pooled *p = arg;
	int i;

	for (i = 0; i < POOLED_RUNS; i++) {
		VGG_TRACE_INFERENCE(p->lane.trace, p->lane.number, 0);
		VGG_TRACE_NAMED(PART, "part");
		vgg_parallel(p->own, TASKS, some_work, NULL);
		vgg_parallel(p->shared, TASKS, some_work, NULL);
		vgg_parallel(p->shared, 1, some_work, NULL);
	}
	return NULL;
}

TEST(all_tasks_of_all_threads_are_there)
{
	struct pooled lanes[3];
	struct vgg_threads *shared;
	struct vgg_trace_event e;
	unsigned int tasks = 0, i;
	struct vgg_trace *t;
	size_t k;

	OK(vgg_trace_create(0, &t));
	OK(vgg_threads_create(3, &shared));
	for (i = 0; i < 3; i++) {
		lanes[i] = (struct pooled){ .lane = { .trace = t, .number = i },
					    .shared = shared };
		OK(vgg_threads_create(2, &lanes[i].own));
		ASSERT_EQ(0, pthread_create(&lanes[i].lane.thread, NULL,
					    run_pooled, &lanes[i]));
	}
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_join(lanes[i].lane.thread, NULL));
		vgg_threads_free(lanes[i].own);
	}
	vgg_threads_free(shared);
	expect_order(t);
	for (k = 0; k < info_of(t).events; k++) {
		e = event_of(t, k);
		tasks += e.tasks;
		EXPECT_EQ(e.kind == VGG_TRACE_WORK, e.tasks > 0);
	}
	EXPECT_EQ(3u * POOLED_RUNS * (2 * TASKS + 1), tasks);
	vgg_trace_free(t);
}

/*
 * Sessions.
 */
struct traced {
	struct vgg_device *device;
	struct vgg_model *model;
	struct vgg_session *session;
	struct vgg_trace *trace;
	float *input;
	struct vgg_result result;
};

static void traced_begin(struct traced *x, const struct vgg_device_options *d,
			 const char *device,
			 const struct vgg_session_options *session)
{
	struct vgg_session_options o = *session;

	if (!x->device)
		OK(vgg_device_open(device, d, &x->device));
	OK(vgg_trace_create(0, &x->trace));
	o.trace = x->trace;
	OK(vgg_session_create(x->device, x->model, &o, &x->session));
	x->result.size = sizeof(x->result);
}

static void traced_run(struct traced *x)
{
	OK(vgg_session_run_tensor(x->session, x->input,
				  (size_t)vgg_shape_count(&x->model->input),
				  &x->result));
}

static void traced_end(struct traced *x)
{
	vgg_session_free(x->session);
	vgg_device_close(x->device);
	vgg_trace_free(x->trace);
	vgg_model_free(x->model);
	free(x->input);
}

static void traced_net(struct traced *x, uint64_t *seed, bool wide)
{
	*x = (struct traced){ 0 };
	x->model = wide ? net_wide(seed) : net_random(seed);
	net_quantize(x->model);
	x->input = net_input(x->model, seed);
}

/* Each layer that does work is in some step, and the card's ones in a job. */
static void expect_layers(const struct traced *x)
{
	const struct vgg_model *m = x->model;
	size_t n = info_of(x->trace).events, k;
	struct vgg_trace_event e;
	unsigned int i;
	bool on_card;

	for (i = 0; i < m->count; i++) {
		unsigned int steps = 0, modelled = 0;

		for (k = 0; k < n; k++) {
			e = event_of(x->trace, k);
			if (e.layer > (int)i || e.layer + e.layers <= (int)i)
				continue;
			steps += e.kind == VGG_TRACE_STEP ||
				 e.kind == VGG_TRACE_FLOAT;
			modelled += e.kind == VGG_TRACE_LAYER;
		}
		vgg_session_layer_reason(x->session, i, &on_card);
		if (i < m->integer_layers && vgg_layer_is_free(&m->layers[i]))
			continue;
		EXPECT_EQ(1u, steps);
		EXPECT_EQ(on_card ? 1u : 0u, modelled);
	}
}

/* What the card counted; and what the model says is just that: a job is its
 * layers and what the job itself costs. */
static void expect_cycles(const struct traced *x)
{
	size_t n = info_of(x->trace).events, k;
	uint64_t jobs = 0, layers = 0, bytes = 0, moved = 0;
	struct vgg_device_info d = VGG_INIT(d);
	struct vgg_trace_event e;
	unsigned int count = 0;

	OK(vgg_device_info(x->device, &d));
	for (k = 0; k < n; k++) {
		e = event_of(x->trace, k);
		if (e.kind == VGG_TRACE_JOB) {
			jobs += e.cycles;
			count++;
			EXPECT_NEAR((double)e.cycles / d.clock_khz, e.card_ms,
				    1e-9);
		}
		layers += e.kind == VGG_TRACE_LAYER ? e.cycles : 0;
		bytes += e.kind == VGG_TRACE_DMA ? e.bytes : 0;
		EXPECT_EQ(e.modelled,
			  e.kind == VGG_TRACE_LAYER || e.kind == VGG_TRACE_DMA);
	}
	EXPECT_EQ(x->result.card_cycles, jobs);
	EXPECT_EQ(jobs,
		  layers + (uint64_t)count * (d.job_cycles + d.command_cycles));
	moved = (uint64_t)vgg_shape_count(&x->model->input);
	if (count)
		EXPECT_GE(bytes, moved);
}

TEST(random_networks_leave_complete_traces)
{
	struct vgg_session_options o = VGG_INIT(o);
	uint64_t seed = test_seed();
	struct traced x;
	int i, cards = 0;

	o.split = VGG_SPLIT_OFFLOAD;
	for (i = 0; i < NETS; i++) {
		o.threads = 1 + i % 3;
		traced_net(&x, &seed, false);
		traced_begin(&x, NULL, "sim", &o);
		EXPECT_EQ(0u, info_of(x.trace).events); /* uploads are none */
		traced_run(&x);
		expect_order(x.trace);
		expect_layers(&x);
		expect_cycles(&x);
		EXPECT_EQ(1u, count_of(x.trace, VGG_TRACE_IMAGE));
		EXPECT_EQ(count_of(x.trace, VGG_TRACE_JOB) * 2,
			  count_of(x.trace, VGG_TRACE_CALL));
		cards += x.result.card_cycles > 0;
		EXPECT_EQ(x.result.card_cycles > 0, info_of(x.trace).unpaced);
		vgg_trace_clear(x.trace);
		traced_run(&x);
		traced_run(&x);
		EXPECT_EQ(2u, count_of(x.trace, VGG_TRACE_IMAGE));
		expect_order(x.trace);
		traced_end(&x);
	}
	EXPECT_LT(0, cards);
}

TEST(floating_point_is_traced)
{
	struct vgg_session_options o = VGG_INIT(o);
	uint64_t seed = test_seed();
	struct traced x;

	o.precision = VGG_PRECISION_FP32;
	o.threads = 2;
	traced_net(&x, &seed, false);
	traced_begin(&x, NULL, "cpu", &o);
	traced_run(&x);
	expect_order(x.trace);
	EXPECT_EQ(x.model->count, count_of(x.trace, VGG_TRACE_FLOAT));
	EXPECT_EQ(0u, count_of(x.trace, VGG_TRACE_JOB));
	EXPECT_EQ(0u, info_of(x.trace).card_ns);
	EXPECT_LT(0u, info_of(x.trace).cpu_ns);
	traced_end(&x);
}

/* One layer that both compute, on a card so slow that the CPU is done before. */
TEST(card_and_cpu_are_busy_at_once)
{
	struct vgg_session_options o = VGG_INIT(o);
	struct vgg_device_options d = VGG_INIT(d);
	uint64_t seed = 5;
	struct vgg_trace_info info;
	struct vgg_plan plan = { 0 };
	struct traced x;
	unsigned int i;
	FILE *card;

	card = fopen(in_tmp("slow.card"), "w");
	fputs("clock_khz 1000\n", card);
	fclose(card);
	d.card = strdup(in_tmp("slow.card"));
	d.pace = true;
	traced_net(&x, &seed, true);
	OK(vgg_plan_alloc(&plan, x.model));
	for (i = 0; i < plan.count; i++) {
		int grain = vgg_plan_grain(&x.model->layers[i], VGG_BY_ROWS);

		if (!grain)
			continue;
		plan.layers[i].where = VGG_BY_ROWS;
		plan.layers[i].cut = grain;
		break;
	}
	ASSERT_LT(i, plan.count);
	OK(vgg_plan_write(&plan, x.model, in_tmp("plan.json")));
	vgg_plan_clear(&plan);
	o.plan = strdup(in_tmp("plan.json"));
	o.threads = 2;
	traced_begin(&x, &d, "sim", &o);
	traced_run(&x);
	traced_run(&x);
	expect_order(x.trace);
	info = info_of(x.trace);
	TH_LOG("card %.3f, CPU %.3f, both %.3f ms", (double)info.card_ns / 1e6,
	       (double)info.cpu_ns / 1e6, (double)info.both_ns / 1e6);
	EXPECT_LT(0u, info.both_ns);
	EXPECT_FALSE(info.unpaced);
	/* A job of a paced card is no shorter than the card's own time. */
	for (i = 0; i < info.events; i++) {
		struct vgg_trace_event e = event_of(x.trace, i);

		if (e.kind == VGG_TRACE_STEP && e.cut)
			EXPECT_STREQ("rows", e.where);
		if (e.kind == VGG_TRACE_JOB)
			EXPECT_LE(e.card_ms * 0.999,
				  (double)(e.end - e.begin) / 1e6);
	}
	EXPECT_EQ(2u, count_of(x.trace, VGG_TRACE_JOB));
	traced_end(&x);
	free((void *)d.card);
	free((void *)o.plan);
}

/* FILLs a megabyte. */
static uint64_t submit_fill(struct vgg_device *d, struct vgg_buffer *stream,
			    struct vgg_buffer *to)
{
	union {
		struct vgg_hw_cmd_fill fill;
		struct vgg_hw_cmd_plain end;
	} *c = vgg_buffer_map(stream);
	struct vgg_job job = VGG_INIT(job);
	uint64_t ticket = 0;

	memset(c, 0, 2 * sizeof(*c));
	c[0].fill.head.opcode = VGG_CMD_FILL;
	c[0].fill.dst = vgg_buffer_address(to);
	c[0].fill.width = 1 << 20;
	c[0].fill.height = 1;
	c[1].end.head.opcode = VGG_CMD_END;
	job.stream = vgg_buffer_address(stream);
	job.stream_bytes = 2 * VGG_CMD_SIZE;
	OK(vgg_submit(d, &job, &ticket));
	return ticket;
}

#define FILLS 5
#define LATE_NS 300000000

/* Several jobs are under way, and nobody looks until long after they ended: when
 * each did is known all the same. */
TEST(ends_of_jobs_are_known_to_who_comes_late)
{
	struct vgg_session_options o = VGG_INIT(o);
	struct vgg_completion c[FILLS] = { 0 };
	struct vgg_buffer *stream, *to;
	uint64_t tickets[FILLS], late, seed = 5;
	struct vgg_trace_event e;
	unsigned int jobs = 0, i;
	struct traced x;

	o.split = VGG_SPLIT_CPU;
	traced_net(&x, &seed, false);
	traced_begin(&x, NULL, "sim", &o);
	OK(vgg_buffer_create(x.device, 1 << 20, VGG_BUFFER_HOST, &to));
	OK(vgg_buffer_create(x.device, 4096, VGG_BUFFER_HOST, &stream));
	{
		VGG_TRACE_INFERENCE(x.trace, 0, 0);
		for (i = 0; i < FILLS; i++)
			tickets[i] = submit_fill(x.device, stream, to);
		nanosleep(&(struct timespec){ .tv_nsec = LATE_NS }, NULL);
		late = vgg_trace_now();
		for (i = 0; i < FILLS; i++) {
			c[i].size = sizeof(c[i]);
			OK(vgg_wait(x.device, tickets[i], &c[i]));
			EXPECT_LT(c[i].seen_ns, late);
			EXPECT_LT(i ? c[i - 1].seen_ns : 0, c[i].seen_ns);
		}
	}
	expect_order(x.trace);
	for (i = 0; i < info_of(x.trace).events; i++) {
		e = event_of(x.trace, i);
		if (e.kind != VGG_TRACE_JOB)
			continue;
		EXPECT_EQ(c[jobs].seen_ns, e.end);
		EXPECT_EQ(c[jobs].cycles, e.cycles);
		EXPECT_LT(e.begin, e.end);
		jobs++;
	}
	EXPECT_EQ((unsigned int)FILLS, jobs);
	vgg_buffer_destroy(stream);
	vgg_buffer_destroy(to);
	traced_end(&x);
}

/* By the module's interface: what calls make of system calls lies in them. */
TEST(system_calls_lie_in_calls)
{
	struct vgg_device_options d = VGG_INIT(d);
	struct vgg_session_options o = VGG_INIT(o);
	uint64_t seed = test_seed();
	unsigned int submits = 0, k;
	struct vgg_trace_event e, outer = { 0 };
	struct vgg_backend *b;
	const char *root;
	struct traced x;

	d.timeout_ms = 120000;
	traced_net(&x, &seed, true);
	root = fake_machine();
	fake_node("accel", "accel0", "0000:01:00.0", "vggaccel");
	OK(vgg_drm_backend_open(root, "card", &d, &b));
	OK(vgg_device_wrap(b, VGG_DEVICE_CARD, 120000, &x.device));
	o.split = VGG_SPLIT_OFFLOAD;
	traced_begin(&x, NULL, NULL, &o);
	fake_drm.submits = fake_drm.preps = fake_drm.finis = 0;
	traced_run(&x);
	expect_order(x.trace);
	for (k = 0; k < info_of(x.trace).events; k++) {
		e = event_of(x.trace, k);
		if (e.kind != VGG_TRACE_CALL)
			continue;
		if (!e.depth) {
			outer = e;
			continue;
		}
		EXPECT_EQ(1u, e.depth);
		if (!strcmp(e.name, "ioctl SUBMIT")) {
			EXPECT_STREQ("submit", outer.name);
			submits++;
		} else if (!strcmp(e.name, "ioctl BO_PREP")) {
			EXPECT_STREQ("prepare", outer.name);
			fake_drm.preps--;
		} else if (!strcmp(e.name, "ioctl BO_FINI")) {
			EXPECT_STREQ("finish", outer.name);
			fake_drm.finis--;
		} else {
			EXPECT_STREQ("ioctl SYNCOBJ_TIMELINE_WAIT", e.name);
		}
	}
	EXPECT_LT(0u, submits);
	EXPECT_EQ(fake_drm.submits, submits);
	EXPECT_EQ(0u, fake_drm.preps);
	EXPECT_EQ(0u, fake_drm.finis);
	traced_end(&x);
}

/*
 * The edges of the interface.
 */
TEST(no_trace_no_events)
{
	struct vgg_session_options o = VGG_INIT(o);
	uint64_t seed = test_seed();
	struct traced x;
	struct vgg_session *other;

	traced_net(&x, &seed, false);
	traced_begin(&x, NULL, "sim", &o);
	/* It has a session already. */
	o.trace = x.trace;
	EXPECT_EQ(-EINVAL, vgg_session_create(x.device, x.model, &o, &other));
	EXPECT_CONTAINS(vgg_error_last()->what, "another session's");
	/* A caller that knows no traces: what lies there is not read. */
	o.size = offsetof(struct vgg_session_options, trace);
	OK(vgg_session_create(x.device, x.model, &o, &other));
	OK(vgg_session_run_tensor(other, x.input,
				  (size_t)vgg_shape_count(&x.model->input),
				  &x.result));
	EXPECT_EQ(0u, info_of(x.trace).events);
	EXPECT_TRUE(!vgg_trace_here.trace);
	vgg_session_free(other);
	/* Freed, it has room for the next, and keeps what it has. */
	traced_run(&x);
	vgg_session_free(x.session);
	o = (struct vgg_session_options)VGG_INIT(o);
	o.trace = x.trace;
	OK(vgg_session_create(x.device, x.model, &o, &x.session));
	traced_run(&x);
	EXPECT_EQ(2u, count_of(x.trace, VGG_TRACE_IMAGE));
	expect_order(x.trace);
	traced_end(&x);
}

TEST(what_is_not_there_is_refused)
{
	struct vgg_trace_event e = VGG_INIT(e);
	struct vgg_trace_track track = VGG_INIT(track);
	struct vgg_trace_info info = { 0 };
	struct vgg_trace *t;

	OK(vgg_trace_create(8, &t));
	EXPECT_EQ(-EINVAL, vgg_trace_event(t, 0, &e));
	EXPECT_EQ(-EINVAL, vgg_trace_track(t, 0, &track));
	EXPECT_EQ(-EINVAL, vgg_trace_info(t, &info)); /* no size */
	EXPECT_EQ(-EINVAL, vgg_trace_save(t, in_tmp("trace.png")));
	EXPECT_CONTAINS(vgg_error_last()->next_step, ".json, .svg or .html");
	EXPECT_EQ(-EINVAL, vgg_trace_save(t, in_tmp("trace")));
	EXPECT_EQ(-ENOENT, vgg_trace_save(t, "/nonexistent/t.svg"));
	/* Nothing happened: that can be drawn. */
	OK(vgg_trace_save(t, in_tmp("none.svg")));
	OK(vgg_trace_save(t, in_tmp("none.html")));
	OK(vgg_trace_save(t, in_tmp("none.json")));
	vgg_trace_free(t);
}

/* Names come from files of anyone: no document breaks, no picture runs them. */
TEST(names_are_quoted)
{
	struct vgg_session_options o = VGG_INIT(o);
	uint64_t seed = 3;
	char text[200000];
	json_t *doc;
	struct traced x;
	size_t n;
	FILE *in;

	traced_net(&x, &seed, false);
	free(x.model->layers[0].name);
	x.model->layers[0].name = strdup("<b>&\"\x01\xff</script>");
	traced_begin(&x, NULL, "cpu", &o);
	traced_run(&x);
	OK(vgg_trace_save(x.trace, in_tmp("odd.html")));
	in = fopen(in_tmp("odd.html"), "r");
	n = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[n] = 0;
	EXPECT_CONTAINS(text, "&lt;b&gt;&amp;&quot;??&lt;/script&gt;");
	EXPECT_TRUE(!strstr(text, "<b>"));
	OK(vgg_trace_save(x.trace, in_tmp("odd.json")));
	doc = json_load_file(in_tmp("odd.json"), 0, NULL);
	EXPECT_TRUE(doc != NULL);
	json_decref(doc);
	traced_end(&x);
}

TEST_HARNESS_MAIN
