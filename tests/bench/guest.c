// SPDX-License-Identifier: MIT
/*
 * What a job costs the machine that submits it: the card and, as its peer, an
 * NVMe disk in the same guest, by the same kind of requests.
 *
 *	guest [JOBS]
 *
 * prints one JSON object per line and measurement:
 *
 *	what	"card ioctl"		SUBMIT and a wait on its syncobj
 *		"card io_uring"		IORING_OP_URING_CMD on the node
 *		"nvme io_uring"		the same on /dev/ng0n1, 512-byte reads
 *		"nvme read"		read(2) of 512 bytes, O_DIRECT
 *	depth	requests under way at once
 *	us	from submission to completion, median (depth 1), or time per
 *		request
 *	jobs_per_s, syscalls, irqs (each per request)
 *	instructions	of the whole guest per request, kernel and user, idle
 *		excluded by the CPU's own stop; absent if there is no counter
 *		(QEMU has one with -icount)
 *
 * A job is the empty one: a stream of one END. System calls are counted where
 * they are made, interrupts by the kernel (/proc/interrupts).
 */
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "uapi/vggaccel_drm.h"
#include "vggaccel_hw.h"

#define DEPTH_MAX 64

static void die(const char *what)
{
	fprintf(stderr, "guest: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/*
 * Counters.
 */
static unsigned long long syscalls;

/* Of all CPUs, for lines that name the device. */
static unsigned long long interrupts(const char *name)
{
	FILE *f = fopen("/proc/interrupts", "r");
	unsigned long long sum = 0;
	char line[1024];

	while (f && fgets(line, sizeof(line), f)) {
		char *at = strchr(line, ':'), *end;

		if (!at || !strstr(line, name))
			continue;
		for (at++;; at = end) {
			unsigned long long n = strtoull(at, &end, 10);

			if (end == at)
				break;
			sum += n;
		}
	}
	if (f)
		fclose(f);
	return sum;
}

static int counters[8], counter_count;

/* Instructions of each CPU, whoever runs there. */
static void counters_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.pinned = 1,
	};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), i;

	for (i = 0; i < cpus && i < 8; i++) {
		int fd = (int)syscall(__NR_perf_event_open, &attr, -1, (int)i,
				      -1, 0);

		if (fd < 0)
			return;
		counters[counter_count++] = fd;
	}
}

static unsigned long long instructions(void)
{
	unsigned long long sum = 0, n;
	int i;

	for (i = 0; i < counter_count; i++)
		if (read(counters[i], &n, sizeof(n)) == sizeof(n))
			sum += n;
	return sum;
}

/* The kernel has things to do of its own after it has booted. */
static void settle(void)
{
	unsigned long long before, now = instructions();
	int i;

	for (i = 0; i < 40; i++) {
		before = now;
		usleep(500000);
		now = instructions();
		if (now - before < 2000000)
			break;
	}
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * A way to make requests: each has `depth` under way, `round` puts in as many
 * as are free and takes at least one out.
 */
struct way {
	const char *what, *irq;
	void (*begin)(unsigned int depth);
	/* Starts n requests, waits for at least one; returns how many ended. */
	unsigned int (*round)(unsigned int n);
};

static void measure(const struct way *way, unsigned int depth,
		    unsigned int jobs)
{
	unsigned long long sys0, irq0, ins0, irqs, ins;
	unsigned int started = 0, ended = 0, i;
	int64_t *times = calloc(jobs, sizeof(*times)), begin, total;

	way->begin(depth);
	/* Until everything is warm. */
	for (i = 0; i < depth * 4; i++)
		for (unsigned int n = way->round(1); !n; n = way->round(0))
			;
	irq0 = interrupts(way->irq);
	sys0 = syscalls;
	ins0 = instructions();
	begin = now_ns();
	while (ended < jobs) {
		unsigned int room = depth - (started - ended);
		int64_t t = now_ns();
		unsigned int n;

		if (room > jobs - started)
			room = jobs - started;
		started += room;
		n = way->round(room);
		for (i = 0; i < n; i++)
			times[ended + i] =
				(now_ns() - t) / (depth == 1 ? 1 : n);
		ended += n;
	}
	total = now_ns() - begin;
	ins = instructions() - ins0;
	irqs = interrupts(way->irq) - irq0;
	qsort(times, jobs, sizeof(*times), compare);
	printf("{\"what\": \"%s\", \"depth\": %u, \"us\": %.2f, "
	       "\"jobs_per_s\": %.0f, \"syscalls\": %.3f, \"irqs\": %.3f",
	       way->what, depth,
	       depth == 1 ? (double)times[jobs / 2] / 1e3 :
			    (double)total / jobs / 1e3,
	       jobs * 1e9 / (double)total, (double)(syscalls - sys0) / jobs,
	       (double)irqs / jobs);
	if (counter_count)
		printf(", \"instructions\": %.0f", (double)ins / jobs);
	printf("}\n");
	fflush(stdout);
	free(times);
}

/*
 * The card.
 */
static int card;
static struct drm_vggaccel_bo_create stream;
static uint32_t timeline;
static uint64_t submitted, seen;
static struct io_uring ring;
static bool ring_up;

static int call(unsigned long request, void *arg)
{
	int err;

	do {
		syscalls++;
		err = ioctl(card, request, arg);
	} while (err && (errno == EINTR || errno == EAGAIN));
	return err;
}

static void card_open(const char *node)
{
	struct drm_vggaccel_bo_fini fini = { .size = sizeof(fini) };
	struct drm_syncobj_create sync = { 0 };
	struct vgg_hw_cmd_plain *end;

	card = open(node, O_RDWR | O_CLOEXEC);
	if (card < 0)
		die(node);
	stream.size = sizeof(stream);
	stream.bytes = VGG_PAGE_SIZE;
	if (call(DRM_IOCTL_VGGACCEL_BO_CREATE, &stream))
		die("BO_CREATE");
	end = mmap(NULL, VGG_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   card, (off_t)stream.mmap_offset);
	if (end == MAP_FAILED)
		die("mmap");
	memset(end, 0, sizeof(*end));
	end->head.opcode = VGG_CMD_END;
	fini.handle = stream.handle;
	fini.access = DRM_VGGACCEL_ACCESS_WRITE;
	if (call(DRM_IOCTL_VGGACCEL_BO_FINI, &fini) ||
	    call(DRM_IOCTL_SYNCOBJ_CREATE, &sync))
		die("card");
	timeline = sync.handle;
}

static void ioctl_begin(unsigned int depth)
{
	(void)depth;
}

static void ioctl_submit(void)
{
	struct drm_vggaccel_sync out = { .handle = timeline,
					 .point = ++submitted };
	struct drm_vggaccel_submit a = {
		.size = sizeof(a),
		.stream = stream.address,
		.stream_bytes = VGG_CMD_SIZE,
		.out_count = 1,
		.out_syncs = (uintptr_t)&out,
	};

	if (call(DRM_IOCTL_VGGACCEL_SUBMIT, &a))
		die("SUBMIT");
}

/* Waits for the oldest, then sees how far the timeline has come. */
static unsigned int ioctl_round(unsigned int n)
{
	uint64_t point = seen + 1, value = 0, before = seen;
	struct drm_syncobj_timeline_wait wait = {
		.handles = (uintptr_t)&timeline,
		.points = (uintptr_t)&point,
		.count_handles = 1,
		.timeout_nsec = INT64_MAX,
	};
	struct drm_syncobj_timeline_array query = {
		.handles = (uintptr_t)&timeline,
		.points = (uintptr_t)&value,
		.count_handles = 1,
	};

	while (n--)
		ioctl_submit();
	if (submitted == seen)
		return 0;
	if (call(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &wait))
		die("wait");
	seen = point;
	if (submitted > seen && !call(DRM_IOCTL_SYNCOBJ_QUERY, &query) &&
	    value > seen)
		seen = value;
	return (unsigned int)(seen - before);
}

static void ring_begin(unsigned int flags)
{
	struct io_uring_params p = { .flags = flags };

	if (ring_up)
		io_uring_queue_exit(&ring);
	if (io_uring_queue_init_params(DEPTH_MAX, &ring, &p))
		die("io_uring");
	ring_up = true;
}

static void uring_begin(unsigned int depth)
{
	(void)depth;
	ring_begin(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
}

static unsigned int take(void)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;

	io_uring_for_each_cqe(&ring, head, cqe)
	{
		if (cqe->res < 0) {
			errno = -cqe->res;
			die("request");
		}
		n++;
	}
	io_uring_cq_advance(&ring, n);
	return n;
}

/* Half of what is under way is worth one visit to the kernel. */
static unsigned int pending, wanted = 1;

static unsigned int finish_round(void)
{
	unsigned int n;

	if (!pending)
		return 0;
	syscalls++;
	if (io_uring_submit_and_wait(&ring,
				     wanted < pending ? wanted : pending) < 0)
		die("io_uring_enter");
	n = take();
	pending -= n;
	return n;
}

static unsigned int uring_round(unsigned int n)
{
	pending += n;
	while (n--) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
		struct drm_vggaccel_uring_submit job = {
			.stream = stream.address,
			.stream_bytes = VGG_CMD_SIZE,
		};

		io_uring_prep_rw(IORING_OP_URING_CMD, sqe, card, NULL, 0, 0);
		sqe->cmd_op = DRM_VGGACCEL_URING_SUBMIT;
		memcpy(sqe->cmd, &job, sizeof(job));
	}
	return finish_round();
}

/*
 * The disk.
 */
static int disk, passthrough;
static char *sectors;

static void nvme_uring_begin(unsigned int depth)
{
	(void)depth;
	ring_begin(IORING_SETUP_SQE128 | IORING_SETUP_CQE32 |
		   IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
}

static unsigned int nvme_uring_round(unsigned int n)
{
	pending += n;
	while (n--) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
		struct nvme_uring_cmd cmd = {
			.opcode = 2, /* read */
			.nsid = 1,
			.addr = (uintptr_t)sectors + n * 512,
			.data_len = 512,
			.cdw10 = n,
		};

		io_uring_prep_rw(IORING_OP_URING_CMD, sqe, passthrough, NULL, 0,
				 0);
		sqe->cmd_op = NVME_URING_CMD_IO;
		memcpy(sqe->cmd, &cmd, sizeof(cmd));
	}
	return finish_round();
}

static unsigned int nvme_read_round(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		syscalls++;
		if (pread(disk, sectors, 512, i * 512) != 512)
			die("read");
	}
	return n;
}

static bool nvme_open(void)
{
	passthrough = open("/dev/ng0n1", O_RDWR | O_CLOEXEC);
	disk = open("/dev/nvme0n1", O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (passthrough < 0 || disk < 0)
		return false;
	sectors = aligned_alloc(4096, DEPTH_MAX * 512);
	return sectors;
}

static bool is_card(const char *node)
{
	char name[32] = "";
	struct drm_version version = { .name = name,
				       .name_len = sizeof(name) - 1 };
	int fd = open(node, O_RDWR | O_CLOEXEC);
	bool yes = fd >= 0 && !ioctl(fd, DRM_IOCTL_VERSION, &version) &&
		   !strcmp(name, DRM_VGGACCEL_NAME);

	if (fd >= 0)
		close(fd);
	return yes;
}

/* Other drivers may have nodes here, too. */
static const char *find_node(void)
{
	static const char *const forms[] = { "/dev/accel/accel%d",
					     "/dev/dri/renderD%d" };
	static char node[64];
	int i;

	for (i = 0; i < 192; i++) {
		snprintf(node, sizeof(node), i < 64 ? forms[0] : forms[1],
			 i < 64 ? i : i + 64);
		if (is_card(node))
			return node;
	}
	fprintf(stderr, "guest: no card here\n");
	exit(1);
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "card ioctl", "vggaccel", ioctl_begin, ioctl_round },
		{ "card io_uring", "vggaccel", uring_begin, uring_round },
		{ "nvme io_uring", "nvme", nvme_uring_begin, nvme_uring_round },
		{ "nvme read", "nvme", ioctl_begin, nvme_read_round },
	};
	static const unsigned int depths[] = { 1, 8, 64 };
	unsigned int jobs = argc > 1 ? (unsigned int)atoi(argv[1]) : 2000;
	unsigned int w, d, count = nvme_open() ? 4 : 2;

	card_open(find_node());
	counters_open();
	settle();
	for (d = 0; d < 3; d++) {
		wanted = depths[d] > 1 ? depths[d] / 2 : 1;
		for (w = 0; w < count; w++)
			if (ways[w].round != nvme_read_round || depths[d] == 1)
				measure(&ways[w], depths[d], jobs);
	}
	return 0;
}
