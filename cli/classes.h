/* SPDX-License-Identifier: MIT */
/* Which of a network's classes those of a data set are. */
#ifndef VGGCTL_CLASSES_H
#define VGGCTL_CLASSES_H

#include "cli.h"

/* For the option; its words are values of enum vgg_classes. */
#define OPTION_CLASSES(key, group)                                      \
	{                                                               \
		"classes", key, "HOW", 0,                               \
			"By what classes of images are those of the "   \
			"network: name, number, or auto (default): by " \
			"name, if one is the same",                     \
			group                                           \
	}
extern const char *const classes_names[];

struct classes {
	unsigned int *of; /* the network's, by the data set's */
	bool by_name;
	/* Its name is NULL if there is nothing to warn of. */
	struct vgg_quantize_warning warning;
};

/* Warns if they are taken by number and nobody said so. Free c->of, also after a
 * failure. */
int classes_match(struct classes *c, const struct cli *cli,
		  const struct vgg_dataset *set, const char *data,
		  enum vgg_classes how);

#endif
