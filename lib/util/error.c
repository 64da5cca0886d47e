// SPDX-License-Identifier: MIT
/* The last error of each thread; see error.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/error.h"

static _Thread_local struct vgg_error last = { .name = "NONE" };

static const struct {
	const char *name;
	int number;
} codes[] = { [VGG_ERROR_NONE] = { "NONE", 0 },
#define VGG_ERROR_ENTRY(name, number, text) \
	[VGG_ERROR_##name] = { #name, number },
	      VGG_ERRORS(VGG_ERROR_ENTRY)
#undef VGG_ERROR_ENTRY
};

const struct vgg_error *vgg_error_last(void)
{
	return &last;
}

int vgg_fail_(enum vgg_error_code code, const char *where,
	      const char *next_step, const char *format, ...)
{
	struct vgg_error error = { .code = code, .name = codes[code].name };
	va_list args;

	/* The arguments may point into the previous error: build a new one. */
	va_start(args, format);
	vsnprintf(error.what, sizeof(error.what), format, args);
	va_end(args);
	snprintf(error.where, sizeof(error.where), "%s", where ? where : "");
	snprintf(error.next_step, sizeof(error.next_step), "%s",
		 next_step ? next_step : "");
	last = error;
	return -codes[code].number;
}

int vgg_check_struct(size_t size, const char *name)
{
	/* Smaller than any version of any of them; larger than all to come. */
	if (size >= 2 * sizeof(size_t) && size <= 65536)
		return 0;
	return vgg_fail(BAD_ARGUMENT, name, "initialise it by VGG_INIT()",
			"its size field says %zu bytes", size);
}

int vgg_check_choice(unsigned int value, unsigned int most, const char *name)
{
	if (value <= most)
		return 0;
	return vgg_fail(BAD_ARGUMENT, name, "use one that vggaccel.h names",
			"there is no %s %u", name, value);
}

int vgg_fail_memory(const char *what)
{
	return vgg_fail(NO_MEMORY, NULL, "free memory or use a smaller network",
			"no memory for %s", what);
}

int vgg_error_at(int err, const char *where)
{
	char both[2 * sizeof(last.where)];

	if (!err || strstr(last.where, where))
		return err;
	snprintf(both, sizeof(both), "%s%s%.*s", where,
		 last.where[0] ? ": " : "", (int)sizeof(last.where),
		 last.where);
	/* Too long for both: the file's name tells more than the layer's. */
	memcpy(last.where, both, sizeof(last.where) - 1);
	return err;
}
