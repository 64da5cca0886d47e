// SPDX-License-Identifier: MIT
/* See json_layers.h. */
#include "json_layers.h"
#include "json_parts.h"

json_t *json_layer(const struct out_layer *l, bool placed)
{
	json_t *j = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "name",
			      text(l->info.name), "kind", text(l->info.kind),
			      "in", text(l->info.in), "out", text(l->info.out),
			      "macs", integer(l->info.macs), "parameters",
			      integer(l->info.parameters), "quantized",
			      l->info.quantized);

	if (l->info.quantized) {
		json_object_set_new(j, "scale",
				    number((double)l->info.out_scale));
		json_object_set_new(j, "zero", json_integer(l->info.out_zero));
	}
	if (placed) {
		json_object_set_new(j, "on", text(l->on_card ? "card" : "cpu"));
		json_object_set_new(j, "reason", text(l->reason));
	}
	return j;
}

static json_t *pack_window(const struct vgg_window_info *w)
{
	return json_pack("{s:[i,i], s:[i,i], s:[i,i,i,i]}", "kernel",
			 w->kernel_h, w->kernel_w, "stride", w->stride_h,
			 w->stride_w, "pad", w->pad_top, w->pad_left,
			 w->pad_bottom, w->pad_right);
}

json_t *json_shown(const struct out_layer *layer)
{
	const struct vgg_layer_info *l = &layer->info;
	bool pads = l->window.pad_top || l->window.pad_left ||
		    l->window.pad_bottom || l->window.pad_right;
	json_t *j = json_layer(layer, false);

	json_object_set_new(j, "op", text(l->op));
	json_object_set_new(j, "window",
			    l->window.kernel_h || pads ?
				    pack_window(&l->window) :
				    json_null());
	json_object_set_new(j, "pool",
			    l->pool.kernel_h ? pack_window(&l->pool) :
					       json_null());
	if (l->weight_scale_max > 0)
		json_object_set_new(
			j, "weight_scales",
			json_pack("[o,o]", number((double)l->weight_scale_min),
				  number((double)l->weight_scale_max)));
	json_object_set_new(j, "int8_bytes", integer(l->int8_bytes));
	json_object_set_new(j, "fp32_bytes", integer(l->fp32_bytes));
	json_object_set_new(j, "out_elements", integer(l->out_count));
	return j;
}

static json_t *pack_verified(const struct vgg_verify_layer *l)
{
	json_t *j = json_pack("{s:o, s:o, s:o}", "name", text(l->name), "on",
			      text(l->on_card ? "card" : "cpu"), "elements",
			      integer(l->elements));

	if (l->on_card)
		json_object_set_new(j, "equal", json_boolean(!l->differing));
	else /* nothing to compare */
		json_object_set_new(j, "equal", json_null());
	json_object_set_new(j, "differing", integer(l->differing));
	if (l->differing)
		json_object_set_new(j, "first_differing",
				    integer(l->first_differing));
	if (!l->has_fp32)
		return j;
	json_object_set_new(j, "cosine", number(l->cosine));
	json_object_set_new(j, "max_error", number(l->max_error));
	json_object_set_new(j, "saturated", number(l->saturated));
	return j;
}

json_t *json_verified(const struct out_verify *v)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < v->count; i++)
		json_array_append_new(list, pack_verified(&v->layers[i]));
	return list;
}

static json_t *pack_nearness(const struct vgg_nearness *n)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "cosine", number(n->cosine),
			 "snr", number(n->snr), "max_error",
			 number(n->max_error), "max_steps",
			 number(n->max_steps));
}

/* One family of figures: alone, or up to here. */
static json_t *pack_family(const struct vgg_analysis_layer *l,
			   const struct vgg_nearness *cpu,
			   const struct vgg_nearness *card, uint64_t differing,
			   uint64_t first)
{
	json_t *j = json_object();

	json_object_set_new(j, "cpu",
			    l->has_fp32 ? pack_nearness(cpu) : json_null());
	json_object_set_new(j, "card",
			    l->has_fp32 && l->on_card ? pack_nearness(card) :
							json_null());
	json_object_set_new(j, "equal",
			    l->on_card || differing ? json_boolean(!differing) :
						      json_null());
	json_object_set_new(j, "differing", integer(differing));
	if (differing)
		json_object_set_new(j, "first_differing", integer(first));
	return j;
}

static json_t *pack_analysed(const struct vgg_analysis_layer *l)
{
	json_t *j = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o}", "name", text(l->name), "on",
		text(l->on_card ? "card" : "cpu"), "elements",
		integer(l->elements), "alone",
		pack_family(l, &l->alone, &l->card_alone, l->differing_alone,
			    l->first_alone),
		"upto",
		pack_family(l, &l->upto, &l->card_upto, l->differing, l->first),
		"wrong",
		l->wrong ? text(analysis_word(l->wrong)) : json_null());

	if (!l->has_fp32)
		return j;
	json_object_update_new(
		j, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o}",
			     "rounded_snr", number(l->rounded_snr), "clipped",
			     number(l->clipped), "min", number(l->min), "max",
			     number(l->max), "low", number(l->lo), "high",
			     number(l->hi), "gain", number(l->gain),
			     "worst_channel", (int)l->worst_channel,
			     "worst_share", number(l->worst_share)));
	return j;
}

json_t *json_analysed(const struct out_analysis *a)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < a->count; i++)
		json_array_append_new(list, pack_analysed(&a->layers[i]));
	return list;
}
