// SPDX-License-Identifier: MIT
/*
 * Random numbers and the little mathematics the drawing needs.
 *
 * Integers carry the randomness and only + - * / touch doubles: IEEE 754 fixes
 * the result of those to the bit, while libm's sin and pow differ between C
 * libraries.
 *
 * A caller must never draw two numbers in one expression: C leaves the order
 * of evaluation open, and compilers do differ.
 */
#ifndef SHAPES_RAND_H
#define SHAPES_RAND_H

#include <float.h>
#include <stdint.h>

/* x87 keeps 80 bits in between and would draw other pictures. */
_Static_assert(FLT_EVAL_METHOD == 0, "doubles must be evaluated as doubles");

struct rand_stream {
	uint64_t state;
};

/* SplitMix64's finaliser: a bijection, so distinct inputs stay distinct. */
static inline uint64_t rand_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/*
 * Mixed twice, because streams step by a constant: seeds or indices that are
 * neighbours must not start at neighbouring states.
 */
static inline uint64_t rand_key(uint64_t seed, uint64_t index)
{
	return rand_mix(rand_mix(seed + UINT64_C(0x7667676163636c21)) ^ index);
}

static inline uint64_t rand_next(struct rand_stream *s)
{
	s->state += UINT64_C(0x9e3779b97f4a7c15);
	return rand_mix(s->state);
}

/* [0, 1) on a grid of 2^-53: the conversion is exact. */
static inline double rand_to_unit(uint64_t bits)
{
	return (double)(bits >> 11) * (1.0 / 9007199254740992.0);
}

static inline double rand_unit(struct rand_stream *s)
{
	return rand_to_unit(rand_next(s));
}

static inline double rand_range(struct rand_stream *s, double low, double high)
{
	return low + (high - low) * rand_unit(s);
}

static inline int rand_below(struct rand_stream *s, int n)
{
	return (int)(rand_unit(s) * n);
}

static inline int rand_chance(struct rand_stream *s, double probability)
{
	return rand_unit(s) < probability;
}

/* The value at an integer lattice point, for textures without a table. */
static inline double rand_lattice(uint64_t key, int64_t i, int64_t j)
{
	return rand_to_unit(
		rand_mix(rand_mix(key ^ (uint64_t)i) + (uint64_t)j));
}

static inline int64_t floor_int(double x)
{
	int64_t i = (int64_t)x;

	return i - ((double)i > x);
}

static inline double clamp_unit(double x)
{
	return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/*
 * Sine of an angle in turns. Folded to a quarter turn, where the Taylor series
 * to the 15th power errs by less than 1e-11.
 */
static inline double sin_turn(double t)
{
	double x, y;

	t -= (double)floor_int(t + 0.5);
	if (t > 0.25)
		t = 0.5 - t;
	else if (t < -0.25)
		t = -0.5 - t;
	x = t * 6.283185307179586;
	y = x * x;
	return x *
	       (1.0 -
		y / 6.0 *
			(1.0 -
			 y / 20.0 *
				 (1.0 -
				  y / 42.0 *
					  (1.0 -
					   y / 72.0 *
						   (1.0 -
						    y / 110.0 *
							    (1.0 -
							     y / 156.0 *
								     (1.0 -
								      y / 210.0)))))));
}

static inline double cos_turn(double t)
{
	return sin_turn(t + 0.25);
}

#endif
