/* SPDX-License-Identifier: MIT */
/* Answers counted, for the output. */
#ifndef VGGCTL_EVAL_SCORE_H
#define VGGCTL_EVAL_SCORE_H

#include "eval.h"
#include "out.h"

/* `outputs` is given. The answers outlive it. */
void eval_score(struct out_eval *out, const struct eval_answers answers[2]);
void eval_score_free(struct out_eval *out);

#endif
