// SPDX-License-Identifier: MIT
/* See onnx_build.h. All parts are malloc()ed, so that protobuf-c can free the
 * message as if it had unpacked it. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_build.h"

static void *get(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

char *onnx_build_string(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		abort();
	return copy;
}

void onnx_build_append(void *list, size_t *count, void *element)
{
	void **array;

	/* The list's own type is unknown here. */
	memcpy(&array, list, sizeof(array));
	array = realloc(array, (*count + 1) * sizeof(*array));
	if (!array)
		abort();
	array[(*count)++] = element;
	memcpy(list, &array, sizeof(array));
}

/* A new message of a type. */
#define NEW(type, prefix)                  \
	static type *new_##prefix(void)    \
	{                                  \
		type *p = get(sizeof(*p)); \
		onnx__##prefix##__init(p); \
		return p;                  \
	}
NEW(Onnx__ModelProto, model_proto)
NEW(Onnx__GraphProto, graph_proto)
NEW(Onnx__OperatorSetIdProto, operator_set_id_proto)
NEW(Onnx__ValueInfoProto, value_info_proto)
NEW(Onnx__TypeProto, type_proto)
NEW(Onnx__TypeProto__Tensor, type_proto__tensor)
NEW(Onnx__TensorShapeProto, tensor_shape_proto)
NEW(Onnx__TensorShapeProto__Dimension, tensor_shape_proto__dimension)
NEW(Onnx__TensorProto, tensor_proto)
NEW(Onnx__NodeProto, node_proto)
NEW(Onnx__AttributeProto, attribute_proto)

struct onnx_build *onnx_build_new(int opset)
{
	struct onnx_build *b = get(sizeof(*b));
	Onnx__OperatorSetIdProto *o = new_operator_set_id_proto();

	b->model = new_model_proto();
	b->graph = b->model->graph = new_graph_proto();
	b->graph->name = onnx_build_string("test");
	b->model->has_ir_version = true;
	b->model->ir_version = 8;
	o->domain = onnx_build_string("");
	o->has_version = true;
	o->version = opset;
	onnx_build_append(&b->model->opset_import, &b->model->n_opset_import,
			  o);
	return b;
}

void onnx_build_free(struct onnx_build *b)
{
	onnx__model_proto__free_unpacked(b->model, NULL);
	free(b);
}

static Onnx__TensorShapeProto__Dimension *dimension(int64_t size)
{
	Onnx__TensorShapeProto__Dimension *d =
		new_tensor_shape_proto__dimension();

	if (size < 0) {
		d->value_case =
			ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
		d->dim_param = onnx_build_string("N");
	} else {
		d->value_case =
			ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
		d->dim_value = size;
	}
	return d;
}

void onnx_build_input(struct onnx_build *b, const char *name, int type,
		      int rank, const int64_t *dim)
{
	Onnx__ValueInfoProto *v = new_value_info_proto();
	Onnx__TypeProto__Tensor *t = new_type_proto__tensor();
	int i;

	t->has_elem_type = true;
	t->elem_type = type;
	t->shape = new_tensor_shape_proto();
	for (i = 0; i < rank; i++)
		onnx_build_append(&t->shape->dim, &t->shape->n_dim,
				  dimension(dim[i]));
	v->name = onnx_build_string(name);
	v->type = new_type_proto();
	v->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	v->type->tensor_type = t;
	onnx_build_append(&b->graph->input, &b->graph->n_input, v);
}

void onnx_build_output(struct onnx_build *b, const char *name)
{
	Onnx__ValueInfoProto *v = new_value_info_proto();

	v->name = onnx_build_string(name);
	onnx_build_append(&b->graph->output, &b->graph->n_output, v);
}

size_t onnx_build_size(int type)
{
	switch (type) {
	case ONNX__TENSOR_PROTO__DATA_TYPE__UINT8:
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
	case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
		return 1;
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
	case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
		return 2;
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
		return 4;
	case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
		return 8;
	default:
		return 0;
	}
}

Onnx__TensorProto *onnx_build_tensor(struct onnx_build *b, const char *name,
				     int type, int rank, const int64_t *dim,
				     const void *data)
{
	Onnx__TensorProto *t = new_tensor_proto();
	size_t bytes = onnx_build_size(type);
	int i;

	t->name = onnx_build_string(name);
	t->has_data_type = true;
	t->data_type = type;
	t->n_dims = (size_t)rank;
	t->dims = get((size_t)rank * sizeof(*dim));
	for (i = 0; i < rank; i++) {
		t->dims[i] = dim[i];
		bytes *= (size_t)dim[i];
	}
	t->has_raw_data = true;
	t->raw_data.len = bytes;
	t->raw_data.data = get(bytes);
	if (bytes)
		memcpy(t->raw_data.data, data, bytes);
	onnx_build_append(&b->graph->initializer, &b->graph->n_initializer, t);
	return t;
}

Onnx__TensorProto *onnx_build_random(struct onnx_build *b, const char *name,
				     int rank, const int64_t *dim)
{
	Onnx__TensorProto *t;
	size_t n = 1, i;
	float *data;
	int d;

	for (d = 0; d < rank; d++)
		n *= (size_t)dim[d];
	data = get(n * sizeof(*data));
	for (i = 0; i < n; i++) {
		b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
		data[i] = (float)(b->seed >> 40) * 0x1p-24f - 0.5f;
	}
	t = onnx_build_tensor(b, name, ONNX_TEST_FLOAT, rank, dim, data);
	free(data);
	return t;
}

Onnx__TensorProto *onnx_build_list(struct onnx_build *b, const char *name,
				   int count, const int64_t *values)
{
	int64_t n = count;

	return onnx_build_tensor(b, name, ONNX_TEST_INT64, 1, &n, values);
}

Onnx__TensorProto *onnx_build_float(struct onnx_build *b, const char *name,
				    float value)
{
	return onnx_build_tensor(b, name, ONNX_TEST_FLOAT, 0, NULL, &value);
}

Onnx__TensorProto *onnx_build_byte(struct onnx_build *b, const char *name,
				   int type, int value)
{
	uint8_t byte = (uint8_t)value;

	return onnx_build_tensor(b, name, type, 0, NULL, &byte);
}

static void add_names(const char *names, char ***list, size_t *count)
{
	const char *end;

	for (;; names = end + 1) {
		end = strchrnul(names, ',');
		onnx_build_append(list, count,
				  strndup(names, (size_t)(end - names)));
		if (!*end)
			return;
	}
}

Onnx__NodeProto *onnx_build_node(struct onnx_build *b, const char *op,
				 const char *name, const char *inputs,
				 const char *outputs)
{
	Onnx__NodeProto *n = new_node_proto();

	n->op_type = onnx_build_string(op);
	n->name = onnx_build_string(name);
	add_names(inputs, &n->input, &n->n_input);
	add_names(outputs, &n->output, &n->n_output);
	onnx_build_append(&b->graph->node, &b->graph->n_node, n);
	return n;
}

static Onnx__AttributeProto *attribute(Onnx__NodeProto *node, const char *name,
				       int type)
{
	Onnx__AttributeProto *a = new_attribute_proto();

	a->name = onnx_build_string(name);
	a->has_type = true;
	a->type = (Onnx__AttributeProto__AttributeType)type;
	onnx_build_append(&node->attribute, &node->n_attribute, a);
	return a;
}

void onnx_build_int(Onnx__NodeProto *node, const char *name, int64_t value)
{
	Onnx__AttributeProto *a = attribute(
		node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

	a->has_i = true;
	a->i = value;
}

void onnx_build_real(Onnx__NodeProto *node, const char *name, float value)
{
	Onnx__AttributeProto *a = attribute(
		node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

	a->has_f = true;
	a->f = value;
}

void onnx_build_text(Onnx__NodeProto *node, const char *name, const char *value)
{
	Onnx__AttributeProto *a = attribute(
		node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);

	a->has_s = true;
	a->s.len = strlen(value);
	a->s.data = (uint8_t *)onnx_build_string(value);
}

void onnx_build_ints(Onnx__NodeProto *node, const char *name, int count,
		     const int64_t *values)
{
	Onnx__AttributeProto *a = attribute(
		node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

	a->n_ints = (size_t)count;
	a->ints = get((size_t)count * sizeof(*values));
	if (count)
		memcpy(a->ints, values, (size_t)count * sizeof(*values));
}

void onnx_build_constant(struct onnx_build *b)
{
	Onnx__GraphProto *g = b->graph;
	Onnx__TensorProto *t = g->initializer[--g->n_initializer];
	Onnx__NodeProto *n = new_node_proto();

	n->op_type = onnx_build_string("Constant");
	onnx_build_append(&n->output, &n->n_output, onnx_build_string(t->name));
	attribute(n, "value", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR)
		->t = t;
	onnx_build_append(&g->node, &g->n_node, n);
}

uint8_t *onnx_build_pack(const struct onnx_build *b, size_t *size)
{
	uint8_t *data = get(onnx__model_proto__get_packed_size(b->model));

	*size = onnx__model_proto__pack(b->model, data);
	return data;
}

void onnx_build_write(const char *path, const void *data, size_t size)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(data, 1, size, f) != size || fclose(f)) {
		fprintf(stderr, "%s: %m\n", path);
		abort();
	}
}

void onnx_build_save(const struct onnx_build *b, const char *path)
{
	size_t size;
	uint8_t *data = onnx_build_pack(b, &size);

	onnx_build_write(path, data, size);
	free(data);
}
