// SPDX-License-Identifier: MIT
/*
 * Processes and descriptors come and go: the card's context lives exactly as
 * long as the open file, and what it leaves behind harms nobody.
 */
#include "share.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 30

/* How many contexts the card has now, the driver's own included. */
static int contexts(void)
{
	char text[16384], *at = text;
	int n = 0;

	ASSERT_GE(file_read_(card_debugfs("contexts"), text, sizeof(text)), 0);
	while ((at = strstr(at, "ctx=")) != NULL) {
		at += 4;
		n++;
	}
	return n;
}

/* Contexts end when their last job has been retired, soon after the file. */
static void expect_contexts(int n)
{
	int64_t until = now_ms() + SOON_MS;

	while (contexts() != n && now_ms() < until)
		usleep(5000);
	EXPECT_EQ(contexts(), n);
}

/* Before a test: what an earlier one has closed ends first, too. Others may have
 * the card open, but where only tests run nobody has: the driver's own is left. */
static int contexts_at_rest(void)
{
	int64_t until = now_ms() + SOON_MS / 2;
	int n;

	while ((n = contexts()) > 1 && now_ms() < until)
		usleep(5000);
	return n;
}

static void slow_job(int fd, struct bo *bo, struct stream *s)
{
	*bo = bo_create(fd, 4 * VGG_PAGE_SIZE, 0);
	*s = stream_begin(fd);
	stream_fill(s, bo->address, (uint32_t)bo->bytes, 0x77);
	stream_end(s);
}

/* Fault 11: the file is closed while its job runs; its memory stays until the
 * card has let go of it. Others go on. */
TEST(closed_in_mid_job)
{
	int before = contexts_at_rest(), other = card_open(), i;

	for (i = 0; i < ROUNDS; i++) {
		int fd = card_open();
		struct stream s;
		struct bo bo;

		slow_job(fd, &bo, &s);
		if (i % 3 == 0)
			card_inject("SLOW 0 1 30000");
		submit(fd, &s);
		submit(fd, &s);
		usleep((useconds_t)(i % 5 * 3000));
		munmap(bo.map, bo.bytes);
		munmap(s.bo.map, s.bo.bytes);
		close(fd);
		run_known_job(other);
	}
	close(other);
	expect_contexts(before);
}

/* Its jobs that have not run are cancelled: who waits for them is told. */
TEST(closed_fences_signal)
{
	int fd = card_open(), other = card_open(), file, i;
	uint32_t syncobj = syncobj_create(fd);
	struct stream s;
	struct bo bo;

	slow_job(fd, &bo, &s);
	card_slow(1, SLOW_MS);
	for (i = 0; i < 4; i++)
		submit_out(fd, &s, syncobj);
	file = sync_file_of(fd, syncobj);
	munmap(bo.map, bo.bytes);
	munmap(s.bo.map, s.bo.bytes);
	close(fd);
	for (i = 0; i < SOON_MS / 10 && !sync_file_status(file); i++)
		usleep(10000);
	EXPECT_EQ(sync_file_status(file), -ECANCELED);
	close(file);
	card_hurry();
	run_known_job(other);
	close(other);
}

static void busy_child(void)
{
	int fd = card_open();
	struct stream s;
	struct bo bo;

	slow_job(fd, &bo, &s);
	for (;;)
		submit(fd, &s);
}

/* Fault 18: killed at random moments. */
TEST_TIMEOUT(killed_in_mid_job, 120)
{
	uint64_t seed = test_seed();
	int before = contexts_at_rest(), other = card_open(), i;

	for (i = 0; i < ROUNDS; i++) {
		pid_t pid = fork();

		if (!pid) {
			busy_child();
			_exit(0);
		}
		usleep((useconds_t)test_random_in(&seed, 1000, 60000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		run_known_job(other);
	}
	close(other);
	expect_contexts(before);
}

/* Fault 19: the context lives to the last close. */
TEST(forked_and_duplicated)
{
	int before = contexts_at_rest(), fd = card_open(), copy, status;
	pid_t pid;

	run_known_job(fd);
	copy = dup(fd);
	pid = fork();
	if (!pid) {
		close(copy);
		run_known_job(fd);
		_exit(test_state.failed);
	}
	close(fd);
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(contexts(), before + 1);
	run_known_job(copy);
	close(copy);
	expect_contexts(before);
}

/* An open file that only travels in a message is still open. */
TEST(passed_over_a_socket)
{
	int before = contexts_at_rest(), pair[2], fd = card_open();
	struct bo bo = bo_create(fd, VGG_PAGE_SIZE, 0);

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	bo_fill(&bo, 0x33);
	fd_send(pair[0], fd);
	close(fd);
	EXPECT_EQ(contexts(), before + 1);
	bo.fd = fd_receive(pair[1]);
	EXPECT_TRUE(bo_is(&bo, 0x33));
	run_known_job(bo.fd);
	munmap(bo.map, bo.bytes);
	close(bo.fd);
	expect_contexts(before);
}

/* A mapping keeps the pages, not the context's handle. */
TEST(mapping_outlives_the_file)
{
	int fd = card_open(), other = card_open();
	struct bo bo = bo_create(fd, 16 * VGG_PAGE_SIZE, 0);

	bo_fill(&bo, 0x44);
	close(fd);
	run_known_job(other);
	EXPECT_EQ(bo.map[0], 0x44);
	EXPECT_EQ(bo.map[bo.bytes - 1], 0x44);
	bo.map[5] = 6;
	EXPECT_EQ(bo.map[5], 6);
	munmap(bo.map, bo.bytes);
	close(other);
}

/* Two threads' worth of work on one file, closed by a third party in between:
 * descriptors are reused at once. */
TEST(opened_and_closed_a_thousand_times)
{
	int before = contexts_at_rest(), i;

	for (i = 0; i < 1000; i++) {
		int fd = card_open();

		if (i % 50 == 0)
			run_known_job(fd);
		close(fd);
	}
	expect_contexts(before);
}

TEST_HARNESS_MAIN
