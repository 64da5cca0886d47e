/* SPDX-License-Identifier: MIT */
/*
 * Measured times of layers and cards, kept from one process to the next: a JSON file in
 * the user's cache folder ($XDG_CACHE_HOME/vggaccel, else ~/.cache/vggaccel)
 * whose name is a hash of what they depend on: CPUs, kernels, threads and the
 * library's version. VGG_COSTS in the environment names another file; empty:
 * none is read.
 */
#ifndef VGG_COSTS_FILE_H
#define VGG_COSTS_FILE_H

#include "plan/machine.h"

/* Where the times of this machine with machine->processor[0].threads lie. NULL
 * if there is no such place; to be freed. */
char *vgg_costs_path(const struct vgg_machine *m);
/* Adds what the file has. A missing or damaged file has nothing: times are
 * guessed then, and plans say so. */
void vgg_costs_read(struct vgg_machine *m);
/* Writes all that was measured; folders are made. */
int vgg_costs_write(const struct vgg_machine *m, const char *path);

#endif
