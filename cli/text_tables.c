// SPDX-License-Identifier: MIT
/* See text_tables.h. */
#include "text_tables.h"

static void add_distance(struct table *t, const struct vgg_verify_layer *l)
{
	if (!l->has_fp32) {
		table_cell(t, "-");
		table_cell(t, "-");
		table_cell(t, "-");
		return;
	}
	table_cell(t, "%.6f", l->cosine);
	table_cell(t, "%#.4g", l->max_error);
	table_cell(t, "%.2f %%", l->saturated * 100);
}

static void add_equality(struct table *t, const struct vgg_verify_layer *l)
{
	if (!l->on_card && !l->differing)
		table_cell(t, "-");
	else if (!l->differing)
		table_cell(t, "yes");
	else
		table_cell(t, "NO: %llu differ, first at %llu",
			   (unsigned long long)l->differing,
			   (unsigned long long)l->first_differing);
}

void text_verified(struct table *t, const struct vgg_verify_layer *l)
{
	table_cell(t, "%s", l->name);
	table_cell(t, "%s", l->on_card ? "card" : "CPU");
	table_cell(t, "%llu", (unsigned long long)l->elements);
	add_equality(t, l);
	add_distance(t, l);
}

static void add_busy(struct table *t, const struct vgg_trace_info *i,
		     const char *name, uint64_t ns)
{
	double all = (double)(i->end - i->begin);

	table_cell(t, "%s", name);
	table_cell(t, "%.3f ms", (double)ns / 1e6);
	table_cell(t, "%.1f %%", all > 0 ? 100 * (double)ns / all : 0);
}

void text_busy(const struct vgg_trace_info *i, bool card, const char *before,
	       const char *after)
{
	struct table t;

	table_begin(&t, "<busy|>time|>share");
	if (card) {
		add_busy(&t, i,
			 i->unpaced ? "card, as it is simulated here" : "card",
			 i->card_ns);
		add_busy(&t, i, "card and CPU at once", i->both_ns);
	}
	add_busy(&t, i, "CPU, any thread", i->cpu_ns);
	add_busy(&t, i, "CPU, sum of threads", i->threads_ns);
	table_print(&t, stdout, before, after);
	if (i->dropped)
		printf("\n%zu events had no room: trace fewer inferences\n",
		       i->dropped);
}

static void add_step(struct table *t, const struct out_step *s, double all)
{
	table_cell(t, "%s", s->name);
	if (s->cut)
		table_cell(t, "both: %d of %d %s on the card", s->cut, s->all,
			   s->where);
	else
		table_cell(t, "%s", s->where);
	table_cell(t, "%s%.4f ms", s->modelled ? "~" : "", s->ms);
	table_cell(t, "%.1f %%", all > 0 ? 100 * s->ms / all : 0);
}

void text_steps(const struct out_bench *b, const char *before,
		const char *after)
{
	bool modelled = false;
	struct table t;
	unsigned int i;

	putchar('\n');
	table_begin(&t, "<layer|<on|>median|>share");
	for (i = 0; i < b->n_steps; i++) {
		add_step(&t, &b->steps[i], b->steps_ms);
		modelled |= b->steps[i].modelled;
	}
	table_print(&t, stdout, before, after);
	if (modelled)
		puts("\n~ layers of one job: its time, shared out by the "
		     "card's cycle model");
}
