/* SPDX-License-Identifier: MIT */
/*
 * Parts of a mapped file, read into memory in the background by io_uring, many
 * at a time: bytes go from the disk to their place without faulting the mapping
 * in, page by page. What io_uring doesn't deliver is copied from the mapping, so
 * nothing here fails.
 */
#ifndef VGG_READER_H
#define VGG_READER_H

#include "util/file.h"

struct vgg_reader;

/* NULL if the file is no mapped one, or io_uring can't be used (or is switched
 * off, see disabled.h): then copy. The file must outlive it. */
struct vgg_reader *vgg_reader_create(const struct vgg_file *file);
void vgg_reader_destroy(struct vgg_reader *r);

/* Begins to read n bytes at offset `at`, which lie in the file. */
void vgg_reader_start(struct vgg_reader *r, void *to, uint64_t at, uint64_t n);
/* Returns when all of them are in place. */
void vgg_reader_finish(struct vgg_reader *r);

#endif
