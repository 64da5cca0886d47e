/* SPDX-License-Identifier: MIT */
/* Switching parts off to see whether a fault lies there: VGG_DISABLE is a list
 * of names with commas, and any blanks, between them. vgg_cpu_info() tells of
 * names that nothing has. */
#ifndef VGG_DISABLED_H
#define VGG_DISABLED_H

#include <stdbool.h>
#include <stddef.h>

bool vgg_disabled(const char *name);

/* The list, NULL if there is none; and its names one by one: the next one, not
 * terminated, NULL behind the last. */
const char *vgg_disabled_list(void);
const char *vgg_disabled_next(const char **list, size_t *length);

#endif
