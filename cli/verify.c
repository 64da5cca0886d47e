// SPDX-License-Identifier: MIT
/* vggctl verify: card, CPU and fp32 on the same input, layer by layer. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "cli.h"
#include "out.h"
#include "text.h"
#include "verify.h"

/* What card and CPU make of one input. */
struct compared {
	struct verify *v;
	float *data;
	size_t count;
	struct vgg_verify_layer *layers;
	unsigned int n_layers;
};

enum {
	KEY_INPUT = 0x200,
	KEY_LAYERS,
	KEY_DATA,
	KEY_MAX_IMAGES,
	KEY_MIN_ALONE,
	KEY_MIN_SNR
};

#define IMAGES_LIMIT 1000000

static const struct argp_option options[] = {
	OPTION_MODEL,
	{ "input", KEY_INPUT, "X.npy", 0,
	  "Preprocessed float32 array (NCHW) "
	  "in place of an image",
	  0 },
	OPTION_THREADS,
	{ NULL, 0, NULL, 0, "Where int8 goes wrong:", 1 },
	{ "layers", KEY_LAYERS, NULL, 0,
	  "Each layer alone, from fp32's input, and with those before it; "
	  "takes several images, and folders",
	  1 },
	{ "data", KEY_DATA, "SET", 0,
	  "Images in place of files: a folder, cifar10:FOLDER or "
	  "stl10:FOLDER",
	  1 },
	{ "max-images", KEY_MAX_IMAGES, "N", 0,
	  "Take so many of them, spread evenly; default: 16", 1 },
	{ "min-snr-alone", KEY_MIN_ALONE, "DB", 0,
	  "A layer alone is wrong below that; 0: never; default: 20", 1 },
	{ "min-snr", KEY_MIN_SNR, "DB", 0,
	  "With those before it, it is wrong below that; 0: never; default: "
	  "15",
	  1 },
	{ 0 }
};

static double decibels(struct argp_state *state, const char *option,
		       const char *text)
{
	char *end;
	double db = strtod(text, &end);

	if (end == text || *end || !(db >= 0) || !(db <= 200))
		arg_fail(state, "%s takes decibels from 0 to 200, not '%s'",
			 option, text);
	return db > 0 ? db : -INFINITY;
}

static const char *parse_layers(struct verify *v, int key, char *arg,
				struct argp_state *state)
{
	switch (key) {
	case KEY_DATA:
		v->data = arg;
		return "--data";
	case KEY_MAX_IMAGES:
		v->max_images = (unsigned int)arg_number(state, "--max-images",
							 arg, 1, IMAGES_LIMIT);
		return "--max-images";
	case KEY_MIN_ALONE:
		v->min_snr_alone = decibels(state, "--min-snr-alone", arg);
		return "--min-snr-alone";
	case KEY_MIN_SNR:
		v->min_snr = decibels(state, "--min-snr", arg);
		return "--min-snr";
	default:
		return NULL;
	}
}

static void check(const struct verify *v, struct argp_state *state)
{
	if (v->images.count && v->input)
		arg_fail(state,
			 "--input takes the place of an image; leave out '%s'",
			 v->images.name[0]);
	if (v->layers_only && !v->layers)
		arg_fail(state, "%s is for --layers", v->layers_only);
	if (v->images.count > 1 && !v->layers)
		arg_fail(state,
			 "takes one image, or several with --layers; leave out "
			 "'%s'",
			 v->images.name[1]);
	if (v->data && (v->input || v->images.count))
		arg_fail(state,
			 "--data takes the place of other inputs; leave "
			 "out '%s'",
			 v->input ? v->input : v->images.name[0]);
	if (v->max_images && !v->data)
		arg_fail(state, "--max-images is about the images of --data");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct verify *v = state->input;
	const char *given = parse_layers(v, key, arg, state);

	if (given) {
		v->layers_only = given;
		return 0;
	}
	switch (key) {
	case KEY_LAYERS:
		v->layers = true;
		return 0;
	case KEY_INPUT:
		v->input = arg;
		return 0;
	case ARGP_KEY_ARG:
		return files_add(&v->images, arg);
	case ARGP_KEY_END:
		check(v, state);
		break;
	default:
		break;
	}
	return arg_session(key, arg, state, &v->args);
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[IMAGE...]",
	.doc = "Runs the same input through card, CPU (int8) and CPU (fp32) "
	       "and tells for each layer whether card and CPU agree in every "
	       "byte, and how far int8 is from fp32; with --layers, which "
	       "layer that comes from. Without an image, the input is a "
	       "made-up one.",
	.children = common_options,
};

/* Only a session knows the preprocessing; it is gone before the three runs
 * need its memory. */
static int make_input(struct compared *c)
{
	struct vgg_session_options o = VGG_INIT(o);
	const struct verify *v = c->v;
	struct cli *cli = v->cli;
	int err;

	if (v->input)
		return input_from_array(cli, v->input, &c->data, &c->count,
					NULL);
	o.split = VGG_SPLIT_CPU;
	o.threads = v->args.session.threads;
	err = cli_open_session(cli, &o);
	if (!err && v->images.count)
		err = input_from_image(cli, v->images.name[0], &c->data,
				       &c->count);
	else if (!err)
		err = input_fixed(cli, &c->data, &c->count);
	vgg_session_free(cli->session);
	cli->session = NULL;
	return err;
}

static int keep_layer(void *ctx, const struct vgg_verify_layer *layer)
{
	struct compared *c = ctx;

	c->layers =
		cli_alloc(c->layers, (c->n_layers + 1) * sizeof(*c->layers));
	c->layers[c->n_layers++] = *layer;
	return 0;
}

static int open_all(struct compared *c)
{
	struct cli *cli = c->v->cli;
	int err = cli_open_device(cli);

	if (!err)
		err = cli_open_model(cli, c->v->args.model);
	return err ? err : make_input(c);
}

static int verify_all(struct compared *c)
{
	const struct verify *v = c->v;
	struct out_verify out = { .input = v->images.count ? v->images.name[0] :
							     v->input };
	struct cli *cli = v->cli;
	struct vgg_error error;
	int err = open_all(c);

	if (!err)
		err = vgg_verify(cli->dev, cli->model, c->data, c->count,
				 v->args.session.threads, keep_layer, c);
	if (err && err != -EILSEQ)
		return cli_report_last(cli, err);
	out.layers = c->layers;
	out.count = c->n_layers;
	out.equal = !err;
	if (err)
		error = cli_error(err);
	cli->out->verify(cli, &out, err ? &error : NULL);
	return err ? cli_say(&error) : EXIT_OK;
}

static int verify_main(struct cli *cli, int argc, char **argv)
{
	struct verify v = { .cli = cli };
	struct compared c = { .v = &v };
	int status;

	cli_parse(&verb_verify, argc, argv, &v);
	status = v.layers ? verify_layers(&v) : verify_all(&c);
	free(c.layers);
	free(c.data);
	files_free(&v.images);
	return status;
}

const struct verb verb_verify = {
	.name = "verify",
	.summary = "compare card, CPU and fp32, layer by layer",
	.argp = &argp,
	.run = verify_main,
};
