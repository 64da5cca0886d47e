/* SPDX-License-Identifier: MIT */
/* Inside int8.c, int8_memory.c, int8_cpu.c, int8_card.c and int8_upload.c. */
#ifndef VGG_INT8_PARTS_H
#define VGG_INT8_PARTS_H

#include "kernels/conv_s8.h"
#include "run/int8.h"
#include "vggaccel_hw.h"

enum vgg_place { VGG_PLACE_HEAP, VGG_PLACE_HOST, VGG_PLACE_LOCAL };

struct vgg_tensor {
	enum vgg_place place;
	uint64_t bytes;
	int8_t *cpu;		   /* HEAP and HOST */
	uint64_t address;	   /* HOST and LOCAL */
	struct vgg_buffer *buffer; /* HOST and LOCAL; owned unless alias */
	bool alias;		   /* the memory of the tensor before */
	unsigned int turn;	   /* HEAP: which of the two pieces */
};

/* A run of neighbouring card layers: one job. */
struct vgg_segment {
	unsigned int first, end; /* layers */
	struct vgg_buffer *stream;
	uint32_t stream_bytes;
	struct vgg_buffer *staged; /* on-board copy of its input, or NULL */
};

struct vgg_card_weights {
	struct vgg_buffer *buffer;
	uint64_t weights, params; /* addresses */
};

#define VGG_TASKS_PER_THREAD 4

struct vgg_int8 {
	struct vgg_int8_options o;
	struct vgg_device_info card;
	const struct vgg_kernels *kernels;
	struct vgg_tensor *tensors;	  /* integer_layers + 1 */
	struct vgg_card_weights *weights; /* per layer */
	struct vgg_segment *segments;
	unsigned int segment_count;
	bool shown;		    /* results are prepared for reading */
	struct vgg_ready_s8 *ready; /* convolutions of the CPU, per layer */
	char *packed, *workspace;   /* their weights, and what a run needs */
	int8_t *heap[2];	    /* tensors in turns */
};

/* int8_memory.c */
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
void vgg_stream_copy(struct vgg_stream *s, uint64_t src, uint64_t dst,
		     uint64_t bytes, uint32_t tag);
/* Adds END; the card may read it now. */
int vgg_stream_end(struct vgg_stream *s, uint32_t tag);
int vgg_int8_submit(struct vgg_int8 *x, struct vgg_buffer *stream,
		    uint32_t bytes, uint32_t tag, uint64_t *ticket);
int vgg_int8_prepare_card(struct vgg_int8 *x);
void vgg_int8_release_card(struct vgg_int8 *x);
int vgg_int8_run_segment(struct vgg_int8 *x, const struct vgg_segment *s,
			 struct vgg_int8_totals *totals);
/* int8_cpu.c */
int vgg_int8_prepare_cpu(struct vgg_int8 *x);
void vgg_int8_release_cpu(struct vgg_int8 *x);
void vgg_int8_run_cpu(struct vgg_int8 *x, unsigned int layer);

/* The NHWC view of a shape of rank 1, 2 or 4. */
struct vgg_image_s8 vgg_image_of(const struct vgg_shape *s, int8_t *data);

#endif
