// SPDX-License-Identifier: MIT
/* See f32.h: buffers, weights, and the walk over the chain. */
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "run/f32.h"
#include "run/f32_ops.h"
#include "run/team.h"
#include "trace/trace.h"
#include "util/error.h"

struct vgg_f32 {
	const struct vgg_model *model;
	const struct vgg_kernels *kernels;
	struct vgg_threads *threads;
	struct vgg_ready_f32 *ready; /* one per layer */
	float *buffer[2], *output;
	float *wide; /* a convolution's output before its fused pool */
	char *packed, *workspace;
};

/* Vectors read each weight once per inference: packing gains nothing and would
 * double the memory. */
static bool is_packed(const struct vgg_layer *l)
{
	return l->op == VGG_OP_CONV && l->in.rank == 4;
}

static size_t round_up(size_t n)
{
	return (n + 63) / 64 * 64;
}

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
	const struct vgg_ready_f32 *ready;
	const float *weight;
};

static void pack_block(void *ctx, int worker, size_t block)
{
	const struct pack *p = ctx;

	(void)worker;
	vgg_ready_f32_pack(p->ready, p->weight, (int)block);
}

static int pack_layer(struct vgg_f32 *f, const struct vgg_layer *l,
		      struct vgg_ready_f32 *r)
{
	struct pack p = { .ready = r };
	float *copy;
	int err = as_floats(&l->weight, &p.weight, &copy);

	if (err)
		return err;
	vgg_parallel(f->threads, (size_t)r->c.blocks, pack_block, &p);
	free(copy);
	vgg_file_forget(&f->model->file, l->weight.data,
			l->weight.count * vgg_dtype_bytes(l->weight.dtype));
	return 0;
}

static int pack(struct vgg_f32 *f)
{
	const struct vgg_model *m = f->model;
	char *at = f->packed;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < m->count; i++) {
		struct vgg_ready_f32 *r = &f->ready[i];

		if (!is_packed(&m->layers[i]))
			continue;
		r->c.packed = at;
		at += round_up(r->c.packed_bytes);
		err = pack_layer(f, &m->layers[i], r);
	}
	return err;
}

static int check_weights(const struct vgg_layer *l)
{
	if (l->op != VGG_OP_CONV || l->weight.data)
		return 0;
	return vgg_fail(MODEL_PRECISION, l->name,
			"import the model again with --keep fp32, or "
			"run it with --precision int8",
			"the model file holds no floating-point weights");
}

/* What all layers need: the sum of packed weights, the largest of the rest. */
struct needs {
	int64_t plain, wide; /* floats */
	size_t packed, workspace;
};

static void add_needs(struct vgg_f32 *f, unsigned int i, struct needs *n)
{
	const struct vgg_layer *l = &f->model->layers[i];
	struct vgg_ready_f32 *r = &f->ready[i];
	struct vgg_team team = vgg_team_of(f->threads);
	int64_t plain = vgg_shape_count(&l->out), wide;
	struct vgg_conv_f32 k;
	size_t workspace = 0;

	if (is_packed(l)) {
		k = vgg_f32_conv(l);
		vgg_ready_f32_init(r, f->kernels, &k, vgg_team_cache(&team));
		n->packed += round_up(r->c.packed_bytes);
		workspace = vgg_ready_f32_workspace(r, team.workers);
	}
	wide = vgg_f32_wide(l, is_packed(l) ? r : NULL);
	n->plain = plain > n->plain ? plain : n->plain;
	n->wide = wide > n->wide ? wide : n->wide;
	n->workspace = workspace > n->workspace ? workspace : n->workspace;
}

static int prepare(struct vgg_f32 *f)
{
	const struct vgg_model *m = f->model;
	struct needs n = { .plain = vgg_shape_count(&m->input) };
	unsigned int i;
	int err = 0;

	f->ready = calloc(m->count + 1, sizeof(*f->ready));
	if (!f->ready)
		return vgg_fail_memory("fp32 layers");
	for (i = 0; !err && i < m->count; i++) {
		err = check_weights(&m->layers[i]);
		if (!err)
			add_needs(f, i, &n);
	}
	if (err)
		return err;
	for (i = 0; i < 2; i++)
		f->buffer[i] = vgg_alloc_large((size_t)n.plain * sizeof(float));
	f->output = malloc((size_t)vgg_shape_count(vgg_model_output(m)) *
			   sizeof(float));
	f->wide = vgg_alloc_large((size_t)n.wide * sizeof(float));
	f->packed = vgg_alloc_large(n.packed);
	f->workspace = vgg_alloc_large(n.workspace);
	if (!f->buffer[0] || !f->buffer[1] || !f->output || !f->wide ||
	    !f->packed || !f->workspace)
		return vgg_fail_memory("fp32 weights and activations");
	return pack(f);
}

int vgg_f32_create(const struct vgg_model *m, struct vgg_threads *threads,
		   struct vgg_f32 **out)
{
	struct vgg_f32 *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return vgg_fail_memory("fp32 execution");
	f->model = m;
	f->threads = threads;
	f->kernels = vgg_kernels_best();
	err = prepare(f);
	if (err)
		vgg_f32_free(f);
	else
		*out = f;
	return err;
}

void vgg_f32_free(struct vgg_f32 *f)
{
	if (!f)
		return;
	free(f->ready);
	free(f->packed);
	free(f->workspace);
	free(f->buffer[0]);
	free(f->buffer[1]);
	free(f->output);
	free(f->wide);
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
		VGG_TRACE(FLOAT, i, i + 1);
		struct vgg_f32_step step = {
			.layer = &m->layers[i],
			.ready = &f->ready[i],
			.threads = f->threads,
			.dot = vgg_direct_f32(f->kernels),
			.in = from,
			.out = f->buffer[i % 2],
			.wide = f->wide,
			.workspace = f->workspace,
		};

		vgg_f32_layer(&step);
		from = step.out;
		if (seen)
			seen(ctx, i, from, vgg_shape_count(&m->layers[i].out));
	}
	vgg_to_nchw(vgg_model_output(m), from, f->output);
	return f->output;
}
