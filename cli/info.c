// SPDX-License-Identifier: MIT
/* vggctl info: the device; a model and where its layers would run. */
#include <stdlib.h>

#include "cli.h"
#include "layers.h"
#include "out.h"

struct info {
	struct cli *cli; /* first, see cli.h */
	const char *model;
};

static const struct argp_option options[] = {
	{ "model", 'm', "FILE", 0,
	  "Tell about this compiled model, layer by layer", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct info *info = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		arg_init_common(state);
		return 0;
	case 'm':
		info->model = arg;
		return 0;
	case ARGP_KEY_ARG:
		arg_fail(state,
			 "takes no argument '%s'; a model goes with "
			 "--model",
			 arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Tells what the device can do and what the built-in model is; "
	       "with --model, all about that model and where its layers would "
	       "run.",
	.children = common_options,
};

/* A model without integers can only run in fp32. */
static int place(struct cli *cli, struct out_info *out)
{
	struct vgg_session_options o = VGG_INIT(o);

	if (!cli->model_info.has_int8)
		o.precision = VGG_PRECISION_FP32;
	out->precision = o.precision;
	return cli_open_session(cli, &o);
}

static int info_all(struct info *info)
{
	struct out_info out = { .has_layers = info->model };
	struct cli *cli = info->cli;
	struct out_layer *layers = NULL;
	int err = cli_open_device(cli);

	if (!err)
		err = cli_open_model(cli, info->model);
	if (!err)
		err = place(cli, &out);
	if (!err && out.has_layers)
		err = layers_describe(cli, &layers);
	if (err)
		return cli_report_last(cli, err);
	out.layers = layers;
	cli->out->info(cli, &out);
	free(layers);
	return EXIT_OK;
}

static int info_main(struct cli *cli, int argc, char **argv)
{
	struct info info = { .cli = cli };

	cli_parse(&verb_info, argc, argv, &info);
	return info_all(&info);
}

const struct verb verb_info = {
	.name = "info",
	.summary = "tell about the device, or about a model",
	.argp = &argp,
	.run = info_main,
};
