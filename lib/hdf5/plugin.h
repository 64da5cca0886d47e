/* SPDX-License-Identifier: MIT */
/*
 * What the library and its HDF5 reader know of each other. The reader is a
 * shared object of its own, loaded when a Keras file is imported, so that only
 * who has such files needs libhdf5.
 *
 * The reader gives all weights of a Keras file, as floats, layer by layer:
 * - Keras 2 (.h5): groups named by the attribute layer_names, in the network's
 *   order; each has an attribute weight_names. Both may be in /model_weights,
 *   beside an attribute model_config of the root, a text in JSON.
 * - Keras 3 (.weights.h5): groups layers/conv2d, layers/conv2d_1, ... with
 *   datasets vars/0, vars/1, ... Their order is that of the numbers in their
 *   names, within each kind of layer.
 */
#ifndef VGG_HDF5_PLUGIN_H
#define VGG_HDF5_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define VGG_HDF5_PLUGIN "libvggaccel-hdf5.so"
#define VGG_HDF5_ABI 1
#define VGG_HDF5_RANK_MAX 8
#define VGG_HDF5_LAYERS_MAX 4096
#define VGG_HDF5_WEIGHTS_MAX 64			 /* of a layer */
#define VGG_HDF5_ELEMENTS_MAX ((int64_t)1 << 30) /* of all together */

struct vgg_hdf5_tensor {
	int layer;	  /* number of the layer in the file's order */
	char *layer_name; /* "conv2d_1" */
	char *name;	  /* "conv2d_1/kernel:0", or "vars/0" */
	int rank;
	int64_t shape[VGG_HDF5_RANK_MAX];
	float *data;
};

struct vgg_hdf5_weights {
	struct vgg_hdf5_tensor *tensors;
	size_t count, room;
	char *config; /* model_config; NULL if there is none */
	char error[256];
};

/* Exported by the reader under these names: */
#define VGG_HDF5_ABI_NAME "vgg_hdf5_abi"
#define VGG_HDF5_READ_NAME "vgg_hdf5_read"
#define VGG_HDF5_FREE_NAME "vgg_hdf5_free"

extern const int vgg_hdf5_abi;
/* 0, -ENOMEM, or -EBADMSG with the reason in *w->error. *w is overwritten; free
 * also after a failure. */
int vgg_hdf5_read(const char *path, struct vgg_hdf5_weights *w);
void vgg_hdf5_free(struct vgg_hdf5_weights *w);

#endif
