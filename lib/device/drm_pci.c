// SPDX-License-Identifier: MIT
/*
 * What the PCI bus knows of a card: its link as trained, its BAR, its
 * interrupt. By libpci; where config space beyond the first 64 bytes is for root
 * only, the kernel's own view of the link in sysfs takes its place.
 */
#include <limits.h>
#include <pci/pci.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/drm.h"

/* libpci ends the program if its error handler returns. */
static _Thread_local jmp_buf failed;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(char *msg, ...)
{
	(void)msg;
	longjmp(failed, 1);
}

__attribute__((format(printf, 1, 2))) static void ignore(char *msg, ...)
{
	(void)msg;
}

/* A function that can't be read gives ~0. */
static void read_link(struct pci_dev *p, struct vgg_device_info *i)
{
	struct pci_cap *cap = pci_find_cap(p, PCI_CAP_ID_EXP, PCI_CAP_NORMAL);
	uint32_t most;
	uint16_t now;

	if (!cap)
		return;
	most = pci_read_long(p, (int)cap->addr + PCI_EXP_LNKCAP);
	now = pci_read_word(p, (int)cap->addr + PCI_EXP_LNKSTA);
	if (most == UINT32_MAX || now == UINT16_MAX)
		return;
	i->bus_gen = now & PCI_EXP_LNKSTA_SPEED;
	i->bus_lanes = (now & PCI_EXP_LNKSTA_WIDTH) >> 4;
	i->bus_max_gen = most & PCI_EXP_LNKCAP_SPEED;
	i->bus_max_lanes = (most & PCI_EXP_LNKCAP_WIDTH) >> 4;
}

/* What the module says stands, unless the card itself says otherwise. */
static void read_interrupt(struct pci_dev *p, struct vgg_device_info *i)
{
	struct pci_cap *cap = pci_find_cap(p, PCI_CAP_ID_MSI, PCI_CAP_NORMAL);

	if (p->irq > 0)
		i->irq = (uint32_t)p->irq;
	if (cap &&
	    (pci_read_word(p, (int)cap->addr + PCI_MSI_FLAGS) &
	     PCI_MSI_FLAGS_ENABLE) &&
	    !*i->irq_kind)
		i->irq_kind = "msi";
}

static void ask_libpci(const unsigned int at[4], struct vgg_device_info *i)
{
	struct pci_access *volatile access = pci_alloc();
	struct pci_dev *volatile p = NULL;

	if (setjmp(failed))
		goto out;
	access->error = fail;
	access->warning = ignore;
	access->debug = ignore;
	pci_init(access);
	p = pci_get_dev(access, (int)at[0], (int)at[1], (int)at[2], (int)at[3]);
	pci_fill_info(p, PCI_FILL_IDENT | PCI_FILL_IRQ | PCI_FILL_BASES |
				 PCI_FILL_SIZES | PCI_FILL_CAPS);
	i->bar_bytes = p->size[0];
	read_link(p, i);
	read_interrupt(p, i);
out:
	if (p)
		pci_free_dev(p);
	pci_cleanup(access);
}

static double sysfs_number(const char *address, const char *file)
{
	char path[128];
	double value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address,
		 file);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%lf", &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

/* "5.0 GT/s PCIe" is generation 2. */
static uint32_t generation(double gt)
{
	static const double speeds[] = { 2.5, 5, 8, 16, 32, 64 };
	uint32_t i;

	for (i = 0; i < sizeof(speeds) / sizeof(*speeds); i++)
		if (gt == speeds[i])
			return i + 1;
	return 0;
}

static uint32_t lanes(double n)
{
	return n > 0 && n <= 32 ? (uint32_t)n : 0; /* 255: unknown */
}

static void ask_sysfs(const char *at, struct vgg_device_info *i)
{
	i->bus_gen = generation(sysfs_number(at, "current_link_speed"));
	i->bus_lanes = lanes(sysfs_number(at, "current_link_width"));
	i->bus_max_gen = generation(sysfs_number(at, "max_link_speed"));
	i->bus_max_lanes = lanes(sysfs_number(at, "max_link_width"));
}

void vgg_pci_describe(const char *address, struct vgg_device_info *i)
{
	unsigned int at[4];

	if (sscanf(address, "%x:%x:%x.%x", &at[0], &at[1], &at[2], &at[3]) != 4)
		return;
	ask_libpci(at, i);
	if (!i->bus_gen)
		ask_sysfs(address, i);
}
