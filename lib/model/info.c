// SPDX-License-Identifier: MIT
/* What the public interface tells about a model. */
#include <errno.h>
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
		.classes = (unsigned int)vgg_shape_count(vgg_model_output(m)),
		.layers = m->count,
		.input_count = (uint64_t)vgg_shape_count(&m->input),
		.has_int8 = m->integer_layers > 0,
		.has_fp32 = has_floats(m),
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
	vgg_shape_text(&l->in, i.in, sizeof(i.in));
	vgg_shape_text(&l->out, i.out, sizeof(i.out));
	i.macs = vgg_layer_macs(l);
	i.parameters = vgg_layer_parameters(l);
	i.quantized = l->quantized;
	i.out_scale = l->out_q.known ? l->out_q.scale : 0;
	i.out_zero = l->out_q.zero;
	i.cpu_reason = l->quantized ? l->cpu_reason : "not in integer form";
	PUT(info, &i);
	return 0;
}
