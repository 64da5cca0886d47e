/* SPDX-License-Identifier: MIT */
/*
 * Keras' weights in HDF5 files. The file is read by a shared object of its own
 * (hdf5/plugin.h) in a process of its own; what its weights mean is here: kernels
 * are height, width, input, output, flattened features row, column, channel, and
 * BatchNorm's epsilon is 1e-3 unless the file has the network's description.
 */
#ifndef VGG_KERAS_H
#define VGG_KERAS_H

#include "model/hdf5_child.h"
#include "model/keras_config.h"
#include "model/tensors.h"

struct vgg_keras {
	struct vgg_tensors all; /* first; convolutions, BatchNorms, dense
				 * layers */
	struct vgg_keras_config config;
	struct vgg_hdf5 file;
	/* Of each tensor of all: */
	const struct vgg_hdf5_tensor **from;
	char **names;
};

/* True if the file begins like an HDF5 file. */
bool vgg_keras_probe(const struct vgg_file *file);
/* All but the data, which vgg_import_tensors() asks for by accept(). The path must
 * outlive *k; close also after a failure. */
int vgg_keras_open(struct vgg_keras *k, const char *path);
void vgg_keras_close(struct vgg_keras *k);

#endif
