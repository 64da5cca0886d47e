/* SPDX-License-Identifier: MIT */
/* A session's threads as the kernels' driver wants them (kernels/conv.h), and
 * the memory that goes with them. */
#ifndef VGG_RUN_TEAM_H
#define VGG_RUN_TEAM_H

#include "kernels/conv.h"
#include "run/threads.h"

/* Tasks are taken one by one by whoever is free, so cores may differ in speed. */
struct vgg_team vgg_team_of(struct vgg_threads *threads);

/* The smallest L2 cache among those that the threads may use, and the most
 * threads that any of them serves. */
struct vgg_l2 vgg_team_cache(const struct vgg_team *team);

/*
 * Memory for weights and workspaces: aligned to 64 bytes, in huge pages where
 * the system gives them: megabytes that are read in one go otherwise cost a
 * table walk for every 4 KiB. NULL if there is none; freed by free().
 */
void *vgg_alloc_large(size_t bytes);

#endif
