/* SPDX-License-Identifier: MIT */
/* Random int8 convolutions, and whether a way of computing one equals the scalar
 * reference byte for byte, also outside the range that was asked for. */
#ifndef KERNELS_CONV_CASE_H
#define KERNELS_CONV_CASE_H

#include "kernels/conv_s8.h"
#include "support.h"

enum shape_kind { ANY, WINOGRAD, PRODUCT };

struct conv_case {
	struct vgg_conv_s8 k; /* out.data is the reference's result */
	int h, w;	      /* of the output before a pool */
	struct vgg_conv_range range;
	size_t out_bytes;
};

/* How to compute one: with kernels' own choice, or by an engine. */
struct conv_how {
	const char *name;
	const struct vgg_kernels *kernels;
	const struct vgg_engine *engine;
	unsigned int sizes_h, sizes_w; /* of tiles; 0: the engine's choice */
	int gemm;		       /* which of the engine's */
	int force_parts;	       /* 0: as many as the proof asks for */
};

/* A random shape of this kind; what is set in `c` before the values are made
 * may be changed. */
void conv_case_shape(struct conv_case *c, enum shape_kind kind, uint64_t *seed);
/* Memory, values and parameters, but for the reference's result. */
void conv_case_fill(struct conv_case *c, uint64_t *seed);
/* Parameters that tell the neighbours of an accumulator apart: each filter
 * looks at the accumulator of one random pixel of the range. */
void conv_case_focus(struct conv_case *c, uint64_t *seed);
/* The same at one pixel of the output before a pool. */
void conv_case_focus_at(struct conv_case *c, int y, int x);
/* The reference's result. */
void conv_case_want(struct conv_case *c);
/* All of it; the kind of parameters is chosen, too. */
void conv_case_new(struct conv_case *c, enum shape_kind kind, uint64_t *seed);
void conv_case_free(struct conv_case *c);

/* The sum of a filter's products at a pixel before a pool, modulo 2^32. */
uint32_t conv_case_sum(const struct conv_case *c, int y, int x, int filter);

/* Writes the range of `got`, an image as c->k.out says. */
void conv_case_run(const struct conv_case *c, const struct conv_how *how,
		   int8_t *got, uint64_t *seed);
/* Index of the first byte that differs from the reference, or c->out_bytes. */
size_t conv_case_difference(const struct conv_case *c,
			    const struct conv_how *how, uint64_t *seed);
/* Fails the test, with a description, if there is a difference. */
bool conv_case_check(const struct conv_case *c, const struct conv_how *how,
		     uint64_t *seed);

/* Cuts sides of the output into tiles of random sizes, any that there are. */
void conv_how_random_sizes(struct conv_how *how, uint64_t *seed);

/* The engine `how` asks for, and the convolution made ready for it. */
void conv_how_init(const struct conv_how *how, struct vgg_engine *e,
		   struct vgg_conv *conv, const struct vgg_conv_shape *s,
		   struct vgg_l2 l2);
/* A non-empty set of an engine's tile sizes. */
unsigned int conv_some_sizes(const struct vgg_engine *e, uint64_t *seed);
/* As if vgg_conv_init() had chosen these. */
void conv_force_sizes(struct vgg_conv *conv, unsigned int sizes_h,
		      unsigned int sizes_w);

#endif
