// SPDX-License-Identifier: MIT
/* vgg_cpu_info(): what sessions find out about the CPU, told to others. */
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"
#include "util/cpu.h"
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

int vgg_cpu_info(struct vgg_cpu_info *info)
{
	const struct vgg_cpus *cpus = vgg_cpus();
	struct vgg_cpu_info i = { .size = info->size };
	int err = vgg_check_struct(info->size, "CPU info"), k;

	if (err)
		return err;
	i.kernels = vgg_kernels_best()->name;
	list_usable(i.usable, sizeof(i.usable));
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
