/* SPDX-License-Identifier: MIT */
/*
 * The kernel module as its tests see it: ioctls of vggaccel_drm.h without any
 * library in between, and command streams written by hand.
 *
 * Functions fail the test by themselves (ASSERT) unless their name ends in an
 * underscore: those return what the kernel said, 0 or -errno.
 */
#ifndef KMOD_CARD_H
#define KMOD_CARD_H

#include "uapi/vggaccel_drm.h"
#include "vgg_harness.h"
#include "vggaccel_hw.h"

/* Whether there is a node now. */
bool card_present(void);
/* Its path; skips the test where there is none. */
const char *card_node(void);
/* The card's folder in debugfs ("registers" etc. below), skips without. */
const char *card_debugfs(const char *file);
/* The card's folder in sysfs, below it `file`. */
const char *card_sysfs(const char *file);

int card_open_(void);
int card_open(void);
/* ioctl() without interruptions. */
int card_ioctl_(int fd, unsigned long request, void *arg);

struct drm_vggaccel_info card_info(int fd);

struct bo {
	int fd;
	uint32_t handle;
	uint64_t bytes, address, offset;
	uint8_t *map; /* NULL for on-board memory */
};

int bo_create_(int fd, uint64_t bytes, uint32_t flags, struct bo *bo);
struct bo bo_create(int fd, uint64_t bytes, uint32_t flags);
/* Closes the handle and unmaps. */
void bo_close(struct bo *bo);
int bo_prep_(const struct bo *bo, uint32_t access, int64_t timeout_ms);
void bo_prep(const struct bo *bo, uint32_t access);
void bo_fini(const struct bo *bo, uint32_t access);
/* prep, fill with `value`, fini */
void bo_fill(const struct bo *bo, uint8_t value);
/* prep for reading; true if all bytes are `value` */
bool bo_is(const struct bo *bo, uint8_t value);

/* A stream under construction, in a buffer of its own. */
struct stream {
	struct bo bo;
	uint32_t count;
};
struct stream stream_begin(int fd);
void stream_fill(struct stream *s, uint64_t dst, uint32_t bytes, uint8_t value);
void stream_copy(struct stream *s, uint64_t src, uint64_t dst, uint32_t bytes);
void stream_op(struct stream *s, uint16_t opcode);
/* END, and hands it over to the card. */
void stream_end(struct stream *s);

/* SUBMIT without fences. */
struct drm_vggaccel_submit submit_args(const struct stream *s);
int submit_(int fd, struct drm_vggaccel_submit *args);
uint64_t submit(int fd, const struct stream *s);
/* SUBMIT with a binary syncobj as out-fence. */
uint64_t submit_out(int fd, const struct stream *s, uint32_t syncobj);

uint32_t syncobj_create(int fd);
void syncobj_destroy(int fd, uint32_t handle);
/* 0 or -ETIME; timeout relative */
int syncobj_wait_(int fd, uint32_t handle, int64_t timeout_ms);
int syncobj_wait_point_(int fd, uint32_t handle, uint64_t point,
			int64_t timeout_ms);
/* A sync file of it; its status is 1, 0 (not yet) or the error. */
int sync_file_of(int fd, uint32_t handle);
int sync_file_status(int file);

/* The ring of results. */
const struct drm_vggaccel_result *results_map(int fd);
/* Waits until job seq has ended, at most timeout_ms. */
struct drm_vggaccel_result result_wait(int fd, uint64_t seq, int timeout_ms);
/* Submits, waits, and returns the result. */
struct drm_vggaccel_result run(int fd, const struct stream *s);
/* A job that must succeed: COPY of known bytes, and a look at them. */
void run_known_job(int fd);

/* How long is waited for what must happen: a machine may be busy, or stand still
 * for seconds, and what never happens ends there, too. */
#define SOON_MS 60000
int64_t now_ms(void);
/* Text files of sysfs and debugfs. */
int file_read_(const char *path, char *text, size_t size);
int file_write_(const char *path, const char *text);
/* A counter of debugfs' stats. */
long long card_stat(const char *name);
/* How completions are told now: "msi", "intx", "poll". */
const char *card_irq_mode(void);
/* "FAULT after count arg" */
void card_inject(const char *text);
/* Waits until it has been met by as many jobs as it was meant for. */
void card_injected(void);
/*
 * Ends a SLOW, by a function reset: the driver has the job run again. So a test
 * may slow a job down for longer than any machine stands still, looks at what
 * happens meanwhile, and takes no longer for that.
 */
#define SLOW_MS 8000u /* the driver would end it after 10 s */
void card_hurry(void);

#endif
