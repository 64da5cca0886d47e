/* SPDX-License-Identifier: MIT */
/* Pictures as files. */
#ifndef VGGCTL_SVG_H
#define VGGCTL_SVG_H

#include <stdio.h>

/* A text element; `more` are attributes, each with a space before it. */
void svg_text(FILE *f, double x, double y, const char *anchor, const char *more,
	      const char *text);
/* The text alone, as it may stand in an element. */
void svg_put(FILE *f, const char *text);

/* Whether it could be written: for who must work long before that. */
int svg_check(const char *path);
/* Writes what draw() makes; the file appears whole or not at all. */
int svg_write(const char *path, void (*draw)(FILE *f, const void *what),
	      const void *what);

#endif
