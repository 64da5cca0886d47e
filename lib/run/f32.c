// SPDX-License-Identifier: MIT
/* See f32.h: buffers, weights, and the walk over the chain. */
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "run/f32.h"
#include "run/f32_ops.h"
#include "util/error.h"

struct vgg_f32 {
	const struct vgg_model *model;
	struct vgg_threads *threads;
	struct vgg_f32_weights *weights; /* one per layer */
	float *buffer[2], *output;
	float *wide; /* a convolution's output before its fused pool */
	float *scratch;
	size_t scratch_task;
};

/* F32 or F16 weights as floats: the blob itself, or a copy in *copy. */
static int as_floats(const struct vgg_blob *b, const float **floats,
		     float **copy)
{
	const uint16_t *half = b->data;
	size_t i;

	*copy = NULL;
	*floats = b->data;
	if (b->dtype == VGG_F32)
		return 0;
	*copy = malloc(b->count * sizeof(**copy));
	if (!*copy)
		return vgg_fail_memory("weights in fp32");
	for (i = 0; i < b->count; i++)
		(*copy)[i] = vgg_half_to_float(half[i]);
	*floats = *copy;
	return 0;
}

struct pack {
	const float *weight;
	float *packed;
	size_t out_c, taps;
};

static void pack_block(void *ctx, size_t block)
{
	const struct pack *p = ctx;

	vgg_pack_f32(p->weight, p->out_c, p->taps, p->packed, block);
}

static int prepare_layer(struct vgg_f32 *f, const struct vgg_layer *l,
			 struct vgg_f32_weights *w)
{
	struct pack p;
	float *copy;
	int err;

	if (l->op != VGG_OP_CONV)
		return 0;
	if (!l->weight.data)
		return vgg_fail(
			MODEL_PRECISION, l->name,
			"import the model again with --keep fp32, or "
			"run it with --precision int8",
			"the model file holds no floating-point weights");
	/* Vectors read each weight once per inference: packing gains nothing
	 * and would double the memory. */
	if (l->in.rank != 4)
		return 0;
	err = as_floats(&l->weight, &p.weight, &copy);
	if (err)
		return err;
	p.out_c = (size_t)vgg_channels(&l->out);
	p.taps = l->weight.count / p.out_c;
	p.packed = w->packed =
		malloc(vgg_pack_f32_count(p.out_c, p.taps) * sizeof(float));
	if (p.packed)
		vgg_parallel(f->threads, (p.out_c + 15) / 16, pack_block, &p);
	else
		err = vgg_fail_memory("packed weights");
	free(copy);
	return err;
}

/* The largest of what the layers need. */
static void sizes(struct vgg_f32 *f, int64_t *plain, int64_t *wide)
{
	const struct vgg_model *m = f->model;
	unsigned int i;

	*plain = vgg_shape_count(&m->input);
	*wide = 0;
	for (i = 0; i < m->count; i++) {
		const struct vgg_layer *l = &m->layers[i];
		int64_t n = vgg_shape_count(&l->out), w = vgg_f32_wide(l);
		size_t s = vgg_f32_scratch(l);

		*plain = n > *plain ? n : *plain;
		*wide = w > *wide ? w : *wide;
		f->scratch_task = s > f->scratch_task ? s : f->scratch_task;
	}
}

static int allocate(struct vgg_f32 *f)
{
	int64_t plain, wide;
	size_t tasks;
	int i;

	sizes(f, &plain, &wide);
	tasks = VGG_F32_TASKS * (size_t)vgg_threads_count(f->threads);
	for (i = 0; i < 2; i++)
		f->buffer[i] = malloc((size_t)plain * sizeof(float));
	f->output = malloc((size_t)vgg_shape_count(vgg_model_output(f->model)) *
			   sizeof(float));
	if (wide)
		f->wide = malloc((size_t)wide * sizeof(float));
	if (f->scratch_task)
		f->scratch = malloc(tasks * f->scratch_task * sizeof(float));
	f->weights = calloc(f->model->count + 1, sizeof(*f->weights));
	if (!f->buffer[0] || !f->buffer[1] || !f->output || !f->weights ||
	    (wide && !f->wide) || (f->scratch_task && !f->scratch))
		return vgg_fail_memory("fp32 activations");
	return 0;
}

int vgg_f32_create(const struct vgg_model *m, struct vgg_threads *threads,
		   struct vgg_f32 **out)
{
	struct vgg_f32 *f = calloc(1, sizeof(*f));
	unsigned int i;
	int err;

	if (!f)
		return vgg_fail_memory("fp32 execution");
	f->model = m;
	f->threads = threads;
	err = allocate(f);
	for (i = 0; !err && i < m->count; i++)
		err = prepare_layer(f, &m->layers[i], &f->weights[i]);
	if (err)
		vgg_f32_free(f);
	else
		*out = f;
	return err;
}

void vgg_f32_free(struct vgg_f32 *f)
{
	unsigned int i;

	if (!f)
		return;
	for (i = 0; f->weights && i < f->model->count; i++)
		free(f->weights[i].packed);
	free(f->weights);
	free(f->buffer[0]);
	free(f->buffer[1]);
	free(f->output);
	free(f->wide);
	free(f->scratch);
	free(f);
}

const float *vgg_f32_run(struct vgg_f32 *f, const float *input,
			 vgg_f32_seen seen, void *ctx)
{
	const struct vgg_model *m = f->model;
	const float *from = input;
	unsigned int i;

	if (m->in_q.pinned) {
		int64_t n = vgg_shape_count(&m->input);

		from = memcpy(f->buffer[1], input, (size_t)n * sizeof(float));
		vgg_f32_pin(&m->in_q, f->buffer[1], n);
	}
	for (i = 0; i < m->count; i++) {
		struct vgg_f32_step step = {
			.layer = &m->layers[i],
			.weights = &f->weights[i],
			.threads = f->threads,
			.in = from,
			.out = f->buffer[i % 2],
			.wide = f->wide,
			.scratch = f->scratch,
			.scratch_task = f->scratch_task,
		};

		vgg_f32_layer(&step);
		from = step.out;
		if (seen)
			seen(ctx, i, from, vgg_shape_count(&m->layers[i].out));
	}
	vgg_to_nchw(vgg_model_output(m), from, f->output);
	return f->output;
}
