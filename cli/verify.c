// SPDX-License-Identifier: MIT
/* vggctl verify: card, CPU and fp32 on the same input, layer by layer. */
#include <errno.h>
#include <stdlib.h>

#include "cli.h"
#include "out.h"
#include "text.h"

struct verify {
	struct cli *cli; /* first, see cli.h */
	struct session_args args;
	const char *input, *image;

	float *data;
	size_t count;
	struct vgg_verify_layer *layers;
	unsigned int n_layers;
};

enum { KEY_INPUT = 0x200 };

static const struct argp_option options[] = {
	OPTION_MODEL,
	{ "input", KEY_INPUT, "X.npy", 0,
	  "Preprocessed float32 array (NCHW) "
	  "in place of an image",
	  0 },
	OPTION_THREADS,
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct verify *v = state->input;

	switch (key) {
	case KEY_INPUT:
		v->input = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (v->image)
			arg_fail(state, "takes one image; leave out '%s'", arg);
		v->image = arg;
		return 0;
	case ARGP_KEY_END:
		if (v->image && v->input)
			arg_fail(state,
				 "--input takes the place of an image; "
				 "leave out '%s'",
				 v->image);
		break;
	default:
		break;
	}
	return arg_session(key, arg, state, &v->args);
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[IMAGE]",
	.doc = "Runs the same input through card, CPU (int8) and CPU (fp32) "
	       "and tells for each layer whether card and CPU agree in every "
	       "byte, and how far int8 is from fp32. Without an image, the "
	       "input is a made-up one.",
	.children = common_options,
};

/* Only a session knows the preprocessing; it is gone before the three runs
 * need its memory. */
static int make_input(struct verify *v)
{
	struct vgg_session_options o = VGG_INIT(o);
	struct cli *cli = v->cli;
	int err;

	if (v->input)
		return input_from_array(cli, v->input, &v->data, &v->count,
					NULL);
	o.split = VGG_SPLIT_CPU;
	o.threads = v->args.session.threads;
	err = cli_open_session(cli, &o);
	if (!err && v->image)
		err = input_from_image(cli, v->image, &v->data, &v->count);
	else if (!err)
		err = input_fixed(cli, &v->data, &v->count);
	vgg_session_free(cli->session);
	cli->session = NULL;
	return err;
}

static int keep_layer(void *ctx, const struct vgg_verify_layer *layer)
{
	struct verify *v = ctx;

	v->layers =
		cli_alloc(v->layers, (v->n_layers + 1) * sizeof(*v->layers));
	v->layers[v->n_layers++] = *layer;
	return 0;
}

static int open_all(struct verify *v)
{
	int err = cli_open_device(v->cli);

	if (!err)
		err = cli_open_model(v->cli, v->args.model);
	return err ? err : make_input(v);
}

static int verify_all(struct verify *v)
{
	struct out_verify out = { .input = v->image ? v->image : v->input };
	struct cli *cli = v->cli;
	struct vgg_error error;
	int err = open_all(v);

	if (!err)
		err = vgg_verify(cli->dev, cli->model, v->data, v->count,
				 v->args.session.threads, keep_layer, v);
	if (err && err != -EILSEQ)
		return cli_report_last(cli, err);
	out.layers = v->layers;
	out.count = v->n_layers;
	out.equal = !err;
	if (err)
		error = cli_error(err);
	cli->out->verify(cli, &out, err ? &error : NULL);
	return err ? cli_say(&error) : EXIT_OK;
}

static int verify_main(struct cli *cli, int argc, char **argv)
{
	struct verify v = { .cli = cli };
	int status;

	cli_parse(&verb_verify, argc, argv, &v);
	status = verify_all(&v);
	free(v.layers);
	free(v.data);
	return status;
}

const struct verb verb_verify = {
	.name = "verify",
	.summary = "compare card, CPU and fp32, layer by layer",
	.argp = &argp,
	.run = verify_main,
};
