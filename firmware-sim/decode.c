// SPDX-License-Identifier: MIT
/*
 * From the wire format to native commands, with every check that can be made
 * without reading an operand. What passes here has sizes whose products fit 64
 * bits, at least one output, and extents inside the 39-bit address space.
 *
 * Checks go from the form of a command to its meaning: reserved bits, kernel,
 * stride, padding, sizes, pitches, values, alignment, extents. If several are
 * wrong, the first one in this order is reported.
 */
#include "sim_internal.h"

#include <endian.h>
#include <string.h>

#define VA_LIMIT (UINT64_C(1) << VGG_VA_BITS)

#define CHECK(condition, status)         \
	do {                             \
		if (!(condition))        \
			return (status); \
	} while (0)
#define TRY(call)                                    \
	do {                                         \
		enum vgg_hw_status status_ = (call); \
		if (status_)                         \
			return status_;              \
	} while (0)

static bool is_zero(const void *mem, size_t len)
{
	const uint8_t *bytes = mem;

	while (len--)
		if (*bytes++)
			return false;
	return true;
}

static bool in_range(uint64_t v, uint64_t lo, uint64_t hi)
{
	return v >= lo && v <= hi;
}

/* [base, base + extent) below 2^39; extent is at least 1. */
static enum vgg_hw_status check_extent(uint64_t base, uint64_t extent,
				       uint64_t *bad_addr)
{
	if (base < VA_LIMIT && extent <= VA_LIMIT - base)
		return VGG_STATUS_OK;
	*bad_addr = base;
	return VGG_STATUS_RANGE;
}

static enum vgg_hw_status check_align(uint64_t base, uint64_t align,
				      uint64_t *bad_addr)
{
	if (!(base & (align - 1)))
		return VGG_STATUS_OK;
	*bad_addr = base;
	return VGG_STATUS_ALIGN;
}

static void read_window(const struct vgg_hw_window *wire,
			struct sim_window *win)
{
	*win = (struct sim_window){
		.kernel_h = wire->kernel_h,
		.kernel_w = wire->kernel_w,
		.stride_h = wire->stride_h,
		.stride_w = wire->stride_w,
		.pad_top = wire->pad_top,
		.pad_left = wire->pad_left,
		.pad_bottom = wire->pad_bottom,
		.pad_right = wire->pad_right,
	};
}

static enum vgg_hw_status check_window(const struct sim_window *win,
				       uint64_t kernel_max, uint64_t stride_max)
{
	CHECK(in_range((uint64_t)win->kernel_h, 1, kernel_max) &&
		      in_range((uint64_t)win->kernel_w, 1, kernel_max),
	      VGG_STATUS_KERNEL);
	CHECK(in_range((uint64_t)win->stride_h, 1, stride_max) &&
		      in_range((uint64_t)win->stride_w, 1, stride_max),
	      VGG_STATUS_STRIDE);
	CHECK(win->pad_top < win->kernel_h && win->pad_bottom < win->kernel_h &&
		      win->pad_left < win->kernel_w &&
		      win->pad_right < win->kernel_w,
	      VGG_STATUS_PAD);
	return VGG_STATUS_OK;
}

/* The number of windows along an image; 0 or less: none fits. */
static void window_outputs(const struct sim_window *win, int64_t h, int64_t w,
			   int64_t *out_h, int64_t *out_w)
{
	int64_t room_h = h + win->pad_top + win->pad_bottom - win->kernel_h;
	int64_t room_w = w + win->pad_left + win->pad_right - win->kernel_w;

	*out_h = room_h < 0 ? 0 : room_h / win->stride_h + 1;
	*out_w = room_w < 0 ? 0 : room_w / win->stride_w + 1;
}

static enum vgg_hw_status check_size(const struct sim_image *image)
{
	CHECK(in_range((uint64_t)image->h, 1, VGG_DIM_MAX) &&
		      in_range((uint64_t)image->w, 1, VGG_DIM_MAX) &&
		      in_range((uint64_t)image->c, 1, VGG_CHANNELS_MAX),
	      VGG_STATUS_SHAPE);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status check_pitches(const struct sim_image *image,
					uint64_t item)
{
	CHECK(in_range(image->pixel, (uint64_t)image->c * item, VGG_PITCH_MAX),
	      VGG_STATUS_PITCH);
	CHECK(in_range(image->pitch, (uint64_t)image->w * image->pixel,
		       VGG_PITCH_MAX),
	      VGG_STATUS_PITCH);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status check_image_extent(const struct sim_image *image,
					     uint64_t item, uint64_t *bad_addr)
{
	return check_extent(image->base,
			    (uint64_t)(image->h - 1) * image->pitch +
				    (uint64_t)(image->w - 1) * image->pixel +
				    (uint64_t)image->c * item,
			    bad_addr);
}

/* A 2-D block of bytes, for FILL and COPY. */
static enum vgg_hw_status check_pitch(uint64_t width, uint64_t height,
				      uint64_t pitch)
{
	CHECK(pitch <= VGG_PITCH_MAX && (height == 1 || pitch >= width),
	      VGG_STATUS_PITCH);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status check_block(uint64_t width, uint64_t height)
{
	CHECK(in_range(width, 1, VGG_EXTENT_MAX) &&
		      in_range(height, 1, VGG_EXTENT_MAX),
	      VGG_STATUS_SHAPE);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status decode_plain(const void *bytes)
{
	const struct vgg_hw_cmd_plain *wire = bytes;

	CHECK(!wire->head.flags &&
		      is_zero(wire->reserved, sizeof(wire->reserved)),
	      VGG_STATUS_RESERVED);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status decode_fill(const void *bytes, struct sim_fill *fill,
				      uint64_t *bad_addr)
{
	const struct vgg_hw_cmd_fill *wire = bytes;

	CHECK(!wire->head.flags &&
		      is_zero(wire->reserved0, sizeof(wire->reserved0)) &&
		      is_zero(wire->reserved, sizeof(wire->reserved)),
	      VGG_STATUS_RESERVED);
	fill->dst = le64toh(wire->dst);
	fill->width = le32toh(wire->width);
	fill->height = le32toh(wire->height);
	fill->pitch = le32toh(wire->dst_pitch);
	fill->value = wire->value;
	TRY(check_block(fill->width, fill->height));
	TRY(check_pitch(fill->width, fill->height, fill->pitch));
	return check_extent(fill->dst,
			    (fill->height - 1) * fill->pitch + fill->width,
			    bad_addr);
}

static enum vgg_hw_status decode_copy(const void *bytes, struct sim_copy *copy,
				      uint64_t *bad_addr)
{
	const struct vgg_hw_cmd_copy *wire = bytes;

	CHECK(!wire->head.flags &&
		      is_zero(wire->reserved, sizeof(wire->reserved)),
	      VGG_STATUS_RESERVED);
	copy->src = le64toh(wire->src);
	copy->dst = le64toh(wire->dst);
	copy->width = le32toh(wire->width);
	copy->height = le32toh(wire->height);
	copy->src_pitch = le32toh(wire->src_pitch);
	copy->dst_pitch = le32toh(wire->dst_pitch);
	TRY(check_block(copy->width, copy->height));
	TRY(check_pitch(copy->width, copy->height, copy->src_pitch));
	TRY(check_pitch(copy->width, copy->height, copy->dst_pitch));
	TRY(check_extent(copy->src,
			 (copy->height - 1) * copy->src_pitch + copy->width,
			 bad_addr));
	return check_extent(copy->dst,
			    (copy->height - 1) * copy->dst_pitch + copy->width,
			    bad_addr);
}

static void read_conv(const struct vgg_hw_cmd_conv *wire, struct sim_conv *conv)
{
	unsigned int flags = le16toh(wire->head.flags);

	conv->relu = flags & VGG_CONV_RELU;
	conv->out32 = flags & VGG_CONV_OUT32;
	conv->fused = flags & VGG_CONV_POOL;
	conv->in.base = le64toh(wire->src);
	conv->in.h = le16toh(wire->in_h);
	conv->in.w = le16toh(wire->in_w);
	conv->in.c = le32toh(wire->in_c);
	conv->in.pitch = le32toh(wire->src_pitch);
	conv->in.pixel = le32toh(wire->src_pixel);
	conv->out.base = le64toh(wire->dst);
	conv->out.c = le32toh(wire->out_c);
	conv->out.pitch = le32toh(wire->dst_pitch);
	conv->out.pixel = le32toh(wire->dst_pixel);
	conv->weights = le64toh(wire->weights);
	conv->weight_pitch = le32toh(wire->weight_pitch);
	conv->params = le64toh(wire->params);
	conv->pad_value = wire->pad_value;
	conv->lo = wire->lo;
	conv->hi = wire->hi;
	read_window(&wire->win, &conv->win);
	read_window(&wire->pool, &conv->pool);
}

static enum vgg_hw_status
check_conv_reserved(const struct vgg_hw_cmd_conv *wire)
{
	unsigned int flags = le16toh(wire->head.flags);

	CHECK(!(flags & ~VGG_CONV_FLAGS) &&
		      is_zero(wire->reserved0, sizeof(wire->reserved0)) &&
		      is_zero(wire->reserved, sizeof(wire->reserved)),
	      VGG_STATUS_RESERVED);
	CHECK((flags & VGG_CONV_POOL) ||
		      is_zero(&wire->pool, sizeof(wire->pool)),
	      VGG_STATUS_RESERVED);
	CHECK(!(flags & VGG_CONV_OUT32) || (!wire->lo && !wire->hi),
	      VGG_STATUS_RESERVED);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status check_conv_shape(struct sim_conv *conv)
{
	TRY(check_window(&conv->win, VGG_CONV_KERNEL_MAX, VGG_CONV_STRIDE_MAX));
	TRY(check_size(&conv->in));
	CHECK(in_range((uint64_t)conv->out.c, 1, VGG_CHANNELS_MAX),
	      VGG_STATUS_SHAPE);
	conv->taps = conv->win.kernel_h * conv->win.kernel_w * conv->in.c;
	CHECK(conv->taps <= VGG_TAPS_MAX, VGG_STATUS_SHAPE);
	window_outputs(&conv->win, conv->in.h, conv->in.w, &conv->conv_h,
		       &conv->conv_w);
	CHECK(conv->conv_h > 0 && conv->conv_w > 0, VGG_STATUS_SHAPE);
	conv->out.h = conv->conv_h;
	conv->out.w = conv->conv_w;
	if (!conv->fused)
		return VGG_STATUS_OK;
	CHECK(!conv->out32, VGG_STATUS_FUSION);
	CHECK(!check_window(&conv->pool, VGG_FUSED_KERNEL_MAX,
			    VGG_FUSED_KERNEL_MAX),
	      VGG_STATUS_FUSION);
	window_outputs(&conv->pool, conv->conv_h, conv->conv_w, &conv->out.h,
		       &conv->out.w);
	CHECK(conv->out.h > 0 && conv->out.w > 0, VGG_STATUS_FUSION);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status check_conv_memory(const struct sim_conv *conv,
					    uint64_t *bad_addr)
{
	uint64_t item = conv->out32 ? 4 : 1;
	uint64_t filters = (uint64_t)conv->out.c;

	TRY(check_pitches(&conv->in, 1));
	TRY(check_pitches(&conv->out, item));
	CHECK(in_range(conv->weight_pitch, (uint64_t)conv->taps, VGG_PITCH_MAX),
	      VGG_STATUS_PITCH);
	CHECK(conv->lo <= conv->hi, VGG_STATUS_CLAMP);
	TRY(check_align(conv->params, VGG_PARAM_ALIGN, bad_addr));
	TRY(check_align(conv->out.base, item, bad_addr));
	CHECK(!((conv->out.pixel | conv->out.pitch) & (item - 1)),
	      VGG_STATUS_ALIGN);
	TRY(check_image_extent(&conv->in, 1, bad_addr));
	TRY(check_image_extent(&conv->out, item, bad_addr));
	TRY(check_extent(conv->weights,
			 (filters - 1) * conv->weight_pitch +
				 (uint64_t)conv->taps,
			 bad_addr));
	return check_extent(
		conv->params,
		filters * (conv->out32 ? 4 : sizeof(struct vgg_hw_qparam)),
		bad_addr);
}

static enum vgg_hw_status decode_conv(const void *bytes, struct sim_conv *conv,
				      uint64_t *bad_addr)
{
	TRY(check_conv_reserved(bytes));
	read_conv(bytes, conv);
	TRY(check_conv_shape(conv));
	return check_conv_memory(conv, bad_addr);
}

static void read_pool(const struct vgg_hw_cmd_pool *wire, struct sim_pool *pool)
{
	unsigned int flags = le16toh(wire->head.flags);

	pool->average = flags & VGG_POOL_AVG;
	pool->exclude_pad = flags & VGG_POOL_EXCLUDE_PAD;
	pool->in.base = le64toh(wire->src);
	pool->in.h = le16toh(wire->in_h);
	pool->in.w = le16toh(wire->in_w);
	pool->in.c = le32toh(wire->channels);
	pool->in.pitch = le32toh(wire->src_pitch);
	pool->in.pixel = le32toh(wire->src_pixel);
	pool->out.base = le64toh(wire->dst);
	pool->out.c = pool->in.c;
	pool->out.pitch = le32toh(wire->dst_pitch);
	pool->out.pixel = le32toh(wire->dst_pixel);
	pool->params = le64toh(wire->params);
	pool->pad_value = wire->pad_value;
	pool->lo = wire->lo;
	pool->hi = wire->hi;
	read_window(&wire->win, &pool->win);
}

static enum vgg_hw_status
check_pool_reserved(const struct vgg_hw_cmd_pool *wire)
{
	unsigned int flags = le16toh(wire->head.flags);
	bool average = flags & VGG_POOL_AVG;

	CHECK(!(flags & ~VGG_POOL_FLAGS) &&
		      is_zero(wire->reserved0, sizeof(wire->reserved0)) &&
		      is_zero(wire->reserved, sizeof(wire->reserved)),
	      VGG_STATUS_RESERVED);
	CHECK(average ||
		      (flags == 0 && !wire->params && !wire->lo && !wire->hi),
	      VGG_STATUS_RESERVED);
	CHECK(flags == VGG_POOL_AVG || !wire->pad_value, VGG_STATUS_RESERVED);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status check_pool_memory(const struct sim_pool *pool,
					    uint64_t *bad_addr)
{
	uint64_t entries = (uint64_t)(pool->win.kernel_h * pool->win.kernel_w);

	TRY(check_pitches(&pool->in, 1));
	TRY(check_pitches(&pool->out, 1));
	CHECK(pool->lo <= pool->hi, VGG_STATUS_CLAMP);
	TRY(check_align(pool->params, VGG_PARAM_ALIGN, bad_addr));
	TRY(check_image_extent(&pool->in, 1, bad_addr));
	TRY(check_image_extent(&pool->out, 1, bad_addr));
	if (!pool->average)
		return VGG_STATUS_OK;
	return check_extent(pool->params,
			    entries * sizeof(struct vgg_hw_qparam), bad_addr);
}

static enum vgg_hw_status decode_pool(const void *bytes, struct sim_pool *pool,
				      uint64_t *bad_addr)
{
	TRY(check_pool_reserved(bytes));
	read_pool(bytes, pool);
	TRY(check_window(&pool->win, VGG_POOL_KERNEL_MAX, VGG_POOL_KERNEL_MAX));
	TRY(check_size(&pool->in));
	window_outputs(&pool->win, pool->in.h, pool->in.w, &pool->out.h,
		       &pool->out.w);
	CHECK(pool->out.h > 0 && pool->out.w > 0, VGG_STATUS_SHAPE);
	return check_pool_memory(pool, bad_addr);
}

static enum vgg_hw_status decode_timestamp(const void *bytes, uint64_t *dst,
					   uint64_t *bad_addr)
{
	const struct vgg_hw_cmd_timestamp *wire = bytes;

	CHECK(!wire->head.flags &&
		      is_zero(wire->reserved, sizeof(wire->reserved)),
	      VGG_STATUS_RESERVED);
	*dst = le64toh(wire->dst);
	TRY(check_align(*dst, sizeof(uint64_t), bad_addr));
	return check_extent(*dst, sizeof(uint64_t), bad_addr);
}

enum vgg_hw_status vgg_sim_decode(const uint8_t bytes[VGG_CMD_SIZE],
				  struct sim_command *cmd, uint64_t *bad_addr)
{
	/* A copy with the alignment that the wire structs ask for. */
	union {
		struct vgg_hw_cmd_head head;
		struct vgg_hw_cmd_conv aligned;
	} wire;

	memcpy(&wire, bytes, VGG_CMD_SIZE);
	*bad_addr = 0;
	cmd->opcode = le16toh(wire.head.opcode);
	cmd->tag = le32toh(wire.head.tag);
	switch (cmd->opcode) {
	case VGG_CMD_NOP:
	case VGG_CMD_FENCE:
	case VGG_CMD_END:
		return decode_plain(&wire);
	case VGG_CMD_FILL:
		return decode_fill(&wire, &cmd->fill, bad_addr);
	case VGG_CMD_COPY:
		return decode_copy(&wire, &cmd->copy, bad_addr);
	case VGG_CMD_CONV:
		return decode_conv(&wire, &cmd->conv, bad_addr);
	case VGG_CMD_POOL:
		return decode_pool(&wire, &cmd->pool, bad_addr);
	case VGG_CMD_TIMESTAMP:
		return decode_timestamp(&wire, &cmd->timestamp, bad_addr);
	}
	return VGG_STATUS_OPCODE;
}
