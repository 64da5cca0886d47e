// SPDX-License-Identifier: MIT
/* See keras.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/keras.h"
#include "util/error.h"

/* Layers. */

enum kind { CONV, NORM, DENSE, N_KINDS };

struct role {
	const char *keras, *name;
};

/* In the order in which Keras 3 numbers them, and PyTorch names them. */
static const struct role kernel_roles[] = { { "kernel", "weight" },
					    { "bias", "bias" } };
static const struct role norm_roles[] = {
	{ "gamma", "weight" },
	{ "beta", "bias" },
	{ "moving_mean", "running_mean" },
	{ "moving_variance", "running_var" },
};

/* The weights of one layer: count of them from `first` on. */
struct layer {
	const struct vgg_hdf5_tensor *first;
	size_t count;
};

static struct layer layer_at(const struct vgg_hdf5_weights *w, size_t i)
{
	struct layer l = { &w->tensors[i], 0 };

	while (i + l.count < w->count &&
	       l.first[l.count].layer == l.first->layer)
		l.count++;
	return l;
}

static int fail_layer(const struct vgg_keras *k, const struct layer *l)
{
	return vgg_fail(
		MODEL_UNSUPPORTED, k->all.path,
		"import the network by way of ONNX",
		"layer %s has %zu weights, the first of %d dimensions: "
		"neither a convolution nor a dense layer with bias, nor "
		"a BatchNorm with all four",
		l->first->layer_name, l->count, l->first->rank);
}

static int kind_of(const struct vgg_keras *k, const struct layer *l,
		   enum kind *kind)
{
	int rank = l->first->rank;

	if (l->count == 2 && (rank == 4 || rank == 2))
		*kind = rank == 4 ? CONV : DENSE;
	else if (l->count == 4 && rank == 1)
		*kind = NORM;
	else
		return fail_layer(k, l);
	return 0;
}

/* "conv2d_1/kernel:0" is the kernel; so is "vars/0", the first of a layer. */
static bool is_role(const struct vgg_hdf5_tensor *t, const struct role *role,
		    size_t number)
{
	const char *slash = strrchr(t->name, '/');
	const char *last = slash ? slash + 1 : t->name;
	size_t n = strcspn(last, ":");
	char *end;

	if (*last >= '0' && *last <= '9')
		return strtoul(last, &end, 10) == number && !*end;
	return n == strlen(role->keras) && !strncmp(last, role->keras, n);
}

/* Row-major by default; the steps of what Keras has in another order. */
static void set_order(struct vgg_tensor *t, const struct vgg_hdf5_tensor *from)
{
	/* out, in, row, column of row, column, in, out */
	static const int conv[] = { 3, 2, 0, 1 }, dense[] = { 1, 0 };
	const int *order = from->rank == 4 ? conv : dense;
	int64_t steps[4] = { 1, 1, 1, 1 };

	for (int i = from->rank - 2; i >= 0; i--)
		steps[i] = steps[i + 1] * from->shape[i + 1];
	t->strided = true;
	for (int i = 0; i < from->rank; i++) {
		t->shape[i] = from->shape[order[i]];
		t->stride[i] = steps[order[i]];
	}
}

static int add(struct vgg_keras *k, const struct vgg_hdf5_tensor *from,
	       const char *name)
{
	struct vgg_tensor *t = vgg_tensors_add(&k->all);
	char *text;

	if (!t)
		return -ENOMEM;
	if (asprintf(&text, "%s.%s", from->layer_name, name) < 0)
		return vgg_fail_memory("the name of a tensor");
	k->names[k->all.count - 1] = text;
	t->name = text;
	vgg_tensor_set_type(t, vgg_type_of(VGG_F32));
	t->rank = from->rank;
	if (from->rank == 1)
		t->shape[0] = from->shape[0];
	else
		set_order(t, from);
	if (!vgg_tensor_measure(t, sizeof(float))) /* the reader has a limit */
		return vgg_fail(MODEL_FORMAT, k->all.path, NULL,
				"tensor \"%s\" is too large", t->name);
	k->from[k->all.count - 1] = from;
	return 0;
}

static int add_layer(struct vgg_keras *k, const struct layer *l, enum kind kind)
{
	const struct role *roles = kind == NORM ? norm_roles : kernel_roles;
	int err = 0;

	for (size_t i = 0; !err && i < l->count; i++) {
		const struct vgg_hdf5_tensor *from = NULL;

		for (size_t j = 0; j < l->count; j++)
			if (is_role(&l->first[j], &roles[i], i))
				from = &l->first[j];
		if (!from || (from->rank != 1 && i) ||
		    (from->rank == 1 && !i && kind != NORM))
			return fail_layer(k, l);
		err = add(k, from, roles[i].name);
	}
	return err;
}

/* Keras 3 doesn't tell how layers of different kinds follow each other; so all
 * of a kind come first, of Keras 2's files as well. */
static int add_kind(struct vgg_keras *k, enum kind wanted)
{
	enum kind kind = CONV;
	int err = 0;

	for (size_t i = 0; !err && i < k->file.weights.count;) {
		struct layer l = layer_at(&k->file.weights, i);

		err = kind_of(k, &l, &kind);
		if (!err && kind == wanted)
			err = add_layer(k, &l, kind);
		i += l.count;
	}
	return err;
}

bool vgg_keras_probe(const struct vgg_file *file)
{
	return file->size >= 8 && !memcmp(file->data, "\x89HDF\r\n\x1a\n", 8);
}

/* What the file has no description for is as Keras has it by default. */
static int read_config(struct vgg_keras *k)
{
	struct vgg_keras_config *c = &k->config;
	int err = vgg_keras_config_read(c, k->all.path, k->file.weights.config);

	k->all.described = c->root;
	k->all.channels_last = c->flat_by_row;
	k->all.epsilon = c->epsilon ? c->epsilon : VGG_KERAS_EPSILON;
	k->all.epsilon_from = c->epsilon ? VGG_EPSILON_FILE : VGG_EPSILON_KERAS;
	return err;
}

/* Only what fits is worth reading. */
static int accept(struct vgg_tensors *set, const struct vgg_arch_plan *plan)
{
	struct vgg_keras *k = (struct vgg_keras *)set;
	int err = vgg_keras_config_check(&k->config, set->path, plan);

	if (!err)
		err = vgg_hdf5_load(&k->file);
	for (size_t i = 0; !err && i < set->count; i++)
		set->list[i].data = (const uint8_t *)k->from[i]->data;
	return err;
}

static int read_list(struct vgg_keras *k)
{
	int err;

	k->all.by_kind = k->all.ordered = true;
	k->all.accept = accept;
	k->names = calloc(k->file.weights.count + 1, sizeof(*k->names));
	k->from = calloc(k->file.weights.count + 1, sizeof(*k->from));
	if (!k->names || !k->from)
		return vgg_fail_memory("the list of tensors");
	err = read_config(k);
	for (int kind = 0; !err && kind < N_KINDS; kind++)
		err = add_kind(k, (enum kind)kind);
	return err ? err : vgg_tensors_index(&k->all);
}

int vgg_keras_open(struct vgg_keras *k, const char *path)
{
	int err;

	*k = (struct vgg_keras){ .all.path = path };
	err = vgg_hdf5_open(&k->file, path);
	return err ? err : read_list(k);
}

void vgg_keras_close(struct vgg_keras *k)
{
	for (size_t i = 0; k->names && i < k->all.count; i++)
		free(k->names[i]);
	free(k->names);
	free(k->from);
	vgg_hdf5_close(&k->file);
	vgg_keras_config_clear(&k->config);
	vgg_tensors_clear(&k->all);
	*k = (struct vgg_keras){ 0 };
}

/*
 * Keras' own VGG16 and VGG19 for ImageNet, told by their layers' names, are the
 * ones of the paper's authors, made with Caffe: their images are blue, green,
 * red, 0 to 255, less a mean. Here images are red, green, blue, 0 to 1.
 */
static bool is_caffe(const struct vgg_keras *k, const struct vgg_model *m)
{
	return vgg_tensors_find(&k->all, "block1_conv1.weight") &&
	       vgg_tensors_find(&k->all, "predictions.weight") &&
	       vgg_shape_count(vgg_model_output(m)) == 1000 &&
	       m->preprocess.channels == 3;
}

static void turn_caffe(struct vgg_model *m)
{
	static const float mean[] = { 123.68f, 116.779f, 103.939f };
	float *w = (float *)m->layers[0].weight.data, blue;

	for (size_t i = 0; i + 2 < m->layers[0].weight.count; i += 3) {
		blue = w[i];
		w[i] = w[i + 2];
		w[i + 2] = blue;
	}
	for (int c = 0; c < 3; c++) {
		m->preprocess.mean[c] = mean[c] / 255;
		m->preprocess.std[c] = 1.0f / 255;
	}
}

int vgg_import_keras(const char *path, const char *arch, struct vgg_model *m)
{
	struct vgg_keras k;
	int err = vgg_keras_open(&k, path);

	if (!err)
		err = vgg_import_tensors(&k.all, arch, m);
	if (!err && is_caffe(&k, m))
		turn_caffe(m);
	if (!err)
		err = vgg_keras_config_end(&k.config, m);
	vgg_keras_close(&k);
	return err;
}
