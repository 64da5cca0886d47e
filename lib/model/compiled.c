// SPDX-License-Identifier: MIT
/* Reading a compiled model; see compiled.h. Writing is compiled_write.c. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "model/card_limits.h"
#include "model/compiled.h"
#include "model/safetensors.h"
#include "util/error.h"

/* Sizes beyond it are damage; sums of a few of them stay within int. */
#define INT_FIELD_MAX (1 << 24)

struct reader {
	const char *path;
	struct vgg_st st;
	struct vgg_model *model;
};

static int bad(const struct reader *r, const char *what, const char *where)
{
	return vgg_fail(MODEL_FORMAT, r->path,
			"make the file again with `vggctl import`",
			"%s%s%s is missing or out of range", where ? where : "",
			where ? ": " : "", what);
}

/*
 * Members of JSON objects. Each returns 0 or the error.
 */
static int get_int(const struct reader *r, const json_t *o, const char *where,
		   const char *key, int lo, int hi, int *value)
{
	const json_t *v = json_object_get(o, key);
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < lo || n > hi)
		return bad(r, key, where);
	*value = (int)n;
	return 0;
}

static int get_float(const struct reader *r, const json_t *o, const char *where,
		     const char *key, float *value)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_number(v))
		return bad(r, key, where);
	*value = (float)json_number_value(v);
	return isfinite(*value) ? 0 : bad(r, key, where);
}

static int get_ints(const struct reader *r, const json_t *o, const char *where,
		    const char *key, int *values, size_t n)
{
	const json_t *a = json_object_get(o, key);
	size_t i;

	if (!json_is_array(a) || json_array_size(a) != n)
		return bad(r, key, where);
	for (i = 0; i < n; i++) {
		const json_t *v = json_array_get(a, i);
		json_int_t x = json_integer_value(v);

		if (!json_is_integer(v) || x < 0 || x > INT_FIELD_MAX)
			return bad(r, key, where);
		values[i] = (int)x;
	}
	return 0;
}

/* Optional; absent leaves *text NULL. */
static int get_text(const struct reader *r, const json_t *o, const char *key,
		    char **text)
{
	const json_t *v = json_object_get(o, key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v))
		return bad(r, key, NULL);
	*text = strdup(json_string_value(v));
	return *text ? 0 : vgg_fail_memory("a model");
}

static int get_shape(const struct reader *r, const json_t *o, const char *where,
		     const char *key, struct vgg_shape *s)
{
	const json_t *a = json_object_get(o, key);
	size_t i, n = json_array_size(a);

	if (!json_is_array(a) || n < 1 || n > VGG_RANK_MAX)
		return bad(r, key, where);
	s->rank = (int)n;
	for (i = 0; i < n; i++)
		s->dim[i] = json_integer_value(json_array_get(a, i));
	return vgg_shape_check(s, where ? where : key);
}

static int get_quant(const struct reader *r, const json_t *o, const char *where,
		     const char *key, struct vgg_quant *q)
{
	const json_t *v = json_object_get(o, key);
	int err;

	if (!v)
		return 0;
	err = get_float(r, v, where, "scale", &q->scale);
	if (!err && !(q->scale > 0))
		err = bad(r, "scale", where);
	if (!err)
		err = get_int(r, v, where, "zero", -128, 127, &q->zero);
	q->pinned = json_is_true(json_object_get(v, "pinned"));
	q->known = !err;
	return err;
}

/* kernel, stride (h, w each), pads (top, left, bottom, right). Pads are checked
 * where the window meets its image. */
static int get_window(const struct reader *r, const json_t *o, const char *key,
		      const struct vgg_layer *l, struct vgg_window *w)
{
	int v[8] = { 0 };
	int err = get_ints(r, o, l->name, key, v, 8);

	*w =
		(struct vgg_window){ v[0], v[1], v[2], v[3],
				     v[4], v[5], v[6], v[7] };
	if (!err && (!v[0] || !v[1] || !v[2] || !v[3] ||
		     (int64_t)v[0] * v[1] > INT_FIELD_MAX))
		err = bad(r, key, l->name);
	return err;
}

/* [lo, hi], null for none. */
static int get_clip(const struct reader *r, const json_t *o,
		    struct vgg_layer *l)
{
	const json_t *a = json_object_get(o, "clip");
	const json_t *lo = json_array_get(a, 0), *hi = json_array_get(a, 1);

	if (!a)
		return 0;
	if (json_is_number(lo))
		l->lo = (float)json_number_value(lo);
	if (json_is_number(hi))
		l->hi = (float)json_number_value(hi);
	if (isnan(l->lo) || isnan(l->hi) || !(l->lo <= l->hi))
		return bad(r, "clip", l->name);
	return 0;
}

/*
 * Tensors.
 */
static int tensor(const struct reader *r, unsigned int layer, const char *field,
		  enum vgg_dtype dtype, size_t count, struct vgg_blob *blob)
{
	char name[64];

	snprintf(name, sizeof(name), "%u.%s", layer, field);
	return vgg_st_blob(&r->st, name, dtype, count, blob);
}

static const struct vgg_tensor *find(const struct reader *r, unsigned int layer,
				     const char *field)
{
	char name[64];

	snprintf(name, sizeof(name), "%u.%s", layer, field);
	return vgg_tensors_find(&r->st.all, name);
}

/* Absent is fine; present, it has any number of elements. */
static int optional(const struct reader *r, unsigned int layer,
		    const char *field, enum vgg_dtype dtype,
		    struct vgg_blob *blob)
{
	const struct vgg_tensor *t = find(r, layer, field);

	return t ? tensor(r, layer, field, dtype, t->count, blob) : 0;
}

static int check_weight_scale(const struct reader *r, const struct vgg_layer *l)
{
	const float *scale = vgg_blob_f32(&l->weight_scale);
	size_t k;

	for (k = 0; k < l->weight_scale.count; k++)
		if (!(scale[k] >= 0) || !isfinite(scale[k]))
			return bad(r, "weight_scale", l->name);
	return 0;
}

static int read_tensors(const struct reader *r, unsigned int i,
			struct vgg_layer *l)
{
	const struct vgg_tensor *w = find(r, i, "weight");
	int err = 0;

	if (w)
		err = optional(r, i, "weight",
			       w->known && w->dtype == VGG_F16 ? VGG_F16 :
								 VGG_F32,
			       &l->weight);
	if (!err)
		err = optional(r, i, "weight_scale", VGG_F32, &l->weight_scale);
	if (!err)
		err = check_weight_scale(r, l);
	if (!err)
		err = optional(r, i, "bias", VGG_F32, &l->bias);
	if (!err)
		err = optional(r, i, "scale", VGG_F32, &l->scale);
	if (!err)
		err = optional(r, i, "shift", VGG_F32, &l->shift);
	if (!err)
		err = optional(r, i, "qweight", VGG_I8, &l->qweight);
	if (!err)
		err = optional(r, i, "qparam", VGG_I32, &l->qparam);
	if (!err)
		err = optional(r, i, "table", VGG_I32, &l->table);
	return err;
}

/*
 * The integer form is executed without further checks: everything that could
 * lead a kernel astray is looked at here.
 */
static size_t params_needed(const struct vgg_layer *l)
{
	switch (l->op) {
	case VGG_OP_CONV:
	case VGG_OP_AFFINE:
		return (size_t)vgg_channels(&l->out);
	case VGG_OP_AVGPOOL:
		return (size_t)(l->win.kernel_h * l->win.kernel_w);
	default:
		return 0;
	}
}

static int check_params(const struct reader *r, const struct vgg_layer *l)
{
	const struct vgg_qparam *p = l->qparam.data;
	size_t n = params_needed(l), i;

	if (l->qparam.count != 4 * n)
		return bad(r, "size of qparam", l->name);
	for (i = 0; i < n; i++)
		if (p[i].shift < 1 || p[i].shift > VGG_QSHIFT_MAX)
			return bad(r, "shift in qparam", l->name);
	if (l->qlo < -128 || l->qhi > 127 || l->qlo > l->qhi)
		return bad(r, "clamp", l->name);
	return 0;
}

static int check_lrn(const struct reader *r, const struct vgg_layer *l)
{
	const int32_t *table = l->table.data;
	int64_t most = (int64_t)l->lrn_size * 255 * 255;

	if (l->table.count != VGG_LRN_STEPS + 2 || table[0] < 0 ||
	    table[0] > 31 || most >= (int64_t)1 << 32 ||
	    most >> table[0] >= VGG_LRN_STEPS)
		return bad(r, "table", l->name);
	return 0;
}

static int check_integer(const struct reader *r, struct vgg_layer *l)
{
	int err = 0;

	if (!l->out_q.known)
		return bad(r, "quant", l->name);
	if (!vgg_one_image(l))
		return bad(r, "batch of the integer form", l->name);
	if (l->op == VGG_OP_CONV && !l->qweight.data)
		return bad(r, "qweight", l->name);
	if (l->op == VGG_OP_CONV && l->weight.data &&
	    l->weight.count != l->qweight.count)
		return bad(r, "size of qweight", l->name);
	if (l->op == VGG_OP_LRN)
		err = check_lrn(r, l);
	else if (l->op == VGG_OP_SOFTMAX || l->op == VGG_OP_LOGSOFTMAX ||
		 l->op == VGG_OP_QUANTIZE || l->op == VGG_OP_DEQUANTIZE)
		err = bad(r, "integer form", l->name);
	if (!err)
		err = check_params(r, l);
	if (err)
		return err;
	l->quantized = true;
	l->cpu_reason = vgg_card_refusal(l);
	return 0;
}

/*
 * Layers.
 */
static int find_op(const struct reader *r, const json_t *o, const char *name,
		   enum vgg_op *op)
{
	const char *text = json_string_value(json_object_get(o, "op"));
	unsigned int i;

	for (i = 0; text && i < VGG_OP_COUNT; i++)
		if (!strcmp(text, vgg_op_name(i))) {
			*op = i;
			return 0;
		}
	return bad(r, "op", name);
}

static int read_op_fields(const struct reader *r, const json_t *o,
			  struct vgg_layer *l)
{
	const char *at = l->name;
	int err = 0;

	switch (l->op) {
	case VGG_OP_LRN:
		err = get_int(r, o, at, "size", 1, 65536, &l->lrn_size);
		if (!err)
			err = get_float(r, o, at, "alpha", &l->lrn_alpha);
		if (!err)
			err = get_float(r, o, at, "beta", &l->lrn_beta);
		return err ? err : get_float(r, o, at, "bias", &l->lrn_bias);
	case VGG_OP_SOFTMAX:
	case VGG_OP_LOGSOFTMAX:
		l->flatten_from_axis =
			json_is_true(json_object_get(o, "flatten"));
		return get_int(r, o, at, "axis", 0, VGG_RANK_MAX - 1, &l->axis);
	case VGG_OP_QUANTIZE:
	case VGG_OP_DEQUANTIZE:
		err = get_float(r, o, at, "scale", &l->q_scale);
		if (!err)
			err = get_int(r, o, at, "zero", -128, 255, &l->q_zero);
		if (!err)
			err = get_int(r, o, at, "min", -128, 0, &l->q_min);
		return err ? err : get_int(r, o, at, "max", 0, 255, &l->q_max);
	case VGG_OP_PAD:
		l->pad_value = -INFINITY;
		return json_is_null(json_object_get(o, "value")) ?
			       0 :
			       get_float(r, o, at, "value", &l->pad_value);
	case VGG_OP_RESHAPE:
		return get_shape(r, o, at, "shape", &l->out);
	default:
		return 0;
	}
}

static int read_pool(const struct reader *r, const json_t *o,
		     struct vgg_layer *l)
{
	const struct vgg_window *w = &l->pool;
	int err;

	if (!json_object_get(o, "pool"))
		return 0;
	l->has_pool = true;
	err = get_window(r, o, "pool", l, &l->pool);
	if (!err &&
	    (w->kernel_h > VGG_POOL_ROWS_MAX ||
	     w->kernel_w > VGG_POOL_ROWS_MAX || w->pad_top >= w->kernel_h ||
	     w->pad_bottom >= w->kernel_h || w->pad_left >= w->kernel_w ||
	     w->pad_right >= w->kernel_w))
		err = bad(r, "pool", l->name);
	return err;
}

static int read_clamp(const struct reader *r, const json_t *o,
		      struct vgg_layer *l)
{
	const json_t *clamp = json_object_get(o, "clamp");
	int err;

	l->qrelu = l->relu;
	l->qlo = -128;
	l->qhi = 127;
	if (!clamp)
		return 0;
	err = get_int(r, clamp, l->name, "lo", -128, 127, &l->qlo);
	return err ? err :
		     get_int(r, clamp, l->name, "hi", l->qlo, 127, &l->qhi);
}

static int read_layer(struct reader *r, const json_t *o, unsigned int i)
{
	const char *name = json_string_value(json_object_get(o, "name"));
	enum vgg_op op = VGG_OP_CONV;
	struct vgg_layer *l;
	int err = find_op(r, o, name, &op);

	if (err)
		return err;
	l = vgg_model_add(r->model, op, name);
	if (!l)
		return -ENOMEM;
	l->relu = json_is_true(json_object_get(o, "relu"));
	l->exclude_pad = json_is_true(json_object_get(o, "exclude_pad"));
	l->keep_order = json_is_true(json_object_get(o, "keep_order"));
	if (json_object_get(o, "window"))
		err = get_window(r, o, "window", l, &l->win);
	if (!err)
		err = read_pool(r, o, l);
	if (!err)
		err = get_clip(r, o, l);
	if (!err)
		err = get_quant(r, o, name, "quant", &l->out_q);
	if (!err)
		err = read_clamp(r, o, l);
	if (!err)
		err = read_op_fields(r, o, l);
	if (!err)
		err = read_tensors(r, i, l);
	return err ? err : vgg_layer_infer(l);
}

static int read_layers(struct reader *r, const json_t *root)
{
	const json_t *layers = json_object_get(root, "layers");
	int count = 0, err;
	unsigned int i;

	if (!json_is_array(layers))
		return bad(r, "layers", NULL);
	for (i = 0; i < json_array_size(layers); i++) {
		err = read_layer(r, json_array_get(layers, i), i);
		if (err)
			return err;
	}
	err = get_int(r, root, NULL, "integer_layers", 0, (int)i, &count);
	if (!err && count && !r->model->in_q.known)
		err = bad(r, "input_quant", NULL);
	r->model->integer_layers = (unsigned int)count;
	for (i = 0; !err && i < (unsigned int)count; i++)
		err = check_integer(r, &r->model->layers[i]);
	return err || !count ? err : vgg_model_check_tail(r->model);
}

static int read_labels(struct reader *r, const json_t *root)
{
	const json_t *a = json_object_get(root, "labels");
	size_t n = json_array_size(a), i;
	char **labels;

	if (!n)
		return 0;
	labels = calloc(n, sizeof(*labels));
	if (!labels)
		return vgg_fail_memory("labels");
	r->model->labels = labels;
	r->model->n_labels = (unsigned int)n;
	for (i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(a, i));

		if (!text)
			return bad(r, "labels", NULL);
		labels[i] = strdup(text);
		if (!labels[i])
			return vgg_fail_memory("labels");
	}
	return 0;
}

static int read_statistics(const struct reader *r, const json_t *o,
			   const char *key, int channels, float *values)
{
	const json_t *a = json_object_get(o, key);
	int i;

	if ((int)json_array_size(a) != channels)
		return bad(r, key, "preprocess");
	for (i = 0; i < channels; i++) {
		values[i] =
			(float)json_number_value(json_array_get(a, (size_t)i));
		if (!isfinite(values[i]))
			return bad(r, key, "preprocess");
	}
	return 0;
}

static int read_preprocess(struct reader *r, const json_t *root)
{
	const json_t *o = json_object_get(root, "preprocess");
	struct vgg_preprocess *p = &r->model->preprocess;
	const char *how =
		json_string_value(json_object_get(o, "interpolation"));
	const char *problem;
	int crop[2] = { 0, 0 }, err;

	if (!o) /* a network that takes no images */
		return 0;
	err = get_int(r, o, "preprocess", "resize", 0, 65535, &p->resize);
	if (!err)
		err = get_ints(r, o, "preprocess", "crop", crop, 2);
	if (!err)
		err = get_int(r, o, "preprocess", "channels", 1, 3,
			      &p->channels);
	p->interpolation = how ? vgg_filter_find(how) : -1;
	p->crop_w = crop[0];
	p->crop_h = crop[1];
	if (!err)
		err = read_statistics(r, o, "mean", p->channels, p->mean);
	if (!err)
		err = read_statistics(r, o, "std", p->channels, p->std);
	problem = err ? NULL : vgg_preprocess_problem(p);
	return problem ? bad(r, problem, "preprocess") : err;
}

static int read_root(struct reader *r, const json_t *root)
{
	struct vgg_model *m = r->model;
	int version = 0, err;

	err = get_int(r, root, NULL, "version", 1, 1 << 16, &version);
	if (!err && version != VGG_COMPILED_VERSION)
		return vgg_fail(MODEL_FORMAT, r->path,
				"update the library, or import the model again",
				"the file has version %d, this library reads "
				"version %d",
				version, VGG_COMPILED_VERSION);
	if (!err)
		err = get_text(r, root, "name", &m->name);
	if (!err)
		err = get_text(r, root, "arch", &m->arch);
	if (!err)
		err = get_text(r, root, "source", &m->source);
	if (!err)
		err = get_text(r, root, "calibration", &m->calibration);
	if (!err)
		err = get_shape(r, root, NULL, "input", &m->input);
	if (!err)
		err = get_quant(r, root, NULL, "input_quant", &m->in_q);
	if (!err)
		err = read_preprocess(r, root);
	if (!err && m->preprocess.crop_w && !vgg_takes_images(m))
		err = bad(r, "crop", "preprocess");
	if (!err)
		err = read_layers(r, root);
	return err ? err : read_labels(r, root);
}

static int read_header(struct reader *r)
{
	const char *text = vgg_st_meta(&r->st, VGG_COMPILED_KEY);
	json_error_t e;
	json_t *root;
	int err;

	if (!text)
		return vgg_fail(MODEL_FORMAT, r->path,
				"compile it with `vggctl import`",
				"a safetensors file, but no compiled model");
	root = json_loads(text, JSON_REJECT_DUPLICATES, &e);
	if (!json_is_object(root)) {
		json_decref(root);
		return vgg_fail(MODEL_FORMAT, r->path,
				"make the file again with `vggctl import`",
				"its description is not JSON: %s, at byte %d",
				e.text, e.position);
	}
	err = read_root(r, root);
	json_decref(root);
	return err;
}

int vgg_compiled_read(struct vgg_model *m, const char *path)
{
	struct reader r = { .path = path, .model = m };
	int err;

	if (!vgg_st_probe(&m->file))
		return vgg_fail(MODEL_FORMAT, path,
				"compile ONNX and other files with "
				"`vggctl import SOURCE -o MODEL`",
				"not a compiled model");
	err = vgg_st_open(&r.st, path, &m->file);
	if (!err)
		err = read_header(&r);
	vgg_st_close(&r.st);
	return vgg_error_at(err, path);
}
