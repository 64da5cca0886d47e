// SPDX-License-Identifier: MIT
/* vggctl quantize: a compiled model's fp32 weights to int8, and what that costs. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "classes.h"
#include "out.h"
#include "quant_options.h"
#include "text.h"

#define DROP_MAX 100

struct quantize {
	struct cli *cli; /* first, see cli.h */
	const char *source, *output, *data;
	struct quant_arguments q;
	double max_drop; /* points; < 0: not asked for */
	struct vgg_quantize_report *report;

	/* How often the network is right, with the images that calibration took
	 * left out. */
	struct vgg_dataset *set;
	enum vgg_classes how;
	struct classes classes;
	bool *calibrated;   /* per image */
	unsigned int *best; /* per image, what fp32 says */
	enum vgg_precision now;
	struct out_quantize out;
	struct vgg_quantize_warning warning;
};

enum { KEY_MAX_DROP = 0x720, KEY_DATA, KEY_CLASSES };

static const struct argp_option options[] = {
	{ "output", 'o', "OUT", 0, "The compiled model to write", 0 },
	OPTION_THREADS,
	OPTIONS_QUANTIZE(1),
	{ NULL, 0, NULL, 0, "Accuracy:", 2 },
	{ "max-drop", KEY_MAX_DROP, "POINTS", 0,
	  "Fail, and write nothing, if int8 is right by more percentage points "
	  "less often than fp32",
	  2 },
	{ "data", KEY_DATA, "SET", 0,
	  "Images with classes for that; default: those of --calib, of a "
	  "folder without the ones that were calibrated with",
	  2 },
	OPTION_CLASSES(KEY_CLASSES, 2),
	{ 0 }
};

static double points(struct argp_state *state, const char *text)
{
	char *end;
	double p = strtod(text, &end);

	if (end == text || *end || !(p >= 0) || !(p <= DROP_MAX))
		arg_fail(state,
			 "--max-drop takes a number from 0 to %d, not "
			 "'%s'",
			 DROP_MAX, text);
	return p;
}

static void check_arguments(struct argp_state *state, struct quantize *q)
{
	quant_check(&q->q, state);
	if (!q->source)
		arg_fail(state, "a compiled model is missing; `vggctl import' "
				"makes one");
	if (!q->output)
		arg_fail(state, "--output is missing: name the file to write");
	if ((q->data || q->how) && q->max_drop < 0)
		arg_fail(state, "--%s is for --max-drop",
			 q->data ? "data" : "classes");
	if (!q->data)
		q->data = q->q.o.images;
	if (!q->data && q->max_drop >= 0)
		arg_fail(state, "--max-drop needs images with classes: --data "
				"or --calib");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct quantize *q = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		arg_init_common(state);
		return 0;
	case 'o':
		q->output = arg;
		return 0;
	case 't':
		q->q.o.threads =
			arg_number(state, "--threads", arg, 0, THREADS_LIMIT);
		return 0;
	case KEY_MAX_DROP:
		q->max_drop = points(state, arg);
		return 0;
	case KEY_DATA:
		q->data = arg;
		return 0;
	case KEY_CLASSES:
		q->how = (enum vgg_classes)arg_choice(state, "--classes", arg,
						      classes_names);
		return 0;
	case ARGP_KEY_ARG:
		if (q->source)
			arg_fail(state, "takes one model; leave out '%s'", arg);
		q->source = arg;
		return 0;
	case ARGP_KEY_END:
		check_arguments(state, q);
		return 0;
	default:
		return quant_parse(&q->q, key, arg, state) ? 0 :
							     ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "MODEL -o OUT",
	.doc = "Quantises a compiled model that has floating-point weights, "
	       "and "
	       "tells for each layer what that costs.",
	.children = common_options,
};

/*
 * Accuracy.
 */

/* A folder has no parts: what it is evaluated with must not be what it was
 * calibrated with. */
static bool is_folder(const char *spec)
{
	struct stat st;

	return !stat(spec, &st) && S_ISDIR(st.st_mode);
}

static size_t mark_calibrated(struct quantize *q)
{
	size_t n = vgg_dataset_count(q->set), left = n, at;
	unsigned int i;

	q->calibrated = cli_alloc(NULL, n * sizeof(*q->calibrated));
	memset(q->calibrated, 0, n * sizeof(*q->calibrated));
	if (!q->q.o.images || strcmp(q->q.o.images, q->data) ||
	    !is_folder(q->data))
		return n;
	for (i = 0; !vgg_quantize_report_image(q->report, i, &at); i++)
		if (at < n && !q->calibrated[at]) {
			q->calibrated[at] = true;
			left--;
		}
	return left;
}

static int take_answer(void *ctx, const struct vgg_evaluated *image)
{
	struct quantize *q = ctx;
	struct out_quantize *o = &q->out;
	unsigned int best = image->top[0].class_;

	if (q->calibrated[image->image])
		return 0;
	cli_progress(NULL, precision_names[q->now],
		     (unsigned int)image->image + 1,
		     (unsigned int)vgg_dataset_count(q->set));
	if (q->now == VGG_PRECISION_FP32) {
		q->best[image->image] = best;
		o->fp32_right += best == image->class_;
		o->images++;
	} else {
		unsigned int before = q->best[image->image];

		o->int8_right += best == image->class_;
		o->agree += best == before;
		o->lost += before == image->class_ && best != before;
		o->won += best == image->class_ && best != before;
	}
	return 0;
}

static int evaluate(struct quantize *q, enum vgg_precision precision)
{
	struct vgg_session_options s = VGG_INIT(s);
	struct vgg_evaluate_options o = VGG_INIT(o);
	int err;

	s.precision = precision;
	s.split = VGG_SPLIT_CPU;
	s.threads = q->q.o.threads;
	o.session = &s;
	o.classes = q->classes.of;
	q->now = precision;
	err = vgg_evaluate(q->cli->dev, q->cli->model, q->set, &o, take_answer,
			   q);
	cli_progress_clear();
	return err;
}

static int measure_drop(struct quantize *q)
{
	size_t left = mark_calibrated(q);
	int err;

	if (!left)
		return cli_fail(VGG_ERROR_BAD_ARGUMENT, q->data,
				"name others with --data, or calibrate with "
				"fewer by --max-images",
				"all %zu images were calibrated with; none is "
				"left for --max-drop",
				vgg_dataset_count(q->set));
	q->best = cli_alloc(NULL, vgg_dataset_count(q->set) * sizeof(*q->best));
	/* On any device the answers are the same. */
	err = vgg_device_open("cpu", NULL, &q->cli->dev);
	if (!err)
		err = evaluate(q, VGG_PRECISION_FP32);
	return err ? err : evaluate(q, VGG_PRECISION_INT8);
}

/* One image alone, which falls by chance, may then be too much. A limit of 0 asks for
 * just that. */
static void warn_of_few(struct quantize *q)
{
	struct vgg_quantize_warning *w = &q->warning;
	size_t n = q->out.images;

	if (!(q->max_drop > 0) || 100 / (double)n <= q->max_drop)
		return;
	w->size = sizeof(*w);
	w->name = "FEW_TEST_IMAGES";
	snprintf(w->where, sizeof(w->where), "%s", q->data);
	snprintf(w->what, sizeof(w->what),
		 "one of %zu images is %.2f points, more than --max-drop %g", n,
		 100 / (double)n, q->max_drop);
	snprintf(w->next_step, sizeof(w->next_step),
		 "take %.0f images or more to evaluate with, or a larger "
		 "--max-drop",
		 ceil(100 / q->max_drop));
	q->out.warning[1] = w;
	cli_warn(w);
}

static int check_drop(struct quantize *q)
{
	struct out_quantize *o = &q->out;
	int err = measure_drop(q);

	if (err)
		return err;
	o->data = q->data;
	o->drop = 100 * ((double)o->fp32_right - (double)o->int8_right) /
		  (double)o->images;
	warn_of_few(q);
	/* Counts are whole: what is printed as equal shall be. */
	if (o->drop <= q->max_drop + 1e-9)
		return 0;
	return cli_fail(VGG_ERROR_ACCURACY, q->source,
			"try more images, --equalize, --bias-correction or "
			"another --method",
			"int8 is right %.2f points less often than fp32 (%zu "
			"of %zu images became wrong, %zu right), more than "
			"--max-drop %g; nothing was written",
			o->drop, o->lost, o->images, o->won, q->max_drop);
}

/*
 * All of it.
 */
static int check_files(const struct quantize *q)
{
	struct stat a, b;

	if (stat(q->source, &a) || stat(q->output, &b) ||
	    a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return 0;
	return cli_fail(VGG_ERROR_BAD_ARGUMENT, q->output,
			"name another file with --output",
			"is the model to quantise itself");
}

/* Before anything takes long. */
static int open_data(struct quantize *q)
{
	int err;

	if (q->max_drop < 0)
		return 0;
	err = vgg_dataset_open(q->data, VGG_DATASET_TEST, &q->set);
	if (err)
		return err;
	err = classes_match(&q->classes, q->cli, q->set, q->data, q->how);
	if (q->classes.warning.name)
		q->out.warning[0] = &q->classes.warning;
	return err;
}

static int write_model(struct quantize *q, double start)
{
	struct stat st;
	int err = vgg_model_save(q->cli->model, q->output, q->q.keep);

	if (err)
		return err;
	q->out.file = q->output;
	if (q->q.keep == VGG_KEEP_NONE)
		q->cli->model_info.has_fp32 = false;
	if (!stat(q->output, &st))
		q->out.bytes = (uint64_t)st.st_size;
	q->out.seconds = cli_now() - start;
	return 0;
}

static int quantize(struct quantize *q)
{
	int err = check_files(q);

	if (!err)
		err = cli_open_model(q->cli, q->source);
	if (!err)
		err = open_data(q);
	if (!err)
		err = quant_run(q->cli, &q->q, &q->report);
	q->out.report = q->report;
	return err;
}

static int quantize_all(struct quantize *q)
{
	double start = cli_now();
	struct vgg_error error;
	int err = quantize(q);

	if (!err && q->max_drop >= 0)
		err = check_drop(q);
	if (!err)
		err = write_model(q, start);
	if (err)
		error = cli_error(err);
	/* What the images cost is most worth knowing where it is too much. */
	if (err && error.code != VGG_ERROR_ACCURACY)
		return cli_report(q->cli, &error);
	q->cli->out->quantize(q->cli, &q->out, err ? &error : NULL);
	quant_warn(q->report);
	return err ? cli_say(&error) : EXIT_OK;
}

static int quantize_main(struct cli *cli, int argc, char **argv)
{
	struct quantize q = {
		.cli = cli,
		.q.o = { .size = sizeof(q.q.o), .progress = cli_progress },
		.max_drop = -1,
	};
	int status;

	cli_parse(&verb_quantize, argc, argv, &q);
	status = quantize_all(&q);
	vgg_quantize_report_free(q.report);
	vgg_dataset_free(q.set);
	free(q.classes.of);
	free(q.calibrated);
	free(q.best);
	return status;
}

const struct verb verb_quantize = {
	.name = "quantize",
	.summary = "make a model's weights int8, and tell what it costs",
	.argp = &argp,
	.run = quantize_main,
};
