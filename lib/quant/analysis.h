/* SPDX-License-Identifier: MIT */
/* Inside analysis.c, findings.c and verify.c. */
#ifndef VGG_ANALYSIS_H
#define VGG_ANALYSIS_H

#include "quant/measure.h"

#define VGG_FINDINGS_MAX 3

struct vgg_analysis {
	const struct vgg_model *model;
	double min_snr_alone, min_snr;
	struct vgg_threads *threads;
	struct vgg_measure *measure;
	float *input;	 /* in memory order */
	uint8_t *pixels; /* NULL: the network takes no images */
	float table[4][256];
	bool findings; /* are looked for */
	unsigned int found;
	struct vgg_error finding[VGG_FINDINGS_MAX];
};

/* alone: layers by themselves, too. */
int vgg_analysis_make(struct vgg_device *device, const struct vgg_model *model,
		      int threads, bool alone, struct vgg_analysis **analysis);
/* findings.c: which finding layer i is one of; VGG_ERROR_NONE. */
enum vgg_error_code vgg_finding_of(const struct vgg_analysis *a,
				   unsigned int i);
/* Looks for all, and lists them. */
void vgg_findings_list(struct vgg_analysis *a);
/* RESULT_MISMATCH at layer i. */
int vgg_fail_differing(const struct vgg_analysis *a, unsigned int i);

#endif
