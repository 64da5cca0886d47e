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
#include "bus_map.h"
#include "sim_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	struct bus_map map;
};

/* The memory at addr and, in *len, how much of the wanted length it has. */
static uint8_t *lookup(struct vgg_sim_inproc *t, uint64_t addr, uint64_t *len,
		       bool write)
{
	const struct bus_piece *piece;
	uint8_t *mem = NULL;

	pthread_mutex_lock(&t->lock);
	piece = bus_map_find(&t->map, addr, len);
	if (piece && (!write || piece->writable))
		mem = piece->mem + (addr - piece->addr);
	pthread_mutex_unlock(&t->lock);
	return mem;
}

static int bus_read(void *ctx, uint64_t addr, void *to, size_t len)
{
	uint8_t *bytes = to, *mem;
	uint64_t n;

	for (; len; len -= n, bytes += n, addr += n) {
		n = len;
		mem = lookup(ctx, addr, &n, false);
		if (!mem)
			return -EFAULT;
		memcpy(bytes, mem, n);
	}
	return 0;
}

static int bus_write(void *ctx, uint64_t addr, const void *from, size_t len)
{
	const uint8_t *bytes = from;
	uint8_t *mem;
	uint64_t n;

	for (; len; len -= n, bytes += n, addr += n) {
		n = len;
		mem = lookup(ctx, addr, &n, true);
		if (!mem)
			return -EFAULT;
		bus_publish(mem, bytes, n);
	}
	return 0;
}

static void *bus_map(void *ctx, uint64_t addr, size_t len, bool writable)
{
	uint64_t n = len;
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

/* (lock) Until there is work, `ns` are over (-1: never) or it is time to quit;
 * false then. */
static bool wait_for_work(struct vgg_sim_inproc *t, int64_t ns)
{
	uint64_t until = ns < 0 ? UINT64_MAX : vgg_sim_now() + (uint64_t)ns;
	uint64_t asked = t->asked;
	bool late = false;

	while (!t->quit && (t->served < asked || (!t->kicked && !late)))
		late |= !vgg_sim_sleep(&t->wake, &t->lock,
				       late ? UINT64_MAX : until);
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

static void free_all(struct vgg_sim_inproc *t)
{
	vgg_sim_destroy(t->sim);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->wake);
	bus_map_free(&t->map);
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
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, NULL);
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

int vgg_sim_inproc_map(struct vgg_sim_inproc *t, uint64_t addr, void *mem,
		       size_t len, bool writable)
{
	struct bus_piece new = { addr, len, mem, true, writable };
	int error;

	if (!len || (addr | len) % VGG_PAGE_SIZE || addr + (len - 1) < addr)
		return -EINVAL;
	pthread_mutex_lock(&t->lock);
	error = bus_map_insert(&t->map, &new);
	pthread_mutex_unlock(&t->lock);
	return error;
}

/* (lock) */
static int take_out(struct vgg_sim_inproc *t, uint64_t addr)
{
	size_t i = bus_map_index(&t->map, addr);

	if (i == t->map.count || t->map.piece[i].addr != addr)
		return -ENOENT;
	bus_map_remove(&t->map, i);
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
