/* SPDX-License-Identifier: MIT */
/*
 * The formulas of the cycle model, on plain integers: see timing.c for what
 * they stand for. The simulator and a planner that wants to predict it use the
 * same ones. All saturate at VGG_TIMING_FOREVER, so sums of two cannot wrap.
 */
#ifndef VGGSIM_TIMING_H
#define VGGSIM_TIMING_H

#include <stdint.h>

#define VGG_TIMING_FOREVER (UINT64_C(1) << 62)

static inline uint64_t vgg_timing_clip(uint64_t v)
{
	return v < VGG_TIMING_FOREVER ? v : VGG_TIMING_FOREVER;
}

static inline uint64_t vgg_timing_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t vgg_timing_mul(uint64_t a, uint64_t b)
{
	uint64_t product;

	if (__builtin_mul_overflow(a, b, &product))
		return VGG_TIMING_FOREVER;
	return vgg_timing_clip(product);
}

static inline uint64_t vgg_timing_div_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

/* Cycles in which a channel of `mbps` (10^6 bytes per second) moves `bytes`. */
static inline uint64_t vgg_timing_transfer(uint64_t bytes, uint32_t clock_khz,
					   uint32_t mbps)
{
	uint64_t scaled = vgg_timing_mul(bytes, clock_khz);

	if (scaled == VGG_TIMING_FOREVER)
		return scaled;
	return vgg_timing_div_up(scaled, (uint64_t)mbps * 1000);
}

/* Nanoseconds that so many cycles take, rounded up, and back, rounded down. */
static inline uint64_t vgg_timing_ns(uint64_t cycles, uint32_t clock_khz)
{
	uint64_t rest = cycles % clock_khz * 1000000;
	uint64_t whole = vgg_timing_mul(cycles / clock_khz, 1000000);

	return vgg_timing_clip(whole + vgg_timing_div_up(rest, clock_khz));
}

static inline uint64_t vgg_timing_cycles(uint64_t ns, uint32_t clock_khz)
{
	uint64_t rest = ns % 1000000 * clock_khz / 1000000;

	return vgg_timing_clip(vgg_timing_mul(ns / 1000000, clock_khz) + rest);
}

/*
 * Payload bandwidth of a PCIe link, MB/s: 80 % of what a lane carries after
 * line coding (250, 500, 985, 1969, 3938 MB/s); the rest goes to headers and
 * flow control at payloads of 128 bytes.
 */
static inline uint32_t vgg_timing_link_mbps(uint32_t gen, uint32_t lanes)
{
	static const uint32_t lane_mbps[] = { 0, 200, 400, 788, 1575, 3150 };

	return gen < 6 ? lane_mbps[gen] * lanes : 0;
}

/* The MAC array: `cols` output channels times `rows` taps in a cycle. */
static inline uint64_t vgg_timing_mac(uint64_t pixels, uint64_t channels,
				      uint64_t taps, uint32_t rows,
				      uint32_t cols)
{
	uint64_t passes = vgg_timing_mul(vgg_timing_div_up(channels, cols),
					 vgg_timing_div_up(taps, rows));

	return vgg_timing_mul(pixels, passes);
}

/*
 * Bytes of input and weights that a CONV moves, given their sizes and that of
 * the on-chip memory: one half of it holds a resident operand, the other half
 * streams. If neither operand fits a half, the cheaper of the two is read
 * again for each half-full of the other.
 */
static inline void vgg_timing_conv_traffic(uint64_t onchip, uint64_t *input,
					   uint64_t *weights)
{
	uint64_t half = onchip / 2, input_again, weights_again;

	if (*weights <= half || *input <= half)
		return;
	input_again = vgg_timing_mul(*input, vgg_timing_div_up(*weights, half));
	weights_again =
		vgg_timing_mul(*weights, vgg_timing_div_up(*input, half));
	if (input_again + *weights <= weights_again + *input)
		*input = input_again;
	else
		*weights = weights_again;
}

/* A command: computation and the two memories overlap within it. */
static inline uint64_t vgg_timing_command(uint32_t overhead, uint64_t compute,
					  uint64_t local, uint64_t host)
{
	uint64_t work = vgg_timing_max(compute, vgg_timing_max(local, host));

	return vgg_timing_clip(overhead + work);
}

#endif
