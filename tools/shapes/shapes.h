// SPDX-License-Identifier: MIT
/*
 * Procedural pictures for training, tests and demonstrations.
 *
 * A picture is a pure function of (seed, index): the same on every machine and
 * at every compiler level, provided -ffp-contract=off. Different seeds give
 * unrelated streams, so a test set never repeats a training picture.
 *
 * The scene lives in the central square, [-1, 1] on both axes; the longer side
 * of the picture only adds background. A consumer that resizes the shorter side
 * and crops the centre therefore always sees the whole object.
 */
#ifndef SHAPES_H
#define SHAPES_H

#include <stdint.h>

#define SHAPES_CLASSES 10
#define SHAPES_SIDE_MAX 2048

/*
 * Draws one picture into rgb, which holds width * height * 3 bytes, rows from
 * the top, R G B per pixel. Stores the class, 0 to SHAPES_CLASSES - 1, in label
 * unless that is NULL. Every ten indices from a multiple of ten on hold each
 * class once. Returns 0, -EINVAL for a side outside 1..SHAPES_SIDE_MAX, or
 * -ENOMEM.
 */
int shapes_draw(uint64_t seed, uint64_t index, int width, int height,
		uint8_t *rgb, int *label);

/* The English name of a class, or NULL when there is no such class. */
const char *shapes_class_name(int label);

#endif
