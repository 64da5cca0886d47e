// SPDX-License-Identifier: MIT
/*
 * Who computes what of a layer, and which bytes of a tensor that concerns. The
 * card takes the first rows or channels of an output, the CPU the others; to
 * compute rows, a side needs the rows of the input under their windows; to
 * compute channels, all of it.
 */
#include "run/int8_parts.h"

static int height(const struct vgg_shape *s)
{
	return s->rank == 4 ? (int)s->dim[2] : 1;
}

static int width(const struct vgg_shape *s)
{
	return s->rank == 4 ? (int)s->dim[3] : 1;
}

static struct vgg_conv_range all_of(const struct vgg_shape *s)
{
	return (struct vgg_conv_range){ 0, height(s), 0, (int)vgg_channels(s) };
}

bool vgg_range_is_empty(const struct vgg_conv_range *r)
{
	return r->row0 >= r->row1 || r->c0 >= r->c1;
}

struct vgg_conv_range vgg_int8_share(const struct vgg_int8 *x, unsigned int i,
				     bool card)
{
	const struct vgg_share *s = &x->net->shares[i];
	struct vgg_conv_range r = all_of(&x->net->o.model->layers[i].out);

	switch (s->where) {
	case VGG_BY_ROWS:
		*(card ? &r.row1 : &r.row0) = s->cut;
		break;
	case VGG_BY_CHANNELS:
		*(card ? &r.c1 : &r.c0) = s->cut;
		break;
	default:
		if (card != (s->where == VGG_ON_CARD))
			r.row1 = 0;
	}
	return r;
}

/* Rows of the input that rows row0..row1-1 of a window's output see. */
static void rows_under(const struct vgg_window *w, int h, int *row0, int *row1)
{
	int first = *row0 * w->stride_h - w->pad_top;
	int end = (*row1 - 1) * w->stride_h - w->pad_top + w->kernel_h;

	*row0 = first > 0 ? first : 0;
	*row1 = end < h ? end : h;
}

/* The rows of tensor i that a side reads; all channels of them. */
static struct vgg_conv_range needed(const struct vgg_int8 *x, unsigned int i,
				    bool card)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];
	struct vgg_conv_range out, r = all_of(&l->in);
	int64_t h, w;

	out = vgg_int8_share(x, i, card);
	if (vgg_range_is_empty(&out)) {
		r.row1 = 0;
		return r;
	}
	if (x->net->shares[i].where != VGG_BY_ROWS)
		return r;
	r.row0 = out.row0;
	r.row1 = out.row1;
	vgg_conv_size(l, &h, &w);
	if (l->has_pool)
		rows_under(&l->pool, (int)h, &r.row0, &r.row1);
	rows_under(&l->win, height(&l->in), &r.row0, &r.row1);
	return r;
}

/* The layer whose output tensor i is, behind free ones; -1: the input. */
static int producer(const struct vgg_int8 *x, unsigned int i)
{
	while (i && x->tensors[i].alias)
		i--;
	return (int)i - 1;
}

/* A reshape keeps bytes, not rows: behind it all are needed. */
static struct vgg_conv_range wanted(const struct vgg_int8 *x, unsigned int i,
				    bool card, const struct vgg_shape *s)
{
	struct vgg_conv_range r = all_of(s);

	if (i >= x->net->o.plan->count) {
		r.row1 = card ? 0 : r.row1;
	} else {
		struct vgg_conv_range n = needed(x, i, card);

		if (vgg_range_is_empty(&n) || !x->tensors[i].alias) {
			r.row0 = n.row0;
			r.row1 = n.row1;
		}
	}
	return r;
}

static struct vgg_piece piece_of(const struct vgg_shape *s,
				 const struct vgg_conv_range *r)
{
	uint64_t channels = (uint64_t)vgg_channels(s);
	uint64_t row = (uint64_t)width(s) * channels;
	uint32_t rows = (uint32_t)(r->row1 - r->row0);
	struct vgg_piece p = {
		.offset = (uint64_t)r->row0 * row + (uint64_t)r->c0, .height = 1
	};

	if (vgg_range_is_empty(r))
		return (struct vgg_piece){ 0 };
	p.width = (uint32_t)(r->c1 - r->c0);
	if (p.width == channels) {
		p.width = (uint32_t)(rows * row);
	} else {
		p.height = rows * (uint32_t)width(s);
		p.pitch = (uint32_t)channels;
	}
	return p;
}

uint64_t vgg_piece_span(const struct vgg_piece *p)
{
	return p->width ? (uint64_t)(p->height - 1) * p->pitch + p->width : 0;
}

struct vgg_piece vgg_int8_written(const struct vgg_int8 *x, unsigned int i,
				  bool card)
{
	struct vgg_conv_range r = vgg_int8_share(x, i, card);

	return piece_of(&x->net->o.model->layers[i].out, &r);
}

/* From the card's share, which begins at row and channel 0, what is wanted of
 * it. */
static void keep_common(struct vgg_conv_range *want,
			const struct vgg_conv_range *has)
{
	if (want->row1 > has->row1)
		want->row1 = has->row1;
	if (want->c1 > has->c1)
		want->c1 = has->c1;
}

/* What is left of it without the card's share. */
static void keep_others(struct vgg_conv_range *want,
			const struct vgg_conv_range *has, enum vgg_where where)
{
	if (where == VGG_BY_ROWS && want->row0 < has->row1)
		want->row0 = has->row1;
	if (where == VGG_BY_CHANNELS)
		want->c0 = has->c1;
	if (where == VGG_ON_CARD)
		want->row1 = want->row0;
}

struct vgg_piece vgg_int8_foreign(const struct vgg_int8 *x, unsigned int i,
				  bool card)
{
	int by = producer(x, i);
	const struct vgg_model *m = x->net->o.model;
	const struct vgg_shape *s = by < 0 ? &m->input : &m->layers[by].out;
	struct vgg_conv_range want = wanted(x, i, card, s), has;

	if (by < 0) {
		if (!card)
			want.row1 = want.row0;
		return piece_of(s, &want);
	}
	has = vgg_int8_share(x, (unsigned int)by, true);
	if (card)
		keep_others(&want, &has, x->net->shares[by].where);
	else
		keep_common(&want, &has);
	return piece_of(s, &want);
}
