/* SPDX-License-Identifier: MIT */
/* What the two files of the reader of .pth files know of each other. */
#ifndef VGG_PTH_PARTS_H
#define VGG_PTH_PARTS_H

#include "model/pth.h"

#define AGAIN "get the file again; it may be cut short or damaged"
#define RESAVE \
	"save only tensors: torch.save(network.state_dict(), \"FILE.pth\")"

/* A storage as the pickle names it; found in the file afterwards. */
struct vgg_pth_storage {
	const char *key; /* in the pickle */
	size_t key_bytes;
	const struct vgg_type *type;
	uint64_t count; /* elements */
	uint64_t skip;	/* of a part of a storage: elements before it */
	const uint8_t *data;
};

/* A tensor as the pickle describes it; checked when its storage was found. */
struct vgg_pth_view {
	size_t storage;
	int64_t offset;
	int rank;
	int64_t shape[VGG_TENSOR_RANK_MAX], stride[VGG_TENSOR_RANK_MAX];
};

/* pth.c: what a pickle of tensors may say. The struct vgg_pth is the context. */
extern const struct vgg_pickle_reader vgg_pth_words;

/* pth_file.c: reads the pickle, and finds the storages that it names. */
int vgg_pth_read(struct vgg_pth *pth, const struct vgg_file *file,
		 struct vgg_pickle_value **root);

#endif
