// SPDX-License-Identifier: MIT
/* Half precision to single and back. */
#include <string.h>

#include "kernels/kernels.h"

static float float_from(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

float vgg_half_to_float(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16;
	uint32_t exponent = (h >> 10) & 31, mantissa = h & 0x3ff;

	if (exponent == 31) /* infinity, NaN */
		return float_from(sign | 0x7f800000 | mantissa << 13);
	if (exponent)
		return float_from(sign | (exponent + 112) << 23 |
				  mantissa << 13);
	/* zero and subnormals: mantissa * 2^-24 */
	return (sign ? -1.0f : 1.0f) * (float)mantissa * 0x1p-24f;
}

uint16_t vgg_float_to_half(float f)
{
	uint32_t bits, sign, rest, half;
	int shift;

	memcpy(&bits, &f, sizeof(bits));
	sign = bits >> 16 & 0x8000;
	bits &= 0x7fffffff;
	if (bits > 0x7f800000)
		return (uint16_t)(sign | 0x7e00);
	if (bits >= 0x477ff000) /* rounds to 2^16 or more */
		return (uint16_t)(sign | 0x7c00);
	if (bits >= 0x38800000) { /* normal: rebias, drop 13 bits */
		bits -= 112u << 23;
		shift = 13;
	} else if (bits > 0x33000000) { /* subnormal */
		shift = 126 - (int)(bits >> 23);
		bits = (bits & 0x7fffff) | 0x800000;
	} else {
		return (uint16_t)sign;
	}
	half = bits >> shift;
	rest = bits & ((1u << shift) - 1);
	/* A carry out of the mantissa correctly raises the exponent. */
	half += rest > 1u << (shift - 1) ||
		(rest == 1u << (shift - 1) && (half & 1));
	return (uint16_t)(sign | half);
}
