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
		     const struct vgg_piece *piece, uint32_t tag)
{
	union vgg_command *c = vgg_stream_add(s, VGG_CMD_COPY, 0, tag);

	c->copy.src = htole64(src + piece->offset);
	c->copy.dst = htole64(dst + piece->offset);
	c->copy.width = htole32(piece->width);
	c->copy.height = htole32(piece->height);
	c->copy.src_pitch = c->copy.dst_pitch = htole32(piece->pitch);
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

/* Where the card has tensor i. */
static uint64_t home(const struct vgg_int8 *x, unsigned int i)
{
	const struct vgg_tensor *t = &x->tensors[i];

	return vgg_buffer_address(t->local ? t->local : t->host);
}

/* Rows that a window needs for its first `rows` ones: as many as there are of
 * `h`, and padding for the others. */
static int rows_for(struct vgg_hw_window *w, int rows, int h)
{
	int need = (rows - 1) * w->stride_h + w->kernel_h - w->pad_top;

	w->pad_bottom = (uint8_t)(need > h ? need - h : 0);
	return need < h ? need : h;
}

/* The first rows: less of the input, and other padding below. */
static void cut_rows(struct vgg_hw_cmd_conv *c, const struct vgg_layer *l,
		     int rows)
{
	int64_t h, w;

	vgg_conv_size(l, &h, &w);
	if (l->has_pool)
		rows = rows_for(&c->pool, rows, (int)h);
	c->in_h = htole16((uint16_t)rows_for(&c->win, rows, (int)l->in.dim[2]));
}

static void add_conv(struct vgg_stream *s, const struct vgg_int8 *x,
		     unsigned int i, uint64_t src)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];
	struct vgg_image_s8 in = vgg_image_of(&l->in, NULL);
	struct vgg_image_s8 out = vgg_image_of(&l->out, NULL);
	struct vgg_conv_range share = vgg_int8_share(x, i, true);
	uint16_t flags = (uint16_t)((l->qrelu ? VGG_CONV_RELU : 0) |
				    (l->has_pool ? VGG_CONV_POOL : 0));
	struct vgg_hw_cmd_conv *c =
		&vgg_stream_add(s, VGG_CMD_CONV, flags, i)->conv;
	int taps = l->win.kernel_h * l->win.kernel_w * in.c;

	c->src = htole64(src);
	c->dst = htole64(home(x, i + 1));
	c->weights = htole64(x->net->weights[i].weights);
	c->params = htole64(x->net->weights[i].params);
	c->in_h = htole16((uint16_t)in.h);
	c->in_w = htole16((uint16_t)in.w);
	c->in_c = htole32((uint32_t)in.c);
	c->out_c = htole32((uint32_t)share.c1);
	c->src_pitch = htole32((uint32_t)in.pitch);
	c->src_pixel = htole32((uint32_t)in.pixel);
	c->dst_pitch = htole32((uint32_t)out.pitch);
	c->dst_pixel = htole32((uint32_t)out.pixel);
	c->weight_pitch = htole32((uint32_t)taps);
	c->win = hw_window(&l->win);
	if (l->has_pool)
		c->pool = hw_window(&l->pool);
	if (share.row1 < out.h)
		cut_rows(c, l, share.row1);
	c->pad_value = (int8_t)(i ? x->net->o.model->layers[i - 1].out_q.zero :
				    x->net->o.model->in_q.zero);
	c->lo = (int8_t)l->qlo;
	c->hi = (int8_t)l->qhi;
}

static void add_pool(struct vgg_stream *s, const struct vgg_int8 *x,
		     unsigned int i, uint64_t src)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];
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
	c->dst = htole64(home(x, i + 1));
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
	c->params = htole64(x->net->weights[i].params);
	c->lo = (int8_t)l->qlo;
	c->hi = (int8_t)l->qhi;
	if (!l->exclude_pad)
		c->pad_value =
			(int8_t)(i ? x->net->o.model->layers[i - 1].out_q.zero :
				     x->net->o.model->in_q.zero);
}

int vgg_int8_submit(struct vgg_int8 *x, struct vgg_buffer *stream,
		    uint32_t bytes, uint32_t tag, uint64_t *ticket)
{
	struct vgg_job job = VGG_INIT(job);

	job.stream = vgg_buffer_address(stream);
	job.stream_bytes = bytes;
	job.tag = tag;
	return vgg_submit(x->net->o.device, &job, ticket);
}

/*
 * Jobs.
 */

/* The card reads its operands once if weights or input fit half its on-chip
 * memory; otherwise the input several times, which PCIe is too slow for. */
static bool wants_staging(const struct vgg_int8 *x, unsigned int i,
			  const struct vgg_piece *input)
{
	const struct vgg_layer *l = &x->net->o.model->layers[i];
	struct vgg_conv_range share = vgg_int8_share(x, i, true);
	uint64_t half = ((uint64_t)x->net->card.onchip_kib << 10) / 2;
	uint64_t all = (uint64_t)vgg_channels(&l->out);

	return x->net->on_board && !x->tensors[i].local && !x->net->o.visible &&
	       all && l->qweight.count / all * (uint64_t)share.c1 > half &&
	       vgg_piece_span(input) > half;
}

/* What the card lacks of its input, to where it has the rest of it. */
static uint64_t add_input(struct vgg_stream *s, const struct vgg_int8 *x,
			  const struct vgg_int8_step *step)
{
	unsigned int i = step->first;
	struct vgg_piece lacks = vgg_int8_foreign(x, i, true);
	struct vgg_buffer *to =
		step->staged ? step->staged : x->tensors[i].local;

	if (to && lacks.width) {
		vgg_stream_copy(s, vgg_buffer_address(x->tensors[i].host),
				vgg_buffer_address(to), &lacks, i);
		vgg_stream_add(s, VGG_CMD_FENCE, 0, i);
	}
	return step->staged ? vgg_buffer_address(step->staged) : home(x, i);
}

static int write_job(struct vgg_int8 *x, struct vgg_int8_step *step)
{
	struct vgg_stream s;
	unsigned int i;
	uint64_t src;
	int err = vgg_stream_begin(&s, step->job.stream);

	if (err)
		return err;
	src = add_input(&s, x, step);
	for (i = step->first; i < step->end; i++) {
		if (x->net->o.plan->layers[i].free)
			continue;
		if (i > step->first)
			src = home(x, i);
		if (x->net->o.model->layers[i].op == VGG_OP_CONV)
			add_conv(&s, x, i, src);
		else
			add_pool(&s, x, i, src);
	}
	step->job.bytes = (s.count + 1) * VGG_CMD_SIZE;
	return vgg_stream_end(&s, step->end - 1);
}

static int new_stream(struct vgg_int8 *x, unsigned int commands,
		      struct vgg_ready_job *job)
{
	return vgg_buffer_create(x->net->o.device, commands * VGG_CMD_SIZE,
				 VGG_BUFFER_HOST, &job->stream);
}

static int prepare_job(struct vgg_int8 *x, struct vgg_int8_step *step)
{
	struct vgg_piece input = vgg_int8_foreign(x, step->first, true);
	int err = new_stream(x, step->end - step->first + STREAM_EXTRA,
			     &step->job);

	if (!err && wants_staging(x, step->first, &input)) {
		err = vgg_buffer_create(x->net->o.device,
					x->tensors[step->first].bytes,
					VGG_BUFFER_LOCAL, &step->staged);
		if (err == -ENOSPC) /* slower, not wrong */
			err = 0;
	}
	return err ? err : write_job(x, step);
}

/* From on board to the host, where the CPU reads it. */
static int prepare_fetch(struct vgg_int8 *x, struct vgg_int8_step *step)
{
	struct vgg_tensor *t = &x->tensors[step->first];
	struct vgg_stream s;
	int err;

	if (!t->local || !step->fetched.width)
		return 0;
	err = new_stream(x, 2, &step->fetch);
	if (!err)
		err = vgg_stream_begin(&s, step->fetch.stream);
	if (err)
		return err;
	vgg_stream_copy(&s, vgg_buffer_address(t->local),
			vgg_buffer_address(t->host), &step->fetched,
			step->first);
	step->fetch.bytes = 2 * VGG_CMD_SIZE;
	return vgg_stream_end(&s, step->first);
}

static bool uses_card(const struct vgg_int8 *x,
		      const struct vgg_int8_step *step)
{
	return step->first < step->end &&
	       x->net->shares[step->first].where != VGG_ON_CPU;
}

static bool any_uses_card(const struct vgg_int8 *x)
{
	unsigned int i;

	for (i = 0; i < x->step_count; i++)
		if (uses_card(x, &x->steps[i]))
			return true;
	return false;
}

int vgg_int8_prepare_weights(struct vgg_int8 *x)
{
	if (!any_uses_card(x))
		return 0;
	x->net->weights =
		calloc(x->net->o.plan->count, sizeof(*x->net->weights));
	if (!x->net->weights)
		return vgg_fail_memory("card weights");
	return vgg_int8_upload(x);
}

void vgg_int8_release_weights(struct vgg_int8_net *net)
{
	unsigned int i;

	for (i = 0; net->weights && i < net->o.plan->count; i++)
		vgg_buffer_destroy(net->weights[i].buffer);
	free(net->weights);
}

int vgg_int8_prepare_jobs(struct vgg_int8 *x)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < x->step_count; i++) {
		err = prepare_fetch(x, &x->steps[i]);
		if (!err && uses_card(x, &x->steps[i]))
			err = prepare_job(x, &x->steps[i]);
	}
	return err;
}

void vgg_int8_release_jobs(struct vgg_int8 *x)
{
	unsigned int i;

	for (i = 0; x->steps && i < x->step_count; i++) {
		vgg_buffer_destroy(x->steps[i].fetch.stream);
		vgg_buffer_destroy(x->steps[i].job.stream);
		vgg_buffer_destroy(x->steps[i].staged);
	}
}

/* A tag is the layer that a command belongs to: so is the error's place. */
static const char *layer_name(const struct vgg_int8 *x, unsigned int i)
{
	unsigned int last = x->net->o.plan->count - 1;

	return x->net->o.model->layers[i < last ? i : last].name;
}

int vgg_int8_begin_job(struct vgg_int8 *x, const struct vgg_ready_job *job,
		       unsigned int layer, uint64_t *ticket)
{
	return vgg_error_at(
		vgg_int8_submit(x, job->stream, job->bytes, layer, ticket),
		layer_name(x, layer));
}

int vgg_int8_end_job(struct vgg_int8 *x, unsigned int layer, uint64_t ticket,
		     struct vgg_int8_totals *totals)
{
	struct vgg_completion c = VGG_INIT(c);
	int err;

	c.tag = layer;
	err = vgg_wait(x->net->o.device, ticket, &c);
	totals->cycles += c.cycles;
	totals->saturations += c.saturations;
	return vgg_error_at(err, layer_name(x, err ? c.tag : layer));
}
