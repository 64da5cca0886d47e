// SPDX-License-Identifier: MIT
/* Reading whole files; see file.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"

static int fail_open(const char *path)
{
	const char *next_step = NULL;

	if (errno == ENOENT)
		next_step = "check the spelling and the working directory";
	else if (errno == EACCES)
		next_step = "check the permissions of the file and its folders";
	return vgg_fail(NO_FILE, path, next_step, "cannot be opened: %m");
}

/* Reads until the end, a failure (-1) or n bytes. */
static ssize_t read_some(int fd, uint8_t *to, size_t n)
{
	size_t done = 0;
	ssize_t got;

	while (done < n) {
		got = read(fd, to + done, n - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

/* Reads on until the end of the stream; f->data always belongs to f. */
static int read_stream(struct vgg_file *f, int fd, const char *path)
{
	size_t room = 1 << 16;
	uint8_t *data = NULL, *more;
	ssize_t got;

	for (;; room *= 2) {
		if (f->size == VGG_FILE_STREAM_MAX)
			return vgg_fail(FILE_IO, path,
					"save it to a file first",
					"delivers more than %zu MiB",
					VGG_FILE_STREAM_MAX >> 20);
		more = realloc(data, room);
		if (!more)
			return vgg_fail_memory("a file's contents");
		f->data = data = more;
		got = read_some(fd, data + f->size, room - f->size);
		if (got < 0)
			return vgg_fail(FILE_IO, path, NULL,
					"cannot be read: %m");
		f->size += (size_t)got;
		if (f->size < room)
			return 0;
	}
}

static int load(struct vgg_file *f, int fd, const char *path)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st))
		return vgg_fail(FILE_IO, path, NULL, "cannot be read: %m");
	if (S_ISDIR(st.st_mode))
		return vgg_fail(NO_FILE, path, "name a file in it",
				"is a folder, not a file");
	/* Files of /proc and /sys have contents though their size is 0. */
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return read_stream(f, fd, path);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) /* some file systems can't */
		return read_stream(f, fd, path);
	f->data = map;
	f->size = (size_t)st.st_size;
	f->mapped = true;
	f->fd = fd;
	return 0;
}

int vgg_file_open(struct vgg_file *f, const char *path)
{
	int fd, err;

	*f = (struct vgg_file){ 0 };
	if (!path)
		return vgg_fail(BAD_ARGUMENT, NULL, NULL,
				"no name of a file is given");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return fail_open(path);
	err = load(f, fd, path);
	if (!f->mapped)
		close(fd);
	if (err || !f->size)
		vgg_file_close(f);
	return err;
}

void vgg_file_close(struct vgg_file *f)
{
	if (f->mapped) {
		munmap((void *)(uintptr_t)f->data, f->size);
		close(f->fd);
	} else {
		free((void *)(uintptr_t)f->data);
	}
	*f = (struct vgg_file){ 0 };
}

void vgg_file_forget(const struct vgg_file *f, const void *data, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = ((uintptr_t)data + page - 1) / page * page;
	uintptr_t to = ((uintptr_t)data + n) / page * page;
	uintptr_t start = (uintptr_t)f->data;

	if (f->mapped && (uintptr_t)data >= start &&
	    (uintptr_t)data + n <= start + f->size && from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}
