/* SPDX-License-Identifier: MIT */
/*
 * The network in floating point on the CPU: the reference that quantisation is
 * measured against. Runs folded and unfolded chains alike, any batch.
 */
#ifndef VGG_RUN_F32_H
#define VGG_RUN_F32_H

#include "model/graph.h"
#include "run/threads.h"

struct vgg_f32;

/* Called after each layer: its output in memory order (rank 4: NHWC). */
typedef void (*vgg_f32_seen)(void *ctx, unsigned int layer, const float *data,
			     int64_t count);

/* Packs weights and allocates buffers. The model and the threads must outlive
 * it. MODEL_PRECISION if the model holds no floating-point weights. */
int vgg_f32_create(const struct vgg_model *m, struct vgg_threads *threads,
		   struct vgg_f32 **f32);
void vgg_f32_free(struct vgg_f32 *f32);
/*
 * input: in memory order (NHWC). Returns the output in logical order (NCHW),
 * valid until the next run. seen may be NULL.
 */
const float *vgg_f32_run(struct vgg_f32 *f32, const float *input,
			 vgg_f32_seen seen, void *ctx);

/* Between NCHW and NHWC; copies if the rank is not 4. */
void vgg_to_nhwc(const struct vgg_shape *s, const float *nchw, float *nhwc);
void vgg_to_nchw(const struct vgg_shape *s, const float *nhwc, float *nchw);
/* In place over `count` values `stride` apart. */
void vgg_softmax(float *x, int64_t count, int64_t stride, bool logarithm);

#endif
