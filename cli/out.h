/* SPDX-License-Identifier: MIT */
/*
 * Output: the verbs' data, and the operations that write it to stdout as text
 * or as JSON. Text of results appears as they come; JSON is one document.
 */
#ifndef VGGCTL_OUT_H
#define VGGCTL_OUT_H

#include "cli.h"

struct out_run {
	const struct file_list *files;
	enum vgg_precision precision;
};

struct out_result {
	const char *file;
	const struct vgg_result *result;
	const struct vgg_top *top;
	unsigned int n_top;
};

struct out_layer {
	struct vgg_layer_info info;
	bool on_card;
	const char *reason; /* why it runs there */
};

struct out_info {
	bool has_layers; /* false: a summary is enough */
	const struct out_layer *layers;
	enum vgg_precision precision;
};

struct out_show {
	const struct out_layer *layers;
	const char *file; /* with the picture; NULL: none */
};

struct out_import {
	const char *file;
	uint64_t bytes;
	double seconds;
	const struct out_layer *layers;
};

struct out_quantize {
	const char *file; /* NULL: nothing was written */
	uint64_t bytes;
	double seconds;
	const struct vgg_quantize_report *report;
	/* For --max-drop. */
	const char *data; /* NULL: not asked for */
	size_t images, fp32_right, int8_right, agree;
	size_t lost, won; /* images that are wrong, and right, in int8 only */
	double drop;	  /* percentage points */
	/* Beside the report's: of classes, of the number of images; or NULL. */
	const struct vgg_quantize_warning *warning[2];
};

struct out_verify {
	const char *input; /* file; NULL: the fixed one */
	const struct vgg_verify_layer *layers;
	unsigned int count;
	bool equal;
};

struct out_analysis {
	const char *input;   /* files or data set; NULL: the fixed one */
	unsigned int inputs; /* how many */
	double min_snr_alone, min_snr;
	const struct vgg_analysis_layer *layers;
	unsigned int count;
	const struct vgg_error *finding; /* first comes first */
	unsigned int findings;
};
/* What is wrong with a layer, in a word; "" if nothing. */
const char *analysis_word(enum vgg_error_code wrong);

/* Of a layer, medians over inferences. */
struct out_step {
	const char *name, *where;
	int cut, all; /* rows or channels; 0: whole */
	double ms;
	bool modelled; /* a share of its job's time, by the cycle model */
};

struct out_bench {
	int in_flight;	    /* of a stream; -1: one after the other */
	double rate;	    /* images a second */
	double card_cycles; /* of an image, the mean */
	const struct vgg_result *last; /* of the inferences */
	enum vgg_precision precision;
	unsigned int iterations, warmup;
	int threads;
	double min, median, p90, p99, mean, max; /* ms */
	const struct out_step *steps; /* NULL: not asked for; last, the rest */
	unsigned int n_steps;
	double steps_ms; /* their sum */
};

struct out_trace {
	const char *file;    /* that was written */
	unsigned int warmup; /* inferences before it */
	struct vgg_trace_info info;
};

struct out_calibrate {
	struct vgg_calibrate_info info;
	const struct vgg_quantize_warning *warning; /* NULL: all is well */
};

/* One precision's. */
struct eval_score {
	bool there;
	double top1, top5; /* shares */
	double rate;	   /* images a second; 0: unknown */
	size_t images;	   /* that it answered */
	size_t resumed;	   /* answers of an earlier run */
	const char *placement;
	uint32_t *matrix; /* [said * outputs + true] */
};

/* An image without an answer. */
struct eval_unreadable {
	size_t image;
	struct vgg_error error; /* name NULL: of an earlier run */
};

struct out_eval {
	const char *data, *part;
	size_t images;
	unsigned int outputs;	 /* the network's classes */
	bool by_name, confusion; /* print the matrix */
	bool partial;		 /* interrupted */
	const struct eval_unreadable *unreadable;
	size_t unreadables;
	const struct vgg_quantize_warning *warning; /* NULL: all is well */
	struct eval_score score[2];		    /* by precision */
	int shown; /* whose matrix is the one to show; -1: no answers at all */
};

struct out_plan {
	struct vgg_plan_info info;
	struct vgg_plan_layer_info *planned; /* of all layers */
	struct out_layer *layers;
	const char *saved; /* file; NULL: it was not */
	bool only_planned; /* `auto` runs otherwise on this device */
};

struct out_ops {
	void (*run_begin)(const struct cli *cli, const struct out_run *run);
	void (*run_result)(const struct cli *cli, const struct out_result *r);
	void (*run_failed)(const struct cli *cli, const char *file,
			   const struct vgg_error *error);
	void (*run_end)(const struct cli *cli);
	void (*info)(const struct cli *cli, const struct out_info *info);
	void (*show)(const struct cli *cli, const struct out_show *show);
	void (*archs)(void);
	void (*import)(const struct cli *cli, const struct out_import *import);
	/* error: NULL if all is well */
	void (*quantize)(const struct cli *cli, const struct out_quantize *q,
			 const struct vgg_error *error);
	void (*verify)(const struct cli *cli, const struct out_verify *verify,
		       const struct vgg_error *error);
	void (*analysis)(const struct cli *cli,
			 const struct out_analysis *analysis);
	void (*bench)(const struct cli *cli, const struct out_bench *bench);
	void (*trace)(const struct cli *cli, const struct out_trace *trace);
	void (*plan)(const struct cli *cli, const struct out_plan *plan);
	void (*eval)(const struct cli *cli, const struct out_eval *eval);
	void (*calibrate)(const struct cli *cli, const struct out_calibrate *c);
	/* For programs; people read stderr. */
	void (*error)(const struct vgg_error *error);
	void (*usage_error)(const char *message);
};

extern const struct out_ops out_text, out_json;

#endif
