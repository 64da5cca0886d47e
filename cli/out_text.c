// SPDX-License-Identifier: MIT
/*
 * Results for people: aligned, brief, and plain ASCII where the locale isn't
 * UTF-8.
 */
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "out.h"
#include "text.h"
#include "text_style.h"
#include "text_tables.h"

#define BAR_CELLS 20
#define FILE_CELLS 60 /* longer names push the rest of their line aside */

static bool unicode(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static double card_ms(const struct cli *cli, double cycles)
{
	uint32_t khz = cli->device_info.clock_khz;

	return khz ? cycles / khz : 0;
}

/*
 * run
 */
static struct {
	const struct file_list *files;
	unsigned int shown;
	int width;
	double ms;
	uint64_t cycles;
} run;

static void text_run_begin(const struct cli *cli, const struct out_run *r)
{
	(void)cli;
	memset(&run, 0, sizeof(run));
	run.files = r->files;
}

static void bar(double share)
{
	static const char *const parts[] = { "",  "▏", "▎", "▍",
					     "▌", "▋", "▊", "▉" };
	/* Written so that NaN is nothing. */
	double part = share > 0 ? (share < 1 ? share : 1) : 0;
	int eighths = (int)(part * BAR_CELLS * 8 + 0.5);
	int full = eighths / 8, i;

	fputs(text_on(TEXT_GREEN), stdout);
	if (!unicode())
		full = (int)(part * BAR_CELLS + 0.5);
	for (i = 0; i < full; i++)
		fputs(unicode() ? "█" : "#", stdout);
	if (unicode() && eighths % 8) {
		fputs(parts[eighths % 8], stdout);
		full++;
	}
	printf("%s%*s", text_off(), BAR_CELLS - full, "");
}

static void print_class(const struct cli *cli, const struct vgg_top *top,
			bool best)
{
	printf("  %5.1f %%  ", (double)top->probability * 100);
	bar((double)top->probability);
	printf("  %s", text_on(best ? TEXT_BOLD : TEXT_PLAIN));
	text_put(vgg_model_label(cli->model, top->class_));
	printf("%s\n", text_off());
}

static void print_details(const struct vgg_result *r)
{
	char ms[TEXT_SI];

	printf("  %spreprocessing %s, %llu saturated, sha256 %s%s\n",
	       text_on(TEXT_DIM), text_ms(r->preprocess_ms, ms),
	       (unsigned long long)r->saturations, r->sha256, text_off());
}

/* All that is known of one image. */
static void print_block(const struct cli *cli, const struct out_result *r)
{
	unsigned int i;

	if (run.shown)
		putchar('\n');
	text_put(r->file);
	puts("\n");
	for (i = 0; i < r->n_top; i++)
		print_class(cli, &r->top[i], !i);
	if (cli->verbose)
		print_details(r->result);
}

static int names_width(const struct file_list *files)
{
	unsigned int i;
	int width = 0, w;

	for (i = 0; i < files->count; i++) {
		char *clean = text_valid(files->name[i], true);

		w = text_width(clean);
		free(clean);
		if (w <= FILE_CELLS && w > width)
			width = w;
	}
	return width;
}

static void print_line(const struct cli *cli, const struct out_result *r)
{
	char *file = text_valid(r->file, true);
	int pad;

	if (!run.width)
		run.width = names_width(run.files);
	pad = run.width - text_width(file);
	printf("%s%*s  %5.1f %%  %s", file, pad > 0 ? pad : 0, "",
	       (double)r->top[0].probability * 100, text_on(TEXT_BOLD));
	text_put(vgg_model_label(cli->model, r->top[0].class_));
	printf("%s\n", text_off());
	free(file);
}

static void text_run_result(const struct cli *cli, const struct out_result *r)
{
	if (cli->verbose || run.files->count == 1)
		print_block(cli, r);
	else
		print_line(cli, r);
	run.shown++;
	run.ms += r->result->ms;
	run.cycles += r->result->card_cycles;
	/* Whoever watches sees it before the next one is ready. */
	if (isatty(STDOUT_FILENO))
		fflush(stdout);
}

static void text_run_failed(const struct cli *cli, const char *file,
			    const struct vgg_error *error)
{
	(void)cli;
	(void)file;
	(void)error;
}

static void print_placement(const struct cli *cli)
{
	unsigned int i;
	bool card;

	puts(cli_placement(cli));
	for (i = 0; cli->verbose && i < cli->model_info.layers; i++) {
		struct vgg_layer_info l = VGG_INIT(l);
		const char *why;

		if (vgg_model_layer(cli->model, i, &l))
			continue;
		why = vgg_session_layer_reason(cli->session, i, &card);
		printf("  %s%s on the %s: %s%s\n", text_on(TEXT_DIM), l.name,
		       card ? "card" : "CPU", why, text_off());
	}
}

void text_device(const struct cli *cli)
{
	const struct vgg_device_info *d = &cli->device_info;

	if (d->kind == VGG_DEVICE_SIM)
		printf("simulated card (profile %s)", d->name);
	else if (d->kind == VGG_DEVICE_CARD)
		printf("%scard at %s (%s)", d->simulated ? "simulated " : "",
		       d->name, d->node);
	else
		printf("%s", d->name);
}

static void text_run_end(const struct cli *cli)
{
	char a[TEXT_SI], b[TEXT_SI];

	if (!run.shown)
		return;
	putchar('\n');
	print_placement(cli);
	text_device(cli);
	printf(": ");
	if (run.shown > 1)
		printf("%u images, %s, %s each", run.shown, text_ms(run.ms, a),
		       text_ms(run.ms / run.shown, b));
	else
		printf("%s", text_ms(run.ms, a));
	if (run.cycles && cli->device_info.clock_khz)
		printf("; card time %s",
		       text_ms(card_ms(cli, (double)run.cycles), a));
	putchar('\n');
}

/*
 * info
 */
static void print_memory(const struct vgg_device_info *d)
{
	char a[TEXT_SI], b[TEXT_SI];

	text_pair("memory",
		  "%u MiB on board at %s, %.1f MiB free; %u KiB on chip",
		  d->local_mib, text_si(d->local_mbps * 1e6, "B/s", a),
		  (double)d->local_free / (1 << 20), d->onchip_kib);
	text_pair("link", "PCIe %u.0 x%u, %s", d->link_gen, d->link_lanes,
		  text_si(d->link_mbps * 1e6, "B/s", b));
}

/* "PCIe 1.0 x4 now, 2.0 x4 at most; 64 KiB BAR" */
static void print_bus(const struct vgg_device_info *d)
{
	char link[96] = "link unknown";

	if (d->bus_gen && d->bus_lanes)
		snprintf(link, sizeof(link),
			 "PCIe %u.0 x%u now, %u.0 x%u at "
			 "most",
			 d->bus_gen, d->bus_lanes, d->bus_max_gen,
			 d->bus_max_lanes);
	if (*d->bus)
		text_pair("bus", "%s: %s; BAR of %llu KiB", d->bus, link,
			  (unsigned long long)d->bar_bytes >> 10);
}

static void print_driver(const struct vgg_device_info *d)
{
	const char *kind = d->irq_kind;
	char number[32] = "";

	if (d->irq)
		snprintf(number, sizeof(number), " %u", d->irq);
	text_pair("driver", "%s", d->driver);
	print_bus(d);
	text_pair("interrupts", "%s%s",
		  !strcmp(kind, "msi")	? "MSI" :
		  !strcmp(kind, "intx") ? "INTx" :
		  !strcmp(kind, "poll") ? "none, polling" :
					  "unknown",
		  strcmp(kind, "poll") ? number : "");
	text_pair("jobs", "up to %u under way, by %s; caches are %s",
		  d->queue_depth, d->submission,
		  d->coherent ? "coherent" : "kept up to date");
	if (d->resets)
		text_pair("resets", "%u", d->resets);
}

/* "2 cores (L2 1024 KiB for 2) + 4 in order (L2 512 KiB for 4), neon kernels" */
static void print_cpu(void)
{
	struct vgg_cpu_info c = VGG_INIT(c);
	char text[512];
	size_t at = 0;
	unsigned int i;

	if (vgg_cpu_info(&c))
		return;
	for (i = 0; i < c.clusters && at < sizeof(text); i++) {
		const struct vgg_cpu_cluster *k = &c.cluster[i];

		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "%s%u %s (L2 %u KiB for %u)",
				       i ? " + " : "", k->count,
				       k->in_order   ? "in order" :
				       k->count == 1 ? "core" :
						       "cores",
				       k->l2_kib, k->l2_sharers);
	}
	text_pair("CPU", "%s, %s kernels of %s%s%s", text, c.kernels, c.usable,
		  *c.disabled ? ", without " : "", c.disabled);
}

static void print_capabilities(const struct cli *cli)
{
	const struct vgg_device_info *d = &cli->device_info;
	double macs = (double)d->mac_rows * d->mac_cols * d->clock_khz * 1e3;
	char a[TEXT_SI], b[TEXT_SI];

	printf("%s%-*s%s", text_on(TEXT_DIM), TEXT_NAME_CELLS, "device",
	       text_off());
	text_device(cli);
	putchar('\n');
	print_cpu();
	if (d->kind == VGG_DEVICE_CPU)
		return;
	text_pair("MAC array", "%u x %u at %s: %s", d->mac_rows, d->mac_cols,
		  text_si(d->clock_khz * 1e3, "Hz", a),
		  text_si(macs, "MAC/s", b));
	print_memory(d);
	text_pair("contexts", "%u", d->contexts);
	text_pair("hardware", "%u.%u, firmware ABI %u", d->hw_version >> 16,
		  d->hw_version & 0xffff, d->fw_abi);
	text_pair("temperature", "%.1f C", d->temperature / 1e3);
	if (d->paced)
		text_pair("pace", "as the modelled card; %llu jobs late",
			  (unsigned long long)d->late_jobs);
	if (d->kind == VGG_DEVICE_CARD)
		print_driver(d);
	if (cli->verbose)
		text_pair("counters",
			  "%llu jobs, %llu cycles, %llu saturations",
			  (unsigned long long)d->jobs,
			  (unsigned long long)d->cycles,
			  (unsigned long long)d->saturations);
}

static const char *kinds_of_weights(const struct vgg_model_info *m)
{
	return m->has_int8 ? m->has_fp32 ? "int8 and floating point" : "int8" :
			     "floating point";
}

/* The name is also the architecture's, often enough. */
static void print_network(const struct vgg_model_info *m)
{
	bool arch = *m->arch && strcmp(m->arch, m->name);

	text_pair("network", "%s%s%s%s", m->name, arch ? " (" : "",
		  arch ? m->arch : "", arch ? ")" : "");
	text_pair("source", "%s", *m->source ? m->source : "unknown");
}

static void print_work(const struct vgg_model_info *m)
{
	char a[TEXT_SI], b[TEXT_SI];

	text_pair("input", "%dx%dx%d", m->input_channels, m->input_height,
		  m->input_width);
	text_pair("classes", "%u", m->classes);
	text_pair("work", "%u layers, %s, %s parameters", m->layers,
		  text_si((double)m->macs, "MAC", a),
		  text_si((double)m->parameters, "", b));
	text_pair("weights", "%s", kinds_of_weights(m));
	if (m->has_int8)
		text_pair("calibration", "%s",
			  m->calibration && *m->calibration ? m->calibration :
							      "unknown");
}

static int floats(char *to, size_t size, const float *values, int n)
{
	int i, at = 0;

	for (i = 0; i < n && i < 4 && at < (int)size; i++)
		at += snprintf(to + at, size - (size_t)at, "%s%.4g",
			       i ? " " : "", (double)values[i]);
	return at;
}

static void print_preprocess(const struct vgg_model_info *m)
{
	char mean[64], std[64];

	if (!m->crop) {
		text_pair("images", "none: the network takes arrays (--input)");
		return;
	}
	floats(mean, sizeof(mean), m->mean, m->input_channels);
	floats(std, sizeof(std), m->std, m->input_channels);
	text_pair("images", "resize %d (%s), crop %dx%d, mean %s, std %s",
		  m->resize, m->interpolation, m->crop, m->crop, mean, std);
}

static void print_labels(const struct cli *cli)
{
	unsigned int n = cli->model_info.classes, i;
	size_t size;
	char *list;
	FILE *to = open_memstream(&list, &size);

	if (!to)
		return;
	for (i = 0; i < n && i < 10; i++)
		fprintf(to, "%s%s", i ? ", " : "",
			vgg_model_label(cli->model, i));
	if (i < n)
		fprintf(to, " and %u more", n - i);
	fclose(to);
	text_pair("labels", "%s", list);
	free(list);
}

/* What layers are in themselves is the matter of show. */
static void print_layers(const struct cli *cli, const struct out_layer *layers)
{
	struct table t;
	unsigned int i;

	table_begin(&t, "<layer|<kind|<out|<on|<why");
	for (i = 0; i < cli->model_info.layers; i++) {
		const struct out_layer *l = &layers[i];

		table_cell(&t, "%s", l->info.name);
		table_cell(&t, "%s", l->info.kind);
		table_cell(&t, "%s", l->info.out);
		table_cell(&t, "%s", l->on_card ? "card" : "CPU");
		table_cell(&t, "%s", l->reason);
	}
	table_print(&t, stdout, text_on(TEXT_BOLD), text_off());
}

static void text_info(const struct cli *cli, const struct out_info *info)
{
	print_capabilities(cli);
	putchar('\n');
	if (!info->has_layers)
		text_heading("built-in model");
	print_network(&cli->model_info);
	print_work(&cli->model_info);
	print_preprocess(&cli->model_info);
	print_labels(cli);
	text_pair("placement", "%s", cli_placement(cli));
	if (!info->has_layers)
		return;
	putchar('\n');
	print_layers(cli, info->layers);
}

static void text_show(const struct cli *cli, const struct out_show *s)
{
	print_network(&cli->model_info);
	print_work(&cli->model_info);
	print_preprocess(&cli->model_info);
	print_labels(cli);
	text_shown(cli, s);
}

/*
 * import
 */
static void text_archs(void)
{
	unsigned int i;

	for (i = 0; vgg_arch_name(i); i++)
		puts(vgg_arch_name(i));
}

static void print_refused(const struct cli *cli, const struct out_layer *layers)
{
	const char *name = "not on card";
	unsigned int i;

	if (!cli->model_info.has_int8) {
		text_pair(name, "all layers: there is no integer form");
		return;
	}
	for (i = 0; i < cli->model_info.layers; i++) {
		if (!layers[i].info.cpu_reason)
			continue;
		text_pair(name, "%s: %s", layers[i].info.name,
			  layers[i].info.cpu_reason);
		name = "";
	}
	if (*name)
		text_pair(name, "none: the card can run all layers");
}

static void print_written(const char *file, uint64_t size, double seconds)
{
	char bytes[TEXT_SI];

	if (file)
		text_pair("written", "%s, %s in %.1f s", file,
			  text_si((double)size, "B", bytes), seconds);
	else
		text_pair("written", "nothing");
}

static void text_import(const struct cli *cli, const struct out_import *m)
{
	print_written(m->file, m->bytes, m->seconds);
	print_network(&cli->model_info);
	print_work(&cli->model_info);
	if (*cli->model_info.assumed)
		text_pair("assumed", "%s", cli->model_info.assumed);
	print_preprocess(&cli->model_info);
	print_refused(cli, m->layers);
}

static void text_quantize(const struct cli *cli, const struct out_quantize *q,
			  const struct vgg_error *error)
{
	(void)error;
	print_written(q->file, q->bytes, q->seconds);
	print_network(&cli->model_info);
	text_pair("calibration", "%s", cli->model_info.calibration);
	text_quantized(q);
}

/*
 * verify
 */
static void print_verdict(const struct out_verify *v)
{
	unsigned long long bytes = 0;
	unsigned int card = 0, wrong = 0, i;

	for (i = 0; i < v->count; i++) {
		card += v->layers[i].on_card;
		bytes += v->layers[i].on_card ? v->layers[i].elements : 0;
		wrong += v->layers[i].differing > 0;
	}
	if (wrong)
		printf("%sMISMATCH: card and CPU disagree in %u of %u layers%s"
		       "\n",
		       text_on(TEXT_RED), wrong, v->count, text_off());
	else if (card)
		printf("%sOK: card and CPU agree in all %llu bytes of %u "
		       "layer%s%s\n",
		       text_on(TEXT_GREEN), bytes, card, card == 1 ? "" : "s",
		       text_off());
	else
		puts("OK: nothing ran on a card; int8 was compared with fp32 "
		     "only");
}

static void text_verify(const struct cli *cli, const struct out_verify *v,
			const struct vgg_error *error)
{
	struct table t;
	unsigned int i;

	(void)error;
	text_device(cli);
	printf(": ");
	text_put(cli->model_info.name);
	printf(", ");
	text_put(v->input ? v->input : "made-up input");
	puts("\n");
	table_begin(&t, "<layer|<on|>values|<card = CPU|>cosine|>max error|"
			">saturated");
	for (i = 0; i < v->count; i++)
		text_verified(&t, &v->layers[i]);
	table_print(&t, stdout, text_on(TEXT_BOLD), text_off());
	putchar('\n');
	print_verdict(v);
}

static void text_analysis(const struct cli *cli, const struct out_analysis *a)
{
	text_device(cli);
	printf(": ");
	text_put(cli->model_info.name);
	printf(", ");
	text_put(a->input ? a->input : "made-up input");
	printf(a->inputs == 1 ? "\n\n" : ", %u inputs\n\n", a->inputs);
	text_analysed(a);
}

static void text_calibrate(const struct cli *cli, const struct out_calibrate *o)
{
	const struct vgg_calibrate_info *c = &o->info;
	char kept[48] = "", a[TEXT_SI], b[TEXT_SI];

	(void)cli;
	if (c->kept)
		snprintf(kept, sizeof(kept), ", %u more kept from before",
			 c->kept);
	text_pair("layers", "%u shape%s measured%s", c->shapes,
		  c->shapes == 1 ? "" : "s", kept);
	text_pair("CPU", "%s for the model's, by %d thread%s; the guess was %s",
		  text_ms(c->ms, a), c->threads, c->threads == 1 ? "" : "s",
		  text_ms(c->guessed_ms, b));
	if (c->job_ms > 0)
		text_pair("a job",
			  "%s of this host's time; takes %s from the CPU's own "
			  "work",
			  text_ms(c->job_ms, a), text_ms(c->submit_ms, b));
	if (*c->link)
		text_pair("link", "%s", c->link);
	text_pair("kept in", "%s", c->path);
	if (o->warning)
		text_warned(o->warning->name, 0);
	text_warned_end(o->warning != NULL);
}

/*
 * bench
 */
static void text_bench(const struct cli *cli, const struct out_bench *b)
{
	char a[TEXT_SI], c[TEXT_SI];

	text_heading(cli->model_info.name);
	puts(cli_placement(cli));
	text_device(cli);
	printf(": %s, %u inference%s after %u to warm up\n\n",
	       precision_names[b->precision], b->iterations,
	       b->iterations == 1 ? "" : "s", b->warmup);
	if (b->in_flight >= 0)
		printf("a stream, up to %d in flight; times are from push to "
		       "pull\n\n",
		       b->in_flight);
	text_pair("min", "%s", text_ms(b->min, a));
	text_pair("median", "%s", text_ms(b->median, a));
	text_pair("p90", "%s", text_ms(b->p90, a));
	text_pair("p99", "%s", text_ms(b->p99, a));
	text_pair("max", "%s", text_ms(b->max, a));
	text_pair("mean", "%s", text_ms(b->mean, a));
	text_pair("rate", "%s images/s", text_rate(b->rate, a));
	if (b->card_cycles > 0)
		text_pair("card", "%.0f cycles an image%s: %s at %s",
			  b->card_cycles,
			  b->in_flight < 0 ? "" : ", the mean of all",
			  text_ms(card_ms(cli, b->card_cycles), a),
			  text_si(cli->device_info.clock_khz * 1e3, "Hz", c));
	if (cli->verbose)
		text_pair("sha256", "%s", b->last->sha256);
	if (b->steps)
		text_steps(b, text_on(TEXT_BOLD), text_off());
}

/*
 * trace
 */
static void text_trace(const struct cli *cli, const struct out_trace *t)
{
	char a[TEXT_SI];

	text_heading(cli->model_info.name);
	puts(cli_placement(cli));
	text_device(cli);
	printf(": %u inference%s in %s\n\n", t->info.images,
	       t->info.images == 1 ? "" : "s",
	       text_ms((double)(t->info.end - t->info.begin) / 1e6, a));
	text_busy(&t->info, cli->device_info.kind != VGG_DEVICE_CPU,
		  text_on(TEXT_BOLD), text_off());
	printf("\n%zu events on %u tracks: ", t->info.events, t->info.tracks);
	text_put(t->file);
	putchar('\n');
}

static void text_eval(const struct cli *cli, const struct out_eval *e)
{
	text_heading(cli->model_info.name);
	text_evaluated(e, cli, text_on(TEXT_BOLD), text_off());
}

static void text_error(const struct vgg_error *error)
{
	(void)error;
}

static void text_usage_error(const char *message)
{
	(void)message;
}

const struct out_ops out_text = {
	.run_begin = text_run_begin,
	.run_result = text_run_result,
	.run_failed = text_run_failed,
	.run_end = text_run_end,
	.info = text_info,
	.show = text_show,
	.archs = text_archs,
	.import = text_import,
	.quantize = text_quantize,
	.verify = text_verify,
	.analysis = text_analysis,
	.bench = text_bench,
	.trace = text_trace,
	.plan = text_planned,
	.eval = text_eval,
	.calibrate = text_calibrate,
	.error = text_error,
	.usage_error = text_usage_error,
};
