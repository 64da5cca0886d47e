// SPDX-License-Identifier: MIT
/* See vgg_harness.h. */
#include "vgg_harness.h"

#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct test_state test_state;

static struct test_case *tests, **tests_end = &tests;
static struct test_variant *variants, **variants_end = &variants;
static char tmpdir[64];

void test_register(struct test_case *test)
{
	*tests_end = test;
	tests_end = &test->next;
}

void test_register_variant(struct test_variant *variant)
{
	*variants_end = variant;
	variants_end = &variant->next;
}

void test_log(const char *format, ...)
{
	va_list args;

	fputs("# ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void test_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	test_state.failed = true;
	printf("# %s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void test_skip(const char *format, ...)
{
	va_list args;

	/* The parent turns this line into the reason behind "# SKIP". */
	printf("# SKIP ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	test_state.skipped = true;
	longjmp(test_state.out, 1);
}

uint64_t test_seed(void)
{
	static uint64_t seed;
	const char *given = getenv("VGG_TEST_SEED");
	struct timespec now;

	if (seed)
		return seed;
	if (given) {
		seed = strtoull(given, NULL, 0);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		seed = (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
	}
	seed |= !seed;
	test_log("VGG_TEST_SEED=%" PRIu64, seed);
	return seed;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t test_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

int64_t test_random_in(uint64_t *state, int64_t lo, int64_t hi)
{
	return lo + (int64_t)(test_random(state) % ((uint64_t)(hi - lo) + 1));
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

const char *test_tmpdir(void)
{
	return tmpdir;
}

const char *test_data(const char *relative)
{
	static char paths[4][512];
	static unsigned int turn;
	const char *top = getenv("VGG_TESTS");
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", top ? top : "tests",
		 relative);
	return path;
}

bool test_emulated(void)
{
	const char *slow = getenv("VGG_TEST_EMULATED");

	return slow && *slow == '1';
}

/* Runs in the child: the exit status tells the outcome. */
static int run_body(const struct test_case *test, const void *variant)
{
	void *self = calloc(1, test->self_size + 1);
	volatile bool up = false;

	if (!self)
		return 1;
	if (!setjmp(test_state.out)) {
		if (test->setup)
			test->setup(self, variant);
		up = true;
		if (!test_state.failed)
			test->body(self, variant);
	}
	if (up && test->teardown && !setjmp(test_state.out))
		test->teardown(self, variant);
	free(self);
	if (test_state.failed)
		return 1;
	return test_state.skipped ? TEST_SKIP_CODE : 0;
}

static volatile sig_atomic_t timed_out;
static volatile pid_t child;

static void on_alarm(int sig)
{
	(void)sig;
	timed_out = 1;
	kill(-child, SIGKILL);
}

/* Passes on what the child prints; keeps the reason of a skip. */
static void relay(int from, char *reason, size_t size)
{
	FILE *in = fdopen(from, "r");
	char line[4096];

	while (in && fgets(line, sizeof(line), in)) {
		if (!strncmp(line, "# SKIP ", 7)) {
			line[strcspn(line, "\n")] = 0;
			snprintf(reason, size, "%.*s", (int)size - 1, line + 7);
			continue;
		}
		/* Whatever else writes to stdout must not look like TAP. */
		if (line[0] != '#')
			fputs("# ", stdout);
		fputs(line, stdout);
	}
	if (in)
		fclose(in);
}

static int report(int number, const char *name, int status, const char *reason)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIP_CODE) {
		printf("ok %d %s # SKIP %s\n", number, name, reason);
		return TEST_SKIP_CODE;
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status)) {
		printf("ok %d %s\n", number, name);
		return 0;
	}
	if (timed_out)
		printf("# timed out\n");
	else if (WIFSIGNALED(status))
		printf("# killed by signal %d (%s)\n", WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	else
		printf("# exit status %d\n", WEXITSTATUS(status));
	printf("not ok %d %s\n", number, name);
	return 1;
}

static int run_one(const struct test_case *test, const void *variant,
		   const char *name, int number)
{
	char reason[512] = "no reason given";
	unsigned int limit = test->timeout * (test_emulated() ? 20 : 4);
	int fds[2], status = -1;
	pid_t pid;

	fflush(stdout);
	if (pipe(fds))
		return report(number, name, -1, reason);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		close(fds[0]);
		dup2(fds[1], STDOUT_FILENO);
		close(fds[1]);
		status = run_body(test, variant);
		fflush(stdout);
		/* exit(), not _exit(): leak checkers report there. */
		exit(status);
	}
	close(fds[1]);
	if (pid < 0) { /* never kill(-(-1)): that is everybody */
		close(fds[0]);
		return report(number, name, -1, "fork failed");
	}
	child = pid;
	setpgid(pid, pid);
	timed_out = 0;
	alarm(limit);
	relay(fds[0], reason, sizeof(reason));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	alarm(0);
	/* Nothing a test started outlives it. */
	kill(-pid, SIGKILL);
	return report(number, name, status, reason);
}

static bool wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc < 2;
}

static bool of_fixture(const struct test_variant *v, const struct test_case *t)
{
	return t->fixture && !strcmp(v->fixture, t->fixture);
}

/* Calls fn for each test and variant that is wanted; returns how many. */
static int each(int argc, char **argv,
		void (*fn)(const struct test_case *, const void *, const char *,
			   int))
{
	const struct test_variant *v;
	const struct test_case *t;
	char name[256];
	int n = 0;

	for (t = tests; t; t = t->next) {
		bool any = false;

		for (v = variants; v; v = v->next) {
			if (!of_fixture(v, t))
				continue;
			any = true;
			snprintf(name, sizeof(name), "%s.%s", t->name, v->name);
			if (wanted(name, argc, argv))
				fn(t, v->data, name, ++n);
		}
		if (!any && wanted(t->name, argc, argv))
			fn(t, NULL, t->name, ++n);
	}
	return n;
}

static int failures, skips;

static void count_only(const struct test_case *t, const void *variant,
		       const char *name, int number)
{
	(void)t;
	(void)variant;
	(void)name;
	(void)number;
}

static void list_one(const struct test_case *t, const void *variant,
		     const char *name, int number)
{
	(void)t;
	(void)variant;
	(void)number;
	puts(name);
}

static void run_each(const struct test_case *t, const void *variant,
		     const char *name, int number)
{
	int result = run_one(t, variant, name, number);

	failures += result == 1;
	skips += result == TEST_SKIP_CODE;
}

int test_main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	int count;

	if (argc == 2 && !strcmp(argv[1], "-l"))
		return each(1, argv, list_one) ? 0 : 1;

	snprintf(tmpdir, sizeof(tmpdir), "/tmp/vgg-test-XXXXXX");
	if (!mkdtemp(tmpdir)) {
		printf("Bail out! mkdtemp: %s\n", strerror(errno));
		return 1;
	}
	sigaction(SIGALRM, &action, NULL);
	count = each(argc, argv, count_only);
	printf("TAP version 13\n1..%d\n", count);
	each(argc, argv, run_each);
	nftw(tmpdir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	if (failures)
		return 1;
	/* prove takes any exit status but 0 for a failure. */
	if (count && skips == count && !getenv("HARNESS_ACTIVE"))
		return TEST_SKIP_CODE;
	return 0;
}
