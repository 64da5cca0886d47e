// SPDX-License-Identifier: MIT
/*
 * The HDF5 reader; see plugin.h.
 *
 * An HDF5 file can name other files: by links, external storage or virtual
 * datasets, and filters that are loaded as shared objects. None of it is
 * followed here: all is in the file, behind hard links, or refused.
 */
#include <errno.h>
#include <hdf5.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hdf5/plugin.h"

#define NAME_BYTES 512
#define PACKED_MAX 1032

const int vgg_hdf5_abi = VGG_HDF5_ABI;

struct reader {
	struct vgg_hdf5_weights *out;
	hsize_t file_bytes;
	int64_t elements;
	int layer;
};

static int fail(struct reader *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(struct reader *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->out->error, sizeof(r->out->error), format, args);
	va_end(args);
	return -EBADMSG;
}

/* Objects. */

/* Opens a path, link by link, so that none leads out of the file. */
static hid_t open_path(struct reader *r, hid_t at, const char *path)
{
	hid_t here = H5Oopen(at, ".", H5P_DEFAULT), next;
	char part[NAME_BYTES];
	H5L_info_t link;
	size_t n;

	for (; here >= 0 && *path; path += n, path += *path == '/') {
		n = strcspn(path, "/");
		if (!n)
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		next = -1;
		if (n < sizeof(part) &&
		    H5Lexists(here, part, H5P_DEFAULT) > 0 &&
		    H5Lget_info(here, part, &link, H5P_DEFAULT) >= 0 &&
		    link.type == H5L_TYPE_HARD)
			next = H5Oopen(here, part, H5P_DEFAULT);
		else
			fail(r, "there is no \"%s\" in the file itself", part);
		H5Oclose(here);
		here = next;
	}
	if (here < 0 && !*r->out->error)
		fail(r, "an object of the file cannot be opened");
	return here;
}

static bool has(hid_t at, const char *name)
{
	return H5Lexists(at, name, H5P_DEFAULT) > 0;
}

/* Texts. */

/* An attribute's array of strings, of fixed or of any length; each is malloc()ed.
 * Returns their number, or -errno. */
static int read_fixed(hid_t attr, hid_t type, size_t n, char **texts)
{
	size_t each = H5Tget_size(type);
	char *all = each && each < VGG_HDF5_CONFIG_MAX && n < SIZE_MAX / each ?
			    calloc(n, each) :
			    NULL;
	int err = 0;

	if (!all)
		return -ENOMEM;
	if (H5Aread(attr, type, all) < 0)
		err = -EBADMSG;
	for (size_t i = 0; !err && i < n; i++) {
		texts[i] = strndup(all + i * each, each);
		if (!texts[i])
			err = -ENOMEM;
	}
	free(all);
	return err;
}

static int read_variable(hid_t attr, hid_t type, hid_t space, size_t n,
			 char **texts)
{
	char **all = calloc(n, sizeof(*all));
	int err = 0;

	if (!all)
		return -ENOMEM;
	if (H5Aread(attr, type, all) < 0)
		err = -EBADMSG;
	for (size_t i = 0; !err && i < n; i++) {
		texts[i] = all[i] ? strdup(all[i]) : NULL;
		if (!texts[i])
			err = -ENOMEM;
	}
	if (err != -EBADMSG)
		H5Dvlen_reclaim(type, space, H5P_DEFAULT, all);
	free(all);
	return err;
}

static void free_texts(char **texts, size_t n)
{
	for (size_t i = 0; texts && i < n; i++)
		free(texts[i]);
	free(texts);
}

/* *n texts in *texts; an attribute that isn't there has none. */
static int read_texts(struct reader *r, hid_t at, const char *name, size_t max,
		      char ***texts, size_t *n)
{
	hid_t attr, type, space;
	hssize_t count;
	int err;

	*texts = NULL;
	*n = 0;
	if (H5Aexists(at, name) <= 0)
		return 0;
	attr = H5Aopen(at, name, H5P_DEFAULT);
	type = H5Aget_type(attr);
	space = H5Aget_space(attr);
	count = H5Sget_simple_extent_npoints(space);
	err = count < 0 || (count && H5Tget_class(type) != H5T_STRING) ||
			      count > (hssize_t)max ?
		      fail(r, "the attribute %s is no list of names", name) :
		      0;
	if (!err && count) {
		*n = (size_t)count;
		*texts = calloc(*n, sizeof(**texts));
		err = !*texts ? -ENOMEM :
		      H5Tis_variable_str(type) > 0 ?
				read_variable(attr, type, space, *n, *texts) :
				read_fixed(attr, type, *n, *texts);
	}
	H5Sclose(space);
	H5Tclose(type);
	H5Aclose(attr);
	if (err == -EBADMSG && !*r->out->error)
		fail(r, "the attribute %s cannot be read", name);
	return err;
}

/* Datasets. */

/* All of its bytes are in the file. */
static bool is_inside(hid_t dataset)
{
	hid_t plist = H5Dget_create_plist(dataset);
	bool inside = plist >= 0 && H5Pget_external_count(plist) == 0 &&
		      H5Pget_layout(plist) != H5D_VIRTUAL;

	H5Pclose(plist);
	return inside;
}

static int read_shape(struct reader *r, hid_t dataset,
		      struct vgg_hdf5_tensor *t, int64_t *count)
{
	hsize_t dims[H5S_MAX_RANK];
	hid_t space = H5Dget_space(dataset);

	t->rank = H5Sget_simple_extent_ndims(space);
	if (t->rank >= 0)
		t->rank = H5Sget_simple_extent_dims(space, dims, NULL);
	H5Sclose(space);
	*count = 1;
	if (t->rank < 0 || t->rank > VGG_HDF5_RANK_MAX)
		return fail(r, "weights \"%s\" of layer %s have %d dimensions",
			    t->name, t->layer_name, t->rank);
	for (int i = 0; i < t->rank; i++) {
		if (!dims[i] ||
		    dims[i] > (hsize_t)(VGG_HDF5_ELEMENTS_MAX / *count))
			return fail(r,
				    "weights \"%s\" of layer %s are too "
				    "large or empty",
				    t->name, t->layer_name);
		t->shape[i] = (int64_t)dims[i];
		*count *= t->shape[i];
	}
	r->elements += *count;
	if (r->elements > VGG_HDF5_ELEMENTS_MAX)
		return fail(r, "the file has more than %lld weights",
			    (long long)VGG_HDF5_ELEMENTS_MAX);
	return 0;
}

/*
 * Where nothing was written HDF5 reads zeros: a small file could so ask for any
 * amount of memory. Deflate packs no more than 1032 bytes into one.
 */
static int check_stored(struct reader *r, hid_t dataset, size_t each,
			const struct vgg_hdf5_tensor *t, int64_t count)
{
	hid_t plist = H5Dget_create_plist(dataset);
	hsize_t stored = H5Dget_storage_size(dataset);
	hsize_t ratio =
		plist >= 0 && H5Pget_nfilters(plist) > 0 ? PACKED_MAX : 1;

	H5Pclose(plist);
	if (stored <= r->file_bytes && stored >= (hsize_t)count * each / ratio)
		return 0;
	return fail(r,
		    "weights \"%s\" of layer %s have %lld elements, but "
		    "%llu bytes in the file",
		    t->name, t->layer_name, (long long)count,
		    (unsigned long long)stored);
}

static int list_dataset(struct reader *r, hid_t dataset,
			struct vgg_hdf5_tensor *t)
{
	hid_t type = H5Dget_type(dataset);
	bool is_float = H5Tget_class(type) == H5T_FLOAT;
	size_t each = H5Tget_size(type);
	int64_t count;
	int err;

	H5Tclose(type);
	if (!is_float || !is_inside(dataset))
		return fail(r,
			    "weights \"%s\" of layer %s are no "
			    "floating-point numbers in this file",
			    t->name, t->layer_name);
	err = read_shape(r, dataset, t, &count);
	if (!err)
		err = check_stored(r, dataset, each, t, count);
	t->dataset = dataset;
	return err;
}

static struct vgg_hdf5_tensor *add_tensor(struct vgg_hdf5_weights *w)
{
	size_t room = w->room ? 2 * w->room : 64;
	struct vgg_hdf5_tensor *more;

	if (w->count == w->room) {
		more = reallocarray(w->tensors, room, sizeof(*more));
		if (!more)
			return NULL;
		w->tensors = more;
		w->room = room;
	}
	memset(&w->tensors[w->count], 0, sizeof(*more));
	return &w->tensors[w->count++];
}

static int read_weight(struct reader *r, hid_t group, const char *layer,
		       const char *name)
{
	struct vgg_hdf5_tensor *t = add_tensor(r->out);
	hid_t object;

	if (!t)
		return -ENOMEM;
	t->layer = r->layer;
	t->layer_name = strdup(layer);
	t->name = strdup(name);
	if (!t->layer_name || !t->name)
		return -ENOMEM;
	object = open_path(r, group, name);
	if (object < 0)
		return -EBADMSG;
	if (H5Iget_type(object) != H5I_DATASET)
		return fail(r, "\"%s\" of layer %s is no dataset", name, layer);
	return list_dataset(r, object, t);
}

/* Keras 2. */

static int read_named_layer(struct reader *r, hid_t at, const char *layer)
{
	hid_t group = open_path(r, at, layer);
	char **names;
	size_t n;
	int err;

	if (group < 0)
		return -EBADMSG;
	err = read_texts(r, group, "weight_names", VGG_HDF5_WEIGHTS_MAX, &names,
			 &n);
	for (size_t i = 0; !err && i < n; i++)
		err = read_weight(r, group, layer, names[i]);
	r->layer += n > 0;
	free_texts(names, n);
	H5Oclose(group);
	return err;
}

static int read_named_layers(struct reader *r, hid_t at)
{
	char **names;
	size_t n;
	int err = read_texts(r, at, "layer_names", VGG_HDF5_LAYERS_MAX, &names,
			     &n);

	for (size_t i = 0; !err && i < n; i++)
		err = read_named_layer(r, at, names[i]);
	free_texts(names, n);
	return err;
}

/* Keras 3. */

struct layers {
	char *names[VGG_HDF5_LAYERS_MAX];
	size_t count;
};

static herr_t collect(hid_t at, const char *name, const H5L_info_t *info,
		      void *context)
{
	struct layers *l = context;

	(void)at;
	(void)info;
	if (l->count == VGG_HDF5_LAYERS_MAX)
		return -1;
	l->names[l->count] = strdup(name);
	return l->names[l->count++] ? 0 : -1;
}

/* "conv2d_10" is behind "conv2d_9", "conv2d" before all of them. */
static size_t stem(const char *name, long *number)
{
	const char *line = strrchr(name, '_');
	char *end;

	*number = 0;
	if (!line || !line[1])
		return strlen(name);
	*number = strtol(line + 1, &end, 10);
	if (*end || line[1] < '0' || line[1] > '9')
		*number = 0;
	return *number ? (size_t)(line - name) : strlen(name);
}

static int by_number(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	long i, j;
	size_t n = stem(x, &i), m = stem(y, &j);
	int order = strncmp(x, y, n < m ? n : m);

	if (order)
		return order;
	if (n != m)
		return n < m ? -1 : 1;
	return (i > j) - (i < j);
}

static int read_numbered_layer(struct reader *r, hid_t at, const char *layer)
{
	hid_t group = open_path(r, at, layer), vars;
	char name[32];
	int n = 0, err = 0;

	if (group < 0)
		return -EBADMSG;
	vars = H5Iget_type(group) == H5I_GROUP && has(group, "vars") ?
		       open_path(r, group, "vars") :
		       -1;
	for (; vars >= 0 && !err && n < VGG_HDF5_WEIGHTS_MAX; n++) {
		snprintf(name, sizeof(name), "%d", n);
		if (!has(vars, name))
			break;
		snprintf(name, sizeof(name), "vars/%d", n);
		err = read_weight(r, group, layer, name);
	}
	r->layer += n > 0;
	if (vars >= 0)
		H5Oclose(vars);
	H5Oclose(group);
	return err;
}

static int read_numbered_layers(struct reader *r, hid_t file, const char *path)
{
	hid_t group = open_path(r, file, path);
	struct layers *l = calloc(1, sizeof(*l));
	int err = 0;

	if (!l)
		err = -ENOMEM;
	else if (group < 0)
		err = -EBADMSG;
	else if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, collect,
			    l) < 0)
		err = fail(r, "the group %s cannot be read", path);
	if (!err)
		qsort(l->names, l->count, sizeof(*l->names), by_number);
	for (size_t i = 0; !err && i < l->count; i++)
		err = read_numbered_layer(r, group, l->names[i]);
	for (size_t i = 0; l && i < l->count; i++)
		free(l->names[i]);
	free(l);
	if (group >= 0)
		H5Oclose(group);
	return err;
}

/* Files. */

static int read_old(struct reader *r, hid_t file)
{
	hid_t at = has(file, "model_weights") ?
			   open_path(r, file, "model_weights") :
			   open_path(r, file, "");
	char **config;
	size_t n;
	int err;

	if (at < 0)
		return -EBADMSG;
	err = read_texts(r, file, "model_config", 1, &config, &n);
	if (!err && n) {
		r->out->config = config[0];
		config[0] = NULL;
	}
	free_texts(config, n);
	if (!err)
		err = read_named_layers(r, at);
	H5Oclose(at);
	return err;
}

static int read_file(struct reader *r, hid_t file)
{
	int err;

	if (has(file, "layers"))
		err = read_numbered_layers(r, file, "layers");
	/* Between the two, Keras called it so. */
	else if (has(file, "_layer_checkpoint_dependencies"))
		err = read_numbered_layers(r, file,
					   "_layer_checkpoint_dependencies");
	else
		err = read_old(r, file);
	if (!err && !r->out->count)
		err = fail(r, "no weights of Keras are in it");
	return err;
}

int vgg_hdf5_list(const char *path, struct vgg_hdf5_weights *w)
{
	struct reader r = { .out = w };
	struct stat st;
	hid_t file;

	memset(w, 0, sizeof(*w));
	H5PLset_loading_state(0);
	H5Eset_auto(H5E_DEFAULT, NULL, NULL); /* it would print its errors */
	if (!stat(path, &st))
		r.file_bytes = (hsize_t)st.st_size;
	file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
	return file < 0 ? fail(&r, "no sound HDF5 file") : read_file(&r, file);
}

int vgg_hdf5_read(struct vgg_hdf5_weights *w, size_t i, float *data)
{
	const struct vgg_hdf5_tensor *t = &w->tensors[i];
	struct reader r = { .out = w };

	if (H5Dread(t->dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
		    data) < 0)
		return fail(&r, "weights \"%s\" of layer %s cannot be read",
			    t->name, t->layer_name);
	return 0;
}
