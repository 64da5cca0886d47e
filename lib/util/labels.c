// SPDX-License-Identifier: MIT
/* Reading names of classes; see labels.h. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/file.h"
#include "util/labels.h"

struct reader {
	const char *name;
	const uint8_t *at, *end;
	char **labels;
	unsigned int count, room;
	unsigned int line;  /* the one in hand, from 1 */
	unsigned int blank; /* the first of a run of blank lines, 0: none */
};

static int fail_line(const struct reader *r, unsigned int line,
		     const char *what)
{
	char where[256];

	snprintf(where, sizeof(where), "%.200s:%u", r->name, line);
	return vgg_fail(LABELS_FORMAT, where,
			"a labels file is UTF-8 text, one label a line", "%s",
			what);
}

/* The length of the UTF-8 sequence at s, 0 if it is invalid. The second byte's
 * range excludes overlong forms, surrogates and what is above U+10FFFF. */
static size_t utf8_length(const uint8_t *s, size_t n)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint8_t lo = 0x80, hi = 0xbf;
	size_t i;

	if (len == 1)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n < len)
		return 0;
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* Labels are printed: a control character could do things to a terminal. */
static const char *line_problem(const uint8_t *s, size_t n)
{
	size_t i, len;

	if (n > VGG_LABEL_BYTES_MAX)
		return "the line is longer than 1024 bytes";
	for (i = 0; i < n; i += len) {
		len = utf8_length(s + i, n - i);
		if (!len)
			return "the line is not valid UTF-8";
		if (!s[i])
			return "there is a NUL byte in the line";
		if ((s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
			return "there is a control character in the line";
	}
	return NULL;
}

static bool is_blank(const uint8_t *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (s[i] != ' ' && s[i] != '\t')
			return false;
	return true;
}

static int append(struct reader *r, const uint8_t *s, size_t n)
{
	unsigned int room = r->room ? r->room * 2 : 16;
	char **more;

	if (r->count == r->room) {
		more = realloc(r->labels, room * sizeof(*more));
		if (!more)
			return vgg_fail_memory("labels");
		r->labels = more;
		r->room = room;
	}
	r->labels[r->count] = strndup((const char *)s, n);
	if (!r->labels[r->count])
		return vgg_fail_memory("labels");
	r->count++;
	return 0;
}

/* One line, without its end. */
static int take_line(struct reader *r, const uint8_t *s, size_t n)
{
	const char *problem;

	if (is_blank(s, n)) {
		if (!r->blank)
			r->blank = r->line;
		return 0;
	}
	if (r->blank)
		return fail_line(r, r->blank, "the line is blank");
	problem = line_problem(s, n);
	if (problem)
		return fail_line(r, r->line, problem);
	return append(r, s, n);
}

static int take_lines(struct reader *r)
{
	const uint8_t *lf;
	size_t n;
	int err;

	while (r->at < r->end) {
		if (++r->line > VGG_LABELS_MAX)
			return fail_line(r, r->line,
					 "there are more than 1000000 lines");
		lf = memchr(r->at, '\n', (size_t)(r->end - r->at));
		n = (size_t)((lf ? lf : r->end) - r->at);
		if (lf && n && r->at[n - 1] == '\r')
			err = take_line(r, r->at, n - 1);
		else
			err = take_line(r, r->at, n);
		if (err)
			return err;
		r->at = lf ? lf + 1 : r->end;
	}
	if (!r->count)
		return fail_line(r, 1, "there are no labels in the file");
	return 0;
}

int vgg_labels_parse(const char *name, const void *text, size_t size,
		     char ***labels, unsigned int *n)
{
	struct reader r = { .name = name, .at = text };
	int err;

	*labels = NULL;
	*n = 0;
	/* An empty file has no data to point to. */
	r.end = size ? r.at + size : r.at;
	if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		r.at += 3;
	err = take_lines(&r);
	if (err) {
		vgg_labels_free(r.labels, r.count);
		return err;
	}
	*labels = r.labels;
	*n = r.count;
	return 0;
}

int vgg_labels_load(const char *path, char ***labels, unsigned int *n)
{
	struct vgg_file file;
	int err;

	*labels = NULL;
	*n = 0;
	err = vgg_file_open(&file, path);
	if (err)
		return err;
	err = vgg_labels_parse(path, file.data, file.size, labels, n);
	vgg_file_close(&file);
	return err;
}

void vgg_labels_free(char **labels, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		free(labels[i]);
	free(labels);
}
