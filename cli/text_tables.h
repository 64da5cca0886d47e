/* SPDX-License-Identifier: MIT */
/* Rows and tables of results. `before` and `after` enclose a head line. */
#ifndef VGGCTL_TEXT_TABLES_H
#define VGGCTL_TEXT_TABLES_H

#include "out.h"
#include "text.h"

/* "layer|on|values|card = CPU|cosine|max error|saturated" */
void text_verified(struct table *t, const struct vgg_verify_layer *layer);
/* card: there is one. */
void text_busy(const struct vgg_trace_info *info, bool card, const char *before,
	       const char *after);
void text_steps(const struct out_bench *bench, const char *before,
		const char *after);
/* out_text.c: "simulated card (profile kintexu)", without an end of line. */
void text_device(const struct cli *cli);
/* text_layers.c: all behind the head. */
void text_analysed(const struct out_analysis *analysis);
/* text_show.c: the table and what it sums up to. */
void text_shown(const struct cli *cli, const struct out_show *show);
/* text_plan.c */
void text_planned(const struct cli *cli, const struct out_plan *plan);
/* text_quantize.c: all behind the head. */
void text_quantized(const struct out_quantize *quantize);
/* text_eval.c */
void text_evaluated(const struct out_eval *eval, const struct cli *cli,
		    const char *before, const char *after);

#endif
