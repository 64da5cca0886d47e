// SPDX-License-Identifier: MIT
/* The processors of this machine, and of an RK3399. */
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"
#include "plan/costs_file.h"

/* Threads' start and barrier; submission of a job, its interrupt and the
 * wake-up of who waits for it. */
#define START_MS 0.01
#define JOB_MS 0.05
#define SUBMIT_MS 0.02 /* the share of it that the CPU is busy with */

/*
 * One thread of the biggest core with each set of kernels. avx512: VGG16 in 31
 * ms on a Zen 5. neon: an A72 at 1.8 GHz, four 16-bit or eight 8-bit products a
 * cycle. The others follow from what their instructions do in a cycle, at 2 to
 * 3 GHz. dram: of one thread, of all.
 */
static const struct {
	const char *kernels;
	double products16, products8, dram, dram_all;
} rates[] = {
	{ "scalar", 1, 1, 5, 20 },	  { "generic", 8, 8, 5, 20 },
	{ "avx2", 70, 110, 20, 40 },	  { "avx512", 200, 350, 30, 40 },
	{ "neon", 7.2, 14.4, 7.3, 10.4 }, { "neon-dot", 16, 60, 12, 25 },
};

#define RATES (sizeof(rates) / sizeof(*rates))

static unsigned int rate_of(const char *kernels)
{
	unsigned int i;

	for (i = 0; i < RATES; i++)
		if (!strcmp(rates[i].kernels, kernels))
			return i;
	return 1;
}

/* What `threads` of a cluster's CPUs add to a processor. */
static void add_cluster(struct vgg_processor *p, const struct vgg_cluster *c,
			int threads, unsigned int rate)
{
	double cores = threads * (c->capacity / 1024.0);
	double dram = p->capacity.dram + cores * rates[rate].dram;

	p->threads += threads;
	p->capacity.products16 += cores * rates[rate].products16;
	p->capacity.products8 += cores * rates[rate].products8;
	p->capacity.dram =
		dram < rates[rate].dram_all ? dram : rates[rate].dram_all;
	if (!p->capacity.l2)
		p->capacity.l2 = (double)c->l2_bytes;
	p->capacity.start_ms = START_MS;
}

void vgg_machine_here(struct vgg_machine *m, int threads)
{
	const struct vgg_cpus *cpus = vgg_cpus();
	unsigned int rate = rate_of(vgg_kernels_best()->name);
	int left = threads, quota = vgg_cpus_quota(), i, n;

	if (!left)
		left = quota && quota < cpus->total ? quota : cpus->total;
	*m = (struct vgg_machine){ .name = "this machine",
				   .job_ms = JOB_MS,
				   .submit_ms = SUBMIT_MS };
	snprintf(m->processor[0].name, sizeof(m->processor[0].name), "the CPU");
	m->processors = 1;
	for (i = 0; i < cpus->count && left > 0; i++) {
		const struct vgg_cluster *c = &cpus->cluster[i];
		struct vgg_processor *p = &m->processor[m->processors++];

		n = left < c->count ? left : c->count;
		left -= n;
		snprintf(p->name, sizeof(p->name), "%d %sCPU%s", n,
			 cpus->count == 1 ? "" :
			 !i		  ? "big " :
					    "little ",
			 n == 1 ? "" : "s");
		add_cluster(p, c, n, rate);
		add_cluster(&m->processor[0], c, n, rate);
	}
	vgg_costs_read(m);
}

/*
 * 2 Cortex-A72 at 1.8 GHz: T = pipe cycles / 3.6 GHz + DRAM bytes / 10.4 GB/s,
 * four 16-bit or eight 8-bit products a cycle and core; this meets six published
 * times of other libraries within 7 %.
 *
 * 4 Cortex-A53 at 1.4 GHz: four 16-bit products a cycle and core, 8-bit ones at
 * a rate of 1.33 times that; their bandwidth, 7.4 GB/s, is what the two times
 * published for ncnn on the four of them leave (int8 420 ms, fp32 679 ms; such a
 * sum gives 438 and 644).
 *
 * All six: rates add up, as work is handed out tile by tile; the DRAM is one, no
 * faster than the two big cores alone make it. ncnn, which cuts its work in equal
 * pieces, doesn't reach this sum (385 ms instead of 293), so it is the figure
 * that is the least sure.
 *
 * The root port has four lanes; device trees of the boards limit it to 2.5 GT/s
 * (max-link-speed), as its transmitter misses the specification beyond.
 */
void vgg_machine_rk3399(struct vgg_machine *m)
{
	static const struct vgg_processor processors[] = {
		{ "2x A72 + 4x A53", 6, { 36.8, 58.6, 10.4, 1 << 20, 0.02 } },
		{ "2x A72", 2, { 14.4, 28.8, 10.4, 1 << 20, 0.02 } },
		{ "4x A53", 4, { 22.4, 29.8, 7.4, 512 << 10, 0.02 } },
	};

	*m = (struct vgg_machine){ .name = "rk3399",
				   .root_gen = 1,
				   .root_lanes = 4,
				   .job_ms = 0.1,
				   .submit_ms = 0.03 };
	m->processors = sizeof(processors) / sizeof(*processors);
	memcpy(m->processor, processors, sizeof(processors));
}
