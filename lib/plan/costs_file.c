// SPDX-License-Identifier: MIT
/* See costs_file.h. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "kernels/kernels.h"
#include "plan/costs_file.h"
#include "util/disabled.h"
#include "util/error.h"
#include "util/file.h"
#include "util/hash.h"
#include "vggaccel.h"

#define VERSION 1

/*
 * Where.
 */

/* All that times depend on, as text. */
static char *describe(const struct vgg_machine *m)
{
	const struct vgg_cpus *cpus = vgg_cpus();
	char model[VGG_CPU_MODEL_SIZE];
	struct utsname host = { 0 };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int i;

	if (!f)
		return NULL;
	uname(&host);
	fprintf(f, "%s %s %s (%s) %s%s t%d", vgg_version(), host.nodename,
		host.machine, vgg_cpu_model_read("", model),
		vgg_kernels_best()->name,
		vgg_disabled("winograd") ? " direct" : "",
		m->processor[0].threads);
	for (i = 0; i < cpus->count; i++) {
		const struct vgg_cluster *c = &cpus->cluster[i];

		fprintf(f, " %d:%d:%u:%zu:%zu:%d", (int)c->uarch, c->count,
			c->capacity, c->l1d_bytes, c->l2_bytes, c->l2_sharers);
	}
	fclose(f);
	return text;
}

static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0;

	while (*text)
		hash = vgg_hash64(hash, (unsigned char)*text++);
	return hash;
}

static char *cache_folder(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *path;
	int n;

	if (cache && *cache == '/')
		n = asprintf(&path, "%s/vggaccel", cache);
	else if (home && *home == '/')
		n = asprintf(&path, "%s/.cache/vggaccel", home);
	else
		return NULL;
	return n < 0 ? NULL : path;
}

char *vgg_costs_path(const struct vgg_machine *m)
{
	const char *given = getenv("VGG_COSTS");
	char *folder, *text, *path = NULL;

	if (given)
		return *given ? strdup(given) : NULL;
	folder = cache_folder();
	text = describe(m);
	if (folder && text &&
	    asprintf(&path, "%s/costs-%016" PRIx64 ".json", folder,
		     hash_of(text)) < 0)
		path = NULL;
	free(folder);
	free(text);
	return path;
}

/*
 * Reading.
 */
static bool read_curve(const json_t *points, struct vgg_curve *c)
{
	size_t i, n = json_array_size(points);
	int last = 0;

	if (!n || n > VGG_CURVE_MAX)
		return false;
	for (i = 0; i < n; i++) {
		const json_t *p = json_array_get(points, i);
		double at = json_number_value(json_array_get(p, 0));
		double ms = json_number_value(json_array_get(p, 1));

		if (!(at > last && at < 1e9 && ms > 0 && ms < 1e9))
			return false;
		last = c->n[i] = (int)at;
		c->ms[i] = ms;
	}
	c->count = (int)n;
	return true;
}

static void read_layer(struct vgg_machine *m, const char *key, json_t *layer,
		       unsigned int processor)
{
	struct vgg_cpu_cost cost = { .guessed = false };

	if (read_curve(json_object_get(layer, "rows"), &cost.rows) &&
	    read_curve(json_object_get(layer, "channels"), &cost.channels))
		vgg_machine_add(m, key, processor, &cost);
}

/* A speed in MB/s; 0 if it is none. */
static uint32_t read_speed(const json_t *card, const char *name)
{
	double mbps = json_number_value(json_object_get(card, name));

	return mbps >= 1 && mbps < 1e9 ? (uint32_t)mbps : 0;
}

static void read_card(struct vgg_machine *m, const char *key,
		      const json_t *card)
{
	struct vgg_measured_card c = {
		.job_ms = json_number_value(json_object_get(card, "job_ms")),
		.submit_ms =
			json_number_value(json_object_get(card, "submit_ms")),
		.link_mbps = read_speed(card, "from_host_mbps"),
		.back_mbps = read_speed(card, "to_host_mbps"),
	};

	if (strlen(key) >= VGG_KEY_SIZE)
		return;
	memcpy(c.key, key, strlen(key));
	vgg_machine_add_card(m, &c);
}

static void read_all(struct vgg_machine *m, json_t *o)
{
	json_t *processors = json_object_get(o, "processors"), *p, *layer;
	json_t *cards = json_object_get(o, "cards"), *card;
	const char *key;
	size_t i;

	if (json_integer_value(json_object_get(o, "vggaccel_costs")) != VERSION)
		return;
	json_object_foreach(cards, key, card) read_card(m, key, card);
	json_array_foreach(processors, i, p)
	{
		if (i >= m->processors)
			break;
		json_object_foreach(p, key,
				    layer) if (strlen(key) < VGG_KEY_SIZE)
			read_layer(m, key, layer, (unsigned int)i);
	}
}

void vgg_costs_read(struct vgg_machine *m)
{
	char *path = vgg_costs_path(m);
	struct vgg_file f = { 0 };
	json_t *o;

	if (path && !vgg_file_open(&f, path) && f.size) {
		o = json_loadb((const char *)f.data, f.size,
			       JSON_REJECT_DUPLICATES, NULL);
		read_all(m, o);
		json_decref(o);
	}
	vgg_file_close(&f);
	free(path);
}

/*
 * Writing.
 */
static json_t *pack_curve(const struct vgg_curve *c)
{
	json_t *points = json_array();
	int i;

	for (i = 0; i < c->count; i++)
		json_array_append_new(points,
				      json_pack("[i, f]", c->n[i], c->ms[i]));
	return points;
}

static json_t *pack_processor(const struct vgg_machine *m,
			      unsigned int processor)
{
	json_t *layers = json_object();
	size_t i;

	for (i = 0; i < m->n_measured; i++) {
		const struct vgg_measured *one = &m->measured[i];

		if (one->processor == processor)
			json_object_set_new(
				layers, one->key,
				json_pack("{s:o, s:o}", "rows",
					  pack_curve(&one->cost.rows),
					  "channels",
					  pack_curve(&one->cost.channels)));
	}
	return layers;
}

static json_t *pack_cards(const struct vgg_machine *m)
{
	json_t *cards = json_object();
	size_t i;

	for (i = 0; i < m->n_cards; i++) {
		const struct vgg_measured_card *c = &m->cards[i];
		json_t *card = json_pack("{s:f, s:f}", "job_ms", c->job_ms,
					 "submit_ms", c->submit_ms);

		if (c->link_mbps) {
			json_object_set_new(card, "from_host_mbps",
					    json_integer(c->link_mbps));
			json_object_set_new(card, "to_host_mbps",
					    json_integer(c->back_mbps));
		}
		json_object_set_new(cards, c->key, card);
	}
	return cards;
}

static json_t *pack(const struct vgg_machine *m)
{
	json_t *processors = json_array();
	char *text = describe(m);
	json_t *o;
	unsigned int i;

	for (i = 0; i < m->processors; i++)
		json_array_append_new(processors, pack_processor(m, i));
	o = json_pack("{s:i, s:s, s:o, s:o}", "vggaccel_costs", VERSION,
		      "machine", text ? text : "", "cards", pack_cards(m),
		      "processors", processors);
	free(text);
	return o;
}

/* The folders on the way to a file. */
static int make_folders(const char *path)
{
	char *at, *copy = strdup(path);
	int err = 0;

	if (!copy)
		return vgg_fail_memory("a file's name");
	for (at = strchr(copy + 1, '/'); !err && at; at = strchr(at + 1, '/')) {
		*at = 0;
		if (mkdir(copy, 0700) && errno != EEXIST)
			err = vgg_fail(FILE_IO, copy,
				       "check who owns the folder above",
				       "it cannot be made: %s",
				       strerror(errno));
		*at = '/';
	}
	free(copy);
	return err;
}

int vgg_costs_write(const struct vgg_machine *m, const char *path)
{
	json_t *o = pack(m);
	char *text =
		o ? json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) :
		    NULL;
	int err = text ? make_folders(path) : vgg_fail_memory("measured times");

	if (!err)
		err = vgg_write_text(path, text);
	free(text);
	json_decref(o);
	return err;
}
