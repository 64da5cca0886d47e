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

	if (t->place == VGG_PLACE_HEAP) {
		t->cpu = malloc(t->bytes);
		return t->cpu ? 0 : vgg_fail_memory("int8 activations");
	}
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
		else
			free(t->cpu);
	}
	free(x->tensors);
}
