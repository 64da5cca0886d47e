// SPDX-License-Identifier: MIT
/* See dataset.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "util/error.h"

/* What follows "name:", or NULL. */
static const char *behind(const char *spec, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(spec, name, n) && spec[n] == ':' ? spec + n + 1 : NULL;
}

int vgg_dataset_open(const char *spec, enum vgg_dataset_part part,
		     struct vgg_dataset **dataset)
{
	const char *cifar10 = behind(spec, "cifar10");
	const char *stl10 = behind(spec, "stl10");
	struct vgg_dataset *d = NULL;
	int err = vgg_check_choice(part, VGG_DATASET_TRAIN, "part");

	if (err)
		return err;
	if (!*spec || (cifar10 && !*cifar10) || (stl10 && !*stl10))
		return vgg_fail(BAD_ARGUMENT, spec,
				"name the folder: cifar10:FOLDER, "
				"stl10:FOLDER or FOLDER",
				"the data set's folder is missing");
	err = cifar10 ? vgg_cifar10_open(cifar10, part, &d) :
	      stl10   ? vgg_stl10_open(stl10, part, &d) :
			vgg_folder_open(spec, &d);
	if (!err) {
		d->name = strdup(spec);
		err = d->name ? 0 : vgg_fail_memory("a data set");
	}
	if (!err && !d->count)
		err = vgg_fail(DATASET_FORMAT, spec,
			       "name a folder with JPEG or PNG images, "
			       "cifar10:FOLDER or stl10:FOLDER",
			       "there are no images");
	if (err)
		vgg_dataset_free(d);
	else
		*dataset = d;
	return err;
}

void vgg_dataset_drop_classes(struct vgg_dataset *d)
{
	while (d->class_count)
		free(d->classes[--d->class_count]);
	free(d->classes);
	d->classes = NULL;
}

void vgg_dataset_free(struct vgg_dataset *d)
{
	if (!d)
		return;
	vgg_dataset_drop_classes(d);
	free(d->name);
	d->ops->free(d);
}

int vgg_dataset_add_class(struct vgg_dataset *d, const char *name)
{
	char **more =
		realloc(d->classes, (d->class_count + 1) * sizeof(*d->classes));

	if (!more)
		return vgg_fail_memory("a data set");
	d->classes = more;
	more[d->class_count] = strdup(name);
	if (!more[d->class_count])
		return vgg_fail_memory("a data set");
	d->class_count++;
	return 0;
}

int vgg_dataset_read_classes(struct vgg_dataset *d, const char *folder,
			     const char *file, const char *const *names,
			     unsigned int n)
{
	char path[4096], line[64];
	FILE *f;
	int err = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	f = fopen(path, "re");
	while (f && !err && d->class_count < n &&
	       fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = 0;
		if (*line)
			err = vgg_dataset_add_class(d, line);
	}
	if (f)
		fclose(f);
	while (!err && d->class_count < n)
		err = vgg_dataset_add_class(d, names[d->class_count]);
	return err;
}

size_t vgg_dataset_count(const struct vgg_dataset *d)
{
	return d->count;
}

unsigned int vgg_dataset_classes(const struct vgg_dataset *d)
{
	return d->class_count;
}

const char *vgg_dataset_class(const struct vgg_dataset *d, unsigned int class_)
{
	return class_ < d->class_count ? d->classes[class_] : NULL;
}

static int check(const struct vgg_dataset *d, size_t i)
{
	if (i < d->count)
		return 0;
	return vgg_fail(BAD_ARGUMENT, d->name, NULL,
			"there are %zu images, no number %zu", d->count, i);
}

int vgg_dataset_read(const struct vgg_dataset *d, size_t i,
		     struct vgg_image **image, unsigned int *class_)
{
	int err = check(d, i);

	if (err)
		return err;
	if (class_)
		*class_ = d->ops->class_of(d, i);
	return d->ops->read(d, i, image);
}

int vgg_dataset_class_of(const struct vgg_dataset *d, size_t i,
			 unsigned int *class_)
{
	int err = check(d, i);

	if (!err)
		*class_ = d->ops->class_of(d, i);
	return err;
}
