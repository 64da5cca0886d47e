// SPDX-License-Identifier: MIT
/*
 * The daemon's socket and its signals. A thread waits for the signals, so that
 * the others can block in system calls: it ends them by shutting down what
 * they wait for.
 */
#include "simd_internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define STALL_S 5 /* in the middle of a message */

static pthread_mutex_t current_lock;
static struct simd *current;
static bool ending;
/* For the handler of SIGBUS, which can take no lock. */
static atomic_int current_fd = -1;
static atomic_bool cut_off;

/*
 * A client may cut off a file after lending it. The page gets memory of nobody
 * and the client is dropped.
 */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;
	int fd = atomic_load(&current_fd);

	(void)context;
	at &= ~(uintptr_t)(VGG_PAGE_SIZE - 1);
	if (fd < 0 || info->si_code != BUS_ADRERR ||
	    !simd_dma_patch((void *)at)) {
		/* It is ours, then; it comes again and kills. */
		signal(number, SIG_DFL);
		return;
	}
	atomic_store(&cut_off, true);
	shutdown(fd, SHUT_RDWR);
}

bool simd_was_cut_off(void)
{
	return atomic_exchange(&cut_off, false);
}

void simd_set_current(struct simd *s)
{
	pthread_mutex_lock(&current_lock);
	current = s;
	atomic_store(&current_fd, s ? s->conn.fd : -1);
	if (s && ending)
		shutdown(s->conn.fd, SHUT_RDWR);
	pthread_mutex_unlock(&current_lock);
}

static void show_stats(void)
{
	pthread_mutex_lock(&current_lock);
	if (current)
		simd_log_stats(&current->log, "signal");
	else
		fprintf(stderr, "vggsimd: no client\n");
	pthread_mutex_unlock(&current_lock);
}

static void end(struct simd_listener *l)
{
	pthread_mutex_lock(&current_lock);
	ending = true;
	shutdown(l->fd, SHUT_RDWR);
	if (current)
		shutdown(current->conn.fd, SHUT_RDWR);
	pthread_mutex_unlock(&current_lock);
}

static void our_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1);
}

static void *wait_for_signals(void *arg)
{
	sigset_t set;
	int number;

	our_signals(&set);
	for (;;) {
		if (sigwait(&set, &number))
			continue;
		if (number == SIGUSR1)
			show_stats();
		else
			end(arg);
	}
	return NULL;
}

static int start_signals(struct simd_listener *l)
{
	struct sigaction action = { .sa_sigaction = on_bus_error,
				    .sa_flags = SA_SIGINFO };
	sigset_t set;

	pthread_mutex_init(&current_lock, NULL);
	our_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGBUS, &action, NULL);
	return -pthread_create(&l->signals, NULL, wait_for_signals, l);
}

/* 0: nobody listens there; -EADDRINUSE; -errno. */
static int probe(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = connect(fd, (const void *)address, sizeof(*address)) ? errno : 0;
	close(fd);
	if (!err || err == EAGAIN)
		return -EADDRINUSE;
	return err == ECONNREFUSED || err == ENOENT ? 0 : -err;
}

/* What a daemon that was killed has left behind goes; nothing else does. */
static int make_way(const struct sockaddr_un *address)
{
	struct stat st;
	int err;

	if (lstat(address->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	err = probe(address);
	if (!err && unlink(address->sun_path) && errno != ENOENT)
		err = -errno;
	return err;
}

static const char *advice(int err)
{
	switch (err) {
	case -EEXIST:
		return "it is there and is no socket; choose another path";
	case -EADDRINUSE:
		return "another daemon serves it; stop that one or choose "
		       "another path";
	default:
		return strerror(-err);
	}
}

static int bind_to(struct simd_listener *l, const struct sockaddr_un *address)
{
	int err = make_way(address);

	if (err)
		return err;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	if (bind(l->fd, (const void *)address, sizeof(*address))) {
		err = -errno;
		close(l->fd);
		return err;
	}
	if (!listen(l->fd, 8))
		return 0;
	err = -errno;
	unlink(l->path);
	close(l->fd);
	return err;
}

int simd_listen(struct simd_listener *l, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int err = 0;

	l->path = path;
	if (strlen(path) >= sizeof(address.sun_path))
		err = -ENAMETOOLONG;
	else
		strcpy(address.sun_path, path);
	if (!err)
		err = bind_to(l, &address);
	if (err) {
		fprintf(stderr, "vggsimd: can't listen on %s: %s\n", path,
			advice(err));
		return err;
	}
	err = start_signals(l);
	if (err) {
		fprintf(stderr, "vggsimd: can't start a thread: %s\n",
			strerror(-err));
		unlink(path);
		close(l->fd);
	}
	return err;
}

void simd_unlisten(struct simd_listener *l)
{
	pthread_cancel(l->signals);
	pthread_join(l->signals, NULL);
	unlink(l->path);
	close(l->fd);
}

int simd_accept(struct simd_listener *l)
{
	struct timeval stall = { .tv_sec = STALL_S };
	int fd;

	for (;;) {
		fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			break;
		/* Shut down, at the end; all else passes. */
		if (errno == EINVAL)
			return -1;
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			usleep(10000);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof(stall));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall));
	return fd;
}
