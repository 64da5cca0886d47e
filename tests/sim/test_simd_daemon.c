// SPDX-License-Identifier: MIT
/* vggsimd as a program: options, its socket's file, signals, the seed. */
#include "simd_client.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static void wrong(const char *const *args, const char *complaint)
{
	struct daemon d = { 0 };

	EXPECT_EQ(daemon_run(&d, args), 2);
	EXPECT_CONTAINS(daemon_log(&d), complaint);
}
#define WRONG(complaint, ...) \
	wrong((const char *const[]){ __VA_ARGS__, NULL }, complaint)

TEST(wrong_usage)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/plain.card", test_tmpdir());
	f = fopen(path, "w");
	fputs("inject 0\n", f);
	fclose(f);
	WRONG("--socket PATH is missing", "--once");
	WRONG("no arguments", "--socket", "s", "word");
	WRONG("'SMOKE' is no fault", "--socket", "s", "--inject", "SMOKE");
	WRONG("is no fault", "--socket", "s", "--inject", "HANG,after=x");
	WRONG("is no fault", "--socket", "s", "--inject", "HANG,after=-1");
	WRONG("is no fault", "--socket", "s", "--inject", "HANG,count");
	WRONG("needs --seed", "--socket", "s", "--inject", "HANG,after=random");
	WRONG("--seed takes a number", "--socket", "s", "--seed", "many");
	WRONG("not 'late'", "--socket", "s", "--order", "late");
	WRONG("--card", "--socket", "s", "--card", "/nonexistent");
	WRONG("can't inject", "--socket", "s", "--card", path, "--inject",
	      "HANG");
	WRONG("--help", "--socket", "s", "--no-such-option");
}

TEST(help_names_the_faults)
{
	struct daemon d = { 0 };

	EXPECT_EQ(DAEMON_RUN(&d, "--help"), 0);
	EXPECT_CONTAINS(daemon_log(&d), "ALL_ONES");
	EXPECT_CONTAINS(daemon_log(&d), "--dma-messages");
	EXPECT_EQ(DAEMON_RUN(&d, "--version"), 0);
	EXPECT_CONTAINS(daemon_log(&d), "vggsimd ");
}

/* One that was killed leaves its file; the next daemon takes its place. */
TEST(stale_socket)
{
	struct daemon d = { 0 }, second = { 0 };
	struct client c;

	DAEMON_START(&d, "--verbose");
	kill(d.pid, SIGKILL);
	EXPECT_EQ(daemon_wait(&d), 1000 + SIGKILL);
	EXPECT_EQ(access(d.socket, F_OK), 0);
	memcpy(second.socket, d.socket, sizeof(d.socket));
	DAEMON_START(&second, "--verbose");
	client_open(&c, &second, true);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&second), 0);
	EXPECT_NE(access(d.socket, F_OK), 0);
}

TEST(living_socket)
{
	struct daemon d = { 0 }, second = { 0 };
	struct client c;
	int i;

	DAEMON_START(&d, "--verbose");
	client_open(&c, &d, true);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(DAEMON_RUN(&second, "--socket", d.socket), 1);
		EXPECT_CONTAINS(daemon_log(&second), "another daemon");
	}
	/* the first one is none the worse for it */
	client_enable(&c);
	EXPECT_EQ(client_copy_job(&c, 1), VGG_STATUS_OK);
	client_close(&c);
	client_open(&c, &d, true);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/* What is no socket is somebody's file. */
TEST(other_paths)
{
	struct daemon d = { 0 };
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/precious", test_tmpdir());
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	EXPECT_EQ(DAEMON_RUN(&d, "--socket", path), 1);
	EXPECT_CONTAINS(daemon_log(&d), "is no socket");
	EXPECT_EQ(access(path, F_OK), 0);
	EXPECT_EQ(DAEMON_RUN(&d, "--socket", "/nonexistent/s"), 1);
	EXPECT_CONTAINS(daemon_log(&d), "/nonexistent/s");
	memset(path, 'x', 150);
	path[150] = 0;
	EXPECT_EQ(DAEMON_RUN(&d, "--socket", path), 1);
	EXPECT_CONTAINS(daemon_log(&d), "too long");
}

/* At any moment: idle, with a client, in the middle of a job or a message. */
TEST(ends_at_any_moment)
{
	int moment;

	for (moment = 0; moment < 5; moment++) {
		struct daemon d = { 0 };
		struct client c = { .fd = -1 };

		DAEMON_START(&d, moment == 4 ? "--dma-messages" : "--verbose");
		if (moment >= 1)
			client_open(&c, &d, true);
		if (moment == 2)
			client_send_raw(&c, "half", 4, NULL, 0);
		if (moment >= 3) {
			client_enable(&c);
			client_start_endless(&c);
		}
		kill(d.pid, moment % 2 ? SIGINT : SIGTERM);
		EXPECT_EQ(daemon_wait(&d), 0);
		EXPECT_NE(access(d.socket, F_OK), 0);
		if (moment >= 1)
			client_close(&c);
	}
}

TEST(once)
{
	struct daemon d = { 0 };
	struct client c;

	DAEMON_START(&d, "--once");
	client_open(&c, &d, true);
	client_close(&c);
	EXPECT_EQ(daemon_wait(&d), 0);
	EXPECT_NE(access(d.socket, F_OK), 0);
	EXPECT_CONTAINS(daemon_log(&d), "when=end");
}

/* The lines "choices" of two clients. */
static void choices(const char *seed, char *text, size_t size)
{
	struct daemon d = { 0 };
	struct client c;
	const char *at;
	size_t n = 0;
	int i;

	text[0] = 0;
	DAEMON_START(&d, "--seed", seed, "--inject", "ECC,after=random");
	for (i = 0; i < 2; i++) {
		client_open(&c, &d, true);
		client_enable(&c);
		client_copy_job(&c, 1);
		client_close(&c);
	}
	EXPECT_EQ(daemon_stop(&d), 0);
	for (at = daemon_log(&d); (at = strstr(at, "choices ")); at++)
		n += (size_t)snprintf(text + n, size - n, "%.*s\n",
				      (int)strcspn(at, "\n"), at);
}

TEST(seed)
{
	char first[600], again[600], other[600];

	choices("7", first, sizeof(first));
	choices("7", again, sizeof(again));
	choices("8", other, sizeof(other));
	EXPECT_CONTAINS(first, "client=1 seed=7 order=");
	EXPECT_CONTAINS(first, "client=2 seed=7 order=");
	EXPECT_CONTAINS(first, "inject=ECC after=");
	EXPECT_STREQ(first, again);
	EXPECT_STRNE(first, other);
}

/* The moment that was chosen is the moment when it happens. */
TEST(chosen_moment)
{
	struct daemon d = { 0 };
	const char *at;
	struct client c;
	int after, i;

	DAEMON_START(&d, "--seed", "3", "--inject", "ECC,after=random");
	client_open(&c, &d, true);
	client_enable(&c);
	at = strstr(daemon_log(&d), " after=");
	ASSERT_TRUE(at);
	after = atoi(at + 7);
	for (i = 0; i < after; i++)
		ASSERT_EQ(client_copy_job(&c, 1), VGG_STATUS_OK);
	EXPECT_EQ(client_copy_job(&c, 1), VGG_STATUS_ECC);
	EXPECT_EQ(client_copy_job(&c, 1), VGG_STATUS_OK);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

TEST_HARNESS_MAIN
