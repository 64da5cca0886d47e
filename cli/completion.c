// SPDX-License-Identifier: MIT
/*
 * vggctl completion bash (hidden): prints a completion script, made from the
 * tables of verbs and options, so that it can't go out of date.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "quant_options.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		arg_init_common(state);
		return 0;
	case ARGP_KEY_ARG:
		if (strcmp(arg, "bash"))
			arg_fail(state,
				 "there is a script for bash, none for "
				 "'%s'",
				 arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		arg_fail(state, "a shell is missing: bash");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "bash",
	.doc = "Prints a completion script: source <(vggctl completion bash)",
	.children = common_options,
};

static void print_options(const struct argp *from, const char *before)
{
	const struct argp_option *o = from->options;

	for (; o && (o->name || o->key || o->doc); o++)
		if (o->name && !(o->flags & OPTION_HIDDEN)) {
			printf("%s--%s", before, o->name);
			before = " ";
		}
}

static void print_verbs(void)
{
	int i;

	printf("\tlocal verbs='");
	for (i = 0; verbs[i]; i++)
		printf("%s%s", i ? " " : "", verbs[i]->name);
	printf("'\n\tlocal common='");
	print_options(&common_argp, "");
	printf("'\n\tdeclare -A own=(");
	for (i = 0; verbs[i]; i++) {
		printf("\n\t\t[%s]='", verbs[i]->name);
		print_options(verbs[i]->argp, "");
		printf("'");
	}
	printf("\n\t)\n");
}

static void print_values(const char *option, const char *const *names)
{
	int i;

	printf("\t--%s) COMPREPLY=($(compgen -W '", option);
	for (i = 0; names[i]; i++)
		printf("%s%s", i ? " " : "", names[i]);
	printf("' -- \"$word\")); return ;;\n");
}

static int completion_main(struct cli *cli, int argc, char **argv)
{
	static const char *const devices[] = { "auto", "sim", "cpu", NULL };

	cli_parse(&verb_completion, argc, argv, &cli);
	puts("_vggctl()\n{\n"
	     "\tlocal word=${COMP_WORDS[COMP_CWORD]} verb= w");
	print_verbs();
	puts("\tfor w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	     "\t\t[[ -z $verb && \" $verbs \" == *\" $w \"* ]] && verb=$w\n"
	     "\tdone\n"
	     "\tCOMPREPLY=()\n"
	     "\tcase ${COMP_WORDS[COMP_CWORD-1]} in");
	print_values("device", devices);
	print_values("split", split_names);
	print_values("precision", precision_names);
	print_values("machine", machine_names);
	print_values("method", method_names);
	print_values("keep", keep_names);
	puts("\t--arch) COMPREPLY=($(compgen -W \"$(\"$1\" import "
	     "--list-archs)\" -- \"$word\")); return ;;\n"
	     "\tesac\n"
	     "\tif [[ $word == -* ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$common ${own[${verb:-_}]}\" -- "
	     "\"$word\"))\n"
	     "\telif [[ -z $verb ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$verbs\" -- \"$word\"))\n"
	     "\telif [[ $verb == import || $verb == show ]]; then\n"
	     "\t\tcompopt -o filenames 2>/dev/null\n"
	     "\t\tmapfile -t COMPREPLY < <(compgen -d -- \"$word\"\n"
	     "\t\t\tfor w in onnx safetensors pth pt h5 hdf5 model; do\n"
	     "\t\t\t\tcompgen -f -X \"!*.$w\" -- \"$word\"\n"
	     "\t\t\tdone)\n"
	     "\tfi\n}\n"
	     "complete -o default -F _vggctl vggctl");
	return EXIT_OK;
}

const struct verb verb_completion = {
	.name = "completion",
	.summary = "print a completion script",
	.argp = &argp,
	.run = completion_main,
};
