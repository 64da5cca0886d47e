// SPDX-License-Identifier: MIT
/*
 * Exactness of the int8 ways.
 *
 * Winograd sums give 576 times the accumulator modulo 2^32. Times the inverse of
 * 9 modulo 2^32 they give 64 times the accumulator, and an arithmetic shift by 6
 * the accumulator itself if that lies in -2^25 .. 2^25 - 1. Smaller tiles have
 * smaller factors and more room. Whether it does lie there follows from the
 * weights alone, as an input is in -128 .. 127: the proof is made when weights
 * are packed, for each filter. Where it fails the input channels are summed in
 * parts for which it holds.
 */
#include "kernels/conv_parts.h"
#include "kernels/engines.h"

#define LIMIT (1 << 25)

/* Rows of A^T for m = 2 and m = 4; the last column of the latter has the factor
 * that G lacks, see conv_pack.c. */
static const int32_t a2[2][4] = { { 1, 1, 1, 0 }, { 0, 1, -1, -1 } };
static const int32_t a4[4][6] = {
	{ 1, 1, 1, 1, 1, 0 },
	{ 0, 1, -1, 2, -2, 0 },
	{ 0, 1, 1, 4, 4, 0 },
	{ 0, 1, -1, 8, -8, 4 },
};

/* Channels of part `i` of `parts`: from here to the next part's. */
static int part_start(const struct vgg_conv *c, int parts, int i)
{
	int step = c->e->step, steps = c->k / step;

	return (int)((int64_t)steps * i / parts) * step;
}

/* Whether the sum over channels k0..k1-1, from `start` on, stays within the
 * limit, whatever the input. */
static bool proved(const struct vgg_conv *c, const int8_t *w, int k0, int k1,
		   int32_t start)
{
	int64_t most = start, least = start;
	int tap, k;

	for (tap = 0; tap < 9; tap++, w += c->s.in_c)
		for (k = k0; k < k1 && k < c->s.in_c; k++) {
			most += w[k] > 0 ? w[k] * 127 : w[k] * -128;
			least += w[k] > 0 ? w[k] * -128 : w[k] * 127;
		}
	return least >= -LIMIT && most < LIMIT;
}

static bool all_proved(const struct vgg_conv *c, const int8_t *w, int parts)
{
	int i;

	for (i = 0; i < parts; i++)
		if (!proved(c, w, part_start(c, parts, i),
			    part_start(c, parts, i + 1), 0))
			return false;
	return true;
}

/* More parts are no safer for a filter than fewer: a third is no part of a
 * half. So where one needs more, all are proved anew. */
int vgg_conv_parts(const struct vgg_conv *c, const int8_t *weight, int b)
{
	int first = b * c->e->block, end = first + c->e->block, parts = 1, f;

	if (!c->e->sizes)
		return 1;
	end = end < c->s.out_c ? end : c->s.out_c;
	for (f = first; f < end; f++)
		if (!all_proved(c, weight + (size_t)f * 9 * (size_t)c->s.in_c,
				parts)) {
			parts++;
			f = first - 1;
		}
	return parts;
}

int vgg_conv_most_parts(const struct vgg_conv *c)
{
	/* 227 channels of the largest weights are within the limit, so parts
	 * of 200 and what rounding adds are. */
	return c->e->is_float || !c->e->sizes ? 1 : c->k / 200 + 1;
}

/* Adding half of 2^shift leaves the product's low 32 bits as they are. */
static void split_shift(struct vgg_finish_s8 *f, int i, int shift)
{
	f->high = f->high && shift > 32;
	if (shift <= 32)
		return;
	f->down[i] = shift - 32;
	f->half[i] = 1 << (shift - 33);
}

static void copy_params(struct vgg_finish_s8 *f, const struct vgg_qparam *param,
			int n)
{
	/* No part is beyond the limit. */
	int most = f->parts < 32 ? f->parts * LIMIT : INT32_MAX;
	int i;

	for (i = 0; i < VGG_BLOCK_MAX; i++) {
		f->shift[i] = 1;
		if (i >= n)
			continue;
		f->bias[i] = param[i].bias;
		f->mult[i] = param[i].mult;
		f->offset[i] = param[i].offset;
		f->shift[i] = param[i].shift;
		split_shift(f, i, param[i].shift);
		/* The sum of a saturated 16-bit value and such an offset is
		 * still beyond int8. */
		f->near = f->near && param[i].offset >= -32000 &&
			  param[i].offset <= 32000;
		/* Nor does the sum with the bias wrap. */
		f->rising = f->rising && param[i].mult >= 0 &&
			    param[i].bias >= INT32_MIN + most &&
			    param[i].bias <= INT32_MAX - most;
	}
}

/* V's values are 128 larger than the input's. */
static void correct_bias(const struct vgg_conv *c, struct vgg_finish_s8 *f,
			 const int8_t *w, int n)
{
	size_t taps = (size_t)(c->s.in_c * c->s.win.kernel_h *
			       c->s.win.kernel_w),
	       k;
	uint32_t sum;
	int i;

	for (i = 0; i < n; i++) {
		sum = 0;
		for (k = 0; k < taps; k++)
			sum += (uint32_t)*w++;
		f->bias[i] = (int32_t)((uint32_t)f->bias[i] - 128 * sum);
	}
}

static bool early_bias(const struct vgg_conv *c, const struct vgg_finish_s8 *f,
		       const int8_t *w, int n)
{
	int i;

	for (i = 0; i < n; i++, w += 9 * c->s.in_c)
		if (f->mult[i] == INT32_MIN ||
		    !proved(c, w, 0, c->s.in_c, f->bias[i]))
			return false;
	return true;
}

void vgg_conv_pack_s8(const struct vgg_conv *c, int b,
		      const struct vgg_conv_s8 *k)
{
	struct vgg_finish_s8 *f = vgg_conv_finish(c, b);
	int first = b * c->e->block, n = c->s.out_c - first;

	if (n > c->e->block)
		n = c->e->block;
	vgg_conv_pack(c, k->weight, b);
	*f = (struct vgg_finish_s8){ .lo = k->lo,
				     .hi = k->hi,
				     .relu = k->relu,
				     .high = true,
				     .near = true,
				     .rising = true,
				     .parts = vgg_conv_parts(c, k->weight, b) };
	copy_params(f, k->param + first, n);
	if (c->e->sizes && f->parts == 1)
		f->early_bias = early_bias(
			c, f, k->weight + (size_t)first * 9 * (size_t)c->s.in_c,
			n);
	if (c->e->unsigned_v)
		correct_bias(c, f,
			     k->weight + (size_t)first *
						 (size_t)(c->s.in_c *
							  c->s.win.kernel_h *
							  c->s.win.kernel_w),
			     n);
}

/* The inverse of a factor's odd part modulo 2^32, and its power of two. */
static void factor(int m, uint32_t *inverse, int *shift)
{
	if (m == 4) {
		*inverse *= 0xaaaaaaabu; /* of 3 */
		*shift += 3;
	} else if (m == 2) {
		*shift += 1;
	}
}

static int32_t matrix(int m, int y, int p)
{
	return m == 1 ? 1 : m == 2 ? a2[y][p] : a4[y][p];
}

/* acc += the convolution of one filter from its sums `m`, which lie m_step bytes
 * apart. */
static void add_outputs(const struct vgg_class *t, const char *m, size_t m_step,
			int32_t *acc)
{
	int ph = t->mh == 1 ? 1 : t->mh + 2, pw = t->mw == 1 ? 1 : t->mw + 2;
	int y, x, i, j, shift = 0;
	uint32_t inverse = 1, sum;

	factor(t->mh, &inverse, &shift);
	factor(t->mw, &inverse, &shift);
	for (y = 0; y < t->mh; y++)
		for (x = 0; x < t->mw; x++) {
			sum = 0;
			for (i = 0; i < ph; i++)
				for (j = 0; j < pw; j++)
					sum += (uint32_t)(matrix(t->mh, y, i) *
							  matrix(t->mw, x, j)) *
					       *(const uint32_t
							 *)(m +
							    m_step *
								    (size_t)(i * pw +
									     j));
			acc[y * t->mw + x] += (int32_t)(sum * inverse) >> shift;
		}
}

static int8_t pooled(const struct vgg_finish_s8 *f, int i, const int32_t *acc,
		     int pitch)
{
	int y, x, v, best = -128;

	for (y = 0; y < 2; y++)
		for (x = 0; x < 2; x++) {
			v = vgg_finish_one(f, i, acc[y * pitch + x]);
			best = v > best ? v : best;
		}
	return (int8_t)best;
}

static void put(const struct vgg_class *t, const struct vgg_store *s, int i,
		const int32_t *acc)
{
	const struct vgg_finish_s8 *f = s->finish;
	int y, x;

	for (y = 0; y < s->rows; y++)
		for (x = 0; x < s->cols; x++) {
			int8_t *to = (int8_t *)s->out + (size_t)y * s->pitch +
				     (size_t)x * s->pixel + i;

			*to = s->pool ?
				      pooled(f, i, acc + 2 * (y * t->mw + x),
					     t->mw) :
				      vgg_finish_one(f, i, acc[y * t->mw + x]);
		}
}

struct vgg_gemm vgg_conv_part(const struct vgg_conv *c,
			      const struct vgg_gemm *g, int parts, int i,
			      size_t part_step)
{
	int k = part_start(c, parts, i);
	struct vgg_gemm part = *g;

	part.k = part_start(c, parts, i + 1) - k;
	part.u += (size_t)(k * c->e->block) * (size_t)c->e->elem;
	part.v += (size_t)k * (size_t)c->e->elem;
	part.m += (size_t)i * part_step;
	return part;
}

void vgg_conv_store_far(const struct vgg_class *t, const struct vgg_store *s)
{
	int part, i;

	for (i = 0; i < s->channels; i++) {
		int32_t acc[VGG_TILE_MAX * VGG_TILE_MAX] = { 0 };

		for (part = 0; part < s->parts; part++)
			add_outputs(t,
				    s->m + (size_t)part * s->part_step + i * 4,
				    s->m_step, acc);
		put(t, s, i, acc);
	}
}
