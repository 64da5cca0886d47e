/* SPDX-License-Identifier: MIT */
/*
 * What the counting plugins share (marked.c): QEMU's entry, the marks of
 * marks.h, and the report's file, given as out=FILE. Each plugin defines the
 * four functions below.
 */
#ifndef BENCH_MARKED_H
#define BENCH_MARKED_H

#include <stdio.h>

#include "plugin_api.h"

/* Once, at the program's start. */
void plugin_init(void);
/* Instruments a block. */
void plugin_translate(plugin_id id, struct qemu_plugin_tb *tb);
/* The part that is reported begins. */
void plugin_from(void);
/* It has ended. */
void plugin_report(FILE *out);

/* Zeroed; ends the program if there is no memory. */
void *plugin_alloc(size_t bytes);
uint32_t plugin_insn_word(const struct qemu_plugin_insn *insn);

#endif
