// SPDX-License-Identifier: MIT
/* Writing files that appear whole or not at all; see file.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"

#define NAMES_MAX 10000 /* temporary names to try */

struct vgg_writer {
	int fd;
	int err;      /* of the first failure */
	char *path;   /* as the caller named it: for messages */
	char *target; /* what will be replaced; links are resolved */
	char *temp;   /* NULL: bytes go straight to the target */
};

static int fail_write(const char *path)
{
	const char *next_step = NULL;

	if (errno == ENOSPC || errno == EDQUOT)
		next_step = "free some disk space";
	return vgg_fail(FILE_IO, path, next_step, "cannot be written: %m");
}

static int fail_create(const char *path)
{
	const char *next_step = NULL;

	if (errno == ENOENT || errno == ENOTDIR)
		next_step = "create the folder first";
	else if (errno == EACCES || errno == EPERM || errno == EROFS)
		next_step = "check the permissions of the file and its folder";
	return vgg_fail(NO_FILE, path, next_step, "cannot be created: %m");
}

static void writer_free(struct vgg_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->path);
	free(w->target);
	free(w->temp);
	free(w);
}

/*
 * The number of an open descriptor that the path stands for, or -1. Opening
 * /dev/stdout anew would start at the beginning of a file that the shell
 * redirects to, over what the program has printed.
 */
static int path_descriptor(const char *path)
{
	char *end;
	long fd;

	if (!strcmp(path, "/dev/stdout"))
		return STDOUT_FILENO;
	if (!strcmp(path, "/dev/stderr"))
		return STDERR_FILENO;
	if (strncmp(path, "/dev/fd/", 8))
		return -1;
	fd = strtol(path + 8, &end, 10);
	return path[8] && !*end && fd >= 0 && fd < 1 << 20 ? (int)fd : -1;
}

static int open_direct(struct vgg_writer *w)
{
	int open_fd = path_descriptor(w->path);

	if (open_fd >= 0)
		w->fd = fcntl(open_fd, F_DUPFD_CLOEXEC, 0);
	else
		w->fd = open(w->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return w->fd < 0 ? fail_create(w->path) : 0;
}

/* Not mkstemp(): its files have mode 0600, and the process's umask, which tells
 * what mode a new file should have, can't be read without changing it. */
static int create_temp(struct vgg_writer *w)
{
	size_t size = strlen(w->target) + 40;
	unsigned int i;

	w->temp = malloc(size);
	if (!w->temp)
		return vgg_fail_memory("a file's name");
	for (i = 0; i < NAMES_MAX; i++) {
		snprintf(w->temp, size, "%s.tmp-%ld-%u", w->target,
			 (long)getpid(), i);
		w->fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			     0666);
		if (w->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return fail_create(w->path);
}

static int open_temp(struct vgg_writer *w, const struct stat *old)
{
	int err;

	/* Replacing a file needs no write permission on it, but who took that
	 * away meant it. */
	if (old && faccessat(AT_FDCWD, w->path, W_OK, AT_EACCESS))
		return fail_create(w->path);
	w->target = old ? realpath(w->path, NULL) : strdup(w->path);
	if (!w->target)
		return old ? fail_create(w->path) :
			     vgg_fail_memory("a file's name");
	err = create_temp(w);
	/* Where a file system has no modes, this fails and nothing is lost. */
	if (!err && old)
		(void)fchmod(w->fd, old->st_mode & 0777);
	return err;
}

static int writer_start(struct vgg_writer *w)
{
	struct stat st;
	bool there = !stat(w->path, &st);

	if (!there && errno != ENOENT)
		return fail_create(w->path);
	if (there && S_ISDIR(st.st_mode))
		return vgg_fail(NO_FILE, w->path, "name a file in it",
				"is a folder, not a file");
	if (path_descriptor(w->path) >= 0 || (there && !S_ISREG(st.st_mode)))
		return open_direct(w);
	return open_temp(w, there ? &st : NULL);
}

int vgg_writer_open(struct vgg_writer **writer, const char *path)
{
	struct vgg_writer *w;
	int err;

	*writer = NULL;
	if (!path || !*path)
		return vgg_fail(BAD_ARGUMENT, NULL, NULL,
				"no name of a file is given");
	w = calloc(1, sizeof(*w));
	if (!w)
		return vgg_fail_memory("writing a file");
	w->fd = -1;
	w->path = strdup(path);
	err = w->path ? writer_start(w) : vgg_fail_memory("a file's name");
	if (err) {
		writer_free(w);
		return err;
	}
	*writer = w;
	return 0;
}

int vgg_writer_write(struct vgg_writer *w, const void *data, size_t n)
{
	const char *from = data;
	ssize_t put;

	while (n && !w->err) {
		put = write(w->fd, from, n);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0) {
			w->err = fail_write(w->path);
			break;
		}
		from += put;
		n -= (size_t)put;
	}
	return w->err;
}

int vgg_writer_commit(struct vgg_writer *w)
{
	int err = w->err;

	/* Network file systems report a full disk only here. */
	if (close(w->fd) && !err)
		err = fail_write(w->path);
	w->fd = -1;
	if (!err && w->temp && rename(w->temp, w->target))
		err = fail_write(w->path);
	if (err && w->temp)
		unlink(w->temp);
	writer_free(w);
	return err;
}

void vgg_writer_abort(struct vgg_writer *w)
{
	if (!w)
		return;
	if (w->temp)
		unlink(w->temp);
	writer_free(w);
}

int vgg_write_text(const char *path, const char *text)
{
	struct vgg_writer *w;
	int err = vgg_writer_open(&w, path);

	if (err)
		return err;
	vgg_writer_write(w, text, strlen(text));
	vgg_writer_write(w, "\n", 1);
	return vgg_writer_commit(w);
}
