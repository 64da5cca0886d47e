// SPDX-License-Identifier: MIT
/* vggsimd: serves the simulated card to virtual machines. The options. */
#include "simd.h"
#include "vggaccel_hw.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

enum {
	KEY_CARD = 0x100,
	KEY_INJECT,
	KEY_SEED,
	KEY_ORDER,
	KEY_PACE,
	KEY_ONCE,
	KEY_MESSAGES,
};

static const char inject_doc[] =
	"Fault to provoke: NAME[,after=N][,count=N][,arg=N]; after=random with "
	"--seed. Names:"
#define NAME(name, id, text) " " #name
	VGG_HW_FAULTS(NAME);
#undef NAME

static const struct argp_option options[] = {
	{ "socket", 's', "PATH", 0, "Unix socket to listen on", 1 },
	{ "card", KEY_CARD, "FILE", 0, "Card profile; default: built in", 1 },
	{ "inject", KEY_INJECT, "FAULT", 0, inject_doc, 1 },
	{ "seed", KEY_SEED, "N", 0,
	  "Choose at random what the specification leaves open, and tell what "
	  "was chosen",
	  1 },
	{ "order", KEY_ORDER, "ORDER", 0,
	  "Order of the two engines: program (default), dma-late or mac-late",
	  1 },
	{ "pace", KEY_PACE, NULL, 0,
	  "Let jobs take as long as the modelled card's", 1 },
	{ "once", KEY_ONCE, NULL, 0, "End after the first client", 1 },
	{ "dma-messages", KEY_MESSAGES, NULL, 0,
	  "Reach the client's memory by messages only", 1 },
	{ "verbose", 'v', NULL, 0, "Tell more", 1 },
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1 },
	{ 0 }
};

static void set_card(struct argp_state *state, struct vgg_card *card,
		     const char *path)
{
	char what[256];

	if (vgg_card_load(card, path, what, sizeof(what)))
		argp_error(state, "--card: %s", what);
}

static void set_seed(struct argp_state *state, struct vgg_simd_options *o,
		     const char *text)
{
	char *end;

	errno = 0;
	o->seed = strtoull(text, &end, 0);
	if (!isdigit((unsigned char)*text) || *end || errno)
		argp_error(state,
			   "--seed takes a number from 0 to 2^64 - 1, not '%s'",
			   text);
	o->seeded = true;
}

static void set_order(struct argp_state *state, struct vgg_simd_options *o,
		      const char *text)
{
	enum vgg_sim_order order;

	for (order = VGG_SIM_PROGRAM_ORDER; order <= VGG_SIM_MAC_LATE; order++)
		if (!strcmp(text, vgg_sim_order_name(order)))
			break;
	if (order > VGG_SIM_MAC_LATE)
		argp_error(state,
			   "--order takes program, dma-late or mac-late, not "
			   "'%s'",
			   text);
	o->order = order;
	o->order_given = true;
}

/* What can only be judged when all options are known. */
static void check(struct argp_state *state, const struct vgg_simd_options *o)
{
	if (!o->socket || !*o->socket)
		argp_error(state, "--socket PATH is missing");
	if (o->injection.after_random && !o->seeded)
		argp_error(state, "after=random needs --seed N");
	if (o->injection.fault && !o->card.inject)
		argp_error(state, "this card can't inject faults; set `inject "
				  "1' in the card profile");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct vgg_simd_options *o = state->input;

	switch (key) {
	case 's':
		o->socket = arg;
		return 0;
	case KEY_CARD:
		set_card(state, &o->card, arg);
		return 0;
	case KEY_INJECT:
		if (vgg_sim_injection_parse(arg, &o->injection))
			argp_error(state,
				   "--inject: '%s' is no fault; use "
				   "NAME[,after=N][,count=N][,arg=N], see "
				   "--help for the names",
				   arg);
		return 0;
	case KEY_SEED:
		set_seed(state, o, arg);
		return 0;
	case KEY_ORDER:
		set_order(state, o, arg);
		return 0;
	case KEY_PACE:
		o->pace = true;
		return 0;
	case KEY_ONCE:
		o->once = true;
		return 0;
	case KEY_MESSAGES:
		o->dma_messages = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s': there are no arguments, only options",
			   arg);
		return 0;
	case ARGP_KEY_END:
		check(state, o);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Serves the simulated card as a PCIe device to QEMU 10.1 or "
	       "later, over vfio-user.\v"
	       "SIGUSR1 prints statistics, SIGTERM and SIGINT end it. Exit "
	       "status: 0 done, 1 failed, 2 wrong usage.",
};

static void print_version(FILE *to, struct argp_state *state)
{
	(void)state;
	fprintf(to, "vggsimd %s\n", VGG_VERSION);
}

void (*argp_program_version_hook)(FILE *, struct argp_state *) = print_version;

int main(int argc, char **argv)
{
	struct vgg_simd_options o = { .order = VGG_SIM_PROGRAM_ORDER };

	argp_err_exit_status = EXIT_USAGE;
	vgg_card_default(&o.card);
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	return vgg_simd_serve(&o) ? 1 : 0;
}
