/* SPDX-License-Identifier: MIT */
/*
 * For programs in a test guest: asks the host to do what only it can, like
 * pulling the card out or killing it. tests/vm/run has the list of requests and
 * answers them on a serial port, one at a time.
 *
 *	char answer[256];
 *
 *	ASSERT_EQ(0, host_ask(answer, sizeof(answer), "card kill"));
 *	ASSERT_EQ(0, host_ask(answer, sizeof(answer), "card statistics"));
 *	EXPECT_EQ(0, host_number(answer, "dead_accesses"));
 */
#ifndef HOST_H
#define HOST_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_WAIT_MS 240000 /* taking a card out may need seconds, or more */

/* True in a guest of tests/vm/run. */
static inline bool host_present(void)
{
	const char *port = getenv("VGG_HOST");

	return port && !access(port, R_OK | W_OK);
}

/* The port has one user at a time; others wait. */
static inline int host_open(void)
{
	const char *port = getenv("VGG_HOST");

	for (int ms = 0; port && ms < HOST_WAIT_MS; ms += 20) {
		int fd = open(port, O_RDWR | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		if (errno != EBUSY)
			return -errno;
		usleep(20000);
	}
	return port ? -EBUSY : -ENODEV;
}

/* One line, without its end; 0 or -errno. */
static inline int host_read_line(int fd, char *line, size_t size)
{
	size_t used = 0;

	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		char c;
		int n = poll(&p, 1, HOST_WAIT_MS);

		if (n <= 0)
			return n ? -errno : -ETIMEDOUT;
		n = read(fd, &c, 1);
		if (n <= 0)
			return n ? -errno : -EPIPE;
		if (c == '\n')
			break;
		if (used < size - 1)
			line[used++] = c;
	}
	line[used] = 0;
	return 0;
}

/*
 * 0, and what follows "ok" in answer; -EREMOTEIO if the host refused, and its
 * reason; another -errno if it cannot be asked.
 */
__attribute__((format(printf, 3, 4))) static inline int
host_ask(char *answer, size_t size, const char *format, ...)
{
	char line[4096];
	va_list args;
	int fd, n, status;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n < 0 || n > (int)sizeof(line) - 2)
		return -E2BIG;
	line[n++] = '\n';
	fd = host_open();
	if (fd < 0)
		return fd;
	status = write(fd, line, n) == n ? 0 : -EIO;
	if (!status)
		status = host_read_line(fd, line, sizeof(line));
	close(fd);
	if (status)
		return status;
	if (strncmp(line, "ok", 2))
		status = -EREMOTEIO;
	n = strcspn(line, " ");
	snprintf(answer, size, "%s", line[n] ? line + n + 1 : "");
	return status;
}

/* The number behind "name=" in a line of statistics; -1 if it is not there. */
static inline long long host_number(const char *line, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = line; p && *p; p = strchr(p, ' ')) {
		p += *p == ' ';
		if (!strncmp(p, name, n) && p[n] == '=')
			return strtoll(p + n + 1, NULL, 10);
	}
	return -1;
}

#endif
