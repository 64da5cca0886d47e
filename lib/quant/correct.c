// SPDX-License-Identifier: MIT
/*
 * Empirical bias correction, after Nagel et al. (see equalize.c): rounded weights
 * and clipped activations shift the mean of an output channel, for all pixels alike;
 * the bias takes that back. Layer after layer, each seeing what the corrected layers
 * before it pass on.
 *
 * The mean of a convolution over samples and pixels is the convolution of the means:
 * of channel k it is b[k] + sum over taps t of w[k][t] * mean(x at t), the mean over
 * all pixels' windows and samples of what tap t reads. So all that is needed of the
 * inputs is their sum over the samples, in fp32 and in int8; and the integer bias
 * that gives the accumulator the mean of fp32 follows directly, in units of the
 * accumulator, ua = sx ws:
 *
 *	bias = round((b + sum w * mean(x)) / ua - sum q * mean(qx))
 *
 * That makes the accumulator's squared error smaller, but not always the output's:
 * where few values are clipped by much, all others are moved to make up for them. So
 * a layer's new biases are kept only if they bring the network's output nearer to
 * fp32 on the samples.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "model/quantize.h"
#include "quant/bench.h"
#include "quant/correct.h"
#include "run/f32.h"
#include "util/error.h"

struct correction {
	struct vgg_model *model;
	struct vgg_samples *samples;
	struct vgg_bench bench;
	struct vgg_f32 *f32;
	float *input;
	double **sum;  /* over the samples, of the fp32 input of each CONV */
	double *sum_q; /* of the current one's int8 input */
	float *output; /* fp32's last tensor that has an integer form, by sample */
	unsigned int sample;
};

static bool corrected(const struct vgg_model *m, unsigned int i)
{
	return i < m->integer_layers && m->layers[i].op == VGG_OP_CONV;
}

static size_t elements(const struct vgg_layer *l)
{
	return (size_t)vgg_shape_count(&l->in);
}

static void add_floats(struct correction *c, unsigned int layer,
		       const float *data)
{
	size_t n, i;

	if (!corrected(c->model, layer))
		return;
	n = elements(&c->model->layers[layer]);
	for (i = 0; i < n; i++)
		c->sum[layer][i] += (double)data[i];
}

static void seen(void *ctx, unsigned int layer, const float *data,
		 int64_t count)
{
	struct correction *c = ctx;

	add_floats(c, layer + 1, data);
	if (layer + 1 == c->model->integer_layers)
		memcpy(c->output + c->sample * (size_t)count, data,
		       (size_t)count * sizeof(*data));
}

static int sum_floats(struct correction *c)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < c->samples->count; i++) {
		err = vgg_samples_read(c->samples, i, c->input);
		if (err)
			return err;
		c->sample = i;
		add_floats(c, 0, c->input);
		vgg_f32_run(c->f32, c->input, seen, c);
		err = vgg_samples_tell(c->samples, "bias correction, fp32",
				       i + 1);
	}
	return err;
}

/* A sample's first so many layers. */
static int run_bytes(struct correction *c, unsigned int sample,
		     unsigned int layers)
{
	int err = vgg_samples_read(c->samples, sample, c->input);
	unsigned int i;

	if (err)
		return err;
	vgg_bench_round(&c->model->in_q, c->input, c->samples->elements,
			vgg_bench_tensor(c->bench.x, 0));
	for (i = 0; i < layers; i++)
		vgg_bench_run_layer(c->bench.x, i);
	return 0;
}

/* The int8 input of a layer, with the layers before it as they are now. */
static int sum_bytes(struct correction *c, unsigned int layer)
{
	const struct vgg_model *m = c->model;
	size_t n = elements(&m->layers[layer]), k;
	const int8_t *from = vgg_bench_tensor(c->bench.x, layer);
	unsigned int i;
	int err = 0;

	for (k = 0; k < n; k++)
		c->sum_q[k] = 0;
	for (i = 0; !err && i < c->samples->count; i++) {
		err = run_bytes(c, i, layer);
		for (k = 0; !err && k < n; k++)
			c->sum_q[k] += from[k];
		if (!err)
			err = vgg_samples_tell(c->samples,
					       "bias correction, int8", i + 1);
	}
	return err;
}

/* What a tap reads of sum, added up over all pixels that the convolution computes;
 * outside of the image it reads pad. */
static double under_tap(const struct vgg_layer *l, const double *sum,
			double pad, int ky, int kx, size_t channel)
{
	int64_t in_h = 1, in_w = 1, h = 1, w = 1, y, x;
	size_t channels = (size_t)vgg_channels(&l->in);
	double all = 0;

	if (l->in.rank == 4) {
		in_h = l->in.dim[2];
		in_w = l->in.dim[3];
		vgg_conv_size(l, &h, &w);
	}
	for (y = 0; y < h; y++)
		for (x = 0; x < w; x++) {
			int64_t iy = y * l->win.stride_h - l->win.pad_top + ky;
			int64_t ix = x * l->win.stride_w - l->win.pad_left + kx;
			bool inside =
				iy >= 0 && iy < in_h && ix >= 0 && ix < in_w;

			all += inside ?
				       sum[(size_t)(iy * in_w + ix) * channels +
					   channel] :
				       pad;
		}
	return all / (double)(h * w);
}

/* mean[t] of what each tap of a filter reads. */
static void find_means(const struct correction *c, const struct vgg_layer *l,
		       const double *sum, double pad, double *mean)
{
	size_t channels = (size_t)vgg_channels(&l->in), k;
	double n = c->samples->count;
	int ky, kx;

	for (ky = 0; ky < l->win.kernel_h; ky++)
		for (kx = 0; kx < l->win.kernel_w; kx++)
			for (k = 0; k < channels; k++)
				*mean++ =
					under_tap(l, sum, pad * n, ky, kx, k) /
					n;
}

/* The scale of the accumulator, sx ws, from mult / 2^shift = sx ws u / sy; 0 if the
 * channel has none. */
static double accumulator_scale(const struct vgg_layer *l, size_t k,
				const struct vgg_qparam *p)
{
	double u = l->scale.data ? (double)vgg_blob_f32(&l->scale)[k] : 1;

	/* Of too few bits: one that saturates, or rounds everything away. */
	if (u == 0 || abs(p->mult) < 1 << 24 || p->shift <= 1)
		return 0;
	return ldexp(p->mult, -p->shift) * (double)l->out_q.scale / u;
}

static double weight_at(const struct vgg_blob *b, size_t i)
{
	return b->dtype == VGG_F16 ? (double)vgg_half_to_float(
					     ((const uint16_t *)b->data)[i]) :
				     (double)vgg_blob_f32(b)[i];
}

static void correct_channel(const struct vgg_layer *l, size_t k,
			    const double *mean, const double *mean_q,
			    struct vgg_qparam *p)
{
	size_t taps = l->weight.count / (size_t)vgg_channels(&l->out), t;
	double want = l->bias.data ? (double)vgg_blob_f32(&l->bias)[k] : 0;
	double unit = accumulator_scale(l, k, p), have = 0, magnitude = 0, bias;
	const int8_t *q = (const int8_t *)l->qweight.data + k * taps;

	if (!(unit > 0))
		return;
	for (t = 0; t < taps; t++) {
		want += weight_at(&l->weight, k * taps + t) * mean[t];
		have += q[t] * mean_q[t];
		magnitude += abs(q[t]);
	}
	bias = floor(want / unit - have + 0.5);
	if (fabs(bias) + 128 * magnitude < VGG_ACC_MAX)
		p->bias = (int32_t)bias;
}

static int correct_layer(struct correction *c, unsigned int i)
{
	struct vgg_layer *l = &c->model->layers[i];
	const struct vgg_quant *in =
		i ? &c->model->layers[i - 1].out_q : &c->model->in_q;
	size_t n = (size_t)vgg_channels(&l->out), taps = l->weight.count / n, k;
	double *mean = malloc(2 * taps * sizeof(*mean));
	struct vgg_qparam *p = (struct vgg_qparam *)l->qparam.data;
	int err = mean ? sum_bytes(c, i) : vgg_fail_memory("bias correction");

	if (!err) {
		find_means(c, l, c->sum[i], 0, mean);
		find_means(c, l, c->sum_q, in->zero, mean + taps);
	}
	for (k = 0; !err && k < n; k++)
		correct_channel(l, k, mean, mean + taps, &p[k]);
	free(mean);
	return err;
}

/* The output of all samples against fp32's. */
static int find_noise(struct correction *c, double *noise)
{
	const struct vgg_model *m = c->model;
	const struct vgg_layer *last = &m->layers[m->integer_layers - 1];
	size_t n = (size_t)vgg_shape_count(&last->out), k;
	const int8_t *y = vgg_bench_tensor(c->bench.x, m->integer_layers);
	const float *x = c->output;
	unsigned int i;
	int err = 0;
	double d;

	*noise = 0;
	for (i = 0; !err && i < c->samples->count; i++) {
		err = run_bytes(c, i, m->integer_layers);
		for (k = 0; !err && k < n; k++) {
			d = (double)*x++ - (y[k] - last->out_q.zero) *
						   (double)last->out_q.scale;
			*noise += d * d;
		}
	}
	return err;
}

static void put_biases(struct vgg_layer *l, const int32_t *bias)
{
	struct vgg_qparam *p = (struct vgg_qparam *)l->qparam.data;
	size_t n = (size_t)vgg_channels(&l->out), k;

	for (k = 0; k < n; k++)
		p[k].bias = bias[k];
}

/* Kept if the noise falls. */
static int try_layer(struct correction *c, unsigned int i, double *noise,
		     unsigned int *kept)
{
	struct vgg_layer *l = &c->model->layers[i];
	const struct vgg_qparam *p = l->qparam.data;
	size_t n = (size_t)vgg_channels(&l->out), k;
	int32_t *old = malloc(n * sizeof(*old));
	double now = INFINITY;
	int err;

	if (!old)
		return vgg_fail_memory("bias correction");
	for (k = 0; k < n; k++)
		old[k] = p[k].bias;
	err = correct_layer(c, i);
	if (!err)
		err = find_noise(c, &now);
	if (!err && now < *noise) {
		*noise = now;
		++*kept;
	} else {
		put_biases(l, old);
	}
	free(old);
	return err;
}

static int prepare(struct correction *c, struct vgg_threads *threads)
{
	const struct vgg_model *m = c->model;
	unsigned int i;
	size_t most = 1, n;
	int err = vgg_bench_open(&c->bench, m, NULL, threads);

	if (!err)
		err = vgg_f32_create(m, threads, &c->f32);
	if (err)
		return err;
	c->input = malloc(c->samples->elements * sizeof(*c->input));
	c->sum = calloc(m->count + 1, sizeof(*c->sum));
	for (i = 0; c->sum && i < m->count; i++) {
		if (!corrected(m, i))
			continue;
		n = elements(&m->layers[i]);
		most = n > most ? n : most;
		c->sum[i] = calloc(n, sizeof(**c->sum));
		if (!c->sum[i])
			return vgg_fail_memory("bias correction");
	}
	c->sum_q = malloc(most * sizeof(*c->sum_q));
	n = (size_t)vgg_shape_count(&m->layers[m->integer_layers - 1].out);
	c->output = malloc(c->samples->count * n * sizeof(*c->output));
	return c->input && c->sum && c->sum_q && c->output ?
		       0 :
		       vgg_fail_memory("bias correction");
}

int vgg_bias_correct(struct vgg_model *m, struct vgg_samples *s,
		     struct vgg_threads *threads, unsigned int *kept)
{
	struct correction c = { .model = m, .samples = s };
	unsigned int i;
	double noise;
	int err = prepare(&c, threads);

	*kept = 0;
	if (!err)
		err = sum_floats(&c);
	if (!err)
		err = find_noise(&c, &noise);
	for (i = 0; !err && i < m->integer_layers; i++)
		if (corrected(m, i))
			err = try_layer(&c, i, &noise, kept);
	for (i = 0; c.sum && i < m->count; i++)
		free(c.sum[i]);
	free(c.sum);
	free(c.sum_q);
	free(c.output);
	free(c.input);
	vgg_f32_free(c.f32);
	vgg_bench_close(&c.bench);
	return err;
}
