// SPDX-License-Identifier: MIT
/*
 * The cycle model.
 *
 * A command takes
 *
 *	command_cycles + max(compute, local, host)
 *
 * compute  CONV: conv_h * conv_w * ceil(out_c / mac_cols) * ceil(taps /
 *          mac_rows), taps = kernel_h * kernel_w * in_c; fused pooling costs
 *          nothing. POOL: out_h * out_w * ceil(channels / mac_cols) *
 *          ceil(kernel_h * kernel_w / mac_rows). FILL, COPY: nothing.
 * local    bytes from and to on-board memory at local_mbps
 * host     bytes from and to host memory at the link's payload bandwidth
 *
 * The bytes are those of the operands (pitches don't count; parameter tables
 * are small and left out). A CONV whose input and weights both exceed one half
 * of the on-chip memory reads one of them several times, see
 * vgg_timing_conv_traffic(). Where an operand lies is taken from its first
 * page.
 *
 * Each of the two engines has a clock, to which its commands add. FENCE,
 * TIMESTAMP and END set both to the later one, then add command_cycles; NOP
 * adds command_cycles to both. A job takes job_cycles and the later clock.
 *
 * The model knows no page walks, no interrupts and no conflicts between the
 * engines over a memory.
 */
#include "sim_internal.h"

struct traffic {
	uint64_t local, host;
};

static void move(struct traffic *traffic, struct sim_mmu *mmu, uint64_t va,
		 uint64_t bytes)
{
	uint64_t *sum = vgg_sim_mmu_is_local(mmu, va) ? &traffic->local :
							&traffic->host;

	*sum = vgg_timing_clip(*sum + bytes);
}

static uint64_t image_bytes(const struct sim_image *image)
{
	return (uint64_t)image->h * (uint64_t)image->w * (uint64_t)image->c;
}

static uint64_t cost_conv(const struct vgg_card *card, struct sim_mmu *mmu,
			  const struct sim_conv *conv, struct traffic *traffic)
{
	uint64_t input = image_bytes(&conv->in), output;
	uint64_t weights = (uint64_t)conv->out.c * (uint64_t)conv->taps;

	vgg_timing_conv_traffic((uint64_t)card->onchip_kib * 1024, &input,
				&weights);
	output = image_bytes(&conv->out) * (conv->out32 ? 4 : 1);
	move(traffic, mmu, conv->in.base, input);
	move(traffic, mmu, conv->weights, weights);
	move(traffic, mmu, conv->out.base, output);
	return vgg_timing_mac((uint64_t)(conv->conv_h * conv->conv_w),
			      (uint64_t)conv->out.c, (uint64_t)conv->taps,
			      card->mac_rows, card->mac_cols);
}

static uint64_t cost_pool(const struct vgg_card *card, struct sim_mmu *mmu,
			  const struct sim_pool *pool, struct traffic *traffic)
{
	move(traffic, mmu, pool->in.base, image_bytes(&pool->in));
	move(traffic, mmu, pool->out.base, image_bytes(&pool->out));
	return vgg_timing_mac(
		(uint64_t)(pool->out.h * pool->out.w), (uint64_t)pool->out.c,
		(uint64_t)(pool->win.kernel_h * pool->win.kernel_w),
		card->mac_rows, card->mac_cols);
}

static uint64_t find_work(const struct vgg_card *card, struct sim_mmu *mmu,
			  const struct sim_command *cmd,
			  struct traffic *traffic)
{
	switch (cmd->opcode) {
	case VGG_CMD_FILL:
		move(traffic, mmu, cmd->fill.dst,
		     cmd->fill.width * cmd->fill.height);
		return 0;
	case VGG_CMD_COPY:
		move(traffic, mmu, cmd->copy.src,
		     cmd->copy.width * cmd->copy.height);
		move(traffic, mmu, cmd->copy.dst,
		     cmd->copy.width * cmd->copy.height);
		return 0;
	case VGG_CMD_TIMESTAMP:
		move(traffic, mmu, cmd->timestamp, sizeof(uint64_t));
		return 0;
	case VGG_CMD_CONV:
		return cost_conv(card, mmu, &cmd->conv, traffic);
	case VGG_CMD_POOL:
		return cost_pool(card, mmu, &cmd->pool, traffic);
	default:
		return 0;
	}
}

struct sim_cost vgg_sim_timing_cost(const struct vgg_card *card,
				    struct sim_mmu *mmu,
				    const struct sim_command *cmd)
{
	struct traffic traffic = { 0, 0 };
	uint64_t compute = find_work(card, mmu, cmd, &traffic);
	uint32_t link = vgg_timing_link_mbps(card->pcie_gen, card->pcie_lanes);
	struct sim_cost cost = { .host_bytes = traffic.host };

	/* TIMESTAMP's eight bytes are posted; nobody waits for them. */
	if (cmd->opcode == VGG_CMD_TIMESTAMP)
		traffic = (struct traffic){ 0, 0 };
	cost.cycles = vgg_timing_command(
		card->command_cycles, compute,
		vgg_timing_transfer(traffic.local, card->clock_khz,
				    card->local_mbps),
		vgg_timing_transfer(traffic.host, card->clock_khz, link));
	return cost;
}

/* join: the clocks meet before the cycles are added. */
void vgg_sim_clock_add(struct sim_clock *clock, enum sim_unit unit, bool join,
		       uint64_t cycles)
{
	if (join)
		clock->dma = clock->mac = vgg_sim_clock_now(clock);
	if (unit != SIM_UNIT_MAC)
		clock->dma = vgg_timing_clip(clock->dma + cycles);
	if (unit != SIM_UNIT_DMA)
		clock->mac = vgg_timing_clip(clock->mac + cycles);
}

uint64_t vgg_sim_clock_now(const struct sim_clock *clock)
{
	return vgg_timing_max(clock->dma, clock->mac);
}
