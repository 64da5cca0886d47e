// SPDX-License-Identifier: MIT
/*
 * A reader of HDF5 files that comes to no end, as libhdf5 may on a damaged file.
 * What CPU time it was given it writes behind the file, and then makes it a
 * second, so that nobody waits for long.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "hdf5/plugin.h"

const int vgg_hdf5_abi = VGG_HDF5_ABI;

int vgg_hdf5_list(const char *path, struct vgg_hdf5_weights *w)
{
	struct rlimit limit;
	FILE *file = fopen(path, "a");

	(void)w;
	if (!file || getrlimit(RLIMIT_CPU, &limit))
		return -EBADMSG;
	fprintf(file, "%llu s", (unsigned long long)limit.rlim_cur);
	fclose(file);
	limit.rlim_cur = 1;
	setrlimit(RLIMIT_CPU, &limit);
	for (;;)
		__asm__ volatile("");
}

int vgg_hdf5_read(struct vgg_hdf5_weights *w, size_t i, float *data)
{
	(void)w;
	(void)i;
	(void)data;
	return -EBADMSG;
}
