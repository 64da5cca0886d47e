/* SPDX-License-Identifier: MIT */
/* What is told of a quantisation. */
#ifndef VGG_QUANT_REPORT_H
#define VGG_QUANT_REPORT_H

#include "quant/calibrate.h"
#include "quant/look.h"
#include "quant/measure.h"

#define VGG_WARNINGS_MAX 9

struct vgg_quantize_report {
	struct vgg_quantize_info info;
	struct vgg_quantize_layer *layers; /* info.layers */
	struct vgg_quantize_warning warnings[VGG_WARNINGS_MAX];
	size_t *images; /* info.images; NULL: synthetic */
};

struct vgg_quantize_report *vgg_report_new(void);
/* info has been filled as far as equalisation and bias correction are concerned;
 * the rest comes from what was found. c: of the network as it is now. */
int vgg_report_fill(struct vgg_quantize_report *r, struct vgg_samples *s,
		    const struct vgg_calibration *c,
		    const struct vgg_measure *measure);
/* Of a model whose scales were given, without samples: nothing is measured. */
int vgg_report_fill_given(struct vgg_quantize_report *r,
			  const struct vgg_model *m);

#endif
