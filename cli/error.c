// SPDX-License-Identifier: MIT
/*
 * Errors, always in one form:
 *
 *	vggctl: cat.gif: is a GIF image [IMAGE_UNSUPPORTED]
 *	  hint: convert it to JPEG or PNG
 *
 * and warnings in the same.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "out.h"
#include "text.h"

static const struct {
	const char *name, *text;
	int number;
} codes[] = { [VGG_ERROR_NONE] = { "UNKNOWN", "failed without a reason", EIO },
#define VGG_ERROR_ENTRY(name, number, text) \
	[VGG_ERROR_##name] = { #name, text, number },
	      VGG_ERRORS(VGG_ERROR_ENTRY)
#undef VGG_ERROR_ENTRY
};

/* vgg_error_last() can't be set from here. */
static struct vgg_error own;

int cli_fail(enum vgg_error_code code, const char *where, const char *next_step,
	     const char *format, ...)
{
	va_list args;

	own.code = code;
	own.name = codes[code].name;
	snprintf(own.where, sizeof(own.where), "%s", where);
	snprintf(own.next_step, sizeof(own.next_step), "%s", next_step);
	va_start(args, format);
	vsnprintf(own.what, sizeof(own.what), format, args);
	va_end(args);
	return -codes[code].number;
}

struct vgg_error cli_error(int err)
{
	struct vgg_error error = own.name ? own : *vgg_error_last();

	own.name = NULL;
	if (error.code == VGG_ERROR_NONE) {
		error.name = codes[VGG_ERROR_NONE].name;
		snprintf(error.what, sizeof(error.what), "%s", strerror(-err));
	}
	if (!error.what[0])
		snprintf(error.what, sizeof(error.what), "%s",
			 codes[error.code].text);
	return error;
}

int cli_exit_status(const struct vgg_error *error)
{
	switch (error->code) {
	case VGG_ERROR_NO_DEVICE:
		return EXIT_NO_DEVICE;
	case VGG_ERROR_DEVICE_LOST:
		return EXIT_DEVICE_LOST;
	default:
		return EXIT_FAILED;
	}
}

static void say(const char *kind, const char *name, const char *where,
		const char *what, const char *next_step)
{
	char *at = text_valid(where, true);
	char *fact = text_valid(what, true);
	char *next = text_valid(next_step, true);

	cli_progress_clear();
	fprintf(stderr, "vggctl: %s%s%s%s [%s]\n", kind, at, *at ? ": " : "",
		fact, name);
	if (*next)
		fprintf(stderr, "  hint: %s\n", next);
	free(at);
	free(fact);
	free(next);
}

int cli_say(const struct vgg_error *error)
{
	say("", error->name, error->where, error->what, error->next_step);
	return cli_exit_status(error);
}

void cli_warn(const struct vgg_quantize_warning *w)
{
	bool colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR");

	say(colour ? "\033[1;31mWARNING:\033[0m " : "WARNING: ", w->name,
	    w->where, w->what, w->next_step);
}

void cli_note(const char *text)
{
	char *clean = text_valid(text, true);

	cli_progress_clear();
	fprintf(stderr, "vggctl: note: %s\n", clean);
	free(clean);
}

void cli_note_late(uint64_t jobs, uint64_t late, uint64_t late_us)
{
	char text[200];

	if (!late)
		return;
	snprintf(text, sizeof(text),
		 "%llu of %llu job%s ended later than the modelled card's, by "
		 "%.1f ms in all: this machine is too slow, or too busy, for "
		 "these times to mean much",
		 (unsigned long long)late, (unsigned long long)jobs,
		 jobs == 1 ? "" : "s", (double)late_us / 1e3);
	cli_note(text);
}

int cli_took_options(struct cli *cli, int err)
{
	cli->usage = err && vgg_error_last()->code == VGG_ERROR_BAD_ARGUMENT;
	return err;
}

static bool reported;

bool cli_reported(void)
{
	return reported;
}

int cli_report(const struct cli *cli, const struct vgg_error *error)
{
	int status;

	reported = true;
	cli->out->error(error);
	status = cli_say(error);
	return cli->usage ? EXIT_USAGE : status;
}

int cli_report_last(const struct cli *cli, int err)
{
	struct vgg_error error = cli_error(err);

	return cli_report(cli, &error);
}
