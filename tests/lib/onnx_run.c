// SPDX-License-Identifier: MIT
/* See onnx_run.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "onnx_build.h"
#include "onnx_run.h"
#include "run/f32.h"
#include "util/error.h"

int onnx_import(const char *path, struct vgg_model **model)
{
	struct vgg_model *m = vgg_model_new();
	struct vgg_file file;
	int err;

	*model = NULL;
	err = vgg_file_open(&file, path);
	if (!err)
		err = vgg_import_onnx(path, &file, m);
	vgg_file_close(&file);
	if (err)
		vgg_model_free(m);
	else
		*model = m;
	return err;
}

static int run(const struct vgg_model *m, struct vgg_threads *threads,
	       const float *input, float *output)
{
	size_t n = (size_t)vgg_shape_count(&m->input);
	float *nhwc = malloc(n * sizeof(*nhwc));
	struct vgg_f32 *f32 = NULL;
	const float *result;
	int err = nhwc ? vgg_f32_create(m, threads, &f32) : -ENOMEM;

	if (!err) {
		vgg_to_nhwc(&m->input, input, nhwc);
		result = vgg_f32_run(f32, nhwc, NULL, NULL);
		memcpy(output, result,
		       (size_t)vgg_shape_count(vgg_model_output(m)) *
			       sizeof(*output));
	}
	vgg_f32_free(f32);
	free(nhwc);
	return err;
}

int onnx_run(const struct vgg_model *m, const float *input, float **output)
{
	struct vgg_threads *threads;
	int err = vgg_threads_create(0, &threads);

	if (err)
		return err;
	*output = malloc((size_t)vgg_shape_count(vgg_model_output(m)) *
			 sizeof(**output));
	err = *output ? run(m, threads, input, *output) : -ENOMEM;
	vgg_threads_free(threads);
	if (err)
		free(*output);
	return err;
}

bool onnx_is_float(int type)
{
	return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ||
	       type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ||
	       type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
}

static bool number(int type, const uint8_t *p, double *to)
{
	uint16_t half;
	int64_t i64;
	int32_t i32;
	float f;

	switch (type) {
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
		memcpy(&f, p, sizeof(f));
		*to = (double)f;
		return true;
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
		memcpy(&half, p, sizeof(half));
		*to = (double)vgg_half_to_float(half);
		return true;
	case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
		memcpy(to, p, sizeof(*to));
		return true;
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
		memcpy(&i64, p, sizeof(i64));
		*to = (double)i64;
		return true;
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
		memcpy(&i32, p, sizeof(i32));
		*to = i32;
		return true;
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
		*to = (int8_t)*p;
		return true;
	case ONNX__TENSOR_PROTO__DATA_TYPE__UINT8:
		*to = *p;
		return true;
	default:
		return false;
	}
}

/* The test data stores most tensors as bytes, and some floats as a list. */
static const uint8_t *bytes_of(const Onnx__TensorProto *t, size_t *size)
{
	if (t->has_raw_data) {
		*size = t->raw_data.len;
		return t->raw_data.data;
	}
	*size = t->n_float_data * sizeof(float);
	return (const uint8_t *)t->float_data;
}

double *onnx_numbers(const Onnx__TensorProto *t, size_t *count)
{
	size_t size = onnx_build_size(t->data_type), bytes, n = 1, i;
	const uint8_t *p = bytes_of(t, &bytes);
	double *to;

	for (i = 0; i < t->n_dims; i++)
		n *= (size_t)t->dims[i];
	if (!size || !n || bytes != n * size)
		return NULL;
	to = malloc(n * sizeof(*to));
	for (i = 0; to && i < n; i++)
		if (!number(t->data_type, p + i * size, &to[i])) {
			free(to);
			return NULL;
		}
	*count = n;
	return to;
}

Onnx__TensorProto *onnx_load_tensor(const char *path)
{
	Onnx__TensorProto *t = NULL;
	struct vgg_file file;

	if (vgg_file_open(&file, path))
		return NULL;
	t = onnx__tensor_proto__unpack(NULL, file.size, file.data);
	vgg_file_close(&file);
	return t;
}

double onnx_distance(const float *a, const double *b, size_t n, double rtol,
		     double atol)
{
	double worst = 0, x, y, d;
	size_t i;

	for (i = 0; i < n; i++) {
		x = (double)a[i];
		y = b[i];
		if (x == y || (isnan(x) && isnan(y)))
			continue;
		d = fabs(x - y) / (atol + rtol * fabs(y));
		if (!(d <= worst)) /* NaN too */
			worst = isnan(d) ? INFINITY : d;
	}
	return worst;
}
