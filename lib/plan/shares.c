// SPDX-License-Identifier: MIT
/* See shares.h. */
#include <math.h>
#include <stdlib.h>

#include "plan/lp.h"
#include "plan/shares.h"
#include "util/error.h"

/*
 * Two processors.
 */
struct pair {
	double a, b; /* its time on the first, on the second */
};

/* What the first one does best, first. */
static int by_ratio(const void *x, const void *y)
{
	const struct pair *p = x, *q = y;
	double l, r;

	/* a / b rises; without dividing, as either may be infinite. */
	if (isinf(p->a) || isinf(q->a))
		return (isinf(p->a) != 0) - (isinf(q->a) != 0);
	if (isinf(p->b) || isinf(q->b))
		return (isinf(q->b) != 0) - (isinf(p->b) != 0);
	/* 0 : 0 is no ratio; it would be equal to all others. */
	if (p->a == 0 || q->a == 0)
		return (q->a == 0) - (p->a == 0);
	l = p->a * q->b;
	r = q->a * p->b;
	return (l > r) - (l < r);
}

/* The first one takes layers in order as long as it is the one that is ready
 * first; the layer at which that changes is shared. */
static double solve_sorted(const struct pair *l, unsigned int n)
{
	double first = 0, rest = 0, share;
	unsigned int i;

	for (i = 0; i < n; i++)
		rest += isinf(l[i].b) ? 0 : l[i].b;
	for (i = 0; i < n; i++) {
		if (isinf(l[i].b)) { /* these come first */
			first += l[i].a;
			continue;
		}
		if (isinf(l[i].a) || first >= rest)
			return first > rest ? first : rest;
		rest -= l[i].b;
		if (first + l[i].a < rest) {
			first += l[i].a;
			continue;
		}
		/* first + s * a = rest + (1 - s) * b */
		share = l[i].a + l[i].b > 0 ?
				(rest + l[i].b - first) / (l[i].a + l[i].b) :
				0;
		return first + share * l[i].a;
	}
	return first;
}

static int solve_two(unsigned int layers, const double *t, double *ms)
{
	struct pair *l = calloc((size_t)layers + 1, sizeof(*l));
	unsigned int i;

	if (!l)
		return vgg_fail_memory("a bound");
	for (i = 0; i < layers; i++)
		l[i] = (struct pair){ t[i], t[layers + i] };
	qsort(l, layers, sizeof(*l), by_ratio);
	*ms = solve_sorted(l, layers);
	free(l);
	return 0;
}

/*
 * Any number: the dual program. Columns: u, then w.
 */
int vgg_shares_solve_lp(unsigned int processors, unsigned int layers,
			const double *t, double *ms)
{
	unsigned int cols = layers + processors, rows = 0, p, l;
	double *a =
		calloc(((size_t)processors * layers + 1) * cols, sizeof(*a));
	double *limit = calloc((size_t)processors * layers + 1, sizeof(*limit));
	double *gain = calloc(cols, sizeof(*gain));
	int err = 0;

	if (!a || !limit || !gain)
		err = vgg_fail_memory("a bound");
	for (p = 0; !err && p < processors; p++)
		for (l = 0; l < layers; l++) {
			if (isinf(t[p * layers + l]))
				continue; /* no limit */
			a[(size_t)rows * cols + l] = 1;
			a[(size_t)rows * cols + layers + p] =
				-t[p * layers + l];
			rows++;
		}
	for (l = 0; !err && l < layers; l++)
		gain[l] = 1;
	for (p = 0; !err && p < processors; p++)
		a[(size_t)rows * cols + layers + p] = 1;
	if (!err) {
		limit[rows] = 1;
		err = vgg_lp_maximize(rows + 1, cols, a, limit, gain, ms);
	}
	free(a);
	free(limit);
	free(gain);
	return err;
}

int vgg_shares_solve(unsigned int processors, unsigned int layers,
		     const double *t, double *ms)
{
	if (processors == 2)
		return solve_two(layers, t, ms);
	return vgg_shares_solve_lp(processors, layers, t, ms);
}
