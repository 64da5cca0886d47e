// SPDX-License-Identifier: MIT
/* The text of vggctl plan. */
#include <stdio.h>
#include <string.h>

#include "text_style.h"
#include "text_tables.h"

static const char *bytes_text(uint64_t bytes, char buffer[TEXT_SI])
{
	return bytes ? text_si((double)bytes, "B", buffer) : "-";
}

static void add_planned(struct table *t, const struct out_layer *l,
			const struct vgg_plan_layer_info *p)
{
	bool works = strcmp(p->where, "none") && strcmp(p->where, "tail");
	char a[TEXT_SI];

	table_cell(t, "%s", l->info.name);
	table_cell(t, "%s", l->info.kind);
	table_cell(t, "%s", l->info.out);
	table_cell(t, "%s",
		   p->cut		     ? "both" :
		   !strcmp(p->where, "card") ? "card" :
		   !strcmp(p->where, "none") ? "-" :
					       "CPU");
	table_cell(t, "%s", bytes_text(p->link_bytes, a));
	table_cell(t, "%s", works ? text_ms(p->ms, a) : "-");
	table_cell(t, "%s", p->reason);
}

static void print_latency(const struct cli *cli, const struct out_plan *plan)
{
	const struct vgg_plan_info *i = &plan->info;
	bool card = i->card_ms >= i->cpu_ms;
	char a[TEXT_SI], b[TEXT_SI], c[TEXT_SI] = "-";

	if (i->all_card_ms > 0)
		text_ms(i->all_card_ms, c);
	text_pair("latency", "%s; all on the card %s, all on the CPU %s",
		  text_ms(i->ms, a), c, text_ms(i->all_cpu_ms, b));
	if (!cli->model_info.layers || i->ms <= 0)
		return;
	text_pair("bottleneck",
		  "the %s, busy %.0f %% of that time (%s %.0f %%); "
		  "slowest layer %s, %s",
		  card ? "card" : "CPU",
		  100 * (card ? i->card_ms : i->cpu_ms) / i->ms,
		  card ? "CPU" : "card",
		  100 * (card ? i->cpu_ms : i->card_ms) / i->ms,
		  plan->layers[i->slowest].info.name,
		  text_ms(plan->planned[i->slowest].ms, a));
}

static void print_memory(const struct vgg_plan_info *i)
{
	char a[TEXT_SI], b[TEXT_SI];

	if (i->on_board)
		text_pair("on board", "%s of weights, room for %s more",
			  text_si((double)i->local_used, "B", a),
			  text_si((double)i->local_free, "B", b));
	else
		text_pair("on board",
			  "nothing: %s of activations don't fit, so they and "
			  "the weights stay in the host's memory",
			  text_si((double)i->activation_bytes, "B", a));
}

static void print_stream(const struct vgg_plan_info *i)
{
	char a[TEXT_SI];

	if (i->bound <= 0)
		return;
	text_pair("stages", "%s images/s: %s", text_rate(i->stages_rate, a),
		  i->stages);
	text_pair("whole images", "%s images/s, each on one processor%s",
		  text_rate(i->images_rate, a),
		  i->images_rate > i->stages_rate ? ": the faster way" : "");
	text_pair("bound",
		  "%s images/s, if all could be shared and nothing moved",
		  text_rate(i->bound, a));
}

void text_planned(const struct cli *cli, const struct out_plan *plan)
{
	const struct vgg_plan_info *i = &plan->info;
	char a[TEXT_SI];
	struct table t;
	unsigned int k;

	table_begin(&t, "<layer|<kind|<out|<on|>moved|>time|<why");
	for (k = 0; k < cli->model_info.layers; k++)
		add_planned(&t, &plan->layers[k], &plan->planned[k]);
	table_print(&t, stdout, text_on(TEXT_BOLD), text_off());
	putchar('\n');
	text_pair("machine", "%s", i->machine);
	text_pair("card", "%s", i->card ? i->card : "none");
	text_pair("placement", "%s", i->summary);
	print_latency(cli, plan);
	if (i->card) {
		print_memory(i);
		text_pair("link", "%s%s; %s",
			  i->link_bytes ? bytes_text(i->link_bytes, a) :
					  "nothing crosses it",
			  i->link_bytes ? " an image" : "", i->link);
	}
	print_stream(i);
	if (plan->saved)
		text_pair("saved", "%s", plan->saved);
	if (i->guessed)
		puts("\nTimes of the CPU are guessed from what it can do, not "
		     "measured.");
	if (plan->only_planned)
		puts("\nThis simulated card isn't paced and wins no time: "
		     "without --pace or --split\nFILE, other verbs let it "
		     "compute all that it can.");
}
