// SPDX-License-Identifier: MIT
/* vggctl eval: how often a network is right. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "eval.h"
#include "eval_score.h"
#include "out.h"
#include "stop.h"
#include "svg.h"

struct eval {
	struct cli *cli; /* first, see cli.h */
	struct session_args args;
	const char *data, *resume, *svg;
	enum vgg_dataset_part part;
	unsigned int limit;
	bool both, confusion, skip;

	struct vgg_dataset *set;
	enum vgg_classes how;
	struct classes classes;
	struct eval_answers answers[2]; /* by precision */
	enum vgg_precision now;
	struct eval_state *state;
	size_t images;
	struct eval_unreadable *unreadable;
	size_t unreadables;
	int failed; /* in the midst of it */
	bool partial;
};

enum {
	KEY_DATA = 0x500,
	KEY_PART,
	KEY_LIMIT,
	KEY_RESUME,
	KEY_SVG,
	KEY_CONFUSION,
	KEY_BOTH,
	KEY_CLASSES,
	KEY_SKIP
};

static const char *const part_names[] = { "test", "train", NULL };
static const char *const eval_phase[] = { "int8 images", "fp32 images" };
static const char *const precisions[] = { "int8", "fp32", "both", NULL };

static const struct argp_option options[] = {
	OPTION_MODEL,
	{ "data", KEY_DATA, "SET", 0,
	  "cifar10:FOLDER, stl10:FOLDER, or a folder with a subfolder for each "
	  "class",
	  0 },
	{ "part", KEY_PART, "PART", 0, "test (default) or train", 0 },
	OPTION_CLASSES(KEY_CLASSES, 0),
	{ "limit", KEY_LIMIT, "N", 0, "Only the first N images", 0 },
	{ "resume", KEY_RESUME, "FILE", 0,
	  "Keep answers there, and go on from those that are there", 0 },
	{ "skip-unreadable", KEY_SKIP, NULL, 0,
	  "Leave out images that can't be read, and name them", 0 },
	{ "confusion", KEY_CONFUSION, NULL, 0,
	  "Print which classes are taken for which", 0 },
	{ "svg", KEY_SVG, "FILE.svg", 0, "The same as a picture", 0 },
	OPTION_THREADS,
	OPTION_SPLIT,
	{ "precision", KEY_BOTH, "KIND", 0,
	  "int8, fp32 or both (default, if the model has both)", 0 },
	{ 0 }
};

static void set_precision(struct argp_state *state, struct eval *e,
			  const char *arg)
{
	int which = arg_choice(state, "--precision", arg, precisions);

	e->both = which == 2;
	e->answers[VGG_PRECISION_INT8].wanted = which != 1;
	e->answers[VGG_PRECISION_FP32].wanted = which != 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct eval *e = state->input;

	switch (key) {
	case KEY_DATA:
		e->data = arg;
		return 0;
	case KEY_PART:
		e->part = (enum vgg_dataset_part)arg_choice(state, "--part",
							    arg, part_names);
		return 0;
	case KEY_LIMIT:
		e->limit = (unsigned int)arg_number(state, "--limit", arg, 1,
						    1000000000);
		return 0;
	case KEY_CLASSES:
		e->how = (enum vgg_classes)arg_choice(state, "--classes", arg,
						      classes_names);
		return 0;
	case KEY_RESUME:
		e->resume = arg;
		return 0;
	case KEY_SKIP:
		e->skip = true;
		return 0;
	case KEY_CONFUSION:
		e->confusion = true;
		return 0;
	case KEY_SVG:
		e->svg = arg_svg(state, "--svg", arg);
		return 0;
	case KEY_BOTH:
		set_precision(state, e, arg);
		return 0;
	case ARGP_KEY_ARG:
		arg_fail(state,
			 "takes no argument '%s'; images go with --data, a "
			 "model with --model",
			 arg);
		return 0;
	case ARGP_KEY_END:
		if (!e->data)
			arg_fail(state, "images are missing; give them by "
					"--data");
		break;
	default:
		break;
	}
	return arg_session(key, arg, state, &e->args);
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Runs the images of a data set through a network, in int8 and "
	       "in "
	       "fp32, and tells how often each is right.",
	.children = common_options,
};

/*
 * One precision.
 */
static struct eval_answer answer_of(const struct vgg_evaluated *image)
{
	struct eval_answer a = { .class_ = image->class_,
				 .unreadable = !image->result };
	unsigned int i;

	if (a.unreadable)
		return a;
	a.top1 = image->top[0].class_;
	for (i = 0; i < image->count; i++)
		a.in_top5 |= image->top[i].class_ == image->class_;
	return a;
}

static struct eval_unreadable *unreadable_at(struct eval *e, size_t image)
{
	size_t i;

	for (i = 0; i < e->unreadables; i++)
		if (e->unreadable[i].image == image)
			return &e->unreadable[i];
	e->unreadable =
		cli_alloc(e->unreadable, (i + 1) * sizeof(*e->unreadable));
	e->unreadable[i] = (struct eval_unreadable){ .image = image };
	e->unreadables++;
	return &e->unreadable[i];
}

/* Told once, though each precision meets it. why NULL: an earlier run said it. */
static void note_unreadable(struct eval *e, size_t image,
			    const struct vgg_error *why)
{
	struct eval_unreadable *u = unreadable_at(e, image);

	if (!why || u->error.name)
		return;
	u->error = *why;
	cli_say(why);
}

/* The hash of the first output, which is kept; NULL of others. */
static const char *first_sha(struct eval_answers *a,
			     const struct vgg_evaluated *image)
{
	if (!image->result || *a->sha256)
		return NULL;
	memcpy(a->sha256, image->result->sha256, sizeof(a->sha256));
	a->first = image->image;
	return a->sha256;
}

static int keep_answer(void *ctx, const struct vgg_evaluated *image)
{
	struct eval *e = ctx;
	struct eval_answers *a = &e->answers[e->now];
	struct eval_answer answer = answer_of(image);

	if (answer.unreadable)
		note_unreadable(e, image->image, vgg_error_last());
	/* Not what it takes to begin. */
	if (a->count == a->resumed) {
		a->begin = cli_now();
		snprintf(a->placement, sizeof(a->placement), "%s",
			 image->placement);
	}
	a->seconds = cli_now() - a->begin;
	a->answer[a->count++] = answer;
	if (e->state)
		e->failed = eval_state_add(e->state, e->now, image->image,
					   &answer, first_sha(a, image));
	return cli_progress(NULL, eval_phase[e->now], (unsigned int)a->count,
			    (unsigned int)e->images) ||
	       e->failed;
}

static int evaluate(struct eval *e, size_t first, size_t end,
		    vgg_evaluate_fn fn)
{
	struct vgg_evaluate_options o = VGG_INIT(o);
	int err;

	o.session = &e->args.session;
	o.first = first;
	o.end = end;
	o.classes = e->classes.of;
	o.skip_unreadable = e->skip;
	err = vgg_evaluate(e->cli->dev, e->cli->model, e->set, &o, fn, e);
	cli_progress_clear();
	return e->failed ? e->failed : err;
}

static int compare_sha(void *ctx, const struct vgg_evaluated *image)
{
	const struct eval *e = ctx;

	return !image->result ||
	       strcmp(e->answers[e->now].sha256, image->result->sha256);
}

/* Another network, other images, or another split of fp32's sums: then the first
 * image's output is another one. */
static int check_resumed(struct eval *e)
{
	const struct eval_answers *a = &e->answers[e->now];
	int err;

	if (!a->resumed || !*a->sha256)
		return 0;
	err = evaluate(e, a->first, a->first + 1, compare_sha);
	if (err != -ECANCELED || stop_asked())
		return err;
	return cli_fail(VGG_ERROR_BAD_ARGUMENT, e->resume,
			"name another file by --resume",
			"it is of another network: the first image has another "
			"result");
}

static int run_precision(struct eval *e, enum vgg_precision precision)
{
	struct eval_answers *a = &e->answers[precision];
	int err;

	if (!a->wanted)
		return 0;
	e->now = precision;
	e->args.session.precision = precision;
	err = check_resumed(e);
	if (!err && a->count < e->images)
		err = evaluate(e, a->count, e->images, keep_answer);
	return err;
}

/*
 * All of it.
 */
static int open_data(struct eval *e)
{
	int err = cli_took_options(e->cli,
				   vgg_dataset_open(e->data, e->part, &e->set));

	if (err)
		return err;
	e->images = vgg_dataset_count(e->set);
	if (e->limit && e->limit < e->images)
		e->images = e->limit;
	return classes_match(&e->classes, e->cli, e->set, e->data, e->how);
}

/* Answers of an earlier run say what their images' classes were: files may have
 * been added since, or --classes was another one. */
static int check_answer(struct eval *e, const struct eval_answer *a, size_t i)
{
	unsigned int class_;
	int err = vgg_dataset_class_of(e->set, i, &class_);

	if (err)
		return err;
	if (a->class_ != e->classes.of[class_])
		return cli_fail(VGG_ERROR_BAD_ARGUMENT, e->resume,
				"name another file by --resume",
				"it is of something else: image %zu was of "
				"class %u there",
				i, a->class_);
	if (a->unreadable && !e->skip)
		return cli_fail(VGG_ERROR_BAD_ARGUMENT, e->resume,
				"say --skip-unreadable again, or name another "
				"file by --resume",
				"image %zu could not be read there", i);
	if (a->unreadable)
		note_unreadable(e, i, NULL);
	return 0;
}

static int check_answers(struct eval *e)
{
	size_t i, k;
	int err = 0;

	for (k = 0; k < 2; k++)
		for (i = 0; !err && i < e->answers[k].count; i++)
			err = check_answer(e, &e->answers[k].answer[i], i);
	return err;
}

/* By default those that there are. */
static void choose_precisions(struct eval *e)
{
	const struct vgg_model_info *m = &e->cli->model_info;
	int i;

	if (e->both) {
		e->answers[VGG_PRECISION_INT8].wanted = m->has_int8;
		e->answers[VGG_PRECISION_FP32].wanted = m->has_fp32;
	}
	for (i = 0; i < 2; i++)
		e->answers[i].answer = cli_alloc(
			NULL, (e->images + 1) * sizeof(struct eval_answer));
}

/* For whoever didn't ask for it: simulating costs time and saves none. */
static void note_simulator(const struct cli *cli)
{
	if (cli->device_info.kind == VGG_DEVICE_SIM && !cli->pace &&
	    !strcmp(cli->device, "auto"))
		cli_note("there is no card, it is simulated: --device cpu has "
			 "the same answers sooner");
}

static int open_all(struct eval *e)
{
	int err = e->svg ? svg_check(e->svg) : 0;

	if (!err)
		err = cli_open_device(e->cli);
	if (!err)
		err = cli_open_model(e->cli, e->args.model);
	if (!err)
		err = open_data(e);
	if (err)
		return err;
	note_simulator(e->cli);
	choose_precisions(e);
	if (e->resume)
		err = eval_state_open(e->resume, e->data, e->images,
				      e->cli->model_info.classes, e->answers,
				      &e->state);
	return err ? err : check_answers(e);
}

static int run_all(struct eval *e)
{
	int err = open_all(e), late;

	stop_catch();
	if (!err)
		err = run_precision(e, VGG_PRECISION_INT8);
	if (!err)
		err = run_precision(e, VGG_PRECISION_FP32);
	/* What there is by then is told. */
	e->partial = err == -ECANCELED && stop_asked();
	late = eval_state_close(e->state);
	return err && !e->partial ? err : late;
}

static int draw(struct eval *e, const struct out_eval *out)
{
	char **names = cli_alloc(NULL, (out->outputs + 1) * sizeof(*names));
	char title[400];
	unsigned int i;
	int err;

	/* A label may last until the next one only. */
	for (i = 0; i < out->outputs; i++)
		names[i] = text_valid(vgg_model_label(e->cli->model, i), true);
	snprintf(title, sizeof(title), "%.100s on %.200s: %.2f %% right",
		 e->cli->model_info.name, e->data,
		 100 * out->score[out->shown].top1);
	err = eval_svg(e->svg, title, out->outputs, (const char **)names,
		       out->score[out->shown].matrix);
	for (i = 0; i < out->outputs; i++)
		free(names[i]);
	free(names);
	return err;
}

static int say_partial(const struct eval *e)
{
	char next[400];
	struct vgg_error error;
	int err;

	if (e->resume)
		snprintf(next, sizeof(next),
			 "the same command goes on from there: --resume %.300s "
			 "has the answers",
			 e->resume);
	else
		snprintf(next, sizeof(next),
			 "next time, --resume FILE keeps what is done");
	err = cli_fail(VGG_ERROR_INTERRUPTED, e->data, next,
		       "interrupted; figures are of the images before that");
	error = cli_error(err);
	return cli_say(&error);
}

/* The result is told first: a picture that can't be drawn doesn't cost it. */
static int tell(struct eval *e, struct out_eval *out)
{
	struct vgg_error error;
	int err, status = EXIT_OK;

	eval_score(out, e->answers);
	e->cli->out->eval(e->cli, out);
	err = e->svg && out->shown >= 0 ? draw(e, out) : 0;
	if (err) {
		error = cli_error(err);
		status = cli_say(&error);
	}
	eval_score_free(out);
	return e->partial ? say_partial(e) : status;
}

static int eval_all(struct eval *e)
{
	struct out_eval out = { .data = e->data,
				.part = part_names[e->part],
				.confusion = e->confusion };
	int err = run_all(e);

	if (!err && e->unreadables == e->images)
		err = cli_fail(VGG_ERROR_DATASET_FORMAT, e->data,
			       "see the messages before this one",
			       "not one of %zu images can be read", e->images);
	if (err)
		return cli_report_last(e->cli, err);
	out.images = e->images;
	out.partial = e->partial;
	out.by_name = e->classes.by_name;
	if (e->classes.warning.name)
		out.warning = &e->classes.warning;
	out.outputs = e->cli->model_info.classes;
	out.unreadable = e->unreadable;
	out.unreadables = e->unreadables;
	return tell(e, &out);
}

static int eval_main(struct cli *cli, int argc, char **argv)
{
	struct eval e = {
		.cli = cli,
		.args.session = { .size = sizeof(e.args.session),
				  .progress = cli_progress },
		.both = true,
	};
	int status;

	cli_parse(&verb_eval, argc, argv, &e);
	status = eval_all(&e);
	free(e.answers[0].answer);
	free(e.answers[1].answer);
	free(e.classes.of);
	free(e.unreadable);
	vgg_dataset_free(e.set);
	return status;
}

const struct verb verb_eval = {
	.name = "eval",
	.summary = "how often a network is right on a data set",
	.argp = &argp,
	.run = eval_main,
};
