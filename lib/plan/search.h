/* SPDX-License-Identifier: MIT */
/*
 * Placement for latency: the plan with the least time, exactly.
 *
 * The network is a chain, and a step's time (cost.h) depends on where the layer,
 * the one before and the one behind run. So dynamic programming over the chain
 * finds the least sum; its state is the layer's option (CPU, card, rows or
 * channels at one of the allowed cuts, weights on board or streamed) and whether
 * the next layer uses the card.
 *
 * Where the weights of all layers don't fit on board, memory is a second
 * criterion: each state keeps every pair of time and bytes that no other one
 * beats in both. Most of these lead nowhere, which is proved early: for any
 * price of a byte, a plan's time is at least the cheapest one's time and price
 * together, less the price of all memory. Prices come from a bisection; the
 * cheapest plan that fits at any price is the first guess, and what can't beat
 * it is dropped. That costs no exactness, only the proof is shorter.
 *
 * Greedy balancing of each layer by itself, which is simpler, is not exact: what
 * a cut costs shows in the next layer.
 */
#ifndef VGG_SEARCH_H
#define VGG_SEARCH_H

#include "plan/cost.h"

#define VGG_CUTS_MAX 16 /* of each kind and layer, spread evenly */

/* `parts`: with cuts, else whole layers. Sets where, cut and streamed of
 * plan->layers, which vgg_plan_alloc() made. */
int vgg_plan_search(const struct vgg_costs *c, bool parts,
		    struct vgg_plan *plan);

/* Moves the cuts of a plan that fits to the best places near them (refine.c). */
void vgg_plan_refine(const struct vgg_costs *c, struct vgg_plan *plan);
/* The cuts that the search tries. Returns how many. */
int vgg_search_cuts(const struct vgg_layer *l, enum vgg_where where, int limit,
		    int cuts[VGG_CUTS_MAX]);
/* So many per kind, for a network of so many steps: the work grows with the
 * square of the one times the other. */
int vgg_search_cut_limit(unsigned int steps);

#endif
