// SPDX-License-Identifier: MIT
/* The fp32 engines in vector types of the compiler, for every CPU. */
#define LANES 4
#define BLOCK 8
#define TILES 6
#define BYTE_COST 1

#include <stdint.h>

typedef float vec __attribute__((vector_size(16)));
typedef int32_t mask __attribute__((vector_size(16)));

static inline vec choose(mask m, vec yes, vec no)
{
	return (vec)(((mask)yes & m) | ((mask)no & ~m));
}

static inline vec at_least(vec v, vec lo)
{
	return choose(v < lo, lo, v);
}

static inline vec at_most(vec v, vec hi)
{
	return choose(v > hi, hi, v);
}

static inline vec larger(vec a, vec b)
{
	return choose((a > b) | (a != a), a, b);
}

static inline vec load_some(const float *p, int n)
{
	return (vec){ p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, 0 };
}

static vec widen_half(const uint16_t *h);

#include "kernels/f32_inner.h"

static vec widen_half(const uint16_t *h)
{
	return (vec){ vgg_half_to_float(h[0]), vgg_half_to_float(h[1]),
		      vgg_half_to_float(h[2]), vgg_half_to_float(h[3]) };
}

const struct vgg_engine vgg_winograd_f32_generic = winograd_engine;
const struct vgg_engine vgg_direct_f32_generic = direct_engine;
