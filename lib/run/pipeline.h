/* SPDX-License-Identifier: MIT */
/* A pipeline on lanes that are given, which a machine may have been supposed
 * for. */
#ifndef VGG_PIPELINE_H
#define VGG_PIPELINE_H

#include "plan/lanes.h"

/* The lanes are taken, in any case. Options are complete; split and plan are not
 * looked at. */
int vgg_pipeline_create_lanes(struct vgg_device *device,
			      const struct vgg_model *model,
			      const struct vgg_session_options *o,
			      struct vgg_lanes *lanes, unsigned int in_flight,
			      struct vgg_pipeline **pipeline);

#endif
