// SPDX-License-Identifier: MIT
/* See int8.h. */
#include <errno.h>
#include <stdlib.h>

#include "run/int8_parts.h"
#include "util/error.h"

struct vgg_image_s8 vgg_image_of(const struct vgg_shape *s, int8_t *data)
{
	bool image = s->rank == 4;
	int c = (int)vgg_channels(s), w = image ? (int)s->dim[3] : 1;

	return (struct vgg_image_s8){
		.data = data,
		.c = c,
		.w = w,
		.h = image ? (int)s->dim[2] : 1,
		.pixel = (size_t)c,
		.pitch = (size_t)c * (size_t)w,
	};
}

/* Neighbouring card layers become one job; with `visible` each is alone. */
static int find_segments(struct vgg_int8 *x)
{
	const struct vgg_plan *plan = x->o.plan;
	struct vgg_segment *s = NULL;
	unsigned int i;

	x->segments = calloc(plan->count + 1, sizeof(*x->segments));
	if (!x->segments)
		return vgg_fail_memory("card jobs");
	for (i = 0; i < plan->count; i++) {
		if (plan->layers[i].free)
			continue;
		if (!plan->layers[i].on_card) {
			s = NULL;
			continue;
		}
		if (!s || x->o.visible) {
			s = &x->segments[x->segment_count++];
			s->first = i;
		}
		s->end = i + 1;
	}
	return 0;
}

int vgg_int8_create(const struct vgg_int8_options *options,
		    struct vgg_int8 **out)
{
	struct vgg_int8 *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return vgg_fail_memory("int8 execution");
	x->o = *options;
	x->kernels = vgg_kernels_best();
	x->card.size = sizeof(x->card);
	err = vgg_device_info(x->o.device, &x->card);
	if (!err)
		err = find_segments(x);
	if (!err)
		err = vgg_int8_place(x);
	if (!err)
		err = vgg_int8_prepare_card(x);
	if (!err)
		err = vgg_int8_prepare_cpu(x);
	if (err)
		vgg_int8_free(x);
	else
		*out = x;
	return err;
}

void vgg_int8_free(struct vgg_int8 *x)
{
	if (!x)
		return;
	vgg_int8_release_card(x);
	vgg_int8_release_cpu(x);
	vgg_int8_unplace(x);
	free(x->segments);
	free(x);
}

/*
 * Caches. Tensors that card and CPU share lie in memory both can reach; each has
 * one writer and one reader, and only if these are not the same something must
 * be made visible: before the CPU reads what the card wrote, after the CPU wrote
 * what the card will read. Nothing else is prepared or finished, and never more
 * than the tensor's bytes.
 */

/* Where the memory of tensor i begins: behind free layers it is an older one's. */
static unsigned int origin(const struct vgg_int8 *x, unsigned int i)
{
	while (x->tensors[i].alias)
		i--;
	return i;
}

static bool card_wrote(const struct vgg_int8 *x, unsigned int i)
{
	i = origin(x, i);
	return i && x->o.plan->layers[i - 1].on_card;
}

/* The CPU is going to read tensor i, and has read it. */
static int begin_read(struct vgg_int8 *x, unsigned int i)
{
	struct vgg_tensor *t = &x->tensors[i];

	return card_wrote(x, i) ?
		       vgg_buffer_prepare_range(t->buffer, VGG_ACCESS_READ, 0,
						t->bytes) :
		       0;
}

static int end_read(struct vgg_int8 *x, unsigned int i)
{
	struct vgg_tensor *t = &x->tensors[i];

	return card_wrote(x, i) ?
		       vgg_buffer_finish_range(t->buffer, VGG_ACCESS_READ, 0,
					       t->bytes) :
		       0;
}

/* The CPU is going to write all of tensor i, and has written it. */
static int begin_write(struct vgg_int8 *x, unsigned int i)
{
	struct vgg_tensor *t = &x->tensors[i];

	return t->place == VGG_PLACE_HOST ?
		       vgg_buffer_prepare_range(t->buffer, VGG_ACCESS_WRITE, 0,
						t->bytes) :
		       0;
}

static int end_write(struct vgg_int8 *x, unsigned int i)
{
	struct vgg_tensor *t = &x->tensors[i];

	return t->place == VGG_PLACE_HOST ?
		       vgg_buffer_finish_range(t->buffer, VGG_ACCESS_WRITE, 0,
					       t->bytes) :
		       0;
}

int8_t *vgg_int8_input(struct vgg_int8 *x)
{
	return begin_write(x, 0) ? NULL : x->tensors[0].cpu;
}

const int8_t *vgg_int8_tensor(const struct vgg_int8 *x, unsigned int i)
{
	return x->tensors[i].cpu;
}

static int cpu_layer(struct vgg_int8 *x, unsigned int i)
{
	int err = begin_read(x, i);

	if (!err)
		err = begin_write(x, i + 1);
	if (err)
		return err;
	vgg_int8_run_cpu(x, i);
	err = end_read(x, i);
	return err ? err : end_write(x, i + 1);
}

/* Calls fn for every tensor that callers may look at after a run. */
static int each_result(struct vgg_int8 *x,
		       int (*fn)(struct vgg_int8 *x, unsigned int i))
{
	unsigned int last = x->o.plan->count, i;
	int err = 0;

	if (!x->o.visible)
		return fn(x, last);
	for (i = 0; !err && i <= last; i++)
		if (!x->tensors[i].alias)
			err = fn(x, i);
	return err;
}

/* Callers read results until the next run begins, which ends that. */
static int hide_results(struct vgg_int8 *x)
{
	int err = x->shown ? each_result(x, end_read) : 0;

	x->shown = false;
	return err;
}

static int show_results(struct vgg_int8 *x)
{
	int err = each_result(x, begin_read);

	x->shown = !err;
	return err;
}

int vgg_int8_run(struct vgg_int8 *x, struct vgg_int8_totals *totals)
{
	const struct vgg_plan *plan = x->o.plan;
	const struct vgg_segment *s = x->segments;
	unsigned int i = 0;
	int err;

	*totals = (struct vgg_int8_totals){ 0 };
	err = hide_results(x);
	if (!err)
		err = end_write(x, 0);
	while (!err && i < plan->count) {
		if (plan->layers[i].free) {
			i++;
		} else if (plan->layers[i].on_card) {
			err = vgg_int8_run_segment(x, s, totals);
			i = s->end;
			s++;
		} else {
			err = cpu_layer(x, i);
			i++;
		}
	}
	return err ? err : show_results(x);
}
