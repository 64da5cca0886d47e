// SPDX-License-Identifier: MIT
/*
 * vggsimd: what a PCI driver sees of the card before it touches a register,
 * and the handshake before that.
 */
#include "simd_client.h"

#include <unistd.h>

#define COMMAND 0x04
#define BAR0 0x10

FIXTURE(config)
{
	struct daemon d;
	struct client c;
};

FIXTURE_SETUP(config)
{
	DAEMON_START(&self->d, "--verbose");
	client_open(&self->c, &self->d, true);
}

FIXTURE_TEARDOWN(config)
{
	client_close(&self->c);
	EXPECT_EQ(daemon_stop(&self->d), 0);
	EXPECT_NE(access(self->d.socket, F_OK), 0);
}

TEST_F(config, device_and_regions)
{
	struct vfu_device_info info = { .argsz = sizeof(info) };
	struct vfu_region_info region = { .argsz = sizeof(region) };
	struct vfu_irq_info irq = { .argsz = sizeof(irq) };
	size_t len = sizeof(info);
	struct client *c = &self->c;
	uint32_t i;

	ASSERT_EQ(
		client_call(c, VFU_GET_INFO, &info, len, NULL, 0, &info, &len),
		0);
	EXPECT_EQ(info.flags, VFU_DEVICE_RESET | VFU_DEVICE_PCI);
	EXPECT_EQ(info.regions, (uint32_t)VFU_REGIONS);
	for (i = 0; i < VFU_REGIONS; i++) {
		region.index = i;
		len = sizeof(region);
		ASSERT_EQ(client_call(c, VFU_GET_REGION_INFO, &region, len,
				      NULL, 0, &region, &len),
			  0);
		EXPECT_EQ(region.index, i);
		EXPECT_EQ(region.size, i == VFU_BAR0   ? VGG_BAR0_SIZE :
				       i == VFU_CONFIG ? 4096u :
							 0u);
	}
	region.index = VFU_REGIONS;
	EXPECT_EQ(client_call(c, VFU_GET_REGION_INFO, &region, sizeof(region),
			      NULL, 0, NULL, NULL),
		  EINVAL);
	for (i = VFU_INTX; i <= VFU_MSI; i++) {
		irq.index = i;
		len = sizeof(irq);
		ASSERT_EQ(client_call(c, VFU_GET_IRQ_INFO, &irq, len, NULL, 0,
				      &irq, &len),
			  0);
		EXPECT_EQ(irq.count, i == VFU_INTX ? 1u : VGG_MSI_VECTORS);
		EXPECT_TRUE(irq.flags & VFU_IRQ_EVENTFD);
	}
	irq.index = 3;
	EXPECT_EQ(client_call(c, VFU_GET_IRQ_INFO, &irq, sizeof(irq), NULL, 0,
			      NULL, NULL),
		  EINVAL);
}

TEST_F(config, identity)
{
	struct client *c = &self->c;

	EXPECT_EQ(client_config(c, 0x00, 2), VGG_PCI_VENDOR_ID);
	EXPECT_EQ(client_config(c, 0x02, 2), VGG_PCI_DEVICE_ID);
	EXPECT_EQ(client_config(c, 0x08, 4) >> 8, VGG_PCI_CLASS);
	EXPECT_EQ(client_config(c, 0x0e, 1), 0); /* one function, type 0 */
	EXPECT_EQ(client_config(c, 0x3d, 1), 1); /* INTA */
	EXPECT_EQ(client_config(c, 0x06, 2) & 0x10, 0x10);
	EXPECT_EQ(client_reg(c, VGG_REG_MAGIC), VGG_REG_MAGIC_VALUE);
}

TEST_F(config, capabilities)
{
	struct client *c = &self->c;
	uint32_t pm = client_capability(c, 0x01, false);
	uint32_t msi = client_capability(c, 0x05, false);
	uint32_t exp = client_capability(c, 0x10, false);
	uint32_t aer = client_capability(c, 0x0001, true);
	uint32_t dsn = client_capability(c, 0x0003, true);

	ASSERT_TRUE(pm && msi && exp && aer && dsn);
	EXPECT_EQ(client_config(c, pm + 2, 2) & 7, 3);
	EXPECT_EQ(client_config(c, pm + 4, 2), 8); /* D0, No_Soft_Reset */
	EXPECT_EQ(client_config(c, msi + 2, 2), 0x184);
	EXPECT_EQ(client_config(c, exp + 2, 2), 2);
	EXPECT_EQ(client_config(c, exp + 4, 4) & 7, 1);	      /* 256 bytes */
	EXPECT_EQ(client_config(c, exp + 4, 4) >> 28 & 1, 1); /* FLR */
	EXPECT_NE(client_config(c, dsn + 4, 4), 0);
	EXPECT_FALSE(client_capability(c, 0x11, false)); /* no MSI-X */
}

TEST_F(config, bar_sizing)
{
	struct client *c = &self->c;
	uint32_t bar;

	client_set_config(c, BAR0, 4, 0xffffffff);
	EXPECT_EQ(client_config(c, BAR0, 4), 0xffff0000u);
	client_set_config(c, BAR0, 4, 0x12345678);
	EXPECT_EQ(client_config(c, BAR0, 4), 0x12340000u);
	/* byte by byte, as some do */
	client_set_config(c, BAR0 + 3, 1, 0xab);
	EXPECT_EQ(client_config(c, BAR0, 4), 0xab340000u);
	for (bar = BAR0 + 4; bar < 0x28; bar += 4) {
		client_set_config(c, bar, 4, 0xffffffff);
		EXPECT_EQ(client_config(c, bar, 4), 0);
	}
	client_set_config(c, 0x30, 4, 0xffffffff); /* no ROM */
	EXPECT_EQ(client_config(c, 0x30, 4), 0);
}

/* Every bit that is not in this list stays as it is, whatever is written. */
TEST_F(config, read_only_bits)
{
	static const struct {
		uint32_t offset, mask;
	} may[] = {
		{ 0x04, 0x0546 },     { 0x0c, 0xff },
		{ 0x10, 0xffff0000 }, { 0x3c, 0xff },
		{ 0x44, 0x3 },	      { 0x50, 0x00710000 },
		{ 0x54, 0xfffffffc }, { 0x58, 0xffffffff },
		{ 0x5c, 0xffff },     { 0x60, 0xf },
		{ 0x78, 0x78ff },     { 0x80, 0xcb },
		{ 0x98, 0x10 },	      { 0xa0, 0xf },
		{ 0x108, 0x57f010 },  { 0x10c, 0x57f010 },
		{ 0x114, 0x71c1 },
	};
	struct client *c = &self->c;
	uint32_t at, before, after, mask, ones;
	size_t i;

	for (at = 0; at < 0x400; at += 4) {
		mask = 0;
		for (i = 0; i < sizeof(may) / sizeof(may[0]); i++)
			if (may[i].offset == at)
				mask = may[i].mask;
		before = (uint32_t)client_config(c, at, 4);
		/* not into a function-level reset, nor to sleep */
		ones = at == 0x78 ? 0xffff7fff : 0xffffffff;
		ones = at == 0x44 ? 0xfffffffc : ones;
		client_set_config(c, at, 4, ones);
		after = (uint32_t)client_config(c, at, 4);
		if ((before ^ after) & ~mask)
			test_fail(__FILE__, __LINE__,
				  "0x%03x: 0x%08x became 0x%08x", at, before,
				  after);
		client_set_config(c, at, 4, before & mask);
	}
}

/* Memory space off: the BAR is dead, and the access is logged as a PCIe
 * function logs an unsupported request. */
TEST_F(config, memory_space)
{
	struct client *c = &self->c;
	uint32_t exp = client_capability(c, 0x10, false);
	uint32_t aer = client_capability(c, 0x0001, true);

	client_set_reg(c, VGG_REG_SCRATCH, 77);
	client_set_config(c, BAR0, 4, 0x10000000);
	client_set_config(c, COMMAND, 2, 0x0004);
	EXPECT_EQ(client_reg(c, VGG_REG_SCRATCH), 0xffffffff);
	EXPECT_TRUE(daemon_says(&self->d, "read of register 0x0038 while "
					  "memory space is off"));
	/* a read's error is advisory */
	EXPECT_EQ(client_config(c, exp + 10, 2), 0x9);
	EXPECT_EQ(client_config(c, aer + 0x10, 4), 0x2000);
	EXPECT_EQ(client_config(c, aer + 4, 4), 1u << 20);
	EXPECT_EQ(client_config(c, aer + 0x18, 4) & 0x1f, 20);
	EXPECT_EQ(client_config(c, aer + 0x1c + 8, 4), 0x10000038);
	/* a write's isn't */
	client_set_reg(c, VGG_REG_SCRATCH, 78);
	EXPECT_EQ(client_config(c, exp + 10, 2), 0xb);
	EXPECT_EQ(client_config(c, aer + 0x1c, 4), 1); /* the first one's */
	client_set_config(c, COMMAND, 2, 0x0006);
	EXPECT_EQ(client_reg(c, VGG_REG_SCRATCH), 77);
	EXPECT_EQ(daemon_stat(&self->d, "driver_errors"), 2);
}

TEST_F(config, aer_bits)
{
	struct client *c = &self->c;
	uint32_t exp = client_capability(c, 0x10, false);
	uint32_t aer = client_capability(c, 0x0001, true);

	EXPECT_EQ(client_config(c, aer + 8, 4), 0x00400000);
	EXPECT_EQ(client_config(c, aer + 0xc, 4), 0x00462010);
	EXPECT_EQ(client_config(c, aer + 0x14, 4), 0x6000);
	/* masked and fatal: the status tells, the first-error pointer not */
	client_set_config(c, aer + 8, 4, 1u << 20);
	client_set_config(c, aer + 0xc, 4, 1u << 20);
	client_set_config(c, COMMAND, 2, 0);
	client_reg(c, VGG_REG_MAGIC);
	EXPECT_EQ(client_config(c, aer + 4, 4), 1u << 20);
	EXPECT_EQ(client_config(c, aer + 0x18, 4) & 0x1f, 0);
	EXPECT_EQ(client_config(c, exp + 10, 2), 0xc);
	/* writing 0 leaves it, writing 1 clears it and only it */
	client_set_config(c, aer + 4, 4, 0);
	client_set_config(c, aer + 4, 4, ~(1u << 20));
	EXPECT_EQ(client_config(c, aer + 4, 4), 1u << 20);
	client_set_config(c, aer + 6, 1, 1u << 4);
	EXPECT_EQ(client_config(c, aer + 4, 4), 0);
	client_set_config(c, exp + 10, 2, 0xffff);
	EXPECT_EQ(client_config(c, exp + 10, 2), 0);
	/* unmasked: the pointer follows, and goes with its bit */
	client_set_config(c, aer + 8, 4, 0);
	client_reg(c, VGG_REG_MAGIC);
	EXPECT_EQ(client_config(c, aer + 0x18, 4) & 0x1f, 20);
	client_set_config(c, aer + 4, 4, 1u << 20);
	EXPECT_EQ(client_config(c, aer + 0x18, 4) & 0x1f, 0);
}

TEST_F(config, sleep)
{
	struct client *c = &self->c;
	uint32_t pm = client_capability(c, 0x01, false) + 4;

	client_set_reg(c, VGG_REG_SCRATCH, 5);
	client_set_config(c, pm, 2, 2); /* there is no D2 */
	EXPECT_EQ(client_config(c, pm, 2), 8);
	client_set_config(c, pm, 2, 3);
	EXPECT_EQ(client_config(c, pm, 2), 0xb);
	EXPECT_EQ(client_reg(c, VGG_REG_SCRATCH), 0xffffffff);
	client_set_reg(c, VGG_REG_SCRATCH, 6);
	EXPECT_TRUE(daemon_says(&self->d, "while the card is in D3hot"));
	client_set_config(c, pm, 2, 0);
	/* No_Soft_Reset: all is as it was */
	EXPECT_EQ(client_reg(c, VGG_REG_SCRATCH), 5);
	EXPECT_EQ(client_config(c, COMMAND, 2), 6);
	client_enable(c);
	EXPECT_EQ(client_copy_job(c, 1), VGG_STATUS_OK);
}

/* What a function-level reset clears, and what survives it. */
TEST_F(config, function_level_reset)
{
	struct client *c = &self->c;
	uint32_t exp = client_capability(c, 0x10, false);
	uint32_t aer = client_capability(c, 0x0001, true);
	uint32_t msi = client_capability(c, 0x05, false);

	client_set_reg(c, VGG_REG_SCRATCH, 5);
	client_set_config(c, BAR0, 4, 0x20000000);
	client_set_config(c, 0x3c, 1, 9);
	client_set_config(c, msi + 2, 2, 0x21);
	client_set_config(c, exp + 8, 2, 0x5020); /* 256 bytes of payload */
	client_set_config(c, exp + 0x10, 2, 0x40);
	client_set_config(c, aer + 0xc, 4, 0x10);
	client_set_config(c, exp + 9, 1, 0xd0);
	EXPECT_EQ(client_config(c, COMMAND, 2), 0);
	EXPECT_EQ(client_config(c, BAR0, 4), 0);
	EXPECT_EQ(client_config(c, 0x3c, 1), 0);
	EXPECT_EQ(client_config(c, msi + 2, 2), 0x184);
	EXPECT_EQ(client_config(c, exp + 8, 2), 0x2830);
	EXPECT_EQ(client_config(c, exp + 0x10, 2), 0x40);
	EXPECT_EQ(client_config(c, aer + 0xc, 4), 0x10);
	client_set_config(c, COMMAND, 2, 6);
	EXPECT_EQ(client_reg(c, VGG_REG_SCRATCH), 0);
	/* a hot reset spares the sticky bits only */
	EXPECT_EQ(client_call(c, VFU_RESET, NULL, 0, NULL, 0, NULL, NULL), 0);
	EXPECT_EQ(client_config(c, exp + 8, 2), 0x2810);
	EXPECT_EQ(client_config(c, exp + 0x10, 2), 0);
	EXPECT_EQ(client_config(c, aer + 0xc, 4), 0x10);
	EXPECT_EQ(daemon_stat(&self->d, "resets"), 2);
}

/* The registers' own mistakes are told, too. */
TEST_F(config, widths_and_offsets)
{
	struct vfu_region_access a = { VGG_REG_SCRATCH, VFU_BAR0, 2 };
	uint8_t reply[sizeof(a) + 8];
	size_t len = sizeof(reply);
	struct client *c = &self->c;

	EXPECT_EQ(client_call(c, VFU_REGION_READ, &a, sizeof(a), NULL, 0, reply,
			      &len),
		  0);
	EXPECT_TRUE(daemon_says(&self->d, "REG_WIDTH"));
	client_set_reg(c, VGG_REG_ERR_STATUS, 3);
	client_set_reg(c, 0xff00, 1);
	EXPECT_TRUE(daemon_says(&self->d, "REG_OFFSET"));
	EXPECT_EQ(client_reg(c, VGG_REG_ERR_CODE), VGG_STATUS_REG_OFFSET);
	EXPECT_EQ(client_reg(c, VGG_REG_ERR_ADDR_LO), 0xff00);
	/* beyond the region: refused, the client lives */
	a.offset = VGG_BAR0_SIZE - 2;
	a.count = 4;
	EXPECT_EQ(client_call(c, VFU_REGION_READ, &a, sizeof(a), NULL, 0, NULL,
			      NULL),
		  EINVAL);
	a.offset = UINT64_MAX - 1;
	EXPECT_EQ(client_call(c, VFU_REGION_READ, &a, sizeof(a), NULL, 0, NULL,
			      NULL),
		  EINVAL);
	EXPECT_EQ(client_reg(c, VGG_REG_MAGIC), VGG_REG_MAGIC_VALUE);
}

TEST_F(config, posted_writes)
{
	struct {
		struct vfu_multi head;
		struct vfu_multi_entry e[3];
	} multi = {
		{ 3 },
		{ { VGG_REG_SCRATCH, VFU_BAR0, 4, { 1 } },
		  { 0x3c, VFU_CONFIG, 1, { 7 } },
		  { VGG_REG_SCRATCH, VFU_BAR0, 4, { 2 } } },
	};
	struct client *c = &self->c;

	EXPECT_EQ(client_call(c, VFU_WRITE_MULTI, &multi, sizeof(multi), NULL,
			      0, NULL, NULL),
		  0);
	EXPECT_EQ(client_reg(c, VGG_REG_SCRATCH), 2);
	EXPECT_EQ(client_config(c, 0x3c, 1), 7);
	multi.e[1].count = 9;
	EXPECT_EQ(client_call(c, VFU_WRITE_MULTI, &multi, sizeof(multi), NULL,
			      0, NULL, NULL),
		  EINVAL);
}

TEST(link_of_the_profile)
{
	char path[200];
	struct daemon d = { 0 };
	struct client c;
	uint32_t exp;
	FILE *f;

	snprintf(path, sizeof(path), "%s/wide.card", test_tmpdir());
	f = fopen(path, "w");
	fputs("pcie_gen 3\npcie_lanes 8\n", f);
	fclose(f);
	DAEMON_START(&d, "--card", path);
	client_open(&c, &d, true);
	exp = client_capability(&c, 0x10, false);
	EXPECT_EQ(client_config(&c, exp + 0xc, 4) & 0x3ff, 0x83);
	EXPECT_EQ(client_config(&c, exp + 0x12, 2), 0x1083);
	EXPECT_EQ(client_config(&c, exp + 0x2c, 4), 0xe);
	EXPECT_EQ(client_reg(&c, VGG_REG_CAP_LINK), 0x00080003);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

TEST_HARNESS_MAIN
