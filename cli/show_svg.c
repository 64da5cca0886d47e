// SPDX-License-Identifier: MIT
/*
 * A network as a picture: from top to bottom, a box for each layer, as wide above as
 * its input is large, and below as its output (by the root of its elements, so that
 * what a pool takes away is seen and what is small can be read); beside it two bars,
 * its share of the work and of the weights. Layers up to a pool are a block.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "out.h"
#include "show.h"
#include "svg.h"
#include "text.h"

#define WIDTH 1000
#define CENTRE 250.0
#define LEAST 190.0 /* of a box */
#define MOST 380.0
#define BOX 40.0
#define GAP 24.0
#define HEAD 26.0 /* of a block */
#define TOP 112.0
#define BAR 160.0
#define MACS_AT 490.0
#define BYTES_AT 745.0

struct picture {
	const struct cli *cli;
	const struct out_layer *layers;
	unsigned int count;
	uint64_t elements, macs, bytes; /* the most of a layer */
	uint64_t all_macs, all_bytes;
	bool int8;
	unsigned int at; /* layer that is drawn */
	double y;
};

static uint64_t bytes_of(const struct picture *p, unsigned int i)
{
	const struct vgg_layer_info *l = &p->layers[i].info;

	return p->int8 ? l->int8_bytes : l->fp32_bytes;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void sum(struct picture *p)
{
	unsigned int i;

	for (i = 0; i < p->count; i++) {
		const struct vgg_layer_info *l = &p->layers[i].info;

		p->elements = most(p->elements, l->in_count);
		p->elements = most(p->elements, l->out_count);
		p->macs = most(p->macs, l->macs);
		p->bytes = most(p->bytes, bytes_of(p, i));
		p->all_macs += l->macs;
		p->all_bytes += bytes_of(p, i);
	}
}

static bool is_vector(const struct vgg_layer_info *l)
{
	return !l->in_height || !l->out_height;
}

/* A block ends where the image gets much smaller, as by a pool; not where it loses
 * a border to a convolution without padding. Vectors are one of their own. */
static bool ends_block(const struct picture *p, unsigned int i)
{
	const struct vgg_layer_info *l = &p->layers[i].info;

	if (i + 1 == p->count ||
	    is_vector(l) != is_vector(&p->layers[i + 1].info))
		return true;
	return !is_vector(l) && 3 * l->out_height < 2 * l->in_height;
}

static double width_of(const struct picture *p, uint64_t elements)
{
	return LEAST + (MOST - LEAST) * sqrt((double)elements /
					     (double)most(p->elements, 1));
}

static const char *class_of(const struct vgg_layer_info *l)
{
	return !strcmp(l->op, "conv")	     ? "conv" :
	       !strcmp(l->op, "fc")	     ? "fc" :
	       strstr(l->op, "pool") != NULL ? "pool" :
					       "other";
}

/* What goes into the width: the end of a name says more than its beginning. */
static void put_fitting(FILE *f, double y, const char *class_, const char *text,
			double width, double letter)
{
	size_t room = (size_t)(width / letter), n = strlen(text);
	char cut[128], more[32];

	if (room > sizeof(cut) - 8)
		room = sizeof(cut) - 8;
	if (n > room) {
		text += n - room;
		while (((unsigned char)*text & 0xc0) == 0x80)
			text++;
	}
	snprintf(cut, sizeof(cut), "%s%s", n > room ? "…" : "", text);
	snprintf(more, sizeof(more), " class='%s'", class_);
	svg_text(f, CENTRE, y, "middle", more, cut);
}

static void put_tip(FILE *f, const struct vgg_layer_info *l)
{
	char scales[160] = "";

	if (l->quantized)
		snprintf(scales, sizeof(scales),
			 "; output int8 with scale %.4g, zero point %d",
			 (double)l->out_scale, l->out_zero);
	fputs("<title>", f);
	svg_put(f, l->name);
	fprintf(f, ": %s, %s to %s%s", l->kind, l->in, l->out, scales);
	if (l->weight_scale_max > 0)
		fprintf(f, "; scales of weights %.3g to %.3g",
			(double)l->weight_scale_min,
			(double)l->weight_scale_max);
	fputs("</title>\n", f);
}

static void put_box(const struct picture *p, FILE *f)
{
	const struct vgg_layer_info *l = &p->layers[p->at].info;
	double a = width_of(p, l->in_count) / 2;
	double b = width_of(p, l->out_count) / 2, y = p->y;
	double c = b + (a - b) * 6 / BOX; /* where a pool of its own begins */

	fprintf(f, "<path class='%s' d='M%.1f %.1fH%.1fL%.1f %.1fH%.1fZ'/>\n",
		class_of(l), CENTRE - a, y, CENTRE + a, CENTRE + b, y + BOX,
		CENTRE - b);
	if (l->pool.kernel_h)
		fprintf(f,
			"<path class='sub' d='M%.1f %.1fH%.1fL%.1f "
			"%.1fH%.1fZ'/>\n",
			CENTRE - c, y + BOX - 6, CENTRE + c, CENTRE + b,
			y + BOX, CENTRE - b);
	put_fitting(f, y + 16, "n", l->name, 2 * fmin(a, b) - 16, 6.8);
	put_fitting(f, y + 29, "d", l->kind, 2 * fmin(a, b) - 16, 5.6);
}

static void put_bar(FILE *f, double x, double y, const char *class_,
		    uint64_t value, uint64_t of, const char *unit)
{
	double part = of ? (double)value / (double)of : 0;
	char text[TEXT_SI];

	fprintf(f,
		"<rect class='track' x='%.1f' y='%.1f' width='%.1f' "
		"height='10' rx='3'/>\n",
		x, y + 15, BAR);
	if (!value)
		return;
	/* The least is seen, too. */
	fprintf(f,
		"<rect class='%s' x='%.1f' y='%.1f' width='%.1f' height='10' "
		"rx='%.1f'/>\n",
		class_, x, y + 15, fmax(2, BAR * part),
		fmin(3, BAR * part / 2));
	svg_text(f, x + BAR + 68, y + 24, "end", " class='v'",
		 text_si((double)value, unit, text));
}

static void put_arrow(FILE *f, double y, const char *shape)
{
	fprintf(f, "<path class='arrow' d='M%.1f %.1fV%.1fm-4 -5l4 5l4 -5'/>\n",
		CENTRE, y + 1, y + GAP - 2);
	svg_text(f, CENTRE + 10, y + GAP / 2 + 4, "start", " class='d'", shape);
}

static void put_layer(struct picture *p, FILE *f)
{
	const struct vgg_layer_info *l = &p->layers[p->at].info;

	put_arrow(f, p->y, l->in);
	p->y += GAP;
	fputs("<g>\n", f);
	put_tip(f, l);
	put_box(p, f);
	put_bar(f, MACS_AT, p->y, "macs", l->macs, p->macs, "MAC");
	put_bar(f, BYTES_AT, p->y, "bytes", bytes_of(p, p->at), p->bytes, "B");
	fputs("</g>\n", f);
	p->y += BOX;
	p->at++;
}

static double percent(uint64_t a, uint64_t b)
{
	return b ? 100.0 * (double)a / (double)b : 0;
}

static void put_block_head(const struct picture *p, FILE *f, unsigned int end)
{
	const struct vgg_layer_info *l = &p->layers[p->at].info;
	uint64_t macs = 0, bytes = 0;
	char text[96];
	unsigned int i;

	for (i = p->at; i < end; i++) {
		macs += p->layers[i].info.macs;
		bytes += bytes_of(p, i);
	}
	if (l->in_height && l->out_height)
		snprintf(text, sizeof(text), "%d × %d", l->in_height,
			 l->in_width);
	else
		snprintf(text, sizeof(text), "vectors");
	svg_text(f, 30, p->y + 19, "start", " class='b'", text);
	snprintf(text, sizeof(text), "%.3g %% of the work",
		 percent(macs, p->all_macs));
	svg_text(f, MACS_AT, p->y + 19, "start", " class='d'", text);
	snprintf(text, sizeof(text), "%.3g %% of the weights",
		 percent(bytes, p->all_bytes));
	svg_text(f, BYTES_AT, p->y + 19, "start", " class='d'", text);
}

static void put_block(struct picture *p, FILE *f)
{
	unsigned int end = p->at;
	double height;

	while (!ends_block(p, end++))
		;
	height = HEAD + (end - p->at) * (BOX + GAP) + 10;
	fprintf(f,
		"<rect class='block' x='16' y='%.1f' width='%d' "
		"height='%.1f' rx='8'/>\n",
		p->y, WIDTH - 32, height - 4);
	put_block_head(p, f, end);
	p->y += HEAD - 10;
	while (p->at < end)
		put_layer(p, f);
	p->y += 20;
}

static void put_title(const struct picture *p, FILE *f)
{
	const struct vgg_model_info *m = &p->cli->model_info;
	char line[256], a[TEXT_SI], b[TEXT_SI], c[TEXT_SI];

	svg_text(f, 24, 38, "start", " class='t'", m->name);
	snprintf(line, sizeof(line),
		 "%s → %s   ·   %u layers   ·   %s   ·   %s parameters   ·   "
		 "%s in %s",
		 p->layers[0].info.in, p->layers[p->count - 1].info.out,
		 p->count, text_si((double)p->all_macs, "MAC", a),
		 text_si((double)m->parameters, "", b),
		 text_si((double)p->all_bytes, "B", c),
		 p->int8 ? "int8" : "fp32");
	svg_text(f, 24, 62, "start", " class='s'", line);
	svg_text(f, MACS_AT, 96, "start", " class='b'", "multiply-accumulates");
	svg_text(f, BYTES_AT, 96, "start", " class='b'",
		 p->int8 ? "weights and parameters, int8" :
			   "weights and parameters, fp32");
}

static const char style[] =
	"svg{font:11px system-ui,'DejaVu Sans',sans-serif}"
	"text{fill:#1f2328}.t{font-size:22px;font-weight:600}"
	".s{font-size:13px;fill:#59636e}.n{font-size:12px;font-weight:600}"
	".d{font-size:10.5px;fill:#59636e}.v{font-size:11px}"
	".b{font-size:12px;font-weight:600;fill:#424a53}"
	".block{fill:#f6f8fa;stroke:#e3e8ed}"
	"path{stroke-width:1.2;stroke-linejoin:round}"
	".conv{fill:#dcebfb;stroke:#4a8bd0}.fc{fill:#e9e0f9;stroke:#8a63d2}"
	".pool{fill:#d6f0de;stroke:#3aa364}.other{fill:#eceff2;stroke:#98a2ad}"
	".sub{fill:#8fd6a8;stroke:#3aa364}.arrow{fill:none;stroke:#98a2ad}"
	".track{fill:#e7ebef}.macs{fill:#f0a041}.bytes{fill:#2fa8a0}"
	"g:hover path{stroke:#1f2328}";

static void put_legend(FILE *f, double y)
{
	static const struct {
		const char *class_, *text;
	} keys[] = {
		{ "conv", "convolution" },
		{ "sub", "max-pool, part of the layer" },
		{ "pool", "pool" },
		{ "fc", "fully connected" },
		{ "other", "others" },
	};
	double x = 30;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		fprintf(f, "<path class='%s' d='M%.1f %.1fh14v10h-14z'/>\n",
			keys[i].class_, x, y);
		svg_text(f, x + 20, y + 9, "start", " class='d'", keys[i].text);
		x += 40 + 6 * (double)strlen(keys[i].text);
	}
	svg_text(f, WIDTH - 24, y + 9, "end", " class='d'",
		 "widths: root of a tensor's elements");
}

static void draw(FILE *f, const void *what)
{
	struct picture p = *(const struct picture *)what;
	unsigned int blocks = 0, i;
	double height;

	for (i = 0; i < p.count; i++)
		blocks += ends_block(&p, i);
	height = TOP + p.count * (BOX + GAP) + blocks * (HEAD + 10) + 76;
	fprintf(f,
		"<svg xmlns='http://www.w3.org/2000/svg' width='%d' "
		"height='%.0f' viewBox='0 0 %d %.0f'>\n"
		"<style>%s</style>\n"
		"<rect width='100%%' height='100%%' fill='#fff'/>\n",
		WIDTH, height, WIDTH, height, style);
	put_title(&p, f);
	p.y = TOP;
	while (p.at < p.count)
		put_block(&p, f);
	put_arrow(f, p.y - 4, p.layers[p.count - 1].info.out);
	put_legend(f, p.y + 36);
	fputs("</svg>\n", f);
}

int show_svg(const struct cli *cli, const struct out_layer *layers,
	     const char *path)
{
	struct picture p = { .cli = cli,
			     .layers = layers,
			     .count = cli->model_info.layers,
			     .int8 = cli->model_info.has_int8 };

	sum(&p);
	return svg_write(path, draw, &p);
}
