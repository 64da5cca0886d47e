// SPDX-License-Identifier: MIT
/*
 * Reading ONNX files: what the file must be as a whole, and the way from it to
 * a chain of layers. See onnx_internal.h for the parts.
 */
#include <stdlib.h>
#include <string.h>

#include "model/onnx_internal.h"

#define ASK_CHECKER "check the file with onnx.checker"

static int set_opset(struct vgg_onnx *x, const Onnx__ModelProto *model)
{
	int64_t version = -1;
	size_t i;

	for (i = 0; i < model->n_opset_import; i++) {
		const Onnx__OperatorSetIdProto *o = model->opset_import[i];

		if (!o->domain || !*o->domain || !strcmp(o->domain, "ai.onnx"))
			version = o->version;
	}
	if (version < 0)
		return vgg_fail(MODEL_FORMAT, x->path, ASK_CHECKER,
				"does not say its operator set");
	if (version < ONNX_OPSET_MIN || version > ONNX_OPSET_MAX)
		return vgg_fail(
			MODEL_UNSUPPORTED, x->path,
			"convert it with onnx.version_converter",
			"uses operator set %lld; %d to %d are supported",
			(long long)version, ONNX_OPSET_MIN, ONNX_OPSET_MAX);
	x->opset = (int)version;
	return 0;
}

static int check_graph(struct vgg_onnx *x)
{
	if (!x->graph)
		return vgg_fail(MODEL_FORMAT, x->path,
				"fetch or export the file again",
				"is no ONNX model: it has no graph");
	if (x->graph->n_output != 1)
		return vgg_fail(MODEL_UNSUPPORTED, x->path,
				"export the network with one output",
				"the graph has %zu outputs; only one is "
				"supported",
				x->graph->n_output);
	return 0;
}

/*
 * The graph's input.
 */
static int set_type(struct vgg_onnx *x, const char *name, int type)
{
	switch (type) {
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16: /* computed in single */
		x->type = ONNX_F32;
		return 0;
	case ONNX__TENSOR_PROTO__DATA_TYPE__UINT8:
		x->type = ONNX_U8;
		return 0;
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
		x->type = ONNX_I8;
		return 0;
	}
	return vgg_fail(MODEL_UNSUPPORTED, x->path,
			"export the network for float input",
			"input '%s' is of type %s; only FLOAT, FLOAT16, UINT8 "
			"and INT8 are supported",
			name, vgg_onnx_dtype_name(type));
}

/* A size that isn't given is 1 for the batch and an error elsewhere. Old
 * writers put 0 or -1 for "any". */
static int set_dim(struct vgg_onnx *x, const char *name, size_t i,
		   const Onnx__TensorShapeProto__Dimension *d, int64_t *size)
{
	bool given =
		d->value_case ==
			ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
		d->dim_value > 0;

	*size = given ? d->dim_value : 1;
	if (given || !i)
		return 0;
	return vgg_fail(MODEL_UNSUPPORTED, x->path,
			"give one with --input-size, or export the network "
			"with a fixed input size, e.g. 1x3x224x224",
			"the size of axis %zu of input '%s' is not fixed", i,
			name);
}

static int set_input(struct vgg_onnx *x, const Onnx__ValueInfoProto *info)
{
	const Onnx__TypeProto__Tensor *t = NULL;
	struct vgg_shape *s = &x->m->input;
	/* What the caller wants in place of what the file says. */
	struct vgg_shape wanted = *s;
	char name[ONNX_NAME];
	size_t i;
	int err;

	vgg_onnx_clean(name, info->name);
	if (info->type &&
	    info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
		t = info->type->tensor_type;
	if (!t || !t->shape)
		return vgg_fail(MODEL_UNSUPPORTED, x->path,
				"export the network with a fixed input size",
				"input '%s' is no tensor of a known shape",
				name);
	err = set_type(x, name, t->elem_type);
	if (!err && (!t->shape->n_dim || t->shape->n_dim > VGG_RANK_MAX))
		err = vgg_fail(MODEL_UNSUPPORTED, x->path,
			       "use an N x C x H x W input",
			       "input '%s' has rank %zu; 1 to 4 are supported",
			       name, t->shape->n_dim);
	if (!err && wanted.rank && t->shape->n_dim != 4)
		err = vgg_fail(
			BAD_ARGUMENT, x->path, "leave it out",
			"an input size for input '%s', which is no image",
			name);
	for (i = 0; !err && i < t->shape->n_dim; i++)
		if (wanted.rank && wanted.dim[i])
			s->dim[i] = wanted.dim[i];
		else
			err = set_dim(x, name, i, t->shape->dim[i], &s->dim[i]);
	if (!err)
		s->rank = (int)t->shape->n_dim;
	return err ? err : vgg_shape_check(s, x->path);
}

/*
 * From chain to layers.
 */
/* For nodes that ask later (Shape). */
static void note_shape(struct vgg_onnx *x, const char *name)
{
	struct onnx_value *v = vgg_onnx_find(x, name);

	if (v)
		v->shape = *vgg_onnx_shape(x);
}

static int run_steps(struct vgg_onnx *x, const struct onnx_step *steps,
		     unsigned int count)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < count; i++) {
		vgg_onnx_enter(x, x->graph->node[steps[i].node]);
		x->at.data = steps[i].data;
		x->at.last = true;
		err = vgg_onnx_op(x);
		if (!err)
			note_shape(x, x->at.node->output[0]);
	}
	return err;
}

static int import_graph(struct vgg_onnx *x)
{
	struct onnx_step *steps = NULL;
	unsigned int count, input;
	int err = vgg_onnx_values_init(x);

	if (!err)
		err = vgg_onnx_chain(x, &steps, &count, &input);
	if (!err)
		err = set_input(x, x->graph->input[input]);
	if (!err)
		note_shape(x, x->graph->input[input]->name);
	if (!err)
		err = run_steps(x, steps, count);
	free(steps);
	free(x->values);
	vgg_onnx_files_close(x);
	return err;
}

/* The places of errors from below are layers: say the file too. */
static int name_file(int err, const char *path)
{
	const struct vgg_error *e = vgg_error_last();

	if (!err || !strncmp(e->where, path, sizeof(e->where) - 1))
		return err;
	if (!*e->where)
		return vgg_error_at(err, path);
	return vgg_fail_(e->code, path, e->next_step, "%s: %s", e->where,
			 e->what);
}

int vgg_import_onnx(const char *path, const struct vgg_file *file,
		    struct vgg_model *m)
{
	struct vgg_onnx x = { .path = path, .m = m };
	Onnx__ModelProto *model;
	int err = vgg_onnx_wire_check(path, file);

	if (err)
		return err;
	model = onnx__model_proto__unpack(NULL, file->size, file->data);
	if (!model)
		return vgg_fail(MODEL_FORMAT, path,
				"fetch or export the file again",
				"is no ONNX model, or a damaged one");
	x.graph = model->graph;
	err = check_graph(&x);
	if (!err)
		err = set_opset(&x, model);
	if (!err)
		err = import_graph(&x);
	onnx__model_proto__free_unpacked(model, NULL);
	return name_file(err, path);
}
