/* SPDX-License-Identifier: MIT */
/*
 * What the kernels' tests share: memory between guard pages, random values,
 * shapes and parameters, and teams of workers.
 *
 * VGG_TEST_ROUNDS multiplies the number of random cases; VGG_TEST_SEED (see
 * vgg_harness.h) repeats a run.
 */
#ifndef KERNELS_SUPPORT_H
#define KERNELS_SUPPORT_H

#include "kernels/conv.h"
#include "kernels/kernels.h"
#include "vgg_harness.h"

struct vgg_team;

/* So many rounds in a normal build; sanitizers and emulation take a share. */
int rounds(int n);

/*
 * Memory between pages that can't be touched. It begins right behind the first
 * or ends right before the second, as `seed` decides (NULL: it ends there), and
 * holds 0xff: NaN in floats. guard_free() fails the test if what is left of the
 * first or last page was written to. For one thread.
 */
void *guard_new(size_t bytes, uint64_t *seed);
/* Aligned to 64 bytes, and so longer by up to 63 bytes. */
void *guard_new_aligned(size_t bytes, uint64_t *seed);
/* From now on it can only be read. */
void guard_seal(const void *p);
void guard_free(const void *p);

/* Small numbers as likely as large ones: 1..most. */
int random_size(uint64_t *seed, int most);
/* A cache of at least so many bytes, at most so many more: tiny ones give blocks
 * of one tile, huge ones one block. */
struct vgg_l2 random_l2(uint64_t *seed, size_t least, int most);

enum values { RANDOM, LOWEST, HIGHEST, MIXED, CHECKERED, SPARSE, KINDS };

/* CHECKERED: `run` values of one sign, then as many of the other. */
void fill(int8_t *to, size_t n, enum values kind, size_t run, uint64_t *seed);

/* Results spread over -128..127 if accumulators do over +-`size`. */
void fill_params(struct vgg_qparam *p, int n, int64_t size, uint64_t *seed);
/* Whatever the specification allows, above all its edges. */
void fill_params_extreme(struct vgg_qparam *p, int n, uint64_t *seed);

/* Pads are smaller than the kernel, as everywhere in the library. */
struct vgg_window random_window(uint64_t *seed, int most);
/* Outputs along one side; 0 if there is none. */
int extent(int in, int kernel, int stride, int before, int after);
/* Sets pitches that leave room between rows and pixels; returns the bytes up
 * to the last value. */
size_t lay_out(struct vgg_image_s8 *m, uint64_t *seed);

/* Index of the first difference, n if there is none. */
size_t first_difference(const int8_t *a, const int8_t *b, size_t n);

/* Calls tasks in order. */
extern const struct vgg_team alone;
/* Calls tasks in random order, as random workers, from one thread. */
struct shuffle {
	int workers;
	uint64_t seed;
};
struct vgg_team team_shuffled(struct shuffle *s);
/* The same with a thread for each worker. */
struct vgg_team team_threads(struct shuffle *s);

#endif
