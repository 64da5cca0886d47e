// SPDX-License-Identifier: MIT
/* Answers counted. */
#include <stdlib.h>

#include "eval_score.h"

static void score(struct eval_score *s, unsigned int outputs,
		  const struct eval_answers *a)
{
	size_t i, right = 0, in5 = 0, fresh = a->count - a->resumed;

	s->there = a->wanted;
	if (!a->wanted)
		return;
	s->matrix =
		cli_alloc(NULL, (size_t)outputs * outputs * sizeof(*s->matrix));
	for (i = 0; i < (size_t)outputs * outputs; i++)
		s->matrix[i] = 0;
	for (i = 0; i < a->count; i++) {
		const struct eval_answer *x = &a->answer[i];

		s->matrix[x->top1 * outputs + x->class_]++;
		right += x->top1 == x->class_;
		in5 += x->in_top5;
	}
	s->top1 = a->count ? (double)right / (double)a->count : 0;
	s->top5 = a->count ? (double)in5 / (double)a->count : 0;
	s->rate = fresh > 1 && a->seconds > 0 ?
			  (double)(fresh - 1) / a->seconds :
			  0;
	s->resumed = a->resumed;
	s->placement = a->placement;
}

void eval_score(struct out_eval *out, const struct eval_answers answers[2])
{
	int i;

	for (i = 0; i < 2; i++)
		score(&out->score[i], out->outputs, &answers[i]);
	out->shown = answers[VGG_PRECISION_INT8].wanted ? VGG_PRECISION_INT8 :
							  VGG_PRECISION_FP32;
}

void eval_score_free(struct out_eval *out)
{
	free(out->score[0].matrix);
	free(out->score[1].matrix);
}
