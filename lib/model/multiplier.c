// SPDX-License-Identifier: MIT
/*
 * Multipliers. The card rounds acc * mult / 2^shift exactly, halves upwards.
 * Runtimes on CPUs compute it in single precision: the product is rounded to 24
 * bits first, and then halves to even. Both give the same values if each step
 * from one to the next is at the same accumulator: those steps bound the factors
 * that may be taken, and mostly leave a few, as accumulators are integers.
 */
#include <math.h>
#include <stdlib.h>

#include "model/card_limits.h"
#include "model/multiplier.h"

#define ACC_LIMIT 1e9 /* larger ones aren't tried */

void vgg_multiplier(double real, struct vgg_qparam *p)
{
	int exponent;
	double fraction = frexp(real, &exponent);
	int64_t mult = llround(fraction * 0x1p31);

	if (mult == (int64_t)1 << 31 || mult == -((int64_t)1 << 31)) {
		mult /= 2;
		exponent++;
	}
	p->shift = 31 - exponent;
	/* Too small to matter: fewer bits of mult instead of a larger shift. */
	while (p->shift > VGG_QSHIFT_MAX) {
		mult = mult / 2;
		p->shift--;
		if (!mult)
			p->shift = VGG_QSHIFT_MAX;
	}
	/* 2^30 and more: every accumulator but 0 saturates anyway. */
	if (p->shift < 1) {
		mult = mult < 0 ? -INT32_MAX : INT32_MAX;
		p->shift = 1;
	}
	p->mult = (int32_t)mult;
}

struct single {
	float factor, divisor;
};

static float of_single(const struct single *s, int64_t acc)
{
	return rintf((float)acc * s->factor / s->divisor);
}

/* The smallest accumulator that gives more than `value`. */
static int64_t step_behind(const struct single *s, int value)
{
	int64_t acc = (int64_t)floor((value + 0.5) * (double)s->divisor /
				     (double)s->factor);

	while (of_single(s, acc) > (float)value)
		acc--;
	while (of_single(s, acc) <= (float)value)
		acc++;
	return acc;
}

/* acc gives more than `value`, acc - 1 doesn't: narrows the factors from *lo to
 * below *hi. */
static void narrow(int64_t acc, int value, double *lo, double *hi)
{
	double middle = value + 0.5;

	if (acc > 0)
		*lo = fmax(*lo, middle / (double)acc);
	else if (acc < 0)
		*hi = fmin(*hi, middle / (double)acc);
	if (acc > 1)
		*hi = fmin(*hi, middle / (double)(acc - 1));
	else if (acc < 1)
		*lo = fmax(*lo, middle / (double)(acc - 1));
}

void vgg_multiplier_like(float factor, float divisor, int zero,
			 struct vgg_qparam *p)
{
	const struct single s = { factor, divisor };
	double real = (double)factor / (double)divisor, lo = 0, hi = INFINITY;
	int value;

	for (value = -128 - zero; value < 127 - zero; value++)
		if (fabs(value + 0.5) < ACC_LIMIT * real)
			narrow(step_behind(&s, value), value, &lo, &hi);
	/* The bounds belong to accumulators whose exact product is a half. */
	if (lo < hi && hi < INFINITY)
		real = lo + (hi - lo) / 2;
	vgg_multiplier(real, p);
}
