/* SPDX-License-Identifier: MIT */
#ifndef VGGCTL_LAYERS_H
#define VGGCTL_LAYERS_H

#include "out.h"

/* All layers of cli->model, placed if there is a session; free() them. */
int layers_describe(const struct cli *cli, struct out_layer **layers);

#endif
