// SPDX-License-Identifier: MIT
/*
 * A job's command stream: fetching, decoding, accounting, and the order in
 * which the two engines' commands take effect.
 *
 * Commands are fetched, decoded and accounted for in the order of the stream,
 * one by one, whatever the order option says; so cycles, timeouts and errors
 * of decoding are the same under all of them. The option only moves the
 * execution of one engine's commands to the next FENCE, TIMESTAMP or END. Each
 * engine keeps its own order.
 *
 * The failing command that is reported is the one with the lowest index: when
 * a command fails, those that were postponed before it are executed first, and
 * if one of them fails too, it is the one. So the report doesn't depend on the
 * option either, as long as the stream has its fences. What does depend on it
 * is which commands of the other engine behind the failing one took effect.
 */
#include "sim_internal.h"

#include <endian.h>

#define FETCH_COMMANDS (VGG_PAGE_SIZE / VGG_CMD_SIZE)

static void fail(struct sim_job *job, const struct sim_command *cmd,
		 enum vgg_hw_status status, uint64_t addr)
{
	job->status = status;
	job->index = cmd->index;
	job->fail_tag = cmd->tag;
	job->addr = addr;
}

static uint64_t elapsed(const struct sim_job *job)
{
	return vgg_timing_clip(job->before + vgg_sim_clock_now(&job->clock));
}

/* The counters follow command by command, for whoever watches. */
static void count(struct vgg_sim *sim, const struct sim_job *job,
		  enum sim_unit unit, const struct sim_cost *cost)
{
	pthread_mutex_lock(&sim->lock);
	if (!sim->resetting) {
		sim->counters[SIM_COUNT_CYCLES] = job->start + elapsed(job);
		sim->counters[SIM_COUNT_BYTES] += cost->host_bytes;
		if (unit == SIM_UNIT_MAC)
			sim->counters[SIM_COUNT_MAC_BUSY] += cost->cycles;
		if (unit == SIM_UNIT_DMA)
			sim->counters[SIM_COUNT_DMA_BUSY] += cost->cycles;
	}
	pthread_mutex_unlock(&sim->lock);
}

/* Before the command executes, so that no job exceeds its limit by much. */
static enum vgg_hw_status account(struct vgg_sim *sim, struct sim_job *job,
				  const struct sim_command *cmd)
{
	struct sim_cost cost = vgg_sim_timing_cost(&sim->card, sim->mmu, cmd);
	enum sim_unit unit = sim_unit_of(cmd->opcode);
	bool join = unit == SIM_UNIT_NONE && cmd->opcode != VGG_CMD_NOP;

	vgg_sim_clock_add(&job->clock, unit, join, cost.cycles);
	if (job->limit && elapsed(job) > job->limit)
		return VGG_STATUS_TIMEOUT;
	count(sim, job, unit, &cost);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status replay(struct vgg_sim *sim, struct sim_job *job,
				 const struct sim_command *cmd)
{
	bool replayed;
	enum vgg_hw_status status =
		vgg_sim_replay_run(sim->replay, sim->engine, sim->mmu, cmd,
				   &job->saturations, &replayed);

	pthread_mutex_lock(&sim->lock);
	sim->stats.replay_bytes = vgg_sim_replay_bytes(sim->replay);
	sim->stats.replayed += replayed;
	sim->stats.computed += !replayed;
	pthread_mutex_unlock(&sim->lock);
	return status;
}

static enum vgg_hw_status execute(struct vgg_sim *sim, struct sim_job *job,
				  const struct sim_command *cmd)
{
	sim->mmu->fault_addr = 0;
	if (cmd->opcode == VGG_CMD_CONV) {
		job->last_conv = cmd->conv.out.base;
		job->has_conv = true;
	}
	if (!sim->replay || sim_unit_of(cmd->opcode) != SIM_UNIT_MAC)
		return vgg_sim_engine_run(sim->engine, sim->mmu, cmd,
					  &job->saturations);
	return replay(sim, job, cmd);
}

/* All that was postponed; true if everything went well. */
static bool drain(struct vgg_sim *sim, struct sim_job *job)
{
	enum vgg_hw_status status = VGG_STATUS_OK;
	uint32_t i;

	for (i = 0; i < sim->late_count && !status; i++) {
		status = execute(sim, job, &sim->late[i]);
		if (status)
			fail(job, &sim->late[i], status, sim->mmu->fault_addr);
	}
	sim->late_count = 0;
	return !status;
}

static bool is_late(const struct vgg_sim *sim, const struct sim_command *cmd)
{
	enum sim_unit unit = sim_unit_of(cmd->opcode);

	return (sim->order == VGG_SIM_DMA_LATE && unit == SIM_UNIT_DMA) ||
	       (sim->order == VGG_SIM_MAC_LATE && unit == SIM_UNIT_MAC);
}

/* CYCLES at the moment when everything before is done. */
static enum vgg_hw_status write_time(struct vgg_sim *sim, struct sim_job *job,
				     uint64_t va, uint64_t own_cycles)
{
	uint64_t time = htole64(job->start + elapsed(job) - own_cycles);

	sim->mmu->fault_addr = 0;
	return vgg_sim_mmu_write(sim->mmu, va, &time, sizeof(time));
}

/* An injected ECC error hits the first command that does anything. */
static bool hit_by_ecc(const struct sim_job *job, const struct sim_command *cmd)
{
	return job->fault == VGG_FAULT_ECC && cmd->opcode != VGG_CMD_NOP &&
	       cmd->opcode != VGG_CMD_FENCE;
}

/* After decoding. Sets job->status if the job has to end. */
static void perform(struct vgg_sim *sim, struct sim_job *job,
		    struct sim_command *cmd)
{
	enum vgg_hw_status status;

	vgg_sim_fault_command(job, cmd);
	status = account(sim, job, cmd);
	if (!status && hit_by_ecc(job, cmd))
		status = VGG_STATUS_ECC;
	if (status) {
		fail(job, cmd, status, 0);
		return;
	}
	if (is_late(sim, cmd)) {
		sim->late[sim->late_count++] = *cmd;
		return;
	}
	if (sim_unit_of(cmd->opcode) == SIM_UNIT_NONE) {
		if (cmd->opcode == VGG_CMD_NOP || !drain(sim, job))
			return;
		if (cmd->opcode != VGG_CMD_TIMESTAMP)
			return;
		status = write_time(sim, job, cmd->timestamp,
				    sim->card.command_cycles);
	} else {
		status = execute(sim, job, cmd);
	}
	if (status)
		fail(job, cmd, status, sim->mmu->fault_addr);
}

/* One command; true if the stream goes on behind it. */
static bool step(struct vgg_sim *sim, struct sim_job *job, const uint8_t *bytes,
		 uint32_t index)
{
	struct sim_command cmd = { .index = index };
	enum vgg_hw_status status;
	uint64_t bad_addr;

	status = vgg_sim_decode(bytes, &cmd, &bad_addr);
	if (status)
		fail(job, &cmd, status, bad_addr);
	else if ((status = vgg_sim_stopped(sim)))
		fail(job, &cmd, status, 0);
	else
		perform(sim, job, &cmd);
	/* executed so far, for a job that ends well */
	if (!job->status) {
		job->index = index + 1;
		job->fail_tag = cmd.tag;
	}
	return !job->status && cmd.opcode != VGG_CMD_END;
}

/* Ends the job with an error that belongs to no command. */
static void fail_outside(struct sim_job *job, enum vgg_hw_status status,
			 uint32_t index, uint64_t addr)
{
	struct sim_command none = { .index = index, .tag = job->tag };

	fail(job, &none, status, addr);
}

static void run_commands(struct vgg_sim *sim, struct sim_job *job)
{
	/* The copy is what is decoded: the host may change its own meanwhile. */
	uint8_t bytes[FETCH_COMMANDS][VGG_CMD_SIZE];
	uint32_t total = job->stream_bytes / VGG_CMD_SIZE, index, n, i;
	enum vgg_hw_status status;

	for (index = 0; index < total; index += n) {
		uint64_t va = job->stream + (uint64_t)index * VGG_CMD_SIZE;

		/* To the end of the page: the next one may not be mapped, nor
		 * be needed if END comes before. */
		n = (uint32_t)(VGG_PAGE_SIZE - va % VGG_PAGE_SIZE) /
		    VGG_CMD_SIZE;
		n = n < total - index ? n : total - index;
		status = vgg_sim_mmu_read(sim->mmu, va, bytes,
					  (uint64_t)n * VGG_CMD_SIZE);
		if (status) {
			fail_outside(job, status, index, sim->mmu->fault_addr);
			return;
		}
		for (i = 0; i < n; i++)
			if (!step(sim, job, bytes[i], index + i))
				return;
	}
	fail_outside(job, VGG_STATUS_NO_END, total, 0);
}

/* Runs what a failed job postponed; its failure, if any, came first. */
static void finish_late(struct vgg_sim *sim, struct sim_job *job)
{
	if (job->status && job->status != VGG_STATUS_ABORTED)
		drain(sim, job);
	sim->late_count = 0;
}

void vgg_sim_stream_run(struct vgg_sim *sim, struct sim_job *job)
{
	uint64_t end = job->stream + job->stream_bytes;

	vgg_sim_mmu_start(sim->mmu, sim, job->root);
	if (job->stream >> VGG_VA_BITS || end > UINT64_C(1) << VGG_VA_BITS)
		fail_outside(job, VGG_STATUS_RANGE, 0, job->stream);
	else if (job->limit && elapsed(job) > job->limit)
		fail_outside(job, VGG_STATUS_TIMEOUT, 0, 0);
	else
		run_commands(sim, job);
	finish_late(sim, job);
	vgg_sim_fault_result(sim, job);
	job->cycles = elapsed(job);
	if (job->limit && job->cycles > job->limit)
		job->cycles = job->limit;
}
