// SPDX-License-Identifier: MIT
/*
 * Promise two: where a layer runs never changes the answer, to the bit. Random
 * networks on the card and on the CPU, with every legal order of the card's
 * engines, on cards of all sizes, with any number of threads and any kernels.
 * And promise three: an injected fault ends in the error that is its name.
 */
#include <errno.h>
#include <pthread.h>
#include <math.h>
#include <stddef.h>

#include "kernels/kernels.h"
#include "vggaccel_hw.h"
#include "net.h"
#include "vgg_harness.h"

#define NETS (test_emulated() ? 8 : 60)
/* Of a job that hangs: far more than a good one takes on a busy machine. */
/* For jobs that fail by it, and where such a one is followed by a good job; for
 * those that must succeed, however slow the machine. */
#define LIMIT_MS (test_emulated() ? 6000 : 2000)
#define SOON_MS 60000

struct way {
	const char *device, *order, *card, *inject;
	enum vgg_split split;
	int threads;
	uint32_t timeout_ms;
};

static int open_way(const struct way *w, struct vgg_device **d)
{
	struct vgg_device_options o = VGG_INIT(o);

	o.order = w->order;
	o.card = w->card;
	o.inject = w->inject;
	o.timeout_ms = w->timeout_ms;
	return vgg_device_open(w->device, &o, d);
}

/* One inference; the error is kept for the caller. */
static int run(const struct way *w, const struct vgg_model *m,
	       const float *input, struct vgg_result *r)
{
	struct vgg_session_options so = VGG_INIT(so);
	struct vgg_session *s = NULL;
	struct vgg_device *d;
	int err = open_way(w, &d);

	if (err)
		return err;
	so.split = w->split;
	so.threads = w->threads;
	err = vgg_session_create(d, m, &so, &s);
	if (!err)
		err = vgg_session_run_tensor(
			s, input, (size_t)vgg_shape_count(&m->input), r);
	r->output = NULL;
	vgg_session_free(s);
	vgg_device_close(d);
	return err;
}

/* A card profile in a file. */
static const char *profile(const char *name, const char *text)
{
	static char path[8][256];
	static int turn;
	char *to = path[turn++ % 8];
	FILE *f;

	snprintf(to, sizeof(path[0]), "%s/%s", test_tmpdir(), name);
	f = fopen(to, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
	return to;
}

static void describe(const struct vgg_model *m)
{
	char kind[48], in[32], out[32];
	unsigned int i;

	for (i = 0; i < m->count; i++)
		TH_LOG("%u %s %s -> %s: %s", i,
		       vgg_layer_kind(&m->layers[i], kind, sizeof(kind)),
		       vgg_shape_text(&m->layers[i].in, in, sizeof(in)),
		       vgg_shape_text(&m->layers[i].out, out, sizeof(out)),
		       m->layers[i].cpu_reason ? m->layers[i].cpu_reason : "");
}

TEST_TIMEOUT(card_and_cpu_agree_on_random_networks, 120)
{
	const struct way ways[] = {
		{ .device = "cpu", .threads = 3 },
		{ .device = "sim", .threads = 1 },
		{ .device = "sim", .threads = 2, .order = "dma-late" },
		{ .device = "sim", .threads = 1, .order = "mac-late" },
		{ .device = "sim", .split = VGG_SPLIT_CPU, .threads = 2 },
		{ .device = "sim",
		  .threads = 1,
		  .order = "dma-late", /* inputs are copied here */
		  .card = profile("tiny", "onchip_kib 1\nlocal_mib 1\n") },
		{ .device = "sim",
		  .threads = 1,
		  .order = "mac-late",
		  .card = profile("none", "local_mib 0\n") },
	};
	static const char *const disabled[] = {
		"winograd",
		"avx512,neon-dot",
		"avx512,avx2,neon-dot,neon",
		"avx512,avx2,neon-dot,neon,generic",
	};
	uint64_t seed = test_seed();
	size_t w;
	int i;

	for (i = 0; i < NETS; i++) {
		struct vgg_model *m = net_random(&seed);
		struct vgg_result want = VGG_INIT(want), got = VGG_INIT(got);
		float *x;

		net_quantize(m);
		x = net_input(m, &seed);
		OK(run(&(struct way){ .device = "cpu", .threads = 1 }, m, x,
		       &want));
		for (w = 0; w < sizeof(ways) / sizeof(*ways); w++) {
			OK(run(&ways[w], m, x, &got));
			EXPECT_STREQ(want.sha256, got.sha256);
		}
		for (w = 0; w < sizeof(disabled) / sizeof(*disabled); w++) {
			setenv("VGG_DISABLE", disabled[w], 1);
			OK(run(&(struct way){ .device = "cpu", .threads = 2 },
			       m, x, &got));
			unsetenv("VGG_DISABLE");
			EXPECT_STREQ(want.sha256, got.sha256);
		}
		if (test_state.failed) {
			describe(m);
			TEST_END_;
		}
		free(x);
		vgg_model_free(m);
	}
}

struct seen {
	unsigned int layers, on_card;
	double worst;
};

static int note(void *ctx, const struct vgg_verify_layer *l)
{
	struct seen *s = ctx;

	s->layers++;
	s->on_card += l->on_card;
	if (l->has_fp32 && l->cosine < s->worst)
		s->worst = l->cosine;
	return 0;
}

TEST_TIMEOUT(verification_sees_every_layer_and_fp32_is_near, 120)
{
	uint64_t seed = test_seed() + 1;
	double sum = 0;
	int i, n = NETS / 4;

	for (i = 0; i < n; i++) {
		struct vgg_model *m = net_random(&seed);
		struct seen s = { .worst = 1 };
		struct vgg_device *d;
		float *x;

		net_quantize(m);
		x = net_input(m, &seed);
		OK(vgg_device_open("sim", NULL, &d));
		OK(vgg_verify(d, m, x, (size_t)vgg_shape_count(&m->input), 1,
			      note, &s));
		EXPECT_EQ(m->integer_layers, s.layers);
		EXPECT_LT(0u, s.on_card);
		/* One bad layer must not hide behind good networks. */
		EXPECT_LT(0.6, s.worst);
		sum += s.worst;
		vgg_device_close(d);
		free(x);
		vgg_model_free(m);
	}
	/* Inputs are noise, not the images that were calibrated with: near,
	 * not equal. A broken scale or zero point gives values around 0. */
	EXPECT_LT(0.8, sum / n);
}

TEST(split_card_names_the_layer_that_cannot)
{
	uint64_t seed = 5;
	struct vgg_model *m = net_small(&seed);
	struct vgg_result r = VGG_INIT(r);
	float *x = net_input(m, &seed);

	net_quantize(m);
	OK(run(&(struct way){ .device = "sim", .split = VGG_SPLIT_CARD }, m, x,
	       &r));
	m->layers[0].cpu_reason = "a test says so";
	EXPECT_EQ(-EOPNOTSUPP,
		  run(&(struct way){ .device = "sim", .split = VGG_SPLIT_CARD },
		      m, x, &r));
	EXPECT_CONTAINS(vgg_error_last()->what, "a test says so");
	EXPECT_CONTAINS(vgg_error_last()->where, "conv_0");
	EXPECT_EQ(-ENODEV,
		  run(&(struct way){ .device = "cpu", .split = VGG_SPLIT_CARD },
		      m, x, &r));
	free(x);
	vgg_model_free(m);
}

TEST(wrong_input_sizes_and_missing_precisions_are_named)
{
	uint64_t seed = 6;
	struct vgg_model *m = net_small(&seed);
	struct vgg_session *s;
	struct vgg_device *d;
	struct vgg_result r = VGG_INIT(r);
	float *x = net_input(m, &seed);

	OK(vgg_device_open("cpu", NULL, &d));
	EXPECT_EQ(-ENODATA, vgg_session_create(d, m, NULL, &s));
	EXPECT_CONTAINS(vgg_error_last()->next_step, "fp32");
	net_quantize(m);
	OK(vgg_session_create(d, m, NULL, &s));
	EXPECT_EQ(-ERANGE, vgg_session_run_tensor(s, x, 5, &r));
	EXPECT_CONTAINS(vgg_error_last()->what, "3x8x8");
	vgg_session_free(s);
	vgg_device_close(d);
	free(x);
	vgg_model_free(m);
}

/*
 * Faults. `ends` is the errno of the inference.
 */
FIXTURE(fault)
{
	struct vgg_model *m;
	float *x;
};

FIXTURE_VARIANT(fault)
{
	const char *inject;
	int ends;
	const char *says;
};

/* Uploading weights takes three jobs with this network; the inference is the
 * fourth. */
FIXTURE_VARIANT_ADD(fault, hang){ "HANG", -ETIMEDOUT, "did not finish" };
FIXTURE_VARIANT_ADD(fault, hang_later){ "HANG,after=2", -ETIMEDOUT,
					"did not finish" };
FIXTURE_VARIANT_ADD(fault, lost_irq){ "LOST_IRQ,count=2", 0, "" };
FIXTURE_VARIANT_ADD(fault, spurious_irq){ "SPURIOUS_IRQ,count=9", 0, "" };
FIXTURE_VARIANT_ADD(fault, all_ones){ "ALL_ONES,after=1", -ENXIO,
				      "no longer answers" };
FIXTURE_VARIANT_ADD(fault, bad_seq){ "BAD_SEQ", -ETIMEDOUT, "did not finish" };
FIXTURE_VARIANT_ADD(fault, bad_status){ "BAD_STATUS", -EREMOTEIO, "UNKNOWN" };
FIXTURE_VARIANT_ADD(fault, duplicate){ "DUP_COMPLETION,count=9", 0, "" };
FIXTURE_VARIANT_ADD(fault, ecc){ "ECC", -EREMOTEIO, "ECC" };
FIXTURE_VARIANT_ADD(fault, stray_dma){ "STRAY_DMA,arg=3", -EREMOTEIO,
				       "UNMAPPED" };
FIXTURE_VARIANT_ADD(fault, version){ "HW_VERSION", -EPROTO, "version" };
FIXTURE_VARIANT_ADD(fault, slow){ "SLOW,arg=1000", 0, "" };

FIXTURE_SETUP(fault)
{
	uint64_t seed = 7;

	self->m = net_small(&seed);
	self->x = net_input(self->m, &seed);
	net_quantize(self->m);
}

FIXTURE_TEARDOWN(fault)
{
	vgg_model_free(self->m);
	free(self->x);
}

TEST_F(fault, ends_in_its_name)
{
	struct vgg_result want = VGG_INIT(want), got = VGG_INIT(got);
	struct way w = { .device = "sim",
			 .inject = variant->inject,
			 .timeout_ms = variant->ends ? LIMIT_MS : SOON_MS };

	EXPECT_EQ(variant->ends, run(&w, self->m, self->x, &got));
	if (variant->ends) {
		char all[1100];

		snprintf(all, sizeof(all), "%s %s", vgg_error_last()->where,
			 vgg_error_last()->what);
		EXPECT_CONTAINS(all, variant->says);
		return;
	}
	/* Survived without notice: then the answer is right. */
	OK(run(&(struct way){ .device = "cpu" }, self->m, self->x, &want));
	EXPECT_STREQ(want.sha256, got.sha256);
}

/* After a hang and its reset the same device works again. */
TEST(device_recovers_from_a_hang)
{
	struct vgg_device_options o = VGG_INIT(o);
	struct vgg_result want = VGG_INIT(want), got = VGG_INIT(got);
	struct vgg_session *s;
	struct vgg_device *d;
	uint64_t seed = 8;
	struct vgg_model *m = net_small(&seed);
	float *x = net_input(m, &seed);
	size_t n = (size_t)vgg_shape_count(&m->input);

	net_quantize(m);
	o.inject = "HANG,after=2";
	o.timeout_ms = 3 * LIMIT_MS;
	OK(vgg_device_open("sim", &o, &d));
	OK(vgg_session_create(d, m, NULL, &s));
	EXPECT_EQ(-ETIMEDOUT, vgg_session_run_tensor(s, x, n, &got));
	OK(vgg_session_run_tensor(s, x, n, &got));
	OK(run(&(struct way){ .device = "cpu" }, m, x, &want));
	EXPECT_STREQ(want.sha256, got.sha256);
	vgg_session_free(s);
	vgg_device_close(d);
	free(x);
	vgg_model_free(m);
}

TEST(a_flipped_bit_is_caught_by_verification)
{
	struct vgg_device_options o = VGG_INIT(o);
	uint64_t seed = 9;
	struct vgg_model *m = net_small(&seed);
	float *x = net_input(m, &seed);
	struct vgg_device *d;

	net_quantize(m);
	o.inject = "BIT_FLIP,after=2,arg=6";
	OK(vgg_device_open("sim", &o, &d));
	EXPECT_EQ(-EILSEQ,
		  vgg_verify(d, m, x, (size_t)vgg_shape_count(&m->input), 1,
			     NULL, NULL));
	EXPECT_CONTAINS(vgg_error_last()->where, "conv_0");
	vgg_device_close(d);
	free(x);
	vgg_model_free(m);
}

/* Buffers and jobs at the lowest level of the public interface. */
TEST(buffers_and_errors_of_jobs)
{
	struct vgg_completion c = VGG_INIT(c);
	struct vgg_job job = VGG_INIT(job);
	struct vgg_buffer *b, *big;
	struct vgg_device *d;
	uint64_t ticket;

	OK(vgg_device_open("sim", NULL, &d));
	EXPECT_EQ(-EINVAL, vgg_buffer_create(d, 0, VGG_BUFFER_HOST, &b));
	EXPECT_EQ(-ENOSPC,
		  vgg_buffer_create(d, 1ull << 35, VGG_BUFFER_LOCAL, &big));
	OK(vgg_buffer_create(d, 4096, VGG_BUFFER_HOST, &b));
	ASSERT_TRUE(vgg_buffer_map(b) != NULL);
	memset(vgg_buffer_map(b), 0xff, 4096);
	job.stream = vgg_buffer_address(b);
	job.stream_bytes = 256;
	job.tag = 77;
	OK(vgg_submit(d, &job, &ticket));
	EXPECT_EQ(-EREMOTEIO, vgg_wait(d, ticket, &c));
	EXPECT_STREQ("OPCODE", vgg_status_name(c.status));
	EXPECT_EQ(0u, c.index);
	job.stream = 0x1000;
	OK(vgg_submit(d, &job, &ticket));
	EXPECT_EQ(-EREMOTEIO, vgg_wait(d, ticket, &c));
	EXPECT_STREQ("UNMAPPED", vgg_status_name(c.status));
	EXPECT_EQ(-EINVAL, vgg_wait(d, ticket + 1, &c));
	vgg_buffer_destroy(b);
	vgg_device_close(d);
	EXPECT_EQ(-ENODEV, vgg_device_open("/dev/accel/none", NULL, &d));
	EXPECT_EQ(-EINVAL,
		  vgg_device_open(
			  "sim",
			  &(struct vgg_device_options){
				  .size = sizeof(struct vgg_device_options),
				  .inject = "NO_SUCH" },
			  &d));
}

/*
 * The same bytes on every architecture, from the JPEG to the last integer: the
 * built-in network's hashes of the samples are stored. After a new training,
 * `vggctl --json run samples` gives the new ones.
 */
TEST(samples_have_the_stored_hashes)
{
	FILE *list = fopen(test_data("golden/samples.txt"), "r");
	char name[64], hash[65], path[600];
	struct vgg_result r = VGG_INIT(r);
	struct vgg_session *s;
	struct vgg_device *d;
	struct vgg_model *m;
	int n = 0;

	ASSERT_TRUE(list != NULL);
	OK(vgg_model_load_default(&m));
	OK(vgg_device_open("sim", NULL, &d));
	OK(vgg_session_create(d, m, NULL, &s));
	while (fscanf(list, "%63s %64s", name, hash) == 2) {
		snprintf(path, sizeof(path), "../samples/%s", name);
		OK(vgg_session_run_file(s, test_data(path), &r));
		EXPECT_STREQ(hash, r.sha256);
		n++;
	}
	EXPECT_EQ(5, n);
	fclose(list);
	vgg_session_free(s);
	vgg_device_close(d);
	vgg_model_free(m);
}

/* Numbers that are none never become an answer. */
TEST(inputs_and_weights_must_be_finite)
{
	struct vgg_result r = VGG_INIT(r);
	struct way cpu = { .device = "cpu", .threads = 1 };
	uint64_t seed = 14;
	struct vgg_model *m = net_small(&seed);
	float *x = net_input(m, &seed), *bias = (float *)m->layers[0].bias.data;

	net_quantize(m);
	x[17] = NAN;
	EXPECT_EQ(-EDOM, run(&cpu, m, x, &r));
	EXPECT_CONTAINS(vgg_error_last()->what, "element 17 is NaN");
	x[17] = INFINITY;
	EXPECT_EQ(-EDOM, run(&cpu, m, x, &r));
	EXPECT_EQ(-EINVAL, run(&cpu, m, NULL, &r));
	bias[2] = NAN;
	EXPECT_EQ(-EDOM, vgg_model_quantize(m, NULL));
	bias[2] = 0;
	((float *)m->layers[0].weight.data)[3] = INFINITY;
	EXPECT_GT(0, vgg_model_quantize(m, NULL));
	free(x);
	vgg_model_free(m);
}

TEST(structs_without_a_size_are_refused)
{
	struct vgg_device_options d = { 0 };
	struct vgg_quantize_options q = { 0 };
	struct vgg_import_options i = { 0 };
	struct vgg_model_info info = { 0 };
	struct vgg_device *device;
	struct vgg_model *m;

	EXPECT_EQ(-EINVAL, vgg_device_open("cpu", &d, &device));
	EXPECT_CONTAINS(vgg_error_last()->next_step, "VGG_INIT");
	EXPECT_EQ(-EINVAL, vgg_model_import("x", &i, &m));
	OK(vgg_model_load_default(&m));
	EXPECT_EQ(-EINVAL, vgg_model_info(m, &info));
	EXPECT_EQ(-EINVAL, vgg_model_quantize(m, &q));
	vgg_model_free(m);
}

static int ignore_image(void *ctx, const struct vgg_evaluated *image)
{
	(void)ctx;
	(void)image;
	return 0;
}

/* Of each enum that comes in, what is none of its values: it is not taken for the
 * default, wherever it comes in. */
TEST(unknown_choices_are_refused)
{
	struct vgg_session_options o = VGG_INIT(o);
	struct vgg_evaluate_options e = VGG_INIT(e);
	struct vgg_quantize_options q = VGG_INIT(q);
	struct vgg_plan_options p = VGG_INIT(p);
	static const unsigned int classes[] = { 0 };
	struct vgg_session *session;
	struct vgg_pipeline *pipeline;
	struct vgg_dataset *set;
	struct vgg_device *d;
	struct vgg_model *m;
	struct vgg_plan *plan;
	unsigned int i;

	OK(vgg_device_open("sim", NULL, &d));
	OK(vgg_model_load_default(&m));
	OK(vgg_dataset_open(test_data("../samples"), VGG_DATASET_TEST, &set));
	e.session = &o;
	e.classes = classes;
	for (i = 0; i < 2; i++) {
		o.split = i ? VGG_SPLIT_AUTO : (enum vgg_split)77;
		o.precision = (enum vgg_precision)(i ? 9 : 0);
		EXPECT_EQ(-EINVAL, vgg_session_create(d, m, &o, &session));
		EXPECT_STREQ("BAD_ARGUMENT", vgg_error_last()->name);
		EXPECT_CONTAINS(vgg_error_last()->what,
				i ? "no precision 9" : "no split 77");
		EXPECT_EQ(-EINVAL, vgg_pipeline_create(d, m, &o, 0, &pipeline));
		EXPECT_EQ(-EINVAL,
			  vgg_evaluate(d, m, set, &e, ignore_image, NULL));
	}
	p.split = (enum vgg_split)(VGG_SPLIT_OFFLOAD + 1);
	EXPECT_EQ(-EINVAL, vgg_plan_create(d, m, &p, &plan));
	q.method = (enum vgg_quantize_method)(VGG_QUANTIZE_ENTROPY + 1);
	EXPECT_EQ(-EINVAL, vgg_model_quantize(m, &q));
	EXPECT_EQ(-EINVAL,
		  vgg_model_save(m, "/nonexistent/x", (enum vgg_keep)3));
	EXPECT_STREQ("keep", vgg_error_last()->where);
	vgg_dataset_free(set);
	EXPECT_EQ(-EINVAL, vgg_dataset_open(test_data("../samples"),
					    (enum vgg_dataset_part)2, &set));
	vgg_model_free(m);
	vgg_device_close(d);
}

/* A caller built with an older header, whose structs end sooner. */
TEST(shorter_structs_are_read_no_further)
{
	size_t shorter = offsetof(struct vgg_quantize_options, max_images);
	size_t *o = calloc(1, shorter);
	uint64_t seed = 15;
	struct vgg_model *m = net_small(&seed);

	ASSERT_TRUE(o != NULL);
	o[0] = shorter;
	OK(vgg_model_quantize(m, (void *)o));
	free(o);
	vgg_model_free(m);
}

/* Nobody waits, nothing is completed: the queue fills, and says so in time. */
TEST(a_full_queue_does_not_hang)
{
	struct vgg_device_options o = VGG_INIT(o);
	struct vgg_job job = VGG_INIT(job);
	struct vgg_buffer *b;
	struct vgg_device *d;
	uint64_t ticket;
	int i, err = 0;

	o.inject = "HANG";
	o.timeout_ms = LIMIT_MS;
	OK(vgg_device_open("sim", &o, &d));
	OK(vgg_buffer_create(d, 4096, VGG_BUFFER_HOST, &b));
	((uint16_t *)vgg_buffer_map(b))[0] = VGG_CMD_END;
	job.stream = vgg_buffer_address(b);
	job.stream_bytes = 128;
	for (i = 0; !err && i < 200; i++)
		err = vgg_submit(d, &job, &ticket);
	EXPECT_EQ(-ETIMEDOUT, err);
	/* The card was reset: it works again. */
	OK(vgg_submit(d, &job, &ticket));
	OK(vgg_wait(d, ticket, NULL));
	vgg_buffer_destroy(b);
	vgg_device_close(d);
}

/* Threads that know nothing of each other share a card: each gets the results of
 * its own jobs, however late it looks at them. */
#define TICKET_THREADS 100
#define TICKET_JOBS 60

struct ticket_user {
	pthread_t thread;
	struct vgg_device *device;
	uint64_t stream; /* 0: jobs that fail */
	int wrong;
};

static void *use_tickets(void *ctx)
{
	struct ticket_user *u = ctx;
	struct vgg_job job = VGG_INIT(job);
	uint64_t ticket;
	int i, err;

	job.stream = u->stream ? u->stream : 0x1000;
	job.stream_bytes = 128;
	for (i = 0; i < TICKET_JOBS; i++) {
		err = vgg_submit(u->device, &job, &ticket);
		if (!err)
			err = vgg_wait(u->device, ticket, NULL);
		u->wrong += err != (u->stream ? 0 : -EREMOTEIO);
	}
	return NULL;
}

TEST_TIMEOUT(results_belong_to_who_submitted, 120)
{
	struct ticket_user user[TICKET_THREADS] = { 0 };
	struct vgg_job job = VGG_INIT(job);
	struct vgg_device *d;
	struct vgg_buffer *b;
	uint64_t first, ticket;
	int i;

	OK(vgg_device_open("sim", NULL, &d));
	OK(vgg_buffer_create(d, 4096, VGG_BUFFER_HOST, &b));
	((uint16_t *)vgg_buffer_map(b))[0] = VGG_CMD_END;
	job.stream = 0x1000;
	job.stream_bytes = 128;
	OK(vgg_submit(d, &job, &first));
	for (i = 0; i < TICKET_THREADS; i++) {
		user[i].device = d;
		user[i].stream = i % 2 ? vgg_buffer_address(b) : 0;
		ASSERT_EQ(0, pthread_create(&user[i].thread, NULL, use_tickets,
					    &user[i]));
	}
	for (i = 0; i < TICKET_THREADS; i++) {
		pthread_join(user[i].thread, NULL);
		EXPECT_EQ(0, user[i].wrong);
	}
	/* Some thousand jobs later, and never in place of another. */
	EXPECT_EQ(-EREMOTEIO, vgg_wait(d, first, NULL));
	job.stream = vgg_buffer_address(b);
	for (i = 0; i < 16384; i++) {
		OK(vgg_submit(d, &job, &ticket));
		OK(vgg_wait(d, ticket, NULL));
	}
	EXPECT_EQ(-EINVAL, vgg_wait(d, first, NULL));
	vgg_buffer_destroy(b);
	vgg_device_close(d);
}

TEST(small_rings_and_cards_without_injection)
{
	struct vgg_device_options o = VGG_INIT(o);
	struct vgg_result want = VGG_INIT(want), got = VGG_INIT(got);
	struct vgg_device *d;
	uint64_t seed = 16;
	struct vgg_model *m = net_small(&seed);
	float *x = net_input(m, &seed);

	net_quantize(m);
	OK(run(&(struct way){ .device = "cpu" }, m, x, &want));
	OK(run(&(struct way){ .device = "sim",
			      .card = profile("ring", "ring_log2 1\n") },
	       m, x, &got));
	EXPECT_STREQ(want.sha256, got.sha256);
	o.card = profile("no-inject", "inject 0\n");
	o.inject = "ECC";
	EXPECT_EQ(-EINVAL, vgg_device_open("sim", &o, &d));
	EXPECT_CONTAINS(vgg_error_last()->what, "can't inject");
	o.card = NULL;
	o.inject = "ECC,after=-1";
	EXPECT_EQ(-EINVAL, vgg_device_open("sim", &o, &d));
	o.inject = "ECC,arg=99999999999";
	EXPECT_EQ(-EINVAL, vgg_device_open("sim", &o, &d));
	free(x);
	vgg_model_free(m);
}

/* Buffers lie apart: what runs over the end of one faults. */
TEST(running_over_a_buffer_faults)
{
	struct vgg_completion c = VGG_INIT(c);
	struct vgg_job job = VGG_INIT(job);
	struct vgg_buffer *stream, *a, *b;
	struct vgg_hw_cmd_fill *fill;
	struct vgg_device *d;
	uint64_t ticket;

	OK(vgg_device_open("sim", NULL, &d));
	OK(vgg_buffer_create(d, 4096, VGG_BUFFER_HOST, &stream));
	OK(vgg_buffer_create(d, 4096, VGG_BUFFER_HOST, &a));
	OK(vgg_buffer_create(d, 4096, VGG_BUFFER_HOST, &b));
	fill = vgg_buffer_map(stream);
	fill[0].head.opcode = VGG_CMD_FILL;
	fill[0].dst = vgg_buffer_address(a);
	fill[0].width = 4097;
	fill[0].height = 1;
	fill[1].head.opcode = VGG_CMD_END;
	job.stream = vgg_buffer_address(stream);
	job.stream_bytes = 256;
	OK(vgg_submit(d, &job, &ticket));
	EXPECT_EQ(-EREMOTEIO, vgg_wait(d, ticket, &c));
	EXPECT_STREQ("UNMAPPED", vgg_status_name(c.status));
	vgg_buffer_destroy(stream);
	vgg_buffer_destroy(a);
	vgg_buffer_destroy(b);
	vgg_device_close(d);
}

TEST_HARNESS_MAIN
