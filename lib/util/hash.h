/* SPDX-License-Identifier: MIT */
/* Pseudo-random numbers that are a pure function of a seed and an index, the
 * same on every machine. */
#ifndef VGG_HASH_H
#define VGG_HASH_H

#include <stdint.h>

/* The output function of splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t vgg_mix64(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static inline uint64_t vgg_hash64(uint64_t seed, uint64_t index)
{
	return vgg_mix64(vgg_mix64(seed + 0x9e3779b97f4a7c15) + index);
}

#endif
