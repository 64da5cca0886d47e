// SPDX-License-Identifier: MIT
/*
 * Random weights, the same bytes everywhere and for everyone: element i of the
 * network's t-th parameter tensor is a function of (seed, t, i) and nothing
 * else, so any program can make the same network.
 *
 *	mix(z): z ^= z >> 30; z *= 0xbf58476d1ce4e5b9; z ^= z >> 27;
 *		z *= 0x94d049bb133111eb; z ^ z >> 31
 *	key  = mix(seed + (t + 1) * 0x9e3779b97f4a7c15)
 *	u    = (mix(key + (i + 1) * 0x9e3779b97f4a7c15) >> 40) / 2^24
 *
 * all modulo 2^64. mix is the output function of splitmix64 (Steele, Lea, Flood
 * 2014). Tensors count from 0 in the order of the layers: weight and bias;
 * gamma, beta, mean and variance for a BatchNorm. i counts in PyTorch's layout
 * (output, input, row, column). Values are computed in double and rounded to
 * float once:
 *
 *	weight		b * (2u - 1), b = sqrt(6 / inputs of one output): this
 *			(He et al. 2015) keeps the scale through a ReLU
 *	bias		0.05 * (2u - 1)
 *	gamma, variance	0.5 + u
 *	beta, mean	0.1 * (2u - 1)
 *
 * 2u - 1 is exact, so a compiler that fuses multiplications and additions
 * changes nothing.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "model/arch.h"
#include "util/error.h"
#include "util/hash.h"

#define STEP 0x9e3779b97f4a7c15ULL
#define BIAS_BOUND 0.05
#define NORM_BOUND 0.1

static double unit(uint64_t key, uint64_t i)
{
	return (double)(vgg_mix64(key + (i + 1) * STEP) >> 40) * 0x1p-24;
}

static float around_zero(uint64_t key, uint64_t i, double bound)
{
	return (float)(bound * (2 * unit(key, i) - 1));
}

struct generator {
	uint64_t seed;
	uint64_t tensor; /* the next one */
};

static uint64_t next_key(struct generator *g)
{
	return vgg_mix64(g->seed + ++g->tensor * STEP);
}

static void fill_weight(struct generator *g, const struct vgg_layer *l)
{
	size_t taps = (size_t)l->win.kernel_h * (size_t)l->win.kernel_w;
	size_t in_c = (size_t)vgg_channels(&l->in);
	size_t out_c = l->weight.count / (taps * in_c);
	double bound = sqrt(6.0 / (double)(taps * in_c));
	float *w = (float *)l->weight.data;
	uint64_t key = next_key(g);

	/* Stored as out, row, column, in; numbered as out, in, row, column. */
	for (size_t o = 0; o < out_c; o++)
		for (size_t t = 0; t < taps; t++)
			for (size_t c = 0; c < in_c; c++)
				*w++ = around_zero(
					key, (o * in_c + c) * taps + t, bound);
}

static void fill_around_zero(struct generator *g, float *x, size_t n,
			     double bound)
{
	uint64_t key = next_key(g);

	for (size_t i = 0; i < n; i++)
		x[i] = around_zero(key, i, bound);
}

static void fill_around_one(struct generator *g, float *x, size_t n)
{
	uint64_t key = next_key(g);

	for (size_t i = 0; i < n; i++)
		x[i] = (float)(0.5 + unit(key, i));
}

static int fill_norm(struct generator *g, const struct vgg_layer *l)
{
	size_t n = l->scale.count;
	float *p = calloc(n, 4 * sizeof(*p));
	struct vgg_norm norm;
	int err;

	if (!p)
		return vgg_fail_memory("random weights");
	norm = (struct vgg_norm){ p, p + n, p + 2 * n, p + 3 * n, 0 };
	fill_around_one(g, p, n);
	fill_around_zero(g, p + n, n, NORM_BOUND);
	fill_around_zero(g, p + 2 * n, n, NORM_BOUND);
	fill_around_one(g, p + 3 * n, n);
	err = vgg_norm_fold(&norm, n, (float *)l->scale.data,
			    (float *)l->shift.data);
	free(p);
	return err;
}

int vgg_random_weights(struct vgg_model *m, uint64_t seed)
{
	struct generator g = { .seed = seed };

	for (unsigned int i = 0; i < m->count; i++) {
		const struct vgg_layer *l = &m->layers[i];

		if (l->op == VGG_OP_CONV) {
			fill_weight(&g, l);
			fill_around_zero(&g, (float *)l->bias.data,
					 l->bias.count, BIAS_BOUND);
		} else if (l->scale.data) {
			int err = fill_norm(&g, l);

			if (err)
				return vgg_error_at(err, l->name);
		}
	}
	return 0;
}
