// SPDX-License-Identifier: MIT
/*
 * Stored tensors. Their data is in one of three places: as bytes (raw_data), as
 * a list of numbers in a field that depends on the type, or in a file beside
 * the model. Bytes are little-endian, as is every machine this is built for.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/onnx_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "tensors are read as they lie in the file");

#define ASK_CHECKER "check the file with onnx.checker"

/* By the number in TensorProto.data_type. */
/* clang-format off */
static const struct {
	const char *name;
	int dtype; /* -1: unsupported */
} dtypes[] = {
	{ "no type", -1 },
	{ "FLOAT", VGG_F32 },
	{ "UINT8", VGG_U8 },
	{ "INT8", VGG_I8 },
	{ "UINT16", -1 },
	{ "INT16", -1 },
	{ "INT32", VGG_I32 },
	{ "INT64", VGG_I64 },
	{ "STRING", -1 },
	{ "BOOL", VGG_U8 },
	{ "FLOAT16", VGG_F16 },
	{ "DOUBLE", VGG_F64 },
	{ "UINT32", -1 },
	{ "UINT64", -1 },
	{ "COMPLEX64", -1 },
	{ "COMPLEX128", -1 },
	{ "BFLOAT16", VGG_BF16 },
	{ "FLOAT8E4M3FN", -1 },
	{ "FLOAT8E4M3FNUZ", -1 },
	{ "FLOAT8E5M2", -1 },
	{ "FLOAT8E5M2FNUZ", -1 },
	{ "UINT4", -1 },
	{ "INT4", -1 },
	{ "FLOAT4E2M1", -1 },
};
/* clang-format on */
#define N_DTYPES (int)(sizeof(dtypes) / sizeof(*dtypes))

const char *vgg_onnx_dtype_name(int data_type)
{
	return data_type < 0 || data_type >= N_DTYPES ? "an unknown type" :
							dtypes[data_type].name;
}

int vgg_onnx_count(const struct vgg_onnx *x, const char *name,
		   const int64_t *dim, size_t rank, size_t *count)
{
	int64_t n = 1;
	size_t i;

	if (rank > ONNX_RANK_MAX)
		return onnx_refuse(x, NULL, "%s has %zu dimensions", name,
				   rank);
	for (i = 0; i < rank; i++) {
		if (dim[i] < 0)
			return onnx_fail(x, MODEL_FORMAT, ASK_CHECKER,
					 "dimension %zu of %s is %lld", i, name,
					 (long long)dim[i]);
		if (n && dim[i] > VGG_ELEMENTS_MAX / n)
			return onnx_fail(x, MODEL_FORMAT, ASK_CHECKER,
					 "%s has more than 2^31 elements",
					 name);
		n *= dim[i];
	}
	*count = (size_t)n;
	return 0;
}

static int fail_size(const struct vgg_onnx *x, const char *name, size_t have,
		     const struct onnx_const *c, const char *unit)
{
	return onnx_fail(
		x, MODEL_FORMAT, "fetch or export the file again",
		"'%s' has %zu %s where its shape needs %zu", name, have, unit,
		*unit == 'b' ? c->count * vgg_dtype_bytes(c->dtype) : c->count);
}

/* Room of its own for c's data. */
static int own(struct onnx_const *c)
{
	c->owned = malloc(c->count * vgg_dtype_bytes(c->dtype) + 1);
	c->data = c->owned;
	return c->owned ? 0 : vgg_fail_memory("a constant of an ONNX model");
}

static int from_raw(const struct vgg_onnx *x, const char *name,
		    Onnx__TensorProto *t, bool take, struct onnx_const *c)
{
	if (t->raw_data.len != c->count * vgg_dtype_bytes(c->dtype))
		return fail_size(x, name, t->raw_data.len, c, "bytes");
	if (!c->count)
		return own(c);
	c->data = t->raw_data.data;
	if (!take)
		return 0;
	/* protobuf-c's default allocator is malloc(). */
	c->owned = t->raw_data.data;
	t->raw_data = (ProtobufCBinaryData){ 0 };
	return 0;
}

/* int32_data holds everything of up to 16 bits, one element a number. */
static int from_int32s(const struct vgg_onnx *x, const char *name,
		       const Onnx__TensorProto *t, struct onnx_const *c)
{
	size_t i, size = vgg_dtype_bytes(c->dtype);
	int err;

	if (t->n_int32_data != c->count)
		return fail_size(x, name, t->n_int32_data, c, "numbers");
	err = own(c);
	if (err)
		return err;
	for (i = 0; i < c->count; i++)
		memcpy((char *)c->owned + i * size, &t->int32_data[i], size);
	return 0;
}

static int from_list(const struct vgg_onnx *x, const char *name,
		     Onnx__TensorProto *t, bool take, struct onnx_const *c)
{
	size_t n;

	if (c->dtype == VGG_F32) {
		n = t->n_float_data;
		c->data = t->float_data;
	} else if (c->dtype == VGG_F64) {
		n = t->n_double_data;
		c->data = t->double_data;
	} else if (c->dtype == VGG_I64) {
		n = t->n_int64_data;
		c->data = t->int64_data;
	} else {
		return from_int32s(x, name, t, c);
	}
	if (n != c->count)
		return fail_size(x, name, n, c, "numbers");
	if (take && n && c->dtype == VGG_F32) {
		c->owned = t->float_data;
		t->float_data = NULL;
		t->n_float_data = 0;
	}
	return n ? 0 : own(c);
}

/*
 * External data.
 */
static const char *entry(const Onnx__TensorProto *t, const char *key)
{
	size_t i;

	for (i = 0; i < t->n_external_data; i++)
		if (t->external_data[i]->key &&
		    !strcmp(t->external_data[i]->key, key))
			return t->external_data[i]->value;
	return NULL;
}

/* A file may name what lies beside or below it, and nothing else. */
static bool location_ok(const char *location)
{
	const char *p = location;

	if (!*p || *p == '/' || strlen(p) > 4096)
		return false;
	while (p) {
		if (!strncmp(p, "..", 2) && (!p[2] || p[2] == '/'))
			return false;
		p = strchr(p, '/');
		if (p)
			p++;
	}
	return true;
}

/* A decimal number, `missing` if there is none. */
static bool entry_number(const Onnx__TensorProto *t, const char *key,
			 uint64_t missing, uint64_t *value)
{
	const char *text = entry(t, key);
	char *end;

	*value = missing;
	if (!text)
		return true;
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end;
}

static char *beside(const char *path, const char *location)
{
	const char *slash = strrchr(path, '/');
	size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
	char *joined = malloc(folder + strlen(location) + 1);

	if (joined) {
		memcpy(joined, path, folder);
		strcpy(joined + folder, location);
	}
	return joined;
}

static int open_external(struct vgg_onnx *x, char *path,
			 const struct vgg_file **file)
{
	struct onnx_file *f;
	unsigned int i;
	int err;

	for (i = 0; i < x->n_files; i++)
		if (!strcmp(x->files[i].path, path)) {
			*file = &x->files[i].file;
			free(path);
			return 0;
		}
	if (x->n_files == ONNX_FILES_MAX) {
		free(path);
		return vgg_fail(MODEL_UNSUPPORTED, x->path,
				"export the network with one file of weights",
				"its weights are in more than %d files",
				ONNX_FILES_MAX);
	}
	f = &x->files[x->n_files];
	err = vgg_file_open(&f->file, path);
	if (err) {
		free(path);
		return err;
	}
	f->path = path;
	x->n_files++;
	*file = &f->file;
	return 0;
}

void vgg_onnx_files_close(struct vgg_onnx *x)
{
	while (x->n_files) {
		struct onnx_file *f = &x->files[--x->n_files];

		vgg_file_close(&f->file);
		free(f->path);
	}
}

/* Where in the file: checked against its size. */
static int from_external_file(struct vgg_onnx *x, const char *name,
			      const Onnx__TensorProto *t,
			      const struct vgg_file *file, struct onnx_const *c)
{
	uint64_t offset, length, need = c->count * vgg_dtype_bytes(c->dtype);
	int err;

	if (!entry_number(t, "offset", 0, &offset) ||
	    !entry_number(t, "length", need, &length))
		return onnx_fail(x, MODEL_FORMAT, ASK_CHECKER,
				 "'%s': offset or length of its external data "
				 "is no number",
				 name);
	if (length != need)
		return fail_size(x, name, length, c, "bytes");
	if (offset > file->size || need > file->size - offset)
		return onnx_fail(
			x, MODEL_FORMAT, "fetch the file of weights again",
			"'%s' is at bytes %llu to %llu of a file of "
			"%zu bytes",
			name, (unsigned long long)offset,
			(unsigned long long)(offset + need), file->size);
	if (need &&
	    ((uintptr_t)file->data + offset) % vgg_dtype_bytes(c->dtype) == 0) {
		c->data = file->data + offset;
		return 0;
	}
	err = own(c);
	if (!err && need)
		memcpy(c->owned, file->data + offset, need);
	return err;
}

static int from_external(struct vgg_onnx *x, const char *name,
			 const Onnx__TensorProto *t, struct onnx_const *c)
{
	const char *location = entry(t, "location");
	const struct vgg_file *file = NULL;
	char shown[ONNX_NAME], *path;
	int err;

	if (!location || !location_ok(location))
		return onnx_refuse(x, "keep the weights in the model's folder",
				   "'%s' is in the file '%s', which is not "
				   "below the model's folder",
				   name, vgg_onnx_clean(shown, location));
	path = beside(x->path, location);
	if (!path)
		return vgg_fail_memory("a path");
	err = open_external(x, path, &file);
	return err ? err : from_external_file(x, name, t, file, c);
}

static int set_shape(const struct vgg_onnx *x, const char *name,
		     const Onnx__TensorProto *t, struct onnx_const *c)
{
	int err;

	*c = (struct onnx_const){ 0 };
	if (t->data_type < 0 || t->data_type >= N_DTYPES ||
	    dtypes[t->data_type].dtype < 0)
		return onnx_refuse(x, "export it as FLOAT, INT8 or UINT8",
				   "'%s' is of type %s, which is not supported",
				   name, vgg_onnx_dtype_name(t->data_type));
	err = vgg_onnx_count(x, name, t->dims, t->n_dims, &c->count);
	if (err)
		return err;
	if (t->segment)
		return onnx_refuse(x, NULL, "'%s' is stored in segments", name);
	c->dtype = (enum vgg_dtype)dtypes[t->data_type].dtype;
	c->rank = (int)t->n_dims;
	if (t->n_dims)
		memcpy(c->dim, t->dims, t->n_dims * sizeof(*c->dim));
	return 0;
}

int vgg_onnx_tensor(struct vgg_onnx *x, Onnx__TensorProto *t, bool take,
		    struct onnx_const *c)
{
	char name[ONNX_NAME];
	int err;

	vgg_onnx_clean(name, t->name && *t->name ? t->name : "value");
	err = set_shape(x, name, t, c);
	if (err)
		return err;
	if (t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL ||
	    t->n_external_data)
		err = from_external(x, name, t, c);
	else if (t->has_raw_data)
		err = from_raw(x, name, t, take, c);
	else
		err = from_list(x, name, t, take, c);
	if (err)
		vgg_onnx_const_free(c);
	return err;
}
