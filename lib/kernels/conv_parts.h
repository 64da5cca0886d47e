/* SPDX-License-Identifier: MIT */
/* Inside conv*.c. */
#ifndef VGG_CONV_PARTS_H
#define VGG_CONV_PARTS_H

#include "kernels/conv.h"

/* n outputs along one side as runs of equal segments, at most one per size. */
struct vgg_cut_run {
	int first, m, count;
};

struct vgg_cut {
	int runs;
	struct vgg_cut_run run[3];
};

/* How a run's workers go over tiles and filters. */
enum vgg_order {
	/* One block of tiles after the other. All workers load its V, then each
	 * multiplies it by other filters, with an M of its own. */
	VGG_TOGETHER,
	/* Each worker takes a block of tiles and goes through all filters by
	 * itself, with V and M of its own: nothing passes from core to core. */
	VGG_APART,
	/* All tiles are one block. M has all filters, so that all workers finish
	 * each position before the next. */
	VGG_BY_POSITION,
};

/* Tiles of one size, and how a run goes over them. */
struct vgg_class {
	int mh, mw;
	enum vgg_order order;
	int tiles, steps; /* in a block of tiles; blocks */
	int m_tiles;	  /* that M has room for */
	const char *u;	  /* packed weights */
	/* Bytes of a position, and of all that a block of filters has. */
	size_t u_step, u_block;
	size_t fresh_at; /* from M to the buffer of fresh weights */
	size_t v_step, v_pitch, v_chunk, m_step;
	/* Floats: the weights' position of each; those in a row of V and M, and
	 * which of its row and its column the last ones are. */
	unsigned char place[(VGG_TILE_MAX + 2) * (VGG_TILE_MAX + 2)];
	int positions, across, last_col, last_row;
};

/* Weights of floats have a multiple of so many channels. */
#define VGG_FLOATS 4

/* Fresh weights where tiles of all classes go through together: channels at once,
 * so few that V of all tiles stays in the cache beside M of some filters. */
#define VGG_FRESH_JOINT (VGG_FRESH / 2)

/* Positions of one side of a tile, and of a tile. */
static inline int vgg_positions_of(int m)
{
	return m == 1 ? 1 : m + 2;
}

static inline int vgg_positions(const struct vgg_class *t)
{
	return vgg_positions_of(t->mh) * vgg_positions_of(t->mw);
}

/* conv_cut.c: n outputs in runs of equal segments, the last of which may reach
 * beyond; sizes 0: of one output each. */
void vgg_cut(struct vgg_cut *c, int n, unsigned int sizes);
/* The largest of sizes. */
int vgg_largest(unsigned int sizes);
/* How many of so many tiles at once, and in which order: t->order, tiles, steps. */
void vgg_size_steps(const struct vgg_conv *c, struct vgg_class *t, int tiles,
		    int workers);
/* Bytes from DRAM if blocks of tiles follow each other, and by position. */
double vgg_bytes_by_block(const struct vgg_conv *c, const struct vgg_class *t);
double vgg_bytes_by_position(const struct vgg_conv *c,
			     const struct vgg_class *t, int tiles);

/* conv_cost.c: sets sizes_h, sizes_w, joint, fresh and together. */
void vgg_choose_sizes(struct vgg_conv *c);

/* conv_layout.c: fills t from its mh and mw, for so many tiles. */
void vgg_size_class(const struct vgg_conv *c, struct vgg_class *t, int tiles,
		    int workers);
/* The same where tiles of all classes go through together. */
void vgg_size_joint(const struct vgg_conv *c, struct vgg_class *t, int tiles);
/* Bytes of raw weights, of all blocks of filters and of what one gets transformed
 * at once; of the buffer that a worker needs for fresh ones. */
size_t vgg_raw_bytes(const struct vgg_conv *c);
size_t vgg_fresh_raw(const struct vgg_conv *c);
size_t vgg_fresh_bytes(const struct vgg_conv *c);
/* V of a block of tiles; M of a worker, or by position of all. */
size_t vgg_v_bytes(const struct vgg_class *t);
size_t vgg_m_bytes(const struct vgg_class *t);
char *vgg_conv_padding(const struct vgg_conv *c);

/* conv_pack.c: the weights of block b for tiles of mh x mw. */
void vgg_conv_pack_class(const struct vgg_conv *c, const void *weight, int b,
			 int mh, int mw, char *to);
/* As they are, but for a factor: [channels][3][3][filters]. */
void vgg_conv_pack_raw(const struct vgg_conv *c, const float *weight, int b,
		       float *to);

/*
 * conv_care.c: what is rare and must still be exact. Sums that may leave the
 * range in which Winograd's division is exact are taken in parts; offsets too
 * large for saturating arithmetic are added in 64 bits, one by one.
 */
int vgg_conv_parts(const struct vgg_conv *c, const int8_t *weight, int b);
/* No filter of c needs more. */
int vgg_conv_most_parts(const struct vgg_conv *c);
/* Part i, as g does the whole: to M at i * part_step. */
struct vgg_gemm vgg_conv_part(const struct vgg_conv *c,
			      const struct vgg_gemm *g, int parts, int i,
			      size_t part_step);
/* One tile, whose parts s->m points to. */
void vgg_conv_store_far(const struct vgg_class *t, const struct vgg_store *s);

#endif
