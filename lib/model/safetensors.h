/* SPDX-License-Identifier: MIT */
/*
 * The safetensors container: named tensors behind a JSON header.
 *
 *	u64 n, little-endian		length of the header
 *	n bytes of JSON			name -> dtype, shape, data_offsets; and
 *					"__metadata__": string -> string
 *	the data, back to back		offsets count from here
 *
 * The reader takes every file for hostile: a header that opens describes
 * tensors that lie within the file and cover its data exactly, without overlaps
 * or holes. Errors name the file, the tensor and the offset.
 */
#ifndef VGG_SAFETENSORS_H
#define VGG_SAFETENSORS_H

#include "model/tensors.h"

#define VGG_ST_HEADER_MAX ((size_t)100 << 20) /* the format's own limit */

struct json_t;

struct vgg_st {
	struct json_t *root;
	struct vgg_tensors all; /* in the order of their data */
};

/* Both path and file must outlive *st; close also after a failure. */
int vgg_st_open(struct vgg_st *st, const char *path,
		const struct vgg_file *file);
void vgg_st_close(struct vgg_st *st);
/* True if the file begins like a safetensors file (not that it is sound). */
bool vgg_st_probe(const struct vgg_file *file);

/* MODEL_FORMAT if it is missing and MODEL_UNSUPPORTED if its type is none of
 * enum vgg_dtype. */
int vgg_st_get(const struct vgg_st *st, const char *name,
	       const struct vgg_tensor **tensor);
/* A tensor of exactly this type and this many elements, aligned for its type,
 * as a blob inside the mapped file. *blob is overwritten. */
int vgg_st_blob(const struct vgg_st *st, const char *name, enum vgg_dtype dtype,
		size_t count, struct vgg_blob *blob);
/* The value of a metadata key; NULL if there is none. */
const char *vgg_st_meta(const struct vgg_st *st, const char *key);

/*
 * Writing: collect, then write. Names, keys and values are copied, data is not.
 * The data area begins at a multiple of 64 bytes of the file. As the format has
 * no room for padding between tensors, they are ordered: first those whose size
 * is a multiple of 64 (so all of them lie at multiples of 64), then the others
 * by falling element size (so all are aligned for their type).
 */
struct vgg_st_entry {
	char *name;
	enum vgg_dtype dtype;
	int rank;
	int64_t shape[VGG_TENSOR_RANK_MAX];
	const void *data;
	size_t bytes;
	size_t begin; /* set by write */
};

struct vgg_st_out {
	struct json_t *meta;
	struct vgg_st_entry *entries;
	size_t count, room;
};

/* Zero-initialise a struct vgg_st_out; clear frees what it collected. */
int vgg_st_out_add(struct vgg_st_out *out, const char *name,
		   enum vgg_dtype dtype, int rank, const int64_t *shape,
		   const void *data);
int vgg_st_out_meta(struct vgg_st_out *out, const char *key, const char *value);
int vgg_st_out_write(struct vgg_st_out *out, struct vgg_writer *writer);
void vgg_st_out_clear(struct vgg_st_out *out);

#endif
