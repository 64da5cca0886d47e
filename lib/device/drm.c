// SPDX-License-Identifier: MIT
/*
 * A real card through the kernel module: finding, opening, identity, errors.
 *
 * Library and module need not be of the same version: structs carry their size
 * (what an older module doesn't know it leaves 0), abilities have feature bits,
 * and what the card is and can do comes from its own identity registers, which
 * the module passes on as they are.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "device/drm.h"
#include "util/error.h"

#define TRIAL_MS 5000 /* of an empty job, by the card's clock */

/*
 * Errors.
 */
int vgg_drm_fail(const struct vgg_drm *d, int number, const char *what)
{
	const char *at = d->node.path;

	switch (number) {
	case ENODEV:
		return vgg_fail(DEVICE_LOST, at,
				"check its seat and power, and the kernel log",
				"%s: the card is gone", what);
	case EIO:
		return vgg_fail(DEVICE_FAULT, at,
				"run again; if it returns, the card is faulty",
				"%s: the card failed", what);
	case ESTALE:
		return vgg_fail(DEVICE_LOST, at, "open the device again",
				"%s: the card lost its on-board memory with "
				"its power",
				what);
	case ETIMEDOUT:
	case ECANCELED:
		return vgg_fail(DEVICE_TIMEOUT, at,
				"run again; the card has been reset",
				"%s: the card did not finish in time", what);
	case ENOMEM:
		return vgg_fail(NO_MEMORY, at,
				"free memory or use a smaller network",
				"%s: no memory in the kernel", what);
	case ENOSPC:
		return vgg_fail(DEVICE_MEMORY, at, "use smaller buffers",
				"%s: no room", what);
	case EINVAL:
	case E2BIG:
	case ENOENT:
	case EFAULT:
		return vgg_fail(BAD_ARGUMENT, at,
				"check the arguments; if they are the "
				"library's own, report it",
				"%s: the module refuses it: %s", what,
				strerror(number));
	case ENOTTY:
	case EOPNOTSUPP:
		return vgg_fail(DEVICE_VERSION, at, "update the kernel module",
				"%s: the module doesn't know how", what);
	default:
		return vgg_fail(DEVICE_FAULT, at, "see the kernel log",
				"%s: %s", what, strerror(number));
	}
}

static int fail_open(const struct vgg_node *n, int number)
{
	switch (number) {
	case EACCES:
	case EPERM:
		return vgg_fail(NO_DEVICE, n->path,
				"become a member of the group that owns it "
				"(ls -l tells; often `render'), or root",
				"this user may not open the card's node");
	case EBUSY:
		return vgg_fail(NO_DEVICE, n->path,
				"end other programs that use the card",
				"all contexts of the card are in use");
	case ENOENT:
		return vgg_fail(NO_DEVICE, n->path,
				"check the name; `vggctl --device card info' "
				"finds cards by itself",
				"there is no such node");
	default:
		return vgg_fail(NO_DEVICE, n->path, "see the kernel log",
				"the node cannot be opened: %s",
				strerror(number));
	}
}

/* A card that no node leads to. */
static int fail_undriven(const struct vgg_node *n)
{
	if (!*n->driver)
		return vgg_fail(NO_DEVICE, n->bus,
				"load the module (modprobe vggaccel), then see "
				"the kernel log",
				"a card is there, but no driver is bound to "
				"it");
	if (strcmp(n->driver, DRM_VGGACCEL_NAME))
		return vgg_fail(NO_DEVICE, n->bus,
				"unbind that driver, then load the module "
				"(modprobe vggaccel)",
				"a card is there, but in the hands of the "
				"driver %s",
				n->driver);
	return vgg_fail(NO_DEVICE, n->bus, "see the kernel log",
			"a card is there with its driver, but has no node");
}

/*
 * Identity.
 */
int vgg_drm_read_info(struct vgg_drm *d, struct drm_vggaccel_info *info)
{
	*info = (struct drm_vggaccel_info){ .size = sizeof(*info) };
	if (!drmIoctl(d->fd, DRM_IOCTL_VGGACCEL_INFO, info))
		return 0;
	return vgg_drm_fail(d, errno, "the card was not asked");
}

/* As the registers were when the card was found. */
static uint32_t read_id(void *ctx, uint32_t offset)
{
	const struct vgg_drm *d = ctx;

	return offset / 4 < DRM_VGGACCEL_ID_WORDS ? d->id[offset / 4] : 0;
}

static const char *irq_kind(uint32_t mode)
{
	switch (mode) {
	case DRM_VGGACCEL_IRQ_POLL:
		return "poll";
	case DRM_VGGACCEL_IRQ_INTX:
		return "intx";
	case DRM_VGGACCEL_IRQ_MSI:
		return "msi";
	default:
		return "";
	}
}

static int drm_info(struct vgg_backend *b, struct vgg_device_info *i)
{
	struct vgg_drm *d = vgg_to_drm(b);
	struct drm_vggaccel_info info;
	int err = vgg_drm_read_info(d, &info);

	if (err)
		return err;
	snprintf(i->name, sizeof(i->name), "%.90s",
		 *d->node.bus ? d->node.bus : d->node.path);
	snprintf(i->node, sizeof(i->node), "%s", d->node.path);
	snprintf(i->bus, sizeof(i->bus), "%s", d->node.bus);
	snprintf(i->driver, sizeof(i->driver), "%s", d->version);
	i->local_free = info.local_free;
	i->jobs = info.jobs;
	i->cycles = info.cycles;
	i->mac_busy = info.mac_busy;
	i->dma_busy = info.dma_busy;
	i->link_bytes = info.link_bytes;
	i->saturations = info.saturations;
	i->temperature = info.temperature;
	i->resets = info.resets;
	i->queue_depth = d->depth;
	i->simulated = info.features & DRM_VGGACCEL_FEATURE_SIMULATED;
	i->coherent = info.features & DRM_VGGACCEL_FEATURE_COHERENT;
	i->submission = d->uring && !d->refuses_commands ? "io_uring" : "ioctl";
	i->irq_kind = irq_kind(info.irq_mode);
	vgg_pci_describe(d->node.bus, i);
	return vgg_read_capabilities(read_id, d, i);
}

/*
 * Opening.
 */
static int check_driver(struct vgg_drm *d)
{
	drmVersionPtr v = drmGetVersion(d->fd);
	int err = 0;

	if (!v)
		return vgg_fail(NO_DEVICE, d->node.path,
				"use a node below /dev/accel or /dev/dri, or "
				"--device card",
				"this is no node of a card");
	if (strcmp(v->name, DRM_VGGACCEL_NAME))
		err = vgg_fail(NO_DEVICE, d->node.path,
			       "use --device card, which finds the right one",
			       "this is a node of the driver %s, not of a card",
			       v->name);
	else
		snprintf(d->version, sizeof(d->version), "%s %d.%d.%d", v->name,
			 v->version_major, v->version_minor,
			 v->version_patchlevel);
	drmFreeVersion(v);
	return err;
}

static int read_card(struct vgg_drm *d)
{
	struct vgg_device_info identity = { .size = sizeof(identity) };
	struct drm_vggaccel_info info;
	int err = vgg_drm_read_info(d, &info);

	if (err)
		return err;
	d->features = info.features;
	d->depth = info.queue_depth;
	memcpy(d->id, info.id, sizeof(d->id));
	err = vgg_read_capabilities(read_id, d, &identity);
	return err ? err : vgg_drm_jobs_init(d, info.result_entries);
}

static int set_timeout(struct vgg_drm *d, uint32_t timeout_ms)
{
	struct drm_vggaccel_set s = { .size = sizeof(s),
				      .param = DRM_VGGACCEL_SET_TIMEOUT_MS,
				      .value = timeout_ms };

	if (!drmIoctl(d->fd, DRM_IOCTL_VGGACCEL_SET, &s))
		return 0;
	if (errno != EINVAL)
		return vgg_drm_fail(d, errno, "the time limit was not set");
	return vgg_fail(BAD_ARGUMENT, d->node.path,
			"use a limit of 1 to 600 seconds (--timeout)",
			"the card takes no time limit of %u ms", timeout_ms);
}

/*
 * A card that has fallen off the bus, or hangs, keeps its node, and who it is
 * was read when it was well. So it has to do something, if only an empty job:
 * better told now than in the middle of the work.
 */
static int run_nothing(struct vgg_drm *d, struct vgg_buffer *b,
		       uint32_t limit_ms)
{
	struct vgg_hw_cmd_plain *end = b->map;
	struct vgg_completion c = VGG_INIT(c);
	struct vgg_job job = VGG_INIT(job);
	uint64_t ticket;
	int err;

	end->head.opcode = htole16(VGG_CMD_END);
	job.stream = b->address;
	job.stream_bytes = VGG_CMD_SIZE;
	err = vgg_drm_buffer_finish(&d->base, b, VGG_ACCESS_WRITE, 0,
				    VGG_CMD_SIZE);
	if (!err)
		err = vgg_drm_submit(&d->base, &job, limit_ms, &ticket);
	if (!err)
		err = vgg_drm_wait(&d->base, ticket, limit_ms, &c);
	if (err || c.status == VGG_STATUS_OK)
		return err;
	return vgg_fail(DEVICE_FAULT, d->node.path,
			"see the kernel log; the card may be faulty",
			"the card fails even an empty job: %s: %s",
			vgg_status_name(c.status), vgg_status_text(c.status));
}

static int try_card(struct vgg_drm *d, uint32_t timeout_ms)
{
	uint32_t limit_ms = timeout_ms < TRIAL_MS ? timeout_ms : TRIAL_MS;
	struct vgg_buffer *b;
	int err = set_timeout(d, limit_ms);

	if (!err)
		err = vgg_drm_buffer_create(&d->base, VGG_CMD_SIZE,
					    VGG_BUFFER_HOST, &b);
	if (err)
		return err;
	err = run_nothing(d, b, limit_ms);
	vgg_drm_buffer_destroy(&d->base, b);
	return err;
}

static int set_up(struct vgg_drm *d, uint32_t timeout_ms)
{
	int err = check_driver(d);

	if (!err)
		err = read_card(d);
	if (err)
		return err;
	if (drmSyncobjCreate(d->fd, 0, &d->timeline))
		return vgg_drm_fail(d, errno, "a timeline was not created");
	d->uring = vgg_drm_uring_create(d);
	err = try_card(d, timeout_ms);
	return err ? err : set_timeout(d, timeout_ms);
}

static void drm_close(struct vgg_backend *b)
{
	struct vgg_drm *d = vgg_to_drm(b);

	vgg_drm_uring_destroy(d->uring);
	vgg_drm_jobs_clear(d);
	if (d->timeline)
		drmSyncobjDestroy(d->fd, d->timeline);
	if (d->fd >= 0)
		close(d->fd);
	pthread_cond_destroy(&d->event);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->submit_lock);
	free(d);
}

static const struct vgg_backend_ops drm_ops = {
	.buffer_create = vgg_drm_buffer_create,
	.buffer_destroy = vgg_drm_buffer_destroy,
	.buffer_prepare = vgg_drm_buffer_prepare,
	.buffer_finish = vgg_drm_buffer_finish,
	.submit = vgg_drm_submit,
	.wait = vgg_drm_wait,
	.info = drm_info,
	.close = drm_close,
};

static struct vgg_drm *new_drm(const struct vgg_node *node)
{
	struct vgg_drm *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->base.ops = &drm_ops;
	d->node = *node;
	pthread_cond_init(&d->event, NULL);
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->submit_lock, NULL);
	return d;
}

static int open_node(const struct vgg_node *node, uint32_t timeout_ms,
		     struct vgg_backend **backend)
{
	struct vgg_drm *d;
	int err;

	if (!*node->path)
		return fail_undriven(node);
	d = new_drm(node);
	if (!d)
		return vgg_fail_memory("a card");
	d->fd = open(node->path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		err = fail_open(node, errno);
	else
		err = set_up(d, timeout_ms);
	if (err)
		drm_close(&d->base);
	else
		*backend = &d->base;
	return err;
}

/*
 * Which one.
 */
static int fail_none(const char *name)
{
	return vgg_fail(NO_DEVICE, name,
			"check that the card is seated (lspci) and the module "
			"loaded (modprobe vggaccel), or use --device sim",
			"there is no card in this machine");
}

/* The first that opens. What is wrong with those before it, the user shall
 * know, too. */
static int open_first(const struct vgg_nodes *nodes, uint32_t timeout_ms,
		      struct vgg_backend **backend)
{
	struct vgg_error first;
	size_t i;
	int err;

	if (!nodes->count)
		return fail_none("card");
	for (i = 0; i < nodes->count; i++) {
		err = open_node(&nodes->at[i], timeout_ms, backend);
		if (!err && i)
			vgg_backend_note(*backend, &first,
					 "using another card");
		if (!err || err == -EINVAL)
			return err;
		if (!i)
			first = *vgg_error_last();
	}
	return vgg_fail_(first.code, first.where, first.next_step, "%s",
			 first.what);
}

static int open_number(const struct vgg_nodes *nodes, const char *digits,
		       uint32_t timeout_ms, struct vgg_backend **backend)
{
	unsigned long i = strtoul(digits, NULL, 10);

	if (i < nodes->count)
		return open_node(&nodes->at[i], timeout_ms, backend);
	if (!nodes->count)
		return fail_none("card");
	return vgg_fail(NO_DEVICE, "card", "cards are counted from card0",
			"there is no card%lu: this machine has %zu card%s", i,
			nodes->count, nodes->count == 1 ? "" : "s");
}

static int open_address(const struct vgg_nodes *nodes, const char *address,
			uint32_t timeout_ms, struct vgg_backend **backend)
{
	size_t i;

	for (i = 0; i < nodes->count; i++)
		if (!strcmp(nodes->at[i].bus, address))
			return open_node(&nodes->at[i], timeout_ms, backend);
	return vgg_fail(NO_DEVICE, address,
			"use auto, sim, cpu, card, cardN, a PCI address, or "
			"the path of a device node",
			"there is no card of this name");
}

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s) && strlen(s) < 6;
}

static int open_named(const char *root, const char *name, uint32_t timeout_ms,
		      struct vgg_backend **backend)
{
	struct vgg_nodes nodes;
	struct vgg_node node;
	int err;

	if (strchr(name, '/')) {
		vgg_node_from_path(root, name, &node);
		return open_node(&node, timeout_ms, backend);
	}
	err = vgg_nodes_scan(root, &nodes);
	if (err)
		return err;
	if (!strcmp(name, "card"))
		err = open_first(&nodes, timeout_ms, backend);
	else if (!strncmp(name, "card", 4) && is_number(name + 4))
		err = open_number(&nodes, name + 4, timeout_ms, backend);
	else
		err = open_address(&nodes, name, timeout_ms, backend);
	vgg_nodes_clear(&nodes);
	return err;
}

int vgg_drm_backend_open(const char *root, const char *name,
			 const struct vgg_device_options *options,
			 struct vgg_backend **backend)
{
	if (options->card || options->order || options->pace)
		return vgg_fail(BAD_ARGUMENT, name,
				"leave it out, or use --device sim",
				"a %s is for the simulator, not for a card",
				options->card  ? "card profile" :
				options->order ? "choice of order" :
						 "pace");
	if (options->inject)
		return vgg_fail(BAD_ARGUMENT, name,
				"use --device sim; for a card, root has the "
				"file `inject' in its folder of debugfs",
				"a fault to inject is for the simulator, not "
				"for a card");
	return open_named(root, name, options->timeout_ms, backend);
}

size_t vgg_drm_count(const char *root)
{
	struct vgg_nodes nodes;
	size_t n;

	if (vgg_nodes_scan(root, &nodes))
		return 0;
	n = nodes.count;
	vgg_nodes_clear(&nodes);
	return n;
}
