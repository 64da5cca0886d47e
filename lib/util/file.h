/* SPDX-License-Identifier: MIT */
/*
 * Whole files: one object to read them, one to write them.
 *
 * A file is read by mapping it, so that a model of 500 MB costs no copy. What
 * can't be mapped (pipes, terminals, /proc) is read into memory. A mapped file
 * must not be cut short by others meanwhile: the writer here never does that,
 * it puts a new file in the old one's place.
 */
#ifndef VGG_FILE_H
#define VGG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a pipe or the like may deliver, in bytes. */
#define VGG_FILE_STREAM_MAX ((size_t)1 << 30)

struct vgg_file {
	const uint8_t *data; /* NULL if the file is empty */
	size_t size;
	bool mapped; /* else malloc()ed */
	int fd;	     /* of a mapped file; for readers of its parts */
};

/* NO_FILE or FILE_IO if it can't be read; an empty file is no error. On failure
 * *f is empty, and closing it is allowed. */
int vgg_file_open(struct vgg_file *f, const char *path);
/* Leaves *f empty, so closing twice is harmless. */
void vgg_file_close(struct vgg_file *f);
/* These bytes won't be needed soon: what a mapped file holds of them in this
 * process's memory is let go, and read again if it is touched after all. */
void vgg_file_forget(const struct vgg_file *f, const void *data, size_t n);

/*
 * A file that appears whole or not at all: written under another name beside
 * the target, renamed by commit. If the target is no regular file (/dev/stdout,
 * a pipe), bytes go straight there. Errors stick: after a failed write all
 * later calls return the same error, so a caller may check commit alone.
 */
struct vgg_writer;

int vgg_writer_open(struct vgg_writer **w, const char *path);
int vgg_writer_write(struct vgg_writer *w, const void *data, size_t n);
/* Ends *w in any case; on failure the target is what it was before. */
int vgg_writer_commit(struct vgg_writer *w);
/* Ends *w without a trace. NULL is allowed. */
void vgg_writer_abort(struct vgg_writer *w);
/* All of it at once: a text and a line's end behind it. */
int vgg_write_text(const char *path, const char *text);

#endif
