/* SPDX-License-Identifier: MIT */
/*
 * Convolutions on the CPU, int8 and fp32, as one scheme:
 *
 *   load      a tile of the input becomes `positions` values per channel (V)
 *   gemm      at each position, tiles x channels times channels x filters (M)
 *   store     M becomes a tile of the output: bias, activation, pool, rounding
 *
 * Winograd's F(m,3) is this with m x m outputs and (m+2) x (m+2) positions per
 * tile (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
 * 2015); a direct convolution is this with one output and one position, where
 * load gathers the values under the kernel. One driver (conv.c) walks the tiles;
 * what differs between instruction sets and number types is a struct vgg_engine.
 *
 * What is slow is memory, not the multiplier: DRAM on small machines, what one
 * core wrote and another reads on large ones. conv_cut.c takes the cheapest of
 * three orders (enum vgg_order): in blocks of tiles whose V stays in the L2 cache
 * while all weights stream by, so that neither V nor M leaves it and weights are
 * read once per block, by all workers together or a block for each; or, where
 * that would be often, all tiles at once, position by position: weights are read
 * once, V and M pass through DRAM.
 *
 * F(4,3) and F(2,3) use some of the points of F(6,3). So, in floats, the weights
 * of smaller tiles are some of those of the largest, and where it pays tiles of
 * all sizes go through by position together (`joint`): one that isn't cut evenly
 * costs no further weights. And transformed weights, which are up to seven times
 * as large, need not come from DRAM: where an engine transforms them faster than
 * that (`fresh`), it does so for some channels of a block of filters at a time,
 * into a buffer that stays in the cache.
 *
 * Others: conv_pack.c orders weights, conv_care.c proves that int8 is exact,
 * conv_s8.c and conv_f32.c choose the way of a layer.
 */
#ifndef VGG_CONV_H
#define VGG_CONV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/graph.h"

#define VGG_TILE_MAX 6	 /* outputs per side of a tile */
#define VGG_BLOCK_MAX 32 /* filters of a packed block */
/* Floats: channels of weights that are transformed at once while they are used,
 * and bytes from position to position then: positions don't collide in a cache. */
#define VGG_FRESH 64
#define VGG_FRESH_STEP(block) ((size_t)(VGG_FRESH * (block)*4 + 64))

/* Behind the accumulators of a block's filters: see section 5 of
 * vggaccel_hw.h. */
struct vgg_finish_s8 {
	int32_t bias[VGG_BLOCK_MAX], mult[VGG_BLOCK_MAX];
	int32_t offset[VGG_BLOCK_MAX], shift[VGG_BLOCK_MAX];
	/* `high`: all shifts are beyond 32. Then the high 32 bits of a product
	 * are enough: they, plus half, shifted down. */
	int32_t half[VGG_BLOCK_MAX], down[VGG_BLOCK_MAX];
	bool high;
	int lo, hi;
	bool relu;
	/* No offset is beyond 16 bits: saturating sums give the same result. */
	bool near;
	/* No multiplier is negative, no sum with a bias wraps: the largest of
	 * several accumulators is the largest of the results, so a pool may
	 * come first. */
	bool rising;
	/* Winograd: input channels are summed in so many parts, each of which
	 * is proved to be exact; the sum is taken behind the transform. */
	int parts;
	/* Winograd, in one part: the proof holds with the bias as well, which
	 * may so come before the transform; no multiplier is INT32_MIN. */
	bool early_bias;
};

struct vgg_finish_f32 {
	float bias[VGG_BLOCK_MAX], scale[VGG_BLOCK_MAX], shift[VGG_BLOCK_MAX];
	float lo, hi;
	bool relu, affine; /* affine: scale and shift behind the relu */
};

/* All positions of some tiles for one block of filters. */
struct vgg_gemm {
	const char *u, *v;
	char *m;
	/* bytes from position to position; from tile to tile of V; floats: from
	 * chunk to chunk of V. The accumulators of a tile are engine->block * 4
	 * bytes. */
	size_t u_step, v_step, v_pitch, v_chunk, m_step;
	int positions, tiles;
	/* Floats: which of the largest tile's positions these are; NULL: the
	 * first ones. */
	const unsigned char *place;
	int k;	  /* channels, a multiple of engine->step */
	bool add; /* onto M, which is overwritten otherwise; floats only */
};

/* One tile of the input as floats: `at` are its pixels, [m+2][m+2]. Nothing
 * beyond `channels` of a pixel is read; what fills up the last chunk is 0. */
struct vgg_load {
	const void *const *at;
	int channels;
	char *v;
	/* From column to column, from row to row of positions; to the last ones,
	 * which may lie further away. */
	size_t v_step, v_row, v_last_col, v_last_row;
	size_t v_chunk;
};

/* One tile of the output for one block of filters. */
struct vgg_store {
	const void *finish; /* struct vgg_finish_s8 or _f32 */
	const char *m;
	size_t m_step;
	size_t m_row, m_last_col, m_last_row; /* floats: as of V */
	size_t first; /* bytes from a pixel's first filter to the block's */
	char *out;    /* the block's first filter at the tile's first pixel */
	size_t pitch, pixel;
	int rows, cols; /* that exist, behind the pool */
	int channels;	/* of the block that exist */
	bool pool;	/* 2x2 */
	/* int8 Winograd: M comes in so many parts, so many bytes apart, see
	 * struct vgg_finish_s8. */
	int parts;
	size_t part_step;
};

/* What one instruction set does for one number type and one way. */
struct vgg_engine {
	int elem; /* bytes of a value in V and in packed weights */
	int step; /* channels side by side in packed weights */
	/* int8: V's rows are a multiple of so many channels. Floats: V has so
	 * many channels of each tile side by side, and `step` is 1. */
	int chunk;
	int block; /* filters of a packed block */
	bool is_float;
	bool unsigned_v; /* V holds int8 values + 128 */
	/* Where weights come from DRAM while others are used (prefetch): with
	 * fewer tiles at once they come too late, which costs more than V
	 * from beyond L2. */
	int least_tiles;
	int group;	  /* tiles that gemm takes at a time; 0: any number */
	double byte_cost; /* products in the time of reading one byte */
	/* Tile sizes, as bits 1 << m; 0: direct. */
	unsigned int sizes;

	/* Winograd: the tile whose pixels `at` points to, [m+2][m+2], to V.
	 * Never reads beyond `channels` of a pixel. Indices: m / 2. */
	void (*load[4][4])(const void *const *at, int channels, char *v,
			   size_t v_step);
	/* The same for floats. */
	void (*load_f32[4][4])(const struct vgg_load *l);
	/* Floats, or NULL: k channels of weights as they are, [k][3][3][block], to
	 * those of all positions, VGG_FRESH_STEP() from each other. */
	void (*fresh_f32[4][4])(const float *raw, int k, char *u);
	/* Direct, int8: n values of the input to V. */
	void (*gather)(const void *from, size_t n, char *v);
	/* For out-of-order cores, for in-order ones. */
	void (*gemm[2])(const struct vgg_gemm *g);
	void (*store[4][4])(const struct vgg_store *s);
	/* Fully connected, floats: acc[r] = sum over i < n of
	 * x[i] * w[r * n + i], for weights in single or half precision. */
	void (*dot_f32)(const float *x, const float *w, size_t n, int rows,
			float *acc);
	void (*dot_f16)(const float *x, const uint16_t *w, size_t n, int rows,
			float *acc);
};

/* A convolution as its caller knows it. Sizes before a pool. */
struct vgg_conv_shape {
	int in_h, in_w, in_c, h, w, out_c;
	struct vgg_window win;
	bool pool; /* a 2x2 max pool of stride 2 follows, without padding */
};

/* The cache that blocks of tiles are cut for. */
struct vgg_l2 {
	size_t bytes; /* of one */
	int sharers;  /* workers of a run that may live on one, at least 1 */
};

/* A convolution made ready for an engine. */
struct vgg_conv {
	struct vgg_conv_shape s;
	const struct vgg_engine *e;
	unsigned int sizes_h, sizes_w; /* of tiles that have packed weights */
	bool joint;   /* floats: all tiles at once, by position */
	bool fresh;   /* floats: weights are transformed while they are used */
	int together; /* joint and fresh: blocks whose M stays in the cache */
	int k, v_row; /* channels of U, of V's rows */
	int blocks;   /* of filters */
	struct vgg_l2 l2;    /* to make use of */
	size_t finish_bytes; /* of one block's finish */
	size_t packed_bytes;
	char *packed; /* the caller's, aligned to 64 bytes */
};

/* Where a run reads and writes; strides in bytes. */
struct vgg_conv_io {
	const void *in;
	size_t in_pitch, in_pixel;
	void *out;
	size_t out_pitch, out_pixel;
};

/* Rows of the output behind the pool, and channels: c0 a multiple of
 * vgg_conv_grain(), row0 what vgg_conv_row_start() gives. The ends may be
 * anywhere; nothing may be left. */
struct vgg_conv_range {
	int row0, row1, c0, c1;
};

/* Threads to work with: calls fn(ctx, worker, i) for all i < n, worker <
 * workers, and returns when all are done. */
struct vgg_team {
	int workers;
	void (*each)(void *threads, size_t n,
		     void (*fn)(void *ctx, int worker, size_t i), void *ctx);
	void *threads;
};

/*
 * Chooses tile sizes and the layout: c->packed_bytes.
 */
void vgg_conv_init(struct vgg_conv *c, const struct vgg_engine *e,
		   const struct vgg_conv_shape *s, struct vgg_l2 l2);
/* Whether an engine's Winograd way serves a shape. */
bool vgg_conv_is_winograd(const struct vgg_conv_shape *s);
/* Whether the driver can pool: 2x2, stride 2, no padding, even sizes or the
 * last row and column dropped. */
bool vgg_conv_can_pool(const struct vgg_window *pool);

/*
 * Packs block `b` of c->blocks: its filters and what follows their sums. Blocks
 * may be packed in any order and at the same time. Once before,
 * vgg_conv_pack_pad() takes the value that padding reads.
 */
void vgg_conv_pack_pad(const struct vgg_conv *c, int pad_value);
struct vgg_conv_s8;
void vgg_conv_pack_s8(const struct vgg_conv *c, int b,
		      const struct vgg_conv_s8 *k);
/* Weights only, from [out_c][kernel_h][kernel_w][in_c] int8 or float; the finish
 * is the caller's to fill. */
void vgg_conv_pack(const struct vgg_conv *c, const void *weight, int b);
void *vgg_conv_finish(const struct vgg_conv *c, int b);

/* Channels to cut ranges at. */
int vgg_conv_grain(const struct vgg_conv *c);
/* The last row up to `row` at which a range may begin: int8, at any. */
int vgg_conv_row_start(const struct vgg_conv *c, int row);
size_t vgg_conv_workspace(const struct vgg_conv *c, int workers);
/* The range of the output. `workspace`: aligned to 64 bytes. */
void vgg_conv_run(const struct vgg_conv *c, const struct vgg_conv_io *io,
		  const struct vgg_conv_range *range,
		  const struct vgg_team *team, char *workspace);

#endif
