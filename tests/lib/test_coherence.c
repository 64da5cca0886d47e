// SPDX-License-Identifier: MIT
/*
 * Memory that card and CPU see differently. A forgotten prepare or finish is
 * invisible on a machine with coherent DMA; here every network runs on a card
 * that has memory of its own (see apart.h), and must give the same bytes.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apart.h"
#include "net.h"
#include "run/int8.h"
#include "util/reader.h"
#include "vggaccel_hw.h"

#define NETS (test_emulated() ? 8 : 60)
#define PICTURE "../samples/star.jpg"

static const char *profile(const char *name, const char *text)
{
	static char path[4][256];
	static int turn;
	char *to = path[turn++ % 4];
	FILE *f;

	snprintf(to, sizeof(path[0]), "%s/%s", test_tmpdir(), name);
	f = fopen(to, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
	return to;
}

struct way {
	const char *card, *order;
	enum vgg_split split;
};

/* Twice, with another input in between: old bytes must not pass for new. */
static void run_apart(const struct way *w, const struct vgg_model *m,
		      const float *x, const float *other, struct vgg_result *r)
{
	struct vgg_session_options so = VGG_INIT(so);
	struct vgg_device_options o = VGG_INIT(o);
	size_t n = (size_t)vgg_shape_count(&m->input);
	struct vgg_session *s;
	struct vgg_device *d;

	o.card = w->card;
	o.order = w->order;
	so.split = w->split;
	so.threads = 1;
	OK(apart_open(&o, &d));
	OK(vgg_session_create(d, m, &so, &s));
	OK(vgg_session_run_tensor(s, x, n, r));
	OK(vgg_session_run_tensor(s, other, n, r));
	OK(vgg_session_run_tensor(s, x, n, r));
	r->output = NULL;
	vgg_session_free(s);
	vgg_device_close(d);
}

static void run_cpu(const struct vgg_model *m, const float *x,
		    struct vgg_result *r)
{
	struct vgg_session *s;
	struct vgg_device *d;

	OK(vgg_device_open("cpu", NULL, &d));
	OK(vgg_session_create(d, m, NULL, &s));
	OK(vgg_session_run_tensor(s, x, (size_t)vgg_shape_count(&m->input), r));
	r->output = NULL;
	vgg_session_free(s);
	vgg_device_close(d);
}

TEST_TIMEOUT(random_networks_give_the_same_bytes, 180)
{
	const struct way ways[] = {
		{ .order = "program" },
		{ .order = "dma-late",
		  .card = profile("tiny", "onchip_kib 1\nlocal_mib 1\n") },
		{ .order = "mac-late",
		  .card = profile("none", "local_mib 0\n") },
		{ .split = VGG_SPLIT_CPU },
	};
	uint64_t seed = test_seed();
	size_t w;
	int i;

	for (i = 0; i < NETS && !test_state.failed; i++) {
		struct vgg_model *m = net_random(&seed);
		struct vgg_result want = VGG_INIT(want), got = VGG_INIT(got);
		float *x, *other;

		net_quantize(m);
		x = net_input(m, &seed);
		other = net_input(m, &seed);
		run_cpu(m, x, &want);
		for (w = 0; w < sizeof(ways) / sizeof(*ways); w++) {
			run_apart(&ways[w], m, x, other, &got);
			EXPECT_STREQ(want.sha256, got.sha256);
		}
		free(other);
		free(x);
		vgg_model_free(m);
	}
}

/* Every tensor is looked at, whoever wrote it. */
TEST_TIMEOUT(verification_sees_what_the_card_wrote, 120)
{
	uint64_t seed = test_seed() + 1;
	int i;

	for (i = 0; i < NETS / 4; i++) {
		struct vgg_model *m = net_random(&seed);
		struct vgg_device *d;
		float *x;

		net_quantize(m);
		x = net_input(m, &seed);
		OK(apart_open(NULL, &d));
		OK(vgg_verify(d, m, x, (size_t)vgg_shape_count(&m->input), 1,
			      NULL, NULL));
		vgg_device_close(d);
		free(x);
		vgg_model_free(m);
	}
}

/*
 * What an inference of the built-in network costs: one job; of memory made
 * visible, the input's bytes to the card and the last tensor's to the CPU.
 */
TEST(an_inference_is_one_job_and_touches_what_it_must)
{
	struct vgg_session_options so = VGG_INIT(so);
	struct vgg_result r = VGG_INIT(r);
	struct vgg_session *s;
	struct vgg_device *d;
	struct vgg_model *m;
	int i;

	so.threads = 1;
	OK(vgg_model_load_default(&m));
	OK(apart_open(NULL, &d));
	OK(vgg_session_create(d, m, &so, &s));
	/* Weights went over once each: not again for streams or sessions. */
	EXPECT_LT(0u, apart_counts.jobs);
	for (i = 0; i < 3; i++) {
		apart_counts = (struct apart_counts){ 0 };
		OK(vgg_session_run_file(s, test_data(PICTURE), &r));
		EXPECT_EQ(1u, apart_counts.jobs);
		EXPECT_EQ((uint64_t)vgg_shape_count(&m->input),
			  apart_counts.written);
		EXPECT_EQ((uint64_t)vgg_shape_count(
				  &m->layers[m->integer_layers - 1].out),
			  apart_counts.read);
		EXPECT_EQ(2u, apart_counts.prepares);
		EXPECT_EQ(i ? 2u : 1u, apart_counts.finishes);
	}
	vgg_session_free(s);
	vgg_device_close(d);
	vgg_model_free(m);
}

/* A stream that fills a buffer with 7; the tests' own code, so they see that
 * apart.c would notice. */
struct fill_rig {
	struct vgg_device *d;
	struct vgg_buffer *stream, *data;
};

static void rig_run(struct fill_rig *rig, uint8_t value, bool finish)
{
	struct vgg_job job = VGG_INIT(job);
	struct vgg_hw_cmd_fill *c = vgg_buffer_map(rig->stream);
	uint64_t ticket;

	OK(vgg_buffer_prepare(rig->stream, VGG_ACCESS_WRITE));
	memset(c, 0, 2 * sizeof(*c));
	c[0].head.opcode = VGG_CMD_FILL;
	c[0].dst = vgg_buffer_address(rig->data);
	c[0].width = 64;
	c[0].height = 1;
	c[0].value = value;
	c[1].head.opcode = VGG_CMD_END;
	if (finish)
		OK(vgg_buffer_finish(rig->stream, VGG_ACCESS_WRITE));
	job.stream = vgg_buffer_address(rig->stream);
	job.stream_bytes = 256;
	OK(vgg_submit(rig->d, &job, &ticket));
	OK(vgg_wait(rig->d, ticket, NULL));
}

static void rig_open(struct fill_rig *rig)
{
	OK(apart_open(NULL, &rig->d));
	OK(vgg_buffer_create(rig->d, 4096, VGG_BUFFER_HOST, &rig->stream));
	OK(vgg_buffer_create(rig->d, 4096, VGG_BUFFER_HOST, &rig->data));
}

static void rig_close(struct fill_rig *rig)
{
	vgg_buffer_destroy(rig->stream);
	vgg_buffer_destroy(rig->data);
	vgg_device_close(rig->d);
}

TEST(forgotten_calls_show)
{
	struct fill_rig rig;
	const uint8_t *map;

	rig_open(&rig);
	map = vgg_buffer_map(rig.data);
	rig_run(&rig, 7, true);
	EXPECT_EQ(0, map[5]); /* not prepared */
	OK(vgg_buffer_prepare_range(rig.data, VGG_ACCESS_READ, 4, 2));
	EXPECT_EQ(0, map[3]);
	EXPECT_EQ(7, map[4]);
	EXPECT_EQ(7, map[5]);
	EXPECT_EQ(0, map[6]);
	rig_run(&rig, 9, false); /* the card still has the old stream */
	OK(vgg_buffer_prepare(rig.data, VGG_ACCESS_READ));
	EXPECT_EQ(7, map[5]);
	rig_close(&rig);
}

TEST(ranges_are_checked)
{
	struct fill_rig rig;

	rig_open(&rig);
	EXPECT_EQ(-EINVAL, vgg_buffer_prepare(rig.data, 0));
	EXPECT_EQ(-EINVAL, vgg_buffer_finish(rig.data, 4));
	EXPECT_EQ(-EINVAL,
		  vgg_buffer_prepare_range(rig.data, VGG_ACCESS_READ, 4090, 7));
	EXPECT_CONTAINS(vgg_error_last()->what, "7 bytes at 4090");
	EXPECT_EQ(-EINVAL, vgg_buffer_finish_range(rig.data, VGG_ACCESS_WRITE,
						   UINT64_MAX, 2));
	OK(vgg_buffer_prepare_range(rig.data, VGG_ACCESS_READ, 4096, 0));
	rig_close(&rig);
}

/*
 * Weights read from a file by io_uring are the bytes that are in it.
 */
static bool has_uring(void)
{
	struct vgg_file f;
	struct vgg_reader *r;

	OK(vgg_file_open(&f, test_data(PICTURE)));
	r = vgg_reader_create(&f);
	vgg_reader_destroy(r);
	vgg_file_close(&f);
	return r;
}

static const char *random_file(size_t bytes)
{
	static char path[256];
	uint64_t seed = test_seed();
	FILE *to;

	snprintf(path, sizeof(path), "%s/random", test_tmpdir());
	to = fopen(path, "wb");
	ASSERT_TRUE(to != NULL);
	for (; bytes >= 8; bytes -= 8) {
		uint64_t v = test_random(&seed);

		fwrite(&v, 8, 1, to);
	}
	ASSERT_EQ(0, fclose(to));
	return path;
}

TEST(parts_of_a_file_are_read_whole)
{
	const size_t bytes = (size_t)12 << 20;
	uint64_t seed = test_seed();
	struct vgg_reader *r;
	struct vgg_file f;
	uint8_t *to = malloc(bytes);
	int i;

	if (!has_uring())
		SKIP("io_uring can't be used here");
	OK(vgg_file_open(&f, random_file(bytes)));
	r = vgg_reader_create(&f);
	ASSERT_TRUE(r != NULL);
	for (i = 0; i < 40; i++) {
		uint64_t a = test_random(&seed) % bytes;
		uint64_t b = test_random(&seed) % bytes;
		uint64_t at = a < b ? a : b, n = a < b ? b - a : a - b;

		memset(to, 0, bytes);
		vgg_reader_start(r, to + at, at, n / 2);
		vgg_reader_start(r, to + at + n / 2, at + n / 2, n - n / 2);
		vgg_reader_finish(r);
		EXPECT_EQ(0, memcmp(to + at, f.data + at, n));
		EXPECT_TRUE(!at || !to[at - 1]);
		EXPECT_TRUE(at + n == bytes || !to[at + n]);
	}
	vgg_reader_destroy(r);
	vgg_file_close(&f);
	free(to);
}

/* From the file, from its mapping, and where io_uring is forbidden. */
static void run_saved(const char *path, struct vgg_result *r)
{
	struct vgg_session *s;
	struct vgg_device *d;
	struct vgg_model *m;

	OK(vgg_model_load(path, &m));
	OK(apart_open(NULL, &d));
	OK(vgg_session_create(d, m, NULL, &s));
	OK(vgg_session_run_file(s, test_data(PICTURE), r));
	r->output = NULL;
	vgg_session_free(s);
	vgg_device_close(d);
	vgg_model_free(m);
}

/* From now on the kernel refuses io_uring, as containers make it do. */
static bool forbid_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

TEST(weights_from_a_file_are_the_same_without_io_uring)
{
	struct vgg_result with = VGG_INIT(with), off = VGG_INIT(off);
	struct vgg_result refused = VGG_INIT(refused);
	struct vgg_model *m;
	char path[256];

	snprintf(path, sizeof(path), "%s/model", test_tmpdir());
	OK(vgg_model_load_default(&m));
	OK(vgg_model_save(m, path, VGG_KEEP_NONE));
	vgg_model_free(m);
	run_saved(path, &with);
	setenv("VGG_DISABLE", "uring", 1);
	EXPECT_FALSE(has_uring());
	run_saved(path, &off);
	unsetenv("VGG_DISABLE");
	EXPECT_STREQ(with.sha256, off.sha256);
	if (!has_uring() || !forbid_uring())
		SKIP("io_uring can't be used here anyway");
	EXPECT_FALSE(has_uring());
	run_saved(path, &refused);
	EXPECT_STREQ(with.sha256, refused.sha256);
}

TEST_HARNESS_MAIN
