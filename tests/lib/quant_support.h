/* SPDX-License-Identifier: MIT */
/* For tests of quantisation: images in folders, networks whose channels differ, and
 * reports. */
#ifndef TEST_QUANT_SUPPORT_H
#define TEST_QUANT_SUPPORT_H

#include "word_net.h"

#define QUANT_SIDE WORD_SIDE
#define QUANT_BYTES (QUANT_SIDE * QUANT_SIDE * 3)

/* Paints image i of a folder. */
typedef void (*quant_painter)(uint64_t *seed, int i, uint8_t *rgb);

void quant_paint_shapes(uint64_t *seed, int i, uint8_t *rgb);
/* Of the test's own, with so many PNG images; four names are remembered. */
const char *quant_folder(const char *name, int count, quant_painter paint);
const char *quant_good_images(void);

/* The last quarter of layer i's output channels times 2^most, what follows divided by
 * that: the same function, by channels that differ. */
void quant_unbalance(struct vgg_model *m, unsigned int i, int most);

struct quant_done {
	struct vgg_quantize_report *report;
	struct vgg_quantize_info info;
};

/* With one thread; the caller frees the report. */
struct quant_done quant_done(struct vgg_model *m,
			     struct vgg_quantize_options o);
bool quant_warned(const struct quant_done *d, const char *name);

#endif
