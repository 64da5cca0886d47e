// SPDX-License-Identifier: MIT
/* vggctl: options, the table of verbs, and how the program ends. */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "out.h"
#include "stop.h"

const struct verb *const verbs[] = {
	&verb_run,	  &verb_info,	&verb_show,	 &verb_import,
	&verb_quantize,	  &verb_verify, &verb_eval,	 &verb_bench,
	&verb_trace,	  &verb_plan,	&verb_calibrate, NULL,
	&verb_completion, NULL,
};

struct root {
	struct cli *cli;
	int verb; /* its index in argv */
};

static const struct verb *find_verb(const char *name)
{
	unsigned int i, ends = 0;

	for (i = 0; ends < 2; i++) {
		if (!verbs[i])
			ends++;
		else if (!strcmp(name, verbs[i]->name))
			return verbs[i];
	}
	return NULL;
}

/* "run, info and bench" */
static void list_verbs(char *text, size_t size)
{
	size_t n = 0;
	unsigned int i;

	for (i = 0; verbs[i] && n < size; i++)
		n += (size_t)snprintf(text + n, size - n, "%s%s",
				      !i	   ? "" :
				      verbs[i + 1] ? ", " :
						     " and ",
				      verbs[i]->name);
}

static void need_verb(struct argp_state *state, const char *given)
{
	char names[128];

	list_verbs(names, sizeof(names));
	if (given)
		arg_fail(state, "there is no verb '%s'; there are %s", given,
			 names);
	else
		arg_fail(state, "a verb is missing; there are %s", names);
}

static error_t parse_root(int key, char *arg, struct argp_state *state)
{
	struct root *root = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		arg_init_common(state);
		return 0;
	case ARGP_KEY_ARG:
		if (!find_verb(arg) && strcmp(arg, "help"))
			need_verb(state, arg);
		root->verb = state->next - 1;
		/* The rest is the verb's. */
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		need_verb(state, NULL);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static char *help_filter(int key, const char *text, void *input)
{
	char *list = NULL;
	size_t size;
	FILE *to;
	int i;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	to = open_memstream(&list, &size);
	if (!to)
		return (char *)text;
	fputs("Verbs:\n", to);
	for (i = 0; verbs[i]; i++)
		fprintf(to, "  %-8s %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("\n`vggctl VERB --help' tells the options of a verb.\n\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage, 3 no device, "
	      "4 device lost.",
	      to);
	fclose(to);
	return list;
}

static const struct argp root_argp = {
	.parser = parse_root,
	.args_doc = "VERB [ARGUMENT...]",
	.doc = "Runs VGG-family networks on an int8 convolution card, its "
	       "simulator and the CPU.\v ",
	.children = common_options,
	.help_filter = help_filter,
};

static void print_version(FILE *to, struct argp_state *state)
{
	(void)state;
	fprintf(to, "vggctl %s\n", vgg_version());
}

/* A file that gets the number of a closed stdout would get its text, too. */
static void fill_standard_files(void)
{
	int fd;

	for (fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			/* Writing to it fails, as to a closed one. */
			(void)!open("/dev/null", fd ? O_RDONLY : O_WRONLY);
}

/*
 * However the program ends: mistakes in the arguments are told as JSON where
 * that is asked for, and results that didn't reach their reader are a failure.
 */
static void at_end(int status, void *json)
{
	const char *message = arg_last_failure();

	if (status == EXIT_USAGE && json && !cli_reported())
		out_json.usage_error(message ? message :
					       "see the message on stderr");
	if (!ferror(stdout) && !fclose(stdout)) {
		stop_end();
		return;
	}
	fprintf(stderr, "vggctl: standard output: cannot be written: %m "
			"[FILE_IO]\n"
			"  hint: check where it goes and whether there is "
			"space\n");
	_exit(status ? status : EXIT_FAILED);
}

/* Asked before argp does, which may end the program. */
static void *wants_json(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json"))
			return argv[i];
	return NULL;
}

/* "help" and "help VERB" are what --help is. */
static int run_help(struct cli *cli, const char *name)
{
	char program[] = "vggctl", help[] = "--help";
	char *ask[] = { program, help, NULL };
	const struct verb *verb = name ? find_verb(name) : NULL;
	struct root root = { .cli = cli };

	if (verb)
		return verb->run(cli, 2, ask);
	return argp_parse(&root_argp, 2, ask, ARGP_IN_ORDER, NULL, &root);
}

static int run_verb(struct cli *cli, int argc, char **argv)
{
	const struct verb *verb = find_verb(argv[0]);
	int status;

	if (!verb)
		return run_help(cli, argc > 1 ? argv[1] : NULL);
	status = verb->run(cli, argc, argv);
	cli_close(cli);
	cli_progress_clear();
	return status;
}

int main(int argc, char **argv)
{
	struct cli cli = { .device = "auto", .out = &out_text };
	struct root root = { .cli = &cli };
	char name[] = "vggctl";

	fill_standard_files();
	setlocale(LC_CTYPE, "");
	argp_err_exit_status = EXIT_USAGE;
	argp_program_version_hook = print_version;
	on_exit(at_end, wants_json(argc, argv));
	if (argc)
		argv[0] = name;
	if (argp_parse(&root_argp, argc, argv, ARGP_IN_ORDER, NULL, &root))
		return EXIT_FAILED;
	return run_verb(&cli, argc - root.verb, argv + root.verb);
}
