// SPDX-License-Identifier: MIT
/*
 * The library's side of the kernel module's interface, without the kernel (see
 * fake_drm.h): which cards it finds, what it asks of the module, what it says
 * when that fails. tests/kmod has the same with the real module.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/drm.h"
#include "fake_drm.h"
#include "net.h"

#define NETS (test_emulated() ? 4 : 20)
#define CARD VGG_PCI_VENDOR_ID, VGG_PCI_DEVICE_ID

static struct vgg_device_options defaults(void)
{
	struct vgg_device_options o = VGG_INIT(o);

	o.timeout_ms = 120000;
	return o;
}

static int open_card(const char *root, const char *name, struct vgg_backend **b)
{
	struct vgg_device_options o = defaults();

	return vgg_drm_backend_open(root, name, &o, b);
}

/* A machine with one card, opened. */
static struct vgg_device *one_card(void)
{
	const char *root = fake_machine();
	struct vgg_backend *b;
	struct vgg_device *d;

	fake_node("accel", "accel0", "0000:01:00.0", "vggaccel");
	OK(open_card(root, "card", &b));
	OK(vgg_device_wrap(b, VGG_DEVICE_CARD, 120000, &d));
	/* It was tried when it was opened. */
	EXPECT_EQ(1u, fake_drm.submits);
	fake_drm.submits = fake_drm.waits = 0;
	return d;
}

/*
 * Finding.
 */
TEST(nodes_are_found_and_put_in_order)
{
	const char *root = fake_machine();
	struct vgg_nodes n;

	OK(vgg_nodes_scan(root, &n));
	EXPECT_EQ(0u, n.count);
	fake_node("drm", "renderD129", "0000:05:00.0", "vggaccel");
	fake_node("drm", "card1", "0000:07:00.0", "vggaccel"); /* no render */
	fake_node("drm", "renderD128", "0000:00:02.0", "i915");
	fake_node("accel", "accel10", "0000:04:00.0", "vggaccel");
	fake_node("accel", "accel9", "0000:03:00.0", "vggaccel");
	fake_pci("0000:02:00.0", CARD, NULL);
	fake_pci("0000:01:00.0", CARD, "vfio-pci");
	fake_pci("0000:00:1f.0", 0x8086, VGG_PCI_DEVICE_ID, NULL);
	OK(vgg_nodes_scan(root, &n));
	/* i915's and card1 have our ids here, but no node of ours. */
	ASSERT_EQ(7u, n.count);
	EXPECT_EQ(3u, n.with_path);
	EXPECT_CONTAINS(n.at[0].path, "/dev/accel/accel9");
	EXPECT_STREQ("0000:03:00.0", n.at[0].bus);
	EXPECT_CONTAINS(n.at[1].path, "/dev/accel/accel10");
	EXPECT_CONTAINS(n.at[2].path, "/dev/dri/renderD129");
	EXPECT_STREQ("vggaccel", n.at[2].driver);
	EXPECT_STREQ("0000:00:02.0", n.at[3].bus);
	EXPECT_STREQ("i915", n.at[3].driver);
	EXPECT_STREQ("0000:01:00.0", n.at[4].bus);
	EXPECT_STREQ("vfio-pci", n.at[4].driver);
	EXPECT_STREQ("0000:02:00.0", n.at[5].bus);
	EXPECT_STREQ("", n.at[5].driver);
	EXPECT_STREQ("", n.at[5].path);
	vgg_nodes_clear(&n);
	EXPECT_EQ(7u, vgg_drm_count(root));
}

TEST(cards_are_opened_by_all_their_names)
{
	const char *names[] = { "card", "card1", "0000:03:00.0" };
	const char *root = fake_machine();
	struct vgg_backend *b;
	char path[600];
	size_t i;

	fake_node("accel", "accel0", "0000:03:00.0", "vggaccel");
	fake_node("drm", "renderD128", "0000:04:00.0", "vggaccel");
	for (i = 0; i < 3; i++) {
		struct vgg_device_info info = VGG_INIT(info);

		OK(open_card(root, names[i], &b));
		OK(b->ops->info(b, &info));
		EXPECT_STREQ(i == 1 ? "0000:04:00.0" : "0000:03:00.0",
			     info.bus);
		EXPECT_STREQ(info.bus, info.name);
		EXPECT_STREQ("vggaccel 1.2.0", info.driver);
		EXPECT_STREQ("intx", info.irq_kind);
		EXPECT_STREQ("ioctl", info.submission);
		EXPECT_EQ(64u, info.mac_rows);
		EXPECT_EQ(32u, info.queue_depth);
		EXPECT_TRUE(info.simulated);
		EXPECT_FALSE(info.coherent);
		b->ops->close(b);
	}
	snprintf(path, sizeof(path), "%s/dev/accel/accel0", root);
	OK(open_card(root, path, &b));
	b->ops->close(b);
	EXPECT_EQ(-ENODEV, open_card(root, "card2", &b));
	EXPECT_CONTAINS(vgg_error_last()->what, "has 2 cards");
	EXPECT_EQ(-ENODEV, open_card(root, "0000:09:00.0", &b));
	EXPECT_EQ(-ENODEV, open_card(root, "cardboard", &b));
	EXPECT_CONTAINS(vgg_error_last()->next_step, "auto");
	EXPECT_EQ(-ENODEV, open_card(root, "/dev/null", &b));
	EXPECT_CONTAINS(vgg_error_last()->what, "no node of a card");
	EXPECT_EQ(-ENODEV, open_card(root, "/no/such/node", &b));
	fake_drm.driver = "i915";
	EXPECT_EQ(-ENODEV, open_card(root, path, &b));
	EXPECT_CONTAINS(vgg_error_last()->what, "i915");
	EXPECT_STREQ("", fake_drm.mistake);
}

TEST(a_card_that_cannot_be_used_is_told_with_a_next_step)
{
	const char *root = fake_machine();
	struct vgg_backend *b;
	char path[600];

	EXPECT_EQ(-ENODEV, open_card(root, "card", &b));
	EXPECT_CONTAINS(vgg_error_last()->next_step, "lspci");
	fake_pci("0000:01:00.0", CARD, NULL);
	EXPECT_EQ(-ENODEV, open_card(root, "card", &b));
	EXPECT_STREQ("0000:01:00.0", vgg_error_last()->where);
	EXPECT_CONTAINS(vgg_error_last()->what, "no driver");
	EXPECT_CONTAINS(vgg_error_last()->next_step, "modprobe vggaccel");
	fake_pci("0000:02:00.0", CARD, "vfio-pci");
	EXPECT_EQ(-ENODEV, open_card(root, "card1", &b));
	EXPECT_CONTAINS(vgg_error_last()->what, "vfio-pci");
	fake_node("accel", "accel0", "0000:03:00.0", "vggaccel");
	snprintf(path, sizeof(path), "%s/dev/accel/accel0", root);
	fake_drm.info_error = ENODEV;
	EXPECT_EQ(-ENXIO, open_card(root, "card", &b));
	fake_drm.info_error = 0;
	fake_drm.gone = true; /* still says who it was */
	EXPECT_EQ(-ENXIO, open_card(root, "card", &b));
	fake_drm.gone = false;
	if (geteuid() && !chmod(path, 0)) {
		EXPECT_EQ(-ENODEV, open_card(root, "card", &b));
		EXPECT_CONTAINS(vgg_error_last()->next_step, "group");
	}
	unlink(path);
	EXPECT_EQ(-ENODEV, open_card(root, "card", &b));
	EXPECT_CONTAINS(vgg_error_last()->where, "accel0");
}

/* The first one is broken, the second works: used, and told. */
TEST(the_first_card_that_works_is_taken_and_the_others_are_told)
{
	const char *root = fake_machine();
	struct vgg_backend *b;
	char path[600];

	fake_node("accel", "accel0", "0000:01:00.0", "vggaccel");
	fake_node("accel", "accel1", "0000:02:00.0", "vggaccel");
	snprintf(path, sizeof(path), "%s/dev/accel/accel0", root);
	unlink(path);
	OK(open_card(root, "card", &b));
	EXPECT_CONTAINS(b->note, "accel0");
	EXPECT_CONTAINS(b->note, "using another card");
	b->ops->close(b);
}

/* What "auto" takes, and what it says about what it didn't. */
static void expect_auto(const char *root, const struct vgg_device_options *o,
			const char *kind, const char *note)
{
	struct vgg_device_info info = VGG_INIT(info);
	struct vgg_device *d;

	OK(vgg_device_open_below(root, "auto", o, &d));
	OK(vgg_device_info(d, &info));
	EXPECT_STREQ(kind, info.kind_name);
	if (*note)
		EXPECT_CONTAINS(info.note, note);
	else
		EXPECT_STREQ("", info.note);
	vgg_device_close(d);
}

TEST(auto_takes_a_card_else_the_simulator_and_says_why)
{
	struct vgg_device_options o = VGG_INIT(o);
	const char *root = fake_machine();
	struct vgg_device *d;

	expect_auto(root, NULL, "sim", "");
	fake_pci("0000:01:00.0", CARD, NULL);
	expect_auto(root, NULL, "sim", "no driver is bound");
	expect_auto(root, NULL, "sim", "using the simulator");
	fake_node("accel", "accel0", "0000:02:00.0", "vggaccel");
	expect_auto(root, NULL, "card", "");
	fake_drm.gone = true;
	expect_auto(root, NULL, "sim", "the card is gone");
	fake_drm.gone = false;
	fake_drm.job_error = ETIMEDOUT;
	fake_drm.job_status = VGG_STATUS_ABORTED;
	expect_auto(root, NULL, "sim", "did not finish within 5000 ms");
	fake_drm.job_error = EIO;
	fake_drm.job_status = VGG_STATUS_ECC;
	expect_auto(root, NULL, "sim", "even an empty job: ECC");
	fake_drm.job_error = 0;
	/* Options of the simulator ask for it; wrong ones are an error. */
	o.inject = "SLOW,arg=1";
	expect_auto(root, &o, "sim", "");
	o.inject = NULL;
	o.pace = true;
	expect_auto(root, &o, "sim", "");
	o.pace = false;
	o.timeout_ms = 700000;
	EXPECT_EQ(-EINVAL, vgg_device_open_below(root, "auto", &o, &d));
}

TEST(options_of_the_simulator_are_refused)
{
	struct vgg_device_options o = defaults();
	const char *root = fake_machine();
	struct vgg_backend *b;

	fake_node("accel", "accel0", "0000:01:00.0", "vggaccel");
	o.inject = "HANG";
	EXPECT_EQ(-EINVAL, vgg_drm_backend_open(root, "card", &o, &b));
	EXPECT_CONTAINS(vgg_error_last()->next_step, "debugfs");
	o.inject = NULL;
	o.card = "small.card";
	EXPECT_EQ(-EINVAL, vgg_drm_backend_open(root, "card", &o, &b));
	EXPECT_CONTAINS(vgg_error_last()->next_step, "--device sim");
	o.card = NULL;
	o.pace = true;
	EXPECT_EQ(-EINVAL, vgg_drm_backend_open(root, "card", &o, &b));
	EXPECT_CONTAINS(vgg_error_last()->what, "a pace is for the simulator");
}

/*
 * Versions: what another module may say.
 */
TEST(time_limits_are_the_modules_to_take)
{
	struct vgg_device_options o = defaults();
	const char *root = fake_machine();
	struct vgg_backend *b;

	fake_node("accel", "accel0", "0000:01:00.0", "vggaccel");
	o.timeout_ms = 4321;
	OK(vgg_drm_backend_open(root, "card", &o, &b));
	EXPECT_EQ(4321u, fake_drm.timeout_ms);
	b->ops->close(b);
	o.timeout_ms = 600001;
	EXPECT_EQ(-EINVAL, vgg_drm_backend_open(root, "card", &o, &b));
	EXPECT_CONTAINS(vgg_error_last()->next_step, "--timeout");
	fake_drm.most_ms = 1000000; /* a newer module */
	OK(vgg_drm_backend_open(root, "card", &o, &b));
	b->ops->close(b);
}

TEST(other_versions_of_the_module_are_fine_or_named)
{
	struct vgg_device_info info = VGG_INIT(info);
	const char *root = fake_machine();
	struct vgg_backend *b;

	fake_node("accel", "accel0", "0000:01:00.0", "vggaccel");
	/* Features nobody knows yet, and io_uring where the node has none. */
	fake_drm.features = ~0ull << 20 | DRM_VGGACCEL_FEATURE_COHERENT;
	OK(open_card(root, "card", &b));
	OK(b->ops->info(b, &info));
	EXPECT_TRUE(info.coherent);
	b->ops->close(b);
	fake_drm.entries = 100;
	EXPECT_EQ(-EPROTO, open_card(root, "card", &b));
	fake_drm.entries = 2;
	OK(open_card(root, "card", &b));
	OK(b->ops->info(b, &info));
	EXPECT_EQ(2u, info.queue_depth);
	b->ops->close(b);
	/* Without identity registers it is no card. */
	fake_drm.entries = 0;
	fake_drm.info_bytes = offsetof(struct drm_vggaccel_info, id);
	EXPECT_EQ(-ENODEV, open_card(root, "card", &b));
	EXPECT_CONTAINS(vgg_error_last()->what, "magic");
}

/*
 * Networks: the bytes of the CPU, over memory that is not coherent.
 */
static void run_on(struct vgg_device *d, const struct vgg_model *m,
		   const float *x, struct vgg_result *r)
{
	struct vgg_session_options so = VGG_INIT(so);
	struct vgg_session *s;

	so.threads = 1;
	OK(vgg_session_create(d, m, &so, &s));
	OK(vgg_session_run_tensor(s, x, (size_t)vgg_shape_count(&m->input), r));
	r->output = NULL;
	vgg_session_free(s);
}

TEST_TIMEOUT(random_networks_give_the_same_bytes, 120)
{
	struct vgg_device *card = one_card(), *cpu;
	uint64_t seed = test_seed();
	int i;

	OK(vgg_device_open("cpu", NULL, &cpu));
	for (i = 0; i < NETS && !test_state.failed; i++) {
		struct vgg_model *m = net_random(&seed);
		struct vgg_result want = VGG_INIT(want), got = VGG_INIT(got);
		float *x;

		net_quantize(m);
		x = net_input(m, &seed);
		run_on(cpu, m, x, &want);
		run_on(card, m, x, &got);
		EXPECT_STREQ(want.sha256, got.sha256);
		OK(vgg_verify(card, m, x, (size_t)vgg_shape_count(&m->input), 1,
			      NULL, NULL));
		free(x);
		vgg_model_free(m);
	}
	EXPECT_STREQ("", fake_drm.mistake);
	EXPECT_EQ(0u, fake_drm.buffers);
	vgg_device_close(card);
	vgg_device_close(cpu);
}

/* One submission; one call each for the input's and the result's bytes. */
TEST(an_inference_asks_the_module_three_times)
{
	struct vgg_device *d = one_card();
	struct vgg_result r = VGG_INIT(r);
	struct vgg_session *s;
	struct vgg_model *m;
	int i;

	OK(vgg_model_load_default(&m));
	OK(vgg_session_create(d, m, NULL, &s));
	for (i = 0; i < 3; i++) {
		fake_drm.submits = fake_drm.preps = fake_drm.finis = 0;
		OK(vgg_session_run_file(s, test_data("../samples/star.jpg"),
					&r));
		EXPECT_EQ(1u, fake_drm.submits);
		EXPECT_EQ(1u, fake_drm.preps);
		EXPECT_EQ(1u, fake_drm.finis);
	}
	EXPECT_STREQ("", fake_drm.mistake);
	vgg_session_free(s);
	vgg_device_close(d);
	vgg_model_free(m);
}

/* Where caches are no matter, none is asked about. */
TEST(coherent_machines_are_spared_the_calls)
{
	const char *root = fake_machine();
	struct vgg_device_options o = defaults();
	char want[65];
	struct vgg_result r = VGG_INIT(r);
	uint64_t seed = 3;
	struct vgg_model *m = net_small(&seed);
	struct vgg_device *d;
	struct vgg_backend *b;
	float *x;

	net_quantize(m);
	x = net_input(m, &seed);
	OK(vgg_device_open("cpu", NULL, &d));
	run_on(d, m, x, &r);
	memcpy(want, r.sha256, sizeof(want));
	vgg_device_close(d);
	fake_drm.features = DRM_VGGACCEL_FEATURE_COHERENT;
	fake_node("accel", "accel0", "0000:01:00.0", "vggaccel");
	OK(vgg_drm_backend_open(root, "card", &o, &b));
	OK(vgg_device_wrap(b, VGG_DEVICE_CARD, o.timeout_ms, &d));
	run_on(d, m, x, &r);
	EXPECT_STREQ(want, r.sha256);
	EXPECT_EQ(0u, fake_drm.preps);
	EXPECT_EQ(0u, fake_drm.finis);
	vgg_device_close(d);
	free(x);
	vgg_model_free(m);
}

/*
 * Jobs.
 */
struct job_rig {
	struct vgg_device *d;
	struct vgg_buffer *stream;
	struct vgg_job job;
};

static struct job_rig job_rig(void)
{
	struct job_rig rig = { .d = one_card(), .job = VGG_INIT(rig.job) };

	OK(vgg_buffer_create(rig.d, 4096, VGG_BUFFER_HOST, &rig.stream));
	((uint16_t *)vgg_buffer_map(rig.stream))[0] = VGG_CMD_END;
	OK(vgg_buffer_finish(rig.stream, VGG_ACCESS_WRITE));
	rig.job.stream = vgg_buffer_address(rig.stream);
	rig.job.stream_bytes = 128;
	return rig;
}

static void job_rig_end(struct job_rig *rig)
{
	vgg_buffer_destroy(rig->stream);
	vgg_device_close(rig->d);
	EXPECT_EQ(0u, fake_drm.buffers);
}

/* One sleep for all of them, and results without any call afterwards. */
TEST(many_jobs_are_waited_for_at_once)
{
	struct job_rig rig = job_rig();
	uint64_t tickets[20];
	int i;

	for (i = 0; i < 20; i++)
		OK(vgg_submit(rig.d, &rig.job, &tickets[i]));
	OK(vgg_wait(rig.d, tickets[19], NULL));
	EXPECT_EQ(1u, fake_drm.waits);
	for (i = 0; i < 20; i++)
		OK(vgg_wait(rig.d, tickets[i], NULL));
	EXPECT_EQ(1u, fake_drm.waits);
	EXPECT_EQ(-EINVAL, vgg_wait(rig.d, tickets[19] + 1, NULL));
	EXPECT_EQ(-EINVAL, vgg_wait(rig.d, 0, NULL));
	/* Others' jobs don't take their results, and they are kept long after
	 * the module's ring has none of them any more. */
	for (i = 0; i < 3000; i++)
		OK(vgg_submit(rig.d, &rig.job, &tickets[1]));
	OK(vgg_wait(rig.d, tickets[0], NULL));
	OK(vgg_wait(rig.d, tickets[10], NULL));
	for (i = 0; i < 16384 + 10; i++)
		OK(vgg_submit(rig.d, &rig.job, &tickets[1]));
	EXPECT_EQ(-EINVAL, vgg_wait(rig.d, tickets[0], NULL));
	EXPECT_CONTAINS(vgg_error_last()->next_step, "so many others");
	OK(vgg_wait(rig.d, tickets[1], NULL));
	job_rig_end(&rig);
}

static const struct {
	int error;
	uint32_t status;
	int ends;
	const char *says;
} endings[] = {
	{ ENODEV, VGG_STATUS_ABORTED, -ENXIO, "no longer answers" },
	{ ETIMEDOUT, VGG_STATUS_ABORTED, -ETIMEDOUT, "did not finish within" },
	{ ETIMEDOUT, VGG_STATUS_TIMEOUT, -ETIMEDOUT, "did not finish within" },
	{ ECANCELED, VGG_STATUS_ABORTED, -ETIMEDOUT, "behind one" },
	{ EIO, VGG_STATUS_ECC, -EREMOTEIO, "ECC" },
	{ EIO, 0xff, -EREMOTEIO, "UNKNOWN" },
	{ EIO, VGG_STATUS_OK, -EREMOTEIO, "without a sensible completion" },
	{ EINVAL, VGG_STATUS_OPCODE, -EREMOTEIO, "OPCODE" },
	{ EFAULT, VGG_STATUS_UNMAPPED, -EREMOTEIO, "UNMAPPED" },
};

TEST(errors_of_jobs_have_their_names)
{
	struct job_rig rig = job_rig();
	uint64_t ticket;
	size_t i;

	for (i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		fake_drm.job_error = endings[i].error;
		fake_drm.job_status = endings[i].status;
		OK(vgg_submit(rig.d, &rig.job, &ticket));
		EXPECT_EQ(endings[i].ends, vgg_wait(rig.d, ticket, NULL));
		EXPECT_CONTAINS(vgg_error_last()->what, endings[i].says);
	}
	/* A job with a limit of its own is told by the card's name for it. */
	fake_drm.job_error = ETIMEDOUT;
	fake_drm.job_status = VGG_STATUS_TIMEOUT;
	rig.job.timeout_us = 10000000;
	OK(vgg_submit(rig.d, &rig.job, &ticket));
	EXPECT_EQ(-ETIMEDOUT, vgg_wait(rig.d, ticket, NULL));
	EXPECT_CONTAINS(vgg_error_last()->what, "time limit of the job");
	fake_drm.job_error = 0;
	OK(vgg_submit(rig.d, &rig.job, &ticket));
	OK(vgg_wait(rig.d, ticket, NULL));
	job_rig_end(&rig);
}

static const struct {
	int error, ends;
	const char *says;
} refusals[] = {
	{ ENODEV, -ENXIO, "the card is gone" },
	{ ESTALE, -ENXIO, "lost its on-board memory" },
	{ EIO, -EREMOTEIO, "the card failed" },
	{ ENOMEM, -ENOMEM, "no memory in the kernel" },
	{ EINVAL, -EINVAL, "refuses" },
	{ ENOTTY, -EPROTO, "doesn't know how" },
	{ ETIMEDOUT, -ETIMEDOUT, "did not finish in time" },
};

TEST(errors_of_calls_have_their_names)
{
	struct job_rig rig = job_rig();
	uint64_t ticket;
	size_t i;

	for (i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		fake_drm.refuse_submit = refusals[i].error;
		EXPECT_EQ(refusals[i].ends,
			  vgg_submit(rig.d, &rig.job, &ticket));
		EXPECT_CONTAINS(vgg_error_last()->what, refusals[i].says);
		EXPECT_CONTAINS(vgg_error_last()->where, "accel0");
		EXPECT_TRUE(*vgg_error_last()->next_step);
	}
	fake_drm.refuse_submit = 0;
	OK(vgg_submit(rig.d, &rig.job, &ticket));
	OK(vgg_wait(rig.d, ticket, NULL));
	EXPECT_STREQ("", fake_drm.mistake);
	job_rig_end(&rig);
}

TEST(full_memory_is_named_as_the_simulator_does)
{
	struct job_rig rig = job_rig();
	struct vgg_buffer *b;

	EXPECT_EQ(-ENOSPC,
		  vgg_buffer_create(rig.d, 1ull << 35, VGG_BUFFER_LOCAL, &b));
	EXPECT_CONTAINS(vgg_error_last()->what, "are free");
	job_rig_end(&rig);
}

/* A module that never signals, and a card that makes no progress. */
TEST_TIMEOUT(a_mute_module_does_not_hang_the_library, 90)
{
	const char *root = fake_machine();
	struct vgg_device_options o = defaults();
	struct vgg_job job = VGG_INIT(job);
	struct vgg_backend *b;
	struct vgg_device *d;
	struct vgg_buffer *stream;
	uint64_t ticket;

	if (test_emulated())
		SKIP("takes its time on any machine");
	fake_node("accel", "accel0", "0000:01:00.0", "vggaccel");
	o.timeout_ms = 100;
	OK(vgg_drm_backend_open(root, "card", &o, &b));
	OK(vgg_device_wrap(b, VGG_DEVICE_CARD, 100, &d));
	OK(vgg_buffer_create(d, 4096, VGG_BUFFER_HOST, &stream));
	job.stream = vgg_buffer_address(stream);
	job.stream_bytes = 128;
	OK(vgg_submit(d, &job, &ticket));
	fake_drm.mute = true;
	EXPECT_EQ(-ETIMEDOUT, vgg_wait(d, ticket, NULL));
	EXPECT_CONTAINS(vgg_error_last()->what, "nothing has moved");
	vgg_buffer_destroy(stream);
	vgg_device_close(d);
}

TEST_HARNESS_MAIN
