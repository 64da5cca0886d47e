// SPDX-License-Identifier: MIT
/*
 * What a network takes for what, as a picture. Of few classes it is the confusion
 * matrix: a row for each class of the images, a column for each answer; shades are
 * shares of the row, numbers are counts. Of more than can be told apart it is a
 * list of the mistakes made most often, as bars.
 */
#include <stdio.h>
#include <stdlib.h>

#include "confusion.h"
#include "eval.h"
#include "svg.h"

#define CELL 44
#define SQUARE 900	/* points; where all cells don't fit it, they shrink */
#define NUMBER_LEAST 20 /* a cell that a number can be read in */
#define CLASSES_MOST 50
#define MISTAKES_MOST 40
#define LABEL_CELLS 32 /* longer names are cut */
#define LABEL_CELL 6.6 /* points, of 12 in size: on average */
#define TOP 46	       /* of what is below the title */
#define LEFT 16
#define ROW 22 /* of the list */
#define BARS 260

struct picture {
	const char *title;
	const char *const *names;
	struct confusion c;
	unsigned int columns; /* shown; what is behind them is one more */
	bool rest;
	double side, left, top; /* of cells; where they begin */
};

static double label_width(const char *name)
{
	int cells = text_width(name);

	return LABEL_CELL * (cells < LABEL_CELLS ? cells : LABEL_CELLS);
}

static void put_label(FILE *f, double x, double y, const char *anchor,
		      const char *more, const char *name)
{
	char attributes[160], *cut = text_cut(name, LABEL_CELLS);

	snprintf(attributes, sizeof(attributes), " class='l'%s", more);
	svg_text(f, x, y, anchor, attributes, cut);
	free(cut);
}

static void begin(FILE *f, const char *title, double width, double height)
{
	fprintf(f,
		"<svg xmlns='http://www.w3.org/2000/svg' width='%.0f' "
		"height='%.0f' viewBox='0 0 %.0f %.0f' "
		"font-family='sans-serif'>\n"
		"<style>.l{font-size:12px;fill:#222}.t{font-size:15px;"
		"fill:#222}</style>\n"
		"<rect width='100%%' height='100%%' fill='#fff'/>\n",
		width, height, width, height);
	svg_text(f, LEFT, 26, "start", " class='t'", title);
}

/*
 * The matrix.
 */
static void put_cell(FILE *f, const struct picture *p, unsigned int row,
		     unsigned int column, uint32_t n, bool right)
{
	double x = p->left + column * p->side, y = p->top + row * p->side;
	double share = (double)n / p->c.images[p->c.row[row]];
	double gap = p->side >= 10 ? 1 : 0;
	char count[16], more[64];
	/* The eye sees small shares, too. */
	int light = (int)(92 - 50 * share);

	if (!n)
		return;
	fprintf(f,
		"<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' "
		"fill='hsl(%d 60%% %d%%)'/>\n",
		x, y, p->side - gap, p->side - gap, right ? 150 : 10, light);
	if (p->side < NUMBER_LEAST)
		return;
	snprintf(count, sizeof(count), "%u", n);
	snprintf(more, sizeof(more), " font-size='%.0f' fill='%s'",
		 p->side / 3.4 < 12 ? p->side / 3.4 : 12.0,
		 light < 52 ? "#fff" : "#222");
	svg_text(f, x + p->side / 2, y + p->side / 2 + 4, "middle", more,
		 count);
}

static void put_row(FILE *f, const struct picture *p, unsigned int row)
{
	unsigned int c;

	put_label(f, p->left - 8, p->top + (row + 0.5) * p->side + 4, "end", "",
		  p->names[p->c.row[row]]);
	for (c = 0; c < p->columns; c++)
		put_cell(f, p, row, c, confusion_cell(&p->c, row, c),
			 p->c.row[row] == p->c.column[c]);
	if (p->rest)
		put_cell(f, p, row, c, confusion_rest(&p->c, row, c), false);
}

static const char *column_name(const struct picture *p, unsigned int column)
{
	return column < p->columns ? p->names[p->c.column[column]] :
				     "all others";
}

static void put_columns(FILE *f, const struct picture *p)
{
	char more[96];
	unsigned int i;

	for (i = 0; i < p->columns + p->rest; i++) {
		double x = p->left + (i + 0.5) * p->side + 4;

		snprintf(more, sizeof(more),
			 " transform='rotate(-45 %.1f %.1f)'", x, p->top - 8);
		put_label(f, x, p->top - 8, "start", more, column_name(p, i));
	}
}

/* Answers that no image is of have columns of their own, if there is room. */
static void measure(struct picture *p)
{
	unsigned int all, i;
	double up = 0;

	p->rest = p->c.columns > CLASSES_MOST;
	p->columns = p->rest ? p->c.rows : p->c.columns;
	all = p->columns + p->rest;
	p->side = CELL * all > SQUARE ? (double)SQUARE / all : CELL;
	for (i = 0; i < p->c.rows; i++)
		if (label_width(p->names[p->c.row[i]]) > p->left)
			p->left = label_width(p->names[p->c.row[i]]);
	for (i = 0; i < all; i++)
		if (label_width(column_name(p, i)) > up)
			up = label_width(column_name(p, i));
	p->left += LEFT + 8;
	p->top = TOP + 16 + 0.72 * up;
}

#define LEGEND                                                        \
	"rows: the images' classes; columns: the network's answers; " \
	"green: right"

static double widest(const struct picture *p)
{
	double most = text_width(p->title) * 8.4 + LEFT, x;
	unsigned int i, all = p->columns + p->rest;

	x = LABEL_CELL * text_width(LEGEND) + LEFT;
	most = most > x ? most : x;
	for (i = 0; i < all; i++) {
		x = p->left + (i + 1) * p->side +
		    0.75 * label_width(column_name(p, i));
		most = x > most ? x : most;
	}
	return most + LEFT;
}

static void draw_matrix(FILE *f, struct picture *p)
{
	double height;
	unsigned int i;

	measure(p);
	height = p->top + p->side * p->c.rows + 46;
	begin(f, p->title, widest(p), height);
	fprintf(f,
		"<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' "
		"fill='#f4f4f6'/>\n",
		p->left, p->top, p->side * (p->columns + p->rest),
		p->side * p->c.rows);
	put_columns(f, p);
	for (i = 0; i < p->c.rows; i++)
		put_row(f, p, i);
	svg_text(f, LEFT, height - 16, "start", " class='l'", LEGEND);
	fputs("</svg>\n", f);
}

/*
 * The list.
 */
static void put_mistake(FILE *f, const struct picture *p, size_t i, double from,
			double to)
{
	const struct mistake *m = &p->c.mistake[i];
	double y = TOP + 32 + (double)i * ROW;
	double width = BARS * (double)m->times / p->c.mistake[0].times;
	char times[48];

	put_label(f, from, y, "end", "", p->names[m->class_]);
	put_label(f, from + 16, y, "start", "", p->names[m->said]);
	fprintf(f,
		"<rect x='%.1f' y='%.1f' width='%.1f' height='%d' "
		"fill='hsl(10 60%% 62%%)'/>\n",
		to, y - 12, width < 1 ? 1 : width, ROW - 6);
	snprintf(times, sizeof(times), "%u of %u", m->times, m->of);
	svg_text(f, to + width + 8, y, "start", " class='l'", times);
}

static void draw_list(FILE *f, struct picture *p)
{
	size_t n = p->c.mistakes < MISTAKES_MOST ? p->c.mistakes :
						   MISTAKES_MOST,
	       i;
	double from = label_width("the image's class  "), to = 0, width, title;
	char note[160];

	for (i = 0; i < n; i++) {
		const struct mistake *m = &p->c.mistake[i];

		if (label_width(p->names[m->class_]) > from)
			from = label_width(p->names[m->class_]);
		if (label_width(p->names[m->said]) > to)
			to = label_width(p->names[m->said]);
	}
	from += LEFT;
	to += from + 32;
	width = to + BARS + 110;
	title = text_width(p->title) * 8.4 + 2 * LEFT;
	begin(f, p->title, width > title ? width : title,
	      TOP + 70 + (double)n * ROW);
	put_label(f, from, TOP + 6, "end", " font-weight='bold'",
		  "the image's class");
	put_label(f, from + 16, TOP + 6, "start", " font-weight='bold'",
		  "taken for");
	for (i = 0; i < n; i++)
		put_mistake(f, p, i, from, to);
	snprintf(note, sizeof(note),
		 "the %zu mistakes made most often, of %zu; %u images are "
		 "wrong, of %u classes",
		 n, p->c.mistakes, p->c.wrong, p->c.rows);
	svg_text(f, LEFT, TOP + 50 + (double)n * ROW, "start", " class='l'",
		 note);
	fputs("</svg>\n", f);
}

struct wanted {
	const char *title;
	unsigned int classes;
	const char *const *names;
	const uint32_t *matrix;
};

static void draw(FILE *f, const void *what)
{
	const struct wanted *w = what;
	struct picture p = { .title = w->title, .names = w->names };

	confusion_begin(&p.c, w->matrix, w->classes);
	if (p.c.rows <= CLASSES_MOST)
		draw_matrix(f, &p);
	else
		draw_list(f, &p);
	confusion_end(&p.c);
}

int eval_svg(const char *path, const char *title, unsigned int classes,
	     const char *const *names, const uint32_t *matrix)
{
	const struct wanted w = { title, classes, names, matrix };

	return svg_write(path, draw, &w);
}
