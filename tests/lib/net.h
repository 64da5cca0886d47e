/* SPDX-License-Identifier: MIT */
/* Small random networks for tests. */
#ifndef TEST_NET_H
#define TEST_NET_H

#include "model/graph.h"
#include "util/error.h"
#include "vgg_harness.h"

/* Ends the test with the library's error unless the call returns 0. */
#define OK(call)                                                               \
	do {                                                                   \
		if (call) {                                                    \
			test_fail(__FILE__, __LINE__, "%s: %s: %s: %s", #call, \
				  vgg_error_last()->name,                      \
				  vgg_error_last()->where,                     \
				  vgg_error_last()->what);                     \
			TEST_END_;                                             \
		}                                                              \
	} while (0)

/* A folded fp32 chain of random layers of every kind, random weights, with
 * preprocessing for its input; never NULL. */
struct vgg_model *net_random(uint64_t *seed);
/* The same with channels in powers of two and large fully connected layers, so
 * that most layers can be cut between card and CPU. */
struct vgg_model *net_wide(uint64_t *seed);
/* conv 3 -> 4, relu, pool, fc -> 5, softmax on an 8x8 image. */
struct vgg_model *net_small(uint64_t *seed);
/* Quantises with synthetic images; fails the test if that fails. */
void net_quantize(struct vgg_model *m);
/* A tensor of n numbers between lo and hi. */
void net_fill(struct vgg_blob *b, size_t n, float lo, float hi, uint64_t *seed);
/* A random input in NCHW; the caller frees it. */
float *net_input(const struct vgg_model *m, uint64_t *seed);

#endif
