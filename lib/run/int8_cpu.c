// SPDX-License-Identifier: MIT
/* Integer layers on the CPU: each cut into tasks for the threads. */
#include <stdlib.h>
#include <string.h>

#include "run/int8_parts.h"
#include "run/team.h"
#include "util/error.h"

/* The input's zero point: what padding reads. */
static int in_zero(const struct vgg_int8 *x, unsigned int layer)
{
	const struct vgg_model *m = x->net->o.model;

	return layer ? m->layers[layer - 1].out_q.zero : m->in_q.zero;
}

/* Without data of input and output. */
static struct vgg_conv_s8 conv_of(const struct vgg_int8 *x, unsigned int i)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];

	return (struct vgg_conv_s8){
		.in = vgg_image_of(&l->in, NULL),
		.out = vgg_image_of(&l->out, NULL),
		.win = l->win,
		.pool = l->pool,
		.has_pool = l->has_pool,
		.relu = l->qrelu,
		.weight = l->qweight.data,
		.param = l->qparam.data,
		.pad_value = in_zero(x, i),
		.lo = l->qlo,
		.hi = l->qhi,
	};
}

static unsigned int processor_of(const struct vgg_int8 *x, unsigned int i)
{
	return x->net->o.clusters ? x->net->o.plan->layers[i].processor : 0;
}

struct vgg_threads *vgg_int8_threads(const struct vgg_int8 *x, unsigned int i)
{
	unsigned int processor = processor_of(x, i);

	return processor ? x->net->o.clusters[processor - 1] :
			   x->net->o.threads;
}

static void run_conv(const struct vgg_int8 *x, unsigned int i,
		     const struct vgg_conv_range *share)
{
	const struct vgg_team team = vgg_team_of(vgg_int8_threads(x, i));

	vgg_ready_s8_run(&x->net->ready[i], x->tensors[i].cpu,
			 x->tensors[i + 1].cpu, share, &team,
			 x->net->workspace[processor_of(x, i)]);
}

/* A job's tasks: rows x channels, in steps. */
struct tasks {
	const struct vgg_int8 *x;
	struct vgg_threads *threads;
	int rows, channels;	    /* in all */
	int row_step, channel_step; /* of a task */
	int across;		    /* tasks per row of tasks */
	union {
		struct vgg_pool_s8 pool;
		struct vgg_affine_s8 affine;
		struct vgg_lrn_s8 lrn;
	};
};

struct part {
	int row0, row1, c0, c1;
};

static struct part part_of(const struct tasks *t, size_t task)
{
	struct part p;

	p.row0 = (int)(task / (size_t)t->across) * t->row_step;
	p.c0 = (int)(task % (size_t)t->across) * t->channel_step;
	p.row1 =
		p.row0 + t->row_step < t->rows ? p.row0 + t->row_step : t->rows;
	p.c1 = p.c0 + t->channel_step < t->channels ? p.c0 + t->channel_step :
						      t->channels;
	return p;
}

/* Rows where there are enough, else channels; returns how many tasks. */
static size_t divide(struct tasks *t, const struct vgg_image_s8 *out)
{
	int want = vgg_threads_count(t->threads) * VGG_TASKS_PER_THREAD;

	t->rows = out->h;
	t->channels = out->c;
	if (want == VGG_TASKS_PER_THREAD)
		want = 1;
	if (out->h >= want) {
		t->row_step = (out->h + want - 1) / want;
		t->channel_step = out->c;
	} else {
		t->row_step = out->h;
		t->channel_step = ((out->c + want - 1) / want + 15) / 16 * 16;
	}
	t->across = (out->c + t->channel_step - 1) / t->channel_step;
	return (size_t)t->across *
	       (size_t)((out->h + t->row_step - 1) / t->row_step);
}

static void pool_task(void *ctx, int worker, size_t task)
{
	struct tasks *t = ctx;
	struct part p = part_of(t, task);

	(void)worker;
	t->x->net->kernels->pool(&t->pool, p.row0, p.row1, p.c0, p.c1);
}

static void run_pool(struct tasks *t, const struct vgg_int8 *x, unsigned int i)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];

	t->pool = (struct vgg_pool_s8){
		.in = vgg_image_of(&l->in, x->tensors[i].cpu),
		.out = vgg_image_of(&l->out, x->tensors[i + 1].cpu),
		.win = l->win,
		.average = l->op == VGG_OP_AVGPOOL,
		.exclude_pad = l->exclude_pad,
		.param = l->qparam.data,
		.pad_value = in_zero(x, i),
		.lo = l->qlo,
		.hi = l->qhi,
	};
	vgg_parallel(t->threads, divide(t, &t->pool.out), pool_task, t);
}

static void affine_task(void *ctx, int worker, size_t row)
{
	struct tasks *t = ctx;

	(void)worker;
	t->x->net->kernels->affine(&t->affine, (int)row, (int)row + 1);
}

static void run_affine(struct tasks *t, const struct vgg_int8 *x,
		       unsigned int i)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];

	t->affine = (struct vgg_affine_s8){
		.in = vgg_image_of(&l->in, x->tensors[i].cpu),
		.out = vgg_image_of(&l->out, x->tensors[i + 1].cpu),
		.param = l->qparam.data,
		.relu = l->qrelu,
		.lo = l->qlo,
		.hi = l->qhi,
	};
	vgg_parallel(t->threads, (size_t)t->affine.out.h, affine_task, t);
}

static void lrn_task(void *ctx, int worker, size_t row)
{
	struct tasks *t = ctx;

	(void)worker;
	t->x->net->kernels->lrn(&t->lrn, (int)row, (int)row + 1);
}

static void run_lrn(struct tasks *t, const struct vgg_int8 *x, unsigned int i)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];

	t->lrn = (struct vgg_lrn_s8){
		.in = vgg_image_of(&l->in, x->tensors[i].cpu),
		.out = vgg_image_of(&l->out, x->tensors[i + 1].cpu),
		.table = l->table.data,
		.size = l->lrn_size,
		.in_zero = in_zero(x, i),
		.out_zero = l->out_q.zero,
	};
	vgg_parallel(t->threads, (size_t)t->lrn.out.h, lrn_task, t);
}

static void run_pad(const struct vgg_int8 *x, unsigned int i)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];
	struct vgg_image_s8 in = vgg_image_of(&l->in, x->tensors[i].cpu);
	struct vgg_image_s8 out = vgg_image_of(&l->out, x->tensors[i + 1].cpu);
	int y;

	memset(out.data, l->qlo, x->tensors[i + 1].bytes);
	for (y = 0; y < in.h; y++)
		memcpy(out.data + (size_t)(y + l->win.pad_top) * out.pitch +
			       (size_t)l->win.pad_left * out.pixel,
		       in.data + (size_t)y * in.pitch, in.pitch);
}

/* Where element i (in logical order) lies. */
static size_t place(const struct vgg_shape *s, size_t i)
{
	size_t pixels, c;

	if (s->rank != 4)
		return i;
	pixels = (size_t)(s->dim[2] * s->dim[3]);
	c = i / pixels;
	return i % pixels * (size_t)s->dim[1] + c;
}

static void run_reshape(const struct vgg_int8 *x, unsigned int i)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];
	const int8_t *from = x->tensors[i].cpu;
	int8_t *to = x->tensors[i + 1].cpu;
	size_t n = x->tensors[i].bytes, k;

	for (k = 0; k < n; k++)
		to[place(&l->out, k)] = from[place(&l->in, k)];
}

void vgg_int8_run_cpu(struct vgg_int8 *x, unsigned int i,
		      const struct vgg_conv_range *share)
{
	struct tasks t = { .x = x, .threads = vgg_int8_threads(x, i) };

	switch (x->net->o.model->layers[i].op) {
	case VGG_OP_CONV:
		run_conv(x, i, share);
		break;
	case VGG_OP_MAXPOOL:
	case VGG_OP_AVGPOOL:
		run_pool(&t, x, i);
		break;
	case VGG_OP_AFFINE:
		run_affine(&t, x, i);
		break;
	case VGG_OP_LRN:
		run_lrn(&t, x, i);
		break;
	case VGG_OP_PAD:
		run_pad(x, i);
		break;
	default:
		run_reshape(x, i);
	}
}

static bool convolves_here(const struct vgg_int8 *x, unsigned int i)
{
	return x->net->o.model->layers[i].op == VGG_OP_CONV &&
	       x->net->shares[i].where != VGG_ON_CARD;
}

static size_t round_up(size_t n)
{
	return (n + 63) / 64 * 64;
}

static void pack_block(void *ctx, int worker, size_t b)
{
	(void)worker;
	vgg_ready_s8_pack(ctx, (int)b);
}

/* All packed weights lie in one piece, so that no room is lost between them.
 * What they were packed from is not needed any more, but for products, which use
 * it where it is. */
static void pack(struct vgg_int8 *x)
{
	const struct vgg_model *m = x->net->o.model;
	char *at = x->net->packed;
	unsigned int i;

	for (i = 0; i < m->integer_layers; i++) {
		struct vgg_ready_s8 *r = &x->net->ready[i];
		size_t blocks;

		if (!convolves_here(x, i) || !r->c.packed_bytes)
			continue;
		r->c.packed = at;
		at += round_up(r->c.packed_bytes);
		/* The first puts down what all need. */
		blocks = (size_t)vgg_ready_s8_blocks(r);
		vgg_parallel(x->net->o.threads, blocks, pack_block, r);
		if (r->way != VGG_WAY_DOT)
			vgg_file_forget(&m->file, r->k.weight,
					m->layers[i].qweight.count);
	}
}

/* Which way layer i goes, with the threads that compute it. */
static void init_conv(struct vgg_int8 *x, unsigned int i, size_t *packed,
		      size_t *workspace)
{
	const struct vgg_team team = vgg_team_of(vgg_int8_threads(x, i));
	struct vgg_ready_s8 *r = &x->net->ready[i];
	struct vgg_conv_s8 k = conv_of(x, i);
	size_t need;

	vgg_ready_s8_init(r, x->net->kernels, &k, vgg_team_cache(&team));
	*packed += round_up(r->c.packed_bytes);
	need = vgg_ready_s8_workspace(r, team.workers);
	workspace += processor_of(x, i);
	*workspace = need > *workspace ? need : *workspace;
}

/* Which way each convolution goes, its weights, and a workspace for all of a
 * processor. */
int vgg_int8_prepare_cpu(struct vgg_int8 *x)
{
	const struct vgg_model *m = x->net->o.model;
	size_t most[VGG_PROCESSORS_MAX] = { 0 }, packed = 0;
	struct vgg_int8_net *net = x->net;
	unsigned int i;

	net->ready = calloc(m->integer_layers + 1, sizeof(*net->ready));
	if (!net->ready)
		return vgg_fail_memory("layers of the CPU");
	for (i = 0; i < m->integer_layers; i++)
		if (convolves_here(x, i))
			init_conv(x, i, &packed, most);
	net->packed = vgg_alloc_large(packed);
	if (!net->packed)
		return vgg_fail_memory("the CPU's packed weights");
	for (i = 0; i < VGG_PROCESSORS_MAX; i++) {
		net->workspace[i] = vgg_alloc_large(most[i]);
		if (!net->workspace[i])
			return vgg_fail_memory("the CPU's workspace");
	}
	pack(x);
	return 0;
}

void vgg_int8_release_cpu(struct vgg_int8_net *net)
{
	unsigned int i;

	free(net->ready);
	free(net->packed);
	for (i = 0; i < VGG_PROCESSORS_MAX; i++)
		free(net->workspace[i]);
}
