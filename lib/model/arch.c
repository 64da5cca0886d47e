// SPDX-License-Identifier: MIT
/*
 * The networks that `import` knows by name.
 *
 * Layers are named and numbered as torchvision's modules: all that has a place
 * in its Sequential counts, dropout included, though it does nothing here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/arch.h"
#include "util/error.h"

enum norm { NORM_NONE, NORM_BEFORE_RELU, NORM_AFTER_RELU };
enum end { END_LOGITS, END_SOFTMAX, END_LOGSOFTMAX };

/*
 * What networks of this kind were usually trained on. IMAGENET: torchvision's,
 * shorter side to 256, centre 224x224, ImageNet's mean and deviation. HALF, as
 * PyTorch's tutorials have it for small images: the whole image, -1..1. UNIT,
 * as the mini-VGG's tutorial has it: the whole image, bytes / 255.
 */
enum prep { PREP_IMAGENET, PREP_HALF, PREP_UNIT };

/*
 * Features: a word per module. "64": a 3x3 convolution to 64 channels with
 * padding 1, and the ReLU (and BatchNorm) behind it. "64v": without padding.
 * "64p": a 1x1 convolution. "M": 2x2 max-pooling with stride 2, "Mp": the same
 * with padding 1. "L": LRN. "D": dropout.
 */
struct vgg_arch {
	const char *name, *features;
	int hidden[2]; /* widths of the dense layers before the last; 0: none */
	int input, classes;
	enum norm norm;
	enum end end;
	enum prep prep;
	bool twin; /* has the tensors of another one: never guessed */
};

#define CONFIG_A "64 M 128 M 256 256 M 512 512 M 512 512 M"
#define CONFIG_A_LRN "64 L M 128 M 256 256 M 512 512 M 512 512 M"
#define CONFIG_B "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M"
#define CONFIG_C                                           \
	"64 64 M 128 128 M 256 256 256p M 512 512 512p M " \
	"512 512 512p M"
#define CONFIG_D "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"
#define CONFIG_E                                                 \
	"64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M " \
	"512 512 512 512 M"
#define CONFIG_D_ODD                                             \
	"64v 64 Mp 128v 128 Mp 256v 256 256 Mp 512v 512 512 Mp " \
	"512v 512 512 Mp"

#define IMAGENET .hidden = { 4096, 4096 }, .input = 224, .classes = 1000
#define CIFAR10                                              \
	.input = 32, .classes = 10, .norm = NORM_AFTER_RELU, \
	.end = END_SOFTMAX, .prep = PREP_UNIT

/* Configurations A to E are those of the VGG paper (Simonyan, Zisserman 2014),
 * table 1. */
static const struct vgg_arch archs[] = {
	{ "vgg11", CONFIG_A, IMAGENET },
	{ "vgg11_bn", CONFIG_A, IMAGENET, .norm = NORM_BEFORE_RELU },
	{ "vgg11_lrn", CONFIG_A_LRN, IMAGENET },
	{ "vgg13", CONFIG_B, IMAGENET },
	{ "vgg13_bn", CONFIG_B, IMAGENET, .norm = NORM_BEFORE_RELU },
	{ "vgg16", CONFIG_D, IMAGENET },
	{ "vgg16_bn", CONFIG_D, IMAGENET, .norm = NORM_BEFORE_RELU },
	{ "vgg16c", CONFIG_C, IMAGENET },
	{ "vgg16c_bn", CONFIG_C, IMAGENET, .norm = NORM_BEFORE_RELU },
	{ "vgg16_oddpad", CONFIG_D_ODD, IMAGENET, .end = END_LOGSOFTMAX,
	  .twin = true },
	{ "vgg16_stl10", CONFIG_D, .hidden = { 4096, 4096 }, .input = 96,
	  .classes = 10, .prep = PREP_HALF },
	{ "vgg19", CONFIG_E, IMAGENET },
	{ "vgg19_bn", CONFIG_E, IMAGENET, .norm = NORM_BEFORE_RELU },
	{ "minivgg_cifar10", "32 32 M D 64 64 M D", .hidden = { 512 },
	  CIFAR10 },
	{ "minivgg_cifar10_wide", "64 64 M D 64 64 M D", .hidden = { 256 },
	  CIFAR10 },
};

#define N_ARCHS (sizeof(archs) / sizeof(archs[0]))

/*
 * LRN as the VGG paper takes it from Krizhevsky's: five channels, k = 2, beta =
 * 0.75 and alpha = 1e-4. The paper multiplies alpha by the sum of squares,
 * while ONNX and PyTorch take their mean: hence times five.
 */
#define LRN_SIZE 5
#define LRN_ALPHA 5e-4f
#define LRN_BETA 0.75f
#define LRN_BIAS 2.0f

const char *vgg_arch_name(unsigned int i)
{
	return i < N_ARCHS ? archs[i].name : NULL;
}

/* The recipes of tools/train for the same networks. */
static const char *const aliases[][2] = {
	{ "minivgg", "minivgg_cifar10" },
	{ "minivgg_wide", "minivgg_cifar10_wide" },
};

static const struct vgg_arch *find(const char *name)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
		if (!strcmp(aliases[i][0], name))
			name = aliases[i][1];
	for (size_t i = 0; i < N_ARCHS; i++)
		if (!strcmp(archs[i].name, name))
			return &archs[i];
	return NULL;
}

static int fail_unknown(const char *name)
{
	char text[256] = "use one of";
	size_t used = strlen(text);

	for (size_t i = 0; i < N_ARCHS && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s %s", i ? "," : "", archs[i].name);
	return vgg_fail(MODEL_UNSUPPORTED, NULL, text,
			"there is no architecture \"%s\"", name);
}

/* What is built up while the features are read. */
struct planner {
	struct vgg_arch_plan *plan;
	int channels, side;
	int index; /* of the next module */
};

static struct vgg_arch_step *add(struct planner *p, enum vgg_arch_kind kind,
				 const char *group)
{
	struct vgg_arch_step *s = &p->plan->steps[p->plan->count++];

	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->in_c = s->out_c = p->channels;
	snprintf(s->name, sizeof(s->name), "%s.%d", group, p->index++);
	return s;
}

static int slide(struct planner *p, const struct vgg_arch_step *s, int stride)
{
	int span = p->side + 2 * s->pad - s->kernel;

	if (span < 0)
		return vgg_fail(MODEL_SHAPE, s->name, "use a larger input",
				"an input of %dx%d is too small for %s",
				p->plan->input, p->plan->input,
				p->plan->arch->name);
	p->side = span / stride + 1;
	return 0;
}

static void add_activation(struct planner *p, const char *group, bool before)
{
	enum norm norm = p->plan->arch->norm;

	if (norm == NORM_BEFORE_RELU && before)
		add(p, VGG_STEP_NORM, group);
	add(p, VGG_STEP_RELU, group);
	if (norm == NORM_AFTER_RELU)
		add(p, VGG_STEP_NORM, group);
}

static int plan_conv(struct planner *p, int channels, char variant)
{
	struct vgg_arch_step *s = add(p, VGG_STEP_CONV, "features");

	s->out_c = p->channels = channels;
	s->kernel = variant == 'p' ? 1 : 3;
	s->pad = variant ? 0 : 1;
	add_activation(p, "features", true);
	return slide(p, s, 1);
}

static int plan_pool(struct planner *p, bool padded)
{
	struct vgg_arch_step *s = add(p, VGG_STEP_POOL, "features");

	s->kernel = 2;
	s->pad = padded;
	return slide(p, s, 2);
}

static int plan_features(struct planner *p)
{
	const char *at = p->plan->arch->features;
	int err = 0;

	for (; !err && *at; at += strcspn(at, " "), at += strspn(at, " ")) {
		char *end;
		long channels = strtol(at, &end, 10);

		if (channels)
			err = plan_conv(p, (int)channels,
					strchr("pv", *end) ? *end : 0);
		else if (*at == 'M')
			err = plan_pool(p, at[1] == 'p');
		else if (*at == 'L')
			add(p, VGG_STEP_LRN, "features");
		else
			p->index++;
	}
	return err;
}

static void plan_linear(struct planner *p, int width)
{
	struct vgg_arch_step *s = add(p, VGG_STEP_LINEAR, "classifier");

	s->out_c = p->channels = width;
}

static void plan_head(struct planner *p)
{
	const struct vgg_arch *arch = p->plan->arch;
	struct vgg_arch_step *s = add(p, VGG_STEP_FLATTEN, "flatten");

	s->out_c = p->channels *= p->side * p->side;
	snprintf(s->name, sizeof(s->name), "flatten");
	p->index = 0;
	for (size_t i = 0; i < 2 && arch->hidden[i]; i++) {
		plan_linear(p, arch->hidden[i]);
		add_activation(p, "classifier", false);
		p->index++; /* dropout */
	}
	plan_linear(p, p->plan->classes);
	if (arch->end == END_LOGITS)
		return;
	s = add(p,
		arch->end == END_SOFTMAX ? VGG_STEP_SOFTMAX :
					   VGG_STEP_LOGSOFTMAX,
		"");
	snprintf(s->name, sizeof(s->name), "%s",
		 arch->end == END_SOFTMAX ? "softmax" : "log_softmax");
}

int vgg_arch_plan(const char *name, int input, int classes,
		  struct vgg_arch_plan *plan)
{
	const struct vgg_arch *arch = find(name);
	struct planner p = { .plan = plan, .channels = 3 };
	int err;

	if (!arch)
		return fail_unknown(name);
	plan->arch = arch;
	plan->name = arch->name;
	plan->count = 0;
	plan->input = input ? input : arch->input;
	plan->classes = classes ? classes : arch->classes;
	p.side = plan->input;
	err = plan_features(&p);
	if (err)
		return err;
	plan->side = p.side;
	plan_head(&p);
	return 0;
}

bool vgg_arch_guessable(const char *name)
{
	return !find(name)->twin;
}

int vgg_arch_input_for(const char *name, int side)
{
	const char *features = find(name)->features;
	struct vgg_arch_plan plan;
	int stride = 1;

	for (; *features; features++)
		if (*features == 'M')
			stride *= 2;
	/* Several sizes may do, as pools drop odd rows: the roundest is most
	 * likely. Padding moves sizes by less than one stride. */
	for (int step = stride; step; step /= 2)
		for (int size = step; size <= (side + 1) * stride; size += step)
			if (!vgg_arch_plan(name, size, 0, &plan) &&
			    plan.side == side)
				return size;
	return 0;
}

const char *vgg_plan_norm_order(const struct vgg_arch_plan *plan)
{
	static const char *const orders[] = {
		[NORM_NONE] = NULL,
		[NORM_BEFORE_RELU] = "conv, bn, relu",
		[NORM_AFTER_RELU] = "conv, relu, bn",
	};

	return orders[plan->arch->norm];
}

int vgg_plan_channels(const struct vgg_arch_plan *plan)
{
	for (unsigned int i = 0; i < plan->count; i++)
		if (plan->steps[i].kind == VGG_STEP_FLATTEN)
			return plan->steps[i].in_c;
	return 0;
}

/* Layers */

static int build_weights(struct vgg_layer *l, const struct vgg_arch_step *s)
{
	size_t taps = (size_t)s->in_c;

	if (s->kind == VGG_STEP_CONV)
		taps *= (size_t)s->kernel * (size_t)s->kernel;
	if (!vgg_blob_alloc(&l->weight, VGG_F32, (size_t)s->out_c * taps) ||
	    !vgg_blob_alloc(&l->bias, VGG_F32, (size_t)s->out_c))
		return -ENOMEM;
	return 0;
}

static int build_norm(struct vgg_layer *l, const struct vgg_arch_step *s)
{
	if (!vgg_blob_alloc(&l->scale, VGG_F32, (size_t)s->out_c) ||
	    !vgg_blob_alloc(&l->shift, VGG_F32, (size_t)s->out_c))
		return -ENOMEM;
	return 0;
}

static void build_window(struct vgg_layer *l, const struct vgg_arch_step *s)
{
	int stride = s->kind == VGG_STEP_POOL ? 2 : 1;

	l->win = (struct vgg_window){
		.kernel_h = s->kernel,
		.kernel_w = s->kernel,
		.stride_h = stride,
		.stride_w = stride,
		.pad_top = s->pad,
		.pad_left = s->pad,
		.pad_bottom = s->pad,
		.pad_right = s->pad,
	};
}

static void build_lrn(struct vgg_layer *l)
{
	l->lrn_size = LRN_SIZE;
	l->lrn_alpha = LRN_ALPHA;
	l->lrn_beta = LRN_BETA;
	l->lrn_bias = LRN_BIAS;
}

static const enum vgg_op ops[] = {
	[VGG_STEP_CONV] = VGG_OP_CONV,
	[VGG_STEP_RELU] = VGG_OP_AFFINE,
	[VGG_STEP_NORM] = VGG_OP_AFFINE,
	[VGG_STEP_LRN] = VGG_OP_LRN,
	[VGG_STEP_POOL] = VGG_OP_MAXPOOL,
	[VGG_STEP_FLATTEN] = VGG_OP_RESHAPE,
	[VGG_STEP_LINEAR] = VGG_OP_CONV,
	[VGG_STEP_SOFTMAX] = VGG_OP_SOFTMAX,
	[VGG_STEP_LOGSOFTMAX] = VGG_OP_LOGSOFTMAX,
};

static int build_step(const struct vgg_arch_step *s, struct vgg_model *m)
{
	struct vgg_layer *l = vgg_model_add(m, ops[s->kind], s->name);
	int err = 0;

	if (!l)
		return -ENOMEM;
	if (s->kind == VGG_STEP_CONV || s->kind == VGG_STEP_POOL)
		build_window(l, s);
	if (l->op == VGG_OP_CONV)
		err = build_weights(l, s);
	else if (s->kind == VGG_STEP_NORM)
		err = build_norm(l, s);
	else if (s->kind == VGG_STEP_RELU)
		l->lo = 0;
	else if (s->kind == VGG_STEP_LRN)
		build_lrn(l);
	else if (s->kind == VGG_STEP_FLATTEN)
		l->out = (struct vgg_shape){ 2, { 1, s->out_c } };
	else if (l->op != VGG_OP_MAXPOOL)
		l->axis = 1; /* softmax over the classes */
	return err ? err : vgg_layer_infer(l);
}

/* How the network's images are usually made; see enum prep. */
static void build_preprocess(const struct vgg_arch_plan *plan,
			     struct vgg_preprocess *p)
{
	static const float mean[] = { 0.485f, 0.456f, 0.406f };
	static const float std[] = { 0.229f, 0.224f, 0.225f };
	enum prep prep = plan->arch->prep;

	*p = (struct vgg_preprocess){
		.resize = plan->input,
		.crop_w = plan->input,
		.crop_h = plan->input,
		.interpolation = VGG_FILTER_BILINEAR,
		.channels = 3,
	};
	/* 256 for 224, and as much more for other sizes */
	if (prep == PREP_IMAGENET)
		p->resize = (plan->input * 8 + 3) / 7;
	for (int c = 0; c < p->channels; c++) {
		p->mean[c] = prep == PREP_IMAGENET ? mean[c] :
			     prep == PREP_HALF	   ? 0.5f :
						     0;
		p->std[c] = prep == PREP_IMAGENET ? std[c] :
			    prep == PREP_HALF	  ? 0.5f :
						    1;
	}
}

int vgg_plan_build(const struct vgg_arch_plan *plan, struct vgg_model *m)
{
	int err = 0;

	m->input = (struct vgg_shape){ 4, { 1, 3, plan->input, plan->input } };
	build_preprocess(plan, &m->preprocess);
	free(m->arch);
	m->arch = strdup(plan->arch->name);
	if (!m->arch)
		return vgg_fail_memory("a network");
	for (unsigned int i = 0; !err && i < plan->count; i++)
		err = build_step(&plan->steps[i], m);
	return err;
}

int vgg_arch_build(const char *arch, struct vgg_model *m)
{
	struct vgg_arch_plan plan;
	int err = vgg_arch_plan(arch, 0, 0, &plan);

	return err ? err : vgg_plan_build(&plan, m);
}
