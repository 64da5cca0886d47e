// SPDX-License-Identifier: MIT
/*
 * STL-10, the binary version: images of 96x96 pixels in one file, all of red, all
 * of green, all of blue, each column by column; their classes, from 1 on, in
 * another one; names of the classes are in class_names.txt.
 * https://cs.stanford.edu/~acoates/stl10/
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "image/image.h"
#include "util/error.h"
#include "util/file.h"

#define SIDE 96
#define PIXELS ((size_t)SIDE * SIDE)
#define RECORD (3 * PIXELS)
#define CLASSES 10

struct stl10 {
	struct vgg_dataset base;
	struct vgg_file images, classes;
};

static int stl10_read(const struct vgg_dataset *d, size_t i,
		      struct vgg_image **image)
{
	const struct stl10 *s = (const struct stl10 *)d;
	const uint8_t *from = s->images.data + i * RECORD;
	size_t x, y, c;
	int err = vgg_image_new(d->name, SIDE, SIDE, image);

	if (err)
		return err;
	for (c = 0; c < 3; c++)
		for (x = 0; x < SIDE; x++)
			for (y = 0; y < SIDE; y++)
				(*image)->rgb[3 * (y * SIDE + x) + c] = *from++;
	return 0;
}

static unsigned int stl10_class(const struct vgg_dataset *d, size_t i)
{
	return ((const struct stl10 *)d)->classes.data[i] - 1u;
}

static void stl10_free(struct vgg_dataset *d)
{
	struct stl10 *s = (struct stl10 *)d;

	vgg_file_close(&s->images);
	vgg_file_close(&s->classes);
	free(s);
}

static const struct vgg_dataset_ops stl10_ops = { stl10_read, stl10_class,
						  stl10_free };

static int check(const struct stl10 *s, const char *path)
{
	size_t i, n = s->classes.size;

	if (s->images.size % RECORD || s->images.size / RECORD != n)
		return vgg_fail(DATASET_FORMAT, path,
				"download STL-10's binary version again",
				"%zu bytes of images, of %zu each, and %zu "
				"classes don't go together",
				s->images.size, RECORD, n);
	for (i = 0; i < n; i++)
		if (s->classes.data[i] < 1 || s->classes.data[i] > CLASSES)
			return vgg_fail(DATASET_FORMAT, path,
					"download STL-10's binary version "
					"again",
					"image %zu is of class %u, not one of "
					"1 to %d",
					i, s->classes.data[i], CLASSES);
	return 0;
}

static int open_part(struct stl10 *s, const char *folder, const char *part)
{
	char path[4096];
	int err;

	snprintf(path, sizeof(path), "%s/%s_y.bin", folder, part);
	err = vgg_file_open(&s->classes, path);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/%s_X.bin", folder, part);
	err = vgg_file_open(&s->images, path);
	if (err)
		return err;
	s->base.count = s->classes.size;
	return check(s, path);
}

/* As the authors call them. */
static const char *const names[CLASSES] = { "airplane", "bird",	  "car",
					    "cat",	"deer",	  "dog",
					    "horse",	"monkey", "ship",
					    "truck" };

int vgg_stl10_open(const char *path, enum vgg_dataset_part part,
		   struct vgg_dataset **d)
{
	struct stl10 *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return vgg_fail_memory("a data set");
	s->base.ops = &stl10_ops;
	*d = &s->base;
	err = open_part(s, path, part == VGG_DATASET_TRAIN ? "train" : "test");
	return err ? err :
		     vgg_dataset_read_classes(&s->base, path, "class_names.txt",
					      names, CLASSES);
}
