/* SPDX-License-Identifier: MIT */
/*
 * Inside data sets: each format is a table of operations on images that are read
 * one by one, in whatever order, from several threads. The public part is in
 * vggaccel.h.
 */
#ifndef VGG_DATASET_H
#define VGG_DATASET_H

#include "vggaccel.h"

struct vgg_dataset {
	const struct vgg_dataset_ops *ops;
	char *name;	/* as it was given */
	char **classes; /* names; NULL: there are none */
	unsigned int class_count;
	size_t count; /* images */
};

struct vgg_dataset_ops {
	int (*read)(const struct vgg_dataset *d, size_t i,
		    struct vgg_image **image);
	unsigned int (*class_of)(const struct vgg_dataset *d, size_t i);
	void (*free)(struct vgg_dataset *d);
};

/* Each allocates its own struct, which begins with a struct vgg_dataset. */
int vgg_cifar10_open(const char *path, enum vgg_dataset_part part,
		     struct vgg_dataset **d);
int vgg_stl10_open(const char *path, enum vgg_dataset_part part,
		   struct vgg_dataset **d);
int vgg_folder_open(const char *path, struct vgg_dataset **d);

/* A name more at the end of classes. */
int vgg_dataset_add_class(struct vgg_dataset *d, const char *name);
/* The n names in a file of the folder, a line each; what it lacks, from names. */
int vgg_dataset_read_classes(struct vgg_dataset *d, const char *folder,
			     const char *file, const char *const *names,
			     unsigned int n);
/* Forgets them. */
void vgg_dataset_drop_classes(struct vgg_dataset *d);

#endif
