// SPDX-License-Identifier: MIT
/*
 * Inferences under tests/bench/split: one network on a paced simulated card, with
 * all layers on the card, all on the CPU, and split as planned. Prints JSON.
 *
 *   split_engine MODEL CARD THREADS ROUNDS
 *
 * One process has a session of each kind, so that nothing but the inference is
 * measured, and takes them in turns: what else the machine does hits all three.
 * Inferences in which no thread of the process was preempted are told apart: these
 * say what the machine can do when nobody else is there.
 * Predictions are those of plans for the same device, from the costs file that
 * VGG_COSTS names.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "vggaccel.h"

#define WARMUP 3 /* the paced simulator replays from the second one on */

enum { CARD, CPU, SPLIT, WAYS };

static const struct {
	const char *name;
	enum vgg_split split;
} ways[WAYS] = {
	[CARD] = { "card", VGG_SPLIT_CARD },
	[CPU] = { "cpu", VGG_SPLIT_CPU },
	[SPLIT] = { "split", VGG_SPLIT_AUTO },
};

struct way {
	struct vgg_session *session;
	double predicted, *ms;
	bool *quiet;   /* nobody interfered */
	uint64_t late; /* jobs */
};

struct engine {
	struct vgg_device *device;
	struct vgg_model *model;
	struct way way[WAYS];
	float *input;
	size_t count;
	int rounds;
};

static void fail(const char *doing)
{
	const struct vgg_error *e = vgg_error_last();

	fprintf(stderr, "split_engine: %s: %s: %s [%s]; %s\n", doing, e->where,
		e->what, e->name, e->next_step);
	exit(1);
}

static void *allocate(size_t bytes)
{
	void *p = malloc(bytes);

	if (!p) {
		fputs("split_engine: no memory\n", stderr);
		exit(1);
	}
	return p;
}

/* Values of no meaning, spread like an image's behind preprocessing. */
static void make_input(struct engine *e)
{
	struct vgg_model_info info = VGG_INIT(info);
	uint32_t state = 1;
	size_t i;

	if (vgg_model_info(e->model, &info))
		fail("reading the model");
	e->count = info.input_count;
	e->input = allocate(e->count * sizeof(*e->input));
	for (i = 0; i < e->count; i++) {
		state = state * 1664525 + 1013904223;
		e->input[i] = (float)(state >> 8) / (1 << 23) * 2 - 2;
	}
}

static double predict(struct engine *e, int way, int threads)
{
	struct vgg_plan_options o = VGG_INIT(o);
	struct vgg_plan_info info = VGG_INIT(info);
	struct vgg_plan *plan;

	o.split = ways[way].split;
	o.threads = threads;
	if (vgg_plan_create(e->device, e->model, &o, &plan) ||
	    vgg_plan_info(plan, &info))
		fail("planning");
	if (info.guessed) {
		fputs("split_engine: the CPU's times are guessed; calibrate "
		      "into VGG_COSTS first\n",
		      stderr);
		exit(1);
	}
	vgg_plan_free(plan);
	return info.ms;
}

static void make_ways(struct engine *e, int threads)
{
	struct vgg_session_options o = VGG_INIT(o);
	int i;

	o.threads = threads;
	for (i = 0; i < WAYS; i++) {
		e->way[i].predicted = predict(e, i, threads);
		e->way[i].ms = allocate((size_t)e->rounds * sizeof(double));
		e->way[i].quiet = allocate((size_t)e->rounds);
		o.split = ways[i].split;
		if (vgg_session_create(e->device, e->model, &o,
				       &e->way[i].session))
			fail("making a session");
	}
}

static uint64_t late_jobs(const struct engine *e)
{
	struct vgg_device_info info = VGG_INIT(info);

	if (vgg_device_info(e->device, &info))
		fail("asking the card");
	return info.late_jobs;
}

/* Of all threads. */
static long preemptions(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nivcsw;
}

static void measure(struct engine *e)
{
	struct vgg_result r = VGG_INIT(r);
	int round, i;

	for (round = -WARMUP; round < e->rounds; round++)
		for (i = 0; i < WAYS; i++) {
			uint64_t late = late_jobs(e);
			long before = preemptions();

			if (vgg_session_run_tensor(e->way[i].session, e->input,
						   e->count, &r))
				fail("inference");
			if (round < 0)
				continue;
			e->way[i].ms[round] = r.ms;
			e->way[i].quiet[round] = preemptions() == before;
			e->way[i].late += late_jobs(e) - late;
		}
}

static void print(const struct engine *e)
{
	int i, round;

	for (i = 0; i < WAYS; i++) {
		const struct way *w = &e->way[i];

		printf("%s \"%s\": {\"predicted_ms\": %.6f, \"placement\": "
		       "\"%s\", \"late_jobs\": %llu,\n  \"ms\": [",
		       i ? ",\n" : "{\n", ways[i].name, w->predicted,
		       vgg_session_placement(w->session),
		       (unsigned long long)w->late);
		for (round = 0; round < e->rounds; round++)
			printf("%s%.6f", round ? ", " : "", w->ms[round]);
		printf("],\n  \"quiet\": [");
		for (round = 0; round < e->rounds; round++)
			printf("%s%s", round ? ", " : "",
			       w->quiet[round] ? "true" : "false");
		printf("]}");
	}
	puts("\n}");
}

int main(int argc, char **argv)
{
	struct vgg_device_options o = VGG_INIT(o);
	struct engine e = { 0 };
	int i;

	if (argc != 5) {
		fputs("usage: split_engine MODEL CARD THREADS ROUNDS\n",
		      stderr);
		return 2;
	}
	o.card = argv[2];
	o.pace = true;
	e.rounds = atoi(argv[4]);
	if (vgg_device_open("sim", &o, &e.device))
		fail("opening the simulated card");
	if (vgg_model_load(argv[1], &e.model))
		fail("loading the model");
	make_input(&e);
	make_ways(&e, atoi(argv[3]));
	measure(&e);
	print(&e);
	for (i = 0; i < WAYS; i++) {
		vgg_session_free(e.way[i].session);
		free(e.way[i].ms);
		free(e.way[i].quiet);
	}
	free(e.input);
	vgg_model_free(e.model);
	vgg_device_close(e.device);
	return 0;
}
