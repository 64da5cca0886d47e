// SPDX-License-Identifier: MIT
/* vggctl import: makes a compiled model of a network's file. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "layers.h"
#include "out.h"
#include "quant_options.h"

#define CHANNELS_LIMIT 4
#define RESIZE_LIMIT 65535

struct import {
	struct cli *cli; /* first, see cli.h */
	const char *source, *output;
	struct vgg_import_options o;
	struct quant_arguments q;
	struct vgg_quantize_report *report;
	bool no_quantize, list_archs;
	float mean[CHANNELS_LIMIT], std[CHANNELS_LIMIT];
	int n_mean, n_std;
};

enum {
	KEY_LABELS = 0x200,
	KEY_NO_QUANTIZE,
	KEY_NAME,
	KEY_RESIZE,
	KEY_MEAN,
	KEY_STD,
	KEY_INTERPOLATION,
	KEY_RANDOM,
	KEY_LIST,
	KEY_SIZE,
	KEY_EPSILON,
};

static const char *const interpolations[] = { "bilinear", "bicubic", NULL };

static const struct argp_option options[] = {
	{ "output", 'o', "OUT", 0, "The compiled model to write", 0 },
	{ "arch", 'a', "NAME", 0,
	  "Architecture, for files of weights only and "
	  "random weights",
	  0 },
	{ "list-archs", KEY_LIST, NULL, 0, "List the architectures, and end",
	  0 },
	{ "random-weights", KEY_RANDOM, "SEED", 0,
	  "Make up the weights, in "
	  "place of SRC",
	  0 },
	{ "name", KEY_NAME, "NAME", 0, "The network's name; default: SRC's",
	  0 },
	{ "labels", KEY_LABELS, "FILE", 0,
	  "Names of the classes, one a line; "
	  "default: ImageNet's, if there are 1000 classes",
	  0 },
	{ "epsilon", KEY_EPSILON, "E", 0,
	  "BatchNorm's epsilon, for files of weights that don't say it; "
	  "default: PyTorch's, 1e-5, or Keras', 1e-3",
	  0 },
	OPTION_THREADS,
	OPTIONS_QUANTIZE(1),
	{ "no-quantize", KEY_NO_QUANTIZE, NULL, 0,
	  "Keep the network in "
	  "floating point, for the CPU only",
	  1 },
	{ NULL, 0, NULL, 0,
	  "Preprocessing of images, default: as the "
	  "architecture is usually trained:",
	  2 },
	{ "input-size", KEY_SIZE, "N", 0,
	  "Height and width of an ONNX file's input, in place of what it "
	  "says, if the network can take them",
	  2 },
	{ "resize", KEY_RESIZE, "N", 0,
	  "Length of the shorter side before "
	  "the centre is cut out, 1 to 65535",
	  2 },
	{ "interpolation", KEY_INTERPOLATION, "KIND", 0, "bilinear or bicubic",
	  2 },
	{ "mean", KEY_MEAN, "A,B,C", 0,
	  "Subtracted from each channel's "
	  "values (0 to 1)",
	  2 },
	{ "std", KEY_STD, "A,B,C", 0, "Then divides them", 2 },
	{ 0 }
};

static void check_arguments(struct argp_state *state, const struct import *m)
{
	if (m->list_archs)
		return;
	if (m->o.random_weights && m->source)
		arg_fail(state,
			 "--random-weights takes the place of a file; "
			 "leave out '%s'",
			 m->source);
	if (m->o.random_weights && !m->o.arch)
		arg_fail(state, "--random-weights needs --arch, "
				"e.g. --arch vgg16");
	if (!m->o.random_weights && !m->source)
		arg_fail(state, "a file to import is missing: ONNX, "
				"safetensors, PyTorch's .pth, Keras' .h5, or "
				"--random-weights SEED");
	if (!m->output)
		arg_fail(state, "--output is missing: name the file to write");
	if (m->no_quantize && m->q.given)
		arg_fail(state, "%s is of no use with --no-quantize",
			 m->q.given);
	quant_check(&m->q, state);
	if (m->no_quantize && m->q.keep == VGG_KEEP_NONE)
		arg_fail(state, "--keep none and --no-quantize leave no "
				"weights");
}

/* What concerns images and labels; true if the key is one of these. */
static bool parse_preprocess(int key, char *arg, struct argp_state *state)
{
	struct import *m = state->input;

	switch (key) {
	case KEY_LABELS:
		m->o.labels = arg;
		return true;
	case KEY_SIZE:
		m->o.input_size =
			arg_number(state, "--input-size", arg, 1, RESIZE_LIMIT);
		return true;
	case KEY_RESIZE:
		m->o.resize =
			arg_number(state, "--resize", arg, 1, RESIZE_LIMIT);
		return true;
	case KEY_MEAN:
		m->n_mean = arg_floats(state, "--mean", arg, m->mean,
				       CHANNELS_LIMIT);
		return true;
	case KEY_STD:
		m->n_std =
			arg_floats(state, "--std", arg, m->std, CHANNELS_LIMIT);
		return true;
	case KEY_INTERPOLATION:
		arg_choice(state, "--interpolation", arg, interpolations);
		m->o.interpolation = arg;
		return true;
	default:
		return false;
	}
}

static bool parse_quantize(int key, char *arg, struct argp_state *state)
{
	struct import *m = state->input;

	switch (key) {
	case KEY_NO_QUANTIZE:
		m->no_quantize = true;
		return true;
	case 't':
		m->q.o.threads =
			arg_number(state, "--threads", arg, 0, THREADS_LIMIT);
		return true;
	default:
		return quant_parse(&m->q, key, arg, state) ||
		       parse_preprocess(key, arg, state);
	}
}

static double arg_epsilon(struct argp_state *state, const char *text)
{
	char *end;
	double e = strtod(text, &end);

	/* Spaces and names such as "nan" are no numbers here. */
	if (!*text || !strchr(".0123456789", *text) || *end || !(e > 0) ||
	    e > 1)
		arg_fail(state,
			 "--epsilon takes a number above 0, 1 at most, not "
			 "'%s'",
			 text);
	return e;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct import *m = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		arg_init_common(state);
		return 0;
	case 'o':
		m->output = arg;
		return 0;
	case 'a':
		m->o.arch = arg;
		return 0;
	case KEY_LIST:
		m->list_archs = true;
		return 0;
	case KEY_RANDOM:
		m->o.random_weights = true;
		m->o.seed = arg_seed(state, "--random-weights", arg);
		return 0;
	case KEY_NAME:
		m->o.name = arg;
		return 0;
	case KEY_EPSILON:
		m->o.epsilon = arg_epsilon(state, arg);
		return 0;
	case ARGP_KEY_ARG:
		if (m->source)
			arg_fail(state, "takes one file; leave out '%s'", arg);
		m->source = arg;
		return 0;
	case ARGP_KEY_END:
		check_arguments(state, m);
		return 0;
	default:
		return parse_quantize(key, arg, state) ? 0 : ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "SRC -o OUT\n--arch NAME --random-weights SEED -o OUT\n"
		    "--list-archs",
	.doc = "Compiles an ONNX, safetensors, PyTorch (.pth) or Keras (.h5) "
	       "file into a model that `run', `verify' and `bench' take: "
	       "folded, quantised to int8, with preprocessing and labels.",
	.children = common_options,
};

/* Writing OUT would destroy SRC, whichever names they have. */
static int check_files(const struct import *m)
{
	struct stat a, b;

	if (!m->source || stat(m->source, &a) || stat(m->output, &b) ||
	    a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return 0;
	return cli_fail(VGG_ERROR_BAD_ARGUMENT, m->output,
			"name another file with --output",
			"is the file to import itself");
}

/* Values for channels that weren't named; check_channels() tells later. */
static const float *fill(float *values, int n)
{
	int i;

	for (i = n; n && i < CHANNELS_LIMIT; i++)
		values[i] = values[n - 1];
	return n ? values : NULL;
}

static int check_channels(const struct import *m, const char *option, int n)
{
	int channels = m->cli->model_info.input_channels;

	if (!n || n == channels)
		return 0;
	return cli_fail(VGG_ERROR_BAD_ARGUMENT, option,
			"give one number for each channel, with commas "
			"between them",
			"has %d number%s, the network takes %d channel%s", n,
			n == 1 ? "" : "s", channels, channels == 1 ? "" : "s");
}

static int load(struct import *m)
{
	struct cli *cli = m->cli;
	int err;

	m->o.mean = fill(m->mean, m->n_mean);
	m->o.std = fill(m->std, m->n_std);
	err = vgg_model_import(m->source, &m->o, &cli->model);
	if (!err)
		err = cli_describe_model(cli);
	if (!err)
		err = check_channels(m, "--mean", m->n_mean);
	return err ? err : check_channels(m, "--std", m->n_std);
}

/* Random weights need no warning of what their accuracy is like. */
static int quantize(struct import *m)
{
	if (m->no_quantize)
		return 0;
	return quant_run(m->cli, &m->q,
			 m->o.random_weights ? NULL : &m->report);
}

static int show(const struct import *m, double start)
{
	struct out_import out = { .file = m->output };
	struct out_layer *layers;
	struct stat st;
	int err = layers_describe(m->cli, &layers);

	if (err)
		return err;
	/* What is told is the file, not what was in memory. */
	if (m->q.keep == VGG_KEEP_NONE)
		m->cli->model_info.has_fp32 = false;
	if (!stat(m->output, &st))
		out.bytes = (uint64_t)st.st_size;
	out.seconds = cli_now() - start;
	out.layers = layers;
	m->cli->out->import(m->cli, &out);
	free(layers);
	return 0;
}

/* A graph that keeps its scales is worth a warning only where it was told to do
 * otherwise. */
static void warn(const struct import *m)
{
	struct vgg_quantize_info i = VGG_INIT(i);

	if (m->report && !vgg_quantize_report_info(m->report, &i) &&
	    (!i.given || m->q.given))
		quant_warn(m->report);
}

static int import_all(struct import *m)
{
	double start = cli_now();
	int err = check_files(m);

	if (!err)
		err = load(m);
	if (!err)
		err = quantize(m);
	if (!err)
		err = vgg_model_save(m->cli->model, m->output, m->q.keep);
	if (!err)
		err = show(m, start);
	if (!err)
		warn(m);
	vgg_quantize_report_free(m->report);
	return err ? cli_report_last(m->cli, err) : EXIT_OK;
}

static int import_main(struct cli *cli, int argc, char **argv)
{
	struct import m = {
		.cli = cli,
		.o = { .size = sizeof(m.o), .progress = cli_progress },
		.q.o = { .size = sizeof(m.q.o), .progress = cli_progress },
	};

	cli_parse(&verb_import, argc, argv, &m);
	if (!m.list_archs)
		return import_all(&m);
	cli->out->archs();
	return EXIT_OK;
}

const struct verb verb_import = {
	.name = "import",
	.summary = "compile a network from ONNX, PyTorch, Keras",
	.argp = &argp,
	.run = import_main,
};
