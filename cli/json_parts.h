/* SPDX-License-Identifier: MIT */
/*
 * What the writers of JSON share. Strings are made valid UTF-8 first, as JSON has
 * no other; numbers that JSON lacks (NaN, infinity) become null.
 */
#ifndef VGGCTL_JSON_PARTS_H
#define VGGCTL_JSON_PARTS_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "out.h"
#include "text.h"

static inline json_t *text(const char *s)
{
	char *valid = text_valid(s ? s : "", false);
	json_t *j = json_string(valid);

	free(valid);
	return j;
}

static inline json_t *number(double value)
{
	json_t *j = json_real(value);

	return j ? j : json_null();
}

static inline json_t *integer(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* 9 digits tell two floats apart. */
static inline void print(json_t *doc)
{
	char *out = json_dumps(doc, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

	if (!out) {
		fputs("vggctl: JSON: out of memory [NO_MEMORY]\n", stderr);
		exit(EXIT_FAILED);
	}
	puts(out);
	free(out);
	json_decref(doc);
}

/* out_json.c */
json_t *js_model(const struct cli *cli);
json_t *js_device(const struct cli *cli);
json_t *js_warning(const struct vgg_quantize_warning *w);

/* json_plan.c */
void js_plan(const struct cli *cli, const struct out_plan *plan);
void js_calibrate(const struct cli *cli, const struct out_calibrate *o);

#endif
