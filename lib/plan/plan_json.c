// SPDX-License-Identifier: MIT
/* See plan_json.h. */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/cost.h"
#include "plan/plan_json.h"
#include "util/error.h"
#include "util/file.h"

static const char *const where_names[] = {
	[VGG_ON_CPU] = "cpu",
	[VGG_ON_CARD] = "card",
	[VGG_BY_ROWS] = "rows",
	[VGG_BY_CHANNELS] = "channels",
};
static const char free_name[] = "none";

const char *vgg_where_name(const struct vgg_plan_layer *p)
{
	return p->free ? free_name : where_names[p->where];
}

static bool is_cut(const struct vgg_plan_layer *p)
{
	return p->where == VGG_BY_ROWS || p->where == VGG_BY_CHANNELS;
}

/*
 * Writing.
 */
static json_t *pack_layer(const struct vgg_plan_layer *p,
			  const struct vgg_layer *l)
{
	char out[64];
	json_t *j = json_pack("{s:s, s:s, s:s}", "name", l->name, "out",
			      vgg_shape_text(&l->out, out, sizeof(out)), "on",
			      vgg_where_name(p));

	if (!j)
		return NULL;
	if (is_cut(p))
		json_object_set_new(j, "cut", json_integer(p->cut));
	if (p->streamed)
		json_object_set_new(j, "streamed", json_true());
	if (p->ms > 0)
		json_object_set_new(j, "ms", json_real(p->ms));
	json_object_set_new(j, "why", json_string(p->reason));
	return j;
}

static json_t *pack_plan(const struct vgg_plan *plan, const struct vgg_model *m)
{
	json_t *layers = json_array(), *j;
	unsigned int i;

	for (i = 0; i < plan->count; i++)
		json_array_append_new(
			layers, pack_layer(&plan->layers[i], &m->layers[i]));
	j = json_pack("{s:s, s:i, s:s}", "$schema", VGG_PLAN_SCHEMA,
		      "vggaccel_plan", VGG_PLAN_VERSION, "network",
		      m->name ? m->name : "");
	if (plan->ms > 0) {
		json_object_set_new(j, "ms", json_real(plan->ms));
		json_object_set_new(j, "guessed", json_boolean(plan->guessed));
	}
	json_object_set_new(j, "layers", layers);
	return j;
}

int vgg_plan_write(const struct vgg_plan *plan, const struct vgg_model *m,
		   const char *path)
{
	json_t *j = pack_plan(plan, m);
	char *text = json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	int err;

	json_decref(j);
	if (!text)
		return vgg_fail(BAD_ARGUMENT, path,
				"give the layers names in UTF-8",
				"a name in the network is no text, or memory "
				"is out");
	err = vgg_write_text(path, text);
	free(text);
	return err;
}

/*
 * Reading. Errors say the file and, before what is wrong, the layer.
 */
struct reader {
	const char *path;
	const struct vgg_model *model;
	const char *layer; /* NULL: outside of them */
};

#define EDIT "edit the file, or make it again with `vggctl plan --save`"
#define ANOTHER "make a plan for this network with `vggctl plan --save`"

#define bad(r, ...) fail_at(r, VGG_ERROR_PLAN_FORMAT, EDIT, __VA_ARGS__)
#define mismatch(r, ...) \
	fail_at(r, VGG_ERROR_PLAN_MISMATCH, ANOTHER, __VA_ARGS__)

__attribute__((format(printf, 4, 5))) static int
fail_at(const struct reader *r, enum vgg_error_code code, const char *next_step,
	const char *format, ...)
{
	char what[320];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return vgg_fail_(code, r->path, next_step, "%s%s%s",
			 r->layer ? r->layer : "", r->layer ? ": " : "", what);
}

/* Only these members are there. */
static int check_members(const struct reader *r, json_t *o,
			 const char *const *known)
{
	const char *key;
	json_t *value;
	int i;

	json_object_foreach(o, key, value)
	{
		for (i = 0; known[i] && strcmp(known[i], key); i++)
			;
		if (!known[i])
			return bad(r, "\"%.60s\" is unknown", key);
	}
	return 0;
}

/* NULL (and the error) if it isn't there or no text. */
static const char *get_text(const struct reader *r, const json_t *o,
			    const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	if (!text)
		bad(r, "\"%s\" is missing or no text", key);
	return text;
}

static int read_place(const struct reader *r, const char *on,
		      struct vgg_plan_layer *p)
{
	unsigned int i;

	if (p->free || !strcmp(on, free_name)) {
		if (p->free && !strcmp(on, free_name))
			return 0;
		return bad(r, "\"on\" is \"%.40s\", but must %sbe \"none\"", on,
			   p->free ? "" : "not ");
	}
	for (i = 0; i < sizeof(where_names) / sizeof(*where_names); i++)
		if (!strcmp(on, where_names[i])) {
			p->where = (enum vgg_where)i;
			return 0;
		}
	return bad(r,
		   "\"on\" is \"%.40s\", but must be \"card\", \"cpu\", "
		   "\"rows\" or \"channels\"",
		   on);
}

static int read_cut(const struct reader *r, const struct vgg_layer *l,
		    const json_t *o, struct vgg_plan_layer *p)
{
	const json_t *cut = json_object_get(o, "cut");
	const char *what = p->where == VGG_BY_ROWS ? "rows" : "channels";
	json_int_t n = json_integer_value(cut);
	int all, step;

	if (!is_cut(p))
		return cut ? bad(r,
				 "\"cut\" is for \"rows\" and \"channels\"") :
			     0;
	step = vgg_cut_step(l, p->where, &all);
	if (!step)
		return bad(r, "this layer can't be cut by %s", what);
	if (!json_is_integer(cut))
		return bad(r, "\"cut\" is missing or no whole number");
	if (n <= 0 || n >= all)
		return bad(r,
			   "\"cut\" is %lld, but must be %d to %d, as there "
			   "are %d %s",
			   (long long)n, step, (all - 1) / step * step, all,
			   what);
	if (n % step)
		return bad(r,
			   "\"cut\" is %lld, but must be a multiple of %d, "
			   "up to %d",
			   (long long)n, step, (all - 1) / step * step);
	p->cut = (int)n;
	return 0;
}

static int read_streamed(const struct reader *r, const json_t *o,
			 struct vgg_plan_layer *p)
{
	const json_t *streamed = json_object_get(o, "streamed");

	if (streamed && !json_is_boolean(streamed))
		return bad(r, "\"streamed\" is neither true nor false");
	p->streamed = json_is_true(streamed);
	if (p->streamed && !vgg_plan_uses_card(p))
		return bad(r, "\"streamed\" is for layers on the card");
	return 0;
}

static int check_layer(const struct reader *r, const struct vgg_layer *l,
		       const json_t *o)
{
	const char *name = get_text(r, o, "name"), *out;
	char shape[64];

	if (!name)
		return -EBADMSG;
	if (strcmp(name, l->name))
		return mismatch(r, "the file has \"%.80s\" in its place", name);
	out = get_text(r, o, "out");
	if (!out)
		return -EBADMSG;
	vgg_shape_text(&l->out, shape, sizeof(shape));
	if (strcmp(out, shape))
		return mismatch(r, "its output is %s, in the file %.60s", shape,
				out);
	return 0;
}

static int read_layer(struct reader *r, unsigned int i, json_t *o,
		      struct vgg_plan_layer *p)
{
	static const char *const known[] = { "name",	 "out", "on",  "cut",
					     "streamed", "ms",	"why", NULL };
	const struct vgg_layer *l = &r->model->layers[i];
	const char *on;
	int err;

	r->layer = l->name;
	if (!json_is_object(o))
		return bad(r, "this is no object");
	err = check_members(r, o, known);
	if (!err)
		err = check_layer(r, l, o);
	if (err)
		return err;
	on = get_text(r, o, "on");
	err = on ? read_place(r, on, p) : -EBADMSG;
	if (!err)
		err = read_cut(r, l, o, p);
	if (!err)
		err = read_streamed(r, o, p);
	if (!err && vgg_plan_uses_card(p) && l->cpu_reason)
		err = bad(r, "the card can't run this layer: %s",
			  l->cpu_reason);
	snprintf(p->reason, sizeof(p->reason), "%s",
		 p->free ? "costs nothing" : "as the plan's file says");
	return err;
}

static int read_layers(struct reader *r, const json_t *list,
		       struct vgg_plan *plan)
{
	size_t n = json_array_size(list);
	unsigned int i;
	int err = 0;

	if (!json_is_array(list))
		return bad(r, "\"layers\" is missing or no array");
	for (i = 0; !err && i < plan->count && i < n; i++)
		err = read_layer(r, i, json_array_get(list, i),
				 &plan->layers[i]);
	r->layer = NULL;
	if (!err && n < plan->count)
		err = mismatch(r, "layer \"%s\" is missing",
			       r->model->layers[n].name);
	if (!err && n > plan->count)
		err = mismatch(r, "it has %zu layers, the network %u", n,
			       plan->count);
	return err;
}

static int read_plan(struct reader *r, json_t *o, struct vgg_plan *plan)
{
	static const char *const known[] = { "$schema", "vggaccel_plan",
					     "network", "layers",
					     "ms",	"guessed",
					     NULL };
	const json_t *version = json_object_get(o, "vggaccel_plan");
	const char *name = r->model->name ? r->model->name : "", *network;
	int err;

	if (!json_is_integer(version))
		return bad(r, "this is no plan: \"vggaccel_plan\" is missing");
	if (json_integer_value(version) != VGG_PLAN_VERSION)
		return bad(r, "its version is %lld, this program knows %d",
			   (long long)json_integer_value(version),
			   VGG_PLAN_VERSION);
	err = check_members(r, o, known);
	if (err)
		return err;
	network = get_text(r, o, "network");
	if (!network)
		return -EBADMSG;
	if (strcmp(network, name))
		return mismatch(r, "it is for \"%.80s\", the network is \"%s\"",
				network, name);
	return read_layers(r, json_object_get(o, "layers"), plan);
}

int vgg_plan_read(struct vgg_plan *plan, const struct vgg_model *m,
		  const char *path)
{
	struct reader r = { .path = path, .model = m };
	struct vgg_file f = { 0 };
	json_error_t why;
	json_t *o;
	int err = vgg_plan_alloc(plan, m);

	if (!err)
		err = vgg_file_open(&f, path);
	if (err)
		return err;
	o = json_loadb(f.data ? (const char *)f.data : "", f.size,
		       JSON_REJECT_DUPLICATES, &why);
	if (!o)
		err = bad(&r, "line %d is no JSON: %s", why.line, why.text);
	else if (!json_is_object(o))
		err = bad(&r, "this is no plan, but another kind of JSON");
	else
		err = read_plan(&r, o, plan);
	json_decref(o);
	vgg_file_close(&f);
	if (!err)
		vgg_plan_summarize(plan, m);
	return err;
}
