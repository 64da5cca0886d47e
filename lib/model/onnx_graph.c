// SPDX-License-Identifier: MIT
/*
 * Values and the chain.
 *
 * The chain is found from its end: the node that makes the graph's output, then
 * the node that makes that one's only input that isn't constant, and so on. So
 * nodes that nobody needs are never looked at, and the first node with two such
 * inputs is where branches join. ONNX demands that nodes are stored in order;
 * each step must go to an earlier node, so a cycle can't keep us.
 */
#include <stdlib.h>
#include <string.h>

#include "model/onnx_internal.h"

const char *vgg_onnx_clean(char to[ONNX_NAME], const char *from)
{
	size_t i;

	for (i = 0; from && from[i] && i < ONNX_NAME - 1; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	to[i] = 0;
	return to;
}

void vgg_onnx_enter(struct vgg_onnx *x, const Onnx__NodeProto *node)
{
	const char *name = node->name;

	/* Names of nodes are optional, those of values aren't. */
	if ((!name || !*name) && node->n_output)
		name = node->output[0];
	x->at.node = node;
	vgg_onnx_clean(x->at.name, name);
	vgg_onnx_clean(x->at.op, node->op_type);
}

static int by_name(const void *a, const void *b)
{
	const struct onnx_value *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct onnx_value *vgg_onnx_find(const struct vgg_onnx *x, const char *name)
{
	const struct onnx_value key = { .name = name };

	/* bsearch() must not see a NULL array. */
	if (!name || !*name || !x->n_values)
		return NULL;
	return bsearch(&key, x->values, x->n_values, sizeof(key), by_name);
}

static void add(struct vgg_onnx *x, const struct onnx_value *v)
{
	if (v->name && *v->name)
		x->values[x->n_values++] = *v;
}

static int collect(struct vgg_onnx *x)
{
	const Onnx__GraphProto *g = x->graph;
	size_t room = g->n_initializer + g->n_input + 1, i, j;

	for (i = 0; i < g->n_node; i++)
		room += g->node[i]->n_output;
	x->values = calloc(room, sizeof(*x->values));
	if (!x->values)
		return vgg_fail_memory("names of an ONNX model");
	for (i = 0; i < g->n_initializer; i++)
		add(x, &(struct onnx_value){ .name = g->initializer[i]->name,
					     .tensor = g->initializer[i],
					     .constant = true });
	for (i = 0; i < g->n_input; i++)
		add(x, &(struct onnx_value){ .name = g->input[i]->name,
					     .node = (unsigned int)i,
					     .input = true });
	for (i = 0; i < g->n_node; i++)
		for (j = 0; j < g->node[i]->n_output; j++)
			add(x,
			    &(struct onnx_value){ .name = g->node[i]->output[j],
						  .node = (unsigned int)i,
						  .output = (unsigned int)j });
	return 0;
}

/* Sorts, and makes one of an initialiser and the graph input that some writers
 * list for it. */
static int sort(struct vgg_onnx *x)
{
	struct onnx_value *v, *last = NULL;
	char name[ONNX_NAME];
	size_t i, n = 0;

	if (x->n_values)
		qsort(x->values, x->n_values, sizeof(*x->values), by_name);
	for (i = 0; i < x->n_values; i++) {
		v = &x->values[i];
		if (!last || strcmp(last->name, v->name)) {
			last = &x->values[n++];
			*last = *v;
			continue;
		}
		if (last->input == v->input || !(last->tensor || v->tensor))
			return vgg_fail(MODEL_FORMAT, x->path,
					"check the file with onnx.checker",
					"two things are named '%s'",
					vgg_onnx_clean(name, v->name));
		if (v->tensor)
			*last = *v;
	}
	x->n_values = n;
	return 0;
}

static void count_uses(struct vgg_onnx *x)
{
	const Onnx__GraphProto *g = x->graph;
	struct onnx_value *v;
	size_t i, j;

	for (i = 0; i < g->n_node; i++)
		for (j = 0; j < g->node[i]->n_input; j++) {
			v = vgg_onnx_find(x, g->node[i]->input[j]);
			if (v)
				v->uses++;
		}
	for (i = 0; i < g->n_output; i++) {
		v = vgg_onnx_find(x, g->output[i]->name);
		if (v)
			v->uses++;
	}
}

/* A node is constant if it can be computed here and all it reads is; a Shape is
 * in any case, as every shape is known. */
static void mark_constants(struct vgg_onnx *x)
{
	const Onnx__GraphProto *g = x->graph;
	bool constant, by_shape;
	struct onnx_value *v;
	size_t i, j;

	for (i = 0; i < g->n_node; i++) {
		const Onnx__NodeProto *node = g->node[i];

		constant =
			vgg_onnx_const_known(node, &by_shape) && node->n_output;
		for (j = 0; constant && !by_shape && j < node->n_input; j++) {
			v = vgg_onnx_find(x, node->input[j]);
			constant = v ? v->constant : !*node->input[j];
		}
		v = constant ? vgg_onnx_find(x, node->output[0]) : NULL;
		if (v)
			v->constant = true;
	}
}

int vgg_onnx_values_init(struct vgg_onnx *x)
{
	int err;

	if (x->graph->n_sparse_initializer)
		return vgg_fail(MODEL_UNSUPPORTED, x->path,
				"export the network with dense weights",
				"has sparse initialisers");
	err = collect(x);
	if (!err)
		err = sort(x);
	if (err)
		return err;
	count_uses(x);
	mark_constants(x);
	return 0;
}

static int fail_missing(const struct vgg_onnx *x, const char *value)
{
	char name[ONNX_NAME];

	return onnx_fail(x, MODEL_FORMAT, "check the file with onnx.checker",
			 "reads '%s', which nothing in the file provides",
			 vgg_onnx_clean(name, value));
}

static int fail_joins(const struct vgg_onnx *x)
{
	return vgg_fail(MODEL_UNSUPPORTED, x->path,
			"use a network without branches",
			"node '%s' (%s) joins two branches; vggaccel runs "
			"chains only",
			x->at.name, x->at.op);
}

/* A second input that isn't constant: a branch, or what should be a weight. */
static int fail_computed(const struct vgg_onnx *x, unsigned int input)
{
	const char *value = x->at.node->input[input];
	const struct onnx_value *v = vgg_onnx_find(x, value);
	char name[ONNX_NAME];
	bool any = true;

	if (!vgg_onnx_op_known(x->at.node, &any) || any)
		return fail_joins(x);
	vgg_onnx_clean(name, value);
	if (v->input)
		return onnx_refuse(x, "store it in the file as an initialiser",
				   "input %u ('%s') is an input of the graph; "
				   "it must be constant",
				   input, name);
	return onnx_refuse(
		x,
		"export the network with fixed input sizes and "
		"constant folding",
		"input %u ('%s') is computed while the network runs; "
		"it must be constant",
		input, name);
}

/* The only input of the current node that isn't constant. */
static int data_input(const struct vgg_onnx *x, unsigned int *data)
{
	const Onnx__NodeProto *node = x->at.node;
	bool found = false;
	unsigned int i;

	for (i = 0; i < node->n_input; i++) {
		const struct onnx_value *v = vgg_onnx_find(x, node->input[i]);

		if (!*node->input[i] || (v && v->constant))
			continue;
		if (!v)
			return fail_missing(x, node->input[i]);
		if (found)
			return fail_computed(x, i);
		*data = i;
		found = true;
	}
	if (found)
		return 0;
	if (!vgg_onnx_op_known(node, &found))
		return onnx_refuse(x, NULL, "this operator is not supported");
	return onnx_fail(x, MODEL_FORMAT, "check how the network was exported",
			 "does not depend on the network's input");
}

/* The node that makes v, and which must stand before node number `before`. */
static int step_back(struct vgg_onnx *x, const struct onnx_value *v,
		     unsigned int before, struct onnx_step *step)
{
	if (v->constant)
		return vgg_fail(MODEL_UNSUPPORTED, x->path,
				"check how the network was exported",
				"the output does not depend on the input");
	if (v->node >= before)
		return onnx_fail(x, MODEL_FORMAT,
				 "check the file with onnx.checker",
				 "reads what a later node makes");
	vgg_onnx_enter(x, x->graph->node[v->node]);
	if (v->output)
		return onnx_refuse(x, NULL,
				   "its output %u is used; only the first one "
				   "is supported",
				   v->output);
	step->node = v->node;
	return data_input(x, &step->data);
}

static void reverse(struct onnx_step *steps, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n / 2; i++) {
		struct onnx_step step = steps[i];

		steps[i] = steps[n - 1 - i];
		steps[n - 1 - i] = step;
	}
}

int vgg_onnx_chain(struct vgg_onnx *x, struct onnx_step **steps,
		   unsigned int *count, unsigned int *input)
{
	const Onnx__GraphProto *g = x->graph;
	unsigned int before = (unsigned int)g->n_node, n = 0;
	struct onnx_step *s = calloc(g->n_node + 1, sizeof(*s));
	const struct onnx_value *v;
	int err = 0;

	*steps = s;
	if (!s)
		return vgg_fail_memory("the order of an ONNX model");
	v = vgg_onnx_find(x, g->output[0]->name);
	if (!v)
		return vgg_fail(MODEL_FORMAT, x->path,
				"check the file with onnx.checker",
				"no node makes the graph's output");
	while (!v->input) {
		err = step_back(x, v, before, &s[n]);
		if (err)
			return err;
		before = s[n].node;
		v = vgg_onnx_find(x, g->node[before]->input[s[n].data]);
		n++;
	}
	*input = v->node;
	*count = n;
	reverse(s, n);
	return 0;
}
