/* SPDX-License-Identifier: MIT */
/* Streams of images through a pipeline, from an empty one to an empty one. */
#ifndef VGGCTL_STREAM_H
#define VGGCTL_STREAM_H

#include "cli.h"

/* Pushes one more image into cli->pipeline; returns 0 or a negative errno. */
typedef int (*stream_push)(void *ctx);

int stream_flow(struct cli *cli, const char *what, unsigned int n,
		stream_push push, void *ctx);

/*
 * So many images or, where that is more, one in each place in flight: memory that
 * is touched for the first time, and what a paced simulator has to compute once,
 * are of the place and not of the lane. Returns how many there were in *n; none
 * if warmup is 0.
 */
int stream_warm_up(struct cli *cli, unsigned int warmup, stream_push push,
		   void *ctx, unsigned int *n);

#endif
