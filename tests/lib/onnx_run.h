/* SPDX-License-Identifier: MIT */
/* Runs an ONNX file in floating point, for tests. */
#ifndef ONNX_RUN_H
#define ONNX_RUN_H

#include <stdbool.h>

#include "model/graph.h"
#include "onnx.pb-c.h"

/* Only the import; the model is the caller's. */
int onnx_import(const char *path, struct vgg_model **model);
/* input and *output in logical order (NCHW); free() *output. */
int onnx_run(const struct vgg_model *m, const float *input, float **output);

/* The elements of a stored tensor as numbers, free() them; NULL for types that
 * have none. */
double *onnx_numbers(const Onnx__TensorProto *t, size_t *count);
/* NULL if the file isn't there or is no tensor. */
Onnx__TensorProto *onnx_load_tensor(const char *path);
bool onnx_is_float(int type);
/* Largest |a - b| / (atol + rtol * |b|): at most 1 if all are close. Infinite
 * for numbers that only one of them has. */
double onnx_distance(const float *a, const double *b, size_t n, double rtol,
		     double atol);

#endif
