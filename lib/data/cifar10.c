// SPDX-License-Identifier: MIT
/*
 * CIFAR-10, the binary version: files of records, each a byte with the class and
 * the 32x32 pixels, all of red, all of green, all of blue. The training part is
 * in up to five files; names of the classes are in batches.meta.txt.
 * https://www.cs.toronto.edu/~kriz/cifar.html
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "image/image.h"
#include "util/error.h"
#include "util/file.h"

#define SIDE 32
#define PIXELS ((size_t)SIDE * SIDE)
#define RECORD (1 + 3 * PIXELS)
#define FILES 5
#define CLASSES 10

struct cifar10 {
	struct vgg_dataset base;
	struct vgg_file file[FILES];
	unsigned int files;
};

static const uint8_t *record_at(const struct cifar10 *c, size_t i)
{
	unsigned int f = 0;

	while (i >= c->file[f].size / RECORD)
		i -= c->file[f++].size / RECORD;
	return c->file[f].data + i * RECORD;
}

static int cifar10_read(const struct vgg_dataset *d, size_t i,
			struct vgg_image **image)
{
	const uint8_t *r = record_at((const struct cifar10 *)d, i), *plane;
	size_t p, c;
	int err = vgg_image_new(d->name, SIDE, SIDE, image);

	if (err)
		return err;
	for (c = 0; c < 3; c++) {
		plane = r + 1 + c * PIXELS;
		for (p = 0; p < PIXELS; p++)
			(*image)->rgb[3 * p + c] = plane[p];
	}
	return 0;
}

static unsigned int cifar10_class(const struct vgg_dataset *d, size_t i)
{
	return record_at((const struct cifar10 *)d, i)[0];
}

static void cifar10_free(struct vgg_dataset *d)
{
	struct cifar10 *c = (struct cifar10 *)d;
	unsigned int i;

	for (i = 0; i < c->files; i++)
		vgg_file_close(&c->file[i]);
	free(c);
}

static const struct vgg_dataset_ops cifar10_ops = { cifar10_read, cifar10_class,
						    cifar10_free };

static int check_records(const char *path, const struct vgg_file *f)
{
	size_t i;

	if (f->size % RECORD)
		return vgg_fail(DATASET_FORMAT, path,
				"download CIFAR-10's binary version again",
				"%zu bytes are not whole records of %zu",
				f->size, RECORD);
	for (i = 0; i < f->size; i += RECORD)
		if (f->data[i] >= CLASSES)
			return vgg_fail(DATASET_FORMAT, path,
					"download CIFAR-10's binary version "
					"again",
					"record %zu is of class %u of %d",
					i / RECORD, f->data[i], CLASSES);
	return 0;
}

static int add_file(struct cifar10 *c, const char *folder, const char *name)
{
	struct vgg_file *f = &c->file[c->files];
	char path[4096];
	int err;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	err = vgg_file_open(f, path);
	if (err)
		return err;
	c->files++;
	c->base.count += f->size / RECORD;
	return check_records(path, f);
}

/* All of them, or the first ones of a smaller set. */
static int add_training(struct cifar10 *c, const char *folder)
{
	char name[32];
	int err = 0;

	while (!err && c->files < FILES) {
		snprintf(name, sizeof(name), "data_batch_%u.bin", c->files + 1);
		err = add_file(c, folder, name);
	}
	return c->files && vgg_error_last()->code == VGG_ERROR_NO_FILE ? 0 :
									 err;
}

/* As the authors call them. */
static const char *const names[CLASSES] = { "airplane", "automobile", "bird",
					    "cat",	"deer",	      "dog",
					    "frog",	"horse",      "ship",
					    "truck" };

int vgg_cifar10_open(const char *path, enum vgg_dataset_part part,
		     struct vgg_dataset **d)
{
	struct cifar10 *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return vgg_fail_memory("a data set");
	c->base.ops = &cifar10_ops;
	*d = &c->base;
	err = part == VGG_DATASET_TRAIN ? add_training(c, path) :
					  add_file(c, path, "test_batch.bin");
	return err ? err :
		     vgg_dataset_read_classes(&c->base, path,
					      "batches.meta.txt", names,
					      CLASSES);
}
