// SPDX-License-Identifier: MIT
/* See pth.h: what the pickle means, and the tensors that come of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/pth_parts.h"
#include "util/error.h"

#define DEPTH_MAX 3 /* dictionaries around the tensors */
#define EPSILON_KEY "batchnorm_epsilon"

/* What the pickle's objects are. */
enum object { STORAGE, TENSOR };

/* The names that a pickle may call. Those of storages are their types. */
enum name {
	ORDERED_DICT,
	REBUILD_TENSOR,
	REBUILD_PARAMETER,
	PARAMETER,
	SIZE,
	FIRST_STORAGE,
};

static const char *const storage_types[] = {
	"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"
};

#define STORAGE_NAME(torch, i)                                \
	{                                                     \
		"torch", torch "Storage", FIRST_STORAGE + (i) \
	}

static const struct vgg_pickle_name names[] = {
	{ "collections", "OrderedDict", ORDERED_DICT },
	{ "torch._utils", "_rebuild_tensor", REBUILD_TENSOR },
	{ "torch._utils", "_rebuild_tensor_v2", REBUILD_TENSOR },
	{ "torch._utils", "_rebuild_parameter", REBUILD_PARAMETER },
	{ "torch.nn.parameter", "Parameter", PARAMETER },
	{ "torch", "Size", SIZE },
	STORAGE_NAME("Double", 0),
	STORAGE_NAME("Float", 1),
	STORAGE_NAME("Half", 2),
	STORAGE_NAME("BFloat16", 3),
	STORAGE_NAME("Long", 4),
	STORAGE_NAME("Int", 5),
	STORAGE_NAME("Short", 6),
	STORAGE_NAME("Char", 7),
	STORAGE_NAME("Byte", 8),
	STORAGE_NAME("Bool", 9),
	{ NULL, NULL, 0 },
};

static int fail_pickle(const struct vgg_pickle *p, const char *what)
{
	return vgg_fail(MODEL_FORMAT, p->path, AGAIN,
			"the pickle is damaged at its byte %zu: %s", p->at,
			what);
}

/* Makes room for one more element behind `count`; false without memory. */
static bool grow(void **list, size_t count, size_t *room, size_t each)
{
	size_t more = *room ? 2 * *room : 64;
	void *larger;

	if (count < *room)
		return true;
	larger = reallocarray(*list, more, each);
	if (!larger)
		return false;
	*list = larger;
	*room = more;
	return true;
}

static int new_object(struct vgg_pickle *p, enum object type, size_t index,
		      struct vgg_pickle_value **result)
{
	*result = vgg_pickle_new(p, VGG_PICKLE_OBJECT);
	if (!*result)
		return p->err;
	(*result)->type = (int)type;
	(*result)->integer = (int64_t)index;
	return 0;
}

static bool is_object(const struct vgg_pickle_value *v, enum object type)
{
	return v->kind == VGG_PICKLE_OBJECT && v->type == (int)type;
}

static bool is_count(const struct vgg_pickle_value *v)
{
	return v->kind == VGG_PICKLE_INT && v->integer >= 0;
}

/* Storages. */

/* An older form is a part of a storage: (key, offset, size) or None. */
static bool read_part(const struct vgg_pickle_value *v,
		      struct vgg_pth_storage *s)
{
	if (v->kind == VGG_PICKLE_NONE)
		return true;
	if (v->kind != VGG_PICKLE_TUPLE || v->count != 3 ||
	    !is_count(v->items[1]) || !is_count(v->items[2]) ||
	    (uint64_t)v->items[1]->integer > s->count ||
	    (uint64_t)v->items[2]->integer >
		    s->count - (uint64_t)v->items[1]->integer)
		return false;
	s->skip = (uint64_t)v->items[1]->integer;
	return true;
}

/* ("storage", type, key, where it was, elements[, part]) */
static int load_storage(struct vgg_pickle *p, const struct vgg_pickle_value *v,
			struct vgg_pickle_value **result)
{
	struct vgg_pth *pth = p->context;
	struct vgg_pickle_value **item = v->items;
	struct vgg_pth_storage *s;

	if (v->kind != VGG_PICKLE_TUPLE || v->count < 5 || v->count > 6 ||
	    !vgg_pickle_is(item[0], "storage") ||
	    item[1]->kind != VGG_PICKLE_NAME || item[1]->type < FIRST_STORAGE ||
	    item[2]->kind != VGG_PICKLE_TEXT || !is_count(item[4]))
		return fail_pickle(p, "it refers to something that is no "
				      "storage");
	if (!grow((void **)&pth->storages, pth->n_storages, &pth->storage_room,
		  sizeof(*s)))
		return vgg_fail_memory("the list of storages");
	s = &pth->storages[pth->n_storages];
	*s = (struct vgg_pth_storage){
		.key = item[2]->text,
		.key_bytes = item[2]->length,
		.type = vgg_type_find(
			storage_types[item[1]->type - FIRST_STORAGE]),
		.count = (uint64_t)item[4]->integer,
	};
	if (v->count == 6 && !read_part(item[5], s))
		return fail_pickle(p, "a part of a storage exceeds it");
	return new_object(p, STORAGE, pth->n_storages++, result);
}

/* Calls. */

static bool read_sizes(const struct vgg_pickle_value *v, int64_t *sizes)
{
	if (v->kind != VGG_PICKLE_TUPLE || v->count > VGG_TENSOR_RANK_MAX)
		return false;
	for (size_t i = 0; i < v->count; i++) {
		if (!is_count(v->items[i]))
			return false;
		sizes[i] = v->items[i]->integer;
	}
	return true;
}

/* (storage, offset, shape, strides, ...) */
static int call_rebuild(struct vgg_pickle *p,
			const struct vgg_pickle_value *args,
			struct vgg_pickle_value **result)
{
	struct vgg_pth *pth = p->context;
	struct vgg_pickle_value **item = args->items;
	struct vgg_pth_view *view;

	if (args->count < 4 || !is_object(item[0], STORAGE))
		return fail_pickle(p, "a tensor has no storage");
	if (!grow((void **)&pth->views, pth->n_views, &pth->view_room,
		  sizeof(*view)))
		return vgg_fail_memory("the list of tensors");
	view = &pth->views[pth->n_views];
	if (!is_count(item[1]) || !read_sizes(item[2], view->shape) ||
	    !read_sizes(item[3], view->stride) ||
	    item[2]->count != item[3]->count)
		return fail_pickle(p, "a tensor's offset, shape and strides "
				      "are no numbers from 0 on, as many of "
				      "one as of the other");
	view->storage = (size_t)item[0]->integer;
	view->offset = item[1]->integer;
	view->rank = (int)item[2]->count;
	return new_object(p, TENSOR, pth->n_views++, result);
}

/* Python 3 makes an empty one and adds to it, Python 2 gives a list of pairs. */
static int call_ordered_dict(struct vgg_pickle *p,
			     const struct vgg_pickle_value *args,
			     struct vgg_pickle_value **result)
{
	const struct vgg_pickle_value *list, *pair;
	int err = 0;

	*result = vgg_pickle_new(p, VGG_PICKLE_DICT);
	if (!*result)
		return p->err;
	if (!args->count)
		return 0;
	list = args->items[0];
	if (args->count > 1 || list->kind != VGG_PICKLE_LIST)
		return fail_pickle(p, "a dictionary is made of no list");
	for (size_t i = 0; !err && i < list->count; i++) {
		pair = list->items[i];
		if ((pair->kind != VGG_PICKLE_LIST &&
		     pair->kind != VGG_PICKLE_TUPLE) ||
		    pair->count != 2)
			return fail_pickle(p, "a dictionary is made of no "
					      "pairs");
		err = vgg_pickle_append(*result, pair->items[0]);
		if (!err)
			err = vgg_pickle_append(*result, pair->items[1]);
	}
	return err;
}

static int call(struct vgg_pickle *p, int type,
		const struct vgg_pickle_value *args,
		struct vgg_pickle_value **result)
{
	switch (type) {
	case ORDERED_DICT:
		return call_ordered_dict(p, args, result);
	case REBUILD_TENSOR:
		return call_rebuild(p, args, result);
	case REBUILD_PARAMETER:
	case PARAMETER:
		if (!args->count || !is_object(args->items[0], TENSOR))
			return fail_pickle(p, "a parameter has no tensor");
		*result = args->items[0];
		return 0;
	case SIZE:
		if (args->count != 1 ||
		    args->items[0]->kind != VGG_PICKLE_TUPLE)
			return fail_pickle(p, "a size has no numbers");
		*result = args->items[0];
		return 0;
	default:
		return fail_pickle(p, "a type is called");
	}
}

const struct vgg_pickle_reader vgg_pth_words = { names, call, load_storage };

/* Tensors. */

static int fail_view(const struct vgg_pth *pth, const struct vgg_tensor *t,
		     const char *what)
{
	char text[200];

	return vgg_fail(MODEL_FORMAT, pth->all.path, AGAIN,
			"tensor \"%s\" of %s %s", t->name,
			vgg_tensor_shape_text(t, text, sizeof(text)), what);
}

/* The number of elements from the tensor's first to its last; false if that is
 * no number. */
static bool span_of(const struct vgg_tensor *t, uint64_t *span)
{
	uint64_t steps;

	*span = t->count ? 1 : 0;
	for (int i = 0; t->count && i < t->rank; i++)
		if (__builtin_mul_overflow((uint64_t)t->shape[i] - 1,
					   (uint64_t)t->stride[i], &steps) ||
		    __builtin_add_overflow(*span, steps, span))
			return false;
	return true;
}

/* One row after the other: the stride of a size of 1 doesn't matter. */
static bool is_plain(const struct vgg_tensor *t)
{
	int64_t step = 1;

	for (int i = t->rank - 1; i >= 0; i--) {
		if (t->shape[i] != 1 && t->stride[i] != step)
			return false;
		step *= t->shape[i];
	}
	return true;
}

static int set_view(const struct vgg_pth *pth, struct vgg_tensor *t,
		    const struct vgg_pth_view *view)
{
	const struct vgg_pth_storage *s = &pth->storages[view->storage];
	uint64_t skip, span, room;

	vgg_tensor_set_type(t, s->type);
	t->rank = view->rank;
	memcpy(t->shape, view->shape, sizeof(t->shape));
	memcpy(t->stride, view->stride, sizeof(t->stride));
	if (!vgg_tensor_measure(t, s->type->bytes) || !span_of(t, &span))
		return fail_view(pth, t, "is too large");
	if (__builtin_add_overflow(s->skip, (uint64_t)view->offset, &skip))
		return fail_view(pth, t, "is too large");
	room = skip < s->count ? s->count - skip : 0;
	if (span > room || (!t->count && skip > s->count))
		return fail_view(pth, t, "exceeds its storage");
	/* An expanded tensor would take memory that no file pays for. */
	if (t->count > span)
		return vgg_fail(MODEL_UNSUPPORTED, pth->all.path,
				"clone() it before saving",
				"elements of tensor \"%s\" share their bytes",
				t->name);
	t->strided = t->count && !is_plain(t);
	t->data = s->data + skip * s->type->bytes;
	return 0;
}

static int add_tensor(struct vgg_pth *pth, const struct vgg_pickle_value *key,
		      const struct vgg_pickle_value *value)
{
	struct vgg_tensor *t;
	char *name;

	if (memchr(key->text, 0, key->length))
		return vgg_fail(MODEL_FORMAT, pth->all.path, AGAIN,
				"a tensor's name has a zero byte");
	t = vgg_tensors_add(&pth->all);
	if (!t)
		return -ENOMEM;
	name = strndup(key->text, key->length);
	if (!name)
		return vgg_fail_memory("the name of a tensor");
	pth->names[pth->all.count - 1] = name;
	t->name = name;
	return set_view(pth, t, &pth->views[value->integer]);
}

static int add_all(struct vgg_pth *pth, const struct vgg_pickle_value *dict)
{
	int err = 0;

	pth->names = calloc(dict->count / 2 + 1, sizeof(*pth->names));
	if (!pth->names)
		return vgg_fail_memory("the list of tensors");
	for (size_t i = 0; !err && i + 1 < dict->count; i += 2)
		if (dict->items[i]->kind == VGG_PICKLE_TEXT &&
		    is_object(dict->items[i + 1], TENSOR))
			err = add_tensor(pth, dict->items[i],
					 dict->items[i + 1]);
	return err;
}

/* The dictionary that a training keeps among others. */
static const struct vgg_pickle_value *inner(const struct vgg_pickle_value *dict)
{
	static const char *const keys[] = { "state_dict", "model_state_dict",
					    "model", "net", "network" };
	const struct vgg_pickle_value *v;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		v = vgg_pickle_get(dict, keys[i]);
		if (v && v->kind == VGG_PICKLE_DICT)
			return v;
	}
	return NULL;
}

/* Beside the tensors, as no tensor says it. */
static void read_epsilon(struct vgg_pth *pth,
			 const struct vgg_pickle_value *dict)
{
	const struct vgg_pickle_value *v = vgg_pickle_get(dict, EPSILON_KEY);

	if (!v || v->kind != VGG_PICKLE_FLOAT || !(v->real > 0))
		return;
	pth->all.epsilon = v->real;
	pth->all.epsilon_from = VGG_EPSILON_FILE;
}

static int fail_no_tensors(const struct vgg_pth *pth,
			   const struct vgg_pickle_value *root)
{
	char keys[160] = "";
	size_t used = 0;

	if (root->kind != VGG_PICKLE_DICT)
		return vgg_fail(MODEL_UNSUPPORTED, pth->all.path, RESAVE,
				"the file has no dictionary of tensors");
	for (size_t i = 0; i + 1 < root->count && used < sizeof(keys); i += 2)
		if (root->items[i]->kind == VGG_PICKLE_TEXT)
			used += (size_t)snprintf(
				keys + used, sizeof(keys) - used, "%s%.*s",
				used ? ", " : "",
				root->items[i]->length < 40 ?
					(int)root->items[i]->length :
					40,
				root->items[i]->text);
	return vgg_fail(MODEL_UNSUPPORTED, pth->all.path, RESAVE,
			"no tensors are in the file's dictionary; it has: %s",
			*keys ? keys : "nothing");
}

static int read_tensors(struct vgg_pth *pth,
			const struct vgg_pickle_value *root)
{
	const struct vgg_pickle_value *dict = root, *next = root;
	int err;

	if (root->kind != VGG_PICKLE_DICT)
		return fail_no_tensors(pth, root);
	for (int i = 0; next && i < DEPTH_MAX; i++) {
		dict = next;
		read_epsilon(pth, dict);
		next = inner(dict);
	}
	pth->all.ordered = true;
	err = add_all(pth, dict);
	if (!err && !pth->all.count)
		err = fail_no_tensors(pth, root);
	return err ? err : vgg_tensors_index(&pth->all);
}

int vgg_pth_open(struct vgg_pth *pth, const char *path,
		 const struct vgg_file *file)
{
	struct vgg_pickle_value *root;
	int err;

	*pth = (struct vgg_pth){ .all.path = path };
	err = vgg_pth_read(pth, file, &root);
	return err ? err : read_tensors(pth, root);
}

void vgg_pth_close(struct vgg_pth *pth)
{
	for (size_t i = 0; pth->names && i < pth->all.count; i++)
		free(pth->names[i]);
	free(pth->names);
	free(pth->storages);
	free(pth->views);
	vgg_pickle_close(&pth->pickle);
	vgg_zip_close(&pth->zip);
	vgg_tensors_clear(&pth->all);
	*pth = (struct vgg_pth){ 0 };
}

int vgg_import_pth(const char *path, const struct vgg_file *file,
		   const char *arch, struct vgg_model *m)
{
	struct vgg_pth pth;
	int err = vgg_pth_open(&pth, path, file);

	if (!err)
		err = vgg_import_tensors(&pth.all, arch, m);
	vgg_pth_close(&pth);
	return err;
}
