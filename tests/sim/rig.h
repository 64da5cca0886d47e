/* SPDX-License-Identifier: MIT */
/*
 * A rig for tests of the card: host memory on a bus, page tables, rings, and a
 * little driver that builds a stream, submits it and waits. Single-threaded:
 * the card works inside rig_run().
 *
 * The host's memory is one block at bus address RIG_BUS; the bus answers
 * nowhere else. It is given out from below and never taken back.
 */
#ifndef VGG_RIG_H
#define VGG_RIG_H

#include "vgg_harness.h"
#include "vggaccel_hw.h"
#include "vggsim.h"

#define RIG_BUS UINT64_C(0x480000000)
#define RIG_COMMANDS 512 /* room in the rig's stream */

struct rig;

struct rig_options {
	const struct vgg_card *card; /* NULL: the default */
	enum vgg_sim_order order;
	int msi_vectors;
	size_t memory;		       /* bytes, 0: 16 MiB */
	unsigned int sq_log2, cq_log2; /* 0: 4 */
	bool no_map;		       /* the bus has read and write only */
	bool no_setup;		       /* leave rings and masks alone */
	bool no_master;
	bool pace;
	uint32_t replay_mib;
	const struct vgg_sim_clock *clock;
	void (*on_wait)(struct rig *rig, int64_t ns); /* see below */
};

struct rig {
	struct vgg_sim *sim;
	struct vgg_card card;
	uint8_t *mem;
	size_t size, used;
	/* the driver */
	uint64_t root; /* page table */
	uint64_t next_va, next_local;
	uint64_t sq, cq; /* bus addresses */
	uint32_t sq_entries, cq_entries;
	uint32_t sq_tail, cq_head;
	bool phase;
	uint32_t seq;
	uint64_t stream_va, stream_bus;
	uint32_t commands; /* in the stream so far */
	uint64_t stage_va, stage_bus;
	/* what the card did */
	int messages[4];
	int line, pulses;
	int kicks, logs;
	char log[200];	  /* the last line */
	uint64_t refused; /* accesses where no memory is */
	/* hooks for tests */
	void (*on_read)(struct rig *rig, uint64_t addr);
	void (*on_wait)(struct rig *rig, int64_t ns); /* in place of a sleep */
};

struct rig *rig_create(const struct rig_options *options);
void rig_destroy(struct rig *rig);

uint32_t rig_read(struct rig *rig, uint32_t reg);
void rig_write(struct rig *rig, uint32_t reg, uint32_t value);
uint64_t rig_read64(struct rig *rig, uint32_t reg_lo);
/* The latched status, and rearms the latch. */
int rig_take_error(struct rig *rig);
/* Writes both rings' registers, sets ENABLE, unmasks all. */
void rig_enable(struct rig *rig);
/* Soft reset to its end; the driver's indices start anew. */
void rig_reset(struct rig *rig);

/* Host memory: zeroed pages, contiguous on the bus. */
uint64_t rig_pages(struct rig *rig, size_t bytes);
void *rig_at(struct rig *rig, uint64_t bus);

/* Page tables. `pte` is a whole leaf; tables are made as they are needed. */
void rig_set_leaf(struct rig *rig, uint64_t root, uint64_t va, int level,
		  uint64_t pte);
uint64_t *rig_entry(struct rig *rig, uint64_t root, uint64_t va, int level);
uint64_t rig_new_table(struct rig *rig);

enum rig_memory {
	RIG_HOST = 0,
	RIG_LOCAL = 1,
	RIG_READONLY = 2,
	RIG_SCATTERED = 4, /* neighbouring pages aren't neighbours */
};

/* Device memory, page aligned, with an unmapped page behind it. */
uint64_t rig_alloc(struct rig *rig, size_t bytes, unsigned int kind);
/* Reads and writes it; on-board memory through COPY jobs. */
void rig_put(struct rig *rig, uint64_t va, const void *from, size_t bytes);
void rig_get(struct rig *rig, uint64_t va, void *to, size_t bytes);

/* Adds a command (128 bytes) to the stream. */
void rig_add(struct rig *rig, const void *command);
void rig_add_plain(struct rig *rig, unsigned int opcode);

/* The entry that rig_submit() would write for the stream; it starts anew. */
struct vgg_hw_sqe rig_sqe(struct rig *rig);
void rig_push(struct rig *rig, const struct vgg_hw_sqe *sqe);  /* and ring */
void rig_place(struct rig *rig, const struct vgg_hw_sqe *sqe); /* no bell */
void rig_ring(struct rig *rig);
/* Calls vgg_sim_run(), sleeping as it asks, until it wants no more. */
void rig_run(struct rig *rig);
/* Takes one completion; false if there is none. */
bool rig_pop(struct rig *rig, struct vgg_hw_cqe *cqe);
/* END, submit, run: the completion, which must be the only one. */
struct vgg_hw_cqe rig_execute(struct rig *rig);
struct vgg_hw_cqe rig_execute_sqe(struct rig *rig,
				  const struct vgg_hw_sqe *sqe);

/* Commands with sensible pitches, to be changed by the test. */
struct vgg_hw_cmd_copy rig_copy(uint64_t src, uint64_t dst, uint32_t bytes);
struct vgg_hw_cmd_fill rig_fill(uint64_t dst, uint32_t bytes, uint8_t value);

#endif
