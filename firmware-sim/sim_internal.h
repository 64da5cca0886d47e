/* SPDX-License-Identifier: MIT */
/*
 * The card's state, shared by the files of the simulator and nobody else.
 *
 * Two kinds of thread meet here: those that access registers and the one
 * inside vgg_sim_run(), the firmware. `lock` guards everything below it in
 * struct vgg_sim. It is held for moments only: never while a command executes,
 * and never while a callback of the bus runs. What the firmware must see at
 * once in the middle of a job is atomic: `stop` and `bus_master`.
 */
#ifndef VGGSIM_INTERNAL_H
#define VGGSIM_INTERNAL_H

#include "engine.h"

#include <pthread.h>
#include <stdatomic.h>

/* One index per register, in the order of the table. */
#define SIM_REG_INDEX(name, offset, reset, ro, w1c, text) SIM_REG_##name,
enum sim_reg { VGG_HW_REGS(SIM_REG_INDEX) SIM_REG_COUNT };
#undef SIM_REG_INDEX

/* The 64-bit counters of the PERF block, in the order of their registers. */
enum sim_counter {
	SIM_COUNT_CYCLES,
	SIM_COUNT_MAC_BUSY,
	SIM_COUNT_DMA_BUSY,
	SIM_COUNT_BYTES,
	SIM_COUNT_SAT,
	SIM_COUNTERS,
};

/* Why the running job has to stop at its next row. */
enum sim_stop { SIM_STOP_NO, SIM_STOP_ABORT, SIM_STOP_RESET };

/* A completion held back: kept until a reset, then due. */
enum sim_late { SIM_LATE_NONE, SIM_LATE_KEPT, SIM_LATE_DUE };

/* What is wrong, for the ERR block. */
struct sim_error {
	enum vgg_hw_status code;
	uint32_t context, index, tag, seq;
	uint64_t addr;
};

/* A submission while it runs. */
struct sim_job {
	uint32_t seq, generation, tag, context;
	uint64_t root, stream;
	uint32_t stream_bytes;
	uint64_t limit;	 /* cycles, 0: none */
	uint64_t start;	 /* CYCLES at its start */
	uint64_t before; /* cycles spent before the first command */
	struct sim_clock clock;
	enum vgg_hw_fault fault;
	uint32_t fault_arg;
	uint64_t last_conv; /* where the last CONV wrote, for BIT_FLIP */
	bool has_conv;
	bool strayed;
	bool ran; /* all that is left is to complete it */
	/* the result */
	enum vgg_hw_status status;
	uint32_t index, fail_tag;
	uint64_t addr, cycles, saturations;
};

/* The time line of a paced card; see pace.c. All in ns of the clock. */
struct sim_pace {
	bool on;
	uint64_t *arrivals; /* by place in the submission ring */
	uint64_t open;	    /* since then jobs can be taken */
	uint64_t rested;    /* the end of the last job */
	uint64_t begin;	    /* of the current job; also if not paced */
	uint64_t due, end; /* of the current job, once it ran; due 0: not yet */
};

struct vgg_sim {
	struct vgg_card card;
	struct vgg_sim_bus bus;
	enum vgg_sim_order order;
	struct vgg_sim_clock clock;
	uint8_t *local;
	uint64_t local_size;
	/* When each page of it was written last, counted in results that replay
	 * has kept; NULL without replay. The firmware's own. */
	uint64_t *written;
	uint64_t epoch;
	struct sim_replay *replay;
	struct sim_engine *engine;
	struct sim_mmu *mmu;
	struct sim_command *late; /* postponed commands, see stream.c */
	uint32_t late_count;

	atomic_int stop; /* enum sim_stop */
	atomic_bool bus_master;

	pthread_mutex_t lock;
	uint32_t regs[SIM_REG_COUNT];
	bool resetting; /* until the firmware has let go of everything */
	bool busy, halted;

	uint32_t sq_tail, sq_head, cq_head, cq_tail;
	bool phase; /* of the next completion */

	struct sim_job job; /* while busy */
	uint64_t job_due;   /* SLOW: when it may start, ns; 0: now */
	struct sim_pace pace;
	struct vgg_sim_stats stats;

	uint64_t counters[SIM_COUNTERS];
	uint32_t frozen[SIM_COUNTERS];
	bool is_frozen[SIM_COUNTERS];
	uint64_t idle_since; /* ns; 0 while a job runs */

	int msi_vectors;
	uint32_t messages; /* vectors to send */
	bool line;	   /* last level told, INTx */
	bool delivering;   /* a thread is inside bus.irq() */
	uint32_t coalesced;
	uint64_t irq_due; /* ns; 0: none */

	/* injected faults that last */
	bool dead, hung, stuck, wild, spurious;
	enum sim_late late_state;
	struct vgg_hw_cqe late_cqe;
	struct vgg_sim_injection standing; /* what is left of it; see fault.c */
	uint64_t faults;		   /* injected so far */
};

uint64_t vgg_sim_now(void); /* ns, monotonic, never 0 */
/* Until `wake` is signalled or vgg_sim_now() is `until` (UINT64_MAX: never);
 * false: the latter. */
bool vgg_sim_sleep(pthread_cond_t *wake, pthread_mutex_t *lock, uint64_t until);
uint64_t vgg_sim_time(const struct vgg_sim *sim); /* by the card's clock */

/* card.c: 0 or -EINVAL */
int vgg_sim_card_check(const struct vgg_card *card);

/* device.c. Those marked (L) are called with the lock held. */
uint64_t vgg_sim_us_to_cycles(const struct vgg_sim *sim, uint64_t us);
void vgg_sim_latch(struct vgg_sim *sim, const struct sim_error *error); /* L */
void vgg_sim_begin_reset(struct vgg_sim *sim);				/* L */
void vgg_sim_end_reset(struct vgg_sim *sim);				/* L */
void vgg_sim_count_idle(struct vgg_sim *sim, uint64_t until);		/* L */
void vgg_sim_irq_raise(struct vgg_sim *sim, uint32_t causes);		/* L */
void vgg_sim_irq_unmask(struct vgg_sim *sim, uint32_t causes);		/* L */
void vgg_sim_irq_completion(struct vgg_sim *sim);			/* L */
void vgg_sim_irq_expire(struct vgg_sim *sim);				/* L */
void vgg_sim_irq_deliver(struct vgg_sim *sim);
/* OK, ABORTED (also for a reset) or BUS_MASTER: must the job end? */
enum vgg_hw_status vgg_sim_stopped(struct vgg_sim *sim);
/* Host memory; OK, DMA or BUS_MASTER. */
enum vgg_hw_status vgg_sim_host_read(struct vgg_sim *sim, uint64_t addr,
				     void *to, size_t len);
enum vgg_hw_status vgg_sim_host_write(struct vgg_sim *sim, uint64_t addr,
				      const void *from, size_t len);

/* regs.c (L) */
void vgg_sim_regs_reset(struct vgg_sim *sim, bool keep_scratch);
uint32_t vgg_sim_ring_entries(const struct vgg_sim *sim, enum sim_reg size);
uint64_t vgg_sim_reg_pair(const struct vgg_sim *sim, enum sim_reg lo);

/* firmware.c: as vgg_sim_run(), but at most so many steps. No pointer of
 * bus.map() is kept from one to the next. */
int64_t vgg_sim_run_turns(struct vgg_sim *sim, unsigned int turns);
/* (L) `more` completions do not fit. */
bool vgg_sim_completions_full(const struct vgg_sim *sim, uint32_t more);

/* stream.c: executes the job's stream, fills in its result. */
void vgg_sim_stream_run(struct vgg_sim *sim, struct sim_job *job);

/* pace.c. Without pace all of it means "now". */
int vgg_sim_pace_create(struct vgg_sim *sim);
/* Timers of the calling thread, the card's, are to be exact. */
void vgg_sim_pace_thread(const struct vgg_sim *sim);
void vgg_sim_pace_arrive(struct vgg_sim *sim, uint32_t tail); /* L */
void vgg_sim_pace_open(struct vgg_sim *sim);		      /* L */
void vgg_sim_pace_begin(struct vgg_sim *sim);		      /* L */
/* The job ran; false as long as its completion has to wait. */
void vgg_sim_pace_plan(struct vgg_sim *sim, const struct sim_job *job);
bool vgg_sim_pace_wait(struct vgg_sim *sim, struct sim_job *job);
/* (L) ns until that is worth another try. */
uint64_t vgg_sim_pace_rest_of(const struct vgg_sim *sim, uint64_t now);
/* (L) Over with the job; since when. */
uint64_t vgg_sim_pace_end(struct vgg_sim *sim);
uint64_t vgg_sim_pace_cycles(const struct vgg_sim *sim); /* L: CYCLES */

/* fault.c */
/* (L) The fault for the job that starts now, and its detail. */
enum vgg_hw_fault vgg_sim_fault_take(struct vgg_sim *sim, uint32_t *arg);
/* (L) Faults of the card as a whole. */
void vgg_sim_fault_start(struct vgg_sim *sim, struct sim_job *job);
void vgg_sim_fault_command(struct sim_job *job, struct sim_command *cmd);
void vgg_sim_fault_result(struct vgg_sim *sim, struct sim_job *job);
void vgg_sim_fault_completion(const struct sim_job *job,
			      struct vgg_hw_cqe *cqe);
void vgg_sim_fault_reset(struct vgg_sim *sim); /* L */

#endif
