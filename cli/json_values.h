/* SPDX-License-Identifier: MIT */
/* Values of JSON, as all of its output has them. */
#ifndef VGGCTL_JSON_VALUES_H
#define VGGCTL_JSON_VALUES_H

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "text.h"

/* Valid UTF-8, as JSON has no other. */
static inline json_t *text(const char *s)
{
	char *valid = text_valid(s ? s : "", false);
	json_t *j = json_string(valid);

	free(valid);
	return j;
}

/* Numbers that JSON lacks (NaN, infinity) become null. */
static inline json_t *number(double value)
{
	json_t *j = json_real(value);

	return j ? j : json_null();
}

static inline json_t *integer(uint64_t value)
{
	return json_integer((json_int_t)value);
}

#endif
