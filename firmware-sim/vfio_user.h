/* SPDX-License-Identifier: MIT */
/*
 * The vfio-user protocol, version 0.0, as far as a PCI device serves it: a
 * stream socket on which the client (QEMU) sends requests and the server
 * replies. Only for DMA, where the client lends no mapping, is it the server
 * that asks.
 *
 * Every message starts with struct vfu_header; `size` counts the header, too.
 * Numbers are in the order of the host, both ends being on one machine. File
 * descriptors travel beside the first byte of their message.
 */
#ifndef VGGSIM_VFIO_USER_H
#define VGGSIM_VFIO_USER_H

#include <stdint.h>

enum vfu_command {
	VFU_VERSION = 1,
	VFU_DMA_MAP = 2,
	VFU_DMA_UNMAP = 3,
	VFU_GET_INFO = 4,
	VFU_GET_REGION_INFO = 5,
	VFU_GET_REGION_IO_FDS = 6,
	VFU_GET_IRQ_INFO = 7,
	VFU_SET_IRQS = 8,
	VFU_REGION_READ = 9,
	VFU_REGION_WRITE = 10,
	VFU_DMA_READ = 11,  /* from the server */
	VFU_DMA_WRITE = 12, /* from the server */
	VFU_RESET = 13,
	VFU_WRITE_MULTI = 15,
};

struct vfu_header {
	uint16_t id; /* the reply's is the request's */
	uint16_t command;
	uint32_t size;
	uint32_t flags; /* VFU_F_* */
	uint32_t error; /* errno, with VFU_F_ERROR */
};

#define VFU_F_TYPE 0xfu /* 0: request */
#define VFU_F_REPLY 0x1u
#define VFU_F_NO_REPLY 0x10u
#define VFU_F_ERROR 0x20u

/* Followed by JSON that ends with a 0. */
struct vfu_version {
	uint16_t major, minor;
};

struct vfu_dma_map {
	uint32_t argsz;
	uint32_t flags;	 /* VFU_DMA_* */
	uint64_t offset; /* in the file */
	uint64_t addr;
	uint64_t size;
};

#define VFU_DMA_READABLE 0x1u
#define VFU_DMA_WRITABLE 0x2u

struct vfu_dma_unmap {
	uint32_t argsz;
	uint32_t flags; /* VFU_UNMAP_* */
	uint64_t addr;
	uint64_t size;
};

#define VFU_UNMAP_ALL 0x2u

struct vfu_device_info {
	uint32_t argsz;
	uint32_t flags; /* VFU_DEVICE_* */
	uint32_t regions;
	uint32_t irqs;
};

#define VFU_DEVICE_RESET 0x1u
#define VFU_DEVICE_PCI 0x2u

/* The regions of a PCI device. */
enum {
	VFU_BAR0 = 0,
	VFU_CONFIG = 7,
	VFU_REGIONS = 9,
};

struct vfu_region_info {
	uint32_t argsz;
	uint32_t flags; /* VFU_REGION_* */
	uint32_t index;
	uint32_t cap_offset;
	uint64_t size;
	uint64_t offset;
};

#define VFU_REGION_READABLE 0x1u
#define VFU_REGION_WRITABLE 0x2u

/* The interrupts of a PCI device. */
enum {
	VFU_INTX = 0,
	VFU_MSI = 1,
	VFU_IRQS = 5,
};

struct vfu_irq_info {
	uint32_t argsz;
	uint32_t flags; /* VFU_IRQ_* */
	uint32_t index;
	uint32_t count;
};

#define VFU_IRQ_EVENTFD 0x1u
#define VFU_IRQ_MASKABLE 0x2u
#define VFU_IRQ_AUTOMASKED 0x4u
#define VFU_IRQ_NORESIZE 0x8u

/* Followed by `count` bytes with VFU_SET_BOOL. */
struct vfu_irq_set {
	uint32_t argsz;
	uint32_t flags; /* one of the first three, one of the others */
	uint32_t index;
	uint32_t start;
	uint32_t count;
};

#define VFU_SET_NONE 0x1u
#define VFU_SET_BOOL 0x2u
#define VFU_SET_EVENTFD 0x4u
#define VFU_SET_MASK 0x8u
#define VFU_SET_UNMASK 0x10u
#define VFU_SET_TRIGGER 0x20u
#define VFU_SET_DATA (VFU_SET_NONE | VFU_SET_BOOL | VFU_SET_EVENTFD)
#define VFU_SET_ACTION (VFU_SET_MASK | VFU_SET_UNMASK | VFU_SET_TRIGGER)

/* Followed by the data. */
struct vfu_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};

struct vfu_multi {
	uint64_t count;
};

struct vfu_multi_entry {
	uint64_t offset;
	uint32_t region;
	uint32_t count; /* 1..8 */
	uint8_t data[8];
};

/* Followed by the data, in a DMA_WRITE and in the reply to a DMA_READ. */
struct vfu_dma_access {
	uint64_t addr;
	uint64_t count;
};

#define VFU_SIZE(type, size)                                                \
	_Static_assert(sizeof(struct type) == (size), #type " has a wrong " \
							    "size")
VFU_SIZE(vfu_header, 16);
VFU_SIZE(vfu_version, 4);
VFU_SIZE(vfu_dma_map, 32);
VFU_SIZE(vfu_dma_unmap, 24);
VFU_SIZE(vfu_device_info, 16);
VFU_SIZE(vfu_region_info, 32);
VFU_SIZE(vfu_irq_info, 16);
VFU_SIZE(vfu_irq_set, 20);
VFU_SIZE(vfu_region_access, 16);
VFU_SIZE(vfu_multi, 8);
VFU_SIZE(vfu_multi_entry, 24);
VFU_SIZE(vfu_dma_access, 16);
#undef VFU_SIZE

/* What a server must bear where the client's VERSION says nothing. */
#define VFU_DEFAULT_TRANSFER (1u << 20)

#endif
