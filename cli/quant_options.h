/* SPDX-License-Identifier: MIT */
/* Options of quantisation, which import and quantize have; what both tell. */
#ifndef VGGCTL_QUANT_OPTIONS_H
#define VGGCTL_QUANT_OPTIONS_H

#include "cli.h"
#include "out.h"

enum {
	KEY_CALIB = 0x700,
	KEY_MAX_IMAGES,
	KEY_METHOD,
	KEY_PERCENTILE,
	KEY_EQUALIZE,
	KEY_CORRECT,
	KEY_KEEP,
};

#define OPTIONS_QUANTIZE(group)                                            \
	{ NULL, 0, NULL, 0, "Quantisation:", group },                      \
		{ "calib",                                                 \
		  KEY_CALIB,                                               \
		  "SET",                                                   \
		  0,                                                       \
		  "Images to calibrate with: a folder, cifar10:FOLDER or " \
		  "stl10:FOLDER; default: made-up ones",                   \
		  group },                                                 \
		{ "max-images",                                            \
		  KEY_MAX_IMAGES,                                          \
		  "N",                                                     \
		  0,                                                       \
		  "Take so many of them, spread evenly; default: 64",      \
		  group },                                                 \
		{ "method",                                                \
		  KEY_METHOD,                                              \
		  "KIND",                                                  \
		  0,                                                       \
		  "How ranges of activations are found: mse (default), "   \
		  "minmax, "                                               \
		  "percentile or entropy",                                 \
		  group },                                                 \
		{ "percentile",                                            \
		  KEY_PERCENTILE,                                          \
		  "P",                                                     \
		  0,                                                       \
		  "For --method percentile, 50 to 100; default: 99.99",    \
		  group },                                                 \
		{ "equalize",                                              \
		  KEY_EQUALIZE,                                            \
		  NULL,                                                    \
		  0,                                                       \
		  "Give channels of neighbouring layers equal ranges",     \
		  group },                                                 \
		{ "bias-correction",                                       \
		  KEY_CORRECT,                                             \
		  NULL,                                                    \
		  0,                                                       \
		  "Take back mean errors of output channels",              \
		  group },                                                 \
	{                                                                  \
		"keep", KEY_KEEP, "KIND", 0,                               \
			"Floating-point weights to keep beside the int8 "  \
			"ones: fp32, fp16 "                                \
			"or none; default: fp32",                          \
			group                                              \
	}

extern const char *const method_names[], *const keep_names[];

struct quant_arguments {
	struct vgg_quantize_options o; /* with size and progress */
	const char *given; /* one of these options; NULL: none was */
	enum vgg_keep keep;
};

/* True if the key is one of these. */
bool quant_parse(struct quant_arguments *a, int key, char *arg,
		 struct argp_state *state);
void quant_check(const struct quant_arguments *a, struct argp_state *state);

/* Quantises cli->model; *report is freed by the caller. */
int quant_run(struct cli *cli, struct quant_arguments *a,
	      struct vgg_quantize_report **report);
/* Tells stderr of all warnings; NULL is allowed. */
void quant_warn(const struct vgg_quantize_report *report);

#endif
