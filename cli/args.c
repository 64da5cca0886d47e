// SPDX-License-Identifier: MIT
/* Parsing of arguments: what all verbs share, and strict values. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "out.h"

const char *const split_names[] = { "auto", "card", "cpu", "offload", NULL };

const char *const precision_names[] = { "int8", "fp32", NULL };
const char *const machine_names[] = { "rk3399", NULL };

static char last_failure[512];

const char *arg_last_failure(void)
{
	return last_failure[0] ? last_failure : NULL;
}

void arg_fail(struct argp_state *state, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_failure, sizeof(last_failure), format, args);
	va_end(args);
	argp_error(state, "%s", last_failure);
}

int arg_number(struct argp_state *state, const char *option, const char *text,
	       int lo, int hi)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	/* strtol() skips spaces and takes a plus sign; a slip of the keyboard
	 * shall not pass as a number. */
	if ((*text != '-' && (*text < '0' || *text > '9')) || *end || errno ||
	    value < lo || value > hi)
		arg_fail(state,
			 "%s takes a whole number from %d to %d, not '%s'",
			 option, lo, hi, text);
	return (int)value;
}

uint64_t arg_seed(struct argp_state *state, const char *option,
		  const char *text)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno)
		arg_fail(state,
			 "%s takes a whole number from 0 to %llu, not '%s'",
			 option, (unsigned long long)UINT64_MAX, text);
	return value;
}

int arg_choice(struct argp_state *state, const char *option, const char *text,
	       const char *const *names)
{
	char all[128] = "";
	int i;

	for (i = 0; names[i]; i++) {
		if (!strcmp(text, names[i]))
			return i;
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s",
			 !i	      ? "" :
			 names[i + 1] ? ", " :
					" or ",
			 names[i]);
	}
	arg_fail(state, "%s takes %s, not '%s'", option, all, text);
	return 0;
}

int arg_floats(struct argp_state *state, const char *option, const char *text,
	       float *values, int max)
{
	const char *at = text;
	char *end;
	int n;

	for (n = 0; n < max; at = end + 1) {
		/* Spaces and names such as "nan" are no numbers here. */
		if (!strchr("+-.0123456789", *at) || !*at)
			break;
		values[n++] = strtof(at, &end);
		if (end == at || !isfinite(values[n - 1]))
			break;
		if (!*end)
			return n;
		if (*end != ',')
			break;
	}
	arg_fail(state,
		 "%s takes 1 to %d numbers, one for each channel, with "
		 "commas between them, not '%s'",
		 option, max, text);
	return 0;
}

const char *arg_svg(struct argp_state *state, const char *option,
		    const char *text)
{
	size_t n = strlen(text);

	if (n <= 4 || strcmp(text + n - 4, ".svg"))
		arg_fail(state, "%s takes a file that ends in .svg, not '%s'",
			 option, text);
	return text;
}

/*
 * Options of sessions.
 */

/* What is none of the names is a plan's file. */
static void set_split(struct argp_state *state, struct session_args *a,
		      const char *text)
{
	int i;

	for (i = 0; split_names[i] && strcmp(text, split_names[i]);)
		i++;
	if (!split_names[i] && access(text, F_OK))
		arg_fail(state,
			 "--split '%s' is neither auto, card, cpu or offload "
			 "nor the file of a plan",
			 text);
	a->session.plan = split_names[i] ? NULL : text;
	a->session.split = split_names[i] ? (enum vgg_split)i : VGG_SPLIT_AUTO;
	a->wants_card = a->session.plan || i == VGG_SPLIT_CARD;
}

error_t arg_session(int key, char *arg, struct argp_state *state,
		    struct session_args *a)
{
	switch (key) {
	case ARGP_KEY_INIT:
		arg_init_common(state);
		return 0;
	case 'm':
		a->model = arg;
		return 0;
	case 't':
		a->session.threads =
			arg_number(state, "--threads", arg, 0, THREADS_LIMIT);
		return 0;
	case KEY_SPLIT:
		set_split(state, a, arg);
		return 0;
	case KEY_PRECISION:
		a->session.precision = (enum vgg_precision)arg_choice(
			state, "--precision", arg, precision_names);
		return 0;
	case ARGP_KEY_ARG:
		arg_fail(state,
			 "takes no argument '%s'; a model goes with --model",
			 arg);
		return 0;
	case ARGP_KEY_END:
		if (a->wants_card && a->session.precision == VGG_PRECISION_FP32)
			arg_fail(state, "--split card or a plan needs "
					"--precision int8: the card has no "
					"floating point");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/*
 * The common options, before or behind the verb.
 */
enum { KEY_CARD = 0x100, KEY_INJECT, KEY_PACE, KEY_JSON, KEY_TIMEOUT };

#define TIMEOUT_LIMIT_S 86400

static const struct argp_option options[] = {
	{ "device", 'd', "DEVICE", 0,
	  "auto (a card, else the simulator), card, cardN, a PCI address, the "
	  "path of a device node, sim or cpu; default: auto",
	  90 },
	{ "card", KEY_CARD, "FILE", 0, "Card profile for the simulator", 90 },
	{ "inject", KEY_INJECT, "FAULT", 0,
	  "Fault to provoke in the simulator: "
	  "NAME[,after=N][,count=N][,arg=N]",
	  90 },
	{ "pace", KEY_PACE, NULL, 0,
	  "Let the simulator's jobs take as long as the modelled card's", 90 },
	{ "json", KEY_JSON, NULL, 0, "Write results as JSON", 90 },
	{ "timeout", KEY_TIMEOUT, "SECONDS", 0,
	  "How long a job of the card may take, 1 to 86400; default: 120", 90 },
	{ "verbose", 'v', NULL, 0, "Tell more", 90 },
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1 },
	{ 0 }
};

/* Options that only the simulator has. */
static void check_simulator(struct argp_state *state, const struct cli *cli)
{
	const char *option = cli->card	 ? "--card" :
			     cli->inject ? "--inject" :
			     cli->pace	 ? "--pace" :
					   NULL;

	if (option && strcmp(cli->device, "auto") && strcmp(cli->device, "sim"))
		arg_fail(state,
			 "%s is for the simulator: use --device sim, not '%s'",
			 option, cli->device);
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case 'd':
		cli->device = arg;
		return 0;
	case KEY_CARD:
		cli->card = arg;
		return 0;
	case KEY_INJECT:
		cli->inject = arg;
		return 0;
	case KEY_PACE:
		cli->pace = true;
		return 0;
	case KEY_JSON:
		cli->json = true;
		cli->out = &out_json;
		return 0;
	case KEY_TIMEOUT:
		cli->timeout_s =
			arg_number(state, "--timeout", arg, 1, TIMEOUT_LIMIT_S);
		return 0;
	case 'v':
		cli->verbose = true;
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case ARGP_KEY_END:
		check_simulator(state, cli);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp common_argp = { .options = options, .parser = parse_common };

const struct argp_child common_options[] = { { &common_argp, 0,
					       "Options of every verb:", 90 },
					     { 0 } };

void arg_init_common(struct argp_state *state)
{
	state->child_inputs[0] = *(struct cli **)state->input;
}

void cli_parse(const struct verb *verb, int argc, char **argv, void *input)
{
	char name[64];
	error_t err;

	/* argp takes the name for its messages from here. */
	snprintf(name, sizeof(name), "vggctl %s", verb->name);
	argv[0] = name;
	err = argp_parse(verb->argp, argc, argv, 0, NULL, input);
	if (err) {
		fprintf(stderr, "vggctl: %s\n", strerror(err));
		exit(EXIT_FAILED);
	}
}
