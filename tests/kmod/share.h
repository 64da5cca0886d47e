/* SPDX-License-Identifier: MIT */
/*
 * For tests with more than one file, process or thread: children, descriptors
 * that are passed on, dma-bufs, jobs that take their time.
 *
 * As in card.h, functions fail the test by themselves unless their name ends in
 * an underscore.
 */
#ifndef KMOD_SHARE_H
#define KMOD_SHARE_H

#include "card.h"

#include <sys/types.h>

/* Runs fn(arg) in a child, where a failed ASSERT ends the child. */
pid_t child_start(void (*fn)(void *), void *arg);
/* Waits for it; fails if it failed. */
void child_end(pid_t pid);

/* Zeroed memory that children share, for as long as the test runs. */
void *shared_alloc(size_t bytes);
/* Waits until *word is `value` (or beyond it), at most some minutes. */
void shared_wait(const uint32_t *word, uint32_t value);
void shared_set(uint32_t *word, uint32_t value);

/* Over a socket of AF_UNIX. */
void fd_send(int socket, int fd);
int fd_receive(int socket);

/* The next `jobs` jobs take `ms` longer, in real time. */
void card_slow(unsigned int jobs, unsigned int ms);
void set_limit(int fd, uint64_t ms);

int prime_export_(int fd, uint32_t handle);
int prime_export(const struct bo *bo);
/* A handle, an address and a mapping of somebody's dma-buf. */
int prime_import_(int fd, int dmabuf, struct bo *bo);
struct bo prime_import(int fd, int dmabuf);
/* DMA_BUF_IOCTL_SYNC; flags: DMA_BUF_SYNC_* */
int dmabuf_sync_(int dmabuf, uint64_t flags);

/* A stream that fills a buffer with `value`; that copies from one to another,
 * as much as fits. */
struct stream filler(int fd, const struct bo *bo, uint8_t value);
struct stream copier(int fd, const struct bo *from, const struct bo *to);

/* Writes the card's time to a place for 64 bits; number i of a buffer of them. */
void stream_timestamp(struct stream *s, uint64_t dst);
uint64_t timestamp_at(const struct bo *bo, unsigned int i);

/* Submits with one buffer named: for implicit synchronisation. */
uint64_t submit_bo(int fd, const struct stream *s, uint32_t handle,
		   uint32_t access);
/* Submits with one in-fence and one out-fence; a handle of 0: none. */
int submit_fences_(int fd, const struct stream *s, struct drm_vggaccel_sync in,
		   struct drm_vggaccel_sync out, uint64_t *seq);

/* A fence goes from one syncobj, as a sync file, into another of any file. */
uint32_t syncobj_of_file(int fd, int sync_file);

#endif
