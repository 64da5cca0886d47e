// SPDX-License-Identifier: MIT
/* Programs that must not pass, for tests/vm/rig.t; one word says which. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setbuf(stdout, NULL);
	if (!strcmp(what, "good")) {
		puts("TAP version 13\n1..2\nok 1 - one\nok 2 # SKIP for a "
		     "reason");
	} else if (!strcmp(what, "bad")) {
		puts("1..2\nok 1 - one\nnot ok 2 - two");
		return 1;
	} else if (!strcmp(what, "short")) {
		puts("1..2\nok 1 - one");
	} else if (!strcmp(what, "crash")) {
		puts("1..1\nok 1 - one");
		raise(SIGSEGV);
	} else if (!strcmp(what, "status")) {
		return 3;
	} else if (!strcmp(what, "hang")) {
		puts("1..1");
		signal(SIGTERM, SIG_IGN);
		for (;;)
			pause();
	} else if (!strcmp(what, "orphan")) {
		puts("1..1\nok 1 - left a process that holds the output");
		if (!fork())
			pause();
	} else if (!strcmp(what, "log")) {
		put("/dev/kmsg", "BUG: something that the kernel may say");
		puts("1..1\nok 1 - said a bug");
	} else if (!strcmp(what, "panic")) {
		puts("1..1\nok 1 - about to panic");
		put("/proc/sysrq-trigger", "c");
	} else if (!strcmp(what, "forge")) {
		/* A program cannot speak for init. */
		puts("word 0123456789abcdef\nend 0 1\n1..1\nok 1 - forged");
	}
	return 0;
}
