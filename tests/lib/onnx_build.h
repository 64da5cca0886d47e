/* SPDX-License-Identifier: MIT */
/*
 * Writes ONNX models for tests, node by node:
 *
 *	struct onnx_build *b = onnx_build_new(13);
 *
 *	onnx_build_input(b, "x", ONNX_TEST_FLOAT, 4, (int64_t[]){ 1, 3, 8, 8 });
 *	onnx_build_random(b, "w", 4, (int64_t[]){ 4, 3, 3, 3 });
 *	node = onnx_build_node(b, "Conv", "conv1", "x,w", "y");
 *	onnx_build_ints(node, "pads", 4, (int64_t[]){ 1, 1, 1, 1 });
 *	onnx_build_output(b, "y");
 *	onnx_build_save(b, path);
 *	onnx_build_free(b);
 *
 * Nothing is checked: tests write wrong models too. The message is open to
 * changes by hand (b->model). Without memory the program ends.
 */
#ifndef ONNX_BUILD_H
#define ONNX_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "onnx.pb-c.h"

#define ONNX_TEST_FLOAT ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define ONNX_TEST_UINT8 ONNX__TENSOR_PROTO__DATA_TYPE__UINT8
#define ONNX_TEST_INT8 ONNX__TENSOR_PROTO__DATA_TYPE__INT8
#define ONNX_TEST_INT32 ONNX__TENSOR_PROTO__DATA_TYPE__INT32
#define ONNX_TEST_INT64 ONNX__TENSOR_PROTO__DATA_TYPE__INT64

struct onnx_build {
	Onnx__ModelProto *model;
	Onnx__GraphProto *graph;
	uint64_t seed; /* of onnx_build_random() */
};

struct onnx_build *onnx_build_new(int opset);
void onnx_build_free(struct onnx_build *b);

/* A size of -1 becomes a name instead ("N"). */
void onnx_build_input(struct onnx_build *b, const char *name, int type,
		      int rank, const int64_t *dim);
void onnx_build_output(struct onnx_build *b, const char *name);

/* An initialiser; data is copied as it is (raw_data). */
Onnx__TensorProto *onnx_build_tensor(struct onnx_build *b, const char *name,
				     int type, int rank, const int64_t *dim,
				     const void *data);
/* FLOAT, uniform in -0.5..0.5. */
Onnx__TensorProto *onnx_build_random(struct onnx_build *b, const char *name,
				     int rank, const int64_t *dim);
/* INT64 list of rank 1. */
Onnx__TensorProto *onnx_build_list(struct onnx_build *b, const char *name,
				   int count, const int64_t *values);
/* Of rank 0. */
Onnx__TensorProto *onnx_build_float(struct onnx_build *b, const char *name,
				    float value);
Onnx__TensorProto *onnx_build_byte(struct onnx_build *b, const char *name,
				   int type, int value);
/* The bytes of one element; 0 if unknown. */
size_t onnx_build_size(int type);

/* inputs and outputs: names with commas between, "" for a missing one. */
Onnx__NodeProto *onnx_build_node(struct onnx_build *b, const char *op,
				 const char *name, const char *inputs,
				 const char *outputs);
void onnx_build_int(Onnx__NodeProto *node, const char *name, int64_t value);
void onnx_build_real(Onnx__NodeProto *node, const char *name, float value);
void onnx_build_text(Onnx__NodeProto *node, const char *name,
		     const char *value);
void onnx_build_ints(Onnx__NodeProto *node, const char *name, int count,
		     const int64_t *values);
/* A Constant node whose value is the initialiser added last, which moves. */
void onnx_build_constant(struct onnx_build *b);

/* The file's bytes; free() them. */
uint8_t *onnx_build_pack(const struct onnx_build *b, size_t *size);
void onnx_build_save(const struct onnx_build *b, const char *path);
/* Writes any bytes to a file. */
void onnx_build_write(const char *path, const void *data, size_t size);
/* Appends an element to a message's list of pointers. */
void onnx_build_append(void *list, size_t *count, void *element);
char *onnx_build_string(const char *text);

#endif
