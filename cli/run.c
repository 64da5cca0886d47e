// SPDX-License-Identifier: MIT
/*
 * vggctl run: classifies images. An image that can't be read is told and
 * skipped; whatever else fails ends the run, as it would fail again.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "out.h"
#include "text.h"

#define TOP_DEFAULT 5
#define TOP_LIMIT 1000

struct run {
	struct cli *cli; /* first, see cli.h */
	struct session_args args;
	const char *input, *output;
	unsigned int top;
	char **paths;
	int n_paths;

	struct file_list files;
	unsigned int done;
	int status;
	struct vgg_array out; /* of the images so far, if there is an output */
};

enum { KEY_INPUT = 0x200 };

static const struct argp_option options[] = {
	OPTION_MODEL,
	OPTION_SPLIT,
	OPTION_PRECISION,
	OPTION_THREADS,
	{ "top", 'n', "N", 0,
	  "Classes to tell of each image, 1 to 1000; "
	  "default: 5",
	  0 },
	{ "input", KEY_INPUT, "X.npy", 0,
	  "Preprocessed float32 array (NCHW) "
	  "in place of images; several may be stacked in it",
	  0 },
	{ "output", 'o', "Y.npy", 0,
	  "Write the network's output there; that "
	  "of several images is stacked",
	  0 },
	{ 0 }
};

static void check_arguments(struct argp_state *state, const struct run *run)
{
	if (run->input && run->n_paths)
		arg_fail(state,
			 "--input takes the place of images; leave out "
			 "'%s'",
			 run->paths[0]);
	if (!run->input && !run->n_paths)
		arg_fail(state, "an image is missing; give files or folders");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;

	switch (key) {
	case 'n':
		run->top = (unsigned int)arg_number(state, "--top", arg, 1,
						    TOP_LIMIT);
		return 0;
	case KEY_INPUT:
		run->input = arg;
		return 0;
	case 'o':
		run->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		return ARGP_ERR_UNKNOWN; /* all at once, please */
	case ARGP_KEY_ARGS:
		run->paths = state->argv + state->next;
		run->n_paths = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		check_arguments(state, run);
		break;
	default:
		break;
	}
	return arg_session(key, arg, state, &run->args);
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "IMAGE...\n--input X.npy",
	.doc = "Classifies JPEG and PNG images, or all images of a folder.",
	.children = common_options,
};

/* The first failure decides about the exit status. */
static enum vgg_error_code failed(struct run *run, const char *file, int err)
{
	struct vgg_error error = cli_error(err);
	int status;

	run->cli->out->run_failed(run->cli, file, &error);
	status = cli_say(&error);
	if (!run->status)
		run->status = status;
	return error.code;
}

/* True if the next image may do better. */
static bool is_of_image(enum vgg_error_code code)
{
	return code == VGG_ERROR_NO_FILE || code == VGG_ERROR_FILE_IO ||
	       code == VGG_ERROR_IMAGE_FORMAT ||
	       code == VGG_ERROR_IMAGE_UNSUPPORTED ||
	       code == VGG_ERROR_IMAGE_SIZE;
}

static void keep_output(struct run *run, const struct vgg_result *r)
{
	struct vgg_array *a = &run->out;
	size_t bytes = r->count * sizeof(float);

	if (!run->output)
		return;
	a->rank = r->rank;
	memcpy(a->shape, r->shape, sizeof(r->shape));
	a->data = cli_alloc(a->data, bytes * (run->done + 1));
	memcpy(a->data + (size_t)run->done * r->count, r->output, bytes);
}

static int show(struct run *run, const char *file, const struct vgg_result *r)
{
	struct out_result out = { .file = file, .result = r };
	struct vgg_top *top;
	int err;

	out.n_top = run->top < r->count ? run->top : r->count;
	top = cli_alloc(NULL, out.n_top * sizeof(*top));
	err = vgg_result_top(run->cli->session, r, top, out.n_top);
	out.top = top;
	if (!err) {
		cli_progress_clear();
		run->cli->out->run_result(run->cli, &out);
		keep_output(run, r);
		run->done++;
	}
	free(top);
	return err;
}

/* One image of an array; the only one has the array's name. */
static int run_tensor(struct run *run, const char *file, unsigned int i,
		      unsigned int images, const float *data, size_t count)
{
	struct vgg_result r = VGG_INIT(r);
	char name[PATH_MAX + 16];
	int err;

	err = vgg_session_run_tensor(run->cli->session, data, count, &r);
	if (err)
		return err;
	snprintf(name, sizeof(name), "%s[%u]", file, i);
	return show(run, images > 1 ? name : file, &r);
}

static int run_array(struct run *run, const char *file)
{
	unsigned int images, i;
	size_t count;
	float *data;
	int err = input_from_array(run->cli, file, &data, &count, &images);

	if (err)
		return err;
	for (i = 0; !err && i < images; i++) {
		cli_progress(NULL, "images", i, images);
		err = run_tensor(run, file, i, images, data + i * count, count);
	}
	free(data);
	return err;
}

static int run_file(struct run *run, const char *file)
{
	struct vgg_result r = VGG_INIT(r);
	int err;

	if (run->input)
		return run_array(run, file);
	err = vgg_session_run_file(run->cli->session, file, &r);
	return err ? err : show(run, file, &r);
}

static void run_files(struct run *run)
{
	unsigned int i;
	int err;

	for (i = 0; i < run->files.count; i++) {
		const char *file = run->files.name[i];

		cli_progress(NULL, "images", i, run->files.count);
		err = run_file(run, file);
		if (err && !is_of_image(failed(run, file, err)))
			break;
	}
	cli_progress_clear();
}

/* One output as it is; several with one more dimension in front. */
static int write_output(struct run *run)
{
	struct vgg_array *a = &run->out;

	if (!run->output || !run->done)
		return 0; /* if none worked, that was told */
	if (run->status)
		return cli_fail(VGG_ERROR_FILE_IO, run->output,
				"leave out the inputs that failed",
				"is not written, as not all inputs have an "
				"output");
	if (run->done > 1) {
		if (a->rank == 8)
			return cli_fail(VGG_ERROR_BAD_ARGUMENT, run->output,
					"write them one by one",
					"outputs of 8 dimensions can't be "
					"stacked");
		memmove(a->shape + 1, a->shape, 7 * sizeof(*a->shape));
		a->shape[0] = run->done;
		a->rank++;
	}
	return vgg_array_save(run->output, a);
}

/* Folders that can't be listed are reported in the order of the arguments,
 * before the images. */
static void find_files(struct run *run)
{
	int i, err;

	if (run->input)
		files_add(&run->files, run->input);
	for (i = 0; i < run->n_paths; i++) {
		err = files_expand(&run->files, run->paths[i]);
		if (err)
			failed(run, run->paths[i], err);
	}
}

static int open_all(struct run *run)
{
	int err = cli_open_device(run->cli);

	if (!err)
		err = cli_open_model(run->cli, run->args.model);
	return err ? err : cli_open_session(run->cli, &run->args.session);
}

static int run_all(struct run *run)
{
	struct out_run out = { .files = &run->files,
			       .precision = run->args.session.precision };
	struct cli *cli = run->cli;
	int err = open_all(run);

	if (err)
		return cli_report_last(cli, err);
	cli->out->run_begin(cli, &out);
	find_files(run);
	run_files(run);
	err = write_output(run);
	if (err)
		failed(run, run->output, err);
	cli->out->run_end(cli);
	return run->status;
}

static int run_main(struct cli *cli, int argc, char **argv)
{
	struct run run = {
		.cli = cli,
		.top = TOP_DEFAULT,
		.args.session = { .size = sizeof(run.args.session),
				  .progress = cli_progress },
	};
	int status;

	cli_parse(&verb_run, argc, argv, &run);
	status = run_all(&run);
	files_free(&run.files);
	free(run.out.data);
	return status;
}

const struct verb verb_run = {
	.name = "run",
	.summary = "classify images",
	.argp = &argp,
	.run = run_main,
};
