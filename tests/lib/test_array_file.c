// SPDX-License-Identifier: MIT
/* Whole files: read by mapping or not, written whole or not at all. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image_support.h"
#include "util/error.h"
#include "util/file.h"

static void expect_contents(const char *path, const char *want)
{
	struct vgg_file f;

	ASSERT_EQ(0, vgg_file_open(&f, path));
	EXPECT_EQ(strlen(want), f.size);
	if (f.size == strlen(want))
		EXPECT_EQ(0, f.size ? memcmp(want, f.data, f.size) : 0);
	vgg_file_close(&f);
	EXPECT_TRUE(f.data == NULL);
	vgg_file_close(&f);
}

TEST(file_is_read)
{
	expect_contents(write_file("f", "hello", 5), "hello");
	expect_contents(write_file("f", "", 0), "");
}

TEST(file_of_proc_is_read)
{
	struct vgg_file f;

	ASSERT_EQ(0, vgg_file_open(&f, "/proc/self/status"));
	EXPECT_FALSE(f.mapped);
	EXPECT_LT(10u, f.size);
	vgg_file_close(&f);
	ASSERT_EQ(0, vgg_file_open(&f, "/dev/null"));
	EXPECT_EQ(0u, f.size);
	vgg_file_close(&f);
}

TEST(file_cannot_be_opened)
{
	struct vgg_file f;

	EXPECT_EQ(-ENOENT, vgg_file_open(&f, temp_path("none")));
	EXPECT_STREQ("NO_FILE", vgg_error_last()->name);
	EXPECT_STREQ(temp_path("none"), vgg_error_last()->where);
	EXPECT_CONTAINS(vgg_error_last()->what, "No such file");
	vgg_file_close(&f);
	EXPECT_EQ(-ENOENT, vgg_file_open(&f, test_tmpdir()));
	EXPECT_CONTAINS(vgg_error_last()->what, "folder");
	EXPECT_EQ(-ENOENT, vgg_file_open(&f, ""));
	EXPECT_EQ(-EINVAL, vgg_file_open(&f, NULL));
}

/* Root may read and write everything: be someone else for this test. */
static void drop_privileges(void)
{
	if (geteuid())
		return;
	ASSERT_EQ(0, chmod(test_tmpdir(), 0777));
	if (seteuid(65534))
		SKIP("root that cannot become someone else");
}

/* Changing the user makes a process opaque to debuggers, and the leak checker
 * is one. */
static void regain_privileges(void)
{
	ASSERT_EQ(0, seteuid(getuid()));
	prctl(PR_SET_DUMPABLE, 1);
}

TEST(file_without_permission)
{
	const char *path = write_file("secret", "x", 1);
	struct vgg_file f;

	ASSERT_EQ(0, chmod(path, 0));
	drop_privileges();
	EXPECT_EQ(-ENOENT, vgg_file_open(&f, path));
	EXPECT_CONTAINS(vgg_error_last()->what, "Permission denied");
	EXPECT_CONTAINS(vgg_error_last()->next_step, "permissions");
	regain_privileges();
}

/* More than one step of growing, through a pipe that delivers in pieces. */
TEST(file_from_a_pipe)
{
	uint8_t *data = draw(1, 0, 300000);
	struct vgg_file f;
	char path[64];
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	if (!fork()) {
		size_t done = 0;
		ssize_t put;

		close(fds[0]);
		while (done < 300000) {
			put = write(fds[1], data + done,
				    300000 - done > 7001 ? 7001 :
							   300000 - done);
			if (put <= 0)
				_exit(1);
			done += (size_t)put;
		}
		_exit(0);
	}
	close(fds[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	ASSERT_EQ(0, vgg_file_open(&f, path));
	EXPECT_FALSE(f.mapped);
	ASSERT_EQ(300000u, f.size);
	EXPECT_EQ(0, memcmp(data, f.data, f.size));
	vgg_file_close(&f);
	free(data);
}

static void write_text(const char *path, const char *text)
{
	struct vgg_writer *w;

	ASSERT_EQ(0, vgg_writer_open(&w, path));
	EXPECT_EQ(0, vgg_writer_write(w, text, strlen(text)));
	EXPECT_EQ(0, vgg_writer_commit(w));
}

/* Files in the folder, to see that nothing is left behind. */
static int count_files(void)
{
	char command[600];
	FILE *in;
	int n = -1;

	snprintf(command, sizeof(command), "ls -A '%s' | wc -l", test_tmpdir());
	in = popen(command, "r");
	ASSERT_TRUE(in != NULL);
	ASSERT_EQ(1, fscanf(in, "%d", &n));
	pclose(in);
	return n;
}

static unsigned int mode_of(const char *path)
{
	struct stat st;

	ASSERT_EQ(0, stat(path, &st));
	return st.st_mode & 07777;
}

TEST(written_file_appears_at_commit)
{
	const char *path = temp_path("w");
	struct vgg_writer *w;
	int before = count_files();

	umask(027);
	ASSERT_EQ(0, vgg_writer_open(&w, path));
	EXPECT_EQ(0, vgg_writer_write(w, "one ", 4));
	EXPECT_EQ(0, vgg_writer_write(w, NULL, 0));
	EXPECT_EQ(0, vgg_writer_write(w, "two", 3));
	EXPECT_NE(0, access(path, F_OK));
	EXPECT_EQ(0, vgg_writer_commit(w));
	expect_contents(path, "one two");
	EXPECT_EQ(0640u, mode_of(path));
	EXPECT_EQ(before + 1, count_files());
}

TEST(written_file_replaces)
{
	const char *path = write_file("old", "old", 3);
	struct vgg_writer *w;
	struct vgg_file f;

	ASSERT_EQ(0, chmod(path, 0604));
	ASSERT_EQ(0, vgg_file_open(&f, path));
	ASSERT_EQ(0, vgg_writer_open(&w, path));
	EXPECT_EQ(0, vgg_writer_write(w, "newer", 5));
	expect_contents(path, "old");
	EXPECT_EQ(0, vgg_writer_commit(w));
	expect_contents(path, "newer");
	EXPECT_EQ(0604u, mode_of(path));
	/* Who has mapped the old one keeps it. */
	EXPECT_EQ(0, memcmp("old", f.data, 3));
	vgg_file_close(&f);
}

TEST(aborted_file_leaves_no_trace)
{
	const char *path = write_file("a", "old", 3);
	int before = count_files();
	struct vgg_writer *w;

	ASSERT_EQ(0, vgg_writer_open(&w, path));
	EXPECT_EQ(0, vgg_writer_write(w, "new", 3));
	vgg_writer_abort(w);
	vgg_writer_abort(NULL);
	expect_contents(path, "old");
	EXPECT_EQ(before, count_files());
}

TEST(written_through_a_link)
{
	char link_path[512], path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s", write_file("target", "old", 3));
	snprintf(link_path, sizeof(link_path), "%s", temp_path("link"));
	ASSERT_EQ(0, symlink("target", link_path));
	write_text(link_path, "new");
	expect_contents(path, "new");
	ASSERT_EQ(0, lstat(link_path, &st));
	EXPECT_TRUE(S_ISLNK(st.st_mode));
}

TEST(cannot_be_created)
{
	struct vgg_writer *w;

	EXPECT_EQ(-ENOENT, vgg_writer_open(&w, temp_path("no/such/folder")));
	EXPECT_STREQ("NO_FILE", vgg_error_last()->name);
	EXPECT_STREQ(temp_path("no/such/folder"), vgg_error_last()->where);
	EXPECT_CONTAINS(vgg_error_last()->next_step, "folder");
	EXPECT_TRUE(w == NULL);
	EXPECT_EQ(-ENOENT, vgg_writer_open(&w, test_tmpdir()));
	EXPECT_CONTAINS(vgg_error_last()->what, "folder");
	EXPECT_EQ(-EINVAL, vgg_writer_open(&w, ""));
	EXPECT_EQ(-EINVAL, vgg_writer_open(&w, NULL));
	EXPECT_EQ(-ENOENT, vgg_writer_open(&w, "/dev/fd/99999"));
}

TEST(written_without_permission)
{
	const char *path = write_file("readonly", "x", 1);
	struct vgg_writer *w;

	ASSERT_EQ(0, chmod(path, 0444));
	drop_privileges();
	EXPECT_EQ(-ENOENT, vgg_writer_open(&w, path));
	EXPECT_TRUE(w == NULL);
	EXPECT_CONTAINS(vgg_error_last()->what, "Permission denied");
	regain_privileges();
}

TEST(a_full_device)
{
	struct vgg_writer *w;

	ASSERT_EQ(0, vgg_writer_open(&w, "/dev/full"));
	EXPECT_EQ(-EIO, vgg_writer_write(w, "x", 1));
	EXPECT_STREQ("FILE_IO", vgg_error_last()->name);
	EXPECT_STREQ("/dev/full", vgg_error_last()->where);
	EXPECT_CONTAINS(vgg_error_last()->what, "No space");
	EXPECT_CONTAINS(vgg_error_last()->next_step, "disk space");
	/* It sticks. */
	EXPECT_EQ(-EIO, vgg_writer_write(w, "x", 1));
	EXPECT_EQ(-EIO, vgg_writer_commit(w));
}

/* A limit on the size of files stands for a full disk. */
TEST(a_full_disk_keeps_the_old_file)
{
	struct rlimit limit = { 4096, 4096 };
	const char *path = write_file("full", "old", 3);
	int before = count_files();
	struct vgg_writer *w;
	char block[3000] = { 0 };

	signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(0, vgg_writer_open(&w, path));
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_EQ(0, vgg_writer_write(w, block, sizeof(block)));
	EXPECT_EQ(-EIO, vgg_writer_write(w, block, sizeof(block)));
	EXPECT_EQ(-EIO, vgg_writer_commit(w));
	expect_contents(path, "old");
	EXPECT_EQ(before, count_files());
}

/* Printing and writing to /dev/stdout mix as the user expects, even if the
 * shell has redirected stdout to a file. */
TEST(stdout_in_a_file)
{
	const char *path = temp_path("stdout");
	int status;

	if (!fork()) {
		if (!freopen(path, "w", stdout))
			_exit(1);
		printf("printed ");
		fflush(stdout);
		write_text("/dev/stdout", "written ");
		write_text("/dev/fd/1", "again ");
		printf("at last");
		fflush(stdout);
		_exit(0);
	}
	ASSERT_TRUE(wait(&status) > 0);
	EXPECT_EQ(0, status);
	expect_contents(path, "printed written again at last");
}

TEST(a_pipe_is_written_to)
{
	struct vgg_writer *w;
	char path[64], got[8];
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
	ASSERT_EQ(0, vgg_writer_open(&w, path));
	EXPECT_EQ(0, vgg_writer_write(w, "through", 8));
	EXPECT_EQ(0, vgg_writer_commit(w));
	ASSERT_EQ(8, read(fds[0], got, 8));
	EXPECT_STREQ("through", got);
}

TEST_HARNESS_MAIN
