// SPDX-License-Identifier: MIT
/* Images in a folder: in one subfolder for each class, or without classes. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "data/dataset.h"
#include "util/error.h"

struct file {
	char *path;
	unsigned int class_;
};

struct folder {
	struct vgg_dataset base;
	struct file *files;
	bool found;
	char parts[200]; /* subfolders with classes, "train or val" */
};

static int folder_read(const struct vgg_dataset *d, size_t i,
		       struct vgg_image **image)
{
	return vgg_image_load(((const struct folder *)d)->files[i].path, image);
}

static unsigned int folder_class(const struct vgg_dataset *d, size_t i)
{
	return ((const struct folder *)d)->files[i].class_;
}

static void folder_free(struct vgg_dataset *d)
{
	struct folder *f = (struct folder *)d;
	size_t i;

	for (i = 0; i < d->count; i++)
		free(f->files[i].path);
	free(f->files);
	free(f);
}

static const struct vgg_dataset_ops folder_ops = { folder_read, folder_class,
						   folder_free };

static int is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static bool is_image(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg") ||
		       !strcasecmp(dot, ".png"));
}

static bool is_folder(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	/* Not by the locale: classes have the same numbers everywhere. */
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_file(struct folder *f, const char *path, unsigned int class_)
{
	size_t n = f->base.count;
	struct file *more = f->files;

	/* Room doubles. */
	if (!(n & (n - 1)))
		more = realloc(f->files, (n ? 2 * n : 1) * sizeof(*more));
	if (!more)
		return vgg_fail_memory("a list of files");
	f->files = more;
	more[n].class_ = class_;
	more[n].path = strdup(path);
	if (!more[n].path)
		return vgg_fail_memory("a list of files");
	f->base.count++;
	return 0;
}

/* Calls each(f, path, name) for all that is in there, sorted. */
static int walk(struct folder *f, const char *path,
		int (*each)(struct folder *, const char *path,
			    const char *name))
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_visible, by_name), i, err = 0;
	char full[4096];

	if (n < 0)
		return vgg_fail(NO_FILE, path,
				"name a folder with JPEG or PNG images, "
				"cifar10:FOLDER or stl10:FOLDER",
				"%s", strerror(errno));
	for (i = 0; i < n; i++) {
		snprintf(full, sizeof(full), "%s/%s", path, entries[i]->d_name);
		if (!err)
			err = each(f, full, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return err;
}

static int add_of_class(struct folder *f, const char *path, const char *name)
{
	return is_image(name) ? add_file(f, path, f->base.class_count - 1) : 0;
}

static int add_class(struct folder *f, const char *path, const char *name)
{
	int err;

	if (!is_folder(path))
		return 0;
	err = vgg_dataset_add_class(&f->base, name);
	return err ? err : walk(f, path, add_of_class);
}

static int add_flat(struct folder *f, const char *path, const char *name)
{
	return is_image(name) ? add_file(f, path, 0) : 0;
}

/*
 * Parts: folders of folders of classes, as ImageNet's train and val. Which of them
 * is meant is not to be guessed.
 */
static int see_image(struct folder *f, const char *path, const char *name)
{
	(void)path;
	f->found |= is_image(name);
	return 0;
}

static int see_class(struct folder *f, const char *path, const char *name)
{
	(void)name;
	return f->found || !is_folder(path) ? 0 : walk(f, path, see_image);
}

static int see_part(struct folder *f, const char *path, const char *name)
{
	size_t n = strlen(f->parts);
	int err;

	(void)name;
	if (!is_folder(path))
		return 0;
	f->found = false;
	err = walk(f, path, see_class);
	if (f->found)
		snprintf(f->parts + n, sizeof(f->parts) - n, "%s%s",
			 n ? " or " : "", path);
	return err;
}

static int look_for_parts(struct folder *f, const char *path)
{
	int err = walk(f, path, see_part);
	char next[240];

	if (err || !*f->parts)
		return err;
	snprintf(next, sizeof(next), "name %s", f->parts);
	return vgg_fail(DATASET_FORMAT, path, next,
			"there are no images in its subfolders, but in theirs");
}

int vgg_folder_open(const char *path, struct vgg_dataset **d)
{
	struct folder *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return vgg_fail_memory("a data set");
	f->base.ops = &folder_ops;
	*d = &f->base;
	err = walk(f, path, add_class);
	if (err || f->base.count)
		return err;
	vgg_dataset_drop_classes(&f->base);
	err = walk(f, path, add_flat);
	return err || f->base.count ? err : look_for_parts(f, path);
}
