// SPDX-License-Identifier: MIT
/* See share.h. */
#include "share.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS (4 * SOON_MS)

/*
 * Processes.
 */
pid_t child_start(void (*fn)(void *), void *arg)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (pid)
		return pid;
	/* The test is over when its process is. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fn(arg);
	fflush(stdout);
	_exit(test_state.failed ? 1 : 0);
}

void child_end(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	EXPECT_EQ(status, 0);
}

void *shared_alloc(size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE((intptr_t)map, (intptr_t)MAP_FAILED);
	return map;
}

void shared_wait(const uint32_t *word, uint32_t value)
{
	int64_t until = now_ms() + WAIT_MS;
	useconds_t pause = 200;

	/* Many wait, on few processors: less and less often. */
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value) {
		ASSERT_LT(now_ms(), until);
		usleep(pause);
		pause = pause < 50000 ? 2 * pause : pause;
	}
}

void shared_set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

void fd_send(int socket, int fd)
{
	union control control = { .bytes = { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	ASSERT_EQ(sendmsg(socket, &m, 0), 1);
}

int fd_receive(int socket)
{
	union control control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c;
	int fd;

	ASSERT_EQ(recvmsg(socket, &m, 0), 1);
	c = CMSG_FIRSTHDR(&m);
	ASSERT_TRUE(c && c->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/*
 * The card and its files.
 */
void card_slow(unsigned int jobs, unsigned int ms)
{
	char text[64];

	snprintf(text, sizeof(text), "SLOW 0 %u %u", jobs, ms * 1000);
	card_inject(text);
}

void set_limit(int fd, uint64_t ms)
{
	struct drm_vggaccel_set a = {
		.size = sizeof(a),
		.param = DRM_VGGACCEL_SET_TIMEOUT_MS,
		.value = ms,
	};

	ASSERT_EQ(card_ioctl_(fd, DRM_IOCTL_VGGACCEL_SET, &a), 0);
}

/*
 * dma-bufs.
 */
int prime_export_(int fd, uint32_t handle)
{
	struct drm_prime_handle a = {
		.handle = handle,
		.flags = DRM_CLOEXEC | DRM_RDWR,
	};
	int err = card_ioctl_(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &a);

	return err ? err : a.fd;
}

int prime_export(const struct bo *bo)
{
	int fd = prime_export_(bo->fd, bo->handle);

	ASSERT_GE(fd, 0);
	return fd;
}

int prime_import_(int fd, int dmabuf, struct bo *bo)
{
	struct drm_prime_handle a = { .fd = dmabuf };
	struct drm_vggaccel_bo_info info = { .size = sizeof(info) };
	int err = card_ioctl_(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &a);
	void *map;

	if (err)
		return err;
	info.handle = a.handle;
	err = card_ioctl_(fd, DRM_IOCTL_VGGACCEL_BO_INFO, &info);
	if (err)
		return err;
	map = mmap(NULL, info.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   (off_t)info.mmap_offset);
	*bo = (struct bo){
		fd,	      a.handle,		info.bytes,
		info.address, info.mmap_offset, map == MAP_FAILED ? NULL : map
	};
	return 0;
}

struct bo prime_import(int fd, int dmabuf)
{
	struct bo bo;

	ASSERT_EQ(prime_import_(fd, dmabuf, &bo), 0);
	return bo;
}

int dmabuf_sync_(int dmabuf, uint64_t flags)
{
	struct dma_buf_sync a = { .flags = flags };
	int err;

	do {
		err = ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &a);
	} while (err && (errno == EINTR || errno == EAGAIN));
	return err ? -errno : 0;
}

/*
 * Streams and fences.
 */
struct stream filler(int fd, const struct bo *bo, uint8_t value)
{
	struct stream s = stream_begin(fd);

	stream_fill(&s, bo->address, (uint32_t)bo->bytes, value);
	stream_end(&s);
	return s;
}

struct stream copier(int fd, const struct bo *from, const struct bo *to)
{
	struct stream s = stream_begin(fd);

	stream_copy(
		&s, from->address, to->address,
		(uint32_t)(from->bytes < to->bytes ? from->bytes : to->bytes));
	stream_end(&s);
	return s;
}

void stream_timestamp(struct stream *s, uint64_t dst)
{
	struct vgg_hw_cmd_timestamp *c;

	stream_op(s, VGG_CMD_TIMESTAMP);
	c = (struct vgg_hw_cmd_timestamp *)(void *)(s->bo.map +
						    (s->count - 1) *
							    VGG_CMD_SIZE);
	c->dst = htole64(dst);
}

uint64_t timestamp_at(const struct bo *bo, unsigned int i)
{
	uint64_t t;

	memcpy(&t, bo->map + 8 * i, sizeof(t));
	return le64toh(t);
}

uint64_t submit_bo(int fd, const struct stream *s, uint32_t handle,
		   uint32_t access)
{
	struct drm_vggaccel_bo_ref ref = { handle, access };
	struct drm_vggaccel_submit a = submit_args(s);

	a.bo_count = 1;
	a.bos = (uintptr_t)&ref;
	ASSERT_EQ(submit_(fd, &a), 0);
	return a.seq;
}

int submit_fences_(int fd, const struct stream *s, struct drm_vggaccel_sync in,
		   struct drm_vggaccel_sync out, uint64_t *seq)
{
	struct drm_vggaccel_submit a = submit_args(s);
	int err;

	a.in_count = !!in.handle;
	a.in_syncs = (uintptr_t)&in;
	a.out_count = !!out.handle;
	a.out_syncs = (uintptr_t)&out;
	err = submit_(fd, &a);
	if (!err && seq)
		*seq = a.seq;
	return err;
}

uint32_t syncobj_of_file(int fd, int sync_file)
{
	struct drm_syncobj_handle a = {
		.handle = syncobj_create(fd),
		.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE,
		.fd = sync_file,
	};

	ASSERT_EQ(card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &a), 0);
	return a.handle;
}
