// SPDX-License-Identifier: MIT
/*
 * Weights into the card's memory, once for each session.
 *
 * In chunks, through two staging buffers in turn: while the card copies one
 * chunk to its own memory, the next one is read from the model's file into the
 * other buffer, and parameters are converted to the card's form.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "run/int8_parts.h"
#include "util/error.h"
#include "util/reader.h"

#define CHUNK_MAX ((uint64_t)4 << 20)
#define CHUNKS 2u
#define READ_MIN ((uint64_t)64 << 10) /* less is copied from the mapping */

struct chunk {
	struct vgg_buffer *staging, *stream;
	bool busy; /* its job may be under way */
	uint64_t ticket;
	const char *layer;
};

struct upload {
	struct vgg_int8 *x;
	struct vgg_reader *reader; /* NULL: everything is copied */
	struct chunk chunks[CHUNKS];
	uint64_t chunk_bytes;
	unsigned int turn;
};

static uint64_t align_params(uint64_t n)
{
	return (n + VGG_PARAM_ALIGN - 1) & ~(uint64_t)(VGG_PARAM_ALIGN - 1);
}

/* What the card needs of a layer: of its first filters, where the CPU does the
 * others. */
struct needs {
	const struct vgg_layer *l;
	uint64_t weights, params; /* bytes */
};

static struct needs needs_of(const struct vgg_int8 *x, unsigned int i)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];
	struct vgg_conv_range share = vgg_int8_share(x, i, true);
	struct needs n = { .l = l,
			   .weights = l->qweight.count,
			   .params = l->qparam.count * sizeof(int32_t) };

	if (vgg_range_is_empty(&share))
		return (struct needs){ .l = l };
	if (x->net->shares[i].where == VGG_BY_CHANNELS) {
		uint64_t all = (uint64_t)vgg_channels(&l->out);

		n.weights = n.weights / all * (uint64_t)share.c1;
		n.params = n.params / all * (uint64_t)share.c1;
	}
	return n;
}

static uint64_t total(const struct needs *n)
{
	return align_params(n->weights) + n->params;
}

static int named(int err, const char *layer)
{
	vgg_error_at(err, "while its weights were uploaded");
	return vgg_error_at(err, layer);
}

/* Begins with the weights at..at+n-1; they are there after vgg_reader_finish().
 * Weights that lie in no file have no offset in it. */
static void fill_weights(const struct upload *u, const struct vgg_layer *l,
			 uint64_t at, uint64_t n, uint8_t *to)
{
	const uint8_t *from = (const uint8_t *)l->qweight.data + at;
	const struct vgg_file *f = &u->x->net->o.model->file;

	if (u->reader && n >= READ_MIN && from >= f->data &&
	    from < f->data + f->size)
		vgg_reader_start(u->reader, to, (uint64_t)(from - f->data), n);
	else
		memcpy(to, from, n);
}

/* Bytes at..end-1 of the parameters in the card's form. */
static void fill_params(const struct vgg_layer *l, uint64_t at, uint64_t end,
			uint8_t *to)
{
	const struct vgg_qparam *p = l->qparam.data;

	while (at < end) {
		const struct vgg_qparam *q = &p[at / sizeof(*q)];
		uint64_t from = at % sizeof(*q);
		uint64_t run = sizeof(*q) - from;
		struct vgg_hw_qparam hw = {
			.bias = htole32((uint32_t)q->bias),
			.mult = htole32((uint32_t)q->mult),
			.offset = htole32((uint32_t)q->offset),
			.shift = (uint8_t)q->shift,
		};

		run = run < end - at ? run : end - at;
		memcpy(to, (const uint8_t *)&hw + from, run);
		to += run;
		at += run;
	}
}

/* Bytes at..at+n-1 of what goes into the card's memory: the weights, zeros up to
 * the parameters' alignment, the parameters. */
static void fill(const struct upload *u, const struct needs *needs, uint64_t at,
		 uint64_t n, uint8_t *to)
{
	uint64_t weights = needs->weights, params = align_params(weights);
	uint64_t end = at + n, run;

	if (at < weights) {
		run = (end < weights ? end : weights) - at;
		fill_weights(u, needs->l, at, run, to);
		to += run;
		at += run;
	}
	for (; at < end && at < params; at++)
		*to++ = 0;
	if (at < end)
		fill_params(needs->l, at - params, end - params, to);
	if (u->reader)
		vgg_reader_finish(u->reader);
}

static int fill_buffer(const struct upload *u, const struct needs *needs,
		       uint64_t at, uint64_t n, struct vgg_buffer *b)
{
	int err = vgg_buffer_prepare_range(b, VGG_ACCESS_WRITE, 0, n);

	if (err)
		return err;
	fill(u, needs, at, n, vgg_buffer_map(b));
	return vgg_buffer_finish_range(b, VGG_ACCESS_WRITE, 0, n);
}

/* Until the card has copied what the chunk held before. */
static int settle(struct upload *u, struct chunk *c)
{
	if (!c->busy)
		return 0;
	c->busy = false;
	return named(vgg_wait(u->x->net->o.device, c->ticket, NULL), c->layer);
}

static int send_chunk(struct upload *u, const struct needs *needs, uint64_t to,
		      uint64_t at, uint64_t n)
{
	struct chunk *c = &u->chunks[u->turn++ % CHUNKS];
	const struct vgg_piece whole = { .width = (uint32_t)n, .height = 1 };
	struct vgg_stream s;
	int err = settle(u, c);

	if (err)
		return err;
	err = fill_buffer(u, needs, at, n, c->staging);
	if (!err)
		err = vgg_stream_begin(&s, c->stream);
	if (err)
		return named(err, needs->l->name);
	vgg_stream_copy(&s, vgg_buffer_address(c->staging), to + at, &whole, 0);
	err = vgg_stream_end(&s, 0);
	if (!err)
		err = vgg_int8_submit(u->x, c->stream, s.count * VGG_CMD_SIZE,
				      0, &c->ticket);
	c->busy = !err;
	c->layer = needs->l->name;
	return named(err, needs->l->name);
}

/* Weights on board, unless the plan or the card's memory has it otherwise: then
 * the card reads them over PCIe. */
static int new_weights(const struct upload *u, unsigned int i, uint64_t bytes,
		       struct vgg_buffer **buffer)
{
	int err = -ENOSPC;

	if (u->x->net->on_board && !u->x->net->o.plan->layers[i].streamed)
		err = vgg_buffer_create(u->x->net->o.device, bytes,
					VGG_BUFFER_LOCAL, buffer);
	if (err == -ENOSPC)
		err = vgg_buffer_create(u->x->net->o.device, bytes,
					VGG_BUFFER_HOST, buffer);
	return err;
}

static int upload_layer(struct upload *u, unsigned int i)
{
	const struct needs needs = needs_of(u->x, i);
	struct vgg_card_weights *w = &u->x->net->weights[i];
	uint64_t bytes = total(&needs), at, n;
	const char *name = needs.l->name;
	int err;

	if (!bytes)
		return 0;
	err = new_weights(u, i, bytes, &w->buffer);
	if (err)
		return named(err, name);
	w->weights = vgg_buffer_address(w->buffer);
	w->params = w->weights + align_params(needs.weights);
	if (vgg_buffer_map(w->buffer))
		return named(fill_buffer(u, &needs, 0, bytes, w->buffer), name);
	for (at = 0; !err && at < bytes; at += n) {
		n = bytes - at < u->chunk_bytes ? bytes - at : u->chunk_bytes;
		err = send_chunk(u, &needs, w->weights, at, n);
	}
	return err;
}

/* Buffers must be idle before they go; the first error is the one to tell. */
static int drain(struct upload *u, int err)
{
	struct vgg_error first = *vgg_error_last();
	unsigned int i;

	for (i = 0; i < CHUNKS; i++) {
		int late = settle(u, &u->chunks[(u->turn + i) % CHUNKS]);

		if (err && late)
			vgg_fail_(first.code, first.where, first.next_step,
				  "%s", first.what);
		else if (late) {
			err = late;
			first = *vgg_error_last();
		}
	}
	return err;
}

static int upload_layers(struct upload *u)
{
	const struct vgg_int8_options *o = &u->x->net->o;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < o->plan->count; i++) {
		err = upload_layer(u, i);
		if (!err && o->progress &&
		    o->progress(o->progress_ctx, "weights to the card", i + 1,
				o->plan->count))
			err = vgg_fail(INTERRUPTED, NULL, NULL,
				       "uploading was stopped");
	}
	return drain(u, err);
}

/* Buffers as large as the largest layer needs, within reason. */
static int make_chunks(struct upload *u)
{
	const struct vgg_int8_options *o = &u->x->net->o;
	unsigned int i;
	int err = 0;

	for (i = 0; i < o->plan->count; i++) {
		const struct needs needs = needs_of(u->x, i);
		uint64_t n = total(&needs);

		if (n > u->chunk_bytes)
			u->chunk_bytes = n < CHUNK_MAX ? n : CHUNK_MAX;
	}
	for (i = 0; !err && u->chunk_bytes && i < CHUNKS; i++) {
		struct chunk *c = &u->chunks[i];

		err = vgg_buffer_create(o->device, u->chunk_bytes,
					VGG_BUFFER_HOST, &c->staging);
		if (!err)
			err = vgg_buffer_create(o->device, 2 * VGG_CMD_SIZE,
						VGG_BUFFER_HOST, &c->stream);
	}
	return err;
}

int vgg_int8_upload(struct vgg_int8 *x)
{
	struct upload u = { .x = x };
	unsigned int i;
	int err = make_chunks(&u);

	if (!err) {
		u.reader = vgg_reader_create(&x->net->o.model->file);
		err = upload_layers(&u);
		vgg_reader_destroy(u.reader);
	}
	for (i = 0; i < CHUNKS; i++) {
		vgg_buffer_destroy(u.chunks[i].stream);
		vgg_buffer_destroy(u.chunks[i].staging);
	}
	return err;
}
