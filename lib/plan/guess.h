/* SPDX-License-Identifier: MIT */
/*
 * A layer's time on a processor, guessed from what that can do:
 *
 *   ms = products / rate + bytes from and to DRAM / bandwidth + start
 *
 * On two Cortex-A72 such a sum meets published times of VGG16 within 7 %. Here
 * the two terms are those of this library's kernels, roughly:
 *
 *  - 3x3, stride 1: Winograd F(4,3) with F(2,3) at the edge. 6 positions for 4
 *    outputs in each direction, 4 for 2; 16-bit products: positions * input *
 *    output channels. U = transformed weights, 36 positions of 16 bits for 9
 *    taps. V, M = transformed input (16 bits) and sums (32 bits). The lesser of
 *    two orders of work: U is read again for each L2 cache full of V, unless it
 *    stays in half of that; or U once, and V and M are written and read.
 *  - one pixel (fully connected): 8-bit products, each weight is read once.
 *  - other convolutions: 8-bit products, weights, input and output once.
 *  - all else: input and output once.
 *
 * One twentieth is added to products of Winograd for its transforms: the
 * library's VGG16 takes 1.03 G cycles of an A72's busiest pipe for 3.94 G
 * products at four a cycle.
 */
#ifndef VGG_GUESS_H
#define VGG_GUESS_H

#include <stdint.h>

#include "model/graph.h"

struct vgg_capacity {
	double products16, products8; /* 10^9 a second, all its threads */
	double dram;		      /* 10^9 bytes a second */
	double l2;		      /* bytes of one cache */
	double start_ms;	      /* a step of all threads */
};

/* The first `rows` rows and `channels` channels of the output. */
double vgg_guess_ms(const struct vgg_capacity *p, const struct vgg_layer *l,
		    int64_t rows, int64_t channels);

#endif
