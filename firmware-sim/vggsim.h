/* SPDX-License-Identifier: MIT */
/*
 * The card in software, as its host sees it: registers, DMA and interrupts.
 *
 * This is the only header of firmware-sim/ that others include. A transport
 * (tran_*.c) or a test owns the card, forwards register accesses, lends it a
 * bus, and gives the firmware time by vgg_sim_run(). The card's behaviour is
 * specified in vggaccel_hw.h.
 *
 * Threads: register accesses may come from any thread at any time, also while
 * another one is inside vgg_sim_run(); vgg_sim_run() itself is for one thread
 * at a time. Bus callbacks are called from both kinds of thread; irq() is
 * never called with a lock of the simulator held, so it may access registers.
 */
#ifndef VGGSIM_H
#define VGGSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What the card is made of; see cards/ and timing.c. Loaded by name or file. */
struct vgg_card {
	char name[64];
	uint32_t mac_rows; /* input channels (taps) per cycle, 1..65535 */
	uint32_t mac_cols; /* output channels per cycle, 1..65535 */
	uint32_t clock_khz;
	uint32_t local_mib;  /* on-board memory, 0..65536 */
	uint32_t local_mbps; /* its bandwidth, 10^6 bytes per second */
	uint32_t onchip_kib;
	uint32_t pcie_gen;	 /* 1..5 */
	uint32_t pcie_lanes;	 /* 1, 2, 4, 8, 16 */
	uint32_t contexts;	 /* 1..65535 */
	uint32_t ring_log2;	 /* largest ring, 1..16 */
	uint32_t job_cycles;	 /* firmware's cost of a job */
	uint32_t command_cycles; /* and of a command */
	bool inject;		 /* the INJECT block works */
};

/* The default card: what the reset values in vggaccel_hw.h describe. */
void vgg_card_default(struct vgg_card *card);

/*
 * Reads a profile: lines of "name value", # starts a comment. What the file
 * doesn't name keeps the default. Returns 0 or -errno and then, in err, a
 * sentence that names file, line and the legal range.
 */
int vgg_card_load(struct vgg_card *card, const char *path, char *err,
		  size_t err_size);

/* The order in which commands of the two engines take effect between two
 * fences. All three are legal; a stream with a missing FENCE gives different
 * results under them. */
enum vgg_sim_order {
	VGG_SIM_PROGRAM_ORDER,
	VGG_SIM_DMA_LATE, /* COPY and FILL as late as legal */
	VGG_SIM_MAC_LATE, /* CONV and POOL as late as legal */
};

/* The host's side of the slot. Addresses are bus addresses. */
struct vgg_sim_bus {
	void *ctx;
	/* Both return 0, or -errno where no memory answers. Required. */
	int (*read)(void *ctx, uint64_t addr, void *to, size_t len);
	int (*write)(void *ctx, uint64_t addr, const void *from, size_t len);
	/* Optional, faster: host memory behind [addr, addr + len) if that is
	 * contiguous and stays for the time of the job, else NULL. */
	void *(*map)(void *ctx, uint64_t addr, size_t len, bool writable);
	/* A message (MSI): vector. Or a new level of the line (INTx): vector
	 * VGG_SIM_INTX_HIGH or _LOW. */
	void (*irq)(void *ctx, int vector);
	/* Optional: there is something to do for vgg_sim_run(). */
	void (*kick)(void *ctx);
	/* Optional: one line of what the driver did wrong. */
	void (*log)(void *ctx, const char *line);
};

#define VGG_SIM_INTX_HIGH (-1)
#define VGG_SIM_INTX_LOW (-2)

/*
 * The time in which the card lives: nanoseconds that never run backwards. The
 * default is CLOCK_MONOTONIC. A test brings its own, so that schedules depend on
 * nothing but what it says the time is.
 */
struct vgg_sim_clock {
	void *ctx;
	/* Optional: the time, never 0. Called by whoever accesses a register
	 * and by the firmware, with a lock of the simulator held: it must not
	 * access the card. Who gives the firmware time by vgg_sim_run() then
	 * lets so much of this time pass as that asks for. */
	uint64_t (*now)(void *ctx);
	/* Optional, for a paced card: called by the firmware when a job has
	 * been computed, to return when its completion may appear. Whatever it
	 * does, the job has ended at `at`; a purely virtual clock returns at
	 * once. Without it vgg_sim_run() tells how long to wait, and aborts and
	 * resets can end that. */
	void (*wait_until)(void *ctx, uint64_t at);
	/* Optional, for a paced card: its time line, job by job, before the
	 * completion appears. Called by the firmware without a lock. */
	void (*ended)(void *ctx, uint32_t seq, uint64_t begin, uint64_t end);
};

struct vgg_sim_options {
	enum vgg_sim_order order;
	int msi_vectors; /* 1..4: MSI with so many; 0: INTx */
	bool bus_master; /* initial state; see vgg_sim_set_bus_master() */
	/*
	 * A job's completion appears when the modelled card would have written
	 * it: the job began when its doorbell rang or the one before ended,
	 * whichever was later, and takes the cycles that its completion tells.
	 * If computing takes longer, it ends late; see struct vgg_sim_stats.
	 */
	bool pace;
	/* Keep so many MiB of results, to compute nothing twice (replay.c). 0:
	 * 256 if paced, else none. */
	uint32_t replay_mib;
	const struct vgg_sim_clock *clock; /* copied; NULL: the default */
};

struct vgg_sim;

/* The structs are copied. Returns NULL if there is no memory or the card
 * profile is out of range. On-board memory is allocated as it is touched. */
struct vgg_sim *vgg_sim_create(const struct vgg_card *card,
			       const struct vgg_sim_bus *bus,
			       const struct vgg_sim_options *options);
void vgg_sim_destroy(struct vgg_sim *sim);

/*
 * A host access to BAR0: `size` bytes at `offset`. Anything but an aligned
 * 32-bit access inside the BAR latches an error and reads as ~0.
 */
uint32_t vgg_sim_reg_read(struct vgg_sim *sim, uint32_t offset, size_t size);
void vgg_sim_reg_write(struct vgg_sim *sim, uint32_t offset, size_t size,
		       uint32_t value);

/*
 * The firmware's main loop: runs every submission that is due, delivers
 * interrupts, performs a requested reset. Returns the nanoseconds after which
 * it wants to be called again (a coalesced interrupt, an injected delay), or -1
 * if only a register access gives it new work.
 */
int64_t vgg_sim_run(struct vgg_sim *sim);

/* How well a paced card keeps up, and what replay did, since its creation. */
struct vgg_sim_stats {
	uint64_t late_jobs; /* ended over VGG_SIM_LATE_NS later than modelled */
	uint64_t late_ns;   /* their delays together */
	uint64_t latest_ns; /* and the longest */
	uint64_t computed, replayed; /* CONV and POOL */
	uint64_t replay_bytes;	     /* kept now */
};

#define VGG_SIM_LATE_NS 100000

void vgg_sim_get_stats(struct vgg_sim *sim, struct vgg_sim_stats *stats);

/* From the config space: bus mastering, the enabled interrupt kind, FLR. */
void vgg_sim_set_bus_master(struct vgg_sim *sim, bool on);
void vgg_sim_set_msi(struct vgg_sim *sim, int vectors);
void vgg_sim_flr(struct vgg_sim *sim);

/* The names of vggaccel_hw.h's codes, for messages; never NULL. */
const char *vgg_sim_status_name(unsigned int status);
const char *vgg_sim_fault_name(unsigned int fault);
int vgg_sim_fault_by_name(const char *name); /* -1 if there is none */

/* A fault to provoke: what the INJECT block's registers say. */
struct vgg_sim_injection {
	uint32_t fault, after, count, arg;
	bool after_random; /* the caller chooses `after` */
};

/* Reads "NAME[,after=N|random][,count=N][,arg=N]"; -EINVAL. */
int vgg_sim_injection_parse(const char *text, struct vgg_sim_injection *i);
/*
 * Arms it at once and, as long as it is not used up, after each reset; a reset
 * disarms what a driver wrote to the registers. -EPERM if the card has no
 * INJECT block.
 */
int vgg_sim_inject(struct vgg_sim *sim, const struct vgg_sim_injection *i);

/*
 * The in-process transport (tran_inproc.c): a card with a thread of its own
 * and a bus on which the process puts its own memory.
 */
struct vgg_sim_inproc;

/* irq is called from the card's thread. Returns NULL without memory. */
struct vgg_sim_inproc *
vgg_sim_inproc_create(const struct vgg_card *card,
		      const struct vgg_sim_options *options,
		      void (*irq)(void *ctx, int vector), void *ctx);
/* Stops the card's thread; no memory of the bus is touched afterwards. */
void vgg_sim_inproc_destroy(struct vgg_sim_inproc *t);
/* Lends [mem, mem + len) to the card at bus address addr (both page aligned);
 * -EEXIST if it overlaps something there, -ENOMEM. */
int vgg_sim_inproc_map(struct vgg_sim_inproc *t, uint64_t addr, void *mem,
		       size_t len, bool writable);
/* Takes back what was mapped at addr. Waits for a job that runs; -ENOENT. */
int vgg_sim_inproc_unmap(struct vgg_sim_inproc *t, uint64_t addr);
uint32_t vgg_sim_inproc_read(struct vgg_sim_inproc *t, uint32_t offset);
void vgg_sim_inproc_write(struct vgg_sim_inproc *t, uint32_t offset,
			  uint32_t value);
void vgg_sim_inproc_get_stats(struct vgg_sim_inproc *t,
			      struct vgg_sim_stats *stats);

#endif
