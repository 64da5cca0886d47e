// SPDX-License-Identifier: MIT
/* vggctl trace: what card and CPU do during inferences, as a picture or for a
 * viewer of traces. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "out.h"
#include "stream.h"

#define ITERATIONS_DEFAULT 3
#define ITERATIONS_LIMIT 100000
#define WARMUP_DEFAULT 1
/* Room for events: of an inference, some hundred with two threads; at least, and
 * at most. */
#define EVENTS_EACH ((size_t)4096)
#define EVENTS_LEAST ((size_t)1 << 16)
#define EVENTS_MOST ((size_t)1 << 22)

struct trace {
	struct cli *cli; /* first, see cli.h */
	struct session_args args;
	const char *output, *image;
	unsigned int iterations, warmup;
	int in_flight; /* -1: one image after the other */

	float *data; /* in place of an image */
	size_t count;
};

enum { KEY_IN_FLIGHT = 0x600 };

static const char *const endings[] = { ".json", ".svg", ".html", NULL };

static const struct argp_option options[] = {
	OPTION_MODEL,
	{ "output", 'o', "FILE", 0,
	  "Write the trace there: .json for Perfetto and chrome://tracing, "
	  ".svg "
	  "or .html for people",
	  0 },
	{ "iterations", 'i', "N", 0,
	  "Inferences to trace, 1 to 100000; default: 3", 0 },
	{ "warmup", 'w', "N", 0,
	  "Inferences before that, 0 to 1000000; default: 1; of a stream, "
	  "each image in flight at least once",
	  0 },
	OPTION_THREADS,
	OPTION_SPLIT,
	OPTION_PRECISION,
	{ "in-flight", KEY_IN_FLIGHT, "N", 0,
	  "A stream of images, up to 16 of them in flight at the same time; 0: "
	  "as many as keep card and CPU busy",
	  0 },
	{ 0 }
};

/* Before the work, not after it. */
static void check_output(struct argp_state *state, const char *output)
{
	const char *ending = output ? strrchr(output, '.') : NULL;
	int i;

	if (!output)
		arg_fail(state, "a file is missing; give it by --output");
	for (i = 0; ending && endings[i]; i++)
		if (!strcmp(ending, endings[i]))
			return;
	arg_fail(state,
		 "--output takes a name that ends in .json, .svg or .html, not "
		 "'%s'",
		 output);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct trace *t = state->input;

	switch (key) {
	case 'o':
		t->output = arg;
		return 0;
	case 'i':
		t->iterations = (unsigned int)arg_number(
			state, "--iterations", arg, 1, ITERATIONS_LIMIT);
		return 0;
	case 'w':
		t->warmup = (unsigned int)arg_number(state, "--warmup", arg, 0,
						     1000000);
		return 0;
	case KEY_IN_FLIGHT:
		t->in_flight = arg_number(state, "--in-flight", arg, 0, 16);
		return 0;
	case ARGP_KEY_ARG:
		if (t->image)
			arg_fail(state, "takes one image, no '%s'", arg);
		t->image = arg;
		return 0;
	case ARGP_KEY_END:
		check_output(state, t->output);
		break;
	default:
		break;
	}
	return arg_session(key, arg, state, &t->args);
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "-o FILE [IMAGE]",
	.doc = "Records when card, CPU threads and the device's driver do what "
	       "during inferences: of an image, from its file on, or of a "
	       "fixed "
	       "input.",
	.children = common_options,
};

static int run_once(struct trace *t)
{
	struct vgg_result r = VGG_INIT(r);

	if (t->image)
		return vgg_session_run_file(t->cli->session, t->image, &r);
	return vgg_session_run_tensor(t->cli->session, t->data, t->count, &r);
}

static int push(void *ctx)
{
	const struct trace *t = ctx;

	return t->image ? vgg_pipeline_push_file(t->cli->pipeline, t->image) :
			  vgg_pipeline_push_tensor(t->cli->pipeline, t->data,
						   t->count);
}

static int run_stream(struct trace *t)
{
	int err = stream_warm_up(t->cli, t->warmup, push, t, &t->warmup);

	vgg_trace_clear(t->args.session.trace);
	return err ? err :
		     stream_flow(t->cli, "images", t->iterations, push, t);
}

static int run_all(struct trace *t)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < t->warmup; i++) {
		cli_progress(NULL, "warm-up", i, t->warmup);
		err = run_once(t);
	}
	vgg_trace_clear(t->args.session.trace);
	for (i = 0; !err && i < t->iterations; i++) {
		cli_progress(NULL, "inferences", i, t->iterations);
		err = run_once(t);
	}
	cli_progress_clear();
	return err;
}

static size_t room(const struct trace *t)
{
	size_t n = t->iterations * EVENTS_EACH;

	n = n < EVENTS_MOST ? n : EVENTS_MOST;
	return n > EVENTS_LEAST ? n : EVENTS_LEAST;
}

static int open_all(struct trace *t)
{
	int err = cli_open_device(t->cli);

	if (!err)
		err = cli_open_model(t->cli, t->args.model);
	if (!err)
		err = vgg_trace_create(room(t), &t->args.session.trace);
	if (!err && t->in_flight < 0)
		err = cli_open_session(t->cli, &t->args.session);
	else if (!err)
		err = cli_open_pipeline(t->cli, &t->args.session,
					(unsigned int)t->in_flight);
	if (err || t->image)
		return err;
	return input_fixed(t->cli, &t->data, &t->count);
}

static int trace_all(struct trace *t)
{
	struct out_trace out = { .file = t->output };
	struct cli *cli = t->cli;
	int err = open_all(t);

	if (!err)
		err = cli->pipeline ? run_stream(t) : run_all(t);
	if (!err)
		err = vgg_trace_save(t->args.session.trace, t->output);
	out.info.size = sizeof(out.info);
	if (!err)
		err = vgg_trace_info(t->args.session.trace, &out.info);
	if (err)
		return cli_report_last(cli, err);
	out.warmup = t->warmup;
	cli_note_late(out.info.jobs, out.info.late_jobs, out.info.late_us);
	cli->out->trace(cli, &out);
	return EXIT_OK;
}

static int trace_main(struct cli *cli, int argc, char **argv)
{
	struct trace t = {
		.cli = cli,
		.args.session = { .size = sizeof(t.args.session),
				  .progress = cli_progress },
		.iterations = ITERATIONS_DEFAULT,
		.warmup = WARMUP_DEFAULT,
		.in_flight = -1,
	};
	int status;

	cli_parse(&verb_trace, argc, argv, &t);
	status = trace_all(&t);
	/* It outlives the session. */
	cli_close(cli);
	vgg_trace_free(t.args.session.trace);
	free(t.data);
	return status;
}

const struct verb verb_trace = {
	.name = "trace",
	.summary = "draw what card and CPU do, and when",
	.argp = &argp,
	.run = trace_main,
};
