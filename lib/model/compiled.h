/* SPDX-License-Identifier: MIT */
/*
 * The compiled model: a safetensors file that anyone can read. Its metadata
 * has one key, "vggaccel", whose value is a JSON object:
 *
 *   version	1
 *   name, arch, source, calibration	texts
 *   input	shape, N C H W
 *   input_quant	{scale, zero, pinned}, if there is an integer form
 *   integer_layers	number of leading layers with an integer form
 *   preprocess	{resize, crop: [w, h], interpolation, channels, mean, std}
 *   labels	array of texts
 *   layers	array of objects; which members an operator has is in the
 *		tables of compiled.c, what they mean in graph.h
 *
 * The tensors of layer N are named "N.weight", "N.bias", "N.scale", "N.shift"
 * (floating point), "N.qweight" (I8), "N.qparam" (I32: bias, mult, offset,
 * shift for each channel) and "N.table" (I32).
 */
#ifndef VGG_COMPILED_H
#define VGG_COMPILED_H

#include "model/graph.h"

#define VGG_COMPILED_KEY "vggaccel"
#define VGG_COMPILED_VERSION 1

/* Fills m from m->file, whose name (for messages) is path. */
int vgg_compiled_read(struct vgg_model *m, const char *path);

#endif
