/* SPDX-License-Identifier: MIT */
/*
 * A network's description in a Keras file of the whole model: JSON of all layers
 * with their options. Weights fit many networks: that it is the one of a known
 * architecture is seen here, layer by layer.
 */
#ifndef VGG_KERAS_CONFIG_H
#define VGG_KERAS_CONFIG_H

#include "model/arch.h"

/* Of BatchNorm, where nothing says it. */
#define VGG_KERAS_EPSILON 1e-3

struct json_t;

struct vgg_keras_config {
	struct json_t *root;	/* NULL: there is no description */
	struct json_t **layers; /* of root; those of networks in it, too */
	size_t count, room;
	bool channels_first; /* of images; kernels are the same */
	bool flat_by_row;    /* flattened as row, column, channel */
	double epsilon;	     /* of the BatchNorms; 0: there are none */
	enum vgg_op end;     /* set by check: SOFTMAX, LOGSOFTMAX or neither */
};

/* text may be NULL. MODEL_FORMAT or MODEL_UNSUPPORTED for what is no chain of
 * layers; clear also after a failure. */
int vgg_keras_config_read(struct vgg_keras_config *c, const char *path,
			  const char *text);
/* keras_layers.c: MODEL_UNSUPPORTED unless the layers are the plan's, but for a
 * softmax at the end. */
int vgg_keras_config_check(struct vgg_keras_config *c, const char *path,
			   const struct vgg_arch_plan *plan);
/* After that: the model gets or loses its softmax, as the description has it. */
int vgg_keras_config_end(const struct vgg_keras_config *c, struct vgg_model *m);
void vgg_keras_config_clear(struct vgg_keras_config *c);

#endif
