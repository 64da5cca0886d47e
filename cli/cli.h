/* SPDX-License-Identifier: MIT */
/*
 * What the verbs of vggctl share. A verb parses its arguments, opens what it
 * needs, calls the library and hands the data to cli->out; it prints nothing
 * itself. It returns the program's exit status.
 */
#ifndef VGGCTL_CLI_H
#define VGGCTL_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "vggaccel.h"

enum {
	EXIT_OK,
	EXIT_FAILED,
	EXIT_USAGE,
	EXIT_NO_DEVICE,
	EXIT_DEVICE_LOST,
};

struct out_ops;

struct cli {
	bool usage; /* the error to come is one, see cli_took_options() */
	/* Options that every verb takes. */
	const char *device, *card, *inject;
	int timeout_s; /* 0: the library's default */
	bool json, verbose, pace;
	const struct out_ops *out;

	/* What cli_open_*() opened, each with what it tells about itself. */
	struct vgg_device *dev;
	struct vgg_model *model;
	struct vgg_session *session;
	struct vgg_pipeline *pipeline; /* instead of it */
	struct vgg_device_info device_info;
	struct vgg_model_info model_info;
};

struct verb {
	const char *name;
	const char *summary;
	const struct argp *argp;
	int (*run)(struct cli *cli, int argc, char **argv);
};

extern const struct verb verb_run, verb_info, verb_import, verb_verify,
	verb_quantize, verb_eval, verb_show, verb_bench, verb_trace, verb_plan,
	verb_calibrate, verb_completion;
/* Ends with NULL; the hidden ones come last, behind another NULL. */
extern const struct verb *const verbs[];

/*
 * args.c: command lines. What a verb passes as `options` is a struct that
 * starts with its struct cli *. Mistakes end the program with EXIT_USAGE.
 */
extern const struct argp_child common_options[];
extern const struct argp common_argp;
void cli_parse(const struct verb *verb, int argc, char **argv, void *options);
/* Call it for ARGP_KEY_INIT. */
void arg_init_common(struct argp_state *state);
__attribute__((format(printf, 2, 3))) void arg_fail(struct argp_state *state,
						    const char *format, ...);
int arg_number(struct argp_state *state, const char *option, const char *text,
	       int lo, int hi);
uint64_t arg_seed(struct argp_state *state, const char *option,
		  const char *text);
/* The index of text in names, which end with NULL. */
int arg_choice(struct argp_state *state, const char *option, const char *text,
	       const char *const *names);
/* "a,b,c": returns how many, 1..max. */
int arg_floats(struct argp_state *state, const char *option, const char *text,
	       float *values, int max);
/* Only a picture's name: it may not replace a model by a slip. Returns text. */
const char *arg_svg(struct argp_state *state, const char *option,
		    const char *text);
/* The message of the last mistake; NULL if the parser itself found it. */
const char *arg_last_failure(void);

/* Options that several verbs have; keys are letters, or above them. */
enum { KEY_SPLIT = 0x300, KEY_PRECISION };
#define OPTION_MODEL                                            \
	{                                                       \
		"model", 'm', "FILE", 0,                        \
			"Compiled model, see `vggctl import'; " \
			"default: the built-in one",            \
			0                                       \
	}
#define OPTION_THREADS                                               \
	{                                                            \
		"threads", 't', "N", 0,                              \
			"CPU threads, 0 to 256; 0 (default): all", 0 \
	}
#define OPTION_SPLIT                                  \
	{                                             \
		"split", KEY_SPLIT, "WHERE", 0,       \
			"Where to run layers: auto, " \
			"card, cpu, offload, or a "   \
			"plan's file; default: auto", \
			0                             \
	}
#define OPTION_PRECISION                               \
	{                                              \
		"precision", KEY_PRECISION, "KIND", 0, \
			"int8, or fp32 on the CPU; "   \
			"default: int8",               \
			0                              \
	}
#define THREADS_LIMIT 256
/* What these options say; a verb has those that it lists. */
struct session_args {
	const char *model; /* NULL: the built-in one */
	struct vgg_session_options session;
	bool wants_card; /* --split card, or a plan's file */
};
/* For keys that a verb doesn't know itself: ARGP_ERR_UNKNOWN for others. Refuses
 * arguments that are no options, and at the end what doesn't go together. */
error_t arg_session(int key, char *arg, struct argp_state *state,
		    struct session_args *args);
extern const char *const split_names[];
extern const char *const precision_names[];
extern const char *const machine_names[];

/* open.c; all return 0 or a negative errno as the library does. */
int cli_open_device(struct cli *cli);
/* path NULL: the built-in model */
int cli_open_model(struct cli *cli, const char *path);
int cli_describe_model(struct cli *cli);
/* Needs both of the above. */
int cli_open_session(struct cli *cli, const struct vgg_session_options *o);
int cli_open_pipeline(struct cli *cli, const struct vgg_session_options *o,
		      unsigned int in_flight);
/* That of either, for what doesn't run it. */
const struct vgg_session *cli_session(const struct cli *cli);
const char *cli_placement(const struct cli *cli);
void cli_close(struct cli *cli);

/* error.c */
/* An error of the program's own, in the library's form; returns -errno. */
__attribute__((format(printf, 4, 5))) int cli_fail(enum vgg_error_code code,
						   const char *where,
						   const char *next_step,
						   const char *format, ...);
/* The last error, the program's or the library's, completed where that left it
 * empty. */
struct vgg_error cli_error(int err);
int cli_exit_status(const struct vgg_error *error);
/* Tells stderr; returns the exit status. */
int cli_say(const struct vgg_error *error);
void cli_warn(const struct vgg_quantize_warning *warning);
/* Tells stderr what is worth knowing, though nothing failed. */
void cli_note(const char *text);
/* Of so many jobs of a paced simulator; nothing if none was late. */
void cli_note_late(uint64_t jobs, uint64_t late, uint64_t late_us);
/* Tells stderr and, with --json, stdout; returns the exit status. */
int cli_report(const struct cli *cli, const struct vgg_error *error);
/* Whether it was: then stdout has its JSON. */
bool cli_reported(void);
/* err is of a call whose arguments are options as they were typed: if they were
 * what it refused, that is wrong usage. Returns err. */
int cli_took_options(struct cli *cli, int err);
int cli_report_last(const struct cli *cli, int err);

/* files.c: a list of names, in the order of the command line. */
struct file_list {
	char **name;
	unsigned int count, room;
};
int files_add(struct file_list *list, const char *path);
/* The images of a folder, sorted; of its subfolders, one for each class, if it has
 * none itself; or the path itself if it's no folder. */
int files_expand(struct file_list *list, const char *path);
void files_free(struct file_list *list);

/* input.c: input tensors; *data is freed by the caller, *count is of one image.
 * An array may hold several, *images of them, unless that is NULL. */
int input_from_array(const struct cli *cli, const char *path, float **data,
		     size_t *count, unsigned int *images);
int input_from_image(const struct cli *cli, const char *path, float **data,
		     size_t *count);
/* Always the same one for the same network. */
int input_fixed(const struct cli *cli, float **data, size_t *count);
/* What that is for a network that takes images. */
int input_fixed_image(struct vgg_image **image);

/*
 * progress.c: one line on stderr, if that is a terminal and the work takes
 * long. cli_progress() is a vgg_progress without a context; it says to stop if a
 * signal did, see stop.h.
 */
int cli_progress(void *ctx, const char *what, unsigned int done,
		 unsigned int total);
void cli_progress_clear(void);
/* Seconds of a clock that only goes on. */
double cli_now(void);

#endif
