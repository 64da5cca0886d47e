// SPDX-License-Identifier: MIT
/* fp32 convolutions and dot products of every engine against double precision,
 * within the bound that f32_case.c derives. */
#include <math.h>

#include "f32_case.h"

/* Of what is allowed, so far. */
static double largest;

static void check(struct f32_case *c, uint64_t *seed)
{
	struct shuffle shuffle = { (int)test_random_in(seed, 1, 5), *seed };
	const struct vgg_team team = team_shuffled(&shuffle);
	bool pooled;
	float *out =
		f32_case_run(c, random_l2(seed, 0, 1 << 24), &team, &pooled);
	double most = f32_case_share(c, out, pooled);

	largest = most > largest ? most : largest;
	if (most > 1) {
		f32_case_describe(c);
		test_fail(__FILE__, __LINE__, "%g times the error allowed",
			  most);
	}
	guard_free(out);
}

TEST_TIMEOUT(convolutions_are_right, 120)
{
	uint64_t seed = test_seed();
	struct f32_case c;
	unsigned int i;
	int round;

	for (round = 0; round < rounds(400) && !test_state.failed; round++) {
		f32_case_new(&c, round & 1, &seed);
		for (i = 0; (c.kernels = vgg_kernels_get(i)); i++) {
			c.engine = NULL; /* the library's choice */
			if (c.kernels->usable())
				check(&c, &seed);
		}
		f32_case_free(&c);
	}
	TH_LOG("largest error: %.2f of what is allowed", largest);
}

/* Tile sizes and order of work, whatever the library would choose. */
static void draw_way(struct f32_case *c, uint64_t *seed)
{
	c->sizes_h = conv_some_sizes(c->engine, seed);
	c->sizes_w = conv_some_sizes(c->engine, seed);
	c->joint = test_random(seed) & 1;
	c->fresh = test_random(seed) & 1;
	c->together = (int)test_random_in(seed, 1, 4);
}

/* Each engine by itself: every mix of tile sizes, in all orders and with weights
 * transformed before or during a run, both orders of instructions, and direct
 * where Winograd is faster. */
static void check_engines(struct f32_case *c, uint64_t *seed)
{
	struct vgg_engine e;
	int winograd;

	for (winograd = 0; winograd < 2; winograd++) {
		e = winograd ? *vgg_winograd_f32(c->kernels) :
			       *vgg_direct_f32(c->kernels);
		e.gemm[0] = e.gemm[1] = e.gemm[test_random(seed) & 1];
		c->engine = &e;
		if (winograd)
			draw_way(c, seed);
		check(c, seed);
	}
}

TEST_TIMEOUT(all_tilings_are_right, 120)
{
	uint64_t seed = test_seed() + 1;
	struct f32_case c;
	unsigned int i;
	int round;

	for (round = 0; round < rounds(400) && !test_state.failed; round++) {
		f32_case_new(&c, true, &seed);
		for (i = 0; (c.kernels = vgg_kernels_get(i)); i++)
			if (c.kernels->usable())
				check_engines(&c, &seed);
		f32_case_free(&c);
	}
	TH_LOG("largest error: %.2f of what is allowed", largest);
}

/* Results don't depend on how many do the work. */
static void check_team(struct f32_case *c, uint64_t *seed)
{
	static const int workers[] = { 2, 5 };
	struct vgg_l2 l2 = random_l2(seed, 1 << 16, 1 << 22);
	size_t i, n;
	bool pooled;
	float *want = f32_case_run(c, l2, &alone, &pooled), *got;

	n = f32_case_outputs(c, pooled) * sizeof(*want);
	for (i = 0; i < 2; i++) {
		struct shuffle shuffle = { workers[i], *seed };
		const struct vgg_team team = team_threads(&shuffle);

		got = f32_case_run(c, l2, &team, &pooled);
		if (memcmp(want, got, n)) {
			f32_case_describe(c);
			test_fail(__FILE__, __LINE__, "%d workers differ",
				  workers[i]);
		}
		guard_free(got);
	}
	guard_free(want);
}

/* Nor on the ranges in which it is computed. */
static void check_ranges(struct f32_case *c, uint64_t *seed)
{
	struct vgg_l2 l2 = random_l2(seed, 1 << 14, 1 << 22);
	bool pooled;
	float *want = f32_case_run(c, l2, &alone, &pooled), *got;
	size_t n = f32_case_outputs(c, pooled) * sizeof(*want);

	c->cut_row = (int)test_random_in(seed, 0, c->h);
	c->cut_c = (int)test_random_in(seed, 1, c->k.out_c);
	got = f32_case_run(c, l2, &alone, &pooled);
	if (memcmp(want, got, n)) {
		f32_case_describe(c);
		test_fail(__FILE__, __LINE__,
			  "ranges cut at row %d, channel %d differ", c->cut_row,
			  c->cut_c);
	}
	c->cut_row = c->cut_c = 0;
	guard_free(got);
	guard_free(want);
}

TEST_TIMEOUT(ranges_give_the_same_results, 120)
{
	uint64_t seed = test_seed() + 7;
	struct f32_case c;
	unsigned int i;
	int round;

	for (round = 0; round < rounds(100) && !test_state.failed; round++) {
		bool winograd = round % 4;

		f32_case_new(&c, winograd, &seed);
		for (i = 0; (c.kernels = vgg_kernels_get(i)); i++) {
			if (!c.kernels->usable())
				continue;
			c.engine = winograd ? vgg_winograd_f32(c.kernels) :
					      vgg_direct_f32(c.kernels);
			if (winograd)
				draw_way(&c, &seed);
			check_ranges(&c, &seed);
		}
		f32_case_free(&c);
	}
}

TEST_TIMEOUT(teams_give_the_same_results, 120)
{
	uint64_t seed = test_seed() + 2;
	struct f32_case c;
	unsigned int i;
	int round;

	for (round = 0; round < rounds(30) && !test_state.failed; round++) {
		f32_case_new(&c, round & 1, &seed);
		for (i = 0; (c.kernels = vgg_kernels_get(i)); i++) {
			if (!c.kernels->usable())
				continue;
			c.engine = NULL;
			c.together = 0;
			check_team(&c, &seed);
			if (!(round & 1))
				continue;
			c.engine = vgg_winograd_f32(c.kernels);
			draw_way(&c, &seed);
			check_team(&c, &seed);
		}
		f32_case_free(&c);
	}
}

/* Whether an output's window holds pixel `py`, `px`. */
static bool sees(const struct f32_case *c, int y, int x, int py, int px)
{
	const struct vgg_window *w = &c->k.win;
	int dy = py - (y * w->stride_h - w->pad_top);
	int dx = px - (x * w->stride_w - w->pad_left);

	return dy >= 0 && dy < w->kernel_h && dx >= 0 && dx < w->kernel_w;
}

/* One pixel of the input is not finite: nor is any output that sees it, and, of
 * Winograd, others of the same tile; what lies further away is. */
static void check_special(struct f32_case *c, float value, uint64_t *seed)
{
	int far = c->engine->sizes ? VGG_TILE_MAX : 1, y, x, o;
	int py = (int)test_random_in(seed, 0, c->k.in_h - 1);
	int px = (int)test_random_in(seed, 0, c->k.in_w - 1);
	float *at = c->in + (py * c->k.in_w + px) * c->k.in_c, *out, *v;
	float was = *at;
	bool pooled;

	*at = value;
	v = out = f32_case_run(c, random_l2(seed, 0, 1 << 22), &alone, &pooled);
	for (y = 0; y < c->h; y++)
		for (x = 0; x < c->w; x++) {
			bool seen = sees(c, y, x, py, px);
			bool near =
				abs(y - (py + c->k.win.pad_top)) < far + 2 &&
				abs(x - (px + c->k.win.pad_left)) < far + 2;

			for (o = 0; o < c->k.out_c; o++, v++)
				if (seen ? isnan(value) ? !isnan(*v) :
							  isfinite(*v) :
					   (!near || far == 1) &&
						    !isfinite(*v)) {
					f32_case_describe(c);
					test_fail(__FILE__, __LINE__,
						  "%g at %d,%d makes %g at "
						  "%d,%d",
						  (double)value, py, px,
						  (double)*v, y, x);
					goto done;
				}
		}
done:
	guard_free(out);
	*at = was;
}

TEST(what_is_not_a_number_stays_where_it_is_seen)
{
	uint64_t seed = test_seed() + 3;
	struct f32_case c;
	unsigned int i;
	int round, way;

	for (round = 0; round < rounds(100) && !test_state.failed; round++) {
		f32_case_new(&c, true, &seed);
		c.k.has_pool = false;
		c.k.scale = NULL;
		/* A clip would hide what is infinite, but not NaN. */
		c.k.relu = round & 1;
		if (!c.k.relu) {
			c.k.lo = -INFINITY;
			c.k.hi = INFINITY;
		}
		for (i = 0; (c.kernels = vgg_kernels_get(i)); i++)
			for (way = 0; way < 2 && c.kernels->usable(); way++) {
				c.engine = way ? vgg_winograd_f32(c.kernels) :
						 vgg_direct_f32(c.kernels);
				c.sizes_h = c.sizes_w = c.engine->sizes;
				check_special(&c, c.k.relu ? NAN : INFINITY,
					      &seed);
			}
		f32_case_free(&c);
	}
}

/* A NaN among four values is what a pool gives. */
TEST(pools_pass_on_what_is_not_a_number)
{
	uint64_t seed = test_seed() + 4;
	struct f32_case c;
	unsigned int i;
	bool pooled;
	float *out;
	int o, n, round;

	for (round = 0; round < rounds(60) && !test_state.failed; round++) {
		do {
			f32_case_new(&c, true, &seed);
			n = c.h > 1 && c.w > 1 && c.k.has_pool &&
			    vgg_conv_can_pool(&c.k.pool);
			if (!n)
				f32_case_free(&c);
		} while (!n);
		/* The pixel that the first output's window ends in. */
		n = (2 - c.k.win.pad_top) * c.k.in_w + 2 - c.k.win.pad_left;
		if (2 - c.k.win.pad_top >= c.k.in_h ||
		    2 - c.k.win.pad_left >= c.k.in_w)
			n = 0;
		c.in[n * c.k.in_c] = NAN;
		for (i = 0; (c.kernels = vgg_kernels_get(i)); i++) {
			if (!c.kernels->usable())
				continue;
			c.engine = vgg_winograd_f32(c.kernels);
			c.sizes_h = c.sizes_w = c.engine->sizes;
			out = f32_case_run(&c, (struct vgg_l2){ 1 << 20, 1 },
					   &alone, &pooled);
			EXPECT_TRUE(pooled);
			for (o = 0; o < c.k.out_c; o++)
				EXPECT_TRUE(isnan(out[o]));
			guard_free(out);
		}
		f32_case_free(&c);
	}
}

/*
 * Fully connected.
 */
#define ROWS_MAX 16

static void check_dots(const struct vgg_engine *e, const float *x,
		       const float *w, const uint16_t *half, size_t n, int rows)
{
	float *acc = guard_new((size_t)rows * sizeof(*acc), NULL);
	double sum, rough, error;
	int way, r;
	size_t i;

	for (way = 0; way < 2; way++) {
		if (way)
			e->dot_f16(x, half, n, rows, acc);
		else
			e->dot_f32(x, w, n, rows, acc);
		for (r = 0; r < rows; r++) {
			sum = rough = 0;
			for (i = (size_t)r * n; i < (size_t)(r + 1) * n; i++) {
				float f =
					way ? vgg_half_to_float(half[i]) : w[i];

				sum += (double)f * (double)x[i % n];
				rough += (double)f * (double)f;
			}
			error = 8 * F32_ROUNDING * sqrt((double)n + 8) *
				sqrt(rough);
			EXPECT_NEAR(sum, (double)acc[r], error);
		}
	}
	guard_free(acc);
}

static void check_dot_round(size_t n, int rows, uint64_t *seed)
{
	size_t all = n * (size_t)rows, i;
	float *x = f32_random(n, -1, 1, seed);
	float *w = f32_random(all, -2, 2, seed);
	uint16_t *half = guard_new(all * sizeof(*half), seed);
	const struct vgg_kernels *v;

	for (i = 0; i < all; i++)
		half[i] = vgg_float_to_half(w[i]);
	for (i = 0; (v = vgg_kernels_get((unsigned int)i)); i++)
		if (v->usable() && vgg_direct_f32(v)->dot_f32)
			check_dots(vgg_direct_f32(v), x, w, half, n, rows);
	guard_free(x);
	guard_free(w);
	guard_free(half);
}

TEST_TIMEOUT(dots_are_right, 120)
{
	uint64_t seed = test_seed() + 5;
	int i;

	for (i = 0; i < rounds(1000) && !test_state.failed; i++)
		check_dot_round((size_t)random_size(&seed, 2000),
				(int)test_random_in(&seed, 1, ROWS_MAX), &seed);
}

TEST_HARNESS_MAIN
