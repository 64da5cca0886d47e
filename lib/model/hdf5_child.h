/* SPDX-License-Identifier: MIT */
/*
 * HDF5 files by way of the reader (hdf5/plugin.h), in a process of its own.
 *
 * libhdf5 doesn't withstand damaged files: a changed byte may end in a crash. So
 * it is loaded and called in a child only, which this process asks for what the
 * file has, and then, if that is of use, for the data.
 */
#ifndef VGG_HDF5_CHILD_H
#define VGG_HDF5_CHILD_H

#include <sys/types.h>

#include "hdf5/plugin.h"

struct vgg_hdf5 {
	const char *path; /* the caller's */
	int socket;
	pid_t pid; /* 0: there is no child */
	struct vgg_hdf5_weights weights;
};

/* Lists the file's weights, without their data. MODEL_FORMAT, MODEL_UNSUPPORTED;
 * close also after a failure. */
int vgg_hdf5_open(struct vgg_hdf5 *h, const char *path);
/* Brings the data of all. */
int vgg_hdf5_load(struct vgg_hdf5 *h);
void vgg_hdf5_close(struct vgg_hdf5 *h);

#endif
