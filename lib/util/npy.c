// SPDX-License-Identifier: MIT
/*
 * float32 arrays in NumPy's .npy format.
 *
 *	"\x93NUMPY"  major  minor  length of the header  header  data
 *
 * The length is 16 bits wide in version 1, 32 in versions 2 and 3, both
 * little-endian. The header is a Python dict literal with exactly these keys,
 * padded with spaces and ended by a newline:
 *
 *	{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 *
 * What is read here is the part of Python's syntax that such a header needs.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the data of a .npy file is used as it is");

#define MAGIC "\x93NUMPY"
#define MAGIC_BYTES 6
/* Eight sizes of 19 digits need 250 bytes; NumPy itself stops at 10000. */
#define HEADER_MAX 10000
#define RANK_MAX 8
#define TEXT_MAX 64 /* of a string in the header */

#define AS_FLOAT32 "save it with array.astype(numpy.float32)"

/* Keys seen so far. */
enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4, SEEN_ALL = 7 };

struct parser {
	const char *path;
	const uint8_t *data; /* the whole file */
	size_t at, end;	     /* end: of the header */
};

__attribute__((format(printf, 2, 3))) static int
fail_at(const struct parser *p, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return vgg_fail(ARRAY_FORMAT, p->path,
			"write the file anew with numpy.save()",
			"%s (byte %zu)", what, p->at);
}

static void skip_space(struct parser *p)
{
	while (p->at < p->end &&
	       (p->data[p->at] == ' ' || p->data[p->at] == '\n'))
		p->at++;
}

/* Takes c, with spaces before it, if it comes next. */
static bool take(struct parser *p, char c)
{
	skip_space(p);
	if (p->at == p->end || p->data[p->at] != (uint8_t)c)
		return false;
	p->at++;
	return true;
}

static int expect(struct parser *p, char c)
{
	if (take(p, c))
		return 0;
	return fail_at(p, "the header has no '%c' where one is needed", c);
}

/* A string in single or double quotes, without escapes. */
static int take_text(struct parser *p, char text[TEXT_MAX])
{
	char quote = '\'';
	size_t n = 0;

	if (!take(p, quote)) {
		quote = '"';
		if (!take(p, quote))
			return fail_at(p, "the header has no string where one "
					  "is needed");
	}
	for (; p->at < p->end && n < TEXT_MAX - 1; p->at++) {
		char c = (char)p->data[p->at];

		if (c == quote) {
			p->at++;
			text[n] = 0;
			return 0;
		}
		if (c < ' ' || c == '\\' || c == 0x7f)
			break;
		text[n++] = c;
	}
	return fail_at(p, "a string in the header is not ended");
}

static int take_number(struct parser *p, int64_t *value)
{
	size_t digits = 0;

	*value = 0;
	skip_space(p);
	for (; p->at < p->end; p->at++, digits++) {
		int digit = p->data[p->at] - '0';

		if (digit < 0 || digit > 9)
			break;
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, digit, value))
			return fail_at(p, "a size in the header is too large");
	}
	if (!digits)
		return fail_at(p, "the header has no size where one is needed");
	return 0;
}

static bool take_word(struct parser *p, const char *word)
{
	size_t n = strlen(word);

	skip_space(p);
	if (p->end - p->at < n || memcmp(p->data + p->at, word, n))
		return false;
	p->at += n;
	return true;
}

static int take_descr(struct parser *p)
{
	char text[TEXT_MAX];
	int err;

	skip_space(p);
	if (p->at < p->end && p->data[p->at] == '[')
		return vgg_fail(ARRAY_FORMAT, p->path,
				"save one field as float32",
				"has records as elements, not numbers");
	err = take_text(p, text);
	if (err)
		return err;
	if (strcmp(text, "<f4"))
		return vgg_fail(ARRAY_FORMAT, p->path, AS_FLOAT32,
				"has elements of type '%s', not float32 "
				"('<f4')",
				text);
	return 0;
}

static int take_order(struct parser *p)
{
	if (take_word(p, "False"))
		return 0;
	if (!take_word(p, "True"))
		return fail_at(p, "fortran_order is neither True nor False");
	return vgg_fail(ARRAY_FORMAT, p->path,
			"save it with numpy.ascontiguousarray(array).astype("
			"numpy.float32)",
			"is in Fortran order (columns first)");
}

static int take_shape(struct parser *p, struct vgg_array *a)
{
	bool comma = true;
	int err;

	err = expect(p, '(');
	while (!err && !take(p, ')')) {
		if (!comma)
			return fail_at(p, "the shape has no ',' where one is "
					  "needed");
		if (a->rank == RANK_MAX)
			return fail_at(p, "has more than %d dimensions",
				       RANK_MAX);
		err = take_number(p, &a->shape[a->rank++]);
		comma = take(p, ',');
	}
	/* (3) is a number in Python; only (3,) is a tuple. */
	if (!err && a->rank == 1 && !comma)
		return fail_at(p, "the shape is not a tuple");
	return err;
}

static int take_entry(struct parser *p, struct vgg_array *a, unsigned int *seen)
{
	unsigned int key = 0;
	char text[TEXT_MAX];
	int err;

	err = take_text(p, text);
	if (err)
		return err;
	if (!strcmp(text, "descr"))
		key = SEEN_DESCR;
	else if (!strcmp(text, "fortran_order"))
		key = SEEN_ORDER;
	else if (!strcmp(text, "shape"))
		key = SEEN_SHAPE;
	if (!key || *seen & key)
		return fail_at(p, "the header has an unknown or repeated key");
	*seen |= key;
	err = expect(p, ':');
	if (err)
		return err;
	return key == SEEN_DESCR ? take_descr(p) :
	       key == SEEN_ORDER ? take_order(p) :
				   take_shape(p, a);
}

static int parse_header(struct parser *p, struct vgg_array *a)
{
	unsigned int seen = 0;
	bool comma = true;
	int err;

	err = expect(p, '{');
	while (!err && !take(p, '}')) {
		if (!comma)
			return fail_at(p, "the header has no ',' where one is "
					  "needed");
		err = take_entry(p, a, &seen);
		comma = !err && take(p, ',');
	}
	if (err)
		return err;
	if (seen != SEEN_ALL)
		return fail_at(p, "the header lacks one of descr, "
				  "fortran_order and shape");
	skip_space(p);
	if (p->at != p->end || p->data[p->end - 1] != '\n')
		return fail_at(p, "the header is not ended by a newline");
	return 0;
}

/* Magic, version and length; sets p to the header's text. */
static int find_header(struct parser *p, size_t size)
{
	const uint8_t *d = p->data;
	size_t n;

	if (!size)
		return fail_at(p, "the file is empty");
	if (size < MAGIC_BYTES || memcmp(d, MAGIC, MAGIC_BYTES))
		return fail_at(p, "is not a .npy file");
	p->at = MAGIC_BYTES;
	if (size < MAGIC_BYTES + 4)
		return fail_at(p, "the file ends in its header");
	if (d[6] < 1 || d[6] > 3 || d[7])
		return fail_at(p, "has the unknown version %u.%u", d[6], d[7]);
	p->at = d[6] == 1 ? 10 : 12;
	n = d[8] | (size_t)d[9] << 8;
	if (size < p->at)
		return fail_at(p, "the file ends in its header");
	if (d[6] > 1)
		n |= (size_t)d[10] << 16 | (size_t)d[11] << 24;
	if (n > HEADER_MAX)
		return fail_at(p, "the header claims to have %zu bytes", n);
	if (n > size - p->at)
		return fail_at(p, "the file ends in its header");
	p->end = p->at + n;
	return 0;
}

/* Bytes of the elements. */
static int array_bytes(const struct vgg_array *a, size_t *bytes)
{
	bool overflow = false, none = false;
	int i;

	*bytes = sizeof(float);
	for (i = 0; i < a->rank; i++) {
		if (!a->shape[i])
			none = true;
		else if (a->shape[i] < 0 ||
			 __builtin_mul_overflow(*bytes, (uint64_t)a->shape[i],
						bytes))
			overflow = true;
	}
	if (none)
		*bytes = 0;
	/* (2**62, 2**62, 0) is no shape either. */
	return overflow || *bytes > SIZE_MAX / 2 ? -1 : 0;
}

static int copy_data(struct parser *p, size_t size, struct vgg_array *a)
{
	size_t there = size - p->at, bytes;

	if (array_bytes(a, &bytes))
		return fail_at(p, "the shape is too large");
	if (there < bytes)
		return fail_at(p,
			       "the file ends early: %zu of %zu bytes of "
			       "data are there",
			       there, bytes);
	if (there > bytes)
		return fail_at(p, "there are %zu bytes behind the data",
			       there - bytes);
	a->data = malloc(bytes ? bytes : 1);
	if (!a->data)
		return vgg_fail_memory("an array");
	memcpy(a->data, p->data + p->at, bytes);
	return 0;
}

int vgg_array_load(const char *path, struct vgg_array *array)
{
	struct parser p = { .path = path };
	struct vgg_file file;
	int err;

	if (!array)
		return vgg_fail(BAD_ARGUMENT, path, NULL,
				"there is no array to load into");
	*array = (struct vgg_array){ 0 };
	err = vgg_file_open(&file, path);
	if (err)
		return err;
	p.data = file.data;
	err = find_header(&p, file.size);
	if (!err)
		err = parse_header(&p, array);
	if (!err)
		err = copy_data(&p, file.size, array);
	vgg_file_close(&file);
	if (err)
		vgg_array_free(array);
	return err;
}

/* Magic to newline, in version 1.0, so that data starts at a multiple of 64 as
 * NumPy does it. Returns its bytes. */
static size_t build_header(const struct vgg_array *a, char header[512])
{
	size_t n = MAGIC_BYTES + 4, total;
	int i;

	n += (size_t)sprintf(header + n, "{'descr': '<f4', 'fortran_order': "
					 "False, 'shape': (");
	for (i = 0; i < a->rank; i++)
		n += (size_t)sprintf(header + n, "%s%lld", i ? ", " : "",
				     (long long)a->shape[i]);
	n += (size_t)sprintf(header + n, "%s), }", a->rank == 1 ? "," : "");
	total = (n + 1 + 63) / 64 * 64;
	memset(header + n, ' ', total - n);
	header[total - 1] = '\n';
	memcpy(header, MAGIC "\1", MAGIC_BYTES + 2);
	header[8] = (char)((total - MAGIC_BYTES - 4) & 0xff);
	header[9] = (char)((total - MAGIC_BYTES - 4) >> 8);
	return total;
}

int vgg_array_save(const char *path, const struct vgg_array *array)
{
	struct vgg_writer *w;
	char header[512];
	size_t bytes;
	int err;

	if (!array || array->rank < 0 || array->rank > RANK_MAX ||
	    array_bytes(array, &bytes) || (bytes && !array->data))
		return vgg_fail(BAD_ARGUMENT, path, NULL,
				"the array to save has no valid shape or no "
				"data");
	err = vgg_writer_open(&w, path);
	if (err)
		return err;
	vgg_writer_write(w, header, build_header(array, header));
	vgg_writer_write(w, array->data, bytes);
	return vgg_writer_commit(w);
}

void vgg_array_free(struct vgg_array *array)
{
	if (!array)
		return;
	free(array->data);
	*array = (struct vgg_array){ 0 };
}
