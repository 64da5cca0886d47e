// SPDX-License-Identifier: MIT
/* The text of vggctl eval. */
#include <stdlib.h>

#include "out.h"
#include "text_style.h"
#include "text_tables.h"

static void put_scores(const struct out_eval *e, const char *before,
		       const char *after)
{
	char rate[TEXT_SI];
	struct table t;
	int i;

	table_begin(&t, "<precision|>top-1|>top-5|>images/s|<where");
	for (i = 0; i < 2; i++) {
		const struct eval_score *s = &e->score[i];

		if (!s->there)
			continue;
		table_cell(&t, "%s", precision_names[i]);
		table_cell(&t, "%.2f %%", 100 * s->top1);
		table_cell(&t, "%.2f %%", 100 * s->top5);
		if (s->rate > 0)
			table_cell(&t, "%s", text_rate(s->rate, rate));
		else
			table_cell(&t, "-");
		table_cell(&t, "%s", s->placement);
	}
	table_print(&t, stdout, before, after);
}

static uint32_t images_of(const struct out_eval *e, const uint32_t *matrix,
			  unsigned int class_)
{
	uint32_t sum = 0;
	unsigned int c;

	for (c = 0; c < e->outputs; c++)
		sum += matrix[c * e->outputs + class_];
	return sum;
}

/* The wrong answer that is given most often; -1. */
static int rival(const struct out_eval *e, const uint32_t *matrix,
		 unsigned int class_)
{
	uint32_t most = 0;
	unsigned int c;
	int at = -1;

	for (c = 0; c < e->outputs; c++) {
		uint32_t n = matrix[c * e->outputs + class_];

		if (c == class_ || n <= most)
			continue;
		most = n;
		at = (int)c;
	}
	return at;
}

static void add_right(struct table *t, const struct out_eval *e, int precision,
		      unsigned int class_)
{
	const struct eval_score *s = &e->score[precision];
	uint32_t all;

	if (!s->there) {
		table_cell(t, "-");
		return;
	}
	all = images_of(e, s->matrix, class_);
	table_cell(t, "%.1f %%",
		   100.0 * s->matrix[class_ * e->outputs + class_] / all);
}

static void put_classes(const struct cli *cli, const struct out_eval *e,
			const char *before, const char *after)
{
	const uint32_t *matrix = e->score[e->shown].matrix;
	struct table t;
	unsigned int c;

	table_begin(&t, "<class|>images|>int8|>fp32|<taken for|>times");
	for (c = 0; c < e->outputs; c++) {
		uint32_t all = images_of(e, matrix, c);
		int other = rival(e, matrix, c);

		if (!all)
			continue;
		table_cell(&t, "%s", vgg_model_label(cli->model, c));
		table_cell(&t, "%u", all);
		add_right(&t, e, VGG_PRECISION_INT8, c);
		add_right(&t, e, VGG_PRECISION_FP32, c);
		table_cell(&t, "%s",
			   other < 0 ? "-" :
				       vgg_model_label(cli->model,
						       (unsigned int)other));
		if (other < 0)
			table_cell(&t, "-");
		else
			table_cell(
				&t, "%u",
				matrix[(unsigned int)other * e->outputs + c]);
	}
	table_print(&t, stdout, before, after);
}

/* Numbers for the columns, as names are too long for many. */
static void put_matrix(const struct cli *cli, const struct out_eval *e)
{
	const uint32_t *matrix = e->score[e->shown].matrix;
	unsigned int c, r;

	printf("\nrows: the images' classes; columns: the answers (%s)\n%20s",
	       precision_names[e->shown], "");
	for (c = 0; c < e->outputs; c++)
		printf(" %5u", c);
	putchar('\n');
	for (r = 0; r < e->outputs; r++) {
		char *name = text_valid(vgg_model_label(cli->model, r), true);

		printf("%3u %-16.16s", r, name);
		free(name);
		for (c = 0; c < e->outputs; c++)
			if (matrix[c * e->outputs + r])
				printf(" %5u", matrix[c * e->outputs + r]);
			else
				printf("     .");
		putchar('\n');
	}
}

void text_evaluated(const struct out_eval *e, const struct cli *cli,
		    const char *before, const char *after)
{
	char *data = text_valid(e->data, true);
	const struct eval_score *i8 = &e->score[VGG_PRECISION_INT8];
	const struct eval_score *f32 = &e->score[VGG_PRECISION_FP32];

	printf("%zu images of %s, %s part; classes by %s\n\n", e->images, data,
	       e->part, e->by_name ? "name" : "number");
	free(data);
	put_scores(e, before, after);
	if (i8->there && f32->there)
		printf("\nint8 loses %.2f points of top-1\n",
		       100 * (f32->top1 - i8->top1));
	if (i8->resumed || f32->resumed)
		printf("\n%zu answers of int8 and %zu of fp32 are from an "
		       "earlier run\n",
		       i8->resumed, f32->resumed);
	putchar('\n');
	put_classes(cli, e, before, after);
	if (e->confusion)
		put_matrix(cli, e);
}
