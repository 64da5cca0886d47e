// SPDX-License-Identifier: MIT
/* See conv_f32.h. */
#include <math.h>

#include "kernels/conv_f32.h"
#include "kernels/engines.h"
#include "util/disabled.h"

const struct vgg_engine *vgg_direct_f32(const struct vgg_kernels *kernels)
{
	return kernels->direct_f32 ? kernels->direct_f32 :
				     &vgg_direct_f32_generic;
}

const struct vgg_engine *vgg_winograd_f32(const struct vgg_kernels *kernels)
{
	return kernels->winograd_f32 ? kernels->winograd_f32 :
				       &vgg_winograd_f32_generic;
}

static int extent(int in, int kernel, int stride, int before, int after)
{
	return (in + before + after - kernel) / stride + 1;
}

static struct vgg_conv_shape shape_of(const struct vgg_conv_f32 *k)
{
	const struct vgg_window *w = &k->win;

	return (struct vgg_conv_shape){
		.in_h = k->in_h,
		.in_w = k->in_w,
		.in_c = k->in_c,
		.h = extent(k->in_h, w->kernel_h, w->stride_h, w->pad_top,
			    w->pad_bottom),
		.w = extent(k->in_w, w->kernel_w, w->stride_w, w->pad_left,
			    w->pad_right),
		.out_c = k->out_c,
		.win = *w,
	};
}

/* Below that, transforms cost more than they save. */
#define WINOGRAD_LEAST 3

void vgg_ready_f32_init(struct vgg_ready_f32 *r,
			const struct vgg_kernels *kernels,
			const struct vgg_conv_f32 *k, struct vgg_l2 l2)
{
	struct vgg_conv_shape s = shape_of(k);
	bool winograd = vgg_conv_is_winograd(&s) && k->in_c >= WINOGRAD_LEAST &&
			!vgg_disabled("winograd");

	*r = (struct vgg_ready_f32){ .k = *k };
	s.pool = winograd && k->has_pool && vgg_conv_can_pool(&k->pool);
	r->pool_after = k->has_pool && !s.pool;
	vgg_conv_init(&r->c,
		      winograd ? vgg_winograd_f32(kernels) :
				 vgg_direct_f32(kernels),
		      &s, l2);
}

void vgg_ready_f32_pack(const struct vgg_ready_f32 *r, const float *weight,
			int b)
{
	struct vgg_finish_f32 *f = vgg_conv_finish(&r->c, b);
	const struct vgg_conv_f32 *k = &r->k;
	int first = b * r->c.e->block, i;

	if (!b)
		vgg_conv_pack_pad(&r->c, 0);
	vgg_conv_pack(&r->c, weight, b);
	*f = (struct vgg_finish_f32){ .lo = k->lo,
				      .hi = k->hi,
				      .relu = k->relu,
				      .affine = k->scale != NULL };
	/* Without a scale between them, relu and clip are one. */
	if (k->relu && !k->scale) {
		f->relu = false;
		f->lo = k->lo > 0 ? k->lo : 0;
		f->hi = k->hi;
	}
	for (i = 0; i < r->c.e->block && first + i < k->out_c; i++) {
		f->bias[i] = k->bias ? k->bias[first + i] : 0;
		f->scale[i] = k->scale ? k->scale[first + i] : 1;
		f->shift[i] = k->scale ? k->shift[first + i] : 0;
	}
}

size_t vgg_ready_f32_workspace(const struct vgg_ready_f32 *r, int workers)
{
	return vgg_conv_workspace(&r->c, workers);
}

void vgg_ready_f32_run(const struct vgg_ready_f32 *r, const float *in,
		       float *out, const struct vgg_conv_range *range,
		       const struct vgg_team *team, char *workspace)
{
	const struct vgg_conv_shape *s = &r->c.s;
	size_t from = (size_t)s->in_c * sizeof(float);
	size_t to = (size_t)s->out_c * sizeof(float);
	int w = s->pool ? s->w / 2 : s->w, h = s->pool ? s->h / 2 : s->h;
	struct vgg_conv_io io = { .in = in,
				  .in_pitch = from * (size_t)s->in_w,
				  .in_pixel = from,
				  .out = out,
				  .out_pitch = to * (size_t)w,
				  .out_pixel = to };
	struct vgg_conv_range all = { 0, h, 0, s->out_c };

	vgg_conv_run(&r->c, &io, range ? range : &all, team, workspace);
}
