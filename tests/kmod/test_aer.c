// SPDX-License-Identifier: MIT
/*
 * PCIe errors, injected by the kernel's aer_inject (fault 13): a corrected one
 * is noted, a fatal one resets link and card, and the jobs that were under way
 * are run again.
 */
#include "host.h"
#include "share.h"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <unistd.h>

/* What /dev/aer_inject takes; the kernel has no header for it. */
struct injection {
	uint8_t bus, dev, fn;
	uint32_t uncorrected, corrected;
	uint32_t header[4];
	uint32_t domain;
};

static void aer_inject(uint32_t uncorrected, uint32_t corrected)
{
	struct injection i = { .uncorrected = uncorrected,
			       .corrected = corrected };
	const char *slot = card_sysfs("");
	unsigned int domain, bus, dev, fn;
	int fd = open("/dev/aer_inject", O_WRONLY | O_CLOEXEC);
	char copy[256];

	if (fd < 0)
		SKIP("no /dev/aer_inject here (%s)", strerror(errno));
	snprintf(copy, sizeof(copy), "%s", slot);
	copy[strlen(copy) - 1] = 0;
	ASSERT_EQ(sscanf(strrchr(copy, '/') + 1, "%x:%x:%x.%x", &domain, &bus,
			 &dev, &fn),
		  4);
	i.domain = domain;
	i.bus = (uint8_t)bus;
	i.dev = (uint8_t)dev;
	i.fn = (uint8_t)fn;
	ASSERT_EQ(write(fd, &i, sizeof(i)), (ssize_t)sizeof(i));
	close(fd);
}

static void under_an_error(uint32_t uncorrected, uint32_t corrected)
{
	int fd = card_open(), other = card_open();
	struct bo bo = bo_create(fd, 4 * VGG_PAGE_SIZE, 0);
	struct stream s = stream_begin(fd);
	char answer[256];
	uint64_t seq;

	stream_fill(&s, bo.address, (uint32_t)bo.bytes, 0x3c);
	stream_end(&s);
	card_slow(1, 3000);
	seq = submit(fd, &s);
	card_injected();
	aer_inject(uncorrected, corrected);
	submit(fd, &s);
	EXPECT_EQ(result_wait(fd, seq, SOON_MS).error, 0);
	EXPECT_EQ(result_wait(fd, seq + 1, SOON_MS).error, 0);
	EXPECT_TRUE(bo_is(&bo, 0x3c));
	run_known_job(other);
	EXPECT_EQ(card_stat("gone"), 0);
	close(other);
	close(fd);
	/* A link that is reset takes bus mastering away in mid-job, which the
	 * card blames on the driver. */
	if (host_present() && uncorrected)
		EXPECT_EQ(host_ask(answer, sizeof(answer), "card errors"), 0);
}

TEST(corrected_error)
{
	under_an_error(0, PCI_ERR_COR_BAD_TLP);
}

TEST(nonfatal_error)
{
	under_an_error(PCI_ERR_UNC_POISON_TLP, 0);
}

TEST_TIMEOUT(fatal_error, 120)
{
	under_an_error(PCI_ERR_UNC_DLP, 0);
}

TEST_HARNESS_MAIN
