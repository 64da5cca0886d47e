// SPDX-License-Identifier: MIT
/* The text of vggctl quantize. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "text_style.h"
#include "text_tables.h"

static void add_ratio(struct table *t, double db)
{
	if (isinf(db))
		table_cell(t, "exact");
	else
		table_cell(t, "%.1f dB", db);
}

static void add_layer(struct table *t, const struct vgg_quantize_layer *l,
		      bool measured)
{
	int i;

	table_cell(t, "%s", l->name);
	table_cell(t, "%.3g..%.3g", l->lo, l->hi);
	table_cell(t, "%d", l->zero);
	for (i = 0; !measured && i < 8; i++)
		table_cell(t, "-");
	if (!measured)
		return;
	table_cell(t, "%.3g..%.3g", l->min, l->max);
	table_cell(t, "%.2f %%", 100 * l->clipped);
	table_cell(t, "%u of %u", l->dead, l->channels);
	table_cell(t, "%.1f", l->spread);
	table_cell(t, "%.6f", l->cosine_alone);
	add_ratio(t, l->snr_alone);
	table_cell(t, "%.6f", l->cosine);
	add_ratio(t, l->snr);
}

static void put_layers(const struct vgg_quantize_report *r,
		       const struct vgg_quantize_info *info)
{
	struct vgg_quantize_layer l = VGG_INIT(l);
	struct table t;
	unsigned int i;

	table_begin(&t, "<layer|>int8|>zero|>fp32|>clipped|>dead|>spread|"
			">alone: cosine|>SNR|>up to here: cosine|>SNR");
	for (i = 0; !vgg_quantize_report_layer(r, i, &l); i++)
		add_layer(&t, &l, info->images > 0);
	table_print(&t, stdout, text_on(TEXT_BOLD), text_off());
}

static const char *ratio(double db, char text[32])
{
	if (isinf(db))
		snprintf(text, 32, "exact");
	else
		snprintf(text, 32, "%.1f dB", db);
	return text;
}

static void put_steps(const struct vgg_quantize_info *i)
{
	char plain[32], then[32];

	if (i->equalized_snr != 0)
		text_pair("equalised",
			  "%u pair%s of layers, output %s, then %s%s", i->pairs,
			  i->pairs == 1 ? "" : "s", ratio(i->plain_snr, plain),
			  ratio(i->equalized_snr, then),
			  i->equalized ? "" : "; taken back");
	if (i->corrected_snr != 0)
		text_pair("corrected",
			  "biases of %u layer%s, output %s, then %s",
			  i->corrected, i->corrected == 1 ? "" : "s",
			  ratio(i->equalized ? i->equalized_snr : i->plain_snr,
				plain),
			  ratio(i->corrected_snr, then));
	if (i->images)
		text_pair("output", "cosine %.6f, SNR %s", i->cosine,
			  ratio(i->snr, plain));
	else
		text_pair("output", "not measured: name images with --calib");
}

static void put_warnings(const struct out_quantize *q)
{
	struct vgg_quantize_warning w = VGG_INIT(w);
	unsigned int i, n = 0;

	for (i = 0; i < 2; i++)
		if (q->warning[i])
			text_warned(q->warning[i]->name, n++);
	for (i = 0; !vgg_quantize_report_warning(q->report, i, &w); i++)
		text_warned(w.name, n++);
	text_warned_end(n);
}

static void put_accuracy(const struct out_quantize *q)
{
	double n = (double)q->images;

	if (!q->data)
		return;
	text_pair("top-1",
		  "fp32 %.2f %%, int8 %.2f %% (%+.2f points) of %zu images",
		  100 * (double)q->fp32_right / n,
		  100 * (double)q->int8_right / n, q->drop != 0 ? -q->drop : 0,
		  q->images);
	text_pair("same answer",
		  "%.2f %%; from right to wrong: %zu, from wrong to right: %zu",
		  100 * (double)q->agree / n, q->lost, q->won);
}

void text_quantized(const struct out_quantize *q)
{
	struct vgg_quantize_info i = VGG_INIT(i);

	vgg_quantize_report_info(q->report, &i);
	put_steps(&i);
	put_accuracy(q);
	putchar('\n');
	put_layers(q->report, &i);
	put_warnings(q);
}
