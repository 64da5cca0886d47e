// SPDX-License-Identifier: MIT
/* See text_style.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text_style.h"

static bool coloured(void)
{
	static int answer = -1;
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	if (answer < 0)
		answer = isatty(STDOUT_FILENO) && (!no || !*no) && term &&
			 strcmp(term, "dumb");
	return answer;
}

const char *text_on(enum text_style style)
{
	static const char *const codes[] = { "", "\033[1m", "\033[2m",
					     "\033[32m", "\033[31m" };

	return coloured() ? codes[style] : "";
}

const char *text_off(void)
{
	return coloured() ? "\033[0m" : "";
}

void text_put(const char *s)
{
	char *clean = text_valid(s, true);

	fputs(clean, stdout);
	free(clean);
}

void text_pair(const char *name, const char *format, ...)
{
	va_list args;
	char *value;

	va_start(args, format);
	if (vasprintf(&value, format, args) < 0)
		value = cli_alloc(NULL, SIZE_MAX); /* says so, and exits */
	va_end(args);
	printf("%s%-*s%s", text_on(TEXT_DIM), TEXT_NAME_CELLS, name,
	       text_off());
	text_put(value);
	putchar('\n');
	free(value);
}

void text_heading(const char *s)
{
	fputs(text_on(TEXT_BOLD), stdout);
	text_put(s);
	printf("%s\n", text_off());
}

void text_warned(const char *name, unsigned int before)
{
	if (before)
		printf(", ");
	else
		printf("\n%s%-*s", text_on(TEXT_RED), TEXT_NAME_CELLS,
		       "WARNINGS");
	text_put(name);
}

void text_warned_end(unsigned int all)
{
	if (all)
		printf("%s\n", text_off());
}

const char *text_rate(double rate, char buffer[TEXT_SI])
{
	snprintf(buffer, TEXT_SI, "%.*f",
		 rate >= 999.95 ? 0 :
		 rate >= 99.995 ? 1 :
		 rate >= 9.9995 ? 2 :
				  3,
		 rate);
	return buffer;
}

const char *text_ms(double ms, char buffer[TEXT_SI])
{
	snprintf(buffer, TEXT_SI, "%.*f ms",
		 ms >= 100 ? 0 :
		 ms >= 10  ? 1 :
		 ms >= 1   ? 2 :
			     3,
		 ms);
	return buffer;
}
