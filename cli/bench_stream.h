/* SPDX-License-Identifier: MIT */
/* vggctl bench --in-flight: a stream of images. */
#ifndef VGGCTL_BENCH_STREAM_H
#define VGGCTL_BENCH_STREAM_H

#include "cli.h"

struct bench_stream {
	struct cli *cli;   /* with a pipeline */
	const float *data; /* every image */
	size_t count;
	unsigned int warmup, images;
	double *ms;	    /* from push to pull, of each that is measured */
	double rate;	    /* images a second */
	double card_cycles; /* the mean of those that are measured */
	struct vgg_result last;
};

/*
 * Times `images` images after `warmup` others, in the midst of a stream: at its
 * beginning and its end there are as many in flight. Returns 0 or a negative
 * errno.
 */
int bench_stream(struct bench_stream *s);

#endif
