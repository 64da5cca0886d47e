/* SPDX-License-Identifier: MIT */
/*
 * Running vggctl: env VGGCTL names the program, VGGCTL_EXEC an emulator that
 * it needs. Arguments are one string, split at spaces; "@name" stands for the
 * file `name` of the test's folder.
 */
#ifndef VGG_CLI_SUPPORT_H
#define VGG_CLI_SUPPORT_H

#include <fcntl.h>
#include <jansson.h>
#include <png.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vgg_harness.h"
#include "vggaccel.h"

#define ARGS_MAX 64

struct ran {
	char *out, *err; /* what it wrote */
	int status;	 /* exit status; 128 + signal */
};

static inline const char *in_tmp(const char *name)
{
	static char paths[8][512];
	static unsigned int turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", test_tmpdir(), name);
	return path;
}

static inline bool exists(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

static inline char *slurp(const char *path)
{
	FILE *in = fopen(path, "rb");
	char *text = NULL;
	size_t n = 0, room = 0, got = 1;

	while (in && got) {
		if (room - n < 4096)
			text = realloc(text, room += 65536);
		got = fread(text + n, 1, room - n - 1, in);
		n += got;
	}
	if (in) {
		fclose(in);
		text[n] = 0;
	}
	return text;
}

static inline void write_bytes(const char *name, const void *data, size_t n)
{
	FILE *to = fopen(in_tmp(name), "wb");

	ASSERT_TRUE(to != NULL);
	ASSERT_EQ(n, fwrite(data, 1, n, to));
	ASSERT_EQ(0, fclose(to));
}

static inline void write_text(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

/* Splits `text` into argv behind what is there; returns the count. */
static inline int split(char *text, char **argv, int n)
{
	char *save, *word = strtok_r(text, " ", &save);

	for (; word && n < ARGS_MAX - 1; word = strtok_r(NULL, " ", &save))
		argv[n++] = *word == '@' ? strdup(in_tmp(word + 1)) : word;
	argv[n] = NULL;
	return n;
}

static inline void exec_vggctl(const char *args)
{
	const char *program = getenv("VGGCTL"), *before = getenv("VGGCTL_EXEC");
	char *argv[ARGS_MAX];
	int n = 0;

	if (before)
		n = split(strdup(before), argv, n);
	argv[n++] = strdup(program ? program : test_data("../build/vggctl"));
	split(strdup(args), argv, n);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static inline void redirect(int fd, const char *path)
{
	int to;

	if (!path) {
		close(fd);
		return;
	}
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (to >= 0 && to != fd) {
		dup2(to, fd);
		close(to);
	}
}

/* With stdout going to `out`; NULL: closed. */
static inline struct ran vggctl_to(const char *out, const char *args)
{
	struct ran r = { NULL, NULL, -1 };
	const char *err = in_tmp("stderr");
	pid_t pid = fork();
	int status;

	ASSERT_TRUE(pid >= 0);
	if (!pid) {
		redirect(STDERR_FILENO, err);
		redirect(STDOUT_FILENO, out);
		exec_vggctl(args);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	r.status = WIFEXITED(status) ? WEXITSTATUS(status) :
				       128 + WTERMSIG(status);
	if (out && strncmp(out, "/dev/", 5))
		r.out = slurp(out);
	r.err = slurp(err);
	return r;
}

static inline struct ran vggctl(const char *args)
{
	struct ran r = vggctl_to(in_tmp("stdout"), args);

	if (r.status >= 128 || r.status == 127)
		test_fail(__FILE__, __LINE__, "vggctl %s: status %d: %s", args,
			  r.status, r.err);
	return r;
}

static inline void ran_free(struct ran *r)
{
	free(r->out);
	free(r->err);
}

/* Runs it and expects success. */
static inline void vggctl_ok(const char *args)
{
	struct ran r = vggctl(args);

	if (r.status)
		test_fail(__FILE__, __LINE__, "vggctl %s: status %d: %s", args,
			  r.status, r.err);
	ran_free(&r);
}

/* Runs it and parses what it writes; NULL if that is no JSON. */
static inline json_t *vggctl_json(const char *args, int status)
{
	struct ran r = vggctl(args);
	json_error_t error;
	json_t *doc = json_loads(r.out, JSON_REJECT_DUPLICATES, &error);

	if (r.status != status)
		test_fail(__FILE__, __LINE__,
			  "vggctl %s: status %d, not %d: "
			  "%s",
			  args, r.status, status, r.err);
	if (!doc)
		test_fail(__FILE__, __LINE__, "vggctl %s: %s: %s", args,
			  error.text, r.out);
	ran_free(&r);
	return doc;
}

static inline void draw_png(const char *name, int width, int height, int seed)
{
	png_image png = { .version = PNG_IMAGE_VERSION,
			  .width = (unsigned int)width,
			  .height = (unsigned int)height,
			  .format = PNG_FORMAT_RGB };
	uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
	int x, y;

	for (y = 0; y < height; y++)
		for (x = 0; x < width; x++) {
			uint8_t *p = rgb + (y * width + x) * 3;

			p[0] = (uint8_t)(x * (3 + seed));
			p[1] = (uint8_t)(y * 5);
			p[2] = (uint8_t)((x * y) >> seed);
		}
	EXPECT_TRUE(
		png_image_write_to_file(&png, in_tmp(name), 0, rgb, 0, NULL));
	free(rgb);
}

/*
 * The files that tests share, made by the first that needs them:
 *	a.png; img/ with three images, a text and a folder; mini.st, a small
 *	network with random weights.
 */
static inline void make_files(void)
{
	/* Golden outputs are those of this locale; a pipe has no colours. */
	setenv("LC_ALL", "C", 1);
	unsetenv("NO_COLOR");
	unsetenv("ARGP_HELP_FMT");
	if (exists(in_tmp("mini.st")))
		return;
	draw_png("a.png", 61, 43, 1);
	mkdir(in_tmp("img"), 0777);
	mkdir(in_tmp("img/sub.png.d"), 0777);
	draw_png("img/two.PNG", 32, 32, 2);
	draw_png("img/one.png", 40, 33, 3);
	draw_png("img/three.png", 33, 47, 4);
	write_text("img/notes.txt", "no image\n");
	mkdir(in_tmp("nothing"), 0777);
	write_text("nothing/notes.txt", "no image\n");
	vggctl_ok("import --arch minivgg_cifar10 --random-weights 7 --calib "
		  "@img -o @mini.st");
}

#endif
