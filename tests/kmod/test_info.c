// SPDX-License-Identifier: MIT
/*
 * What the driver tells: INFO, fdinfo, debugfs, tracepoints, the ring of
 * results. Tools read these, so names and meanings stay.
 */
#include "share.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#define PAGE 4096u

FIXTURE(info)
{
	int fd;
	struct bo bo;
	struct stream s;
};

FIXTURE_SETUP(info)
{
	self->fd = card_open();
	self->bo = bo_create(self->fd, 64 * PAGE, 0);
	self->s = filler(self->fd, &self->bo, 1);
}

FIXTURE_TEARDOWN(info)
{
	run_known_job(self->fd);
	close(self->fd);
}

TEST_F(info, says_what_the_card_is)
{
	struct drm_vggaccel_info i = card_info(self->fd);

	EXPECT_EQ(i.id[VGG_REG_MAGIC / 4], (__u32)VGG_REG_MAGIC_VALUE);
	EXPECT_EQ(i.id[VGG_REG_HW_VERSION / 4] >> 16,
		  (__u32)VGG_HW_VERSION_VALUE >> 16);
	EXPECT_EQ(i.local_bytes, (uint64_t)i.id[VGG_REG_CAP_LOCAL / 4] << 20);
	EXPECT_EQ(!!(i.features & DRM_VGGACCEL_FEATURE_LOCAL),
		  i.local_bytes > 0);
	EXPECT_EQ(!!(i.features & DRM_VGGACCEL_FEATURE_SIMULATED),
		  !!(i.id[VGG_REG_CAPS / 4] & VGG_CAP_SIMULATED));
	EXPECT_GE(i.context, 1u);
	EXPECT_LT(i.context, i.id[VGG_REG_CAP_LIMITS / 4] & 0xffff);
	EXPECT_LE(i.local_free, i.local_bytes);
	EXPECT_LT(i.va_begin, i.va_end);
	EXPECT_LE(i.va_end, 1ull << VGG_VA_BITS);
	EXPECT_LE(i.irq_mode, (__u32)DRM_VGGACCEL_IRQ_MSI);
	EXPECT_EQ(i.result_entries & (i.result_entries - 1), 0u);
	EXPECT_LE(2 * i.queue_depth, i.result_entries);
	EXPECT_GT(i.temperature, 0u);
}

TEST_F(info, says_how_interrupts_come)
{
	static const char *const modes[] = { "poll", "intx", "msi" };
	const char *mode = getenv("VGG_MODE");
	char text[4096], want[64];

	ASSERT_GT(file_read_(card_debugfs("stats"), text, sizeof(text)), 0);
	snprintf(want, sizeof(want), "irq_mode=%s\n",
		 modes[card_info(self->fd).irq_mode]);
	EXPECT_CONTAINS(text, want);
	/* A guest that fell back to another kind would test that twice. */
	if (mode)
		EXPECT_STREQ(card_irq_mode(),
			     strcmp(mode, "noncoherent") ? mode : "msi");
	if (mode && !strcmp(mode, "noncoherent"))
		EXPECT_FALSE(card_info(self->fd).features &
			     DRM_VGGACCEL_FEATURE_COHERENT);
}

TEST_F(info, counters_grow)
{
	struct drm_vggaccel_info a = card_info(self->fd), b;
	struct drm_vggaccel_result r = run(self->fd, &self->s);

	EXPECT_EQ(r.error, 0);
	b = card_info(self->fd);
	EXPECT_EQ(b.jobs, a.jobs + 1);
	EXPECT_GE(b.cycles, a.cycles + r.cycles);
	EXPECT_GT(b.dma_busy, a.dma_busy);
	EXPECT_EQ(b.mac_busy, a.mac_busy);
	EXPECT_GE(b.link_bytes, a.link_bytes + self->bo.bytes);
}

TEST_F(info, local_free)
{
	struct drm_vggaccel_info a = card_info(self->fd);
	struct bo bo;

	if (!a.local_bytes)
		SKIP("no on-board memory on this card");
	bo = bo_create(self->fd, 5 * PAGE, DRM_VGGACCEL_BO_LOCAL);
	EXPECT_EQ(card_info(self->fd).local_free, a.local_free - bo.bytes);
	bo_close(&bo);
	EXPECT_EQ(card_info(self->fd).local_free, a.local_free);
}

TEST_F(info, time_limit)
{
	set_limit(self->fd, 1234);
	EXPECT_EQ(card_info(self->fd).timeout_ms, 1234u);
	EXPECT_NE(card_info(card_open()).timeout_ms, 1234u);
}

/*
 * fdinfo, as tools like gputop read it: "key: number unit".
 */
static bool fdinfo_number(int fd, const char *key, uint64_t *value)
{
	char path[64], text[4096], *line;
	size_t n = strlen(key);

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	ASSERT_GT(file_read_(path, text, sizeof(text)), 0);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, key, n) && line[n] == ':') {
			*value = strtoull(line + n + 1, NULL, 10);
			return true;
		}
	TH_LOG("fdinfo has no %s", key);
	return false;
}

static uint64_t fdinfo(int fd, const char *key)
{
	uint64_t value = 0;

	EXPECT_TRUE(fdinfo_number(fd, key, &value));
	return value;
}

TEST_F(info, fdinfo)
{
	uint64_t khz = card_info(self->fd).id[VGG_REG_CAP_CLOCK / 4];
	char path[64], text[4096];
	uint64_t ns, cycles, jobs;
	struct drm_vggaccel_result r;
	struct bo bo;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	ASSERT_GT(file_read_(path, text, sizeof(text)), 0);
	EXPECT_CONTAINS(text, "drm-driver:\tvggaccel\n");
	ns = fdinfo(self->fd, "drm-engine-vgg");
	cycles = fdinfo(self->fd, "drm-cycles-vgg");
	jobs = fdinfo(self->fd, "vggaccel-jobs");
	r = run(self->fd, &self->s);
	EXPECT_EQ(fdinfo(self->fd, "drm-cycles-vgg"), cycles + r.cycles);
	EXPECT_EQ(fdinfo(self->fd, "vggaccel-jobs"), jobs + 1);
	EXPECT_EQ(fdinfo(self->fd, "drm-maxfreq-vgg"), khz * 1000);
	EXPECT_NEAR((double)(fdinfo(self->fd, "drm-engine-vgg") - ns),
		    (double)r.cycles * 1e6 / (double)khz, 2.0);
	EXPECT_EQ(fdinfo(self->fd, "drm-total-memory") * 1024,
		  self->bo.bytes + self->s.bo.bytes);
	bo = bo_create(self->fd, 3 * PAGE, 0);
	EXPECT_EQ(fdinfo(self->fd, "drm-total-memory") * 1024,
		  self->bo.bytes + self->s.bo.bytes + bo.bytes);
	/* Another file's is its own. */
	EXPECT_EQ(fdinfo(card_open(), "vggaccel-jobs"), 0u);
}

/*
 * debugfs
 */
TEST_F(info, debugfs_registers)
{
	static const char *const names[] = {
#define NAME(name, offset, reset, ro, w1c, text) #name,
		VGG_HW_REGS(NAME)
#undef NAME
	};
	static char text[16384];
	size_t i;

	ASSERT_GT(file_read_(card_debugfs("registers"), text, sizeof(text)), 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		EXPECT_CONTAINS(text, names[i]);
	EXPECT_CONTAINS(text, "0x0000 MAGIC          0x41474756\n");
}

TEST_F(info, debugfs_rings_and_contexts)
{
	static char text[65536];
	char want[96], comm[32];
	uint64_t seq;

	ASSERT_GT(file_read_("/proc/self/comm", comm, sizeof(comm)), 0);
	comm[strcspn(comm, "\n")] = 0;
	card_slow(1, SLOW_MS);
	seq = submit(self->fd, &self->s);
	card_injected();
	ASSERT_GT(file_read_(card_debugfs("rings"), text, sizeof(text)), 0);
	snprintf(want, sizeof(want), "job ctx=%u seq=%" PRIu64 " ",
		 card_info(self->fd).context, seq);
	EXPECT_CONTAINS(text, want);
	EXPECT_CONTAINS(text, "ring entries=");
	ASSERT_GT(file_read_(card_debugfs("contexts"), text, sizeof(text)), 0);
	snprintf(want, sizeof(want), "ctx=%u pid=%d comm=%s ",
		 card_info(self->fd).context, (int)getpid(), comm);
	EXPECT_CONTAINS(text, want);
	card_hurry();
	EXPECT_EQ(result_wait(self->fd, seq, SOON_MS).error, 0);
}

TEST_F(info, debugfs_stats)
{
	long long jobs = card_stat("jobs"), failed = card_stat("failed");
	long long strays = card_stat("strays");
	struct stream bad = stream_begin(self->fd);

	stream_op(&bad, 99);
	stream_end(&bad);
	EXPECT_EQ(run(self->fd, &self->s).error, 0);
	EXPECT_EQ(run(self->fd, &bad).error, -EINVAL);
	EXPECT_EQ(card_stat("jobs"), jobs + 2);
	EXPECT_EQ(card_stat("failed"), failed + 1);
	EXPECT_GT(card_stat("doorbells"), 0);
	EXPECT_EQ(card_stat("strays"), strays);
	EXPECT_EQ(card_stat("gone"), 0);
}

TEST_F(info, debugfs_inject_refuses_nonsense)
{
	const char *path = card_debugfs("inject");

	EXPECT_EQ(file_write_(path, "NOT_A_FAULT"), -EINVAL);
	EXPECT_EQ(file_write_(path, " "), -EINVAL);
	EXPECT_EQ(file_write_(path, "NONE"), 0);
}

/*
 * The ring of results.
 */
TEST_F(info, results_are_read_only)
{
	size_t bytes = card_info(self->fd).result_entries *
		       sizeof(struct drm_vggaccel_result);
	void *map;

	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd,
		   0);
	EXPECT_EQ((intptr_t)map, (intptr_t)MAP_FAILED);
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd,
		   0);
	EXPECT_EQ((intptr_t)map, (intptr_t)MAP_FAILED);
	map = mmap(NULL, bytes + PAGE, PROT_READ, MAP_SHARED, self->fd, 0);
	EXPECT_EQ((intptr_t)map, (intptr_t)MAP_FAILED);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE((intptr_t)map, (intptr_t)MAP_FAILED);
	EXPECT_EQ(mprotect(map, bytes, PROT_READ | PROT_WRITE), -1);
	EXPECT_EQ(errno, EACCES);
	/* A part of it is fine. */
	EXPECT_EQ(munmap((uint8_t *)map + PAGE, PAGE), 0);
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0);
	EXPECT_NE((intptr_t)map, (intptr_t)MAP_FAILED);
}

/* Nobody else's results, and all of the own ones while they last. */
TEST_F(info, results_of_this_file)
{
	const struct drm_vggaccel_result *r = results_map(self->fd);
	uint32_t entries = card_info(self->fd).result_entries, i;
	int other = card_open();
	uint64_t seq = 0;

	for (i = 0; i < entries; i++)
		EXPECT_EQ(r[i].seq, 0u);
	run_known_job(other);
	EXPECT_EQ(r[1].seq, 0u);
	for (i = 0; i < entries + 5; i++)
		seq = submit(self->fd, &self->s);
	result_wait(self->fd, seq, SOON_MS);
	for (i = 0; i < entries; i++, seq--) {
		const struct drm_vggaccel_result *at = &r[seq % entries];

		ASSERT_EQ(at->seq, seq);
		EXPECT_EQ(at->tag, 77u);
		EXPECT_EQ(at->reserved, 0u);
		EXPECT_EQ(at->reserved1[0] | at->reserved1[1] |
				  at->reserved1[2],
			  0u);
	}
	close(other);
}

/*
 * Tracepoints
 */
static const char *tracing(const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/tracing/%s", file);
	if (access(path, F_OK))
		mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	if (access(path, F_OK))
		SKIP("no tracefs, or not root");
	return path;
}

/* Where an event of this job stands in the text. */
static const char *event(const char *text, const char *name, uint32_t ctx,
			 uint64_t seq)
{
	char want[96];
	const char *at = text;

	snprintf(want, sizeof(want), " ctx=%u seq=%" PRIu64 " ", ctx, seq);
	while ((at = strstr(at, name))) {
		const char *end = strchr(at, '\n');
		const char *hit = strstr(at, want);

		if (end && hit && hit < end)
			return at;
		at++;
	}
	TH_LOG("no %s%s", name, want);
	return NULL;
}

/*
 * A job and all that is told of it: its interrupt may be traced after its result
 * is seen. An interrupt that comes late on a busy machine counts as lost, and
 * isn't the one that tells of the job: then it is tried again.
 */
static struct drm_vggaccel_result trace_one(struct fixture_info *self,
					    char *text, size_t size)
{
	bool polls = card_info(self->fd).irq_mode == DRM_VGGACCEL_IRQ_POLL;
	int64_t until = now_ms() + SOON_MS;
	struct drm_vggaccel_result r;
	long long lost;
	char *at;

	do {
		lost = card_stat("lost_irqs");
		close(open(tracing("trace"), O_WRONLY | O_TRUNC));
		r = run(self->fd, &self->s);
		do {
			usleep(1000);
			ASSERT_GT(file_read_(tracing("trace"), text, size), 0);
			at = strstr(text, "vgg_complete: ");
		} while (!(at && (polls || strstr(at, "vgg_irq: "))) &&
			 card_stat("lost_irqs") == lost && now_ms() < until);
	} while (card_stat("lost_irqs") != lost && now_ms() < until);
	return r;
}

TEST_F(info, tracepoints)
{
	static char text[1 << 18];
	uint32_t ctx = card_info(self->fd).context;
	const char *submitted, *started, *irq, *completed;
	struct drm_vggaccel_result r;
	char want[96];

	tracing("trace");
	ASSERT_EQ(file_write_(tracing("events/vggaccel/enable"), "1"), 0);
	ASSERT_EQ(file_write_(tracing("tracing_on"), "1"), 0);
	r = trace_one(self, text, sizeof(text));
	file_write_(tracing("events/vggaccel/enable"), "0");
	submitted = event(text, "vgg_submit: ", ctx, r.seq);
	started = event(text, "vgg_start: ", ctx, r.seq);
	completed = event(text, "vgg_complete: ", ctx, r.seq);
	ASSERT_TRUE(submitted && started && completed);
	EXPECT_TRUE(submitted < started);
	EXPECT_TRUE(started < completed);
	snprintf(want, sizeof(want), "status=0x00 error=0 cycles=%" PRIu64 "\n",
		 (uint64_t)r.cycles);
	EXPECT_CONTAINS(completed, want);
	if (card_info(self->fd).irq_mode == DRM_VGGACCEL_IRQ_POLL)
		return;
	irq = strstr(completed, "vgg_irq: ");
	ASSERT_TRUE(irq);
	EXPECT_CONTAINS(irq, "completions=1\n");
}
TEST_HARNESS_MAIN
