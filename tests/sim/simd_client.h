/* SPDX-License-Identifier: MIT */
/*
 * A vfio-user client and a little driver, for tests of vggsimd. It starts the
 * real daemon (the program $VGGSIMD, through $VGGCTL_EXEC where that is set),
 * talks to it as QEMU does, and runs jobs on the card: rings, page table,
 * stream and data lie in one memfd.
 */
#ifndef VGG_SIMD_CLIENT_H
#define VGG_SIMD_CLIENT_H

#include "rig.h"
#include "vfio_user.h"

#include <sys/types.h>

struct daemon {
	pid_t pid;
	char socket[100], log[120];
};

/* Starts it with these further arguments (NULL at the end) and waits until it
 * is ready. */
void daemon_start(struct daemon *d, const char *const *args);
#define DAEMON_START(d, ...) \
	daemon_start(d,      \
		     (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
/* Only runs it, to its end; its exit status. */
int daemon_run(struct daemon *d, const char *const *args);
#define DAEMON_RUN(d, ...) \
	daemon_run(d, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
/* SIGTERM; its exit status, or 1000 + signal. */
int daemon_stop(struct daemon *d);
int daemon_wait(struct daemon *d);
bool daemon_alive(struct daemon *d);
/* All it has said so far; a static buffer. Waits up to ten seconds for text. */
const char *daemon_log(struct daemon *d);
bool daemon_says(struct daemon *d, const char *text);
/* A value of the statistics (-1: failed): those of the running client, or of the last
 * client's end. */
int64_t daemon_stat(struct daemon *d, const char *key);
int64_t daemon_last_stat(struct daemon *d, const char *key);

/* Bus address and pages of the driver's memory. */
#define CLIENT_BUS UINT64_C(0x100000000)
#define CLIENT_PAGE ((uint32_t)VGG_PAGE_SIZE)
enum client_page {
	PAGE_SQ,
	PAGE_CQ,
	PAGE_ROOT,
	PAGE_DIRECTORY,
	PAGE_TABLE,
	PAGE_STREAM,
	PAGE_DATA,
	CLIENT_PAGES = PAGE_DATA + 8,
};

struct client {
	int fd;
	uint16_t id;
	bool lost;
	/* Like QEMU under its big lock: serves no DMA message while it waits
	 * for a reply. They are kept. */
	bool deaf;
	uint64_t dma_reads, dma_writes; /* messages served */
	uint8_t *kept;
	size_t kept_len;

	int memfd;
	uint8_t *mem;
	int intx, msi[VGG_MSI_VECTORS];
	uint32_t tail, head, seq;
	uint16_t phase;
};

/* Connects; no handshake. */
void client_connect(struct client *c, struct daemon *d);
void client_close(struct client *c);
/* Connect, VERSION, eventfds, the memory (by file, or to be reached by
 * messages), memory space and bus mastering on. */
void client_open(struct client *c, struct daemon *d, bool by_file);

/* A request and its reply; the errno of a refusal, or -1: connection lost. */
int client_call(struct client *c, unsigned int command, const void *body,
		size_t len, const int *fds, unsigned int fd_count, void *reply,
		size_t *reply_len);
/* As they are, for mischief. */
bool client_send_raw(struct client *c, const void *bytes, size_t len,
		     const int *fds, unsigned int fd_count);
int client_version(struct client *c);
int client_map(struct client *c, uint64_t addr, uint64_t size, uint64_t offset,
	       int fd);
int client_unmap(struct client *c, uint64_t addr, uint64_t size);
/* Serves DMA messages until fd is readable (-1: none) or ms are over. */
bool client_serve(struct client *c, int fd, int ms);
/* Answers the message that was kept, if there is one. */
void client_answer(struct client *c);

/* Signed, to be compared with any number. */
int64_t client_config(struct client *c, uint32_t offset, uint32_t len);
void client_set_config(struct client *c, uint32_t offset, uint32_t len,
		       uint32_t value);
int64_t client_reg(struct client *c, uint32_t offset);
void client_set_reg(struct client *c, uint32_t offset, uint32_t value);
/* Whether its bits under the mask become that soon. */
bool client_reg_becomes(struct client *c, uint32_t offset, uint32_t mask,
			uint32_t value);
/* The offset of a capability, extended ones from 0x100; 0. */
uint32_t client_capability(struct client *c, unsigned int id, bool extended);

int client_set_irqs(struct client *c, uint32_t flags, uint32_t index,
		    uint32_t start, uint32_t count, const int *fds);
void client_use_intx(struct client *c);
void client_use_msi(struct client *c, int log2_vectors);
/* Reads an eventfd: its count, 0 if there is none within ms. */
uint64_t client_event(struct client *c, int fd, int ms);

/* The driver. Device address n * 4096 is page n of the memory. */
void client_enable(struct client *c);
void client_stream(struct client *c, const void *command); /* and END */
void client_submit(struct client *c, uint32_t commands);
/* Whether a completion is there, without taking it. */
bool client_done(struct client *c);
/* Waits for it, takes it: its status; -1 after ten seconds. */
int client_complete(struct client *c);
/* COPY of one page of a pattern of `value`, checked; its status. */
int client_copy_job(struct client *c, uint8_t value);
/* A job that writes to PAGE_DATA for long, and is at it when this returns. */
void client_start_endless(struct client *c);

#endif
