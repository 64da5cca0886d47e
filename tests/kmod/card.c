// SPDX-License-Identifier: MIT
/* See card.h. */
#include "card.h"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STREAM_ROOM (64 << 10)
#define WAIT_MS (4 * SOON_MS) /* for jobs of any length */

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int file_read_(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, all = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, text + all, size - 1 - (size_t)all)) > 0)
		all += n;
	text[all] = 0;
	close(fd);
	return n < 0 ? -errno : (int)all;
}

int file_write_(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* The first node of the driver: its device's driver link says so. */
static bool find_node(const char *class, const char *prefix, const char *dev,
		      char *node, char *sysfs)
{
	char path[512], link[512];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/%s", class);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		ssize_t n;

		if (strncmp(e->d_name, prefix, strlen(prefix)))
			continue;
		snprintf(path, sizeof(path),
			 "/sys/class/%s/%.64s/device/driver", class, e->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = 0;
		if (strcmp(strrchr(link, '/'), "/vggaccel"))
			continue;
		snprintf(node, 128, "/dev/%s/%.64s", dev, e->d_name);
		snprintf(path, sizeof(path), "/sys/class/%s/%.64s/device",
			 class, e->d_name);
		found = realpath(path, sysfs);
	}
	if (dir)
		closedir(dir);
	return found;
}

static char node[128], sysfs[PATH_MAX];

bool card_present(void)
{
	return find_node("accel", "accel", "accel", node, sysfs) ||
	       find_node("drm", "renderD", "dri", node, sysfs);
}

const char *card_node(void)
{
	if (!card_present())
		SKIP("no node of vggaccel here");
	return node;
}

const char *card_sysfs(const char *file)
{
	static char path[PATH_MAX + 64];

	card_node();
	snprintf(path, sizeof(path), "%s/%s", sysfs, file);
	return path;
}

const char *card_debugfs(const char *file)
{
	static char path[PATH_MAX + 64];

	card_node();
	snprintf(path, sizeof(path), "/sys/kernel/debug/vggaccel/%s/%s",
		 strrchr(sysfs, '/') + 1, file);
	if (access(path, F_OK))
		SKIP("no debugfs, or not root");
	return path;
}

long long card_stat(const char *name)
{
	char text[4096], want[64], *at;

	ASSERT_GT(file_read_(card_debugfs("stats"), text, sizeof(text)), 0);
	snprintf(want, sizeof(want), "\n%s=", name);
	/* The first line has none before it. */
	memmove(text + 1, text,
		strlen(text) < sizeof(text) - 1 ? strlen(text) + 1 :
						  sizeof(text) - 2);
	text[0] = '\n';
	at = strstr(text, want);
	ASSERT_TRUE(at);
	return strtoll(at + strlen(want), NULL, 0);
}

const char *card_irq_mode(void)
{
	static char text[4096];
	char *at;

	ASSERT_GT(file_read_(card_debugfs("stats"), text, sizeof(text)), 0);
	at = strstr(text, "irq_mode=");
	ASSERT_TRUE(at);
	at += strlen("irq_mode=");
	at[strcspn(at, "\n")] = 0;
	return at;
}

void card_inject(const char *text)
{
	ASSERT_EQ(file_write_(card_debugfs("inject"), text), 0);
}

void card_injected(void)
{
	int64_t until = now_ms() + SOON_MS;
	unsigned int left = 1;
	char text[16384], *at;

	while (left) {
		ASSERT_LT(now_ms(), until);
		ASSERT_GT(file_read_(card_debugfs("registers"), text,
				     sizeof(text)),
			  0);
		at = strstr(text, "INJECT_COUNT");
		ASSERT_TRUE(at && sscanf(at, "%*s 0x%x", &left) == 1);
		usleep(1000);
	}
}

void card_hurry(void)
{
	ASSERT_EQ(file_write_(card_sysfs("reset"), "1"), 0);
}

int card_open_(void)
{
	int fd = open(card_node(), O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int card_open(void)
{
	int fd = card_open_();

	ASSERT_GE(fd, 0);
	return fd;
}

int card_ioctl_(int fd, unsigned long request, void *arg)
{
	int err;

	do {
		err = ioctl(fd, request, arg);
	} while (err < 0 && (errno == EINTR || errno == EAGAIN) &&
		 request != DRM_IOCTL_VGGACCEL_SUBMIT);
	return err < 0 ? -errno : err;
}

struct drm_vggaccel_info card_info(int fd)
{
	struct drm_vggaccel_info info = { .size = sizeof(info) };

	ASSERT_EQ(card_ioctl_(fd, DRM_IOCTL_VGGACCEL_INFO, &info), 0);
	return info;
}

/*
 * Buffers.
 */
int bo_create_(int fd, uint64_t bytes, uint32_t flags, struct bo *bo)
{
	struct drm_vggaccel_bo_create a = {
		.size = sizeof(a),
		.bytes = bytes,
		.flags = flags,
	};
	int err = card_ioctl_(fd, DRM_IOCTL_VGGACCEL_BO_CREATE, &a);

	if (err)
		return err;
	*bo =
		(struct bo){ fd,	a.handle,      a.bytes,
			     a.address, a.mmap_offset, NULL };
	if (flags & DRM_VGGACCEL_BO_LOCAL)
		return 0;
	bo->map = mmap(NULL, bo->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       (off_t)bo->offset);
	if (bo->map == MAP_FAILED) {
		bo->map = NULL;
		return -errno;
	}
	return 0;
}

struct bo bo_create(int fd, uint64_t bytes, uint32_t flags)
{
	struct bo bo;

	ASSERT_EQ(bo_create_(fd, bytes, flags, &bo), 0);
	return bo;
}

void bo_close(struct bo *bo)
{
	struct drm_gem_close a = { .handle = bo->handle };

	if (bo->map)
		munmap(bo->map, bo->bytes);
	ASSERT_EQ(card_ioctl_(bo->fd, DRM_IOCTL_GEM_CLOSE, &a), 0);
	*bo = (struct bo){ .fd = -1 };
}

int bo_prep_(const struct bo *bo, uint32_t access, int64_t timeout_ms)
{
	struct drm_vggaccel_bo_prep a = {
		.size = sizeof(a),
		.handle = bo->handle,
		.access = access,
		.timeout_ns =
			timeout_ms ? (now_ms() + timeout_ms) * 1000000 : 0,
	};

	return card_ioctl_(bo->fd, DRM_IOCTL_VGGACCEL_BO_PREP, &a);
}

void bo_prep(const struct bo *bo, uint32_t access)
{
	ASSERT_EQ(bo_prep_(bo, access, WAIT_MS), 0);
}

void bo_fini(const struct bo *bo, uint32_t access)
{
	struct drm_vggaccel_bo_fini a = {
		.size = sizeof(a),
		.handle = bo->handle,
		.access = access,
	};

	ASSERT_EQ(card_ioctl_(bo->fd, DRM_IOCTL_VGGACCEL_BO_FINI, &a), 0);
}

void bo_fill(const struct bo *bo, uint8_t value)
{
	bo_prep(bo, DRM_VGGACCEL_ACCESS_WRITE);
	memset(bo->map, value, bo->bytes);
	bo_fini(bo, DRM_VGGACCEL_ACCESS_WRITE);
}

bool bo_is(const struct bo *bo, uint8_t value)
{
	uint64_t i;

	bo_prep(bo, DRM_VGGACCEL_ACCESS_READ);
	for (i = 0; i < bo->bytes; i++)
		if (bo->map[i] != value)
			break;
	if (i < bo->bytes)
		TH_LOG("byte %" PRIu64 " of %" PRIu64 " is %u, not %u", i,
		       bo->bytes, bo->map[i], value);
	bo_fini(bo, DRM_VGGACCEL_ACCESS_READ);
	return i == bo->bytes;
}

/*
 * Streams.
 */
struct stream stream_begin(int fd)
{
	struct stream s = { bo_create(fd, STREAM_ROOM, 0), 0 };

	bo_prep(&s.bo, DRM_VGGACCEL_ACCESS_WRITE);
	return s;
}

static void *command(struct stream *s, uint16_t opcode)
{
	struct vgg_hw_cmd_plain *c;

	ASSERT_LT((s->count + 1) * VGG_CMD_SIZE, s->bo.bytes + 1);
	c = (struct vgg_hw_cmd_plain *)(void *)(s->bo.map +
						s->count++ * VGG_CMD_SIZE);
	memset(c, 0, sizeof(*c));
	c->head.opcode = htole16(opcode);
	c->head.tag = htole32(s->count);
	return c;
}

void stream_op(struct stream *s, uint16_t opcode)
{
	command(s, opcode);
}

void stream_fill(struct stream *s, uint64_t dst, uint32_t bytes, uint8_t value)
{
	struct vgg_hw_cmd_fill *c = command(s, VGG_CMD_FILL);

	c->dst = htole64(dst);
	c->width = htole32(bytes);
	c->height = htole32(1);
	c->value = value;
}

void stream_copy(struct stream *s, uint64_t src, uint64_t dst, uint32_t bytes)
{
	struct vgg_hw_cmd_copy *c = command(s, VGG_CMD_COPY);

	c->src = htole64(src);
	c->dst = htole64(dst);
	c->width = htole32(bytes);
	c->height = htole32(1);
}

void stream_end(struct stream *s)
{
	command(s, VGG_CMD_END);
	bo_fini(&s->bo, DRM_VGGACCEL_ACCESS_WRITE);
}

/*
 * Submission and fences.
 */
struct drm_vggaccel_submit submit_args(const struct stream *s)
{
	return (struct drm_vggaccel_submit){
		.size = sizeof(struct drm_vggaccel_submit),
		.stream = s->bo.address,
		.stream_bytes = s->count * VGG_CMD_SIZE,
		.tag = 77,
	};
}

int submit_(int fd, struct drm_vggaccel_submit *args)
{
	int err;

	do {
		err = card_ioctl_(fd, DRM_IOCTL_VGGACCEL_SUBMIT, args);
	} while (err == -EINTR);
	return err;
}

uint64_t submit(int fd, const struct stream *s)
{
	struct drm_vggaccel_submit a = submit_args(s);

	ASSERT_EQ(submit_(fd, &a), 0);
	return a.seq;
}

uint64_t submit_out(int fd, const struct stream *s, uint32_t syncobj)
{
	struct drm_vggaccel_sync out = { .handle = syncobj };
	struct drm_vggaccel_submit a = submit_args(s);

	a.out_count = 1;
	a.out_syncs = (uintptr_t)&out;
	ASSERT_EQ(submit_(fd, &a), 0);
	return a.seq;
}

uint32_t syncobj_create(int fd)
{
	struct drm_syncobj_create a = { 0 };

	ASSERT_EQ(card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_CREATE, &a), 0);
	return a.handle;
}

void syncobj_destroy(int fd, uint32_t handle)
{
	struct drm_syncobj_destroy a = { .handle = handle };

	ASSERT_EQ(card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_DESTROY, &a), 0);
}

int syncobj_wait_(int fd, uint32_t handle, int64_t timeout_ms)
{
	struct drm_syncobj_wait a = {
		.handles = (uintptr_t)&handle,
		.count_handles = 1,
		.timeout_nsec = (now_ms() + timeout_ms) * 1000000,
	};

	return card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_WAIT, &a);
}

int syncobj_wait_point_(int fd, uint32_t handle, uint64_t point,
			int64_t timeout_ms)
{
	struct drm_syncobj_timeline_wait a = {
		.handles = (uintptr_t)&handle,
		.points = (uintptr_t)&point,
		.count_handles = 1,
		.timeout_nsec = (now_ms() + timeout_ms) * 1000000,
		.flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
	};

	return card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &a);
}

int sync_file_of(int fd, uint32_t handle)
{
	struct drm_syncobj_handle a = {
		.handle = handle,
		.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE,
		.fd = -1,
	};

	ASSERT_EQ(card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &a), 0);
	return a.fd;
}

int sync_file_status(int file)
{
	struct sync_file_info info = { 0 };

	ASSERT_EQ(ioctl(file, SYNC_IOC_FILE_INFO, &info), 0);
	return info.status;
}

/*
 * Results.
 */
/* The same for all files; asked for once, since INFO reads many registers. */
static unsigned int result_entries(int fd)
{
	static unsigned int entries;

	if (!entries)
		entries = card_info(fd).result_entries;
	return entries;
}

static size_t result_bytes(int fd)
{
	return result_entries(fd) * sizeof(struct drm_vggaccel_result);
}

const struct drm_vggaccel_result *results_map(int fd)
{
	void *map = mmap(NULL, result_bytes(fd), PROT_READ, MAP_SHARED, fd, 0);

	ASSERT_NE((intptr_t)map, (intptr_t)MAP_FAILED);
	return map;
}

struct drm_vggaccel_result result_wait(int fd, uint64_t seq, int timeout_ms)
{
	const struct drm_vggaccel_result *all = results_map(fd), *r;
	struct drm_vggaccel_result copy;
	int64_t until = now_ms() + timeout_ms;

	r = &all[seq % result_entries(fd)];
	while (__atomic_load_n(&r->seq, __ATOMIC_ACQUIRE) != seq &&
	       now_ms() < until)
		usleep(100);
	copy = *r;
	munmap((void *)(uintptr_t)all, result_bytes(fd));
	ASSERT_EQ(copy.seq, seq);
	return copy;
}

struct drm_vggaccel_result run(int fd, const struct stream *s)
{
	return result_wait(fd, submit(fd, s), WAIT_MS);
}

void run_known_job(int fd)
{
	static uint8_t value;
	struct bo from = bo_create(fd, 3 * VGG_PAGE_SIZE, 0);
	struct bo to = bo_create(fd, 3 * VGG_PAGE_SIZE, 0);
	struct stream s = stream_begin(fd);
	struct drm_vggaccel_result r;

	value = (uint8_t)(value * 5 + 17);
	stream_copy(&s, from.address, to.address, (uint32_t)to.bytes);
	stream_end(&s);
	bo_fill(&from, value);
	r = run(fd, &s);
	EXPECT_EQ(r.error, 0);
	EXPECT_EQ(r.status, (__u32)VGG_STATUS_OK);
	EXPECT_TRUE(bo_is(&to, value));
	bo_close(&s.bo);
	bo_close(&to);
	bo_close(&from);
}
