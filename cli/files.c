// SPDX-License-Identifier: MIT
/* Lists of files, and folders of images. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli.h"
#include "text.h"

static void add(struct file_list *list, char *name)
{
	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 16;
		list->name =
			cli_alloc(list->name, list->room * sizeof(*list->name));
	}
	list->name[list->count++] = name;
}

static char *join(const char *folder, const char *name)
{
	size_t n = strlen(folder) + strlen(name) + 2;
	bool slash = *folder && folder[strlen(folder) - 1] == '/';
	char *path = cli_alloc(NULL, n);

	snprintf(path, n, "%s%s%s", folder, slash ? "" : "/", name);
	return path;
}

int files_add(struct file_list *list, const char *path)
{
	add(list, strcpy(cli_alloc(NULL, strlen(path) + 1), path));
	return 0;
}

static int is_image(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot &&
	       (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg") ||
		!strcasecmp(dot, ".png"));
}

/* By bytes: the same order in every locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_folder(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int scan(const char *path, struct dirent ***entries,
		int (*wanted)(const struct dirent *))
{
	int n = scandir(path, entries, wanted, by_name);

	return n >= 0 ? n :
			cli_fail(VGG_ERROR_NO_FILE, path,
				 "check the permissions of the folder",
				 "cannot be read: %s", strerror(errno));
}

static int add_images(struct file_list *list, const char *path)
{
	struct dirent **entries;
	int n = scan(path, &entries, is_image), i;

	if (n < 0)
		return n;
	for (i = 0; i < n; i++) {
		add(list, join(path, entries[i]->d_name));
		free(entries[i]);
	}
	free(entries);
	return 0;
}

static int add_subfolders(struct file_list *list, const char *path)
{
	struct dirent **entries;
	int n = scan(path, &entries, is_visible), err = 0, i;

	if (n < 0)
		return n;
	for (i = 0; i < n; i++) {
		char *sub = join(path, entries[i]->d_name);

		if (!err && is_folder(sub))
			err = add_images(list, sub);
		free(sub);
		free(entries[i]);
	}
	free(entries);
	return err;
}

int files_expand(struct file_list *list, const char *path)
{
	unsigned int before = list->count;
	int err;

	/* What doesn't exist is the library's to report. */
	if (!is_folder(path))
		return files_add(list, path);
	err = add_images(list, path);
	if (!err && list->count == before)
		err = add_subfolders(list, path);
	if (err || list->count != before)
		return err;
	return cli_fail(VGG_ERROR_NO_FILE, path,
			"name files, or a folder that has some",
			"the folder has no JPEG or PNG images");
}

void files_free(struct file_list *list)
{
	unsigned int i;

	for (i = 0; i < list->count; i++)
		free(list->name[i]);
	free(list->name);
}
