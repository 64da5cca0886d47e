// SPDX-License-Identifier: MIT
/*
 * The register file: the table of vggaccel_hw.h, and hooks for registers whose
 * value is computed or whose write has an effect. What is illegal is found
 * here, from the table's masks or by a hook, and latched.
 */
#include "sim_internal.h"

/* First 32 bits of the build's hash, if the build tells it. */
#ifndef VGG_BUILD_HASH
#define VGG_BUILD_HASH 0
#endif

struct reg {
	const char *name;
	uint32_t offset, reset, ro, w1c;
};

#define ROW(name, offset, reset, ro, w1c, text) \
	{ #name, offset, reset, ro, w1c },
static const struct reg table[SIM_REG_COUNT] = { VGG_HW_REGS(ROW) };
#undef ROW

struct hook {
	/* The value as read; peek: without the side effects of reading. */
	uint32_t (*read)(struct vgg_sim *sim, enum sim_reg reg, bool peek);
	/* May refuse a value. It stands in regs[] afterwards unless `volatile_`
	 * says that nothing is kept. */
	enum vgg_hw_status (*write)(struct vgg_sim *sim, enum sim_reg reg,
				    uint32_t value);
	bool volatile_;
};

static enum sim_reg find(uint32_t offset)
{
	enum sim_reg reg;

	for (reg = 0; reg < SIM_REG_COUNT; reg++)
		if (table[reg].offset == offset)
			break;
	return reg;
}

uint32_t vgg_sim_ring_entries(const struct vgg_sim *sim, enum sim_reg size)
{
	return 1u << sim->regs[size];
}

/* The 64-bit value of a LO register and the HI behind it. */
uint64_t vgg_sim_reg_pair(const struct vgg_sim *sim, enum sim_reg lo)
{
	return (uint64_t)sim->regs[lo + 1] << 32 | sim->regs[lo];
}

static uint32_t read_version(struct vgg_sim *sim, enum sim_reg reg, bool peek)
{
	uint32_t version = sim->regs[reg];

	(void)peek;
	if (sim->regs[SIM_REG_INJECT_FAULT] == VGG_FAULT_HW_VERSION &&
	    sim->regs[SIM_REG_INJECT_COUNT])
		version += 1u << 16;
	return version;
}

static uint32_t read_zero(struct vgg_sim *sim, enum sim_reg reg, bool peek)
{
	(void)sim;
	(void)reg;
	(void)peek;
	return 0;
}

static uint32_t read_status(struct vgg_sim *sim, enum sim_reg reg, bool peek)
{
	(void)reg;
	(void)peek;
	return (sim->resetting ? 0 : VGG_DEV_READY) |
	       (sim->busy ? VGG_DEV_BUSY : 0) |
	       (sim->halted ? VGG_DEV_HALTED : 0);
}

static uint32_t read_head(struct vgg_sim *sim, enum sim_reg reg, bool peek)
{
	bool sq = reg == SIM_REG_SQ_HEAD;
	uint32_t value = sq ? sim->sq_head : sim->cq_tail;

	(void)peek;
	if (sim->wild)
		value += vgg_sim_ring_entries(sim, sq ? SIM_REG_SQ_SIZE :
							SIM_REG_CQ_SIZE);
	return value;
}

static uint32_t read_counter(struct vgg_sim *sim, enum sim_reg reg, bool peek)
{
	unsigned int i = (reg - SIM_REG_CYCLES_LO) / 2;
	bool high = (reg - SIM_REG_CYCLES_LO) % 2, frozen = sim->is_frozen[i];
	uint64_t value;

	vgg_sim_count_idle(sim, vgg_sim_time(sim));
	value = i == SIM_COUNT_CYCLES ? vgg_sim_pace_cycles(sim) :
					sim->counters[i];
	if (!high) {
		if (!peek) {
			sim->frozen[i] = value >> 32;
			sim->is_frozen[i] = true;
		}
		return (uint32_t)value;
	}
	if (!peek)
		sim->is_frozen[i] = false;
	return frozen ? sim->frozen[i] : (uint32_t)(value >> 32);
}

/* Where can the rings be: what ENABLE checks. */
static enum vgg_hw_status check_rings(struct vgg_sim *sim)
{
	uint64_t limit = UINT64_C(1) << 48;
	uint64_t sq = vgg_sim_reg_pair(sim, SIM_REG_SQ_BASE_LO);
	uint64_t cq = vgg_sim_reg_pair(sim, SIM_REG_CQ_BASE_LO);

	if (!sim->regs[SIM_REG_SQ_SIZE] || !sim->regs[SIM_REG_CQ_SIZE])
		return VGG_STATUS_REG_VALUE;
	if (vgg_sim_ring_entries(sim, SIM_REG_SQ_SIZE) *
			    sizeof(struct vgg_hw_sqe) >
		    limit - sq ||
	    vgg_sim_ring_entries(sim, SIM_REG_CQ_SIZE) *
			    sizeof(struct vgg_hw_cqe) >
		    limit - cq)
		return VGG_STATUS_REG_VALUE;
	return VGG_STATUS_OK;
}

static enum vgg_hw_status write_ctrl(struct vgg_sim *sim, enum sim_reg reg,
				     uint32_t value)
{
	uint32_t now = value & VGG_CTRL_ENABLE;
	enum vgg_hw_status status;

	if (value & VGG_CTRL_RESET) {
		vgg_sim_begin_reset(sim);
		return VGG_STATUS_OK;
	}
	if (now && !(sim->regs[reg] & VGG_CTRL_ENABLE)) {
		if (sim->resetting || sim->halted)
			return VGG_STATUS_REG_STATE;
		status = check_rings(sim);
		if (status)
			return status;
		vgg_sim_pace_open(sim);
	}
	sim->regs[reg] = now;
	return VGG_STATUS_OK;
}

static enum vgg_hw_status write_abort(struct vgg_sim *sim, enum sim_reg reg,
				      uint32_t value)
{
	uint32_t context = value & VGG_ABORT_CONTEXT;
	int none = SIM_STOP_NO;

	(void)reg;
	if (!value)
		return VGG_STATUS_OK;
	if (!(value & VGG_ABORT_GO) || context >= sim->card.contexts)
		return VGG_STATUS_REG_VALUE;
	/* A reset that is under way must not be weakened. */
	if (sim->busy && sim->job.context == context)
		atomic_compare_exchange_strong(&sim->stop, &none,
					       SIM_STOP_ABORT);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status write_irq_mask(struct vgg_sim *sim, enum sim_reg reg,
					 uint32_t value)
{
	uint32_t opened = sim->regs[reg] & ~value;

	sim->regs[reg] = value;
	vgg_sim_irq_unmask(sim, opened);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status write_irq_set(struct vgg_sim *sim, enum sim_reg reg,
					uint32_t value)
{
	(void)reg;
	vgg_sim_irq_raise(sim, value);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status write_irq_count(struct vgg_sim *sim, enum sim_reg reg,
					  uint32_t value)
{
	(void)sim;
	(void)reg;
	return value & VGG_IRQ_COUNT_MASK ? VGG_STATUS_OK :
					    VGG_STATUS_REG_VALUE;
}

/* Whatever changes about a ring empties it. */
static enum vgg_hw_status write_ring(struct vgg_sim *sim, enum sim_reg reg,
				     uint32_t value)
{
	bool size = reg == SIM_REG_SQ_SIZE || reg == SIM_REG_CQ_SIZE;

	if ((sim->regs[SIM_REG_CTRL] & VGG_CTRL_ENABLE) || sim->busy)
		return VGG_STATUS_REG_STATE;
	if (size && (!value || value > sim->card.ring_log2))
		return VGG_STATUS_REG_VALUE;
	if (reg <= SIM_REG_SQ_HEAD) {
		sim->sq_head = sim->sq_tail = 0;
	} else {
		sim->cq_head = sim->cq_tail = 0;
		sim->phase = true;
	}
	return VGG_STATUS_OK;
}

static enum vgg_hw_status write_inject(struct vgg_sim *sim, enum sim_reg reg,
				       uint32_t value)
{
	if (!sim->card.inject)
		return VGG_STATUS_REG_READONLY;
	if (reg == SIM_REG_INJECT_FAULT && value > VGG_FAULT_SLOW)
		return VGG_STATUS_REG_VALUE;
	return VGG_STATUS_OK;
}

static enum vgg_hw_status write_doorbell(struct vgg_sim *sim, enum sim_reg reg,
					 uint32_t value)
{
	bool sq = reg == SIM_REG_DB_SQ_TAIL;
	enum sim_reg size = sq ? SIM_REG_SQ_SIZE : SIM_REG_CQ_SIZE;

	if (!(sim->regs[SIM_REG_CTRL] & VGG_CTRL_ENABLE) ||
	    value >= vgg_sim_ring_entries(sim, size))
		return VGG_STATUS_DOORBELL;
	if (sq) {
		vgg_sim_pace_arrive(sim, value);
		sim->sq_tail = value;
	} else {
		if (vgg_sim_completions_full(sim, 1))
			vgg_sim_pace_open(sim);
		sim->cq_head = value;
	}
	return VGG_STATUS_OK;
}

#define COUNTER(name)                                     \
	[SIM_REG_##name##_LO] = { .read = read_counter }, \
	[SIM_REG_##name##_HI] = { .read = read_counter }

static const struct hook hooks[SIM_REG_COUNT] = {
	[SIM_REG_HW_VERSION] = { .read = read_version },
	[SIM_REG_CTRL] = { .write = write_ctrl, .volatile_ = true },
	[SIM_REG_STATUS] = { .read = read_status },
	[SIM_REG_ABORT] = { read_zero, write_abort, true },
	[SIM_REG_IRQ_MASK] = { .write = write_irq_mask },
	[SIM_REG_IRQ_SET] = { read_zero, write_irq_set, true },
	[SIM_REG_IRQ_COUNT] = { .write = write_irq_count },
	[SIM_REG_SQ_BASE_LO] = { .write = write_ring },
	[SIM_REG_SQ_BASE_HI] = { .write = write_ring },
	[SIM_REG_SQ_SIZE] = { .write = write_ring },
	[SIM_REG_SQ_HEAD] = { .read = read_head },
	[SIM_REG_CQ_BASE_LO] = { .write = write_ring },
	[SIM_REG_CQ_BASE_HI] = { .write = write_ring },
	[SIM_REG_CQ_SIZE] = { .write = write_ring },
	[SIM_REG_CQ_TAIL] = { .read = read_head },
	COUNTER(CYCLES),
	COUNTER(MAC_BUSY),
	COUNTER(DMA_BUSY),
	COUNTER(BYTES),
	COUNTER(SAT),
	[SIM_REG_INJECT_FAULT] = { .write = write_inject },
	[SIM_REG_INJECT_AFTER] = { .write = write_inject },
	[SIM_REG_INJECT_COUNT] = { .write = write_inject },
	[SIM_REG_INJECT_ARG] = { .write = write_inject },
	[SIM_REG_DB_SQ_TAIL] = { read_zero, write_doorbell, true },
	[SIM_REG_DB_CQ_HEAD] = { read_zero, write_doorbell, true },
};

static void show_card(struct vgg_sim *sim)
{
	const struct vgg_card *card = &sim->card;
	uint32_t *regs = sim->regs;

	regs[SIM_REG_CAPS] = VGG_CAP_MSI | VGG_CAP_INTX | VGG_CAP_SIMULATED |
			     (card->inject ? VGG_CAP_INJECT : 0) |
			     (card->local_mib ? VGG_CAP_LOCAL : 0);
	regs[SIM_REG_CAP_MAC] = card->mac_cols << 16 | card->mac_rows;
	regs[SIM_REG_CAP_CLOCK] = card->clock_khz;
	regs[SIM_REG_CAP_LOCAL] = card->local_mib;
	regs[SIM_REG_CAP_LOCAL_BW] = card->local_mbps;
	regs[SIM_REG_CAP_ONCHIP] = card->onchip_kib;
	regs[SIM_REG_CAP_LINK] = card->pcie_lanes << 16 | card->pcie_gen;
	regs[SIM_REG_CAP_LINK_BW] =
		vgg_timing_link_mbps(card->pcie_gen, card->pcie_lanes);
	regs[SIM_REG_CAP_LIMITS] = card->ring_log2 << 16 | card->contexts;
	regs[SIM_REG_CAP_OVERHEAD] =
		card->job_cycles << 16 | card->command_cycles;
	regs[SIM_REG_BUILD_HASH] = VGG_BUILD_HASH;
}

void vgg_sim_regs_reset(struct vgg_sim *sim, bool keep_scratch)
{
	uint32_t scratch = sim->regs[SIM_REG_SCRATCH];
	enum sim_reg reg;

	for (reg = 0; reg < SIM_REG_COUNT; reg++)
		sim->regs[reg] = table[reg].reset;
	if (keep_scratch)
		sim->regs[SIM_REG_SCRATCH] = scratch;
	show_card(sim);
}

/* Whether an access is one at all, and to which register. */
static enum vgg_hw_status check_access(uint32_t offset, size_t size,
				       enum sim_reg *reg)
{
	*reg = SIM_REG_COUNT;
	if (size != sizeof(uint32_t) || offset % sizeof(uint32_t))
		return VGG_STATUS_REG_WIDTH;
	*reg = find(offset);
	return *reg < SIM_REG_COUNT ? VGG_STATUS_OK : VGG_STATUS_REG_OFFSET;
}

static uint32_t read_reg(struct vgg_sim *sim, enum sim_reg reg, bool peek)
{
	if (hooks[reg].read)
		return hooks[reg].read(sim, reg, peek);
	return sim->regs[reg];
}

static enum vgg_hw_status write_reg(struct vgg_sim *sim, enum sim_reg reg,
				    uint32_t value)
{
	const struct reg *row = &table[reg];
	uint32_t old = read_reg(sim, reg, true);
	uint32_t next = (value & ~(row->ro | row->w1c)) | (old & row->ro) |
			(old & row->w1c & ~value);
	enum vgg_hw_status status = VGG_STATUS_OK;

	if (((value ^ old) & row->ro) != 0)
		return VGG_STATUS_REG_READONLY;
	if (row->ro == UINT32_MAX)
		return VGG_STATUS_OK;
	if (hooks[reg].write)
		status = hooks[reg].write(sim, reg, next);
	if (!status && !hooks[reg].volatile_)
		sim->regs[reg] = next;
	return status;
}

/* One line about an access, outside the lock: the callback may come back. */
static void tell(struct vgg_sim *sim, const char *what, uint32_t offset,
		 uint32_t value, enum vgg_hw_status status)
{
	enum sim_reg reg = find(offset);
	char line[160];

	if (!sim->bus.log)
		return;
	snprintf(line, sizeof(line), "%s 0x%04x (%s), value 0x%08x: %s", what,
		 offset, reg < SIM_REG_COUNT ? table[reg].name : "nothing",
		 value, vgg_sim_status_name(status));
	sim->bus.log(sim->bus.ctx, line);
}

static void latch_access(struct vgg_sim *sim, uint32_t offset,
			 enum vgg_hw_status status)
{
	struct sim_error error = { .code = status, .addr = offset };

	if (status)
		vgg_sim_latch(sim, &error);
}

uint32_t vgg_sim_reg_read(struct vgg_sim *sim, uint32_t offset, size_t size)
{
	enum vgg_hw_status status;
	uint32_t value = UINT32_MAX;
	enum sim_reg reg;

	pthread_mutex_lock(&sim->lock);
	if (sim->dead) {
		pthread_mutex_unlock(&sim->lock);
		return UINT32_MAX;
	}
	status = check_access(offset, size, &reg);
	latch_access(sim, offset, status);
	if (!status)
		value = read_reg(sim, reg, false);
	pthread_mutex_unlock(&sim->lock);
	if (status) {
		tell(sim, "read of", offset, value, status);
		vgg_sim_irq_deliver(sim);
	}
	return value;
}

void vgg_sim_reg_write(struct vgg_sim *sim, uint32_t offset, size_t size,
		       uint32_t value)
{
	enum vgg_hw_status status;
	enum sim_reg reg;

	pthread_mutex_lock(&sim->lock);
	if (sim->dead) {
		pthread_mutex_unlock(&sim->lock);
		return;
	}
	status = check_access(offset, size, &reg);
	if (!status)
		status = write_reg(sim, reg, value);
	latch_access(sim, offset, status);
	pthread_mutex_unlock(&sim->lock);
	if (status)
		tell(sim, "write to", offset, value, status);
	vgg_sim_irq_deliver(sim);
	/* Reset, abort, enable and doorbells are work for the firmware. */
	if (!status && hooks[reg].volatile_ && sim->bus.kick)
		sim->bus.kick(sim->bus.ctx);
}
