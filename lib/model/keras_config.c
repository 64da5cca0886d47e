// SPDX-License-Identifier: MIT
/*
 * Reading the description; see keras_config.h. It is a network, "Sequential" or,
 * with each layer's predecessors ("inbound_nodes"), "Functional" ("Model" in
 * older versions): a list of layers, of which some may be networks again. Here
 * they become one list.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "model/keras_config.h"
#include "util/error.h"

#define DEPTH_MAX 64
#define LAYERS_MAX 4096
#define ONNX_INSTEAD "import the network by way of ONNX"

static const char *class_of(const json_t *layer)
{
	const char *name =
		json_string_value(json_object_get(layer, "class_name"));

	return name ? name : "";
}

static const json_t *option(const json_t *layer, const char *name)
{
	return json_object_get(json_object_get(layer, "config"), name);
}

static const char *name_of(const json_t *layer)
{
	const json_t *name = json_object_get(layer, "name");

	if (!name)
		name = option(layer, "name");
	return json_is_string(name) ? json_string_value(name) : "";
}

/* References to layers' outputs: ["conv2d", 0, 0, ...], at any depth. */
struct references {
	const char *first;
	size_t count;
};

static void find_references(struct references *r, const json_t *at, int depth)
{
	const json_t *item;
	const char *key;
	size_t i;

	if (depth > DEPTH_MAX)
		return;
	if (json_array_size(at) >= 3 && json_is_string(json_array_get(at, 0)) &&
	    json_is_integer(json_array_get(at, 1)) &&
	    json_is_integer(json_array_get(at, 2)) && !r->count++)
		r->first = json_string_value(json_array_get(at, 0));
	json_array_foreach(at, i, item) find_references(r, item, depth + 1);
	json_object_foreach((json_t *)at, key, item)
		find_references(r, item, depth + 1);
}

static int fail_chain(const char *path, const json_t *layer)
{
	return vgg_fail(MODEL_UNSUPPORTED, path, ONNX_INSTEAD,
			"layer \"%s\" (%s) doesn't follow the one before it "
			"alone: only chains are supported",
			name_of(layer), class_of(layer));
}

/* before: NULL for the first layer, which has no predecessor. */
static int check_chain(const char *path, const json_t *layer,
		       const json_t *before)
{
	struct references r = { 0 };

	find_references(&r, json_object_get(layer, "inbound_nodes"), 0);
	if (before ? r.count == 1 && !strcmp(r.first, name_of(before)) :
		     !r.count)
		return 0;
	return fail_chain(path, layer);
}

/* The last layer is the output, and the only one. */
static int check_output(const char *path, const json_t *model,
			const json_t *last)
{
	const json_t *outputs = option(model, "output_layers");
	struct references r = { 0 };

	find_references(&r, outputs, 0);
	if (!outputs || (r.count == 1 && !strcmp(r.first, name_of(last))))
		return 0;
	return vgg_fail(MODEL_UNSUPPORTED, path, ONNX_INSTEAD,
			"layer \"%s\" isn't the only output of its network",
			name_of(last));
}

static int add_layer(struct vgg_keras_config *c, json_t *layer)
{
	size_t room = c->room ? 2 * c->room : 64;
	json_t **more;

	if (c->count == c->room) {
		more = reallocarray(c->layers, room, sizeof(json_t *));
		if (!more)
			return vgg_fail_memory("a network's description");
		c->layers = more;
		c->room = room;
	}
	c->layers[c->count++] = layer;
	return 0;
}

static bool is_network(const char *class)
{
	return !strcmp(class, "Sequential") || !strcmp(class, "Functional") ||
	       !strcmp(class, "Model");
}

static int add_network(struct vgg_keras_config *c, const char *path,
		       const json_t *model, int depth)
{
	/* Of a Sequential, old versions have the list alone. */
	const json_t *list = json_object_get(model, "config");
	bool chained = !strcmp(class_of(model), "Sequential");
	json_t *layer, *before = NULL;
	size_t i;
	int err = 0;

	if (json_is_object(list))
		list = json_object_get(list, "layers");
	if (!is_network(class_of(model)) || !json_array_size(list) ||
	    depth > DEPTH_MAX || json_array_size(list) > LAYERS_MAX - c->count)
		return vgg_fail(MODEL_UNSUPPORTED, path, ONNX_INSTEAD,
				"the network's description (%s) is no list of "
				"layers",
				class_of(model));
	json_array_foreach(list, i, layer)
	{
		err = chained ? 0 : check_chain(path, layer, before);
		if (!err)
			err = is_network(class_of(layer)) ?
				      add_network(c, path, layer, depth + 1) :
				      add_layer(c, layer);
		if (err)
			return err;
		before = layer;
	}
	return chained ? 0 : check_output(path, model, before);
}

/* What concerns the weights. */

static bool is_first(const json_t *layer)
{
	const char *format = json_string_value(option(layer, "data_format"));

	return format && !strcmp(format, "channels_first");
}

/* Flatten itself takes channels last, where it was told that they are first. */
static int read_formats(struct vgg_keras_config *c, const char *path)
{
	bool turned = false;

	for (size_t i = 0; i < c->count; i++) {
		if (!strcmp(class_of(c->layers[i]), "Flatten"))
			turned |= is_first(c->layers[i]);
		else if (!strcmp(class_of(c->layers[i]), "Conv2D"))
			c->channels_first |= is_first(c->layers[i]);
	}
	if (turned && !c->channels_first)
		return vgg_fail(MODEL_UNSUPPORTED, path, ONNX_INSTEAD,
				"its Flatten takes channels first, its "
				"convolutions last");
	c->flat_by_row = !c->channels_first || turned;
	return 0;
}

static int read_epsilon(struct vgg_keras_config *c, const char *path)
{
	for (size_t i = 0; i < c->count; i++) {
		const json_t *said = option(c->layers[i], "epsilon");
		double epsilon =
			said ? json_number_value(said) : VGG_KERAS_EPSILON;

		/* BatchNormalizationV1, ...V2 as well */
		if (strncmp(class_of(c->layers[i]), "BatchNormalization", 18))
			continue;
		if (!(epsilon > 0) || (c->epsilon && c->epsilon != epsilon))
			return vgg_fail(MODEL_UNSUPPORTED, path,
					"train it with one epsilon",
					"BatchNorms have several epsilons, or "
					"none");
		c->epsilon = epsilon;
	}
	return 0;
}

int vgg_keras_config_read(struct vgg_keras_config *c, const char *path,
			  const char *text)
{
	json_error_t error;
	int err;

	*c = (struct vgg_keras_config){ .flat_by_row = true };
	if (!text)
		return 0;
	c->root = json_loads(text, 0, &error);
	if (!c->root)
		return vgg_fail(MODEL_FORMAT, path, "get the file again",
				"its model_config is no sound JSON: %s",
				error.text);
	err = add_network(c, path, c->root, 0);
	if (!err)
		err = read_formats(c, path);
	return err ? err : read_epsilon(c, path);
}

void vgg_keras_config_clear(struct vgg_keras_config *c)
{
	free(c->layers);
	json_decref(c->root);
	*c = (struct vgg_keras_config){ 0 };
}
