/* SPDX-License-Identifier: MIT */
/* A part of vggaccel.h, which includes it: plans, and what they are calibrated with. */
#ifndef VGGACCEL_PLAN_H
#define VGGACCEL_PLAN_H

#include "vggaccel.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Plans: where each layer of a network's integer form runs, and what that is
 * expected to cost: on this machine or another one, with this card or one that
 * doesn't exist. Times are in milliseconds, predicted from the card's cycle model
 * and the CPU's times per layer.
 */
struct vgg_plan;

struct vgg_plan_options {
	size_t size;
	enum vgg_split split;	/* AUTO: the plan with the least latency, also
				 * for a simulated card */
	const char *file;	/* a plan in a file, instead of `split` */
	bool whole;		/* AUTO: no layer is cut between card and CPU */
	int threads;		/* of this machine, 0: all */
	const char *machine;	/* the CPU: "rk3399"; NULL: this machine's */
	const char *card;	/* file with a card profile; NULL: the device's
				 * card */
	const char *what_if;	/* changes to the card, "lanes=1,gen=1,
				 * macs=4096"; see vggctl-plan(1) */
};

/* options may be NULL. The model must outlive the plan, the device need not. Takes
 * milliseconds; nothing runs. MODEL_PRECISION without an integer form;
 * MODEL_UNSUPPORTED or NO_DEVICE if the card is asked for what it can't do;
 * BAD_ARGUMENT, PLAN_FORMAT, PLAN_MISMATCH for options and files that make no
 * sense. Weights of a file's plan that don't fit on board are streamed, as a
 * session would do it. */
int vgg_plan_create(struct vgg_device *device, const struct vgg_model *model,
		    const struct vgg_plan_options *options,
		    struct vgg_plan **plan);
/* NULL is allowed. */
void vgg_plan_free(struct vgg_plan *plan);
/* As JSON that people can edit; vggctl-plan(1) describes it. The file appears
 * whole or not at all. */
int vgg_plan_save(const struct vgg_plan *plan, const char *path);

struct vgg_calibrate_options {
	size_t size;
	int threads;		/* 0: all; plans for so many use what is found */
	int rounds;		/* medians of so many; 0: 5 */
	vgg_progress progress;
	void *progress_ctx;
};

struct vgg_calibrate_info {
	size_t size;
	char path[512];		/* the file that was written */
	unsigned int shapes;	/* of layers that differ, measured now */
	double ms;		/* of all integer layers, whole */
	double guessed_ms;	/* what would have been guessed */
	double job_ms;		/* submitting a job of NOPs and learning of its
				 * end; 0 without a card, or with a simulated one
				 * that isn't paced */
	double submit_ms;	/* what it takes from other work of the CPU */
	/* What the card reads from the host's memory and writes to it, 10^6 bytes
	 * per second; 0: not measured. */
	uint32_t from_host_mbps, to_host_mbps;
	char link[160];		/* the same as text, or why not; "" without a
				 * card */
	/* Shapes whose whole layer took over 1.5 times as long in the median of
	 * its rounds as in the best; and the largest such factor. If there are
	 * any, the machine was busy, and plans are worth little: measure again. */
	unsigned int unsteady;
	double spread;
	unsigned int kept;	/* shapes of the file that this model hasn't */
	int threads;		/* that measured: no more than there are CPUs */
};

/* Measures the CPU's kernels on the layers of a model: whole and in parts, by rows
 * and by channels, all threads together and each cluster by itself; and what a job
 * of the device costs this host; and the speed of the link to a card that keeps
 * real time. Plans made from then on use the times, which are
 * kept in a file in the user's cache folder until CPUs, kernels, threads or
 * version change; see vggctl-calibrate(1). options and info may be NULL.
 * MODEL_PRECISION without an integer form, FILE_IO, INTERRUPTED. */
int vgg_calibrate(struct vgg_device *device, const struct vgg_model *model,
		  const struct vgg_calibrate_options *options,
		  struct vgg_calibrate_info *info);

struct vgg_plan_info {
	size_t size;
	/* Texts live as long as the plan. */
	const char *machine;	/* "rk3399: 2x A72 + 4x A53" */
	const char *card;	/* "64 x 32 at 200 MHz, ..."; NULL: none */
	const char *summary;	/* "3 layers on the card, 13 on both, ..." */
	bool guessed;		/* the CPU's times are, at least in part */
	double ms;		/* an image's latency */
	double card_ms, cpu_ms;	/* of which they are busy: the card's cycles,
				 * without what its jobs cost the host */
	double all_card_ms;	/* with all layers there; 0 if they can't be */
	double all_cpu_ms;
	unsigned int slowest;	/* layer, see vgg_plan_layer() */
	uint64_t link_bytes;	/* over PCIe for an image, both directions */
	uint64_t local_used;	/* bytes of weights on board */
	uint64_t local_free;	/* what is left there for more of them */
	/* Of a stream of images, images a second: in stages, one processor behind
	 * the other; whole images on each processor; the most that any share of
	 * the work could give. 0: not known. */
	double stages_rate, images_rate, bound;
	const char *stages;	/* "2x A72: conv1..conv4, 70.9 ms; card: ..." */
	/* Speeds of the link as the plan has them, 10^6 bytes per second, from
	 * and to the host's memory; 0 without a card. */
	uint32_t from_host_mbps, to_host_mbps;
	const char *link_source; /* "registers" of the card or its profile,
				  * "supposed" (what_if), "measured",
				  * "machine": its root port is slower than
				  * the card; "" */
	const char *link;	/* the same as text, "800 MB/s, measured" */
	/* Of an image's tensors, all together: they lie on board if all have room
	 * there, else in the host's memory, and the weights as well. */
	uint64_t activation_bytes;
	bool on_board;
};
int vgg_plan_info(const struct vgg_plan *plan, struct vgg_plan_info *info);

struct vgg_plan_layer_info {
	size_t size;
	const char *where;	/* "card", "cpu"; "rows", "channels": the first
				 * `cut` of `all` on the card, at the same time
				 * as the others on the CPU; "none": no work;
				 * "tail": floating point on the CPU, in no
				 * prediction */
	int cut, all;
	bool streamed;		/* weights cross the link in each run */
	double ms;		/* with `gather_ms` */
	double card_ms, cpu_ms;	/* of each side; the card's with what its job
				 * costs the host */
	double gather_ms;	/* before: bringing to the CPU what it reads */
	uint64_t link_bytes;
	const char *reason;	/* lives as long as the plan */
};
/* Any layer of the model. */
int vgg_plan_layer(const struct vgg_plan *plan, unsigned int layer,
		   struct vgg_plan_layer_info *info);

#ifdef __cplusplus
}
#endif
#endif
