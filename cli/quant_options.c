// SPDX-License-Identifier: MIT
/* See quant_options.h. */
#include <stdlib.h>

#include "quant_options.h"

#define IMAGES_LIMIT 1000000

/* In the order of enum vgg_quantize_method. */
const char *const method_names[] = { "mse", "minmax", "percentile", "entropy",
				     NULL };
const char *const keep_names[] = { "fp32", "fp16", "none", NULL };

static double percentile(struct argp_state *state, const char *text)
{
	char *end;
	double p = strtod(text, &end);

	if (end == text || *end || !(p >= 50) || !(p <= 100))
		arg_fail(state,
			 "--percentile takes a number from 50 to 100, not '%s'",
			 text);
	return p;
}

static const char *parse_way(struct quant_arguments *a, int key, char *arg,
			     struct argp_state *state)
{
	switch (key) {
	case KEY_CALIB:
		a->o.images = arg;
		return "--calib";
	case KEY_MAX_IMAGES:
		a->o.max_images = (unsigned int)arg_number(
			state, "--max-images", arg, 1, IMAGES_LIMIT);
		return "--max-images";
	case KEY_METHOD:
		a->o.method = (enum vgg_quantize_method)arg_choice(
			state, "--method", arg, method_names);
		return "--method";
	case KEY_PERCENTILE:
		a->o.percentile = percentile(state, arg);
		return "--percentile";
	case KEY_EQUALIZE:
		a->o.equalize = true;
		return "--equalize";
	case KEY_CORRECT:
		a->o.correct_bias = true;
		return "--bias-correction";
	default:
		return NULL;
	}
}

bool quant_parse(struct quant_arguments *a, int key, char *arg,
		 struct argp_state *state)
{
	const char *given = parse_way(a, key, arg, state);

	if (key == KEY_KEEP)
		a->keep = (enum vgg_keep)arg_choice(state, "--keep", arg,
						    keep_names);
	a->given = given ? given : a->given;
	return given || key == KEY_KEEP;
}

void quant_check(const struct quant_arguments *a, struct argp_state *state)
{
	if (a->o.percentile > 0 && a->o.method != VGG_QUANTIZE_PERCENTILE)
		arg_fail(state, "--percentile is for --method percentile");
	if (a->o.max_images && !a->o.images)
		arg_fail(state, "--max-images is about the images of --calib");
}

int quant_run(struct cli *cli, struct quant_arguments *a,
	      struct vgg_quantize_report **report)
{
	int err;

	a->o.report = report;
	err = vgg_model_quantize(cli->model, &a->o);
	cli_progress_clear();
	return err ? err : cli_describe_model(cli);
}

void quant_warn(const struct vgg_quantize_report *report)
{
	struct vgg_quantize_warning w = VGG_INIT(w);
	unsigned int i;

	for (i = 0; report && !vgg_quantize_report_warning(report, i, &w); i++)
		cli_warn(&w);
}
