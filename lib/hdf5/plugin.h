/* SPDX-License-Identifier: MIT */
/*
 * What the library and its HDF5 reader know of each other. The reader is a
 * shared object of its own, loaded when a Keras file is imported, so that only
 * who has such files needs libhdf5; and only in a process that ends soon, as
 * libhdf5 may crash: nothing of it is freed.
 *
 * The reader lists the weights of a Keras file, layer by layer, and then gives
 * each as floats:
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
#define VGG_HDF5_ABI 2
#define VGG_HDF5_RANK_MAX 8
#define VGG_HDF5_LAYERS_MAX 4096
#define VGG_HDF5_WEIGHTS_MAX 64			 /* of a layer */
#define VGG_HDF5_ELEMENTS_MAX ((int64_t)1 << 29) /* of all together */
#define VGG_HDF5_NAME_MAX 4096
#define VGG_HDF5_CONFIG_MAX ((size_t)16 << 20)

struct vgg_hdf5_tensor {
	int layer;	  /* number of the layer in the file's order */
	char *layer_name; /* "conv2d_1" */
	char *name;	  /* "conv2d_1/kernel:0", or "vars/0" */
	int rank;
	int64_t shape[VGG_HDF5_RANK_MAX];
	int64_t dataset; /* the reader's */
	float *data;	 /* not the reader's */
};

struct vgg_hdf5_weights {
	struct vgg_hdf5_tensor *tensors;
	size_t count, room;
	char *config; /* model_config; NULL if there is none */
	char error[256];
};

/* Exported by the reader under these names: */
#define VGG_HDF5_ABI_NAME "vgg_hdf5_abi"
#define VGG_HDF5_LIST_NAME "vgg_hdf5_list"
#define VGG_HDF5_READ_NAME "vgg_hdf5_read"

extern const int vgg_hdf5_abi;
/* Both: 0, -ENOMEM, or -EBADMSG with the reason in *w->error. list overwrites *w;
 * read gives the data of one tensor, as many floats as its shape has. */
int vgg_hdf5_list(const char *path, struct vgg_hdf5_weights *w);
int vgg_hdf5_read(struct vgg_hdf5_weights *w, size_t i, float *data);

#endif
