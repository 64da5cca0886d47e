/* SPDX-License-Identifier: MIT */
/* Inside search.c, search_table.c and search_labels.c. */
#ifndef VGG_SEARCH_PARTS_H
#define VGG_SEARCH_PARTS_H

#include "plan/search.h"

/* CPU, card and cuts of two kinds; weights on board or streamed; next one on the
 * CPU or the card. */
#define VGG_STATES_MAX ((1 + (1 + 2 * VGG_CUTS_MAX) * 2) * 2)

/* A way to compute a layer. Those that differ only in `streamed` or `next_card`
 * are the same to the next layer, and neighbours in the list. */
struct vgg_state {
	struct vgg_place_of place;
	bool streamed;
	bool next_card; /* ON_CPU: of no meaning, there is one state for both */
	uint64_t bytes; /* of weights on board */
};

/* Prices of all steps. */
struct vgg_table {
	const struct vgg_costs *costs;
	unsigned int steps;
	struct vgg_level {
		unsigned int count;
		struct vgg_state *states;
		/* [states of the level before][count]; INFINITY: don't fit each
		 * other. The first level has one row. */
		double *ms;
	} * levels;
};

/* search_table.c */
int vgg_table_make(struct vgg_table *t, const struct vgg_costs *c, bool parts);
void vgg_table_free(struct vgg_table *t);

/* The least time + price * bytes of the levels behind each state. */
struct vgg_bound {
	double price;  /* ms per byte */
	double **rest; /* [level][state], of the levels behind */
	double least;  /* of whole plans, price included */
};

/* search.c */
int vgg_bound_make(struct vgg_bound *b, const struct vgg_table *t,
		   double price);
void vgg_bound_free(struct vgg_bound *b, const struct vgg_table *t);

/* search_labels.c: the fastest plan that fits c->room, as states of levels. It
 * is known that one with `ms` does, which `best` holds. */
int vgg_labels_search(const struct vgg_table *t, const struct vgg_bound *bounds,
		      unsigned int n_bounds, double ms, uint16_t *best);

#endif
