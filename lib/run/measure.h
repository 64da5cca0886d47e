/* SPDX-License-Identifier: MIT */
/* Measuring for plans: what a job of the card costs the host, and how fast the link
 * is; and what is made of the times of the CPU's layers. */
#ifndef VGG_MEASURE_H
#define VGG_MEASURE_H

#include "plan/machine.h"

struct vgg_card_times {
	/* Submitting a job and learning of its end, without what the card itself
	 * takes, if it takes real time. */
	double job_ms;
	/* What it takes from a CPU that works meanwhile: submission, and learning
	 * that it ended before. */
	double submit_ms;
	/* 10^6 bytes per second that the card reads from the host's memory and
	 * writes to it; 0: not measured. */
	uint32_t from_host_mbps, to_host_mbps;
	const char *why_no_link; /* "" if they were */
	bool none; /* not even jobs: what they would tell is no card's */
};

int vgg_measure_card(struct vgg_device *d, const struct vgg_device_info *info,
		     struct vgg_card_times *times);

/*
 * The speed of a link in MB/s, from medians of a smaller and a larger copy: what
 * each takes once cancels out. 0: they don't tell.
 *
 * The card's own cycles are the measure, as no interrupt and no wake-up is in
 * them, and plans count in cycles, too. But if the host's clock disagrees by
 * more than a quarter, that one is right: the card's clock isn't what its
 * register says, or a simulator doesn't keep pace, and an inference would feel
 * the same.
 */
struct vgg_copied {
	uint64_t bytes;
	double cycles, ms;
};
double vgg_link_speed(const struct vgg_copied *small,
		      const struct vgg_copied *large, uint32_t clock_khz);

double vgg_now_ms(void);
double vgg_median(double *v, int n); /* n >= 1; sorts them */
/* How far their median is above the least of them, 1 or more; 1 for times so short
 * that a timer's tick is much of them. Sorts them. */
double vgg_spread(double *v, int n);

/* All rows and all channels are the same work, so both curves end with the lesser
 * of the two times; and no part takes longer than more of it. */
void vgg_settle_curves(struct vgg_curve *rows, struct vgg_curve *channels);

#endif
