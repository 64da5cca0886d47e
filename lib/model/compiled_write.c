// SPDX-License-Identifier: MIT
/* Writing a compiled model; see compiled.h. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/kernels.h"
#include "model/compiled.h"
#include "model/safetensors.h"
#include "util/error.h"

struct saver {
	const struct vgg_model *model;
	enum vgg_keep keep;
	struct vgg_st_out out;
	uint16_t **halves; /* per layer: weights rounded to F16 */
};

static json_t *shape_json(const struct vgg_shape *s)
{
	json_t *a = json_array();
	int i;

	for (i = 0; i < s->rank; i++)
		json_array_append_new(a, json_integer(s->dim[i]));
	return a;
}

static json_t *window_json(const struct vgg_window *w)
{
	return json_pack("[i,i,i,i,i,i,i,i]", w->kernel_h, w->kernel_w,
			 w->stride_h, w->stride_w, w->pad_top, w->pad_left,
			 w->pad_bottom, w->pad_right);
}

static json_t *quant_json(const struct vgg_quant *q)
{
	return json_pack("{s:f,s:i,s:b}", "scale", (double)q->scale, "zero",
			 q->zero, "pinned", q->pinned);
}

static json_t *bound_json(float v)
{
	return isinf(v) ? json_null() : json_real((double)v);
}

static void set_true(json_t *o, const char *key, bool value)
{
	if (value)
		json_object_set_new(o, key, json_true());
}

static void op_fields(json_t *o, const struct vgg_layer *l)
{
	switch (l->op) {
	case VGG_OP_LRN:
		json_object_set_new(o, "size", json_integer(l->lrn_size));
		json_object_set_new(o, "alpha",
				    json_real((double)l->lrn_alpha));
		json_object_set_new(o, "beta", json_real((double)l->lrn_beta));
		json_object_set_new(o, "bias", json_real((double)l->lrn_bias));
		break;
	case VGG_OP_SOFTMAX:
	case VGG_OP_LOGSOFTMAX:
		json_object_set_new(o, "axis", json_integer(l->axis));
		set_true(o, "flatten", l->flatten_from_axis);
		break;
	case VGG_OP_QUANTIZE:
	case VGG_OP_DEQUANTIZE:
		json_object_set_new(o, "scale", json_real((double)l->q_scale));
		json_object_set_new(o, "zero", json_integer(l->q_zero));
		json_object_set_new(o, "min", json_integer(l->q_min));
		json_object_set_new(o, "max", json_integer(l->q_max));
		break;
	case VGG_OP_PAD:
		/* null: minus infinity, which a max-pool never chooses */
		json_object_set_new(o, "value", bound_json(l->pad_value));
		break;
	case VGG_OP_RESHAPE:
		json_object_set_new(o, "shape", shape_json(&l->out));
		set_true(o, "keep_order", l->keep_order);
		break;
	default:
		break;
	}
}

static bool has_window(const struct vgg_layer *l)
{
	return l->op == VGG_OP_CONV || l->op == VGG_OP_MAXPOOL ||
	       l->op == VGG_OP_AVGPOOL || l->op == VGG_OP_PAD;
}

static json_t *layer_json(const struct vgg_layer *l)
{
	json_t *o = json_pack("{s:s,s:s}", "op", vgg_op_name(l->op), "name",
			      l->name);

	if (has_window(l))
		json_object_set_new(o, "window", window_json(&l->win));
	if (l->has_pool)
		json_object_set_new(o, "pool", window_json(&l->pool));
	set_true(o, "relu", l->relu);
	set_true(o, "exclude_pad", l->exclude_pad);
	if (!isinf(l->lo) || !isinf(l->hi))
		json_object_set_new(o, "clip",
				    json_pack("[o,o]", bound_json(l->lo),
					      bound_json(l->hi)));
	op_fields(o, l);
	if (l->out_q.known)
		json_object_set_new(o, "quant", quant_json(&l->out_q));
	if (l->quantized)
		json_object_set_new(
			o, "clamp",
			json_pack("{s:i,s:i}", "lo", l->qlo, "hi", l->qhi));
	return o;
}

static json_t *floats_json(const float *v, int n)
{
	json_t *a = json_array();
	int i;

	for (i = 0; i < n; i++)
		json_array_append_new(a, json_real((double)v[i]));
	return a;
}

static json_t *preprocess_json(const struct vgg_preprocess *p)
{
	json_t *o =
		json_pack("{s:i,s:[i,i],s:i,s:s}", "resize", p->resize, "crop",
			  p->crop_w, p->crop_h, "channels", p->channels,
			  "interpolation", vgg_filter_name(p->interpolation));

	json_object_set_new(o, "mean", floats_json(p->mean, p->channels));
	json_object_set_new(o, "std", floats_json(p->std, p->channels));
	return o;
}

static void text(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, value ? json_string(value) : json_null());
}

static json_t *model_json(const struct vgg_model *m)
{
	json_t *o = json_object(), *layers = json_array(),
	       *labels = json_array();
	unsigned int i;

	json_object_set_new(o, "version", json_integer(VGG_COMPILED_VERSION));
	text(o, "name", m->name);
	text(o, "arch", m->arch);
	text(o, "source", m->source);
	text(o, "calibration", m->calibration);
	json_object_set_new(o, "input", shape_json(&m->input));
	if (m->in_q.known)
		json_object_set_new(o, "input_quant", quant_json(&m->in_q));
	json_object_set_new(o, "integer_layers",
			    json_integer((json_int_t)m->integer_layers));
	if (m->preprocess.crop_w)
		json_object_set_new(o, "preprocess",
				    preprocess_json(&m->preprocess));
	for (i = 0; i < m->count; i++)
		json_array_append_new(layers, layer_json(&m->layers[i]));
	json_object_set_new(o, "layers", layers);
	for (i = 0; i < m->n_labels; i++)
		json_array_append_new(labels, json_string(m->labels[i]));
	json_object_set_new(o, "labels", labels);
	return o;
}

/* rank 1, or the rank and the innermost size given. */
static int add(struct saver *s, unsigned int layer, const char *field,
	       const struct vgg_blob *b, int64_t inner)
{
	int64_t shape[2] = { (int64_t)b->count, inner };
	char name[64];

	if (!b->data)
		return 0;
	snprintf(name, sizeof(name), "%u.%s", layer, field);
	if (inner)
		shape[0] /= inner;
	return vgg_st_out_add(&s->out, name, b->dtype, inner ? 2 : 1, shape,
			      b->data);
}

static int add_weight(struct saver *s, unsigned int i, const char *field,
		      const struct vgg_blob *b)
{
	const struct vgg_layer *l = &s->model->layers[i];
	int64_t shape[4] = { vgg_channels(&l->out), l->win.kernel_h,
			     l->win.kernel_w, vgg_channels(&l->in) };
	char name[64];

	if (!b->data)
		return 0;
	snprintf(name, sizeof(name), "%u.%s", i, field);
	return vgg_st_out_add(&s->out, name, b->dtype, 4, shape, b->data);
}

static int add_half(struct saver *s, unsigned int i)
{
	const struct vgg_blob *b = &s->model->layers[i].weight;
	struct vgg_blob half = { .count = b->count, .dtype = VGG_F16 };
	size_t k;

	s->halves[i] = malloc(b->count * sizeof(uint16_t));
	if (!s->halves[i])
		return vgg_fail_memory("half-precision weights");
	for (k = 0; k < b->count; k++)
		s->halves[i][k] = vgg_float_to_half(vgg_blob_f32(b)[k]);
	half.data = s->halves[i];
	return add_weight(s, i, "weight", &half);
}

static int add_floats(struct saver *s, unsigned int i)
{
	const struct vgg_layer *l = &s->model->layers[i];
	int err;

	/* A layer without integer form is needed in floating point anyway. */
	if (s->keep == VGG_KEEP_NONE && l->quantized)
		return 0;
	if (s->keep == VGG_KEEP_FP16 && l->weight.dtype == VGG_F32 &&
	    l->weight.data)
		err = add_half(s, i);
	else
		err = add_weight(s, i, "weight", &l->weight);
	/* Without them a graph's int8 weights would come out as others, were they
	 * made int8 again. */
	if (!err)
		err = add(s, i, "weight_scale", &l->weight_scale, 0);
	if (!err)
		err = add(s, i, "bias", &l->bias, 0);
	if (!err)
		err = add(s, i, "scale", &l->scale, 0);
	return err ? err : add(s, i, "shift", &l->shift, 0);
}

static int add_layer(struct saver *s, unsigned int i)
{
	const struct vgg_layer *l = &s->model->layers[i];
	int err = add_floats(s, i);

	if (!err)
		err = add_weight(s, i, "qweight", &l->qweight);
	if (!err)
		err = add(s, i, "qparam", &l->qparam, 4);
	return err ? err : add(s, i, "table", &l->table, 0);
}

static int add_description(struct saver *s)
{
	json_t *o = model_json(s->model);
	char *dump = json_dumps(o, JSON_COMPACT);
	int err;

	/* What could not be built is left out: never write a part. */
	if (json_array_size(json_object_get(o, "layers")) != s->model->count ||
	    json_array_size(json_object_get(o, "labels")) != s->model->n_labels)
		err = vgg_fail(BAD_ARGUMENT, s->model->name,
			       "use UTF-8 names, and free memory",
			       "a name is not UTF-8, or there is no memory");
	else if (dump)
		err = vgg_st_out_meta(&s->out, VGG_COMPILED_KEY, dump);
	else
		err = vgg_fail_memory("a model's description");

	json_decref(o);
	free(dump);
	return err;
}

static int write_file(struct saver *s, const char *path)
{
	struct vgg_writer *w;
	int err = vgg_writer_open(&w, path);

	if (err)
		return err;
	err = vgg_st_out_write(&s->out, w);
	if (!err)
		return vgg_writer_commit(w);
	vgg_writer_abort(w);
	return err;
}

int vgg_model_save(const struct vgg_model *m, const char *path,
		   enum vgg_keep keep)
{
	struct saver s = { .model = m, .keep = keep };
	int err = vgg_check_choice(keep, VGG_KEEP_NONE, "keep");
	unsigned int i;

	if (err)
		return err;
	if (keep == VGG_KEEP_NONE && !m->integer_layers)
		return vgg_fail(BAD_ARGUMENT, path,
				"quantise it first, or keep fp32",
				"a model without integer form would lose all "
				"its weights");
	s.halves = calloc(m->count + 1, sizeof(*s.halves));
	if (!s.halves)
		return vgg_fail_memory("a model");
	err = add_description(&s);
	for (i = 0; !err && i < m->count; i++)
		err = add_layer(&s, i);
	if (!err)
		err = write_file(&s, path);
	vgg_st_out_clear(&s.out);
	for (i = 0; i < m->count; i++)
		free(s.halves[i]);
	free(s.halves);
	return err;
}
