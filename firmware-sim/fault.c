// SPDX-License-Identifier: MIT
/*
 * Fault injection: what the INJECT block asks for, at the places where it
 * bites.
 *
 * INJECT_AFTER counts down with each job; the jobs after that have the fault,
 * each of them lowering INJECT_COUNT until it is 0. Faults that concern the
 * card as a whole (ALL_ONES, HANG, STUCK_IRQ, WILD_HEAD) then last until a
 * reset, ALL_ONES until a function-level reset.
 *
 * A standing injection is what the card's owner, not its driver, asks for. It
 * stands in the INJECT block again after each reset, with what is left of it:
 * a driver resets its card before it uses it.
 */
#include "sim_internal.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
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

static int parse_number(const char *text, uint32_t *to)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 0);
	if (!isdigit((unsigned char)*text) || *end || errno ||
	    number > UINT32_MAX)
		return -EINVAL;
	*to = (uint32_t)number;
	return 0;
}

static int parse_option(char *word, struct vgg_sim_injection *i)
{
	char *value = strchr(word, '=');

	if (!value)
		return -EINVAL;
	*value++ = 0;
	if (!strcmp(word, "count"))
		return parse_number(value, &i->count);
	if (!strcmp(word, "arg"))
		return parse_number(value, &i->arg);
	if (strcmp(word, "after"))
		return -EINVAL;
	i->after_random = !strcmp(value, "random");
	return i->after_random ? 0 : parse_number(value, &i->after);
}

int vgg_sim_injection_parse(const char *text, struct vgg_sim_injection *i)
{
	char copy[128], *at = copy, *word;
	int fault;

	*i = (struct vgg_sim_injection){ .count = 1 };
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	fault = vgg_sim_fault_by_name(strsep(&at, ","));
	if (fault < 0)
		return -EINVAL;
	i->fault = (uint32_t)fault;
	while ((word = strsep(&at, ",")))
		if (parse_option(word, i))
			return -EINVAL;
	return 0;
}

/* (L) */
static void arm(struct vgg_sim *sim)
{
	const struct vgg_sim_injection *i = &sim->standing;

	if (!i->fault)
		return;
	sim->regs[SIM_REG_INJECT_FAULT] = i->fault;
	sim->regs[SIM_REG_INJECT_AFTER] = i->after;
	sim->regs[SIM_REG_INJECT_COUNT] = i->count;
	sim->regs[SIM_REG_INJECT_ARG] = i->arg;
}

int vgg_sim_inject(struct vgg_sim *sim, const struct vgg_sim_injection *i)
{
	if (!sim->card.inject)
		return -EPERM;
	pthread_mutex_lock(&sim->lock);
	sim->standing = *i;
	arm(sim);
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

/* (L) What is left, unless the driver has asked for something else. */
static void use_up(struct vgg_sim *sim)
{
	struct vgg_sim_injection *i = &sim->standing;

	if (i->fault && i->fault == sim->regs[SIM_REG_INJECT_FAULT]) {
		i->after = sim->regs[SIM_REG_INJECT_AFTER];
		i->count = sim->regs[SIM_REG_INJECT_COUNT];
	}
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
		use_up(sim);
		return VGG_FAULT_NONE;
	}
	regs[SIM_REG_INJECT_COUNT]--;
	use_up(sim);
	sim->faults++;
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
	/* A paced job takes its cycles anyway. */
	if (!sim->pace.on)
		sim->job_due = vgg_sim_time(sim) + us * 1000;
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
	arm(sim);
}
