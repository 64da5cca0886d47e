// SPDX-License-Identifier: MIT
/* See int8.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/cost.h"
#include "run/int8_parts.h"
#include "trace/trace.h"
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
	return s && !x->net->o.visible &&
	       x->net->shares[s->end - 1].where == VGG_ON_CARD &&
	       x->net->shares[i].where == VGG_ON_CARD;
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
	const struct vgg_plan *plan = x->net->o.plan;
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

static struct vgg_int8_net *new_net(const struct vgg_int8_options *o)
{
	struct vgg_int8_net *net = calloc(1, sizeof(*net));
	unsigned int n = o->model->integer_layers, i;

	if (!net)
		return NULL;
	net->o = *o;
	net->kernels = vgg_kernels_best();
	net->card.size = sizeof(net->card);
	net->shares = calloc(n + 1, sizeof(*net->shares));
	for (i = 0; net->shares && i < n; i++)
		net->shares[i] = (struct vgg_share){ o->plan->layers[i].where,
						     o->plan->layers[i].cut };
	return net;
}

static void release_net(struct vgg_int8_net *net)
{
	if (!net || --net->users)
		return;
	vgg_int8_release_weights(net);
	vgg_int8_release_cpu(net);
	free(net->shares);
	free(net);
}

static struct vgg_int8 *new_image(struct vgg_int8_net *net)
{
	struct vgg_int8 *x = net ? calloc(1, sizeof(*x)) : NULL;

	if (!x)
		return NULL;
	x->net = net;
	net->users++;
	return x;
}

static int fill_net(struct vgg_int8 *x)
{
	int err = vgg_int8_prepare_weights(x);

	return err ? err : vgg_int8_prepare_cpu(x);
}

/* Unless there was an error already. The first image fills what all share; its
 * own places must be there then, and jobs need what comes of it. */
static int prepare(struct vgg_int8 *x, int err, bool first,
		   struct vgg_int8 **out)
{
	if (!err)
		err = vgg_int8_place(x);
	if (!err)
		err = find_steps(x);
	if (!err && first)
		err = fill_net(x);
	if (!err)
		err = vgg_int8_prepare_jobs(x);
	if (err)
		vgg_int8_free(x);
	else
		*out = x;
	return err;
}

int vgg_int8_create(const struct vgg_int8_options *options,
		    struct vgg_int8 **out)
{
	struct vgg_int8_net *net;
	struct vgg_int8 *x;
	int err = vgg_plan_check(options->plan, options->model);

	if (err)
		return err;
	net = new_net(options);
	x = new_image(net);
	if (!x) {
		free(net ? net->shares : NULL);
		free(net);
		return vgg_fail_memory("int8 execution");
	}
	err = net->shares ? vgg_device_info(options->device, &net->card) :
			    vgg_fail_memory("int8 execution");
	net->on_board =
		net->card.local_free >= vgg_activation_bytes(options->model);
	return prepare(x, err, true, out);
}

int vgg_int8_another(const struct vgg_int8 *first, struct vgg_int8 **out)
{
	struct vgg_int8 *x = new_image(first->net);

	if (!x)
		return vgg_fail_memory("int8 execution");
	return prepare(x, 0, false, out);
}

void vgg_int8_free(struct vgg_int8 *x)
{
	if (!x)
		return;
	vgg_int8_release_jobs(x);
	vgg_int8_unplace(x);
	free(x->steps);
	release_net(x->net);
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
	unsigned int last = x->net->o.plan->count, i;
	int err = 0;

	if (!x->net->o.visible)
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

unsigned int vgg_int8_jobs(const struct vgg_int8 *x)
{
	unsigned int n = 0, i;

	for (i = 0; i < x->step_count; i++)
		n += (x->steps[i].fetch.stream != NULL) +
		     (x->steps[i].job.stream != NULL);
	return n;
}

/*
 * Running.
 */
static int run_cpu(struct vgg_int8 *x, const struct vgg_int8_step *s)
{
	VGG_TRACE(PART, s->first, s->end);
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

/*
 * The CPU's threads and workspace are claimed for as long as they are used: by
 * steps of the CPU that follow each other, so that an image in flight comes
 * through them before the next one begins. Not while it waits for the card.
 */
static void let_go(struct vgg_int8 *x)
{
	if (x->claimed)
		vgg_threads_unclaim(x->claimed);
	x->claimed = NULL;
}

static void claim(struct vgg_int8 *x, struct vgg_threads *threads)
{
	if (x->claimed == threads)
		return;
	let_go(x);
	vgg_threads_claim(threads);
	x->claimed = threads;
}

/* A job of a step that is on its way. */
struct going {
	const struct vgg_int8_step *step;
	uint64_t ticket;
	bool begun;
};

static int begin(struct vgg_int8 *x, const struct vgg_ready_job *job,
		 struct going *g)
{
	int err = job->stream ? vgg_int8_begin_job(x, job, g->step->first,
						   &g->ticket) :
				0;

	g->begun = job->stream && !err;
	return err;
}

/* What has begun is waited for, whatever else went wrong: it uses the memory of
 * this execution. The first error is the one to tell. */
static int end(struct vgg_int8 *x, const struct going *g, int err,
	       struct vgg_int8_totals *totals)
{
	struct vgg_error first;
	int late;

	if (!g->begun)
		return err;
	if (err)
		first = *vgg_error_last();
	late = vgg_int8_end_job(x, g->step->first, g->ticket, totals);
	if (err && late)
		vgg_fail_(first.code, first.where, first.next_step, "%s",
			  first.what);
	return err ? err : late;
}

static int begin_fetch(struct vgg_int8 *x, struct going *g)
{
	if (!g->step->fetch.stream)
		return 0;
	VGG_TRACE(FETCH, g->step->first, g->step->end);
	return begin(x, &g->step->fetch, g);
}

static int end_fetch(struct vgg_int8 *x, const struct going *g, int err,
		     struct vgg_int8_totals *totals)
{
	if (!g->begun)
		return err;
	VGG_TRACE(FETCH, g->step->first, g->step->end);
	return end(x, g, err, totals);
}

/* A step of the CPU alone begins when it has the CPU; others have begun by what they
 * tell the card. */
static void claim_ahead(struct vgg_int8 *x, const struct vgg_int8_step *s)
{
	if (s->cpu && !s->fetch.stream && !s->job.stream)
		claim(x, vgg_int8_threads(x, s->first));
}

/*
 * Card and CPU at the same time. The card's own job is in its queue before what
 * the CPU lacks has been fetched: it goes on from the one to the other by
 * itself.
 */
static int run_step(struct vgg_int8 *x, const struct vgg_int8_step *s,
		    struct vgg_int8_totals *totals)
{
	VGG_TRACE(STEP, s->first, s->end);
	struct going fetch = { .step = s }, job = { .step = s };
	int err;

	if (s->fetch.stream || (s->job.stream && !s->cpu))
		let_go(x);
	err = begin_fetch(x, &fetch);
	if (!err)
		err = begin(x, &s->job, &job);
	err = end_fetch(x, &fetch, err, totals);
	if (!err && s->cpu) {
		claim(x, vgg_int8_threads(x, s->first));
		err = run_cpu(x, s);
	}
	if (job.begun)
		let_go(x);
	return end(x, &job, err, totals);
}

int vgg_int8_run(struct vgg_int8 *x, struct vgg_int8_totals *totals)
{
	unsigned int i;
	int err;

	*totals = (struct vgg_int8_totals){ 0 };
	err = hide_results(x);
	if (!err)
		err = sync_input(x, vgg_buffer_finish_range);
	for (i = 0; !err && i < x->step_count; i++) {
		claim_ahead(x, &x->steps[i]);
		err = run_step(x, &x->steps[i], totals);
	}
	let_go(x);
	return err ? err : show_results(x);
}

static const struct vgg_int8_step *step_of(const struct vgg_int8 *x,
					   unsigned int layer)
{
	unsigned int i;

	for (i = 0; i < x->step_count; i++)
		if (x->steps[i].first == layer && x->steps[i].end > layer)
			return &x->steps[i];
	return NULL;
}

static int put_tensor(struct vgg_int8 *x, unsigned int i, const int8_t *from)
{
	struct vgg_tensor *t = &x->tensors[i];
	const struct vgg_piece all = { .width = (uint32_t)t->bytes,
				       .height = 1 };
	int err = sync(t, &all, VGG_ACCESS_WRITE, vgg_buffer_prepare_range);

	if (err)
		return err;
	memcpy(t->cpu, from, t->bytes);
	return sync(t, &all, VGG_ACCESS_WRITE, vgg_buffer_finish_range);
}

static int get_tensor(struct vgg_int8 *x, unsigned int i, int8_t *to)
{
	int err = sync_results(x, i, vgg_buffer_prepare_range);

	if (err)
		return err;
	memcpy(to, x->tensors[i].cpu, x->tensors[i].bytes);
	return sync_results(x, i, vgg_buffer_finish_range);
}

int vgg_int8_run_layer(struct vgg_int8 *x, unsigned int i, const int8_t *in,
		       int8_t *out)
{
	const struct vgg_int8_step *s = step_of(x, i);
	struct vgg_int8_totals totals = { 0 };
	int err;

	if (!s) {
		memcpy(out, in, x->tensors[i].bytes);
		return 0;
	}
	err = hide_results(x);
	if (!err)
		err = put_tensor(x, i, in);
	if (!err)
		err = run_step(x, s, &totals);
	let_go(x);
	return err ? err : get_tensor(x, i + 1, out);
}
