// SPDX-License-Identifier: MIT
/* vggctl bench: the time of an inference. */
#include <stdlib.h>

#include "bench_layers.h"
#include "bench_stream.h"
#include "cli.h"
#include "out.h"
#include "stream.h"
#include "text.h"

#define ITERATIONS_DEFAULT 10
#define ITERATIONS_LIMIT 1000000
#define WARMUP_DEFAULT 1

struct bench {
	struct cli *cli; /* first, see cli.h */
	struct session_args args;
	unsigned int iterations, warmup;
	bool layers;
	int in_flight; /* -1: one image after the other */

	float *data;
	size_t count;
	double *ms, rate, card_cycles;
	struct vgg_result last;
	struct layer_times times;
};

enum { KEY_LAYERS = 0x400, KEY_IN_FLIGHT };

static const struct argp_option options[] = {
	OPTION_MODEL,
	{ "iterations", 'i', "N", 0,
	  "Inferences to measure, 1 to 1000000; default: 10", 0 },
	{ "warmup", 'w', "N", 0,
	  "Inferences before that, 0 to 1000000; default: 1", 0 },
	OPTION_THREADS,
	OPTION_SPLIT,
	OPTION_PRECISION,
	{ "layers", KEY_LAYERS, NULL, 0, "Tell the time of each layer, too",
	  0 },
	{ "in-flight", KEY_IN_FLIGHT, "N", 0,
	  "A stream of images, up to 16 of them in flight at the same time; 0: "
	  "as many as keep card and CPU busy",
	  0 },
	{ 0 }
};

static void check_arguments(struct argp_state *state, const struct bench *b)
{
	if (b->layers && b->in_flight >= 0)
		arg_fail(state, "--layers is for one image after the other, "
				"--in-flight for several at the same time");
	if (b->in_flight >= 0 && !b->warmup)
		arg_fail(state, "a stream is measured when it flows: "
				"--in-flight needs --warmup 1 or more");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct bench *b = state->input;

	switch (key) {
	case 'i':
		b->iterations = (unsigned int)arg_number(
			state, "--iterations", arg, 1, ITERATIONS_LIMIT);
		return 0;
	case 'w':
		b->warmup = (unsigned int)arg_number(state, "--warmup", arg, 0,
						     ITERATIONS_LIMIT);
		return 0;
	case KEY_IN_FLIGHT:
		b->in_flight = arg_number(state, "--in-flight", arg, 0, 16);
		return 0;
	case KEY_LAYERS:
		b->layers = true;
		return 0;
	case ARGP_KEY_END:
		check_arguments(state, b);
		break;
	default:
		break;
	}
	return arg_session(key, arg, state, &b->args);
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Measures inferences on a fixed input, one after the other, or "
	       "several at the same time.",
	.children = common_options,
};

static int run_once(struct bench *b)
{
	b->last.size = sizeof(b->last);
	return vgg_session_run_tensor(b->cli->session, b->data, b->count,
				      &b->last);
}

/* A paced simulator that can't keep up with the card it models. */
static int note_late(const struct bench *b,
		     const struct vgg_device_info *before)
{
	struct vgg_device_info now = VGG_INIT(now);
	int err = vgg_device_info(b->cli->dev, &now);

	if (!err)
		cli_note_late(now.jobs - before->jobs,
			      now.late_jobs - before->late_jobs,
			      now.late_us - before->late_us);
	return err;
}

static int push(void *ctx)
{
	const struct bench *b = ctx;

	return vgg_pipeline_push_tensor(b->cli->pipeline, b->data, b->count);
}

static int measure_stream(struct bench *b)
{
	struct bench_stream s = { .cli = b->cli,
				  .data = b->data,
				  .count = b->count,
				  .warmup = b->warmup,
				  .images = b->iterations,
				  .ms = b->ms };
	struct vgg_device_info before = VGG_INIT(before);
	unsigned int warmed;
	int err = stream_warm_up(b->cli, b->warmup, push, b, &warmed);

	if (!err)
		err = vgg_device_info(b->cli->dev, &before);
	if (!err)
		err = bench_stream(&s);
	b->last = s.last;
	b->rate = s.rate;
	b->card_cycles = s.card_cycles;
	return err ? err : note_late(b, &before);
}

static int measure(struct bench *b)
{
	struct vgg_device_info before = VGG_INIT(before);
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < b->warmup; i++) {
		cli_progress(NULL, "warm-up", i, b->warmup);
		err = run_once(b);
	}
	if (!err)
		err = vgg_device_info(b->cli->dev, &before);
	if (b->layers)
		vgg_trace_clear(b->args.session.trace);
	for (i = 0; !err && i < b->iterations; i++) {
		cli_progress(NULL, "inferences", i, b->iterations);
		err = run_once(b);
		b->ms[i] = b->last.ms;
		b->card_cycles += (double)b->last.card_cycles / b->iterations;
		if (!err && b->layers)
			err = layer_times_add(&b->times, b->args.session.trace,
					      b->last.ms);
	}
	cli_progress_clear();
	return err ? err : note_late(b, &before);
}

/* The smallest value that p % of them don't exceed. */
static double percentile(const struct bench *b, unsigned int p)
{
	return b->ms[((uint64_t)b->iterations * p + 99) / 100 - 1];
}

static void summarize(struct bench *b, struct out_bench *out)
{
	unsigned int n = b->iterations, i;

	sort_numbers(b->ms, n);
	for (i = 0; i < n; i++)
		out->mean += b->ms[i] / n;
	out->min = b->ms[0];
	out->max = b->ms[n - 1];
	out->median = sorted_median(b->ms, n);
	out->p90 = percentile(b, 90);
	out->p99 = percentile(b, 99);
	out->rate = b->cli->pipeline ? b->rate :
		    out->mean > 0    ? 1000 / out->mean :
				       0;
	out->card_cycles = b->card_cycles;
	out->in_flight = b->in_flight;
	out->last = &b->last;
	out->precision = b->args.session.precision;
	out->iterations = n;
	out->warmup = b->warmup;
	out->threads = b->args.session.threads;
	if (!b->layers)
		return;
	layer_times_end(&b->times);
	out->steps = b->times.steps;
	out->n_steps = b->times.n_steps;
	out->steps_ms = b->times.all;
}

static int open_all(struct bench *b)
{
	int err = cli_open_device(b->cli);

	if (!err)
		err = cli_open_model(b->cli, b->args.model);
	if (!err && b->layers)
		err = vgg_trace_create(0, &b->args.session.trace);
	if (!err && b->in_flight < 0)
		err = cli_open_session(b->cli, &b->args.session);
	else if (!err)
		err = cli_open_pipeline(b->cli, &b->args.session,
					(unsigned int)b->in_flight);
	if (!err && b->cli->pipeline)
		b->in_flight = (int)vgg_pipeline_capacity(b->cli->pipeline);
	if (!err && b->layers)
		layer_times_begin(&b->times, b->cli->model_info.layers,
				  b->iterations);
	return err ? err : input_fixed(b->cli, &b->data, &b->count);
}

static int bench_all(struct bench *b)
{
	struct out_bench out = { 0 };
	struct cli *cli = b->cli;
	int err = open_all(b);

	b->ms = cli_alloc(NULL, b->iterations * sizeof(*b->ms));
	if (!err)
		err = b->cli->pipeline ? measure_stream(b) : measure(b);
	if (err)
		return cli_report_last(cli, err);
	summarize(b, &out);
	cli->out->bench(cli, &out);
	return EXIT_OK;
}

static int bench_main(struct cli *cli, int argc, char **argv)
{
	struct bench b = {
		.cli = cli,
		.args.session = { .size = sizeof(b.args.session),
				  .progress = cli_progress },
		.iterations = ITERATIONS_DEFAULT,
		.warmup = WARMUP_DEFAULT,
		.in_flight = -1,
	};
	int status;

	cli_parse(&verb_bench, argc, argv, &b);
	status = bench_all(&b);
	/* A trace outlives its session. */
	cli_close(cli);
	vgg_trace_free(b.args.session.trace);
	layer_times_free(&b.times);
	free(b.ms);
	free(b.data);
	return status;
}

const struct verb verb_bench = {
	.name = "bench",
	.summary = "measure the time of an inference",
	.argp = &argp,
	.run = bench_main,
};
