// SPDX-License-Identifier: MIT
/* What a card says about itself, in the library's terms. */
#include "device/backend.h"
#include "util/error.h"

static int check_identity(uint32_t magic, uint32_t version, uint32_t abi)
{
	if (magic == ~0u)
		return vgg_fail(DEVICE_LOST, "card", "check its seat and power",
				"the card doesn't answer");
	if (magic != VGG_REG_MAGIC_VALUE)
		return vgg_fail(NO_DEVICE, "card", NULL,
				"not a vggaccel card: magic 0x%08x", magic);
	if (VGG_HW_VERSION_MAJOR(version) !=
	    VGG_HW_VERSION_MAJOR(VGG_HW_VERSION_VALUE))
		return vgg_fail(
			DEVICE_VERSION, "card",
			"update the library or the card's firmware",
			"hardware version %u.%u, this library knows %u.x",
			version >> 16, version & 0xffff,
			VGG_HW_VERSION_VALUE >> 16);
	if (abi != VGG_FW_ABI_VALUE)
		return vgg_fail(
			DEVICE_VERSION, "card", "update the card's firmware",
			"firmware with queue interface %u, this library "
			"speaks %u",
			abi, VGG_FW_ABI_VALUE);
	return 0;
}

int vgg_read_capabilities(uint32_t (*read)(void *ctx, uint32_t offset),
			  void *ctx, struct vgg_device_info *i)
{
	uint32_t v;

	i->hw_version = read(ctx, VGG_REG_HW_VERSION);
	i->fw_abi = read(ctx, VGG_REG_FW_ABI);
	v = read(ctx, VGG_REG_CAP_MAC);
	i->mac_rows = v & 0xffff;
	i->mac_cols = v >> 16;
	i->clock_khz = read(ctx, VGG_REG_CAP_CLOCK);
	i->local_mib = read(ctx, VGG_REG_CAP_LOCAL);
	i->local_mbps = read(ctx, VGG_REG_CAP_LOCAL_BW);
	i->onchip_kib = read(ctx, VGG_REG_CAP_ONCHIP);
	v = read(ctx, VGG_REG_CAP_LINK);
	i->link_gen = v & 0xffff;
	i->link_lanes = v >> 16;
	i->link_mbps = read(ctx, VGG_REG_CAP_LINK_BW);
	i->contexts = read(ctx, VGG_REG_CAP_LIMITS) & 0xffff;
	v = read(ctx, VGG_REG_CAP_OVERHEAD);
	i->job_cycles = v >> 16;
	i->command_cycles = v & 0xffff;
	return check_identity(read(ctx, VGG_REG_MAGIC), i->hw_version,
			      i->fw_abi);
}
