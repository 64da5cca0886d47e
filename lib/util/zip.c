// SPDX-License-Identifier: MIT
/*
 * See zip.h. An archive ends with its directory and a record that says where
 * that begins; before the record there may be a larger one for archives beyond
 * 4 GiB, and a locator that says where that one is. All numbers are
 * little-endian and unaligned.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "util/error.h"
#include "util/zip.h"

#define AGAIN "get the file again; it may be cut short or damaged"

#define ENTRY_MAGIC 0x04034b50u
#define ENTRY_BYTES 30
#define DIR_MAGIC 0x02014b50u
#define DIR_BYTES 46
#define END_MAGIC 0x06054b50u
#define END_BYTES 22
#define LOCATOR_MAGIC 0x07064b50u
#define LOCATOR_BYTES 20
#define END64_MAGIC 0x06064b50u
#define END64_BYTES 56
#define COMMENT_MAX 65535
#define EXTRA_WIDE 1 /* the extra field with 64-bit numbers */
#define IN_EXTRA UINT32_MAX
#define FLAG_ENCRYPTED 1

struct reader {
	const char *path;
	const uint8_t *data;
	size_t size;
};

static uint64_t get(const uint8_t *at, int bytes)
{
	uint64_t value = 0;

	memcpy(&value, at, (size_t)bytes);
	return value;
}

static bool within(const struct reader *r, uint64_t at, uint64_t bytes)
{
	return at <= r->size && bytes <= r->size - at;
}

static bool magic_at(const struct reader *r, uint64_t at, uint64_t bytes,
		     uint32_t magic)
{
	return within(r, at, bytes) && get(r->data + at, 4) == magic;
}

bool vgg_zip_probe(const struct vgg_file *file)
{
	return file->size >= 4 && get(file->data, 4) == ENTRY_MAGIC;
}

/* The record at the end: the last one whose comment fills the file. */
static bool find_end(const struct reader *r, size_t *end)
{
	size_t back = END_BYTES;

	for (; back <= r->size && back <= END_BYTES + COMMENT_MAX; back++) {
		*end = r->size - back;
		if (magic_at(r, *end, END_BYTES, END_MAGIC) &&
		    get(r->data + *end + 20, 2) == back - END_BYTES)
			return true;
	}
	return false;
}

/* Where the directory lies, and how many entries it has. */
static int find_directory(const struct reader *r, uint64_t *at, uint64_t *bytes,
			  uint64_t *count)
{
	uint64_t wide;
	size_t end;

	if (!find_end(r, &end))
		return vgg_fail(MODEL_FORMAT, r->path, AGAIN,
				"the archive has no end");
	*count = get(r->data + end + 10, 2);
	*bytes = get(r->data + end + 12, 4);
	*at = get(r->data + end + 16, 4);
	if (end >= LOCATOR_BYTES &&
	    magic_at(r, end - LOCATOR_BYTES, LOCATOR_BYTES, LOCATOR_MAGIC)) {
		wide = get(r->data + end - LOCATOR_BYTES + 8, 8);
		if (!magic_at(r, wide, END64_BYTES, END64_MAGIC))
			return vgg_fail(MODEL_FORMAT, r->path, AGAIN,
					"the archive's 64-bit end is not at "
					"offset %" PRIu64,
					wide);
		*count = get(r->data + wide + 32, 8);
		*bytes = get(r->data + wide + 40, 8);
		*at = get(r->data + wide + 48, 8);
	}
	if (!within(r, *at, *bytes) || *count > *bytes / DIR_BYTES)
		return vgg_fail(MODEL_FORMAT, r->path, AGAIN,
				"the archive's directory of %" PRIu64
				" entries, %" PRIu64 " bytes at offset %" PRIu64
				", is not in the file",
				*count, *bytes, *at);
	return 0;
}

/* Numbers of 32 bits that didn't suffice are in an extra field, in this order;
 * false if one of them is missing. */
static bool read_wide(const uint8_t *extra, size_t bytes, uint64_t *packed,
		      uint64_t *size, uint64_t *at)
{
	uint64_t *const numbers[] = { size, packed, at };
	size_t field = 0, used = 0;

	while (bytes >= 4) {
		field = (size_t)get(extra + 2, 2);
		if (field > bytes - 4)
			return false;
		if (get(extra, 2) == EXTRA_WIDE)
			break;
		extra += 4 + field;
		bytes -= 4 + field;
	}
	if (bytes < 4)
		field = 0;
	for (int i = 0; i < 3; i++) {
		if (*numbers[i] != IN_EXTRA)
			continue;
		if (field - used < 8)
			return false;
		*numbers[i] = get(extra + 4 + used, 8);
		used += 8;
	}
	return true;
}

static int fail_entry(const struct reader *r, const struct vgg_zip_entry *e,
		      const char *what)
{
	return vgg_fail(
		MODEL_FORMAT, r->path, AGAIN, "the archive's entry \"%.*s\" %s",
		e->name_bytes < 80 ? (int)e->name_bytes : 80, e->name, what);
}

/* From its place in the directory, which has `room` bytes left. */
static int read_entry(const struct reader *r, const uint8_t *dir, uint64_t room,
		      struct vgg_zip_entry *e, uint64_t *used)
{
	uint64_t packed, size, at, extra;

	if (room < DIR_BYTES || get(dir, 4) != DIR_MAGIC)
		return vgg_fail(MODEL_FORMAT, r->path, AGAIN,
				"the archive's directory is damaged at "
				"offset %zu",
				(size_t)(dir - r->data));
	e->name = (const char *)dir + DIR_BYTES;
	e->name_bytes = (size_t)get(dir + 28, 2);
	extra = get(dir + 30, 2);
	*used = DIR_BYTES + e->name_bytes + extra + get(dir + 32, 2);
	if (*used > room) {
		e->name_bytes = 0;
		return fail_entry(r, e, "exceeds the directory");
	}
	e->crc = (uint32_t)get(dir + 16, 4);
	packed = get(dir + 20, 4);
	size = get(dir + 24, 4);
	at = get(dir + 42, 4);
	if (!read_wide(dir + DIR_BYTES + e->name_bytes, (size_t)extra, &packed,
		       &size, &at))
		return fail_entry(r, e, "lacks its 64-bit sizes");
	if (!magic_at(r, at, ENTRY_BYTES, ENTRY_MAGIC))
		return fail_entry(r, e, "is not where the directory says");
	at += ENTRY_BYTES + get(r->data + at + 26, 2) +
	      get(r->data + at + 28, 2);
	if (!within(r, at, packed))
		return fail_entry(r, e, "exceeds the file");
	e->compressed = get(dir + 10, 2) || get(dir + 8, 2) & FLAG_ENCRYPTED;
	if (!e->compressed && packed != size)
		return fail_entry(r, e, "has two sizes");
	e->data = r->data + at;
	e->size = (size_t)packed;
	return 0;
}

int vgg_zip_check(const struct vgg_zip_entry *e, const char *path)
{
	const struct reader r = { .path = path };

	if (!e->crc || crc32_z(0, e->data, e->size) == e->crc)
		return 0;
	return fail_entry(&r, e, "has another checksum than its bytes");
}

static int by_name(const void *a, const void *b)
{
	const struct vgg_zip_entry *x = a, *y = b;
	size_t n =
		x->name_bytes < y->name_bytes ? x->name_bytes : y->name_bytes;
	int order = memcmp(x->name, y->name, n);

	if (order)
		return order;
	return (x->name_bytes > y->name_bytes) -
	       (x->name_bytes < y->name_bytes);
}

int vgg_zip_open(struct vgg_zip *zip, const char *path,
		 const struct vgg_file *file)
{
	struct reader r = { path, file->data, file->size };
	uint64_t at = 0, bytes = 0, count = 0, used = 0;
	int err;

	*zip = (struct vgg_zip){ 0 };
	err = find_directory(&r, &at, &bytes, &count);
	if (err)
		return err;
	zip->entries = calloc((size_t)count + 1, sizeof(*zip->entries));
	if (!zip->entries)
		return vgg_fail_memory("an archive's directory");
	for (; zip->count < count; zip->count++, at += used, bytes -= used) {
		err = read_entry(&r, r.data + at, bytes,
				 &zip->entries[zip->count], &used);
		if (err)
			return err;
	}
	qsort(zip->entries, zip->count, sizeof(*zip->entries), by_name);
	for (size_t i = 1; i < zip->count; i++)
		if (!by_name(&zip->entries[i - 1], &zip->entries[i]))
			return fail_entry(&r, &zip->entries[i],
					  "is there twice");
	return 0;
}

void vgg_zip_close(struct vgg_zip *zip)
{
	free(zip->entries);
	*zip = (struct vgg_zip){ 0 };
}

const struct vgg_zip_entry *vgg_zip_find(const struct vgg_zip *zip,
					 const char *name, size_t name_bytes)
{
	struct vgg_zip_entry key = { .name = name, .name_bytes = name_bytes };

	if (!zip->count)
		return NULL;
	return bsearch(&key, zip->entries, zip->count, sizeof(*zip->entries),
		       by_name);
}
