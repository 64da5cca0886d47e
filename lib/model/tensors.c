// SPDX-License-Identifier: MIT
/* See tensors.h. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/tensors.h"
#include "util/error.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "tensors are used as they lie in the file");

static const struct vgg_type types[] = {
	{ "F32", 4, true, VGG_F32 },	   { "F16", 2, true, VGG_F16 },
	{ "BF16", 2, true, VGG_BF16 },	   { "F64", 8, true, VGG_F64 },
	{ "I8", 1, true, VGG_I8 },	   { "U8", 1, true, VGG_U8 },
	{ "I32", 4, true, VGG_I32 },	   { "I64", 8, true, VGG_I64 },
	{ .name = "I16", .bytes = 2 },	   { .name = "U16", .bytes = 2 },
	{ .name = "U32", .bytes = 4 },	   { .name = "U64", .bytes = 8 },
	{ .name = "BOOL", .bytes = 1 },	   { .name = "F8_E4M3", .bytes = 1 },
	{ .name = "F8_E5M2", .bytes = 1 }, { .name = "C64", .bytes = 8 },
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

const struct vgg_type *vgg_type_find(const char *name)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (!strcmp(types[i].name, name))
			return &types[i];
	return NULL;
}

const struct vgg_type *vgg_type_of(enum vgg_dtype dtype)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (types[i].known && types[i].dtype == dtype)
			return &types[i];
	return NULL;
}

struct vgg_tensor *vgg_tensors_add(struct vgg_tensors *set)
{
	size_t room = set->room ? 2 * set->room : 64;
	struct vgg_tensor *more;

	if (set->count == set->room) {
		more = reallocarray(set->list, room, sizeof(*more));
		if (!more) {
			vgg_fail_memory("the list of tensors");
			return NULL;
		}
		set->list = more;
		set->room = room;
	}
	memset(&set->list[set->count], 0, sizeof(*set->list));
	return &set->list[set->count++];
}

static int by_name(const void *a, const void *b)
{
	const struct vgg_tensor *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

int vgg_tensors_index(struct vgg_tensors *set)
{
	set->by_name = calloc(set->count + 1, sizeof(*set->by_name));
	if (!set->by_name)
		return vgg_fail_memory("the list of tensors");
	for (size_t i = 0; i < set->count; i++)
		set->by_name[i] = &set->list[i];
	qsort(set->by_name, set->count, sizeof(*set->by_name), by_name);
	for (size_t i = 1; i < set->count; i++)
		if (!by_name(&set->by_name[i - 1], &set->by_name[i]))
			return vgg_fail(MODEL_FORMAT, set->path,
					"check how the file was made",
					"tensor \"%s\" is there twice",
					set->by_name[i]->name);
	return 0;
}

void vgg_tensors_clear(struct vgg_tensors *set)
{
	free(set->by_name);
	free(set->list);
	*set = (struct vgg_tensors){ 0 };
}

const struct vgg_tensor *vgg_tensors_find(const struct vgg_tensors *set,
					  const char *name)
{
	const struct vgg_tensor key = { .name = name }, *p = &key, **found;

	if (!set->count)
		return NULL;
	found = bsearch(&p, set->by_name, set->count, sizeof(*set->by_name),
			by_name);
	return found ? *found : NULL;
}

void vgg_tensor_set_type(struct vgg_tensor *t, const struct vgg_type *type)
{
	t->type = type->name;
	t->known = type->known;
	t->dtype = type->dtype;
}

bool vgg_tensor_measure(struct vgg_tensor *t, size_t each)
{
	t->count = 1;
	/* A size of 0 must not hide an overflow by the others. */
	for (int i = 0; i < t->rank; i++)
		if (t->shape[i] &&
		    __builtin_mul_overflow(t->count, t->shape[i], &t->count))
			return false;
	if (__builtin_mul_overflow(t->count, each, &t->bytes))
		return false;
	for (int i = 0; i < t->rank; i++)
		if (!t->shape[i])
			t->count = t->bytes = 0;
	return true;
}

const char *vgg_tensor_shape_text(const struct vgg_tensor *t, char *text,
				  size_t size)
{
	size_t used = (size_t)snprintf(text, size, "[");

	for (int i = 0; i < t->rank && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%" PRId64,
					 i ? ", " : "", t->shape[i]);
	if (used < size)
		snprintf(text + used, size - used, "]");
	return text;
}

bool vgg_tensor_is_float(const struct vgg_tensor *t)
{
	return t->known && (t->dtype == VGG_F32 || t->dtype == VGG_F16 ||
			    t->dtype == VGG_BF16 || t->dtype == VGG_F64);
}

static float from_f16(uint16_t half)
{
	/* The exponent's bias moves from 15 to 127 by an exact product, which
	 * is right for subnormal numbers, too. */
	uint32_t bits = (half & 0x7fffu) << 13;
	float x;

	if (bits >= 0x7c00u << 13)
		return NAN; /* refused by the caller, as infinity is */
	memcpy(&x, &bits, sizeof(x));
	x *= 0x1p112f;
	return half & 0x8000 ? -x : x;
}

static float from_bf16(uint16_t upper)
{
	uint32_t bits = (uint32_t)upper << 16;
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* n elements that lie one behind the other, or each `step` bytes behind the
 * last; the data may be unaligned. */
static void to_f32(enum vgg_dtype dtype, const uint8_t *data, size_t step,
		   size_t n, float *out)
{
	uint16_t half;
	double wide;

	if (dtype == VGG_F32 && step == sizeof(*out)) {
		memcpy(out, data, n * sizeof(*out));
		return;
	}
	for (size_t i = 0; i < n; i++, data += step) {
		if (dtype == VGG_F32) {
			memcpy(&out[i], data, sizeof(*out));
		} else if (dtype == VGG_F64) {
			memcpy(&wide, data, sizeof(wide));
			out[i] = fabs(wide) <= FLT_MAX ? (float)wide : NAN;
		} else {
			memcpy(&half, data, sizeof(half));
			out[i] = dtype == VGG_F16 ? from_f16(half) :
						    from_bf16(half);
		}
	}
}

/* Row by row along the last dimension. */
static void read_view(const struct vgg_tensor *t, size_t first, size_t n,
		      float *out)
{
	size_t each = vgg_dtype_bytes(t->dtype), rest, at, run;
	int last = t->rank - 1;

	for (; n; n -= run, first += run, out += run) {
		size_t row = (size_t)t->shape[last];

		run = row - first % row < n ? row - first % row : n;
		rest = first;
		at = 0;
		for (int i = last; i >= 0; i--) {
			at += rest % (size_t)t->shape[i] * (size_t)t->stride[i];
			rest /= (size_t)t->shape[i];
		}
		to_f32(t->dtype, t->data + at * each,
		       (size_t)t->stride[last] * each, run, out);
	}
}

int vgg_tensor_read(const struct vgg_tensors *set, const struct vgg_tensor *t,
		    size_t first, size_t n, float *out)
{
	size_t each = vgg_dtype_bytes(t->dtype);

	if (t->strided && t->rank)
		read_view(t, first, n, out);
	else
		to_f32(t->dtype, t->data + first * each, each, n, out);
	/* One that is infinite or no number would spoil every result. */
	for (size_t i = 0; i < n; i++)
		if (!isfinite(out[i]))
			return vgg_fail(MODEL_FORMAT, set->path,
					"train or export the network again",
					"element %zu of tensor \"%s\" is not a "
					"finite float",
					first + i, t->name);
	return 0;
}
