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

int files_expand(struct file_list *list, const char *path)
{
	struct dirent **entries;
	struct stat st;
	int n, i;

	/* What doesn't exist is the library's to report. */
	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return files_add(list, path);
	n = scandir(path, &entries, is_image, by_name);
	if (n < 0)
		return cli_fail(VGG_ERROR_NO_FILE, path,
				"check the permissions of the folder",
				"cannot be read: %s", strerror(errno));
	for (i = 0; i < n; i++) {
		add(list, join(path, entries[i]->d_name));
		free(entries[i]);
	}
	free(entries);
	return n ? 0 :
		   cli_fail(VGG_ERROR_NO_FILE, path,
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
