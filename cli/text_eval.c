// SPDX-License-Identifier: MIT
/* The text of vggctl eval. */
#include <stdlib.h>

#include "confusion.h"
#include "out.h"
#include "text_style.h"
#include "text_tables.h"

#define CLASSES_MOST 50 /* beyond, only the worst are told */
#define WORST_CLASSES 20
#define MATRIX_MOST 20 /* classes in a matrix that a terminal has room for */
#define MISTAKES_MOST 30
#define NAME_CELLS 16  /* of a matrix's row */
#define LABEL_CELLS 32 /* of a table's */

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
		/* All of few classes are among five. */
		if (e->outputs > 5)
			table_cell(&t, "%.2f %%", 100 * s->top5);
		else
			table_cell(&t, "-");
		if (s->rate > 0)
			table_cell(&t, "%s", text_rate(s->rate, rate));
		else
			table_cell(&t, "-");
		table_cell(&t, "%s", *s->placement ? s->placement : "-");
	}
	table_print(&t, stdout, before, after);
}

/* Some sets' names are half a sentence. */
static void add_label(struct table *t, const struct cli *cli,
		      unsigned int class_)
{
	char *label =
		text_cut(vgg_model_label(cli->model, class_), LABEL_CELLS);

	table_cell(t, "%s", label);
	free(label);
}

static void add_right(struct table *t, const struct out_eval *e, int precision,
		      unsigned int class_)
{
	const struct eval_score *s = &e->score[precision];
	size_t n = e->outputs;
	uint32_t all = 0;
	size_t c;

	for (c = 0; s->there && c < n; c++)
		all += s->matrix[c * n + class_];
	if (all)
		table_cell(t, "%.1f %%",
			   100.0 * s->matrix[class_ * n + class_] / all);
	else
		table_cell(t, "-");
}

static void add_class(struct table *t, const struct cli *cli,
		      const struct out_eval *e, const struct confusion *c,
		      unsigned int class_)
{
	unsigned int said;

	add_label(t, cli, class_);
	table_cell(t, "%u", c->images[class_]);
	add_right(t, e, VGG_PRECISION_INT8, class_);
	add_right(t, e, VGG_PRECISION_FP32, class_);
	if (!confusion_rival(c, class_, &said)) {
		table_cell(t, "-");
		table_cell(t, "-");
		return;
	}
	add_label(t, cli, said);
	table_cell(t, "%u", c->matrix[(size_t)said * c->outputs + class_]);
}

/* All that there are images of, or those that cost most. */
static void put_classes(const struct cli *cli, const struct out_eval *e,
			const struct confusion *c, const char *before,
			const char *after)
{
	unsigned int *worst = confusion_worst(c), i, n = c->rows;
	bool cut = n > CLASSES_MOST;
	struct table t;

	if (cut) {
		n = WORST_CLASSES;
		printf("the %u classes of %u with most mistakes:\n", n,
		       c->rows);
	}
	table_begin(&t, "<class|>images|>int8|>fp32|<taken for|>times");
	for (i = 0; i < n; i++)
		add_class(&t, cli, e, c, c->row[cut ? worst[i] : i]);
	table_print(&t, stdout, before, after);
	free(worst);
}

/*
 * --confusion
 */
static int digits(uint32_t n)
{
	return n < 10 ? 1 : 1 + digits(n / 10);
}

static void put_count(int width, uint32_t n)
{
	if (n)
		printf(" %*u", width, n);
	else
		printf(" %*s", width, ".");
}

/* Numbers for the columns, as names are too long for many. What is answered of
 * which there are no images has them, too, or is one column together. */
static void put_matrix(const struct cli *cli, const struct confusion *c)
{
	bool rest = c->columns > MATRIX_MOST;
	unsigned int columns = rest ? c->rows : c->columns, i, r;
	int width = digits(c->outputs);

	for (r = 0; r < c->rows; r++)
		if (digits(c->images[c->row[r]]) > width)
			width = digits(c->images[c->row[r]]);
	printf("%*s", NAME_CELLS + 6, "");
	for (i = 0; i < columns; i++)
		printf(" %*u", width, c->column[i]);
	puts(rest ? " others" : "");
	for (r = 0; r < c->rows; r++) {
		const char *label = vgg_model_label(cli->model, c->row[r]);
		char *name = text_cut(label, NAME_CELLS);

		printf("%5u %s%*s", c->row[r], name,
		       NAME_CELLS - text_width(name), "");
		free(name);
		for (i = 0; i < columns; i++)
			put_count(width, confusion_cell(c, r, i));
		if (rest)
			put_count(6, confusion_rest(c, r, columns));
		putchar('\n');
	}
	/* Names of the columns that no row has. */
	for (i = c->rows; i < columns; i++) {
		printf("%5u ", c->column[i]);
		text_put(vgg_model_label(cli->model, c->column[i]));
		puts(": no images");
	}
}

static void put_mistakes(const struct cli *cli, const struct confusion *c,
			 const char *before, const char *after)
{
	size_t i, n = c->mistakes < MISTAKES_MOST ? c->mistakes : MISTAKES_MOST;
	struct table t;

	table_begin(&t, "<class|>images|<taken for|>times|>share");
	for (i = 0; i < n; i++) {
		const struct mistake *m = &c->mistake[i];

		add_label(&t, cli, m->class_);
		table_cell(&t, "%u", m->of);
		add_label(&t, cli, m->said);
		table_cell(&t, "%u", m->times);
		table_cell(&t, "%.1f %%", 100.0 * m->times / m->of);
	}
	table_print(&t, stdout, before, after);
}

static void put_confusion(const struct cli *cli, const struct out_eval *e,
			  const struct confusion *c, const char *before,
			  const char *after)
{
	const char *of = precision_names[e->shown];

	if (c->rows <= MATRIX_MOST) {
		printf("\nrows: the images' classes; columns: the answers "
		       "(%s)\n",
		       of);
		put_matrix(cli, c);
		return;
	}
	printf("\nthe mistakes made most often (%s), %d of %zu; --json has "
	       "all\n",
	       of,
	       c->mistakes < MISTAKES_MOST ? (int)c->mistakes : MISTAKES_MOST,
	       c->mistakes);
	put_mistakes(cli, c, before, after);
}

/*
 * What goes for all.
 */
static void put_partial(const struct out_eval *e)
{
	const char *before = "figures are of ";
	int i;

	printf("%sPARTIAL, interrupted: ", text_on(TEXT_RED));
	for (i = 0; i < 2; i++)
		if (e->score[i].there) {
			printf("%s%zu images in %s", before, e->score[i].images,
			       precision_names[i]);
			before = ", ";
		}
	printf("%s%s\n", e->shown < 0 ? "no image was done" : "", text_off());
}

/* A rate that is the simulator's says nothing of a card's. */
static void put_device(const struct cli *cli, const struct out_eval *e)
{
	const struct vgg_device_info *d = &cli->device_info;
	bool simulated = d->kind == VGG_DEVICE_SIM ||
			 (d->kind == VGG_DEVICE_CARD && d->simulated);

	putchar('\n');
	text_device(cli);
	if (!simulated || e->score[VGG_PRECISION_INT8].rate <= 0)
		putchar('\n');
	else if (cli->pace)
		puts(": images/s are as with the card that it models");
	else
		puts(": images/s are this machine's; --device cpu has the same "
		     "answers sooner");
}

static void put_loss(const struct out_eval *e)
{
	const struct eval_score *i8 = &e->score[VGG_PRECISION_INT8];
	const struct eval_score *f32 = &e->score[VGG_PRECISION_FP32];
	double loss = 100 * (f32->top1 - i8->top1);

	/* Of the same images only. */
	if (!i8->there || !f32->there || i8->images != f32->images)
		return;
	if (loss > 0)
		printf("\nint8 loses %.2f points of top-1\n", loss);
	else if (loss < 0)
		printf("\nint8 gains %.2f points of top-1\n", -loss);
	else
		puts("\nint8 has the same top-1 as fp32");
}

static void put_head(const struct out_eval *e)
{
	char *data = text_valid(e->data, true);

	printf("%zu images of %s, %s part; classes by %s\n", e->images, data,
	       e->part, e->by_name ? "name" : "number");
	free(data);
	if (e->unreadables)
		printf("%zu of them can't be read and %s left out\n",
		       e->unreadables, e->unreadables == 1 ? "is" : "are");
	if (e->partial)
		put_partial(e);
}

static void put_answers(const struct cli *cli, const struct out_eval *e,
			const char *before, const char *after)
{
	const struct eval_score *i8 = &e->score[VGG_PRECISION_INT8];
	const struct eval_score *f32 = &e->score[VGG_PRECISION_FP32];
	struct confusion c;

	putchar('\n');
	put_scores(e, before, after);
	put_device(cli, e);
	put_loss(e);
	if (i8->resumed || f32->resumed)
		printf("\n%zu answers of int8 and %zu of fp32 are from an "
		       "earlier run\n",
		       i8->resumed, f32->resumed);
	putchar('\n');
	confusion_begin(&c, e->score[e->shown].matrix, e->outputs);
	put_classes(cli, e, &c, before, after);
	if (e->confusion)
		put_confusion(cli, e, &c, before, after);
	confusion_end(&c);
}

void text_evaluated(const struct out_eval *e, const struct cli *cli,
		    const char *before, const char *after)
{
	put_head(e);
	if (e->shown >= 0)
		put_answers(cli, e, before, after);
	if (e->warning)
		text_warned(e->warning->name, 0);
	text_warned_end(e->warning != NULL);
}
