/* SPDX-License-Identifier: MIT */
/* Random fp32 convolutions, and how far results are from double precision, as a
 * share of the error that is allowed. */
#ifndef KERNELS_F32_CASE_H
#define KERNELS_F32_CASE_H

#include "conv_case.h"
#include "kernels/conv_f32.h"

#define F32_ROUNDING 0x1p-24 /* the relative error of one rounding */

struct f32_case {
	struct vgg_conv_f32 k;
	int h, w; /* before a pool */
	float *in, *weight, *bias, *scale, *shift;
	double *sum; /* [h][w][out_c], exact but for double's roundings */
	double x_size, w_size; /* root mean squares */
	/* By whom, and how: for the caller to set. No engine: the library's
	 * choice, which is noted here. */
	const struct vgg_kernels *kernels;
	const struct vgg_engine *engine;
	unsigned int sizes_h, sizes_w;
	/* As in struct vgg_conv; together 0: the library's choice. */
	bool joint, fresh;
	int together;
	/* Computed in up to four ranges, cut at or before these. 0: whole. */
	int cut_row, cut_c;
};

/* Uniform in lo..hi, in guarded memory. */
float *f32_random(size_t n, double lo, double hi, uint64_t *seed);

void f32_case_new(struct f32_case *c, bool winograd, uint64_t *seed);
void f32_case_free(struct f32_case *c);
/* Values of the output. */
size_t f32_case_outputs(const struct f32_case *c, bool pooled);
/* The output, for guard_free(); and whether it is behind the pool. */
float *f32_case_run(struct f32_case *c, struct vgg_l2 l2,
		    const struct vgg_team *team, bool *pooled);
/* The largest error as a share of what is allowed. */
double f32_case_share(const struct f32_case *c, const float *out, bool pooled);
void f32_case_describe(const struct f32_case *c);

#endif
