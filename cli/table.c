// SPDX-License-Identifier: MIT
/* Tables of text; see text.h. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static void add_cell(struct table *t, char *text)
{
	if (t->count == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cells = cli_alloc(t->cells, t->room * sizeof(*t->cells));
	}
	t->cells[t->count++] = text_valid(text, true);
	free(text);
}

void table_cell(struct table *t, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = cli_alloc(NULL, SIZE_MAX); /* says so, and exits */
	va_end(args);
	add_cell(t, text);
}

void table_begin(struct table *t, const char *columns)
{
	memset(t, 0, sizeof(*t));
	while (*columns && t->columns < TABLE_COLUMNS) {
		int n = (int)strcspn(columns + 1, "|");

		t->right[t->columns++] = *columns == '>';
		table_cell(t, "%.*s", n, columns + 1);
		columns += n + 1;
		columns += *columns == '|';
	}
}

static void print_row(const struct table *t, size_t row, const int *width,
		      FILE *to)
{
	int c, pad;

	for (c = 0; c < t->columns; c++) {
		const char *cell =
			t->cells[row * (size_t)t->columns + (size_t)c];

		pad = width[c] - text_width(cell);
		if (t->right[c])
			fprintf(to, "%*s%s", pad, "", cell);
		else if (c + 1 < t->columns)
			fprintf(to, "%s%*s", cell, pad, "");
		else
			fputs(cell, to);
		if (c + 1 < t->columns)
			fputs("  ", to);
	}
}

void table_print(struct table *t, FILE *to, const char *before,
		 const char *after)
{
	size_t rows = t->count / (size_t)t->columns, i;
	int width[TABLE_COLUMNS] = { 0 }, w;

	for (i = 0; i < t->count; i++) {
		w = text_width(t->cells[i]);
		if (w > width[i % (size_t)t->columns])
			width[i % (size_t)t->columns] = w;
	}
	for (i = 0; i < rows; i++) {
		fputs(i ? "" : before, to);
		print_row(t, i, width, to);
		fprintf(to, "%s\n", i ? "" : after);
	}
	for (i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
}
