// SPDX-License-Identifier: MIT
/* The table of vggctl verify --layers. */
#include <math.h>

#include "text_style.h"
#include "text_tables.h"

static void add_nearness(struct table *t, const struct vgg_nearness *n,
			 bool known)
{
	if (!known) {
		table_cell(t, "-");
		table_cell(t, "-");
		table_cell(t, "-");
		return;
	}
	table_cell(t, "%.6f", n->cosine);
	if (isinf(n->snr))
		table_cell(t, "exact");
	else
		table_cell(t, "%.1f dB", n->snr);
	table_cell(t, "%.2f", n->max_steps);
}

/* "=": the same bytes as the CPU's, so the same figures. */
static void add_card(struct table *t, const struct vgg_analysis_layer *l,
		     const struct vgg_nearness *card, uint64_t differing)
{
	if (!differing)
		table_cell(t, "%s", l->on_card ? "=" : "-");
	else if (!l->has_fp32)
		table_cell(t, "%llu differ", (unsigned long long)differing);
	else
		table_cell(t, "%.1f dB, %llu differ", card->snr,
			   (unsigned long long)differing);
}

const char *analysis_word(enum vgg_error_code wrong)
{
	return wrong == VGG_ERROR_RESULT_MISMATCH ? "card differs" :
	       wrong == VGG_ERROR_LAYER_ERROR	  ? "alone" :
	       wrong == VGG_ERROR_UPSTREAM_ERROR  ? "from before" :
						    "";
}

static void add_layer(struct table *t, const struct vgg_analysis_layer *l)
{
	table_cell(t, "%s", l->name);
	add_nearness(t, &l->alone, l->has_fp32);
	add_card(t, l, &l->card_alone, l->differing_alone);
	add_nearness(t, &l->upto, l->has_fp32);
	add_card(t, l, &l->card_upto, l->differing);
	table_cell(t, "%s", l->wrong ? analysis_word(l->wrong) : "no");
}

static void put_layers(const struct out_analysis *a)
{
	struct table t;
	unsigned int i;

	table_begin(&t, "<layer|>alone: cosine|>SNR|>steps|<card|"
			">up to here: cosine|>SNR|>steps|<card|<wrong");
	for (i = 0; i < a->count; i++)
		add_layer(&t, &a->layers[i]);
	table_print(&t, stdout, text_on(TEXT_BOLD), text_off());
}

static void put_equality(const struct out_analysis *a)
{
	unsigned long long bytes = 0;
	unsigned int card = 0, i;

	for (i = 0; i < a->count; i++) {
		card += a->layers[i].on_card;
		bytes += a->layers[i].on_card ? a->layers[i].elements : 0;
	}
	if (card)
		printf("; card and CPU agree in all %llu bytes", bytes);
}

static void put_verdict(const struct out_analysis *a)
{
	if (a->findings) {
		printf("%sWRONG, first in ", text_on(TEXT_RED));
		text_put(a->finding[0].where);
		printf(" (%s)%s\n", a->finding[0].name, text_off());
		return;
	}
	printf("%sOK: ", text_on(TEXT_GREEN));
	if (a->count && a->layers[0].has_fp32)
		printf("no layer below %.3g dB alone, or %.3g dB with those "
		       "before it",
		       a->min_snr_alone, a->min_snr);
	else
		printf("without fp32 weights there is no accuracy to tell");
	put_equality(a);
	printf("%s\n", text_off());
}

void text_analysed(const struct out_analysis *a)
{
	put_layers(a);
	putchar('\n');
	put_verdict(a);
}
