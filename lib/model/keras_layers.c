// SPDX-License-Identifier: MIT
/*
 * A Keras network's layers beside an architecture's steps; see keras_config.h.
 *
 * One layer may be several steps (a convolution with its activation) or none
 * (dropout). What isn't in the table of classes is refused: it might compute
 * anything. Whether the network ends with a softmax is the file's matter, as its
 * number of classes is.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/arch.h"
#include "model/keras_config.h"
#include "util/error.h"

struct walk {
	const struct vgg_keras_config *config;
	const char *path;
	const struct vgg_arch_plan *plan;
	unsigned int at; /* the plan's next step */
	int side, pad; /* of the image; zeros around it, for what comes next */
	enum vgg_op end; /* SOFTMAX or LOGSOFTMAX; NO_END: none so far */
};

#define NO_END VGG_OP_CONV /* which none ends with */

/* A layer of the description. */
struct layer {
	const char *name, *class;
	const json_t *options;
};

static const char *const step_names[] = {
	[VGG_STEP_CONV] = "a convolution",
	[VGG_STEP_RELU] = "a ReLU",
	[VGG_STEP_NORM] = "a BatchNorm",
	[VGG_STEP_LRN] = "an LRN",
	[VGG_STEP_POOL] = "a max-pooling",
	[VGG_STEP_FLATTEN] = "a flattening",
	[VGG_STEP_LINEAR] = "a dense layer",
	[VGG_STEP_SOFTMAX] = "the end, or a softmax",
	[VGG_STEP_LOGSOFTMAX] = "the end, or a softmax",
};

static struct layer layer_of(const json_t *at)
{
	const json_t *options = json_object_get(at, "config");
	const char *name = json_string_value(json_object_get(options, "name"));
	const char *class =
		json_string_value(json_object_get(at, "class_name"));

	return (struct layer){ name ? name : "", class ? class : "", options };
}

/* Errors. */

#define INSTEAD \
	"name another architecture (--arch), or import it by way of ONNX"

static int fail_step(const struct walk *w, const struct layer *l,
		     const char *what)
{
	const char *expected = w->end == NO_END && w->at < w->plan->count ?
				       step_names[w->plan->steps[w->at].kind] :
				       "the end";

	return vgg_fail(MODEL_UNSUPPORTED, w->path, INSTEAD,
			"layer \"%s\" (%s)%s, where %s has %s", l->name,
			l->class, what, w->plan->name, expected);
}

static int fail_option(const struct walk *w, const struct layer *l,
		       const char *name, const char *expected)
{
	const json_t *value = json_object_get(l->options, name);
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	int err;

	err = vgg_fail(MODEL_UNSUPPORTED, w->path, INSTEAD,
		       "layer \"%s\" (%s): %s is %.80s, expected %s for %s",
		       l->name, l->class, name, text ? text : "not there",
		       expected, w->plan->name);
	free(text);
	return err;
}

/* Options. What isn't there is as Keras has it by default, which is expected. */

static int expect_number(const struct walk *w, const struct layer *l,
			 const char *name, double expected)
{
	const json_t *value = json_object_get(l->options, name);
	char text[32];

	if (!value ||
	    (json_is_number(value) && json_number_value(value) == expected))
		return 0;
	snprintf(text, sizeof(text), "%g", expected);
	return fail_option(w, l, name, text);
}

/* [n, n]; or n, or null, where that means the same. */
static int expect_pair(const struct walk *w, const struct layer *l,
		       const char *name, int n, bool null)
{
	const json_t *value = json_object_get(l->options, name), *item;
	bool right = !value || (null && json_is_null(value)) ||
		     (json_is_integer(value) && json_integer_value(value) == n);
	char text[32];
	size_t i;

	if (json_array_size(value) == 2) {
		right = true;
		json_array_foreach(value, i, item) right &=
			json_is_integer(item) && json_integer_value(item) == n;
	}
	snprintf(text, sizeof(text), "[%d,%d]", n, n);
	return right ? 0 : fail_option(w, l, name, text);
}

static int expect_true(const struct walk *w, const struct layer *l,
		       const char *name)
{
	const json_t *value = json_object_get(l->options, name);

	return !value || json_is_true(value) ? 0 :
					       fail_option(w, l, name, "true");
}

static int expect_format(const struct walk *w, const struct layer *l)
{
	const char *wanted =
		w->config->channels_first ? "channels_first" : "channels_last";
	const json_t *value = json_object_get(l->options, "data_format");

	if (!value || json_is_null(value) ||
	    (json_is_string(value) &&
	     !strcmp(json_string_value(value), wanted)))
		return 0;
	return fail_option(w, l, "data_format", wanted);
}

/* Steps. */

static int take(struct walk *w, const struct layer *l, enum vgg_arch_kind kind,
		const struct vgg_arch_step **step)
{
	bool windowed = kind == VGG_STEP_CONV || kind == VGG_STEP_POOL;

	if (w->end != NO_END || w->at == w->plan->count ||
	    w->plan->steps[w->at].kind != kind)
		return fail_step(w, l, "");
	if (w->pad && !windowed)
		return fail_step(w, l, " behind zeros around the image");
	*step = &w->plan->steps[w->at++];
	return 0;
}

static bool at_end(const struct walk *w)
{
	return w->end == NO_END &&
	       (w->at == w->plan->count ||
		w->plan->steps[w->at].kind == VGG_STEP_SOFTMAX ||
		w->plan->steps[w->at].kind == VGG_STEP_LOGSOFTMAX);
}

static int take_end(struct walk *w, const struct layer *l, enum vgg_op op)
{
	if (!at_end(w))
		return fail_step(w, l, " with a softmax");
	w->end = op;
	return 0;
}

/* "relu", or as Keras 3 writes it, {"class_name": "function", "config": "relu"}. */
static int take_activation(struct walk *w, const struct layer *l)
{
	const json_t *value = json_object_get(l->options, "activation");
	const struct vgg_arch_step *step = NULL;
	const char *name;

	if (json_is_object(value))
		value = json_object_get(value, "config");
	name = json_is_string(value) ? json_string_value(value) : "";
	if (!value || json_is_null(value) || !strcmp(name, "linear"))
		return 0;
	if (!strcmp(name, "relu"))
		return take(w, l, VGG_STEP_RELU, &step);
	if (!strcmp(name, "softmax"))
		return take_end(w, l, VGG_OP_SOFTMAX);
	if (!strcmp(name, "log_softmax"))
		return take_end(w, l, VGG_OP_LOGSOFTMAX);
	return fail_option(w, l, "activation",
			   at_end(w) ? "softmax or linear" :
			   w->at < w->plan->count &&
					   w->plan->steps[w->at].kind ==
						   VGG_STEP_RELU ?
				       "relu" :
				       "linear");
}

/* Layers. */

static int pass(struct walk *w, const struct layer *l)
{
	(void)w;
	(void)l;
	return 0;
}

/* The batch's shape, which the first layer says in Keras 2. */
static int check_input(const struct walk *w, const struct layer *l)
{
	const char *name = json_object_get(l->options, "batch_shape") ?
				   "batch_shape" :
				   "batch_input_shape";
	const json_t *shape = json_object_get(l->options, name), *side;
	size_t first = w->config->channels_first ? 2 : 1;
	char text[64];

	if (!shape || json_is_null(shape))
		return 0;
	snprintf(text, sizeof(text), "%dx%d pixels", w->plan->input,
		 w->plan->input);
	if (json_array_size(shape) != 4)
		return fail_option(w, l, name, text);
	for (size_t i = first; i < first + 2; i++) {
		side = json_array_get(shape, i);
		if (!json_is_null(side) &&
		    json_integer_value(side) != w->plan->input)
			return fail_option(w, l, name, text);
	}
	return 0;
}

/* What "same" and "valid" add to each border, with the zeros of a layer before;
 * -1 if it isn't as much on each. */
static int padding_of(struct walk *w, const struct layer *l, int kernel,
		      int stride)
{
	const json_t *value = json_object_get(l->options, "padding");
	const char *kind =
		json_is_string(value) ? json_string_value(value) : "valid";
	int pad = w->pad;

	w->pad = 0;
	if (!strcmp(kind, "valid"))
		return pad;
	if (strcmp(kind, "same"))
		return -1;
	if (stride == 1)
		return kernel % 2 ? pad + kernel / 2 : -1;
	return (w->side + 2 * pad) % stride ? -1 : pad;
}

static int expect_padding(struct walk *w, const struct layer *l,
			  const struct vgg_arch_step *step, int stride)
{
	char text[48];

	snprintf(text, sizeof(text), "what adds %d to each border", step->pad);
	if (padding_of(w, l, step->kernel, stride) != step->pad)
		return fail_option(w, l, "padding", text);
	w->side = (w->side + 2 * step->pad - step->kernel) / stride + 1;
	return 0;
}

static int check_conv(struct walk *w, const struct layer *l)
{
	const struct vgg_arch_step *step = NULL;
	int err = take(w, l, VGG_STEP_CONV, &step);

	if (!err)
		err = expect_number(w, l, "filters", step->out_c);
	if (!err)
		err = expect_pair(w, l, "kernel_size", step->kernel, false);
	if (!err)
		err = expect_pair(w, l, "strides", 1, false);
	if (!err)
		err = expect_pair(w, l, "dilation_rate", 1, false);
	if (!err)
		err = expect_number(w, l, "groups", 1);
	if (!err)
		err = expect_true(w, l, "use_bias");
	if (!err)
		err = expect_format(w, l);
	if (!err)
		err = expect_padding(w, l, step, 1);
	return err ? err : take_activation(w, l);
}

static int check_pool(struct walk *w, const struct layer *l)
{
	const struct vgg_arch_step *step = NULL;
	int err = take(w, l, VGG_STEP_POOL, &step);

	if (!err)
		err = expect_pair(w, l, "pool_size", step->kernel, false);
	if (!err)
		err = expect_pair(w, l, "strides", 2, true);
	if (!err)
		err = expect_format(w, l);
	return err ? err : expect_padding(w, l, step, 2);
}

static bool are_ones(const json_t *pair)
{
	return json_array_size(pair) == 2 &&
	       json_integer_value(json_array_get(pair, 0)) == 1 &&
	       json_integer_value(json_array_get(pair, 1)) == 1;
}

/* Zeros around an image that a ReLU has left are what a pool takes for nothing. */
static int check_zeros(struct walk *w, const struct layer *l)
{
	const json_t *rows = json_object_get(l->options, "padding");

	if (json_array_size(rows) != 2 || w->pad ||
	    !are_ones(json_array_get(rows, 0)) ||
	    !are_ones(json_array_get(rows, 1)))
		return fail_option(w, l, "padding", "[[1,1],[1,1]]");
	w->pad = 1;
	return expect_format(w, l);
}

static bool is_flat(const struct walk *w)
{
	for (unsigned int i = 0; i < w->at; i++)
		if (w->plan->steps[i].kind == VGG_STEP_FLATTEN)
			return true;
	return false;
}

/* -1, 3 or [3] where channels are last; old versions had lists. */
static int check_norm(struct walk *w, const struct layer *l)
{
	bool flat = is_flat(w), first = !flat && w->config->channels_first;
	const json_t *axis = json_object_get(l->options, "axis");
	json_int_t channels = flat || first ? 1 : 3, n;
	const struct vgg_arch_step *step = NULL;
	int err = take(w, l, VGG_STEP_NORM, &step);

	if (json_array_size(axis) == 1)
		axis = json_array_get(axis, 0);
	n = axis ? json_integer_value(axis) : -1;
	if (!err && n != channels && (n != -1 || first))
		err = fail_option(w, l, "axis", "the channels'");
	if (!err)
		err = expect_true(w, l, "scale");
	return err ? err : expect_true(w, l, "center");
}

static int check_flatten(struct walk *w, const struct layer *l)
{
	const struct vgg_arch_step *step = NULL;

	return take(w, l, VGG_STEP_FLATTEN, &step);
}

static int check_dense(struct walk *w, const struct layer *l)
{
	const struct vgg_arch_step *step = NULL;
	int err = take(w, l, VGG_STEP_LINEAR, &step);

	if (!err)
		err = expect_number(w, l, "units", step->out_c);
	if (!err)
		err = expect_true(w, l, "use_bias");
	return err ? err : take_activation(w, l);
}

static int check_relu(struct walk *w, const struct layer *l)
{
	const json_t *most = json_object_get(l->options, "max_value");
	const struct vgg_arch_step *step = NULL;
	int err = take(w, l, VGG_STEP_RELU, &step);

	if (!err && most && !json_is_null(most))
		err = fail_option(w, l, "max_value", "null");
	if (!err)
		err = expect_number(w, l, "negative_slope", 0);
	return err ? err : expect_number(w, l, "threshold", 0);
}

static int check_softmax(struct walk *w, const struct layer *l)
{
	const json_t *axis = json_object_get(l->options, "axis");

	if (axis && json_integer_value(axis) != -1 &&
	    json_integer_value(axis) != 1)
		return fail_option(w, l, "axis", "-1");
	return take_end(w, l, VGG_OP_SOFTMAX);
}

static const struct {
	const char *name;
	int (*check)(struct walk *w, const struct layer *l);
} classes[] = {
	{ "InputLayer", pass },
	/* These do something in training only. */
	{ "Dropout", pass },
	{ "SpatialDropout2D", pass },
	{ "AlphaDropout", pass },
	{ "GaussianDropout", pass },
	{ "GaussianNoise", pass },
	{ "ActivityRegularization", pass },
	{ "Conv2D", check_conv },
	{ "ZeroPadding2D", check_zeros },
	{ "Activation", take_activation },
	{ "ReLU", check_relu },
	{ "BatchNormalization", check_norm },
	{ "BatchNormalizationV1", check_norm },
	{ "BatchNormalizationV2", check_norm },
	{ "MaxPooling2D", check_pool },
	{ "Flatten", check_flatten },
	{ "Dense", check_dense },
	{ "Softmax", check_softmax },
};

static int check_layer(struct walk *w, const struct layer *l)
{
	int err = check_input(w, l);

	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (!strcmp(l->class, classes[i].name))
			return err ? err : classes[i].check(w, l);
	return fail_step(w, l, " is not known here");
}

int vgg_keras_config_check(struct vgg_keras_config *c, const char *path,
			   const struct vgg_arch_plan *plan)
{
	struct walk w = { c, path, plan, .side = plan->input, .end = NO_END };
	int err = 0;

	for (size_t i = 0; !err && i < c->count; i++) {
		struct layer l = layer_of(c->layers[i]);

		err = check_layer(&w, &l);
	}
	if (!err && c->root && w.end == NO_END && !at_end(&w))
		err = vgg_fail(MODEL_UNSUPPORTED, path, INSTEAD,
			       "the network's description ends where %s has "
			       "%s",
			       plan->name, step_names[plan->steps[w.at].kind]);
	c->end = w.end;
	return err;
}

int vgg_keras_config_end(const struct vgg_keras_config *c, struct vgg_model *m)
{
	enum vgg_op last = m->layers[m->count - 1].op;
	struct vgg_layer *l;

	if (!c->root || last == c->end)
		return 0;
	if (last == VGG_OP_SOFTMAX || last == VGG_OP_LOGSOFTMAX)
		vgg_model_remove(m, m->count - 1);
	if (c->end == NO_END)
		return 0;
	l = vgg_model_add(m, c->end, "softmax");
	if (!l)
		return -ENOMEM;
	l->axis = 1;
	return vgg_layer_infer(l);
}
