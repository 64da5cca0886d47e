// SPDX-License-Identifier: MIT
/*
 * Pace: the completions of a paced card appear when the modelled card would
 * have written them, so what a host does meanwhile overlaps with the card's work
 * as it would with a real one's.
 *
 * A job is computed as soon as it is fetched, and its completion is then held
 * back until its time has come. That time follows from the card's own time
 * line, not from when this thread happened to run:
 *
 *	begin	the latest of: its doorbell, ENABLE or the room for a
 *		completion, and the end of the job before
 *	end	begin and the job's cycles
 *
 * so delays in waking up don't add up. Only if computing took longer than that
 * is the end the real one: the next job can't have begun before. Such jobs are
 * counted, and so are those whose completion was late for other reasons.
 *
 * What the host can do to a job that runs (abort, reset, bus mastering) works
 * on one that is held back, too. It is as if it had been at its last command.
 *
 * A sleeping thread is woken late by some 50 us. So the sleep ends SPIN_NS
 * early, and the rest is waited for awake.
 */
#include "sim_internal.h"

#include <stdlib.h>
#include <sys/prctl.h>

#define SPIN_NS 80000
#define TIMER_SLACK_NS 1000UL

uint64_t vgg_sim_time(const struct vgg_sim *sim)
{
	return sim->clock.now ? sim->clock.now(sim->clock.ctx) : vgg_sim_now();
}

int vgg_sim_pace_create(struct vgg_sim *sim)
{
	size_t entries = (size_t)1 << sim->card.ring_log2;

	if (!sim->pace.on)
		return 0;
	sim->pace.arrivals = calloc(entries, sizeof(*sim->pace.arrivals));
	return sim->pace.arrivals ? 0 : -1;
}

void vgg_sim_pace_thread(const struct vgg_sim *sim)
{
	if (sim->pace.on)
		prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
}

/* The entries from the old tail to the new one are there from now on. */
void vgg_sim_pace_arrive(struct vgg_sim *sim, uint32_t tail)
{
	uint32_t mask = vgg_sim_ring_entries(sim, SIM_REG_SQ_SIZE) - 1;
	uint64_t now = vgg_sim_time(sim);
	uint32_t at;

	if (!sim->pace.on)
		return;
	for (at = sim->sq_tail; at != tail; at = (at + 1) & mask)
		sim->pace.arrivals[at] = now;
}

void vgg_sim_pace_open(struct vgg_sim *sim)
{
	sim->pace.open = vgg_sim_time(sim);
}

void vgg_sim_pace_begin(struct vgg_sim *sim)
{
	struct sim_pace *pace = &sim->pace;
	uint64_t ready;

	pace->due = 0;
	if (!pace->on) {
		pace->begin = vgg_sim_time(sim);
		return;
	}
	ready = vgg_timing_max(pace->arrivals[sim->sq_head], pace->open);
	pace->begin = vgg_timing_max(ready, pace->rested);
}

/* A job ends, and once, however many things made it late. */
static void note_delay(struct vgg_sim *sim, uint64_t delay)
{
	struct vgg_sim_stats *stats = &sim->stats;

	if (delay <= VGG_SIM_LATE_NS)
		return;
	pthread_mutex_lock(&sim->lock);
	stats->late_jobs++;
	stats->late_ns += delay;
	stats->latest_ns = vgg_timing_max(stats->latest_ns, delay);
	pthread_mutex_unlock(&sim->lock);
}

void vgg_sim_pace_plan(struct vgg_sim *sim, const struct sim_job *job)
{
	struct sim_pace *pace = &sim->pace;
	uint64_t now;

	if (!pace->on)
		return;
	pthread_mutex_lock(&sim->lock);
	pace->due = vgg_timing_clip(
		pace->begin + vgg_timing_ns(job->cycles, sim->card.clock_khz));
	pace->end = pace->due;
	now = sim->clock.wait_until ? 0 : vgg_sim_time(sim);
	pace->end = vgg_timing_max(pace->due, now);
	pthread_mutex_unlock(&sim->lock);
}

/* The host ended the job before its time. */
static void cut(struct vgg_sim *sim, struct sim_job *job,
		enum vgg_hw_status status)
{
	struct sim_pace *pace = &sim->pace;
	uint64_t spent;

	pthread_mutex_lock(&sim->lock);
	pace->end = vgg_timing_max(vgg_sim_time(sim), pace->begin);
	spent = vgg_timing_cycles(pace->end - pace->begin, sim->card.clock_khz);
	if (!job->status) {
		job->status = status;
		job->index--;
		job->cycles = spent < job->cycles ? spent : job->cycles;
	}
	pthread_mutex_unlock(&sim->lock);
}

static bool wait_for_end(struct vgg_sim *sim, struct sim_job *job)
{
	enum vgg_hw_status status;
	uint64_t now;

	for (;;) {
		status = vgg_sim_stopped(sim);
		if (status) {
			cut(sim, job, status);
			return true;
		}
		now = vgg_sim_time(sim);
		if (now >= sim->pace.end)
			break;
		/* Another clock may stand still as long as we are here. */
		if (sim->clock.now || sim->pace.end - now > SPIN_NS)
			return false;
	}
	/* If this thread slept too long, the time of the next job counts from
	 * the end all the same. */
	note_delay(sim, now - sim->pace.due);
	return true;
}

bool vgg_sim_pace_wait(struct vgg_sim *sim, struct sim_job *job)
{
	const struct vgg_sim_clock *clock = &sim->clock;

	if (!sim->pace.on)
		return true;
	if (clock->wait_until)
		clock->wait_until(clock->ctx, sim->pace.end);
	else if (!wait_for_end(sim, job))
		return false;
	if (clock->ended)
		clock->ended(clock->ctx, job->seq, sim->pace.begin,
			     sim->pace.end);
	return true;
}

uint64_t vgg_sim_pace_rest_of(const struct vgg_sim *sim, uint64_t now)
{
	uint64_t margin = sim->clock.now ? 0 : SPIN_NS;

	if (!sim->pace.due || sim->pace.end <= now + margin)
		return 0;
	return sim->pace.end - now - margin;
}

uint64_t vgg_sim_pace_end(struct vgg_sim *sim)
{
	struct sim_pace *pace = &sim->pace;

	if (!pace->due)
		return vgg_sim_time(sim);
	pace->due = 0;
	pace->rested = pace->end;
	return pace->end;
}

/*
 * The counter runs ahead of a job that was computed faster than modelled; who
 * reads it meanwhile shall see no future.
 */
uint64_t vgg_sim_pace_cycles(const struct vgg_sim *sim)
{
	uint64_t cycles = sim->counters[SIM_COUNT_CYCLES], now, until;

	if (!sim->pace.on || !sim->busy)
		return cycles;
	now = vgg_timing_max(vgg_sim_time(sim), sim->pace.begin);
	until = sim->job.start +
		vgg_timing_cycles(now - sim->pace.begin, sim->card.clock_khz);
	return cycles < until ? cycles : until;
}

void vgg_sim_get_stats(struct vgg_sim *sim, struct vgg_sim_stats *stats)
{
	pthread_mutex_lock(&sim->lock);
	*stats = sim->stats;
	pthread_mutex_unlock(&sim->lock);
}
