// SPDX-License-Identifier: MIT
/*
 * Weights of a named architecture from a file's tensors, by torchvision's or
 * timm's names. timm's VGGs call the features as torchvision does, and the dense
 * layers pre_logits.fc1, pre_logits.fc2 (kept as convolutions) and head.fc.
 * Where the names are others, but the file keeps the order in which the network
 * was written down, tensors are taken in that order.
 *
 * The last layer's width and the input size follow the file. Everything else
 * must be as the architecture says, with no tensor missing and none left over:
 * a file that fits only partly is another network.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/arch.h"
#include "model/tensors.h"
#include "util/error.h"

#define PARAMS_MAX 128 /* vgg19_bn has 102 */
#define SIDE_MAX 64    /* behind the features: an input of 2048x2048 */
#define CLASSES_MAX 1000000

/* What wrappers put before all names: DataParallel, torch.compile(), modules
 * that hold the network. */
static const char *const wrappers[] = { "module.", "_orig_mod.", "model.",
					"net." };

enum naming { TORCHVISION, TIMM, BY_ORDER };

/* A file's tensors and how they are found. */
struct source {
	struct vgg_tensors *set;
	enum naming naming;
	const struct vgg_tensor **order; /* without BatchNorm's counters */
	size_t count;
};

/* A tensor that a plan calls for. */
struct param {
	char name[48];
	int rank;
	int64_t shape[4];
	enum vgg_arch_kind kind; /* of its layer */
	size_t place;		 /* in the file, where its order counts */
};

/* One file against one plan. */
struct wanted {
	const struct source *source;
	const struct vgg_arch_plan *plan;
	unsigned int count;
	struct param params[PARAMS_MAX];
};

/* BatchNorm's counter of training steps means nothing here. */
static bool is_ignored(const struct vgg_tensor *t)
{
	const char *dot = strrchr(t->name, '.');

	return dot && !strcmp(dot, ".num_batches_tracked");
}

static void strip_wrappers(struct vgg_tensors *set)
{
	size_t n, kind = 0, i;

	while (set->count && kind < sizeof(wrappers) / sizeof(*wrappers)) {
		n = strlen(wrappers[kind]);
		for (i = 0; i < set->count; i++)
			if (strncmp(set->list[i].name, wrappers[kind], n))
				break;
		if (i < set->count) {
			kind++;
			continue;
		}
		/* The order of names stays the same. */
		for (i = 0; i < set->count; i++)
			set->list[i].name += n;
		kind = 0;
	}
}

static enum naming naming_of(const struct vgg_tensors *set)
{
	if (vgg_tensors_find(set, "head.fc.weight"))
		return TIMM;
	return !set->ordered || vgg_tensors_find(set, "features.0.weight") ?
		       TORCHVISION :
		       BY_ORDER;
}

static int source_init(struct source *s, struct vgg_tensors *set)
{
	*s = (struct source){ .set = set };
	strip_wrappers(set);
	s->naming = naming_of(set);
	s->order = calloc(set->count + 1, sizeof(*s->order));
	if (!s->order)
		return vgg_fail_memory("the list of tensors");
	for (size_t i = 0; i < set->count; i++)
		if (!is_ignored(&set->list[i]))
			s->order[s->count++] = &set->list[i];
	return 0;
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

static struct param *want_pair(struct wanted *w, const char *module,
			       int64_t out, int64_t in)
{
	struct param *p = want(w, module, "weight", out);

	p->rank = 2;
	p->shape[1] = in;
	want(w, module, "bias", out);
	return p;
}

static void want_conv(struct wanted *w, const struct vgg_arch_step *s)
{
	struct param *p = want_pair(w, s->name, s->out_c, s->in_c);

	p->rank = 4;
	p->shape[2] = p->shape[3] = s->kernel;
}

static void want_dense(struct wanted *w, const struct vgg_arch_step *s, int k)
{
	bool timm = w->source->naming == TIMM;
	struct param *p =
		want_pair(w, dense_module(w->plan, k, timm), s->out_c, s->in_c);
	int side = k ? 1 : w->plan->side;

	if (!timm || k == dense_layers(w->plan) - 1)
		return;
	p->rank = 4;
	p->shape[1] /= side * side;
	p->shape[2] = p->shape[3] = side;
}

static void want_norm(struct wanted *w, const struct vgg_arch_step *s)
{
	want(w, s->name, "weight", s->out_c);
	want(w, s->name, "bias", s->out_c);
	want(w, s->name, "running_mean", s->out_c);
	want(w, s->name, "running_var", s->out_c);
}

/* Where each is in a file that keeps the order: all of them one after the
 * other, or so within each kind of layer. */
static void place_all(struct wanted *w)
{
	static const enum vgg_arch_kind kinds[] = { VGG_STEP_CONV,
						    VGG_STEP_NORM,
						    VGG_STEP_LINEAR };
	size_t place = 0;

	for (unsigned int i = 0; i < w->count; i++)
		w->params[i].place = i;
	for (size_t k = 0; w->source->set->by_kind && k < 3; k++)
		for (unsigned int i = 0; i < w->count; i++)
			if (w->params[i].kind == kinds[k])
				w->params[i].place = place++;
}

/* Lists the parameters in the order of the plan's steps. */
static void want_all(struct wanted *w, const struct source *source,
		     const struct vgg_arch_plan *plan)
{
	unsigned int done = 0;
	int k = 0;

	*w = (struct wanted){ .source = source, .plan = plan };
	for (unsigned int i = 0; i < plan->count; i++) {
		const struct vgg_arch_step *s = &plan->steps[i];

		if (s->kind == VGG_STEP_CONV)
			want_conv(w, s);
		else if (s->kind == VGG_STEP_LINEAR)
			want_dense(w, s, k++);
		else if (s->kind == VGG_STEP_NORM)
			want_norm(w, s);
		for (; done < w->count; done++)
			w->params[done].kind = s->kind;
	}
	place_all(w);
}

/* The file's tensor for a parameter; NULL if there is none. */
static const struct vgg_tensor *find(const struct wanted *w,
				     const struct param *p)
{
	const struct source *s = w->source;

	if (s->naming != BY_ORDER)
		return vgg_tensors_find(s->set, p->name);
	return p->place < s->count ? s->order[p->place] : NULL;
}

static bool name_is(const struct param *p, const char *last)
{
	return !strcmp(strrchr(p->name, '.') + 1, last);
}

/* The first dense layer's weights, or the last one's. */
static const struct vgg_tensor *dense_weight(const struct wanted *w, bool last)
{
	const struct param *p = NULL;

	for (unsigned int i = 0; i < w->count; i++)
		if (w->params[i].kind == VGG_STEP_LINEAR &&
		    name_is(&w->params[i], "weight") && (!p || last))
			p = &w->params[i];
	return p ? find(w, p) : NULL;
}

/* The input size that the first dense layer's weights call for, or 0. */
static int input_of(const struct wanted *w, const char *arch)
{
	const struct vgg_tensor *t = dense_weight(w, false);
	size_t channels, in;

	if (!t || t->rank < 2 || !t->count)
		return 0;
	channels = (size_t)vgg_plan_channels(w->plan);
	in = t->count / (size_t)t->shape[0];
	for (size_t side = 1; side <= SIDE_MAX; side++)
		if (side * side * channels == in)
			return vgg_arch_input_for(arch, (int)side);
	return 0;
}

static int classes_of(const struct wanted *w)
{
	const struct vgg_tensor *t = dense_weight(w, true);

	if (!t || t->rank < 2 || t->shape[0] > CLASSES_MAX)
		return 0;
	return (int)t->shape[0];
}

/* The plan of an architecture with the head of the file, and its tensors. */
static int want_arch(struct wanted *w, const struct source *source,
		     const char *arch, struct vgg_arch_plan *plan)
{
	int err = vgg_arch_plan(arch, 0, 0, plan);

	if (err)
		return err;
	want_all(w, source, plan);
	err = vgg_arch_plan(arch, input_of(w, arch), classes_of(w), plan);
	if (!err)
		want_all(w, source, plan);
	return err;
}

/* Comparing */

static bool shape_fits(const struct param *p, const struct vgg_tensor *t)
{
	return t->rank == p->rank &&
	       !memcmp(t->shape, p->shape, (size_t)p->rank * sizeof(*p->shape));
}

/* By order the module's name may differ, not what of it the tensor is. */
static bool name_fits(const struct param *p, const struct vgg_tensor *t)
{
	const char *dot = strrchr(t->name, '.');

	return name_is(p, dot ? dot + 1 : t->name);
}

static bool is_wanted(const struct wanted *w, const struct vgg_tensor *t)
{
	for (unsigned int i = 0; i < w->count; i++)
		if (!strcmp(w->params[i].name, t->name))
			return true;
	return is_ignored(t);
}

static const struct vgg_tensor *find_surplus(const struct wanted *w)
{
	const struct source *s = w->source;

	if (s->naming == BY_ORDER)
		return s->count > w->count ? s->order[w->count] : NULL;
	for (size_t i = 0; i < s->set->count; i++)
		if (!is_wanted(w, &s->set->list[i]))
			return &s->set->list[i];
	return NULL;
}

static bool fits(const struct wanted *w)
{
	for (unsigned int i = 0; i < w->count; i++) {
		const struct param *p = &w->params[i];
		const struct vgg_tensor *t = find(w, p);

		if (!t || !shape_fits(p, t) || !name_fits(p, t))
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

static bool fits_arch(const struct source *source, const char *arch, int *close)
{
	struct vgg_arch_plan plan;
	struct wanted w;

	if (want_arch(&w, source, arch, &plan))
		return false;
	*close = closeness(&plan, arch);
	return fits(&w);
}

static void add_guess(struct guess *g, const char *arch)
{
	size_t used = strlen(g->names);

	snprintf(g->names + used, sizeof(g->names) - used, "%s%s",
		 g->many++ ? ", " : "", arch);
	g->arch = arch;
}

static void consider(struct guess *g, const struct source *source,
		     const char *arch)
{
	int close;

	if (!vgg_arch_guessable(arch) || !fits_arch(source, arch, &close) ||
	    (g->many && close < g->best))
		return;
	if (!g->many || close > g->best)
		*g = (struct guess){ .best = close };
	add_guess(g, arch);
}

/* Under foreign names a network may as well be the twin of what was found. */
static void consider_twin(struct guess *g, const struct source *source,
			  const char *arch)
{
	int close;

	if (!vgg_arch_guessable(arch) && source->naming == BY_ORDER &&
	    fits_arch(source, arch, &close))
		add_guess(g, arch);
}

static void guess(struct guess *g, const struct source *source)
{
	const char *arch;

	*g = (struct guess){ 0 };
	for (unsigned int i = 0; (arch = vgg_arch_name(i)); i++)
		consider(g, source, arch);
	for (unsigned int i = 0; (arch = vgg_arch_name(i)); i++)
		consider_twin(g, source, arch);
}

/* Names like torchvision's whose numbers are others, as without dropout: the
 * order tells, if all fits by it. */
static void guess_both(struct guess *g, struct source *source)
{
	struct source by_order = *source;

	guess(g, source);
	if (g->many || !source->set->ordered || source->naming == BY_ORDER)
		return;
	by_order.naming = BY_ORDER;
	guess(g, &by_order);
	if (g->many)
		*source = by_order;
}

static int fail_guess(const struct guess *g, const struct source *source)
{
	if (!g->many)
		return vgg_fail(MODEL_UNSUPPORTED, source->set->path,
				"name the architecture (--arch) to see which "
				"tensor doesn't fit",
				"the %zu tensors are those of no architecture "
				"known here",
				source->set->count);
	return vgg_fail(MODEL_UNSUPPORTED, source->set->path,
			"name the architecture (--arch)",
			"the tensors fit several architectures: %s", g->names);
}

/* What to do about a file that isn't what the caller said. */
static const char *advice(const struct wanted *w, char *text, size_t size)
{
	struct source source = *w->source;
	struct guess g;

	guess_both(&g, &source);
	if (!g.many)
		return "check that the file holds this architecture";
	snprintf(text, size, "name what the tensors fit: %s", g.names);
	return text;
}

static int fail_missing(const struct wanted *w, const struct param *p,
			const char *shape)
{
	const struct source *s = w->source;
	char next[200];

	if (s->naming == BY_ORDER)
		return vgg_fail(MODEL_FORMAT, s->set->path,
				advice(w, next, sizeof(next)),
				"the file ends after %zu tensors, before the "
				"one for \"%s\": expected %s",
				s->count, p->name, shape);
	return vgg_fail(
		MODEL_FORMAT, s->set->path, advice(w, next, sizeof(next)),
		"tensor \"%s\" is missing: expected %s", p->name, shape);
}

static int check_param(const struct wanted *w, const struct param *p)
{
	const char *path = w->source->set->path;
	const struct vgg_tensor *t = find(w, p);
	struct vgg_tensor expected = { .rank = p->rank };
	char next[200], a[96], b[96], place[64] = "";

	memcpy(expected.shape, p->shape, sizeof(p->shape));
	vgg_tensor_shape_text(&expected, a, sizeof(a));
	if (!t)
		return fail_missing(w, p, a);
	if (w->source->naming == BY_ORDER)
		snprintf(place, sizeof(place), " for %s", p->name);
	if (shape_fits(p, t) && !name_fits(p, t))
		return vgg_fail(MODEL_FORMAT, path,
				advice(w, next, sizeof(next)),
				"tensor \"%s\" is where %s is expected: the "
				"shape fits, what it is doesn't",
				t->name, p->name);
	if (!shape_fits(p, t))
		return vgg_fail(
			MODEL_SHAPE, path, advice(w, next, sizeof(next)),
			"tensor \"%s\": expected %s%s, found %s", t->name, a,
			place, vgg_tensor_shape_text(t, b, sizeof(b)));
	if (!vgg_tensor_is_float(t))
		return vgg_fail(
			MODEL_UNSUPPORTED, path,
			"convert the file's tensors to F32",
			"tensor \"%s\": expected F32, F16, BF16 or F64, "
			"found %s",
			t->name, t->type);
	return 0;
}

/* Where the kinds come one after the other, one layer less of a kind moves all
 * behind it: their numbers tell more than the first tensor that doesn't fit. */
static bool is_of(const struct vgg_tensor *t, enum vgg_arch_kind kind)
{
	const char *dot = strrchr(t->name, '.');

	return kind == VGG_STEP_CONV   ? t->rank == 4 :
	       kind == VGG_STEP_LINEAR ? t->rank == 2 :
					 dot && !strcmp(dot, ".running_var");
}

static int check_kinds(const struct wanted *w)
{
	static const struct {
		enum vgg_arch_kind kind;
		const char *name;
	} kinds[] = { { VGG_STEP_CONV, "convolutions" },
		      { VGG_STEP_NORM, "BatchNorms" },
		      { VGG_STEP_LINEAR, "dense layers" } };
	const struct source *s = w->source;
	char next[200];

	for (size_t k = 0; s->set->by_kind && k < 3; k++) {
		unsigned int has = 0, wants = 0;

		for (size_t i = 0; i < s->count; i++)
			has += is_of(s->order[i], kinds[k].kind);
		for (unsigned int i = 0; i < w->plan->count; i++)
			wants += w->plan->steps[i].kind == kinds[k].kind;
		if (has != wants)
			return vgg_fail(MODEL_FORMAT, s->set->path,
					advice(w, next, sizeof(next)),
					"%u %s, the architecture has %u", has,
					kinds[k].name, wants);
	}
	return 0;
}

static int check_all(const struct wanted *w)
{
	const struct vgg_tensor *surplus;
	char next[200];
	int err = check_kinds(w);

	for (unsigned int i = 0; !err && i < w->count; i++)
		err = check_param(w, &w->params[i]);
	if (err)
		return err;
	surplus = find_surplus(w);
	if (!surplus)
		return 0;
	return vgg_fail(MODEL_FORMAT, w->source->set->path,
			advice(w, next, sizeof(next)),
			"tensor \"%s\" has no place in the architecture",
			surplus->name);
}

/* Filling */

static int fill_whole(const struct wanted *w, const struct param *p, float *out)
{
	const struct vgg_tensor *t = find(w, p);

	return vgg_tensor_read(w->source->set, t, 0, t->count, out);
}

/* From output, input, row, column to output, row, column, input. */
static int fill_kernel(const struct wanted *w, const struct param *p,
		       float *out)
{
	const struct vgg_tensor *t = find(w, p);
	size_t in_c = (size_t)p->shape[1];
	size_t taps = (size_t)(p->shape[2] * p->shape[3]);
	float *filter = malloc(in_c * taps * sizeof(*filter));
	int err = filter ? 0 : vgg_fail_memory("a filter");

	for (size_t o = 0; !err && o < (size_t)p->shape[0]; o++) {
		err = vgg_tensor_read(w->source->set, t, o * in_c * taps,
				      in_c * taps, filter);
		for (size_t i = 0; !err && i < taps; i++)
			for (size_t c = 0; c < in_c; c++)
				*out++ = filter[c * taps + i];
	}
	free(filter);
	return err;
}

/* Behind flattened features: a network with channels last counted its inputs
 * by row, column, channel; here they are channel, row, column. */
static int fill_flattened(const struct wanted *w, const struct param *p,
			  float *out)
{
	int64_t side = w->plan->side, channels = vgg_plan_channels(w->plan);
	struct vgg_tensor view = *find(w, p);
	int64_t step = view.strided ? view.stride[1] : 1;

	if (!view.strided)
		view.stride[0] = view.shape[1];
	view.strided = true;
	view.rank = 4;
	view.shape[1] = channels;
	view.shape[2] = view.shape[3] = side;
	view.stride[1] = step;
	view.stride[2] = side * channels * step;
	view.stride[3] = channels * step;
	return vgg_tensor_read(w->source->set, &view, 0, view.count, out);
}

static int fill_dense(const struct wanted *w, const struct param *p, float *out)
{
	bool first = find(w, p) == dense_weight(w, false);

	if (first && w->source->set->channels_last)
		return fill_flattened(w, p, out);
	return fill_whole(w, p, out);
}

static int fill_norm(const struct wanted *w, const struct param *p,
		     struct vgg_layer *l)
{
	size_t n = l->scale.count;
	float *x = calloc(n, 4 * sizeof(*x));
	struct vgg_norm norm = { x, x + n, x + 2 * n, x + 3 * n,
				 w->source->set->epsilon };
	int err = x ? 0 : vgg_fail_memory("a BatchNorm");
	char where[256];

	for (size_t i = 0; !err && i < 4; i++)
		err = fill_whole(w, p + i, x + i * n);
	if (!err) {
		err = vgg_norm_fold(&norm, n, (float *)l->scale.data,
				    (float *)l->shift.data);
		snprintf(where, sizeof(where), "%s: %s", w->source->set->path,
			 l->name);
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
				      fill_dense(w, p, (float *)l->weight.data);
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
	double epsilon = norm->epsilon ? norm->epsilon : VGG_NORM_EPSILON;

	for (size_t i = 0; i < n; i++) {
		double spread = (double)norm->var[i] + epsilon;

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

/* Who imports may say what the file doesn't. */
static int set_epsilon(const struct wanted *w, const struct vgg_model *m)
{
	struct vgg_tensors *set = w->source->set;

	if (!m->epsilon)
		return 0;
	if (!vgg_plan_norm_order(w->plan))
		return vgg_fail(BAD_ARGUMENT, set->path, "leave it out",
				"an epsilon for %s, which has no BatchNorm",
				w->plan->name);
	if (set->epsilon_from == VGG_EPSILON_FILE && set->epsilon != m->epsilon)
		return vgg_fail(BAD_ARGUMENT, set->path, "leave it out",
				"an epsilon of %g, but the file says that it "
				"is %g",
				m->epsilon, set->epsilon);
	if (set->epsilon_from != VGG_EPSILON_FILE)
		set->epsilon_from = VGG_EPSILON_GIVEN;
	set->epsilon = m->epsilon;
	return 0;
}

/* What no file of tensors says, for people. */
static int note_assumed(const struct wanted *w, struct vgg_model *m)
{
	static const char *const from[] = {
		[VGG_EPSILON_PYTORCH] = "PyTorch's default",
		[VGG_EPSILON_KERAS] = "Keras' default",
		[VGG_EPSILON_FILE] = "as the file says",
		[VGG_EPSILON_GIVEN] = "as given",
	};
	const struct vgg_tensors *set = w->source->set;
	const char *order = vgg_plan_norm_order(w->plan);
	double epsilon = set->epsilon ? set->epsilon : VGG_NORM_EPSILON;

	if (!order || set->described)
		return 0;
	if (asprintf(&m->assumed, "%s; BatchNorm's epsilon %g (%s)", order,
		     epsilon, from[set->epsilon_from]) < 0) {
		m->assumed = NULL;
		return vgg_fail_memory("a network");
	}
	return 0;
}

static int import(struct source *source, const char *arch, struct vgg_model *m)
{
	struct source by_order = *source;
	struct vgg_arch_plan plan;
	struct wanted w;
	struct guess g;
	int err;

	if (!arch) {
		guess_both(&g, source);
		if (g.many != 1)
			return fail_guess(&g, source);
		arch = g.arch;
	}
	by_order.naming = BY_ORDER;
	err = want_arch(&w, source, arch, &plan);
	if (!err && !fits(&w) && source->set->ordered) {
		err = want_arch(&w, &by_order, arch, &plan);
		if (!err && !fits(&w)) /* the names' error tells more */
			err = want_arch(&w, source, arch, &plan);
	}
	if (!err)
		err = check_all(&w);
	if (!err)
		err = set_epsilon(&w, m);
	if (!err && source->set->accept)
		err = source->set->accept(source->set, &plan);
	if (!err)
		err = vgg_plan_build(&plan, m);
	if (!err)
		err = note_assumed(&w, m);
	return err ? err : fill_all(&w, m);
}

int vgg_import_tensors(struct vgg_tensors *set, const char *arch,
		       struct vgg_model *m)
{
	struct source source;
	int err = source_init(&source, set);

	if (!err)
		err = vgg_error_at(import(&source, arch, m), set->path);
	free(source.order);
	return err;
}
