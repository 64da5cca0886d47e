// SPDX-License-Identifier: MIT
/*
 * Fault injection: what the INJECT block asks for, at the places where it
 * bites.
 *
 * INJECT_AFTER counts down with each job; the jobs after that have the fault,
 * each of them lowering INJECT_COUNT until it is 0. Faults that concern the
 * card as a whole (ALL_ONES, HANG, STUCK_IRQ, WILD_HEAD) then last until a
 * reset, ALL_ONES until a function-level reset.
 */
#include "sim_internal.h"

#include <endian.h>
#include <string.h>

static const char *const names[] = {
#define NAME(name, id, text) [id] = #name,
	VGG_HW_FAULTS(NAME)
#undef NAME
};

#define NAMES (sizeof(names) / sizeof(names[0]))

const char *vgg_sim_fault_name(unsigned int fault)
{
	if (fault < NAMES && names[fault])
		return names[fault];
	return "undefined fault";
}

int vgg_sim_fault_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < NAMES; i++)
		if (names[i] && !strcasecmp(name, names[i]))
			return (int)i;
	return -1;
}

enum vgg_hw_fault vgg_sim_fault_take(struct vgg_sim *sim, uint32_t *arg)
{
	uint32_t *regs = sim->regs;
	enum vgg_hw_fault fault = regs[SIM_REG_INJECT_FAULT];

	*arg = regs[SIM_REG_INJECT_ARG];
	/* HW_VERSION is no job's: it lasts as long as it is asked for. */
	if (fault == VGG_FAULT_NONE || fault == VGG_FAULT_HW_VERSION ||
	    !regs[SIM_REG_INJECT_COUNT])
		return VGG_FAULT_NONE;
	if (regs[SIM_REG_INJECT_AFTER]) {
		regs[SIM_REG_INJECT_AFTER]--;
		return VGG_FAULT_NONE;
	}
	regs[SIM_REG_INJECT_COUNT]--;
	return fault;
}

static void slow_down(struct vgg_sim *sim, struct sim_job *job)
{
	uint64_t cycles = vgg_sim_us_to_cycles(sim, job->fault_arg), us;

	/* No longer than the job may take at all. */
	if (job->limit && cycles > job->limit)
		cycles = job->limit + 1;
	us = cycles * 1000 / sim->card.clock_khz;
	job->before += cycles;
	sim->job_due = vgg_sim_now() + us * 1000;
}

void vgg_sim_fault_start(struct vgg_sim *sim, struct sim_job *job)
{
	sim->hung |= job->fault == VGG_FAULT_HANG;
	sim->dead |= job->fault == VGG_FAULT_ALL_ONES;
	sim->spurious |= job->fault == VGG_FAULT_SPURIOUS_IRQ;
	sim->stuck |= job->fault == VGG_FAULT_STUCK_IRQ;
	sim->wild |= job->fault == VGG_FAULT_WILD_HEAD;
	if (job->fault == VGG_FAULT_SLOW)
		slow_down(sim, job);
}

/* STRAY_DMA: the first operand that is read comes from elsewhere. */
void vgg_sim_fault_command(struct sim_job *job, struct sim_command *cmd)
{
	uint64_t stray = (uint64_t)job->fault_arg << VGG_PAGE_SHIFT;
	uint64_t *src = NULL;

	if (cmd->opcode == VGG_CMD_COPY)
		src = &cmd->copy.src;
	else if (cmd->opcode == VGG_CMD_CONV)
		src = &cmd->conv.in.base;
	else if (cmd->opcode == VGG_CMD_POOL)
		src = &cmd->pool.in.base;
	if (!src || job->strayed || job->fault != VGG_FAULT_STRAY_DMA)
		return;
	/* The walk refuses what lies beyond the address space. */
	*src = stray;
	job->strayed = true;
}

/* BIT_FLIP, once everything is written; sim->mmu still knows the job. */
void vgg_sim_fault_result(struct vgg_sim *sim, struct sim_job *job)
{
	uint8_t byte;

	if (job->fault != VGG_FAULT_BIT_FLIP || job->status || !job->has_conv)
		return;
	if (vgg_sim_mmu_read(sim->mmu, job->last_conv, &byte, 1))
		return;
	byte ^= (uint8_t)(1u << job->fault_arg % 8);
	vgg_sim_mmu_write(sim->mmu, job->last_conv, &byte, 1);
}

void vgg_sim_fault_completion(const struct sim_job *job, struct vgg_hw_cqe *cqe)
{
	uint32_t arg = job->fault_arg ? job->fault_arg : 1;

	if (job->fault == VGG_FAULT_BAD_SEQ)
		cqe->seq = htole32(job->seq ^ arg);
	else if (job->fault == VGG_FAULT_BAD_STATUS)
		cqe->status = htole16(0xff);
}

/* What a reset heals. A late completion is meant to survive it. */
void vgg_sim_fault_reset(struct vgg_sim *sim)
{
	sim->hung = false;
	sim->stuck = false;
	sim->wild = false;
	sim->spurious = false;
	if (sim->late_state == SIM_LATE_KEPT)
		sim->late_state = SIM_LATE_DUE;
}
