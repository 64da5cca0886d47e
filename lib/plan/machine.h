/* SPDX-License-Identifier: MIT */
/*
 * What the planner knows of a machine: a card, and processors of the CPU.
 *
 * The card is a few numbers, from its capability registers, from a card profile
 * or from what the user supposes (what-if). A processor is a set of threads:
 * number 0 is all of them together, which is what runs a layer when latency
 * counts; 1 and up are the clusters, each by itself, for streams.
 *
 * What a layer costs on a processor is a pair of curves, see struct
 * vgg_cpu_cost. They were measured and added under the key of the layer's shape
 * (vgg_layer_key()), or are guessed from the processor's capacity (guess.h).
 */
#ifndef VGG_MACHINE_H
#define VGG_MACHINE_H

#include "model/graph.h"
#include "plan/guess.h"
#include "util/cpu.h"

#define VGG_CURVE_MAX 24 /* more than the search tries cuts */
#define VGG_PROCESSORS_MAX (1 + VGG_CLUSTERS_MAX)
#define VGG_KEY_SIZE 128

/* The time of the first n rows, or channels, of a layer's output. */
struct vgg_curve {
	int count;	      /* points, 1 or more */
	int n[VGG_CURVE_MAX]; /* rising, the first 1 or more */
	double ms[VGG_CURVE_MAX];
};

/* Linear between the points; beyond them the line of the two nearest goes on (of
 * a single one: proportional). Never below 0, and 0 for nothing. */
double vgg_curve_at(const struct vgg_curve *c, int n);

/* A layer on one processor. Layers that are never cut need one point each, at
 * all rows and all channels. */
struct vgg_cpu_cost {
	struct vgg_curve rows, channels;
	bool guessed;
};

enum vgg_link_source {
	VGG_LINK_REGISTERS, /* the card or its profile says so */
	VGG_LINK_SUPPOSED,  /* a what-if */
	VGG_LINK_MEASURED,
	VGG_LINK_MACHINE, /* its root port is slower than the card */
};

struct vgg_machine_card {
	uint32_t mac_rows, mac_cols, clock_khz, onchip_kib;
	uint32_t local_mbps; /* 10^6 bytes per second */
	uint32_t link_mbps;  /* from the host; see vgg_machine_set_link() */
	uint32_t back_mbps;  /* to the host */
	enum vgg_link_source link_source;
	uint32_t link_gen, link_lanes;	 /* what the card can do */
	uint32_t train_gen, train_lanes; /* LINK_MACHINE: what both can */
	uint32_t job_cycles, command_cycles;
	uint64_t local_free; /* bytes of on-board memory */
};

struct vgg_processor {
	char name[32]; /* "2 big CPUs" */
	int threads;
	struct vgg_capacity capacity;
};

struct vgg_measured {
	char key[VGG_KEY_SIZE];
	unsigned int processor;
	struct vgg_cpu_cost cost;
};

/* Of one card, as vgg_calibrate() measured it; 0: what could not be. */
struct vgg_measured_card {
	char key[VGG_KEY_SIZE]; /* see vgg_card_key() */
	double job_ms, submit_ms;
	uint32_t link_mbps, back_mbps;
};

struct vgg_machine {
	char name[64];
	/* The most that its PCIe root port trains; 0: not known, and the card's
	 * own link counts. */
	uint32_t root_gen, root_lanes;
	bool has_card;
	struct vgg_machine_card card;
	/* What a job costs the host that waits for it: submission, interrupt,
	 * wake-up; and what it takes from a CPU that works meanwhile. */
	double job_ms, submit_ms;
	unsigned int processors;
	struct vgg_processor processor[VGG_PROCESSORS_MAX];
	struct vgg_measured *measured; /* owned */
	size_t n_measured;
	struct vgg_measured_card *cards; /* owned */
	size_t n_cards;
};

/* This machine's CPU with `threads` threads (0: all), without a card; with what
 * was measured here (costs_file.h). */
void vgg_machine_here(struct vgg_machine *m, int threads);
/* A board with an RK3399 (2 Cortex-A72, 4 Cortex-A53), without a card. */
void vgg_machine_rk3399(struct vgg_machine *m);
void vgg_machine_clear(struct vgg_machine *m);

/*
 * The card of a device; none if that is the CPU. Its registers say what it is;
 * what was measured of this very card is better known than by them.
 */
void vgg_machine_set_device(struct vgg_machine *m,
			    const struct vgg_device_info *d);
/* A card profile, see firmware-sim/cards; NULL: the default one.
 * BAD_ARGUMENT. */
int vgg_machine_set_profile(struct vgg_machine *m, const char *path);
/*
 * "lanes=1,gen=1,macs=4096": changes the card (the default one, if there is
 * none). Names: gen, lanes, link (MB/s), macs (N or ROWSxCOLUMNS), clock (MHz),
 * memory (MiB), bandwidth (of the memory, MB/s), onchip (KiB). BAD_ARGUMENT
 * names what is wrong.
 */
int vgg_machine_what_if(struct vgg_machine *m, const char *text);
/* Speeds of what the card reads from the host's memory and writes to it, 0 for
 * the slowest there is: a card that says nothing is slow, not infinitely fast. */
void vgg_machine_set_link(struct vgg_machine *m, uint32_t from_host,
			  uint32_t to_host, enum vgg_link_source source);
/* The same for a link that the card would run at `mbps`: it trains no faster than
 * the machine's root port, with the generation and lanes that both have. */
void vgg_machine_train_link(struct vgg_machine *m, uint32_t mbps,
			    enum vgg_link_source source);
/* What identifies a card, as far as its link's speed depends on it: kind, name,
 * place, link, clock and memory. Returns text. */
const char *vgg_card_key(const struct vgg_device_info *d,
			 char text[VGG_KEY_SIZE]);
/* Replaces what is there of this card, but for what is 0. BAD_ARGUMENT if it
 * makes no sense. */
int vgg_machine_add_card(struct vgg_machine *m,
			 const struct vgg_measured_card *card);

/*
 * What identifies a layer's cost: operator, shapes, window, pool; not its
 * weights' values. "conv 56x56x256 k3x3 s1x1 p1,1,1,1 pool2x2 s2x2 p0,0,0,0 ->
 * 256", sizes are height x width x channels. Returns text.
 */
const char *vgg_layer_key(const struct vgg_layer *l, char text[VGG_KEY_SIZE]);
/* Replaces what is there under the same key and processor. BAD_ARGUMENT if the
 * curves aren't what struct vgg_curve says. */
int vgg_machine_add(struct vgg_machine *m, const char *key,
		    unsigned int processor, const struct vgg_cpu_cost *cost);
void vgg_machine_cost(const struct vgg_machine *m, const struct vgg_layer *l,
		      unsigned int processor, struct vgg_cpu_cost *cost);

/* Height, width and channels of a tensor as kernels and card see it: ranks other
 * than 4 are one pixel. */
struct vgg_extent {
	int64_t h, w, c;
};
struct vgg_extent vgg_extent_of(const struct vgg_shape *s);

#endif
