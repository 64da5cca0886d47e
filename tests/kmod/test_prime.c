// SPDX-License-Identifier: MIT
/*
 * Buffers that are shared: by two files of the card, by two processes, with
 * other drivers. Of those, udmabuf (memory of a process) and vgem (a driver
 * without a device, whose fences are signalled by hand) are enough to see both
 * directions.
 */
#include "share.h"

#include "drm_mode.h"

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE 4096u
#define BYTES (8 * PAGE)
#define READ DRM_VGGACCEL_ACCESS_READ
#define WRITE DRM_VGGACCEL_ACCESS_WRITE

FIXTURE(prime)
{
	int fd, other;
	struct bo bo;
};

FIXTURE_SETUP(prime)
{
	self->fd = card_open();
	self->other = card_open();
	self->bo = bo_create(self->fd, BYTES, 0);
}

FIXTURE_TEARDOWN(prime)
{
	run_known_job(self->fd);
	run_known_job(self->other);
	close(self->other);
	close(self->fd);
}

/* By a job of this file: `value` into the buffer; the buffer is `value`. */
static void card_fill(int fd, const struct bo *bo, uint8_t value)
{
	struct stream s = filler(fd, bo, value);

	EXPECT_EQ(run(fd, &s).error, 0);
	bo_close(&s.bo);
}

static bool card_sees(int fd, const struct bo *bo, uint8_t value)
{
	struct bo to = bo_create(fd, bo->bytes, 0);
	struct stream s = copier(fd, bo, &to);
	bool is;

	bo_fill(&to, (uint8_t)~value);
	EXPECT_EQ(run(fd, &s).error, 0);
	is = bo_is(&to, value);
	bo_close(&s.bo);
	bo_close(&to);
	return is;
}

TEST_F(prime, same_file_same_handle)
{
	int dmabuf = prime_export(&self->bo);
	struct bo again = prime_import(self->fd, dmabuf);

	EXPECT_EQ(again.handle, self->bo.handle);
	EXPECT_EQ(again.address, self->bo.address);
	EXPECT_EQ(again.bytes, self->bo.bytes);
	card_fill(self->fd, &self->bo, 0x41);
	EXPECT_TRUE(bo_is(&again, 0x41));
}

/* Both files' card and CPU see the same bytes. */
TEST_F(prime, other_file)
{
	struct bo theirs, gap = bo_create(self->other, 100 * PAGE, 0);
	int dmabuf = prime_export(&self->bo);

	theirs = prime_import(self->other, dmabuf);
	EXPECT_EQ(theirs.bytes, self->bo.bytes);
	EXPECT_NE(theirs.address, self->bo.address);
	EXPECT_NE(theirs.address, gap.address);
	bo_fill(&self->bo, 0x51);
	EXPECT_TRUE(card_sees(self->other, &theirs, 0x51));
	bo_fill(&theirs, 0x52);
	EXPECT_TRUE(card_sees(self->fd, &self->bo, 0x52));
	card_fill(self->fd, &self->bo, 0x53);
	EXPECT_TRUE(card_sees(self->other, &theirs, 0x53));
	EXPECT_TRUE(bo_is(&theirs, 0x53));
	card_fill(self->other, &theirs, 0x54);
	EXPECT_TRUE(bo_is(&self->bo, 0x54));
	EXPECT_TRUE(card_sees(self->fd, &self->bo, 0x54));
}

/* A buffer that the card may not write to stays that, whoever imports it. */
TEST_F(prime, readonly_stays_readonly)
{
	struct bo ro = bo_create(self->fd, PAGE, DRM_VGGACCEL_BO_READONLY);
	struct bo theirs = prime_import(self->other, prime_export(&ro));
	struct stream s = filler(self->other, &theirs, 1);
	struct drm_vggaccel_result r = run(self->other, &s);

	EXPECT_EQ(r.error, -EFAULT);
	EXPECT_EQ(r.status, (__u32)VGG_STATUS_WRITE);
	EXPECT_TRUE(bo_is(&ro, 0));
}

struct link {
	int sockets[2];
};

static void answer_in_child(void *arg)
{
	struct link *link = arg;
	int fd = card_open();
	struct bo gap = bo_create(fd, 33 * PAGE, 0), theirs;
	uint8_t byte;

	(void)gap;
	theirs = prime_import(fd, fd_receive(link->sockets[1]));
	EXPECT_TRUE(card_sees(fd, &theirs, 0x61));
	card_fill(fd, &theirs, 0x62);
	ASSERT_EQ(write(link->sockets[1], "", 1), 1);
	ASSERT_EQ(read(link->sockets[1], &byte, 1), 1);
	EXPECT_TRUE(bo_is(&theirs, 0x63));
}

TEST_F(prime, other_process)
{
	struct link link;
	uint8_t byte;
	pid_t pid;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, link.sockets), 0);
	pid = child_start(answer_in_child, &link);
	close(link.sockets[1]);
	card_fill(self->fd, &self->bo, 0x61);
	fd_send(link.sockets[0], prime_export(&self->bo));
	ASSERT_EQ(read(link.sockets[0], &byte, 1), 1);
	EXPECT_TRUE(card_sees(self->fd, &self->bo, 0x62));
	bo_fill(&self->bo, 0x63);
	ASSERT_EQ(write(link.sockets[0], "", 1), 1);
	child_end(pid);
}

/* Who has only the dma-buf maps that, and says when it reads and writes. */
TEST_F(prime, through_the_dmabuf)
{
	int dmabuf = prime_export(&self->bo);
	uint8_t *map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			    dmabuf, 0);

	ASSERT_NE((intptr_t)map, (intptr_t)MAP_FAILED);
	EXPECT_EQ(dmabuf_sync_(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE),
		  0);
	memset(map, 0x71, BYTES);
	EXPECT_EQ(dmabuf_sync_(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE),
		  0);
	EXPECT_TRUE(card_sees(self->fd, &self->bo, 0x71));
	card_fill(self->fd, &self->bo, 0x72);
	EXPECT_EQ(dmabuf_sync_(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ),
		  0);
	EXPECT_EQ(map[0], 0x72);
	EXPECT_EQ(map[BYTES - 1], 0x72);
	EXPECT_EQ(dmabuf_sync_(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ),
		  0);
	EXPECT_EQ(lseek(dmabuf, 0, SEEK_END), BYTES);
	munmap(map, BYTES);
}

/* DMA_BUF_IOCTL_SYNC waits for the jobs that named the buffer, as BO_PREP. */
TEST_F(prime, dmabuf_sync_waits)
{
	int dmabuf = prime_export(&self->bo);
	struct stream s = filler(self->fd, &self->bo, 0x73);
	int64_t begin = now_ms();

	card_slow(1, 400);
	submit_bo(self->fd, &s, self->bo.handle, WRITE);
	EXPECT_EQ(dmabuf_sync_(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ),
		  0);
	EXPECT_GE(now_ms() - begin, 350);
	EXPECT_EQ(self->bo.map[5], 0x73);
	EXPECT_EQ(dmabuf_sync_(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ),
		  0);
}

static short polled(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	ASSERT_GE(poll(&p, 1, timeout_ms), 0);
	return p.revents;
}

/* POLLIN: nobody writes to it; POLLOUT: nobody uses it at all. */
TEST_F(prime, poll)
{
	int dmabuf = prime_export(&self->bo);
	struct stream write = filler(self->fd, &self->bo, 1);
	struct bo to = bo_create(self->fd, BYTES, 0);
	struct stream read = copier(self->fd, &self->bo, &to);

	EXPECT_EQ(polled(dmabuf, POLLIN | POLLOUT, 0), POLLIN | POLLOUT);
	card_slow(1, SLOW_MS);
	submit_bo(self->fd, &write, self->bo.handle, WRITE);
	EXPECT_EQ(polled(dmabuf, POLLIN, 0), 0);
	EXPECT_EQ(polled(dmabuf, POLLOUT, 0), 0);
	card_hurry();
	EXPECT_EQ(polled(dmabuf, POLLIN, SOON_MS), POLLIN);
	card_slow(1, SLOW_MS);
	submit_bo(self->fd, &read, self->bo.handle, READ);
	EXPECT_EQ(polled(dmabuf, POLLIN, 0), POLLIN);
	EXPECT_EQ(polled(dmabuf, POLLOUT, 0), 0);
	card_hurry();
	EXPECT_EQ(polled(dmabuf, POLLOUT, SOON_MS), POLLOUT);
}

/*
 * In whatever order its parts are let go: handle, file, dma-buf, other handle,
 * other file, mapping. The bytes stay until the last.
 */
enum part { HANDLE, FILE_, DMABUF, THEIR_HANDLE, THEIR_FILE, PARTS };

static void let_go(enum part part, struct bo *bo, int dmabuf, struct bo *theirs)
{
	struct drm_gem_close a = { 0 };

	switch (part) {
	case HANDLE:
		a.handle = bo->handle;
		card_ioctl_(bo->fd, DRM_IOCTL_GEM_CLOSE, &a);
		break;
	case FILE_:
		munmap(bo->map, bo->bytes);
		close(bo->fd);
		bo->fd = -1;
		break;
	case DMABUF:
		close(dmabuf);
		break;
	case THEIR_HANDLE:
		a.handle = theirs->handle;
		card_ioctl_(theirs->fd, DRM_IOCTL_GEM_CLOSE, &a);
		break;
	case THEIR_FILE:
		munmap(theirs->map, theirs->bytes);
		close(theirs->fd);
		theirs->fd = -1;
		break;
	default:
		break;
	}
}

static void one_order(const enum part *order)
{
	struct bo bo = bo_create(card_open(), PAGE, 0), theirs;
	int dmabuf = prime_export(&bo), their_fd = card_open(), i;
	uint8_t *map;

	theirs = prime_import(their_fd, dmabuf);
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, 0);
	ASSERT_NE((intptr_t)map, (intptr_t)MAP_FAILED);
	memset(map, 0x81, PAGE);
	for (i = 0; i < PARTS; i++) {
		let_go(order[i], &bo, dmabuf, &theirs);
		EXPECT_EQ(map[i], 0x81);
	}
	EXPECT_EQ(map[PAGE - 1], 0x81);
	munmap(map, PAGE);
}

static void each_order(enum part *order, int n)
{
	int i;

	if (n == PARTS) {
		one_order(order);
		return;
	}
	for (i = n; i < PARTS; i++) {
		enum part was = order[n];

		order[n] = order[i];
		order[i] = was;
		each_order(order, n + 1);
		order[i] = order[n];
		order[n] = was;
	}
}

TEST_F(prime, every_order_of_letting_go)
{
	enum part order[PARTS] = { HANDLE, FILE_, DMABUF, THEIR_HANDLE,
				   THEIR_FILE };

	each_order(order, 0);
}

/* A dma-buf of a file that is gone still is a buffer for another one. */
TEST_F(prime, outlives_its_file)
{
	struct bo bo = bo_create(card_open(), BYTES, 0), theirs;
	int dmabuf = prime_export(&bo);

	card_fill(bo.fd, &bo, 0x91);
	munmap(bo.map, bo.bytes);
	close(bo.fd);
	theirs = prime_import(self->other, dmabuf);
	close(dmabuf);
	EXPECT_TRUE(card_sees(self->other, &theirs, 0x91));
	card_fill(self->other, &theirs, 0x92);
	EXPECT_TRUE(bo_is(&theirs, 0x92));
}

/* An import that is let go leaves the address space as it was. */
TEST_F(prime, import_again_and_again)
{
	int dmabuf = prime_export(&self->bo), i;
	uint64_t address = 0;

	for (i = 0; i < 200; i++) {
		struct bo theirs = prime_import(self->other, dmabuf);

		if (i)
			ASSERT_EQ(theirs.address, address);
		address = theirs.address;
		bo_close(&theirs);
	}
}

TEST_F(prime, local_memory_stays_here)
{
	struct bo local;

	if (!(card_info(self->fd).features & DRM_VGGACCEL_FEATURE_LOCAL))
		SKIP("no on-board memory on this card");
	local = bo_create(self->fd, PAGE, DRM_VGGACCEL_BO_LOCAL);
	EXPECT_EQ(prime_export_(self->fd, local.handle), -EOPNOTSUPP);
}

TEST_F(prime, nonsense)
{
	struct bo bo;
	int pipes[2], file = open("/proc/self/exe", O_RDONLY);

	ASSERT_EQ(pipe(pipes), 0);
	EXPECT_LT(prime_import_(self->fd, pipes[0], &bo), 0);
	EXPECT_LT(prime_import_(self->fd, file, &bo), 0);
	EXPECT_LT(prime_import_(self->fd, self->fd, &bo), 0);
}

/*
 * Memory of a process, made a dma-buf by udmabuf.
 */

static int udmabuf_create(size_t bytes, uint8_t **map)
{
	int memfd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	struct udmabuf_create a = { .memfd = (uint32_t)memfd, .size = bytes };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd;

	if (dev < 0)
		SKIP("no /dev/udmabuf in this kernel");
	ASSERT_EQ(ftruncate(memfd, (off_t)bytes), 0);
	ASSERT_EQ(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	*map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	ASSERT_NE((intptr_t)*map, (intptr_t)MAP_FAILED);
	fd = ioctl(dev, UDMABUF_CREATE, &a);
	ASSERT_GE(fd, 0);
	close(dev);
	close(memfd);
	return fd;
}

TEST_F(prime, memory_of_a_process)
{
	uint8_t *memory;
	int dmabuf;
	struct bo bo;

	dmabuf = udmabuf_create(BYTES, &memory);
	bo = prime_import(self->fd, dmabuf);
	EXPECT_EQ(bo.bytes, BYTES);
	ASSERT_TRUE(bo.map);
	bo_prep(&bo, WRITE);
	memset(memory, 0xa1, BYTES);
	bo_fini(&bo, WRITE);
	EXPECT_TRUE(card_sees(self->fd, &bo, 0xa1));
	EXPECT_EQ(bo.map[BYTES - 1], 0xa1);
	card_fill(self->fd, &bo, 0xa2);
	bo_prep(&bo, READ);
	EXPECT_EQ(memory[0], 0xa2);
	EXPECT_EQ(memory[BYTES - 1], 0xa2);
	bo_fini(&bo, READ);
	bo_close(&bo);
	close(dmabuf);
	EXPECT_EQ(memory[BYTES - 1], 0xa2);
}

/*
 * vgem: a buffer of its driver, and a fence in ours.
 */
struct vgem_attach {
	uint32_t handle, flags, out_fence, pad;
};
struct vgem_signal {
	uint32_t fence, flags;
};
#define VGEM_ATTACH DRM_IOWR(DRM_COMMAND_BASE + 1, struct vgem_attach)
#define VGEM_SIGNAL DRM_IOW(DRM_COMMAND_BASE + 2, struct vgem_signal)
#define VGEM_WRITES 1

/* A primary node: only that makes buffers. */
static int vgem_open(void)
{
	char path[64], name[16];
	int i, fd;

	for (i = 0; i < 16; i++) {
		struct drm_version v = { .name = name,
					 .name_len = sizeof(name) };

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		memset(name, 0, sizeof(name));
		if (!ioctl(fd, DRM_IOCTL_VERSION, &v) &&
		    !strncmp(name, "vgem", 4))
			return fd;
		close(fd);
	}
	SKIP("vgem is not loaded");
}

TEST_F(prime, buffer_of_vgem)
{
	int vgem = vgem_open(), dmabuf;
	struct drm_mode_create_dumb dumb = { .width = BYTES / 4,
					     .height = 1,
					     .bpp = 32 };
	struct drm_prime_handle out = { .flags = DRM_CLOEXEC | DRM_RDWR };
	struct bo bo;
	uint8_t *map;

	ASSERT_EQ(card_ioctl_(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb), 0);
	out.handle = dumb.handle;
	ASSERT_EQ(card_ioctl_(vgem, DRM_IOCTL_PRIME_HANDLE_TO_FD, &out), 0);
	dmabuf = out.fd;
	map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, 0);
	ASSERT_NE((intptr_t)map, (intptr_t)MAP_FAILED);
	bo = prime_import(self->fd, dmabuf);
	bo_prep(&bo, WRITE);
	memset(map, 0xb1, BYTES);
	bo_fini(&bo, WRITE);
	EXPECT_TRUE(card_sees(self->fd, &bo, 0xb1));
	bo_close(&bo);
	bo = prime_import(self->fd, dmabuf);
	card_fill(self->fd, &bo, 0xb2);
	bo_prep(&bo, READ);
	bo_close(&bo);
	EXPECT_EQ(map[0], 0xb2);
	EXPECT_EQ(map[BYTES - 1], 0xb2);
}

/* Jobs and CPU wait for another driver's fence in our buffer. */
TEST_F(prime, fence_of_vgem)
{
	int vgem = vgem_open();
	struct drm_prime_handle in = { .fd = prime_export(&self->bo) };
	struct vgem_attach attach = { .flags = VGEM_WRITES };
	struct vgem_signal fire = { 0 };
	struct stream s = filler(self->fd, &self->bo, 0xb3);
	uint64_t seq;

	ASSERT_EQ(card_ioctl_(vgem, DRM_IOCTL_PRIME_FD_TO_HANDLE, &in), 0);
	attach.handle = in.handle;
	ASSERT_EQ(card_ioctl_(vgem, VGEM_ATTACH, &attach), 0);
	EXPECT_EQ(bo_prep_(&self->bo, READ, 0), -EBUSY);
	EXPECT_EQ(bo_prep_(&self->bo, READ, 20), -ETIMEDOUT);
	seq = submit_bo(self->fd, &s, self->bo.handle, WRITE);
	usleep(100000);
	EXPECT_EQ(self->bo.map[0], 0);
	/* Jobs of other files go on. */
	run_known_job(self->other);
	fire.fence = attach.out_fence;
	ASSERT_EQ(card_ioctl_(vgem, VGEM_SIGNAL, &fire), 0);
	EXPECT_EQ(result_wait(self->fd, seq, SOON_MS).error, 0);
	EXPECT_TRUE(bo_is(&self->bo, 0xb3));
}

/* The file goes while its job waits for a fence that is nowhere near. */
TEST_F(prime, closed_while_a_job_waits)
{
	int vgem = vgem_open(), fd = card_open(), file;
	struct bo bo = bo_create(fd, PAGE, 0);
	struct drm_prime_handle in = { .fd = prime_export(&bo) };
	struct vgem_attach attach = { .flags = VGEM_WRITES };
	uint32_t out = syncobj_create(fd);
	struct stream s = filler(fd, &bo, 1);
	struct drm_vggaccel_bo_ref ref = { bo.handle, WRITE };
	struct drm_vggaccel_sync sync = { .handle = out };
	struct drm_vggaccel_submit a = submit_args(&s);
	uint8_t *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, in.fd, 0);

	ASSERT_NE((intptr_t)map, (intptr_t)MAP_FAILED);
	ASSERT_EQ(card_ioctl_(vgem, DRM_IOCTL_PRIME_FD_TO_HANDLE, &in), 0);
	attach.handle = in.handle;
	ASSERT_EQ(card_ioctl_(vgem, VGEM_ATTACH, &attach), 0);
	a.bo_count = 1;
	a.bos = (uintptr_t)&ref;
	a.out_count = 1;
	a.out_syncs = (uintptr_t)&sync;
	ASSERT_EQ(submit_(fd, &a), 0);
	file = sync_file_of(fd, out);
	EXPECT_EQ(sync_file_status(file), 0);
	munmap(bo.map, bo.bytes);
	munmap(s.bo.map, s.bo.bytes);
	close(fd);
	/* vgem itself gives its fence up after ten seconds. */
	EXPECT_EQ(polled(file, POLLIN, 9000), POLLIN);
	EXPECT_EQ(sync_file_status(file), -ECANCELED);
	EXPECT_EQ(map[0], 0);
}
TEST_HARNESS_MAIN
