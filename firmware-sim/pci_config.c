// SPDX-License-Identifier: MIT
/*
 * Configuration space as a table. Each row is a dword: its value after power
 * on, and masks of the bits that can be written, that writing 1 clears, that
 * are sticky and that a function-level reset leaves alone. Writes with an
 * effect beyond their bits have a hook.
 */
#include "pci_config.h"

#include <endian.h>
#include <string.h>

#define COMMAND 0x04
#define STATUS 0x06
#define BAR0 0x10
#define PM_CONTROL (PCI_CAP_PM + 4)
#define MSI_CONTROL (PCI_CAP_MSI + 2)
#define MSI_MASK (PCI_CAP_MSI + 0x10)
#define MSI_PENDING (PCI_CAP_MSI + 0x14)
#define EXP_CONTROL (PCI_CAP_EXP + 8)
#define EXP_STATUS (PCI_CAP_EXP + 0xa)
#define LINK_CAPS (PCI_CAP_EXP + 0xc)
#define LINK_STATUS (PCI_CAP_EXP + 0x12)
#define LINK_CAPS2 (PCI_CAP_EXP + 0x2c)
#define LINK_CONTROL2 (PCI_CAP_EXP + 0x30)
#define AER_STATUS (PCI_EXT_AER + 4)
#define AER_MASK (PCI_EXT_AER + 8)
#define AER_SEVERITY (PCI_EXT_AER + 0xc)
#define AER_COR_STATUS (PCI_EXT_AER + 0x10)
#define AER_CONTROL (PCI_EXT_AER + 0x18)
#define AER_LOG (PCI_EXT_AER + 0x1c)

#define COMMAND_MEMORY 0x0002u
#define COMMAND_MASTER 0x0004u
#define COMMAND_INTX_OFF 0x0400u
#define STATUS_INTX 0x0008u
#define POWER_STATE 0x3u
#define D0 0u
#define D3HOT 3u
#define MSI_ENABLE 0x0001u
#define DEVICE_FLR 0x8000u
#define DEVICE_CORRECTABLE 0x1u
#define DEVICE_NONFATAL 0x2u
#define DEVICE_FATAL 0x4u
#define DEVICE_UNSUPPORTED 0x8u
#define AER_UNSUPPORTED 20 /* the bit's number */
#define AER_ADVISORY 0x2000u

/* The errors an endpoint with memory requests can have; AER's bits. */
#define UNCORRECTABLE 0x0057f010u
#define CORRECTABLE 0x000071c1u

struct row {
	uint16_t offset;
	uint32_t reset, write, clear, sticky, keep;
};

#define ID(high, low) ((uint32_t)(high) << 16 | (low))

static const struct row rows[] = {
	{ 0x00, ID(VGG_PCI_DEVICE_ID, VGG_PCI_VENDOR_ID), 0, 0, 0, 0 },
	/* Command: memory, master, parity, SERR, INTx disable. Status: the
	 * capability list; the error bits. */
	{ COMMAND, 0x00100000, 0x0546, 0xf9000000, 0, 0 },
	{ 0x08, VGG_PCI_CLASS << 8 | 0x01, 0, 0, 0, 0 },
	{ 0x0c, 0, 0xff, 0, 0, 0 },
	{ BAR0, 0, ~(VGG_BAR0_SIZE - 1u), 0, 0, 0 },
	{ 0x2c, ID(VGG_PCI_DEVICE_ID, VGG_PCI_VENDOR_ID), 0, 0, 0, 0 },
	{ 0x34, PCI_CAP_PM, 0, 0, 0, 0 },
	{ 0x3c, 0x0100, 0xff, 0, 0, 0 }, /* pin A */
	/* Power management 1.2: D0 and D3hot, no PME; No_Soft_Reset. */
	{ PCI_CAP_PM, ID(0x0003, PCI_CAP_MSI << 8 | 0x01), 0, 0, 0, 0 },
	{ PM_CONTROL, 0x0008, POWER_STATE, 0, 0, 0 },
	/* MSI: four vectors, 64-bit, masks. */
	{ PCI_CAP_MSI, ID(0x0184, PCI_CAP_EXP << 8 | 0x05), 0x00710000, 0, 0,
	  0 },
	{ PCI_CAP_MSI + 4, 0, 0xfffffffc, 0, 0, 0 },
	{ PCI_CAP_MSI + 8, 0, 0xffffffff, 0, 0, 0 },
	{ PCI_CAP_MSI + 0xc, 0, 0xffff, 0, 0, 0 },
	{ MSI_MASK, 0, (1u << VGG_MSI_VECTORS) - 1, 0, 0, 0 },
	/* PCI Express, version 2, endpoint: FLR, role-based errors, 256 bytes
	 * of payload. */
	{ PCI_CAP_EXP, ID(0x0002, 0x10), 0, 0, 0, 0 },
	{ PCI_CAP_EXP + 4, 0x10008001, 0, 0, 0, 0 },
	/* Device Control; the payload size survives FLR. */
	{ EXP_CONTROL, 0x2810, 0x78ff, 0x000f0000, 0, 0x00e0 },
	/* Link: generation and lanes come from the profile. Everything in Link
	 * Control survives FLR. */
	{ LINK_CAPS, 0x00400000, 0, 0, 0, 0 },
	{ PCI_CAP_EXP + 0x10, 0x10000000, 0x00cb, 0, 0, 0x00cb },
	{ PCI_CAP_EXP + 0x24, 0x00000010, 0, 0, 0, 0 },
	{ PCI_CAP_EXP + 0x28, 0, 0x0010, 0, 0, 0 },
	{ LINK_CONTROL2, 0, 0x000f, 0, 0x000f, 0 },
	/* Advanced error reporting, version 2. */
	{ PCI_EXT_AER, ID(PCI_EXT_DSN << 4 | 2, 0x0001), 0, 0, 0, 0 },
	{ AER_STATUS, 0, 0, UNCORRECTABLE, UNCORRECTABLE, 0 },
	{ AER_MASK, 0x00400000, UNCORRECTABLE, 0, UNCORRECTABLE, 0 },
	{ AER_SEVERITY, 0x00462010, UNCORRECTABLE, 0, UNCORRECTABLE, 0 },
	{ AER_COR_STATUS, 0, 0, CORRECTABLE, CORRECTABLE, 0 },
	{ PCI_EXT_AER + 0x14, 0x6000, CORRECTABLE, 0, CORRECTABLE, 0 },
	{ AER_CONTROL, 0, 0, 0, 0x1f, 0 },
	{ AER_LOG, 0, 0, 0, 0xffffffff, 0 },
	{ AER_LOG + 4, 0, 0, 0, 0xffffffff, 0 },
	{ AER_LOG + 8, 0, 0, 0, 0xffffffff, 0 },
	{ AER_LOG + 12, 0, 0, 0, 0xffffffff, 0 },
	/* Serial number: an EUI-64 of the locally administered kind. */
	{ PCI_EXT_DSN, ID(1, 0x0003), 0, 0, 0, 0 },
	{ PCI_EXT_DSN + 4, 0xfe000001, 0, 0, 0, 0 },
	{ PCI_EXT_DSN + 8, 0x025647ff, 0, 0, 0, 0 },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static uint32_t get32(const uint8_t *bytes, uint32_t offset)
{
	uint32_t v;

	memcpy(&v, bytes + offset, sizeof(v));
	return le32toh(v);
}

static void put32(uint8_t *bytes, uint32_t offset, uint32_t v)
{
	v = htole32(v);
	memcpy(bytes + offset, &v, sizeof(v));
}

static uint16_t get16(const struct pci_config *c, uint32_t offset)
{
	return (uint16_t)(c->value[offset] | c->value[offset + 1] << 8);
}

static void put16(uint8_t *bytes, uint32_t offset, uint16_t v)
{
	bytes[offset] = (uint8_t)v;
	bytes[offset + 1] = (uint8_t)(v >> 8);
}

/* The slot is at least as good as the card, so the link is the card's. */
static void show_link(struct pci_config *c, const struct vgg_card *card)
{
	uint32_t link = card->pcie_lanes << 4 | card->pcie_gen;
	uint32_t speeds = ((1u << card->pcie_gen) - 1) << 1;

	put32(c->reset, LINK_CAPS, get32(c->reset, LINK_CAPS) | link);
	put16(c->reset, LINK_STATUS, (uint16_t)(0x1000 | link));
	put32(c->reset, LINK_CAPS2, speeds);
	put16(c->reset, LINK_CONTROL2, (uint16_t)card->pcie_gen);
}

void pci_config_init(struct pci_config *c, const struct vgg_card *card)
{
	size_t i;

	memset(c, 0, sizeof(*c));
	for (i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];

		put32(c->reset, row->offset, row->reset);
		put32(c->write, row->offset, row->write);
		put32(c->clear, row->offset, row->clear);
		put32(c->sticky, row->offset, row->sticky);
		put32(c->keep, row->offset, row->keep);
	}
	show_link(c, card);
	pci_config_reset(c, PCI_RESET_POWER_ON);
}

void pci_config_reset(struct pci_config *c, enum pci_config_reset kind)
{
	uint32_t i;

	for (i = 0; i < PCI_CONFIG_SIZE; i++) {
		uint8_t kept = 0;

		if (kind != PCI_RESET_POWER_ON)
			kept |= c->sticky[i];
		if (kind == PCI_RESET_FLR)
			kept |= c->keep[i];
		c->value[i] =
			(c->value[i] & kept) | (c->reset[i] & (uint8_t)~kept);
	}
}

void pci_config_read(const struct pci_config *c, uint32_t offset, void *to,
		     uint32_t len)
{
	memcpy(to, c->value + offset, len);
}

static unsigned int on_command(struct pci_config *c, const uint8_t *old)
{
	(void)c;
	(void)old;
	return PCI_EVENT_COMMAND;
}

/* A state that isn't supported is discarded. */
static unsigned int on_power(struct pci_config *c, const uint8_t *old)
{
	uint8_t state = c->value[PM_CONTROL] & POWER_STATE;

	if (state != D0 && state != D3HOT)
		c->value[PM_CONTROL] = old[PM_CONTROL];
	return PCI_EVENT_POWER;
}

static unsigned int on_msi(struct pci_config *c, const uint8_t *old)
{
	(void)c;
	(void)old;
	return PCI_EVENT_MSI;
}

/* The pointer names a bit of the status that is set, or means nothing. */
static unsigned int on_aer_status(struct pci_config *c, const uint8_t *old)
{
	uint32_t first = get32(c->value, AER_CONTROL) & 0x1f;

	(void)old;
	if (!(get32(c->value, AER_STATUS) >> first & 1))
		c->value[AER_CONTROL] &= 0xe0;
	return 0;
}

static const struct hook {
	uint16_t offset, len;
	unsigned int (*run)(struct pci_config *c, const uint8_t *old);
} hooks[] = {
	{ COMMAND, 2, on_command },	  { PM_CONTROL, 2, on_power },
	{ MSI_CONTROL, 2, on_msi },	  { MSI_MASK, 4, on_msi },
	{ AER_STATUS, 4, on_aer_status },
};

static bool covers(uint32_t offset, uint32_t len, uint32_t at, uint32_t at_len)
{
	return offset < at + at_len && at < offset + len;
}

/* Initiate FLR reads as 0, so it is no bit of the table. */
static bool asks_for_flr(uint32_t offset, const uint8_t *from, uint32_t len)
{
	uint32_t byte = EXP_CONTROL + 1;

	return covers(offset, len, byte, 1) &&
	       (from[byte - offset] & DEVICE_FLR >> 8);
}

unsigned int pci_config_write(struct pci_config *c, uint32_t offset,
			      const void *from, uint32_t len)
{
	const uint8_t *bytes = from;
	uint8_t old[PCI_CONFIG_SIZE];
	unsigned int events = 0;
	uint32_t i;

	memcpy(old, c->value, sizeof(old));
	for (i = 0; i < len; i++) {
		uint8_t *value = &c->value[offset + i];
		uint8_t write = c->write[offset + i];
		uint8_t clear = c->clear[offset + i] & bytes[i];

		*value = (*value & (uint8_t)~write & (uint8_t)~clear) |
			 (bytes[i] & write);
	}
	for (i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
		if (covers(offset, len, hooks[i].offset, hooks[i].len))
			events |= hooks[i].run(c, old);
	if (asks_for_flr(offset, bytes, len))
		events |= PCI_EVENT_FLR;
	return events;
}

bool pci_config_asleep(const struct pci_config *c)
{
	return (c->value[PM_CONTROL] & POWER_STATE) != D0;
}

bool pci_config_memory(const struct pci_config *c)
{
	return (get16(c, COMMAND) & COMMAND_MEMORY) && !pci_config_asleep(c);
}

bool pci_config_master(const struct pci_config *c)
{
	return (get16(c, COMMAND) & COMMAND_MASTER) && !pci_config_asleep(c);
}

/* Asleep, nothing is signalled without PME. */
bool pci_config_intx_off(const struct pci_config *c)
{
	return (get16(c, COMMAND) & COMMAND_INTX_OFF) || pci_config_asleep(c);
}

/* Software may enable as many as it was promised; more are no vectors. */
int pci_config_msi_vectors(const struct pci_config *c)
{
	uint16_t control = get16(c, MSI_CONTROL);
	int vectors = 1 << (control >> 4 & 7);

	if (!(control & MSI_ENABLE))
		return 0;
	return vectors < VGG_MSI_VECTORS ? vectors : VGG_MSI_VECTORS;
}

uint32_t pci_config_msi_mask(const struct pci_config *c)
{
	return get32(c->value, MSI_MASK);
}

void pci_config_show(struct pci_config *c, bool intx, uint32_t msi_pending)
{
	uint16_t status = get16(c, STATUS) & (uint16_t)~STATUS_INTX;

	put16(c->value, STATUS, intx ? status | STATUS_INTX : status);
	put32(c->value, MSI_PENDING, msi_pending);
}

/* The TLP's header as it came over the link: a dword read or write of memory
 * below 4 GiB. */
static void log_header(struct pci_config *c, uint32_t offset, bool write)
{
	uint32_t bar = get32(c->value, BAR0) & ~(VGG_BAR0_SIZE - 1u);

	put32(c->value, AER_LOG, (write ? 0x40000000u : 0) | 1);
	put32(c->value, AER_LOG + 4, 0xf);
	put32(c->value, AER_LOG + 8, bar + (offset & ~3u));
	put32(c->value, AER_LOG + 12, 0);
}

/*
 * A read is answered with Unsupported Request, so the requester knows, and its
 * error is advisory only if it isn't fatal; a posted write's is an error.
 */
void pci_config_unsupported(struct pci_config *c, uint32_t offset, bool write)
{
	uint32_t bit = 1u << AER_UNSUPPORTED;
	uint32_t status = get32(c->value, AER_STATUS);
	bool masked = get32(c->value, AER_MASK) & bit;
	bool fatal = get32(c->value, AER_SEVERITY) & bit;
	uint16_t device = DEVICE_UNSUPPORTED;

	if (!masked && !(status & UNCORRECTABLE & ~get32(c->value, AER_MASK))) {
		c->value[AER_CONTROL] =
			(c->value[AER_CONTROL] & 0xe0) | AER_UNSUPPORTED;
		log_header(c, offset, write);
	}
	put32(c->value, AER_STATUS, status | bit);
	if (fatal) {
		device |= DEVICE_FATAL;
	} else if (write) {
		device |= DEVICE_NONFATAL;
	} else {
		device |= DEVICE_CORRECTABLE;
		put32(c->value, AER_COR_STATUS,
		      get32(c->value, AER_COR_STATUS) | AER_ADVISORY);
	}
	put16(c->value, EXP_STATUS, get16(c, EXP_STATUS) | device);
}
