// SPDX-License-Identifier: MIT
/*
 * See draw.h. From the top: title, summary and note, the legend, the axis, the
 * tracks. A track is as many rows as its events lie within each other.
 */
#include <math.h>
#include <string.h>

#include "model/embedded.h"
#include "trace/draw.h"

#define WIDTH 1600.0
#define LEFT 130.0
#define RIGHT 20.0
#define ROW 18.0
#define GAP 9.0
#define HEAD 126.0 /* above the first track */
#define LETTER 5.6 /* of a label, on average */
#define TICKS 12
#define TOO_SMALL 0.2

#define KINDS (VGG_TRACE_WAIT + 1)

static const char *const legend[KINDS] = {
	[VGG_TRACE_IMAGE] = "inference",
	[VGG_TRACE_INPUT] = "input",
	[VGG_TRACE_STEP] = "step: layers between barriers",
	[VGG_TRACE_FLOAT] = "layer in floating point",
	[VGG_TRACE_OUTPUT] = "output",
	[VGG_TRACE_PART] = "the CPU's part of a step",
	[VGG_TRACE_FETCH] = "fetching what the CPU lacks",
	[VGG_TRACE_WORK] = "work of a CPU thread",
	[VGG_TRACE_CALL] = "call into the device",
	[VGG_TRACE_JOB] = "job of the card",
	[VGG_TRACE_LAYER] = "layer on the card, modelled",
	[VGG_TRACE_DMA] = "DMA, modelled",
	[VGG_TRACE_WAIT] = "waiting for the CPU",
};

void vgg_trace_put_text(FILE *to, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", to);
			break;
		case '<':
			fputs("&lt;", to);
			break;
		case '>':
			fputs("&gt;", to);
			break;
		case '"':
			fputs("&quot;", to);
			break;
		default:
			putc(*text, to);
		}
}

/*
 * Places.
 */
struct picture {
	const struct vgg_trace *t;
	FILE *to;
	bool live;
	double height;
};

static double x_of(const struct vgg_trace *t, uint64_t at)
{
	double all = (double)(t->end - t->begin);

	return LEFT + (all > 0 ? (WIDTH - LEFT - RIGHT) *
					 (double)(at - t->begin) / all :
				 0);
}

static unsigned int rows_of(const struct vgg_trace *t, size_t first)
{
	unsigned int rows = 1;
	size_t i;

	for (i = first;
	     i < t->n_events && t->events[i].track == t->events[first].track;
	     i++)
		if (t->events[i].depth + 1 > rows)
			rows = t->events[i].depth + 1;
	return rows;
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

/*
 * The head.
 */
void vgg_trace_put_title(const struct vgg_trace *t, FILE *to)
{
	unsigned int images = vgg_trace_images(t);

	vgg_trace_put_text(to, t->sources ? t->sources->model : "nothing");
	fprintf(to, ": %u inference%s", images, images == 1 ? "" : "s");
}

static double share(const struct vgg_trace *t, uint64_t ns)
{
	return t->end > t->begin ?
		       100 * (double)ns / (double)(t->end - t->begin) :
		       0;
}

static void put_head(const struct vgg_trace *t, FILE *to)
{
	const struct vgg_trace_source *s = t->sources;
	size_t dropped = atomic_load(&((struct vgg_trace *)t)->count) - t->seen;

	fputs("<text class=\"title\" x=\"10\" y=\"22\">", to);
	vgg_trace_put_title(t, to);
	fprintf(to, ", %.3f ms</text>\n<text x=\"10\" y=\"40\">",
		ms(t->end - t->begin));
	if (s) {
		vgg_trace_put_text(to, s->placement);
		fputs("; ", to);
		vgg_trace_put_text(to, s->device);
		fputs(". ", to);
	}
	if (s && s->has_card)
		fprintf(to,
			"Busy: card %.1f %% of the time, both at once "
			"%.1f %%, CPU %.1f %%.",
			share(t, t->card), share(t, t->both), share(t, t->cpu));
	else
		fprintf(to, "Busy: CPU %.1f %% of the time.", share(t, t->cpu));
	if (dropped)
		fprintf(to, " %zu events had no room.", dropped);
	fprintf(to,
		"</text>\n<text class=\"dim\" x=\"10\" y=\"56\">%s</text>\n",
		t->note);
}

/* Only kinds that occur. */
static void put_legend(const struct vgg_trace *t, FILE *to)
{
	bool there[KINDS] = { false };
	double x = 10;
	size_t i;

	for (i = 0; i < t->n_events; i++)
		there[t->events[i].kind] = true;
	for (i = 0; i < KINDS; i++) {
		if (!there[i])
			continue;
		fprintf(to,
			"<rect class=\"k%zu\" x=\"%.0f\" y=\"68\" width=\"11\" "
			"height=\"11\" rx=\"2\"/><text x=\"%.0f\" y=\"77\">%s"
			"</text>\n",
			i, x, x + 15, legend[i]);
		x += 15 + (double)strlen(legend[i]) * 5.5 + 14;
	}
}

/* 1, 2 or 5 times a power of ten: a dozen of them at most. */
static double tick_of(double all)
{
	double step = pow(10, floor(log10(all / TICKS)));
	static const double nice[] = { 1, 2, 5, 10 };
	unsigned int i = 0;

	while (i < 3 && all / (step * nice[i]) > TICKS)
		i++;
	return step * nice[i];
}

static void put_axis(const struct picture *p)
{
	double all = ms(p->t->end - p->t->begin), step, at;
	int decimals;

	fputs("<g id=\"axis\">\n", p->to);
	if (all > 0) {
		step = tick_of(all);
		decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
		for (at = 0; at <= all * 1.000001; at += step) {
			double x = LEFT + (WIDTH - LEFT - RIGHT) * at / all;

			fprintf(p->to,
				"<line class=\"grid\" x1=\"%.2f\" x2=\"%.2f\" "
				"y1=\"%.0f\" y2=\"%.0f\"/><text class=\"dim\" "
				"x=\"%.2f\" y=\"%.0f\" text-anchor=\"middle\">"
				"%.*f ms</text>\n",
				x, x, HEAD - 12, p->height - 8, x, HEAD - 16,
				decimals, at);
		}
	}
	fputs("</g>\n", p->to);
}

/*
 * Boxes.
 */
static void put_details(FILE *to, const struct vgg_trace_event *e)
{
	fprintf(to, "\nimage %u", e->image);
	if (e->layers > 1)
		fprintf(to, ", %d layers", e->layers);
	if (e->where)
		fprintf(to, "\non: %s", e->where);
	if (e->cut)
		fprintf(to, ", the card has the first %d of %d", e->cut,
			e->all);
	if (e->tasks)
		fprintf(to, "\n%u task%s", e->tasks, e->tasks == 1 ? "" : "s");
	if (e->cycles)
		fprintf(to, "\nof the card's clock: %.4f ms, %llu cycles%s",
			e->card_ms, (unsigned long long)e->cycles,
			e->modelled ? ", modelled" : "");
	if (e->bytes)
		fprintf(to, "\n%llu bytes", (unsigned long long)e->bytes);
}

static void put_label(FILE *to, const char *name, double x, double y,
		      double width)
{
	size_t fits = width > 8 ? (size_t)((width - 6) / LETTER) : 0;
	size_t n = strlen(name), i;

	if (n > fits && fits < 3)
		return;
	fprintf(to, "<text x=\"%.2f\" y=\"%.1f\">", x + 3, y + 12.5);
	if (n > fits) {
		/* No part of a character stays. */
		for (i = fits - 1; i && (name[i] & 0xc0) == 0x80; i--)
			;
		for (n = 0; n < i; n++) {
			char one[2] = { name[n], 0 };

			vgg_trace_put_text(to, one);
		}
		fputs("\xe2\x80\xa6", to);
	} else {
		vgg_trace_put_text(to, name);
	}
	fputs("</text>", to);
}

static void put_box(const struct picture *p, const struct vgg_trace_event *e,
		    double y)
{
	double x = x_of(p->t, e->begin), width = x_of(p->t, e->end) - x;

	fprintf(p->to, "<g class=\"e\"");
	if (p->live)
		fprintf(p->to, " data-b=\"%llu\" data-d=\"%llu\"",
			(unsigned long long)(e->begin - p->t->begin),
			(unsigned long long)(e->end - e->begin));
	fputs("><title>", p->to);
	vgg_trace_put_text(p->to, e->name);
	fprintf(p->to, "\n%s: %.4f ms, from %.4f ms on", legend[e->kind],
		ms(e->end - e->begin), ms(e->begin - p->t->begin));
	put_details(p->to, e);
	fprintf(p->to,
		"</title><rect class=\"k%d%s\" x=\"%.2f\" y=\"%.1f\" "
		"width=\"%.2f\" height=\"%.0f\" rx=\"2\"/>",
		(int)e->kind, e->modelled ? " m" : "", x, y,
		width > TOO_SMALL ? width : TOO_SMALL, ROW - 1);
	put_label(p->to, e->name, x, y, width);
	fputs("</g>\n", p->to);
}

#define DEPTHS 16

/* Returns the first event of the next track. */
static size_t put_track(const struct picture *p, size_t first, double y)
{
	const struct vgg_trace *t = p->t;
	double drawn[DEPTHS] = { 0 };
	size_t i;

	fprintf(p->to, "<text x=\"10\" y=\"%.1f\">%s</text>\n", y + 12.5,
		t->rows[t->events[first].track].name);
	fputs("<g class=\"boxes\">\n", p->to);
	for (i = first;
	     i < t->n_events && t->events[i].track == t->events[first].track;
	     i++) {
		const struct vgg_trace_event *e = &t->events[i];
		double end = x_of(t, e->end);

		if (!p->live && end < drawn[e->depth] + TOO_SMALL)
			continue;
		drawn[e->depth] = end;
		put_box(p, e, y + e->depth * ROW);
	}
	fputs("</g>\n", p->to);
	return i;
}

static double height_of(const struct vgg_trace *t)
{
	double height = HEAD + 10;
	size_t i;

	for (i = 0; i < t->n_events; i++)
		if (!i || t->events[i].track != t->events[i - 1].track)
			height += rows_of(t, i) * ROW + GAP;
	return height;
}

void vgg_trace_draw(const struct vgg_trace *t, FILE *to, bool live)
{
	struct picture p = { t, to, live, height_of(t) };
	double y = HEAD, rows;
	size_t i = 0;

	fprintf(to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
		"height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" data-left=\"%.0f\" "
		"data-right=\"%.0f\" data-axis=\"%.0f\" data-ns=\"%llu\">\n"
		"<style>\n",
		WIDTH, p.height, WIDTH, p.height, LEFT, WIDTH - RIGHT,
		HEAD - 16, (unsigned long long)(t->end - t->begin));
	fwrite(vgg_embedded_trace_style, 1, vgg_embedded_trace_style_bytes, to);
	fputs("</style>\n", to);
	fprintf(to,
		"<clipPath id=\"area\"><rect x=\"%.0f\" y=\"0\" width=\"%.0f\" "
		"height=\"%.0f\"/></clipPath>\n",
		LEFT, WIDTH - LEFT - RIGHT + 1, p.height);
	put_head(t, to);
	put_legend(t, to);
	while (i < t->n_events) {
		rows = rows_of(t, i);
		fprintf(to,
			"<rect class=\"lane\" x=\"%.0f\" y=\"%.1f\" "
			"width=\"%.0f\" height=\"%.0f\"/>\n",
			LEFT, y - 1, WIDTH - LEFT - RIGHT, rows * ROW + 1);
		y += rows * ROW + GAP;
		while (++i < t->n_events &&
		       t->events[i].track == t->events[i - 1].track)
			;
	}
	put_axis(&p);
	for (i = 0, y = HEAD; i < t->n_events; y += rows * ROW + GAP) {
		rows = rows_of(t, i);
		i = put_track(&p, i, y);
	}
	fputs("</svg>\n", to);
}

int vgg_trace_write_svg(const struct vgg_trace *t, FILE *to)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", to);
	vgg_trace_draw(t, to, false);
	return ferror(to) ? -1 : 0;
}
