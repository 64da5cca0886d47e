// SPDX-License-Identifier: MIT
/* The table of vggctl show. */
#include <string.h>

#include "text_style.h"
#include "text_tables.h"

#define CELL 64

static void add_count(struct table *t, uint64_t n, const char *unit)
{
	char text[TEXT_SI];

	table_cell(t, "%s", n ? text_si((double)n, unit, text) : "-");
}

static int stride(char *to, size_t size, const struct vgg_window_info *w)
{
	return w->stride_h == w->stride_w ?
		       snprintf(to, size, "%d", w->stride_h) :
		       snprintf(to, size, "%dx%d", w->stride_h, w->stride_w);
}

static int pad(char *to, size_t size, const struct vgg_window_info *w)
{
	bool equal = w->pad_top == w->pad_left && w->pad_top == w->pad_right &&
		     w->pad_top == w->pad_bottom;

	return equal ? snprintf(to, size, "%d", w->pad_top) :
		       snprintf(to, size, "%d,%d,%d,%d", w->pad_top,
				w->pad_left, w->pad_bottom, w->pad_right);
}

/* "1", or "1+2" with a pool behind it. */
static void add_windows(struct table *t, const struct vgg_layer_info *l,
			int (*put)(char *, size_t,
				   const struct vgg_window_info *),
			bool known)
{
	char text[CELL] = "-";
	int n = 1;

	if (known)
		n = put(text, sizeof(text), &l->window);
	if (l->pool.kernel_h) {
		text[n] = '+';
		put(text + n + 1, sizeof(text) - (size_t)n - 1, &l->pool);
	}
	table_cell(t, "%s", text);
}

static void add_scales(struct table *t, const struct vgg_layer_info *l)
{
	if (l->weight_scale_max > 0)
		table_cell(t, "%.3g..%.3g", (double)l->weight_scale_min,
			   (double)l->weight_scale_max);
	else
		table_cell(t, "-");
}

/* What int8 represents of a tensor, and its zero point. */
static void add_range(struct table *t, bool known, float scale, int zero)
{
	if (!known) {
		table_cell(t, "-");
		table_cell(t, "-");
		return;
	}
	table_cell(t, "%.3g..%.3g", (-128 - zero) * (double)scale,
		   (127 - zero) * (double)scale);
	table_cell(t, "%d", zero);
}

static void add_layer(struct table *t, const struct vgg_layer_info *l)
{
	bool pads = !strcmp(l->op, "pad");

	table_cell(t, "%s", l->name);
	table_cell(t, "%s", l->kind);
	add_windows(t, l, stride, l->window.kernel_h);
	add_windows(t, l, pad, l->window.kernel_h || pads);
	table_cell(t, "%s", l->out);
	add_count(t, l->parameters, "");
	add_count(t, l->macs, "");
	add_scales(t, l);
	add_range(t, l->quantized, l->out_scale, l->out_zero);
	add_count(t, l->int8_bytes, "B");
	add_count(t, l->fp32_bytes, "B");
}

static void add_input(struct table *t, const struct vgg_model_info *m,
		      const struct vgg_layer_info *first)
{
	int i;

	table_cell(t, "input");
	for (i = 0; i < 3; i++)
		table_cell(t, "-");
	table_cell(t, "%s", first->in);
	for (i = 0; i < 3; i++)
		table_cell(t, "-");
	add_range(t, m->in_scale > 0, m->in_scale, m->in_zero);
	table_cell(t, "-");
	table_cell(t, "-");
}

struct sums {
	uint64_t int8, fp32, activations;
};

static struct sums sum(const struct cli *cli, const struct out_layer *layers)
{
	struct sums s = { 0 };
	unsigned int i;

	for (i = 0; i < cli->model_info.layers; i++) {
		const struct vgg_layer_info *l = &layers[i].info;
		uint64_t both = l->in_count + l->out_count;

		s.int8 += l->int8_bytes;
		s.fp32 += l->fp32_bytes;
		s.activations = both > s.activations ? both : s.activations;
	}
	return s;
}

static void add_total(struct table *t, const struct vgg_model_info *m,
		      const struct sums *s)
{
	int i;

	table_cell(t, "total");
	for (i = 0; i < 4; i++)
		table_cell(t, "%s", "");
	add_count(t, m->parameters, "");
	add_count(t, m->macs, "");
	for (i = 0; i < 3; i++)
		table_cell(t, "%s", "");
	add_count(t, s->int8, "B");
	add_count(t, s->fp32, "B");
}

void text_shown(const struct cli *cli, const struct out_show *show)
{
	const struct vgg_model_info *m = &cli->model_info;
	struct sums s = sum(cli, show->layers);
	char a[TEXT_SI], b[TEXT_SI];
	struct table t;
	unsigned int i;

	text_pair("activations", "at most %s of a layer in int8, %s in fp32",
		  text_si((double)s.activations, "B", a),
		  text_si(4.0 * (double)s.activations, "B", b));
	if (show->file)
		text_pair("picture", "%s", show->file);
	putchar('\n');
	table_begin(&t, "<layer|<kind|<stride|<pad|<out|>parameters|>MACs|"
			"<weights' scales|<int8 range|>zero|>int8|>fp32");
	add_input(&t, m, &show->layers[0].info);
	for (i = 0; i < m->layers; i++)
		add_layer(&t, &show->layers[i].info);
	add_total(&t, m, &s);
	table_print(&t, stdout, text_on(TEXT_BOLD), text_off());
}
