/* SPDX-License-Identifier: MIT */
/* Inside conv.c and conv_joint.c: the work on tiles of one class. */
#ifndef VGG_CONV_JOB_H
#define VGG_CONV_JOB_H

#include "kernels/conv_parts.h"

struct vgg_conv_job {
	const struct vgg_conv *c;
	const struct vgg_conv_io *io;
	struct vgg_class t;
	int y0, x0;	    /* of the class's first tile */
	int h, w;	    /* end of the range before a pool */
	int across;	    /* tiles side by side */
	int first, end;	    /* tiles of the step */
	int block0;	    /* first block of filters */
	int last;	    /* end of the range's channels */
	const char *finish; /* of block 0 */
	const void *pad;    /* the pixel outside */
	int blocks;	    /* of filters */
	int loads;	    /* tiles that a task loads */
	int together;	    /* blocks that a task stores */
	int parts;	    /* tasks to each block of filters, or position */
	int tiles;	    /* of all steps */
	char *v, *m;	    /* of the first worker, or of all */
	size_t v_worker, m_worker; /* bytes from worker to worker */
};

/* Classes of one run: sizes of rows times sizes of columns. */
#define VGG_CLASSES_MAX 9

/* Which of an engine's orders of instructions suits the core that the caller is
 * on. */
int vgg_in_order(void);

static inline int vgg_part_start(int n, int parts, int i)
{
	return (int)((int64_t)n * i / parts);
}

/* A task: some neighbouring tiles to V, j->loads of them. */
void vgg_job_load(void *job, int worker, size_t i);
/* The product of all of a step's tiles and block b, to m. */
struct vgg_gemm vgg_job_gemm(const struct vgg_conv_job *j, int b, char *m);
/* M of block b where all blocks have theirs. */
char *vgg_job_m(const struct vgg_conv_job *j, int b);
/* All blocks' M to the output. */
void vgg_job_store(struct vgg_conv_job *j, const struct vgg_team *team);
/* By position: channels at once, for so many tiles. */
int vgg_conv_piece(const struct vgg_conv *c, int tiles);
/* Transforms weights to all positions of the largest tiles. */
typedef void vgg_fresh_fn(const float *raw, int k, char *u);
vgg_fresh_fn *vgg_conv_fresh(const struct vgg_conv *c);

/* conv_joint.c: `count` classes together; their tiles, counts of blocks and what
 * conv.c sets for all are there. */
void vgg_conv_run_joint(struct vgg_conv_job *jobs, int count,
			const struct vgg_team *team, char *workspace);

#endif
