// SPDX-License-Identifier: MIT
/* vggctl plan: where each layer runs, why, and what that is expected to cost. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "layers.h"
#include "out.h"
#include "text.h"

enum { KEY_SAVE = 0x400, KEY_WHAT_IF, KEY_MACHINE, KEY_WHOLE };

struct plan {
	struct cli *cli; /* first, see cli.h */
	struct session_args args;
	const char *save;
	struct vgg_plan_options options;
	struct vgg_plan *plan;
};

static const struct argp_option options[] = {
	OPTION_MODEL,
	{ "split", KEY_SPLIT, "WHERE", 0,
	  "auto (the least time), card, cpu, offload (all that the card can "
	  "run), or a file with a plan; default: auto",
	  0 },
	{ "whole", KEY_WHOLE, NULL, 0, "auto: cut no layer in two", 0 },
	{ "save", KEY_SAVE, "FILE", 0, "Write the plan to this file, as JSON",
	  0 },
	{ "machine", KEY_MACHINE, "NAME", 0,
	  "Plan for another CPU: rk3399; default: this one", 0 },
	{ "what-if", KEY_WHAT_IF, "CHANGES", 0,
	  "Plan for a card that one doesn't have: lanes=1,gen=1,macs=4096; "
	  "also link, clock, memory, bandwidth, onchip",
	  0 },
	OPTION_THREADS,
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct plan *p = state->input;

	switch (key) {
	case KEY_WHOLE:
		p->options.whole = true;
		return 0;
	case KEY_SAVE:
		p->save = arg;
		return 0;
	case KEY_MACHINE:
		p->options.machine = machine_names[arg_choice(
			state, "--machine", arg, machine_names)];
		return 0;
	case KEY_WHAT_IF:
		p->options.what_if = arg;
		return 0;
	default:
		break;
	}
	return arg_session(key, arg, state, &p->args);
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Tells for each layer where it runs, why, and the time that is "
	       "expected; nothing runs.",
	.children = common_options,
};

static int describe(struct plan *p, struct out_plan *out)
{
	unsigned int n = p->cli->model_info.layers, i;
	int err;

	out->info.size = sizeof(out->info);
	err = vgg_plan_info(p->plan, &out->info);
	out->planned = cli_alloc(NULL, n * sizeof(*out->planned));
	for (i = 0; !err && i < n; i++) {
		out->planned[i].size = sizeof(*out->planned);
		err = vgg_plan_layer(p->plan, i, &out->planned[i]);
	}
	return err ? err : layers_describe(p->cli, &out->layers);
}

/* By default, runs here don't follow such a plan. */
static bool only_planned(const struct plan *p)
{
	const struct vgg_plan_options *o = &p->options;
	const struct vgg_device_info *i = &p->cli->device_info;

	return i->kind == VGG_DEVICE_SIM && !i->paced &&
	       o->split == VGG_SPLIT_AUTO && !o->file && !o->machine &&
	       !o->what_if && !p->save;
}

static int plan_all(struct plan *p)
{
	struct out_plan out = { .saved = p->save };
	struct cli *cli = p->cli;
	int err = cli_open_device(cli);

	if (!err)
		err = cli_open_model(cli, p->args.model);
	if (!err)
		err = cli_took_options(cli,
				       vgg_plan_create(cli->dev, cli->model,
						       &p->options, &p->plan));
	if (!err && p->save)
		err = vgg_plan_save(p->plan, p->save);
	if (!err)
		err = describe(p, &out);
	out.only_planned = only_planned(p);
	if (!err)
		cli->out->plan(cli, &out);
	free(out.planned);
	free(out.layers);
	return err ? cli_report_last(cli, err) : EXIT_OK;
}

static int plan_main(struct cli *cli, int argc, char **argv)
{
	struct plan p = { .cli = cli,
			  .options = { .size = sizeof(p.options) } };
	int status;

	cli_parse(&verb_plan, argc, argv, &p);
	p.options.threads = p.args.session.threads;
	p.options.split = p.args.session.split;
	p.options.file = p.args.session.plan;
	status = plan_all(&p);
	vgg_plan_free(p.plan);
	return status;
}

const struct verb verb_plan = {
	.name = "plan",
	.summary = "tell where layers run best, and what it costs",
	.argp = &argp,
	.run = plan_main,
};
