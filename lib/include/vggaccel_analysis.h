/* SPDX-License-Identifier: MIT */
/* A part of vggaccel.h, which includes it: analyses by layer. */
#ifndef VGGACCEL_ANALYSIS_H
#define VGGACCEL_ANALYSIS_H

#include "vggaccel.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Analysis: in which layer int8 goes wrong, over one or several inputs. Each is run
 * in fp32 and in int8, on the CPU and, if the device is one, on a card:
 * - all layers in int8, from the input on: what errors add up to;
 * - each layer alone, from the tensor that fp32 has before it, rounded to int8: what
 *   that layer's own weights, scales and roundings do. Card and CPU get the same
 *   bytes.
 * The idea of both is that of the accuracy analysis of RKNN-Toolkit2.
 */
struct vgg_analysis;

struct vgg_analysis_options {
	size_t size;
	int threads;		/* 0: all */
	/* The signal-to-noise ratio in dB below which a layer is wrong; 0: these;
	 * -INFINITY: none is. */
	double min_snr_alone;	/* VGG_ANALYSIS_SNR_ALONE */
	double min_snr;		/* of all layers up to it: VGG_ANALYSIS_SNR */
};
/* An error of a tenth of the signal, and of a sixth. Well quantised networks have 30
 * and more of both. */
#define VGG_ANALYSIS_SNR_ALONE 20.0
#define VGG_ANALYSIS_SNR 15.0

/* Device and model outlive it; options may be NULL. MODEL_PRECISION without an
 * integer form. A model without fp32 weights is compared on card and CPU only. */
int vgg_analysis_create(struct vgg_device *device,
			const struct vgg_model *model,
			const struct vgg_analysis_options *options,
			struct vgg_analysis **analysis);
/* NULL is allowed. */
void vgg_analysis_free(struct vgg_analysis *analysis);
/* Runs one more input: as for vgg_session_run_tensor(); an image, preprocessed as
 * the model says. After an error of the device what was measured is of no use. */
int vgg_analysis_add_tensor(struct vgg_analysis *analysis, const float *input,
			    size_t count);
int vgg_analysis_add_image(struct vgg_analysis *analysis,
			   const struct vgg_image *image);

/* int8 against fp32, over all inputs. */
struct vgg_nearness {
	double cosine;		/* of the angle between them, mean over the inputs */
	double snr;		/* signal-to-noise ratio in dB; infinite without
				 * noise, 0 where fp32 is 0 */
	double max_error;	/* largest |difference|, in the tensor's unit */
	double max_steps;	/* the same in steps of its quantisation */
};

struct vgg_analysis_layer {
	size_t size;
	unsigned int layer;	/* of the model */
	const char *name;	/* lives as long as the model */
	bool on_card;		/* the card ran it, and was compared */
	uint64_t elements;	/* of its output, over all inputs */
	/* Bytes in which card and CPU disagree, and the index (NHWC) of the first
	 * in the first such input. */
	uint64_t differing_alone, first_alone, differing, first;
	bool has_fp32;		/* what follows is valid; card_...: there is one */
	struct vgg_nearness alone, upto, card_alone, card_upto;
	double rounded_snr;	/* of fp32's tensor rounded to int8: what this
				 * scale allows at best */
	double clipped;		/* share of fp32's values beyond int8's range */
	double min, max;	/* that fp32 takes on */
	double lo, hi;		/* that int8 represents */
	double gain;		/* by which factor int8 alone is fp32's (least
				 * squares) */
	unsigned int channels;
	unsigned int worst_channel; /* that has most of the error alone, */
	double worst_share;	/* so much of it: 0..1 */
	/* Of findings below, which one it has; 0: none */
	enum vgg_error_code wrong;
};
/* Of integer layer i; BAD_ARGUMENT beyond the last. */
int vgg_analysis_layer(const struct vgg_analysis *analysis, unsigned int i,
		       struct vgg_analysis_layer *layer);
/*
 * What is wrong, in the order of layers, one of a kind at most, with place and next
 * step; NULL beyond the last. Valid until the next input. Kinds are RESULT_MISMATCH
 * (card and CPU differ; the first such layer), LAYER_ERROR (the first layer that
 * alone is wrong) and UPSTREAM_ERROR (the first that is wrong only with the layers
 * before it; not behind a LAYER_ERROR, which explains it).
 */
const struct vgg_error *vgg_analysis_finding(const struct vgg_analysis *analysis,
					     unsigned int i);

#ifdef __cplusplus
}
#endif
#endif
