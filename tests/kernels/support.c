// SPDX-License-Identifier: MIT
/* See support.h. */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/conv.h"
#include "support.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 6
#else
#define SLOWER 1
#endif

int rounds(int n)
{
	const char *given = getenv("VGG_TEST_ROUNDS");
	double all = n * (given ? atof(given) : 1);

	all /= test_emulated() ? 10 : SLOWER;
	return all < 1 ? 1 : (int)all;
}

/*
 * Guarded memory. What was freed is used again: mapping takes longer than most
 * kernels do.
 */
#define GUARDED_MAX 64
#define EMPTY 0xff
#define KEPT (4 << 20) /* bytes; what is larger is rare */

struct guarded {
	char *base;   /* of the pages in the middle */
	size_t pages; /* their bytes, a power of two */
	char *at;     /* the user's, NULL while nobody uses it */
	size_t bytes;
};

static struct guarded guarded[GUARDED_MAX];

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static struct guarded *guarded_find(const void *at, size_t pages)
{
	struct guarded *g;

	for (g = guarded; g < guarded + GUARDED_MAX; g++)
		if (g->at == at && g->pages == pages)
			return g;
	return NULL;
}

static struct guarded *guarded_of(const void *at)
{
	struct guarded *g;

	for (g = guarded; g < guarded + GUARDED_MAX; g++)
		if (at && g->at == at)
			return g;
	abort();
}

static void guarded_unmap(struct guarded *g)
{
	if (g->base)
		munmap(g->base - page_bytes(), g->pages + 2 * page_bytes());
	*g = (struct guarded){ 0 };
}

static struct guarded *guarded_map(size_t pages)
{
	struct guarded *g = guarded_find(NULL, 0);
	size_t page = page_bytes(), i;

	/* If all are taken, by other sizes: what nobody uses goes. */
	for (i = 0; !g && i < GUARDED_MAX; i++)
		if (!guarded[i].at)
			guarded_unmap(g = &guarded[i]);
	if (!g)
		abort();
	g->pages = pages;
	g->base = mmap(NULL, pages + 2 * page, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->base == MAP_FAILED)
		abort();
	g->base += page;
	return g;
}

void *guard_new(size_t bytes, uint64_t *seed)
{
	size_t pages = page_bytes();
	struct guarded *g;

	while (pages <= bytes)
		pages *= 2;
	g = guarded_find(NULL, pages);
	if (!g)
		g = guarded_map(pages);
	if (mprotect(g->base, pages, PROT_READ | PROT_WRITE))
		abort();
	memset(g->base, EMPTY, pages);
	g->bytes = bytes;
	g->at = g->base;
	if (!seed || test_random(seed) & 1)
		g->at += pages - bytes;
	return g->at;
}

void *guard_new_aligned(size_t bytes, uint64_t *seed)
{
	return guard_new((bytes + 63) & ~(size_t)63, seed);
}

void guard_seal(const void *p)
{
	struct guarded *g = guarded_of(p);

	if (mprotect(g->base, g->pages, PROT_READ))
		abort();
}

static bool is_empty(const char *from, const char *to)
{
	while (from < to && *from == (char)EMPTY)
		from++;
	return from == to;
}

void guard_free(const void *p)
{
	struct guarded *g = guarded_of(p);

	if (!is_empty(g->base, g->at))
		test_fail(__FILE__, __LINE__, "written before %zu bytes",
			  g->bytes);
	if (!is_empty(g->at + g->bytes, g->base + g->pages))
		test_fail(__FILE__, __LINE__, "written behind %zu bytes",
			  g->bytes);
	g->at = NULL;
	if (g->pages > KEPT)
		guarded_unmap(g);
}

/*
 * Random values.
 */
int random_size(uint64_t *seed, int most)
{
	int bits = 32 - __builtin_clz((unsigned int)most), limit;

	limit = 1 << test_random_in(seed, 0, bits);
	return (int)test_random_in(seed, 1, limit < most ? limit : most);
}

struct vgg_l2 random_l2(uint64_t *seed, size_t least, int most)
{
	return (struct vgg_l2){ least + (size_t)random_size(seed, most),
				(int)test_random_in(seed, 1, 4) };
}

static int value(enum values kind, size_t i, size_t run, uint64_t *seed)
{
	switch (kind) {
	case LOWEST:
		return -128;
	case HIGHEST:
		return 127;
	case MIXED:
		return test_random(seed) & 1 ? 127 : -128;
	case CHECKERED:
		return i / run & 1 ? 127 : -128;
	case SPARSE:
		return test_random(seed) % 8 ?
			       0 :
			       (int)test_random_in(seed, -128, 127);
	default:
		return (int)test_random_in(seed, -128, 127);
	}
}

void fill(int8_t *to, size_t n, enum values kind, size_t run, uint64_t *seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		to[i] = (int8_t)value(kind, i, run, seed);
}

void fill_params(struct vgg_qparam *p, int n, int64_t size, uint64_t *seed)
{
	int bits = 64 - __builtin_clzll((uint64_t)size | 1), i;

	for (i = 0; i < n; i++) {
		/* size * 2^30 >> shift is about 2^7 */
		p[i].shift = bits + 23 + (int)test_random_in(seed, -2, 2);
		p[i].mult = (int32_t)test_random_in(seed, 1 << 29, 1 << 30);
		p[i].bias = (int32_t)test_random_in(seed, -size, size);
		p[i].offset = (int32_t)test_random_in(seed, -100, 100);
		if (test_random(seed) % 4 == 0)
			p[i].mult = -p[i].mult;
	}
	/* Of one sign, so that pools may come first. */
	if (test_random(seed) & 1)
		for (i = 0; i < n; i++)
			p[i].mult = abs(p[i].mult);
}

/* One of the edges of 32 bits, 16 bits and 8 bits, or just beside it. */
static int32_t edge(uint64_t *seed)
{
	static const int32_t edges[] = {
		0,	INT32_MIN, INT32_MAX, INT16_MIN, INT16_MAX,  -128,
		127,	32000,	   -32000,    1 << 30,	 -(1 << 30), 65536,
		-65536, 1 << 16,   1 << 24,   255,	 -255,
	};
	uint32_t e = (uint32_t)
		edges[test_random(seed) % (sizeof(edges) / sizeof(*edges))];

	return (int32_t)(e + (uint32_t)test_random_in(seed, -2, 2));
}

void fill_params_extreme(struct vgg_qparam *p, int n, uint64_t *seed)
{
	int i, k;

	for (i = 0; i < n; i++) {
		int32_t *v[] = { &p[i].bias, &p[i].mult, &p[i].offset };

		for (k = 0; k < 3; k++)
			*v[k] = test_random(seed) & 1 ?
					edge(seed) :
					(int32_t)test_random(seed);
		/* A power of two gives ties between two results. */
		if (test_random(seed) % 4 == 0)
			p[i].mult = (int32_t)(1u << test_random(seed) % 32);
		p[i].shift = (int)test_random_in(seed, 1, 62);
		if (test_random(seed) & 1)
			p[i].offset = (int32_t)test_random_in(seed, -200, 200);
	}
}

struct vgg_window random_window(uint64_t *seed, int most)
{
	struct vgg_window w;

	w.kernel_h = (int)test_random_in(seed, 1, most);
	w.kernel_w = (int)test_random_in(seed, 1, most);
	w.stride_h = (int)test_random_in(seed, 1, 4);
	w.stride_w = (int)test_random_in(seed, 1, 4);
	w.pad_top = (int)test_random_in(seed, 0, w.kernel_h - 1);
	w.pad_bottom = (int)test_random_in(seed, 0, w.kernel_h - 1);
	w.pad_left = (int)test_random_in(seed, 0, w.kernel_w - 1);
	w.pad_right = (int)test_random_in(seed, 0, w.kernel_w - 1);
	return w;
}

int extent(int in, int kernel, int stride, int before, int after)
{
	return in + before + after < kernel ?
		       0 :
		       (in + before + after - kernel) / stride + 1;
}

size_t lay_out(struct vgg_image_s8 *m, uint64_t *seed)
{
	m->pixel = (size_t)m->c;
	if (test_random(seed) & 1)
		m->pixel += test_random(seed) % 70;
	m->pitch = m->pixel * (size_t)m->w;
	if (test_random(seed) & 1)
		m->pitch += test_random(seed) % 100;
	return (size_t)(m->h - 1) * m->pitch + (size_t)(m->w - 1) * m->pixel +
	       (size_t)m->c;
}

size_t first_difference(const int8_t *a, const int8_t *b, size_t n)
{
	size_t i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/*
 * Teams.
 */
static void in_turn(void *threads, size_t n,
		    void (*fn)(void *ctx, int worker, size_t i), void *ctx)
{
	size_t i;

	(void)threads;
	for (i = 0; i < n; i++)
		fn(ctx, 0, i);
}

const struct vgg_team alone = { 1, in_turn, NULL };

/* 0..n-1 in random order (Fisher and Yates); to be freed. */
static size_t *shuffled(size_t n, uint64_t *seed)
{
	size_t *order = malloc((n + 1) * sizeof(*order)), i, k;

	if (!order)
		abort();
	for (i = 0; i < n; i++) {
		k = test_random(seed) % (i + 1);
		order[i] = order[k];
		order[k] = i;
	}
	return order;
}

static void each_shuffled(void *threads, size_t n,
			  void (*fn)(void *ctx, int worker, size_t i),
			  void *ctx)
{
	struct shuffle *s = threads;
	size_t *order = shuffled(n, &s->seed), i;

	for (i = 0; i < n; i++)
		fn(ctx, (int)(test_random(&s->seed) % (uint64_t)s->workers),
		   order[i]);
	free(order);
}

struct vgg_team team_shuffled(struct shuffle *s)
{
	return (struct vgg_team){ s->workers, each_shuffled, s };
}

/* What the threads of one call share. */
struct call {
	void (*fn)(void *ctx, int worker, size_t i);
	void *ctx;
	const size_t *order;
	size_t n, next; /* next: atomic */
};

struct hand {
	pthread_t thread;
	struct call *call;
	int worker;
};

static void *work(void *arg)
{
	struct hand *h = arg;
	struct call *c = h->call;
	size_t i;

	while ((i = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED)) < c->n)
		c->fn(c->ctx, h->worker, c->order[i]);
	return NULL;
}

static void each_threaded(void *threads, size_t n,
			  void (*fn)(void *ctx, int worker, size_t i),
			  void *ctx)
{
	struct shuffle *s = threads;
	size_t *order = shuffled(n, &s->seed);
	struct call call = { fn, ctx, order, n, 0 };
	struct hand hand[16];
	int i;

	for (i = 0; i < s->workers; i++) {
		hand[i].call = &call;
		hand[i].worker = i;
		if (pthread_create(&hand[i].thread, NULL, work, &hand[i]))
			abort();
	}
	for (i = 0; i < s->workers; i++)
		pthread_join(hand[i].thread, NULL);
	free(order);
}

struct vgg_team team_threads(struct shuffle *s)
{
	return (struct vgg_team){ s->workers, each_threaded, s };
}
