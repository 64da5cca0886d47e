/* SPDX-License-Identifier: MIT */
/* The two halves of vggctl verify. */
#ifndef VGGCTL_VERIFY_H
#define VGGCTL_VERIFY_H

#include "cli.h"

struct verify {
	struct cli *cli; /* first, see cli.h */
	struct session_args args;
	const char *input;	 /* of an array */
	struct file_list images; /* as given */
	/* For --layers. */
	bool layers;
	const char *data;
	unsigned int max_images;       /* 0: the default */
	double min_snr_alone, min_snr; /* 0: the library's */
	const char *layers_only;       /* an option that only it has */
};

/* verify_layers.c; returns the exit status. */
int verify_layers(struct verify *v);

#endif
