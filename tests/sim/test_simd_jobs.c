// SPDX-License-Identifier: MIT
/*
 * vggsimd: jobs, their memory and their interrupts, as a driver in a virtual
 * machine sees them.
 */
#include "simd_client.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 60000 /* what must not happen is waited for no longer */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

FIXTURE(job)
{
	struct daemon d;
	struct client c;
};

FIXTURE_VARIANT(job)
{
	const char *option; /* of the daemon */
	bool by_file;
};

FIXTURE_VARIANT_ADD(job, by_file){ "--verbose", true };
/* the client lends no file */
FIXTURE_VARIANT_ADD(job, without_file){ "--verbose", false };
/* the daemon uses none */
FIXTURE_VARIANT_ADD(job, messages_only){ "--dma-messages", true };

FIXTURE_SETUP(job)
{
	DAEMON_START(&self->d, variant->option);
	client_open(&self->c, &self->d, variant->by_file);
	client_enable(&self->c);
}

FIXTURE_TEARDOWN(job)
{
	client_close(&self->c);
	EXPECT_EQ(daemon_stop(&self->d), 0);
}

static bool by_messages(const struct variant_job *variant)
{
	return !variant->by_file || !strcmp(variant->option, "--dma-messages");
}

TEST_F(job, polling)
{
	struct client *c = &self->c;
	int i;

	for (i = 0; i < 40 && !test_state.failed; i++)
		EXPECT_EQ(client_copy_job(c, (uint8_t)i), VGG_STATUS_OK);
	EXPECT_EQ(c->dma_reads > 0, by_messages(variant));
	EXPECT_EQ(c->dma_writes > 0, by_messages(variant));
	EXPECT_EQ(daemon_stat(&self->d, "jobs"), 40);
	EXPECT_EQ(daemon_stat(&self->d, "doorbells"), 80);
	EXPECT_EQ(daemon_stat(&self->d, "dma_map_bytes") > 40 * 2 * CLIENT_PAGE,
		  !by_messages(variant));
	EXPECT_EQ(daemon_stat(&self->d, "dma_msg_bytes") > 40 * 2 * CLIENT_PAGE,
		  by_messages(variant));
	EXPECT_EQ(daemon_stat(&self->d, "intx_fires"), 0);
	EXPECT_EQ(daemon_stat(&self->d, "driver_errors"), 0);
}

/* Each cause has its vector. */
TEST_F(job, msi)
{
	struct client *c = &self->c;
	int i;

	client_use_msi(c, 2);
	for (i = 0; i < 10 && !test_state.failed; i++) {
		struct vgg_hw_cmd_fill fill =
			rig_fill(PAGE_DATA * CLIENT_PAGE, 64, (uint8_t)i);

		client_stream(c, &fill);
		client_submit(c, 2);
		EXPECT_EQ(client_event(c, c->msi[0], LIMIT_MS), 1u);
		EXPECT_TRUE(client_done(c));
		EXPECT_EQ(client_complete(c), VGG_STATUS_OK);
		EXPECT_EQ(c->mem[PAGE_DATA * CLIENT_PAGE + 63], i);
	}
	client_set_reg(c, VGG_REG_IRQ_SET, VGG_IRQ_SW | VGG_IRQ_ERR);
	EXPECT_EQ(client_event(c, c->msi[1], LIMIT_MS), 1u);
	EXPECT_EQ(client_event(c, c->msi[2], LIMIT_MS), 1u);
	EXPECT_EQ(client_event(c, c->msi[3], 0), 0u);
	EXPECT_EQ(client_event(c, c->intx, 0), 0u);
	EXPECT_EQ(daemon_stat(&self->d, "msi0"), 10);
}

TEST_F(job, intx)
{
	uint32_t unmask = VFU_SET_NONE | VFU_SET_UNMASK;
	struct client *c = &self->c;
	int i;

	client_use_intx(c);
	for (i = 0; i < 10 && !test_state.failed; i++) {
		struct vgg_hw_cmd_fill fill =
			rig_fill(PAGE_DATA * CLIENT_PAGE, 64, (uint8_t)i);

		client_stream(c, &fill);
		client_submit(c, 2);
		ASSERT_EQ(client_event(c, c->intx, LIMIT_MS), 1u);
		EXPECT_EQ(client_config(c, 0x06, 2) & 8, 8);
		EXPECT_EQ(client_complete(c), VGG_STATUS_OK);
		/* unmasked while the line is high: once more */
		client_set_irqs(c, unmask, VFU_INTX, 0, 1, NULL);
		EXPECT_EQ(client_event(c, c->intx, LIMIT_MS), 1u);
		client_set_reg(c, VGG_REG_IRQ_STATUS, VGG_IRQ_ALL);
		EXPECT_EQ(client_config(c, 0x06, 2) & 8, 0);
		client_set_irqs(c, unmask, VFU_INTX, 0, 1, NULL);
		EXPECT_EQ(client_event(c, c->intx, 2), 0u);
	}
	EXPECT_EQ(daemon_stat(&self->d, "intx_unmasks"), 20);
	EXPECT_EQ(daemon_stat(&self->d, "intx_fires"), 20);
	EXPECT_EQ(daemon_stat(&self->d, "msi0"), 0);
}

/* Addresses where no memory is. */
TEST_F(job, nowhere)
{
	uint64_t leaf = VGG_PTE_VALID | VGG_PTE_LEAF | VGG_PTE_WRITE;
	struct client *c = &self->c;
	uint64_t *table =
		(uint64_t *)(void *)(c->mem + PAGE_TABLE * CLIENT_PAGE);

	table[PAGE_DATA] = 0x40000 | leaf;
	EXPECT_EQ(client_copy_job(c, 1), VGG_STATUS_DMA);
	EXPECT_TRUE(daemon_says(&self->d, "DMA read at 0x40000: no memory"));
	EXPECT_GE(daemon_stat(&self->d, "driver_errors"), 1);
}

TEST_F(job, no_bus_mastering)
{
	struct client *c = &self->c;

	client_set_config(c, 0x04, 2, 0x0002);
	client_submit(c, 2);
	EXPECT_TRUE(daemon_says(&self->d, "while bus mastering is off"));
	client_serve(c, -1, 20);
	EXPECT_FALSE(client_done(c));
	EXPECT_EQ(client_reg(c, VGG_REG_ERR_CODE), VGG_STATUS_BUS_MASTER);
	EXPECT_EQ(c->dma_reads, 0u);
	EXPECT_EQ(daemon_stat(&self->d, "jobs"), 0);
	/* a reset heals it */
	client_set_config(c, 0x04, 2, 0x0006);
	client_set_reg(c, VGG_REG_CTRL, VGG_CTRL_RESET);
	EXPECT_TRUE(client_reg_becomes(c, VGG_REG_STATUS, VGG_DEV_READY,
				       VGG_DEV_READY));
	client_enable(c);
	EXPECT_EQ(client_copy_job(c, 3), VGG_STATUS_OK);
}

static void use_again(struct client *c)
{
	client_set_config(c, 0x04, 2, 0x0006);
	EXPECT_TRUE(client_reg_becomes(c, VGG_REG_STATUS, VGG_DEV_READY,
				       VGG_DEV_READY));
	client_enable(c);
	EXPECT_EQ(client_copy_job(c, 9), VGG_STATUS_OK);
}

/*
 * What takes memory away from a running job ends soon, also where the client
 * answers no DMA message until it has its reply, and then the memory is not
 * touched any more.
 */
enum stop { STOP_FLR, STOP_RESET, STOP_MASTER, STOP_SLEEP, STOPS };

static void stop_card(struct client *c, enum stop how)
{
	uint32_t exp = 0x70, pm = 0x44;

	switch (how) {
	case STOP_FLR:
		client_set_config(c, exp + 8, 2, 0xa810);
		break;
	case STOP_RESET:
		EXPECT_EQ(
			client_call(c, VFU_RESET, NULL, 0, NULL, 0, NULL, NULL),
			0);
		break;
	case STOP_MASTER:
		client_set_config(c, 0x04, 2, 0x0002);
		break;
	default:
		client_set_config(c, pm, 2, 3);
	}
}

TEST_F(job, stopped_in_the_middle)
{
	struct client *c = &self->c;
	uint32_t i, size = CLIENT_PAGES * CLIENT_PAGE;
	int64_t start;
	enum stop how;

	for (how = 0; how < STOPS && !test_state.failed; how++) {
		client_start_endless(c);
		c->deaf = true;
		start = now_ms();
		stop_card(c, how);
		EXPECT_LT(now_ms() - start, LIMIT_MS);
		/* all of it is ours again */
		for (i = CLIENT_PAGE * PAGE_DATA; i < size; i++)
			c->mem[i] = 0x5a;
		client_serve(c, -1, 20);
		for (i = CLIENT_PAGE * PAGE_DATA; i < size; i++)
			if (c->mem[i] != 0x5a)
				break;
		EXPECT_EQ(i, size);
		c->deaf = false;
		if (how == STOP_SLEEP)
			client_set_config(c, 0x44, 2, 0);
		client_set_config(c, 0x04, 2, 0x0006);
		client_set_reg(c, VGG_REG_CTRL, VGG_CTRL_RESET);
		use_again(c);
	}
}

/* The job may use what it has, for a second; then it is taken away. */
TEST_F(job, unmapped_in_the_middle)
{
	struct client *c = &self->c;
	uint64_t size = CLIENT_PAGES * CLIENT_PAGE;
	int64_t start;
	uint32_t i;

	client_start_endless(c);
	c->deaf = true;
	start = now_ms();
	EXPECT_EQ(client_unmap(c, CLIENT_BUS, size), 0);
	EXPECT_LT(now_ms() - start, LIMIT_MS);
	memset(c->mem, 0x5a, size);
	client_serve(c, -1, 20);
	for (i = 0; i < size && c->mem[i] == 0x5a; i++)
		;
	EXPECT_EQ(i, size);
	c->deaf = false;
	/* registers answer meanwhile */
	EXPECT_EQ(client_reg(c, VGG_REG_MAGIC), VGG_REG_MAGIC_VALUE);
	client_set_reg(c, VGG_REG_CTRL, VGG_CTRL_RESET);
	EXPECT_TRUE(client_reg_becomes(c, VGG_REG_STATUS, VGG_DEV_READY,
				       VGG_DEV_READY));
	EXPECT_EQ(client_unmap(c, CLIENT_BUS, size), ENOENT);
}

/* Killed, as QEMU may be, in the middle of a job; and the next one. */
TEST_F(job, client_gone_in_the_middle)
{
	struct client *c = &self->c;

	client_set_reg(c, VGG_REG_SCRATCH, 99);
	client_start_endless(c);
	client_close(c);
	client_open(c, &self->d, variant->by_file);
	EXPECT_EQ(client_reg(c, VGG_REG_SCRATCH), 0);
	EXPECT_EQ(client_config(c, 0x3c, 1), 0);
	client_enable(c);
	EXPECT_EQ(client_copy_job(c, 5), VGG_STATUS_OK);
	EXPECT_EQ(client_reg(c, VGG_REG_JOBS), 1);
}

/* Registers answer at once while a job runs. */
TEST_F(job, registers_meanwhile)
{
	struct client *c = &self->c;
	int64_t start;
	int i;

	client_start_endless(c);
	start = now_ms();
	for (i = 0; i < 200; i++) {
		client_set_reg(c, VGG_REG_SCRATCH, (uint32_t)i);
		ASSERT_EQ(client_reg(c, VGG_REG_SCRATCH), i);
	}
	EXPECT_LT(now_ms() - start, LIMIT_MS);
	EXPECT_TRUE(client_reg(c, VGG_REG_STATUS) & VGG_DEV_BUSY);
}

/*
 * Single cases.
 */
/* A driver that polls frees an entry the moment it sees it, before the card's
 * own write has been answered. */
TEST(entry_freed_at_once)
{
	struct daemon d = { 0 };
	struct client client, *c = &client;
	struct vgg_hw_cmd_fill fill = rig_fill(PAGE_DATA * CLIENT_PAGE, 64, 1);
	struct vfu_dma_access a = { 0 };

	DAEMON_START(&d, "--dma-messages");
	client_open(c, &d, true);
	client_enable(c);
	client_stream(c, &fill);
	c->deaf = true;
	client_submit(c, 2);
	while (!c->lost) {
		client_serve(c, -1, 5);
		if (!c->kept)
			continue;
		memcpy(&a, c->kept + 16, sizeof(a));
		if (a.count == 4) /* the last word */
			break;
		client_answer(c);
	}
	memcpy(c->mem + (a.addr - CLIENT_BUS), c->kept + 32, 4);
	EXPECT_EQ(client_complete(c), VGG_STATUS_OK);
	c->deaf = false;
	EXPECT_EQ(a.count, 4u);
	EXPECT_EQ(client_copy_job(c, 1), VGG_STATUS_OK);
	EXPECT_EQ(client_reg(c, VGG_REG_CQ_TAIL), 2);
	client_close(c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

TEST(memory_of_the_card_is_new)
{
	struct daemon d = { 0 };
	struct client c;
	uint64_t local =
		VGG_PTE_VALID | VGG_PTE_LEAF | VGG_PTE_WRITE | VGG_PTE_LOCAL;
	struct vgg_hw_cmd_copy copy;
	uint64_t *table;
	int round;

	DAEMON_START(&d, "--verbose");
	for (round = 0; round < 2; round++) {
		client_open(&c, &d, true);
		client_enable(&c);
		table = (uint64_t *)(void *)(c.mem + PAGE_TABLE * CLIENT_PAGE);
		table[PAGE_DATA + 1] = 0x3000 | local;
		/* read on-board memory, then leave something there */
		copy = rig_copy((PAGE_DATA + 1) * CLIENT_PAGE,
				PAGE_DATA * CLIENT_PAGE, CLIENT_PAGE);
		c.mem[PAGE_DATA * CLIENT_PAGE] = 1;
		client_stream(&c, &copy);
		client_submit(&c, 2);
		EXPECT_EQ(client_complete(&c), VGG_STATUS_OK);
		EXPECT_EQ(c.mem[PAGE_DATA * CLIENT_PAGE], 0);
		copy.dst = copy.src;
		copy.src = PAGE_DATA * CLIENT_PAGE;
		c.mem[PAGE_DATA * CLIENT_PAGE] = 0x77;
		client_stream(&c, &copy);
		client_submit(&c, 2);
		EXPECT_EQ(client_complete(&c), VGG_STATUS_OK);
		client_close(&c);
	}
	EXPECT_EQ(daemon_stop(&d), 0);
}

TEST(msi_masks)
{
	struct daemon d = { 0 };
	struct client c;
	uint32_t cap;

	DAEMON_START(&d, "--verbose");
	client_open(&c, &d, true);
	client_enable(&c);
	/* sent while the guest has enabled it, and the client not yet */
	cap = client_capability(&c, 0x05, false);
	client_set_config(&c, cap + 2, 2, 0x0121);
	client_set_reg(&c, VGG_REG_IRQ_SET, VGG_IRQ_ERR);
	client_use_msi(&c, 2);
	EXPECT_EQ(client_event(&c, c.msi[1], LIMIT_MS), 1u);
	/* masked: pending, sent when it is unmasked */
	client_set_config(&c, cap + 0x10, 4, 0x4);
	client_set_reg(&c, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	client_set_reg(&c, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	EXPECT_EQ(client_config(&c, cap + 0x14, 4), 0x4);
	EXPECT_EQ(client_event(&c, c.msi[2], 0), 0u);
	client_set_config(&c, cap + 0x10, 4, 0);
	EXPECT_EQ(client_event(&c, c.msi[2], LIMIT_MS), 1u);
	EXPECT_EQ(client_config(&c, cap + 0x14, 4), 0);
	/* fewer vectors than causes: the last one gets the rest */
	client_use_msi(&c, 0);
	client_set_reg(&c, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	EXPECT_EQ(client_event(&c, c.msi[0], LIMIT_MS), 1u);
	/* none without bus mastering */
	client_set_config(&c, 0x04, 2, 2);
	client_set_reg(&c, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	EXPECT_EQ(client_event(&c, c.msi[0], 2), 0u);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/* Lowered before the client looked: taken back. */
TEST(line_that_falls_early)
{
	struct daemon d = { 0 };
	struct client c;

	DAEMON_START(&d, "--verbose");
	client_open(&c, &d, true);
	client_use_intx(&c);
	client_set_reg(&c, VGG_REG_IRQ_MASK, 0);
	client_set_reg(&c, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	client_set_reg(&c, VGG_REG_IRQ_STATUS, VGG_IRQ_SW);
	EXPECT_EQ(client_event(&c, c.intx, 5), 0u);
	EXPECT_EQ(daemon_stat(&d, "intx_drains"), 1);
	/* and so it is not masked: no UNMASK is needed */
	client_set_reg(&c, VGG_REG_IRQ_SET, VGG_IRQ_SW);
	EXPECT_EQ(client_event(&c, c.intx, LIMIT_MS), 1u);
	/* the write that clears it comes right behind the UNMASK */
	client_set_irqs(&c, VFU_SET_NONE | VFU_SET_UNMASK, VFU_INTX, 0, 1,
			NULL);
	client_set_reg(&c, VGG_REG_IRQ_STATUS, VGG_IRQ_SW);
	EXPECT_EQ(daemon_stat(&d, "intx_unmasks"), 1);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

TEST(stuck_line_and_intx_disable)
{
	uint32_t unmask = VFU_SET_NONE | VFU_SET_UNMASK;
	struct daemon d = { 0 };
	struct client c;

	DAEMON_START(&d, "--inject", "STUCK_IRQ");
	client_open(&c, &d, true);
	client_use_intx(&c);
	client_enable(&c);
	EXPECT_EQ(client_copy_job(&c, 1), VGG_STATUS_OK);
	EXPECT_EQ(client_event(&c, c.intx, LIMIT_MS), 1u);
	client_set_reg(&c, VGG_REG_IRQ_STATUS, VGG_IRQ_ALL);
	client_set_irqs(&c, unmask, VFU_INTX, 0, 1, NULL);
	EXPECT_EQ(client_event(&c, c.intx, LIMIT_MS), 1u);
	/* Linux's last resort */
	client_set_config(&c, 0x04, 2, 0x0406);
	client_set_irqs(&c, unmask, VFU_INTX, 0, 1, NULL);
	EXPECT_EQ(client_event(&c, c.intx, 5), 0u);
	EXPECT_EQ(client_config(&c, 0x06, 2) & 8, 8);
	/* and back */
	client_set_config(&c, 0x04, 2, 0x0006);
	EXPECT_EQ(client_event(&c, c.intx, LIMIT_MS), 1u);
	EXPECT_EQ(daemon_stat(&d, "faults"), 1);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/* A pulse without a cause is seen, on the line and as a message. */
TEST(spurious_interrupts)
{
	struct daemon d = { 0 };
	struct client c;

	DAEMON_START(&d, "--inject", "SPURIOUS_IRQ,count=2");
	client_open(&c, &d, true);
	client_use_intx(&c);
	client_enable(&c);
	client_set_reg(&c, VGG_REG_IRQ_MASK, VGG_IRQ_ALL);
	EXPECT_EQ(client_copy_job(&c, 1), VGG_STATUS_OK);
	EXPECT_EQ(client_event(&c, c.intx, LIMIT_MS), 1u);
	client_use_msi(&c, 0);
	EXPECT_EQ(client_copy_job(&c, 1), VGG_STATUS_OK);
	EXPECT_EQ(client_event(&c, c.msi[0], LIMIT_MS), 1u);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/* The fault survives resets until it is used up, and comes back with the next
 * client. */
TEST(injection_is_armed_for_each_client)
{
	struct daemon d = { 0 };
	struct client c;
	int round;

	DAEMON_START(&d, "--inject", "ECC,after=1");
	for (round = 0; round < 2; round++) {
		client_open(&c, &d, true);
		client_set_reg(&c, VGG_REG_CTRL, VGG_CTRL_RESET);
		use_again(&c); /* one job */
		client_call(&c, VFU_RESET, NULL, 0, NULL, 0, NULL, NULL);
		client_set_config(&c, 0x04, 2, 0x0006);
		client_enable(&c);
		EXPECT_EQ(client_copy_job(&c, 2), VGG_STATUS_ECC);
		client_set_reg(&c, VGG_REG_CTRL, VGG_CTRL_RESET);
		use_again(&c);
		EXPECT_EQ(client_copy_job(&c, 2), VGG_STATUS_OK);
		client_close(&c);
	}
	EXPECT_EQ(daemon_stop(&d), 0);
}

TEST(off_the_bus)
{
	struct daemon d = { 0 };
	struct client c;

	DAEMON_START(&d, "--inject", "ALL_ONES");
	client_open(&c, &d, true);
	client_enable(&c);
	client_submit(&c, 2);
	/* the read that finds this out is the first of three */
	EXPECT_TRUE(
		client_reg_becomes(&c, VGG_REG_MAGIC, 0xffffffff, 0xffffffff));
	client_serve(&c, -1, 50);
	EXPECT_FALSE(client_done(&c));
	client_set_reg(&c, VGG_REG_SCRATCH, 1);
	EXPECT_EQ(client_reg(&c, VGG_REG_SCRATCH), 0xffffffff);
	EXPECT_EQ(daemon_stat(&d, "dead_accesses"), 3);
	/* a function-level reset brings it back */
	client_set_config(&c, 0x78, 2, 0xa810);
	use_again(&c);
	EXPECT_EQ(daemon_stat(&d, "dead_accesses"), 3);
	client_close(&c);
	EXPECT_EQ(daemon_last_stat(&d, "dead_accesses"), 3);
	EXPECT_EQ(daemon_stop(&d), 0);
}

TEST(maps)
{
	struct daemon d = { 0 };
	uint64_t page = CLIENT_PAGE, size = CLIENT_PAGES * CLIENT_PAGE;
	struct client c;

	DAEMON_START(&d, "--verbose");
	client_open(&c, &d, true);
	EXPECT_EQ(client_map(&c, CLIENT_BUS, page, 0, c.memfd), EEXIST);
	EXPECT_EQ(client_map(&c, CLIENT_BUS - page, 2 * page, 0, -1), EEXIST);
	EXPECT_EQ(client_map(&c, 0, 0, 0, -1), EINVAL);
	EXPECT_EQ(client_map(&c, 1, page, 0, -1), EINVAL);
	EXPECT_EQ(client_map(&c, 0, page + 1, 0, -1), EINVAL);
	EXPECT_EQ(client_map(&c, -page, 2 * page, 0, -1), EINVAL);
	EXPECT_EQ(client_map(&c, 0, page, -page, c.memfd), EINVAL);
	/* behind the end of the file */
	EXPECT_EQ(client_map(&c, 0, page, size, c.memfd), EINVAL);
	EXPECT_EQ(client_map(&c, 0, size + page, 0, c.memfd), EINVAL);
	EXPECT_EQ(client_map(&c, 0, page, size - page, c.memfd), 0);
	EXPECT_EQ(client_map(&c, page, page, 0, -1), 0);
	/* whole maps only */
	EXPECT_EQ(client_unmap(&c, CLIENT_BUS, page), EINVAL);
	EXPECT_EQ(client_unmap(&c, 8 * page, page), ENOENT);
	EXPECT_EQ(client_unmap(&c, 0, 2 * page), 0);
	EXPECT_EQ(client_unmap(&c, 0, 2 * page), ENOENT);
	client_enable(&c);
	EXPECT_EQ(client_copy_job(&c, 7), VGG_STATUS_OK);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/* The file ends under the card. */
TEST(cut_off_file)
{
	struct daemon d = { 0 };
	struct client c;

	DAEMON_START(&d, "--verbose");
	client_open(&c, &d, true);
	client_enable(&c);
	client_start_endless(&c);
	/* the rest of the pages stays, so that we aren't hit, too */
	EXPECT_EQ(ftruncate(c.memfd, PAGE_DATA * CLIENT_PAGE), 0);
	EXPECT_TRUE(daemon_says(&d, "cut off a file"));
	client_close(&c);
	client_open(&c, &d, true);
	client_enable(&c);
	EXPECT_EQ(client_copy_job(&c, 7), VGG_STATUS_OK);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/*
 * --pace: by the clock, whatever the daemon's own speed.
 */
static const char *write_card(const char *text)
{
	static char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/paced.card", test_tmpdir());
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	return path;
}

TEST(a_paced_daemon)
{
	/* a cycle is a microsecond, and a job takes a thousand */
	const char *card = write_card("clock_khz 1000\n");
	struct daemon d;
	struct client c;
	int64_t start;
	int i;

	DAEMON_START(&d, "--pace", "--card", card);
	client_open(&c, &d, true);
	client_enable(&c);
	start = now_ms();
	for (i = 0; i < 20; i++)
		EXPECT_EQ(client_copy_job(&c, (uint8_t)i), VGG_STATUS_OK);
	EXPECT_GE(now_ms() - start, 20);
	client_close(&c);
	EXPECT_EQ(daemon_last_stat(&d, "jobs"), 20);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/* A card no daemon can keep up with: as good as no time for 500 messages. */
TEST(a_daemon_that_is_late_says_so)
{
	const char *card = write_card("clock_khz 10000000\njob_cycles 0\n"
				      "command_cycles 0\npcie_gen 5\n"
				      "pcie_lanes 16\n");
	struct vgg_hw_cmd_fill fill = rig_fill(PAGE_DATA * CLIENT_PAGE, 64, 1);
	struct daemon d;
	struct client c;

	fill.height = 8 * CLIENT_PAGE / 64;
	fill.dst_pitch = 64;
	DAEMON_START(&d, "--pace", "--dma-messages", "--card", card);
	client_open(&c, &d, true);
	client_enable(&c);
	client_stream(&c, &fill);
	client_submit(&c, 2);
	EXPECT_EQ(client_complete(&c), VGG_STATUS_OK);
	EXPECT_TRUE(daemon_says(&d, "later than the modelled card"));
	EXPECT_EQ(daemon_stat(&d, "late_jobs"), 1);
	EXPECT_GE(daemon_stat(&d, "late_us"), 100);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

TEST_HARNESS_MAIN
