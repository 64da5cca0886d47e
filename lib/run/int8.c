// SPDX-License-Identifier: MIT
/* See int8.h. */
#include <errno.h>
#include <stdlib.h>

#include "run/int8_parts.h"
#include "util/error.h"

struct vgg_image_s8 vgg_image_of(const struct vgg_shape *s, int8_t *data)
{
	bool image = s->rank == 4;
	int c = (int)vgg_channels(s), w = image ? (int)s->dim[3] : 1;

	return (struct vgg_image_s8){
		.data = data,
		.c = c,
		.w = w,
		.h = image ? (int)s->dim[2] : 1,
		.pixel = (size_t)c,
		.pitch = (size_t)c * (size_t)w,
	};
}

/* Neighbouring card layers become one job; with `visible` each is alone. */
static int find_segments(struct vgg_int8 *x)
{
	const struct vgg_plan *plan = x->o.plan;
	struct vgg_segment *s = NULL;
	unsigned int i;

	x->segments = calloc(plan->count + 1, sizeof(*x->segments));
	if (!x->segments)
		return vgg_fail_memory("card jobs");
	for (i = 0; i < plan->count; i++) {
		if (plan->layers[i].free)
			continue;
		if (!plan->layers[i].on_card) {
			s = NULL;
			continue;
		}
		if (!s || x->o.visible) {
			s = &x->segments[x->segment_count++];
			s->first = i;
		}
		s->end = i + 1;
	}
	return 0;
}

int vgg_int8_create(const struct vgg_int8_options *options,
		    struct vgg_int8 **out)
{
	struct vgg_int8 *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return vgg_fail_memory("int8 execution");
	x->o = *options;
	x->kernels = vgg_kernels_best();
	x->card.size = sizeof(x->card);
	err = vgg_device_info(x->o.device, &x->card);
	if (!err)
		err = find_segments(x);
	if (!err)
		err = vgg_int8_place(x);
	if (!err)
		err = vgg_int8_prepare_card(x);
	if (!err)
		err = vgg_int8_prepare_cpu(x);
	if (err)
		vgg_int8_free(x);
	else
		*out = x;
	return err;
}

void vgg_int8_free(struct vgg_int8 *x)
{
	if (!x)
		return;
	vgg_int8_release_card(x);
	vgg_int8_unplace(x);
	free(x->segments);
	free(x->scratch);
	free(x);
}

int8_t *vgg_int8_input(struct vgg_int8 *x)
{
	struct vgg_tensor *t = &x->tensors[0];

	if (t->buffer && vgg_buffer_prepare(t->buffer, VGG_ACCESS_WRITE))
		return NULL;
	return t->cpu;
}

const int8_t *vgg_int8_tensor(const struct vgg_int8 *x, unsigned int i)
{
	return x->tensors[i].cpu;
}

/* Who is about to work on a tensor: the CPU between prepare and finish. */
static int cpu_layer(struct vgg_int8 *x, unsigned int i)
{
	struct vgg_tensor *in = &x->tensors[i], *out = in + 1;
	int err = 0;

	if (in->buffer)
		err = vgg_buffer_prepare(in->buffer, VGG_ACCESS_READ);
	if (!err && out->buffer)
		err = vgg_buffer_prepare(out->buffer, VGG_ACCESS_WRITE);
	if (err)
		return err;
	vgg_int8_run_cpu(x, i);
	if (in->buffer)
		err = vgg_buffer_finish(in->buffer, VGG_ACCESS_READ);
	if (!err && out->buffer)
		err = vgg_buffer_finish(out->buffer, VGG_ACCESS_WRITE);
	return err;
}

/* Results become readable for the CPU. */
static int show(struct vgg_int8 *x)
{
	unsigned int last = x->o.plan->count, i;
	int err = 0;

	for (i = x->o.visible ? 0 : last; !err && i <= last; i++)
		if (x->tensors[i].place == VGG_PLACE_HOST)
			err = vgg_buffer_prepare(x->tensors[i].buffer,
						 VGG_ACCESS_READ);
	return err;
}

int vgg_int8_run(struct vgg_int8 *x, struct vgg_int8_totals *totals)
{
	const struct vgg_plan *plan = x->o.plan;
	const struct vgg_segment *s = x->segments;
	unsigned int i = 0;
	int err = 0;

	*totals = (struct vgg_int8_totals){ 0 };
	if (x->tensors[0].buffer)
		err = vgg_buffer_finish(x->tensors[0].buffer, VGG_ACCESS_WRITE);
	while (!err && i < plan->count) {
		if (plan->layers[i].free) {
			i++;
		} else if (plan->layers[i].on_card) {
			err = vgg_int8_run_segment(x, s, totals);
			i = s->end;
			s++;
		} else {
			err = cpu_layer(x, i);
			i++;
		}
	}
	return err ? err : show(x);
}
