// SPDX-License-Identifier: MIT
/* A data set through a pipeline. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/graph.h"
#include "util/error.h"

/*
 * Classes.
 */
static int find_class(const struct vgg_model *m, unsigned int classes,
		      const char *name)
{
	unsigned int i;

	for (i = 0; i < classes; i++)
		if (!strcasecmp(vgg_model_label(m, i), name))
			return (int)i;
	return -1;
}

#define NAMES_MOST 4 /* in a message */

/* What the network has no class for, and how many more there are. */
struct missing {
	char names[256];
	unsigned int count;
};

static void add_missing(struct missing *m, const char *name)
{
	size_t n = strlen(m->names);

	if (m->count++ < NAMES_MOST)
		snprintf(m->names + n, sizeof(m->names) - n, "%s\"%.40s\"",
			 n ? ", " : "", name);
}

static void find_all(const struct vgg_model *m, unsigned int n,
		     const struct vgg_dataset *d, unsigned int *classes,
		     struct missing *missing)
{
	unsigned int i;
	int at;

	for (i = 0; i < vgg_dataset_classes(d); i++) {
		at = find_class(m, n, vgg_dataset_class(d, i));
		if (at < 0)
			add_missing(missing, vgg_dataset_class(d, i));
		else
			classes[i] = (unsigned int)at;
	}
}

static int fail_names(const struct vgg_model *m, const struct vgg_dataset *d,
		      const struct missing *missing)
{
	unsigned int have = vgg_dataset_classes(d);
	char more[32] = "";

	if (missing->count > NAMES_MOST)
		snprintf(more, sizeof(more), " and %u more",
			 missing->count - NAMES_MOST);
	return vgg_fail(DATASET_FORMAT, m->name,
			"take a network that knows them, or rename them as its "
			"labels; or, if both have the same classes in the same "
			"order, say --classes number",
			"the network has no class %s%s of the images' %u "
			"classes%s",
			missing->names, more, have,
			missing->count < have ? "; the others it has" : "");
}

static int number_classes(const struct vgg_model *m, unsigned int n,
			  const struct vgg_dataset *d, unsigned int *classes)
{
	unsigned int have = vgg_dataset_classes(d), i;

	if (have != n)
		return vgg_fail(DATASET_FORMAT, m->name,
				"name the subfolders as the network's labels, "
				"or take another network",
				"classes can't go by number: the images are of "
				"%u, the network knows %u",
				have, n);
	for (i = 0; i < have; i++)
		classes[i] = i;
	return 0;
}

/* One name that both have is no accident: then all must be there, as another
 * order would pass for bad answers. */
int vgg_evaluate_classes(const struct vgg_model *m, const struct vgg_dataset *d,
			 enum vgg_classes how, unsigned int *classes,
			 bool *by_name)
{
	unsigned int n = (unsigned int)vgg_shape_count(vgg_model_output(m));
	unsigned int have = vgg_dataset_classes(d);
	struct missing missing = { .count = 0 };
	bool number = how == VGG_CLASSES_BY_NUMBER;
	int err = vgg_check_choice(how, VGG_CLASSES_BY_NUMBER, "classes");

	if (err)
		return err;
	if (!have)
		return vgg_fail(DATASET_FORMAT, NULL,
				"put the images of each class in a subfolder",
				"the images have no classes");
	if (!number)
		find_all(m, n, d, classes, &missing);
	if (how == VGG_CLASSES_AUTO)
		number = missing.count == have && have == n;
	if (by_name)
		*by_name = !number;
	if (number)
		return number_classes(m, n, d, classes);
	return missing.count ? fail_names(m, d, &missing) : 0;
}

/*
 * Images.
 */
struct evaluation {
	const struct vgg_dataset *d;
	const struct vgg_evaluate_options *o;
	const unsigned int *classes;
	struct vgg_pipeline *pipeline;
	unsigned int outputs; /* of the network */
	size_t next, end, pulled;
	bool unreadable; /* what failed was reading an image */
	vgg_evaluate_fn fn;
	void *ctx;
};

static int push(struct evaluation *e)
{
	struct vgg_image *image;
	int err = vgg_dataset_read(e->d, e->next, &image, NULL);

	e->unreadable = err != 0;
	if (err)
		return err;
	err = vgg_pipeline_push_image(e->pipeline, image);
	vgg_image_free(image);
	e->next += !err;
	return err;
}

static int stopped(void)
{
	return vgg_fail(INTERRUPTED, NULL, NULL, "evaluation was stopped");
}

static int tell(struct evaluation *e, const struct vgg_result *r,
		unsigned int class_)
{
	const struct vgg_session *s = vgg_pipeline_session(e->pipeline);
	struct vgg_evaluated image = { .image = e->pulled,
				       .class_ = e->classes[class_],
				       .result = r };
	int err;

	image.placement = vgg_pipeline_placement(e->pipeline);
	image.count = e->outputs < 5 ? e->outputs : 5;
	err = vgg_result_top(s, r, image.top, image.count);
	if (!err && e->fn(e->ctx, &image))
		err = stopped();
	return err;
}

static int pull(struct evaluation *e)
{
	struct vgg_result r = VGG_INIT(r);
	unsigned int class_;
	int err = vgg_dataset_class_of(e->d, e->pulled, &class_);

	if (!err)
		err = vgg_pipeline_pull(e->pipeline, &r);
	if (!err)
		err = tell(e, &r, class_);
	e->pulled++;
	return err;
}

static void fail_again(const struct vgg_error *e)
{
	vgg_fail_(e->code, e->where, e->next_step, "%s", e->what);
}

/* What was pushed before something went wrong is still told, and that is the last
 * error all the same. */
static int drain(struct evaluation *e, int err)
{
	struct vgg_error first = *vgg_error_last();
	int late = 0;

	while (!late && first.code != VGG_ERROR_INTERRUPTED &&
	       vgg_pipeline_in_flight(e->pipeline))
		late = pull(e);
	if (late && vgg_error_last()->code == VGG_ERROR_INTERRUPTED)
		return late;
	e->unreadable &= !late; /* that alone went wrong */
	fail_again(&first);
	return err;
}

static bool is_of_image(enum vgg_error_code code)
{
	return code == VGG_ERROR_NO_FILE || code == VGG_ERROR_FILE_IO ||
	       code == VGG_ERROR_IMAGE_FORMAT ||
	       code == VGG_ERROR_IMAGE_UNSUPPORTED ||
	       code == VGG_ERROR_IMAGE_SIZE;
}

/* Nothing is in flight, so it is told in its turn. That costs a moment in which
 * processors wait, but for few images: else the data set isn't worth much. */
static int skip(struct evaluation *e, int err)
{
	struct vgg_evaluated image = { .image = e->pulled };
	struct vgg_error why = *vgg_error_last();
	unsigned int class_;

	if (!e->o->skip_unreadable || !e->unreadable || !is_of_image(why.code))
		return err;
	err = vgg_dataset_class_of(e->d, e->pulled, &class_);
	if (err)
		return err;
	image.class_ = e->classes[class_];
	image.placement = vgg_pipeline_placement(e->pipeline);
	fail_again(&why);
	e->next = ++e->pulled;
	return e->fn(e->ctx, &image) ? stopped() : 0;
}

static int run(struct evaluation *e)
{
	int err = 0;

	while (!err && e->pulled < e->end) {
		bool more = e->next < e->end && vgg_pipeline_room(e->pipeline);

		e->unreadable = false;
		err = more ? push(e) : pull(e);
		if (err)
			err = drain(e, err);
		if (err)
			err = skip(e, err);
	}
	return err;
}

static int check_range(struct evaluation *e)
{
	size_t n = vgg_dataset_count(e->d);

	e->end = e->o->end ? e->o->end : n;
	e->next = e->pulled = e->o->first;
	if (e->end <= n && e->next <= e->end)
		return 0;
	return vgg_fail(BAD_ARGUMENT, "images", NULL,
			"images %zu to %zu of %zu", e->next, e->end, n);
}

int vgg_evaluate(struct vgg_device *device, const struct vgg_model *model,
		 const struct vgg_dataset *dataset,
		 const struct vgg_evaluate_options *options, vgg_evaluate_fn fn,
		 void *ctx)
{
	struct vgg_evaluate_options o = VGG_INIT(o);
	struct evaluation e = { .d = dataset, .o = &o, .fn = fn, .ctx = ctx };
	unsigned int *own;
	int err = 0;

	if (options && vgg_check_struct(options->size, "evaluate options"))
		return -EINVAL;
	if (options)
		memcpy(&o, options,
		       options->size < sizeof(o) ? options->size : sizeof(o));
	own = calloc(vgg_dataset_classes(dataset) + 1, sizeof(*own));
	if (!own)
		return vgg_fail_memory("an evaluation");
	e.classes = o.classes ? o.classes : own;
	e.outputs = (unsigned int)vgg_shape_count(vgg_model_output(model));
	if (!o.classes)
		err = vgg_evaluate_classes(model, dataset, VGG_CLASSES_AUTO,
					   own, NULL);
	if (!err)
		err = check_range(&e);
	if (!err)
		err = vgg_pipeline_create(device, model, o.session, o.in_flight,
					  &e.pipeline);
	if (!err)
		err = run(&e);
	vgg_pipeline_free(e.pipeline);
	free(own);
	return err;
}
