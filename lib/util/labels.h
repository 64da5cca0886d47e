/* SPDX-License-Identifier: MIT */
/*
 * Names of classes: a UTF-8 text file, one label a line.
 *
 * Lines end with LF or CRLF; a byte order mark at the start and blank lines at
 * the end are ignored. Everything else that would shift or garble a label (a
 * blank line in between, control characters, invalid UTF-8) is an error that
 * names the line: a list that is off by one looks right and is wrong.
 */
#ifndef VGG_LABELS_H
#define VGG_LABELS_H

#include <stddef.h>

#define VGG_LABELS_MAX 1000000u
#define VGG_LABEL_BYTES_MAX 1024u

/* At least one label on success. Free with vgg_labels_free(), or each of the
 * strings and the array with free(). */
int vgg_labels_load(const char *path, char ***labels, unsigned int *n);
/* The same from memory; `name` is for messages. */
int vgg_labels_parse(const char *name, const void *text, size_t size,
		     char ***labels, unsigned int *n);
void vgg_labels_free(char **labels, unsigned int n);

#endif
