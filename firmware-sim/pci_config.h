/* SPDX-License-Identifier: MIT */
/*
 * The card's configuration space: 4 KiB of a PCIe endpoint's registers, as the
 * PCI Express specification has them, with what each bit does when it is
 * written and which kind of reset it survives.
 *
 * Not for several threads; the transport accesses it from one.
 */
#ifndef VGGSIM_PCI_CONFIG_H
#define VGGSIM_PCI_CONFIG_H

#include "vggaccel_hw.h"
#include "vggsim.h"

#define PCI_CONFIG_SIZE 4096u

/* Where the capabilities are. */
enum {
	PCI_CAP_PM = 0x40,
	PCI_CAP_MSI = 0x50,
	PCI_CAP_EXP = 0x70,
	PCI_EXT_AER = 0x100,
	PCI_EXT_DSN = 0x140,
};

/* What a write has changed, and the device must follow. */
enum pci_config_event {
	PCI_EVENT_COMMAND = 1, /* memory space, bus mastering, INTx disable */
	PCI_EVENT_POWER = 2,
	PCI_EVENT_MSI = 4,
	PCI_EVENT_FLR = 8, /* asked for; the caller calls pci_config_reset() */
};

enum pci_config_reset {
	PCI_RESET_POWER_ON,
	PCI_RESET_HOT, /* sticky bits survive */
	PCI_RESET_FLR, /* and what belongs to the link rather than the function */
};

struct pci_config {
	uint8_t value[PCI_CONFIG_SIZE];
	/* Masks, bit by bit. What is in none of the first two can't change. */
	uint8_t write[PCI_CONFIG_SIZE];
	uint8_t clear[PCI_CONFIG_SIZE]; /* writing 1 clears */
	uint8_t sticky[PCI_CONFIG_SIZE];
	uint8_t keep[PCI_CONFIG_SIZE]; /* across FLR */
	uint8_t reset[PCI_CONFIG_SIZE];
};

/* The link is as the profile says. */
void pci_config_init(struct pci_config *c, const struct vgg_card *card);
void pci_config_reset(struct pci_config *c, enum pci_config_reset kind);

/* offset + len must lie inside. Write: enum pci_config_event, or'ed. */
void pci_config_read(const struct pci_config *c, uint32_t offset, void *to,
		     uint32_t len);
unsigned int pci_config_write(struct pci_config *c, uint32_t offset,
			      const void *from, uint32_t len);

/* What the registers say. */
bool pci_config_memory(const struct pci_config *c); /* BAR0 answers */
bool pci_config_asleep(const struct pci_config *c); /* D3hot */
bool pci_config_master(const struct pci_config *c); /* DMA is allowed */
bool pci_config_intx_off(const struct pci_config *c);
int pci_config_msi_vectors(const struct pci_config *c); /* 0: MSI is off */
uint32_t pci_config_msi_mask(const struct pci_config *c);

/* Bits that show a state of the device: the line, messages that wait. */
void pci_config_show(struct pci_config *c, bool intx, uint32_t msi_pending);

/* A memory request for BAR0 that the function doesn't support, to be logged as
 * the specification says. */
void pci_config_unsupported(struct pci_config *c, uint32_t offset, bool write);

#endif
