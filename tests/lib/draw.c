// SPDX-License-Identifier: MIT
/* See draw.h. */
#include <stdio.h>

#include "apart.h"
#include "draw.h"
#include "net.h"

static int rows_of(const struct vgg_shape *s)
{
	return s->rank == 4 ? (int)s->dim[2] : 1;
}

/* Somewhere else than as a whole, if the layer can be cut and luck wants it. */
static void draw_cut(struct vgg_plan_layer *p, const struct vgg_layer *l,
		     struct drawn *drawn, uint64_t *seed)
{
	enum vgg_where where =
		test_random(seed) & 1 ? VGG_BY_ROWS : VGG_BY_CHANNELS;
	int grain = vgg_plan_grain(l, where), most;

	if (!grain || test_random(seed) % 4 == 0)
		return;
	most = where == VGG_BY_ROWS ? rows_of(&l->out) :
				      (int)vgg_channels(&l->out);
	most = (most - 1) / grain;
	if (!most)
		return;
	p->where = where;
	p->cut = grain * (int)test_random_in(seed, 1, most);
	*(where == VGG_BY_ROWS ? &drawn->rows : &drawn->channels) += 1;
}

void draw_plan(struct vgg_plan *plan, const struct vgg_model *m,
	       struct drawn *drawn, uint64_t *seed)
{
	unsigned int i;

	for (i = 0; i < plan->count; i++) {
		struct vgg_plan_layer *p = &plan->layers[i];
		const struct vgg_layer *l = &m->layers[i];

		if (p->free)
			continue;
		p->where = test_random(seed) & 1 && !l->cpu_reason ?
				   VGG_ON_CARD :
				   VGG_ON_CPU;
		drawn->whole++;
		draw_cut(p, l, drawn, seed);
		p->streamed =
			vgg_plan_uses_card(p) && test_random(seed) % 4 == 0;
		drawn->streamed += p->streamed;
	}
}

struct vgg_device *draw_card(int i)
{
	static const struct {
		const char *order, *text;
	} ways[] = {
		{ "program", "local_mib 16\n" },
		{ "dma-late", "local_mib 1\nonchip_kib 1\n" },
		{ "mac-late", "local_mib 0\n" },
		{ "dma-late", "onchip_kib 4\nlocal_mib 64\n" },
	};
	struct vgg_device_options o = VGG_INIT(o);
	char path[256];
	struct vgg_device *d;
	FILE *f;

	snprintf(path, sizeof(path), "%s/card", test_tmpdir());
	f = fopen(path, "w");
	ASSERT_TRUE(f && fputs(ways[i % 4].text, f) >= 0 && !fclose(f));
	o.card = path;
	o.order = ways[i % 4].order;
	OK(apart_open(&o, &d));
	return d;
}
