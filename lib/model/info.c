// SPDX-License-Identifier: MIT
/* What the public interface tells about a model. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/graph.h"
#include "util/error.h"

/* Callers compiled against an older, shorter struct get what fits it. */
#define PUT(to, from)    \
	memcpy(to, from, \
	       (to)->size < sizeof(*(from)) ? (to)->size : sizeof(*(from)))

static void describe_input(const struct vgg_model *m, struct vgg_model_info *i)
{
	const struct vgg_preprocess *p = &m->preprocess;

	if (m->input.rank == 4) {
		i->input_channels = (int)m->input.dim[1];
		i->input_height = (int)m->input.dim[2];
		i->input_width = (int)m->input.dim[3];
	}
	if (!p->crop_w)
		return;
	i->resize = p->resize;
	i->crop = p->crop_w;
	i->interpolation = vgg_filter_name(p->interpolation);
	memcpy(i->mean, p->mean, sizeof(i->mean));
	memcpy(i->std, p->std, sizeof(i->std));
}

static bool has_floats(const struct vgg_model *m)
{
	unsigned int i;

	for (i = 0; i < m->count; i++)
		if (m->layers[i].op == VGG_OP_CONV && !m->layers[i].weight.data)
			return false;
	return true;
}

int vgg_model_info(const struct vgg_model *m, struct vgg_model_info *info)
{
	struct vgg_model_info i = {
		.size = info->size,
		.name = m->name ? m->name : "",
		.arch = m->arch ? m->arch : "",
		.source = m->source ? m->source : "",
		.calibration = m->calibration ? m->calibration : "",
		.assumed = m->assumed ? m->assumed : "",
		.classes = (unsigned int)vgg_shape_count(vgg_model_output(m)),
		.layers = m->count,
		.input_count = (uint64_t)vgg_shape_count(&m->input),
		.has_int8 = m->integer_layers > 0,
		.has_fp32 = has_floats(m),
		.in_scale = m->integer_layers ? m->in_q.scale : 0,
		.in_zero = m->integer_layers ? m->in_q.zero : 0,
	};
	unsigned int k;

	if (vgg_check_struct(info->size, "model info"))
		return -EINVAL;
	describe_input(m, &i);
	for (k = 0; k < m->count; k++) {
		i.macs += vgg_layer_macs(&m->layers[k]);
		i.parameters += vgg_layer_parameters(&m->layers[k]);
	}
	PUT(info, &i);
	return 0;
}

const char *vgg_model_label(const struct vgg_model *m, unsigned int class_)
{
	static _Thread_local char text[32];

	if (class_ < m->n_labels)
		return m->labels[class_];
	snprintf(text, sizeof(text), "class %u", class_);
	return text;
}

static struct vgg_window_info window_of(const struct vgg_window *w, bool kernel)
{
	return (struct vgg_window_info){
		.kernel_h = kernel ? w->kernel_h : 0,
		.kernel_w = kernel ? w->kernel_w : 0,
		.stride_h = kernel ? w->stride_h : 0,
		.stride_w = kernel ? w->stride_w : 0,
		.pad_top = w->pad_top,
		.pad_left = w->pad_left,
		.pad_bottom = w->pad_bottom,
		.pad_right = w->pad_right,
	};
}

static void describe_windows(const struct vgg_layer *l,
			     struct vgg_layer_info *i)
{
	bool image = l->in.rank == 4;

	if (l->op == VGG_OP_MAXPOOL || l->op == VGG_OP_AVGPOOL ||
	    (l->op == VGG_OP_CONV && image))
		i->window = window_of(&l->win, true);
	else if (l->op == VGG_OP_PAD)
		i->window = window_of(&l->win, false);
	if (l->has_pool)
		i->pool = window_of(&l->pool, true);
}

static void describe_shapes(const struct vgg_layer *l, struct vgg_layer_info *i)
{
	vgg_shape_text(&l->in, i->in, sizeof(i->in));
	vgg_shape_text(&l->out, i->out, sizeof(i->out));
	i->in_count = (uint64_t)vgg_shape_count(&l->in);
	i->out_count = (uint64_t)vgg_shape_count(&l->out);
	i->in_channels = (int)vgg_channels(&l->in);
	i->out_channels = (int)vgg_channels(&l->out);
	if (l->in.rank == 4) {
		i->in_height = (int)l->in.dim[2];
		i->in_width = (int)l->in.dim[3];
	}
	if (l->out.rank == 4) {
		i->out_height = (int)l->out.dim[2];
		i->out_width = (int)l->out.dim[3];
	}
}

/* The integer form has no such scales by themselves: they are part of what takes
 * the accumulator to the output, mult / 2^shift = in * weight * scale / out. */
static void find_weight_scales(const struct vgg_model *m, unsigned int layer,
			       struct vgg_layer_info *i)
{
	const struct vgg_layer *l = &m->layers[layer];
	const struct vgg_quant *in = layer ? &l[-1].out_q : &m->in_q;
	const struct vgg_qparam *p = l->qparam.data;
	const float *u = l->scale.data;
	size_t n = l->qparam.count / 4, k;

	if (!l->quantized || l->op != VGG_OP_CONV || !p)
		return;
	for (k = 0; k < n; k++) {
		double scale = fabs(ldexp(p[k].mult, -p[k].shift)) *
			       (double)l->out_q.scale / (double)in->scale;

		if (u && u[k] == 0) /* of a channel that is constant */
			continue;
		scale /= u ? fabs((double)u[k]) : 1;
		if (i->weight_scale_max == 0 ||
		    (float)scale < i->weight_scale_min)
			i->weight_scale_min = (float)scale;
		if ((float)scale > i->weight_scale_max)
			i->weight_scale_max = (float)scale;
	}
}

static uint64_t blob_bytes(const struct vgg_blob *b)
{
	return b->data ? b->count * vgg_dtype_bytes(b->dtype) : 0;
}

int vgg_model_layer(const struct vgg_model *m, unsigned int layer,
		    struct vgg_layer_info *info)
{
	struct vgg_layer_info i = { .size = info->size };
	const struct vgg_layer *l;

	if (vgg_check_struct(info->size, "layer info"))
		return -EINVAL;
	if (layer >= m->count)
		return vgg_fail(BAD_ARGUMENT, m->name, NULL, "layer %u of %u",
				layer, m->count);
	l = &m->layers[layer];
	i.name = l->name;
	vgg_layer_kind(l, i.kind, sizeof(i.kind));
	i.op = l->op == VGG_OP_CONV && l->in.rank != 4 ? "fc" :
							 vgg_op_name(l->op);
	describe_shapes(l, &i);
	describe_windows(l, &i);
	i.macs = vgg_layer_macs(l);
	i.parameters = vgg_layer_parameters(l);
	i.quantized = l->quantized;
	i.out_scale = l->out_q.known ? l->out_q.scale : 0;
	i.out_zero = l->out_q.zero;
	i.fp32_bytes = i.parameters * sizeof(float);
	i.int8_bytes = l->quantized ? blob_bytes(&l->qweight) +
					      blob_bytes(&l->qparam) +
					      blob_bytes(&l->table) :
				      0;
	find_weight_scales(m, layer, &i);
	i.cpu_reason = l->quantized ? l->cpu_reason : "not in integer form";
	PUT(info, &i);
	return 0;
}
