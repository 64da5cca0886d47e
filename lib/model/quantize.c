// SPDX-License-Identifier: MIT
/*
 * From fp32 to the integer form of section 5 of vggaccel_hw.h.
 *
 * An activation tensor has one scale and zero point, real = (q - zero) * scale,
 * from calibration or from the imported graph; each output channel of a
 * convolution has a scale of its own for its weights, real = q * ws[k]. With sx
 * and zx of the input, sy and zy of the output, and u, t the scale and shift
 * behind the rectifier (1 and 0 if there are none):
 *
 *	bias   = round(b / (sx ws)) - zx sum(w)	zx leaves the sum, as padding
 *						reads zx and so counts 0
 *	mult / 2^shift = sx ws u / sy
 *	offset = zy + round(t / sy)
 *
 * round(t / sy) is off by up to half a step, for all of a channel alike; the
 * next convolution's bias takes that back (see struct residue). Taps in the
 * padding have no such error, so at the border of an image this corrects a
 * little too much: less than the error it takes from all other pixels.
 *
 * The integer form covers a prefix of the chain. What follows the last integer
 * tensor (softmax) is computed in floating point.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "model/card_limits.h"
#include "model/multiplier.h"
#include "model/quantize.h"
#include "quant/calibrate.h"
#include "util/error.h"

/* The known error of each channel of a tensor, in real units; all 0 mostly, and
 * none where values may be clipped: those have lost it. */
struct residue {
	float *error;
	size_t count; /* channels; 0: no error */
};

struct context {
	struct vgg_model *model;
	const struct vgg_calibration *calibration;
	struct residue residue; /* of the current layer's input */
};

static int32_t round32(double v)
{
	v = floor(v + 0.5);
	return v > INT32_MAX ? INT32_MAX :
	       v < INT32_MIN ? INT32_MIN :
			       (int32_t)v;
}

static void set_clamp(struct vgg_layer *l)
{
	const struct vgg_quant *q = &l->out_q;
	double lo = -128, hi = 127;

	if (l->lo > -INFINITY)
		lo = floor((double)l->lo / q->scale + q->zero + 0.5);
	if (l->hi < INFINITY)
		hi = floor((double)l->hi / q->scale + q->zero + 0.5);
	l->qlo = lo < -128 ? -128 : lo > 127 ? 127 : (int)lo;
	l->qhi = hi > 127 ? 127 : hi < l->qlo ? l->qlo : (int)hi;
	l->qrelu = l->relu;
}

/* Scale and shift of channel c behind the rectifier. */
static void post(const struct vgg_layer *l, size_t c, double *u, double *t)
{
	*u = l->scale.data ? vgg_blob_f32(&l->scale)[c] : 1;
	*t = l->shift.data ? vgg_blob_f32(&l->shift)[c] : 0;
}

/*
 * Fills mult, shift and offset of what is value * factor / divisor in single
 * precision; returns the error that offset leaves. Where a quantised graph gives
 * the scales, each value is the one that a runtime computes like that: a single
 * one beside it makes layers of others.
 */
static float set_output(const struct vgg_layer *l, size_t c, double factor,
			float divisor, struct vgg_qparam *p)
{
	double u, t, exact;

	post(l, c, &u, &t);
	if (l->out_q.pinned && u == 1)
		vgg_multiplier_like((float)factor, divisor, l->out_q.zero, p);
	else
		vgg_multiplier(factor / divisor * u, p);
	exact = t / l->out_q.scale;
	p->offset = round32(l->out_q.zero + floor(exact + 0.5));
	return (float)((floor(exact + 0.5) - exact) * l->out_q.scale);
}

/* The product's scale over the output's, as runtimes divide given ones. */
static double output_factor(const struct vgg_layer *l, double acc_scale)
{
	if (l->out_q.pinned)
		return (double)((float)acc_scale / l->out_q.scale);
	return acc_scale / l->out_q.scale;
}

struct filter {
	const float *w;
	const uint16_t *half; /* in place of w */
	int8_t *q;
	size_t taps;
	double bias;
	int lowest; /* int8 weight */
};

static double weight_at(const struct filter *f, size_t t)
{
	return f->half ? vgg_half_to_float(f->half[t]) : f->w[t];
}

static double largest(const struct filter *f)
{
	double top = 0, v;
	size_t t;

	for (t = 0; t < f->taps; t++) {
		v = fabs(weight_at(f, t));
		top = v <= top ? top : v; /* NaN comes through */
	}
	return top;
}

/* Rounds the filter with scale ws; returns the sum of |q|. */
static int64_t round_filter(const struct filter *f, double ws, int64_t *sum)
{
	int64_t magnitude = 0;
	size_t t;
	double v;

	*sum = 0;
	for (t = 0; t < f->taps; t++) {
		/* Of our own choice -128 is left out: the range is symmetric,
		 * and two products fit 16 bits. Given weights stay. */
		v = floor(weight_at(f, t) / ws + 0.5);
		f->q[t] = (int8_t)(v < f->lowest ? f->lowest :
				   v > 127	 ? 127 :
						   v);
		*sum += f->q[t];
		magnitude += abs(f->q[t]);
	}
	return magnitude;
}

/* Quantises one filter; returns its weight scale. */
static double quantize_filter(const struct filter *f, double sx, int zx,
			      double ws, struct vgg_qparam *p)
{
	int64_t sum, magnitude;
	double bias;

	if (!(ws > 0))
		ws = largest(f) / 127;
	/* A filter of zeros, or one so small that its bias in units of the
	 * accumulator would overflow: a coarser scale. */
	if (!(ws * sx * 0x1p29 > fabs(f->bias)))
		ws = fabs(f->bias) / sx / 0x1p29;
	if (!(ws > 1e-30))
		ws = 1e-30;
	for (;; ws *= 2) {
		magnitude = round_filter(f, ws, &sum);
		bias = floor(f->bias / (sx * ws) + 0.5) -
		       (double)zx * (double)sum;
		if (fabs(bias) + 128.0 * (double)magnitude < VGG_ACC_MAX)
			break;
	}
	p->bias = (int32_t)bias;
	return ws;
}

/* What the input's known error adds to filter k's result. */
static double residue_of(const struct residue *r, const struct filter *f)
{
	double sum = 0;
	size_t t;

	for (t = 0; r->count && t < f->taps; t++)
		sum += weight_at(f, t) * r->error[t % r->count];
	return sum;
}

static int new_residue(struct residue *r, size_t count)
{
	free(r->error);
	r->count = 0;
	r->error = calloc(count, sizeof(*r->error));
	if (!r->error)
		return vgg_fail_memory("quantisation");
	r->count = count;
	return 0;
}

static bool clips(const struct vgg_layer *l)
{
	return l->lo > -INFINITY || l->hi < INFINITY;
}

static void no_residue(struct residue *r)
{
	free(r->error);
	*r = (struct residue){ 0 };
}

static int quantize_conv(struct context *c, struct vgg_layer *l,
			 const struct vgg_quant *in)
{
	size_t n = (size_t)vgg_channels(&l->out), k;
	struct filter f = { .taps = l->weight.count / n };
	struct vgg_qparam *param;
	struct residue next = { 0 };
	int8_t *q;

	if (!l->weight.data)
		return vgg_fail(
			MODEL_PRECISION, l->name, "import the network again",
			"there are no floating-point weights to quantise");
	q = vgg_blob_alloc(&l->qweight, VGG_I8, l->weight.count);
	param = vgg_blob_alloc(&l->qparam, VGG_I32, n * 4);
	if (!q || !param || new_residue(&next, n))
		return -ENOMEM;
	for (k = 0; k < n; k++) {
		double ws = l->weight_scale.data ?
				    vgg_blob_f32(&l->weight_scale)[k] :
				    0;

		f.w = vgg_blob_f32(&l->weight) + k * f.taps;
		f.half = l->weight.dtype == VGG_F16 ?
				 (const uint16_t *)l->weight.data + k * f.taps :
				 NULL;
		f.q = q + k * f.taps;
		f.lowest = ws > 0 ? -128 : -127;
		f.bias = l->bias.data ? vgg_blob_f32(&l->bias)[k] : 0;
		f.bias -= residue_of(&c->residue, &f);
		/* Nothing below ends with a number that is none. */
		if (!isfinite(f.bias) || !isfinite(largest(&f))) {
			free(next.error);
			return vgg_fail(NOT_FINITE, l->name,
					"check the model's weights",
					"weights or bias of output channel %zu "
					"are not finite",
					k);
		}
		ws = quantize_filter(&f, in->scale, in->zero, ws, &param[k]);
		next.error[k] = set_output(
			l, k, output_factor(l, in->scale * ws), 1, &param[k]);
	}
	no_residue(&c->residue);
	c->residue = next;
	if (clips(l))
		no_residue(&c->residue);
	set_clamp(l);
	return 0;
}

static int quantize_affine(struct context *c, struct vgg_layer *l,
			   const struct vgg_quant *in)
{
	size_t n = (size_t)vgg_channels(&l->out), k;
	struct vgg_qparam *param = vgg_blob_alloc(&l->qparam, VGG_I32, n * 4);
	struct residue next = { 0 };
	double u, t;

	if (!param || new_residue(&next, n))
		return -ENOMEM;
	for (k = 0; k < n; k++) {
		param[k].bias = -in->zero;
		next.error[k] =
			set_output(l, k, in->scale, l->out_q.scale, &param[k]);
		post(l, k, &u, &t);
		if (c->residue.count)
			next.error[k] += (float)u *
					 c->residue.error[k % c->residue.count];
	}
	no_residue(&c->residue);
	c->residue = next;
	if (clips(l) || l->relu)
		no_residue(&c->residue);
	set_clamp(l);
	return 0;
}

/* One entry per number of taps inside the image. */
static int quantize_avgpool(struct context *c, struct vgg_layer *l,
			    const struct vgg_quant *in)
{
	int n = l->win.kernel_h * l->win.kernel_w, i;
	struct vgg_qparam *param =
		vgg_blob_alloc(&l->qparam, VGG_I32, (size_t)n * 4);

	(void)c; /* an average keeps its input's constant error */
	if (!param)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		param[i].bias = -in->zero * (i + 1);
		param[i].offset = l->out_q.zero;
		vgg_multiplier((double)in->scale / (l->out_q.scale * (i + 1.0)),
			       &param[i]);
	}
	l->qlo = -128;
	l->qhi = 127;
	return 0;
}

/* The table of struct vgg_lrn_s8. */
static int quantize_lrn(struct context *c, struct vgg_layer *l,
			const struct vgg_quant *in)
{
	int64_t most = (int64_t)l->lrn_size * 255 * 255;
	int32_t *table = vgg_blob_alloc(&l->table, VGG_I32, VGG_LRN_STEPS + 2);
	double s, f;
	int shift = 0, i;

	if (!table)
		return -ENOMEM;
	no_residue(&c->residue);
	while (most >> shift >= VGG_LRN_STEPS)
		shift++;
	table[0] = shift;
	for (i = 0; i <= VGG_LRN_STEPS; i++) {
		s = (double)((int64_t)i << shift) * in->scale * in->scale;
		f = in->scale / l->out_q.scale /
		    pow(l->lrn_bias + l->lrn_alpha / l->lrn_size * s,
			l->lrn_beta);
		table[i + 1] = round32(f * 0x1p24);
	}
	return 0;
}

static int quantize_pad(struct context *c, struct vgg_layer *l,
			const struct vgg_quant *in)
{
	double v = floor(l->pad_value / (double)in->scale + in->zero + 0.5);

	no_residue(&c->residue);
	/* The value padded with; nothing is clamped. */
	l->qlo = v < -128 ? -128 : v > 127 ? 127 : (int)v;
	l->qhi = 127;
	return 0;
}

/* Moves values only: scale, zero point and known error pass through, the error
 * only where channels stay innermost. */
static int quantize_move(struct context *c, struct vgg_layer *l,
			 const struct vgg_quant *in)
{
	(void)in;
	if (l->op == VGG_OP_RESHAPE && !l->keep_order)
		no_residue(&c->residue);
	return 0;
}

typedef int (*quantizer)(struct context *, struct vgg_layer *,
			 const struct vgg_quant *);

static const quantizer quantizers[VGG_OP_COUNT] = {
	[VGG_OP_CONV] = quantize_conv,	     [VGG_OP_AFFINE] = quantize_affine,
	[VGG_OP_AVGPOOL] = quantize_avgpool, [VGG_OP_MAXPOOL] = quantize_move,
	[VGG_OP_RESHAPE] = quantize_move,    [VGG_OP_PAD] = quantize_pad,
	[VGG_OP_LRN] = quantize_lrn,
};

static bool keeps_scale(const struct vgg_layer *l)
{
	return l->op == VGG_OP_MAXPOOL || l->op == VGG_OP_RESHAPE ||
	       l->op == VGG_OP_PAD;
}

static int one_batch(const struct vgg_layer *l)
{
	if (l->in.rank == 3 || (l->in.rank > 1 && l->in.dim[0] != 1))
		return vgg_fail(
			MODEL_UNSUPPORTED, l->name,
			"export the network with a batch of 1",
			"the integer form works on one image at a time");
	return 0;
}

static int quantize_layer(struct context *c, unsigned int i)
{
	struct vgg_layer *l = &c->model->layers[i];
	const struct vgg_quant *in =
		i ? &c->model->layers[i - 1].out_q : &c->model->in_q;
	int err = one_batch(l);

	if (err)
		return err;
	if (keeps_scale(l)) {
		bool pinned = l->out_q.pinned;

		if (pinned &&
		    (l->out_q.scale != in->scale || l->out_q.zero != in->zero))
			return vgg_fail(MODEL_UNSUPPORTED, l->name,
					"import the fp32 network instead",
					"a %s that changes the scale",
					vgg_op_name(l->op));
		l->out_q = *in;
		l->out_q.pinned = pinned;
	} else if (!l->out_q.known) {
		l->out_q = vgg_quant_of(c->calibration->tensors[i + 1].range);
	}
	err = quantizers[l->op](c, l, in);
	l->quantized = !err;
	l->cpu_reason = vgg_card_refusal(l);
	return err;
}

/* The prefix with an integer form: at least one layer with weights. */
static int find_prefix(const struct vgg_model *m, unsigned int *count)
{
	const struct vgg_layer *l = m->layers;
	bool weights = false;
	unsigned int i;

	for (i = 0; i < m->count && quantizers[l[i].op]; i++)
		weights |= l[i].op == VGG_OP_CONV;
	*count = i;
	if (!weights)
		return vgg_fail(MODEL_UNSUPPORTED, m->source,
				"run it with --precision fp32",
				"the network has no convolution or fully "
				"connected layer to quantise");
	return 0;
}

int vgg_quantize_check(struct vgg_model *m)
{
	unsigned int before = m->integer_layers, prefix, i;
	int err = find_prefix(m, &prefix);

	for (i = 0; !err && i < m->count; i++)
		if (m->layers[i].op == VGG_OP_CONV && !m->layers[i].weight.data)
			err = vgg_fail(MODEL_PRECISION, m->layers[i].name,
				       "import the network again",
				       "there are no floating-point weights to "
				       "quantise");
	if (err)
		return err;
	m->integer_layers = prefix;
	err = vgg_model_check_tail(m);
	m->integer_layers = before;
	return err;
}

void vgg_quantize_forget(struct vgg_model *m)
{
	unsigned int i;

	m->integer_layers = 0;
	if (!m->in_q.pinned)
		m->in_q.known = false;
	for (i = 0; i < m->count; i++) {
		struct vgg_layer *l = &m->layers[i];

		vgg_blob_free(&l->qweight);
		vgg_blob_free(&l->qparam);
		vgg_blob_free(&l->table);
		l->quantized = false;
		l->cpu_reason = NULL;
		if (!l->out_q.pinned)
			l->out_q.known = false;
	}
}

bool vgg_quantize_is_given(const struct vgg_model *m)
{
	bool known = m->in_q.pinned;
	unsigned int i;

	for (i = 0; known && i < m->count && quantizers[m->layers[i].op]; i++)
		known = m->layers[i].out_q.pinned || keeps_scale(&m->layers[i]);
	return known;
}

int vgg_quantize_layers(struct vgg_model *m,
			const struct vgg_calibration *calibration)
{
	struct context c = { .model = m, .calibration = calibration };
	unsigned int prefix, i;
	int err = find_prefix(m, &prefix);

	vgg_quantize_forget(m);
	if (!err && !m->in_q.pinned)
		m->in_q = vgg_quant_of(calibration->tensors[0].range);
	for (i = 0; !err && i < prefix; i++)
		err = quantize_layer(&c, i);
	if (!err)
		m->integer_layers = prefix;
	else
		vgg_quantize_forget(m);
	no_residue(&c.residue);
	return err;
}
