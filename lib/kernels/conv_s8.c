// SPDX-License-Identifier: MIT
/* See conv_s8.h. */
#include <string.h>

#include "kernels/conv_s8.h"
#include "kernels/engines.h"
#include "util/disabled.h"

static int extent(int in, int kernel, int stride, int before, int after)
{
	return (in + before + after - kernel) / stride + 1;
}

static struct vgg_conv_shape shape_of(const struct vgg_conv_s8 *k)
{
	const struct vgg_window *w = &k->win;

	return (struct vgg_conv_shape){
		.in_h = k->in.h,
		.in_w = k->in.w,
		.in_c = k->in.c,
		.h = extent(k->in.h, w->kernel_h, w->stride_h, w->pad_top,
			    w->pad_bottom),
		.w = extent(k->in.w, w->kernel_w, w->stride_w, w->pad_left,
			    w->pad_right),
		.out_c = k->out.c,
		.win = *w,
	};
}

/* One pixel that sees the whole input: a product of a matrix and a vector, whose
 * weights are read once and never packed. */
static bool is_product(const struct vgg_conv_s8 *k,
		       const struct vgg_conv_shape *s)
{
	const struct vgg_window *w = &k->win;
	size_t row = (size_t)k->in.w * (size_t)k->in.c;

	return s->h == 1 && s->w == 1 && w->kernel_h == k->in.h &&
	       w->kernel_w == k->in.w && !w->pad_top && !w->pad_left &&
	       k->in.pixel == (size_t)k->in.c &&
	       (k->in.pitch == row || k->in.h == 1);
}

#define PRODUCTS 16 /* filters of a task of products */

/* A byte for each task, see look_at_weights(). */
static void init_products(struct vgg_ready_s8 *r)
{
	r->way = VGG_WAY_DOT;
	if (!r->kernels->dot_s8_plain)
		return;
	r->c.blocks = 1;
	r->c.packed_bytes = (size_t)(r->k.out.c + PRODUCTS - 1) / PRODUCTS;
}

void vgg_ready_s8_init(struct vgg_ready_s8 *r,
		       const struct vgg_kernels *kernels,
		       const struct vgg_conv_s8 *k, struct vgg_l2 l2)
{
	struct vgg_conv_shape s = shape_of(k);
	const struct vgg_engine *e = kernels->winograd_s8;

	*r = (struct vgg_ready_s8){ .k = *k, .kernels = kernels };
	if (!kernels->direct_s8)
		return;
	r->pool_after = k->has_pool;
	if (is_product(k, &s)) {
		init_products(r);
		return;
	}
	r->way = VGG_WAY_DIRECT;
	if (e && vgg_conv_is_winograd(&s) && !vgg_disabled("winograd")) {
		r->way = VGG_WAY_WINOGRAD;
		s.pool = k->has_pool && vgg_conv_can_pool(&k->pool);
		r->pool_after = k->has_pool && !s.pool;
	} else {
		e = kernels->direct_s8;
	}
	vgg_conv_init(&r->c, e, &s, l2);
}

int vgg_ready_s8_blocks(const struct vgg_ready_s8 *r)
{
	return r->c.packed_bytes ? r->c.blocks : 0;
}

void vgg_ready_s8_pack(const struct vgg_ready_s8 *r, int b)
{
	if (r->way == VGG_WAY_DOT) {
		memset(r->c.packed, 0, r->c.packed_bytes);
		return;
	}
	if (!b)
		vgg_conv_pack_pad(&r->c, r->k.pad_value);
	vgg_conv_pack_s8(&r->c, b, &r->k);
}

int vgg_ready_s8_grain(const struct vgg_ready_s8 *r)
{
	return r->way == VGG_WAY_SCALAR ? 1 :
	       r->way == VGG_WAY_DOT	? PRODUCTS :
					  vgg_conv_grain(&r->c);
}

/* The image before a pool that follows. */
static size_t unpooled(const struct vgg_ready_s8 *r)
{
	struct vgg_conv_shape s = shape_of(&r->k);

	if (!r->pool_after)
		return 0;
	return ((size_t)s.h * (size_t)s.w * (size_t)s.out_c + 63) / 64 * 64;
}

size_t vgg_ready_s8_workspace(const struct vgg_ready_s8 *r, int workers)
{
	return unpooled(r) + (r->c.e ? vgg_conv_workspace(&r->c, workers) : 0);
}

/* What a task needs. */
struct run {
	const struct vgg_ready_s8 *r;
	struct vgg_conv_s8 k; /* with data */
	struct vgg_pool_s8 pool;
	struct vgg_conv_range range;
};

static void scalar_row(void *ctx, int worker, size_t i)
{
	struct run *run = ctx;
	int row = run->range.row0 + (int)i;

	(void)worker;
	vgg_conv_scalar(&run->k, row, row + 1, run->range.c0, run->range.c1);
}

/*
 * Whether the weights of a task, from filter c0 on, hold -128. They are looked at
 * once, behind their first use, when they are in the cache: to read all when a
 * model is loaded would take much longer than a run. Runs at the same time come
 * to the same result.
 */
enum { UNKNOWN, PLAIN, FULL };

static int kind_of_weights(const struct vgg_ready_s8 *r, int c0)
{
	if (!r->c.packed_bytes)
		return FULL;
	return __atomic_load_n(r->c.packed + c0 / PRODUCTS, __ATOMIC_RELAXED);
}

static void look_at_weights(const struct vgg_ready_s8 *r, int c0, size_t taps)
{
	int n = r->k.out.c - c0 < PRODUCTS ? r->k.out.c - c0 : PRODUCTS;
	bool full =
		memchr(r->k.weight + (size_t)c0 * taps, 0x80, (size_t)n * taps);

	__atomic_store_n(r->c.packed + c0 / PRODUCTS, full ? FULL : PLAIN,
			 __ATOMIC_RELAXED);
}

static void multiply(const struct vgg_ready_s8 *r, const int8_t *x, int c0,
		     int n, int32_t *acc)
{
	const struct vgg_kernels *kernels = r->kernels;
	size_t taps = (size_t)r->k.in.h * (size_t)r->k.in.w * (size_t)r->k.in.c;
	const int8_t *w = r->k.weight + (size_t)c0 * taps;
	int kind = kind_of_weights(r, c0);

	(kind == PLAIN ? kernels->dot_s8_plain : kernels->dot_s8)(x, w, taps, n,
								  acc);
	if (kind == UNKNOWN)
		look_at_weights(r, c0, taps);
}

static void products(void *ctx, int worker, size_t i)
{
	struct run *run = ctx;
	const struct vgg_conv_s8 *k = &run->k;
	int c0 = run->range.c0 + (int)i * PRODUCTS, n = run->range.c1 - c0, f;
	int32_t acc[PRODUCTS];

	(void)worker;
	n = n < PRODUCTS ? n : PRODUCTS;
	multiply(run->r, k->in.data, c0, n, acc);
	for (f = 0; f < n; f++) {
		const struct vgg_qparam *p = &k->param[c0 + f];
		int32_t sum = (int32_t)((uint32_t)acc[f] + (uint32_t)p->bias);

		if (k->relu && sum < 0)
			sum = 0;
		k->out.data[c0 + f] =
			(int8_t)vgg_requantize(sum, p, k->lo, k->hi);
	}
}

static void pool_row(void *ctx, int worker, size_t i)
{
	struct run *run = ctx;
	int row = run->range.row0 + (int)i;

	(void)worker;
	run->r->kernels->pool(&run->pool, row, row + 1, run->range.c0,
			      run->range.c1);
}

/* Rows of the convolution that rows of the pool see. */
static struct vgg_conv_range rows_under(const struct vgg_conv_range *range,
					const struct vgg_window *p, int h)
{
	struct vgg_conv_range under = *range;

	under.row0 = range->row0 * p->stride_h - p->pad_top;
	under.row1 = (range->row1 - 1) * p->stride_h - p->pad_top + p->kernel_h;
	under.row0 = under.row0 > 0 ? under.row0 : 0;
	under.row1 = under.row1 < h ? under.row1 : h;
	return under;
}

static void pool_after(struct run *run, const struct vgg_team *team,
		       char *workspace)
{
	const struct vgg_ready_s8 *r = run->r;
	struct vgg_conv_shape s = shape_of(&r->k);

	run->pool = (struct vgg_pool_s8){
		.in = { .data = (int8_t *)workspace,
			.pixel = (size_t)s.out_c,
			.pitch = (size_t)s.out_c * (size_t)s.w,
			.h = s.h,
			.w = s.w,
			.c = s.out_c },
		.out = run->k.out,
		.win = r->k.pool,
	};
	team->each(team->threads, (size_t)(run->range.row1 - run->range.row0),
		   pool_row, run);
}

void vgg_ready_s8_run(const struct vgg_ready_s8 *r, const int8_t *in,
		      int8_t *out, const struct vgg_conv_range *range,
		      const struct vgg_team *team, char *workspace)
{
	struct run run = { .r = r, .k = r->k, .range = *range };
	struct vgg_conv_io io = { .in = in,
				  .in_pitch = r->k.in.pitch,
				  .in_pixel = r->k.in.pixel,
				  .out = out,
				  .out_pitch = r->k.out.pitch,
				  .out_pixel = r->k.out.pixel };
	struct vgg_conv_range conv = *range;
	struct vgg_conv_shape s = shape_of(&r->k);

	if (range->row0 >= range->row1 || range->c0 >= range->c1)
		return;
	run.k.in.data = (int8_t *)in;
	run.k.out.data = out;
	if (r->way == VGG_WAY_SCALAR) {
		team->each(team->threads, (size_t)(range->row1 - range->row0),
			   scalar_row, &run);
		return;
	}
	if (r->pool_after) {
		conv = rows_under(range, &r->k.pool, s.h);
		io.out = workspace;
		io.out_pixel = (size_t)s.out_c;
		io.out_pitch = (size_t)s.out_c * (size_t)s.w;
		run.k.out.data = (int8_t *)workspace;
	}
	if (r->way == VGG_WAY_DOT)
		team->each(team->threads,
			   (size_t)((range->c1 - range->c0 + PRODUCTS - 1) /
				    PRODUCTS),
			   products, &run);
	else
		vgg_conv_run(&r->c, &io, &conv, team, workspace + unpooled(r));
	if (!r->pool_after)
		return;
	run.k.out.data = out;
	pool_after(&run, team, workspace);
}
