// SPDX-License-Identifier: MIT
/* See pth.h: where the pickle and the storages lie in a file. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/pth_parts.h"
#include "util/error.h"

#define PREFIX_MAX 256
#define LEGACY_VERSION 1001

/* A pickle of the number 0x1950a86a20f9469cfc6c. */
static const uint8_t legacy_magic[] = { 0x80, 0x02, 0x8a, 0x0a, 0x6c,
					0xfc, 0x9c, 0x46, 0xf9, 0x20,
					0x6a, 0xa8, 0x50, 0x19, '.' };

static int fail_storage(const char *path, const struct vgg_pth_storage *s,
			const char *what)
{
	return vgg_fail(MODEL_FORMAT, path, AGAIN, "storage \"%.*s\" %s",
			s->key_bytes < 80 ? (int)s->key_bytes : 80, s->key,
			what);
}

static int read_pickle(struct vgg_pth *pth, const uint8_t *data, size_t size,
		       struct vgg_pickle_value **root)
{
	return vgg_pickle_read(&pth->pickle, &vgg_pth_words, pth, pth->all.path,
			       data, size, root);
}

/* The zip archive. */

/* The folder that all is in, "archive/", by the one file that must be there. */
static const struct vgg_zip_entry *find_pickle(const struct vgg_zip *zip,
					       size_t *prefix)
{
	static const char file[] = "/data.pkl";
	const size_t n = sizeof(file) - 1;

	for (size_t i = 0; i < zip->count; i++) {
		const struct vgg_zip_entry *e = &zip->entries[i];

		if (e->name_bytes <= n)
			continue;
		*prefix = e->name_bytes - n;
		if (!memcmp(e->name + *prefix, file, n) &&
		    !memchr(e->name, '/', *prefix) && *prefix < PREFIX_MAX)
			return e;
	}
	return NULL;
}

/* The entry of that name beside the pickle; NULL if there is none. */
static const struct vgg_zip_entry *beside(const struct vgg_zip *zip,
					  const struct vgg_zip_entry *pickle,
					  size_t prefix, const char *name,
					  size_t name_bytes)
{
	char path[2 * PREFIX_MAX];

	if (name_bytes > sizeof(path) - prefix - 1)
		return NULL;
	memcpy(path, pickle->name, prefix);
	path[prefix] = '/';
	memcpy(path + prefix + 1, name, name_bytes);
	return vgg_zip_find(zip, path, prefix + 1 + name_bytes);
}

static int find_in_zip(struct vgg_pth *pth, struct vgg_pth_storage *s,
		       const struct vgg_zip_entry *pickle, size_t prefix)
{
	const char *path = pth->all.path;
	const struct vgg_zip_entry *e = NULL;
	char name[PREFIX_MAX] = "data/";
	size_t bytes, n = strlen(name);

	if (s->key_bytes < sizeof(name) - n) {
		memcpy(name + n, s->key, s->key_bytes);
		e = beside(&pth->zip, pickle, prefix, name, n + s->key_bytes);
	}
	if (!e)
		return fail_storage(path, s, "is not in the archive");
	if (e->compressed)
		return vgg_fail(MODEL_UNSUPPORTED, path,
				"keep the file as torch.save() wrote it",
				"the archive is compressed or encrypted");
	if (__builtin_mul_overflow(s->count, s->type->bytes, &bytes) ||
	    bytes > e->size)
		return fail_storage(path, s, "has fewer bytes than elements");
	s->data = e->data;
	return vgg_zip_check(e, path);
}

static int check_archive(struct vgg_pth *pth,
			 const struct vgg_zip_entry *pickle, size_t prefix)
{
	const char *path = pth->all.path;
	const struct vgg_zip_entry *order;

	if (!pickle && vgg_zip_find(&pth->zip, "model.weights.h5", 16))
		return vgg_fail(
			MODEL_UNSUPPORTED, path,
			"take the weights out: unzip FILE "
			"model.weights.h5, and import that",
			"a whole model of Keras 3, which is an archive");
	if (!pickle)
		return vgg_fail(MODEL_UNSUPPORTED, path,
				"name a file of torch.save(), or ONNX, "
				"safetensors",
				"a zip archive without data.pkl, so not of "
				"torch.save()");
	if (beside(&pth->zip, pickle, prefix, "constants.pkl", 13))
		return vgg_fail(MODEL_UNSUPPORTED, path, RESAVE,
				"a TorchScript program, not a dictionary of "
				"tensors");
	if (pickle->compressed)
		return vgg_fail(MODEL_UNSUPPORTED, path,
				"keep the file as torch.save() wrote it",
				"the archive is compressed or encrypted");
	order = beside(&pth->zip, pickle, prefix, "byteorder", 9);
	if (order && (order->size != 6 || memcmp(order->data, "little", 6)))
		return vgg_fail(MODEL_UNSUPPORTED, path,
				"save it again on a little-endian machine",
				"the tensors are not little-endian");
	return 0;
}

static int open_zip(struct vgg_pth *pth, const struct vgg_file *file,
		    struct vgg_pickle_value **root)
{
	const struct vgg_zip_entry *pickle;
	size_t prefix = 0;
	int err = vgg_zip_open(&pth->zip, pth->all.path, file);

	if (err)
		return err;
	pickle = find_pickle(&pth->zip, &prefix);
	err = check_archive(pth, pickle, prefix);
	if (!err)
		err = vgg_zip_check(pickle, pth->all.path);
	if (!err)
		err = read_pickle(pth, pickle->data, pickle->size, root);
	for (size_t i = 0; !err && i < pth->n_storages; i++)
		err = find_in_zip(pth, &pth->storages[i], pickle, prefix);
	return err;
}

/* The stream. */

/* A pickle that must be without tensors; its value is good until *p is closed,
 * which is the caller's. *at moves behind it. */
static int read_plain(const struct vgg_pth *pth, const struct vgg_file *file,
		      size_t *at, struct vgg_pickle *p,
		      struct vgg_pickle_value **value)
{
	static const struct vgg_pickle_name nothing = { NULL, NULL, 0 };
	static const struct vgg_pickle_reader plain = {
		.names = &nothing,
	};
	int err = vgg_pickle_read(p, &plain, NULL, pth->all.path,
				  file->data + *at, file->size - *at, value);

	*at += p->at;
	return err;
}

static int check_machine(const struct vgg_pth *pth, const struct vgg_file *file,
			 size_t *at)
{
	struct vgg_pickle_value *v, *little;
	struct vgg_pickle p;
	int err = read_plain(pth, file, at, &p, &v);

	if (!err && (v->kind != VGG_PICKLE_INT || v->integer != LEGACY_VERSION))
		err = vgg_fail(MODEL_UNSUPPORTED, pth->all.path, RESAVE,
			       "an unknown version of torch.save()'s format");
	vgg_pickle_close(&p);
	if (err)
		return err;
	err = read_plain(pth, file, at, &p, &v);
	little = !err && v->kind == VGG_PICKLE_DICT ?
			 vgg_pickle_get(v, "little_endian") :
			 NULL;
	if (!err && (!little || !little->integer))
		err = vgg_fail(MODEL_UNSUPPORTED, pth->all.path,
			       "save it again on a little-endian machine",
			       "the tensors are not little-endian");
	vgg_pickle_close(&p);
	return err;
}

static int by_key(const void *a, const void *b)
{
	const struct vgg_pth_storage *const *x = a, *const *y = b;
	size_t n = (*x)->key_bytes < (*y)->key_bytes ? (*x)->key_bytes :
						       (*y)->key_bytes;
	int order = memcmp((*x)->key, (*y)->key, n);

	if (order)
		return order;
	return ((*x)->key_bytes > (*y)->key_bytes) -
	       ((*x)->key_bytes < (*y)->key_bytes);
}

/* All storages of a key lie where *at is, which moves behind them. */
static int place(const struct vgg_pth *pth, const struct vgg_file *file,
		 struct vgg_pth_storage **sorted, size_t first, size_t *at)
{
	const char *path = pth->all.path;
	const struct vgg_pth_storage *s = sorted[first];
	uint64_t count, bytes;

	if (file->size - *at < 8)
		return fail_storage(path, s, "is missing at the file's end");
	memcpy(&count, file->data + *at, 8);
	*at += 8;
	if (__builtin_mul_overflow(count, s->type->bytes, &bytes) ||
	    bytes > file->size - *at)
		return fail_storage(path, s, "exceeds the file");
	for (size_t i = first; i < pth->n_storages; i++) {
		if (by_key(&sorted[i], &sorted[first]))
			break;
		if (sorted[i]->type != s->type || sorted[i]->count != count)
			return fail_storage(path, s, "has two sizes or types");
		sorted[i]->data = file->data + *at;
	}
	*at += bytes;
	return 0;
}

/* The first of the storages with this key, by its place in the sorted list. */
static bool find_key(const struct vgg_pth *pth,
		     struct vgg_pth_storage *const *sorted,
		     const struct vgg_pickle_value *key, size_t *first)
{
	struct vgg_pth_storage wanted = { .key = key->text,
					  .key_bytes = key->length };
	const struct vgg_pth_storage *p = &wanted;
	size_t low = 0, high = pth->n_storages, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (by_key(&sorted[middle], &p) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*first = low;
	return low < pth->n_storages && !by_key(&sorted[low], &p);
}

static int place_all(const struct vgg_pth *pth, const struct vgg_file *file,
		     const struct vgg_pickle_value *keys, size_t at,
		     struct vgg_pth_storage **sorted)
{
	size_t first;
	int err = 0;

	for (size_t i = 0; i < pth->n_storages; i++)
		sorted[i] = &pth->storages[i];
	if (pth->n_storages)
		qsort(sorted, pth->n_storages, sizeof(*sorted), by_key);
	for (size_t i = 0; !err && i < keys->count; i++) {
		if (keys->items[i]->kind != VGG_PICKLE_TEXT ||
		    !find_key(pth, sorted, keys->items[i], &first))
			return vgg_fail(MODEL_FORMAT, pth->all.path, AGAIN,
					"storage %zu of the file is of no "
					"tensor",
					i);
		/* Twice the same key would be twice the work. */
		if (sorted[first]->data)
			return fail_storage(pth->all.path, sorted[first],
					    "is there twice");
		err = place(pth, file, sorted, first, &at);
	}
	for (size_t i = 0; !err && i < pth->n_storages; i++)
		if (!sorted[i]->data)
			err = fail_storage(pth->all.path, sorted[i],
					   "is not in the file");
	return err;
}

static int open_legacy(struct vgg_pth *pth, const struct vgg_file *file,
		       struct vgg_pickle_value **root)
{
	size_t at = sizeof(legacy_magic);
	struct vgg_pth_storage **sorted;
	struct vgg_pickle_value *keys;
	struct vgg_pickle list;
	int err = check_machine(pth, file, &at);

	if (err)
		return err;
	err = read_pickle(pth, file->data + at, file->size - at, root);
	if (err)
		return err;
	at += pth->pickle.at;
	err = read_plain(pth, file, &at, &list, &keys);
	sorted = calloc(pth->n_storages + 1, sizeof(*sorted));
	if (!err && !sorted)
		err = vgg_fail_memory("the list of storages");
	if (!err && keys->kind != VGG_PICKLE_LIST)
		err = vgg_fail(MODEL_FORMAT, pth->all.path, AGAIN,
			       "the list of storages is none");
	if (!err)
		err = place_all(pth, file, keys, at, sorted);
	free(sorted);
	vgg_pickle_close(&list);
	return err;
}

bool vgg_pth_probe(const struct vgg_file *file)
{
	return vgg_zip_probe(file) ||
	       (file->size >= sizeof(legacy_magic) &&
		!memcmp(file->data, legacy_magic, sizeof(legacy_magic)));
}

int vgg_pth_read(struct vgg_pth *pth, const struct vgg_file *file,
		 struct vgg_pickle_value **root)
{
	return vgg_zip_probe(file) ? open_zip(pth, file, root) :
				     open_legacy(pth, file, root);
}
