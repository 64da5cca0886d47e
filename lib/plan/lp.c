// SPDX-License-Identifier: MIT
/*
 * The tableau: a row for each limit, the gains below. Columns are the variables
 * that are 0 now; each row stands for one that isn't: a slack at the begin. A
 * pivot swaps two of them. The column with the largest gain enters.
 *
 * Programs here are degenerate: most limits are 0, so many pivots would gain
 * nothing, could go in circles, and choosing among equals by number leads to tiny
 * pivots that rounding takes for others. So the way is chosen by limits that are
 * a little higher, each by another amount, kept in a column of their own. Whether
 * the end is the best doesn't depend on limits; its value is taken from the true
 * ones.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/lp.h"
#include "util/error.h"

#define TINY 1e-10
#define MORE 1e-6
/* Of the largest gain there was: what is less may be nothing but rounding. */
#define NO_GAIN 1e-12
#define PIVOTS_MAX 20 /* times rows + columns; a few times is usual */

struct tableau {
	unsigned int rows, cols;
	/* (rows + 1) x (cols + 2); last: raised limits, true limits */
	double *t;
	double largest; /* gain of either sign so far */
};

static double *cell(const struct tableau *t, unsigned int row, unsigned int col)
{
	return &t->t[(size_t)row * (t->cols + 2) + col];
}

/* The column to enter; cols if none gains. */
static unsigned int entering(struct tableau *t)
{
	unsigned int best = 0, j;

	for (j = 0; j < t->cols; j++) {
		t->largest = fmax(t->largest, fabs(*cell(t, t->rows, j)));
		if (*cell(t, t->rows, j) > *cell(t, t->rows, best))
			best = j;
	}
	return *cell(t, t->rows, best) > NO_GAIN * t->largest ? best : t->cols;
}

/* The row whose limit binds first; rows if none does. */
static unsigned int leaving(const struct tableau *t, unsigned int col)
{
	unsigned int best = t->rows, i;
	double least = INFINITY, ratio;

	for (i = 0; i < t->rows; i++) {
		if (*cell(t, i, col) <= TINY)
			continue;
		ratio = *cell(t, i, t->cols) / *cell(t, i, col);
		if (ratio < least) {
			least = ratio;
			best = i;
		}
	}
	return best;
}

static void pivot(struct tableau *t, unsigned int row, unsigned int col)
{
	double p = *cell(t, row, col), f;
	unsigned int i, j;

	for (j = 0; j < t->cols + 2; j++)
		*cell(t, row, j) /= p;
	*cell(t, row, col) = 1 / p;
	for (i = 0; i <= t->rows; i++) {
		f = *cell(t, i, col);
		if (i == row || f == 0)
			continue;
		for (j = 0; j < t->cols + 2; j++)
			*cell(t, i, j) -= f * *cell(t, row, j);
		*cell(t, i, col) = -f / p;
	}
}

static double solve(struct tableau *t)
{
	unsigned int left = PIVOTS_MAX * (t->rows + t->cols), col, row;

	while (left--) {
		col = entering(t);
		if (col == t->cols)
			return -*cell(t, t->rows, t->cols + 1);
		row = leaving(t, col);
		if (row == t->rows)
			break;
		pivot(t, row, col);
	}
	return INFINITY;
}

int vgg_lp_maximize(unsigned int rows, unsigned int cols, const double *a,
		    const double *limit, const double *gain, double *value)
{
	struct tableau t = { .rows = rows, .cols = cols };
	unsigned int i;

	t.t = calloc(((size_t)rows + 1) * (cols + 2), sizeof(*t.t));
	if (!t.t)
		return vgg_fail_memory("a linear program");
	for (i = 0; i < rows; i++) {
		memcpy(cell(&t, i, 0), a + (size_t)i * cols, cols * sizeof(*a));
		/* Multiples of the golden ratio, modulo 1: all different. */
		*cell(&t, i, cols) =
			limit[i] + MORE * (1 + fmod(i * 0.6180339887, 1));
		*cell(&t, i, cols + 1) = limit[i];
	}
	memcpy(cell(&t, rows, 0), gain, cols * sizeof(*gain));
	*value = solve(&t);
	free(t.t);
	return 0;
}
