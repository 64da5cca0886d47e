// SPDX-License-Identifier: MIT
/*
 * The firmware's main loop: it takes submissions from their ring, runs them
 * one after the other and writes completions.
 *
 * A reset may come at any moment from another thread. The rule that keeps this
 * simple: every change of the card's state is made under the lock and only if
 * no reset is under way; a job that finds one forgets itself.
 */
#include "sim_internal.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

/* (L) */
static bool ring_empty(const struct vgg_sim *sim)
{
	return sim->sq_head == sim->sq_tail;
}

bool vgg_sim_completions_full(const struct vgg_sim *sim, uint32_t more)
{
	uint32_t mask = vgg_sim_ring_entries(sim, SIM_REG_CQ_SIZE) - 1;
	uint32_t used = (sim->cq_tail - sim->cq_head) & mask;

	return used + more > mask;
}

/* (L) */
static bool enabled(const struct vgg_sim *sim)
{
	return !sim->resetting && !sim->halted && !sim->dead &&
	       (sim->regs[SIM_REG_CTRL] & VGG_CTRL_ENABLE);
}

/* (L) */
static bool can_fetch(const struct vgg_sim *sim)
{
	return enabled(sim) && !sim->busy && !ring_empty(sim) &&
	       !vgg_sim_completions_full(sim, 1);
}

/* (L) The card is idle from now on. */
static void rest(struct vgg_sim *sim)
{
	sim->busy = false;
	sim->idle_since = vgg_sim_pace_end(sim);
	atomic_store(&sim->stop, SIM_STOP_NO);
}

/* A ring can't be reached: nothing works any more until a reset. */
static void halt(struct vgg_sim *sim, enum vgg_hw_status status, uint64_t addr)
{
	struct sim_error error = { .addr = addr };

	/* Of a ring it is enough to know that it did not answer. */
	error.code = status == VGG_STATUS_DMA ? VGG_STATUS_RING : status;
	pthread_mutex_lock(&sim->lock);
	if (!sim->resetting) {
		sim->halted = true;
		rest(sim);
		vgg_sim_latch(sim, &error);
	}
	pthread_mutex_unlock(&sim->lock);
	vgg_sim_irq_deliver(sim);
}

static void finish_reset(struct vgg_sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	if (sim->resetting)
		vgg_sim_end_reset(sim);
	pthread_mutex_unlock(&sim->lock);
}

/* Marks the card busy; false if there is nothing to do. */
static bool claim(struct vgg_sim *sim, uint64_t *addr)
{
	bool yes;

	pthread_mutex_lock(&sim->lock);
	yes = can_fetch(sim);
	if (yes) {
		vgg_sim_pace_begin(sim);
		vgg_sim_count_idle(sim, sim->pace.begin);
		sim->idle_since = 0;
		sim->busy = true;
		sim->job_due = 0;
		/* No abort can mean it as long as its context is unknown. */
		sim->job = (struct sim_job){
			.context = UINT32_MAX,
			.start = sim->counters[SIM_COUNT_CYCLES],
		};
		*addr = vgg_sim_reg_pair(sim, SIM_REG_SQ_BASE_LO) +
			sim->sq_head * sizeof(struct vgg_hw_sqe);
	}
	pthread_mutex_unlock(&sim->lock);
	return yes;
}

static enum vgg_hw_status check_sqe(const struct vgg_sim *sim,
				    const struct vgg_hw_sqe *sqe,
				    const struct sim_job *job)
{
	uint32_t reserved = 0;
	size_t i;

	for (i = 0; i < sizeof(sqe->reserved) / sizeof(sqe->reserved[0]); i++)
		reserved |= sqe->reserved[i];
	if (sqe->flags || reserved)
		return VGG_STATUS_SQE;
	if (job->context >= sim->card.contexts)
		return VGG_STATUS_CONTEXT;
	if (!job->stream_bytes || job->stream_bytes > VGG_STREAM_MAX ||
	    job->stream_bytes % VGG_CMD_SIZE)
		return VGG_STATUS_LENGTH;
	if (job->stream % VGG_CMD_SIZE || job->root % VGG_PAGE_SIZE)
		return VGG_STATUS_STREAM_ALIGN;
	return VGG_STATUS_OK;
}

static uint64_t find_limit(const struct vgg_sim *sim,
			   const struct vgg_hw_sqe *sqe)
{
	uint64_t us = le32toh(sqe->timeout_us);

	if (!us)
		us = sim->regs[SIM_REG_WATCHDOG];
	return us ? vgg_sim_us_to_cycles(sim, us) : 0;
}

/* (L) From the wire to sim->job. */
static void read_sqe(struct vgg_sim *sim, const struct vgg_hw_sqe *sqe)
{
	struct sim_job *job = &sim->job;

	*job = (struct sim_job){
		.seq = le32toh(sqe->seq),
		.generation = le32toh(sqe->generation),
		.tag = le32toh(sqe->tag),
		.fail_tag = le32toh(sqe->tag),
		.context = le16toh(sqe->context),
		.root = le64toh(sqe->root),
		.stream = le64toh(sqe->stream),
		.stream_bytes = le32toh(sqe->stream_bytes),
		.limit = find_limit(sim, sqe),
		.start = sim->counters[SIM_COUNT_CYCLES],
		.before = sim->card.job_cycles,
	};
	job->status = check_sqe(sim, sqe, job);
	job->fault = vgg_sim_fault_take(sim, &job->fault_arg);
}

/* Makes the entry at addr the current job. */
static void begin(struct vgg_sim *sim, uint64_t addr)
{
	struct vgg_hw_sqe sqe;
	enum vgg_hw_status status;
	uint32_t mask;

	status = vgg_sim_host_read(sim, addr, &sqe, sizeof(sqe));
	if (status) {
		halt(sim, status, addr);
		return;
	}
	pthread_mutex_lock(&sim->lock);
	if (!sim->resetting) {
		mask = vgg_sim_ring_entries(sim, SIM_REG_SQ_SIZE) - 1;
		sim->sq_head = (sim->sq_head + 1) & mask;
		read_sqe(sim, &sqe);
		vgg_sim_fault_start(sim, &sim->job);
	}
	pthread_mutex_unlock(&sim->lock);
	vgg_sim_irq_deliver(sim);
}

/* Whether the current job, if there is one, can run now. */
static bool runnable(struct vgg_sim *sim)
{
	bool yes;

	pthread_mutex_lock(&sim->lock);
	yes = sim->busy && !sim->resetting && !sim->hung && !sim->dead;
	/* A slow job that is aborted need not wait for its time. */
	if (sim->job_due && vgg_sim_time(sim) < sim->job_due &&
	    !atomic_load(&sim->stop))
		yes = false;
	pthread_mutex_unlock(&sim->lock);
	return yes;
}

static void make_cqe(const struct sim_job *job, struct vgg_hw_cqe *cqe)
{
	uint64_t sat = job->saturations;

	*cqe = (struct vgg_hw_cqe){
		.cycles = htole64(job->cycles),
		.seq = htole32(job->seq),
		.generation = htole32(job->generation),
		.saturations =
			htole32(sat < UINT32_MAX ? (uint32_t)sat : UINT32_MAX),
		.index = htole32(job->index),
		.tag = htole32(job->status ? job->fail_tag : job->tag),
		.status = htole16(job->status),
	};
	vgg_sim_fault_completion(job, cqe);
}

/* (L) What the job leaves behind in the registers. */
static void record(struct vgg_sim *sim, const struct sim_job *job)
{
	struct sim_error error = {
		.code = job->status,
		.context = job->context,
		.index = job->index,
		.tag = job->fail_tag,
		.seq = job->seq,
		.addr = job->addr,
	};

	sim->counters[SIM_COUNT_CYCLES] = job->start + job->cycles;
	sim->counters[SIM_COUNT_SAT] += job->saturations;
	sim->regs[SIM_REG_JOBS]++;
	if (job->status == VGG_STATUS_ECC)
		sim->regs[SIM_REG_ECC_ERRORS]++;
	if (job->status)
		vgg_sim_latch(sim, &error);
}

/* (L) The place of the next entry; false if there is none. */
static bool reserve(struct vgg_sim *sim, struct vgg_hw_cqe *cqe, uint64_t *addr)
{
	uint32_t mask = vgg_sim_ring_entries(sim, SIM_REG_CQ_SIZE) - 1;

	if (sim->resetting || vgg_sim_completions_full(sim, 1))
		return false;
	*addr = vgg_sim_reg_pair(sim, SIM_REG_CQ_BASE_LO) +
		sim->cq_tail * sizeof(*cqe);
	cqe->phase = htole16(sim->phase);
	sim->cq_tail = (sim->cq_tail + 1) & mask;
	if (!sim->cq_tail)
		sim->phase = !sim->phase;
	return true;
}

/*
 * Writes an entry, its last word after the rest; false: the card is halted.
 * The tail moves before: a host that polls may see the entry and free it
 * before we get any further, and its new head must not be beyond our tail.
 */
static bool write_cqe(struct vgg_sim *sim, struct vgg_hw_cqe *cqe,
		      bool *written)
{
	size_t body = sizeof(*cqe) - sizeof(uint32_t);
	enum vgg_hw_status status;
	uint64_t addr;

	pthread_mutex_lock(&sim->lock);
	*written = reserve(sim, cqe, &addr);
	pthread_mutex_unlock(&sim->lock);
	if (!*written)
		return true;
	status = vgg_sim_host_write(sim, addr, cqe, body);
	if (!status)
		status = vgg_sim_host_write(sim, addr + body,
					    (uint8_t *)cqe + body,
					    sizeof(uint32_t));
	if (status)
		halt(sim, status, addr);
	return !status;
}

/* Delivers an entry with all that belongs to it; last: the card rests then. */
static bool post(struct vgg_sim *sim, struct vgg_hw_cqe *cqe, bool interrupt,
		 bool last)
{
	bool written;

	if (!write_cqe(sim, cqe, &written))
		return false;
	pthread_mutex_lock(&sim->lock);
	if (!sim->resetting) {
		if (written && interrupt)
			vgg_sim_irq_completion(sim);
		if (last)
			rest(sim);
	}
	pthread_mutex_unlock(&sim->lock);
	vgg_sim_irq_deliver(sim);
	return true;
}

/* LATE_COMPLETION: the entry waits for the next reset and enable. */
static void keep_for_later(struct vgg_sim *sim, const struct vgg_hw_cqe *cqe)
{
	pthread_mutex_lock(&sim->lock);
	if (!sim->resetting) {
		sim->late_cqe = *cqe;
		sim->late_state = SIM_LATE_KEPT;
		rest(sim);
	}
	pthread_mutex_unlock(&sim->lock);
}

static void complete(struct vgg_sim *sim, struct sim_job *job)
{
	bool twice = job->fault == VGG_FAULT_DUP_COMPLETION;
	bool interrupt = job->fault != VGG_FAULT_LOST_IRQ;
	struct vgg_hw_cqe cqe;

	make_cqe(job, &cqe);
	pthread_mutex_lock(&sim->lock);
	if (!sim->resetting)
		record(sim, job);
	pthread_mutex_unlock(&sim->lock);
	if (job->fault == VGG_FAULT_LATE_COMPLETION)
		keep_for_later(sim, &cqe);
	else if (post(sim, &cqe, interrupt, !twice) && twice)
		post(sim, &cqe, interrupt, true);
	vgg_sim_irq_deliver(sim);
}

/* A completion from before the reset, on a ring that knows nothing of it. */
static void post_late(struct vgg_sim *sim)
{
	bool due;

	pthread_mutex_lock(&sim->lock);
	due = sim->late_state == SIM_LATE_DUE && enabled(sim) && !sim->busy &&
	      !vgg_sim_completions_full(sim, 1);
	if (due)
		sim->late_state = SIM_LATE_NONE;
	pthread_mutex_unlock(&sim->lock);
	if (due)
		post(sim, &sim->late_cqe, true, false);
}

/* Runs the current job, once. */
static void run_job(struct vgg_sim *sim, struct sim_job *job)
{
	if (job->ran)
		return;
	if (!job->status)
		vgg_sim_stream_run(sim, job);
	job->ran = true;
	vgg_sim_pace_plan(sim, job);
}

/* One step: fetch a job, or run the one that was fetched; false if there was
 * nothing to do. The caller can deliver interrupts in between. */
static bool turn(struct vgg_sim *sim)
{
	uint64_t addr;

	finish_reset(sim);
	post_late(sim);
	if (claim(sim, &addr)) {
		begin(sim, addr);
		return true;
	}
	if (!runnable(sim))
		return false;
	run_job(sim, &sim->job);
	if (!vgg_sim_pace_wait(sim, &sim->job))
		return false;
	complete(sim, &sim->job);
	return true;
}

static int64_t until(uint64_t due, uint64_t now)
{
	return due > now ? (int64_t)(due - now) : 0;
}

/* When to come back, and -1 if only a register access gives new work. */
static int64_t next_call(struct vgg_sim *sim)
{
	int64_t next = -1, wait;
	uint64_t now;

	pthread_mutex_lock(&sim->lock);
	now = vgg_sim_time(sim);
	if (sim->irq_due)
		next = until(sim->irq_due, now);
	if (sim->busy && !sim->hung && !sim->dead) {
		wait = until(sim->job_due, now);
		if (sim->pace.due)
			wait = (int64_t)vgg_sim_pace_rest_of(sim, now);
		next = next < 0 || wait < next ? wait : next;
	}
	if (sim->resetting || can_fetch(sim))
		next = 0;
	pthread_mutex_unlock(&sim->lock);
	return next;
}

int64_t vgg_sim_run_turns(struct vgg_sim *sim, unsigned int turns)
{
	while (turns && turn(sim))
		turns--;
	finish_reset(sim);
	pthread_mutex_lock(&sim->lock);
	vgg_sim_irq_expire(sim);
	pthread_mutex_unlock(&sim->lock);
	vgg_sim_irq_deliver(sim);
	return next_call(sim);
}

int64_t vgg_sim_run(struct vgg_sim *sim)
{
	return vgg_sim_run_turns(sim, ~0u);
}
