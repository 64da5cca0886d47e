// SPDX-License-Identifier: MIT
/* Pools and what else works value by value (affine, LRN), of every set of
 * kernels against the reference. */
#include "support.h"

#define UNTOUCHED 0x5a

/* The reference's result in `want`, and another one's. */
struct outputs {
	int8_t *want, *got;
	size_t bytes;
};

static void outputs_new(struct outputs *o, size_t bytes, uint64_t *seed)
{
	o->bytes = bytes;
	o->want = guard_new(bytes, seed);
	o->got = guard_new(bytes, seed);
	memset(o->want, UNTOUCHED, bytes);
}

static void outputs_free(struct outputs *o)
{
	guard_free(o->want);
	guard_free(o->got);
}

static void outputs_compare(const struct outputs *o, const char *name,
			    const char *what)
{
	size_t at = first_difference(o->want, o->got, o->bytes);

	if (at == o->bytes)
		return;
	TH_LOG("%s, %s: byte %zu", name, what, at);
	EXPECT_EQ(o->want[at], o->got[at]);
}

static void random_clamp(int *lo, int *hi, uint64_t *seed)
{
	*lo = (int)test_random_in(seed, -128, 127);
	*hi = (int)test_random_in(seed, *lo, 127);
	if (test_random(seed) & 1) {
		*lo = -128;
		*hi = 127;
	}
}

/* An image with random values. */
static void new_input(struct vgg_image_s8 *m, uint64_t *seed)
{
	size_t bytes = lay_out(m, seed);

	m->data = guard_new(bytes, seed);
	fill(m->data, bytes, test_random(seed) % KINDS, m->pixel, seed);
	guard_seal(m->data);
}

static void random_pool(struct vgg_pool_s8 *k, uint64_t *seed)
{
	do {
		memset(k, 0, sizeof(*k));
		k->in.h = random_size(seed, 40);
		k->in.w = random_size(seed, 40);
		k->win = random_window(seed, 7);
		k->out.h = extent(k->in.h, k->win.kernel_h, k->win.stride_h,
				  k->win.pad_top, k->win.pad_bottom);
		k->out.w = extent(k->in.w, k->win.kernel_w, k->win.stride_w,
				  k->win.pad_left, k->win.pad_right);
		k->in.c = k->out.c = random_size(seed, 300);
	} while (!k->out.h || !k->out.w ||
		 k->out.h * k->out.w * k->in.c * k->win.kernel_h > 30000);
	k->average = test_random(seed) & 1;
	k->exclude_pad = k->average && test_random(seed) & 1;
	k->pad_value = (int)test_random_in(seed, -128, 127);
	random_clamp(&k->lo, &k->hi, seed);
}

static struct vgg_qparam *pool_params(const struct vgg_pool_s8 *k,
				      uint64_t *seed)
{
	int taps = k->win.kernel_h * k->win.kernel_w;
	struct vgg_qparam *p = guard_new((size_t)taps * sizeof(*p), NULL);

	if (test_random(seed) & 1)
		fill_params(p, taps, 100 * taps, seed);
	else
		fill_params_extreme(p, taps, seed);
	guard_seal(p);
	return p;
}

static void check_pool(uint64_t *seed)
{
	const struct vgg_kernels *v;
	struct vgg_pool_s8 k;
	struct vgg_qparam *p;
	struct outputs o;
	int row0, row1, c0, c1;
	unsigned int i;

	random_pool(&k, seed);
	row0 = (int)test_random_in(seed, 0, k.out.h - 1);
	row1 = (int)test_random_in(seed, row0 + 1, k.out.h);
	c0 = (int)test_random_in(seed, 0, k.out.c - 1);
	c1 = (int)test_random_in(seed, c0 + 1, k.out.c);
	new_input(&k.in, seed);
	k.param = p = pool_params(&k, seed);
	outputs_new(&o, lay_out(&k.out, seed), seed);
	k.out.data = o.want;
	vgg_pool_scalar(&k, row0, row1, c0, c1);
	k.out.data = o.got;
	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		if (!v->usable())
			continue;
		memset(o.got, UNTOUCHED, o.bytes);
		v->pool(&k, row0, row1, c0, c1);
		outputs_compare(&o, v->name, k.average ? "average" : "maximum");
	}
	outputs_free(&o);
	guard_free(k.in.data);
	guard_free(p);
}

TEST_TIMEOUT(pools_equal_the_reference, 120)
{
	uint64_t seed = test_seed();
	int i;

	for (i = 0; i < rounds(1500) && !test_state.failed; i++)
		check_pool(&seed);
}

static void random_image(struct vgg_image_s8 *m, uint64_t *seed)
{
	memset(m, 0, sizeof(*m));
	m->h = random_size(seed, 12);
	m->w = random_size(seed, 12);
	m->c = random_size(seed, 300);
}

static void check_affine(uint64_t *seed)
{
	struct vgg_affine_s8 k = { .relu = test_random(seed) & 1 };
	const struct vgg_kernels *v;
	struct vgg_qparam *p;
	struct outputs o;
	unsigned int i;
	int row0, c;

	random_image(&k.in, seed);
	k.out = k.in;
	random_clamp(&k.lo, &k.hi, seed);
	new_input(&k.in, seed);
	p = guard_new((size_t)k.in.c * sizeof(*p), NULL);
	if (test_random(seed) & 1)
		fill_params_extreme(p, k.in.c, seed);
	else
		fill_params(p, k.in.c, 128, seed);
	for (c = 0; c < k.in.c; c++) /* its sum must not overflow */
		p[c].bias /= 2;
	guard_seal(p);
	k.param = p;
	outputs_new(&o, lay_out(&k.out, seed), seed);
	row0 = (int)test_random_in(seed, 0, k.out.h - 1);
	k.out.data = o.want;
	vgg_affine_scalar(&k, row0, k.out.h);
	k.out.data = o.got;
	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		if (!v->usable())
			continue;
		memset(o.got, UNTOUCHED, o.bytes);
		v->affine(&k, row0, k.out.h);
		outputs_compare(&o, v->name, "affine");
	}
	outputs_free(&o);
	guard_free(k.in.data);
	guard_free(p);
}

TEST(affine_equals_the_reference)
{
	uint64_t seed = test_seed() + 1;
	int i;

	for (i = 0; i < rounds(500) && !test_state.failed; i++)
		check_affine(&seed);
}

static void check_lrn(uint64_t *seed)
{
	struct vgg_lrn_s8 k = { .size = (int)test_random_in(seed, 1, 15) };
	size_t bytes = (VGG_LRN_STEPS + 2) * sizeof(int32_t);
	int32_t *table = guard_new(bytes, NULL);
	const struct vgg_kernels *v;
	struct outputs o;
	unsigned int i;

	/* The largest sum, 15 * 255^2, lies within the table. */
	table[0] = 10;
	for (i = 1; i < VGG_LRN_STEPS + 2; i++)
		table[i] = (int32_t)test_random_in(seed, 0, 1 << 26);
	guard_seal(table);
	k.table = table;
	random_image(&k.in, seed);
	k.out = k.in;
	k.in_zero = (int)test_random_in(seed, -128, 127);
	k.out_zero = (int)test_random_in(seed, -128, 127);
	new_input(&k.in, seed);
	outputs_new(&o, lay_out(&k.out, seed), seed);
	k.out.data = o.want;
	vgg_lrn_scalar(&k, 0, k.out.h);
	k.out.data = o.got;
	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		if (!v->usable())
			continue;
		memset(o.got, UNTOUCHED, o.bytes);
		v->lrn(&k, 0, k.out.h);
		outputs_compare(&o, v->name, "LRN");
	}
	outputs_free(&o);
	guard_free(k.in.data);
	guard_free(table);
}

TEST(lrn_equals_the_reference)
{
	uint64_t seed = test_seed() + 2;
	int i;

	for (i = 0; i < rounds(300) && !test_state.failed; i++)
		check_lrn(&seed);
}

/* The definition in kernels.h, by hand. */
TEST(lrn_is_what_its_table_says)
{
	int32_t table[VGG_LRN_STEPS + 2] = { 4 };
	int8_t in[3] = { 10, 6, -2 }, out[3];
	struct vgg_lrn_s8 k = { .in = { in, 3, 3, 1, 1, 3 },
				.out = { out, 3, 3, 1, 1, 3 },
				.table = table,
				.size = 3,
				.in_zero = 2,
				.out_zero = -1 };
	const struct vgg_kernels *v;
	unsigned int i;

	/* What lies behind is not reached. */
	for (i = 1; i < 100; i++)
		table[i] = (int32_t)i << 22;
	/* d = 8, 4, -4; sums 80, 96, 32; over 16: entries 5, 6, 2 of 0-based i,
	 * so f = 6, 7, 3 quarters; y = d * f - 1 = 11, 6, -4 */
	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		if (!v->usable())
			continue;
		memset(out, 0, sizeof(out));
		v->lrn(&k, 0, 1);
		EXPECT_EQ(11, out[0]);
		EXPECT_EQ(6, out[1]);
		EXPECT_EQ(-4, out[2]);
	}
}

TEST_HARNESS_MAIN
