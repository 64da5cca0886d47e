// SPDX-License-Identifier: MIT
/*
 * The engines' matrix products by themselves, where they begin, end and what is
 * between: any number of channels that packed weights can have, any number of
 * tiles and positions. Floats are whole numbers so small that sums are exact.
 */
#include "kernels/conv_f32.h"
#include "kernels/engines.h"
#include "support.h"

struct gemm_case {
	const struct vgg_engine *e;
	struct vgg_gemm g;
	int16_t *u, *v; /* [position][k][filter], [position][tile][k] */
	char *packed_u, *packed_v, *m;
	size_t m_bytes;
	int64_t *before; /* M, where it is added to: [position][tile][filter] */
};

static int in_range(uint64_t *seed, int most)
{
	int kind = (int)(test_random(seed) % 8);

	if (kind < 2)
		return kind ? most : -most;
	return (int)test_random_in(seed, -most, most);
}

static int16_t *values(size_t n, int least, int most, uint64_t *seed)
{
	int16_t *to = malloc(n * sizeof(*to));
	size_t i;

	if (!to)
		abort();
	for (i = 0; i < n; i++) {
		int v = in_range(seed, most);

		to[i] = (int16_t)(v == -most ? least : v);
	}
	return to;
}

/* A value as the engine has it; `shift` for V of bytes without sign. */
static void put(const struct vgg_engine *e, char *to, int value)
{
	if (e->is_float)
		memcpy(to, &(float){ (float)value }, 4);
	else if (e->elem == 2)
		memcpy(to, &(int16_t){ (int16_t)value }, 2);
	else
		*to = (char)value;
}

static size_t round_up(int n, int to)
{
	return (size_t)((n + to - 1) / to * to);
}

static void pack_u(struct gemm_case *c, uint64_t *seed)
{
	const struct vgg_engine *e = c->e;
	int step = e->step, p, k, f;

	c->g.u_step = (size_t)(c->g.k * e->block * e->elem);
	c->packed_u =
		guard_new_aligned(c->g.u_step * (size_t)c->g.positions, seed);
	for (p = 0; p < c->g.positions; p++)
		for (k = 0; k < c->g.k; k++)
			for (f = 0; f < e->block; f++) {
				size_t at = (size_t)(k / step * e->block + f) *
						    (size_t)step +
					    (size_t)(k % step);

				put(e,
				    c->packed_u + (size_t)p * c->g.u_step +
					    at * (size_t)e->elem,
				    c->u[(p * c->g.k + k) * e->block + f]);
			}
	c->g.u = c->packed_u;
}

static char *v_at(const struct gemm_case *c, int p, int tile, int k)
{
	char *v = c->packed_v + (size_t)p * c->g.v_step +
		  (size_t)tile * c->g.v_pitch;

	if (!c->e->is_float)
		return v + (size_t)(k * c->e->elem);
	return v + (size_t)(k / c->e->chunk) * c->g.v_chunk +
	       (size_t)(k % c->e->chunk) * sizeof(float);
}

static void pack_v(struct gemm_case *c, uint64_t *seed)
{
	const struct vgg_engine *e = c->e;
	size_t row = round_up(c->g.k, e->chunk) * (size_t)e->elem;
	int p, t, k;

	c->g.v_pitch = e->is_float ? (size_t)(e->chunk * e->elem) : row;
	c->g.v_chunk = (size_t)c->g.tiles * c->g.v_pitch;
	c->g.v_step = ((size_t)c->g.tiles * row + 63) / 64 * 64 +
		      64 * (test_random(seed) & 1);
	c->packed_v =
		guard_new_aligned(c->g.v_step * (size_t)c->g.positions, seed);
	for (p = 0; p < c->g.positions; p++)
		for (t = 0; t < c->g.tiles; t++)
			for (k = 0; k < c->g.k; k++)
				put(e, v_at(c, p, t, k),
				    c->v[(p * c->g.tiles + t) * c->g.k + k] +
					    (e->unsigned_v ? 128 : 0));
	c->g.v = c->packed_v;
}

static char *m_at(const struct gemm_case *c, int p, int tile, int f)
{
	return c->m + (size_t)p * c->g.m_step +
	       (size_t)(tile * c->e->block + f) * 4;
}

static void new_m(struct gemm_case *c, uint64_t *seed)
{
	size_t n = (size_t)(c->g.positions * c->g.tiles * c->e->block), i = 0;
	int p, t, f;

	c->g.m_step = (size_t)(c->g.tiles * c->e->block * 4) +
		      64 * (test_random(seed) & 1);
	c->m_bytes = c->g.m_step * (size_t)c->g.positions;
	c->m = guard_new_aligned(c->m_bytes, seed);
	c->g.m = c->m;
	c->g.add = c->e->is_float && test_random(seed) & 1;
	c->before = calloc(n, sizeof(*c->before));
	if (!c->before)
		abort();
	if (!c->g.add)
		return;
	for (p = 0; p < c->g.positions; p++)
		for (t = 0; t < c->g.tiles; t++)
			for (f = 0; f < c->e->block; f++) {
				c->before[i] = test_random_in(seed, -500, 500);
				put(c->e, m_at(c, p, t, f),
				    (int)c->before[i++]);
			}
}

/* What M must hold. */
static int64_t sum(const struct gemm_case *c, int p, int tile, int f)
{
	const struct vgg_gemm *g = &c->g;
	int64_t s = c->before[(p * g->tiles + tile) * c->e->block + f];
	int k;

	for (k = 0; k < g->k; k++)
		s += (int64_t)c->u[(p * g->k + k) * c->e->block + f] *
		     (c->v[(p * g->tiles + tile) * g->k + k] +
		      (c->e->unsigned_v ? 128 : 0));
	return s;
}

static bool is_right(const struct gemm_case *c, int p, int tile, int f)
{
	const char *at = m_at(c, p, tile, f);
	int64_t want = sum(c, p, tile, f);
	int32_t i;
	float x;

	memcpy(&i, at, 4);
	memcpy(&x, at, 4);
	return c->e->is_float ? (int64_t)x == want :
				(uint32_t)i == (uint32_t)want;
}

static void check(const struct gemm_case *c, const char *name, int order)
{
	int p, t, f;

	for (p = 0; p < c->g.positions; p++)
		for (t = 0; t < c->g.tiles; t++)
			for (f = 0; f < c->e->block; f++) {
				if (is_right(c, p, t, f))
					continue;
				test_fail(
					__FILE__, __LINE__,
					"%s, elements of %d bytes, order %d: "
					"%d channels, %d positions, %d tiles: "
					"position %d, tile %d, filter %d",
					name, c->e->elem, order, c->g.k,
					c->g.positions, c->g.tiles, p, t, f);
				return;
			}
}

/* Extremes as they come: bytes of all values; of Winograd what its transforms
 * give at most (conv_care.c); floats such that no sum needs more than 24 bits. */
static void draw(struct gemm_case *c, uint64_t *seed)
{
	const struct vgg_engine *e = c->e;
	bool bytes = e->elem == 1;
	int most_u = e->is_float ? 31 : bytes ? 127 : 18288;
	int most_v = e->is_float ? 63 : bytes ? 127 : 12800;
	int grain = e->is_float ? 4 : e->step;
	size_t rows;

	/* Direct convolutions have one. */
	c->g.positions = e->sizes ? random_size(seed, 3) : 1;
	rows = (size_t)c->g.positions;
	c->g.k = grain * random_size(seed, 300 / grain);
	c->g.tiles = random_size(seed, 40);
	rows *= (size_t)c->g.k;
	c->u = values(rows * (size_t)e->block, bytes ? -128 : -most_u, most_u,
		      seed);
	c->v = values(rows * (size_t)c->g.tiles, bytes ? -128 : -most_v, most_v,
		      seed);
	pack_u(c, seed);
	pack_v(c, seed);
}

static void check_engine(const struct vgg_engine *e, const char *name,
			 uint64_t *seed)
{
	struct gemm_case c = { .e = e };
	int order;

	if (!e)
		return;
	draw(&c, seed);
	for (order = 0; order < 2; order++) {
		new_m(&c, seed);
		e->gemm[order](&c.g);
		check(&c, name, order);
		guard_free(c.m);
		free(c.before);
	}
	guard_free(c.packed_u);
	guard_free(c.packed_v);
	free(c.u);
	free(c.v);
}

TEST_TIMEOUT(products_of_any_size, 120)
{
	uint64_t seed = test_seed();
	const struct vgg_kernels *v;
	unsigned int i;
	int round;

	for (round = 0; round < rounds(1000) && !test_state.failed; round++)
		for (i = 0; (v = vgg_kernels_get(i)); i++) {
			if (!v->usable())
				continue;
			check_engine(v->winograd_s8, v->name, &seed);
			check_engine(v->direct_s8, v->name, &seed);
			check_engine(vgg_winograd_f32(v), v->name, &seed);
			check_engine(vgg_direct_f32(v), v->name, &seed);
		}
}

TEST_HARNESS_MAIN
