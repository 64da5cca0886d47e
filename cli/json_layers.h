/* SPDX-License-Identifier: MIT */
/* Layers as JSON, where a verb tells much of each. */
#ifndef VGGCTL_JSON_LAYERS_H
#define VGGCTL_JSON_LAYERS_H

#include <jansson.h>

#include "out.h"

/* placed: with where it runs and why. */
json_t *json_layer(const struct out_layer *l, bool placed);
/* All that is known of it. */
json_t *json_shown(const struct out_layer *l);
json_t *json_verified(const struct out_verify *v);
json_t *json_analysed(const struct out_analysis *a);

#endif
