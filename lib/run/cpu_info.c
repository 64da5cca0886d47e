// SPDX-License-Identifier: MIT
/* vgg_cpu_info(): what sessions find out about the CPU, told to others. */
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"
#include "util/cpu.h"
#include "util/disabled.h"
#include "util/error.h"
#include "vggaccel.h"

#define KIB 1024

static void list_usable(char *text, size_t size)
{
	const struct vgg_kernels *k;
	unsigned int n = 0;
	size_t at = 0;

	while (vgg_kernels_get(n))
		n++;
	*text = 0;
	while (n--) {
		k = vgg_kernels_get(n);
		if (k->usable() && at < size)
			at += (size_t)snprintf(text + at, size - at, "%s%s",
					       at ? "," : "", k->name);
	}
}

/* What VGG_DISABLE may name besides sets of kernels. */
static const char *const others[] = { "winograd", "uring", NULL };

static bool is_name(const char *name, size_t n)
{
	const struct vgg_kernels *k;
	unsigned int i;

	/* The first set is the reference, which nothing replaces. */
	for (i = 1; (k = vgg_kernels_get(i)); i++)
		if (strlen(k->name) == n && !strncmp(k->name, name, n))
			return true;
	for (i = 0; others[i]; i++)
		if (strlen(others[i]) == n && !strncmp(others[i], name, n))
			return true;
	return false;
}

/* The names of VGG_DISABLE that are known, or that aren't. */
static void list_disabled(bool known, char *text, size_t size)
{
	const char *list = vgg_disabled_list(), *name;
	size_t at = 0, n;

	*text = 0;
	while ((name = vgg_disabled_next(&list, &n)))
		if (is_name(name, n) == known && at < size)
			at += (size_t)snprintf(text + at, size - at, "%s%.*s",
					       at ? "," : "", (int)n, name);
}

/* All names, for those who misspelled one. */
static void list_names(char *text, size_t size)
{
	const struct vgg_kernels *k;
	size_t at = 0;
	unsigned int i;

	for (i = 1; (k = vgg_kernels_get(i)) && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s, ", k->name);
	if (at < size)
		snprintf(text + at, size - at, "winograd, uring");
}

int vgg_cpu_info(struct vgg_cpu_info *info)
{
	const struct vgg_cpus *cpus = vgg_cpus();
	struct vgg_cpu_info i = { .size = info->size };
	int err = vgg_check_struct(info->size, "CPU info"), k;

	if (err)
		return err;
	i.kernels = vgg_kernels_best()->name;
	list_usable(i.usable, sizeof(i.usable));
	list_disabled(true, i.disabled, sizeof(i.disabled));
	list_disabled(false, i.unknown, sizeof(i.unknown));
	list_names(i.names, sizeof(i.names));
	for (k = 0; k < cpus->count && k < VGG_CPU_CLUSTERS_MAX; k++) {
		const struct vgg_cluster *c = &cpus->cluster[k];

		i.cluster[k] = (struct vgg_cpu_cluster){
			.count = (unsigned int)c->count,
			.capacity = c->capacity,
			.l1d_kib = (unsigned int)(c->l1d_bytes / KIB),
			.l2_kib = (unsigned int)(c->l2_bytes / KIB),
			.l2_sharers = (unsigned int)c->l2_sharers,
			.in_order = c->uarch == VGG_UARCH_A53,
		};
	}
	i.clusters = (unsigned int)k;
	memcpy(info, &i, i.size < sizeof(i) ? i.size : sizeof(i));
	return 0;
}
