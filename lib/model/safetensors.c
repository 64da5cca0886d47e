// SPDX-License-Identifier: MIT
/* The safetensors container; see safetensors.h. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/safetensors.h"
#include "util/error.h"

#define AGAIN "get the file again; it may be cut short or damaged"
#define DATA_ALIGN 64

/* Elements and bytes of a shape; false if they don't fit. */
static bool shape_bytes(const int64_t *shape, int rank, size_t each,
			size_t *bytes)
{
	struct vgg_tensor t = { .rank = rank };

	memcpy(t.shape, shape, (size_t)rank * sizeof(*shape));
	if (!vgg_tensor_measure(&t, each))
		return false;
	*bytes = t.bytes;
	return true;
}

static int read_type(struct vgg_st *st, struct vgg_tensor *t,
		     const json_t *entry, const struct vgg_type **type)
{
	const char *name = json_string_value(json_object_get(entry, "dtype"));

	if (!name)
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"tensor \"%s\" has no dtype", t->name);
	*type = vgg_type_find(name);
	if (!*type)
		return vgg_fail(MODEL_FORMAT, st->all.path,
				"convert the file's tensors to F32",
				"tensor \"%s\" has the unknown dtype \"%s\"",
				t->name, name);
	vgg_tensor_set_type(t, *type);
	return 0;
}

static int read_shape(struct vgg_st *st, struct vgg_tensor *t,
		      const json_t *entry)
{
	const json_t *shape = json_object_get(entry, "shape"), *size;
	size_t i;

	if (!json_is_array(shape))
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"tensor \"%s\" has no shape", t->name);
	if (json_array_size(shape) > VGG_TENSOR_RANK_MAX)
		return vgg_fail(
			MODEL_FORMAT, st->all.path, AGAIN,
			"tensor \"%s\" has %zu dimensions, more than %d",
			t->name, json_array_size(shape), VGG_TENSOR_RANK_MAX);
	t->rank = (int)json_array_size(shape);
	json_array_foreach(shape, i, size)
	{
		t->shape[i] = json_integer_value(size);
		if (!json_is_integer(size) || t->shape[i] < 0)
			return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
					"size %zu of tensor \"%s\" is not a "
					"number from 0 on",
					i, t->name);
	}
	return 0;
}

static int read_offsets(struct vgg_st *st, struct vgg_tensor *t,
			const json_t *entry, json_int_t *begin, json_int_t *end)
{
	const json_t *pair = json_object_get(entry, "data_offsets");
	const json_t *a = json_array_get(pair, 0), *b = json_array_get(pair, 1);

	if (json_array_size(pair) != 2 || !json_is_integer(a) ||
	    !json_is_integer(b))
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"tensor \"%s\" has no pair of data_offsets",
				t->name);
	*begin = json_integer_value(a);
	*end = json_integer_value(b);
	if (*begin < 0 || *begin > *end)
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"tensor \"%s\" has the data_offsets "
				"%" JSON_INTEGER_FORMAT
				" to %" JSON_INTEGER_FORMAT,
				t->name, *begin, *end);
	return 0;
}

/* Where the data lies; `data`, `size` is the file's data area. */
static int read_place(struct vgg_st *st, struct vgg_tensor *t,
		      const json_t *entry, size_t each, const uint8_t *data,
		      size_t size)
{
	json_int_t begin = 0, end = 0;
	char text[128];
	int err = read_offsets(st, t, entry, &begin, &end);

	if (err)
		return err;
	if ((uint64_t)end > size)
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"tensor \"%s\" ends at offset "
				"%" JSON_INTEGER_FORMAT
				" of the data, which has %zu bytes",
				t->name, end, size);
	if (!vgg_tensor_measure(t, each) || t->bytes != (size_t)(end - begin))
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"tensor \"%s\" at offset %" JSON_INTEGER_FORMAT
				" has %" JSON_INTEGER_FORMAT
				" bytes, which are not %s of %s",
				t->name, begin, end - begin,
				vgg_tensor_shape_text(t, text, sizeof(text)),
				t->type);
	t->data = data + begin;
	return 0;
}

static int read_tensor(struct vgg_st *st, struct vgg_tensor *t,
		       const char *name, const json_t *entry,
		       const uint8_t *data, size_t size)
{
	const struct vgg_type *type;
	int err;

	t->name = name;
	if (!json_is_object(entry))
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"the header's entry \"%s\" is not an object",
				name);
	err = read_type(st, t, entry, &type);
	if (!err)
		err = read_shape(st, t, entry);
	if (!err)
		err = read_place(st, t, entry, type->bytes, data, size);
	return err;
}

static int by_place(const void *a, const void *b)
{
	const struct vgg_tensor *x = a, *y = b;

	if (x->data != y->data)
		return x->data < y->data ? -1 : 1;
	/* Empty tensors come before the one that begins where they lie. */
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Every byte of the data belongs to one tensor: the format demands it, so that
 * nothing can hide between tensors. */
static int check_cover(struct vgg_st *st, const uint8_t *data, size_t size)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < st->all.count; i++) {
		const struct vgg_tensor *t = &st->all.list[i];

		if (t->data < at)
			return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
					"tensor \"%s\" at offset %zu overlaps "
					"\"%s\"",
					t->name, (size_t)(t->data - data),
					st->all.list[i - 1].name);
		if (t->data > at)
			return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
					"%zu bytes before tensor \"%s\" at "
					"offset %zu belong to no tensor",
					(size_t)(t->data - at), t->name,
					(size_t)(t->data - data));
		at += t->bytes;
	}
	if (at != data + size)
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"the last %zu bytes, from offset %zu on, "
				"belong to no tensor",
				(size_t)(data + size - at),
				(size_t)(at - data));
	return 0;
}

static int check_metadata(struct vgg_st *st)
{
	json_t *meta = json_object_get(st->root, "__metadata__"), *value;
	const char *key;

	if (!meta)
		return 0;
	if (!json_is_object(meta))
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"__metadata__ is not an object");
	json_object_foreach(meta, key, value) if (
		!json_is_string(value)) return vgg_fail(MODEL_FORMAT,
							st->all.path, AGAIN,
							"the metadata \"%s\" "
							"is not a string",
							key);
	return 0;
}

static int read_tensors(struct vgg_st *st, const uint8_t *data, size_t size)
{
	struct vgg_tensor *t;
	const char *name;
	json_t *entry;
	int err;

	json_object_foreach(st->root, name, entry)
	{
		if (!strcmp(name, "__metadata__"))
			continue;
		t = vgg_tensors_add(&st->all);
		if (!t)
			return -ENOMEM;
		err = read_tensor(st, t, name, entry, data, size);
		if (err)
			return err;
	}
	if (st->all.count)
		qsort(st->all.list, st->all.count, sizeof(*st->all.list),
		      by_place);
	err = vgg_tensors_index(&st->all);
	return err ? err : check_cover(st, data, size);
}

static int read_header(struct vgg_st *st, const uint8_t *text, size_t bytes)
{
	json_error_t error;

	/* jansson would let a byte-order mark or spaces pass. */
	if (!bytes || text[0] != '{')
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"the header does not begin with \"{\"");
	st->root = json_loadb((const char *)text, bytes, JSON_REJECT_DUPLICATES,
			      &error);
	if (!st->root)
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"the header is no sound JSON at offset %d: %s",
				error.position + 8, error.text);
	return check_metadata(st);
}

/* The length at the file's begin; false if it can't be one. */
static bool header_bytes(const struct vgg_file *file, uint64_t *bytes)
{
	if (file->size < 8)
		return false;
	memcpy(bytes, file->data, 8);
	return *bytes <= VGG_ST_HEADER_MAX && *bytes <= file->size - 8;
}

bool vgg_st_probe(const struct vgg_file *file)
{
	uint64_t bytes;

	return header_bytes(file, &bytes) && bytes && file->data[8] == '{';
}

int vgg_st_open(struct vgg_st *st, const char *path,
		const struct vgg_file *file)
{
	uint64_t bytes = 0;
	size_t begin;
	int err;

	memset(st, 0, sizeof(*st));
	st->all.path = path;
	if (file->size < 8)
		return vgg_fail(MODEL_FORMAT, path, AGAIN,
				"%zu bytes are too few for a safetensors file",
				file->size);
	if (!header_bytes(file, &bytes))
		return vgg_fail(MODEL_FORMAT, path, AGAIN,
				"the header's length of %" PRIu64 " bytes "
				"exceeds the file or the limit of %zu bytes",
				bytes, VGG_ST_HEADER_MAX);
	begin = 8 + (size_t)bytes;
	err = read_header(st, file->data + 8, (size_t)bytes);
	if (err)
		return err;
	return read_tensors(st, file->data + begin, file->size - begin);
}

void vgg_st_close(struct vgg_st *st)
{
	vgg_tensors_clear(&st->all);
	json_decref(st->root);
	memset(st, 0, sizeof(*st));
}

int vgg_st_get(const struct vgg_st *st, const char *name,
	       const struct vgg_tensor **tensor)
{
	*tensor = vgg_tensors_find(&st->all, name);
	if (!*tensor)
		return vgg_fail(MODEL_FORMAT, st->all.path, NULL,
				"there is no tensor \"%s\"", name);
	if (!(*tensor)->known)
		return vgg_fail(MODEL_UNSUPPORTED, st->all.path,
				"convert the file's tensors to F32",
				"tensor \"%s\" is of type %s", name,
				(*tensor)->type);
	return 0;
}

int vgg_st_blob(const struct vgg_st *st, const char *name, enum vgg_dtype dtype,
		size_t count, struct vgg_blob *blob)
{
	const struct vgg_type *type = vgg_type_of(dtype);
	const struct vgg_tensor *t;
	int err = vgg_st_get(st, name, &t);

	if (err)
		return err;
	if (t->dtype != dtype || t->count != count)
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"tensor \"%s\" has %zu elements of type %s, "
				"expected %zu of %s",
				name, t->count, t->type, count, type->name);
	if ((uintptr_t)t->data % type->bytes)
		return vgg_fail(MODEL_FORMAT, st->all.path, AGAIN,
				"tensor \"%s\" is not aligned to its elements "
				"of %zu bytes",
				name, type->bytes);
	*blob = (struct vgg_blob){ .data = t->data,
				   .count = count,
				   .dtype = dtype };
	return 0;
}

const char *vgg_st_meta(const struct vgg_st *st, const char *key)
{
	return json_string_value(json_object_get(
		json_object_get(st->root, "__metadata__"), key));
}

int vgg_import_safetensors(const char *path, const struct vgg_file *file,
			   const char *arch, struct vgg_model *m)
{
	struct vgg_st st;
	int err = vgg_st_open(&st, path, file);

	if (!err)
		err = vgg_import_tensors(&st.all, arch, m);
	vgg_st_close(&st);
	return err;
}

/* Writing */

static struct vgg_st_entry *new_entry(struct vgg_st_out *out)
{
	size_t room = out->room ? 2 * out->room : 64;
	struct vgg_st_entry *more;

	if (out->count == out->room) {
		more = reallocarray(out->entries, room, sizeof(*more));
		if (!more)
			return NULL;
		out->entries = more;
		out->room = room;
	}
	memset(&out->entries[out->count], 0, sizeof(*more));
	return &out->entries[out->count];
}

int vgg_st_out_add(struct vgg_st_out *out, const char *name,
		   enum vgg_dtype dtype, int rank, const int64_t *shape,
		   const void *data)
{
	const struct vgg_type *type = vgg_type_of(dtype);
	struct vgg_st_entry *e = new_entry(out);

	if (!e)
		return vgg_fail_memory("the list of tensors");
	if (!type || rank < 0 || rank > VGG_TENSOR_RANK_MAX ||
	    !strcmp(name, "__metadata__") ||
	    !shape_bytes(shape, rank, type->bytes, &e->bytes))
		return vgg_fail(BAD_ARGUMENT, NULL, NULL,
				"tensor \"%s\" cannot be stored", name);
	e->name = strdup(name);
	if (!e->name)
		return vgg_fail_memory("the name of a tensor");
	e->dtype = dtype;
	e->rank = rank;
	for (int i = 0; i < rank; i++)
		e->shape[i] = shape[i];
	e->data = data;
	out->count++;
	return 0;
}

int vgg_st_out_meta(struct vgg_st_out *out, const char *key, const char *value)
{
	json_t *text = json_string(value);

	if (!out->meta)
		out->meta = json_object();
	if (!text || json_object_set_new(out->meta, key, text))
		return vgg_fail(BAD_ARGUMENT, key, NULL,
				"metadata that is not UTF-8 cannot be stored");
	return 0;
}

static int by_alignment(const void *a, const void *b)
{
	const struct vgg_st_entry *x = a, *y = b;
	bool xa = !(x->bytes % DATA_ALIGN), ya = !(y->bytes % DATA_ALIGN);
	size_t xs = vgg_type_of(x->dtype)->bytes;
	size_t ys = vgg_type_of(y->dtype)->bytes;

	if (xa != ya)
		return xa ? -1 : 1;
	if (!xa && xs != ys)
		return xs > ys ? -1 : 1;
	/* qsort() is not stable; the order given is kept by `begin`. */
	return x->begin < y->begin ? -1 : 1;
}

static int place_entries(struct vgg_st_out *out)
{
	size_t at = 0;

	for (size_t i = 0; i < out->count; i++)
		out->entries[i].begin = i;
	if (out->count)
		qsort(out->entries, out->count, sizeof(*out->entries),
		      by_alignment);
	for (size_t i = 0; i < out->count; i++) {
		out->entries[i].begin = at;
		if (__builtin_add_overflow(at, out->entries[i].bytes, &at))
			return vgg_fail(BAD_ARGUMENT, NULL, NULL,
					"too much data for one file");
	}
	return 0;
}

static json_t *entry_json(const struct vgg_st_entry *e)
{
	json_t *shape = json_array();

	for (int i = 0; i < e->rank; i++)
		if (json_array_append_new(shape, json_integer(e->shape[i]))) {
			json_decref(shape);
			return NULL;
		}
	return json_pack("{s:s, s:o, s:[I, I]}", "dtype",
			 vgg_type_of(e->dtype)->name, "shape", shape,
			 "data_offsets", (json_int_t)e->begin,
			 (json_int_t)(e->begin + e->bytes));
}

/* The header as text. Failing steps leave an entry out; the count shows it
 * (and also shows a name given twice). */
static char *header_text(const struct vgg_st_out *out)
{
	size_t want = out->count + (out->meta ? 1 : 0);
	json_t *root = json_object();
	char *text = NULL;

	if (out->meta)
		json_object_set(root, "__metadata__", out->meta);
	for (size_t i = 0; i < out->count; i++)
		json_object_set_new(root, out->entries[i].name,
				    entry_json(&out->entries[i]));
	if (json_object_size(root) == want)
		text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

int vgg_st_out_write(struct vgg_st_out *out, struct vgg_writer *writer)
{
	char spaces[DATA_ALIGN];
	int err = place_entries(out);
	size_t length, pad;
	uint64_t bytes;
	char *text;

	if (err)
		return err;
	text = header_text(out);
	if (!text)
		return vgg_fail(BAD_ARGUMENT, NULL, NULL,
				"the header of a safetensors file cannot be "
				"made: a name is not UTF-8 or not unique");
	length = strlen(text);
	pad = -(8 + length) % DATA_ALIGN;
	bytes = length + pad;
	memset(spaces, ' ', sizeof(spaces));
	/* The writer's errors stick, so the last one tells. */
	vgg_writer_write(writer, &bytes, 8);
	vgg_writer_write(writer, text, length);
	err = vgg_writer_write(writer, spaces, pad);
	free(text);
	for (size_t i = 0; !err && i < out->count; i++)
		err = vgg_writer_write(writer, out->entries[i].data,
				       out->entries[i].bytes);
	return err;
}

void vgg_st_out_clear(struct vgg_st_out *out)
{
	for (size_t i = 0; i < out->count; i++)
		free(out->entries[i].name);
	free(out->entries);
	json_decref(out->meta);
	memset(out, 0, sizeof(*out));
}
