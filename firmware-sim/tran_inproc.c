// SPDX-License-Identifier: MIT
/*
 * The in-process transport: a card with a thread of its own, and a bus on
 * which the process puts its own memory.
 *
 * While the card works on a job it may hold pointers into that memory, so who
 * wants memory back waits for the end of the job. The card then lets those
 * first who waited at that moment, but not those who come later, so that
 * neither side can starve the other.
 *
 * `lock` is held for moments only. The host's irq() is only ever called from
 * the card's thread, without the lock and not while the card works, also for
 * interrupts that a register access causes: a handler may take a lock of the
 * host under which another thread waits for the end of a job.
 */
#include "sim_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct mapping {
	uint64_t addr;
	uint8_t *mem;
	size_t len;
	bool writable;
};

struct vgg_sim_inproc {
	struct vgg_sim *sim;
	pthread_t thread;
	void (*irq)(void *ctx, int vector);
	void *irq_ctx;

	pthread_mutex_t lock;
	pthread_cond_t wake; /* any of the next five has changed */
	bool kicked, quit;
	bool working;	   /* the card is inside a job */
	uint64_t asked;	   /* how many wanted memory back so far */
	uint64_t served;   /* and how many of them got it */
	uint32_t messages; /* MSI vectors to deliver */
	int levels[2];	   /* changes of INTx to deliver */
	unsigned int level_count;
	struct mapping *maps; /* sorted by addr, without overlaps */
	size_t count, room;
};

/* (lock) The first mapping that ends behind addr. */
static size_t find(const struct vgg_sim_inproc *t, uint64_t addr)
{
	size_t lo = 0, hi = t->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->maps[mid].addr + (t->maps[mid].len - 1) < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The memory at addr and, in *len, how much of the wanted length it has. */
static uint8_t *lookup(struct vgg_sim_inproc *t, uint64_t addr, size_t *len,
		       bool write)
{
	uint8_t *mem = NULL;
	uint64_t offset;
	size_t i;

	pthread_mutex_lock(&t->lock);
	i = find(t, addr);
	if (i < t->count && t->maps[i].addr <= addr &&
	    (!write || t->maps[i].writable)) {
		offset = addr - t->maps[i].addr;
		mem = t->maps[i].mem + offset;
		if (*len > t->maps[i].len - offset)
			*len = t->maps[i].len - offset;
	}
	pthread_mutex_unlock(&t->lock);
	return mem;
}

static int bus_read(void *ctx, uint64_t addr, void *to, size_t len)
{
	uint8_t *bytes = to, *mem;
	size_t n;

	for (; len; len -= n, bytes += n, addr += n) {
		n = len;
		mem = lookup(ctx, addr, &n, false);
		if (!mem)
			return -EFAULT;
		memcpy(bytes, mem, n);
	}
	return 0;
}

/*
 * An aligned word is published with release semantics: who sees the new phase
 * bit of a completion sees everything the card wrote before.
 */
static void put(uint8_t *mem, const uint8_t *from, size_t len)
{
	uint32_t word;

	if (len == sizeof(word) && (uintptr_t)mem % sizeof(word) == 0) {
		memcpy(&word, from, sizeof(word));
		__atomic_store_n((uint32_t *)(void *)mem, word,
				 __ATOMIC_RELEASE);
	} else {
		memcpy(mem, from, len);
	}
}

static int bus_write(void *ctx, uint64_t addr, const void *from, size_t len)
{
	const uint8_t *bytes = from;
	uint8_t *mem;
	size_t n;

	for (; len; len -= n, bytes += n, addr += n) {
		n = len;
		mem = lookup(ctx, addr, &n, true);
		if (!mem)
			return -EFAULT;
		put(mem, bytes, n);
	}
	return 0;
}

static void *bus_map(void *ctx, uint64_t addr, size_t len, bool writable)
{
	size_t n = len;
	uint8_t *mem = lookup(ctx, addr, &n, writable);

	return n == len ? mem : NULL;
}

static void bus_kick(void *ctx)
{
	struct vgg_sim_inproc *t = ctx;

	pthread_mutex_lock(&t->lock);
	t->kicked = true;
	pthread_cond_broadcast(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

#define NO_VECTOR (-3)

static int next_vector(struct vgg_sim_inproc *t)
{
	int vector = NO_VECTOR;

	pthread_mutex_lock(&t->lock);
	if (t->level_count) {
		vector = t->levels[0];
		t->levels[0] = t->levels[1];
		t->level_count--;
	} else if (t->messages) {
		vector = __builtin_ctz(t->messages);
		t->messages &= t->messages - 1;
	}
	pthread_mutex_unlock(&t->lock);
	return vector;
}

static void deliver(struct vgg_sim_inproc *t)
{
	int vector;

	while ((vector = next_vector(t)) != NO_VECTOR)
		if (t->irq)
			t->irq(t->irq_ctx, vector);
}

/* (lock) Levels alternate. Two are kept, so that a pulse is not lost; with a
 * third the line is back where the first one left it. */
static void push_level(struct vgg_sim_inproc *t, int level)
{
	if (t->level_count == 2)
		t->level_count = 1;
	else
		t->levels[t->level_count++] = level;
}

/* Only notes it: the card may be at work. */
static void bus_irq(void *ctx, int vector)
{
	struct vgg_sim_inproc *t = ctx;

	pthread_mutex_lock(&t->lock);
	if (vector < 0)
		push_level(t, vector);
	else
		t->messages |= 1u << vector;
	t->kicked = true;
	pthread_cond_broadcast(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

static struct timespec deadline(int64_t ns)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ns / 1000000000;
	at.tv_nsec += ns % 1000000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

/* (lock) Until there is work, `ns` are over (-1: never) or it is time to quit;
 * false then. */
static bool wait_for_work(struct vgg_sim_inproc *t, int64_t ns)
{
	struct timespec at = deadline(ns < 0 ? 0 : ns);
	uint64_t asked = t->asked;
	bool late = false;

	while (!t->quit && (t->served < asked || (!t->kicked && !late))) {
		if (ns < 0 || late)
			pthread_cond_wait(&t->wake, &t->lock);
		else
			late = pthread_cond_timedwait(&t->wake, &t->lock,
						      &at) == ETIMEDOUT;
	}
	t->kicked = false;
	return !t->quit;
}

static void set_working(struct vgg_sim_inproc *t, bool working)
{
	t->working = working;
	pthread_cond_broadcast(&t->wake);
}

static void *run(void *arg)
{
	struct vgg_sim_inproc *t = arg;
	int64_t next = -1;

	vgg_sim_pace_thread(t->sim);
	pthread_mutex_lock(&t->lock);
	while (wait_for_work(t, next)) {
		set_working(t, true);
		pthread_mutex_unlock(&t->lock);
		next = vgg_sim_run_turns(t->sim, 1);
		pthread_mutex_lock(&t->lock);
		set_working(t, false);
		pthread_mutex_unlock(&t->lock);
		deliver(t);
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static int init_lock(struct vgg_sim_inproc *t)
{
	pthread_condattr_t attr;
	int error;

	if (pthread_condattr_init(&attr))
		return -ENOMEM;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	error = pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (error)
		return -error;
	pthread_mutex_init(&t->lock, NULL);
	return 0;
}

static void free_all(struct vgg_sim_inproc *t)
{
	vgg_sim_destroy(t->sim);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->wake);
	free(t->maps);
	free(t);
}

struct vgg_sim_inproc *
vgg_sim_inproc_create(const struct vgg_card *card,
		      const struct vgg_sim_options *options,
		      void (*irq)(void *ctx, int vector), void *ctx)
{
	struct vgg_sim_inproc *t = calloc(1, sizeof(*t));
	struct vgg_sim_bus bus = {
		.ctx = t,
		.read = bus_read,
		.write = bus_write,
		.map = bus_map,
		.irq = bus_irq,
		.kick = bus_kick,
	};

	if (!t)
		return NULL;
	if (init_lock(t)) {
		free(t);
		return NULL;
	}
	t->irq = irq;
	t->irq_ctx = ctx;
	t->sim = vgg_sim_create(card, &bus, options);
	if (!t->sim || pthread_create(&t->thread, NULL, run, t)) {
		free_all(t);
		return NULL;
	}
	return t;
}

void vgg_sim_inproc_destroy(struct vgg_sim_inproc *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->quit = true;
	pthread_cond_broadcast(&t->wake);
	pthread_mutex_unlock(&t->lock);
	/* Whatever job runs ends at its next row. */
	vgg_sim_flr(t->sim);
	pthread_join(t->thread, NULL);
	free_all(t);
}

/* (lock) */
static int make_room(struct vgg_sim_inproc *t)
{
	size_t room = t->room ? 2 * t->room : 16;
	struct mapping *maps;

	if (t->count < t->room)
		return 0;
	maps = realloc(t->maps, room * sizeof(*maps));
	if (!maps)
		return -ENOMEM;
	t->maps = maps;
	t->room = room;
	return 0;
}

/* (lock) */
static int insert(struct vgg_sim_inproc *t, const struct mapping *new)
{
	size_t i = find(t, new->addr);

	if (i < t->count && t->maps[i].addr <= new->addr + (new->len - 1))
		return -EEXIST;
	if (make_room(t))
		return -ENOMEM;
	memmove(t->maps + i + 1, t->maps + i,
		(t->count - i) * sizeof(*t->maps));
	t->maps[i] = *new;
	t->count++;
	return 0;
}

int vgg_sim_inproc_map(struct vgg_sim_inproc *t, uint64_t addr, void *mem,
		       size_t len, bool writable)
{
	struct mapping new = { addr, mem, len, writable };
	int error;

	if (!len || (addr | len) % VGG_PAGE_SIZE || addr + (len - 1) < addr)
		return -EINVAL;
	pthread_mutex_lock(&t->lock);
	error = insert(t, &new);
	pthread_mutex_unlock(&t->lock);
	return error;
}

/* (lock) */
static int take_out(struct vgg_sim_inproc *t, uint64_t addr)
{
	size_t i = find(t, addr);

	if (i == t->count || t->maps[i].addr != addr)
		return -ENOENT;
	t->count--;
	memmove(t->maps + i, t->maps + i + 1,
		(t->count - i) * sizeof(*t->maps));
	return 0;
}

int vgg_sim_inproc_unmap(struct vgg_sim_inproc *t, uint64_t addr)
{
	int error;

	pthread_mutex_lock(&t->lock);
	t->asked++;
	while (t->working)
		pthread_cond_wait(&t->wake, &t->lock);
	error = take_out(t, addr);
	t->served++;
	pthread_cond_broadcast(&t->wake);
	pthread_mutex_unlock(&t->lock);
	return error;
}

uint32_t vgg_sim_inproc_read(struct vgg_sim_inproc *t, uint32_t offset)
{
	return vgg_sim_reg_read(t->sim, offset, sizeof(uint32_t));
}

void vgg_sim_inproc_write(struct vgg_sim_inproc *t, uint32_t offset,
			  uint32_t value)
{
	vgg_sim_reg_write(t->sim, offset, sizeof(uint32_t), value);
}

void vgg_sim_inproc_get_stats(struct vgg_sim_inproc *t,
			      struct vgg_sim_stats *stats)
{
	vgg_sim_get_stats(t->sim, stats);
}
