// SPDX-License-Identifier: MIT
/*
 * Integer layers on the card: weights are uploaded once, command streams are
 * written once, a run submits one job per segment.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "run/int8_parts.h"
#include "util/error.h"
#include "vggaccel_hw.h"

#define UPLOAD_CHUNK ((uint64_t)4 << 20)
#define STREAM_EXTRA 4 /* COPY, FENCE, END and one to spare */

static uint64_t align_params(uint64_t n)
{
	return (n + VGG_PARAM_ALIGN - 1) & ~(uint64_t)(VGG_PARAM_ALIGN - 1);
}

/* Bytes at..at+n-1 of what goes into the card's memory: the weights, zeros up to
 * the parameters' alignment, the parameters. */
static void fill(const struct vgg_layer *l, uint64_t at, uint64_t n,
		 uint8_t *to)
{
	const uint8_t *weights = l->qweight.data;
	const struct vgg_qparam *p = l->qparam.data;
	uint64_t params = align_params(l->qweight.count), end = at + n;

	if (at < l->qweight.count) {
		uint64_t run = l->qweight.count - at;

		run = run < n ? run : n;
		memcpy(to, weights + at, run);
		to += run;
		at += run;
	}
	for (; at < end && at < params; at++)
		*to++ = 0;
	while (at < end) {
		const struct vgg_qparam *q = &p[(at - params) / sizeof(*q)];
		uint64_t from = (at - params) % sizeof(*q);
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

/*
 * Writing command streams.
 */
union command {
	struct vgg_hw_cmd_head head;
	struct vgg_hw_cmd_plain plain;
	struct vgg_hw_cmd_copy copy;
	struct vgg_hw_cmd_conv conv;
	struct vgg_hw_cmd_pool pool;
};

struct stream {
	union command *at;
	uint32_t count;
};

static union command *command(struct stream *s, enum vgg_hw_opcode opcode,
			      uint16_t flags, uint32_t tag)
{
	union command *c = &s->at[s->count++];

	memset(c, 0, sizeof(*c));
	c->head.opcode = htole16(opcode);
	c->head.flags = htole16(flags);
	c->head.tag = htole32(tag);
	return c;
}

static void add_copy(struct stream *s, uint64_t src, uint64_t dst,
		     uint64_t bytes, uint32_t tag)
{
	union command *c = command(s, VGG_CMD_COPY, 0, tag);

	c->copy.src = htole64(src);
	c->copy.dst = htole64(dst);
	c->copy.width = htole32((uint32_t)bytes);
	c->copy.height = htole32(1);
}

static struct vgg_hw_window hw_window(const struct vgg_window *w)
{
	return (struct vgg_hw_window){
		(uint8_t)w->kernel_h,	(uint8_t)w->kernel_w,
		(uint8_t)w->stride_h,	(uint8_t)w->stride_w,
		(uint8_t)w->pad_top,	(uint8_t)w->pad_left,
		(uint8_t)w->pad_bottom, (uint8_t)w->pad_right,
	};
}

static void add_conv(struct stream *s, const struct vgg_int8 *x, unsigned int i,
		     uint64_t src)
{
	const struct vgg_layer *l = &x->o.model->layers[i];
	struct vgg_image_s8 in = vgg_image_of(&l->in, NULL);
	struct vgg_image_s8 out = vgg_image_of(&l->out, NULL);
	uint16_t flags = (uint16_t)((l->qrelu ? VGG_CONV_RELU : 0) |
				    (l->has_pool ? VGG_CONV_POOL : 0));
	struct vgg_hw_cmd_conv *c = &command(s, VGG_CMD_CONV, flags, i)->conv;
	int taps = l->win.kernel_h * l->win.kernel_w * in.c;

	c->src = htole64(src);
	c->dst = htole64(x->tensors[i + 1].address);
	c->weights = htole64(x->weights[i].weights);
	c->params = htole64(x->weights[i].params);
	c->in_h = htole16((uint16_t)in.h);
	c->in_w = htole16((uint16_t)in.w);
	c->in_c = htole32((uint32_t)in.c);
	c->out_c = htole32((uint32_t)out.c);
	c->src_pitch = htole32((uint32_t)in.pitch);
	c->src_pixel = htole32((uint32_t)in.pixel);
	c->dst_pitch = htole32((uint32_t)out.pitch);
	c->dst_pixel = htole32((uint32_t)out.pixel);
	c->weight_pitch = htole32((uint32_t)taps);
	c->win = hw_window(&l->win);
	if (l->has_pool)
		c->pool = hw_window(&l->pool);
	c->pad_value = (int8_t)(i ? x->o.model->layers[i - 1].out_q.zero :
				    x->o.model->in_q.zero);
	c->lo = (int8_t)l->qlo;
	c->hi = (int8_t)l->qhi;
}

static void add_pool(struct stream *s, const struct vgg_int8 *x, unsigned int i,
		     uint64_t src)
{
	const struct vgg_layer *l = &x->o.model->layers[i];
	struct vgg_image_s8 in = vgg_image_of(&l->in, NULL);
	struct vgg_image_s8 out = vgg_image_of(&l->out, NULL);
	bool average = l->op == VGG_OP_AVGPOOL;
	uint16_t flags =
		(uint16_t)(!average ? 0 :
			   l->exclude_pad ?
				      VGG_POOL_AVG | VGG_POOL_EXCLUDE_PAD :
				      VGG_POOL_AVG);
	struct vgg_hw_cmd_pool *c = &command(s, VGG_CMD_POOL, flags, i)->pool;

	c->src = htole64(src);
	c->dst = htole64(x->tensors[i + 1].address);
	c->in_h = htole16((uint16_t)in.h);
	c->in_w = htole16((uint16_t)in.w);
	c->channels = htole32((uint32_t)in.c);
	c->src_pitch = htole32((uint32_t)in.pitch);
	c->src_pixel = htole32((uint32_t)in.pixel);
	c->dst_pitch = htole32((uint32_t)out.pitch);
	c->dst_pixel = htole32((uint32_t)out.pixel);
	c->win = hw_window(&l->win);
	if (!average)
		return;
	c->params = htole64(x->weights[i].params);
	c->lo = (int8_t)l->qlo;
	c->hi = (int8_t)l->qhi;
	if (!l->exclude_pad)
		c->pad_value =
			(int8_t)(i ? x->o.model->layers[i - 1].out_q.zero :
				     x->o.model->in_q.zero);
}

static int run_stream(struct vgg_int8 *x, struct vgg_buffer *stream,
		      uint32_t bytes, uint32_t tag,
		      struct vgg_completion *completion)
{
	struct vgg_job job = VGG_INIT(job);
	uint64_t ticket;
	int err;

	job.stream = vgg_buffer_address(stream);
	job.stream_bytes = bytes;
	job.tag = tag;
	err = vgg_submit(x->o.device, &job, &ticket);
	return err ? err : vgg_wait(x->o.device, ticket, completion);
}

/*
 * Weights.
 */
struct upload {
	struct vgg_buffer *staging, *stream;
};

static int upload_chunk(struct vgg_int8 *x, const struct upload *u,
			const struct vgg_layer *l, uint64_t to, uint64_t at,
			uint64_t n)
{
	struct stream s = { vgg_buffer_map(u->stream), 0 };
	int err = vgg_buffer_prepare(u->staging, VGG_ACCESS_WRITE);

	if (err)
		return err;
	fill(l, at, n, vgg_buffer_map(u->staging));
	add_copy(&s, vgg_buffer_address(u->staging), to + at, n, 0);
	command(&s, VGG_CMD_END, 0, 0);
	err = vgg_buffer_finish(u->staging, VGG_ACCESS_WRITE);
	if (!err)
		err = vgg_buffer_finish(u->stream, VGG_ACCESS_WRITE);
	return err ? err :
		     run_stream(x, u->stream, s.count * VGG_CMD_SIZE, 0, NULL);
}

static int upload(struct vgg_int8 *x, const struct upload *u, unsigned int i)
{
	const struct vgg_layer *l = &x->o.model->layers[i];
	struct vgg_card_weights *w = &x->weights[i];
	uint64_t params = align_params(l->qweight.count);
	uint64_t bytes = params + l->qparam.count * sizeof(int32_t), at, n;
	int err;

	if (!bytes)
		return 0;
	err = vgg_buffer_create(x->o.device, bytes, VGG_BUFFER_LOCAL,
				&w->buffer);
	if (err == -ENOSPC) /* the card streams them over PCIe */
		err = vgg_buffer_create(x->o.device, bytes, VGG_BUFFER_HOST,
					&w->buffer);
	if (err)
		return err;
	w->weights = vgg_buffer_address(w->buffer);
	w->params = w->weights + params;
	if (vgg_buffer_map(w->buffer)) {
		fill(l, 0, bytes, vgg_buffer_map(w->buffer));
		return vgg_buffer_finish(w->buffer, VGG_ACCESS_WRITE);
	}
	for (at = 0; !err && at < bytes; at += n) {
		n = bytes - at < UPLOAD_CHUNK ? bytes - at : UPLOAD_CHUNK;
		err = upload_chunk(x, u, l, w->weights, at, n);
	}
	return err;
}

static int upload_all(struct vgg_int8 *x)
{
	struct upload u = { NULL, NULL };
	unsigned int i;
	int err;

	err = vgg_buffer_create(x->o.device, UPLOAD_CHUNK, VGG_BUFFER_HOST,
				&u.staging);
	if (!err)
		err = vgg_buffer_create(x->o.device, 2 * VGG_CMD_SIZE,
					VGG_BUFFER_HOST, &u.stream);
	for (i = 0; !err && i < x->o.plan->count; i++) {
		if (x->o.plan->layers[i].on_card)
			err = vgg_error_at(upload(x, &u, i),
					   "while its weights were uploaded");
		vgg_error_at(err, x->o.model->layers[i].name);
		if (!err && x->o.progress &&
		    x->o.progress(x->o.progress_ctx, "weights to the card",
				  i + 1, x->o.plan->count))
			err = vgg_fail(INTERRUPTED, NULL, NULL,
				       "uploading was stopped");
	}
	vgg_buffer_destroy(u.stream);
	vgg_buffer_destroy(u.staging);
	return err;
}

/*
 * Segments.
 */

/* The card reads its operands once if weights or input fit half its on-chip
 * memory; otherwise the input several times, which PCIe is too slow for. */
static bool wants_staging(const struct vgg_int8 *x, unsigned int i)
{
	uint64_t half = ((uint64_t)x->card.onchip_kib << 10) / 2;

	return x->tensors[i].place == VGG_PLACE_HOST && !x->o.visible &&
	       x->o.model->layers[i].qweight.count > half &&
	       x->tensors[i].bytes > half;
}

static int write_stream(struct vgg_int8 *x, struct vgg_segment *seg)
{
	struct stream s = { vgg_buffer_map(seg->stream), 0 };
	uint64_t src = x->tensors[seg->first].address;
	unsigned int i;

	if (seg->staged) {
		add_copy(&s, src, vgg_buffer_address(seg->staged),
			 x->tensors[seg->first].bytes, seg->first);
		command(&s, VGG_CMD_FENCE, 0, seg->first);
		src = vgg_buffer_address(seg->staged);
	}
	for (i = seg->first; i < seg->end; i++) {
		if (x->o.plan->layers[i].free)
			continue;
		if (i > seg->first)
			src = x->tensors[i].address;
		if (x->o.model->layers[i].op == VGG_OP_CONV)
			add_conv(&s, x, i, src);
		else
			add_pool(&s, x, i, src);
	}
	command(&s, VGG_CMD_END, 0, seg->end - 1);
	seg->stream_bytes = s.count * VGG_CMD_SIZE;
	return vgg_buffer_finish(seg->stream, VGG_ACCESS_WRITE);
}

static int prepare_segment(struct vgg_int8 *x, struct vgg_segment *seg)
{
	uint64_t room = (seg->end - seg->first + STREAM_EXTRA) * VGG_CMD_SIZE;
	int err;

	err = vgg_buffer_create(x->o.device, room, VGG_BUFFER_HOST,
				&seg->stream);
	if (!err && wants_staging(x, seg->first)) {
		err = vgg_buffer_create(x->o.device,
					x->tensors[seg->first].bytes,
					VGG_BUFFER_LOCAL, &seg->staged);
		if (err == -ENOSPC) /* slower, not wrong */
			err = 0;
	}
	return err ? err : write_stream(x, seg);
}

int vgg_int8_prepare_card(struct vgg_int8 *x)
{
	unsigned int i;
	int err;

	if (!x->segment_count)
		return 0;
	x->weights = calloc(x->o.plan->count, sizeof(*x->weights));
	if (!x->weights)
		return vgg_fail_memory("card weights");
	err = upload_all(x);
	for (i = 0; !err && i < x->segment_count; i++)
		err = prepare_segment(x, &x->segments[i]);
	return err;
}

void vgg_int8_release_card(struct vgg_int8 *x)
{
	unsigned int i;

	for (i = 0; x->segments && i < x->segment_count; i++) {
		vgg_buffer_destroy(x->segments[i].stream);
		vgg_buffer_destroy(x->segments[i].staged);
	}
	for (i = 0; x->weights && i < x->o.plan->count; i++)
		vgg_buffer_destroy(x->weights[i].buffer);
	free(x->weights);
}

int vgg_int8_run_segment(struct vgg_int8 *x, const struct vgg_segment *s,
			 struct vgg_int8_totals *totals)
{
	struct vgg_completion c = VGG_INIT(c);
	int err = run_stream(x, s->stream, s->stream_bytes, s->first, &c);
	unsigned int layer = c.tag < x->o.plan->count ? c.tag : s->first;

	totals->cycles += c.cycles;
	totals->saturations += c.saturations;
	return vgg_error_at(err, x->o.model->layers[layer].name);
}
