/* SPDX-License-Identifier: MIT */
#ifndef VGGCTL_SHOW_H
#define VGGCTL_SHOW_H

#include "out.h"

/* show_svg.c: all layers of cli->model as a picture. */
int show_svg(const struct cli *cli, const struct out_layer *layers,
	     const char *path);

#endif
