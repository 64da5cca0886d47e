/* SPDX-License-Identifier: MIT */
/*
 * Networks from a word. Its letters make a chain: c conv to 8 channels, u the same
 * without padding, r ReLU, 6 ReLU6, b BatchNorm, p max-pool, q the same with padding
 * all around, a average pool, l LRN, 0 zero pad, f flatten, d fully connected to 8.
 */
#ifndef TEST_WORD_NET_H
#define TEST_WORD_NET_H

#include "model/graph.h"

#define WORD_SIDE 32

/* Folded, for images of 3 x WORD_SIDE x WORD_SIDE; fails the test rather than
 * return NULL. Layers are named by operator and number in the word. */
struct vgg_model *word_net(const char *word, uint64_t seed);

#endif
