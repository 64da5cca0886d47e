/* SPDX-License-Identifier: MIT */
/*
 * Text for terminals: UTF-8, columns, units. Names of files and labels come
 * from anywhere; what is printed of them is valid UTF-8 without control
 * characters, so that no file can steer a terminal.
 */
#ifndef VGGCTL_TEXT_H
#define VGGCTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Cells that a terminal needs for s. */
int text_width(const char *s);
/* A copy with U+FFFD for invalid bytes; with `printable`, also '?' for control
 * characters. Exits if there is no memory. */
char *text_valid(const char *s, bool printable);
/* The same, printable, and cut to so many cells; ".." is where something was. */
char *text_cut(const char *s, int cells);

/* 15470314496, "MAC" -> "15.5 GMAC"; returns buffer. */
#define TEXT_SI 32
const char *text_si(double value, const char *unit, char buffer[TEXT_SI]);

/*
 * A table: "<layer|>MACs" names columns and how they are aligned. Cells are
 * filled row by row; printing frees them.
 */
#define TABLE_COLUMNS 12
struct table {
	int columns;
	bool right[TABLE_COLUMNS];
	char **cells; /* the head is row 0 */
	size_t count, room;
};

void table_begin(struct table *t, const char *columns);
__attribute__((format(printf, 2, 3))) void table_cell(struct table *t,
						      const char *format, ...);
/* `before` and `after` enclose the head line, for colour. */
void table_print(struct table *t, FILE *to, const char *before,
		 const char *after);

void *cli_alloc(void *old, size_t bytes);

#endif
