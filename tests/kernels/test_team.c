// SPDX-License-Identifier: MIT
/*
 * Convolutions by several threads: the same bytes, whoever does which task in
 * which order. With -fsanitize=thread this shows races as well (make B=build/tsan
 * SAN=thread build/tsan/tests/kernels/test_team).
 */
#include <pthread.h>

#include "conv_case.h"

static void check_team(const struct conv_case *c, const struct vgg_kernels *v,
		       int workers, uint64_t *seed)
{
	struct shuffle shuffle = { workers, test_random(seed) };
	const struct vgg_team team = team_threads(&shuffle);
	struct vgg_conv_s8 k = c->k;
	int8_t *got = guard_new(c->out_bytes, seed);
	struct vgg_ready_s8 r;
	char *space;
	int b;

	memset(got, 0x5a, c->out_bytes);
	vgg_ready_s8_init(&r, v, &k, random_l2(seed, 1 << 16, 1 << 19));
	r.c.packed = guard_new_aligned(r.c.packed_bytes, seed);
	for (b = 0; b < vgg_ready_s8_blocks(&r); b++)
		vgg_ready_s8_pack(&r, b);
	space = guard_new_aligned(vgg_ready_s8_workspace(&r, workers), seed);
	vgg_ready_s8_run(&r, k.in.data, got, &c->range, &team, space);
	if (first_difference(c->k.out.data, got, c->out_bytes) < c->out_bytes)
		test_fail(__FILE__, __LINE__, "%s with %d workers differs",
			  v->name, workers);
	guard_free(space);
	guard_free(r.c.packed);
	guard_free(got);
}

TEST_TIMEOUT(teams_give_the_same_results, 120)
{
	static const int workers[] = { 1, 2, 5 };
	uint64_t seed = test_seed();
	const struct vgg_kernels *v;
	struct conv_case c;
	unsigned int i, w;
	int round;

	for (round = 0; round < rounds(30) && !test_state.failed; round++) {
		conv_case_new(&c, round % 3, &seed);
		for (i = 0; (v = vgg_kernels_get(i)); i++)
			for (w = 0; w < 3 && v->usable(); w++)
				check_team(&c, v, workers[w], &seed);
		conv_case_free(&c);
	}
}

/* Rows of one output, by threads that know nothing of each other. */
struct part {
	pthread_t thread;
	const struct vgg_ready_s8 *r;
	const int8_t *in;
	int8_t *out;
	char *space;
	struct vgg_conv_range range;
};

static void *run_part(void *arg)
{
	struct part *p = arg;

	vgg_ready_s8_run(p->r, p->in, p->out, &p->range, &alone, p->space);
	return NULL;
}

/* Four parts at most: upper and lower rows, first and later channels. */
static int cut_parts(const struct vgg_ready_s8 *r, struct part *part)
{
	const struct vgg_image_s8 *o = &r->k.out;
	int row = o->h / 2, c = vgg_ready_s8_grain(r), n = 0, i;

	c = c < o->c ? c : o->c;
	for (i = 0; i < 4; i++) {
		struct vgg_conv_range range = { i & 1 ? row : 0,
						i & 1 ? o->h : row,
						i & 2 ? c : 0,
						i & 2 ? o->c : c };

		if (range.row0 < range.row1 && range.c0 < range.c1)
			part[n++].range = range;
	}
	return n;
}

static void check_parts(const struct conv_case *c, const struct vgg_kernels *v,
			uint64_t *seed)
{
	struct vgg_ready_s8 r;
	struct part part[4];
	int8_t *out = guard_new(c->out_bytes, seed);
	int b, i, n;

	memset(out, 0x5a, c->out_bytes);
	vgg_ready_s8_init(&r, v, &c->k, random_l2(seed, 1 << 16, 1 << 19));
	r.c.packed = guard_new_aligned(r.c.packed_bytes, seed);
	for (b = 0; b < vgg_ready_s8_blocks(&r); b++)
		vgg_ready_s8_pack(&r, b);
	n = cut_parts(&r, part);
	for (i = 0; i < n; i++) {
		part[i].r = &r;
		part[i].in = c->k.in.data;
		part[i].out = out;
		part[i].space =
			guard_new_aligned(vgg_ready_s8_workspace(&r, 1), seed);
		ASSERT_EQ(0, pthread_create(&part[i].thread, NULL, run_part,
					    &part[i]));
	}
	for (i = 0; i < n; i++) {
		pthread_join(part[i].thread, NULL);
		guard_free(part[i].space);
	}
	if (first_difference(c->k.out.data, out, c->out_bytes) < c->out_bytes)
		test_fail(__FILE__, __LINE__, "%s in %d parts differs", v->name,
			  n);
	guard_free(r.c.packed);
	guard_free(out);
}

TEST_TIMEOUT(ranges_may_be_computed_at_the_same_time, 120)
{
	uint64_t seed = test_seed() + 1;
	const struct vgg_kernels *v;
	struct conv_case c;
	unsigned int i;
	int round;

	for (round = 0; round < rounds(30) && !test_state.failed; round++) {
		conv_case_shape(&c, round % 3, &seed);
		c.k.in.pixel = round % 3 == PRODUCT;
		conv_case_fill(&c, &seed);
		conv_case_want(&c);
		for (i = 0; (v = vgg_kernels_get(i)); i++)
			if (v->usable())
				check_parts(&c, v, &seed);
		conv_case_free(&c);
	}
}

TEST_HARNESS_MAIN
