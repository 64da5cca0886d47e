// SPDX-License-Identifier: MIT
/* Lines of the daemon's log, and the statistics of a client. */
#include "simd_internal.h"

#include <inttypes.h>
#include <stdarg.h>

/* A client that does everything wrong must not fill the disk. */
#define LINES_MAX 200u

static void put(const struct simd_log *log, const char *kind,
		const char *format, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, args);
	fprintf(stderr, "vggsimd: client %u: %s%s\n", log->client, kind, line);
}

static bool limited(struct simd_log *log)
{
	unsigned int lines = atomic_fetch_add(&log->lines, 1);

	if (lines == LINES_MAX)
		fprintf(stderr,
			"vggsimd: client %u: no more lines about this client; "
			"the statistics count on\n",
			log->client);
	return lines >= LINES_MAX;
}

void simd_log_driver(struct simd_log *log, const char *format, ...)
{
	va_list args;

	simd_count(log->stats.driver_errors, 1);
	if (limited(log))
		return;
	va_start(args, format);
	put(log, "driver error: ", format, args);
	va_end(args);
}

void simd_log_note(struct simd_log *log, const char *format, ...)
{
	va_list args;

	if (limited(log))
		return;
	va_start(args, format);
	put(log, "", format, args);
	va_end(args);
}

void simd_log_trace(struct simd_log *log, const char *format, ...)
{
	va_list args;

	if (!log->verbose)
		return;
	va_start(args, format);
	put(log, "", format, args);
	va_end(args);
}

void simd_log_stats(struct simd_log *log, const char *when)
{
	struct simd_stats *stats = &log->stats;
	char line[1024];
	size_t n = 0;

#define SHOW(name)                                                      \
	n += (size_t)snprintf(                                          \
		line + n, sizeof(line) - n, " " #name "=%" PRIuLEAST64, \
		atomic_load_explicit(&stats->name, memory_order_relaxed));
	SIMD_COUNTERS(SHOW)
#undef SHOW
	printf("vggsimd: stats client=%u when=%s%s\n", log->client, when, line);
	fflush(stdout);
}
