// SPDX-License-Identifier: MIT
/* See bench.h. */
#include "kernels/kernels.h"
#include "plan/machine.h"
#include "quant/bench.h"
#include "run/int8_parts.h"

int vgg_bench_open(struct vgg_bench *b, const struct vgg_model *m,
		   struct vgg_device *card, struct vgg_threads *threads)
{
	struct vgg_int8_options o = { .model = m,
				      .device = card,
				      .plan = &b->plan,
				      .threads = threads,
				      .visible = true };
	int err = 0;

	*b = (struct vgg_bench){ 0 };
	if (!card)
		err = vgg_device_open("cpu", NULL, &b->cpu);
	if (b->cpu)
		o.device = b->cpu;
	if (!err)
		err = vgg_plan_make(o.device, m,
				    card ? VGG_SPLIT_OFFLOAD : VGG_SPLIT_CPU, 0,
				    &b->plan);
	return err ? err : vgg_int8_create(&o, &b->x);
}

void vgg_bench_close(struct vgg_bench *b)
{
	vgg_int8_free(b->x);
	vgg_plan_clear(&b->plan);
	vgg_device_close(b->cpu);
	*b = (struct vgg_bench){ 0 };
}

void vgg_bench_run_layer(struct vgg_int8 *x, unsigned int i)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];
	struct vgg_extent e = vgg_extent_of(&l->out);
	struct vgg_conv_range whole = { 0, (int)e.h, 0, (int)e.c };

	if (!vgg_layer_is_free(l))
		vgg_int8_run_cpu(x, i, &whole);
}

int8_t *vgg_bench_tensor(struct vgg_int8 *x, unsigned int i)
{
	return x->tensors[i].cpu;
}

void vgg_bench_round(const struct vgg_quant *q, const float *from, size_t n,
		     int8_t *to)
{
	vgg_quantize_plane(from, n, q->scale, q->zero, to, 1);
}
