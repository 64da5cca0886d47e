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

/* Neighbouring card layers are one step; with `visible` each is alone. */
static bool goes_on(const struct vgg_int8 *x, const struct vgg_int8_step *s,
		    unsigned int i)
{
	return s && !x->o.visible &&
	       x->shares[s->end - 1].where == VGG_ON_CARD &&
	       x->shares[i].where == VGG_ON_CARD;
}

static void add_step(struct vgg_int8 *x, unsigned int first, unsigned int end)
{
	struct vgg_int8_step *s = &x->steps[x->step_count++];

	s->first = first;
	s->end = end;
	s->fetched = vgg_int8_foreign(x, first, false);
	if (first == end)
		return;
	s->share = vgg_int8_share(x, first, false);
	s->cpu = !vgg_range_is_empty(&s->share);
	s->written = vgg_int8_written(x, first, false);
}

static int find_steps(struct vgg_int8 *x)
{
	const struct vgg_plan *plan = x->o.plan;
	struct vgg_int8_step *s = NULL;
	unsigned int i;

	x->steps = calloc(plan->count + 1, sizeof(*x->steps));
	if (!x->steps)
		return vgg_fail_memory("an int8 execution's steps");
	for (i = 0; i < plan->count; i++) {
		if (plan->layers[i].free)
			continue;
		if (goes_on(x, s, i)) {
			s->end = i + 1;
			continue;
		}
		add_step(x, i, i + 1);
		s = &x->steps[x->step_count - 1];
	}
	add_step(x, plan->count, plan->count);
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
		err = vgg_plan_check(x->o.plan, x->o.model);
	if (!err)
		err = vgg_int8_place(x);
	if (!err)
		err = find_steps(x);
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
	free(x->steps);
	free(x);
}

/*
 * Caches. Of memory that both can reach, a part must be made visible before the
 * CPU reads what the card wrote, and after the CPU wrote what the card may read;
 * nothing else is prepared or finished. While both work, neither touches what
 * the other writes.
 */
typedef int (*sync_fn)(struct vgg_buffer *b, unsigned int access,
		       uint64_t offset, uint64_t bytes);

static int sync(const struct vgg_tensor *t, const struct vgg_piece *p,
		enum vgg_access access, sync_fn fn)
{
	return t->host && p->width ?
		       fn(t->host, access, p->offset, vgg_piece_span(p)) :
		       0;
}

/* What the card wrote of tensor i, whoever reads it: the results of a run. */
static int sync_results(struct vgg_int8 *x, unsigned int i, sync_fn fn)
{
	const struct vgg_piece p =
		i ? vgg_int8_written(x, i - 1, true) : (struct vgg_piece){ 0 };

	return sync(&x->tensors[i], &p, VGG_ACCESS_READ, fn);
}

static int each_result(struct vgg_int8 *x, sync_fn fn)
{
	const struct vgg_int8_step *end = &x->steps[x->step_count - 1];
	unsigned int last = x->o.plan->count, i;
	int err = 0;

	if (!x->o.visible)
		return sync(&x->tensors[last], &end->fetched, VGG_ACCESS_READ,
			    fn);
	for (i = 0; !err && i <= last; i++)
		if (!x->tensors[i].alias)
			err = sync_results(x, i, fn);
	return err;
}

/* Callers read results until the next run begins, which ends that. */
static int hide_results(struct vgg_int8 *x)
{
	int err = x->shown ? each_result(x, vgg_buffer_finish_range) : 0;

	x->shown = false;
	return err;
}

static int show_results(struct vgg_int8 *x)
{
	int err = each_result(x, vgg_buffer_prepare_range);

	x->shown = !err;
	return err;
}

/* The CPU writes all of the input. */
static int sync_input(struct vgg_int8 *x, sync_fn fn)
{
	const struct vgg_piece all = { .width = (uint32_t)x->tensors[0].bytes,
				       .height = 1 };

	return sync(&x->tensors[0], &all, VGG_ACCESS_WRITE, fn);
}

int8_t *vgg_int8_input(struct vgg_int8 *x)
{
	return sync_input(x, vgg_buffer_prepare_range) ? NULL :
							 x->tensors[0].cpu;
}

const int8_t *vgg_int8_tensor(const struct vgg_int8 *x, unsigned int i)
{
	return x->tensors[i].cpu;
}

/*
 * Running.
 */
static int run_cpu(struct vgg_int8 *x, const struct vgg_int8_step *s)
{
	const struct vgg_tensor *in = &x->tensors[s->first];
	const struct vgg_tensor *out = &x->tensors[s->end];
	int err = sync(in, &s->fetched, VGG_ACCESS_READ,
		       vgg_buffer_prepare_range);

	if (!err)
		err = sync(out, &s->written, VGG_ACCESS_WRITE,
			   vgg_buffer_prepare_range);
	if (err)
		return err;
	vgg_int8_run_cpu(x, s->first, &s->share);
	err = sync(in, &s->fetched, VGG_ACCESS_READ, vgg_buffer_finish_range);
	return err ? err :
		     sync(out, &s->written, VGG_ACCESS_WRITE,
			  vgg_buffer_finish_range);
}

static int fetch(struct vgg_int8 *x, const struct vgg_int8_step *s,
		 struct vgg_int8_totals *totals)
{
	uint64_t ticket;
	int err;

	if (!s->fetch.stream)
		return 0;
	err = vgg_int8_begin_job(x, &s->fetch, s->first, &ticket);
	return err ? err : vgg_int8_end_job(x, s->first, ticket, totals);
}

/* Card and CPU at the same time. A job that has begun is waited for, whatever
 * becomes of the CPU's part: it uses the memory of this execution. */
static int run_step(struct vgg_int8 *x, const struct vgg_int8_step *s,
		    struct vgg_int8_totals *totals)
{
	int err = fetch(x, s, totals), late;
	uint64_t ticket;

	if (!err && s->job.stream)
		err = vgg_int8_begin_job(x, &s->job, s->first, &ticket);
	if (err)
		return err;
	if (s->cpu)
		err = run_cpu(x, s);
	if (!s->job.stream)
		return err;
	late = vgg_int8_end_job(x, s->first, ticket, totals);
	return err ? err : late;
}

int vgg_int8_run(struct vgg_int8 *x, struct vgg_int8_totals *totals)
{
	unsigned int i;
	int err;

	*totals = (struct vgg_int8_totals){ 0 };
	err = hide_results(x);
	if (!err)
		err = sync_input(x, vgg_buffer_finish_range);
	for (i = 0; !err && i < x->step_count; i++)
		err = run_step(x, &x->steps[i], totals);
	return err ? err : show_results(x);
}
