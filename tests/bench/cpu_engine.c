// SPDX-License-Identifier: MIT
/*
 * The library under tests/bench/cpu: one network on the CPU, no device.
 *
 *   cpu_engine serve MODEL int8|fp32 THREADS...
 *	Makes a session per number of threads, says "ready", then answers each
 *	line "run THREADS" by one inference and its milliseconds. So the caller
 *	interleaves this engine with others, and no start-up is measured.
 *   cpu_engine memory MODEL int8|fp32
 *	One thread, one inference; prints the process's largest size in kB.
 *   cpu_engine count MODEL int8|fp32
 *	For the counting plugins in tests/bench/arm: marks the inferences by
 *	system calls, see there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/arm/marks.h"
#include "vggaccel.h"

#define SESSIONS_MAX 8

struct engine {
	struct vgg_device *device;
	struct vgg_model *model;
	enum vgg_precision precision;
	struct vgg_session *session[SESSIONS_MAX];
	int threads[SESSIONS_MAX];
	int count;
	float *input;
	size_t input_count;
};

static void fail(const char *doing)
{
	const struct vgg_error *e = vgg_error_last();

	fprintf(stderr, "cpu_engine: %s: %s: %s [%s]; %s\n", doing, e->where,
		e->what, e->name, e->next_step);
	exit(1);
}

static void usage(void)
{
	fputs("usage: cpu_engine serve|memory|count MODEL int8|fp32 "
	      "[THREADS...]\n",
	      stderr);
	exit(2);
}

/* Values of no meaning, spread like an image's behind preprocessing. */
static void make_input(struct engine *e)
{
	struct vgg_model_info info = VGG_INIT(info);
	uint32_t state = 1;
	size_t i;

	if (vgg_model_info(e->model, &info))
		fail("reading the model");
	e->input_count = info.input_count;
	e->input = malloc(e->input_count * sizeof(*e->input));
	if (!e->input) {
		fputs("cpu_engine: no memory for the input\n", stderr);
		exit(1);
	}
	for (i = 0; i < e->input_count; i++) {
		state = state * 1664525 + 1013904223;
		e->input[i] = (float)(state >> 8) / (1 << 23) * 2 - 2;
	}
}

static void add_session(struct engine *e, int threads)
{
	struct vgg_session_options o = VGG_INIT(o);

	if (threads < 1 || e->count == SESSIONS_MAX)
		usage();
	o.split = VGG_SPLIT_CPU;
	o.precision = e->precision;
	o.threads = threads;
	if (vgg_session_create(e->device, e->model, &o, &e->session[e->count]))
		fail("making a session");
	e->threads[e->count++] = threads;
}

static void open_engine(struct engine *e, const char *path,
			const char *precision)
{
	if (!strcmp(precision, "int8"))
		e->precision = VGG_PRECISION_INT8;
	else if (!strcmp(precision, "fp32"))
		e->precision = VGG_PRECISION_FP32;
	else
		usage();
	if (vgg_device_open("cpu", NULL, &e->device))
		fail("opening the CPU");
	if (vgg_model_load(path, &e->model))
		fail("loading the model");
	make_input(e);
}

static void close_engine(struct engine *e)
{
	while (e->count)
		vgg_session_free(e->session[--e->count]);
	free(e->input);
	vgg_model_free(e->model);
	vgg_device_close(e->device);
}

/* All that a caller waits for: the whole call. */
static double infer(struct engine *e, struct vgg_session *session)
{
	struct vgg_result result = VGG_INIT(result);
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	if (vgg_session_run_tensor(session, e->input, e->input_count, &result))
		fail("inference");
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a.tv_sec) * 1e3 +
	       (double)(b.tv_nsec - a.tv_nsec) / 1e6;
}

static struct vgg_session *find_session(struct engine *e, int threads)
{
	int i;

	for (i = 0; i < e->count; i++)
		if (e->threads[i] == threads)
			return e->session[i];
	fprintf(stderr, "cpu_engine: no session has %d threads\n", threads);
	exit(1);
}

static void serve(struct engine *e)
{
	char line[64];
	int threads;

	printf("ready vggaccel %s\n", vgg_version());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "run %d", &threads) != 1) {
			fprintf(stderr, "cpu_engine: unknown request: %s",
				line);
			exit(1);
		}
		printf("%.4f\n", infer(e, find_session(e, threads)));
		fflush(stdout);
	}
}

/* VmHWM, not ru_maxrss: the latter starts at the size of the process that
 * forked this one. */
static void print_peak(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	long kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %ld kB", &kb) == 1)
			break;
	if (f)
		fclose(f);
	if (!kb) {
		fputs("cpu_engine: /proc/self/status has no VmHWM\n", stderr);
		exit(1);
	}
	printf("%ld\n", kb);
}

/*
 * The first inference touches memory for the first time and fills the modelled
 * caches. What is reported is the second.
 */
static void count(struct engine *e)
{
	syscall(BENCH_MARK_BEGIN);
	infer(e, e->session[0]);
	syscall(BENCH_MARK_FROM);
	infer(e, e->session[0]);
	syscall(BENCH_MARK_TO);
}

int main(int argc, char **argv)
{
	struct engine e = { 0 };
	int i;

	if (argc < 4)
		usage();
	open_engine(&e, argv[2], argv[3]);
	for (i = 4; i < argc; i++)
		add_session(&e, atoi(argv[i]));
	if (!e.count)
		add_session(&e, 1);
	if (!strcmp(argv[1], "serve")) {
		serve(&e);
	} else if (!strcmp(argv[1], "memory")) {
		infer(&e, e.session[0]);
		print_peak();
	} else if (!strcmp(argv[1], "count")) {
		count(&e);
	} else {
		usage();
	}
	close_engine(&e);
	return 0;
}
