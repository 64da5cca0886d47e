// SPDX-License-Identifier: MIT
/* See confusion.h. */
#include <stdlib.h>
#include <string.h>

#include "confusion.h"
#include "text.h"

static uint32_t at(const struct confusion *c, unsigned int class_,
		   unsigned int said)
{
	return c->matrix[(size_t)said * c->outputs + class_];
}

/*
 * Classes.
 */
static void find_classes(struct confusion *c)
{
	bool *said = cli_alloc(NULL, c->outputs * sizeof(*said));
	unsigned int i, s;

	memset(said, 0, c->outputs * sizeof(*said));
	for (s = 0; s < c->outputs; s++)
		for (i = 0; i < c->outputs; i++) {
			c->images[i] += at(c, i, s);
			said[s] |= at(c, i, s) != 0;
		}
	for (i = 0; i < c->outputs; i++)
		if (c->images[i])
			c->row[c->rows++] = c->column[c->columns++] = i;
	for (i = 0; i < c->outputs; i++)
		if (said[i] && !c->images[i])
			c->column[c->columns++] = i;
	free(said);
}

/*
 * Mistakes.
 */
static void add_mistake(struct confusion *c, unsigned int class_,
			unsigned int said)
{
	/* Room doubles. */
	if (!(c->mistakes & (c->mistakes - 1)))
		c->mistake = cli_alloc(c->mistake,
				       (c->mistakes ? 2 * c->mistakes : 1) *
					       sizeof(*c->mistake));
	c->mistake[c->mistakes++] =
		(struct mistake){ class_, said, at(c, class_, said),
				  c->images[class_] };
	c->wrong += at(c, class_, said);
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Of those that were made as often, the larger share of a class comes first; then
 * by number, so that the same answers are told in the same order everywhere. */
static int by_times(const void *one, const void *other)
{
	const struct mistake *a = one, *b = other;
	int order = compare(b->times, a->times);

	if (!order)
		order = compare(a->of, b->of);
	if (!order)
		order = compare(a->class_, b->class_);
	return order ? order : compare(a->said, b->said);
}

static void find_mistakes(struct confusion *c)
{
	unsigned int r, s;

	for (s = 0; s < c->columns; s++)
		for (r = 0; r < c->rows; r++)
			if (c->row[r] != c->column[s] &&
			    confusion_cell(c, r, s))
				add_mistake(c, c->row[r], c->column[s]);
	if (c->mistakes)
		qsort(c->mistake, c->mistakes, sizeof(*c->mistake), by_times);
}

void confusion_begin(struct confusion *c, const uint32_t *matrix,
		     unsigned int outputs)
{
	size_t n = outputs;

	*c = (struct confusion){ .matrix = matrix, .outputs = outputs };
	c->row = cli_alloc(NULL, n * sizeof(*c->row));
	c->column = cli_alloc(NULL, n * sizeof(*c->column));
	c->images = cli_alloc(NULL, n * sizeof(*c->images));
	memset(c->images, 0, n * sizeof(*c->images));
	find_classes(c);
	find_mistakes(c);
}

void confusion_end(struct confusion *c)
{
	free(c->row);
	free(c->column);
	free(c->images);
	free(c->mistake);
}

/*
 * Questions.
 */
uint32_t confusion_cell(const struct confusion *c, unsigned int row,
			unsigned int column)
{
	return at(c, c->row[row], c->column[column]);
}

uint32_t confusion_rest(const struct confusion *c, unsigned int row,
			unsigned int column)
{
	uint32_t sum = 0;

	for (; column < c->columns; column++)
		sum += confusion_cell(c, row, column);
	return sum;
}

/* Mistakes are in order: the first one of a class is its most frequent. */
bool confusion_rival(const struct confusion *c, unsigned int class_,
		     unsigned int *said)
{
	size_t i;

	for (i = 0; i < c->mistakes; i++)
		if (c->mistake[i].class_ == class_) {
			*said = c->mistake[i].said;
			return true;
		}
	return false;
}

struct worst {
	unsigned int row;
	uint32_t wrong;
};

static int by_wrong(const void *one, const void *other)
{
	const struct worst *a = one, *b = other;
	int order = compare(b->wrong, a->wrong);

	return order ? order : compare(a->row, b->row);
}

unsigned int *confusion_worst(const struct confusion *c)
{
	struct worst *w = cli_alloc(NULL, c->rows * sizeof(*w));
	unsigned int *rows = cli_alloc(NULL, c->rows * sizeof(*rows)), r;

	for (r = 0; r < c->rows; r++)
		w[r] = (struct worst){ r, c->images[c->row[r]] -
						  at(c, c->row[r], c->row[r]) };
	if (c->rows)
		qsort(w, c->rows, sizeof(*w), by_wrong);
	for (r = 0; r < c->rows; r++)
		rows[r] = w[r].row;
	free(w);
	return rows;
}
