/* SPDX-License-Identifier: MIT */
/*
 * A set of named tensors: what files of weights hold, whatever their format.
 *
 * Each reader (safetensors.c, pth.c, keras.c) fills one and leaves the data
 * where it lies; weights.c makes a network of it. A tensor
 * may be a view: steps between its elements, in place of one row after the
 * other. Whoever fills a set has checked that every element lies in its memory.
 */
#ifndef VGG_TENSORS_H
#define VGG_TENSORS_H

#include "model/graph.h"

#define VGG_TENSOR_RANK_MAX 8

/* An element type by the name that safetensors has for it; some are known
 * only by their size. */
struct vgg_type {
	const char *name;
	size_t bytes;
	bool known; /* dtype is valid */
	enum vgg_dtype dtype;
};

/* NULL if there is none. */
const struct vgg_type *vgg_type_find(const char *name);
const struct vgg_type *vgg_type_of(enum vgg_dtype dtype);

struct vgg_tensor {
	const char *name; /* lives as long as the set */
	const char *type; /* "F32" */
	bool known;	  /* dtype is valid */
	enum vgg_dtype dtype;
	int rank; /* 0: a scalar */
	int64_t shape[VGG_TENSOR_RANK_MAX];
	bool strided;			     /* else one row after the other */
	int64_t stride[VGG_TENSOR_RANK_MAX]; /* in elements, from 0 on */
	size_t count;			     /* elements; may be 0 */
	const uint8_t *data; /* of the first one; may be unaligned */
	size_t bytes;	     /* count times the type's */
};

/* Who says which epsilon it is. */
enum vgg_epsilon_from {
	VGG_EPSILON_PYTORCH, /* by default */
	VGG_EPSILON_KERAS,
	VGG_EPSILON_FILE,
	VGG_EPSILON_GIVEN, /* by who imports */
};

struct vgg_arch_plan;

struct vgg_tensors {
	const char *path; /* for messages; the caller's */
	struct vgg_tensor *list;
	const struct vgg_tensor **by_name;
	size_t count, room;
	/* The list has the order in which the network's modules were made. */
	bool ordered;
	/* It has it only among the convolutions, among the BatchNorms and among
	 * the dense layers, which come one kind after the other. */
	bool by_kind;
	/* Flattened features were in the order row, column, channel. */
	bool channels_last;
	double epsilon; /* of the BatchNorms; 0: PyTorch's default */
	enum vgg_epsilon_from epsilon_from;
	bool described; /* accept() knows the order of the layers */
	/* The shapes are those of this plan: may refuse it all the same, and has
	 * the data in its place afterwards. NULL: nothing to do. */
	int (*accept)(struct vgg_tensors *set,
		      const struct vgg_arch_plan *plan);
};

/* A zeroed last tensor; NULL without memory. Pointers are good until the next
 * call. */
struct vgg_tensor *vgg_tensors_add(struct vgg_tensors *set);
/* After the last one was added: makes find work. MODEL_FORMAT if a name is
 * there twice. */
int vgg_tensors_index(struct vgg_tensors *set);
void vgg_tensors_clear(struct vgg_tensors *set);
/* NULL if there is none; no error. */
const struct vgg_tensor *vgg_tensors_find(const struct vgg_tensors *set,
					  const char *name);

void vgg_tensor_set_type(struct vgg_tensor *t, const struct vgg_type *type);
/* Sets count and bytes from shape and type; false if they are no numbers. */
bool vgg_tensor_measure(struct vgg_tensor *t, size_t each);
/* "[64, 3, 3, 3]", for messages. Returns text. */
const char *vgg_tensor_shape_text(const struct vgg_tensor *t, char *text,
				  size_t size);
bool vgg_tensor_is_float(const struct vgg_tensor *t);
/* n elements from `first` on, in row-major order, of a tensor of floats. What
 * isn't finite as a float is MODEL_FORMAT. */
int vgg_tensor_read(const struct vgg_tensors *set, const struct vgg_tensor *t,
		    size_t first, size_t n, float *out);

/* weights.c: a new model of an architecture (NULL: the one that fits) with the
 * set's weights, up to folding. Strips what wrappers put before all names. */
int vgg_import_tensors(struct vgg_tensors *set, const char *arch,
		       struct vgg_model *m);

#endif
