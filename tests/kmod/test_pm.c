// SPDX-License-Identifier: MIT
/* Sleep: the card's own when it has nothing to do, and the whole system's. */
#include "card.h"

#include <sys/mman.h>
#include <unistd.h>

static void expect_status(const char *want)
{
	int64_t until = now_ms() + SOON_MS;
	char text[64] = "";

	do {
		usleep(10000);
		file_read_(card_sysfs("power/runtime_status"), text,
			   sizeof(text));
		text[strcspn(text, "\n")] = 0;
	} while (strcmp(text, want) && now_ms() < until);
	EXPECT_STREQ(text, want);
}

/* An open file alone does not keep it awake; a job wakes it. */
TEST(sleeps_when_idle)
{
	int fd = card_open(), i;

	for (i = 0; i < 5; i++) {
		run_known_job(fd);
		expect_status("suspended");
	}
	EXPECT_GT(card_info(fd).cycles, 0u);
	close(fd);
}

/* What lies on board is still there after a nap. */
TEST(keeps_on_board_memory)
{
	int fd = card_open();
	struct bo local = bo_create(fd, 1 << 20, DRM_VGGACCEL_BO_LOCAL);
	struct bo host = bo_create(fd, 1 << 20, 0);
	struct stream in = stream_begin(fd), out = stream_begin(fd);

	stream_fill(&in, local.address, 1 << 20, 0x21);
	stream_end(&in);
	stream_copy(&out, local.address, host.address, 1 << 20);
	stream_end(&out);
	EXPECT_EQ(run(fd, &in).error, 0);
	expect_status("suspended");
	EXPECT_EQ(run(fd, &out).error, 0);
	EXPECT_TRUE(bo_is(&host, 0x21));
	close(fd);
}

/* Not while it works, even if that takes longer than the time to sleep. */
TEST(stays_awake_for_a_job)
{
	char text[64];
	int fd = card_open();
	struct bo bo = bo_create(fd, VGG_PAGE_SIZE, 0);
	struct stream s = stream_begin(fd);
	uint64_t seq;

	stream_fill(&s, bo.address, VGG_PAGE_SIZE, 1);
	stream_end(&s);
	card_inject("SLOW 0 1 8000000");
	seq = submit(fd, &s);
	/* By then it would sleep. */
	usleep(300000);
	file_read_(card_sysfs("power/runtime_status"), text, sizeof(text));
	EXPECT_STREQ(text, "active\n");
	card_hurry();
	EXPECT_EQ(result_wait(fd, seq, SOON_MS).error, 0);
	close(fd);
}

/* Fault 23: the system goes to sleep (as far as devices, and comes back) with a
 * job in flight. It ends well, in time before or by a second run behind. */
static void suspend_in_flight(const char *slow)
{
	int fd = card_open();
	struct bo bo = bo_create(fd, 4 * VGG_PAGE_SIZE, 0);
	struct stream s = stream_begin(fd);
	long long resets = card_stat("resets");
	uint64_t seq;

	if (file_write_("/sys/power/pm_test", "devices"))
		SKIP("the kernel has no pm_test");
	/* The kernel spins all that time, for which a busy machine takes far
	 * longer, and complains of itself then: a second instead of five. */
	file_write_("/sys/module/suspend/parameters/pm_test_delay", "1");
	stream_fill(&s, bo.address, (uint32_t)bo.bytes, 0x19);
	stream_end(&s);
	card_inject(slow);
	seq = submit(fd, &s);
	submit(fd, &s);
	/* Comes back by itself. */
	EXPECT_EQ(file_write_("/sys/power/state", "freeze"), 0);
	file_write_("/sys/power/pm_test", "none");
	EXPECT_EQ(result_wait(fd, seq, SOON_MS).error, 0);
	EXPECT_EQ(result_wait(fd, seq + 1, SOON_MS).error, 0);
	EXPECT_TRUE(bo_is(&bo, 0x19));
	EXPECT_EQ(card_stat("resets"), resets);
	run_known_job(fd);
	close(fd);
}

TEST_TIMEOUT(system_sleep_waits_for_a_job, 60)
{
	suspend_in_flight("SLOW 0 1 300000");
}

TEST_TIMEOUT(system_sleep_repeats_a_long_job, 60)
{
	suspend_in_flight("SLOW 0 1 4000000");
}

TEST_HARNESS_MAIN
