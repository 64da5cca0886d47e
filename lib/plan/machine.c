// SPDX-License-Identifier: MIT
/* See machine.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "plan/machine.h"
#include "util/error.h"

struct vgg_extent vgg_extent_of(const struct vgg_shape *s)
{
	bool image = s->rank == 4;

	return (struct vgg_extent){ image ? s->dim[2] : 1,
				    image ? s->dim[3] : 1, vgg_channels(s) };
}

/*
 * Curves.
 */
double vgg_curve_at(const struct vgg_curve *c, int n)
{
	double slope, ms;
	int i = 1;

	if (n <= 0)
		return 0;
	if (c->count == 1)
		return c->ms[0] * n / c->n[0];
	while (i + 1 < c->count && n > c->n[i])
		i++;
	slope = (c->ms[i] - c->ms[i - 1]) / (c->n[i] - c->n[i - 1]);
	ms = c->ms[i - 1] + slope * (n - c->n[i - 1]);
	return ms > 0 ? ms : 0;
}

static bool curve_is_good(const struct vgg_curve *c)
{
	int i;

	if (c->count < 1 || c->count > VGG_CURVE_MAX)
		return false;
	for (i = 0; i < c->count; i++)
		/* Written so that NaN is refused. */
		if (c->n[i] <= (i ? c->n[i - 1] : 0) ||
		    !(c->ms[i] >= 0 && c->ms[i] < 1e9))
			return false;
	return true;
}

/*
 * Costs of layers.
 */
static int write_window(char *text, size_t size, const struct vgg_window *w)
{
	return snprintf(text, size, "%dx%d s%dx%d p%d,%d,%d,%d", w->kernel_h,
			w->kernel_w, w->stride_h, w->stride_w, w->pad_top,
			w->pad_left, w->pad_bottom, w->pad_right);
}

const char *vgg_layer_key(const struct vgg_layer *l, char text[VGG_KEY_SIZE])
{
	struct vgg_extent in = vgg_extent_of(&l->in);
	struct vgg_extent out = vgg_extent_of(&l->out);
	char window[48], pool[56] = "";

	write_window(window, sizeof(window), &l->win);
	if (l->has_pool) {
		memcpy(pool, " pool", 5);
		write_window(pool + 5, sizeof(pool) - 5, &l->pool);
	}
	snprintf(text, VGG_KEY_SIZE, "%s %lldx%lldx%lld k%s%s -> %lld",
		 vgg_op_name(l->op), (long long)in.h, (long long)in.w,
		 (long long)in.c, window, pool, (long long)out.c);
	return text;
}

static struct vgg_measured *find(const struct vgg_machine *m, const char *key,
				 unsigned int processor)
{
	size_t i;

	for (i = 0; i < m->n_measured; i++)
		if (m->measured[i].processor == processor &&
		    !strcmp(m->measured[i].key, key))
			return &m->measured[i];
	return NULL;
}

int vgg_machine_add(struct vgg_machine *m, const char *key,
		    unsigned int processor, const struct vgg_cpu_cost *cost)
{
	struct vgg_measured *at = find(m, key, processor);

	if (!curve_is_good(&cost->rows) || !curve_is_good(&cost->channels) ||
	    processor >= m->processors || strlen(key) >= VGG_KEY_SIZE)
		return vgg_fail(BAD_ARGUMENT, key,
				"measure again with `vggctl calibrate`",
				"the times measured for this layer make no "
				"sense");
	if (!at) {
		at = realloc(m->measured,
			     (m->n_measured + 1) * sizeof(*m->measured));
		if (!at)
			return vgg_fail_memory("measured times");
		m->measured = at;
		at += m->n_measured++;
	}
	*at = (struct vgg_measured){ .processor = processor, .cost = *cost };
	memcpy(at->key, key, strlen(key));
	return 0;
}

/* At eighths, quarters and the whole. */
static void guess_curve(const struct vgg_capacity *p, const struct vgg_layer *l,
			bool by_rows, struct vgg_curve *c)
{
	static const int eighths[] = { 1, 2, 4, 6, 8 };
	struct vgg_extent out = vgg_extent_of(&l->out);
	int64_t all = by_rows ? out.h : out.c, n;
	size_t i;

	c->count = 0;
	for (i = 0; i < sizeof(eighths) / sizeof(*eighths); i++) {
		n = all * eighths[i] / 8;
		if (n < 1 || (c->count && n <= c->n[c->count - 1]))
			continue;
		c->n[c->count] = (int)n;
		c->ms[c->count++] = vgg_guess_ms(p, l, by_rows ? n : out.h,
						 by_rows ? out.c : n);
	}
}

void vgg_machine_cost(const struct vgg_machine *m, const struct vgg_layer *l,
		      unsigned int processor, struct vgg_cpu_cost *cost)
{
	const struct vgg_capacity *p = &m->processor[processor].capacity;
	char key[VGG_KEY_SIZE];
	const struct vgg_measured *at =
		find(m, vgg_layer_key(l, key), processor);

	if (at) {
		*cost = at->cost;
		return;
	}
	*cost = (struct vgg_cpu_cost){ .guessed = true };
	guess_curve(p, l, true, &cost->rows);
	guess_curve(p, l, false, &cost->channels);
}

void vgg_machine_clear(struct vgg_machine *m)
{
	free(m->measured);
	m->measured = NULL;
	m->n_measured = 0;
	free(m->cards);
	m->cards = NULL;
	m->n_cards = 0;
}
