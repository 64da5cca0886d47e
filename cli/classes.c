// SPDX-License-Identifier: MIT
/* See classes.h. */
#include <stdio.h>

#include "classes.h"
#include "text.h"

const char *const classes_names[] = { "auto", "name", "number", NULL };

/* If they are in another order, all figures are wrong, and look as if the network
 * were. */
static void warn_of_numbers(struct classes *c, const struct cli *cli,
			    const struct vgg_dataset *set, const char *data)
{
	struct vgg_quantize_warning *w = &c->warning;

	w->name = "CLASSES_BY_NUMBER";
	snprintf(w->where, sizeof(w->where), "%s", data);
	snprintf(w->what, sizeof(w->what),
		 "not one of its classes has the name of one of the network's; "
		 "they are taken by number: %.60s for %.60s, and so on",
		 vgg_dataset_class(set, 0), vgg_model_label(cli->model, 0));
	snprintf(w->next_step, sizeof(w->next_step),
		 "if both are in the same order, say --classes number; else "
		 "give the network labels, or the images' classes its names");
	cli_warn(w);
}

int classes_match(struct classes *c, const struct cli *cli,
		  const struct vgg_dataset *set, const char *data,
		  enum vgg_classes how)
{
	int err;

	*c = (struct classes){ .warning = VGG_INIT(c->warning) };
	c->of = cli_alloc(NULL,
			  (vgg_dataset_classes(set) + 1) * sizeof(*c->of));
	err = vgg_evaluate_classes(cli->model, set, how, c->of, &c->by_name);
	if (!err && !c->by_name && how == VGG_CLASSES_AUTO)
		warn_of_numbers(c, cli, set, data);
	return err;
}
