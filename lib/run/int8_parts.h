/* SPDX-License-Identifier: MIT */
/* Inside int8.c and int8_*.c. */
#ifndef VGG_INT8_PARTS_H
#define VGG_INT8_PARTS_H

#include "kernels/conv_s8.h"
#include "plan/machine.h"
#include "run/int8.h"
#include "vggaccel_hw.h"

/* Who computes which part of a layer; see struct vgg_plan_layer. What the plan
 * says, unless this device can't. */
struct vgg_share {
	enum vgg_where where;
	int cut;
};

/* A part of a tensor's bytes: `height` runs of `width`, `pitch` apart. Nothing:
 * width 0. */
struct vgg_piece {
	uint64_t offset;
	uint32_t width, height, pitch;
};

/*
 * A tensor has up to two homes of its full size. The card uses `local` where it
 * is there, else `host`; either side's part is in its own home, and what the
 * other needs of it is copied.
 */
struct vgg_tensor {
	uint64_t bytes;
	bool alias;		  /* the homes of the tensor before */
	int8_t *cpu;		  /* NULL: only the card sees it */
	struct vgg_buffer *host;  /* cpu's, if the card reaches it */
	struct vgg_buffer *local; /* on board */
	unsigned int turn;	  /* without host: which of the two pieces */
};

/* A job that is submitted again in every run. */
struct vgg_ready_job {
	struct vgg_buffer *stream; /* NULL: there is none */
	uint32_t bytes;
};

/*
 * Between two barriers: neighbouring layers of the card; or one layer of the
 * CPU, or of both. The last step has no layers: it brings the output.
 */
struct vgg_int8_step {
	unsigned int first, end;    /* layers */
	struct vgg_ready_job fetch; /* copies to the host what the CPU lacks */
	struct vgg_piece fetched; /* of tensor `first`, what the card wrote and
				    * the CPU reads */
	struct vgg_ready_job job;
	struct vgg_buffer *staged; /* on-board copy of the input, or NULL */
	bool cpu;
	struct vgg_conv_range share; /* of the CPU */
	struct vgg_piece written;    /* by the CPU, of tensor `end` */
};

struct vgg_card_weights {
	struct vgg_buffer *buffer;
	uint64_t weights, params; /* addresses */
};

#define VGG_TASKS_PER_THREAD 4

/* What all images in flight share: it doesn't change once it is made. */
struct vgg_int8_net {
	unsigned int users;
	struct vgg_int8_options o;
	struct vgg_device_info card;
	bool on_board; /* whether anything may lie there, see plan.h */
	const struct vgg_kernels *kernels;
	struct vgg_card_weights *weights; /* per layer */
	struct vgg_share *shares;	  /* per layer */
	struct vgg_ready_s8 *ready; /* convolutions of the CPU, per layer */
	char *packed;		    /* their weights */
	/* What a layer of the CPU needs, per processor: who has claimed its
	 * threads. */
	char *workspace[VGG_PROCESSORS_MAX];
};

struct vgg_int8 {
	struct vgg_int8_net *net;
	struct vgg_tensor *tensors; /* integer_layers + 1 */
	struct vgg_int8_step *steps;
	unsigned int step_count;
	bool shown;		     /* results are prepared for reading */
	int8_t *heap[2];	     /* tensors in turns */
	struct vgg_threads *claimed; /* while it runs */
};

/* The threads that compute layer i. */
struct vgg_threads *vgg_int8_threads(const struct vgg_int8 *x, unsigned int i);

/* int8_split.c */
bool vgg_range_is_empty(const struct vgg_conv_range *r);
/* What a side computes of layer i's output; behind a fused pool. */
struct vgg_conv_range vgg_int8_share(const struct vgg_int8 *x, unsigned int i,
				     bool card);
/* The same as bytes of tensor i + 1. */
struct vgg_piece vgg_int8_written(const struct vgg_int8 *x, unsigned int i,
				  bool card);
/* What layer i's side reads of tensor i and the other side has written;
 * i = plan->count: what the caller reads. */
struct vgg_piece vgg_int8_foreign(const struct vgg_int8 *x, unsigned int i,
				  bool card);
/* Bytes from its first to its last. */
uint64_t vgg_piece_span(const struct vgg_piece *p);

/* int8_memory.c: homes of tensors. The first image in flight decides what fits
 * on board; -ENOSPC for another one that doesn't find the same room. */
int vgg_int8_place(struct vgg_int8 *x);
void vgg_int8_unplace(struct vgg_int8 *x);
/* A command stream being written into a buffer of its own. */
union vgg_command {
	struct vgg_hw_cmd_head head;
	struct vgg_hw_cmd_plain plain;
	struct vgg_hw_cmd_copy copy;
	struct vgg_hw_cmd_conv conv;
	struct vgg_hw_cmd_pool pool;
};

struct vgg_stream {
	union vgg_command *at;
	struct vgg_buffer *buffer;
	uint32_t count;
};

/* int8_upload.c: weights and parameters into the card's memory, once. */
int vgg_int8_upload(struct vgg_int8 *x);
/* int8_card.c */
int vgg_stream_begin(struct vgg_stream *s, struct vgg_buffer *buffer);
/* A command with this head, all else 0. */
union vgg_command *vgg_stream_add(struct vgg_stream *s,
				  enum vgg_hw_opcode opcode, uint16_t flags,
				  uint32_t tag);
/* The piece of a tensor from src to dst, which are the tensor's beginnings. */
void vgg_stream_copy(struct vgg_stream *s, uint64_t src, uint64_t dst,
		     const struct vgg_piece *piece, uint32_t tag);
/* Adds END; the card may read it now. */
int vgg_stream_end(struct vgg_stream *s, uint32_t tag);
int vgg_int8_submit(struct vgg_int8 *x, struct vgg_buffer *stream,
		    uint32_t bytes, uint32_t tag, uint64_t *ticket);
/* For all images in flight; the jobs of one. */
int vgg_int8_prepare_weights(struct vgg_int8 *x);
void vgg_int8_release_weights(struct vgg_int8_net *net);
int vgg_int8_prepare_jobs(struct vgg_int8 *x);
void vgg_int8_release_jobs(struct vgg_int8 *x);
int vgg_int8_begin_job(struct vgg_int8 *x, const struct vgg_ready_job *job,
		       unsigned int layer, uint64_t *ticket);
int vgg_int8_end_job(struct vgg_int8 *x, unsigned int layer, uint64_t ticket,
		     struct vgg_int8_totals *totals);
/* int8_cpu.c */
int vgg_int8_prepare_cpu(struct vgg_int8 *x);
void vgg_int8_release_cpu(struct vgg_int8_net *net);
void vgg_int8_run_cpu(struct vgg_int8 *x, unsigned int layer,
		      const struct vgg_conv_range *share);

/* The NHWC view of a shape of rank 1, 2 or 4. */
struct vgg_image_s8 vgg_image_of(const struct vgg_shape *s, int8_t *data);

#endif
