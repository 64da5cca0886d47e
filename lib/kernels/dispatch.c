// SPDX-License-Identifier: MIT
/* Which kernels this process uses; see kernels.h. */
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

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

static bool disabled(const char *name)
{
	const char *list = getenv("VGG_DISABLE"), *end;
	size_t n = strlen(name);

	for (; list && *list; list = *end ? end + 1 : end) {
		end = strchrnul(list, ',');
		if ((size_t)(end - list) == n && !strncmp(list, name, n))
			return true;
	}
	return false;
}

const struct vgg_kernels *vgg_kernels_best(void)
{
	size_t i;

	for (i = COUNT; --i > 0;)
		if (variants[i]->usable() && !disabled(variants[i]->name))
			return variants[i];
	return variants[0];
}
