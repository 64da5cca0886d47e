// SPDX-License-Identifier: MIT
/*
 * Integer layers on the card: command streams are written once, a run submits
 * one job per segment.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "run/int8_parts.h"
#include "util/error.h"
#include "vggaccel_hw.h"

#define STREAM_EXTRA 4 /* COPY, FENCE, END and one to spare */

/*
 * Writing command streams.
 */
union vgg_command *vgg_stream_add(struct vgg_stream *s,
				  enum vgg_hw_opcode opcode, uint16_t flags,
				  uint32_t tag)
{
	union vgg_command *c = &s->at[s->count++];

	memset(c, 0, sizeof(*c));
	c->head.opcode = htole16(opcode);
	c->head.flags = htole16(flags);
	c->head.tag = htole32(tag);
	return c;
}

void vgg_stream_copy(struct vgg_stream *s, uint64_t src, uint64_t dst,
		     uint64_t bytes, uint32_t tag)
{
	union vgg_command *c = vgg_stream_add(s, VGG_CMD_COPY, 0, tag);

	c->copy.src = htole64(src);
	c->copy.dst = htole64(dst);
	c->copy.width = htole32((uint32_t)bytes);
	c->copy.height = htole32(1);
}

int vgg_stream_begin(struct vgg_stream *s, struct vgg_buffer *buffer)
{
	*s = (struct vgg_stream){ vgg_buffer_map(buffer), buffer, 0 };
	return vgg_buffer_prepare(buffer, VGG_ACCESS_WRITE);
}

int vgg_stream_end(struct vgg_stream *s, uint32_t tag)
{
	vgg_stream_add(s, VGG_CMD_END, 0, tag);
	return vgg_buffer_finish_range(s->buffer, VGG_ACCESS_WRITE, 0,
				       s->count * VGG_CMD_SIZE);
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

static void add_conv(struct vgg_stream *s, const struct vgg_int8 *x,
		     unsigned int i, uint64_t src)
{
	const struct vgg_layer *l = &x->o.model->layers[i];
	struct vgg_image_s8 in = vgg_image_of(&l->in, NULL);
	struct vgg_image_s8 out = vgg_image_of(&l->out, NULL);
	uint16_t flags = (uint16_t)((l->qrelu ? VGG_CONV_RELU : 0) |
				    (l->has_pool ? VGG_CONV_POOL : 0));
	struct vgg_hw_cmd_conv *c =
		&vgg_stream_add(s, VGG_CMD_CONV, flags, i)->conv;
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

static void add_pool(struct vgg_stream *s, const struct vgg_int8 *x,
		     unsigned int i, uint64_t src)
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
	struct vgg_hw_cmd_pool *c =
		&vgg_stream_add(s, VGG_CMD_POOL, flags, i)->pool;

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

int vgg_int8_submit(struct vgg_int8 *x, struct vgg_buffer *stream,
		    uint32_t bytes, uint32_t tag, uint64_t *ticket)
{
	struct vgg_job job = VGG_INIT(job);

	job.stream = vgg_buffer_address(stream);
	job.stream_bytes = bytes;
	job.tag = tag;
	return vgg_submit(x->o.device, &job, ticket);
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
	uint64_t src = x->tensors[seg->first].address;
	struct vgg_stream s;
	unsigned int i;
	int err = vgg_stream_begin(&s, seg->stream);

	if (err)
		return err;
	if (seg->staged) {
		vgg_stream_copy(&s, src, vgg_buffer_address(seg->staged),
				x->tensors[seg->first].bytes, seg->first);
		vgg_stream_add(&s, VGG_CMD_FENCE, 0, seg->first);
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
	err = vgg_stream_end(&s, seg->end - 1);
	seg->stream_bytes = s.count * VGG_CMD_SIZE;
	return err;
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
	err = vgg_int8_upload(x);
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
	unsigned int layer;
	uint64_t ticket;
	int err = vgg_int8_submit(x, s->stream, s->stream_bytes, s->first,
				  &ticket);

	if (!err)
		err = vgg_wait(x->o.device, ticket, &c);
	layer = c.tag < x->o.plan->count ? c.tag : s->first;
	totals->cycles += c.cycles;
	totals->saturations += c.saturations;
	return vgg_error_at(err, x->o.model->layers[layer].name);
}
