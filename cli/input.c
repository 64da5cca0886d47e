// SPDX-License-Identifier: MIT
/* Input tensors: from .npy files, from images, and a fixed one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "text.h"

static void shape_text(const struct vgg_array *a, char *text, size_t size)
{
	int i, n = 0;

	text[0] = 0;
	for (i = 0; i < a->rank && n < (int)size; i++)
		n += snprintf(text + n, size - (size_t)n, "%s%lld",
			      i ? "x" : "", (long long)a->shape[i]);
}

/* The library counts elements only; an array in NHWC order has as many. */
static bool fits(const struct vgg_array *a, const struct vgg_model_info *m,
		 bool several)
{
	int skip = a->rank == 4 &&
		   (a->shape[0] == 1 || (several && a->shape[0] > 0));

	return !m->input_channels ||
	       (a->rank == 3 + skip && a->shape[skip] == m->input_channels &&
		a->shape[skip + 1] == m->input_height &&
		a->shape[skip + 2] == m->input_width);
}

static int check_shape(const char *path, const struct vgg_array *a,
		       const struct vgg_model_info *m, bool several)
{
	char shape[200];

	if (fits(a, m, several))
		return 0;
	shape_text(a, shape, sizeof(shape));
	return cli_fail(VGG_ERROR_MODEL_SHAPE, path,
			"give a float32 array in the order channels, rows, "
			"columns (NCHW)",
			"has the shape %s, the network takes 1x%dx%dx%d",
			*shape ? shape : "()", m->input_channels,
			m->input_height, m->input_width);
}

int input_from_array(const struct cli *cli, const char *path, float **data,
		     size_t *count, unsigned int *images)
{
	const struct vgg_model_info *m = &cli->model_info;
	size_t elements = 1;
	struct vgg_array a;
	int err = vgg_array_load(path, &a), i;

	if (err)
		return err;
	err = check_shape(path, &a, m, images);
	if (err) {
		vgg_array_free(&a);
		return err;
	}
	for (i = 0; i < a.rank; i++)
		elements *= (size_t)a.shape[i];
	*count = elements;
	if (images) {
		*images = a.rank == 4 && m->input_channels ?
				  (unsigned int)a.shape[0] :
				  1;
		*count /= *images;
	}
	/* Its own memory, so that callers need not know of arrays. */
	*data = cli_alloc(NULL, elements * sizeof(**data));
	memcpy(*data, a.data, elements * sizeof(**data));
	vgg_array_free(&a);
	return 0;
}

static int preprocess(const struct cli *cli, const struct vgg_image *image,
		      float **data, size_t *count)
{
	int err;

	*count = cli->model_info.input_count;
	*data = cli_alloc(NULL, *count * sizeof(**data));
	err = vgg_session_preprocess(cli_session(cli), image, *data, *count);
	if (err)
		free(*data);
	return err;
}

int input_from_image(const struct cli *cli, const char *path, float **data,
		     size_t *count)
{
	struct vgg_image *image;
	int err = vgg_image_load(path, &image);

	if (err)
		return err;
	err = preprocess(cli, image, data, count);
	vgg_image_free(image);
	return err;
}

/*
 * Something between a photograph and noise, in integers only, so that it is
 * the same everywhere: two gradients, a disc, and a little noise.
 */
#define SIDE 256
static void draw(uint8_t rgb[SIDE][SIDE][3])
{
	uint32_t noise = 1;
	int x, y;

	for (y = 0; y < SIDE; y++) {
		for (x = 0; x < SIDE; x++) {
			int dx = x - 150, dy = y - 110;
			bool disc = dx * dx + dy * dy < 70 * 70;

			noise = noise * 1664525 + 1013904223;
			rgb[y][x][0] = (uint8_t)(disc ? 220 : x * 3 / 4);
			rgb[y][x][1] = (uint8_t)(disc ? 60 + y / 2 : y / 2);
			rgb[y][x][2] = (uint8_t)(40 + (noise >> 26));
		}
	}
}

int input_fixed_image(struct vgg_image **image)
{
	static uint8_t rgb[SIDE][SIDE][3];

	draw(rgb);
	return vgg_image_from_rgb(&rgb[0][0][0], SIDE, SIDE, SIDE * 3, image);
}

static int fixed_image(const struct cli *cli, float **data, size_t *count)
{
	struct vgg_image *image;
	int err = input_fixed_image(&image);

	if (err)
		return err;
	err = preprocess(cli, image, data, count);
	vgg_image_free(image);
	return err;
}

int input_fixed(const struct cli *cli, float **data, size_t *count)
{
	uint32_t noise = 1;
	size_t i;

	if (cli->model_info.crop)
		return fixed_image(cli, data, count);
	*count = cli->model_info.input_count;
	if (!*count)
		return cli_fail(VGG_ERROR_MODEL_UNSUPPORTED,
				cli->model_info.name,
				"give one with --input X.npy",
				"there is no made-up input for a network "
				"that doesn't take images");
	*data = cli_alloc(NULL, *count * sizeof(**data));
	for (i = 0; i < *count; i++) {
		noise = noise * 1664525 + 1013904223;
		(*data)[i] = (float)(noise >> 16) / 16384 - 2;
	}
	return 0;
}
