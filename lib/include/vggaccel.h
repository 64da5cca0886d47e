/* SPDX-License-Identifier: MIT */
/*
 * libvggaccel: VGG-family networks on an int8 convolution card and the CPU.
 *
 *   struct vgg_device *dev;
 *   struct vgg_model *model;
 *   struct vgg_session *session;
 *   struct vgg_result result = VGG_INIT(result);
 *   struct vgg_top top;
 *
 *   vgg_device_open("auto", NULL, &dev);
 *   vgg_model_load("vgg16.safetensors", &model);
 *   vgg_session_create(dev, model, NULL, &session);
 *   vgg_session_run_file(session, "cat.jpg", &result);
 *   vgg_result_top(session, &result, &top, 1);
 *   puts(vgg_model_label(model, top.class_));
 *
 * Conventions. Functions that can fail return 0 or a negative errno, and leave
 * code, place and next step in vgg_error_last(). The library never prints and
 * never exits. Structs passed in start with `size`, to be set to sizeof the
 * struct by VGG_INIT(); fields a caller doesn't know stay 0, and 0 is always
 * the default; a number that no constant of an enum has is BAD_ARGUMENT. Types
 * without a definition here are opaque. A handle may be used by one thread at a
 * time; different handles are independent, except that a device must outlive its
 * sessions and buffers, and a model its sessions.
 * Where a layer runs never changes a byte of an int8 result.
 */
#ifndef VGGACCEL_H
#define VGGACCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* struct vgg_session_options o = VGG_INIT(o); */
#ifdef __cplusplus
#define VGG_INIT(object) { sizeof(object) }
#else
#define VGG_INIT(object) { .size = sizeof(object) }
#endif

/* "major.minor.patch"; constant. */
const char *vgg_version(void);

/*
 * Errors: E(NAME, errno, text). The name is stable and meant for programs and
 * search engines; errno is what functions return (negated).
 */
#define VGG_ERRORS(E) \
	E(NO_MEMORY,	     ENOMEM,	 "out of memory") \
	E(BAD_ARGUMENT,	     EINVAL,	 "bad argument") \
	E(NO_FILE,	     ENOENT,	 "file cannot be opened") \
	E(FILE_IO,	     EIO,	 "file cannot be read or written") \
	E(MODEL_FORMAT,	     EBADMSG,	 "damaged or unknown model file") \
	E(MODEL_UNSUPPORTED, EOPNOTSUPP, "network uses something unsupported") \
	E(MODEL_SHAPE,	     ERANGE,	 "sizes in the network don't fit together") \
	E(MODEL_PRECISION,   ENODATA,	 "model file has no weights of this precision") \
	E(IMAGE_FORMAT,	     EBADMSG,	 "damaged or unknown image file") \
	E(IMAGE_UNSUPPORTED, EOPNOTSUPP, "kind of image is unsupported") \
	E(IMAGE_SIZE,	     EFBIG,	 "image is too large") \
	E(ARRAY_FORMAT,	     EBADMSG,	 "damaged or unsupported .npy file") \
	E(LABELS_FORMAT,     EBADMSG,	 "damaged labels file") \
	E(CALIBRATION,	     EINVAL,	 "calibration failed") \
	E(ACCURACY,	     EDOM,	 "int8 is right too seldom") \
	E(NO_DEVICE,	     ENODEV,	 "no such device") \
	E(DEVICE_LOST,	     ENXIO,	 "device is gone") \
	E(DEVICE_FAULT,	     EREMOTEIO,	 "device refused or failed a job") \
	E(DEVICE_TIMEOUT,    ETIMEDOUT,	 "device did not finish in time") \
	E(DEVICE_MEMORY,	     ENOSPC,	 "device memory is full") \
	E(DEVICE_VERSION,    EPROTO,	 "device and library do not fit together") \
	E(RESULT_MISMATCH,   EILSEQ,	 "card and CPU disagree") \
	E(THREADS,	     EAGAIN,	 "threads cannot be started") \
	E(NOT_FINITE,	     EDOM,	 "a number is NaN or infinite") \
	E(INTERRUPTED,	     ECANCELED,	 "stopped by the caller") \
	E(PLAN_FORMAT,	     EBADMSG,	 "damaged or unknown plan file") \
	E(PLAN_MISMATCH,     ESTALE,	 "plan is for another network") \
	E(DATASET_FORMAT,    EBADMSG,	 "damaged or unknown data set") \
	E(PIPELINE_FULL,     EBUSY,	 "all images in flight are taken") \
	E(PIPELINE_EMPTY,    ENOMSG,	 "no image is in flight") \
	E(LAYER_ERROR,	     EDOM,	 "a layer's int8 form is far from fp32") \
	E(UPSTREAM_ERROR,    EDOM,	 "errors of several layers add up")

#define VGG_ERROR_ENUM(name, number, text) VGG_ERROR_##name,
enum vgg_error_code { VGG_ERROR_NONE, VGG_ERRORS(VGG_ERROR_ENUM) };
#undef VGG_ERROR_ENUM

struct vgg_error {
	enum vgg_error_code code;
	const char *name;	/* "MODEL_FORMAT" */
	char where[256];	/* file, layer or device; may be empty */
	char what[512];		/* one sentence */
	char next_step[384];	/* one sentence; may be empty */
};

/* The last error of this thread. Never NULL; valid until the next call into
 * the library. */
const struct vgg_error *vgg_error_last(void);

/*
 * Devices and buffers. A card executes command streams in the format of
 * vggaccel_hw.h; sessions below write them for whole networks.
 */
struct vgg_device;
struct vgg_buffer;

enum vgg_device_kind { VGG_DEVICE_CPU, VGG_DEVICE_SIM, VGG_DEVICE_CARD };

struct vgg_device_options {
	size_t size;
	const char *card;	/* sim: file with a card profile; NULL: default */
	const char *order;	/* sim: "program" (default), "dma-late", "mac-late":
				 * which legal order of the two engines to take */
	const char *inject;	/* sim: fault to provoke, "NAME[,after=N][,count=N]
				 * [,arg=N]"; see vggaccel_hw.h. `after` counts
				 * all jobs; those that upload a session's
				 * weights come first, one per layer and 4 MiB */
	uint32_t timeout_ms;	/* wall-clock limit of a job; 0: 120 s. The clock
				 * of a real card's job starts when the card
				 * does; at most 600 s */
	bool pace;		/* sim: a job ends when the modelled card would
				 * have ended it, so that its work overlaps with
				 * the CPU's in real time. What it computed once
				 * it remembers; the first time takes longer, see
				 * late_jobs of the device's info */
};

/*
 * name: "auto" (the first card that works, else the simulator), "card" (the
 * first card), "cardN" (the N-th, from 0), a PCI address ("0000:01:00.0"), the
 * path of a card's node, "sim" (the simulated card in this process) or "cpu" (no
 * card). If "auto" passes a card over, the device's info has a note that says
 * why. Options marked "sim" make "auto" the simulator. options may be NULL.
 */
int vgg_device_open(const char *name, const struct vgg_device_options *options,
		    struct vgg_device **device);
/* Ends jobs that still run. NULL is allowed. */
void vgg_device_close(struct vgg_device *device);

struct vgg_device_info {
	size_t size;
	enum vgg_device_kind kind;
	const char *kind_name;	/* "sim", "cpu", "card" */
	char name[96];
	uint32_t hw_version, fw_abi;	/* this and below: 0 without a card */
	uint32_t mac_rows, mac_cols;
	uint32_t clock_khz;
	uint32_t local_mib, onchip_kib;
	uint32_t local_mbps, link_mbps;	/* 10^6 bytes per second */
	uint32_t link_gen, link_lanes;
	uint32_t contexts;
	uint64_t local_free;	/* bytes of on-board memory */
	uint64_t jobs, cycles, mac_busy, dma_busy, link_bytes, saturations;
	uint32_t temperature;	/* millidegrees Celsius */
	uint32_t job_cycles, command_cycles; /* the firmware's own cost */
	char note[512];		/* a card that was passed over; "" if none */
	/* Of a real card; "" or 0 where this process may not know. */
	char node[128];		/* "/dev/accel/accel0" */
	char bus[32];		/* PCI address, "0000:01:00.0" */
	char driver[48];	/* the kernel module, "vggaccel 1.0.0" */
	const char *submission;	/* how jobs go in: "io_uring", "ioctl" */
	const char *irq_kind;	/* "msi", "intx", "poll" */
	uint32_t irq;		/* its number in /proc/interrupts */
	uint32_t bus_gen, bus_lanes; /* the PCIe link as trained now */
	uint32_t bus_max_gen, bus_max_lanes; /* what the card could do */
	uint64_t bar_bytes;
	uint32_t queue_depth;	/* jobs that may be under way */
	uint32_t resets;	/* of the card, since the module is loaded */
	bool simulated;		/* a simulator behind a real bus */
	bool coherent;		/* the card sees the CPU's caches */
	/* Of a simulator in this process: */
	bool paced;		/* see `pace` of the device's options */
	uint64_t late_jobs;	/* ended over 0.1 ms later than the modelled card
				 * would have: times of runs with such jobs say
				 * more about this machine than about the card */
	uint64_t late_us;	/* by so much in all */
	uint64_t computed, replayed; /* convolutions and poolings, if paced */
};
int vgg_device_info(struct vgg_device *device, struct vgg_device_info *info);

/* What the CPU brings, whatever the device. -EINVAL: `size` is not set. */
#define VGG_CPU_CLUSTERS_MAX 8
struct vgg_cpu_cluster {
	unsigned int count;	/* CPUs of this shape that the process may use */
	unsigned int capacity;	/* of the biggest = 1024 */
	unsigned int l1d_kib, l2_kib;
	unsigned int l2_sharers; /* CPUs on one L2 cache */
	unsigned int in_order;	/* 1: a small core like Cortex-A53 */
};
struct vgg_cpu_info {
	size_t size;
	const char *kernels;	/* the set that sessions use: "neon", "avx512" */
	char usable[96];	/* all sets this CPU can run, the fastest first */
	unsigned int clusters;	/* the biggest first */
	struct vgg_cpu_cluster cluster[VGG_CPU_CLUSTERS_MAX];
	/* The environment's VGG_DISABLE: what it switches off; names in it that
	 * nothing has; and the names there are. "" if there are none. */
	char disabled[96], unknown[96], names[96];
};
int vgg_cpu_info(struct vgg_cpu_info *info);

enum vgg_buffer_place { VGG_BUFFER_HOST, VGG_BUFFER_LOCAL };

/* `bytes` of zeroed memory that the card can reach, 1..2^36. Owned by the
 * caller, who destroys it before closing the device. */
int vgg_buffer_create(struct vgg_device *device, uint64_t bytes,
		      enum vgg_buffer_place place, struct vgg_buffer **buffer);
/* No job may use it any more. NULL is allowed. */
void vgg_buffer_destroy(struct vgg_buffer *buffer);
/* Its address in command streams. */
uint64_t vgg_buffer_address(const struct vgg_buffer *buffer);
uint64_t vgg_buffer_bytes(const struct vgg_buffer *buffer);
/* The memory, for a HOST buffer; NULL for on-board memory. */
void *vgg_buffer_map(struct vgg_buffer *buffer);

/*
 * What the CPU is about to do (prepare) or has done (finish) with a HOST buffer
 * or a part of it. Where the card doesn't see the CPU's caches, prepare for
 * reading makes visible what jobs have written, finish after writing makes
 * visible to jobs what the CPU has written; without them either side may find
 * old bytes. No job may use that part in between. Bytes that are not written
 * between prepare for writing and finish keep their value only if they are
 * prepared for reading, too.
 */
enum vgg_access { VGG_ACCESS_READ = 1, VGG_ACCESS_WRITE = 2 };
int vgg_buffer_prepare(struct vgg_buffer *buffer, unsigned int access);
int vgg_buffer_finish(struct vgg_buffer *buffer, unsigned int access);
int vgg_buffer_prepare_range(struct vgg_buffer *buffer, unsigned int access,
			     uint64_t offset, uint64_t bytes);
int vgg_buffer_finish_range(struct vgg_buffer *buffer, unsigned int access,
			    uint64_t offset, uint64_t bytes);

struct vgg_job {
	size_t size;
	uint64_t stream;	/* device address, 128-byte aligned */
	uint32_t stream_bytes;
	uint32_t timeout_us;	/* card time; 0: the device's watchdog */
	uint32_t tag;
};

struct vgg_completion {
	size_t size;
	uint32_t status;	/* VGG_STATUS_* of vggaccel_hw.h */
	uint32_t index, tag;	/* of the failing command */
	uint64_t cycles;	/* card time */
	uint32_t saturations;
	uint64_t seen_ns;	/* CLOCK_MONOTONIC, when it was first seen to have
				 * ended: in the simulator by its interrupt, else
				 * by who waited for it */
};

/* Queues a job; *ticket names it for vgg_wait(). The results of the device's last
 * 16384 jobs are kept, whoever submitted them: one that is waited for later than
 * that is no longer known (BAD_ARGUMENT). */
int vgg_submit(struct vgg_device *device, const struct vgg_job *job,
	       uint64_t *ticket);
/* Waits for it. Returns 0 if it succeeded; else the error names the status and
 * the command. completion may be NULL. */
int vgg_wait(struct vgg_device *device, uint64_t ticket,
	     struct vgg_completion *completion);
/* Name and text of a status code of vggaccel_hw.h; never NULL. */
const char *vgg_status_name(uint32_t status);
const char *vgg_status_text(uint32_t status);

/*
 * Images: 8-bit RGB, rows from the top, upright (EXIF orientation applied).
 */
struct vgg_image;
/* JPEG or PNG. */
int vgg_image_load(const char *path, struct vgg_image **image);
/* `rgb` is copied; pitch in bytes from row to row. */
int vgg_image_from_rgb(const uint8_t *rgb, int width, int height, size_t pitch,
		       struct vgg_image **image);
void vgg_image_free(struct vgg_image *image);
int vgg_image_width(const struct vgg_image *image);
int vgg_image_height(const struct vgg_image *image);
const uint8_t *vgg_image_pixels(const struct vgg_image *image);

/*
 * Data sets: images with classes, for calibration and evaluation.
 *
 * spec is "cifar10:PATH" or "stl10:PATH", PATH being the folder that their archives
 * unpack to (cifar-10-batches-bin, stl10_binary), in the original binary formats;
 * or a folder of JPEG and PNG images, either in one subfolder for each class, which
 * is sorted and named like it, or without classes.
 * NO_FILE, FILE_IO; DATASET_FORMAT for what is no such data set.
 */
struct vgg_dataset;
enum vgg_dataset_part { VGG_DATASET_TEST, VGG_DATASET_TRAIN };

int vgg_dataset_open(const char *spec, enum vgg_dataset_part part,
		     struct vgg_dataset **dataset);
void vgg_dataset_free(struct vgg_dataset *dataset);
/* Images. */
size_t vgg_dataset_count(const struct vgg_dataset *dataset);
/* 0 if the images have no classes. */
unsigned int vgg_dataset_classes(const struct vgg_dataset *dataset);
/* Lives as long as the data set; NULL if there is no such class. */
const char *vgg_dataset_class(const struct vgg_dataset *dataset,
			      unsigned int class_);
/* Image i, freed by the caller, and its class; class_ may be NULL. From any
 * thread. */
int vgg_dataset_read(const struct vgg_dataset *dataset, size_t i,
		     struct vgg_image **image, unsigned int *class_);
/* The class alone. */
int vgg_dataset_class_of(const struct vgg_dataset *dataset, size_t i,
			 unsigned int *class_);

/* float32 arrays in NumPy's .npy format (C order, little-endian). */
struct vgg_array {
	int rank;
	int64_t shape[8];
	float *data;		/* owned; free with vgg_array_free() */
};
int vgg_array_load(const char *path, struct vgg_array *array);
int vgg_array_save(const char *path, const struct vgg_array *array);
void vgg_array_free(struct vgg_array *array);

/*
 * Models.
 */
struct vgg_model;

/* Called during long work: `done` of `total` steps of `what`. Returning
 * non-zero stops the work with INTERRUPTED. */
typedef int (*vgg_progress)(void *ctx, const char *what, unsigned int done,
			    unsigned int total);

/* A compiled model, as vgg_model_save() writes it; it is mapped, not copied. */
int vgg_model_load(const char *path, struct vgg_model **model);
/* The small network that the library brings along. */
int vgg_model_load_default(struct vgg_model **model);
void vgg_model_free(struct vgg_model *model);

struct vgg_import_options {
	size_t size;
	const char *arch;	/* for files of weights only, and random ones;
				 * see vgg_arch_name() */
	bool random_weights;	/* ignore path; He-initialised weights */
	uint64_t seed;
	const char *labels;	/* text file, one label a line; NULL: ImageNet's
				 * for 1000 classes, else "class N" */
	const char *name;	/* NULL: from the file's name */
	/* Preprocessing; NULL or 0: as the architecture is usually trained */
	int resize;		/* shorter side, pixels */
	int crop;		/* square; must equal the network's input */
	const char *interpolation; /* "bilinear", "bicubic" */
	const float *mean, *std; /* one per channel, of values in 0..1 */
	vgg_progress progress;
	void *progress_ctx;
	int input_size;		/* of an ONNX file: height and width of its input,
				 * in place of what it says; 0: what it says */
	double epsilon;		/* of BatchNorm, for files of weights that don't say
				 * it; 0: PyTorch's default, or Keras' */
};

/* An ONNX file, or one of weights only (safetensors, torch.save()'s .pth, Keras'
 * .h5), by content. Gives an fp32 network. */
int vgg_model_import(const char *path,
		     const struct vgg_import_options *options,
		     struct vgg_model **model);
/* The i-th architecture `import` knows by name, NULL behind the last. */
const char *vgg_arch_name(unsigned int i);

/*
 * Quantisation: int8 weights with a scale for each output channel, activations with
 * one scale and zero point for each tensor, from what they take on over calibration
 * images; the first and the last layers as well.
 */

/* How the range of an activation is found. */
enum vgg_quantize_method {
	VGG_QUANTIZE_MSE,	/* the least squared error of rounding and clipping */
	VGG_QUANTIZE_MINMAX,	/* the extremes */
	VGG_QUANTIZE_PERCENTILE, /* all but a share at each end */
	VGG_QUANTIZE_ENTROPY,	/* the least divergence of the distributions */
};

struct vgg_quantize_report;

struct vgg_quantize_options {
	size_t size;
	const char *images;	/* calibration images, as for vgg_dataset_open(): of
				 * its training part; NULL: synthetic images with the
				 * statistics of natural ones */
	unsigned int max_images; /* spread evenly over the data set; 0: 64 */
	int threads;		/* 0: all */
	vgg_progress progress;
	void *progress_ctx;
	enum vgg_quantize_method method;
	double percentile;	/* PERCENTILE: 50 to 100; 0: 99.99 */
	/* Both are kept only as far as they bring the network's output nearer to
	 * fp32 on the calibration images; the report tells. */
	bool equalize;		/* channels of neighbouring layers, by powers of
				 * two: fp32 stays the same to the bit */
	bool correct_bias;	/* by the mean error of each output channel */
	struct vgg_quantize_report **report; /* to be made, and freed by the caller;
				 * NULL: none, which takes less time */
};

/* Post-training quantisation, in place of an integer form that is there. A model
 * imported from a quantised graph keeps its scales, and takes no calibration; the
 * report is measured on `images` if they are named.
 * MODEL_PRECISION without floating-point weights, CALIBRATION, DATASET_FORMAT,
 * NO_FILE, INTERRUPTED; errors of vgg_image_load(). After a failure the model may
 * have no integer form any more. */
int vgg_model_quantize(struct vgg_model *model,
		       const struct vgg_quantize_options *options);

/* NULL is allowed. */
void vgg_quantize_report_free(struct vgg_quantize_report *report);

struct vgg_quantize_info {
	size_t size;
	unsigned int images;	/* 0: scales were given, and no images to measure */
	unsigned int distinct;	/* of them; the others are copies */
	bool synthetic;
	unsigned int layers, warnings; /* to ask for, see below */
	/* Over the images, the last integer tensor against fp32: the mean cosine,
	 * and the signal-to-noise ratio in dB (infinite without noise) of */
	double cosine, snr;	/* the network as it is now, */
	double plain_snr;	/* before equalisation, */
	double equalized_snr;	/* after it, */
	double corrected_snr;	/* and after bias correction, if they were tried */
	unsigned int pairs;	/* of layers that equalisation changed, */
	bool equalized;		/* and whether that was kept */
	unsigned int corrected;	/* layers that keep corrected biases */
	bool given;		/* scales, by the imported graph */
};
int vgg_quantize_report_info(const struct vgg_quantize_report *report,
			     struct vgg_quantize_info *info);

/* Of an integer layer, over the calibration images. */
struct vgg_quantize_layer {
	size_t size;
	unsigned int layer;	/* of the model */
	const char *name;	/* lives as long as the model */
	double lo, hi;		/* that int8 represents */
	double min, max;	/* that fp32 takes on */
	float scale;
	int zero;
	double clipped;		/* share of fp32's values beyond the range, 0..1 */
	unsigned int channels, dead; /* dead: never changes */
	double spread;		/* max - min of the tensor by that of its median
				 * channel: of how many parts of the range that one
				 * uses one */
	/* int8 against fp32, as above: of this layer alone, from fp32's input
	 * rounded to int8; and of all layers up to it. */
	double cosine_alone, snr_alone, cosine, snr;
	double clip_cost;	/* squared error of clipping by that of rounding, if
				 * the range had all values */
	unsigned int dead_proved; /* of the dead, those whose weights leave no other
				 * way */
};
int vgg_quantize_report_layer(const struct vgg_quantize_report *report,
			      unsigned int i, struct vgg_quantize_layer *layer);

/*
 * What is likely to cost accuracy. Names:
 * SYNTHETIC_IMAGES, FEW_IMAGES (fewer than 32 different ones), ALIKE_IMAGES,
 * OUT_OF_DOMAIN (far from what mean and deviation of the preprocessing say),
 * DEAD_CHANNELS (by their weights, or on 1,000 different images), SATURATION
 * (clip_cost above 2), UNEQUAL_CHANNELS (equalisation would help),
 * NO_GAIN (equalisation or bias correction made it worse and was taken back),
 * FAR_FROM_FP32 (the output's cosine is below 0.995, or its ratio below 20 dB),
 * SCALES_GIVEN (by the imported graph: options of the quantisation had no effect).
 */
struct vgg_quantize_warning {
	size_t size;
	const char *name;	/* constant */
	char where[128], what[384], next_step[256];
};
int vgg_quantize_report_warning(const struct vgg_quantize_report *report,
				unsigned int i,
				struct vgg_quantize_warning *warning);
/* Which image of the data set's training part was the i-th; BAD_ARGUMENT beyond
 * the last, and for synthetic ones. */
int vgg_quantize_report_image(const struct vgg_quantize_report *report,
			      unsigned int i, size_t *image);

enum vgg_keep { VGG_KEEP_FP32, VGG_KEEP_FP16, VGG_KEEP_NONE };

/* Writes a compiled model; `keep` says which floating-point weights go with the
 * int8 ones. The file appears whole or not at all. */
int vgg_model_save(const struct vgg_model *model, const char *path,
		   enum vgg_keep keep);

struct vgg_model_info {
	size_t size;
	const char *name, *arch, *source; /* live as long as the model */
	int input_channels, input_height, input_width;
	unsigned int classes;	/* elements of the output */
	unsigned int layers;	/* fused layers, see vgg_model_layer() */
	uint64_t macs, parameters;
	bool has_int8, has_fp32;
	int resize, crop;
	const char *interpolation;
	float mean[4], std[4];
	const char *calibration; /* how scales were found */
	uint64_t input_count;	/* elements of the input, whatever its rank */
	float in_scale;		/* of the int8 input; 0 without int8 */
	int in_zero;
	const char *assumed;	/* by import, of what a file of weights doesn't say:
				 * order of the layers, BatchNorm's epsilon; else "" */
};
int vgg_model_info(const struct vgg_model *model, struct vgg_model_info *info);
/* Never NULL for class < classes. */
const char *vgg_model_label(const struct vgg_model *model, unsigned int class_);

/* Of a convolution or a pool; kernel 0: there is none. */
struct vgg_window_info {
	int kernel_h, kernel_w, stride_h, stride_w;
	int pad_top, pad_left, pad_bottom, pad_right;
};

struct vgg_layer_info {
	size_t size;
	const char *name;
	char kind[48];		/* "conv3x3+relu+maxpool2x2" */
	char in[32], out[32];	/* shapes, "3x224x224" */
	uint64_t macs, parameters;
	bool quantized;		/* has an integer form */
	float out_scale;	/* of the int8 output */
	int out_zero;
	const char *cpu_reason;	/* why the card can't run it; NULL if it can */
	const char *op;		/* "conv", "fc", "maxpool", ...; constant */
	struct vgg_window_info window, pool; /* its own; of the max-pool behind it
				 * that is part of it. Padding layers have pads
				 * and no kernel */
	int in_channels, in_height, in_width;	/* height and width 0 where there is
				 * no image */
	int out_channels, out_height, out_width;
	uint64_t in_count, out_count; /* elements */
	/* Bytes of weights and parameters: in fp32, and as they are in int8 (0
	 * without that), the parameters of each channel included. */
	uint64_t fp32_bytes, int8_bytes;
	/* The least and the largest scale of the int8 weights' output channels; 0
	 * without int8 weights. Without fp32 weights they contain the factors of a
	 * BatchNorm behind the layer, which are not told apart then. */
	float weight_scale_min, weight_scale_max;
};
int vgg_model_layer(const struct vgg_model *model, unsigned int layer,
		    struct vgg_layer_info *info);

/*
 * Sessions: a model made ready on a device.
 */
struct vgg_session;

/*
 * Where layers run. AUTO: where the planner expects the least time; on a
 * simulated card that isn't paced, which wins no time, as OFFLOAD. CARD, CPU:
 * all of them there. OFFLOAD: on the card all that it can run and whose weights
 * fit its memory.
 */
enum vgg_split { VGG_SPLIT_AUTO, VGG_SPLIT_CARD, VGG_SPLIT_CPU,
		 VGG_SPLIT_OFFLOAD };
enum vgg_precision { VGG_PRECISION_INT8, VGG_PRECISION_FP32 };

struct vgg_session_options {
	size_t size;
	enum vgg_split split;
	enum vgg_precision precision;
	int threads;		/* 0: all CPUs this process may use */
	vgg_progress progress;
	void *progress_ctx;
	const char *plan;	/* file of vgg_plan_save(), instead of `split`;
				 * int8. PLAN_FORMAT, PLAN_MISMATCH, NO_DEVICE */
	struct vgg_trace *trace; /* records what runs do; NULL: nothing is. It
				 * must outlive the session. BAD_ARGUMENT while
				 * it is another session's */
};

int vgg_session_create(struct vgg_device *device, const struct vgg_model *model,
		       const struct vgg_session_options *options,
		       struct vgg_session **session);
void vgg_session_free(struct vgg_session *session);

struct vgg_result {
	size_t size;
	const float *output;	/* the network's output; valid until the next
				 * run of the session */
	unsigned int count;	/* its elements */
	int rank;
	int64_t shape[8];
	double ms;		/* from preprocessed input to output */
	double preprocess_ms;
	char sha256[65];	/* of the last integer tensor (int8), of the output
				 * (fp32) */
	uint64_t card_cycles;	/* card time, 0 without card */
	uint64_t saturations;	/* values that the card clamped; 0 without card */
};

/* Decodes, preprocesses as the model says, runs. */
int vgg_session_run_file(struct vgg_session *session, const char *path,
			 struct vgg_result *result);
int vgg_session_run_image(struct vgg_session *session,
			  const struct vgg_image *image,
			  struct vgg_result *result);
/* A preprocessed float32 NCHW tensor of `count` finite elements. */
int vgg_session_run_tensor(struct vgg_session *session, const float *input,
			   size_t count, struct vgg_result *result);
/* What preprocessing makes of an image: count = C * H * W floats, NCHW. */
int vgg_session_preprocess(const struct vgg_session *session,
			   const struct vgg_image *image, float *out,
			   size_t count);
/* One line: "13 layers on the card, 3 on the CPU". Lives as long as it. */
const char *vgg_session_placement(const struct vgg_session *session);
/* Where a layer runs and why; *on_card may be NULL. */
const char *vgg_session_layer_reason(const struct vgg_session *session,
				     unsigned int layer, bool *on_card);

/*
 * Pipelines: a stream of images, of which several are in flight at once, so that
 * card and CPU are at work at the same time on different ones. Results come in
 * the order of the inputs and are, to the bit, those of a session.
 *
 *	while ((more inputs || vgg_pipeline_in_flight(p)) && !err) {
 *		if (more inputs && vgg_pipeline_room(p))
 *			err = vgg_pipeline_push_image(p, image);
 *		else
 *			err = vgg_pipeline_pull(p, &result);
 *	}
 *
 * For one caller's thread at a time; the pipeline has threads of its own, and
 * doesn't survive a fork.
 */
struct vgg_pipeline;

/*
 * in_flight: how many images at most; 0: as many as keep all processors busy, up
 * to 16 for each. There may be fewer, down to one, where the card's memory is
 * short of room for their activations, or where a plan has so many jobs that
 * results of some would be lost (see vgg_submit()).
 * Options are a session's, and so are errors. What AUTO means is another thing
 * here: the most images per second, either by stages (the first layers of an
 * image on one processor, while the next ones of the image before are on another)
 * or by whole images on each; the CPU's clusters count as processors, too. A
 * plan's file is for one image; several in flight follow it at the same time. In
 * fp32 there is one in flight.
 */
int vgg_pipeline_create(struct vgg_device *device,
			const struct vgg_model *model,
			const struct vgg_session_options *options,
			unsigned int in_flight, struct vgg_pipeline **pipeline);
/* Waits for what is in flight. NULL is allowed. */
void vgg_pipeline_free(struct vgg_pipeline *pipeline);
/* Whether one more should be pushed now: there may be room on one processor, and
 * yet it is better to wait for another. If not, there is something to pull. */
bool vgg_pipeline_room(struct vgg_pipeline *pipeline);
/* How many have been pushed and not pulled; how many there can be at most. */
unsigned int vgg_pipeline_in_flight(const struct vgg_pipeline *pipeline);
unsigned int vgg_pipeline_capacity(const struct vgg_pipeline *pipeline);
/*
 * The next input, as for sessions: it is preprocessed here, run later, and not
 * needed any more on return. Never waits for an image in flight: PIPELINE_FULL if
 * there is no room. After any error the input counts as not pushed.
 */
int vgg_pipeline_push_file(struct vgg_pipeline *pipeline, const char *path);
int vgg_pipeline_push_image(struct vgg_pipeline *pipeline,
			    const struct vgg_image *image);
int vgg_pipeline_push_tensor(struct vgg_pipeline *pipeline, const float *input,
			     size_t count);
/*
 * The oldest input's result; waits for it. The output is valid until the next
 * push or pull. An error is this image's alone and takes it out of the pipeline,
 * except PIPELINE_EMPTY.
 */
int vgg_pipeline_pull(struct vgg_pipeline *pipeline, struct vgg_result *result);
/* One line: who does what, and the rate that was predicted. Lives as long as
 * it. */
const char *vgg_pipeline_placement(const struct vgg_pipeline *pipeline);
/* For vgg_result_top() and the like; not to be run, nor freed. */
const struct vgg_session *
vgg_pipeline_session(const struct vgg_pipeline *pipeline);

/* A class, and how probable it is. */
struct vgg_top {
	unsigned int class_;
	float probability;
};

/*
 * Evaluation: images first..end-1 of a data set (end 0: to the last) through a
 * pipeline, in order. fn is called for each; what it returns other than 0 ends it
 * with INTERRUPTED. classes[c] is the class of the network that the data set's c
 * stands for; NULL: as by vgg_evaluate_classes(). An image that can't be read ends
 * it with that error; all before it have been told. With skip_unreadable it is told,
 * too, without a result and with its error as the last one, and the next one follows.
 */
struct vgg_evaluated {
	size_t image;
	unsigned int class_;	/* of the network; what the data set says */
	struct vgg_top top[5];	/* what the network says; fewer classes: `count` */
	unsigned int count;
	const struct vgg_result *result; /* NULL: it can't be read */
	const char *placement;	/* as of vgg_pipeline_placement() */
};
typedef int (*vgg_evaluate_fn)(void *ctx, const struct vgg_evaluated *image);

struct vgg_evaluate_options {
	size_t size;
	const struct vgg_session_options *session; /* NULL: defaults */
	unsigned int in_flight;	/* as in vgg_pipeline_create() */
	size_t first, end;
	const unsigned int *classes;
	bool skip_unreadable;
};

int vgg_evaluate(struct vgg_device *device, const struct vgg_model *model,
		 const struct vgg_dataset *dataset,
		 const struct vgg_evaluate_options *options,
		 vgg_evaluate_fn fn, void *ctx);
/*
 * Which of the network's classes each of the data set's is. By name: that of the same
 * one, case aside. By number: that of the same one, if there are as many. AUTO: by
 * name, and by number only if not one name is the same, as where a network has no
 * labels. DATASET_FORMAT if that can't be, which names classes that are missing.
 * by_name may be NULL.
 */
enum vgg_classes { VGG_CLASSES_AUTO, VGG_CLASSES_BY_NAME,
		   VGG_CLASSES_BY_NUMBER };
int vgg_evaluate_classes(const struct vgg_model *model,
			 const struct vgg_dataset *dataset,
			 enum vgg_classes how, unsigned int *classes,
			 bool *by_name);

/* The n classes with the largest outputs, in falling order; BAD_ARGUMENT if
 * there are not so many. If the network doesn't end in a softmax, probabilities
 * are its softmax. */
int vgg_result_top(const struct vgg_session *session,
		   const struct vgg_result *result, struct vgg_top *top,
		   unsigned int n);

/*
 * Verification: the same input through card, CPU int8 and CPU fp32, compared
 * after each layer.
 */
struct vgg_verify_layer {
	size_t size;
	unsigned int layer;
	const char *name;
	bool on_card;		/* the card ran it, and was compared */
	uint64_t elements;
	uint64_t differing;	/* bytes in which card and CPU disagree */
	uint64_t first_differing; /* index (NHWC) of the first one */
	bool has_fp32;		/* the fields below are valid */
	double cosine;		/* int8 against fp32 */
	double max_error;	/* largest |difference|, in the layer's unit */
	double saturated;	/* share of values at the end of the range that
				 * fp32 goes beyond, 0..1 */
};
typedef int (*vgg_verify_fn)(void *ctx, const struct vgg_verify_layer *layer);

/* Calls fn for each int8 layer in order. Returns 0 if all bytes agree,
 * RESULT_MISMATCH if not. `input` as for vgg_session_run_tensor(). */
int vgg_verify(struct vgg_device *device, const struct vgg_model *model,
	       const float *input, size_t count, int threads, vgg_verify_fn fn,
	       void *ctx);

#ifdef __cplusplus
}
#endif

#include "vggaccel_analysis.h"
#include "vggaccel_plan.h"
#include "vggaccel_trace.h"

#endif
