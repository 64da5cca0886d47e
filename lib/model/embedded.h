/* SPDX-License-Identifier: MIT */
/* Files that are part of the library itself; see embedded.S. */
#ifndef VGG_EMBEDDED_H
#define VGG_EMBEDDED_H

#include <stdint.h>

extern const uint8_t vgg_embedded_model[], vgg_embedded_imagenet[];
extern const uint64_t vgg_embedded_model_bytes, vgg_embedded_imagenet_bytes;
extern const uint8_t vgg_embedded_trace_page[], vgg_embedded_trace_style[];
extern const uint64_t vgg_embedded_trace_page_bytes,
	vgg_embedded_trace_style_bytes;

#endif
