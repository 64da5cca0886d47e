// SPDX-License-Identifier: MIT
/*
 * What the way to the simulated card costs by itself: a driver of a page, in
 * user space, that does no more than it must. It takes the card from the real
 * driver, finds the physical addresses of its own pages, and measures
 *
 *	"register read"		there and back over QEMU's socket
 *	"register write"	posted: until the CPU may go on
 *	"doorbell alone"	an empty job, from the doorbell until its completion
 *				is seen in memory, without any interrupt
 *
 * in the same form as guest.c. What the kernel module adds is the difference.
 *
 *	doorbell PCI-ADDRESS [JOBS]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vggaccel_hw.h"

#define RING_LOG2 6
#define RING (1u << RING_LOG2)
#define REGISTER_ROUNDS 5000

static volatile uint32_t *bar;

enum page { SQ, CQ, LEVEL1, LEVEL2, LEVEL3, STREAM, PAGES };

static uint8_t *memory;
static uint64_t bus[PAGES];

static void die(const char *what)
{
	fprintf(stderr, "doorbell: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void reg_write(uint32_t reg, uint32_t value)
{
	bar[reg / 4] = value;
}

static uint32_t reg_read(uint32_t reg)
{
	return bar[reg / 4];
}

/* Memory decoding and bus mastering on, and the registers in reach. */
static void take_card(const char *slot)
{
	uint16_t command = 0x6;
	char path[128];
	int fd;

	put("/sys/bus/pci/drivers/vggaccel/unbind", slot);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable", slot);
	put(path, "1");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", slot);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, &command, 2, 4) != 2)
		die(path);
	close(fd);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", slot);
	fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	if (fd < 0)
		die(path);
	bar = mmap(NULL, VGG_BAR0_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	if (bar == MAP_FAILED)
		die(path);
	close(fd);
}

static void give_card_back(const char *slot)
{
	char path[128];

	reg_write(VGG_REG_CTRL, VGG_CTRL_RESET);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable", slot);
	put(path, "0");
	put("/sys/bus/pci/drivers/vggaccel/bind", slot);
}

/* Only root may see where its pages are. */
static void take_memory(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), i;

	memory = mmap(NULL, PAGES * VGG_PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED || mlock(memory, PAGES * VGG_PAGE_SIZE))
		die("memory");
	memset(memory, 0, PAGES * VGG_PAGE_SIZE);
	for (i = 0; i < PAGES; i++) {
		uint64_t entry, at = (uintptr_t)(memory + i * VGG_PAGE_SIZE) /
				     VGG_PAGE_SIZE;

		if (pread(fd, &entry, 8, (off_t)(at * 8)) != 8)
			die("pagemap");
		bus[i] = (entry & ((1ull << 55) - 1)) * VGG_PAGE_SIZE;
		if (!bus[i])
			die("pagemap shows no addresses");
	}
	close(fd);
}

static void *page(enum page p)
{
	return memory + p * VGG_PAGE_SIZE;
}

static void start_card(void)
{
	struct vgg_hw_cmd_plain *end = page(STREAM);

	end->head.opcode = VGG_CMD_END;
	*(uint64_t *)page(LEVEL1) = bus[LEVEL2] | VGG_PTE_VALID;
	*(uint64_t *)page(LEVEL2) = bus[LEVEL3] | VGG_PTE_VALID;
	*(uint64_t *)page(LEVEL3) = bus[STREAM] | VGG_PTE_VALID | VGG_PTE_LEAF;
	reg_write(VGG_REG_CTRL, VGG_CTRL_RESET);
	while (!(reg_read(VGG_REG_STATUS) & VGG_DEV_READY))
		;
	reg_write(VGG_REG_SQ_BASE_LO, (uint32_t)bus[SQ]);
	reg_write(VGG_REG_SQ_BASE_HI, (uint32_t)(bus[SQ] >> 32));
	reg_write(VGG_REG_SQ_SIZE, RING_LOG2);
	reg_write(VGG_REG_CQ_BASE_LO, (uint32_t)bus[CQ]);
	reg_write(VGG_REG_CQ_BASE_HI, (uint32_t)(bus[CQ] >> 32));
	reg_write(VGG_REG_CQ_SIZE, RING_LOG2);
	reg_write(VGG_REG_CTRL, VGG_CTRL_ENABLE);
	if (!(reg_read(VGG_REG_CTRL) & VGG_CTRL_ENABLE))
		die("the card refuses its rings");
}

static void run_job(uint32_t n)
{
	struct vgg_hw_sqe *sqe = (struct vgg_hw_sqe *)page(SQ) + n % RING;
	struct vgg_hw_cqe *cqe = (struct vgg_hw_cqe *)page(CQ) + n % RING;
	uint16_t phase = !(n / RING & 1);

	*sqe = (struct vgg_hw_sqe){
		.seq = n,
		.root = bus[LEVEL1],
		.stream_bytes = VGG_CMD_SIZE,
	};
	__sync_synchronize();
	reg_write(VGG_REG_DB_SQ_TAIL, (n + 1) % RING);
	while (__atomic_load_n(&cqe->phase, __ATOMIC_ACQUIRE) != phase)
		;
	if (cqe->status)
		die("the job failed");
	if (n % (RING / 4) == 0)
		reg_write(VGG_REG_DB_CQ_HEAD, (n + 1) % RING);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void say(const char *what, double us)
{
	printf("{\"what\": \"%s\", \"depth\": 1, \"us\": %.2f}\n", what, us);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	uint32_t jobs = argc > 2 ? (uint32_t)atoi(argv[2]) : 2000, i;
	double *times = calloc(jobs, sizeof(*times)), begin;

	if (argc < 2 || !jobs || !times) {
		fprintf(stderr, "usage: doorbell PCI-ADDRESS [JOBS]\n");
		return 2;
	}
	take_card(argv[1]);
	take_memory();
	start_card();
	begin = now_us();
	for (i = 0; i < REGISTER_ROUNDS; i++)
		reg_read(VGG_REG_SCRATCH);
	say("register read", (now_us() - begin) / REGISTER_ROUNDS);
	begin = now_us();
	for (i = 0; i < REGISTER_ROUNDS; i++)
		reg_write(VGG_REG_SCRATCH, i);
	say("register write", (now_us() - begin) / REGISTER_ROUNDS);
	reg_read(VGG_REG_SCRATCH);
	for (i = 0; i < jobs; i++) {
		begin = now_us();
		run_job(i);
		times[i] = now_us() - begin;
	}
	qsort(times, jobs, sizeof(*times), compare);
	say("doorbell alone", times[jobs / 2]);
	give_card_back(argv[1]);
	return 0;
}
