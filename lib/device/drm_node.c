// SPDX-License-Identifier: MIT
/* See drm_node.h. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device/drm_node.h"
#include "uapi/vggaccel_drm.h"
#include "util/error.h"
#include "vggaccel_hw.h"

#define NODES_MAX 1024 /* beyond it something is wrong with sysfs */

struct scan {
	const char *root;
	struct vgg_nodes *nodes;
};

/* The last part of what the link at `path` leads to; "" if there is none. */
static void link_name(const char *path, char *to, size_t size)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	*to = 0;
	if (n <= 0)
		return;
	target[n] = 0;
	slash = strrchr(target, '/');
	snprintf(to, size, "%.*s", (int)size - 1, slash ? slash + 1 : target);
}

/* The first line of a file, or the rest of the one that starts with `key`. */
static bool read_line(const char *path, const char *key, char *to, size_t size)
{
	FILE *f = fopen(path, "re");
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		found = !strncmp(line, key, strlen(key));
	}
	if (f)
		fclose(f);
	if (found)
		snprintf(to, size, "%s", line + strlen(key));
	return found;
}

static struct vgg_node *add(struct vgg_nodes *nodes)
{
	struct vgg_node *at;

	if (nodes->count == NODES_MAX)
		return NULL;
	at = reallocarray(nodes->at, nodes->count + 1, sizeof(*at));
	if (!at)
		return NULL;
	nodes->at = at;
	at += nodes->count++;
	*at = (struct vgg_node){ 0 };
	return at;
}

/* Calls fn for every entry of a folder below the root; a folder that is not
 * there has none. */
static int each_entry(const struct scan *s, const char *folder,
		      int (*fn)(const struct scan *s, const char *path))
{
	char path[PATH_MAX];
	struct dirent *e;
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s%s", s->root, folder);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (!err && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s%s/%s", s->root, folder,
			 e->d_name);
		err = fn(s, path);
	}
	closedir(dir);
	return err;
}

/* One entry of a class: taken if its device is bound to our driver. */
static int look_at_node(const struct scan *s, const char *entry)
{
	char path[PATH_MAX + 16], driver[32], name[64];
	struct vgg_node *n;

	snprintf(path, sizeof(path), "%s/device/driver", entry);
	link_name(path, driver, sizeof(driver));
	if (strcmp(driver, DRM_VGGACCEL_NAME))
		return 0;
	snprintf(path, sizeof(path), "%s/uevent", entry);
	if (!read_line(path, "DEVNAME=", name, sizeof(name)) ||
	    (strncmp(name, "accel/", 6) && strncmp(name, "dri/renderD", 11)))
		return 0;
	n = add(s->nodes);
	if (!n)
		return vgg_fail_memory("the list of cards");
	snprintf(n->path, sizeof(n->path), "%s/dev/%s", s->root, name);
	snprintf(n->driver, sizeof(n->driver), "%s", driver);
	snprintf(path, sizeof(path), "%s/device", entry);
	link_name(path, n->bus, sizeof(n->bus));
	return 0;
}

static bool has_number(const char *folder, const char *file, unsigned int want)
{
	char path[PATH_MAX + 16], text[32];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	return read_line(path, "", text, sizeof(text)) &&
	       strtoul(text, NULL, 16) == want;
}

/* One PCI device: taken if it is ours and no node is. */
static int look_at_pci(const struct scan *s, const char *entry)
{
	const char *name = strrchr(entry, '/') + 1;
	char path[PATH_MAX + 16];
	struct vgg_node *n;
	size_t i;

	if (!has_number(entry, "vendor", VGG_PCI_VENDOR_ID) ||
	    !has_number(entry, "device", VGG_PCI_DEVICE_ID))
		return 0;
	for (i = 0; i < s->nodes->count; i++)
		if (!strcmp(s->nodes->at[i].bus, name))
			return 0;
	n = add(s->nodes);
	if (!n)
		return vgg_fail_memory("the list of cards");
	snprintf(n->bus, sizeof(n->bus), "%s", name);
	snprintf(path, sizeof(path), "%s/driver", entry);
	link_name(path, n->driver, sizeof(n->driver));
	return 0;
}

/* Those without a node last; "accel10" behind "accel9", "dri" behind both. */
static int in_order(const void *a, const void *b)
{
	const struct vgg_node *x = a, *y = b;

	if (!*x->path != !*y->path)
		return *x->path ? -1 : 1;
	return *x->path ? strverscmp(x->path, y->path) :
			  strverscmp(x->bus, y->bus);
}

int vgg_nodes_scan(const char *root, struct vgg_nodes *nodes)
{
	struct scan s = { .root = root };
	int err;

	*nodes = (struct vgg_nodes){ NULL };
	s.nodes = nodes;
	err = each_entry(&s, "/sys/class/accel", look_at_node);
	if (!err)
		err = each_entry(&s, "/sys/class/drm", look_at_node);
	nodes->with_path = nodes->count;
	if (!err)
		err = each_entry(&s, "/sys/bus/pci/devices", look_at_pci);
	if (err)
		vgg_nodes_clear(nodes);
	else if (nodes->count)
		qsort(nodes->at, nodes->count, sizeof(*nodes->at), in_order);
	return err;
}

void vgg_nodes_clear(struct vgg_nodes *nodes)
{
	free(nodes->at);
	*nodes = (struct vgg_nodes){ NULL };
}

void vgg_node_from_path(const char *root, const char *path, struct vgg_node *n)
{
	char link[PATH_MAX];
	struct stat st;

	*n = (struct vgg_node){ 0 };
	snprintf(n->path, sizeof(n->path), "%s", path);
	if (stat(path, &st) || !S_ISCHR(st.st_mode))
		return;
	snprintf(link, sizeof(link), "%s/sys/dev/char/%u:%u/device", root,
		 major(st.st_rdev), minor(st.st_rdev));
	link_name(link, n->bus, sizeof(n->bus));
	strncat(link, "/driver", sizeof(link) - strlen(link) - 1);
	link_name(link, n->driver, sizeof(n->driver));
}
