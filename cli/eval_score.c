// SPDX-License-Identifier: MIT
/* Answers counted. */
#include <stdlib.h>

#include "eval_score.h"

static void count(struct eval_score *s, unsigned int outputs,
		  const struct eval_answers *a)
{
	size_t i, right = 0, in5 = 0, n = (size_t)outputs * outputs;

	s->matrix = cli_alloc(NULL, n * sizeof(*s->matrix));
	for (i = 0; i < n; i++)
		s->matrix[i] = 0;
	for (i = 0; i < a->count; i++) {
		const struct eval_answer *x = &a->answer[i];

		if (x->unreadable)
			continue;
		s->matrix[(size_t)x->top1 * outputs + x->class_]++;
		right += x->top1 == x->class_;
		in5 += x->in_top5;
		s->images++;
	}
	if (!s->images)
		return;
	s->top1 = (double)right / (double)s->images;
	s->top5 = (double)in5 / (double)s->images;
}

static void score(struct eval_score *s, unsigned int outputs,
		  const struct eval_answers *a)
{
	size_t fresh = a->count - a->resumed;

	if (!a->wanted)
		return;
	count(s, outputs, a);
	s->there = s->images != 0;
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
	out->shown = out->score[VGG_PRECISION_INT8].there ? VGG_PRECISION_INT8 :
		     out->score[VGG_PRECISION_FP32].there ? VGG_PRECISION_FP32 :
							    -1;
}

void eval_score_free(struct out_eval *out)
{
	free(out->score[0].matrix);
	free(out->score[1].matrix);
}
