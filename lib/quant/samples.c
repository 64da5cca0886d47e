// SPDX-License-Identifier: MIT
/* See samples.h. */
#include <stdlib.h>

#include "image/image.h"
#include "quant/samples.h"
#include "util/error.h"

#define IMAGES_DEFAULT 64
#define SYNTHETIC_IMAGES 8
/* Each image is read a dozen times; decoding a photograph takes longer than a
 * small network. Some 400 inputs of 224x224. */
#define KEEP_BYTES ((size_t)64 << 20)

size_t vgg_samples_place(size_t n, unsigned int count, unsigned int i)
{
	return n <= count ? i : (size_t)((uint64_t)i * n / count);
}

static int open_set(struct vgg_samples *s, const char *spec, unsigned int max)
{
	size_t n;
	int err = vgg_dataset_open(spec, VGG_DATASET_TRAIN, &s->set);

	if (err)
		return err;
	n = vgg_dataset_count(s->set);
	s->count = n < max ? (unsigned int)n : max;
	return 0;
}

int vgg_samples_open(struct vgg_samples *s, const struct vgg_model *m,
		     const char *spec, unsigned int max)
{
	int err;

	*s = (struct vgg_samples){ .model = m,
				   .elements =
					   (size_t)vgg_shape_count(&m->input) };
	if (!vgg_takes_images(m))
		return vgg_fail(CALIBRATION, m->source,
				"import the network with a batch of one image",
				"the network's input is not one image of the "
				"preprocessing's size");
	s->count = SYNTHETIC_IMAGES;
	err = spec ? open_set(s, spec, max ? max : IMAGES_DEFAULT) : 0;
	if (err)
		return err;
	vgg_preprocess_table(&m->preprocess, s->table);
	s->scratch = malloc(s->elements);
	s->pixels = calloc(s->count, sizeof(*s->pixels));
	return s->scratch && s->pixels ? 0 : vgg_fail_memory("calibration");
}

void vgg_samples_close(struct vgg_samples *s)
{
	unsigned int i;

	for (i = 0; s->pixels && i < s->count; i++)
		free(s->pixels[i]);
	free(s->pixels);
	free(s->scratch);
	vgg_dataset_free(s->set);
	*s = (struct vgg_samples){ 0 };
}

static int load(struct vgg_samples *s, unsigned int i, uint8_t *hwc)
{
	struct vgg_image *image;
	int err;

	if (!s->set) {
		vgg_synthetic_draw(&s->model->preprocess, i, hwc);
		return 0;
	}
	err = vgg_dataset_read(
		s->set,
		vgg_samples_place(vgg_dataset_count(s->set), s->count, i),
		&image, NULL);
	if (err)
		return err;
	err = vgg_preprocess_image(&s->model->preprocess, image, hwc);
	vgg_image_free(image);
	return err;
}

int vgg_samples_bytes(struct vgg_samples *s, unsigned int i,
		      const uint8_t **hwc)
{
	uint8_t *to = s->scratch;

	if (s->pixels[i]) {
		*hwc = s->pixels[i];
		return 0;
	}
	/* Images have one size, so those that fit come first. */
	if ((i + 1) * s->elements <= KEEP_BYTES)
		to = s->pixels[i] = malloc(s->elements);
	if (!to)
		return vgg_fail_memory("calibration images");
	*hwc = to;
	return load(s, i, to);
}

int vgg_samples_read(struct vgg_samples *s, unsigned int i, float *nhwc)
{
	const uint8_t *hwc;
	int err = vgg_samples_bytes(s, i, &hwc);

	if (!err)
		vgg_preprocess_values(&s->model->preprocess, s->table, hwc,
				      s->elements, nhwc);
	return err;
}

int vgg_samples_tell(const struct vgg_samples *s, const char *what,
		     unsigned int done)
{
	if (!s->progress || !s->progress(s->progress_ctx, what, done, s->count))
		return 0;
	return vgg_fail(INTERRUPTED, NULL, NULL, "quantisation was stopped");
}
