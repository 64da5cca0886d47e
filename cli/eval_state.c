// SPDX-License-Identifier: MIT
/* See eval.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eval.h"

/* "int8 17 3 5 1 SHA256": image, its class, the answer, whether its class is among
 * the five; the hash only of the first image that has an answer. "int8 17 3
 * unreadable": it has none. */
#define LINE_MAX_ 256
#define FLUSH_EACH 64

struct eval_state {
	FILE *file;
	const char *path;
	unsigned int unflushed;
};

static int broken(const char *path)
{
	return cli_fail(VGG_ERROR_FILE_IO, path,
			"name another file by --resume",
			"it cannot be read or written: %s", strerror(errno));
}

static void head_of(char head[LINE_MAX_], const char *data, size_t images)
{
	snprintf(head, LINE_MAX_, "vggctl eval 1: %zu images of %.150s\n",
		 images, data);
}

/* Numbers in a file come from anywhere: none may be a class that isn't there. */
static bool take(const char *line, size_t images, unsigned int outputs,
		 struct eval_answers answers[2])
{
	unsigned int class_, top1 = 0, top5 = 0;
	struct eval_answers *a;
	char precision[8], sha[65] = "";
	size_t i;
	int n = sscanf(line, "%7s %zu %u %u %u %64s", precision, &i, &class_,
		       &top1, &top5, sha);
	bool unreadable = n == 3 && strstr(line, " unreadable\n");

	a = &answers[!strcmp(precision, "fp32")];
	if ((n < 5 && !unreadable) || i != a->count || i >= images ||
	    class_ >= outputs || top1 >= outputs)
		return false;
	if (!unreadable && !*a->sha256) {
		if (n < 6)
			return false;
		memcpy(a->sha256, sha, sizeof(sha));
		a->first = i;
	}
	a->answer[a->count++] =
		(struct eval_answer){ class_, top1, top5 != 0, unreadable };
	return true;
}

/* Up to the first line that is none; the rest is written again. Returns where
 * that is. */
static long read_lines(FILE *f, size_t images, unsigned int outputs,
		       struct eval_answers answers[2])
{
	char line[LINE_MAX_];
	long good = ftell(f);

	while (fgets(line, sizeof(line), f) && strchr(line, '\n')) {
		if (!take(line, images, outputs, answers))
			break;
		good = ftell(f);
	}
	return good;
}

static int read_state(FILE *f, const char *path, const char *head,
		      size_t images, unsigned int outputs,
		      struct eval_answers answers[2])
{
	char line[LINE_MAX_];
	long good;
	int i;

	if (!fgets(line, sizeof(line), f))
		return fputs(head, f) < 0 ? broken(path) : 0;
	if (strcmp(line, head)) {
		line[strcspn(line, "\n")] = 0;
		return cli_fail(VGG_ERROR_BAD_ARGUMENT, path,
				"name another file by --resume",
				"it is of something else: %s", line);
	}
	good = read_lines(f, images, outputs, answers);
	for (i = 0; i < 2; i++)
		answers[i].resumed = answers[i].count;
	if (ftruncate(fileno(f), good) || fseek(f, good, SEEK_SET))
		return broken(path);
	return 0;
}

int eval_state_open(const char *path, const char *data, size_t images,
		    unsigned int outputs, struct eval_answers answers[2],
		    struct eval_state **state)
{
	struct eval_state *s = cli_alloc(NULL, sizeof(*s));
	char head[LINE_MAX_];
	int err;

	*s = (struct eval_state){ .path = path };
	s->file = fopen(path, "a+e");
	if (s->file) /* not "a", which writes at the end only */
		s->file = freopen(path, "r+e", s->file);
	if (!s->file) {
		free(s);
		return broken(path);
	}
	head_of(head, data, images);
	err = read_state(s->file, path, head, images, outputs, answers);
	if (err) {
		fclose(s->file);
		free(s);
	} else {
		*state = s;
	}
	return err;
}

int eval_state_add(struct eval_state *s, enum vgg_precision precision, size_t i,
		   const struct eval_answer *a, const char *sha256)
{
	const char *name = precision_names[precision];
	int n;

	if (a->unreadable)
		n = fprintf(s->file, "%s %zu %u unreadable\n", name, i,
			    a->class_);
	else
		n = fprintf(s->file, "%s %zu %u %u %d%s%s\n", name, i,
			    a->class_, a->top1, a->in_top5, sha256 ? " " : "",
			    sha256 ? sha256 : "");
	if (n >= 0 && ++s->unflushed == FLUSH_EACH) {
		s->unflushed = 0;
		n = fflush(s->file);
	}
	return n < 0 ? broken(s->path) : 0;
}

int eval_state_close(struct eval_state *s)
{
	int err;

	if (!s)
		return 0;
	err = fclose(s->file) ? broken(s->path) : 0;
	free(s);
	return err;
}
