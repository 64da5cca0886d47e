// SPDX-License-Identifier: MIT
/* See pth_build.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pth_build.h"
#include "vgg_harness.h"

void bytes_put(struct bytes *b, const void *data, size_t size)
{
	if (b->size + size > b->room) {
		b->room = 2 * (b->size + size);
		b->data = realloc(b->data, b->room);
		ASSERT_TRUE(b->data);
	}
	if (size)
		memcpy(b->data + b->size, data, size);
	b->size += size;
}

void bytes_number(struct bytes *b, uint64_t number, size_t size)
{
	for (; size--; number >>= 8)
		bytes_put(b, &number, 1);
}

struct vgg_file bytes_file(struct bytes *b)
{
	uint8_t *copy = malloc(b->size ? b->size : 1);

	if (b->size)
		memcpy(copy, b->data, b->size);
	free(b->data);
	return (struct vgg_file){ .data = copy, .size = b->size };
}

static void put_text(struct bytes *b, const char *text)
{
	bytes_put(b, text, strlen(text));
}

void pickle_global(struct bytes *b, const char *module, const char *name)
{
	put_text(b, "c");
	put_text(b, module);
	put_text(b, "\n");
	put_text(b, name);
	put_text(b, "\n");
}

void pickle_text(struct bytes *b, const char *text)
{
	put_text(b, "X");
	bytes_number(b, strlen(text), 4);
	put_text(b, text);
}

void pickle_int(struct bytes *b, int64_t number)
{
	bool byte = number >= 0 && number < 256;
	bool narrow = number == (int32_t)number;

	put_text(b, byte ? "K" : narrow ? "J" : "\x8a");
	if (!byte && !narrow)
		put_text(b, "\x08");
	bytes_number(b, (uint64_t)number, byte ? 1 : narrow ? 4 : 8);
}

void pickle_sizes(struct bytes *b, int rank, const int64_t *sizes)
{
	put_text(b, "(");
	for (int i = 0; i < rank; i++)
		pickle_int(b, sizes[i]);
	put_text(b, "t");
}

static void put_tensor(struct bytes *b, const struct pth_tensor *t, bool legacy)
{
	pickle_text(b, t->name);
	pickle_global(b, "torch._utils", "_rebuild_tensor_v2");
	put_text(b, "((");
	pickle_text(b, "storage");
	pickle_global(b, "torch", t->storage);
	pickle_text(b, t->key);
	pickle_text(b, "cpu");
	pickle_int(b, t->count);
	put_text(b, legacy ? "NtQ" : "tQ");
	pickle_int(b, t->offset);
	pickle_sizes(b, t->rank, t->shape);
	pickle_sizes(b, t->rank, t->stride);
	put_text(b, "\x89");
	pickle_global(b, "collections", "OrderedDict");
	put_text(b, ")RtR");
}

static void put_pickle(struct bytes *b, const struct pth_tensor *t, int n,
		       const struct pth_odd *odd, bool legacy)
{
	int depth = 0;

	put_text(b, "\x80\x02");
	for (; depth < 3 && odd->nested[depth]; depth++) {
		put_text(b, "}(");
		pickle_text(b, "epoch");
		pickle_int(b, 90);
		pickle_text(b, "loss");
		put_text(b, "G");
		bytes_number(b, 0, 8);
		pickle_text(b, odd->nested[depth]);
	}
	pickle_global(b, "collections", "OrderedDict");
	put_text(b, ")Rq");
	bytes_number(b, 0, 1);
	put_text(b, "(");
	for (int i = 0; i < n; i++)
		put_tensor(b, &t[i], legacy);
	put_text(b, "u}");
	pickle_text(b, "_metadata");
	put_text(b, "}sb");
	while (depth--)
		put_text(b, "u");
	put_text(b, ".");
}

static size_t each(const struct pth_tensor *t)
{
	const char *s = t->storage;

	return strstr(s, "Double") || strstr(s, "Long") ? 8 :
	       strstr(s, "Half") || strstr(s, "BF")	? 2 :
	       strstr(s, "Float") || strstr(s, "Int")	? 4 :
							  1;
}

/* The first tensor of each key brings the storage. */
static bool brings(const struct pth_tensor *t, int i, const struct pth_odd *odd)
{
	for (int j = 0; j < i; j++)
		if (!strcmp(t[j].key, t[i].key))
			return false;
	return !odd->left_out || strcmp(odd->left_out, t[i].key);
}

static void put_storage(struct bytes *b, const struct pth_tensor *t, int number,
			const struct pth_odd *odd)
{
	size_t size = odd->storage_bytes ? odd->storage_bytes :
					   (size_t)t->count * each(t);

	for (size_t i = 0; i < size; i++)
		bytes_number(b, i + (size_t)number, 1);
}

/* Archives. */

struct archive {
	struct bytes all, dir;
	size_t entries;
	const struct pth_odd *odd;
};

static void put_entry(struct archive *a, const char *name, const void *data,
		      size_t size)
{
	const char *prefix = a->odd->prefix ? a->odd->prefix : "archive";
	size_t name_bytes = strlen(prefix) + 1 + strlen(name);
	size_t at = a->all.size;
	uint64_t small = a->odd->wide ? UINT32_MAX : size;

	bytes_number(&a->all, 0x04034b50, 4);
	bytes_number(&a->all, 0, 22); /* as when sizes follow the data */
	bytes_number(&a->all, name_bytes, 2);
	bytes_number(&a->all, 3, 2); /* padding as PyTorch aligns storages */
	put_text(&a->all, prefix);
	put_text(&a->all, "/");
	put_text(&a->all, name);
	put_text(&a->all, "FB!");
	bytes_put(&a->all, data, size);
	bytes_number(&a->dir, 0x02014b50, 4);
	bytes_number(&a->dir, 0, 6);
	bytes_number(&a->dir, (uint64_t)a->odd->method, 2);
	bytes_number(&a->dir, 0, 8);
	bytes_number(&a->dir, small, 4);
	bytes_number(&a->dir, small, 4);
	bytes_number(&a->dir, name_bytes, 2);
	bytes_number(&a->dir, a->odd->wide ? 34 : 0, 2);
	bytes_number(&a->dir, 0, 2);
	bytes_number(&a->dir, 0, 8);
	bytes_number(&a->dir, a->odd->wide ? UINT32_MAX : at, 4);
	put_text(&a->dir, prefix);
	put_text(&a->dir, "/");
	put_text(&a->dir, name);
	if (a->odd->wide) {
		bytes_number(&a->dir, 0x20009, 4); /* a field to skip */
		bytes_number(&a->dir, 0, 2);
		bytes_number(&a->dir, 0x180001, 4);
		bytes_number(&a->dir, size, 8);
		bytes_number(&a->dir, size, 8);
		bytes_number(&a->dir, at, 8);
	}
	a->entries++;
}

static void put_wide_end(struct archive *a, size_t at)
{
	size_t end = a->all.size;

	bytes_number(&a->all, 0x06064b50, 4);
	bytes_number(&a->all, 44, 8);
	bytes_number(&a->all, 0, 12);
	bytes_number(&a->all, a->entries, 8);
	bytes_number(&a->all, a->entries, 8);
	bytes_number(&a->all, a->dir.size, 8);
	bytes_number(&a->all, at, 8);
	bytes_number(&a->all, 0x07064b50, 4);
	bytes_number(&a->all, 0, 4);
	bytes_number(&a->all, end, 8);
	bytes_number(&a->all, 1, 4);
}

static struct vgg_file end_archive(struct archive *a)
{
	const char *comment = a->odd->comment ? a->odd->comment : "";
	size_t at = a->all.size;
	bool wide = a->odd->wide;

	bytes_put(&a->all, a->dir.data, a->dir.size);
	if (wide)
		put_wide_end(a, at);
	bytes_number(&a->all, 0x06054b50, 4);
	bytes_number(&a->all, 0, 4);
	bytes_number(&a->all, wide ? 0xffff : a->entries, 2);
	bytes_number(&a->all, wide ? 0xffff : a->entries, 2);
	bytes_number(&a->all, wide ? UINT32_MAX : a->dir.size, 4);
	bytes_number(&a->all, wide ? UINT32_MAX : at, 4);
	bytes_number(&a->all, strlen(comment), 2);
	put_text(&a->all, comment);
	free(a->dir.data);
	return bytes_file(&a->all);
}

struct vgg_file pth_zip(const struct pth_tensor *t, int n,
			const struct pth_odd *odd)
{
	static const struct pth_odd none;
	struct archive a = { .odd = odd ? odd : &none };
	struct bytes part = { 0 };
	char name[64];

	put_pickle(&part, t, n, a.odd, false);
	put_entry(&a, "data.pkl", part.data, part.size);
	for (int i = 0; i < n; i++) {
		part.size = 0;
		snprintf(name, sizeof(name), "data/%s", t[i].key);
		put_storage(&part, &t[i], i, a.odd);
		if (brings(t, i, a.odd))
			put_entry(&a, name, part.data, part.size);
	}
	put_entry(&a, "version", "3\n", 2);
	if (a.odd->extra)
		put_entry(&a, a.odd->extra, a.odd->extra_text,
			  strlen(a.odd->extra_text));
	free(part.data);
	return end_archive(&a);
}

struct vgg_file pth_with(const void *pickle, size_t size)
{
	static const struct pth_odd none;
	struct archive a = { .odd = &none };

	put_entry(&a, "data.pkl", pickle, size);
	return end_archive(&a);
}

static void put_beginning(struct bytes *b, bool big_endian)
{
	static const uint8_t magic[] = { 0x80, 2,    0x8a, 10,	 0x6c,
					 0xfc, 0x9c, 0x46, 0xf9, 0x20,
					 0x6a, 0xa8, 0x50, 0x19, '.' };

	bytes_put(b, magic, sizeof(magic));
	bytes_put(b, "\x80\x02M\xe9\x03.", 6);
	put_text(b, "\x80\x02}");
	pickle_text(b, "little_endian");
	put_text(b, big_endian ? "\x89s." : "\x88s.");
}

struct vgg_file pth_stream(const struct bytes *pickle, const char *key,
			   int64_t count)
{
	static const struct pth_odd none;
	const struct pth_tensor t = { .storage = "FloatStorage",
				      .count = count };
	struct bytes b = { 0 };

	put_beginning(&b, false);
	bytes_put(&b, pickle->data, pickle->size);
	put_text(&b, "\x80\x02](");
	pickle_text(&b, key);
	put_text(&b, "e.");
	bytes_number(&b, (uint64_t)count, 8);
	put_storage(&b, &t, 0, &none);
	return bytes_file(&b);
}

struct vgg_file pth_legacy(const struct pth_tensor *t, int n,
			   const struct pth_odd *odd)
{
	static const struct pth_odd none;
	struct bytes b = { 0 };

	odd = odd ? odd : &none;
	put_beginning(&b, odd->big_endian);
	put_pickle(&b, t, n, odd, true);
	put_text(&b, "\x80\x02](");
	for (int i = 0; i < n; i++)
		if (brings(t, i, odd))
			pickle_text(&b, t[i].key);
	put_text(&b, "e.");
	for (int i = 0; i < n; i++)
		if (brings(t, i, odd)) {
			bytes_number(&b, (uint64_t)t[i].count, 8);
			put_storage(&b, &t[i], i, odd);
		}
	return bytes_file(&b);
}
