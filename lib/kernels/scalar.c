// SPDX-License-Identifier: MIT
/*
 * The reference: section 5 of vggaccel_hw.h as it stands there, one output at a
 * time. Slow and obvious; every other variant is tested against it.
 */
#include "kernels/kernels.h"

static bool always(void)
{
	return true;
}

static const int8_t *pixel(const struct vgg_image_s8 *m, int y, int x)
{
	return m->data + (size_t)y * m->pitch + (size_t)x * m->pixel;
}

static bool inside(const struct vgg_image_s8 *m, int y, int x)
{
	return y >= 0 && y < m->h && x >= 0 && x < m->w;
}

static int conv_one(const struct vgg_conv_s8 *k, int y, int x, int c)
{
	const struct vgg_window *win = &k->win;
	const int8_t *w = k->weight +
			  (size_t)c * (size_t)(win->kernel_h * win->kernel_w) *
				  (size_t)k->in.c;
	uint32_t acc = (uint32_t)k->param[c].bias; /* modulo 2^32 */
	int i, j, ch, iy, ix;

	for (i = 0; i < win->kernel_h; i++)
		for (j = 0; j < win->kernel_w; j++) {
			iy = y * win->stride_h - win->pad_top + i;
			ix = x * win->stride_w - win->pad_left + j;
			for (ch = 0; ch < k->in.c; ch++)
				acc += (uint32_t)(*w++ *
						  (inside(&k->in, iy, ix) ?
							   pixel(&k->in, iy,
								 ix)[ch] :
							   k->pad_value));
		}
	if (k->relu && (int32_t)acc < 0)
		acc = 0;
	return vgg_requantize((int32_t)acc, &k->param[c], k->lo, k->hi);
}

static int conv_extent(int in, int kernel, int stride, int before, int after)
{
	return (in + before + after - kernel) / stride + 1;
}

static int conv_pooled(const struct vgg_conv_s8 *k, int y, int x, int c)
{
	const struct vgg_window *w = &k->win, *p = &k->pool;
	int h = conv_extent(k->in.h, w->kernel_h, w->stride_h, w->pad_top,
			    w->pad_bottom);
	int wide = conv_extent(k->in.w, w->kernel_w, w->stride_w, w->pad_left,
			       w->pad_right);
	int i, j, cy, cx, v, best = -128;

	for (i = 0; i < p->kernel_h; i++)
		for (j = 0; j < p->kernel_w; j++) {
			cy = y * p->stride_h - p->pad_top + i;
			cx = x * p->stride_w - p->pad_left + j;
			if (cy < 0 || cy >= h || cx < 0 || cx >= wide)
				continue;
			v = conv_one(k, cy, cx, c);
			best = v > best ? v : best;
		}
	return best;
}

void vgg_conv_scalar(const struct vgg_conv_s8 *k, int row0, int row1, int c0,
		     int c1)
{
	int y, x, c;

	for (y = row0; y < row1; y++)
		for (x = 0; x < k->out.w; x++) {
			int8_t *to = (int8_t *)pixel(&k->out, y, x);

			for (c = c0; c < c1; c++)
				to[c] = (int8_t)(k->has_pool ?
							 conv_pooled(k, y, x,
								     c) :
							 conv_one(k, y, x, c));
		}
}

static int pool_one(const struct vgg_pool_s8 *k, int y, int x, int c)
{
	const struct vgg_window *w = &k->win;
	int i, j, iy, ix, taps = 0, best = -128;
	uint32_t sum = 0;

	for (i = 0; i < w->kernel_h; i++)
		for (j = 0; j < w->kernel_w; j++) {
			iy = y * w->stride_h - w->pad_top + i;
			ix = x * w->stride_w - w->pad_left + j;
			if (inside(&k->in, iy, ix)) {
				int v = pixel(&k->in, iy, ix)[c];

				sum += (uint32_t)v;
				best = v > best ? v : best;
				taps++;
			} else if (!k->exclude_pad) {
				sum += (uint32_t)k->pad_value;
				taps++;
			}
		}
	if (!k->average)
		return best;
	sum += (uint32_t)k->param[taps - 1].bias;
	return vgg_requantize((int32_t)sum, &k->param[taps - 1], k->lo, k->hi);
}

void vgg_pool_scalar(const struct vgg_pool_s8 *k, int row0, int row1, int c0,
		     int c1)
{
	int y, x, c;

	for (y = row0; y < row1; y++)
		for (x = 0; x < k->out.w; x++) {
			int8_t *to = (int8_t *)pixel(&k->out, y, x);

			for (c = c0; c < c1; c++)
				to[c] = (int8_t)pool_one(k, y, x, c);
		}
}

void vgg_affine_scalar(const struct vgg_affine_s8 *k, int row0, int row1)
{
	int y, x, c;

	for (y = row0; y < row1; y++)
		for (x = 0; x < k->out.w; x++) {
			const int8_t *from = pixel(&k->in, y, x);
			int8_t *to = (int8_t *)pixel(&k->out, y, x);

			for (c = 0; c < k->out.c; c++) {
				int32_t acc = k->param[c].bias + from[c];

				if (k->relu && acc < 0)
					acc = 0;
				to[c] = (int8_t)vgg_requantize(
					acc, &k->param[c], k->lo, k->hi);
			}
		}
}

static int lrn_one(const struct vgg_lrn_s8 *k, const int8_t *x, int c)
{
	int first = c - (k->size - 1) / 2, last = c + k->size / 2, i, d;
	int shift = k->table[0];
	const int32_t *table = k->table + 1;
	int64_t f, y;
	uint32_t s = 0, at;

	for (i = first < 0 ? 0 : first; i <= last && i < k->in.c; i++) {
		d = x[i] - k->in_zero;
		s += (uint32_t)(d * d);
	}
	at = s >> shift;
	f = table[at] +
	    (((int64_t)table[at + 1] - table[at]) * (s - (at << shift)) >>
	     shift);
	y = (((x[c] - k->in_zero) * f + (1 << 23)) >> 24) + k->out_zero;
	return y < -128 ? -128 : y > 127 ? 127 : (int)y;
}

void vgg_lrn_scalar(const struct vgg_lrn_s8 *k, int row0, int row1)
{
	int y, x, c;

	for (y = row0; y < row1; y++)
		for (x = 0; x < k->out.w; x++) {
			const int8_t *from = pixel(&k->in, y, x);
			int8_t *to = (int8_t *)pixel(&k->out, y, x);

			for (c = 0; c < k->out.c; c++)
				to[c] = (int8_t)lrn_one(k, from, c);
		}
}

void vgg_dot_s8_scalar(const int8_t *x, const int8_t *w, size_t n, int rows,
		       int32_t *acc)
{
	uint32_t sum;
	size_t i;

	for (; rows--; w += n) {
		sum = 0;
		for (i = 0; i < n; i++)
			sum += (uint32_t)(x[i] * w[i]);
		*acc++ = (int32_t)sum;
	}
}

const struct vgg_kernels vgg_kernels_scalar = {
	.name = "scalar",
	.usable = always,
	.dot_s8 = vgg_dot_s8_scalar,
	.pool = vgg_pool_scalar,
	.affine = vgg_affine_scalar,
	.lrn = vgg_lrn_scalar,
};
