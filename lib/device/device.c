// SPDX-License-Identifier: MIT
/* Devices, buffers and jobs: the checks that every backend relies on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/backend.h"
#include "device/drm.h"
#include "trace/trace.h"
#include "util/error.h"

#define TIMEOUT_DEFAULT_MS 120000u
#define BUFFER_MAX ((uint64_t)1 << 36)

struct vgg_device {
	struct vgg_backend *backend; /* NULL: the CPU alone */
	enum vgg_device_kind kind;
	uint32_t timeout_ms;
};

static const char *const kind_names[] = {
	[VGG_DEVICE_CPU] = "cpu",
	[VGG_DEVICE_SIM] = "sim",
	[VGG_DEVICE_CARD] = "card",
};

static const struct {
	const char *name, *text;
} statuses[] = {
#define VGG_STATUS_ENTRY(name, code, text) [code] = { #name, text },
	VGG_HW_STATUSES(VGG_STATUS_ENTRY)
#undef VGG_STATUS_ENTRY
};

#define STATUS_COUNT (sizeof(statuses) / sizeof(*statuses))

const char *vgg_status_name(uint32_t status)
{
	return status < STATUS_COUNT && statuses[status].name ?
		       statuses[status].name :
		       "UNKNOWN";
}

const char *vgg_status_text(uint32_t status)
{
	return status < STATUS_COUNT && statuses[status].text ?
		       statuses[status].text :
		       "a status this library doesn't know";
}

/*
 * Opening.
 */
void vgg_backend_note(struct vgg_backend *b, const struct vgg_error *error,
		      const char *instead)
{
	snprintf(b->note, sizeof(b->note), "%.120s%s%.200s (%.150s); %.30s",
		 error->where, *error->where ? ": " : "", error->what,
		 error->next_step, instead);
}

/* A card, else the simulator. A card that is there and can't be used is no
 * reason to fail, but none to be silent either. */
static int open_auto(const char *root, const struct vgg_device_options *o,
		     struct vgg_device *d)
{
	struct vgg_error error;
	int err;

	if (o->card || o->order || o->inject || o->pace ||
	    !vgg_drm_count(root)) {
		d->kind = VGG_DEVICE_SIM;
		return vgg_sim_backend_open(o, &d->backend);
	}
	d->kind = VGG_DEVICE_CARD;
	err = vgg_drm_backend_open(root, "card", o, &d->backend);
	if (!err || err == -EINVAL)
		return err;
	error = *vgg_error_last();
	d->kind = VGG_DEVICE_SIM;
	err = vgg_sim_backend_open(o, &d->backend);
	if (!err)
		vgg_backend_note(d->backend, &error, "using the simulator");
	return err;
}

static int open_backend(const char *root, const char *name,
			const struct vgg_device_options *o,
			struct vgg_device *d)
{
	if (!name || !strcmp(name, "auto"))
		return open_auto(root, o, d);
	if (!strcmp(name, "sim")) {
		d->kind = VGG_DEVICE_SIM;
		return vgg_sim_backend_open(o, &d->backend);
	}
	if (!strcmp(name, "cpu"))
		return 0;
	d->kind = VGG_DEVICE_CARD;
	return vgg_drm_backend_open(root, name, o, &d->backend);
}

int vgg_device_open(const char *name, const struct vgg_device_options *options,
		    struct vgg_device **device)
{
	return vgg_device_open_below("", name, options, device);
}

int vgg_device_open_below(const char *root, const char *name,
			  const struct vgg_device_options *options,
			  struct vgg_device **device)
{
	struct vgg_device_options o = VGG_INIT(o);
	struct vgg_device *d;
	int err;

	if (options && vgg_check_struct(options->size, "device options"))
		return -EINVAL;
	if (options)
		memcpy(&o, options,
		       options->size < sizeof(o) ? options->size : sizeof(o));
	if (!o.timeout_ms)
		o.timeout_ms = TIMEOUT_DEFAULT_MS;
	err = vgg_device_wrap(NULL, VGG_DEVICE_CPU, o.timeout_ms, &d);
	if (err)
		return err;
	err = open_backend(root, name, &o, d);
	if (err)
		free(d);
	else
		*device = d;
	return err;
}

int vgg_device_wrap(struct vgg_backend *backend, enum vgg_device_kind kind,
		    uint32_t timeout_ms, struct vgg_device **device)
{
	struct vgg_device *d = calloc(1, sizeof(*d));

	if (!d)
		return vgg_fail_memory("a device");
	d->backend = backend;
	d->kind = kind;
	d->timeout_ms = timeout_ms;
	*device = d;
	return 0;
}

void vgg_device_close(struct vgg_device *d)
{
	if (!d)
		return;
	if (d->backend)
		d->backend->ops->close(d->backend);
	free(d);
}

int vgg_device_info(struct vgg_device *d, struct vgg_device_info *info)
{
	struct vgg_device_info i = { .size = info->size,
				     .irq_kind = "",
				     .submission = "" };
	int err = vgg_check_struct(info->size, "device info");

	if (err)
		return err;

	snprintf(i.name, sizeof(i.name), "CPU only");
	if (d->backend) {
		err = d->backend->ops->info(d->backend, &i);
		memcpy(i.note, d->backend->note, sizeof(i.note));
	}
	i.kind = d->kind;
	i.kind_name = kind_names[d->kind];
	memcpy(info, &i, info->size < sizeof(i) ? info->size : sizeof(i));
	return err;
}

static int need_card(const struct vgg_device *d, const char *what)
{
	if (d->backend)
		return 0;
	return vgg_fail(NO_DEVICE, "cpu", "open the device as auto or sim",
			"%s need a card", what);
}

int vgg_buffer_create(struct vgg_device *d, uint64_t bytes,
		      enum vgg_buffer_place place, struct vgg_buffer **buffer)
{
	int err = need_card(d, "buffers");

	if (err)
		return err;
	if (place != VGG_BUFFER_HOST && place != VGG_BUFFER_LOCAL)
		return vgg_fail(BAD_ARGUMENT, "buffer",
				"use VGG_BUFFER_HOST or VGG_BUFFER_LOCAL",
				"no place %d", (int)place);
	if (!bytes || bytes > BUFFER_MAX)
		return vgg_fail(
			BAD_ARGUMENT, "buffer", "ask for 1 to 2^36 bytes",
			"a buffer of %llu bytes", (unsigned long long)bytes);
	err = d->backend->ops->buffer_create(d->backend, bytes, place, buffer);
	if (err)
		return err;
	(*buffer)->device = d;
	(*buffer)->place = place;
	(*buffer)->bytes = bytes;
	return 0;
}

void vgg_buffer_destroy(struct vgg_buffer *buffer)
{
	if (buffer)
		buffer->device->backend->ops->buffer_destroy(
			buffer->device->backend, buffer);
}

uint64_t vgg_buffer_address(const struct vgg_buffer *buffer)
{
	return buffer->address;
}

uint64_t vgg_buffer_bytes(const struct vgg_buffer *buffer)
{
	return buffer->bytes;
}

void *vgg_buffer_map(struct vgg_buffer *buffer)
{
	return buffer->map;
}

/* Nothing to do for on-board memory, which the CPU can't touch. */
static int check_access(const struct vgg_buffer *b, unsigned int access,
			uint64_t offset, uint64_t bytes)
{
	if (!access || access & ~(VGG_ACCESS_READ | VGG_ACCESS_WRITE))
		return vgg_fail(BAD_ARGUMENT, "buffer",
				"use VGG_ACCESS_READ, VGG_ACCESS_WRITE or both",
				"no access %u", access);
	if (offset > b->bytes || bytes > b->bytes - offset)
		return vgg_fail(
			BAD_ARGUMENT, "buffer", "name a part of the buffer",
			"%llu bytes at %llu of a buffer of %llu",
			(unsigned long long)bytes, (unsigned long long)offset,
			(unsigned long long)b->bytes);
	return 0;
}

int vgg_buffer_prepare_range(struct vgg_buffer *buffer, unsigned int access,
			     uint64_t offset, uint64_t bytes)
{
	struct vgg_backend *b = buffer->device->backend;
	int err = check_access(buffer, access, offset, bytes);

	if (err || !bytes || !buffer->map || !b->ops->buffer_prepare)
		return err;
	VGG_TRACE_NAMED(CALL, "prepare");
	return b->ops->buffer_prepare(b, buffer, access, offset, bytes);
}

int vgg_buffer_finish_range(struct vgg_buffer *buffer, unsigned int access,
			    uint64_t offset, uint64_t bytes)
{
	struct vgg_backend *b = buffer->device->backend;
	int err = check_access(buffer, access, offset, bytes);

	if (err || !bytes || !buffer->map || !b->ops->buffer_finish)
		return err;
	VGG_TRACE_NAMED(CALL, "finish");
	return b->ops->buffer_finish(b, buffer, access, offset, bytes);
}

int vgg_buffer_prepare(struct vgg_buffer *buffer, unsigned int access)
{
	return vgg_buffer_prepare_range(buffer, access, 0, buffer->bytes);
}

int vgg_buffer_finish(struct vgg_buffer *buffer, unsigned int access)
{
	return vgg_buffer_finish_range(buffer, access, 0, buffer->bytes);
}

int vgg_submit(struct vgg_device *d, const struct vgg_job *job,
	       uint64_t *ticket)
{
	VGG_TRACE_NAMED(CALL, "submit");
	struct vgg_job copy = { 0 };
	int err = need_card(d, "jobs");

	if (!err)
		err = vgg_check_struct(job->size, "job");
	if (err)
		return err;
	memcpy(&copy, job, job->size < sizeof(copy) ? job->size : sizeof(copy));
	/* What the stream says is the card's to check, with its own names. */
	err = d->backend->ops->submit(d->backend, &copy, d->timeout_ms, ticket);
	if (!err)
		vgg_trace_submitted(*ticket);
	return err;
}

static int job_failed(const struct vgg_completion *c)
{
	const char *next = "report it: the library's own commands are legal";
	char where[64];

	snprintf(where, sizeof(where), "command %u (layer tag %u)", c->index,
		 c->tag);
	if (c->status == VGG_STATUS_TIMEOUT || c->status == VGG_STATUS_ABORTED)
		return vgg_fail(DEVICE_TIMEOUT, where,
				"raise the limit, or reset the card", "%s: %s",
				vgg_status_name(c->status),
				vgg_status_text(c->status));
	if (c->status >= VGG_STATUS_RING)
		next = "run again; if it returns, the card is faulty";
	return vgg_fail(DEVICE_FAULT, where, next, "%s: %s",
			vgg_status_name(c->status), vgg_status_text(c->status));
}

int vgg_wait(struct vgg_device *d, uint64_t ticket,
	     struct vgg_completion *completion)
{
	VGG_TRACE_NAMED(CALL, "wait");
	struct vgg_completion c = VGG_INIT(c);
	int err = need_card(d, "jobs");

	if (!err)
		err = d->backend->ops->wait(d->backend, ticket, d->timeout_ms,
					    &c);
	if (err)
		return err;
	if (!c.seen_ns)
		c.seen_ns = vgg_trace_now();
	vgg_trace_completed(ticket, &c);
	if (completion) {
		c.size = completion->size;
		memcpy(completion, &c, c.size < sizeof(c) ? c.size : sizeof(c));
	}
	return c.status == VGG_STATUS_OK ? 0 : job_failed(&c);
}
