// SPDX-License-Identifier: MIT
/* The progress line. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "stop.h"

#define QUIET_MS 500 /* what is done by then needs no line */
#define STEP_MS 100  /* between two lines */

static bool shown;

double cli_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool wanted(void)
{
	static int answer = -1;
	const char *term = getenv("TERM");

	if (answer < 0)
		answer = isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
	return answer;
}

static void show(const char *what, unsigned int done, unsigned int total)
{
	static long start, last;
	long now;

	if (!wanted())
		return;
	now = (long)(1e3 * cli_now());
	if (!start)
		start = now;
	if (now - start < QUIET_MS || now - last < STEP_MS)
		return;
	last = now;
	shown = true;
	fprintf(stderr, "\r\033[K%s: %u of %u", what, done, total);
	fflush(stderr);
}

int cli_progress(void *ctx, const char *what, unsigned int done,
		 unsigned int total)
{
	(void)ctx;
	show(what, done, total);
	return stop_asked();
}

void cli_progress_clear(void)
{
	if (!shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	shown = false;
}
