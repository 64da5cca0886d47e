// SPDX-License-Identifier: MIT
/* Where the tensors of an int8 execution lie. */
#include <errno.h>
#include <stdlib.h>

#include "run/int8_parts.h"
#include "util/error.h"

/* Who touches tensor i, over all its aliases. Ends where the next one has
 * memory of its own. */
static void users(const struct vgg_int8 *x, unsigned int i, bool *card,
		  bool *cpu)
{
	const struct vgg_plan *plan = x->o.plan;
	unsigned int last = plan->count;

	*card = false;
	*cpu = !i; /* the input comes from the CPU */
	if (i)
		*(plan->layers[i - 1].on_card ? card : cpu) = true;
	while (i < last && plan->layers[i].free)
		i++;
	if (i < last)
		*(plan->layers[i].on_card ? card : cpu) = true;
	else
		*cpu = true; /* so does the output go there */
}

static int allocate(struct vgg_int8 *x, struct vgg_tensor *t)
{
	int err;

	if (t->place == VGG_PLACE_HEAP)
		return 0;
	err = vgg_buffer_create(x->o.device, t->bytes,
				t->place == VGG_PLACE_LOCAL ? VGG_BUFFER_LOCAL :
							      VGG_BUFFER_HOST,
				&t->buffer);
	if (err)
		return err;
	t->cpu = vgg_buffer_map(t->buffer);
	t->address = vgg_buffer_address(t->buffer);
	return 0;
}

static int place_one(struct vgg_int8 *x, unsigned int i)
{
	struct vgg_tensor *t = &x->tensors[i];
	bool card, cpu;
	int err;

	users(x, i, &card, &cpu);
	if (!card)
		t->place = VGG_PLACE_HEAP;
	else if (cpu || x->o.visible)
		t->place = VGG_PLACE_HOST;
	else
		t->place = VGG_PLACE_LOCAL;
	err = allocate(x, t);
	if (err == -ENOSPC && t->place == VGG_PLACE_LOCAL) {
		/* A full card reads and writes the host's memory. */
		t->place = VGG_PLACE_HOST;
		err = allocate(x, t);
	}
	return err;
}

/*
 * Tensors of the CPU alone. A layer reads one and writes the next, so two pieces
 * of memory serve all of them in turns; where every tensor can be looked at,
 * each has its own.
 */
static int allocate_heap(struct vgg_int8 *x)
{
	unsigned int count = x->o.model->integer_layers + 1, turn = 0, i;
	size_t most[2] = { 0 };

	for (i = 0; i < count; i++) {
		struct vgg_tensor *t = &x->tensors[i];

		if (t->place != VGG_PLACE_HEAP || t->alias)
			continue;
		t->turn = turn;
		turn ^= 1;
		if (x->o.visible) {
			t->cpu = malloc(t->bytes);
			if (!t->cpu)
				return vgg_fail_memory("int8 activations");
		} else if (t->bytes > most[t->turn]) {
			most[t->turn] = t->bytes;
		}
	}
	for (i = 0; i < 2 && !x->o.visible; i++) {
		x->heap[i] = malloc(most[i] + 1);
		if (!x->heap[i])
			return vgg_fail_memory("int8 activations");
	}
	return 0;
}

static void share_heap(struct vgg_int8 *x)
{
	unsigned int i;

	for (i = 0; i <= x->o.model->integer_layers; i++) {
		struct vgg_tensor *t = &x->tensors[i];

		if (t->alias)
			t->cpu = t[-1].cpu;
		else if (t->place == VGG_PLACE_HEAP && !x->o.visible)
			t->cpu = x->heap[t->turn];
	}
}

int vgg_int8_place(struct vgg_int8 *x)
{
	const struct vgg_model *m = x->o.model;
	unsigned int i;
	int err = 0;

	x->tensors = calloc(m->integer_layers + 1, sizeof(*x->tensors));
	if (!x->tensors)
		return vgg_fail_memory("int8 activations");
	for (i = 0; !err && i <= m->integer_layers; i++) {
		struct vgg_tensor *t = &x->tensors[i];

		if (i && x->o.plan->layers[i - 1].free) {
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

	if (!x->tensors)
		return;
	for (i = 0; i <= x->o.model->integer_layers; i++) {
		struct vgg_tensor *t = &x->tensors[i];

		if (t->alias)
			continue;
		if (t->buffer)
			vgg_buffer_destroy(t->buffer);
		else if (x->o.visible)
			free(t->cpu);
	}
	free(x->heap[0]);
	free(x->heap[1]);
	free(x->tensors);
}
