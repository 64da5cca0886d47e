// SPDX-License-Identifier: MIT
/* Results as JSON: one document a call. */
#include <string.h>

#include "json_layers.h"
#include "json_parts.h"

static json_t *error_object(const char *code, const char *where,
			    const char *what, const char *next_step)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "code", text(code), "where",
			 text(where), "what", text(what), "next_step",
			 text(next_step));
}

static json_t *pack_error(const struct vgg_error *e)
{
	return error_object(e->name, e->where, e->what, e->next_step);
}

static void json_error_out(const struct vgg_error *error)
{
	print(json_pack("{s:o}", "error", pack_error(error)));
}

static void json_usage_error(const char *message)
{
	print(json_pack("{s:o}", "error",
			error_object("USAGE", "command line", message,
				     "see vggctl --help")));
}

/*
 * Model and device.
 */
static json_t *floats(const float *values, int n)
{
	json_t *list = json_array();
	int i;

	for (i = 0; i < n; i++)
		json_array_append_new(list, number((double)values[i]));
	return list;
}

json_t *js_model(const struct cli *cli)
{
	const struct vgg_model_info *m = &cli->model_info;

	return json_pack("{s:o, s:o, s:o, s:[i,i,i], s:i, s:i, s:o, s:o, s:b, "
			 "s:b}",
			 "name", text(m->name), "arch", text(m->arch), "source",
			 text(m->source), "input", m->input_channels,
			 m->input_height, m->input_width, "classes",
			 (int)m->classes, "layer_count", (int)m->layers, "macs",
			 integer(m->macs), "parameters", integer(m->parameters),
			 "int8", m->has_int8, "fp32", m->has_fp32);
}

static json_t *with_precision(json_t *model, enum vgg_precision precision)
{
	json_object_set_new(model, "precision",
			    text(precision_names[precision]));
	return model;
}

static json_t *pack_preprocess(const struct vgg_model_info *m)
{
	int n = m->input_channels < 4 ? m->input_channels : 4;

	if (!m->crop)
		return json_null();
	return json_pack("{s:i, s:i, s:o, s:o, s:o}", "resize", m->resize,
			 "crop", m->crop, "interpolation",
			 text(m->interpolation), "mean", floats(m->mean, n),
			 "std", floats(m->std, n));
}

json_t *js_device(const struct cli *cli)
{
	const struct vgg_device_info *d = &cli->device_info;
	json_t *device = json_pack("{s:o, s:o}", "kind", text(d->kind_name),
				   "name", text(d->name));

	if (d->kind == VGG_DEVICE_CARD) {
		json_object_set_new(device, "node", text(d->node));
		json_object_set_new(device, "simulated",
				    json_boolean(d->simulated));
	}
	if (*d->note)
		json_object_set_new(device, "note", text(d->note));
	return device;
}

/* What only a card on a bus has; null where it is not known. */
static void add_bus(json_t *device, const struct vgg_device_info *d)
{
	const struct {
		const char *name;
		uint64_t value;
	} fields[] = {
		{ "irq", d->irq },
		{ "bus_gen", d->bus_gen },
		{ "bus_lanes", d->bus_lanes },
		{ "bus_max_gen", d->bus_max_gen },
		{ "bus_max_lanes", d->bus_max_lanes },
		{ "bar_bytes", d->bar_bytes },
	};
	size_t i;

	json_object_set_new(device, "bus", text(d->bus));
	json_object_set_new(device, "driver", text(d->driver));
	json_object_set_new(device, "submission", text(d->submission));
	json_object_set_new(device, "irq_kind", text(d->irq_kind));
	json_object_set_new(device, "coherent", json_boolean(d->coherent));
	json_object_set_new(device, "queue_depth", integer(d->queue_depth));
	json_object_set_new(device, "resets", integer(d->resets));
	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		json_object_set_new(device, fields[i].name,
				    fields[i].value ? integer(fields[i].value) :
						      json_null());
}

static void add_pace(json_t *device, const struct vgg_device_info *d)
{
	json_object_set_new(device, "late_jobs", integer(d->late_jobs));
	json_object_set_new(device, "late_us", integer(d->late_us));
}

static json_t *pack_capabilities(const struct cli *cli)
{
	const struct vgg_device_info *d = &cli->device_info;
	const struct {
		const char *name;
		uint64_t value;
	} fields[] = {
		{ "hw_version", d->hw_version },
		{ "fw_abi", d->fw_abi },
		{ "mac_rows", d->mac_rows },
		{ "mac_cols", d->mac_cols },
		{ "clock_khz", d->clock_khz },
		{ "local_mib", d->local_mib },
		{ "local_free", d->local_free },
		{ "onchip_kib", d->onchip_kib },
		{ "local_mbps", d->local_mbps },
		{ "link_mbps", d->link_mbps },
		{ "link_gen", d->link_gen },
		{ "link_lanes", d->link_lanes },
		{ "contexts", d->contexts },
		{ "job_cycles", d->job_cycles },
		{ "command_cycles", d->command_cycles },
		{ "temperature", d->temperature },
	};
	json_t *device = js_device(cli);
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		json_object_set_new(device, fields[i].name,
				    integer(fields[i].value));
	if (d->kind == VGG_DEVICE_CARD)
		add_bus(device, d);
	if (d->paced)
		add_pace(device, d);
	return device;
}

static json_t *pack_cpu(void)
{
	struct vgg_cpu_info c = VGG_INIT(c);
	json_t *clusters = json_array();
	unsigned int i;

	if (vgg_cpu_info(&c))
		c.kernels = "";
	for (i = 0; i < c.clusters; i++) {
		const struct vgg_cpu_cluster *k = &c.cluster[i];

		json_array_append_new(
			clusters,
			json_pack("{s:i, s:i, s:i, s:i, s:i, s:b}", "count",
				  (int)k->count, "capacity", (int)k->capacity,
				  "l1d_kib", (int)k->l1d_kib, "l2_kib",
				  (int)k->l2_kib, "l2_sharers",
				  (int)k->l2_sharers, "in_order",
				  (int)k->in_order));
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "kernels", c.kernels, "usable",
			 c.usable, "disabled", c.disabled, "clusters",
			 clusters);
}

/*
 * run
 */
static struct {
	json_t *results, *errors;
	enum vgg_precision precision;
} run;

static void json_run_begin(const struct cli *cli, const struct out_run *r)
{
	(void)cli;
	run.results = json_array();
	run.errors = json_array();
	run.precision = r->precision;
}

static json_t *pack_top(const struct cli *cli, const struct out_result *r)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < r->n_top; i++)
		json_array_append_new(
			list, json_pack("{s:i, s:o, s:o}", "class",
					(int)r->top[i].class_, "label",
					text(vgg_model_label(cli->model,
							     r->top[i].class_)),
					"probability",
					number((double)r->top[i].probability)));
	return list;
}

/* What only the card counts: null where it did not run. */
static json_t *counter(const struct out_result *r, uint64_t value)
{
	return r->result->card_cycles ? integer(value) : json_null();
}

static void json_run_result(const struct cli *cli, const struct out_result *r)
{
	json_t *result = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "file", text(r->file),
		"top", pack_top(cli, r), "ms", number(r->result->ms),
		"preprocess_ms", number(r->result->preprocess_ms),
		"card_cycles", counter(r, r->result->card_cycles),
		"saturations", counter(r, r->result->saturations),
		"output_sha256", text(r->result->sha256));

	json_array_append_new(run.results, result);
}

static void json_run_failed(const struct cli *cli, const char *file,
			    const struct vgg_error *error)
{
	json_t *e = pack_error(error);

	(void)cli;
	json_object_set_new(e, "file", text(file));
	json_array_append_new(run.errors, e);
}

/* "error" is what a program looks for; "errors" tells of each file. */
static json_t *first_error(void)
{
	json_t *e = json_deep_copy(json_array_get(run.errors, 0));

	json_object_del(e, "file");
	return e;
}

static void json_run_end(const struct cli *cli)
{
	json_t *doc = json_object();

	if (json_array_size(run.results)) {
		json_object_set_new(
			doc, "model",
			with_precision(js_model(cli), run.precision));
		json_object_set_new(doc, "device", js_device(cli));
		json_object_set_new(doc, "placement", text(cli_placement(cli)));
		json_object_set(doc, "results", run.results);
	}
	if (json_array_size(run.errors)) {
		json_object_set_new(doc, "error", first_error());
		if (json_array_size(run.results) ||
		    json_array_size(run.errors) > 1)
			json_object_set(doc, "errors", run.errors);
	}
	json_decref(run.results);
	json_decref(run.errors);
	print(doc);
}

/*
 * info, import
 */
static json_t *pack_details(const struct cli *cli)
{
	const struct vgg_model_info *m = &cli->model_info;
	json_t *model = js_model(cli), *labels = json_array();
	unsigned int i;

	json_object_set_new(model, "preprocessing", pack_preprocess(m));
	json_object_set_new(model, "calibration",
			    m->calibration && *m->calibration ?
				    text(m->calibration) :
				    json_null());
	for (i = 0; i < m->classes; i++)
		json_array_append_new(labels,
				      text(vgg_model_label(cli->model, i)));
	json_object_set_new(model, "labels", labels);
	return model;
}

static void json_info(const struct cli *cli, const struct out_info *info)
{
	json_t *model = with_precision(pack_details(cli), info->precision);
	json_t *layers;
	unsigned int i;

	if (info->has_layers) {
		layers = json_array();
		for (i = 0; i < cli->model_info.layers; i++)
			json_array_append_new(
				layers, json_layer(&info->layers[i], true));
		json_object_set_new(model, "layers", layers);
	}
	print(json_pack("{s:o, s:o, s:o, s:o}", "device",
			pack_capabilities(cli), "cpu", pack_cpu(), "model",
			model, "placement", text(cli_placement(cli))));
}

static void json_show(const struct cli *cli, const struct out_show *show)
{
	const struct vgg_model_info *m = &cli->model_info;
	json_t *model = pack_details(cli), *layers = json_array();
	unsigned int i;

	for (i = 0; i < m->layers; i++)
		json_array_append_new(layers, json_shown(&show->layers[i]));
	json_object_set_new(model, "layers", layers);
	if (m->in_scale > 0)
		json_object_set_new(model, "input_scale",
				    number((double)m->in_scale));
	if (m->in_scale > 0)
		json_object_set_new(model, "input_zero",
				    json_integer(m->in_zero));
	print(json_pack("{s:o, s:o}", "model", model, "picture",
			show->file ? text(show->file) : json_null()));
}

static void json_archs(void)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; vgg_arch_name(i); i++)
		json_array_append_new(list, text(vgg_arch_name(i)));
	print(json_pack("{s:o}", "archs", list));
}

static void json_import(const struct cli *cli, const struct out_import *m)
{
	json_t *model = pack_details(cli), *refused = json_array();
	json_t *layers = json_array();
	unsigned int i;

	for (i = 0; i < cli->model_info.layers; i++) {
		const struct vgg_layer_info *l = &m->layers[i].info;

		json_array_append_new(layers, json_layer(&m->layers[i], false));
		if (l->cpu_reason)
			json_array_append_new(refused,
					      json_pack("{s:o, s:o}", "name",
							text(l->name), "reason",
							text(l->cpu_reason)));
	}
	json_object_set_new(model, "assumed",
			    *cli->model_info.assumed ?
				    text(cli->model_info.assumed) :
				    json_null());
	json_object_set_new(model, "layers", layers);
	print(json_pack("{s:o, s:{s:o, s:o}, s:o, s:o}", "model", model,
			"output", "file", text(m->file), "bytes",
			integer(m->bytes), "seconds", number(m->seconds),
			"not_on_card", refused));
}

/*
 * quantize
 */
static json_t *pack_report_layer(const struct vgg_quantize_layer *l,
				 bool measured)
{
	json_t *j =
		json_pack("{s:o, s:o, s:o, s:o, s:i}", "name", text(l->name),
			  "low", number(l->lo), "high", number(l->hi), "scale",
			  number((double)l->scale), "zero", l->zero);

	if (!measured)
		return j;
	json_object_update_new(
		j, json_pack("{s:o, s:o, s:o, s:i, s:i, s:o, s:o, s:o, s:o, "
			     "s:o, s:o, s:i}",
			     "min", number(l->min), "max", number(l->max),
			     "clipped", number(l->clipped), "channels",
			     (int)l->channels, "dead", (int)l->dead, "spread",
			     number(l->spread), "cosine_alone",
			     number(l->cosine_alone), "snr_alone",
			     number(l->snr_alone), "cosine", number(l->cosine),
			     "snr", number(l->snr), "clip_cost",
			     number(l->clip_cost), "dead_proved",
			     (int)l->dead_proved));
	return j;
}

json_t *js_warning(const struct vgg_quantize_warning *w)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "name", text(w->name), "where",
			 text(w->where), "what", text(w->what), "next_step",
			 text(w->next_step));
}

/* r may be NULL, and so may each of the `n` others. */
static json_t *pack_warnings(const struct vgg_quantize_report *r,
			     const struct vgg_quantize_warning *const *more,
			     size_t n)
{
	struct vgg_quantize_warning w = VGG_INIT(w);
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < n; i++)
		if (more[i])
			json_array_append_new(list, js_warning(more[i]));
	for (i = 0; r && !vgg_quantize_report_warning(r, i, &w); i++)
		json_array_append_new(list, js_warning(&w));
	return list;
}

static json_t *pack_accuracy(const struct out_quantize *q)
{
	double n = (double)q->images;

	if (!q->data)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "data",
			 text(q->data), "images", integer(q->images), "fp32",
			 number((double)q->fp32_right / n), "int8",
			 number((double)q->int8_right / n), "drop_points",
			 number(q->drop), "agree", number((double)q->agree / n),
			 "lost", integer(q->lost), "won", integer(q->won));
}

/* Ratios are null where there is no noise, or where nothing was tried. */
static json_t *pack_report(const struct vgg_quantize_report *r)
{
	struct vgg_quantize_info i = VGG_INIT(i);
	struct vgg_quantize_layer l = VGG_INIT(l);
	json_t *layers = json_array();
	unsigned int k;

	vgg_quantize_report_info(r, &i);
	for (k = 0; !vgg_quantize_report_layer(r, k, &l); k++)
		json_array_append_new(layers,
				      pack_report_layer(&l, i.images > 0));
	return json_pack(
		"{s:i, s:i, s:b, s:b, s:o, s:o, s:i, s:b, s:o, s:o, s:i, s:o, "
		"s:o}",
		"images", (int)i.images, "distinct", (int)i.distinct,
		"synthetic", i.synthetic, "given", i.given, "cosine",
		i.images ? number(i.cosine) : json_null(), "snr",
		i.images ? number(i.snr) : json_null(), "pairs", (int)i.pairs,
		"equalized", i.equalized, "plain_snr",
		i.plain_snr != 0 ? number(i.plain_snr) : json_null(),
		"equalized_snr",
		i.equalized_snr != 0 ? number(i.equalized_snr) : json_null(),
		"corrected_layers", (int)i.corrected, "corrected_snr",
		i.corrected_snr != 0 ? number(i.corrected_snr) : json_null(),
		"layers", layers);
}

static void json_quantize(const struct cli *cli, const struct out_quantize *q,
			  const struct vgg_error *error)
{
	json_t *file = json_null(), *doc;

	if (q->file)
		file = json_pack("{s:o, s:o}", "file", text(q->file), "bytes",
				 integer(q->bytes));
	doc = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "model",
			pack_details(cli), "output", file, "seconds",
			q->file ? number(q->seconds) : json_null(), "report",
			pack_report(q->report), "accuracy", pack_accuracy(q),
			"warnings", pack_warnings(q->report, q->warning, 2));
	if (error)
		json_object_set_new(doc, "error", pack_error(error));
	print(doc);
}

/*
 * verify, bench
 */
static void json_verify(const struct cli *cli, const struct out_verify *v,
			const struct vgg_error *error)
{
	json_t *doc =
		json_pack("{s:o, s:o, s:o, s:b, s:o}", "model", js_model(cli),
			  "device", js_device(cli), "input",
			  v->input ? text(v->input) : json_null(), "equal",
			  v->equal, "layers", json_verified(v));

	if (error)
		json_object_set_new(doc, "error", pack_error(error));
	print(doc);
}

static void json_analysis(const struct cli *cli, const struct out_analysis *a)
{
	json_t *findings = json_array(), *doc;
	unsigned int i;

	for (i = 0; i < a->findings; i++)
		json_array_append_new(findings, pack_error(&a->finding[i]));
	doc = json_pack("{s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o}", "model",
			js_model(cli), "device", js_device(cli), "input",
			a->input ? text(a->input) : json_null(), "inputs",
			(int)a->inputs, "min_snr_alone",
			number(a->min_snr_alone), "min_snr", number(a->min_snr),
			"layers", json_analysed(a), "findings", findings);
	if (a->findings)
		json_object_set_new(doc, "error", pack_error(a->finding));
	print(doc);
}

static json_t *pack_steps(const struct out_bench *b)
{
	json_t *list = json_array(), *j;
	unsigned int i;

	for (i = 0; i < b->n_steps; i++) {
		const struct out_step *s = &b->steps[i];

		j = json_pack("{s:o, s:o, s:o, s:o, s:b}", "name",
			      text(s->name), "on", text(s->where), "ms",
			      number(s->ms), "share",
			      number(b->steps_ms > 0 ? s->ms / b->steps_ms : 0),
			      "modelled", s->modelled);
		if (s->cut) {
			json_object_set_new(j, "cut", json_integer(s->cut));
			json_object_set_new(j, "of", json_integer(s->all));
		}
		json_array_append_new(list, j);
	}
	return list;
}

/* Images of a stream differ: those that the CPU took have none. */
static void add_card(json_t *doc, const struct cli *cli,
		     const struct out_bench *b)
{
	uint32_t khz = cli->device_info.clock_khz;
	bool stream = b->in_flight >= 0;

	json_object_set_new(doc, stream ? "card_cycles_mean" : "card_cycles",
			    stream ? number(b->card_cycles) :
				     integer(b->last->card_cycles));
	if (khz)
		json_object_set_new(doc, stream ? "card_ms_mean" : "card_ms",
				    number(b->card_cycles / khz));
}

static void json_bench(const struct cli *cli, const struct out_bench *b)
{
	json_t *ms = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "min",
			       number(b->min), "median", number(b->median),
			       "p90", number(b->p90), "p99", number(b->p99),
			       "mean", number(b->mean), "max", number(b->max));
	json_t *doc = json_pack(
		"{s:o, s:o, s:o, s:i, s:i, s:i, s:o, s:o, s:o}", "model",
		with_precision(js_model(cli), b->precision), "device",
		js_device(cli), "placement", text(cli_placement(cli)),
		"iterations", (int)b->iterations, "warmup", (int)b->warmup,
		"threads", b->threads, "ms", ms, "images_per_second",
		number(b->rate), "output_sha256", text(b->last->sha256));

	add_card(doc, cli, b);
	if (b->in_flight >= 0)
		json_object_set_new(doc, "in_flight",
				    json_integer(b->in_flight));
	if (b->steps)
		json_object_set_new(doc, "layers", pack_steps(b));
	print(doc);
}

static void json_trace(const struct cli *cli, const struct out_trace *t)
{
	const struct vgg_trace_info *i = &t->info;
	json_t *ms = json_pack("{s:o, s:o, s:o, s:o, s:o}", "all",
			       number((double)(i->end - i->begin) / 1e6),
			       "card", number((double)i->card_ns / 1e6), "cpu",
			       number((double)i->cpu_ns / 1e6), "both",
			       number((double)i->both_ns / 1e6), "threads",
			       number((double)i->threads_ns / 1e6));

	json_t *doc = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:i, s:o, s:b}",
		"model", js_model(cli), "device", js_device(cli), "placement",
		text(cli_placement(cli)), "file", text(t->file), "ms", ms,
		"events", integer(i->events), "tracks", (int)i->tracks,
		"images", (int)i->images, "warmup", (int)t->warmup, "dropped",
		integer(i->dropped), "unpaced", i->unpaced);

	json_object_set_new(doc, "jobs", integer(i->jobs));
	json_object_set_new(doc, "late_jobs", integer(i->late_jobs));
	json_object_set_new(doc, "late_ms", number((double)i->late_us / 1e3));
	print(doc);
}

static json_t *pack_score(const struct out_eval *e, const struct eval_score *s)
{
	json_t *matrix = json_array();
	unsigned int row, c;

	for (row = 0; row < e->outputs; row++) {
		json_t *line = json_array();

		for (c = 0; c < e->outputs; c++)
			json_array_append_new(
				line, integer(s->matrix[c * e->outputs + row]));
		json_array_append_new(matrix, line);
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "images",
			 integer(s->images), "top1", number(s->top1), "top5",
			 number(s->top5), "images_per_second",
			 s->rate > 0 ? number(s->rate) : json_null(), "resumed",
			 integer(s->resumed), "placement", text(s->placement),
			 "confusion", matrix);
}

static json_t *pack_unreadable(const struct out_eval *e)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < e->unreadables; i++) {
		const struct eval_unreadable *u = &e->unreadable[i];

		json_array_append_new(
			list, json_pack("{s:o, s:o}", "image",
					integer(u->image), "error",
					u->error.name ? pack_error(&u->error) :
							json_null()));
	}
	return list;
}

static void json_eval(const struct cli *cli, const struct out_eval *e)
{
	json_t *labels = json_array(), *doc;
	unsigned int i;

	for (i = 0; i < e->outputs; i++)
		json_array_append_new(labels,
				      text(vgg_model_label(cli->model, i)));
	doc = json_pack("{s:o, s:o, s:o, s:s, s:o, s:s, s:o}", "model",
			js_model(cli), "device", js_device(cli), "data",
			text(e->data), "part", e->part, "images",
			integer(e->images), "classes_by",
			e->by_name ? "name" : "number", "labels", labels);
	json_object_set_new(doc, "warnings",
			    pack_warnings(NULL, &e->warning, 1));
	json_object_set_new(doc, "partial", json_boolean(e->partial));
	json_object_set_new(doc, "unreadable", pack_unreadable(e));
	for (i = 0; i < 2; i++)
		if (e->score[i].there)
			json_object_set_new(doc, precision_names[i],
					    pack_score(e, &e->score[i]));
	print(doc);
}

const struct out_ops out_json = {
	.run_begin = json_run_begin,
	.run_result = json_run_result,
	.run_failed = json_run_failed,
	.run_end = json_run_end,
	.info = json_info,
	.show = json_show,
	.archs = json_archs,
	.import = json_import,
	.quantize = json_quantize,
	.verify = json_verify,
	.analysis = json_analysis,
	.bench = json_bench,
	.trace = json_trace,
	.plan = js_plan,
	.eval = json_eval,
	.calibrate = js_calibrate,
	.error = json_error_out,
	.usage_error = json_usage_error,
};
