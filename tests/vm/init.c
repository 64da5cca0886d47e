// SPDX-License-Identifier: MIT
/*
 * The first and only process of a test guest: carries out /plan, a file that
 * tests/vm/run writes into the guest's initramfs. A line of it is one of
 *
 *	env NAME=VALUE		for all programs
 *	limit SECONDS		for each program that follows
 *	module FILE [PARAMETER...]
 *	run PROGRAM [ARGUMENT...]
 *	unload MODULE		which must leave
 *	say TEXT		on the console
 *	applets			names for what busybox can do
 *	shell			a person's, on the console
 *	word WORD		said when all of the above was carried out
 *
 * What happens is reported on a serial port of its own, "vgg.tap", so neither
 * kernel messages nor a hang can pass for a result: a line that starts with ">"
 * is a program's, any other is ours:
 *
 *	begin PROGRAM ARGUMENTS
 *	log TEXT		of the kernel, and it must not have said that
 *	end STATUS MS		exit status, "signal N" or "limit"
 *	broken TEXT		the plan cannot go on
 *	word WORD
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/module.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_ 4096
#define ARGS_MAX 64

static int report = -1; /* vgg.tap */
static int kernel_log;	/* /dev/kmsg */
/* For what takes a moment, unless the machine is busy: what never happens. */
#define SOON_MS 60000
static int limit = 600; /* seconds a program may take */

/* A sound kernel says none of these. */
static const char *const alarms[] = {
	"BUG:",
	"WARNING:",
	"Oops",
	"Internal error:",
	"KASAN",
	"UBSAN",
	"KCSAN",
	"DMA-API",
	"possible circular locking",
	"possible recursive locking",
	"possible irq lock inversion",
	"inconsistent lock state",
	"suspicious RCU usage",
	"held lock freed",
	"sleeping function called",
	"scheduling while atomic",
	"nobody cared",
	"new suspected memory leaks",
	"refcount_t:",
	"list_add corruption",
	"list_del corruption",
	"Unable to handle kernel",
	"blocked for more than",
	"soft lockup",
	"self-detected stall",
	"detected stalls on",
	"swiotlb buffer is full",
	"Bad page state",
	"SError",
	"debugfs: Directory",
	"sysfs: cannot create duplicate",
	"object still in use",
	"Objects remaining in",
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line to the host; to the console while there is no port. */
static void say(const char *format, ...)
{
	char line[LINE_MAX_ + 64];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	for (int done = 0; done < n;) {
		ssize_t r =
			write(report >= 0 ? report : 2, line + done, n - done);

		if (r < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (r > 0)
			done += r;
	}
}

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void broken(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));
static void broken(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "init: %s\n", text);
	say("broken %s", text);
	power_off();
	abort();
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "init: %s: %s\n", path, strerror(errno));
	close(fd);
}

/* Opens nothing itself: the ports are exclusive, and one is for programs. */
static bool port_find(const char *name, char *path, size_t size)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir))) {
		char file[300], text[64] = "";
		FILE *f;

		snprintf(file, sizeof(file), "/sys/class/virtio-ports/%s/name",
			 e->d_name);
		f = fopen(file, "re");
		if (!f)
			continue;
		if (fgets(text, sizeof(text), f))
			text[strcspn(text, "\n")] = 0;
		fclose(f);
		found = !strcmp(text, name);
		if (found)
			snprintf(path, size, "/dev/%s", e->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void ports_open(void)
{
	char path[300];

	/* Ports appear when the host has answered, soon after boot. */
	for (int i = 0; i < SOON_MS / 10 && report < 0; i++) {
		if (port_find("vgg.tap", path, sizeof(path)))
			report = open(path, O_WRONLY | O_CLOEXEC);
		if (report < 0)
			usleep(10000);
	}
	if (report < 0)
		broken("no serial port vgg.tap");
	for (int i = 0; i < SOON_MS / 10; i++) {
		if (port_find("vgg.host", path, sizeof(path))) {
			if (symlink(path, "/dev/vgg-host"))
				broken("/dev/vgg-host: %s", strerror(errno));
			return;
		}
		usleep(10000);
	}
	broken("no serial port vgg.host");
}

static void mounts_make(void)
{
	static const struct {
		const char *type, *where;
		bool needed;
	} table[] = {
		{ "proc", "/proc", true },
		{ "sysfs", "/sys", true },
		{ "devtmpfs", "/dev", true },
		{ "tmpfs", "/tmp", true },
		{ "tmpfs", "/dev/shm", true },
		{ "debugfs", "/sys/kernel/debug", false },
		{ "tracefs", "/sys/kernel/tracing", false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		mkdir(table[i].where, 0755);
		if (mount(table[i].type, table[i].where, table[i].type, 0,
			  NULL) &&
		    table[i].needed && errno != EBUSY)
			broken("mount %s: %s", table[i].where, strerror(errno));
	}
}

/*
 * Into the kernel's log, for whoever reads it later. A record that did not end
 * its line can't be read before the next one comes: this is that, too.
 */
static void log_mark(const char *what, const char *line)
{
	char text[300];

	snprintf(text, sizeof(text), "init: %s %s\n", what, line);
	put_file("/dev/kmsg", text);
}

/* Reports what the kernel said since the last look and should not have. */
static void log_check(void)
{
	char record[8192];
	ssize_t n;

	for (;;) {
		n = read(kernel_log, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE) /* some were overwritten */
			continue;
		if (n <= 0)
			return;
		record[n] = 0;
		char *text = strchr(record, ';');

		if (!text)
			continue;
		text[strcspn(text, "\n")] = 0;
		for (size_t i = 0; i < sizeof(alarms) / sizeof(*alarms); i++) {
			if (strstr(text, alarms[i])) {
				say("log %s", text + 1);
				break;
			}
		}
	}
}

static int words_split(char *line, char **argv)
{
	int argc = 0;
	char *save = NULL;

	for (char *w = strtok_r(line, " ", &save); w && argc < ARGS_MAX - 1;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	return argc;
}

static void module_load(char *line)
{
	char *parameters = strchr(line, ' ');
	char path[300];
	size_t n;
	int fd, flags = 0;

	if (parameters)
		*parameters++ = 0;
	snprintf(path, sizeof(path), "/modules/%s", line);
	n = strlen(path);
	if (n > 3 && !strcmp(path + n - 3, ".xz"))
		flags = MODULE_INIT_COMPRESSED_FILE;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		broken("%s: %s", path, strerror(errno));
	if (syscall(SYS_finit_module, fd, parameters ? parameters : "", flags))
		broken("module %s is not loaded: %s; see console.log", line,
		       strerror(errno));
	close(fd);
}

/* A closed file may keep its module for a moment longer. */
static void module_unload(const char *name)
{
	long long end = now_ms() + SOON_MS;

	while (syscall(SYS_delete_module, name, O_NONBLOCK)) {
		if ((errno != EAGAIN && errno != EBUSY) || now_ms() > end)
			broken("module %s does not leave: %s", name,
			       strerror(errno));
		usleep(20000);
	}
}

/* Sends on whole lines; what is left stays in *used bytes of the buffer. */
static bool output_relay(int fd, char *buffer, size_t *used)
{
	ssize_t n = read(fd, buffer + *used, LINE_MAX_ - 1 - *used);
	char *line = buffer, *end;

	if (n <= 0) {
		if (*used)
			say(">%.*s", (int)*used, buffer);
		*used = 0;
		return false;
	}
	*used += n;
	buffer[*used] = 0;
	while ((end = memchr(line, '\n', buffer + *used - line))) {
		say(">%.*s", (int)(end - line), line);
		line = end + 1;
	}
	*used -= line - buffer;
	memmove(buffer, line, *used);
	if (*used == LINE_MAX_ - 1) {
		say(">%.*s", (int)*used, buffer);
		*used = 0;
	}
	return true;
}

static void child_start(char **argv, int out)
{
	char path[300];

	setsid();
	dup2(out, 1);
	dup2(out, 2);
	snprintf(path, sizeof(path), "/bin/%s", argv[0]);
	execv(path, argv);
	printf("Bail out! %s: %s\n", path, strerror(errno));
	fflush(stdout);
	_exit(127);
}

/* As process 1, this reaches all others. False: one cannot die. */
static bool all_kill(void)
{
	long long end = now_ms() + SOON_MS;
	pid_t pid;

	kill(-1, SIGKILL);
	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (now_ms() > end)
			return false;
		if (!pid)
			usleep(5000);
	}
	return true;
}

/* Until the program ends, or its limit: then false. */
static bool program_wait(int pidfd, int out)
{
	long long end = now_ms() + limit * 1000ll;
	char buffer[LINE_MAX_];
	size_t used = 0;
	struct pollfd p[2] = { { pidfd, POLLIN, 0 }, { out, POLLIN, 0 } };

	for (;;) {
		long long left = end - now_ms();

		if (left <= 0)
			break;
		poll(p, 2, left);
		/* Output first: what was said before the end is not lost. */
		if (p[1].revents && !output_relay(out, buffer, &used))
			p[1].fd = -1;
		else if (!p[1].revents && p[0].revents)
			break;
		if (p[1].fd < 0 && p[0].revents)
			break;
	}
	if (used)
		say(">%.*s", (int)used, buffer);
	return p[0].revents;
}

static void program_run(char *line)
{
	char *argv[ARGS_MAX];
	long long start = now_ms();
	int out[2], pidfd, status = 0;
	bool ended;
	pid_t pid;

	say("begin %s", line);
	log_mark("begin", line);
	if (!words_split(line, argv))
		broken("run without a program");
	if (pipe2(out, O_CLOEXEC))
		broken("pipe: %s", strerror(errno));
	pid = fork();
	if (!pid)
		child_start(argv, out[1]);
	close(out[1]);
	pidfd = pid < 0 ? -1 : syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		broken("fork: %s", strerror(errno));
	ended = program_wait(pidfd, out[0]);
	if (ended)
		waitpid(pid, &status, 0);
	close(pidfd);
	close(out[0]);
	if (!ended) /* where it and others are, before they are killed */
		put_file("/proc/sysrq-trigger", "w");
	if (!all_kill()) {
		log_check();
		broken("a process cannot be killed; see console.log");
	}
	log_mark("end", argv[0]);
	log_check();
	if (!ended)
		say("end limit %lld", now_ms() - start);
	else if (WIFSIGNALED(status))
		say("end signal %d %lld", WTERMSIG(status), now_ms() - start);
	else
		say("end %d %lld", WEXITSTATUS(status), now_ms() - start);
}

/* On the console, as the session's terminal, so that ^C works. */
static void shell_run(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		int tty;

		setsid();
		tty = open("/dev/console", O_RDWR);
		if (tty < 0)
			_exit(1);
		for (int i = 0; i < 3; i++)
			dup2(tty, i);
		ioctl(tty, TIOCSCTTY, 1);
		execl("/bin/busybox", "sh", (char *)NULL);
		_exit(127);
	}
	while (waitpid(-1, &status, 0) != pid)
		;
}

static void applets_install(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/busybox", "busybox", "--install", "-s", "/bin",
		      (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

/* kmemleak takes what it sees twice for leaked. */
static void leaks_check(void)
{
	static const char path[] = "/sys/kernel/debug/kmemleak";
	char line[256];
	FILE *f;

	if (access(path, F_OK))
		return;
	for (int i = 0; i < 2; i++) {
		put_file(path, "scan");
		sleep(i ? 0 : 6); /* younger than five seconds is no leak yet */
	}
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		say("log kmemleak: %s", line);
	}
	if (f)
		fclose(f);
}

static void line_carry_out(char *line)
{
	char *rest = strchr(line, ' ');

	if (rest)
		*rest++ = 0;
	else
		rest = line + strlen(line);
	if (!strcmp(line, "env"))
		putenv(strdup(rest));
	else if (!strcmp(line, "limit"))
		limit = atoi(rest);
	else if (!strcmp(line, "module"))
		module_load(rest);
	else if (!strcmp(line, "run"))
		program_run(rest);
	else if (!strcmp(line, "unload"))
		module_unload(rest);
	else if (!strcmp(line, "shell"))
		shell_run();
	else if (!strcmp(line, "applets"))
		applets_install();
	else if (!strcmp(line, "say"))
		printf("%s\n", rest);
	else if (!strcmp(line, "word"))
		leaks_check(), log_mark("end of", "plan"), log_check(),
			say("word %s", rest);
	else
		broken("/plan: %s?", line);
}

int main(void)
{
	static char line[LINE_MAX_];
	FILE *plan;

	mounts_make();
	setbuf(stdout, NULL);
	setenv("PATH", "/bin", 1);
	setenv("HOME", "/tmp", 1);
	ports_open();
	kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kernel_log < 0)
		broken("/dev/kmsg: %s", strerror(errno));
	lseek(kernel_log, 0, SEEK_END);
	plan = fopen("/plan", "re");
	if (!plan)
		broken("/plan: %s", strerror(errno));
	while (fgets(line, sizeof(line), plan)) {
		line[strcspn(line, "\n")] = 0;
		line_carry_out(line);
		log_check();
	}
	power_off();
}
