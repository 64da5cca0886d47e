/* SPDX-License-Identifier: MIT */
/* Random plans, and cards to run them on. */
#ifndef TEST_DRAW_H
#define TEST_DRAW_H

#include "plan/plan.h"

/* Counts what was drawn, so that a test can't pass without it. */
struct drawn {
	int whole, rows, channels, streamed;
};

/* Layers on the card, on the CPU, and cut. */
void draw_plan(struct vgg_plan *plan, const struct vgg_model *m,
	       struct drawn *drawn, uint64_t *seed);
/* Number i of four cards with much, little and no memory, which do not see the
 * CPU's (apart.h). */
struct vgg_device *draw_card(int i);

#endif
