// SPDX-License-Identifier: MIT
/* From a source file, or nothing, to an fp32 network ready for execution. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/compiled.h"
#include "model/embedded.h"
#include "model/keras.h"
#include "model/pth.h"
#include "model/safetensors.h"
#include "util/error.h"
#include "util/labels.h"

static int set_text(char **to, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return vgg_fail_memory("a model");
	free(*to);
	*to = copy;
	return 0;
}

static int random_model(struct vgg_model *m, const struct vgg_import_options *o)
{
	char source[64];
	int err;

	if (!o->arch)
		return vgg_fail(BAD_ARGUMENT, "import",
				"name one, e.g. --arch vgg16",
				"random weights need an architecture");
	if (o->epsilon)
		return vgg_fail(BAD_ARGUMENT, "import", "leave it out",
				"an epsilon for random weights, which have "
				"PyTorch's");
	if (o->input_size)
		return vgg_fail(BAD_ARGUMENT, "import", "leave it out",
				"an input size for an architecture, which "
				"says its own");
	snprintf(source, sizeof(source), "random weights, seed %llu",
		 (unsigned long long)o->seed);
	err = set_text(&m->source, source);
	if (!err)
		err = vgg_arch_build(o->arch, m);
	return err ? err : vgg_random_weights(m, o->seed);
}

static int already_compiled(const struct vgg_model *m, const char *path,
			    bool *is)
{
	struct vgg_st st;
	int err = vgg_st_open(&st, path, &m->file);

	*is = !err && vgg_st_meta(&st, VGG_COMPILED_KEY);
	vgg_st_close(&st);
	return err;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool ends_with(const char *path, const char *ending)
{
	size_t n = strlen(path), m = strlen(ending);

	return n >= m && !strcasecmp(path + n - m, ending);
}

/* What a source is, by its first bytes; where they tell nothing, by its name, so
 * that the reader of such files says what is wrong. ONNX has no such bytes. */
enum form { FORM_ONNX, FORM_PTH, FORM_KERAS, FORM_SAFETENSORS };

static enum form form_of(const struct vgg_file *file, const char *path)
{
	if (vgg_pth_probe(file))
		return FORM_PTH;
	if (vgg_keras_probe(file))
		return FORM_KERAS;
	if (vgg_st_probe(file))
		return FORM_SAFETENSORS;
	if (ends_with(path, ".pth") || ends_with(path, ".pt"))
		return FORM_PTH;
	if (ends_with(path, ".h5") || ends_with(path, ".hdf5"))
		return FORM_KERAS;
	return ends_with(path, ".safetensors") ? FORM_SAFETENSORS : FORM_ONNX;
}

static int read_onnx(struct vgg_model *m, const char *path, int input_size)
{
	char what[sizeof(vgg_error_last()->what)];
	int err;

	if (input_size)
		m->input = (struct vgg_shape){
			.rank = 4, .dim = { 0, 0, input_size, input_size }
		};
	err = vgg_import_onnx(path, &m->file, m);
	if (!err || ends_with(path, ".onnx") ||
	    vgg_error_last()->code != VGG_ERROR_MODEL_FORMAT)
		return err;
	/* It need not have been meant for one. */
	snprintf(what, sizeof(what), "%s", vgg_error_last()->what);
	return vgg_fail(MODEL_FORMAT, path, "name a file of one of these",
			"neither .pth, safetensors nor HDF5, and it %s", what);
}

static int read_source(struct vgg_model *m, const char *path,
		       const struct vgg_import_options *o)
{
	const char *arch = o->arch;
	enum form form;
	bool compiled;
	int err = vgg_file_open(&m->file, path);

	m->epsilon = o->epsilon;
	/* The name only: where a file lay says nothing on another machine. */
	if (!err)
		err = set_text(&m->source, base_name(path));
	if (err)
		return err;
	if (!m->file.size)
		return vgg_fail(MODEL_FORMAT, path,
				"check how the file was made or downloaded",
				"the file is empty");
	form = form_of(&m->file, path);
	if (o->input_size && form != FORM_ONNX)
		return vgg_fail(BAD_ARGUMENT, path,
				"leave it out, or export the network to ONNX",
				"an input size for a file of weights only; "
				"they fit one size");
	if (form == FORM_PTH)
		return vgg_import_pth(path, &m->file, arch, m);
	if (form == FORM_KERAS)
		return vgg_import_keras(path, arch, m);
	if (form == FORM_ONNX && arch)
		return vgg_fail(BAD_ARGUMENT, path, "leave out --arch",
				"no file of weights only; others say "
				"themselves what their architecture is");
	if (form == FORM_ONNX && o->epsilon)
		return vgg_fail(BAD_ARGUMENT, path, "leave it out",
				"an epsilon for no file of weights only; "
				"others say it themselves");
	if (form == FORM_ONNX)
		return read_onnx(m, path, o->input_size);
	err = already_compiled(m, path, &compiled);
	if (err)
		return err;
	if (compiled)
		return vgg_fail(BAD_ARGUMENT, path,
				"run it with `vggctl run --model`",
				"the file is a compiled model already");
	return vgg_import_safetensors(path, &m->file, arch, m);
}

static int check_blob(const struct vgg_layer *l, const char *what,
		      const struct vgg_blob *b)
{
	size_t i;

	if (!b->data || b->dtype != VGG_F32)
		return 0;
	for (i = 0; i < b->count; i++)
		if (!isfinite(vgg_blob_f32(b)[i]))
			return vgg_fail(NOT_FINITE, l->name,
					"check how the file was made",
					"element %zu of its %s is %s", i, what,
					isnan(vgg_blob_f32(b)[i]) ? "NaN" :
								    "infinite");
	return 0;
}

static int check_weights(const struct vgg_model *m)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < m->count; i++) {
		const struct vgg_layer *l = &m->layers[i];

		err = check_blob(l, "weights", &l->weight);
		if (!err)
			err = check_blob(l, "bias", &l->bias);
		if (!err)
			err = check_blob(l, "scale", &l->scale);
		if (!err)
			err = check_blob(l, "shift", &l->shift);
	}
	return err;
}

/* "dir/vgg16.onnx" -> "vgg16" */
static int set_name(struct vgg_model *m, const char *path,
		    const struct vgg_import_options *o)
{
	const char *base, *dot;
	char name[256];

	if (o->name)
		return set_text(&m->name, o->name);
	if (o->random_weights)
		return set_text(&m->name, o->arch);
	base = base_name(path);
	dot = strrchr(base, '.');
	snprintf(name, sizeof(name), "%.*s",
		 dot && dot != base ? (int)(dot - base) : (int)strlen(base),
		 base);
	return set_text(&m->name, name);
}

/*
 * What an ONNX file doesn't say: the usual preprocessing of its input size.
 * 224x224 is ImageNet's (shorter side to 256, centre crop); smaller networks
 * take the whole centre square.
 */
static void guess_preprocess(struct vgg_model *m)
{
	static const float mean[] = { 0.485f, 0.456f, 0.406f };
	static const float std[] = { 0.229f, 0.224f, 0.225f };
	struct vgg_preprocess *p = &m->preprocess;
	int64_t h = m->input.dim[2], w = m->input.dim[3];

	if (m->input.rank != 4 || m->input.dim[0] != 1 ||
	    (m->input.dim[1] != 3 && m->input.dim[1] != 1) || h > 65535 ||
	    w > 65535)
		return;
	p->channels = (int)m->input.dim[1];
	p->crop_h = (int)h;
	p->crop_w = (int)w;
	p->resize = h == 224 && w == 224 ? 256 : (int)(h < w ? h : w);
	p->interpolation = VGG_FILTER_BILINEAR;
	memcpy(p->mean, mean, sizeof(mean));
	memcpy(p->std, std, sizeof(std));
	if (p->channels == 1) {
		p->mean[0] = 0.5f;
		p->std[0] = 0.25f;
	}
}

static int apply_preprocess(struct vgg_model *m,
			    const struct vgg_import_options *o)
{
	struct vgg_preprocess *p = &m->preprocess;
	const char *problem;
	int i;

	if (!p->crop_w)
		guess_preprocess(m);
	if (!p->crop_w)
		return 0;
	if (o->crop && (o->crop != p->crop_w || o->crop != p->crop_h))
		return vgg_fail(BAD_ARGUMENT, "crop",
				"leave it out, or export the network for it",
				"crop %d, but the network takes %dx%d", o->crop,
				p->crop_w, p->crop_h);
	if (o->resize)
		p->resize = o->resize;
	if (o->interpolation)
		p->interpolation = vgg_filter_find(o->interpolation);
	for (i = 0; i < p->channels; i++) {
		p->mean[i] = o->mean ? o->mean[i] : p->mean[i];
		p->std[i] = o->std ? o->std[i] : p->std[i];
	}
	problem = vgg_preprocess_problem(p);
	if (problem)
		return vgg_fail(BAD_ARGUMENT, "preprocessing",
				"see `vggctl import --help`", "%s", problem);
	return 0;
}

static int apply_labels(struct vgg_model *m, const struct vgg_import_options *o)
{
	int64_t classes = vgg_shape_count(vgg_model_output(m));
	int err = 0;

	if (o->labels)
		err = vgg_labels_load(o->labels, &m->labels, &m->n_labels);
	else if (classes == 1000)
		err = vgg_labels_parse("ImageNet labels", vgg_embedded_imagenet,
				       vgg_embedded_imagenet_bytes, &m->labels,
				       &m->n_labels);
	if (!err && m->n_labels && m->n_labels != classes)
		err = vgg_fail(LABELS_FORMAT, o->labels,
			       "give one line for each class",
			       "%u labels for %lld classes", m->n_labels,
			       (long long)classes);
	return err;
}

int vgg_model_import(const char *path, const struct vgg_import_options *options,
		     struct vgg_model **model)
{
	struct vgg_import_options copy = VGG_INIT(copy), *o = &copy;
	struct vgg_model *m;
	int err;

	if (options && vgg_check_struct(options->size, "import options"))
		return -EINVAL;
	if (options)
		memcpy(&copy, options,
		       options->size < sizeof(copy) ? options->size :
						      sizeof(copy));
	m = vgg_model_new();
	if (!m)
		return -ENOMEM;
	err = o->random_weights ? random_model(m, o) : read_source(m, path, o);
	if (!err)
		err = vgg_model_fold(m);
	if (!err)
		err = check_weights(m);
	if (err && path)
		vgg_error_at(err, path);
	if (!err)
		err = set_name(m, path, o);
	if (!err)
		err = apply_preprocess(m, o);
	if (!err)
		err = apply_labels(m, o);
	if (err)
		vgg_model_free(m);
	else
		*model = m;
	return err;
}

int vgg_model_load(const char *path, struct vgg_model **model)
{
	struct vgg_model *m = vgg_model_new();
	int err;

	if (!m)
		return -ENOMEM;
	err = vgg_file_open(&m->file, path);
	if (!err)
		err = vgg_compiled_read(m, path);
	if (err)
		vgg_model_free(m);
	else
		*model = m;
	return err;
}

int vgg_model_load_default(struct vgg_model **model)
{
	struct vgg_model *m = vgg_model_new();
	int err;

	if (!m)
		return -ENOMEM;
	m->file.data = vgg_embedded_model;
	m->file.size = vgg_embedded_model_bytes;
	err = vgg_compiled_read(m, "built-in model");
	/* Static memory: nothing to unmap. */
	memset(&m->file, 0, sizeof(m->file));
	if (err)
		vgg_model_free(m);
	else
		*model = m;
	return err;
}
