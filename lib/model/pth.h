/* SPDX-License-Identifier: MIT */
/*
 * Files of torch.save(): a pickle of named tensors, and their bytes.
 *
 * Since PyTorch 1.6 it is a zip archive: data.pkl is the pickle, data/0, data/1
 * ... are the storages that its tensors lie in. Before that, in one stream:
 *
 *	three pickles			a magic number, a version, the machine
 *	the pickle of the tensors
 *	a pickle of a list		the storages' keys
 *	for each of these: u64 n, and n elements of the storage
 *
 * Tensors are views of storages: offset, shape and strides. The pickle is read
 * by pickle.c, which calls nothing; see there. Checkpoints of a training keep
 * the tensors one or two dictionaries further in.
 */
#ifndef VGG_PTH_H
#define VGG_PTH_H

#include "model/pickle.h"
#include "model/tensors.h"
#include "util/zip.h"

struct vgg_pth {
	struct vgg_tensors all; /* in the order of the dictionary */
	struct vgg_zip zip;
	struct vgg_pickle pickle;
	struct vgg_pth_storage *storages;
	struct vgg_pth_view *views;
	size_t n_storages, storage_room, n_views, view_room;
	char **names;
};

/* True if the file begins like one of torch.save() (not that it is sound). */
bool vgg_pth_probe(const struct vgg_file *file);
/* Both path and file must outlive *pth; close also after a failure. */
int vgg_pth_open(struct vgg_pth *pth, const char *path,
		 const struct vgg_file *file);
void vgg_pth_close(struct vgg_pth *pth);

#endif
