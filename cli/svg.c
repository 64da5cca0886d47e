// SPDX-License-Identifier: MIT
/* See svg.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "svg.h"
#include "text.h"

void svg_put(FILE *f, const char *text)
{
	char *valid = text_valid(text, true);
	const char *c;

	for (c = valid; *c; c++)
		switch (*c) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		default:
			putc(*c, f);
		}
	free(valid);
}

void svg_text(FILE *f, double x, double y, const char *anchor, const char *more,
	      const char *text)
{
	fprintf(f, "<text x='%.1f' y='%.1f' text-anchor='%s'%s>", x, y, anchor,
		more);
	svg_put(f, text);
	fputs("</text>\n", f);
}

/* It is written under another name first. */
#define NEW_MAX 4096

static FILE *open_new(const char *path, char new[NEW_MAX])
{
	snprintf(new, NEW_MAX, "%.4080s.new", path);
	return fopen(new, "we");
}

static int fail(const char *path, const char *new, int error)
{
	unlink(new);
	return cli_fail(VGG_ERROR_FILE_IO, path,
			"check the folder and the disk's room",
			"it cannot be written: %s", strerror(error));
}

int svg_check(const char *path)
{
	char new[NEW_MAX];
	struct stat st;
	FILE *f;

	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return fail(path, "", EISDIR);
	f = open_new(path, new);
	if (!f)
		return fail(path, new, errno);
	fclose(f);
	unlink(new);
	return 0;
}

int svg_write(const char *path, void (*draw)(FILE *f, const void *what),
	      const void *what)
{
	char new[NEW_MAX];
	FILE *f = open_new(path, new);
	bool bad;

	if (f)
		draw(f, what);
	bad = !f || ferror(f);
	bad = (f && fclose(f)) || bad;
	return bad || rename(new, path) ? fail(path, new, errno) : 0;
}
