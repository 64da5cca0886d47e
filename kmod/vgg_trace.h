/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints: a job from submission to completion, interrupts, resets. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vggaccel

#if !defined(VGG_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VGG_TRACE_H

#include <linux/tracepoint.h>

#include "vgg.h"

TRACE_EVENT(vgg_submit,
	TP_PROTO(struct vgg_device *v, u32 ctx, u64 seq, u64 stream, u32 bytes,
		 bool direct),
	TP_ARGS(v, ctx, seq, stream, bytes, direct),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u32, ctx)
		__field(u64, seq)
		__field(u64, stream)
		__field(u32, bytes)
		__field(bool, direct)
	),
	TP_fast_assign(
		__entry->minor = vgg_minor(v);
		__entry->ctx = ctx;
		__entry->seq = seq;
		__entry->stream = stream;
		__entry->bytes = bytes;
		__entry->direct = direct;
	),
	TP_printk("dev=%d ctx=%u seq=%llu stream=0x%llx bytes=%u direct=%d",
		  __entry->minor, __entry->ctx, __entry->seq, __entry->stream,
		  __entry->bytes, __entry->direct)
);

TRACE_EVENT(vgg_start,
	TP_PROTO(struct vgg_device *v, u32 ctx, u64 seq, u32 place),
	TP_ARGS(v, ctx, seq, place),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u32, ctx)
		__field(u64, seq)
		__field(u32, place)
	),
	TP_fast_assign(
		__entry->minor = vgg_minor(v);
		__entry->ctx = ctx;
		__entry->seq = seq;
		__entry->place = place;
	),
	TP_printk("dev=%d ctx=%u seq=%llu place=%u", __entry->minor,
		  __entry->ctx, __entry->seq, __entry->place)
);

TRACE_EVENT(vgg_irq,
	TP_PROTO(struct vgg_device *v, u32 completions),
	TP_ARGS(v, completions),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u32, completions)
	),
	TP_fast_assign(
		__entry->minor = vgg_minor(v);
		__entry->completions = completions;
	),
	TP_printk("dev=%d completions=%u", __entry->minor,
		  __entry->completions)
);

TRACE_EVENT(vgg_complete,
	TP_PROTO(struct vgg_device *v, u32 ctx, u64 seq, u32 status, int error,
		 u64 cycles),
	TP_ARGS(v, ctx, seq, status, error, cycles),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u32, ctx)
		__field(u64, seq)
		__field(u32, status)
		__field(int, error)
		__field(u64, cycles)
	),
	TP_fast_assign(
		__entry->minor = vgg_minor(v);
		__entry->ctx = ctx;
		__entry->seq = seq;
		__entry->status = status;
		__entry->error = error;
		__entry->cycles = cycles;
	),
	TP_printk("dev=%d ctx=%u seq=%llu status=0x%02x error=%d cycles=%llu",
		  __entry->minor, __entry->ctx, __entry->seq, __entry->status,
		  __entry->error, __entry->cycles)
);

TRACE_EVENT(vgg_error,
	TP_PROTO(struct vgg_device *v, u32 code, u32 ctx, u32 seq),
	TP_ARGS(v, code, ctx, seq),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u32, code)
		__field(u32, ctx)
		__field(u32, seq)
	),
	TP_fast_assign(
		__entry->minor = vgg_minor(v);
		__entry->code = code;
		__entry->ctx = ctx;
		__entry->seq = seq;
	),
	TP_printk("dev=%d code=0x%02x ctx=%u place=%u", __entry->minor,
		  __entry->code, __entry->ctx, __entry->seq)
);

TRACE_EVENT(vgg_reset,
	TP_PROTO(struct vgg_device *v, const char *reason),
	TP_ARGS(v, reason),
	TP_STRUCT__entry(
		__field(int, minor)
		__array(char, reason, 48)
	),
	TP_fast_assign(
		__entry->minor = vgg_minor(v);
		strscpy(__entry->reason, reason, sizeof(__entry->reason));
	),
	TP_printk("dev=%d %s", __entry->minor, __entry->reason)
);

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE vgg_trace
#include <trace/define_trace.h>
