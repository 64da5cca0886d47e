// SPDX-License-Identifier: MIT
/*
 * The simulated card as a device of this process. This is a driver: it reaches
 * the card by registers, rings, page tables and interrupts only, and everything
 * it does the kernel module does, too.
 *
 * Jobs may be submitted and awaited, and buffers managed, by several threads.
 *
 * One context, one submission and one completion ring. A ticket is the job's
 * sequence number; results are kept until VGG_TICKETS jobs later, whoever
 * submitted these.
 */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device/backend.h"
#include "device/deadline.h"
#include "device/sim_mmu.h"
#include "trace/trace.h"
#include "util/error.h"

#define RING_LOG2 6
#define RING (1u << RING_LOG2)
#define POLL_MS 50 /* a lost interrupt costs this much */
#define RESET_MS 10000

#define BUS_BEGIN 0x40000000ull
#define BUS_END 0x1000000000ull
#define VA_BEGIN 0x100000ull /* address 0 stays a mistake */
#define VA_END (1ull << VGG_VA_BITS)

struct result {
	uint64_t ticket;
	bool done;
	struct vgg_completion c;
};

struct sim {
	struct vgg_backend base;
	struct vgg_card profile;
	bool paced;
	struct vgg_sim_inproc *card;
	pthread_mutex_t memory_lock; /* the next four */
	struct vgg_ranges va, bus, local;
	struct vgg_mmu mmu;
	struct vgg_sim_memory sq, cq;

	/* A lock of its own: registers are written with `lock` held, and the
	 * card may answer with an interrupt at once, in the same thread. */
	pthread_mutex_t event_lock;
	pthread_cond_t event;
	uint64_t interrupts; /* seen so far */
	uint32_t stamped; /* place in the completion ring: earlier ones are */
	uint64_t stamps[RING]; /* when the interrupt for them came, ns */

	pthread_mutex_t lock; /* all below */
	uint64_t seq;	      /* of the next job */
	uint32_t entries;     /* of each ring, a power of two */
	uint32_t sq_tail, cq_head;
	uint32_t generation; /* of the rings: counts resets */
	uint64_t lost_irqs, strays;
	bool lost;
	struct result *results; /* VGG_TICKETS */
};

struct sim_buffer {
	struct vgg_buffer base;
	struct vgg_sim_memory memory; /* HOST */
	uint64_t local;		      /* LOCAL: on-board address */
	uint64_t pages;		      /* bytes, whole pages */
};

static struct sim *to_sim(struct vgg_backend *b)
{
	return (struct sim *)b;
}

static uint32_t reg(void *ctx, uint32_t offset)
{
	return vgg_sim_inproc_read(((struct sim *)ctx)->card, offset);
}

static void set_reg(struct sim *s, uint32_t offset, uint32_t value)
{
	vgg_sim_inproc_write(s->card, offset, value);
}

/* Whether the entry at this place is there yet: by the word that holds status and
 * phase, as the card writes it. */
static bool has_entry(const struct sim *s, uint32_t place)
{
	const struct vgg_hw_cqe *ring = s->cq.map;
	const void *last = &ring[place % s->entries].status;
	uint32_t word =
		__atomic_load_n((const uint32_t *)last, __ATOMIC_ACQUIRE);

	return (le32toh(word) >> 16 & 1) != (place / s->entries & 1);
}

/* When jobs ended, for those who look later; with event_lock. */
static void stamp(struct sim *s)
{
	uint64_t now = vgg_trace_now();

	while (s->entries && has_entry(s, s->stamped))
		s->stamps[s->stamped++ % RING] = now;
}

/* Entries that were found without their interrupt are stamped now. */
static uint64_t stamp_of(struct sim *s, uint32_t place)
{
	uint64_t at;

	pthread_mutex_lock(&s->event_lock);
	if (s->stamped == place)
		stamp(s);
	at = s->stamps[place % RING];
	pthread_mutex_unlock(&s->event_lock);
	return at;
}

/* Called from the card's thread. */
static void on_irq(void *ctx, int vector)
{
	struct sim *s = ctx;

	(void)vector;
	pthread_mutex_lock(&s->event_lock);
	s->interrupts++;
	stamp(s);
	pthread_cond_broadcast(&s->event);
	pthread_mutex_unlock(&s->event_lock);
}

/*
 * Rings.
 */
static int start_rings(struct sim *s)
{
	uint32_t log2 = reg(s, VGG_REG_CAP_LIMITS) >> 16;

	log2 = log2 < RING_LOG2 ? log2 : RING_LOG2;
	s->entries = 1u << log2;
	memset(s->sq.map, 0, s->sq.bytes);
	memset(s->cq.map, 0, s->cq.bytes);
	s->sq_tail = s->cq_head = 0;
	pthread_mutex_lock(&s->event_lock);
	s->stamped = 0;
	pthread_mutex_unlock(&s->event_lock);
	s->generation++;
	set_reg(s, VGG_REG_SQ_BASE_LO, (uint32_t)s->sq.bus);
	set_reg(s, VGG_REG_SQ_BASE_HI, (uint32_t)(s->sq.bus >> 32));
	set_reg(s, VGG_REG_SQ_SIZE, log2);
	set_reg(s, VGG_REG_CQ_BASE_LO, (uint32_t)s->cq.bus);
	set_reg(s, VGG_REG_CQ_BASE_HI, (uint32_t)(s->cq.bus >> 32));
	set_reg(s, VGG_REG_CQ_SIZE, log2);
	set_reg(s, VGG_REG_IRQ_MASK, 0);
	set_reg(s, VGG_REG_CTRL, VGG_CTRL_ENABLE);
	if (reg(s, VGG_REG_CTRL) & VGG_CTRL_ENABLE)
		return 0;
	return vgg_fail(DEVICE_FAULT, "card", "report it",
			"the card refuses its rings: %s",
			vgg_status_name(reg(s, VGG_REG_ERR_CODE)));
}

static void keep_result(struct sim *s, const struct vgg_hw_cqe *e)
{
	uint32_t seq = le32toh(e->seq);
	struct result *r = &s->results[seq % VGG_TICKETS];

	/* A wrong sequence number, a second completion, or one from before a
	 * reset: never believed. */
	if (le32toh(e->generation) != s->generation ||
	    (uint32_t)s->seq - seq - 1 >= RING || r->done) {
		s->strays++;
		return;
	}
	r->done = true;
	r->c.status = le16toh(e->status);
	r->c.index = le32toh(e->index);
	r->c.tag = le32toh(e->tag);
	r->c.cycles = le64toh(e->cycles);
	r->c.saturations = le32toh(e->saturations);
	r->c.seen_ns = stamp_of(s, s->cq_head);
}

/* Takes new entries off the completion ring. */
static bool reap(struct sim *s)
{
	struct vgg_hw_cqe *ring = s->cq.map;
	bool any = false;

	for (;;) {
		if (!has_entry(s, s->cq_head))
			break;
		keep_result(s, &ring[s->cq_head % s->entries]);
		s->cq_head++;
		any = true;
	}
	if (any)
		set_reg(s, VGG_REG_DB_CQ_HEAD, s->cq_head % s->entries);
	return any;
}

static uint64_t interrupts(struct sim *s)
{
	uint64_t n;

	pthread_mutex_lock(&s->event_lock);
	n = s->interrupts;
	pthread_mutex_unlock(&s->event_lock);
	return n;
}

/* Sleeps until there are more interrupts than the caller had seen before it
 * looked at the ring; not for long, as one may have been lost, or the card may
 * be. Gives up the lock meanwhile. */
static void await_event(struct sim *s, uint64_t seen)
{
	struct timespec until = vgg_deadline_in(POLL_MS);
	bool interrupted;

	pthread_mutex_unlock(&s->lock);
	pthread_mutex_lock(&s->event_lock);
	while (s->interrupts == seen && !vgg_deadline_passed(&until))
		vgg_deadline_wait(&s->event, &s->event_lock, &until);
	interrupted = s->interrupts != seen;
	pthread_mutex_unlock(&s->event_lock);
	pthread_mutex_lock(&s->lock);
	if (interrupted)
		return;
	if (reap(s))
		s->lost_irqs++;
	else if (reg(s, VGG_REG_MAGIC) != VGG_REG_MAGIC_VALUE)
		s->lost = true;
}

static int check_alive(struct sim *s)
{
	if (!s->lost)
		return 0;
	return vgg_fail(DEVICE_LOST, "card", "open the device again",
			"the card no longer answers");
}

/* After a job that never ended: reset, and fail what was in flight. */
static int recover(struct sim *s)
{
	struct timespec until = vgg_deadline_in(RESET_MS);
	uint64_t seq;

	set_reg(s, VGG_REG_CTRL, VGG_CTRL_RESET);
	while (!(reg(s, VGG_REG_STATUS) & VGG_DEV_READY) &&
	       !vgg_deadline_passed(&until))
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	s->lost = reg(s, VGG_REG_MAGIC) != VGG_REG_MAGIC_VALUE;
	if (s->lost)
		return check_alive(s);
	for (seq = s->seq > RING ? s->seq - RING : 0; seq < s->seq; seq++) {
		struct result *r = &s->results[seq % VGG_TICKETS];

		if (!r->done)
			r->c.status = VGG_STATUS_ABORTED;
		r->done = true;
	}
	return start_rings(s);
}

static int timed_out(struct sim *s, uint64_t ticket, uint32_t timeout_ms)
{
	int err = recover(s);

	if (err)
		return err;
	return vgg_fail(DEVICE_TIMEOUT, "card",
			"run again; the card has been reset",
			"job %llu did not finish within %u ms",
			(unsigned long long)ticket, timeout_ms);
}

static int find_result(struct sim *s, uint64_t ticket, struct result **r)
{
	*r = &s->results[ticket % VGG_TICKETS];
	if (ticket < s->seq && (*r)->ticket == ticket)
		return 0;
	return vgg_fail(BAD_ARGUMENT, "ticket", VGG_TICKETS_HINT, "no job %llu",
			(unsigned long long)ticket);
}

static int sim_wait(struct vgg_backend *b, uint64_t ticket, uint32_t timeout_ms,
		    struct vgg_completion *c)
{
	struct sim *s = to_sim(b);
	struct timespec until = vgg_deadline_in(timeout_ms);
	struct result *r;
	int err;

	pthread_mutex_lock(&s->lock);
	err = check_alive(s);
	if (!err)
		err = find_result(s, ticket, &r);
	while (!err && !r->done) {
		uint64_t seen = interrupts(s);

		reap(s);
		if (r->done)
			break;
		if (vgg_deadline_passed(&until)) {
			err = timed_out(s, ticket, timeout_ms);
		} else {
			await_event(s, seen);
			err = check_alive(s);
		}
		/* Without the lock, others went on. */
		if (!err)
			err = find_result(s, ticket, &r);
	}
	if (!err)
		*c = r->c;
	pthread_mutex_unlock(&s->lock);
	return err;
}

static int sim_submit(struct vgg_backend *b, const struct vgg_job *job,
		      uint32_t timeout_ms, uint64_t *ticket)
{
	struct sim *s = to_sim(b);
	struct timespec until;
	struct vgg_hw_sqe *e;
	int err;

	pthread_mutex_lock(&s->lock);
	until = vgg_deadline_in(timeout_ms);
	err = check_alive(s);
	/* One place stays free, so that full and empty differ. */
	while (!err && s->seq >= s->entries - 1 &&
	       !s->results[(s->seq - (s->entries - 1)) % VGG_TICKETS].done) {
		uint64_t seen = interrupts(s);

		if (reap(s))
			continue;
		if (vgg_deadline_passed(&until)) {
			err = timed_out(s, s->seq - (s->entries - 1),
					timeout_ms);
			/* What waited is over, but so is this attempt. */
		} else {
			await_event(s, seen);
			err = check_alive(s);
		}
	}
	if (!err) {
		*ticket = s->seq;
		s->results[s->seq % VGG_TICKETS] =
			(struct result){ .ticket = s->seq };
		e = (struct vgg_hw_sqe *)s->sq.map + s->sq_tail;
		*e = (struct vgg_hw_sqe){
			.seq = htole32((uint32_t)s->seq),
			.root = htole64(vgg_mmu_root(&s->mmu)),
			.stream = htole64(job->stream),
			.stream_bytes = htole32(job->stream_bytes),
			.timeout_us = htole32(job->timeout_us),
			.tag = htole32(job->tag),
			.generation = htole32(s->generation),
		};
		s->seq++;
		s->sq_tail = (s->sq_tail + 1) % s->entries;
		set_reg(s, VGG_REG_DB_SQ_TAIL, s->sq_tail);
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

/*
 * Buffers.
 */
static int place_buffer(struct sim *s, struct sim_buffer *b,
			enum vgg_buffer_place place)
{
	uint64_t align = b->pages >> VGG_HUGE_SHIFT ? 1u << VGG_HUGE_SHIFT :
						      VGG_PAGE_SIZE;
	uint64_t to;
	int err;

	/* One page stays unmapped behind it, so that a command that runs over
	 * a buffer's end faults. */
	err = vgg_ranges_take(&s->va, b->pages + VGG_PAGE_SIZE, align,
			      &b->base.address);
	if (err)
		return err;
	if (place == VGG_BUFFER_LOCAL) {
		err = vgg_ranges_take(&s->local, b->pages, align, &b->local);
		to = b->local;
	} else {
		err = vgg_sim_memory_new(s->card, &s->bus, b->pages,
					 &b->memory);
		b->base.map = b->memory.map;
		to = b->memory.bus;
	}
	if (err)
		goto err_va;
	err = vgg_mmu_map(&s->mmu, b->base.address, to, b->pages,
			  place == VGG_BUFFER_LOCAL);
	if (err)
		goto err_memory;
	return 0;

err_memory:
	if (place == VGG_BUFFER_LOCAL)
		vgg_ranges_give(&s->local, b->local, b->pages);
	else
		vgg_sim_memory_free(s->card, &s->bus, &b->memory);
err_va:
	vgg_ranges_give(&s->va, b->base.address, b->pages + VGG_PAGE_SIZE);
	return err;
}

static int sim_buffer_create(struct vgg_backend *backend, uint64_t bytes,
			     enum vgg_buffer_place place,
			     struct vgg_buffer **buffer)
{
	struct sim *s = to_sim(backend);
	struct sim_buffer *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return vgg_fail_memory("a buffer");
	b->pages = (bytes + VGG_PAGE_SIZE - 1) & ~(uint64_t)(VGG_PAGE_SIZE - 1);
	pthread_mutex_lock(&s->memory_lock);
	err = place_buffer(s, b, place);
	pthread_mutex_unlock(&s->memory_lock);
	if (!err) {
		*buffer = &b->base;
		return 0;
	}
	free(b);
	if (err == -ENOMEM)
		return vgg_fail_memory("a buffer");
	return vgg_fail(DEVICE_MEMORY, "card",
			place == VGG_BUFFER_LOCAL ? "use less, or host memory" :
						    "use smaller buffers",
			"no room for %llu bytes of %s memory, %llu are free",
			(unsigned long long)bytes,
			place == VGG_BUFFER_LOCAL ? "on-board" : "host",
			(unsigned long long)(place == VGG_BUFFER_LOCAL ?
						     s->local.free :
						     s->bus.free));
}

static void sim_buffer_destroy(struct vgg_backend *backend,
			       struct vgg_buffer *buffer)
{
	struct sim *s = to_sim(backend);
	struct sim_buffer *b = (struct sim_buffer *)buffer;

	pthread_mutex_lock(&s->memory_lock);
	vgg_mmu_unmap(&s->mmu, b->base.address, b->pages);
	if (b->base.place == VGG_BUFFER_LOCAL)
		vgg_ranges_give(&s->local, b->local, b->pages);
	else
		vgg_sim_memory_free(s->card, &s->bus, &b->memory);
	vgg_ranges_give(&s->va, b->base.address, b->pages + VGG_PAGE_SIZE);
	pthread_mutex_unlock(&s->memory_lock);
	free(b);
}

static uint64_t reg64(struct sim *s, uint32_t lo)
{
	uint64_t low = reg(s, lo);

	return low | (uint64_t)reg(s, lo + 4) << 32;
}

static int sim_info(struct vgg_backend *b, struct vgg_device_info *i)
{
	struct sim *s = to_sim(b);
	struct vgg_sim_stats stats;
	int err;

	pthread_mutex_lock(&s->lock);
	err = vgg_read_capabilities(reg, s, i);
	snprintf(i->name, sizeof(i->name), "%s", s->profile.name);
	pthread_mutex_lock(&s->memory_lock);
	i->local_free = s->local.free;
	pthread_mutex_unlock(&s->memory_lock);
	vgg_sim_inproc_get_stats(s->card, &stats);
	i->paced = s->paced;
	i->late_jobs = stats.late_jobs;
	i->late_us = stats.late_ns / 1000;
	i->computed = stats.computed;
	i->replayed = stats.replayed;
	i->jobs = reg(s, VGG_REG_JOBS);
	i->cycles = reg64(s, VGG_REG_CYCLES_LO);
	i->mac_busy = reg64(s, VGG_REG_MAC_BUSY_LO);
	i->dma_busy = reg64(s, VGG_REG_DMA_BUSY_LO);
	i->link_bytes = reg64(s, VGG_REG_BYTES_LO);
	i->saturations = reg64(s, VGG_REG_SAT_LO);
	i->temperature = reg(s, VGG_REG_TEMPERATURE);
	pthread_mutex_unlock(&s->lock);
	return err;
}

static void sim_close(struct vgg_backend *b)
{
	struct sim *s = to_sim(b);

	if (s->card) {
		if (s->mmu.root)
			vgg_mmu_clear(&s->mmu);
		if (s->sq.map)
			vgg_sim_memory_free(s->card, &s->bus, &s->sq);
		if (s->cq.map)
			vgg_sim_memory_free(s->card, &s->bus, &s->cq);
		vgg_sim_inproc_destroy(s->card);
	}
	vgg_ranges_clear(&s->va);
	vgg_ranges_clear(&s->bus);
	vgg_ranges_clear(&s->local);
	pthread_cond_destroy(&s->event);
	pthread_mutex_destroy(&s->memory_lock);
	pthread_mutex_destroy(&s->event_lock);
	pthread_mutex_destroy(&s->lock);
	free(s->results);
	free(s);
}

static const struct vgg_backend_ops sim_ops = {
	.buffer_create = sim_buffer_create,
	.buffer_destroy = sim_buffer_destroy,
	.submit = sim_submit,
	.wait = sim_wait,
	.info = sim_info,
	.close = sim_close,
};

/*
 * Opening.
 */
static int choose_order(const char *name, enum vgg_sim_order *order)
{
	if (!name || !strcmp(name, "program"))
		*order = VGG_SIM_PROGRAM_ORDER;
	else if (!strcmp(name, "dma-late"))
		*order = VGG_SIM_DMA_LATE;
	else if (!strcmp(name, "mac-late"))
		*order = VGG_SIM_MAC_LATE;
	else
		return vgg_fail(BAD_ARGUMENT, "order",
				"use program, dma-late or mac-late",
				"no order \"%s\"", name);
	return 0;
}

static const char fault_names[] =
	"use NAME[,after=N][,count=N][,arg=N] with one of"
#define VGG_FAULT_NAME(name, id, text) " " #name
	VGG_HW_FAULTS(VGG_FAULT_NAME);
#undef VGG_FAULT_NAME

static int parse_injection(const char *text, struct vgg_sim_injection *i)
{
	*i = (struct vgg_sim_injection){ 0 };
	if (!text)
		return 0;
	/* Nobody here could choose the moment. */
	if (vgg_sim_injection_parse(text, i) || i->after_random)
		return vgg_fail(BAD_ARGUMENT, "inject", fault_names,
				"\"%s\" is no fault's name with whole numbers "
				"for after, count and arg",
				text);
	return 0;
}

static int inject(struct sim *s, const struct vgg_sim_injection *i)
{
	if (!i->fault)
		return 0;
	if (!(reg(s, VGG_REG_CAPS) & VGG_CAP_INJECT))
		return vgg_fail(BAD_ARGUMENT, "inject",
				"set `inject 1` in the card profile",
				"this card can't inject faults");
	set_reg(s, VGG_REG_INJECT_AFTER, i->after);
	set_reg(s, VGG_REG_INJECT_COUNT, i->count);
	set_reg(s, VGG_REG_INJECT_ARG, i->arg);
	set_reg(s, VGG_REG_INJECT_FAULT, i->fault);
	return 0;
}

static int load_profile(struct sim *s, const char *path)
{
	char what[256];
	int err;

	vgg_card_default(&s->profile);
	if (!path)
		return 0;
	err = vgg_card_load(&s->profile, path, what, sizeof(what));
	if (err)
		return vgg_fail(BAD_ARGUMENT, "card profile",
				"see firmware-sim/cards for examples", "%s",
				what);
	return 0;
}

static void init_sync(struct sim *s)
{
	pthread_cond_init(&s->event, NULL);
	pthread_mutex_init(&s->memory_lock, NULL);
	pthread_mutex_init(&s->event_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
}

static int set_up(struct sim *s, const struct vgg_sim_options *o)
{
	uint64_t local = (uint64_t)s->profile.local_mib << 20;

	if (vgg_ranges_init(&s->va, VA_BEGIN, VA_END) ||
	    vgg_ranges_init(&s->bus, BUS_BEGIN, BUS_END) ||
	    vgg_ranges_init(&s->local, 0, local))
		return -ENOMEM;
	s->card = vgg_sim_inproc_create(&s->profile, o, on_irq, s);
	if (!s->card)
		return -ENOMEM;
	if (vgg_mmu_init(&s->mmu, s->card, &s->bus) ||
	    vgg_sim_memory_new(s->card, &s->bus,
			       RING * sizeof(struct vgg_hw_sqe), &s->sq) ||
	    vgg_sim_memory_new(s->card, &s->bus,
			       RING * sizeof(struct vgg_hw_cqe), &s->cq))
		return -ENOMEM;
	return 0;
}

static int probe(struct sim *s, const struct vgg_sim_injection *i)
{
	struct vgg_device_info info = VGG_INIT(info);
	int err = inject(s, i);

	if (!err)
		err = vgg_read_capabilities(reg, s, &info);
	return err ? err : start_rings(s);
}

int vgg_sim_backend_open(const struct vgg_device_options *options,
			 struct vgg_backend **backend)
{
	return vgg_sim_backend_open_clock(options, NULL, backend);
}

int vgg_sim_backend_open_clock(const struct vgg_device_options *options,
			       const struct vgg_sim_clock *clock,
			       struct vgg_backend **backend)
{
	struct vgg_sim_options o = { .msi_vectors = 1,
				     .bus_master = true,
				     .pace = options->pace,
				     .clock = clock };
	struct sim *s = calloc(1, sizeof(*s));
	struct vgg_sim_injection injection;
	int err;

	if (s)
		s->results = calloc(VGG_TICKETS, sizeof(*s->results));
	if (!s || !s->results) {
		free(s);
		return vgg_fail_memory("the simulated card");
	}
	s->base.ops = &sim_ops;
	s->paced = options->pace;
	init_sync(s);
	err = load_profile(s, options->card);
	if (!err)
		err = choose_order(options->order, &o.order);
	if (!err)
		err = parse_injection(options->inject, &injection);
	if (!err && set_up(s, &o))
		err = vgg_fail_memory("the simulated card");
	if (!err)
		err = probe(s, &injection);
	if (err)
		sim_close(&s->base);
	else
		*backend = &s->base;
	return err;
}
