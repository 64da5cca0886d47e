/* SPDX-License-Identifier: MIT */
/*
 * Small dense linear programs by the simplex method.
 */
#ifndef VGG_LP_H
#define VGG_LP_H

/*
 * Maximises sum of gain[j] * x[j] for x >= 0 under the rows' limits
 * sum of a[i * cols + j] * x[j] <= limit[i], all of which are 0 or more (so that
 * x = 0 is allowed). *value is the maximum, INFINITY if there is none (or rounding
 * hides it). -ENOMEM.
 */
int vgg_lp_maximize(unsigned int rows, unsigned int cols, const double *a,
		    const double *limit, const double *gain, double *value);

#endif
