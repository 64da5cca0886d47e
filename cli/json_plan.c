// SPDX-License-Identifier: MIT
/* The JSON of vggctl plan and calibrate. */
#include "json_parts.h"

static json_t *pack_planned(const struct out_layer *l,
			    const struct vgg_plan_layer_info *p)
{
	json_t *j = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
		text(l->info.name), "kind", text(l->info.kind), "out",
		text(l->info.out), "on", text(p->where), "ms", number(p->ms),
		"card_ms", number(p->card_ms), "cpu_ms", number(p->cpu_ms),
		"gather_ms", number(p->gather_ms), "link_bytes",
		integer(p->link_bytes), "why", text(p->reason));

	json_object_set_new(j, "streamed", json_boolean(p->streamed));
	if (p->cut) {
		json_object_set_new(j, "cut", json_integer(p->cut));
		json_object_set_new(j, "of", json_integer(p->all));
	}
	return j;
}

static json_t *pack_stream(const struct vgg_plan_info *i)
{
	if (i->bound <= 0)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "stages_per_second",
			 number(i->stages_rate), "stages", text(i->stages),
			 "whole_images_per_second", number(i->images_rate),
			 "bound_per_second", number(i->bound));
}

static json_t *pack_link(uint32_t from_host, uint32_t to_host,
			 const char *source)
{
	return json_pack("{s:i, s:i, s:s}", "from_host_mbps", (int)from_host,
			 "to_host_mbps", (int)to_host, "source", source);
}

void js_calibrate(const struct cli *cli, const struct out_calibrate *o)
{
	const struct vgg_calibrate_info *c = &o->info;
	json_t *warnings = json_array();
	json_t *doc =
		json_pack("{s:o, s:i, s:o}", "model", js_model(cli), "shapes",
			  (int)c->shapes, "file", text(c->path));

	json_object_set_new(doc, "kept", integer(c->kept));
	json_object_set_new(doc, "threads", json_integer(c->threads));
	json_object_set_new(doc, "ms", number(c->ms));
	json_object_set_new(doc, "guessed_ms", number(c->guessed_ms));
	json_object_set_new(doc, "job_ms",
			    c->job_ms > 0 ? number(c->job_ms) : json_null());
	json_object_set_new(doc, "submit_ms",
			    c->job_ms > 0 ? number(c->submit_ms) : json_null());
	if (c->from_host_mbps)
		json_object_set_new(doc, "link",
				    pack_link(c->from_host_mbps,
					      c->to_host_mbps, "measured"));
	else
		json_object_set_new(doc, "link", json_null());
	json_object_set_new(doc, "link_text", text(c->link));
	if (o->warning)
		json_array_append_new(warnings, js_warning(o->warning));
	json_object_set_new(doc, "warnings", warnings);
	print(doc);
}

void js_plan(const struct cli *cli, const struct out_plan *plan)
{
	const struct vgg_plan_info *i = &plan->info;
	json_t *layers = json_array(), *doc;
	unsigned int k;

	for (k = 0; k < cli->model_info.layers; k++)
		json_array_append_new(layers, pack_planned(&plan->layers[k],
							   &plan->planned[k]));
	doc = json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "model",
			js_model(cli), "device", js_device(cli), "machine",
			text(i->machine), "card",
			i->card ? text(i->card) : json_null(), "placement",
			text(i->summary), "guessed", i->guessed);
	json_object_set_new(doc, "ms", number(i->ms));
	json_object_set_new(doc, "card_ms", number(i->card_ms));
	json_object_set_new(doc, "cpu_ms", number(i->cpu_ms));
	json_object_set_new(doc, "all_card_ms",
			    i->all_card_ms > 0 ? number(i->all_card_ms) :
						 json_null());
	json_object_set_new(doc, "all_cpu_ms", number(i->all_cpu_ms));
	json_object_set_new(doc, "slowest",
			    text(plan->layers[i->slowest].info.name));
	json_object_set_new(doc, "link_bytes", integer(i->link_bytes));
	json_object_set_new(doc, "link",
			    i->card ?
				    pack_link(i->from_host_mbps,
					      i->to_host_mbps, i->link_source) :
				    json_null());
	json_object_set_new(doc, "local_used", integer(i->local_used));
	json_object_set_new(doc, "local_free", integer(i->local_free));
	json_object_set_new(doc, "activation_bytes",
			    integer(i->activation_bytes));
	json_object_set_new(doc, "on_board", json_boolean(i->on_board));
	json_object_set_new(doc, "stream", pack_stream(i));
	json_object_set_new(doc, "layers", layers);
	if (plan->saved)
		json_object_set_new(doc, "saved", text(plan->saved));
	print(doc);
}
