// SPDX-License-Identifier: MIT
/* The card's thread, its bus, and debts to the client; see simd_internal.h. */
#include "simd_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define CHUNK 65536u /* of a DMA message; it must not block others for long */
#define ANSWER_NS UINT64_C(10000000000)

/* A generator that is the same everywhere (splitmix64). */
uint64_t simd_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/*
 * Debts.
 */

/* Takes out those that are of this kind and due; (lock) */
static unsigned int collect(struct simd *s, struct simd_owed *out,
			    bool unmaps_only, uint64_t now)
{
	unsigned int i, kept = 0, n = 0;

	for (i = 0; i < s->owed_count; i++) {
		const struct simd_owed *owed = &s->owed[i];

		if ((unmaps_only && !owed->unmap) || owed->due > now) {
			s->owed[kept++] = *owed;
			continue;
		}
		if (owed->unmap)
			simd_dma_unmap(&s->dma, &owed->what, s->working);
		out[n++] = *owed;
	}
	s->owed_count = kept;
	return n;
}

/* (lock, which it lets go of) Sending may take its time. */
static void pay(struct simd *s, bool unmaps_only, uint64_t now)
{
	struct simd_owed out[SIMD_OWED_MAX];
	unsigned int i, n = collect(s, out, unmaps_only, now);

	if (!n)
		return;
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < n; i++)
		simd_conn_reply(&s->conn, &out[i].request, out[i].body,
				out[i].len, NULL, 0);
	pthread_mutex_lock(&s->lock);
}

int simd_card_owe(struct simd *s, const struct simd_owed *owed)
{
	int err = 0;

	pthread_mutex_lock(&s->lock);
	if (s->owed_count == SIMD_OWED_MAX) {
		err = -EBUSY;
	} else {
		s->owed[s->owed_count] = *owed;
		s->owed[s->owed_count++].due = vgg_sim_now() + SIMD_OWED_NS;
		if (!s->working)
			pay(s, false, UINT64_MAX);
		else
			pthread_cond_broadcast(&s->wake);
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

int64_t simd_card_overdue(struct simd *s)
{
	uint64_t now = vgg_sim_now(), first = UINT64_MAX;
	unsigned int i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < s->owed_count; i++)
		first = s->owed[i].due < first ? s->owed[i].due : first;
	if (first <= now) {
		simd_log_note(&s->log, "a job takes long; memory that it may "
				       "use is taken away from it");
		pay(s, false, now);
	}
	pthread_mutex_unlock(&s->lock);
	if (first == UINT64_MAX)
		return -1;
	return first > now ? (int64_t)(first - now) : 0;
}

/*
 * DMA by messages.
 */

/* (lock) Somebody waits for the card to stop; it must not wait for him. */
static bool must_let_go(const struct simd *s)
{
	unsigned int i;

	for (i = 0; i < s->owed_count; i++)
		if (!s->owed[i].unmap)
			return true;
	return s->quit;
}

/* (lock) 0 or -errno. */
static int await(struct simd *s)
{
	uint64_t until = vgg_sim_now() + ANSWER_NS;
	struct simd_dma_wait *wait = &s->wait;
	bool late = false;

	while (!wait->answered && !wait->failed && !must_let_go(s) && !late) {
		if (s->owed_count)
			pay(s, true, UINT64_MAX);
		else
			late = !vgg_sim_sleep(&s->wake, &s->lock, until);
	}
	wait->waiting = false;
	if (wait->answered)
		return 0;
	if (late)
		simd_log_note(&s->log, "the client doesn't answer a DMA "
				       "message");
	if (!wait->failed)
		wait->given_up++;
	return -EFAULT;
}

static bool start_wait(struct simd *s, uint64_t addr, void *to, uint64_t len)
{
	struct simd_dma_wait *wait = &s->wait;
	bool ok;

	pthread_mutex_lock(&s->lock);
	ok = !must_let_go(s);
	if (ok) {
		wait->id++;
		wait->addr = addr;
		wait->to = to;
		wait->len = len;
		wait->answered = wait->failed = false;
		wait->waiting = true;
	}
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static int send_message(struct simd *s, bool write, uint64_t addr, void *data,
			uint64_t len)
{
	struct vfu_dma_access access = { addr, len };
	size_t data_len = write ? len : 0;
	struct vfu_header head = {
		.command = write ? VFU_DMA_WRITE : VFU_DMA_READ,
		.size = (uint32_t)(sizeof(head) + sizeof(access) + data_len),
	};
	int err;

	if (!start_wait(s, addr, write ? NULL : data, len))
		return -EFAULT;
	head.id = s->wait.id;
	err = simd_conn_send(&s->conn, &head, &access, sizeof(access),
			     write ? data : NULL, data_len);
	pthread_mutex_lock(&s->lock);
	if (err)
		s->wait.waiting = false;
	else
		err = await(s);
	pthread_mutex_unlock(&s->lock);
	if (!err)
		simd_count(s->log.stats.dma_msg_bytes, len);
	return err;
}

static int by_message(struct simd *s, bool write, uint64_t addr, void *data,
		      uint64_t len)
{
	uint64_t limit = s->transfer_max < CHUNK ? s->transfer_max : CHUNK, n;
	uint8_t *at = data;
	int err = 0;

	for (; len && !err; len -= n, addr += n, at += n) {
		n = len < limit ? len : limit;
		err = send_message(s, write, addr, at, n);
	}
	return err;
}

/* (lock) Whether the reply is what was asked for. */
static bool fits(const struct simd_dma_wait *wait, const struct simd_message *m)
{
	struct vfu_dma_access access;

	if (m->head.command != (wait->to ? VFU_DMA_READ : VFU_DMA_WRITE))
		return false;
	if (!wait->to)
		return true;
	if (m->len != sizeof(access) + wait->len)
		return false;
	memcpy(&access, m->body, sizeof(access));
	return access.addr == wait->addr && access.count == wait->len;
}

int simd_card_answer(struct simd *s, const struct simd_message *m)
{
	struct simd_dma_wait *wait = &s->wait;
	int err = 0;

	pthread_mutex_lock(&s->lock);
	if (wait->waiting && m->head.id == wait->id) {
		if (m->head.flags & VFU_F_ERROR) {
			wait->failed = true;
		} else if (!fits(wait, m)) {
			wait->failed = true;
			err = -EPROTO;
		} else {
			if (wait->to)
				memcpy(wait->to,
				       m->body + sizeof(struct vfu_dma_access),
				       wait->len);
			wait->answered = true;
		}
		wait->waiting = false;
		pthread_cond_broadcast(&s->wake);
	} else if (wait->given_up) {
		wait->given_up--;
	} else {
		err = -EPROTO;
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

/*
 * The bus.
 */

/* What lies at addr and how much of *len it has. Stays until the turn ends. */
static bool lookup(struct simd *s, uint64_t addr, uint64_t *len, bool write,
		   struct bus_piece *found)
{
	const struct bus_piece *map;

	pthread_mutex_lock(&s->lock);
	map = bus_map_find(&s->dma.map, addr, len);
	if (map)
		*found = *map;
	pthread_mutex_unlock(&s->lock);
	if (map && (write ? found->writable : found->readable))
		return true;
	simd_log_driver(&s->log, "DMA %s at 0x%" PRIx64 ": %s",
			write ? "write" : "read", addr,
			map ? "not allowed there" : "no memory is there");
	return false;
}

static int transfer(struct simd *s, uint64_t addr, uint8_t *data, size_t len,
		    bool write)
{
	struct bus_piece map;
	uint8_t *mem;
	uint64_t n;
	int err = 0;

	for (; len && !err; len -= n, data += n, addr += n) {
		n = len;
		if (!lookup(s, addr, &n, write, &map))
			return -EFAULT;
		if (!map.mem || s->options.dma_messages) {
			err = by_message(s, write, addr, data, n);
			continue;
		}
		mem = map.mem + (addr - map.addr);
		if (write)
			bus_publish(mem, data, n);
		else
			memcpy(data, mem, n);
		simd_count(s->log.stats.dma_map_bytes, n);
	}
	return err;
}

static int bus_read(void *ctx, uint64_t addr, void *to, size_t len)
{
	return transfer(ctx, addr, to, len, false);
}

static int bus_write(void *ctx, uint64_t addr, const void *from, size_t len)
{
	return transfer(ctx, addr, (void *)(uintptr_t)from, len, true);
}

static void *bus_map(void *ctx, uint64_t addr, size_t len, bool writable)
{
	struct simd *s = ctx;
	const struct bus_piece *map;
	uint64_t n = len;
	uint8_t *mem = NULL;

	if (s->options.dma_messages)
		return NULL;
	pthread_mutex_lock(&s->lock);
	map = bus_map_find(&s->dma.map, addr, &n);
	if (map && n == len && map->mem && map->readable &&
	    (!writable || map->writable))
		mem = map->mem + (addr - map->addr);
	pthread_mutex_unlock(&s->lock);
	return mem;
}

static void bus_irq(void *ctx, int vector)
{
	struct simd *s = ctx;

	simd_irq_event(&s->irq, vector,
		       pthread_equal(pthread_self(), s->socket));
}

static void bus_kick(void *ctx)
{
	struct simd *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->kicked = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

static void bus_log(void *ctx, const char *line)
{
	simd_log_driver(&((struct simd *)ctx)->log, "%s", line);
}

/*
 * The thread.
 */

/* (lock) Until there is work or `ns` are over (-1: never); false: quit. */
static bool wait_for_work(struct simd *s, int64_t ns)
{
	uint64_t until = ns < 0 ? UINT64_MAX : vgg_sim_now() + (uint64_t)ns;
	bool late = ns == 0;

	while (!s->quit && !s->kicked && !late)
		late = !vgg_sim_sleep(&s->wake, &s->lock, until);
	s->kicked = false;
	return !s->quit;
}

struct progress {
	uint64_t jobs, bytes, faults;
	struct vgg_sim_stats sim;
};

static struct progress look(struct vgg_sim *sim)
{
	struct progress p;

	pthread_mutex_lock(&sim->lock);
	p.jobs = sim->regs[SIM_REG_JOBS];
	p.bytes = sim->counters[SIM_COUNT_BYTES];
	p.faults = sim->faults;
	p.sim = sim->stats;
	pthread_mutex_unlock(&sim->lock);
	return p;
}

/* The first time is worth a line: whoever measures wants to know. */
static void tell_late(struct simd *s, const struct vgg_sim_stats *before,
		      const struct vgg_sim_stats *now)
{
	if (now->late_jobs == before->late_jobs)
		return;
	atomic_store(&s->log.stats.late_jobs, now->late_jobs);
	atomic_store(&s->log.stats.late_us, now->late_ns / 1000);
	if (!before->late_jobs)
		simd_log_note(&s->log,
			      "a job ended %" PRIu64
			      " us later than the modelled card would have; "
			      "more are counted in the statistics",
			      now->late_ns / 1000);
}

/*
 * What commands move through pointers passes by nobody who could count it, so
 * the card's own counter is taken, less what went by message. Both counters
 * start anew with a reset.
 */
static void account(struct simd *s, const struct progress *before,
		    uint64_t messages_before)
{
	struct simd_stats *stats = &s->log.stats;
	struct progress now = look(s->sim);
	uint64_t messages =
		atomic_load(&stats->dma_msg_bytes) - messages_before;
	uint64_t bytes =
		now.bytes > before->bytes ? now.bytes - before->bytes : 0;

	if (now.jobs > before->jobs)
		simd_count(stats->jobs, now.jobs - before->jobs);
	if (bytes > messages)
		simd_count(stats->dma_map_bytes, bytes - messages);
	atomic_store(&stats->faults, now.faults);
	tell_late(s, &before->sim, &now.sim);
}

static int64_t turn(struct simd *s)
{
	struct progress before = look(s->sim);
	uint64_t messages = atomic_load(&s->log.stats.dma_msg_bytes);
	struct timespec pause = { 0 };
	int64_t next;

	if (s->delay_us) {
		pause.tv_nsec =
			(long)(simd_random(&s->random) % s->delay_us) * 1000;
		nanosleep(&pause, NULL);
	}
	next = vgg_sim_run_turns(s->sim, 1);
	account(s, &before, messages);
	return next;
}

static void *run(void *arg)
{
	struct simd *s = arg;
	int64_t next = -1;

	vgg_sim_pace_thread(s->sim);
	pthread_mutex_lock(&s->lock);
	while (wait_for_work(s, next)) {
		s->working = true;
		pthread_mutex_unlock(&s->lock);
		next = turn(s);
		pthread_mutex_lock(&s->lock);
		s->working = false;
		simd_dma_settle(&s->dma);
		pay(s, false, UINT64_MAX);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void free_all(struct simd *s)
{
	vgg_sim_destroy(s->sim);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
}

int simd_card_start(struct simd *s)
{
	struct vgg_sim_options options = { .order = s->options.order,
					   .pace = s->options.pace };
	struct vgg_sim_bus bus = {
		.ctx = s,
		.read = bus_read,
		.write = bus_write,
		.map = bus_map,
		.irq = bus_irq,
		.kick = bus_kick,
		.log = bus_log,
	};
	int err;

	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	s->sim = vgg_sim_create(&s->options.card, &bus, &options);
	if (!s->sim) {
		free_all(s);
		return -ENOMEM;
	}
	vgg_sim_inject(s->sim, &s->options.injection);
	err = pthread_create(&s->card, NULL, run, s);
	if (err)
		free_all(s);
	return -err;
}

void simd_card_stop(struct simd *s)
{
	pthread_mutex_lock(&s->lock);
	s->quit = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	/* Whatever job runs ends at its next row. */
	vgg_sim_flr(s->sim);
	pthread_join(s->card, NULL);
	simd_dma_clear(&s->dma);
	free_all(s);
}
