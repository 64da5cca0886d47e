// SPDX-License-Identifier: MIT
/*
 * The progress line:
 *
 *	int8 images ████████░░░░░░░░░░░░  41 %  2470 of 6000  812/s  0:04 left
 *
 * It has the terminal's width at most; where that is small, the count goes first,
 * then the bar, then the name. A line that wraps couldn't be drawn over.
 */
#include <langinfo.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "stop.h"
#include "text.h"

#define QUIET_MS 500 /* what is done by then needs no line */
#define STEP_MS 100  /* between two lines */
#define RATE_S 0.5   /* a rate of less time means nothing */
#define BAR_LEAST 8  /* cells */
#define BAR_MOST 30
#define CELLS 80 /* of a terminal that doesn't say */
#define PART 96	 /* bytes of a part of the line */

static bool shown;

/* What goes on, since when and from where on. */
static struct {
	char what[40];
	double start;
	unsigned int first, done;
} phase;

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

/* Whenever it is drawn: windows change. Terminals wrap behind the last column. */
static int width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return CELLS - 1;
	return size.ws_col - 1;
}

static void note_phase(const char *what, unsigned int done, double now)
{
	if (strncmp(phase.what, what, sizeof(phase.what) - 1) ||
	    done < phase.done) {
		snprintf(phase.what, sizeof(phase.what), "%s", what);
		phase.start = now;
		phase.first = done;
	}
	phase.done = done;
}

/* "  812/s  0:04 left", once it can be told. */
static void put_pace(char text[PART], unsigned int left, double seconds)
{
	double rate = (phase.done - phase.first) / seconds, more;
	unsigned int s;

	text[0] = 0;
	if (seconds < RATE_S || rate <= 0)
		return;
	more = left / rate;
	if (more > 1e6)
		return;
	s = (unsigned int)(more + 0.5);
	if (s < 3600)
		snprintf(text, PART, "  %.*f/s  %u:%02u left", rate < 10, rate,
			 s / 60, s % 60);
	else
		snprintf(text, PART, "  %.*f/s  %u:%02u:%02u left", rate < 10,
			 rate, s / 3600, s / 60 % 60, s % 60);
}

static void put_bar(int cells, double share)
{
	bool unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
	int full = (int)(share * cells), i;

	for (i = 0; i < cells; i++)
		if (unicode)
			fputs(i < full ? "█" : "░", stderr);
		else
			fputc(i < full ? '#' : '.', stderr);
	fputc(' ', stderr);
}

/* Of the name, what there is room for. */
static void put_name(int room)
{
	char *cut;

	if (room < 4)
		return;
	cut = text_cut(phase.what, room - 1);
	fprintf(stderr, "%s ", cut);
	free(cut);
}

static void draw(unsigned int done, unsigned int total, double now)
{
	char percent[PART], count[PART], pace[PART];
	double share = total && done < total ? (double)done / total : 1;
	int room = width(), bar;

	snprintf(percent, sizeof(percent), "%3d %%", (int)(100 * share));
	snprintf(count, sizeof(count), "  %u of %u", done, total);
	put_pace(pace, total > done ? total - done : 0, now - phase.start);
	room -= (int)strlen(percent);
	if (room < (int)strlen(pace))
		pace[0] = 0;
	room -= (int)strlen(pace);
	if (room < 0)
		return;
	bar = room - text_width(phase.what) - 2 - (int)strlen(count);
	if (bar < BAR_LEAST) {
		bar += (int)strlen(count);
		count[0] = 0;
	}
	fputs("\r\033[K", stderr);
	put_name(room);
	if (bar >= BAR_LEAST)
		put_bar(bar < BAR_MOST ? bar : BAR_MOST, share);
	fprintf(stderr, "%s%s%s", percent, count, pace);
	fflush(stderr);
	shown = true;
}

int cli_progress(void *ctx, const char *what, unsigned int done,
		 unsigned int total)
{
	static double start, last;
	double now;

	(void)ctx;
	if (!wanted())
		return stop_asked();
	now = cli_now();
	start = start > 0 ? start : now;
	note_phase(what, done, now);
	if (1e3 * (now - start) >= QUIET_MS && 1e3 * (now - last) >= STEP_MS) {
		last = now;
		draw(done, total, now);
	}
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
