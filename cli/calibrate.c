// SPDX-License-Identifier: MIT
/* vggctl calibrate: measures what plans are made from. */
#include <stdio.h>

#include "cli.h"
#include "out.h"

struct calibrate {
	struct cli *cli; /* first, see cli.h */
	struct session_args args;
	struct vgg_calibrate_options options;
};

enum { KEY_ROUNDS = 0x400 };

static const struct argp_option options[] = {
	OPTION_MODEL,
	{ "rounds", KEY_ROUNDS, "N", 0,
	  "Take medians of so many, 1 to 1000; default: 5", 0 },
	OPTION_THREADS,
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct calibrate *c = state->input;

	switch (key) {
	case KEY_ROUNDS:
		c->options.rounds = arg_number(state, "--rounds", arg, 1, 1000);
		return 0;
	default:
		break;
	}
	return arg_session(key, arg, state, &c->args);
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Measures the CPU's kernels on the layers of a model, what a "
	       "job of the card costs this host and how fast its link is, and "
	       "keeps that for plans.",
	.children = common_options,
};

/* What was measured is kept all the same: it may be the best that can be had. */
static void warn_of_busy(struct out_calibrate *out,
			 struct vgg_quantize_warning *w)
{
	const struct vgg_calibrate_info *i = &out->info;

	if (!i->unsteady)
		return;
	w->name = "BUSY_MACHINE";
	snprintf(w->what, sizeof(w->what),
		 "the times of %u of %u shapes spread widely, one's median is "
		 "%.1f times the least: other programs ran meanwhile, and "
		 "plans made from these times are worth little",
		 i->unsteady, i->shapes, i->spread);
	snprintf(w->next_step, sizeof(w->next_step),
		 "run it again when the machine is idle, or with more "
		 "--rounds");
	out->warning = w;
	cli_warn(w);
}

static void note_threads(int asked, int threads)
{
	char text[160];

	if (asked <= threads)
		return;
	snprintf(text, sizeof(text),
		 "%d threads were asked for, %d CPU%s to be had: the times are "
		 "of %d thread%s, and plans for more use them, too",
		 asked, threads, threads == 1 ? " is" : "s are", threads,
		 threads == 1 ? "" : "s");
	cli_note(text);
}

static int calibrate_main(struct cli *cli, int argc, char **argv)
{
	struct calibrate c = {
		.cli = cli,
		.options = { .size = sizeof(c.options),
			     .progress = cli_progress },
	};
	struct vgg_quantize_warning warning = VGG_INIT(warning);
	struct out_calibrate out = { .info.size = sizeof(out.info) };
	int err;

	cli_parse(&verb_calibrate, argc, argv, &c);
	c.options.threads = c.args.session.threads;
	err = cli_open_device(cli);
	if (!err)
		err = cli_open_model(cli, c.args.model);
	if (!err)
		err = vgg_calibrate(cli->dev, cli->model, &c.options,
				    &out.info);
	cli_progress_clear();
	if (err)
		return cli_report_last(cli, err);
	note_threads(c.options.threads, out.info.threads);
	warn_of_busy(&out, &warning);
	cli->out->calibrate(cli, &out);
	return EXIT_OK;
}

const struct verb verb_calibrate = {
	.name = "calibrate",
	.summary = "measure the CPU and the link, for plans",
	.argp = &argp,
	.run = calibrate_main,
};
