// SPDX-License-Identifier: MIT
/*
 * The card as a whole: creation, host memory, reset, the error latch and
 * interrupts.
 *
 * A reset has two halves. Writing CTRL_RESET puts all registers to their reset
 * values at once, clears DEV_READY and tells the running job to stop;
 * whatever the firmware does from then on with its old job is thrown away.
 * vgg_sim_run() does the second half when the job has let go of the host's
 * memory, and sets DEV_READY.
 */
#include "sim_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define MIB (UINT64_C(1) << 20)
#define REPLAY_MIB 256 /* of a paced card, unless told otherwise */

uint64_t vgg_sim_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + 1;
}

bool vgg_sim_sleep(pthread_cond_t *wake, pthread_mutex_t *lock, uint64_t until)
{
	struct timespec at = {
		.tv_sec = (time_t)((until - 1) / 1000000000),
		.tv_nsec = (long)((until - 1) % 1000000000),
	};

	if (until == UINT64_MAX)
		return !pthread_cond_wait(wake, lock);
	return pthread_cond_clockwait(wake, lock, CLOCK_MONOTONIC, &at) !=
	       ETIMEDOUT;
}

const char *vgg_sim_status_name(unsigned int status)
{
	switch (status) {
#define NAME(name, code, text) \
	case code:             \
		return #name;
		VGG_HW_STATUSES(NAME)
#undef NAME
	}
	return "undefined status";
}

uint64_t vgg_sim_us_to_cycles(const struct vgg_sim *sim, uint64_t us)
{
	return us * sim->card.clock_khz / 1000;
}

/* On-board memory costs nothing until it is touched. */
static int create_local(struct vgg_sim *sim)
{
	void *mem;

	sim->local_size = sim->card.local_mib * MIB;
	if (!sim->local_size)
		return 0;
	mem = mmap(NULL, sim->local_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return -1;
	sim->local = mem;
	return 0;
}

static int create_replay(struct vgg_sim *sim, uint32_t mib)
{
	if (!mib && sim->pace.on)
		mib = REPLAY_MIB;
	if (!mib)
		return 0;
	sim->replay = vgg_sim_replay_create(mib * MIB);
	/* One more, as calloc() may give nothing for nothing. */
	sim->written = calloc(sim->local_size / VGG_PAGE_SIZE + 1,
			      sizeof(*sim->written));
	return sim->replay && sim->written ? 0 : -1;
}

static int create_parts(struct vgg_sim *sim, uint32_t replay_mib)
{
	sim->engine = vgg_sim_engine_create();
	sim->mmu = calloc(1, sizeof(*sim->mmu));
	if (!sim->engine || !sim->mmu || create_local(sim) ||
	    vgg_sim_pace_create(sim) || create_replay(sim, replay_mib))
		return -1;
	if (sim->order == VGG_SIM_PROGRAM_ORDER)
		return 0;
	/* As many as a stream can hold, so there is always room. */
	sim->late = calloc(VGG_STREAM_MAX / VGG_CMD_SIZE, sizeof(*sim->late));
	return sim->late ? 0 : -1;
}

struct vgg_sim *vgg_sim_create(const struct vgg_card *card,
			       const struct vgg_sim_bus *bus,
			       const struct vgg_sim_options *options)
{
	struct vgg_sim *sim;

	if (vgg_sim_card_check(card) || !bus->read || !bus->write)
		return NULL;
	sim = calloc(1, sizeof(*sim));
	if (!sim)
		return NULL;
	sim->card = *card;
	sim->bus = *bus;
	sim->order = options->order;
	sim->msi_vectors = options->msi_vectors;
	sim->pace.on = options->pace;
	if (options->clock)
		sim->clock = *options->clock;
	atomic_init(&sim->bus_master, options->bus_master);
	atomic_init(&sim->stop, SIM_STOP_NO);
	pthread_mutex_init(&sim->lock, NULL);
	if (create_parts(sim, options->replay_mib)) {
		vgg_sim_destroy(sim);
		return NULL;
	}
	sim->phase = true;
	sim->idle_since = vgg_sim_time(sim);
	vgg_sim_regs_reset(sim, false);
	return sim;
}

void vgg_sim_destroy(struct vgg_sim *sim)
{
	if (!sim)
		return;
	if (sim->local)
		munmap(sim->local, sim->local_size);
	vgg_sim_engine_destroy(sim->engine);
	vgg_sim_replay_destroy(sim->replay);
	free(sim->written);
	free(sim->pace.arrivals);
	free(sim->mmu);
	free(sim->late);
	pthread_mutex_destroy(&sim->lock);
	free(sim);
}

enum vgg_hw_status vgg_sim_host_read(struct vgg_sim *sim, uint64_t addr,
				     void *to, size_t len)
{
	if (!atomic_load_explicit(&sim->bus_master, memory_order_relaxed))
		return VGG_STATUS_BUS_MASTER;
	if (sim->bus.read(sim->bus.ctx, addr, to, len))
		return VGG_STATUS_DMA;
	return VGG_STATUS_OK;
}

enum vgg_hw_status vgg_sim_host_write(struct vgg_sim *sim, uint64_t addr,
				      const void *from, size_t len)
{
	if (!atomic_load_explicit(&sim->bus_master, memory_order_relaxed))
		return VGG_STATUS_BUS_MASTER;
	if (sim->bus.write(sim->bus.ctx, addr, from, len))
		return VGG_STATUS_DMA;
	return VGG_STATUS_OK;
}

enum vgg_hw_status vgg_sim_stopped(struct vgg_sim *sim)
{
	if (atomic_load_explicit(&sim->stop, memory_order_relaxed))
		return VGG_STATUS_ABORTED;
	if (!atomic_load_explicit(&sim->bus_master, memory_order_relaxed))
		return VGG_STATUS_BUS_MASTER;
	return VGG_STATUS_OK;
}

/* CYCLES runs by the clock while the card is idle and by the cycle model while
 * it works. */
void vgg_sim_count_idle(struct vgg_sim *sim, uint64_t until)
{
	uint64_t cycles;

	if (!sim->idle_since || until <= sim->idle_since)
		return;
	cycles =
		vgg_timing_cycles(until - sim->idle_since, sim->card.clock_khz);
	sim->counters[SIM_COUNT_CYCLES] += cycles;
	sim->idle_since += vgg_timing_ns(cycles, sim->card.clock_khz);
}

void vgg_sim_latch(struct vgg_sim *sim, const struct sim_error *error)
{
	uint32_t *regs = sim->regs;

	if (regs[SIM_REG_ERR_STATUS] & VGG_ERR_VALID) {
		regs[SIM_REG_ERR_STATUS] |= VGG_ERR_MORE;
		return;
	}
	regs[SIM_REG_ERR_STATUS] |= VGG_ERR_VALID;
	regs[SIM_REG_ERR_CODE] = error->code;
	regs[SIM_REG_ERR_CONTEXT] = error->context;
	regs[SIM_REG_ERR_INDEX] = error->index;
	regs[SIM_REG_ERR_TAG] = error->tag;
	regs[SIM_REG_ERR_SEQ] = error->seq;
	regs[SIM_REG_ERR_ADDR_LO] = (uint32_t)error->addr;
	regs[SIM_REG_ERR_ADDR_HI] = (uint32_t)(error->addr >> 32);
	vgg_sim_irq_raise(sim, VGG_IRQ_ERR);
}

/* What both halves of a reset have in common: nothing is left of the past. */
static void clear_state(struct vgg_sim *sim, bool keep_scratch)
{
	vgg_sim_regs_reset(sim, keep_scratch);
	sim->halted = false;
	sim->sq_head = sim->sq_tail = 0;
	sim->cq_head = sim->cq_tail = 0;
	sim->phase = true;
	sim->messages = 0;
	sim->coalesced = 0;
	sim->irq_due = 0;
	memset(sim->counters, 0, sizeof(sim->counters));
	memset(sim->is_frozen, 0, sizeof(sim->is_frozen));
	vgg_sim_fault_reset(sim);
}

void vgg_sim_begin_reset(struct vgg_sim *sim)
{
	sim->resetting = true;
	atomic_store(&sim->stop, SIM_STOP_RESET);
	clear_state(sim, true);
}

void vgg_sim_end_reset(struct vgg_sim *sim)
{
	sim->busy = false;
	sim->job_due = 0;
	sim->pace.due = 0;
	sim->idle_since = vgg_sim_time(sim);
	sim->resetting = false;
	atomic_store(&sim->stop, SIM_STOP_NO);
}

/* A function-level reset also brings a card back that fell off the bus. */
void vgg_sim_flr(struct vgg_sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	sim->dead = false;
	vgg_sim_begin_reset(sim);
	sim->regs[SIM_REG_SCRATCH] = 0;
	pthread_mutex_unlock(&sim->lock);
	vgg_sim_irq_deliver(sim);
	if (sim->bus.kick)
		sim->bus.kick(sim->bus.ctx);
}

void vgg_sim_set_bus_master(struct vgg_sim *sim, bool on)
{
	atomic_store(&sim->bus_master, on);
	vgg_sim_irq_deliver(sim);
	if (sim->bus.kick)
		sim->bus.kick(sim->bus.ctx);
}

void vgg_sim_set_msi(struct vgg_sim *sim, int vectors)
{
	pthread_mutex_lock(&sim->lock);
	sim->msi_vectors = vectors;
	sim->messages = 0;
	pthread_mutex_unlock(&sim->lock);
	vgg_sim_irq_deliver(sim);
}

static void send(struct vgg_sim *sim, uint32_t causes)
{
	int cause;

	if (!sim->msi_vectors)
		return;
	for (cause = 0; causes >> cause; cause++) {
		if (!(causes >> cause & 1))
			continue;
		sim->messages |=
			1u << (cause < sim->msi_vectors ? cause :
							  sim->msi_vectors - 1);
	}
}

void vgg_sim_irq_raise(struct vgg_sim *sim, uint32_t causes)
{
	sim->regs[SIM_REG_IRQ_STATUS] |= causes;
	send(sim, causes & ~sim->regs[SIM_REG_IRQ_MASK]);
}

/* A cause that waited behind the mask is reported now. */
void vgg_sim_irq_unmask(struct vgg_sim *sim, uint32_t causes)
{
	send(sim, causes & sim->regs[SIM_REG_IRQ_STATUS]);
}

void vgg_sim_irq_completion(struct vgg_sim *sim)
{
	uint32_t delay = sim->regs[SIM_REG_IRQ_TIME];
	uint32_t count = sim->regs[SIM_REG_IRQ_COUNT];
	bool idle = (count & VGG_IRQ_IDLE) && sim->sq_head == sim->sq_tail;

	sim->coalesced++;
	if (!delay || idle || sim->coalesced >= (count & VGG_IRQ_COUNT_MASK)) {
		sim->coalesced = 0;
		sim->irq_due = 0;
		vgg_sim_irq_raise(sim, VGG_IRQ_CQ);
	} else if (!sim->irq_due) {
		sim->irq_due = vgg_sim_time(sim) + delay * UINT64_C(1000);
	}
}

void vgg_sim_irq_expire(struct vgg_sim *sim)
{
	if (!sim->irq_due || vgg_sim_time(sim) < sim->irq_due)
		return;
	sim->coalesced = 0;
	sim->irq_due = 0;
	vgg_sim_irq_raise(sim, VGG_IRQ_CQ);
}

static bool line_wanted(const struct vgg_sim *sim)
{
	if (sim->dead || sim->msi_vectors)
		return false;
	return sim->stuck ||
	       (sim->regs[SIM_REG_IRQ_STATUS] & ~sim->regs[SIM_REG_IRQ_MASK]);
}

static bool next_message(struct vgg_sim *sim, int *vector)
{
	bool high = line_wanted(sim);

	/* Without a cause: a message, or a pulse on a line that is low. */
	if (sim->spurious && sim->msi_vectors)
		sim->messages |= 1;
	else if (sim->spurious)
		high = true;
	sim->spurious = false;
	if (high != sim->line) {
		sim->line = high;
		*vector = high ? VGG_SIM_INTX_HIGH : VGG_SIM_INTX_LOW;
		return true;
	}
	/* A message is a write to memory, and needs bus mastering as such. */
	if (!sim->messages || sim->dead || !atomic_load(&sim->bus_master))
		return false;
	*vector = __builtin_ctz(sim->messages);
	sim->messages &= sim->messages - 1;
	return true;
}

/*
 * Called by whoever may have changed something, without the lock. One thread
 * at a time delivers, so that the levels of the line arrive in order; the
 * others leave their news to it. This also ends recursion when the host's
 * handler accesses registers.
 */
void vgg_sim_irq_deliver(struct vgg_sim *sim)
{
	int vector;

	pthread_mutex_lock(&sim->lock);
	if (!sim->delivering) {
		sim->delivering = true;
		while (next_message(sim, &vector)) {
			if (!sim->bus.irq)
				continue;
			pthread_mutex_unlock(&sim->lock);
			sim->bus.irq(sim->bus.ctx, vector);
			pthread_mutex_lock(&sim->lock);
		}
		sim->delivering = false;
	}
	pthread_mutex_unlock(&sim->lock);
}
