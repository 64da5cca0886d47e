// SPDX-License-Identifier: MIT
/* See plan_support.h. */
#include "plan_support.h"

#include "net.h"

/* As quantisation would leave it, but for the values. */
static void add_weights(struct vgg_layer *l, int out_c)
{
	size_t n = (size_t)vgg_channels(&l->in) * (size_t)out_c *
		   (size_t)(l->win.kernel_h * l->win.kernel_w);

	l->qweight = (struct vgg_blob){ .count = n, .dtype = VGG_I8 };
	l->qparam = (struct vgg_blob){ .count = 4 * (size_t)out_c,
				       .dtype = VGG_I32 };
}

static void square(struct vgg_window *w, int kernel, int stride, int pad)
{
	*w = (struct vgg_window){ kernel, kernel, stride, stride,
				  pad,	  pad,	  pad,	  pad };
}

static int option(const char *line, const char *name, int other)
{
	const char *at = strstr(line, name);

	return at ? atoi(at + strlen(name)) : other;
}

static void add_conv(struct vgg_model *m, const char *line, int out_c)
{
	struct vgg_layer *l = vgg_model_add(m, VGG_OP_CONV, line);
	int pool = option(line, " pool", 0);

	square(&l->win, option(line, " k", 1), option(line, " s", 1),
	       option(line, " p", 0));
	l->has_pool = pool;
	if (pool)
		square(&l->pool, pool, option(line, " q", pool), 0);
	add_weights(l, out_c);
}

static void add_line(struct vgg_model *m, const char *line)
{
	int n = option(line, " ", 1);
	struct vgg_layer *l;

	if (!strncmp(line, "conv", 4) || !strncmp(line, "fc", 2)) {
		add_conv(m, line, n);
	} else if (!strncmp(line, "max", 3)) {
		l = vgg_model_add(m, VGG_OP_MAXPOOL, line);
		square(&l->win, n, n, 0);
	} else if (!strncmp(line, "flat", 4)) {
		l = vgg_model_add(m, VGG_OP_RESHAPE, line);
		l->keep_order = true;
		l->out =
			(struct vgg_shape){ 2, { 1, vgg_shape_count(&l->in) } };
	} else {
		l = vgg_model_add(m, VGG_OP_AFFINE, line);
		l->cpu_reason = "the card has no such command";
	}
	OK(vgg_layer_infer(&m->layers[m->count - 1]));
}

struct vgg_model *plan_net(int c, int h, int w, const char *layers)
{
	struct vgg_model *m = vgg_model_new();
	char line[80];
	size_t n;

	ASSERT_TRUE(m != NULL);
	m->name = strdup("net");
	m->input = (struct vgg_shape){ 4, { 1, c, h, w } };
	while (*layers) {
		n = strcspn(layers, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)n, layers);
		add_line(m, line);
		layers += n + (layers[n] != 0);
	}
	m->integer_layers = m->count;
	return m;
}

struct vgg_model *plan_vgg16(void)
{
	return plan_net(3, 224, 224,
			"conv 64 k3 p1\nconv 64 k3 p1 pool2\n"
			"conv 128 k3 p1\nconv 128 k3 p1 pool2\n"
			"conv 256 k3 p1\nconv 256 k3 p1\nconv 256 k3 p1 pool2\n"
			"conv 512 k3 p1\nconv 512 k3 p1\nconv 512 k3 p1 pool2\n"
			"conv 512 k3 p1\nconv 512 k3 p1\nconv 512 k3 p1 pool2\n"
			"flat\nfc 4096\nfc 4096\nfc 1000");
}

void plan_net_free(struct vgg_model *m)
{
	vgg_model_free(m);
}

void plan_machine(struct vgg_machine *m, double gmacs)
{
	*m = (struct vgg_machine){ .name = "test", .processors = 1 };
	OK(vgg_machine_set_profile(m, NULL));
	m->job_ms = 0.05;
	m->processor[0] = (struct vgg_processor){
		.name = "cpu",
		.threads = 1,
		.capacity = { gmacs, 2 * gmacs, gmacs, 1 << 20, 0.01 },
	};
}
