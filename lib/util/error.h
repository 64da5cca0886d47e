/* SPDX-License-Identifier: MIT */
/*
 * How functions of the library fail: the error is noted for this thread and
 * its errno returned, in one statement:
 *
 *	return vgg_fail(MODEL_FORMAT, path, "use `vggctl import`",
 *			"the header of %zu bytes is not JSON", n);
 *
 * The innermost function that knows the cause calls vgg_fail(); its callers
 * only pass the value on. vgg_error_at() lets a caller add the place it alone
 * knows.
 */
#ifndef VGG_ERROR_H
#define VGG_ERROR_H

#include "vggaccel.h"

/* where and next_step may be NULL. Returns -errno of the code. */
int vgg_fail_(enum vgg_error_code code, const char *where,
	      const char *next_step, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
#define vgg_fail(name, where, next_step, ...) \
	vgg_fail_(VGG_ERROR_##name, where, next_step, __VA_ARGS__)

/* BAD_ARGUMENT unless a caller's struct says a plausible size. */
int vgg_check_struct(size_t size, const char *name);
/* BAD_ARGUMENT unless a caller's enum is one of 0 to most: one that a later
 * version knows must not pass for the default. */
int vgg_check_choice(unsigned int value, unsigned int most, const char *name);

/* -ENOMEM, with what the memory was for. */
int vgg_fail_memory(const char *what);

/* If err isn't 0, puts a wider place (a file) before the last error's place (a
 * layer), unless it is there already; returns err. */
int vgg_error_at(int err, const char *where);

#endif
