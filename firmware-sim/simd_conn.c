// SPDX-License-Identifier: MIT
/*
 * Messages on the socket. A header is read alone, because file descriptors
 * come with the first byte of their message; reading on could bring those of
 * the next one.
 *
 * The socket has timeouts for both directions (simd_listen.c): a client that
 * stops in the middle of a message, or doesn't take its replies, is gone.
 */
#include "simd_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

void simd_conn_close_fds(struct simd_message *m)
{
	while (m->fd_count)
		close(m->fds[--m->fd_count]);
}

static void take_fds(struct simd_message *m, struct msghdr *msg)
{
	struct cmsghdr *c;
	size_t n, i;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (m->fd_count < SIMD_FDS)
				m->fds[m->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

/* Like recv(), and takes file descriptors. */
static ssize_t receive_some(int fd, struct simd_message *m, void *to,
			    size_t len)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(SIMD_FDS * sizeof(int))];
	} control;
	struct iovec iov = { to, len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

	if (n >= 0)
		take_fds(m, &msg);
	if (n >= 0 && (msg.msg_flags & MSG_CTRUNC)) {
		errno = EPROTO;
		return -1;
	}
	return n;
}

/* All of it; -EPROTO if the message ends or stops in between. */
static int receive_all(int fd, struct simd_message *m, void *to, size_t len,
		       bool started)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = receive_some(fd, m, (uint8_t *)to + got, len - got);
		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (got || started)
			return -EPROTO;
		/* Between two messages there is no hurry. */
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			continue;
		return n < 0 && errno == EPROTO ? -EPROTO : -EPIPE;
	}
	return 0;
}

static bool wait_for_bytes(int fd, int64_t ns)
{
	struct pollfd p = { fd, POLLIN, 0 };
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	return ppoll(&p, 1, &t, NULL) > 0;
}

int simd_conn_receive(struct simd_conn *conn, struct simd_message *m,
		      int64_t ns)
{
	int err;

	m->fd_count = 0;
	if (ns >= 0 && !wait_for_bytes(conn->fd, ns))
		return -EAGAIN;
	err = receive_all(conn->fd, m, &m->head, sizeof(m->head), false);
	if (!err && (m->head.size < sizeof(m->head) ||
		     m->head.size - sizeof(m->head) > SIMD_BODY_MAX))
		err = -EPROTO;
	if (!err) {
		m->len = m->head.size - (uint32_t)sizeof(m->head);
		err = receive_all(conn->fd, m, m->body, m->len, true);
	}
	if (err)
		simd_conn_close_fds(m);
	return err;
}

static int send_all(int fd, struct iovec *iov, int count)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)count };
	ssize_t n;

	while (msg.msg_iovlen) {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -EPIPE;
		while (msg.msg_iovlen && (size_t)n >= msg.msg_iov->iov_len) {
			n -= (ssize_t)msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (msg.msg_iovlen) {
			msg.msg_iov->iov_base =
				(uint8_t *)msg.msg_iov->iov_base + n;
			msg.msg_iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

int simd_conn_send(struct simd_conn *conn, const struct vfu_header *head,
		   const void *body, size_t len, const void *more,
		   size_t more_len)
{
	struct iovec iov[3] = {
		{ (void *)(uintptr_t)head, sizeof(*head) },
		{ (void *)(uintptr_t)body, len },
		{ (void *)(uintptr_t)more, more_len },
	};
	int err;

	pthread_mutex_lock(&conn->lock);
	err = send_all(conn->fd, iov, 3);
	pthread_mutex_unlock(&conn->lock);
	/* Half a message may be out; nothing that follows would make sense. */
	if (err)
		shutdown(conn->fd, SHUT_RDWR);
	return err;
}

int simd_conn_reply(struct simd_conn *conn, const struct vfu_header *request,
		    const void *body, size_t len, const void *more,
		    size_t more_len)
{
	struct vfu_header head = {
		.id = request->id,
		.command = request->command,
		.size = (uint32_t)(sizeof(head) + len + more_len),
		.flags = VFU_F_REPLY,
	};

	if (request->flags & VFU_F_NO_REPLY)
		return 0;
	return simd_conn_send(conn, &head, body, len, more, more_len);
}

int simd_conn_refuse(struct simd_conn *conn, const struct vfu_header *request,
		     int error)
{
	struct vfu_header head = {
		.id = request->id,
		.command = request->command,
		.size = sizeof(head),
		.flags = VFU_F_REPLY | VFU_F_ERROR,
		.error = (uint32_t)error,
	};

	if (request->flags & VFU_F_NO_REPLY)
		return 0;
	return simd_conn_send(conn, &head, NULL, 0, NULL, 0);
}
