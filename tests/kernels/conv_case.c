// SPDX-License-Identifier: MIT
/* See conv_case.h. */
#include "conv_case.h"

#define UNTOUCHED 0x5a

/*
 * Shapes.
 */
static void shape_sizes(struct conv_case *c, enum shape_kind kind,
			uint64_t *seed)
{
	struct vgg_conv_s8 *k = &c->k;

	k->in.h = random_size(seed, kind == PRODUCT ? 8 : 40);
	k->in.w = random_size(seed, kind == PRODUCT ? 8 : 40);
	k->in.c = random_size(seed, 600);
	k->out.c = random_size(seed, 100);
	k->win = random_window(seed, test_random(seed) % 6 ? 3 : 11);
	if (kind == WINOGRAD) {
		k->win = random_window(seed, 3);
		k->win.kernel_h = k->win.kernel_w = 3;
		k->win.stride_h = k->win.stride_w = 1;
	} else if (kind == PRODUCT) {
		k->win.kernel_h = k->in.h;
		k->win.kernel_w = k->in.w;
		k->win.pad_top = k->win.pad_left = 0;
		k->win.pad_bottom = k->win.pad_right = 0;
	}
}

static void shape_output(struct conv_case *c, uint64_t *seed)
{
	struct vgg_conv_s8 *k = &c->k;
	const struct vgg_window *w = &k->win, *p = &k->pool;

	c->h = extent(k->in.h, w->kernel_h, w->stride_h, w->pad_top,
		      w->pad_bottom);
	c->w = extent(k->in.w, w->kernel_w, w->stride_w, w->pad_left,
		      w->pad_right);
	k->out.h = c->h;
	k->out.w = c->w;
	k->has_pool = c->h && c->w && test_random(seed) & 1;
	if (!k->has_pool)
		return;
	k->pool = test_random(seed) % 4 ?
			  (struct vgg_window){ 2, 2, 2, 2, 0, 0, 0, 0 } :
			  random_window(seed, 3);
	k->out.h = extent(c->h, p->kernel_h, p->stride_h, p->pad_top,
			  p->pad_bottom);
	k->out.w = extent(c->w, p->kernel_w, p->stride_w, p->pad_left,
			  p->pad_right);
}

/* The time that the reference and packing take, in products. */
static int64_t cost(const struct conv_case *c)
{
	const struct vgg_conv_s8 *k = &c->k;
	int64_t weights =
		(int64_t)k->win.kernel_h * k->win.kernel_w * k->in.c * k->out.c;
	int64_t pixels = (int64_t)k->out.h * k->out.w;

	if (k->has_pool)
		pixels *= k->pool.kernel_h * k->pool.kernel_w;
	return weights * (pixels + 30);
}

void conv_case_shape(struct conv_case *c, enum shape_kind kind, uint64_t *seed)
{
	int64_t most = test_random(seed) % 16 ? 300000 : 3000000;

	do {
		memset(c, 0, sizeof(*c));
		shape_sizes(c, kind, seed);
		shape_output(c, seed);
	} while (c->k.out.h < 1 || c->k.out.w < 1 || cost(c) > most);
	c->range = (struct vgg_conv_range){ 0, c->k.out.h, 0, c->k.out.c };
	c->k.relu = test_random(seed) & 1;
	c->k.pad_value = (int)test_random_in(seed, -128, 127);
	c->k.lo = -128;
	c->k.hi = 127;
	if (test_random(seed) & 1) {
		c->k.lo = (int)test_random_in(seed, -128, 127);
		c->k.hi = (int)test_random_in(seed, c->k.lo, 127);
	}
}

/*
 * Values.
 */
static size_t taps(const struct conv_case *c)
{
	const struct vgg_window *w = &c->k.win;

	return (size_t)w->kernel_h * (size_t)w->kernel_w * (size_t)c->k.in.c;
}

void conv_case_fill(struct conv_case *c, uint64_t *seed)
{
	struct vgg_conv_s8 *k = &c->k;
	size_t in, weights = taps(c) * (size_t)k->out.c;
	/* The standard deviation of a sum of random products. */
	double size = 5500 * __builtin_sqrt((double)taps(c));
	struct vgg_qparam *param;
	int8_t *weight;

	if (!k->in.pixel) {
		in = lay_out(&k->in, seed);
	} else {
		k->in.pixel = (size_t)k->in.c;
		k->in.pitch = k->in.pixel * (size_t)k->in.w;
		in = k->in.pitch * (size_t)k->in.h;
	}
	c->out_bytes = lay_out(&k->out, seed);
	k->in.data = guard_new(in, seed);
	fill(k->in.data, in, test_random(seed) % KINDS, k->in.pixel, seed);
	weight = guard_new(weights, seed);
	fill(weight, weights, test_random(seed) % KINDS, (size_t)k->in.c, seed);
	k->weight = weight;
	param = guard_new((size_t)k->out.c * sizeof(*param), NULL);
	fill_params(param, k->out.c, (int64_t)size, seed);
	k->param = param;
	k->out.data = guard_new(c->out_bytes, seed);
}

static int tap(const struct vgg_conv_s8 *k, int y, int x, int channel)
{
	if (y < 0 || y >= k->in.h || x < 0 || x >= k->in.w)
		return k->pad_value;
	return k->in.data[(size_t)y * k->in.pitch + (size_t)x * k->in.pixel +
			  (size_t)channel];
}

uint32_t conv_case_sum(const struct conv_case *c, int y, int x, int filter)
{
	const struct vgg_conv_s8 *k = &c->k;
	const int8_t *w = k->weight + (size_t)filter * taps(c);
	uint32_t sum = 0;
	int i, j, ch;

	y = y * k->win.stride_h - k->win.pad_top;
	x = x * k->win.stride_w - k->win.pad_left;
	for (i = 0; i < k->win.kernel_h; i++)
		for (j = 0; j < k->win.kernel_w; j++)
			for (ch = 0; ch < k->in.c; ch++)
				sum += (uint32_t)(*w++ *
						  tap(k, y + i, x + j, ch));
	return sum;
}

/* So that the result at an accumulator of -sum is near the middle, and one unit
 * of it is one unit of the result. */
static void focus(struct conv_case *c, int filter, int y, int x, int middle)
{
	struct vgg_qparam *p = (struct vgg_qparam *)&c->k.param[filter];

	p->bias = (int32_t)((uint32_t)middle - conv_case_sum(c, y, x, filter));
	p->mult = p->mult < 0 ? -2 : 2;
	p->shift = 1;
	p->offset = 0;
}

void conv_case_focus(struct conv_case *c, uint64_t *seed)
{
	int f, y, x;

	for (f = 0; f < c->k.out.c; f++) {
		y = (int)test_random_in(seed, 0, c->h - 1);
		x = (int)test_random_in(seed, 0, c->w - 1);
		focus(c, f, y, x, (int)test_random_in(seed, -100, 100));
	}
}

void conv_case_focus_at(struct conv_case *c, int y, int x)
{
	int f;

	c->k.relu = false;
	c->k.lo = -128;
	c->k.hi = 127;
	for (f = 0; f < c->k.out.c; f++)
		focus(c, f, y, x, f % 200 - 100);
}

void conv_case_want(struct conv_case *c)
{
	guard_seal(c->k.in.data);
	guard_seal(c->k.weight);
	guard_seal(c->k.param);
	memset(c->k.out.data, UNTOUCHED, c->out_bytes);
	vgg_conv_scalar(&c->k, c->range.row0, c->range.row1, c->range.c0,
			c->range.c1);
	guard_seal(c->k.out.data);
}

/* Channels are cut where all engines can: blocks divide 32. */
static void random_range(struct conv_case *c, uint64_t *seed)
{
	struct vgg_conv_range *r = &c->range;
	int blocks = (c->k.out.c + VGG_BLOCK_MAX - 1) / VGG_BLOCK_MAX;

	r->row0 = (int)test_random_in(seed, 0, c->k.out.h - 1);
	r->row1 = (int)test_random_in(seed, r->row0 + 1, c->k.out.h);
	r->c0 = (int)test_random_in(seed, 0, blocks - 1);
	r->c1 = (int)test_random_in(seed, r->c0 + 1, blocks) * VGG_BLOCK_MAX;
	r->c0 *= VGG_BLOCK_MAX;
	if (r->c1 > c->k.out.c)
		r->c1 = c->k.out.c;
}

void conv_case_new(struct conv_case *c, enum shape_kind kind, uint64_t *seed)
{
	conv_case_shape(c, kind, seed);
	/* A product with a vector needs an input without gaps. */
	c->k.in.pixel = kind == PRODUCT;
	if (test_random(seed) & 1)
		random_range(c, seed);
	conv_case_fill(c, seed);
	switch (test_random(seed) % 4) {
	case 0:
		fill_params_extreme((struct vgg_qparam *)c->k.param, c->k.out.c,
				    seed);
		break;
	case 1:
		conv_case_focus(c, seed);
		break;
	}
	conv_case_want(c);
}

void conv_case_free(struct conv_case *c)
{
	guard_free(c->k.in.data);
	guard_free(c->k.weight);
	guard_free(c->k.param);
	guard_free(c->k.out.data);
}

/*
 * Running.
 */
static struct vgg_team random_team(struct shuffle *s, uint64_t *seed)
{
	s->workers = (int)test_random_in(seed, 1, 5);
	s->seed = test_random(seed);
	return s->workers == 1 ? alone : team_shuffled(s);
}

void conv_force_sizes(struct vgg_conv *conv, unsigned int sizes_h,
		      unsigned int sizes_w)
{
	static char anywhere[64];

	conv->sizes_h = sizes_h;
	conv->sizes_w = sizes_w;
	/* Behind the weights comes the finish of each block, then a pixel. */
	conv->packed = anywhere;
	conv->packed_bytes =
		(size_t)((char *)vgg_conv_finish(conv, conv->blocks) -
			 anywhere) +
		((size_t)conv->s.in_c * 4 + 63) / 64 * 64;
}

void conv_how_init(const struct conv_how *how, struct vgg_engine *e,
		   struct vgg_conv *conv, const struct vgg_conv_shape *s,
		   struct vgg_l2 l2)
{
	*e = *how->engine;
	e->gemm[0] = e->gemm[1] = how->engine->gemm[how->gemm];
	vgg_conv_init(conv, e, s, l2);
	if (how->sizes_h)
		conv_force_sizes(conv, how->sizes_h, how->sizes_w);
}

static struct vgg_conv_shape shape_of(const struct conv_case *c)
{
	const struct vgg_conv_s8 *k = &c->k;

	return (struct vgg_conv_shape){ .in_h = k->in.h,
					.in_w = k->in.w,
					.in_c = k->in.c,
					.h = c->h,
					.w = c->w,
					.out_c = k->out.c,
					.win = k->win,
					.pool = k->has_pool };
}

static void pack(const struct conv_case *c, const struct conv_how *how,
		 struct vgg_conv *conv, uint64_t *seed)
{
	struct vgg_finish_s8 *f;
	int b, i, turn = (int)(test_random(seed) % (uint64_t)conv->blocks);

	conv->packed = guard_new_aligned(conv->packed_bytes, seed);
	vgg_conv_pack_pad(conv, c->k.pad_value);
	for (b = 0; b < conv->blocks; b++) {
		i = (b + turn) % conv->blocks; /* in any order */
		vgg_conv_pack_s8(conv, i, &c->k);
		f = vgg_conv_finish(conv, i);
		if (how->force_parts)
			f->parts = how->force_parts;
	}
	guard_seal(conv->packed);
}

static void run_engine(const struct conv_case *c, const struct conv_how *how,
		       int8_t *got, const struct vgg_team *team, uint64_t *seed)
{
	const struct vgg_conv_io io = { c->k.in.data,	c->k.in.pitch,
					c->k.in.pixel,	got,
					c->k.out.pitch, c->k.out.pixel };
	const struct vgg_conv_shape s = shape_of(c);
	struct vgg_engine e;
	struct vgg_conv conv;
	char *space;

	conv_how_init(how, &e, &conv, &s, random_l2(seed, 0, 1 << 26));
	pack(c, how, &conv, seed);
	space = guard_new_aligned(vgg_conv_workspace(&conv, team->workers),
				  seed);
	vgg_conv_run(&conv, &io, &c->range, team, space);
	guard_free(space);
	guard_free(conv.packed);
}

static void run_ready(const struct conv_case *c, const struct vgg_kernels *v,
		      int8_t *got, const struct vgg_team *team, uint64_t *seed)
{
	struct vgg_conv_s8 k = c->k;
	struct vgg_ready_s8 r;
	char *space;
	int b;

	k.in.data = k.out.data = NULL;
	vgg_ready_s8_init(&r, v, &k, random_l2(seed, 0, 1 << 26));
	r.c.packed = guard_new_aligned(r.c.packed_bytes, seed);
	for (b = 0; b < vgg_ready_s8_blocks(&r); b++)
		vgg_ready_s8_pack(&r, b);
	if (r.way != VGG_WAY_DOT) /* which takes notes there */
		guard_seal(r.c.packed);
	space = guard_new_aligned(vgg_ready_s8_workspace(&r, team->workers),
				  seed);
	vgg_ready_s8_run(&r, c->k.in.data, got, &c->range, team, space);
	guard_free(space);
	guard_free(r.c.packed);
}

void conv_case_run(const struct conv_case *c, const struct conv_how *how,
		   int8_t *got, uint64_t *seed)
{
	struct shuffle shuffle;
	struct vgg_team team = random_team(&shuffle, seed);

	if (how->engine)
		run_engine(c, how, got, &team, seed);
	else
		run_ready(c, how->kernels, got, &team, seed);
}

size_t conv_case_difference(const struct conv_case *c,
			    const struct conv_how *how, uint64_t *seed)
{
	int8_t *got = guard_new(c->out_bytes, seed);
	size_t at;

	memset(got, UNTOUCHED, c->out_bytes);
	conv_case_run(c, how, got, seed);
	at = first_difference(c->k.out.data, got, c->out_bytes);
	guard_free(got);
	return at;
}

static void describe(const struct conv_case *c, const struct conv_how *how)
{
	const struct vgg_conv_s8 *k = &c->k;
	const struct vgg_window *w = &k->win, *p = &k->pool;

	TH_LOG("%s, gemm %d, tiles %#x x %#x: %dx%dx%d (pitch %zu, pixel %zu) "
	       "-> %dx%dx%d (pitch %zu, pixel %zu)",
	       how->name, how->gemm, how->sizes_h, how->sizes_w, k->in.h,
	       k->in.w, k->in.c, k->in.pitch, k->in.pixel, c->h, c->w, k->out.c,
	       k->out.pitch, k->out.pixel);
	TH_LOG("kernel %dx%d stride %dx%d pads %d,%d,%d,%d; rows %d..%d, "
	       "channels %d..%d, relu %d, %d..%d",
	       w->kernel_h, w->kernel_w, w->stride_h, w->stride_w, w->pad_top,
	       w->pad_left, w->pad_bottom, w->pad_right, c->range.row0,
	       c->range.row1, c->range.c0, c->range.c1, k->relu, k->lo, k->hi);
	if (k->has_pool)
		TH_LOG("pool %dx%d stride %dx%d pads %d,%d,%d,%d", p->kernel_h,
		       p->kernel_w, p->stride_h, p->stride_w, p->pad_top,
		       p->pad_left, p->pad_bottom, p->pad_right);
}

bool conv_case_check(const struct conv_case *c, const struct conv_how *how,
		     uint64_t *seed)
{
	bool failed = test_state.failed;
	size_t at = conv_case_difference(c, how, seed);

	/* Freeing may have found something as well. */
	if (at == c->out_bytes && (failed || !test_state.failed))
		return true;
	describe(c, how);
	if (at < c->out_bytes)
		test_fail(__FILE__, __LINE__,
			  "%s: byte %zu of %zu differs from the reference",
			  how->name, at, c->out_bytes);
	return false;
}

unsigned int conv_some_sizes(const struct vgg_engine *e, uint64_t *seed)
{
	unsigned int set;

	if (!e->sizes) /* not an engine for Winograd: there is none to draw */
		abort();
	do
		set = e->sizes & (unsigned int)test_random(seed);
	while (!set);
	return set;
}

void conv_how_random_sizes(struct conv_how *how, uint64_t *seed)
{
	how->sizes_h = conv_some_sizes(how->engine, seed);
	how->sizes_w = conv_some_sizes(how->engine, seed);
}
