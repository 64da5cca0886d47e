/* SPDX-License-Identifier: MIT */
/*
 * The network as the library sees it: a chain of layers.
 *
 * There is one representation from import to execution. Importers append one
 * layer per operator of their source; fold.c merges neighbours (a BatchNorm
 * into a convolution, a rectifier, a pool behind it); quantize.c adds the
 * integer form; compiled.c writes and maps the result. What a layer means in
 * floating point is said here beside its fields and computed by run/f32.c.
 *
 * Shapes are ONNX's: rank 1 to 4, a rank-4 shape is N, C, H, W. In memory a
 * rank-4 tensor lies as NHWC, all others in row-major order; "Reshape" and
 * "Flatten" think in NCHW, so such a layer may permute.
 */
#ifndef VGG_GRAPH_H
#define VGG_GRAPH_H

#include "image/preprocess.h"
#include "util/file.h"
#include "vggaccel.h"

#define VGG_RANK_MAX 4
#define VGG_LAYERS_MAX 4096
#define VGG_ELEMENTS_MAX ((int64_t)1 << 30) /* of one tensor: indices are int */
#define VGG_WINDOW_MAX 4096 /* kernel, stride and padding of a window */
#define VGG_POOL_ROWS_MAX 8 /* of a fused pool; as many as the card can */

struct vgg_shape {
	int rank;
	int64_t dim[VGG_RANK_MAX];
};

/* Elements; shapes that passed vgg_shape_check() never overflow. */
int64_t vgg_shape_count(const struct vgg_shape *s);
/* MODEL_SHAPE unless 1 <= rank <= 4, every size is >= 1 and the count is at most
 * VGG_ELEMENTS_MAX. */
int vgg_shape_check(const struct vgg_shape *s, const char *where);
bool vgg_shape_equal(const struct vgg_shape *a, const struct vgg_shape *b);
/* "3x224x224": without the batch of 1. Returns text. */
const char *vgg_shape_text(const struct vgg_shape *s, char *text, size_t size);

enum vgg_op {
	VGG_OP_CONV,	   /* dense convolution; Gemm and MatMul with kernel 1x1 */
	VGG_OP_MAXPOOL,
	VGG_OP_AVGPOOL,	   /* also GlobalAveragePool */
	VGG_OP_AFFINE,	   /* y = clip(scale[c] * relu?(x) + shift[c]) */
	VGG_OP_RESHAPE,	   /* also Flatten, to `out` */
	VGG_OP_PAD,	   /* constant padding of H and W */
	VGG_OP_LRN,
	VGG_OP_SOFTMAX,
	VGG_OP_LOGSOFTMAX,
	VGG_OP_QUANTIZE,   /* y = clamp(rne(x / scale) + zero, qmin, qmax) */
	VGG_OP_DEQUANTIZE, /* y = (x - zero) * scale */
	VGG_OP_COUNT
};

struct vgg_window {
	int kernel_h, kernel_w, stride_h, stride_w;
	int pad_top, pad_left, pad_bottom, pad_right;
};

enum vgg_dtype { VGG_F32, VGG_F16, VGG_BF16, VGG_F64, VGG_I8, VGG_U8, VGG_I32,
		 VGG_I64 };
size_t vgg_dtype_bytes(enum vgg_dtype dtype);

/* Constant data: allocated, or a part of a mapped file. */
struct vgg_blob {
	const void *data; /* NULL: absent */
	size_t count;	  /* elements */
	enum vgg_dtype dtype;
	bool owned;	  /* free() it */
};

/* Zeroed and owned; NULL (and the error set) without memory. */
void *vgg_blob_alloc(struct vgg_blob *b, enum vgg_dtype dtype, size_t count);
void vgg_blob_free(struct vgg_blob *b);
/* An F32 or F16 blob that may be changed in place, as floats; NULL (and the error
 * set) without memory. */
float *vgg_blob_own_f32(struct vgg_blob *b);
/* For F32 blobs. */
static inline const float *vgg_blob_f32(const struct vgg_blob *b)
{
	return b->data;
}

/* Per-tensor quantisation of an activation: real = (q - zero) * scale. */
struct vgg_quant {
	bool known;  /* scale and zero are valid */
	bool pinned; /* given by the imported graph: also applied in fp32 */
	float scale; /* > 0 */
	int zero;    /* -128..127 (int8 form) */
};

/* One output channel's requantisation; the fields of struct vgg_hw_qparam. */
struct vgg_qparam {
	int32_t bias, mult, offset, shift;
};

struct vgg_layer {
	enum vgg_op op;
	char *name;		/* the source's node name; owned */
	struct vgg_shape in, out;

	/*
	 * CONV: acc = bias + sum w * x; if relu, max(acc, 0); if scale,
	 * scale[k] * acc + shift[k]; clip to lo..hi; if pool, max-pool.
	 * AFFINE: the same from x in place of acc.
	 * `out` is the shape after all of it.
	 */
	struct vgg_window win;	/* CONV, pools; PAD uses the pads only */
	struct vgg_blob weight;	/* [out_c][kernel_h][kernel_w][in_c] F32 or F16 */
	struct vgg_blob bias;	/* [out_c] F32; absent: 0 */
	bool relu;
	struct vgg_blob scale, shift; /* [channels] F32; both or none */
	float lo, hi;		/* -INFINITY, INFINITY: none */
	bool has_pool;
	struct vgg_window pool;

	bool exclude_pad;	/* AVGPOOL: ONNX's count_include_pad = 0 */
	bool keep_order;	/* RESHAPE: memory is passed on as it lies; set by
				 * fold.c where the next weights were permuted */
	float pad_value;	/* PAD */
	int axis;		/* SOFTMAX, LOGSOFTMAX: 0..rank-1 of `in` */
	bool flatten_from_axis;	/* SOFTMAX before opset 13: over all axes from
				 * `axis` on, as one */
	int lrn_size;		/* LRN: channels in the window */
	float lrn_alpha, lrn_beta, lrn_bias;
	float q_scale;		/* QUANTIZE, DEQUANTIZE */
	int q_zero, q_min, q_max;

	struct vgg_blob weight_scale; /* [out_c] F32: the weights come from int8
				       * with these scales; else absent */

	/* The integer form; see quantize.c. */
	struct vgg_quant out_q;
	bool quantized;
	struct vgg_blob qweight; /* as weight, I8 */
	struct vgg_blob qparam;	 /* [n][4] I32, struct vgg_qparam; CONV and AFFINE:
				  * per channel; AVGPOOL: per number of taps */
	bool qrelu;		 /* rectify the accumulator */
	int qlo, qhi;		 /* clamp; PAD: qlo is the value */
	struct vgg_blob table;	 /* LRN: its integer table, I32 */
	const char *cpu_reason;	 /* why the card can't run the integer form;
				  * constant text */
};

struct vgg_model {
	char *name, *arch, *source, *calibration; /* owned, may be NULL */
	char *assumed;	/* of a file of weights only; owned, may be NULL */
	double epsilon; /* for importers: BatchNorm's, if it was given */
	struct vgg_shape input;		/* N, C, H, W, or other ranks */
	struct vgg_quant in_q;		/* of the input */
	struct vgg_layer *layers;
	unsigned int count, room;
	unsigned int integer_layers;	/* the first so many have an integer form */
	struct vgg_preprocess preprocess;
	char **labels;			/* owned; n_labels may be 0 */
	unsigned int n_labels;
	struct vgg_file file;		/* what blobs are mapped from */
};

struct vgg_model *vgg_model_new(void);
/* A new last layer whose `in` is the shape so far, with neutral fields (no
 * clip, stride 1, kernel 1). name is copied. NULL without memory. The pointer
 * is good until the next call. */
struct vgg_layer *vgg_model_add(struct vgg_model *m, enum vgg_op op,
				const char *name);
/* Sets l->out from l->in and the attributes, except for RESHAPE, whose `out`
 * is given; checks that everything fits (weights' sizes too). */
int vgg_layer_infer(struct vgg_layer *l);
/* Runs vgg_layer_infer() over the chain, from m->input. */
int vgg_model_infer(struct vgg_model *m);
void vgg_layer_clear(struct vgg_layer *l);
/* Takes layer i out of the chain. */
void vgg_model_remove(struct vgg_model *m, unsigned int i);
/* Text for people: "conv3x3+relu+maxpool2x2". Returns text. */
const char *vgg_layer_kind(const struct vgg_layer *l, char *text, size_t size);
/* The shape behind the last layer. */
const struct vgg_shape *vgg_model_output(const struct vgg_model *m);
const char *vgg_op_name(enum vgg_op op);
/* Input and output channels of CONV, from its shapes (rank 4: dim 1; else the
 * last). */
int64_t vgg_channels(const struct vgg_shape *s);
uint64_t vgg_layer_macs(const struct vgg_layer *l);
uint64_t vgg_layer_parameters(const struct vgg_layer *l);
/* The size of a CONV's output before its fused pool. */
void vgg_conv_size(const struct vgg_layer *l, int64_t *h, int64_t *w);

/* The network's input is one image of the preprocessing's size and channels. */
bool vgg_takes_images(const struct vgg_model *m);
/* The layer works on one image or vector at a time, as integer forms must. */
bool vgg_one_image(const struct vgg_layer *l);
/* What follows the integer layers is computed without weights and scales:
 * MODEL_UNSUPPORTED if there is a layer that needs them. */
int vgg_model_check_tail(const struct vgg_model *m);

/* Importers; each fills a new model up to (not including) folding. */
int vgg_import_onnx(const char *path, const struct vgg_file *file,
		    struct vgg_model *m);
int vgg_import_safetensors(const char *path, const struct vgg_file *file,
			   const char *arch, struct vgg_model *m);
int vgg_import_pth(const char *path, const struct vgg_file *file,
		   const char *arch, struct vgg_model *m);
int vgg_import_keras(const char *path, const char *arch, struct vgg_model *m);
/* arch.c: layers of a named architecture with empty weights; then random ones
 * (He initialisation from `seed`). */
int vgg_arch_build(const char *arch, struct vgg_model *m);
int vgg_random_weights(struct vgg_model *m, uint64_t seed);

/* fold.c: merges what can be merged; the function computed stays the same. */
int vgg_model_fold(struct vgg_model *m);

#endif
