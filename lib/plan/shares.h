/* SPDX-License-Identifier: MIT */
/*
 * How many images a second processors could do at best, if any share of any
 * layer could run on any of them and nothing had to be moved: an upper bound of
 * what a stream can reach. With time t[p][l] of layer l on processor p and shares
 * y, the least time M per image is that of the linear program
 *
 *   minimise M;  sum over p of y[p][l] = 1;  sum over l of t[p][l] y[p][l] <= M
 *
 * which is solved in its dual form, where 0 is a legal start:
 *
 *   maximise sum over l of u[l];  u[l] <= w[p] t[p][l];  sum over p of w[p] <= 1
 *
 * With two processors it is enough to sort layers by the ratio of their times.
 */
#ifndef VGG_SHARES_H
#define VGG_SHARES_H

#include "plan/machine.h"

#define VGG_SHARERS_MAX (1 + VGG_PROCESSORS_MAX)

/* t[p * layers + l] in ms, INFINITY where a layer can't run; each can run
 * somewhere. *ms: M. -ENOMEM. */
int vgg_shares_solve(unsigned int processors, unsigned int layers,
		     const double *t, double *ms);
/* The same for any number of processors, by the linear program. */
int vgg_shares_solve_lp(unsigned int processors, unsigned int layers,
			const double *t, double *ms);

#endif
