// SPDX-License-Identifier: MIT
/* See net.h. */
#include "net.h"

#include <math.h>

#include "util/error.h"
#include "vgg_harness.h"

static float uniform(uint64_t *seed, double bound)
{
	return (float)(bound *
		       ((double)(test_random(seed) >> 11) * 0x1p-52 - 1));
}

static void fill(struct vgg_blob *b, size_t n, double bound, uint64_t *seed)
{
	float *to = vgg_blob_alloc(b, VGG_F32, n);
	size_t i;

	if (!to)
		abort();
	for (i = 0; i < n; i++)
		to[i] = uniform(seed, bound);
}

void net_fill(struct vgg_blob *b, size_t n, float lo, float hi, uint64_t *seed)
{
	float *to = vgg_blob_alloc(b, VGG_F32, n);
	size_t i;

	if (!to)
		abort();
	for (i = 0; i < n; i++)
		to[i] = lo +
			(hi - lo) * (float)test_random_in(seed, 0, 4095) / 4095;
}

static struct vgg_layer *add(struct vgg_model *m, enum vgg_op op)
{
	char name[32];
	struct vgg_layer *l;

	snprintf(name, sizeof(name), "%s_%u", vgg_op_name(op), m->count);
	l = vgg_model_add(m, op, name);
	if (!l)
		abort();
	return l;
}

/* Takes the layer back if it doesn't fit what is there. */
static bool settle(struct vgg_model *m)
{
	if (!vgg_layer_infer(&m->layers[m->count - 1]))
		return true;
	vgg_model_remove(m, m->count - 1);
	return false;
}

static void random_window(struct vgg_window *w, int most, int stride,
			  uint64_t *seed)
{
	w->kernel_h = (int)test_random_in(seed, 1, most);
	w->kernel_w = (int)test_random_in(seed, 1, most);
	w->stride_h = (int)test_random_in(seed, 1, stride);
	w->stride_w = (int)test_random_in(seed, 1, stride);
	w->pad_top = (int)test_random_in(seed, 0, w->kernel_h - 1);
	w->pad_left = (int)test_random_in(seed, 0, w->kernel_w - 1);
	w->pad_bottom = (int)test_random_in(seed, 0, w->kernel_h - 1);
	w->pad_right = (int)test_random_in(seed, 0, w->kernel_w - 1);
}

static void add_conv(struct vgg_model *m, int out_c, uint64_t *seed)
{
	struct vgg_layer *l = add(m, VGG_OP_CONV);
	size_t taps;

	if (l->in.rank == 4)
		random_window(&l->win, test_random(seed) % 6 ? 3 : 6, 2, seed);
	taps = (size_t)(l->win.kernel_h * l->win.kernel_w) *
	       (size_t)vgg_channels(&l->in);
	fill(&l->weight, taps * (size_t)out_c, sqrt(6.0 / (double)taps), seed);
	if (test_random(seed) % 4)
		fill(&l->bias, (size_t)out_c, 0.3, seed);
	settle(m);
}

static void add_relu(struct vgg_model *m, uint64_t *seed)
{
	struct vgg_layer *l = add(m, VGG_OP_AFFINE);

	l->lo = 0;
	if (test_random(seed) % 4 == 0)
		l->hi = 2;
	settle(m);
}

static void add_norm(struct vgg_model *m, uint64_t *seed)
{
	struct vgg_layer *l = add(m, VGG_OP_AFFINE);
	size_t n = (size_t)vgg_channels(&l->in);

	fill(&l->scale, n, 1.5, seed);
	fill(&l->shift, n, 0.5, seed);
	settle(m);
}

static void add_pool(struct vgg_model *m, uint64_t *seed)
{
	bool average = test_random(seed) % 3 == 0;
	struct vgg_layer *l = add(m, average ? VGG_OP_AVGPOOL : VGG_OP_MAXPOOL);

	random_window(&l->win, test_random(seed) % 4 ? 2 : 4, 2, seed);
	l->exclude_pad = average && test_random(seed) & 1;
	settle(m);
}

static void add_lrn(struct vgg_model *m)
{
	struct vgg_layer *l = add(m, VGG_OP_LRN);

	l->lrn_size = 5;
	l->lrn_alpha = 0.5f;
	l->lrn_beta = 0.75f;
	l->lrn_bias = 1;
	settle(m);
}

static void add_pad(struct vgg_model *m, uint64_t *seed)
{
	struct vgg_layer *l = add(m, VGG_OP_PAD);

	l->win.pad_top = (int)test_random_in(seed, 0, 2);
	l->win.pad_right = (int)test_random_in(seed, 0, 2);
	l->pad_value = test_random(seed) & 1 ? 0.0f : 0.5f;
	settle(m);
}

static void add_flatten(struct vgg_model *m)
{
	struct vgg_layer *l = add(m, VGG_OP_RESHAPE);

	l->out.rank = 2;
	l->out.dim[0] = 1;
	l->out.dim[1] = vgg_shape_count(&l->in);
	settle(m);
}

static void add_softmax(struct vgg_model *m)
{
	struct vgg_layer *l = add(m, VGG_OP_SOFTMAX);

	l->axis = l->in.rank - 1;
	settle(m);
}

static struct vgg_model *new_net(int channels, int h, int w)
{
	struct vgg_model *m = vgg_model_new();
	int c;

	if (!m)
		abort();
	m->name = strdup("net");
	m->source = strdup("test");
	m->input = (struct vgg_shape){ 4, { 1, channels, h, w } };
	m->preprocess = (struct vgg_preprocess){
		.resize = h < w ? h : w,
		.crop_w = w,
		.crop_h = h,
		.channels = channels,
	};
	for (c = 0; c < channels; c++) {
		m->preprocess.mean[c] = 0.5f;
		m->preprocess.std[c] = 0.25f;
	}
	return m;
}

static void finish(struct vgg_model *m)
{
	if (vgg_model_fold(m)) {
		test_fail(__FILE__, __LINE__, "fold: %s: %s",
			  vgg_error_last()->where, vgg_error_last()->what);
		TEST_END_;
	}
}

struct vgg_model *net_random(uint64_t *seed)
{
	struct vgg_model *m = new_net(test_random(seed) & 1 ? 3 : 1,
				      (int)test_random_in(seed, 8, 24),
				      (int)test_random_in(seed, 8, 24));
	int n = (int)test_random_in(seed, 1, 6), i;

	for (i = 0; i < n; i++) {
		add_conv(m, (int)test_random_in(seed, 1, 24), seed);
		if (test_random(seed) % 4)
			add_relu(m, seed);
		if (test_random(seed) % 3 == 0)
			add_norm(m, seed);
		if (test_random(seed) % 2)
			add_pool(m, seed);
		if (test_random(seed) % 8 == 0)
			add_lrn(m);
		if (test_random(seed) % 8 == 0)
			add_pad(m, seed);
	}
	add_flatten(m);
	if (test_random(seed) % 4 == 0) /* keeps the flatten from folding */
		add_norm(m, seed);
	add_conv(m, (int)test_random_in(seed, 2, 40), seed);
	if (test_random(seed) & 1) {
		add_relu(m, seed);
		add_conv(m, 10, seed);
	}
	if (test_random(seed) & 1)
		add_softmax(m);
	finish(m);
	return m;
}

struct vgg_model *net_wide(uint64_t *seed)
{
	struct vgg_model *m = new_net(3, (int)test_random_in(seed, 12, 24),
				      (int)test_random_in(seed, 4, 6) * 4);
	int n = (int)test_random_in(seed, 2, 5), i;

	for (i = 0; i < n; i++) {
		add_conv(m, 16 << test_random(seed) % 4, seed);
		if (test_random(seed) % 4)
			add_relu(m, seed);
		if (test_random(seed) % 4 == 0)
			add_norm(m, seed);
		if (test_random(seed) % 3 == 0)
			add_pool(m, seed);
	}
	add_flatten(m);
	for (i = 0; i < 2; i++) {
		add_conv(m, (int)test_random_in(seed, 1, 3) * 64 + 8 * i, seed);
		add_relu(m, seed);
	}
	add_conv(m, 10, seed);
	finish(m);
	return m;
}

struct vgg_model *net_small(uint64_t *seed)
{
	struct vgg_model *m = new_net(3, 8, 8);
	struct vgg_layer *l = add(m, VGG_OP_CONV);

	l->win.kernel_h = l->win.kernel_w = 3;
	fill(&l->weight, 3 * 3 * 3 * 4, 0.5, seed);
	fill(&l->bias, 4, 0.5, seed);
	settle(m);
	add_relu(m, seed);
	add_norm(m, seed);
	l = add(m, VGG_OP_MAXPOOL);
	l->win.kernel_h = l->win.kernel_w = 2;
	l->win.stride_h = l->win.stride_w = 2;
	settle(m);
	add_flatten(m);
	add_conv(m, 5, seed);
	add_softmax(m);
	finish(m);
	return m;
}

void net_quantize(struct vgg_model *m)
{
	struct vgg_quantize_options o = VGG_INIT(o);

	o.threads = 1;
	if (vgg_model_quantize(m, &o)) {
		test_fail(__FILE__, __LINE__, "quantize: %s: %s",
			  vgg_error_last()->where, vgg_error_last()->what);
		TEST_END_;
	}
}

float *net_input(const struct vgg_model *m, uint64_t *seed)
{
	size_t n = (size_t)vgg_shape_count(&m->input), i;
	float *x = malloc(n * sizeof(*x));

	if (!x)
		abort();
	for (i = 0; i < n; i++)
		x[i] = uniform(seed, 2);
	return x;
}
