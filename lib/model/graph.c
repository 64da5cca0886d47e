// SPDX-License-Identifier: MIT
/* Building and checking chains of layers; see graph.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "model/graph.h"
#include "util/error.h"
#include "util/labels.h"

int64_t vgg_shape_count(const struct vgg_shape *s)
{
	int64_t n = 1;
	int i;

	for (i = 0; i < s->rank; i++)
		n *= s->dim[i];
	return n;
}

int vgg_shape_check(const struct vgg_shape *s, const char *where)
{
	int64_t n = 1;
	int i;

	if (s->rank < 1 || s->rank > VGG_RANK_MAX)
		return vgg_fail(MODEL_SHAPE, where,
				"use tensors of 1 to 4 dimensions",
				"a tensor has rank %d", s->rank);
	for (i = 0; i < s->rank; i++) {
		if (s->dim[i] < 1 || s->dim[i] > VGG_ELEMENTS_MAX / n)
			return vgg_fail(MODEL_SHAPE, where,
					"check the network's input size",
					"dimension %d of a tensor is %lld", i,
					(long long)s->dim[i]);
		n *= s->dim[i];
	}
	return 0;
}

bool vgg_shape_equal(const struct vgg_shape *a, const struct vgg_shape *b)
{
	int i;

	if (a->rank != b->rank)
		return false;
	for (i = 0; i < a->rank; i++)
		if (a->dim[i] != b->dim[i])
			return false;
	return true;
}

const char *vgg_shape_text(const struct vgg_shape *s, char *text, size_t size)
{
	int first = s->rank > 1 && s->dim[0] == 1, i;
	size_t used = 0;

	if (size)
		*text = 0;
	for (i = first; i < s->rank && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%lld",
					 i > first ? "x" : "",
					 (long long)s->dim[i]);
	return text;
}

int64_t vgg_channels(const struct vgg_shape *s)
{
	return s->rank == 4 ? s->dim[1] : s->dim[s->rank - 1];
}

size_t vgg_dtype_bytes(enum vgg_dtype dtype)
{
	static const size_t bytes[] = {
		[VGG_F32] = 4, [VGG_F16] = 2, [VGG_BF16] = 2, [VGG_F64] = 8,
		[VGG_I8] = 1,  [VGG_U8] = 1,  [VGG_I32] = 4,  [VGG_I64] = 8,
	};

	return bytes[dtype];
}

void *vgg_blob_alloc(struct vgg_blob *b, enum vgg_dtype dtype, size_t count)
{
	void *data = calloc(count ? count : 1, vgg_dtype_bytes(dtype));

	if (!data) {
		vgg_fail_memory("a network's weights");
		return NULL;
	}
	vgg_blob_free(b);
	*b = (struct vgg_blob){ data, count, dtype, true };
	return data;
}

void vgg_blob_free(struct vgg_blob *b)
{
	if (b->owned)
		free((void *)b->data);
	*b = (struct vgg_blob){ 0 };
}

float *vgg_blob_own_f32(struct vgg_blob *b)
{
	const uint16_t *half = b->data;
	float *copy;
	size_t i;

	if (b->owned && b->dtype == VGG_F32)
		return (float *)b->data;
	copy = malloc((b->count ? b->count : 1) * sizeof(*copy));
	if (!copy) {
		vgg_fail_memory("a network's weights");
		return NULL;
	}
	if (b->dtype == VGG_F32)
		memcpy(copy, b->data, b->count * sizeof(*copy));
	for (i = 0; b->dtype == VGG_F16 && i < b->count; i++)
		copy[i] = vgg_half_to_float(half[i]);
	if (b->owned)
		free((void *)b->data);
	*b = (struct vgg_blob){ copy, b->count, VGG_F32, true };
	return copy;
}

const char *vgg_op_name(enum vgg_op op)
{
	static const char *const names[VGG_OP_COUNT] = {
		[VGG_OP_CONV] = "conv",
		[VGG_OP_MAXPOOL] = "maxpool",
		[VGG_OP_AVGPOOL] = "avgpool",
		[VGG_OP_AFFINE] = "affine",
		[VGG_OP_RESHAPE] = "reshape",
		[VGG_OP_PAD] = "pad",
		[VGG_OP_LRN] = "lrn",
		[VGG_OP_SOFTMAX] = "softmax",
		[VGG_OP_LOGSOFTMAX] = "logsoftmax",
		[VGG_OP_QUANTIZE] = "quantize",
		[VGG_OP_DEQUANTIZE] = "dequantize",
	};

	return op < VGG_OP_COUNT ? names[op] : "?";
}

static const char *clip_name(const struct vgg_layer *l)
{
	if (l->relu || (l->lo == 0 && l->hi == INFINITY))
		return "+relu";
	return l->lo > -INFINITY || l->hi < INFINITY ? "+clip" : "";
}

const char *vgg_layer_kind(const struct vgg_layer *l, char *text, size_t size)
{
	bool full = l->op == VGG_OP_CONV && l->in.rank != 4;
	const struct vgg_window *w = &l->win;
	char kernel[32] = "", pool[32] = "";

	if (l->op == VGG_OP_MAXPOOL || l->op == VGG_OP_AVGPOOL ||
	    (l->op == VGG_OP_CONV && !full))
		snprintf(kernel, sizeof(kernel), "%dx%d", w->kernel_h,
			 w->kernel_w);
	if (l->has_pool)
		snprintf(pool, sizeof(pool), "+maxpool%dx%d", l->pool.kernel_h,
			 l->pool.kernel_w);
	snprintf(text, size, "%s%s%s%s%s", full ? "fc" : vgg_op_name(l->op),
		 kernel,
		 l->op == VGG_OP_CONV || l->op == VGG_OP_AFFINE ? clip_name(l) :
								  "",
		 l->op == VGG_OP_CONV && l->scale.data ? "+bn" : "", pool);
	return text;
}

struct vgg_model *vgg_model_new(void)
{
	struct vgg_model *m = calloc(1, sizeof(*m));

	if (!m)
		vgg_fail_memory("a model");
	return m;
}

void vgg_layer_clear(struct vgg_layer *l)
{
	vgg_blob_free(&l->weight);
	vgg_blob_free(&l->bias);
	vgg_blob_free(&l->scale);
	vgg_blob_free(&l->shift);
	vgg_blob_free(&l->weight_scale);
	vgg_blob_free(&l->qweight);
	vgg_blob_free(&l->qparam);
	vgg_blob_free(&l->table);
	free(l->name);
	memset(l, 0, sizeof(*l));
}

void vgg_model_free(struct vgg_model *m)
{
	unsigned int i;

	if (!m)
		return;
	for (i = 0; i < m->count; i++)
		vgg_layer_clear(&m->layers[i]);
	free(m->layers);
	vgg_labels_free(m->labels, m->n_labels);
	free(m->name);
	free(m->arch);
	free(m->source);
	free(m->calibration);
	free(m->assumed);
	vgg_file_close(&m->file);
	free(m);
}

const struct vgg_shape *vgg_model_output(const struct vgg_model *m)
{
	return m->count ? &m->layers[m->count - 1].out : &m->input;
}

static int grow(struct vgg_model *m)
{
	unsigned int room = m->room ? 2 * m->room : 32;
	struct vgg_layer *layers;

	if (m->count < m->room)
		return 0;
	if (m->count >= VGG_LAYERS_MAX)
		return vgg_fail(MODEL_UNSUPPORTED, m->source, NULL,
				"more than %d layers", VGG_LAYERS_MAX);
	layers = realloc(m->layers, room * sizeof(*layers));
	if (!layers)
		return vgg_fail_memory("layers");
	m->layers = layers;
	m->room = room;
	return 0;
}

struct vgg_layer *vgg_model_add(struct vgg_model *m, enum vgg_op op,
				const char *name)
{
	struct vgg_layer *l;

	if (grow(m))
		return NULL;
	l = &m->layers[m->count];
	memset(l, 0, sizeof(*l));
	l->name = strdup(name ? name : "");
	if (!l->name) {
		vgg_fail_memory("a layer's name");
		return NULL;
	}
	l->op = op;
	l->in = l->out = *vgg_model_output(m);
	l->win = (struct vgg_window){
		.kernel_h = 1, .kernel_w = 1, .stride_h = 1, .stride_w = 1
	};
	l->lo = -INFINITY;
	l->hi = INFINITY;
	m->count++;
	return l;
}

void vgg_model_remove(struct vgg_model *m, unsigned int i)
{
	vgg_layer_clear(&m->layers[i]);
	memmove(&m->layers[i], &m->layers[i + 1],
		(m->count - i - 1) * sizeof(*m->layers));
	m->count--;
}

/*
 * Shape inference.
 */
static int window_out(int64_t in, int kernel, int stride, int before, int after,
		      int64_t *out)
{
	int64_t span = in + before + after - kernel;

	if (kernel < 1 || stride < 1 || before < 0 || after < 0 || span < 0)
		return -1;
	*out = span / stride + 1;
	return 0;
}

/* Larger ones make no sense and would overflow sizes further on. */
static bool sane_window(const struct vgg_window *w)
{
	return w->kernel_h <= VGG_WINDOW_MAX && w->kernel_w <= VGG_WINDOW_MAX &&
	       w->stride_h <= VGG_WINDOW_MAX && w->stride_w <= VGG_WINDOW_MAX &&
	       w->pad_top <= VGG_WINDOW_MAX && w->pad_left <= VGG_WINDOW_MAX &&
	       w->pad_bottom <= VGG_WINDOW_MAX &&
	       w->pad_right <= VGG_WINDOW_MAX;
}

static int apply_window(const struct vgg_layer *l, const struct vgg_window *w,
			int64_t in_h, int64_t in_w, int64_t *h, int64_t *out_w)
{
	if (!sane_window(w))
		return vgg_fail(MODEL_UNSUPPORTED, l->name,
				"use a smaller kernel, stride or padding",
				"a window beyond %d", VGG_WINDOW_MAX);
	if (window_out(in_h, w->kernel_h, w->stride_h, w->pad_top,
		       w->pad_bottom, h) ||
	    window_out(in_w, w->kernel_w, w->stride_w, w->pad_left,
		       w->pad_right, out_w))
		return vgg_fail(MODEL_SHAPE, l->name,
				"check the network's input size and padding",
				"a %dx%d window with stride %dx%d and padding "
				"%d,%d,%d,%d does not fit a %lldx%lld input",
				w->kernel_h, w->kernel_w, w->stride_h,
				w->stride_w, w->pad_top, w->pad_left,
				w->pad_bottom, w->pad_right, (long long)in_h,
				(long long)in_w);
	return 0;
}

bool vgg_takes_images(const struct vgg_model *m)
{
	const struct vgg_preprocess *p = &m->preprocess;

	return p->crop_w && m->input.rank == 4 && m->input.dim[0] == 1 &&
	       m->input.dim[1] == p->channels && m->input.dim[2] == p->crop_h &&
	       m->input.dim[3] == p->crop_w;
}

static bool one_image(const struct vgg_shape *s)
{
	return s->rank != 3 && (s->rank == 1 || s->dim[0] == 1);
}

bool vgg_one_image(const struct vgg_layer *l)
{
	return one_image(&l->in) && one_image(&l->out);
}

int vgg_model_check_tail(const struct vgg_model *m)
{
	unsigned int i;

	for (i = m->integer_layers; i < m->count; i++) {
		const struct vgg_layer *l = &m->layers[i];

		if (l->op == VGG_OP_CONV || l->op == VGG_OP_QUANTIZE ||
		    l->op == VGG_OP_DEQUANTIZE)
			return vgg_fail(
				MODEL_UNSUPPORTED, l->name,
				"run it with --precision fp32, or "
				"import the fp32 network",
				"%s behind a %s has no integer form",
				vgg_op_name(l->op),
				vgg_op_name(m->layers[m->integer_layers].op));
	}
	return 0;
}

static int need_rank4(const struct vgg_layer *l)
{
	if (l->in.rank == 4)
		return 0;
	return vgg_fail(MODEL_SHAPE, l->name, "use a 2-D (image) network",
			"%s needs an N x C x H x W input, not rank %d",
			vgg_op_name(l->op), l->in.rank);
}

void vgg_conv_size(const struct vgg_layer *l, int64_t *h, int64_t *w)
{
	if (l->in.rank != 4) {
		*h = *w = 1;
		return;
	}
	/* vgg_layer_infer() has checked that it fits. */
	window_out(l->in.dim[2], l->win.kernel_h, l->win.stride_h,
		   l->win.pad_top, l->win.pad_bottom, h);
	window_out(l->in.dim[3], l->win.kernel_w, l->win.stride_w,
		   l->win.pad_left, l->win.pad_right, w);
}

/* The layer's weights decide its output channels. */
static int conv_channels(const struct vgg_layer *l, int64_t *out_c)
{
	int64_t in_c = vgg_channels(&l->in);
	int64_t taps = in_c * l->win.kernel_h * l->win.kernel_w;
	int64_t count =
		(int64_t)(l->weight.data ? l->weight.count : l->qweight.count);

	if (l->win.kernel_h < 1 || l->win.kernel_w < 1 || count < taps ||
	    count % taps)
		return vgg_fail(MODEL_SHAPE, l->name,
				"check the network's input size",
				"%lld weights don't fit %lld input channels "
				"and a %dx%d kernel",
				(long long)count, (long long)in_c,
				l->win.kernel_h, l->win.kernel_w);
	*out_c = count / taps;
	return 0;
}

/* What a fully connected layer has. */
static bool trivial_window(const struct vgg_window *w)
{
	return w->kernel_h == 1 && w->kernel_w == 1 && w->stride_h == 1 &&
	       w->stride_w == 1 && !w->pad_top && !w->pad_left &&
	       !w->pad_bottom && !w->pad_right;
}

static int infer_conv(struct vgg_layer *l)
{
	int64_t out_c = 0, h, w;
	int err = conv_channels(l, &out_c);

	if (err)
		return err;
	if ((l->bias.data && l->bias.count != (size_t)out_c) ||
	    (l->weight_scale.data && l->weight_scale.count != (size_t)out_c))
		return vgg_fail(MODEL_SHAPE, l->name, NULL,
				"%zu biases for %lld output channels",
				l->bias.count, (long long)out_c);
	l->out = l->in;
	if (l->in.rank != 4) {
		if (!trivial_window(&l->win) || l->has_pool)
			return need_rank4(l);
		l->out.dim[l->in.rank - 1] = out_c;
		return 0;
	}
	err = apply_window(l, &l->win, l->in.dim[2], l->in.dim[3], &h, &w);
	if (!err) {
		/* What a fused pool reads must be a tensor of its own right. */
		l->out.dim[1] = out_c;
		l->out.dim[2] = h;
		l->out.dim[3] = w;
		err = vgg_shape_check(&l->out, l->name);
	}
	if (!err && l->has_pool)
		err = apply_window(l, &l->pool, h, w, &h, &w);
	if (err)
		return err;
	l->out.dim[1] = out_c;
	l->out.dim[2] = h;
	l->out.dim[3] = w;
	return 0;
}

static int infer_pool(struct vgg_layer *l)
{
	const struct vgg_window *w = &l->win;
	int err = need_rank4(l);

	if (err)
		return err;
	if (w->pad_top >= w->kernel_h || w->pad_bottom >= w->kernel_h ||
	    w->pad_left >= w->kernel_w || w->pad_right >= w->kernel_w)
		return vgg_fail(MODEL_SHAPE, l->name,
				"export the network with less padding",
				"padding of a pool must be smaller than its "
				"%dx%d kernel",
				w->kernel_h, w->kernel_w);
	l->out = l->in;
	return apply_window(l, w, l->in.dim[2], l->in.dim[3], &l->out.dim[2],
			    &l->out.dim[3]);
}

static int infer_pad(struct vgg_layer *l)
{
	int err = need_rank4(l);

	if (err)
		return err;
	if (!sane_window(&l->win) || l->win.pad_top < 0 ||
	    l->win.pad_bottom < 0 || l->win.pad_left < 0 ||
	    l->win.pad_right < 0)
		return vgg_fail(MODEL_UNSUPPORTED, l->name,
				"use pads of 0 and more, below 4096",
				"unsupported padding");
	l->out = l->in;
	l->out.dim[2] += l->win.pad_top + l->win.pad_bottom;
	l->out.dim[3] += l->win.pad_left + l->win.pad_right;
	return 0;
}

static int infer_reshape(struct vgg_layer *l)
{
	char in[64], out[64];
	int err = vgg_shape_check(&l->out, l->name);

	if (err)
		return err;
	if (vgg_shape_count(&l->in) != vgg_shape_count(&l->out))
		return vgg_fail(MODEL_SHAPE, l->name,
				"check the network's input size",
				"cannot reshape %s to %s",
				vgg_shape_text(&l->in, in, sizeof(in)),
				vgg_shape_text(&l->out, out, sizeof(out)));
	return 0;
}

/* AFFINE and CONV: one scale and shift per channel, or none. */
static int check_affine(const struct vgg_layer *l)
{
	size_t channels = (size_t)vgg_channels(&l->out);

	/* A batch of vectors has its channels in dim 1, as an image has. */
	if (l->op == VGG_OP_AFFINE && l->out.rank == 3)
		channels = (size_t)l->out.dim[1];
	if (!l->scale.data && !l->shift.data)
		return 0;
	if (l->scale.data && l->shift.data && l->scale.count == channels &&
	    l->shift.count == channels)
		return 0;
	return vgg_fail(MODEL_SHAPE, l->name, NULL,
			"%zu scales and %zu shifts for %zu channels",
			l->scale.count, l->shift.count, channels);
}

static int infer_same(struct vgg_layer *l)
{
	l->out = l->in;
	if ((l->op == VGG_OP_SOFTMAX || l->op == VGG_OP_LOGSOFTMAX) &&
	    (l->axis < 0 || l->axis >= l->in.rank))
		return vgg_fail(MODEL_SHAPE, l->name, NULL,
				"axis %d of a rank-%d tensor", l->axis,
				l->in.rank);
	if (l->op == VGG_OP_LRN &&
	    (l->in.rank != 4 || l->lrn_size < 1 || l->lrn_size > 65536 ||
	     !(l->lrn_bias > 0) || !(l->lrn_alpha >= 0) ||
	     !isfinite(l->lrn_beta) || !isfinite(l->lrn_alpha) ||
	     !isfinite(l->lrn_bias)))
		return vgg_fail(MODEL_SHAPE, l->name, NULL,
				"LRN over %d channels of a rank-%d tensor",
				l->lrn_size, l->in.rank);
	return 0;
}

int vgg_layer_infer(struct vgg_layer *l)
{
	int err;

	err = vgg_shape_check(&l->in, l->name);
	if (err)
		return err;
	switch (l->op) {
	case VGG_OP_CONV:
		err = infer_conv(l);
		break;
	case VGG_OP_MAXPOOL:
	case VGG_OP_AVGPOOL:
		err = infer_pool(l);
		break;
	case VGG_OP_PAD:
		err = infer_pad(l);
		break;
	case VGG_OP_RESHAPE:
		err = infer_reshape(l);
		break;
	default:
		err = infer_same(l);
	}
	if (!err && (l->op == VGG_OP_CONV || l->op == VGG_OP_AFFINE))
		err = check_affine(l);
	return err ? err : vgg_shape_check(&l->out, l->name);
}

int vgg_model_infer(struct vgg_model *m)
{
	unsigned int i;
	int err = vgg_shape_check(&m->input, m->source);

	for (i = 0; !err && i < m->count; i++) {
		m->layers[i].in = i ? m->layers[i - 1].out : m->input;
		err = vgg_layer_infer(&m->layers[i]);
	}
	return err;
}

uint64_t vgg_layer_macs(const struct vgg_layer *l)
{
	uint64_t taps = (uint64_t)(l->win.kernel_h * l->win.kernel_w) *
			(uint64_t)vgg_channels(&l->in);
	int64_t h, w;

	if (l->op != VGG_OP_CONV)
		return 0;
	if (l->in.rank != 4)
		return taps * (uint64_t)vgg_shape_count(&l->out);
	vgg_conv_size(l, &h, &w);
	return taps * (uint64_t)(l->out.dim[0] * l->out.dim[1] * h * w);
}

uint64_t vgg_layer_parameters(const struct vgg_layer *l)
{
	uint64_t weights = l->weight.data ? l->weight.count : l->qweight.count;
	uint64_t biases = l->qparam.data && l->op == VGG_OP_CONV ?
				  l->qparam.count / 4 :
				  l->bias.count;

	return weights + biases + l->scale.count + l->shift.count;
}
