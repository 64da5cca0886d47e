// SPDX-License-Identifier: MIT
/* See word_net.h. */
#include <math.h>
#include <stdlib.h>

#include "net.h"
#include "word_net.h"

static void add_weights(struct vgg_layer *l, int kernel, uint64_t *seed)
{
	size_t taps = (size_t)(kernel * kernel) * (size_t)vgg_channels(&l->in);
	float bound = sqrtf(6.0f / (float)taps);

	l->win.kernel_h = l->win.kernel_w = kernel;
	l->win.pad_top = l->win.pad_left = kernel / 2;
	net_fill(&l->weight, 8 * taps, -bound, bound, seed);
	net_fill(&l->bias, 8, -0.2f, 0.2f, seed);
}

static void set_layer(struct vgg_layer *l, char letter, uint64_t *seed)
{
	size_t n = (size_t)vgg_channels(&l->in);

	switch (letter) {
	case 'c':
		add_weights(l, 3, seed);
		break;
	case 'u':
		add_weights(l, 3, seed);
		l->win.pad_top = l->win.pad_left = 0;
		l->win.pad_bottom = l->win.pad_right = 0;
		break;
	case 'd':
		add_weights(l, 1, seed);
		break;
	case '6':
		l->hi = 6;
		l->lo = 0;
		break;
	case 'r':
		l->lo = 0;
		break;
	case 'b':
		net_fill(&l->scale, n, 0.5f, 2, seed);
		net_fill(&l->shift, n, -0.3f, 0.3f, seed);
		break;
	case 'q':
		l->win.pad_top = l->win.pad_left = 1;
		l->win.pad_bottom = l->win.pad_right = 1;
		/* fall through */
	case 'p':
	case 'a':
		l->win.kernel_h = l->win.kernel_w = 2;
		l->win.stride_h = l->win.stride_w = 2;
		break;
	case 'l':
		l->lrn_size = 3;
		l->lrn_alpha = 0.5f;
		l->lrn_beta = 0.75f;
		l->lrn_bias = 1;
		break;
	case '0':
		l->win.pad_top = l->win.pad_left = 1;
		break;
	default:
		l->out =
			(struct vgg_shape){ 2, { 1, vgg_shape_count(&l->in) } };
	}
}

struct vgg_model *word_net(const char *word, uint64_t seed)
{
	static const char letters[] = "c0rbpalfd6uq";
	static const enum vgg_op ops[] = {
		VGG_OP_CONV,	VGG_OP_PAD,	VGG_OP_AFFINE, VGG_OP_AFFINE,
		VGG_OP_MAXPOOL, VGG_OP_AVGPOOL, VGG_OP_LRN,    VGG_OP_RESHAPE,
		VGG_OP_CONV,	VGG_OP_AFFINE,	VGG_OP_CONV,   VGG_OP_MAXPOOL,
	};
	struct vgg_model *m = vgg_model_new();
	int c;

	ASSERT_TRUE(m != NULL);
	m->name = strdup(word);
	m->source = strdup("test");
	m->input = (struct vgg_shape){ 4, { 1, 3, WORD_SIDE, WORD_SIDE } };
	m->preprocess = (struct vgg_preprocess){ .resize = WORD_SIDE,
						 .crop_w = WORD_SIDE,
						 .crop_h = WORD_SIDE,
						 .channels = 3 };
	for (c = 0; c < 3; c++) {
		m->preprocess.mean[c] = 0.5f;
		m->preprocess.std[c] = 0.25f;
	}
	for (; *word; word++) {
		struct vgg_layer *l = vgg_model_add(
			m, ops[strchr(letters, *word) - letters], "layer");

		ASSERT_TRUE(l != NULL);
		free(l->name);
		ASSERT_LE(0, asprintf(&l->name, "%s%u", vgg_op_name(l->op),
				      m->count - 1));
		set_layer(l, *word, &seed);
		OK(vgg_layer_infer(l));
	}
	OK(vgg_model_fold(m));
	return m;
}
