// SPDX-License-Identifier: MIT
/* See disabled.h. */
#include <stdlib.h>
#include <string.h>

#include "util/disabled.h"

bool vgg_disabled(const char *name)
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
