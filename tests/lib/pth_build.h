/* SPDX-License-Identifier: MIT */
/* Files of torch.save() made in memory: sound ones, and each kind of damage that
 * PyTorch would never write. */
#ifndef TEST_PTH_BUILD_H
#define TEST_PTH_BUILD_H

#include "util/file.h"

struct bytes {
	uint8_t *data;
	size_t size, room;
};

void bytes_put(struct bytes *b, const void *data, size_t size);
void bytes_number(struct bytes *b, uint64_t number, size_t size);
/* Ends *b; the file's memory has exactly its size, so that ASan sees what reads
 * beyond. The caller frees file.data. */
struct vgg_file bytes_file(struct bytes *b);

/* Opcodes of pickles. */
void pickle_global(struct bytes *b, const char *module, const char *name);
void pickle_text(struct bytes *b, const char *text);
void pickle_int(struct bytes *b, int64_t number);
void pickle_sizes(struct bytes *b, int rank, const int64_t *sizes);

/* A tensor of a dictionary, and the storage it lies in. */
struct pth_tensor {
	const char *name, *storage; /* "FloatStorage" */
	const char *key;
	int64_t count, offset; /* elements of the storage, and before the
				* tensor */
	int rank;
	int64_t shape[9], stride[9];
};

/* What may be odd about a file; 0: nothing. */
struct pth_odd {
	const char *prefix;		/* default: "archive" */
	const char *extra, *extra_text; /* an entry and its contents */
	const char *left_out;		/* the storage of this key */
	size_t storage_bytes;		/* of each storage in the file */
	int method;			/* the archive's entries' compression */
	bool wide;			/* 64-bit sizes, offsets and end */
	const char *comment;		/* at the archive's end */
	bool big_endian;		/* legacy: the machine */
	const char *nested[3]; /* keys of dictionaries around the tensors */
};

/* Storages' bytes count up from the number of the storage on. */
struct vgg_file pth_zip(const struct pth_tensor *t, int n,
			const struct pth_odd *odd);
struct vgg_file pth_legacy(const struct pth_tensor *t, int n,
			   const struct pth_odd *odd);
/* A stream with this pickle and one storage of floats. */
struct vgg_file pth_stream(const struct bytes *pickle, const char *key,
			   int64_t count);
/* An archive with just this pickle. */
struct vgg_file pth_with(const void *pickle, size_t size);

#endif
