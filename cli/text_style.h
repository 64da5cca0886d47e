/* SPDX-License-Identifier: MIT */
/* How results look in a terminal. Colour only there, and not if NO_COLOR is set. */
#ifndef VGGCTL_TEXT_STYLE_H
#define VGGCTL_TEXT_STYLE_H

#include "text.h"

enum text_style { TEXT_PLAIN, TEXT_BOLD, TEXT_DIM, TEXT_GREEN, TEXT_RED };

/* What switches a style on, and all off; empty without colour. */
const char *text_on(enum text_style style);
const char *text_off(void);
/* To stdout, as text_valid() has it. */
void text_put(const char *s);
/* "name          value" */
#define TEXT_NAME_CELLS 14
__attribute__((format(printf, 2, 3))) void text_pair(const char *name,
						     const char *format, ...);
void text_heading(const char *s);
/* Warnings' names. Where nobody looks at stderr, they are told at least that there
 * is something: each with how many there were before, and the end with all. */
void text_warned(const char *name, unsigned int before);
void text_warned_end(unsigned int all);
/* 11420, 123.4, 12.34, 1.234: never 1.142e+04 */
const char *text_rate(double rate, char buffer[TEXT_SI]);
/* 123 ms, 12.3 ms, 1.23 ms, 0.123 ms */
const char *text_ms(double ms, char buffer[TEXT_SI]);

#endif
