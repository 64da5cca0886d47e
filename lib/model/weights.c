// SPDX-License-Identifier: MIT
/*
 * Weights of a named architecture from a safetensors file, under torchvision's
 * or timm's tensor names. timm's VGGs call the features as torchvision does,
 * and the dense layers pre_logits.fc1, pre_logits.fc2 (kept as convolutions)
 * and head.fc.
 *
 * The last layer's width and the input size follow the file. Everything else
 * must be as the architecture says, with no tensor missing and none left over:
 * a file that fits only partly is another network.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/arch.h"
#include "model/safetensors.h"
#include "util/error.h"

#define PARAMS_MAX 128 /* vgg19_bn has 102 */
#define SIDE_MAX 64    /* behind the features: an input of 2048x2048 */
#define CLASSES_MAX 1000000

/* A tensor that a plan calls for. */
struct param {
	char name[48];
	int rank;
	int64_t shape[4];
};

/* One file against one plan. */
struct wanted {
	const struct vgg_st *st;
	const struct vgg_arch_plan *plan;
	bool timm;
	unsigned int count;
	struct param params[PARAMS_MAX];
};

static bool is_timm(const struct vgg_st *st)
{
	return vgg_st_find(st, "head.fc.weight");
}

static int dense_layers(const struct vgg_arch_plan *plan)
{
	int n = 0;

	for (unsigned int i = 0; i < plan->count; i++)
		n += plan->steps[i].kind == VGG_STEP_LINEAR;
	return n;
}

/* The module that the k-th dense layer's tensors belong to. */
static const char *dense_module(const struct vgg_arch_plan *plan, int k,
				bool timm)
{
	int at = k;

	if (timm && k == dense_layers(plan) - 1)
		return "head.fc";
	if (timm)
		return k ? "pre_logits.fc2" : "pre_logits.fc1";
	for (unsigned int i = 0; i < plan->count; i++)
		if (plan->steps[i].kind == VGG_STEP_LINEAR && !at--)
			return plan->steps[i].name;
	return NULL;
}

static struct param *want(struct wanted *w, const char *module,
			  const char *what, int64_t size)
{
	struct param *p = &w->params[w->count++];

	snprintf(p->name, sizeof(p->name), "%s.%s", module, what);
	p->rank = 1;
	p->shape[0] = size;
	return p;
}

static void want_conv(struct wanted *w, const char *module, int64_t out,
		      int64_t in, int64_t kernel)
{
	struct param *p = want(w, module, "weight", out);

	p->rank = 4;
	p->shape[1] = in;
	p->shape[2] = p->shape[3] = kernel;
	want(w, module, "bias", out);
}

static void want_dense(struct wanted *w, const struct vgg_arch_step *s, int k)
{
	const char *module = dense_module(w->plan, k, w->timm);
	int side = k ? 1 : w->plan->side;
	struct param *p;

	if (w->timm && k < dense_layers(w->plan) - 1) {
		want_conv(w, module, s->out_c, s->in_c / (side * side), side);
		return;
	}
	p = want(w, module, "weight", s->out_c);
	p->rank = 2;
	p->shape[1] = s->in_c;
	want(w, module, "bias", s->out_c);
}

static void want_norm(struct wanted *w, const struct vgg_arch_step *s)
{
	want(w, s->name, "weight", s->out_c);
	want(w, s->name, "bias", s->out_c);
	want(w, s->name, "running_mean", s->out_c);
	want(w, s->name, "running_var", s->out_c);
}

/* Lists the parameters in the order of the plan's steps. */
static void want_all(struct wanted *w, const struct vgg_st *st,
		     const struct vgg_arch_plan *plan)
{
	int k = 0;

	*w = (struct wanted){ .st = st, .plan = plan, .timm = is_timm(st) };
	for (unsigned int i = 0; i < plan->count; i++) {
		const struct vgg_arch_step *s = &plan->steps[i];

		if (s->kind == VGG_STEP_CONV)
			want_conv(w, s->name, s->out_c, s->in_c, s->kernel);
		else if (s->kind == VGG_STEP_LINEAR)
			want_dense(w, s, k++);
		else if (s->kind == VGG_STEP_NORM)
			want_norm(w, s);
	}
}

static const struct vgg_st_tensor *
dense_weight(const struct vgg_st *st, const struct vgg_arch_plan *plan, int k)
{
	char name[48];

	snprintf(name, sizeof(name), "%s.weight",
		 dense_module(plan, k, is_timm(st)));
	return vgg_st_find(st, name);
}

/* The input size that the first dense layer's weights call for, or 0. */
static int input_of(const struct vgg_st *st, const struct vgg_arch_plan *plan,
		    const char *arch)
{
	const struct vgg_st_tensor *t = dense_weight(st, plan, 0);
	size_t channels, in;

	if (!t || t->rank < 2 || !t->count)
		return 0;
	channels = (size_t)vgg_plan_channels(plan);
	in = t->count / (size_t)t->shape[0];
	for (size_t side = 1; side <= SIDE_MAX; side++)
		if (side * side * channels == in)
			return vgg_arch_input_for(arch, (int)side);
	return 0;
}

static int classes_of(const struct vgg_st *st, const struct vgg_arch_plan *plan)
{
	const struct vgg_st_tensor *t =
		dense_weight(st, plan, dense_layers(plan) - 1);

	if (!t || t->rank < 2 || t->shape[0] > CLASSES_MAX)
		return 0;
	return (int)t->shape[0];
}

/* The plan of an architecture with the head of the file. */
static int plan_for(const struct vgg_st *st, const char *arch,
		    struct vgg_arch_plan *plan)
{
	int err = vgg_arch_plan(arch, 0, 0, plan);

	if (err)
		return err;
	return vgg_arch_plan(arch, input_of(st, plan, arch),
			     classes_of(st, plan), plan);
}

/* Comparing */

static bool is_float(const struct vgg_st_tensor *t)
{
	return t->known && (t->dtype == VGG_F32 || t->dtype == VGG_F16 ||
			    t->dtype == VGG_BF16 || t->dtype == VGG_F64);
}

static bool shape_fits(const struct param *p, const struct vgg_st_tensor *t)
{
	return t->rank == p->rank &&
	       !memcmp(t->shape, p->shape, (size_t)p->rank * sizeof(*p->shape));
}

/* BatchNorm's counter of training steps means nothing here. */
static bool is_ignored(const struct vgg_st_tensor *t)
{
	const char *dot = strrchr(t->name, '.');

	return dot && !strcmp(dot, ".num_batches_tracked");
}

static bool is_wanted(const struct wanted *w, const struct vgg_st_tensor *t)
{
	for (unsigned int i = 0; i < w->count; i++)
		if (!strcmp(w->params[i].name, t->name))
			return true;
	return is_ignored(t);
}

static const struct vgg_st_tensor *find_surplus(const struct wanted *w)
{
	for (size_t i = 0; i < w->st->count; i++)
		if (!is_wanted(w, &w->st->tensors[i]))
			return &w->st->tensors[i];
	return NULL;
}

static bool fits(const struct wanted *w)
{
	for (unsigned int i = 0; i < w->count; i++) {
		const struct vgg_st_tensor *t =
			vgg_st_find(w->st, w->params[i].name);

		if (!t || !shape_fits(&w->params[i], t))
			return false;
	}
	return !find_surplus(w);
}

/* How many of input size and classes are the architecture's usual ones. */
static int closeness(const struct vgg_arch_plan *plan, const char *arch)
{
	struct vgg_arch_plan usual;

	vgg_arch_plan(arch, 0, 0, &usual);
	return (plan->input == usual.input) + (plan->classes == usual.classes);
}

struct guess {
	const char *arch; /* of the best ones, the last */
	int best, many;
	char names[160]; /* of the best ones */
};

static void consider(struct guess *g, const struct vgg_st *st, const char *arch)
{
	struct vgg_arch_plan plan;
	struct wanted w;
	size_t used;
	int close;

	if (!vgg_arch_guessable(arch) || plan_for(st, arch, &plan))
		return;
	want_all(&w, st, &plan);
	close = closeness(&plan, arch);
	if (!fits(&w) || (g->many && close < g->best))
		return;
	if (!g->many || close > g->best)
		*g = (struct guess){ .best = close };
	used = strlen(g->names);
	snprintf(g->names + used, sizeof(g->names) - used, "%s%s",
		 g->many++ ? ", " : "", arch);
	g->arch = arch;
}

static void guess(struct guess *g, const struct vgg_st *st)
{
	const char *arch;

	*g = (struct guess){ 0 };
	for (unsigned int i = 0; (arch = vgg_arch_name(i)); i++)
		consider(g, st, arch);
}

static int fail_guess(const struct guess *g, const struct vgg_st *st)
{
	if (!g->many)
		return vgg_fail(MODEL_UNSUPPORTED, st->path,
				"name the architecture (--arch) to see which "
				"tensor doesn't fit",
				"the %zu tensors are those of no architecture "
				"known here",
				st->count);
	return vgg_fail(MODEL_UNSUPPORTED, st->path,
			"name the architecture (--arch)",
			"the tensors fit several architectures: %s", g->names);
}

/* What to do about a file that isn't what the caller said. */
static const char *advice(const struct vgg_st *st, char *text, size_t size)
{
	struct guess g;

	guess(&g, st);
	if (!g.many)
		return "check that the file holds this architecture";
	snprintf(text, size, "name what the tensors fit: %s", g.names);
	return text;
}

static int check_param(const struct wanted *w, const struct param *p)
{
	const struct vgg_st_tensor *t = vgg_st_find(w->st, p->name);
	struct vgg_st_tensor expected = { .rank = p->rank };
	char next[200], a[96], b[96];

	memcpy(expected.shape, p->shape, sizeof(p->shape));
	vgg_st_shape_text(&expected, a, sizeof(a));
	if (!t)
		return vgg_fail(MODEL_FORMAT, w->st->path,
				advice(w->st, next, sizeof(next)),
				"tensor \"%s\" is missing: expected %s",
				p->name, a);
	if (!shape_fits(p, t))
		return vgg_fail(MODEL_SHAPE, w->st->path,
				advice(w->st, next, sizeof(next)),
				"tensor \"%s\": expected %s, found %s", p->name,
				a, vgg_st_shape_text(t, b, sizeof(b)));
	if (!is_float(t))
		return vgg_fail(
			MODEL_UNSUPPORTED, w->st->path,
			"convert the file's tensors to F32",
			"tensor \"%s\": expected F32, F16, BF16 or F64, "
			"found %s",
			p->name, t->type);
	return 0;
}

static int check_all(const struct wanted *w)
{
	const struct vgg_st_tensor *surplus;
	char next[200];
	int err = 0;

	for (unsigned int i = 0; !err && i < w->count; i++)
		err = check_param(w, &w->params[i]);
	if (err)
		return err;
	surplus = find_surplus(w);
	if (!surplus)
		return 0;
	return vgg_fail(MODEL_FORMAT, w->st->path,
			advice(w->st, next, sizeof(next)),
			"tensor \"%s\" has no place in the architecture",
			surplus->name);
}

/* Filling */

static float from_f16(uint16_t half)
{
	/* The exponent's bias moves from 15 to 127 by an exact product, which
	 * is right for subnormal numbers, too. */
	uint32_t bits = (half & 0x7fffu) << 13;
	float x;

	if (bits >= 0x7c00u << 13)
		return NAN; /* refused by the caller, as infinity is */
	memcpy(&x, &bits, sizeof(x));
	x *= 0x1p112f;
	return half & 0x8000 ? -x : x;
}

static float from_bf16(uint16_t upper)
{
	uint32_t bits = (uint32_t)upper << 16;
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* n elements from `first` on; the data may be unaligned. */
static void to_f32(const struct vgg_st_tensor *t, size_t first, size_t n,
		   float *out)
{
	const uint8_t *data = t->data + first * vgg_dtype_bytes(t->dtype);
	uint16_t half;
	double wide;

	if (t->dtype == VGG_F32) {
		memcpy(out, data, n * sizeof(*out));
	} else if (t->dtype == VGG_F64) {
		for (size_t i = 0; i < n; i++) {
			memcpy(&wide, data + i * sizeof(wide), sizeof(wide));
			out[i] = fabs(wide) <= FLT_MAX ? (float)wide : NAN;
		}
	} else {
		for (size_t i = 0; i < n; i++) {
			memcpy(&half, data + i * sizeof(half), sizeof(half));
			out[i] = t->dtype == VGG_F16 ? from_f16(half) :
						       from_bf16(half);
		}
	}
}

/* One that is infinite or no number would spoil every result. */
static int read_finite(const struct vgg_st *st, const struct vgg_st_tensor *t,
		       size_t first, size_t n, float *out)
{
	to_f32(t, first, n, out);
	for (size_t i = 0; i < n; i++)
		if (!isfinite(out[i]))
			return vgg_fail(MODEL_FORMAT, st->path,
					"train or export the network again",
					"element %zu of tensor \"%s\" is not a "
					"finite float",
					first + i, t->name);
	return 0;
}

static int fill_whole(const struct wanted *w, const struct param *p, float *out)
{
	const struct vgg_st_tensor *t = vgg_st_find(w->st, p->name);

	return read_finite(w->st, t, 0, t->count, out);
}

/* From output, input, row, column to output, row, column, input. */
static int fill_kernel(const struct wanted *w, const struct param *p,
		       float *out)
{
	const struct vgg_st_tensor *t = vgg_st_find(w->st, p->name);
	size_t in_c = (size_t)p->shape[1];
	size_t taps = (size_t)(p->shape[2] * p->shape[3]);
	float *filter = malloc(in_c * taps * sizeof(*filter));
	int err = filter ? 0 : vgg_fail_memory("a filter");

	for (size_t o = 0; !err && o < (size_t)p->shape[0]; o++) {
		err = read_finite(w->st, t, o * in_c * taps, in_c * taps,
				  filter);
		for (size_t i = 0; !err && i < taps; i++)
			for (size_t c = 0; c < in_c; c++)
				*out++ = filter[c * taps + i];
	}
	free(filter);
	return err;
}

static int fill_norm(const struct wanted *w, const struct param *p,
		     struct vgg_layer *l)
{
	size_t n = l->scale.count;
	float *x = calloc(n, 4 * sizeof(*x));
	struct vgg_norm norm = { x, x + n, x + 2 * n, x + 3 * n };
	int err = x ? 0 : vgg_fail_memory("a BatchNorm");
	char where[256];

	for (size_t i = 0; !err && i < 4; i++)
		err = fill_whole(w, p + i, x + i * n);
	if (!err) {
		err = vgg_norm_fold(&norm, n, (float *)l->scale.data,
				    (float *)l->shift.data);
		snprintf(where, sizeof(where), "%s: %s", w->st->path, l->name);
		err = vgg_error_at(err, where);
	}
	free(x);
	return err;
}

/* The plan's steps and the model's layers correspond one to one. */
static int fill_all(const struct wanted *w, struct vgg_model *m)
{
	const struct param *p = w->params;
	int err = 0;

	for (unsigned int i = 0; !err && i < w->plan->count; i++) {
		enum vgg_arch_kind kind = w->plan->steps[i].kind;
		struct vgg_layer *l = &m->layers[i];

		if (kind == VGG_STEP_NORM) {
			err = fill_norm(w, p, l);
			p += 4;
		} else if (l->op == VGG_OP_CONV) {
			err = kind == VGG_STEP_CONV ?
				      fill_kernel(w, p,
						  (float *)l->weight.data) :
				      fill_whole(w, p, (float *)l->weight.data);
			if (!err)
				err = fill_whole(w, p + 1,
						 (float *)l->bias.data);
			p += 2;
		}
	}
	return err;
}

int vgg_norm_fold(const struct vgg_norm *norm, size_t n, float *scale,
		  float *shift)
{
	for (size_t i = 0; i < n; i++) {
		double spread = (double)norm->var[i] + VGG_NORM_EPSILON;

		if (!(spread > 0))
			return vgg_fail(MODEL_FORMAT, NULL,
					"train or export the network again",
					"the variance of channel %zu of a "
					"BatchNorm is %g",
					i, (double)norm->var[i]);
		scale[i] = (float)(norm->gamma[i] / sqrt(spread));
		/* A product of two floats is exact in double: the same bytes
		 * with and without fused multiplication and addition. */
		shift[i] = (float)(norm->beta[i] -
				   (double)norm->mean[i] * (double)scale[i]);
		if (!isfinite(scale[i]) || !isfinite(shift[i]))
			return vgg_fail(MODEL_FORMAT, NULL,
					"train or export the network again",
					"channel %zu of a BatchNorm is beyond "
					"the range of float",
					i);
	}
	return 0;
}

static int import(const struct vgg_st *st, const char *arch,
		  struct vgg_model *m)
{
	struct vgg_arch_plan plan;
	struct wanted w;
	struct guess g;
	int err;

	if (!arch) {
		guess(&g, st);
		if (g.many != 1)
			return fail_guess(&g, st);
		arch = g.arch;
	}
	err = plan_for(st, arch, &plan);
	if (err)
		return err;
	want_all(&w, st, &plan);
	err = check_all(&w);
	if (!err)
		err = vgg_plan_build(&plan, m);
	return err ? err : fill_all(&w, m);
}

int vgg_import_safetensors(const char *path, const struct vgg_file *file,
			   const char *arch, struct vgg_model *m)
{
	struct vgg_st st;
	int err = vgg_st_open(&st, path, file);

	if (!err)
		err = vgg_error_at(import(&st, arch, m), path);
	vgg_st_close(&st);
	return err;
}
