// SPDX-License-Identifier: MIT
/*
 * Reads the shapes of CPUs from Linux; see cpu.h. For each CPU N, below
 * /sys/devices/system/cpu/cpuN:
 *
 *	cpu_capacity			1 to 1024: arm64, x86 hybrids from 6.12
 *	regs/identification/midr_el1	arm64: who made which core
 *	cache/indexI/{level,type,size,shared_cpu_list}
 *	topology/{cluster_cpus_list,core_siblings_list,thread_siblings_list}
 *
 * Containers, emulators, guests and old kernels lack any of these, so each has
 * a fallback of its own. Nothing here is worth an error: a wrong value makes
 * kernels slower, never wrong.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cpu.h"

#define CAPACITY_MAX 1024
#define L1D_DEFAULT ((size_t)32 << 10) /* A53, A72, most of x86 */
#define L2_DEFAULT ((size_t)1 << 20)
#define CACHE_MIN ((size_t)4 << 10)
#define CACHE_MAX ((size_t)1 << 30)
#define INDEX_MAX 8 /* of a CPU's caches */

struct core {
	enum vgg_uarch uarch;
	unsigned int capacity;
	size_t l1d, l2;
	int number;
	int l2_first; /* the lowest CPU that shares its L2 */
};

/* The first line of a file of at most size - 1 bytes, without its end. */
__attribute__((format(printf, 3, 4))) static bool
read_line(char *line, size_t size, const char *format, ...)
{
	char path[512];
	va_list args;
	ssize_t n;
	int fd, len;

	va_start(args, format);
	len = vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, line, size - 1);
	close(fd);
	/* What fills the buffer may have been cut in the middle of a number. */
	if (n <= 0 || (size_t)n == size - 1)
		return false;
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	return *line != 0;
}

/* Digits from *text on; moves *text behind them. */
static bool take_number(const char **text, int base, uint64_t max,
			uint64_t *value)
{
	char *end;

	/* strtoull() also takes signs and spaces. */
	if (!isxdigit((unsigned char)**text))
		return false;
	errno = 0;
	*value = strtoull(*text, &end, base);
	if (errno || end == *text || *value > max)
		return false;
	*text = end;
	return true;
}

/* "0-3,5". False if it is none, or names no CPU. */
static bool parse_list(const char *text, cpu_set_t *set)
{
	uint64_t lo, hi;

	CPU_ZERO(set);
	for (;; text++) {
		if (!take_number(&text, 10, INT32_MAX, &lo))
			return false;
		hi = lo;
		if (*text == '-') {
			text++;
			if (!take_number(&text, 10, INT32_MAX, &hi) || hi < lo)
				return false;
		}
		for (; lo <= hi && lo < CPU_SETSIZE; lo++)
			CPU_SET(lo, set);
		if (*text != ',')
			return !*text && CPU_COUNT(set);
	}
}

/* The lowest CPU of a list file; -1 if there is none or cpu isn't on it. */
static int first_of_list(const char *root, int cpu, const char *file)
{
	char line[4096];
	cpu_set_t set;
	int i;

	if (!read_line(line, sizeof(line), "%s/sys/devices/system/cpu/cpu%d/%s",
		       root, cpu, file) ||
	    !parse_list(line, &set) || !CPU_ISSET(cpu, &set))
		return -1;
	for (i = 0; !CPU_ISSET(i, &set); i++)
		;
	return i;
}

/* "512K"; 0 if it is no size that a cache has. */
static size_t parse_size(const char *text)
{
	uint64_t value;

	if (!take_number(&text, 10, CACHE_MAX, &value))
		return 0;
	if (*text == 'K' || *text == 'M')
		value <<= *text++ == 'K' ? 10 : 20;
	if (*text || value < CACHE_MIN || value > CACHE_MAX)
		return 0;
	return (size_t)value;
}

/* The level of a cache of data; 0 for others, -1 behind the last. */
static int cache_level(const char *root, int cpu, int index)
{
	static const char path[] =
		"%s/sys/devices/system/cpu/cpu%d/cache/index%d/%s";
	char level[16], type[32];

	if (!read_line(level, sizeof(level), path, root, cpu, index, "level"))
		return -1;
	if (!read_line(type, sizeof(type), path, root, cpu, index, "type") ||
	    !strcmp(type, "Instruction"))
		return 0;
	return strlen(level) == 1 ? *level - '0' : 0;
}

static void read_caches(const char *root, struct core *c)
{
	char line[32], list[64];
	int index, level;
	size_t size;

	for (index = 0; index < INDEX_MAX && !(c->l1d && c->l2); index++) {
		level = cache_level(root, c->number, index);
		if (level < 0)
			return;
		if (level != 1 && level != 2)
			continue;
		if (!read_line(line, sizeof(line),
			       "%s/sys/devices/system/cpu/cpu%d/cache/"
			       "index%d/size",
			       root, c->number, index))
			continue;
		size = parse_size(line);
		if (level == 1) {
			c->l1d = size;
			continue;
		}
		c->l2 = size;
		snprintf(list, sizeof(list), "cache/index%d/shared_cpu_list",
			 index);
		c->l2_first = first_of_list(root, c->number, list);
	}
}

/* Whoever designed it, the part numbers of cores that execute in order. */
static enum vgg_uarch uarch_of(unsigned int implementer, unsigned int part)
{
	static const struct {
		uint8_t implementer;
		uint16_t part;
	} in_order[] = {
		{ 0x41, 0xd02 }, /* Cortex-A34 */
		{ 0x41, 0xd03 }, /* Cortex-A53 */
		{ 0x41, 0xd04 }, /* Cortex-A35 */
		{ 0x41, 0xd05 }, /* Cortex-A55 */
		{ 0x41, 0xd46 }, /* Cortex-A510 */
		{ 0x41, 0xd80 }, /* Cortex-A520 */
		{ 0x51, 0x801 }, /* Kryo 2xx silver, an A53 */
		{ 0x51, 0x803 }, /* Kryo 3xx silver, an A55 */
		{ 0x51, 0x805 }, /* Kryo 4xx silver, an A55 */
	};
	size_t i;

	for (i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++)
		if (in_order[i].implementer == implementer &&
		    in_order[i].part == part)
			return VGG_UARCH_A53;
	return implementer && part ? VGG_UARCH_A72 : VGG_UARCH_GENERIC;
}

static enum vgg_uarch read_midr(const char *root, int cpu)
{
	char line[32];
	const char *text = line;
	uint64_t midr;

	if (!read_line(line, sizeof(line),
		       "%s/sys/devices/system/cpu/cpu%d/regs/identification/"
		       "midr_el1",
		       root, cpu) ||
	    !take_number(&text, 16, UINT32_MAX, &midr))
		return VGG_UARCH_GENERIC;
	return uarch_of(midr >> 24, (midr >> 4) & 0xfff);
}

/* The number behind the colon of "key<tab>: number". */
static bool cpuinfo_value(const char *line, const char *key, int base,
			  uint64_t *value)
{
	size_t n = strlen(key);
	const char *colon;

	if (strncmp(line, key, n))
		return false;
	colon = line + n + strspn(line + n, " \t");
	if (*colon != ':')
		return false;
	colon += 1 + strspn(colon + 1, " \t");
	return take_number(&colon, base, UINT32_MAX, value);
}

/* Kernels before 4.7 have no midr_el1, and emulators none that fits. */
static void read_cpuinfo(const char *root, struct core *cores, int n)
{
	uint64_t cpu = UINT64_MAX, implementer = 0, part;
	char path[512], *line = NULL;
	size_t size = 0;
	FILE *f;
	int i;

	snprintf(path, sizeof(path), "%s/proc/cpuinfo", root);
	f = fopen(path, "re");
	if (!f)
		return;
	/* x86 says "vendor_id" first; there the whole file takes long. */
	while (getline(&line, &size, f) > 0 && strncmp(line, "vendor_id", 9)) {
		if (cpuinfo_value(line, "processor", 10, &cpu) ||
		    cpuinfo_value(line, "CPU implementer", 16, &implementer) ||
		    !cpuinfo_value(line, "CPU part", 16, &part))
			continue;
		for (i = 0; i < n; i++)
			if ((uint64_t)cores[i].number == cpu &&
			    cores[i].uarch == VGG_UARCH_GENERIC)
				cores[i].uarch = uarch_of(implementer, part);
	}
	free(line);
	fclose(f);
}

/* The value, without the line's end; NULL if the line is another key's. */
static const char *cpuinfo_text(char *line, const char *key)
{
	size_t n = strlen(key);
	char *value = strchr(line, ':');

	if (!value || strncmp(line, key, n) ||
	    line + n + strspn(line + n, " \t") != value)
		return NULL;
	value += 1 + strspn(value + 1, " \t");
	value[strcspn(value, "\n")] = 0;
	return value;
}

const char *vgg_cpu_model_read(const char *root, char text[VGG_CPU_MODEL_SIZE])
{
	static const char *const keys[] = {
		"vendor_id",   "cpu family", "model",
		"model name",  "stepping",   "CPU implementer",
		"CPU variant", "CPU part",   "CPU revision",
	};
	char path[4096], line[256];
	const char *value;
	size_t n = 0, i;
	FILE *f;

	*text = 0;
	snprintf(path, sizeof(path), "%s/proc/cpuinfo", root);
	f = fopen(path, "re");
	/* An empty line ends the first CPU's. */
	while (f && fgets(line, sizeof(line), f) && *line != '\n')
		for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
			value = cpuinfo_text(line, keys[i]);
			if (!value || n >= VGG_CPU_MODEL_SIZE)
				continue;
			n += (size_t)snprintf(text + n, VGG_CPU_MODEL_SIZE - n,
					      "%s%s", n ? " " : "", value);
			break;
		}
	if (f)
		fclose(f);
	return text;
}

static void read_capacity(const char *root, struct core *c)
{
	char line[32];
	const char *text = line;
	uint64_t value;

	c->capacity = CAPACITY_MAX;
	if (read_line(line, sizeof(line),
		      "%s/sys/devices/system/cpu/cpu%d/cpu_capacity", root,
		      c->number) &&
	    take_number(&text, 10, CAPACITY_MAX, &value) && value && !*text)
		c->capacity = (unsigned int)value;
}

/* Arm: clusters share an L2. x86: the threads of a core do. */
static void default_caches(const char *root, struct core *c)
{
	bool arm = c->uarch != VGG_UARCH_GENERIC;

#ifdef __aarch64__
	arm = true;
#endif
	if (!c->l1d)
		c->l1d = L1D_DEFAULT;
	if (!c->l2) {
		c->l2 = L2_DEFAULT;
		c->l2_first = -1;
	}
	if (c->l2_first >= 0)
		return;
	c->l2_first = first_of_list(root, c->number,
				    arm ? "topology/cluster_cpus_list" :
					  "topology/thread_siblings_list");
	/* Before 5.16 a cluster of arm64 was called a package. */
	if (c->l2_first < 0 && arm)
		c->l2_first = first_of_list(root, c->number,
					    "topology/core_siblings_list");
	if (c->l2_first < 0)
		c->l2_first = arm ? 0 : c->number;
}

/* The bigger first. Where no capacity is known: in-order cores last; on x86 the
 * little ones have the smaller L1, but often a bigger L2, of four cores. */
static int compare(const void *va, const void *vb)
{
	const struct core *a = va, *b = vb;

	if (a->capacity != b->capacity)
		return a->capacity > b->capacity ? -1 : 1;
	if (a->uarch != b->uarch)
		return a->uarch > b->uarch ? -1 : 1;
	if (a->l1d != b->l1d)
		return a->l1d > b->l1d ? -1 : 1;
	if (a->l2 != b->l2)
		return a->l2 > b->l2 ? -1 : 1;
	return a->number - b->number;
}

/*
 * Equal cores may differ a little in capacity: x86 kernels tell favoured cores,
 * whose turbo is some percent faster, by it. An eighth is far less than what
 * separates big from little (485 of 1024 on RK3399).
 */
static bool same_shape(const struct vgg_cluster *k, const struct core *c)
{
	return k->uarch == c->uarch && k->l1d_bytes == c->l1d &&
	       k->l2_bytes == c->l2 &&
	       c->capacity >= k->capacity - k->capacity / 8;
}

static struct vgg_cluster *cluster_for(struct vgg_cpus *out,
				       const struct core *c)
{
	struct vgg_cluster *k;

	/* Cores come sorted by capacity, but those of two shapes that differ
	 * in caches only may alternate. */
	for (k = out->cluster; k < out->cluster + out->count; k++)
		if (same_shape(k, c))
			return k;
	if (out->count == VGG_CLUSTERS_MAX)
		return k - 1;
	out->count++;
	k->uarch = c->uarch;
	k->capacity = c->capacity;
	k->l1d_bytes = c->l1d;
	k->l2_bytes = c->l2;
	CPU_ZERO(&k->cpus);
	return k;
}

static void group(struct vgg_cpus *out, struct core *cores, int n)
{
	struct vgg_cluster *k;
	int i, j, sharers;

	qsort(cores, (size_t)n, sizeof(*cores), compare);
	for (i = 0; i < n; i++) {
		k = cluster_for(out, &cores[i]);
		CPU_SET(cores[i].number, &k->cpus);
		k->count++;
		out->cluster_of[cores[i].number] = (uint8_t)(k - out->cluster);
	}
	for (i = 0; i < n; i++) {
		k = &out->cluster[out->cluster_of[cores[i].number]];
		for (j = sharers = 0; j < n; j++)
			sharers += CPU_ISSET(cores[j].number, &k->cpus) &&
				   cores[j].l2_first == cores[i].l2_first;
		if (sharers > k->l2_sharers)
			k->l2_sharers = sharers;
	}
	out->total = n;
}

/* One CPU of no known kind: for an empty mask, and without memory. */
static void group_nothing(struct vgg_cpus *out)
{
	struct core c = { .capacity = CAPACITY_MAX,
			  .l1d = L1D_DEFAULT,
			  .l2 = L2_DEFAULT };

	group(out, &c, 1);
}

void vgg_cpus_read(const char *root, const cpu_set_t *mask,
		   struct vgg_cpus *out)
{
	int n = CPU_COUNT(mask), cpu, i;
	struct core *cores = calloc((size_t)n + 1, sizeof(*cores));
	bool known = true;

	memset(out, 0, sizeof(*out));
	if (!n || !cores) {
		free(cores);
		group_nothing(out);
		return;
	}
	for (cpu = i = 0; i < n; cpu++) {
		if (!CPU_ISSET(cpu, mask))
			continue;
		cores[i].number = cpu;
		cores[i].l2_first = -1;
		cores[i].uarch = read_midr(root, cpu);
		known = known && cores[i].uarch != VGG_UARCH_GENERIC;
		read_capacity(root, &cores[i]);
		read_caches(root, &cores[i]);
		i++;
	}
	if (!known)
		read_cpuinfo(root, cores, n);
	for (i = 0; i < n; i++)
		default_caches(root, &cores[i]);
	group(out, cores, n);
	free(cores);
}

static struct vgg_cpus machine;

static void read_machine(void)
{
	cpu_set_t mask;

	/* Fails where there are more CPUs than a cpu_set_t holds. */
	if (sched_getaffinity(0, sizeof(mask), &mask))
		CPU_ZERO(&mask);
	vgg_cpus_read("", &mask, &machine);
}

const struct vgg_cpus *vgg_cpus(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, read_machine);
	return &machine;
}

int vgg_cluster_here(void)
{
	int cpu = sched_getcpu();

	/* Not supported, or a CPU beyond what a cpu_set_t holds. */
	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return 0;
	return vgg_cpus()->cluster_of[cpu];
}

/* "quota period" in microseconds: CPUs, rounded up; 0 for "max", -1 and what
 * else means no limit. */
static int parse_quota(const char *text)
{
	uint64_t quota, period;

	if (!take_number(&text, 10, INT64_MAX, &quota) || *text++ != ' ' ||
	    !take_number(&text, 10, INT64_MAX, &period) || *text || !quota ||
	    !period)
		return 0;
	quota = quota / period + (quota % period != 0);
	return quota > CPU_SETSIZE ? CPU_SETSIZE : (int)quota;
}

/* The quota of one cgroup's folder: version 2 has one file, version 1 two. */
static int folder_quota(const char *folder)
{
	char line[80], quota[32], period[32];

	if (read_line(line, sizeof(line), "%s/cpu.max", folder))
		return parse_quota(line);
	if (!read_line(quota, sizeof(quota), "%s/cpu.cfs_quota_us", folder) ||
	    !read_line(period, sizeof(period), "%s/cpu.cfs_period_us", folder))
		return 0;
	snprintf(line, sizeof(line), "%s %s", quota, period);
	return parse_quota(line);
}

/*
 * The least quota from a cgroup up to the root: each limits all below it. The
 * path may not exist (a container that sees its own cgroup as the root but not
 * as such in /proc): then some folder above it does.
 */
static int path_quota(const char *root, const char *controller,
		      const char *path)
{
	char folder[1024];
	int least = 0, quota, n;
	char *top, *slash;

	n = snprintf(folder, sizeof(folder), "%s/sys/fs/cgroup%s", root,
		     controller);
	if (n < 0 || (size_t)n + strlen(path) >= sizeof(folder))
		return 0;
	top = strcpy(folder + n, path);
	/* "/../x": a cgroup outside of what this container sees. */
	if (strstr(top, "/.."))
		*top = 0;
	for (;; *slash = 0) {
		quota = folder_quota(folder);
		if (quota && (!least || quota < least))
			least = quota;
		slash = strrchr(top, '/');
		if (!slash)
			return least;
	}
}

/* One line of /proc/self/cgroup: "0::/path" or "5:cpu,cpuacct:/path". */
static int line_quota(const char *root, char *line)
{
	char *names = strchr(line, ':'), *path, *name;

	if (!names)
		return 0;
	path = strchr(++names, ':');
	if (!path)
		return 0;
	*path++ = 0;
	path[strcspn(path, "\n")] = 0;
	if (!*names)
		return path_quota(root, "", path);
	while ((name = strsep(&names, ",")))
		if (!strcmp(name, "cpu"))
			return path_quota(root, "/cpu", path);
	return 0;
}

int vgg_cpus_quota_read(const char *root)
{
	char path[512], *line = NULL;
	int least = 0, quota;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (getline(&line, &size, f) > 0) {
		quota = line_quota(root, line);
		if (quota && (!least || quota < least))
			least = quota;
	}
	free(line);
	fclose(f);
	return least;
}

int vgg_cpus_quota(void)
{
	return vgg_cpus_quota_read("");
}
