// SPDX-License-Identifier: MIT
/*
 * The library on a real node: by io_uring and by ioctls, from several threads
 * and contexts, with networks whose bytes the simulator and the CPU know.
 * Skipped where there is no card. tests/lib/test_drm.c has what needs no kernel.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "card.h"
#include "device/drm.h"
#include "vgg_harness.h"
#include "vggaccel.h"

#define OK(call)                                                               \
	do {                                                                   \
		if (call) {                                                    \
			test_fail(__FILE__, __LINE__, "%s: %s: %s: %s", #call, \
				  vgg_error_last()->name,                      \
				  vgg_error_last()->where,                     \
				  vgg_error_last()->what);                     \
			TEST_END_;                                             \
		}                                                              \
	} while (0)

/* Both ways to submit jobs, where the module has both. */
FIXTURE(card)
{
	struct vgg_device *d;
	struct vgg_device_info info;
};
FIXTURE_VARIANT(card)
{
	const char *disable, *submission;
};
FIXTURE_VARIANT_ADD(card, uring){ "", "io_uring" };
FIXTURE_VARIANT_ADD(card, ioctl){ "uring", "ioctl" };

FIXTURE_SETUP(card)
{
	if (!vgg_drm_count(""))
		SKIP("there is no card");
	setenv("VGG_DISABLE", variant->disable, 1);
	OK(vgg_device_open("card", NULL, &self->d));
	self->info.size = sizeof(self->info);
	OK(vgg_device_info(self->d, &self->info));
	if (strcmp(self->info.submission, variant->submission))
		SKIP("no jobs by %s here", variant->submission);
}

FIXTURE_TEARDOWN(card)
{
	vgg_device_close(self->d);
}

TEST_F(card, tells_about_itself)
{
	const struct vgg_device_info *i = &self->info;
	struct vgg_device *d;

	EXPECT_STREQ("card", i->kind_name);
	EXPECT_LT(0u, i->mac_rows);
	EXPECT_LT(0u, i->clock_khz);
	EXPECT_EQ('/', i->node[0]);
	EXPECT_STREQ(i->bus, i->name);
	EXPECT_CONTAINS(i->driver, "vggaccel ");
	EXPECT_EQ(0x10000u, i->bar_bytes);
	EXPECT_LT(0u, i->bus_lanes);
	EXPECT_TRUE(*i->irq_kind);
	EXPECT_STREQ("", i->note);
	/* By its other names. */
	OK(vgg_device_open(i->node, NULL, &d));
	vgg_device_close(d);
	OK(vgg_device_open(i->bus, NULL, &d));
	vgg_device_close(d);
	OK(vgg_device_open("card0", NULL, &d));
	vgg_device_close(d);
}

/*
 * Networks.
 */
static struct vgg_image *picture(unsigned int seed)
{
	uint8_t rgb[48 * 40 * 3];
	struct vgg_image *image;
	size_t i;

	for (i = 0; i < sizeof(rgb); i++)
		rgb[i] = (uint8_t)((i * i / (17 + seed)) ^ (i >> 5));
	OK(vgg_image_from_rgb(rgb, 48, 40, 48 * 3, &image));
	return image;
}

static void run_on(struct vgg_device *d, const struct vgg_model *m,
		   unsigned int pictures, char hashes[][65])
{
	struct vgg_result r = VGG_INIT(r);
	struct vgg_session *s;
	unsigned int i;

	OK(vgg_session_create(d, m, NULL, &s));
	for (i = 0; i < pictures; i++) {
		struct vgg_image *image = picture(i);

		OK(vgg_session_run_image(s, image, &r));
		memcpy(hashes[i], r.sha256, 65);
		vgg_image_free(image);
	}
	vgg_session_free(s);
}

/* Each inference of the built-in network is one job. */
TEST_F(card, one_submission_for_one_inference)
{
	struct vgg_image *image = picture(3);
	struct vgg_result r = VGG_INIT(r);
	struct vgg_session *s;
	struct vgg_model *m;
	long long jobs;
	int i;

	OK(vgg_model_load_default(&m));
	OK(vgg_session_create(self->d, m, NULL, &s));
	OK(vgg_session_run_image(s, image, &r));
	jobs = card_stat("jobs");
	for (i = 0; i < 5; i++)
		OK(vgg_session_run_image(s, image, &r));
	EXPECT_EQ(card_stat("jobs"), jobs + 5);
	vgg_session_free(s);
	vgg_model_free(m);
	vgg_image_free(image);
}

TEST_F_TIMEOUT(card, gives_the_bytes_of_simulator_and_cpu, 120)
{
	char want[8][65], sim[8][65], got[8][65];
	struct vgg_device *d;
	struct vgg_model *m;
	int i;

	OK(vgg_model_load_default(&m));
	OK(vgg_device_open("cpu", NULL, &d));
	run_on(d, m, 8, want);
	vgg_device_close(d);
	OK(vgg_device_open("sim", NULL, &d));
	run_on(d, m, 8, sim);
	vgg_device_close(d);
	run_on(self->d, m, 8, got);
	for (i = 0; i < 8; i++) {
		EXPECT_STREQ(want[i], sim[i]);
		EXPECT_STREQ(want[i], got[i]);
		EXPECT_TRUE(!i || strcmp(got[i], got[i - 1]));
	}
	vgg_model_free(m);
}

/* Weights go from the file into the card's buffers. */
TEST_F_TIMEOUT(card, runs_a_model_from_a_file, 120)
{
	char want[2][65], got[2][65];
	struct vgg_model *m, *saved;
	char path[300];

	snprintf(path, sizeof(path), "%s/model", test_tmpdir());
	OK(vgg_model_load_default(&m));
	OK(vgg_model_save(m, path, VGG_KEEP_FP32));
	OK(vgg_model_load(path, &saved));
	run_on(self->d, m, 2, want);
	run_on(self->d, saved, 2, got);
	EXPECT_STREQ(want[0], got[0]);
	EXPECT_STREQ(want[1], got[1]);
	vgg_model_free(saved);
	vgg_model_free(m);
}

TEST_F_TIMEOUT(card, agrees_in_every_layer, 120)
{
	struct vgg_session_options so = VGG_INIT(so);
	struct vgg_image *image = picture(3);
	static float x[3 * 32 * 32];
	struct vgg_session *s;
	struct vgg_model *m;

	so.split = VGG_SPLIT_CPU;
	OK(vgg_model_load_default(&m));
	OK(vgg_session_create(self->d, m, &so, &s));
	OK(vgg_session_preprocess(s, image, x, 3 * 32 * 32));
	vgg_session_free(s);
	OK(vgg_verify(self->d, m, x, 3 * 32 * 32, 1, NULL, NULL));
	vgg_image_free(image);
	vgg_model_free(m);
}

/* Two contexts, whose sessions take turns. */
TEST_F_TIMEOUT(card, serves_two_contexts, 120)
{
	char a[3][65], b[3][65];
	struct vgg_device *other;
	struct vgg_model *m;
	int i;

	OK(vgg_model_load_default(&m));
	OK(vgg_device_open("card", NULL, &other));
	for (i = 0; i < 3; i++) {
		run_on(self->d, m, 3, a);
		run_on(other, m, 3, b);
		EXPECT_STREQ(a[i], b[i]);
	}
	vgg_device_close(other);
	vgg_model_free(m);
}

/*
 * Jobs: fill a part of a buffer.
 */
struct filler {
	struct vgg_device *d;
	struct vgg_buffer *stream, *data;
	struct vgg_job job;
};

static void filler_open(struct filler *f, struct vgg_device *d)
{
	*f = (struct filler){ .d = d, .job = VGG_INIT(f->job) };
	OK(vgg_buffer_create(d, 4096, VGG_BUFFER_HOST, &f->stream));
	OK(vgg_buffer_create(d, 3 * 4096, VGG_BUFFER_HOST, &f->data));
	f->job.stream = vgg_buffer_address(f->stream);
	f->job.stream_bytes = 256;
	f->job.tag = 1234;
}

static void filler_close(struct filler *f)
{
	vgg_buffer_destroy(f->stream);
	vgg_buffer_destroy(f->data);
}

/* All of the data becomes `value`. */
static void filler_write(struct filler *f, uint8_t value)
{
	struct vgg_hw_cmd_fill *c = vgg_buffer_map(f->stream);

	OK(vgg_buffer_prepare(f->stream, VGG_ACCESS_WRITE));
	memset(c, 0, 4096);
	c[0].head.opcode = VGG_CMD_FILL;
	c[0].head.tag = 4321;
	c[0].dst = vgg_buffer_address(f->data);
	c[0].width = 3 * 4096;
	c[0].height = 1;
	c[0].value = value;
	c[1].head.opcode = VGG_CMD_END;
	OK(vgg_buffer_finish(f->stream, VGG_ACCESS_WRITE));
}

static void filler_run(struct filler *f)
{
	uint64_t ticket;

	OK(vgg_submit(f->d, &f->job, &ticket));
	OK(vgg_wait(f->d, ticket, NULL));
}

/* Only the part that is prepared need be right; and it must be. */
TEST_F(card, shows_the_part_that_was_asked_for)
{
	struct filler f;
	const uint8_t *map;
	int i;

	filler_open(&f, self->d);
	map = vgg_buffer_map(f.data);
	for (i = 1; i < 20; i++) {
		filler_write(&f, (uint8_t)i);
		filler_run(&f);
		OK(vgg_buffer_prepare_range(f.data, VGG_ACCESS_READ, 4096,
					    4096));
		EXPECT_EQ(i, map[4096]);
		EXPECT_EQ(i, map[8191]);
		OK(vgg_buffer_finish_range(f.data, VGG_ACCESS_READ, 4096,
					   4096));
	}
	filler_close(&f);
}

/* More than the queue holds, one wait for the last of them. */
TEST_F_TIMEOUT(card, takes_more_jobs_than_its_queue_holds, 120)
{
	struct vgg_device_info after = VGG_INIT(after);
	uint64_t tickets[1000];
	struct filler f;
	int i;

	filler_open(&f, self->d);
	filler_write(&f, 5);
	for (i = 0; i < 1000; i++)
		OK(vgg_submit(self->d, &f.job, &tickets[i]));
	OK(vgg_wait(self->d, tickets[999], NULL));
	for (i = 936; i < 1000; i++)
		OK(vgg_wait(self->d, tickets[i], NULL));
	/* The module's ring has room for 256 results. */
	OK(vgg_wait(self->d, tickets[0], NULL));
	OK(vgg_wait(self->d, tickets[500], NULL));
	EXPECT_EQ(-EINVAL, vgg_wait(self->d, tickets[999] + 1, NULL));
	OK(vgg_device_info(self->d, &after));
	EXPECT_EQ(self->info.jobs + 1000, after.jobs);
	filler_close(&f);
}

struct worker {
	struct vgg_device *d;
	pthread_t thread;
	uint8_t value;
	int wrong;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct filler f;
	int i;

	filler_open(&f, w->d);
	for (i = 0; i < 100; i++) {
		const uint8_t *map = vgg_buffer_map(f.data);
		uint8_t value = (uint8_t)(w->value + i * 8);

		filler_write(&f, value);
		filler_run(&f);
		OK(vgg_buffer_prepare(f.data, VGG_ACCESS_READ));
		w->wrong += map[0] != value || map[3 * 4096 - 1] != value;
		OK(vgg_buffer_finish(f.data, VGG_ACCESS_READ));
	}
	filler_close(&f);
	return NULL;
}

TEST_F_TIMEOUT(card, serves_threads, 120)
{
	struct worker w[6];
	int i;

	for (i = 0; i < 6; i++) {
		w[i] = (struct worker){ .d = self->d, .value = (uint8_t)i };
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, work, &w[i]));
	}
	for (i = 0; i < 6; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(0, w[i].wrong);
	}
}

/*
 * Failures.
 */
TEST_F(card, names_what_is_wrong_with_a_job)
{
	struct vgg_completion c = VGG_INIT(c);
	struct vgg_hw_cmd_fill *cmd;
	struct filler f;
	uint64_t ticket;

	filler_open(&f, self->d);
	cmd = vgg_buffer_map(f.stream);
	filler_write(&f, 1);
	cmd[0].dst += 1; /* runs over the end */
	OK(vgg_buffer_finish(f.stream, VGG_ACCESS_WRITE));
	OK(vgg_submit(self->d, &f.job, &ticket));
	EXPECT_EQ(-EREMOTEIO, vgg_wait(self->d, ticket, &c));
	EXPECT_STREQ("UNMAPPED", vgg_status_name(c.status));
	EXPECT_EQ(4321u, c.tag);
	EXPECT_CONTAINS(vgg_error_last()->where, "command 0");
	filler_write(&f, 1);
	cmd[1].head.opcode = 999;
	OK(vgg_buffer_finish(f.stream, VGG_ACCESS_WRITE));
	OK(vgg_submit(self->d, &f.job, &ticket));
	EXPECT_EQ(-EREMOTEIO, vgg_wait(self->d, ticket, &c));
	EXPECT_STREQ("OPCODE", vgg_status_name(c.status));
	EXPECT_EQ(1u, c.index);
	/* The context goes on. */
	filler_write(&f, 1);
	filler_run(&f);
	filler_close(&f);
}

/* A limit of its own: such jobs always go by ioctl. */
TEST_F(card, ends_a_job_at_its_own_limit)
{
	struct vgg_completion c = VGG_INIT(c);
	struct filler f;
	uint64_t ticket;

	filler_open(&f, self->d);
	filler_write(&f, 1);
	f.job.timeout_us = 1;
	OK(vgg_submit(self->d, &f.job, &ticket));
	EXPECT_EQ(-ETIMEDOUT, vgg_wait(self->d, ticket, &c));
	EXPECT_STREQ("TIMEOUT", vgg_status_name(c.status));
	f.job.timeout_us = 1000000;
	filler_run(&f);
	f.job.timeout_us = 0;
	filler_run(&f);
	filler_close(&f);
}

TEST_F(card, names_full_memory)
{
	struct vgg_device_info after = VGG_INIT(after);
	struct vgg_buffer *b;

	EXPECT_EQ(-ENOSPC,
		  vgg_buffer_create(self->d, 1ull << 35, VGG_BUFFER_LOCAL, &b));
	EXPECT_CONTAINS(vgg_error_last()->what, "are free");
	OK(vgg_buffer_create(self->d, 1 << 20, VGG_BUFFER_LOCAL, &b));
	EXPECT_TRUE(!vgg_buffer_map(b));
	OK(vgg_device_info(self->d, &after));
	EXPECT_EQ(self->info.local_free - (1 << 20), after.local_free);
	vgg_buffer_destroy(b);
}

TEST_F(card, takes_time_limits_in_its_range)
{
	struct vgg_device_options o = VGG_INIT(o);
	struct vgg_device *d;

	o.timeout_ms = 600001;
	EXPECT_EQ(-EINVAL, vgg_device_open("card", &o, &d));
	EXPECT_CONTAINS(vgg_error_last()->next_step, "600");
	o.timeout_ms = 600000;
	OK(vgg_device_open("card", &o, &d));
	vgg_device_close(d);
}

/* Closed with jobs under way. */
TEST_F(card, may_be_closed_at_any_time)
{
	int i, k;

	for (k = 0; k < 5; k++) {
		struct vgg_device *d;
		struct filler f;
		uint64_t ticket;

		OK(vgg_device_open("card", NULL, &d));
		filler_open(&f, d);
		filler_write(&f, 9);
		for (i = 0; i < 30; i++)
			OK(vgg_submit(d, &f.job, &ticket));
		filler_close(&f);
		vgg_device_close(d);
	}
}

TEST_HARNESS_MAIN
