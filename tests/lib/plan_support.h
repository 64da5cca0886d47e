/* SPDX-License-Identifier: MIT */
/* Networks of shapes alone, and machines, for tests of the planner. */
#ifndef TEST_PLAN_SUPPORT_H
#define TEST_PLAN_SUPPORT_H

#include "plan/cost.h"
#include "plan/plan.h"

/* "conv 64 k3 p1 s1 pool2", "max 2", "fc 1000", "flat", "cpu" (a layer that the
 * card can't run), one a line. Weights have sizes, but no values. */
struct vgg_model *plan_net(int c, int h, int w, const char *layers);
/* VGG16 for 224x224 and 1000 classes. */
struct vgg_model *plan_vgg16(void);
void plan_net_free(struct vgg_model *m);

/* A card of the default profile's kind, and a CPU of one processor with
 * `gmacs` products a second. */
void plan_machine(struct vgg_machine *m, double gmacs);

#endif
