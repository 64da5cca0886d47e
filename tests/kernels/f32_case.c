// SPDX-License-Identifier: MIT
/* See f32_case.h. */
#include <math.h>

#include "f32_case.h"

#define U F32_ROUNDING

/*
 * The bound: roundings are independent, each of relative size u = 2^-24 at
 * most, and values are random. Winograd's sum at position p of a side has the
 * standard deviation |G row p| * |B row p| of a product (Euclidean norms), and
 * enters output i with A[i][p]; so along a side the error is that of a product
 * times
 *	L(m) = max over i of sqrt(sum over p of (A[i][p] |G[p]| |B[p]|)^2)
 * which is 11.8 for F(6,3), 1.7 if taps are summed directly. A sum over C
 * channels rounds C times and the transforms less than 30 times; sums grow with
 * sqrt(C). In all: u sqrt(C + 30) sqrt(C) L(mh) L(mw) times the sizes of
 * weights and inputs, and 4 for the largest of very many.
 */
/* The transforms at the points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity: rows of
 * B^T and A and G as in Lavin's paper. */
struct transform {
	int m;
	double b[8][8], g[8][3], a[6][8];
};

static const struct transform transforms[] = {
	{ 2,
	  { { 1, 0, -1, 0 }, { 0, 1, 1, 0 }, { 0, -1, 1, 0 }, { 0, 1, 0, -1 } },
	  { { 1, 0, 0 }, { .5, .5, .5 }, { .5, -.5, .5 }, { 0, 0, 1 } },
	  { { 1, 1, 1, 0 }, { 0, 1, -1, -1 } } },
	{ 4,
	  { { 4, 0, -5, 0, 1, 0 },
	    { 0, -4, -4, 1, 1, 0 },
	    { 0, 4, -4, -1, 1, 0 },
	    { 0, -2, -1, 2, 1, 0 },
	    { 0, 2, -1, -2, 1, 0 },
	    { 0, 4, 0, -5, 0, 1 } },
	  { { 1. / 4, 0, 0 },
	    { 1. / 6, 1. / 6, 1. / 6 },
	    { 1. / 6, 1. / 6, 1. / 6 },
	    { 1. / 24, 1. / 12, 1. / 6 },
	    { 1. / 24, 1. / 12, 1. / 6 },
	    { 0, 0, 1 } },
	  { { 1, 1, 1, 1, 1, 0 },
	    { 0, 1, -1, 2, -2, 0 },
	    { 0, 1, 1, 4, 4, 0 },
	    { 0, 1, -1, 8, -8, 1 } } },
	{ 6,
	  { { 1, 0, -5.25, 0, 5.25, 0, -1, 0 },
	    { 0, 1, 1, -4.25, -4.25, 1, 1, 0 },
	    { 0, -1, 1, 4.25, -4.25, -1, 1, 0 },
	    { 0, .5, .25, -2.5, -1.25, 2, 1, 0 },
	    { 0, -.5, .25, 2.5, -1.25, -2, 1, 0 },
	    { 0, 2, 4, -2.5, -5, .5, 1, 0 },
	    { 0, -2, 4, 2.5, -5, -.5, 1, 0 },
	    { 0, -1, 0, 5.25, 0, -5.25, 0, 1 } },
	  { { 1, 0, 0 },
	    { 2. / 9, 2. / 9, 2. / 9 },
	    { 2. / 9, 2. / 9, 2. / 9 },
	    { 1. / 90, 1. / 45, 2. / 45 },
	    { 1. / 90, 1. / 45, 2. / 45 },
	    { 32. / 45, 16. / 45, 8. / 45 },
	    { 32. / 45, 16. / 45, 8. / 45 },
	    { 0, 0, 1 } },
	  { { 1, 1, 1, 1, 1, 1, 1, 0 },
	    { 0, 1, -1, 2, -2, .5, -.5, 0 },
	    { 0, 1, 1, 4, 4, .25, .25, 0 },
	    { 0, 1, -1, 8, -8, .125, -.125, 0 },
	    { 0, 1, 1, 16, 16, .0625, .0625, 0 },
	    { 0, 1, -1, 32, -32, .03125, -.03125, 1 } } },
};

static double norm2(const double *v, int n)
{
	double sum = 0;

	while (n--)
		sum += v[n] * v[n];
	return sum;
}

/* L(m) of the head comment. */
static double growth(const struct transform *t)
{
	double most = 0, sum;
	int i, p;

	for (i = 0; i < t->m; i++) {
		sum = 0;
		for (p = 0; p < t->m + 2; p++)
			sum += t->a[i][p] * t->a[i][p] * norm2(t->g[p], 3) *
			       norm2(t->b[p], t->m + 2);
		most = sum > most ? sum : most;
	}
	return sqrt(most);
}

/* Of the sizes that a side may be cut into. */
static double most_growth(unsigned int sizes)
{
	double most = 0, one;
	size_t i;

	for (i = 0; i < 3; i++) {
		one = growth(&transforms[i]);
		if (sizes & 1u << transforms[i].m && one > most)
			most = one;
	}
	return most;
}

/* How far a sum may be from the exact one. */
static double bound(const struct f32_case *c)
{
	double n = c->k.in_c, l;

	if (c->engine->sizes) {
		l = most_growth(c->sizes_h) * most_growth(c->sizes_w);
	} else {
		n *= c->k.win.kernel_h * c->k.win.kernel_w;
		l = 1;
	}
	return 4 * U * sqrt(n + 30) * sqrt(n) * l * c->x_size * c->w_size;
}

/*
 * Cases.
 */
static void new_shape(struct f32_case *c, bool winograd, uint64_t *seed)
{
	struct vgg_conv_f32 *k = &c->k;
	struct conv_case like;

	/* As the int8 ones are, with half as many channels. */
	conv_case_shape(&like, winograd ? WINOGRAD : ANY, seed);
	*c = (struct f32_case){ .h = like.h, .w = like.w };
	k->in_h = like.k.in.h;
	k->in_w = like.k.in.w;
	k->in_c = (like.k.in.c + 1) / 2;
	k->out_c = like.k.out.c;
	k->win = like.k.win;
	k->has_pool = like.k.has_pool;
	k->pool = like.k.pool;
	k->relu = like.k.relu;
	k->lo = test_random(seed) & 1 ? -INFINITY : -1;
	k->hi = test_random(seed) & 1 ? INFINITY : 3;
}

float *f32_random(size_t n, double lo, double hi, uint64_t *seed)
{
	float *v = guard_new(n * sizeof(*v), seed);
	size_t i;

	for (i = 0; i < n; i++)
		v[i] = (float)(lo + (hi - lo) *
					    (double)(test_random(seed) >> 11) *
					    0x1p-53);
	return v;
}

static size_t in_count(const struct f32_case *c)
{
	return (size_t)c->k.in_h * (size_t)c->k.in_w * (size_t)c->k.in_c;
}

static size_t weight_count(const struct f32_case *c)
{
	return (size_t)(c->k.win.kernel_h * c->k.win.kernel_w * c->k.in_c *
			c->k.out_c);
}

static double root_mean_square(const float *v, size_t n)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < n; i++)
		sum += (double)v[i] * (double)v[i];
	return sqrt(sum / (double)n);
}

static double exact_sum(const struct f32_case *c, int y, int x, int o)
{
	const struct vgg_conv_f32 *k = &c->k;
	const struct vgg_window *w = &k->win;
	const float *f =
		c->weight + (size_t)o * weight_count(c) / (size_t)k->out_c;
	int i, j, ch, iy, ix;
	double sum = 0;

	for (i = 0; i < w->kernel_h; i++)
		for (j = 0; j < w->kernel_w; j++, f += k->in_c) {
			iy = y * w->stride_h - w->pad_top + i;
			ix = x * w->stride_w - w->pad_left + j;
			if (iy < 0 || iy >= k->in_h || ix < 0 || ix >= k->in_w)
				continue;
			for (ch = 0; ch < k->in_c; ch++)
				sum += (double)f[ch] *
				       (double)c->in[(iy * k->in_w + ix) *
							     k->in_c +
						     ch];
		}
	return sum;
}

void f32_case_new(struct f32_case *c, bool winograd, uint64_t *seed)
{
	size_t n, i = 0;
	double size;
	int y, x, o;

	new_shape(c, winograd, seed);
	/* Behind a relu nothing is negative. */
	c->in = f32_random(in_count(c), test_random(seed) & 1 ? -1 : 0, 1,
			   seed);
	size = ldexp(1, (int)test_random_in(seed, -8, 2));
	c->weight = f32_random(weight_count(c), -size, size, seed);
	c->x_size = root_mean_square(c->in, in_count(c));
	c->w_size = root_mean_square(c->weight, weight_count(c));
	n = (size_t)c->k.out_c;
	c->bias = f32_random(n, -2, 2, seed);
	c->scale = f32_random(n, -2, 2, seed);
	c->shift = f32_random(n, -2, 2, seed);
	c->k.bias = test_random(seed) & 1 ? c->bias : NULL;
	if (test_random(seed) & 1) {
		c->k.scale = c->scale;
		c->k.shift = c->shift;
	}
	c->sum = malloc((size_t)c->h * (size_t)c->w * n * sizeof(*c->sum));
	if (!c->sum)
		abort();
	for (y = 0; y < c->h; y++)
		for (x = 0; x < c->w; x++)
			for (o = 0; o < c->k.out_c; o++)
				c->sum[i++] = exact_sum(c, y, x, o);
}

void f32_case_free(struct f32_case *c)
{
	guard_free(c->in);
	guard_free(c->weight);
	guard_free(c->bias);
	guard_free(c->scale);
	guard_free(c->shift);
	free(c->sum);
}

static double exact(const struct f32_case *c, int y, int x, int o)
{
	const struct vgg_conv_f32 *k = &c->k;
	double v = c->sum[((size_t)y * (size_t)c->w + (size_t)x) *
				  (size_t)k->out_c +
			  (size_t)o];

	if (k->bias)
		v += (double)k->bias[o];
	if (k->relu && v < 0)
		v = 0;
	if (k->scale)
		v = v * (double)k->scale[o] + (double)k->shift[o];
	v = v < (double)k->lo ? (double)k->lo : v;
	return v > (double)k->hi ? (double)k->hi : v;
}

static double exact_pooled(const struct f32_case *c, int y, int x, int o)
{
	double best = -INFINITY, v;
	int i;

	for (i = 0; i < 4; i++) {
		v = exact(c, 2 * y + i / 2, 2 * x + i % 2, o);
		best = v > best ? v : best;
	}
	return best;
}

/*
 * Running.
 */
size_t f32_case_outputs(const struct f32_case *c, bool pooled)
{
	int by = pooled ? 2 : 1;

	return (size_t)(c->h / by) * (size_t)(c->w / by) * (size_t)c->k.out_c;
}

/* The engine and the tile sizes of `c`, whatever the library would choose. */
static void make_ready(struct vgg_ready_f32 *r, struct f32_case *c,
		       struct vgg_l2 l2)
{
	struct vgg_conv_shape s;

	vgg_ready_f32_init(r, c->kernels, &c->k, l2);
	if (!c->engine) {
		c->engine = r->c.e;
		c->sizes_h = r->c.sizes_h;
		c->sizes_w = r->c.sizes_w;
		return;
	}
	s = r->c.s;
	s.pool = c->engine->sizes && c->k.has_pool &&
		 vgg_conv_can_pool(&c->k.pool);
	r->pool_after = c->k.has_pool && !s.pool;
	vgg_conv_init(&r->c, c->engine, &s, l2);
	if (c->engine->sizes && c->together) {
		r->c.joint = c->joint;
		r->c.fresh = c->fresh && c->engine->fresh_f32[1][1];
		r->c.together = c->together;
	}
	if (c->engine->sizes)
		conv_force_sizes(&r->c, c->sizes_h, c->sizes_w);
}

/* The upper ones last, and with a row too much: a range may end anywhere. */
static void run_ranges(const struct vgg_ready_f32 *r, const struct f32_case *c,
		       float *out, const struct vgg_team *team, char *space)
{
	int h = r->c.s.pool ? r->c.s.h / 2 : r->c.s.h, grain, row, i;
	int channels = c->cut_c;

	if (!c->cut_row && !c->cut_c) {
		vgg_ready_f32_run(r, c->in, out, NULL, team, space);
		return;
	}
	grain = vgg_conv_grain(&r->c);
	channels -= channels % grain;
	row = vgg_conv_row_start(&r->c, c->cut_row < h ? c->cut_row : h);
	for (i = 3; i >= 0; i--) {
		struct vgg_conv_range range = { i & 1 ? row : 0,
						i & 1 || row == h ? h : row + 1,
						i & 2 ? channels : 0,
						i & 2 ? c->k.out_c : channels };

		if (range.row0 < range.row1 && range.c0 < range.c1)
			vgg_ready_f32_run(r, c->in, out, &range, team, space);
	}
}

/* The output, to be freed; whether it is behind the pool. */
float *f32_case_run(struct f32_case *c, struct vgg_l2 l2,
		    const struct vgg_team *team, bool *pooled)
{
	struct vgg_ready_f32 r;
	float *out;
	void *space;
	int b;

	make_ready(&r, c, l2);
	*pooled = r.c.s.pool;
	r.c.packed = guard_new_aligned(r.c.packed_bytes, NULL);
	for (b = 0; b < r.c.blocks; b++)
		vgg_ready_f32_pack(&r, c->weight, b);
	guard_seal(r.c.packed);
	out = guard_new(f32_case_outputs(c, *pooled) * sizeof(*out), NULL);
	space = guard_new_aligned(vgg_ready_f32_workspace(&r, team->workers),
				  NULL);
	run_ranges(&r, c, out, team, space);
	guard_free(space);
	guard_free(r.c.packed);
	return out;
}

void f32_case_describe(const struct f32_case *c)
{
	const struct vgg_conv_f32 *k = &c->k;
	const struct vgg_window *w = &k->win;

	TH_LOG("%s, tiles %#x x %#x, joint %d, fresh %d, together %d: %dx%dx%d "
	       "-> %dx%dx%d, kernel %dx%d stride "
	       "%dx%d pads %d,%d,%d,%d, pool %d, relu %d, scale %d",
	       c->kernels->name, c->sizes_h, c->sizes_w, c->joint, c->fresh,
	       c->together, k->in_h, k->in_w, k->in_c, c->h, c->w, k->out_c,
	       w->kernel_h, w->kernel_w, w->stride_h, w->stride_w, w->pad_top,
	       w->pad_left, w->pad_bottom, w->pad_right, k->has_pool, k->relu,
	       !!k->scale);
}

/* The largest share of the bound that any output takes. */
double f32_case_share(const struct f32_case *c, const float *out, bool pooled)
{
	int h = pooled ? c->h / 2 : c->h, w = pooled ? c->w / 2 : c->w;
	double most = 0, want, sum = bound(c), error, allowed;
	int y, x, o;

	for (y = 0; y < h; y++)
		for (x = 0; x < w; x++)
			for (o = 0; o < c->k.out_c; o++) {
				want = pooled ? exact_pooled(c, y, x, o) :
						exact(c, y, x, o);
				/* Bias, scale and shift round as well. */
				allowed = sum;
				if (c->k.scale)
					allowed *= fabs((double)c->scale[o]);
				allowed += 8 * U * (fabs(want) + 8);
				error = fabs(want - (double)*out++) / allowed;
				if (!(error <= most))
					most = isnan(error) ? INFINITY : error;
			}
	return most;
}
