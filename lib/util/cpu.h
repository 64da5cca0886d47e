/* SPDX-License-Identifier: MIT */
/*
 * The CPUs of this machine, as far as kernels and threads need them: how big
 * each is, whether it executes in order, and what its caches hold.
 *
 * CPUs of one shape (core type, capacity, cache sizes) form a cluster here,
 * also if they lie in several clusters of the silicon: block sizes and the
 * variant of a kernel follow from the shape. l2_sharers says how many of them
 * live on one L2.
 */
#ifndef VGG_CPU_H
#define VGG_CPU_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

enum vgg_uarch {
	VGG_UARCH_GENERIC, /* not Arm, or nothing says what it is */
	VGG_UARCH_A53,	   /* Arm, in order: A53, A55 and their like */
	VGG_UARCH_A72,	   /* Arm, out of order: every other */
};

/* No machine we know has more shapes; what is beyond counts as the last. */
#define VGG_CLUSTERS_MAX 8

struct vgg_cluster {
	enum vgg_uarch uarch;
	unsigned int capacity; /* of the biggest CPU = 1024; if unknown 1024 */
	int count;	       /* CPUs that this process may use, at least 1 */
	size_t l1d_bytes;      /* never 0: a default where nothing is known */
	size_t l2_bytes;       /* of one cache; never 0 either */
	int l2_sharers;	       /* CPUs of cpus that share one L2, at least 1 */
	cpu_set_t cpus;
};

struct vgg_cpus {
	int count;				      /* clusters, at least 1 */
	int total;				      /* CPUs of all clusters */
	struct vgg_cluster cluster[VGG_CLUSTERS_MAX]; /* the biggest first */
	/* Index of a CPU's cluster; 0 for CPUs that are in none. */
	uint8_t cluster_of[CPU_SETSIZE];
};

/* Read at the first call, with the CPUs that the calling thread may use then;
 * the same object ever after. Safe from any thread. */
const struct vgg_cpus *vgg_cpus(void);

/* Index of the cluster whose CPU the caller runs on now; it may be another one
 * right after. Costs some 30 ns: for each task, not for each inner loop. */
int vgg_cluster_here(void);

/* CPUs that the cgroups of this process let it use at a time, rounded up; 0 if
 * they set no limit. */
int vgg_cpus_quota(void);

/* For the above, and for tests: what /proc and /sys below root ("" is the
 * machine itself) say about the CPUs of mask. Missing or senseless files lead
 * to defaults; it can't fail. */
void vgg_cpus_read(const char *root, const cpu_set_t *mask,
		   struct vgg_cpus *out);
int vgg_cpus_quota_read(const char *root);

/* What /proc/cpuinfo says to tell the first CPU from other models: "AuthenticAMD
 * 26 2 AMD EPYC 9B45 1", "0x41 0x0 0xd08 2"; "" if nothing. Returns text. */
#define VGG_CPU_MODEL_SIZE 128
const char *vgg_cpu_model_read(const char *root, char text[VGG_CPU_MODEL_SIZE]);

#endif
