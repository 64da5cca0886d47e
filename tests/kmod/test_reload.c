// SPDX-License-Identifier: MIT
/*
 * The module comes and goes. Its file is where the guest's init has it, or
 * VGG_MODULE says.
 */
#include "card.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS 100

static const char *module_file(void)
{
	const char *path = getenv("VGG_MODULE");

	card_node();
	if (!path)
		path = "/modules/vggaccel.ko";
	if (access(path, R_OK))
		SKIP("no module file at %s", path);
	return path;
}

static int load(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	ASSERT_GE(fd, 0);
	if (syscall(SYS_finit_module, fd, parameters, 0))
		err = -errno;
	close(fd);
	return err;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "vggaccel", O_NONBLOCK) ? -errno : 0;
}

/* Unloading waits for nobody, but the last work of a closed file takes a
 * moment. */
static void unload_soon(void)
{
	int64_t until = now_ms() + SOON_MS;
	int err;

	while ((err = unload()) == -EAGAIN && now_ms() < until)
		usleep(1000);
	ASSERT_EQ(err, 0);
}

/* The parameters the guest was started with. */
static const char *parameters(void)
{
	static char text[128];
	char mode[64] = "auto";

	file_read_("/sys/module/vggaccel/parameters/irq", mode, sizeof(mode));
	mode[strcspn(mode, "\n")] = 0;
	snprintf(text, sizeof(text), "irq=%s", mode);
	return text;
}

/* Kernel memory that nobody freed, roughly: unreclaimable slab, kB. */
static long slab_kb(void)
{
	char text[8192], *at;

	file_read_("/proc/meminfo", text, sizeof(text));
	at = strstr(text, "SUnreclaim:");
	return at ? strtol(at + 11, NULL, 10) : 0;
}

TEST_TIMEOUT(a_hundred_times, 240)
{
	const char *file = module_file(), *with = parameters();
	long before = 0;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		int fd;

		unload_soon();
		ASSERT_EQ(load(file, with), 0);
		if (i % 10)
			continue;
		fd = card_open();
		run_known_job(fd);
		close(fd);
		if (i == 10)
			before = slab_kb();
	}
	TH_LOG("unreclaimable slab: %ld kB after 10 rounds, %ld kB after %d",
	       before, slab_kb(), ROUNDS);
	/* A round that leaks one ring leaks 80 kB. */
	EXPECT_LT(slab_kb() - before, 4096);
}

/* Fault 21: not under somebody who has it open. */
TEST(refused_while_open)
{
	int fd;

	module_file();
	fd = card_open();
	EXPECT_EQ(unload(), -EAGAIN);
	run_known_job(fd);
	close(fd);
}

/* A parameter that is not known is refused by name, not guessed. */
TEST(wrong_parameters)
{
	const char *file = module_file(), *with = parameters();
	int fd;

	unload_soon();
	EXPECT_EQ(load(file, "irq=sometimes"), -EINVAL);
	EXPECT_EQ(load(file, "node=left"), -EINVAL);
	EXPECT_EQ(load(file, "dma_bits=31"), -EINVAL);
	ASSERT_EQ(load(file, with), 0);
	fd = card_open();
	run_known_job(fd);
	close(fd);
}

/* Each way to hear of completions, also those this guest wasn't started with;
 * one job at a time and many. */
TEST_TIMEOUT(every_interrupt_mode, 60)
{
	static const char *const modes[] = { "irq=poll", "irq=intx", "irq=msi",
					     "irq=auto coalesce_us=0",
					     "irq=auto node=render" };
	static const char *const got[] = { "poll", "intx", "msi", "msi",
					   "msi" };
	const char *file = module_file(), *with = parameters();
	unsigned int i, n;

	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		struct stream s;
		int fd;

		unload_soon();
		ASSERT_EQ(load(file, modes[i]), 0);
		EXPECT_STREQ(card_irq_mode(), got[i]);
		fd = card_open();
		run_known_job(fd);
		s = stream_begin(fd);
		stream_end(&s);
		for (n = 0; n < 300; n++)
			submit(fd, &s);
		EXPECT_EQ(result_wait(fd, 301, SOON_MS).error, 0);
		/* If interrupts got lost, the driver would poll after ten in a
		 * row. On a loaded host one may seem to be, now and then. */
		for (n = 0; n < 30; n++)
			EXPECT_EQ(run(fd, &s).error, 0);
		EXPECT_STREQ(card_irq_mode(), got[i]);
		/* A mapping would hold the file, and that the module. */
		bo_close(&s.bo);
		close(fd);
	}
	unload_soon();
	ASSERT_EQ(load(file, with), 0);
}

TEST_HARNESS_MAIN
