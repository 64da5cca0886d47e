// SPDX-License-Identifier: MIT
/* Where the tensors of an int8 execution lie. */
#include <errno.h>
#include <stdlib.h>

#include "run/int8_parts.h"
#include "util/error.h"

/* The layer that reads tensor i, behind free ones; the layers' number: the
 * caller. */
static unsigned int reader(const struct vgg_int8 *x, unsigned int i)
{
	while (i < x->net->o.plan->count && x->net->o.plan->layers[i].free)
		i++;
	return i;
}

static bool card_writes(const struct vgg_int8 *x, unsigned int i)
{
	return i && x->net->shares[i - 1].where != VGG_ON_CPU;
}

static bool cpu_writes(const struct vgg_int8 *x, unsigned int i)
{
	return !i || x->net->shares[i - 1].where != VGG_ON_CARD;
}

static bool card_reads(const struct vgg_int8 *x, unsigned int i)
{
	unsigned int by = reader(x, i);

	return by < x->net->o.plan->count &&
	       x->net->shares[by].where != VGG_ON_CPU;
}

static bool cpu_reads(const struct vgg_int8 *x, unsigned int i)
{
	unsigned int by = reader(x, i);

	return by == x->net->o.plan->count ||
	       x->net->shares[by].where != VGG_ON_CARD;
}

static bool is_mixed(const struct vgg_int8 *x, unsigned int i)
{
	return i && vgg_plan_mixes(&x->net->o.model->layers[i - 1],
				   x->net->shares[i - 1].where);
}

static int add_local(struct vgg_int8 *x, unsigned int i)
{
	struct vgg_tensor *t = &x->tensors[i];
	int err = 0;

	if (x->net->on_board && !x->net->o.visible && card_writes(x, i) &&
	    (card_reads(x, i) || is_mixed(x, i)))
		err = vgg_buffer_create(x->net->o.device, t->bytes,
					VGG_BUFFER_LOCAL, &t->local);
	/* A full card reads and writes the host's memory. */
	if (err == -ENOSPC)
		err = 0;
	/* Of two homes there is only one: the card does it all. */
	if (!err && !t->local && is_mixed(x, i)) {
		if (x->net->users > 1)
			return -ENOSPC;
		x->net->shares[i - 1].where = VGG_ON_CARD;
	}
	return err;
}

static int place_one(struct vgg_int8 *x, unsigned int i)
{
	struct vgg_tensor *t = &x->tensors[i];
	int err = add_local(x, i);

	if (err || (!card_writes(x, i) && !card_reads(x, i)))
		return err;
	if (t->local && !cpu_writes(x, i) && !cpu_reads(x, i))
		return 0;
	err = vgg_buffer_create(x->net->o.device, t->bytes, VGG_BUFFER_HOST,
				&t->host);
	if (!err)
		t->cpu = vgg_buffer_map(t->host);
	return err;
}

/*
 * Tensors of the CPU alone. A layer reads one and writes the next, so two pieces
 * of memory serve all of them in turns; where every tensor can be looked at,
 * each has its own.
 */
static int allocate_heap(struct vgg_int8 *x)
{
	unsigned int count = x->net->o.model->integer_layers + 1, turn = 0, i;
	size_t most[2] = { 0 };

	for (i = 0; i < count; i++) {
		struct vgg_tensor *t = &x->tensors[i];

		if (t->host || t->local || t->alias)
			continue;
		t->turn = turn;
		turn ^= 1;
		if (x->net->o.visible) {
			t->cpu = malloc(t->bytes);
			if (!t->cpu)
				return vgg_fail_memory("int8 activations");
		} else if (t->bytes > most[t->turn]) {
			most[t->turn] = t->bytes;
		}
	}
	for (i = 0; i < 2 && !x->net->o.visible; i++) {
		x->heap[i] = malloc(most[i] + 1);
		if (!x->heap[i])
			return vgg_fail_memory("int8 activations");
	}
	return 0;
}

static void share_heap(struct vgg_int8 *x)
{
	unsigned int i;

	for (i = 0; i <= x->net->o.model->integer_layers; i++) {
		struct vgg_tensor *t = &x->tensors[i];

		if (t->alias)
			t->cpu = t[-1].cpu;
		else if (!t->host && !t->local && !x->net->o.visible)
			t->cpu = x->heap[t->turn];
	}
}

int vgg_int8_place(struct vgg_int8 *x)
{
	const struct vgg_model *m = x->net->o.model;
	unsigned int i;
	int err = 0;

	x->tensors = calloc(m->integer_layers + 1, sizeof(*x->tensors));
	if (!x->tensors)
		return vgg_fail_memory("int8 activations");
	for (i = 0; !err && i <= m->integer_layers; i++) {
		struct vgg_tensor *t = &x->tensors[i];

		if (i && x->net->o.plan->layers[i - 1].free) {
			*t = t[-1];
			t->alias = true;
			continue;
		}
		t->bytes = (uint64_t)vgg_shape_count(i ? &m->layers[i - 1].out :
							 &m->input);
		err = place_one(x, i);
	}
	if (!err)
		err = allocate_heap(x);
	if (!err)
		share_heap(x);
	return err;
}

void vgg_int8_unplace(struct vgg_int8 *x)
{
	unsigned int i;

	for (i = 0; x->tensors && i <= x->net->o.model->integer_layers; i++) {
		struct vgg_tensor *t = &x->tensors[i];

		if (t->alias)
			continue;
		vgg_buffer_destroy(t->local);
		vgg_buffer_destroy(t->host);
		if (!t->host && x->net->o.visible)
			free(t->cpu);
	}
	free(x->heap[0]);
	free(x->heap[1]);
	free(x->tensors);
}
