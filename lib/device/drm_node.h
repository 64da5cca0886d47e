/* SPDX-License-Identifier: MIT */
/*
 * Which cards this machine has.
 *
 * libdrm lists /dev/dri only, so sysfs is asked: an entry of class accel, or a
 * render node of class drm, whose device is bound to our driver is a node. A
 * PCI device with our identity and no node is a card that nobody drives; it is
 * listed too, because "there is no card" would send its owner the wrong way.
 */
#ifndef VGG_DRM_NODE_H
#define VGG_DRM_NODE_H

#include <stddef.h>

struct vgg_node {
	char path[128];	 /* "/dev/accel/accel0"; "" if the card has no node */
	char bus[32];	 /* "0000:01:00.0"; "" if unknown */
	char driver[32]; /* bound to it; "" for none */
};

struct vgg_nodes {
	struct vgg_node *at; /* nodes first, accel before render, by number */
	size_t count, with_path;
};

/* root is "" but for tests: it goes before /sys and /dev. A machine without
 * sysfs has no cards, which is no error. NO_MEMORY. */
int vgg_nodes_scan(const char *root, struct vgg_nodes *nodes);
void vgg_nodes_clear(struct vgg_nodes *nodes);

/* Fills *n for the file `path`; what sysfs doesn't know stays "". */
void vgg_node_from_path(const char *root, const char *path, struct vgg_node *n);

#endif
