// SPDX-License-Identifier: MIT
/* Traces to files. */
#include <stdlib.h>
#include <string.h>

#include "trace/parts.h"
#include "util/error.h"
#include "util/file.h"

static const struct {
	const char *ending;
	int (*write)(const struct vgg_trace *t, FILE *to);
} formats[] = {
	{ ".json", vgg_trace_write_json },
	{ ".svg", vgg_trace_write_svg },
	{ ".html", vgg_trace_write_html },
};

#define FORMATS (sizeof(formats) / sizeof(*formats))

static int (*format_of(const char *path))(const struct vgg_trace *, FILE *)
{
	const char *ending = path ? strrchr(path, '.') : NULL;
	size_t i;

	for (i = 0; ending && i < FORMATS; i++)
		if (!strcmp(ending, formats[i].ending))
			return formats[i].write;
	return NULL;
}

int vgg_trace_save(struct vgg_trace *t, const char *path)
{
	int (*write)(const struct vgg_trace *, FILE *) = format_of(path);
	char *text = NULL;
	size_t size;
	FILE *to;
	int err;

	if (!write)
		return vgg_fail(BAD_ARGUMENT, path,
				"let the name end in .json, .svg or .html",
				"a trace can't be written in this form");
	err = vgg_trace_read(t);
	if (err)
		return err;
	vgg_trace_pace_look(t);
	to = open_memstream(&text, &size);
	if (!to)
		return vgg_fail_memory("a trace's text");
	err = write(t, to);
	if (fclose(to) || err)
		err = vgg_fail_memory("a trace's text");
	else
		err = vgg_write_text(path, text);
	free(text);
	return err;
}
