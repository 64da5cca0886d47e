/* SPDX-License-Identifier: MIT */
/* What the search is compared with: random small networks on random machines, and
 * every plan there is for them. */
#ifndef TEST_PLAN_BRUTE_H
#define TEST_PLAN_BRUTE_H

#include "plan_support.h"

struct plan_all {
	double best; /* ms of the fastest one that fits */
	unsigned int plans, fitting;
};

/* `parts`: with cuts, else whole layers. */
struct plan_all plan_try_all(const struct vgg_costs *c, bool parts);
/* How many plans there are. */
double plan_count(const struct vgg_model *m, bool parts);

/* Mostly in sizes that can be cut. */
struct vgg_model *plan_random_net(uint64_t *seed, unsigned int layers);
/* Of numbers that make many plans near to each other; memory is ample, scarce or
 * missing. */
void plan_random_machine(uint64_t *seed, const struct vgg_model *m,
			 struct vgg_machine *machine);

#endif
