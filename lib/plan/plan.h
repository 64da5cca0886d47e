/* SPDX-License-Identifier: MIT */
/*
 * Where each integer layer runs: on the card, on the CPU, or on both at once.
 *
 * What a plan means; the executor does exactly this, so that its time can be
 * predicted (cost.h).
 *
 * Layers are steps with a barrier behind each, except that neighbouring ON_CARD
 * layers form one job. Tensor i is the input of layer i (0: the network's), its
 * bytes are NHWC int8. Where it lies:
 *  - producer and consumer both CPU only: plain memory of the CPU.
 *  - produced by the card (all or a part) and consumed by the CPU alone, or the
 *    last: the card writes its part into host memory directly.
 *  - produced by the CPU alone, or the network's input, and consumed by the card
 *    (all or a part): the CPU writes host memory; the card reads it there
 *    directly, unless the CONV would read more than once (weights and input of
 *    the card's part both exceed half of the on-chip memory): then what it reads
 *    is first copied on board.
 *  - produced by the card (all or a part) and consumed by the card (all or a
 *    part): it lies on board as far as the card produced it, and in host memory
 *    as far as the CPU did; what a side lacks is copied.
 *  - Where the channels of several pixels are cut, the card's part lies on board
 *    until it is copied to where it is read, also for the CPU alone and at the
 *    end.
 *  - A card whose on-board memory is not enough for all activations reads and
 *    writes host memory directly, everything, weights included, and nothing is
 *    copied; it computes all of a layer whose
 *    pixels would be cut.
 *
 * A step:
 *  1. export: what the CPU's part reads and only the card has is copied from
 *     on-board to host memory: a job of its own, waited for.
 *  2. the card's job, in its queue right behind that: [COPY of what the card
 *     lacks, FENCE,] CONV, END; meanwhile the CPU computes its part; then both
 *     are waited for.
 *
 * Which parts a side reads. BY_CHANNELS, or the whole layer: all of the input.
 * BY_ROWS: the input rows under the windows of its output rows (of the
 * convolution and of the fused pool), so both read some rows at the cut.
 *
 * Cuts: rows so that row * width * channels of the output is a multiple of 64
 * bytes (a cache line has one writer); channels in multiples of 64, and only
 * where the output has a multiple of 64 channels, or one pixel.
 */
#ifndef VGG_PLAN_H
#define VGG_PLAN_H

#include "model/graph.h"

#define VGG_CUT_BYTES 64

enum vgg_where { VGG_ON_CPU, VGG_ON_CARD, VGG_BY_ROWS, VGG_BY_CHANNELS };

struct vgg_plan_layer {
	bool free; /* a reshape of nothing: no one does any work */
	enum vgg_where where;
	/* BY_ROWS, BY_CHANNELS: the card computes the first `cut` rows (behind a
	 * fused pool) or output channels, at the same time as the CPU the
	 * others; 0 < cut < all of them. Only for CONV. */
	int cut;
	/* The card's weights stay in the host's memory: it reads them over the
	 * link in every run. */
	bool streamed;
	/* In a pipeline, the CPU's part: the machine's processor (machine.h). 0:
	 * all its threads. */
	unsigned int processor;
	char reason[160];
	/* Predictions; 0 where there are none. */
	double ms; /* of the step: gather + slowest processor */
	double card_ms, cpu_ms, gather_ms;
	uint64_t cycles;     /* of the card, its exports included */
	uint64_t link_bytes; /* over PCIe, both directions */
};

struct vgg_plan {
	struct vgg_plan_layer *layers; /* model->integer_layers */
	unsigned int count;
	char summary[96];	     /* "13 layers on the card, 3 on the CPU" */
	double ms;		     /* predicted latency; 0: no prediction */
	uint64_t cycles, link_bytes; /* of all layers */
	bool guessed; /* CPU costs come from its capacity, not from measurements */
	uint64_t local_used,
		local_free; /* on-board bytes: weights; what is left */
};

static inline bool vgg_plan_uses_card(const struct vgg_plan_layer *p)
{
	return !p->free && p->where != VGG_ON_CPU;
}

static inline bool vgg_plan_uses_cpu(const struct vgg_plan_layer *p)
{
	return !p->free && p->where != VGG_ON_CARD;
}

/* A layer of which nothing is computed: memory is passed on as it lies. */
static inline bool vgg_layer_is_free(const struct vgg_layer *l)
{
	return l->op == VGG_OP_RESHAPE && l->keep_order;
}

/*
 * A layer may be cut at multiples of so many rows (BY_ROWS) or channels
 * (BY_CHANNELS), see above; 0: not at all.
 */
int vgg_plan_grain(const struct vgg_layer *l, enum vgg_where where);
/* The channels of a pixel come from both sides, which then can't write the same
 * memory: the CPU's part could not be made visible without touching the card's.
 * So the card's stays on board until it is fetched, whoever reads it. */
bool vgg_plan_mixes(const struct vgg_layer *l, enum vgg_where where);
/* BAD_ARGUMENT if a cut of the plan is none. */
int vgg_plan_check(const struct vgg_plan *plan, const struct vgg_model *m);

struct vgg_machine;

struct vgg_plan_choice {
	enum vgg_split split;
	/* AUTO: layers may be cut between card and CPU; else each is whole. */
	bool parts;
};

/* For any machine. MODEL_UNSUPPORTED if `split` asks for the card and a layer
 * can't run there, NO_DEVICE if there is no card. */
int vgg_plan_choose(const struct vgg_machine *machine,
		    const struct vgg_model *m,
		    const struct vgg_plan_choice *choice,
		    struct vgg_plan *plan);
/* For this machine and its device, which may be the CPU. */
int vgg_plan_make(struct vgg_device *device, const struct vgg_model *m,
		  enum vgg_split split, int threads, struct vgg_plan *plan);
/* A simulated card wins no time, whatever its own clock says, unless it is paced:
 * the CPU computes what it simulates. It is there to be seen at work, so AUTO
 * gives it all it can run. */
bool vgg_plan_wins_no_time(const struct vgg_device_info *d);
/* What a plan would keep on board beyond what fits there beside the activations is
 * streamed: the weights of the last layers. So a plan of a file, or one that puts
 * all on the card, is for cards of any memory. */
void vgg_plan_fit(struct vgg_plan *plan, const struct vgg_model *m,
		  uint64_t local_free);
/* Layers with `free` and neutral fields. */
int vgg_plan_alloc(struct vgg_plan *plan, const struct vgg_model *m);
/* Fills the summary. */
void vgg_plan_summarize(struct vgg_plan *plan, const struct vgg_model *m);
void vgg_plan_clear(struct vgg_plan *plan);

#endif
