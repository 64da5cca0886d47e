/* SPDX-License-Identifier: MIT */
/*
 * The parts of the vfio-user transport and what they share. One struct simd
 * lives as long as one client.
 *
 * Three threads:
 *
 * - the socket's reads requests and answers them, in order. Register accesses
 *   happen in it, also while the card works;
 * - the card's is inside vgg_sim_run_turns(). Only it calls bus->read, ->write
 *   and ->map, so only it sends DMA messages; the socket's thread hands it the
 *   replies and keeps serving requests meanwhile;
 * - the process's signal thread (simd_listen.c).
 *
 * Whoever raises an interrupt writes the eventfd itself.
 *
 * What takes the host's memory away from the card (DMA_UNMAP, a reset, bus
 * mastering switched off) is answered when the card has let go of it, at the
 * end of its turn: the answer is then "owed" and the card's thread sends it.
 * QEMU holds its big lock while it waits for that answer and serves no DMA
 * message, so a card that waits for one meanwhile pays the debt at once: it
 * gives up the message, or has the mapping replaced under its pointers by
 * memory of nobody. The same happens after OWED_NS.
 *
 * Locks, in the order in which they may be taken: simd.lock, then the
 * simulator's own or irq.lock; conn.lock alone.
 */
#ifndef VGGSIM_SIMD_INTERNAL_H
#define VGGSIM_SIMD_INTERNAL_H

#include "bus_map.h"
#include "pci_config.h"
#include "sim_internal.h"
#include "simd.h"
#include "vfio_user.h"

#define SIMD_FDS 16u /* beside one message */
#define SIMD_BODY_MAX (VFU_DEFAULT_TRANSFER + 4096u)
#define SIMD_MAPS_MAX 4096u

/*
 * simd_log.c: lines about the driver and the client, and what is counted.
 */
#define SIMD_COUNTERS(C) \
	C(reg_reads)     \
	C(reg_writes)    \
	C(doorbells)     \
	C(msi0)          \
	C(msi1)          \
	C(msi2)          \
	C(msi3)          \
	C(intx_fires)    \
	C(intx_unmasks)  \
	C(intx_drains)   \
	C(dma_map_bytes) \
	C(dma_msg_bytes) \
	C(jobs)          \
	C(faults)        \
	C(resets)        \
	C(driver_errors) \
	C(dead_accesses) \
	C(late_jobs)     \
	C(late_us)

struct simd_stats {
#define SIMD_COUNTER(name) atomic_uint_least64_t name;
	SIMD_COUNTERS(SIMD_COUNTER)
#undef SIMD_COUNTER
};

#define simd_count(counter, n) \
	atomic_fetch_add_explicit(&(counter), n, memory_order_relaxed)

struct simd_log {
	unsigned int client;
	bool verbose;
	atomic_uint lines; /* about this client; they are limited */
	struct simd_stats stats;
};

/* The driver did something wrong: counted, and told. */
void simd_log_driver(struct simd_log *log, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Anything else worth a line. */
void simd_log_note(struct simd_log *log, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Only with --verbose. */
void simd_log_trace(struct simd_log *log, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void simd_log_stats(struct simd_log *log, const char *when);

/*
 * simd_conn.c: messages on the socket.
 */
struct simd_message {
	struct vfu_header head;
	uint32_t len;  /* of the body */
	uint8_t *body; /* SIMD_BODY_MAX bytes */
	int fds[SIMD_FDS];
	unsigned int fd_count;
};

struct simd_conn {
	int fd;
	pthread_mutex_t lock; /* one sender at a time */
};

/* 0, -EAGAIN: `ns` (-1: for ever) passed without a message, -EPIPE: the client
 * has gone, -EPROTO: it sent something that is no message. */
int simd_conn_receive(struct simd_conn *conn, struct simd_message *m,
		      int64_t ns);
void simd_conn_close_fds(struct simd_message *m);
/* Both parts of the body are optional. 0 or -EPIPE. */
int simd_conn_send(struct simd_conn *conn, const struct vfu_header *head,
		   const void *body, size_t len, const void *more,
		   size_t more_len);
/* Nothing is sent where the client wants no reply. */
int simd_conn_reply(struct simd_conn *conn, const struct vfu_header *request,
		    const void *body, size_t len, const void *more,
		    size_t more_len);
int simd_conn_refuse(struct simd_conn *conn, const struct vfu_header *request,
		     int error);

/*
 * simd_dma.c: the client's memory. Under simd.lock, except that what a lookup
 * has found stays until the card's turn ends.
 */
struct simd_dma {
	struct bus_map map;	/* pieces without memory: by messages */
	struct bus_map revoked; /* no longer the client's, still pointed to */
};

/* fd: -1 for a map without one. -errno. */
int simd_dma_map(struct simd_dma *dma, const struct vfu_dma_map *map, int fd);
/* Whether there is something to unmap there; -ENOENT, -EINVAL. */
int simd_dma_check(const struct simd_dma *dma,
		   const struct vfu_dma_unmap *unmap);
/* working: the card may have pointers into it, so its addresses stay. */
void simd_dma_unmap(struct simd_dma *dma, const struct vfu_dma_unmap *unmap,
		    bool working);
/* The card has let go. */
void simd_dma_settle(struct simd_dma *dma);
void simd_dma_clear(struct simd_dma *dma);
/* Replaces a page whose file was cut off; for the SIGBUS handler. */
bool simd_dma_patch(void *page);

/*
 * simd_irq.c: MSI and INTx by eventfds.
 */
struct simd_irq {
	pthread_mutex_t lock;
	struct simd_log *log;
	int intx_fd, msi_fd[VGG_MSI_VECTORS];
	bool level;    /* what the card wants of the line */
	bool intx_off; /* Command, or asleep */
	bool masked;   /* since it fired, or by request */
	bool fired;    /* and not taken back or unmasked since */
	bool refire;   /* unmasked while asserted: wait until it is quiet */
	uint32_t msi_mask, msi_pending;
};

void simd_irq_init(struct simd_irq *irq, struct simd_log *log);
void simd_irq_close(struct simd_irq *irq);
/* From the card; by_driver: a register access is what changed it. */
void simd_irq_event(struct simd_irq *irq, int vector, bool by_driver);
/* From the config space. */
void simd_irq_configure(struct simd_irq *irq, bool intx_off, int msi_vectors,
			uint32_t msi_mask);
/* The state of the line and of messages that wait, for the config space. */
void simd_irq_look(struct simd_irq *irq, bool *line, uint32_t *pending);
/* SET_IRQS; takes what it uses of the fds. -errno. */
int simd_irq_set(struct simd_irq *irq, const struct vfu_irq_set *set,
		 const uint8_t *data, size_t len, int *fds,
		 unsigned int fd_count);
/* How long the socket must be quiet before simd_irq_quiet(); -1. */
int64_t simd_irq_wait(struct simd_irq *irq);
void simd_irq_quiet(struct simd_irq *irq);

/*
 * simd_card.c: the card's thread and its bus.
 */
struct simd_owed {
	struct vfu_header request;
	uint8_t body[24]; /* of the reply */
	size_t len;
	bool unmap;
	struct vfu_dma_unmap what;
	uint64_t due; /* ns: no longer than this */
};

#define SIMD_OWED_MAX 64u
#define SIMD_OWED_NS UINT64_C(1000000000)

/* A DMA message under way. */
struct simd_dma_wait {
	bool waiting, answered, failed;
	uint16_t id;
	uint64_t addr, len;    /* as asked */
	uint8_t *to;	       /* a read's destination */
	unsigned int given_up; /* replies that nobody waits for any more */
};

struct simd {
	struct vgg_simd_options options; /* with what the seed has chosen */
	struct simd_log log;
	struct vgg_sim *sim;
	struct pci_config config; /* socket thread */
	struct simd_irq irq;
	struct simd_conn conn;
	struct simd_message in; /* socket thread */
	bool negotiated;	/* socket thread */
	uint64_t transfer_max;
	pthread_t card, socket;
	unsigned int delay_us; /* by seed: before the card starts a turn */
	uint64_t random;

	pthread_mutex_t lock; /* all below */
	pthread_cond_t wake;  /* for the card: work, an answer, a debt */
	bool kicked, quit;
	bool working; /* inside a turn */
	struct simd_dma dma;
	struct simd_owed owed[SIMD_OWED_MAX];
	unsigned int owed_count;
	struct simd_dma_wait wait;
};

uint64_t simd_random(uint64_t *state);
int simd_card_start(struct simd *s);
void simd_card_stop(struct simd *s);
/* Sends the reply when the card has let go; takes an unmap along. -EBUSY. */
int simd_card_owe(struct simd *s, const struct simd_owed *owed);
/* ns until a debt is overdue, -1; and pays those that are. */
int64_t simd_card_overdue(struct simd *s);
/* The reply to a DMA message; -EPROTO if it is none. */
int simd_card_answer(struct simd *s, const struct simd_message *m);

/* simd_request.c: handles s->in. 0, or -errno: drop the client. */
int simd_request(struct simd *s);

/*
 * simd_listen.c: the socket's file, signals.
 */
struct simd_listener {
	const char *path;
	int fd;
	pthread_t signals;
};

/* Told on stderr if it fails; -errno. */
int simd_listen(struct simd_listener *l, const char *path);
void simd_unlisten(struct simd_listener *l);
/* The next client's socket, or -1 if it is time to end. */
int simd_accept(struct simd_listener *l);
/* The client that signals are about; NULL: none. */
void simd_set_current(struct simd *s);
/* Whether the current client's file was cut off under the card. */
bool simd_was_cut_off(void);

#endif
