/* SPDX-License-Identifier: MIT */
/* For the files of single instruction sets: what an engine needs, and what its
 * files share. Such a file is compiled for its instruction set (Makefile), so it must
 * not be entered before usable() says yes. */
#ifndef VGG_ENGINES_H
#define VGG_ENGINES_H

#include <string.h>

#include "kernels/conv.h"
#include "kernels/kernels.h"

/* Filter i's accumulator to a result. */
static inline int8_t vgg_finish_one(const struct vgg_finish_s8 *f, int i,
				    int32_t acc)
{
	struct vgg_qparam p = { .mult = f->mult[i],
				.offset = f->offset[i],
				.shift = f->shift[i] };

	acc = (int32_t)((uint32_t)acc + (uint32_t)f->bias[i]);
	if (f->relu && acc < 0)
		acc = 0;
	return (int8_t)vgg_requantize(acc, &p, f->lo, f->hi);
}

/* Engines in fp32 have files of their own. */
extern const struct vgg_engine vgg_winograd_f32_generic, vgg_direct_f32_generic;
#ifdef __x86_64__
extern const struct vgg_engine vgg_winograd_f32_avx2, vgg_direct_f32_avx2;
extern const struct vgg_engine vgg_winograd_f32_avx512, vgg_direct_f32_avx512;
#endif
#ifdef __aarch64__
extern const struct vgg_engine vgg_winograd_f32_neon, vgg_direct_f32_neon;
#endif

#endif
