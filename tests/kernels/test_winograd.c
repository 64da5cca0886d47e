// SPDX-License-Identifier: MIT
/*
 * Winograd's way in int8: every tile size of every engine, and the proof that
 * its results are exact (conv_care.c) at its very edge.
 */
#include "conv_case.h"
#include "kernels/conv_parts.h"

/* Winograd engines that this CPU can run; NULL behind the last. */
static const struct vgg_kernels *usable(unsigned int *i)
{
	const struct vgg_kernels *v;

	while ((v = vgg_kernels_get(*i)) && ++*i)
		if (v->winograd_s8 && v->usable())
			return v;
	return NULL;
}

TEST_TIMEOUT(all_tilings_equal_the_reference, 120)
{
	uint64_t seed = test_seed();
	const struct vgg_kernels *v;
	struct conv_case c;
	unsigned int i;
	int round, n = rounds(1200);

	for (round = 0; round < n && !test_state.failed; round++) {
		conv_case_new(&c, WINOGRAD, &seed);
		/* Other pools are another kernel's. */
		if (c.k.has_pool && !vgg_conv_can_pool(&c.k.pool)) {
			conv_case_free(&c);
			continue;
		}
		for (i = 0; (v = usable(&i));) {
			struct conv_how how = { .name = v->name,
						.engine = v->winograd_s8 };

			how.gemm = (int)(test_random(&seed) & 1);
			conv_how_random_sizes(&how, &seed);
			conv_case_check(&c, &how, &seed);
		}
		conv_case_free(&c);
	}
}

/*
 * Every small output, with and without a pool, in every mix of tile sizes: all
 * edges that a tile can have.
 */
static void small(struct conv_case *c, int h, int w, bool pool, uint64_t *seed)
{
	struct vgg_conv_s8 *k = &c->k;

	*c = (struct conv_case){ .h = h, .w = w };
	k->in = (struct vgg_image_s8){ .h = h + 2, .w = w + 2 };
	k->in.c = random_size(seed, 40);
	k->win = (struct vgg_window){ 3, 3, 1, 1, 0, 0, 0, 0 };
	if (h > 2 && w > 2 && test_random(seed) & 1) {
		k->win.pad_top = k->win.pad_left = 1;
		k->win.pad_bottom = k->win.pad_right = 1;
		k->in.h -= 2;
		k->in.w -= 2;
	}
	k->out = (struct vgg_image_s8){ .h = h, .w = w };
	k->out.c = random_size(seed, 40);
	k->has_pool = pool;
	if (pool) {
		k->pool = (struct vgg_window){ 2, 2, 2, 2, 0, 0, 0, 0 };
		k->out.h /= 2;
		k->out.w /= 2;
	}
	k->lo = -128;
	k->hi = 127;
	c->range = (struct vgg_conv_range){ 0, k->out.h, 0, k->out.c };
	conv_case_fill(c, seed);
	if (test_random(seed) & 1)
		conv_case_focus(c, seed);
	conv_case_want(c);
}

/* Tiles of which sizes were stored: bit 3 * h + w of halves. */
static unsigned int seen;
static const struct vgg_engine *watched;

#define WATCH(h, w)                                                           \
	static void load_##h##w(const void *const *at, int channels, char *v, \
				size_t v_step)                                \
	{                                                                     \
		seen |= 1u << (3 * h + w);                                    \
		watched->load[h][w](at, channels, v, v_step);                 \
	}
WATCH(1, 1)
WATCH(1, 2)
WATCH(2, 1)
WATCH(2, 2)

static void watch(struct vgg_engine *e)
{
	watched = e;
	seen = 0;
}

/* The engine, noting which tiles it loads. */
static struct vgg_engine watching(const struct vgg_engine *e)
{
	struct vgg_engine w = *e;

	w.load[1][1] = load_11;
	w.load[1][2] = load_12;
	w.load[2][1] = load_21;
	w.load[2][2] = load_22;
	return w;
}

/* Sizes that a side of n outputs is cut into, as bits of m / 2. */
static unsigned int halves(int n, unsigned int sizes)
{
	if (sizes == 1u << 2)
		return 1u << 1;
	if (sizes == 1u << 4)
		return 1u << 2;
	/* Both: whole tiles of 4, one more for a rest of 3, else 2. */
	return (n >= 3 ? 1u << 2 : 0) |
	       (n % 4 == 1 || n % 4 == 2 ? 1u << 1 : 0);
}

static unsigned int expected_tiles(const struct conv_case *c,
				   const struct conv_how *how)
{
	int cut = c->k.has_pool ? ~1 : ~0; /* pools drop the odd ones */
	unsigned int h = halves(c->h & cut, how->sizes_h), tiles = 0;
	unsigned int w = halves(c->w & cut, how->sizes_w), i, k;

	for (i = 1; i <= 2; i++)
		for (k = 1; k <= 2; k++)
			if (h & 1u << i && w & 1u << k)
				tiles |= 1u << (3 * i + k);
	return tiles;
}

static void check_small(const struct conv_case *c, uint64_t *seed)
{
	static const unsigned int sizes[] = { 1 << 2, 1 << 4, 1 << 2 | 1 << 4 };
	const struct vgg_kernels *v;
	struct vgg_engine e, original;
	unsigned int i;
	int mix;

	for (i = 0; (v = usable(&i));) {
		struct conv_how how = { .name = v->name, .engine = &e };

		original = *v->winograd_s8;
		EXPECT_EQ(1u << 4 | 1u << 2, original.sizes);
		e = watching(&original);
		/* Under emulation one mix of the nine. */
		mix = test_emulated() ? (int)(test_random(seed) % 9) : 0;
		do {
			how.sizes_h = sizes[mix / 3];
			how.sizes_w = sizes[mix % 3];
			how.gemm = mix & 1;
			watch(&original);
			conv_case_check(c, &how, seed);
			EXPECT_EQ(expected_tiles(c, &how), seen);
		} while (!test_emulated() && ++mix < 9 && !test_state.failed);
	}
}

TEST_TIMEOUT(all_edges_of_tiles_equal_the_reference, 120)
{
	uint64_t seed = test_seed() + 1;
	struct conv_case c;
	int h, w, pool, most = rounds(100) < 100 ? 6 : 10;

	for (pool = 0; pool < 2; pool++)
		for (h = 1 + pool; h <= most && !test_state.failed; h++)
			for (w = 1 + pool; w <= most; w++) {
				small(&c, h, w, pool, &seed);
				check_small(&c, &seed);
				conv_case_free(&c);
			}
}

/* A pool over accumulators would choose the wrong one where the bias wraps some
 * of them. */
TEST(pools_are_right_where_a_bias_wraps)
{
	uint64_t seed = test_seed() + 2;
	const struct vgg_kernels *v;
	struct conv_case c;
	unsigned int i;
	int round;

	for (round = 0; round < rounds(200) && !test_state.failed; round++) {
		conv_case_shape(&c, WINOGRAD, &seed);
		if (!c.k.has_pool || !vgg_conv_can_pool(&c.k.pool))
			continue;
		conv_case_fill(&c, &seed);
		for (i = 0; i < (unsigned int)c.k.out.c; i++) {
			struct vgg_qparam *p =
				(struct vgg_qparam *)&c.k.param[i];

			/* Half of the sum takes it to an end of the range. */
			int32_t half =
				(int32_t)conv_case_sum(&c, 0, 0, (int)i) / 2;
			uint32_t end = 0x7fffffffu + (test_random(&seed) & 1);

			p->bias = (int32_t)(end - (uint32_t)half);
			p->mult = 1 << 30;
			p->shift = 54;
		}
		conv_case_want(&c);
		for (i = 0; (v = usable(&i));) {
			struct conv_how how = { .name = v->name,
						.engine = v->winograd_s8 };

			conv_case_check(&c, &how, &seed);
		}
		conv_case_free(&c);
	}
}

/*
 * Values at the ends of what 16 bits hold behind the transforms: all weights
 * and inputs -128 or 127, in every combination of constant, checkered and random
 * signs.
 */
static void extreme(struct conv_case *c, enum values x, enum values w, int size,
		    uint64_t *seed)
{
	struct vgg_conv_s8 *k = &c->k;
	size_t n;

	*c = (struct conv_case){ .h = size, .w = size };
	k->in = (struct vgg_image_s8){ .h = size, .w = size };
	k->in.c = (int)test_random_in(seed, 1, 70);
	k->out = (struct vgg_image_s8){ .h = size, .w = size };
	k->out.c = (int)test_random_in(seed, 1, 35);
	k->win = (struct vgg_window){ 3, 3, 1, 1, 1, 1, 1, 1 };
	k->pad_value = test_random(seed) & 1 ? 127 : -128;
	k->lo = -128;
	k->hi = 127;
	c->range = (struct vgg_conv_range){ 0, size, 0, k->out.c };
	conv_case_fill(c, seed);
	n = (size_t)(size - 1) * (k->in.pitch + k->in.pixel) + (size_t)k->in.c;
	fill(k->in.data, n, x, k->in.pixel, seed);
	n = (size_t)k->out.c * 9 * (size_t)k->in.c;
	fill((int8_t *)k->weight, n, w, (size_t)k->in.c, seed);
	conv_case_focus(c, seed);
	conv_case_want(c);
}

TEST(extreme_values_are_exact)
{
	static const enum values kinds[] = { LOWEST, HIGHEST, CHECKERED,
					     MIXED };
	uint64_t seed = test_seed() + 3;
	const struct vgg_kernels *v;
	struct conv_case c;
	unsigned int i;
	int round;

	for (round = 0; round < 32 && !test_state.failed; round++) {
		extreme(&c, kinds[round & 3], kinds[round >> 2 & 3],
			round & 16 ? 7 : 4, &seed);
		for (i = 0; (v = usable(&i));) {
			struct conv_how how = { .name = v->name,
						.engine = v->winograd_s8,
						.gemm = round & 1 };

			conv_how_random_sizes(&how, &seed);
			conv_case_check(&c, &how, &seed);
		}
		conv_case_free(&c);
	}
}

/*
 * The proof. A filter whose worst input gives exactly this accumulator: it has
 * to lie in -2^25 .. 2^25 - 1 for one part to do.
 */
#define LIMIT (1 << 25)
#define PROOF_CHANNELS 240 /* 9 * 240 * 127 > LIMIT / 128 */

/* The largest (sign 1) or smallest (sign -1) accumulator over channels
 * k0..k1-1, whatever the input: each input is chosen by its weight's sign. */
static int64_t worst(const int8_t *w, int channels, int k0, int k1, int sign)
{
	int64_t sum = 0;
	int tap, k;

	for (tap = 0; tap < 9; tap++)
		for (k = k0; k < k1; k++) {
			int one = w[tap * channels + k];
			int high = one * 127, low = one * -128;

			sum += (high > low) == (sign > 0) ? high : low;
		}
	return sum;
}

/* The least number of parts, cut at multiples of `step` as evenly as may be,
 * that each stay within the limit. */
static int parts_needed(const int8_t *w, int channels, int step)
{
	int steps = (channels + step - 1) / step, parts, i;

	for (parts = 1;; parts++) {
		for (i = 0; i < parts; i++) {
			int k0 = steps * i / parts * step;
			int k1 = steps * (i + 1) / parts * step;

			k1 = k1 < channels ? k1 : channels;
			if (worst(w, channels, k0, k1, -1) < -LIMIT ||
			    worst(w, channels, k0, k1, 1) >= LIMIT)
				break;
		}
		if (i == parts)
			return parts;
	}
}

/* n weights of one sign with this sum, otherwise at random. */
static void weights_with_sum(int8_t *w, int n, int sum, uint64_t *seed)
{
	int sign = sum < 0 ? -1 : 1, most = sum < 0 ? 128 : 127, i, k;

	for (i = 0, sum *= sign; i < n; i++) {
		int least = sum - (n - 1 - i) * most;

		w[i] = (int8_t)(sign * test_random_in(seed,
						      least > 0 ? least : 0,
						      sum < most ? sum : most));
		sum -= sign * w[i];
	}
	/* What was left over for the end goes anywhere. */
	for (i = n - 1; i > 0; i--) {
		int8_t was = w[i];

		k = (int)(test_random(seed) % (uint64_t)(i + 1));
		w[i] = w[k];
		w[k] = was;
	}
}

/* With `a` the sum of weights of the limit's sign and `b` of the other's, the
 * worst sum below is -128 a - 127 b, the one above 127 a + 128 b. */
static void weights_at(int8_t *w, int n, int64_t worst_sum, uint64_t *seed)
{
	int64_t size = llabs(worst_sum);
	int b = (int)((128 - size % 128) % 128), other = n / 64;

	if (worst_sum < 0) {
		weights_with_sum(w, other, -b, seed);
		weights_with_sum(w + other, n - other,
				 (int)((size - 127 * b) / 128), seed);
	} else {
		weights_with_sum(w, other, b, seed);
		weights_with_sum(w + other, n - other,
				 -(int)((size - 127 * b) / 128), seed);
	}
}

/* A convolution of one tile. */
static void proof_case(struct conv_case *c, int channels, int filters,
		       uint64_t *seed)
{
	struct vgg_conv_s8 *k = &c->k;

	*c = (struct conv_case){ .h = 4, .w = 4 };
	k->in = (struct vgg_image_s8){ .h = 6, .w = 6, .c = channels };
	k->out = (struct vgg_image_s8){ .h = 4, .w = 4, .c = filters };
	k->win = (struct vgg_window){ 3, 3, 1, 1, 0, 0, 0, 0 };
	c->range = (struct vgg_conv_range){ 0, 4, 0, filters };
	conv_case_fill(c, seed);
	fill(k->in.data, 5 * (k->in.pitch + k->in.pixel) + (size_t)channels,
	     MIXED, 1, seed);
}

static void worst_input(struct conv_case *c, int filter, int y, int x, int sign)
{
	struct vgg_conv_s8 *k = &c->k;
	const int8_t *w = k->weight + (size_t)(filter * 9 * k->in.c);
	int i, j, ch;

	for (i = 0; i < 3; i++)
		for (j = 0; j < 3; j++)
			for (ch = 0; ch < k->in.c; ch++, w++)
				k->in.data[(size_t)(y + i) * k->in.pitch +
					   (size_t)(x + j) * k->in.pixel +
					   (size_t)ch] =
					(*w > 0) == (sign > 0) ? 127 : -128;
}

/* The parts an engine takes for a block of filters. */
static int parts_taken(const struct conv_case *c, const struct conv_how *how,
		       int block)
{
	const struct vgg_conv_shape s = { .in_h = c->k.in.h,
					  .in_w = c->k.in.w,
					  .in_c = c->k.in.c,
					  .h = c->h,
					  .w = c->w,
					  .out_c = c->k.out.c,
					  .win = c->k.win };
	struct vgg_engine e;
	struct vgg_conv conv;

	conv_how_init(how, &e, &conv, &s, (struct vgg_l2){ 1 << 20, 1 });
	return vgg_conv_parts(&conv, c->k.weight, block);
}

static const struct conv_how whole_tile = { .sizes_h = 1 << 4,
					    .sizes_w = 1 << 4 };

static struct conv_how how_of(const struct vgg_kernels *v, int gemm)
{
	struct conv_how how = whole_tile;

	how.name = v->name;
	how.engine = v->winograd_s8;
	how.gemm = gemm;
	return how;
}

static void check_edge(int64_t limit, int parts, int y, int x, uint64_t *seed)
{
	const struct vgg_kernels *v;
	struct conv_case c;
	unsigned int i;
	int8_t *w;

	proof_case(&c, PROOF_CHANNELS, 3, seed);
	w = (int8_t *)c.k.weight;
	fill(w, 3 * 9 * PROOF_CHANNELS, SPARSE, 1, seed);
	w += 9 * PROOF_CHANNELS;
	weights_at(w, 9 * PROOF_CHANNELS, limit, seed);
	worst_input(&c, 1, y, x, limit < 0 ? -1 : 1);
	ASSERT_EQ(limit, worst(w, PROOF_CHANNELS, 0, PROOF_CHANNELS,
			       limit < 0 ? -1 : 1));
	ASSERT_EQ(limit, (int32_t)conv_case_sum(&c, y, x, 1));
	conv_case_focus_at(&c, y, x);
	conv_case_want(&c);
	for (i = 0; (v = usable(&i));) {
		struct conv_how how = how_of(v, y & 1);
		size_t at, bad = (size_t)y * c.k.out.pitch +
				 (size_t)x * c.k.out.pixel + 1;

		EXPECT_EQ(parts, parts_taken(&c, &how, 0));
		conv_case_check(&c, &how, seed);
		/* In one part it is right up to the limit, and only there. */
		how.force_parts = 1;
		at = conv_case_difference(&c, &how, seed);
		EXPECT_EQ(parts == 1 ? c.out_bytes : bad, at);
	}
	conv_case_free(&c);
}

TEST(the_proof_holds_up_to_its_limit)
{
	static const struct {
		int64_t sum;
		int parts;
	} edge[] = { { -LIMIT + 1, 1 }, { -LIMIT, 1 },	  { -LIMIT - 1, 2 },
		     { LIMIT - 2, 1 },	{ LIMIT - 1, 1 }, { LIMIT, 2 } };
	uint64_t seed = test_seed() + 4;
	size_t i;
	int at;

	/* The pixels of the diagonals, where the transform's rows differ. */
	for (i = 0; i < sizeof(edge) / sizeof(*edge); i++)
		for (at = 0; at < 4; at++)
			check_edge(edge[i].sum, edge[i].parts, at,
				   (at + (int)i) % 4, &seed);
}

/* A bias may be added before the sum is divided only if the two together stay
 * within the limit as well. */
static void check_bias(int64_t limit, int32_t bias, uint64_t *seed)
{
	const struct vgg_kernels *v;
	struct vgg_qparam *p;
	struct conv_case c;
	unsigned int i;
	int8_t *w;

	proof_case(&c, PROOF_CHANNELS, 3, seed);
	w = (int8_t *)c.k.weight;
	fill(w, 3 * 9 * PROOF_CHANNELS, SPARSE, 1, seed);
	weights_at(w + 9 * PROOF_CHANNELS, 9 * PROOF_CHANNELS, limit, seed);
	worst_input(&c, 1, 1, 2, limit < 0 ? -1 : 1);
	/* Over 2^19: 64 at the limit, -64 if it came out at the other end. All
	 * filters alike, so that what is fast for ordinary ones is taken. */
	p = (struct vgg_qparam *)c.k.param;
	for (i = 0; i < 3; i++)
		p[i] = (struct vgg_qparam){ .mult = 1 << 30, .shift = 49 };
	p[1].bias = bias;
	c.k.lo = -128;
	c.k.hi = 127;
	conv_case_want(&c);
	for (i = 0; (v = usable(&i));) {
		struct conv_how how = how_of(v, 0);

		conv_case_check(&c, &how, seed);
	}
	conv_case_free(&c);
}

TEST(a_bias_beyond_the_limit_is_exact)
{
	static const int32_t bias[] = { 0, 1, 2, 3, 1000, LIMIT, INT32_MAX };
	uint64_t seed = test_seed() + 7;
	size_t i;

	for (i = 0; i < sizeof(bias) / sizeof(*bias); i++) {
		check_bias(LIMIT - 2, bias[i], &seed);
		check_bias(-LIMIT + 1, -bias[i], &seed);
	}
}

/* More channels: 1, 2 and 3 parts, where one filter of a block decides. */
TEST_TIMEOUT(sums_are_exact_in_parts, 120)
{
	uint64_t seed = test_seed() + 5;
	const struct vgg_kernels *v;
	unsigned int i, seen_parts = 0;
	int round, n = test_emulated() ? 6 : 12;

	for (round = 0; round < n && !test_state.failed; round++) {
		int channels = (int)test_random_in(&seed, 1, 225) +
			       225 * (round % 3),
		    block, parts, f;
		struct conv_case c;
		size_t size = (size_t)(9 * channels);
		int8_t *w;

		proof_case(&c, channels, 9, &seed);
		w = (int8_t *)c.k.weight;
		f = (int)test_random_in(&seed, 0, 8);
		fill(w, 9 * size, RANDOM, 1, &seed);
		fill(w + (size_t)f * size, size, LOWEST + round % 2, 1, &seed);
		worst_input(&c, f, 2, 1, round & 4 ? 1 : -1);
		conv_case_focus_at(&c, 2, 1);
		conv_case_want(&c);
		for (i = 0; (v = usable(&i));) {
			struct conv_how how = how_of(v, round & 1);

			block = how.engine->block;
			parts = parts_needed(w + (size_t)f * size, channels,
					     how.engine->step);
			EXPECT_EQ(parts, parts_taken(&c, &how, f / block));
			seen_parts |= 1u << parts;
			conv_how_random_sizes(&how, &seed);
			conv_case_check(&c, &how, &seed);
		}
		conv_case_free(&c);
	}
	EXPECT_EQ(1u << 1 | 1u << 2 | 1u << 3, seen_parts);
}

static void heavy(int8_t *w, int channels, int from, int to)
{
	int tap, k;

	for (tap = 0; tap < 9; tap++, w += channels)
		for (k = from > 0 ? from : 0; k < to && k < channels; k++)
			w[k] = -128;
}

/*
 * A filter whose halves are safe and whose middle third isn't, beside one that
 * needs thirds: whichever comes first, both are to be exact.
 */
TEST_TIMEOUT(filters_of_a_block_in_parts_are_exact, 120)
{
	uint64_t seed = test_seed() + 8;
	const struct vgg_kernels *v;
	unsigned int i;
	int round, n = test_emulated() ? 4 : 10;

	for (round = 0; round < n && !test_state.failed; round++) {
		int channels = (int)test_random_in(&seed, 700, 1100);
		int middle = round & 1, half = channels / 2;
		size_t size = (size_t)(9 * channels);
		struct conv_case c;
		int8_t *w;

		proof_case(&c, channels, 4, &seed);
		w = (int8_t *)c.k.weight;
		memset(w, 0, 4 * size);
		heavy(w + (size_t)middle * size, channels, half - 220,
		      half + 220);
		heavy(w + (size_t)!middle * size, channels, 0, 200);
		heavy(w + (size_t)!middle * size, channels, channels / 3, half);
		worst_input(&c, middle, 2, 1, round & 2 ? 1 : -1);
		conv_case_focus_at(&c, 2, 1);
		conv_case_want(&c);
		for (i = 0; (v = usable(&i));) {
			struct conv_how how = how_of(v, round & 1);

			conv_how_random_sizes(&how, &seed);
			conv_case_check(&c, &how, &seed);
		}
		conv_case_free(&c);
	}
}

/* It changes the way, not the bytes. */
TEST(winograd_can_be_switched_off)
{
	uint64_t seed = test_seed() + 6;
	const struct vgg_kernels *v;
	struct vgg_ready_s8 r;
	struct conv_case c;
	unsigned int i;

	conv_case_new(&c, WINOGRAD, &seed);
	for (i = 0; (v = usable(&i));) {
		struct conv_how how = { .name = v->name, .kernels = v };

		unsetenv("VGG_DISABLE");
		vgg_ready_s8_init(&r, v, &c.k, (struct vgg_l2){ 1 << 20, 1 });
		EXPECT_TRUE(r.way == VGG_WAY_WINOGRAD);
		conv_case_check(&c, &how, &seed);
		setenv("VGG_DISABLE", "wino,winograd", 1);
		vgg_ready_s8_init(&r, v, &c.k, (struct vgg_l2){ 1 << 20, 1 });
		EXPECT_TRUE(r.way == VGG_WAY_DIRECT);
		conv_case_check(&c, &how, &seed);
	}
	conv_case_free(&c);
}

TEST_HARNESS_MAIN
