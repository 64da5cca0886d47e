// SPDX-License-Identifier: MIT
/* vggctl show: a network, as a table and as a picture. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "layers.h"
#include "out.h"
#include "show.h"

struct show {
	struct cli *cli; /* first, see cli.h */
	const char *model, *arch, *output;
};

enum { KEY_ARCH = 0x800 };

static const struct argp_option options[] = {
	{ "output", 'o', "FILE.svg", 0, "Draw it there, too", 0 },
	{ "arch", KEY_ARCH, "NAME", 0,
	  "Architecture of a file that has weights only, see `vggctl import "
	  "--list-archs'",
	  0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct show *s = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		arg_init_common(state);
		return 0;
	case 'o':
		s->output = arg_svg(state, "--output", arg);
		return 0;
	case KEY_ARCH:
		s->arch = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (s->model)
			arg_fail(state, "takes one network; leave out '%s'",
				 arg);
		s->model = arg;
		return 0;
	case ARGP_KEY_END:
		if (s->arch && !s->model)
			arg_fail(state, "--arch is about a file, which is "
					"missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[MODEL]",
	.doc = "Shows a network layer by layer: what each does, its shape, "
	       "work, "
	       "size and int8 scales. MODEL is a compiled model, any file that "
	       "`vggctl import' takes, or the name of an architecture; "
	       "default: the built-in network.",
	.children = common_options,
};

/* No file, and no name that looks like a file's: the library knows architectures
 * by more names than it lists, and names all where it knows none. */
static bool is_arch(const char *name)
{
	return access(name, F_OK) && !strpbrk(name, "/.");
}

/* What isn't compiled is imported. Of a damaged compiled model, import only says
 * that it is one. */
static int open_file(struct show *s)
{
	struct vgg_import_options o = VGG_INIT(o);
	struct cli *cli = s->cli;
	int err = s->arch ? -EBADMSG : vgg_model_load(s->model, &cli->model);

	if (err != -EBADMSG)
		return err;
	o.arch = s->arch;
	o.progress = cli_progress;
	err = vgg_model_import(s->model, &o, &cli->model);
	if (err == -EINVAL && !s->arch)
		err = vgg_model_load(s->model, &cli->model);
	return err;
}

/* Folding needs weights, whatever they are. */
static int open_arch(struct show *s)
{
	struct vgg_import_options o = VGG_INIT(o);

	o.arch = s->model;
	o.random_weights = true;
	o.progress = cli_progress;
	return vgg_model_import(NULL, &o, &s->cli->model);
}

static int open_network(struct show *s)
{
	int err;

	if (!s->model)
		return cli_open_model(s->cli, NULL);
	err = is_arch(s->model) ? open_arch(s) : open_file(s);
	cli_progress_clear();
	return err ? err : cli_describe_model(s->cli);
}

static int show_all(struct show *s)
{
	struct out_show out = { .file = s->output };
	struct out_layer *layers = NULL;
	int err = open_network(s);

	if (!err)
		err = layers_describe(s->cli, &layers);
	if (err)
		return cli_report_last(s->cli, err);
	if (s->output)
		err = show_svg(s->cli, layers, s->output);
	out.layers = layers;
	if (!err)
		s->cli->out->show(s->cli, &out);
	free(layers);
	return err ? cli_report_last(s->cli, err) : EXIT_OK;
}

static int show_main(struct cli *cli, int argc, char **argv)
{
	struct show s = { .cli = cli };

	cli_parse(&verb_show, argc, argv, &s);
	return show_all(&s);
}

const struct verb verb_show = {
	.name = "show",
	.summary = "a network's layers, as a table and as a picture",
	.argp = &argp,
	.run = show_main,
};
