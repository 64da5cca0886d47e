// SPDX-License-Identifier: MIT
/*
 * A confusion matrix as a picture: a row for each class of the images, a column
 * for each answer; shades are shares of the row, numbers are counts. Labels are
 * left out where cells are too small for them.
 */
#include <stdio.h>

#include "eval.h"
#include "svg.h"

#define CELL 44
#define CELLS_MOST 900 /* points in all, from that on cells shrink */
#define MARGIN 120
#define LABELS_MOST 40 /* classes */

static void put_cell(FILE *f, double x, double y, double side, uint32_t n,
		     double share, bool right)
{
	char count[16], more[64];
	/* The eye sees small shares, too. */
	int light = (int)(97 - 55 * (share < 0 ? 0 : share > 1 ? 1 : share));

	if (n && light > 92)
		light = 92;
	fprintf(f,
		"<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' "
		"fill='hsl(%d 60%% %d%%)'/>\n",
		x, y, side - 1, side - 1, right ? 150 : 10, light);
	if (!n || side < 18)
		return;
	snprintf(count, sizeof(count), "%u", n);
	snprintf(more, sizeof(more), " font-size='%.0f' fill='%s'",
		 side / 3.4 < 12 ? side / 3.4 : 12.0,
		 light < 60 ? "#fff" : "#222");
	svg_text(f, x + side / 2, y + side / 2 + 4, "middle", more, count);
}

static void put_row(FILE *f, unsigned int classes, double side, double top,
		    unsigned int row, const uint32_t *matrix)
{
	double sum = 0;
	unsigned int c;

	for (c = 0; c < classes; c++)
		sum += matrix[c * classes + row];
	for (c = 0; c < classes; c++) {
		uint32_t n = matrix[c * classes + row];

		put_cell(f, MARGIN + c * side, top + row * side, side, n,
			 sum > 0 ? n / sum : 0, c == row);
	}
}

static void put_labels(FILE *f, unsigned int classes, double side, double top,
		       const char *const *names)
{
	char more[96];
	unsigned int i;

	for (i = 0; i < classes; i++) {
		double x = MARGIN + (i + 0.5) * side + 4;

		svg_text(f, MARGIN - 8, top + (i + 0.5) * side + 4, "end",
			 " class='l'", names[i]);
		snprintf(more, sizeof(more),
			 " class='l' transform='rotate(-45 %.1f %.1f)'", x,
			 top - 8);
		svg_text(f, x, top - 8, "start", more, names[i]);
	}
}

struct matrix {
	const char *title;
	unsigned int classes;
	const char *const *names;
	const uint32_t *cells;
};

static void draw(FILE *f, const void *what)
{
	const struct matrix *m = what;
	unsigned int classes = m->classes, i;
	double side = CELL * classes > CELLS_MOST ?
			      (double)CELLS_MOST / classes :
			      CELL;
	double top = MARGIN + 20, width = MARGIN + side * classes + 60;
	double height = top + side * classes + 50;

	fprintf(f,
		"<svg xmlns='http://www.w3.org/2000/svg' width='%.0f' "
		"height='%.0f' viewBox='0 0 %.0f %.0f' "
		"font-family='sans-serif'>\n"
		"<style>.l{font-size:12px;fill:#222}.t{font-size:15px;"
		"fill:#222}</style>\n"
		"<rect width='100%%' height='100%%' fill='#fff'/>\n",
		width, height, width, height);
	svg_text(f, 16, 26, "start", " class='t'", m->title);
	for (i = 0; i < classes; i++)
		put_row(f, classes, side, top, i, m->cells);
	if (classes <= LABELS_MOST)
		put_labels(f, classes, side, top, m->names);
	svg_text(f, MARGIN, height - 18, "start", " class='l'",
		 "rows: the images' classes; columns: the network's answers; "
		 "green: right");
	fputs("</svg>\n", f);
}

int eval_svg(const char *path, const char *title, unsigned int classes,
	     const char *const *names, const uint32_t *matrix)
{
	const struct matrix m = { title, classes, names, matrix };

	return svg_write(path, draw, &m);
}
