/* SPDX-License-Identifier: MIT */
/*
 * The ONNX importer, by file:
 *
 *   onnx.c         entry; what the file as a whole must be; the graph's input
 *   onnx_wire.c    the encoding is checked before protobuf-c may see it
 *   onnx_graph.c   values by name; which nodes form the chain
 *   onnx_attr.c    attributes of a node
 *   onnx_tensor.c  stored tensors, in the file or beside it
 *   onnx_const.c   constants: stored ones, and nodes that only see constants
 *   onnx_list.c    constants that compute shapes
 *   onnx_qconst.c  quantised constants
 *   onnx_ops.c     table of operators; the simple ones
 *   onnx_conv.c    operators with a window or weights
 *   onnx_shape.c   operators that move or rename elements
 *   onnx_quant.c   quantised operators
 *
 * Everything in the file may be hostile: names can be missing, sizes negative,
 * indices wild. A file only becomes layers; nothing of it is kept otherwise.
 */
#ifndef VGG_ONNX_INTERNAL_H
#define VGG_ONNX_INTERNAL_H

#include <errno.h>

#include "model/graph.h"
#include "onnx.pb-c.h"
#include "util/error.h"

#define ONNX_OPSET_MIN 3
#define ONNX_OPSET_MAX 21
#define ONNX_RANK_MAX 8	    /* of a constant */
#define ONNX_CONST_DEPTH 32 /* nodes between a stored tensor and its use */
#define ONNX_FILES_MAX 64   /* different external files */

/* Names of the file as they may be shown: short, plain ASCII. */
#define ONNX_NAME 80
const char *vgg_onnx_clean(char to[ONNX_NAME], const char *from);

/* The types that activations may have in the source; here all are floats. */
enum onnx_type { ONNX_F32 = 1, ONNX_U8 = 2, ONNX_I8 = 4, ONNX_I32 = 8 };
#define ONNX_ANY 15
const char *vgg_onnx_type_name(enum onnx_type type);

struct onnx_const {
	enum vgg_dtype dtype;
	int rank;
	int64_t dim[ONNX_RANK_MAX];
	size_t count;
	const void *data; /* aligned for its type */
	void *owned;	  /* what to free, if it isn't the file's */
	/* From integers, by DequantizeLinear: value = (q - zero) * scale. */
	float *scale;  /* owned; NULL: not so, or no longer known */
	size_t scales; /* 1, or dim[scale_axis] */
	int scale_axis;
	bool centred; /* the range of q - zero fits int8 */
};

struct onnx_value {
	const char *name;
	Onnx__TensorProto *tensor; /* an initialiser */
	unsigned int node, output; /* else if !input: who makes it */
	bool input;		   /* of the graph */
	bool constant;		   /* known at import */
	unsigned int uses;
	struct vgg_shape shape; /* of the chain so far; else of rank 0 */
};

/* The node being read; for messages, attributes and inputs. */
struct onnx_at {
	const Onnx__NodeProto *node;
	char name[ONNX_NAME], op[ONNX_NAME];
	unsigned int data; /* the input that is the activation */
	bool last;	   /* no one else will read this node's inputs */
};

struct onnx_file {
	char *path;
	struct vgg_file file;
};

struct vgg_onnx {
	const char *path;
	Onnx__GraphProto *graph;
	int opset;
	struct vgg_model *m;
	struct onnx_value *values; /* sorted by name */
	size_t n_values;
	struct onnx_at at;
	unsigned int depth;
	enum onnx_type type; /* of the activation so far */
	struct onnx_file files[ONNX_FILES_MAX];
	unsigned int n_files;
};

/* Fails with file and node. */
#define onnx_fail(x, code, next, format, ...)                      \
	vgg_fail(code, (x)->path, next, "node '%s' (%s): " format, \
		 (x)->at.name, (x)->at.op, ##__VA_ARGS__)
#define onnx_refuse(x, next, ...) \
	onnx_fail(x, MODEL_UNSUPPORTED, next, __VA_ARGS__)

/* onnx_wire.c. `pieces` of the message may not exceed a sane number. */
int vgg_onnx_wire_check(const char *path, const struct vgg_file *file);

/* onnx_graph.c */
int vgg_onnx_values_init(struct vgg_onnx *x);
struct onnx_value *vgg_onnx_find(const struct vgg_onnx *x, const char *name);
/* Makes `node` the current one. */
void vgg_onnx_enter(struct vgg_onnx *x, const Onnx__NodeProto *node);
/* One step of the chain: a node and which of its inputs is the activation. */
struct onnx_step {
	unsigned int node, data;
};
/* Steps from the graph's input (whose index goes to *input) to its output;
 * free() *steps. */
int vgg_onnx_chain(struct vgg_onnx *x, struct onnx_step **steps,
		   unsigned int *count, unsigned int *input);

/* onnx_attr.c: of the current node; `missing` if it isn't there. */
const Onnx__AttributeProto *vgg_onnx_attr(const struct vgg_onnx *x,
					  const char *name);
int vgg_onnx_attr_int(const struct vgg_onnx *x, const char *name,
		      int64_t missing, int64_t *value);
int vgg_onnx_attr_float(const struct vgg_onnx *x, const char *name,
			float missing, float *value);
/* At most `room` numbers; *count = 0 if it isn't there. */
int vgg_onnx_attr_ints(const struct vgg_onnx *x, const char *name,
		       unsigned int room, int64_t *values, unsigned int *count);
/* Returns text, "" if it isn't there. */
int vgg_onnx_attr_text(const struct vgg_onnx *x, const char *name,
		       char text[ONNX_NAME]);
/* An attribute that must be 0 or 1, or be missing. */
int vgg_onnx_attr_bool(const struct vgg_onnx *x, const char *name, bool missing,
		       bool *value);
/* Refuses attributes that aren't in `known`, which ends with NULL. */
int vgg_onnx_attrs_check(const struct vgg_onnx *x, const char *const *known);

/* onnx_tensor.c. If take, large data may be moved out of the message. */
int vgg_onnx_tensor(struct vgg_onnx *x, Onnx__TensorProto *t, bool take,
		    struct onnx_const *c);
void vgg_onnx_files_close(struct vgg_onnx *x);
/* Elements of a shape; MODEL_FORMAT if one is negative or they are too many. */
int vgg_onnx_count(const struct vgg_onnx *x, const char *name,
		   const int64_t *dim, size_t rank, size_t *count);
const char *vgg_onnx_dtype_name(int data_type);

/* onnx_const.c */
void vgg_onnx_const_free(struct onnx_const *c);
bool vgg_onnx_has(const struct vgg_onnx *x, unsigned int input);
/* The value of an input of the current node; free it. */
int vgg_onnx_input(struct vgg_onnx *x, unsigned int input,
		   struct onnx_const *c);
/* Can a node be computed here if all its inputs are constant? Or even, if only
 * their shapes are? */
bool vgg_onnx_const_known(const Onnx__NodeProto *node, bool *by_shape);
/* Element i as a number. */
double vgg_onnx_number(const struct onnx_const *c, size_t i);
/* An input of one element. */
int vgg_onnx_scalar(struct vgg_onnx *x, unsigned int input, double *value);
/* An input that is a list of at most `room` integers. */
int vgg_onnx_list(struct vgg_onnx *x, unsigned int input, unsigned int room,
		  int64_t *values, unsigned int *count);
/* As floats: c's data moves to the blob if it can. */
int vgg_onnx_to_f32(struct onnx_const *c, struct vgg_blob *b);
/* Makes c's type FLOAT. */
int vgg_onnx_as_f32(struct onnx_const *c);
/* Memory for c's elements in another type, and making it c's. */
void *vgg_onnx_renew(const struct onnx_const *c, enum vgg_dtype dtype);
void vgg_onnx_adopt(struct onnx_const *c, enum vgg_dtype dtype, void *data);
/* -rank..rank-1 to 0..rank-1. */
int vgg_onnx_axis(const struct vgg_onnx *x, int64_t axis, int rank, int *out);

/* Elements that lie behind one step along an axis. */
size_t vgg_onnx_inner(const struct onnx_const *c, int axis);

/* onnx_qconst.c. Integers become floats. scale: 1 value or one per dim[axis];
 * zero may be NULL. The others are for the table in onnx_const.c. */
int vgg_onnx_dequantize(struct vgg_onnx *x, struct onnx_const *c,
			const struct onnx_const *scale,
			const struct onnx_const *zero, int64_t axis);
int vgg_onnx_const_dequantize(struct vgg_onnx *x, struct onnx_const *c);
int vgg_onnx_const_quantize(struct vgg_onnx *x, struct onnx_const *c);

/* onnx_list.c: nodes over constants, for the table in onnx_const.c. */
int vgg_onnx_list_shape(struct vgg_onnx *x, struct onnx_const *c);
int vgg_onnx_list_gather(struct vgg_onnx *x, struct onnx_const *c);
int vgg_onnx_list_slice(struct vgg_onnx *x, struct onnx_const *c);
int vgg_onnx_list_concat(struct vgg_onnx *x, struct onnx_const *c);
int vgg_onnx_list_mul(struct vgg_onnx *x, struct onnx_const *c);

/* onnx_ops.c */
bool vgg_onnx_op_known(const Onnx__NodeProto *node, bool *any_operand);
/* Appends the layers of the current node. */
int vgg_onnx_op(struct vgg_onnx *x);
/* A new layer named after the current node; vgg_layer_infer() it when its
 * fields are set. */
struct vgg_layer *vgg_onnx_layer(struct vgg_onnx *x, enum vgg_op op);
const struct vgg_shape *vgg_onnx_shape(const struct vgg_onnx *x);

/* Operators: each appends the layers of the current node. */
int vgg_onnx_conv(struct vgg_onnx *x);
int vgg_onnx_gemm(struct vgg_onnx *x);
int vgg_onnx_matmul(struct vgg_onnx *x);
int vgg_onnx_pool(struct vgg_onnx *x);
int vgg_onnx_global_pool(struct vgg_onnx *x);
int vgg_onnx_flatten(struct vgg_onnx *x);
int vgg_onnx_reshape(struct vgg_onnx *x);
int vgg_onnx_squeeze(struct vgg_onnx *x);
int vgg_onnx_transpose(struct vgg_onnx *x);
int vgg_onnx_pad(struct vgg_onnx *x);
int vgg_onnx_quantize_linear(struct vgg_onnx *x);
int vgg_onnx_dequantize_linear(struct vgg_onnx *x);
int vgg_onnx_qlinear_conv(struct vgg_onnx *x);
int vgg_onnx_qlinear_matmul(struct vgg_onnx *x);
int vgg_onnx_conv_integer(struct vgg_onnx *x);
int vgg_onnx_matmul_integer(struct vgg_onnx *x);
int vgg_onnx_qgemm(struct vgg_onnx *x);
int vgg_onnx_qlinear_add(struct vgg_onnx *x);
int vgg_onnx_qlinear_average(struct vgg_onnx *x);
int vgg_onnx_qlinear_global_average(struct vgg_onnx *x);

/* A layer that adds c, broadcast to the activation; MODEL_UNSUPPORTED unless it
 * holds one value, or one per channel. */
int vgg_onnx_add_constant(struct vgg_onnx *x, const struct onnx_const *c);

/* The CONV layer of the current node. Weights are those of a Conv (O, I, H, W),
 * of a matrix product (K, M) or its transpose (M, K); c's data is used up. The
 * bias, which may be NULL, moves to the layer. */
enum onnx_weights { ONNX_OIHW, ONNX_KM, ONNX_MK };
int vgg_onnx_weighted(struct vgg_onnx *x, struct onnx_const *c,
		      enum onnx_weights order, struct vgg_blob *bias,
		      float factor);
/* What a RESHAPE to `to` computes, if anything. */
int vgg_onnx_reshape_to(struct vgg_onnx *x, const struct vgg_shape *to);
/* Output shape of Reshape and of Squeeze and Unsqueeze, from their inputs and
 * attributes. */
int vgg_onnx_reshape_dims(struct vgg_onnx *x, const int64_t *in, int rank,
			  int64_t out[ONNX_RANK_MAX], int *out_rank);
int vgg_onnx_squeeze_dims(struct vgg_onnx *x, const int64_t *in, int rank,
			  int64_t out[ONNX_RANK_MAX], int *out_rank);
int vgg_onnx_flatten_dims(struct vgg_onnx *x, const int64_t *in, int rank,
			  int64_t out[2]);
int vgg_onnx_perm(struct vgg_onnx *x, int rank, int perm[ONNX_RANK_MAX]);

#endif
