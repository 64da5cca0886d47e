/* SPDX-License-Identifier: MIT */
/*
 * The card as a PCIe device of a virtual machine: the vfio-user transport.
 * This is what vggsimd calls; the rest of its parts is in simd_internal.h.
 */
#ifndef VGGSIM_SIMD_H
#define VGGSIM_SIMD_H

#include "vggsim.h"

struct vgg_simd_options {
	const char *socket;
	struct vgg_card card;
	enum vgg_sim_order order;
	bool order_given;
	struct vgg_sim_injection injection; /* fault 0: none */
	bool seeded;			    /* choose what is open by `seed` */
	uint64_t seed;
	bool pace;
	bool once; /* one client only */
	bool dma_messages;
	bool verbose;
};

/*
 * Listens, and serves one client after the other until SIGTERM or SIGINT.
 * Tells on stdout when it is ready, and on stderr what is wrong. Returns 0 or,
 * if it can't listen, -errno (told as well).
 *
 * Blocks SIGTERM, SIGINT and SIGUSR1 in the calling thread and takes over
 * SIGBUS.
 */
int vgg_simd_serve(const struct vgg_simd_options *options);

const char *vgg_sim_order_name(enum vgg_sim_order order);

#endif
