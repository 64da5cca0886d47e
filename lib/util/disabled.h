/* SPDX-License-Identifier: MIT */
/* Switching parts off to see whether a fault lies there: VGG_DISABLE is a list
 * of names with commas between them. */
#ifndef VGG_DISABLED_H
#define VGG_DISABLED_H

#include <stdbool.h>

bool vgg_disabled(const char *name);

#endif
