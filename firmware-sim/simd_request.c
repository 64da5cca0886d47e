// SPDX-License-Identifier: MIT
/*
 * What the client asks for, one function per command. Nothing in a message is
 * believed: lengths, counts, indices and numbers of file descriptors are
 * checked. What is wrong in form (a body that is too short, counts that don't
 * fit it) ends the connection; what merely can't be done is refused with an
 * errno.
 */
#include "simd_internal.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCESS_MAX 4096u /* bytes of one region access */

/* Copies the body's beginning; false if it is too short. */
static bool take(const struct simd_message *m, void *to, size_t len)
{
	if (m->len < len)
		return false;
	memcpy(to, m->body, len);
	return true;
}

static int reply(struct simd *s, const void *body, size_t len)
{
	return simd_conn_reply(&s->conn, &s->in.head, body, len, NULL, 0);
}

static int refuse(struct simd *s, int error)
{
	simd_log_trace(&s->log, "refused command %u: %s", s->in.head.command,
		       strerror(error));
	return simd_conn_refuse(&s->conn, &s->in.head, error);
}

/*
 * VERSION.
 */

/* The number behind "name": in the client's JSON, or the default. Its other
 * members don't concern us, so this is all of JSON we need. */
static uint64_t json_number(const char *json, const char *name,
			    uint64_t otherwise)
{
	char quoted[40];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	at = strstr(json, quoted);
	if (!at)
		return otherwise;
	at += strlen(quoted);
	at += strspn(at, " \t\r\n");
	if (*at++ != ':')
		return otherwise;
	at += strspn(at, " \t\r\n");
	return *at >= '0' && *at <= '9' ? strtoull(at, NULL, 10) : otherwise;
}

/* Clients read the reply into the request's buffer: it is no longer. */
static const char *our_version(size_t room)
{
	static const char *const texts[] = {
		"{\"capabilities\":{\"max_msg_fds\":16,"
		"\"max_data_xfer_size\":1048576,\"pgsizes\":4096,"
		"\"write_multiple\":true}}",
		"{\"capabilities\":{\"write_multiple\":true}}",
		"{}",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strlen(texts[i]) < room)
			return texts[i];
	return NULL;
}

static int do_version(struct simd *s)
{
	struct simd_message *m = &s->in;
	const char *json = (char *)m->body + sizeof(struct vfu_version), *text;
	struct vfu_version version;
	size_t room;

	if (s->negotiated || !take(m, &version, sizeof(version)))
		return -EPROTO;
	room = m->len - sizeof(version);
	if (version.major != 0) {
		simd_log_note(&s->log,
			      "the client speaks version %u.%u of "
			      "vfio-user, not 0.0",
			      version.major, version.minor);
		refuse(s, EINVAL);
		return -EPROTO;
	}
	if (room && json[room - 1])
		return -EPROTO;
	s->transfer_max = room ? json_number(json, "max_data_xfer_size",
					     VFU_DEFAULT_TRANSFER) :
				 VFU_DEFAULT_TRANSFER;
	if (!s->transfer_max)
		return -EPROTO;
	s->negotiated = true;
	version.minor = 0;
	text = our_version(room);
	return simd_conn_reply(&s->conn, &m->head, &version, sizeof(version),
			       text, text ? strlen(text) + 1 : 0);
}

/*
 * Information.
 */
static int do_info(struct simd *s)
{
	struct vfu_device_info info;

	if (!take(&s->in, &info, sizeof(info)))
		return -EPROTO;
	info = (struct vfu_device_info){
		.argsz = sizeof(info),
		.flags = VFU_DEVICE_RESET | VFU_DEVICE_PCI,
		.regions = VFU_REGIONS,
		.irqs = VFU_IRQS,
	};
	return reply(s, &info, sizeof(info));
}

static uint64_t region_size(uint32_t region)
{
	if (region == VFU_BAR0)
		return VGG_BAR0_SIZE;
	return region == VFU_CONFIG ? PCI_CONFIG_SIZE : 0;
}

static int do_region_info(struct simd *s)
{
	struct vfu_region_info info;

	if (!take(&s->in, &info, sizeof(info)))
		return -EPROTO;
	if (info.index >= VFU_REGIONS)
		return refuse(s, EINVAL);
	info = (struct vfu_region_info){
		.argsz = sizeof(info),
		.index = info.index,
		.size = region_size(info.index),
	};
	if (info.size)
		info.flags = VFU_REGION_READABLE | VFU_REGION_WRITABLE;
	return reply(s, &info, sizeof(info));
}

static int do_irq_info(struct simd *s)
{
	struct vfu_irq_info info;

	if (!take(&s->in, &info, sizeof(info)))
		return -EPROTO;
	/* Of the others the card has none. QEMU takes a count of 0 for an
	 * error worth a warning, and a refusal not. */
	if (info.index != VFU_INTX && info.index != VFU_MSI)
		return refuse(s, EINVAL);
	info.argsz = sizeof(info);
	info.flags = info.count = 0;
	if (info.index == VFU_INTX) {
		info.flags =
			VFU_IRQ_EVENTFD | VFU_IRQ_MASKABLE | VFU_IRQ_AUTOMASKED;
		info.count = 1;
	} else {
		info.flags = VFU_IRQ_EVENTFD | VFU_IRQ_NORESIZE;
		info.count = VGG_MSI_VECTORS;
	}
	return reply(s, &info, sizeof(info));
}

static int do_set_irqs(struct simd *s)
{
	struct simd_message *m = &s->in;
	struct vfu_irq_set set;
	int err;

	if (!take(m, &set, sizeof(set)))
		return -EPROTO;
	err = simd_irq_set(&s->irq, &set, m->body + sizeof(set),
			   m->len - sizeof(set), m->fds, m->fd_count);
	return err ? refuse(s, -err) : reply(s, NULL, 0);
}

/*
 * Memory.
 */
static int do_map(struct simd *s)
{
	struct simd_message *m = &s->in;
	struct vfu_dma_map map;
	int err;

	if (!take(m, &map, sizeof(map)) || m->fd_count > 1)
		return -EPROTO;
	pthread_mutex_lock(&s->lock);
	err = simd_dma_map(&s->dma, &map, m->fd_count ? m->fds[0] : -1);
	pthread_mutex_unlock(&s->lock);
	simd_log_trace(&s->log, "map 0x%" PRIx64 "+0x%" PRIx64 " %s: %s",
		       map.addr, map.size,
		       m->fd_count ? "with a file" : "by messages",
		       strerror(-err));
	return err ? refuse(s, -err) : reply(s, NULL, 0);
}

static int do_unmap(struct simd *s)
{
	struct simd_owed owed = { .request = s->in.head, .unmap = true };
	int err;

	if (!take(&s->in, &owed.what, sizeof(owed.what)))
		return -EPROTO;
	pthread_mutex_lock(&s->lock);
	err = simd_dma_check(&s->dma, &owed.what);
	pthread_mutex_unlock(&s->lock);
	simd_log_trace(&s->log, "unmap 0x%" PRIx64 "+0x%" PRIx64 ": %s",
		       owed.what.addr, owed.what.size, strerror(-err));
	owed.len = sizeof(owed.what);
	memcpy(owed.body, &owed.what, sizeof(owed.what));
	if (!err)
		err = simd_card_owe(s, &owed);
	return err ? refuse(s, -err) : 0;
}

/*
 * Configuration space.
 */

/* Makes the device follow its registers. */
static void follow_config(struct simd *s)
{
	int vectors = pci_config_msi_vectors(&s->config);

	vgg_sim_set_bus_master(s->sim, pci_config_master(&s->config));
	vgg_sim_set_msi(s->sim, vectors);
	simd_irq_configure(&s->irq, pci_config_intx_off(&s->config), vectors,
			   pci_config_msi_mask(&s->config));
}

static void reset(struct simd *s, enum pci_config_reset kind)
{
	simd_count(s->log.stats.resets, 1);
	simd_log_trace(&s->log, "%s",
		       kind == PCI_RESET_FLR ? "function-level reset" :
					       "reset");
	pci_config_reset(&s->config, kind);
	vgg_sim_flr(s->sim);
	follow_config(s);
}

static bool card_busy(struct simd *s)
{
	bool busy;

	pthread_mutex_lock(&s->sim->lock);
	busy = s->sim->busy && !s->sim->dead;
	pthread_mutex_unlock(&s->sim->lock);
	return busy;
}

/* Whether the card may now lose memory it uses. */
static bool write_config(struct simd *s, uint32_t offset, const void *data,
			 uint32_t len)
{
	bool master = pci_config_master(&s->config);
	unsigned int events = pci_config_write(&s->config, offset, data, len);

	if (events & PCI_EVENT_FLR) {
		reset(s, PCI_RESET_FLR);
		return true;
	}
	if (!events)
		return false;
	if (master && !pci_config_master(&s->config)) {
		if (card_busy(s))
			simd_log_driver(&s->log, "bus mastering ends while a "
						 "job runs");
	} else {
		master = false;
	}
	follow_config(s);
	return master;
}

static void read_config(struct simd *s, uint32_t offset, void *to, uint32_t len)
{
	uint32_t pending;
	bool line;

	simd_irq_look(&s->irq, &line, &pending);
	pci_config_show(&s->config, line, pending);
	pci_config_read(&s->config, offset, to, len);
}

/*
 * BAR0.
 */
static bool bar_answers(struct simd *s, uint32_t offset, bool write)
{
	if (pci_config_memory(&s->config))
		return true;
	simd_log_driver(&s->log, "%s of register 0x%04x while %s",
			write ? "write" : "read", offset,
			pci_config_asleep(&s->config) ? "the card is in D3hot" :
							"memory space is off");
	pci_config_unsupported(&s->config, offset, write);
	return false;
}

static void count_dead(struct simd *s)
{
	bool dead;

	pthread_mutex_lock(&s->sim->lock);
	dead = s->sim->dead;
	pthread_mutex_unlock(&s->sim->lock);
	if (!dead)
		return;
	if (!atomic_load(&s->log.stats.dead_accesses))
		simd_log_note(&s->log, "first access after the card fell off "
				       "the bus");
	simd_count(s->log.stats.dead_accesses, 1);
}

/* One access as the link would bring it. More than 8 bytes are none; the card
 * latches the width. */
static void read_bar(struct simd *s, uint32_t offset, uint8_t *to, uint32_t len)
{
	uint32_t value;

	simd_count(s->log.stats.reg_reads, 1);
	memset(to, 0xff, len);
	if (!bar_answers(s, offset, false))
		return;
	value = vgg_sim_reg_read(s->sim, offset, len);
	if (value == UINT32_MAX)
		count_dead(s);
	if (len == sizeof(value)) {
		value = htole32(value);
		memcpy(to, &value, sizeof(value));
	}
}

static void write_bar(struct simd *s, uint32_t offset, const uint8_t *from,
		      uint32_t len)
{
	uint32_t value = 0;

	simd_count(s->log.stats.reg_writes, 1);
	if (offset == VGG_REG_DB_SQ_TAIL || offset == VGG_REG_DB_CQ_HEAD)
		simd_count(s->log.stats.doorbells, 1);
	if (!bar_answers(s, offset, true))
		return;
	if (offset == VGG_REG_DB_SQ_TAIL && !pci_config_master(&s->config))
		simd_log_driver(&s->log, "a submission while bus mastering is "
					 "off: the card can't read it");
	memcpy(&value, from, len < sizeof(value) ? len : sizeof(value));
	count_dead(s);
	vgg_sim_reg_write(s->sim, offset, len, le32toh(value));
}

/* 0, or an errno for the client. */
static int check_access(uint32_t region, uint64_t offset, uint32_t count)
{
	uint64_t size = region < VFU_REGIONS ? region_size(region) : 0;

	if (!size || !count || count > ACCESS_MAX || offset >= size ||
	    count > size - offset)
		return EINVAL;
	return 0;
}

static int do_read(struct simd *s)
{
	struct vfu_region_access a;
	uint8_t data[ACCESS_MAX];
	int error;

	if (!take(&s->in, &a, sizeof(a)))
		return -EPROTO;
	error = check_access(a.region, a.offset, a.count);
	if (error)
		return refuse(s, error);
	if (a.region == VFU_BAR0)
		read_bar(s, (uint32_t)a.offset, data, a.count);
	else
		read_config(s, (uint32_t)a.offset, data, a.count);
	return simd_conn_reply(&s->conn, &s->in.head, &a, sizeof(a), data,
			       a.count);
}

static int do_write(struct simd *s)
{
	struct simd_owed owed = { .request = s->in.head };
	const uint8_t *data = s->in.body + sizeof(struct vfu_region_access);
	struct vfu_region_access a;
	int error;

	if (!take(&s->in, &a, sizeof(a)) || s->in.len - sizeof(a) < a.count)
		return -EPROTO;
	error = check_access(a.region, a.offset, a.count);
	if (error)
		return refuse(s, error);
	if (a.region == VFU_BAR0) {
		write_bar(s, (uint32_t)a.offset, data, a.count);
	} else if (write_config(s, (uint32_t)a.offset, data, a.count)) {
		owed.len = sizeof(a);
		memcpy(owed.body, &a, sizeof(a));
		error = -simd_card_owe(s, &owed);
		return error ? refuse(s, error) : 0;
	}
	return reply(s, &a, sizeof(a));
}

static int do_multi(struct simd *s)
{
	const uint8_t *at = s->in.body + sizeof(struct vfu_multi);
	struct vfu_multi_entry e;
	struct vfu_multi multi;
	uint64_t i;
	int error = 0;

	if (!take(&s->in, &multi, sizeof(multi)) ||
	    (s->in.len - sizeof(multi)) / sizeof(e) < multi.count)
		return -EPROTO;
	for (i = 0; i < multi.count && !error; i++, at += sizeof(e)) {
		memcpy(&e, at, sizeof(e));
		error = check_access(e.region, e.offset, e.count);
		if (e.count > sizeof(e.data))
			error = EINVAL;
		if (error)
			break;
		/* Posted writes: the card's owner doesn't wait for the end of
		 * anything they start. */
		if (e.region == VFU_BAR0)
			write_bar(s, (uint32_t)e.offset, e.data, e.count);
		else
			write_config(s, (uint32_t)e.offset, e.data, e.count);
	}
	return error ? refuse(s, error) : reply(s, NULL, 0);
}

static int do_reset(struct simd *s)
{
	struct simd_owed owed = { .request = s->in.head };
	int err;

	reset(s, PCI_RESET_HOT);
	err = simd_card_owe(s, &owed);
	return err ? refuse(s, -err) : 0;
}

static int dispatch(struct simd *s)
{
	switch (s->in.head.command) {
	case VFU_DMA_MAP:
		return do_map(s);
	case VFU_DMA_UNMAP:
		return do_unmap(s);
	case VFU_GET_INFO:
		return do_info(s);
	case VFU_GET_REGION_INFO:
		return do_region_info(s);
	case VFU_GET_IRQ_INFO:
		return do_irq_info(s);
	case VFU_SET_IRQS:
		return do_set_irqs(s);
	case VFU_REGION_READ:
		return do_read(s);
	case VFU_REGION_WRITE:
		return do_write(s);
	case VFU_WRITE_MULTI:
		return do_multi(s);
	case VFU_RESET:
		return do_reset(s);
	default:
		return refuse(s, ENOSYS);
	}
}

int simd_request(struct simd *s)
{
	uint32_t type = s->in.head.flags & VFU_F_TYPE;

	if (type == VFU_F_REPLY)
		return simd_card_answer(s, &s->in);
	if (type)
		return -EPROTO;
	if (s->in.head.command == VFU_VERSION)
		return do_version(s);
	return s->negotiated ? dispatch(s) : -EPROTO;
}
