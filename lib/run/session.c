// SPDX-License-Identifier: MIT
/*
 * Sessions: image or tensor in, output and hash out. An image becomes the input
 * tensor by one table look-up per byte; a given tensor takes the same values,
 * so both ways give the same bytes.
 */
#include <errno.h>
#include <math.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "image/image.h"
#include "kernels/kernels.h"
#include "plan/plan_json.h"
#include "run/f32.h"
#include "run/f32_ops.h"
#include "run/int8.h"
#include "run/session.h"
#include "trace/trace.h"
#include "util/error.h"

struct vgg_session {
	const struct vgg_model *model;
	const struct vgg_session *first; /* whose plan and weights it uses */
	struct vgg_threads *threads;
	struct vgg_threads *own_threads; /* to be freed; or NULL */
	struct vgg_plan plan;
	struct vgg_int8 *int8; /* one of the two */
	struct vgg_f32 *f32;
	float *input;		  /* f32: in memory order */
	float *tail[2];		  /* int8: what follows the integer layers */
	float *output;		  /* int8: in logical order */
	struct vgg_trace *trace;  /* NULL: none */
	bool attached;		  /* it has this session's plan */
	unsigned int lane, image; /* of the trace; image 0: the next */
	uint8_t *pixels;	  /* a preprocessed image */
	double load_ms;		  /* what preprocessing the input took */
	float table[4][256];	  /* byte to number */
	int8_t qtable[4][256];	  /* byte to int8 */
};

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A part of the input's pixels, all channels. */
struct quantizing {
	const struct vgg_quant *q;
	const float *from;
	int8_t *to;
	size_t pixels, channels;
};

#define QUANTIZE_PIXELS 4096

static void quantize_pixels(void *ctx, int worker, size_t i)
{
	const struct quantizing *q = ctx;
	size_t first = i * QUANTIZE_PIXELS, n = q->pixels - first, c;

	(void)worker;
	n = n < QUANTIZE_PIXELS ? n : QUANTIZE_PIXELS;
	for (c = 0; c < q->channels; c++)
		vgg_quantize_plane(q->from + c * q->pixels + first, n,
				   q->q->scale, q->q->zero,
				   q->to + first * q->channels + c,
				   q->channels);
}

void vgg_quantize_input(const struct vgg_model *m, struct vgg_threads *threads,
			const float *nchw, int8_t *to)
{
	VGG_TRACE_NAMED(INPUT, "quantize");
	const struct vgg_shape *s = &m->input;
	struct quantizing q = { .q = &m->in_q, .from = nchw, .to = to };

	q.channels = s->rank == 4 ? (size_t)s->dim[1] : 1;
	q.pixels = (size_t)vgg_shape_count(s) / q.channels;
	vgg_parallel(threads, (q.pixels - 1) / QUANTIZE_PIXELS + 1,
		     quantize_pixels, &q);
}

/* The arithmetic behind would turn a NaN into some number, and so into a
 * confident answer. */
int vgg_check_finite(const float *x, size_t count, const char *where,
		     const char *next_step)
{
	size_t i;

	if (vgg_all_finite(x, count))
		return 0;
	for (i = 0; i < count; i++)
		if (!isfinite(x[i]))
			return vgg_fail(NOT_FINITE, where, next_step,
					"element %zu is %s", i,
					isnan(x[i]) ? "NaN" : "infinite");
	return 0;
}

int vgg_check_input(const struct vgg_model *m, const float *input, size_t count)
{
	char text[64];

	if (!input)
		return vgg_fail(BAD_ARGUMENT, "input", "give an array",
				"the input is NULL");
	if (count == (size_t)vgg_shape_count(&m->input))
		return vgg_check_finite(input, count, "input",
					"check what made the array");
	return vgg_fail(MODEL_SHAPE, m->name,
			"give a float32 array of the network's input shape",
			"the input has %zu values, the network takes %s", count,
			vgg_shape_text(&m->input, text, sizeof(text)));
}

/*
 * Creation.
 */
static void make_tables(struct vgg_session *s)
{
	const struct vgg_preprocess *p = &s->model->preprocess;
	const struct vgg_quant *q = &s->model->in_q;
	int c;

	if (!p->crop_w)
		return;
	vgg_preprocess_table(p, s->table);
	for (c = 0; c < p->channels; c++)
		vgg_quantize_plane(s->table[c], 256, q->scale, q->zero,
				   s->qtable[c], 1);
}

/* The largest tensor behind the integer layers, that of the last included. */
static size_t tail_count(const struct vgg_model *m)
{
	int64_t most = 1, n;
	unsigned int i;

	for (i = m->integer_layers; i <= m->count; i++) {
		n = vgg_shape_count(i ? &m->layers[i - 1].out : &m->input);
		most = n > most ? n : most;
	}
	return (size_t)most;
}

/*
 * Plans. Those of a file hold for any device; what this one has no room for is
 * streamed, as vgg_plan_create() prices it.
 */
int vgg_session_read_plan(struct vgg_device *device, const struct vgg_model *m,
			  const char *path, struct vgg_plan *plan)
{
	struct vgg_device_info d = VGG_INIT(d);
	unsigned int i;
	int err = vgg_plan_read(plan, m, path);

	if (!err)
		err = vgg_device_info(device, &d);
	for (i = 0; !err && i < plan->count; i++)
		if (d.kind == VGG_DEVICE_CPU &&
		    vgg_plan_uses_card(&plan->layers[i]))
			err = vgg_fail(NO_DEVICE, "cpu",
				       "use --device auto or sim, or another "
				       "plan",
				       "the plan in %s runs layers on a card",
				       path);
	if (!err)
		vgg_plan_fit(plan, m, d.local_free);
	vgg_plan_summarize(plan, m);
	return err;
}

static int make_plan(struct vgg_session *s, struct vgg_device *device,
		     const struct vgg_session_options *o)
{
	if (o->plan)
		return vgg_session_read_plan(device, s->model, o->plan,
					     &s->plan);
	return vgg_plan_make(device, s->model, o->split,
			     vgg_threads_count(s->threads), &s->plan);
}

int vgg_session_check_integer(const struct vgg_model *m)
{
	if (m->integer_layers)
		return 0;
	return vgg_fail(MODEL_PRECISION, m->name,
			"import it again with quantisation, or run it with "
			"--precision fp32",
			"the model has no integer form");
}

/* Options of callers compiled against an older, shorter struct leave the rest at
 * 0. */
int vgg_session_take_options(const struct vgg_session_options *from,
			     struct vgg_session_options *to)
{
	int err;

	*to = (struct vgg_session_options)VGG_INIT(*to);
	if (!from)
		return 0;
	if (vgg_check_struct(from->size, "session options"))
		return -EINVAL;
	memcpy(to, from, from->size < sizeof(*to) ? from->size : sizeof(*to));
	err = vgg_check_choice(to->split, VGG_SPLIT_OFFLOAD, "split");
	return err ? err :
		     vgg_check_choice(to->precision, VGG_PRECISION_FP32,
				      "precision");
}

static int make_buffers(struct vgg_session *s)
{
	size_t in = (size_t)vgg_shape_count(&s->model->input);
	size_t n = tail_count(s->model) * sizeof(float);

	s->pixels = malloc(in);
	s->tail[0] = malloc(n);
	s->tail[1] = malloc(n);
	s->output = malloc(n);
	if (!s->pixels || !s->tail[0] || !s->tail[1] || !s->output)
		return vgg_fail_memory("inputs and results");
	make_tables(s);
	return 0;
}

/* Before anything is uploaded. */
static int attach_trace(struct vgg_session *s, struct vgg_device *device,
			struct vgg_trace *trace)
{
	int err = vgg_trace_attach(trace, device, s->model, &s->plan);

	s->trace = err ? NULL : trace;
	s->attached = s->trace;
	return err;
}

static int create_int8(struct vgg_session *s, struct vgg_device *device,
		       const struct vgg_session_options *options,
		       struct vgg_threads *const *clusters)
{
	struct vgg_int8_options o = { .device = device,
				      .model = s->model,
				      .plan = &s->plan,
				      .threads = s->threads,
				      .clusters = clusters,
				      .progress = options->progress,
				      .progress_ctx = options->progress_ctx };
	int err = make_buffers(s);

	return err ? err : vgg_int8_create(&o, &s->int8);
}

static int create_f32(struct vgg_session *s)
{
	size_t n = (size_t)vgg_shape_count(&s->model->input);
	unsigned int work = 0, i;

	s->pixels = malloc(n);
	s->input = malloc(n * sizeof(float));
	if (!s->pixels || !s->input)
		return vgg_fail_memory("an input");
	make_tables(s);
	for (i = 0; i < s->model->count; i++)
		work += !s->model->layers[i].keep_order;
	snprintf(s->plan.summary, sizeof(s->plan.summary),
		 "%u layer%s on the CPU, in fp32", work, work == 1 ? "" : "s");
	return vgg_f32_create(s->model, s->threads, &s->f32);
}

static struct vgg_session *new_session(const struct vgg_model *model,
				       struct vgg_threads *threads)
{
	struct vgg_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->model = model;
	s->threads = threads;
	return s;
}

/* An integer session has a plan; *plan is taken, or made if it is NULL. */
static int create(struct vgg_session *s, struct vgg_device *device,
		  const struct vgg_session_options *o, struct vgg_plan *plan,
		  struct vgg_threads *const *clusters)
{
	bool int8 = o->precision == VGG_PRECISION_INT8;
	int err = int8 ? vgg_session_check_integer(s->model) : 0;

	if (!err && int8 && !plan)
		err = make_plan(s, device, o);
	if (!err)
		err = attach_trace(s, device, o->trace);
	if (err)
		return err;
	return int8 ? create_int8(s, device, o, clusters) : create_f32(s);
}

int vgg_session_create_planned(struct vgg_device *device,
			       const struct vgg_model *model,
			       const struct vgg_session_options *options,
			       struct vgg_plan *plan,
			       struct vgg_threads *threads,
			       struct vgg_threads *const *clusters,
			       struct vgg_session **session)
{
	struct vgg_session *s = new_session(model, threads);
	int err;

	if (!s) {
		vgg_plan_clear(plan);
		return vgg_fail_memory("a session");
	}
	s->plan = *plan;
	*plan = (struct vgg_plan){ 0 };
	err = create(s, device, options, &s->plan, clusters);
	if (err)
		vgg_session_free(s);
	else
		*session = s;
	return err;
}

int vgg_session_create(struct vgg_device *device, const struct vgg_model *model,
		       const struct vgg_session_options *options,
		       struct vgg_session **session)
{
	struct vgg_session_options o;
	struct vgg_session *s;
	int err = vgg_session_take_options(options, &o);

	if (err)
		return err;
	s = new_session(model, NULL);
	if (!s)
		return vgg_fail_memory("a session");
	err = vgg_threads_create(o.threads, &s->own_threads);
	s->threads = s->own_threads;
	if (!err)
		err = create(s, device, &o, NULL, NULL);
	if (err)
		vgg_session_free(s);
	else
		*session = s;
	return err;
}

int vgg_session_another(const struct vgg_session *first,
			struct vgg_session **another)
{
	struct vgg_session *s;
	int err;

	if (first->f32)
		return -ENOSPC;
	s = new_session(first->model, first->threads);
	if (!s)
		return vgg_fail_memory("a session");
	s->first = first;
	s->trace = first->trace;
	err = make_buffers(s);
	if (!err)
		err = vgg_int8_another(first->int8, &s->int8);
	if (err)
		vgg_session_free(s);
	else
		*another = s;
	return err;
}

void vgg_session_free(struct vgg_session *s)
{
	if (!s)
		return;
	if (s->attached)
		vgg_trace_detach(s->trace);
	vgg_int8_free(s->int8);
	vgg_f32_free(s->f32);
	vgg_threads_free(s->own_threads);
	vgg_plan_clear(&s->plan);
	free(s->input);
	free(s->tail[0]);
	free(s->tail[1]);
	free(s->output);
	free(s->pixels);
	free(s);
}

static const struct vgg_plan *plan_of(const struct vgg_session *s)
{
	return s->first ? &s->first->plan : &s->plan;
}

void vgg_session_set_trace(struct vgg_session *s, struct vgg_trace *trace)
{
	s->trace = trace;
}

void vgg_session_next_image(struct vgg_session *s, unsigned int lane)
{
	s->lane = lane;
	s->image = vgg_trace_next_image(s->trace);
}

int vgg_session_threads(const struct vgg_session *s)
{
	return vgg_threads_count(s->threads);
}

unsigned int vgg_session_jobs(const struct vgg_session *s)
{
	return s->int8 ? vgg_int8_jobs(s->int8) : 0;
}

const char *vgg_session_placement(const struct vgg_session *s)
{
	return plan_of(s)->summary;
}

const char *vgg_session_layer_reason(const struct vgg_session *s,
				     unsigned int layer, bool *on_card)
{
	const struct vgg_plan *plan = plan_of(s);
	bool integer = layer < plan->count;

	if (on_card)
		*on_card = integer && vgg_plan_uses_card(&plan->layers[layer]);
	if (integer)
		return plan->layers[layer].reason;
	return s->f32 ? "fp32 runs on the CPU" : "floating point";
}

/*
 * Running.
 */
static void hash(const void *data, size_t bytes, char *text)
{
	VGG_TRACE_NAMED(OUTPUT, "sha256");
	SHA256Data(data, bytes, text);
}

static void describe_output(const struct vgg_session *s, const float *output,
			    struct vgg_result *r)
{
	const struct vgg_shape *shape = vgg_model_output(s->model);

	r->output = output;
	r->count = (unsigned int)vgg_shape_count(shape);
	r->rank = shape->rank;
	memcpy(r->shape, shape->dim, sizeof(shape->dim));
}

/* The floating-point layers behind the last integer tensor. */
static const float *run_tail(struct vgg_session *s, const int8_t *last)
{
	const struct vgg_model *m = s->model;
	const struct vgg_quant *q = &m->layers[m->integer_layers - 1].out_q;
	const struct vgg_shape *shape = &m->layers[m->integer_layers - 1].out;
	int64_t n = vgg_shape_count(shape), k;
	float *from = s->tail[0], *to = s->tail[1], *t;
	unsigned int i;

	for (k = 0; k < n; k++)
		from[k] = (float)(last[k] - q->zero) * q->scale;
	for (i = m->integer_layers; i < m->count; i++) {
		VGG_TRACE(FLOAT, i, i + 1);
		struct vgg_f32_step step = { .layer = &m->layers[i],
					     .threads = s->threads,
					     .in = from,
					     .out = to,
					     .wide = s->output };

		vgg_f32_layer(&step);
		t = from;
		from = to;
		to = t;
	}
	vgg_to_nchw(vgg_model_output(m), from, s->output);
	return s->output;
}

static int run_int8(struct vgg_session *s, struct vgg_result *r)
{
	const struct vgg_model *m = s->model;
	const struct vgg_shape *shape = &m->layers[m->integer_layers - 1].out;
	struct vgg_int8_totals totals;
	const int8_t *last;
	double start = now_ms();
	int err = vgg_int8_run(s->int8, &totals);

	if (err)
		return err;
	last = vgg_int8_tensor(s->int8, m->integer_layers);
	describe_output(s, run_tail(s, last), r);
	r->ms = now_ms() - start;
	r->card_cycles = totals.cycles;
	r->saturations = totals.saturations;
	hash(last, (size_t)vgg_shape_count(shape), r->sha256);
	return 0;
}

static int run_f32(struct vgg_session *s, struct vgg_result *r)
{
	double start = now_ms();
	int err;

	describe_output(s, vgg_f32_run(s->f32, s->input, NULL, NULL), r);
	r->ms = now_ms() - start;
	err = vgg_check_finite(r->output, r->count, "output",
			       "check the model file and the input's range");
	if (err)
		return err;
	hash(r->output, r->count * sizeof(float), r->sha256);
	return 0;
}

/* Callers compiled against an older, shorter struct get what fits it. */
int vgg_session_run_loaded(struct vgg_session *s, struct vgg_result *result)
{
	VGG_TRACE_INFERENCE(s->trace, s->lane, s->image);
	struct vgg_result r = { .size = result->size };
	int err = vgg_check_struct(result->size, "result");

	if (err)
		return err;
	r.preprocess_ms = s->load_ms;
	err = s->int8 ? run_int8(s, &r) : run_f32(s, &r);
	if (!err)
		memcpy(result, &r, r.size < sizeof(r) ? r.size : sizeof(r));
	return err;
}

int vgg_session_load_tensor(struct vgg_session *s, const float *input,
			    size_t count)
{
	VGG_TRACE_INFERENCE(s->trace, s->lane, s->image);
	double start = now_ms();
	int err = vgg_check_input(s->model, input, count);
	int8_t *to;

	if (err)
		return err;
	if (s->f32) {
		vgg_to_nhwc(&s->model->input, input, s->input);
	} else {
		to = vgg_int8_input(s->int8);
		if (!to)
			return -EIO;
		vgg_quantize_input(s->model, s->threads, input, to);
	}
	s->load_ms = now_ms() - start;
	return 0;
}

static int takes_images(const struct vgg_session *s)
{
	if (s->model->preprocess.crop_w)
		return 0;
	return vgg_fail(MODEL_UNSUPPORTED, s->model->name,
			"use a tensor as input (--input X.npy)",
			"the network does not take images");
}

int vgg_session_load_image(struct vgg_session *s, const struct vgg_image *image)
{
	VGG_TRACE_INFERENCE(s->trace, s->lane, s->image);
	int channels = s->model->preprocess.channels, c = 0;
	int64_t n = vgg_shape_count(&s->model->input), i;
	double start = now_ms();
	int8_t *to;
	int err = takes_images(s);

	if (!err)
		err = vgg_preprocess_image(&s->model->preprocess, image,
					   s->pixels);
	if (err)
		return err;
	to = s->int8 ? vgg_int8_input(s->int8) : NULL;
	if (s->int8 && !to)
		return -EIO;
	for (i = 0; i < n; i++, c = c + 1 < channels ? c + 1 : 0)
		if (to)
			to[i] = s->qtable[c][s->pixels[i]];
		else
			s->input[i] = s->table[c][s->pixels[i]];
	s->load_ms = now_ms() - start;
	return 0;
}

int vgg_session_load_file(struct vgg_session *s, const char *path)
{
	VGG_TRACE_INFERENCE(s->trace, s->lane, s->image);
	struct vgg_image *image;
	int err = takes_images(s);

	if (!err)
		err = vgg_image_load(path, &image);
	if (err)
		return err;
	err = vgg_session_load_image(s, image);
	vgg_image_free(image);
	return vgg_error_at(err, path);
}

int vgg_session_run_tensor(struct vgg_session *s, const float *input,
			   size_t count, struct vgg_result *result)
{
	VGG_TRACE_INFERENCE(s->trace, 0, 0);
	int err = vgg_session_load_tensor(s, input, count);

	return err ? err : vgg_session_run_loaded(s, result);
}

int vgg_session_run_image(struct vgg_session *s, const struct vgg_image *image,
			  struct vgg_result *result)
{
	VGG_TRACE_INFERENCE(s->trace, 0, 0);
	int err = vgg_session_load_image(s, image);

	return err ? err : vgg_session_run_loaded(s, result);
}

int vgg_session_run_file(struct vgg_session *s, const char *path,
			 struct vgg_result *result)
{
	VGG_TRACE_INFERENCE(s->trace, 0, 0);
	int err = vgg_session_load_file(s, path);

	return err ? err :
		     vgg_error_at(vgg_session_run_loaded(s, result), path);
}

int vgg_session_preprocess(const struct vgg_session *s,
			   const struct vgg_image *image, float *out,
			   size_t count)
{
	const struct vgg_preprocess *p = &s->model->preprocess;
	size_t pixels, i;
	uint8_t *bytes;
	int err = takes_images(s), c;

	if (!err && count != (size_t)vgg_shape_count(&s->model->input))
		err = vgg_fail(MODEL_SHAPE, s->model->name,
			       "make room for the network's input",
			       "room for %zu values", count);
	if (err)
		return err;
	bytes = malloc(count);
	if (!bytes)
		return vgg_fail_memory("an image");
	err = vgg_preprocess_image(p, image, bytes);
	pixels = count / (size_t)p->channels;
	for (c = 0; !err && c < p->channels; c++)
		for (i = 0; i < pixels; i++)
			*out++ = s->table[c][bytes[i * (size_t)p->channels +
						   (size_t)c]];
	free(bytes);
	return err;
}

/*
 * The best classes.
 */
static bool ends_in(const struct vgg_model *m, enum vgg_op op)
{
	return m->count && m->layers[m->count - 1].op == op;
}

int vgg_result_top(const struct vgg_session *s, const struct vgg_result *r,
		   struct vgg_top *top, unsigned int n)
{
	bool probabilities = ends_in(s->model, VGG_OP_SOFTMAX);
	double sum = 0, largest = -INFINITY;
	unsigned int i, k;

	if (n > r->count)
		return vgg_fail(BAD_ARGUMENT, s->model->name, NULL,
				"the network has %u classes, not %u", r->count,
				n);
	for (i = 0; i < r->count; i++)
		if ((double)r->output[i] > largest)
			largest = (double)r->output[i];
	for (i = 0; i < r->count && !probabilities; i++)
		sum += exp((double)r->output[i] - largest);
	for (k = 0; k < n; k++)
		top[k] = (struct vgg_top){ 0, -1 };
	/* Insertion: n is small; the lower class wins among equals. */
	for (i = 0; i < r->count; i++) {
		double v = (double)r->output[i];
		struct vgg_top entry = {
			i, (float)(probabilities ? v : exp(v - largest) / sum)
		};

		for (k = n; k && entry.probability > top[k - 1].probability;
		     k--)
			if (k < n)
				top[k] = top[k - 1];
		if (k < n)
			top[k] = entry;
	}
	return 0;
}
