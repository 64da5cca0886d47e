// SPDX-License-Identifier: MIT
/* See cost.h. */
#include <stdlib.h>

#include "plan/cost.h"
#include "timing.h"
#include "util/error.h"
#include "vggaccel_hw.h"

#define PAGE ((uint64_t)4096) /* what on-board memory is given out in */

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/*
 * Memory.
 */
uint64_t vgg_weight_bytes(const struct vgg_layer *l, struct vgg_place_of here)
{
	uint64_t weights = l->qweight.count;
	uint64_t params = l->qparam.count * sizeof(int32_t);
	uint64_t all = (uint64_t)vgg_channels(&l->out);

	if (here.where == VGG_ON_CPU || !(weights + params))
		return 0;
	if (here.where == VGG_BY_CHANNELS) {
		weights = weights / all * (uint64_t)here.cut;
		params = params / all * (uint64_t)here.cut;
	}
	return round_up(round_up(weights, VGG_PARAM_ALIGN) + params, PAGE);
}

uint64_t vgg_activation_bytes(const struct vgg_model *m)
{
	uint64_t bytes = round_up((uint64_t)vgg_shape_count(&m->input), PAGE);
	unsigned int i;

	for (i = 0; i < m->integer_layers; i++)
		bytes += round_up((uint64_t)vgg_shape_count(&m->layers[i].out),
				  PAGE);
	return bytes;
}

int vgg_costs_init(struct vgg_costs *c, const struct vgg_machine *machine,
		   const struct vgg_model *model)
{
	uint64_t needed = vgg_activation_bytes(model);
	unsigned int n = model->integer_layers, i;

	*c = (struct vgg_costs){ .machine = machine, .model = model };
	c->on_board = machine->has_card && machine->card.local_free >= needed;
	c->room = c->on_board ? machine->card.local_free - needed : 0;
	c->cpu = calloc(n + 1, sizeof(*c->cpu));
	c->steps = calloc(n + 1, sizeof(*c->steps));
	if (!c->cpu || !c->steps) {
		vgg_costs_clear(c);
		return vgg_fail_memory("costs of layers");
	}
	for (i = 0; i < n; i++) {
		if (vgg_layer_is_free(&model->layers[i]))
			continue;
		c->steps[c->count++] = i;
		vgg_machine_cost(machine, &model->layers[i], 0, &c->cpu[i]);
		c->guessed |= c->cpu[i].guessed;
	}
	return 0;
}

void vgg_costs_clear(struct vgg_costs *c)
{
	free(c->cpu);
	free(c->steps);
	c->cpu = NULL;
	c->steps = NULL;
}

/*
 * What each side computes, reads and has. Bytes of a tensor are counted from its
 * begin; a range of rows is a range of bytes.
 */
struct span {
	int64_t begin, end;
};

static int64_t span_bytes(struct span s)
{
	return s.end > s.begin ? s.end - s.begin : 0;
}

static int64_t tensor_bytes(const struct vgg_extent *e)
{
	return e->h * e->w * e->c;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Rows of the convolution under the first n rows behind its pool. */
static int64_t conv_rows(const struct vgg_layer *l, int64_t n, int64_t all)
{
	if (l->has_pool)
		n = (n - 1) * l->pool.stride_h + l->pool.kernel_h -
		    l->pool.pad_top;
	return least(n, all);
}

/* Input rows under the first n rows of the output. */
static int64_t rows_above(const struct vgg_layer *l, int64_t n, int64_t in_h)
{
	int64_t h, w;

	vgg_conv_size(l, &h, &w);
	n = conv_rows(l, n, h);
	return least((n - 1) * l->win.stride_h + l->win.kernel_h -
			     l->win.pad_top,
		     in_h);
}

/* The first input row under row n of the output. */
static int64_t row_below(const struct vgg_layer *l, int64_t n)
{
	if (l->has_pool)
		n = most(0, n * l->pool.stride_h - l->pool.pad_top);
	return most(0, n * l->win.stride_h - l->win.pad_top);
}

static struct span card_reads(const struct vgg_layer *l,
			      struct vgg_place_of here)
{
	struct vgg_extent in = vgg_extent_of(&l->in);
	int64_t rows = in.h;

	if (here.where == VGG_ON_CPU)
		return (struct span){ 0, 0 };
	if (here.where == VGG_BY_ROWS)
		rows = rows_above(l, here.cut, in.h);
	return (struct span){ 0, rows * in.w * in.c };
}

static struct span cpu_reads(const struct vgg_layer *l,
			     struct vgg_place_of here)
{
	struct vgg_extent in = vgg_extent_of(&l->in);
	int64_t row = 0;

	if (here.where == VGG_ON_CARD)
		return (struct span){ 0, 0 };
	if (here.where == VGG_BY_ROWS)
		row = row_below(l, here.cut);
	return (struct span){ row * in.w * in.c, tensor_bytes(&in) };
}

/* Bytes of a span of layer l's output that the card computed. */
static int64_t card_made(const struct vgg_layer *l, struct vgg_place_of where,
			 struct span s)
{
	struct vgg_extent out = vgg_extent_of(&l->out);

	switch (where.where) {
	case VGG_ON_CARD:
		return span_bytes(s);
	case VGG_BY_ROWS:
		s.end = least(s.end, where.cut * out.w * out.c);
		return span_bytes(s);
	case VGG_BY_CHANNELS: /* of each pixel touched */
		s.begin = s.begin / out.c * where.cut;
		s.end = (s.end + out.c - 1) / out.c * where.cut;
		return span_bytes(s);
	default:
		return 0;
	}
}

/*
 * Commands.
 */
struct traffic {
	uint64_t local, read,
		written; /* the latter two: of the host's memory */
};

static void add_read(struct traffic *t, bool local, uint64_t bytes)
{
	*(local ? &t->local : &t->read) += bytes;
}

static void add_written(struct traffic *t, bool local, uint64_t bytes)
{
	*(local ? &t->local : &t->written) += bytes;
}

/* One way after the other, as the cycle model has it. What is written counts as
 * the bytes that could be read meanwhile, so that of two equal speeds the sum is
 * the model's to the cycle. */
static uint64_t link_cycles(const struct vgg_machine_card *c,
			    const struct traffic *t)
{
	uint64_t written =
		vgg_timing_div_up(t->written * c->link_mbps, c->back_mbps);

	return vgg_timing_transfer(t->read + written, c->clock_khz,
				   c->link_mbps);
}

static uint64_t command(const struct vgg_machine_card *c, uint64_t compute,
			const struct traffic *t)
{
	return vgg_timing_command(
		c->command_cycles, compute,
		vgg_timing_transfer(t->local, c->clock_khz, c->local_mbps),
		link_cycles(c, t));
}

/* Between on-board and host memory. */
static uint64_t copy(const struct vgg_machine_card *c, int64_t bytes,
		     bool to_host)
{
	struct traffic t = { .local = (uint64_t)bytes };

	*(to_host ? &t.written : &t.read) = (uint64_t)bytes;
	return command(c, 0, &t);
}

/* What a CONV or POOL of the card's part works on. */
struct part {
	uint64_t input, weights, output, pixels, channels, taps;
};

static struct part part_of(const struct vgg_layer *l, struct vgg_place_of here)
{
	struct vgg_extent in = vgg_extent_of(&l->in);
	struct vgg_extent out = vgg_extent_of(&l->out);
	struct part p = { .taps = (uint64_t)(l->win.kernel_h *
					     l->win.kernel_w) };
	int64_t rows = here.where == VGG_BY_ROWS ? here.cut : out.h;
	int64_t channels = here.where == VGG_BY_CHANNELS ? here.cut : out.c;
	int64_t h = rows, w = out.w;

	if (l->op == VGG_OP_CONV) {
		vgg_conv_size(l, &h, &w);
		if (here.where == VGG_BY_ROWS)
			h = conv_rows(l, rows, h);
		p.taps *= (uint64_t)in.c;
		p.weights = p.taps * (uint64_t)channels;
	}
	p.input = (uint64_t)span_bytes(card_reads(l, here));
	p.output = (uint64_t)(rows * out.w * channels);
	p.pixels = (uint64_t)(h * w);
	p.channels = (uint64_t)channels;
	return p;
}

static bool reads_again(const struct vgg_machine_card *c, const struct part *p)
{
	uint64_t half = (uint64_t)c->onchip_kib * 1024 / 2;

	return p->weights > half && p->input > half;
}

struct memory {
	bool input, weights, output; /* on board */
};

static uint64_t compute(const struct vgg_machine_card *c, struct part p,
			struct memory on_board, uint64_t *link)
{
	struct traffic t = { 0 };

	vgg_timing_conv_traffic((uint64_t)c->onchip_kib * 1024, &p.input,
				&p.weights);
	add_read(&t, on_board.input, p.input);
	add_read(&t, on_board.weights, p.weights);
	add_written(&t, on_board.output, p.output);
	*link += t.read + t.written;
	return command(c,
		       vgg_timing_mac(p.pixels, p.channels, p.taps, c->mac_rows,
				      c->mac_cols),
		       &t);
}

/*
 * Steps.
 */
static const struct vgg_layer *layer_at(const struct vgg_costs *c,
					unsigned int at)
{
	return &c->model->layers[c->steps[at]];
}

static bool uses_card(struct vgg_place_of p)
{
	return p.where != VGG_ON_CPU;
}

static double to_ms(const struct vgg_machine *m, uint64_t cycles)
{
	return (double)cycles / m->card.clock_khz;
}

/* Bytes to bring to the host before the step, to the card in its job. */
struct moves {
	int64_t out, in;
};

static struct moves find_moves(const struct vgg_costs *c,
			       const struct vgg_step *s)
{
	const struct vgg_layer *l = layer_at(c, s->at);
	const struct part p = part_of(l, s->here);
	struct span card = card_reads(l, s->here);
	struct moves m = { 0, 0 };

	if (!c->on_board)
		return m;
	if (uses_card(s->before)) {
		const struct vgg_layer *from = layer_at(c, s->at - 1);

		if (uses_card(s->here) || vgg_plan_mixes(from, s->before.where))
			m.out = card_made(from, s->before,
					  cpu_reads(l, s->here));
		m.in = most(0, span_bytes(card) -
				       card_made(from, s->before, card));
	} else if (uses_card(s->here) && reads_again(&c->machine->card, &p)) {
		m.in = span_bytes(card);
	}
	return m;
}

/* A job's own cost: its start and END. */
static uint64_t job_cycles(const struct vgg_machine_card *c)
{
	return (uint64_t)c->job_cycles + c->command_cycles;
}

/* A job that brings bytes to the host. */
static void add_export(const struct vgg_costs *c, int64_t bytes,
		       struct vgg_step_cost *cost)
{
	const struct vgg_machine_card *card = &c->machine->card;
	uint64_t cycles;

	if (!bytes) /* there may be no card */
		return;
	cycles = job_cycles(card) + copy(card, bytes, true);
	cost->cycles += cycles;
	cost->link_bytes += (uint64_t)bytes;
	cost->gather_cycles += cycles;
	cost->gather_bytes += (uint64_t)bytes;
	cost->gather_ms += to_ms(c->machine, cycles) + c->machine->job_ms;
}

static void add_card(const struct vgg_costs *c, const struct vgg_step *s,
		     int64_t in, struct vgg_step_cost *cost)
{
	const struct vgg_machine_card *card = &c->machine->card;
	const struct vgg_layer *l = layer_at(c, s->at);
	bool same_job =
		s->here.where == VGG_ON_CARD && s->before.where == VGG_ON_CARD;
	struct memory on_board = {
		.input = c->on_board && (uses_card(s->before) || in),
		.weights = c->on_board && !s->streamed,
		.output = c->on_board &&
			  (s->next_card || vgg_plan_mixes(l, s->here.where)),
	};
	uint64_t cycles;

	cost->job_cycles = same_job ? 0 : job_cycles(card);
	cost->copy_bytes = (uint64_t)in;
	if (in) /* with a FENCE */
		cost->copy_cycles =
			copy(card, in, false) + card->command_cycles;
	cost->link_bytes += cost->copy_bytes;
	cycles =
		cost->job_cycles + cost->copy_cycles +
		compute(card, part_of(l, s->here), on_board, &cost->link_bytes);
	cost->link_cycles = vgg_timing_transfer(
		cost->link_bytes - cost->copy_bytes - cost->gather_bytes,
		card->clock_khz, card->link_mbps);
	cost->cycles += cycles;
	cost->card_ms =
		to_ms(c->machine, cycles) + (same_job ? 0 : c->machine->job_ms);
}

/* The caller reads the last layer's output. */
static void add_end(const struct vgg_costs *c, const struct vgg_step *s,
		    struct vgg_step_cost *cost)
{
	const struct vgg_layer *l = layer_at(c, s->at);
	struct vgg_extent out = vgg_extent_of(&l->out);
	const struct span all = { 0, tensor_bytes(&out) };

	if (s->at + 1 != c->count || !c->on_board ||
	    !vgg_plan_mixes(l, s->here.where))
		return;
	cost->end_bytes = (uint64_t)card_made(l, s->here, all);
	add_export(c, (int64_t)cost->end_bytes, cost);
}

double vgg_card_least_ms(const struct vgg_costs *c, unsigned int at)
{
	const struct vgg_place_of card = { VGG_ON_CARD, 0 };
	uint64_t least = VGG_TIMING_FOREVER, cycles, link = 0;
	unsigned int i;

	for (i = 0; i < (c->on_board ? 8 : 1); i++) {
		struct memory on_board = { i & 1, i & 2, i & 4 };

		cycles = compute(&c->machine->card,
				 part_of(layer_at(c, at), card), on_board,
				 &link);
		least = cycles < least ? cycles : least;
	}
	return to_ms(c->machine, least);
}

static double cpu_part(const struct vgg_costs *c, const struct vgg_step *s)
{
	const struct vgg_layer *l = layer_at(c, s->at);
	const struct vgg_cpu_cost *cpu = &c->cpu[c->steps[s->at]];
	struct vgg_extent out = vgg_extent_of(&l->out);

	switch (s->here.where) {
	case VGG_ON_CARD:
		return 0;
	case VGG_BY_ROWS:
		return vgg_curve_at(&cpu->rows, (int)out.h - s->here.cut);
	case VGG_BY_CHANNELS:
		return vgg_curve_at(&cpu->channels, (int)out.c - s->here.cut);
	default:
		return vgg_curve_at(&cpu->rows, (int)out.h);
	}
}

/* Without on-board memory the executor lets the card do all of a layer that
 * would be mixed. */
static struct vgg_place_of real_place(const struct vgg_costs *c,
				      unsigned int at, struct vgg_place_of p)
{
	if (!c->on_board && vgg_plan_mixes(layer_at(c, at), p.where))
		p = (struct vgg_place_of){ VGG_ON_CARD, 0 };
	return p;
}

void vgg_step_cost(const struct vgg_costs *c, const struct vgg_step *step,
		   struct vgg_step_cost *cost)
{
	struct vgg_step s = *step;
	struct moves m;

	*cost = (struct vgg_step_cost){ 0 };
	s.here = real_place(c, s.at, s.here);
	if (s.at)
		s.before = real_place(c, s.at - 1, s.before);
	m = find_moves(c, &s);
	add_export(c, m.out, cost);
	cost->cpu_ms = cpu_part(c, &s);
	if (uses_card(s.here))
		add_card(c, &s, m.in, cost);
	/* It is in the card's queue already while the CPU's input is fetched. */
	if (uses_card(s.here) && m.out)
		cost->card_ms -= c->machine->job_ms;
	if (uses_card(s.here) && s.here.where != VGG_ON_CARD)
		cost->cpu_ms += c->machine->submit_ms;
	add_end(c, &s, cost);
	cost->ms =
		cost->gather_ms +
		(cost->card_ms > cost->cpu_ms ? cost->card_ms : cost->cpu_ms);
}

int vgg_cut_step(const struct vgg_layer *l, enum vgg_where where, int *all)
{
	struct vgg_extent out = vgg_extent_of(&l->out);
	bool cut = where == VGG_BY_ROWS || where == VGG_BY_CHANNELS;
	int step = cut ? vgg_plan_grain(l, where) : 0;

	*all = (int)(where == VGG_BY_ROWS ? out.h : out.c);
	return step < *all ? step : 0;
}
