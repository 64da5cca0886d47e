/* SPDX-License-Identifier: MIT */
/*
 * A simulated card that does not see the CPU's memory, as on boards whose DMA is
 * not coherent: each HOST buffer has a copy for the CPU and one for the card,
 * and bytes go from one to the other in prepare and finish only. Code that
 * forgets one of them works on old bytes here, on every machine.
 *
 * It is stricter than hardware: what is prepared for writing alone is filled
 * with rubbish first, and writing outside prepare and finish is a SIGSEGV.
 */
#ifndef TEST_APART_H
#define TEST_APART_H

#include "vggaccel.h"

struct apart_counts {
	_Atomic unsigned int jobs, prepares, finishes;
	_Atomic unsigned int waits;
	_Atomic unsigned int ahead; /* the most jobs not waited for yet */
	_Atomic uint64_t read,
		written; /* bytes made visible to the CPU, to the card */
};

int apart_open(const struct vgg_device_options *options,
	       struct vgg_device **device);
/* Of all of them; the test may set it to 0. */
extern struct apart_counts apart_counts;

#endif
