// SPDX-License-Identifier: MIT
/* See disabled.h. */
#include <stdlib.h>
#include <string.h>

#include "util/disabled.h"

#define BLANKS " \t"

const char *vgg_disabled_next(const char **list, size_t *length)
{
	const char *name = *list;
	size_t n;

	if (!name)
		return NULL;
	name += strspn(name, BLANKS ",");
	n = strcspn(name, ",");
	*list = name + n;
	while (n && strchr(BLANKS, name[n - 1]))
		n--;
	*length = n;
	return n ? name : NULL;
}

const char *vgg_disabled_list(void)
{
	return getenv("VGG_DISABLE");
}

bool vgg_disabled(const char *name)
{
	const char *list = vgg_disabled_list(), *at;
	size_t n;

	while ((at = vgg_disabled_next(&list, &n)))
		if (n == strlen(name) && !strncmp(at, name, n))
			return true;
	return false;
}
