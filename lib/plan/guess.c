// SPDX-License-Identifier: MIT
/* See guess.h. */
#include "plan/guess.h"
#include "plan/machine.h"

#define TRANSFORMS 1.05
#define U_PER_WEIGHT 8.0 /* bytes: 36 positions for 9 taps, 16 bits each */

struct work {
	double products16, products8, bytes;
};

/* Positions of Winograd's tiles over n outputs: 6 for 4, 4 for a rest of 1 or 2,
 * 6 for a rest of 3. */
static double positions(int64_t n)
{
	int64_t rest = n % 4;

	return (double)(n / 4 * 6 + (!rest ? 0 : rest < 3 ? 4 : 6));
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static void add_winograd(struct work *work, double l2, double points,
			 double in_c, double out_c)
{
	double u = in_c * out_c * 9 * U_PER_WEIGHT;
	double v = points * in_c * 2, m = points * out_c * 4;
	double again = u < l2 / 2 || v < l2 ? 1 : v / l2;

	work->products16 = points * in_c * out_c * TRANSFORMS;
	work->bytes += least(u * again, u + 2 * (v + m));
}

/* Rows of the convolution under the first `rows` behind its pool. */
static int64_t conv_rows(const struct vgg_layer *l, int64_t rows, int64_t all)
{
	int64_t n = (rows - 1) * l->pool.stride_h + l->pool.kernel_h -
		    l->pool.pad_top;

	return !l->has_pool ? rows : n < all ? n : all;
}

static void add_conv(struct work *work, double l2, const struct vgg_layer *l,
		     int64_t rows, int64_t channels)
{
	double in_c = (double)vgg_extent_of(&l->in).c, out_c = (double)channels;
	const struct vgg_window *win = &l->win;
	double taps = in_c * win->kernel_h * win->kernel_w;
	int64_t h, w;

	vgg_conv_size(l, &h, &w);
	h = conv_rows(l, rows, h);
	if (h * w > 1 && win->kernel_h == 3 && win->kernel_w == 3 &&
	    win->stride_h == 1 && win->stride_w == 1) {
		add_winograd(work, l2, positions(h) * positions(w), in_c,
			     out_c);
		return;
	}
	work->products8 = (double)(h * w) * taps * out_c;
	work->bytes += taps * out_c;
}

double vgg_guess_ms(const struct vgg_capacity *p, const struct vgg_layer *l,
		    int64_t rows, int64_t channels)
{
	struct vgg_extent in = vgg_extent_of(&l->in);
	struct vgg_extent out = vgg_extent_of(&l->out);
	double part = (double)rows / (double)out.h;
	struct work work = { 0 };

	work.bytes = part * (double)(in.h * in.w * in.c) +
		     (double)(rows * out.w * channels);
	if (l->op == VGG_OP_CONV)
		add_conv(&work, p->l2, l, rows, channels);
	return (work.products16 / p->products16 +
		work.products8 / p->products8 + work.bytes / p->dram) /
		       1e6 +
	       p->start_ms;
}
