/* SPDX-License-Identifier: MIT */
/* What the card's commands can express; see vggaccel_hw.h. */
#ifndef VGG_CARD_LIMITS_H
#define VGG_CARD_LIMITS_H

#include "model/graph.h"
#include "vggaccel_hw.h"

#define VGG_QSHIFT_MAX ((int)VGG_SHIFT_MAX)

/* Why the card can't run the integer form of l; NULL if it can. */
const char *vgg_card_refusal(const struct vgg_layer *l);

#endif
