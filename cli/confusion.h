/* SPDX-License-Identifier: MIT */
/*
 * What of a confusion matrix is worth showing. A network may know a thousand
 * classes: a million cells, of which nearly all are 0. A view has the classes that
 * occur, in a square that green goes down through, and the mistakes in the order
 * of how often they were made.
 */
#ifndef VGGCTL_CONFUSION_H
#define VGGCTL_CONFUSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mistake {
	unsigned int class_, said;
	uint32_t times, of; /* so many of the images of its class */
};

struct confusion {
	const uint32_t *matrix; /* [said * outputs + class_] */
	unsigned int outputs;
	unsigned int *row; /* classes that images are of */
	unsigned int rows;
	unsigned int *column; /* the same, then others that were answered */
	unsigned int columns;
	uint32_t *images; /* of each class, by its number */
	struct mistake *mistake;
	size_t mistakes;
	uint32_t wrong; /* images */
};

void confusion_begin(struct confusion *c, const uint32_t *matrix,
		     unsigned int outputs);
void confusion_end(struct confusion *c);

/* How many images of that row had the answer of that column. */
uint32_t confusion_cell(const struct confusion *c, unsigned int row,
			unsigned int column);
/* Of that row, with answers from that column on. */
uint32_t confusion_rest(const struct confusion *c, unsigned int row,
			unsigned int column);
/* The wrong answer that is given most often; false if there is none. */
bool confusion_rival(const struct confusion *c, unsigned int class_,
		     unsigned int *said);
/* Rows with most mistakes first; free() it. */
unsigned int *confusion_worst(const struct confusion *c);

#endif
