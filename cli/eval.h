/* SPDX-License-Identifier: MIT */
/* vggctl eval: what its parts share. */
#ifndef VGGCTL_EVAL_H
#define VGGCTL_EVAL_H

#include "cli.h"
#include "text.h"

/* What a network says of an image. */
struct eval_answer {
	unsigned int class_, top1; /* of the network */
	bool in_top5;
	bool unreadable; /* it says nothing of it */
};

/* The answers of one precision, in the order of the images. */
struct eval_answers {
	bool wanted;
	struct eval_answer *answer;
	size_t count, resumed; /* of these, from an earlier run */
	char sha256[65];       /* of the first readable image's output */
	size_t first;	       /* that image */
	double begin, seconds; /* from the first of the others to the last */
	char placement[256];
};

/*
 * eval_state.c: answers in a file, so that an evaluation that was interrupted goes
 * on where it was. Lines of text, each complete or ignored; the first ones say
 * what was evaluated.
 */
struct eval_state;
/* Reads what is there of `images` images and `outputs` classes, if the file exists;
 * else begins it. Both fail if it is of something else. */
int eval_state_open(const char *path, const char *data, size_t images,
		    unsigned int outputs, struct eval_answers answers[2],
		    struct eval_state **state);
/* sha256: of the first readable image's output; NULL with others. */
int eval_state_add(struct eval_state *s, enum vgg_precision precision, size_t i,
		   const struct eval_answer *a, const char *sha256);
/* Also what is in buffers. NULL is allowed. */
int eval_state_close(struct eval_state *s);

/* eval_svg.c: a confusion matrix, or what is most wrong in it, as a picture. The
 * file appears whole or not at all. matrix[said * classes + true]. */
int eval_svg(const char *path, const char *title, unsigned int classes,
	     const char *const *names, const uint32_t *matrix);

#endif
