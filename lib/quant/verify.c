// SPDX-License-Identifier: MIT
/*
 * Verification: an analysis of one input without layers alone. The card runs each
 * layer as a job of its own with its output visible, so the first layer that differs
 * is the one to look at; later ones may differ because of it.
 */
#include "quant/analysis.h"
#include "util/error.h"

static struct vgg_verify_layer describe(const struct vgg_analysis *a,
					unsigned int i)
{
	const struct vgg_deviation *d = vgg_measure_layer(a->measure, i);
	const struct vgg_layer *l = &a->model->layers[i];

	return (struct vgg_verify_layer){
		.size = sizeof(struct vgg_verify_layer),
		.layer = i,
		.name = l->name,
		.on_card = vgg_measure_on_card(a->measure, i),
		.elements = (uint64_t)vgg_shape_count(&l->out),
		.differing = d->all_differ.bytes,
		.first_differing = d->all_differ.first,
		.has_fp32 = vgg_measure_has_fp32(a->measure),
		.cosine = vgg_distance_cosine(&d->all[VGG_WAY_CPU]),
		.max_error = d->all[VGG_WAY_CPU].worst,
		.saturated =
			d->count ? (double)d->clipped / (double)d->count : 0,
	};
}

static int report(const struct vgg_analysis *a, vgg_verify_fn fn, void *ctx)
{
	struct vgg_verify_layer l;
	unsigned int i;

	for (i = 0; fn && i < a->model->integer_layers; i++) {
		l = describe(a, i);
		if (fn(ctx, &l))
			return vgg_fail(INTERRUPTED, NULL, NULL,
					"verification was stopped");
	}
	for (i = 0; i < a->model->integer_layers; i++)
		if (vgg_measure_layer(a->measure, i)->all_differ.bytes)
			return vgg_fail_differing(a, i);
	return 0;
}

int vgg_verify(struct vgg_device *device, const struct vgg_model *m,
	       const float *input, size_t count, int threads, vgg_verify_fn fn,
	       void *ctx)
{
	struct vgg_analysis *a;
	int err = vgg_analysis_make(device, m, threads, false, &a);

	if (err)
		return err;
	err = vgg_analysis_add_tensor(a, input, count);
	if (!err)
		err = report(a, fn, ctx);
	vgg_analysis_free(a);
	return err;
}
