// SPDX-License-Identifier: MIT
/*
 * UTF-8 and its width in cells. The C library's wcwidth() would depend on the
 * locale, and labels are UTF-8 in every one.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "text.h"

void *cli_alloc(void *old, size_t bytes)
{
	void *p = realloc(old, bytes ? bytes : 1);

	if (!p) {
		fputs("vggctl: out of memory [NO_MEMORY]\n", stderr);
		exit(EXIT_FAILED);
	}
	return p;
}

/* The length of the sequence at s and its code point; 0 if it is invalid. */
static int decode(const unsigned char *s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	int n = *s < 0x80 ? 1 :
		*s < 0xc0 ? 0 :
		*s < 0xe0 ? 2 :
		*s < 0xf0 ? 3 :
		*s < 0xf8 ? 4 :
			    0;
	int i;

	*code = n < 2 ? *s : *s & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3fu);
	}
	/* Overlong forms, surrogates, beyond Unicode. */
	if (n && (*code < least[n] || (*code >= 0xd800 && *code < 0xe000) ||
		  *code > 0x10ffff))
		return 0;
	return n;
}

struct range {
	uint32_t first, last;
};

/* Combining marks and invisible ones; then East Asian wide characters and
 * emoji: the blocks that names are made of, not all of Unicode. */
static const struct range zero[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd },
	{ 0x0610, 0x061a }, { 0x064b, 0x065f }, { 0x0e31, 0x0e31 },
	{ 0x0e34, 0x0e3a }, { 0x0e47, 0x0e4e }, { 0x1ab0, 0x1aff },
	{ 0x1dc0, 0x1dff }, { 0x200b, 0x200f }, { 0x202a, 0x202e },
	{ 0x2060, 0x2064 }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0xe0100, 0xe01ef },
};
static const struct range wide[] = {
	{ 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },
	{ 0xa960, 0xa97f },   { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },
	{ 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },
	{ 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff },
	{ 0x20000, 0x3fffd },
};

static bool within(uint32_t code, const struct range *r, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (code >= r[i].first && code <= r[i].last)
			return true;
	return false;
}

#define WITHIN(code, table) \
	within(code, table, sizeof(table) / sizeof(*(table)))

int text_width(const char *s)
{
	int width = 0, n;
	uint32_t code;

	for (; *s; s += n ? n : 1) {
		n = decode((const unsigned char *)s, &code);
		if (!n || !WITHIN(code, zero))
			width += n && WITHIN(code, wide) ? 2 : 1;
	}
	return width;
}

static bool is_control(uint32_t code)
{
	/* The last ones change the direction of the text around them. */
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
	       (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

char *text_valid(const char *s, bool printable)
{
	char *copy = cli_alloc(NULL, strlen(s) * 3 + 1), *to = copy;
	uint32_t code;
	int n;

	for (; *s; s += n ? n : 1) {
		n = decode((const unsigned char *)s, &code);
		if (!n)
			to = stpcpy(to, "\xef\xbf\xbd");
		else if (printable && is_control(code))
			to = stpcpy(to, "?");
		else
			to = mempcpy(to, s, (size_t)n);
	}
	*to = 0;
	return copy;
}

char *text_cut(const char *s, int cells)
{
	char *copy = text_valid(s, true), *at = copy;
	int width = 0, n, w;
	uint32_t code;

	if (text_width(copy) <= cells)
		return copy;
	for (; *at; at += n, width += w) {
		n = decode((const unsigned char *)at, &code);
		w = WITHIN(code, zero) ? 0 : WITHIN(code, wide) ? 2 : 1;
		if (width + w > cells - 2)
			break;
	}
	/* Two bytes fit: more cells than that are cut off. */
	strcpy(at, "..");
	return copy;
}

const char *text_si(double value, const char *unit, char buffer[TEXT_SI])
{
	static const char prefixes[] = " kMGTP";
	const char *p = prefixes;

	for (; value >= 999.5 && p[1]; p++)
		value /= 1000;
	if (*p == ' ')
		snprintf(buffer, TEXT_SI, "%.0f%s%s", value, *unit ? " " : "",
			 unit);
	else
		snprintf(buffer, TEXT_SI, "%.*f %c%s",
			 value < 9.995 ? 2 :
			 value < 99.95 ? 1 :
					 0,
			 value, *p, unit);
	return buffer;
}
