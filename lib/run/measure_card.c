// SPDX-License-Identifier: MIT
/*
 * See measure.h. The link is measured by jobs with one COPY each, of two sizes, in
 * both directions, in turns. A card without memory of its own copies within the
 * host's: each byte crosses the link twice, and both directions together have one
 * speed, which is all its plans need.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "run/int8_parts.h"
#include "run/measure.h"

#define JOBS 30
#define JOB_MS 0.2  /* what a job takes the card */
#define WORK_MS 0.5 /* of the CPU, between jobs and meanwhile */
#define COMMANDS_MAX 4096u
#define COPIES 9
#define DISAGREE 1.25
#define TICK_MS 0.005

/* At 200 MB/s a large one takes 20 ms, at 6 GB/s still 0.7. */
static const uint32_t sizes[] = { 1 << 20, 4 << 20 };
enum { SMALL, LARGE, SIZES };
enum { FROM_HOST, TO_HOST, WAYS };

double vgg_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double vgg_median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

double vgg_spread(double *v, int n)
{
	double median = vgg_median(v, n);

	return median - v[0] > TICK_MS && v[0] > 0 ? median / v[0] : 1;
}

/*
 * Jobs.
 */
static int make_stream(struct vgg_device *d, uint32_t commands,
		       struct vgg_buffer **b, struct vgg_stream *s)
{
	int err = vgg_buffer_create(d, (uint64_t)commands * VGG_CMD_SIZE,
				    VGG_BUFFER_HOST, b);

	return err ? err : vgg_stream_begin(s, *b);
}

/* An inference's CPU computes. What sleeps meanwhile, and how deeply, is part of
 * what a job costs, so this doesn't sleep. */
static void work(double ms)
{
	double end = vgg_now_ms() + ms;

	while (vgg_now_ms() < end)
		;
}

/* `meanwhile`: the CPU works for so long before it waits, which isn't counted. */
static int time_job(struct vgg_device *d, const struct vgg_buffer *stream,
		    uint32_t commands, double meanwhile, double *ms,
		    double *cycles)
{
	struct vgg_completion c = VGG_INIT(c);
	struct vgg_job job = VGG_INIT(job);
	double start = vgg_now_ms(), begun, waited;
	uint64_t ticket;
	int err;

	job.stream = vgg_buffer_address(stream);
	job.stream_bytes = commands * VGG_CMD_SIZE;
	err = vgg_submit(d, &job, &ticket);
	begun = waited = vgg_now_ms();
	if (!err && meanwhile > 0) {
		work(meanwhile);
		waited = vgg_now_ms();
	}
	if (!err)
		err = vgg_wait(d, ticket, &c);
	*ms = vgg_now_ms() - waited + begun - start;
	*cycles = (double)c.cycles;
	return err;
}

/* A simulated card that isn't paced takes no time of its own. */
static bool keeps_time(const struct vgg_device_info *d)
{
	return d->paced || (d->kind == VGG_DEVICE_CARD && !d->simulated);
}

/* NOPs that take the card about JOB_MS: a job as short as an empty one ends before
 * the host has gone to sleep, and before a simulator has woken up. */
static uint32_t commands_of(const struct vgg_device_info *info)
{
	double n =
		1 + JOB_MS * info->clock_khz /
			    (info->command_cycles ? info->command_cycles : 1);

	if (!keeps_time(info))
		return 1;
	return n < COMMANDS_MAX ? (uint32_t)n : COMMANDS_MAX;
}

static int measure_job(struct vgg_device *d, const struct vgg_device_info *info,
		       struct vgg_card_times *times)
{
	struct vgg_buffer *b = NULL;
	struct vgg_stream s;
	double waiting[JOBS], working[JOBS], cycles;
	uint32_t commands = commands_of(info);
	int err = make_stream(d, commands, &b, &s), i;

	while (!err && s.count + 1 < commands)
		vgg_stream_add(&s, VGG_CMD_NOP, 0, 0);
	if (!err)
		err = vgg_stream_end(&s, 0);
	for (i = 0; !err && i < JOBS; i++) {
		work(WORK_MS);
		err = time_job(d, b, commands, 0, &waiting[i], &cycles);
		if (keeps_time(info))
			waiting[i] -= cycles / info->clock_khz;
		work(WORK_MS);
		if (!err)
			err = time_job(d, b, commands, WORK_MS, &working[i],
				       &cycles);
	}
	vgg_buffer_destroy(b);
	if (!err) {
		times->job_ms = fmax(0, vgg_median(waiting, JOBS));
		times->submit_ms = vgg_median(working, JOBS);
	}
	return err;
}

/*
 * The link.
 */
struct link {
	struct vgg_device *device;
	struct vgg_buffer *home[WAYS]; /* where a copy begins */
	struct vgg_buffer *stream[WAYS][SIZES];
	double ms[WAYS][SIZES][COPIES], cycles[WAYS][SIZES][COPIES];
};

static int make_copies(struct link *l)
{
	int err = 0, way, size;

	for (way = 0; way < WAYS; way++) {
		uint64_t from = vgg_buffer_address(l->home[way]);
		uint64_t to = vgg_buffer_address(l->home[!way]);

		for (size = 0; !err && size < SIZES; size++) {
			struct vgg_piece p = { .width = sizes[size],
					       .height = 1 };
			struct vgg_stream s;

			err = make_stream(l->device, 2, &l->stream[way][size],
					  &s);
			if (err)
				break;
			vgg_stream_copy(&s, from, to, &p, 0);
			err = vgg_stream_end(&s, 0);
		}
	}
	return err;
}

/* The first round brings pages into tables and caches; the next one overwrites
 * what it measured. */
static int run_copies(struct link *l)
{
	int err = 0, i, way, size;

	for (i = -1; i < COPIES; i++)
		for (way = 0; way < WAYS; way++)
			for (size = 0; !err && size < SIZES; size++)
				err = time_job(
					l->device, l->stream[way][size], 2, 0,
					&l->ms[way][size][i < 0 ? 0 : i],
					&l->cycles[way][size][i < 0 ? 0 : i]);
	return err;
}

double vgg_link_speed(const struct vgg_copied *small,
		      const struct vgg_copied *large, uint32_t clock_khz)
{
	double bytes = (double)(large->bytes - small->bytes);
	double by_card = (large->cycles - small->cycles) / clock_khz;
	double by_host = large->ms - small->ms;
	double ms = by_card;

	if (by_host > 0 && (by_card <= 0 || by_host > DISAGREE * by_card ||
			    by_card > DISAGREE * by_host))
		ms = by_host;
	return ms > 0 ? bytes / ms / 1e3 : 0;
}

static uint32_t speed_of(struct link *l, int way, uint32_t crossings,
			 uint32_t clock_khz)
{
	struct vgg_copied c[SIZES];
	double mbps;
	int size;

	for (size = 0; size < SIZES; size++)
		c[size] = (struct vgg_copied){
			.bytes = (uint64_t)sizes[size] * crossings,
			.cycles = vgg_median(l->cycles[way][size], COPIES),
			.ms = vgg_median(l->ms[way][size], COPIES),
		};
	mbps = vgg_link_speed(&c[SMALL], &c[LARGE], clock_khz);
	return mbps >= 1 && mbps < 1e9 ? (uint32_t)(mbps + 0.5) : 0;
}

static int measure_link(struct vgg_device *d,
			const struct vgg_device_info *info,
			struct vgg_card_times *times)
{
	struct link l = { .device = d };
	bool local = info->local_mib;
	int err = vgg_buffer_create(d, sizes[LARGE], VGG_BUFFER_HOST,
				    &l.home[FROM_HOST]);
	int way, size;

	if (!err)
		err = vgg_buffer_create(d, sizes[LARGE],
					local ? VGG_BUFFER_LOCAL :
						VGG_BUFFER_HOST,
					&l.home[TO_HOST]);
	if (!err)
		err = make_copies(&l);
	if (!err)
		err = run_copies(&l);
	if (!err) {
		times->from_host_mbps =
			speed_of(&l, FROM_HOST, local ? 1 : 2, info->clock_khz);
		times->to_host_mbps =
			speed_of(&l, TO_HOST, local ? 1 : 2, info->clock_khz);
	}
	for (way = 0; way < WAYS; way++) {
		for (size = 0; size < SIZES; size++)
			vgg_buffer_destroy(l.stream[way][size]);
		vgg_buffer_destroy(l.home[way]);
	}
	return err;
}

static const char *find_speed(struct vgg_device *d,
			      const struct vgg_device_info *info,
			      struct vgg_card_times *times, int *err)
{
	if (!keeps_time(info))
		return "the card is simulated and not known to keep real time; "
		       "in this process --pace makes it";
	*err = measure_link(d, info, times);
	if (*err == -ENOSPC) {
		*err = 0;
		return "its memory is full";
	}
	if (!*err && (!times->from_host_mbps || !times->to_host_mbps)) {
		times->from_host_mbps = times->to_host_mbps = 0;
		return "a larger copy took no longer than a smaller one";
	}
	return "";
}

int vgg_measure_card(struct vgg_device *d, const struct vgg_device_info *info,
		     struct vgg_card_times *times)
{
	int err;

	*times = (struct vgg_card_times){ .why_no_link = "there is no card" };
	if (info->kind == VGG_DEVICE_CPU)
		return 0;
	/* The paced one has the same key, and its times are worth keeping. */
	times->none = info->kind == VGG_DEVICE_SIM && !info->paced;
	err = times->none ? 0 : measure_job(d, info, times);
	if (!err)
		times->why_no_link = find_speed(d, info, times, &err);
	return err;
}
