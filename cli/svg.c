// SPDX-License-Identifier: MIT
/* See svg.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

int svg_write(const char *path, void (*draw)(FILE *f, const void *what),
	      const void *what)
{
	char new[4096];
	FILE *f;
	bool bad;

	snprintf(new, sizeof(new), "%.4080s.new", path);
	f = fopen(new, "we");
	if (f)
		draw(f, what);
	bad = !f || ferror(f);
	bad = (f && fclose(f)) || bad;
	if (bad || rename(new, path)) {
		int error = errno;

		unlink(new);
		return cli_fail(VGG_ERROR_FILE_IO, path,
				"check the folder and the disk's room",
				"it cannot be written: %s", strerror(error));
	}
	return 0;
}
