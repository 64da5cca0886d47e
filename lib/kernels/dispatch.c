// SPDX-License-Identifier: MIT
/* Which kernels this process uses; see kernels.h. */
#include <stddef.h>

#include "kernels/kernels.h"
#include "util/disabled.h"

static const struct vgg_kernels *const variants[] = {
#define VGG_KERNELS(name) &vgg_kernels_##name,
#include "kernels/kernels.inc"
#undef VGG_KERNELS
};

#define COUNT (sizeof(variants) / sizeof(*variants))

const struct vgg_kernels *vgg_kernels_get(unsigned int i)
{
	return i < COUNT ? variants[i] : NULL;
}

const struct vgg_kernels *vgg_kernels_best(void)
{
	size_t i;

	for (i = COUNT; --i > 0;)
		if (variants[i]->usable() && !vgg_disabled(variants[i]->name))
			return variants[i];
	return variants[0];
}
