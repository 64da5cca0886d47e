/* SPDX-License-Identifier: MIT */
/*
 * Commands in native form (decode.c makes them, nothing in them needs another
 * check) and what the units of the card do with them.
 */
#ifndef VGGSIM_ENGINE_H
#define VGGSIM_ENGINE_H

#include "timing.h"
#include "vggaccel_hw.h"
#include "vggsim.h"

struct sim_window {
	int64_t kernel_h, kernel_w;
	int64_t stride_h, stride_w;
	int64_t pad_top, pad_left, pad_bottom, pad_right;
};

struct sim_fill {
	uint64_t dst, width, height, pitch;
	uint8_t value;
};

struct sim_copy {
	uint64_t src, dst, width, height, src_pitch, dst_pitch;
};

/* An image in memory. */
struct sim_image {
	uint64_t base, pitch, pixel;
	int64_t h, w, c;
};

struct sim_conv {
	struct sim_image in, out; /* out: after fused pooling */
	uint64_t weights, weight_pitch, params;
	struct sim_window win, pool;
	int64_t conv_h, conv_w; /* before fused pooling */
	int64_t taps;
	int pad_value, lo, hi;
	bool relu, out32, fused;
};

struct sim_pool {
	struct sim_image in, out;
	uint64_t params;
	struct sim_window win;
	int pad_value, lo, hi;
	bool average, exclude_pad;
};

struct sim_command {
	enum vgg_hw_opcode opcode;
	uint32_t tag;
	uint32_t index;
	union {
		struct sim_fill fill;
		struct sim_copy copy;
		struct sim_conv conv;
		struct sim_pool pool;
		uint64_t timestamp;
	};
};

/* The engines a command can belong to. */
enum sim_unit { SIM_UNIT_NONE, SIM_UNIT_DMA, SIM_UNIT_MAC };

static inline enum sim_unit sim_unit_of(enum vgg_hw_opcode opcode)
{
	if (opcode == VGG_CMD_FILL || opcode == VGG_CMD_COPY)
		return SIM_UNIT_DMA;
	if (opcode == VGG_CMD_CONV || opcode == VGG_CMD_POOL)
		return SIM_UNIT_MAC;
	return SIM_UNIT_NONE;
}

/* decode.c: a status other than OK also says which address was bad, or 0. */
enum vgg_hw_status vgg_sim_decode(const uint8_t wire[VGG_CMD_SIZE],
				  struct sim_command *cmd, uint64_t *bad_addr);

/*
 * mmu.c: device-virtual memory as one job sees it. Pages are kept for the time
 * of the job in a direct-mapped table.
 */
#define SIM_TLB_ENTRIES 2048u

struct sim_page {
	uint64_t tag;  /* page number + 1; 0: empty */
	uint64_t addr; /* bus address, if there is no mem */
	uint8_t *mem;  /* the page itself, where it can be reached directly */
	bool writable; /* by the page table */
	bool mem_writable;
	bool local;
};

struct sim_mmu {
	struct vgg_sim *sim;
	uint64_t root;
	uint64_t fault_addr; /* of the last status that was not OK */
	struct sim_page tlb[SIM_TLB_ENTRIES];
};

void vgg_sim_mmu_start(struct sim_mmu *mmu, struct vgg_sim *sim, uint64_t root);
enum vgg_hw_status vgg_sim_mmu_read(struct sim_mmu *mmu, uint64_t va, void *to,
				    uint64_t len);
enum vgg_hw_status vgg_sim_mmu_write(struct sim_mmu *mmu, uint64_t va,
				     const void *from, uint64_t len);
/* What is readable at va, at most len and not beyond its page: its bytes in
 * place or, where that can't be, in `room`, which has VGG_PAGE_SIZE. */
enum vgg_hw_status vgg_sim_mmu_view(struct sim_mmu *mmu, uint64_t va,
				    uint64_t len, void *room,
				    const uint8_t **at, size_t *n);

/* Where a range of device-virtual memory lies. */
struct sim_span {
	uint64_t addr, len;
	bool local;
};
/* The start of [va, va + len), to the end of its leaf; by a walk of its own. */
enum vgg_hw_status vgg_sim_mmu_span(struct sim_mmu *mmu, uint64_t va,
				    uint64_t len, bool write,
				    struct sim_span *span);
/* True if va lies in on-board memory; false if not or not mapped at all. */
bool vgg_sim_mmu_is_local(struct sim_mmu *mmu, uint64_t va);

/*
 * engine.c. The scratch is allocated once with the card and has a fixed size:
 * no command can ask for more.
 */
struct sim_engine;
struct sim_engine *vgg_sim_engine_create(void);
void vgg_sim_engine_destroy(struct sim_engine *engine);
/* Runs one FILL, COPY, CONV or POOL; adds to *saturations. */
enum vgg_hw_status vgg_sim_engine_run(struct sim_engine *engine,
				      struct sim_mmu *mmu,
				      const struct sim_command *cmd,
				      uint64_t *saturations);

/*
 * replay.c: vgg_sim_engine_run() with a memory for results, of at most `limit`
 * bytes. *replayed: nothing was computed.
 */
struct sim_replay;
struct sim_replay *vgg_sim_replay_create(uint64_t limit);
void vgg_sim_replay_destroy(struct sim_replay *replay);
enum vgg_hw_status vgg_sim_replay_run(struct sim_replay *replay,
				      struct sim_engine *engine,
				      struct sim_mmu *mmu,
				      const struct sim_command *cmd,
				      uint64_t *saturations, bool *replayed);
uint64_t vgg_sim_replay_bytes(const struct sim_replay *replay);

/* timing.c */
struct sim_cost {
	uint64_t cycles;     /* of the unit, command overhead included */
	uint64_t host_bytes; /* over PCIe */
};
struct sim_cost vgg_sim_timing_cost(const struct vgg_card *card,
				    struct sim_mmu *mmu,
				    const struct sim_command *cmd);

/* The two engines' clocks within a job; they start at 0. */
struct sim_clock {
	uint64_t dma, mac;
};
void vgg_sim_clock_add(struct sim_clock *clock, enum sim_unit unit, bool join,
		       uint64_t cycles);
uint64_t vgg_sim_clock_now(const struct sim_clock *clock);

#endif
