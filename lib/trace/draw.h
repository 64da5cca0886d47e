/* SPDX-License-Identifier: MIT */
/* A trace as a picture: an SVG of rows and boxes, alone or within a page. */
#ifndef VGG_TRACE_DRAW_H
#define VGG_TRACE_DRAW_H

#include "trace/parts.h"

/* In a picture that a program redraws, boxes say when they begin and how long
 * they are, and none is left out for being too small to see. */
void vgg_trace_draw(const struct vgg_trace *t, FILE *to, bool live);
/* With &, <, > and quotes as XML wants them. */
void vgg_trace_put_text(FILE *to, const char *text);
/* "vgg16: 3 inferences" */
void vgg_trace_put_title(const struct vgg_trace *t, FILE *to);

#endif
